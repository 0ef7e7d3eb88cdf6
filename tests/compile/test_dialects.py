"""Programs for NumPy, PyTorch, JAX and Numba: the same numbers as evaluation, in modules that stand alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy
import pytest

from bptt_solver.api import load, loads
from bptt_solver.compile.carried import Carried
from bptt_solver.compile.dialects import NAMES
from bptt_solver.compile.frame import Frame
from bptt_solver.compile.names import Identifiers
from bptt_solver.compile.program import Compiled, compile_frame
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.computation import Computation
from bptt_solver.language.expressions import derivative_name
from bptt_solver.problem.problem import Problem
from bptt_solver.unfold import instance_text

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/problem.yaml"))
DOCUMENTS = sorted((ROOT / "tests" / "acceptance").glob("documents*/*.yaml"))
NOT_COMPILED = {
    "10_sequences": "the range of t depends on another index",
    "19_recursive_tree": "a condition on the index of an axis",
}
SINGLE = ("03_feedforward", "05_matrix_rnn", "16_lstm", "18_bidirectional")  # in float32 as well, where it takes long

BATCHED = """
network: {topology: lstm, sizes: {input: 3, hidden: 4, output: 2}, steps: 3, output: softmax, loss: cross_entropy}
data:
  x: {random: {shape: [3, 3], seed: 1}}
  d: [[1, 0], [0, 1], [1, 0]]
parameters: {W_i: random, U_i: random, b_i: random, W_f: random, U_f: random, b_f: random, W_g: random, U_g: random,
  b_g: random, W_o: random, U_o: random, b_o: random, W_y: random, b_y: random}
"""

ODD_NAMES = """
equations: |
  rows[0] = 1
  np = exp(torch)
  d_h[t] = erf(np*d_h[t-1]) + max(jnp, real) for t in 1..gradient
  lambda' = sum(d_h[t]**2 for t in 1..gradient)*rows[0] + min(φ, dtype)
  E = sqrt(lambda' + 3) + step(z₁, 1/2)
sizes: {gradient: 3}
values: {torch: 0.25, jnp: 0.5, real: 0.125, φ: 0.75, dtype: 2, z₁: 1, "d_h[0]": 0.3}
target: E
"""


@pytest.fixture(scope="session", autouse=True)
def kept_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What Numba compiles goes to a folder of the test run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def compiled(problem: Problem, dialect: str) -> Compiled:
    """The program for what a document asks for."""
    return compile_frame(Frame.of(problem), [], list(dict.fromkeys(name for name, _ in problem.wanted())), dialect)


def stacked(problem: Problem, program: Compiled, dtype: str) -> dict[str, Any]:
    """The given values as the arrays that a program takes."""
    arrays: dict[str, Any] = {}
    for label, box in program.inputs.items():
        family, fixed = program.labels[label]
        members = []
        for free in product(*[range(low, high + 1) for low, high in box]):
            rest = iter(free)
            members.append(problem.given[family, tuple(next(rest) if f is None else f for f in fixed)])
        shape = [high - low + 1 for low, high in box]
        whole = numpy.array([numpy.asarray(m, dtype) for m in members])
        arrays[label] = whole.reshape((*shape, *numpy.shape(members[0])))
    return arrays


def compare(problem: Problem, program: Compiled, dtype: str, tolerance: float) -> None:
    """A program's results against evaluation, relative to the largest entry of each array."""
    results = program.over_numpy(dtype)(stacked(problem, program, dtype))
    computation = Computation(problem)
    assert sorted(results) == sorted(program.outputs)  # JAX sorts them
    seen = 0
    for label, box in program.outputs.items():
        family, fixed = program.labels[label]
        found = numpy.asarray(results[label])
        assert found.dtype == dtype or program.dialect == "numpy"  # where numbers may be Python's
        for free in product(*[range(low, high + 1) for low, high in box]):
            rest = iter(free)
            key = family, tuple(next(rest) if f is None else f for f in fixed)
            expected = numpy.asarray(computation.values[computation.unfolded.number[key]], float)
            value = found[tuple(i - low for i, (low, _) in zip(free, box, strict=True))]
            assert value.shape == expected.shape
            scale = numpy.abs(expected).max(initial=1e-12)
            assert numpy.abs(value - expected).max(initial=0) <= tolerance * scale, key
            seen += 1
    target = problem.target.name, tuple(problem.system.index(i, {}) for i in problem.target.indices)
    wanted = [derivative_name(instance_text(target), name) for name, _ in problem.wanted()]
    assert seen >= 1 and {program.labels[label][0] for label in program.outputs} <= {target[0], *wanted}


@pytest.mark.filterwarnings("ignore:.*is faster on contiguous arrays")  # Numba says what it likes
@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.parent.name)
def test_examples(path: Path, dialect: str) -> None:
    pytest.importorskip(dialect)
    problem = load(path)
    name = path.parent.name
    if name in NOT_COMPILED:
        with pytest.raises(NotCompiled, match=NOT_COMPILED[name]):
            compiled(problem, dialect)
        return
    program = compiled(problem, dialect)
    compare(problem, program, "float64", 1e-12)
    if dialect != "numba" or name in SINGLE:
        compare(problem, program, "float32", 1e-4)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.stem)
