"""One person's bus on a server: requests for what one asks, a line for each subscription."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from fraktal_kernel.agents.bus.line import LineAnswer
from fraktal_kernel.agents.bus.message import (
    Message,
    check_group,
    check_pattern,
    write_body,
    write_headers,
)
from fraktal_kernel.agents.bus.protocol import GiveBack, Handler
from fraktal_kernel.agents.bus.user import BusState, LetterView, MessageView, TopicView, follow
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.errors import FraktalError, InvalidInput, NotAllowed, Unavailable

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

RECONNECT_S = 1.0
#: How often in a row a server may refuse a line that stood: one that has just started knows little.
REFUSALS = 5
LISTEN_S = 0.5
FRAME_BYTES = 4 * 1024**2
REFUSED = 1008
MOST_ERROR = 1000

log = get_logger("bus")


class RemoteBus:
    """One person's bus on a server; see :class:`~.user.UserBus`."""

    def __init__(self, workbench: RemoteWorkbench) -> None:
        self._workbench = workbench
        self._ask = workbench.jobs.ask

    def state(self) -> BusState:
        """Tell how the bus stands."""
        return BusState(**self._ask("GET", "/api/bus"))

    def topics(self) -> list[TopicView]:
        """List topics."""
        return [TopicView(**each) for each in self._ask("GET", "/api/bus/topics")["topics"]]

    def publish(
        self,
        topic: str,
        body: Any,
        *,
        message_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Publish one message; what cannot be carried is refused before it is sent."""
        given = {
            "topic": topic,
            "body": json.loads(write_body(body)),
            "id": message_id,
            "headers": json.loads(write_headers(headers)),
        }
        return str(self._ask("POST", "/api/bus/messages", json=given)["id"])

    def subscribe(self, pattern: str, group: str, handler: Handler) -> RemoteSubscription:
        """Handle messages in a thread; the line comes back by itself when it was cut."""
        check_pattern(pattern)
        check_group(group)
        return RemoteSubscription(self._workbench, pattern, group, handler)

    def page(
        self, pattern: str = "*", after: int | None = None, limit: int = 100
    ) -> tuple[list[MessageView], int]:
        """Read messages behind a number, and the number to go on behind."""
        check_pattern(pattern)
        query: dict[str, Any] = {"topic": pattern, "limit": limit}
        query |= {} if after is None else {"after": after}
        found = self._ask("GET", "/api/bus/messages", params=query)
        return [MessageView(**each) for each in found["messages"]], int(found["last"])

    def tail(
        self, pattern: str = "*", stop: threading.Event | None = None
    ) -> Iterator[MessageView]:
        """Yield what is published from now on."""
        return follow(self, pattern, stop)

    def dead_letters(
        self, group: str | None = None, limit: int = 100, topic: str | None = None
    ) -> list[LetterView]:
        """List dead letters."""
        chosen = {"group": group, "topic": topic}
        query = {"limit": limit} | {name: one for name, one in chosen.items() if one is not None}
        found = self._ask("GET", "/api/bus/dead", params=query)["letters"]
        return [LetterView(**each) for each in found]

    def redrive(
        self,
        group: str | None = None,
        message_ids: Sequence[str] | None = None,
        topic: str | None = None,
    ) -> int:
        """Deliver dead letters again."""
        return self._change("redrive", group, message_ids, topic=topic)

    def discard(
        self,
        group: str | None = None,
        message_ids: Sequence[str] | None = None,
        topic: str | None = None,
    ) -> int:
        """Put dead letters away."""
        return self._change("discard", group, message_ids, topic=topic)

    def restore(self, group: str | None = None, message_ids: Sequence[str] | None = None) -> int:
        """Take a discard back."""
        return self._change("restore", group, message_ids)

    def _change(
        self, what: str, group: str | None, ids: Sequence[str] | None, **more: str | None
    ) -> int:
        given = {"group": group, "ids": None if ids is None else list(ids), **more}
        return int(self._ask("POST", f"/api/bus/{what}", json=given)["count"])

    def forget(self, group: str) -> None:
        """Drop a group."""
        self._ask("DELETE", f"/api/bus/groups/{quote(group, safe='')}")


class RemoteSubscription:
    """One consumer of one group, at the end of a line to the server."""

    def __init__(
        self, workbench: RemoteWorkbench, pattern: str, group: str, handler: Handler
    ) -> None:
        self._workbench = workbench
        self._query = httpx.QueryParams({"topic": pattern, "group": group})
        self._group = group
        self._handler = handler
        self._stopping = threading.Event()
        self._refusals = 0
        self._subscribed: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name=f"bus-{group}", daemon=True)
        self._thread.start()
        self._subscribed.result()

    def close(self) -> None:
        """Stop after the message in work."""
        self._stopping.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except Exception as error:
                if not self._subscribed.done():
                    self._subscribed.set_exception(error)
                    return
                if self._workbench.jobs.follow_server():
                    continue
                if not isinstance(error, Unavailable):
                    self._refusals += 1
                    log.info("a line was refused", group=self._group, error=repr(error))
                if self._refusals >= REFUSALS:
                    log.error("a subscription has ended", group=self._group, error=str(error))
                    return
                # The server restarts, or the network is gone; messages wait for us there.
                self._stopping.wait(RECONNECT_S)

    def _follow(self) -> None:
        """Open the line and handle what comes over it, until it is cut."""
        from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
        from websockets.sync.client import connect

        address = self._workbench.address
        url = f"{address.url.replace('http', 'ws', 1)}/api/bus/line?{self._query}"
        headers = {"Authorization": f"Bearer {address.token}"}
        try:
            with connect(url, additional_headers=headers, proxy=None, max_size=FRAME_BYTES) as line:
                line.recv()  # that we are subscribed, or why not
                self._refusals = 0
                if not self._subscribed.done():
                    self._subscribed.set_result(None)
                self._listen(line)
        except ConnectionClosed as error:
            said = error.rcvd
            if said is not None and said.code == REFUSED:
                raise InvalidInput(said.reason) from None
            raise Unavailable(f"the server ended the line ({error}).") from None
        except InvalidStatus as error:
            if error.response.status_code < 500:
                raise NotAllowed(f"the server refused the line ({error}).") from None
            raise Unavailable(f"the server has no line ({error}).") from None
        except (OSError, WebSocketException) as error:
            raise Unavailable(
                f"the server at {address.url} does not answer ({error}); start it with: "
                "fraktal serve."
            ) from None

    def _listen(self, line: ClientConnection) -> None:
        while not self._stopping.is_set():
            try:
                message = Message(**json.loads(line.recv(timeout=LISTEN_S)))
            except TimeoutError:
                continue
            answer = LineAnswer(id=message.id, attempt=message.attempt)
            try:
                self._handler(message)
            except GiveBack:
                return  # with the line it goes to the next
            except Exception as error:
                words = str(error) if isinstance(error, FraktalError) else repr(error)
                answer.error = words.encode("utf-8", "replace").decode()[:MOST_ERROR]
                answer.again = not isinstance(error, InvalidInput)
            line.send(answer.model_dump_json())
