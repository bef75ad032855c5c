"""The chat over HTTP and from another process: the same conversations, told as they happen."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import connect

from fraktal_kernel.agents.chat.chat import RemoteChat
from fraktal_kernel.agents.chat.transcript import replay, text_of
from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.core.workspace import ServerAddress
from fraktal_kernel.errors import InvalidInput, NotFound
from tests.server.served import SECRET, Served

CONVERSATIONS, MESSAGES = "/api/chat/conversations", "/api/chat/messages"


@pytest.fixture
def remote(served: Served) -> Iterator[RemoteWorkbench]:
    """Open the workbench that a program elsewhere on this computer has."""
    address = ServerAddress(url=served.url, token=SECRET, pid=os.getpid())
    with RemoteWorkbench(served.workbench.settings, address) as workbench:
        yield workbench


def said(client: httpx.Client, text: str, **more: object) -> dict[str, int]:
    """Say something; returns the numbers of what came of it."""
    answer = client.post(MESSAGES, json={"text": text, **more})
    assert answer.status_code == 201, answer.text
    numbers: dict[str, int] = answer.json()
    return numbers


def test_an_answer_is_heard_as_it_comes_and_read_when_it_is_done(
    served: Served, client: httpx.Client
) -> None:
    """The socket tells what the message holds in the end."""
    turn = said(client, "hello")
    url = f"{served.websocket}/api/events?topic=jobs.*&after=0&subject={turn['job_id']}"
    told = []
    with connect(url, additional_headers={"authorization": f"Bearer {SECRET}"}, proxy=None) as line:
        while True:
            event = json.loads(line.recv(timeout=120))
            if event["topic"] == "jobs.said":
                told.append(event["payload"])
            elif event["payload"].get("state") in ("succeeded", "failed"):
                break
    message = client.get(f"{MESSAGES}/{turn['answer_id']}").json()
    assert message["state"] == "done" and message["details"]["model"] == "offline"
    assert text_of(replay(told)) == message["text"] != ""
    both = client.get(f"{CONVERSATIONS}/{turn['conversation_id']}/messages").json()["messages"]
    assert [each["role"] for each in both] == ["user", "assistant"]


def test_a_program_elsewhere_has_the_same_chat(served: Served, remote: RemoteWorkbench) -> None:
    """What is said there is read here, and every change is seen from both sides."""
    chat = remote.chat
    assert isinstance(chat, RemoteChat)
    here = served.workbench.chat
    turn = chat.send("what can you do?")
    remote.job(turn.job_id).wait(120)
    assert chat.messages(turn.conversation_id) == here.messages(turn.conversation_id)
    assert chat.message(turn.answer_id) == here.message(turn.answer_id)
    other = chat.edit(turn.question_id, "what palettes are there?")
    remote.job(other.job_id).wait(120)
    assert here.message(other.question_id).branches == [turn.question_id, other.question_id]
    chat.show(turn.conversation_id, turn.question_id)
    assert [each.id for each in here.messages(turn.conversation_id)][-1] == turn.answer_id
    assert [each.id for each in chat.messages(turn.conversation_id, other.answer_id)][-1] == (
        other.answer_id
    )
    assert chat.rename(turn.conversation_id, "Palettes of mine").title == "Palettes of mine"
    assert [each.id for each in chat.conversations("palettes of mine")] == [turn.conversation_id]
    assert chat.delete(turn.conversation_id).deleted
    assert turn.conversation_id not in [each.id for each in here.conversations()]
    assert (
        chat.restore(turn.conversation_id)
        == here.conversations(limit=500)[
            [each.id for each in here.conversations(limit=500)].index(turn.conversation_id)
        ]
    )
    with pytest.raises(NotFound, match="no conversation 987654"):
        chat.messages(987654)
    with pytest.raises(InvalidInput, match="is an answer"):
        chat.edit(turn.answer_id, "other words")


def test_a_token_may_what_its_scopes_say(served: Served, client: httpx.Client) -> None:
    """Reading and saying are two things, and a chat is one capability among others."""
    where = said(client, "hello")["conversation_id"]
    with served.client(served.token("read")) as reader:
        assert reader.get(CONVERSATIONS).status_code == 200
        assert reader.post(MESSAGES, json={"text": "hello"}).status_code == 403
        assert reader.delete(f"{CONVERSATIONS}/{where}").status_code == 403
    with served.client(served.token("jobs:chat.*")) as speaker:
        assert speaker.post(MESSAGES, json={"text": "hello"}).status_code == 201
        assert speaker.get(f"{CONVERSATIONS}/{where}/messages").status_code == 403
    with served.client(served.token("jobs:fractal.*", "read")) as other:
        assert other.post(MESSAGES, json={"text": "hello"}).status_code == 403


def test_nobody_reads_what_others_said(served: Served, client: httpx.Client) -> None:
    """For another user there is no such conversation and no such message."""
    turn = said(client, "my secret")
    other = served.workbench.security.add_user("chatter", "a long enough password").user_id
    with served.client(served.token("read", "jobs", user_id=other)) as stranger:
        assert stranger.get(CONVERSATIONS).json() == {"conversations": []}
        where = f"{CONVERSATIONS}/{turn['conversation_id']}"
        assert stranger.get(f"{where}/messages").status_code == 404
        assert stranger.patch(where, json={"title": "mine"}).status_code == 404
        assert stranger.get(f"{MESSAGES}/{turn['answer_id']}").status_code == 404
        assert stranger.post(f"{MESSAGES}/{turn['answer_id']}/stop").status_code == 404
        more = {"text": "go on", "conversation": turn["conversation_id"]}
        assert stranger.post(MESSAGES, json=more).status_code == 404
        # Nor does a job of their own, made by hand, get into it.
        job = {"capability": "chat.turn", "params": more}
        number = stranger.post("/api/jobs", json=job).json()["id"]
        while (view := stranger.get(f"/api/jobs/{number}").json())["state"] in (
            "queued", "running",
        ):  # fmt: skip
            pass
        assert view["state"] == "failed" and "there is no conversation" in view["error"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"text": ""}, "text: given ''"),
        ({"text": " \n "}, "text: given 0 characters"),
        ({"text": "x" * 100_001}, "text: given 'xxx"),
        ({"text": "hello", "conversation": 0}, "conversation: given 0"),
        ({"text": "hello", "parent": 5}, "no message yet"),
        ({"text": "hello", "model": "gpt"}, "there is no such field"),
        ({"text": "half \ud800"}, "character"),
        ({"text": "nul \x00"}, ""),
    ],
)
def test_what_cannot_be_said_is_one_sentence(
    client: httpx.Client, body: dict[str, object], sentence: str
) -> None:
    """Nothing is begun, and nothing left behind."""
    before = client.get(CONVERSATIONS, params={"limit": 500}).json()
    jobs = client.get("/api/jobs").json()["jobs"][0]["id"]
    headers = {"content-type": "application/json"}
    answer = client.post(MESSAGES, content=json.dumps(body), headers=headers)
    assert answer.status_code == 422 and sentence in answer.json()["error"]
    assert client.get(CONVERSATIONS, params={"limit": 500}).json() == before
    assert client.get("/api/jobs").json()["jobs"][0]["id"] == jobs
