"""Layouts without a time: on one line, as a tree, in layers."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

from bptt_solver.pictures.graph import Graph
from bptt_solver.pictures.labels import width

GAP, LABEL = 46.0, 12.0
POINT = 8.0  # how wide a place is that an edge passes


def on_a_line(graph: Graph) -> None:
    """In the order of computation from left to right; what is given for a later node stands below it."""
    nodes = graph.nodes
    reads, readers = graph.reads(), graph.readers()
    computed = [n for n in range(len(nodes)) if reads[n]]
    first = computed[0] if computed else -1
    line = [n for n in range(len(nodes)) if not reads[n] and (first in readers[n] or not readers[n])]
    line += computed
    place = {n: at for at, n in enumerate(line)}
    gap = max([GAP, *(width(e.label, LABEL) + 30 for e in graph.edges if e.label and _next(e.source, e.sink, place))])
    x = 0.0
    for number in line:
        nodes[number].x = x + nodes[number].width / 2
        x += nodes[number].width + gap
    below: dict[int, int] = {}
    for number in range(len(nodes)):
        if number not in place:
            reader = min(readers[number], key=lambda r: place.get(r, 0))
            at = below[reader] = below.get(reader, 0) + 1
            nodes[number].x = nodes[reader].x - (at - 1) * (nodes[number].width + 20)
            nodes[number].y = nodes[reader].height / 2 + 46 + nodes[number].height / 2
    sides: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for edge in graph.edges:
        ends = place.get(edge.source, 0), place.get(edge.sink, 0)
        if edge.source in place and edge.sink in place and ends[1] - ends[0] > 1:
            crossed = {up: sum(_cross(ends, other) for other in sides[up]) for up in (True, False)}
            edge.above = crossed[True] <= crossed[False]
            sides[edge.above].append(ends)


def _cross(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two arcs on one side of a line cross."""
    (a, b), (c, d) = sorted((one, other))
    return a < c < b < d


def _next(source: int, sink: int, place: dict[int, int]) -> bool:
    return source in place and sink in place and place[sink] - place[source] == 1


class _Layers:
    """The nodes in ranks. An edge over several ranks is cut into pieces by points that are placed like nodes, so that
    it finds a way between the others."""

    def __init__(self, graph: Graph, size: Sequence[float]) -> None:
        self.reads, self.readers = graph.reads(), graph.readers()
        self.rank = _ranks(graph, self.reads, self.readers)
        self.size = [*size]
        self.via: dict[int, list[int]] = {}
        for at, edge in enumerate(graph.edges):
            low, high = self.rank[edge.source], self.rank[edge.sink]
            if high - low > 1:
                self._cut(at, edge.source, edge.sink, range(low + 1, high))
        self.layers: list[list[int]] = [[] for _ in range(max(self.rank, default=0) + 1)]
        for number in self._first_order(len(graph.nodes)):
            self.layers[self.rank[number]].append(number)

    def _cut(self, at: int, source: int, sink: int, ranks: range) -> None:
        chain = [source]
        for rank in ranks:
            chain.append(len(self.rank))
            self.rank.append(rank)
            self.size.append(POINT)
            self.reads.append([])
            self.readers.append([])
        chain.append(sink)
        self.readers[source][self.readers[source].index(sink)] = chain[1]
        self.reads[sink][self.reads[sink].index(source)] = chain[-2]
        for before, point, after in zip(chain, chain[1:], chain[2:], strict=False):
            self.reads[point], self.readers[point] = [before], [after]
        self.via[at] = chain[1:-1]

    def _first_order(self, count: int) -> list[int]:
        """The order in which a walk from the ends meets the nodes: a tree has no crossings in it."""
        seen: dict[int, None] = {}
        stack = [n for n in range(count) if not self.readers[n]]
        while stack:
            number = stack.pop()
            if number not in seen:
                seen[number] = None
                stack += reversed(self.reads[number])
        return list(seen)

    def untangle(self) -> None:
        """Order each layer by the mean place of its neighbours, to and fro; the best order that was seen stays."""
        best, least = [list(layer) for layer in self.layers], self._crossings()
        for turn in range(12):
            if not least:
                break
            others = self.reads if turn % 2 == 0 else self.readers
            place = self._places()
            for layer in self.layers if turn % 2 == 0 else reversed(self.layers):
                mean = {n: _mean([place[o] for o in others[n]], place[n]) for n in layer}
                layer.sort(key=mean.__getitem__)
                place.update({n: float(at) for at, n in enumerate(layer)})
            count = self._crossings()
            if count < least:
                best, least = [list(layer) for layer in self.layers], count
        self.layers = best

    def _places(self) -> dict[int, float]:
        return {n: float(at) for layer in self.layers for at, n in enumerate(layer)}

    def _crossings(self) -> int:
        place = self._places()
        total = 0
        for layer in self.layers:
            ends: list[float] = []
            for number in layer:
                for end in sorted(place[r] for r in self.readers[number]):
                    total += len(ends) - bisect_right(ends, end)
                    insort(ends, end)
        return total

    def across(self, gap: float) -> dict[int, float]:
        """Where in its layer each node stands: near the mean of its neighbours, without overlaps, in the order."""
        at: dict[int, float] = {}
        for layer in self.layers:
            x = 0.0
            for number in layer:
                at[number] = x + self.size[number] / 2
                x += self.size[number] + gap
            for number in layer:
                at[number] -= x / 2
        for turn in range(24):
            for layer in self.layers if turn % 2 else reversed(self.layers):
                near = {n: self.reads[n] if turn % 2 else self.readers[n] for n in layer}
                both = {n: near[n] or self.reads[n] or self.readers[n] for n in layer}
                wish = [_mean([at[o] for o in both[n]], at[n]) for n in layer]
                at.update(zip(layer, _spread(wish, [self.size[n] for n in layer], gap), strict=True))
        return at


