"""How late the monitor's page is: 200 agents beat each second, 1,000 events a second beside them.

A desk of agents and its database as in a serving workbench, without the WebSockets of the agents;
a real browser shows the monitor in Panel. Every second all agents tell another load; the time runs
from the event that tells it to the moment when the last row on the page says so
(``monitor_page_update``, the 95th percentile). ``monitor_page_memory`` is what this process grew
by from the middle third to the last. ``python -m benchmarks.monitor_page 300``: five minutes.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import uvicorn
from fastapi import FastAPI
from panel.io.fastapi import add_applications
from playwright.sync_api import sync_playwright

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.server.messages import send_messages_whole
from fraktal_widgets import AgentMonitor
from fraktal_widgets.bridge import panel_component
from tests.browser.conftest import FLAGS, free_port
from tests.widgets.crew import Crew

AGENTS, EVENTS_PER_S, SECONDS = 200, 1000, 30.0
WARM_UP = 5

# Notes for each load when the last row on the screen has shown it, in milliseconds since 1970.
WATCH = """() => {
  const find = (root) => root.querySelector('.fk-agent-list')
    ?? [...root.querySelectorAll('*')]
      .map((one) => one.shadowRoot && find(one.shadowRoot)).find(Boolean);
  const list = find(document);
  window.shown = {};
  window.longest = 0;
  new PerformanceObserver((seen) => {
    for (const one of seen.getEntries()) window.longest = Math.max(window.longest, one.duration);
  }).observe({ type: 'longtask' });
  new MutationObserver(() => {
    const load = list.lastElementChild.querySelector('.fk-agent-gauge span').textContent;
    window.shown[load] ??= Date.now();
  }).observe(list, { subtree: true, childList: true, characterData: true });
  return list.childElementCount;
}"""


class Chatter(threading.Thread):
    """Writes so many log lines of jobs a second, in step with the clock."""

    def __init__(self, bench: LocalWorkbench) -> None:
        super().__init__(daemon=True)
        self._bench = bench
        self.stop = threading.Event()

    def run(self) -> None:
        """Write until it is told to stop."""
        engine, owner, began, said = self._bench.engine, self._bench.user.user_id, time.time(), 0
        while not self.stop.wait(0.05):
            due = int((time.time() - began) * EVENTS_PER_S)
            with engine.database.write() as tx:
                for number in range(said, due):
                    told = {"level": "info", "text": f"line {number}"}
                    engine.events.append(tx, "jobs.log", str(number % 40 + 1), owner, told)
            said = due


def measure(crew: Crew, url: str, seconds: float) -> list[dict[str, object]]:
    """Let them beat and watch the page."""
    process, memory, told = psutil.Process(), [], {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(url)
        page.locator(".fk-agent").first.wait_for(timeout=60_000)
        page.wait_for_timeout(2000)
        rows = page.evaluate(WATCH)
        cpu = process.cpu_times()
        began = time.time()
        for number in range(int(seconds)):
            load = number % 100 + 1
            crew.beat(cpu=load / 100)
            crew.tell()
            if number >= WARM_UP and number < 100:
                told[f"{load} %"] = time.time() * 1000
            memory.append(process.memory_info().rss)
            page.wait_for_timeout(max(0, (began + number + 1 - time.time()) * 1000))
        page.wait_for_timeout(1000)
        used = process.cpu_times()
        shown, longest = page.evaluate("[window.shown, window.longest]")
        browser.close()
    late = sorted(shown[load] - at for load, at in told.items() if load in shown)
    busy = (used.user + used.system - cpu.user - cpu.system) / (time.time() - began)
    print(
        f"{rows} of {AGENTS} rows on the page, {len(late)} of {len(told)} loads seen, longest task "
        f"of the browser {longest:.0f} ms, this process {busy:.0%} of a core",
        file=sys.stderr,
    )
    third = max(1, len(memory) // 3)
    grown = (sum(memory[-third:]) - sum(memory[third : 2 * third])) / third
    return [
        {
            "figure": "monitor_page_update",
            "value": round(late[int(0.95 * (len(late) - 1))], 1),
            "unit": "ms from the second's heartbeats to the last row on the page, p95",
        },
        {
            "figure": "monitor_page_memory",
            "value": round(grown / 1e6, 2),
            "unit": f"MB that the process grew in the last third of {seconds:.0f} s",
        },
    ]


def main() -> None:
    """Measure, and print a JSON line a figure."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    send_messages_whole()
    with (
        tempfile.TemporaryDirectory() as folder,
        Workbench.open(data=Path(folder) / "data", workers=1) as bench,
    ):
        assert isinstance(bench, LocalWorkbench)
        crew = Crew(bench)
        for number in range(AGENTS):
            crew.join(f"agent-{number:03d}")
        crew.beat()
        app, port = FastAPI(), free_port()
        app.get("/favicon.ico")(lambda: None)
        add_applications({"/": lambda: panel_component(AgentMonitor(bench))}, app=app)
        server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        chatter = Chatter(bench)
        chatter.start()
        try:
            for figure in measure(crew, f"http://127.0.0.1:{port}/", seconds):
                print(json.dumps(figure), flush=True)
        finally:
            chatter.stop.set()
            chatter.join(10)
            server.should_exit = server.force_exit = True
            thread.join(10)
            crew.close()


if __name__ == "__main__":
    main()
