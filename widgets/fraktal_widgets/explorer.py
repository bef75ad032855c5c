"""The fractal explorer: a picture to zoom with the wheel and pan with the hand.

The browser transforms the picture it has at once and says how far the view moved; here the
move is applied to the exact decimal coordinates, and one thread draws the newest view in ever
finer levels. The arithmetic and the pictures are `fraktal_kernel.fractals`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import shlex
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import traitlets
from PIL import Image

from fraktal_kernel.core.run import Artifact
from fraktal_kernel.errors import FraktalError, InvalidInput
from fraktal_kernel.fractals import (
    Scene,
    Seed,
    Stopped,
    View,
    palettes,
    progressive,
    render,
    resolve_scene,
    scenes,
)
from fraktal_kernel.fractals.colouring import TABLE_SIZE, colours_of
from fraktal_kernel.fractals.escape import check_plain
from fraktal_widgets.assets import joined
from fraktal_widgets.frames import FrameFlow, pack
from fraktal_widgets.job_feed import JobFeed
from fraktal_widgets.job_widget import SCRIPTS, JobWidget
from fraktal_widgets.latest import LatestOnly, Superseded

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench

HOME = "full_set"
FINEST = 1
PEEK = 0xFFFF  # the level that marks the preview of a Julia set, see exchange.js
PEEK_SIZE = (192, 144)
THUMBNAIL_SIZE = (144, 96)
MAX_SIDE = 4096
JULIA_VIEW = View("0", "0", "3.3")
PARTS = ("picture", "exchange", "views", "julia", "choices", "poster", "hands", "desk", "explorer")


class FractalExplorer(JobWidget):
    """Wheel to zoom, drag to pan, J for the Julia set of a point, ? for all keys.

    Parameters
    ----------
    scene : where to begin: the name of a scene, a scene, or its plain data
    max_iter : iteration limit; None chooses it by the depth of the view
    workbench : saves pictures as jobs of this workbench; None draws them in this process
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks

    Examples
    --------
    >>> FractalExplorer("seahorse").scene.formula
    'mandelbrot'
    """

    _esm = joined(*SCRIPTS, *(f"{part}.js" for part in PARTS))
    _css = joined("tokens.css", "controls.css", "job_card.css", "explorer.css")

    catalog = traitlets.Dict().tag(sync=True)  # what there is to choose from
    thumbnails = traitlets.Dict().tag(
        sync=True
    )  # small pictures of the scenes, when they are drawn
    asked = traitlets.Dict().tag(sync=True)  # browser -> Python: base, move, change, size, drawn
    answer = traitlets.Dict().tag(sync=True)  # Python -> browser: the scene of a serial number
    frame = traitlets.Bytes().tag(sync=True)  # Python -> browser: header, uint16-le [h, w]
    saved = traitlets.Dict().tag(sync=True)  # Python -> browser: what came of saving

    def __init__(
        self,
        scene: str | Scene | Mapping[str, Any] = HOME,
        *,
        max_iter: int | None = None,
        workbench: Workbench | None = None,
        **traits: Any,
    ) -> None:
        self._lock = threading.RLock()
        self._picture: Artifact | None = None  # the last that was drawn in this process to keep
        self._scene = _drawable(resolve_scene(scene, None))
        self._begun = not isinstance(scene, str)  # a scene by name is fitted to its first canvas
        self._limit = max_iter
        self._least = self._scene.max_iter
        self._size: tuple[int, int] | None = None
        self._serial = 0
        self._handled: dict[str, Any] = {}
        self._complete: tuple[Scene, tuple[int, int]] | None = None
        self._flow = FrameFlow(self._send_frame)
        self._pictures = LatestOnly(self._draw, "explorer-picture")
        self._peeks = LatestOnly(self._draw_peek, "explorer-peek")
        self._saves = LatestOnly(self._save, "explorer-save")
        self._thumbnails = LatestOnly(self._draw_thumbnails, "explorer-thumbnails")
        feed = JobFeed(workbench, self._show_jobs, everything=False) if workbench else None
        super().__init__(feed, catalog=_catalog(), **traits)
        self._scene = self._limited(self._scene)
        self.observe(self._on_asked, "asked")

    @property
    def scene(self) -> Scene:
        """What is shown; set it to a name, a scene or its plain data to go there."""
        return self._scene

    @scene.setter
    def scene(self, scene: str | Scene | Mapping[str, Any]) -> None:
        with self._lock:
            found = _drawable(resolve_scene(scene, None))
            self._least = found.max_iter
            if isinstance(scene, str):
                found = _fitted(found, self._size)
            self._show(self._limited(found), client="", seq=0)

    def close(self) -> None:
        """Stop drawing and take the widget away."""
        for worker in (self._pictures, self._peeks, self._saves, self._thumbnails):
            worker.close()
        super().close()

    # --- what the browser asks -------------------------------------------------------------------

    def _on_asked(self, change: dict[str, Any]) -> None:
        ask = change["new"]
        if not ask:
            return
        with self._lock:
            before, self._handled = self._handled, ask
            if ask["client"] != before.get("client"):
                self._flow.forget()
            elif ask.get("drawn"):
                self._flow.drawn(*ask["drawn"])
            if ask.get("task") and ask["task"] != before.get("task"):
                self._keep(ask["task"], self._scene)
            if ask.get("peek") and ask["peek"] != before.get("peek"):
                self._peeks.submit(ask["peek"])
            if ask["seq"] and (ask["client"], ask["seq"]) != (
                before.get("client"),
                before.get("seq"),
            ):
                self._follow(ask)

    def _follow(self, ask: dict[str, Any]) -> None:
        """Go where the browser asks to go, or say in one sentence why not."""
        self._size = tuple(max(1, min(MAX_SIDE, int(side))) for side in ask["size"])
        who = {"client": ask["client"], "seq": ask["seq"]}
        try:
            base = Scene.from_dict(ask["base"]) if ask.get("base") else self._scene
            scene = self._changed(base, ask.get("change") or {})
            if not self._begun:
                self._begun, scene = True, _fitted(scene, self._size)
            scene = replace(_drawable(scene), view=_moved(scene.view, *ask["move"]))
            if not scene.view.resolvable(self._size[0]):
                raise InvalidInput("Double precision ends here: the view cannot be any narrower.")
            self._show(self._limited(scene), **who)
        except FraktalError as error:
            self._say(**who, refused=True, error=f"{error}", scene=self._scene)

    def _changed(self, base: Scene, change: dict[str, Any]) -> Scene:
        """Apply what the user chose; what only moved the view is not here."""
        scene = base
        if "scene" in change or "paste" in change:
            scene = scenes[change["scene"]] if "scene" in change else read_scene(change["paste"])
            self._least = scene.max_iter
            if "scene" in change:
                scene = _fitted(scene, self._size)
        if "home" in change:
            home = scenes[HOME]
            if scene.seed is not None and "formula" not in change:
                home = replace(scene, view=JULIA_VIEW)
            scene = _fitted(replace(home, palette=scene.palette), self._size)
            self._least = home.max_iter
        if "julia" in change:
            scene = _fitted(_julia(scene, *change["julia"]), self._size)
            self._least = 0
        if "max_iter" in change:
            self._limit = change["max_iter"]
            self._least = 0
        if "palette" in change:
            scene = replace(scene, palette=change["palette"])
        return scene

    def _limited(self, scene: Scene) -> Scene:
        """Set the iteration limit: the user's, or what the depth of the view needs."""
        limit = self._limit or max(self._least, iterations_for(scene.view))
        return replace(scene, max_iter=limit)

    # --- pictures on their way -------------------------------------------------------------------

    def _show(self, scene: Scene, client: str, seq: int) -> None:
        recoloured = replace(scene, palette=self._scene.palette) == self._scene and self._serial
        sized = (scene_key(scene), self._size)
        self._scene = scene
        if recoloured and sized == self._complete:
            self._say(client=client, seq=seq, scene=scene)
            return
        self._serial += 1
        self._complete = None
        self._say(client=client, seq=seq, scene=scene, elapsed_s=None)
        if self._size is not None:
            self._pictures.submit((self._serial, scene, self._size))

    def _say(self, *, scene: Scene, **news: Any) -> None:
        """Tell the browser where we are; what is not given stays as it was."""
        kept = {"elapsed_s": self.answer.get("elapsed_s")}
        self.answer = (
            kept
            | {
                "serial": self._serial,
                "size": list(self._size or (0, 0)),
                "scene": scene.to_dict(),
                "command": command_for(scene),
                "about": self._about(scene),
            }
            | news
        )

    def _about(self, scene: Scene) -> dict[str, Any]:
        view, width_px = scene.view, (self._size or (1, 1))[0]
        near_the_end = not view.zoomed(4).resolvable(width_px)
        return {
            "re": view.re,
            "im": view.im,
            "width": f"{float(view.width):.4g}",
            "iterations": scene.max_iter,
            "automatic": self._limit is None,
            "palette": scene.palette,
            "julia": f"{_short(scene.seed.re)}, {_short(scene.seed.im)}" if scene.seed else "",
            "scene": next((name for name in scenes if _same_place(scenes[name], scene)), ""),
            "note": "double precision ends here" if near_the_end else "",
        }

    def _draw(self, request: tuple[int, Scene, tuple[int, int]], superseded: Superseded) -> None:
        serial, scene, size = request
        begun = time.perf_counter()
        for level, positions in progressive(scene, *size, superseded):
            if superseded():
                return
            self._flow.offer(serial, level, positions)
        with self._lock:
            if superseded() or serial != self._serial:
                return
            self._complete = (scene_key(scene), size)
            self.answer = self.answer | {"elapsed_s": round(time.perf_counter() - begun, 4)}
        self._thumbnails.submit(None)

    def _send_frame(self, frame: bytes) -> None:
        self.frame = frame

    def _draw_peek(self, peek: dict[str, Any], superseded: Superseded) -> None:
        base = Scene.from_dict(peek["base"])
        try:
            scene = replace(_julia(base, peek["x"], peek["y"]), max_iter=400)
        except InvalidInput:
            return  # too far out for a Julia set: nothing to preview
        for level, positions in progressive(scene, *PEEK_SIZE, superseded):
            if level == FINEST and not superseded():
                self._send_frame(pack(peek["id"], PEEK, positions))

    def _draw_thumbnails(self, request: None, superseded: Superseded) -> None:
        for name in scenes:
            if superseded():
                return
            if name not in self.thumbnails:
                self.thumbnails = self.thumbnails | {name: thumbnail(name)}

    # --- pictures to keep ------------------------------------------------------------------------

    def _keep(self, task: dict[str, Any], scene: Scene) -> None:
        """Make a picture to keep: as a job where there is a workbench, else in this process."""
        if self.feed is None:
            self._saves.submit((task, scene))
        else:
            self.feed.start()
            self.feed.do(lambda: self._submit(task, scene))

    def _submit(self, task: dict[str, Any], scene: Scene) -> None:
        from fraktal_kernel.core.jobs.model import JobOptions

        params = {"scene": scene.to_dict(), "width": task["width"], "height": task["height"]}
        once = JobOptions(key=f"explorer {task['id']}")  # the browser may have to ask again
        try:
            job = self.feed.workbench.jobs.submit("fractal.render", params, once)
        except FraktalError as error:
            self.saved = {"id": task["id"], "error": str(error)}
        else:
            self.feed.watch(job)
            self.saved = {"id": task["id"], "job": job.id}

    def _save(self, request: tuple[dict[str, Any], Scene], superseded: Superseded) -> None:
        task, scene = request
        try:
            width, height = int(task["width"]), int(task["height"])
            png = render(scene, width, height, cancelled=superseded).png()
        except Stopped:
            return
        except FraktalError as error:
            self.saved = {"id": task["id"], "error": str(error)}
            return
        name = f"fraktal-{scene.kind}-{scene.digest()[:8]}-{width}x{height}.png"
        self._picture = Artifact(
            name=name,
            size_bytes=len(png),
            sha256=hashlib.sha256(png).hexdigest(),
            media_type="image/png",
        ).opened_by(lambda: io.BytesIO(png))
        self.saved = {"id": task["id"], "name": name}

    def _file(self, job_id: int, name: str) -> Artifact:
        if self._picture is not None and (job_id, name) == (0, self._picture.name):
            return self._picture
        return super()._file(job_id, name)


