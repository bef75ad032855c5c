"""Plans as jobs: side by side, each step once, and from where they stood."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel import JobHandle, Workbench
from fraktal_kernel.agents.plans.model import Step
from fraktal_kernel.agents.plans.picture import graph
from fraktal_kernel.agents.plans.standing import Part, Standing, StepStanding
from fraktal_kernel.core.jobs.model import JobView
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.run import Child, Run
from fraktal_kernel.errors import InvalidInput

PATIENCE_S = 180


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorkbench]:
    """Open a workbench with workers."""
    data, modules = tmp_path_factory.mktemp("bench"), ["tests.capabilities"]
    with Workbench.open(data=data, capability_modules=modules, workers=3) as workbench:
        assert isinstance(workbench, LocalWorkbench)
        yield workbench


def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


def echo(name: str, text: str = "", **more: Any) -> dict[str, Any]:
    """Make a step that says something."""
    return {"id": name, "capability": "test.echo", "params": {"text": text or name}, **more}


def run(bench: LocalWorkbench, *steps: dict[str, Any], **plan: Any) -> JobHandle:
    """Submit a plan."""
    return bench.submit("plan.run", plan={"name": "test", "steps": list(steps), **plan})


def ended(job: JobHandle) -> JobView:
    """Wait for the end of a job, whatever it is."""
    until(lambda: job.refresh().ended)
    return job.refresh()


def states(bench: LocalWorkbench, job: JobHandle) -> dict[str, str]:
    """Return how the steps stand, as the drawing tells it."""
    drawn = graph(bench.jobs.get(job.id), bench.jobs.children(job.id))
    return {node.id: node.state for node in drawn.nodes}


def test_results_travel_through_the_graph(bench: LocalWorkbench) -> None:
    """One step's result is another's input; a list fans out and comes together in its order."""
    job = run(
        bench,
        echo("first", "${inputs.word}"),
        echo("each", "${first.result.text}-${item}-${index}", each="${inputs.items}"),
        echo("last", "all: ${each.result}", after=["first"]),
        echo("never", when="first.result.text != 'so'"),
        echo("hungry", "${never.result.text}"),
        echo("anyway", "${never.state}", after=["never"]),
        inputs={"word": "so", "items": ["a", "b"]},
    )
    steps = job.wait(PATIENCE_S)["steps"]
    assert [each["text"] for each in steps["each"]["result"]] == ["so-a-0", "so-b-1"]
    assert steps["last"]["result"]["text"] == 'all: [{"text": "so-a-0"}, {"text": "so-b-1"}]'
    assert {name for name, step in steps.items() if step["state"] == "skipped"} == {
        "never",
        "hungry",
    }
    assert steps["anyway"]["result"] == {"text": "skipped"}
    assert len(steps["each"]["job"]) == 2 and steps["never"]["job"] is None
    assert states(bench, job) == {name: step["state"] for name, step in steps.items()}
    children = bench.jobs.children(job.id)
    assert set(children) == {"first", "each[0]", "each[1]", "last", "anyway"}
    assert children["each[0]"].asked_by == "plan 'test', step 'each'"


def test_steps_run_side_by_side_and_no_more_than_allowed(
    bench: LocalWorkbench, tmp_path: Path
) -> None:
    """Two that wait for one another's sign both run; a third waits for its place."""
    gates = [tmp_path / f"gate{n}" for n in range(3)]
    job = bench.submit(
        "plan.run",
        plan={
            "at_once": 2,
            "steps": [
                {"id": f"s{n}", "capability": "test.gate", "params": {"file": str(gate)}}
                for n, gate in enumerate(gates)
            ],
        },
    )
    until(lambda: [*states(bench, job).values()].count("running") == 2)
    assert states(bench, job) == {"s0": "running", "s1": "running", "s2": "planned"}
    for gate in gates:
        gate.write_text("100")
    job.wait(PATIENCE_S)
    assert job.refresh().attempt == 1 and len(bench.jobs.children(job.id)) == 3


def test_a_retry_pays_for_nothing_twice(bench: LocalWorkbench, tmp_path: Path) -> None:
    """What succeeded is kept, its job and its cost with it; what failed is done anew."""
    file = tmp_path / "tries"
    job = run(
        bench,
        {"id": "paid", "capability": "test.talk"},
        {
            "id": "fails",
            "capability": "test.fail",
            "params": {"file": str(file), "kind": "input", "times": 1},
            "after": ["paid"],
        },
        {"id": "after", "capability": "test.talk", "after": ["fails"]},
    )
    view = ended(job)
    first = bench.jobs.children(job.id)
    assert view.state == "failed" and view.cost == 0.75
    assert "step 'fails' failed (job" in (view.error or "")
    assert "given nonsense, expected sense" in (view.error or "")
    assert states(bench, job) == {"paid": "succeeded", "fails": "failed", "after": "planned"}
    again = bench.job(job.retry().id)
    steps = again.wait(PATIENCE_S)["steps"]
    second = bench.jobs.children(job.id)
    assert second["paid"].id == first["paid"].id == steps["paid"]["job"]
    assert second["fails"].id != first["fails"].id
    assert again.refresh().cost == 1.5 and steps["paid"]["attempts"] == 1


