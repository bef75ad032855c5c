"""Which choice of a slot the words name: whole or in part, in any form or language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from fraktal_kernel.agents.offline.slots import Choice, Slot
from fraktal_kernel.agents.offline.text import Word
from fraktal_kernel.agents.offline.vocabulary import SAID, thesaurus, vague

#: Words of choices that alone say nothing about which is meant.
_WEAK = frozenset({"#set_of", "set"})


@dataclass(frozen=True, slots=True)
class Match:
    """A choice that words name, and how well: about one a word."""

    slot: Slot
    choice: Choice
    words: tuple[int, ...]
    quality: float
    whole: bool


def likeness(word: Word, keys: Set[str], plain: str) -> float:
    """Say how well a word stands for another: 1 for itself, less for a form or a translation."""
    shared = word.keys & keys
    if word.plain == plain:
        # "Nie udane" is no no: a phrase has made another thing of the word.
        return 0.0 if keys & SAID and not shared & SAID else 1.0
    if len(word.plain) >= 3 and plain.startswith(word.plain) and len(plain) - len(word.plain) == 1:
        return 0.9
    if shared - thesaurus().general - {key for key in shared if key[0] != "#"}:
        return 0.85 * word.exact
    if any(key[0] != "#" for key in shared) and len(plain) > 3:
        # "cancel" is what to do, "cancelled" what was done.
        return (0.95 if _form(word.plain) == _form(plain) else 0.65) * word.exact
    return 0.0


def _form(plain: str) -> bool:
    return plain.endswith(("ing", "ed")) and len(plain) > 5


def choices_named(slot: Slot, words: Sequence[Word], taken: Set[int]) -> Iterator[Match]:
    """Find every choice of a slot that the words name."""
    free = [word for word in words if word.place not in taken]
    if not free:
        return
    shared = Counter(key for choice in slot.choices for key in set().union(*choice.words))
    mentioned = frozenset().union(*(word.keys for word in free)) | {w.plain for w in free}
    for choice in slot.choices:
        if not isinstance(choice.value, str):
            continue
        near = any(plain[:-1] in mentioned for plain in ("".join(choice.plain), *choice.plain))
        near = near or "".join(choice.plain) in mentioned
        if not near and not any(keys & mentioned for keys in choice.words):
            continue
        best = _whole(slot, choice, free)
        if best is None and len(choice.words) > 1:
            best = _part(slot, choice, free, shared)
        if best is not None:
            yield best


def _whole(slot: Slot, choice: Choice, free: Sequence[Word]) -> Match | None:
    """Find all words of a choice close together, in any order."""
    best: Match | None = None
    joined = "".join(choice.plain)
    for word in free if len(choice.words) > 1 else ():
        if word.plain == joined:
            return Match(slot, choice, (word.place,), 1.9, True)
    for at in range(len(free)):
        window = [free[at]]
        reach = at + 1
        while reach < len(free) and len(window) < len(choice.words) + 1:
            if free[reach].place - window[-1].place > 3:
                break
            if not free[reach].stop or free[reach].plain in choice.plain:
                window.append(free[reach])
            reach += 1
        used: list[int] = []
        quality = 0.0
        for keys, plain in zip(choice.words, choice.plain, strict=True):
            score, place = max(
                ((likeness(w, keys, plain), -w.place) for w in window if w.place not in used),
                default=(0.0, 0),
            )
            if score == 0.0:
                break
            used.append(-place)
            quality += score
        else:
            if free[at].place in used and (best is None or quality > best.quality):
                best = Match(slot, choice, tuple(sorted(used)), quality, True)
    return best


def _part(slot: Slot, choice: Choice, free: Sequence[Word], shared: Counter[str]) -> Match | None:
    """Find one word that only this choice has."""
    for word in free:
        if word.stop or word.keys & _WEAK or vague(word.keys) or not word.plain.isalpha():
            continue
        for keys, plain in zip(choice.words, choice.plain, strict=True):
            only = {key for key in keys & word.keys if shared[key] == 1}
            if only and likeness(word, only, plain) >= 0.8:
                return Match(slot, choice, (word.place,), 0.62, False)
    return None


def several_named(slot: Slot, word: Word) -> list[str]:
    """List the choices among which a word leaves the choice open, none where it is of no use."""
    if word.stop or word.keys & _WEAK or len(word.plain) < 4:
        return []
    found = [
        str(choice.value)
        for choice in slot.choices
        if len(choice.words) > 1
        and any(
            likeness(word, keys, plain) >= 0.8
            for keys, plain in zip(choice.words, choice.plain, strict=True)
        )
    ]
    return found if len(found) > 1 else []
