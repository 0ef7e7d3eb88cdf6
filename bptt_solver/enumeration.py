"""All assignments of range variables for which conditions hold, counted before they are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bptt_solver.language.expressions import Conditions, Index, Range
from bptt_solver.limits import Limits
from bptt_solver.system import Environment, System


class Enumeration:
    """Enumerates the members of index domains of one system, within the limit on instances."""

    def __init__(self, system: System, limits: Limits) -> None:
        self.system = system
        self.limits = limits
        self.most = limits.get("instances")
        self.count = 0

    def spend(self, amount: int, what: str) -> None:
        """Count instances before they are made."""
        self.count += amount
        if self.count > self.most:
            self.limits.check("instances", self.count, what)

    def environments(
        self, ranges: Sequence[Range], conditions: Conditions, outer: Environment, what: str
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
        self.spend(high - low + 1, what)
        for value in range(low, high + 1):
            inner = {**outer, first.variable: value}
            if rest:
                yield from self.environments(rest, conditions, inner, what)
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
