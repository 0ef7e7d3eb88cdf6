"""Every example: solved, verified, in every format, its golden solution - and every number found by finite differences.

The finite differences share nothing with the program but the printed equations (`lower --unfold`): these are evaluated
here, with the functions below, once as they are and once for each entry of each member, changed where it is computed.

An example is `examples/NN_name/problem.yaml` and `solution.md`, which is what `bptt-solve problem.yaml -f markdown`
prints; a comment in the first line of the document that names `bptt-solve --second` adds that option. To write the
solutions anew: `pytest tests/test_examples.py --rewrite`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver.api import FORMATS

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(ROOT.glob("examples/*/problem.yaml"))
STEP = 1e-4

every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)

Array = Any
Lines = list[tuple[str, Callable[[Mapping[str, Array]], Array]]]


def softmax(x: Array) -> Array:
    """Positive entries that sum to 1."""
    return np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x)))


FUNCTIONS: dict[str, Callable[..., Array]] = {
    **{
        name: getattr(np, name)
        for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "abs", "sum", "mean", "dot", "outer")
    },
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "identity": lambda x: x,
    "softmax": softmax,
    "concat": lambda *parts: np.concatenate([np.atleast_1d(part) for part in parts]),
    "squared_error": lambda y, d: np.sum((np.asarray(y) - d) ** 2) / 2,
    "cross_entropy": lambda p, d: -np.sum(d * np.log(p)),
    "softmax_cross_entropy": lambda o, d: -np.sum(d * np.log(softmax(o))),
}
NAME = re.compile(r"(?<![\w.'\]])([^\W\d][\w'₀-₉]*)(\[[-\d,]+\])?(?!\s*[\w(\[])")


def options(path: Path) -> list[str]:
    """What the comment in the first line of a document adds to the command: `bptt-solve --second`."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    found = re.search(r"bptt-solve((?: --[a-z-]+)+)", first) if first.startswith("#") else None
    return found[1].split() if found else []


@cache
def solution_of(path: Path) -> Any:
    """An example's solution, with second derivatives where its command asks for them."""
    return bptt_solver.solve(bptt_solver.load(path), check="full", second="--second" in options(path))


def lines_of(path: Path) -> Lines:
    """Each defined member with a function that computes it from earlier ones, in order."""
    result: Lines = []
    for line in bptt_solver.lower(bptt_solver.load(path), unfold=True).splitlines():
        name, _, right = line.partition(" = ")
        code = compile(NAME.sub(lambda found: f"V[{found[0]!r}]", right), line, "eval")
        result.append((name, lambda known, code=code: eval(code, {"__builtins__": {}, **FUNCTIONS, "V": known})))
    return result


def forward(
    lines: Lines, given: Mapping[str, Array], changes: Mapping[tuple[str, tuple[int, ...]], float]
) -> dict[str, Array]:
    """All values, with some entries changed where they are computed."""
    known: dict[str, Array] = {}

    def put(name: str, value: Array) -> None:
        known[name] = np.array(value, dtype=float)
        for (where, entry), change in changes.items():
            if where == name:
                known[name][entry] += change

    for name, value in given.items():
        put(name, value)
    for name, compute in lines:
        put(name, compute(known))
    return known


def setting(path: Path) -> tuple[Lines, dict[str, Array], str]:
    """The lines of an example, what is given, and the target."""
    lines, solution = lines_of(path), solution_of(path)
    defined = {name for name, _ in lines}
    return lines, {name: value for name, value in solution.values.items() if name not in defined}, solution.target


@every_example
def test_it_is_solved_and_verified(path: Path) -> None:
    solution = solution_of(path)
    assert solution.check.status in ("exact", "verified")
    assert solution.check.checked == solution.check.total
    assert not solution.warnings


@every_example
def test_values(path: Path) -> None:
    lines, given, _ = setting(path)
    assert [*given, *(name for name, _ in lines)] == list(solution_of(path).values)
    for name, value in forward(lines, given, {}).items():
        np.testing.assert_allclose(solution_of(path).values[name], value, rtol=1e-12, atol=1e-15, err_msg=name)


@every_example
def test_every_derivative_by_finite_differences(path: Path) -> None:
    lines, given, target = setting(path)
    count = 0
    for name, derivative in solution_of(path).ordered_derivatives.items():
        expected = np.zeros(np.shape(derivative))
        for entry in np.ndindex(expected.shape):

            def slope(h: float, place: tuple[str, tuple[int, ...]] = (name, entry)) -> float:
                plus, minus = (forward(lines, given, {place: change})[target] for change in (h, -h))
                return float((plus - minus) / (2 * h))

            expected[entry] = (4 * slope(STEP) - slope(2 * STEP)) / 3
            count += 1
        np.testing.assert_allclose(derivative, expected, rtol=1e-8, atol=1e-10, err_msg=f"∂⁺{target}/∂{name}")
    assert count >= len(lines)


@every_example
def test_second_derivatives_by_finite_differences(path: Path) -> None:
    if "--second" not in options(path):
        pytest.skip("no second derivatives are asked for")
    lines, given, target = setting(path)
    names, rows = solution_of(path).hessian()
    places = []
    for name in names:
        base, _, entry = name.rpartition(":") if ":" in name else (name, "", "")
        places.append((base, tuple(int(i) - 1 for i in entry.split(",")) if entry else ()))

    def moved(*steps: tuple[int, float]) -> float:
        changes: dict[tuple[str, tuple[int, ...]], float] = {}
        for k, step in steps:
            changes[places[k]] = changes.get(places[k], 0.0) + step
        return float(forward(lines, given, changes)[target])

    h = 1e-3
    for i in range(len(places)):
        for j in range(len(places)):
            corners = [a * b * moved((i, a * h), (j, b * h)) for a in (1, -1) for b in (1, -1)]
            assert rows[i][j] == pytest.approx(sum(corners) / (4 * h * h), rel=1e-4, abs=1e-5), (names[i], names[j])
            assert rows[i][j] == pytest.approx(rows[j][i], rel=1e-12, abs=1e-15)


@every_example
@pytest.mark.parametrize("form", FORMATS)
def test_every_format(path: Path, form: str) -> None:
    text = solution_of(path).render(form)
    assert text.endswith("\n")
    assert text == bptt_solver.solve(bptt_solver.load(path), check="full", second="--second" in options(path)).render(
        form
    )
    if form == "json":
        assert json.loads(text)["ordered_derivatives"] == solution_of(path).ordered_derivatives
    elif form == "text":
        assert [line[0] for line in text.splitlines() if re.match(r"\d [A-Z]", line)] == list("1234567")


@every_example
def test_golden_solution(path: Path, request: pytest.FixtureRequest) -> None:
    command = [
        sys.executable,
        "-P",
        "-m",
        "bptt_solver",
        path.relative_to(ROOT).as_posix(),
        *options(path),
        "-f",
        "markdown",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    golden = path.with_name("solution.md")
    if request.config.getoption("--rewrite"):
        golden.write_text(done.stdout, encoding="utf-8")
    assert done.stdout == golden.read_text(encoding="utf-8"), "pytest tests/test_examples.py --rewrite writes it anew"


def test_the_examples_are_there_in_order() -> None:
    names = [path.parent.name for path in EXAMPLES]
    assert [name[:3] for name in names] == [f"{number:02d}_" for number in range(1, len(names) + 1)]
    assert names[:6] == [
        "01_ordered_variables",
        "02_nonlinear_graph",
        "03_feedforward",
        "04_scalar_rnn",
        "05_matrix_rnn",
        "06_second_derivative",
    ]
    assert [path.parent for path in EXAMPLES] == sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
