"""Nobody passes the gate unrecognised, from a foreign page, by a foreign name, or with too much."""

from __future__ import annotations

import json
import os
import socket
import threading
import time

import httpx
import psutil
import pytest
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.errors import Unavailable
from fraktal_kernel.server.gate import Gate
from fraktal_kernel.server.links import LaunchLinks, cookie_name
from tests.server.served import FRIEND, LAUNCH, SECRET, Served

#: Panel calls Tornado in a way that the next Tornado does away with.
TORNADO = pytest.mark.filterwarnings("ignore:.*HTTPServerRequest:DeprecationWarning")
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PROTECTED = ["/api/jobs", "/api/capabilities", "/api/me", "/metrics", "/openapi.json", "/docs", "/"]


@pytest.mark.parametrize("path", [*PROTECTED, "/nothing", "/static/js/bokeh.min.js", "/explorer"])
def test_nobody_gets_in_without_a_token(served: Served, path: str) -> None:
    """Every address but two answers 401 with one sentence, whether it exists or not."""
    with served.client(None) as client:
        answer = client.get(path)
    assert answer.status_code == 401
    assert "sign in first" in answer.json()["error"]
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["wrong", "fk_wrong", SECRET + "x", SECRET[:-1], "x y", "ä"])
def test_wrong_tokens_are_refused(served: Served, token: str) -> None:
    """A token that is nobody's opens nothing."""
    headers = {"authorization": b"Bearer " + token.encode()}
    with served.client(None) as client:
        assert client.get("/api/jobs", headers=headers).status_code == 401


def test_other_kinds_of_credentials_are_refused(served: Served) -> None:
    """Only bearer tokens and our own cookie count."""
    with served.client(None) as client:
        assert client.get("/api/me", auth=("root", SECRET)).status_code == 401
        assert client.get("/api/me", headers={"authorization": SECRET}).status_code == 401
        cookie = {"cookie": f"{cookie_name(served.url)}={SECRET}"}
        assert client.get("/api/me", headers=cookie).status_code == 401


def test_wrong_bearer_is_not_saved_by_a_cookie(served: Served) -> None:
    """Whoever names a token is judged by it."""
    session = served.workbench.security.open_session(served.workbench.user.user_id)
    cookie = {"cookie": f"{cookie_name(served.url)}={session}"}
    with served.client(None, headers=cookie) as client:
        assert client.get("/api/me").status_code == 200
        assert client.get("/api/me", headers={"authorization": "Bearer no"}).status_code == 401


def test_revoked_token_is_refused_at_once(served: Served) -> None:
    """A token works until the request after its revocation."""
    secret = served.token("read")
    with served.client(secret) as client:
        assert client.get("/api/jobs").status_code == 200
        number = served.workbench.security.token(secret).id
        served.workbench.security.revoke_token(number)
        assert client.get("/api/jobs").status_code == 401


def test_health_is_open_and_tells_strangers_little(served: Served) -> None:
    """Anybody may ask whether it lives; only the recognised read why not."""
    with served.client(None) as client:
        found = client.get("/api/health").json()
    assert set(found) == {"ok", "database", "store", "workers"}
    assert set(map(str, found.values())) <= {"True", "False", "ok", "does not answer"}


# -- origins and hosts -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:1",
        "https://{host}",
        "http://{host}.evil.example",
        "http://localhost",
    ],
)
@pytest.mark.parametrize("path", ["/api/jobs", "/api/health", "/"])
def test_foreign_origins_are_refused(served: Served, origin: str, path: str) -> None:
    """A page of another origin gets 403, even with a right token, even where all may ask."""
    origin = origin.format(host=served.url.partition("//")[2])
    with served.client() as client:
        answer = client.get(path, headers={"origin": origin})
        assert answer.status_code == 403 and "may not call" in answer.json()["error"]
        assert client.post("/api/jobs", headers={"origin": origin}, json={}).status_code == 403


def test_friendly_origins_may_call_and_read(served: Served) -> None:
    """Pages of an origin in the settings may ask, with a token; others are not told how."""
    ask = {"access-control-request-method": "POST"}
    with served.client(None) as browser:
        for origin, status in ((FRIEND, 204), ("http://evil.example", 403)):
            answer = browser.options("/api/jobs", headers={"origin": origin, **ask})
            assert answer.status_code == status
            allowed = answer.headers.get("access-control-allow-origin")
            assert allowed == (origin if status == 204 else None)
        assert browser.get("/api/jobs", headers={"origin": FRIEND}).status_code == 401
        told = browser.options("/api/models", headers={"origin": FRIEND, **ask}).headers
        methods = {method.strip() for method in told["access-control-allow-methods"].split(",")}
    with served.client(headers={"origin": FRIEND}) as page:
        routes = page.get("/openapi.json").json()["paths"].values()
        assert methods == {method.upper() for route in routes for method in route}
        answer = page.get("/api/jobs")
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == FRIEND
        assert "access-control-allow-credentials" not in answer.headers
    with served.client() as program:
        assert "access-control-allow-origin" not in program.get("/api/jobs").headers