def scene_key(scene: Scene) -> Scene:
    """Make scenes that differ in their palette alone equal: the browser colours them."""
    return replace(scene, palette=scenes[HOME].palette)


def iterations_for(view: View) -> int:
    """Choose an iteration limit by the depth of a view: a thousand, and more the deeper it lies.

    Examples
    --------
    >>> iterations_for(View("-0.65", "0", "3.3"))
    1000
    """
    width = float(view.width)
    doublings = max(0.0, math.log2(4 / width)) if width > 0 else 1100.0
    return 1000 + 100 * round(0.6 * max(0.0, doublings - 1) ** 1.5)


def read_scene(text: str) -> Scene:
    """Read a scene that somebody copied: its JSON, the command that draws it, or its name.

    Examples
    --------
    >>> read_scene("fraktal run fractal.render --scene seahorse") == scenes["seahorse"]
    True
    """
    text = text.strip()
    if text.startswith("fraktal "):
        try:
            words = shlex.split(text)
            text = words[words.index("--scene") + 1]
        except (ValueError, IndexError):
            raise InvalidInput("the command that was pasted has no --scene with a value.") from None
    elif not text.startswith("{") and (len(text) > 60 or "\n" in text):
        raise InvalidInput("what was pasted is no view; copy one with Copy view first.")
    return resolve_scene(text, [])


