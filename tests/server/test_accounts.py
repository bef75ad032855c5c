"""People sign in by password, programs by tokens that people make and take back."""

from __future__ import annotations

import pytest

from fraktal_kernel.core import security as module
from fraktal_kernel.server.links import cookie_name
from tests.server.served import Served

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def nobody_has_failed_before(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without the failed sign-ins of other tests from this address."""
    monkeypatch.setattr(served.workbench.security, "_tries", module._Tries())


def test_password_signs_a_browser_in_and_out(served: Served) -> None:
    """The right password makes a session that holds until it is ended."""
    served.workbench.security.add_user("grace", PASSWORD)
    with served.client(None) as browser:
        answer = browser.post("/api/sessions", json={"name": "grace", "password": PASSWORD})
        assert answer.status_code == 201
        assert answer.json()["name"] == "grace" and answer.json()["is_admin"] is False
        assert "HttpOnly; SameSite=Strict" in answer.headers["set-cookie"]
        assert browser.get("/api/me").json()["scopes"] == [
            "account",
            "approve",
            "bus",
            "jobs",
            "read",
        ]
        assert browser.post("/api/launch-links").status_code == 403
        kept = dict(browser.cookies)
        assert browser.delete("/api/sessions").status_code == 204
        assert not browser.cookies
    with served.client(None, cookies=kept) as thief:
        assert thief.get("/api/me").status_code == 401


def test_two_workbenches_on_one_host_keep_their_people(served: Served) -> None:
    """A browser that is signed in at two ports stays signed in at one when it leaves the other."""
    other = {"host": "127.0.0.1:9"}  # the same server, as a browser sees it behind a tunnel
    for name in ("ada", "barbara"):
        served.workbench.security.add_user(name, PASSWORD)
    with served.client(None) as browser:
        browser.post("/api/sessions", json={"name": "ada", "password": PASSWORD})
        body = {"name": "barbara", "password": PASSWORD}
        assert browser.post("/api/sessions", json=body, headers=other).status_code == 201
        assert browser.get("/api/me").json()["name"] == "ada"
        assert browser.get("/api/me", headers=other).json()["name"] == "barbara"
        assert browser.delete("/api/sessions", headers=other).status_code == 204
        assert browser.get("/api/me").json()["name"] == "ada"
        assert browser.get("/api/me", headers=other).status_code == 401


def test_wrong_passwords_are_refused_and_slowed(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong ones get 401, too many get 429 and are told for how long to wait."""
    monkeypatch.setattr(module, "TRIES_PER_NAME", 2)
    with served.client(None) as browser:
        body = {"name": "mallory", "password": "guess number one"}
        for _ in range(2):
            answer = browser.post("/api/sessions", json=body)
            assert answer.status_code == 401 and "wrong" in answer.json()["error"]
            assert "set-cookie" not in answer.headers
        answer = browser.post("/api/sessions", json=body)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 60


def test_foreign_page_cannot_sign_somebody_in(served: Served) -> None:
    """Signing in is open to all, but not to pages of other origins."""
    with served.client(None, headers={"origin": "http://evil.example"}) as browser:
        body = {"name": "grace", "password": PASSWORD}
        assert browser.post("/api/sessions", json=body).status_code == 403


def test_token_is_made_shown_once_and_revoked(served: Served) -> None:
    """A token works from its making to its revocation, and its secret is not told again."""
    with served.client() as person:
        made = person.post("/api/tokens", json={"name": "ci", "scopes": ["read"]})
        assert made.status_code == 201
        secret, number = made.json()["token"], made.json()["id"]
        with served.client(secret) as program:
            assert program.get("/api/jobs").status_code == 200
            assert program.post("/api/tokens", json={}).status_code in (403, 422)
        listed = person.get("/api/tokens")
        assert secret not in listed.text
        assert listed.json()["tokens"][0]["last_used_at"] is not None
        assert person.delete(f"/api/tokens/{number}").status_code == 204
        assert person.delete("/api/tokens/999999").status_code == 404
        with served.client(secret) as program:
            assert program.get("/api/jobs").status_code == 401


def test_token_with_unknown_scopes_is_refused(served: Served) -> None:
    """The sentence names the scope and what there is."""
    with served.client() as person:
        answer = person.post("/api/tokens", json={"name": "x", "scopes": ["write"]})
    assert answer.status_code == 422 and "given 'write', expected read" in answer.json()["error"]


def test_plain_user_makes_no_admin_token(served: Served) -> None:
    """Nobody gives a program more than they have."""
    linus = served.workbench.security.add_user("linus", PASSWORD)
    session = served.workbench.security.open_session(linus.user_id)
    with served.client(None, cookies={cookie_name(served.url): session}) as person:
        answer = person.post("/api/tokens", json={"name": "x", "scopes": ["admin"]})
    assert answer.status_code == 422
