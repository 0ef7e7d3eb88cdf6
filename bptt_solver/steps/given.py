"""Sections 1 to 3 of a system with indices or arrays: what is given, the order, the forward values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import FIXED, Domain, Formula, Item, Several
from bptt_solver.derivation import MOST_LINES, Chain, Cut, Group, functions_used, shortened
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Index, Reference, Sum, preorder
from bptt_solver.steps.members import or_zero, same
from bptt_solver.steps.tables import forward_tables

if TYPE_CHECKING:
    from bptt_solver.instances import Ground
    from bptt_solver.steps.indexed import Indexed

MOST_MEMBERS = 8  # members of a given family that are all shown


def fill_given(whole: Indexed) -> None:
    """Section 1: the equations by where they hold, the values, the functions, what is wanted."""
    derivation, members, system = whole.derivation, whole.members, whole.system
    groups: list[tuple[Domain | None, list[Chain | Cut]]] = []
    for equation in system.equations:
        domain = Domain(equation.ranges, equation.conditions) if equation.ranges else None
        chain = Chain(
            (Reference(equation.name, equation.indices), members.tree(equation.right), *_written_out(whole, equation))
        )
        if groups and groups[-1][0] == domain:
            groups[-1][1].append(chain)
        else:
            groups.append((domain, [chain]))
    derivation.domains = groups
    used = {v for e in system.equations for r in e.ranges for i in (r.low, r.high) for v in i.variables()}
    values: list[Chain | Cut] = [
        Chain((Reference(name), members.value(size, FIXED))) for name, size in system.sizes.items() if name in used
    ]
    for name in system.maps:
        values += _map(whole, name)
    for name in system.given:
        values += _values(whole, name)
    derivation.values = values
    derivation.functions = functions_used(whole.computation)
    derivation.wanted = shortened([members.name(n) for n in whole.wanted], whole.everything, 2 * MOST_MEMBERS)


def _written_out(whole: Indexed, equation: Equation) -> list[Formula]:
    """A short sum over an index, written out: ``E = Σ e_t = e_1 + e_2 + e_3``."""
    if equation.ranges or equation.indices or not isinstance(equation.right, Sum):
        return []
    number = whole.unfolded.number[equation.name, ()]
    grounds = whole.forward.grounds[number] or ()
    inner = grounds[0].slots[0] if len(grounds) == 1 and grounds[0].slots else None
    if not isinstance(inner, list) or not 1 < len(inner) <= 4:
        return []
    return [whole.members.formula(grounds, False)]


def _map(whole: Indexed, name: str) -> list[Chain | Cut]:
    """A map that the equations look indices up in: ``len = (3, 2)``, or member by member."""
    table = whole.system.maps[name].table
    keys = sorted(table)
    if keys and keys == [(at,) for at in range(1, len(keys) + 1)] and len(keys) <= 2 * MOST_MEMBERS:
        return [Chain((Reference(name), whole.members.value([table[at] for at in keys], FIXED)))]
    return [
        at
        if isinstance(at, Cut)
        else Chain((Reference(name, tuple(map(Index, at))), whole.members.value(table[at], FIXED)))
        for at in shortened(keys, whole.everything, MOST_MEMBERS)
    ]


def _values(whole: Indexed, name: str) -> list[Chain | Cut]:
    members, system = whole.members, whole.system
    numbers = [whole.unfolded.number[name, i] for part in system.given[name] for i in part.indices()]
    indices = [whole.unfolded.keys[n][1] for n in numbers]
    scalars = not any(n in whole.computation.shapes for n in numbers)
    if (
        len(numbers) > 1
        and scalars
        and all(len(i) == 1 for i in indices)
        and [i[0] for i in indices] == list(range(1, len(indices) + 1))
    ):
        cells = [cell for n in numbers if (cell := members.cell(n)) is not None]
        return [Chain((Reference(name), members.value([members.values[n] for n in numbers], Several(cells))))]
    return [
        n if isinstance(n, Cut) else Chain((members.name(n), members.shown(n)))
        for n in shortened(numbers, whole.everything, MOST_MEMBERS)
    ]


def fill_order(whole: Indexed) -> None:
    """Wanted given nodes that the sweep reaches, then the computed ones in order."""
    members, keys = whole.members, whole.unfolded.keys
    starts = [n for n in whole.wanted if whole.forward.grounds[n] is None and keys[n][0] not in whole.gathered]
    starts = [n for n in starts if whole.system.roles.get(keys[n][0]) != "data" or whole.problem.wrt is not None]
    order = shortened([*starts, *whole.forward.order], whole.everything, MOST_LINES, 12, 6)
    whole.derivation.order = [n if isinstance(n, Cut) else members.name(n) for n in order]


def fill_forward(whole: Indexed) -> None:
    """Section 3: line by line in the order of computation; of a long system tables."""
    derivation = whole.derivation
    target = whole.unfolded.number[whole.computation.target_key]
    if derivation.detail == "summary":
        derivation.forward = [Group([Chain((whole.members.name(target), whole.members.shown(target)))])]
        return
    if whole.long:
        derivation.forward_tables = forward_tables(whole)
        rest = [n for n in whole.forward.order if whole.times.of(whole.unfolded.keys[n]) is None]
        lines = [n if isinstance(n, Cut) else forward_line(whole, n) for n in shortened(rest, False)]
        derivation.forward = [Group(lines)] if lines else []
        return
    groups: list[Group] = []
    for number in whole.forward.order:
        time = whole.times.of(whole.unfolded.keys[number])
        if not groups or (groups[-1].at if groups[-1].variable else None) != time:
            groups.append(Group([], whole.times.variable if time is not None else "", time or 0))
        groups[-1].lines.append(forward_line(whole, number))
    derivation.forward = groups


def forward_line(whole: Indexed, number: int) -> Chain:
    """``name = numbers = value``; of an array ``name = symbols = values of the summands = value``."""
    members = whole.members
    name, value = members.name(number), members.shown(number)
    grounds = whole.forward.grounds[number] or []
    if number not in whole.computation.shapes and all(
        not is_array(members.values[n]) for n in whole.forward.reads(number)
    ):
        numbers = members.formula(grounds, True)
        return Chain((name, value) if same(numbers, value) else (name, numbers, value))
    items: list[Item] = [name, members.formula(grounds, False), *_summands(whole, grounds), value]
    shape = whole.computation.shapes.get(number, ())
    product = any(
        isinstance(n, Call) and n.operation == "matmul" for g in grounds for n in preorder(g.template.expression)
    )
    return Chain(items, [shape] if shape and product else [])


def _summands(whole: Indexed, grounds: Sequence[Ground]) -> list[Item]:
    """The values of the terms of a sum of arrays, if there are several."""
    members = whole.members
    if len(grounds) != 1 or not isinstance(tree := grounds[0].template.expression, Call) or tree.operation != "add":
        return []
    slots = members.slot_values(grounds[0])
    values = [members.arithmetic.compile(a)(slots) for a in tree.arguments]
    if not 1 < len(values) <= 4 or any(not is_array(v) or v.size > 16 for v in values):
        return []
    cells = [members.made_of("t", a, grounds[0].slots) for a in tree.arguments]
    if sum(bool(v.any()) for v in values) < 2:
        return []
    return [members.items([or_zero(members.value(v, of)) for v, of in zip(values, cells, strict=True)])]
