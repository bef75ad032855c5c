"""Named things behind one door: a mapping that built-ins and plug-ins fill alike."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Generic, TypeVar

from fraktal_kernel.errors import InvalidInput, UnknownName

T = TypeVar("T")


def unknown_name(kind: str, name: str, known: list[str]) -> UnknownName:
    """Make the error for a name that nothing has, with the nearest names that exist."""
    name = name if len(name) <= 80 else name[:77] + "..."
    near = get_close_matches(name, known, n=1)
    there = f"there are: {', '.join(sorted(known))}." if known else "there are none."
    hint = f"did you mean {near[0]!r}?" if near else there
    return UnknownName(f"no {kind} named {name!r}; {hint}")


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to things of one kind, open to plug-ins.

    Parameters
    ----------
    kind : what one of the things is called in a sentence, such as ``"palette"``
    group : entry point group whose members are added on the first look-up, or None

    Examples
    --------
    >>> colours: Registry[int] = Registry("colour")
    >>> colours.add("red", 0xFF0000)
    >>> colours["rde"]
    Traceback (most recent call last):
    fraktal_kernel.errors.UnknownName: no colour named 'rde'; did you mean 'red'?
    """

    def __init__(self, kind: str, group: str | None = None) -> None:
        self.kind = kind
        self.group = group
        self._items: dict[str, T] = {}
        self._loaded = self._loading = False
        self._lock = threading.RLock()  # what is loaded may look up here, too

    def add(self, name: str, item: T) -> None:
        """Add one thing; a name can be taken once."""
        if name in self._items:
            raise InvalidInput(f"{self.kind} {name!r} is already registered; choose another name.")
        self._items[name] = item

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate a class or function to add it under ``name``."""

        def keep(item: T) -> T:
            self.add(name, item)
            return item

        return keep

    def _load(self) -> None:
        if self._loaded or self.group is None:
            return
        with self._lock:  # a second thread waits until all is there
            if self._loaded or self._loading:
                return
            self._loading = True
            from importlib.metadata import entry_points

            try:
                for point in entry_points(group=self.group):
                    if point.name not in self._items:
                        self._items[point.name] = point.load()
            finally:
                self._loaded = True

    # Built-ins come first whatever plug-ins say: finding one needs no look at what is installed.

    def __getitem__(self, name: str) -> T:
        if name in self._items:
            return self._items[name]
        self._load()
        try:
            return self._items[name]
        except KeyError:
            raise unknown_name(self.kind, name, list(self._items)) from None

    def __contains__(self, name: object) -> bool:
        if name in self._items:
            return True
        self._load()
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._items)

    def __len__(self) -> int:
        self._load()
        return len(self._items)
