"""Layout along the time: the steps beside each other, every step the same cell."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.pictures.cells import Cell, Link, Spot
from bptt_solver.pictures.graph import Graph, Node, Place
from bptt_solver.pictures.labels import Run, width

GAP_X, GAP_Y = 44.0, 38.0
LABEL = 12.0  # size of what stands on edges


class Timeline:
    """Gives every node of a graph in time its place."""

    def __init__(self, graph: Graph, variables: Sequence[str]) -> None:
        self.graph = graph
        self.variables = variables
        self.slots: dict[int, int] = {}  # node -> step in the picture
        self.spots: dict[int, Spot] = {}
        self.left: list[int] = []
        self.right: list[int] = []
        self.tops: list[int] = []  # the top rows of the parts that have nothing to do with each other

    def place(self) -> None:
        """Set x and y of all nodes, the captions and the bands."""
        nodes = self.graph.nodes
        offset = self._offsets()
        for number, node in enumerate(nodes):
            if node.time is not None:
                self.slots[number] = node.time + offset[node.place]
        self._without_time()
        self._cells()
        self._coordinates()

    # -- steps

    def _offsets(self) -> dict[Place, int]:
        """Parts with clocks of their own (an encoder, a decoder) stand behind each other."""
        nodes = self.graph.nodes
        first: dict[Place, int] = {}
        for at, node in enumerate(nodes):
            if node.time is not None:
                first.setdefault(node.place, at)
        group = {p: p for p in first}

        def root(place: Place) -> Place:
            while group[place] != place:
                place = group[place]
            return place

        apart: dict[tuple[Place, Place], None] = {}
        for edge in self.graph.edges:
            a, b = nodes[edge.source], nodes[edge.sink]
            if a.time is None or b.time is None:
                continue
            if edge.same_clock:
                one, other = sorted((root(a.place), root(b.place)), key=first.__getitem__)
                group[other] = one
            else:
                apart[a.place, b.place] = None
        offset = dict.fromkeys((root(p) for p in first), 0)
        span: dict[Place, tuple[int, int]] = {}
        for node in nodes:
            if node.time is not None:
                low, high = span.get(root(node.place), (node.time, node.time))
                span[root(node.place)] = min(low, node.time), max(high, node.time)
        for _ in range(len(offset)):
            for place, reader in apart:
                one, other = root(place), root(reader)
                if one != other:
                    offset[other] = max(offset[other], offset[one] + span[one][1] + 1 - span[other][0])
        return {p: offset[root(p)] for p in first}

    def _without_time(self) -> None:
        """Nodes without a time stand with the only step that they read, or that reads them; else at an end."""
        nodes = self.graph.nodes
        reads, readers = self.graph.reads(), self.graph.readers()
        for number, node in enumerate(nodes):
            if node.time is not None or not reads[number]:
                continue
            steps = {self.slots[r] for r in reads[number] if r in self.slots}
            if any(r in self.right for r in reads[number]) or len(steps) > 1:
                self.right.append(number)
            elif steps:
                self.slots[number] = min(steps)
        known = sorted(set(self.slots.values()))
        for number in reversed(range(len(nodes))):
            if number in self.slots or number in self.right:
                continue
            steps = {self.slots[r] for r in readers[number] if r in self.slots}
            ends = bool(known) and steps in ({known[0]}, {known[-1]})
            alone = ends and all(len(reads[r]) == 1 for r in readers[number])
            if len(steps) == 1 and not alone:
                self.slots[number] = min(steps)
            elif (not steps and any(r in self.right for r in readers[number])) or (known and steps == {known[-1]}):
                self.right.append(number)
            else:
                self.left.append(number)
        self.right.sort()

    # -- cells

    def _cells(self) -> None:
        """One cell for each part of the graph that hangs together without what stands at the ends."""
        nodes = self.graph.nodes
        inner = [n for n in range(len(nodes)) if n in self.slots]
        group: dict[Place, Place] = {nodes[n].place: nodes[n].place for n in inner}

        def root(place: Place) -> Place:
            while group[place] != place:
                place = group[place]
            return place

        spans: dict[Place, tuple[int, int]] = {}
        for n in inner:
            low, high = spans.get(nodes[n].place, (self.slots[n], self.slots[n]))
            spans[nodes[n].place] = min(low, self.slots[n]), max(high, self.slots[n])
        links: list[Link] = []
        for edge in self.graph.edges:
            if edge.source in self.slots and edge.sink in self.slots:
                a, b = nodes[edge.source].place, nodes[edge.sink].place
                if edge.same_clock:
                    now = 0 if self.graph.folded else self.slots[edge.sink] - self.slots[edge.source]
                    links.append((a, b, edge.shift if self.graph.folded else now))
                one, other = root(a), root(b)
                if one != other:
                    group[other] = one
        first: dict[Place, int] = {}
        for n in inner:
            first.setdefault(nodes[n].place, n)
        reads = self.graph.reads()
        computed = {nodes[n].place for n in inner if reads[n]}
        parts: dict[Place, list[Place]] = {}
        for place in first:
            parts.setdefault(root(place), []).append(place)
        spots: dict[Place, Spot] = {}
        base = 0
        for places in reversed(list(parts.values())):
            mine = set(places)
            sources = {p: None for p in places if p not in computed}
            found = Cell(self.graph, places, [k for k in links if k[0] in mine], sources, first, spans).solve()
            low = min(row for _, row in found.values())
            rows = sorted({row for _, row in found.values()})
            packed = {row: at for at, row in enumerate(rows)}
            assert low in packed
            for place, (column, row) in found.items():
                spots[place] = column, base + packed[row]
            base += len(rows)
            self.tops.append(base - 1)
        self.spots = {n: spots[nodes[n].place] for n in inner}

    # -- coordinates

    def _coordinates(self) -> None:
        graph, nodes = self.graph, self.graph.nodes
        if not self.spots:
            return
        columns = sorted({c for c, _ in self.spots.values()})
        wide = {c: max((nodes[n].width for n, (k, _) in self.spots.items() if k == c), default=0.0) for c in columns}
        label = max((width(e.label, LABEL) for e in graph.edges if e.label), default=0.0)
        gap = max(GAP_X, min(label, 150) + 26)
        middle = self._middles(wide, gap)
        rows = range(max(row for _, row in self.spots.values()) + 1)
        tall = {r: max((nodes[n].height for n, (_, k) in self.spots.items() if k == r), default=40.0) for r in rows}
        y = 0.0
        height: dict[int, float] = {}
        for row in reversed(rows):  # upwards: the last row is on top
            y += tall[row] / 2
            height[row] = y
            y += tall[row] / 2 + GAP_Y + (10 if label else 0) + (34 if row - 1 in self.tops else 0)
        for number, (column, row) in self.spots.items():
            nodes[number].x = middle[self.slots[number], column]
            nodes[number].y = height[row]
        self._ends()
        self._captions()

    def _middles(self, wide: dict[int, float], gap: float) -> dict[Spot, float]:
        """The middle of each column of each step; a step has the columns between its first and its last."""
        used: dict[int, dict[int, None]] = {}
        for number, (column, _) in self.spots.items():
            used.setdefault(self.slots[number], {})[column] = None
        x = 0.0
        middle: dict[Spot, float] = {}
        for slot in sorted(used):
            for column in range(min(used[slot]), max(used[slot]) + 1):
                middle[slot, column] = x + wide.get(column, 0.0) / 2
                x += wide.get(column, 0.0) + gap
        return middle

    def _ends(self) -> None:
        """What is read by many steps stands in front of them, what reads many behind them."""
        nodes, readers, reads = self.graph.nodes, self.graph.readers(), self.graph.reads()
        inner = [nodes[n] for n in self.spots]
        x = min(n.x - n.width / 2 for n in inner)
        below = max(n.y for n in inner)
        for number in self.left:
            node = nodes[number]
            rows = [nodes[r].y for r in readers[number] if r in self.spots]
            node.x = x - GAP_X - node.width / 2
            node.y = sum(rows) / len(rows) if rows else below
            while any(m != number and abs(nodes[m].y - node.y) < 50 for m in self.left if m < number and nodes[m].x):
                node.y += 55
        x = max(n.x + n.width / 2 for n in inner)
        for number in self.right:
            node = nodes[number]
            before = [nodes[r] for r in reads[number] if r in self.right and nodes[r].x]
            left = max((b.x + b.width / 2 for b in before), default=x)
            node.x = left + GAP_X + node.width / 2
            rows = [nodes[r].y for r in readers[number] if r in self.spots]
            if rows:
                node.y = sum(rows) / len(rows)
            elif len(self.tops) > 1:
                rows = [nodes[r].y for r in reads[number] if r in self.spots]
                node.y = sum(rows) / len(rows) if rows else 0.0
            else:
                top = min(n.y - n.height / 2 for n in inner)
                node.y = before[0].y if before else top - 26 - node.height / 2 + 20
            while any(m != number and m in self.right and nodes[m].x and abs(nodes[m].x - node.x) < node.width
                      and abs(nodes[m].y - node.y) < node.height + 10 for m in self.right if m < number):  # fmt: skip
                node.y += node.height + 20

    def _captions(self) -> None:
        graph = self.graph
        if not self.variables:
            return
        times: dict[int, dict[int, None]] = {}
        for number, slot in self.slots.items():
            time = graph.nodes[number].time
            if time is not None:
                times.setdefault(slot, {})[time] = None
        seen = {slot for n, slot in self.slots.items() if graph.nodes[n].kind not in ("start", "dots")}
        for slot in sorted(times):
            own = [graph.nodes[n] for n, s in self.slots.items() if s == slot]
            left = min(n.x - n.width / 2 for n in own)
            right = max(n.x + n.width / 2 for n in own)
            if slot in seen:
                graph.bands.append((left - 14, right + 14))
            if len(times[slot]) == 1:
                graph.captions.append(((left + right) / 2, self._caption(next(iter(times[slot])))))

    def _caption(self, time: int) -> tuple[Run, ...]:
        gap = self.graph.gap
        if gap is not None and time == gap[0]:
            return (Run("⋯"),)
        shown = time + gap[1] if gap is not None and time > gap[0] else time
        return Run(self.variables[0], 0, True), Run(f" = {shown}".replace("-", "−"))


def fits(nodes: Sequence[Node], width_of_page: float) -> bool:
    """Whether the picture is no wider than so much."""
    return not nodes or max(n.x for n in nodes) - min(n.x for n in nodes) <= width_of_page
