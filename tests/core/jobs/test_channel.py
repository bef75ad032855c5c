"""What the line between server and workers promises: who may speak, what arrives, how it ends."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Listener

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.core.jobs import channel as channels
from fraktal_kernel.core.jobs.channel import FRAME_BYTES, Channel
from fraktal_kernel.errors import InvalidInput

KEY = b"k" * 32
Line = tuple[Channel, Channel]


def connect(server_key: bytes = KEY, caller_key: bytes = KEY) -> Line:
    """Connect two ends over loopback: the server's and the caller's."""
    with Listener(("127.0.0.1", 0), family="AF_INET") as listener, ThreadPoolExecutor(1) as pool:
        calling: Future[Channel] = pool.submit(Channel.connect, listener.address, caller_key)
        server = Channel(listener.accept())
        try:
            server.authenticate(server_key)
            return server, calling.result(60)
        except BaseException:
            server.close()
            raise


@pytest.fixture
def line() -> Iterator[Line]:
    """Give both ends of a line."""
    ends = connect()
    yield ends
    for end in ends:
        end.close()


def collect(server: Channel) -> bytes:
    """Receive the bytes behind a message."""
    return b"".join(server.frames())


def test_only_who_holds_the_key_may_speak() -> None:
    """A caller with another key is turned away."""
    with pytest.raises((AuthenticationError, EOFError, OSError)):
        connect(caller_key=b"x" * 32)


def test_a_silent_caller_does_not_keep_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who calls and says nothing is hung up on."""
    monkeypatch.setattr(channels, "AUTHENTICATE_S", 0.2)
    with Listener(("127.0.0.1", 0), family="AF_INET") as listener:
        with socket.create_connection(listener.address) as caller:
            server = Channel(listener.accept())
            with pytest.raises(EOFError):
                server.authenticate(KEY)
            server.close()
            while caller.recv(1000):
                pass


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_messages_arrive_as_they_were_sent(message: dict[str, object]) -> None:
    """Any JSON object comes out as it went in."""
    server, caller = shared_line()
    caller.send(message)
    assert server.receive() == message


_shared: list[Line] = []


def shared_line() -> Line:
    """Give one line for all examples of a property."""
    if not _shared:
        _shared.append(connect())
    return _shared[0]


@pytest.mark.parametrize("size", [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1])
def test_bytes_behind_a_message_arrive_whole(line: Line, size: int) -> None:
    """A file of any size follows its message, and the next message follows the file."""
    server, caller = line
    data = bytes(range(256)) * (size // 256 + 1)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(caller.send_stream, {"op": "save"}, io.BytesIO(data[:size]))
        assert server.receive() == {"op": "save"}
        assert collect(server) == data[:size]
        sent.result(60)
    caller.send({"op": "next"})
    assert server.receive() == {"op": "next"}


class Talking(io.BytesIO):
    """A source that does something each time it is read."""

    def __init__(self, data: bytes, act: Callable[[], None]) -> None:
        super().__init__(data)
        self._act = act

    def read(self, size: int | None = -1) -> bytes:
        """Act, then read."""
        self._act()
        return super().read(size)


def test_a_source_that_speaks_while_it_is_read_is_heard_afterwards(line: Line) -> None:
    """A stream may log as it is read; nothing comes between its bytes, and nothing is lost."""
    server, caller = line
    source = Talking(b"data", lambda: caller.send({"op": "log"}))
    caller.send_stream({"op": "save"}, source)
    assert server.receive() == {"op": "save"}
    assert collect(server) == b"data"
    assert [server.receive(), server.receive()] == [{"op": "log"}] * 2


def test_a_source_that_breaks_off_is_told_of(line: Line) -> None:
    """The other end learns that the file is not whole, and the line goes on."""
    server, caller = line

    def act() -> None:
        raise OSError("the tape tore")

    with pytest.raises(OSError, match="the tape tore"):
        caller.send_stream({"op": "save"}, Talking(b"data", act))
    server.receive()
    with pytest.raises(InvalidInput, match="broke off"):
        collect(server)
    caller.send({"op": "next"})
    assert server.receive() == {"op": "next"}


def test_threads_may_all_speak(line: Line) -> None:
    """Messages of several threads, some with bytes, do not mix."""
    server, caller = line

    def speak(number: int) -> None:
        caller.send({"op": "word", "n": number})
        caller.send_stream({"op": "file", "n": number}, io.BytesIO(bytes([number]) * 100_000))

    with ThreadPoolExecutor(8) as pool:
        speaking = [pool.submit(speak, number) for number in range(40)]
        words, files = set(), set()
        for _ in range(80):
            message = server.receive()
            if message["op"] == "file":
                assert collect(server) == bytes([message["n"]]) * 100_000
                files.add(message["n"])
            else:
                words.add(message["n"])
        for each in speaking:
            each.result()
    assert words == files == set(range(40))


@pytest.mark.parametrize("end", [0, 1])
def test_hanging_up_wakes_who_waits_at_either_end(line: Line, end: int) -> None:
    """A thread that waits for a message gets EOFError when anybody hangs up."""
    heard = []

    def wait(channel: Channel) -> None:
        try:
            channel.receive()
        except EOFError:
            heard.append(channel)

    threads = [threading.Thread(target=wait, args=(channel,)) for channel in line]
    for thread in threads:
        thread.start()
    line[end].hang_up()
    for thread in threads:
        thread.join(60)
    assert len(heard) == 2
    line[end].hang_up()


def test_a_line_that_is_closed_says_so(line: Line) -> None:
    """After closing, receiving is the end, and polling does not hang."""
    server, caller = line
    assert not server.poll(0)
    caller.close()
    assert server.poll(10)
    with pytest.raises(EOFError):
        server.receive()
    server.close()
    assert server.poll(10)
    with pytest.raises(EOFError):
        server.receive()
    server.hang_up()


@pytest.fixture(autouse=True, scope="module")
def end_shared() -> Iterator[None]:
    """Close the line that examples share."""
    yield
    for line in _shared:
        for end in line:
            end.close()
