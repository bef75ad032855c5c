"""What a test needs of the server that all tests of this folder share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from fraktal_kernel.core.local import LocalWorkbench

FRIEND = "https://friend.example"
LAUNCH, SECRET = "launch-token-of-the-tests", "local-secret-of-the-tests"


@dataclass
class Served:
    """A workbench that is served on loopback."""

    workbench: LocalWorkbench
    url: str

    def client(self, token: str | None = SECRET, **options: Any) -> httpx.Client:
        """Make a client that sends a token; by default the one that may do all."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        return httpx.Client(
            base_url=self.url, headers=headers, timeout=120, trust_env=False, **options
        )

    def token(self, *scopes: str, user_id: int | None = None) -> str:
        """Make a token of a user, by default the local one."""
        owner = self.workbench.user.user_id if user_id is None else user_id
        return self.workbench.security.create_token(owner, "test", scopes)

    @property
    def websocket(self) -> str:
        """The address with the scheme of WebSockets."""
        return self.url.replace("http", "ws", 1)

    def run(self, capability: str, **params: Any) -> int:
        """Do a job to its end and return its number."""
        job = self.workbench.submit(capability, **params)
        job.wait(180)
        return job.id
