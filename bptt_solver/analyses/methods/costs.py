"""What a method costs on one system, counted on its unfolded graph: multiplications and numbers kept.

A division counts as a multiplication, a power as one less than its exponent; additions and the functions themselves
(``tanh``) are not counted. Nothing is estimated: the same graphs are counted that are evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod

from bptt_solver.computation import Computation
from bptt_solver.instances import Ground, Unfolded, ground_reads
from bptt_solver.language.bottom_up import bottom_up
from bptt_solver.language.expressions import Call, Expression, Number
from bptt_solver.language.inference import call_shape
from bptt_solver.language.operations import Operations
from bptt_solver.language.shapes import Shape, ShapeError
from bptt_solver.language.templates import Slot
from bptt_solver.system import Instance


class Cost:
    """What one method does and keeps. ``passes`` are runs through the graph besides the forward pass that all share.

    ``kept`` numbers have to be remembered at the same time at most; ``multiplications`` without the forward pass.
    """

    __slots__ = ("kept", "method", "multiplications", "passes")

    def __init__(self, method: str, passes: int, multiplications: int, kept: int) -> None:
        self.method = method
        self.passes = passes
        self.multiplications = multiplications
        self.kept = kept

    def data(self) -> dict[str, int]:
        """As plain data."""
        return {"passes": self.passes, "multiplications": self.multiplications, "kept": self.kept}


class Counter:
    """Counts multiplications of grounds. A factor that is ``selecting`` (an array with a single 1) costs nothing."""

    def __init__(self, operations: Operations, shapes: Mapping[int, Shape]) -> None:
        self.operations = operations
        self.shapes = shapes
        self._known: dict[tuple[int, tuple[Shape, ...], tuple[int, ...]], tuple[int, Shape]] = {}

    def instances(self, unfolded: Unfolded, numbers: Iterable[int], selecting: int | None = None) -> int:
        """The multiplications that these instances take."""
        return sum(self._ground(g, selecting)[0] for n in numbers for g in unfolded.grounds[n] or ())

    def _ground(self, ground: Ground, selecting: int | None) -> tuple[int, Shape]:
        shapes: list[Shape] = []
        inner = 0
        for entry in ground.slots:
            if isinstance(entry, int):
                shapes.append(self.shapes.get(entry, ()))
                continue
            shape: Shape = ()
            for part in entry:
                count, shape = self._ground(part, selecting)
                inner += count
            shapes.append(shape)
        kinds = tuple([_kind(entry, selecting) for entry in ground.slots])
        key = (id(ground.template), tuple(shapes), kinds)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._tree(ground.template.expression, shapes, kinds)
        return known[0] + inner, known[1]

    def _tree(self, expression: Expression, shapes: Sequence[Shape], kinds: Sequence[int]) -> tuple[int, Shape]:
        """The multiplications, and the shape. What is made of constants alone is made once and does not count."""

        def leaf(node: Expression) -> tuple[int, Shape, bool]:
            if isinstance(node, Slot):
                return 0, shapes[node.at], kinds[node.at] == _CONSTANT
            return 0, (), True

        def call(node: Call, parts: list[tuple[int, Shape, bool]]) -> tuple[int, Shape, bool]:
            operands = [shape for _, shape, _ in parts]
            shape = _shape(node, operands, self.operations)
            if all(constant for _, _, constant in parts):
                return 0, shape, True
            total = sum(count for count, _, _ in parts)
            if not any(isinstance(a, Slot) and kinds[a.at] == _SELECTING for a in node.arguments):
                total += _multiplications(node, operands, shape)
            return total, shape, False

        total, shape, _ = bottom_up(expression, leaf, call)
        return total, shape


def _shape(node: Call, operands: Sequence[Shape], operations: Operations) -> Shape:
    """The shape of a result; a part of one number may stand where the rule has a number."""
    try:
        return call_shape(node, operands, operations)
    except ShapeError:
        return max(operands, key=prod)


_ORDINARY, _CONSTANT, _SELECTING = range(3)


def _kind(entry: object, selecting: int | None) -> int:
    if not isinstance(entry, int):
        return _ORDINARY
    return _SELECTING if entry == selecting else _CONSTANT if entry < 0 else _ORDINARY


def _multiplications(node: Call, operands: Sequence[Shape], shape: Shape) -> int:
    name = node.operation
    if name == "mul":
        return (len(operands) - 1) * prod(shape)
    if name == "matmul":
        return prod(shape) * operands[0][-1]
    if name == "dot":
        return prod(operands[0])
    if name in ("outer", "div"):
        return prod(shape)
    if name == "power":
        exponent = node.arguments[1]
        whole = exponent.value if isinstance(exponent, Number) and isinstance(exponent.value, int) else 2
        return max(abs(whole) - 1, 0) * prod(shape)
    return 0


def size_of(shapes: Mapping[int, Shape], number: int) -> int:
    """How many numbers an instance is."""
    return prod(shapes.get(number, ()))


def forward_cost(computation: Computation) -> int:
    """The multiplications of one forward pass."""
    counter = Counter(computation.problem.operations, computation.problem.shapes)
    unfolded = computation.problem.unfolded
    return counter.instances(unfolded, unfolded.order)


def backward_cost(computation: Computation, wanted: Sequence[Instance]) -> Cost:
    """One sweep for all wanted derivatives: its multiplications, and the computed forward values that it needs."""
    unfolded = computation.unfolded
    needed: dict[int, None] = {}
    kept: dict[int, None] = {}
    stack = [n for key in wanted if (n := computation.derivative_number(key)) is not None]
    while stack:
        at = stack.pop()
        if at >= unfolded.first and at not in needed:
            needed[at] = None
            stack.extend(unfolded.reads(at))
        elif at < unfolded.first and unfolded.grounds[at] is not None:
            kept[at] = None
    counter = Counter(computation.problem.operations, computation.shapes)
    count = counter.instances(unfolded, needed)
    return Cost("bptt", 1, count, sum(size_of(computation.shapes, n) for n in kept))


def perturbation_cost(computation: Computation, entries: int, runs: int) -> Cost:
    """``runs`` forward passes for each entry, each of which keeps what is still to be read."""
    kept = Memory(computation.problem.unfolded)
    kept.add_forward(computation)
    return Cost("perturbation", runs * entries, runs * entries * forward_cost(computation), kept.peak())


def is_running_sum(ground: Ground) -> bool:
    """Whether a summand is a plain sum of members, ``sum(e[t] for t in 1..T)``."""
    if not isinstance(ground.template.expression, Slot) or isinstance(ground.slots[0], int):
        return False
    return all(isinstance(g.template.expression, Slot) and isinstance(g.slots[0], int) for g in ground.slots[0])


class Memory:
    """How many numbers have to be remembered at once while instances are computed in order, each until its last use.
    What only is added up (the losses) is added up at once."""

    def __init__(self, base: Unfolded) -> None:
        self.position = {n: at for at, n in enumerate(base.order)}
        self._changes = [0] * (len(base.order) + 2)
        self._last: dict[int, int] = {}  # forward instances: where they are read last
        self._sizes: dict[int, int] = {}

    def add_forward(self, computation: Computation) -> None:
        """The computed forward values, read by the forward pass itself."""
        unfolded = computation.problem.unfolded
        for number in unfolded.order:
            self._sizes[number] = size_of(computation.problem.shapes, number)
            grounds = unfolded.grounds[number] or ()
            for ground in grounds:
                if is_running_sum(ground):
                    self._begins(number, ground)
                    continue
                for read in ground_reads([ground]):
                    self._last[read] = self.position[number]

    def add(self, unfolded: Unfolded, of: Mapping[int, int], shapes: Mapping[int, Shape], times: int) -> None:
        """Sensitivities, ``times`` of each, computed together with the instances that they belong to."""
        last: dict[int, int] = {}
        for number, own in of.items():
            at = self.position.get(number)
            if at is None:
                continue
            for ground in unfolded.grounds[own] or ():
                if is_running_sum(ground):
                    continue
                for read in ground_reads([ground]):
                    if read >= unfolded.first:
                        last[read] = max(last.get(read, at), at)
                    elif read >= 0:
                        self._last[read] = max(self._last.get(read, at), at)
        for number, own in of.items():
            at = self.position.get(number)
            if at is not None:
                self._alive(at, last.get(own, at), times * size_of(shapes, own))

    def _begins(self, number: int, ground: Ground) -> None:
        """A running sum is there from its first summand on."""
        first = min((self.position.get(n, 0) for n in ground_reads([ground])), default=0)
        self._alive(min(first, self.position[number]), max(self.position[number] - 1, first), self._sizes[number])

    def _alive(self, first: int, last: int, count: int) -> None:
        self._changes[first] += count
        self._changes[last + 1] -= count

    def peak(self) -> int:
        """The largest number of numbers that are needed at one place of the order."""
        changes = list(self._changes)
        for number, size in self._sizes.items():
            first = self.position[number]
            changes[first] += size
            changes[max(self._last.get(number, first), first) + 1] -= size
        most = now = 0
        for change in changes:
            now += change
            most = max(most, now)
        return most
