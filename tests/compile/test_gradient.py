"""Programs over arrays: their form, more sequences and more steps than the document has, and names of documents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bptt_solver.api import load, loads
from bptt_solver.compile.frame import Frame
from bptt_solver.compile.gradient import ROUTES, gradient
from bptt_solver.compile.load import load as load_source
from bptt_solver.compile.program import Compiled, compile_frame
from bptt_solver.computation import Computation
from bptt_solver.problem.problem import Problem

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/problem.yaml"))


def compared(problem: Problem, route: str) -> None:
    """All results of a route beside the evaluator's."""
    computation = Computation(problem)
    for (name, indices), value in gradient(problem, route)(problem.given).items():
        number = computation.unfolded.number.get((name, indices))
        known = np.asarray(0.0 * np.asarray(value) if number is None else computation.values[number], dtype=float)
        found = np.asarray(value, dtype=float)
        assert found.shape == known.shape, (name, indices)
        np.testing.assert_allclose(found, known, rtol=1e-12, atol=1e-13 * max(1.0, np.abs(known).max(initial=0)))


def run(program: Compiled, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """A program's outputs, as arrays of their own."""
    return {label: np.array(v) for label, v in load_source(program.source, "make")(np.float64)(arrays).items()}


NETWORK = """
network:
  {{topology: {topology}, sizes: {{input: 2, hidden: 3, output: 2}}, steps: {steps},
   output: softmax, loss: cross_entropy}}
data:
  x: {x}
  d: {d}
parameters: {{{parameters}}}
"""
PARAMETERS = {
    "elman": ("W_x", "W_h", "b_h", "W_y", "b_y"),
    "lstm": (*(f"{kind}_{gate}" for gate in "ifgo" for kind in "WUb"), "W_y", "b_y"),
}


def network(topology: str, x: Any, d: Any) -> Problem:
    """A network with random weights (always the same) and this data."""
    parameters = ", ".join(f"{name}: random" for name in PARAMETERS[topology])
    return loads(NETWORK.format(topology=topology, steps=len(x), x=x.tolist(), d=d.tolist(), parameters=parameters))


@pytest.mark.parametrize("topology", PARAMETERS)
@pytest.mark.parametrize(("steps", "count"), [(1, 1), (1, 4), (2, 3), (7, 5)])
def test_more_sequences_and_more_steps(topology: str, steps: int, count: int) -> None:
    """A program made from a short sequence runs on a batch of others; the gradients are the sum over the batch."""
    random = np.random.default_rng(2)
    x, d = random.normal(size=(steps, count, 2)), np.eye(2)[random.integers(2, size=(steps, count))]
    short = network(topology, random.normal(size=(3, 2)), np.eye(2)[[0, 1, 0]])
    names = list(PARAMETERS[topology])
    program = compile_frame(Frame.of(short).resized({"T": steps}).batched(count), [], names)
    arrays = {n: np.asarray(short.given[n, ()], dtype=float) for n in names} | {"x": x, "d": d}
    arrays |= {n: np.zeros((1, count, 3)) for n in program.inputs if n in ("h", "c")}
    found = run(program, arrays)
    total: dict[str, Any] = dict.fromkeys(names, 0.0)
    for at in range(count):
        one = Computation(network(topology, x[:, at], d[:, at]))
        for name in names:
            total[name] = total[name] + one.derivative((name, ()))
    for name in names:
        np.testing.assert_allclose(found[f"∂⁺total/∂{name}"], total[name], rtol=1e-11, atol=1e-13)


def test_gates_are_packed_and_inputs_leave_the_loop() -> None:
    random = np.random.default_rng(2)
    problem = network("lstm", random.normal(size=(3, 2)), np.eye(2)[[0, 1, 0]])
    source = compile_frame(Frame.of(problem), [], list(PARAMETERS["lstm"])).source
    forward = source.partition("for t in range(1, T + 1):")[2].partition("\n        #")[0]
    assert forward.count("np.dot(") == 1  # all four gates read h[t-1] in one product
    assert "x" not in forward.replace("np.", "").replace("max", "").split("#")[0]  # no input is read inside


def test_a_program_is_the_same_every_time() -> None:
    problem = load(EXAMPLES[15])
    frame = Frame.of(problem)
    names = list(dict.fromkeys(name for name, _ in problem.wanted()))
    assert compile_frame(frame, [], names).source == compile_frame(Frame.of(load(EXAMPLES[15])), [], names).source


def test_names_of_documents_are_never_code() -> None:
    """Python's words, generated names and primes as names of a document."""
    problem = loads("""
equations: |
  lambda = np*given
  np' = tanh(lambda) + range
  E = gradient*np'**2 + T_*np'
values: {np: 0.5, given: 2, range: 1, gradient: 3, T_: 0.25}
""")
    for route in ROUTES:
        compared(problem, route)
