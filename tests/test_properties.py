"""Random systems: what is printed parses back, order does not matter, and the derivatives are those of the values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bptt_solver
from bptt_solver.chain_rule import differentiate
from bptt_solver.errors import Excerpt, Problems
from bptt_solver.language.equations import Equation
from bptt_solver.language.notation.source import equation_to_source
from bptt_solver.language.parser import parse_equations
from bptt_solver.problem.names import Resolver, Survey
from bptt_solver.system import System
from bptt_solver.terms import AdjointEquation

HERE = Path(__file__).parent
DOCUMENTS = sorted((HERE / "acceptance").glob("documents*/*.yaml"))
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# ----------------------------------------------------------------------------- printing


def tree(equation: Equation) -> tuple[object, ...]:
    """All of an equation but where it was written."""
    return equation.name, equation.indices, equation.right, equation.ranges, equation.conditions


def assert_prints_back(equations: Sequence[Equation], system: System) -> None:
    """Each equation, printed and parsed, is the identical tree, once indices are told from names."""
    resolver = Resolver(system.operations, system.maps, Problems())
    for equation in equations:
        printed = equation_to_source(equation)
        (parsed,) = parse_equations(Excerpt.of(printed))
        assert equation_to_source(parsed) == printed
        again = resolver.resolve(parsed, Survey(parsed.right), system.sizes)
        assert tree(again) == tree(equation), printed


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_the_printed_adjoint_of_every_document_parses_back(path: Path) -> None:
    problem = bptt_solver.load(path)
    assert_prints_back(problem.system.equations, problem.system)
    adjoint = differentiate(problem.system, problem.target)
    assert_prints_back([e for e in adjoint.equations if isinstance(e, AdjointEquation)], problem.system)


# ----------------------------------------------------------------------------- random systems

SMALL = st.integers(-3, 3).filter(bool)
NUMBERS = st.floats(-1.5, 1.5).map(lambda x: round(x, 3))


def scalars(draw: st.DrawFn, known: Sequence[str], rational: bool, depth: int = 3) -> str:
    """An expression of earlier names, smooth and finite everywhere."""

    def inner() -> str:
        return scalars(draw, known, rational, depth - 1)

    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(known)) if draw(st.integers(0, 3)) else f"{abs(draw(SMALL))}"
    forms = ["({} + {})", "({} - {})", "{}*{}", "-{}", "({})**2", "{}/(2 + ({})**2)"]
    if not rational:
        forms += ["tanh({})", "sin({})", "exp(-({})**2)", "sigmoid({})", "sqrt(1 + ({})**2)"]
    form = draw(st.sampled_from(forms))
    for _ in range(form.count("{}")):
        form = form.replace("{}", inner(), 1)
    return form


@st.composite
def scalar_systems(draw: st.DrawFn, rational: bool = False) -> tuple[list[str], str]:
    """(lines of equations, the rest of the document)."""
    known = [f"g{k}" for k in range(draw(st.integers(1, 3)))]
    given_numbers = ", ".join(f"{name}: {draw(SMALL if rational else NUMBERS)}" for name in known)
    lines = []
    for k in range(draw(st.integers(1, 5))):
        lines.append(f"z{k} = {scalars(draw, known, rational)}")
        known.append(f"z{k}")
    lines.append("E = " + " + ".join(f"{abs(draw(SMALL))}*{name}" for name in known))
    return lines, f"target: E\nvalues: {{{given_numbers}}}\n"


def vectors(draw: st.DrawFn, known: Sequence[str], depth: int = 3) -> str:
    """A vector of earlier vectors, a square matrix W and a number s."""

    def inner() -> str:
        return vectors(draw, known, depth - 1)

    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(known))
    form = draw(
        st.sampled_from([
            "(W @ {})", "(W.T @ {})", "({} + {})", "({} - {})", "({} * {})", "tanh({})", "(s*{})", "softmax({})",
            "(dot({}, {})*{})", "(outer({}, {}) @ {})", "({}/(2 + tanh(dot({}, v))))", "sigmoid({} - 1/2)",
            "concat(part({}, 2, n), entry({}, 1))", "(1 - ({})**2)",
        ])
    )  # fmt: skip
    for _ in range(form.count("{}")):
        form = form.replace("{}", inner(), 1)
    return form


@st.composite
def vector_systems(draw: st.DrawFn) -> str:
    """A document with vectors, folded in t."""
    size, steps = draw(st.integers(2, 3)), draw(st.integers(1, 3))
    state = vectors(draw, ["h[t-1]", "x[t]", "v"]).replace(", n)", f", {size})")
    last = vectors(draw, ["h[T]", "v", "h[0]"]).replace(", n)", f", {size})")
    entries = st.lists(NUMBERS, min_size=size, max_size=size)

    def rows(count: int) -> list[list[float]]:
        return [draw(entries) for _ in range(count)]

    return f"""equations: |
  h[t] = tanh({state}) for t in 1..T
  E = sum(dot(h[t], x[t])*s for t in 1..T) + dot({last}, v)
target: E
values:
  W: {rows(size)}
  s: {draw(NUMBERS)}
  v: {draw(entries)}
  h[0]: {draw(entries)}
  x: {rows(steps)}
