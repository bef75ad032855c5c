"""Which names an artifact may have: those that every store can hold."""

from __future__ import annotations

import unicodedata

from fraktal_kernel.errors import InvalidInput

OURS = ".fraktal-"  # names that begin so are the store's own: parts of writes, probes
#: What not every store can hold in a name.
HELD_BY_FEW = '\\:*?"<>|'


def check_key(key: str) -> str:
    """Return ``key`` when every store can hold it, or say why not.

    Examples
    --------
    >>> check_key("jobs/7/picture.png")
    'jobs/7/picture.png'
    >>> check_key("../secret")
    Traceback (most recent call last):
    fraktal_kernel.errors.InvalidInput: artifact key '../secret' has a part '..'; \
expected a relative path such as 'jobs/7/picture.png'.
    """
    if not isinstance(key, str):
        raise InvalidInput(f"an artifact key is text such as 'jobs/7/picture.png'; given {key!r}.")
    if wrong := _fault(key):
        shown = key if len(key) <= 80 else key[:77] + "..."
        raise InvalidInput(
            f"artifact key {shown!r} {wrong}; expected a relative path such as "
            "'jobs/7/picture.png'."
        )
    return key


def as_part(name: str, most_bytes: int = 150) -> str:
    """Make one part of a key of any name: what not every store can hold becomes ``_``.

    Examples
    --------
    >>> as_part('Escape: when? a/b')
    'Escape_ when_ a_b'
    """
    held = "".join("_" if _is_odd(c) or c in "/" + HELD_BY_FEW else c for c in name)
    held = held.encode()[:most_bytes].decode(errors="ignore")
    return "_" + held if held in ("", ".", "..") or held.startswith(OURS) else held


def _is_odd(char: str) -> bool:
    # Cs: half a surrogate pair; no UTF-8, and the last two are no XML, which S3 speaks.
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in "\ufffe\uffff"


def _fault(key: str) -> str | None:
    """Name what is wrong with a key, or None."""
    if not key:
        return "is empty"
    for char in key:
        if _is_odd(char):
            return f"has the control character {char!a}"
        if char in HELD_BY_FEW:
            return f"has a {char!r}, which not every store can hold"
    if len(key.encode()) > 800:
        return "is longer than 800 bytes"
    if key.startswith("/"):
        return "is absolute"
    for part in key.split("/"):
        if part in ("", ".", ".."):
            return f"has a part {part!r}" if part else "has an empty part ('//' or '/' at its end)"
        if len(part.encode()) > 200:
            return "has a part of more than 200 bytes"
        if part.startswith(OURS):
            return f"has a part that begins with {OURS!r}, which the store keeps for itself"
    return None
