"""What every time of a system repeats: the equations that hold at all times, and what they read of other times.

The reasons against it are sentences for the person who wrote the equations.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bptt_solver.catalogues import message
from bptt_solver.compile.frame import Frame
from bptt_solver.compile.statements import Dimensions, NotCompiled
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Comparison,
    Expression,
    Index,
    IndexValue,
    Iverson,
    Range,
    Reference,
    Sum,
    preorder,
    transform,
)
from bptt_solver.language.notation.source import equation_to_source, to_source


class Repeated:
    """The equations of a frame's system by the part they have in time. ``size`` is the name of the number of times,
    ``steps`` that number, ``places`` tells which index of a family is its time, ``states`` how many past members of a
    family are read, ``windows`` what is read of data: the members from t + low to t + high.

    ``steady`` are the equations that every segment has, ``beginning`` those of the states at the start, ``ends`` those
    of families that are known only when all times are (``late``). ``passed`` is the name of the number of times before
    a segment.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.system = frame.system
        self.passed = free("passed", {*self.system.families, *self.system.sizes})
        self.places = self._places()
        self.size = ""
        self.steady: list[Equation] = []
        self.beginning: list[Equation] = []
        self.ends: list[Equation] = []
        self.states: dict[str, int] = {}
        self.windows: dict[str, tuple[int, int]] = {}
        self.late = self._late()
        for equation in self.system.equations:
            self._sort(equation)
        if not self.size:
            raise NotCompiled(message("compile.no_times"))
        self.steps = self.system.sizes[self.size]
        self._check_steady()
        if not self.states:
            raise NotCompiled(message("compile.no_states"))

    # -- the parts

    def _places(self) -> dict[str, int]:
        """Family -> which of its indices is the time."""
        dimensions = Dimensions(self.system, self.frame.members)
        times = [d for d in sorted(dimensions.shifted) if d not in dimensions.unrolled]
        if not times:
            raise NotCompiled(message("compile.no_states"))
        places: dict[str, int] = {}
        for name in self.system.families:
            for at in range(self.system.arity(name)):
                if dimensions.of(name, at) == times[0]:
                    if name in places:
                        raise NotCompiled(message("compile.two_times", name=name))
                    places[name] = at
        return places

    def _late(self) -> set[str]:
        """The families without a time that are computed from families with one: known only when all times are."""
        found: set[str] = set()
        reads = [
            (e.name, node.name)
            for e in self.system.equations
            for node in preorder(e.right)
            if isinstance(node, Reference)
        ]
        grown = True
        while grown:
            more = {of for of, read in reads if of not in self.places and (read in self.places or read in found)}
            grown = not more <= found
            found |= more
        return found

    def _sort(self, equation: Equation) -> None:
        if equation.name in self.late:
            self.ends.append(equation)
            return
        if equation.name not in self.places:
            self.steady.append(equation)
            return
        index = equation.indices[self.places[equation.name]]
        if not any(True for _ in index.variables()):
            if index.constant > 0:
                raise unlike(equation, message("compile.time_alone", time=index.constant))
            for node in preorder(equation.right):
                if isinstance(node, Reference) and (node.name in self.places or node.name in self.late):
                    raise unlike(equation, message("compile.start_state", name=node.name))
            self.beginning.append(equation)
            return
        variable = next(iter(index.variables()))
        span = next((r for r in equation.ranges if r.variable == variable), None)
        if variable in self.system.sizes:
            raise unlike(equation, message("compile.end_alone"))
        if span is None or index != Index.variable(variable):
            raise unlike(equation, message("compile.not_at_t"))
        size = self._whole(span)
        if size is None:
            raise unlike(equation, message("compile.not_from_one"))
        self.size = self.size or size
        if size != self.size:
            raise NotCompiled(message("compile.two_sizes", one=self.size, other=size))
        self.steady.append(equation)

    def _whole(self, span: Range) -> str | None:
        """The size up to which a range runs from 1."""
        if span.low != Index(1) or span.high.constant or len(span.high.terms) != 1:
            return None
        atom, coefficient = span.high.terms[0]
        return atom if isinstance(atom, str) and coefficient == 1 and atom in self.system.sizes else None

    def _variable(self, equation: Equation) -> str | None:
        """The time variable of an equation."""
        if equation.name not in self.places:
            return None
        return next(iter(equation.indices[self.places[equation.name]].variables()), None)

    # -- what every time repeats

    def _check_steady(self) -> None:
        for equation in self.steady:
            variable = self._variable(equation)
            own = {self.size} if variable is None else {self.size, variable}
            if variable is not None:
                rest = [r for r in equation.ranges if r.variable != variable]
                others = [i for at, i in enumerate(equation.indices) if at != self.places[equation.name]]
                self._apart(rest, equation.conditions, others, own, equation)
            else:
                self._apart(equation.ranges, equation.conditions, equation.indices, own, equation)
            self._body(equation.right, variable, equation)
        for equation in self.beginning:
            self._apart(equation.ranges, equation.conditions, [], {self.size}, equation)
            self._body(equation.right, None, equation)

    def _body(self, expression: Expression, variable: str | None, equation: Equation) -> None:
        """Check and note what is read at a time (``variable``; None: outside of time)."""
        own = {self.size} if variable is None else {self.size, variable}
        for node in preorder(expression):
            if isinstance(node, Reference):
                self._read(node, variable, own, equation)
            elif isinstance(node, Sum):
                if any(r.variable in own for r in node.ranges):
                    raise unlike(equation, message("compile.two_sums", name=variable))
                self._apart(node.ranges, node.conditions, [], own, equation)
            elif isinstance(node, Iverson):
                self._apart([], node.conditions, [], own, equation)
            elif isinstance(node, IndexValue):
                self._apart([], (), [i for found in node.index.lookups() for i in found.indices], own, equation)

    def _read(self, node: Reference, variable: str | None, own: Collection[str], equation: Equation) -> None:
        if node.name in self.late:
            raise unlike(equation, message("compile.known_late", name=node.name))
        place = self.places.get(node.name)
        self._apart([], (), [i for at, i in enumerate(node.indices) if at != place], own, equation)
        if place is None:
            return
        difference = node.indices[place] if variable is None else node.indices[place].plus(Index.variable(variable), -1)
        if variable is None or difference.terms:
            raise unlike(equation, message("compile.reads", read=to_source(node)))
        shift = difference.constant
        if node.name in self.system.defining:
            if shift > 0:
                raise unlike(equation, message("compile.later", read=to_source(node)))
            if shift:
                self.states[node.name] = max(self.states.get(node.name, 0), -shift)
        else:
            low, high = self.windows.get(node.name, (shift, shift))
            self.windows[node.name] = (min(low, shift), max(high, shift))

    def _apart(
        self,
        ranges: Sequence[Range],
        conditions: Sequence[Comparison],
        indices: Sequence[Index],
        own: Collection[str],
        equation: Equation,
    ) -> None:
        """Refuse what depends on the time itself."""
        found = [r.low for r in ranges] + [r.high for r in ranges] + list(indices)
        found += [c.left for c in conditions] + [c.right for c in conditions]
        for index in found:
            for name in index.variables():
                if name in own:
                    raise unlike(equation, message("compile.depends", name=name))

    def _mentions(self, span: Range) -> bool:
        return self.size in (*span.low.variables(), *span.high.variables())

    # -- numbers that are indices

    def _numbered(self, equation: Equation) -> Equation:
        """An equation whose numbers are those of the whole: the time counts from the start of all (`passed` times lie
        before the segment), and T is the number of all."""
        variable = self._variable(equation)
        variables = [] if variable is None else [variable]
        for node in preorder(equation.right):
            if isinstance(node, Sum):
                variables += [r.variable for r in node.ranges if self._mentions(r)]

        def change(node: Expression) -> Expression:
            if not isinstance(node, IndexValue):
                return node
            index = node.index.substitute({self.size: Index(self.steps)})
            count = sum(c for atom, c in index.terms if atom in variables)
            value: Expression = IndexValue(index) if index.terms else build.constant(index.constant)
            return build.add([value, build.mul([build.constant(count), Reference(self.passed)])]) if count else value

        return rewritten(equation, transform(equation.right, change))


def free(word: str, taken: Collection[str]) -> str:
    """A name that is not taken."""
    while word in taken:
        word += "'"
    return word


def rewritten(equation: Equation, right: Expression) -> Equation:
    """The equation with another right-hand side."""
    return Equation(equation.name, equation.indices, right, equation.ranges, equation.conditions, equation.origin)


def unlike(equation: Equation, reason: str) -> NotCompiled:
    """Why a system is not the same at all times."""
    return NotCompiled(message("compile.unlike", equation=equation_to_source(equation), reason=reason))
