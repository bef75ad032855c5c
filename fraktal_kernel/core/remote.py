"""The workbench whose jobs a server runs, reached over its web interface."""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, BinaryIO
from urllib.parse import quote

import httpx
from typing_extensions import override

from fraktal_kernel.core.artifact import Artifact
from fraktal_kernel.core.capability import capabilities
from fraktal_kernel.core.jobs.model import (
    ApprovalView,
    ApprovalViews,
    Artifacts,
    JobOptions,
    JobView,
    JobViews,
    LogLine,
    LogLines,
    State,
)
from fraktal_kernel.core.settings import Settings
from fraktal_kernel.core.topics import EventView, topic_condition
from fraktal_kernel.core.tracing.context import here
from fraktal_kernel.core.tracing.model import Timeline
from fraktal_kernel.core.values import to_json
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.core.workspace import ServerAddress, read_address
from fraktal_kernel.errors import (
    Conflict,
    FraktalError,
    InvalidInput,
    NotAllowed,
    NotFound,
    Unavailable,
)

PROBE_S = 2.0
REQUEST_S = 30.0
RECONNECT_S = 1.0
LISTEN_S = 0.5
_ERRORS: dict[int, type[FraktalError]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: InvalidInput,
    422: InvalidInput,
    400: InvalidInput,
}


def find_server(settings: Settings) -> RemoteWorkbench | None:
    """Return the workbench of the server that runs this workspace, None where there is none."""
    address = read_address(settings)
    if address is None:
        return None
    try:
        httpx.get(f"{address.url}/api/health", timeout=PROBE_S, trust_env=False)
    except httpx.ReadTimeout:
        pass  # it is busy, but it is there
    except httpx.HTTPError:
        return None
    return RemoteWorkbench(settings, address)


