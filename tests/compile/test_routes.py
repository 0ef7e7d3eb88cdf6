"""Every example and every topology, by every route: values, ordered derivatives, and products of the Hessian.

The oracle is the evaluator; for products of the Hessian its backward pass in complex numbers (a complex step along the
direction), which knows nothing of second-order equations.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers lie beside the tests

from network_documents import NETWORKS, text_of

from bptt_plugins import bptt_topologies
from bptt_solver.api import gradient_program, load, loads
from bptt_solver.arithmetic import ComplexArithmetic
from bptt_solver.compile.gradient import ROUTES, forward, gradient, hessian_product
from bptt_solver.compile.load import load as load_source
from bptt_solver.compile.load import load_all
from bptt_solver.compile.routes import Arrays
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.compile.task import Task
from bptt_solver.computation import Computation
from bptt_solver.errors import ProblemError
from bptt_solver.evaluate import Program
from bptt_solver.problem.problem import Problem

ROOT = Path(__file__).parents[2]
PATHS = [*sorted((ROOT / "examples").glob("*/problem.yaml")), *sorted((ROOT / "tests" / "acceptance").rglob("*.yaml"))]
DOCUMENTS = {path.parent.name if path.name == "problem.yaml" else path.stem: path for path in PATHS}
TOPOLOGIES = [record.name for record in bptt_topologies()]
CHECKS = ("values", "derivatives", "products")
NAMES = [*DOCUMENTS, *(f"{t}:{k}" for t in TOPOLOGIES for k in range(len(NETWORKS.get(t, ())) or 1))]
RAGGED = "range of t depends on another index"
TREE = "a condition on the index of an axis|of several variables or a lookup"
BLOCKS = "block has no form over arrays"
# what the array programs leave to the levels, of the examples and the topologies
LEFT = {
    **dict.fromkeys(("10_sequences", "bidirectional:2", "deep:3", "elman:1", "gru:2"), RAGGED),
    **dict.fromkeys(("lags:1", "lstm:2", "ordered_net:1"), RAGGED),
    **dict.fromkeys(("19_recursive_tree", "tree:0", "tree:1"), TREE),
    **dict.fromkeys(("gru:1", "lstm:1"), BLOCKS),
    "lags:0": "W_h is not given for all indices",
}
LARGE = {"lstm:1": "more than 20,000 operations"}  # for straight-line code
Values = Mapping[tuple[str, tuple[int, ...]], Any]
STEP = 1e-30


@cache
def problem_of(name: str) -> Problem:
    """A document of the repository, or one of a topology."""
    if name in DOCUMENTS:
        return load(DOCUMENTS[name])
    topology, _, at = name.partition(":")
    assert topology in NETWORKS, f"the topology {topology} has no document in tests/compile/network_documents.py"
    return loads(text_of(topology, NETWORKS[topology][int(at)]))


@cache
def evaluated(name: str) -> Computation:
    """The evaluator's values and derivatives."""
    return Computation(problem_of(name))


def direction_of(problem: Problem) -> dict[tuple[str, tuple[int, ...]], Any]:
    """A direction, always the same."""
    random = np.random.default_rng(7)
    return {key: random.normal(size=np.shape(problem.given[key]))[()] for key in Task.product(problem).direction}


@cache
def products_of(name: str) -> Values:
    """The products of the Hessian with the direction, by a complex step."""
    problem, known = problem_of(name), evaluated(name)
    given = {key: np.asarray(value, dtype=complex)[()] for key, value in problem.given.items()}
    for key, along in direction_of(problem).items():
        given[key] = given[key] + 1j * STEP * along
    arithmetic = ComplexArithmetic(problem.operations)
    ahead = Program(problem.unfolded, arithmetic, problem.shapes)
    back = Program(known.unfolded, arithmetic, known.shapes)
    plain = {k: complex(v) if not np.shape(v) else v for k, v in given.items()}
    values = back.run(back.extend(ahead.run(ahead.start(plain))))
    found = {}
    for key in problem.wanted():
        number = known.derivative_number(key)
        found[key] = np.zeros(np.shape(known.value(key))) if number is None else np.imag(values[number]) / STEP
    return found


