"""The views that are timed, held to their points one by one: see `benchmarks.deep_truth`."""

from __future__ import annotations

import json

import pytest

from benchmarks.deep import FRACTALSHADES_S, LOCATIONS
from benchmarks.deep_truth import Truth, wrong_pixels
from benchmarks.plain_walk import Plain

VIEWS = {location["name"]: location for location in json.loads(LOCATIONS.read_text())}
SIZE = (80, 60)


@pytest.mark.parametrize(
    "name", ["seahorse_valley", "minibrot_e21", "dinkydau_flake_e157", "burning_ship_e101"]
)
def test_no_pixel_of_a_view_is_wrong(name: str) -> None:
    """Pixels taken at random count as they do by themselves with all digits, or lie beside."""
    found = wrong_pixels(VIEWS[name], 8, 60.0, SIZE)
    assert found["wrong"] == [] and found["looked_at"] == 8
    assert found["by_gmpy2"] == 2


def test_the_second_judge_says_what_the_first_says() -> None:
    """Perturbation without any approximation, beside a pixel, has the counts of all digits."""
    truth = Truth(VIEWS["dinkydau_flake_e157"], SIZE)
    plain = Plain(truth, 50, 7)
    for row, column in ((10, 20), (30, 40), (59, 0), (50, 7)):
        assert plain.count(row, column) == truth.count(row, column)
    place = {"re": "-0.515896", "im": "-0.662452", "width": "1e-3", "max_iter": 4000}
    truth = Truth(place | {"formula": "shark_fin"}, SIZE)
    plain, counts = Plain(truth, 30, 40), set()
    for row in range(0, 60, 6):
        counts.add(truth.count(row, 9 * row % 80))
        assert plain.count(row, 9 * row % 80) == truth.count(row, 9 * row % 80)
    assert len(counts) > 3
    found = wrong_pixels(VIEWS["minibrot_e21"], 8, 0.0, SIZE)  # no time for the others
    assert found["by_plain_perturbation"] == 6 and found["wrong"] == []


def test_a_wrong_count_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count that is one off is neither right nor has a witness."""
    monkeypatch.setattr("benchmarks.deep_truth.WITNESS_S", 1.0)  # none will be found
    truth = Truth(VIEWS["minibrot_e21"], SIZE)
    count = truth.count(10, 20)
    assert count is not None and truth.agrees(10, 20, count) and truth.witnessed(10, 20, count)
    assert not truth.agrees(10, 20, count + 1) and truth.within(10, 20, count) == 0
    assert truth.within(10, 20, count + 1) is None
    assert not truth.witnessed(10, 20, count + 1)


def test_every_view_has_a_figure() -> None:
    """The list of views and the times that are quoted beside them name the same."""
    assert {f"deep_{name}" for name in VIEWS} == set(FRACTALSHADES_S)
