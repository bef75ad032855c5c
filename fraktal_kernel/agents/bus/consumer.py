"""One consumer of one group: a thread that claims, handles and settles, batch after batch."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from fraktal_kernel.agents.bus.ledger import Claimed, Failed, Ledger
from fraktal_kernel.agents.bus.message import Message
from fraktal_kernel.agents.bus.protocol import GiveBack, Handler
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.core.monitoring.metrics import observe_bus
from fraktal_kernel.errors import FraktalError, InvalidInput, Unavailable

BATCH = 200
#: Other programs publish to the same database; nobody wakes us for their messages.
POLL_S = 0.5
#: So many messages that are kept nowhere may wait for one consumer,
MOST_TOLD = 100_000
#: and who publishes more waits so long for room.
ROOM_S = 5.0
MOST_ERROR = 1000

log = get_logger("bus")


class Consumer:
    """Handles a group's messages in a thread of its own; see :meth:`Bus.subscribe`.

    Parameters
    ----------
    check : raises ``InvalidInput`` for a body that does not fit its topic
    idle : called now and then while there is nothing to do
    left : called once this has stopped
    """

    def __init__(
        self,
        ledger: Ledger,
        group: str,
        handler: Handler,
        check: Callable[[str, object], None],
        idle: Callable[[], None],
        left: Callable[[Consumer], None],
    ) -> None:
        self.group = group
        self._ledger = ledger
        self._handler = handler
        self._check = check
        self._idle = idle
        self._left = left
        lock = threading.Lock()
        self._news, self._room = threading.Condition(lock), threading.Condition(lock)
        self._told: deque[Message] = deque()
        self._kept = True
        self._asleep = False
        self._stopping = False
        self._look_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"bus-{group}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the message in work."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
            self._room.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._left(self)

    # ------------------------------------------------------------------ called by publishers

    def wake(self) -> None:
        """Say that there is something to claim."""
        with self._news:
            self._kept = True
            if self._asleep:
                self._news.notify()

    def tell(self, messages: Sequence[Message]) -> None:
        """Hand over messages that are kept nowhere.

        Raises
        ------
        Unavailable
            it is too far behind, and stays so; nothing was handed over
        """
        with self._news:
            if len(self._told) + len(messages) > MOST_TOLD:
                self._wait_for_room(len(messages))
            self._told.extend(messages)
            if self._asleep:
                self._news.notify()

    def _wait_for_room(self, count: int) -> None:
        def room() -> bool:
            return not self._told or len(self._told) + count <= MOST_TOLD or self._stopping

        # Its own handler would wait for itself.
        mine = threading.current_thread() is self._thread
        if mine or not self._room.wait_for(room, ROOM_S):
            raise Unavailable(
                f"group {self.group!r} is {len(self._told):,} messages behind; publish less, "
                "or subscribe more consumers."
            )

    # ------------------------------------------------------------------ its thread

    def _run(self) -> None:
        while self._wait():
            with self._news:
                told, self._told = self._told, deque()
                sure, self._kept = self._kept, False
                if told:
                    self._room.notify_all()
            if told:
                self._hear(told)
            if sure or time.monotonic() >= self._look_at:
                try:
                    self._work(sure)
                except FraktalError as error:
                    log.warning("bus waits", group=self.group, error=str(error))
                    self._look_at = time.monotonic() + POLL_S

    def _wait(self) -> bool:
        """Wait for something to do; returns False once there is no more to come."""
        with self._news:
            rest_s = self._look_at - time.monotonic()
            if not (self._told or self._kept or self._stopping) and rest_s > 0:
                self._asleep = True
                self._news.wait(rest_s)
                self._asleep = False
            return not self._stopping

    def _hear(self, told: deque[Message]) -> None:
        for message in told:
            try:
                self._handler(message)
            except Exception as error:
                log.warning("message not handled", group=self.group, error=_words(error))
        observe_bus("delivered", self.group, len(told))

    def _work(self, sure: bool) -> None:
        """Claim, handle and settle one batch, if there is one.

        Parameters
        ----------
        sure : whether something was published for us; else one looks first, which costs others
            nothing
        """
        if not sure:
            ready_in = self._ledger.ready_in(self.group)
            if ready_in is None or ready_in > 0:
                self._look_at = time.monotonic() + min(POLL_S, ready_in or POLL_S)
                self._idle()
                return
        claimed, dead = self._ledger.claim(self.group, BATCH)
        observe_bus("dead", self.group, dead)
        if not claimed:
            self._look_at = time.monotonic()  # by looking: something may be due soon
            return
        again = claimed[0].message.attempt > 1
        observe_bus("redelivered", self.group, int(again))
        self._handle(claimed)
        if len(claimed) == BATCH:
            with self._news:
                self._kept = True

    def _handle(self, claimed: list[Claimed]) -> None:
        done: list[int] = []
        failed: list[Failed] = []
        began = time.monotonic()
        for number, (seq, message) in enumerate(claimed):
            if self._stopping:
                self._ledger.release(self.group, [one.seq for one in claimed[number:]])
                break
            try:
                failure = self._try(seq, message)
            except GiveBack:
                self._settle(done, failed)
                done, failed = [], []
                self._ledger.release(self.group, [one.seq for one in claimed[number:]])
                break
            if failure is None:
                done.append(seq)
            else:
                failed.append(failure)
            if time.monotonic() - began > self._ledger.lease_s / 3:
                self._settle(done, failed)
                done, failed = [], []
                if rest := [one.seq for one in claimed[number + 1 :]]:
                    self._ledger.extend(self.group, rest)
                began = time.monotonic()
        self._settle(done, failed)

    def _try(self, seq: int, message: Message) -> Failed | None:
        try:
            self._check(message.topic, message.body)
            self._handler(message)
        except GiveBack:
            raise
        except Exception as error:
            # Bad input stays bad, however often one tries.
            again = not isinstance(error, InvalidInput)
            return Failed(seq, message.attempt, _words(error), again)
        return None

    def _settle(self, done: list[int], failed: list[Failed]) -> None:
        """Write how it ended, and wait for the database if need be: it was handled."""
        while done or failed:
            try:
                dead = self._ledger.settle(self.group, done, failed)
            except Unavailable as error:
                log.warning("bus waits", group=self.group, error=str(error))
                with self._news:
                    if self._news.wait_for(lambda: self._stopping, POLL_S):
                        return
                continue
            observe_bus("delivered", self.group, len(done))
            observe_bus("dead", self.group, dead)
            return


def _words(error: Exception) -> str:
    text = str(error) if isinstance(error, FraktalError) else f"{type(error).__name__}: {error}"
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:MOST_ERROR]
