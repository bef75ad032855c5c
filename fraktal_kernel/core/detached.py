"""The run of a direct call: nothing is journaled, and files go with it."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import secrets
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from typing_extensions import override

from fraktal_kernel.core.artifact import Artifact, Data, artifact_name, media_type_of
from fraktal_kernel.core.run import Cancelled, Child, Run
from fraktal_kernel.core.values import checked_cost, kept_json, said_json, share, to_json
from fraktal_kernel.errors import InvalidInput, NotAllowed

if TYPE_CHECKING:
    from fraktal_kernel.core.capability import Capability

T = TypeVar("T")


class _Folder:
    """Files of a direct call: they are there as long as the run, or an artifact of it, is.

    One with a name is what a run of that name was killed over, unless another is at it.
    """

    def __init__(self, parent: Path | None, name: str = "") -> None:
        place = Path(parent or tempfile.gettempdir(), f".fraktal-{name}")
        lock = _held(place) if name else None
        if lock is None:
            place = Path(tempfile.mkdtemp(prefix=".fraktal-", dir=parent))
        weakref.finalize(self, _let_go, place, lock)
        self.scratch = place / "scratch"
        self.scratch.mkdir(exist_ok=True)


def _held(place: Path) -> int | None:
    """Make a folder, or take one that was left behind, and its lock; None where another has it."""
    place.mkdir(exist_ok=True)
    lock = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), os.stat(place)):
            return lock
    except OSError:  # it is held, or its holder has just done away with it
        pass
    os.close(lock)
    return None


def _let_go(place: Path, lock: int | None) -> None:
    shutil.rmtree(place, ignore_errors=True)
    if lock is not None:
        os.close(lock)


class DetachedRun(Run):
    """The run of a direct call."""

    def __init__(
        self,
        on_progress: Callable[[float, str], None] | None,
        on_log: Callable[[str, str], None] | None,
        ask: Callable[[str, Sequence[str]], str] | None,
        cancelled: Callable[[], bool] | None,
        cluster: str = "",
        folder: Path | None = None,
        name: str = "",
        serve: Callable[[str, Mapping[str, Any]], Any] | None = None,
    ) -> None:
        self._serve = serve
        #: what it has cost so far
        self.cost = 0.0
        #: what it has said to those who watch
        self.said: list[dict[str, Any]] = []
        self._begun: dict[str, Child] = {}
        self.began = time.time()
        self._cluster = cluster
        self._where, self._name = folder, name
        self._folder: _Folder | None = None
        self._on_progress = on_progress
        self._on_log = on_log
        self._ask = ask
        self._cancelled = cancelled
        self.artifacts: dict[str, Artifact] = {}

    @override
    def progress(self, fraction: float, text: str = "") -> None:
        if self._on_progress:
            self._on_progress(share(fraction), text)

    @override
    def log(self, text: str, level: str = "info") -> None:
        if self._on_log:
            self._on_log(text, level)

    @override
    def save(self, name: str, data: Data, media_type: str | None = None) -> Artifact:
        media_type = media_type or media_type_of(name)
        artifact = Artifact(
            name=artifact_name(name), size_bytes=0, sha256="", media_type=media_type
        )
        if isinstance(data, Path):
            self._keep(artifact, data)
        else:
            content = data if isinstance(data, bytes) else data.read()
            artifact.size_bytes = len(content)
            artifact.sha256 = hashlib.sha256(content).hexdigest()
            artifact.opened_by(lambda: io.BytesIO(content))
        self.artifacts[name] = artifact
        return artifact

    def _keep(self, artifact: Artifact, source: Path) -> None:
        """Keep a file as a file, since it may be larger than the memory."""
        scratch, folder = self.scratch(), self._folder
        kept = scratch.parent / secrets.token_hex(8)
        if scratch in source.parents:
            os.link(source, kept)  # large, and nobody writes to it any more
        else:
            shutil.copyfile(source, kept)
        with kept.open("rb") as stream:
            artifact.sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            artifact.size_bytes = stream.tell()

        def open_(_folder: _Folder | None = folder) -> BinaryIO:
            return kept.open("rb")

        artifact.opened_by(open_)

    @override
    def step(self, name: str, function: Callable[[], T]) -> T:
        self.check_cancelled()
        value: T = kept_json(function(), f"step {name!r}")[0]
        return value

    @override
    def ask(self, question: str, choices: Sequence[str]) -> str:
        if self._ask is None:
            raise InvalidInput(
                f"nobody is here to answer {question!r}; submit this capability as a job."
            )
        return self._ask(question, choices)

    @override
    def call(self, capability: str, /, **params: Any) -> Any:
        from fraktal_kernel.core.capability import capabilities

        self.check_cancelled()
        wanted = capabilities[capability]
        if wanted.effect:
            self._agree(wanted)
        return kept_json(wanted(wanted.validate(params), self), wanted.name)[0]

    def _agree(self, wanted: Capability) -> None:
        """Ask for the yes that a program needs for what cannot be taken back."""
        if self.ask(f"{wanted.name} {wanted.effect}. Do it?", ["yes", "no"]) != "yes":
            raise NotAllowed(f"{wanted.name} was denied.")

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
        if name not in self._begun:
            number = len(self._begun) + 1
            try:
                result = self.call(capability, **params)
            except Cancelled:
                raise
            except Exception as error:
                self._begun[name] = Child(number, "failed", error=str(error))
            else:
                self._begun[name] = Child(number, "succeeded", result)
        return self._begun[name]

    @override
    def known(self, name: str) -> Child | None:
        return self._begun.get(name)

    @override
    def stop(self, children: Sequence[Child]) -> None:
        pass  # each has ended when it has begun

    @override
    def pause(self, until: float | None = None) -> None:
        if until is None:
            raise InvalidInput("nothing is under way that this direct call could wait for.")
        while time.time() < until:
            self.check_cancelled()
            time.sleep(min(0.02, max(0.0, until - time.time())))

    @override
    def say(self, payload: Mapping[str, Any]) -> None:
        self.said.append(said_json(payload))

    @override
    def spend(self, cost: float) -> None:
        self.cost += checked_cost(cost)

    @override
    def request(self, service: str, /, **arguments: Any) -> Any:
        if self._serve is None:
            raise InvalidInput(
                f"nobody is here to answer the request {service!r}; submit this capability "
                "as a job."
            )
        return self._serve(service, to_json(arguments))

    @override
    def scratch(self) -> Path:
        if self._folder is None:
            self._folder = _Folder(self._where, self._name)
        return self._folder.scratch

    @override
    def cluster(self) -> str:
        return self._cluster

    @property
    @override
    def cancelled(self) -> bool:
        return self._cancelled is not None and self._cancelled()
