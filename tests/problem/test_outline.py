"""Large regular systems are not unfolded when they are read, and nothing is lost by that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver import api
from bptt_solver.compile.gradient import gradient
from bptt_solver.computation import Computation
from bptt_solver.errors import ProblemError
from bptt_solver.gradients import Gradients
from bptt_solver.problem import outline
from bptt_solver.problem.outline import Outline
from bptt_solver.problem.problem import Problem
from bptt_solver.system import infer_shapes

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/problem.yaml"))
EQUATIONS = """
sizes: {{T: {steps}}}
equations: |
  h[t] = tanh(w*h[t-1] + u*x[t]) for t in 1..T
  e[t] = (h[t] - d)**2 for t in 1..T
  E = sum(e[t] for t in 1..T)
data: {{x: {x}, d: 0.5}}
values: {{"h[0]": 0}}
parameters: {{w: 0.5, u: 0.25}}
"""


def recurrence(steps: int, **changes: tuple[str, str]) -> str:
    """A recurrence over so many steps, with texts replaced."""
    text = EQUATIONS.format(steps=steps, x=[round(0.1 * (t % 7) - 0.3, 3) for t in range(steps)])
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every regular system counts as large."""
    monkeypatch.setattr(outline, "MANY", 0)


def differences(problem: Problem) -> float:
    """How far the program without unfolding is from the evaluator."""
    assert problem.outline is not None and not problem.is_unfolded
    found = gradient(problem, "arrays")(problem.given)
    assert not problem.is_unfolded
    computation = Computation(problem)
    worst = 0.0
    for key, value in found.items():
        known = np.asarray(computation.values[computation.unfolded.number[key]], dtype=float)
        worst = max(worst, float(np.abs(value - known).max() / max(np.abs(known).max(), 1e-300)))
    return worst


def test_a_large_document_is_not_unfolded() -> None:
    problem = bptt_solver.loads(recurrence(7_000))
    assert differences(problem) < 1e-12


def test_a_small_document_is() -> None:
    assert bptt_solver.loads(recurrence(50)).outline is None


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.parent.name)
def test_an_outline_says_what_the_unfolding_says(path: Path, small: None) -> None:
    problem = api.load(path)
    if problem.outline is None:
        return
    there = problem.outline
    wanted, given = problem.wanted(), list(there.given())
    assert not problem.is_unfolded
    unfolded = problem.unfolded
    assert given == [k for n, k in enumerate(unfolded.keys) if unfolded.grounds[n] is None]
    assert set(there.number) == set(unfolded.number) and len(there.number) == len(unfolded.number)
    for number, key in enumerate(unfolded.keys):
        assert there.shapes[there.number[key]] == problem.shapes.get(number, ())
    assert wanted == problem.wanted()


