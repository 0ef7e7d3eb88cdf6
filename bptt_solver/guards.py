"""Backward equations of families whose terms reach no boxes: one for each definition, with guards where a term does
not always hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.boxes import Bound, Box, Boxes, as_conditions, canonical_domain, definition_box
from bptt_solver.enumeration import Enumeration
from bptt_solver.errors import ProblemError
from bptt_solver.language.expressions import Comparison, Conditions, Index, Range
from bptt_solver.limits import Limits
from bptt_solver.regions import Region, occurs
from bptt_solver.system import OutsideMap, System
from bptt_solver.terms import AdjointEquation


def guarded_segments(
    family: str, name: str, names: Sequence[str], regions: Sequence[Region], system: System
) -> list[AdjointEquation]:
    """One equation for each definition, its terms guarded by what does not always hold there."""
    result: list[AdjointEquation] = []
    definitions = system.defining.get(family, [])
    domains: list[tuple[tuple[Index, ...], tuple[Range, ...], Conditions]] = []
    around: list[Box | None] = []
    for equation in definitions:
        domains.append(canonical_domain(equation, names))
        around.append(definition_box(equation, system))
    for part in system.given.get(family, []):
        ends = zip(names, part.low, part.high, strict=True)
        ranges = tuple(Range(n, Index(a), Index(b)) for n, a, b in ends)
        domains.append((tuple(Index.variable(n) for n in names), ranges, ()))
        bounds = zip(part.low, part.high, strict=True)
        around.append(tuple((Bound(a, Index(a)), Bound(b, Index(b))) for a, b in bounds))
    boxes = Boxes([region.box for region in regions])
    for (indices, ranges, conditions), box in zip(domains, around, strict=True):
        binding = {n: i for n, i in zip(names, indices, strict=True) if i != Index.variable(n)}
        terms = []
        for region in (regions[i] for i in boxes.meeting(box)):  # the others have no member in common
            guards = [c for low_high, n in zip(region.box, names, strict=True) for c in as_conditions(n, low_high)]
            wanted = tuple(c.substitute(binding) for c in (*guards, *region.conditions))
            needed = not_implied(wanted, ranges, conditions, system)
            room = {n: e for n, e in zip(names, region.box, strict=True) if n not in binding}
            if needed is not None and occurs(region.term.renamed(binding), room, system):
                terms.append(region.term.renamed(binding).guarded(needed))
        if terms:
            result.append(AdjointEquation(name, family, indices, terms, ranges, conditions))
    return result


def not_implied(
    wanted: Conditions, ranges: Sequence[Range], conditions: Conditions, system: System
) -> Conditions | None:
    """The conditions that do not hold for every member of a domain; None if they hold together for no member."""
    needed: list[Comparison] = []
    enumeration = Enumeration(system, Limits({"instances": 200_000}))
    try:
        members = list(enumeration.environments(ranges, conditions, {}, "limit.domain"))
        if not any(_holds(wanted, m, system) for m in members):
            return None
        for condition in wanted:
            if not all(_holds((condition,), m, system) for m in members):
                needed.append(condition)
    except ProblemError:  # too many members to try them all: keep every condition
        return wanted
    return tuple(needed)


def _holds(conditions: Conditions, environment: Mapping[str, int], system: System) -> bool:
    try:
        return system.holds(conditions, environment)
    except OutsideMap:
        return False
