"""Statements in one form: a dimension's variable has one name, and a member by itself is a loop of one turn.

``h[T] = ... g[T+1]`` becomes ``h[t] = ... g[t+1] for t in T..T``, so that it can run in the loop over ``t`` that it
belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.catalogues import message
from bptt_solver.compile.statements import Loop, NotCompiled, Specialiser, Statement
from bptt_solver.language.expressions import (
    Call,
    Expression,
    Index,
    IndexValue,
    Reference,
    Sum,
    substitute_indices,
    transform,
)

Dimension = tuple[str, int]


class Canonical:
    """The names of the variables, and the statements rewritten."""

    def __init__(self, specialiser: Specialiser) -> None:
        self.specialiser = specialiser
        self.system = specialiser.system
        self.positions: dict[str, list[Dimension]] = {}
        for text, (name, fixed) in specialiser.labels.items():
            free = [at for at, value in enumerate(fixed) if value is None]
            self.positions[text] = [specialiser.dimensions.of(name, at) for at in free]
        self.names = self._names()

    def _names(self) -> dict[Dimension, str]:
        """The variable of each dimension: the one that most equations use."""
        counts: dict[Dimension, dict[str, int]] = {}
        for statement in self.specialiser.statements:
            for dimension, index in zip(self.positions[statement.name], statement.indices, strict=True):
                for variable in index.variables():
                    if variable not in self.system.sizes:
                        own = counts.setdefault(dimension, {})
                        own[variable] = own.get(variable, 0) + 1
        chosen: dict[Dimension, str] = {}
        taken: set[str] = set(self.system.sizes)
        for dimension, own in counts.items():
            name = max(own, key=lambda v: (own[v], v))
            while name in taken:
                name += "'"
            taken.add(name)
            chosen[dimension] = name
        return chosen

    def statements(self) -> list[Statement]:
        """All statements in the one form."""
        return [self._pointed(self._renamed(s)) for s in self.specialiser.statements]

    def _renamed(self, statement: Statement) -> Statement:
        own: dict[Dimension, list[str]] = {}
        for dimension, index in zip(self.positions[statement.name], statement.indices, strict=True):
            own.setdefault(dimension, []).extend(v for v in index.variables() if v not in self.system.sizes)
        binding: dict[str, Index] = {}
        for dimension, found in own.items():
            name = self.names.get(dimension)
            if name is not None and found and name not in found:  # of two in one dimension, u[j,k], one is renamed
                binding[found[0]] = Index.variable(name)
        if not binding:
            return statement
        kept = {loop.variable for loop in statement.loops} - set(binding)
        if any(index.terms[0][0] in kept for index in binding.values()):
            raise NotCompiled(message("compile.two_alike"))
        loops = tuple(
            Loop(next(iter(binding[o.variable].variables())), o.low, o.high, o.first, o.last)
            if o.variable in binding
            else o
            for o in statement.loops
        )
        indices = tuple(i.substitute(binding) for i in statement.indices)
        right = substitute_indices(statement.right, binding)
        return Statement(statement.name, indices, loops, right, statement.origin, statement.part)

    def _pointed(self, statement: Statement) -> Statement:
        """Constant indices on the left, along dimensions with recurrences, as loops of one turn."""
        used = {loop.variable for loop in statement.loops}
        moved: dict[Dimension, tuple[str, int]] = {}
        indices, loops = list(statement.indices), list(statement.loops)
        for at, dimension in enumerate(self.positions[statement.name]):
            name = self.names.get(dimension)
            constant = not any(v not in self.system.sizes for v in indices[at].variables())
            if name is None or name in used or not constant or dimension not in self.specialiser.dimensions.shifted:
                continue
            value = self.system.index(indices[at], {})
            loops.append(Loop(name, indices[at], indices[at], value, value))
            indices[at] = Index.variable(name)
            moved[dimension] = (name, value)
        if not moved:
            return statement
        right = self._moved(statement.right, moved)
        order = {v: at for at, index in enumerate(indices) for v in index.variables()}
        loops.sort(key=lambda loop: order.get(loop.variable, -1))  # as the axes lie in memory
        return Statement(statement.name, tuple(indices), tuple(loops), right, statement.origin)

    def _moved(self, expression: Expression, moved: Mapping[Dimension, tuple[str, int]]) -> Expression:
        def change(node: Expression) -> Expression:
            if isinstance(node, Reference) and node.indices:
                return Reference(node.name, tuple(self._index(node, at, moved) for at in range(len(node.indices))))
            return node  # what a sum binds stays as it is

        return transform(expression, change, into_sums=False)

    def _index(self, node: Reference, at: int, moved: Mapping[Dimension, tuple[str, int]]) -> Index:
        index, dimension = node.indices[at], self.positions[node.name][at]
        if dimension not in moved or any(v not in self.system.sizes for v in index.variables()):
            return index
        name, value = moved[dimension]
        return Index.variable(name).plus(self.system.index(index, {}) - value)


def variables(expression: Expression, sizes: Mapping[str, int]) -> dict[str, None]:
    """The index variables that are free in an expression, in order."""
    found: dict[str, None] = {}
    pending: list[tuple[Expression, frozenset[str]]] = [(expression, frozenset())]
    while pending:
        node, bound = pending.pop()
        indices: Sequence[Index] = ()
        if isinstance(node, Reference):
            indices = node.indices
        elif isinstance(node, IndexValue):
            indices = (node.index,)
        elif isinstance(node, Call):
            pending += [(a, bound) for a in reversed(node.arguments)]
        elif isinstance(node, Sum):
            pending.append((node.body, bound | {r.variable for r in node.ranges}))
        found.update(dict.fromkeys(v for i in indices for v in i.variables() if v not in sizes and v not in bound))
    return found
