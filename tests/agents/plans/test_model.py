"""A plan is refused as a whole, with one sentence, before any of it is done."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel import capabilities
from fraktal_kernel.agents.plans.file import read_plan
from fraktal_kernel.errors import InvalidInput, NotFound
from tests import capabilities as _capabilities  # noqa: F401  what the plans call


def echo(name: str, **more: Any) -> dict[str, Any]:
    """Make a step that says something."""
    return {"id": name, "capability": "test.echo", **more}


def refusal(plan: dict[str, Any], **inputs: Any) -> str:
    """Submit a plan that is refused, and return the sentence."""
    with pytest.raises(InvalidInput) as refused:
        capabilities["plan.run"].validate({"plan": plan, "inputs": inputs}, None)
    sentence = str(refused.value)
    assert "\n" not in sentence and len(sentence) < 400
    return sentence


def test_the_items_of_an_input_are_counted() -> None:
    """A list that an input gives is held to the bound before anything runs."""
    one = [echo("a", each="${inputs.n}", params={"text": "${item}"})]
    two = [*one, {"id": "q", "ask": "Is ${item} good?", "each": "${inputs.n}"}]
    assert "each: given 10,000 items" in refusal({"steps": one}, n=["x"] * 10_000)
    assert "given 2,002 steps with all items" in refusal({"steps": two}, n=["x"] * 1001)


def test_a_plan_without_inputs_says_that_it_has_none() -> None:
    """Who gives an input to it reads a whole sentence."""
    assert refusal({"steps": [echo("a")]}, n=1) == "no input of the plan named 'n'; there are none."


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([], "steps"),
        ([echo("a"), echo("a")], "two steps are called 'a'"),
        ([echo("a", after=["b"])], "waits for 'b', and there is no such step"),
        ([echo("a", params={"text": "${b.result}"})], "waits for 'b', and there is no such step"),
        ([echo("a", after=["b"]), echo("b", after=["a"])], "in a circle: "),
        ([echo("a", after=["a"])], "in a circle: a -> a"),
        ([echo("a", when="b.state == 'x'"), echo("b")], "move 'b' up"),
        ([echo("a", each="${b.result}"), echo("b")], "move 'b' up"),
        ([echo("a"), echo("b", params={"text": "${a.reslt}"})], "of a step there is job, result"),
        ([echo("a", params={"text": "${item}"})], "needs a list to go through"),
        ([echo("a", each=[1], when="item > 1")], "decided before there is an item"),
        ([echo("a", each="b.result")], "expected a list or a reference"),
        ([echo("a", each=5)], "each: given 5; input should be a valid list or a valid string."),
        ([echo("A")], "id"),
        ([echo("lambda")], "rename it"),
        ([echo("item")], "rename it"),
        ([echo("a", ask="Well?")], "needs a capability or a question"),
        ([{"id": "a"}], "needs a capability or a question"),
        ([echo("a", atempts=3)], "atempts: there is no such field"),
        ([{"id": "a", "capability": "test.eco"}], "did you mean 'test.echo'?"),
        ([echo("a", params={"text": 5})], "step 'a': text: given 5"),
        ([echo("a", params={"tex": "5"})], "no parameter of test.echo named 'tex'"),
        ([echo("a"), echo("b", params={"tex": "${a.result}"})], "no parameter of test.echo named"),
        ([echo("a", each=["x", 7], params={"text": "${item}"})], "text: given 7"),
        ([echo("a", each="${inputs.n}", params={"text": "${item}"})], "needs the input n"),
        ([echo("a", agent="../x")], "agent: given '../x'"),
        ([echo("a", each=list(range(2001)))], "given 2,001 steps"),
        (
            [{"id": "a", "capability": "test.deed", "params": {"file": "x"}, "attempts": 2}],
            "which is tried once only",
        ),
        (
            [echo("a"), {"id": "b", "capability": "test.deed", "params": {"text": "${a.result}"}}],
            "step 'b': file: missing",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(steps: list[dict[str, Any]], said: str) -> None:
    """Each fault names its step and says what was expected."""
    assert said in refusal({"steps": steps})


def test_inputs_are_checked_like_parameters() -> None:
    """None too few, none that nobody uses, none of the wrong kind."""
    plan = {"inputs": {"n": 1}, "steps": [echo("a", params={"text": "${inputs.who}"})]}
    assert "needs the input who" in refusal(plan)
    assert "did you mean 'who'?" in refusal(plan, wo="x")
    assert "step 'a': text: given 3" in refusal(plan, who=3)
    capabilities["plan.run"].validate({"plan": plan, "inputs": {"who": "ada"}}, None)


def test_far_too_many_steps_are_refused_at_once() -> None:
    """Ten thousand steps are not looked at one by one; two thousand are, in no time."""
    began = time.process_time()
    sentence = refusal({"steps": [echo(f"s{n}") for n in range(10_000)]})
    assert "given 10,000 steps, expected at most 2,000" in sentence
    chain = [echo(f"s{n}", after=[f"s{n - 1}"] if n else []) for n in range(2000)]
    checked = capabilities["plan.run"].validate({"plan": {"steps": chain}}, None)
    assert [step.id for step in checked.plan.order] == [step["id"] for step in chain]  # type: ignore[attr-defined]
    assert time.process_time() - began < 20, "it grows with the square of the steps"


FILE = """
name: tea
inputs: {when: 2026-11-29, cups: 2}
steps:
  - id: boil
    capability: test.echo
    params: {text: "water for ${inputs.cups}, ${inputs.when}"}
  - id: sugar
    ask: Sugar?
    choices: [yes, no]
    after: [boil]
