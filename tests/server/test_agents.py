"""What the gateway promises: who may be an agent, what may be said, and that nobody suffers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fraktal_kernel.agents.line import FRAME_BYTES
from fraktal_kernel.core.jobs.model import JobOptions
from fraktal_kernel.errors import JobFailed
from fraktal_kernel.server.links import cookie_name
from tests.agents.fleet import RawAgent
from tests.server.served import SECRET, Served

Call = Callable[..., RawAgent]


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.02)


@pytest.fixture
def call(served: Served) -> Iterator[Call]:
    """Give a way to open raw lines, all of which end with the test."""
    lines: list[RawAgent] = []

    def make(name: str = "raw", token: str = SECRET, **more: Any) -> RawAgent:
        lines.append(RawAgent(served.url, token, name, **more))
        return lines[-1]

    yield make
    for line in lines:
        line.close()
    until(lambda: all(view.state == "offline" for view in served.workbench.agents.list()))


def submit(served: Served, agent: str, capability: str = "served.count") -> Any:
    """Submit a job for one agent."""
    return served.workbench.submit(capability, options=JobOptions(agent=agent, max_attempts=1))


def losses(served: Served, job_id: int) -> tuple[str, int]:
    """Tell how a job stands, and how much it was lost."""
    with served.workbench.database.read() as tx:
        row = tx.row("SELECT state, losses FROM job WHERE id = :id", {"id": job_id})
    assert row is not None
    return row[0], row[1]


# -- who may be an agent -----------------------------------------------------------------------


def test_an_agent_registers_and_does_a_job(served: Served, call: Call, client: Any) -> None:
    """What a worker says over the line is a job's life as everybody sees it."""
    agent = call("honest").register()
    agent.say(op="beat", cpu_share=0.5, memory_bytes=1000, gpu_share=None, stopped=[])
    job = submit(served, "honest")
    agent.open()
    order = agent.job()
    assert (order["job"], order["capability"], order["data"]) == (
        job.id,
        "served.count",
        "/nowhere",
    )
    view = client.get("/api/agents/honest").json()
    assert (view["state"], view["epoch"], view["slots"]) == ("online", view["connections"], 2)
    agent.work({"op": "progress", "progress": 0.5, "message": "half"})
    agent.work({"op": "log", "level": "info", "text": "working"})
    agent.work({"op": "step", "name": "one", "value": "[1]", "seconds": 0.5, "cost": 0.0})
    agent.work({"op": "succeeded", "result": "3"})
    assert job.wait(60) == 3
    assert job.refresh().ran_on == "honest"
    assert [line.text for line in job.log()] == ["working"]
    until(lambda: client.get("/api/agents/honest").json()["done"] >= 1)
    (task,) = client.get("/api/agents/honest/tasks", params={"limit": 1}).json()["tasks"]
    assert (task["job_id"], task["state"], task["agent"]) == (job.id, "succeeded", "honest")
    until(lambda: client.get("/api/agents/honest/samples").json()["samples"])
    sample = client.get("/api/agents/honest/samples").json()["samples"][-1]
    assert (sample["cpu_share"], sample["memory_bytes"]) == (0.5, 1000)
    assert (
        'fraktal_agent_tasks_total{agent="honest",state="succeeded"}' in client.get("/metrics").text
    )


@pytest.mark.parametrize("token", ["fk_wrong", "wrong"])
def test_a_wrong_token_opens_no_line(served: Served, token: str) -> None:
    """Nobody is told whether there is a line at all."""
    with pytest.raises(InvalidStatus) as refused:
        RawAgent(served.url, token)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("scopes", "offers", "names"),
    [
        (["read", "jobs"], ["served.*"], ["served.count"]),
        (["agent:served.count"], ["served.*"], ["served.count"]),
        (["agent:served.*"], ["*"], ["served.count"]),
        (["agent:served.*"], ["served.*"], ["served.count", "notebook.run"]),
        (["agent"], ["served.*"], ["notebook.run"]),
    ],
)
def test_an_agent_offers_what_its_token_allows(
    served: Served, call: Call, scopes: list[str], offers: list[str], names: list[str]
) -> None:
    """A pattern or a name beyond the token's scopes, or beyond its own offers, is refused."""
    agent = call("greedy", served.token(*scopes), offers=offers, capabilities=names)
    agent.say(**agent.words)
    code, sentence = agent.refusal()
    assert code == 4403
    assert "needs the scope 'agent:" in sentence or "none of its offers covers" in sentence
    assert "greedy" not in [view.name for view in served.workbench.agents.list()]


