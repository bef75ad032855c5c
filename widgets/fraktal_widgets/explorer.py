"""The fractal explorer: a picture to zoom with the wheel and pan with the hand.

The browser transforms the picture it has at once and says how far the view moved; here the
move is applied to the exact decimal coordinates, and one thread draws the newest view in ever
finer levels. The arithmetic and the pictures are `fraktal_kernel.fractals`.
"""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import traitlets

from fraktal_kernel.core.artifact import Artifact
from fraktal_kernel.errors import FraktalError, InvalidInput
from fraktal_kernel.fractals import (
    Scene,
    Stopped,
    formulas,
    progressive,
    render,
    resolve_scene,
    scenes,
)
from fraktal_kernel.fractals.live import Sight
from fraktal_widgets.assets import joined
from fraktal_widgets.explorer_catalog import catalog, thumbnail
from fraktal_widgets.frames import FrameFlow, pack
from fraktal_widgets.job_feed import JobFeed
from fraktal_widgets.job_widget import SCRIPTS, JobWidget
from fraktal_widgets.latest import LatestOnly, Superseded
from fraktal_widgets.scene_text import centre_for, command_for, depth_for, short
from fraktal_widgets.travel import (
    changed,
    fitted,
    iterations_for,
    julia_of,
    look_name,
    moved,
    ring_of,
    same_place,
)

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench

