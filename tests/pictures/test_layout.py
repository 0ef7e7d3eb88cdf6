"""Pictures of all examples: nothing lies on anything else, time runs to the right, and what is alike stands in rows."""

from __future__ import annotations

import json
import random
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from bptt_solver import api
from bptt_solver.computation import Computation
from bptt_solver.errors import ProblemError
from bptt_solver.pictures.graph import Graph, Node
from bptt_solver.pictures.labels import width
from bptt_solver.pictures.picture import laid_out, picture, picture_dot
from bptt_solver.pictures.routes import LABEL, dense, inside
from bptt_solver.pictures.words import Words
from bptt_solver.registry import Registry

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(p.parent.name for p in (ROOT / "examples").glob("*/problem.yaml"))
SHOWN = (None, ("values", "derivatives", "partials"))
FORMS = ("unrolled", "folded")


@cache
def computation(name: str) -> Computation:
    """The numbers of an example, by the start of its name."""
    path = next((ROOT / "examples").glob(name + "*/problem.yaml"))
    return Computation(api.load(path))


@cache
def graph(name: str, form: str = "unrolled", show: tuple[str, ...] | None = None) -> Graph:
    """An example laid out."""
    found = computation(name)
    return laid_out(found, Words(found), form, show)


def box(node: Node, margin: float = 0.0) -> tuple[float, float, float, float]:
    """Left, top, right, bottom."""
    w, h = node.width / 2 + margin, node.height / 2 + margin
    return node.x - w, node.y - h, node.x + w, node.y + h


def meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two boxes share an area."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


every_picture = pytest.mark.parametrize(
    ("name", "form", "show"), [(n, f, s) for n in EXAMPLES for f in FORMS for s in SHOWN]
)


@every_picture
def test_nothing_lies_on_anything_else(name: str, form: str, show: tuple[str, ...] | None) -> None:
    found = graph(name, form, show)
    for one, other in combinations(found.nodes, 2):
        assert not meet(box(one, 3), box(other, 3)), f"{one.name} and {other.name} overlap"
    for edge in found.edges:
        for point in dense(edge.path, 2.0):
            for at, node in enumerate(found.nodes):
                if at not in (edge.source, edge.sink):
                    assert not inside(point, node), f"{edge.title} runs through {node.name}"
    labels = []
    for edge in found.edges:
        if edge.label_at is not None:
            x, y = edge.label_at
            half = width(edge.label, LABEL) / 2
            labels.append((edge.title, (x - half, y - 7, x + half, y + 7)))
    for (first, one), (second, other) in combinations(labels, 2):
        assert not meet(one, other), f"the labels of {first} and {second} overlap"
    for title, own in labels:
        for node in found.nodes:
            assert not meet(own, box(node)), f"the label of {title} lies on {node.name}"


@every_picture
def test_every_edge_leads_from_node_to_node(name: str, form: str, show: tuple[str, ...] | None) -> None:
    found = graph(name, form, show)
    for edge in found.edges:
        assert len(edge.path) >= 2, edge.title
        for end, at in ((edge.path[0], edge.source), (edge.path[-1], edge.sink)):
            assert inside(end, found.nodes[at], 6.0), f"{edge.title} does not touch {found.nodes[at].name}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_read_is_an_edge(name: str) -> None:
    """An outside count: nodes and edges are those of the unfolded system, without the parameters."""
    unfolded = computation(name).problem.unfolded
    found = graph(name)
    drawn = {n.name for n in found.nodes}
    wanted = set()
    for number in unfolded.order:
        for read in unfolded.reads(number):
            names = [
                f"{k}[{','.join(map(str, i))}]" if i else k for k, i in (unfolded.keys[read], unfolded.keys[number])
            ]
            if names[0] in drawn:
                wanted.add(tuple(names))
    assert {(found.nodes[e.source].name, found.nodes[e.sink].name) for e in found.edges} == wanted
    parameters = {key[0] for key in unfolded.keys} - {n.place[0] for n in found.nodes}
    assert parameters == {p.place[0] for p in found.parameters}


