"""Posters: the same pixels in tiles as in one piece, and after any stop as without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fraktal_kernel.errors import Conflict, FraktalError, InvalidInput, Unavailable, UnknownName
from fraktal_kernel.fractals import scenes
from fraktal_kernel.fractals.colouring import develop, looks, paint, reach
from fraktal_kernel.fractals.compute import compute
from fraktal_kernel.fractals.formulas import formula_of
from fraktal_kernel.fractals.geometry import Geometry, matrix_of
from fraktal_kernel.fractals.planner import Request, look_of, request_of
from fraktal_kernel.fractals.poster import Antialias, poster
from fraktal_kernel.fractals.progress import Stopped
from fraktal_kernel.fractals.scene import Scene
from fraktal_kernel.fractals.storage import read_fields
from fraktal_kernel.fractals.view import View

tifffile = pytest.importorskip("tifffile")
zarr = pytest.importorskip("zarr")

ROOT = Path(__file__).resolve().parents[3]
# So little that every cell is one tile, or a few.
TIGHT = (200 << 20) + (4 << 20)
SCENE = replace(scenes["full_set"], max_iter=300)
SIZE = (700, 500)


def pixels_of(path: Path) -> Any:
    """Read a poster with a reader of its own."""
    if path.suffix == ".zarr":
        return zarr.open_group(str(path), mode="r")["picture/pixels"][...]
    return tifffile.imread(path)


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start another process."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def test_a_poster_has_the_pixels_of_the_picture(tmp_path: Path) -> None:
    """A TIFF in tiles holds, bit by bit, what computing and painting in one piece gives."""
    done = poster(tmp_path / "a.tif", SCENE, *SIZE, tile=128, memory_bytes=TIGHT)
    view = SCENE.view
    fields = compute(
        "mandelbrot", view.re, view.im, view.width, SCENE.max_iter, SIZE, ("smooth",)
    ).fields
    expected = develop(paint(fields, look_of(SCENE)))
    assert np.array_equal(pixels_of(tmp_path / "a.tif"), expected)
    assert (done.tiles, done.made, done.size) == (24, 24, SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize("name", ["relief", "stripes", "glass", "atoms", "stalks"])
def test_looks_show_no_seams(tmp_path: Path, name: str) -> None:
    """Cells of one tile give the pixels of one cell, also where light looks at its surroundings."""
    request = request_of(SCENE, *SIZE)
    whole, cut = tmp_path / "whole.tif", tmp_path / "cut.tif"
    poster(whole, request, look=looks[name], bits=16, tile=1024)
    poster(cut, request, look=looks[name], bits=16, tile=128, memory_bytes=TIGHT + (8 << 20))
    assert reach(looks[name], SIZE[0]) < 128
    assert np.array_equal(pixels_of(whole), pixels_of(cut))
    assert pixels_of(cut).dtype == np.uint16


def test_smooth_edges_show_no_seams(tmp_path: Path) -> None:
    """Antialiasing chooses and samples the same pixels in tiles as in one piece."""
    pictures = []
    for number, (tile, memory) in enumerate(((1024, 1 << 30), (128, TIGHT))):
        path = tmp_path / f"{number}.tif"
        poster(path, SCENE, *SIZE, tile=tile, memory_bytes=memory, antialias=Antialias(2))
        pictures.append(pixels_of(path))
    poster(tmp_path / "plain.tif", SCENE, *SIZE)
    changed = (pictures[0] != pixels_of(tmp_path / "plain.tif")).any(axis=2)
    assert np.array_equal(*pictures)
    assert 0.005 < changed.mean() < 0.3


def test_smooth_edges_with_light_show_no_seams(tmp_path: Path) -> None:
    """Samples between the pixels are lit by their own surroundings."""
    request = request_of(SCENE, 300, 200)
    pictures = []
    for tile, memory in ((512, 1 << 30), (128, TIGHT + (8 << 20))):
        path = tmp_path / f"{tile}.tif"
        look, smooth = looks["relief"], Antialias(2, 0.1)
        poster(path, request, look=look, tile=tile, memory_bytes=memory, antialias=smooth)
        pictures.append(pixels_of(path))
    assert np.array_equal(*pictures)


@pytest.mark.parametrize(
    "request_",
    [
        Request(
            formula_of("burning_ship"),
            Geometry(View("-1.75", "0.03", "0.2"), 300, 200, matrix_of(30, ((1, 0.3), (0, 1)))),
            200,
            ("smooth",),
        ),
        Request(
            formula_of("z**3 + c*z"),
            Geometry(View("0", "0", "3"), 300, 200),
            200,
            ("smooth",),
            julia=("0.9", "0.4"),
        ),
        Request(
            formula_of("mandelbrot"),
            Geometry(
                View("-1.768667862837488812627419470", "0.001645580546820209430325900", "12e-22"),
                300,
                200,
            ),
            20_000,
            ("smooth",),
        ),
    ],
    ids=["turned", "typed julia", "deep"],
)
def test_any_method_makes_tiles(tmp_path: Path, request_: Request) -> None:
    """Turned, typed and deep views give the same tiles alone as together."""
    poster(tmp_path / "whole.tif", request_, tile=512)
    poster(tmp_path / "cut.tif", request_, tile=128, memory_bytes=TIGHT)
    whole, cut = pixels_of(tmp_path / "whole.tif"), pixels_of(tmp_path / "cut.tif")
    assert np.array_equal(whole, cut)
    assert len(np.unique(whole.reshape(-1, 3), axis=0)) > 50


def test_a_scene_brings_all_that_it_says(tmp_path: Path) -> None:
    """Formula, parameters, turn and look of a scene decide its poster."""
    view = replace(SCENE.view, rotation_deg=30)
    scene = Scene("multibrot", view, max_iter=200, parameters={"power": 3}, look=looks["stripes"])
    poster(tmp_path / "a.tif", scene, 300, 200, tile=128)
    request = Request(
        formula_of("multibrot", {"power": 3}),
        Geometry(SCENE.view, 300, 200, matrix_of(30)),
        200,
        ("smooth",),
    )
    poster(tmp_path / "b.tif", request, look=looks["stripes"])
    assert np.array_equal(pixels_of(tmp_path / "a.tif"), pixels_of(tmp_path / "b.tif"))


@pytest.mark.parametrize("compression", ["deflate", "zstd"])
@pytest.mark.parametrize("bits", [8, 16])
def test_files_say_what_they_are(tmp_path: Path, bits: int, compression: str) -> None:
    """Other programs read tiles, depth, compression and the scene from the TIFF."""
    path = tmp_path / "a.tiff"
    poster(path, SCENE, 300, 200, bits=bits, compression=compression, tile=256, gamut="display-p3")
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert page.tile == (256, 256) and page.shape == (200, 300, 3)
        assert page.bitspersample == bits
        assert page.compression.name == {"deflate": "ADOBE_DEFLATE", "zstd": "ZSTD"}[compression]
        facts = json.loads(page.description)
        assert len(page.iccprofile) > 100
    assert Scene.from_dict(facts["scene"]) == SCENE
    assert facts["view"]["width"] == SCENE.view.width and facts["size"] == [300, 200]


def test_above_four_gib_it_is_a_bigtiff(tmp_path: Path) -> None:
    """A tile behind the first 4 GiB is found by readers, because the file says BigTIFF."""
    from fraktal_kernel.fractals.poster import tiff

    far = 5 << 30
    before, tiff._HEADER = tiff._HEADER, far  # the file has a hole there, which takes no room
    try:
        poster(tmp_path / "big.tif", SCENE, 200, 100, tile=128)
    finally:
        tiff._HEADER = before
    poster(tmp_path / "small.tif", SCENE, 200, 100, tile=128)
    with tifffile.TiffFile(tmp_path / "big.tif") as file:
        assert file.is_bigtiff and min(file.pages[0].dataoffsets) == far
        assert np.array_equal(file.asarray(), pixels_of(tmp_path / "small.tif"))


def test_zarr_keeps_fields_beside_the_picture(tmp_path: Path) -> None:
    """A zarr folder holds the same picture, and fields that are read without computing."""
    names = ("iterations", "smooth", "distance", "normal", "period")
    path = tmp_path / "a.zarr"
    poster(path, SCENE, *SIZE, fields=names, tile=128, memory_bytes=TIGHT, bits=16)
    poster(tmp_path / "a.tif", SCENE, *SIZE, bits=16)
    assert np.array_equal(pixels_of(path), pixels_of(tmp_path / "a.tif"))
    view = SCENE.view
    expected = compute("mandelbrot", view.re, view.im, view.width, SCENE.max_iter, SIZE, names)
    fields, facts = read_fields(path)
    for name in names[:-1]:
        assert np.array_equal(fields[name], expected.fields[name], equal_nan=name != "iterations")
    # Where a cycle is found depends on when its lane was looked at: a few periods stay unknown.
    assert (fields["period"] == expected.period).mean() > 0.999
    assert facts["max_iter"] == SCENE.max_iter


def test_fields_alone_go_to_any_url() -> None:
    """A store that only fsspec knows takes fields without a picture."""
    place = "memory://posters/alone.zarr"
    poster(place, SCENE, 300, 200, fields=("smooth",), bits=0, tile=128)
    group = zarr.open_group(place, mode="r")
    view = SCENE.view
    whole = compute("mandelbrot", view.re, view.im, view.width, 300, (300, 200), ("smooth",))
    assert np.array_equal(group["smooth"][...], whole.smooth, equal_nan=True)
    assert group.attrs["complete"] is True and list(group.group_keys()) == []
    with pytest.raises(Conflict, match="exists"):
        poster(place, SCENE, 300, 200, fields=("smooth",), bits=0, tile=128)


def test_a_url_of_a_file_is_its_path(tmp_path: Path) -> None:
    """What fsspec calls file:// grows beside its place as a path does; other URLs hold no TIFF."""
    scene = replace(SCENE, max_iter=50)
    for name in ("a.zarr", "a.tif"):
        poster(f"file://{tmp_path / name}", scene, 64, 48, tile=128)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "a.zarr"]
    with pytest.raises(InvalidInput, match="URL"):
        poster("memory://a.tif", scene, 64, 48)


