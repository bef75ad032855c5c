"""The capability: a poster as forms, jobs and the command line ask for it."""

from __future__ import annotations

import io
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fraktal_kernel import Workbench
from fraktal_kernel.core.capability import Cancelled, Run, capabilities
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import read_scene, render, scenes
from fraktal_kernel.fractals.poster import Antialias, poster, space

tifffile = pytest.importorskip("tifffile")
zarr = pytest.importorskip("zarr")

POSTER = capabilities["fractal.poster"]
SMALL = {"scene": "elephant", "width": 600, "height": 400, "max_iter": 99, "palette": "classic"}


def asked(run: Run | None = None, **params: Any) -> Any:
    """Run the capability here and now."""
    return POSTER(POSTER.validate(SMALL | params), run or Run.detached())


@pytest.mark.parametrize("bits", [8, 16])
def test_the_artifact_is_the_poster(tmp_path: Path, bits: int) -> None:
    """The TIFF holds the pixels that `poster` makes, with the changes asked for."""
    result = asked(bits=bits, antialias=1)
    path = result.poster.save(tmp_path / "asked.tif")  # also after its run is gone
    params: Any = POSTER.validate(SMALL)
    poster(tmp_path / "made.tif", params.wanted, 600, 400, bits=bits)
    made = tifffile.imread(tmp_path / "made.tif")
    assert np.array_equal(tifffile.imread(path), made)
    assert made.dtype == f"uint{bits}" and made.shape == (400, 600, 3)
    assert result.poster.media_type == "image/tiff"


def test_the_preview_shows_the_same_picture(tmp_path: Path) -> None:
    """A small PNG that carries the scene lies beside the poster, and looks like it."""
    result = asked(width=1500, height=1000)
    small = result.preview.read()
    assert read_scene(small).max_iter == 99
    pixels = np.asarray(Image.open(io.BytesIO(small)), float)
    whole = Image.fromarray(tifffile.imread(result.poster.save(tmp_path / "a.tif")))
    assert pixels.shape == (800, 1200, 3)
    shrunk = np.asarray(whole.resize((1200, 800), Image.Resampling.BOX), float)
    assert np.abs(pixels - shrunk).mean() < 8 < pixels.std()


def test_a_zarr_comes_as_one_file(tmp_path: Path) -> None:
    """What is downloaded opens as a zarr group, with the pixels of the TIFF."""
    path = asked(format="zarr").poster.save(tmp_path / "a.zarr.zip")
    tiff = asked().poster.save(tmp_path / "a.tif")
    group = zarr.open_group(zarr.storage.ZipStore(path, mode="r"), mode="r")
    assert np.array_equal(group["picture/pixels"][...], tifffile.imread(tiff))
    assert group.attrs["complete"] is True


@pytest.mark.parametrize("bits", [8, 16])
def test_a_png_holds_the_pixels_of_the_tiff(tmp_path: Path, bits: int) -> None:
    """Rows that cross many tiles are those of the tiles, and the file carries its scene."""
    size: Any = {"width": 1100, "height": 1300, "bits": bits, "gamut": "display-p3"}
    png = asked(format="png", **size).poster.save(tmp_path / "a.png")
    tiff = asked(**size).poster.save(tmp_path / "a.tif")
    expected = tifffile.imread(tiff)
    assert expected.dtype == f"uint{bits}"
    if bits == 8:
        assert np.array_equal(np.asarray(Image.open(png)), expected)
    else:  # Pillow knows no colours of 16 bits
        assert np.array_equal(sixteen_bits(png), expected)
    assert read_scene(png).max_iter == 99


