"""Films as files: what they show, what they are, and what becomes of one that was stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fraktal_kernel.errors import Conflict, InvalidInput, Unavailable
from fraktal_kernel.fractals import Scene, Seed, Stopped, View, render, scenes
from fraktal_kernel.fractals.colouring import looks
from fraktal_kernel.fractals.colouring.survey import surveyed
from fraktal_kernel.fractals.film import Film, Key, film, zoom
from fraktal_kernel.fractals.film.encode import read_film
from fraktal_kernel.fractals.film.path import shots
from fraktal_kernel.fractals.palettes import linear
from fraktal_kernel.fractals.poster import space

av = pytest.importorskip("av", reason="films need PyAV")

TAIL = scenes["seahorse_tail"]
NEAR = replace(TAIL, view=TAIL.view.zoomed(0.125), max_iter=2000)
DEEP = Scene(view=View("-1.768778833", "-0.001738996", "1e-15"), max_iter=800)
# Nothing but a slope of colour: what moves by a part of a pixel shows.
SLOPE = Scene(view=View("1.2", "1.1", "0.1"), density=8.0)
SMALL: dict[str, Any] = {"width": 96, "height": 64, "quality": 95}


def short(scene: Scene = TAIL, octaves: int = 3, seconds: float = 2, **options: Any) -> Film:
    """Zoom into a scene from some octaves above."""
    start = replace(scene, view=scene.view.zoomed(0.97 / 2**octaves))
    return zoom(scene, seconds, start=start, **{"fps": 15, **SMALL, **options})


def decoded(path: Path) -> np.ndarray:
    """Decode all frames: uint8 [n, h, w, 3]."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack(frames)


def grey(pixels: np.ndarray) -> np.ndarray:
    """Give the lightness, of which films keep every pixel: colours have every second one."""
    return pixels @ np.array([0.2126, 0.7152, 0.0722])


def direct(what: Film, number: int, antialias: int) -> np.ndarray:
    """Render what a frame shows by itself."""
    (shot,) = (shot for shot in shots(what) if shot.first <= number < shot.last)
    (frame,) = shot.frames(number, number + 1)
    picture = render(shot.scene(frame), what.width, what.height, antialias=antialias)
    return picture.pixels.astype(float)


@pytest.mark.parametrize(
    ("what", "bound"),
    [
        (short(seconds=4), 1.25),
        (short(DEEP, seconds=3), 1.4),
        (short(turns=1, seconds=4), 1.3),
        (short(antialias=2, seconds=2), 0.8),
        # Lengths in the look are right where one level counts alone.
        (short(replace(TAIL, look=looks["ink"]), seconds=4), 2.0),
    ],
    ids=["float64", "deep", "turning", "fine", "look"],
)
def test_frames_are_as_good_as_rendered_ones(tmp_path: Path, what: Film, bound: float) -> None:
    """A frame is about as near to the finely sampled view as one of four samples a pixel is."""
    made = film(tmp_path / "a.mp4", what)
    assert "reprojected" in made.method
    frames = decoded(made.place)
    for number in np.linspace(0, what.frames - 1, 7).astype(int):
        truth = direct(what, number, 4)
        ours = np.abs(frames[number] - truth).mean()
        theirs = np.abs(direct(what, number, 2) - truth).mean()
        # What the codec loses is no more than a level or two.
        assert ours < bound * theirs + 2.0, number


def test_no_ring_shows(tmp_path: Path) -> None:
    """Where levels meet, frames are as near to the truth as on either side."""
    what = short(SLOPE, octaves=3, seconds=4, turns=1, width=128, height=96, codec="prores")
    frames = decoded(film(tmp_path / "a.mov", what).place)
    for number in range(0, 60, 7):
        apart = np.abs(grey(frames[number]) - grey(direct(what, number, 4)))
        assert apart.max() < 4, number


