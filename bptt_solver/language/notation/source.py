"""The equation language itself: what is printed here and parsed again is the identical tree."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Conditions,
    Expression,
    Index,
    Iverson,
    Range,
    Reference,
    Sum,
    is_derivative,
)
from bptt_solver.language.notation.numbers import integer_text
from bptt_solver.language.notation.writer import ATOM, NEGATIVE, POWER, IndexStyle, Notation, Piece

_STYLE = IndexStyle()


class Source(Notation):
    """Few parentheses, but those of a mixture of ``@`` with ``*`` and ``/``."""

    def number(self, value: int | Fraction | float) -> str:
        if isinstance(value, float):
            return repr(value)
        if isinstance(value, Fraction):
            return f"{integer_text(value.numerator)}/{integer_text(value.denominator)}"
        return integer_text(value)

    def reference(self, node: Reference) -> str:
        return node.name + self.brackets(node.indices)

    def brackets(self, indices: Sequence[Index]) -> str:
        """``[k,t]``, or nothing."""
        return f"[{','.join([self.index_text(i, _STYLE) for i in indices])}]" if indices else ""

    def iverson(self, node: Iverson) -> str:
        return f"[{self.conditions(node.conditions)}]"

    def index(self, index: Index) -> str:
        return self.index_text(index, _STYLE)

    def conditions(self, conditions: Conditions) -> str:
        """``t == T, k != t``."""
        return ", ".join([self.comparison(c, _STYLE, {}) for c in conditions])

    def range(self, item: Range) -> str:
        """``t in 1..T``."""
        return f"{item.variable} in {self.range_text(item, _STYLE, '..')}"

    def domain(self, ranges: Sequence[Range], conditions: Conditions) -> str:
        """``for t in 1..T where t != 2`` with a space in front, or nothing."""
        text = f" for {', '.join([self.range(r) for r in ranges])}" if ranges else ""
        return text + (f" where {self.conditions(conditions)}" if conditions else "")

    def mul(self, factors: Sequence[Expression], leading: bool) -> Sequence[Piece]:
        pieces: list[Piece] = [self.first("mul", factors[0], leading)]
        sign = " * " if any(isinstance(f, Reference) and is_derivative(f.name) for f in factors) else "*"
        for factor in factors[1:]:
            pieces += (sign, (factor, NEGATIVE, False))
        return pieces

    def div(self, top: Expression, bottom: Expression, leading: bool) -> Sequence[Piece]:
        return (self.first("div", top, leading), "/", (bottom, NEGATIVE, False))

    def matmul(self, left: Expression, right: Expression, leading: bool) -> Sequence[Piece]:
        return (self.first("matmul", left, leading), " @ ", (right, NEGATIVE, False))

    def power(self, base: Expression, exponent: Expression) -> Sequence[Piece]:
        return ((base, ATOM, False), "**", (exponent, POWER, False))

    def transpose(self, base: Expression) -> Sequence[Piece]:
        return ((base, ATOM, False), ".T")

    def total(self, node: Sum) -> Sequence[Piece]:
        return ("sum(", (node.body, 0, True), f"{self.domain(node.ranges, node.conditions)})")


_SOURCE = Source()


def to_source(expression: Expression) -> str:
    """An expression in the equation language."""
    return _SOURCE.write(expression)


def equation_to_source(equation: Equation) -> str:
    """An equation in the equation language: one line."""
    left = equation.name + _SOURCE.brackets(equation.indices)
    return f"{left} = {to_source(equation.right)}{_SOURCE.domain(equation.ranges, equation.conditions)}"


def index_to_source(index: Index) -> str:
    """An index, ``2*t-1``."""
    return _SOURCE.index(index)


def range_to_source(item: Range) -> str:
    """A range, ``t in 1..T``."""
    return _SOURCE.range(item)


def conditions_to_source(conditions: Conditions) -> str:
    """Conditions as they stand in a guard or after ``where``: ``t == T, k != t``."""
    return _SOURCE.conditions(conditions)