def command_for(scene: Scene) -> str:
    """Write the command that draws this scene in a terminal."""
    name = next((name for name in scenes if scenes[name] == scene), None)
    text = name or json.dumps(scene.to_dict(), separators=(",", ":"))
    return f"fraktal run fractal.render --scene {shlex.quote(text)} --out picture.png"


@cache
def thumbnail(name: str) -> str:
    """Draw a scene small, as a data address; once in a process."""
    scene = scenes[name]
    *_, (_, positions) = progressive(scene, *THUMBNAIL_SIZE, lambda: False)
    colours = colours_of(palettes[scene.palette])
    with io.BytesIO() as file:
        Image.fromarray(colours[positions]).save(file, "PNG", optimize=True)
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


@cache
def _catalog() -> dict[str, Any]:
    return {
        "palettes": [
            {
                "name": name,
                "title": palette.title,
                "inside": palette.inside,
                "table": base64.b64encode(palette.table(TABLE_SIZE).tobytes()).decode(),
            }
            for name, palette in palettes.items()
        ],
        "scenes": [{"name": name, "title": name.replace("_", " ").capitalize()} for name in scenes],
    }


def _drawable(scene: Scene) -> Scene:
    """Refuse what cannot be drawn here."""
    check_plain(scene)
    return scene


