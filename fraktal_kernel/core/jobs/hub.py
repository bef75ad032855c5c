"""The server's end of the lines to the jobs' processes: what they say goes into the journal.

One thread serves one line. A worker's line carries one job after the other; a warden's line
(see ``dask.py``) carries heartbeats for one job and the order to kill its process.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any, TypeVar

from fraktal_kernel.core.jobs.channel import Channel, Message
from fraktal_kernel.core.jobs.files import new_path
from fraktal_kernel.core.jobs.journal import Claimed, Fenced, Journal, Outcome, Submission
from fraktal_kernel.core.jobs.lines import Running, WorkerLine
from fraktal_kernel.core.jobs.memory import SPANS
from fraktal_kernel.core.monitoring.logs import get_logger, write_record
from fraktal_kernel.core.store import Store
from fraktal_kernel.core.values import to_json
from fraktal_kernel.errors import FraktalError, InvalidInput, Unavailable

T = TypeVar("T")
log = get_logger("jobs")
RETRY_S = 1.0
#: how long those who serve a worker may take to end when all is closed
LINES_END_S = 5.0
#: A try that has recorded so many spans records no more.
MOST_SPANS = 2000
#: From the claim of a job to its process: what takes longer is shown in its timeline.
START_S = 0.05
GRAVE = ("warning", "error", "critical")


def no_service(job: Claimed, name: str, arguments: Mapping[str, Any]) -> Any:
    """Answer where there is nobody to ask."""
    raise InvalidInput(f"the request {name!r} of job {job.id} has nobody to answer it here.")


def _child(worker: WorkerLine, job: Claimed, message: Message) -> Submission:
    """Make the order for a child of a job from what its worker said."""
    from fraktal_kernel.core.capability import capabilities

    if worker.place is not None:
        worker.place.check_child(message["capability"])
    wanted = capabilities[message["capability"]]
    return Submission(
        owner_id=job.owner_id,
        capability=message["capability"],
        params=message["params"],
        key=message["key"],
        timeout_s=wanted.timeout_s,
        max_attempts=wanted.max_attempts,
        parent_id=job.id,
        agent=message.get("agent", ""),
        avoid=tuple(message.get("avoid", ())),
        asked_by=message.get("asked_by") or f"{job.capability}, job {job.id}",
        traceparent=str(job.trace),
        effect=bool(wanted.effect),
    )


class Hub:
    """Listens for workers and wardens and serves what they ask."""

    def __init__(
        self,
        journal: Journal,
        store: Store,
        modules: list[str],
        data: Path,
        cluster: str = "",
        host: str = "127.0.0.1",
        log_level: str = "info",
        changed: Callable[[], None] = lambda: None,
        serve: Callable[[Claimed, str, Mapping[str, Any]], Any] = no_service,
    ) -> None:
        self._journal = journal
        self._store = store
        self._modules = modules
        self._data, self._cluster = data, cluster
        self._log_level = log_level
        self._changed = changed
        self._serve_request = serve
        self._notes: list[tuple[int, int, int, str, dict[str, Any]]] = []
        self._notes_lock = threading.Lock()
        self._arrival = threading.Condition()
        self._listener = Listener((host, 0), family="AF_INET", backlog=64)
        self.address: tuple[str, int] = self._listener.address
        self.key = secrets.token_bytes(32)
        self.workers: dict[str, WorkerLine] = {}
        self.wardens: dict[int, Channel] = {}
        self.running: dict[int, Running] = {}
        self._running_lock = threading.Lock()
        self.closing = False
        self._accepting = threading.Thread(target=self._accept, name="fraktal-hub", daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while not self.closing:
            try:
                connection = self._listener.accept()
            except OSError:
                time.sleep(0.1)  # no descriptors left: let others give theirs back
                continue
            channel = Channel(connection)
            if self.closing:
                return channel.close()
            threading.Thread(target=self._serve, args=(channel,), daemon=True).start()

    def _serve(self, channel: Channel) -> None:
        from multiprocessing import AuthenticationError

        try:
            channel.authenticate(self.key)
            message = channel.receive()
            if message["op"] == "hello":
                self.serve_worker(WorkerLine(message["worker"], message["pid"], channel))
            elif message["op"] == "place":
                self._serve_warden(channel, message)
        except (AuthenticationError, EOFError, OSError):
            pass
        except Exception:
            log.exception("a line to a process was given up")
        finally:
            channel.close()

    # ------------------------------------------------------------------ workers

    def serve_worker(self, worker: WorkerLine) -> None:
        """Do what a worker asks for until its line ends; what it says amiss is raised."""
        with self._arrival:
            self.workers[worker.id] = worker
            self._arrival.notify_all()
        self._changed()
        try:
            while True:
                message = worker.channel.receive()
                if worker.place is not None:
                    worker.place.check(worker.running.job if worker.running else None, message)
                if message["op"] == "record":
                    self._record(worker.running, message["record"])
                elif worker.running is not None:
                    self._hear(worker, worker.running, message)
        except (EOFError, OSError):
            pass
        finally:
            self.workers.pop(worker.id, None)
            if worker.running is not None and not self.closing:
                self._persist(lambda: self._worker_gone(worker))
            self._changed()

    def _worker_gone(self, worker: WorkerLine) -> None:
        running = worker.running
        if running is None:
            return
        self.flush()
        job = running.job
        why = f"the worker process{f' on {worker.place.name}' if worker.place else ''} died"
        running.end("lost", why)
        self.forget(running)
        try:
            if running.verdict is not None:
                self._journal.fail(job.id, job.fence, running.verdict, seconds=running.seconds)
            else:
                self._journal.lost(job.id, job.fence, why, seconds=running.seconds)
        except Fenced:
            pass
        if running.kill_at is None:
            log.warning("worker died", job=job.id, owner=job.owner_id, pid=worker.pid)

    def _hear(self, worker: WorkerLine, running: Running, message: Message) -> None:
        job = running.job
        running.beat = time.monotonic()
        match message["op"]:
            case "progress":
                payload = {key: message[key] for key in ("progress", "message")}
                self._note(job, "jobs.progress", payload)
            case "log":
                payload = {key: message[key] for key in ("level", "text")}
                self._note(job, "jobs.log", payload)
                write_record(
                    {
                        "event": message["text"],
                        "level": message["level"],
                        "logger": "job",
                        "job": job.id,
                        "owner": job.owner_id,
                        "capability": job.capability,
                    }
                )
            case "step":
                step = message["name"], message["value"], message["seconds"], message["cost"]
                self._record_for(
                    worker, lambda: self._journal.finish_step(job.id, job.fence, *step)
                )
            case "stepping":
                self._stepping(worker, running, message)
            case "ask":
                asked = message["name"], message["text"], message["choices"]
                self._record_for(worker, lambda: self._journal.ask(job.id, job.fence, *asked))
            case "call":
                self._record_for(worker, lambda: self._call(worker, job, message))
            case "begin":
                self._reply(worker, lambda: self._begin(worker, job, message))
            case "pause":
                wait = message["children"], message["wake_at"]
                self._record_for(worker, lambda: self._journal.pause(job.id, job.fence, *wait))
            case "stop":
                stopped = message["children"]
                self._record_for(worker, lambda: self._journal.stop(job.id, job.fence, stopped))
            case "said":
                self._note(job, "jobs.said", message["payload"])
            case "spans":
                self._spans(worker, running, message)
            case "spend":
                cost = message["cost"]
                self._record_for(worker, lambda: self._journal.spend(job.id, job.fence, cost))
            case "service":
                self._reply(worker, lambda: self._service(job, message))
            case "yield":
                if (warden := self.wardens.get(job.id)) is not None:
                    warden.send({"op": "yield"})
            case "save":
                self._reply(worker, lambda: self._save(worker, job, message))
            case "succeeded" | "failed" | "cancelled" | "suspended":
                running.end(message["op"], message.get("error"))
                self._persist(lambda: self._end(running, message))
                self.forget(running)
                worker.running = None
                self._changed()

    def _record_for(self, worker: WorkerLine, act: Callable[[], None]) -> None:
        """Write what a worker waits for; it waits, rather than fail, while that cannot be."""
        self._reply(worker, lambda: self._persist(act))

    def _reply(self, worker: WorkerLine, act: Callable[[], Message | None]) -> None:
        try:
            reply = act() or {}
        except Fenced as error:
            reply = {"refused": str(error)}
        except InvalidInput as error:
            reply = {"invalid": str(error)}
        except FraktalError as error:
            reply = {"unavailable": str(error)}
        worker.channel.send({"op": "reply", **reply})

    def _call(self, worker: WorkerLine, job: Claimed, message: Message) -> None:
        self._journal.call(job.id, job.fence, _child(worker, job, message))
        self._changed()

    def _begin(self, worker: WorkerLine, job: Claimed, message: Message) -> Message:
        child = _child(worker, job, message)
        begun = self._persist(lambda: self._journal.begin(job.id, job.fence, child))
        self._changed()
        return {"id": begun}

    def _service(self, job: Claimed, message: Message) -> Message:
        self.flush()  # what was said before the request has been said when it is answered
        try:
            value = self._serve_request(job, message["name"], message["arguments"])
            return {"value": to_json(value)}
        except FraktalError:
            raise
        except Exception as error:
            log.exception("a service stumbled", service=message["name"], job=job.id)
            raise Unavailable(f"the service {message['name']!r} stumbled: {error!r}.") from None

    def _save(self, worker: WorkerLine, job: Claimed, message: Message) -> Message:
        name, frames = message["name"], worker.channel.frames()
        path = new_path(job.id, job.fence, name)
        try:
            stored = self._store.put(path, frames)
        except FraktalError:
            for _ in frames:
                pass
            raise
        artifact = {
            "name": name,
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
            "media_type": message["media_type"],
        }
        row = {**artifact, "path": path}
        try:
            old = self._persist(lambda: self._journal.keep_artifact(job.id, job.fence, row))
        except BaseException:
            self._store.delete(path)
            raise
        if old is not None:
            with suppress(FraktalError):  # what stays of an older file is swept some day
                self._store.delete(old)
        return {"artifact": artifact}

    def _end(self, running: Running, message: Message) -> None:
        self.flush()
        job = running.job
        fail = self._journal.fail
        seconds = running.seconds
        try:
            match message["op"]:
                case "succeeded":
                    result = message["result"]
                    done = Outcome(job.id, job.fence, "succeeded", result, seconds=seconds)
                    self._journal.end([done])
                case "failed" | "cancelled" if running.verdict is not None:
                    fail(job.id, job.fence, running.verdict, seconds=seconds)
                case "failed":
                    fail(job.id, job.fence, message["error"], message["again"], seconds)
                case "cancelled":
                    done = Outcome(job.id, job.fence, "cancelled", seconds=seconds)
                    self._journal.end([done])
        except Fenced:
            log.warning("late result refused", job=job.id, owner=job.owner_id)

    def _persist(self, act: Callable[[], T]) -> T | None:
        """Try until the database takes it: a step or an end is not lost to a full disk."""
        while not self.closing:
            try:
                return act()
            except Unavailable as error:
                log.error("the journal cannot be written", reason=str(error))
                time.sleep(RETRY_S)
        return None

    def begin(self, job: Claimed) -> None:
        """Take note of a job that was claimed for this server."""
        with self._running_lock:
            self.running[job.id] = Running(job)

    def forget(self, running: Running) -> None:
        """Strike a try off; the job may have been claimed anew meanwhile, and that one stays."""
        with self._running_lock:
            if self.running.get(running.job.id) is running:
                del self.running[running.job.id]

    def assign(self, worker: WorkerLine, job: Claimed) -> None:
        """Send a claimed job, which :meth:`begin` has heard of, to a worker that has none."""
        running = self.running[job.id]
        # Asked first: if the database is away now, nobody holds the job and its lease runs out.
        try:
            memory = self._journal.start(job)
        except Fenced as refusal:
            log.info("job put back", job=job.id, owner=job.owner_id, reason=str(refusal))
            return self.forget(running)
        self._tell_start(running)
        running.started = time.monotonic()
        worker.running = running
        try:
            worker.channel.send(
                {
                    "op": "run",
                    "job": job.id,
                    "attempt": job.attempt,
                    "capability": job.capability,
                    "params": json.loads(job.params),
                    "modules": worker.place.modules if worker.place else self._modules,
                    "log_level": self._log_level,
                    "data": worker.place.data if worker.place else str(self._data),
                    "cluster": self._cluster,
                    "traceparent": str(job.trace),
                    **memory,
                }
            )
        except OSError:
            self._persist(lambda: self._worker_gone(worker))

    def cancel(self, job_id: int) -> None:
        """Ask a job's process to stop by itself."""
        for worker in list(self.workers.values()):
            if worker.running is not None and worker.running.job.id == job_id:
                try:
                    worker.channel.send({"op": "cancel", "job": job_id})
                except OSError:
                    pass

    # ------------------------------------------------------------------ wardens

    def _serve_warden(self, channel: Channel, message: Message) -> None:
        running = self.running.get(message["job"])
        if running is None or running.job.fence != message["fence"]:
            channel.send({"op": "kill"})
            return
        worker = self._await_worker(message["worker"])
        if worker is None:
            channel.send({"op": "kill"})
            return
        self.wardens[running.job.id] = channel
        try:
            self.assign(worker, running.job)
            while worker.running is running:
                if channel.poll(0.05) and channel.receive()["op"] == "beat":
                    running.beat = time.monotonic()
            channel.send({"op": "done"})
        except (EOFError, OSError):
            worker.channel.hang_up()
        finally:
            if self.wardens.get(running.job.id) is channel:
                del self.wardens[running.job.id]

    def _await_worker(self, worker_id: str, timeout_s: float = 60.0) -> WorkerLine | None:
        with self._arrival:
            self._arrival.wait_for(lambda: worker_id in self.workers, timeout_s)
            return self.workers.get(worker_id)

    # ------------------------------------------------------------------ notes

    def _record(self, running: Running | None, record: Mapping[str, Any]) -> None:
        """Write what a worker's libraries logged; what is grave belongs into the job's log too."""
        if running is None:
            write_record(record)
            return
        job = running.job
        whose = {"job": job.id, "owner": job.owner_id, "capability": job.capability}
        write_record({**record, **whose})
        if record["level"] in GRAVE:
            text = f"{record['logger']}: {record['event']}"
            self._note(job, "jobs.log", {"level": record["level"], "text": text})

    def _spans(self, worker: WorkerLine, running: Running, message: Message) -> None:
        """Keep what a job's process measured, by our clock: that of an agent may go wrong."""
        if running.spans >= MOST_SPANS:
            return
        spans, shift = message["spans"], time.time() - message["now"]
        running.spans += len(spans)
        if worker.place is not None:
            for span in spans:
                span["began"], span["ended"] = span["began"] + shift, span["ended"] + shift
        self._note(running.job, SPANS, {"spans": spans})
        if running.spans >= MOST_SPANS:
            text = f"more than {MOST_SPANS:,} spans; the timeline leaves the others out."
            self._note(running.job, "jobs.log", {"level": "warning", "text": text})

    def _stepping(self, worker: WorkerLine, running: Running, message: Message) -> None:
        """Tell of a step that lasts; by our clock, as for spans, and no more of them than those."""
        if running.spans < MOST_SPANS:
            running.spans += 1
            told = {key: message[key] for key in ("name", "span", "attempt", "began")}
            if worker.place is not None:
                told["began"] += time.time() - message["now"]
            self._note(running.job, "jobs.step", told)

    def _tell_start(self, running: Running) -> None:
        """Keep how long it took from the claim to the process, where that is worth a span."""
        job, seconds = running.job, running.seconds
        if seconds < START_S:
            return
        now = time.time()
        span = {
            "id": job.trace.below(job.fence, "start"),
            "parent": job.trace.span_id,
            "kind": "start",
            "name": "a worker is found",
            "began": now - seconds,
            "ended": now,
            "error": "",
            "attributes": {},
        }
        self._note(job, SPANS, {"spans": [span]})

    def _note(self, job: Claimed, topic: str, payload: dict[str, Any]) -> None:
        with self._notes_lock:
            self._notes.append((job.id, job.fence, job.owner_id, topic, payload))

    def flush(self) -> None:
        """Write the progress and log lines that have come in."""
        with self._notes_lock:
            if not self._notes:
                return
            notes, self._notes = self._notes, []
            try:
                self._journal.note(notes)
            except Unavailable:
                self._notes = notes[-10_000:]
                raise

    def close(self) -> None:
        """Hang up on everybody; what they still say is not heard."""
        self.closing = True
        # A call of our own wakes the thread that waits for one; closing alone would not.
        with suppress(OSError):
            socket.create_connection(self.address, timeout=1).close()
        self._accepting.join(timeout=2)
        self._listener.close()
        for worker in list(self.workers.values()):
            worker.channel.hang_up()
        for channel in list(self.wardens.values()):
            channel.hang_up()
        # Their threads take back what was half written; the end of this process would cut them off.
        end = time.monotonic() + LINES_END_S
        while self.workers and time.monotonic() < end:
            time.sleep(0.01)