class RemoteJobs:
    """One user's jobs on a server; see :class:`~fraktal_kernel.core.jobs.model.Jobs`."""

    def __init__(self, settings: Settings, address: ServerAddress) -> None:
        self._settings = settings
        self.address = address
        self._http = httpx.Client(timeout=REQUEST_S, trust_env=False)

    def follow_server(self) -> bool:
        """Tell whether the server was started anew, and talk to that one from now on.

        It may have another port, and always has another secret.
        """
        now = read_address(self._settings)
        if now is None or now == self.address:
            return False
        self.address = now
        return True

    def _send(
        self,
        method: str,
        path: str,
        stream: bool = False,
        headers: Mapping[str, str] = MappingProxyType({}),
        **more: Any,
    ) -> httpx.Response:
        while True:
            address = self.address
            request = self._http.build_request(
                method,
                address.url + path,
                headers={**headers, "Authorization": f"Bearer {address.token}"},
                **more,
            )
            try:
                answer = self._http.send(request, stream=stream)
            except httpx.ConnectError as error:  # nothing was sent, so it may be sent again
                if self.follow_server():
                    continue
                raise _silent(address, error) from None
            except httpx.HTTPError as error:
                raise _silent(address, error) from None
            if answer.status_code != 401 or not self.follow_server():
                return answer
            answer.close()

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Ask the server for JSON; its refusals are raised as errors."""
        return self._checked(self._send(method, path, **more)).json()

    def last_event(self) -> int:
        """Return the number of the newest event."""
        return int(self.ask("GET", "/api/events", params={"limit": 0})["last"])

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        try:
            sentence = answer.json()["error"]
        except (ValueError, KeyError, TypeError):
            sentence = f"the server answered {answer.status_code} to {answer.request.url.path}."
        raise _ERRORS.get(answer.status_code, Unavailable)(sentence)

    def submit(
        self, capability: str, params: Mapping[str, Any], options: JobOptions | None = None
    ) -> JobView:
        """Check the parameters here, where their files are, and queue the job there."""
        options = options or JobOptions()
        checked = capabilities[capability].validate(params, roots=None)
        body = {
            "capability": capability,
            "params": json.loads(checked.model_dump_json()),
            "key": options.key,
            "priority": options.priority,
            "delay_s": options.delay_s,
            "timeout_s": options.timeout_s,
            "max_attempts": options.max_attempts,
            "agent": options.agent,
        }
        traceparent = options.traceparent or here()
        headers = {"traceparent": traceparent} if traceparent else {}
        return JobView(**self.ask("POST", "/api/jobs", json=body, headers=headers))

    def get(self, job_id: int) -> JobView:
        """Return one job."""
        return JobView(**self.ask("GET", f"/api/jobs/{job_id}"))

    def list(
        self, state: State | None = None, limit: int = 50, before: int | None = None
    ) -> JobViews:
        """List jobs, newest first."""
        wanted = {"state": state, "limit": limit, "before": before}
        query = {key: value for key, value in wanted.items() if value is not None}
        return [JobView(**job) for job in self.ask("GET", "/api/jobs", params=query)["jobs"]]

    def cancel(self, job_id: int) -> JobView:
        """Stop a job."""
        return JobView(**self.ask("DELETE", f"/api/jobs/{job_id}"))

    def retry(self, job_id: int) -> JobView:
        """Queue an ended job again."""
        return JobView(**self.ask("POST", f"/api/jobs/{job_id}/retry"))

    def discard(self, job_id: int) -> JobView:
        """Put a failed job away."""
        return JobView(**self.ask("POST", f"/api/jobs/{job_id}/discard"))

    def restore(self, job_id: int) -> JobView:
        """Take a discard back."""
        return JobView(**self.ask("POST", f"/api/jobs/{job_id}/restore"))

    def answer(self, job_id: int, choice: str) -> JobView:
        """Answer what a waiting job asked."""
        return JobView(**self.ask("POST", f"/api/jobs/{job_id}/answer", json={"choice": choice}))

    def children(self, job_id: int) -> dict[str, JobView]:
        """Return the jobs that a job has begun, by the names that it gave them."""
        found = self.ask("GET", f"/api/jobs/{job_id}/children")["children"]
        return {name: JobView(**job) for name, job in found.items()}

    def log(self, job_id: int) -> LogLines:
        """Return the log, oldest line first."""
        return [LogLine(**line) for line in self.ask("GET", f"/api/jobs/{job_id}/log")["log"]]

    def spans(self, job_id: int) -> Timeline:
        """Return what took the time of a job, and of the jobs below it."""
        return Timeline(**self.ask("GET", f"/api/jobs/{job_id}/spans"))

    def artifacts(self, job_id: int) -> Artifacts:
        """List the files that a job made."""
        found = self.ask("GET", f"/api/jobs/{job_id}/artifacts")["artifacts"]
        return [
            Artifact(**artifact).opened_by(partial(self.open_artifact, job_id, artifact["name"]))
            for artifact in found
        ]

    def open_artifact(self, job_id: int, name: str) -> BinaryIO:
        """Fetch one file that a job made; large ones wait on the disk, not in memory."""
        target = tempfile.SpooledTemporaryFile(max_size=32 * 1024**2)
        path = f"/api/jobs/{job_id}/artifacts/{quote(name)}"
        try:
            with contextlib.closing(self._send("GET", path, stream=True)) as answer:
                if not answer.is_success:
                    answer.read()
                self._checked(answer)
                for chunk in answer.iter_bytes():
                    target.write(chunk)
        except BaseException as error:
            target.close()
            if isinstance(error, httpx.HTTPError):
                raise Unavailable(f"the server stopped answering ({error}); try again.") from None
            raise
        target.seek(0)
        return target  # type: ignore[return-value]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class RemoteApprovals:
    """What waits for one user's yes on a server; see :class:`~.jobs.model.Approvals`.

    Parameters
    ----------
    ask : sends a request to the server and returns the JSON of its answer
    """

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def list(self, every: bool = False, limit: int = 100) -> ApprovalViews:
        """List what is open, oldest first; with ``every`` all approvals, newest first."""
        query = {"every": every, "limit": limit}
        found = self._ask("GET", "/api/approvals", params=query)["approvals"]
        return [ApprovalView(**each) for each in found]

    def get(self, approval_id: int) -> ApprovalView:
        """Return one approval."""
        return ApprovalView(**self._ask("GET", f"/api/approvals/{approval_id}"))

    def approve(
        self,
        approval_id: int,
        params: Mapping[str, Any] | None = None,
        note: str = "",
        *,
        digest: str,
    ) -> ApprovalView:
        """Say yes, with other arguments where they are given."""
        body = {"params": to_json(params), "note": note, "digest": digest}
        return ApprovalView(**self._ask("POST", f"/api/approvals/{approval_id}/approve", json=body))

    def deny(self, approval_id: int, note: str = "") -> ApprovalView:
        """Say no; the job is cancelled."""
        path = f"/api/approvals/{approval_id}/deny"
        return ApprovalView(**self._ask("POST", path, json={"note": note}))


def _silent(address: ServerAddress, error: Exception) -> Unavailable:
    return Unavailable(
        f"the server at {address.url} does not answer ({error}); start it with: fraktal serve."
    )


def _is_refusal(error: Exception) -> bool:
    """Tell whether a WebSocket ended because we may not have it, not because it broke."""
    from websockets.exceptions import ConnectionClosed, InvalidStatus

    if isinstance(error, InvalidStatus):
        return 400 <= error.response.status_code < 500
    return (
        isinstance(error, ConnectionClosed) and error.rcvd is not None and error.rcvd.code == 1008
    )


class RemoteWorkbench(Workbench):
    """One user's workbench on a server of theirs; it finds the server again after a restart."""

    remote = True

    def __init__(self, settings: Settings, address: ServerAddress) -> None:
        self.settings = settings
        self.jobs: RemoteJobs = RemoteJobs(settings, address)
        self.approvals: RemoteApprovals = RemoteApprovals(self.jobs.ask)

    @property
    def address(self) -> ServerAddress:
        """Where the server was found last."""
        return self.jobs.address

    @override
    def events(
        self,
        topics: str = "*",
        after: int | None = None,
        stop: threading.Event | None = None,
        subject: str | None = None,
    ) -> Iterator[EventView]:
        topic_condition(topics)
        begin = self.jobs.last_event() if after is None else after
        return self._follow(begin, topics, stop or threading.Event(), subject)

    def _follow(
        self, after: int, topics: str, stop: threading.Event, subject: str | None
    ) -> Iterator[EventView]:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        wanted = {"topic": topics} | ({"subject": subject} if subject is not None else {})
        while not stop.is_set():
            address = self.address
            query = httpx.QueryParams({**wanted, "after": after})
            url = f"{address.url.replace('http', 'ws', 1)}/api/events?{query}"
            headers = {"Authorization": f"Bearer {address.token}"}
            try:
                with connect(url, additional_headers=headers, proxy=None) as line:
                    while not stop.is_set():
                        try:
                            event = EventView(**json.loads(line.recv(timeout=LISTEN_S)))
                        except TimeoutError:
                            continue
                        after = event.seq
                        yield event
            except (OSError, WebSocketException) as error:
                # The server restarts, or the network is gone: go on where we were.
                if self.jobs.follow_server():
                    continue
                if _is_refusal(error):
                    raise NotAllowed(f"the server refused to tell events ({error}).") from None
                stop.wait(RECONNECT_S)

    @override
    def health(self) -> dict[str, Any]:
        try:
            answer = httpx.get(f"{self.address.url}/api/health", timeout=PROBE_S, trust_env=False)
            report: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            return {"ok": False, "server": f"does not answer ({error})"}
        return report

    @override
    def close(self) -> None:
        self.jobs.close()
