"""A job's files over HTTP, streamed; none of them can script the workbench."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, BinaryIO
from urllib.parse import quote

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Path, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from fraktal_kernel.core.artifact import Artifact
from fraktal_kernel.errors import NotFound
from fraktal_kernel.server.callers import Number, OwnJobs, allowed, errors

router = APIRouter(
    prefix="/api/jobs/{job_id}/artifacts",
    tags=["artifacts"],
    dependencies=[Depends(allowed("read"))],
)
CHUNK_BYTES = 256 * 1024
#: An artifact that is a web page is shown, but without scripts and in an origin of its own.
POLICY = (
    "sandbox; default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; font-src data:; "
    "frame-ancestors 'self'"
)
MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(; ?charset=[\w-]+)?", re.ASCII)
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class ArtifactList(BaseModel):
    """The files that a job made."""

    artifacts: list[Artifact]


@router.get("", summary="List a job's artifacts", responses=errors(404, 422))
def list_artifacts(job_id: Number, jobs: OwnJobs) -> ArtifactList:
    """List names, sizes, media types and hashes."""
    return ArtifactList(artifacts=jobs.artifacts(job_id))


@router.get(
    "/{name:path}",
    summary="Download an artifact",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file.",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        206: {"description": "The part that the Range header asked for."},
        304: {"description": "The client has it already (If-None-Match)."},
        416: {"description": "The range lies outside of the file."},
        **errors(404, 422),
    },
)
def download(
    job_id: Number,
    name: Annotated[str, Path(description="The artifact's name.", max_length=200)],
    jobs: OwnJobs,
    if_none_match: Annotated[str | None, Header()] = None,
    range_: Annotated[str | None, Header(alias="range")] = None,
    if_range: Annotated[str | None, Header()] = None,
) -> Response:
    """Stream a file; its ETag is its SHA-256."""
    found = next((item for item in jobs.artifacts(job_id) if item.name == name), None)
    if found is None:
        raise NotFound(f"job {job_id} has no artifact {name!r}.")
    tag = f'"{found.sha256}"'
    headers = {
        "etag": tag,
        "cache-control": "private, no-cache",
        "accept-ranges": "bytes",
        "content-security-policy": POLICY,
        "content-disposition": _disposition(found.name),
    }
    if if_none_match and tag in if_none_match:
        return Response(status_code=304, headers=headers)
    first, last = 0, found.size_bytes - 1
    status = 200
    asked = RANGE.fullmatch(range_ or "") if if_range in (None, tag) else None
    if asked and (asked[1] or asked[2]):
        if asked[1]:
            first = int(asked[1])
            last = min(int(asked[2] or last), last)
        else:
            first = max(0, found.size_bytes - int(asked[2]))
        if first > last:
            headers["content-range"] = f"bytes */{found.size_bytes}"
            return Response(status_code=416, headers=headers)
        status = 206
        headers["content-range"] = f"bytes {first}-{last}/{found.size_bytes}"
    headers["content-length"] = str(last - first + 1)
    stream = jobs.open_artifact(job_id, name)
    try:
        _skip(stream, first)
    except BaseException:
        stream.close()
        raise
    return StreamingResponse(
        _chunks(stream, last - first + 1), status, headers, _media_type(found.media_type)
    )


async def _chunks(stream: BinaryIO, count: int) -> AsyncIterator[bytes]:
    try:
        while count > 0:
            chunk = await to_thread.run_sync(stream.read, min(CHUNK_BYTES, count))
            if not chunk:
                break
            count -= len(chunk)
            yield chunk
    finally:
        stream.close()


def _skip(stream: BinaryIO, count: int) -> None:
    if not count:
        return
    if stream.seekable():
        stream.seek(count)
        return
    while count > 0:
        chunk = stream.read(min(CHUNK_BYTES, count))
        if not chunk:
            return
        count -= len(chunk)


def _media_type(media_type: str) -> str:
    # A capability chose it: what is no media type would break the header that it goes into.
    return media_type if MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream"


def _disposition(name: str) -> str:
    file = name.rsplit("/", 1)[-1]
    plain = re.sub(r"[^\w.+ -]", "_", file, flags=re.ASCII)
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(file, safe='')}"
