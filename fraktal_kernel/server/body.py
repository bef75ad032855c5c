"""Request bodies: how much is read, and which JSON is JSON.

Python's reader takes more than the standard does (``NaN``, numbers without end, half
characters) and more than the database can keep; what it takes too much of is refused here,
with one sentence, before a route sees it.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message, Receive, Send

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.server.answers import error_body

INT64 = range(-(2**63), 2**63)
MOST_LEVELS = 64
#: How long, and how far, we listen to the rest of a body after refusing it: a connection
#: closed while the client still sends would take the answer with it.
DRAIN_S, DRAIN_BYTES = 5.0, 1024**3


class BodyLimit:
    """Count a body while it streams in; a larger one ends as if the client had gone.

    Parameters
    ----------
    receive : where the body comes from
    most_bytes : how much of it is passed on
    """

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive = receive
        self._most = most_bytes
        self._count = 0
        self._ended = False
        self.exceeded = False

    async def __call__(self) -> Message:
        """Receive one message for the application."""
        if self.exceeded:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request":
            self._count += len(message.get("body", b""))
            self._ended = not message.get("more_body", False)
            if self._count > self._most:
                self.exceeded = True
                return {"type": "http.disconnect"}
        return message

    def refuse(self) -> None:
        """Refuse the body before any of it was read."""
        self.exceeded = True

    async def drain(self) -> None:
        """Throw the rest away, for a while, so that the client gets to read our answer."""
        passed = 0
        try:
            async with asyncio.timeout(DRAIN_S):
                while not self._ended and passed < DRAIN_BYTES:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        return
                    passed += len(message.get("body", b""))
                    self._ended = not message.get("more_body", False)
        except TimeoutError:
            return


async def answer_too_large(body: BodyLimit, most_bytes: int, send: Send) -> None:
    """Answer 413 at once, then let the client finish, then close."""
    text = error_body(
        f"the request body is larger than {most_bytes} bytes; send less, or raise "
        "max_request_bytes (FRAKTAL_MAX_REQUEST_BYTES)."
    )
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": text, "more_body": True})
    await body.drain()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _integer(digits: str) -> int:
    # Twenty characters hold every 64-bit number; int() of a million digits takes minutes.
    value = int(digits) if len(digits) <= 20 else INT64.stop
    if value not in INT64:
        shown = digits if len(digits) <= 24 else digits[:21] + "..."
        raise InvalidInput(f"the JSON body holds the number {shown}, which 64 bits cannot hold.")
    return value


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise InvalidInput(
            f"the JSON body holds the number {digits[:24]}, which is too large for a double."
        )
    return value


def _constant(name: str) -> float:
    raise InvalidInput(f"the JSON body holds {name}, which is not JSON; send a number or null.")


def read_json(body: bytes) -> Any:
    """Read strict JSON that the database can keep.

    Examples
    --------
    >>> read_json(b'{"width": 800}')
    {'width': 800}
    >>> read_json(b'{"width": NaN}')
    Traceback (most recent call last):
    fraktal_kernel.errors.InvalidInput: the JSON body holds NaN, which is not JSON; send a \
number or null.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"the body is not UTF-8 text (byte {error.start}); send JSON in UTF-8."
        ) from None
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"the body is not JSON: {error.msg.lower()} at line {error.lineno}, "
            f"column {error.colno}."
        ) from None
    except RecursionError:
        raise _too_deep() from None
    _check(value)
    return value


def _too_deep() -> InvalidInput:
    return InvalidInput(f"the JSON body is nested deeper than {MOST_LEVELS} levels; flatten it.")


def _check(value: Any) -> None:
    """Refuse nesting and characters that would break later than here."""
    level = [value]
    for _ in range(MOST_LEVELS):
        inside: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, dict):
                for name in item:
                    _check_text(name)
                inside.extend(item.values())
            elif isinstance(item, list):
                inside.extend(item)
        if not inside:
            return
        level = inside
    raise _too_deep()


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise InvalidInput("the JSON body holds a text with the character NUL; leave it out.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidInput(
                "the JSON body holds half of a surrogate pair, which is no character; send both."
            ) from None


class _StrictRequest(Request):
    async def json(self) -> Any:
        """Read the body as :func:`read_json` does."""
        try:
            return read_json(await self.body())
        except InvalidInput as error:  # FastAPI lets only its own kind through
            raise HTTPException(422, str(error)) from None


class StrictRoute(APIRoute):
    """A route whose JSON body is read by :func:`read_json`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the request before FastAPI reads it."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return strict
