"""The folded graph: what is the same at every step is drawn once; what is read of another step goes through z⁻¹."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bptt_solver.instances import instance_text
from bptt_solver.language.expressions import Index
from bptt_solver.pictures.graph import Edge, Graph, Node, Place
from bptt_solver.pictures.labels import Label, Run, plain
from bptt_solver.pictures.unrolling import Roles, joined, parameters

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.pictures.reading import Reading
    from bptt_solver.pictures.words import Words
    from bptt_solver.system import Instance

MOST_LOOPS = 1  # readers of an earlier step that are drawn by a loop; more get a box z⁻¹ that they share


class Folding:
    """Which indices are folded: the time, and what only counts copies that have nothing to do with each other."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.unfolded = reading.unfolded
        self.symbols: dict[str, dict[int, str]] = {}  # family -> position -> the index as a symbol
        for name, (at, variable) in reading.clock.items():
            self.symbols.setdefault(name, {})[at] = variable
        self._find_copies()

    def _find_copies(self) -> None:
        """Index variables that every equation passes on unchanged, and that no weight has."""
        reading = self.reading
        for variable in dict.fromkeys(r.variable for e in reading.system.equations for r in e.ranges):
            places: dict[str, int] = {}
            if self._passes(variable, places):
                for name, at in places.items():
                    self.symbols.setdefault(name, {})[at] = variable

    def _passes(self, variable: str, places: dict[str, int]) -> bool:
        from bptt_solver.language.expressions import Reference, preorder

        system = self.reading.system
        if any(variable == v for _, v in self.reading.clock.values()):
            return False
        roles = system.roles
        for equation in system.equations:
            for at, index in enumerate(equation.indices):
                alone = len(index.terms) == 1 and not index.constant
                if variable in index.variables() and not (alone and places.setdefault(equation.name, at) == at):
                    return False
        for equation in system.equations:
            own = any(variable in i.variables() for i in equation.indices)
            for node in preorder(equation.right):
                if type(node) is not Reference:
                    continue
                for at, index in enumerate(node.indices):
                    if variable in index.variables():
                        if roles.get(node.name) == "parameter" or index.constant or len(index.terms) != 1:
                            return False
                        if any(True for _ in index.lookups()) or places.setdefault(node.name, at) != at:
                            return False
                if own and node.name in places and node.indices[places[node.name]].terms != ((variable, 1),):
                    return False
        for equation in system.equations:
            if equation.name in places and equation.indices[places[equation.name]].terms != ((variable, 1),):
                return False
            counts = any(variable in i.variables() for i in equation.indices)
            read = (n for n in preorder(equation.right) if type(n) is Reference and n.name in places)
            if not counts and equation.indices and any(True for _ in read):
                return False  # only a total may read all copies
        return bool(places)

    @property
    def folds(self) -> bool:
        """Whether there is anything to fold."""
        return bool(self.symbols)

    def place(self, key: Instance) -> Place:
        """An instance without the indices that are folded."""
        gone = self.symbols.get(key[0], {})
        return key[0], tuple(i for at, i in enumerate(key[1]) if at not in gone)

    def indices(self, key: Instance) -> tuple[Index, ...]:
        """The indices with symbols for those that are folded."""
        gone = self.symbols.get(key[0], {})
        return tuple(Index.variable(gone[at]) if at in gone else Index(i) for at, i in enumerate(key[1]))

    def name(self, key: Instance) -> str:
        """``h[t]``."""
        gone = self.symbols.get(key[0], {})
        return f"{key[0]}[{','.join(gone.get(at, str(i)) for at, i in enumerate(key[1]))}]" if key[1] else key[0]


def folded(computation: Computation, reading: Reading, folding: Folding, words: Words, show: Sequence[str]) -> Graph:
    """The graph with one node for all members that differ in the folded indices only."""
    unfolded = computation.problem.unfolded
    roles = Roles(computation, reading)
    graph = Graph("time" if reading.clock else "layers")
    graph.folded = True
    network = computation.problem.network
    graph.order = {name: place for name, (_, place) in network.lanes.items()} if network is not None else {}
    graph.lanes = {name: lane for name, (lane, _) in network.lanes.items()} if network is not None else {}
    graph.backward = dict.fromkeys(roles.backward)
    at: dict[Place, int] = {}
    kinds: dict[Place, str] = {}
    given = [n for n in range(len(unfolded.keys)) if unfolded.grounds[n] is None]
    numbers = [
        n for n in [*given, *unfolded.order] if n not in reading.weights and (n in roles.readers or n not in given)
    ]
    for number in numbers:
        kind, place = roles.kind(number), folding.place(unfolded.keys[number])
        kinds[place] = kind if kinds.get(place, "start") == "start" else kinds[place]
    for number in numbers:
        key = unfolded.keys[number]
        place = folding.place(key)
        if place in at:
            graph.nodes[at[place]].members.append(instance_text(key))
            continue
        if _only_starts(number, reading):
            continue
        at[place] = len(graph.nodes)
        node = Node(folding.name(key), kinds[place], [words.reference(key[0], folding.indices(key))], place)
        node.members.append(instance_text(key))
        node.time = 0 if reading.time(key) is not None else None
        graph.nodes.append(node)
    _fold_edges(graph, at, computation, reading, folding, words, show)
    _delays(graph, reading)
    parameters(graph, computation, reading, words, ())
    return graph


