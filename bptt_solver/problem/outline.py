"""What a large regular system looks like without unfolding it: boxes of members, shapes, and that it is sound.

Equations over ranges with fixed ends that read members a fixed distance away need no look at every instance. Whatever
is not as simple has no outline, and neither has what is wrong: it is unfolded, and the message is that of the
unfolding.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from math import prod

from bptt_solver.components import components
from bptt_solver.enumeration import Enumeration
from bptt_solver.errors import ProblemError
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Expression, Index, Iverson, Lookup, Range, Reference, Sum, children
from bptt_solver.language.inference import infer_shape, largest_size
from bptt_solver.language.shapes import Shape, ShapeError
from bptt_solver.limits import Limits
from bptt_solver.system import Instance, LooseShape, System

MANY = 20_000  # instances: fewer are unfolded in no time
FEW = 4_096  # members of a box that are listed
MOST_EQUATIONS = 300  # each is compared with all others; more are written one by one, not repeated
Ends = tuple[int, int]
Box = tuple[Ends, ...]


class Irregular(Exception):
    """Why a system has no outline."""


class Outline:
    """Families by name with the boxes of their members and the shape of one. It answers what the reader of a document
    asks an unfolding: ``number`` has all instances (each with the number of its family), ``shapes`` theirs."""

    def __init__(self, system: System, loose: Mapping[str, LooseShape], limits: Limits) -> None:
        """Raises `Irregular`."""
        if len(system.equations) > MOST_EQUATIONS:
            raise Irregular("it has very many equations")
        self.system = system
        self.boxes: dict[str, list[Box]] = {}
        self.family: dict[str, Shape] = {}
        self.names = system.families
        self.keys: Sequence[Instance] = ()
        self.order: Sequence[int] = ()
        for name, shape in loose.items():
            known = tuple(n for n in shape if n is not None)
            if len(known) != len(shape):
                raise Irregular(f"the members of {name} have several shapes")
            self.family[name] = known
        self._own: list[Box | None] = [self._defined(equation) for equation in system.equations]
        self._enter()
        self.count = sum(_volume(box) for boxes in self.boxes.values() for box in boxes)
        self._within(limits)
        for equation, box in zip(system.equations, self._own, strict=True):
            if box is not None:
                self._shaped(equation, limits)
        self._acyclic()
        self.number = _Numbers(self)
        self.shapes = {at: self.family[name] for at, name in enumerate(self.names)}

    # -- members

    def _ends(self, ranges: Sequence[Range]) -> dict[str, Ends] | None:
        """First and last value of each variable; None where there is none."""
        found: dict[str, Ends] = {}
        for item in ranges:
            if any(
                isinstance(a, Lookup) or a not in self.system.sizes for i in (item.low, item.high) for a, _ in i.terms
            ):
                raise Irregular(f"the range of {item.variable} depends on another index")
            found[item.variable] = self.system.index(item.low, {}), self.system.index(item.high, {})
        return None if any(low > high for low, high in found.values()) else found

    def _interval(self, index: Index, ends: Mapping[str, Ends]) -> tuple[Ends, str | None, int]:
        """The values of an index, its variable, and the constant beside it."""
        variable, constant = None, index.constant
        for atom, coefficient in index.terms:
            if isinstance(atom, str) and atom in ends and variable is None and coefficient == 1:
                variable = atom
            elif isinstance(atom, str) and atom not in ends and atom in self.system.sizes:
                constant += coefficient * self.system.sizes[atom]
            else:
                raise Irregular("an index is not a variable and a number")
        low, high = ends[variable] if variable is not None else (0, 0)
        return (low + constant, high + constant), variable, constant

    def _defined(self, equation: Equation) -> Box | None:
        """The members that an equation defines; None for none."""
        if equation.conditions:
            raise Irregular(f"the equation of {equation.name} has a condition")
        ends = self._ends(equation.ranges)
        if ends is None:
            return None
        found = [self._interval(i, ends) for i in equation.indices]
        if sorted(v for _, v, _ in found if v is not None) != sorted(ends):
            raise Irregular(f"a variable of the equation of {equation.name} is no index of its own")
        return tuple(interval for interval, _, _ in found)

    def _enter(self) -> None:
        """The boxes of all families, which may not overlap."""
        for name, parts in self.system.given.items():
            for part in parts:
                box: Box = tuple(zip(part.low, part.high, strict=True))
                if part.members is not None and _volume(box) != len(part.members):
                    raise Irregular(f"{name} is not given for a box")
                if part.shape != self.family[name] and part.shape != ():
                    raise Irregular(f"the members of {name} have several shapes")
                self.boxes.setdefault(name, []).append(box)
        for equation, own in zip(self.system.equations, self._own, strict=True):
            if own is not None:
                self.boxes.setdefault(equation.name, []).append(own)
        for name, boxes in self.boxes.items():
            if len(boxes) > 1 and len(boxes) ** 2 > FEW:
                raise Irregular(f"{name} has very many parts")
            for at, one in enumerate(boxes):
                if any(_common(one, other) is not None for other in boxes[:at]):
                    raise Irregular(f"{name} is defined twice")

    def _within(self, limits: Limits) -> None:
        if self.count < MANY:
            raise Irregular("it is small")
        if sum(prod(self.family[n]) * _volume(b) for n, boxes in self.boxes.items() for b in boxes) > limits.get(
            "elements"
        ):
            raise Irregular("it is too large")
        try:
            Enumeration(self.system, limits).forecast(self.system.equations)
        except ProblemError:
            raise Irregular("it is too large") from None

    # -- what equations read

    def reads(self, equation: Equation) -> Iterator[tuple[Reference, dict[str, Ends]]]:
        """Every reference of an equation with the variables around it."""
        pending: list[tuple[Expression, dict[str, Ends]]] = [(equation.right, self._ends(equation.ranges) or {})]
        while pending:
            node, ends = pending.pop()
            if isinstance(node, Iverson):
                raise Irregular("a term depends on its index")
            if isinstance(node, Reference):
                yield node, ends
            elif isinstance(node, Sum):
                inner = self._ends(node.ranges)
                if node.conditions or inner is None or not ends.keys().isdisjoint(inner):
                    raise Irregular("a sum has a condition, or nothing to add")
                pending.append((node.body, {**ends, **inner}))
            else:
                pending += [(child, ends) for child in children(node)]

    def _read(self, node: Reference, ends: Mapping[str, Ends]) -> Box:
        """The members that a reference reads, all of which are there."""
        box = tuple(self._interval(i, ends)[0] for i in node.indices)
        there = sum(_volume(part) for own in self.boxes.get(node.name, ()) if (part := _common(box, own)) is not None)
        if there != _volume(box):
            raise Irregular(f"members of {node.name} are read that are not there")
        return box

    def _shaped(self, equation: Equation, limits: Limits) -> None:
        """That shapes go together."""
        for part in equation.parts(self.system.templates):
            shape = self._shape(part.template.expression, part.leaves, limits)
            if shape and shape != self.family[equation.name]:
                raise Irregular(f"the members of {equation.name} have several shapes")

    def _shape(self, expression: Expression, leaves: Sequence[Expression], limits: Limits) -> Shape:
        """Sums are as deep as an equation, which is limited."""
        operands: list[Shape] = []
        for leaf in leaves:
            if isinstance(leaf, Sum):
                template, inner = self.system.templates.of(leaf.body)
                operands.append(self._shape(template.expression, inner, limits))
            else:
                operands.append(self.family.get(leaf.name, ()) if isinstance(leaf, Reference) else ())
        try:
            shape = infer_shape(expression, operands, self.system.operations)
            large = largest_size(expression, operands, self.system.operations) > limits.get("elements")
        except ShapeError:
            raise Irregular("shapes do not go together") from None
        if large:
            raise Irregular("it is too large")
        return shape

    # -- order

    def _acyclic(self) -> None:
        """That nothing depends on itself: within what depends on each other all reads go the same way in time."""
        equations = [
            (n, e, b) for n, (e, b) in enumerate(zip(self.system.equations, self._own, strict=True)) if b is not None
        ]
        readers: dict[str, list[str]] = {}
        apart: dict[tuple[str, str], list[int | None]] = {}
        for n, equation, _ in equations:
            for node, ends in self.reads(equation):
                box = self._read(node, ends)
                for m, other, own in equations:
                    if other.name == node.name and _common(box, own) is not None:
                        readers.setdefault(str(m), []).append(str(n))
                        apart.setdefault((str(n), str(m)), []).append(self._distance(equation, node, ends))
        names = [str(n) for n, _, _ in equations]
        for group in components(names[0], names, readers) if names else ():
            inside = {pair: steps for pair, steps in apart.items() if pair[0] in group and pair[1] in group}
            steps = [s for found in inside.values() for s in found]
            known = [s for s in steps if s is not None]
            if len(known) < len(steps) or (known and min(known) < 0 < max(known)):
                raise Irregular("a recurrence has no direction in time")
            users: dict[str, list[str]] = {}
            for (reader, writer), found in inside.items():
                if 0 in found:
                    users.setdefault(writer, []).append(reader)
                    if reader == writer:
                        raise Irregular("something may depend on itself")
            if users and any(len(c) > 1 for c in components(group[0], group, users)):
                raise Irregular("something may depend on itself")

    def _distance(self, equation: Equation, node: Reference, ends: Mapping[str, Ends]) -> int | None:
        """How many steps earlier a reference reads, where that is one number."""
        at, there = self.system.time_position(equation.name), self.system.time_position(node.name)
        if at is None or there is None:
            return None
        _, own, here = self._interval(equation.indices[at], ends)
        _, variable, before = self._interval(node.indices[there], ends)
        return here - before if own is not None and own == variable else None

    def target(self) -> Reference:
        """The only number without indices that no equation reads. Raises `Irregular` if there are several, or none."""
        read = {node.name for equation in self.system.equations for node, _ in self.reads(equation)}
        ends = [n for n in self.system.defining if n not in read and self.boxes.get(n) == [()] and not self.family[n]]
        if len(ends) != 1:
            raise Irregular("no target by itself")
        return Reference(ends[0])

    # -- some members

    def members(self) -> dict[Instance, Shape]:
        """Members of all families with their shapes: all of small boxes, of a large one those at the first time."""
        found: dict[Instance, Shape] = {}
        for name, boxes in self.boxes.items():
            for box in boxes:
                spans = [range(low, high + 1) for low, high in box]
                while prod(map(len, spans)) > FEW:
                    longest = max(range(len(spans)), key=lambda k: len(spans[k]))
                    spans[longest] = spans[longest][:1]
                found.update(((name, indices), self.family[name]) for indices in product(*spans))
        return found

    def given(self, names: Collection[str] | None = None) -> Iterator[Instance]:
        """All given instances (of some families), in the order in which they are numbered."""
        for name, parts in self.system.given.items():
            if names is not None and name not in names:
                continue
            yield from dict.fromkeys((name, indices) for part in parts for indices in part.indices())


class _Numbers(Mapping[Instance, int]):
    """All instances, each with the number of its family."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._numbers = {name: at for at, name in enumerate(outline.names)}

    def __getitem__(self, key: Instance) -> int:
        point = tuple((i, i) for i in key[1])
        if any(len(b) == len(point) and _common(point, b) is not None for b in self._outline.boxes.get(key[0], ())):
            return self._numbers[key[0]]
        raise KeyError(key)

    def __iter__(self) -> Iterator[Instance]:
        for name, boxes in self._outline.boxes.items():
            for box in boxes:
                yield from ((name, at) for at in product(*[range(low, high + 1) for low, high in box]))

    def __len__(self) -> int:
        return self._outline.count


def outline_of(system: System, shapes: Mapping[str, LooseShape], limits: Limits) -> Outline | None:
    """The outline of a large regular system; None for one that has to be unfolded."""
    if len(system.equations) > MOST_EQUATIONS:
        return None
    try:
        return Outline(system, shapes, limits)
    except Irregular:
        return None


def _volume(box: Box) -> int:
    return prod(high - low + 1 for low, high in box)


def _common(one: Box, other: Box) -> Box | None:
    """The members in both boxes."""
    box = tuple((max(a, c), min(b, d)) for (a, b), (c, d) in zip(one, other, strict=True))
    return None if any(low > high for low, high in box) else box
