"""What a text mentions that can be a value: numbers with units, sizes, days, files, quotations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from fraktal_kernel.agents.offline.dates import days_in
from fraktal_kernel.agents.offline.numerals import COMPOUND, combined, figure, tidy, word_value
from fraktal_kernel.agents.offline.text import Word, fold
from fraktal_kernel.agents.offline.thesaurus import STOP
from fraktal_kernel.agents.offline.units import ADJECTIVES, Unit, unit_of

_QUOTED = re.compile(
    r"\"([^\"]{1,3000})\"|„([^”\"]{1,3000})[”\"]|“([^”]{1,3000})”|«([^»]{1,3000})»"
    r"|`([^`]{1,3000})`|(?<!\w)['‘]([^'’]{1,3000})['’](?!\w)"
)
_PAIR = re.compile(
    r"(?<![\w-])(?:--([A-Za-z][\w.-]*)[ =]|([A-Za-z_][\w.-]*) ?= ?)"
    r"(\"[^\"]*\"|'[^']*'|(?:[^\s,;]|,(?!\s|[A-Za-z_][\w.-]* ?=))+)"
)
_TERM = r"(?:[A-Za-z]\w{0,15}(?:\([^()]{0,80}\))?|\d+(?:\.\d+)?|\([^()]{1,80}\))"
#: Such as ``z**3 + c*z``.
FORMULA = re.compile(rf"(?<![\w./*]){_TERM}(?:\s?(?:\*\*|[-+*/^])\s?{_TERM})+(?![\w/*]|\.\w)")
_CHUNK = re.compile(r"\S+")
_FILE = re.compile(r"[\w.+@~%-]*\w\.([A-Za-z][A-Za-z0-9]{0,7})")
_NAMED_SIZE = re.compile(
    r"(?<![\w.,])(?:(2|4|5|8|16)k(?:\s?uhd)?|(full\s?hd|fhd)|(4k|uhd)|(qhd)|(hd)|(\d{3,4})p)(?!\w)"
    r"(?!\s*(?:x|×|by|na)\s*\d)",
    re.IGNORECASE,
)
_SIZES = {"2": (2560, 1440), "4": (3840, 2160), "5": (5120, 2880), "8": (7680, 4320),
          "16": (15360, 8640)}  # fmt: skip
_NUMBER = (
    r"[-+−]?(?:(?:\d{1,3}(?:[, ]\d{3})+(?![\d])|\d+)(?:[.,]\d+)?|\.\d+)"
    r"(?:[eE][-+]?\d{1,3}(?![\w]))?"
)
_FIGURES = re.compile(
    rf"(?<![\w.,])({_NUMBER})(?:\s?(k|tys\.?|thousand|tysi[ąa]c\w*|tysi[ęe]cy|mln|million|"
    r"milion\w*)(?!\w))?",
    re.IGNORECASE,
)
_BY = re.compile(
    rf"(?<![\w.,])({_NUMBER})\s?(k|tys\.?|thousand|tysi[ęe]cy)?\s?(?:px|pixels|pikseli)?\s?(?:[x×*]|\bby\b|\bna\b)\s?"
    rf"({_NUMBER})\s?(k|tys\.?|thousand|tysi[ęe]cy)?(?:\s?(?:px|pixels|pikseli|piksele))?(?![\w])",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(?<![\w.,:])\d{1,3}:[0-5]\d(?::[0-5]\d)?(?![\w:])")
_UNIT = re.compile(r"[\s-]?(°?[A-Za-zżźćńółęąśŻŹĆĄŚĘŁÓŃ]+(?:/[a-z]+)?|%|°)")
_RATE = re.compile(
    r"[\s-]?(?:frames?|klat\w+)\s?(?:/|per|a|na)\s?(?:s\b|second|sekund\w)", re.IGNORECASE
)
#: No command has more values than this; a text with more is read no further.
_MOST = 60
#: Two numbers from here on that stand side by side are the sides of something.
_LEAST_SIDE = 200
_HERE = frozenset("a an na przez for one next whole caly cala".split())


@dataclass(frozen=True, slots=True)
class Mention:
    """Something in the text that can be a value.

    Attributes
    ----------
    value : a number, a pair of numbers, a text, a day as ``2026-03-18``, a (name, text) pair
    unit : the unit that stands with a number
    since : for a day, whether something begins there
    words : the places of the words that it takes
    """

    kind: Literal["quoted", "pair", "path", "size", "number", "date"]
    value: Any
    start: int
    end: int
    unit: Unit | None = None
    since: bool = False
    words: tuple[int, ...] = ()


def mentions_of(
    text: str, words: Sequence[Word], today: date, names: frozenset[str]
) -> list[Mention]:
    """Find what in a text can be a value, none twice.

    Parameters
    ----------
    text : cleaned
    names : words with points in them that are no files, such as the capabilities' own names
    """
    found: list[Mention] = []
    taken = bytearray(len(text))
    for source in (
        _quoted(text),
        _formulas(text),
        _pairs(text),
        _paths(text, names),
        _dates(text, words, today),
        _sizes(text),
        _figures(text),
        _spelled(text, words),
    ):
        for mention in source:
            if not any(taken[mention.start : mention.end]):
                taken[mention.start : mention.end] = b"\x01" * (mention.end - mention.start)
                found.append(mention)
    placed = [
        replace(one, words=tuple(w.place for w in words if w.start < one.end and one.start < w.end))
        for one in sorted(found, key=lambda mention: mention.start)
    ]
    return _joined(placed[:_MOST], text)


def _quoted(text: str) -> Iterator[Mention]:
    for found in _QUOTED.finditer(text):
        before = text[: found.start()].rstrip()
        if not before.endswith("="):
            yield Mention("quoted", next(filter(None, found.groups())), *found.span())


def _formulas(text: str) -> Iterator[Mention]:
    """Find what is written in the signs of algebra, of letters and not of figures alone."""
    for found in FORMULA.finditer(text):
        if re.search(r"[*^]", found.group()) and re.search(r"(?<!\w)[a-z](?!\w)", found.group()):
            yield Mention("quoted", found.group(), *found.span())


def _pairs(text: str) -> Iterator[Mention]:
    for found in _PAIR.finditer(text):
        name = (found.group(1) or found.group(2)).replace("-", "_")
        value = found.group(3).rstrip(".!?") or found.group(3)
        yield Mention("pair", (name, value.strip("\"'")), found.start(), found.end())


def _paths(text: str, names: frozenset[str]) -> Iterator[Mention]:
    for found in _CHUNK.finditer(text):
        chunk = found.group().lstrip("([{<").rstrip(")]}>,;:!?")
        chunk = chunk[:-1] if chunk.endswith(".") and len(chunk) > 2 else chunk
        start = found.start() + found.group().find(chunk)
        if chunk and chunk.lower() not in names and _is_path(chunk):
            yield Mention("path", chunk, start, start + len(chunk))


def _is_path(chunk: str) -> bool:
    if "://" in chunk or chunk.startswith(("~/", "./", "../")):
        return len(chunk) > 3
    if "/" in chunk or "\\" in chunk:
        parts = [part for part in re.split(r"[/\\]", chunk) if part]
        if not parts or unit_of(chunk) or all(part.isdigit() for part in parts):
            return False
        small = all(fold(part) in STOP or unit_of(part) or len(part) == 1 for part in parts)
        return not small and not re.search(r"[\"'<>|=]", chunk)
    file = _FILE.fullmatch(chunk)
    return bool(file) and not chunk.replace(".", "").isdigit() and file.group(1).islower()  # type: ignore[union-attr]


def _dates(text: str, words: Sequence[Word], today: date) -> Iterator[Mention]:
    for day in days_in(text, words, today):
        yield Mention("date", day.day.isoformat(), day.start, day.end, since=day.since)


def _scaled(digits: str, suffix: str | None) -> float | None:
    value = figure(digits)
    if value is None or not suffix:
        return value
    return tidy(value * (10**6 if suffix.lower()[0] == "m" else 1000))


def _sizes(text: str) -> Iterator[Mention]:
    for found in _BY.finditer(text):
        # Forty by thirty thousand: both are.
        one = _scaled(found.group(1), found.group(2) or found.group(4))
        other = _scaled(found.group(3), found.group(4))
        if one is not None and other is not None:
            yield Mention("size", (one, other), *found.span())
    for found in _NAMED_SIZE.finditer(text):
        many, full, ultra, quad, plain, lines = found.groups()
        if lines and not 200 <= int(lines) <= 4320:
            continue
        size = (
            _SIZES[many] if many
            else (1920, 1080) if full
            else (3840, 2160) if ultra
            else (2560, 1440) if quad
            else (1280, 720) if plain
            else (round(int(lines) * 16 / 9 / 2) * 2, int(lines))
        )  # fmt: skip
        yield Mention("size", size, *found.span())


def _figures(text: str) -> Iterator[Mention]:
    for found in _CLOCK.finditer(text):
        parts = [int(part) for part in found.group().split(":")]
        total = (
            parts[0] * 60 + parts[1]
            if len(parts) == 2
            else (parts[0] * 3600 + parts[1] * 60 + parts[2])
        )
        yield Mention("number", total, *found.span(), unit_of("s"))
    for found in _FIGURES.finditer(text):
        value = _scaled(found.group(1).strip(), found.group(2))
        if value is not None:
            unit, end = _unit_at(text, found.end())
            yield Mention("number", value, found.start(), end, unit)


def _unit_at(text: str, at: int) -> tuple[Unit | None, int]:
    """Read the unit behind a number; give it, and where it ends."""
    if rate := _RATE.match(text, at):
        return unit_of("fps"), rate.end()
    found = _UNIT.match(text, at)
    if not found:
        return None, at
    word, apart = found.group(1), found.start(1) > at
    if apart and word in ("w", "c", "C", "W "):
        return None, at
    plain = fold(word)
    unit = unit_of(word) if not word.isascii() else unit_of(plain)
    if unit is None:
        unit = next(
            (unit_of(u) for begun, u in ADJECTIVES.items() if plain.startswith(begun)), None
        )
    return (unit, found.end()) if unit else (None, at)


def _spelled(text: str, words: Sequence[Word]) -> Iterator[Mention]:
    """Find numbers in words, and units that mean one of themselves."""
    at = 0
    while at < len(words):
        values: list[float] = []
        first = at
        while at < len(words) and (value := word_value(words[at].plain)) is not None:
            values.append(value)
            at += 1
        if values:
            after = [word.plain for word in words[at : at + 3]]
            for more in (["and", "a", "half"], ["i", "pol"]):  # one and a half
                if after[: len(more)] == more:
                    values.append(0.5)
                    at += len(more)
            last = end = words[at - 1].end
            for word in words[at : at + 2]:  # half an hour, a quarter of an hour
                end = word.end if word.plain in ("a", "an", "of") else end
            unit, stop = _unit_at(text, end)
            value = combined(values)
            yield Mention("number", value, words[first].start, stop if unit else last, unit)
            continue
        word = words[at]
        for begun, name in ADJECTIVES.items():
            head, middle, _ = word.plain.partition(begun)
            if middle and head in COMPOUND:
                yield Mention("number", COMPOUND[head], word.start, word.end, unit_of(name))
        head, times, _ = word.plain.partition("krotn")
        if times and head in COMPOUND and head:
            yield Mention("number", COMPOUND[head], word.start, word.end)
        unit = unit_of(word.plain) if len(word.plain) > 3 else None
        here = at and (words[at - 1].plain in _HERE or "#length" in words[at - 1].keys)
        here = here or _alone(text, word)
        if unit and unit.dimension == "time" and here:
            if at < 2 or not {"#fps", "fram"} & words[at - 2].keys:
                yield Mention("number", 1, word.start, word.end, unit)
        at += 1


def _alone(text: str, word: Word) -> bool:
    """Tell whether a word stands by itself behind a comma: a film, a minute."""
    before, after = text[: word.start].rstrip(), text[word.end :].lstrip()
    return before.endswith(",") and (not after or after[0] in ",.;!?")


def _joined(found: list[Mention], text: str) -> list[Mention]:
    """Put together what is one: an hour and ten minutes, three by three."""
    joined: list[Mention] = []
    for mention in found:
        last = joined[-1] if joined else None
        if last and last.kind == mention.kind == "number":
            between = text[last.end : mention.start].strip().lower()
            units = last.unit, mention.unit
            if (
                between in ("", "and", "i", "oraz")
                and units[0]
                and units[1]
                and (
                    units[0].dimension == units[1].dimension == "time"
                    and units[0].factor > units[1].factor
                )
            ):
                value = tidy(last.value * units[0].factor + mention.value * units[1].factor)
                joined[-1] = replace(
                    last, value=value, unit=unit_of("s"), end=mention.end,
                    words=last.words + mention.words,
                )  # fmt: skip
                continue
            pixels = all(one is None or one.dimension == "pixel" for one in units)
            whole = between == "" and min(last.value, mention.value) >= _LEAST_SIDE
            if pixels and (between in ("by", "x", "na") or whole):
                between_words = tuple(range(last.words[-1] + 1, mention.words[0]))
                joined[-1] = Mention(
                    "size", (last.value, mention.value), last.start, mention.end,
                    words=last.words + between_words + mention.words,
                )  # fmt: skip
                continue
        joined.append(mention)
    return joined
