"""What a capability gets to talk to the world while it works.

:class:`Run` is the one interface; :meth:`Run.detached` serves direct calls and tests, and
``core/jobs/worker.py`` has the one that a job gets.
"""

from __future__ import annotations

import hashlib
import io
import json
import mimetypes
import os
import re
import secrets
import shutil
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel, PrivateAttr
from typing_extensions import override

from fraktal_kernel.errors import FraktalError, InvalidInput, NotFound, unwritten

T = TypeVar("T")
Data = bytes | Path | BinaryIO
#: How much JSON a step or a job may return; it is kept in the database, and sent about whole.
JSON_MAX_BYTES = 1024**2


class Cancelled(FraktalError):
    """Somebody cancelled this run; let it pass, or clean up and raise it again."""


class Artifact(BaseModel):
    """A file that a run made.

    ``read`` and ``save`` work where the artifact came from a run or a job handle; the
    fields alone travel as JSON.
    """

    name: str
    size_bytes: int
    sha256: str
    media_type: str
    _open: Callable[[], BinaryIO] | None = PrivateAttr(None)

    def opened_by(self, open_: Callable[[], BinaryIO]) -> Artifact:
        """Return the artifact with the way to its bytes."""
        self._open = open_
        return self

    def open(self) -> BinaryIO:
        """Open the bytes for reading."""
        if self._open is None:
            raise NotFound(f"artifact {self.name!r} is only a description here; ask its job.")
        return self._open()

    def read(self) -> bytes:
        """Read all bytes."""
        with self.open() as stream:
            return stream.read()

    def save(self, path: str | Path) -> Path:
        """Write the bytes to a file that appears whole or not at all."""
        path = Path(path)
        try:
            handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        except OSError as error:
            raise unwritten(path, error) from None
        try:
            with os.fdopen(handle, "wb") as target, self.open() as source:
                while chunk := source.read(1024**2):
                    target.write(chunk)
            os.chmod(beside, 0o666 & ~_umask())
            os.replace(beside, path)
        except BaseException as error:
            Path(beside).unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise unwritten(path, error) from None
            raise
        return path

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        text = f"{self.name} ({self.size_bytes:,} bytes, {self.media_type})"
        if self._open is not None and self.media_type in ("image/png", "image/jpeg"):
            return {"text/plain": text, self.media_type: self.read()}
        return {"text/plain": text}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def artifact_name(name: str) -> str:
    """Check an artifact's name: one or more plain path parts, nothing that climbs or hides."""
    parts = name.split("/")
    if (
        not 0 < len(name) <= 200
        or any(part in ("", ".", "..") for part in parts)
        or re.search(r"[\x00-\x1f\x7f\\:\ud800-\udfff]", name)
    ):
        raise InvalidInput(
            f"artifact name: given {name!r}, expected something like 'picture.png' or "
            "'tables/costs.csv'."
        )
    return name


def share(fraction: float) -> float:
    """Bring a fraction between 0 and 1; what is no number, such as 0/0, tells of no progress."""
    fraction = float(fraction)
    return 0.0 if fraction != fraction else min(max(fraction, 0.0), 1.0)


