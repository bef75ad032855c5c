"""Draw the floors of ``floors.toml`` as ``architecture.svg``: ``python docs/picture.py``."""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
WIDTH, LEFT, ROW, GAP = 880, 24, 64, 10
WAYS = "Python · job · REST · command line · form · batch notebook"
STYLE = """
  svg { font-family: system-ui, sans-serif; color: #1f2430; background: #ffffff; }
  text { fill: currentColor; font-size: 13px; }
  .name { font-size: 15px; font-weight: 600; }
  .soft { opacity: .72; }
  .floor { fill: #f3f5f9; stroke: #c9cfdb; }
  .room { fill: #ffffff; stroke: #8b95a9; }
  .engine { fill: none; stroke: #8b95a9; stroke-dasharray: 4 3; }
  .arrow { stroke: #3b6fd4; fill: none; stroke-width: 2; }
  .head { fill: #3b6fd4; }
  @media (prefers-color-scheme: dark) {
    svg { color: #e3e6ee; background: #14171f; }
    .floor { fill: #1d212c; stroke: #3b4354; }
    .room { fill: #272c3a; stroke: #6d778c; }
  }
"""


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def _chips(names: list[str], right: float, y: float, kind: str) -> list[str]:
    """Draw the rooms of a floor, flush right."""
    drawn = []
    for name in reversed(names):
        width = round(26 + 7.4 * len(name))
        right -= width
        drawn += [
            f'<rect x="{right}" y="{y}" width="{width}" height="32" rx="6" class="{kind}"/>',
            _text(right + width / 2, y + 21, name, anchor="middle"),
        ]
        right -= 8
    return drawn


def _floor(floor: dict[str, object], y: int, width: int, kind: str) -> list[str]:
    box, chip = ("engine", "engine") if kind == "engine" else ("floor", "room")
    rooms = floor["rooms"]
    assert isinstance(rooms, list)
    return [
        f'<rect x="{LEFT}" y="{y}" width="{width}" height="{ROW}" rx="8" class="{box}"/>',
        _text(LEFT + 16, y + 27, str(floor["name"]), "name"),
        _text(LEFT + 16, y + 47, str(floor["text"]), "soft"),
        *_chips(rooms, LEFT + width - 14, y + 16, chip),
    ]


def draw(plan: dict[str, object]) -> str:
    """Draw a plan of floors as one SVG, readable in light and dark."""
    floors, engines = plan["floor"], plan["engines"]
    assert isinstance(floors, list) and isinstance(engines, dict)
    width = WIDTH - 2 * LEFT - 40
    top = 56
    rows = [(floor, top + number * (ROW + GAP)) for number, floor in enumerate(floors)]
    ground = top + len(rows) * (ROW + GAP)
    height = ground + ROW + 24
    arrow, middle = WIDTH - 36, (top + ground) // 2 - GAP
    parts = [
        f'<text x="{LEFT}" y="32"><tspan class="name">One capability, many ways in</tspan>'
        f'<tspan dx="16">{WAYS}</tspan></text>',
    ]
    for floor, y in rows:
        parts += _floor(floor, y, width, "floor")
    parts += _floor(engines, ground, width, "engine")
    parts += [
        f'<path class="arrow" d="M{arrow} {top} V{ground - GAP - 12}"/>',
        f'<path class="head" d="M{arrow - 6} {ground - GAP - 14} h12 l-6 14 z"/>',
        f'<text transform="translate({arrow + 18} {middle}) rotate(-90)" text-anchor="middle"'
        ' class="soft">imports only go down</text>',
    ]
    body = "\n".join(f"  {part}" for part in parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"  <title>The floors of Fraktal: a room imports only from floors below its own</title>\n"
        f"  <style>{STYLE}  </style>\n{body}\n</svg>\n"
    )


if __name__ == "__main__":
    plan = tomllib.loads((HERE / "floors.toml").read_text())
    (HERE / "architecture.svg").write_text(draw(plan))
