"""Tests of `fraktal_widgets.explorer` without a browser: what is asked and what is answered."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import Scene, View, palettes, progressive, read_scene, scenes
from fraktal_widgets import FractalExplorer
from fraktal_widgets.explorer import PEEK, command_for, iterations_for
from fraktal_widgets.explorer import read_scene as read_pasted

SIZE = [160, 120]


class Hand:
    """Asks as the browser does, confirms what was drawn, and keeps the frames."""

    def __init__(self, explorer: FractalExplorer, client: str = "me") -> None:
        self.explorer = explorer
        self.client = client
        self.count = self.seq = 0
        self.drawn: list[int] | None = None
        self.more: dict[str, Any] = {"task": None, "peek": None}
        self.confirms = True
        self.frames: list[tuple[int, int, np.ndarray]] = []
        explorer.observe(self._on_frame, "frame")

    def _on_frame(self, change: dict[str, Any]) -> None:
        words = np.frombuffer(change["new"][:16], "<u4")
        sequence, level, width, height = (int(word) for word in words)
        pixels = np.frombuffer(change["new"][16:], "<u2").reshape(height, width)
        self.frames.append((sequence, level, pixels))
        if self.confirms and level != PEEK:
            self.drawn = [sequence, level]
            self._send(self.last)

    def _send(self, ask: dict[str, Any]) -> None:
        self.count += 1
        state = {"client": self.client, "n": self.count, "drawn": self.drawn}
        self.explorer.asked = ask | state | self.more

    def ask(self, *, base: Any = None, move: Any = (1, 0, 0), **change: Any) -> dict[str, Any]:
        """Ask for a view; gives the answer that comes at once."""
        self.seq += 1
        self.last = {
            "seq": self.seq,
            "size": SIZE,
            "base": base if base is not None else self.explorer.answer.get("scene"),
            "move": list(move),
            "change": change,
        }
        self._send(self.last)
        return self.explorer.answer

    def rest(self) -> dict[str, Any]:
        """Wait until all that was asked is drawn; gives the last answer."""
        assert self.explorer._pictures.wait(60)
        return self.explorer.answer


@pytest.fixture
def explorer() -> Iterator[FractalExplorer]:
    """Make an explorer, and close it."""
    explorer = FractalExplorer()
    yield explorer
    explorer.close()


@pytest.fixture
def hand(explorer: FractalExplorer) -> Hand:
    """Make a browser's hand on the explorer."""
    return Hand(explorer)


def test_levels_come_coarse_to_fine_and_the_finest_is_the_library_s(hand: Hand) -> None:
    """Every level is sent, in order, and the last equals what the library draws."""
    hand.ask()
    answer = hand.rest()
    assert [level for _, level, _ in hand.frames] == [9, 3, 1]
    assert {sequence for sequence, _, _ in hand.frames} == {answer["serial"]}
    *_, (_, expected) = progressive(Scene.from_dict(answer["scene"]), *SIZE)
    assert (hand.frames[-1][2] == expected).all()
    assert answer["elapsed_s"] >= 0


def test_zoom_keeps_the_point_under_the_pointer(hand: Hand) -> None:
    """The plane's point that the pointer is on before is the one it is on afterwards."""
    before = View(**hand.ask()["scene"]["view"])
    px, py, factor = 0.3, -0.2, 0.25
    x, y = px * (1 - factor), py * (1 - factor)
    after = View(**hand.ask(move=[factor, x, y])["scene"]["view"])
    assert float(after.width) == pytest.approx(float(before.width) * factor)
    for axis, at in (("re", px), ("im", -py)):
        old = Decimal(getattr(before, axis)) + Decimal(at) * Decimal(before.width)
        new = Decimal(getattr(after, axis)) + Decimal(at) * Decimal(after.width)
        assert abs(float(old - new)) < 1e-7 * float(after.width)


def test_moves_are_exact_far_below_what_a_float_tells_apart(hand: Hand) -> None:
    """A hundred moves there and back at a width of 1e-12 end where they began."""
    base = {"view": {"re": "-0.7436438870371587", "im": "0.1318259042053119", "width": "1e-12"}}
    first = hand.ask(base=base)
    for _ in range(100):
        hand.ask(move=[1, 0.25, -0.125])
    for _ in range(100):
        last = hand.ask(move=[1, -0.25, 0.125])
    assert last["scene"]["view"] == first["scene"]["view"]