@pytest.mark.parametrize(
    ("codec", "name", "pixels", "decoder"),
    [
        ("h264", "a.mp4", "yuv420p", "h264"),
        ("h264", "a.mov", "yuv420p", "h264"),
        ("av1", "a.webm", "yuv420p10le", "dav1d"),
        ("av1", "a.mp4", "yuv420p10le", "dav1d"),
        ("prores", "a.mov", "yuv422p10le", "prores"),
    ],
)
def test_files_are_what_they_say(
    tmp_path: Path, codec: str, name: str, pixels: str, decoder: str
) -> None:
    """Count, size, length, codec, pixel format, colour tags and the film itself are read back."""
    what = short(octaves=1, seconds=3, fps=10, codec=codec)
    place = film(tmp_path / name, what).place
    with av.open(str(place)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (stream.width, stream.height, stream.average_rate) == (96, 64, 10)
        assert decoder in context.name
        assert context.pix_fmt == pixels
        assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 1, 1)
        assert int(context.color_range) == 1
        assert container.duration / 1e6 == pytest.approx(3, abs=0.15)
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert np.allclose(times, np.arange(30) / 10, atol=2e-3)
    assert read_film(place) == what
    assert [path.name for path in tmp_path.iterdir()] == [name]
    if name.endswith(".mp4"):
        data = place.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")


def test_a_still_film_is_still(tmp_path: Path) -> None:
    """A film between two equal scenes shows one picture all the time."""
    what = Film((Key(0, SLOPE), Key(2, SLOPE)), fps=10, codec="prores", width=96, height=64)
    made = film(tmp_path / "a.mov", what)
    frames = decoded(made.place).astype(int)
    assert (frames == frames[0]).all()
    assert np.abs(grey(frames[0]) - grey(direct(what, 0, 2))).mean() < 1.5


def test_a_whole_turn_comes_back(tmp_path: Path) -> None:
    """After 360 degrees the picture is the first one, after 180 it stands on its head."""
    what = Film(
        (Key(0, NEAR, turns=1, easing="linear"), Key(3, NEAR)),
        fps=11,
        codec="prores",
        width=64,
        height=64,
    )
    frames = decoded(film(tmp_path / "a.mov", what).place).astype(int)
    assert len(frames) == 33
    assert (frames[0] == frames[-1]).all()
    assert np.abs(frames[0] - frames[16][::-1, ::-1]).mean() < 2
    assert np.abs(frames[0] - frames[8]).mean() > 10


def test_colours_pass_without_computing(tmp_path: Path) -> None:
    """While only colours change, the samples of one picture serve all frames."""
    what = Film((Key(0, NEAR, passes=1, easing="linear"), Key(2, NEAR)), fps=15, **SMALL)
    made = film(tmp_path / "a.mp4", what)
    assert made.samples < 8 * 96 * 64
    frames = decoded(made.place).astype(int)
    assert np.abs(frames[0] - frames[-1]).mean() < 3
    assert np.abs(frames[0] - frames[14]).mean() > 10


def test_what_cannot_be_reprojected_is_said(tmp_path: Path) -> None:
    """Julia sets of a seed that moves are computed one by one, and end at the second seed."""
    a = Scene(seed=Seed("-0.8", "0.156"), view=View("0", "0", "3"), max_iter=300)
    b = replace(a, seed=Seed("-0.4", "0.6"))
    what = Film((Key(0, a), Key(1, b)), fps=6, **SMALL)
    made = film(tmp_path / "a.mp4", what)
    assert made.method == "6 frames computed one by one, because of the seed"
    frames = decoded(made.place)
    for number, scene in ((0, a), (5, b)):
        truth = render(scene, 96, 64, antialias=2).pixels.astype(float)
        assert np.abs(grey(frames[number]) - grey(truth)).mean() < 2.5


def test_palettes_glide_into_one_another(tmp_path: Path) -> None:
    """Half way between two palettes, the light is the mean of both."""
    other = replace(SLOPE, palette="ember")
    what = Film((Key(0, SLOPE, easing="linear"), Key(1, other)), fps=11, **SMALL)
    frames = decoded(film(tmp_path / "a.mp4", what).place)
    a, b = (render(scene, 96, 64).pixels for scene in (SLOPE, other))
    assert np.abs(linear(frames[5]) - (linear(a) + linear(b)) / 2).max() < 0.04


