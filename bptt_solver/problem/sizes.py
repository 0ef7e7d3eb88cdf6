"""How large the sizes are: declared by the document, set by the topology, or read off what is given."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.catalogues import message
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Index, Range, Reference, Sum
from bptt_solver.problem.making import Making
from bptt_solver.problem.names import span_of_word
from bptt_solver.problem.told import no_size, size_hint

Extents = dict[str, list[tuple[int, int] | None]]  # name -> first and last index of each axis; None: it tells nothing


def find_sizes(making: Making) -> None:
    """All sizes that the equations name. Notes those that are not known."""
    sizes, resolver, problems = making.sizes, making.resolver, making.problems
    sizes |= declared_sizes(making)
    defined = {e.name for e in making.equations}
    extents = _extents(making)
    for name, (equation, node) in resolver.sizes.items():
        if name in sizes:
            continue
        given = making.values.get(name, {}).get(())
        if type(given) is int and name in resolver.bounds:
            sizes[name] = given
            continue
        span = span_of_word(equation, name)
        if name in making.values or name in defined:
            problems.add(*no_size(name, name in defined, given, span))
            continue
        value, said = infer_size(name, making.equations, extents)
        if value is not None:
            sizes[name] = value
        elif said:
            _unclear(making, name, said, equation)
        else:
            problems.add(message("name.neither", name=name), span, size_hint(name, equation, node, sizes))
        if problems.enough:
            break


def declared_sizes(making: Making) -> dict[str, int]:
    """The sizes that the topology sets, and over them those of the document."""
    network = making.network
    sizes = {n: int(value) for n, value in network.sizes.items() if value is not None} if network else {}
    sizes |= {item.name: item.value for item in making.document.sizes if type(item.value) is int}
    return sizes


def _unclear(making: Making, name: str, said: Sequence[tuple[str, int]], equation: Equation) -> None:
    """Given families do not agree on a size."""
    told = message.listed([message("size.says", name=n, value=v) for n, v in said], "list.comma")
    notes = [(message("size.given_here", name=n), making.spans[n]) for n, _ in said if n in making.spans]
    hint = message("size.declare", name=name, value=said[0][1])
    making.problems.add(message("size.unclear", name=name, told=told), span_of_word(equation, name), hint, notes)


def _extents(making: Making) -> Extents:
    """First and last index of the given families, along each axis. A family that is also defined by equations tells
    nothing along an axis on which those have more than one member."""
    open_axes: dict[str, set[int]] = {}
    for equation in making.equations:
        found = open_axes.setdefault(equation.name, set())
        found.update(k for k, index in enumerate(equation.indices) if index.terms)
    result: Extents = {}
    for name, members in making.values.items():
        if members:
            axes = range(len(next(iter(members))))
            ends = [(min(i[k] for i in members), max(i[k] for i in members)) for k in axes]
            skipped = open_axes.get(name, ())
            result[name] = [None if k in skipped else end for k, end in enumerate(ends)]
    return result


def infer_size(name: str, equations: Sequence[Equation], extents: Extents) -> tuple[int | None, list[tuple[str, int]]]:
    """A size that is not declared, from the data that are read up to it: (the size, what each name says).

    Only given families count: where ``t`` runs to ``T`` and ``x[t]`` is read, ``T`` is the last index of ``x``.
    """
    said: dict[str, int] = {}
    shifted: dict[str, int] = {}

    def look(expression: Expression, ranges: dict[str, Range]) -> None:
        stack: list[tuple[Expression, dict[str, Range]]] = [(expression, ranges)]
        while stack:
            node, scope = stack.pop()
            if isinstance(node, Sum):
                stack.append((node.body, {**scope, **{r.variable: r for r in node.ranges}}))
            elif isinstance(node, Call):
                stack.extend((a, scope) for a in node.arguments)
            elif isinstance(node, Reference) and node.name in extents:
                for index, ends in zip(node.indices, extents[node.name], strict=False):
                    if ends is None or len(index.terms) != 1 or index.terms[0][1] != 1:
                        continue
                    factor = index.terms[0][0]
                    variable = scope.get(factor) if isinstance(factor, str) else None
                    if variable is not None and variable.high == Index.variable(name):
                        (said if index.constant == 0 else shifted).setdefault(node.name, ends[1] - index.constant)

    for equation in equations:
        look(equation.right, {r.variable: r for r in equation.ranges})
    found = said or shifted
    values = set(found.values())
    return (values.pop() if len(values) == 1 else None), sorted(found.items())
