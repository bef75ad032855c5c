"""Words with what they stand for: the thesaurus, read once, and slips of the fingers mended."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import cache

from fraktal_kernel.agents.offline.text import (
    WORD,
    Word,
    fold,
    nominative,
    stem_english,
    stem_polish,
    without_fleeting,
)
from fraktal_kernel.agents.offline.thesaurus import DISTINCT, STOP, TABLE

#: Below this many letters a slip cannot be told from another word; above, nothing is a word.
_SHORTEST, _LONGEST = 5, 30
#: What somebody says who is asked.
SAID = frozenset({"#thing_yes", "#thing_no"})
#: Words that may stand inside a phrase.
_WITHIN = frozenset("sie jest is are".split())


class Thesaurus:
    """The table as look-ups.

    Attributes
    ----------
    actions : concepts that must not be overlooked
    general : concepts that tell little
    known : every word and beginning of a word in it
    """

    def __init__(self, table: str) -> None:
        self.actions: set[str] = set()
        self.general: set[str] = set()
        self.known: set[str] = set()
        self._stems: dict[str, set[str]] = {}
        self._words: dict[str, set[str]] = {}
        self._beginnings: dict[str, set[str]] = {}
        self._phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for line in table.replace("\n    ", " ").strip().splitlines():
            head, english, polish = (part.strip() for part in line.split("|"))
            name, _, flag = head.partition(" ")
            concept = f"#{name}"
            self.actions |= {concept} if flag == "!" else set()
            self.general |= {concept} if flag == "~" else set()
            for entry in english.split(","):
                self._add(entry.strip(), concept, self._stems)
            for entry in polish.split(","):
                self._add(entry.strip(), concept, self._words)

    def _add(self, entry: str, concept: str, place: dict[str, set[str]]) -> None:
        parts = tuple(entry.split())
        if len(parts) > 1:
            self._phrases.setdefault(parts[0].rstrip("*")[:3], []).append((parts, concept))
            return
        self.known.add(entry.strip("=*"))
        if entry.startswith("="):
            self._words.setdefault(entry[1:], set()).add(concept)
        elif entry.endswith("*"):
            self._beginnings.setdefault(entry[:-1], set()).add(concept)
        else:
            key = stem_english(entry) if place is self._stems else entry
            place.setdefault(key, set()).add(concept)

    def concepts(self, plain: str) -> set[str]:
        """Say what a folded word may stand for."""
        found = self._stems.get(stem_english(plain), set()) | self._words.get(plain, set())
        for length in range(len(plain), 1, -1):
            if begun := self._beginnings.get(plain[:length]):
                # What goes on too long is another word that begins alike.
                most = length + 2 if length > 3 else 3
                return found | begun if len(plain) - length <= most else found
        return found

    @property
    def beginnings(self) -> Collection[str]:
        """What words may begin with, whatever their end."""
        return self._beginnings

    def leaning(self, plain: str) -> int:
        """Tell which language has a word: 1 only Polish, -1 only English, 0 both or neither."""
        english = stem_english(plain) in self._stems
        polish = plain in self._words or any(
            plain[:length] in self._beginnings for length in range(3, len(plain) + 1)
        )
        return polish - english

    def phrase_at(self, words: list[Word], at: int) -> list[tuple[int, str]]:
        """Find phrases that begin at a word: how many words each takes, and its concept."""
        found = []
        for parts, concept in self._phrases.get(words[at].plain[:3], ()):
            place = at
            for part in parts:
                while at < place < len(words) and words[place].plain in _WITHIN:
                    place += 1
                if place >= len(words) or not _alike(words[place].plain, part):
                    break
                place += 1
            else:
                found.append((place - at, concept))
        return found


def _alike(plain: str, part: str) -> bool:
    if part.endswith("*"):
        return plain.startswith(part[:-1])
    return plain == part or (len(part) > 3 and stem_english(plain) == stem_english(part))


@cache
def thesaurus() -> Thesaurus:
    """Read the table, once."""
    return Thesaurus(TABLE)


def vague(keys: Iterable[str]) -> bool:
    """Tell whether a word is known to mean nothing but an action that tells little."""
    concepts = {key for key in keys if key[0] == "#"}
    return bool(concepts) and concepts <= thesaurus().general


def keys_of(plain: str) -> frozenset[str]:
    """Give the stems and concepts of a folded word.

    Examples
    --------
    >>> sorted(keys_of("plakaty"))
    ['#poster', 'plakat', 'plakati']
    """
    stem = stem_polish(plain)
    keys = {stem_english(plain), stem} | thesaurus().concepts(plain)
    if thesaurus().leaning(plain) >= 0:
        keys.add(without_fleeting(stem))
    first = nominative(plain)
    if first != plain:
        keys |= {first} | thesaurus().concepts(first)
    return frozenset(keys)


def distance(one: str, other: str, limit: int) -> int:
    """Count the slips between two words: letters wrong, missing, too many or swapped.

    Returns
    -------
    slips : ``limit + 1`` where there are more than `limit`

    Examples
    --------
    >>> distance("psoter", "poster", 2), distance("dsuk", "dusk", 2), distance("cat", "house", 2)
    (1, 1, 3)
    """
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, row, before = row, [i], row if i == 1 else before
        for j, b in enumerate(other, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        if min(row) > limit:
            return limit + 1
        before = last
    return min(row[-1], limit + 1)


class Spelling:
    """Mends slips of the fingers against words that are known.

    Words are kept by what is left of them when one letter is taken out, so that a look-up costs
    the length of the word and not the size of the vocabulary.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self.known = {word for word in known if word}
        self._near: dict[str, list[str]] = {}
        for word in sorted(self.known):
            if len(word) >= _SHORTEST - 1 and word.isalpha():
                for left in _shortened(word):
                    self._near.setdefault(left, []).append(word)

    def mend(self, plain: str) -> str | None:
        """Give the known word that was meant, if just about one letter is wrong."""
        if not _SHORTEST - 1 <= len(plain) <= _LONGEST or not plain.isalpha() or plain in DISTINCT:
            return None
        whole = self._nearest(plain)
        if whole is not None:
            return whole
        for length in range(len(plain) - 1, max(_SHORTEST, len(plain) - 7), -1):
            begun = self._nearest(plain[:length])  # what only begins like one
            if begun in thesaurus().beginnings:
                return begun
        return None

    def _nearest(self, plain: str) -> str | None:
        best: tuple[float, str] | None = None
        for left in _shortened(plain):
            for word in self._near.get(left, ()):
                slips: float = distance(plain, word, 2)
                swapped = len(plain) == len(word) and sorted(plain) == sorted(word)
                allowed = 2 if min(len(plain), len(word)) >= 8 else 1
                slips = slips / 2 if swapped else slips
                if not swapped and plain[0] != word[0]:  # the first letter is rarely wrong
                    continue
                if slips <= allowed and (swapped or min(len(plain), len(word)) >= _SHORTEST):
                    best = min(best or (slips, word), (slips, word))
        return best[1] if best else None


