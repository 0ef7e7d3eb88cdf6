"""A long time cut into segments: the same system over a few steps, with what comes after a segment as one more term.

A segment of C steps is the system with C in place of T. Its states at the start are given. Its target is its own part
of the sum over all times, plus for each state that it hands on the product of that state with λ, the ordered
derivative by it that the later segments have found: by the chain rule the ordered derivatives of this sum by the
weights are the segment's part of the gradient, and those by its own first states are the λ of the segment before.
"""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.compile.cut import Cut
from bptt_solver.compile.frame import Box, Frame
from bptt_solver.compile.repeated import free
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Index, Range, Reference, Sum
from bptt_solver.system import Given, System


class Handed:
    """A member that one segment hands to the next: that of ``family`` at time T + ``lag`` (``lag`` is 0, -1, ...),
    which is the next segment's at time ``lag``. ``after`` is the name of its value at the end, ``before`` at the
    start, and ``received`` that of its λ."""

    __slots__ = ("after", "before", "family", "lag", "received")

    def __init__(self, family: str, lag: int, taken: set[str], tail: str) -> None:
        self.family = family
        self.lag = lag
        self.before = _free(f"before_{family}{tail}", taken)
        self.after = _free(f"after_{family}{tail}", taken)
        self.received = _free(f"λ_{family}{tail}", taken)