@pytest.mark.parametrize("name", [n for n in EXAMPLES if graph(n).form == "time"])
def test_a_place_has_one_row_and_runs_to_the_right(name: str) -> None:
    found = graph(name)
    places: dict[object, list[Node]] = {}
    for node in found.nodes:
        if node.time is not None:
            places.setdefault(node.place, []).append(node)
    for nodes in places.values():
        assert len({round(n.y, 3) for n in nodes}) == 1
        in_time = sorted(nodes, key=lambda n: n.time or 0)
        assert [n.x for n in in_time] == sorted(n.x for n in in_time)
        assert len({round(n.x, 3) for n in in_time}) == len(in_time)


def at(name: str, node: str) -> Node:
    """A node of an unrolled picture."""
    return next(n for n in graph(name).nodes if n.name == node)


def test_a_line_in_the_declared_order() -> None:
    nodes = graph("01").nodes
    assert [n.name for n in sorted(nodes, key=lambda n: n.x)] == ["z1", "z2", "z3", "z4", "E"]
    assert len({n.y for n in nodes}) == 1
    for edge in graph("01").edges:
        heights = [y for _, y in edge.path]
        one, other = graph("01").nodes[edge.source], graph("01").nodes[edge.sink]
        if other.x - one.x > 100:
            assert max(map(abs, heights)) > 20, "an arc passes above or below what stands between"
    sides = {
        min(e.path, key=lambda p: -abs(p[1]))[1] > 0 for e in graph("01").edges if max(abs(y) for _, y in e.path) > 20
    }
    assert sides == {True, False}


def test_elman() -> None:
    for t in (1, 2, 3):
        assert at("07", f"x[{t}]").y > at("07", f"a[{t}]").y == at("07", f"h[{t}]").y > at("07", f"y[{t}]").y
        assert at("07", f"a[{t}]").x == at("07", f"x[{t}]").x < at("07", f"h[{t}]").x
        assert at("07", f"y[{t}]").x == at("07", f"e[{t}]").x == at("07", f"h[{t}]").x
        assert at("07", f"d[{t}]").y == at("07", f"e[{t}]").y
    assert at("07", "E").x > at("07", "e[3]").x


def test_layers_go_up() -> None:
    for t in (1, 2, 3):
        rows = [at("11", f"a[{k},{t}]").y for k in (0, 1, 2, 3)]
        assert rows == sorted(rows, reverse=True)


def test_two_directions_have_two_lanes_with_opposite_arrows() -> None:
    assert at("18", "h_fw[1]").y != at("18", "h_bw[1]").y
    found = graph("18")
    for edge in found.edges:
        one, other = found.nodes[edge.source], found.nodes[edge.sink]
        if one.place[0] == "h_fw" and other.place[0] == "a_fw":
            assert other.x > one.x
        if one.place[0] == "h_bw" and other.place[0] == "a_bw":
            assert other.x < one.x
    for t in (1, 2, 3):
        assert at("18", f"a_fw[{t}]").x < at("18", f"h_fw[{t}]").x
        assert at("18", f"a_bw[{t}]").x > at("18", f"h_bw[{t}]").x


def test_a_tree_by_depth() -> None:
    for child, parent in (("h[1]", "a[4]"), ("h[2]", "a[4]"), ("h[4]", "a[5]"), ("h[3]", "a[5]"), ("h[5]", "o")):
        assert at("19", child).y > at("19", parent).y
    assert at("19", "x[1]").x < at("19", "x[2]").x < at("19", "x[3]").x


def test_the_decoder_stands_behind_the_encoder() -> None:
    assert max(at("20", f"h[{t}]").x for t in (0, 1, 2, 3)) < min(at("20", f"s[{t}]").x for t in (0, 1, 2))


def test_sequences_have_rows_of_their_own() -> None:
    one = [n.y for n in graph("10").nodes if n.place[1] == (1,)]
    two = [n.y for n in graph("10").nodes if n.place[1] == (2,)]
    assert max(one) < min(two)


def test_what_is_carried_is_marked_when_folded() -> None:
    found = graph("07", "folded")
    assert sorted(n.name for n in found.nodes) == ["E", "a[t]", "d[t]", "e[t]", "h[t]", "o[t]", "x[t]", "y[t]"]
    back = [e for e in found.edges if e.shift]
    assert len(back) == 1 and back[0].label[:2] == (("z", 0, False), ("−1", 1, False))
    lags = [e.label[1].text for e in graph("13", "folded").edges if e.shift]
    assert lags == ["−1", "−2"]
    assert any(n.kind == "delay" for n in graph("16", "folded").nodes)


