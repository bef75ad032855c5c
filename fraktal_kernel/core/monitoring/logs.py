"""Log lines as JSON, one writer for all processes, the job and its owner on every line.

The serving process writes ``logs/fraktal.jsonl`` in the workspace root and rotates it by
size. Workers never open that file: they call :func:`forward_logs` with a function that
carries a record to the server, which hands it to :func:`write_record`. So no two processes
ever rotate one file.

structlog is imported at the first line that is really written, because that takes longer
than the rest of the core together.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from fraktal_kernel.core.monitoring.secrets import clean

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

    from fraktal_kernel.core.settings import Settings

ROOT = "fraktal"
FIRST = ("time", "level", "logger", "event", "job", "owner")  # on every line, in this order

_bound: ContextVar[Mapping[str, Any]] = ContextVar("fraktal_log_context", default={})  # noqa: B039
_restore: list[Callable[[], None]] = []


def log_file(settings: Settings) -> Path:
    """Return the path of the newest log file; older ones have ``.1``, ``.2`` behind it."""
    return settings.data / "logs" / "fraktal.jsonl"


_TALKATIVE = (
    *("asyncio", "numba", "botocore", "aiobotocore", "s3fs", "fsspec"),
    *("httpcore", "httpcore2", "httpx", "httpx2"),
)
_METHODS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "exception": logging.ERROR,
    "critical": logging.CRITICAL,
}
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _ignore(*_: Any, **__: Any) -> None:
    """Take the place of a level that nobody listens to."""


class _Logger:
    """A logger that costs nothing until it is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        level = _METHODS.get(attribute)
        if level is not None and not logging.getLogger(self._name).isEnabledFor(level):
            return _ignore
        import structlog

        logger = structlog.wrap_logger(
            logging.getLogger(self._name),
            wrapper_class=structlog.stdlib.BoundLogger,
            processors=[structlog.stdlib.filter_by_level, _to_stdlib],
        )
        self.__dict__.update({name: getattr(logger, name) for name in (*_METHODS, "bind")})
        return getattr(logger, attribute)


def get_logger(name: str) -> BoundLogger:
    """Get the logger of one part of the workbench.

    Examples
    --------
    >>> log = get_logger("jobs")
    >>> log.info("claimed", job=7, worker="w1")
    """
    return cast("BoundLogger", _Logger(f"{ROOT}.{name}"))


