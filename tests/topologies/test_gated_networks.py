"""LSTM, GRU, bidirectional networks, encoder and decoder, trees and custom cells by their topologies' names.

The numbers are those of `seed_acceptance.json` and of the systems of `tests/acceptance/documents_extra`, whose
equations were written by hand; the names that the topologies write stand in a table for each system.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver.registry import Registry
from bptt_solver.testing import check_topology

ACCEPTANCE = Path(__file__).parents[1] / "acceptance"
DATA = json.loads((ACCEPTANCE / "seed_acceptance.json").read_text(encoding="utf-8"))
EXAMPLES = {example["id"]: example for example in DATA["examples"]}
REGISTRY = Registry.load()
CROSS_ENTROPY = {"output": "softmax", "loss": "cross_entropy"}


def same(got: Any, want: Any, rtol: float = 1e-9, atol: float = 1e-12) -> bool:
    """Whether two numbers or nested lists agree in shape and in every entry."""
    first, second = np.asarray(got, dtype=float), np.asarray(want, dtype=float)
    return first.shape == second.shape and bool(np.allclose(first, second, rtol=rtol, atol=atol))


def sizes(*three: int) -> dict[str, int]:
    """Input, hidden and output."""
    return dict(zip(("input", "hidden", "output"), three, strict=True))


def solve(
    network: Mapping[str, object], data: Mapping[str, Any], parameters: Mapping[str, Any], target: str = "E"
) -> Any:
    """The checked solution of a network with its numbers."""
    document = {"network": network, "data": data, "parameters": parameters}
    return bptt_solver.solve(bptt_solver.loads(json.dumps(document), target=target), check="full")


def drawn(network: Mapping[str, object], seed: int = 1, steps: int = 3, count: int = 2) -> Any:
    """The checked solution of a network with random numbers."""
    options = {k: v for k, v in network.items() if k != "topology"}
    written = REGISTRY.network(str(network["topology"]), options)
    lengths = {"T": steps, "S": steps, "N": count} | {k: v for k, v in written.sizes.items() if v is not None}
    source = random.Random(seed)

    def draw(shape: Sequence[int | str]) -> Any:
        if not shape:
            return round(source.uniform(-1, 1), 2)
        first = lengths[shape[0]] if isinstance(shape[0], str) else shape[0]
        return [draw(shape[1:]) for _ in range(first)]

    data = {name: draw(shape) for name, shape in written.data.items()}
    return solve(network, data, {name: draw(shape) for name, shape in written.parameters.items()})


# ----------------------------------------------------------------------------- the seeds

S001 = {"c": "e", "z_o": "o", "C": "E"}
BOTH_WAYS = {f"{old}{way}": f"W_{new}_{way}w" for way in "fb" for old, new in zip("WUV", "xhy", strict=True)}
CODERS = {"We": "W_x", "Ue": "W_h", "Wd": "W_p", "Ud": "W_s", "Wo": "W_y", "z_e": "a_h", "z_d": "a_s"}
SCALAR = {"sizes": "scalar", "readout": False, "steps": 3}
CODER = {"topology": "encoder_decoder", "sizes": sizes(2, 2, 2), "bias": False, **CROSS_ENTROPY}

SEEDS: dict[str, tuple[dict[str, object], dict[str, str]]] = {
    "X-lstm-scalar": (
        {"topology": "lstm", **SCALAR},
        {"E": "e", "h0": "h[0]", "c0": "c[0]"} | {f"{c}_{g}": f"{c.upper()}_{g}" for c in "wu" for g in "ifog"},
    ),
    "X-gru-scalar": (
        {"topology": "gru", **SCALAR, "bias": False},
        {"E": "e", "h0": "h[0]", "n": "g", "a_n": "a_g"}
        | {f"{c}_{g}": f"{c.upper()}_{g.replace('n', 'g')}" for c in "wu" for g in "zrn"},
    ),
    "S001-bidirectional": (
        {"topology": "bidirectional", "sizes": sizes(2, 2, 2), "bias": False, **CROSS_ENTROPY},
        S001 | BOTH_WAYS | {"z_f": "a_fw", "f": "h_fw", "z_b": "a_bw", "b": "h_bw"},
    ),
    "S001-many-to-many-unsynced-teacher": (CODER, S001 | CODERS),
    "S001-many-to-many-unsynced-free": (CODER | {"feed": "output"}, S001 | CODERS),
    "S001-recursive-tree": (
        {"topology": "tree", "tree": [[1, 2], 3], "sizes": {"hidden": 2, "output": 2}, "bias": False, **CROSS_ENTROPY},
        {"U": "W_h[1]", "W": "W_h[2]", "V": "W_y", "leaf": "x", "z_p1": "a[4]", "p1": "h[4]", "z_p2": "a[5]",
         "p2": "h[5]", "z_o": "o", "c": "E"},
    ),
}  # fmt: skip


def ours(identifier: str, key: str) -> str:
    """Our name of an entry of the data."""
    family, bracket, rest = key.partition("[")
    return SEEDS[identifier][1].get(family, family) + bracket + rest


@cache
def seed(identifier: str, target: str = "E") -> Any:
    """The solution of a seed's system."""
    example = EXAMPLES[identifier]
    data = {ours(identifier, key): value for key, value in example["given"].items() if key != "tree"}
    if identifier == "S001-bidirectional":
        data["d"] = data.pop("y")
    if identifier == "S001-recursive-tree":
        data["x"] = [data.pop(f"x{leaf}") for leaf in (1, 2, 3)]
    parameters = {ours(identifier, key): value for key, value in example["parameters"].items()}
    return solve(SEEDS[identifier][0], data, parameters, target)


