"""The palettes that have names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.palettes.gradient import Palette
from fraktal_kernel.registry import Registry, unknown_name

palettes: Registry[Palette] = Registry("palette", group="fraktal.palettes")
# Neighbouring stops of these stay apart for people who do not see red or green.
SAFE = ("beacon", "dusk", "lagoon", "moonstone")


def palette_of(value: object) -> Palette:
    """Find the palette that is meant: itself, a name, plain data, or a list of colours."""
    if isinstance(value, Palette):
        return value
    if isinstance(value, str):
        if value not in palettes:
            raise unknown_name("palette", value[:60], list(palettes))
        return palettes[value]
    if isinstance(value, Mapping):
        return Palette.from_dict(value)
    if isinstance(value, (list, tuple)):
        return Palette.of(value)
    raise InvalidInput(f"palette is {value!r:.60}; expected a name or an object with stops.")


def _add(name: str, title: str, *colours: str, **options: Any) -> None:
    palettes.add(name, Palette.of(colours, title, **options))


_add("aurora", "Aurora", "#071330", "#0c5a6b", "#2fc19c", "#e9f7cf", "#9b6fc4", "#33235f")
_add("ember", "Ember", "#120608", "#6a1016", "#d9481c", "#fbb13c", "#fff3d0", "#8a4a5c", "#2b1226")
_add(
    "glacier", "Glacier", "#06121f", "#114a77", "#3fa0cf", "#c9ecf5", "#ffffff", "#8fa8c4",
    "#2c3f5e",
)  # fmt: skip
palettes.add(
    "classic",
    Palette(
        "Classic",
        (
            (0.0, "#000764"),
            (0.16, "#206bcb"),
            (0.42, "#edffff"),
            (0.6425, "#ffaa00"),
            (0.8575, "#1a0f04"),
        ),
    ),
)
_add(
    "beacon", "Beacon, for every eye", "#00204d", "#31518a", "#8aa0bd", "#f5f0dc", "#fee838",
    "#a8912a", "#3b3a3c",
)  # fmt: skip
_add("porcelain", "Porcelain", "#f7f2e8", "#d8c9b0", "#8c6f5a", "#1f2f4a", "#35618f", "#a9c6da")
_add("graphite", "Graphite", "#0b0c0e", "#ffffff", cyclic=False)
_add(
    "dusk", "Dusk, for every eye", "#05080f", "#12294f", "#3a4a7d", "#7b7196", "#c2a28f",
    "#f2d58a", "#fffbe6", cyclic=False,
)  # fmt: skip
_add(
    "lagoon", "Lagoon, for every eye", "#03101a", "#0c3f63", "#2a7fb0", "#8cc3d6", "#fff6d5",
    cyclic=False,
)  # fmt: skip
_add(
    "moonstone", "Moonstone, for every eye", "#0d1020", "#2f3f7c", "#7d8fc9", "#dfe4f2", "#f0d98c",
    "#a8822f", "#4a3613",
)  # fmt: skip
