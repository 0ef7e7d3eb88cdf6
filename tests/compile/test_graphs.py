"""Graphs of numbers without a loop structure: swept level by level, and node by node where levels are narrow."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bptt_solver.api import loads
from bptt_solver.compile import swept
from bptt_solver.compile.gradient import gradient, gradient_for
from bptt_solver.compile.graph import Graph
from bptt_solver.compile.kinds import Kind
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.compile.swept import NumbersByLevel, Swept
from bptt_solver.compile.task import Task
from bptt_solver.computation import Computation
from bptt_solver.problem.problem import Problem

WAYS = ("together", "one by one", "mixed")
FORMS = (
    "{a}*{b}", "{a}*{a}", "{a} + {b}", "{a} - {p}*{b}", "-{a}", "{p}*{a}", "{a}", "{p}", "{a}/(1 + {b}**2)", "{a}**3",
    "(1 + {a}**2)**{q}", "sin({a})*cos({b})", "exp({a}/2)/3", "log(1 + {a}**2)", "sqrt(1 + {a}**2)",
    "tanh({p}*{a} + {b})",
    "sigmoid({a} - {b})", "relu({a}) + relu(-{b})", "softplus({a})", "abs({a} - {p})", "max({a}, {b})", "min({a}, {p})",
    "tan({a}/5)", "{a}*{b}*{c}", "{p}*{a} + {b}/2 - {c}", "1", "{a} + 1", "2*{a}*{a} + {b}", "{a}*{p} - {q}*{a}",
    "stop_gradient({a})*{b}", "erf({a})", "{a} + {b} + {c} + {a}*{b} + 1 + {p} + {c} + {a} + {b} + {a}*{c} - {b}",
)  # fmt: skip


@contextmanager
def way(name: str) -> Iterator[None]:
    """All levels computed together, all nodes one by one, or every second level so."""
    kept = swept.NODE, swept.EDGE, swept.STRETCH, swept._stretches
    try:
        if name == "together":
            swept.NODE = 1e9
        elif name == "one by one":
            swept.NODE, swept.EDGE, swept.STRETCH = 0.0, 0.0, 0.0
        else:
            swept._stretches = _alternating
        yield
    finally:
        swept.NODE, swept.EDGE, swept.STRETCH, swept._stretches = kept


def _alternating(graph: Graph) -> list[tuple[int, int, bool]]:
    pairs = zip(graph.bounds[:-1].tolist(), graph.bounds[1:].tolist(), strict=True)
    return [(low, high, at % 2 == 1) for at, (low, high) in enumerate(pairs)]


def document(seed: int, nodes: int, inputs: int, reach: int) -> str:
    """A graph by chance: operands among the last ``reach`` nodes, some of them twice, some nodes unused."""
    chance = random.Random(seed)
    lines = []
    for at in range(inputs, inputs + nodes):
        names = {k: f"z{chance.randrange(max(0, at - reach), at)}" for k in "abc"}
        if chance.random() < 0.2:
            names["b"] = names["a"]
        numbers = {k: f"{chance.uniform(0.2, 1.5):.3f}" for k in "pq"}
        right = FORMS[chance.randrange(len(FORMS))]
        for key, text in (names | numbers).items():
            right = right.replace("{" + key + "}", text)
        lines.append(
            f"  z{at} = tanh({right})" if chance.random() < 0.5 else f"  z{at} = ({right})/4 + {numbers['p']}/8"
        )
    ends = [f"z{chance.randrange(inputs + nodes)}" for _ in range(chance.choice((1, 3, 20)))]
    lines.append(f"  E = {' + '.join(ends)}")
    values = ", ".join(f"z{k}: {chance.uniform(-1, 1):.3f}" for k in range(inputs))
    equations = "\n".join(lines)
    return f"equations: |\n{equations}\nvalues: {{{values}}}\ntarget: E\n"


def compared(problem: Problem, program: NumbersByLevel) -> None:
    """All values and all ordered derivatives beside the evaluator's."""
    computation = Computation(problem)
    unfolded = problem.unfolded
    values = program.program.run(problem.given)
    rows = program.program.graph.rows
    known = [float(computation.values[n]) for n in range(len(unfolded.keys))]
    np.testing.assert_allclose(values[rows], known, rtol=1e-12, atol=1e-13)
    received = program.program.sweep(values, unfolded.number["E", ()])
    numbers = [computation.derivative_number(key) for key in unfolded.keys]
    wanted = np.array([0.0 if n is None else float(computation.values[n]) for n in numbers])
    np.testing.assert_allclose(received[rows], wanted, rtol=1e-11, atol=1e-12 * max(1.0, np.abs(wanted).max()))


def program(problem: Problem, how: str, library: str = "numpy") -> NumbersByLevel:
    """The program with its levels computed in a certain way."""
    with way(how):
        return NumbersByLevel(Task.gradient(problem), "float64", library)