def test_a_scope_with_a_pattern_suffices(served: Served, call: Call) -> None:
    """An agent with just the right token is welcome."""
    call("modest", served.token("agent:served.*")).register()


def test_a_name_is_taken_once(served: Served, call: Call) -> None:
    """A second process under a name that is online is refused; the first stays."""
    first = call("twin").register()
    second = call("twin")
    second.say(**second.words)
    code, sentence = second.refusal()
    assert code == 4409
    assert sentence == (
        "an agent named 'twin' is online already, on testing; stop it, or choose another name "
        "with --name."
    )
    view = served.workbench.agents.get("twin")
    assert (view.state, view.refusals >= 1) == ("online", True)
    first.open()
    job = submit(served, "twin")
    assert first.job()["job"] == job.id
    first.work({"op": "succeeded", "result": "1"})
    assert job.wait(60) == 1


def test_the_same_process_takes_its_own_place_again(served: Served, call: Call) -> None:
    """One whose line broke unheard comes back; what its old line still says is not believed."""
    old = call("returning").register()
    old.open()
    job = submit(served, "returning")
    old.job()
    new = call("returning", instance=old.words["instance"]).register()
    assert old.refusal() == (4410, "the agent has come back on another line.")
    until(lambda: losses(served, job.id)[0] == "queued")
    with suppress(ConnectionClosed):
        old.work({"op": "succeeded", "result": "999"})
    new.open()
    assert new.job()["job"] == job.id
    new.work({"op": "succeeded", "result": "2"})
    assert job.wait(60) == 2


def test_another_user_s_agent_gets_no_job_of_mine(served: Served, call: Call) -> None:
    """Agents of one name may belong to several people; each works for its own."""
    security = served.workbench.security
    name = "somebody-else"
    person = next((each for each in security.users() if each.name == name), None)
    person = person or security.add_user(name, "a long password")
    token = served.token("agent", "read", user_id=person.user_id)
    theirs = call("shared", token).register()
    theirs.open()
    mine = call("shared").register()
    mine.open()
    job = submit(served, "shared")
    assert mine.job()["job"] == job.id
    mine.work({"op": "succeeded", "result": "1"})
    assert job.wait(60) == 1
    with served.client(token) as client:
        assert [each["done"] for each in client.get("/api/agents").json()["agents"]] == [0]
        assert client.get("/api/agents/honest").status_code == 404


# -- what may be said --------------------------------------------------------------------------

LIES: list[dict[str, Any] | str] = [
    {"op": "nonsense"},
    {"op": "succeeded", "result": "NaN"},
    {"op": "succeeded", "result": 3},
    {"op": "succeeded", "result": '"' + "x" * 1024**2 + '"'},
    {"op": "succeeded"},
    {"op": "step", "name": "a", "value": "[1, Infinity]"},
    {"op": "step", "name": "a\0b", "value": "1"},
    '{"op": "progress", "progress": NaN, "message": ""}',
    {"op": "spend", "cost": -1},
    {"op": "save", "name": "../../etc/passwd", "media_type": "text/plain"},
    {"op": "begin", "key": "/1/@x", "capability": "served.count", "params": "{}", "asked_by": ""},
    {"op": "call", "key": "mine", "capability": "served.count", "params": "{}"},
    "this is no JSON",
    '{"op": "log", "level": "info", "text": "\\ud800"}',
    "[1, 2]",
]


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
def test_a_worker_that_lies_ends_its_agent_s_line(
    served: Served, call: Call, lie: dict[str, Any] | str
) -> None:
    """What has not the right form is not believed: one sentence, and the job is taken back."""
    agent = call("liar").register()
    agent.open()
    job = submit(served, "liar")
    agent.job()
    agent.work(lie)
    code, sentence = agent.refusal()
    assert code == 4400
    assert sentence.startswith("a worker says what it cannot") and len(sentence) < 1000
    until(lambda: losses(served, job.id)[0] == "queued")
    assert losses(served, job.id)[1] > 0
    job.cancel()


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ("no JSON", "cannot be understood"),
        ('{"op": "fly"}', "cannot be understood"),
        ('{"op": "beat", "cpu_share": NaN, "memory_bytes": 1}', "finite number"),
        ('{"op": "beat", "cpu_share": 0.1, "memory_bytes": 1, "extra": 1}', "no such field"),
        ('{"op": "open", "worker": 0, "pid": 1}', "given 0"),
        ('{"op": "register"}', "cannot be understood"),
        (b"abc", "a frame of 3 bytes"),
        ("x" * (FRAME_BYTES + 100), "expected at most 4,194,304"),
    ],
)
def test_an_agent_that_speaks_amiss_is_hung_up_on(
    served: Served, call: Call, frame: str | bytes, words: str
) -> None:
    """Unknown words, numbers that are none and frames that are too large end the line."""
    agent = call("mumbler").register()
    agent.line.send(frame)
    code, sentence = agent.refusal()
    assert code == 4400 and words in sentence


