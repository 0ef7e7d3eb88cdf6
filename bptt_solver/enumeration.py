"""All assignments of range variables for which conditions hold, counted before they are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Conditions, Expression, Index, Iverson, Range, Sum
from bptt_solver.limits import Limits
from bptt_solver.system import Environment, OutsideMap, System


class _Counted(NamedTuple):
    """How many steps an enumeration takes, how many members it has, and whether counting went to the end."""

    steps: int
    members: int
    sure: bool


_ONE, _NONE = _Counted(1, 1, True), _Counted(0, 0, True)


class Enumeration:
    """Enumerates the members of index domains of one system, within ``slack`` times the limit on instances."""

    def __init__(self, system: System, limits: Limits, slack: int = 1) -> None:
        self.system = system
        self.limits = limits
        self.most = limits.get("instances") * slack
        self.count = 0

    def spend(self, amount: int, what: str, equation: Equation | None = None) -> None:
        """Count instances before they are made. ``what`` is the key of what they belong to, for the message."""
        self.count += amount
        if self.count > self.most:
            raise self._exceeded(self.count, what, equation, or_more=amount < self.most)

    def _exceeded(self, amount: int, what: str, equation: Equation | None, *, or_more: bool) -> ProblemError:
        span = equation.origin.span() if equation is not None and equation.origin is not None else None
        told = message(what, name=equation.name if equation is not None else "")
        return self.limits.exceeded("instances", amount, told, span, or_more=or_more)

    # -- before anything is made

    def forecast(self, equations: Sequence[Equation]) -> None:
        """Calculate how many instances and summands there will be, where that follows from the bounds alone.

        Too many are refused before the first one is made.
        """
        total, sure, first = 0, True, None
        for equation in equations:
            found = _ONE
            if equation.ranges:
                found = _NONE if equation.conditions else self._steps(equation.ranges, {})
            total, sure = total + found.steps, sure and found.sure
            for part in equation.parts(self.system.templates):
                summands, known = self._summands(part.leaves)
                total, sure = total + found.members * summands, sure and known
            if first is None and total > self.most:
                first = equation
        if first is not None:
            raise self._exceeded(total, "limit.system", first, or_more=not sure)

    def _summands(self, leaves: Sequence[Expression]) -> tuple[int, bool]:
        """How many summands inner sums have for one member, 0 where it depends on indices; and whether that is all."""
        total, all_sure = 0, True
        if Sum not in map(type, leaves):
            return total, all_sure
        pending: list[tuple[int, Sequence[Expression]]] = [(1, leaves)]
        while pending:
            times, inner = pending.pop()
            if any(type(leaf) is Iverson for leaf in inner):
                continue
            for leaf in inner:
                if type(leaf) is not Sum or leaf.conditions:
                    continue
                found = self._steps(leaf.ranges, {})
                total += times * found.steps
                all_sure = all_sure and found.sure
                if found.members:
                    pending.append((times * found.members, self.system.templates.of(leaf.body)[1]))
        return total, all_sure

    def _steps(self, ranges: Sequence[Range], outer: Environment) -> _Counted:
        """What `environments` will go through; nothing where bounds depend on what is not in ``outer``."""
        first, rest = ranges[0], ranges[1:]
        try:
            low, high = self.system.index(first.low, outer), self.system.index(first.high, outer)
        except (KeyError, OutsideMap):
            return _NONE
        length = max(0, high - low + 1)
        if not rest or not length:
            return _Counted(length, length, True)
        if not any(first.variable in {*r.low.variables(), *r.high.variables()} for r in rest):
            inner = self._steps(rest, outer)
            return _Counted(length * (1 + inner.steps), length * inner.members, inner.sure)
        steps, members = length, 0
        for value in range(low, high + 1):
            if steps > self.most:
                return _Counted(steps, members, False)
            inner = self._steps(rest, {**outer, first.variable: value})
            steps, members = steps + inner.steps, members + inner.members
        return _Counted(steps, members, True)

    # -- one by one

    def environments(
        self,
        ranges: Sequence[Range],
        conditions: Conditions,
        outer: Environment,
        what: str,
        equation: Equation | None = None,
    ) -> Iterator[Environment]:
        """All assignments of the range variables for which the conditions hold, the first variable slowest."""
        system = self.system
        if not ranges:
            if not conditions or system.holds(conditions, outer):
                yield outer
            return
        if conditions:
            names = {r.variable for r in ranges}
            outside = [c for c in conditions if not names & {*c.left.variables(), *c.right.variables()}]
            if outside:
                if not system.holds(outside, outer):
                    return
                conditions = tuple(c for c in conditions if c not in outside)
        known = self._from_inverse(ranges, conditions, outer)
        if known is not None:
            yield from known
            return
        first, rest = ranges[0], ranges[1:]
        low, high = system.index(first.low, outer), system.index(first.high, outer)
        if high < low:
            return
        self.spend(high - low + 1, what, equation)
        for value in range(low, high + 1):
            inner = {**outer, first.variable: value}
            if rest:
                yield from self.environments(rest, conditions, inner, what, equation)
            elif not conditions or system.holds(conditions, inner):
                yield inner

    def _from_inverse(
        self, ranges: Sequence[Range], conditions: Conditions, outer: Environment
    ) -> Iterator[Environment] | None:
        """A condition ``left[j] == i`` on the only variable: read off the inverse map instead of trying all."""
        if len(ranges) != 1:
            return None
        variable = ranges[0].variable
        for condition in conditions:
            if condition.operator != "==":
                continue
            for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
                lookup = _plain_lookup(one, variable)
                if lookup is not None and variable not in set(other.variables()):
                    low, high = self.system.index(ranges[0].low, outer), self.system.index(ranges[0].high, outer)
                    hits = self.system.maps[lookup].inverse(self.system.index(other, outer))
                    inner = ({**outer, variable: at[0]} for at in hits if low <= at[0] <= high)
                    return (e for e in inner if self.system.holds(conditions, e))
        return None


def _plain_lookup(index: Index, variable: str) -> str | None:
    if index.constant == 0 and len(index.terms) == 1 and index.terms[0][1] == 1:
        atom = index.terms[0][0]
        if not isinstance(atom, str) and len(atom.indices) == 1 and atom.indices[0] == Index.variable(variable):
            return atom.name
    return None
