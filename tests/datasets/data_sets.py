"""Sequences for the examples, and their sums by the plain evaluator: one document for each, added with `math.fsum`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from bptt_solver import api
from bptt_solver.computation import Computation
from bptt_solver.datasets.sums import Summed
from bptt_solver.problem.problem import Problem
from bptt_solver.unfold import instance_text

EXAMPLES = Path(__file__).parents[2] / "examples"


def document(name: str) -> dict[str, Any]:
    """An example as plain data."""
    (path,) = EXAMPLES.glob(f"{name}*/problem.yaml")
    return dict(YAML(typ="safe").load(path.read_text(encoding="utf-8")))


def problem_of(plain: Mapping[str, Any]) -> Problem:
    """A document from plain data: JSON is YAML."""
    return api.loads(json.dumps(plain))


def with_sequence(plain: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The document with one sequence of its own."""
    changed = json.loads(json.dumps(plain))
    if isinstance(changed.get("network", {}).get("steps"), int):
        del changed["network"]["steps"]  # they follow from the data
    low = {name: parts[0].low for name, parts in problem_of(plain).system.given.items()}
    for name, array in arrays.items():
        for part in ("data", "values"):
            given = changed.get(part, {})
            if name in given:
                value = np.asarray(array).tolist()
                given[name] = {"from": low[name][0], "values": value} if low[name] else value
    return changed


def evaluated(plain: Mapping[str, Any], sequences: Sequence[Mapping[str, Any]]) -> tuple[float, dict[str, Any]]:
    """The sums over the sequences, each solved as a document of its own."""
    losses: list[float] = []
    gradients: dict[str, list[Any]] = {}
    for arrays in sequences:
        computation = Computation(problem_of(with_sequence(plain, arrays)))
        losses.append(float(computation.value(computation.target_key)))
        for key in computation.problem.wanted():
            found = np.asarray(computation.derivative(key), dtype=float)
            gradients.setdefault(instance_text(key), []).append(found)
    summed = {
        name: np.array([math.fsum(entries) for entries in zip(*[p.ravel() for p in parts], strict=True)]).reshape(
            parts[0].shape
        )
        for name, parts in gradients.items()
    }
    return math.fsum(losses), summed


LSTM = "16_lstm"
ELMAN = "07_elman"


def drawn(name: str, lengths: Sequence[int], seed: int = 1) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An example and sequences of these lengths for it; targets are distributions, as cross-entropy wants them."""
    plain = document(name)
    problem = problem_of(plain)
    system, random = problem.system, np.random.default_rng(seed)
    sequences: list[dict[str, Any]] = []
    for length in lengths:
        arrays = {}
        for family in plain["data"]:
            part = system.given[family][0]
            steps = [high - low + 1 for low, high in zip(part.low, part.high, strict=True)]
            if steps:
                steps[0] += length - system.sizes["T"] if family in ("x", "d") and "S" not in system.sizes else 0
            array = random.uniform(0.1, 1, (*steps, *part.shape))
            arrays[family] = array / array.sum(-1, keepdims=True) if family == "d" and part.shape else array
        sequences.append(arrays)
    return plain, sequences


def stacked(sequences: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Sequences as a data set has them."""
    return {name: [s[name] for s in sequences] for name in sequences[0]}


def assert_close(summed: Summed, expected: tuple[float, Mapping[str, Any]], tolerance: float = 1e-12) -> None:
    """Loss and gradients agree, relative to the largest entry of each."""
    loss, gradients = expected
    assert summed.loss == pytest.approx(loss, rel=tolerance)
    assert list(summed.gradients) == list(gradients)
    for name, gradient in gradients.items():
        scale = max(float(np.abs(gradient).max()), 1e-3)
        assert summed.gradients[name].shape == gradient.shape
        assert float(np.abs(summed.gradients[name] - gradient).max()) <= tolerance * scale, name


def assert_same_bits(one: Summed, other: Summed) -> None:
    """Not one bit differs."""
    assert one.loss == other.loss
    assert list(one.gradients) == list(other.gradients)
    for name, gradient in one.gradients.items():
        assert gradient.tobytes() == other.gradients[name].tobytes(), name


RECURRENCE = {
    "equations": "h[t] = tanh(w*x[t] + u*h[t-1]) for t in 1..T\nE = sum((h[t] - d[t])**2 for t in 1..T) + k*w**2",
    "data": {"x": [0.5, 1, -1], "d": [0.25, 0, 0.5]},
    "values": {"h[0]": 0.5},
    "parameters": {"w": 0.75, "u": -0.5, "k": 0.125, "idle": 2},
}


def recurrence(**changed: Any) -> Any:
    """A recurrence of numbers; a parameter that nothing reads."""
    return problem_of({**RECURRENCE, **changed})


def sequences_of_numbers(lengths: Sequence[int] = (3, 3, 5)) -> list[dict[str, Any]]:
    random = np.random.default_rng(5)
    return [{"x": random.normal(size=n), "d": random.normal(size=n)} for n in lengths]
