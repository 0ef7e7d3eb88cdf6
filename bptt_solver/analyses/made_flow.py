"""What the numbers of the gradient flow are made of, so that a page can compute them again: Jacobians row by row, as
sweeps from one entry of a state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bptt_solver.analyses.states import Group, State
from bptt_solver.arithmetic import is_array
from bptt_solver.contributions import contributions
from bptt_solver.language.expressions import Call, Number
from bptt_solver.language.templates import slot
from bptt_solver.made import ONE, Source
from bptt_solver.making import Making
from bptt_solver.page_operations import ROWS, SINGULAR

if TYPE_CHECKING:
    from bptt_solver.analyses.courses import GroupFlow
    from bptt_solver.analyses.gradient_flow import Flow

MOST_MADE = 3_000  # rows of Jacobians, once for each instance on the way
_ZEROS, _ABS, _NORM = (Call(name, (slot(0),)) for name in ("zeros", "abs", "norm2"))
_PRODUCT, _QUOTIENT, _APPLIED = (Call(name, (slot(0), slot(1))) for name in ("mul", "div", "matmul"))
_LEAST, _MOST = (Call(name, (slot(0), slot(1))) for name in ("min", "max"))
_LOG, _EXP = (Call(name, (slot(0),)) for name in ("log", "exp"))
Lane = tuple[State, int]  # an entry of a state
Lanes = dict[int, dict[Lane, list[Source]]]  # what instances have received, by lane


class MadeCourse:
    """The rows of Jacobians by time: of the end, and of the step to the next time; the bound by time; what arrives of
    the error that enters."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.rows: dict[int, Sequence[Source]] = {}
        self.steps: dict[int, Sequence[Source]] = {}
        self.bounds: dict[int, Source] = {}
        self.arrived: dict[int, Source] = {}


