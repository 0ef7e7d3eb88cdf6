"""What a topology declares - maps, zeros, trained starts, shapes - in the problem that is built from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import bptt_solver
from bptt_solver.errors import ProblemError

PLUGIN = """
from bptt_solver.hookspecs import hookimpl
from bptt_solver.records import Length, Network, Topology

def tree(options):
    return Network(
        equations="h[j] = tanh(w*h[left[j]] + u*h[right[j]]) for j in 4..5\\nE = squared_error(h[5], d)",
        target="E", parameters={"w": (), "u": ()}, data={"h[1]": (), "h[2]": (), "h[3]": (), "d": ()},
        maps={"left": {4: 1, 5: 4}, "right": {4: 2, 5: 3}},
    )

def ragged(options):
    return Network(
        equations="h[n,t] = tanh(w*h[n,t-1] + x[n,t]) for n in 1..N, t in 1..len[n]\\n"
        "b[n,t] = tanh(w*b[n,t+1] + x[n,t]) for n in 1..N, t in 1..len[n]\\n"
        "E = sum(h[n,len[n]]*b[n,1] for n in 1..N) + c[N+1]",
        target="E", sizes={"N": 2}, parameters={
            "w": (), "h[n,0] for n in 1..N": (), "b[n,len[n]+1] for n in 1..N": (), "c[N+1]": ()},
        data={"x": ("N", "T")}, maps={"len": [3, 2]},
        zeros=("h[n,0] for n in 1..N", "b[n,len[n]+1] for n in 1..N", "c[N+1]"), trained=("c[N+1]",),
    )

def row(options):
    return Network(
        equations="E = sum(w*x[t] for t in 1..3) + h[0]",
        target="E", parameters={"w": ()}, data={"x": (3,)}, required={"h[0]": ((), ("start",))},
        within=((Length(options["last"], "last"), "K"),), sizes={"K": 4},
    )

@hookimpl
def bptt_topologies():
    yield Topology("row", row, {"start": "zero", "last": 1})
    yield Topology("pairs", tree, {})
    yield Topology("ragged", ragged, {})
