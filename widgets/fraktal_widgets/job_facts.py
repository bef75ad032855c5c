"""What a card says of a job, in words that fit: parameters, results, log lines, small pictures."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

LOG_LINES = 400
TEXT_LENGTH = 200
FACTS = 40
UNITS = {"s": "s", "px": "px", "bytes": "bytes", "w": "W", "wh": "Wh", "hz": "Hz", "m": "m"}
THUMBNAIL_PX = (320, 240)


def milliseconds(time_: datetime | None) -> int | None:
    """Give a time as JavaScript counts it, None where there is none."""
    return None if time_ is None else round(time_.timestamp() * 1000)


def facts(values: dict[str, Any]) -> list[list[str]]:
    """Write nested values as lines of name and text, without what is empty, cut to fit a card.

    Examples
    --------
    >>> facts({"view": {"re": "-0.75", "width": 3}, "palette": None, "sizes": [1, 2]})
    [['view re', '-0.75'], ['view width', '3'], ['sizes', '1, 2']]
    """
    lines: list[list[str]] = []
    for name, value in values.items():
        words = str(name).replace("_", " ").strip()
        if value is None or name == "sha256":
            continue
        if isinstance(value, dict):
            lines += [[f"{words} {inner}".strip(), text] for inner, text in facts(value)]
        elif isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
            lines.append([words, short(", ".join(map(str, value)))])
        elif isinstance(value, int | float) and not isinstance(value, bool):
            text = f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
            lines.append(list(with_unit(str(name), text)))
        else:
            lines.append([words, short(value if isinstance(value, str) else json.dumps(value))])
    return lines[:FACTS]


def every_fact(values: dict[str, Any], prefix: str = "") -> list[list[str]]:
    """Write nested values as lines of name and text, with nothing left out or cut.

    Examples
    --------
    >>> every_fact({"to": "ana", "mail": {"text": "a", "copies": []}, "at": None, "timeout_s": 3})
    [['to', 'ana'], ['mail text', 'a'], ['mail copies', '[]'], ['at', 'none'], ['timeout', '3 s']]
    """
    lines: list[list[str]] = []
    for name, value in values.items():
        words, unit = with_unit(str(name), "")
        words = f"{prefix} {words}".strip()
        if isinstance(value, dict) and value:
            lines += every_fact(value, words)
        elif isinstance(value, str):
            lines.append([words, value])
        elif value is None:
            lines.append([words, "none"])
        else:
            lines.append([words, json.dumps(value, ensure_ascii=False) + unit])
    return lines


def with_unit(name: str, text: str) -> tuple[str, str]:
    """Move the unit that a name ends with behind its number.

    Examples
    --------
    >>> with_unit("timeout_s", "30"), with_unit("max_iter", "1000")
    (('timeout', '30 s'), ('max iter', '1000'))
    """
    stem, _, unit = name.rpartition("_")
    if stem and unit in UNITS:
        return stem.replace("_", " "), f"{text} {UNITS[unit]}"
    return name.replace("_", " "), text


def short(text: str) -> str:
    """Cut a text down to what fits on a card."""
    return text if len(text) <= TEXT_LENGTH else text[: TEXT_LENGTH - 1] + "…"


def thumbnail(data: bytes) -> str | None:
    """Make a small picture as a data URL of a few kilobytes; None where it is no picture.

    Examples
    --------
    >>> thumbnail(b"this is text") is None
    True
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.draft("RGB", THUMBNAIL_PX)
            small = picture.convert("RGBA" if "A" in picture.getbands() else "RGB")
            small.thumbnail(THUMBNAIL_PX)
            target = io.BytesIO()
            small.save(target, "WEBP", quality=80)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    return "data:image/webp;base64," + base64.b64encode(target.getvalue()).decode()


def log_lines(log: Iterable[Any]) -> list[dict[str, Any]]:
    """Give the end of a log as JSON."""
    lines = [
        {"time": milliseconds(line.time), "level": line.level, "text": line.text} for line in log
    ]
    return lines[-LOG_LINES:]
