"""Jobs over HTTP do what the library does, for their owner alone, and refuse nonsense."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from tests.server.served import Served

JSON = {"content-type": "application/json"}


def wait_for(client: httpx.Client, number: int, *states: str) -> dict[str, Any]:
    """Look at a job until it is in one of some states."""
    until = time.monotonic() + 180
    while time.monotonic() < until:
        job: dict[str, Any] = client.get(f"/api/jobs/{number}").json()
        if job["state"] in states:
            return job
        if job["ended_at"]:
            break
        time.sleep(0.05)
    pytest.fail(f"job {number} did not become {states}: {job}")


def submit(client: httpx.Client, capability: str, **more: Any) -> dict[str, Any]:
    """Submit a job that must be accepted."""
    answer = client.post("/api/jobs", json={"capability": capability, **more})
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    return job


def test_job_is_done_and_leaves_its_log(client: httpx.Client) -> None:
    """A job submitted over HTTP runs, succeeds with its result and keeps its log."""
    number = submit(client, "served.count", params={"times": 2})["id"]
    job = wait_for(client, number, "succeeded")
    assert job["result"] == 2 and job["progress"] == 1
    lines = client.get(f"/api/jobs/{number}/log").json()["log"]
    assert [line["text"] for line in lines][-2:] == ["counted 1", "counted 2"]


def test_key_gives_the_same_job(client: httpx.Client) -> None:
    """The same key answers 201 once and then 200 with the job that is there."""
    body = {"capability": "served.count", "key": "only-once"}
    first, second = (client.post("/api/jobs", json=body) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_key_of_another_capability_is_refused(served: Served) -> None:
    """A key neither gives another capability's job as one's own, nor shows it to its token."""
    with served.client() as client:
        client.post("/api/jobs", json={"capability": "served.count", "key": "counted"})
    with served.client(served.token("jobs:served.fail")) as program:
        answer = program.post("/api/jobs", json={"capability": "served.fail", "key": "counted"})
    assert answer.status_code == 409 and "choose another" in answer.json()["error"]


def test_job_is_cancelled_and_retried(client: httpx.Client) -> None:
    """A running job is cancelled, which cannot be done twice, and can be queued again."""
    number = submit(client, "served.wait")["id"]
    wait_for(client, number, "running")
    assert client.delete(f"/api/jobs/{number}").status_code == 200
    wait_for(client, number, "cancelled")
    answer = client.delete(f"/api/jobs/{number}")
    assert answer.status_code == 409 and answer.json()["error"]
    assert client.post(f"/api/jobs/{number}/retry").json()["state"] in ("queued", "running")
    client.delete(f"/api/jobs/{number}")
    wait_for(client, number, "cancelled")


def test_failed_job_says_why_and_is_put_away(client: httpx.Client) -> None:
    """A job that failed keeps its sentence; who puts it away can take that back."""
    job = wait_for(client, submit(client, "served.fail")["id"], "failed")
    assert "it was meant to fail" in job["error"] and job["discarded_at"] is None
    away = client.post(f"/api/jobs/{job['id']}/discard").json()
    assert away["discarded_at"] and away | {"discarded_at": None} == job
    assert client.post(f"/api/jobs/{job['id']}/restore").json() == job


def test_waiting_job_is_answered(client: httpx.Client) -> None:
    """A job that asks waits for an answer, takes only one of its choices, and goes on."""
    number = submit(client, "served.ask")["id"]
    job = wait_for(client, number, "waiting")
    assert job["question"] == {
        "text": "Deploy?",
        "choices": ["yes", "no"],
        "effect": False,
    }
    assert client.post(f"/api/jobs/{number}/answer", json={"choice": "maybe"}).status_code == 422
    assert client.post(f"/api/jobs/{number}/answer", json={"choice": "yes"}).status_code == 200
    assert wait_for(client, number, "succeeded")["result"] == "yes"
    assert client.post(f"/api/jobs/{number}/answer", json={"choice": "yes"}).status_code == 409


def test_lists_go_page_by_page(client: httpx.Client) -> None:
    """Jobs are listed newest first; the last number gives the next page without a gap."""
    numbers = [submit(client, "served.count")["id"] for _ in range(5)]
    first = client.get("/api/jobs", params={"limit": 2}).json()["jobs"]
    then = client.get("/api/jobs", params={"limit": 3, "before": first[-1]["id"]}).json()["jobs"]
    assert [job["id"] for job in first + then] == numbers[::-1]
    wait_for(client, numbers[-1], "succeeded")
    done = client.get("/api/jobs", params={"state": "succeeded"}).json()["jobs"]
    assert done and all(job["state"] == "succeeded" for job in done)


def test_jobs_of_others_do_not_exist(served: Served, client: httpx.Client) -> None:
    """Another user's job is 404 in every way, and in no list."""
    number = submit(client, "served.files")["id"]
    wait_for(client, number, "succeeded")
    ada = served.workbench.security.add_user("ada of jobs", "correct horse battery")
    with served.client(served.token("read", "jobs", user_id=ada.user_id)) as other:
        path = f"/api/jobs/{number}"
        answers = [
            other.get(path),
            other.delete(path),
            other.post(f"{path}/retry"),
            other.post(f"{path}/discard"),
            other.post(f"{path}/restore"),
            other.post(f"{path}/answer", json={"choice": "yes"}),
            other.get(f"{path}/log"),
            other.get(f"{path}/artifacts"),
            other.get(f"{path}/artifacts/page.html"),
        ]
        assert [answer.status_code for answer in answers] == [404] * len(answers)
        assert other.get("/api/jobs").json() == {"jobs": []}
        assert other.get("/api/events").json() == {"events": [], "last": 0}
        mine = submit(other, "served.count", key="only-once")
        assert mine["owner_id"] == ada.user_id, "keys are each user's own"


