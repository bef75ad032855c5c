"""What was typed, as words: cleaned, folded to plain letters, stemmed, in a language.

Stems are crude on purpose. They only have to bring the forms of one word together, in English
and in Polish, and both are tried on every word: people mix.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

#: More than this is not read: nobody commands in pages.
MAX_CHARS = 4000

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_BARE = str.maketrans("łŁøØđĐß’", "lLoOdDs'")


def clean(text: str) -> str:
    r"""Replace what is no readable character by a space, place for place.

    Examples
    --------
    >>> clean("draw\x00it\ud800!")
    'draw it !'
    """
    text = unicodedata.normalize("NFC", text)
    return "".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in text)


def fold(word: str) -> str:
    """Write a word in small plain letters.

    Examples
    --------
    >>> fold("Źółw")
    'zolw'
    """
    plain = unicodedata.normalize("NFKD", word.translate(_BARE).lower())
    return "".join(mark for mark in plain if not unicodedata.combining(mark))


_ENGLISH = (  # (ending, what stands for it, letters that must be left before it)
    ("ifications", "if", 3), ("ification", "if", 3), ("ifiers", "if", 3), ("ifier", "if", 3),
    ("ified", "if", 3), ("ifies", "if", 3), ("ify", "if", 3), ("izations", "iz", 3),
    ("ization", "iz", 3), ("ations", "at", 3), ("ation", "at", 3), ("ating", "at", 3),
    ("ators", "at", 3), ("ator", "at", 3), ("ated", "at", 3), ("ates", "at", 3), ("ate", "at", 3),
    ("ssions", "ss", 3), ("ssion", "ss", 3), ("ssors", "ss", 3), ("ssor", "ss", 3),
    ("ctions", "ct", 2), ("ction", "ct", 2), ("ings", "", 3), ("ing", "", 3), ("ies", "i", 2),
    ("ed", "", 3), ("sses", "ss", 2), ("xes", "x", 2), ("ches", "ch", 2), ("shes", "sh", 2),
    ("ers", "", 5), ("er", "", 5), ("ly", "", 4), ("es", "", 3), ("s", "", 3),
)  # fmt: skip
_POLISH = (
    "iami", "owie", "iego", "iemu", "ami", "ach", "owi", "ego", "emu", "ych", "ich", "ymi", "imi",
    "iom", "iow", "iem", "om", "ow", "em", "ie", "ia", "ii", "iu", "io", "ej", "ym", "im", "a",
    "e", "i", "o", "u", "y",
)  # fmt: skip


def stem_english(word: str) -> str:
    """Cut a folded English word down to what its forms share.

    Examples
    --------
    >>> [stem_english(word) for word in ("classifier", "classification", "running", "movies")]
    ['classif', 'classif', 'run', 'movi']
    """
    for ending, instead, left in _ENGLISH:
        if word.endswith(ending) and len(word) - len(ending) >= left and not word.endswith("ss"):
            base = word[: -len(ending)]
            word = base + instead
            if ending in ("ing", "ings", "ed", "er", "ers") and len(base) > 3:
                if base[-1] == base[-2] and base[-1] not in "aeiousl":
                    word = base[:-1]
            break
    if len(word) > 3 and word[-1] == "e":
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 3 and word[-1] == "y" else word


def stem_polish(word: str) -> str:
    """Cut a folded Polish word down to what its cases share.

    Examples
    --------
    >>> [stem_polish(word) for word in ("minibrota", "minibrotem", "paleta", "palety")]
    ['minibrot', 'minibrot', 'palet', 'palet']
    """
    for ending in _POLISH:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


_ALTERNATIONS = (
    ("scie", "st"),
    ("dzie", "d"),
    ("cie", "t"),
    ("rze", "r"),
    ("dze", "g"),
    ("ce", "k"),
)


def nominative(word: str) -> str:
    """Undo what Polish cases do to the last consonant; other words come back as they are.

    Examples
    --------
    >>> nominative("porcie"), nominative("kolejce"), nominative("port")
    ('port', 'kolejk', 'port')
    """
    for ending, instead in _ALTERNATIONS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + instead
    return word


def without_fleeting(stem: str) -> str:
    """Drop the e that Polish puts in where a word has no ending: cukier, cukru.

    Examples
    --------
    >>> without_fleeting("cukier"), without_fleeting("kropek"), without_fleeting("zadan")
    ('cukr', 'kropk', 'zadan')
    """
    return re.sub(r"(?<=\w\w)i?e([kclrn])$", r"\1", stem)


@dataclass(frozen=True, slots=True)
class Word:
    """One word where it stands.

    Attributes
    ----------
    place : which word it is, from 0
    text, start, end : as it was typed, and where
    plain : small plain letters
    keys : what it may stand for: its stems, and the concepts of the thesaurus
    stop : whether it only holds the sentence together
    exact : 1, or less where a slip of the fingers was mended
    """

    place: int
    text: str
    start: int
    end: int
    plain: str
    keys: frozenset[str]
    stop: bool
    exact: float = 1.0


_POLISH_LETTERS = set("ąćęłńóśźż")
_POLISH_WORDS = frozenset(
    "i w z ze na do o od za po przez dla nie tak sie jest sa czy ile jak jaka jaki jakie ktore co"
    " mi moje to ten ta prosze poprosze zrob pokaz narysuj namaluj teraz ale oraz jako chce film"
    " obraz plakat zadanie zadania zadan siec plik paleta palete palety wszystko jeszcze raz hej"
    " czesc dzieki dziekuje pomoc pomocy dzien dobry kto gdzie kiedy dlaczego lista nr numer"
    " uruchom wytrenuj powiedz kup usun".split()
)
_ENGLISH_WORDS = frozenset(
    "the a an of to in with for on is are what which how please me my and make show it do does did"
    " can could would you i draw render picture image film poster job jobs as by at that was now"
    " hello hi thanks thank help good why where who run train create list same again".split()
)


def language_of(text: str, plain: Iterable[str], leaning: Callable[[str], int]) -> str:
    """Tell Polish from English by letters, small words and what each word leans to.

    Parameters
    ----------
    leaning : says of a folded word 1 for Polish, -1 for English, 0 for neither
    """
    polish = 2 * len(_POLISH_LETTERS & set(text.lower()))
    for word in plain:
        polish += 2 * ((word in _POLISH_WORDS) - (word in _ENGLISH_WORDS))
        polish += leaning(word) if len(word) > 2 else 0
        polish += len(word) > 4 and word.endswith(("uj", "owac", "ego", "emu", "ych", "osci"))
    return "pl" if polish > 0 else "en"
