"""Smart constructors: they fold exact constants, 0 and 1, cancel double transposes and signs, and keep the user's
order.

Every tree they make is canonical: printed and parsed again it is the identical tree. Floats are never reassociated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from bptt_solver.language.expressions import (
    Call,
    Exact,
    Expression,
    IndexValue,
    Iverson,
    Number,
    Reference,
    Sum,
    transform,
)

ZERO = Number(0)
ONE = Number(1)


def constant(value: Exact | float) -> Expression:
    """A number as a canonical tree: no negative literals, no fractions."""
    if value < 0:
        return Call("neg", (constant(-value),))
    if isinstance(value, Fraction):
        if value.denominator != 1:
            return Call("div", (Number(value.numerator), Number(value.denominator)))
        return Number(value.numerator)
    return Number(value)


def exact_value(expression: Expression) -> Exact | None:
    """The value of an exact constant (``2``, ``-3``, ``1/2``), else None."""
    if isinstance(expression, Number):
        return None if isinstance(expression.value, float) else expression.value
    if isinstance(expression, Call):
        if expression.operation == "neg":
            inner = exact_value(expression.arguments[0])
            return None if inner is None else -inner
        if expression.operation == "div":
            top, bottom = (exact_value(a) for a in expression.arguments)
            if top is not None and bottom:
                return Fraction(top) / bottom
    return None


def is_zero(expression: Expression) -> bool:
    """Whether the tree is the structural zero."""
    return isinstance(expression, Number) and expression.value == 0


def is_one(expression: Expression) -> bool:
    """Whether the tree is the number 1."""
    return isinstance(expression, Number) and expression.value == 1


def add(terms: Iterable[Expression]) -> Expression:
    """The sum in the given order; zeros vanish, nested sums are merged, exact constants are added up at the place of
    the first."""
    flat: list[Expression] = []
    total: Exact = 0
    place = -1
    for term in terms:
        for part in _summands(term):
            value = exact_value(part)
            if value is None:
                flat.append(part)
                continue
            if place < 0:
                place = len(flat)
            total += value
    if total != 0:
        flat.insert(place, constant(total))
    if not flat:
        return ZERO
    return flat[0] if len(flat) == 1 else Call("add", tuple(flat))


def _summands(term: Expression) -> Iterable[Expression]:
    if isinstance(term, Call) and term.operation == "add":
        return term.arguments
    return (term,)


def neg(argument: Expression) -> Expression:
    """``-argument``; of a sum, term by term."""
    if is_zero(argument):
        return argument
    if isinstance(argument, Call):
        if argument.operation == "neg":
            return argument.arguments[0]
        if argument.operation == "add":
            return add(neg(a) for a in argument.arguments)
    return Call("neg", (argument,))


def subtract(left: Expression, right: Expression) -> Expression:
    """``left - right``."""
    return add((left, neg(right)))


def mul(factors: Iterable[Expression]) -> Expression:
    """The elementwise product in the given order: exact constants are collected in front, signs outside."""
    coefficient: Exact = 1
    rest: list[Expression] = []
    for factor in factors:
        stack = [factor]
        while stack:
            part = stack.pop()
            value = exact_value(part)
            if value is not None:
                coefficient *= value
            elif isinstance(part, Call) and part.operation == "neg":
                coefficient = -coefficient
                stack.append(part.arguments[0])
            elif isinstance(part, Call) and part.operation == "mul":
                stack.extend(reversed(part.arguments))
            else:
                rest.append(part)
    if coefficient == 0:
        return ZERO
    inverse = next((f for f in rest if isinstance(f, Call) and f.operation == "div" and is_one(f.arguments[0])), None)
    if inverse is not None and len(rest) > 1 and isinstance(inverse, Call):  # d*(1/p) is d/p
        others = list(rest)
        others.remove(inverse)
        return div(_scaled(coefficient, others), inverse.arguments[1])
    return _scaled(coefficient, rest)


def _scaled(coefficient: Exact, factors: list[Expression]) -> Expression:
    if not factors:
        return constant(coefficient)
    size = abs(Fraction(coefficient))
    for at, factor in enumerate(factors):  # 2*(x/2) is x
        if size.denominator == 1 and size != 1 and isinstance(factor, Call) and factor.operation == "div":
            below = exact_value(factor.arguments[1])
            if below is not None and below > 0 and size % below == 0:
                size /= below
                factors = [*factors[:at], factor.arguments[0], *factors[at + 1 :]]
                return neg(mul([constant(size), *factors])) if coefficient < 0 else mul([constant(size), *factors])
    if size != 1:
        factors = [constant(size), *factors]
    product = factors[0] if len(factors) == 1 else Call("mul", tuple(factors))
    return neg(product) if coefficient < 0 else product


def div(top: Expression, bottom: Expression) -> Expression:
    """``top / bottom``; exact constants fold, signs come outside."""
    if is_zero(top) or is_one(bottom):
        return top
    above, below = exact_value(top), exact_value(bottom)
    if below is not None and below != 0:
        if above is not None:
            return constant(Fraction(above) / below)
        leading, rest = _coefficient(top)
        if leading != 1:
            return mul([constant(Fraction(leading) / below), *rest])
    if isinstance(top, Call) and top.operation == "neg":
        return neg(div(top.arguments[0], bottom))
    if isinstance(bottom, Call) and bottom.operation == "neg":
        return neg(div(top, bottom.arguments[0]))
    return Call("div", (top, bottom))


def _coefficient(expression: Expression) -> tuple[Exact, tuple[Expression, ...]]:
    if isinstance(expression, Call) and expression.operation == "neg":
        value, rest = _coefficient(expression.arguments[0])
        return -value, rest
    if isinstance(expression, Call) and expression.operation == "mul":
        value_ = exact_value(expression.arguments[0])
        if value_ is not None:
            return value_, expression.arguments[1:]
    return 1, (expression,)


def power(base: Expression, exponent: Expression) -> Expression:
    """``base ** exponent``; exponents 0 and 1 fold."""
    value = exact_value(exponent)
    if value == 0:
        return ONE
    if value == 1 or is_one(base):
        return base
    return Call("power", (base, exponent))


def transpose(argument: Expression) -> Expression:
    """``argument.T``; of a transpose the original, of an outer product the swapped one."""
    if isinstance(argument, Call):
        if argument.operation == "transpose":
            return argument.arguments[0]
        if argument.operation == "outer":
            return Call("outer", (argument.arguments[1], argument.arguments[0]))
        if argument.operation == "neg":
            return neg(transpose(argument.arguments[0]))
    if is_zero(argument):
        return argument
    return Call("transpose", (argument,))


def bilinear(operation: str, left: Expression, right: Expression) -> Expression:
    """``matmul``, ``outer`` or ``dot`` of two arrays: zero if one is, signs outside."""
    if is_zero(left) or is_zero(right):
        return ZERO
    if isinstance(left, Call) and left.operation == "neg":
        return neg(bilinear(operation, left.arguments[0], right))
    if isinstance(right, Call) and right.operation == "neg":
        return neg(bilinear(operation, left, right.arguments[0]))
    if operation == "dot":
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Call) and one.operation == "expand":
                return mul([one.arguments[0], Call("sum", (other,))])
    return Call(operation, (left, right))


def unexpanded(expression: Expression) -> Expression:
    """``expand(c, like)`` is ``c`` where it meets an array in an elementwise product."""
    if isinstance(expression, Call) and expression.operation == "expand":
        return expression.arguments[0]
    return expression


def _block(arguments: tuple[Expression, ...]) -> Expression:
    """``block(W.T @ g, k, a, b)`` is ``columns(W, k, a, b).T @ g``: the block of the matrix gets a name of its own."""
    whole, rest = arguments[0], arguments[1:]
    if is_zero(whole):
        return ZERO
    if isinstance(whole, Call):
        if whole.operation == "neg":
            return neg(_block((whole.arguments[0], *rest)))
        if whole.operation == "matmul":
            left, right = whole.arguments
            if isinstance(left, Call) and left.operation == "transpose":
                return bilinear("matmul", transpose(Call("columns", (left.arguments[0], *rest))), right)
    return Call("block", arguments)


def _is_softmax(expression: Expression) -> bool:
    return isinstance(expression, Call) and expression.operation == "softmax"


def call(operation: str, arguments: tuple[Expression, ...]) -> Expression:
    """Any operation, through its smart constructor if it has one."""
    match operation:
        case "add":
            return add(arguments)
        case "mul":
            return mul(arguments)
        case "neg":
            return neg(arguments[0])
        case "div":
            return div(*arguments)
        case "power":
            return power(*arguments)
        case "transpose":
            return transpose(arguments[0])
        case "matmul" | "outer" | "dot":
            return bilinear(operation, *arguments)
        case "block":
            return _block(arguments)
        case "log" if _is_softmax(arguments[0]):
            return Call("log_softmax", arguments[0].arguments)  # type: ignore[union-attr]
        case "xlogy" if _is_softmax(arguments[1]):
            return mul((arguments[0], Call("log_softmax", arguments[1].arguments)))  # type: ignore[union-attr]
        case "sum" if isinstance(arguments[0], Call) and arguments[0].operation == "neg":
            return neg(call("sum", arguments[0].arguments))
        case "sum" | "place" if is_zero(arguments[0]):
            return ZERO
        case _:
            return Call(operation, arguments)


def rebuild(expression: Expression) -> Expression:
    """The tree made again through the smart constructors."""

    def change(node: Expression) -> Expression:
        if isinstance(node, Call):
            return call(node.operation, node.arguments)
        if isinstance(node, Sum) and is_zero(node.body):
            return ZERO
        return node

    return transform(expression, change)


def replace(expression: Expression, binding: Mapping[Expression, Expression]) -> Expression:
    """Replace leaves (references, mostly) by trees and fold what became constant."""

    def change(node: Expression) -> Expression:
        if isinstance(node, Call):
            return call(node.operation, node.arguments)
        if isinstance(node, (Reference, IndexValue, Iverson, Number)):
            return binding.get(node, node)
        if isinstance(node, Sum) and is_zero(node.body):
            return ZERO
        return node

    return transform(expression, change)