def test_a_step_is_tried_as_often_as_it_may(bench: LocalWorkbench, tmp_path: Path) -> None:
    """The next try is another job; when one succeeds the step has, and a rerun keeps that."""
    file = tmp_path / "tries"
    bad = {"file": str(file), "kind": "input", "times": 2}
    job = run(bench, {"id": "a", "capability": "test.fail", "params": bad, "attempts": 3})
    step = job.wait(PATIENCE_S)["steps"]["a"]
    assert (step["state"], step["result"], step["attempts"]) == ("succeeded", 3, 3)
    assert set(bench.jobs.children(job.id)) == {"a", "a/2", "a/3"}
    file.unlink()
    job = run(bench, {"id": "a", "capability": "test.fail", "params": bad, "attempts": 2})
    assert "tried 2 times" in (ended(job).error or "")


def test_when_a_step_fails_what_runs_ends_and_what_waits_is_stopped(
    bench: LocalWorkbench, tmp_path: Path
) -> None:
    """Nothing is left half done, nothing more is begun, and nobody is asked in vain."""
    gate = tmp_path / "gate"
    job = run(
        bench,
        {"id": "runs", "capability": "test.gate", "params": {"file": str(gate)}},
        {"id": "asks", "ask": "Go on?"},
        {"id": "deed", "capability": "test.deed", "params": {"file": str(tmp_path / "x")}},
        {
            "id": "bad",
            "capability": "test.fail",
            "params": {"file": str(tmp_path / "y"), "kind": "input"},
            "when": "runs.state == 'x' or asks.result == 'no'",
        },
        {"id": "next", "capability": "test.echo", "after": ["runs"]},
    )
    until(lambda: states(bench, job)["runs"] == "running" and len(bench.approvals.list()) == 2)
    deed = next(each for each in bench.approvals.list() if each.kind == "approval")
    assert deed.asked_by == "plan 'test', step 'deed'" and deed.effect
    bench.approvals.deny(deed.id or 0, "no ink")
    until(lambda: states(bench, job)["asks"] == "cancelled")
    assert states(bench, job)["runs"] == "running" and not job.refresh().ended
    gate.write_text("100")
    view = ended(job)
    assert view.state == "failed"
    assert f"step 'deed' was cancelled (job {deed.job_id}): denied by" in (view.error or "")
    assert states(bench, job)["runs"] == "succeeded"
    assert "next" not in bench.jobs.children(job.id) and bench.approvals.list() == []


def test_people_are_asked_and_approve(bench: LocalWorkbench, tmp_path: Path) -> None:
    """A question and a yes are each answered in their place; both wait beside one another."""
    file = tmp_path / "lines"
    job = run(
        bench,
        {"id": "who", "ask": "Who is ${inputs.it}?", "choices": ["ada", "alan"]},
        {"id": "deed", "capability": "test.deed", "params": {"file": str(file), "text": "a"}},
        echo("says", "${who.result}", when="who.result == 'ada' and deed.result == 'a'"),
        inputs={"it": "it"},
        at_once=1,
    )
    until(lambda: len(bench.approvals.list()) == 2)
    question, approval = sorted(bench.approvals.list(), key=lambda each: each.kind, reverse=True)
    assert question.question is not None and question.question.text == "Who is it?"
    drawn = graph(bench.jobs.get(job.id), bench.jobs.children(job.id))
    waits = {node.id: node.waits_for for node in drawn.nodes}
    assert waits == {"who": "question", "deed": "approval", "says": ""}
    bench.jobs.answer(question.job_id, "ada")
    bench.approvals.approve(approval.id or 0, digest=approval.digest)
    assert job.wait(PATIENCE_S)["steps"]["says"]["result"] == {"text": "ada"}
    assert len(file.read_text().splitlines()) == 1


def test_limits_of_time_and_cost(bench: LocalWorkbench) -> None:
    """Over its time all is stopped; over its cost no more is begun. A retry has its time anew."""
    job = run(bench, {"id": "nap", "capability": "test.sleep"}, time_limit_s=1.5)
    error = ended(job).error or ""
    assert "longer than its limit of 1.5 s; not finished: nap" in error
    until(lambda: bench.jobs.children(job.id)["nap"].ended)
    talk = [{"id": n, "capability": "test.talk"} for n in ("a", "b", "c")]
    talk[1]["after"], talk[2]["after"] = ["a"], ["b"]
    job = run(bench, *talk, cost_limit=1)
    error = ended(job).error or ""
    assert "the plan has cost 1.5, more than its limit of 1; not finished: c" in error
    assert set(bench.jobs.children(job.id)) == {"a", "b"}


def test_a_cost_is_a_sum_of_money() -> None:
    """Three times 0.1 is 0.3, and not more than a limit of 0.3."""
    tries = [Child(number, "succeeded", cost=0.1) for number in range(3)]
    step = StepStanding(Step(id="a", capability="test.echo"), parts=[Part(tries=tries)])
    assert Standing({"a": step}).cost == 0.3