def _moved(view: View, scale: float, x: float, y: float) -> View:
    """Move a view as the browser did: x and y in widths, y downwards; then scale its width."""
    moved = view if x == y == 0 else view.panned(x, -y)
    return moved if scale == 1 else moved.zoomed(1 / scale)


def _fitted(scene: Scene, size: tuple[int, int] | None) -> Scene:
    """Widen a view that was composed for 4:3 so that a wider canvas cuts nothing off."""
    if size is None or 3 * size[0] <= 4 * size[1]:
        return scene
    wider = float(scene.view.width) * (3 * size[0]) / (4 * size[1])
    return replace(scene, view=replace(scene.view, width=f"{wider:.4g}"))


def _julia(scene: Scene, x: float, y: float) -> Scene:
    point = scene.view.panned(x, -y)
    return replace(scene, seed=Seed(point.re, point.im), view=JULIA_VIEW)


def _same_place(one: Scene, other: Scene) -> bool:
    """Say whether ``other`` is the scene ``one``, perhaps widened to fit."""
    wider = float(other.view.width) / float(one.view.width)
    fitted = replace(one.view, width=other.view.width)
    same = (one.formula, one.parameters, one.seed, fitted)
    return same == (other.formula, other.parameters, other.seed, other.view) and 1 <= wider < 3


def _short(number: str) -> str:
    return f"{float(number):.10g}"
