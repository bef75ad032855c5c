"""What the server keeps of language models: health, answers, prices, and nothing secret."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.agents.models import cache
from fraktal_kernel.agents.models.answers import after_asking, before_asking, price
from fraktal_kernel.agents.models.breaker import FAILURES, REST_S, Breakers
from fraktal_kernel.agents.models.cache import digest_of, find_answer, keep_answer
from fraktal_kernel.agents.models.shelf import read_specs
from fraktal_kernel.agents.models.spec import read_spec
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.monitoring.metrics import render
from fraktal_kernel.core.security import Security
from fraktal_kernel.core.services import Asked
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[3]


class Clock:
    """A clock that a test winds."""

    now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Give a database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'fraktal.db'}"
    else:
        url = request.getfixturevalue("new_postgres_url")
    database = Database(url)
    database.migrate()
    yield database
    database.close()


def test_a_model_rests_after_failures_in_a_row_only() -> None:
    """An answer in between makes the failures before it forgotten."""
    breakers = Breakers(Clock())
    for _ in range(FAILURES - 1):
        breakers.tell("a", failed=True)
    breakers.tell("a", failed=False)
    breakers.tell("a", failed=True)
    assert breakers.rest("a") == 0 and not breakers.open("a")


def test_one_question_tries_a_model_that_has_rested() -> None:
    """Half open, one is let through and the others wait for what comes of it."""
    clock = Clock()
    breakers = Breakers(clock)
    for _ in range(FAILURES):
        breakers.tell("a", failed=True)
    assert breakers.rest("a") == REST_S and breakers.rest("b") == 0
    clock.now += REST_S
    assert breakers.rest("a") == 0
    assert breakers.rest("a") == REST_S  # somebody is trying
    breakers.tell("a", failed=True)
    assert breakers.rest("a") == REST_S
    clock.now += REST_S
    assert breakers.rest("a") == 0
    breakers.tell("a", failed=False)
    assert breakers.rest("a") == breakers.rest("a") == 0


def keep(database: Database, *what: Any) -> None:
    """Keep an answer in a transaction of its own, under a digest that has the room looked after."""
    owner_id, digest, *rest = what
    with database.write() as tx:
        keep_answer(tx, owner_id, cache.PRUNING + digest, *rest)


def find(database: Database, owner_id: int, digest: str, days: float) -> Any | None:
    """Find an answer that was kept like this."""
    return find_answer(database, owner_id, cache.PRUNING + digest, days)


def test_an_answer_is_found_by_its_owner_until_it_is_old(database: Database) -> None:
    """What is kept is the newest answer of one person, and goes with time."""
    security = Security(database)
    me = security.local_user().user_id
    other = security.add_user("somebody", "a long enough password").user_id
    keep(database, me, "d", "m", {"text": "one"}, 7)
    keep(database, me, "d", "m", {"text": "two"}, 7)
    assert find(database, me, "d", 7) == {"text": "two"}
    assert find(database, other, "d", 7) is None
    assert find(database, me, "e", 7) is None
    assert find(database, me, "d", 0) is None
    keep(database, me, "e", "m", {"text": "three"}, 0)
    with database.read() as tx:
        assert tx.rows("SELECT digest FROM model_answer") == []


def test_kept_answers_take_limited_room(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go when it is too much, and what is too large is not kept at all."""
    me = Security(database).local_user().user_id
    monkeypatch.setattr(cache, "MOST_BYTES", 350)
    for number in range(6):
        keep(database, me, str(number), "m", "x" * 98, 7)
    kept = [number for number in range(6) if find(database, me, str(number), 7)]
    assert kept == [3, 4, 5]
    keep(database, me, "large", "m", "x" * cache.LARGEST_BYTES, 7)
    assert find(database, me, "large", 7) is None


