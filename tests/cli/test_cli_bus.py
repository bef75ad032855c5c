"""``fraktal bus``: a person sees what waits and what is dead, and delivers it again."""

from __future__ import annotations

import json
from pathlib import Path

from fraktal_kernel.agents.bus import open_bus
from fraktal_kernel.agents.bus.ledger import Failed, Ledger
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.settings import load_settings
from tests.cli.terminal import Fraktal, one_sentence


def test_dead_letters_are_seen_and_driven_again(fraktal: Fraktal, tmp_path: Path) -> None:
    """Show, dead, redrive and forget tell of one group with a message that failed."""
    workbench = LocalWorkbench(load_settings(data=tmp_path / "data"), may_run=False)
    user_id = workbench.user.user_id
    ledger = Ledger(workbench.database, user_id)
    ledger.join("till", "orders.*")
    bus = open_bus(workbench.settings, workbench.database, user_id)
    bus.publish("orders.new", {"item": "tea"}, message_id="order-1")
    bus.publish("orders.new", {"item": "cake"}, message_id="order-2")
    first = ledger.claim("till")[0][0]
    ledger.settle("till", [], [Failed(first.seq, 1, "the till is empty", again=False)])
    bus.close()
    workbench.close()
    shown = json.loads(fraktal("bus", "show", "--json").stdout)
    state = {"group": "till", "pattern": "orders.*", "waiting": 1, "dead": 1}
    assert shown == {"groups": [state], "outbox_age_s": 0}
    dead = fraktal("bus", "dead").stdout
    assert "order-1" in dead and "the till is empty" in dead and "order-2" not in dead
    (letter,) = json.loads(fraktal("bus", "dead", "--group", "till", "--json").stdout)
    assert letter["message"]["body"] == {"item": "tea"}
    assert fraktal("bus", "dead", "--topic", "tills.*", "--json").stdout.strip() == "[]"
    assert fraktal("bus", "discard", "--topic", "orders.*").stdout == "1 message put away.\n"
    assert "no dead letters" in fraktal("bus", "dead").stderr
    assert fraktal("bus", "redrive").stdout.startswith("0 messages")
    assert fraktal("bus", "restore").stdout.startswith("1 message among")
    assert fraktal("bus", "redrive", "order-1").stdout.startswith("1 message will")
    assert "no messages are kept for till" in fraktal("bus", "forget", "till").stdout
    done = fraktal("bus", "show")
    assert done.returncode == 0 and "nobody has subscribed" in done.stderr


def test_a_message_is_published_at_the_terminal(fraktal: Fraktal) -> None:
    """Publish prints the id, topics lists it; what is no JSON is one sentence."""
    assert (
        fraktal("bus", "publish", "orders.new", '{"item": "tea"}', "--id", "o-1").stdout == "o-1\n"
    )
    (topic,) = json.loads(fraktal("bus", "topics", "--json").stdout)
    assert (topic["topic"], topic["messages"]) == ("orders.new", 1)
    assert "give a JSON value" in one_sentence(fraktal("bus", "publish", "orders.new", "tea"))
