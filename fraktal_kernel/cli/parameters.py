"""Words typed at a terminal become parameters, as a capability's JSON schema says.

``--width 1920``, ``--width=1920``, ``--smooth``, ``--no-smooth``, ``--size.width 640`` for a part
of a nested parameter, ``--sizes 1,2,3`` or the option repeated for a list, JSON for anything,
and ``-p NAME VALUE`` where the command has an option of that name itself.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.registry import unknown_name

_YES, _NO = ("true", "yes", "on"), ("false", "no", "off")
_NONE = ("none", "null")
_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a JSON object",
    "null": "none",
}
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Option:
    """One parameter, or one part of a nested one.

    Attributes
    ----------
    name : dotted, such as ``size.width``
    kinds : the schemas that a value may follow, references resolved
    schema : what the parameter's own entry says: title, description, default, unit
    """

    name: str
    kinds: tuple[dict[str, Any], ...]
    schema: dict[str, Any]
    required: bool

    @property
    def types(self) -> list[str]:
        """The JSON types that a value may have."""
        return [kind for schema in self.kinds for kind in _types(schema)]

    @property
    def is_flag(self) -> bool:
        """Whether the option may stand without a value."""
        return "boolean" in self.types and "string" not in self.types

    @property
    def default(self) -> Any:
        """The default as JSON; what is required, or is made anew each time, has none."""
        return self.schema.get("default")

    @property
    def choices(self) -> list[Any]:
        """The values there are, where they can be counted."""
        found = [
            value
            for schema in (self.schema, *self.kinds)
            for value in schema.get("enum", [schema["const"]] if "const" in schema else [])
        ]
        return [v for n, v in enumerate(found) if v is not None and v not in found[:n]]

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        if self.choices:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        words = [_in_words(schema) for schema in self.kinds]
        words = list(dict.fromkeys(word for word in words if word != "none"))
        return " or ".join(words) or "any value"

    def read(self, text: str) -> Any:
        """Turn what was typed into a JSON value.

        Raises
        ------
        InvalidInput
            no kind of value that the schema allows is written like this
        """
        for choice in self.choices:
            if text == str(choice):
                return choice
        for kind in sorted(self.types or ["any"], key=_READ_ORDER.index):
            value = self._as(kind, text)
            if value is not _MISSING:
                return value
        raise InvalidInput(f"{self.name}: given {text!r}, expected {self.expected}.")

    def _as(self, kind: str, text: str) -> Any:
        match kind:
            case "null":
                return None if text.lower() in _NONE else _MISSING
            case "boolean":
                known = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)
                return known.get(text.lower(), _MISSING)
            case "integer" | "number":
                return _number(text, kind)
            case "array":
                return self._list(text)
            case "object":
                return _json(text) if text.lstrip().startswith("{") else _MISSING
            case "string":
                return text
            case _:
                value = _json(text)
                return text if value is _MISSING else value

    def _list(self, text: str) -> Any:
        if text.lstrip().startswith("["):
            return _json(text)
        if "string" in self.types:
            return _MISSING
        return [self.item.read(part.strip()) for part in text.split(",")] if text else []

    @property
    def item(self) -> Option:
        """One item of a list, as an option of the same name."""
        inner = [s.get("items", {}) for s in self.kinds if "array" in _types(s)]
        return Option(self.name, tuple(inner) or ({},), {}, False)


_READ_ORDER = ["null", "boolean", "integer", "number", "array", "object", "string", "any"]


def _types(schema: Mapping[str, Any]) -> list[str]:
    kind = schema.get("type")
    if kind is None:
        return [_type_of(v) for v in schema.get("enum", [])] if "enum" in schema else []
    return [kind] if isinstance(kind, str) else list(kind)


def _type_of(value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    return names.get(type(value), "any")


def _number(text: str, kind: str) -> Any:
    try:
        value = int(text) if kind == "integer" else float(text)
    except ValueError:
        return _MISSING
    return value if math.isfinite(value) else _MISSING


def _json(text: str) -> Any:
    def refuse(word: str) -> Any:
        raise ValueError(word)

    try:
        return json.loads(text, parse_constant=refuse)
    except ValueError:
        return _MISSING


def _in_words(schema: Mapping[str, Any]) -> str:
    kinds = _types(schema)
    words = " or ".join(_WORDS[kind] for kind in kinds if kind in _WORDS)
    if "array" in kinds and isinstance(schema.get("items"), dict):
        inner = " or ".join(_WORDS[kind] for kind in _types(schema["items"]) if kind in _WORDS)
        words += f" (each {inner})" if inner else ""
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is not None and high is not None:
        return f"{words} from {low:,} to {high:,}"
    if low is not None:
        return f"{words} above {low:,}" if "minimum" not in schema else f"{words}, {low:,} or more"
    return f"{words} up to {high:,}" if high is not None else words


def options_of(schema: Mapping[str, Any]) -> dict[str, Option]:
    """List the parameters of a capability from its JSON schema, nested ones by dotted names."""
    return {option.name: option for option in _walk(schema, schema, "", 0)}


def _walk(
    schema: Mapping[str, Any], root: Mapping[str, Any], prefix: str, depth: int
) -> Iterator[Option]:
    required = schema.get("required", [])
    for name, entry in schema.get("properties", {}).items():
        kinds = tuple(_kinds(entry, root))
        yield Option(f"{prefix}{name}", kinds, entry, name in required and not prefix)
        if depth < 4:
            for kind in kinds:
                yield from _walk(kind, root, f"{prefix}{name}.", depth + 1)


def _kinds(entry: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Resolve references and alternatives into plain schemas."""
    if "$ref" in entry:
        target: Any = root
        for part in entry["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        yield from _kinds(target, root)
        return
    alternatives = entry.get("anyOf") or entry.get("oneOf") or entry.get("allOf")
    if alternatives:
        for alternative in alternatives:
            yield from _kinds(alternative, root)
        return
    yield dict(entry)


def parse(words: Sequence[str], schema: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Read the words behind a capability's name.

    Parameters
    ----------
    words : what was typed
    schema : JSON schema of the parameters
    kind : what one of them is called in a sentence, such as ``parameter of fractal.render``

    Returns
    -------
    params : JSON values by name; ranges are left for the capability itself to check

    Examples
    --------
    >>> schema = {"properties": {"width": {"type": "integer"}, "fast": {"type": "boolean"}}}
    >>> parse(["--width", "640", "--no-fast"], schema, "parameter")
    {'width': 640, 'fast': False}
    """
    known = options_of(schema)
    lists: dict[str, list[Any]] = {}
    params: dict[str, Any] = {}
    rest = list(words)
    while rest:
        option, text = _next(rest, known, kind)
        value = text if isinstance(text, bool) else option.read(text)
        if option.name in lists:
            lists[option.name] += value if isinstance(value, list) else [value]
            continue
        if isinstance(value, list):
            lists[option.name] = value
        _put(params, option.name, value)
    return params


def _next(rest: list[str], known: Mapping[str, Option], kind: str) -> tuple[Option, str | bool]:
    """Take the next option and its value off the words that are left."""
    word = rest.pop(0)
    if word in ("-p", "--param"):
        if len(rest) < 2:
            raise InvalidInput("-p: expected a name and a value, such as -p width 640.")
        return _known(rest.pop(0), known, kind), rest.pop(0)
    if not word.startswith("--") or len(word) == 2:
        raise InvalidInput(f"given {word!r}, expected --NAME VALUE; quote values with spaces.")
    name, equals, text = word[2:].partition("=")
    plain = name.replace("-", "_")
    if plain not in known and not equals and plain.startswith("no_"):
        flag = known.get(plain.removeprefix("no_"))
        if flag and flag.is_flag:
            return flag, False
    option = _known(name, known, kind)
    if equals:
        return option, text
    if option.is_flag and (not rest or rest[0].lower() not in (*_YES, *_NO, *_NONE)):
        return option, True
    if not rest or _is_option(rest[0], known):
        raise InvalidInput(f"{option.name}: given no value, expected {option.expected}.")
    return option, rest.pop(0)


def _is_option(word: str, known: Mapping[str, Option]) -> bool:
    return word.startswith("--") and word[2:].partition("=")[0].replace("-", "_") in known


def _known(name: str, known: Mapping[str, Option], kind: str) -> Option:
    plain = name.replace("-", "_")
    if plain in known:
        return known[plain]
    parent, dot, part = name.rpartition(".")
    if dot and part and parent in known and (free := _free_part(known[parent])) is not None:
        return Option(name, tuple(_kinds(free, {})), {}, False)
    if not known:
        raise InvalidInput(f"given --{name}, but there is no {kind}: it takes none.")
    raise unknown_name(kind, plain, list(known))


def _free_part(option: Option) -> dict[str, Any] | None:
    """Give the schema that parts of any name follow, where a mapping takes such."""
    for schema in option.kinds:
        more = schema.get("additionalProperties", False)
        if "object" in _types(schema) and more:
            return more if isinstance(more, dict) else {}
    return None


def _put(params: dict[str, Any], name: str, value: Any) -> None:
    *folders, last = name.split(".")
    place = params
    for folder in folders:
        place = place.setdefault(folder, {})
        if not isinstance(place, dict):
            raise InvalidInput(f"{name}: {folder} is given as a whole already; leave one out.")
    if last in place:
        raise InvalidInput(f"{name}: given twice; leave one out.")
    place[last] = value


def words_of(params: Mapping[str, Any]) -> str:
    """Write parameters as one would type them; what is None is left out.

    Examples
    --------
    >>> words_of({"scene": "seahorse", "smooth": False, "sizes": [1, 2]})
    "--scene seahorse --no-smooth --sizes '[1, 2]'"
    """
    words = []
    for name, value in params.items():
        name = name.replace("_", "-")
        if value is None:
            continue
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            words += [f"--{name}", text]
    return shlex.join(words)