def in_layers(graph: Graph, upward: bool) -> None:
    """Ranks by the longest path, in each rank the order in which the target reads; upwards (a tree), or to the
    right."""
    nodes = graph.nodes
    ranked = _Layers(graph, [n.width if upward else n.height for n in nodes])
    ranked.untangle()
    across = ranked.across(26.0 if upward else 30.0)
    label = max([0.0, *(width(e.label, LABEL) for e in graph.edges)])
    along = 0.0
    spots: dict[int, tuple[float, float]] = {}
    for layer in ranked.layers:
        own = [nodes[n].height if upward else nodes[n].width for n in layer if n < len(nodes)]
        size = max(own, default=0.0)
        for number in layer:
            middle = along + size / 2
            spots[number] = (across[number], -middle) if upward else (middle, across[number])
        along += size + (44 + (8 if label else 0) if upward else max(54, label + 30))
    for number, node in enumerate(nodes):
        node.x, node.y = spots[number]
    for at, chain in ranked.via.items():
        graph.edges[at].via = [spots[n] for n in chain]


def _ranks(graph: Graph, reads: Sequence[Sequence[int]], readers: Sequence[Sequence[int]]) -> list[int]:
    rank = [0] * len(graph.nodes)
    for number in _sorted(reads, readers):
        rank[number] = max((rank[r] + 1 for r in reads[number]), default=0)
    for number in range(len(graph.nodes)):
        if not reads[number] and readers[number]:  # what is given stands right before its first reader
            rank[number] = max(0, min(rank[r] for r in readers[number]) - 1)
    return rank


def _sorted(reads: Sequence[Sequence[int]], readers: Sequence[Sequence[int]]) -> list[int]:
    """What is read in front of what reads it."""
    missing = [len(r) for r in reads]
    ready = [n for n, count in enumerate(missing) if not count]
    for number in ready:
        for user in readers[number]:
            missing[user] -= 1
            if not missing[user]:
                ready.append(user)
    return ready


def _mean(numbers: Sequence[float], default: float) -> float:
    return sum(numbers) / len(numbers) if numbers else default


def _spread(wish: Sequence[float], size: Sequence[float], gap: float) -> list[float]:
    """The places next to those wished for at which nothing overlaps: neighbours that meet share their mean."""
    blocks: list[list[float]] = []  # [sum of the wished starts, how many], members in order
    starts: list[float] = []
    width_so_far = 0.0
    for x, own in zip(wish, size, strict=True):
        starts.append(width_so_far + own / 2)
        blocks.append([x - starts[-1], 1.0])
        width_so_far += own + gap
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    result: list[float] = []
    for total, count in blocks:
        for _ in range(int(count)):
            result.append(total / count + starts[len(result)])
    return result