SLOW = """
import sys, time
from dataclasses import replace
from fraktal_kernel.fractals import scenes
from fraktal_kernel.fractals.poster import poster
scene = replace(scenes["full_set"], max_iter=300)
def slowly(fraction, text):
    print(text, flush=True)
    time.sleep(0.2)
poster(sys.argv[1], scene, 700, 500, tile=128, memory_bytes=(200 << 20) + (4 << 20),
       progress=slowly, **eval(sys.argv[2]))
"""


@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
def test_a_killed_poster_goes_on(tmp_path: Path, name: str) -> None:
    """After SIGKILL a second call makes only what is missing, and the pixels are the same."""
    path = tmp_path / name
    more = {"fields": ("smooth", "iterations")} if name.endswith("zarr") else {}
    process = child(SLOW, path, repr(more))
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    kept = int(lines[-1].split()[1].partition("/")[0])
    assert not path.exists() and (tmp_path / f"{name}.part").is_dir()
    tight: Any = {"tile": 128, "memory_bytes": TIGHT, **more}
    done = poster(path, SCENE, *SIZE, **tight)
    assert kept > 0 and 0 < done.made <= done.tiles - kept
    whole = tmp_path / f"whole.{path.suffix[1:]}"
    poster(whole, SCENE, *SIZE, tile=128, **more)
    assert np.array_equal(pixels_of(path), pixels_of(whole))
    if more:
        ours, theirs = read_fields(path)[0], read_fields(whole)[0]
        assert all(np.array_equal(ours[n], theirs[n], equal_nan=n == "smooth") for n in ours)
    assert sorted(tmp_path.iterdir()) == sorted([path, whole])


