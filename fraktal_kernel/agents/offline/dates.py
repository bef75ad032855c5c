"""Days as people name them: today, since Monday, the last three days, 12 March, wczoraj."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fraktal_kernel.agents.offline.numerals import word_value
from fraktal_kernel.agents.offline.text import Word

_DAYS = {
    "today": 0, "tonight": 0, "dzis": 0, "dzisiaj": 0, "dzisiejsze": 0, "dzisiejszy": 0,
    "yesterday": -1, "wczoraj": -1, "wczorajsze": -1, "przedwczoraj": -2, "tomorrow": 1,
    "jutro": 1, "jutra": 1, "jutrzejszy": 1, "pojutrze": 2,
}  # fmt: skip
_WEEKDAYS = (
    ("monday", "poniedzial"), ("tuesday", "wtor"), ("wednesday", "srod"), ("thursday", "czwart"),
    ("friday", "piat"), ("saturday", "sobot"), ("sunday", "niedziel"),
)  # fmt: skip
_MONTHS = (
    ("january", "styczn"), ("february", "lut"), ("march", "marc"), ("april", "kwie"),
    ("may", "maj"), ("june", "czerwc"), ("july", "lip"), ("august", "sierp"),
    ("september", "wrzes"), ("october", "pazdz"), ("november", "listopad"), ("december", "grud"),
)  # fmt: skip
_SPANS = {"day": 1, "days": 1, "dni": 1, "dzien": 1, "week": 7, "weeks": 7, "tydzien": 7,
          "tygodnie": 7, "tygodni": 7, "tygodnia": 7, "tygodniu": 7, "month": 30, "months": 30,
          "miesiac": 30, "miesiaca": 30, "miesiecy": 30}  # fmt: skip
_FROM = frozenset("since after starting od poczawszy zaczynajac".split())
_LAST = ("last", "past", "recent", "ostatni", "przeszl", "minion")
_WRITTEN = re.compile(r"\b(?:(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})[./](\d{1,2})[./](\d{4}))\b")


@dataclass(frozen=True, slots=True)
class Day:
    """A day that was named, and whether it is where something begins."""

    day: date
    start: int
    end: int
    since: bool


def days_in(text: str, words: Sequence[Word], today: date) -> Iterator[Day]:
    """Find the days that a text names."""
    for found in _WRITTEN.finditer(text):
        year, month, day = (int(part) for part in found.groups() if part)
        if found.group(4):
            year, day = day, year
        try:
            named = date(year, month, day)
        except ValueError:
            continue
        yield Day(named, found.start(), found.end(), _since(words, found.start()))
    for place, word in enumerate(words):
        if word.plain in _DAYS:
            named = today + timedelta(days=_DAYS[word.plain])
            yield Day(named, word.start, word.end, _since(words, word.start))
        elif (weekday := _index(word.plain, _WEEKDAYS)) is not None:
            named = today - timedelta(days=(today.weekday() - weekday) % 7)
            yield Day(named, word.start, word.end, _since(words, word.start))
        elif (month_index := _index(word.plain, _MONTHS)) is not None:
            yield from _month_day(words, place, month_index + 1, today)
        elif word.plain.startswith(_LAST) or word.plain in ("this", "tym", "tego"):
            yield from _span(words, place, today)


def _index(plain: str, names: Sequence[tuple[str, str]]) -> int | None:
    for index, (english, polish) in enumerate(names):
        if plain == english or (plain.startswith(polish) and len(plain) - len(polish) <= 4):
            return index
    return None


def _since(words: Sequence[Word], start: int) -> bool:
    before = [word.plain for word in words if word.end <= start][-2:]
    return bool(_FROM & set(before))


def _month_day(words: Sequence[Word], place: int, month: int, today: date) -> Iterator[Day]:
    for beside in (place - 1, place + 1):
        if 0 <= beside < len(words) and (digits := re.match(r"\d{1,2}", words[beside].plain)):
            try:
                named = date(today.year, month, int(digits.group()))
            except ValueError:
                continue
            first, last = sorted((words[place], words[beside]), key=lambda word: word.place)
            yield Day(named, first.start, last.end, _since(words, first.start))
            return


def _span(words: Sequence[Word], place: int, today: date) -> Iterator[Day]:
    count, at = 1.0, place + 1
    if at < len(words) and words[at].plain not in _SPANS:
        told = word_value(words[at].plain)
        count = float(words[at].plain) if words[at].plain.isdigit() else told or 0.0
        at += 1
    if not 0 < count < 10_000 or at >= len(words) or words[at].plain not in _SPANS:
        return
    length = _SPANS[words[at].plain]
    if words[place].plain.startswith(_LAST):
        begun = today - timedelta(days=round(count * length))
    elif length == 7:
        begun = today - timedelta(days=today.weekday())
    else:
        begun = today.replace(day=1) if length == 30 else today
    yield Day(begun, words[place].start, words[at].end, True)
