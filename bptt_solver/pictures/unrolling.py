"""The graph of the instances: one node for each, as many times as fit, with dots for those between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bptt_solver.analyses.losses import losses_of
from bptt_solver.analyses.states import find_groups
from bptt_solver.arithmetic import is_array
from bptt_solver.instances import instance_text
from bptt_solver.pictures.graph import Edge, Graph, Node
from bptt_solver.pictures.labels import Label, Run, plain

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.pictures.reading import Reading
    from bptt_solver.pictures.words import Words

MOST_NODES = 160  # that are drawn one by one
MOST_TIMES = 9
FIRST, LAST = 3, 2  # times that are drawn of many
MOST_ON_LINE = 12  # nodes of a graph that is drawn on one line
DOTS: Label = (Run("⋯"),)


class Roles:
    """What each instance is, for its colour: found by what the equations do, not by names."""

    def __init__(self, computation: Computation, reading: Reading) -> None:
        self.computation = computation
        self.reading = reading
        self.unfolded = computation.problem.unfolded
        self.target = self.unfolded.number[computation.target_key]
        self.losses = {loss.number for loss in losses_of(computation, reading.times)}
        groups = find_groups(self.unfolded, reading.times) if reading.clock else []
        self.states = {n for g in groups for s in g.states for n in s.members.values()}
        self.backward = [reading.place(self.unfolded.keys[n]) for g in groups if g.direction < 0 for n in g.nodes]
        self.readers: dict[int, list[int]] = {}
        for number in self.unfolded.order:
            for read in self.unfolded.reads(number):
                self.readers.setdefault(read, []).append(number)
        self.shown = {n for n in self.losses if reading.clock or self.unfolded.keys[n][1]} | {self.target}
        self.read_by_losses = {r for n in sorted(self.shown) for r in self.unfolded.reads(n)}

    def kind(self, number: int) -> str:
        """One of `bptt_solver.pictures.graph.KINDS`."""
        if number == self.target:
            return "total"
        family = self.unfolded.keys[number][0]
        system = self.reading.system
        if self.unfolded.grounds[number] is None:
            if family in system.defining:
                return "start"
            users = self.readers.get(number, [])
            if users and all(u in self.losses or u == self.target for u in users):
                return "desired"
            return "data" if system.roles.get(family) == "data" else "given"
        reads = self.unfolded.reads(number)
        if self.reading.time(self.unfolded.keys[number]) is not None and (not reads or self._are_given(reads)):
            return "start"
        if number in self.states:
            return "state"
        if number in self.shown:
            return "loss"
        if number in self.read_by_losses and self._is_compared(number):
            return "output"
        return "hidden" if self.reading.clock else "state"

    def _are_given(self, numbers: Sequence[int]) -> bool:
        """Whether a member only copies something that is given once."""
        known = [n for n in numbers if n not in self.reading.weights]
        given = all(
            self.unfolded.grounds[n] is None and self.unfolded.keys[n][0] not in self.reading.clock for n in known
        )
        return given and len(known) == 1 == len(numbers)

    def _is_compared(self, number: int) -> bool:
        """Whether a loss reads something given beside it."""
        beside = [r for u in self.readers.get(number, ()) if u in self.shown
                  for r in self.unfolded.reads(u)]  # fmt: skip
        return any(self.unfolded.grounds[r] is None and r not in self.reading.weights for r in beside)


def form_of(computation: Computation, reading: Reading) -> str:
    """How a graph is laid out: along the time, as a tree, on a line, or in layers."""
    system = reading.system
    if reading.clock:
        return "time"
    nodes = [n for n in range(len(reading.unfolded.keys)) if n not in reading.weights]
    if system.maps:
        return "tree"
    plain_names = all(not reading.unfolded.keys[n][1] for n in nodes)
    return "line" if plain_names and len(nodes) <= MOST_ON_LINE else "layers"


def unrolled(computation: Computation, reading: Reading, words: Words, show: Sequence[str]) -> Graph:
    """The graph of all instances that the target's system has. Times in the middle of many are left out."""
    unfolded = computation.problem.unfolded
    roles = Roles(computation, reading)
    graph = Graph(form_of(computation, reading))
    network = computation.problem.network
    if network is not None:
        graph.order = {name: place for name, (_, place) in network.lanes.items()}
        graph.lanes = {name: lane for name, (lane, _) in network.lanes.items()}
    given = [n for n in range(len(unfolded.keys)) if unfolded.grounds[n] is None]
    numbers = [
        n for n in [*given, *unfolded.order] if n not in reading.weights and (n in roles.readers or n not in given)
    ]
    omitted = _omitted(numbers, reading)
    at: dict[int, int] = {}
    dots: dict[tuple[str, tuple[int, ...]], int] = {}
    for number in numbers:
        key = unfolded.keys[number]
        time, place = reading.time(key), reading.place(key)
        if time is not None and time in omitted:
            if place not in dots:
                dots[place] = len(graph.nodes)
                graph.nodes.append(Node(f"{instance_text(place)}…", "dots", [DOTS], place, omitted[0]))
            at[number] = dots[place]
            continue
        at[number] = len(graph.nodes)
        graph.nodes.append(_node(number, roles.kind(number), computation, reading, words, show))
    _edges(graph, at, computation, reading, words, show)
    if omitted:
        _close_gap(graph, omitted)
    graph.backward = dict.fromkeys(roles.backward)
    parameters(graph, computation, reading, words, show)
    return graph


