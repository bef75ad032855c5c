"""Tests of `fraktal_kernel.server.messages`: parts of two messages are never mixed."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from bokeh_fastapi.handler import WSHandler

from fraktal_kernel.server.messages import send_messages_whole


class Socket:
    """Takes its time for each part, and notes them."""

    application_state = SimpleNamespace(name="CONNECTED")

    def __init__(self) -> None:
        self.parts: list[str] = []

    async def send_text(self, text: str) -> None:
        """Let others run, as a full network does, and note the part."""
        await asyncio.sleep(0)
        self.parts.append(text)


def message(name: str) -> Any:
    """Make a message of three parts."""
    parts = {f"{part}_json": f"{name} {part}" for part in ("header", "metadata", "content")}
    return SimpleNamespace(**parts, _buffers=[])


@pytest.mark.parametrize("times", [1, 2])
def test_two_messages_at_once_arrive_one_after_the_other(times: int) -> None:
    """All parts of the first come before any of the second, however often it is asked for."""
    for _ in range(times):
        send_messages_whole()
    handler = WSHandler.__new__(WSHandler)
    handler._socket = Socket()

    async def both() -> None:
        await asyncio.gather(
            handler.send_message(message("first")), handler.send_message(message("second"))
        )

    asyncio.run(both())
    names = [part.split()[0] for part in handler._socket.parts]
    assert names == ["first"] * 3 + ["second"] * 3
