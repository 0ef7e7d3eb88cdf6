"""How libraries pack weights: complete, in their orders, and the networks compared with the libraries' own formulas.

The formulas are written here once more, on packed arrays as the libraries' manuals have them. torch itself is compared
in `tests/problem/test_weights.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver.records import Network, Packing
from bptt_solver.registry import Registry

Array = Any
INPUT, HIDDEN, STEPS = 2, 3, 4
SIZES = {"input": INPUT, "hidden": HIDDEN}


def sigmoid(x: Array) -> Array:
    """1/(1 + exp(-x))"""
    return 1 / (1 + np.exp(-x))


def arrays(gates: int, seed: int = 0) -> dict[str, Array]:
    """Random weights of one layer under torch's names."""
    draw = np.random.default_rng(seed)
    shapes = {"weight_ih": (gates * HIDDEN, INPUT), "weight_hh": (gates * HIDDEN, HIDDEN)}
    shapes |= {"bias_ih": (gates * HIDDEN,), "bias_hh": (gates * HIDDEN,)}  # type: ignore[dict-item]
    return {f"{name}_l0": draw.uniform(-1, 1, shape) for name, shape in shapes.items()}


def inputs() -> Array:
    """Random inputs over time."""
    return np.random.default_rng(7).uniform(-1, 1, (STEPS, INPUT))


def solved(folder: Path, network: Mapping[str, object], weights: Mapping[str, Array], x: Array) -> Any:
    """The checked solution with the state as the output, 0 for the targets, and the weights from a file."""
    np.savez(folder / "weights.npz", **weights)
    document = {
        "network": {**network, "sizes": SIZES, "readout": False},
        "data": {"x": np.asarray(x).tolist(), "d": np.zeros((len(x), HIDDEN)).tolist()},
        "weights": {"file": "weights.npz"},
    }
    (folder / "problem.yaml").write_text(json.dumps(document))
    solution = bptt_solver.solve(bptt_solver.load(folder / "problem.yaml"), check="full")
    assert solution.verified
    return solution


def states(solution: Any) -> Array:
    """h over time."""
    return np.array([solution.values[f"h[{t}]"] for t in range(1, STEPS + 1)])


def lstm_of_torch(w: Mapping[str, Array], x: Array) -> Array:
    """torch.nn.LSTM as its manual has it, on packed arrays: i, f, g, o."""
    h = c = np.zeros(HIDDEN)
    outputs = []
    for row in x:
        packed = w["weight_ih_l0"] @ row + w["bias_ih_l0"] + w["weight_hh_l0"] @ h + w["bias_hh_l0"]
        i, f, g, o = np.split(packed, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs)


def gru_of_torch(w: Mapping[str, Array], x: Array) -> Array:
    """torch.nn.GRU as its manual has it: r, z, n, and the reset gate after the product."""
    h = np.zeros(HIDDEN)
    outputs = []
    for row in x:
        from_input = np.split(w["weight_ih_l0"] @ row + w["bias_ih_l0"], 3)
        from_state = np.split(w["weight_hh_l0"] @ h + w["bias_hh_l0"], 3)
        r, z = (sigmoid(from_input[k] + from_state[k]) for k in (0, 1))
        h = (1 - z) * np.tanh(from_input[2] + r * from_state[2]) + z * h
        outputs.append(h)
    return np.array(outputs)


def test_lstm_of_torch(tmp_path: Path) -> None:
    weights, x = arrays(4), inputs()
    found = states(solved(tmp_path, {"topology": "lstm"}, weights, x))
    np.testing.assert_allclose(found, lstm_of_torch(weights, x), 1e-12)


def test_gru_of_torch(tmp_path: Path) -> None:
    weights, x = arrays(3), inputs()
    found = states(solved(tmp_path, {"topology": "gru", "reset": "after"}, weights, x))
    np.testing.assert_allclose(found, gru_of_torch(weights, x), 1e-12)


def network(topology: str, **options: object) -> Network:
    """What a topology declares."""
    sizes = {} if topology == "deep" else {"sizes": {"input": 2, "hidden": 3, "output": 2}}
    return Registry.load(()).network(topology, {**sizes, **options})


def packing(topology: str, library: str = "torch", **options: object) -> Packing:
    """How a library packs it."""
    found = network(topology, **options).packings[library]
    assert isinstance(found, Packing)
    return found


EVERY = [
    ("elman", {}), ("elman", {"bias": False}), ("bidirectional", {"layers": 2}),
    ("deep", {"input": 2, "layers": [3, 2]}), ("lstm", {"layers": 2, "directions": "both"}),
    ("lstm", {"projection": 2}), ("lstm", {"peephole": True}), ("gru", {"reset": "after"}),
    ("gru", {"bias": False, "reset": "after"}), ("elman", {"readout": False, "sizes": {"input": 2, "hidden": 3}}),
]  # fmt: skip


@pytest.mark.parametrize("library", ["torch", "keras", "onnx"])
@pytest.mark.parametrize(("topology", "options"), EVERY)
def test_every_parameter_is_packed_once(topology: str, options: dict[str, object], library: str) -> None:
    """The tensors hold exactly the parameters of the network, with the parts of sums for the sums."""
    declared = network(topology, **options)
    found = declared.packings[library]
    if isinstance(found, str):
        assert {"projection", "peephole"} & options.keys()
        return
    tensors = [packed for group in (*found.tensors, found.output) for packed in group.values()]
    held = [label for packed in tensors for row in packed.parts for label in row]
    readout = [label for label in declared.parameters if label.startswith(("W_y", "b_y"))] if not found.output else []
    if topology == "deep" and not found.output:
        readout = ["W[2]", "b[2]"]
    wanted = {*declared.parameters} - {*declared.zeros} - {*found.sums} - {*readout}
    wanted |= {part for parts in found.sums.values() for part in parts}
    assert sorted(held) == sorted(wanted)


def test_orders() -> None:
    assert packing("lstm").tensors[0]["weight_hh_l0"].parts == (("U_i", "U_f", "U_g", "U_o"),)
    assert packing("lstm", "onnx").tensors[0]["R"].parts == (("U_i", "U_o", "U_f", "U_g"),)
    assert packing("gru", "keras").tensors[0]["kernel"].parts == (("W_z", "W_r", "W_g"),)
    assert packing("gru", reset="after").tensors[0]["bias_hh_l0"].parts == (("b_hh_r", "b_hh_z", "b_hg"),)


def test_names_of_layers_and_directions() -> None:
    found = packing("lstm", layers=2, directions="both").tensors[0]
    assert found["weight_ih_l1_reverse"].parts[0][3] == "W_o_bw[2]"
    assert found["bias_hh_l0"].parts[0][0] == "b_hh_i_fw[1]"
    assert len(packing("lstm", "keras", layers=2, directions="both").tensors) == 4
    assert len(packing("lstm", "onnx", layers=2, directions="both").tensors) == 2


def test_networks_without_a_packing() -> None:
    assert not network("leaky").packings
    assert not network("elman", form="concat").packings
    assert not network("elman", sizes="scalar").packings
    assert network("gru").packings["torch"] == "its GRU has the reset gate after the product (reset: after)"
    assert network("lstm", coupled=True).packings["onnx"] == "its LSTM has no coupled gates"
    assert "keeps: z" in str(network("gru", keeps="1-z", reset="after").packings["keras"])
