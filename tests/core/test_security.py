"""Secrets open what they should, once they should, and nothing after they are taken back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fraktal_kernel.core import security as module
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.security import Principal, Security, TooManyTries
from fraktal_kernel.errors import Conflict, InvalidInput, NotFound

PASSWORD = "correct horse battery"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Make an empty database of our own, in each of the two kinds."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'fraktal.db'}")
    else:
        database = Database(request.getfixturevalue("new_postgres_url"))
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def security(database: Database) -> Security:
    """Guard that database."""
    return Security(database)


def everything(database: Database) -> str:
    """Read all that is kept of accounts, as one text."""
    with database.read() as tx:
        return "".join(
            repr(tx.rows(f"SELECT * FROM {table}"))
            for table in ("user_account", "browser_session", "api_token")
        )


def test_local_user_is_made_once_and_is_an_administrator(security: Security) -> None:
    """The person at the computer is the same user at every start, and may do all."""
    first, second = security.local_user(), security.local_user()
    assert first == second
    assert first.is_admin and first.allows("admin") and first.allows("jobs:any.thing")


def test_password_opens_only_its_own_name(security: Security) -> None:
    """The right password is recognised, a wrong one and an unknown name are not."""
    ada = security.add_user("ada", PASSWORD)
    assert security.user_by_password("ada", PASSWORD) == ada
    assert security.user_by_password("ada", PASSWORD + "x") is None
    assert security.user_by_password("adb", PASSWORD) is None
    assert security.user_by_password("ada", "x" * 10**6) is None
    assert not ada.allows("admin") and ada.allows("account")


def test_user_without_password_cannot_sign_in_by_one(security: Security) -> None:
    """The local user has no password, and no text is one."""
    name = security.local_user().name
    assert security.user_by_password(name, "") is None
    assert security.user_by_password(name, "None") is None


def test_names_and_passwords_are_checked(security: Security) -> None:
    """Names are unique and printable, passwords have eight characters or more."""
    security.add_user("ada", PASSWORD)
    with pytest.raises(Conflict, match="already a user named 'ada'"):
        security.add_user("ada", PASSWORD)
    for name in ("", " ", "a" * 101, "a\x00b", "a\nb", "\ud800"):
        with pytest.raises(InvalidInput, match="printable"):
            security.add_user(name, PASSWORD)
    with pytest.raises(InvalidInput, match="expected 8 to 1024"):
        security.add_user("bob", "short")


def test_new_password_ends_the_old_one_and_its_sessions(security: Security) -> None:
    """After a change neither the old password nor a browser signed in with it is recognised."""
    ada = security.add_user("ada", PASSWORD)
    secret = security.open_session(ada.user_id)
    security.set_password(ada.user_id, "another long secret")
    assert security.principal_of_session(secret) is None
    assert security.user_by_password("ada", PASSWORD) is None
    assert security.user_by_password("ada", "another long secret") == ada


def test_failed_sign_ins_have_to_wait(security: Security, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some failures a name has to wait, from that address alone, and only for a minute."""
    monkeypatch.setattr(module, "TRIES_PER_NAME", 2)
    security.add_user("ada", PASSWORD)
    for _ in range(module.TRIES_PER_NAME):
        assert security.user_by_password("ada", "wrong one", "10.0.0.1") is None
    with pytest.raises(TooManyTries, match="try again in"):
        security.user_by_password("ada", PASSWORD, "10.0.0.1")
    assert security.user_by_password("ada", PASSWORD, "10.0.0.2") is not None
    monkeypatch.setattr(module, "WINDOW_S", 0.0)
    assert security.user_by_password("ada", PASSWORD, "10.0.0.1") is not None


