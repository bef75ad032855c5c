"""The one gate in front of REST, WebSockets and pages alike.

Everything that reaches the application has passed here: the ``Host`` is ours, the ``Origin``
is not foreign, somebody was recognised, the body is not too large. Panel and Bokeh check none
of this themselves. What is behind the gate finds a
:class:`~fraktal_kernel.core.security.Principal` in ``scope["state"]["principal"]`` and never
sees the credential itself: Bokeh would write cookies and headers into its pages.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
from collections.abc import Awaitable, Callable
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, quote, urlencode

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.core.monitoring.metrics import observe_request
from fraktal_kernel.core.security import Principal, Security, TooManyTries, digest, same
from fraktal_kernel.core.settings import Settings
from fraktal_kernel.errors import FraktalError
from fraktal_kernel.server.answers import Answer, is_api, send_error, send_whole, status_of
from fraktal_kernel.server.audit import action_of
from fraktal_kernel.server.body import BodyLimit, answer_too_large
from fraktal_kernel.server.limits import RateLimit
from fraktal_kernel.server.links import LaunchLinks, session_cookie, split_cookies

T = TypeVar("T")
Who = Callable[[], Awaitable[Principal | None]]
log = get_logger("http")
#: What needs nobody to be signed in: whether we live, and signing in itself.
OPEN = {("GET", "/api/health"), ("POST", "/api/sessions")}
#: How long an open WebSocket may go on after its session or token has ended.
RECHECK_S = 15.0
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?")


class Refusal(Exception):
    """Why somebody was turned away, as a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Gate:
    """ASGI application around another one; see the module's text.

    Parameters
    ----------
    app : what is guarded
    security : who knows users, sessions and tokens
    settings : for the hosts and origins that are allowed, and the size of bodies
    links : one-time links that sign a browser in as the local user
    local_secret : accepted as bearer token with all rights of the local user
    audit : told who asked for what: principal, action, subject, outcome, size in bytes
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        security: Security,
        settings: Settings,
        links: LaunchLinks,
        local_secret: str | None = None,
        audit: Callable[[Principal, str, str, str, int], None] = lambda *_: None,
    ) -> None:
        self._app = app
        self._security = security
        self._most_bytes = settings.max_request_bytes
        self._links = links
        self._audit = audit
        self._rate = RateLimit(settings.token_rate_per_s, settings.token_burst)
        self._local_digest = digest(local_secret) if local_secret else None
        self._local_user = security.local_user()
        hosts = (*settings.allowed_hosts, settings.host)
        self._hosts = {name.lower().strip("[]") for name in hosts}
        self._origins = {origin.lower().rstrip("/") for origin in settings.allowed_origins}
        # The database is asked beside the event loop, and beside the threads of the routes.
        self._threads = CapacityLimiter(8)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, or refuse."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    # -- HTTP ----------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        friend = origin if origin.lower() in self._origins else None
        answer = Answer(send, scope, headers, friend)
        body = BodyLimit(receive, self._most_bytes)
        try:
            await self._pass(scope, headers, body, answer)
        except Exception as error:
            if answer.status is not None:
                log.warning("answer broken off", path=scope["path"], error=repr(error))
                raise
            if not body.exceeded:
                await _answer_error(error, scope, headers, answer)
        if body.exceeded and answer.status is None:
            await answer_too_large(body, self._most_bytes, answer)
        seconds = time.perf_counter() - started
        status = answer.status or 499  # the client left before there was an answer
        route = getattr(scope.get("route"), "path", "")
        observe_request(scope["method"], route, status, seconds)
        principal = scope["state"].get("principal")
        if principal is not None and (action := action_of(scope)) is not None:
            outcome = "ok" if status < 400 else str(status)
            self._audit(principal, *action, outcome, int(headers.get("content-length", "0")))
        log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            ms=round(seconds * 1000, 1),
            owner=principal.user_id if principal else None,
        )

    async def _pass(self, scope: Scope, headers: Headers, body: BodyLimit, answer: Answer) -> None:
        self._check_address(scope, headers)
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _answer_preflight(answer)
            return
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > self._most_bytes:
            body.refuse()
            return
        if await self._launch(scope, headers, answer):
            return
        await self._recognise(scope, headers)

        async def send(message: Message) -> None:
            # What the application says of a body that was cut off is not what happened.
            if not body.exceeded or answer.status is not None:
                await answer(message)

        await self._app(scope, body, send)

    async def _launch(self, scope: Scope, headers: Headers, send: Send) -> bool:
        """Turn ``?token=`` into a session and the address without it; False if there is none."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = next((value for name, value in query if name == "token"), None)
        if token is None or scope["method"] != "GET" or is_api(scope["path"]):
            return False
        answer = MutableHeaders({"content-length": "0", "cache-control": "no-store"})
        if self._links.redeem(token):
            user_id = self._local_user.user_id
            secret = await self._thread(partial(self._security.open_session, user_id))
            secure = scope["scheme"] == "https"
            lasts_s = self._security.session_s
            answer["set-cookie"] = session_cookie(headers["host"], secret, lasts_s, secure)
        elif await self._by_cookie(headers) is None:
            raise Refusal(
                401, "this link has been used or is too old; type 'fraktal link' for a new one."
            )
        # One slash: two at the start would name another host.
        path = "/" + quote(scope["path"].lstrip("/\\"))
        rest = urlencode([pair for pair in query if pair[0] != "token"])
        answer["location"] = path + (f"?{rest}" if rest else "")
        await send({"type": "http.response.start", "status": 303, "headers": answer.raw})
        await send({"type": "http.response.body", "body": b""})
        return True

    # -- WebSockets ----------------------------------------------------------------------

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            self._check_address(scope, headers)
            await self._recognise(scope, headers)
        except (Refusal, FraktalError) as error:
            log.info("websocket refused", path=scope["path"], reason=str(error))
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before accept: HTTP 403
            return
        log.info("websocket", path=scope["path"], owner=scope["state"]["principal"].user_id)
        over = False

        async def send_until_over(message: Message) -> None:
            nonlocal over
            if not over:
                over = message["type"] == "websocket.close"
                await send(message)

        watching = asyncio.create_task(
            _end_with_the_right(scope["state"]["still_allowed"], send_until_over)
        )
        try:
            await self._app(scope, receive, send_until_over)
        finally:
            watching.cancel()

    # -- who, and from where -------------------------------------------------------------

    def _check_address(self, scope: Scope, headers: Headers) -> None:
        """Refuse hosts that are not ours (DNS rebinding) and pages of other origins."""
        scope.setdefault("state", {})
        host = headers.get("host", "").lower()
        found = HOST.fullmatch(host)
        if not found or not self._is_ours(found[1]):
            raise Refusal(
                403,
                f"the host {host[:80]!r} is not this workbench; if it is, add its name to "
                "allowed_hosts (FRAKTAL_ALLOWED_HOSTS).",
            )
        ours = f"{scope['scheme'].replace('ws', 'http')}://{host}"
        origins = [value.lower() for value in headers.getlist("origin")]
        for origin in origins:
            if origin != ours and origin not in self._origins:
                raise Refusal(
                    403,
                    f"pages of {origin[:80]!r} may not call this workbench; if they should, add "
                    "that origin to allowed_origins (FRAKTAL_ALLOWED_ORIGINS).",
                )
        # Browsers send no Origin with an image or a script, but say where its page is from.
        foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if foreign and not origins and headers.get("sec-fetch-mode") != "navigate":
            raise Refusal(403, "pages of other origins may not load from this workbench.")
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            raise Refusal(400, "the address holds the character NUL; leave it out.")

    def _is_ours(self, name: str) -> bool:
        name = name.strip("[]")
        if name == "localhost" or name in self._hosts:
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False

    async def _recognise(self, scope: Scope, headers: Headers) -> None:
        """Find the principal, leave it in the scope, and take the credential out."""
        bearer = headers.get("authorization")
        who: Who = partial(self._by_cookie, headers)
        if bearer is not None:
            who = partial(self._by_bearer, bearer)
        principal = await who()
        if principal is not None and principal.token_id is not None:
            self._rate.check(principal.token_id)

        async def still_allowed() -> bool:
            return await who() == principal

        scope["state"] |= {
            "principal": principal,
            "session": None if bearer else _session_of(headers),
            "still_allowed": still_allowed,
        }
        _strip_credentials(scope)
        if principal is None and (scope.get("method"), scope["path"]) not in OPEN:
            raise Refusal(
                401,
                "sign in first: open the link that 'fraktal link' prints, or send a token as "
                "'Authorization: Bearer TOKEN'.",
            )

    async def _by_bearer(self, header: str) -> Principal | None:
        kind, _, secret = header.partition(" ")
        secret = secret.strip()
        if kind.lower() != "bearer" or not secret:
            return None
        if self._local_digest and same(secret, self._local_digest):
            return self._local_user
        return await self._thread(partial(self._security.principal_of_token, secret))

    async def _by_cookie(self, headers: Headers) -> Principal | None:
        secret = _session_of(headers)
        if not secret:
            return None
        return await self._thread(partial(self._security.principal_of_session, secret))

    async def _thread(self, function: Callable[[], T]) -> T:
        return await to_thread.run_sync(function, limiter=self._threads)


