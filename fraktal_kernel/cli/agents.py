"""``fraktal agent``: start an agent here, see all of them, let one end or go on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from fraktal_kernel.cli.screen import ago, print_json, say, seconds, size, table
from fraktal_kernel.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from fraktal_kernel.agents.registry import AgentView
    from fraktal_kernel.core.workspace import ServerAddress

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Start, list, drain and resume agents."
)

Name = Annotated[str, typer.Argument(help="The agent's name.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def start(
    name: Annotated[str | None, typer.Option(help="Its name; by default this host's.")] = None,
    offers: Annotated[
        str, typer.Option(help="What it offers: patterns with commas, such as fractal.*,network.*")
    ] = "*",
    slots: Annotated[
        int | None, typer.Option(min=1, max=256, help="Jobs at once; by default workers.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="Address of the server; else this workspace's own.")
    ] = None,
    token: Annotated[
        str, typer.Option(envvar="FRAKTAL_TOKEN", help="API token with the scope agent.")
    ] = "",
) -> None:
    """Start an agent and work until it is drained, or Ctrl-C."""
    import signal

    from fraktal_kernel.agents.agent import Agent
    from fraktal_kernel.core.settings import load_settings
    from fraktal_kernel.core.workspace import read_address

    settings = load_settings()
    given = _address(server, token)
    if given is None and read_address(settings) is None:
        raise Unavailable(
            "no server runs this workspace; start one with: fraktal serve, or name one with "
            "--server."
        )
    agent = Agent(
        settings,
        name or _host_name(),
        [each.strip() for each in offers.split(",") if each.strip()],
        slots or settings.workers,
        lambda: given or read_address(settings),
        patient=given is None,
        say=say,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: agent.stop())
    agent.run()


def _address(server: str | None, token: str) -> ServerAddress | None:
    from fraktal_kernel.core.workspace import ServerAddress

    if server is None:
        if token:
            raise InvalidInput("--token: given without --server; name the server it belongs to.")
        return None
    if not re.fullmatch(r"https?://[^/\s]+/?", server):
        raise InvalidInput(
            f"--server: given {server[:100]!r}, expected an address such as http://10.0.0.5:8081."
        )
    if not token:
        raise InvalidInput(
            "--server needs a token: make one there with 'fraktal token create NAME --scope "
            "agent', and give it as --token or FRAKTAL_TOKEN."
        )
    return ServerAddress(url=server.rstrip("/"), token=token, pid=0)


def _host_name() -> str:
    import socket

    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname()).strip("._-")[:60] or "agent"


@app.command("list")
def list_agents(as_json: Json = False) -> None:
    """List agents: how each stands, what it does now, how it fares."""
    from fraktal_kernel.core.workbench import Workbench

    with Workbench.open(start_workers=False) as workbench:
        found = workbench.agents.list()
    if as_json:
        print_json(found)
    elif not found:
        print("No agents yet; fraktal agent start makes one.")
    else:
        columns = ("agent", "state", "does now", "done", "failed", "error rate", "connections")
        rest = ("p50", "p95", "CPU", "RAM", "GPU", "heard")
        table((*columns, *rest), [_row(view) for view in found])


def _row(view: AgentView) -> tuple[object, ...]:
    doing = ", ".join(f"{task.capability} (job {task.job_id})" for task in view.doing)

    def percent(share: float | None) -> str:
        return "" if share is None else f"{share:.0%}"

    def took(duration_s: float | None) -> str:
        return "" if duration_s is None else seconds(duration_s)

    return (
        view.name,
        view.state,
        doing,
        view.done,
        view.failed,
        percent(view.error_rate),
        view.connections,
        took(view.response_p50_s),
        took(view.response_p95_s),
        percent(view.cpu_share),
        "" if view.memory_bytes is None else size(view.memory_bytes),
        percent(view.gpu_share),
        ago(view.last_beat),
    )


@app.command()
def drain(
    name: Name,
    now: Annotated[bool, typer.Option("--now", help="Take back what it does now, too.")] = False,
) -> None:
    """Give an agent no more jobs; it ends when it has finished what it has."""
    from fraktal_kernel.core.workbench import Workbench

    with Workbench.open(start_workers=False) as workbench:
        workbench.agents.drain(name, now)
    print(f"agent {name} takes no more jobs and ends when it has none.")


@app.command()
def resume(name: Name) -> None:
    """Take a drain back: an agent that has not ended takes jobs again."""
    from fraktal_kernel.core.workbench import Workbench

    with Workbench.open(start_workers=False) as workbench:
        workbench.agents.resume(name)
    print(f"agent {name} takes jobs again.")