def _shortened(word: str) -> set[str]:
    return {word} | {word[:place] + word[place + 1 :] for place in range(len(word))}


def words_of(text: str, spelling: Spelling | None = None) -> list[Word]:
    """Split cleaned text into words with what they stand for.

    Parameters
    ----------
    spelling : what else is known, against which slips are mended
    """
    words: list[Word] = []
    for found in WORD.finditer(text):
        plain = fold(found.group()).removesuffix("'s")
        keys, exact = keys_of(plain), 1.0
        stop = plain in STOP or (len(plain) == 1 and plain.isalpha())
        if spelling and not stop and not any(key[0] == "#" for key in keys):
            if not keys & spelling.known and plain not in spelling.known:
                meant = spelling.mend(plain)
                if meant is not None:
                    keys, exact = keys | keys_of(meant) | {meant}, 0.85
        words.append(
            Word(len(words), found.group(), found.start(), found.end(), plain, keys, stop, exact)
        )
    return _phrased(words)


def _phrased(words: list[Word]) -> list[Word]:
    """Give the words of phrases what the whole phrase stands for."""
    table, phrased = thesaurus(), list(words)
    for at in range(len(words)):
        for length, concept in table.phrase_at(words, at):
            for place in range(at, at + length):
                # What the words mean alone does not count: "nie udane" is no success.
                stems = {key for key in words[place].keys if key[0] != "#"}
                if concept in table.actions:  # ... but who says no, says no
                    stems |= words[place].keys & SAID
                phrased[place] = replace(
                    words[place], keys=frozenset(stems | {concept}), stop=place > at
                )
    return phrased
