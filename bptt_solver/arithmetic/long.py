"""Numbers of 50 digits and more: the last judge."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from bptt_solver.arithmetic.base import Arithmetic
from bptt_solver.arithmetic.values import Function, Value
from bptt_solver.language.operations import Operations


class LongArithmetic(Arithmetic):
    """mpmath numbers of a given precision: the last judge."""

    name = "long"

    def __init__(self, operations: Operations, digits: int = 50) -> None:
        super().__init__(operations)
        import mpmath

        self.context = mpmath.mp.clone() if hasattr(mpmath.mp, "clone") else mpmath.MPContext()
        self.context.dps = digits

    def scalar(self, value: Any) -> Value:
        if type(value) is Fraction:
            return self.context.mpf(value.numerator) / value.denominator
        return self.context.mpf(value)

    def scalar_function(self, name: str) -> Function:
        m = self.context
        one, zero = m.mpf(1), m.mpf(0)
        table: dict[str, Function] = {
            "abs": abs,
            "sign": m.sign,
            "step": lambda x, c: one if x > 0 else zero if x < 0 else m.mpf(c),
            "max": lambda a, b: a if a >= b else b,
            "min": lambda a, b: a if a <= b else b,
            "clip": lambda x, low, high: low if x < low else high if x > high else x,
            "xlogy": lambda d, p: zero if d == 0 else d * m.log(p),
            "div": lambda a, b: m.mpf(a) / b,
            "power": m.power,
        }
        return table.get(name) or getattr(m, name)
