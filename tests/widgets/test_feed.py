"""What every feed promises: a first look that fails is taken again, whatever happens meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fraktal_kernel.errors import Unavailable
from fraktal_widgets import feed as feeds
from fraktal_widgets.feed import Feed


class Quiet:
    """A workbench in which nothing happens."""

    def events(self, topics: str, after: int | None, stop: threading.Event) -> Iterator[Any]:
        """Tell of nothing until it is over."""
        stop.wait(60)
        return iter(())


class Shy(Feed):
    """A feed that can be read at the fourth try only."""

    looks = 0

    def _load(self) -> None:
        self.looks += 1
        if self.looks < 4:
            raise Unavailable("the database is busy.")
        self.loading = False

    def _apply(self, event: Any) -> bool:
        return False


def test_a_first_look_that_fails_is_taken_again(
    until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trouble is told, and is over once everything could be read."""
    monkeypatch.setattr(feeds, "SETTLE_S", 0.05)
    told: list[str] = []
    feed = Shy(Quiet(), lambda: told.append(feed.trouble))  # type: ignore[arg-type]
    feed.start()
    try:
        until(lambda: not feed.loading)
        until(lambda: told and told[-1] == "")
        assert feed.looks >= 4 and "the database is busy." in told
    finally:
        feed.close()
        assert feed.wait_closed(60)