def test_at_most_two_frames_are_under_way_until_the_browser_confirms(hand: Hand) -> None:
    """A browser that draws nothing gets two frames; its word brings the newest, not all."""
    hand.confirms = False
    for step in range(1, 6):
        hand.ask(move=[0.9, 0.01 * step, 0])
        hand.rest()
    assert len(hand.frames) == 2
    sequence, level, _ = hand.frames[0]
    hand.drawn = [sequence, level]
    hand._send(hand.last)
    assert len(hand.frames) == 3
    assert hand.frames[-1][0] == hand.explorer.answer["serial"]
    assert hand.frames[-1][1] == 1


def test_newest_view_wins(hand: Hand) -> None:
    """Of many views in a row the last is drawn to the end, and only few of the others."""
    for _ in range(30):
        answer = hand.ask(move=[0.97, 0, 0])
    final = hand.rest()
    assert final["serial"] == answer["serial"]
    assert hand.frames[-1][:2] == (answer["serial"], 1)
    finished = [sequence for sequence, level, _ in hand.frames if level == 1]
    assert len(finished) < 30


def test_a_palette_needs_no_new_picture(hand: Hand) -> None:
    """Colours change in the browser: the serial number stays and no frame is sent."""
    before = hand.ask() and hand.rest()
    frames = len(hand.frames)
    after = hand.ask(palette="ember")
    hand.rest()
    assert after["scene"]["palette"] == "ember"
    assert after["serial"] == before["serial"]
    assert len(hand.frames) == frames


def test_iterations_follow_the_depth_until_they_are_set(hand: Hand) -> None:
    """The limit grows with the depth, takes the user's number, and can be given back."""
    shallow = hand.ask()["about"]
    deep = hand.ask(move=[1e-6, 0, 0])["about"]
    assert deep["iterations"] > shallow["iterations"]
    assert deep["automatic"]
    fixed = hand.ask(max_iter=777)["about"]
    assert (fixed["iterations"], fixed["automatic"]) == (777, False)
    again = hand.ask(max_iter=None)["about"]
    assert (again["iterations"], again["automatic"]) == (deep["iterations"], True)


def test_iterations_never_fall_with_depth() -> None:
    """Deeper views get at least as many iterations."""
    limits = [iterations_for(View("0", "0", f"1e{power}")) for power in range(2, -40, -1)]
    assert limits == sorted(limits)


def test_julia_takes_the_point_as_seed(hand: Hand) -> None:
    """The seed is the exact point of the plane that was picked, also after a zoom."""
    hand.ask(base={"view": {"re": "-0.5", "im": "0.25", "width": "2"}})
    answer = hand.ask(julia=[0.25, 0.125])
    assert answer["scene"]["formula"] == "mandelbrot"
    assert answer["scene"]["seed"] == {"re": "0", "im": "0"}
    home = hand.ask(home=True)
    assert home["scene"]["seed"] == {"re": "0", "im": "0"}
    assert "seed" not in hand.ask(home=True, formula="mandelbrot")["scene"]


@pytest.mark.parametrize("name", list(scenes))
def test_every_scene_opens_by_name(hand: Hand, name: str) -> None:
    """A scene is shown as it was composed: its centre, its colours, no fewer iterations."""
    answer = hand.ask(scene=name)
    scene = scenes[name]
    assert answer["about"]["scene"] == name
    assert answer["scene"]["view"]["re"] == scene.view.re
    assert answer["scene"]["palette"] == scene.palette
    assert answer["scene"]["max_iter"] >= scene.max_iter


def test_nothing_is_cut_off_on_a_wide_canvas(explorer: FractalExplorer) -> None:
    """A scene composed for 4:3 is widened where the canvas is wider."""
    hand = Hand(explorer)
    hand.seq += 1
    hand.last = {"seq": 1, "size": [320, 120], "base": None, "move": [1, 0, 0], "change": {}}
    hand._send(hand.last)
    shown = float(explorer.scene.view.width)
    assert shown == pytest.approx(float(scenes["full_set"].view.width) * 2, rel=1e-3)
    assert explorer.answer["about"]["scene"] == "full_set"


