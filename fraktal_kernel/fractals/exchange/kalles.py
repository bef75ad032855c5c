"""Kalles Fraktaler's .kfr files: lines of ``Name: value``.

Its zoom 1 is a height of 4. Its imaginary axis points down unless ``ImagPointsUp`` is set, and it
turns clockwise.
"""

from __future__ import annotations

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.exchange.frame import (
    ASPECT,
    MIRRORED,
    Frame,
    check_plane,
    frame_of,
    left_out,
    real,
    steps_of,
    view_of,
    zoom_of,
)
from fraktal_kernel.fractals.scene import Scene
from fraktal_kernel.fractals.view import decimal_of, text_of

PROGRAM = "Kalles Fraktaler"
# FractalType with Power 2: our formula, and whether its c is the conjugate of theirs.
_SQUARES: dict[int, tuple[str, bool]] = {
    0: ("mandelbrot", False),
    1: ("burning_ship", True),
    2: ("buffalo", False),
    3: ("celtic", False),
    4: ("tricorn", False),
    5: ("abs(re(z**2)) - i*im(z**2) + c", False),
    6: ("re(z**2) - 2*i*abs(re(z))*im(z) + c", False),
    7: ("perpendicular_burning_ship", False),
    8: ("abs(re(z**2)) - 2*i*abs(re(z))*im(z) + c", False),
    9: ("abs(re(z**2)) - 2*i*re(z)*abs(im(z)) + c", False),
}
# The same with higher powers.
_POWERS: dict[int, str] = {
    1: "(abs(re(z)) + i*abs(im(z)))**{0} + c",
    2: "abs(re(z**{0})) + i*abs(im(z**{0})) + c",
    3: "abs(re(z**{0})) + i*im(z**{0}) + c",
    4: "conj(z)**{0} + c",
}
_MOST_POWER = 10
_READ = (
    "Re", "Im", "Zoom", "Iterations", "FractalType", "Power", "ColorOffset", "RotateAngle",
    "StretchAngle", "StretchAmount", "ImagPointsUp", "UseHybridFormula", "Version",
)  # fmt: skip


def is_kfr(text: str) -> bool:
    """Say whether a text looks like one of these files."""
    names = {line.partition(":")[0].strip() for line in text[:200_000].splitlines()}
    return {"Re", "Im", "Zoom"} <= names


def read_kfr(text: str, name: str) -> tuple[Scene, tuple[str, ...]]:
    """Read a location; ``name`` says in errors where it came from."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), value.strip())
    for key in ("Re", "Im", "Zoom"):
        if key not in found:
            raise InvalidInput(f"{name} has no {key}; expected a location of {PROGRAM}.")
    if _whole(found, "UseHybridFormula", 0, 0, 1):
        raise InvalidInput(f"{name} has a hybrid formula, which cannot be read yet.")
    kind, power = _whole(found, "FractalType", 0, 0, 1000), _whole(found, "Power", 2, 2, 1000)
    formula, conjugate = _formula(kind, power)
    notes: list[str] = []
    frame = Frame(
        -real("RotateAngle", found.get("RotateAngle", "0")),
        real("StretchAngle", found.get("StretchAngle", "0")),
        real("StretchAmount", found.get("StretchAmount", "0")),
    )
    view = view_of(
        found["Re"], found["Im"], found["Zoom"], frame, conjugate=conjugate, aspect=ASPECT
    )
    if conjugate == bool(_whole(found, "ImagPointsUp", 0, 0, 1)):
        notes.append(MIRRORED)
    left_out([key for key in found if key not in _READ], notes)
    scene = Scene(
        formula,
        view,
        max_iter=steps_of(found.get("Iterations", "1000"), notes),
        offset=_whole(found, "ColorOffset", 0, 0, 1023) / 1024,
        parameters={"power": power} if formula == "multibrot" else {},
    )
    return scene, tuple(notes)


def write_kfr(scene: Scene) -> str:
    """Write the location of a scene: its formula, view, limit and offset of colours."""
    check_plane(scene, PROGRAM)
    kind, power, conjugate = _kind(scene)
    view, frame = scene.view, frame_of(scene.view)
    im = decimal_of("im of the view", view.im)
    if conjugate:
        im, frame = im.copy_negate(), frame.mirrored()
    values = {
        "Re": view.re,
        "Im": text_of(im),
        "Zoom": zoom_of(view),
        "Iterations": scene.max_iter,
        "ColorOffset": round(scene.offset * 1024) % 1024,
        "Power": power,
        "FractalType": kind,
        "RotateAngle": repr(-frame.turn_deg),
        "StretchAngle": repr(frame.stretch_deg),
        "StretchAmount": repr(frame.doublings),
        "ImagPointsUp": int(not conjugate),
    }
    return "".join(f"{key}: {value}\r\n" for key, value in values.items())


def _formula(kind: int, power: int) -> tuple[str, bool]:
    if power == 2 and kind in _SQUARES:
        return _SQUARES[kind]
    if kind == 0 and power <= _MOST_POWER:
        return "multibrot", False
    if kind in _POWERS and power <= 5:
        return _POWERS[kind].format(power), False
    raise InvalidInput(
        f"FractalType {kind} with Power {power} cannot be read; expected one of the types 0 to 9 "
        "with Power 2, or of 0 to 4 with a higher one."
    )


def _kind(scene: Scene) -> tuple[int, int, bool]:
    """Give FractalType, Power, and whether c is to be conjugated."""
    if scene.formula == "multibrot":
        power = scene.parameters.get("power", 3)
        if isinstance(power, int) and 2 <= power <= _MOST_POWER:
            return 0, power, False
    for kind, (formula, conjugate) in _SQUARES.items():
        if scene.formula == formula:
            return kind, 2, conjugate
    for kind, pattern in _POWERS.items():
        for power in (3, 4, 5):
            if scene.formula == pattern.format(power):
                return kind, power, False
    raise InvalidInput(
        f"the formula {scene.formula!r:.60} is none that {PROGRAM} has; expected mandelbrot, "
        "multibrot with a power of 2 to 10, burning_ship, celtic, buffalo or tricorn."
    )


def _whole(found: dict[str, str], key: str, default: int, low: int, high: int) -> int:
    number = real(key, found[key], low, high) if key in found else default
    if number != int(number):
        raise InvalidInput(f"{key} is {number:g}; expected a whole number.")
    return int(number)
