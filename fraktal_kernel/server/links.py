"""One-time links that sign a browser in, and the cookie that keeps it signed in."""

from __future__ import annotations

import re
import secrets
import threading
import time

from fraktal_kernel.core.security import digest

COOKIE = "fraktal_session"
ANY_COOKIE = re.compile(rf"{COOKIE}(_\d+)?")
PORT = re.compile(r":(\d+)$")
#: A link asked for later is meant for now; the one of the start waits for its first use.
LINK_S = 900.0


class LaunchLinks:
    """Tokens that each open one browser session and are then used up.

    They live in memory: a restart of the server makes new ones.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def add(self, token: str | None = None, lasts_s: float = LINK_S) -> str:
        """Make a token valid, a new one if none is given, and return it."""
        token = token or secrets.token_urlsafe(32)
        now = time.monotonic()
        with self._lock:
            self._until = {kept: until for kept, until in self._until.items() if until > now}
            self._until[digest(token)] = now + lasts_s
        return token

    def redeem(self, token: str) -> bool:
        """Use a token up; False for one that is unknown, used or too old."""
        with self._lock:
            return self._until.pop(digest(token), 0.0) > time.monotonic()


def cookie_name(host: str) -> str:
    """Name the cookie by the port that the browser sees.

    A browser sends the cookies of a host name to all its ports: two workbenches on one computer
    would sign each other's people out if their cookies had one name.

    Examples
    --------
    >>> cookie_name("127.0.0.1:8081")
    'fraktal_session_8081'
    >>> cookie_name("fraktal.example")
    'fraktal_session'
    """
    port = PORT.search(host)
    return f"{COOKIE}_{port[1]}" if port else COOKIE


def session_cookie(host: str, secret: str, lasts_s: float, secure: bool) -> str:
    """Make the ``Set-Cookie`` value that signs a browser in; ``lasts_s=0`` signs it out.

    Parameters
    ----------
    host : what the browser called us, its port included
    secret : of the session
    lasts_s : after which the browser forgets it
    secure : whether the browser speaks HTTPS to us
    """
    value = f"{secret}; Path=/; Max-Age={int(lasts_s)}; HttpOnly; SameSite=Strict"
    return f"{cookie_name(host)}={value}" + ("; Secure" if secure else "")


def split_cookies(header: str, host: str) -> tuple[str | None, str]:
    """Take our session's secret out of a ``Cookie`` header; returns it and the rest.

    Secrets of other workbenches on this host are in neither.
    """
    ours = cookie_name(host)
    secret, rest = None, []
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == ours:
            secret = value
        elif name and not ANY_COOKIE.fullmatch(name):
            rest.append(part.strip())
    return secret, "; ".join(rest)
