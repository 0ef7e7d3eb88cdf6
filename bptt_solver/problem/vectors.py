"""Transposed vectors: ``u.T @ v`` of two vectors is a number, ``u @ v.T`` is a matrix."""

from __future__ import annotations

from collections.abc import Mapping

from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, preorder, transform
from bptt_solver.system import LooseShape, System, loose_shape


def without_rows(system: System) -> System:
    """The system with ``u.T @ v`` as dot(u, v), ``u @ v.T`` as outer(u, v), and ``u.T @ A`` as (A.T @ u).T, since
    vectors are columns. The same system if there is nothing of that kind."""
    shapes: dict[str, LooseShape] = {n: (None,) * r for n, r in system.ranks.items()}
    equations = [_change(e, shapes, system) for e in system.equations]
    if all(new is old for new, old in zip(equations, system.equations, strict=True)):
        return system
    return System(equations, system.given, system.operations, system.sizes, system.maps, roles=system.roles)


def _change(equation: Equation, shapes: Mapping[str, LooseShape], system: System) -> Equation:
    if not any(isinstance(n, Call) and n.operation == "transpose" for n in preorder(equation.right)):
        return equation

    def vector(node: Expression) -> bool:
        shape = loose_shape(node, shapes, system.operations)
        return shape is not None and len(shape) == 1

    def row(node: Expression) -> Expression | None:
        """What a transposed vector is the transpose of."""
        turned = isinstance(node, Call) and node.operation == "transpose"
        return node.arguments[0] if isinstance(node, Call) and turned and vector(node.arguments[0]) else None

    def change(node: Expression) -> Expression:
        if not isinstance(node, Call) or node.operation != "matmul":
            return node
        left, right = node.arguments
        first, second = row(left), row(right)
        if first is not None and vector(right):
            return Call("dot", (first, right))
        if first is not None:
            return Call("transpose", (Call("matmul", (build.transpose(right), first)),))
        return Call("outer", (left, second)) if second is not None and vector(left) else node

    right = transform(equation.right, change)
    if right is equation.right:
        return equation
    return Equation(equation.name, equation.indices, right, equation.ranges, equation.conditions, equation.origin)
