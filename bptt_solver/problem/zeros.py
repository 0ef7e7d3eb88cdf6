"""Members that are 0 because a topology says so, where their indices are expressions in sizes: ``b[T+1]``, or
``h[n,0] for n in 1..N``."""

from __future__ import annotations

from collections.abc import Mapping

from bptt_solver.catalogues import message
from bptt_solver.errors import Excerpt, Source
from bptt_solver.language.expressions import Index
from bptt_solver.problem.making import Making
from bptt_solver.records import Shape


def fill_zeros(making: Making) -> None:
    """Fill in the members that are not given. Raises ProblemError for a label that cannot be read."""
    for label in making.network.zeros if making.network is not None else ():
        for name, indices in members_of(making, label):
            if indices not in making.values.get(name, {}):
                value = _zero(making, label)
                if value is not None:
                    making.values.setdefault(name, {})[indices] = value


def members_of(making: Making, label: str) -> list[tuple[str, tuple[int, ...]]]:
    """The members that a label names, by their numbers; none if a size in it is not known."""
    from bptt_solver.language.parser import parse_equations

    left, _, domain = label.partition(" for ")
    text = f"{left} = 0" + (f" for {domain}" if domain else "")
    assert making.document.network is not None
    source = Source(f"topology '{making.document.network.topology}'", text, making.document.network.span)
    equation = parse_equations(Excerpt(text, source), making.limits)[0]
    bindings = [making.sizes]
    try:
        for item in equation.ranges:
            ends = [(b, _number(making, item.low, b), _number(making, item.high, b)) for b in bindings]
            count = sum(high - low + 1 for _, low, high in ends)
            making.limits.check("instances", count, lambda: message("syntax.word", word=label))
            bindings = [{**b, item.variable: k} for b, low, high in ends for k in range(low, high + 1)]
        return [(equation.name, tuple(_number(making, i, b) for i in equation.indices)) for b in bindings]
    except KeyError:
        return []


def _number(making: Making, index: Index, binding: Mapping[str, int]) -> int:
    """What an index is. KeyError for a name in it that is not known."""
    value = index.constant
    for atom, factor in index.terms:
        if isinstance(atom, str):
            value += factor * binding[atom]
        else:
            at = tuple(_number(making, i, binding) for i in atom.indices)
            value += factor * making.maps[atom.name].table[at]
    return value


def _zero(making: Making, label: str) -> object:
    """A number or nested lists of 0, in the shape that the topology declares."""
    shape = _shape(making, label)
    if shape is None:
        return None
    value: object = 0.0
    for length in reversed(shape):
        value = [value] * length
    return value


def _shape(making: Making, label: str) -> list[int] | None:
    assert making.network is not None
    declared: Shape | None = making.network.parameters.get(label)
    if declared is None:
        return None
    lengths = [making.sizes.get(n) if isinstance(n, str) else n for n in declared]
    return [n for n in lengths if n is not None] if None not in lengths else None
