"""Models are asked in their order, over real sockets, and whatever goes wrong is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from fraktal_kernel.agents.models.asking import (
    ANSWER_MAX_CHARS,
    Asked,
    Attempt,
    NoneAnswered,
    ask,
)
from fraktal_kernel.agents.models.loop import wait_for
from fraktal_kernel.agents.models.spec import read_spec
from fraktal_kernel.core.run import Cancelled
from tests.agents.scripted import Call, HangUp, Raw, Said, Script, Status, Wait, says, scripted

OFFLINE = read_spec("offline", {}, {})
HELLO = ModelRequest(parts=[UserPromptPart("hello")])
TOOL = ToolDefinition(name="fractal-render", parameters_json_schema={"type": "object"})


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """Give something that happens only when the test is over, and nobody waits any more."""
    event = threading.Event()
    yield event
    event.set()


def dead_port() -> int:
    """Find a port that refuses connections."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def put(
    *specs: str,
    look: Callable[[], None] = lambda: None,
    told: list[str] | None = None,
    order: list[str] | None = None,
    first_s: float = 30,
    whole_s: float = 60,
) -> Asked:
    """Put one question to models."""
    settings = ModelSettings(request_timeout=whole_s, first_event_timeout=first_s)

    def begins(model: str, failed: object) -> None:
        (order if order is not None else []).append(model)

    say = (told if told is not None else []).append
    parameters = ModelRequestParameters(function_tools=[TOOL])
    return wait_for(
        ask(
            [read_spec(spec, {}, {}) for spec in specs], [HELLO], parameters, settings, begins, say
        ),
        look,
    )


def test_an_answer_comes_piece_by_piece() -> None:
    """What is told as it comes is what the answer holds, with its tokens counted."""
    told: list[str] = []
    with scripted(says("Good ", "mor", "ning.")) as server:
        asked = put(server.spec, "offline", told=told)
    assert told == ["Good ", "mor", "ning."]
    assert asked.response.text == "Good morning."
    assert asked.model == server.spec and [each.reason for each in asked.attempts] == [""]
    assert (asked.response.usage.input_tokens, asked.response.usage.output_tokens) == (11, 7)
    assert server.asked[0]["tools"][0]["function"]["name"] == "fractal-render"


def test_a_call_of_a_tool_arrives_whole() -> None:
    """Arguments that come in pieces are one call."""
    half = Call("fractal-render", '{"scene": "sea'), Call("", 'horse"}')
    with scripted(says(*half)) as server:
        call = put(server.spec).response.tool_calls[0]
    assert (call.tool_name, call.args_as_dict()) == ("fractal-render", {"scene": "seahorse"})


def test_a_dead_server_is_found_out_at_once() -> None:
    """A refused connection is one attempt without a retry, and costs next to no time."""
    spec = f"openai:tiny@http://127.0.0.1:{dead_port()}/v1"
    asked = put(spec, "offline")
    assert [each.model for each in asked.attempts] == [spec, "offline"]
    assert asked.attempts[0].reason == "connection refused"
    fastest = min(put(spec, "offline").attempts[0].seconds for _ in range(5))
    assert fastest < 0.05


