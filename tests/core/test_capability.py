"""What a capability promises: mistakes are refused in a sentence, written or called."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator, model_validator

from fraktal_kernel.core import capability as module
from fraktal_kernel.core.capability import Capabilities, Capability, Needs, Run, capability
from fraktal_kernel.errors import InvalidInput, Unavailable, UnknownName


class Inner(BaseModel):
    """A part of the parameters."""

    depth: int = Field(1, ge=1)


class Params(BaseModel):
    """All kinds of parameters."""

    width: int = Field(100, ge=1, le=1000)
    share: float = 0.5
    mode: Literal["fast", "fine"] = "fast"
    tags: list[str] = []
    inner: Inner = Inner()
    even: int = 2

    @field_validator("even")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"given {value}, expected an even number")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Params:
        if self.even > self.width:
            raise ValueError(f"{self.even} of {self.width} are too many")
        return self


def work(params: Params, run: Run) -> int:
    """Multiply.

    This paragraph is not for the summary.
    """
    return params.width * 2


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Capabilities:
    """Give an empty collection in the place of the one of this process."""
    fresh = Capabilities()
    monkeypatch.setattr(module, "capabilities", fresh)
    return fresh


def made() -> Capability:
    """Make the capability without registering it."""
    return Capability("test.work", "Work", work, Params)


# --- writing one --------------------------------------------------------------------------


def test_the_function_stays_a_function(known: Capabilities) -> None:
    """The decorator registers, and gives the function back as it is."""
    needs = Needs(cores=2, gpu=True)
    same = capability("test.work", title="Work", needs=needs, examples=[{"width": 3}])(work)
    assert same is work
    item = known["test.work"]
    assert item(Params(width=3), Run.detached()) == 6
    about = item.describe()
    assert about["description"] == "Multiply."
    assert about["needs"] == {"cores": 2, "memory_bytes": 0, "gpu": True}
    assert about["examples"] == [{"width": 3}]
    assert set(about["schema"]["properties"]) == set(Params.model_fields)
    assert item.validate(about["examples"][0]) == Params(width=3)


@pytest.mark.parametrize("name", ["", "work", "Test.work", "test.", ".work", "a b.c", "test/work"])
def test_a_name_has_a_domain_and_a_verb(known: Capabilities, name: str) -> None:
    """Names go into addresses and commands; others are refused where they are written."""
    with pytest.raises(InvalidInput, match=r"expected a name such as 'domain\.verb'"):
        capability(name, title="Work")(work)
    assert dict(known._known) == {}


def test_a_function_of_another_shape_is_refused(known: Capabilities) -> None:
    """What is wrong is said when the module is imported, not when the first user calls."""

    def lonely(params: Params) -> None: ...
    def plain(params: dict, run: Run) -> None: ...  # type: ignore[type-arg]
    def silent(params, run): ...  # type: ignore[no-untyped-def]
    def elsewhere(params: Unheard, run: Run) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for function, words in (
        (lonely, r"expected \(params, run\)"),
        (plain, "expected a pydantic model"),
        (silent, "expected a pydantic model"),
        (elsewhere, "an annotation cannot be read"),
    ):
        with pytest.raises(InvalidInput, match=words):
            capability("test.work", title="Work")(function)


def test_one_name_has_one_home(known: Capabilities) -> None:
    """A notebook may define its own again; another module's name is taken."""
    capability("test.work", title="Work")(work)
    capability("test.work", title="Work anew")(work)
    assert known["test.work"].title == "Work anew"

    def other(params: Params, run: Run) -> None: ...

    other.__module__ = "elsewhere"
    with pytest.raises(InvalidInput, match=r"is defined in .*test_capability already"):
        capability("test.work", title="Other")(other)