def test_examples_that_have_one(small: None) -> None:
    assert sum(api.load(path).outline is not None for path in EXAMPLES) >= 15


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.parent.name)
def test_programs_are_the_same_with_and_without(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = api.load(path)
    monkeypatch.setattr(outline, "MANY", 0)
    problem = api.load(path)
    if problem.outline is not None:
        try:
            source = gradient(known, "arrays").source
        except Exception as reason:
            with pytest.raises(type(reason)):
                gradient(problem, "arrays")
            return
        assert gradient(problem, "arrays").source == source


WRONG = {
    "reads what is not there": {"a": ("h[t-1]", "h[t-2]")},
    "reads the future": {"a": ("h[t-1]", "h[t+1]")},
    "depends on itself": {"a": ("x[t])", "x[t] + e[t])")},
    "in both directions": {"a": ("h[t-1]", "h[t-1] + g[t+1]"), "b": ("  e[t]", "  g[t] = h[t] for t in 1..T\n  e[t]")},
    "is defined twice": {"a": ("  e[t]", "  h[3] = 1\n  e[t]")},
    "has no such shape": {"a": ("d: 0.5", "d: [0.5, 1.0]"), "b": ("(h[t] - d)**2", "sum((h[t] @ d)**2)")},
    "is not there": {"a": ("sizes", "target: h[7001]\nsizes")},
    "unknown name": {"a": ("sizes", "target: F\nsizes")},
    "not wanted": {"a": ("sizes", "wrt: [v]\nsizes")},
    "no number": {"a": ("sizes", "target: E\nsizes"), "b": ("sum(e[t] for", "sum(e[t]*c for"),
                  "c": ("d: 0.5", "d: 0.5, c: [1.0, 2.0]")},
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_wrong_documents_are_told_as_ever(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = recurrence(7_000, **WRONG[what])
    told = []
    for many in (20_000, 10**9):
        monkeypatch.setattr(outline, "MANY", many)
        with pytest.raises(ProblemError) as error:
            bptt_solver.loads(text)
        told.append(str(error.value))
    assert told[0] == told[1]


def test_limits_are_told_as_ever() -> None:
    from bptt_solver.limits import Limits

    with pytest.raises(ProblemError, match="limit 10,000"):
        bptt_solver.loads(recurrence(7_000), limits=Limits.parse(["instances=10000"]))


@pytest.mark.parametrize("fault", ["_acyclic", "_read", "_shaped"])
def test_each_check_is_needed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one of its checks a wrong document has an outline."""
    what = {"_acyclic": "reads the future", "_read": "reads what is not there", "_shaped": "has no such shape"}[fault]
    result: Any = (lambda self, node, ends: ()) if fault == "_read" else (lambda self, *rest: None)
    if fault == "_read":
        monkeypatch.setattr(outline, "_common", lambda one, other: one if one == other else None)
        monkeypatch.setattr(Outline, "_acyclic", lambda self: None)
    else:
        monkeypatch.setattr(Outline, fault, result)
    assert bptt_solver.loads(recurrence(7_000, **WRONG[what])).outline is not None


@pytest.mark.parametrize("options", [{}, {"memory": "500kB"}, {"dtype": "float32"}])
def test_gradients_by_the_program_alone(options: dict[str, Any]) -> None:
    problem = bptt_solver.loads(recurrence(7_000))
    found = api.gradients(problem, **options)
    assert found.verified and not problem.is_unfolded
    computation = Computation(problem)
    for key, value in found.derivatives.items():
        assert value == pytest.approx(computation.derivative(key), rel=1e-3 if options.get("dtype") else 1e-12)
    for form in ("text", "markdown", "latex", "json"):
        assert "21,0" in api.render_gradients(found, form) or form == "json"


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = bptt_solver.loads(recurrence(7_000))
    found = Gradients(problem)
    found.derivatives["w", ()] *= 1.001
    assert found._checked() > 1e-5


def test_what_is_not_finite_is_an_error() -> None:
    text = recurrence(7_000, a=("tanh(w*h[t-1] + u*x[t])", "3*h[t-1] + u*x[t]"))
    with pytest.raises(ProblemError, match="not a finite number"):
        api.gradients(bptt_solver.loads(text))


def test_shapes_of_an_outline_are_inferred() -> None:
    problem = bptt_solver.loads(recurrence(7_000))
    assert problem.outline is not None
    assert problem.outline.family == dict.fromkeys(infer_shapes(problem.system), ())


def command(path: Path, *options: str) -> str:
    """What the command prints."""
    from click.testing import CliRunner

    from bptt_solver.cli import cli

    done = CliRunner().invoke(cli, [str(path), *options])
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split())


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is very large goes by the program alone, unless more is asked for; so does what is large and asked to."""
    path = tmp_path / "large.yaml"
    path.write_text(recurrence(7_000))
    alone = "no derivation is printed"
    assert alone in command(path, "--backend", "numpy") and alone in command(path, "--memory", "1MB")
    assert "def gradient" in command(path, "--emit", "numpy")
    assert alone not in command(path, "--check", "none")
    monkeypatch.setattr(api, "MOST_DERIVED", 20_000)
    assert alone in command(path)
    assert alone not in command(path, "--steps", "all", "--check", "none", "--detail", "summary")
    assert '"values"' in command(path, "-f", "json", "--check", "none")


def test_what_has_no_program_is_derived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST_DERIVED", 20_000)
    text = recurrence(7_000, a=("tanh(w*h[t-1] + u*x[t])", "3*h[t-1] + u*x[t]"))
    assert api.gradients_if_large(bptt_solver.loads(text), method="bptt") is None
    assert api.gradients_if_large(bptt_solver.loads(recurrence(7_000)), method="bptt") is not None


def test_many_equations_have_no_outline() -> None:
    lines = "".join(f"  z{k} = 2*z{k - 1}\n" for k in range(2, 700))
    text = "equations: |\n" + lines + "values: {z1: 1.0}\n"
    assert bptt_solver.loads(text).outline is None
