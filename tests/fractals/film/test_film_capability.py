"""The capability, as forms, jobs and the command line see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel.core.capability import Cancelled, Run, capabilities
from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import scenes
from fraktal_kernel.fractals.film.encode import read_film

pytest.importorskip("av", reason="films need PyAV")

FILM = capabilities["fractal.film"]
SMALL = {"seconds": 1, "width": 64, "height": 48, "fps": 6, "scene": "starfish"}


def test_a_film_is_saved(tmp_path: Path) -> None:
    """The artifact is a film that carries its description; nothing else is left."""
    run = Run.detached()
    result = FILM(FILM.validate(SMALL), run)
    assert (result.frames, result.width_px, result.height_px) == (6, 64, 48)
    assert result.film.media_type == "video/mp4"
    made = read_film(run.artifacts["film.mp4"].save(tmp_path / "a.mp4"))
    assert made.keys[-1].scene == scenes["starfish"]


@pytest.mark.parametrize("example", FILM.examples)
def test_examples_are_valid(example: dict[str, Any]) -> None:
    """What forms and docs offer works as it stands."""
    assert FILM.validate(example)


def test_keys_make_a_film_of_their_own() -> None:
    """With keys, the film goes from one to the next, and the scene is of no account."""
    params = FILM.validate(
        {
            "keys": [
                {"time_s": 0, "scene": "julia_rabbit", "passes": 1},
                {"time_s": 2, "scene": "julia_dragon", "easing": "linear"},
            ]
        }
    )
    keys = params.film.keys  # type: ignore[attr-defined]
    assert [key.scene for key in keys] == [scenes["julia_rabbit"], scenes["julia_dragon"]]
    assert FILM.validate(params.model_dump(mode="json")) == params


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"fps": 0}, "fps"),
        ({"width": 63}, "width"),
        ({"seconds": float("nan")}, "seconds"),
        ({"seconds": 1e9}, "seconds"),
        ({"codec": "vp9"}, "no codec named 'vp9'"),
        ({"easing": "smoothe"}, "smooth"),
        ({"scene": "full_set", "start": "seahorse"}, "does not lie inside"),
        ({"keys": [{"time_s": 0, "scene": "seahorse"}]}, "has 1 keys"),
        (
            {"keys": [{"time_s": t, "scene": "seahorse"} for t in (0, 2, 1)]},
            "rising times",
        ),
        (
            {"scene": {"formula": "newton", "view": {"re": "1", "im": "0", "width": "1e-30"}}},
            "too deep",
        ),
    ],
)
def test_bad_parameters_are_refused_with_a_sentence(params: dict[str, Any], says: str) -> None:
    """Each fault is named, and nothing is computed."""
    with pytest.raises(InvalidInput, match=says):
        FILM.validate(params)


def test_a_cancelled_film_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for again, it does not do what was done; at the end the cache is as it was."""
    monkeypatch.setenv("FRAKTAL_CACHE", str(tmp_path))
    params = FILM.validate({**SMALL, "seconds": 5})
    told: list[float] = []
    stopped = Run.detached(
        on_progress=lambda share, text: told.append(share),
        cancelled=lambda: bool(told) and told[-1] > 0.6,
    )
    with pytest.raises(Cancelled):
        FILM(params, stopped)
    assert not stopped.artifacts
    (work,) = (tmp_path / "films").iterdir()
    begun = [path.name for path in work.glob("segment-*.mp4")]
    assert begun
    result = FILM(params, Run.detached())
    assert result.frames == 30
    assert not list((tmp_path / "films").iterdir())
