"""What the feedforward topology writes, and how it says what is wrong with an option."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bptt_solver.arithmetic import Arithmetic
from bptt_solver.errors import Source
from bptt_solver.evaluate import Program
from bptt_solver.problem.problem import load_problem
from bptt_solver.records import Network, OptionError
from bptt_solver.registry import Registry
from bptt_solver.testing import check_topology
from bptt_solver.unfold import instance_text

REGISTRY = Registry.load()


def build(**options: object) -> Network:
    return REGISTRY.network("feedforward", options)


def test_layers_that_are_all_alike() -> None:
    network = build(input=2, layers=[2, 2, 2], output="sigmoid")
    assert network.equations.splitlines() == [
        "a[0] = x",
        "z[k] = W[k] @ a[k-1] + b[k] for k in 1..L",
        "a[k] = sigmoid(z[k]) for k in 1..L",
        "E = squared_error(a[L], d)",
    ]
    assert dict(network.sizes) == {"L": 3}
    assert dict(network.data) == {"x": (2,), "d": (2,)}


def test_another_output_and_several_samples() -> None:
    network = build(
        input=2, layers=[4, 3], hidden="leaky_relu(0.2)", output="softmax", loss="cross_entropy", samples="several"
    )
    assert network.equations.splitlines() == [
        "a[0,n] = x[n] for n in 1..N",
        "z[k,n] = W[k] @ a[k-1,n] + b[k] for k in 1..L, n in 1..N",
        "a[k,n] = leaky_relu(z[k,n], 0.2) for k in 1..L-1, n in 1..N",
        "a[L,n] = softmax(z[L,n]) for n in 1..N",
        "l[n] = cross_entropy(a[L,n], d[n]) for n in 1..N",
        "E = sum(l[n] for n in 1..N)",
    ]
    assert dict(network.sizes) == {"L": 2, "N": None}
    assert dict(network.parameters) == {"W[1]": (4, 2), "b[1]": (4,), "W[2]": (3, 4), "b[2]": (3,)}
    assert dict(network.data) == {"x": ("N", 2), "d": ("N", 3)}
    assert dict(build(input=1, layers=[1], samples=5).sizes) == {"N": 5}


def test_one_layer_and_identity() -> None:
    network = build(input=3, layers=[1], bias=False)
    assert network.equations.splitlines() == [
        "a[0] = x",
        "z[1] = W[1] @ a[0]",
        "a[1] = z[1]",
        "E = squared_error(a[1], d)",
    ]
    assert "b" not in network.roles


def test_irregular_layers_are_numbered() -> None:
    layers: list[object] = [4, {"size": 3, "activation": "relu", "bias": "false"}, {"size": 3, "activation": "relu"}, 2]
    assert build(input=2, layers=layers).equations.splitlines() == [
        "a[0] = x",
        "z[1] = W[1] @ a[0] + b[1]",
        "z[2] = W[2] @ a[1]",
        "z[k] = W[k] @ a[k-1] + b[k] for k in 3..4",
        "a[1] = sigmoid(z[1])",
        "a[k] = relu(z[k]) for k in 2..3",
        "a[4] = z[4]",
        "E = squared_error(a[4], d)",
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"input": 1, "layers": [1]},
        {"input": 2, "layers": [3, 2], "samples": 4},
        {"input": 2, "layers": [3, {"size": 2, "bias": False}, 3, 4], "hidden": "relu", "loss": "huber(0.5)"},
    ],
)
def test_what_it_writes_is_sound(options: dict[str, object]) -> None:
    check_topology(REGISTRY.topology("feedforward"), REGISTRY, options)


WRONG = [
    ({"layers": [1]}, (), "topology 'feedforward' needs the option 'input'"),
    ({"input": 2, "layers": [1], "hiden": "tanh"}, ("hiden",), "has no option 'hiden' (did you mean 'hidden'?)"),
    ({"input": 0, "layers": [1]}, ("input",), "input must be a whole number, at least 1, not 0"),
    ({"input": True, "layers": [1]}, ("input",), "input must be a whole number, at least 1, not True"),
    ({"input": 2, "layers": []}, ("layers",), "layers must be a list that is not empty"),
    ({"input": 2, "layers": [3, "tanh"]}, ("layers", 1), "layers[2] must be a whole number, at least 1, not 'tanh'"),
    ({"input": 2, "layers": [{"activation": "tanh"}]}, ("layers", 0), "layers[1] needs a size"),
    ({"input": 2, "layers": [{"size": 1, "activaton": "tanh"}]}, ("layers", 0, "activaton"),
     "layers[1] has no option 'activaton' (did you mean 'activation'?)"),
    ({"input": 2, "layers": [{"size": 1, "activation": "tanhh"}]}, ("layers", 0, "activation"),
     "unknown function 'tanhh' (did you mean 'tanh'?)"),
    ({"input": 2, "layers": [1, 1], "hidden": "sigmiod"}, ("hidden",),
     "unknown function 'sigmiod' (did you mean 'sigmoid'?)"),
    ({"input": 2, "layers": [1], "loss": "squared_eror"}, ("loss",), "did you mean 'squared_error'?"),
    ({"input": 2, "layers": [1], "output": "tanh(x)"}, ("output",),
     "must be a function's name, like tanh or leaky_relu(0.2)"),
    ({"input": 2, "layers": [1], "output": "leaky_relu(1_0)"}, ("output",), "must be a function's name"),
    ({"input": 2, "layers": [1], "bias": "perhaps"}, ("bias",),
     "bias must be true, false, hidden or output, not 'perhaps'"),
    ({"input": 2, "layers": [1], "samples": "all"}, ("samples",), "samples must be one, several or a whole number"),
    ({"input": 2, "layers": [1], "samples": 0}, ("samples",), "samples must be a whole number, at least 1, not 0"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "path", "message"), WRONG)
def test_wrong_option(options: dict[str, object], path: tuple[str | int, ...], message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)) as caught:
        build(**options)
    assert caught.value.path == path


ACCEPTANCE = Path(__file__).parents[1] / "acceptance" / "seed_acceptance.json"
NAMES = {"net_h": "z[1]", "out_h": "a[1]", "net_o": "z[2]", "out_o": "a[2]", "l[1]": "E"}  # of the example by M. Mazur


@pytest.mark.parametrize("identifier", ["S002-feedforward", "S002-two-samples", "X-mazur"])
def test_numbers_of_the_seed(identifier: str) -> None:
    """The published networks, from a few options instead of their equations."""
    (example,) = [e for e in json.loads(ACCEPTANCE.read_text())["examples"] if e["id"] == identifier]
    given, expected = example["given"], example["expected"]
    samples = given.get("samples")
    x = [s["x"] for s in samples] if samples else given["x"]
    d = [s["d"] for s in samples] if samples else given.get("d", given.get("target"))
    depth = len(example["parameters"]) // 2
    lines = [
        f"network: {{topology: feedforward, input: 2, layers: {json.dumps([2] * depth)}, output: sigmoid, "
        f"samples: {len(samples) if samples else 'one'}}}",
        f"data: {{x: {json.dumps(x)}, d: {json.dumps(d)}}}",
        "parameters:",
        *(f"  {name[0]}[{name[1:]}]: {json.dumps(value)}" for name, value in example["parameters"].items()),
    ]
    source = Source("network.yaml", "\n".join(lines) + "\n")
    problem = load_problem(source)
    program = Program(problem.unfolded, Arithmetic(problem.operations))
    values = program.run(program.start(problem.given))
    found = {instance_text(key): values[number] for number, key in enumerate(problem.unfolded.keys)}
    assert found["E"] == pytest.approx(expected["loss"], rel=1e-12)
    for name, value in expected["forward"].items():
        ours = name.replace("n=", "") if samples else NAMES.get(name, name)
        assert found[ours] == pytest.approx(value, rel=1e-12), name