def test_room_is_looked_after_now_and_then(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most answers cost no look at all others; however many come, the room stays bounded."""
    me = Security(database).local_user().user_id
    monkeypatch.setattr(cache, "MOST_BYTES", 1000)
    for number in range(300):
        with database.write() as tx:
            keep_answer(tx, me, digest_of(number), "m", "x" * 98, 7)
    with database.read() as tx:
        (size,) = tx.row("SELECT SUM(size_bytes) FROM model_answer", {}) or (None,)
    assert 1000 <= size <= 1000 + 100 * 100


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_a_digest_names_what_is_asked(question: dict[str, object]) -> None:
    """The order of names does not matter, and every value does."""
    turned = dict(reversed(question.items()))
    assert digest_of(question) == digest_of(turned) == digest_of(json.loads(json.dumps(question)))
    assert digest_of(question) != digest_of({**question, "one more": 1, "another": 2})


@pytest.mark.parametrize(
    "models",
    [
        ["gpt-5"],
        ["openai:"],
        ["openai:a b"],
        ["anthropic:x"],
        ["openai:a@ftp://b"],
        [],
        ["offline"] * 2,
    ],
)
def test_a_model_that_cannot_be_meant_is_refused_at_the_start(models: list[str]) -> None:
    """A wrong name is one sentence at the start, not a surprise in a chat."""
    with pytest.raises(InvalidInput, match="setting models"):
        load_settings(models=models)


def test_names_mean_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of server has its address, its variables and its keys."""
    ollama = read_spec("ollama:qwen3:8b", {}, {"OLLAMA_BASE_URL": "http://box:11434/v1/"})
    assert (ollama.name, ollama.url, ollama.local) == ("qwen3:8b", "http://box:11434/v1", False)
    assert read_spec("ollama:qwen3", {}, {}).local
    assert read_spec("openai:/weights/tiny@http://[::1]:9/v1", {}, {}).local
    assert read_spec("offline", {}, {}).offline
    with pytest.raises(InvalidInput, match="expected offline, ollama:NAME"):
        read_spec("gpt", {}, {})
    settings = load_settings(models=["openai:a", "offline"], model_keys={"openai": "sk-mine"})
    assert [spec.key for spec in read_specs(settings)] == ["sk-mine", ""]
    assert "sk-mine" not in repr(settings) and "sk-mine" not in settings.model_dump_json()


def test_prices_are_told_where_they_are_known() -> None:
    """Unknown is not nothing."""
    settings = load_settings(model_prices={"openai:a": [2.0, 8.0]})
    assert price(settings.model_prices, "openai:a", 500_000, 250_000) == pytest.approx(3.0)
    assert price(settings.model_prices, "openai:b", 5, 5) is None
    assert price(settings.model_prices, "offline", 5, 5) == 0
    with pytest.raises(InvalidInput, match="prices from 0 on"):
        load_settings(model_prices={"openai:a": [-1, 0]})


def test_keys_are_for_workers_of_this_server(tmp_path: Path) -> None:
    """A job that an agent elsewhere does is told whom to ask, and no key."""
    spec = "openai:a@http://127.0.0.1:9/v1"
    settings = load_settings(data=tmp_path, models=[spec, "offline"], model_keys={spec: "sk-k"})
    with LocalWorkbench(settings, may_run=False) as workbench:
        here = workbench.jobs.submit("chat.turn", {"text": "hello"}).id
        engine, me = workbench.engine, workbench.user.user_id
        assert before_asking(Asked(engine, me, here), "d", False)["models"][0]["key"] == "sk-k"
        for column in ("ran_on", "agent"):
            there = workbench.jobs.submit("chat.turn", {"text": "hello"}).id
            with engine.database.write() as tx:
                tx.execute(f"UPDATE job SET {column} = 'box' WHERE id = :id", {"id": there})
            told = before_asking(Asked(engine, me, there), "d", False)
            assert [each["spec"] for each in told["models"]] == [spec, "offline"]
            assert "sk-k" not in json.dumps(told)
        attempts = [{"model": spec, "seconds": 0.5, "reason": "no"}] * FAILURES
        assert after_asking(Asked(engine, me, here), "d", attempts, None, 0, 0) is None
        told = before_asking(Asked(engine, me, here), "d", False)
        assert [each["spec"] for each in told["models"]] == ["offline"] and told["resting"][
            spec
        ] > 0
    numbers = render()[0].decode()
    assert f'fraktal_model_requests_total{{model="{spec}",outcome="failed"}} 3.0' in numbers
    assert f'fraktal_model_breaker_open{{model="{spec}"}} 1.0' in numbers


def test_nobody_but_a_turn_imports_the_packages_that_ask() -> None:
    """They take seconds: neither the library, the server nor a command may wait for them."""
    code = (
        "import sys, fraktal_kernel, fraktal_kernel.cli.app, fraktal_kernel.server.app\n"
        "import fraktal_kernel.agents.chat.chat, fraktal_kernel.agents.chat.capabilities\n"
        "from fraktal_kernel import capabilities\n"
        "capabilities['chat.turn'].describe()\n"
        "found = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not found & {'pydantic_ai', 'openai', 'torch', 'transformers'}, found\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