def stopped(path: Path, tiles: int = 5, **more: Any) -> None:
    """Begin a poster and cancel it after some tiles."""
    ready = threading.Event()

    def progress(fraction: float, text: str) -> None:
        if int(text.split()[1].partition("/")[0]) >= tiles:
            ready.set()

    tight: Any = {"tile": 128, "memory_bytes": TIGHT, **more}
    with pytest.raises(Stopped):
        poster(path, SCENE, *SIZE, progress=progress, cancelled=ready.is_set, **tight)


def test_a_cancel_keeps_what_is_done(tmp_path: Path) -> None:
    """A cancelled poster leaves no file, keeps its tiles, and goes on when it is asked for."""
    path = tmp_path / "a.tif"
    stopped(path)
    assert not path.exists()
    done = poster(path, SCENE, *SIZE, tile=128, memory_bytes=TIGHT)
    assert 0 < done.made <= 24 - 5
    poster(tmp_path / "b.tif", SCENE, *SIZE, tile=128)
    assert np.array_equal(pixels_of(path), pixels_of(tmp_path / "b.tif"))


def test_a_cancel_takes_effect_soon(tmp_path: Path) -> None:
    """Tiles of a million pixels do not hold a cancel up, and none is waited for."""
    began: list[float] = []

    def cancelled() -> bool:
        if not began and (tmp_path / "a.tif.part" / "journal").exists():
            threading.Timer(0.1, lambda: began.append(time.perf_counter())).start()
        return bool(began)

    deep = replace(SCENE, max_iter=100_000)
    with pytest.raises(Stopped):
        poster(tmp_path / "a.tif", deep, 20_000, 20_000, tile=1024, cancelled=cancelled)
    # Tests share their machine, hence a bound that only tells a cancel from waiting for the end.
    assert time.perf_counter() - began[0] < 5


