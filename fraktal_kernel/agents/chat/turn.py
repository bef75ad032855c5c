"""One turn of a conversation: ask a model, do what it calls for, ask again, until it has answered.

The turn is a job. Each question to a model is a journaled step, and each call of a capability is a
child job, for which the turn lets go of its worker: a call may take days, or wait for a person.
pydantic-ai's own durable agents hold a process while a tool runs, so their loop is not used here;
its models, messages and streams are. A turn that was killed finds its answers and its children
again, and pays for nothing twice.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from opentelemetry.trace import get_tracer
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.settings import ModelSettings

from fraktal_kernel.agents.chat.capabilities import ChatTurn
from fraktal_kernel.agents.chat.instructions import INSTRUCTIONS, STOPPED
from fraktal_kernel.agents.chat.questioning import Questioning
from fraktal_kernel.agents.chat.tools import (
    Tool,
    offered,
    result_text,
    shortened,
    shown_result,
    tool_name,
    tools_for,
)
from fraktal_kernel.agents.chat.transcript import Part, add, text_of
from fraktal_kernel.agents.models.asking import Attempt, NoneAnswered, ask
from fraktal_kernel.agents.models.loop import wait_for
from fraktal_kernel.agents.models.spec import OFFLINE, ModelSpec
from fraktal_kernel.agents.offline import understand
from fraktal_kernel.agents.offline.questions import questions
from fraktal_kernel.core.capability import Capability, Run
from fraktal_kernel.core.run import Child
from fraktal_kernel.errors import FraktalError, InvalidInput

#: How often words that have come are passed on.
TELL_S = 0.05
#: How much is told at once: each character may take six bytes as JSON.
SAID_CHARS = 8000
#: What a model may ask the workbench itself; what changes a job is a person's own word.
LOOKING = frozenset({"workbench.jobs", "workbench.job", "workbench.log", "workbench.result"})


@dataclass(frozen=True, slots=True)
class Call:
    """A capability that a model wants to have run."""

    id: str
    request: int
    place: int
    tool: str
    capability: str
    arguments: dict[str, Any]
    fault: str = ""


class Turn:
    """One turn; :meth:`take` does it, from its beginning or from where it was left."""

    def __init__(self, params: ChatTurn, run: Run) -> None:
        self._params = params
        self._run = run
        self._parts: list[Part] = []
        self._untold: deque[str] = deque()
        self._telling = threading.Lock()
        self._told_at = 0.0
        self._calls = 0
        self._tokens = [0, 0]
        self._cost: float | None = 0.0
        self._seconds = 0.0
        self._cached: list[bool] = []
        self._model = ""
        self._questioning = Questioning()

    def take(self) -> dict[str, Any]:
        """Take the turn to its end; returns what came of it."""
        params = self._params
        self._place = self._run.request(
            "chat.open",
            text=params.text,
            conversation=params.conversation,
            parent=params.parent,
        )
        past = messages_of(self._place["history"])
        new: list[ModelMessage] = []
        for number in count(1):
            value = self._run.step("model", partial(self._ask, number, [*past, *new]))
            response = self._heard(number, value)
            new.append(response)
            calls = self._calls_in(number, response, value)
            if not calls:
                break
            new.append(ModelRequest(parts=self._done(calls)))
            if stop := self._over(number):
                self._tell({"say": "note", "request": number, "text": stop})
                break
        return self._finish(new)

    def _over(self, number: int) -> str:
        """Say which limit of the settings forbids another question, if one does."""
        if number >= self._place["max_requests"]:
            return (
                f"The turn ends here: it has asked {number} times, which is all that "
                "chat_max_requests allows."
            )
        if sum(self._tokens) >= self._place["max_tokens"]:
            return (
                f"The turn ends here: it has used {sum(self._tokens):,} tokens of the "
                f"{self._place['max_tokens']:,} that chat_max_tokens allows."
            )
        return ""

    # ------------------------------------------------------------------ models

    def _ask(self, number: int, messages: list[ModelMessage]) -> dict[str, Any]:
        """Ask the models, or what was kept of their answers; the step's value."""
        began = time.monotonic()
        tools = self._tools(messages)
        digest, parameters = self._questioning.ask(messages, tools)
        known = self._run.request("chat.before", digest=digest, fresh=self._params.fresh)
        resting = [
            f"{model} rests for {left:.0f} s after several failures"
            for model, left in known["resting"].items()
        ]
        specs = [ModelSpec(**each) for each in known["models"]]
        if known["kept"] is not None:
            self._span_of_kept(specs[0].spec)
            notes = _notes(resting, [], specs[0].spec)
            self._say({"say": "request", "request": number, "model": specs[0].spec})
            kept = {"response": known["kept"], "model": specs[0].spec, "cached": True, "cost": 0.0}
            for note in notes:
                self._say({"say": "note", "request": number, "text": note})
            used = {"tokens": [0, 0], "seconds": time.monotonic() - began}
            return {**kept, **used, "notes": notes, "tools": [tool.capability for tool in tools]}
        settings = ModelSettings(
            request_timeout=known["timeout_s"], first_event_timeout=known["first_token_s"]
        )
        begun = partial(self._begun, number, resting)
        told, prices = self._untold.append, known["prices"]
        work = ask(specs, messages, parameters, settings, begun, told, prices)
        try:
            asked = wait_for(work, partial(self._pass_on, number))
        except NoneAnswered as error:
            self._after(digest, error.attempts, None, 0, 0)
            raise
        self._pass_on(number, all_of_it=True)
        response = asked.response
        kept_json = ModelMessagesTypeAdapter.dump_python([response], mode="json")[0]
        tokens = [response.usage.input_tokens, response.usage.output_tokens]
        keep = None if asked.cut else kept_json
        cost = self._after(digest, asked.attempts, keep, *tokens)
        if cost:
            self._run.spend(cost)
        notes = _notes(resting, asked.attempts[:-1], asked.model)
        if asked.cut:
            notes.append(f"The answer of {asked.model} was longer than it may be; it is cut.")
            self._say({"say": "note", "request": number, "text": notes[-1]})
        return {
            "response": kept_json,
            "model": asked.model,
            "cached": False,
            "cost": cost,
            "tokens": tokens,
            "seconds": time.monotonic() - began,
            "notes": notes,
            "tools": [tool.capability for tool in tools],
        }

    @staticmethod
    def _span_of_kept(model: str) -> None:
        """Record that an answer was kept, where the question to a model would stand."""
        span = get_tracer("fraktal.chat").start_span(f"kept answer of {model}")
        span.set_attribute("gen_ai.operation.name", "chat")
        span.set_attribute("gen_ai.request.model", model)
        span.end()

    def _tools(self, messages: Sequence[ModelMessage]) -> list[Tool]:
        looking = {name: item for name, item in questions.items() if name in LOOKING}
        texts = [
            part.content
            for message in messages
            for part in message.parts
            if isinstance(part, UserPromptPart) and isinstance(part.content, str)
        ]
        used = [
            part.tool_name.replace("-", ".")
            for message in messages
            for part in message.parts
            if isinstance(part, ToolCallPart)
        ]
        return tools_for(texts, offered(looking), used)

    def _after(
        self,
        digest: str,
        attempts: Sequence[Attempt],
        response: Any,
        tokens_in: int,
        tokens_out: int,
    ) -> float | None:
        cost: float | None = self._run.request(
            "chat.after",
            digest=digest,
            attempts=[asdict(each) for each in attempts],
            response=response,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
        )
        return cost

    def _begun(
        self, number: int, resting: list[str], model: str, failed: Sequence[Attempt]
    ) -> None:
        """Take note that a model begins to answer; called beside the job's own thread."""
        with self._telling:
            self._untold.clear()
            self._say({"say": "request", "request": number, "model": model})
            for note in _notes(resting, failed, model):
                self._say({"say": "note", "request": number, "text": note})

    def _pass_on(self, number: int, all_of_it: bool = False) -> None:
        """Tell what has come since, a few times a second."""
        self._run.check_cancelled()
        now = time.monotonic()
        if not self._untold or (not all_of_it and now - self._told_at < TELL_S):
            return
        with self._telling:
            self._told_at = now
            text = ""
            while self._untold:
                text += self._untold.popleft()
            for start in range(0, len(text), SAID_CHARS):
                piece = text[start : start + SAID_CHARS]
                self._say({"say": "text", "request": number, "text": piece})

    def _heard(self, number: int, value: Mapping[str, Any]) -> ModelResponse:
        """Take in what a step brought, now or before a crash."""
        self._model = value["model"]
        self._cached.append(value["cached"])
        self._seconds += value["seconds"]
        self._tokens = [old + new for old, new in zip(self._tokens, value["tokens"], strict=True)]
        if self._cost is not None:
            self._cost = None if value["cost"] is None else self._cost + value["cost"]
        response = ModelMessagesTypeAdapter.validate_python([value["response"]])[0]
        assert isinstance(response, ModelResponse)
        add(self._parts, {"say": "request", "request": number, "model": value["model"]})
        for note in value["notes"]:
            add(self._parts, {"say": "note", "request": number, "text": note})
        for part in response.parts:
            if isinstance(part, TextPart) and part.content.strip():
                add(self._parts, {"say": "text", "request": number, "text": part.content})
        return response

    # ------------------------------------------------------------------ calls

    def _calls_in(
        self, number: int, response: ModelResponse, value: Mapping[str, Any]
    ) -> list[Call]:
        """Read what a model calls for; what it may not call, or not so, keeps its fault."""
        own = [*offered(), *questions] if value["model"] == OFFLINE else value["tools"]
        allowed = {tool_name(name): name for name in own}
        found = []
        for place, part in enumerate(response.parts):
            if not isinstance(part, ToolCallPart):
                continue
            fault, arguments = "", {}
            try:
                arguments = part.args_as_dict(raise_if_invalid=True)
            except (ValueError, AssertionError):
                fault = "the arguments are no JSON object; send them again as one."
            if part.tool_name not in allowed:
                fault = f"there is no tool {part.tool_name[:80]!r}; use one of those offered."
            self._calls += 1
            if self._calls > self._place["max_calls"]:
                fault = (
                    f"this turn has called {self._place['max_calls']} capabilities, which is all "
                    "that chat_max_calls allows; answer with what there is."
                )
            capability = allowed.get(part.tool_name, part.tool_name)
            call_id = part.tool_call_id or f"{number}.{place}"
            found.append(Call(call_id, number, place, part.tool_name, capability, arguments, fault))
        return found

    def _done(self, calls: Sequence[Call]) -> list[ToolReturnPart]:
        """Do all calls of one answer side by side; lets go of the worker until each has ended."""
        outcomes = [self._begin(call) for call in calls]
        if any(outcome is None for outcome in outcomes):
            self._run.pause()
        parts = []
        for call, outcome in zip(calls, outcomes, strict=True):
            assert outcome is not None
            parts.append(
                ToolReturnPart(
                    tool_name=call.tool,
                    content=result_text({**outcome, "sentence": None}),
                    tool_call_id=call.id,
                    metadata={"sentence": outcome.get("sentence", "")},
                )
            )
        return parts

    def _begin(self, call: Call) -> dict[str, Any] | None:
        """Begin one call, or look how it stands; None while it goes on."""
        if call.fault:
            return self._told(call, {"state": "refused", "error": call.fault})
        if call.capability in questions:
            return self._look(call)
        try:
            item = offered()[call.capability]
            checked = item.validate(call.arguments, roots=[Path(self._place["data"])])
            child = self._run.begin(
                call.capability,
                checked.model_dump(mode="json"),
                name=f"{call.request}.{call.place}",
                asked_by=f"the chat, as {self._model} wants it",
            )
        except InvalidInput as error:
            return self._told(call, {"state": "refused", "error": str(error)})
        except KeyError:
            return self._told(call, {"state": "refused", "error": "it is not there any more."})
        if not child.ended:
            self._told(call, self._waiting(child, item))
            return None
        return self._told(call, self._ended(child, item))

    def _waiting(self, child: Child, item: Capability) -> dict[str, Any]:
        state = "waits for approval" if item.effect else "runs"
        return {"state": state, "job": child.id}

    def _ended(self, child: Child, item: Capability) -> dict[str, Any]:
        outcome = self._run.request("chat.outcome", job=child.id)
        files = [file["name"] for file in outcome["artifacts"]]
        told = f"{item.title}: job {child.id} {_past(child.state)}"
        if child.error:
            told += f": {child.error}"
        elif files:
            told += f"; it made {', '.join(files)}"
        return {
            "state": child.state,
            "job": child.id,
            "result": child.result,
            "error": child.error or "",
            "artifacts": outcome["artifacts"],
            "sentence": told if told.endswith(".") else f"{told}.",
        }

    def _look(self, call: Call) -> dict[str, Any]:
        """Let the workbench answer at once; journaled, since some of it changes a job."""
        text = self._params.text
        language = understand(text, {}).language

        def look() -> dict[str, Any]:
            try:
                found: dict[str, Any] = self._run.request(
                    "chat.look",
                    capability=call.capability,
                    arguments=call.arguments,
                    language=language,
                )
            except FraktalError as error:
                return {"state": "failed", "error": str(error), "sentence": str(error)}
            return {
                "state": "succeeded",
                "result": shown_result(found["data"]),
                "sentence": found["reply"],
                "artifacts": found["artifacts"],
            }

        return self._told(call, self._run.step("look", look))

    def _told(self, call: Call, outcome: dict[str, Any]) -> dict[str, Any]:
        """Tell how a call stands."""
        shown = {
            "say": "call",
            "request": call.request,
            "id": f"{call.request}.{call.place}",  # a model may give each of its calls one name
            "capability": call.capability,
            "arguments": shown_result(call.arguments),
            **outcome,
            "result": shown_result(outcome.get("result")),
            "error": shortened(outcome.get("error", "")),
        }
        self._tell(shown)
        if outcome["state"] == "refused":
            outcome = {**outcome, "sentence": f"That was refused: {outcome['error']}"}
        return outcome

    # ------------------------------------------------------------------ the end

    def _say(self, payload: dict[str, Any]) -> None:
        self._run.say(payload)

    def _tell(self, payload: dict[str, Any]) -> None:
        add(self._parts, payload)
        self._say(payload)

    def _finish(self, new: Sequence[ModelMessage]) -> dict[str, Any]:
        details = {
            "parts": self._parts,
            "model": self._model,
            "cached": all(self._cached),
            "tokens_in": self._tokens[0],
            "tokens_out": self._tokens[1],
            "seconds": round(self._seconds, 3),
        }
        self._run.request(
            "chat.finish",
            answer=self._place["answer"],
            details=details,
            memory=ModelMessagesTypeAdapter.dump_python(list(new), mode="json"),
            cost=self._cost,
        )
        return {
            "conversation": self._place["conversation"],
            "message": self._place["answer"],
            "text": text_of(self._parts),
            "model": self._model,
            "cached": details["cached"],
            "tokens_in": self._tokens[0],
            "tokens_out": self._tokens[1],
            "cost": self._cost,
        }


def _past(state: str) -> str:
    return {"succeeded": "is done", "failed": "failed", "cancelled": "was not done"}[state]


def _notes(resting: Sequence[str], failed: Sequence[Attempt], model: str) -> list[str]:
    """Say which models did not answer, and who did."""
    reasons = [*resting, *(f"{each.model} did not answer ({each.reason})" for each in failed)]
    if not reasons:
        return []
    return [f"{', and '.join(reasons)}, so {model} answered."]


def messages_of(history: Sequence[Mapping[str, Any]]) -> list[ModelMessage]:
    """Turn the messages of a conversation into what a model is shown."""
    messages: list[ModelMessage] = []
    for each in history:
        if each["role"] == "user":
            messages.append(
                ModelRequest(parts=[UserPromptPart(each["text"])], instructions=INSTRUCTIONS)
            )
        elif each["memory"]:
            messages += ModelMessagesTypeAdapter.validate_python(each["memory"])
        else:  # stopped or failed: what a person has seen of it
            text = f"{each['text']}\n{STOPPED}".strip()
            messages.append(ModelResponse(parts=[TextPart(text)]))
    return messages
