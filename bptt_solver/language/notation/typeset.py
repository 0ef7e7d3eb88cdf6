"""What the two-dimensional notations share: how a derivative is put together, and how numbers are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import ClassVar

from bptt_solver.language.expressions import Expression, Reference, derivative_parts, is_derivative
from bptt_solver.language.notation.numbers import format_number, integer_text
from bptt_solver.language.notation.text import Text
from bptt_solver.language.notation.writer import POWER, IndexStyle, Shape


class Typeset(Text):
    """The same decisions as in `Text`. A notation says how its subscripts, fractions and parentheses are written."""

    RANKS: Mapping[str, int] = {**Text.RANKS, "div": POWER}  # a fraction needs parentheses only below a power
    SUBSCRIPT: ClassVar[IndexStyle]
    COMMA = ","

    def __init__(
        self,
        shape: Callable[[Expression], Shape | None] | None = None,
        leaf: Callable[[Expression], str | None] | None = None,
    ) -> None:
        super().__init__(shape, None if leaf is None else lambda node: self._converted(leaf(node)))

    def _converted(self, text: str | None) -> str | None:
        return None if text is None else self.printed(text)

    def printed(self, text: str) -> str:
        """A number's text as `format_number` gives it, in this notation."""
        raise NotImplementedError

    def fraction(self, top: str, bottom: str) -> str:
        """A fraction of two whole numbers."""
        raise NotImplementedError

    def derivative(self, above: str, below: str) -> str:
        """An ordered derivative, or a gradient, of ``above`` by ``below``."""
        raise NotImplementedError

    def in_round(self, text: str) -> str:
        """A text in parentheses."""
        return f"({text})"

    def in_square(self, indices: Sequence[str]) -> str:
        """Indices behind a name that has a subscript already."""
        return f"[{self.COMMA.join(indices)}]"

    def number(self, value: int | Fraction | float) -> str:
        if isinstance(value, Fraction) and value.denominator != 1:
            sign = self.SIGN if value < 0 else ""
            return sign + self.fraction(integer_text(abs(value.numerator)), integer_text(value.denominator))
        return self.printed(format_number(value))

    def reference(self, node: Reference) -> str:
        indices = [self.index_text(i, self.SUBSCRIPT) for i in node.indices]
        if not is_derivative(node.name):
            return self.member(node.name, indices)
        target, family = derivative_parts(node.name)
        above = self.members(target)
        below = self.in_round(self.members(family)) if is_derivative(family) else self.member(family, indices)
        if is_derivative(family) and indices:
            below += self.in_square(indices)
        return self.derivative(self.in_round(above) if is_derivative(target) else above, below)
