"""Training by the compiled program: the same numbers as evaluated, the same bits when resumed, the same messages."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver.compile.gradient import gradient
from bptt_solver.computation import Computation
from bptt_solver.errors import ProblemError
from bptt_solver.training import fast
from bptt_solver.training.settings import read_plan
from bptt_solver.training.trainer import Training, train

ROOT = Path(__file__).parents[1]
TRAINED = ("04_scalar_rnn", "05_matrix_rnn", "11_deep", "16_lstm", "17_gru", "18_bidirectional", "20_encoder_decoder")
NET = """
network: {topology: elman, sizes: {input: 2, hidden: 3, output: 2}, output: identity, loss: squared_error}
data:
  x: [[1, 0.5], [-0.5, 0.8], [0.3, -1.2], [0.9, -0.1]]
  d: [[1, 0.2], [0.1, 1], [1, -0.3], [0.2, 1]]
parameters: {W_x: random, W_h: random, b_h: random, W_y: random, b_y: random}
"""
UPDATE = "update: {rule: momentum, learning_rate: 0.05, momentum: 0.9, steps: %d, clip: {norm: 1}}\n"


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program from the second step on."""
    monkeypatch.setattr(fast, "WORTH", 1)


def trained(problem: Any, **options: Any) -> Training:
    """A training of a problem."""
    plan = read_plan(problem)
    assert plan is not None
    return train(Computation(problem), plan, **options)


def agree(one: Training, other: Training, to: float = 1e-12) -> None:
    """Losses and parameters."""
    np.testing.assert_allclose(one.losses, other.losses, rtol=to)
    for key, value in one.parameters.items():
        known = np.asarray(value)
        np.testing.assert_allclose(other.parameters[key], known, rtol=to, atol=to * np.abs(known).max(initial=1e-300))


@pytest.mark.parametrize("example", TRAINED)
def test_compiled_training_is_the_evaluated_one(example: str, early: None) -> None:
    text = (ROOT / "examples" / example / "problem.yaml").read_text("utf-8")
    text += "\nupdate: {rule: adam, learning_rate: 0.01, steps: 12}\n"
    problem = bptt_solver.loads(text)
    compiled, evaluated = trained(problem), trained(problem, compiled=False)
    assert compiled.route in fast.PAYS and compiled.compiled_from == 2
    assert not evaluated.route
    agree(compiled, evaluated)


