"""The way to a broker: an event loop in a thread of its own, with plain functions around it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from fraktal_kernel.agents.bus.engines import Engine, find_engine
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.errors import FraktalError, Unavailable

#: A broker that has not answered by then does not answer.
ANSWER_S = 10.0
CHECK_S = 3.0
#: How long a broker that brought what we cannot write down now waits before it brings it again.
PAUSE_S = 1.0
#: How often one looks whether the broker answers.
LOOK_S = 1.0

log = get_logger("bus")

T = TypeVar("T")
Take = Callable[[Sequence[bytes]], None]


class Link:
    """A connection to a broker, which comes back by itself when it was cut.

    Parameters
    ----------
    url : such as ``amqp://HOST``
    channel : the broker's name of what is shared
    keep_s : how long the broker keeps messages for groups that are away, where it can be told
    patient : whether a broker that is away is waited for, instead of being an error

    Raises
    ------
    InvalidInput, MissingExtra
        a broker that we do not know, or whose client is not installed
    Unavailable
        it does not answer, and we are not patient
    """

    def __init__(self, url: str, channel: str, keep_s: float, patient: bool = False) -> None:
        self._url = url
        self._patient = patient
        self._open = partial(self._opened, url, channel, keep_s)
        self._engine: Engine | None = None
        #: who wants what comes for a group, and what brings it once that has begun
        self._wanted: dict[str, _Gathered] = {}
        self._groups: dict[str, list[Any]] = {}
        #: what is wrong, in one sentence; empty while the broker answers
        self.problem = f"the broker at {_shown(url)} has not answered yet."
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bus-link", daemon=True)
        self._thread.start()
        try:
            if patient:
                self._do(self._known(url, channel, keep_s))
            else:
                self._do(self._connect())
        except BaseException:
            self._end()
            raise
        self._watch = asyncio.run_coroutine_threadsafe(self._stay(), self._loop)

    @staticmethod
    async def _known(url: str, channel: str, keep_s: float) -> None:
        find_engine(url, channel, keep_s)

    @staticmethod
    async def _opened(url: str, channel: str, keep_s: float) -> Engine:
        engine = find_engine(url, channel, keep_s)
        try:
            await engine.broker.start()
            await engine.declare()
            if not await engine.broker.ping(timeout=CHECK_S):
                raise ConnectionError("no answer to a ping")
        except BaseException:
            await _quietly(engine.broker.stop())
            raise
        return engine

    async def _connect(self) -> Engine:
        engine = await self._open()
        try:
            for group in self._wanted:  # first, or what is sent now would pass a new group by
                await self._begin(engine, group)
        except BaseException:
            await _quietly(engine.broker.stop())
            self._groups.clear()
            raise
        self._engine = engine
        self.problem = ""
        return engine

    async def _stay(self) -> None:
        """Connect where that is still to be done, and look now and then whether it holds."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                with _as_unavailable(self._url):
                    await asyncio.wait_for(self._look(), ANSWER_S)
            except FraktalError as error:
                if not self.problem:
                    log.warning("the broker does not answer", error=str(error))
                self.problem = str(error)
                continue
            if self.problem:
                log.info("the broker answers", url=_shown(self._url))
                self.problem = ""

    async def _look(self) -> None:
        engine = self._engine or await self._connect()
        if not await engine.broker.ping(timeout=CHECK_S):
            raise ConnectionError("no answer to a ping")
        for group in [name for name in self._wanted if name not in self._groups]:
            await self._begin(engine, group)

    def send(self, payloads: Sequence[bytes]) -> None:
        """Send messages; returns once the broker has them all.

        Raises
        ------
        Unavailable
            it may have some of them, but not all
        """
        if self._engine is None:
            raise Unavailable(self.problem)
        self._do(self._engine.publish(payloads))

    def listen(self, group: str, take: Take) -> None:
        """Hand what comes for a group to a function, many at once where many came.

        The broker hears that a message arrived once the function has returned; after one that
        raises, it brings the message again. A broker that has never answered yet is told later.
        """
        self._do(self._listen(group, _Gathered(take)))

    async def _listen(self, group: str, gathered: _Gathered) -> None:
        self._wanted[group] = gathered
        if self._engine is not None:
            try:
                await self._begin(self._engine, group)
            except Exception:
                if self._patient:  # the next look tries again
                    return
                del self._wanted[group]
                raise

    async def _begin(self, engine: Engine, group: str) -> None:
        subscribers = engine.subscribers(group)
        started = self._groups[group] = []
        try:
            for subscriber in subscribers:
                subscriber(self._wanted[group].add)
                await subscriber.start()
                started.append(subscriber)
        except BaseException:
            await self._stop(group)
            raise

    def leave(self, group: str) -> None:
        """Take nothing more for a group."""
        self._do(self._leave(group))

    async def _leave(self, group: str) -> None:
        self._wanted.pop(group, None)
        await self._stop(group)

    async def _stop(self, group: str) -> None:
        for subscriber in self._groups.pop(group, []):
            await _quietly(subscriber.stop())

    def check(self) -> None:
        """Raise ``Unavailable`` where the broker does not answer."""
        if self._engine is None:
            raise Unavailable(self.problem)
        self._do(self._look())

    def close(self) -> None:
        """Cut the connection."""

        async def close() -> None:
            for group in list(self._groups):
                await self._stop(group)
            if self._engine is not None:
                await _quietly(self._engine.broker.stop())

        self._watch.cancel()
        try:
            self._do(close())
        finally:
            self._end()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the loop and wait for it, but not for ever."""
        limited = asyncio.wait_for(work, ANSWER_S)
        with _as_unavailable(self._url):
            return asyncio.run_coroutine_threadsafe(limited, self._loop).result()

    def _end(self) -> None:
        async def rest() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CHECK_S) if tasks else None

        asyncio.run_coroutine_threadsafe(rest(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def ask(url: str) -> None:
    """Connect to a broker and hang up.

    Raises
    ------
    InvalidInput, MissingExtra, Unavailable
        as :class:`Link` does
    """

    async def answer() -> None:
        engine = find_engine(url, "fraktal", 0)
        try:
            await engine.broker.connect()
            if not await engine.broker.ping(timeout=CHECK_S):
                raise ConnectionError("no answer to a ping")
        finally:
            await _quietly(engine.broker.stop())

    with _as_unavailable(url):
        asyncio.run(asyncio.wait_for(answer(), ANSWER_S))


@contextmanager
def _as_unavailable(url: str) -> Iterator[None]:
    """Turn whatever a broker's client says into one sentence, without a password."""
    try:
        yield
    except FraktalError:
        raise
    except Exception as error:
        raise Unavailable(
            f"the broker at {_shown(url)} does not answer ({_cause(error)}); start it or mend bus."
        ) from error


