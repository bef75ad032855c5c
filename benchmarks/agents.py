"""200 agents that report every second, 1,000 events a second beside them: what a monitor waits for.

A real server; real lines (WebSockets) from a few processes, a heartbeat a second on each; a
program that writes 1,000 log lines of jobs a second into the same database through the server's
journal would be the server itself, so here jobs do it: workers that log as fast as that. Three
things are timed: from the heartbeats of a second to the event at a watcher's end
(``monitor_200_agents``, the 95th percentile), the whole list over REST (``monitor_list``), and
how much the server's memory grows between the first and the last third (``monitor_memory``).

``python -m benchmarks.agents 300`` takes the full five minutes; by default it is half a minute.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import psutil
from pydantic import BaseModel
from websockets.sync.client import connect

from fraktal_kernel.agents.line import VERSION
from fraktal_kernel.core.capability import Run, capability
from fraktal_kernel.core.workspace import ServerAddress

AGENTS, LINES_A_PROCESS = 200, 50
EVENTS_PER_S = 1000
SECONDS = 30.0


class Chat(BaseModel):
    """How many lines a second, for how long."""

    per_s: int
    seconds: float


@capability("benchmark.chat", title="Log at a rate")
def chat(params: Chat, run: Run) -> int:
    """Write so many lines a second, in step with the clock."""
    began, said = time.monotonic(), 0
    while (now := time.monotonic() - began) < params.seconds:
        run.check_cancelled()
        while said < now * params.per_s:
            run.log(f"line {said}")
            said += 1
        time.sleep(0.01)
    return said


def register(number: int) -> str:
    """Give the first words of one simulated agent."""
    machine = {"host": "benchmark", "system": "Linux", "python": "3", "cores": 8}
    words = {
        "op": "register",
        "version": VERSION,
        "name": f"agent-{number:03d}",
        "instance": os.urandom(16).hex(),
        "offers": ["simulated.*"],
        "capabilities": ["simulated.work"],
        "slots": 1,
        "machine": {**machine, "memory_bytes": 2**34, "cards": []},
        "data": "/nowhere",
    }
    return json.dumps(words)


def simulate(address: ServerAddress, first: int, ready: object, stop: object) -> None:
    """Keep the lines of some agents, each with a heartbeat a second."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        lines = []
        for number in range(first, first + LINES_A_PROCESS):
            headers = {"Authorization": f"Bearer {address.token}"}
            url = f"{address.url.replace('http', 'ws', 1)}/api/agents/line"
            line = stack.enter_context(
                connect(url, additional_headers=headers, proxy=None, compression=None)
            )
            line.send(register(number))
            assert json.loads(line.recv())["op"] == "welcome"
            lines.append(line)
        ready.release()  # type: ignore[attr-defined]
        due = time.monotonic()
        while not stop.is_set():  # type: ignore[attr-defined]
            for number, line in enumerate(lines):
                beat = {"op": "beat", "cpu_share": number % 10 / 10, "memory_bytes": 2**30}
                line.send(json.dumps(beat))
            due += 1
            time.sleep(max(0.0, due - time.monotonic()))


class Watcher(threading.Thread):
    """A monitor's end: takes every event of agents, and notes how old it was when it came."""

    def __init__(self, address: ServerAddress) -> None:
        super().__init__(daemon=True)
        self._address = address
        self.ages_ms: list[float] = []
        self.agents: list[int] = []
        self.stop = threading.Event()

    def run(self) -> None:
        """Listen until told to stop."""
        url = f"{self._address.url.replace('http', 'ws', 1)}/api/events?topic=agents.beat"
        headers = {"Authorization": f"Bearer {self._address.token}"}
        with connect(url, additional_headers=headers, proxy=None, max_size=None) as line:
            while not self.stop.is_set():
                try:
                    event = json.loads(line.recv(timeout=0.5))
                except TimeoutError:
                    continue
                came = time.time()
                from datetime import datetime

                told = datetime.fromisoformat(event["time"]).timestamp()
                self.ages_ms.append((came - told) * 1000)
                self.agents.append(len(event["payload"]["agents"]))


