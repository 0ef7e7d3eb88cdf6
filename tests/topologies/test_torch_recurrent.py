"""Recurrent networks against PyTorch's nn.RNN, nn.LSTM and nn.GRU, where it is installed: the loss and every gradient -
of weights, biases, initial states and inputs - in one or more layers, directions and sequences, and with a projection.

torch packs the gates of a layer in one array; here it is taken apart by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

import bptt_solver

torch = pytest.importorskip("torch")

INPUT, HIDDEN, OUTPUT, STEPS = 2, 3, 2, 3
GATES = {"RNN": "h", "LSTM": "ifgo", "GRU": "rzg"}  # in torch's order
TOPOLOGIES: dict[str, tuple[str, dict[str, object]]] = {
    "RNN": ("bidirectional", {}),
    "LSTM": ("lstm", {}),
    "GRU": ("gru", {"reset": "after"}),
}


def plain(tensor: Any) -> Any:
    """Nested lists of numbers."""
    return tensor.detach().numpy().tolist()


class Theirs:
    """A module of torch in float64 with a linear readout, after its backward sweep."""

    def __init__(self, kind: str, layers: int, both: bool, sequences: int, **options: Any) -> None:
        torch.manual_seed(layers + 10 * sequences)
        self.kind, self.layers, self.both, self.sequences = kind, layers, both, sequences
        module = getattr(torch.nn, kind)
        self.net = module(INPUT, HIDDEN, layers, bidirectional=both, batch_first=True, **options).double()
        self.width = int(options.get("proj_size", 0)) or HIDDEN
        self.readout = torch.nn.Linear((1 + both) * self.width, OUTPUT).double()
        batch = max(sequences, 1)
        self.x = torch.randn(batch, STEPS, INPUT, dtype=torch.float64, requires_grad=True)
        self.d = torch.randn(batch, STEPS, OUTPUT, dtype=torch.float64)
        rows = layers * (1 + both)
        self.h0 = torch.randn(rows, batch, self.width, dtype=torch.float64, requires_grad=True)
        self.c0 = torch.randn(rows, batch, HIDDEN, dtype=torch.float64, requires_grad=True)
        states, _ = self.net(self.x, (self.h0, self.c0) if kind == "LSTM" else self.h0)
        self.loss = ((self.readout(states) - self.d) ** 2).sum() / 2
        self.loss.backward()

    def parameters(self) -> Iterator[tuple[str, Any, Any]]:
        """Our name, the value and the gradient of each parameter and initial state."""
        for k in range(self.layers):
            for way, ending in enumerate(("", "_reverse")[: 1 + self.both]):
                suffix = ("_fw", "_bw")[way] if self.both else ""
                at = f"[{k + 1}]" if self.layers > 1 else ""
                yield from self._cell(f"_l{k}{ending}", suffix + at)
                row = k * (1 + self.both) + way
                lead = [str(k + 1)] if self.layers > 1 else []
                for n in range(max(self.sequences, 1)):
                    index = ",".join([*lead, *([str(n + 1)] if self.sequences else []), str(STEPS + 1 if way else 0)])
                    yield f"h{suffix}[{index}]", self.h0[row, n], self.h0.grad[row, n]
                    if self.kind == "LSTM":
                        yield f"c{suffix}[{index}]", self.c0[row, n], self.c0.grad[row, n]
        yield "W_y", self.readout.weight, self.readout.weight.grad
        yield "b_y", self.readout.bias, self.readout.bias.grad

    def _cell(self, end: str, where: str) -> Iterator[tuple[str, Any, Any]]:
        packed = {name: getattr(self.net, f"{name}{end}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        for place, gate in enumerate(GATES[self.kind]):
            rows = slice(place * HIDDEN, (place + 1) * HIDDEN)
            inputs, states = ("W_x", "W_h") if gate == "h" else (f"W_{gate}", f"U_{gate}")
            yield inputs + where, packed["weight_ih"][rows], packed["weight_ih"].grad[rows]
            yield states + where, packed["weight_hh"][rows], packed["weight_hh"].grad[rows]
            first, second = packed["bias_ih"], packed["bias_hh"]
            if self.kind == "GRU" and gate == "g":  # the reset gate stands between the two
                yield f"b_g{where}", first[rows], first.grad[rows]
                yield f"b_hg{where}", second[rows], second.grad[rows]
            else:  # they are added, so their gradients are equal
                assert torch.allclose(first.grad[rows], second.grad[rows], rtol=1e-12, atol=1e-14)
                yield f"b_{gate}{where}", first[rows] + second[rows], first.grad[rows]
        if self.width != HIDDEN:
            projection = getattr(self.net, f"weight_hr{end}")
            yield f"W_p{where}", projection, projection.grad


def agree(theirs: Theirs, network: Mapping[str, object]) -> None:
    """Our loss and gradients, those of the inputs too, are torch's."""
    parameters = list(theirs.parameters())
    x, d = (plain(v if theirs.sequences else v[0]) for v in (theirs.x, theirs.d))
    document = {
        "network": {"sizes": {"input": INPUT, "hidden": HIDDEN, "output": OUTPUT}, "initial": "given", **network},
        "data": {"x": x, "d": d},
        "parameters": {name: plain(value) for name, value, _ in parameters},
        "wrt": ["x", *(name for name, _, _ in parameters)],
    }
    solution = bptt_solver.solve(bptt_solver.loads(json.dumps(document)), check="fast")
    assert solution.verified
    assert solution.value == pytest.approx(theirs.loss.item(), rel=1e-12)
    expected = [(name, gradient) for name, _, gradient in parameters]
    for n, sequence in enumerate(theirs.x.grad, 1):
        expected += [(f"x[{f'{n},' if theirs.sequences else ''}{t}]", row) for t, row in enumerate(sequence, 1)]
    for name, gradient in expected:
        ours = solution.ordered_derivatives[name]
        np.testing.assert_allclose(ours, plain(gradient), rtol=1e-10, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("sequences", [0, 2])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", GATES)
def test_layers_directions_sequences(kind: str, layers: int, both: bool, sequences: int) -> None:
    topology, options = TOPOLOGIES[kind]
    network: dict[str, object] = {"topology": topology, "layers": layers, "combine": "concat", **options}
    network |= {"directions": "both" if both else "forward"} | ({"sequences": sequences} if sequences else {})
    agree(Theirs(kind, layers, both, sequences), network)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("sequences", [0, 2])
def test_elman_is_rnn(activation: str, sequences: int) -> None:
    network: dict[str, object] = {"topology": "elman", "hidden": activation}
    agree(Theirs("RNN", 1, False, sequences, nonlinearity=activation), network | (
        {"sequences": sequences} if sequences else {}))  # fmt: skip


@pytest.mark.parametrize(("layers", "both"), [(1, False), (2, False), (2, True)])
def test_projection(layers: int, both: bool) -> None:
    network = {"topology": "lstm", "projection": 2, "layers": layers, "combine": "concat"}
    agree(Theirs("LSTM", layers, both, 0, proj_size=2), network | {"directions": "both" if both else "forward"})


def test_deep_is_stacked_rnn() -> None:
    """The topology of one's own layers has other names: a for h, W and U and b for the weights of each."""
    theirs, layers = Theirs("RNN", 3, False, 0), 3
    names = {"W_x": "W", "W_h": "U", "b_h": "b", "h": "a", "W_y": f"W[{layers + 1}]", "b_y": f"b[{layers + 1}]"}
    found = []
    for name, value, gradient in theirs.parameters():
        family, bracket, rest = name.partition("[")
        found.append((names[family] + bracket + rest, value, gradient))
    document = {
        "network": {"topology": "deep", "input": INPUT, "layers": [HIDDEN] * layers + [OUTPUT]},
        "data": {"x": plain(theirs.x[0]), "d": plain(theirs.d[0])},
        "parameters": {name: plain(value) for name, value, _ in found},
    }
    solution = bptt_solver.solve(bptt_solver.loads(json.dumps(document)))
    assert solution.value == pytest.approx(theirs.loss.item(), rel=1e-12)
    for name, _, gradient in found:
        np.testing.assert_allclose(
            solution.ordered_derivatives[name], plain(gradient), rtol=1e-10, atol=1e-14, err_msg=name
        )