@cache
def sign_in_page() -> bytes:
    """Give the page for somebody unknown, who may load nothing else: its style stands in it."""
    page = (Path(__file__).parent / "templates" / "signin.html").read_text(encoding="utf-8")
    names = ("tokens.css", "controls.css")
    style = "".join((files("fraktal_widgets") / name).read_text(encoding="utf-8") for name in names)
    return page.replace("/* tokens.css, controls.css */", style).encode()


async def _answer_error(error: Exception, scope: Scope, headers: Headers, send: Send) -> None:
    """Say what went wrong; to a browser that opens a page, with the page to sign in."""
    if isinstance(error, Refusal):
        wants_page = "text/html" in headers.get("accept", "") and scope["method"] == "GET"
        if error.status == 401 and wants_page and not is_api(scope["path"]):
            await send_whole(send, 401, "text/html; charset=utf-8", sign_in_page())
        else:
            await send_error(send, error.status, str(error))
    elif isinstance(error, FraktalError):
        wait_s = error.wait_s if isinstance(error, TooManyTries) else None
        await send_error(send, status_of(error), str(error), wait_s)
    else:
        number = f"{time.time_ns() // 1000:x}"
        log.exception("request failed", number=number, path=scope["path"])
        await send_error(
            send,
            500,
            f"the workbench made a mistake while answering; its log has more under {number}.",
        )


