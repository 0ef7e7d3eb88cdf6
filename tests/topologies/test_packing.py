"""Weights of torch, Keras and ONNX: taken apart, and the networks compared with the libraries' own formulas.

The formulas are written here once more, on packed arrays as the libraries' manuals have them; where torch is installed,
its modules and their gradients are compared as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_plugins.topologies.packing import parameters

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


def solved(network: Mapping[str, object], named: Mapping[str, Array], x: Array) -> Any:
    """The checked solution with the state as the output, and 0 for the targets."""
    width = np.asarray(named.get("W_p", np.zeros((HIDDEN, 1)))).shape[0]
    document = {
        "network": {**network, "sizes": SIZES, "readout": False},
        "data": {"x": np.asarray(x).tolist(), "d": np.zeros((len(x), width)).tolist()},
        "parameters": {name: np.asarray(value).tolist() for name, value in named.items()},
    }
    solution = bptt_solver.solve(bptt_solver.loads(json.dumps(document)), check="full")
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


def test_lstm_of_torch() -> None:
    weights, x = arrays(4), inputs()
    np.testing.assert_allclose(
        states(solved({"topology": "lstm"}, parameters("lstm", "torch", weights), x)), lstm_of_torch(weights, x), 1e-12
    )


def test_gru_of_torch() -> None:
    weights, x = arrays(3), inputs()
    named = parameters("gru", "torch", weights, reset="after")
    found = states(solved({"topology": "gru", "reset": "after"}, named, x))
    np.testing.assert_allclose(found, gru_of_torch(weights, x), 1e-12)


def test_orders_of_the_libraries() -> None:
    """The same weights, packed as each library has them, are the same parameters."""
    weights = arrays(4)
    w, r, b, c = (weights[f"{n}_l0"].reshape(4, HIDDEN, -1) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    expected = parameters("lstm", "torch", weights)
    keras = {"kernel": w.reshape(4 * HIDDEN, -1).T, "recurrent_kernel": r.reshape(4 * HIDDEN, -1).T}
    keras["bias"] = (b + c).reshape(-1)
    order = [0, 3, 1, 2]  # i, o, f, c
    onnx = {"W": w[order].reshape(1, 4 * HIDDEN, -1), "R": r[order].reshape(1, 4 * HIDDEN, -1)}
    onnx["B"] = np.concatenate([b[order].reshape(-1), c[order].reshape(-1)])[None]
    for found in (parameters("lstm", "keras", keras), parameters("lstm", "onnx", onnx)):
        assert sorted(found) == sorted(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, 1e-15, err_msg=name)


def test_gru_of_keras_has_z_first() -> None:
    kernel, recurrent = np.arange(6.0).reshape(1, 6), np.arange(12.0).reshape(2, 6)
    found = parameters("gru", "keras", {"kernel": kernel, "recurrent_kernel": recurrent})
    np.testing.assert_array_equal(found["W_z"], [[0], [1]])
    np.testing.assert_array_equal(found["U_r"], [[2, 8], [3, 9]])


def test_names_of_layers_and_directions() -> None:
    weights = {}
    for layer, width in ((0, INPUT), (1, 2)):
        for end in ("", "_reverse"):
            weights[f"weight_ih_l{layer}{end}"] = np.ones((4, width))
            weights[f"weight_hh_l{layer}{end}"] = np.ones((4, 1))
    found = parameters("lstm", "torch", weights)
    assert [n for n in found if n.startswith("W_o")] == ["W_o_fw[1]", "W_o_bw[1]", "W_o_fw[2]", "W_o_bw[2]"]


def test_peepholes_of_onnx() -> None:
    onnx = {"W": np.ones((1, 8, 1)), "R": np.ones((1, 8, 2)), "P": np.arange(6.0)[None]}
    found = parameters("lstm", "onnx", onnx)
    assert [found[f"P_{gate}"].tolist() for gate in "iof"] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tree", "torch", {}), "there are weights for lstm, gru, elman of torch, keras, onnx"),
        (("lstm", "torch", {}), "there is no weight_ih_l0"),
        (("lstm", "keras", {}), "there is no kernel"),
        (("lstm", "onnx", {}), "there is no W"),
        (("lstm", "torch", arrays(3)), "do not hold 4 gates of lstm"),
        (("gru", "keras", dict(kernel=np.ones((1, 3)), recurrent_kernel=np.ones((1, 3)), bias=np.ones(3)), "after"),
         "needs two biases"),
    ],
)  # fmt: skip
def test_wrong_weights(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parameters(*arguments)


TORCH: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("RNN", "elman", {}, {}),
    ("LSTM", "lstm", {}, {}),
    ("LSTM", "lstm", {"proj_size": 2}, {"projection": 2}),
    ("GRU", "gru", {}, {"reset": "after"}),
]


@pytest.mark.parametrize(("module", "topology", "theirs", "options"), TORCH)
def test_gradients_of_torch(module: str, topology: str, theirs: dict[str, Any], options: dict[str, Any]) -> None:
    """Half the sum of the squared states, and its derivatives with respect to every packed weight."""
    torch = pytest.importorskip("torch")
    net = getattr(torch.nn, module)(INPUT, HIDDEN, dtype=torch.float64, **theirs)
    x = inputs()
    output, _ = net(torch.tensor(x))
    loss = (output**2).sum() / 2
    loss.backward()
    weights = {name: value.detach().numpy() for name, value in net.named_parameters()}
    reset = str(options.get("reset", "before"))
    solution = solved({"topology": topology, **options}, parameters(topology, "torch", weights, reset), x)
    np.testing.assert_allclose(solution.value, loss.item(), 1e-12)
    halves = {name: 0.5 if "bias" in name else 1.0 for name in weights}  # two biases that are added: equal gradients
    slopes = {name: value.grad.numpy() * halves[name] for name, value in net.named_parameters()}
    for name, value in parameters(topology, "torch", slopes, reset).items():
        factor = 2 if name in ("b_g", "b_hg") and reset == "after" else 1  # these two were kept apart
        np.testing.assert_allclose(solution.ordered_derivatives[name], factor * value, 1e-9, 1e-12, err_msg=name)


STACKED: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("RNN", "bidirectional", {}, {}),
    ("LSTM", "lstm", {}, {"directions": "both"}),
    ("LSTM", "lstm", {"proj_size": 2}, {"directions": "both", "projection": 2}),
    ("GRU", "gru", {}, {"directions": "both", "reset": "after"}),
]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("module", "topology", "theirs", "options"), STACKED)
def test_both_directions_and_layers_of_torch(
    module: str, topology: str, theirs: dict[str, Any], options: dict[str, Any], layers: int
) -> None:
    """With a linear readout of both directions; the packed gradients are taken apart like the weights."""
    torch = pytest.importorskip("torch")
    net = getattr(torch.nn, module)(INPUT, HIDDEN, layers, bidirectional=True, dtype=torch.float64, **theirs)
    readout = torch.nn.Linear(2 * int(theirs.get("proj_size", HIDDEN)), 1, dtype=torch.float64)
    x = inputs()
    loss = (readout(net(torch.tensor(x))[0]) ** 2).sum() / 2
    loss.backward()
    reset = str(options.get("reset", "before"))
    packed = "elman" if topology == "bidirectional" else topology
    weights = {name: value.detach().numpy() for name, value in net.named_parameters()}
    named = parameters(packed, "torch", weights, reset)
    named |= {"W_y": readout.weight.detach().numpy(), "b_y": readout.bias.detach().numpy()}
    shape = {"sizes": {**SIZES, "output": 1}, "layers": layers, "combine": "concat"}
    document = {
        "network": {"topology": topology, **shape, **options},
        "data": {"x": x.tolist(), "d": np.zeros((STEPS, 1)).tolist()},
        "parameters": {name: value.tolist() for name, value in named.items()},
    }
    solution = bptt_solver.solve(bptt_solver.loads(json.dumps(document)))
    np.testing.assert_allclose(solution.value, loss.item(), 1e-12)
    np.testing.assert_allclose(solution.ordered_derivatives["W_y"], readout.weight.grad.numpy(), 1e-9, 1e-12)
    slopes = {name: value.grad.numpy() for name, value in net.named_parameters() if "bias" not in name}
    for name, value in parameters(packed, "torch", slopes, reset).items():
        np.testing.assert_allclose(solution.ordered_derivatives[name], value, 1e-9, 1e-12, err_msg=name)