class MadeFlow:
    """What stands for the numbers of a flow. ``courses`` are found by their states."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.computation = flow.computation
        self.values = flow.computation.values
        self.unfolded = flow.computation.problem.unfolded
        self.making = Making(flow.computation.made, self.unfolded)
        self.backward = Making(flow.computation.made, flow.computation.unfolded)
        self.courses: dict[tuple[State, ...], MadeCourse] = {}
        self._local: dict[tuple[int, int], list[Source]] = {}
        for found in flow.groups:
            if self._is_small(found.group):
                self._make(found)

    def _is_small(self, group: Group) -> bool:
        members = [n for s in group.states for n in s.members.values()]
        sizes = sum(self._size(s.members[group.last(s)]) for s in group.states)
        plain = all(getattr(self.values[n], "ndim", 0) < 2 for n in members)
        return plain and sizes * len(group.nodes) <= MOST_MADE

    def _size(self, number: int) -> int:
        value = self.values[number]
        return int(value.size) if is_array(value) else 1

    def _units(self, number: int) -> list[Source]:
        """What an instance receives where one of its entries is wanted."""
        if not is_array(self.values[number]):
            return [ONE]
        units = [Call("unit", (slot(0), Number(at + 1))) for at in range(self._size(number))]
        return [self.making.of(unit, (number,)) for unit in units]

    # -- all steps

    def _make(self, found: GroupFlow) -> None:
        group = found.group
        ends = {s: s.members[group.last(s)] for s in group.states}
        for state, end in ends.items():
            self.courses[state,] = MadeCourse(self._size(end))
        pending: Lanes = {}
        for state, end in ends.items():
            pending.setdefault(end, {}).update({(state, at): [u] for at, u in enumerate(self._units(end))})
        error = State(("", ()), 0, {}), 0  # the lane of the error that enters
        for number, source in self._entering(group, found.entered).items():
            pending.setdefault(number, {}).setdefault(error, []).append(source)
        states = {n: s for s in group.states for n in s.members.values()}
        for number in reversed(group.nodes):
            received = {lane: self.making.sum(parts) for lane, parts in pending.pop(number, {}).items()}
            if number in states:
                self._record(group, states[number], number, received, error)
            self._pass_on(group, number, received, pending)
        self._steps(found)

    def _record(self, group: Group, state: State, number: int, received: Mapping[Lane, Source], error: Lane) -> None:
        course, time = self.courses[state,], group.time[number]
        zeros = self.making.of(_ZEROS, (number,))
        if error in received:
            course.arrived[time] = self._length(received[error], number)
        if any((state, at) in received for at in range(course.size)):
            course.rows[time] = [received.get((state, at), zeros) for at in range(course.size)]

    def _pass_on(self, group: Group, number: int, received: Mapping[Lane, Source], pending: Lanes) -> None:
        for lane, source in received.items():
            for read, partial in self.making.partials(number, source).items():
                if read in group.on_paths:
                    pending.setdefault(read, {}).setdefault(lane, []).append(partial)

    def _entering(self, group: Group, time: int | None) -> dict[int, Source]:
        """What enters at a time from outside the paths."""
        found: dict[int, Source] = {}
        for number in group.at.get(time, ()) if time is not None else ():
            derivative = self.computation.derivative_number(self.unfolded.keys[number])
            parts = [] if derivative is None else [
                self.backward.ground(c.ground) for c in contributions(self.computation, derivative)
                if self.unfolded.number[c.user] not in group.on_paths
            ]  # fmt: skip
            if parts:
                found[number] = self.making.sum(parts)
        return found

    # -- one step

    def _steps(self, found: GroupFlow) -> None:
        group = found.group
        whole = MadeCourse(sum(self.courses[s,].size for s in group.states))
        product: list[Source] | None = None
        bound: Source | None = None
        complete = group.simple
        for time in reversed(group.times[1:]):
            before = time - group.direction
            together = self._step(group, time)
            complete = complete and together is not None
            if not complete or together is None:
                continue
            norm = self.norm(together, whole.size)
            bound = norm if bound is None else self.making.of(_PRODUCT, (bound, norm))
            if len(group.states) == 1:
                self.courses[group.states[0],].bounds[before] = bound
                continue
            below = self.making.of(Call(ROWS, tuple(map(slot, range(whole.size)))), together)
            product = together if product is None else [self.making.of(_APPLIED, (row, below)) for row in product]
            whole.rows[before], whole.steps[before], whole.bounds[before] = product, together, bound
        self.courses[tuple(group.states)] = whole if len(group.states) > 1 else self.courses[group.states[0],]

    def _step(self, group: Group, time: int) -> list[Source] | None:
        """The rows of one step of all states; None where not all are there. Each state's own rows are kept."""
        before = time - group.direction
        old, new = [[(s, s.members[t]) for s in group.states if t in s.members] for t in (before, time)]
        lanes = [((s, at), n, unit) for s, n in new for at, unit in enumerate(self._units(n))]
        pending: Lanes = {}
        for lane, number, unit in lanes:
            pending.setdefault(number, {})[lane] = [unit]
        arrived: Lanes = {}
        for number in reversed(group.at.get(time, ())):
            received = {lane: self.making.sum(parts) for lane, parts in pending.get(number, {}).items()}
            passed: Lanes = {}
            self._pass_on(group, number, received, passed)
            for read, own in passed.items():
                into = pending if group.time.get(read) == time else arrived if group.time.get(read) == before else {}
                for lane, parts in own.items():
                    into.setdefault(read, {}).setdefault(lane, []).extend(parts)
        whole: list[Source] | None = None
        if len(old) == len(new) == len(group.states):
            whole = [self._beside([(arrived.get(n, {}).get(lane), n) for _, n in old]) for lane, _, _ in lanes]
        states = {n: s for s, n in old}
        for number in reversed(group.at.get(before, ())):
            received = {lane: self.making.sum(parts) for lane, parts in arrived.get(number, {}).items()}
            state = states.get(number)
            if received and state is not None and time in state.members:
                zeros = self.making.of(_ZEROS, (number,))
                course = self.courses[state,]
                course.steps[before] = [received.get((state, at), zeros) for at in range(course.size)]
            passed = {}
            self._pass_on(group, number, received, passed)
            for read, own in passed.items():
                if group.time.get(read) == before:
                    for lane, parts in own.items():
                        arrived.setdefault(read, {}).setdefault(lane, []).extend(parts)
        return whole

    def _beside(self, parts: Sequence[tuple[list[Source] | None, int]]) -> Source:
        """A row: what each of the old states gets, side by side."""
        row = [self.making.of(_ZEROS, (n,)) if own is None else self.making.sum(own) for own, n in parts]
        if len(row) == 1:
            return row[0]
        return self.making.of(Call("concat", tuple(map(slot, range(len(row))))), row)

    # -- numbers

    def _length(self, source: Source, number: int) -> Source:
        return self.making.of(_NORM if is_array(self.values[number]) else _ABS, (source,))

    def singular(self, rows: Sequence[Source], size: int, at: int) -> Source:
        """A singular value (counted from 0) of a matrix of so many rows."""
        if size == 1:
            return self.making.of(_NORM, (rows[0],))
        tree = Call(SINGULAR, (Number(at + 1), *map(slot, range(len(rows)))))
        return self.making.of(tree, rows)

    def norm(self, rows: Sequence[Source], size: int) -> Source:
        """The largest singular value."""
        return self.singular(rows, size, 0)

    def local(self, user: int, read: int) -> list[Source]:
        """The rows of a simple partial."""
        if (user, read) not in self._local:
            zeros, units = self.making.of(_ZEROS, (read,)), self._units(user)
            self._local[user, read] = [self.making.partials(user, unit).get(read, zeros) for unit in units]
        return self._local[user, read]

    def local_value(self, pair: tuple[int, int], at: int) -> Source:
        """A singular value of a simple partial; -1: the smallest."""
        size = min(self._size(pair[0]), self._size(pair[1]))
        return self.singular(self.local(*pair), self._size(pair[0]), at % size)

    def way(self, pairs: Sequence[tuple[int, int]]) -> Source:
        """The norm of the product of simple partials, the first of them first."""
        rows, size = self.local(*pairs[0]), self._size(pairs[0][0])
        for pair in pairs[1:]:
            above = self.local(*pair)
            if size == 1:
                rows = [self.making.of(_PRODUCT, (row, rows[0])) for row in above]
            else:
                below = self.making.of(Call(ROWS, tuple(map(slot, range(size)))), rows)
                rows = [self.making.of(_APPLIED, (row, below)) for row in above]
            size = self._size(pair[0])
        return self.norm(rows, size)

    def ends(self, sources: Sequence[Source]) -> tuple[Source, Source]:
        """The smallest and the largest number."""
        low = high = sources[0]
        for source in sources[1:]:
            low, high = self.making.of(_LEAST, (low, source)), self.making.of(_MOST, (high, source))
        return low, high

    def average(self, sources: Sequence[Source], geometric: bool = False) -> Source:
        """The mean of numbers."""
        parts = [self.making.of(_LOG, (s,)) for s in sources] if geometric else sources
        mean = self.making.of(Call("div", (slot(0), Number(len(sources)))), (self.making.sum(parts),))
        return self.making.of(_EXP, (mean,)) if geometric else mean

    def length(self, number: int) -> Source:
        """The length of an ordered derivative."""
        return self.making.of(_NORM, (number,))

    def quotient(self, one: Source, other: Source) -> Source:
        """One number by another."""
        return self.making.of(_QUOTIENT, (one, other))

    def mean(self, source: Source, steps: int) -> Source:
        """The geometric mean of a step, of so many that have a size together."""
        return self.making.of(Call("power", (slot(0), Call("div", (Number(1), Number(steps))))), (source,))


def made_flow(flow: Flow) -> MadeFlow:
    """What stands for the numbers of a flow; found once, since a page tells it many times."""
    if flow.made is None:
        flow.made = MadeFlow(flow)
    known: MadeFlow = flow.made
    return known


__all__ = ["MadeCourse", "MadeFlow", "made_flow"]