def test_a_planted_fault_is_found() -> None:
    found = computation("07")
    broken = laid_out(found, Words(found), "unrolled", None)
    moved = next(n for n in broken.nodes if n.name == "o[1]")
    other = next(n for n in broken.nodes if n.name == "y[1]")
    moved.y = other.y
    assert any(meet(box(a, 3), box(b, 3)) for a, b in combinations(broken.nodes, 2))


# ----------------------------------------------------------------------------- topologies, graphs without time


def check_clear(found: Graph) -> None:
    """No nodes overlap, no edge touches a foreign node."""
    for one, other in combinations(found.nodes, 2):
        assert not meet(box(one, 3), box(other, 3)), f"{one.name} and {other.name} overlap"
    for edge in found.edges:
        assert edge.path, edge.title
        for at, node in enumerate(found.nodes):
            if at not in (edge.source, edge.sink):
                assert not any(inside(p, node) for p in dense(edge.path, 3.0)), f"{edge.title} through {node.name}"


TOPOLOGIES = sorted(t.name for t in Registry.load().topologies)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_topology(name: str) -> None:
    example = next(t.example for t in Registry.load().topologies if t.name == name)
    found = Computation(api.loads(json.dumps({"network": {"topology": name, **example}})))
    for form in FORMS:
        check_clear(laid_out(found, Words(found), form))


OTHERS = {
    "attention": (
        "h[i] = tanh(u*h[i-1] + x[i]) for i in 1..3\n"
        "s[t] = tanh(u*s[t-1] + sum(u*h[i] for i in 1..3)) for t in 1..3\nE = sum(s[t]**2 for t in 1..3)",
        {"h[0]": 0, "s[0]": 0, "x": [1, 2, 3], "u": 0.5},
    ),
    "grid": (
        "h[i,j] = tanh(u*h[i-1,j] + w*h[i,j-1]) for i in 1..2, j in 1..3\nE = h[2,3]**2",
        {"h[0,1]": 1, "h[0,2]": 1, "h[0,3]": 1, "h[1,0]": 1, "h[2,0]": 1, "u": 0.5, "w": 0.3},
    ),
    "skip": (
        "a[t] = w*x[t] + u*h[t-1] for t in 1..3\nh[t] = tanh(a[t]) for t in 1..3\n"
        "y[t] = u*h[t] + w*x[t] + u*y[t-1] for t in 1..3\nE = sum((y[t] - d[t])**2 for t in 1..3) + w**2",
        {"h[0]": 0, "y[0]": 0, "x": [1, 2, 3], "d": [1, 1, 1], "u": 0.5, "w": 0.3},
    ),
    "one step": ("h[t] = tanh(u*h[t-1]) for t in 1..1\nE = h[1]", {"h[0]": 1, "u": 0.5}),
    "one name": ("E = 2*x", {"x": 1}),
    "nothing read": ("E = 2*3", {}),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("form", ("auto", *FORMS))
def test_other_systems(name: str, form: str) -> None:
    equations, values = OTHERS[name]
    found = Computation(api.loads(json.dumps({"equations": equations, "values": values})))
    check_clear(laid_out(found, Words(found), form, SHOWN[1]))


@pytest.mark.parametrize("seed", range(6))
def test_free_graphs(seed: int) -> None:
    """Random graphs without indices, small ones on a line and larger ones in layers."""
    draw = random.Random(seed)
    count = 8 + 6 * seed
    lines = []
    for k in range(1, count):
        reads = sorted({draw.randrange(max(0, k - 6), k) for _ in range(2)})
        lines.append(f"z{k} = " + " + ".join(f"{draw.randint(1, 9)}*z{r}" for r in reads))
    document = {"equations": "\n".join(lines), "values": {"z0": 1}, "target": f"z{count - 1}"}
    found = Computation(api.loads(json.dumps(document)))
    own = laid_out(found, Words(found))
    assert own.form == ("line" if count <= 12 else "layers")
    check_clear(own)
    for edge in own.edges:
        assert own.nodes[edge.sink].x > own.nodes[edge.source].x


def test_a_picture_too_large_to_look_at() -> None:
    lines = "\n".join(f"z{k} = 2*z{k - 1}" for k in range(1, 400))
    found = Computation(api.loads(json.dumps({"equations": lines, "values": {"z0": 1}, "target": "z399"})))
    with pytest.raises(ProblemError, match="400 nodes, more than 300"):
        picture(found)
    assert picture_dot(found).count("->") == 399
