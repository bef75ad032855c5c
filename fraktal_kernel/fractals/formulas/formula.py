"""What a formula is: an expression, how its orbits begin and end, and all that follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Literal

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.formulas import algebra, polynomial
from fraktal_kernel.fractals.formulas.algebra import Node, Number, Power, Symbol
from fraktal_kernel.fractals.formulas.critical import critical_point
from fraktal_kernel.fractals.formulas.lower import cheapest, lower
from fraktal_kernel.fractals.formulas.parse import RESERVED, is_name, parse
from fraktal_kernel.fractals.formulas.tape import Tape, merge

Value = int | float | complex | str | Fraction
Ends = Literal["escapes", "converges", "both"]
MAX_PARAMETERS = 16
# The name of formulas that have none.
TYPED = "typed"
# What only deep tapes have: where z is counted from, and the derivative there. Nobody can type
# such names.
ORIGIN, SLOPE = Symbol("origin()"), Symbol("slope()")


@dataclass(frozen=True)
class Formula:
    """A map ``z -> f(z, c)``, and what is derived from it when it is first asked for.

    Parameters
    ----------
    name, title : what it is called in scripts, and by people
    expression : f as text, in ``z``, ``c``, ``previous`` (the z before) and its parameters
    parameters : name to value. A whole number or an expression with ``z`` or ``c`` in it is part
        of the formula; any other number is an input of the tapes, so that changing it compiles
        nothing anew
    begins : z_0 in ``c`` and the parameters; empty for the critical point, where it has a closed
        form, or else 0, or else ``c``
    ends : whether orbits escape, converge, or either
    escape_radius : size of z beyond which an orbit has escaped

    Examples
    --------
    >>> cubic = Formula("cubic", "Cubic", "z**3 + c*z + p", parameters={"p": 0.1})
    >>> cubic.step.inputs, cubic.values, cubic.start, cubic.degree
    (('zr', 'zi', 'cr', 'ci', 'pr'), {'pr': 0.1}, 'sqrt((-1/3)*c)', 3.0)
    """

    name: str
    title: str
    expression: str
    parameters: Mapping[str, Value] = field(default_factory=dict, hash=False)
    begins: str = ""
    ends: Ends = "escapes"
    escape_radius: float = 1e3

    def with_parameters(self, parameters: Mapping[str, Value]) -> Formula:
        """Give the same formula with other values of some parameters."""
        for name in parameters:
            if name not in self.parameters:
                known = ", ".join(self.parameters)
                expected = f"it has {known}" if known else "it has none"
                raise InvalidInput(f"{self.name} has no parameter named {name!r:.50}; {expected}.")
        given, broken = dict(parameters), dict[str, Value]()
        for name, value in parameters.items():
            # What is a whole number in the definition stays part of the formula.
            if isinstance(self.parameters[name], (int, Fraction)):
                constant = _constant(name, value)
                if constant.im == 0:
                    whole = constant.re.denominator == 1
                    given[name] = int(constant.re) if whole else constant.re
                    broken |= {} if whole else {name: value}
        made = replace(self, parameters={**self.parameters, **given})
        if broken:
            # Its other values compile nothing anew, and orbits begin where they did.
            made = replace(made, begins=made.start, parameters={**made.parameters, **broken})
        return made.checked()

    def checked(self) -> Formula:
        """Derive what may fail, so that bad input is told at once."""
        try:
            _ = self.node, self.start, self.step, self.begin, self.jacobian, self.exact
        except (ZeroDivisionError, OverflowError) as error:
            raise InvalidInput(
                f"the formula {self.expression!r:.60} leads to {error} in what is derived from it; "
                "expected one with smaller numbers and without such places."
            ) from None
        return self

    @property
    def called(self) -> str:
        """What it is asked for by: its name, or its text where it was typed."""
        return self.expression if self.name == TYPED else self.name

    @cached_property
    def _meaning(self) -> dict[str, Node]:
        """What each parameter stands for in the expression."""
        return {name: _meaning(name, value) for name, value in self.parameters.items()}

    @cached_property
    def node(self) -> Node:
        """The expression as a tree."""
        if len(self.parameters) > MAX_PARAMETERS:
            raise InvalidInput(
                f"the formula has {len(self.parameters)} parameters; at most {MAX_PARAMETERS} "
                "can be given."
            )
        node = parse(self.expression, self._meaning)
        if "z" not in algebra.symbols(node):
            raise InvalidInput(
                f"the formula {self.expression!r:.60} has no z in it; expected one that is "
                "repeated, such as 'z**2 + c'."
            )
        return node

    @cached_property
    def uniforms(self) -> tuple[str, ...]:
        """Parameters that are inputs of the tapes."""
        return tuple(n for n, node in self._meaning.items() if node in (Symbol(n), Symbol(n, True)))

    @cached_property
    def real(self) -> tuple[str, ...]:
        """Parameters that are inputs and real."""
        return tuple(n for n in self.uniforms if self._meaning[n] == Symbol(n, real=True))

    @cached_property
    def exact_values(self) -> dict[str, Fraction]:
        """The value of each input that is a parameter, as the fraction that was given."""
        values = {}
        for name in self.uniforms:
            value = _constant(name, self.parameters[name])
            values[name + "r"] = value.re
            if name not in self.real:
                values[name + "i"] = value.im
        return values

    @property
    def values(self) -> dict[str, float]:
        """The value of each input that is a parameter."""
        return {name: float(value) for name, value in self.exact_values.items()}

    @cached_property
    def remembers(self) -> bool:
        """Whether a step reads the z before, too."""
        return "previous" in algebra.symbols(self.node)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Symbols whose parts are the inputs of `step` and `jacobian`, in order."""
        return ("z", "c", *self.uniforms, *(("previous",) if self.remembers else ()))

    @cached_property
    def holomorphic(self) -> bool:
        """Whether complex derivatives exist: no abs, conj, re or im of z or c."""
        return algebra.is_holomorphic(self.node)

    @cached_property
    def polynomial(self) -> bool:
        """Whether it is made of sums, products, whole powers and folds, so that it can go deep."""
        return algebra.is_polynomial(self.node)

    @cached_property
    def degree(self) -> float:
        """The power with which large orbits grow: the base of smooth counts."""
        grown = algebra.growth(self.node, {k: self.values[f"{k}r"] for k in self.real})
        return grown if 1 < grown < math.inf else 2.0

    @property
    def usual_end(self) -> Ends:
        """How orbits end as a rule: they converge where a division lets nothing grow."""
        divides = any(isinstance(p, Power) and p.exponent < 0 for p in algebra.walk(self.node))
        return "converges" if divides and algebra.growth(self.node) == 1 else "escapes"

    @cached_property
    def start_node(self) -> Node:
        """z_0 as a tree."""
        if not self.begins:
            return critical_point(self.node)
        node = parse(self.begins, self._meaning)
        if algebra.symbols(node) & {"z", "previous"}:
            raise InvalidInput(
                f"the start {self.begins!r:.60} has z in it; expected an expression in c and "
                "parameters, such as '0' or 'c'."
            )
        return node

    @property
    def start(self) -> str:
        """z_0 as text."""
        return algebra.text(self.start_node)

    def _lower(self, *expressions: Node) -> Tape:
        return lower(expressions, self.names, self.real)

    @cached_property
    def step(self) -> Tape:
        """One step: z, c, parameters (and the z before) to the next z."""
        return cheapest(self._lower(self.node), *map(self._lower, self._forms))

    @cached_property
    def _forms(self) -> list[Node]:
        """Other ways to write the expression, of which one may be cheaper."""
        if not (self.polynomial and self.holomorphic):
            return []
        short = polynomial.horner(self.node, "z")
        return [] if short is None else [short]

    @cached_property
    def jacobian(self) -> Tape:
        """The derivatives of a step by z, c (and the z before), each in turn.

        Complex numbers ``re, im`` where `holomorphic`; else 2x2 matrices row by row: ``d re/d xr,
        d re/d xi, d im/d xr, d im/d xi``.
        """
        return self._derivatives([self.node, *self._forms])

    def _derivatives(self, forms: list[Node]) -> Tape:
        from fraktal_kernel.fractals.formulas.perturb import real_derivatives

        names = [name for name in self.names if name not in self.uniforms]
        if not self.holomorphic:
            return cheapest(*(real_derivatives(self._lower(form), names) for form in forms))
        return cheapest(
            *(self._lower(*(algebra.differentiate(form, n) for n in names)) for form in forms)
        )

    @cached_property
    def curvature(self) -> Tape | None:
        """The derivatives of a step's slope by z, by z and by c.

        None where there are none, and where no cycle moves with c.
        """
        if not self.holomorphic or "c" not in algebra.symbols(self.node):
            return None
        slope = algebra.differentiate(self.node, "z")
        return self._lower(*(algebra.differentiate(slope, name) for name in ("z", "c")))

    @cached_property
    def multiplicity(self) -> int:
        """How many critical points meet in the only one that there is: of z**d + c, d - 1; or 1."""
        if not (self.polynomial and self.holomorphic) or self.remembers:
            return 1
        slope = polynomial.coefficients(algebra.differentiate(self.node, "z"), "z") or {}
        return max(1, *slope) if len(slope) == 1 else 1

    @cached_property
    def begin(self) -> Tape:
        """z_0 from c and the parameters, and its derivative by c in the manner of `jacobian`."""
        from fraktal_kernel.fractals.formulas.perturb import real_derivatives

        names = ("c", *self.uniforms)
        point = lower([self.start_node], names, self.real)
        if self.holomorphic and algebra.is_holomorphic(self.start_node):
            slope = algebra.differentiate(self.start_node, "c")
            return lower([self.start_node, slope], names, self.real)
        return merge(point, real_derivatives(point, ["c"]))

    @cached_property
    def centre(self) -> Number:
        """Where z_0 is, if that is the same for every c: the deep tapes count z from here.

        There the derivative vanishes, and a difference from it keeps all its digits.
        """
        start = self.start_node
        usable = isinstance(start, Number) and self.polynomial and not self.remembers
        known = usable and not self.branches
        return start if known and isinstance(start, Number) else algebra.ZERO

    @cached_property
    def drifts(self) -> bool:
        """Whether the deep tapes count z from the z_0 of the reference, a further input.

        That is so where z_0 follows c, and where there are other critical points than z_0, which
        may then be the origin.
        """
        if not (self.polynomial and self.holomorphic) or self.remembers:
            return False
        return not isinstance(self.start_node, Number) or self.branches

    @cached_property
    def branches(self) -> bool:
        """Whether a step has several critical points, of which orbits begin at one."""
        if not (self.polynomial and self.holomorphic) or self.remembers:
            return False
        slope = polynomial.coefficients(algebra.differentiate(self.node, "z"), "z") or {}
        return len(slope) > 1 and max(slope) > 1 and self._begins_critically

    @cached_property
    def slope_coefficients(self) -> Tape:
        """The derivative by z as a polynomial: its coefficients, the highest first."""
        slope = polynomial.coefficients(algebra.differentiate(self.node, "z"), "z") or {}
        powers = range(max(slope, default=0), -1, -1)
        return lower([slope.get(k, algebra.ZERO) for k in powers], ("c", *self.uniforms), self.real)

    @cached_property
    def exact_slopes(self) -> Tape:
        """The first and second derivative by z in arithmetic of any precision."""
        first = algebra.differentiate(self.node, "z")
        given = {name: _constant(name, self.parameters[name]) for name in self.uniforms}
        both = [algebra.substitute(n, given) for n in (first, algebra.differentiate(first, "z"))]
        return lower(both, ["z", "c"], exact=True)

    @cached_property
    def _moved(self) -> Node:
        """The expression for z counted from where orbits begin, exactly."""
        origin: Node = ORIGIN if self.drifts else self.centre
        if origin == algebra.ZERO:
            return self.node
        shifted = {n: algebra.add(Symbol(n), origin) for n in ("z", "previous")}
        return algebra.sub(algebra.substitute(self.node, shifted), origin)

    @cached_property
    def deep_node(self) -> Node:
        """The expression for z counted from where orbits begin, with few multiplications.

        Where the derivative vanishes for the reference, it is another symbol, ``slope``: what of it
        does not vanish for another c.
        """
        moved = self._moved
        if moved is self.node or not self.holomorphic:
            return moved
        if self.drifts and self._begins_critically:
            found = polynomial.coefficients(moved, "z")
            if found is not None and 1 in found:
                found[1] = SLOPE
                terms = (algebra.mul(a, algebra.power(Symbol("z"), k)) for k, a in found.items())
                moved = algebra.add(*terms)
        short = polynomial.horner(moved, "z")
        return moved if short is None else short

    @cached_property
    def slope_node(self) -> Node:
        """What ``slope`` in `deep_node` stands for; 0 for the reference."""
        if SLOPE.name not in algebra.symbols(self.deep_node):
            return algebra.ZERO
        return algebra.substitute(algebra.differentiate(self.node, "z"), {"z": ORIGIN})

    @cached_property
    def slope_tape(self) -> Tape | None:
        """How ``slope`` follows c at ``origin``; None where it is 0."""
        node = algebra.differentiate(self.slope_node, "c")
        if node == algebra.ZERO:
            return None
        return lower([node], ("c", *self.uniforms, ORIGIN.name), self.real)

    @cached_property
    def _begins_critically(self) -> bool:
        """Whether the derivative by z vanishes where orbits begin, whatever c is."""
        from fraktal_kernel.fractals.formulas.tape import evaluate

        for c in ({"cr": 0.3, "ci": 0.7}, {"cr": -1.1, "ci": -0.4}):
            known = c | self.values | {"zr": 0.0, "zi": 0.0}
            start = evaluate(self.begin, [known[name] for name in self.begin.inputs])
            known |= {"zr": start[0], "zi": start[1]}
            slope = evaluate(self.jacobian, [known[name] for name in self.jacobian.inputs])[:2]
            if not max(map(abs, slope)) < 1e-9:
                return False
        return True

    @cached_property
    def perturbed(self) -> Tape | None:
        """The difference of a step from the reference's, without cancellation; None: no polynomial.

        Inputs ``Zr, Zi, zr, zi, Cr, Ci, cr, ci``, the parameters, and ``PREVIOUSr, PREVIOUSi,
        previousr, previousi`` where the z before is read: capital letters are the reference,
        counted from `centre`, small ones the difference from it. Where the formula `drifts`, there
        are also the two parts of ``origin``.
        """
        from fraktal_kernel.fractals.formulas.perturb import perturbed

        return perturbed(self) if self.polynomial else None

    @cached_property
    def prepared(self) -> Tape | None:
        """The same as `perturbed` where c is the reference's: no inputs ``cr, ci``."""
        from fraktal_kernel.fractals.formulas.perturb import perturbed

        return perturbed(self, same_c=True) if self.polynomial else None

    @cached_property
    def exact(self) -> Tape:
        """One step for arithmetic of any precision, z counted from `centre` or from ``origin``.

        Constants are fractions, the parameters among them; the inputs are ``zr, zi, cr, ci`` (and
        ``previousr, previousi``, or the two parts of ``origin``).
        """
        names = [n for n in self.names if n not in self.uniforms]
        node = self._moved if self.drifts else self.deep_node
        return self._exactly(node, [*names, *([ORIGIN.name] if self.drifts else [])])

    @cached_property
    def exact_begin(self) -> Tape:
        """z_0 for arithmetic of any precision, counted from `centre`; inputs ``cr, ci``."""
        return self._exactly(algebra.sub(self.start_node, self.centre), ["c"])

    def _exactly(self, node: Node, names: list[str]) -> Tape:
        given = {name: _constant(name, self.parameters[name]) for name in self.uniforms}
        return lower([algebra.substitute(node, given)], names, exact=True)

    @cached_property
    def deep_names(self) -> tuple[str, ...]:
        """Symbols whose parts are the inputs of `deep_jacobian` and `deep_bends`, in order."""
        return (*self.names, *((ORIGIN.name, SLOPE.name) if self.drifts else ()))

    @cached_property
    def deep_jacobian(self) -> Tape | None:
        """The linear coefficients of `perturbed`: `jacobian` for z counted as there."""
        if not self.polynomial:
            return None
        if self._moved is self.node:
            return self.jacobian
        if not self.drifts:
            return self._derivatives([self.deep_node])
        return lower(self._deep_slopes, self.deep_names, self.real)

    @property
    def _deep_slopes(self) -> list[Node]:
        by_z = algebra.differentiate(self.deep_node, "z")
        return [by_z, algebra.differentiate(self._moved if self.drifts else self.deep_node, "c")]

    @cached_property
    def deep_bends(self) -> Tape | None:
        """The second derivatives: each of `deep_jacobian` by all that it is taken by."""
        from fraktal_kernel.fractals.formulas.perturb import real_derivatives

        if self.deep_jacobian is None:
            return None
        moving = [name for name in self.names if name not in self.uniforms]
        if not self.holomorphic:
            return real_derivatives(self.deep_jacobian, moving)
        first = [algebra.differentiate(self.deep_node, name) for name in moving]
        second = [algebra.differentiate(slope, name) for slope in first for name in moving]
        return lower(second, self.deep_names, self.real)

    @cached_property
    def deep_folds(self) -> Tape | None:
        """What each ``abs`` in a step is taken of, and its derivatives; None: there is none.

        The outputs are these values, then for each symbol and value the derivatives by its parts.
        """
        from fraktal_kernel.fractals.formulas.perturb import real_derivatives

        if self.holomorphic:
            return None
        step = self._lower(self.deep_node)
        taken = tuple(args[0] for op, *args in step.code if op == "abs")
        if not taken:
            return None
        inner = Tape(step.inputs, step.code, taken)
        moving = [name for name in self.names if name not in self.uniforms]
        return merge(inner, real_derivatives(inner, moving))


