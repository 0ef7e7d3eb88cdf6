"""Eliminating a node: its definition is put into everything that uses it, so that a simple partial is relative to
fewer nodes.

h[t] = tanh(z[t]) for t in 1..T;  z[t] = W @ x[t] + U @ h[t-1] for t in 1..T      becomes, with h[0] given,
z[1] = W @ x[1] + U @ h[0];       z[t] = W @ x[t] + U @ tanh(z[t-1]) for t in 2..T
"""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.catalogues import message
from bptt_solver.errors import Span, fail, suggest
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
    Comparison,
    Conditions,
    Expression,
    Index,
    Range,
    Reference,
    Sum,
    children,
    preorder,
    substitute_indices,
    transform,
)
from bptt_solver.language.operations import Operations
from bptt_solver.ranges import tightened
from bptt_solver.records import Loss
from bptt_solver.system import System, infer_shapes

MOST_EQUATIONS = 10_000  # a definition in many parts, used many times, could multiply without end


def eliminate(system: System, name: str, span: Span | None = None) -> System:
    """The system without the defined members of a family. Raises ProblemError if it is not defined or defined by
    itself."""
    definitions = system.defining.get(name)
    if not definitions:
        hint = suggest(name, system.defining) or message("eliminate.only_equations")
        told = (
            message("eliminate.not_defined", name=name)
            if name in system.given
            else message("eliminate.nowhere", name=name)
        )
        raise fail(told, span, hint)
    for definition in definitions:
        if any(isinstance(n, Reference) and n.name == name for n in preorder(definition.right)):
            raise fail(message("eliminate.itself", name=name), span)
    done: list[Equation] = []
    pending = [e for e in reversed(system.equations) if e.name != name]
    while pending:
        if len(done) + len(pending) > MOST_EQUATIONS and len(pending) > len(system.equations):
            raise fail(message("eliminate.too_many", name=name, most=f"{MOST_EQUATIONS:,}"), span)
        equation = pending.pop()
        pieces = _once(equation, name, definitions, system)
        if pieces is None:
            done.append(equation)
        else:
            pending.extend(reversed(pieces))
    result = System(
        [_finished(e, name, system.operations) for e in done],
        system.given,
        system.operations,
        system.sizes,
        system.maps,
        roles=system.roles,
    )
    infer_shapes(result)
    return result


def _once(equation: Equation, name: str, definitions: Sequence[Equation], system: System) -> list[Equation] | None:
    """The equation with one use replaced, split where different definitions apply; None if there is no use left to
    replace."""
    for use, around in _uses(equation.right, name):
        pieces: list[tuple[Conditions, Expression]] = []
        for definition in definitions:
            found = _definition(definition, use, [*equation.ranges, *(r for s in around for r in s.ranges)])
            if found is not None:
                pieces.append(found)
        for part in system.given.get(name, ()):
            bounds = zip(use.indices, part.low, part.high, strict=True)
            inside = tuple(
                c for i, a, b in bounds for c in (Comparison(i, ">=", Index(a)), Comparison(i, "<=", Index(b)))
            )
            pieces.append((inside, Reference(name + _KEPT, use.indices)))
        if around:
            right = _replace_sum(equation.right, around[-1], use, pieces, system, equation)
            return [
                Equation(equation.name, equation.indices, right, equation.ranges, equation.conditions, equation.origin)
            ]
        return [
            e
            for conditions, value in pieces
            if (e := _restricted(equation, use, value, conditions, system)) is not None
        ]
    return None


_KEPT = "·given"  # marks uses of given members while the others are replaced


def _finished(equation: Equation, name: str, operations: Operations) -> Equation:
    """Uses of given members get their name back, and a loss of its output function becomes one operation on the
    function's argument (``cross_entropy(softmax(o), d)`` is ``softmax_cross_entropy(o, d)``)."""

    def finish(node: Expression) -> Expression:
        if isinstance(node, Call) and node.arguments and isinstance(node.arguments[0], Call):
            operation, inner = operations.find(node.operation), node.arguments[0]
            record = operation.record if operation is not None else None
            if isinstance(record, Loss) and inner.operation in record.fused:
                return Call(record.fused[inner.operation], (*inner.arguments, *node.arguments[1:]))
        return Reference(name, node.indices) if isinstance(node, Reference) and node.name == name + _KEPT else node

    return Equation(
        equation.name,
        equation.indices,
        transform(equation.right, finish),
        equation.ranges,
        equation.conditions,
        equation.origin,
    )


