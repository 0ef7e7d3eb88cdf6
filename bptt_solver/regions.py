"""Which members of a family a term reaches: conditions on its indices as a box, and what is no bound as a guard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.boxes import Bound, Box, definition_box
from bptt_solver.chain_rule import Term
from bptt_solver.language.expressions import Comparison, Conditions, Index
from bptt_solver.system import System


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
        inside = any(v in names for look in difference.lookups() for i in look.indices for v in i.variables())
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
        for operator, shift in (
            _AS_BOUNDS[condition.operator] if sign > 0 else [(_FLIP[o], -s) for o, s in _AS_BOUNDS[condition.operator]]
        ):
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
