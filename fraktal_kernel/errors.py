"""What can go wrong, as sentences: given, expected, what to do.

::

    FraktalError
    ├── InvalidInput        bad parameters, files or settings: exit code 2, HTTP 422
    │   └── UnknownName     a name that no registry holds; lists what is near
    ├── NotFound            a job, artifact or file that does not exist: HTTP 404
    ├── NotAllowed          signed in, but not for this: HTTP 403
    ├── Conflict            the state does not allow it (retry a running job): HTTP 409
    ├── Unavailable         a server or disk that does not answer now: HTTP 503
    │   └── MissingExtra    an optional package that is not installed
    ├── NewerDatabase       the database was written by a newer Fraktal
    ├── AlreadyRunning      another server holds this workspace
    └── JobFailed           a job that one waited for ended without a result
"""

from __future__ import annotations


class FraktalError(Exception):
    """Base of every error that Fraktal raises on purpose; its text is one sentence for a person."""


class InvalidInput(FraktalError):
    """What was given cannot be used; the text says what was expected."""


class UnknownName(InvalidInput, KeyError):
    """A name that no registry holds."""

    __str__ = Exception.__str__


class NotFound(FraktalError):
    """Nothing of that name or number, or not yours."""


class NotAllowed(FraktalError):
    """You are known, but this needs a right that you do not have."""


class Conflict(FraktalError):
    """The thing exists, but its state does not allow what was asked."""


class Unavailable(FraktalError):
    """Something that we need does not answer now; trying later may help."""


def unwritten(path: object, error: OSError) -> Unavailable:
    """Say that a file could not be written, and that nothing is left of it.

    Examples
    --------
    >>> str(unwritten("a.png", OSError(28, "No space left on device")))
    "'a.png' cannot be written (No space left on device); make room, or choose another place."
    """
    reason = error.strerror or str(error)
    return Unavailable(
        f"{str(path)!r:.200} cannot be written ({reason:.100}); make room, or choose another place."
    )


class MissingExtra(Unavailable):
    """An optional package is not installed; the text says which command installs it."""


class NewerDatabase(FraktalError):
    """The database was written by a newer Fraktal than this one."""


class AlreadyRunning(FraktalError):
    """Another process holds this workspace."""


class JobFailed(FraktalError):
    """A job ended as failed or cancelled while somebody waited for its result."""