@pytest.mark.parametrize("identifier", SEEDS)
def test_numbers_of_the_seed(identifier: str) -> None:
    solution, expected = seed(identifier), EXAMPLES[identifier]["expected"]
    assert solution.verified
    assert same(solution.value, expected["loss"])
    for key, value in expected["forward"].items():
        assert same(solution.values[ours(identifier, key)], value), key
    for kind in ("ordered_derivatives", "gradients"):
        for key, value in expected[kind].items():
            assert same(solution.ordered_derivatives[ours(identifier, key)], value), f"{kind}: {key}"


@pytest.mark.parametrize("identifier", SEEDS)
def test_contributions_by_use(identifier: str) -> None:
    """What each use of a shared weight adds to its gradient."""
    merges = {"4": "p1", "5": "p2", "": "root"} if identifier == "S001-recursive-tree" else {}
    for parameter, expected in EXAMPLES[identifier]["expected"]["contributions_by_use"].items():
        totals: dict[str, Any] = {}
        for consumer, value in seed(identifier).contributions(ours(identifier, parameter)):
            index = consumer.partition("[")[2].rstrip("]")
            key = merges.get(index, index)
            totals[key] = totals.get(key, 0.0) + np.asarray(value, dtype=float)
        assert set(totals) <= set(expected)
        for key, value in expected.items():
            assert same(totals.get(key, np.zeros_like(value, dtype=float)), value), f"{parameter}@{key}"


@pytest.mark.parametrize("identifier", [i for i in SEEDS if EXAMPLES[i]["expected"].get("error_signals_by_loss")])
def test_error_signals_by_loss(identifier: str) -> None:
    """The loss of one step as the target: the rows of the table of losses and uses."""
    for loss, signals in EXAMPLES[identifier]["expected"]["error_signals_by_loss"].items():
        solution = seed(identifier, ours(identifier, loss))
        for key, value in signals.items():
            assert same(solution.ordered_derivatives[ours(identifier, key)], value), f"{loss}: {key}"


# ----------------------------------------------------------------------------- the documents

