"""What could not be handled, of the bus and of jobs, in notebooks and pages alike."""

from __future__ import annotations

from fraktal_widgets.assets import joined
from fraktal_widgets.dead_letters_feed import DeadLettersFeed
from fraktal_widgets.panel import Panel


class DeadLetters(Panel):
    """Messages and jobs that were given up: why, what they held; again, or away with undo.

    Parameters
    ----------
    workbench : whose; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    """

    _esm = joined("dom.js", "dead_letter_card.js", "dead_letters.js")
    _css = joined("tokens.css", "controls.css", "job_card.css", "dead_letters.css")

    feed_class = DeadLettersFeed
    feed: DeadLettersFeed
