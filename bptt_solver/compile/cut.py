"""Whether a system can be cut in time: what is given at the start, and the sum over all times that the target is."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.catalogues import message
from bptt_solver.compile.frame import Box, Frame
from bptt_solver.compile.repeated import Repeated, rewritten, unlike
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
    Expression,
    Index,
    Reference,
    Sum,
    preorder,
)
from bptt_solver.language.notation.source import equation_to_source, to_source

_LINEAR = ("sum", "dot", "matmul", "transpose", "mul")  # in each operand


class Cut(Repeated):
    """The parts of a frame's system. ``shares`` is the part of ``ends`` that is a sum over all times, ``running`` the
    families that such a sum defines, ``starts`` the indices of the states of a family, ``begun`` the families whose
    states at the start have equations. ``shortest`` is the least length of a segment.

    Raises NotCompiled with the reason for a system that cannot be cut.
    """

    def __init__(self, frame: Frame, derivatives: Sequence[str]) -> None:
        super().__init__(frame)
        self.shortest = min(2, self.steps)  # over one step there is no recurrence to compile
        self.running: dict[str, None] = {}
        self._find_running()
        self.shares: list[Equation] = []
        for equation in self.ends:
            share = self._linear(equation.right, equation)
            if share is not None:
                self.shares.append(self._numbered(rewritten(equation, share)))
        self._check_target()
        self.shortest = max(self.shortest, *self.states.values())
        self.begun = {e.name: None for e in self.beginning}
        self.starts = {name: self._start(name) for name in self.states}
        self._check_given(derivatives)
        self.steady = [self._numbered(e) for e in self.steady]
        self.ends = [self._numbered(e) for e in self.ends]

    # -- the target

    def _find_running(self) -> None:
        """The families that are sums over all times, through other families."""
        grown = True
        while grown:
            more = {e.name: None for e in self.ends if self._runs(e.right)}
            grown = len(more) > len(self.running)
            self.running = more

    def _runs(self, expression: Expression) -> bool:
        for node in preorder(expression):
            if isinstance(node, Reference) and node.name in self.running:
                return True
            if isinstance(node, Sum) and any(self._mentions(r) for r in node.ranges):
                return True
        return False

    def _still(self, expression: Expression) -> bool:
        """Whether nothing in an expression depends on time."""
        return not any(
            isinstance(node, Reference) and (node.name in self.places or node.name in self.late)
            for node in preorder(expression)
        )

    def _linear(self, node: Expression, equation: Equation) -> Expression | None:
        """The part of an expression that is a sum over all times; None: there is none. Depth is that of what a person
        wrote."""
        if not self._runs(node):
            self._end(node, equation)
            return None
        if isinstance(node, Reference):
            return node
        if isinstance(node, Sum):
            return self._linear_sum(node, equation)
        assert isinstance(node, Call)
        name, arguments = node.operation, node.arguments
        if name in ("add", "neg"):
            parts = [p for p in (self._linear(a, equation) for a in arguments) if p is not None]
            return build.add(parts) if name == "add" else build.neg(parts[0])
        moving = [at for at, a in enumerate(arguments) if not self._still(a)]
        if len(moving) != 1 or not (name in _LINEAR or (name == "div" and moving == [0])):
            raise _no_sum(equation, node)
        inner = self._linear(arguments[moving[0]], equation)
        assert inner is not None
        self._end_all([a for at, a in enumerate(arguments) if at != moving[0]], equation)
        return Call(name, tuple(inner if at == moving[0] else a for at, a in enumerate(arguments)))

    def _linear_sum(self, node: Sum, equation: Equation) -> Expression:
        over = [r for r in node.ranges if self._mentions(r)]
        rest = [r for r in node.ranges if not self._mentions(r)]
        if not over:
            inner = self._linear(node.body, equation)
            assert inner is not None
            self._apart(node.ranges, node.conditions, [], {self.size}, equation)
            return Sum(inner, node.ranges, node.conditions)
        if len(over) > 1 or self._whole(over[0]) != self.size:
            raise _no_sum(equation, node)
        variable = over[0].variable
        self._apart(rest, node.conditions, [], {self.size, variable}, equation)
        self._body(node.body, variable, equation)
        return node

    def _end(self, expression: Expression, equation: Equation) -> None:
        """Check and note what is read of the last times."""
        for node in preorder(expression):
            if isinstance(node, Reference) and node.name in self.places:
                self._at_end(node.indices[self.places[node.name]], node, equation)

    def _end_all(self, expressions: Sequence[Expression], equation: Equation) -> None:
        for expression in expressions:
            self._end(expression, equation)

    def _at_end(self, index: Index, node: Reference, equation: Equation | None) -> None:
        difference = index.plus(Index.variable(self.size), -1)
        if difference.terms or difference.constant > 0:
            reason = message("compile.reads_other", read=to_source(node), size=self.size)
            raise unlike(equation, reason) if equation is not None else NotCompiled(reason)
        self.shortest = max(self.shortest, 1 - difference.constant)
        if node.name not in self.system.defining:
            shift = difference.constant
            low, high = self.windows.get(node.name, (shift, shift))
            self.windows[node.name] = (min(low, shift), max(high, shift))

    def _check_target(self) -> None:
        target = self.frame.target
        if target.name in self.places:
            self._at_end(target.indices[self.places[target.name]], target, None)
        elif target.name not in self.late:
            raise NotCompiled(message("compile.target_time", name=to_source(target)))

    # -- what is given

    def _start(self, name: str) -> Box:
        """The indices of the states of a family, but for the time."""
        place = self.places[name]
        boxes = [list(box) for box in self.frame.given.get(name, ())]
        for equation in self.beginning:
            if equation.name == name:
                low = {r.variable: Index(self.system.index(r.low, {})) for r in equation.ranges}
                high = {r.variable: Index(self.system.index(r.high, {})) for r in equation.ranges}
                boxes.append(
                    [
                        (self.system.index(i.substitute(low), {}), self.system.index(i.substitute(high), {}))
                        for i in equation.indices
                    ]
                )
        if not boxes or any(box[place][1] > 0 for box in boxes):
            raise NotCompiled(message("compile.mixed", name=name))
        whole = [(min(b[at][0] for b in boxes), max(b[at][1] for b in boxes)) for at in range(len(boxes[0]))]
        count, low_time = 0, 1 - self.states[name]
        for box in boxes:
            ends = [(max(low, low_time), high) if at == place else (low, high) for at, (low, high) in enumerate(box)]
            count += _count(ends)
        whole[place] = (low_time, 0)
        if count != _count(whole):
            raise NotCompiled(message("compile.block", name=name))
        return tuple(whole)

    def _check_given(self, derivatives: Sequence[str]) -> None:
        for name, boxes in self.frame.given.items():
            place = self.places.get(name)
            if place is None or name in self.system.defining:
                continue
            low, high = self.windows.get(name, (0, 0))
            for box in boxes:
                if box[place][0] > 1 + low or box[place][1] < self.steps + high:
                    raise NotCompiled(message("compile.not_all_times", name=name))
            if name in derivatives:
                raise NotCompiled(message("compile.long_derivative", name=name))
        for name in derivatives:
            if name not in self.frame.given and name not in self.begun:
                raise NotCompiled(message("compile.all_times", name=name))

    def boxes(self, name: str, found: Sequence[Box], length: int) -> list[Box]:
        """What is given to a segment of a family that is given."""
        place = self.places.get(name)
        if place is None or name in self.system.defining:
            return list(found)
        low, high = self.windows.get(name, (0, 0))
        own = (1 + low, length + high)
        return list(dict.fromkeys(tuple(own if at == place else e for at, e in enumerate(box)) for box in found))


def _count(box: Sequence[tuple[int, int]]) -> int:
    count = 1
    for low, high in box:
        count *= max(0, high - low + 1)
    return count


def _no_sum(equation: Equation, node: Expression) -> NotCompiled:
    return NotCompiled(message("compile.no_sum", term=to_source(node), equation=equation_to_source(equation)))