DOCUMENTS: dict[str, tuple[dict[str, object], dict[str, str], dict[str, Any]]] = {
    "lstm": ({"topology": "lstm", "sizes": sizes(2, 2, 2), **CROSS_ENTROPY}, {}, {"b_y": [0, 0]}),
    "peephole-lstm": (
        {"topology": "lstm", "peephole": True, "sizes": sizes(2, 2, 2), **CROSS_ENTROPY}, {}, {"b_y": [0, 0]}),
    "gru": (
        {"topology": "gru", "sizes": {"input": 2, "hidden": 2}, "readout": False, "bias": False},
        {"W_n": "W_g", "U_n": "U_g", "n": "g"}, {}),
    "deep-lstm": (
        {"topology": "lstm", "sizes": {"input": 1, "output": 2}, "layers": [2, 1], "loss": "softmax_cross_entropy"},
        {"V": "W_y"}, {"b_y": [0, 0]}),
    "tree-postorder": (
        {"topology": "tree", "tree": [[1, 2], [3, 4]], "sizes": {"hidden": 2}, "readout": False, "bias": False},
        {"U": "W_h[1]", "W": "W_h[2]"}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_agreement_with_equations(name: str) -> None:
    """The same numbers as a document that writes the equations."""
    network, names, more = DOCUMENTS[name]
    problem = bptt_solver.load(ACCEPTANCE / "documents_extra" / f"{name}.yaml")
    written = bptt_solver.solve(problem)

    def renamed(key: str) -> str:
        family, bracket, rest = key.partition("[")
        return names.get(family, family) + bracket + rest

    roles = {"data": {}, "parameters": {}}  # type: dict[str, dict[str, Any]]
    for family, indices in problem.given:
        key = family + (f"[{','.join(map(str, indices))}]" if indices else "")
        roles["data" if family in "xd" else "parameters"][renamed(key)] = np.asarray(written.values[key]).tolist()
    solution = solve(network, roles["data"], roles["parameters"] | more)
    assert same(solution.value, written.value)
    for key, value in written.ordered_derivatives.items():
        if renamed(key) in solution.ordered_derivatives:
            assert same(solution.ordered_derivatives[renamed(key)], value), key
    missing = [k for k in written.ordered_derivatives if renamed(k) not in solution.ordered_derivatives]
    assert not missing


# ----------------------------------------------------------------------------- random sizes


def _random_network(source: random.Random, topology: str) -> dict[str, object]:
    network: dict[str, object] = {"topology": topology, "sizes": sizes(*(source.randint(1, 3) for _ in range(3)))}
    network |= source.choice(({}, CROSS_ENTROPY, {"output": "sigmoid", "loss": "bce"}, {"hidden": "sin"}))
    network["bias"] = source.choice((True, False))
    if topology == "tree":
        trees = ([[1, 2], 3], [[1, 2, 3]], [3, [1, 2], 4], {"b": ["a", 3], "a": [2, 1]}, [1])
        network |= {"tree": source.choice(trees), "cell": source.choice(("simple", "lstm"))}
        network |= {"inputs": source.choice(("leaves", "all")), "weights": source.choice(("children", "shared"))}
        return network | {"targets": source.choice(("root", "inner", "all"))}
    network |= {"sequences": source.choice(("one", 1, 2)), "initial": source.choice(("zero", "trained"))}
    network["targets"] = source.choice(("all", "mask"))
    if topology == "encoder_decoder":
        network["steps"] = {"input": source.randint(1, 3), "output": source.randint(1, 3)}
        network |= {"context": source.choice(("start", "each", "both"))}
        return network | {"feed": source.choice(("target", "output", "none"))}
    network |= {"steps": source.randint(1, 3), "layers": source.choice((1, 2, [2, 1]))}
    network |= {"directions": source.choice(("forward", "backward", "both"))}
    network |= {"combine": source.choice(("matrices", "concat", "sum"))}
    network["inputs"] = source.choice(("all", "first", [1], "none"))
    if network["layers"] == 1:
        network["targets"] = source.choice(("all", "last", [1]))
    if topology == "lstm":
        flags = {name: source.choice((True, False)) for name in ("peephole", "coupled")}
        network |= flags | {"projection": source.choice((False, 2)), "gates": source.choice(("keras", "onnx"))}
    if topology == "gru":
        network |= {"reset": source.choice(("before", "after")), "keeps": source.choice(("z", "1-z"))}
    if topology == "cell":
        cells = ("h[t] = tanh(W @ concat(x[t], h[t-1]) + b)", "c[t] = r*c[t-1] + W @ x[t]\nh[t] = sin(c[t])")
        network["cell"] = source.choice(cells)
        network["inputs"] = "all" if "concat" in str(network["cell"]) else network["inputs"]
    return network


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("topology", ["lstm", "gru", "bidirectional", "cell", "tree", "encoder_decoder"])
def test_random_networks(topology: str, number: int) -> None:
    """Every derivative agrees with the independent routes."""
    network = _random_network(random.Random(f"{topology} {number}"), topology)
    assert drawn(network, number).verified, network


ONE = {"sizes": sizes(1, 1, 1), "steps": 1}
ONES: list[dict[str, object]] = [
    {"topology": "lstm", **ONE, "peephole": True, "projection": 1},
    {"topology": "gru", **ONE, "reset": "after"},
    {"topology": "bidirectional", **ONE},
    {"topology": "bidirectional", **ONE, "layers": [1, 1], "sequences": 1},
    {"topology": "encoder_decoder", "sizes": sizes(1, 1, 1), "steps": {"input": 1, "output": 1}, "sequences": 1},
    {"topology": "tree", "tree": [1], "sizes": sizes(1, 1, 1)},
    {"topology": "lstm", "sizes": "scalar", "steps": 1, "directions": "both", "layers": 2, "combine": "sum"},
]


@pytest.mark.parametrize("network", ONES)
def test_one_step_one_unit_one_sequence(network: dict[str, object]) -> None:
    assert drawn(network).verified


@pytest.mark.parametrize("topology", ["lstm", "gru", "bidirectional", "cell", "tree", "encoder_decoder"])
def test_own_example_is_sound(topology: str) -> None:
    check_topology(REGISTRY.topology(topology), REGISTRY)
    assert drawn({"topology": topology, **REGISTRY.topology(topology).example}).verified


# ----------------------------------------------------------------------------- what is the same


def test_gru_with_both_resets_without_a_past() -> None:
    """With one step from a state of 0 the reset gate has nothing to act on."""
    network = {"topology": "gru", "sizes": sizes(1, 2, 1), "bias": False, "steps": 1}
    parameters: dict[str, Any] = {f"W_{gate}": [[0.3], [-0.2]] for gate in "rzg"} | {"W_y": [[0.5, -0.6]]}
    parameters |= {f"U_{gate}": [[0.1, 0.7], [-0.4, 0.2]] for gate in "rzg"}
    data = {"x": [[0.3]], "d": [[0.1]]}
    before, after = (solve({**network, "reset": reset}, data, parameters) for reset in ("before", "after"))
    assert same(before.value, after.value)
    assert same(before.ordered_derivatives["W_g"], after.ordered_derivatives["W_g"])


def test_a_custom_cell_is_the_built_in_one() -> None:
    """The lines of an Elman network as a cell: the same equations, but for the order of the parameters."""
    lines = "a[t] = W_x @ x[t] + W_h @ h[t-1] + b_h\nh[t] = tanh(a[t])"
    for more in ({}, {"layers": 2, "directions": "both"}, {"sequences": "several", "targets": "last"}):
        options = {"sizes": sizes(2, 3, 1), "steps": 2, **more}
        custom = REGISTRY.network("cell", {**options, "cell": lines})
        built_in = REGISTRY.network("bidirectional", {"directions": "forward", **options})
        assert custom.equations == built_in.equations
        assert dict(custom.parameters) == dict(built_in.parameters)


def test_sizes_and_shapes_of_a_custom_cell() -> None:
    """Quantities of other sizes, a parameter that is a number, and what the layers above read."""
    lines = "c[t] = alpha*c[t-1] + P @ x[t] + Q @ h[t-1]\nh[t] = tanh(W @ concat(c[t], x[t]) + b)"
    network: dict[str, object] = {"topology": "cell", "sizes": sizes(2, 3, 1), "cell": lines, "state": {"c": 4}}
    network |= {"shapes": {"alpha": []}, "layers": 2, "directions": "both", "combine": "concat", "bias": False}
    shapes = REGISTRY.network("cell", {k: v for k, v in network.items() if k != "topology"}).parameters
    found = {name: shapes[f"{name}_bw[2]"] for name in ("alpha", "P", "Q", "W")}
    assert found == {"alpha": (), "P": (4, 6), "Q": (4, 3), "W": (3, 10)}
    assert "b_bw[1]" not in shapes
    assert shapes["h_bw0[1]"] == (3,)
    assert drawn(network).verified


def test_earlier_states_of_a_custom_cell() -> None:
    """What is read two steps back starts at two times."""
    network = {"topology": "cell", "sizes": "scalar", "cell": "h[t] = sin(u*h[t-1] + v*h[t-2] + w*x[t])", "steps": 3}
    assert REGISTRY.network("cell", {k: v for k, v in network.items() if k != "topology"}).zeros == ("h[0]", "h[-1]")
    assert drawn(network).verified
    assert drawn({**network, "sequences": 2}).verified


@pytest.mark.parametrize("network", [
    {"topology": "lstm", "layers": 2, "readout": False},
    {"topology": "gru", "layers": [3, 1], "readout": False, "targets": "last", "sequences": 2},
    {"topology": "bidirectional", "layers": 2, "readout": False, "combine": "concat"},
    {"topology": "lstm", "layers": 2, "inputs": "first", "directions": "both", "combine": "sum"},
    {"topology": "cell", "cell": "h[t] = tanh(W @ x[t] + U @ h[t-1] + b)", "layers": 3, "inputs": [2]},
    {"topology": "lstm", "lengths": [3, 1], "directions": "both", "targets": "last", "reduction": "mean"},
])  # fmt: skip
def test_layers_with_less(network: dict[str, object]) -> None:
    """Layers without a readout, and layers of which the first has an input at some steps only."""
    assert drawn({"sizes": sizes(2, 2, 1) if "readout" not in network else {"input": 2, "hidden": 2},
                  **({} if "lengths" in network else {"steps": 3}), **network}).verified  # fmt: skip


def test_a_step_without_an_input_is_one_with_an_input_of_zero() -> None:
    """What is left out of the equations is 0 there."""
    network: dict[str, object] = {"topology": "lstm", "sizes": sizes(1, 2, 1), "layers": 2, "steps": 3, "bias": False}
    shapes = REGISTRY.network("lstm", {k: v for k, v in network.items() if k != "topology"}).parameters
    source = np.random.default_rng(5)
    parameters = {n: source.uniform(-1, 1, tuple(map(int, s))).tolist() for n, s in shapes.items() if "0]" not in n}
    d = [[0.1], [0.7], [-0.4]]
    first = solve(network | {"inputs": "first"}, {"x": [0.6], "d": d}, parameters)
    every = solve(network, {"x": [[0.6], [0], [0]], "d": d}, parameters)
    assert same(first.value, every.value)
    for name in parameters:
        assert same(first.ordered_derivatives[name], every.ordered_derivatives[name]), name


LENGTHS: list[tuple[dict[str, object], object]] = [
    ({"topology": "elman"}, [3, 2]),
    ({"topology": "lstm", "layers": 2}, [3, 2]),
    ({"topology": "gru", "directions": "both"}, [3, 2]),
    ({"topology": "bidirectional", "layers": 2, "combine": "sum"}, [3, 2]),
    ({"topology": "narx"}, [3, 2]),
    ({"topology": "encoder_decoder", "feed": "output"}, {"input": [3, 2], "output": [3, 2]}),
]


@pytest.mark.parametrize(("network", "lengths"), LENGTHS)
def test_unequal_lengths(network: dict[str, object], lengths: object) -> None:
    """Two sequences of three and two steps together are the two of them one by one."""
    network = {**network, "sizes": sizes(1, 2, 1)}
    x, d = {1: [[0.3], [-0.8], [0.5]], 2: [[0.6], [-0.1]]}, {1: [[0.1], [0.7], [-0.4]], 2: [[0.2], [0.9]]}
    written = REGISTRY.network(str(network["topology"]), {k: v for k, v in network.items() if k != "topology"})
    source = np.random.default_rng(3)
    parameters = {
        name: source.uniform(-1, 1, tuple(map(int, shape))).tolist()
        for name, shape in written.parameters.items()
        if name not in written.zeros
    }
    alone = [solve(network, {"x": x[n], "d": d[n]}, parameters) for n in (1, 2)]
    data = {f"x[{n},{t}]": row for n in x for t, row in enumerate(x[n], 1)}
    data |= {f"d[{n},{t}]": row for n in d for t, row in enumerate(d[n], 1)}
    together = solve(network | {"lengths": lengths}, data, parameters)
    assert together.verified
    assert same(together.value, alone[0].value + alone[1].value)
    rows = {f"{name}[{n}]": given[n] for name, given in (("x", x), ("d", d)) for n in (1, 2)}  # a key for each sequence
    by_row = solve(network | {"lengths": lengths}, rows, parameters)
    assert by_row.value == together.value
    assert by_row.values.keys() == together.values.keys()
    for name in parameters:
        added = sum(np.asarray(solution.ordered_derivatives[name]) for solution in alone)
        assert same(together.ordered_derivatives[name], added), name


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_mask_of_ones_and_zeros_is_a_length(reduction: str) -> None:
    """Where time runs forwards, what stands behind a sequence's end and has no loss changes nothing."""
    network = {"topology": "lstm", "sizes": sizes(1, 2, 1), "bias": False, "reduction": reduction}
    shapes = REGISTRY.network("lstm", {"sizes": network["sizes"], "bias": False}).parameters
    source = np.random.default_rng(4)
    parameters = {n: source.uniform(-1, 1, tuple(map(int, s))).tolist() for n, s in shapes.items() if "0]" not in n}
    x, d = [[[0.3], [-0.8], [0.5]], [[0.6], [-0.1], [9]]], [[[0.1], [0.7], [-0.4]], [[0.2], [0.9], [-7]]]
    mask = [[1, 1, 1], [1, 1, 0]]
    first = solve(network | {"lengths": [3, 2]}, {"x": x, "d": d}, parameters)
    second = solve(network | {"sequences": 2, "targets": "mask"}, {"x": x, "d": d, "m": mask}, parameters)
    assert same(first.value, second.value)
    for name in parameters:
        assert same(first.ordered_derivatives[name], second.ordered_derivatives[name]), name


def test_reversed_input_in_the_other_direction() -> None:
    """A chain that runs backwards in time is one that runs forwards over the reversed data."""
    x, d = [[0.3], [-0.8], [0.5]], [[0.1], [0.7], [-0.4]]
    parameters: dict[str, Any] = {"W_x": [[0.4], [-0.9]], "W_h": [[0.1, 0.7], [-0.5, 0.2]], "W_y": [[0.6, -0.3]]}
    parameters |= {"b_h": [0, 0.1], "b_y": [0]}
    network = {"topology": "bidirectional", "sizes": sizes(1, 2, 1)}
    forward = solve(network | {"directions": "forward"}, {"x": x[::-1], "d": d[::-1]}, parameters)
    backward = solve(network | {"directions": "backward"}, {"x": x, "d": d}, parameters)
    for name in parameters:
        assert same(forward.ordered_derivatives[name], backward.ordered_derivatives[name])


def test_a_long_chain_as_a_tree() -> None:
    """No recursion, and no more equations for more nodes: each node of a chain has the node before and one leaf."""
    chain = {f"p{i}": [f"p{i - 1}" if i > 1 else 1, i + 1] for i in range(1, 3000)}
    written = REGISTRY.network("tree", {"tree": chain, "sizes": "scalar"})
    assert written.equations == REGISTRY.network("tree", {"tree": [[1, 2], 3], "sizes": "scalar"}).equations
    assert written.maps["left"] == {3000 + i: 2999 + i if i > 1 else 1 for i in range(1, 3000)}


MIXED = ("[[1, 2, 4], 3]", "[[1], 2, [3, [4]]]")


@pytest.mark.parametrize("weights", ["children", "shared"])
@pytest.mark.parametrize("tree", MIXED)
def test_a_tree_with_different_numbers_of_children(tree: str, weights: str) -> None:
    """A sum over the nodes whose parent is j is what one product for each child gives."""
    nodes = json.loads(tree)
    network: dict[str, object] = {"topology": "tree", "tree": nodes, "sizes": {"hidden": 2}, "readout": False}
    network |= {"weights": weights, "bias": False, "hidden": "sin"}
    solution = drawn(network)
    assert solution.verified
    state = {j: np.array(solution.values[f"h[{j}]"]) for j in range(1, 5)}
    kids = [[1, 2, 4], [5, 3]] if tree == MIXED[0] else [[1], [4], [3, 6], [5, 2, 7]]
    for j, below in enumerate(kids, 5):
        names = [f"W_h[{place}]" if weights == "children" else "W_h" for place in range(1, len(below) + 1)]
        reads = (np.array(solution.values[name]) @ state[k] for name, k in zip(names, below, strict=True))
        state[j] = np.sin(sum(reads))
        assert same(solution.values[f"h[{j}]"], state[j])