def measure(address: ServerAddress, pid: int, seconds: float) -> list[dict[str, object]]:
    """Run the load and watch it."""
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Semaphore(0), context.Event()
    simulators = [
        context.Process(target=simulate, args=(address, first, ready, stop), daemon=True)
        for first in range(0, AGENTS, LINES_A_PROCESS)
    ]
    for process in simulators:
        process.start()
    for _ in simulators:
        assert ready.acquire(timeout=120), "the agents did not come online"
    headers = {"Authorization": f"Bearer {address.token}"}
    client = httpx.Client(base_url=address.url, headers=headers, timeout=60, trust_env=False)
    body = {"per_s": EVENTS_PER_S, "seconds": seconds + 10}
    order = {"capability": "benchmark.chat", "params": body}
    job = client.post("/api/jobs", json=order).raise_for_status().json()["id"]
    time.sleep(3)  # all is warm, and the first heartbeats are there
    watcher = Watcher(address)
    watcher.start()
    server = psutil.Process(pid)
    first_event, began = client.get("/api/events", params={"limit": 0}).json()["last"], time.time()
    lists_ms, memory, cpu = [], [], server.cpu_times()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        asked = time.perf_counter()
        found = client.get("/api/agents").raise_for_status().json()["agents"]
        lists_ms.append((time.perf_counter() - asked) * 1000)
        assert len(found) == AGENTS
        assert all(each["state"] == "online" for each in found), "some are taken for offline"
        memory.append(server.memory_info().rss)
        time.sleep(1)
    took = time.time() - began
    written = client.get("/api/events", params={"limit": 0}).json()["last"] - first_event
    used = server.cpu_times()
    watcher.stop.set()
    watcher.join(10)
    client.delete(f"/api/jobs/{job}")
    stop.set()
    for process in simulators:
        process.join(10)
    assert min(watcher.agents) == AGENTS, "a second's news were not of all agents"
    third = max(1, len(memory) // 3)
    growth = statistics.median(memory[-third:]) - statistics.median(memory[:third])
    busy = (used.user + used.system - cpu.user - cpu.system) / took
    print(
        f"{AGENTS} agents, {written / took:.0f} events/s, {len(watcher.ages_ms)} updates, "
        f"server {busy:.0%} of a core, {memory[-1] / 1e6:.0f} MB",
        file=sys.stderr,
    )
    ages = sorted(watcher.ages_ms)
    return [
        {
            "figure": "monitor_200_agents",
            "value": round(ages[int(0.95 * (len(ages) - 1))], 1),
            "unit": "ms from the second's heartbeats to the watcher, p95",
        },
        {
            "figure": "monitor_list",
            "value": round(statistics.median(lists_ms), 1),
            "unit": "ms for the whole list of 200 over REST",
        },
        {
            "figure": "monitor_memory",
            "value": round(growth / 1e6, 2),
            "unit": f"MB that the server grew within {took:.0f} s",
        },
    ]


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with tempfile.TemporaryDirectory(dir=".") as folder:
        data = Path(folder).resolve() / "data"
        environment = {
            **os.environ,
            "FRAKTAL_DATA": str(data),
            "FRAKTAL_WORKERS": "1",
            "FRAKTAL_CAPABILITY_MODULES": '["benchmarks.agents"]',
            "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        }
        command = [sys.executable, "-m", "fraktal_kernel.cli", "serve", "--port", "0"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True
        ) as server:
            try:
                assert server.stdout is not None and "Fraktal is open" in server.stdout.readline()
                address = ServerAddress(**json.loads((data / "server.json").read_text()))
                for figure in measure(address, server.pid, seconds):
                    print(json.dumps(figure), flush=True)
            finally:
                server.terminate()
                server.wait(60)


if __name__ == "__main__":
    main()
