"""The capability: fields as forms, jobs and the command line ask for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fraktal_kernel.core.capability import Cancelled, Run, capabilities
from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import compute, scenes
from fraktal_kernel.fractals.fields import KINDS
from fraktal_kernel.fractals.poster import space
from fraktal_kernel.fractals.storage import read_fields

zarr = pytest.importorskip("zarr")
pytest.importorskip("OpenEXR")

COMPUTE = capabilities["fractal.compute"]
NAMES = ["iterations", "smooth", "normal"]
SMALL = {"scene": "elephant", "width": 40, "height": 30, "fields": NAMES}


def asked(run: Run | None = None, **params: Any) -> Any:
    """Run the capability here and now."""
    return COMPUTE(COMPUTE.validate(SMALL | params), run or Run.detached())


def expected(**given: Any) -> Any:
    """Compute the same without a workbench."""
    scene = scenes["elephant"]
    view = {"re": scene.view.re, "im": scene.view.im, "width": scene.view.width}
    known = view | {"max_iter": scene.max_iter, "size": (40, 30), "fields": NAMES}
    return compute(**known | given)


@pytest.mark.parametrize("kind", ["npz", "exr", "zarr"])
def test_the_artifact_holds_the_fields(tmp_path: Path, kind: str) -> None:
    """Each file is read again, with the numbers of `compute` and what they were computed from."""
    result = asked(format=kind)
    path = result.fields.save(tmp_path / result.fields.name)
    if kind == "zarr":
        shutil.unpack_archive(path, tmp_path / "fields.zarr", "zip")
        path = tmp_path / "fields.zarr"
    fields, facts = read_fields(path)
    wanted = expected()
    assert list(fields) == NAMES or set(fields) == set(NAMES)
    for name, array in fields.items():
        same = np.testing.assert_allclose if kind == "exr" else np.testing.assert_array_equal
        same(array, wanted.fields[name], **({"rtol": 1e-6} if kind == "exr" else {}))
    assert facts["view"] == wanted.facts["view"] and facts["max_iter"] == result.max_iter
    assert (result.width_px, result.height_px, result.device) == (40, 30, "cpu")


def test_a_formula_and_a_view_of_ones_own(tmp_path: Path) -> None:
    """They take the place of the scene's, and an iteration limit is found for them."""
    view = {"re": "-1.7548776662", "im": "-0.0283", "width": "0.02"}
    result = asked(formula="burning_ship", view=view)
    fields, facts = read_fields(result.fields.save(tmp_path / "a.npz"))
    wanted = expected(formula="burning_ship", **view, max_iter=None)
    np.testing.assert_array_equal(fields["iterations"], wanted.iterations)
    assert facts["limit"] == "proposed" and facts["max_iter"] == result.max_iter


def test_a_julia_set_keeps_its_seed(tmp_path: Path) -> None:
    """A scene with a seed, turned and deep or not, is the one that pictures show."""
    seed = scenes["julia_dragon"].seed
    assert seed is not None
    result = asked(scene="julia_dragon")
    fields, facts = read_fields(result.fields.save(tmp_path / "a.npz"))
    assert facts["julia"] == [seed.re, seed.im]
    assert fields["iterations"].min() < fields["iterations"].max()


@pytest.mark.parametrize("example", COMPUTE.examples)
def test_examples_are_valid(example: dict[str, Any]) -> None:
    """What forms and docs offer works as it stands."""
    assert COMPUTE.validate(example)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"fields": []}, "fields"),
        ({"fields": ["smoth"]}, "smooth"),
        ({"format": "csv"}, "format.*'npz'"),
        ({"width": 0}, "width"),
        ({"width": 10_000, "height": 10_000, "fields": list(KINDS)}, "fewer fields"),
        ({"formula": "import os"}, "formula|import"),
        ({"view": {"re": "0", "im": "0", "width": "0"}}, "width"),
        ({"view": {"re": "nan", "im": "0", "width": "1"}}, "re"),
        ({"formula": "newton", "view": {"re": "1", "im": "0", "width": "1e-30"}}, "too deep"),
    ],
)
def test_bad_parameters_are_refused_with_a_sentence(params: dict[str, Any], says: str) -> None:
    """Each fault is named, and nothing is computed."""
    with pytest.raises(InvalidInput, match=says):
        COMPUTE.validate(SMALL | params)


def test_what_would_not_fit_is_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The disk is looked at first."""
    usage = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda folder: usage)
    told: list[str] = []
    run = Run.detached(folder=tmp_path, on_progress=lambda fraction, text: told.append(text))
    with pytest.raises(InvalidInput, match="choose a smaller size or another disk"):
        asked(run)
    assert not told and not run.artifacts


@pytest.mark.parametrize("when", ["rows", "writing"])
def test_a_cancelled_run_keeps_nothing(when: str) -> None:
    """Cancelled while it computes or while it writes, it ends so, with no artifact."""
    told: list[str] = []
    run = Run.detached(
        on_progress=lambda fraction, text: told.append(text),
        cancelled=lambda: bool(told) and told[-1].startswith(when),
    )
    with pytest.raises(Cancelled):
        asked(run, width=600, height=600)
    assert not run.artifacts


def test_the_form_knows_units_and_choices() -> None:
    """Each field has a title and a description; fields are chosen from a list."""
    fields = COMPUTE.schema()["properties"]
    for name, field in fields.items():
        assert field["title"] and field["description"], name
    assert fields["fields"]["items"]["enum"] == list(KINDS)
    assert fields["format"]["enum"] == ["npz", "exr", "zarr"]