def _constant(name: str, value: Value) -> Number:
    """Read the value of a parameter that is a number."""
    if isinstance(value, str):
        node = parse(value)
        if isinstance(node, Number):
            return node
        raise InvalidInput(
            f"the parameter {name} is {value!r:.60}; expected a number such as '0.3 - 0.5*i'."
        )
    try:
        if isinstance(value, bool):
            raise ValueError
        if isinstance(value, (int, Fraction)):
            return algebra.number(value)
        # The shortest text of a float is what was meant: 0.1 is a tenth.
        parts = complex(value)
        return algebra.number(Fraction(repr(parts.real)), Fraction(repr(parts.imag)))
    except (ValueError, TypeError, OverflowError):
        raise InvalidInput(
            f"the parameter {name} is {value!r:.60}; expected a finite number."
        ) from None


def _meaning(name: str, value: Value) -> Node:
    """Say what a parameter stands for: itself, an input; or what it was set to."""
    if not isinstance(name, str) or not is_name(name) or name.lower() in (*RESERVED, "e"):
        raise InvalidInput(
            f"the parameter is named {name!r:.50}; expected a name such as 'p' that is not one of "
            f"{', '.join(RESERVED[:6])} or a function."
        )
    if isinstance(value, str):
        node = parse(value)
        if not isinstance(node, Number):
            return node
    constant = _constant(name, value)
    if isinstance(value, (int, Fraction)):
        return constant
    return Symbol(name, real=constant.im == 0)