@pytest.mark.parametrize("scene", [scenes["seahorse"], scenes["julia_rabbit"]])
def test_a_copied_view_can_be_pasted(hand: Hand, scene: Scene) -> None:
    """The JSON, the command and the name all lead back to the same scene."""
    hand.explorer.scene = scene
    answer = hand.explorer.answer
    for text in (json.dumps(answer["scene"]), answer["command"]):
        hand.ask(scene="full_set")
        assert hand.ask(paste=text)["scene"]["view"] == scene.to_dict()["view"]
    assert read_pasted("seahorse") == scenes["seahorse"]
    assert read_pasted(command_for(scene)) == scene


@pytest.mark.parametrize(
    "text",
    ["{", "no such scene", "fraktal run fractal.render", '{"view": 3}', "a\nb", "fraktal 'open"],
)
def test_what_is_no_view_is_refused_in_a_sentence(hand: Hand, text: str) -> None:
    """A paste that cannot be read changes nothing and says why."""
    before = hand.ask()["scene"]
    answer = hand.ask(paste=text)
    assert answer["refused"]
    assert len(answer["error"].split()) > 4
    assert answer["scene"] == before
    with pytest.raises(InvalidInput):
        read_pasted(text)


def test_paths_are_not_read_from_what_is_pasted(hand: Hand) -> None:
    """A page's visitor cannot make the server open a file."""
    assert hand.ask(paste="/etc/passwd")["refused"]


def test_the_end_of_double_precision_is_said_and_not_crossed(hand: Hand) -> None:
    """Near the limit the status line says so; beyond it the view stays where it is."""
    base = {"view": {"re": "-0.7436438870371587", "im": "0.1318259042053119", "width": "1e-13"}}
    answer = hand.ask(base=base)
    assert answer["about"]["note"] == "double precision ends here"
    beyond = hand.ask(move=[1e-6, 0, 0])
    assert beyond["refused"]
    assert beyond["scene"]["view"] == answer["scene"]["view"]
    assert hand.ask(move=[100, 0, 0])["about"]["note"] == ""


def test_preview_of_a_julia_set_leaves_the_picture_alone(hand: Hand) -> None:
    """A peek is one small frame of its own level; the scene does not change."""
    scene = hand.ask()["scene"]
    hand.rest()
    hand.more["peek"] = {"id": 3, "base": scene, "x": 0.1, "y": 0.1}
    hand._send(hand.last)
    assert hand.explorer._peeks.wait(60)
    sequence, level, pixels = hand.frames[-1]
    assert (sequence, level) == (3, PEEK)
    assert pixels.any()
    assert hand.explorer.answer["scene"] == scene


def test_a_saved_picture_carries_its_scene(hand: Hand, tmp_path: Any) -> None:
    """The PNG has the size that was asked for and opens the same view again."""
    import io

    from PIL import Image

    hand.ask(scene="seahorse")
    hand.more["task"] = {"id": "t1", "do": "save", "width": 64, "height": 48}
    hand._send(hand.last)
    assert hand.explorer._saves.wait(60)
    saved = hand.explorer.saved
    assert saved["id"] == "t1"
    hand.explorer.wish = {"do": "download", "job": 0, "name": saved["name"], "start": 0}
    png = base64.b64decode(hand.explorer.download["data"])
    assert len(png) == hand.explorer.download["size_bytes"]
    assert Image.open(io.BytesIO(png)).size == (64, 48)
    assert read_scene(png) == hand.explorer.scene


def test_a_picture_that_cannot_be_saved_says_why(hand: Hand) -> None:
    """A size that no picture has is answered with a sentence, not with silence."""
    hand.ask()
    hand.more["task"] = {"id": "t2", "do": "save", "width": 10**6, "height": 10**6}
    hand._send(hand.last)
    assert hand.explorer._saves.wait(60)
    assert "smaller" in hand.explorer.saved["error"]


