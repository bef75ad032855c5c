"""``fraktal user`` and ``fraktal token``: who may sign in, and which programs may ask."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from fraktal_kernel.cli.screen import ago, print_json, say, table
from fraktal_kernel.errors import InvalidInput

if TYPE_CHECKING:
    from fraktal_kernel.core.security import Principal, Security

user = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Add and list users, set passwords."
)
token = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Create, list and revoke API tokens."
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Stdin = Annotated[
    bool, typer.Option("--stdin", help="Read the password from the standard input, one line.")
]
For = Annotated[str | None, typer.Option("--user", help="Whose; this machine's own user else.")]


@contextmanager
def _security() -> Iterator[Security]:
    """Open the users of this workspace; this works beside a running server."""
    from fraktal_kernel.core.local import LocalWorkbench
    from fraktal_kernel.core.settings import load_settings

    workbench = LocalWorkbench(load_settings(), may_run=False)
    try:
        yield workbench.security
    finally:
        workbench.close()


def _find(security: Security, name: str | None) -> Principal:
    from fraktal_kernel.registry import unknown_name

    if name is None:
        return security.local_user()
    everybody = {person.name: person for person in security.users()}
    if name not in everybody:
        raise unknown_name("user", name, list(everybody))
    return everybody[name]


def _password(from_stdin: bool) -> str:
    if from_stdin or not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    from getpass import getpass

    first = getpass("Password: ")
    if getpass("Again: ") != first:
        raise InvalidInput("the two passwords differ; nothing was changed.")
    return first


@user.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    admin: Annotated[bool, typer.Option("--admin", help="May manage users and links.")] = False,
    stdin: Stdin = False,
) -> None:
    """Add a user, who signs in with a password."""
    with _security() as security:
        person = security.add_user(name, _password(stdin), is_admin=admin)
    print(f"user {person.name} can sign in.")


@user.command("list")
def list_users(as_json: Json = False) -> None:
    """List the users of this workspace."""
    with _security() as security:
        people = security.users()
    if as_json:
        print_json([{"id": p.user_id, "name": p.name, "is_admin": p.is_admin} for p in people])
        return
    table(
        ("id", "name", "admin"), [(p.user_id, p.name, "yes" if p.is_admin else "") for p in people]
    )


@user.command("password")
def set_password(name: Annotated[str, typer.Argument(help="Whose.")], stdin: Stdin = False) -> None:
    """Give a user a new password."""
    with _security() as security:
        security.set_password(_find(security, name).user_id, _password(stdin))
    print(f"user {name} has a new password.")


@token.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What it is for, such as nightly-posters.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="read, jobs[:PATTERN], agent[:PATTERN], bus[:PATTERN], approve or admin; "
            "may repeat."
        ),
    ] = None,
    user: For = None,
) -> None:
    """Create an API token; its secret is printed once and kept nowhere."""
    with _security() as security:
        secret = security.create_token(
            _find(security, user).user_id, name, scope or ["read", "jobs"]
        )
    print(secret)
    say("Keep it safe; it cannot be shown again. Send it as: Authorization: Bearer TOKEN")


@token.command("list")
def list_tokens(user: For = None, as_json: Json = False) -> None:
    """List API tokens, without their secrets."""
    with _security() as security:
        found = security.list_tokens(_find(security, user).user_id)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            t.id,
            t.name,
            " ".join(t.scopes),
            _when(t.created_at),
            _when(t.last_used_at),
            _when(t.revoked_at),
        )
        for t in found
    ]
    table(("id", "name", "scopes", "created", "last used", "revoked"), rows)


@token.command("revoke")
def revoke_token(
    number: Annotated[int, typer.Argument(metavar="ID", help="From fraktal token list.")],
) -> None:
    """Revoke an API token; what uses it is refused from now on."""
    with _security() as security:
        security.revoke_token(number)
    print(f"token {number} is revoked.")


def _when(time: float | None) -> str:
    return ago(datetime.fromtimestamp(time, UTC)) if time else ""
