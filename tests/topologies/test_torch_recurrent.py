"""Recurrent networks against PyTorch's nn.RNN, where it is installed: values, gradients, initial states."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import bptt_solver

torch = pytest.importorskip("torch")

INPUT, HIDDEN, OUTPUT, STEPS = 2, 3, 2, 4
SIZES = {"input": INPUT, "hidden": HIDDEN, "output": OUTPUT}


def theirs(layers: int, activation: str) -> tuple[Any, Any, Any, Any, Any]:
    """A network of PyTorch with its inputs, targets and initial states, after its backward sweep."""
    torch.manual_seed(layers)
    rnn = torch.nn.RNN(INPUT, HIDDEN, layers, nonlinearity=activation).double()
    readout = torch.nn.Linear(HIDDEN, OUTPUT).double()
    x = torch.randn(STEPS, INPUT, dtype=torch.float64)
    d = torch.randn(STEPS, OUTPUT, dtype=torch.float64)
    start = torch.randn(layers, HIDDEN, dtype=torch.float64, requires_grad=True)
    states, _ = rnn(x, start)
    loss = ((readout(states) - d) ** 2).sum() / 2
    loss.backward()
    return rnn, readout, (x, d), start, loss


def plain(tensor: Any) -> Any:
    """Nested lists of numbers."""
    return tensor.detach().numpy().tolist()


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_elman_is_rnn(activation: str) -> None:
    rnn, readout, (x, d), start, loss = theirs(1, activation)
    document = {
        "network": {"topology": "elman", "sizes": SIZES, "hidden": activation},
        "data": {"x": plain(x), "d": plain(d)},
        "parameters": {
            "W_x": plain(rnn.weight_ih_l0),
            "W_h": plain(rnn.weight_hh_l0),
            "b_h": plain(rnn.bias_ih_l0 + rnn.bias_hh_l0),
            "W_y": plain(readout.weight),
            "b_y": plain(readout.bias),
            "h[0]": plain(start[0]),
        },
    }  # fmt: skip
    expected = {"W_x": rnn.weight_ih_l0.grad, "W_h": rnn.weight_hh_l0.grad, "b_h": rnn.bias_ih_l0.grad,
                "W_y": readout.weight.grad, "b_y": readout.bias.grad, "h[0]": start.grad[0]}  # fmt: skip
    compare(document, expected, loss)


def test_deep_is_stacked_rnn() -> None:
    layers = 3
    rnn, readout, (x, d), start, loss = theirs(layers, "tanh")
    parameters, expected = {}, {}
    for k in range(layers):
        weights = {"W": f"weight_ih_l{k}", "U": f"weight_hh_l{k}", "b": f"bias_ih_l{k}"}
        for ours, name in weights.items():
            parameters[f"{ours}[{k + 1}]"] = plain(getattr(rnn, name))
            expected[f"{ours}[{k + 1}]"] = getattr(rnn, name).grad
        parameters[f"b[{k + 1}]"] = plain(getattr(rnn, f"bias_ih_l{k}") + getattr(rnn, f"bias_hh_l{k}"))
        parameters[f"a[{k + 1},0]"] = plain(start[k])
        expected[f"a[{k + 1},0]"] = start.grad[k]
    parameters |= {f"W[{layers + 1}]": plain(readout.weight), f"b[{layers + 1}]": plain(readout.bias)}
    expected |= {f"W[{layers + 1}]": readout.weight.grad, f"b[{layers + 1}]": readout.bias.grad}
    document = {
        "network": {"topology": "deep", "input": INPUT, "layers": [HIDDEN] * layers + [OUTPUT]},
        "data": {"x": plain(x), "d": plain(d)},
        "parameters": parameters,
    }
    compare(document, expected, loss)


def compare(document: dict[str, Any], expected: dict[str, Any], loss: Any) -> None:
    """The loss and all gradients agree."""
    solution = bptt_solver.solve(bptt_solver.loads(json.dumps(document)))
    assert solution.value == pytest.approx(loss.item(), rel=1e-12)
    for name, gradient in expected.items():
        np.testing.assert_allclose(
            solution.ordered_derivatives[name], plain(gradient), rtol=1e-9, atol=1e-12, err_msg=name
        )
