"""The web application: one gate, one router per domain, the pages, and no logic of its own."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from fraktal_kernel.agents.bus.house import house_of
from fraktal_kernel.agents.desk import Desk
from fraktal_kernel.core.faults import sentence_of
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.security import TooManyTries
from fraktal_kernel.errors import FraktalError
from fraktal_kernel.server import (
    accounts,
    agents,
    approvals,
    artifacts,
    audit,
    bus,
    capabilities,
    chat,
    events,
    health,
    jobs,
    models,
    plans,
)
from fraktal_kernel.server.answers import error_body, status_of
from fraktal_kernel.server.docs import add_docs
from fraktal_kernel.server.gate import Gate
from fraktal_kernel.server.leaving import let_visits_go
from fraktal_kernel.server.links import LaunchLinks
from fraktal_kernel.server.messages import send_messages_whole

FOREVER_S = 10 * 366 * 86400.0


def create_app(
    workbench: LocalWorkbench,
    *,
    launch_token: str | None = None,
    local_secret: str | None = None,
    lab_url: str | None = None,
) -> FastAPI:
    """Make the web application of one workbench.

    Parameters
    ----------
    workbench : the serving one; the application does not close it
    launch_token : opens one browser session, once
    local_secret : what this user's own programs send as bearer token
    lab_url : where JupyterLab is, for the link on the page
    """
    app = FastAPI(
        title="Fraktal",
        version=version("fraktal"),
        description="Submit jobs, watch them, and fetch what they made.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    links = LaunchLinks()
    if launch_token:
        links.add(launch_token, FOREVER_S)
    app.state.workbench = workbench
    app.state.security = workbench.security
    app.state.links = links
    desk = app.state.desk = Desk(workbench.engine)
    house_of(workbench.engine)  # opened now, to carry events from the start
    parts = (
        jobs,
        approvals,
        plans,
        artifacts,
        capabilities,
        chat,
        models,
        agents,
        bus,
        events,
        accounts,
        audit,
        health,
    )
    for part in parts:
        app.include_router(part.router)
    add_docs(app)
    from fraktal_kernel.server.pages import mount_pages  # Panel takes a second to import

    let_visits_go()
    send_messages_whole()
    mount_pages(app, workbench, lab_url=lab_url)
    app.add_exception_handler(FraktalError, _known_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_middleware(
        Gate,
        security=workbench.security,
        settings=workbench.settings,
        links=links,
        local_secret=local_secret,
        audit=desk.scribe.audit,
    )
    return app


def _error(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return Response(error_body(sentence), status, headers, media_type="application/json")


def _known_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FraktalError)
    wait = {"retry-after": str(error.wait_s)} if isinstance(error, TooManyTries) else None
    return _error(status_of(error), str(error), wait)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    sentence = {
        404: f"there is nothing at {path}; /docs lists what there is.",
        405: f"{request.method} is not possible at {path}; /docs says what is.",
    }.get(error.status_code, str(error.detail))
    headers = dict(error.headers) if error.headers else None
    return _error(error.status_code, sentence, headers)


def _bad_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _error(422, sentence_of(error.errors(), outer=1))