def test_with_a_workbench_a_saved_picture_is_a_job(
    widget_bench: LocalWorkbench, until: Callable[..., None]
) -> None:
    """Saving submits one job however often the browser asks, and its card ends with the file."""
    explorer = FractalExplorer("seahorse", workbench=widget_bench)
    try:
        hand = Hand(explorer)
        hand.ask()
        hand.rest()
        for client in ("me", "you", "me"):  # the task is asked for again while others ask, too
            hand.client = client
            hand.more["task"] = None if client == "you" else {"id": "t3", "width": 64, "height": 48}
            hand._send(hand.last)
        until(lambda: [job["state"] for job in explorer.board.get("jobs", [])] == ["succeeded"])
        card = explorer.board["jobs"][0]
        assert explorer.saved == {"id": "t3", "job": card["id"]}
        until(lambda: explorer.board["jobs"][0]["artifacts"])
        assert len(explorer.board["jobs"]) == 1
        explorer.wish = {"do": "download", "job": card["id"], "name": "picture.png", "start": 0}
        until(lambda: explorer.download)
        assert read_scene(base64.b64decode(explorer.download["data"])) == explorer.scene
    finally:
        explorer.close()


def test_a_job_that_is_refused_says_why(
    widget_bench: LocalWorkbench, until: Callable[..., None]
) -> None:
    """A size that the workbench refuses is answered with its sentence."""
    explorer = FractalExplorer(workbench=widget_bench)
    try:
        hand = Hand(explorer)
        hand.more["task"] = {"id": "t4", "width": 10**6, "height": 10**6}
        hand.ask()
        until(lambda: explorer.saved)
        assert "smaller" in explorer.saved["error"]
    finally:
        explorer.close()


def test_a_second_browser_takes_over(explorer: FractalExplorer) -> None:
    """Frames that the first page never drew do not hold back the second."""
    first = Hand(explorer)
    first.confirms = False
    first.ask()
    first.rest()
    explorer.unobserve(first._on_frame, "frame")
    second = Hand(explorer, "you")
    second.ask(move=[0.5, 0, 0])
    second.rest()
    assert second.frames[-1][1] == 1


def test_the_scene_can_be_set_from_python(hand: Hand) -> None:
    """``explorer.scene = ...`` takes names, scenes and data, and draws."""
    hand.ask()
    hand.rest()
    hand.explorer.scene = "julia_dragon"
    answer = hand.rest()
    assert answer["client"] == ""
    assert hand.frames[-1][:2] == (answer["serial"], 1)
    assert hand.explorer.scene.seed == scenes["julia_dragon"].seed
    with pytest.raises(InvalidInput, match="did you mean 'seahorse'"):
        hand.explorer.scene = "seahorze"


def test_every_palette_and_scene_is_offered(explorer: FractalExplorer) -> None:
    """The catalogue is the registries: a plug-in is offered by existing."""
    assert [one["name"] for one in explorer.catalog["palettes"]] == list(palettes)
    assert [one["name"] for one in explorer.catalog["scenes"]] == list(scenes)
    for one in explorer.catalog["palettes"]:
        table = np.frombuffer(base64.b64decode(one["table"]), np.uint8).reshape(-1, 3)
        assert (table == palettes[one["name"]].table(len(table))).all()


def test_small_pictures_of_the_scenes_follow_the_first_picture(hand: Hand) -> None:
    """Each scene gets a thumbnail once there is time."""
    hand.ask()
    hand.rest()
    assert hand.explorer._thumbnails.wait(60)
    assert set(hand.explorer.thumbnails) == set(scenes)


def test_closing_ends_the_work() -> None:
    """A closed explorer draws nothing more and leaves no thread behind."""
    explorer = FractalExplorer()
    hand = Hand(explorer)
    hand.ask(base={"view": {"re": "-0.75", "im": "0.1", "width": "0.01"}, "max_iter": 1_000_000})
    explorer.close()
    assert explorer._pictures.wait(120)
    frames = len(hand.frames)
    hand.ask(move=[0.5, 0, 0])
    assert explorer._pictures.wait(60)
    assert len(hand.frames) == frames
