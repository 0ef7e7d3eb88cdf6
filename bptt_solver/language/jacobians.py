"""The simple partial of an equation as it is printed: a number's formula, ``diag(1 - h**2)``, ``W``, their products."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.language import build
from bptt_solver.language.bottom_up import bottom_up
from bptt_solver.language.expressions import Call, Expression, Reference
from bptt_solver.language.operations import Operation, Operations
from bptt_solver.language.templates import COTANGENT, RESULT, Slot, Template, _Ranked

IDENTITY = Reference("I")  # the identity matrix; only ever multiplied away or printed


class _Unprintable(Exception):
    """A Jacobian with more than two axes, or one for which there is no short form."""


def jacobian(template: Template, at: int, operations: Operations) -> Expression | None:
    """The simple partial of a template's result with respect to one slot; see `Template.partial`."""
    if template.rank == 0:  # the gradient: the pullback of 1
        return build.replace(template.adjoint(at), {COTANGENT: build.ONE})
    if (template.rank > 1 and template.ranks[at] > 0) or template.ranks[at] > 1:
        return None
    try:
        return _Path(template, at, operations).factor()
    except _Unprintable:
        return None


class _Path:
    """Bottom-up: the derivative of each node with respect to one slot. ``None`` stands for structurally zero.

    With a scalar slot it has the node's own shape (a tangent); with a vector slot it is a matrix for a vector node
    and the gradient vector for a scalar node.
    """

    def __init__(self, template: Template, at: int, operations: Operations) -> None:
        self.template = template
        self.at = at
        self.operations = operations
        self.scalar = template.ranks[at] == 0
        self.ranked = _Ranked(template.expression, template.ranks, operations)

    def factor(self) -> Expression:
        own = build.ONE if self.scalar else IDENTITY

        def leaf(node: Expression) -> Expression | None:
            return own if isinstance(node, Slot) and node.at == self.at else None

        result = bottom_up(self.template.expression, leaf, self._call)
        return build.ZERO if result is None else result

    def _call(self, node: Call, inner: Sequence[Expression | None]) -> Expression | None:
        parts = [self._argument(node, k, d) for k, d in enumerate(inner) if d is not None]
        parts = [p for p in parts if not build.is_zero(p)]
        return build.add(parts) if parts else None

    def _argument(self, node: Call, k: int, d: Expression) -> Expression:
        operation = self.operations[node.operation]
        arguments = node.arguments
        ranks = [self.ranked(a) for a in arguments]
        name = node.operation
        if name == "add":
            return self._spread(d, max(ranks), ranks[k], arguments)
        if name == "neg":
            return build.neg(d)
        if name == "mul":
            others = [a for i, a in enumerate(arguments) if i != k]
            return self._times(build.mul(others), max(r for i, r in enumerate(ranks) if i != k), d, ranks[k])
        if name == "matmul" and k == 1:
            return arguments[0] if d is IDENTITY else build.bilinear("matmul", arguments[0], d)
        if name == "matmul" and self.scalar:
            return build.bilinear("matmul", d, arguments[1])
        if name == "transpose" and self.scalar:
            return build.transpose(d)
        if name == "dot" and self.scalar:
            return build.bilinear("dot", d, arguments[1 - k])
        if name == "dot":
            return arguments[1 - k] if d is IDENTITY else build.bilinear("matmul", build.transpose(d), arguments[1 - k])
        if name in ("sum", "outer", "concat", "part", "entry", "expand") and self.scalar:
            return self._linear(node, k, d)
        if name == "softmax" and not self.scalar:
            y = RESULT if node is self.template.expression else node
            return self._chain(build.subtract(Call("diag", (y,)), Call("outer", (y, y))), d)
        if operation.pullback is None:
            return self._rule(node, operation, k, d, ranks)
        raise _Unprintable

    def _linear(self, node: Call, k: int, d: Expression) -> Expression:
        if node.operation == "concat":
            parts = [d if i == k else build.call("zeros", (a,)) for i, a in enumerate(node.arguments)]
            return build.call("concat", tuple(parts))
        if k and node.operation != "outer":
            return build.ZERO
        return build.call(node.operation, tuple(d if i == k else a for i, a in enumerate(node.arguments)))

    def _rule(self, node: Call, operation: Operation, k: int, d: Expression, ranks: Sequence[int]) -> Expression:
        formula = operation.derivative(k)
        if formula is None:
            return build.ZERO
        result = RESULT if node is self.template.expression else node
        partial = build.replace(formula, operation.bind(node.arguments, result))
        if operation.kind == "elementwise":
            return self._times(partial, max(ranks), d, ranks[k])
        if self.scalar or ranks[k] == 0:
            return build.bilinear("dot", partial, d) if ranks[k] else build.mul([partial, d])
        return partial if d is IDENTITY else build.bilinear("matmul", build.transpose(d), partial)

    def _times(self, factor: Expression, rank: int, d: Expression, inner: int) -> Expression:
        """The entrywise factor times the derivative so far."""
        if self.scalar or (rank == 0 and inner == 0):
            return build.mul([factor, d])
        if inner == 0:  # a scalar that depends on the vector slot scales an array: an outer product
            if rank > 1:
                raise _Unprintable
            return build.bilinear("outer", factor, d)
        if inner > 1 or rank > 1:
            raise _Unprintable
        if rank == 0:
            return build.mul([factor, d])
        return self._chain(Call("diag", (factor,)), d)

    def _chain(self, left: Expression, d: Expression) -> Expression:
        if isinstance(d, Call) and d.operation == "neg" and d.arguments[0] is IDENTITY:  # of 1 - v: -I
            return build.neg(left)
        return left if d is IDENTITY else build.bilinear("matmul", left, d)

    def _spread(self, d: Expression, rank: int, inner: int, arguments: Sequence[Expression]) -> Expression:
        if rank == inner:
            return d
        if not self.scalar:
            raise _Unprintable
        like = next(a for a in arguments if self.ranked(a))
        return build.call("expand", (d, like))
