"""``fraktal bus``: a person sees what waits and what is dead, and delivers it again."""

from __future__ import annotations

import json
from pathlib import Path

from fraktal_kernel.agents.bus import open_bus
from fraktal_kernel.agents.bus.ledger import Failed, Ledger
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.settings import load_settings
from tests.cli.terminal import Fraktal


def test_dead_letters_are_seen_and_driven_again(fraktal: Fraktal, tmp_path: Path) -> None:
    """Show, dead, redrive and forget tell of one group with a message that failed."""
    done = fraktal("bus", "show")
    assert done.returncode == 0 and "nobody has subscribed" in done.stderr
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
    assert "till" in fraktal("bus", "show").stdout
    dead = fraktal("bus", "dead").stdout
    assert "order-1" in dead and "the till is empty" in dead and "order-2" not in dead
    (letter,) = json.loads(fraktal("bus", "dead", "--group", "till", "--json").stdout)
    assert letter["message"]["body"] == {"item": "tea"}
    assert fraktal("bus", "redrive", "order-2").stdout.startswith("0 messages")
    assert fraktal("bus", "redrive").stdout.startswith("1 message will")
    assert "there are no dead letters" in fraktal("bus", "dead").stderr
    assert fraktal("bus", "forget", "till").returncode == 0
    again = fraktal("bus", "forget", "till")
    assert again.returncode == 2 and "no group named 'till'" in again.stderr
