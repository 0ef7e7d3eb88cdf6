"""What is printed is what is computed: the folded backward equations, read in again from their text, give the same
numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bptt_solver import load, lower
from bptt_solver.computation import Computation
from bptt_solver.errors import Excerpt, Problems
from bptt_solver.evaluate import Program
from bptt_solver.language.expressions import derivative_parts
from bptt_solver.language.parser import parse_equations
from bptt_solver.problem.names import Resolver, Survey
from bptt_solver.unfold import unfold

HERE = Path(__file__).parent / "acceptance"
DOCUMENTS = sorted([*HERE.glob("documents/*.yaml"), *HERE.glob("documents_extra/*.yaml")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.stem)
def test_the_printed_backward_pass_is_the_computed_one(path: Path) -> None:
    problem = load(path)
    computation = Computation(problem)
    resolver = Resolver(problem.operations, problem.system.maps, Problems())
    equations = [
        resolver.resolve(equation, Survey(equation.right), problem.system.sizes)
        for equation in parse_equations(Excerpt.of(lower(problem, adjoint=True)))
    ]
    ranks = {e.name: problem.system.ranks[derivative_parts(e.name)[1]] for e in equations}
    unfolded = unfold(problem.system.extended(equations, ranks), problem.limits, problem.unfolded)
    shapes = {
        number: computation.shapes[problem.unfolded.number[derivative_parts(name)[1], indices]]
        for number, (name, indices) in enumerate(unfolded.keys)
        if name in ranks and ranks[name] and (derivative_parts(name)[1], indices) in problem.unfolded.number
    }
    program = Program(unfolded, computation.arithmetic, shapes)
    values = program.run(program.extend(computation.values[: len(problem.unfolded.keys)]))
    reached = set()
    for number in unfolded.order:
        name, indices = unfolded.keys[number]
        key = (derivative_parts(name)[1], indices)
        if key in problem.unfolded.number:
            reached.add(key)
            expected = np.asarray(computation.derivative(key), dtype=float)
            np.testing.assert_allclose(
                np.asarray(values[number], dtype=float), expected, rtol=1e-12, atol=1e-300, err_msg=str(key)
            )
    for key in computation.instances():
        if key not in reached:
            assert not np.any(np.asarray(computation.derivative(key), dtype=float)), key
