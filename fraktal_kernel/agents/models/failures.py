"""Why a language model did not answer, in a few words that hold nothing secret."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestTimeout,
    UnexpectedModelBehavior,
    UserError,
)


class NoAnswer(Exception):
    """A model ended without a word, or in the middle of one."""


def why(error: BaseException) -> str:
    """Say what an error of a model means.

    Nothing of what a server wrote is repeated: some repeat the key that they were sent.

    Examples
    --------
    >>> why(ConnectionRefusedError(111, "no"))
    'connection refused'
    """
    match error:
        case ModelRequestTimeout():
            first = error.setting == "first_event_timeout"
            return f"{'no word' if first else 'no end'} within {error.timeout:g} s"
        case ModelAuthenticationError():
            return "it refused the key"
        case ModelRateLimitError():
            return "too many requests"
        case ModelQuotaExceededError():
            return "its quota is used up"
        case ModelNotFoundError():
            return "its server does not have it"
        case ModelContextWindowExceededError():
            return "the conversation is too long for it"
        case ModelHTTPError():
            return f"its server answered with status {error.status_code}"
        case NoAnswer():
            return str(error)
    chain = list(_causes(error))
    names = {type(each).__name__ for each in chain}
    if any(isinstance(each, ConnectionRefusedError) for each in chain):
        return "connection refused"
    if any(isinstance(each, ssl.SSLError) for each in chain):
        return "no safe connection"
    if "ConnectTimeout" in names:
        return "no connection in time"
    if any("Timeout" in name for name in names):
        return "silence for too long"
    if names & {"RemoteProtocolError", "ReadError", "WriteError", "IncompleteRead"}:
        return "the connection broke"
    if names & {"gaierror", "ConnectError"} or any(isinstance(each, OSError) for each in chain):
        return "no connection"
    if isinstance(error, UnexpectedModelBehavior) or names & {"JSONDecodeError", "ValidationError"}:
        return "what it sent cannot be read"
    if isinstance(error, UserError):
        return "it is not set up"
    if isinstance(error, ModelAPIError):
        return "its server gave up"
    return type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
