"""Tests of `fraktal_widgets.explorer` without a browser: what is asked and what is answered."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import (
    Scene,
    View,
    formulas,
    palettes,
    progressive,
    read_scene,
    scenes,
)
from fraktal_kernel.fractals.colouring import looks
from fraktal_widgets import FractalExplorer
from fraktal_widgets import explorer as module
from fraktal_widgets.explorer import PEEK
from fraktal_widgets.scene_text import command_for
from fraktal_widgets.scene_text import read_scene as read_pasted

SIZE = [160, 120]


class Hand:
    """Asks as the browser does, confirms what was drawn, and keeps the frames."""

    def __init__(self, explorer: FractalExplorer, client: str = "me") -> None:
        self.explorer = explorer
        self.client = client
        self.count = self.seq = 0
        self.one_by_one = threading.RLock()  # as in a browser, whatever thread brings a frame
        self.drawn: list[int] | None = None
        self.more: dict[str, Any] = {"task": None, "peek": None}
        self.confirms = True
        self.frames: list[tuple[int, int, np.ndarray]] = []
        explorer.observe(self._on_frame, "frame")

    def _on_frame(self, change: dict[str, Any]) -> None:
        words = np.frombuffer(change["new"][:16], "<u4")
        sequence, level, width, height = (int(word) for word in words)
        painted = len(change["new"]) == 16 + 3 * width * height
        pixels = np.frombuffer(change["new"][16:], "u1" if painted else "<u2")
        pixels = pixels.reshape((height, width, 3) if painted else (height, width))
        self.frames.append((sequence, level, pixels))
        if self.confirms and level != PEEK:
            with self.one_by_one:
                self.drawn = [sequence, level]
                self._send(self.last)

    def _send(self, ask: dict[str, Any]) -> None:
        self.count += 1
        state = {"client": self.client, "n": self.count, "drawn": self.drawn}
        self.explorer.asked = ask | state | self.more

    def ask(self, *, base: Any = None, move: Any = (1, 0, 0), **change: Any) -> dict[str, Any]:
        """Ask for a view; gives the answer that comes at once."""
        with self.one_by_one:
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


def test_julia_takes_the_point_as_seed(hand: Hand) -> None:
    """The seed is the exact point of the plane that was picked, also after a zoom."""
    hand.ask(base={"view": {"re": "-0.5", "im": "0.25", "width": "2"}})
    answer = hand.ask(julia=[0.25, 0.125])
    assert answer["scene"]["formula"] == "mandelbrot"
    assert answer["scene"]["seed"] == {"re": "0", "im": "0"}
    home = hand.ask(home=True)
    assert home["scene"]["seed"] == {"re": "0", "im": "0"}
    assert "seed" not in hand.ask(home=True, plane=True)["scene"]


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


def test_below_float64_it_goes_on_by_perturbation(hand: Hand) -> None:
    """The line of facts says how it is computed, and a wheel turn leads across without a word."""
    base = {"view": {"re": "-0.743643887037151", "im": "0.13182590420533", "width": "1e-5"}}
    above = hand.ask(base=base)
    below = hand.ask(move=[1e-5, 0.1, 0])
    assert (above["about"]["method"], below["about"]["method"]) == ("float64", "perturbation")
    assert below["about"]["width"] == "1e-10"
    assert not below.get("refused")


@pytest.mark.parametrize("name", ["deep_wheel", "deep_flake"])
def test_a_deep_scene_opens_and_zooms_on(hand: Hand, name: str) -> None:
    """At 1e-21 and 1e-157 the picture is the library's, and the next one is deeper by as much."""
    answer = hand.ask(scene=name)
    hand.rest()
    serial, level, pixels = hand.frames[-1]
    assert (serial, level, pixels.shape) == (answer["serial"], 1, (SIZE[1], SIZE[0], 3))
    *_, (_, expected) = progressive(Scene.from_dict(answer["scene"]), *SIZE)
    assert (pixels == expected).all()
    deeper = hand.ask(move=[0.25, 0.01, 0])
    before, after = (Decimal(one["scene"]["view"]["width"]) for one in (answer, deeper))
    assert abs(float(after / before) - 0.25) < 1e-5
    hand.rest()
    assert hand.frames[-1][:2] == (deeper["serial"], 1)


