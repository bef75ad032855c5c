"""Which capability a sentence is about.

One is chosen not because some of its words are in the sentence, but because it accounts for the
sentence: each word that tells something must be its own, or a value of one of its parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fraktal_kernel.agents.offline.assigning import Filling
from fraktal_kernel.agents.offline.filling import Filler
from fraktal_kernel.agents.offline.mentions import Mention
from fraktal_kernel.agents.offline.profiles import Index, Profile
from fraktal_kernel.agents.offline.text import Word
from fraktal_kernel.agents.offline.thesaurus import ASKING
from fraktal_kernel.agents.offline.vocabulary import thesaurus

#: How much is left of a fit where an action that was asked for is not in it.
_OVERLOOKED = 0.6
#: How much of a fit is the sentence accounted for; the rest is the title found again.
_SENTENCE = 0.87
_FIRST, _GENERAL, _VALUE = 0.08, 0.03, 0.7
_FAULT = 0.04
#: A word that tells less than this is one that many capabilities have.
_TELLING = 0.45
#: How much of a fit is left where a word is not accounted for that names another capability, or
#: that asks a question.
_ANOTHER, _ASKED = 0.85, 0.75
#: How a sentence begins that wants to know, not to have.
_ASKS = frozenset("is are was were does did has have any czy".split())


@dataclass(frozen=True)
class Candidate:
    """A capability that may be meant.

    Attributes
    ----------
    score : how well it accounts for the sentence, 0 to about 1
    evident : whether something in the sentence is its own, and not a bare number
    unexplained : words that tell something, and nothing of it
    """

    profile: Profile
    filling: Filling
    score: float
    evident: bool
    unexplained: tuple[str, ...] = ()


def ranked(
    index: Index, text: str, words: Sequence[Word], mentions: Sequence[Mention]
) -> list[Candidate]:
    """Give the capabilities that account for a sentence, the best first."""
    candidates = []
    for profile in index.profiles.values():
        filling = Filler(profile.slots, profile.own, text, words, mentions).fill()
        candidate = _rated(index, profile, filling, words, mentions)
        if candidate.evident:
            candidates.append(candidate)
    candidates.sort(key=lambda one: (-round(one.score, 3), one.profile.cost, one.profile.name))
    return candidates


def _rated(
    index: Index,
    profile: Profile,
    filling: Filling,
    words: Sequence[Word],
    mentions: Sequence[Mention],
) -> Candidate:
    table = thesaurus()
    told = accounted = evidence = 0.0
    unexplained: list[str] = []
    overlooked = 1.0
    held = {place: mention for mention in mentions for place in mention.words}
    for word in words:
        mention = held.get(word.place)
        weight = index.tells(word)
        if mention is not None and mention.kind != "pair":
            weight = _VALUE / len(mention.words)
        elif word.keys & ASKING:
            weight = max(weight, 0.5)
        if weight == 0.0:
            continue
        asks = bool(word.keys & ASKING) and profile.name in index.registered
        fit = 0.0 if asks and "#how_many" not in word.keys else profile.fit(word)
        beside = max(
            (slot.keys.get(key, 0.0) for slot in profile.slots.values() for key in word.keys),
            default=0.0,
        )
        degree = max(filling.taken.get(word.place, 0.0), fit, 0.6 * beside)
        told += weight
        accounted += weight * degree
        if fit > 0.5 and mention is None and (fit == 1.0 or not word.keys & ASKING):
            evidence += weight * fit
        if degree < 0.5 and weight >= _TELLING and mention is None:
            unexplained.append(word.text)
            if word.keys & index.own:  # it names another
                overlooked *= _ANOTHER
            elif asks:
                overlooked *= _ASKED
        concepts = {key for key in word.keys if key[0] == "#"}
        if concepts and concepts <= table.actions and degree < 0.5 and mention is None:
            overlooked *= _OVERLOOKED
    named = [any(word.keys & keys for word in words) for keys in index.titles[profile.name]]
    recall = sum(named) / len(named) if named else 0.0
    score = _SENTENCE * (accounted / told if told else 0.0) + (1 - _SENTENCE) * recall
    needed = [slot for slot in profile.slots.values() if slot.required]
    lacking = [slot for slot in needed if slot.name not in filling.values]
    score *= overlooked * (0.95 if lacking else 1.0)
    if profile.name not in index.registered:  # among questions, "show" and "list" do tell
        vague = frozenset().union(*(word.keys for word in words)) & table.general
        score += _GENERAL * sum(profile.terms.get(key, 0.0) for key in vague)
    # What is said first is what is wanted, where it is a verb.
    first = next((word for word in words if not word.stop), None)
    if first is not None and first.keys & profile.verb - table.general:
        score += _FIRST * (not first.plain.endswith("ing"))
    if profile.name not in index.registered and words and words[0].plain in _ASKS:
        score += _FIRST
    score -= _FAULT * len(filling.faults)
    evident = evidence >= 0.15 or filling.chosen > 0 or recall > 0.0
    return Candidate(profile, filling, score, evident, tuple(unexplained))