@pytest.mark.parametrize("how", WAYS)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6), nodes=st.integers(1, 60), inputs=st.integers(1, 5), reach=st.sampled_from([1, 3, 1000])
)
def test_a_graph_agrees_with_the_evaluator(how: str, seed: int, nodes: int, inputs: int, reach: int) -> None:
    problem = loads(document(seed, nodes, inputs, reach))
    compared(problem, program(problem, how))


@pytest.mark.parametrize("reach", [3, 10_000])
@pytest.mark.parametrize("how", WAYS)
def test_a_larger_graph(how: str, reach: int) -> None:
    problem = loads(document(3, 2_000, 10, reach))
    compared(problem, program(problem, how))


@pytest.mark.skipif(find_spec("numba") is None, reason="numba is an extra")
def test_the_same_with_numba() -> None:
    problem = loads(document(3, 24, 4, 9))
    compared(problem, program(problem, "together", "numba"))


def test_libraries() -> None:
    problem = loads(document(3, 1_500, 10, 100))
    assert isinstance(gradient_for(problem, "numpy"), NumbersByLevel)
    assert not isinstance(gradient_for(loads(document(3, 10, 2, 100)), "numpy"), NumbersByLevel)


def test_inner_sums_and_sums_of_nothing() -> None:
    problem = loads("""
equations: |
  a = sum(w[i]*sum(v[j] for j in 1..i-1) for i in 1..4)
  b = sum(w[i] for i in 5..4) + a*w[2]
  E = tanh(a/10)*b + sum(sin(w[i]*v[i]) for i in 1..4) + b**2
values: {w: [0.5, -0.25, 1.5, 0.75], v: [1, 2, -0.5, 0.125]}
sizes: {}
target: E
""")
    for how in WAYS:
        compared(problem, program(problem, how))


def test_a_graph_is_swept_level_by_level() -> None:
    problem = loads(document(5, 600, 10, 1000))
    found = gradient(problem)
    assert isinstance(found, NumbersByLevel) and found.route == "levels" and "def f" in found.source
    computation = Computation(problem)
    for key, value in found(problem.given).items():
        number = computation.unfolded.number.get(key)
        assert value == pytest.approx(
            0.0 if number is None else float(computation.values[number]), rel=1e-11, abs=1e-13
        )


def test_the_same_bits_every_time() -> None:
    texts = document(7, 1_500, 10, 200)
    first, second = (gradient(loads(texts)) for _ in range(2))
    problem = loads(texts)
    once = first(problem.given)
    assert once == first(problem.given) == second(problem.given)


def chain(length: int) -> str:
    """A level for every equation."""
    lines = [f"  z{k} = sin(z{k - 1})*z{k - 2} + 0.5*z{k - 1}" for k in range(2, length)]
    return (
        "equations: |\n"
        + "\n".join(lines)
        + f"\n  E = z{length - 1}/(1 + exp(z0))\nvalues: {{z0: 0.9, z1: 0.8}}\ntarget: E\n"
    )


def test_a_deep_chain_is_one_stretch_of_single_nodes() -> None:
    problem = loads(chain(20_000))
    found = NumbersByLevel(Task.gradient(problem), "float64")
    assert len(found.program._parts) <= 2  # no call of NumPy for any of the 20,000 levels
    compared(loads(chain(500)), NumbersByLevel(Task.gradient(loads(chain(500))), "float64"))


def test_arrays_and_other_numbers_are_left_to_the_rest() -> None:
    problem = loads("equations: E = sum(x)\nvalues: {x: [1, 2]}\n")
    with pytest.raises(NotCompiled, match="64 bits"):
        NumbersByLevel(Task.gradient(problem), "float64")
    assert not isinstance(gradient(loads(document(1, 500, 3, 9)), dtype="float32"), NumbersByLevel)


@pytest.mark.parametrize("how", WAYS)
def test_a_planted_fault_is_found(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cotangents of two operands exchanged."""
    made = Kind.__init__

    def exchanged(self: Kind, *arguments: object) -> None:
        made(self, *arguments)  # type: ignore[arg-type]
        self.pulls.reverse()

    monkeypatch.setattr(Kind, "__init__", exchanged)
    problem = loads("equations: |\n  a = x*y\n  E = a*y + sin(x)\nvalues: {x: 0.5, y: 2}\ntarget: E\n")
    with pytest.raises(AssertionError):
        compared(problem, program(problem, how))


def test_the_rows_of_a_sweep_belong_to_the_last_run() -> None:
    problem = loads(document(2, 50, 3, 9))
    found = Swept(problem.unfolded, problem.unfolded.order)
    values = found.run(problem.given)
    other = {key: value * 2 for key, value in problem.given.items()}
    assert found.run(other) is values
    with pytest.raises(AssertionError):
        found.sweep(values.copy(), problem.unfolded.number["E", ()])
