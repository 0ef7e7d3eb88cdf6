"""An equation as it is shown beside the given numbers: targets that sum to 1 turn ``p*sum(d) - d`` into ``p - d``."""

from __future__ import annotations

from bptt_solver.arithmetic import is_array
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Reference, Sum, transform
from bptt_solver.language.notation.source import to_source
from bptt_solver.problem.problem import Problem


def presented(equation: Equation, problem: Problem) -> tuple[Equation, list[str]]:
    """The equation with 1 for the sums of given families whose members all sum to exactly 1, and which sums those are.

    Only for showing: the system itself keeps the sums, since their derivatives with respect to the targets are not 0.
    """
    used: dict[str, None] = {}

    def change(node: Expression) -> Expression:
        if isinstance(node, Call):
            inner = node.arguments[0] if node.arguments else None
            if node.operation == "sum" and isinstance(inner, Reference) and sums_to_one(inner.name, problem):
                used[to_source(inner)] = None
                return build.ONE
            return build.call(node.operation, node.arguments)
        if isinstance(node, Sum) and build.is_zero(node.body):
            return build.ZERO
        return node

    right = transform(equation.right, change)
    if not used:
        return equation, []
    return Equation(equation.name, equation.indices, right, equation.ranges, equation.conditions), list(used)


def sums_to_one(name: str, problem: Problem) -> bool:
    """Whether a family is wholly given and the entries of each of its members sum to exactly 1."""
    if name in problem.system.defining:
        return False
    members = [value for (family, _), value in problem.given.items() if family == name]
    return bool(members) and all(is_array(value) and value.sum() == 1 for value in members)
