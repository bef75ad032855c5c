"""The pages that people open: each visit gets fresh widgets on the visitor's own workbench.

This is the one place where the server reaches up to the rooms above it: it mounts what the
files under ``apps/`` build. The gate has recognised the visitor before anything here runs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextvars import ContextVar
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.security import Principal
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.errors import InvalidInput, NotAllowed

if TYPE_CHECKING:
    from panel.template.base import BaseTemplate

HERE = Path(__file__).parent
#: beside this package: ``fraktal_apps`` where a wheel was installed, ``apps`` in a checkout
APPS = next(filter(Path.is_dir, (HERE.parents[1] / name for name in ("fraktal_apps", "apps"))))
#: address -> file among the apps, title, what the page is for
PAGES = {
    "/": ("home", "Workbench", ""),
    "/explorer": (
        "explorer",
        "Fractal explorer",
        "Zoom with the wheel, move by dragging; any view can be kept as a picture.",
    ),
    "/chat": (
        "chat",
        "Chat",
        "Say what you want done; what cannot be taken back waits for your yes.",
    ),
    "/agents": (
        "agents",
        "Agents",
        "Who is at work, what each does now, how it fares, and everything that it did.",
    ),
    "/plan": (
        "plan",
        "Plans",
        "A plan is a graph of work; here it is with the colour of each step while it goes on.",
    ),
    "/approvals": (
        "approvals",
        "Approvals",
        "What may not happen without your yes, and what jobs ask you.",
    ),
    "/dead-letters": (
        "dead_letters",
        "Dead letters",
        "Messages that nobody could handle, jobs that failed: try them again, or put them away.",
    ),
    "/models": (
        "models",
        "Language models",
        "The chat asks them in this order until one has answered; a change holds at once.",
    ),
    "/timeline": (
        "timeline",
        "Timeline",
        "What took the time of a job: waiting, attempts, steps, models, people, and its jobs.",
    ),
}
#: A page that no browser has connected to is forgotten after so long; one that was left, sooner.
FORGET_AFTER_MS = 120_000
LOOK_EVERY_MS = 5_000
_visitor: ContextVar[Principal] = ContextVar("visitor")


def mount_pages(app: FastAPI, workbench: Workbench, lab_url: str | None = None) -> None:
    """Put the pages and the files that they need into the web application.

    Parameters
    ----------
    app : behind the gate, which leaves the visitor's principal in the scope
    workbench : the serving one; a page gets the view of its visitor
    lab_url : where JupyterLab is, its token included; shown only to the user it belongs to
    """
    app.mount("/assets", StaticFiles(directory=HERE / "static"), name="assets")
    from panel.io.fastapi import add_applications

    before = len(app.router.routes)
    sessions = {
        address: _visit(load_app(PAGES[address][0]), workbench, address, lab_url)
        for address in PAGES
    }
    add_applications(
        sessions,
        app=app,
        title={address: title for address, (_, title, _) in PAGES.items()},
        # Session numbers are ours alone to give: a signed one cannot be made up.
        secret_key=secrets.token_bytes(32),
        sign_sessions=True,
        # Bokeh would write them into the page.
        include_cookies=[],
        include_headers=[],
        check_unused_sessions_milliseconds=LOOK_EVERY_MS,
        unused_session_lifetime_milliseconds=FORGET_AFTER_MS,
    )
    for route in app.router.routes[before:]:
        path = getattr(route, "path", "")
        if path in PAGES or path.removesuffix("/ws") in PAGES or path == "/ws":
            route.app = _as_visitor(route.app)  # type: ignore[attr-defined]
        if hasattr(route, "include_in_schema"):
            route.include_in_schema = False


def load_app(name: str) -> Callable[[Any], Any]:
    """Import a file among the apps and return its function ``page``."""
    spec = spec_from_file_location(f"fraktal_apps_{name}", APPS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    page: Callable[[Any], Any] = module.page
    return page


def _visit(
    page: Callable[[Any], Any], workbench: Workbench, address: str, lab_url: str | None
) -> Callable[[], BaseTemplate]:
    """Make the function that Panel calls when a browser opens an address."""
    assert isinstance(workbench, LocalWorkbench)

    def visit() -> BaseTemplate:
        from panel.template.base import BaseTemplate

        from fraktal_widgets.page import framed

        visitor = _visitor.get()
        own = visitor.user_id == workbench.user.user_id
        view = workbench if own else workbench.as_user(visitor.user_id)
        made = page(view)
        if not isinstance(made, BaseTemplate):
            _, title, sentence = PAGES[address]
            made = framed(view, title=title, here=address, sentence=sentence, content=made)
        made.add_variable("lab_url", lab_url if own else None)
        made.add_variable(
            "lab_hint", "" if own else "JupyterLab belongs to the person who started the server."
        )
        template: BaseTemplate = made
        return template

    return visit


def _as_visitor(app: ASGIApp) -> ASGIApp:
    """Tell the page that an address opens who the visitor is."""

    async def visit(scope: Scope, receive: Receive, send: Send) -> None:
        principal = scope.get("state", {}).get("principal")
        if principal is None:
            raise NotAllowed("sign in first: open the link that 'fraktal link' prints.")
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if any(name.replace("-", "_") == "bokeh_session_id" for name in query):
            # A visitor who may choose the number of a session could share one with a victim.
            raise InvalidInput("bokeh_session_id: leave it out; every visit gets its own number.")
        token = _visitor.set(principal)
        try:
            await app(scope, receive, send)
        finally:
            _visitor.reset(token)

    return visit