PROGRAM = """
import sys
from fraktal_kernel.fractals.film import Film, film
import json
what = Film.from_dict(json.loads(sys.argv[2]))
def progress(share, text):
    print(text, flush=True)
film(sys.argv[1], what, progress=progress)
"""


def test_after_a_kill_it_goes_on(tmp_path: Path) -> None:
    """Killed in the middle, it goes on, repeats nothing, and the frames are the same."""
    import json

    what = short(octaves=4, seconds=6, fps=15)
    place = tmp_path / "killed.mp4"
    command = [sys.executable, "-c", PROGRAM, str(place), json.dumps(what.to_dict())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line.split()[1]) >= 45:
                os.kill(process.pid, signal.SIGKILL)
                break
    assert not place.exists()
    assert (tmp_path / "killed.mp4.part").is_dir()
    again = film(place, what)
    assert 0 < again.made <= what.frames - 30
    whole = film(tmp_path / "whole.mp4", what)
    assert whole.made == what.frames
    assert (decoded(place) == decoded(whole.place)).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed.mp4", "whole.mp4"]


def test_cancelling_is_quick_and_keeps_what_is_done(tmp_path: Path) -> None:
    """A film that is cancelled leaves no file, and is gone on with later."""
    what = short(octaves=4, seconds=6, fps=15)
    told: list[tuple[float, str]] = []
    asked: list[float] = []

    def cancelled() -> bool:
        stop = bool(told) and told[-1][0] > 0.5
        if stop and not asked:
            asked.append(time.perf_counter())
        return stop

    with pytest.raises(Stopped):
        film(
            tmp_path / "a.mp4",
            what,
            progress=lambda share, text: told.append((share, text)),
            cancelled=cancelled,
        )
    assert asked
    assert not (tmp_path / "a.mp4").exists()
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert any("left" in text for _, text in told)
    assert film(tmp_path / "a.mp4", what).made < what.frames


