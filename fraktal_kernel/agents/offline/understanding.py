"""From a sentence to what is meant by it: the offline model, with no weights and no network.

Every capability is understood from its own words alone; see ``docs/offline_model.md``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from fraktal_kernel.agents.offline.choosing import Candidate, ranked
from fraktal_kernel.agents.offline.filling import Filler
from fraktal_kernel.agents.offline.mentions import mentions_of
from fraktal_kernel.agents.offline.profiles import Index, Profile
from fraktal_kernel.agents.offline.questions import questions
from fraktal_kernel.agents.offline.replies import asking_for, say, shortened
from fraktal_kernel.agents.offline.text import MAX_CHARS, Word, clean, language_of
from fraktal_kernel.agents.offline.thesaurus import (
    CHANGES,
    HELLO,
    HELP,
    POINTING,
    SAME,
    STOP,
    WISHES,
)
from fraktal_kernel.agents.offline.vocabulary import thesaurus, words_of
from fraktal_kernel.core.capability import Capability

Kind = Literal["call", "missing", "question", "cannot", "help"]
Language = Literal["en", "pl"]

#: From here on a capability is meant; between the two a person is asked; below, nothing is. What
#: changes something besides making files has to be said more plainly.
SURE, UNSURE, SURE_ACT = 0.55, 0.45, 0.7
_ACTS = frozenset({"workbench.cancel_job", "workbench.retry_job", "workbench.answer_job"})
_PIECES = re.compile(r"\"[^\"]*\"|„[^”\"]*[”\"]|\S+")
_INSIDE = re.compile(r"[./\\_=]\w")
_YES = frozenset("yes yep sure ok okay tak jasne".split())
#: What is missing where it is not clear what is meant, and where two things are.
_WHICH, _ONE = ("capability",), ("order",)
#: How sure it is of what continues the sentence before.
_CONTINUED = 0.9
_THEN = re.compile(r"\b(?:and then|and|then|i potem|a potem|potem|oraz|i)\b|[;.]\s", re.IGNORECASE)
_THANKS = frozenset("thanks thank thx cheers dzieki dziekuje dziekuj".split())


@dataclass(frozen=True)
class Understanding:
    """What a sentence means.

    Attributes
    ----------
    kind : ``call``: a capability is to be run; ``question``: the workbench itself answers at
        once, see :func:`~.questions.answer`; ``missing``: something must be said first, which
        `reply` asks for; ``cannot``: nothing of that kind can be done; ``help``: a greeting, or
        a call for help
    capability : its name
    arguments : parameters that fit its schema
    missing : parameters that must be said, or said better
    confidence : from 0 to 1
    alternatives : names of other capabilities that may be meant, the likeliest first
    reply : one plain sentence, in the language of the question
    """

    kind: Kind
    reply: str
    language: Language
    capability: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    confidence: float = 0.0
    alternatives: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data that JSON can hold."""
        return {
            "kind": self.kind,
            "capability": self.capability,
            "arguments": dict(self.arguments),
            "missing": list(self.missing),
            "confidence": round(self.confidence, 3),
            "alternatives": list(self.alternatives),
            "language": self.language,
            "reply": self.reply,
        }


def understand(
    text: str,
    capabilities: Mapping[str, Capability],
    *,
    context: Understanding | None = None,
    language: Language | None = None,
    today: date | None = None,
) -> Understanding:
    """Say what a sentence means.

    Parameters
    ----------
    text : what a person said; anything at all
    capabilities : what can be done
    context : what was understood before it, for "the same with ..." and for answers to what
        was asked back
    language : of the reply, None for that of the text
    today : the day that "today" is, None for the computer's

    Examples
    --------
    >>> understand("Hello!", {}).kind
    'help'
    """
    index = index_of(capabilities)
    given = len(text)
    text = clean(text[: MAX_CHARS + 1]).strip()
    words = words_of(text, index.spelling)
    spoken = language or _spoken(text, words)
    if given > MAX_CHARS:
        return Understanding("cannot", say(spoken, "long", count=given, most=MAX_CHARS), spoken)
    if not words:
        can = shortened(_titles(index), 3)
        return Understanding("cannot", say(spoken, "nothing", can=can), spoken)
    return _Turn(index, text, words, spoken, context, today or date.today()).understood()