def _omitted(numbers: Sequence[int], reading: Reading) -> list[int]:
    """The times in the middle, where there are too many."""
    keys = reading.unfolded.keys
    times = sorted({t for n in numbers if (t := reading.time(keys[n])) is not None})
    if len(times) <= MOST_TIMES and len(numbers) <= MOST_NODES:
        return []
    return times[FIRST:-LAST] if len(times) > FIRST + LAST + 1 else []


def _node(
    number: int, kind: str, computation: Computation, reading: Reading, words: Words, show: Sequence[str]
) -> Node:
    key = reading.unfolded.keys[number]
    node = Node(instance_text(key), kind, [words.instance(key)], reading.place(key), reading.time(key))
    told = [node.name]
    if "values" in show:
        node.lines.append(words.value(computation.values[number]))
        node.marks.append("value")
        told.append(f"= {plain(node.lines[-1])}")
    if "derivatives" in show and computation.derivative_number(key) is not None:
        node.lines.append(words.value(computation.derivative(key)))
        node.marks.append("derivative")
        told.append(f", {plain(words.derivative(key))} = {plain(node.lines[-1])}")
    node.title = " ".join(told).replace(" ,", ",")
    return node


def _edges(
    graph: Graph, at: dict[int, int], computation: Computation, reading: Reading, words: Words, show: Sequence[str]
) -> None:
    unfolded = computation.problem.unfolded
    seen: dict[tuple[int, int], Edge] = {}
    for number in unfolded.order:
        if number not in at:
            continue
        reads = unfolded.reads(number)
        if any(isinstance(s, list) for g in unfolded.grounds[number] or () for s in g.slots):
            reads.sort()  # what a sum adds up
        for read in reads:
            if read not in at:
                continue
            ends = at[read], at[number]
            if ends in seen or ends[0] == ends[1]:
                continue
            between = graph.nodes[ends[0]].kind == "dots" or graph.nodes[ends[1]].kind == "dots"
            weights = [] if between else reading.factors(number, read)
            label: Label = ()
            if "partials" in show and not between:
                label = words.partial(number, read)
            elif "weights" in show and weights:
                label = joined([words.instance(unfolded.keys[w]) for w in weights])
            here, there = reading.time(unfolded.keys[number]), reading.time(unfolded.keys[read])
            shift = here - there if here is not None and there is not None else 0
            edge = Edge(*ends, [instance_text(unfolded.keys[w]) for w in weights], label, shift)
            equation = unfolded.equations[number]
            if equation is not None and unfolded.grounds[read] is not None and None not in (here, there):
                apart = reading.times.apart(unfolded.keys[read], unfolded.keys[number], equation)
                edge.same_clock = apart is not None
            edge.title = f"{instance_text(unfolded.keys[read])} → {instance_text(unfolded.keys[number])}"
            if label:
                told = "∂/∂ = " if "partials" in show else ""
                edge.title += f": {told}{plain(label)}"
            seen[ends] = edge
            graph.edges.append(edge)


def joined(labels: Sequence[Label]) -> Label:
    """Labels with a point between them."""
    runs: list[Run] = []
    for label in labels:
        runs += [Run("·")] * bool(runs) + [*label]
    return tuple(runs)


def _close_gap(graph: Graph, omitted: Sequence[int]) -> None:
    """Dots stand in one column; what lies only between dots goes, and what hangs on nothing else."""
    nodes = graph.nodes
    graph.edges = [e for e in graph.edges if not (nodes[e.source].kind == nodes[e.sink].kind == "dots")]
    across = {
        n for e in graph.edges for n, other in ((e.source, e.sink), (e.sink, e.source)) if nodes[n].kind == "dots"
        and nodes[other].time is not None and nodes[other].kind != "dots"
    }  # fmt: skip
    removed = {n for n, node in enumerate(nodes) if node.kind == "dots" and n not in across}
    kept = [n for n in range(len(nodes)) if n not in removed]
    place = {n: i for i, n in enumerate(kept)}
    graph.nodes = [nodes[n] for n in kept]
    graph.edges = [e for e in graph.edges if e.source in place and e.sink in place]
    for edge in graph.edges:
        edge.source, edge.sink = place[edge.source], place[edge.sink]
    gap = len(omitted) - 1
    for node in graph.nodes:
        if node.time is not None and node.time > omitted[-1]:
            node.time -= gap
    graph.gap = (omitted[0], gap)


def parameters(graph: Graph, computation: Computation, reading: Reading, words: Words, show: Sequence[str]) -> None:
    """The parameters beside the graph, one for each family."""
    unfolded = computation.problem.unfolded
    families: dict[str, list[int]] = {}
    for number in sorted(reading.weights):
        families.setdefault(unfolded.keys[number][0], []).append(number)
    for name, numbers in families.items():
        if len(numbers) == 1:
            node = _node(numbers[0], "parameter", computation, reading, words, show)
        else:
            node = Node(name, "parameter", [words.reference(name, ())], (name, ()))
            node.title = ", ".join(instance_text(unfolded.keys[n]) for n in numbers[:40])
        if is_array(computation.values[numbers[0]]):
            node.lines, node.marks = node.lines[:1], []
        graph.parameters.append(node)
