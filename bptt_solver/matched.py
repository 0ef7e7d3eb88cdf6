"""Matched pairs: an output function that only feeds its own loss (softmax with cross-entropy) passes its argument ``p - d``.

Which pairs match, and the joint derivative, is data of the loss (`bptt_solver.records.Loss.matched`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Index, Reference, preorder
from bptt_solver.language.operations import Operation, Operations
from bptt_solver.language.templates import instantiate, slot
from bptt_solver.records import Loss

if TYPE_CHECKING:
    from bptt_solver.chain_rule import AdjointEquation, Term


class Match:
    """Why a term stands for two steps: the loss's equation and its left-hand side, the joint partial, the reason in words."""

    __slots__ = ("loss", "partial", "reason", "user")

    def __init__(self, loss: Equation, user: Reference, partial: Expression, reason: str) -> None:
        self.loss = loss
        self.user = user
        self.partial = partial
        self.reason = reason


def matched_term(term: Term, output: AdjointEquation | None, operations: Operations) -> Term | None:
    """The term of an output function's argument, through the loss in one step; None where the pair does not match.

    ``output`` is the backward equation of the output itself, for the members that the term passes through.
    """
    function = term.via.right
    if output is None or not isinstance(function, Call) or len(function.arguments) != 1 or type(function.arguments[0]) is not Reference:
        return None
    if len(output.terms) != 1 or output.terms[0].ranges or output.terms[0].matched is not None:
        return None
    names = {str(i.terms[0][0]): there for i, there in zip(output.indices, term.user.indices, strict=True) if _is_variable(i, output)}
    through = output.terms[0].renamed(names)
    found = _loss_call(through, function.operation, operations)
    if found is None:
        return None
    operation, arguments, joint, reason = found
    derivative = operation.derivative(0)
    if derivative is None:
        return None
    binding = operation.bind(arguments, Call(operation.name, arguments))
    if build.mul([through.cotangent, build.replace(derivative, binding)]) != through.pullback:
        return None
    from bptt_solver.language.operations import parse_formula

    partial = build.replace(parse_formula(joint, operation.name), binding)
    match = Match(through.via, through.user, partial, reason)
    return term.through(through.cotangent, build.mul([through.cotangent, partial]), match)


def _is_variable(index: Index, equation: AdjointEquation) -> bool:
    return len(index.terms) == 1 and index.constant == 0 and index.terms[0][0] in {r.variable for r in equation.ranges}


def _loss_call(through: Term, output: str, operations: Operations) -> tuple[Operation, tuple[Expression, ...], str, str] | None:
    """The call of the loss whose first argument is the output, if the loss matches it."""
    for node in preorder(through.template.expression):
        if not isinstance(node, Call) or not node.arguments or node.arguments[0] != slot(through.slot):
            continue
        operation = operations.find(node.operation)
        if operation is None or not isinstance(operation.record, Loss) or output not in operation.record.matched:
            continue
        joint, reason = operation.record.matched[output]
        arguments = tuple(instantiate(a, through.leaves) for a in node.arguments)
        return operation, arguments, joint, reason
    return None
