"""Gradient flow: how much of a state is left after so many steps, which factors shrink it or make it grow, and how
large the error signals are along the way."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bptt_solver.analyses.courses import Course, GroupFlow, Reach, Signals
from bptt_solver.analyses.factors import Factors, Way
from bptt_solver.analyses.states import Group, State, find_groups
from bptt_solver.analyses.transport import Block, Matrix, Size, Transport, norm
from bptt_solver.arithmetic import is_array
from bptt_solver.contributions import contributions
from bptt_solver.language.expressions import Index, Reference
from bptt_solver.steps.times import Times

if TYPE_CHECKING:
    from bptt_solver.computation import Computation


class Flow:
    """The gradient flow of a computation. ``groups`` is empty where nothing is carried from one time to another.

    ``everything``: long tables are printed whole.
    """

    key = "gradient_flow"

    def __init__(self, computation: Computation, everything: bool = False) -> None:
        self.computation = computation
        self.everything = everything
        self.times = Times(computation.problem.system)
        self.variable = self.times.variable
        self.made: Any = None  # see `bptt_solver.analyses.made_flow`
        self.transport = Transport(computation)
        self.groups = [self._flow(group) for group in find_groups(computation.problem.unfolded, self.times)]

    # -- one group

    def _flow(self, group: Group) -> GroupFlow:
        found = GroupFlow(group)
        transport = self.transport
        factors = Factors(self.computation, self.times, group)
        sizes = [transport.size(s.members[group.last(s)]) for s in group.states]
        courses = {s: Course([s], group.last(s), size) for s, size in zip(group.states, sizes, strict=True)}
        found.entered, entering = self._entering(group)
        collector = _Collector(group, courses, found.entered, factors)
        transport.sweep(group, entering, collector.visit, collector.record)
        found.factors = factors.found()
        if len(found.factors) > 1:
            collector.tell_direct()
        found.ways = factors.ways()
        self._steps(group, found, courses, collector.reaches)
        found.courses = [c for c in courses.values() if c.reaches]
        found.signals = self._signals(group)
        if len(group.states) == 1 and group.simple and found.courses:
            found.path = factors.path(group.states[0])
            found.gains = self._gains(group, found)
        return found

    def _steps(
        self,
        group: Group,
        found: GroupFlow,
        courses: dict[State, Course],
        reaches: dict[tuple[State, int], Reach],
    ) -> None:
        """The steps one by one, and the states together as their product."""
        alone = len(group.states) == 1
        total = sum(c.size for c in courses.values())
        whole = Course(group.states, max(group.times, key=lambda t: t * group.direction), total)
        product: Block | None = None
        bound = Size(1.0)
        complete = group.simple
        for time in reversed(group.times[1:]):
            one = self.transport.step(group, time)
            together, before = one.whole, time - group.direction
            for way in found.ways:
                way.add(time, one.pieces)
            for state, matrix in one.own.items():
                reach = reaches.get((state, before))
                if reach is not None:
                    reach.step = norm(matrix)
                    if matrix.shape == (1, 1):
                        reach.step_value = float(matrix[0, 0])
            complete = complete and together is not None
            if not complete or together is None:
                continue
            step = norm(together)
            bound = bound.times(Size(step))
            if alone:
                reach = reaches.get((group.states[0], before))
                if reach is not None and courses[group.states[0]].size > 1:
                    reach.bound = bound
                continue
            product = Block(together) if product is None else product.times(together)
            reach = Reach(before, product.sizes())
            reach.step, reach.bound = step, bound
            whole.reaches.append(reach)
        if whole.reaches:
            found.together = whole

    def _entering(self, group: Group) -> tuple[int | None, dict[int, Matrix]]:
        """Where errors enter the group's paths last, and the row vectors that enter there."""
        computation = self.computation
        for time in reversed(group.times):
            rows: dict[int, Matrix] = {}
            for number in group.at[time]:
                derivative = computation.derivative_number(computation.unfolded.keys[number])
                if derivative is None:
                    continue
                total = [
                    c.value
                    for c in contributions(computation, derivative)
                    if computation.unfolded.number[c.user] not in group.on_paths
                ]
                if total:
                    row = self._row(sum(total[1:], total[0]), number)
                    if row.any():
                        rows[number] = row
            if rows:
                return time, rows
        return None, {}

    def _row(self, value: Any, number: int) -> Matrix:
        import numpy

        from bptt_solver.arithmetic import to_float

        return numpy.broadcast_to(
            numpy.asarray(to_float(value), dtype=float), numpy.shape(self.transport.values[number])
        ).reshape(-1)

    def _signals(self, group: Group) -> list[Signals]:
        """The error signals of the states, and of what reads a state of another time."""
        computation, times = self.computation, self.times
        states = {(s.name, s.rest): s for s in group.states}
        columns: dict[Any, Signals] = {}
        for number in group.nodes:
            place = group.place[number]
            time = group.time.get(number)
            if time is None:
                continue
            reads = [r for r in computation.unfolded.reads(number) if r in group.on_paths]
            if place not in states and all(group.time.get(r) == time for r in reads):
                continue
            derivative = computation.derivative_number(computation.unfolded.keys[number])
            if derivative is None:
                continue
            if place not in columns:
                position = times.system.time_position(place[0]) or 0
                time_index = Index.variable(self.variable)
                reference = State(place, position, {}).derivative(computation.target_text, time_index)
                columns[place] = Signals(reference, states.get(place))
            columns[place].numbers[time] = derivative
            columns[place].lengths[time] = _length(computation.values[derivative])
        return sorted(columns.values(), key=lambda s: s.state is None)

    def _gains(self, group: Group, found: GroupFlow) -> list[float]:
        """What each factor of the only path multiplies by, along the direction that survives best."""
        import numpy

        course = found.courses[0]
        if course.matrix is None or course.reaches[-1].norm.log10 is None:
            return []
        direction = numpy.linalg.svd(course.matrix)[2][0]
        at = group.states[0].members[course.reaches[-1].time]
        end = group.states[0].members[course.last]
        sums: dict[Any, float] = {}
        tangent = direction[None, :]
        for number in group.nodes[group.nodes.index(at) + 1 :]:
            reads = [r for r in self.computation.unfolded.reads(number) if r == at]
            if not reads:
                continue
            moved = self.transport.along(number, {at: tangent})
            length = 0.0 if moved is None else float(numpy.linalg.norm(moved))
            if moved is None or not length:
                return []
            key = group.place[number]
            sums[key] = sums.get(key, 0.0) + math.log(length)
            tangent, at = moved / length, number
            if number == end:
                break
        return [math.exp(sums.get(f.user, 0.0) / course.steps) for f in found.path]

    def through(self, group: Group, way: Way) -> list[Reference]:
        """What a way leads through, by name."""
        system = self.computation.problem.system
        time = Index.variable(self.variable)
        references = []
        for at, column in enumerate(way.columns):
            state = State(column, system.time_position(column[0]) or 0, {})
            references.append(state.reference(time if at else time.plus(-group.direction)))
        return references

    # -- as data

    def data(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {"variable": self.variable, "groups": [self._group(g) for g in self.groups]}

    def _group(self, found: GroupFlow) -> dict[str, Any]:
        from bptt_solver.language.notation.source import to_source

        variable = self.variable
        data: dict[str, Any] = {
            "states": [s.text(variable) for s in found.group.states],
            "direction": found.group.direction,
            "flows": [self._course(c) for c in found.courses],
            "factors": [f.data() for f in found.factors],
            "signals": [
                {
                    "of": s.reference.name,
                    "state": None if s.state is None else s.state.text(variable),
                    "times": list(s.lengths),
                    "lengths": list(s.lengths.values()),
                }
                for s in found.signals
            ],
            "entered": found.entered,
        }
        if found.ways:
            data["ways"] = [
                {
                    "through": [to_source(r) for r in self.through(found.group, way)],
                    "times": list(way.norms),
                    "norms": list(way.norms.values()),
                }
                for way in found.ways
            ]
        if found.together is not None:
            data["together"] = self._course(found.together)
        if found.gains:
            data["gains"] = dict(zip([f.name for f in found.path], found.gains, strict=True))
        return data

    def _course(self, course: Course) -> dict[str, Any]:
        rows = []
        for reach in course.reaches:
            row: dict[str, Any] = {
                "time": reach.time,
                "singular_values": [s.number for s in reach.sizes],
                "log10_norm": reach.norm.log10,
                "step": reach.step,
            }
            for name, size in (("bound", reach.bound), ("direct", reach.direct)):
                if size is not None:
                    row[name] = size.number
            if reach.value is not None:
                row["value"] = reach.value
            rows.append(row)
        return {
            "of": [s.text(course.last) for s in course.states],
            "verdict": course.verdict,
            "steps": course.steps,
            "factor": course.factor,
            "rows": rows,
            "arrived": {"times": list(course.arrived), "lengths": [s.number for s in course.arrived.values()]},
        }


class _Collector:
    """Takes what a sweep meets."""

    def __init__(self, group: Group, courses: dict[State, Course], entered: int | None, factors: Factors) -> None:
        self.group = group
        self.courses = courses
        self.entered = entered
        self.factors = factors
        self.reaches: dict[tuple[State, int], Reach] = {}
        self._states = {(s.name, s.rest): s for s in group.states}
        self._direct: dict[State, Block] = {}
        self._directs: dict[tuple[State, int], Size] = {}

    def visit(self, user: int, read: int, matrix: Matrix) -> None:
        """A simple partial: one of the factors, and perhaps the next of those without a detour."""
        self.factors.add(user, read, matrix)
        group = self.group
        state = self._states.get(group.place[user])
        if state is None or group.place[read] != group.place[user] or not group.simple:
            return
        known = self._direct.get(state)
        if known is not None or user == state.members[group.last(state)]:
            self._direct[state] = Block(matrix) if known is None else known.times(matrix)
            self._directs[state, group.time[read]] = self._direct[state].sizes()[0]

    def record(self, state: State, time: int, block: Block, arrived: Size) -> None:
        """The Jacobian of the end by one time."""
        course = self.courses[state]
        if self.entered is not None and (self.entered - time) * self.group.direction >= 0:
            course.arrived[time] = arrived
        if time == course.last:
            return
        reach = Reach(time, block.sizes())
        if block.matrix.shape == (1, 1):
            reach.value = _signed(block)
        course.reaches.append(reach)
        course.matrix = block.matrix
        self.reaches[state, time] = reach

    def tell_direct(self) -> None:
        """What goes without a detour, beside what goes in all."""
        for at, size in self._directs.items():
            if at in self.reaches:
                self.reaches[at].direct = size


def _signed(block: Block) -> float | None:
    value = float(block.matrix[0, 0])
    number = Size(abs(value), block.exponent).number
    return None if number is None else math.copysign(number, value)


def _length(value: Any) -> float:
    if not is_array(value):
        return abs(float(value))
    return math.hypot(*[float(v) for v in value.ravel().tolist()])
