"""Plans over HTTP: submitted as jobs, drawn with the state of each step."""

from __future__ import annotations

import httpx

from tests.server.served import Served
from tests.server.test_jobs import submit, wait_for

PLAN = {
    "name": "letters",
    "steps": [
        {"id": "count", "capability": "served.count", "params": {"times": 1}},
        {
            "id": "send",
            "capability": "served.send",
            "params": {"text": "no. ${count.result}"},
            "when": "count.result == 1",
        },
        {"id": "again", "ask": "Again?", "after": ["send"]},
    ],
}


def test_a_plan_is_drawn_while_it_waits_and_when_it_is_done(
    served: Served, client: httpx.Client
) -> None:
    """Each step has its place, its state, its job, and what it waits for."""
    number = submit(client, "plan.run", params={"plan": PLAN})["id"]

    def node(name: str) -> dict[str, object]:
        drawn = client.get(f"/api/plans/{number}").json()
        return next(each for each in drawn["nodes"] if each["id"] == name)

    while node("send")["waits_for"] != "approval":
        assert not client.get(f"/api/jobs/{number}").json()["ended_at"]
    assert node("count")["state"] == "succeeded" and node("again")["state"] == "planned"
    assert (node("send")["layer"], node("send")["effect"]) == (1, "sends a letter")
    (asked,) = [
        each
        for each in client.get("/api/approvals").json()["approvals"]
        if each["job_id"] in node("send")["jobs"]  # type: ignore[operator]
    ]
    assert asked["params"] == {"text": "no. 1"}
    client.post(f"/api/approvals/{asked['id']}/approve", json={"digest": asked["digest"]})
    while node("again")["waits_for"] != "question":
        assert not client.get(f"/api/jobs/{number}").json()["ended_at"]
    (job,) = node("again")["jobs"]  # type: ignore[misc]
    assert client.post(f"/api/jobs/{job}/answer", json={"choice": "no"}).status_code == 200
    result = wait_for(client, number, "succeeded")["result"]
    assert result["steps"]["again"]["result"] == "no"
    drawn = client.get(f"/api/plans/{number}").json()
    assert {each["state"] for each in drawn["nodes"]} == {"succeeded"} and drawn["layers"] == 3
    assert {"start": "count", "end": "send", "kind": "data"} in drawn["edges"]


def test_a_bad_plan_is_refused_before_anything_is_done(client: httpx.Client) -> None:
    """One sentence, whatever is wrong, and no job."""
    for steps, said in (
        ([{"id": "a", "capability": "served.cuont"}], "did you mean 'served.count'?"),
        ([{"id": f"s{n}", "ask": "Well?"} for n in range(10_000)], "at most 2,000"),
        ([{"id": "a", "ask": "Well?", "after": ["a"]}], "in a circle"),
    ):
        answer = client.post(
            "/api/jobs", json={"capability": "plan.run", "params": {"plan": {"steps": steps}}}
        )
        assert answer.status_code == 422 and said in answer.json()["error"]


def test_what_is_no_plan_is_not_drawn(served: Served, client: httpx.Client) -> None:
    """Another capability's job, and one that is not there."""
    number = served.run("served.count", times=1)
    assert client.get(f"/api/plans/{number}").status_code == 422
    assert client.get("/api/plans/999999").status_code == 404
