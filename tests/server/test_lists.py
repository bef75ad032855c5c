"""How much a list gives at once: the same here and on a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.core.values import LISTED_MAX
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.core.workspace import ServerAddress
from fraktal_kernel.errors import InvalidInput
from tests.server.served import SECRET, Served

LISTS: dict[str, Callable[[Workbench, int], Any]] = {
    "jobs": lambda bench, limit: bench.jobs.list(limit=limit),
    "approvals": lambda bench, limit: bench.approvals.list(limit=limit),
    "agents' tasks": lambda bench, limit: bench.agents.tasks(limit=limit),
    "conversations": lambda bench, limit: bench.chat.conversations(limit=limit),
    "messages": lambda bench, limit: bench.bus.page(limit=limit),
    "dead letters": lambda bench, limit: bench.bus.dead_letters(limit=limit),
}


@pytest.mark.parametrize("listed", LISTS)
def test_a_list_gives_as_many_on_a_server_as_here(served: Served, listed: str) -> None:
    """What a program may ask for here, it may ask for on a server, and no more."""
    address = ServerAddress(url=served.url, token=SECRET, pid=1)
    with RemoteWorkbench(served.workbench.settings, address) as far:
        for bench in (served.workbench, far):
            LISTS[listed](bench, LISTED_MAX)
            for wrong in (0, LISTED_MAX + 1):
                with pytest.raises(InvalidInput, match=f"limit.*{wrong}"):
                    LISTS[listed](bench, wrong)


def test_every_list_has_the_same_bound(client: Any) -> None:
    """No route gives more or fewer at once than the others."""
    bounds = {}
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", []):
            if parameter["name"] == "limit":
                bounds[path] = parameter["schema"]["maximum"]
    assert len(bounds) > 6 and set(bounds.values()) == {LISTED_MAX}


def test_the_documentation_tells_the_bound() -> None:
    """The page about the web interface says how many a list gives."""
    page = (Path(__file__).parents[2] / "docs" / "web_interface.md").read_text()
    assert f"at most {LISTED_MAX:,} at once" in page
