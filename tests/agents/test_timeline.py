"""A plan whose steps an agent elsewhere does, with a question in between, is one trace."""

from __future__ import annotations

from pathlib import Path

from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.core.workbench import Workbench
from tests.agents.fleet import agent
from tests.core.tracing.test_timeline import check_shape
from tests.system.serving import Serving, until

MODULES = '["tests.core.tracing.traced_capabilities"]'
PLAN = {
    "name": "supper",
    "steps": [
        {"id": "cook", "capability": "traced.records", "agent": "stove"},
        {"id": "taste", "ask": "Is it good?", "after": ["cook"]},
        {"id": "serve", "capability": "traced.steps", "after": ["taste"]},
    ],
}
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_plan_on_an_agent_with_a_question_is_one_timeline(tmp_path: Path) -> None:
    """The agent's steps and what it recorded stand below its attempt; the person has a bar."""
    server = Serving(tmp_path / "data", capability_modules=MODULES).start()
    try:
        with agent(server, "stove", "--offers", "traced.*"):
            workbench = Workbench.open(
                load_settings(data=tmp_path / "data", capability_modules=[MODULES[2:-2]])
            )
            assert isinstance(workbench, RemoteWorkbench)
            until(lambda: [one.state for one in workbench.agents.list()] == ["online"])
            body = {"capability": "plan.run", "params": {"plan": PLAN}}
            headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
            job = workbench.jobs.ask("POST", "/api/jobs", json=body, headers=headers)["id"]
            until(lambda: [each.kind for each in workbench.approvals.list()] == ["question"])
            (asked,) = workbench.approvals.list()
            workbench.jobs.answer(asked.job_id, "yes")
            workbench.job(job).wait(120)
            timeline = workbench.job(job).spans()
            workbench.close()
    finally:
        server.close()
    assert timeline.trace_id == TRACE
    check_shape(timeline)
    names = {span.name: span for span in timeline.spans}
    assert names["waits for a person: Is it good?"].attributes["answer"] == "yes"
    attempt = next(
        span for span in timeline.spans if span.kind == "attempt" and span.attributes.get("agent")
    )
    assert attempt.attributes["agent"] == "stove"
    assert names["cook"].parent_id == attempt.id
    assert names["boil"].parent_id == names["cook"].id
    assert attempt.ended_at is not None and names["boil"].ended_at is not None
    assert attempt.began_at <= names["boil"].began_at <= names["boil"].ended_at
    jobs = [span for span in timeline.spans if span.kind == "job"]
    assert [span.name for span in jobs] == [
        "plan.run",
        "traced.records",
        "plan.ask",
        "traced.steps",
    ]