def test_a_cancel_before_the_first_tile_leaves_nothing(tmp_path: Path) -> None:
    """Cancelled while it surveys the picture, a poster has nothing to keep."""
    request = request_of(SCENE, *SIZE)
    with pytest.raises(Stopped):
        poster(tmp_path / "a.tif", request, look=looks["histogram"], cancelled=lambda: True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
@pytest.mark.parametrize(
    "change", [{"scene": replace(SCENE, max_iter=301)}, {"size": (701, 500)}, {"bits": 16}]
)
def test_another_picture_does_not_go_on(tmp_path: Path, name: str, change: Any) -> None:
    """What was begun with another scene, size or depth is refused, and stays as it is."""
    path = tmp_path / name
    stopped(path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    more: Any = {"tile": 128, "bits": change.get("bits", 8)}
    with pytest.raises(Conflict, match=r"was begun with another (max_iter|size|bits)"):
        poster(path, change.get("scene", SCENE), *change.get("size", SIZE), **more)
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


def test_damaged_tiles_are_made_anew(tmp_path: Path) -> None:
    """A tile with a flipped bit, a torn line and nonsense in the journal cost only those tiles."""
    path = tmp_path / "a.tif"
    stopped(path, 9)
    part = tmp_path / "a.tif.part"
    lines = (part / "journal").read_text().splitlines()
    start = int(lines[1].split()[1])
    data = bytearray((part / "tiles").read_bytes())
    data[start + 20] ^= 1
    (part / "tiles").write_bytes(data)
    (part / "journal").write_text("\n".join([*lines, "x y z", "1 2 3 4", lines[0][:9]]))
    done = poster(path, SCENE, *SIZE, tile=128, memory_bytes=TIGHT)
    assert done.made == done.tiles - len(lines) + 1
    poster(tmp_path / "b.tif", SCENE, *SIZE, tile=128)
    assert np.array_equal(pixels_of(path), pixels_of(tmp_path / "b.tif"))


def test_damaged_chunks_are_made_anew(tmp_path: Path) -> None:
    """A zarr chunk that is broken, or another, is computed again."""
    path = tmp_path / "a.zarr"
    stopped(path, 9)
    chunks = sorted((tmp_path / "a.zarr.part/picture/pixels/c").rglob("*/*/0"))
    chunks[0].write_bytes(b"nonsense")
    chunks[1].unlink()
    poster(path, SCENE, *SIZE, tile=128, memory_bytes=TIGHT)
    poster(tmp_path / "b.tif", SCENE, *SIZE, tile=128)
    assert np.array_equal(pixels_of(path), pixels_of(tmp_path / "b.tif"))


def test_a_stop_at_the_very_end_costs_nothing(tmp_path: Path) -> None:
    """A folder whose tiles are all there, but which had not moved to its place, only moves."""
    path = tmp_path / "a.zarr"
    poster(path, SCENE, 300, 200, tile=128)
    path.rename(tmp_path / "a.zarr.part")
    with pytest.raises(Conflict, match="max_iter"):
        poster(path, replace(SCENE, max_iter=7), 300, 200, tile=128)
    assert poster(path, SCENE, 300, 200, tile=128).made == 0
    assert [one.name for one in tmp_path.iterdir()] == ["a.zarr"]


def test_a_damaged_survey_is_made_again(tmp_path: Path) -> None:
    """Equalised colours stay the same when what was known of the whole picture is lost."""
    path = tmp_path / "a.tif"
    stopped(path, look=looks["histogram"])
    (tmp_path / "a.tif.part" / "survey.json").write_text('{"smooth/outside": [[')
    poster(path, SCENE, *SIZE, look=looks["histogram"], tile=128, memory_bytes=TIGHT)
    poster(tmp_path / "b.tif", SCENE, *SIZE, look=looks["histogram"], tile=128)
    assert np.array_equal(pixels_of(path), pixels_of(tmp_path / "b.tif"))


def test_two_processes_do_not_make_the_same_poster(tmp_path: Path) -> None:
    """While one process makes a poster, another is told to wait."""
    path = tmp_path / "a.tif"
    process = child(SLOW, path, "{}")
    try:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(Conflict, match="another process"):
            poster(path, SCENE, *SIZE, tile=128, memory_bytes=TIGHT)
    finally:
        process.kill()
        process.communicate(timeout=60)


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """Give a real file system of 3 MiB, where one may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no file system can be mounted here, which only root may do")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=30)


@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
def test_what_does_not_fit_is_refused_before_any_work(small_disk: Path, name: str) -> None:
    """A picture larger than the disk is refused in one sentence, and nothing is left behind."""
    with pytest.raises(InvalidInput, match=r"may take .* has only .* left"):
        poster(small_disk / name, SCENE, 2000, 2000)
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
def test_a_disk_that_fills_up_meanwhile_loses_nothing(small_disk: Path, name: str) -> None:
    """When others fill the disk, the sentence says so, and with room the poster goes on."""
    others = small_disk / "others"

    def progress(fraction: float, text: str) -> None:
        if not others.exists():
            with others.open("wb") as file:
                try:
                    while True:
                        os.write(file.fileno(), bytes(4096))
                except OSError:
                    pass

    tight: Any = {"tile": 128, "memory_bytes": TIGHT}
    with pytest.raises(Unavailable, match="tiles that are done are kept"):
        poster(small_disk / name, SCENE, 700, 400, progress=progress, **tight)
    assert not (small_disk / name).exists()
    others.unlink()
    done = poster(small_disk / name, SCENE, 700, 400, **tight)
    assert 0 < done.made < done.tiles
    expected = small_disk.parent / "expected.tif"
    poster(expected, SCENE, 700, 400, tile=128)
    assert np.array_equal(pixels_of(small_disk / name), pixels_of(expected))


def test_a_file_system_that_takes_no_more(tmp_path: Path) -> None:
    """A limit on the size of files is told in a sentence too, and can be raised later."""
    code = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000))\n" + SLOW
    process = child(code.replace("time.sleep(0.2)", "pass"), tmp_path / "a.tif", "{}")
    error = process.communicate(timeout=120)[1]
    assert "cannot be written any further (File too large)" in error
    done = poster(tmp_path / "a.tif", SCENE, *SIZE, tile=128)
    assert 0 < done.made < done.tiles


BAD: list[tuple[dict[str, Any], str]] = [
    ({"place": "a.png"}, "no known ending"),
    ({"place": "nowhere/a.tif"}, "is no folder"),
    ({"place": "nowhere/a.zarr"}, "is no folder"),
    ({"width": 0}, "width is 0"),
    ({"width": 100_001}, "width is 100001"),
    ({"height": None}, "height is None"),
    ({"width": True}, "width is True"),
    ({"tile": 500}, "tile is 500"),
    ({"bits": 12}, "bits is 12"),
    ({"bits": 0}, "bits is 0"),
    ({"fields": ("smooth",)}, "kept by zarr"),
    ({"compression": "lzw"}, "compression is 'lzw'"),
    ({"place": "a.zarr", "compression": "lzw"}, "compression is 'lzw'"),
    ({"gamut": "adobe"}, "adobe"),
    ({"memory_bytes": 1 << 20}, "memory_bytes is 1048576"),
    ({"memory_bytes": "much"}, "memory_bytes is 'much'"),
    ({"what": "seahorse"}, "no scene"),
    ({"what": request_of(SCENE, 300, 200)}, "leave out width"),
    ({"threads": 0}, "threads is 0"),
    (
        {
            "what": replace(request_of(SCENE, 300, 200), device="cuda"),
            "width": None,
            "height": None,
        },
        "device is 'cuda'",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), BAD)
def test_bad_input_leaves_nothing(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    """What is no poster is refused in one sentence, and nothing is left behind."""
    given: dict[str, Any] = {"place": "a.tif", "what": SCENE, "width": 300, "height": 200, **change}
    place, what = tmp_path / given.pop("place"), given.pop("what")
    with pytest.raises((InvalidInput, UnknownName), match=sentence):
        poster(place, what, given.pop("width"), given.pop("height"), **given)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_not_overwritten(tmp_path: Path) -> None:
    """A file or folder in the way is left alone."""
    for name in ("a.tif", "a.zarr"):
        (tmp_path / name).mkdir()
        with pytest.raises(Conflict, match="exists"):
            poster(tmp_path / name, SCENE, 300, 200)
    assert issubclass(Conflict, FraktalError)