def test_what_no_method_computes_is_refused_in_a_sentence(hand: Hand) -> None:
    """Newton's method is no polynomial: it ends with float64, and the view stays where it is."""
    base = {"formula": "newton", "view": {"re": "0.1", "im": "0.2", "width": "1e-12"}}
    answer = hand.ask(base=base)
    beyond = hand.ask(move=[1e-4, 0, 0])
    assert beyond["refused"]
    assert "no polynomial" in beyond["error"]
    assert beyond["scene"]["view"] == answer["scene"]["view"]


@pytest.mark.parametrize("name", list(formulas))
def test_every_formula_is_shown_as_a_whole(hand: Hand, name: str) -> None:
    """A formula opens at a view of its own with the colours of before, and has Julia sets."""
    hand.ask(palette="ember")
    answer = hand.ask(formula=name)
    assert answer["about"]["formula"] == name
    assert answer["scene"]["palette"] == "ember"
    assert "seed" in hand.ask(julia=[0.1, 0.05])["scene"]
    home = hand.ask(home=True, plane=True)
    assert home["scene"]["view"] == answer["scene"]["view"]


def test_a_typed_formula_is_drawn_where_one_is(hand: Hand) -> None:
    """A formula that is typed is drawn; another one that is typed stays at the view."""
    first = hand.ask(formula="z**3 + c*z")
    hand.rest()
    assert hand.frames[-1][:2] == (first["serial"], 1)
    moved = hand.ask(move=[0.5, 0.1, 0])
    second = hand.ask(formula="z**3 - c*z")
    assert second["scene"]["view"] == moved["scene"]["view"]
    assert second["scene"]["formula"] == "z**3 - c*z"


@pytest.mark.parametrize("text", ["z**", "", "z**2 + k", "w + c", "import os"])
def test_a_wrong_formula_is_answered_beside_its_field(hand: Hand, text: str) -> None:
    """The sentence names the field it is about; what was drawn stays."""
    before = hand.ask()["scene"]
    answer = hand.ask(formula=text)
    assert (answer["refused"], answer["field"]) == (True, "formula")
    assert len(answer["error"].split()) > 4
    assert answer["scene"] == before


def test_parameters_change_the_picture_and_are_refused_beside_theirs(hand: Hand) -> None:
    """A parameter is kept while it differs from the formula's own value."""
    hand.ask(formula="multibrot")
    assert hand.ask(parameters={"power": 4})["scene"]["parameters"] == {"power": 4}
    assert "parameters" not in hand.ask(parameters={"power": 3})["scene"]
    wrong = hand.ask(parameters={"power": "many"})
    assert (wrong["refused"], wrong["field"]) == (True, "parameters")


def test_turning_keeps_the_point_under_the_hand_and_comes_back(hand: Hand) -> None:
    """A turn is told in degrees; upright again is where it began, stretched or not."""
    before = hand.ask(base=scenes["seahorse"].to_dict())
    turned = hand.ask(move=[1, 0, 0, 30])
    assert turned["scene"]["view"]["rotation_deg"] == 30
    assert turned["about"]["turn"] == 30
    assert hand.ask(move=[1, 0, 0, -30])["scene"]["view"] == before["scene"]["view"]
    view = before["scene"]["view"] | {"skew": [[1, 0.2], [0, 1]]}
    assert not hand.ask(base=before["scene"] | {"view": view})["about"]["straight"]
    assert hand.ask(upright=True)["scene"]["view"] == before["scene"]["view"]


def test_a_picture_is_stopped_and_goes_on_with_the_next_move(hand: Hand) -> None:
    """Stopping keeps view and serial number; the next move draws again."""
    before = hand.ask(scene="deep_wheel")
    stopped = hand.ask(stop=True)
    hand.rest()
    assert stopped["stopped"]
    assert stopped["scene"] == before["scene"]
    assert (stopped["serial"], 1) not in {frame[:2] for frame in hand.frames}
    after = hand.ask(move=[1, 0.1, 0])
    hand.rest()
    assert not hand.explorer.answer.get("stopped")
    assert hand.frames[-1][:2] == (after["serial"], 1)