def test_documents_of_the_acceptance_tests(path: Path) -> None:
    """Stranger systems, with the two libraries that need no compilation."""
    problem = load(path)
    try:
        program = compiled(problem, "numpy")
    except NotCompiled:
        pytest.skip("has no form over arrays")
    compare(problem, program, "float64", 1e-12)
    pytest.importorskip("torch")
    compare(problem, compiled(problem, "torch"), "float64", 1e-12)


@pytest.mark.parametrize("dialect", NAMES)
def test_many_sequences_and_steps(dialect: str) -> None:
    """A batch of four copies of one sequence has four times its gradient."""
    pytest.importorskip(dialect)
    problem = loads(BATCHED)
    names = list(dict.fromkeys(name for name, _ in problem.wanted()))
    one = compiled(problem, "numpy")
    alone = one.over_numpy()(stacked(problem, one, "float64"))
    count = 4
    program = compile_frame(Frame.of(problem).batched(count), [], names, dialect)
    given = stacked(problem, one, "float64")
    for label, box in program.inputs.items():
        if len(box) > len(one.inputs[label]):
            given[label] = numpy.stack([given[label]] * count, axis=len(box) - 1)
    results = program.over_numpy()(given)
    for label, value in results.items():
        if label.startswith("∂"):
            other = alone["∂⁺E/∂" + label.partition("/∂")[2]]
            numpy.testing.assert_allclose(value, count * other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("dialect", NAMES)
def test_names_that_mean_something_elsewhere(dialect: str) -> None:
    pytest.importorskip(dialect)
    problem = loads(ODD_NAMES)
    compare(problem, compiled(problem, dialect), "float64", 1e-12)


def test_identifiers_differ_as_python_reads_them() -> None:
    words = Identifiers()
    found = [words.of(name) for name in ("φ", "ϕ", "z1", "z₁", "if", "h'", "∂⁺E/∂h", "z[2,·]", "np")]
    assert found == ["φ", "φ_", "z1", "z1_", "if_", "h_prime", "d_h", "z_2", "np_"]


@pytest.mark.parametrize("dialect", NAMES)
def test_a_module_needs_nothing_but_its_library(dialect: str, tmp_path: Path) -> None:
    """It runs in a fresh interpreter that does not know this package."""
    pytest.importorskip(dialect)
    problem = load(ROOT / "examples" / "05_matrix_rnn" / "problem.yaml")
    program = compiled(problem, dialect)
    allowed = {"numpy": {"numpy"}, "torch": {"torch"}, "jax": {"jax"}, "numba": {"numpy", "numba"}}[dialect]
    nodes = list(ast.walk(ast.parse(program.source)))
    imported = {a.name.partition(".")[0] for n in nodes if isinstance(n, ast.Import) for a in n.names}
    imported |= {(n.module or "").partition(".")[0] for n in nodes if isinstance(n, ast.ImportFrom)}
    assert imported <= allowed
    (tmp_path / "emitted.py").write_text(program.source, encoding="utf-8")
    numpy.savez(tmp_path / "given.npz", **stacked(problem, program, "float64"))
    array = {"torch": "emitted.torch.from_numpy(v)"}.get(dialect, "v")
    function = "emitted.make(numpy.float64)" if dialect == "numpy" else "emitted.gradient"
    script = (
        "import numpy, emitted\n"
        "given = dict(numpy.load('given.npz'))\n"
        f"print(float({function}({{k: {array} for k, v in given.items()}})['E']))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, '.')\n{script}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    computation = Computation(problem)
    assert float(ran.stdout) == pytest.approx(float(computation.value(("E", ()))), rel=1e-12)


@pytest.mark.parametrize("dialect", NAMES)
def test_every_equation_is_a_comment(dialect: str) -> None:
    """Each equation that is computed stands in the source once, in the language; those of packed gates too."""
    problem = loads(BATCHED)
    source = compiled(problem, dialect).source
    for line in (
        "# z_f[t] = W_f @ x[t] + U_f @ h[t-1] + b_f for t in 1..T  (section 3)",
        "# c[t] = f[t]*c[t-1] + i[t]*g[t] for t in 1..T  (section 3)",
        "# ∂⁺E/∂W_o = sum(outer(∂⁺E/∂z_o[t], x[t]) for t in 1..T)  (section 6)",
    ):
        assert source.count(f"{line}\n") == 1
    assert "'U_f'  (4, 4)" in source


def test_torch_builds_no_graph() -> None:
    torch = pytest.importorskip("torch")
    problem = load(ROOT / "examples" / "05_matrix_rnn" / "problem.yaml")
    program = compiled(problem, "torch")
    given = {k: torch.tensor(v, requires_grad=True) for k, v in stacked(problem, program, "float64").items()}
    assert not any(v.requires_grad for v in program.load()(given).values())


@pytest.mark.parametrize("fault", [False, True])
def test_jax_loops_do_not_copy_what_they_fill(fault: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of a whole array in each turn is what makes such loops slow; it is there when nothing is handed on."""
    jax = pytest.importorskip("jax")
    if fault:
        monkeypatch.setattr(Carried, "_handed", lambda *arguments: [])
    problem = loads(BATCHED)
    frame = Frame.of(problem).resized({"T": 50}).batched(3)
    program = compile_frame(frame, [], ["U_f"], "jax")
    shapes = {}
    for line in program.source.splitlines():
        parts = line.strip().split("'")
        if line.startswith("    '") and len(parts) == 3:
            shapes[parts[1]] = ast.literal_eval(parts[2].partition("  index")[0].partition("  indices")[0].strip())
    given = {k: jax.ShapeDtypeStruct(shapes[k], "float64") for k in program.inputs}
    text = program.load().lower(given).compile().as_text()
    bodies = [part for part in text.split("\n\n") if "while/body" in part and "fusion(" in part]
    assert bodies
    copied = [line for part in bodies for line in part.splitlines() if " copy(" in line and "f64[5" in line]
    assert bool(copied) == fault, copied[:3]


def test_numba_compiles_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second process finds what the first has compiled."""
    pytest.importorskip("numba")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    problem = load(ROOT / "examples" / "01_ordered_variables" / "problem.yaml")
    program = compiled(problem, "numba")
    program.source += f"# {tmp_path}\n"  # a module of its own
    program.over_numpy()(stacked(problem, program, "float64"))
    files = sorted(p.suffix for p in (tmp_path / "bptt-solver").rglob("*") if p.is_file())
    assert ".nbc" in files and ".nbi" in files and ".py" in files


def test_a_library_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bptt_solver.compile.backends.find_spec", lambda name: None)
    problem = load(ROOT / "examples" / "01_ordered_variables" / "problem.yaml")
    with pytest.raises(NotCompiled, match="pip install torch"):
        compiled(problem, "torch").load()


def test_a_fault_is_seen() -> None:
    """The comparison of these tests finds a wrong sign."""
    problem = load(ROOT / "examples" / "05_matrix_rnn" / "problem.yaml")
    program = compiled(problem, "numpy")
    program.source = program.source.replace("np.subtract(", "np.add(", 1)
    with pytest.raises(AssertionError):
        compare(problem, program, "float64", 1e-12)
