"""What a notebook asks for: the names, types and defaults of its ``parameters`` cell.

The cell is read as text and never executed, so that a wrong parameter is refused before a
kernel starts. The type of a parameter is its annotation, or else the type of its default.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.registry import unknown_name

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
_TYPES: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "list": list,
    "dict": dict,
    "Path": str,
    "Any": Any,
    "object": Any,
}
_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a notebook.

    Attributes
    ----------
    type : what a value must be; ``typing.Any`` where the notebook does not say
    default : the value in the notebook; only meaningful where ``has_default``
    has_default : the default is a plain value, not something that is computed
    source : the default as it stands in the notebook
    help : the comment behind it
    """

    name: str
    type: Any
    default: Any
    has_default: bool
    source: str
    help: str = ""

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        return _in_words(self.type)

    def parse(self, text: str) -> Any:
        """Read a value that was typed at a terminal.

        Examples
        --------
        >>> read_cell("width = 800")["width"].parse("4096")
        4096
        >>> read_cell("scene = 'seahorse'")["scene"].parse("4096")
        '4096'
        """
        if self.type is str:
            return text
        words = {"true": True, "false": False, "none": None, "null": None}
        if text.lower() in words:
            return words[text.lower()]
        try:
            return json.loads(text)
        except ValueError:
            return text

    def check(self, value: Any) -> Any:
        """Return the value as the notebook will get it, or refuse it in one sentence."""
        try:
            checked = TypeAdapter(self.type, config=_STRICT).validate_python(value)
            json.dumps(checked, allow_nan=False)
        except (ValidationError, ValueError, TypeError):
            raise InvalidInput(
                f"{self.name}: given {value!r}, expected {self.expected}"
                f" such as {self.source} (the notebook's own value)."
            ) from None
        return checked


def check_parameters(
    known: Mapping[str, Parameter], given: Mapping[str, Any], *, typed: bool = False
) -> dict[str, Any]:
    """Check the parameters given against those that the notebook has.

    Parameters
    ----------
    known : what the notebook asks for
    given : values by name
    typed : the values are text from a terminal, to be read first

    Returns
    -------
    checked : only those that were given, each of its type

    Raises
    ------
    InvalidInput
        an unknown name (the nearest one is told) or a value of the wrong type
    """
    checked = {}
    for name, value in given.items():
        if name not in known:
            if not known:
                raise InvalidInput(
                    f"{name}: given, but this notebook has no parameters; tag the cell that sets"
                    " them with 'parameters'."
                )
            raise unknown_name("parameter", name, list(known))
        value = known[name].parse(value) if typed and isinstance(value, str) else value
        checked[name] = known[name].check(value)
    return checked


def read_cell(source: str) -> dict[str, Parameter]:
    """Read the parameters that a Python cell sets.

    Examples
    --------
    >>> cell = read_cell("width: int = 4096  # pixels")
    >>> cell["width"].default, cell["width"].help, cell["width"].expected
    (4096, 'pixels', 'a whole number')
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise InvalidInput(
            f"the parameters cell is not valid Python: line {error.lineno}, {error.msg}."
        ) from None
    lines = source.splitlines()
    found = {}
    for statement in tree.body:
        annotation = None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign):
            target, annotation = statement.target, statement.annotation
        else:
            continue
        if not isinstance(target, ast.Name) or statement.value is None:
            continue
        try:
            default, has_default = ast.literal_eval(statement.value), True
        except ValueError:
            default, has_default = None, False
        if isinstance(default, tuple):
            default = list(default)
        kind = _annotated(annotation) if annotation else _type_of(default)
        found[target.id] = Parameter(
            name=target.id,
            type=kind,
            default=default,
            has_default=has_default,
            source=ast.unparse(statement.value),
            help=_comment(lines[(statement.end_lineno or 1) - 1], statement.end_col_offset),
        )
    return found


def _in_words(kind: Any) -> str:
    if kind is Any:
        return "any value"
    if kind is type(None):
        return "none"
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_in_words(part) for part in get_args(kind))
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(value) for value in get_args(kind))
    if get_origin(kind) is list:
        return f"a list, each {_in_words(get_args(kind)[0])}"
    return _WORDS.get(get_origin(kind) or kind, str(kind))


def _type_of(default: Any) -> Any:
    return type(default) if type(default) in _WORDS else Any


def _comment(line: str, end: int | None) -> str:
    # Offsets of the syntax tree count bytes of UTF-8, not characters.
    rest = line.encode()[end or 0 :].decode().strip()
    return rest.lstrip("#").strip() if rest.startswith("#") else ""


def _annotated(node: ast.expr) -> Any:
    """Turn an annotation into a type without executing it; what is not known means any value."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _TYPES.get(name, Any)
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str(text)):
            return _annotated(ast.parse(text, mode="eval").body)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return Union[_annotated(left), _annotated(right)]  # noqa: UP007 (built at run time)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            arguments = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return _generic(name, arguments)
    return Any


def _generic(name: str, arguments: list[ast.expr]) -> Any:
    if name == "Literal":
        values = tuple(a.value for a in arguments if isinstance(a, ast.Constant))
        return Literal[values] if values else Any
    inner = [_annotated(argument) for argument in arguments]
    if name == "Optional":
        return Union[inner[0], None]  # noqa: UP007 (built at run time)
    if name == "Union":
        return Union[tuple(inner)]  # noqa: UP007 (built at run time)
    # JSON has no tuples: a tuple of the notebook is given as a list.
    if name in ("list", "List", "Sequence"):
        return list[inner[0]]  # type: ignore[valid-type]
    if name in ("tuple", "Tuple"):
        return list
    if name in ("dict", "Dict", "Mapping") and len(inner) == 2:
        return dict[inner[0], inner[1]]  # type: ignore[valid-type]
    return Any
