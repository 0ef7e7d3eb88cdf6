"""Boxes of indices with symbolic ends: where a family is defined, which members a term reaches, cells and their
neighbours."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import product

from bptt_solver.enumeration import Enumeration
from bptt_solver.errors import ProblemError
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Comparison, Conditions, Index, Range
from bptt_solver.limits import Limits
from bptt_solver.system import OutsideMap, System

NEAR = 2  # constants up to so far from a family's first index are written symbolically beside sizes
MOST_MEMBERS = 200_000  # that are gone through where an index has a map in it


class Bound:
    """One end of an interval: its value at the given sizes and how it is written."""

    __slots__ = ("index", "value")

    def __init__(self, value: int, index: Index) -> None:
        self.value = value
        self.index = index

    def next(self, step: int) -> Bound:
        """The neighbouring bound."""
        return Bound(self.value + step, self.index.plus(step))


Box = tuple[tuple[Bound, Bound], ...]


class Cell:
    """A box of members with the same terms, all inside one definition of the family."""

    __slots__ = ("active", "box", "part")

    def __init__(self, box: Box, active: tuple[int, ...], part: int) -> None:
        self.box = box
        self.active = active
        self.part = part


class Boxes:
    """Many boxes that are asked which of them meet another one, without a look at each of them.

    They are sorted along the index in which they differ most, those of similar width together. None meets everything.
    """

    def __init__(self, boxes: Sequence[Box | None]) -> None:
        self.boxes = boxes
        self.sorted: dict[int, list[tuple[int, int]]] = {}  # by the bits of their width: (first member, which box)
        known = [(i, b) for i, b in enumerate(boxes) if b]
        self.everywhere = [i for i, b in enumerate(boxes) if not b]
        self.at = 0
        if known:
            lows = [len({b[k][0].value for _, b in known}) for k in range(len(known[0][1]))]
            self.at = lows.index(max(lows))
        for i, box in known:
            low, high = box[self.at]
            self.sorted.setdefault((high.value - low.value).bit_length(), []).append((low.value, i))
        for found in self.sorted.values():
            found.sort()

    def meeting(self, box: Box | None) -> Sequence[int]:
        """Which of the boxes share a member with this one, in their order."""
        if not box:
            return range(len(self.boxes))
        low, high = box[self.at]
        result = [*self.everywhere]
        for bits, found in self.sorted.items():
            first = bisect_left(found, (low.value - (1 << bits) + 1, 0))
            last = bisect_right(found, (high.value, len(self.boxes)))
            result += [i for _, i in found[first:last] if _meet(self.boxes[i] or (), box)]
        return sorted(result)


def _meet(one: Box, other: Box) -> bool:
    return all(a.value <= d.value and b.value >= c.value for (a, b), (c, d) in zip(one, other, strict=True))


def inside(box: Sequence[tuple[Bound, Bound]], other: Sequence[tuple[Bound, Bound]]) -> bool:
    """Whether one box lies within another."""
    return all(a.value >= c.value and b.value <= d.value for (a, b), (c, d) in zip(box, other, strict=True))


def intervals(boxes: Sequence[tuple[Bound, Bound]]) -> list[tuple[Bound, Bound]]:
    """The elementary intervals of one index, each end written as the bounds that made it are."""
    starts: dict[int, list[Index]] = {}
    ends: dict[int, list[Index]] = {}
    for low, high in boxes:
        starts.setdefault(low.value, []).append(low.index)
        ends.setdefault(low.value - 1, []).append(low.index.plus(-1))
        ends.setdefault(high.value, []).append(high.index)
        starts.setdefault(high.value + 1, []).append(high.index.plus(1))
    first, last = min(starts), max(ends)
    numbers = {i.constant for found in (*starts.values(), *ends.values()) for i in found if not i.terms}
    symbolic = not any(first + NEAR < n < last for n in numbers)
    cuts = sorted(starts)
    result: list[tuple[Bound, Bound]] = []
    for at, start in enumerate(cuts[:-1]):
        end = cuts[at + 1] - 1
        if not symbolic:
            result.append((Bound(start, Index(start)), Bound(end, Index(end))))
            continue
        before, behind = starts[start], ends[end]
        if start == end:
            both = [i for i in before if i in behind]
            if both:
                chosen = max(both, key=lambda i: (len(i.terms) > 0, -abs(i.constant)))
                result.append((Bound(start, chosen), Bound(end, chosen)))
                continue
        first_index = min(before, key=lambda i: (len(i.terms), abs(i.constant)))
        last_index = max(behind, key=lambda i: (len(i.terms) > 0, -abs(i.constant)))
        result.append((Bound(start, first_index), Bound(end, last_index)))
    return result


def merged(cells: list[Cell], dimensions: int) -> list[Cell]:
    """Neighbours with the same terms and definition become one cell, the last index first."""
    for at in reversed(range(dimensions)):
        groups: dict[object, list[Cell]] = {}
        for cell in cells:
            rest = tuple((a.value, b.value) for k, (a, b) in enumerate(cell.box) if k != at)
            groups.setdefault((rest, cell.active, cell.part), []).append(cell)
        cells = []
        for group in groups.values():
            group.sort(key=lambda c: c.box[at][0].value)
            current = group[0]
            for cell in group[1:]:
                if current.box[at][1].value + 1 == cell.box[at][0].value:
                    box = tuple((b[0], cell.box[k][1]) if k == at else b for k, b in enumerate(current.box))
                    current = Cell(box, current.active, current.part)
                else:
                    cells.append(current)
                    current = cell
            cells.append(current)
    return cells


def joined(one: tuple[Bound, Bound], other: tuple[Bound, Bound]) -> tuple[Bound, Bound]:
    """The interval of two neighbours."""
    return (one[0], other[1]) if one[0].value < other[0].value else (other[0], one[1])


def definition_box(equation: Equation, system: System) -> Box | None:
    """The smallest box around an equation's instances, with the equation's own ends where they are plain; None if there
    are none, or too many to look at each. Found once."""
    if equation.box is None or equation.box[0] is not system:
        equation.box = (system, _definition_box(equation, system))
    box: Box | None = equation.box[1]
    return box


def _definition_box(equation: Equation, system: System) -> Box | None:
    ranges = {r.variable: r for r in equation.ranges}
    box: list[tuple[Bound, Bound]] = []
    for index in equation.indices:
        if any(v in ranges for look in index.lookups() for i in look.indices for v in i.variables()):
            ends = _extremes(index, equation, system)
        else:
            ends = _affine_ends(index, ranges, system)
        if ends is None or ends[0].value > ends[1].value:
            return None
        box.append(ends)
    return tuple(box)


def _affine_ends(index: Index, ranges: Mapping[str, Range], system: System) -> tuple[Bound, Bound] | None:
    low = high = Index(index.constant)
    for atom, coefficient in index.terms:
        ends = (Index(0, ((atom, 1),)),) * 2
        if isinstance(atom, str) and atom in ranges:
            ends = _outer_ends(ranges[atom], ranges, system)
            if coefficient < 0:
                ends = (ends[1], ends[0])
        low, high = low.plus(ends[0], coefficient), high.plus(ends[1], coefficient)
    try:
        return Bound(system.index(low, {}), low), Bound(system.index(high, {}), high)
    except (KeyError, OutsideMap):
        return None


def _extremes(index: Index, equation: Equation, system: System) -> tuple[Bound, Bound] | None:
    """The least and the largest value of an index with a map in it, by going through all members."""
    try:
        members = Enumeration(system, Limits({"instances": MOST_MEMBERS})).environments(
            equation.ranges, equation.conditions, {}, "limit.family"
        )
        values = [system.index(index, member) for member in members]
    except (ProblemError, OutsideMap):
        return None
    return (Bound(min(values), Index(min(values))), Bound(max(values), Index(max(values)))) if values else None


def _outer_ends(item: Range, ranges: Mapping[str, Range], system: System) -> tuple[Index, Index]:
    """The ends of a range without other variables; a triangular or ragged one is replaced by its extreme values."""
    free = [v for v in (*item.low.variables(), *item.high.variables()) if v in ranges]
    if not free:
        return item.low, item.high
    values: list[tuple[int, int]] = []
    outer = [ranges[v] for v in dict.fromkeys(free)]
    spans = [_outer_ends(r, {k: x for k, x in ranges.items() if k != item.variable}, system) for r in outer]
    limits = [(system.index(a, {}), system.index(b, {})) for a, b in spans]
    whole = 1
    for a, b in limits:
        whole *= max(0, b - a + 1)
    choices = product(*[range(a, b + 1) for a, b in limits]) if whole <= 100_000 else product(*limits)
    for point in choices:
        environment = {r.variable: p for r, p in zip(outer, point, strict=True)}
        values.append((system.index(item.low, environment), system.index(item.high, environment)))
    if not values:
        return Index(1), Index(0)
    return Index(min(v[0] for v in values)), Index(max(v[1] for v in values))


def is_box(equation: Equation, system: System) -> bool:
    """Whether the instances of an equation fill a box: plain variables, independent ranges, no conditions."""
    if equation.conditions:
        return False
    variables = {r.variable for r in equation.ranges}
    for item in equation.ranges:
        if variables & set((*item.low.variables(), *item.high.variables())):
            return False
    seen: list[str] = []
    for index in equation.indices:
        own = [v for v in index.variables() if v in variables]
        if len(own) > 1:
            return False
        if own:
            if (
                own[0] in seen
                or any(abs(c) != 1 for a, c in index.terms if a == own[0])
                or any(True for _ in index.lookups())
            ):
                return False
            seen.append(own[0])
    return len(seen) == len(variables)


def canonical_domain(
    equation: Equation, names: Sequence[str]
) -> tuple[tuple[Index, ...], tuple[Range, ...], Conditions]:
    """An equation's left-hand indices, ranges and conditions, with plain variables called by the family's names."""
    binding: dict[str, Index] = {}
    for name, index in zip(names, equation.indices, strict=True):
        if (
            len(index.terms) == 1
            and index.constant == 0
            and index.terms[0][1] == 1
            and isinstance(index.terms[0][0], str)
            and index.terms[0][0] in {r.variable for r in equation.ranges}
        ):
            binding[index.terms[0][0]] = Index.variable(name)
    ranges = tuple(
        Range(
            str(binding.get(r.variable, Index.variable(r.variable)).terms[0][0]),
            r.low.substitute(binding),
            r.high.substitute(binding),
        )
        for r in equation.ranges
    )
    conditions = tuple(c.substitute(binding) for c in equation.conditions)
    return tuple(i.substitute(binding) for i in equation.indices), ranges, conditions


def as_conditions(name: str, ends: tuple[Bound, Bound]) -> list[Comparison]:
    """An interval as two conditions on an index."""
    low, high = ends
    return [Comparison(Index.variable(name), ">=", low.index), Comparison(Index.variable(name), "<=", high.index)]


def covers(boxes: Sequence[Box], via: Equation, system: System) -> bool:
    """Whether (disjoint) live boxes hold all instances of the user's equation."""
    whole = definition_box(via, system)
    if whole is None:
        return False
    volume = 0
    for box in boxes:
        part = 1
        for (low, high), (first, last) in zip(box, whole, strict=True):
            part *= max(0, min(high.value, last.value) - max(low.value, first.value) + 1)
        volume += part
    full = 1
    for low, high in whole:
        full *= high.value - low.value + 1
    return volume >= full
