"""The process that does jobs, one after the other, and tells the server over its line.

Started as ``python -m fraktal_kernel.core.jobs.worker HOST PORT ID`` with the line's key on
standard input. It opens no database and no store: what it has to say goes to the server,
which refuses it once the job was taken back. When the line breaks, it ends at once.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import shutil
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from typing_extensions import override

from fraktal_kernel.core.artifact import Artifact, Data, artifact_name, media_type_of
from fraktal_kernel.core.capability import capabilities
from fraktal_kernel.core.jobs.channel import Channel, Message
from fraktal_kernel.core.jobs.model import CHILD_KEY
from fraktal_kernel.core.jobs.open_steps import open_steps
from fraktal_kernel.core.jobs.scratch import make_scratch, scratch_place
from fraktal_kernel.core.monitoring.logs import forward_logs
from fraktal_kernel.core.run import Cancelled, Child, Run
from fraktal_kernel.core.tracing.context import TraceContext, context_of
from fraktal_kernel.core.values import (
    checked_cost,
    kept_json,
    plain_text,
    said_json,
    share,
    to_json,
)
from fraktal_kernel.errors import FraktalError, InvalidInput, JobFailed, Unavailable

if TYPE_CHECKING:
    from fraktal_kernel.core.tracing.recording import Recording

T = TypeVar("T")
PROGRESS_S = 0.1
LOG_LINE_CHARS = 4000


RECORDING = "fraktal_kernel.core.tracing.recording"


def recording() -> Recording:
    """Give what records spans in this process; it imports OpenTelemetry."""
    from fraktal_kernel.core.tracing.recording import recording as found

    return found()


class Suspended(BaseException):
    """The job waits for a person or a child; its process turns to the next job.

    Not an Exception, so that a capability's own ``except Exception`` lets it pass.
    """


class Line:
    """The worker's end: a thread receives, so that a cancellation is heard during the work."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.jobs: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.cancelled = threading.Event()
        self._log_level: str | None = None
        self._replies: queue.SimpleQueue[Message] = queue.SimpleQueue()
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self) -> None:
        job = None
        while True:
            try:
                message = self.channel.receive()
            except EOFError:
                os._exit(3)
            match message["op"]:
                case "run":
                    job = message["job"]
                    self.cancelled.clear()
                    self.jobs.put(message)
                case "cancel" if message["job"] == job:  # else it is meant for the one before
                    self.cancelled.set()
                case "reply":
                    self._replies.put(message)

    def tell(self, **message: Any) -> None:
        """Send without waiting."""
        self.channel.send(message)

    def request(self, **message: Any) -> Message:
        """Send and wait for the reply; a refusal is raised."""
        self.channel.send(message)
        return self.reply()

    def reply(self) -> Message:
        """Wait for the reply to what was sent."""
        message = self._replies.get()
        if "refused" in message:
            raise Suspended(message["refused"])
        if "invalid" in message:
            raise InvalidInput(message["invalid"])
        if "unavailable" in message:
            raise Unavailable(message["unavailable"])
        return message

    def send_logs(self, level: str) -> None:
        """Let the server write what this process logs from this level on: it has the one file."""
        if level != self._log_level:
            self._log_level = level
            forward_logs(lambda record: self.tell(op="record", record=record), level)


