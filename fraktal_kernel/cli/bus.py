"""``fraktal bus``: what is said on the bus, what waits, what is dead, and delivering that again."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fraktal_kernel.cli.jobs import open_workbench
from fraktal_kernel.cli.screen import ago, print_json, say, table
from fraktal_kernel.errors import InvalidInput

if TYPE_CHECKING:
    from fraktal_kernel.agents.bus.upkeep import Upkeep

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Publish and watch messages, and deliver dead letters again.",
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Group = Annotated[str | None, typer.Option("--group", help="Only of this group.")]
Chosen = Annotated[list[str] | None, typer.Argument(help="Only these messages; all of them else.")]
Topic = Annotated[
    str | None, typer.Option("--topic", help="Only of this topic, or pattern such as orders.*.")
]

#: Twice what a message may have: the bus says what is wrong with those between.
MOST_INPUT = 1024 * 1024


@contextmanager
def _upkeep() -> Iterator[Upkeep]:
    """Open the bus's tables; this works beside a running server, and without the broker."""
    from fraktal_kernel.agents.bus.upkeep import Upkeep
    from fraktal_kernel.core.local import LocalWorkbench
    from fraktal_kernel.core.settings import load_settings

    workbench = LocalWorkbench(load_settings(), may_run=False)
    try:
        yield Upkeep(workbench.database)
    finally:
        workbench.close()


@app.command("show")
def show(as_json: Json = False) -> None:
    """List the groups: what each reads, how many messages wait for it, how many are dead."""
    with _upkeep() as upkeep:
        groups, age_s = upkeep.groups(), upkeep.outbox_age_s()
    if as_json:
        print_json({"groups": [asdict(one) for one in groups], "outbox_age_s": age_s})
        return
    if groups:
        rows = [[one.group, one.pattern, str(one.waiting), str(one.dead)] for one in groups]
        table(["group", "reads", "waiting", "dead"], rows)
    else:
        say("nobody has subscribed to anything yet.")
    if age_s:
        say(f"the oldest message that has not reached the broker is {age_s:.0f} s old.")


@app.command("dead")
def dead(
    group: Group = None,
    topic: Topic = None,
    limit: Annotated[int, typer.Option(min=1, help="List so many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List the messages that could not be handled, and why."""
    with _upkeep() as upkeep:
        letters = upkeep.dead_letters(group, limit, topic)
    if as_json:
        print_json([{**asdict(one), "message": one.message._asdict()} for one in letters])
    elif letters:
        rows = [
            [
                one.group,
                one.message.topic,
                one.message.id,
                ago(datetime.fromtimestamp(one.died_at, UTC)),
                one.error,
            ]
            for one in letters
        ]
        table(["group", "topic", "message", "given up", "why"], rows)
    else:
        say("there are no dead letters.")


@app.command("redrive")
def redrive(
    message_ids: Chosen = None,
    group: Group = None,
    topic: Topic = None,
) -> None:
    """Deliver dead letters again, with all their tries."""
    with _upkeep() as upkeep:
        count = upkeep.redrive(group, message_ids or None, topic)
    print(f"{_messages(count)} will be delivered again.")


@app.command("discard")
def discard(
    message_ids: Chosen = None,
    group: Group = None,
    topic: Topic = None,
) -> None:
    """Put dead letters away; fraktal bus restore takes that back."""
    with _upkeep() as upkeep:
        count = upkeep.discard(group, message_ids or None, topic)
    print(f"{_messages(count)} put away.")


@app.command("restore")
def restore(
    message_ids: Chosen = None,
    group: Group = None,
) -> None:
    """Make dead letters again of what was put away."""
    with _upkeep() as upkeep:
        count = upkeep.restore(group, message_ids or None)
    print(f"{_messages(count)} among the dead letters again.")


def _messages(count: int) -> str:
    return f"{count} {'message' if count == 1 else 'messages'}"


@app.command("forget")
def forget(group: Annotated[str, typer.Argument(help="The group's name.")]) -> None:
    """Drop a group that nobody reads any more, so that no messages are kept for it."""
    with _upkeep() as upkeep:
        upkeep.forget(group)
    print(f"no messages are kept for {group} any more.")


@app.command("topics")
def topics(as_json: Json = False) -> None:
    """List the topics of the newest messages."""
    with open_workbench() as workbench:
        found = workbench.bus.topics()
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
    elif found:
        table(
            ["topic", "messages", "last"],
            [[one.topic, str(one.messages), ago(one.last)] for one in found],
        )
    else:
        say("nothing has been published yet.")


@app.command("publish")
def publish(
    topic: Annotated[str, typer.Argument(help="The topic, such as orders.new.")],
    body: Annotated[str, typer.Argument(help="A JSON value; - reads it from standard input.")],
    message_id: Annotated[
        str | None, typer.Option("--id", help="A second message of the same id is dropped.")
    ] = None,
) -> None:
    """Publish one message, and print its id."""
    value = _read(sys.stdin.buffer.read(MOST_INPUT + 1) if body == "-" else body.encode())
    with open_workbench() as workbench:
        print(workbench.bus.publish(topic, value, message_id=message_id))


def _read(text: bytes) -> Any:
    if len(text) > MOST_INPUT:
        raise InvalidInput(f"body: more than {MOST_INPUT:,} bytes; keep large things as artifacts.")
    try:
        return json.loads(text)
    except UnicodeDecodeError:
        raise InvalidInput("body: that is no UTF-8; give a JSON value in UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f'body: {str(error)[:120]}; give a JSON value, such as \'{{"item": "tea"}}\'.'
        ) from None


@app.command("tail")
def tail(
    pattern: Annotated[str, typer.Argument(help="A topic, or a pattern such as jobs.*.")] = "*",
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="End after so many.")
    ] = None,
) -> None:
    """Print messages as they are published, one JSON object a line, until Ctrl-C."""
    with open_workbench() as workbench:
        messages = workbench.bus.tail(pattern)
        say(f"listening to {pattern}; Ctrl-C ends it.")
        for message in itertools.islice(messages, count):
            print(message.model_dump_json(), flush=True)
