"""Second derivatives: the chain rule applied to its own result, against central differences of the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bptt_solver import load
from bptt_solver.api import Solution
from bptt_solver.arithmetic import is_array
from bptt_solver.computation import Computation
from bptt_solver.problem.problem import Problem
from bptt_solver.second import SecondDerivatives, hessian

HERE = Path(__file__).parent / "acceptance"
DOCUMENTS = sorted([*HERE.glob("documents/*.yaml"), *HERE.glob("documents_extra/*.yaml")])


def moved(problem: Problem, key: Any, direction: Any, step: float) -> Computation:
    """The same problem with one given value moved along a direction."""
    given = dict(problem.given)
    value = given[key]
    given[key] = (value.astype(float) if is_array(value) else float(value)) + step * direction
    other = Problem(
        problem.document, problem.system, problem.unfolded, problem.shapes, given, problem.target, problem.wrt,
        problem.limits, problem.registry,
    )  # fmt: skip
    return Computation(other)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.stem)
def test_hessian_vector_products_against_central_differences(path: Path) -> None:
    problem = load(path)
    computation = Computation(problem)
    key = problem.wanted()[0]
    value = computation.value(key)
    random = np.random.default_rng(3)
    direction: Any = random.normal(size=value.shape) if is_array(value) else 1.0
    along = SecondDerivatives(computation, key).along(direction)
    step = 1e-5
    up, down = moved(problem, key, direction, step), moved(problem, key, direction, -step)
    for other in computation.instances():
        slope = (np.asarray(up.derivative(other), dtype=float) - np.asarray(down.derivative(other), dtype=float)) / (
            2 * step
        )
        scale = 1 + np.abs(np.asarray(up.derivative(other), dtype=float)).max()
        np.testing.assert_allclose(
            np.asarray(along[other], dtype=float), slope, rtol=2e-6, atol=2e-8 * scale, err_msg=str(other)
        )


def test_the_hessian_of_the_scalar_network_is_the_published_one() -> None:
    import json

    (example,) = [
        e for e in json.loads((HERE / "seed_acceptance.json").read_text())["examples"] if e["id"] == "D-scalar-rnn"
    ]
    computation = Computation(load(HERE / "documents" / "D-scalar-rnn.yaml"))
    _, rows = hessian(computation, [("w", ()), ("u", ()), ("v", ())])
    np.testing.assert_allclose(rows, example["expected"]["hessian_order_w_u_v"], rtol=1e-9)


@pytest.mark.parametrize("name", ["S004-rnn-square", "X-lstm-scalar", "S001-bidirectional"])
def test_a_hessian_is_symmetric(name: str) -> None:
    computation = Computation(load(HERE / "documents" / f"{name}.yaml"))
    labels, rows = hessian(computation, computation.problem.wanted())
    matrix = np.array(rows)
    assert matrix.shape == (len(labels), len(labels))
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-9, atol=1e-13 * np.abs(matrix).max())


def test_the_solution_names_rows_by_entry() -> None:
    from bptt_solver import solve

    solution: Solution = solve(load(HERE / "documents" / "X-mazur.yaml"), check="none")
    names, rows = solution.hessian(["W1"])
    assert names == ["W1:1,1", "W1:1,2", "W1:2,1", "W1:2,2"]
    assert len(rows) == 4
