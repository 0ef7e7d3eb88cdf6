"""Checks of names that need to know them all: names that look alike, indices that are quantities, unknown names."""

from __future__ import annotations

from bptt_solver.catalogues import message
from bptt_solver.problem.making import Making
from bptt_solver.problem.names import lookalike, span_of, span_of_word
from bptt_solver.problem.told import different, unknown_name


def check_names(making: Making) -> None:
    """Note names that look alike, and index variables that are also families."""
    families = dict.fromkeys([*making.values, *(e.name for e in making.equations)])
    if not all(name.isascii() for name in families):
        _check_looks(making, list(families))
    for equation, survey in making.surveyed:
        if equation.name in making.sizes:
            told = message("name.size_equation", name=equation.name)
            making.problems.add(told, span_of(equation), message("name.rename"))
        if not equation.ranges and not survey.bound:
            continue
        for item in dict.fromkeys((*(r.variable for r in equation.ranges), *survey.bound)):
            if item in families or item in making.sizes:
                told = message("name.index_size" if item in making.sizes else "name.index_quantity", name=item)
                making.problems.add(told, span_of_word(equation, item), message("name.rename"))


def _check_looks(making: Making, families: list[str]) -> None:
    looks: dict[str, str] = {}
    for name in families:
        other = looks.setdefault(lookalike(name), name)
        if other != name:
            span = making.spans.get(name) or next((span_of(e) for e in making.equations if e.name == name), None)
            told = message("name.alike", name=name, other=other)
            making.problems.add(told, span, message("name.spelling", different=different(name, other)))


def check_unknown(making: Making) -> None:
    """Note names that are neither given nor defined nor an index, each where it stands first."""
    given = {*making.values, *(g.name for g in making.filling.givens)}
    families = {*(e.name for e in making.equations), *given} - making.sizes.keys()
    told: set[str] = set()
    for equation, survey in making.surveyed:
        if all(name in families for name, _ in survey.references):
            continue
        bound = {r.variable for r in equation.ranges}
        for (name, count), node in survey.references.items():
            if name in making.resolver.maps:
                making.resolver.check_map(name, count, equation, node)
                continue
            is_index = name in bound or name in making.sizes
            if name in families or name in told or (is_index and not count):
                continue
            told.add(name)
            span = span_of(equation, node)
            if is_index:
                told_of = message("name.size_member" if name in making.sizes else "name.index_member", name=name)
                making.problems.add(told_of, span, message("name.no_brackets", name=name))
            else:
                making.problems.add(*unknown_name(name, families - {equation.name}, span))
        if making.problems.enough:
            return
