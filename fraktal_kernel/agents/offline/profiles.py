"""By which words each capability goes, read off its name, title, docstring, schema and examples."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fraktal_kernel.agents.offline.slots import Choice, Slot, plain_words, slots_of
from fraktal_kernel.agents.offline.text import Word, clean
from fraktal_kernel.agents.offline.thesaurus import ASKING, STOP
from fraktal_kernel.agents.offline.vocabulary import Spelling, keys_of, thesaurus, vague, words_of
from fraktal_kernel.core.capability import Capability

_FEWEST_CHOICES = 3
#: What is a thing that is made, though its name is that of the act.
_THINGS = frozenset({"#film", "#poster", "#picture", "#report", "#predict"})


@dataclass(frozen=True)
class Profile:
    """One capability, as words find it.

    Attributes
    ----------
    terms : how well a key points to it: 1 for what its name and title say, less for the rest
    own : the keys of its name and title
    cost : of equals, what takes less comes first
    """

    capability: Capability
    slots: Mapping[str, Slot]
    terms: Mapping[str, float]
    own: frozenset[str]
    verb: frozenset[str]
    title: tuple[frozenset[str], ...]
    cost: tuple[float, ...]
    plain: frozenset[str]
    lists: Mapping[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        """The capability's name."""
        return self.capability.name

    def fit(self, word: Word) -> float:
        """Say how well a word points here by itself."""
        return max((self.terms.get(key, 0.0) for key in word.keys), default=0.0) * word.exact


