"""Approvals over HTTP: a person says yes, a program not to itself."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.core.workspace import ServerAddress
from fraktal_kernel.errors import Conflict, InvalidInput, NotFound
from tests.server.served import SECRET, Served
from tests.server.test_jobs import submit, wait_for


def ask(client: httpx.Client, text: str) -> tuple[int, dict[str, Any]]:
    """Have a program ask for something; returns its job and the approval."""
    number = submit(client, "served.clerk", params={"text": text})["id"]
    wait_for(client, number, "waiting")
    found = client.get("/api/approvals").json()["approvals"]
    (asked,) = [each for each in found if each["params"] == {"text": text}]
    return number, asked


def test_a_yes_lets_it_happen_once(client: httpx.Client) -> None:
    """What waits is listed with what it would do; a yes queues it, and is good for that alone."""
    number, asked = ask(client, "hello")
    assert (asked["effect"], asked["state"]) == ("sends a letter", "open")
    assert asked["asked_by"] == f"served.clerk, job {number}"
    place = f"/api/approvals/{asked['id']}"
    given = {"digest": asked["digest"]}
    for blind in ({}, {"json": {}}, {"json": {"note": "yes", "digest": None}}):
        refused = client.post(f"{place}/approve", **blind)
        assert refused.status_code == 422 and f"GET {place} shows" in refused.json()["error"]
    seen = client.post(f"{place}/approve", json={"digest": "0" * 64})
    assert seen.status_code == 409 and "other arguments" in seen.json()["error"]
    bad = client.post(f"{place}/approve", json={**given, "params": {"text": "x" * 21}})
    assert bad.status_code == 422 and "text" in bad.json()["error"]
    yes = client.post(f"{place}/approve", json={**given, "params": {"text": "bye"}})
    assert yes.status_code == 200 and yes.json()["params"] == {"text": "bye"}
    assert wait_for(client, number, "succeeded")["result"] == "sent bye"
    again = client.post(f"{place}/deny", json={})
    assert again.status_code == 409 and "its job has begun" in again.json()["error"]
    assert client.get(place).json()["state"] == "used"
    (child,) = client.get(f"/api/jobs/{number}/children").json()["children"].values()
    assert child["id"] == asked["job_id"] and child["effect"]


def test_a_no_ends_it(client: httpx.Client) -> None:
    """The job that asked fails with the words of whoever denied it."""
    number, asked = ask(client, "spam")
    no = client.post(f"/api/approvals/{asked['id']}/deny", json={"note": "not that"})
    assert no.json()["state"] == "denied"
    assert "not that" in wait_for(client, number, "failed")["error"]
    every = client.get("/api/approvals", params={"every": True}).json()["approvals"]
    assert asked["id"] in [each["id"] for each in every if each["state"] == "denied"]


def test_a_program_does_not_say_yes_to_itself(served: Served, client: httpx.Client) -> None:
    """Submitting and looking is no right to answer; ``approve`` is."""
    number, asked = ask(client, "mine")
    place = f"/api/approvals/{asked['id']}"
    with served.client(served.token("read", "jobs")) as program:
        for answer in ("approve", "deny"):
            refused = program.post(f"{place}/{answer}", json={})
            assert refused.status_code == 403 and "'approve'" in refused.json()["error"]
        assert program.get(place).json()["state"] == "open"
    with served.client(served.token("jobs")) as program:
        assert program.get("/api/approvals").status_code == 403
    with served.client(served.token("approve")) as person:
        yes = person.post(f"{place}/approve", json={"digest": asked["digest"]})
        assert yes.status_code == 200
    wait_for(client, number, "succeeded")


def test_a_program_does_not_tell_whether_it_happened(served: Served, client: httpx.Client) -> None:
    """What is in doubt is for those to settle who may approve."""
    number, asked = ask(client, "lost")
    journal = served.workbench.engine.journal
    with served.workbench.database.write() as tx:
        tx.execute("UPDATE job SET effect_started_at = 1 WHERE id = :id", {"id": asked["job_id"]})
        journal._doubt(tx, asked["job_id"], served.workbench.user.user_id, "the server was gone")
    place = f"/api/jobs/{asked['job_id']}/answer"
    with served.client(served.token("read", "jobs")) as program:
        refused = program.post(place, json={"choice": "it happened"})
        assert refused.status_code == 403
    assert client.post(place, json={"choice": "it happened"}).status_code == 200
    assert wait_for(client, number, "succeeded")["result"] == "None"


def test_others_do_not_see_it(served: Served, client: httpx.Client) -> None:
    """To another user it does not exist, whatever they may."""
    number, asked = ask(client, "private")
    other = served.workbench.security.add_user("mallory", "correct horse battery").user_id
    with served.client(served.token("read", "jobs", "approve", user_id=other)) as mallory:
        assert mallory.get("/api/approvals").json() == {"approvals": []}
        for call in ("approve", "deny"):
            answer = mallory.post(f"/api/approvals/{asked['id']}/{call}", json={})
            assert answer.status_code == 404
    assert client.delete(f"/api/jobs/{number}").status_code == 200
    assert client.get(f"/api/approvals/{asked['id']}").json()["state"] == "withdrawn"


def test_a_notebook_answers_as_well(served: Served, client: httpx.Client) -> None:
    """The same methods, here and over the web, with the same errors."""
    number, asked = ask(client, "remote")
    address = ServerAddress(url=served.url, token=SECRET, pid=1)
    far = RemoteWorkbench(served.workbench.settings, address)
    near: LocalWorkbench = served.workbench
    with far:
        mine = [each for each in far.approvals.list() if each.id == asked["id"]]
        assert mine == [near.approvals.get(asked["id"])] == [far.approvals.get(asked["id"])]
        with pytest.raises(InvalidInput, match="text"):
            far.approvals.approve(asked["id"], {"text": 7}, digest=asked["digest"])
        far.approvals.approve(asked["id"], note="fine", digest=asked["digest"])
        for bench in (near, far):
            with pytest.raises(Conflict):
                bench.approvals.deny(asked["id"])
            with pytest.raises(NotFound):
                bench.approvals.get(10**9)
        wait_for(client, number, "succeeded")
        assert far.jobs.children(number) == near.jobs.children(number)
        used = far.approvals.list(every=True)
        assert [each.note for each in used if each.id == asked["id"]] == ["fine"]