def test_a_server_that_lives_is_not_lost_where_we_look_too_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a busy machine the limit is over before we look; only one that takes nobody is dead."""
    monkeypatch.setattr("fraktal_kernel.agents.models.asking.CONNECT_LOCAL_S", 1e-9)
    with scripted(says("I live.")) as server:
        asked = put(server.spec, "offline")
    assert (asked.model, asked.response.text) == (server.spec, "I live.")
    with ExitStack() as stack:
        full = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0), backlog=1)))
        for _ in range(8):  # more than wait in its line: it lets nobody in any more
            waiting = stack.enter_context(closing(socket.socket()))
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        asked = put(f"openai:a@http://127.0.0.1:{full.getsockname()[1]}/v1", "offline")
    assert [each.reason for each in asked.attempts] == ["no connection in time", ""]


def broken(kind: str, never: threading.Event) -> tuple[Said, ...]:
    """Give what a broken server says."""
    return {
        "429": (Status(429),),
        "500": (Status(500, "<html>oops</html>"),),
        "401": (Status(401, '{"error": {"message": "Incorrect API key sk-secret-key"}}'),),
        "404": (Status(404),),
        "no JSON": (Raw(b"data: {this is no JSON\n\n"),),
        "no events": (Raw(b"what is this?\n\n"),),
        "another JSON": (Raw(b'data: {"choices": "many"}\n\n'),),
        "nothing": (Raw(b"data: [DONE]\n\n"),),
        "blank": ("  ", "\n"),
        "silence": (Wait(never), "too late"),
        "cut before": (HangUp(),),
        "cut within": ("Once upon a ti", HangUp()),
        "no JSON within": ("Once upon a ti", Raw(b"data: {no\n\n")),
        "error within": ("Once", Raw(b'data: {"error": {"message": "overloaded"}}\n\n')),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("429", "too many requests"),
        ("500", "its server answered with status 500"),
        ("401", "it refused the key"),
        ("404", "its server does not have it"),
        ("no JSON", "cannot be read"),
        ("no events", ""),
        ("another JSON", ""),
        ("nothing", ""),
        ("blank", "it said nothing"),
        ("silence", "no word within 0.3 s"),
        ("cut before", ""),
        ("cut within", "it broke off in the middle"),
        ("no JSON within", "cannot be read"),
        ("error within", ""),
    ],
)
def test_a_broken_model_is_followed_by_the_next(
    kind: str, reason: str, never: threading.Event
) -> None:
    """Whatever a server does, the next model answers, and the reason is said in a few words."""
    order: list[str] = []
    with scripted(says(*broken(kind, never))) as server:
        asked = put(server.spec, "offline", order=order, first_s=0.3 if kind == "silence" else 30)
    assert asked.model == "offline" and asked.response.text
    assert len(server.asked) == 1  # and is not asked again
    said = asked.attempts[0].reason
    assert reason in said and said
    assert "sk-secret" not in said and "oops" not in said
    assert order[-1] == "offline"  # so that a page forgets what the other one had said
    assert "within" not in kind or order == [server.spec, "offline"]


def test_an_answer_may_not_take_for_ever(never: threading.Event) -> None:
    """A model that begins and does not end is given up."""
    with scripted(says("Once upon", Wait(never))) as server:
        asked = put(server.spec, "offline", whole_s=0.4)
    assert asked.attempts[0].reason == "no end within 0.4 s"


def test_an_answer_without_end_is_cut() -> None:
    """What is too long to be read is cut, its words kept, and the server hung up on."""

    def endless(_: object) -> Iterator[Said]:
        while True:
            yield "word " * 2000

    with scripted(endless) as server:
        asked = put(server.spec)
        assert asked.cut
        assert len(asked.response.text or "") == ANSWER_MAX_CHARS
        assert server.left.wait(30)


def test_arguments_without_end_are_no_call() -> None:
    """A call that is too long is not half made."""

    def endless(_: object) -> Iterator[Said]:
        yield Call("fractal-render", '{"text": "')
        while True:
            yield Call("", "x" * 10_000)

    with scripted(endless) as server:
        asked = put(server.spec, "offline")
    assert asked.attempts[0].reason == "it answered with more than can be used"
    assert asked.model == "offline"


def test_all_that_failed_are_named() -> None:
    """Without the offline model nobody may be left; the sentence says why for each."""
    dead = f"openai:a@http://127.0.0.1:{dead_port()}/v1"
    with scripted(says(Status(500))) as server:
        with pytest.raises(NoneAnswered) as failure:
            put(dead, server.spec)
    sentence = str(failure.value)
    assert f"{dead}: connection refused; {server.spec}: its server answered with status 500" in (
        sentence
    )
    assert [each.model for each in failure.value.attempts] == [dead, server.spec]


def test_a_stopped_question_lets_the_server_go(never: threading.Event) -> None:
    """Who stops waits no longer, and the server finds its line cut instead of talking on."""
    heard = threading.Event()

    def slow(_: object) -> Iterator[Said]:
        yield "Once upon a time"
        while not server.left.is_set():
            yield "."
            time.sleep(0.02)

    def stop() -> None:
        if told:
            heard.set()
            raise Cancelled("cancelled.")

    told: list[str] = []
    script: Script = slow
    with scripted(script) as server:
        with pytest.raises(Cancelled):
            put(server.spec, "offline", look=stop, told=told)
        assert heard.is_set() and server.left.wait(30)


def test_a_key_goes_to_its_own_server_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of one service is not sent to an address that somebody wrote behind the @."""
    environment = {"OPENAI_API_KEY": "sk-of-openai"}
    assert read_spec("openai:gpt-5", {}, environment).key == "sk-of-openai"
    assert read_spec("openai:gpt-5@http://elsewhere/v1", {"openai": "sk"}, environment).key == ""
    own = {"openai:gpt-5@http://elsewhere/v1": "its own"}
    assert read_spec("openai:gpt-5@http://elsewhere/v1", own, environment).key == "its own"
    spec = read_spec("openai:gpt-5", {}, environment)
    assert "sk-of-openai" not in f"{spec!r} {spec}"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    with scripted(says("hello")) as server:
        put(server.spec)
    assert "sk-of-openai" not in server.keys[0]


def test_a_public_server_is_not_asked_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would refuse us: what is missing is named at once, and the next model answers."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    asked = put("openai:gpt-5", "offline")
    assert asked.model == "offline"
    assert asked.attempts[0].reason == "it has no key; set OPENAI_API_KEY or model_keys"
    own = {"OPENAI_BASE_URL": "http://10.0.0.5:8000/v1"}
    assert not read_spec("openai:tiny", {}, own).lacks_key
    assert not read_spec("openai:gpt-5", {"openai": "secret"}, {}).lacks_key


def test_attempts_tell_their_time() -> None:
    """Each model's time is its own."""
    with scripted(says("hello")) as server:
        began = time.monotonic()
        asked = put(f"openai:a@http://127.0.0.1:{dead_port()}/v1", server.spec)
        whole = time.monotonic() - began
    assert all(isinstance(each, Attempt) and each.seconds >= 0 for each in asked.attempts)
    assert sum(each.seconds for each in asked.attempts) <= whole
