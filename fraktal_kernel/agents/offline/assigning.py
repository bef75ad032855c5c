"""What the slots of one capability got from one sentence, and what of it is accounted for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fraktal_kernel.agents.offline.mentions import Mention
from fraktal_kernel.agents.offline.slots import Slot
from fraktal_kernel.agents.offline.text import Word
from fraktal_kernel.agents.offline.thesaurus import STOP
from fraktal_kernel.agents.offline.vocabulary import vague

AND = frozenset("and i oraz a plus".split())
_AWAY = frozenset("for przez with z ze at to na".split())
WITH = frozenset("with z ze containing contains include including zawierajace zawiera".split())


@dataclass(frozen=True, slots=True)
class Fault:
    """A value that a slot cannot have."""

    slot: Slot
    given: Any
    expected: str


@dataclass
class Filling:
    """What the slots of one capability got.

    Attributes
    ----------
    values : by the slot's dotted name
    taken : how well each word is accounted for, by its place
    faults : values that do not fit
    open : slots whose value could be several choices
    chosen : how many choices were named
    unused : what looks like a value and went nowhere
    """

    values: dict[str, Any] = field(default_factory=dict)
    taken: dict[int, float] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    open: list[tuple[Slot, list[str]]] = field(default_factory=list)
    chosen: int = 0
    unused: list[str] = field(default_factory=list)

    def arguments(self) -> dict[str, Any]:
        """Give the values as the parameters they make, nested ones in their places."""
        made: dict[str, Any] = {}
        for name, value in self.values.items():
            *folders, last = name.split(".")
            place = made
            for folder in folders:
                place = place.setdefault(folder, {})
            place[last] = value
        return made


class Assigning:
    """One sentence, and the slots of one capability that its values go to."""

    def __init__(
        self,
        slots: Mapping[str, Slot],
        own: frozenset[str],
        text: str,
        words: Sequence[Word],
        mentions: Sequence[Mention],
    ) -> None:
        self.slots = slots
        self.own = own
        self.text = text
        self.words = words
        self.mentions = list(mentions)
        self.held = {place: mention for mention in mentions for place in mention.words}
        self.filling = Filling()

    def unfilled(self) -> Iterator[Slot]:
        """Go through the slots that have no value yet."""
        for slot in self.slots.values():
            if slot.name not in self.filling.values:
                yield slot

    def put(self, slot: Slot, value: Any, words: Sequence[int], degree: float = 0.95) -> None:
        """Give a slot a value, or note why it cannot have it; the words are accounted for."""
        expected = slot.fault(value)
        if expected is not None:
            self.filling.faults.append(Fault(slot, value, expected))
        else:
            self.filling.values[slot.name] = value
        for place in words:
            self.filling.taken[place] = max(self.filling.taken.get(place, 0.0), degree)

    def use(self, mention: Mention, slot: Slot, value: Any, beside: int | None = None) -> None:
        """Give a slot the value of a mention, which is then used up."""
        self.put(slot, value, mention.words)
        if beside is not None:
            self.filling.taken[beside] = 0.95
        self.mentions.remove(mention)

    def apart(self, one: int, other: int) -> bool:
        """Tell whether a comma or the like stands between two neighbouring words."""
        between = self.text[self.words[one].end : self.words[other].start]
        return re.search(r"[,;()\n]|(?<!\s)\.", between) is not None

    def beside(self, slot: Slot, first: int, last: int) -> tuple[float, int | None]:
        """Say how near the slot's own words stand to a stretch of words, and which one does."""
        best: tuple[float, int | None] = (0.0, None)
        for step, at, factor in ((-1, first, 1.0), (1, last, 0.9)):
            gap = 0.0
            place = at
            while 0 <= place + step < len(self.words) and gap <= 1.0:
                near = place + step
                if self.apart(min(place, near), max(place, near)):
                    break
                word = self.words[near]
                if near in self.held or word.plain in AND:
                    break
                weight = max((slot.keys.get(key, 0.0) for key in word.keys), default=0.0)
                if weight >= 0.45 and not (weight < 0.9 and word.keys & self.own):
                    score = weight * factor * word.exact * (1 - 0.3 * gap)
                    best = max(best, (score, near), key=lambda found: found[0])
                    break
                # "Power for 3 days": what is behind such a word belongs to what comes.
                gap += 0.2 if word.plain in _AWAY else 0.0 if word.stop else 1.0
                place = near
        return best

    def span(self, mention: Mention) -> tuple[int, int]:
        """Give the first and the last word of a mention."""
        return (mention.words[0], mention.words[-1]) if mention.words else (0, 0)

    def put_words(self, words: Sequence[int]) -> None:
        """Account for words."""
        for place in words:
            self.filling.taken[place] = 0.9

    def free(self, word: Word) -> bool:
        """Tell whether a word may be a value: it stands for nothing else here."""
        if word.stop or word.place in self.filling.taken or word.place in self.held:
            return False
        if word.plain in STOP:  # which a phrase has made more of, such as "can you do"
            return False
        if word.keys & self.own or vague(word.keys) or word.plain in WITH:
            return False
        return not any(word.keys & slot.main for slot in self.slots.values())

    def glued(self, word: Word) -> list[int]:
        """Give the places of the words that stand in one piece with a word."""
        start = self.text.rfind(" ", 0, word.start) + 1
        end = self.text.find(" ", word.end)
        end = len(self.text) if end < 0 else end
        raw = self.raw(word)
        first = self.text.find(raw, start, end)
        last = first + len(raw)
        return [w.place for w in self.words if first <= w.start < last]

    def raw(self, word: Word) -> str:
        """Give a word with what is glued to it, such as ``scikit-learn`` or ``my_model``."""
        start, end = word.start, word.end
        while start and re.match(r"[\w\-.+@]", self.text[start - 1]):
            start -= 1
        while end < len(self.text) and re.match(r"[\w\-.+@=<>~!\[\]]", self.text[end]):
            end += 1
        return self.text[start:end].rstrip(".-!]").lstrip(".-")
