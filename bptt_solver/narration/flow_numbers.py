"""The numbers of gradient flow, with what a page computes them from when given ones change."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.analyses.courses import Course, GroupFlow
from bptt_solver.analyses.factors import Factor, Way
from bptt_solver.analyses.gradient_flow import Flow
from bptt_solver.analyses.made_flow import made_flow
from bptt_solver.blocks import Cell
from bptt_solver.made import Source
from bptt_solver.steps.made import cell_of


class FlowNumbers:
    """Which number is which; None where a page does not compute it again."""

    def __init__(self, flow: Flow) -> None:
        self.made = made_flow(flow)

    def value(self, course: Course, time: int, step: bool = False) -> Cell | None:
        """The Jacobian of the end, or of a step, if it is a number."""
        made = self.made.courses.get(tuple(course.states))
        rows = None if made is None else (made.steps if step else made.rows).get(time)
        return None if rows is None else cell_of(rows[0])

    def norm(self, course: Course, time: int, at: int = 0, step: bool = False) -> Cell | None:
        """A singular value of it."""
        made = self.made.courses.get(tuple(course.states))
        rows = None if made is None else (made.steps if step else made.rows).get(time)
        return None if rows is None or made is None else cell_of(self.made.singular(rows, made.size, at))

    def bound(self, course: Course, time: int) -> Cell | None:
        """The product of the steps' norms."""
        made = self.made.courses.get(tuple(course.states))
        return None if made is None else _known(made.bounds.get(time))

    def arrived(self, course: Course, time: int) -> Cell | None:
        """What arrives of the error that enters last."""
        made = self.made.courses.get(tuple(course.states))
        return None if made is None else _known(made.arrived.get(time))

    def mean(self, course: Course) -> Cell | None:
        """The geometric mean of the norm a step."""
        made, time = self.made.courses.get(tuple(course.states)), course.reaches[-1].time
        if made is None or time not in made.rows:
            return None
        return cell_of(self.made.mean(self.made.singular(made.rows[time], made.size, 0), course.steps))

    def is_made(self, group: GroupFlow) -> bool:
        """Whether the numbers of a group are computed again."""
        return tuple(group.group.states) in self.made.courses

    def between(self, sources: Sequence[Source]) -> tuple[Cell, Cell] | None:
        """The smallest and the largest of numbers."""
        if not sources:
            return None
        low, high = self.made.ends(sources)
        return cell_of(low), cell_of(high)

    def ends(self, group: GroupFlow, factor: Factor, at: int) -> tuple[Cell, Cell] | None:
        """Between which a singular value of a factor lies."""
        if not self.is_made(group):
            return None
        return self.between([self.made.local_value(pair, at) for pair in factor.pairs.values()])

    def size_mean(self, group: GroupFlow, factor: Factor) -> Cell | None:
        """The mean size of a factor that is a number."""
        if not self.is_made(group) or factor.shape != (1, 1):
            return None
        return cell_of(self.made.average([self.made.local_value(pair, 0) for pair in factor.pairs.values()]))

    def way(self, group: GroupFlow, way: Way) -> list[Source]:
        """The norms of a way by time."""
        if not self.is_made(group):
            return []
        pairs = {(f.user, f.read, f.shift): f.pairs for f in group.factors}
        return [self.made.way([pairs[link][time] for link in way.links]) for time in way.norms]

    def length(self, number: int | None) -> Cell | None:
        """The length of an ordered derivative."""
        return None if number is None else cell_of(self.made.length(number))

    def ratio(self, number: int, following: int) -> Cell | None:
        """Of two such lengths."""
        return cell_of(self.made.quotient(self.made.length(number), self.made.length(following)))

    def way_mean(self, norms: Sequence[Source]) -> Cell | None:
        """The geometric mean of the norms of a way."""
        return cell_of(self.made.average(norms, geometric=True)) if norms else None


def _known(source: Source | None) -> Cell | None:
    return None if source is None else cell_of(source)


__all__ = ["FlowNumbers"]
