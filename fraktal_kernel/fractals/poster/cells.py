"""How a large picture is cut: tiles that are stored, and cells of some tiles that are computed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fraktal_kernel.errors import InvalidInput

TILES = (128, 256, 512, 1024)
MAX_SIDE = 100_000
# Pixels along the side of a cell: so many, or so many times the margin, which is computed twice.
_SIDE, _MARGINS, _LONGEST_SIDE = 1024, 40, 2048
# What a band of the kernels takes, whatever the cell's size.
_FIXED_BYTES = 200 << 20


@dataclass(frozen=True, slots=True)
class Cell:
    """A rectangle of pixels: rows and columns from the first to the one behind the last."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    def grown(self, by: int, width: int, height: int) -> Cell:
        """Give the cell with its surroundings, as far as the picture goes."""
        return Cell(
            max(self.top - by, 0),
            max(self.left - by, 0),
            min(self.bottom + by, height),
            min(self.right + by, width),
        )

    def margin(self, inner: Cell) -> tuple[int, int, int, int]:
        """Count the rows above and below, the columns left and right of a cell in this one."""
        return (
            inner.top - self.top,
            self.bottom - inner.bottom,
            inner.left - self.left,
            self.right - inner.right,
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """The tiles of a picture, counted row after row, and the cells they are computed in.

    Parameters
    ----------
    width, height : of the picture, in pixels
    tile : side of a tile; the last of a row or column may reach beyond the picture
    group : tiles along the side of a cell

    Examples
    --------
    >>> layout = Layout(700, 500, 256, 2)
    >>> layout.count, [numbers for numbers, _ in layout.cells(set())]
    (6, [[0, 1, 3, 4], [2, 5]])
    """

    width: int
    height: int
    tile: int
    group: int = 1

    @property
    def across(self) -> int:
        """Tiles in a row."""
        return -(-self.width // self.tile)

    @property
    def down(self) -> int:
        """Rows of tiles."""
        return -(-self.height // self.tile)

    @property
    def count(self) -> int:
        """All tiles."""
        return self.across * self.down

    def pixels_of(self, number: int) -> Cell:
        """Give the pixels of a tile, as far as the picture goes."""
        row, column = divmod(number, self.across)
        top, left = row * self.tile, column * self.tile
        return Cell(top, left, min(top + self.tile, self.height), min(left + self.tile, self.width))

    def cells(self, done: set[int]) -> Iterator[tuple[list[int], Cell]]:
        """Go through the cells that have tiles left to do: these tiles, and the cell's pixels."""
        for row in range(0, self.down, self.group):
            for column in range(0, self.across, self.group):
                tiles = [
                    y * self.across + x
                    for y in range(row, min(row + self.group, self.down))
                    for x in range(column, min(column + self.group, self.across))
                ]
                left = [number for number in tiles if number not in done]
                if left:
                    first, last = self.pixels_of(tiles[0]), self.pixels_of(tiles[-1])
                    yield left, Cell(first.top, first.left, last.bottom, last.right)


def layout_for(
    width: int,
    height: int,
    tile: int,
    margin: int,
    point_bytes: int,
    memory_bytes: int,
) -> Layout:
    """Choose cells: small, so that little is lost by a stop, unless their surroundings are large.

    Parameters
    ----------
    margin : pixels around a cell that have to be known
    point_bytes : memory for one point while it is computed and painted
    memory_bytes : what the whole may take
    """
    points = max(memory_bytes - _FIXED_BYTES, 0) // point_bytes
    room = (math.isqrt(points) - 2 * margin) // tile
    if room < 1:
        least = (tile + 2 * margin) ** 2 * point_bytes + _FIXED_BYTES
        raise InvalidInput(
            f"memory_bytes is {memory_bytes}; a tile of {tile} pixels with the {margin} around it "
            f"that its light needs takes {least}, allow that or choose smaller tiles."
        )
    wanted = min(max(_SIDE, _MARGINS * margin), _LONGEST_SIDE)
    longest = max(width, height)
    return Layout(width, height, tile, min(room, -(-min(wanted, longest) // tile)))
