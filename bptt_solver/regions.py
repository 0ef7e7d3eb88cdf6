"""Which members of a family a term reaches: conditions on its indices as a box, and what is no bound as a guard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.boxes import MOST_MEMBERS, Bound, Box, Cell, definition_box, joined
from bptt_solver.enumeration import Enumeration
from bptt_solver.errors import ProblemError
from bptt_solver.language.expressions import Comparison, Conditions, Index
from bptt_solver.limits import Limits
from bptt_solver.system import OutsideMap, System
from bptt_solver.terms import Term


class Region:
    """A term and the members that it reaches: a box, and conditions that are no bounds."""

    __slots__ = ("box", "conditions", "term")

    def __init__(self, term: Term, box: Box, conditions: Conditions) -> None:
        self.term = term
        self.box = box
        self.conditions = conditions


def bounds(
    family: str, names: Sequence[str], conditions: Sequence[Comparison], system: System
) -> tuple[Box | None, Conditions]:
    """Conditions on the members as a box and guards; None if there is no such member."""
    low: list[Bound | None] = [None] * len(names)
    high: list[Bound | None] = [None] * len(names)
    guards: list[Comparison] = []
    for condition in conditions:
        difference = condition.left.plus(condition.right, -1)  # difference (operator) 0
        own = [(a, c) for a, c in difference.terms if isinstance(a, str) and a in names]
        inside = _hidden(difference, dict.fromkeys(names))
        if not own and not inside:
            if not system.holds((condition,), {}):
                return None, ()
            continue
        if inside or len(own) != 1 or abs(own[0][1]) != 1 or condition.operator == "!=":
            guards.append(condition)
            continue
        word, sign = own[0]
        at = names.index(str(word))
        rest = Index(difference.constant, tuple(t for t in difference.terms if t[0] != word)).times(
            -sign
        )  # word (op) rest
        for operator, shift in _as_bounds(condition.operator, sign):
            bound = Bound(system.index(rest, {}) + shift, rest.plus(shift))
            ends = low if operator == ">=" else high
            known = ends[at]
            tighter = known is None or (bound.value > known.value if operator == ">=" else bound.value < known.value)
            if tighter or (known is not None and bound.value == known.value and _plain(bound) < _plain(known)):
                ends[at] = bound
    around = hull(family, system) if None in low or None in high else ()
    if len(around) < len(names) and (None in low or None in high):
        return None, ()
    box: list[tuple[Bound, Bound]] = []
    for at in range(len(names)):
        first, last = low[at] or around[at][0], high[at] or around[at][1]
        if first.value > last.value:
            return None, ()
        box.append((first, last))
    return tuple(box), tuple(guards)


_AS_BOUNDS: Mapping[str, list[tuple[str, int]]] = {
    "==": [(">=", 0), ("<=", 0)],
    ">=": [(">=", 0)],
    "<=": [("<=", 0)],
    ">": [(">=", 1)],
    "<": [("<=", -1)],
}
_FLIP = {">=": "<=", "<=": ">="}


def generalised(cells: list[Cell], names: Sequence[str], regions: Sequence[Region]) -> list[Cell]:
    """A single-member cell joins its neighbour if its terms are the neighbour's at that point."""
    while True:
        pair = _same_there(cells, names, regions)
        if pair is None:
            return cells
        point, general, at = pair
        widened = tuple(
            joined(a, b) if k == at else b for k, (a, b) in enumerate(zip(point.box, general.box, strict=True))
        )
        cells = [c for c in cells if c is not point and c is not general]
        cells.append(Cell(widened, general.active, general.part))


def _same_there(
    cells: Sequence[Cell], names: Sequence[str], regions: Sequence[Region]
) -> tuple[Cell, Cell, int] | None:
    """A cell of one member along an index, its neighbour there with the same terms, and which index it is."""
    ends: dict[object, list[int]] = {}  # cells by where they end along an index
    for number, cell in enumerate(cells):
        for at, rest in enumerate(_beside(cell)):
            for side, bound in enumerate(cell.box[at]):
                ends.setdefault((at, side, bound.value, rest), []).append(number)
    for point in cells:
        near: list[tuple[int, int]] = []
        for at, rest in enumerate(_beside(point)):
            low, high = point.box[at]
            if low.value == high.value:
                for key in ((at, 1, low.value - 1, rest), (at, 0, high.value + 1, rest)):
                    near += [(number, at) for number in ends.get(key, ()) if cells[number].part == point.part]
        for number, at in sorted(near):
            binding = {names[at]: point.box[at][0].index}
            if _signature(point, regions, binding) == _signature(cells[number], regions, binding):
                return point, cells[number], at
    return None


