"""Values out of a sentence into the slots of one capability.

What stands next to a slot's own words goes there first; then what only fits one slot. What fits
nowhere stays where it is: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fraktal_kernel.agents.offline.assigning import Fault, Filling
from fraktal_kernel.agents.offline.matching import choices_named, several_named
from fraktal_kernel.agents.offline.mentions import Mention
from fraktal_kernel.agents.offline.naming import Naming
from fraktal_kernel.agents.offline.numerals import figure, tidy
from fraktal_kernel.agents.offline.slots import Slot
from fraktal_kernel.agents.offline.thesaurus import NEGATIONS
from fraktal_kernel.agents.offline.vocabulary import thesaurus

_MOST_QUOTED = 3
_ASKING = frozenset({"#which", "#what", "#how_many", "#available", "#choice", "#last"})
_YES, _NO = frozenset("true yes on tak 1".split()), frozenset("false no off nie 0".split())


class Filler(Naming):
    """Fills the slots of one capability from one sentence."""

    def fill(self) -> Filling:
        """Put everything where it belongs, the surest first."""
        self._pairs()
        self._sizes()
        self._choices()
        self._lists(of_numbers=True)
        self._numbers()
        self._dates()
        self._paths()
        self._flags()
        self._quoted()
        self._lists()
        self._named()
        self._remainders()
        self._objects_of_verbs()
        self._last_text()
        self._free_parts()
        self._left_open()
        self.filling.unused = [self.text[one.start : one.end] for one in self.mentions]
        return self.filling

    def _pairs(self) -> None:
        """Take what is written as ``name=value``."""
        for mention in [one for one in self.mentions if one.kind == "pair"]:
            name, text = mention.value
            slot = self.slots.get(name) or self.slots.get(name.lower()) or self._begins(name)
            if slot is not None:
                self.use(mention, slot, _read(slot, text))

    def _begins(self, name: str) -> Slot | None:
        """Find the one slot that a short name such as ``w`` is the beginning of."""
        found = [slot for slot in self.slots.values() if slot.name.startswith(name.lower())]
        free = any(slot.free for slot in self.slots.values())
        return found[0] if len(found) == 1 and found[0].takes_number and not free else None

    def _sizes(self) -> None:
        """Give pairs of numbers to width and height, or to what takes a size."""
        sides = [
            next((s for s in self.unfilled() if key in s.main and s.takes_number), None)
            for key in ("#width", "#height")
        ]
        for mention in [one for one in self.mentions if one.kind in ("size", "number")]:
            size = self._as_size(mention, sides)
            if size is None or mention not in self.mentions:
                continue
            width, height = sides
            if width is not None and height is not None:
                if {width.name, height.name} & set(self.filling.values):
                    continue
                self.put(width, size[0], mention.words)
                self.put(height, size[1], mention.words)
                self.mentions.remove(mention)
                for word in self.words:
                    if word.keys & {"#size", "#width", "#height", "squar", "kwadrat"}:
                        self.filling.taken.setdefault(word.place, 0.9)
                continue
            if mention.kind == "size":
                self._one_size(mention, size)

    def _as_size(
        self, mention: Mention, sides: Sequence[Slot | None]
    ) -> tuple[float, float] | None:
        if mention.kind == "size":
            if mention.value[0] == mention.value[1] and mention.value[0] < 10:
                return self._square_of_samples(mention)
            return (mention.value[0], mention.value[1])
        width, height = sides
        if width is None or height is None or not mention.words:
            return None
        if mention.unit is not None and mention.unit.dimension == "area":
            across, down = width.schema.get("default"), height.schema.get("default")
            ratio = across / down if across and down else 4 / 3
            tall = (mention.value * mention.unit.factor / ratio) ** 0.5
            return (round(tall * ratio), round(tall))
        first, last = self.span(mention)
        beside = [w.plain for w in self.words[max(0, first - 2) : last + 3]]
        if any(plain.startswith(("square", "kwadrat")) for plain in beside):
            return (mention.value, mention.value)
        return None

    def _square_of_samples(self, mention: Mention) -> tuple[float, float] | None:
        """Take three by three as three where a slot's words stand beside it."""
        for slot in self.unfilled():
            near, beside = self.beside(slot, *self.span(mention))
            if slot.takes_number and near > 0.6 and not slot.main & {"#width", "#height"}:
                self.use(mention, slot, mention.value[0], beside)
                return None
        return (mention.value[0], mention.value[1])

    def _one_size(self, mention: Mention, size: tuple[float, float]) -> None:
        for slot in self.unfilled():
            if not slot.main & {"#size", "#format"} and "size" not in slot.name:
                continue
            if slot.takes_text:
                self.use(mention, slot, f"{size[0]}x{size[1]}")
                return
            if "array" in slot.types:
                self.use(mention, slot, list(size))
                return

    def _choices(self) -> None:
        """Give names of choices to the slots that have them, the longest and nearest first."""
        # A choice may stand in quotation marks; a text may not hide one.
        taken = {
            place
            for place, one in self.held.items()
            if one.kind not in ("number", "date", "quoted")
            or (one.kind == "quoted" and len(one.words) > _MOST_QUOTED)
        }
        taken |= set(self.filling.taken)
        found = []
        seen: dict[tuple[Any, ...], str] = {}
        for slot in list(self.unfilled()):
            source = slot.item if slot.item is not None and slot.item.choices else slot
            same = tuple(choice.value for choice in source.choices)
            first = seen.setdefault(same, slot.name) == slot.name
            for match in choices_named(source, self.words, taken) if same else ():
                near, beside = self.beside(slot, match.words[0], match.words[-1])
                weak = all(
                    self.words[place].stop and not self.words[place].keys & slot.main
                    for place in match.words
                )
                own = all(self.words[place].keys & self.own for place in match.words)
                poor = len(match.words) == 1 and match.whole and match.quality < 0.7
                if (weak or poor or not first) and near < 0.6:
                    continue
                if own and near < 0.6 and match.quality < 1.0 * len(match.words):
                    continue
                found.append((match.quality + near, match.whole, slot, match, beside))
        used: set[int] = set()
        given: dict[str, Any] = {}
        found.sort(key=lambda one: (-one[0], not one[1]))
        for index, (score, _, slot, match, beside) in enumerate(found):
            if used & set(match.words):
                continue
            if slot.name in given and not slot.item:
                if match.choice.value == given[slot.name]:
                    self.put_words(match.words)
                sure = match.whole and match.quality >= 0.9 * len(match.words)
                if sure and match.choice.value != given[slot.name]:
                    self._contradicted(slot, [given[slot.name], match.choice.value], match.words)
                    used |= set(match.words)
                continue
            rivals = [
                str(other[3].choice.value)
                for other in found[index + 1 :]
                if other[2] is slot and other[3].words == match.words and other[0] == score
            ]
            if rivals and slot.item is None:
                self.filling.open.append((slot, [str(match.choice.value), *rivals]))
                self.put_words(match.words)
                used |= set(match.words)
                continue
            for mention in {self.held[p] for p in match.words if p in self.held}:
                if mention in self.mentions:
                    self.mentions.remove(mention)
            value = match.choice.value
            if slot.item is not None:
                value = [*self.filling.values.get(slot.name, []), value]
            self.put(slot, value, match.words)
            given[slot.name] = value
            self.filling.chosen += 1
            used |= set(match.words)
            if beside is not None:
                self.filling.taken[beside] = 0.95

    def _contradicted(self, slot: Slot, values: list[Any], words: Sequence[int]) -> None:
        """Leave a slot open that was given two values, but for a way from one to the other."""
        ahead = words[0] - 1
        while ahead > 0 and self.words[ahead].plain in ("the", "a", "an"):
            ahead -= 1
        before = self.words[ahead].plain if ahead >= 0 else ""
        for twin in self.unfilled():
            begins = twin.main & {"#start", "#since"}
            if begins and [c.value for c in twin.choices] == [c.value for c in slot.choices]:
                if before in ("from", "od", "z", "to", "do", "into"):
                    forth = before in ("to", "do", "into")
                    first, last = values if forth else reversed(values)
                    self.put(twin, first, words)
                    self.filling.values[slot.name] = last
                    return
        if self.filling.values.pop(slot.name, None) is not None:
            self.filling.open.append((slot, [str(value) for value in values]))
        for place in words:
            self.filling.taken.setdefault(place, 0.4)

    def _numbers(self) -> None:
        """Give numbers to the slots whose words or units stand beside them."""
        numbers = [one for one in self.mentions if one.kind == "number" and one.words]
        slots = [slot for slot in self.unfilled() if slot.takes_number]
        alone = [slot for slot in slots if slot.required]
        rated = []
        for order, mention in enumerate(numbers):
            for slot in slots:
                fits = self._number_for(slot, mention, slots)
                if fits is None:
                    continue
                score, value, beside = fits
                if len(alone) == 1 and slot is alone[0] and mention.unit is None:
                    score += 1.0
                if score >= 1.0:
                    rated.append((score, -order, mention, slot, value, beside))
        rated.sort(key=lambda one: (-one[0], -one[1]))
        for _, _, mention, slot, value, beside in rated:
            if mention in self.mentions and slot.name not in self.filling.values:
                if not any(fault.slot is slot for fault in self.filling.faults):
                    self.use(mention, slot, value, beside)

    def _number_for(
        self, slot: Slot, mention: Mention, slots: Sequence[Slot]
    ) -> tuple[float, float, int | None] | None:
        near, beside = self.beside(slot, *self.span(mention))
        score, value = 2.5 * near, mention.value
        if mention.unit is not None:
            factor = mention.unit.to(slot.unit)
            if factor is not None:
                value = tidy(value * factor)
                alike = [s for s in slots if s.unit and mention.unit.to(s.unit) is not None]
                score += 2.0 if len(alike) == 1 else 0.6
            elif mention.unit.dimension == "share" and near > 0:
                if slot.fault(value) is not None or slot.fault(1.5) is not None:
                    value = tidy(value * mention.unit.factor)
            elif set(mention.unit.words) & slot.main:
                score += 2.0
            elif slot.unit is not None or near < 0.4:
                return None
        if slot.types == {"integer"} and value == round(value):
            value = int(value)
        if slot.fault(value) is not None:
            score -= 0.4
        return score + 0.2 * slot.required, value, beside

    def _dates(self) -> None:
        for mention in [one for one in self.mentions if one.kind == "date"]:
            best: tuple[float, Slot, int | None] | None = None
            for slot in self.unfilled():
                if not slot.format.startswith("date") and not (
                    slot.takes_text and not slot.choices and "#day" in slot.main
                ):
                    continue
                near, beside = self.beside(slot, *self.span(mention))
                begins = bool(slot.main & {"#since", "#start"})
                score = near + (mention.since == begins) + 0.1 * slot.required
                if best is None or score > best[0]:
                    best = (score, slot, beside)
            if best is not None:
                suffix = "T00:00:00" if best[1].format == "date-time" else ""
                self.use(mention, best[1], mention.value + suffix, best[2])

    def _paths(self) -> None:
        paths = [one for one in self.mentions if one.kind == "path"]
        rated = []
        for order, mention in enumerate(paths):
            for slot in list(self.unfilled()):
                if slot.is_path or (slot.takes_text and slot.required and not slot.choices):
                    near, beside = self.beside(slot, *self.span(mention))
                    rated.append(
                        (
                            _path_score(slot, mention.value) + 1.5 * near,
                            -order,
                            mention,
                            slot,
                            beside,
                        )
                    )
        rated.sort(key=lambda one: (-one[0], -one[1]))
        for score, _, mention, slot, beside in rated:
            if score > 0 and mention in self.mentions and slot.name not in self.filling.values:
                self.use(mention, slot, mention.value, beside)

    def _flags(self) -> None:
        """Take the name of a yes-or-no slot for yes, and for no where it is denied."""
        for slot in list(self.unfilled()):
            if slot.types != {"boolean"}:
                continue
            keys = {key for key, weight in slot.keys.items() if weight == 1.0} - self.own
            for word in self.words:
                if word.keys & keys and word.place not in self.held:
                    before = {w.plain for w in self.words[max(0, word.place - 2) : word.place]}
                    self.put(slot, not before & NEGATIONS, [word.place])
                    for place in range(max(0, word.place - 2), word.place):
                        if self.words[place].plain in NEGATIONS:
                            self.filling.taken[place] = 0.95
                    break

    def _left_open(self) -> None:
        """Find values that were named and do not exist, and words that leave a choice open."""
        for slot in list(self.unfilled()):
            if not slot.choices or any(fault.slot is slot for fault in self.filling.faults):
                continue
            for word in self.words:
                if not self.free(word) and not (word.keys & slot.main):
                    continue
                if word.place in self.filling.taken or word.place in self.held:
                    continue
                several = several_named(slot, word)
                if several and not word.keys & slot.main:
                    self.filling.open.append((slot, several))
                    self.filling.taken[word.place] = 0.8
                    break
            else:
                self._unknown_choice(slot)

    def _unknown_choice(self, slot: Slot) -> None:
        named = {key for key, weight in slot.keys.items() if weight >= 0.9} - self.own
        if slot.is_path or not slot.closed:
            return
        for word in self.words:
            if not word.keys & named or word.place in self.filling.taken:
                continue
            for near in (word.place - 1, word.place + 1):
                if not 0 <= near < len(self.words) or self.apart(*sorted((near, word.place))):
                    continue
                other = self.words[near]
                if self.free(other) and not other.keys & (thesaurus().actions | _ASKING):
                    expected = slot.one_of
                    self.filling.faults.append(Fault(slot, other.text, expected))
                    self.filling.taken[near] = self.filling.taken[word.place] = 0.9
                    return


def _path_score(slot: Slot, path: str) -> float:
    """Say how well a path fits a slot: by its ending, or because it is a folder."""
    ending = re.search(r"\.[A-Za-z][A-Za-z0-9]{0,7}$", path)
    score = 0.3 * slot.required + (0.3 if slot.is_path else -0.9)
    if not slot.is_path:
        return score + 0.7
    if ending is None:
        return score + (0.5 if "#folder" in slot.keys else 0.0)
    if slot.suffixes:
        if ending.group().lower() in slot.suffixes:
            return score + 1.0
        return score - (0.25 if slot.required else 1.0)
    return score - (0.5 if "#folder" in slot.main else 0.0)


def _read(slot: Slot, text: str) -> Any:
    """Turn the text behind an equals sign into a value of the slot."""
    for choice in slot.choices:
        if text.lower() == str(choice.value).lower():
            return choice.value
    if "boolean" in slot.types and text.lower() in _YES | _NO:
        return text.lower() in _YES
    if slot.types & {"integer", "number"}:
        value = figure(text)
        if value is not None:
            return value
    if "array" in slot.types:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
