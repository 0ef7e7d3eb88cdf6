"""A batch axis as a rewriting of the system: everything that depends on the data gets one more index."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Expression, Index, Range, Reference, Sum, preorder, transform
from bptt_solver.system import Given, System

TOTAL = "total"


def batched(system: System, target: Reference, data: Collection[str], count: int) -> tuple[System, Reference]:
    """The system for ``count`` sequences at once, and its target: the sum of the targets of all sequences.

    The families in ``data`` and all that depends on them get an index ``n`` behind their own; what is trained stays as
    it is, and is shared by all sequences.
    """
    moved = _depending(system, data)
    taken = {*system.families, *system.sizes, *(v.variable for e in system.equations for v in e.ranges)}
    variable, size, total = (_free(word, taken) for word in ("n", "N", TOTAL))
    own = Index.variable(variable)

    def change(node: Expression) -> Expression:
        if isinstance(node, Reference) and node.name in moved:
            return Reference(node.name, (*node.indices, own))
        return node

    span = Range(variable, Index(1), Index.variable(size))
    equations: list[Equation] = []
    for e in system.equations:
        right = transform(e.right, change)
        if e.name in moved:
            equations.append(Equation(e.name, (*e.indices, own), right, (*e.ranges, span), e.conditions, e.origin))
        else:
            equations.append(Equation(e.name, e.indices, right, e.ranges, e.conditions, e.origin))
    name = total
    equations.append(Equation(name, (), Sum(change(target), (span,))))
    given = {n: [_grown(p, count) for p in parts] if n in moved else list(parts) for n, parts in system.given.items()}
    result = System(
        equations,
        given,
        system.operations,
        {**system.sizes, size: count},
        system.maps,
        {**system.ranks, name: 0},
        system.roles,
    )
    return result, Reference(name)


def _grown(part: Given, count: int) -> Given:
    members = None if part.members is None else tuple((*m, n) for m in part.members for n in range(1, count + 1))
    return Given(part.name, (*part.low, 1), (*part.high, count), part.shape, part.role, members)


def _depending(system: System, data: Collection[str]) -> set[str]:
    """The families that read data, directly or not, and the data."""
    found = set(data)
    users: dict[str, list[str]] = {}
    for equation in system.equations:
        for node in preorder(equation.right):
            if isinstance(node, Reference):
                users.setdefault(node.name, []).append(equation.name)
    pending: list[str] = list(data)
    while pending:
        for user in users.get(pending.pop(), ()):
            if user not in found:
                found.add(user)
                pending.append(user)
    return found


def _free(word: str, taken: Collection[str]) -> str:
    while word in taken:
        word += "'"
    return word


__all__: Sequence[str] = ["batched"]
