"""The instances of a system, one line each, in the order of computation (``bptt-solve lower --unfold``)."""

from __future__ import annotations

from collections.abc import Iterator

from bptt_solver.chain_rule import AdjointEquation, differentiate
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Index, IndexValue, Iverson, Number, Reference, Sum, substitute_indices, transform
from bptt_solver.language.notation.source import to_source
from bptt_solver.problem.problem import Problem
from bptt_solver.system import Environment, System
from bptt_solver.unfold import Unfolded, instance_text, unfold


def lines(problem: Problem, adjoint: bool = False) -> Iterator[str]:
    """``h[1] = tanh(a[1])`` for every instance; with ``adjoint`` those of the backward system."""
    unfolded: Unfolded = problem.unfolded
    if adjoint:
        unfolded = unfold(differentiate(problem.system, problem.target), problem.limits, problem.unfolded)
    for number in unfolded.order:
        equation = unfolded.equations[number]
        assert equation is not None
        environment = unfolded.environments[number]
        if isinstance(equation, AdjointEquation):
            right = build.add(_ground(t.expression, environment, unfolded.system) for t in equation.terms) if equation.terms else build.ONE
        else:
            right = _ground(equation.right, environment, unfolded.system)
        yield f"{instance_text(unfolded.keys[number])} = {to_source(right)}"


def _ground(expression: Expression, environment: Environment, system: System) -> Expression:
    """An expression at one instance: indices are numbers, sums written out, guards decided."""
    binding = {name: Index(value) for name, value in {**system.sizes, **environment}.items()}
    placed = substitute_indices(expression, binding)

    def change(node: Expression) -> Expression:
        if isinstance(node, Reference) and node.indices:
            return Reference(node.name, tuple(Index(system.index(i, {})) if not _open(i) else i for i in node.indices))
        if isinstance(node, IndexValue) and not _open(node.index):
            return build.constant(system.index(node.index, {}))
        if isinstance(node, Iverson) and not any(_open(c.left) or _open(c.right) for c in node.conditions):
            return Number(int(system.holds(node.conditions, {})))
        if isinstance(node, Sum):
            return _written_out(node, system)
        if isinstance(node, Call) and any(isinstance(a, Number) and a.value == 0 for a in node.arguments):
            return build.call(node.operation, node.arguments)
        return node

    return transform(placed, change)


def _open(index: Index) -> bool:
    return any(True for _ in index.variables())


def _written_out(node: Sum, system: System) -> Expression:
    environments: list[Environment] = [{}]
    for item in node.ranges:
        inner: list[Environment] = []
        for known in environments:
            try:
                low, high = system.index(item.low, known), system.index(item.high, known)
            except KeyError:
                return node  # an inner sum whose range depends on an outer variable is written out with it
            inner.extend({**known, item.variable: value} for value in range(low, high + 1))
        environments = inner
    try:
        kept = [e for e in environments if system.holds(node.conditions, e)]
    except KeyError:
        return node
    return build.add(_ground(node.body, e, system) for e in kept)