class Segments:
    """The programs of the segments of a frame, for the ordered derivatives by some families.

    Raises NotCompiled with the reason for a system that is not the same at all times, or whose target is not a sum over
    them.
    """

    def __init__(self, frame: Frame, derivatives: Sequence[str]) -> None:
        self.frame = frame
        self.cut = Cut(frame, derivatives)
        self.steps = self.cut.steps
        self.derivatives = list(derivatives)
        taken = {*frame.system.families, *frame.system.sizes}
        self.passed = self.cut.passed
        self.target = _free("target", taken)
        self.handed: list[Handed] = []
        for family, count in self.cut.states.items():
            for lag in range(1 - count, 1):
                tail = f"_{-lag}" if count > 1 else ""
                self.handed.append(Handed(family, lag, taken, tail))

    @property
    def begins(self) -> bool:
        """Whether the first segment is unlike the others, because equations define the states at the start."""
        return bool(self.cut.beginning)

    def of(self, kind: str, length: int, first: bool) -> tuple[Frame, list[str], list[str]]:
        """A frame, and the families whose values and derivatives are wanted, as `compile_frame` takes them: of a
        segment of so many steps, ``forward``: to the states at its end; ``middle``: its gradient, where others follow;
        ``last``: the gradient of the last one. ``first``: that at the start of all."""
        if kind == "forward":
            return self._forward(length, first)
        return self._middle(length, first) if kind == "middle" else self._last(length, first)

    def _forward(self, length: int, first: bool) -> tuple[Frame, list[str], list[str]]:
        equations = self._shared(first)
        for handed in self.handed:
            indices, ranges, value = self._member(handed, Index.variable(self.cut.size).plus(handed.lag))
            equations.append(Equation(handed.after, indices, value, ranges))
        low = {r.variable: r.low for r in equations[-1].ranges}
        target = Reference(equations[-1].name, tuple(i.substitute(low) for i in equations[-1].indices))
        return self._frame(equations, target, length, first, ()), [h.after for h in self.handed], []

    def _middle(self, length: int, first: bool) -> tuple[Frame, list[str], list[str]]:
        equations = [*self._shared(first), *self.cut.shares]
        terms: list[Expression] = []
        values: list[str] = []
        target = self.frame.target
        if target.name in self.cut.running:
            terms.append(target)
            values.append(target.name)
        for handed in self.handed:
            indices, ranges, value = self._member(handed, Index.variable(self.cut.size).plus(handed.lag))
            term = _product(Reference(handed.received, indices), value, self.frame.system.ranks.get(handed.family, 0))
            terms.append(Sum(term, ranges) if ranges else term)
        equations.append(Equation(self.target, (), build.add(terms), ()))
        received = [h.received for h in self.handed]
        frame = self._frame(equations, Reference(self.target), length, first, received)
        return frame, values, self._wanted(frame)

    def _last(self, length: int, first: bool) -> tuple[Frame, list[str], list[str]]:
        frame = self._frame([*self._shared(first), *self.cut.ends], self.frame.target, length, first, ())
        return frame, [], self._wanted(frame)

    def _wanted(self, frame: Frame) -> list[str]:
        names = [*self.derivatives, *(h.before for h in self.handed)]
        return [n for n in names if n in frame.given]

    # -- the states

    def _member(self, handed: Handed, time: Index) -> tuple[tuple[Index, ...], tuple[Range, ...], Reference]:
        """A state at a time: its other indices, their ranges, and the member itself."""
        place = self.cut.places[handed.family]
        indices = [Index.variable(name) for name in self._variables(handed.family)]
        spans = zip(indices, self.cut.starts[handed.family], strict=True)
        ranges = [Range(next(iter(i.variables())), Index(low), Index(high)) for i, (low, high) in spans]
        del ranges[place]
        rest = tuple(i for at, i in enumerate(indices) if at != place)
        indices[place] = time
        return rest, tuple(ranges), Reference(handed.family, tuple(indices))

    def _variables(self, family: str) -> list[str]:
        """Names for the indices of a family: those of an equation that defines it."""
        own = next(e for e in self.cut.steady if e.name == family)
        names: list[str] = []
        for index in own.indices:
            word = next((v for v in index.variables() if v not in self.frame.system.sizes), "i")
            names.append(free(word, [*names, *self.frame.system.sizes]))
        return names

    # -- frames

    def _shared(self, first: bool) -> list[Equation]:
        """The equations that all segments have, and those of the states at the start."""
        if first and self.begins:
            return [*self.cut.beginning, *self.cut.steady]
        starts: list[Equation] = []
        for handed in self.handed:
            indices, ranges, value = self._member(handed, Index(handed.lag))
            starts.append(Equation(handed.family, value.indices, Reference(handed.before, indices), ranges))
        return [*starts, *self.cut.steady]

    def _frame(
        self, equations: Sequence[Equation], target: Reference, length: int, first: bool, received: Sequence[str]
    ) -> Frame:
        system = self.frame.system
        boxes: dict[str, list[Box]] = {}
        for name, found in self.frame.given.items():
            if name not in system.defining or (first and self.begins):
                boxes[name] = self.cut.boxes(name, found, length)
        members, ranks = dict(self.frame.members), dict(system.ranks)
        for handed in self.handed:
            place = self.cut.places[handed.family]
            names = (handed.before, handed.after, handed.received)
            ranks.update(dict.fromkeys(names, ranks.get(handed.family, 0)))
            for (name, indices), shape in self.frame.members.items():
                if name == handed.family:
                    rest = tuple(i for at, i in enumerate(indices) if at != place)
                    members.update({(n, rest): shape for n in names})
            own = () if first and self.begins else (handed.before,)
            for name in (*own, handed.received):
                if name == handed.before or name in received:
                    boxes[name] = [tuple(e for at, e in enumerate(self.cut.starts[handed.family]) if at != place)]
        ranks[self.passed] = ranks[self.target] = 0
        members[self.passed, ()] = members[self.target, ()] = ()
        boxes[self.passed] = [()]
        parts = {name: self._given(name, found) for name, found in boxes.items()}
        sizes = {**system.sizes, self.cut.size: length}
        result = System(equations, parts, system.operations, sizes, system.maps, ranks, system.roles)
        there = {*result.families}
        return Frame(result, target, {key: shape for key, shape in members.items() if key[0] in there}, boxes)

    def _given(self, name: str, boxes: Sequence[Box]) -> list[Given]:
        known = self.frame.system.given.get(name)
        role = known[0].role if known else "value"
        shape = known[0].shape if known else tuple([None] * self._rank(name))
        return [Given(name, tuple(low for low, _ in box), tuple(high for _, high in box), shape, role) for box in boxes]

    def _rank(self, name: str) -> int:
        family = next((h.family for h in self.handed if name in (h.received, h.before)), name)
        return self.frame.system.ranks.get(family, 0)


def _product(left: Expression, right: Expression, rank: int) -> Expression:
    if rank == 0:
        return build.mul([left, right])
    if rank == 1:
        return Call("dot", (left, right))
    return Call("sum", (build.mul([left, right]),))


def _free(word: str, taken: set[str]) -> str:
    word = free(word, taken)
    taken.add(word)
    return word