def test_own_origin_is_let_through(served: Served) -> None:
    """Our own pages may call us, by whichever name of loopback they were opened."""
    port = served.url.rpartition(":")[2]
    with served.client() as client:
        for name in ("127.0.0.1", "localhost", "[::1]", "127.0.0.2"):
            host = f"{name}:{port}"
            headers = {"host": host, "origin": f"http://{host}"}
            assert client.get("/api/jobs", headers=headers).status_code == 200


def test_foreign_pages_cannot_embed(served: Served) -> None:
    """An image or script of ours in a foreign page is refused, though it names no origin."""
    with served.client() as client:
        for site in ("cross-site", "same-site"):
            headers = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
            assert client.get("/api/jobs", headers=headers).status_code == 403
            headers = {"sec-fetch-site": site, "sec-fetch-mode": "navigate"}
            assert client.get("/api/jobs", headers=headers).status_code == 200
        assert client.get("/api/me", headers={"sec-fetch-site": "none"}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost@evil.example", "", "a b"],
)
def test_foreign_hosts_are_refused(served: Served, host: str) -> None:
    """A name that somebody pointed at us (DNS rebinding) gets 403."""
    with served.client() as client:
        answer = client.get("/api/health", headers={"host": host})
    assert answer.status_code == 403 and "is not this workbench" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/events", "/ws", "/explorer/ws"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {SECRET}", "Origin": "http://evil.example"},
        {"Authorization": f"Bearer {SECRET}", "Origin": "null"},
        {"Origin": "http://evil.example"},
    ],
)
def test_websockets_are_refused_before_they_open(
    served: Served, path: str, headers: dict[str, str]
) -> None:
    """Ours and Panel's alike: no token, a wrong one, or a foreign origin is HTTP 403."""
    with pytest.raises(InvalidStatus) as refused:
        connect(
            served.websocket + path,
            additional_headers=headers,
            subprotocols=["bokeh", "token"],  # type: ignore[list-item]
            proxy=None,
        )
    assert refused.value.response.status_code == 403