def test_a_cancelled_plan_takes_its_children_with_it(bench: LocalWorkbench) -> None:
    """And goes on from where it was when it is retried."""
    job = run(
        bench, echo("a"), {"id": "ask", "ask": "Go on?", "after": ["a"]}, echo("b", after=["ask"])
    )
    until(lambda: states(bench, job)["ask"] == "waiting")
    first = bench.jobs.children(job.id)["a"].id
    job.cancel()
    assert bench.jobs.children(job.id)["ask"].state == "cancelled"
    assert bench.approvals.list() == []
    job = bench.job(job.retry().id)
    until(lambda: states(bench, job)["ask"] == "waiting")
    bench.jobs.answer(bench.jobs.children(job.id)["ask"].id, "yes")
    assert job.wait(PATIENCE_S)["steps"]["a"]["job"] == first


def test_what_a_step_gave_may_not_fit_the_next(bench: LocalWorkbench) -> None:
    """Found out late, said as plainly as at the door."""
    job = run(
        bench, echo("a"), {"id": "b", "capability": "test.echo", "params": {"text": "${a.job}"}}
    )
    assert "step 'b' failed: text: given " in (ended(job).error or "")
    job = run(bench, echo("a"), echo("b", each="${a.result}"))
    assert "step 'b' failed: each: found {'text': 'a'}, expected a list" in (ended(job).error or "")
    job = run(bench, echo("a"), echo("b", when="a.result.text < 3"))
    assert "cannot be decided" in (ended(job).error or "")


def test_a_plan_within_a_plan(bench: LocalWorkbench) -> None:
    """A plan is a capability as well; its children's cost comes up to the outermost."""
    inner = {"plan": {"steps": [{"id": "a", "capability": "test.talk"}]}}
    job = run(bench, {"id": "inner", "capability": "plan.run", "params": inner})
    assert job.wait(PATIENCE_S)["steps"]["inner"]["cost"] == 0.75
    assert job.refresh().cost == 0.75


def test_the_drawing_reads_from_left_to_right(bench: LocalWorkbench) -> None:
    """Each step one layer behind the last that it waits for; edges say whether data flows."""
    job = run(
        bench,
        echo("a"),
        echo("b", "${a.result.text}"),
        echo("c", after=["b", "a"]),
        echo("d"),
        echo("e", after=["d"], each=["x", "y"]),
    )
    job.wait(PATIENCE_S)
    drawn = graph(bench.jobs.get(job.id), bench.jobs.children(job.id))
    nodes = {node.id: node for node in drawn.nodes}
    assert {name: node.layer for name, node in nodes.items()} == {
        "a": 0,
        "b": 1,
        "c": 2,
        "d": 0,
        "e": 1,
    }
    assert len({(node.layer, node.row) for node in drawn.nodes}) == 5 and drawn.layers == 3
    kinds = {(edge.start, edge.end): edge.kind for edge in drawn.edges}
    assert kinds == {
        ("a", "b"): "data",
        ("b", "c"): "order",
        ("a", "c"): "order",
        ("d", "e"): "order",
    }
    assert (nodes["e"].calls, nodes["e"].done, nodes["e"].progress) == (2, 2, 1.0)
    assert nodes["a"].duration_s is not None and nodes["a"].ended_at is not None
    with pytest.raises(InvalidInput, match="expected a plan's job"):
        graph(bench.jobs.children(job.id)["a"], {})


def test_another_agent_is_tried_next() -> None:
    """A try avoids all places where those before it failed, and a wanted agent is no choice."""
    from fraktal_kernel.agents.plans.model import Plan
    from fraktal_kernel.agents.plans.standing import look

    tries = {
        "a": Child(1, "failed", error="no", ran_on="box"),
        "a/2": Child(2, "failed", error="no"),
    }
    for agent, avoid in (("", ("box", "")), ("box", ())):
        plan = Plan.model_validate({"steps": [echo("a", attempts=3, agent=agent)]})
        (wanted,) = look(plan, {}, tries.get).wanted
        assert (wanted.name, wanted.agent, wanted.avoid) == ("a/3", agent, avoid)
    kept = {"a": tries["a"], "a/3": Child(3, "succeeded", result=7)}
    assert look(plan, {}, kept.get).steps["a"].result == 7


def test_a_direct_call_does_a_plan_at_once(tmp_path: Path) -> None:
    """Without a workbench a plan is done in this process, one step after the other."""
    from fraktal_kernel import capabilities

    wanted = capabilities["plan.run"]
    plan = {
        "steps": [
            echo("a"),
            {"id": "b", "ask": "Well?", "after": ["a"]},
            echo("c", "${b.result}", each=[1, 2]),
        ]
    }
    done = wanted(wanted.validate({"plan": plan}), Run.detached(ask=lambda text, choices: "yes"))
    assert done.steps["c"].result == [{"text": "yes"}, {"text": "yes"}]
