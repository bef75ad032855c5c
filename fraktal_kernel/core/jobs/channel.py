"""The line between a job's process and the server: JSON messages, and bytes in frames.

It is a socket with the standard library's challenge by a shared key; nothing is ever
unpickled, so whoever holds the key can still only say what the protocol has words for.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from multiprocessing.connection import (
    Client,
    Connection,
    answer_challenge,
    deliver_challenge,
)
from typing import Any, BinaryIO

Message = dict[str, Any]
FRAME_BYTES = 1024**2


class Channel:
    """One end of a line; several threads may send, one receives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    @classmethod
    def connect(cls, address: tuple[str, int], key: bytes) -> Channel:
        """Call the server at a host and port."""
        return cls(Client(address, family="AF_INET", authkey=key))

    def authenticate(self, key: bytes) -> None:
        """Check, from the server's end, that the caller holds the key."""
        deliver_challenge(self._connection, key)
        answer_challenge(self._connection, key)

    def send(self, message: Message) -> None:
        """Send one message."""
        data = json.dumps(message).encode()
        with self._sending:
            self._connection.send_bytes(data)

    def send_stream(self, message: Message, source: BinaryIO) -> None:
        """Send a message with bytes behind it; nothing comes between them."""
        with self._sending:
            self._connection.send_bytes(json.dumps(message).encode())
            while chunk := source.read(FRAME_BYTES):
                self._connection.send_bytes(chunk)
            self._connection.send_bytes(b"")

    def receive(self) -> Message:
        """Wait for one message; EOFError when the other end is gone."""
        try:
            message: Message = json.loads(self._connection.recv_bytes())
        except OSError as error:
            raise EOFError(str(error)) from None
        return message

    def frames(self) -> Iterator[bytes]:
        """Receive the bytes behind a message."""
        while True:
            try:
                frame = self._connection.recv_bytes(FRAME_BYTES)
            except OSError as error:
                raise EOFError(str(error)) from None
            if not frame:
                return
            yield frame

    def poll(self, timeout_s: float) -> bool:
        """Wait until there is something to receive, or the line is gone."""
        try:
            return self._connection.poll(timeout_s)
        except OSError:
            return True

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