def test_a_gigabyte_is_refused_before_it_has_come(served: Served, call: Call) -> None:
    """The length that a frame announces is enough; the job is taken back, the server lives."""
    agent = call("huge").register()
    agent.open()
    job = submit(served, "huge")
    agent.job()
    header = bytes([0x82, 0xFF]) + (1024**3).to_bytes(8, "big") + bytes(4)
    agent.line.socket.sendall(header)
    until(lambda: losses(served, job.id)[0] == "queued")
    job.cancel()
    until(lambda: served.workbench.agents.get("huge").state == "offline")


def test_invalid_utf8_ends_the_line(served: Served, call: Call) -> None:
    """Text has to be text."""
    agent = call("garbled").register()
    payload = b"\xff\xfe"
    agent.line.socket.sendall(bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload)
    until(lambda: served.workbench.agents.get("garbled").state == "offline")


def test_a_version_that_does_not_fit_is_told(call: Call) -> None:
    """An older or newer agent reads what to do."""
    agent = call("old", version=0)
    agent.say(**agent.words)
    code, sentence = agent.refusal()
    assert code == 4400 and "install the same Fraktal" in sentence


def test_an_agent_begins_only_what_its_token_may_call(served: Served, call: Call) -> None:
    """A child that the token may not call is refused to the job, and the line stays."""
    token = served.token("agent:served.*", "jobs:served.count")
    agent = call("parent", token).register()
    agent.open()
    job = submit(served, "parent")
    agent.job()
    for capability, part in (("served.fail", "may not begin jobs of"), ("served.count", "id")):
        key = f"/{job.id}/@{capability}"
        begin = {"op": "begin", "key": key, "capability": capability, "params": "{}"}
        agent.work({**begin, "agent": "", "avoid": [], "asked_by": ""})
        while isinstance(frame := agent.line.recv(timeout=60), str):
            pass
        assert part in frame[4:].decode()
    agent.work({"op": "succeeded", "result": "1"})
    assert job.wait(60) == 1


def failing(served: Served, attempts: int) -> Any:
    """Submit a plan of one step that fails at the server's own worker."""
    step = {"id": "a", "capability": "served.fail", "attempts": attempts}
    return served.workbench.submit("plan.run", plan={"steps": [step]})


def tries(served: Served, plan: Any) -> list[Any]:
    """List the tries of its step, in order."""
    children = served.workbench.jobs.children(plan.id)
    return [children[name] for name in sorted(children)]


def test_a_retry_leaves_the_server_s_own_worker(served: Served, call: Call) -> None:
    """It waits for an agent that offers it; when all have failed it goes anywhere."""
    agent = call("hand", capabilities=["served.fail"]).register()
    plan = failing(served, 3)
    until(lambda: len(tries(served, plan)) == 2)
    assert served.workbench.submit("served.count").wait(60)  # our own worker is idle
    assert tries(served, plan)[1].state == "queued"
    agent.open()
    assert agent.job()["job"] == tries(served, plan)[1].id
    agent.work({"op": "failed", "error": "not here either", "again": False})
    until(lambda: tries(served, plan)[1].state == "failed")
    agent.close()  # the third may have come to it
    until(lambda: plan.refresh().ended)
    assert [each.ran_on for each in tries(served, plan)] == ["", "hand", ""]