def media_type_of(name: str) -> str:
    """Guess what a file holds from its name."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def to_json(value: Any) -> Any:
    """Turn a result into plain JSON values.

    Raises
    ------
    InvalidInput
        the value holds something that JSON does not know
    """
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        plain = to_jsonable_python(value)
        json.dumps(plain, allow_nan=False, ensure_ascii=False).encode()
    except (PydanticSerializationError, ValueError, TypeError) as error:
        raise InvalidInput(
            f"a value of type {type(value).__name__} cannot be kept as JSON ({error}); return "
            "numbers, texts, lists, dictionaries or a pydantic model, and save data as artifacts."
        ) from None
    return plain


def kept_json(value: Any, what: str) -> tuple[Any, str]:
    """Turn what a step or a job returned into plain JSON values, and these into a text.

    Raises
    ------
    InvalidInput
        it holds something that JSON does not know, or too much

    Examples
    --------
    >>> kept_json((1, 2), "step 'count'")
    ([1, 2], '[1, 2]')
    """
    plain = to_json(value)
    text = json.dumps(plain, allow_nan=False)
    if len(text) > JSON_MAX_BYTES:
        raise InvalidInput(
            f"{what} returned {len(text):,} bytes of JSON, expected at most {JSON_MAX_BYTES:,}; "
            "save large results as artifacts."
        )
    return plain, text


class Run(ABC):
    """The world as a working capability sees it."""

    #: number of the job, None in a direct call
    job_id: int | None = None
    #: which try this is, from 1
    attempt: int = 1

    @staticmethod
    def detached(
        *,
        on_progress: Callable[[float, str], None] | None = None,
        on_log: Callable[[str, str], None] | None = None,
        ask: Callable[[str, Sequence[str]], str] | None = None,
        cancelled: Callable[[], bool] | None = None,
        cluster: str = "",
        folder: Path | None = None,
    ) -> DetachedRun:
        """Make the run of a direct call: nothing is journaled, and files go with it.

        Parameters
        ----------
        cluster : address of a Dask scheduler that may share the work
        folder : in which files lie while they are needed; by default one for temporary files
        """
        return DetachedRun(on_progress, on_log, ask, cancelled, cluster, folder)

    @abstractmethod
    def progress(self, fraction: float, text: str = "") -> None:
        """Tell how far the work is: a fraction from 0 to 1, and of what in words."""

    @abstractmethod
    def log(self, text: str, level: str = "info") -> None:
        """Write one line into the log."""

    @abstractmethod
    def save(self, name: str, data: Data, media_type: str | None = None) -> Artifact:
        """Keep a file under a name; a second file of that name takes the first one's place."""

    @abstractmethod
    def step(self, name: str, function: Callable[[], T]) -> T:
        """Do one part of the work and remember its JSON value: not done twice after a crash."""

    @abstractmethod
    def ask(self, question: str, choices: Sequence[str]) -> str:
        """Ask a person; a job waits for the answer without holding a worker."""

    @abstractmethod
    def call(self, capability: str, /, **params: Any) -> Any:
        """Run another capability, as a child job where this is a job; returns its JSON result."""

    @abstractmethod
    def scratch(self) -> Path:
        """Give a folder for what the work needs on the way.

        That of a job is there again, with all that is in it, when the job is taken up after its
        worker died; it goes when the job has succeeded.
        """

    @abstractmethod
    def cluster(self) -> str:
        """Give the address of the Dask scheduler that may share the work; empty where none is.

        A job that asks is about to wait for others, so that its own thread of the cluster is
        given free.
        """

    @property
    @abstractmethod
    def cancelled(self) -> bool:
        """Whether somebody cancelled this run."""

    def check_cancelled(self) -> None:
        """Raise :class:`Cancelled` if somebody cancelled this run."""
        if self.cancelled:
            raise Cancelled("cancelled.")


class _Folder:
    """Files of a direct call: they are there as long as the run, or an artifact of it, is."""

    def __init__(self, parent: Path | None) -> None:
        place = tempfile.mkdtemp(prefix=".fraktal-", dir=parent)
        weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        self.scratch = Path(place, "scratch")
        self.scratch.mkdir()


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
    ) -> None:
        self._cluster = cluster
        self._where = folder
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
        return kept_json(wanted(wanted.validate(params), self), wanted.name)[0]

    @override
    def scratch(self) -> Path:
        if self._folder is None:
            self._folder = _Folder(self._where)
        return self._folder.scratch

    @override
    def cluster(self) -> str:
        return self._cluster

    @property
    @override
    def cancelled(self) -> bool:
        return self._cancelled is not None and self._cancelled()
