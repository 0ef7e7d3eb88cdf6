"""Formulas on one line for people: ``h_t = tanh(W_x x_t + W_h h_{t−1} + b)``, ``∂⁺E/∂h_{t−1}``, ``½(y_t − d_t)²``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
    Conditions,
    Expression,
    Index,
    Iverson,
    Number,
    Range,
    Reference,
    Sum,
    derivative_parts,
    is_derivative,
)
from bptt_solver.language.notation.numbers import exponent_text, format_number
from bptt_solver.language.notation.writer import (
    ATOM,
    NEGATIVE,
    POWER,
    PRODUCT,
    IndexStyle,
    Notation,
    Piece,
    Shape,
)

_SUBSCRIPT = IndexStyle(minus="−", times="")
_SPACED = IndexStyle(plus=" + ", minus=" − ", times="·")
_SIGNS = {"==": "=", "!=": "≠", "<=": "≤", ">=": "≥"}


class Text(Notation):
    """Unicode on one line. With ``shape``, products of arrays are written ``⊙``; without, all are ``·``."""

    MINUS = " − "
    SIGN = "−"
    NEGATED = PRODUCT  # −a·b means the same in either reading
    RANKS: Mapping[str, int] = {**Notation.RANKS, "outer": PRODUCT}
    OPERANDS: Mapping[str, int] = {**Notation.OPERANDS, "outer": 2}

    def number(self, value: int | Fraction | float) -> str:
        return format_number(value)

    # --- names

    def reference(self, node: Reference) -> str:
        if not is_derivative(node.name):
            return self.member(node.name, [self.index_text(i, _SUBSCRIPT) for i in node.indices])
        target, family = derivative_parts(node.name)
        indices = [self.index_text(i, _SUBSCRIPT) for i in node.indices]
        if is_derivative(family):
            below = f"({self.members(family)})" + (f"[{','.join(indices)}]" if indices else "")
        else:
            below = self.member(family, indices)
        above = f"({self.members(target)})" if is_derivative(target) else self.members(target)
        return f"∇_{{{below}}} {above}" if self.style.nabla else f"∂⁺{above}/∂{below}"

    def member(self, name: str, indices: Sequence[str]) -> str:
        """``h_{t−1}``; ``net_j[t]`` where a subscript could be misread."""
        if not indices:
            return name
        joined = ",".join(indices)
        if self.style.indices in ("parentheses", "superscripts"):
            return f"{name}({joined})"
        if "_" in name or name[-1].isdigit() or name[-1] == "'" or self.style.indices == "brackets":
            return f"{name}[{joined}]"
        return f"{name}_{joined}" if joined.isalnum() else f"{name}_{{{joined}}}"

    def members(self, text: str) -> str:
        """The name of a derivative or of its target with every ``C[2]`` in it written as a member."""
        parts = text.split("]")
        for at, part in enumerate(parts[:-1]):
            front, _, indices = part.rpartition("[")
            start = max((front.rfind(c) for c in "⁺∂()/"), default=-1) + 1
            parts[at] = front[:start] + self.member(front[start:], indices.replace("-", "−").split(","))
        return "".join(parts)

    # --- indices

    def index(self, index: Index) -> str:
        return self.index_text(index, _SPACED)

    def iverson(self, node: Iverson) -> str:
        return f"[{self.conditions(node.conditions)}]"

    def conditions(self, conditions: Conditions) -> str:
        """``t = T, k ≠ t``."""
        return ", ".join([self.comparison(c, _SPACED, _SIGNS) for c in conditions])

    def domain(self, ranges: Sequence[Range], conditions: Conditions, equals: str = "=") -> str:
        """``t=1..T, k≠t``."""
        parts = [f"{r.variable}{equals}{self.range_text(r, _SUBSCRIPT, '..')}" for r in ranges]
        parts += [self.comparison(c, _SUBSCRIPT, _SIGNS) for c in conditions]
        return ", ".join(parts)

    # --- operations

    def rank(self, node: Expression, text: str | None) -> int:
        if isinstance(node, Sum):
            return PRODUCT
        if text is not None and text[0] in "∂∇":
            return POWER
        return super().rank(node, text)

    def first(self, operation: str, node: Expression, leading: bool) -> Piece:
        return (node, ATOM, leading) if _ends_in_sum(node) else super().first(operation, node, leading)

    def mul(self, factors: Sequence[Expression], leading: bool) -> Sequence[Piece]:
        first, last = factors[0], len(factors) - 1
        half = _is_half(first)
        pieces: list[Piece] = ["½" if half else self.first("mul", first, leading)]
        seen = self.is_array(first)
        for at, factor in enumerate(factors[1:], 1):
            array = self.is_array(factor)
            if not (half and at == 1 and self.opens(factor)):
                pieces.append(" ⊙ " if seen and array else "·")
            seen = seen or array
            pieces.append((factor, PRODUCT if at == last and isinstance(factor, Sum) else NEGATIVE, False))
        return pieces

    def is_array(self, node: Expression) -> bool:
        """Whether a factor is known to be a vector or a matrix."""
        return self.shape is not None and bool(self.shape(node))

    def opens(self, node: Expression) -> bool:
        """Whether a factor starts with a parenthesis."""
        while self.operator(node) in ("power", "transpose") and isinstance(node, Call):
            node = node.arguments[0]
            if self.rank(node, self.own_text(node)) < ATOM:
                return True
        text = self.own_text(node)
        return self.rank(node, text) < NEGATIVE or self.starts_with_minus(node, text)

    def div(self, top: Expression, bottom: Expression, leading: bool) -> Sequence[Piece]:
        above = self.first("div", top, leading)
        if isinstance(top, Reference) and is_derivative(top.name):
            above = (top, ATOM, leading)
        return (above, "/", (bottom, ATOM if isinstance(bottom, Reference) else NEGATIVE, False))

    def matmul(self, left: Expression, right: Expression, leading: bool) -> Sequence[Piece]:
        return (self.first("matmul", left, leading), " ", (right, NEGATIVE, False))

    def power(self, base: Expression, exponent: Expression) -> Sequence[Piece]:
        raised = _whole_exponent(exponent)
        if raised is not None:
            return ((base, ATOM, False), exponent_text(raised))
        return ((base, ATOM, False), "^", (exponent, ATOM, False))

    def transpose(self, base: Expression) -> Sequence[Piece]:
        return ((base, ATOM, False), "ᵀ")

    def total(self, node: Sum) -> Sequence[Piece]:
        return (f"Σ_{{{self.domain(node.ranges, node.conditions)}}} ", (node.body, PRODUCT, False))

    def call(self, name: str, arguments: Sequence[Expression]) -> Sequence[Piece]:
        if name == "outer" and len(arguments) == 2:
            return (self.first("outer", arguments[0], True), " ", (arguments[1], ATOM, False), "ᵀ")
        return super().call(name, arguments)


def _is_half(node: Expression) -> bool:
    if isinstance(node, Number):
        return node.value == Fraction(1, 2) and not isinstance(node.value, float)
    return node == _HALF


_HALF = Call("div", (Number(1), Number(2)))


def _whole_exponent(node: Expression) -> int | None:
    """A short whole exponent, which is written as a superscript."""
    if isinstance(node, Call) and node.operation == "neg" and len(node.arguments) == 1:
        inner = _whole_exponent(node.arguments[0])
        return None if inner is None or inner <= 0 else -inner
    if isinstance(node, Number) and isinstance(node.value, int) and abs(node.value) < 1000:
        return node.value
    return None


def _ends_in_sum(node: Expression) -> bool:
    """Whether a text ends in an open ``Σ``, so that another factor would be taken into it."""
    while isinstance(node, Call) and node.operation in ("neg", "mul"):
        node = node.arguments[-1]
    return isinstance(node, Sum)


def to_text(
    expression: Expression,
    *,
    shape: Callable[[Expression], Shape | None] | None = None,
    leaf: Callable[[Expression], str | None] | None = None,
) -> str:
    """An expression on one line for people.

    ``shape`` tells the shape of a sub-expression, ``()`` for a number, None if it is not known (then the product sign
    is ``·``). ``leaf`` may replace a number, a reference or a guard by a text of its own, such as its value.
    """
    return Text(shape, leaf).write(expression)


def equation_to_text(equation: Equation, *, shape: Callable[[Expression], Shape | None] | None = None) -> str:
    """An equation on one line: ``h_t = tanh(a_t)   (t = 1..T)``."""
    notation = Text(shape)
    text = f"{notation.reference(Reference(equation.name, equation.indices))} = {notation.write(equation.right)}"
    domain = notation.domain(equation.ranges, equation.conditions, " = ")
    return f"{text}   ({domain})" if domain else text