def test_damaged_segments_are_made_again(tmp_path: Path) -> None:
    """A segment that a disk has damaged is no part of the film, which is as it would have been."""
    what = short(octaves=2, seconds=5, fps=15)
    whole = decoded(film(tmp_path / "whole.mp4", what).place)
    stop = [False]

    def progress(share: float, text: str) -> None:
        stop[0] = share > 0.9

    with pytest.raises(Stopped):
        film(tmp_path / "a.mp4", what, progress=progress, cancelled=lambda: stop[0])
    segments = sorted((tmp_path / "a.mp4.part").glob("segment-*.mp4"))
    assert len(segments) >= 2
    data = bytearray(segments[0].read_bytes())
    data[len(data) // 2] ^= 0xFF
    segments[0].write_bytes(data)
    again = decoded(film(tmp_path / "a.mp4", what).place)
    # Points at the very boundary may fall otherwise where a level is computed as a whole.
    assert np.abs(again - whole.astype(float)).mean() < 1


def test_another_film_is_not_mixed_in(tmp_path: Path) -> None:
    """A work folder serves one film; what is there already is never written over."""
    what = short(octaves=1, seconds=1)
    with pytest.raises(Stopped):
        film(tmp_path / "a.mp4", what, cancelled=lambda: True)
    with pytest.raises(Conflict, match="begun for another film"):
        film(tmp_path / "a.mp4", replace(what, quality=50))
    (tmp_path / "b.mp4").write_text("mine")
    with pytest.raises(Conflict, match="exists"):
        film(tmp_path / "b.mp4", what)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(Conflict, match="other files"):
        film(tmp_path / "c.mp4", what, work=tmp_path / "mine")


EQUALISED = {
    **{name: look for name, look in looks.items() if surveyed(look)},
    **{name: scene.look for name, scene in scenes.items() if scene.look and surveyed(scene.look)},
}


@pytest.mark.parametrize("name", list(EQUALISED))
def test_looks_that_know_the_whole_picture_are_filmed(name: str, tmp_path: Path) -> None:
    """Whatever field they equalise, lengths among them: light and dark lie where a picture's do."""
    what = short(replace(TAIL, look=EQUALISED[name]), octaves=1, seconds=0.5, width=48, height=32)
    film(tmp_path / "a.mp4", what)
    last = decoded(tmp_path / "a.mp4")[-1], direct(what, what.frames - 1, antialias=2)
    assert np.corrcoef(*(grey(pixels).ravel() for pixels in last))[0, 1] > 0.5


@pytest.mark.parametrize(
    ("name", "codec", "says"),
    [
        ("a.avi", "h264", "cannot hold h264"),
        ("a.webm", "h264", "cannot hold h264"),
        ("a.mp4", "prores", "ends in .mov"),
        ("nowhere/a.mp4", "h264", "is no folder"),
    ],
)
def test_places_that_cannot_be_are_refused(
    tmp_path: Path, name: str, codec: str, says: str
) -> None:
    """The ending of the file and its folder are looked at before any work."""
    with pytest.raises(InvalidInput, match=says):
        film(tmp_path / name, short(codec=codec))
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_too_small_is_seen_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A film that would not fit is refused with what it may take."""
    usage = space.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: usage._replace(free=1 << 20))
    with pytest.raises(InvalidInput, match=r"the film may take .* has only"):
        film(tmp_path / "a.mp4", short())
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says what to do, and the film is complete afterwards."""
    from fraktal_kernel.fractals.film.encode import Encoder

    add, count = Encoder.add, [0]

    def full(self: Encoder, codes: np.ndarray) -> None:
        count[0] += 1
        if count[0] == 40:
            raise OSError(28, "No space left on device")
        add(self, codes)

    what = short(octaves=2, seconds=4)
    with monkeypatch.context() as patched:
        patched.setattr(Encoder, "add", full)
        with pytest.raises(Unavailable, match=r"No space left on device.*what is done is kept"):
            film(tmp_path / "a.mp4", what)
    assert not (tmp_path / "a.mp4").exists()
    made = film(tmp_path / "a.mp4", what)
    assert made.made < what.frames == len(decoded(made.place))


def test_views_that_are_too_deep_are_refused_before(tmp_path: Path) -> None:
    """What no method computes is said before the first frame."""
    scene = Scene("newton", view=View("1", "0.5", "1e-30"))
    with pytest.raises(InvalidInput, match="too deep"):
        film(tmp_path / "a.mp4", zoom(scene, 5, **SMALL))
    assert not list(tmp_path.iterdir())


def test_frames_that_fill_the_memory_are_refused_before(tmp_path: Path) -> None:
    """What is computed at a time is bounded."""
    with pytest.raises(InvalidInput, match="choose smaller frames"):
        film(tmp_path / "a.mp4", zoom(TAIL, 5, width=8192, height=8192, antialias=3))
    assert not list(tmp_path.iterdir())


def test_a_way_aside_is_filmed_as_well(tmp_path: Path) -> None:
    """Between places side by side the window moves evenly; neither lies in the other."""
    aside = replace(NEAR, view=NEAR.view.panned(1.5, 0.5))
    what = Film((Key(0, NEAR, easing="linear"), Key(4, aside)), fps=15, **SMALL)
    made = film(tmp_path / "a.mp4", what)
    assert "reprojected" in made.method
    frames = decoded(made.place)
    for number in (0, 30, 59):
        truth, twice = direct(what, number, 4), direct(what, number, 2)
        assert np.abs(frames[number] - truth).mean() < 1.3 * np.abs(twice - truth).mean() + 2


def test_only_films_of_ours_are_read(tmp_path: Path) -> None:
    """A file without a film in it is refused with a sentence."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"nothing")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_film(path)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for packet in stream.encode(av.VideoFrame(32, 32, "yuv420p")):
            container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    with pytest.raises(InvalidInput, match="carries no film"):
        read_film(path)
