"""The page of the web API stands by itself, and describes every route with its errors."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest


@pytest.fixture
def described(client: httpx.Client) -> dict[str, Any]:
    """Fetch the description."""
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_page_asks_nobody_else(client: httpx.Client) -> None:
    """All that the page loads comes from this server."""
    page = client.get("/docs")
    assert page.status_code == 200
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(wanted) == 3
    for address in wanted:
        assert address.startswith("/docs/")
        assert client.get(address).status_code == 200
    assert "http" not in page.text.replace("http://127.0.0.1", "")
    assert client.get("/docs/nothing.js").status_code == 404
    assert client.get("/docs/..%2fcore.py").status_code == 404


def test_every_route_describes_its_errors(described: dict[str, Any]) -> None:
    """Each has a summary and the shape of every error; health and sign-in are marked open."""
    for path, routes in described["paths"].items():
        for method, route in routes.items():
            assert route["summary"] and route["tags"], (method, path)
            if path == "/api/health":
                continue
            for status in ("401", "403", "503"):
                schema = route["responses"][status]["content"]["application/json"]["schema"]
                assert schema["$ref"].endswith("/ErrorBody"), (method, path, status)
    assert "HTTPValidationError" not in described["components"]["schemas"]
    assert described["paths"]["/api/health"]["get"]["security"] == []
    assert set(described["components"]["securitySchemes"]) == {"token", "browser"}


def test_bodies_have_examples_that_work(client: httpx.Client, described: dict[str, Any]) -> None:
    """What the page offers to send is accepted."""
    schemas = described["components"]["schemas"]
    for name in ("JobRequest", "Answer", "SignIn", "TokenRequest"):
        assert schemas[name]["examples"]
    job = client.post("/api/jobs", json=schemas["JobRequest"]["examples"][0])
    assert job.status_code in (200, 201)  # its key may be known from another test
    client.delete(f"/api/jobs/{job.json()['id']}")
    token = client.post("/api/tokens", json=schemas["TokenRequest"]["examples"][0])
    assert token.status_code == 201
    client.delete(f"/api/tokens/{token.json()['id']}")