HOME = "full_set"
FINEST = 1
PEEK = 0xFFFF  # the level that marks the preview of a Julia set, see exchange.js
PEEK_SIZE = (192, 144)
PEEK_ITERATIONS = 400
MAX_SIDE = 4096
# Choices that lead elsewhere, and those whose field shows why they were refused.
NEW_PLACES = ("scene", "paste", "home", "julia", "formula")
FIELDS = ("formula", "parameters")
NO_SIZE = (640, 480)  # until a browser says how large its canvas is
# What takes longer than the first tells how far it is, every so often.
NOTICED_S, TOLD_EVERY_S = 0.3, 0.15
PARTS = (
    "picture",
    "exchange",
    "views",
    "julia",
    "choices",
    "formula",
    "poster",
    "hands",
    "desk",
    "explorer",
)


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
    working = traitlets.Dict().tag(sync=True)  # Python -> browser: how far a slow picture is
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
        self._scene = resolve_scene(scene, None)
        self._method = Sight.method(self._scene, *NO_SIZE)
        self._sight = Sight()
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
        offered = catalog() | {"posters": workbench is not None}
        super().__init__(feed, catalog=offered, **traits)
        self._scene = self._limited(self._scene)
        self.observe(self._on_asked, "asked")

    @property
    def scene(self) -> Scene:
        """What is shown; set it to a name, a scene or its plain data to go there."""
        return self._scene

    @scene.setter
    def scene(self, scene: str | Scene | Mapping[str, Any]) -> None:
        with self._lock:
            found = resolve_scene(scene, None)
            if isinstance(scene, str):
                found = fitted(found, self._size)
            method = Sight.method(found, *(self._size or NO_SIZE))
            self._method, self._least = method, found.max_iter
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
        change = ask.get("change") or {}
        scale, *way = ask["move"]
        if "stop" in change and scale == 1 and not any(way):
            self._pictures.submit(None)
            self._say(**who, scene=self._scene, stopped=self._complete is None)
            return
        try:
            base = Scene.from_dict(ask["base"]) if ask.get("base") else self._scene
            scene = changed(base, change, self._size)
            if not self._begun:
                self._begun, scene = True, fitted(scene, self._size)
            scene = replace(scene, view=moved(scene.view, self._size, *ask["move"]))
            self._method = Sight.method(scene, *self._size)
        except FraktalError as error:
            field = next((name for name in FIELDS if name in change), "")
            self._say(**who, refused=True, error=f"{error}", field=field, scene=self._scene)
            return
        if any(name in change for name in NEW_PLACES):
            self._least = scene.max_iter if "scene" in change or "paste" in change else 0
        if "max_iter" in change:
            self._limit, self._least = change["max_iter"], 0
        self._show(self._limited(scene), **who)

    def _limited(self, scene: Scene) -> Scene:
        """Set the iteration limit: the user's, or what the depth of the view needs."""
        limit = self._limit or max(self._least, iterations_for(scene.view))
        return replace(scene, max_iter=limit)

    # --- pictures on their way -------------------------------------------------------------------

    def _show(self, scene: Scene, client: str, seq: int) -> None:
        recoloured = scene_key(scene) == scene_key(self._scene) and self._serial
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
        re, im = centre_for(scene.view)
        named = scene.formula in formulas
        known = formulas[scene.formula].parameters if named else {}
        return {
            "re": re,
            "im": im,
            "width": depth_for(scene.view),
            "turn": round(scene.view.rotation_deg, 2),
            "straight": scene.view.straight,
            "iterations": scene.max_iter,
            "automatic": self._limit is None,
            "method": self._method,
            "formula": scene.formula,
            "named": named,
            "parameters": {name: scene.parameters.get(name) for name in known},
            "palette": scene.palette,
            "ring": ring_of(scene),
            "look": look_name(scene),
            "density": scene.density,
            "julia": f"{short(scene.seed.re)}, {short(scene.seed.im)}" if scene.seed else "",
            "scene": next((name for name in scenes if same_place(scenes[name], scene)), ""),
        }

    def _draw(
        self, request: tuple[int, Scene, tuple[int, int]] | None, superseded: Superseded
    ) -> None:
        if request is None:
            return  # it was enough that the picture before is superseded
        serial, scene, size = request
        begun = told = time.perf_counter()

        def tell(fraction: float, text: str) -> None:
            nonlocal told
            now = time.perf_counter()
            if now - begun > NOTICED_S and now - told > TOLD_EVERY_S:
                told = now
                self.working = {"serial": serial, "done": round(fraction, 3), "text": text}

        try:
            for level, pixels in self._sight.levels(scene, *size, superseded, tell):
                if superseded():
                    return
                self._flow.offer(serial, level, pixels)
        except FraktalError as error:
            with self._lock:
                self.answer = self.answer | {"error": f"{error}", "seq": -serial}
            return
        with self._lock:
            if superseded() or serial != self._serial:
                return
            self._complete = (scene_key(scene), size)
            self.answer = self.answer | {"elapsed_s": round(time.perf_counter() - begun, 4)}
        self._thumbnails.submit(None)

    def _send_frame(self, frame: bytes) -> None:
        if frame == self.frame:
            self.frame = b""  # what does not change is not sent, and this one was lost
        self.frame = frame

    def _draw_peek(self, peek: dict[str, Any], superseded: Superseded) -> None:
        base = Scene.from_dict(peek["base"])
        try:
            scene = replace(julia_of(base, peek["x"], peek["y"]), max_iter=PEEK_ITERATIONS)
        except InvalidInput:
            return  # too far out for a Julia set: nothing to preview
        for level, pixels in progressive(scene, *PEEK_SIZE, superseded):
            if level == FINEST and not superseded():
                self._send_frame(pack(peek["id"], PEEK, pixels))

    def _draw_thumbnails(self, request: None, superseded: Superseded) -> None:
        for name in scenes:
            if superseded() or self._complete is None:
                return  # the picture comes first, and asks again when it is done
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
        name = "fractal.render"
        if task.get("do") == "poster":  # large ones are made tile by tile
            name, params = "fractal.poster", params | {"format": task["format"]}
        once = JobOptions(key=f"explorer {task['id']}")  # the browser may have to ask again
        try:
            job = self.feed.workbench.jobs.submit(name, params, once)
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
    return scene if scene.look else replace(scene, palette=scenes[HOME].palette)
