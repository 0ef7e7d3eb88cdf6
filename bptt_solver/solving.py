"""Which variables of an equation the indices of a used family determine, and which stay as a sum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bptt_solver.language.expressions import Comparison, Expression, Index, Range, substitute_indices
from bptt_solver.system import System
from bptt_solver.uses import Use


class Solution:
    """For one use: the equation's variables in terms of the indices of the family that is used."""

    def __init__(self, use: Use, names: Sequence[str], system: System) -> None:
        own = list(use.equation.ranges)
        inner = [r for b in use.binders for r in b.ranges]
        self.renaming = {r.variable: Index.variable("·" + r.variable) for r in (*own, *inner)}
        fresh = {"·" + r.variable for r in (*own, *inner)}
        taken = {*names, *system.sizes, *system.maps}
        self.binding: dict[str, Index] = {}
        pending: list[tuple[int, Index]] = [(p, i.substitute(self.renaming)) for p, i in enumerate(use.leaf.indices)]
        equalities: list[tuple[int, Index]] = []
        while pending:
            pending = [(p, i.substitute(self.binding)) for p, i in pending]
            pending.sort(key=lambda item: (len(_open(item[1], fresh)), item[0]))
            position, index = pending.pop(0)
            candidates = [
                a for a, c in index.terms if isinstance(a, str) and a in fresh and a not in self.binding and abs(c) == 1
            ]
            hidden = {v for look in index.lookups() for i in look.indices for v in i.variables()}
            candidates = [a for a in candidates if a not in hidden]
            if not candidates:
                equalities.append((position, index))
                continue
            variable = candidates[-1]
            coefficient = dict(index.terms)[variable]
            rest = Index(index.constant, tuple(t for t in index.terms if t[0] != variable))
            value = Index.variable(names[position]).plus(rest, -1).times(coefficient)
            self.binding = {v: e.substitute({variable: value}) for v, e in self.binding.items()}
            self.binding[variable] = value
        free = [v for v in ("·" + r.variable for r in (*own, *inner)) if v not in self.binding]
        words: dict[str, Index] = {}
        for variable in free:
            word = fresh_name(variable[1:], taken | {str(i.terms[0][0]) for i in words.values()})
            words[variable] = Index.variable(word)
        self.binding = {v: e.substitute(words) for v, e in self.binding.items()} | words
        self.summed = {str(i.terms[0][0]) for i in words.values()}
        ranges: list[Range] = []
        conditions: list[Comparison] = []
        for item in (*own, *inner):
            low, high = (self._put(i) for i in (item.low, item.high))
            value = self.binding["·" + item.variable]
            if "·" + item.variable in words:
                ranges.append(Range(str(value.terms[0][0]), low, high))
            else:
                conditions += [Comparison(value, ">=", low), Comparison(value, "<=", high)]
        for condition in (*use.equation.conditions, *(c for b in use.binders for c in b.conditions)):
            conditions.append(Comparison(self._put(condition.left), condition.operator, self._put(condition.right)))
        for position, index in equalities:
            conditions.append(Comparison(index.substitute(self.binding), "==", Index.variable(names[position])))
        self.ranges = tuple(ranges)
        self.conditions = conditions
        # from the equation's own variables to the family's indices, in one step
        self.binding |= {variable[1:]: value for variable, value in self.binding.items()}

    def place(self, expression: Expression) -> Expression:
        """An expression of the equation in terms of the indices of the family that is used."""
        return substitute_indices(substitute_indices(expression, self.renaming), self.binding)

    def _put(self, index: Index) -> Index:
        return index.substitute(self.renaming).substitute(self.binding)


def _open(index: Index, fresh: set[str]) -> set[str]:
    return {v for v in index.variables() if v in fresh}


def fresh_name(word: str, taken: Iterable[str]) -> str:
    """The word, with as many primes as make it new."""
    while word in set(taken):
        word += "'"
    return word
