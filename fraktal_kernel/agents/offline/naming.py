"""Texts out of a sentence into slots: quotations, names, lists, and what is said behind a verb."""

from __future__ import annotations

import re
from typing import Any

from fraktal_kernel.agents.offline.assigning import AND, WITH, Assigning
from fraktal_kernel.agents.offline.mentions import FORMULA
from fraktal_kernel.agents.offline.numerals import figure
from fraktal_kernel.agents.offline.slots import Slot
from fraktal_kernel.agents.offline.text import Word
from fraktal_kernel.agents.offline.vocabulary import thesaurus

#: What a slot for free text is about.
TEXT = frozenset({"#text", "#message"})
_PREPOSITIONS = WITH | frozenset("for dla on na to do at from od".split())
_SPOKEN = re.compile(
    r"\b([A-Za-z_]\w*) (?:set to|equal to|equals|r[óo]wn\w{1,4}|ustawion\w{1,3} na) "
    r"([^\s,;]*[^\s,;.!?])",
    re.IGNORECASE,
)


class Naming(Assigning):
    """Finds the texts."""

    def _quoted(self) -> None:
        for mention in [one for one in self.mentions if one.kind == "quoted"]:
            best: tuple[float, Slot, int | None] | None = None
            for slot in self.unfilled():
                if not slot.takes_text:
                    continue
                near, beside = self.beside(slot, *self.span(mention))
                score = 1.5 * near + 0.8 * slot.required + 0.5 * bool(slot.main & TEXT)
                looks_like_file = bool(re.search(r"[/\\]|\.\w{1,5}$", mention.value))
                if slot.is_path:
                    score += 0.6 if looks_like_file else -0.4
                if FORMULA.fullmatch(mention.value) and FORMULA.search(slot.described):
                    score += 0.8
                if score >= 0.6 and (best is None or score > best[0]):
                    best = (score, slot, beside)
            if best is not None:
                self.use(mention, best[1], mention.value, best[2])

    def _lists(self, of_numbers: bool = False) -> None:
        """Take what is listed behind a slot's word, or, where it is no numbers, behind with."""
        for slot in list(self.unfilled()):
            if slot.types != {"array"} or slot.item is None or slot.item.choices:
                continue
            if slot.item.takes_number != of_numbers:
                continue
            starts = [w.place + 1 for w in self.words if w.keys & slot.main]
            beside = bool(starts)
            if not starts and not of_numbers:
                starts = [w.place + 1 for w in self.words if w.plain in WITH]
            for start in starts:
                items, places = self._items(slot.item, start)
                if items:
                    self.put(slot, items, places)
                    if beside:
                        self.filling.taken[start - 1] = 0.95
                    break

    def _items(self, item: Slot, start: int) -> tuple[list[Any], list[int]]:
        items: list[Any] = []
        places: list[int] = []
        since = 0  # words since the last item or separator
        for word in self.words[start:]:
            if word.place in places:
                continue
            mention = self.held.get(word.place)
            if word.plain in AND or (word.place and self.apart(word.place - 1, word.place)):
                since = 0
            if item.takes_number and mention in self.mentions and mention is not None:
                items.append(mention.value)
                places += mention.words
                self.mentions.remove(mention)
            elif mention is not None and mention.kind == "quoted" and mention in self.mentions:
                items.append(mention.value)
                places += mention.words
                self.mentions.remove(mention)
            elif item.takes_text and since == 0 and self.free(word):
                items.append(self.raw(word))
                places += self.glued(word)
                since = 1
            elif since and not word.stop and word.place not in self.filling.taken:
                break
        return items, places

    def _named(self) -> None:
        """Take the word beside a slot's own: ``target price``, ``called lab``."""
        for slot in list(self.unfilled()):
            if not slot.takes_text or slot.choices or slot.format in ("path", "file-path"):
                continue
            telling = slot.main | {key for key in slot.keys if key in thesaurus().actions}
            for word in self.words:
                if not word.keys & telling or word.place in self.held:
                    continue
                if word.keys & self.own and not word.keys & slot.main:
                    continue
                value = self._value_behind(word, slot) or self._value_before(word, slot)
                if value is not None:
                    text = self.raw(value)
                    if len(slot.suffixes) == 1 and "." not in text:
                        text += next(iter(slot.suffixes))
                    self.put(slot, text, self.glued(value))
                    self.filling.taken[word.place] = 0.95
                    break

    def _value_behind(self, word: Word, slot: Slot) -> Word | None:
        for near in self.words[word.place + 1 : word.place + 4]:
            if near.plain in AND or near.plain in WITH:
                return None
            if self.apart(near.place - 1, near.place):
                return None
            if near.keys & slot.main and not near.stop:
                continue
            if self.free(near):
                return near
            if not near.stop:
                return None
        return None

    def _value_before(self, word: Word, slot: Slot) -> Word | None:
        if not word.keys & slot.main or word.place == 0:
            return None
        near = self.words[word.place - 1]
        while near.place and near.plain in ("as", "the", "jako"):
            near = self.words[near.place - 1]
        beside = near.place + 1 == word.place
        if self.apart(near.place, near.place + 1) or not self.free(near):
            return None
        concepts = any(key[0] == "#" for key in near.keys)
        # "The poster notebook" is a file's name, "the large column" is not a column's.
        return None if beside and concepts and len(slot.suffixes) != 1 else near

    def _remainders(self) -> None:
        """Give a slot for a text what is said behind the verb."""
        slot = next(
            (s for s in self.unfilled() if s.required and s.takes_text and s.main & TEXT), None
        )
        verbs = [word for word in self.words if word.keys & self.own]
        if slot is None or not verbs:
            return
        first = verbs[0].place + 1
        while first < len(self.words) and self.words[first].keys & self.own:
            first += 1
        last = first
        while last < len(self.words):
            word = self.words[last]
            if word.place in self.filling.taken or word.keys & self.own:
                break
            if any(word.keys & other.main for other in self.slots.values() if other is not slot):
                if last + 1 in self.filling.taken:
                    break
            last += 1
        said = self.words[first:last]
        if any(not word.stop for word in said):
            text = self.text[said[0].start : said[-1].end]
            text = re.sub(r",?\s+(please|prosz[ęe])$", "", text)
            self.put(slot, text, [word.place for word in said])

    def _objects_of_verbs(self) -> None:
        """Take the unknown word behind the capability's own for what it must be told."""
        for slot in list(self.unfilled()):
            if not slot.required or not slot.takes_text or slot.choices or slot.suffixes:
                continue
            if slot.format or slot.main & TEXT:
                continue
            for word in self.words:
                if not word.keys & self.own:
                    continue
                near = next((w for w in self.words[word.place + 1 :] if not w.stop), None)
                if near is None or not self.free(near):
                    continue
                between = range(word.place, near.place)
                if any(self.apart(at, at + 1) for at in between):
                    continue
                if any(self.words[at].plain in _PREPOSITIONS for at in between[1:]):
                    continue
                self.put(slot, self.raw(near), self.glued(near), 0.7)
                break

    def _last_text(self) -> None:
        """Where all but one text is known, take the one word left: ``share lab with box``."""
        lacking = [slot for slot in self.unfilled() if slot.required]
        needed = [slot for slot in self.slots.values() if slot.required]
        if len(lacking) != 1 or len(needed) < 2:
            return
        slot = lacking[0]
        if not slot.takes_text or slot.choices or slot.suffixes or slot.format:
            return
        left = [w for w in self.words if self.free(w) and not any(k[0] == "#" for k in w.keys)]
        if left and len({self.raw(word) for word in left}) == 1:
            self.put(slot, self.raw(left[0]), [word.place for word in left], 0.8)

    def _spoken_pairs(self) -> dict[str, Any]:
        """Take what is said as "scale set to 2" for ``scale=2``."""
        parts: dict[str, Any] = {}
        for found in _SPOKEN.finditer(self.text):
            places = [w.place for w in self.words if found.start() <= w.start < found.end()]
            if self.filling.taken.keys() & set(places):
                continue
            name, text = found.groups()
            value = figure(text)
            parts[name] = text if value is None else value
            self.put_words(places)
            for mention in [one for one in self.mentions if set(one.words) & set(places)]:
                self.mentions.remove(mention)
        return parts

    def _free_parts(self) -> None:
        """Give names and numbers that no slot knows to a slot that takes any."""
        slot = next((s for s in self.unfilled() if s.free), None)
        if slot is None:
            return
        parts = self._spoken_pairs()
        for mention in list(self.mentions):
            if mention.kind == "pair":
                name, text = mention.value
                value = figure(text)
                parts[name] = text if value is None else value
            elif mention.kind in ("number", "quoted") and mention.words and mention.words[0]:
                word = self.words[mention.words[0] - 1]
                if word.stop or word.place in self.filling.taken or word.place in self.held:
                    continue
                parts[self.raw(word)] = mention.value
                self.filling.taken[word.place] = 0.9
            else:
                continue
            self.put_words(mention.words)
            self.mentions.remove(mention)
        parts |= self._worded_parts()
        if parts:
            self.filling.values[slot.name] = parts
            for word in self.words:
                if word.keys & slot.main:
                    self.filling.taken.setdefault(word.place, 0.9)

    def _worded_parts(self) -> dict[str, str]:
        """Take names and words for them, such as ``with palette ember and scene elephant``."""
        first = next((word.place for word in self.words if word.plain in WITH), len(self.words))
        groups: list[list[Word]] = [[]]
        for word in self.words[first + 1 :]:
            if word.plain in AND or self.apart(word.place - 1, word.place):
                groups.append([])
            if not word.stop and word.plain not in AND:
                groups[-1].append(word)
        parts = {}
        for group in groups:
            if len(group) == 2 and not any(
                word.place in self.filling.taken or word.place in self.held for word in group
            ):
                parts[self.raw(group[0])] = self.raw(group[1])
                self.put_words([word.place for word in group])
        return parts
