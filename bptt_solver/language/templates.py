"""Templates: what many equations have in common. Everything that only depends on an equation's structure is computed
once.

A template is an expression whose leaves are slots. Equal references of an equation share a slot (so the partial of
``z*z`` is
``2*z``); numbers get slots too, except those on which folding depends (0, 1, exponents). A sum over an index is one
slot: its body has a template of its own. ``z3 = 3*z2 + z1`` and ``z9 = 4*z1 + z7`` have the same template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bptt_solver.language import build
from bptt_solver.language.expressions import (
    Call,
    Conditions,
    Expression,
    Number,
    Range,
    Reference,
    Sum,
    preorder,
    transform,
)
from bptt_solver.language.inference import infer_shape
from bptt_solver.language.operations import Operation, Operations
from bptt_solver.language.shapes import Shape
from bptt_solver.language.slots import COTANGENT, RESULT, TAKES_COTANGENT, TAKES_RESULT, Slot, slot


class Template:
    """A structure with its derivatives. ``ranks`` are those of the slots, ``rank`` that of the result."""

    __slots__ = (
        "_adjoints",
        "_functions",
        "_operations",
        "_partials",
        "_pullbacks",
        "_shapes",
        "exact",
        "expression",
        "rank",
        "ranks",
    )

    def __init__(self, expression: Expression, ranks: tuple[int, ...], operations: Operations) -> None:
        self.expression = expression
        self.ranks = ranks
        self.exact = _is_rational(expression, operations)
        self._pullbacks: dict[tuple[int, bool], tuple[Template, tuple[int, ...]]] = {}
        self._operations = operations
        self._adjoints: dict[int, Expression] | None = None
        self._partials: dict[int, Expression | None] = {}
        self._functions: dict[object, Callable[..., object]] = {}
        self._shapes: dict[tuple[Shape, ...], Shape] = {}
        self.rank = _Ranked(expression, ranks, operations)(expression)

    def adjoint(self, at: int) -> Expression:
        """What the slot receives when the result receives `COTANGENT`; in slots, `COTANGENT` and `RESULT`."""
        if self._adjoints is None:
            self._adjoints = _sweep(self.expression, self.ranks, self._operations)
        return self._adjoints.get(at, build.ZERO)

    def pullback(self, at: int, one: bool = False) -> tuple[Template, tuple[int, ...]]:
        """`adjoint` as a template of its own, with the slots that it needs (`TAKES_COTANGENT`, `TAKES_RESULT` for
        those two).

        ``one``: the result receives the number 1.
        """
        known = self._pullbacks.get((at, one))
        if known is None:
            expression = self.adjoint(at)
            if one:
                expression = build.replace(expression, {COTANGENT: build.ONE})
            sources: dict[int, int] = {}
            ranks: list[int] = []

            def renumber(node: Expression) -> Expression:
                if type(node) is Slot:
                    source, rank = node.at, self.ranks[node.at]
                elif node in (COTANGENT, RESULT):
                    source, rank = (TAKES_COTANGENT if node == COTANGENT else TAKES_RESULT), self.rank
                else:
                    return node
                if source not in sources:
                    sources[source] = len(ranks)
                    ranks.append(rank)
                return slot(sources[source])

            renumbered = transform(expression, renumber)
            template = Template(renumbered, tuple(ranks), self._operations)
            known = self._pullbacks[at, one] = (template, tuple(sources))
        return known

    def takes_result(self, at: int) -> bool:
        """Whether the slot's pullback is written in terms of the result."""
        return TAKES_RESULT in self.pullback(at)[1]

    def partial(self, at: int) -> Expression | None:
        """The simple partial of the result with respect to the slot as an expression: a scalar, a gradient (result
        scalar), a vector (slot scalar) or a Jacobian matrix; None where it has more than two axes."""
        if at not in self._partials:
            from bptt_solver.language.jacobians import jacobian

            self._partials[at] = jacobian(self, at, self._operations)
        return self._partials[at]

    def compiled(
        self, arithmetic: object, make: Callable[[Expression], Callable[..., object]]
    ) -> Callable[..., object]:
        """The template as a function of the list of slot values, made once for each arithmetic."""
        function = self._functions.get(arithmetic)
        if function is None:
            function = self._functions[arithmetic] = make(self.expression)
        return function

    def shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """The result's shape for these slot shapes. Raises `ShapeError`, with the node in ``args[1]``."""
        known = self._shapes.get(shapes)
        if known is None:
            known = self._shapes[shapes] = infer_shape(self.expression, shapes, self._operations)
        return known


class Part:
    """One summand of a right-hand side: a template, the leaves in its slots, and the ranges over which it is summed."""

    __slots__ = ("conditions", "leaves", "ranges", "template")

    def __init__(
        self,
        template: Template,
        leaves: tuple[Expression, ...],
        ranges: tuple[Range, ...] = (),
        conditions: Conditions = (),
    ) -> None:
        self.template = template
        self.leaves = leaves
        self.ranges = ranges
        self.conditions = conditions


