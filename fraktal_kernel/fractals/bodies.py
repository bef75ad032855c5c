"""Functions that were compiled for the processor, made anew for another compiler: one body for all.

What is compiled with ``njit`` is taken back to its Python, together with all that it calls.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any


def remade(function: Any, exchanged: Mapping[Any, Any], make: Callable[..., Any]) -> Any:
    """Make a function anew, and what it calls.

    Parameters
    ----------
    function : compiled with ``njit``, or plain Python that such functions are called from
    exchanged : what stands in place of some of them
    make : what is done with the Python of each of the others
    """
    return _remade(function, {id(old): new for old, new in exchanged.items()}, make)


def _remade(value: Any, known: dict[int, Any], make: Callable[..., Any]) -> Any:
    """Give what stands in place of a value that a function refers to."""
    if id(value) in known:
        return known[id(value)]
    if isinstance(value, types.FunctionType) or hasattr(value, "py_func"):
        known[id(value)] = make(_rebuilt(getattr(value, "py_func", value), known, make))
        return known[id(value)]
    return value


def _rebuilt(
    function: types.FunctionType, known: dict[int, Any], make: Callable[..., Any]
) -> Callable[..., Any]:
    """Copy a function; the copy refers to what was made anew."""
    scope = dict(function.__globals__)
    for name in _names(function.__code__):
        if name in scope:
            scope[name] = _remade(scope[name], known, make)
    cells = tuple(
        types.CellType(_remade(cell.cell_contents, known, make))
        for cell in function.__closure__ or ()
    )
    copy = types.FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, cells
    )
    return copy


def _names(code: types.CodeType) -> Iterator[str]:
    """List the global names that a function uses."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
