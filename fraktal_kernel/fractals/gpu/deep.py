"""The method for deep views on a card: the orbit by the processor, the differences by the card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from fraktal_kernel.fractals.deep.approximation import Approximation
from fraktal_kernel.fractals.gpu.card import Card
from fraktal_kernel.fractals.gpu.small import FAR, NEAR, Walk, far_of, walk_of
from fraktal_kernel.fractals.gpu.walks import walks_of
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.perturbation import Perturbation
from fraktal_kernel.fractals.planner import Request


class OnCard(Approximation):
    """Linear approximation whose points are walked by a card, each by itself."""

    lockstep = False

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._made: dict[object, Walk] = {}
        if self.minibrot:
            self.minibrot = replace(self.minibrot, walks=walks_of())

    @property
    def method(self) -> str:
        """How it is computed, in words."""
        return f"{super().method} on CUDA"

    def walk_kernel(self, slopes: bool) -> Callable[..., bool]:
        """Give what walks points of ordinary size."""
        return self._once(("near", slopes), lambda: Walk(walk_of(self.kind, slopes), NEAR))

    def far_kernel(self, slopes: bool) -> Callable[..., bool]:
        """Give what walks points that are too small for float64."""
        return self._once(("far", slopes), lambda: Walk(far_of(self.kind, slopes), FAR))

    def _once(self, key: object, make: Callable[[], Walk]) -> Walk:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _band(self, out: Mapping[str, NDArray[Any]], row: int, crew: Crew) -> int:
        # One thread drives the card, with some 100,000 points at a time, which fill a large one.
        return super()._band(out, row, replace(crew, threads=1, spans=4))


class Deep(Perturbation):
    """Compute one orbit in arbitrary precision, and all pixels as differences from it on a card."""

    approximation = OnCard

    def __init__(self, request: Request, card: Card) -> None:
        super().__init__(request)
        self.device = card.name
