"""The equations of a document and those that its topology writes, its maps, and what both are made of."""

from __future__ import annotations

from bptt_solver.catalogues import message
from bptt_solver.errors import Excerpt, Problem, ProblemError, Source, Span, fail
from bptt_solver.language.equations import Equation, Origin
from bptt_solver.options import shown
from bptt_solver.problem.arrays import index_table, leaves
from bptt_solver.problem.making import Making
from bptt_solver.problem.names import Resolver, Survey, is_plain
from bptt_solver.problem.network import NetworkBlock
from bptt_solver.records import Network, OptionError, Place
from bptt_solver.system import IntegerMap


def read_equations(making: Making) -> None:
    """The equations that the topology writes, and those of the document. Raises ProblemError."""
    from bptt_solver.language.parser import parse_equations

    texts = list(making.document.equations)
    block = making.document.network
    if block is not None:
        try:
            making.network = making.plugins.registry.network(block.topology, block.options, block.span)
        except OptionError as error:
            raise _option_problem(error, block) from None
        if "weights" in making.document.settings:
            from bptt_solver.problem.weights import extended

            making.network = extended(making.network, making.document)
        source = Source(f"topology '{block.topology}'", making.network.equations, block.span)
        texts.insert(0, Excerpt(making.network.equations, source))
    making.equations = []
    for text in texts:
        try:
            making.equations.extend(parse_equations(text, making.limits))
        except ProblemError as error:
            making.problems.extend(error)
    making.problems.raise_if_any()
    if making.network is not None and block is not None and making.network.places:
        making.equations = [_placed(e, making.network, block) for e in making.equations]
    if not making.equations:
        raise fail(message("document.no_equation"), hint=message("document.one_a_line"))
    making.limits.check("equations", len(making.equations), lambda: message("limit.document"))


def _placed(equation: Equation, network: Network, block: NetworkBlock) -> Equation:
    """An equation that was written for a line of an option's text: what is wrong with it is told at that line."""
    origin, place = equation.origin, network.places.get(equation.name)
    if place is None or origin is None or origin.excerpt.source.written_by is None:
        return equation
    text = origin.excerpt.text
    source = Source(origin.excerpt.source.name, text, _span(place, block))
    origin = Origin(Excerpt(text, source), origin.start, origin.end)
    return Equation(
        equation.name, equation.indices, equation.right, equation.ranges, equation.conditions, origin
    )  # fmt: skip


def _span(place: Place, block: NetworkBlock) -> Span:
    path, stretch = place
    return block.span_in(path, *stretch) if stretch is not None else block.span_of(*path)


def _option_problem(error: OptionError, block: NetworkBlock) -> ProblemError:
    """What a topology says of an option, with the option's place, and that of the other one if two do not agree."""
    span = block.span_in(error.path, *error.at) if error.at else block.span_of(*error.path, key=error.key)
    notes = []
    if error.also and block.has(*error.also):
        notes = [(message("option.here", option=shown(error.also)), block.span_of(*error.also))]
    return ProblemError(Problem(error.args[0], span, notes=notes))


def read_maps(making: Making) -> None:
    """The maps of the document, and those of the topology that the document does not give."""
    making.maps = {}
    for item in making.document.maps:
        table: dict[tuple[int, ...], int] = {}
        for indices, value in leaves(item.value, item.starts):
            if type(value) is not int:
                making.problems.add(message("map.whole", name=item.name), item.value_span)
                break
            table[indices] = value
        making.maps[item.name] = IntegerMap(item.name, table)
    for name, entries in making.network.maps.items() if making.network is not None else ():
        if name not in making.maps:
            making.maps[name] = IntegerMap(name, index_table(entries))


def survey(making: Making) -> None:
    """What each equation is made of; notes functions that there are not, and indices that mean nothing."""
    making.resolver = Resolver(making.operations, making.maps, making.problems)
    block = making.document.network
    if making.network is not None and block is not None:
        making.resolver.places = {name: _span(place, block) for name, place in making.network.places.items()}
    making.surveys = [Survey(e.right) for e in making.equations]
    known = {*(e.name for e in making.equations), *(g.name for g in making.filling.givens)}
    for equation, found in making.surveyed:
        making.resolver.check_calls(equation, found, known)
        if making.problems.enough:
            break
        if found.indexed or not is_plain(equation):
            making.resolver.scan(equation)
    making.problems.raise_if_any()
