"""The pictures of a page: the graph unrolled and folded, in every notation of the page, and once more with numbers in
its nodes. Numbers have the keys under which the page finds them when it computes them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING

from bptt_solver.arithmetic import is_array
from bptt_solver.errors import ProblemError
from bptt_solver.instances import instance_text
from bptt_solver.made import ONE, Other
from bptt_solver.making import Making
from bptt_solver.pictures.graph import Graph
from bptt_solver.pictures.labels import formula_label, width
from bptt_solver.pictures.picture import arranged, check_size, described, graph_of, shown_first
from bptt_solver.pictures.reading import Reading
from bptt_solver.pictures.routes import LABEL
from bptt_solver.pictures.svg import NAME, VALUE, measure, svg
from bptt_solver.pictures.words import MOST_ENTRIES, Words

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.profiles.convention import Convention

UNROLLED, FOLDED, NUMBERS = FORMS = ("unrolled", "folded", "numbers")
LARGEST = 200_000  # characters of one picture
USUAL = "−0.123"  # what there is room for where a number may become longer; what is longer is written smaller
SMALLEST, GRID = 22.0, 12.0  # what a node has room for in any case; steps of larger widths
Key = tuple[str, str]  # a notation and a form


class Drawings:
    """``svgs``: the pictures by notation and form. A form that cannot be drawn is missing."""

    def __init__(
        self, computation: Computation, conventions: Sequence[tuple[str, Convention | None]], alive: bool
    ) -> None:
        self.computation = computation
        self.unfolded = computation.problem.unfolded
        self.alive = alive
        self.svgs: dict[Key, str] = {}
        self.graphs: dict[Key, Graph] = {}
        self.reading = Reading(computation)
        self._partials: dict[int, dict[int, str]] = {}
        self._known: dict[tuple[object, ...], Graph] = {}
        first = shown_first(computation, self.reading)
        for form in FORMS:
            show = (*first, "values", "derivatives") if form == NUMBERS else first
            for name, convention in conventions:
                if not self._draw((name, form), Words(computation, convention), show):
                    break

    def _draw(self, key: Key, words: Words, show: Sequence[str]) -> bool:
        """One picture; False where there is none."""
        form = UNROLLED if key[1] == NUMBERS else key[1]
        try:
            graph, variables = graph_of(self.computation, words, form, show)
            check_size(graph)
        except ProblemError:
            return False
        if form == FOLDED and not graph.folded:
            return False
        if self.alive:
            self._name_numbers(graph, show)
        self._arrange(graph, variables)
        drawn = svg(graph, *described(graph, self.computation, "en"))
        if len(drawn) > LARGEST:
            return False
        self.svgs[key], self.graphs[key] = drawn, graph
        return True

    def told(self, languages: Sequence[str]) -> dict[str, dict[str, Sequence[str]]]:
        """Title and description of each form in each language."""
        graphs = {form: graph for (_, form), graph in self.graphs.items()}
        return {
            language: {form: described(graph, self.computation, language) for form, graph in graphs.items()}
            for language in languages
        }

    # -- places

    def _arrange(self, graph: Graph, variables: Sequence[str]) -> None:
        """Lay a graph out, or as another was that has the same sizes. Sizes are rounded up, so that many have."""
        for node in [*graph.nodes, *graph.parameters]:
            node.room = _rounded(max(node.room, width(node.lines[0], NAME)), SMALLEST if node in graph.nodes else 0)
        for edge in graph.edges:
            edge.room = _rounded(max(edge.room, width(edge.label, LABEL)), 0)
        rooms = (*(node.room for node in graph.nodes), *(edge.room for edge in graph.edges))
        sizes = (graph.folded, *(len(node.lines) for node in graph.nodes), *rooms)
        known = self._known.get(sizes)
        if known is None:
            self._known[sizes] = arranged(graph, variables)
            return
        measure(graph)
        graph.captions, graph.bands = known.captions, known.bands
        for node, other in zip(graph.nodes, known.nodes, strict=True):
            node.x, node.y = other.x, other.y
        for edge, like in zip(graph.edges, known.edges, strict=True):
            edge.path, edge.via, edge.marks, edge.label_at = like.path, like.via, like.marks, like.label_at

    # -- numbers

    def _name_numbers(self, graph: Graph, show: Sequence[str]) -> None:
        """The keys of the numbers in nodes and on edges."""
        numbers = {instance_text(key): number for number, key in enumerate(self.unfolded.keys)}
        for node in [*graph.nodes, *graph.parameters]:
            if node.marks and node.name in numbers:
                node.title = node.name  # its numbers are put in when they are computed
                node.keys = [self._key(numbers[node.name], mark) for mark in node.marks]
                node.room = max((self._room(numbers[node.name]) for key in node.keys if key), default=0.0)
        if "partials" not in show or graph.folded:
            return
        for edge in graph.edges:
            read, number = (numbers.get(graph.nodes[end].name) for end in (edge.source, edge.sink))
            if edge.label and read is not None and number is not None and self._is_number(read, number):
                edge.key = self._partial(number).get(read, "")
                edge.room = width(formula_label(USUAL), LABEL) if edge.key else 0.0

    def _is_number(self, *numbers: int) -> bool:
        return not any(is_array(self.computation.values[n]) for n in numbers)

    def _key(self, number: int, mark: str) -> str:
        value = self.computation.values[number]
        if is_array(value) and not (value.ndim == 1 and value.size <= MOST_ENTRIES):
            return ""  # a shape
        own = self.computation.derivative_number(self.unfolded.keys[number]) if mark == "derivative" else number
        return "" if own is None else f"{'d' if mark == 'derivative' else 'v'}{own}"

    def _room(self, number: int) -> float:
        value = self.computation.values[number]
        text = f"({', '.join([USUAL] * value.size)})" if is_array(value) else USUAL
        return width(formula_label(text), VALUE)

    def _partial(self, number: int) -> Mapping[int, str]:
        """The keys of an instance's simple partials."""
        if number not in self._partials:
            found = Making(self.computation.made, self.unfolded).partials(number, ONE)
            keys = {read: f"p{made.at}" for read, made in found.items() if isinstance(made, Other)}
            self._partials[number] = keys
        return self._partials[number]


def _rounded(wide: float, least: float) -> float:
    """A width, or the next larger one of few."""
    return least + ceil(max(wide - least, 0) / GRID) * GRID


__all__ = ["FOLDED", "FORMS", "NUMBERS", "UNROLLED", "Drawings"]
