"""The ways of the edges: straight where nothing stands in between, else the flattest arc that is clear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import hypot

from bptt_solver.pictures.graph import Edge, Graph, Node
from bptt_solver.pictures.labels import width

Point = tuple[float, float]
Box = tuple[float, float, float, float]
CLEAR = 6.0  # between an edge and a node that it has nothing to do with
HEAD = 7.0  # length of an arrow's head
STEPS = 26
BENDS = (0.0, 0.12, -0.12, 0.2, -0.2, 0.3, -0.3, 0.42, -0.42, 0.55, -0.55, 0.7, -0.7, 0.9, -0.9, 1.2, -1.2)
FINER = tuple(sign * at / 100 for at in range(3, 160, 3) for sign in (1, -1))
FEW = 90  # nodes among which every way is tried
LABEL, LINE = 12.0, 16.0
MOST_BUS = 2  # as many edges into one node at the end share a bus


def route(graph: Graph) -> None:
    """Set the path of every edge, then the places of the labels."""
    groups: dict[object, list[Edge]] = {}
    bus = _bus_edges(graph)
    for edge in graph.edges:
        if edge.source == edge.sink:
            _loop(graph, edge)
        elif graph.folded and edge.shift and _feedback(graph, edge):
            continue
        elif id(edge) in bus:
            _bus(graph, edge, bus[id(edge)])
        elif edge.via and _through(graph, edge):
            continue
        elif graph.form == "line" and abs(_dy(graph, edge)) < 1:
            _over(graph, edge)
        else:
            groups.setdefault(_likeness(graph, edge), []).append(edge)
    for edges in groups.values():
        _alike(graph, edges)
    _labels(graph)


def _dy(graph: Graph, edge: Edge) -> float:
    return graph.nodes[edge.sink].y - graph.nodes[edge.source].y


def _likeness(graph: Graph, edge: Edge) -> object:
    """Edges between the same places at different times are drawn alike."""
    a, b = graph.nodes[edge.source], graph.nodes[edge.sink]
    return (a.place, b.place, round(b.x - a.x), round(b.y - a.y)) if graph.form == "time" else (edge.source, edge.sink)


def _alike(graph: Graph, edges: Sequence[Edge]) -> None:
    """The first arc that is clear for all of them; where none is, the one with the fewest nodes in its way."""
    few = len(graph.nodes) <= FEW
    for together in (edges, *([e] for e in edges if len(edges) > 1)):
        for clear in (CLEAR, 1.5) if few else (3.0,):
            for bend in (*BENDS, *FINER) if few else BENDS:
                if all(next(_touched(graph, edge, bend, clear), None) is None for edge in together):
                    for edge in together:
                        edge.path = _clipped(graph, edge, bend)
                    break
            else:
                continue
            break
        if all(edge.path for edge in edges):
            return
    for edge in edges:
        edge.path = edge.path or _elbow(graph, edge)
        if not edge.path:
            bend = min(BENDS, key=lambda b: (len([*_touched(graph, edge, b, 0.0)]), abs(b)))
            edge.path = _clipped(graph, edge, bend)


def _through(graph: Graph, edge: Edge) -> bool:
    """Straight if that is clear, else smoothly through the points that the layout has found; False if neither is."""
    a, b = graph.nodes[edge.source], graph.nodes[edge.sink]
    points = [(a.x, a.y), *edge.via, (b.x, b.y)]
    for way in ([points[0], points[-1]], _smooth(points), points):
        if is_clear(way, graph.nodes, (edge.source, edge.sink), 3.0):
            edge.path = clipped(way, a, b)
            return True
    return False


def _smooth(points: Sequence[Point]) -> list[Point]:
    """A curve through points (Catmull-Rom)."""
    found: list[Point] = []
    for at in range(len(points) - 1):
        p0, p1, p2 = points[max(at - 1, 0)], points[at], points[at + 1]
        p3 = points[min(at + 2, len(points) - 1)]
        c1 = p1[0] + (p2[0] - p0[0]) / 6, p1[1] + (p2[1] - p0[1]) / 6
        c2 = p2[0] - (p3[0] - p1[0]) / 6, p2[1] - (p3[1] - p1[1]) / 6
        found += _bezier((p1, c1, c2, p2))[: -1 if at < len(points) - 2 else None : 2]
    return found


def _elbow(graph: Graph, edge: Edge) -> list[Point]:
    """Along the row, up or down between two columns, along the other row; nothing if that is not clear either."""
    a, b = graph.nodes[edge.source], graph.nodes[edge.sink]
    sides = sorted({x for n in graph.nodes for x in (n.x - n.width / 2 - 9, n.x + n.width / 2 + 9)})
    for x in sorted(sides, key=lambda x: abs(x - a.x) + abs(x - b.x)):
        if inside((x, a.y), a, 2) or inside((x, b.y), b, 2):
            continue
        start = a.x + a.width / 2 * (1 if x > a.x else -1)
        end = b.x + (b.width / 2 + 2) * (1 if x > b.x else -1)
        way = [(start, a.y), (x, a.y), (x, b.y), (end, b.y)]
        if is_clear(way, graph.nodes, (edge.source, edge.sink), 1.5):
            return way
    return []


def _curve(a: Node, b: Node, bend: float) -> list[Point]:
    """The points of an arc between two nodes' middles; it swerves by ``bend`` of its length."""
    dx, dy = b.x - a.x, b.y - a.y
    cx, cy = (a.x + b.x) / 2 + 2 * bend * dy, (a.y + b.y) / 2 - 2 * bend * dx
    points = []
    for at in range(STEPS + 1):
        t = at / STEPS
        u = 1 - t
        points.append((u * u * a.x + 2 * u * t * cx + t * t * b.x, u * u * a.y + 2 * u * t * cy + t * t * b.y))
    return points