def _shown(url: str) -> str:
    """Write a broker's address without a password."""
    place = urlsplit(url)
    return f"{place.scheme}://{place.netloc.rpartition('@')[2]}"


class _Gathered:
    """Hands messages that come one by one, but many at a time, to a function together."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._waiting: list[tuple[list[bytes], asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, body: bytes | list[bytes]) -> None:
        """Wait until the function has taken this."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((body if isinstance(body, list) else [body], done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._hand_over())
        await done

    async def _hand_over(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            problem: Exception | None = None
            try:
                payloads = [payload for bodies, _ in batch for payload in bodies]
                await asyncio.to_thread(self._take, payloads)
            except Exception as error:
                problem = error
                await asyncio.sleep(PAUSE_S)
            for _, done in batch:
                if done.done():
                    continue
                if problem is None:
                    done.set_result(None)
                else:
                    done.set_exception(problem)


async def _quietly(work: Coroutine[Any, Any, object]) -> None:
    """Do what no longer matters if it fails."""
    try:
        await asyncio.wait_for(work, CHECK_S)
    except Exception:
        return


def _cause(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return f"nothing within {ANSWER_S:g} s"
    return (
        f"{type(error).__name__}: {str(error).splitlines()[0]}"
        if str(error)
        else type(error).__name__
    )