# --- calling one --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"width": 0}, "width: given 0; input should be greater than or equal to 1."),
        ({"inner": {"depth": 0}}, "inner.depth: given 0; "),
        ({"mode": "slow"}, "mode: given 'slow'; "),
        ({"even": 3}, "even: given 3, expected an even number."),
        ({"width": "x", "share": "y"}, "share: given 'y'; "),
        ({"width": 10**5000}, "width: given a value of type int; "),
        ({"widht": 1}, "no parameter of test.work named 'widht'; did you mean 'width'?"),
    ],
)
def test_bad_parameters_are_one_sentence(params: dict[str, Any], sentence: str) -> None:
    """The sentence names each parameter at fault, what was given and what was expected."""
    with pytest.raises(InvalidInput) as refusal:
        made().validate(params)
    assert sentence in str(refusal.value)


def test_what_is_wrong_between_parameters_has_no_place() -> None:
    """The sentence begins with what the capability says itself."""
    with pytest.raises(InvalidInput, match=r"^8 of 4 are too many\.$"):
        made().validate({"width": 4, "even": 8})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*Params.model_fields, "other"]), JSON, max_size=4))
def test_odd_input_is_taken_or_refused_in_one_line(params: dict[str, Any]) -> None:
    """Whatever JSON comes from outside, it fits the model or is refused in one short line."""
    try:
        checked = made().validate(params)
    except InvalidInput as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 1500
    else:
        assert isinstance(checked, Params) and 1 <= checked.width <= 1000


# --- plug-ins -----------------------------------------------------------------------------

GOOD = """
from pydantic import BaseModel
from fraktal_kernel import Run, capability

class Params(BaseModel):
    n: int = 1

@capability("{name}.double", title="Double")
def double(params: Params, run: Run) -> int:
    '''Double a number.'''
    return 2 * params.n
"""


@pytest.fixture
def plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: Capabilities
) -> Iterator[Capabilities]:
    """Install small packages into a folder: good ones, and two that are broken."""
    sources = {
        "goodone": GOOD.format(name="goodone"),
        "goodtwo": "import time\ntime.sleep(0.2)\n" + GOOD.format(name="goodtwo"),
        "brokenone": "import package_that_is_not_there",
        "brokentwo": "raise SystemExit('I leave')",
    }
    for name, source in sources.items():
        (tmp_path / f"fraktal_{name}.py").write_text(source)
        info = tmp_path / f"fraktal_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        point = f"[fraktal.capabilities]\n{name} = fraktal_{name}\n"
        (info / "entry_points.txt").write_text(point)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield known
    for name in sources:
        sys.modules.pop(f"fraktal_{name}", None)


def test_an_installed_plug_in_is_found_by_name(plugins: Capabilities) -> None:
    """Its module is imported when its first name is asked for, and no other one's."""
    item = plugins["goodone.double"]
    assert item(item.validate({"n": 4}), Run.detached()) == 8
    assert "fraktal_goodtwo" not in sys.modules
    assert plugins.importable("goodone.double")


def test_a_broken_plug_in_takes_no_other_with_it(plugins: Capabilities) -> None:
    """The good ones work; whoever asks for the broken ones reads why they do not."""
    assert {"goodone.double", "goodtwo.double"} <= set(plugins)
    assert set(plugins.broken) >= {"brokenone", "brokentwo"}
    with pytest.raises(Unavailable, match=r"'brokenone' cannot be loaded.*package_that_is_not"):
        plugins["brokenone.double"]
    with pytest.raises(Unavailable, match="I leave"):
        plugins["brokentwo.double"]
    with pytest.raises(UnknownName, match=r"did you mean 'goodone\.double'"):
        plugins["goodone.doubel"]


def test_many_may_ask_at_once(plugins: Capabilities) -> None:
    """Nobody is told that a name is unknown while another thread is importing it."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: plugins["goodtwo.double"].title, range(16)))
    assert found == ["Double"] * 16


def test_modules_that_a_setting_names(plugins: Capabilities) -> None:
    """They are imported once; one that is not there is refused in a sentence."""
    plugins.use_modules(["fraktal_goodone", "fraktal_goodone"])
    assert "goodone.double" in plugins._known
    with pytest.raises(InvalidInput, match="capability_modules names 'nowhere'"):
        plugins.use_modules(["nowhere"])