def _spoken(text: str, words: Sequence[Word]) -> Language:
    """Tell the language of a sentence, whatever its files and quotations are called."""
    bare = list(text)
    for found in _PIECES.finditer(text):
        if found.group()[0] in '"„' or _INSIDE.search(found.group()):
            bare[found.start() : found.end()] = " " * len(found.group())
    told = [word.plain for word in words if bare[word.start] != " "]
    return "pl" if language_of("".join(bare), told, thesaurus().leaning) == "pl" else "en"


_indexes: list[tuple[tuple[Capability, ...], Index]] = []


def index_of(capabilities: Mapping[str, Capability]) -> Index:
    """Give the index of some capabilities; made anew when one of them is."""
    known = tuple(capabilities[name] for name in capabilities)
    for cached, index in _indexes:
        if len(cached) == len(known) and all(a is b for a, b in zip(cached, known, strict=True)):
            return index
    index = Index(dict(capabilities), questions)
    _indexes[:] = [(known, index), *_indexes[:3]]
    return index


def _titles(index: Index) -> list[str]:
    return [
        _lowered(index.profiles[name].capability.title) for name in sorted(index.registered)
    ] or ["list the jobs"]


def _lowered(title: str) -> str:
    return title[:1].lower() + title[1:]


class _Turn:
    """One sentence on its way."""

    def __init__(
        self,
        index: Index,
        text: str,
        words: list[Word],
        language: Language,
        context: Understanding | None,
        today: date,
    ) -> None:
        self.index = index
        self.text = text
        self.words = words
        self.language: Language = language
        proposed = context.alternatives[:1] if context and context.missing == _WHICH else ()
        known = context and {context.capability, *proposed} & set(index.profiles)
        self.context = context if known else None
        self.today = today
        self.mentions = mentions_of(text, words, today, index.names)

    def understood(self) -> Understanding:
        talk = self._small_talk()
        if talk is not None:
            return talk
        if self._denied():
            return Understanding("cannot", say(self.language, "not_done"), self.language)
        candidates = ranked(self.index, self.text, self.words, self.mentions)
        best = candidates[0] if candidates else None
        continued = self._continued(best)
        if continued is not None:
            return continued
        if best is None or best.score < SURE:
            two = self._two()
            if two is not None:
                return two
        if best is None or best.score < UNSURE:
            return self._cannot(candidates)
        others = tuple(one.profile.name for one in candidates[1:4] if one.score > UNSURE)
        acts = best.profile.name in _ACTS or bool(getattr(best.profile.capability, "effect", None))
        if best.score < (SURE_ACT if acts else SURE):
            names = (best.profile.name, *others[:2])
            titles = [_lowered(self.index.profiles[name].capability.title) for name in names]
            return Understanding(
                "missing",
                say(self.language, "which", choices=" / ".join(titles)),
                self.language,
                arguments=best.filling.arguments(),
                missing=_WHICH,
                confidence=best.score,
                alternatives=names,
            )
        return self._done(best.profile, best, dict(best.filling.arguments()), others)

    # --- what needs no capability -----------------------------------------------------------

    def _small_talk(self) -> Understanding | None:
        plain = {word.plain for word in self.words}
        telling = plain - STOP
        can = shortened(_titles(self.index), 6)
        if plain <= HELP | STOP and plain & HELP:
            reply = say(self.language, "help", can=can)
        elif plain <= HELLO | STOP and plain & HELLO and (telling or plain & _THANKS):
            thanks = bool(plain & _THANKS)
            reply = say(self.language, "thanks" if thanks else "hello", can=shortened([can], 3))
        else:
            return None
        return Understanding("help", reply, self.language, confidence=1.0)

    def _denied(self) -> bool:
        """Tell whether somebody says what not to do."""
        table = thesaurus()
        deeds = table.actions | table.general | self.index.own
        for word, near in zip(self.words, self.words[1:], strict=False):
            at = near.place
            if word.plain in ("do", "please") and near.plain == "not":
                at += 1
            elif word.plain not in ("don't", "dont", "never", "nie"):
                continue
            while at < len(self.words) - 1 and self.words[at].plain in WISHES:
                at += 1
            keys = self.words[at].keys if at < len(self.words) else frozenset()
            if keys & deeds and not keys & {"#failed"}:
                return True
        return False

    def _two(self) -> Understanding | None:
        """Notice where two things are asked for at once."""
        named: list[str] = []
        for part in _THEN.split(self.text):
            words = words_of(part, self.index.spelling)
            mentions = mentions_of(part, words, self.today, self.index.names)
            found = ranked(self.index, part, words, mentions) if words else []
            if found and found[0].score >= SURE and found[0].profile.name not in named:
                named.append(found[0].profile.name)
        if len(named) < 2:
            return None
        one, other = (_lowered(self.index.profiles[n].capability.title) for n in named[:2])
        return Understanding(
            "missing",
            say(self.language, "one", one=one, other=other),
            self.language,
            missing=_ONE,
            alternatives=tuple(named[:3]),
        )

    def _cannot(self, candidates: Sequence[Candidate]) -> Understanding:
        can = shortened(_titles(self.index), 6)
        return Understanding(
            "cannot",
            say(self.language, "cannot", can=can),
            self.language,
            confidence=1.0 - (candidates[0].score if candidates else 0.0),
            alternatives=tuple(one.profile.name for one in candidates[:2] if one.score > 0.3),
        )

    # --- what goes on from before -----------------------------------------------------------

    def _continued(self, best: Candidate | None) -> Understanding | None:
        """Understand what only means something behind the sentence before."""
        if self.context is None:
            return None
        if self.context.missing == _WHICH:
            return self._agreed()
        assert self.context.capability is not None
        before = self.index.profiles[self.context.capability]
        if self.context.missing and (best is None or best.score < SURE or not best.evident):
            answered = self._answered(before)
            if answered is not None:
                return answered
        plain = {word.plain for word in self.words}
        same = bool(plain & SAME) or any("#again" in word.keys for word in self.words)
        same = same or self.words[0].plain in CHANGES
        if not (same or plain & POINTING) or before.name not in self.index.registered:
            return None
        main = next((name for name in before.slots if name in self.context.arguments), None)
        if not same and best is not None and best.score >= SURE and main in best.filling.values:
            return None  # the elephant, and make it grey: it is the elephant
        if best is not None and best.evident and best.profile is not before:
            if best.profile.name not in self.index.registered or best.score < UNSURE:
                return None
            kept = {
                name: value
                for name, value in self.context.arguments.items()
                if name in best.profile.slots
                and (isinstance(value, str) or not isinstance(value, int | float))
                and best.profile.slots[name].types == before.slots[name].types
            }
            values = kept | best.filling.arguments()
            return self._done(best.profile, best, values, ())
        filler = Filler(before.slots, before.own, self.text, self.words, self.mentions)
        filling = filler.fill()
        unknown = [
            word
            for word in self.words
            if word.place not in filling.taken
            and self.index.tells(word) > 0.5
            and word.plain not in SAME | POINTING
            and "#again" not in word.keys
            and not before.fit(word)
        ]
        if len(unknown) > 1 or not (filling.values or same or filling.faults):
            return None
        values = dict(self.context.arguments) | filling.arguments()
        return self._done(before, Candidate(before, filling, _CONTINUED, True), values, ())

    def _agreed(self) -> Understanding | None:
        """Take a yes to the one capability that was proposed."""
        assert self.context is not None
        plain = {word.plain for word in self.words}
        if not (plain & _YES and plain <= _YES | STOP):
            return None
        before = self.index.profiles[self.context.alternatives[0]]
        filling = Filler(before.slots, before.own, "", [], []).fill()
        values = dict(self.context.arguments)
        return self._done(before, Candidate(before, filling, _CONTINUED, True), values, ())

    def _answered(self, before: Profile) -> Understanding | None:
        """Take what was said for what was asked back."""
        assert self.context is not None
        asked = [before.slots[name] for name in self.context.missing if name in before.slots]
        if not asked:
            return None
        slot = replace(asked[0], required=True)
        filler = Filler({slot.name: slot}, frozenset(), self.text, self.words, self.mentions)
        filling = filler.fill()
        if not filling.values and not filling.faults and slot.takes_text and not slot.choices:
            telling = [word for word in self.words if not word.stop]
            wordy = slot.main & {"#text", "#message"}
            if wordy or len(telling) == 1:
                value = self.text if wordy else filler.raw(telling[0])
                filling.values[slot.name] = value
        if not filling.values and not filling.faults:
            return None
        values = dict(self.context.arguments) | filling.arguments()
        return self._done(before, Candidate(before, filling, _CONTINUED, True), values, ())

    # --- what is meant ----------------------------------------------------------------------

    def _done(
        self,
        profile: Profile,
        candidate: Candidate,
        arguments: dict[str, Any],
        others: tuple[str, ...],
    ) -> Understanding:
        kind: Kind = "call" if profile.name in self.index.registered else "question"
        missing: list[str] = []
        asks: list[str] = []
        for fault in candidate.filling.faults:
            missing.append(fault.slot.name)
            given = fault.given if isinstance(fault.given, str) else json.dumps(fault.given)
            asks.append(
                say(
                    self.language,
                    "fault",
                    name=fault.slot.title,
                    given=f"{given:.80}",
                    expected=fault.expected,
                )
            )
        for slot, choices in candidate.filling.open:
            if not _has(arguments, slot.name):
                missing.append(slot.name)
                asks.append(
                    say(
                        self.language,
                        "choice",
                        name=slot.title.lower(),
                        choices=shortened(choices),
                    )
                )
        for slot in profile.slots.values():
            if slot.required and not _has(arguments, slot.name) and slot.name not in missing:
                missing.append(slot.name)
                asks.append(asking_for(slot, self.language))
        if profile.name in _ACTS and candidate.filling.unused and not missing:
            # Two jobs were named, and only one can be meant.
            missing.append("job")
            arguments = {}
            unused = f"{', '.join(candidate.filling.unused):.200}"
            asks.append(say(self.language, "unused", values=unused))
        if missing:
            kind, reply = "missing", asks[0]
        elif kind == "question":
            reply = say(self.language, "look")
        else:
            told = ", ".join(
                f"{name} {value if isinstance(value, str) else json.dumps(value)}"
                for name, value in arguments.items()
            )
            what = say(self.language, "with", values=f"{told:.300}") if told else ""
            title = _lowered(profile.capability.title)
            reply = say(self.language, "call", title=title, what=what)
            unused = f"{', '.join((*candidate.unexplained, *candidate.filling.unused)):.200}"
            if unused:
                reply += " " + say(self.language, "unused", values=unused)
        return Understanding(
            kind,
            reply,
            self.language,
            capability=profile.name,
            arguments=arguments,
            missing=tuple(dict.fromkeys(missing)),
            confidence=min(candidate.score, 1.0),
            alternatives=others,
        )


def _has(arguments: Mapping[str, Any], dotted: str) -> bool:
    place: Any = arguments
    for part in dotted.split("."):
        if not isinstance(place, Mapping) or part not in place:
            return False
        place = place[part]
    return True
