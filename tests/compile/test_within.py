"""A budget of memory for every document: it is kept as measured, or refused with the least that is needed."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bptt_solver import api
from bptt_solver.compile.budget import Plan, parse_size
from bptt_solver.compile.within import Whole, within
from bptt_solver.computation import Computation
from bptt_solver.errors import ProblemError
from bptt_solver.language.expressions import derivative_name

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/problem.yaml"))
STEPS = 120


def network(topology: str, options: str, parameters: str, inputs: int = 2, outputs: int = 2) -> str:
    """A network over many steps."""
    random = np.random.default_rng(3)
    data = {"x": random.standard_normal((STEPS, inputs)), "d": random.standard_normal((STEPS, outputs))}
    given = {name: array.round(2).tolist() for name, array in data.items()}
    weights = ", ".join(f"'{name}': random" for name in parameters.split())
    return (
        f"network: {{topology: {topology}, {options}, loss: squared_error}}\n"
        f"data: {json.dumps(given)}\nparameters: {{{weights}}}\n"
    )


SIZES = "sizes: {input: 2, hidden: 4, output: 2}"
LSTM = " ".join(f"{kind}_{gate}" for gate in "ifgo" for kind in "WUb")
NETWORKS = {
    "elman": network("elman", SIZES, "W_x W_h b_h W_y b_y"),
    "jordan": network("jordan", SIZES, "W_x W_r W_y b_h b_y"),
    "lstm": network("lstm", SIZES, f"{LSTM} W_y b_y"),
    "gru": network("gru", SIZES, " ".join(f"{kind}_{gate}" for gate in "rzg" for kind in "WUb") + " W_y b_y"),
    "deep": network("deep", "input: 2, layers: [3, 4, 2], bias: false", "W[1] U[1] W[2] U[2] W[3]"),
}


def agrees(problem: Any, program: Any) -> None:
    """The program's derivatives are the sweep's."""
    computation = Computation(problem)
    found = program(problem.given)
    for name, indices in problem.wanted():
        expected = np.asarray(computation.derivative((name, indices)), dtype=float)
        value = found[derivative_name(computation.target_text, name), indices]
        np.testing.assert_allclose(np.asarray(value, float), expected, rtol=1e-9, atol=1e-12)


def measured(program: Any, given: Any) -> int:
    """The most bytes that a run takes; the first run turns texts into functions, which no budget contains."""
    program(given)
    tracemalloc.start()
    try:
        program(given)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_keep_a_budget(name: str) -> None:
    problem = api.loads(NETWORKS[name])
    _, roomy = within(problem, 10**9)
    assert isinstance(roomy, Plan) and roomy.segments == 1
    budget = roomy.full // 2
    program, plan = within(problem, budget)
    assert isinstance(plan, Plan) and plan.segments > 1 and plan.memory <= budget
    assert measured(program, problem.given) <= 1.02 * budget
    agrees(problem, program)


def test_a_plan_that_keeps_too_much_is_seen() -> None:
    """A planted fault: room for all states, whatever was allowed."""
    problem = api.loads(NETWORKS["lstm"])
    program, plan = within(problem, 10**9)
    budget = plan.memory // 4
    assert measured(program, problem.given) + 8000 > 2 * budget


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_example_runs_within_a_budget_or_says_what_it_needs(path: Path) -> None:
    problem = api.load(path)
    with pytest.raises(ProblemError, match="of memory is too little") as caught:
        within(problem, 100)
    budget = 2 * parse_size(str(caught.value).rpartition("--memory ")[2].rstrip(")"))
    program, plan = within(problem, budget)
    agrees(problem, program)
    assert plan.memory <= budget
    if isinstance(plan, Whole):
        assert plan.text().startswith("Time cannot be cut into segments: ")
        assert plan.reason in str(caught.value)
        assert plan.data(schedule=True) == {
            "reason": plan.reason, "memory": plan.memory, "full_memory": plan.memory, "budget": budget,
        }  # fmt: skip
        assert program.route in ("arrays", "levels")


TWO_WAYS = """
equations: |
  f[t] = tanh(w*x[t] + u*f[t-1]) for t in 1..T
  b[t] = tanh(v*x[t] + r*b[t+1]) for t in 1..T
  E = sum((f[t] + b[t])**2 for t in 1..T)
data: {x: [0.5, -0.2, 0.9]}
values: {"f[0]": 0, "b[4]": 0}
parameters: {w: 0.5, u: 0.4, v: -0.3, r: 0.2}
"""


def test_two_directions_are_computed_at_once() -> None:
    problem = api.loads(TWO_WAYS)
    program, plan = within(problem, 10**6)
    assert isinstance(plan, Whole) and "a chain that runs from the end to the start" in plan.reason
    agrees(problem, program)


def test_printed_in_every_format() -> None:
    problem = api.loads(NETWORKS["elman"])
    _, roomy = within(problem, 10**9)
    solution = api.solve(problem, check="none", memory=f"{roomy.memory // 2}B", schedule=True)
    found = json.loads(solution.render("json"))["program"]
    assert found["route"] == "checkpoints" and found["agrees"]
    plan = found["plan"]
    assert plan["memory"] <= plan["budget"] == roomy.memory // 2 < plan["full_memory"]
    assert len(plan["schedule"]) == plan["segments"] > 1
    for form in ("text", "markdown", "latex"):
        text = solution.render(form)
        assert f"{STEPS} steps in {plan['segments']} segments" in text
        assert "run forward" in text and "states kept on the way" in text
    short = json.loads(api.solve(problem, check="none", memory="1GB").render("json"))["program"]["plan"]
    assert "schedule" not in short and short["segments"] == 1