def expected(name: str, check: str) -> Values:
    """What a program has to give."""
    problem, known = problem_of(name), evaluated(name)
    if check == "values":
        return {problem.unfolded.keys[n]: known.values[n] for n in problem.unfolded.order}
    if check == "products":
        return products_of(name)
    found = {key: known.derivative(base) for key, base in Task.gradient(problem).wanted}
    return {known.target_key: known.value(known.target_key), **found}


def program_of(problem: Problem, check: str, route: str | None = None, dtype: str | None = None) -> Any:
    """A program for a check, as a function of the given values."""
    made: Any = {"values": forward, "derivatives": gradient, "products": hessian_product}[check]
    return made(problem, route=route, dtype=dtype)


def results(program: Any, problem: Problem, check: str) -> Values:
    """What a program gives."""
    found: Values = program(problem.given, direction_of(problem)) if check == "products" else program(problem.given)
    return found


def compare(found: Values, known: Values, allowed: float = 1e-12) -> None:
    """Relative to the largest entry of each; where terms cancel, to a thousandth of the largest of all."""
    assert list(found) == list(known) or set(found) == set(known)
    largest = max((float(np.abs(np.asarray(v, dtype=float)).max(initial=0)) for v in known.values()), default=0.0)
    for key, value in known.items():
        right, ours = np.asarray(value, dtype=float), np.asarray(found[key], dtype=float)
        assert ours.shape == right.shape, key
        scale = max(float(np.abs(right).max(initial=0)), largest / 1000)
        assert np.abs(ours - right).max(initial=0) <= allowed * scale, (key, ours, right)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_every_route_agrees_with_the_evaluator(name: str, check: str) -> None:
    problem = problem_of(name)
    known = expected(name, check)
    for route in ROUTES:
        try:
            program = program_of(problem, check, route)
        except NotCompiled as reason:
            assert route != "levels", reason  # they take everything
            listed = LEFT if route == "arrays" else LARGE
            assert re.search(listed.get(name, "$^" if name not in DOCUMENTS or name[:2].isdigit() else ""), str(reason))
            continue
        assert program.route == route and program.source
        compare(results(program, problem, check), known)


@pytest.mark.parametrize("name", NAMES)
def test_a_route_is_found_for_everything(name: str) -> None:
    program = gradient_program(problem_of(name))
    assert program.route in ROUTES and not program.reason and program.dtype == "float64"
    assert "def " in program.source


def test_every_topology_has_a_document() -> None:
    assert sorted(NETWORKS) == sorted(TOPOLOGIES)


def test_a_topology_without_a_document_is_found() -> None:
    with pytest.raises(AssertionError, match="the topology ring has no document"):
        problem_of("ring:0")


# ---------------------------------------------------------------------------------- faults are found


def faults(source: str) -> Iterator[str]:
    """The text with one sum of it as a difference, in every possible way."""
    for at in [m.start() for m in re.finditer(r" \+ |np\.add\(", source)]:
        line = source[source.rfind("\n", 0, at) + 1 : at]
        if '"""' in line or "#" in line or "range(" in line or line.count("[") > line.count("]"):
            continue  # in a comment, or an index
        here = source[at:]
        yield source[:at] + (here.replace("+", "-", 1) if here.startswith(" +") else here.replace("add", "subtract", 1))


def planted(program: Any, text: str) -> None:
    """Let a program run another text."""
    inner = getattr(program, "program", program) if hasattr(program, "direction") else program
    if inner.route == "straight":
        inner.function = load_source(text, "gradient")
    elif inner.route == "arrays":
        inner.program.source = text
        inner._run = None
    else:
        inner.program._functions = load_all(text, inner.program._functions)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("route", ROUTES)
