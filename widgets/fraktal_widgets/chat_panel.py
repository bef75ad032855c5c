"""Talk with the workbench: answers as they come, what they call as jobs, what waits for a yes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from fraktal_widgets.approvals_panel import form_of
from fraktal_widgets.assets import joined, library
from fraktal_widgets.chat_feed import ChatFeed
from fraktal_widgets.job_widget import SCRIPTS, JobWidget

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench


class ChatPanel(JobWidget):
    """Conversations with the workbench's models; the offline one needs no server and no key.

    Parameters
    ----------
    workbench : whose conversations; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    """

    _esm = "\n".join(
        (
            library("markdownit"),
            joined(
                *SCRIPTS,
                "schema_fields.js",
                "schema_form.js",
                "approval_card.js",
                "chat_message.js",
                "chat_panel.js",
            ),
        )
    )
    _css = joined(
        "tokens.css",
        "controls.css",
        "job_card.css",
        "jobs_panel.css",
        "capability_form.css",
        "approvals_panel.css",
        "chat_panel.css",
    )

    stream = traitlets.Dict().tag(sync=True)  # Python -> browser: the answer as it is written
    spec = traitlets.Dict().tag(sync=True)  # Python -> browser: the form of changed arguments

    def __init__(self, workbench: Workbench | None = None, *, api: str = "") -> None:
        if workbench is None:
            from fraktal_kernel.core.workbench import Workbench

            workbench = Workbench.open()
        self.chat = ChatFeed(workbench, self._show_jobs, self._said)
        super().__init__(self.chat, api=api, board=self.chat.board())

    def _said(self, message: int, parts: list[dict[str, Any]]) -> None:
        self.stream = {"message": message, "parts": parts}

    def _board(self) -> dict[str, Any]:
        return self.chat.board()

    def _grant(self, wish: dict[str, Any]) -> None:
        if wish.get("do") == "change":
            self.chat.do(lambda: self._open_form(wish))
        elif wish.get("do") != "ready":
            super()._grant(wish)

    def _open_form(self, wish: dict[str, Any]) -> None:
        self.spec = form_of(self.chat.asking, wish)