def test_success_clears_the_failures_before_it(
    security: Security, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who mistypes now and then is never locked out."""
    monkeypatch.setattr(module, "TRIES_PER_NAME", 2)
    security.add_user("ada", PASSWORD)
    for _ in range(2):
        for _ in range(module.TRIES_PER_NAME - 1):
            assert security.user_by_password("ada", "wrong one") is None
        assert security.user_by_password("ada", PASSWORD) is not None


def test_many_names_from_one_address_have_to_wait(
    security: Security, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trying one password on many names is stopped as well."""
    monkeypatch.setattr(module, "TRIES_PER_CLIENT", 3)
    with pytest.raises(TooManyTries):
        for number in range(module.TRIES_PER_CLIENT + 1):
            security.user_by_password(f"user{number}", "wrong one", "10.0.0.1")


def test_session_lasts_until_closed(security: Security, database: Database) -> None:
    """A session's secret is recognised until it is closed, and is not in the database."""
    user = security.local_user()
    secret = security.open_session(user.user_id)
    assert security.principal_of_session(secret) == user
    assert security.principal_of_session(secret + "x") is None
    assert secret not in everything(database)
    security.close_session(secret)
    security.close_session(secret)
    assert security.principal_of_session(secret) is None


def test_session_expires(database: Database) -> None:
    """A session past its days is not recognised, and goes when the next one opens."""
    security = Security(database, session_days=-1e-8)
    user = security.local_user()
    secret = security.open_session(user.user_id)
    assert security.principal_of_session(secret) is None
    security.open_session(user.user_id)
    with database.read() as tx:
        assert tx.row("SELECT count(*) FROM browser_session") == (1,)


def test_token_opens_until_revoked(security: Security, database: Database) -> None:
    """A token is shown once, kept as a hash, limited to its scopes, and dead once revoked."""
    user = security.local_user()
    secret = security.create_token(user.user_id, "ci", ["read", "jobs:fractal.*"])
    assert secret.startswith("fk_") and secret not in everything(database)
    program = security.principal_of_token(secret)
    assert program == Principal(
        user.user_id, user.name, user.is_admin, frozenset({"read", "jobs:fractal.*"})
    )
    assert program.allows("jobs:fractal.render")
    assert not program.allows("jobs:notebook.run")
    assert not program.allows("admin") and not program.allows("account")
    (listed,) = security.list_tokens(user.user_id)
    assert listed.name == "ci" and listed.last_used_at and not listed.revoked_at
    security.revoke_token(listed.id)
    assert security.principal_of_token(secret) is None
    (listed,) = security.list_tokens(user.user_id)
    first = listed.revoked_at
    security.revoke_token(listed.id)
    assert security.list_tokens(user.user_id)[0].revoked_at == first


def test_tokens_of_others_are_out_of_reach(security: Security) -> None:
    """Nobody revokes or lists the tokens of somebody else."""
    ada, bob = security.add_user("ada", PASSWORD), security.add_user("bob", PASSWORD)
    security.create_token(ada.user_id, "mine", ["read"])
    (token,) = security.list_tokens(ada.user_id)
    with pytest.raises(NotFound):
        security.revoke_token(token.id, bob.user_id)
    assert security.list_tokens(bob.user_id) == []


@pytest.mark.parametrize("scopes", [[], ["write"], ["jobs:"], [""], ["account"], ["jobs:\x00"]])
def test_unknown_scopes_are_refused(security: Security, scopes: list[str]) -> None:
    """A token holds at least one scope, and only ones that mean something."""
    with pytest.raises(InvalidInput, match="scopes"):
        security.create_token(security.local_user().user_id, "x", scopes)


def test_admin_scope_is_for_administrators(security: Security, database: Database) -> None:
    """A plain user gets no admin token, and a former administrator's stops being one."""
    ada = security.add_user("ada", PASSWORD)
    with pytest.raises(InvalidInput, match="no administrator"):
        security.create_token(ada.user_id, "x", ["admin"])
    eve = security.add_user("eve", PASSWORD, is_admin=True)
    secret = security.create_token(eve.user_id, "x", ["admin", "read"])
    assert security.principal_of_token(secret).allows("admin")  # type: ignore[union-attr]
    with database.write() as tx:
        tx.execute("UPDATE user_account SET is_admin = :no", {"no": False})
    assert security.principal_of_token(secret).scopes == {"read"}  # type: ignore[union-attr]


def test_jobs_scope_covers_every_capability() -> None:
    """Plain ``jobs`` is every capability, a pattern is only its own."""
    assert Principal(1, "a", False, frozenset({"jobs"})).allows("jobs:network.train")
    assert not Principal(1, "a", False, frozenset({"jobs:x.*"})).allows("jobs")
    assert not Principal(1, "a", False, frozenset({"jobs"})).allows("read")
