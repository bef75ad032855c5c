"""Between the database and a broker: the outbox goes out, what comes in is written down.

A message is published once it is in the database; this thread brings it to the broker then, and
again until the broker has it. What the broker brings is written down before the broker hears
that it arrived. So each way may carry a message twice, and none of them loses one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from fraktal_kernel.agents.bus.ledger import Ledger
from fraktal_kernel.agents.bus.link import Link
from fraktal_kernel.agents.bus.message import Written, envelope, matches, opened
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.core.monitoring.metrics import observe_bus
from fraktal_kernel.errors import FraktalError, InvalidInput

BATCH = 200
#: Other programs publish to the same database, and one that is gone may have left its share.
POLL_S = 0.5

log = get_logger("bus")


class Relay:
    """Brings messages to the broker and back.

    Parameters
    ----------
    link : the open way to the broker; closed with this
    """

    def __init__(self, ledger: Ledger, link: Link) -> None:
        self.link = link
        self._ledger = ledger
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bus-relay", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something to send."""
        self._news.set()

    def listen(self, group: str, pattern: str, arrived: Callable[[], None]) -> None:
        """Let the broker bring a group's messages, from now on if it does not know the group.

        Parameters
        ----------
        arrived : called after some were written down
        """

        def take(payloads: Sequence[bytes]) -> None:
            fitting: list[tuple[Written, float]] = []
            for data in payloads:
                try:
                    message, time_s = opened(data)
                except InvalidInput as error:
                    log.warning("unreadable message", group=group, error=str(error))
                    self._ledger.bury(group, data, str(error))
                    observe_bus("dead", group, 1)
                    continue
                if matches(pattern, message.topic):
                    fitting.append((message, time_s))
            if fitting:
                new = self._ledger.take(group, fitting)
                observe_bus("deduplicated", group, len(fitting) - new)
                arrived()

        self.link.listen(group, take)

    def leave(self, group: str) -> None:
        """Let the broker keep a group's messages until somebody listens again."""
        self.link.leave(group)

    def close(self) -> None:
        """Send no more, and close the link."""
        self._stopping.set()
        self._news.set()
        self._thread.join()
        self.link.close()

    def _run(self) -> None:
        stuck = False
        while not self._stopping.is_set():
            self._news.clear()
            if stuck and self.link.problem:  # its link looks for it, and the database has rest
                self._stopping.wait(POLL_S)
                continue
            try:
                sent = self._send()
            except FraktalError as error:
                if not stuck:
                    log.warning("outbox waits", error=str(error))
                stuck = True
                self._stopping.wait(POLL_S)
                continue
            if stuck:
                log.info("outbox flows again")
                stuck = False
            if not sent:
                self._news.wait(POLL_S)

    def _send(self) -> int:
        """Send one batch; returns how many."""
        batch = self._ledger.unsent(BATCH)
        if batch:
            arrived = False
            try:
                self.link.send([envelope(one.message, one.time) for one in batch])
                arrived = True
            finally:
                self._ledger.sent([one.seq for one in batch], arrived)
        return len(batch)