"""
SIZES = {"input": 2, "hidden": 2, "output": 1}


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    """The path of a plugin with two topologies."""
    path = tmp_path / "plugin.py"
    path.write_text(PLUGIN, encoding="utf-8")
    return str(path)


def load(document: Mapping[str, Any], *plugins: str) -> Any:
    return bptt_solver.loads(json.dumps(document), plugins=plugins)


def test_maps_of_a_topology(plugin: str) -> None:
    data = {"h[1]": 1, "h[2]": 0.5, "h[3]": 0.2, "d": 1}
    given = {"network": {"topology": "pairs"}, "parameters": {"w": 1, "u": 2}, "data": data}
    solution = bptt_solver.solve(load(given, plugin), check="full")
    equations = "h[4] = tanh(w*h[1] + u*h[2])\nh[5] = tanh(w*h[4] + u*h[3])\nE = squared_error(h[5], d)"
    plain = bptt_solver.solve(load({"equations": equations, "parameters": {"w": 1, "u": 2}, "data": data}))
    assert solution.verified
    for name in ("w", "u"):
        assert solution.ordered_derivatives[name] == pytest.approx(plain.ordered_derivatives[name], rel=1e-12)
    assert "left_4 = 1" in str(solution)


def test_a_map_of_the_document_comes_first(plugin: str) -> None:
    data = {"h[1]": 1, "h[2]": 0.5, "h[3]": 0.2, "d": 1}
    maps = {"left": {"from": 4, "values": [3, 4]}}
    problem = load({"network": {"topology": "pairs"}, "data": data, "maps": maps}, plugin)
    assert problem.system.maps["left"].table == {(4,): 3, (5,): 4}
    assert problem.system.maps["right"].table == {(4,): 2, (5,): 3}


def test_zeros_at_indices_that_are_expressions(plugin: str) -> None:
    x = [[0.5, -1, 0.25], [1, 0.5, 0]]
    problem = load({"network": {"topology": "ragged"}, "data": {"x": x}, "parameters": {"w": 0.5}}, plugin)
    zero = {key for key, value in problem.given.items() if key[0] in "hbc" and value == 0}
    assert zero == {("h", (1, 0)), ("h", (2, 0)), ("b", (1, 4)), ("b", (2, 3)), ("c", (3,))}
    assert problem.wanted() == [("w", ()), ("c", (3,))]
    assert bptt_solver.solve(problem, check="full").verified


def test_a_given_start_is_not_overwritten(plugin: str) -> None:
    x = [[0.5, -1, 0.25], [1, 0.5, 0]]
    document = {"network": {"topology": "ragged"}, "data": {"x": x}, "parameters": {"w": 0.5}}
    problem = load({**document, "values": {"h[1,0]": 0.75}}, plugin)
    assert problem.given["h", (1, 0)] == 0.75
    assert problem.given["h", (2, 0)] == 0


def test_a_trained_start_is_wanted() -> None:
    data = {"x": [[1, 2]], "d": [[1]]}
    network = {"topology": "elman", "sizes": SIZES, "initial": "trained"}
    assert ("h", (0,)) in load({"network": network, "data": data}).wanted()
    assert ("h", (0,)) not in load({"network": {**network, "initial": "zero"}, "data": data}).wanted()


def test_a_number_fills_what_a_topology_declares() -> None:
    network = {"topology": "elman", "sizes": {"input": 1, "hidden": 2, "output": 1}}
    parameters = {"W_x": 0.5, "h[0]": 0.25, "b_h": 0}
    problem = load({"network": network, "data": {"x": [1, 2], "d": [0, 1]}, "parameters": parameters})
    assert problem.given["W_x", ()].tolist() == [[0.5], [0.5]]
    assert problem.given["h", (0,)].tolist() == [0.25, 0.25]
    assert problem.given["x", (2,)].tolist() == [2]


def test_several_disagreements_are_told_at_once() -> None:
    network = {"topology": "elman", "sizes": SIZES, "steps": 2}
    data = {"x": [[1, 2], [3, 4], [5, 6]], "d": [[1, 1], [2, 2]]}
    with pytest.raises(ProblemError) as caught:
        load({"network": network, "data": data, "parameters": {"W_x": [[1, 2, 3]], "U": 1}})
    told = [problem.message for problem in caught.value.problems]
    assert told == [
        "x has 3 steps, but steps is 2",
        "d[1] has 2 entries, but sizes.output is 1",
        "W_x has 1 row, but sizes.hidden is 2",
        "topology 'elman' has no parameter 'U'",
    ]
    assert all(problem.notes or "no parameter" in problem.message for problem in caught.value.problems)


def test_given_and_defined_families_tell_sizes() -> None:
    """Leaves that are given, and one node more that is defined: n is the number of the leaves."""
    equations = "h[4] = h[1] + h[2]\nE = sum(h[j]**2 for j in 1..n) + h[4]"
    assert load({"equations": equations, "values": {"h": [1, 2, 3]}}).system.sizes == {"n": 3}


ROW = {"x": [1, 2, 3], "h[0]": 4}


@pytest.mark.parametrize(
    ("options", "data", "told"),
    [
        ({}, ROW | {"x": [1, 2]}, "x has 2 members, but topology 'row' reads 3\n"),
        ({"start": "given"}, {"x": [1, 2, 3]}, "start is given, but the document does not give h[0] (write `h[0]: 0` "),
        ({}, ROW | {"h[0]": [1, 2]}, "h[0] is a vector (2), but topology 'row' reads a number"),
        ({"last": 5}, ROW, "last is step 5, but K is 4 in topology 'row'"),
    ],
)
def test_what_a_topology_asks_of_a_document(
    plugin: str, options: dict[str, object], data: dict[str, object], told: str
) -> None:
    """A length that is a plain number, a member that an option requires, a number that a size bounds."""
    document = {"network": {"topology": "row", **options}, "data": data}
    with pytest.raises(ProblemError) as caught:
        load(document, plugin)
    assert told in str(caught.value)


def test_what_a_topology_asks_is_enough(plugin: str) -> None:
    solution = bptt_solver.solve(load({"network": {"topology": "row", "last": 4}, "data": ROW}, plugin))
    assert solution.verified


@pytest.mark.parametrize(
    ("line", "told", "place"),
    [
        ('"x[2]": [[1, 2], [3]]', "row 2 has 1 entry, row 1 has 2", "[3]]"),
        ('"x[2]": [[1, 2, 0], [3, 4, 0]]', "x[2,1] has 3 entries, but sizes.input is 2", "[1, 2, 0]"),
        ('"x[2]": [[1, 2]]\n  "x[2,1]": [1, 2]', "'x[2,1]' is given twice", '"x[2,1]"'),
        ('"x[2]": [1, 2]', "x[2,1] is a number", '1, 2]\n  "d'),
        ('"x[2]": 3', "'x[2]' is given with one index, but the equations write 2 indices", '"x[2]"'),
    ],
)
def test_a_sequence_at_a_time(line: str, told: str, place: str) -> None:
    text = "network: {topology: elman, sizes: {input: 2, hidden: 1}, readout: false, lengths: [3, 2]}\ndata:\n"
    text += f'  "x[1]": [[5, 6], [7, 8], [9, 10]]\n  {line}\n  "d[1]": [[1], [2], [3]]\n  "d[2]": [[1], [2]]\n'
    with pytest.raises(ProblemError) as caught:
        bptt_solver.loads(text)
    problem = next(p for p in caught.value.problems if told in p.message)
    assert problem.span is not None
    assert problem.span.start == text.index(place)
