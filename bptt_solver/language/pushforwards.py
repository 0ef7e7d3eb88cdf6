"""Pushforwards: how a small change of one slot passes through a template to its result, in the language.

The forward-mode sibling of `Template.adjoint`: the same rules, read from the leaves to the root. A change has the shape
of what it changes, and so has the result's.
"""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.language import build
from bptt_solver.language.bottom_up import bottom_up
from bptt_solver.language.expressions import Call, Expression, Number, Reference, preorder
from bptt_solver.language.operations import Operation, Operations
from bptt_solver.language.slots import RESULT, Slot
from bptt_solver.language.templates import Template, _Ranked, _widen

TANGENT = Reference("#d")  # the change of the slot


class Pushforwards:
    """The pushforwards of templates, each found once."""

    def __init__(self, operations: Operations) -> None:
        self.operations = operations
        self._known: dict[tuple[int, int], Expression] = {}
        self._kept: list[Template] = []  # ids stay valid as long as the templates live

    def of(self, template: Template, at: int) -> Expression:
        """What the result changes by when the slot changes by `TANGENT`; in slots, `TANGENT` and `RESULT`; 0 where
        nothing passes."""
        known = self._known.get((id(template), at))
        if known is None:
            self._kept.append(template)
            known = self._known[id(template), at] = _Path(template, at, self.operations).change()
        return known


class _Path:
    """Bottom-up: the change of each node. ``None`` stands for structurally zero."""

    def __init__(self, template: Template, at: int, operations: Operations) -> None:
        self.template = template
        self.at = at
        self.operations = operations
        self.ranked = _Ranked(template.expression, template.ranks, operations)

    def change(self) -> Expression:
        def leaf(node: Expression) -> Expression | None:
            return TANGENT if isinstance(node, Slot) and node.at == self.at else None

        result = bottom_up(self.template.expression, leaf, self._call)
        return build.ZERO if result is None else result

    def _call(self, node: Call, inner: Sequence[Expression | None]) -> Expression | None:
        operation = self.operations[node.operation]
        ranks = [self.ranked(a) for a in node.arguments]
        parts = [self._argument(node, operation, k, d, ranks) for k, d in enumerate(inner) if d is not None]
        parts = [p for p in parts if not build.is_zero(p)]
        return build.add(parts) if parts else None

    def _argument(self, node: Call, operation: Operation, k: int, d: Expression, ranks: Sequence[int]) -> Expression:
        """What one argument's change contributes."""
        arguments = node.arguments
        if operation.kind != "structural":
            return self._rule(node, operation, k, d, ranks)
        match node.operation:
            case "add":
                return self._spread(d, ranks[k], arguments, ranks)
            case "neg":
                return build.neg(d)
            case "mul":
                return build.mul([*arguments[:k], *arguments[k + 1 :], d])
            case "matmul" | "dot" | "outer":
                left, right = (d, arguments[1]) if k == 0 else (arguments[0], d)
                if k and node.operation == "matmul":
                    left, right = self._block(left, arguments[1], d)
                return build.bilinear(node.operation, left, right)
            case "transpose":
                return build.transpose(d)
            case "concat":
                parts = [d if i == k else build.call("zeros", (a,)) for i, a in enumerate(arguments)]
                return build.call("concat", tuple(parts))
            case "softmax":
                y = self._result(node)
                return build.mul([y, build.subtract(d, build.bilinear("dot", y, d))])
            case "log_softmax":
                y = Call("softmax", arguments)
                return build.subtract(d, build.bilinear("dot", y, d))
        if k or node.operation in _NOTHING:
            return build.ZERO
        return build.call(node.operation, (d, *arguments[1:]))  # linear in its first argument

    def _block(self, matrix: Expression, stacked: Expression, d: Expression) -> tuple[Expression, Expression]:
        """``W @ concat(a, b)``: a change of ``b`` meets the columns of ``b`` alone."""
        both = (stacked, d)
        if not all(isinstance(node, Call) and node.operation == "concat" for node in both):
            return matrix, d
        assert isinstance(stacked, Call) and isinstance(d, Call)
        moved = [at for at, p in enumerate(d.arguments) if not (isinstance(p, Call) and p.operation == "zeros")]
        if len(moved) != 1:
            return matrix, d
        (at,) = moved
        change = d.arguments[at] if self.ranked(stacked.arguments[at]) else Call("concat", (d.arguments[at],))
        return build.call("columns", (matrix, Number(at + 1), *stacked.arguments)), change

    def _result(self, node: Expression) -> Expression:
        return RESULT if node is self.template.expression else node

    def _rule(self, node: Call, operation: Operation, k: int, d: Expression, ranks: Sequence[int]) -> Expression:
        """The operation's own partial times the change; of a number made of arrays, summed over the entries."""
        formula = operation.derivative(k)
        if formula is None:
            return build.ZERO
        arguments = node.arguments
        binding = operation.bind(arguments, self._result(node))
        number = operation.kind == "scalar"
        if number and max(ranks) and not min(ranks):
            _widen(binding, formula, arguments, ranks)
        partial = build.replace(formula, binding)
        arrays = {name for name, rank in zip(binding, ranks, strict=False) if rank}
        if not number and max(ranks):
            arrays.add(Reference("result"))
        spread = any(n in arrays for n in preorder(formula))  # the partial is an array
        if not number:
            product = build.mul([partial, d])
            return product if ranks[k] or spread else self._spread(product, 0, arguments, ranks)
        if max(ranks) and not spread:  # the same for every entry
            partial = build.call("expand", (partial, arguments[_first_array(ranks)]))
        if ranks[k]:
            return build.bilinear("dot", partial, d)
        return build.mul([build.call("sum", (partial,)) if max(ranks) else partial, d])

    def _spread(self, d: Expression, rank: int, arguments: Sequence[Expression], ranks: Sequence[int]) -> Expression:
        """The change of a number that is added to every entry of an array."""
        if rank == max(ranks):
            return d
        return build.call("expand", (d, arguments[_first_array(ranks)]))


_NOTHING = frozenset({"stop_gradient", "zeros", "unit"})


def _first_array(ranks: Sequence[int]) -> int:
    return next(at for at, rank in enumerate(ranks) if rank)
