"""What can be known of each point of a picture: the fields, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.registry import unknown_name


@dataclass(frozen=True, slots=True)
class FieldKind:
    """One kind of field.

    Parameters
    ----------
    dtype : of its array [h, w]
    title : in words
    where : ``"outside"``, ``"inside"`` or ``"everywhere"`` it has a meaning
    """

    dtype: str
    title: str
    where: str = "outside"

    @property
    def lacking(self) -> int | float | complex:
        """What stands where there is no value: NaN, 0 in fields of whole numbers."""
        return 0 if self.dtype == "int64" else np.nan


KINDS: Mapping[str, FieldKind] = {
    "iterations": FieldKind("int64", "steps until the point left", "everywhere"),
    "smooth": FieldKind("float64", "continuous count of steps"),
    "distance": FieldKind("float64", "distance to the set, in pixels"),
    "normal": FieldKind("complex128", "direction away from the set, a unit vector"),
    "angle": FieldKind("float64", "angle of the last z, in turns"),
    "stripe": FieldKind("float64", "stripe average, 0 to 1"),
    "triangle": FieldKind("float64", "triangle inequality average, 0 to 1"),
    "trap_point": FieldKind("float64", "nearest that the orbit came to 0", "everywhere"),
    "trap_cross": FieldKind("float64", "nearest that the orbit came to the axes", "everywhere"),
    "trap_circle": FieldKind("float64", "nearest that it came to the unit circle", "everywhere"),
    "z": FieldKind("complex128", "the last z"),
    "derivative": FieldKind("complex128", "derivative of the last z by the point, per pixel"),
    "interior_distance": FieldKind("float64", "distance to the edge, in pixels", "inside"),
    "period": FieldKind("int64", "period of the attracting cycle; 0 unknown", "inside"),
    "atom": FieldKind("int64", "step at which the orbit was nearest to 0", "everywhere"),
}


def checked_fields(names: object) -> tuple[str, ...]:
    """Take names of fields: known ones, each once; refuse what is none."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InvalidInput(f"fields is {names!r:.60}; expected a list such as ('smooth',).")
    wanted = list(names)
    if not wanted:
        raise InvalidInput(f"fields is empty; expected at least one of {', '.join(KINDS)}.")
    for name in wanted:
        if not isinstance(name, str) or name not in KINDS:
            raise unknown_name("field", str(name)[:60], list(KINDS))
    return tuple(dict.fromkeys(wanted))


def empty_fields(names: Iterable[str], height: int, width: int) -> dict[str, NDArray[Any]]:
    """Make arrays [h, w] for fields, with nothing known in them yet."""
    return {
        name: np.full((height, width), KINDS[name].lacking, KINDS[name].dtype) for name in names
    }
