"""The list of language models over HTTP: for all to see, for administrators to change."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.server.served import Served
from tests.server.test_jobs import submit, wait_for

DEAD = "openai:gone@http://127.0.0.1:1/v1"


@pytest.fixture(autouse=True)
def as_before(client: httpx.Client) -> Iterator[None]:
    """Leave the list as the other tests of the server expect it."""
    yield
    client.put("/api/models", json={"models": [{"model": "offline"}]}).raise_for_status()


def models(client: httpx.Client) -> list[str]:
    """Name the models as the server lists them."""
    return [each["model"] for each in client.get("/api/models").json()["models"]]


def test_a_change_reaches_the_next_job_in_a_worker(client: httpx.Client) -> None:
    """No restart: the worker process asks the model that was added a moment ago."""
    old = client.get("/api/models").json()
    assert old["may_change"] and not old["fixed"]
    body = {"models": [{"model": DEAD, "timeout_s": 5}, {"model": "offline"}]}
    new = client.put("/api/models", json={**body, "version": old["version"]})
    assert new.status_code == 200 and models(client) == [DEAD, "offline"]
    stale = client.put("/api/models", json={**body, "version": old["version"]})
    assert stale.status_code == 409 and "somebody else" in stale.json()["error"]
    number = submit(client, "chat.try_model", params={"model": DEAD})["id"]
    tried = wait_for(client, number, "succeeded")["result"]
    assert (tried["answered"], tried["reason"]) == (False, "connection refused")
    first = client.get("/api/models").json()["models"][0]
    assert (first["failures"], first["error"]) == (1, "connection refused")
    assert client.post("/api/models/undo").status_code == 200
    assert models(client) != [DEAD, "offline"]


def test_who_may_look_may_not_change(served: Served, client: httpx.Client) -> None:
    """A token that reads lists the models; only the scope admin changes them."""
    with served.client(served.token("read", "jobs")) as reader:
        assert models(reader) == models(client)
        body = {"models": [{"model": "offline"}]}
        assert reader.put("/api/models", json=body).status_code == 403
        assert reader.post("/api/models/undo").status_code == 403


def test_bad_lists_are_refused_in_one_sentence(client: httpx.Client) -> None:
    """Nothing of a refused list holds, and what was given for a key is not repeated."""
    before = models(client)
    for given, said in (
        ([], "models"),
        ([{"model": "gpt"}], "expected offline"),
        ([{"model": "offline"}, {"model": "offline"}], "already"),
        ([{"model": "openai:a", "timeout_s": -1}], "more than 0"),
        ([{"model": "openai:a", "key_variable": "sk-secret"}], "never the key itself"),
    ):
        answer = client.put("/api/models", json={"models": given})
        assert answer.status_code == 422
        assert said in answer.json()["error"] and "sk-secret" not in answer.text
    assert models(client) == before
