"""Throw bytes at the formula parser: ``python tests/fuzz/fuzz_formula.py -max_total_time=60``.

Needs atheris. Any text must become a formula whose tapes can be made, or one sentence of error,
within moments.
"""

from __future__ import annotations

import sys
import time

import atheris

with atheris.instrument_imports(include=["fraktal_kernel.fractals.formulas"]):
    from fraktal_kernel.errors import InvalidInput
    from fraktal_kernel.fractals.formulas import formula_of

# Hours of a busy machine see no formula slower than this; a slower one is worth a look.
SLOW_S = 5.0


def one(data: bytes) -> None:
    """Read one formula and derive all that can be derived from it."""
    text = data.decode("utf-8", "replace")
    began = time.process_time()
    try:
        formula = formula_of(text)
        for tape in (formula.step, formula.jacobian, formula.begin, formula.exact):
            assert tape.outputs
        assert (formula.perturbed is not None) == formula.polynomial
    except InvalidInput as error:
        message = str(error)
        assert message.endswith((".", "?")), message
        assert "\n" not in message, message
    spent = time.process_time() - began
    assert spent < SLOW_S, f"{text!r} took {spent:.1f} s"


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