def _uses(expression: Expression, name: str) -> list[tuple[Reference, tuple[Sum, ...]]]:
    found: list[tuple[Reference, tuple[Sum, ...]]] = []
    stack: list[tuple[Expression, tuple[Sum, ...]]] = [(expression, ())]
    while stack:
        node, around = stack.pop()
        if isinstance(node, Reference):
            if node.name == name:
                found.append((node, around))
        elif isinstance(node, Sum):
            stack.append((node.body, (*around, node)))
        else:
            stack.extend((child, around) for child in reversed(children(node)))
    return found


def _definition(definition: Equation, use: Reference, scope: Sequence[Range]) -> tuple[Conditions, Expression] | None:
    """When a definition applies to a use, and what the use is then."""
    taken = {r.variable for r in scope}
    renaming: dict[str, Index] = {}
    for node in preorder(definition.right):
        if isinstance(node, Sum):
            for item in node.ranges:
                if item.variable in taken:
                    renaming[item.variable] = Index.variable(_fresh(item.variable, taken))
    binding: dict[str, Index] = {}
    conditions: list[Comparison] = []
    own = {r.variable for r in definition.ranges}
    for left, index in zip(definition.indices, use.indices, strict=True):
        variables = [v for v in left.variables() if v in own]
        if not variables:
            conditions.append(Comparison(index, "==", left))
        elif len(left.terms) == 1 and abs(left.terms[0][1]) == 1 and variables[0] not in binding:
            sign = left.terms[0][1]
            binding[variables[0]] = index.plus(Index(left.constant), -1).times(sign)
        else:
            return None
    if own - set(binding):
        return None
    for item in definition.ranges:
        value = binding[item.variable]
        conditions += [
            Comparison(value, ">=", item.low.substitute(binding)),
            Comparison(value, "<=", item.high.substitute(binding)),
        ]
    conditions += [c.substitute(binding) for c in definition.conditions]
    return tuple(conditions), substitute_indices(_renamed(definition.right, renaming), binding)


def _renamed(expression: Expression, renaming: dict[str, Index]) -> Expression:
    if not renaming:
        return expression
    inner = substitute_indices(expression, renaming)

    def change(node: Expression) -> Expression:
        if isinstance(node, Sum):
            ranges = tuple(
                Range(str(renaming.get(r.variable, Index.variable(r.variable)).terms[0][0]), r.low, r.high)
                for r in node.ranges
            )
            return Sum(node.body, ranges, node.conditions)
        return node

    return transform(inner, change)


def _fresh(word: str, taken: set[str]) -> str:
    while word in taken:
        word += "'"
    return word


def _restricted(
    equation: Equation, use: Reference, value: Expression, conditions: Conditions, system: System
) -> Equation | None:
    """The equation for the members for which the conditions hold, with the use replaced; None if there are none."""
    reduced = tightened(equation.ranges, (*equation.conditions, *conditions), system)
    if reduced is None:
        return None
    ranges, rest, fixed = reduced
    right = substitute_indices(build.replace(equation.right, {use: value}), fixed)
    return Equation(
        equation.name, tuple(i.substitute(fixed) for i in equation.indices), right, ranges, rest, equation.origin
    )


def _replace_sum(
    right: Expression,
    around: Sum,
    use: Reference,
    pieces: Sequence[tuple[Conditions, Expression]],
    system: System,
    equation: Equation,
) -> Expression:
    """The sum split into sums over the parts of its range."""
    outer = [r.variable for r in equation.ranges]
    parts: list[Expression] = []
    for conditions, value in pieces:
        reduced = tightened(around.ranges, (*around.conditions, *conditions), system, outer)
        if reduced is not None:
            ranges, rest, fixed = reduced
            body = substitute_indices(build.replace(around.body, {use: value}), fixed)
            parts.append(Sum(body, ranges, rest) if ranges else body)
    whole = parts[0] if len(parts) == 1 else build.add(parts)

    def change(node: Expression) -> Expression:
        return whole if node == around else node

    return transform(right, change)
