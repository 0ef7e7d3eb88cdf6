"""A graph as SVG that stands alone: no script, no outer file, labels as text, colours that a page may change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import hypot

from bptt_solver.pictures.graph import Edge, Graph, Node
from bptt_solver.pictures.labels import SMALLER, Label, width
from bptt_solver.pictures.routes import HEAD, LABEL, Point

NAME, VALUE = 16.0, 11.5
MARGIN = 16.0
FONT = "'STIX Two Text','STIX Two Math',Cambria,'Times New Roman','Noto Serif','Noto Serif CJK SC',serif"
COLOURS: Mapping[str, tuple[str, str]] = {  # kind: fill and border
    "data": ("#dcefe9", "#4f8f7b"),
    "desired": ("#e9e6f4", "#7d72a8"),
    "given": ("#eceff1", "#78848c"),
    "start": ("#fdf7e6", "#c9b478"),
    "state": ("#fdefc3", "#b58e2a"),
    "hidden": ("#ffffff", "#8a9299"),
    "output": ("#dfeafa", "#4a78b0"),
    "loss": ("#fbe3df", "#bd6a5c"),
    "total": ("#f6c9c2", "#a8402f"),
    "parameter": ("#ffffff", "#9aa2a8"),
    "dots": ("none", "none"),
    "delay": ("#ffffff", "#55606a"),
}
INK, LINE, SOFT, GROUND, BAND = "#1f2933", "#5b6770", "#68737c", "#ffffff", "#f5f7f8"
LIT, LATER, SIGNAL = "#d9480f", "#f08c00", "#b5361c"


def measure(graph: Graph) -> None:
    """Set the sizes of all nodes."""
    for node in [*graph.nodes, *graph.parameters]:
        if node.kind == "dots":
            node.width, node.height = 30.0, 30.0
        elif node.kind == "delay":
            node.width, node.height = 34.0, 26.0
        else:
            wide = max(node.room, *(width(line, VALUE if at else NAME) for at, line in enumerate(node.lines)))
            node.height = 40.0 + 15 * (len(node.lines) - 1) + (6 if len(node.lines) > 1 else 0)
            node.width = max(40.0, wide + 18)
            if node.kind == "parameter":
                node.height, node.width = 26.0 + 16 * (len(node.lines) - 1), wide + 16


def svg(
    graph: Graph,
    title: str,
    description: str,
    *,
    lit: Mapping[str, str] | None = None,
    caption: Label = (),
    longest: Label = (),
    extra: Callable[[float, float], str] | None = None,
    style: str = "",
    prefix: str = "g",
) -> str:
    """The picture. ``lit``: class words by the names of nodes and edges. ``extra`` is put on top and gets the place of
    its caption, which is at most as long as ``longest``; ``style`` goes into the style sheet; ``prefix`` starts all
    ids."""
    lit = lit or {}
    low_x, low_y, high_x, high_y = _bounds(graph)
    longest = longest or caption
    head = 30.0 if longest else 0.0
    foot = _parameter_rows(graph, low_x, high_x, high_y)
    if graph.parameters:
        low_x = min(low_x, *(p.x - p.width / 2 - 4 for p in graph.parameters))
        high_x = max(high_x, *(p.x + p.width / 2 for p in graph.parameters))
    if longest:
        high_x = max(high_x, low_x + width(longest, NAME) + 10)
    x, y = low_x - MARGIN, low_y - MARGIN - head
    w, h = high_x - low_x + 2 * MARGIN, high_y - low_y + 2 * MARGIN + head + foot
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="bptt-graph" role="img" '
        f'aria-labelledby="{prefix}-title {prefix}-desc" viewBox="{decimal(x)} {decimal(y)} {decimal(w)} {decimal(h)}" '
        f'width="{decimal(w)}" height="{decimal(h)}" font-family="{FONT}" font-size="{decimal(NAME)}" '
        f'text-anchor="middle">',
        f'<title id="{prefix}-title">{escaped(title)}</title>',
        f'<desc id="{prefix}-desc">{escaped(description)}</desc>',
        f"<style>{_sheet()}{style}</style>",
        f'<rect class="ground" {_box(x, y, w, h)} fill="{GROUND}"/>',
    ]
    bottom = max(n.y + n.height / 2 for n in graph.nodes)
    out += _bands(graph, low_y, bottom)
    if caption:
        out.append(
            text(caption, x + MARGIN, low_y - head + 4, NAME, f'class="caption" text-anchor="start" fill="{INK}"')
        )
    out += [_edge(graph, edge, lit, prefix) for edge in graph.edges if edge.path]
    out += [_node(node, lit, prefix, graph.lanes.get(node.place[0], "")) for node in graph.nodes]
    out += [_node(node, lit, prefix) for node in graph.parameters]
    out += [_edge_label(graph, edge, lit) for edge in graph.edges if edge.label_at is not None]
    if extra is not None:
        out.append(extra(x + MARGIN, low_y - head + 4))
    return "\n".join(out) + "\n</svg>\n"


def _bounds(graph: Graph) -> tuple[float, float, float, float]:
    boxes = [(n.x - n.width / 2, n.y - n.height / 2, n.x + n.width / 2, n.y + n.height / 2) for n in graph.nodes]
    for edge in graph.edges:
        boxes += [(px - 2, py - 2, px + 2, py + 2) for px, py in edge.path]
        if edge.label_at is not None:
            half = max(width(edge.label, LABEL), edge.room) / 2 + 4
            lx, ly = edge.label_at
            boxes.append((lx - half, ly - 9, lx + half, ly + 9))
    boxes += [(a, boxes[0][1], b, boxes[0][3]) for a, b in graph.bands]
    low = min(b[1] for b in boxes)
    high = max(b[3] for b in boxes) + (30 if graph.captions else 0)
    return min(b[0] for b in boxes), low, max(b[2] for b in boxes), high


def _parameter_rows(graph: Graph, low: float, high: float, bottom: float) -> float:
    """Place the parameters in rows under the picture; how high they are together."""
    if not graph.parameters:
        return 0.0
    tall = max(p.height for p in graph.parameters)
    x, y = low, bottom + 14 + tall / 2
    for node in graph.parameters:
        if x > low and x + node.width > max(high, low + 300):
            x, y = low, y + tall + 8
        node.x, node.y = x + node.width / 2, y
        x += node.width + 8
    return y + tall / 2 - bottom


def _bands(graph: Graph, top: float, bottom: float) -> list[str]:
    out = []
    for left, right in graph.bands:
        out.append(
            f'<rect class="band" x="{decimal(left)}" y="{decimal(top - 8)}" width="{decimal(right - left)}" '
            f'height="{decimal(bottom - top + 38)}" rx="10" fill="{BAND}"/>'
        )
    for at, label in graph.captions:
        out.append(text(label, at, bottom + 20, 12.5, f'class="time" fill="{SOFT}"'))
    return out


def _node(node: Node, lit: Mapping[str, str], prefix: str, lane: str = "") -> str:
    words = " ".join(filter(None, ("node", node.kind, lit.get(node.name, ""))))
    fill, border = COLOURS[node.kind]
    width_ = 2.6 if "lit" in words.split() else 1.3
    if node.name in lit:
        border = {"lit": LIT, "later": LATER}.get(lit[node.name].split()[0], border)
    faded = ' opacity="0.35"' if "faded" in words.split() else ""
    own = f' data-lane="{escaped(lane)}"' if lane else ""
    members = own + (f' data-members="{escaped(" ".join(node.members))}"' if node.members else "")
    parts = [f'<g class="{words}" id="{prefix}-{_id(node.name)}" data-node="{escaped(node.name)}"{members}{faded}>']
    parts.append(f"<title>{escaped(node.title)}</title>")
    if node.kind != "dots":
        radius = 6.0 if node.kind in ("parameter", "delay") else min(20.0, node.width / 2, node.height / 2)
        dash = ' stroke-dasharray="4 3"' if node.kind in ("given", "start", "parameter") else ""
        parts.append(
            f"<rect {_box(node.x - node.width / 2, node.y - node.height / 2, node.width, node.height)} "
            f'rx="{decimal(radius)}" fill="{fill}" stroke="{border}" stroke-width="{width_}"{dash}/>'
        )
    y = node.y - (9.5 if len(node.lines) == 2 else 16.5 if len(node.lines) > 2 else 0.0)
    for at, line in enumerate(node.lines):
        small = at > 0 or node.kind == "delay"
        size = VALUE if small else 14.5 if node.kind == "parameter" else NAME
        word = ("name", *node.marks)[at]
        colour = {"name": INK, "value": SOFT}.get(word, SIGNAL)
        key = _key(node.keys[at - 1] if 0 < at <= len(node.keys) else "", node.width - 10)
        parts.append(text(line, node.x, y + size * 0.33, size, f'class="{word}" fill="{colour}"{key}'))
        y += 19 if at == 0 else 14.5
    return "".join([*parts, "</g>"])


def _edge(graph: Graph, edge: Edge, lit: Mapping[str, str], prefix: str) -> str:
    a, b = graph.nodes[edge.source], graph.nodes[edge.sink]
    name = f"{a.name}>{b.name}"
    state = lit.get(name, "")
    own = _id(name) + (f"-{edge.shift}" if graph.folded and edge.shift else "")
    words = " ".join(filter(None, ("edge", "recurrent" if edge.shift else "", state)))
    colour = {"lit": LIT, "later": LATER}.get(state.split()[0] if state else "", LINE)
    thick = 2.4 if state in ("lit", "later") else 1.3
    faded = ' opacity="0.3"' if state == "faded" else ""
    path, tip = drawn(edge.path, bool(edge.via))
    weights = f' data-weights="{escaped(" ".join(edge.weights))}"' if edge.weights else ""
    dots = "".join(
        f'<circle class="joint" cx="{decimal(px)}" cy="{decimal(py)}" r="2.2" fill="{colour}"/>'
        for px, py in edge.marks
    )
    return (
        f'<g class="{words}" id="{prefix}-{own}" data-edge="{escaped(name)}"{weights}{_key(edge.key)}{faded}>'
        f"<title>{escaped(edge.title)}</title>"
        f'<path class="way" d="{path}" fill="none" stroke="{colour}" stroke-width="{thick}"/>'
        f'<path class="head" d="{tip}" fill="{colour}"/>{dots}</g>'
    )


def drawn(path: Sequence[Point], winding: bool = False) -> tuple[str, str]:
    """A line, which ends within its head, and the head. ``winding``: it has more than one bend."""
    (x, y) = path[-1]
    rest = HEAD
    at = len(path) - 1
    while at > 0 and hypot(path[at - 1][0] - x, path[at - 1][1] - y) < rest:
        at -= 1
    px, py = path[max(at - 1, 0)]
    if at < len(path) - 1 or hypot(px - x, py - y) < 0.01:
        px, py = path[max(at - 1, 0)]
    length = hypot(x - px, y - py) or 1.0
    dx, dy = (x - px) / length, (y - py) / length
    bx, by = x - HEAD * dx, y - HEAD * dy
    points = [*path[:at], (bx + dx, by + dy)]
    line = _polyline(points, 18 if winding else 6)
    corners = [(bx - 3.4 * dy, by + 3.4 * dx), (x, y), (bx + 3.4 * dy, by - 3.4 * dx)]
    return line, "M" + "L".join(f"{decimal(cx)} {decimal(cy)}" for cx, cy in corners) + "Z"


def _polyline(points: Sequence[Point], pieces: int) -> str:
    """Straight where there are two points, with round corners where there are few, smooth where there are many."""
    if len(points) == 2:
        return f"M{_p(points[0])}L{_p(points[1])}"
    if len(points) <= 5:
        out = [f"M{_p(points[0])}"]
        for before, corner, after in zip(points, points[1:], points[2:], strict=False):
            out.append(f"L{_p(_towards(corner, before, 8))}Q{_p(corner)} {_p(_towards(corner, after, 8))}")
        return "".join(out) + f"L{_p(points[-1])}"
    step = max(1, (len(points) - 1) // pieces)
    kept = [*points[:-1:step], points[-1]]
    out = [f"M{_p(kept[0])}"]
    for at in range(len(kept) - 1):
        p0, p1, p2, p3 = kept[max(at - 1, 0)], kept[at], kept[at + 1], kept[min(at + 2, len(kept) - 1)]
        c1 = p1[0] + (p2[0] - p0[0]) / 6, p1[1] + (p2[1] - p0[1]) / 6
        c2 = p2[0] - (p3[0] - p1[0]) / 6, p2[1] - (p3[1] - p1[1]) / 6
        out.append(f"C{_p(c1)} {_p(c2)} {_p(p2)}")
    return "".join(out)


def _towards(start: Point, end: Point, far: float) -> Point:
    length = hypot(end[0] - start[0], end[1] - start[1]) or 1.0
    part = min(far / length, 0.5)
    return start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part


def _edge_label(graph: Graph, edge: Edge, lit: Mapping[str, str]) -> str:
    assert edge.label_at is not None
    x, y = edge.label_at
    name = f"{graph.nodes[edge.source].name}>{graph.nodes[edge.sink].name}"
    half = width(edge.label, LABEL) / 2 + 1.5
    state = lit.get(name, "")
    colour = LIT if state in ("lit", "later") else SOFT
    faded = ' opacity="0.35"' if state == "faded" else ""
    key = _key(edge.key, edge.room)
    label = text(edge.label, x, y + 4, LABEL, f'class="on-edge" fill="{colour}"{key}{faded}')
    return (
        f'<g class="edge-label {state}" data-of="{escaped(name)}">'
        f'<rect class="halo" {_box(x - half, y - 8, 2 * half, 16)} rx="4" fill="{GROUND}" fill-opacity="0.88"/>'
        f"{label}</g>"
    ).replace('edge-label "', 'edge-label"')


def _key(key: str, room: float = 0.0) -> str:
    """The name of a number that a page computes again, and how wide its text may be."""
    if not key:
        return ""
    return f' data-k="{escaped(key)}"' + (f' data-w="{decimal(room)}"' if room else "")


def text(label: Label, x: float, y: float, size: float, attributes: str) -> str:
    """A label as an element."""
    parts = [f'<text x="{decimal(x)}" y="{decimal(y)}" font-size="{decimal(size)}" {attributes}>']
    down = 0.0
    for run in label:
        shift = -run.shift * size * (0.24 if run.shift < 0 else 0.36)
        moved = f' dy="{decimal(shift - down)}"' if abs(shift - down) > 0.01 else ""
        small = f' font-size="{decimal(size * SMALLER)}"' if run.shift else ""
        slant = ' font-style="italic"' if run.slanted else ""
        down = shift
        shown = escaped(run.text)
        parts.append(f"<tspan{moved}{small}{slant}>{shown}</tspan>" if moved or small or slant else shown)
    return "".join([*parts, "</text>"])


def _sheet() -> str:
    """What a page may recolour, for viewers that know variables; the others keep the attributes."""
    rules = [".bptt-graph text{pointer-events:none}"]
    inner = [f".bptt-graph .ground,.bptt-graph .halo{{fill:var(--graph-ground,{GROUND})}}"]
    inner.append(f".bptt-graph .band{{fill:var(--graph-band,{BAND})}}")
    inner.append(f".bptt-graph .name,.bptt-graph .caption{{fill:var(--graph-ink,{INK})}}")
    inner.append(f".bptt-graph .derivative{{fill:var(--graph-signal,{SIGNAL})}}")
    inner.append(f".bptt-graph .time,.bptt-graph .value,.bptt-graph .on-edge{{fill:var(--graph-soft,{SOFT})}}")
    for kind, (fill, border) in COLOURS.items():
        if fill != "none":
            inner.append(
                f".bptt-graph .{kind}>rect{{fill:var(--graph-{kind},{fill})}}"
                f".bptt-graph .{kind}:not(.lit):not(.later)>rect{{stroke:var(--graph-{kind}-line,{border})}}"
            )
    inner.append(f".bptt-graph .edge:not(.lit):not(.later)>.way{{stroke:var(--graph-line,{LINE})}}")
    inner.append(f".bptt-graph .edge:not(.lit):not(.later)>:is(.head,.joint){{fill:var(--graph-line,{LINE})}}")
    return "".join(rules) + "@supports (color:var(--a)){" + "".join(inner) + "}"


def escaped(text: str) -> str:
    """Text in SVG: no markup, no characters that XML lacks."""
    kept = "".join(
        c
        if c >= " " and not "\x7f" <= c <= "\x9f" and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff"
        else "\ufffd"
        for c in text
    )
    return (
        kept.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("'", "&#39;")
    )


def _id(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in name)


def _box(x: float, y: float, w: float, h: float) -> str:
    return f'x="{decimal(x)}" y="{decimal(y)}" width="{decimal(w)}" height="{decimal(h)}"'


def _p(point: Point) -> str:
    return f"{decimal(point[0])} {decimal(point[1])}"


def decimal(value: float) -> str:
    """A coordinate with one digit behind the point."""
    text = f"{value:.1f}"
    return "0" if text in ("-0.0", "0.0") else text.removesuffix(".0")
