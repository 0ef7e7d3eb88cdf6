"""The last word where two routes differ: a central difference in 50 digits and more."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from bptt_solver.arithmetic import LongArithmetic, NotFinite, Value, is_array
from bptt_solver.catalogues import message
from bptt_solver.evaluate import Program, Values
from bptt_solver.verify.report import relative
from bptt_solver.verify.view import View

_LEAST_UNIT = 1e-100  # a smaller number is changed by a part of this
_VANISHING = 1e-20


class Judge:
    """The central difference in 50 digits and more: the last word on an entry over which two routes differ."""

    method = "50 digits"

    def __init__(self, view: View) -> None:
        self.view = view
        self._programs: dict[int, tuple[Program, LongArithmetic, Values]] = {}

    def derivative(self, number: int, at: int, size: float) -> Any:
        """The ordered derivative, in 50 and then 100 digits (more for tiny ones: ``size`` is about its absolute value).

        Raises ArithmeticError if the two do not agree.
        """
        target = abs(float(self.view.floats[self.view.target])) or 1.0
        value = self.view.floats[number]
        here = abs(float(value.ravel()[at] if is_array(value) else value))
        unit = max(here, _LEAST_UNIT) if 0 < here < math.inf else 1.0
        lost = max(0, math.ceil(math.log10(target) - math.log10(size) - math.log10(unit))) if size > 0 else 20
        digits = 50 + 50 * math.ceil(2 * lost / 50)
        first = self._central(number, at, digits, unit)
        second = self._central(number, at, digits + 50, unit)
        if abs(second) < _VANISHING * abs(
            first
        ):  # it shrinks with the step: the derivative is 0, the rest is the step's square
            return second * 0
        if relative(first, second) > 1e-12:
            raise NotFinite(message("value.digits_apart"))
        return second

    def _central(self, number: int, at: int, digits: int, unit: float) -> Any:
        if digits not in self._programs:
            arithmetic = LongArithmetic(self.view.problem.operations, digits)
            program = Program(self.view.unfolded, arithmetic, self.view.problem.shapes)
            base = program.run([_as_long(v, arithmetic) for v in self.view.values])
            self._programs[digits] = program, arithmetic, base
        program, arithmetic, base = self._programs[digits]
        h = arithmetic.context.mpf(10) ** -(digits // 3) * arithmetic.context.mpf(unit)
        plus = self.view.rerun(program, list(base), number, at, h)
        minus = self.view.rerun(program, list(base), number, at, -h)
        return (plus - minus) / (2 * h)


def _as_long(value: Value, arithmetic: LongArithmetic) -> Value:
    if not is_array(value):
        return arithmetic.scalar(value)
    import numpy

    flat = [arithmetic.scalar(v) for v in value.ravel().tolist()]
    result = numpy.empty(len(flat), dtype=object)
    result[:] = flat
    return result.reshape(value.shape)


def is_rational(value: Any) -> bool:
    """Whether a number is an int or a fraction."""
    return type(value) is int or type(value) is Fraction
