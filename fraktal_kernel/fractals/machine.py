"""Kernels as machine code that is kept on disk: no second process waits, or needs numba.

A kernel is a plain Python function over C-contiguous arrays and numbers, in a module that may
import numba. The first process compiles it with numba and keeps the object code; every later one
links that with llvmlite alone, which takes milliseconds where numba takes a second to wake up.
The lock of the interpreter is free while a kernel runs, so that threads share the work.

What is kept is named by all that it was made from: the source of the module and of those of this
package that it imports, the arguments of its factory, the processor, the version of LLVM.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import importlib.util
import os
import re
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from fraktal_kernel.fractals.cache import cache_folder, keep, read_kept

_SCALARS: dict[str, tuple[Any, Any]] = {
    "int64": (ctypes.c_int64, int),
    "float64": (ctypes.c_double, float),
    "boolean": (ctypes.c_bool, bool),
}
_SIGNATURE = re.compile(r"^(?P<result>\w+)\((?P<arguments>.*)\)$")
_ARGUMENT = re.compile(r"(?P<type>\w+)(?P<axes>\[[:,1 ]+\])?\s*(?:,|$)")
_IMPORT = re.compile(
    r"^\s*(?:from|import) (fraktal_kernel[\w.]*)(?: import (\([^)]*\)|.+))?", re.MULTILINE
)
_lock = threading.RLock()
_compiling = threading.Event()


def compiling() -> bool:
    """Say whether some thread compiles a kernel: that takes seconds, and nothing stops it."""
    return _compiling.is_set()


def processor() -> str:
    """Name the processor and what it can, as numba will be told to compile for it."""
    import llvmlite.binding as llvm

    name = os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES")
    return f"{name} {llvm.get_host_cpu_features().flatten() if features is None else features}"


class Kernel:
    """A compiled function, had from disk or compiled at its first call.

    Parameters
    ----------
    module : full name of the module that the function stands in
    function : its name; with ``args``, the name of a factory that returns it
    signature : its types as numba writes them, such as ``"int64(float64[::1], int64)"``
    args : plain values for the factory, whose ``repr`` tells them apart

    Examples
    --------
    >>> Kernel("fraktal_kernel.fractals.machine", "_sum", "float64(float64[::1])")(np.ones(3))
    3.0
    """

    def __init__(
        self, module: str, function: str, signature: str, args: tuple[object, ...] = ()
    ) -> None:
        self.module, self.function, self.signature, self.args = module, function, signature, args
        found = _SIGNATURE.match(signature)
        if found is None:
            raise ValueError(f"{signature!r} is no signature, such as 'int64(float64[::1])'.")
        self._result = found["result"]
        self._arguments = [
            (match["type"], match["axes"].count(",") + 1 if match["axes"] else 0)
            for match in _ARGUMENT.finditer(found["arguments"])
        ]
        self._call: Callable[..., int] | None = None
        self._engine: Any = None

    def __call__(self, *values: Any) -> Any:
        """Run it; the lock of the interpreter is free meanwhile."""
        call = self._call or self._link()
        native: list[Any] = []
        for (kind, axes), value in zip(self._arguments, values, strict=True):
            if axes:
                native += _array(kind, axes, value)
            else:
                native.append(_SCALARS[kind][1](value))
        out = _SCALARS[self._result][0]() if self._result != "void" else ctypes.c_int64()
        failure = ctypes.c_void_p()
        if call(ctypes.addressof(out), ctypes.addressof(failure), *native):
            raise RuntimeError(f"the kernel {self.function} failed; this is a fault of Fraktal.")
        return None if self._result == "void" else out.value

    def _link(self) -> Callable[..., int]:
        """Make the machine code callable, compiling it where nobody has kept it."""
        with _lock:
            if self._call is not None:
                return self._call
            folder = cache_folder("kernels")
            path = folder / f"{self.function}-{self._digest()}.o" if folder else None
            kept = read_kept(path) if path else None
            code = _checked(kept) if kept else None
            if code is None:
                _compiling.set()
                try:
                    code = self._compile()
                finally:
                    _compiling.clear()
                if path:
                    keep(path, hashlib.sha256(code).digest() + code)
            name, _, machine_code = code.partition(b"\n")
            self._engine, address = _linked(name.decode(), machine_code)
            types: list[Any] = [ctypes.c_void_p, ctypes.c_void_p]
            for kind, axes in self._arguments:
                if axes:
                    integers = [ctypes.c_int64] * 2
                    types += [ctypes.c_void_p] * 2 + integers + [ctypes.c_void_p]
                    types += [ctypes.c_int64] * (2 * axes)
                else:
                    types.append(_SCALARS[kind][0])
            self._call = ctypes.CFUNCTYPE(ctypes.c_int, *types)(address)
            return self._call

    def _digest(self) -> str:
        import llvmlite

        facts = (self.signature, self.args, processor(), llvmlite.__version__)
        sources = [_source(name) for name in _modules(self.module)]
        return hashlib.sha256(repr((facts, sources)).encode()).hexdigest()[:24]

    def _compile(self) -> bytes:
        """Compile with numba: the name of the function, a line break, its object code."""
        from numba.core import compiler, sigutils
        from numba.core.compiler_lock import global_compiler_lock
        from numba.core.registry import cpu_target

        function = getattr(importlib.import_module(self.module), self.function)
        if self.args:
            function = function(*self.args)
        function = getattr(function, "py_func", function)
        arguments, result = sigutils.normalize_signature(self.signature)
        flags = compiler.Flags()
        flags.error_model = "numpy"
        flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        with global_compiler_lock:
            typing, target = cpu_target.typing_context, cpu_target.target_context
            typing.refresh()
            target.refresh()
            compiled = compiler.compile_extra(
                typing, target, function, arguments, result, flags, {}
            )
            library = compiled.library
            machine_code = library.codegen._tm.emit_object(library._final_module)
        _refuse_numba(self.function, library._final_module)
        return bytes(compiled.fndesc.llvm_func_name.encode() + b"\n" + machine_code)


def _array(kind: str, axes: int, value: Any) -> tuple[Any, ...]:
    """Lay out an array as numba expects it; whoever calls keeps it alive."""
    if (
        not isinstance(value, np.ndarray)
        or value.dtype != kind
        or value.ndim != axes
        or not value.flags.c_contiguous
    ):
        given = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else repr(value)
        raise TypeError(f"expected a contiguous {axes}-d array of {kind}, given {given:.100}")
    size = value.itemsize
    return (None, None, value.size, size, value.ctypes.data, *value.shape, *value.strides)


def _checked(kept: bytes) -> bytes | None:
    """Give what was kept, if it is whole: broken machine code would take the process with it."""
    return kept[32:] if hashlib.sha256(kept[32:]).digest() == kept[:32] else None


def _linked(name: str, machine_code: bytes) -> tuple[Any, int]:
    """Load object code; it stays in memory as long as the engine does."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(machine_code))
    engine.finalize_object()
    return engine, engine.get_function_address(name)


