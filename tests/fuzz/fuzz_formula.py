"""Throw bytes at the formula parser: ``python -m tests.fuzz.fuzz_formula -max_total_time=60``.

Any text must become a formula whose tapes can be made, or one sentence of error, within moments.
"""

from __future__ import annotations

import atheris

with atheris.instrument_imports(include=["fraktal_kernel.fractals.formulas"]):
    from fraktal_kernel.fractals.formulas import formula_of, formulas

from tests.fuzz.harness import fuzz

TYPED = (
    "z**3 + c*z + 0.5",
    "(|re(z)| + i*|im(z)|)^2 + conj(c)",
    "z - derivative(z**3 - 1)/z + previous/3",
    "exp(z) * sin(c) + 1e-3i - pi",
)


def read(data: bytes) -> None:
    """Read one formula and derive all that can be derived from it."""
    formula = formula_of(data.decode("utf-8", "replace"))
    for tape in (formula.step, formula.jacobian, formula.begin, formula.exact):
        assert tape.outputs
    assert (formula.perturbed is not None) == formula.polynomial


if __name__ == "__main__":
    texts = [*TYPED, *(formulas[name].expression for name in formulas)]
    fuzz(read, {f"formula{k}": text.encode() for k, text in enumerate(texts)})
