"""What a capability wants to know, one slot a parameter, read off its JSON schema."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fraktal_kernel.agents.offline.text import WORD, fold
from fraktal_kernel.agents.offline.thesaurus import STOP
from fraktal_kernel.agents.offline.units import Unit, unit_of
from fraktal_kernel.agents.offline.vocabulary import keys_of, thesaurus

_DEEPEST = 3
#: How descriptions begin whose first noun is not what the parameter is.
_OPENING = frozenset("how what which where when why whose whether only".split())
_MOST_CHOICES = 500
_SUFFIX = re.compile(r"(?<![\w.])(?:[\w-]+)?(\.[a-z][a-z0-9]{1,7})\b")


@dataclass(frozen=True)
class Choice:
    """A value that a slot may have, and the words it goes by."""

    value: Any
    words: tuple[frozenset[str], ...]
    plain: tuple[str, ...]


@dataclass(frozen=True)
class Slot:
    """One parameter, or one part of a nested one.

    Attributes
    ----------
    name : dotted, such as ``size.width``
    keys : how well a word's key points here: 1 for its name, less for what explains it
    closed : whether it must be one of the choices; else they are examples
    free : whether it takes parts of any name
    """

    name: str
    schema: Mapping[str, Any]
    kinds: tuple[Mapping[str, Any], ...]
    types: frozenset[str]
    required: bool
    keys: Mapping[str, float]
    choices: tuple[Choice, ...] = ()
    closed: bool = False
    unit: Unit | None = None
    suffixes: frozenset[str] = frozenset()
    is_path: bool = False
    free: bool = False
    item: Slot | None = None
    main: frozenset[str] = field(default_factory=frozenset)
    writes: bool = False

    @property
    def title(self) -> str:
        """What it is called to a person."""
        return str(self.schema.get("title") or self.name.replace("_", " ").replace(".", " "))

    @property
    def described(self) -> str:
        """What its schema says of it."""
        return " ".join(str(kind.get("description", "")) for kind in (self.schema, *self.kinds))

    @property
    def takes_number(self) -> bool:
        """Whether a number may stand here."""
        return bool(self.types & {"integer", "number"}) and "boolean" not in self.types

    @property
    def takes_text(self) -> bool:
        """Whether any text may stand here."""
        return self.writes and not self.closed and not self.format.startswith("date")

    @property
    def format(self) -> str:
        """What kind of text is wanted, such as ``date``."""
        return next((str(kind["format"]) for kind in self.kinds if "format" in kind), "")

    @property
    def one_of(self) -> str:
        """The choices, in words."""
        return "one of " + ", ".join(dict.fromkeys(str(choice.value) for choice in self.choices))

    def fault(self, value: Any) -> str | None:
        """Say what is expected where a value does not fit, None where it does."""
        if any(choice.value == value for choice in self.choices):
            return None
        if self.closed:
            return self.one_of
        if isinstance(value, bool) or not isinstance(value, int | float):
            if self.types == {"boolean"} and not isinstance(value, bool):
                return "true or false"
            counts = isinstance(value, str) and self.takes_number and not self.writes
            return "a number" if counts and not self.closed else None
        if self.types == {"integer"} and value != int(value):
            return "a whole number"
        for kind in self.kinds:
            low, high = kind.get("minimum", -math.inf), kind.get("maximum", math.inf)
            above, below = kind.get("exclusiveMinimum"), kind.get("exclusiveMaximum")
            if value < low or (above is not None and value <= above):
                return f"{low:,} or more" if above is None else f"more than {above:,}"
            if value > high or (below is not None and value >= below):
                return f"at most {high:,}" if below is None else f"less than {below:,}"
            step = kind.get("multipleOf")
            if step and abs(value / step - round(value / step)) > 1e-9:
                return f"a multiple of {step:,}"
        return None


def plain_words(text: str) -> list[str]:
    """Split a name or a description into folded words, camel and snake alike."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text.replace("_", " "))
    return [fold(found.group()) for found in WORD.finditer(apart)]


def slots_of(schema: Mapping[str, Any]) -> dict[str, Slot]:
    """List the slots of a capability's JSON schema by name, required ones first."""
    found = {slot.name: slot for slot in _walk(schema, schema, "", 0)}
    return dict(sorted(found.items(), key=lambda item: not item[1].required))


def _walk(
    schema: Mapping[str, Any], root: Mapping[str, Any], prefix: str, depth: int
) -> Iterator[Slot]:
    needed = set(schema.get("required", ()))
    for name, entry in schema.get("properties", {}).items():
        if not isinstance(entry, Mapping):
            continue
        kinds = tuple(_kinds(entry, root, 0))
        whole = [kind for kind in kinds if _types(kind) - {"null"}]
        inner = [kind for kind in whole if kind.get("properties")]
        if inner and len(inner) == len(whole) and depth < _DEEPEST:
            below = {**inner[0], "required": inner[0].get("required", ()) if name in needed else ()}
            yield from _walk(below, root, f"{prefix}{name}.", depth + 1)
        else:
            yield _slot(f"{prefix}{name}", entry, kinds, name in needed, root)