def test_websocket_of_a_foreign_host_is_refused(served: Served) -> None:
    """A WebSocket under a foreign name does not open either."""
    port = int(served.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(
            b"GET /api/events HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer " + SECRET.encode() + b"\r\n\r\n"
        )
        assert line.recv(100).startswith(b"HTTP/1.1 403")


# -- links and sessions ----------------------------------------------------------------------


def test_link_opens_one_browser_once(served: Served) -> None:
    """The link makes a session, leaves the address, and opens nothing a second time."""
    with served.client() as program:
        url = program.post("/api/launch-links").json()["url"]
    with served.client(None, headers=BROWSER) as browser:
        answer = browser.get(url + "&theme=dark")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/?theme=dark"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
        assert browser.get("/api/me").json()["name"] == served.workbench.user.name
        again = browser.get(url)
        assert again.status_code == 303, "who is signed in already is not troubled"
    with served.client(None, headers=BROWSER) as other:
        answer = other.get(url)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert answer.headers["content-type"].startswith("text/html")
        assert "fraktal link" in answer.text
        assert other.get("/api/me").status_code == 401


def test_link_of_the_start_is_used_once(served: Served) -> None:
    """The token that the start prints is a one-time link as well."""
    with served.client(None) as browser:
        assert browser.get("/", params={"token": LAUNCH}).status_code == 303
    with served.client(None) as browser:
        assert browser.get("/", params={"token": LAUNCH}).status_code == 401


def test_link_is_taken_by_one_of_many_at_once(served: Served) -> None:
    """Of twenty browsers that open one link together, one gets in."""
    with served.client() as program:
        url = program.post("/api/launch-links").json()["url"]
    found: list[int] = []

    def visit() -> None:
        with served.client(None) as browser:
            found.append(browser.get(url).status_code)

    threads = [threading.Thread(target=visit) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [303] + [401] * 19


@pytest.mark.parametrize("path", ["//evil.example/x", "/%2f/evil.example", "/\\evil.example"])
def test_link_never_leads_away(served: Served, path: str) -> None:
    """The address after the sign-in is on this server, whatever the link's path says."""
    with served.client() as program:
        token = program.post("/api/launch-links").json()["url"].rpartition("=")[2]
    port = int(served.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(f"GET {path}?token={token} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = line.recv(4000).decode().lower()
    assert answer.startswith("http/1.1 303") and "\r\nlocation: /evil.example" in answer


def test_api_tokens_are_no_links(served: Served) -> None:
    """Neither an API token nor the local secret opens a session from an address line."""
    with served.client(None) as browser:
        for token in (SECRET, served.token("admin")):
            assert browser.get("/", params={"token": token}).status_code == 401
            assert browser.get("/api/me", params={"token": token}).status_code == 401


def test_browsers_get_a_page_to_sign_in_and_programs_json(served: Served) -> None:
    """Who opens a page unrecognised is told how to get in, on a page that asks nobody else."""
    with served.client(None, headers=BROWSER) as browser:
        answer = browser.get("/explorer")
        assert answer.status_code == 401
        assert answer.headers["content-type"].startswith("text/html")
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert browser.get("/api/jobs").headers["content-type"] == "application/json"
        assert browser.get("/metrics").headers["content-type"] == "application/json"
        assert browser.post("/").headers["content-type"] == "application/json"


# -- bodies ----------------------------------------------------------------------------------


def test_body_of_100_megabytes_is_refused_fast_and_flat(served: Served) -> None:
    """Whether its length is told or not, it is answered 413, not kept, and the line closed."""
    chunk = b'{"capability": "' + b"x" * (1024**2 - 16)
    memory = psutil.Process(os.getpid()).memory_info

    def chunks() -> object:
        for _ in range(100):
            yield chunk

    for headers in ({"content-length": str(100 * len(chunk))}, {}):
        with served.client() as client:
            before = memory().rss
            answer = client.post(
                "/api/jobs",
                content=chunks(),  # type: ignore[arg-type]
                headers={"content-type": "application/json", **headers},
            )
            assert answer.status_code == 413
            assert "larger than 8388608 bytes" in answer.json()["error"]
            assert answer.headers["connection"] == "close"
            assert memory().rss - before < 40 * 1024**2
            assert client.get("/api/health").status_code in (200, 503)


def test_large_body_is_answered_before_it_is_sent(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal comes from the announced length alone, while the client still holds its data."""
    monkeypatch.setattr("fraktal_kernel.server.body.DRAIN_S", 0.5)
    port = int(served.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=120) as line:
        line.sendall(
            b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer " + SECRET.encode() + b"\r\n"
            b"Content-Length: 100000000\r\n\r\n"
        )
        answer = b""
        while b"}" not in answer:
            answer += line.recv(4096)
        assert answer.startswith(b"HTTP/1.1 413")
        # The client that neither sends nor leaves is let go after some time.
        assert line.recv(1) == b""


def test_body_at_the_limit_is_read(served: Served) -> None:
    """What is just small enough reaches the route, which finds its own fault with it."""
    body = json.dumps({"capability": "x" * 100}).ljust(8 * 1024**2).encode()
    with served.client() as client:
        headers = {"content-type": "application/json"}
        answer = client.post("/api/jobs", content=body, headers=headers)
        assert answer.status_code == 422 and "no capability" in answer.json()["error"]
        answer = client.post("/api/jobs", content=body + b" ", headers=headers)
        assert answer.status_code == 413


# -- what is behind the gate -----------------------------------------------------------------


def test_every_answer_carries_safe_headers(served: Served) -> None:
    """Errors and successes alike forbid sniffing, framing and telling others the address."""
    with served.client() as client, served.client(None) as stranger:
        answers = [
            client.get("/api/jobs"),
            client.get("/nothing"),
            client.get("/docs"),
            stranger.get("/api/jobs"),
            stranger.get("/api/health", headers={"host": "evil.example"}),
        ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
    assert answers[0].headers["cache-control"] == "no-store"


def test_unknown_addresses_answer_json(served: Served) -> None:
    """What is not there, and what cannot be done there, is said in one sentence."""
    with served.client() as client:
        answer = client.get("/nothing")
        assert answer.status_code == 404 and "nothing at /nothing" in answer.json()["error"]
        answer = client.put("/api/jobs", json={})
        assert answer.status_code == 405 and "PUT is not possible" in answer.json()["error"]
        answer = client.get("/api/capabilities/%00")
        assert answer.status_code == 400 and "NUL" in answer.json()["error"]


def test_forwarded_headers_are_not_believed(served: Served) -> None:
    """Nobody becomes somebody else, or another host, by saying so."""
    headers = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"}
    with served.client(headers=headers) as client:
        url = client.post("/api/launch-links").json()["url"]
    assert url.startswith(served.url)


@TORNADO
def test_pages_never_see_the_credentials(served: Served) -> None:
    """The page's HTML, into which Bokeh writes cookies and headers, holds no secret of ours."""
    from base64 import urlsafe_b64decode

    session = served.workbench.security.open_session(served.workbench.user.user_id)
    cookies = f"{cookie_name(served.url)}={session}; fraktal_session_9=of-another-{session}"
    with served.client(None, headers={**BROWSER, "cookie": cookies}) as page:
        answer = page.get("/")
    assert answer.status_code == 200
    text = answer.text
    for part in text.split('"'):
        padded = part + "=" * (-len(part) % 4)
        try:
            text += urlsafe_b64decode(padded).decode("latin-1")
        except ValueError:
            continue
    assert session not in text


@TORNADO
def test_visits_are_let_go(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that its browser has left is forgotten, and one that still loads is waited for."""
    import gc
    import re

    from bokeh.server.session import ServerSession

    from fraktal_kernel.server import leaving

    def held() -> tuple[int, set[str]]:
        # By type alone: asking a weak reference for its class raises once its target is gone.
        sessions = [item for item in gc.get_objects() if type(item) is ServerSession]
        connected = sum(session.connection_count for session in sessions)
        return connected, {session.id for session in sessions if not session.destroyed}

    monkeypatch.setattr(leaving, "BACK_S", 0.1)
    before, known = held()
    with served.client() as client:
        token = re.search(r'"token":"([^"]+)"', client.get("/explorer").text)
        (left,) = held()[1] - known
        client.get("/explorer")
        (loading,) = held()[1] - known - {left}
    assert token
    with connect(
        served.websocket + "/explorer/ws",
        additional_headers={"Authorization": f"Bearer {SECRET}", "Origin": served.url},
        subprotocols=["bokeh", token[1]],  # type: ignore[list-item]
        max_size=None,
        proxy=None,
    ) as line:
        for _ in range(3):  # one message of three frames: the connection is acknowledged
            line.recv(timeout=120)
        assert held()[0] == before + 1
    until = time.monotonic() + 60
    while left in held()[1] and time.monotonic() < until:
        time.sleep(0.05)
    assert held()[0] == before and left not in held()[1] and loading in held()[1]


def test_open_websocket_ends_when_its_token_is_revoked(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that only listens ends with its right, however busy others keep the server."""
    from fraktal_kernel.server import gate

    monkeypatch.setattr(gate, "RECHECK_S", 0.05)
    engine, security = served.workbench.engine, served.workbench.security
    secret = served.token(
        "read", user_id=security.add_user("mute", "correct horse battery").user_id
    )
    done = threading.Event()

    def keep_busy() -> None:
        while not done.wait(0.01):
            engine.events.announce()

    busy = threading.Thread(target=keep_busy)
    busy.start()
    headers = {"Authorization": f"Bearer {secret}"}
    try:
        with connect(
            served.websocket + "/api/events", additional_headers=headers, proxy=None
        ) as line:
            with pytest.raises(TimeoutError):
                line.recv(timeout=0.2)
            security.revoke_token(security.token(secret).id)
            with pytest.raises(ConnectionClosed) as closed:
                line.recv(timeout=60)
    finally:
        done.set()
        busy.join()
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008


def test_an_address_of_ipv6_is_ours_where_we_listen_on_it(served: Served) -> None:
    """Settings name it bare, browsers in brackets."""
    settings = load_settings(data=served.workbench.settings.data, host="2001:DB8::5")
    gate = Gate(
        FastAPI(), security=served.workbench.security, settings=settings, links=LaunchLinks()
    )
    assert gate._is_ours("[2001:db8::5]") and not gate._is_ours("[2001:db8::6]")


def test_httpx_sends_what_the_tests_mean() -> None:
    """The client of these tests does not tidy a host header away."""
    request = httpx.Request("GET", "http://127.0.0.1/", headers={"host": "evil.example"})
    assert request.headers["host"] == "evil.example"


def test_mistakes_of_ours_are_told_by_number_alone(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody foresaw is 500 with a number; the log has the rest under it."""

    def fall() -> None:
        raise RuntimeError("a detail that is nobody's business")

    monkeypatch.setattr(served.workbench.engine, "health", fall)
    with served.client() as client:
        answer = client.get("/api/health")
    assert answer.status_code == 500
    assert "nobody's business" not in answer.text and "Traceback" not in answer.text
    number = answer.json()["error"].rstrip(".").rpartition(" ")[2]
    assert any(number in str(vars(record)) and record.exc_info for record in caplog.records)


def test_what_does_not_answer_is_503(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away while somebody is recognised is told as such."""

    def away(*_: object) -> None:
        raise Unavailable("the database does not answer.")

    token = served.token("read")
    monkeypatch.setattr(served.workbench.security, "principal_of_token", away)
    with served.client(token) as client:
        answer = client.get("/api/jobs")
    assert (answer.status_code, answer.json()["error"]) == (503, "the database does not answer.")