@pytest.mark.parametrize("route", fast.PAYS)
def test_both_routes(route: str, early: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bptt_solver.compile.gradient.gradient", partial(gradient, route=route))
    problem = bptt_solver.loads(NET + UPDATE % 50)
    compiled = trained(problem)
    assert compiled.route == route
    agree(compiled, trained(problem, compiled=False))


def test_a_wrong_program_is_seen(early: None, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = bptt_solver.loads(NET + UPDATE % 5)
    honest = fast._like
    monkeypatch.setattr(fast, "_like", lambda gradient, weight: honest(gradient, weight) + 1e-9)
    with pytest.raises(AssertionError):
        agree(trained(problem), trained(problem, compiled=False))


def test_the_first_step_is_the_printed_sweep() -> None:
    problem = bptt_solver.loads(NET + UPDATE % 3)
    computation = Computation(problem)
    plan = read_plan(problem)
    assert plan is not None
    for change in train(computation, plan).first:
        assert np.array_equal(change.gradient, computation.derivative(change.key))


@pytest.mark.parametrize("cut", [2, 7, 11])
def test_a_resumed_training_has_the_same_bits(cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cut lies before, at and behind the step from which the program goes."""
    monkeypatch.setattr(fast, "WORTH", 7 * 17)
    problem = bptt_solver.loads(NET + UPDATE % 20)
    assert len(problem.unfolded.order) == 17
    whole = told(bptt_solver.solve(problem, check="none"))
    assert whole.compiled_from == 8
    first = bptt_solver.solve(bptt_solver.loads(NET + UPDATE % cut), check="none")
    place = tmp_path / "half.npz"
    place.write_bytes(first.training_files(save=str(place))[str(place)])
    rest = told(bptt_solver.solve(bptt_solver.loads(NET + UPDATE % (20 - cut)), check="none", resume=place))
    assert [*told(first).losses[:-1], *rest.losses] == whole.losses
    for key, value in whole.parameters.items():
        assert np.asarray(value).tobytes() == np.asarray(rest.parameters[key]).tobytes()


def told(solution: bptt_solver.Solution) -> Training:
    """The training of a solution."""
    assert solution.training is not None
    return solution.training


def test_another_way_after_resuming_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained(bptt_solver.loads(NET + UPDATE % 200), compiled=False)
    monkeypatch.setattr(fast, "WORTH", 1)
    assert trained(bptt_solver.loads(NET + UPDATE % 200)).losses != whole.losses


def test_which_way_does_not_depend_on_the_number_of_steps(early: None) -> None:
    """What would break it: a choice by the steps that are asked for."""
    long = trained(bptt_solver.loads(NET + UPDATE % 30))
    short = trained(bptt_solver.loads(NET + UPDATE % 10))
    assert short.losses == long.losses[:11]


@pytest.mark.parametrize("text", [
    NET.replace("squared_error", "squared_error, hidden: identity") + "update: {learning_rate: 50, steps: 900}\n",
    "equations: E = w**4\nparameters: {w: 1.5}\nupdate: {learning_rate: 1, steps: 50}\n",
    "equations: E = log(w) + x\nparameters: {w: 1.0}\ndata: {x: 1.0}\nupdate: {learning_rate: 0.3, steps: 50}\n",
    "equations: |\n  v = W @ x\n  E = sum(tanh(v)) - sum(exp(v))\n"
    "parameters: {W: [[1.0, 2.0], [0.5, 1.0]]}\ndata: {x: [1.0, 2.0]}\nupdate: {learning_rate: 0.3, steps: 50}\n",
])  # fmt: skip
def test_what_is_not_finite_is_told_as_by_the_evaluator(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = messages(text, monkeypatch)
    assert told[0] == told[1] == told[2] == told[3] and "diverged" in told[0]


def messages(text: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is told: evaluated, by straight-line code, by arrays."""
    told = []
    for route in (None, *fast.PAYS):
        monkeypatch.setattr(fast, "WORTH", 1)
        monkeypatch.setattr("bptt_solver.compile.gradient.gradient", partial(gradient, route=route))
        with pytest.raises(ProblemError) as error:
            trained(bptt_solver.loads(text), compiled=route is not None)
        told.append(str(error.value))
    return told


def test_a_program_that_is_trusted_blindly_tells_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "_moderate", lambda value: True)
    linear = (
        NET.replace("squared_error", "squared_error, hidden: identity") + "update: {learning_rate: 50, steps: 900}\n"
    )
    told = messages(linear, monkeypatch)
    assert told[0] != told[1]


def test_an_infinity_inside_is_not_overlooked(early: None) -> None:
    """tanh of infinity is 1: nothing that comes out of the program shows it."""
    text = (
        "equations: |\n  a = exp(w)\n  E = tanh(a) - w\nparameters: {w: 5.0}\nupdate: {learning_rate: 400, steps: 9}\n"
    )
    for compiled in (False, True):
        with pytest.raises(ProblemError, match="a is not a finite number"):
            trained(bptt_solver.loads(text), compiled=compiled)


def test_what_has_no_program_is_evaluated(early: None) -> None:
    text = (ROOT / "examples" / "19_recursive_tree" / "problem.yaml").read_text("utf-8")
    problem = bptt_solver.loads(text + "\nupdate: {learning_rate: 0.01, steps: 5}\n")
    result = trained(problem)
    agree(result, trained(problem, compiled=False))
    assert result.route in ("", *fast.PAYS)


def test_it_is_said_and_in_the_data(early: None) -> None:
    solution = bptt_solver.solve(bptt_solver.loads(NET + UPDATE % 5), check="none")
    told = "steps from 2 on are those of a compiled program (straight-line code, printed by --emit python)"
    assert told in " ".join(str(solution).split())
    data = solution.as_dict()["training"]
    assert (data["route"], data["compiled_from"]) == ("straight", 2)


def test_short_training_is_evaluated_and_says_nothing() -> None:
    solution = bptt_solver.solve(bptt_solver.loads(NET + UPDATE % 5), check="none")
    assert "--emit" not in str(solution)
    data = solution.as_dict()["training"]
    assert (data["route"], data["compiled_from"]) == ("evaluated", None)


def test_truncated_training_is_evaluated(early: None) -> None:
    problem = bptt_solver.loads(NET + UPDATE % 5 + "truncate: {depth: 1}\n")
    assert bptt_solver.solve(problem, check="none").as_dict()["training"]["route"] == "evaluated"
