"""What every answer has in common: safe headers, and errors as one JSON sentence."""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Scope, Send

from fraktal_kernel.core.security import TooManyTries
from fraktal_kernel.errors import (
    AlreadyRunning,
    Conflict,
    FraktalError,
    InvalidInput,
    NotAllowed,
    NotFound,
    Unavailable,
)

STATUS: dict[type[FraktalError], int] = {
    InvalidInput: 422,
    NotFound: 404,
    NotAllowed: 403,
    Conflict: 409,
    TooManyTries: 429,
    Unavailable: 503,
    AlreadyRunning: 503,
}
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
#: Panel and Bokeh build code at run time; nothing may come from, or go to, another host.
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' blob: {socket}; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)


def status_of(error: FraktalError) -> int:
    """Return the HTTP status that says the same as an error."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def is_api(path: str) -> bool:
    """Tell whether programs, not browsers, read what stands at a path."""
    return path.startswith("/api/") or path in ("/api", "/metrics", "/openapi.json")


class Answer:
    """Pass an answer on, with the headers that every answer carries.

    Parameters
    ----------
    send : where it goes
    scope, headers : of the request
    friend : another origin, whose pages may read the answer
    """

    def __init__(
        self, send: Send, scope: Scope, headers: Headers, friend: str | None = None
    ) -> None:
        self._send = send
        self._scope = scope
        self._host = headers.get("host", "")
        self._friend = friend
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        """Send one message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message.setdefault("headers", [])
            self._complete(MutableHeaders(raw=message["headers"]))
        await self._send(message)

    def _complete(self, headers: MutableHeaders) -> None:
        scheme = "wss" if self._scope["scheme"] == "https" else "ws"
        api = is_api(self._scope["path"])
        policy = API_POLICY if api else PAGE_POLICY.format(socket=f"{scheme}://{self._host}")
        headers.setdefault("content-security-policy", policy)
        headers.setdefault("x-content-type-options", "nosniff")
        # Our own pages may know where one came from (the token has left the address by
        # then); nobody else learns anything.
        headers.setdefault("referrer-policy", "same-origin")
        headers.setdefault("cross-origin-opener-policy", "same-origin")
        headers.setdefault("cross-origin-resource-policy", "same-origin")
        if api or headers.get("content-type", "").startswith("text/html"):
            headers.setdefault("cache-control", "no-store")
        if self._friend:
            headers["access-control-allow-origin"] = self._friend
            headers.add_vary_header("Origin")


async def send_whole(
    send: Send, status: int, media_type: str, body: bytes, wait_s: int | None = None
) -> None:
    """Send a whole answer; ``wait_s`` tells when to ask again."""
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if wait_s is not None:
        headers.append((b"retry-after", str(wait_s).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Send, status: int, sentence: str, wait_s: int | None = None) -> None:
    """Send an error as every error is sent."""
    await send_whole(send, status, "application/json", error_body(sentence), wait_s)


def error_body(sentence: str) -> bytes:
    """Make the JSON of an error."""
    body: dict[str, Any] = {"error": sentence}
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