"""


def test_a_file_is_read_as_it_is_meant(tmp_path: Path) -> None:
    """Dates stay texts, and YAML's yes and no are answers."""
    (tmp_path / "tea.yaml").write_text(FILE)
    plan = read_plan(tmp_path / "tea.yaml")
    assert plan.inputs == {"when": "2026-11-29", "cups": 2}
    assert plan.by_id["sugar"].choices == ["yes", "no"]
    capabilities["plan.run"].validate({"plan": plan.model_dump()}, None)
    (tmp_path / "nameless.yaml").write_text('{"steps": [{"id": "a", "ask": "Well?"}]}')
    assert read_plan(tmp_path / "nameless.yaml").name == "nameless"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x [1]\nb: [*x, *x]", "anchors and aliases"),
        ("steps: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("steps: [", "line 1"),
        ("name: a\nname: b", "'name' is given twice"),
        ("- 1", "expected a plan"),
        ("", "expected a plan"),
        ("1: 2", "is no name"),
        ("[" * 5000, "cannot be read"),
        ("steps: 3", "steps: given 3"),
        ("name: x\x07", "special characters"),
    ],
)
def test_a_file_that_is_no_plan_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    """Bombs, code and nonsense alike."""
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(InvalidInput) as refused:
        read_plan(tmp_path / "bad.yaml")
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    """None there, a folder, too large, no text."""
    with pytest.raises(NotFound, match="there is no file"):
        read_plan(tmp_path / "none.yaml")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_plan(tmp_path)
    (tmp_path / "large.yaml").write_bytes(b"#" * (1024**2 + 1))
    with pytest.raises(InvalidInput, match="more than 1,048,576 bytes"):
        read_plan(tmp_path / "large.yaml")
    (tmp_path / "odd.yaml").write_bytes(b"name: \xff")
    with pytest.raises(InvalidInput, match="no UTF-8"):
        read_plan(tmp_path / "odd.yaml")


def test_a_plan_within_a_plan_is_checked_at_the_door() -> None:
    """What is wrong in it is said at once, with the way down to the step; results may wait."""

    def within(step: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "id": "deep",
            "capability": "plan.run",
            "params": {"plan": {"steps": [step]}} | more,
        }

    wrong = "no parameter of test.echo named 'txt'; did you mean 'text'?"
    bad = echo("a", params={"txt": "x"})
    assert refusal({"steps": [within(bad)]}) == f"step 'deep': step 'a': {wrong}"
    twice = {"steps": [within(within(bad))]}
    assert refusal(twice) == f"step 'deep': step 'deep': step 'a': {wrong}"

    uses = echo("a", params={"text": "$${inputs.who}", "txt": "x"})
    later = {"who": "${first.result.text}"}
    assert refusal({"steps": [echo("first"), within(uses, inputs=later)]}).endswith(wrong)
    del uses["params"]["txt"]
    assert "step 'deep': the plan needs the input who" in refusal({"steps": [within(uses)]})
    assert "named 'whom'" in refusal({"steps": [within(uses, inputs={"whom": 1})]})
    over = within(uses, inputs={"who": "${item}"}) | {"each": ["x", 7]}
    assert "step 'deep': step 'a': text: given 7" in refusal({"steps": [over]})
    for inputs in (later, "${first.result}"):
        plan = {"steps": [echo("first"), within(uses, inputs=inputs)]}
        capabilities["plan.run"].validate({"plan": plan}, None)
