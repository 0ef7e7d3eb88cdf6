"""What makes programs fast must not change what they compute: each transformation by itself, and a fault planted in
each check."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest

from bptt_solver.api import load, loads
from bptt_solver.compile.backends import ALONE, on_one_thread, threads_for
from bptt_solver.compile.dialects import NUMPY
from bptt_solver.compile.frame import Frame
from bptt_solver.compile.gradient import gradient, gradient_for
from bptt_solver.compile.program import Compiled, compile_frame
from bptt_solver.compile.sharing import can_take
from bptt_solver.problem.problem import Problem

EXAMPLES = Path(__file__).parents[2] / "examples"


GATES = "".join(f", {kind}_{gate}: random" for gate in "ifgo" for kind in "WUb")
CELL = f"""
network: {{topology: lstm, sizes: {{input: 2, hidden: 3, output: 2}}, steps: 4, output: softmax, loss: cross_entropy}}
data: {{x: [[1, 2], [3, 4], [5, 6], [7, 8]], d: [[0, 1], [1, 0], [0, 1], [1, 0]]}}
parameters: {{W_y: random, b_y: random{GATES}}}
"""


def problem_of(example: str) -> Problem:
    return loads(CELL) if example == "cell" else load(EXAMPLES / example / "problem.yaml")


def program_of(example: str, dialect: str = "numpy", batch: int = 3) -> Compiled:
    problem = problem_of(example)
    names = list(dict.fromkeys(name for name, _ in problem.wanted()))
    return compile_frame(Frame.of(problem).batched(batch), [], names, dialect)


def inputs(program: Compiled, seed: int) -> dict[str, Any]:
    """Arrays of the shapes that the docstring of a program states."""
    random = numpy.random.default_rng(seed)
    found: dict[str, Any] = {}
    for label, box in program.inputs.items():
        line = next(row for row in program.source.splitlines() if row.lstrip().startswith(f"{label!r} "))
        shape = tuple(int(n) for n in line.partition("(")[2].partition(")")[0].split(",") if n.strip())
        assert shape[: len(box)] == tuple(high - low + 1 for low, high in box)
        found[label] = random.uniform(0.1, 0.5, shape)
    return found


def helper(name: str) -> Any:
    """A helper function of NumPy programs."""
    space: dict[str, Any] = {"np": numpy}
    for needed in (*NUMPY.needs.get(name, ()), name):
        exec(NUMPY.helpers[needed], space)
    return space[name]


def test_gates_are_one_call_and_their_slopes_leave_the_loop() -> None:
    source = program_of("cell").source
    body = source[source.index("def gradient") :]
    assert body.count("sigmoid(z_all") == 1
    backward = body[body.index("for t in range(T - 1") :].split("# ∂⁺total/∂b_y")[0]
    assert "np.subtract" not in backward
    assert "rows_of" not in source
    assert "# ∂⁺total/∂i[t,n] = ∂⁺total/∂c[t,n] * g[t,n]" in source  # what is written into another is told there


def test_compilers_keep_entrywise_work_in_the_loop() -> None:
    assert "1 - g[t,n]**2) for all" in program_of("cell").source
    assert "1 - g[t,n]**2) for all" not in program_of("cell", "jax").source


@pytest.mark.parametrize("example", ["07_elman", "16_lstm", "cell"])
def test_results_outlive_the_next_call(example: str) -> None:
    program = program_of(example)
    run = program.load()
    first = run(inputs(program, 1))
    kept = {name: numpy.array(value) for name, value in first.items()}
    run(inputs(program, 2))
    again = run(inputs(program, 1))
    for name, value in kept.items():
        assert numpy.array_equal(first[name], value), name
        assert numpy.array_equal(again[name], value), name


@pytest.mark.parametrize("example", ["07_elman", "16_lstm", "cell"])
def test_sharing_memory_changes_nothing(example: str) -> None:
    program = program_of(example)
    assert "# in its place" in program.source
    given = inputs(program, 3)
    apart = without_sharing(program.source)
    assert same(program.load()(given), apart(given))


def test_sharing_too_much_is_seen() -> None:
    program = program_of("07_elman")
    given = inputs(program, 4)
    known = program.load()(given)
    lines = [
        "    d_h_part = d_a_part" if line.startswith("    d_h_part = np.empty") else line
        for line in program.source.splitlines()
    ]
    assert "    d_h_part = d_a_part" in lines  # both are needed at once
    space: dict[str, Any] = {}
    exec("\n".join(lines), space)
    assert not same(space["make"](numpy.float64)(given), known)


def without_sharing(source: str) -> Any:
    """The program with memory of its own for each array."""
    lines = [
        line.replace(" = ", " = np.empty_like(", 1).replace("  # in its place", ")  # apart", 1)
        if "# in its place" in line
        else line
        for line in source.splitlines()
    ]
    space: dict[str, Any] = {}
    exec("\n".join(lines), space)
    return space["make"](numpy.float64)


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(numpy.allclose(one[k], other[k], rtol=1e-12, atol=1e-14) for k in one)


LOOP = "for t in range(T):"
NEW, OLD = {"new": "", "new_at": ""}, {"old": "", "old_at": ""}


@pytest.mark.parametrize(
    ("lines", "goes"),
    [
        (["np.multiply(old, x, out=new)"], True),
        (["np.subtract(old, old.max(-1), out=new)", "np.exp(new, out=new)"], True),
        (["np.add(x, y, out=new)", "np.multiply(new, old, out=new)"], False),  # read behind the first line
        (["np.dot(old, x, out=new)"], False),  # a product reads entries that it has written
        (["np.dot(rows(old), x, out=rows(new))"], False),
        (["np.multiply(old[1:], x, out=new)"], False),  # at another place
        ([LOOP, "    np.add(x, old_at[t - 1], out=y)", "    np.multiply(x, y, out=new_at[t - 1])"], True),
        ([LOOP, "    np.add(x, old_at[t], out=y)", "    np.multiply(x, y, out=new_at[t - 1])"], False),
        ([LOOP, "    np.add(x, y, out=new_at[t])", "z[...] = old[0]"], False),  # needed later
        (["sigmoid(old, out=new)"], True),
    ],
)
def test_when_an_array_may_take_the_place_of_another(lines: list[str], goes: bool) -> None:
    assert can_take(lines, NEW, OLD) == goes


def test_sigmoid_far_out() -> None:
    sigmoid = helper("sigmoid")
    x = numpy.array([-800.0, -40.0, -1e-3, 0.0, 30.0, 800.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = sigmoid(x)
        assert sigmoid(0.0) == 0.5
    known = numpy.array([0.0, *(1 / (1 + math.exp(-a)) for a in (-40.0, -1e-3, 0.0, 30.0)), 1.0])
    assert numpy.allclose(found, known, rtol=1e-14, atol=0)
    assert sigmoid(x.astype(numpy.float32)).dtype == numpy.float32


@pytest.mark.parametrize("share", [0.05, 0.9])
def test_sums_of_logarithms(share: float) -> None:
    random = numpy.random.default_rng(5)
    p = random.uniform(0.1, 0.9, (4, 3, 7))
    d = random.uniform(0, 1, p.shape) * (random.uniform(0, 1, p.shape) < share)
    p[d == 0] = 0  # no logarithm there
    found = helper("xlogy_sums")(d, p)
    known = [[sum(a * numpy.log(b) for a, b in zip(u, v, strict=True) if a) for u, v in zip(x, y, strict=True)]
             for x, y in zip(d, p, strict=True)]  # fmt: skip
    assert numpy.allclose(found, known, rtol=1e-13)


@pytest.mark.parametrize("example", ["07_elman", "16_lstm", "cell"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_numbers_one_by_one_with_numba(example: str, dtype: str) -> None:
    pytest.importorskip("numba")
    problem = problem_of(example)
    program = gradient_for(problem, "numba", dtype)
    assert program.route == "straight"
    known = gradient(problem, "straight")(problem.given)
    found = program(problem.given)
    assert found.keys() == known.keys()
    for key, value in known.items():
        close = 1e-12 if dtype == "float64" else 2e-4
        scale = numpy.abs(value).max(initial=1e-300)
        assert numpy.abs(numpy.asarray(found[key]) - value).max() <= close * scale, key


def test_one_thread_where_it_is_stated() -> None:
    assert [threads_for(n) for n in (0, ALONE[0] - 1, ALONE[0], ALONE[1] - 1, ALONE[1])] == [0, 0, 1, 1, 0]
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def count(_: Mapping[str, Any]) -> dict[str, Any]:
        pools = threadpoolctl.threadpool_info()
        return {"most": max((p["num_threads"] for p in pools if p["user_api"] == "blas"), default=1)}

    assert on_one_thread(count)({})["most"] == 1
