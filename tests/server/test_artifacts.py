"""A job's files come as they are, in parts too, and none can climb or script."""

from __future__ import annotations

import hashlib
import http.client

import httpx
import pytest

from tests.server.served import SECRET, Served
from tests.server.served_capabilities import PAGE

NUMBERS = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def files(served: Served) -> str:
    """Make the files once; give the address below which they lie."""
    return f"/api/jobs/{served.run('served.files')}/artifacts"


def test_list_tells_names_sizes_and_hashes(client: httpx.Client, files: str) -> None:
    """Every file is listed with what is needed to fetch and check it."""
    found = {item["name"]: item for item in client.get(files).json()["artifacts"]}
    assert set(found) == {
        "numbers.bin",
        "page.html",
        "tables/costs & prices.csv",
        "odd.bin",
        "empty.txt",
    }
    assert found["numbers.bin"]["size_bytes"] == len(NUMBERS)
    assert found["numbers.bin"]["sha256"] == hashlib.sha256(NUMBERS).hexdigest()


def test_file_comes_whole(client: httpx.Client, files: str) -> None:
    """The bytes, their number, their type and their hash are right."""
    answer = client.get(f"{files}/numbers.bin")
    assert answer.content == NUMBERS
    assert answer.headers["content-length"] == str(len(NUMBERS))
    assert answer.headers["etag"] == f'"{hashlib.sha256(NUMBERS).hexdigest()}"'
    assert answer.headers["content-type"] == "application/octet-stream"
    assert client.get(f"{files}/empty.txt").content == b""
    answer = client.get(f"{files}/tables/costs%20%26%20prices.csv")
    assert answer.text == "a,b\n1,2\n"
    assert "filename*=UTF-8''costs%20%26%20prices.csv" in answer.headers["content-disposition"]


def test_known_file_is_not_sent_again(client: httpx.Client, files: str) -> None:
    """A client that has it gets 304 and no bytes."""
    tag = client.get(f"{files}/numbers.bin").headers["etag"]
    answer = client.get(f"{files}/numbers.bin", headers={"if-none-match": tag})
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=1000-1999", 1000, 1999),
        ("bytes=1000000-", 1000000, len(NUMBERS) - 1),
        ("bytes=-10", len(NUMBERS) - 10, len(NUMBERS) - 1),
        ("bytes=0-99999999999", 0, len(NUMBERS) - 1),
    ],
)
def test_parts_come_alone(
    client: httpx.Client, files: str, asked: str, first: int, last: int
) -> None:
    """A range gives exactly its bytes, and says which they are."""
    answer = client.get(f"{files}/numbers.bin", headers={"range": asked})
    assert answer.status_code == 206
    assert answer.content == NUMBERS[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(NUMBERS)}"


def test_parts_of_something_else_come_whole(client: httpx.Client, files: str) -> None:
    """A range of an older file is answered with the whole new one; nonsense too."""
    address = f"{files}/numbers.bin"
    old = {"range": "bytes=0-9", "if-range": '"old"'}
    assert client.get(address, headers=old).content == NUMBERS
    for nonsense in ("bytes=-", "lines=1-2", "bytes=9-1,2", "bytes=0-1,5-6"):
        assert client.get(address, headers={"range": nonsense}).content == NUMBERS
    answer = client.get(address, headers={"range": f"bytes={len(NUMBERS)}-"})
    assert answer.status_code == 416
    assert client.get(f"{files}/empty.txt", headers={"range": "bytes=0-"}).status_code == 416


def test_pages_cannot_script(client: httpx.Client, files: str) -> None:
    """A page that a job made is shown without scripts, in an origin of its own."""
    answer = client.get(f"{files}/page.html")
    assert answer.text == PAGE
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox;") and "script" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_odd_media_type_stays_out_of_the_headers(client: httpx.Client, files: str) -> None:
    """What a capability says of its file cannot add a header."""
    answer = client.get(f"{files}/odd.bin")
    assert answer.content == b"odd"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../../../../fraktal.db",
        "..%2f..%2f..%2ffraktal.db",
        "%2e%2e/%2e%2e/fraktal.db",
        "%2e%2e%2f%2e%2e%2ffraktal.db",
        "..%5c..%5cfraktal.db",
        "%252e%252e%252ffraktal.db",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "page.html/..",
        "tables/../page.html",
        "tables",
        "page.html%00.png",
        "%c0%ae%c0%ae/fraktal.db",
        "x" * 300,
        "",
    ],
)
def test_names_cannot_climb(served: Served, files: str, name: str) -> None:
    """No spelling of a path reaches anything but the job's own files."""
    host, port = served.url.removeprefix("http://").split(":")
    line = http.client.HTTPConnection(host, int(port), timeout=120)  # sends paths as they are
    line.request("GET", f"{files}/{name}", headers={"authorization": f"Bearer {SECRET}"})
    answer = line.getresponse()
    body = answer.read()
    line.close()
    assert answer.status in (400, 404, 422), body
    assert b"SQLite" not in body and b"root:" not in body
