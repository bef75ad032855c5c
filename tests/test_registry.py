"""What every registry promises: one name one thing, and mistakes that say what is near."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.errors import FraktalError, InvalidInput, NotFound, UnknownName
from fraktal_kernel.registry import Registry, unknown_name


def test_a_name_is_given_once() -> None:
    """What stands under a name is not replaced by accident."""
    colours: Registry[int] = Registry("colour")
    colours.add("red", 1)
    with pytest.raises(InvalidInput, match=r"colour 'red' is already registered"):
        colours.add("red", 2)
    assert colours["red"] == 1


def test_it_is_a_mapping() -> None:
    """A registry can be listed, counted and asked, in the order of registration."""
    colours: Registry[int] = Registry("colour")
    colours.register("red")(1)
    colours.register("blue")(2)
    assert dict(colours) == {"red": 1, "blue": 2}
    assert "red" in colours and "green" not in colours and len(colours) == 2
    assert colours.get("green") is None


def test_an_unknown_name_says_what_is_near_or_what_there_is() -> None:
    """Whoever mistypes a name reads the right one."""
    assert "did you mean 'seahorse'?" in str(unknown_name("scene", "seehorse", ["seahorse", "x"]))
    assert "there are: a, b." in str(unknown_name("scene", "zzz", ["b", "a"]))
    error = unknown_name("scene", "zzz", ["a"])
    assert isinstance(error, UnknownName | KeyError) and str(error)[0] != "'"


@given(st.text(max_size=300))
def test_any_name_is_refused_in_one_short_line(name: str) -> None:
    """Whatever is given as a name, the refusal is one line that can be read."""
    text = str(unknown_name("thing", name, ["known"]))
    assert "\n" not in text and len(text) < 500


def test_plug_ins_are_found_by_their_entry_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed package fills a registry, but does not replace what is built in."""
    (tmp_path / "palettes_plugin.py").write_text("warm = 'warm colours'\ngrey = 'their grey'\n")
    info = tmp_path / "palettes_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: palettes-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[test.palettes]\nwarm = palettes_plugin:warm\ngrey = palettes_plugin:grey\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    palettes: Registry[str] = Registry("palette", group="test.palettes")
    palettes.add("grey", "our grey")
    assert dict(palettes) == {"grey": "our grey", "warm": "warm colours"}
    sys.modules.pop("palettes_plugin")


def test_who_looks_up_while_plug_ins_are_loaded_waits_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads that ask first at the same time both find what is installed."""
    (tmp_path / "slow_plugin.py").write_text(
        "import threading\nbegun, go_on = threading.Event(), threading.Event()\n"
        "import sys\nsys.modules['slow_gates'] = sys.modules[__name__]\n"
        "begun.set()\ngo_on.wait(60)\nwarm = 'warm colours'\n"
    )
    info = tmp_path / "slow_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[test.slow]\nwarm = slow_plugin:warm\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    palettes: Registry[str] = Registry("palette", group="test.slow")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: "warm" in palettes)
        while (gates := sys.modules.get("slow_gates")) is None or not gates.begun.is_set():
            assert not first.done()
        second = pool.submit(lambda: "warm" in palettes)
        assert not wait([second], 0.2).done
        gates.go_on.set()
        assert first.result(60) and second.result(60)
    for name in ("slow_plugin", "slow_gates"):
        sys.modules.pop(name)


def test_errors_are_one_family() -> None:
    """Whoever catches FraktalError catches all that we raise on purpose."""
    assert issubclass(UnknownName, InvalidInput) and issubclass(UnknownName, KeyError)
    assert issubclass(InvalidInput, FraktalError) and issubclass(NotFound, FraktalError)