class Templates:
    """The cache: canonical structure -> template. ``ranks`` are the families' (a mapping that may still grow)."""

    def __init__(self, operations: Operations, ranks: Mapping[str, int]) -> None:
        self.operations = operations
        self._ranks = ranks
        self._by_key: dict[object, Template] = {}

    def known(self) -> list[Template]:
        """All templates that were made so far, in the order in which they were met."""
        return list(self._by_key.values())

    def of(self, expression: Expression) -> tuple[Template, tuple[Expression, ...]]:
        """The template of an expression and the leaves in its slots (references, numbers, index values, guards,
        sums)."""
        leaves: list[Expression] = []
        seen: dict[object, int] = {}  # by name where that says all (a text knows its hash), else by the node
        ranks: list[int] = []
        code: list[object] = []  # the structure in prefix order, a rank before each slot where it comes first
        emit = code.append
        known_ranks = self._ranks
        stack: list[Expression | int] = [expression]
        structural = False
        while stack:
            node = stack.pop()
            kind = type(node)
            identity: object = node
            rank = 0
            if kind is Reference:
                structural = False
                if not node.indices:  # type: ignore[union-attr]
                    identity = node.name  # type: ignore[union-attr]
                rank = known_ranks[node.name]  # type: ignore[union-attr]
            elif kind is Call:
                operation, arguments = node.operation, node.arguments  # type: ignore[union-attr]
                emit(operation)
                emit(len(arguments))
                if operation == "power" or operation in _STRUCTURAL_ARGUMENTS:
                    first = _STRUCTURAL_ARGUMENTS.get(operation, 1)
                    for k in range(len(arguments) - 1, -1, -1):
                        stack.append(arguments[k])
                        if k >= first and isinstance(arguments[k], Number):
                            stack.append(0)
                else:
                    stack.extend(arguments[::-1])
                continue
            elif kind is Number:
                value = node.value  # type: ignore[union-attr]
                if structural or value in (0, 1):
                    emit(value)
                    emit(type(value))
                    structural = False
                    continue
                if type(value) is float:
                    identity = value
            elif kind is int:
                structural = True
                continue
            else:
                structural = False
                if kind is Sum:
                    rank = self.of(node.body)[0].rank  # type: ignore[union-attr]
            at = seen.get(identity)
            if at is None:
                at = seen[identity] = len(leaves)
                leaves.append(node)  # type: ignore[arg-type]
                ranks.append(rank)
                emit(rank)
            emit(-1 - at)
        key = tuple(code)
        template = self._by_key.get(key)
        if template is None:
            template = self._by_key[key] = self._make(expression, leaves, tuple(ranks))
        return template, tuple(leaves)

    def _make(self, expression: Expression, leaves: Sequence[Expression], ranks: tuple[int, ...]) -> Template:
        seen = {leaf: at for at, leaf in enumerate(leaves)}
        done: list[Expression] = []
        stack: list[tuple[Expression, bool, bool]] = [(expression, False, False)]
        while stack:
            node, ready, structural = stack.pop()
            if isinstance(node, Call):
                if not ready:
                    stack.append((node, True, False))
                    first = (
                        1
                        if node.operation == "power"
                        else _STRUCTURAL_ARGUMENTS.get(node.operation, len(node.arguments))
                    )
                    for k in range(len(node.arguments) - 1, -1, -1):
                        stack.append((node.arguments[k], False, k >= first))
                    continue
                count = len(node.arguments)
                arguments = tuple(done[len(done) - count :])
                del done[len(done) - count :]
                done.append(Call(node.operation, arguments))
            else:
                fixed = type(node) is Number and (structural or node.value in (0, 1))
                done.append(node if fixed else slot(seen[node]))
        return Template(done[0], ranks, self.operations)


_STRUCTURAL_ARGUMENTS = {
    "block": 1,
    "columns": 1,
    "place_columns": 1,
    "part": 1,
    "place": 1,
    "entry": 1,
    "unit": 1,
    "step": 1,
}


def _is_rational(expression: Expression, operations: Operations) -> bool:
    """Whether exact arguments give an exact result."""
    for node in preorder(expression):
        if isinstance(node, Call):
            if not operations[node.operation].rational:
                return False
            if node.operation == "power" and not isinstance(build.exact_value(node.arguments[1]), int):
                return False
        elif type(node) is Number and type(node.value) is float:
            return False
    return True