"""


def document(lines: Sequence[str], rest: str) -> str:
    """The text of a document."""
    return "equations: |\n" + "".join(f"  {line}\n" for line in lines) + rest


# ----------------------------------------------------------------------------- another way to compute

NAME = re.compile(r"(?<![\w.'\]])([^\W\d]\w*)(\[[-\d,]+\])?(?!\s*[\w(\[])")
FUNCTIONS: dict[str, Any] = {
    **{name: getattr(np, name) for name in ("exp", "sqrt", "sin", "tanh", "dot", "outer", "sum")},
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softmax": lambda x: np.exp(x - np.max(x.real)) / np.sum(np.exp(x - np.max(x.real))),
    "concat": lambda *parts: np.concatenate([np.atleast_1d(part) for part in parts]),
    "part": lambda v, i, j: v[i - 1 : j],
    "entry": lambda v, i: v[i - 1],
}


def by_complex_step(problem: Any, solution: Any, name: str) -> Any:
    """The ordered derivative with respect to one member: a tiny imaginary number is added where it is computed."""
    lines = [line.partition(" = ")[::2] for line in bptt_solver.lower(problem, unfold=True).splitlines()]
    code = [(left, compile(NAME.sub(lambda m: f"V[{m[0]!r}]", right), "line", "eval")) for left, right in lines]
    defined = {left for left, _ in lines}
    result = np.zeros(np.shape(solution.values[name]))
    for entry in np.ndindex(result.shape):
        known: dict[str, Any] = {}

        def put(where: str, value: Any, entry: Any = entry, known: dict[str, Any] = known) -> None:
            known[where] = np.array(value, dtype=complex)
            if where == name:
                known[where][entry] += 1e-30j

        for where, value in solution.values.items():
            if where not in defined:
                put(where, value)
        for left, right in code:
            put(left, eval(right, {"__builtins__": {}, **FUNCTIONS, "V": known}))
        result[entry] = known[solution.target].imag / 1e-30
    return result


def assert_derivatives(text: str) -> None:
    """Values and derivatives of a document against the other way; the equations print back; the check passes."""
    problem = bptt_solver.loads(text)
    assert_prints_back(problem.system.equations, problem.system)
    adjoint = differentiate(problem.system, problem.target)
    assert_prints_back([e for e in adjoint.equations if isinstance(e, AdjointEquation)], problem.system)
    solution = bptt_solver.solve(problem)
    assert solution.verified
    largest = max(float(np.max(np.abs(d))) for d in solution.ordered_derivatives.values())
    for name, derivative in solution.ordered_derivatives.items():
        np.testing.assert_allclose(
            derivative, by_complex_step(problem, solution, name), rtol=1e-9, atol=1e-12 * (1 + largest), err_msg=name
        )


@quick
@given(scalar_systems())
def test_scalar_derivatives(system: tuple[list[str], str]) -> None:
    assert_derivatives(document(*system))


@quick
@given(vector_systems())
def test_vector_derivatives(text: str) -> None:
    assert_derivatives(text)


@quick
@given(scalar_systems(rational=True), st.randoms(use_true_random=False))
def test_the_order_of_equations_is_irrelevant(system: tuple[list[str], str], random: Any) -> None:
    lines, rest = system
    shuffled = list(lines)
    random.shuffle(shuffled)
    one, other = (bptt_solver.solve(bptt_solver.loads(document(order, rest))) for order in (lines, shuffled))
    assert one.as_dict()["exact"] == other.as_dict()["exact"]
    assert one.values == other.values
    assert one.ordered_derivatives == other.ordered_derivatives
    assert one.check.status == "exact"


@settings(quick, max_examples=20)
@given(scalar_systems())
def test_the_hessian_is_symmetric_and_the_slope_of_the_gradient(system: tuple[list[str], str]) -> None:
    text = document(*system)
    problem = bptt_solver.loads(text)
    solution = bptt_solver.solve(problem, check="none")
    names, rows = solution.hessian()
    scale = 1 + float(np.max(np.abs(rows)))
    np.testing.assert_allclose(rows, np.transpose(rows), rtol=1e-9, atol=1e-11 * scale)
    h = 1e-5
    for k, name in enumerate(names):
        value = solution.values[name]
        sides = []
        for change in (h, -h):
            moved = re.sub(rf"\b{name}: [^,}}]+", f"{name}: {value + change!r}", text)
            gradient = bptt_solver.solve(bptt_solver.loads(moved), check="none").ordered_derivatives
            sides.append(np.array([gradient[other] for other in names]))
        np.testing.assert_allclose(rows[k], (sides[0] - sides[1]) / (2 * h), rtol=1e-4, atol=1e-5 * scale, err_msg=name)


@pytest.mark.parametrize("count", [2, 8, 9, 20])
@pytest.mark.parametrize("form", ["exp({})", "1/{}", "sqrt({})", "tanh({})*g0", "-{}**2/(1 + {})"])
def test_long_sums(form: str, count: int) -> None:
    """A summand of a long sum is not the whole: a rule that uses its result must not take the sum for it."""
    names = [f"g{k}" for k in range(count)]
    line = "E = " + " + ".join(form.replace("{}", name) for name in names)
    numbers = ", ".join(f"{name}: {0.5 + 0.25 * k}" for k, name in enumerate(names))
    assert_derivatives(document([line], f"values: {{{numbers}}}\n"))
