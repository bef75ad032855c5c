"""What a place that keeps artifacts must be able to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Listed:
    """What a place knows of an object without opening it.

    Parameters
    ----------
    written_at : seconds since 1970 by that place's own clock, infinity where it keeps none
    """

    key: str
    size_bytes: int
    written_at: float


class Sink(Protocol):
    """One write under way."""

    def write(self, chunk: bytes | memoryview) -> object:
        """Take the next piece."""

    def commit(self) -> None:
        """Show the object under its name, whole."""

    def discard(self) -> None:
        """Take back what was written so far."""


class Backend(Protocol):
    """What a place must be able to do; keys are valid when they come here."""

    def create(self, key: str) -> Sink:
        """Begin to write one object."""

    def open(self, key: str) -> BinaryIO:
        """Open one object for reading."""

    def read(self, key: str) -> bytes:
        """Read one object whole, as it was at one moment."""

    def size(self, key: str) -> int:
        """Say how many bytes one object has."""

    def delete(self, key: str) -> None:
        """Remove one object."""

    def find(self, folder: str) -> Iterable[Listed]:
        """Yield the files below a folder."""

    def sweep(self, before: float) -> int:
        """Remove leftovers last touched before a time; say how many."""
