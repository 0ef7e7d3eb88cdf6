"""Recurrent networks of every shape over time: their derivatives agree with the complex step, and each is what the same
equations give when they are written out."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bptt_solver
from bptt_solver.records import Network
from bptt_solver.registry import Registry
from bptt_solver.testing import check_topology

REGISTRY = Registry.load()
SIMPLE = ("elman", "jordan", "lags", "narx", "leaky", "ordered_net")
SIZES = {"input": 2, "hidden": 3, "output": 2}


def network(topology: str, options: Mapping[str, object]) -> Network:
    """What a topology writes."""
    return REGISTRY.network(topology, options)


def numbers(shape: Sequence[int], chance: random.Random) -> Any:
    """Nested lists of numbers."""
    return [numbers(shape[1:], chance) for _ in range(shape[0])] if shape else round(chance.uniform(-1, 1), 3)


def document(
    topology: str, options: Mapping[str, object], steps: int = 3, lengths: Sequence[int] = (), seed: int = 1
) -> dict[str, Any]:
    """A document with numbers for whatever the network declares; half of what may be left out is left out."""
    written, chance = network(topology, options), random.Random(seed)
    sizes = {name: size for name, size in written.sizes.items() if size is not None}
    sizes = {"T": steps, "N": max(len(lengths), 2), **sizes}

    def filled(shape: Sequence[int | str]) -> Any:
        return numbers([sizes[n] if isinstance(n, str) else n for n in shape], chance)

    parameters = {
        name: filled(shape)
        for name, shape in written.parameters.items()
        if name not in written.zeros or chance.random() < 0.5
    }
    maps = {"maps": {"len": list(lengths)}} if lengths else {}
    data = {name: filled(shape) for name, shape in written.data.items()}
    return {"network": {"topology": topology, **options}, **maps, "data": data, "parameters": parameters}


def solve(content: Mapping[str, Any], check: str = "full") -> Any:
    """The solution of a document."""
    return bptt_solver.solve(bptt_solver.loads(json.dumps(content)), check=check)


OVER_TIME: dict[str, tuple[dict[str, object], int, tuple[int, ...]]] = {  # options, steps, lengths
    "one step": ({}, 1, ()),
    "two steps": ({}, 2, ()),
    "no biases": ({"bias": False}, 3, ()),
    "trained initial state": ({"initial": "trained"}, 2, ()),
    "a loss at the end": ({"targets": "last"}, 3, ()),
    "some targets": ({"targets": [2, 3], "steps": 3, "reduction": "mean"}, 3, ()),
    "weighted targets": ({"targets": "mask", "reduction": "mean"}, 3, ()),
    "one sequence of one": ({"sequences": 1}, 1, ()),
    "sequences": ({"sequences": 2, "steps": 3, "reduction": {"sequences": "mean"}}, 3, ()),
    "sequences, a loss at the end": ({"sequences": 2, "steps": 2, "targets": "last"}, 2, ()),
    "lengths, a loss at the end": ({"sequences": 2, "lengths": "len", "targets": "last"}, 3, (3, 1)),
    "lengths, mean of each": ({"sequences": 2, "lengths": "len", "reduction": {"time": "mean"}}, 3, (1, 3)),
}
AT_SOME_STEPS: dict[str, tuple[dict[str, object], int, tuple[int, ...]]] = {
    "input at the first step": ({"inputs": "first"}, 3, ()),
    "input at the first step, lengths": ({"inputs": "first", "sequences": 2, "lengths": "len"}, 3, (3, 1)),
    "input at some steps": ({"inputs": [1, 3, 4], "steps": 5, "targets": "last"}, 5, ()),
    "no input": ({"inputs": "none"}, 3, ()),
    "one to one": ({"inputs": "first", "targets": "last", "steps": 1}, 1, ()),
}


@pytest.mark.parametrize("shape", OVER_TIME)
@pytest.mark.parametrize("topology", SIMPLE)
def test_shapes_over_time(topology: str, shape: str) -> None:
    options, steps, lengths = OVER_TIME[shape]
    solution = solve(document(topology, {"sizes": SIZES, **options}, steps, lengths))
    assert solution.check.passed
    assert solution.render("text")


@pytest.mark.parametrize("shape", AT_SOME_STEPS)
@pytest.mark.parametrize("topology", ["elman", "jordan", "lags", "leaky"])
def test_inputs_at_some_steps(topology: str, shape: str) -> None:
    options, steps, lengths = AT_SOME_STEPS[shape]
    assert solve(document(topology, {"sizes": SIZES, **options}, steps, lengths)).check.passed


@pytest.mark.parametrize("shape", [*OVER_TIME, *AT_SOME_STEPS])
def test_deep_shapes_over_time(shape: str) -> None:
    options, steps, lengths = {**OVER_TIME, **AT_SOME_STEPS}[shape]
    assert solve(document("deep", {"input": 2, "layers": [3, 1, 2], **options}, steps, lengths)).check.passed


@pytest.mark.parametrize("topology", [*SIMPLE, "deep"])
def test_what_it_writes_is_sound(topology: str) -> None:
    check_topology(REGISTRY.topology(topology), REGISTRY)


@pytest.mark.parametrize("topology", ["elman", "jordan", "lags", "narx", "leaky"])
def test_numbers_in_place_of_vectors(topology: str) -> None:
    """A network of numbers has the derivatives of the network whose vectors have one entry."""
    scalar = document(topology, {"sizes": "scalar"})
    one = document(topology, {"sizes": dict.fromkeys(SIZES, 1)})
    first, second = solve(scalar), solve(one)
    assert first.value == pytest.approx(second.value, rel=1e-12)
    for name in scalar["parameters"]:
        theirs = np.ravel(second.ordered_derivatives[name]).item()
        assert first.ordered_derivatives[name] == pytest.approx(theirs, rel=1e-10), name


size = st.integers(1, 3)
functions = st.sampled_from(["tanh", "sigmoid", "softplus", "identity"])
pairs = st.sampled_from(
    [("softmax", "cross_entropy"), ("sigmoid", "bce"), ("identity", "squared_error"), ("tanh", "log_cosh")]
)


@settings(max_examples=12, deadline=None)
@given(topology=st.sampled_from(["elman", "jordan", "lags", "narx", "leaky"]), sizes=st.tuples(size, size, size),
       steps=st.integers(1, 4), hidden=functions, pair=pairs, bias=st.booleans(),
       initial=st.sampled_from(["zero", "trained"]), seed=st.integers(0, 99))  # fmt: skip
def test_random_networks(topology: str, sizes: tuple[int, int, int], steps: int, hidden: str, pair: tuple[str, str],
                         bias: bool, initial: str, seed: int) -> None:  # fmt: skip
    options: dict[str, object] = {"sizes": dict(zip(SIZES, sizes, strict=True)), "hidden": hidden, "bias": bias}
    options |= {"output": pair[0], "loss": pair[1], "initial": initial}
    assert solve(document(topology, options, steps, seed=seed)).check.passed


@settings(max_examples=10, deadline=None)
@given(sizes=st.tuples(size, st.integers(0, 2), size), lags=st.sets(st.integers(0, 2), min_size=1), seed=st.integers(
       0, 99), steps=st.integers(1, 4), hidden=functions, bias=st.booleans(), sequences=st.sampled_from(["one", 2]),
       initial=st.sampled_from(["zero", "trained"]))  # fmt: skip
def test_random_ordered_nets(sizes: tuple[int, int, int], lags: set[int], seed: int, steps: int, hidden: str,
                             bias: bool, sequences: object, initial: str) -> None:  # fmt: skip
    named = {name: number for name, number in zip(SIZES, sizes, strict=True) if number}
    options: dict[str, object] = {"sizes": named, "lags": sorted(lags), "hidden": hidden, "bias": bias}
    options |= {"sequences": sequences, "initial": initial, "steps": steps}
    assert solve(document("ordered_net", options, steps, seed=seed)).check.passed


ONES: list[tuple[str, dict[str, object]]] = [
    *((name, {"sizes": dict.fromkeys(SIZES, 1), "sequences": 1, "steps": 1}) for name in SIMPLE),
    ("deep", {"input": 1, "layers": [1], "sequences": 1, "steps": 1}),
    ("feedforward", {"input": 1, "layers": [1], "samples": 1, "reduction": "mean"}),
]


@pytest.mark.parametrize(("topology", "options"), ONES)
def test_one_step_one_unit_one_sequence(topology: str, options: dict[str, object]) -> None:
    assert solve(document(topology, options, 1)).check.passed


layer = st.one_of(size, st.fixed_dictionaries({"size": size}, optional={
    "recurrent": st.booleans(), "bias": st.booleans(), "activation": functions}))  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(layers=st.lists(layer, min_size=1, max_size=4), steps=st.integers(1, 3), seed=st.integers(0, 99))
def test_random_deep_networks(layers: list[Any], steps: int, seed: int) -> None:
    assert solve(document("deep", {"input": 2, "layers": layers}, steps, seed=seed)).check.passed


# ------------------------------------------------------------------------------------------- what is written


def test_elman_as_the_textbook_has_it() -> None:
    written = network("elman", {"sizes": SIZES, "output": "softmax", "loss": "cross_entropy"})
    assert written.equations.splitlines() == [
        "a[t] = W_x @ x[t] + W_h @ h[t-1] + b_h for t in 1..T",
        "h[t] = tanh(a[t]) for t in 1..T",
        "o[t] = W_y @ h[t] + b_y for t in 1..T",
        "y[t] = softmax(o[t]) for t in 1..T",
        "e[t] = cross_entropy(y[t], d[t]) for t in 1..T",
        "E = sum(e[t] for t in 1..T)",
    ]
    assert written.zeros == ("h[0]",)
    assert dict(written.data) == {"x": ("T", 2), "d": ("T", 2)}
    assert dict(written.sizes) == {"T": None}


def test_many_to_one_and_one_to_many() -> None:
    assert network("elman", {"sizes": SIZES, "targets": "last", "bias": False}).equations.splitlines() == [
        "a[t] = W_x @ x[t] + W_h @ h[t-1] for t in 1..T",
        "h[t] = tanh(a[t]) for t in 1..T",
        "y = W_y @ h[T]",
        "E = squared_error(y, d)",
    ]
    assert network("elman", {"sizes": SIZES, "inputs": "first"}).equations.splitlines()[:2] == [
        "a[1] = W_x @ x + W_h @ h[0] + b_h",
        "a[t] = W_h @ h[t-1] + b_h for t in 2..T",
    ]


def test_sequences_of_different_lengths() -> None:
    options = {"sizes": SIZES, "sequences": "several", "lengths": "len", "reduction": "mean"}
    assert network("elman", options).equations.splitlines() == [
        "h[n,0] = h0 for n in 1..N",
        "a[n,t] = W_x @ x[n,t] + W_h @ h[n,t-1] + b_h for n in 1..N, t in 1..len[n]",
        "h[n,t] = tanh(a[n,t]) for n in 1..N, t in 1..len[n]",
        "y[n,t] = W_y @ h[n,t] + b_y for n in 1..N, t in 1..len[n]",
        "e[n,t] = squared_error(y[n,t], d[n,t]) for n in 1..N, t in 1..len[n]",
        "E = sum(e[n,t] for n in 1..N, t in 1..len[n])/sum(len[n] for n in 1..N)",
    ]


REDUCTIONS: list[tuple[dict[str, object], str]] = [
    ({}, "sum(e[t] for t in 1..T)"),
    ({"reduction": "mean"}, "sum(e[t] for t in 1..T)/T"),
    ({"targets": [1, 3, 4], "steps": 4, "reduction": "mean"}, "(e[1] + sum(e[t] for t in 3..4))/3"),
    ({"targets": [2], "steps": 4, "reduction": "mean"}, "e[2]"),
    ({"targets": "mask", "reduction": "mean"}, "sum(e[t] for t in 1..T)/sum(m[t] for t in 1..T)"),
    ({"sequences": 2, "reduction": "mean"}, "sum(e[n,t] for n in 1..N, t in 1..T)/(N*T)"),
    ({"sequences": 2, "reduction": {"time": "mean"}}, "sum(e[n,t] for n in 1..N, t in 1..T)/T"),
    ({"sequences": 2, "reduction": {"sequences": "mean"}}, "sum(e[n,t] for n in 1..N, t in 1..T)/N"),
    ({"sequences": 2, "targets": "last", "reduction": "mean"}, "sum(e[n] for n in 1..N)/N"),
    ({"sequences": 2, "lengths": "len", "reduction": {"time": "mean", "sequences": "mean"}},
     "sum(e[n,t] for n in 1..N, t in 1..len[n])/sum(len[n] for n in 1..N)"),
    ({"sequences": 2, "lengths": "len", "reduction": {"time": "mean"}},
     "sum(sum(e[n,t] for t in 1..len[n])/len[n] for n in 1..N)"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "total"), REDUCTIONS)
def test_totals(options: dict[str, object], total: str) -> None:
    written = network("elman", {"sizes": SIZES, **options})
    assert written.equations.splitlines()[-1] == f"E = {total}"
    assert any(note.replace("`", "").startswith("E is the ") for note in written.notes)


@pytest.mark.parametrize(
    ("topology", "options", "steps", "lengths"),
    [
        ("elman", {"sizes": SIZES, "output": "softmax", "loss": "cross_entropy"}, 3, ()),
        ("jordan", {"sizes": SIZES, "sequences": 2, "lengths": "len"}, 3, (3, 2)),
        ("narx", {"sizes": SIZES, "mode": "series"}, 3, ()),
        ("ordered_net", {"sizes": SIZES, "lags": [0, 1, 2], "initial": "trained"}, 3, ()),
        ("deep", {"input": 2, "layers": [2, 3, 2], "output": "softmax"}, 2, ()),
    ],
)
def test_agreement_with_the_equations(
    topology: str, options: dict[str, object], steps: int, lengths: tuple[int, ...]
) -> None:
    """What `lower` prints, as a document of its own, has the same numbers."""
    content = document(topology, options, steps, lengths)
    problem = bptt_solver.loads(json.dumps(content))
    written = {
        "equations": bptt_solver.lower(problem),
        "sizes": {name: size for name, size in problem.system.sizes.items() if isinstance(size, int)},
        "target": "E",
        "data": content["data"],
        "parameters": content["parameters"],
        "values": {
            name: solution_value
            for name, solution_value in solve(content, "none").values.items()
            if name in network(topology, options).zeros and name not in content["parameters"]
        },
        **({"maps": content["maps"]} if lengths else {}),
    }
    first, second = solve(content, "none"), solve(written, "none")
    assert first.values == second.values
    assert first.ordered_derivatives == second.ordered_derivatives


def test_feedback_reaches_the_earlier_outputs() -> None:
    """Free running, an output has a derivative through what it feeds; with the targets in its place it has none."""
    for mode, zero in (("parallel", False), ("series", True)):
        content = document("jordan", {"sizes": SIZES, "mode": mode, "targets": "all"})
        solution = solve(content)
        own = np.subtract(solution.values["y[1]"], content["data"]["d"][0])
        assert bool(np.allclose(solution.ordered_derivatives["y[1]"], own)) is zero
