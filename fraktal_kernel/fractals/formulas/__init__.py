"""Formulas as data: an expression, what it derives to, and its body for each kind of machine.

>>> from fraktal_kernel.fractals.formulas import formula_of
>>> formula_of("z**3 + c*z").step.operations
8
"""

from fraktal_kernel.fractals.formulas.families import formula_of, formulas
from fraktal_kernel.fractals.formulas.formula import Formula
from fraktal_kernel.fractals.formulas.tape import Tape

__all__ = ["Formula", "Tape", "formula_of", "formulas"]