def _beside(cell: Cell) -> list[tuple[tuple[int, int], ...]]:
    """For each index, the ends of the cell along all others."""
    ends = [(low.value, high.value) for low, high in cell.box]
    return [(*ends[:at], *ends[at + 1 :]) for at in range(len(ends))]


def _signature(cell: Cell, regions: Sequence[Region], binding: dict[str, Index]) -> list[object]:
    terms = [regions[i].term.renamed(binding) for i in cell.active]
    return [(t.pullback, t.ranges, t.conditions) for t in terms]


def occurs(term: Term, ends: Mapping[str, tuple[Bound, Bound]], system: System) -> bool:
    """Whether a sum over members that maps lead to has a summand for some member of a box: ``where left[j'] == M`` has
    none for the root of a tree. Where this is not easily told it counts as one."""
    looks = [c for c in term.conditions if any(True for i in (c.left, c.right) for _ in i.lookups())]
    if not looks or any(v in ends for r in term.ranges for i in (r.low, r.high) for v in i.variables()):
        return True
    around = {name: (low.value, high.value) for name, (low, high) in ends.items()}
    enumeration = Enumeration(system, Limits({"instances": MOST_MEMBERS}))
    try:
        members = enumeration.environments(term.ranges, (), {}, "limit.a_sum")
        return any(_meets(term.conditions, around, member, system) for member in members)
    except (ProblemError, KeyError):
        return True


def _meets(
    conditions: Conditions, around: Mapping[str, tuple[int, int]], member: Mapping[str, int], system: System
) -> bool:
    """Whether the conditions leave room in a box: each bounds one of its indices, or speaks of the member alone."""
    room = dict(around)
    for condition in conditions:
        difference = condition.left.plus(condition.right, -1)
        own = [(str(a), c) for a, c in difference.terms if a in room]
        if not own and not any(v in room for v in difference.variables()):
            try:
                if not system.holds((condition,), member):
                    return False
            except OutsideMap:
                return False
        if len(own) != 1 or abs(own[0][1]) != 1 or condition.operator == "!=" or _hidden(difference, room):
            continue  # no bound: it may hold
        name, sign = own[0]
        rest = Index(difference.constant, tuple(t for t in difference.terms if t[0] != name)).times(-sign)
        try:
            value = system.index(rest, member)
        except OutsideMap:
            return False
        low, high = room[name]
        for operator, shift in _as_bounds(condition.operator, sign):
            low, high = (max(low, value + shift), high) if operator == ">=" else (low, min(high, value + shift))
        if low > high:
            return False
        room[name] = low, high
    return True


def _hidden(index: Index, names: Mapping[str, object]) -> bool:
    """Whether a map is looked up at one of the names."""
    return any(v in names for look in index.lookups() for i in look.indices for v in i.variables())


def _as_bounds(operator: str, sign: int) -> list[tuple[str, int]]:
    """A comparison with an index, as bounds of that index; ``sign`` is its coefficient."""
    return _AS_BOUNDS[operator] if sign > 0 else [(_FLIP[o], -s) for o, s in _AS_BOUNDS[operator]]


def _plain(bound: Bound) -> tuple[int, int]:
    return (len(bound.index.terms), abs(bound.index.constant))


def hull(family: str, system: System) -> Box:
    """The smallest box around all members."""
    boxes = [b for b in parts(family, system) if b is not None]
    if not boxes:
        return ()
    ends: list[tuple[Bound, Bound]] = []
    for at in range(len(boxes[0])):
        ends.append(
            (
                min((b[at][0] for b in boxes), key=lambda x: x.value),
                max((b[at][1] for b in boxes), key=lambda x: x.value),
            )
        )
    return tuple(ends)


def parts(family: str, system: System) -> list[Box]:
    """The boxes (or hulls) of the family's definitions and given parts, in declaration order."""
    result: list[Box] = []
    for equation in system.defining.get(family, []):
        box = definition_box(equation, system)
        if box is not None:
            result.append(box)
    for part in system.given.get(family, []):
        ends = zip(part.low, part.high, strict=True)
        result.append(tuple((Bound(a, Index(a)), Bound(b, Index(b))) for a, b in ends))
    return result
