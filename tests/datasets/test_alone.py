"""Systems that cannot be computed for many sequences at once: one by one, with the same sums, by whatever executor."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers lie beside the tests

import data_sets
from data_sets import assert_close, assert_same_bits, stacked

from bptt_solver import api
from bptt_solver.datasets import alone
from bptt_solver.datasets.sums import dataset_gradient
from bptt_solver.errors import ProblemError

RAGGED, TREE = "10", "19"


def refused(name: str, count: int = 5) -> tuple[Any, list[dict[str, Any]]]:
    """An example that the compiler of arrays refuses, and sequences for it."""
    plain = data_sets.document(name)
    random = np.random.default_rng(2)
    sequences = []
    for _ in range(count):
        arrays = {n: random.uniform(0.1, 1, np.shape(value)) for n, value in plain["data"].items()}
        if name == TREE:
            arrays["d"] = arrays["d"] / arrays["d"].sum(-1, keepdims=True)
        sequences.append(arrays)
    return plain, sequences


@pytest.fixture(params=["straight", "levels"])
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """As a text, and as if that were too long."""
    if request.param == "levels":
        monkeypatch.setattr(alone, "MOST_STRAIGHT", 1)
    return str(request.param)


@pytest.mark.parametrize("name", [RAGGED, TREE])
def test_one_by_one(name: str, route: str) -> None:
    plain, sequences = refused(name)
    problem, data = data_sets.problem_of(plain), stacked(sequences)
    expected = data_sets.evaluated(plain, sequences)
    whole = dataset_gradient(problem, data)
    assert_close(whole, expected)
    assert_close(dataset_gradient(problem, data, chunk=2), expected)
    how = "as straight-line code" if route == "straight" else "in this process, "
    assert whole.note.startswith(f"The sequences are computed one by one, {how}")
    assert ", and not many at once: " in whole.note
    assert whole.data()["note"] == whole.note and whole.note in " ".join(api.render_data_set(whole).split())


@pytest.mark.parametrize("name", [RAGGED, TREE])
def test_the_same_bits_by_processes(name: str, route: str) -> None:
    plain, sequences = refused(name)
    problem, data = data_sets.problem_of(plain), stacked(sequences)
    serial = dataset_gradient(problem, data, chunk=2)
    assert_same_bits(dataset_gradient(problem, data, 2, 2), serial)
    with ThreadPoolExecutor(2) as threads:
        assert_same_bits(dataset_gradient(problem, data, threads, 2), serial)


def test_the_same_bits_by_a_cluster(route: str) -> None:
    distributed = pytest.importorskip("distributed")
    plain, sequences = refused(RAGGED)
    problem, data = data_sets.problem_of(plain), stacked(sequences)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as cluster:
        summed = dataset_gradient(problem, data, cluster.scheduler_address, 2)
    assert_same_bits(summed, dataset_gradient(problem, data, chunk=2))


STEPS = {
    "equations": "h[t] = tanh(w*x[t] + sum(u[k]*h[t-k] for k in 1..2 where k <= t)) for t in 1..T\n"
    "y[i] = sum(h[t] for t in 1..i) for i in 1..T\nE = sum((y[t] - d[t])**2 for t in 1..T)",
    "data": {"x": [0.5, 1, -1], "d": [0.25, 0, 0.5]},
    "values": {"h[0]": 0.5},
    "parameters": {"w": 0.75, "u": [0.3, -0.2]},
}


def test_other_lengths(route: str) -> None:
    sequences = data_sets.sequences_of_numbers((3, 3, 5, 2))
    problem = data_sets.problem_of(STEPS)
    summed = dataset_gradient(problem, stacked(sequences), chunk=1)
    assert_close(summed, data_sets.evaluated(STEPS, sequences))
    assert summed.note


def test_single_precision(route: str) -> None:
    plain, sequences = refused(RAGGED)
    problem = data_sets.problem_of(plain)
    single = {name: [array.astype(np.float32) for array in items] for name, items in stacked(sequences).items()}
    summed = dataset_gradient(problem, single)
    assert {g.dtype for g in summed.gradients.values()} == {np.dtype("float32")}
    assert_close(summed, data_sets.evaluated(plain, sequences), 1e-5)


def test_a_sequence_that_is_left_out_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault."""
    monkeypatch.setattr(alone, "_RUN", alone._RUN.replace("range({count})", "range({count} - 1)"))
    plain, sequences = refused(RAGGED)
    summed = dataset_gradient(data_sets.problem_of(plain), stacked(sequences))
    with pytest.raises(AssertionError):
        assert_close(summed, data_sets.evaluated(plain, sequences))


def test_what_has_no_value_is_named(route: str) -> None:
    plain = {
        **STEPS,
        "equations": str(STEPS["equations"]).replace("(y[t] - d[t])**2", "log(y[t]**2)*d[t]"),
        "values": {"h[0]": 0},
    }
    data = {"x": np.zeros((3, 3)), "d": np.ones((3, 3))}
    with pytest.raises(ProblemError, match=r"chunk 1 of 2 \(sequences 1 to 2\)"):
        dataset_gradient(data_sets.problem_of({**plain, "data": {"x": [1, 1, 1], "d": [1, 1, 1]}}), data, chunk=2)


def test_from_the_command_line(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from bptt_solver.cli import cli

    plain, sequences = refused(RAGGED)
    (tmp_path / "p.yaml").write_text(json.dumps(plain), encoding="utf-8")
    np.savez(tmp_path / "d.npz", **{n: np.stack(items) for n, items in stacked(sequences).items()})
    ran = CliRunner().invoke(cli, ["solve", str(tmp_path / "p.yaml"), "--data-set", str(tmp_path / "d.npz")])
    assert ran.exit_code == 0
    text = " ".join(ran.stdout.split())
    assert "The sequences are computed one by one, as straight-line code" in text and "depends on another index" in text