def test_scopes_limit_a_token(served: Served, client: httpx.Client) -> None:
    """A token does what its scopes name, for the capabilities that they name, and no more."""
    number = submit(client, "served.count")["id"]
    body = {"capability": "served.count"}
    with served.client(served.token("read")) as reader:
        assert reader.get(f"/api/jobs/{number}").status_code == 200
        answer = reader.post("/api/jobs", json=body)
        assert answer.status_code == 403
        assert "needs the scope 'jobs:served.count'" in answer.json()["error"]
        assert reader.delete(f"/api/jobs/{number}").status_code == 403
        assert reader.post(f"/api/jobs/{number}/retry").status_code == 403
        assert reader.post(f"/api/jobs/{number}/discard").status_code == 403
        assert reader.post(f"/api/jobs/{number}/answer", json={"choice": "x"}).status_code == 403
        assert reader.get("/api/tokens").status_code == 403
        assert reader.post("/api/launch-links").status_code == 403
    with served.client(served.token("jobs:served.c*")) as worker:
        assert worker.post("/api/jobs", json=body).status_code == 201
        assert worker.post("/api/jobs", json={"capability": "served.wait"}).status_code == 403
        for path in ("/api/jobs", f"/api/jobs/{number}", "/api/capabilities", "/metrics"):
            assert worker.get(path).status_code == 403


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"width": 0}, "width: given 0"),
        ({"width": 10**9}, "1000000000 x"),
        ({"width": "wide"}, "width: given 'wide'"),
        ({"width": 1.5}, "width: given 1.5"),
        ({"width": None}, "width"),
        ({"widht": 100}, "did you mean 'width'?"),
        ({"scene": 5}, "scene"),
        ({"scene": "seahorze"}, "seahorse"),
        ({"scene": "/etc/passwd"}, "scene"),
        ({"scene": "../../../etc/passwd"}, "scene"),
        ({"scene": {"formula": "import os"}}, "unknown name 'import'"),
        ({"scene": {"formula": "z**2 + 1/0"}}, "divides by zero"),
        ({"scene": {"view": {"re": "NaN", "im": "0", "width": "3"}}}, "finite"),
        ({"scene": {"view": {"re": "0", "im": "0", "width": "0"}}}, "above 0"),
        ({"scene": {"view": {"re": "0", "im": "0", "width": "1e-60000"}}}, "exponent"),
        ({"scene": {"view": {"re": "1" * 10**6, "im": "0", "width": "3"}}}, "1000000 characters"),
        ({"scene": {"look": {"layers": [{"palette": {"title": "x", "stops": []}}]}}}, "no stop"),
        ({"scene": {"look": {"layers": []}}}, "layers are empty"),
        ({"scene": '{"view":' * 60}, "no JSON"),
        ({"scene": "[" * 10**6}, "no scene named"),
        ({"scene": {"formula": "burning_ship"}, "width": 9000, "height": 9000}, "81000000 samples"),
    ],
)
def test_bad_parameters_are_refused(
    client: httpx.Client, params: dict[str, Any], says: str
) -> None:
    """Each is 422 with one sentence that names the parameter, and no job is made."""
    before = client.get("/api/jobs", params={"limit": 1}).json()
    answer = client.post("/api/jobs", json={"capability": "fractal.render", "params": params})
    assert answer.status_code == 422, answer.text
    assert says in answer.json()["error"] and "\n" not in answer.json()["error"]
    assert "root:" not in answer.text, "no line of the file"
    assert client.get("/api/jobs", params={"limit": 1}).json() == before


