"""Encoders and decoders with gates: against PyTorch's nn.LSTM, nn.GRU and their cells, with random options against
complex steps, and what is the same by other means.

torch gives the decoder one input; here it is the output or the target before, with the encoder's last state behind it
where the context goes in at each step. Its columns are then two matrices of ours.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_plugins.topologies import encoder_decoder
from bptt_solver.errors import ProblemError
from bptt_solver.registry import Registry

REGISTRY = Registry.load()
INPUT, HIDDEN, OUTPUT, READ, WRITTEN = 2, 3, 2, 4, 3
GATES = {"lstm": "ifgo", "gru": "rzg"}  # in torch's order


def solve(network: dict[str, object], **given: object) -> bptt_solver.Solution:
    """Solve a document with these parts."""
    document = {"network": {"topology": "encoder_decoder", **network}, **given}
    return bptt_solver.solve(bptt_solver.loads(json.dumps(document)), check="fast")


# ----------------------------------------------------------------------------- PyTorch


class Theirs:
    """An encoder and a cell that decodes, in float64, after the backward sweep."""

    def __init__(self, cell: str, context: str, feed: str, readout: bool) -> None:
        torch = pytest.importorskip("torch")
        torch.manual_seed(len(f"{cell}{context}{feed}{readout}"))
        kind = cell.upper()
        self.cell, self.context, self.fed = cell, context, feed != "none"
        self.width = OUTPUT if readout else HIDDEN
        inputs = self.width * self.fed + HIDDEN * (context != "start")
        self.encoder = getattr(torch.nn, kind)(INPUT, HIDDEN, batch_first=True).double()
        self.decoder = getattr(torch.nn, f"{kind}Cell")(max(inputs, 1), HIDDEN).double()
        self.readout = torch.nn.Linear(HIDDEN, OUTPUT).double() if readout else None
        self.x = torch.randn(1, READ, INPUT, dtype=torch.float64, requires_grad=True)
        self.d = torch.randn(WRITTEN, self.width, dtype=torch.float64, requires_grad=True)
        self.start = torch.randn(self.width, dtype=torch.float64, requires_grad=True)
        _, last = self.encoder(self.x)
        states = tuple(s[0] for s in last) if cell == "lstm" else (last[0],)
        seen = states[0]
        if context == "each":
            states = tuple(torch.zeros_like(s) for s in states)
        self.loss = torch.zeros((), dtype=torch.float64)
        before = self.start
        for t in range(WRITTEN):
            parts = [before[None]] if self.fed else []
            parts += [seen] if context != "start" else []
            nothing = torch.zeros(1, 1, dtype=torch.float64)
            answer = self.decoder(torch.cat(parts, 1) if parts else nothing, states if cell == "lstm" else states[0])
            states = answer if cell == "lstm" else (answer,)
            output = self.readout(states[0])[0] if self.readout else states[0][0]
            self.loss = self.loss + ((output - self.d[t]) ** 2).sum() / 2
            before = output if feed == "output" else self.d[t]
        self.loss.backward()

    def parameters(self) -> Iterator[tuple[str, Any, Any]]:
        """Our name, the value and the gradient of each parameter."""
        for module, end, way in ((self.encoder, "_l0", "_en"), (self.decoder, "", "_de")):
            packed = [getattr(module, f"{n}{end}") for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            for place, gate in enumerate(GATES[self.cell]):
                inputs, recurrent, first, second = (
                    (p[place * HIDDEN : (place + 1) * HIDDEN], p.grad[place * HIDDEN : (place + 1) * HIDDEN])
                    for p in packed
                )
                cut = self.width * self.fed if way == "_de" else INPUT
                if cut:
                    yield f"W_{gate}{way}", inputs[0][:, :cut], inputs[1][:, :cut]
                if way == "_de" and self.context != "start":
                    yield f"C_{gate}{way}", inputs[0][:, cut:], inputs[1][:, cut:]
                yield f"U_{gate}{way}", *recurrent
                if self.cell == "gru" and gate == "g":
                    yield f"b_g{way}", *first
                    yield f"b_hg{way}", *second
                else:
                    yield f"b_{gate}{way}", first[0] + second[0], first[1]
        if self.readout is not None:
            yield "W_y", self.readout.weight, self.readout.weight.grad
            yield "b_y", self.readout.bias, self.readout.bias.grad


@pytest.mark.parametrize("readout", [True, False])
@pytest.mark.parametrize("feed", ["target", "output", "none"])
@pytest.mark.parametrize("context", ["start", "each", "both"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_agrees_with_torch(cell: str, context: str, feed: str, readout: bool) -> None:
    theirs = Theirs(cell, context, feed, readout)
    parameters = {name: (v.detach().numpy(), g.numpy()) for name, v, g in theirs.parameters()}
    network: dict[str, object] = {"cell": cell, "context": context, "feed": feed, "readout": readout}
    network["sizes"] = {"input": INPUT, "hidden": HIDDEN} | ({"output": OUTPUT} if readout else {})
    network |= {"reset": "after"} if cell == "gru" else {}
    solution = solve(
        network,
        data={"x": theirs.x[0].tolist(), "d": theirs.d.tolist()},
        parameters={name: value.tolist() for name, (value, _) in parameters.items()},
        values={"start": theirs.start.tolist()} if theirs.fed else {},
        wrt=["x", "d", *(["start"] if theirs.fed else []), *parameters],
    )
    assert solution.verified
    assert solution.value == pytest.approx(theirs.loss.item(), rel=1e-12)
    gradients = {name: gradient for name, (_, gradient) in parameters.items()}
    gradients |= {f"x[{t}]": row.numpy() for t, row in enumerate(theirs.x.grad[0], 1)}
    gradients |= {f"d[{t}]": row.numpy() for t, row in enumerate(theirs.d.grad, 1)}
    gradients |= {"start": theirs.start.grad.numpy()} if theirs.fed else {}
    for name, gradient in gradients.items():
        ours = solution.ordered_derivatives[name]
        np.testing.assert_allclose(ours, gradient, rtol=1e-10, atol=1e-14, err_msg=name)


# ----------------------------------------------------------------------------- random options


def _random_network(source: random.Random) -> dict[str, object]:
    size = {name: source.randint(1, 3) for name in ("input", "hidden", "output")}
    network: dict[str, object] = {
        "cell": source.choice(("simple", "lstm", "gru")),
        "context": source.choice(("start", "each", "both")),
        "feed": source.choice(("target", "output", "none")),
        "steps": {"input": source.randint(1, 3), "output": source.randint(1, 3)},
        "bias": source.choice((True, False)),
        "readout": source.choice((True, True, False)),
        "sequences": source.choice(("one", 1, 2)),
        "initial": source.choice(("zero", "trained")),
        "targets": source.choice(("all", "mask")),
        "reduction": source.choice(("sum", "mean")),
    }
    if not network["readout"]:
        del size["output"]
    if network["context"] == "each":
        size["decoder"] = source.randint(1, 3)
    if network["cell"] == "lstm":
        network |= {name: source.choice((True, False)) for name in ("peephole", "coupled")}
        network |= {"projection": source.choice((False, 2)), "gates": source.choice(("torch", "onnx"))}
    if network["cell"] == "gru":
        network |= {"reset": source.choice(("before", "after")), "keeps": source.choice(("z", "1-z"))}
    return network | {"sizes": source.choice((size, size, size, "scalar"))}


@pytest.mark.parametrize("number", range(24))
def test_random_options(number: int) -> None:
    """Every derivative agrees with the independent routes."""
    network = _random_network(random.Random(number))
    if network["sizes"] == "scalar" and network.get("projection"):
        network["projection"] = False
    assert solve(network).verified, network


@pytest.mark.parametrize("feed", ["target", "output"])
@pytest.mark.parametrize("context", ["start", "each"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_unequal_lengths(cell: str, context: str, feed: str) -> None:
    """Two sequences of unequal lengths together are the two of them one by one."""
    network: dict[str, object] = {"cell": cell, "context": context, "feed": feed}
    network["sizes"] = {"input": 1, "hidden": 2, "output": 1}
    x, d = {1: [[0.3], [-0.8], [0.5]], 2: [[0.6], [-0.1]]}, {1: [[0.1], [0.7]], 2: [[0.2], [0.9], [0.4]]}
    source = np.random.default_rng(3)
    written = REGISTRY.network("encoder_decoder", network)
    parameters = {
        name: source.uniform(-1, 1, tuple(map(int, shape))).tolist()
        for name, shape in written.parameters.items() if name not in written.zeros
    }  # fmt: skip
    alone = [solve(network, data={"x": x[n], "d": d[n]}, parameters=parameters) for n in (1, 2)]
    data = {f"x[{n},{t}]": row for n in x for t, row in enumerate(x[n], 1)}
    data |= {f"d[{n},{t}]": row for n in d for t, row in enumerate(d[n], 1)}
    lengths = {"lengths": {"input": [3, 2], "output": [2, 3]}}
    together = solve(network | lengths, data=data, parameters=parameters)
    assert together.verified
    assert together.value == pytest.approx(alone[0].value + alone[1].value, rel=1e-12)
    for name in parameters:
        added = sum(np.asarray(solution.ordered_derivatives[name]) for solution in alone)
        np.testing.assert_allclose(together.ordered_derivatives[name], added, rtol=1e-10, atol=1e-14, err_msg=name)


# ----------------------------------------------------------------------------- what it says


def test_the_cells_are_those_of_the_topologies() -> None:
    """The encoder has the equations of the topology lstm (or gru), but for its suffix and its horizon."""
    for name in ("lstm", "gru"):
        options: dict[str, object] = {"sizes": {"input": 2, "hidden": 3, "output": 1}, "bias": False}
        one = REGISTRY.network(name, options).equations.splitlines()
        both = REGISTRY.network("encoder_decoder", options | {"cell": name}).equations
        steps = one[: next(i for i, line in enumerate(one) if line.startswith("y["))]
        assert both.replace("_en", "").splitlines()[: len(steps)] == [line.replace("1..T", "1..S") for line in steps]


def test_roles_and_notes() -> None:
    options: dict[str, object] = {"sizes": {"input": 2, "hidden": 3}, "cell": "gru", "context": "both"}
    written = REGISTRY.network("encoder_decoder", options | {"readout": False, "feed": "output"})
    assert written.roles["C_z_de"] == "weights from the context to the update gate of the decoder"
    assert written.roles["h_en"] == "hidden state of the encoder"
    assert any("reads its own previous state" in note for note in written.notes)
    assert any("reset gate acts before the product" in note for note in written.notes)
    named = {name.partition("[")[0] for name in (*written.parameters, *written.data)}
    assert named <= {*written.roles}


WRONG = [
    ({"cell": "lstn"}, "cell must be simple, lstm or gru, not 'lstn' (did you mean 'lstm'?)"),
    ({"cell": "gru", "peephole": True}, "peephole has no meaning with cell: gru"),
    ({"reset": "after"}, "reset has no meaning with cell: simple"),
    ({"cell": "lstm", "sizes": {"input": 2, "hidden": 2, "output": 1, "decoder": 3}},
     "sizes.decoder is 3 and sizes.hidden is 2, but h_de[0] is h_en[S]: use context: each"),
    ({"readout": False, "output": "softmax"}, "output: softmax has no readout to act on (readout is false)"),
    ({"readout": False}, "sizes.output is 1, but without a readout the output is the state, of size 2"),
    ({"sizes": {"input": 2, "hidden": 2}}, "sizes needs output, the number of its entries (or write readout: false)"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "told"), WRONG)
def test_wrong_options(options: dict[str, object], told: str) -> None:
    with pytest.raises(ProblemError) as caught:
        solve({"sizes": {"input": 2, "hidden": 2, "output": 1}, **options})
    assert told in str(caught.value)


def test_a_context_that_is_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: the decoder of an LSTM starts from the cell state in the place of the hidden state."""
    original = encoder_decoder._decode

    def swapped(net: Any, *rest: Any) -> None:
        original(net, *rest)
        net.lines = [line.replace("h_de[0] = h_en[S]", "h_de[0] = c_en[S]") for line in net.lines]

    monkeypatch.setattr(encoder_decoder, "_decode", swapped)
    with pytest.raises(AssertionError):
        test_agrees_with_torch("lstm", "start", "target", True)