def test_a_retry_does_not_wait_for_ever(
    served: Served, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that has no room, or does not offer it, holds nothing up."""
    call("other", capabilities=["served.count"]).register().open()
    plan = failing(served, 2)
    until(lambda: plan.refresh().ended)
    call("full").register()
    monkeypatch.setattr("fraktal_kernel.agents.placing.PATIENCE_S", 0.5)
    late = failing(served, 2)
    until(lambda: late.refresh().ended)
    for each in (plan, late):
        assert [(try_.ran_on, try_.state) for try_ in tries(served, each)] == [("", "failed")] * 2


def test_a_job_that_the_agent_does_not_offer_fails(served: Served, call: Call) -> None:
    """Whoever names an agent that cannot do it reads so, and the agent sees nothing of it."""
    call("narrow").register().open()
    with pytest.raises(JobFailed, match=r"agent 'narrow' does not offer 'served.wait'"):
        submit(served, "narrow", "served.wait").wait(60)


def test_a_flood_costs_the_flooder_alone(served: Served, call: Call, client: Any) -> None:
    """While one agent floods its line, others are answered, and its last word still counts."""
    agent = call("flooder").register()
    for _ in range(3500):
        agent.say(op="beat", cpu_share=0.25, memory_bytes=1, gpu_share=None, stopped=[])
    times = []
    for _ in range(20):
        began = time.monotonic()
        assert client.get("/api/me").status_code == 200
        times.append(time.monotonic() - began)
    assert sorted(times)[10] < 2, "others wait for the flooder"
    with served.workbench.database.read() as tx:
        row = tx.row(
            "SELECT COUNT(*) FROM agent_sample s JOIN agent a ON a.id = s.agent_id"
            " WHERE a.name = 'flooder'"
        )
    assert row is not None and row[0] < 100, "heartbeats are written once a second"


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (b"\x00\xff\x00", "the first message is 3 bytes that are no text, expected 'register'"),
        ("{}", "op: missing, and needed"),
        ('{"op": "fly"}', "op: given 'fly', expected one of 'register', "),
        ('{"op": "leave"}', "the first message is 'leave', expected 'register'"),
    ],
)
def test_who_begins_amiss_is_told_what_comes_first(
    call: Call, frame: str | bytes, words: str
) -> None:
    """What is no registration is named as what it is."""
    stranger = call("stranger")
    stranger.line.send(frame)
    code, sentence = stranger.refusal()
    assert code == 4400 and words in sentence


def test_who_says_nothing_is_hung_up_on(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line on which nobody registers does not stay open."""
    monkeypatch.setattr("fraktal_kernel.server.agents.REGISTER_S", 0.2)
    code, sentence = call("mute").refusal()
    assert code == 4400 and "nothing was said" in sentence


# -- REST --------------------------------------------------------------------------------------


def test_an_agent_is_drained(served: Served, call: Call, client: Any) -> None:
    """It gets no more jobs, ends what it has, and is let go."""
    agent = call("tired").register()
    agent.open()
    agent.open(2)
    job = submit(served, "tired")
    agent.job()
    answer = client.post("/api/agents/tired/drain")
    assert (answer.status_code, answer.json()["state"]) in [(202, "draining"), (202, "offline")]
    assert agent.hear()["op"] == "drain"
    later = submit(served, "tired")
    agent.work({"op": "succeeded", "result": "1"})
    assert job.wait(60) == 1
    assert agent.hear()["op"] == "leave"
    until(lambda: served.workbench.agents.get("tired").state == "offline")
    assert later.refresh().state == "queued"
    later.cancel()
    assert client.post("/api/agents/tired/drain", json={}).status_code == 409
    assert client.post("/api/agents/nobody/drain", json={}).status_code == 404


def test_draining_now_takes_the_work_back(served: Served, call: Call, client: Any) -> None:
    """Who cannot wait gets the job back into the queue."""
    agent = call("hasty").register()
    agent.open()
    job = submit(served, "hasty")
    agent.job()
    assert client.post("/api/agents/hasty/drain", json={"now": True}).status_code == 202
    until(lambda: losses(served, job.id)[0] == "queued")
    job.cancel()


def test_draining_needs_the_scope(served: Served, call: Call) -> None:
    """A token that may only look cannot end an agent."""
    call("kept").register()
    with served.client(served.token("read", "jobs")) as client:
        assert client.get("/api/agents/kept").status_code == 200
        assert client.post("/api/agents/kept/drain", json={}).status_code == 403


def test_people_drain_their_own_agents(served: Served, call: Call) -> None:
    """Somebody who is signed in needs no scope for what is theirs."""
    security = served.workbench.security
    person = security.add_user("grower", "a long password")
    call("plant", served.token("agent", user_id=person.user_id)).register()
    cookie = f"{cookie_name(served.url)}={security.open_session(person.user_id)}"
    with served.client(None, headers={"cookie": cookie}) as browser:
        answer = browser.post("/api/agents/plant/drain", json={})
        assert answer.status_code == 202
        until(lambda: browser.get("/api/agents/plant").json()["state"] == "offline")


def test_news_of_agents_come_as_events(served: Served, call: Call) -> None:
    """Whoever watches sees agents come, fare and go, without asking."""
    events = served.workbench.engine.events
    last = events.last()
    agent = call("newsworthy").register()
    agent.say(op="beat", cpu_share=0.75, memory_bytes=5, gpu_share=0.5, stopped=[])
    until(lambda: events.page(last, "agents.beat"))
    agent.close()
    until(lambda: len(events.page(last, "agents.state", subject="newsworthy")) == 2)
    states = [each.payload["state"] for each in events.page(last, "agents.state")]
    assert states[0] == "online" and states[-1] == "offline"
    told = events.page(last, "agents.beat")[-1].payload["agents"]["newsworthy"]
    assert (told["cpu_share"], told["gpu_share"], told["busy"]) == (0.75, 0.5, 0)


def test_what_is_asked_of_agents_is_checked(client: Any) -> None:
    """Odd names, states, numbers and times are refused with a sentence."""
    for path, status in (
        ("/api/agents/nobody", 404),
        ("/api/agents/..%2Fx", 404),
        ("/api/agents/a b", 422),
        ("/api/agents/nobody/samples?points=0", 422),
        ("/api/agents/nobody/samples?since=NaN", 422),
        ("/api/agents/nobody/tasks?state=flying", 422),
        ("/api/agent-tasks?limit=0", 422),
        ("/api/agent-tasks?state=lost&capability=served.count&since=0&before=5", 200),
    ):
        answer = client.get(path)
        assert answer.status_code == status, path
        assert status == 200 or answer.json()["error"]


# -- rates and the audit log -------------------------------------------------------------------


def test_a_token_that_asks_too_often_waits(served: Served, client: Any) -> None:
    """429 says for how long; people and other tokens are not touched."""
    settings = served.workbench.settings
    with served.client(served.token("read")) as busy:
        for _ in range(settings.token_burst):
            assert busy.get("/api/me").status_code == 200
        # Meanwhile a few have come back, one a second.
        more = range(settings.token_burst)
        answer = next(a for _ in more if (a := busy.get("/api/me")).status_code != 200)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert "too many requests with one token (1 a second)" in answer.json()["error"]
    assert client.get("/api/me").status_code == 200
    with served.client(served.token("read")) as other:
        assert other.get("/api/me").status_code == 200


def audit(client: httpx.Client, **params: Any) -> list[dict[str, Any]]:
    """Read the audit log."""
    entries: list[dict[str, Any]] = client.get("/api/audit", params=params).json()["entries"]
    return entries


def test_who_asked_for_what_is_written_down(served: Served, call: Call, client: Any) -> None:
    """Submissions, refusals, cancellations and registrations are there, each with its outcome."""
    secret = served.token("jobs:served.*", "read", "agent")
    number = served.workbench.security.token(secret).id
    with served.client(secret) as program:
        body = {"capability": "served.wait", "params": {}}
        job = program.post("/api/jobs", json=body).json()["id"]
        body["capability"] = "notebook.run"
        assert program.post("/api/jobs", json=body).status_code == 403
        assert program.delete(f"/api/jobs/{job}").status_code == 200
    call("audited", secret).register().close()
    who = f"token {number} of {served.workbench.user.name}"
    wanted = {
        ("jobs.submit", f"{job} served.wait", "ok"),
        ("jobs.submit", "notebook.run", "403"),
        ("jobs.cancel", str(job), "ok"),
        ("agents.register", "audited", "ok"),
    }

    def found() -> set[tuple[str, str, str]]:
        rows = [each for each in audit(client) if each["who"] == who]
        return {(each["action"], each["subject"], each["outcome"]) for each in rows}

    until(lambda: wanted <= found())
    newest, *_ = audit(client, limit=1)
    assert all(each["id"] < newest["id"] for each in audit(client, before=newest["id"]))


def test_the_audit_log_is_one_s_own(served: Served, client: Any) -> None:
    """Others see nothing of it; administrators see all."""
    security = served.workbench.security
    person = next((each for each in security.users() if each.name == "onlooker"), None)
    person = person or security.add_user("onlooker", "a long password")
    with served.client(served.token("read", user_id=person.user_id)) as other:
        assert other.get("/api/audit").json() == {"entries": []}
        assert other.get("/api/audit", params={"all": True}).status_code == 403
        assert other.get("/api/audit", params={"limit": 0}).status_code == 422
    client.post("/api/jobs", json={"capability": "served.count"})
    until(lambda: audit(client, all=True))
    assert json.dumps(audit(client)).count("fk_") == 0
