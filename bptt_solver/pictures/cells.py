"""The cell of a system in time: where in a step each of its quantities stands, the same at every step.

What is carried around a loop in time stands side by side, in the order in which a step computes it, so that time runs
through it from left to right (right to left where the chain runs backwards). What reads it stands above, what it reads
below or beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bptt_solver.components import components
from bptt_solver.pictures.graph import Graph, Place

Spot = tuple[int, int]  # column and row
Link = tuple[Place, Place, int]  # what is read, its reader, how many steps later that stands


class Cell:
    """Finds columns and rows for places that hang together. ``links`` are the edges between them; ``sources`` are
    places that read nothing; ``first`` tells the order of computation."""

    def __init__(
        self, graph: Graph, places: Sequence[Place], links: Iterable[Link], sources: Mapping[Place, None],
        first: Mapping[Place, int], spans: Mapping[Place, tuple[int, int]],
    ) -> None:  # fmt: skip
        self.graph = graph
        self.places = list(places)
        self.links = list(dict.fromkeys(links))
        self.sources = sources
        self.first = first
        self.spans = spans  # the first and the last step of a place: who is never there together may share a spot
        self.at: dict[Place, Spot] = {}
        self.top: dict[Place, int] = {}  # of the band in which a place stands
        self.width = 1

    def solve(self) -> dict[Place, Spot]:
        """The spots of all places."""
        inner = [p for p in self.places if p not in self.sources]
        for together in self._bands(inner):
            if self._is_loop(together):
                self._place_loop(together)
            else:
                self._place_single(together[0])
        sources = sorted((p for p in self.places if p in self.sources), key=self._first)
        for place in sources:
            self._place_source(place)
        return self.at

    def _taken(self, places: Sequence[Place]) -> list[Spot]:
        """The spots of what is there at the same steps."""
        low = min(self.spans[p][0] for p in places)
        high = max(self.spans[p][1] for p in places)
        return [spot for p, spot in self.at.items() if self.spans[p][0] <= high and low <= self.spans[p][1]]

    def _first(self, place: Place) -> int:
        return self.first[place]

    # -- bands

    def _bands(self, inner: Sequence[Place]) -> list[list[Place]]:
        """Places that depend on each other in time, what is read first in front."""
        known = set(inner)
        label = {p: f"{p[0]}:{p[1]}" for p in inner}
        back = {v: k for k, v in label.items()}
        users: dict[str, list[str]] = {}
        for one, other, _ in self.links:
            if one in known and other in known:
                users.setdefault(label[one], []).append(label[other])
        found = components(label[inner[0]], [label[p] for p in inner], users) if inner else []
        bands = [sorted((back[n] for n in names), key=self._first) for names in found]
        of = {p: at for at, band in enumerate(bands) for p in band}
        before = {
            at: {of[o] for o, p, _ in self.links if p in of and o in of and of[p] == at} - {at} for at in of.values()
        }
        done: set[int] = set()
        ordered: list[list[Place]] = []
        waiting = sorted(range(len(bands)), key=lambda at: self.first[bands[at][0]])
        while waiting:
            at = next((w for w in waiting if before[w] <= done), waiting[0])
            waiting.remove(at)
            done.add(at)
            ordered.append(bands[at])
        return ordered

    def _is_loop(self, band: Sequence[Place]) -> bool:
        return len(band) > 1 or any(a == b == band[0] for a, b, _ in self.links)

    # -- loops

    def _place_loop(self, band: Sequence[Place]) -> None:
        inside = set(band)
        now = [(a, b) for a, b, shift in self.links if a in inside and b in inside and shift == 0]
        units = sorted({p[1] for p in band})
        spots = self._in_units(band, now, units) if len(units) > 1 else self._in_ranks(band, now)
        height = 1 + max(row for _, row in spots.values())
        columns = 1 + max(column for column, _ in spots.values())
        if any(p in self.graph.backward for p in band):
            spots = {p: (columns - 1 - column, row) for p, (column, row) in spots.items()}
        base = self._base(band)
        taken = {row for _, row in self._taken(band)}
        while any(base + row in taken for row in range(height)):
            base += 1
        for place, (column, row) in spots.items():
            self.at[place] = column, base + row
            self.top[place] = base + height - 1
        self.width = max(self.width, columns)

    def _base(self, band: Sequence[Place]) -> int:
        """The first row above everything that is read."""
        inside = set(band)
        below = [self.top[a] for a, b, _ in self.links if b in inside and a not in inside and a in self.top]
        return max(below, default=-1) + 1

    def _in_units(
        self, band: Sequence[Place], now: Sequence[tuple[Place, Place]], units: Sequence[object]
    ) -> dict[Place, Spot]:
        """A row for each unit, a column for each of its quantities."""
        families = list(dict.fromkeys(p[0] for p in sorted(band, key=self._declared)))
        rank = _ranks(families, [(a[0], b[0]) for a, b in now if a[1] == b[1]])
        column = {name: at for at, name in enumerate(sorted(families, key=lambda f: (rank[f], families.index(f))))}
        return {p: (column[p[0]], units.index(p[1])) for p in band}

    def _declared(self, place: Place) -> tuple[int, int]:
        return self.graph.order.get(place[0], 0), self.first[place]

    def _in_ranks(self, band: Sequence[Place], now: Sequence[tuple[Place, Place]]) -> dict[Place, Spot]:
        """Columns in the order of computation; what reads a neighbour in its row, if that is free."""
        rank = _ranks(list(band), now)
        last = max(rank.values())
        own = [p for p in band if any(a == b == p for a, b, _ in self.links) and last > 0]
        taken: list[set[int]] = [set() for _ in range(last + 1)]
        rows: dict[Place, int] = {}
        most = max(list(rank.values()).count(column) for column in range(last + 1))
        tracks = {p: most + at for at, p in enumerate(own)}
        rows.update(tracks)
        for column in range(last + 1):
            taken[column].update(tracks.values())
        for column in range(last + 1):
            here = sorted((p for p in band if rank[p] == column and p not in tracks), key=self._declared)
            wish = {p: [rows[a] for a, b in now if b == p and a in rows] for p in here}
            if column:
                here.sort(key=lambda p: -_mean(wish[p]))
            for place, row in self._chosen(here, wish, taken[column], len(here)):
                rows[place] = row
                for one, other in now:
                    if one == place:
                        for between in range(column + 1, rank[other]):
                            taken[between].add(row)
        packed = {row: at for at, row in enumerate(sorted(set(rows.values())))}
        return {p: (rank[p], packed[rows[p]]) for p in band}

    @staticmethod
    def _chosen(
        here: Sequence[Place], wish: Mapping[Place, Sequence[int]], taken: set[int], count: int
    ) -> list[tuple[Place, int]]:
        found = []
        for at, place in enumerate(here):
            goal = _mean(wish[place]) if wish[place] else float(count - 1 - at)
            row = next(r for r in sorted(range(-3, 60), key=lambda r: (abs(r - goal), r)) if r not in taken)
            taken.add(row)
            found.append((place, row))
        return found

    # -- what is no loop

    def _place_single(self, place: Place) -> None:
        """Above what it reads, where the lines from there are clear."""
        reads = [self.at[a] for a, b, shift in self.links if b == place and a in self.at and shift == 0]
        reads = reads or [self.at[a] for a, b, _ in self.links if b == place and a in self.at]
        row = self._base([place])
        if not reads:
            row = 0
        self._settle(place, row, reads, 1)

    def _place_source(self, place: Place) -> None:
        """Below its first reader; beside it, if that stands on something else."""
        readers = [self.at[b] for a, b, shift in self.links if a == place and b in self.at and shift == 0]
        readers = readers or [self.at[b] for a, b, _ in self.links if a == place and b in self.at]
        if not readers:
            self._settle(place, 0, [], -1)
            return
        low = min(row for _, row in readers)
        lowest = [spot for spot in readers if spot[1] == low]
        under = any(r < low for p, (_, r) in self.at.items() if p not in self.sources)
        if under and len(lowest) == 1 and len(readers) == 1:
            column = lowest[0][0] - 1
            while (column, low) in self._taken([place]):
                column -= 1
            self.at[place] = column, low
        else:
            self._settle(place, low - 1, readers, -1)
        self.top.setdefault(place, self.at[place][1])

    def _settle(self, place: Place, row: int, others: Sequence[Spot], step: int) -> None:
        taken = set(self._taken([place]))
        columns = sorted(range(-1, self.width + 1), key=lambda c: (sum(abs(c - o[0]) for o in others), c))
        best: tuple[float, int, int, int] | None = None
        for extra in range(3):
            for order, column in enumerate(columns):
                spot = column, row + step * extra
                if spot in taken or (others and not 0 <= column < self.width and len(others) < 2):
                    continue
                hits = sum(_blocked(spot, other, taken) for other in others)
                far = sum(abs(column - o[0]) + 0.5 * (o[0] < column) * 0 for o in others)
                cost = 10 * hits + far + 4 * extra + (0 <= column < self.width) * -0.5
                if best is None or (cost, order) < best[:2]:
                    best = cost, order, column, spot[1]
        if best is None:
            best = 0, 0, self.width, row
            self.width += 1
        self.at[place] = best[2], best[3]
        self.top[place] = best[3]


def _blocked(one: Spot, other: Spot, taken: set[Spot]) -> int:
    """How many spots lie on the line between two."""
    (x, y), (u, v) = one, other
    length = max(abs(u - x), abs(v - y))
    hits = 0
    for spot in sorted(taken):
        if spot in (one, other) or length == 0:
            continue
        along = ((spot[0] - x) * (u - x) + (spot[1] - y) * (v - y)) / ((u - x) ** 2 + (v - y) ** 2)
        if not 0 < along < 1:
            continue
        apart = abs((spot[0] - x) * (v - y) - (spot[1] - y) * (u - x)) / ((u - x) ** 2 + (v - y) ** 2) ** 0.5
        hits += apart < 0.34
    return hits


def _mean(numbers: Sequence[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0


def _ranks(items: Sequence[object], edges: Iterable[tuple[object, object]]) -> dict[object, int]:
    """How many edges lead to an item at most. Edges that close a circle count once."""
    before: dict[object, list[object]] = {}
    for one, other in edges:
        if one != other:
            before.setdefault(other, []).append(one)
    rank = dict.fromkeys(items, 0)
    for _ in range(len(items)):
        changed = False
        for item in items:
            least = max((rank[b] + 1 for b in before.get(item, ())), default=0)
            if least > rank[item] and least < len(items):
                rank[item], changed = least, True
        if not changed:
            break
    return rank