def test_looks_are_painted_here_and_palettes_in_the_browser(hand: Hand) -> None:
    """A look comes as colours, from the fields that are known; none as places in the palette."""
    hand.ask(formula="burning_ship")
    hand.rest()
    assert hand.frames[-1][2].ndim == 2
    lit = hand.ask(look="histogram")
    hand.rest()
    count = len(hand.frames)
    assert lit["about"]["look"] == "histogram"
    assert hand.frames[-1][2].ndim == 3
    other = hand.ask(palette="glacier")
    hand.rest()
    assert other["about"]["look"] == "histogram"
    assert (lit["about"]["ring"], other["about"]["ring"]) == ("ember", "glacier")
    assert [frame[:2] for frame in hand.frames[count:]] == [(other["serial"], 1)]
    assert hand.ask(look="relief")["about"]["ring"] == ""
    assert hand.ask(look="")["about"]["look"] == ""


def test_a_pan_there_and_back_ends_with_the_same_picture(hand: Hand) -> None:
    """Whole pixels to the side and back: the view, and every pixel of it, is that of before."""
    first = hand.ask(scene="seahorse")
    hand.rest()
    before = hand.frames[-1][2]
    hand.ask(move=[1, 16 / SIZE[0], -9 / SIZE[0]])
    hand.rest()
    last = hand.ask(move=[1, -16 / SIZE[0], 9 / SIZE[0]])
    hand.rest()
    assert last["scene"]["view"] == first["scene"]["view"]
    assert (hand.frames[-1][2] == before).all()


def test_a_slow_picture_tells_how_far_it_is(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a third of a second, progress names the picture and grows."""
    monkeypatch.setattr(module, "NOTICED_S", 0.0)
    monkeypatch.setattr(module, "TOLD_EVERY_S", 0.0)
    told: list[dict[str, Any]] = []
    hand.explorer.observe(lambda change: told.append(change["new"]), "working")
    answer = hand.ask(scene="deep_wheel")
    hand.rest()
    assert {one["serial"] for one in told} == {answer["serial"]}
    assert [one["done"] for one in told] == sorted(one["done"] for one in told)
    assert all(one["text"] for one in told)


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


def test_a_poster_is_a_job_of_its_own(
    widget_bench: LocalWorkbench, until: Callable[..., None]
) -> None:
    """Where there is a workbench, what is shown is made a poster of, in the file asked for."""
    explorer = FractalExplorer("seahorse", workbench=widget_bench)
    try:
        assert explorer.catalog["posters"]
        hand = Hand(explorer)
        hand.ask()
        hand.rest()
        task = {"id": "t5", "do": "poster", "width": 64, "height": 48, "format": "png"}
        hand.more["task"] = task
        hand._send(hand.last)
        until(lambda: [job["state"] for job in explorer.board.get("jobs", [])] == ["succeeded"])
        card = explorer.board["jobs"][0]
        until(lambda: len(explorer.board["jobs"][0]["artifacts"]) == 2)
        assert widget_bench.jobs.get(card["id"]).capability == "fractal.poster"
        explorer.wish = {"do": "download", "job": card["id"], "name": "poster.png", "start": 0}
        until(lambda: explorer.download)
        assert read_scene(base64.b64decode(explorer.download["data"])) == explorer.scene
    finally:
        explorer.close()


def test_without_a_workbench_no_poster_is_offered(hand: Hand) -> None:
    """A process alone draws pictures at once; what takes long wants jobs."""
    assert hand.explorer.catalog["posters"] is False


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


def test_everything_that_has_a_name_is_offered(explorer: FractalExplorer) -> None:
    """The catalogue is the registries: a plug-in is offered by existing."""
    assert [one["name"] for one in explorer.catalog["formulas"]] == list(formulas)
    assert [one["name"] for one in explorer.catalog["looks"]] == list(looks)
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
