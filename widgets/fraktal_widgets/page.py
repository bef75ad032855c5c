"""The frame of every page: top bar, rail, one sentence, and the content in named places.

An app under ``apps/`` builds its widgets and names them; the HTML is
``fraktal_kernel/server/templates/page.html``. What only the server knows, such as where
JupyterLab is, it adds itself when it serves the page.
"""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import panel as pn
import traitlets

import fraktal_kernel.server
from fraktal_widgets.assets import joined
from fraktal_widgets.bridge import panel_component
from fraktal_widgets.capability_form import CapabilityForm
from fraktal_widgets.command_palette import CommandPalette
from fraktal_widgets.jobs_panel import JobsPanel
from fraktal_widgets.top_bar import TopBar

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench

SERVER = Path(fraktal_kernel.server.__path__[0])
PAGES = {
    "/": "Home",
    "/explorer": "Fractal explorer",
    "/chat": "Chat",
    "/agents": "Agents",
    "/plan": "Plans",
    "/approvals": "Approvals",
    "/dead-letters": "Dead letters",
    "/timeline": "Timeline",
    "/models": "Language models",
    "/docs": "Web API",
}
#: domains that have a page of their own; the others lead to their capabilities
DOMAIN_PAGES = {"fractal": "/explorer"}
DOMAIN_NAMES = {"fractal": "Fractals", "notebook": "Notebooks"}
#: what belongs to no single domain has entries of its own in the rail
PLACES = [
    {"name": "chat", "title": "Chat", "href": "/chat"},
    {"name": "agents", "title": "Agents", "href": "/agents"},
    {"name": "plan", "title": "Plans", "href": "/plan"},
    {"name": "approvals", "title": "Approvals", "href": "/approvals"},
    {"name": "letters", "title": "Dead letters", "href": "/dead-letters"},
]
#: domains whose capabilities are behind those entries
PLACES_OF = frozenset({"chat", "plan"})
#: what an empty list of jobs offers to run
FIRST_JOB = ("fractal.render", {"scene": "seahorse", "width": 1280, "height": 800})
LINKS = {
    "capability": "/#run-{name}",
    "scene": "/explorer?scene={name}",
    "job": "/#job-{name}",
}


def framed(
    workbench: Workbench,
    *,
    title: str,
    here: str,
    sentence: str,
    form: CapabilityForm | None = None,
    **places: anywidget.AnyWidget | pn.viewable.Viewable,
) -> pn.template.Template:
    """Put widgets into the frame of a page.

    Parameters
    ----------
    workbench : the visitor's
    title : what the page is called
    here : the page's address, marked in the rail
    sentence : what the page is for
    form : where the page shows capabilities itself; the palette works with it
    places : everything else that stands on the page, by the name of its place; ``content`` takes
        the whole page
    """
    jobs = JobsPanel(workbench, api="/api", start=FIRST_JOB)
    on_page = {"form": form} if form is not None else {}
    bar = TopBar(user=getattr(getattr(workbench, "user", None), "name", ""))
    traitlets.dlink((jobs, "counts"), (bar, "counts"))
    explorer = places.get("explorer")
    links = {kind: link for kind, link in LINKS.items() if kind != "scene" or explorer is None}
    palette = CommandPalette(workbench, form=form, links=links, pages=PAGES)
    if explorer is not None:  # a scene opens where one is
        palette.observe(lambda change: _show_scene(explorer, change["new"]), "chosen")
    if isinstance(content := places.get("content"), pn.viewable.Viewable):
        content.margin = 0  # the frame has the margins
    template = pn.template.Template(_template())
    shown = {"palette": palette, "bar": bar, "jobs": jobs, **on_page, **places}
    for name, widget in shown.items():
        is_widget = isinstance(widget, anywidget.AnyWidget)
        template.add_panel(name, panel_component(widget) if is_widget else widget)
    facts = {
        "page_title": title,
        "here": here,
        "sentence": sentence,
        "places": list(shown),
        "domains": _domains(workbench),
        "style": joined("tokens.css", "controls.css") + (SERVER / "static/page.css").read_text(),
    }
    for name, fact in facts.items():
        template.add_variable(name, fact)
    return template


def asked(name: str) -> str | None:
    """Read what the address of this visit says after ``?``; None where it does not."""
    values = pn.state.session_args.get(name) or [b""]
    return values[0].decode("utf-8", "replace") or None


def _show_scene(explorer: Any, chosen: dict[str, str]) -> None:
    if chosen["kind"] == "scene":
        explorer.scene = chosen["name"]


@cache
def _template() -> str:
    return (SERVER / "templates" / "page.html").read_text(encoding="utf-8")


def _domains(workbench: Workbench) -> list[dict[str, str]]:
    """List the entries of the rail: what people do first, then the other domains by name."""
    names = dict.fromkeys(name.split(".")[0] for name in workbench.capabilities)
    others = [
        {
            "name": name,
            "title": escape(DOMAIN_NAMES.get(name, name.replace("_", " ").capitalize())),
            "href": DOMAIN_PAGES.get(name, f"/#domain-{name}"),
        }
        for name in names
        if name not in PLACES_OF
    ]
    return others[:1] + PLACES + others[1:]
