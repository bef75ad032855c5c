"""Whether a card computes what is asked for: by size and depth, and only where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from fraktal_kernel.errors import Unavailable
from fraktal_kernel.fractals.gpu.card import Card, card, likely, simulation
from fraktal_kernel.fractals.progress import Cancelled, Progress

if TYPE_CHECKING:
    from fraktal_kernel.fractals.planner import Method, Request

# Fewer operations than that, at most, and the processor is done before a card's kernels are
# compiled: some seconds of a few cores.
_WORTH = 3e10


def worth(request: Request) -> bool:
    """Say whether a picture may be so much work that a card is worth being asked for."""
    points = request.geometry.width * request.geometry.height
    return points * request.max_iter * request.formula.step.operations >= _WORTH


def chosen_card(request: Request) -> Card | None:
    """Give the card that is to compute, or None for the processor.

    Raises
    ------
    Unavailable
        where ``"cuda"`` was asked for, and no card answers
    """
    if request.device == "cuda":
        return card()
    if request.device == "cpu" or simulation() or not worth(request) or not likely():
        return None
    try:
        return card()
    except Unavailable:
        return None


def on_card(request: Request, method: Method) -> Method:
    """Give a method of the card in place of one of the processor, where that is to be.

    Parameters
    ----------
    request : what is asked for
    method : what the processor would do
    """
    card = chosen_card(request)
    if card is None:
        return method
    from fraktal_kernel.fractals.float64 import Float64
    from fraktal_kernel.fractals.gpu.escape import Escape
    from fraktal_kernel.fractals.perturbation import in_segments

    fallback = method if request.device == "auto" else None
    if isinstance(method, Float64):
        return Guarded(Escape(request, card), fallback)
    if in_segments(request):
        from fraktal_kernel.fractals.gpu.deep import Deep

        return Guarded(Deep(request, card), fallback)
    return Instead(method, "a card takes segments of an orbit, and this goes step by step")


class Guarded:
    """A method of a card that may fail on the way: its memory is used up, its driver gone.

    Parameters
    ----------
    method : of the card
    fallback : of the processor, which begins anew then; None says that the card has failed
    """

    def __init__(self, method: Method, fallback: Method | None) -> None:
        self.method, self.fallback, self.device = method, fallback, method.device

    def fill(
        self,
        out: Mapping[str, NDArray[Any]],
        *,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> str:
        """Fill arrays [h, w] by the names of their fields, and say in words how."""
        try:
            return self.method.fill(out, progress=progress, cancelled=cancelled)
        except Exception as error:
            if not type(error).__module__.startswith(("numba.cuda", "cuda.")):
                raise
            reason = f"{self.device} failed ({str(error).splitlines()[0]:.200})"
            if self.fallback is None:
                raise Unavailable(f"{reason}; try again, or choose device='cpu'.") from error
        method = Instead(self.fallback, reason)
        self.device = method.device
        return method.fill(out, progress=progress, cancelled=cancelled)


class Instead:
    """What the processor computes although a card was asked for; the result says why."""

    def __init__(self, method: Method, reason: str) -> None:
        self.method, self.reason, self.device = method, reason, method.device

    def fill(
        self,
        out: Mapping[str, NDArray[Any]],
        *,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> str:
        """Fill arrays [h, w] by the names of their fields, and say in words how."""
        words = self.method.fill(out, progress=progress, cancelled=cancelled)
        return f"{words}; by the processor, because {self.reason}"
