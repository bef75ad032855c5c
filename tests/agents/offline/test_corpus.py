"""The offline model on the corpus: on what it was built with, and on what only this test reads."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel.agents.offline import Understanding, understand
from fraktal_kernel.core.capability import Capability, capabilities
from tests.agents.offline.domains import DOMAINS

CORPUS = Path(__file__).parent / "corpus"
#: The Wednesday on which "today" was said.
TODAY = date(2026, 3, 18)
STANDING = ("fractal.render", "fractal.poster", "fractal.film", "fractal.compute", "notebook.run")


def read(part: str) -> list[dict[str, Any]]:
    """Read one part of the corpus."""
    return [json.loads(line) for line in (CORPUS / f"{part}.jsonl").read_text().splitlines()]


def known() -> dict[str, Capability]:
    """Give what stands, and what might come."""
    return {name: capabilities[name] for name in STANDING} | DOMAINS


def before(row: dict[str, Any]) -> Understanding | None:
    """Give what had been understood before a phrasing that only means something behind it."""
    facts = row.get("context")
    if facts is None:
        return None
    missing = tuple(facts.get("missing", ()))
    kind = "missing" if missing else "call"
    return Understanding(kind, "", "en", facts["capability"], facts["arguments"], missing)


@pytest.fixture(scope="module")
def scores() -> dict[str, dict[str, float]]:
    """Understand both parts; the share that is right, by part and by what is compared."""
    found = {}
    for part in ("build", "held_out"):
        rows = read(part)
        right = dict.fromkeys(("capability", "arguments", "kind", "language"), 0)
        for row in rows:
            told = understand(row["text"], known(), context=before(row), today=TODAY)
            same = told.capability == row["capability"]
            if row["capability"] is None:  # to refuse is right only where one should
                same = same and told.kind == row["kind"]
            right["capability"] += same
            right["arguments"] += same and dict(told.arguments) == row["arguments"]
            right["kind"] += told.kind == row["kind"]
            right["language"] += told.language == row["language"]
        found[part] = {what: count / len(rows) for what, count in right.items()}
    return found


def test_the_corpus_is_large_and_in_two_parts() -> None:
    """At least 300 phrasings, both languages in each part, and none in both."""
    build, held_out = read("build"), read("held_out")
    assert len(build) + len(held_out) >= 300 and len(held_out) >= 200
    for rows in (build, held_out):
        polish = sum(row["language"] == "pl" for row in rows)
        assert 0.3 < polish / len(rows) < 0.7
    texts = [{row["text"].lower().strip(" .?!") for row in rows} for rows in (build, held_out)]
    assert not texts[0] & texts[1]


@pytest.mark.parametrize("part", ["build", "held_out"])
def test_the_corpus_is_understood(
    part: str, scores: dict[str, dict[str, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    """At least 95 % have the right capability and 90 % all arguments right, also where unseen."""
    told = ", ".join(f"{what} {share:.1%}" for what, share in scores[part].items())
    with capsys.disabled():
        print(f"\noffline model, {part} ({len(read(part))} phrasings): {told}")
    assert scores[part]["capability"] >= 0.95, told
    assert scores[part]["arguments"] >= 0.90, told
    assert scores[part]["kind"] >= 0.95 and scores[part]["language"] >= 0.95, told