def test_broken_picture_is_refused(served: Served, client: httpx.Client) -> None:
    """A scene named by a picture without one, or by half a picture, is 422."""
    folder = served.workbench.settings.data
    for content in (b"no picture", b"\x89PNG\r\n\x1a\n" + b"\x00" * 50):
        (folder / "broken.png").write_bytes(content)
        params = {"scene": str(folder / "broken.png")}
        answer = client.post("/api/jobs", json={"capability": "fractal.render", "params": params})
        assert answer.status_code == 422 and "scene" in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "body"),
        (b"null", "body"),
        (b"[]", "body"),
        (b'"text"', "body"),
        (b"{", "not JSON"),
        (b"{}", "capability: missing"),
        (b'{"capability": 5}', "capability: given 5"),
        (b'{"capability": ""}', "capability"),
        (b'{"capability": "fractal.rendr"}', "did you mean 'fractal.render'?"),
        (b'{"capability": "served.count", "params": []}', "params"),
        (b'{"capability": "served.count", "params": {"times": NaN}}', "NaN"),
        (b'{"capability": "served.count", "params": {"times": Infinity}}', "Infinity"),
        (b'{"capability": "served.count", "priority": 1e400}', "too large"),
        (b'{"capability": "served.count", "priority": 1' + b"0" * 5000 + b"}", "64 bits"),
        (b'{"capability": "served.count", "priority": 5000}', "priority"),
        (b'{"capability": "served.count", "delay_s": -1}', "delay_s"),
        (b'{"capability": "served.count", "timeout_s": 0}', "timeout_s"),
        (b'{"capability": "served.count", "max_attempts": 0}', "max_attempts"),
        (b'{"capability": "served.count", "key": ""}', "key"),
        (b'{"capability": "served.count", "surprise": 1}', "surprise: there is no such field"),
        (b'{"capability": "\xff"}', "UTF-8"),
        (b'{"capability": "\\ud800"}', "surrogate"),
        (
            b'{"capability": "served.count", "params": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}",
            "",
        ),
    ],
)
def test_bad_bodies_are_refused(client: httpx.Client, body: bytes, says: str) -> None:
    """Whatever is wrong with a body, the answer is 422 and one short sentence."""
    answer = client.post("/api/jobs", content=body, headers=JSON)
    assert answer.status_code == 422, answer.text
    sentence = answer.json()["error"]
    assert says in sentence and len(sentence) < 500 and sentence.endswith((".", "?"))


def test_body_of_another_type_is_refused(client: httpx.Client) -> None:
    """JSON that a foreign form could send as text is not read."""
    body = json.dumps({"capability": "served.count"})
    for media_type in ("text/plain", "application/x-www-form-urlencoded"):
        answer = client.post("/api/jobs", content=body, headers={"content-type": media_type})
        assert answer.status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "/api/jobs/0",
        "/api/jobs/-1",
        "/api/jobs/x",
        "/api/jobs/9223372036854775808",
        "/api/jobs/" + "9" * 5000,
        "/api/jobs?limit=0",
        "/api/jobs?limit=1e9",
        "/api/jobs?before=x",
        "/api/jobs?state=lost",
        "/api/events?after=-1",
        "/api/events?topic=';drop table job",
        "/api/events?limit=1001",
    ],
)
def test_bad_addresses_are_refused(client: httpx.Client, path: str) -> None:
    """Numbers and names out of range are 422, never a mistake of the database."""
    answer = client.get(path)
    assert answer.status_code == 422 and answer.json()["error"]


def test_unknown_numbers_are_not_found(client: httpx.Client) -> None:
    """A job that never was is 404 up to the largest number."""
    for number in (10**6, 2**63 - 1):
        assert client.get(f"/api/jobs/{number}").status_code == 404


def test_capabilities_tell_their_parameters(client: httpx.Client) -> None:
    """Every capability is listed with a JSON schema, and alone under its name."""
    listed = client.get("/api/capabilities").json()["capabilities"]
    names = [item["name"] for item in listed]
    assert names == sorted(names) and {"fractal.render", "served.count"} <= set(names)
    alone = client.get("/api/capabilities/fractal.render").json()
    assert alone in listed
    assert alone["schema"]["properties"]["width"]["type"] == "integer"
    answer = client.get("/api/capabilities/fractal.rendr")
    assert answer.status_code == 404 and "did you mean" in answer.json()["error"]


def test_metrics_count_what_was_asked(client: httpx.Client) -> None:
    """The numbers are Prometheus text, and requests are counted by route, not by address."""
    client.get("/api/jobs/123456")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'route="/api/jobs/{job_id}",status="404"' in answer.text
    assert "123456" not in answer.text
