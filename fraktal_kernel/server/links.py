"""One-time links that sign a browser in, and the cookie that keeps it signed in."""

from __future__ import annotations

import secrets
import threading
import time

from fraktal_kernel.core.security import digest

COOKIE = "fraktal_session"
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


def session_cookie(secret: str, lasts_s: float, secure: bool) -> str:
    """Make the ``Set-Cookie`` value that signs a browser in; ``lasts_s=0`` signs it out."""
    cookie = f"{COOKIE}={secret}; Path=/; Max-Age={int(lasts_s)}; HttpOnly; SameSite=Strict"
    return cookie + ("; Secure" if secure else "")


def split_cookies(header: str) -> tuple[str | None, str]:
    """Take our session's secret out of a ``Cookie`` header; returns it and the rest."""
    secret, rest = None, []
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            secret = value
        elif part.strip():
            rest.append(part.strip())
    return secret, "; ".join(rest)