def _clipped(graph: Graph, edge: Edge, bend: float) -> list[Point]:
    a, b = graph.nodes[edge.source], graph.nodes[edge.sink]
    if not bend:
        return clipped([(a.x, a.y), (b.x, b.y)], a, b)
    return clipped(_curve(a, b, bend), a, b)


def clipped(points: Sequence[Point], a: Node, b: Node) -> list[Point]:
    """A path from the edge of one node to that of the other."""
    fine: list[Point] = []
    for (x, y), (u, v) in pairwise(points):
        parts = max(1, int(hypot(u - x, v - y) / 2))
        fine += [(x + (u - x) * k / parts, y + (v - y) * k / parts) for k in range(parts)]
    fine.append(points[-1])
    first = next((at for at, p in enumerate(fine) if not inside(p, a, 1.0)), 0)
    last = next((at for at in range(len(fine) - 1, -1, -1) if not inside(fine[at], b, 2.0)), len(fine) - 1)
    kept = fine[first : last + 1] or [fine[0], fine[-1]]
    if len(kept) < 2:
        kept = [kept[0], fine[min(last + 1, len(fine) - 1)]]
    if len(points) == 2:
        return [kept[0], kept[-1]]
    step = max(1, len(kept) // 40)
    return [*kept[:-1:step], kept[-1]]


def inside(point: Point, node: Node, margin: float = 0.0) -> bool:
    """Whether a point lies in a node (a box with round ends), or so near to it."""
    x, y = abs(point[0] - node.x), abs(point[1] - node.y)
    half_w, half_h = node.width / 2, node.height / 2
    round_ = min(half_w, half_h, 20.0)
    if x > half_w + margin or y > half_h + margin:
        return False
    dx, dy = x - (half_w - round_), y - (half_h - round_)
    return dx <= 0 or dy <= 0 or hypot(dx, dy) <= round_ + margin


def _touched(graph: Graph, edge: Edge, bend: float, clear: float) -> Iterator[int]:
    a, b = graph.nodes[edge.source], graph.nodes[edge.sink]
    return touched(_curve(a, b, bend), graph.nodes, (edge.source, edge.sink), clear)


def is_clear(points: Sequence[Point], nodes: Sequence[Node], ends: Sequence[int], clear: float = CLEAR) -> bool:
    """Whether a path touches no foreign node."""
    return next(touched(points, nodes, ends, clear), None) is None


def touched(points: Sequence[Point], nodes: Sequence[Node], ends: Sequence[int], clear: float) -> Iterator[int]:
    """The foreign nodes that a path touches, or comes as near to as ``clear``."""
    low_x, high_x = min(p[0] for p in points), max(p[0] for p in points)
    low_y, high_y = min(p[1] for p in points), max(p[1] for p in points)
    parts = [(min(x, u), min(y, v), max(x, u), max(y, v), k) for k, ((x, y), (u, v)) in enumerate(pairwise(points))]
    fine: dict[int, list[Point]] = {}
    for number, node in enumerate(nodes):
        if number in ends:
            continue
        w, h = node.width / 2 + clear, node.height / 2 + clear
        left, right, top, bottom = node.x - w, node.x + w, node.y - h, node.y + h
        if right < low_x or left > high_x or bottom < low_y or top > high_y:
            continue
        for low_u, low_v, high_u, high_v, k in parts:
            if low_u > right or high_u < left or low_v > bottom or high_v < top:
                continue
            if k not in fine:
                fine[k] = dense(points[k : k + 2], 3.0)
            if any([inside(p, node, clear) for p in fine[k]]):
                yield number
                break


def dense(points: Sequence[Point], step: float = 6.0) -> list[Point]:
    """Points along a path, near to each other."""
    found: list[Point] = []
    for (x, y), (u, v) in pairwise(points):
        parts = max(1, int(hypot(u - x, v - y) / step))
        found += [(x + (u - x) * k / parts, y + (v - y) * k / parts) for k in range(parts)]
    return [*found, points[-1]]


# -- special ways


def _loop(graph: Graph, edge: Edge) -> None:
    """A loop above a node that reads itself."""
    node = graph.nodes[edge.source]
    top, x = node.y - node.height / 2, node.x
    corners = [(x - 9, top + 2), (x - 24, top - 36), (x + 24, top - 36), (x + 9, top)]
    edge.path = _bezier(corners)


def _feedback(graph: Graph, edge: Edge) -> bool:
    """Back to what is earlier in a step, along a straight line above or below it; False where there is no room."""
    a, b = graph.nodes[edge.source], graph.nodes[edge.sink]
    tops = sorted({round(n.y - n.height / 2, 1) for n in graph.nodes})
    bottoms = sorted({round(n.y + n.height / 2, 1) for n in graph.nodes})
    levels = [t - 17 - k for t in tops for k in (0, 7)] + [t + 17 + k for t in bottoms for k in (0, 7)]
    used = [e.path[1][1] for e in graph.edges if len(e.path) == 4]
    best: tuple[float, list[Point]] | None = None
    for level in levels:
        up = level < min(a.y, b.y)
        if not up and level < max(a.y, b.y):
            continue
        way = _around(a, b, level, up)
        if not is_clear(way, graph.nodes, (edge.source, edge.sink)):
            continue
        cost = abs(level - a.y) + abs(level - b.y) + (40 if any(abs(level - u) < 6 for u in used) else 0)
        cost += 0 if up else 12
        if best is None or cost < best[0]:
            best = cost, way
    if best is None:
        return False
    edge.path = best[1]
    return True


def _around(a: Node, b: Node, level: float, up: bool) -> list[Point]:
    side = -1 if b.x < a.x else 1
    leave, enter = a.x + side * min(9.0, a.width / 4), b.x - side * min(9.0, b.width / 4) * (b.width > 38)
    start = a.y - a.height / 2 + 2 if up else a.y + a.height / 2 - 2
    end = b.y - b.height / 2 - 2 if up else b.y + b.height / 2 + 2
    return [(leave, start), (leave, level), (enter, level), (enter, end)]


def _over(graph: Graph, edge: Edge) -> None:
    """An arc above or below the line, the higher the further it goes."""
    a, b = graph.nodes[edge.source], graph.nodes[edge.sink]
    between = [n for n in graph.nodes if min(a.x, b.x) < n.x < max(a.x, b.x) and abs(n.y - a.y) < 1]
    if not between:
        edge.path = _clipped(graph, edge, 0.0)
        return
    tall = max(n.height for n in [a, b, *between]) / 2
    for up in (edge.above, not edge.above):
        for extra in range(4):
            high = (tall + 22 + 24 * (len(between) + extra - 1)) / 0.75 * (-1 if up else 1)
            points = _arch(a, b, high)
            if is_clear(points, graph.nodes, (edge.source, edge.sink)):
                edge.path = clipped(points, a, b)
                return
    edge.path = clipped(_arch(a, b, -(tall + 22 + 24 * len(between)) / 0.75), a, b)


def _arch(a: Node, b: Node, high: float) -> list[Point]:
    corners = ((a.x, a.y), (a.x + 0.12 * (b.x - a.x), a.y + high), (b.x - 0.12 * (b.x - a.x), b.y + high), (b.x, b.y))
    return _bezier(corners)


def _bezier(corners: Sequence[Point]) -> list[Point]:
    points = []
    for at in range(STEPS + 1):
        t, u = at / STEPS, 1 - at / STEPS
        k = (u**3, 3 * u * u * t, 3 * u * t * t, t**3)
        x, y = (sum(c * p[axis] for c, p in zip(k, corners, strict=True)) for axis in (0, 1))
        points.append((x, y))
    return points


def _bus_edges(graph: Graph) -> dict[int, float]:
    """Edges from many steps into one node behind them: the height of the bus on which they run."""
    if graph.form != "time":
        return {}
    nodes = graph.nodes
    into: dict[int, list[Edge]] = {}
    for edge in graph.edges:
        if nodes[edge.sink].time is None and nodes[edge.source].time is not None:
            into.setdefault(edge.sink, []).append(edge)
    found: dict[int, float] = {}
    for sink, edges in into.items():
        if len({round(nodes[e.source].x) for e in edges}) < MOST_BUS:
            continue
        parts: dict[int, list[Edge]] = {}
        for edge in edges:
            parts.setdefault(round(nodes[edge.source].y), []).append(edge)
        for own in parts.values():
            y = nodes[sink].y
            top = min(nodes[e.source].y - nodes[e.source].height / 2 for e in own)
            if y > top - 12 or len(parts) > 1:
                y = top - 26
            ways = [_bus_way(nodes[e.source], nodes[sink], y) for e in own]
            if all(is_clear(w, nodes, (e.source, sink)) for w, e in zip(ways, own, strict=True)):
                found.update({id(e): y for e in own})
    return found


def _bus_way(a: Node, b: Node, y: float) -> list[Point]:
    top = a.y - a.height / 2
    if abs(y - b.y) < 1:
        return [(a.x, top), (a.x, y), (b.x - b.width / 2 - 2, y)]
    x = b.x
    end = b.y - b.height / 2 - 2 if y < b.y else b.y + b.height / 2 + 2
    return [(a.x, top), (a.x, y), (x, y), (x, end)]


def _bus(graph: Graph, edge: Edge, y: float) -> None:
    edge.path = _bus_way(graph.nodes[edge.source], graph.nodes[edge.sink], y)
    edge.marks = [(graph.nodes[edge.source].x, y)]


# -- labels


def _labels(graph: Graph) -> None:
    """Each label on its edge, where it covers no node and no other label; where there is no room it stays away."""
    taken: list[Box] = [
        (n.x - n.width / 2, n.y - n.height / 2, n.x + n.width / 2, n.y + n.height / 2) for n in graph.nodes
    ]
    ways = [(edge, points, _bounds(points)) for edge in graph.edges if edge.path and (points := dense(edge.path, 5.0))]
    groups: dict[object, list[Edge]] = {}
    for edge in graph.edges:
        if edge.label and edge.path:
            groups.setdefault(id(edge) if edge.marks else _likeness(graph, edge), []).append(edge)
    for edges in groups.values():
        best: tuple[int, float] | None = None
        for t in _on_bus(edges[0]) if edges[0].marks else (0.5, 0.42, 0.58, 0.35, 0.65, 0.28, 0.72, 0.2, 0.8):
            boxes = [_box(e, t) for e in edges]
            if any(overlap(box, other) for box in boxes for other in taken):
                continue
            cost = sum(_crossed(box, e, ways) for box, e in zip(boxes, edges, strict=True))
            if best is None or cost < best[0]:
                best = cost, t
            if not cost:
                break
        for edge in edges:
            if best is not None:
                edge.label_at = point_at(edge.path, best[1])
                taken.append(_box(edge, best[1]))
            else:
                _alone(edge, taken)


def _on_bus(edge: Edge) -> tuple[float, ...]:
    """On the way up to the bus, where the edges are still apart."""
    y, v = edge.path[0][1], edge.path[1][1]
    whole = sum(hypot(c - a, d - b) for (a, b), (c, d) in pairwise(edge.path))
    return (0.55 * abs(v - y) / whole,)


def _alone(edge: Edge, taken: list[Box]) -> None:
    for t in () if edge.marks else (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8):
        box = _box(edge, t)
        if not any(overlap(box, other) for other in taken):
            edge.label_at = point_at(edge.path, t)
            taken.append(box)
            return


def _crossed(box: Box, edge: Edge, ways: Sequence[tuple[Edge, Sequence[Point], Box]]) -> int:
    count = 0
    for other, points, bounds in ways:
        if other is not edge and overlap(box, bounds):
            count += any(box[0] < x < box[2] and box[1] < y < box[3] for x, y in points)
    return count


def _bounds(points: Sequence[Point]) -> Box:
    """The smallest box around points, a little wider so that a straight line has an inside."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs) - 1, min(ys) - 1, max(xs) + 1, max(ys) + 1


def _box(edge: Edge, t: float) -> Box:
    x, y = point_at(edge.path, t)
    w, h = width(edge.label, LABEL) / 2 + 3, LINE / 2
    return x - w, y - h, x + w, y + h


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share more than their border."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def point_at(path: Sequence[Point], t: float) -> Point:
    """The point of a path after a part of its length."""
    lengths = [hypot(u - x, v - y) for (x, y), (u, v) in pairwise(path)]
    rest = t * sum(lengths)
    for (x, y), (u, v), length in zip(path, path[1:], lengths, strict=False):
        if rest <= length and length:
            return x + (u - x) * rest / length, y + (v - y) * rest / length
        rest -= length
    return path[-1]
