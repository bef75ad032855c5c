"""Everything that waits for a person's answer, in notebooks and pages alike."""

from __future__ import annotations

from typing import Any

import traitlets

from fraktal_widgets.approval_feed import ApprovalFeed
from fraktal_widgets.assets import joined
from fraktal_widgets.capability_form import listed_files, safe
from fraktal_widgets.panel import Panel


class ApprovalsPanel(Panel):
    """Approve, deny, change and answer what agents, plans, the chat and jobs ask.

    Parameters
    ----------
    workbench : whose approvals; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    """

    _esm = joined(
        "dom.js", "schema_fields.js", "schema_form.js", "approval_card.js", "approvals_panel.js"
    )
    _css = joined(
        "tokens.css", "controls.css", "job_card.css", "capability_form.css", "approvals_panel.css"
    )

    spec = traitlets.Dict().tag(sync=True)  # Python -> browser: the form of changed arguments

    feed_class = ApprovalFeed
    feed: ApprovalFeed

    def _grant(self, wish: dict[str, Any]) -> None:
        if wish.get("do") == "change":
            self.feed.do(lambda: self._open_form(wish))
        else:
            super()._grant(wish)

    def _open_form(self, wish: dict[str, Any]) -> None:
        self.spec = form_of(self.feed, wish)


def form_of(feed: ApprovalFeed, wish: dict[str, Any]) -> dict[str, Any]:
    """Make the form of a job's arguments, filled in with them as they are."""
    item = feed.items[str(wish["key"])]
    schema = feed.workbench.capabilities[item.view.capability].schema()
    files = listed_files(schema, feed.workbench.settings.data)
    # the wish's number makes the same form, opened a second time, something new
    which = {"key": wish["key"], "seq": wish.get("seq"), "visit": wish.get("visit")}
    return safe({**which, "schema": schema, "files": files, "fill": dict(item.view.params)})
