"""A real web server that speaks as an OpenAI-compatible one does, and says what a test wants.

Each question is answered by a function of the test, which yields what to send and when: words,
calls of tools, silence, nonsense, or the end of the line.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

END_S = 60.0


@dataclass(frozen=True)
class Call:
    """A tool that the model calls."""

    name: str
    arguments: Mapping[str, Any] | str
    id: str = "call-1"


@dataclass(frozen=True)
class Status:
    """An answer that is none: a status and a body; must come first."""

    code: int
    body: str = '{"error": {"message": "no", "type": "server_error"}}'


@dataclass(frozen=True)
class Raw:
    """Bytes as they stand, in place of an event."""

    data: bytes


@dataclass(frozen=True)
class Wait:
    """Silence until something has happened."""

    until: threading.Event


@dataclass(frozen=True)
class HangUp:
    """The line is cut."""


Said = str | Call | Status | Raw | Wait | HangUp
Script = Callable[[dict[str, Any]], Iterator[Said]]


@dataclass
class Scripted:
    """The server: what it was asked, and what it answers."""

    url: str
    script: Script
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    #: set when somebody who was being answered has gone
    left: threading.Event = field(default_factory=threading.Event)

    @property
    def spec(self) -> str:
        """How the settings name it."""
        return f"openai:scripted@{self.url}"

    def results(self) -> list[str]:
        """List what tools gave back, as the model was shown it last."""
        return [
            message["content"]
            for message in self.asked[-1]["messages"]
            if message["role"] == "tool"
        ]


def says(*said: Said) -> Script:
    """Answer every question alike."""
    return lambda _: iter(said)


def turns(*answers: tuple[Said, ...]) -> Script:
    """Answer one question after the other; the last answer is given again and again."""
    count = iter(range(10**6))

    def script(_: dict[str, Any]) -> Iterator[Said]:
        return iter(answers[min(next(count), len(answers) - 1)])

    return script


@contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    """Run a server until the test is over."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            server.asked.append(body)
            server.keys.append(self.headers.get("authorization", ""))
            try:
                self._answer(server.script(body))
            except (BrokenPipeError, ConnectionResetError):
                server.left.set()
            self.close_connection = True

        def _answer(self, said: Iterator[Said]) -> None:
            begun = False
            for each in said:
                if isinstance(each, Status):
                    self.send_response(each.code)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(each.body)))
                    self.end_headers()
                    self.wfile.write(each.body.encode())
                    return
                if isinstance(each, Wait):
                    each.until.wait(END_S)
                    continue
                if not begun:
                    begun = True
                    self.send_response(200)
                    self.send_header("content-type", "text/event-stream")
                    self.end_headers()
                if isinstance(each, HangUp):
                    self.connection.shutdown(2)
                    return
                self.wfile.write(each.data if isinstance(each, Raw) else _event(each))
                self.wfile.flush()
            if begun:
                self.wfile.write(_event(None) + b"data: [DONE]\n\n")

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Scripted(f"http://127.0.0.1:{http.server_port}/v1", script)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.socket.close()


def _event(said: str | Call | None) -> bytes:
    delta: dict[str, Any] = {"role": "assistant"}
    reason = None
    if isinstance(said, str):
        delta["content"] = said
    elif isinstance(said, Call):
        text = said.arguments
        arguments = text if isinstance(text, str) else json.dumps(text)
        called = {"name": said.name, "arguments": arguments}
        place = int(said.id.rpartition("-")[2]) - 1
        delta["tool_calls"] = [
            {"index": place, "id": said.id, "type": "function", "function": called}
        ]
    else:
        reason = "stop"
    event: dict[str, Any] = {
        "id": "answer-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "scripted",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }
    if said is None:
        event["usage"] = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    return b"data: " + json.dumps(event).encode() + b"\n\n"
