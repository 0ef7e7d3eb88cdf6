"""Given names: which of them are given twice, how many indices each carries, and which parts of families they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Expression
from bptt_solver.language.notation.source import to_source
from bptt_solver.problem.arrays import common_shape, covers_members, nested_shape
from bptt_solver.problem.making import Making
from bptt_solver.problem.names import counted, span_of
from bptt_solver.problem.values import FileValue, OneHot
from bptt_solver.problem.values import Given as GivenText
from bptt_solver.system import Given, LooseShape


def check_givens(making: Making) -> None:
    """Note what is given twice."""
    seen: dict[tuple[str, tuple[int, ...] | None], GivenText] = {}
    for item in making.filling.givens:
        key = (item.name, item.members)
        if key in seen:
            other = [(message("given.here_too"), seen[key].key_span)]
            making.problems.add(message("document.twice", name=item.label), item.key_span, None, other)
        seen[key] = item
    for item in making.filling.givens:
        whole = seen.get((item.name, None))
        if item.members is not None and whole is not None and covers_members(whole, item.members):
            hint = message("given.part", name=item.name)
            making.problems.add(message("document.twice", name=item.label), item.key_span, hint)
            continue
        for count in range(1, len(item.members or ())):
            assert item.members is not None
            part = seen.get((item.name, item.members[:count]))
            if part is not None and covers_members(part, item.members[count:]):
                hint = message("given.part_of", name=part.label)
                making.problems.add(message("document.twice", name=item.label), item.key_span, hint)


def count_indices(making: Making) -> None:
    """How many indices each name carries. Different numbers in one document are noted."""
    arities: dict[str, int] = {}
    making.arities = arities
    for equation, survey in making.surveyed:
        _count(making, equation, equation.name, len(equation.indices), None)
        bound = [r.variable for r in equation.ranges]
        for (name, count), node in survey.references.items():
            if arities.get(name) != count and (count or name not in bound):
                _count(making, equation, name, count, node)
    read = dict(making.arities)
    for item in making.filling.givens:
        if item.members is None or _is_part(item, read.get(item.name, 0)):
            making.arities.setdefault(item.name, 0)
            continue
        known = making.arities.setdefault(item.name, len(item.members))
        if known != len(item.members):
            here = counted(len(item.members))
            told = message("given.indices", name=item.label, here=here, known=counted(known))
            making.problems.add(told, item.key_span, _as_it_is_read(making, item, known))


def _count(making: Making, equation: Equation, name: str, count: int, node: Expression | None) -> None:
    known = making.arities.setdefault(name, count)
    if known != count:
        making.problems.add(
            message("given.elsewhere", name=name, here=counted(count), known=counted(known)),
            span_of(equation, node),
            message("given.same_number"),
        )


def _is_part(item: GivenText, arity: int) -> bool:
    """Whether a key is several members at once: ``x[2]: [[1], [3]]`` where x[n,t] is read, a row of unequal length."""
    lacking = arity - len(item.members or ())
    if isinstance(item.value, list):
        return 0 < lacking <= len(nested_shape(item.value))
    return lacking > 0 and isinstance(item.value, FileValue | OneHot)


def _as_it_is_read(making: Making, item: GivenText, arity: int) -> str:
    """How to give a member with the number of indices with which it is read."""
    given = item.members or ()
    if not arity:
        return message("given.no_brackets", name=item.name)
    uses = (s.references[item.name, arity] for s in making.surveys if (item.name, arity) in s.references)
    use = next(uses, None)
    read = (
        message("given.read_as", use=to_source(use))
        if use is not None
        else message("given.has", indices=counted(arity))
    )
    member = ",".join(map(str, (*given, *([1] * arity))[:arity]))
    return message("given.whole", read=read, name=item.name, member=member)


def given_parts(making: Making, roles: Mapping[str, str]) -> dict[str, Sequence[Given]]:
    """The given families as parts: boxes where the members fill one."""
    return {
        name: [_part(name, members, roles.get(name, "value"))]
        for name, members in making.values.items()
        if name not in making.sizes and members
    }


def _part(name: str, members: Mapping[tuple[int, ...], Any], role: str) -> Given:
    indices = list(members)
    width = len(indices[0])
    low = tuple(min(i[k] for i in indices) for k in range(width))
    high = tuple(max(i[k] for i in indices) for k in range(width))
    volume = 1
    for a, b in zip(low, high, strict=True):
        volume *= b - a + 1
    shapes = {nested_shape(v) for v in members.values()}
    shape: LooseShape = shapes.pop() if len(shapes) == 1 else common_shape(shapes)
    explicit = None if volume == len(indices) else tuple(sorted(indices))
    return Given(name, low, high, shape, role, explicit)