def sixteen_bits(path: Path) -> Any:
    """Read colours of 16 bits with a decoder that is not ours."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
    return frame.to_ndarray(format="rgb48le")


def test_a_picture_gives_its_shape(tmp_path: Path) -> None:
    """A poster of a saved picture is as wide to its height as that, unless it is told otherwise."""
    path = render("starfish", 40, 10).save(tmp_path / "p.png")
    sizes = []
    for more in ({}, {"width": 1000}, {"height": 1000}, {"width": 9, "height": 9}):
        params: Any = POSTER.validate({"scene": str(path), **more}, roots=None)
        sizes.append((params.width, params.height))
        assert params.scene == scenes["starfish"]
    assert sizes == [(8000, 2000), (1000, 250), (4000, 1000), (9, 9)]


@pytest.mark.parametrize("example", POSTER.examples)
def test_examples_are_valid(example: dict[str, Any]) -> None:
    """What forms and docs offer works as it stands."""
    assert POSTER.validate(example)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"width": 100_001}, "width"),
        ({"height": 0}, "height"),
        ({"format": "jpeg"}, "format.*'tiff'"),
        ({"format": "png", "width": 50_000, "height": 50_000}, "choose tiff or zarr"),
        ({"bits": 12}, "bits"),
        ({"gamut": "cmyk"}, "gamut.*display-p3"),
        ({"antialias": 9}, "antialias"),
        (
            {"scene": {"formula": "newton", "view": {"re": "1", "im": "0", "width": "1e-30"}}},
            "too deep",
        ),
    ],
)
def test_bad_parameters_are_refused_with_a_sentence(params: dict[str, Any], says: str) -> None:
    """Each fault is named, and nothing is computed."""
    with pytest.raises(InvalidInput, match=says):
        POSTER.validate(params)


def test_what_would_not_fit_is_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The disk is looked at first: for the poster, and for what is kept of it."""
    usage = shutil.disk_usage(tmp_path)._replace(free=2 * 3 * 600 * 400)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda folder: usage)
    run = Run.detached(folder=tmp_path)
    with pytest.raises(InvalidInput, match="choose a smaller size or another disk"):
        asked(run)
    assert not run.artifacts and not list(run.scratch().iterdir())


def test_a_cancelled_run_keeps_its_tiles(tmp_path: Path) -> None:
    """Cancelled in the middle, it ends so; asked again in its scratch, it goes on."""
    told: list[str] = []
    run = Run.detached(
        on_progress=lambda fraction, text: told.append(text),
        cancelled=lambda: bool(told) and told[-1].startswith("tiles"),
    )
    with pytest.raises(Cancelled):
        asked(run, width=2500, height=2500, antialias=1)
    assert set(run.artifacts) == {"preview.png"}
    kept = int(re.findall(r"tiles (\d+)/25", told[-1])[0])
    assert (run.scratch() / "poster.tif.part").is_dir() and 0 < kept < 25


def test_the_form_knows_units_and_choices() -> None:
    """Each field has a title, a description and a default; choices are lists."""
    fields = POSTER.schema()["properties"]
    for name, field in fields.items():
        assert field["title"] and field["description"] and "default" in field, name
    assert fields["width"]["unit"] == "px" and fields["bits"]["enum"] == [8, 16]
    assert fields["format"]["enum"] == ["tiff", "png", "zarr"]
    assert fields["gamut"]["enum"] == ["srgb", "display-p3", "rec2020"]


@pytest.fixture(params=["local", "dask"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalWorkbench]:
    """Open a workbench on this machine, and one on a cluster."""
    settings: dict[str, object] = {"data": tmp_path / "bench", "workers": 1}
    if request.param == "dask":
        settings["dask_scheduler"] = request.getfixturevalue("dask_scheduler")
    with Workbench.open(**settings) as workbench:
        assert isinstance(workbench, LocalWorkbench)
        yield workbench


def until(condition: Callable[[], object], timeout_s: float = 120) -> None:
    """Wait until something holds."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.005)


def test_a_job_whose_worker_is_killed_goes_on(bench: LocalWorkbench, tmp_path: Path) -> None:
    """Another worker makes only the tiles that are missing; the cluster makes them where it can."""
    params = SMALL | {"width": 2500, "height": 2500, "antialias": 2}
    for _ in range(5):  # a kill may come too late
        job = bench.submit("fractal.poster", **params)
        until(lambda job=job: (v := job.refresh()).message.startswith("tiles") or v.ended)  # type: ignore[misc]
        assert bench.engine.dispatcher is not None
        bench.engine.dispatcher.executor.kill(job.id)
        result = job.wait(120)
        (line,) = [line.text for line in job.log() if "tiles made" in line.text]
        if (made := int(line.split()[0])) < 25:
            break
    assert 0 < made < 25
    assert ("by the workers of" in line) == bool(bench.settings.dask_scheduler)
    path = job.artifact("poster.tif").save(tmp_path / "a.tif")
    wanted: Any = POSTER.validate(params)
    poster(tmp_path / "b.tif", wanted.wanted, 2500, 2500, antialias=Antialias(2))
    assert np.array_equal(*(tifffile.imread(p) for p in (path, tmp_path / "b.tif")))
    assert result["preview"]["name"] == "preview.png"
    assert not list((tmp_path / "bench" / "scratch").iterdir())
