"""Which maps a deep zoom is for: plain names for what `maps` compiles."""

from __future__ import annotations

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.reference.recurrences import CONJUGATE_C, Recurrence

# ("power", d) for z**d + c, or ("fold", bits) for a fold of z*z, bits as `recurrences` has them.
Map = tuple[str, int]


def map_of(recurrence: Recurrence) -> tuple[Map, bool]:
    """Give the map of a recurrence, and whether it adds the conjugate of c.

    Examples
    --------
    >>> from fraktal_kernel.fractals.reference.recurrences import recurrence_of
    >>> map_of(recurrence_of("burning_ship")), map_of(recurrence_of("z**3 + c"))
    ((('fold', 3), True), (('power', 3), False))
    """
    if recurrence.power and recurrence.start == (0, 0):
        return ("power", recurrence.power), False
    if recurrence.fold > 0 and recurrence.start == (0, 0):
        fold = recurrence.fold & ~CONJUGATE_C
        conjugate = fold != recurrence.fold
        return (("fold", fold) if fold else ("power", 2)), conjugate
    raise InvalidInput(
        f"the formula {recurrence.name} is no power of z plus c and no fold of z*z + c; deep zooms "
        "by linear approximation are for those."
    )


def degree_of(kind: Map) -> int:
    """Give the power with which a map scales."""
    return kind[1] if kind[0] == "power" else 2


def is_holomorphic(kind: Map) -> bool:
    """Say whether a map has complex derivatives."""
    return kind[0] == "power"
