"""How long from a turn of the wheel to the finest picture, in a real browser on the Panel page.

The canvas is 800 x 600 pixels, the limit 500 iterations. The time runs in the browser, from the
wheel event to the moment the finest level of the new view is drawn; it includes the way to Python
and back. Run it alone: ``python benchmarks/wheel_to_sharp.py``.
"""

from __future__ import annotations

import json
import shutil
import socket
import statistics
import threading
import time

import uvicorn
from fastapi import FastAPI
from panel.io.fastapi import add_applications
from playwright.sync_api import Page, sync_playwright

from fraktal_kernel.server.messages import send_messages_whole
from fraktal_widgets import FractalExplorer
from fraktal_widgets.bridge import panel_component

WHEELS = 30
TARGET_MS = 250
SIZE = (800, 600)
MAX_ITER = 500
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# Resolves with the milliseconds from the next wheel event to the finest level of its view.
MEASURE = """() => new Promise((done) => {
  const find = (root) => root.querySelector('.fk-explorer')
    ?? [...root.querySelectorAll('*')]
      .map((one) => one.shadowRoot && find(one.shadowRoot)).find(Boolean);
  const root = find(document);
  root.addEventListener('wheel', () => {
    const begun = performance.now();
    const watch = new MutationObserver(() => {
      if (root.dataset.state !== 'sharp') return;
      watch.disconnect();
      done(performance.now() - begun);
    });
    watch.observe(root, { attributes: true, attributeFilter: ['data-state'] });
  }, { capture: true, once: true });
  window.ready = true;
})"""


def serve() -> str:
    """Serve the explorer in FastAPI, as the workbench does; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    send_messages_whole()
    app = FastAPI()
    app.get("/favicon.ico")(lambda: None)
    add_applications({"/": lambda: panel_component(FractalExplorer(max_iter=MAX_ITER))}, app=app)
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return f"http://127.0.0.1:{port}/"


def measure(page: Page, turns: int) -> float:
    """Turn the wheel once, in or out, and wait for the sharp picture."""
    page.evaluate(f"() => {{ window.ready = false; window.took = ({MEASURE})() }}")
    page.wait_for_function("window.ready")
    page.mouse.wheel(0, turns)
    took = float(page.evaluate("() => window.took"))
    page.wait_for_timeout(150)  # the next turn finds everything at rest
    return took


def main() -> None:
    """Measure, print a table and one line of JSON."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or "/usr/bin/chromium", args=FLAGS
        )
        page = browser.new_page(viewport={"width": 1200, "height": 740})
        page.goto(serve())
        page.locator('.fk-explorer[data-state="sharp"]').wait_for(timeout=120_000)
        canvas = page.locator(".fk-explorer-canvas")
        page.locator(".fk-explorer-stage").evaluate(
            "(stage, [width, height]) =>"
            " Object.assign(stage.style, { width, height, maxHeight: 'none' })",
            [f"{side}px" for side in SIZE],
        )
        page.wait_for_timeout(1000)
        page.locator('.fk-explorer[data-state="sharp"]').wait_for(timeout=120_000)
        assert tuple(canvas.evaluate("c => [c.width, c.height]")) == SIZE
        box = canvas.bounding_box()
        assert box is not None
        # At the seam of the seahorse valley: inside, boundary and outside in one picture.
        page.mouse.move(box["x"] + 0.47 * box["width"], box["y"] + 0.46 * box["height"])
        measure(page, -100)  # the first turn warms up
        times = [measure(page, -100 if k % 10 < 7 else 100) for k in range(WHEELS)]
        browser.close()
    value = statistics.median(times)
    ordered = sorted(times)
    print(f"wheel to sharp, {SIZE[0]} x {SIZE[1]}, {MAX_ITER} iterations, {WHEELS} turns")
    print(f"{'median':>10} {'fastest':>10} {'9 of 10':>10} {'slowest':>10} {'target':>10}")
    row = (value, ordered[0], ordered[int(0.9 * WHEELS)], ordered[-1], TARGET_MS)
    print(" ".join(f"{number:7.0f} ms" for number in row))
    print(json.dumps({"figure": "wheel_to_sharp", "value": round(value, 1), "unit": "ms"}))


if __name__ == "__main__":
    main()