class _Ranked:
    """The rank of every node of a template's expression, found once, bottom-up."""

    def __init__(self, expression: Expression, ranks: Sequence[int], operations: Operations) -> None:
        self._ranks = ranks
        self._operations = operations
        self._known: dict[int, int] = {}
        self._keep: list[Expression] = []  # ids stay valid as long as the trees live
        self(expression)

    def __call__(self, expression: Expression) -> int:
        known = self._known.get(id(expression))
        if known is not None:
            return known
        self._keep.append(expression)
        stack: list[tuple[Expression, bool]] = [(expression, False)]
        while stack:
            node, ready = stack.pop()
            if isinstance(node, Call):
                if id(node) in self._known:
                    continue
                if not ready:
                    stack.append((node, True))
                    stack.extend((child, False) for child in node.arguments)
                    continue
                rank = self._operations[node.operation].rank([self._known[id(a)] for a in node.arguments])
            else:
                rank = self._ranks[node.at] if isinstance(node, Slot) else 0
            self._known[id(node)] = rank
        return self._known[id(expression)]


def _sweep(expression: Expression, ranks: Sequence[int], operations: Operations) -> dict[int, Expression]:
    """Backwards through one equation's tree: what each slot receives."""
    ranked = _Ranked(expression, ranks, operations)
    received: dict[int, list[Expression]] = {}
    stack: list[tuple[Expression, Expression]] = [(expression, COTANGENT)]
    while stack:
        node, g = stack.pop()
        if isinstance(node, Slot):
            received.setdefault(node.at, []).append(g)
        if not isinstance(node, Call) or build.is_zero(g):
            continue
        result = RESULT if node is expression else node
        operation = operations[node.operation]
        argument_ranks = [ranked(a) for a in node.arguments]
        for k in range(len(node.arguments) - 1, -1, -1):
            argument = node.arguments[k]
            if isinstance(argument, (Call, Slot)):
                stack.append((argument, pull(operation, g, node.arguments, result, k, argument_ranks)))
    return {at: build.add(parts) if len(parts) < 2 else _gathered(parts) for at, parts in received.items()}


def _gathered(parts: list[Expression]) -> Expression:
    """Equal contributions of one equation become a multiple: ``z*z`` gives ``2*z``."""
    counts: dict[Expression, int] = {}
    for part in parts:
        counts[part] = counts.get(part, 0) + 1
    return build.add(part if n == 1 else build.mul([Number(n), part]) for part, n in counts.items())


def pull(
    operation: Operation,
    g: Expression,
    arguments: Sequence[Expression],
    result: Expression,
    k: int,
    ranks: Sequence[int],
) -> Expression:
    """The cotangent of argument ``k``: an elementwise or scalar rule times ``g``, or the structural pullback."""
    if operation.pullback is not None:
        return operation.pullback(g, arguments, result, k, ranks)
    formula = operation.derivative(k)
    if formula is None:
        return build.ZERO
    binding = operation.bind(arguments, result)
    if operation.kind == "scalar" and max(ranks) and not min(ranks):
        _widen(binding, formula, arguments, ranks)
    partial = build.replace(formula, binding)
    arrays = {name for name, rank in zip(binding, ranks, strict=False) if rank}
    if operation.kind == "elementwise" and max(ranks):
        arrays.add(Reference("result"))
    spread = any(node in arrays for node in preorder(formula))  # the partial is an array
    if operation.kind == "scalar":
        if max(ranks) and not spread:  # the same for every entry
            like = k if ranks[k] else next(i for i, rank in enumerate(ranks) if rank)
            partial = build.call("expand", (partial, arguments[like]))
        return build.mul([g, build.call("sum", (partial,)) if max(ranks) and not ranks[k] else partial])
    if not max(ranks):
        return build.mul([g, partial])
    if ranks[k]:
        return build.mul([build.unexpanded(g) if spread else g, partial])
    if not spread:  # a scalar that is broadcast receives the sum over the entries
        return build.mul([build.call("sum", (g,)), partial])
    return build.call("sum", (partial,)) if build.is_one(g) else build.bilinear("dot", g, partial)


def _widen(
    binding: dict[Expression, Expression], formula: Expression, arguments: Sequence[Expression], ranks: Sequence[int]
) -> None:
    """A number beside arrays stands for an array of it where the rule counts or adds up its entries."""
    like = next(a for a, rank in zip(arguments, ranks, strict=True) if rank)
    reduced = {
        inner
        for node in preorder(formula)
        if isinstance(node, Call) and node.operation in ("count", "sum", "mean")
        for inner in preorder(node)
    }
    for name, argument, rank in zip(list(binding), arguments, ranks, strict=False):
        if not rank and name in reduced:
            binding[name] = build.call("expand", (argument, like))


def instantiate(
    expression: Expression, leaves: Sequence[Expression], extra: dict[Expression, Expression] | None = None
) -> Expression:
    """A template's expression with leaves in its slots, folded again."""
    binding = extra or {}

    def change(node: Expression) -> Expression:
        if type(node) is Slot:
            return leaves[node.at]
        if type(node) is Call:
            return build.call(node.operation, node.arguments)
        return binding.get(node, node)

    return transform(expression, change)


__all__ = [
    "COTANGENT",
    "RESULT",
    "TAKES_COTANGENT",
    "TAKES_RESULT",
    "Part",
    "Slot",
    "Template",
    "Templates",
    "instantiate",
    "pull",
    "slot",
]
