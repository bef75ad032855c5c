"""Which device computes: what is said where there is no card, and what is not loaded for none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fraktal_kernel.errors import MissingExtra, Unavailable
from fraktal_kernel.fractals import compute
from fraktal_kernel.fractals.fields import empty_fields
from fraktal_kernel.fractals.gpu import card as cards
from fraktal_kernel.fractals.gpu import choice
from fraktal_kernel.fractals.gpu.card import Card
from fraktal_kernel.fractals.planner import on_processor, request_of
from fraktal_kernel.fractals.scene import Scene

SMALL = {"size": (8, 6), "max_iter": 50}


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    """Forget what an earlier test found."""
    cards.card.cache_clear()
    yield
    cards.card.cache_clear()


class Driver:
    """A driver that answers with a code and a number of cards."""

    def __init__(self, code: int, many: int) -> None:
        self.code, self.many = code, many

    def cuInit(self, flags: int) -> int:
        """Start."""
        return self.code

    def cuDeviceGetCount(self, place: object) -> int:
        """Count."""
        place._obj.value = self.many  # type: ignore[attr-defined]
        return self.code


@pytest.mark.parametrize(
    ("package", "driver", "kind", "said"),
    [
        (False, None, MissingExtra, r"pip install 'fraktal\[gpu\]'"),
        (True, None, Unavailable, "no NVIDIA driver answers"),
        (True, Driver(100, 0), Unavailable, r"finds no GPU \(it answers 100\)"),
        (True, Driver(0, 0), Unavailable, "finds no GPU"),
    ],
)
def test_without_a_card_one_sentence_says_why(
    package: bool,
    driver: Driver | None,
    kind: type[Exception],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The package, the driver, the card: what is missing is named before any work."""
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    monkeypatch.setattr(cards, "_installed", lambda: package)
    monkeypatch.setattr(cards, "_driver", lambda: driver)
    with pytest.raises(kind, match=said) as caught:
        compute(device="cuda", progress=lambda *_: pytest.fail("it had begun"), **SMALL)
    assert "\n" not in str(caught.value)
    # Who leaves the choice to us is not troubled.
    monkeypatch.setattr(choice, "_WORTH", 0)
    assert compute(**SMALL).device == "cpu"


def test_a_card_is_asked_for_only_where_it_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small picture asks nobody; a large one with many steps goes to the card."""
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    monkeypatch.setattr(choice, "likely", lambda: True)
    monkeypatch.setattr(choice, "card", lambda: Card("of a test"))

    def chosen(width: int, max_iter: int, device: str = "auto") -> Card | None:
        geometry = SimpleNamespace(width=width, height=width)
        formula = SimpleNamespace(step=SimpleNamespace(operations=4))
        request = SimpleNamespace(
            geometry=geometry, formula=formula, max_iter=max_iter, device=device
        )
        return choice.chosen_card(request)  # type: ignore[arg-type]

    assert chosen(400, 1000) is None
    assert chosen(4000, 10_000) == Card("of a test")
    assert chosen(4000, 10_000, "cpu") is None
    assert chosen(400, 1000, "cuda") == Card("of a test")
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    assert chosen(4000, 10_000) is None  # a simulation is no gain


class Failure(Exception):
    """What a driver raises."""

    __module__ = "numba.cuda.cudadrv.driver"


class Failing:
    """A method of a card that fails on the way."""

    device = "A card"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def fill(self, out: Mapping[str, NDArray[Any]], **given: object) -> str:
        """Begin, and fail."""
        next(iter(out.values()))[0] = 7
        raise self.error


def test_a_card_that_fails_is_no_end_where_the_choice_is_ours() -> None:
    """The processor begins anew and says why; who asked for the card is told; faults stay."""
    request = request_of(Scene("mandelbrot"), 8, 6)
    out = empty_fields(("smooth",), 6, 8)
    lost = Failure("out of memory\nand more")
    method = choice.Guarded(Failing(lost), on_processor(request))
    words = method.fill(out)
    assert method.device == "cpu" and "because A card failed (out of memory)" in words
    assert np.array_equal(out["smooth"], compute(size=(8, 6)).smooth, equal_nan=True)
    with pytest.raises(Unavailable, match=r"A card failed \(out of memory\); try again"):
        choice.Guarded(Failing(lost), None).fill(out)
    with pytest.raises(ZeroDivisionError):
        choice.Guarded(Failing(ZeroDivisionError()), on_processor(request)).fill(out)


def test_what_a_card_could_do_at_best() -> None:
    """An H200 has 132 multiprocessors with 64 float64 units; a card for games has few of those."""
    h200 = Card("NVIDIA H200", (9, 0), 132, 1.98e9)
    assert h200.peak() == pytest.approx(16.7e12, rel=0.01)
    assert h200.peak(single=True) == 2 * h200.peak()
    assert not h200.slow_float64
    assert Card("NVIDIA GeForce RTX 4090", (8, 9), 128, 2.5e9).slow_float64
    assert Card("of tomorrow", (99, 0), 1, 1e9).peak() == 0.0


def test_the_processor_loads_nothing_of_cuda() -> None:
    """Neither a small picture nor a deep one imports numba's CUDA part."""
    code = (
        "import sys\n"
        "from fraktal_kernel.fractals import compute\n"
        "compute(size=(8, 6), max_iter=50)\n"
        "compute(re='-1.7548776662', width='1e-20', size=(8, 6), max_iter=50)\n"
        "print([name for name in sys.modules if name.startswith(('numba.cuda', 'cuda'))])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )
    assert done.stdout == "[]\n", done.stdout + done.stderr
