"""XaoS's .xpf files: commands in parentheses, of which the lasting ones are read, none is run."""

from __future__ import annotations

import re
from decimal import Decimal

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.exchange.frame import ASPECT, left_out, real, steps_of
from fraktal_kernel.fractals.scene import Scene, Seed
from fraktal_kernel.fractals.view import View, decimal_of, text_of

_FORMULAS: dict[str, tuple[str, dict[str, int | float | str]]] = {
    "mandel": ("mandelbrot", {}),
    **{f"mandel{power}": ("multibrot", {"power": power}) for power in (3, 4, 5, 6, 9)},
    "mbar": ("tricorn", {}),
    "magnet": ("magnet1", {}),
    "magnet2": ("magnet2", {}),
    "newton": ("newton", {}),
    "newton4": ("newton", {"polynomial": "z**4 - 1"}),
    "octal": ("z**3 + previous", {}),
    "phoenix": ("phoenix", {}),
    "mlambda": ("lambda", {}),
}
# Their seed is the start of the orbits, not a constant.
_STARTED = ("newton", "newton4", "octal", "mlambda")
# Those that are Julia sets where nothing else is said, and of which seed.
_USUAL_SEEDS = {"phoenix": ["0.56667", "-0.5"], "mlambda": ["0.5", "0"]}
_SIZES = {"view": 4, "formula": 1, "usrform": 1, "usrformInit": 1, "maxiter": 1, "angle": 1}
_SIZES |= {"juliaseed": 2, "julia": 1, "plane": 1, "perturbation": 2}
_TOKEN = re.compile(r'(?P<open>\()|(?P<close>\))|"(?P<text>[^"]*)"|;[^\n]*|(?P<word>[^\s()";]+)')
_MOST_DECIMALS = 30


def is_xpf(text: str) -> bool:
    """Say whether a text looks like one of these files."""
    return "(initstate)" in text or re.search(r"\((?:view|formula)\s", text) is not None


def read_xpf(text: str, name: str) -> tuple[Scene, tuple[str, ...]]:
    """Read a position; ``name`` says in errors where it came from."""
    found, notes = _commands(text, name), list[str]()
    for key, size in _SIZES.items():
        if key in found and len(found[key]) != size:
            raise InvalidInput(
                f"({key[:40]} ...) in {name} has {len(found[key])} values; expected {size}."
            )
    if "view" not in found:
        raise InvalidInput(f"{name} has no (view ...); expected a position that XaoS saved.")
    if real("plane", found.get("plane", ["0"])[0]) != 0:
        raise InvalidInput(f"{name} shows another plane than that of c, which cannot be read.")
    if any(real("perturbation", part) for part in found.get("perturbation", [])):
        raise InvalidInput(f"{name} has a perturbation of the start, which cannot be read.")
    word = found.get("formula", ["mandel"])[0].lstrip("'")
    formula, parameters = _formula(word, found, name)
    re_, im, across, down = (decimal_of("a value of the view", part) for part in found["view"])
    width = max(abs(across), abs(down) * ASPECT).normalize()
    if len(width.as_tuple().digits) > _MOST_DECIMALS:
        width = round(width, _MOST_DECIMALS - 1 - width.adjusted())
    view = View(
        text_of(re_),
        text_of(im),
        text_of(Decimal(width)),
        -real("angle", found.get("angle", ["0"])[0]),
    )
    seed = _seed(word, found, name)
    if seed is None and "juliaseed" in found and word not in _USUAL_SEEDS:
        notes.append("the seed is not used, as the position is no Julia set")
    if word == "phoenix" and seed is not None:
        # Its constants are the two parts of the seed.
        seed, parameters = Seed(seed.re, "0"), {"p": seed.im}
    left_out([key for key in found if key not in _SIZES and key != "initstate"], notes)
    scene = Scene(
        formula,
        view,
        seed,
        steps_of(found.get("maxiter", ["170"])[0], notes),
        parameters=parameters,
    )
    return scene, tuple(notes)


def _formula(
    word: str, found: dict[str, list[str]], name: str
) -> tuple[str, dict[str, int | float | str]]:
    """Give our formula for theirs, with its parameters."""
    if word == "user":
        start = found.get("usrformInit", [""])[0].strip()
        if start not in ("", "0"):
            raise InvalidInput(f"{name} has a start of its own, {start!r:.60}; it cannot be read.")
        # What XaoS calls p is the z before.
        return re.sub(r"\bp\b", "previous", found.get("usrform", [""])[0].lower()), {}
    if word not in _FORMULAS:
        raise InvalidInput(
            f"the formula {word!r:.40} in {name} cannot be read; expected one of "
            f"{', '.join(_FORMULAS)}, or one of the user's."
        )
    return _FORMULAS[word]


def _seed(word: str, found: dict[str, list[str]], name: str) -> Seed | None:
    """Give the constant of a Julia set; None in the plane of c."""
    usual = _USUAL_SEEDS.get(word)
    given = Seed(*found.get("juliaseed", usual or ["0", "0"]))
    julia = found.get("julia", ["#t" if usual else "#f"]) == ["#t"]
    unread = ""
    if word == "mlambda" and julia and given == Seed("0.5", "0"):
        return None  # begun at its critical point, that is lambda over c
    if word == "phoenix" and not julia:
        unread = "phoenix over both of its constants"
    elif word in _STARTED and julia:
        unread = f"{word} with a start of its own"
    elif word == "mlambda":
        unread = "mlambda begun at each c"
    if unread:
        raise InvalidInput(f"{name} shows {unread}, which cannot be read.")
    return given if julia else None


def _commands(text: str, name: str) -> dict[str, list[str]]:
    """Give the values of each command; the last of its name counts."""
    found: dict[str, list[str]] = {}
    words: list[str] | None = None
    for token in _TOKEN.finditer(text):
        if token["open"]:
            if words is not None:
                raise InvalidInput(f"{name} has a command within another; expected none.")
            words = []
        elif token["close"]:
            if not words:
                raise InvalidInput(f"{name} has an empty or unopened command; is it damaged?")
            found[words[0]] = words[1:]
            words = None
        elif words is not None and (token["word"] or token["text"] is not None):
            words.append(token["word"] or token["text"])
    if words is not None:
        raise InvalidInput(f"{name} ends within a command; is it cut off?")
    return found
