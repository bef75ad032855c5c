"""What every widget with job cards shares: the traits of the cards, and what their buttons do."""

from __future__ import annotations

import time
from typing import Any

import anywidget
import traitlets

from fraktal_kernel.core.artifact import Artifact
from fraktal_kernel.errors import FraktalError, NotFound
from fraktal_widgets.job_feed import JobFeed
from fraktal_widgets.pieces import Pieces

SCRIPTS = ("dom.js", "download.js", "job_card.js", "job_list.js")


class JobWidget(anywidget.AnyWidget):
    """A widget that shows jobs as cards; ``job_list.js`` is its other end.

    Parameters
    ----------
    feed : what keeps the jobs current; None where there is no workbench
    traits : of the widget itself
    """

    board = traitlets.Dict().tag(sync=True)  # Python -> browser: the jobs
    pictures = traitlets.Dict().tag(sync=True)  # Python -> browser: sha256 -> data URL
    download = traitlets.Dict().tag(sync=True)  # Python -> browser: a piece that was asked for
    api = traitlets.Unicode().tag(sync=True)  # where this page's own server answers REST
    wish = traitlets.Dict().tag(sync=True)  # browser -> Python: what the user did

    def __init__(self, feed: JobFeed | None, **traits: Any) -> None:
        self.feed = feed
        self._pieces = Pieces()
        super().__init__(**traits)
        self.observe(self._on_wish, "wish")

    def close(self) -> None:
        """End the widget and its threads."""
        if getattr(self, "feed", None) is not None:
            self.feed.close()
        super().close()

    def _on_wish(self, change: dict[str, Any]) -> None:
        if self.feed is not None:
            self.feed.start()  # no threads before somebody does something
        self._grant(dict(change["new"]))

    def _grant(self, wish: dict[str, Any]) -> None:
        """Do what a card's buttons wish; widgets that know more wishes take theirs out first."""
        if self.feed is None:  # what is kept in memory needs no thread
            self._send_piece(wish)
        elif wish.get("do") == "download":
            self.feed.do(lambda: self._send_piece(wish))
        else:
            self.feed.wish(wish)

    def _send_piece(self, wish: dict[str, Any]) -> None:
        job_id, name = int(wish["job"]), str(wish["name"])
        try:
            piece = self._pieces.read(
                (job_id, name), int(wish["start"]), lambda: self._file(job_id, name)
            )
        except FraktalError as error:
            piece = {"error": str(error)}
        who = {"seq": wish.get("seq"), "visit": wish.get("visit"), "job": job_id, "name": name}
        self.download = who | piece

    def _file(self, job_id: int, name: str) -> Artifact:
        found = self.feed.workbench.jobs.artifacts(job_id) if self.feed is not None else []
        artifact = next((one for one in found if one.name == name), None)
        if artifact is None:
            raise NotFound(f"job {job_id} has no file {name!r} any more.")
        return artifact

    def _show_jobs(self) -> None:
        """Tell the browser what changed; called on a thread of the feed."""
        if self.feed.pictures != self.pictures:
            self.pictures = self.feed.pictures
        self.board = self._board()

    def _board(self) -> dict[str, Any]:
        return {"jobs": self.feed.cards(), "now": round(time.time() * 1000)}
