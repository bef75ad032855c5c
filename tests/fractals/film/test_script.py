"""Films as values: what makes one, and what is refused before any work."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import Scene, Seed, View, scenes
from fraktal_kernel.fractals.exchange.tables import table_of, toml_of
from fraktal_kernel.fractals.film import Film, Key, zoom
from fraktal_kernel.fractals.film.easing import EASINGS

DEEP = scenes["seahorse_tail"]
HOME = scenes["full_set"]


@pytest.mark.parametrize("name", EASINGS)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_easings_never_go_back(name: str, times: list[float]) -> None:
    """Each begins at 0, ends at 1 and rises in between."""
    ease = EASINGS[name]
    assert (ease(0), ease(1)) == (0, 1)
    ways = [ease(time) for time in sorted(times)]
    assert all(b >= a - 1e-15 for a, b in itertools.pairwise(ways))


def test_a_film_is_data() -> None:
    """It goes through JSON-like data and TOML, can be hashed, and its name says what it is."""
    film = zoom(DEEP, 3, width=64, height=48, fps=12.5, codec="av1", turns=1, passes=-2)
    assert Film.from_dict(film.to_dict()) == film
    assert Film.from_dict(table_of(toml_of(film.to_dict()), "a film")) == film
    assert hash(film) == hash(Film.from_dict(film.to_dict()))
    assert film.digest() == Film.from_dict(film.to_dict()).digest()
    assert film.digest() != replace(film, quality=50).digest()


@pytest.mark.parametrize(
    ("fps", "rate"), [(30, "30"), (29.97, "30000/1001"), (23.976, "24000/1001"), (12.5, "25/2")]
)
def test_rates_are_those_of_films(fps: float, rate: str) -> None:
    """29.97 is what everybody means by it."""
    assert str(zoom(DEEP, 1, fps=fps).rate) == rate


def keys(*times: float) -> tuple[Key, ...]:
    """Show the whole set at some times."""
    """Show the whole set at some times."""
    return tuple(Key(time, HOME) for time in times)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fps": 0}, "fps is 0"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"width": 63}, "even sizes, take 64"),
        ({"height": 33}, "even sizes"),
        ({"width": 10**6}, "expected a whole number from 16 to 8192"),
        ({"height": 48.0}, "height is 48.0"),
        ({"codec": "h265"}, "h264"),
        ({"codec": None}, "no codec named"),
        ({"quality": 101}, "quality is 101"),
        ({"antialias": 0}, "antialias is 0"),
        ({"version": 2}, "a newer one may read it"),
        ({"keys": ()}, "has 0 keys"),
        ({"keys": keys(0)}, "has 1 keys"),
        ({"keys": keys(1, 2)}, "the first key is at 1 s"),
        ({"keys": keys(0, 2, 1)}, "a key at 1 s comes after one at 2 s"),
        ({"keys": keys(0, 1, 1)}, "rising times"),
        ({"keys": "home"}, "expected a list of keys"),
        ({"keys": keys(0, 1e9)}, "frames; expected at most"),
    ],
)
def test_what_is_no_film_is_refused(options: dict[str, Any], says: str) -> None:
    """One sentence names what is wrong."""
    with pytest.raises(InvalidInput, match=says):
        Film(**{"keys": keys(0, 1), "width": 64, "height": 48, **options})


@pytest.mark.parametrize("seconds", [float("nan"), 0, -3, float("inf"), "long", 1e8])
def test_lengths_that_are_none_are_refused(seconds: Any) -> None:
    """A film has some seconds, and not too many frames."""
    with pytest.raises(InvalidInput, match="seconds"):
        zoom(DEEP, seconds)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (Scene("tricorn"), Scene("celtic"), "one formula, cut it there"),
        (Scene(seed=Seed("0", "1")), HOME, "a seed comes or goes"),
        (replace(HOME, view=replace(HOME.view, skew=((1, 1), (0, 1)))), HOME, "the skew changes"),
        (
            Scene("z**2 + c + p", parameters={"p": 1}),
            Scene("z**2 + c + p", parameters={"p": "i"}),
            "no number in both",
        ),
    ],
)
def test_scenes_that_cannot_go_over_are_refused(first: Scene, second: Scene, says: str) -> None:
    """What lies between two keys must have a meaning."""
    with pytest.raises(InvalidInput, match=says):
        Film((Key(0, first), Key(1, second)))


def test_a_zoom_goes_inwards() -> None:
    """The scene has to lie in the start, both ways across."""
    aside = replace(HOME, view=View("5", "0", "1"))
    for scene, start in ((aside, HOME), (HOME, DEEP), (aside, None)):
        with pytest.raises(InvalidInput, match="does not lie inside of the start"):
            zoom(scene, 1, start=start)


def test_data_that_is_no_film_is_refused() -> None:
    """What is unknown, lacking or of another kind is named."""
    for data, says in (
        ([], "expected an object"),
        ({"keys": 3}, "expected a list of keys"),
        ({"keys": [{"scene": {}}]}, "lacks time_s"),
        ({"keys": [{"time_s": 0, "scene": {}, "easing": "smoth"}]}, "smooth"),
        ({"keys": [], "colour": 1}, "film has no 'colour'"),
        ({"keys": [{"time_s": 0, "scene": "home"}]}, "scene is 'home'"),
    ):
        with pytest.raises(InvalidInput, match=says):
            Film.from_dict(data)  # type: ignore[arg-type]