def _slot(
    name: str,
    entry: Mapping[str, Any],
    kinds: tuple[Mapping[str, Any], ...],
    required: bool,
    root: Mapping[str, Any],
) -> Slot:
    types = frozenset(kind for schema in kinds for kind in _types(schema)) - {"null"}
    described = " ".join(str(kind.get("description", "")) for kind in (entry, *kinds))
    keys: dict[str, float] = {}
    last = name.rpartition(".")[2]
    unit = _unit(last, (entry, *kinds))
    named = [word for word in plain_words(last) if unit_of(word) is None or word == last]
    told = plain_words(described)
    head = [word for word in told if word not in STOP][:1]
    head = [] if set(told[:1]) & _OPENING else head
    parts = plain_words(last)
    initials = "".join(word[0] for word in parts) if len(parts) > 1 else ""
    for weight, words in (
        (1.0, named or [fold(last)]),
        (0.9, plain_words(str(entry.get("title", "")))),
        (0.9, head),
        (0.9, [initials] if initials not in STOP | {""} else []),
        (0.5, plain_words(name.rpartition(".")[0])),
        (0.45, told),
    ):
        for word in words:
            if word not in STOP or weight == 1.0:
                for key in keys_of(word):
                    keys[key] = max(keys.get(key, 0.0), weight)
    if unit is not None:
        for word in unit.words:
            keys.setdefault(word, 0.9)
    for key in thesaurus().general:
        keys.pop(key, None)
    choices, closed = _choices(tuple(_nodes(entry, root, 0)))
    items = next((kind["items"] for kind in kinds if isinstance(kind.get("items"), Mapping)), None)
    formats = {str(kind.get("format", "")) for kind in kinds}
    file_like = {"#file", "#folder", "#notebook"} & set(keys)
    return Slot(
        name=name,
        schema=entry,
        kinds=kinds,
        types=types,
        required=required,
        keys=keys,
        main=frozenset(key for key, weight in keys.items() if weight >= 0.9),
        writes=any("string" in _types(kind) and not _counted(kind) for kind in kinds),
        choices=choices,
        closed=closed
        and bool(choices)
        and not (
            types - {"boolean"}
            and any(_types(kind) - {"null"} and not _counted(kind) for kind in kinds)
            and not _counted(entry)
        ),
        unit=unit,
        suffixes=frozenset(_SUFFIX.findall(described.lower())),
        is_path=bool(formats & {"path", "file-path", "directory-path"})
        or ("string" in types and not closed and bool(file_like)),
        free=any(kind.get("additionalProperties") not in (None, False) for kind in kinds)
        and "object" in types,
        item=_slot(name, items, tuple(_kinds(items, root, 0)), False, root)
        if items is not None
        else None,
    )


def _unit(name: str, schemas: tuple[Mapping[str, Any], ...]) -> Unit | None:
    for schema in schemas:
        if isinstance(schema.get("unit"), str) and (found := unit_of(schema["unit"])):
            return found
    before, _, last = name.rpartition("_")
    return None if before.endswith("per") else unit_of(last)


def _choices(schemas: tuple[Mapping[str, Any], ...]) -> tuple[tuple[Choice, ...], bool]:
    values: list[Any] = []
    closed = False
    for schema in schemas:
        told = schema.get("enum", [schema["const"]] if "const" in schema else None)
        closed |= told is not None
        values += told or []
    if not closed:
        for schema in schemas:
            examples = schema.get("examples")
            values += examples if isinstance(examples, list) else []
    made = []
    for value in values[:_MOST_CHOICES]:
        if isinstance(value, str | int) and not isinstance(value, bool):
            plain = tuple(plain_words(str(value)))
            choice = Choice(value, tuple(keys_of(word) for word in plain), plain)
            if plain and choice not in made:
                made.append(choice)
    return tuple(made), closed


def _types(schema: Mapping[str, Any]) -> set[str]:
    kind = schema.get("type")
    if kind is None:
        names = {str: "string", bool: "boolean", int: "integer", float: "number"}
        told = schema.get("enum", [schema["const"]] if "const" in schema else [])
        return {names[type(value)] for value in told if type(value) in names}
    return {kind} if isinstance(kind, str) else set(kind)


def _counted(schema: Mapping[str, Any]) -> bool:
    """Tell whether a schema lists the values there are."""
    return "enum" in schema or "const" in schema


def _nodes(
    entry: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> Iterator[Mapping[str, Any]]:
    """Go through an entry and all its alternatives, references resolved."""
    if depth > _DEEPEST * 4:
        return
    yield entry
    if "$ref" in entry:
        yield from _nodes(_resolved(entry, root), root, depth + 1)
    for alternative in entry.get("anyOf") or entry.get("oneOf") or entry.get("allOf") or ():
        yield from _nodes(alternative, root, depth + 1)


def _resolved(entry: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    target: Any = root
    for part in str(entry["$ref"]).removeprefix("#/").split("/"):
        target = target.get(part, {}) if isinstance(target, Mapping) else {}
    return target if isinstance(target, Mapping) else {}


def _kinds(
    entry: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> Iterator[Mapping[str, Any]]:
    """Resolve references and alternatives into plain schemas."""
    if depth > 20:  # a model that holds itself
        return
    if "$ref" in entry:
        yield from _kinds(_resolved(entry, root), root, depth + 1)
        return
    for alternative in entry.get("anyOf") or entry.get("oneOf") or entry.get("allOf") or ():
        yield from _kinds(alternative, root, depth + 1)
    if not any(entry.get(word) for word in ("anyOf", "oneOf", "allOf")):
        yield entry