async def _end_with_the_right(still_allowed: Callable[[], Awaitable[bool]], send: Send) -> None:
    """Close a WebSocket once the session or token that opened it has ended.

    It is watched from here and not when something passes: a page that only listens sends
    nothing, and what it hears would have gone out before anybody had asked.
    """
    while True:
        await asyncio.sleep(RECHECK_S)
        try:
            if await still_allowed():
                continue
        except FraktalError:  # the database is away; nobody can have signed out meanwhile
            continue
        await send({"type": "websocket.close", "code": 1008, "reason": "signed out"})
        return


async def _answer_preflight(send: Send) -> None:
    """Tell a browser what pages of a friendly origin may send; it asks without credentials."""
    headers = [
        (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
        (b"access-control-allow-headers", b"authorization, content-type, traceparent"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _session_of(headers: Headers) -> str | None:
    return split_cookies(headers.get("cookie", ""), headers.get("host", ""))[0]


def _strip_credentials(scope: Scope) -> None:
    kept = []
    host = Headers(scope=scope).get("host", "")
    for name, value in scope["headers"]:
        if name == b"cookie":
            rest = split_cookies(value.decode("latin-1"), host)[1].encode("latin-1")
            if rest:
                kept.append((name, rest))
        elif name != b"authorization":
            kept.append((name, value))
    scope["headers"] = kept