def test_a_wrong_sign_is_found(route: str, check: str) -> None:
    name = "22_leaky"
    problem, known = problem_of(name), expected(name, check)
    texts = list(faults(program_of(problem, check, route).source))
    texts = texts[:: max(1, len(texts) // 10)]
    found = 0
    for text in texts:
        program = program_of(problem, check, route)
        planted(program, text)
        try:
            compare(results(program, problem, check), known)
        except (AssertionError, ValueError, FloatingPointError):
            found += 1
    assert found and found * 2 >= len(texts)  # some signs stand before zeros, or in what nobody asks for


# ---------------------------------------------------------------------------------- types of numbers


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("route", ["arrays", "levels"])
@pytest.mark.parametrize("name", ["07_elman", "11_deep", "17_gru", "20_encoder_decoder"])
def test_numbers_of_32_bits(name: str, route: str, check: str) -> None:
    problem = problem_of(name)
    program = program_of(problem, check, route, "float32")
    assert program.dtype == "float32"
    found = results(program, problem, check)
    arrays = [value for value in found.values() if np.shape(value)]
    assert arrays and all(value.dtype == np.float32 for value in arrays)
    compare(found, expected(name, check), 3e-5)
    with pytest.raises(NotCompiled, match="64-bit numbers"):
        program_of(problem, check, "straight", "float32")


FROM_FILE = """
network: {topology: elman, sizes: {input: 2, hidden: 3, output: 2}, steps: 3}
parameters: {W_h: {file: weights.npz, key: a}, W_x: {file: weights.npz, key: b}}
"""


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [("float32", "float32", "float32"), ("float16", "float32", "float32"), ("float32", "float64", "float64")],
)
def test_the_type_of_the_data(tmp_path: Path, first: str, second: str, kind: str) -> None:
    """A program computes in the type of the arrays that were read from files; the derivation in 64 bits."""
    random = np.random.default_rng(1)
    arrays = {"a": random.normal(size=(3, 3)).astype(first), "b": random.normal(size=(3, 2)).astype(second)}
    np.savez(tmp_path / "weights.npz", **arrays)
    (tmp_path / "problem.yaml").write_text(FROM_FILE, encoding="utf-8")
    problem = load(tmp_path / "problem.yaml")
    assert problem.given["W_h", ()].dtype == np.float64
    program = gradient_program(problem)
    assert program.dtype == kind
    assert program(problem.given)["∂⁺E/∂W_h", ()].dtype == kind
    assert gradient_program(problem, "numpy").dtype == kind
    assert gradient_program(problem, dtype="float64").dtype == "float64"
    assert gradient_program(problem, "python").dtype == "float64"
    assert gradient_program(problem, "numba").dtype == kind
    for asked in ("float32", "float64"):
        assert f"real = np.{asked}" in Arrays(Task.gradient(problem), asked, "numba").source
    with pytest.raises(ProblemError, match="unknown type of numbers 'float8'"):
        gradient_program(problem, dtype="float8")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command on an example."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "bptt_solver", *arguments],
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=120,
    )  # fmt: skip


def test_the_type_as_the_command_takes_it() -> None:
    done = command(str(DOCUMENTS["07_elman"]), "--backend", "numpy", "--dtype", "float32", "-f", "json")
    assert done.returncode == 0, done.stderr
    program = json.loads(done.stdout)["program"]
    assert (program["dtype"], program["agrees"]) == ("float32", True)
    sweep = expected("07_elman", "derivatives")["∂⁺E/∂W_h", ()]
    found = np.asarray(program["derivatives"]["W_h"], dtype=float)
    assert 0 < np.abs(found - np.asarray(sweep, dtype=float)).max() < 1e-5  # it did compute in 32 bits


def test_the_command_says_why_there_is_no_program() -> None:
    done = command(str(DOCUMENTS["10_sequences"]), "--emit", "numpy")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the range of t depends on another index" in done.stderr


def test_numbers_of_the_document_have_64_bits() -> None:
    assert gradient_program(problem_of("07_elman"), "numpy").dtype == "float64"


# ---------------------------------------------------------------------------------- nothing goes


