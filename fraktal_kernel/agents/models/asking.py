"""Asking the language models of the settings, one after the other, until one has answered.

The asking itself is pydantic-ai's: its models, its fallback, its time limits. What is added: a
model that breaks off in the middle is given up as well, an answer without end is cut, and each
model that did not answer is named with the reason.
"""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
from openai import AsyncOpenAI
from opentelemetry.trace import get_current_span
from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import FallbackExceptionGroup
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings, InstrumentedModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles import ModelProfile, merge_profile
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from typing_extensions import override

from fraktal_kernel.agents.models.failures import NoAnswer, why
from fraktal_kernel.agents.models.offline import stream_offline
from fraktal_kernel.agents.models.spec import ModelSpec, price
from fraktal_kernel.core.tracing.model import COST
from fraktal_kernel.errors import Unavailable

#: A dead server on this computer is found out at once, within 50 ms with all that goes with it;
#: one far away gets a moment.
CONNECT_LOCAL_S, CONNECT_S = 0.035, 5.0
#: So long the system itself has to connect to one on this computer; it is done in no time.
LOOK_S = 0.005
#: An answer longer than this, thoughts and arguments included, is cut.
ANSWER_MAX_CHARS = 200_000
#: What each model has of its own; given with a question, it would win over that.
LIMITS = ("first_event_timeout", "request_timeout")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One model that was asked, and what came of it; no reason where it answered."""

    model: str
    seconds: float
    reason: str = ""


@dataclass(slots=True)
class Asked:
    """What a question led to.

    Parameters
    ----------
    model : who answered, as the settings name it
    attempts : all who were asked, in their order
    cut : whether the answer was longer than it may be
    """

    response: ModelResponse
    model: str
    attempts: list[Attempt] = field(default_factory=list)
    cut: bool = False


_models: dict[tuple[ModelSpec, float | None, float | None], Model] = {}


def model_of(spec: ModelSpec, limits: ModelSettings) -> Model:
    """Make the model that a name stands for, once in a process: its connections stay open.

    Parameters
    ----------
    limits : the time limits of all models; its own one wins
    """
    first_s, whole_s = limits.get("first_event_timeout"), limits.get("request_timeout")
    if spec.timeout_s is not None:
        whole_s = spec.timeout_s
        first_s = whole_s if first_s is None else min(first_s, whole_s)
    key = spec, first_s, whole_s
    if key not in _models:
        own = ModelSettings()
        if first_s is not None:
            own["first_event_timeout"] = first_s
        if whole_s is not None:
            own["request_timeout"] = whole_s
        _models[key] = InstrumentedModel(_make(spec, own), _Figures())
    return _models[key]


class _Local(httpx2.AsyncHTTPTransport):
    """The way to a server on this computer, which is not taken for dead where we are late.

    On a busy machine it may be longer than the limit before we look whether it has taken the
    connection. The system, asked without our event loop, knows at once.
    """

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await super().handle_async_request(request)
        except httpx2.ConnectTimeout:
            if not _takes_connections(request.url):
                raise
        limits = {**request.extensions["timeout"], "connect": CONNECT_S}
        request.extensions = {**request.extensions, "timeout": limits}
        return await super().handle_async_request(request)


def _takes_connections(url: httpx2.URL) -> bool:
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        with socket.create_connection((url.host, port), timeout=LOOK_S):
            return True
    except OSError:
        return False


class _Figures(InstrumentationSettings):
    """What the span of a question tells: model, tokens and times, and nothing that was said."""

    def __init__(self) -> None:
        super().__init__(include_content=False, include_model_request_parameters=False)

    @override
    def handle_messages(self, *_: Any, **__: Any) -> None:
        """Leave even the outline of the messages out: with each question there is more of it."""


def _make(spec: ModelSpec, limits: ModelSettings) -> Model:
    if spec.offline:
        return FunctionModel(stream_function=stream_offline, model_name=spec.spec, settings=limits)
    if spec.lacks_key:
        return FunctionModel(stream_function=_keyless, model_name=spec.spec, settings=limits)
    connect = CONNECT_LOCAL_S if spec.local else CONNECT_S
    # Certificates take 50 ms to load, and plain http, which is not led elsewhere, has none.
    verify = not spec.url.startswith("http://")
    client = AsyncOpenAI(
        base_url=spec.url,
        api_key=spec.key or "none",
        max_retries=0,  # the next model is the retry
        timeout=httpx2.Timeout(None, connect=connect),  # the rest is limited by the settings
        http_client=httpx2.AsyncClient(
            trust_env=not spec.local,
            verify=verify,
            transport=_Local(verify=verify) if spec.local else None,
        ),
    )
    kind = OllamaProvider if spec.spec.startswith("ollama:") else OpenAIProvider
    provider = kind(openai_client=client)
    # Schemas go as they are: to rewrite those of all tools for each question takes as long as the
    # rest of it, and is needed for strict tools alone, which ours are not.
    as_it_is = merge_profile(
        provider.model_profile(spec.name), ModelProfile(json_schema_transformer=None)
    )
    return OpenAIChatModel(spec.name, provider=provider, profile=as_it_is, settings=limits)


async def _keyless(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
    """Fail before the way to a server that would refuse us."""
    raise NoAnswer("it has no key; set OPENAI_API_KEY or model_keys")
    yield ""  # which makes it a stream


async def ask(
    specs: Sequence[ModelSpec],
    messages: list[ModelMessage],
    parameters: ModelRequestParameters,
    settings: ModelSettings,
    on_model: Callable[[str, Sequence[Attempt]], None],
    on_text: Callable[[str], None],
    prices: Mapping[str, Sequence[float]] | None = None,
) -> Asked:
    """Ask models in their order.

    Parameters
    ----------
    settings : with the time limits of models that have none of their own
    on_model : told each time that a model begins to answer, and who failed before it; what was
        said before is void
    on_text : told each piece of the answer
    prices : by model, as :func:`~.spec.price` takes them; what it cost is told on the span

    Raises
    ------
    Unavailable
        none of them answered; the sentence names each with its reason
    """
    left = list(specs)
    rest = settings.copy()
    for limit in LIMITS:
        rest.pop(limit, None)  # type: ignore[misc]
    attempts: list[Attempt] = []
    while left:
        began = [time.monotonic()]
        failed: list[Attempt] = []

        def give_up(
            error: Exception,
            left: list[ModelSpec] = left,
            began: list[float] = began,
            failed: list[Attempt] = failed,
        ) -> bool:
            now = time.monotonic()
            failed.append(Attempt(left[len(failed)].spec, now - began[0], why(error)))
            began[0] = now
            return True

        chain = FallbackModel(*[model_of(spec, settings) for spec in left], fallback_on=[give_up])
        try:
            async with model_request_stream(
                chain, messages, model_settings=rest, model_request_parameters=parameters
            ) as stream:
                on_model(left[len(failed)].spec, [*attempts, *failed])
                cut = False
                room = ANSWER_MAX_CHARS
                async for event in stream:
                    piece, spoken = _piece(event)
                    room -= len(piece)
                    if spoken and piece:
                        on_text(piece)
                    if room < 0:
                        cut = True
                        break
                response = _whole(stream.get(), cut)
                _tell_cost(left[len(failed)].spec, response, prices or {})
                ended = "finish_reason" in (response.provider_details or {})
                if not (cut or ended or left[len(failed)].offline):
                    raise NoAnswer("it broke off in the middle")
        except FallbackExceptionGroup:
            attempts += failed
            break
        except Exception as error:  # in the middle of an answer
            give_up(error)
        else:
            model = left[len(failed)].spec
            attempts += [*failed, Attempt(model, time.monotonic() - began[0])]
            return Asked(response, model, attempts, cut)
        attempts += failed
        left = left[len(failed) :]
    reasons = "; ".join(f"{each.model}: {each.reason}" for each in attempts)
    raise NoneAnswered(attempts, f"no language model answered ({reasons}).")


class NoneAnswered(Unavailable):
    """No model answered; the attempts say why."""

    def __init__(self, attempts: list[Attempt], sentence: str) -> None:
        super().__init__(sentence)
        self.attempts = attempts


def _tell_cost(model: str, response: ModelResponse, prices: Mapping[str, Sequence[float]]) -> None:
    """Write what an answer cost on the span of its question, which is still open."""
    cost = price(prices, model, response.usage.input_tokens, response.usage.output_tokens)
    if cost:
        get_current_span().set_attribute(COST, cost)


def _piece(event: Any) -> tuple[str, bool]:
    """Return what an event adds to an answer, and whether that is spoken to the person."""
    match event:
        case PartStartEvent(part=TextPart(content=text)):
            return text, True
        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
            return text, True
        case PartStartEvent(part=ToolCallPart(args=args)):
            return str(args or ""), False
        case PartDeltaEvent(delta=ToolCallPartDelta(args_delta=args)):
            return str(args or ""), False
        case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=text)):
            return text or "", False
    return "", False


def _whole(response: ModelResponse, cut: bool) -> ModelResponse:
    """Check what came: something has to, and of what was cut only its words can be used."""
    if cut:
        response.parts = [
            TextPart(part.content[:ANSWER_MAX_CHARS])
            for part in response.parts
            if isinstance(part, TextPart)
        ]
    said = any(
        isinstance(part, ToolCallPart) or (isinstance(part, TextPart) and part.content.strip())
        for part in response.parts
    )
    if not said:
        raise NoAnswer("it answered with more than can be used" if cut else "it said nothing")
    return response