def _only_starts(number: int, reading: Reading) -> bool:
    """Whether something given is only what a start copies."""
    unfolded = reading.unfolded
    if unfolded.grounds[number] is not None or unfolded.keys[number][0] in reading.clock or not reading.clock:
        return False
    users = [u for u in unfolded.order if number in unfolded.reads(u)]
    return bool(users) and all(len(unfolded.reads(u)) == 1 and _is_start(u, reading) for u in users)


def _is_start(number: int, reading: Reading) -> bool:
    """Whether a member has an equation of its own that copies, while others of its family are computed."""
    equation = reading.unfolded.equations[number]
    family = reading.unfolded.keys[number][0]
    return equation is not None and len(reading.system.defining[family]) + (family in reading.system.given) > 1


def _fold_edges(
    graph: Graph, at: Mapping[Place, int], computation: Computation, reading: Reading, folding: Folding, words: Words,
    show: Sequence[str],
) -> None:  # fmt: skip
    unfolded = computation.problem.unfolded
    known: dict[tuple[int, int, int], Edge] = {}
    for number in unfolded.order:
        user = unfolded.keys[number]
        for read in unfolded.reads(number):
            source = unfolded.keys[read]
            ends = at.get(folding.place(source)), at.get(folding.place(user))
            if ends[0] is None or ends[1] is None:
                continue
            here, there = reading.time(user), reading.time(source)
            equation = unfolded.equations[number]
            same = unfolded.grounds[read] is None or equation is None or here is None or there is None
            same = same or reading.times.apart(source, user, equation) is not None  # type: ignore[arg-type]
            shift = here - there if here is not None and there is not None and same else 0
            if (ends[0], ends[1], shift) in known or (ends[0] == ends[1] and not shift):
                continue
            weights = reading.factors(number, read)
            label: Label = ()
            if "partials" in show:
                label = words.partial(number, read, folding) if shift == 0 else ()
            if not label and weights:
                label = joined(
                    [words.reference(unfolded.keys[w][0], folding.indices(unfolded.keys[w])) for w in weights]
                )
            edge = Edge(ends[0], ends[1], [instance_text(unfolded.keys[w]) for w in weights], label, shift)
            edge.same_clock = same
            edge.title = f"{folding.name(source)} → {folding.name(user)}{f' (z{_power(-shift)})' if shift else ''}"
            edge.title += f": {plain(label)}" if label else ""
            known[ends[0], ends[1], shift] = edge
            graph.edges.append(edge)


def _delays(graph: Graph, reading: Reading) -> None:
    """What is read of another step: a loop with z⁻¹ on it where there is one such reader, a box that all share else."""
    groups: dict[tuple[int, int], list[Edge]] = {}
    for edge in graph.edges:
        if edge.shift:
            groups.setdefault((edge.source, edge.shift), []).append(edge)
    for (source, shift), edges in groups.items():
        mark: Label = (Run("z"), Run(_minus(shift), 1))
        if len(edges) <= MOST_LOOPS:
            for edge in edges:
                edge.label = (*mark, *([Run(" · "), *edge.label] if edge.label else []))
            continue
        node = graph.nodes[source]
        box = Node(f"{node.name}·z{_power(-shift)}", "delay", [mark], (f"{node.place[0]}·{shift}", node.place[1]), 0)
        box.title = f"{node.name}: z{_power(-shift)}"
        at = len(graph.nodes)
        graph.nodes.append(box)
        into = Edge(source, at, (), (), shift)
        into.title = f"{node.name} → z{_power(-shift)}"
        for edge in edges:
            edge.source, edge.shift = at, 0
        graph.edges.append(into)


def _minus(shift: int) -> str:
    return f"{-shift}".replace("-", "−") if shift > 0 else f"+{-shift}"


def _power(number: int) -> str:
    return f"{number:+d}".translate(str.maketrans("0123456789-+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺"))