def test_what_has_no_program_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in every route: the evaluator stands in, and says why."""
    from bptt_solver.compile import gradient as module

    def refuse(*_: object) -> Any:
        raise NotCompiled("the moon is full")

    monkeypatch.setattr(module, "_BY_ROUTE", dict.fromkeys(ROUTES, refuse))
    for name in ("07_elman", "10_sequences", "19_recursive_tree"):
        problem = problem_of(name)
        for check in CHECKS:
            program = program_of(problem, check)
            assert (program.route, program.source, program.reason) == ("evaluated", "", "the moon is full")
            compare(results(program, problem, check), expected(name, check))
        short = program_of(problem, "derivatives", dtype="float32")
        compare(results(short, problem, "derivatives"), expected(name, "derivatives"), 1e-6)
    with pytest.raises(NotCompiled, match="the moon"):
        gradient(problem_of("07_elman"), "levels")


# ---------------------------------------------------------------------------------- layers and steps

LAYERS = """
equations: |
  h[1,t] = tanh(w[1]*h[1,t-1] + v[1]*x[t] + b[1]) for t in 1..T
  h[k,t] = tanh(w[k]*h[k,t-1] + v[k]*h[k-1,t] + b[k]) for k in 2..L, t in 1..T
  E = sum((h[L,t] - d[t])**2 for t in 1..T)
sizes: {L: 3, T: 3}
data: {x: [0.5, -1, 0.25], d: [1, 0, 0.5]}
values: {"h[1,0]": 0.1, "h[2,0]": -0.1, "h[3,0]": 0.2}
parameters: {w: [0.5, 0.25, -0.5], v: [0.5, 1, 0.75], b: [0.1, 0.2, 0.3]}
"""


@pytest.mark.parametrize(
    ("role", "turned", "steps"),
    [(r, u, s) for r in ("data", "values") for u in (False, True) for s in "ts" if (r, u, s) != ("values", True, "s")],
)
def test_layers_are_written_out_and_steps_are_a_loop(role: str, turned: bool, steps: str) -> None:
    """Of two indices with recurrences the time is the loop, even where all shapes are alike and its name is another."""
    text = LAYERS
    if role == "values":  # nothing says what are data
        text = text.replace("values: {", "").replace("data: {", "values: {").replace('0.5]}\n"h', '0.5], "h')
    if turned:
        text = re.sub(r"h\[([^,\]]*),([^\]]*)\]", r"h[\2,\1]", text)
    text = re.sub(r"\bt\b", steps, text)
    problem = loads(text)
    known = Computation(problem)
    for program in (gradient(problem, "arrays"), forward(problem, route="arrays")):
        assert set(re.findall(r"for (\w+) in range", program.source)) == {steps}
        for key, value in program(problem.given).items():
            number = known.unfolded.number[key]
            np.testing.assert_allclose(value, known.values[number], rtol=1e-12)


def test_many_steps_and_no_name_for_them() -> None:
    """Where nothing tells the time, the long index is the loop."""
    text = """
equations: |
  c[i,j] = tanh(w*c[i-1,j] + v*c[i,j-1]) for i in 1..N, j in 1..3
  c[0,j] = 1 for j in 1..3
  c[i,0] = 1 for i in 1..N
  E = c[N,3]**2
sizes: {N: 50}
values: {w: 0.5, v: 0.25}
"""
    problem = loads(text)
    source = gradient(problem, "arrays").source
    assert set(re.findall(r"for (\w+) in range", source)) == {"i"}
    compare(gradient(problem, "arrays")(problem.given), gradient(problem, "levels")(problem.given))


@pytest.mark.parametrize("library", ["numpy", "torch", "jax", "numba"])
@pytest.mark.parametrize("name", ["where", "grid-rnn", "07_elman"])
def test_values_over_other_libraries(name: str, library: str) -> None:
    """Also where a number stands for an array, or one member for a whole family."""
    pytest.importorskip(library)
    problem = problem_of(name)
    program = Arrays(Task.forward(problem), "float64", library)
    compare(program(problem.given), expected(name, "values"))
    assert name != "grid-rnn" or "broadcast_to" in program.source


def test_values_of_some_families() -> None:
    problem = problem_of("07_elman")
    for route in ROUTES:
        found = forward(problem, ["h"], route)(problem.given)
        assert list(found) == [("h", (1,)), ("h", (2,)), ("h", (3,))]


def test_a_direction_that_is_left_out_is_zero() -> None:
    problem = problem_of("07_elman")
    program = hessian_product(problem)
    along = {("W_h", ()): np.eye(*np.shape(problem.given["W_h", ()]))}
    zeros = {key: problem.given[key] * 0 for key in program.direction}
    compare(program(problem.given, along), program(problem.given, {**zeros, **along}))
    assert all(not np.any(v) for v in program(problem.given, {}).values())