class JobRun(Run):
    """The world as a job sees it."""

    def __init__(self, line: Line, message: Message) -> None:
        self._line = line
        self.job_id: int = message["job"]
        self.attempt = message["attempt"]
        self.began = message["began"]
        self._steps: dict[str, Any] = message["steps"]
        self._answers: dict[str, str] = message["answers"]
        self._children = {key: Child(**child) for key, child in message["children"].items()}
        self._trace = context_of(self.job_id, message["traceparent"])
        self._costs: list[float] = []  # of the steps that are under way, the innermost last
        self._scratch = scratch_place(Path(message["data"]), self.job_id)
        self._cluster: str = message["cluster"]
        self._seen: Counter[str] = Counter()
        self._told_at = 0.0
        self._untold: tuple[float, str] | None = None
        self._telling = threading.RLock()
        self._ended = False
        self._late: threading.Timer | None = None

    def _numbered(self, name: str) -> str:
        """Tell apart what a job does several times under one name: fit, fit#2, fit#3."""
        self._seen[name] += 1
        count = self._seen[name]
        return name if count == 1 else f"{name}#{count}"

    @override
    def progress(self, fraction: float, text: str = "") -> None:
        with self._telling:
            if self._ended:  # a thread that its job has left behind
                return
            self._untold = (share(fraction), plain_text(text)[:500])
            wait = self._told_at + PROGRESS_S - time.monotonic()
            if wait <= 0:
                self.flush()
            elif self._late is None:  # the work may be silent for long after this
                self._late = threading.Timer(wait, self._tell_late)
                self._late.daemon = True
                self._late.start()

    def _tell_late(self) -> None:
        with self._telling, contextlib.suppress(OSError):
            self._late = None
            self.flush()

    def flush(self) -> None:
        """Send the last progress that was held back to keep the line quiet."""
        with self._telling:
            if self._untold is not None:
                self._line.tell(op="progress", progress=self._untold[0], message=self._untold[1])
                self._untold = None
                self._told_at = time.monotonic()

    def end(self, succeeded: bool) -> None:
        """Say no more of progress: the line is about to serve the next job."""
        with self._telling:
            if succeeded:
                self.flush()
            self._ended, self._untold = True, None
        if RECORDING in sys.modules:
            recording().end()
        if succeeded:  # any other one may be taken up again
            shutil.rmtree(self._scratch, ignore_errors=True)

    @override
    def log(self, text: str, level: str = "info") -> None:
        self._line.tell(op="log", level=level, text=plain_text(text)[:LOG_LINE_CHARS])

    @override
    def save(self, name: str, data: Data, media_type: str | None = None) -> Artifact:
        header = {
            "op": "save",
            "name": artifact_name(name),
            "media_type": media_type or media_type_of(name),
        }
        if isinstance(data, Path):
            source: Any = data.open("rb")
        else:
            source = io.BytesIO(data) if isinstance(data, bytes) else data
        try:
            with source if isinstance(data, Path) else contextlib.nullcontext():
                self._line.channel.send_stream(header, source)
        except BaseException:
            # The server answers that it keeps nothing; unheard, that would be the next reply.
            with contextlib.suppress(FraktalError):
                self._line.reply()
            raise
        return Artifact(**self._line.reply()["artifact"])

    @override
    def step(self, name: str, function: Callable[[], T]) -> T:
        self.check_cancelled()
        key = self._numbered(name)
        if key not in self._steps:
            self._steps[key] = self._do_step(name, key, function)
        done: T = self._steps[key]
        return done

    def _do_step(self, name: str, key: str, function: Callable[[], T]) -> T:
        here = self._trace.under(self._trace.below(self._trace.span_id, "step", key))
        places = here.span_id, self._trace.span_id
        self._costs.append(0.0)
        began = time.monotonic()
        try:
            opened = open_steps.of(self._line.tell, plain_text(key)[:200], *places)
            with opened, self.traced(here):
                value, data = kept_json(function(), f"step {name!r}")
        except Exception as error:  # the journal keeps what is finished alone
            if not isinstance(error, Cancelled):
                self._tell_broken(here, key, time.monotonic() - began, error)
            raise
        finally:
            cost = self._costs.pop()
        took = time.monotonic() - began
        self._line.request(op="step", name=key, value=data, seconds=took, cost=cost)
        return cast(T, value)

    def _tell_broken(self, here: TraceContext, key: str, seconds: float, error: Exception) -> None:
        now = time.time()
        span = {
            "id": here.span_id,
            "parent": self._trace.span_id,
            "kind": "step",
            "name": plain_text(key)[:200],
            "began": now - seconds,
            "ended": now,
            "error": plain_text(error)[:2000] or type(error).__name__,
            "attributes": {},
        }
        self._line.tell(op="spans", now=now, spans=[span])

    def traced(self, here: TraceContext | None = None) -> AbstractContextManager[None]:
        """Let what records spans in the meantime do so below one of ours.

        OpenTelemetry is not imported here: where nobody has, nobody records.
        """
        if "opentelemetry.trace" not in sys.modules:
            return contextlib.nullcontext()
        return recording().under(self.job_id, here or self._trace, self._line.tell)

    @override
    def ask(self, question: str, choices: Sequence[str]) -> str:
        self.check_cancelled()
        if not choices:
            raise InvalidInput(f"the question {question!r} has no choices; give at least one.")
        key = self._numbered(question)
        if key not in self._answers:
            self.flush()
            self._line.request(op="ask", name=key, text=question, choices=list(choices))
            raise Suspended
        return self._answers[key]

    @override
    def call(self, capability: str, /, **params: Any) -> Any:
        self.check_cancelled()
        wanted = capabilities[capability]
        checked = wanted.validate(params)
        key = f"{CHILD_KEY}{self.job_id}/{self._numbered(capability)}"
        child = self._children.get(key)
        if child is None or not child.ended:
            self.flush()
            self._line.request(
                op="call", key=key, capability=capability, params=checked.model_dump_json()
            )
            raise Suspended
        if child.state != "succeeded":
            raise JobFailed(
                f"{capability}, job {child.id}, {child.state}"
                + (f": {child.error}" if child.error else ".")
            )
        return child.result

    @override
    def begin(
        self,
        capability: str,
        params: Mapping[str, Any],
        *,
        name: str,
        agent: str = "",
        avoid: Sequence[str] = (),
        asked_by: str = "",
    ) -> Child:
        self.check_cancelled()
        key = self._child_key(name)
        if key not in self._children:
            checked = capabilities[capability].validate(params)
            begun = self._line.request(
                op="begin",
                key=key,
                capability=capability,
                params=checked.model_dump_json(),
                agent=agent,
                avoid=list(avoid),
                asked_by=asked_by,
            )
            self._children[key] = Child(begun["id"], "queued")
        return self._children[key]

    def _child_key(self, name: str) -> str:
        return f"{CHILD_KEY}{self.job_id}/@{name}"

    @override
    def known(self, name: str) -> Child | None:
        return self._children.get(self._child_key(name))

    @override
    def stop(self, children: Sequence[Child]) -> None:
        self._line.request(op="stop", children=[child.id for child in children])

    @override
    def pause(self, until: float | None = None) -> None:
        self.check_cancelled()
        open_children = [child.id for child in self._children.values() if not child.ended]
        if until is None and not open_children:
            raise InvalidInput("nothing is under way that this job could wait for.")
        self.flush()
        self._line.request(op="pause", children=open_children, wake_at=until)
        raise Suspended

    @override
    def say(self, payload: Mapping[str, Any]) -> None:
        self._line.tell(op="said", payload=said_json(payload))

    @override
    def spend(self, cost: float) -> None:
        cost = checked_cost(cost)
        self._line.request(op="spend", cost=cost)
        if self._costs:
            self._costs[-1] += cost

    @override
    def request(self, service: str, /, **arguments: Any) -> Any:
        self.check_cancelled()
        return self._line.request(op="service", name=service, arguments=to_json(arguments))["value"]

    @override
    def scratch(self) -> Path:
        return make_scratch(self._scratch)

    @override
    def cluster(self) -> str:
        if self._cluster:
            self._line.tell(op="yield")
        return self._cluster

    @property
    @override
    def cancelled(self) -> bool:
        return self._line.cancelled.is_set()