def profile_of(capability: Capability) -> Profile:
    """Read a capability."""
    schema = capability.schema()
    slots = slots_of(schema)
    domain, _, verb = capability.name.rpartition(".")
    terms: dict[str, float] = {}
    plain: set[str] = set()
    general = thesaurus().general
    sources = (
        (1.0, f"{verb} {capability.title}"),
        (0.8, domain),
        (0.75, capability.description),
        (0.5, " ".join(_texts(list(capability.examples)))),
    )
    for weight, text in sources:
        for word in words_of(clean(text.replace("_", " "))):
            plain.add(word.plain)
            if not word.stop:
                for key in word.keys & general if vague(word.keys) else word.keys:
                    terms[key] = max(terms.get(key, 0.0), weight)
    title = tuple(
        keys_of(word)
        for word in dict.fromkeys(plain_words(f"{verb} {capability.title}"))
        if word not in STOP and not vague(keys_of(word)) and not keys_of(word) & ASKING
    )
    for slot in slots.values():
        plain |= {word for choice in slot.choices for word in choice.plain}
        plain |= set(plain_words(slot.name)) | set(plain_words(slot.title))
    needs = capability.needs
    return Profile(
        capability=capability,
        slots=slots,
        terms=terms,
        own=frozenset(key for key, weight in terms.items() if weight == 1.0) - general,
        verb=keys_of(plain_words(verb)[0]) if plain_words(verb) else frozenset(),
        title=title,
        cost=(needs.memory_bytes, needs.cores, len(slots)),
        plain=frozenset(plain),
        lists=_lists(schema),
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value[:200]
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _lists(schema: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Find every list of choices anywhere in a schema, by the name of the parameter."""
    found: dict[str, tuple[str, ...]] = {}

    def look(place: Any, depth: int) -> None:
        if not isinstance(place, Mapping) or depth > 40:
            return
        for name, entry in place.get("properties", {}).items():
            if isinstance(entry, Mapping):
                values = entry.get("enum") or entry.get("examples") or ()
                told = tuple(str(value) for value in values if isinstance(value, str | int))
                if len(told) >= _FEWEST_CHOICES or (told and "enum" in entry):
                    found.setdefault(name, told)
                look(entry, depth + 1)
        for word in ("anyOf", "oneOf", "allOf"):
            for part in place.get(word, ()):
                look(part, depth + 1)
        look(place.get("items"), depth + 1)
        for part in place.get("$defs", {}).values():
            look(part, depth + 1)

    look(schema, 0)
    return found


def choices_in(capability: Capability) -> Mapping[str, tuple[str, ...]]:
    """Give the choices of a capability's parameters, nested ones too, by their names."""
    return _kept(capability).lists


class Index:
    """All capabilities that can be asked for, and how much each word tells among them."""

    def __init__(
        self, capabilities: Mapping[str, Capability], own: Mapping[str, Capability]
    ) -> None:
        self.profiles = {name: _kept(capability) for name, capability in capabilities.items()}
        asked = {name: _kept(capability) for name, capability in own.items()}
        self.registered = frozenset(self.profiles)
        known, lists = dict(self.profiles), self.lists()
        for name, profile in asked.items():
            # Jobs are named by what they make: "films", but not "runs".
            names = _capability_choices(known, verbs=not profile.terms.get("#job"))
            self.profiles[name] = _with_choices(profile, names, lists)
        self.names = frozenset(self.profiles)
        #: what the names and titles of capabilities say
        self.own = frozenset().union(*(self.profiles[name].own for name in self.registered))
        self.titles = self._telling_titles()
        frequency: Counter[str] = Counter()
        for profile in self.profiles.values():
            frequency.update(key for key, weight in profile.terms.items() if weight > 0.5)
        most = len(self.profiles)
        self._tells = {
            key: math.log((most + 1) / (count + 0.5)) / math.log((most + 1) / 0.5)
            for key, count in frequency.items()
        }
        table = thesaurus()
        plain = frozenset().union(*(profile.plain for profile in self.profiles.values()))
        self.spelling = Spelling(table.known | {word for word in plain if word not in STOP})

    def _telling_titles(self) -> dict[str, tuple[frozenset[str], ...]]:
        """Give the words of each title that no other capability's has; all, where none is."""
        told = {}
        for name, profile in self.profiles.items():
            others = frozenset().union(
                *(keys for other in self.registered - {name} for keys in self.profiles[other].title)
            )
            alone = tuple(keys for keys in profile.title if not keys & others)
            told[name] = alone if alone and name in self.registered else profile.title
        return told

    def lists(self) -> dict[str, tuple[str, ...]]:
        """Give every list of choices by the name of its parameter."""
        found: dict[str, tuple[str, ...]] = {}
        for profile in self.profiles.values():
            for name, values in profile.lists.items():
                found.setdefault(name, values)
        return found

    def tells(self, word: Word) -> float:
        """Say how much a word tells: 1 where nobody knows it, little where everybody does."""
        if word.stop:
            return 0.0
        if vague(word.keys):
            return 0.0
        known = [self._tells[key] for key in word.keys if key in self._tells]
        return max(0.3, max(known)) if known else 1.0


_profiles: dict[str, Profile] = {}


def _kept(capability: Capability) -> Profile:
    """Read a capability once; one that was defined anew is read anew."""
    profile = _profiles.get(capability.name)
    if profile is None or profile.capability is not capability:
        profile = _profiles[capability.name] = profile_of(capability)
    return profile


def _capability_choices(profiles: Mapping[str, Profile], verbs: bool) -> tuple[Choice, ...]:
    """Let capabilities be named: by their names, and by words that no other has in its title."""
    choices = []
    shared: Counter[str] = Counter(
        key for profile in profiles.values() for key in set().union(*profile.title)
    )
    for name, profile in profiles.items():
        plain = tuple(plain_words(name.replace(".", " ")))
        choices.append(Choice(name, tuple(keys_of(word) for word in plain), plain))
        # A title begins with its verb.
        first = keys_of((plain_words(profile.capability.title) or [""])[0])
        acts = profile.verb | first | thesaurus().actions | {"#number", "#how_many"}
        for keys in profile.title:
            if not verbs and keys & acts and not keys & _THINGS:
                continue
            alone = frozenset(key for key in keys if shared[key] == 1)
            if alone:
                choices.append(Choice(name, (alone,), (min(alone, key=lambda k: k[0] == "#"),)))
    return tuple(choices)


def _with_choices(
    profile: Profile, names: tuple[Choice, ...], lists: Mapping[str, tuple[str, ...]]
) -> Profile:
    """Give the questions about capabilities and parameters the names there are today."""
    listed = tuple(
        Choice(name, (keys_of(words[-1]),), (words[-1],))
        for name in lists
        if (words := plain_words(name)) and not keys_of(words[-1]) & {"#where", "#what", "#how"}
    )
    today = {"capability": names, "parameter": listed}
    slots = {
        name: replace(slot, choices=today[name], closed=True) if name in today else slot
        for name, slot in profile.slots.items()
    }
    return replace(profile, slots=slots)
