"""What a worker really says passes the check; and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.agents.line import FRAME_BYTES, check_size, framed, from_agent, unframed
from fraktal_kernel.agents.words import check_word
from fraktal_kernel.core.jobs.ledger import Claimed
from fraktal_kernel.core.values import JSON_MAX_BYTES
from fraktal_kernel.errors import InvalidInput

JOB = Claimed(7, 1, 1, "test.echo", "{}", 1, None, False)
GOOD: list[dict[str, Any]] = [
    {"op": "record", "record": {"level": "info", "logger": "a", "event": "b", "more": [1]}},
    {"op": "progress", "progress": 1, "message": "half"},
    {"op": "log", "level": "info", "text": "łąka"},
    {
        "op": "step",
        "name": "fit#2",
        "value": '{"a": [1.5, null]}',
        "seconds": 0.5,
        "cost": 0.0,
    },
    {"op": "ask", "name": "Deploy?", "text": "Deploy?", "choices": ["yes", "no"]},
    {"op": "call", "key": "/7/test.echo", "capability": "test.echo", "params": "{}"},
    {
        "op": "begin",
        "key": "/7/@left",
        "capability": "test.echo",
        "params": '{"text": "x"}',
        "agent": "gpu-box",
        "avoid": ["old-box"],
        "asked_by": "plan 3",
    },
    {"op": "pause", "children": [8, 9], "wake_at": None},
    {"op": "pause", "children": [], "wake_at": 1e9},
    {"op": "said", "payload": {"text": "half"}},
    {"op": "spend", "cost": 0.25},
    {"op": "service", "name": "test.whose", "arguments": {"text": "x"}},
    {"op": "yield"},
    {"op": "save", "name": "tables/costs.csv", "media_type": "text/csv"},
    {"op": "succeeded", "result": "null"},
    {"op": "failed", "error": "it went wrong", "again": True},
    {"op": "cancelled"},
    {"op": "suspended"},
    {
        "op": "stepping",
        "now": 1e9,
        "name": "fit",
        "span": "b7ad6b7169203331",
        "attempt": "b7ad6b7169203332",
        "began": 1e9 - 2,
    },
    {
        "op": "spans",
        "now": 1e9,
        "spans": [
            {
                "id": "b7ad6b7169203331",
                "parent": "",
                "kind": "model",
                "name": "chat",
                "began": 1e9 - 2,
                "ended": 1e9 - 1,
                "error": "",
                "attributes": {"gen_ai.usage.input_tokens": 12, "kept": True},
            }
        ],
    },
]


@pytest.mark.parametrize("word", GOOD, ids=lambda word: word["op"])
def test_what_workers_say_passes(word: dict[str, Any]) -> None:
    """Every word of ``core/jobs/worker.py``; with a part missing or too much it does not."""
    check_word(JOB, word)
    for spoiled in ({**word, "more": 1}, {**word, "op": "other"}):
        with pytest.raises(InvalidInput, match="a worker says what it cannot"):
            check_word(JOB, spoiled)
    for key in word:
        if key in ("agent", "avoid"):
            continue  # nobody in particular
        with pytest.raises(InvalidInput):
            check_word(JOB, {name: value for name, value in word.items() if name != key})


BAD: list[dict[str, Any]] = [
    {"op": "record", "record": {"event": "without the rest"}},
    {"op": "record", "record": {"level": "x" * 70_000, "logger": "a", "event": "b"}},
    {"op": "progress", "progress": 1.5, "message": ""},
    {"op": "progress", "progress": float("inf"), "message": ""},
    {"op": "log", "level": "info", "text": "x" * 4001},
    {"op": "step", "name": "a", "value": "not JSON", "seconds": 1.0, "cost": 0.0},
    {
        "op": "step",
        "name": "a",
        "value": '"' + "x" * JSON_MAX_BYTES + '"',
        "seconds": 1.0,
        "cost": 0.0,
    },
    {"op": "ask", "name": "a", "text": "a", "choices": []},
    {"op": "call", "key": "/8/test.echo", "capability": "test.echo", "params": "{}"},
    {"op": "call", "key": "/77/test.echo", "capability": "test.echo", "params": "{}"},
    {"op": "pause", "children": [0], "wake_at": None},
    {"op": "pause", "children": [], "wake_at": float("nan")},
    {"op": "said", "payload": {"text": "x" * 70_000}},
    {"op": "said", "payload": {"x": float("nan")}},
    {"op": "spend", "cost": float("nan")},
    {"op": "save", "name": "/etc/passwd", "media_type": "text/plain"},
    {"op": "save", "name": "a", "media_type": "text/plain\r\nset-cookie: a=b"},
    {"op": "succeeded", "result": "[NaN]"},
    {"op": "failed", "error": "a\0b", "again": False},
    {"op": "step", "name": "a", "value": "1", "seconds": float("nan"), "cost": 0.0},
    {"op": "spans", "now": 1e9, "spans": [{"id": "../etc"}]},
    {"op": "spans", "now": float("inf"), "spans": []},
]


@pytest.mark.parametrize("word", BAD, ids=range(len(BAD)))
def test_what_no_worker_says_is_refused(word: dict[str, Any]) -> None:
    """In one sentence of a readable length."""
    with pytest.raises(InvalidInput, match="a worker says what it cannot") as refused:
        check_word(JOB, word)
    assert len(str(refused.value)) < 500


def test_a_worker_without_a_job_begins_nothing() -> None:
    """It has no children to begin."""
    with pytest.raises(InvalidInput, match="a child under the key"):
        check_word(None, GOOD[5])


@given(st.integers(0, 2**32 - 1), st.binary(max_size=100))
def test_frames_come_out_as_they_went_in(number: int, data: bytes) -> None:
    """Whatever is in them, and whosever they are."""
    assert unframed(framed(number, data)) == (number, data)


@given(st.text(max_size=200) | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_an_agent_s_nonsense_is_refused_in_a_sentence(text: str) -> None:
    """Nothing that is no message of ours is taken for one."""
    with pytest.raises(InvalidInput, match="a message that cannot be understood"):
        from_agent(text)


def test_the_largest_frame_passes() -> None:
    """One byte more does not."""
    check_size(len(framed(1, bytes(FRAME_BYTES))))
    with pytest.raises(InvalidInput, match="save large results as artifacts"):
        check_size(len(framed(1, bytes(FRAME_BYTES + 1))))