def _refuse_numba(function: str, module: Any) -> None:
    """Refuse code that calls into numba's own library, which a later process does not load."""
    for called in module.functions:
        if called.is_declaration and called.name.startswith(("numba_", "NRT_", "Py")):
            raise TypeError(
                f"the kernel {function} calls {called.name}; kernels may neither allocate nor "
                "raise, give them what they write to."
            )


@lru_cache
def _file_of(module: str) -> Path | None:
    """Find the source of a module without importing what lies above it."""
    package, *names = module.split(".")
    if package == "fraktal_kernel":
        place = Path(__file__).parents[1].joinpath(*names)
        files = (place.with_name(f"{place.name}.py"), place / "__init__.py")
        return next((file for file in files if file.is_file()), None)
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec and spec.origin else None


@lru_cache
def _source(module: str) -> str:
    file = _file_of(module)
    return file.read_text("utf-8") if file else ""


def _modules(module: str) -> list[str]:
    """List a module and those of this package that it imports, at any depth."""
    found, ahead = [], [module]
    while ahead:
        name = ahead.pop()
        if name in found or name in ("fraktal_kernel", "fraktal_kernel.fractals"):
            continue
        found.append(name)
        for package, names in _IMPORT.findall(_source(name)):
            ahead.append(package)
            ahead += [
                f"{package}.{one}"
                for one in re.findall(r"\w+", names)
                if _file_of(f"{package}.{one}")
            ]
    return sorted(found)


def _sum(values: Any) -> float:
    """Add numbers up: the smallest kernel there is."""
    total = 0.0
    for k in range(values.shape[0]):
        total += values[k]
    return total
