"""Numbers in figures and in words, English and Polish."""

from __future__ import annotations

import re

_ENGLISH = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "dozen": 12, "half": 0.5, "hundred": 100, "thousand": 1000, "million": 10**6,
    "twice": 2, "once": 1, "couple": 2, "quarter": 0.25,
}  # fmt: skip
#: Beginnings of the Polish numerals' many forms, longer ones first where one begins another.
_POLISH = {
    "zero": 0, "jedenasc": 11, "jedenast": 11, "jeden": 1, "jedna": 1, "jedno": 1, "jednym": 1,
    "dwanasc": 12, "dwunast": 12, "dwadziesci": 20, "dwudziest": 20, "dwiescie": 200,
    "dwa": 2, "dwie": 2, "dwoch": 2, "dwoma": 2, "dwiema": 2, "trzynasc": 13, "trzynast": 13,
    "trzydziesci": 30, "trzydziest": 30, "trzysta": 300, "trzy": 3, "trzech": 3, "trzema": 3,
    "czternasc": 14, "czternast": 14, "czterdziesci": 40, "czterysta": 400, "cztery": 4,
    "czterech": 4, "czterema": 4, "pietnasc": 15, "pietnast": 15, "piecdziesi": 50, "piecset": 500,
    "piec": 5, "pieciu": 5, "piecioma": 5, "szesnasc": 16, "szescdziesi": 60, "szescset": 600,
    "szesc": 6, "szesciu": 6, "siedemnasc": 17, "siedemdziesi": 70, "siedemset": 700, "siedem": 7,
    "siedmiu": 7, "osiemnasc": 18, "osiemdziesi": 80, "osiemset": 800, "osiem": 8, "osmiu": 8,
    "dziewietnasc": 19, "dziewiecdziesi": 90, "dziewiecset": 900, "dziewiec": 9, "dziewieciu": 9,
    "dziesiec": 10, "dziesieciu": 10, "sto": 100, "tysiac": 1000, "tysiace": 1000, "tysiecy": 1000,
    "tysiacami": 1000, "tysiacom": 1000,
    "milion": 10**6, "miliony": 10**6, "milionow": 10**6, "pol": 0.5, "poltora": 1.5,
    "poltorej": 1.5, "tuzin": 12,
}  # fmt: skip
#: How compound Polish adjectives begin: dwuminutowy, 30-sekundowy, polgodzinny.
COMPOUND = {
    "jedno": 1, "dwu": 2, "trzy": 3, "cztero": 4, "piecio": 5, "szescio": 6, "siedmio": 7,
    "osmio": 8, "dziewiecio": 9, "dziesiecio": 10, "dwunasto": 12, "pietnasto": 15,
    "dwudziesto": 20, "trzydziesto": 30, "czterdziesto": 40, "piecdziesiecio": 50,
    "szescdziesiecio": 60, "poltora": 1.5, "pol": 0.5, "": 1,
}  # fmt: skip
_STEMS = sorted((word for word in _POLISH if len(word) > 7), key=len, reverse=True)
_DIGITS = re.compile(r"[-+−]?[\d.,\s]+(?:[eE][-+]?\d+)?")


def word_value(plain: str) -> float | None:
    """Say which number a folded word is.

    Examples
    --------
    >>> word_value("twelve"), word_value("trzydziestu"), word_value("seahorse")
    (12, 30, None)
    """
    if plain in _ENGLISH:
        return _ENGLISH[plain]
    if plain in _POLISH:
        return _POLISH[plain]
    for stem in _STEMS:
        if plain.startswith(stem) and len(plain) - len(stem) <= 4:
            return _POLISH[stem]
    return None


def combined(values: list[float]) -> float:
    """Put the numbers of neighbouring words together.

    Examples
    --------
    >>> combined([2, 1000, 5, 100]), combined([30, 5])
    (2500, 35)
    """
    total, part = 0.0, 0.0
    for value in values:
        if value in (1000, 10**6):
            total, part = total + (part or 1) * value, 0.0
        elif value == 100:
            part = (part or 1) * 100
        else:
            part += value
    return tidy(total + part)


def tidy(value: float) -> float:
    """Write a whole number as one.

    Examples
    --------
    >>> tidy(3.0), tidy(2.5)
    (3, 2.5)
    """
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded == int(rounded) and abs(rounded) < 1e15 else rounded


def figure(text: str) -> float | None:
    """Read figures, with a comma or a point, and thousands set apart.

    Examples
    --------
    >>> figure("10,000"), figure("0,05"), figure("30 000"), figure("2.5"), figure("1e-3")
    (10000, 0.05, 30000, 2.5, 0.001)
    """
    if not _DIGITS.fullmatch(text) or len(text) > 40:
        return None
    bare = re.sub(r"\s", "", text).replace("−", "-")
    if re.fullmatch(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", bare):
        bare = bare.replace(",", "")
    elif bare.count(",") == 1 and "." not in bare:
        bare = bare.replace(",", ".")
    try:
        value = float(bare)
    except ValueError:
        return None
    if value in (float("inf"), float("-inf")):
        return None
    return value if re.search(r"[eE]", bare) and value != int(value) else tidy(value)
