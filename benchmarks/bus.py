"""Messages a second over the bus: told within a process, and kept until they were handled.

Told: published one by one with ``durable=False`` by one thread, checked as all bodies are, and
handled in another. Beside it stands ``asyncio.Queue`` between two tasks, which checks nothing.

Durable: published 200 at a time, written down, claimed, handled and acknowledged, each committed.
Beside it stands litequeue, a queue on SQLite, which puts, takes and acknowledges one by one.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks._peers import NotInstalled, typed
from fraktal_kernel.agents.bus import Bus, Draft, Message, open_bus
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.security import Security
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.fractals.cache import cache_folder

ROUNDS = 5
TOLD = 200_000
KEPT = 20_000
BATCH = 200
BODY = {"job": 7, "state": "running", "progress": 0.25}
LITEQUEUE = "litequeue==0.9"
BY_LITEQUEUE = """
import sys, tempfile, time
from litequeue import LiteQueue
count, rounds = int(sys.argv[1]), int(sys.argv[2])
for number in range(rounds):
    with tempfile.TemporaryDirectory(dir=".") as folder:
        queue = LiteQueue(folder + "/queue.db")
        began = time.perf_counter()
        for _ in range(count):
            queue.put(sys.argv[3])
        for _ in range(count):
            queue.done(queue.pop().message_id)
        print(count / (time.perf_counter() - began), flush=True)
        queue.close()
"""


class Counted:
    """A handler that says when it has had so many."""

    def __init__(self) -> None:
        self.count = 0
        self.wanted = 0
        self.reached = threading.Event()

    def __call__(self, message: Message) -> None:
        """Count one."""
        self.count += 1
        if self.count == self.wanted:
            self.reached.set()

    def expect(self, more: int) -> None:
        """Begin to wait for so many more."""
        self.wanted = self.count + more
        self.reached.clear()


def rate(count: int, heard: Counted, publish: Callable[[], None], bus: Bus) -> float:
    """Measure messages a second, from the first published to the last acknowledged."""
    heard.expect(count)
    began, spent = time.perf_counter(), time.process_time()
    publish()
    heard.reached.wait()
    while any(group.waiting for group in bus.groups()):
        time.sleep(0.002)
    wall, cpu = time.perf_counter() - began, time.process_time() - spent
    print(f"{count / wall:,.0f} messages/s, {count / cpu:,.0f} a CPU second", file=sys.stderr)
    return count / wall


def by_asyncio() -> float:
    """Measure messages a second from one task to another."""

    async def run() -> float:
        queue: asyncio.Queue[dict[str, object]] = asyncio.Queue(1000)

        async def take() -> None:
            for _ in range(TOLD):
                await queue.get()

        began = time.perf_counter()
        taker = asyncio.create_task(take())
        for number in range(TOLD):
            await queue.put({**BODY, "job": number})
        await taker
        return TOLD / (time.perf_counter() - began)

    return asyncio.run(run())


def by_litequeue() -> float:
    """Measure durable messages a second of litequeue, in an environment of its own."""
    base = cache_folder("peers")
    if base is None:
        raise NotInstalled("there is no folder to install it to")
    home = base / LITEQUEUE.replace("==", "-")
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        typed([sys.executable, "-m", "venv", "--clear", str(home)])
        typed([str(python), "-m", "pip", "install", "--quiet", LITEQUEUE])
        (home / "complete").touch()
    words = [str(python), "-c", BY_LITEQUEUE, str(KEPT // 10), str(ROUNDS), json.dumps(BODY)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(done.stderr.strip().splitlines()[-1])
    return statistics.median(map(float, done.stdout.split()))


def tell(figure: str, value: float, peer: str, peer_value: float | None) -> None:
    line: dict[str, object] = {"figure": figure, "value": round(value), "unit": "messages/s"}
    if peer_value is None:
        line |= {"peer": peer}
    else:
        line |= {"peer": f"{peer}: {peer_value:,.0f}/s", "ratio": round(value / peer_value, 3)}
    print(json.dumps(line), flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        settings = load_settings(data=Path(folder).resolve())
        database = Database(settings.database)
        database.migrate()
        bus = open_bus(settings, database, Security(database).local_user().user_id)
        heard = Counted()
        bus.subscribe("jobs.*", "benchmark", heard)

        def told() -> None:
            for number in range(TOLD):
                bus.publish("jobs.state", {**BODY, "job": number}, durable=False)

        def kept() -> None:
            for first in range(0, KEPT, BATCH):
                bodies = ({**BODY, "job": first + number} for number in range(BATCH))
                bus.publish_many([Draft("jobs.state", body) for body in bodies])

        told_rates = [rate(TOLD, heard, told, bus) for _ in range(ROUNDS)]
        kept_rates = [rate(KEPT, heard, kept, bus) for _ in range(ROUNDS)]
        bus.close()
        database.close()
    peer = "asyncio.Queue, one process, nothing checked"
    tell("bus_in_process", statistics.median(told_rates), peer, by_asyncio())
    try:
        name, other = "litequeue 0.9 on SQLite, one by one", by_litequeue()
    except NotInstalled as error:
        tell("bus_durable", statistics.median(kept_rates), f"litequeue: {error}", None)
    else:
        tell("bus_durable", statistics.median(kept_rates), name, other)


if __name__ == "__main__":
    main()
