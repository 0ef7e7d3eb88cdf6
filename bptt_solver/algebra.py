"""SymPy as an oracle for algebra: simplification for closed forms, whether two formulas are the same, tests of rules.

Only this module and `bptt_solver.symbolic`, which converts, import SymPy.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from bptt_solver.language.expressions import (
    Call,
    Expression,
    IndexValue,
    Iverson,
    Number,
    Reference,
    Sum,
    preorder,
    transform,
)
from bptt_solver.language.templates import Slot
from bptt_solver.symbolic import ELEMENTWISE, Names, NotConverted, Scalar, from_sympy, to_sympy

if TYPE_CHECKING:
    from bptt_solver.registry import Registry

Verdict = Literal["proved", "tested", "different", "unknown"]

MOST_NODES = 60  # SymPy's simplify takes minutes on formulas of a few hundred nodes
_DIGITS = 30
_RANGES = ((-2, 2), (0, 1), (0, 3), (-2, 2), (0, 1), (-1, 0))  # of points in general position


def compare(a: Expression, b: Expression, registry: Registry | None = None) -> Verdict:
    """Whether two scalar formulas are the same function of the names in them: ``proved`` by algebra, ``tested``
    (equal to 20 digits at points in general position), ``different`` (not equal at one of them), or ``unknown`` (no
    point could be used).

    Parts that are not scalar arithmetic count as names: ``dot(a, b)`` is equal to itself and to nothing else.
    """
    import sympy

    if a == b:
        return "proved"
    names = Names()
    left, right = (to_sympy(e, names, registry, whole=_not_scalar(registry)) for e in (a, b))
    agreement = _agree(left, right, names)
    if agreement is None or not agreement:
        return "unknown" if agreement is None else "different"
    if _size(a) + _size(b) <= MOST_NODES and sympy.simplify(left - right) == 0:
        return "proved"
    return "tested"


def equal(a: Expression, b: Expression, registry: Registry | None = None) -> bool:
    """Whether two scalar formulas are the same function, by algebra or at least at every point that was tried."""
    return compare(a, b, registry) in ("proved", "tested")


def simplify(expression: Expression, registry: Registry | None = None, most_nodes: int = MOST_NODES) -> Expression:
    """A shorter tree for the same function, or the tree itself: if none was found, if it has more than ``most_nodes``
    nodes, or if the outcome differs at points in general position, where both are evaluated by our own arithmetic,
    not by SymPy.

    Functions of plugins keep their names (the arguments of elementwise ones in ``registry`` are simplified); parts
    that are not scalar arithmetic stay as they are.
    """

    def change(node: Expression) -> Expression:
        record = registry.find(node.operation) if registry is not None and isinstance(node, Call) else None
        if isinstance(node, Call) and record is not None and record.kind == "elementwise":
            return Call(node.operation, tuple(_simplify(argument) for argument in node.arguments))
        return node

    return expression if _size(expression) > most_nodes else _simplify(transform(expression, change))


def _simplify(expression: Expression) -> Expression:
    import sympy

    names = Names()
    try:
        value = to_sympy(expression, names, whole=_not_scalar(None))
    except NotConverted:
        return expression
    best, least = expression, _cost(expression)
    for attempt in (sympy.simplify, sympy.factor, sympy.cancel, sympy.expand):
        try:
            tree = from_sympy(attempt(value), names)
        except (NotConverted, NotImplementedError, sympy.PolynomialError):
            continue
        if _cost(tree) < least and _same_numbers(expression, tree):
            best, least = tree, _cost(tree)
    return best


def _not_scalar(registry: Registry | None) -> Callable[[Expression], bool]:
    """What is kept whole: calls that are neither scalar arithmetic nor a function that the registry can replace."""

    def whole(node: Expression) -> bool:
        if isinstance(node, Sum):
            return True
        if not isinstance(node, Call) or node.operation in ELEMENTWISE:
            return False
        record = registry.find(node.operation) if registry is not None else None
        return record is None or record.kind != "elementwise"

    return whole


def slope_at(value: Scalar, symbol: Scalar, point: Mapping[Scalar, float]) -> float:
    """The derivative of a SymPy expression at a point, by SymPy's rules, with 30 digits on the way."""
    import sympy

    exact = {s: sympy.Float(number, _DIGITS) for s, number in point.items()}
    return float(sympy.diff(value, symbol).xreplace(exact).evalf(_DIGITS))


def _size(expression: Expression) -> int:
    return sum(1 for _ in preorder(expression))


def _cost(expression: Expression) -> tuple[int, int]:
    """Nodes without signs (``a - b`` is not longer than ``a + b``), and how many of them are not numbers."""
    nodes = [node for node in preorder(expression) if not (isinstance(node, Call) and node.operation == "neg")]
    return len(nodes), sum(not isinstance(node, Number) for node in nodes)


def _same_numbers(a: Expression, b: Expression) -> bool:
    """Whether our own arithmetic finds the same values at points in general position, at least at one of them."""
    from bptt_solver.arithmetic import Arithmetic
    from bptt_solver.language.operations import Operations

    slots: dict[Expression, Slot] = {}
    whole = _not_scalar(None)

    def change(node: Expression) -> Expression:
        if isinstance(node, (Reference, IndexValue, Iverson)) or whole(node):
            return slots.setdefault(node, Slot(len(slots)))
        return node

    arithmetic = Arithmetic(Operations())
    left, right = (arithmetic.compile(transform(e, change)) for e in (a, b))
    draw = random.Random(2)
    tried = False
    for low, high in _RANGES:
        point = [draw.uniform(low, high) for _ in slots]
        try:
            ours, theirs = left(point), right(point)
        except ArithmeticError:
            continue
        if abs(ours - theirs) > 1e-9 * max(abs(ours), abs(theirs), 1e-6):
            return False
        tried = True
    return tried


def _agree(left: Scalar, right: Scalar, names: Names) -> bool | None:
    """Whether two expressions have the same values at points in general position; None if they have none at all."""
    import sympy

    draw = random.Random(1)
    tried = False
    for low, high in _RANGES:
        point = {s: sympy.Rational(draw.randint(low * 997, high * 997) * 2 + 1, 1994) for s in names.symbols()}
        ours, theirs = (sympy.N(e.xreplace(point), _DIGITS) for e in (left, right))
        if not (ours.is_Float or ours.is_Rational) or not ours.is_finite:
            continue
        if not (theirs.is_Float or theirs.is_Rational) or not theirs.is_finite:
            return False
        if abs(ours - theirs) > sympy.Float(10) ** -20 * max(abs(ours), abs(theirs), sympy.Float(10) ** -20):
            return False
        tried = True
    return True if tried else None