def _to_stdlib(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Hand a structlog event to the standard library, its fields beside the text."""
    text = str(event.pop("event", ""))
    exc_info = event.pop("exc_info", None)
    # Without arguments the standard library does not format, so a '%' in the text is safe.
    return (text,), {"exc_info": exc_info, "extra": {"fraktal_fields": dict(event)}}


class bind:
    """Put names such as ``job`` and ``owner`` on every line that follows in this context.

    The binding ends with the ``with`` block, or, where there is none, with the thread or task.

    Examples
    --------
    >>> with bind(job=7, owner=1):
    ...     get_logger("jobs").info("started")
    """

    def __init__(self, **values: Any) -> None:
        self._token: Token[Mapping[str, Any]] = _bound.set({**_bound.get(), **values})

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exception: object) -> None:
        _bound.reset(self._token)


def record_of(record: logging.LogRecord) -> dict[str, Any]:
    """Turn what any library logged into one flat, JSON-ready record without secrets."""
    ready = getattr(record, "fraktal_record", None)
    if ready is not None:
        return cast("dict[str, Any]", ready)
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    fields: dict[str, Any] = extra.pop("fraktal_fields", extra)
    try:
        event = record.getMessage()
    except Exception:  # a format that does not fit its arguments must not lose the line
        event = f"{record.msg} {record.args}"
    if record.name == "uvicorn.access" and isinstance(record.args, tuple) and len(record.args) == 5:
        client, method, path, version, status = record.args
        event = "request"
        fields |= {"client": client, "method": method, "path": path, "status": status}
        fields["http_version"] = version
    if record.exc_info and record.exc_info[0] is not None:
        fields["exception"] = _exception(record.exc_info)
    if record.stack_info:
        fields["stack"] = record.stack_info
    if fields is extra and record.levelno >= logging.WARNING and record.name != "py.warnings":
        fields["where"] = f"{record.module}:{record.lineno}"
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    whole = {
        "time": time.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name.removeprefix(f"{ROOT}."),
        "event": event.rstrip(),
        "job": None,
        "owner": None,
    }
    # A field cannot take the place of what every line has, but for job and owner.
    named = {**_bound.get(), **fields}
    whole |= {f"{k}_" if k in FIRST[:4] else k: v for k, v in named.items()}
    made = cast("dict[str, Any]", clean(whole))
    record.fraktal_record = made  # file and terminal ask for the same one
    return made


def _exception(exc_info: Any) -> Any:
    """Describe an exception and its causes as data; never local variables, they hold secrets."""
    from structlog.tracebacks import ExceptionDictTransformer

    transform = ExceptionDictTransformer(show_locals=False, max_frames=20)
    return transform(exc_info)


# What ends a line or moves a cursor, though JSON would let it stand; escaped as JSON does.
_CONTROLS = {c: f"\\u{c:04x}" for c in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}


class JsonLines(logging.Formatter):
    """One record, one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record as JSON."""
        import json

        # The standard library formats twice: to see whether the file is full, and to write.
        line = getattr(record, "fraktal_line", None)
        if line is None:
            text = json.dumps(record_of(record), ensure_ascii=False, allow_nan=False)
            line = record.fraktal_line = text.translate(_CONTROLS)
        return cast(str, line)


class _Console(logging.Formatter):
    """Records for a person at a terminal."""

    def __init__(self, colors: bool) -> None:
        super().__init__()
        self.colors = colors
        self._render: Any = None

    def format(self, record: logging.LogRecord) -> str:
        if self._render is None:
            from structlog.dev import ConsoleRenderer, plain_traceback

            self._render = ConsoleRenderer(
                colors=self.colors, timestamp_key="time", exception_formatter=plain_traceback
            )
        shown = dict(record_of(record))
        shown = {k: v for k, v in shown.items() if v is not None or k not in FIRST}
        for one in shown.pop("exception", None) or []:
            frames = one.get("frames") or [{}]
            at = f"{frames[-1].get('filename')}:{frames[-1].get('lineno')}"
            shown["error"] = f"{one.get('exc_type')}: {one.get('exc_value')} ({at})"
        # A text from outside must not move the cursor, nor begin a line of its own.
        safe = {k: v.translate(_CONTROLS) if isinstance(v, str) else v for k, v in shown.items()}
        return str(self._render(None, "", safe))


class _Writer(RotatingFileHandler):
    """The one writer of the log file; a full disk costs lines, not the program."""

    complained = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Say once, in one sentence, that lines are lost."""
        if not self.complained:
            self.complained = True
            error = sys.exc_info()[1]
            print(
                f"fraktal: cannot write the log {self.baseFilename}: {error}; lines are lost "
                "until this is mended.",
                file=sys.stderr,
            )


class _Forward(logging.Handler):
    """Hands every record to a function, such as a worker's line to the server."""

    def __init__(self, send: Callable[[dict[str, Any]], object]) -> None:
        super().__init__()
        self.send = send
        self._busy = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(self._busy, "now", False):
            return  # sending logs about sending logs would never end
        self._busy.now = True
        try:
            self.send(record_of(record))
        except Exception:
            pass  # the server is gone, and with it the place where this could be told
        finally:
            self._busy.now = False


def configure_logs(
    settings: Settings,
    *,
    whole_process: bool = True,
    to_file: bool = True,
    console: TextIO | None = None,
) -> None:
    """Write the logs of this process to the workspace, and warnings to the terminal.

    Parameters
    ----------
    settings : says level, size and number of the files, and where the workspace is
    whole_process : take what all libraries log (a server); False: only what Fraktal
        logs (a workbench inside somebody's notebook, whose logging is theirs)
    to_file : False in processes that are not the one writer, such as a command line
    console : where warnings go; standard error where nothing is said
    """
    handlers: list[logging.Handler] = []
    if to_file:
        file = log_file(settings)
        file.parent.mkdir(parents=True, exist_ok=True)
        writer = _Writer(
            file,
            maxBytes=settings.log_max_bytes,
            backupCount=settings.log_files,
            encoding="utf-8",
            errors="backslashreplace",
            delay=True,
        )
        writer.setFormatter(JsonLines())
        handlers.append(writer)
    stream = console or sys.stderr
    terminal = logging.StreamHandler(stream)
    terminal.setLevel(logging.WARNING)
    terminal.addFilter(lambda record: not getattr(record, "fraktal_job_log", False))
    terminal.setFormatter(_Console(colors=stream.isatty()))
    handlers.append(terminal)
    _install(handlers, settings.log_level, whole_process)


def forward_logs(send: Callable[[dict[str, Any]], object], level: str = "info") -> None:
    """Send what this process logs, as records, through ``send``; for worker processes.

    ``send`` may be called from any thread. What it raises is dropped.
    """
    _install([_Forward(send)], level, whole_process=True)


def write_record(record: Mapping[str, Any]) -> None:
    """Write a record that another process made; it comes from outside, so it is checked anew.

    What tells of a job stands in that job's log as well, where it is looked for; it goes into
    the file and not to the terminal, which would fill with what other people's jobs say.
    """
    ready = {name: record.get(name) for name in FIRST} | dict(record)
    ready = clean(ready)
    level = logging.getLevelNamesMapping().get(str(ready["level"]).upper(), logging.INFO)
    # An empty part in the name would hide the logger from those above it.
    name = ".".join((ROOT, *filter(None, str(ready["logger"] or "").split("."))))
    ready |= {"level": logging.getLevelName(level).lower(), "event": str(ready["event"])}
    if not isinstance(ready["time"], str):
        ready["time"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    logger = logging.getLogger(name)
    if logger.isEnabledFor(level):
        logger.handle(
            logging.makeLogRecord(
                {
                    "name": name,
                    "levelno": level,
                    "msg": ready["event"],
                    "fraktal_record": ready,
                    "fraktal_job_log": ready["job"] is not None,
                }
            )
        )


def close_logs() -> None:
    """Take back what :func:`configure_logs` or :func:`forward_logs` set up in this process."""
    while _restore:
        _restore.pop()()


def _install(handlers: list[logging.Handler], level: str, whole_process: bool) -> None:
    close_logs()
    for handler in handlers:
        _restore.append(handler.close)
    ours = logging.getLogger(ROOT)
    target = logging.getLogger() if whole_process else ours
    _set_level(target, level.upper())
    if not whole_process:
        _take_over(ours, handlers, propagate=False)
        return
    _take_over(target, [*target.handlers, *handlers], propagate=True)
    logging.captureWarnings(True)
    _restore.append(lambda: logging.captureWarnings(False))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        _take_over(logging.getLogger(name), [], propagate=True)
    # These speak at every request and every turn of a loop; ask for them by name when needed.
    for name in _TALKATIVE:
        _set_level(logging.getLogger(name), "WARNING")


def _set_level(logger: logging.Logger, level: str) -> None:
    before = logger.level
    logger.setLevel(level)
    _restore.append(lambda: logger.setLevel(before))


def _take_over(logger: logging.Logger, handlers: list[logging.Handler], propagate: bool) -> None:
    """Give a logger other handlers for as long as ours are set up."""
    before, propagated = list(logger.handlers), logger.propagate
    logger.handlers, logger.propagate = handlers, propagate

    def restore() -> None:
        logger.handlers, logger.propagate = before, propagated

    _restore.append(restore)
