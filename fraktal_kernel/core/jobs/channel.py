"""The line between a job's process and the server: JSON messages, and bytes in frames.

It is a socket with the standard library's challenge by a shared key; nothing is ever
unpickled, so whoever holds the key can still only say what the protocol has words for.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import (
    Client,
    Connection,
    answer_challenge,
    deliver_challenge,
)
from typing import Any, BinaryIO, Protocol

from fraktal_kernel.errors import InvalidInput

Message = dict[str, Any]
FRAME_BYTES = 1024**2
AUTHENTICATE_S = 10.0


class Wire(Protocol):
    """What carries a line where that is no socket of its own, such as a part of another line."""

    def send_bytes(self, data: bytes, /) -> None:
        """Send one frame; OSError when the other end is gone."""

    def recv_bytes(self, most_bytes: int | None = None, /) -> bytes:
        """Wait for one frame; EOFError when the other end is gone, OSError for one too large."""

    def poll(self, timeout_s: float, /) -> bool:
        """Wait until there is something to receive, or the line is gone."""

    def close(self) -> None:
        """End it, from any thread; who waits at either end gets EOFError."""


class Channel:
    """One end of a line; several threads may send, one receives."""

    def __init__(self, connection: Connection | Wire) -> None:
        self._connection = connection
        self._sending = threading.RLock()
        #: what was said while bytes go out, None while none do
        self._held_back: list[bytes] | None = None

    @classmethod
    def connect(cls, address: tuple[str, int], key: bytes) -> Channel:
        """Call the server at a host and port."""
        return cls(Client(address, family="AF_INET", authkey=key))

    def authenticate(self, key: bytes) -> None:
        """Check, from the server's end, that the caller holds the key; EOFError if he is silent."""
        patience = threading.Timer(AUTHENTICATE_S, self.hang_up)
        patience.daemon = True
        patience.start()
        assert isinstance(self._connection, Connection)
        try:
            deliver_challenge(self._connection, key)
            answer_challenge(self._connection, key)
        finally:
            patience.cancel()

    def send(self, message: Message) -> None:
        """Send one message."""
        data = json.dumps(message).encode()
        with self._sending:
            if self._held_back is not None:  # the source of a stream says something as it is read
                self._held_back.append(data)
            else:
                self._connection.send_bytes(data)

    def send_stream(self, message: Message, source: BinaryIO) -> None:
        """Send a message with bytes behind it; nothing comes between them.

        Where the source breaks off, the other end is told so, and the error goes on.
        """
        with self._sending:
            self._connection.send_bytes(json.dumps(message).encode())
            self._held_back = []
            whole = False
            try:
                while chunk := source.read(FRAME_BYTES):
                    self._connection.send_bytes(chunk)
                whole = True
            finally:
                held_back, self._held_back = self._held_back, None
                self._connection.send_bytes(b"")
                self.send({"whole": whole})
                for data in held_back:
                    self._connection.send_bytes(data)

    def receive(self) -> Message:
        """Wait for one message; EOFError when the other end is gone."""
        try:
            message: Message = json.loads(self._connection.recv_bytes())
        except OSError as error:
            raise EOFError(str(error)) from None
        return message

    def frames(self) -> Iterator[bytes]:
        """Receive the bytes behind a message.

        Raises
        ------
        InvalidInput
            at the end, if the source broke off
        """
        while True:
            try:
                frame = self._connection.recv_bytes(FRAME_BYTES)
            except OSError as error:
                raise EOFError(str(error)) from None
            if not frame:
                if not self.receive()["whole"]:
                    raise InvalidInput("the file broke off while it was read; nothing is kept.")
                return
            yield frame

    def poll(self, timeout_s: float) -> bool:
        """Wait until there is something to receive, or the line is gone."""
        try:
            return self._connection.poll(timeout_s)
        except OSError:
            return True

    def hang_up(self) -> None:
        """End the line from any thread; who waits at either end gets EOFError.

        Closing a socket would not wake a thread that waits for a message, nor tell the other end.
        """
        if not isinstance(self._connection, Connection):
            return self._connection.close()
        with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the line back, once nobody waits on it any more."""
        self._connection.close()