class LogStream(io.TextIOBase):
    """What a capability prints becomes lines of its job's log."""

    def __init__(self, run: JobRun, level: str) -> None:
        self._run = run
        self._level = level
        self._rest = ""

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._run.log(line, self._level)
        return len(text)

    def finish(self) -> None:
        """Log what stands behind the last line break."""
        if self._rest.strip():
            self._run.log(self._rest, self._level)
        self._rest = ""


@contextlib.contextmanager
def _printing_to(run: JobRun) -> Iterator[None]:
    out, err = LogStream(run, "info"), LogStream(run, "warning")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield
    finally:
        out.finish()
        err.finish()


def work(line: Line, message: Message) -> None:
    """Do one job and tell how it ended."""
    run = JobRun(line, message)
    line.send_logs(message["log_level"])
    ending = _ending(run, message)
    run.end(succeeded=ending["op"] == "succeeded")
    line.tell(**ending)


def _ending(run: JobRun, message: Message) -> Message:
    """Do one job and say how it ended."""
    try:
        with _printing_to(run):
            capabilities.use_modules(message["modules"])
            wanted = capabilities[message["capability"]]
            params = wanted.validate(message["params"])
            with run.traced():
                result = wanted(params, run)
            _, value = kept_json(result, wanted.name)
        return {"op": "succeeded", "result": value}
    except Suspended:
        return {"op": "suspended"}
    except Cancelled:
        return {"op": "cancelled"}
    except FraktalError as error:
        again = not isinstance(error, InvalidInput)
        return {"op": "failed", "error": plain_text(error), "again": again}
    except BaseException as error:
        run.log(traceback.format_exc(), "error")
        text = plain_text(error).strip() or "no message"
        return {"op": "failed", "error": f"{type(error).__name__}: {text}"[:2000], "again": True}


def die_with_parent() -> None:
    """Ask Linux to end this process with the one that started it."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main(host: str, port: str, worker_id: str) -> None:
    """Connect, then do jobs until the line breaks."""
    import signal

    die_with_parent()
    # Ctrl-C at the server's terminal reaches its children too; the server decides for them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    key = bytes.fromhex(sys.stdin.readline().strip())
    line = Line(Channel.connect((host, int(port)), key))
    line.tell(op="hello", worker=worker_id, pid=os.getpid())
    while True:
        work(line, line.jobs.get())


if __name__ == "__main__":
    main(*sys.argv[1:])
