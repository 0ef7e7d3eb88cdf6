"""The self-check finds planted faults, raises no false alarm, and says what a kink is."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from bptt_solver.computation import Computation
from bptt_solver.problem.problem import load_problem
from bptt_solver.verify import finite_difference, verify

sys.path.insert(0, str(Path(__file__).parent))  # the helpers lie beside the tests

import faults
from faults import FAULTS, differs, document, faulty, graph, scalar_rnn, solved

ACCEPTANCE = Path(__file__).parent / "acceptance"
DOCUMENTS = sorted(ACCEPTANCE.glob("documents*/*.yaml"))
SEEDS = range(100)


@pytest.fixture(scope="module")
def graphs() -> list[Computation]:
    return [solved(graph(seed, 5 + seed % 8)) for seed in SEEDS]


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every system counts as a large one."""
    monkeypatch.setattr("bptt_solver.verify.checking.SMALL", 0)


# ----------------------------------------------------------------------------- no false alarms


@pytest.mark.parametrize("path", DOCUMENTS, ids=[p.stem for p in DOCUMENTS])
def test_documents_are_verified(path: Path) -> None:
    check = verify(Computation(load_problem(path)))
    assert check.passed and check.checked == check.total and not check.notes
    assert check.worst_relative < 1e-11
    assert json.loads(json.dumps(check.as_json(), allow_nan=False)) == check.as_json()


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("path", DOCUMENTS[::4], ids=[p.stem for p in DOCUMENTS[::4]])
def test_documents_are_verified_as_if_they_were_large(path: Path) -> None:
    check = verify(Computation(load_problem(path)))
    assert check.passed and check.checked == check.total
    assert "8 random directions" in check.methods and "local complex step" in check.methods


def test_no_false_alarm(graphs: list[Computation]) -> None:
    more = [solved(graph(seed, 4 + seed % 9)) for seed in range(1000, 1200)]
    assert [c for c in [*graphs, *more] if not verify(c).passed] == []


@pytest.mark.usefixtures("large")
def test_no_false_alarm_in_a_large_system(graphs: list[Computation]) -> None:
    assert {verify(c).status for c in graphs} <= {"verified", "verified_to_digits"}


def test_full_uses_every_route() -> None:
    check = verify(solved(graph(3)), "full")
    assert check.methods == ("complex step", "forward mode", "local complex step")


def test_none() -> None:
    check = verify(solved(graph(3)), "none")
    assert (check.status, check.checked, check.passed) == ("none", 0, True)


def test_the_same_bytes_each_time() -> None:
    first, second = (json.dumps(verify(solved(graph(5))).as_json()) for _ in range(2))
    assert first == second


# ----------------------------------------------------------------------------- planted faults


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found(fault: str, graphs: list[Computation]) -> None:
    claims = [(c, faulty(c, FAULTS[fault], seed)) for seed, c in zip(SEEDS, graphs, strict=True)]
    planted = [(c, claimed) for c, claimed in claims if differs(c, claimed)]
    assert len(planted) > 90
    found = sum(not verify(c, claimed=claimed).passed for c, claimed in planted)
    assert found >= 0.99 * len(planted)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("fault", ["lost path", "factor 1.001"])
def test_planted_faults_are_found_in_large_systems(fault: str, graphs: list[Computation]) -> None:
    claims = [(c, faulty(c, FAULTS[fault], seed)) for seed, c in zip(SEEDS, graphs, strict=True)]
    planted = [(c, claimed) for c, claimed in claims if differs(c, claimed)]
    found = sum(not verify(c, claimed=claimed).passed for c, claimed in planted)
    assert found >= 0.99 * len(planted)


@pytest.mark.parametrize("large_system", [False, True])
def test_the_failure_names_the_node_and_both_numbers(large_system: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large_system:
        monkeypatch.setattr("bptt_solver.verify.checking.SMALL", 0)
    computation = solved(graph(7))
    right = computation.derivative(("z4", ()))
    check = verify(computation, claimed={("z4", ()): 1.001 * right})
    assert check.status == "failed" and check.digits == 0
    (failure,) = check.failures
    assert (failure.text, failure.ours, failure.method) == ("∂⁺E/∂z4", 1.001 * right, "50 digits")
    assert failure.theirs == pytest.approx(right, rel=1e-13)


@pytest.mark.parametrize("edit", [lambda g: 0.0, lambda g: -g], ids=["zeroed", "negated"])
@pytest.mark.parametrize("steps", [10, 30, 60, 100, 200])
def test_vanishing_gradients(steps: int, edit: Any) -> None:
    computation = solved(scalar_rnn(steps, steps))
    start = ("h", (0,))
    right = computation.derivative(start)
    assert 0 < abs(right) < 10 ** (-steps / 8)
    assert verify(computation).passed
    early = [k for k in computation.instances() if k[0] in "ah" and k[1][0] <= steps // 2]
    check = verify(computation, claimed={k: edit(computation.derivative(k)) for k in early})
    assert not check.passed
    alone = verify(computation, claimed={start: edit(right)})
    assert [f.text for f in alone.failures] == ["∂⁺E/∂h[0]"]
    assert alone.failures[0].theirs == pytest.approx(right, rel=1e-9)


MATRIX_RNN = """
sizes: {T: 30}
equations: |
  h[t] = tanh(W @ h[t-1] + x[t]) for t in 1..T
  E = sum(h[T])
values:
  W: {random: {shape: [4, 4], seed: 3, scale: 0.25}}
  x: {random: {shape: [30, 4], seed: 4, scale: 0.5}}
  h[0]: [0.1, 0.2, 0.3, 0.4]
target: E
"""


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.001])
def test_vanishing_gradient_of_a_matrix_rnn(factor: float) -> None:
    computation = solved(MATRIX_RNN)
    right = computation.derivative(("h", (0,)))
    assert 0 < abs(right).max() < 1e-6
    assert verify(computation).passed
    wrong = right.copy()
    wrong[2] *= factor
    check = verify(computation, claimed={("h", (0,)): wrong})
    assert [f.text for f in check.failures] == ["∂⁺E/∂h[0], entry (3)"]


@pytest.mark.parametrize("factor", [0.0, -1.0, 2.0])
@pytest.mark.usefixtures("large")
def test_a_wrong_entry_of_a_large_array(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bptt_solver.verify.checking._LINES", 0)
    text = MATRIX_RNN.replace("[4, 4]", "[40, 40]").replace("[30, 4]", "[30, 40]").replace("T: 30", "T: 3")
    text = text.replace("[30, 40]", "[3, 40]").replace("scale: 0.25", "scale: 0.1")
    computation = solved(text.replace("[0.1, 0.2, 0.3, 0.4]", str([0.01 * k for k in range(40)])))
    assert verify(computation).checked < verify(computation).total
    wrong = computation.derivative(("W", ())).copy()
    wrong[3, 7] *= factor
    assert [f.text for f in verify(computation, claimed={("W", ()): wrong}).failures] == ["∂⁺E/∂W, entry (4,8)"]


WRONG_RULES = """
from bptt_solver.hookspecs import hookimpl
from bptt_solver.records import Activation, Loss


@hookimpl
def bptt_activations():
    yield Activation("bump", "exp(-x**2)", {"x": "-x*result"})
    yield Activation("wrong_square", "x*x", {"x": "3*x"})
    yield Activation("right_square", "x*x", {"x": "2*x"})


@hookimpl
def bptt_losses():
    yield Loss("distance", "sum((y - d)**2)", {"y": "y - d", "d": "2*(d - y)"})
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("plugin") / "rules.py"
    path.write_text(WRONG_RULES, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("large_system", [False, True])
@pytest.mark.parametrize(
    ("equation", "value", "node"),
    [("bump(w*x)", 0.3, "w"), ("wrong_square(w*x)", 3, "w"), ("distance(w*x, 1.5)", 0.5, "w")],
)
def test_a_wrong_rule_is_found(
    equation: str, value: float, node: str, large_system: bool, plugin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large_system:
        monkeypatch.setattr("bptt_solver.verify.checking.SMALL", 0)
    text = document([f"y = {equation}", "E = 2*y"], w=value, x=2)
    check = verify(solved(text, plugins=[plugin]))
    assert not check.passed and f"∂⁺E/∂{node}" in [f.text for f in check.failures]
    right = document(["y = right_square(w*x)", "E = 2*y"], w=value, x=2)
    assert verify(solved(right, plugins=[plugin])).passed


def test_a_wrong_rule_is_found_in_arrays(plugin: str) -> None:
    text = document(["h = tanh(W @ x)", "E = distance(h, d)"], W=[[0.1, 0.2], [0.3, -0.4]], x=[0.5, 1], d=[1, 0])
    check = verify(solved(text, plugins=[plugin]))
    assert {"∂⁺E/∂h, entry (1)", "∂⁺E/∂W, entry (2,1)"} <= {f.text for f in check.failures}


def examples() -> list[tuple[str, str, str, dict[str, float]]]:
    """(document, equation system, mistake, numbers) for the known mistakes whose names are ours."""
    found = []
    rename = {"h0": ("h", (0,)), "w": ("w", ()), "u": ("u", ()), "v": ("v", ())}
    for example in json.loads((ACCEPTANCE / "seed_acceptance.json").read_text(encoding="utf-8"))["examples"]:
        if example["id"] in ("S004-linear", "D-scalar-rnn"):
            for mistake, numbers in example["known_wrong"].items():
                claims = {rename.get(k, (k, ())): v for k, v in numbers.items() if isinstance(v, (int, float))}
                found.append((example["id"], mistake, claims))
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["S004-linear", "D-scalar-rnn"])
def test_known_mistakes_fail(name: str) -> None:
    computation = Computation(load_problem(ACCEPTANCE / "documents" / f"{name}.yaml"))
    known = computation.problem.unfolded.number
    tried = 0
    for example, mistake, numbers in examples():
        claims = {k: v for k, v in numbers.items() if k in known}  # type: ignore[attr-defined]
        wrong = [k for k, v in claims.items() if abs(v - float(computation.derivative(k))) > 1e-9 * abs(v)]
        if example == name and wrong:
            tried += 1
            check = verify(computation, claimed=claims)
            assert not check.passed, mistake
            assert {f.instance for f in check.failures} <= set(wrong), mistake
    assert tried > 20


# ----------------------------------------------------------------------------- exact


def test_exact() -> None:
    computation = solved(document(["y = x**2/3", "E = y/(1 + x) + min(x, 5)"], x="2/7"))
    check = verify(computation)
    assert (check.status, check.digits) == ("exact", 17)
    assert "exact fractions" in check.methods
    right = computation.derivative(("x", ()))
    wrong = verify(computation, claimed={("x", ()): right + Fraction(1, 10**30)})
    assert not wrong.passed and wrong.failures[0].theirs == right


def test_a_rounded_answer_to_an_exact_problem_is_right() -> None:
    computation = solved(document(["y = x**2/3", "E = 2*y"], x="2/7"))
    check = verify(computation, claimed={("x", ()): float(computation.derivative(("x", ())))})
    assert check.status == "verified"


def test_exact_arrays() -> None:
    computation = solved(document(["y = W @ x", "E = dot(y, y)"], W=[[1, 2], [3, 4]], x=["1/2", "1/3"]))
    assert verify(computation).status == "exact"
    wrong = computation.derivative(("W", ())).copy()
    wrong[1, 0] += Fraction(1, 10**30)
    assert [f.text for f in verify(computation, claimed={("W", ()): wrong}).failures] == ["∂⁺E/∂W, entry (2,1)"]


# ----------------------------------------------------------------------------- what float64 cannot tell


def test_a_cancellation_is_settled_by_50_digits() -> None:
    text = document(["u = 1e4*x**2", "w = 1e4*x*sin(x)/cos(y)", "E = exp(x)*u - exp(x)*w"], x=0.01, y=0.0)
    check = verify(solved(text))
    assert check.passed


def test_a_saturated_unit_has_fewer_digits() -> None:
    check = verify(solved(document(["E = tanh(x)"], x=11.0)))
    (limited,) = check.limited
    assert check.status == "verified_to_digits" and "50 digits" in check.methods
    assert 6 <= limited.digits < 9 and check.least_digits == limited.digits
    assert not verify(solved(document(["E = tanh(x)"], x=11.0)), claimed={("x", ()): 1.0001 * 1.1157e-09}).passed


@pytest.mark.parametrize("large_system", [False, True])
def test_a_total_cancellation_is_no_failure(large_system: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large_system:
        monkeypatch.setattr("bptt_solver.verify.checking.SMALL", 0)
    text = document(["h = 0.5*x", "y = 0.7*h + 0.1", "E = y*0.1 - 0.07*h"], x=0.3)
    check = verify(solved(text))
    assert check.passed and check.status == "verified_to_digits"
    assert {x.text for x in check.limited} == {"∂⁺E/∂h", "∂⁺E/∂x"} and check.least_digits == 0


@pytest.mark.parametrize(
    ("equations", "values"),
    [
        (["u = 1e-200*x", "E = 1e-200*u"], {"x": 1.5}),
        (["u = 1e-160*x", "E = 1e-160*u"], {"x": 1.5}),
        (["u = 1e-290*x", "E = sin(u)"], {"x": 1.5}),
        (["E = sigmoid(x)"], {"x": -743.0}),
        (["E = softplus(x)"], {"x": 800.0}),
        (["E = sigmoid(x)"], {"x": 800.0}),
        (["E = x**200"], {"x": -1.01}),
        (["E = sqrt(x) + x**1.5"], {"x": 1e-80}),
    ],
)  # fmt: skip
def test_extreme_numbers_are_no_failure(equations: list[str], values: dict[str, float]) -> None:
    assert verify(solved(document(equations, **values))).status == "verified"


def test_a_stopped_gradient_is_stopped_in_every_route() -> None:
    for level in ("fast", "full"):
        check = verify(solved(document(["y = stop_gradient(x)*x", "E = y + softplus(x)"], x=1.5)), level)
        assert check.status == "verified"


def test_a_route_that_fails_is_a_note() -> None:
    check = verify(solved(document(["y = 10**200*x", "z = y*y/10**200", "E = z*x"], x=3)))
    assert check.status == "exact"
    assert any(note.startswith("not checked by") for note in check.notes)


# ----------------------------------------------------------------------------- kinks


def slopes(text: str) -> tuple[str, dict[str, tuple[float, float, float]], list[tuple[str, str]]]:
    check = verify(solved(text))
    found = {s.text.removeprefix("∂⁺E/∂"): (s.value, s.left, s.right) for s in check.slopes}
    return check.status, found, [(k.name, k.operation) for k in check.kinks]


def test_relu() -> None:
    status, found, kinks = slopes(document(["y = relu(x)", "E = 3*y"], x=0))
    assert (status, found, kinks) == ("kink", {"x": (0, 0, 3)}, [("y", "relu")])


def test_both_slopes_agree_and_the_convention_does_not() -> None:
    check = verify(solved(document(["E = relu(x) - relu(-x)"], x=0.0)))
    (slope,) = check.slopes
    assert (slope.value, slope.left, slope.right) == (0, 1, 1)
    assert slope.smooth and not slope.agrees and check.status == "kink"


def test_a_kink_that_nothing_can_feel() -> None:
    check = verify(solved(document(["y = relu(x)", "E = y*y + x"], x=0)))
    assert check.status == "exact" and [s.agrees for s in check.slopes] == [True]
    assert len(check.kinks) == 1


@pytest.mark.parametrize(
    ("equation", "values", "expected"),
    [
        ("abs(x)", {"x": 0.0}, {"x": (0, -1, 1)}),
        ("max(a, b)", {"a": 2, "b": 2}, {"a": (Fraction(1, 2), 0, 1), "b": (Fraction(1, 2), 0, 1)}),
        ("min(a, b)", {"a": 2, "b": 2}, {"a": (Fraction(1, 2), 1, 0), "b": (Fraction(1, 2), 1, 0)}),
        ("clip(x, 0, 1)", {"x": 1.0}, {"x": (0, 1, 0)}),
        ("2*hard_sigmoid(x)", {"x": -3.0}, {"x": (0, 0, pytest.approx(1 / 3))}),
        ("leaky_relu(x, 0.1)", {"x": 0.0}, {"x": (0.1, 0.1, 1)}),
        ("relu(relu(x)) + abs(-x)", {"x": 0.0}, {"x": (0, -1, 2)}),
        ("max(x)", {"x": [1.0, 1.0]}, {"x, entry (1)": (0.5, 0, 1), "x, entry (2)": (0.5, 0, 1)}),
        ("sum(relu(v[i]*x) for i in 1..2)", {"v": [1.0, -2.0], "x": 0.0},
         {"x": (0, -2, 1), "v[1]": (0, 0, 0), "v[2]": (0, 0, 0)}),
        ("sum(abs(x))", {"x": [0.0, 2.0]}, {"x, entry (1)": (0, -1, 1), "x, entry (2)": (1, 1, 1)}),
    ],
)  # fmt: skip
def test_slopes(equation: str, values: dict[str, Any], expected: dict[str, Any]) -> None:
    status, found, _ = slopes(document([f"E = {equation}"], **values))
    assert status == "kink" and found == expected


@pytest.mark.parametrize("function", ["sigmoid", "softplus", "elu", "softsign", "tanh", "log_sigmoid", "celu"])
def test_a_smooth_function_with_a_kinked_formula(function: str) -> None:
    check = verify(solved(document([f"E = {function}(x)"], x=0.0)))
    assert check.status == "verified" and not check.kinks


def test_a_fault_at_a_kink_is_found() -> None:
    computation = solved(document(["y = relu(x) + z*x", "E = sin(y)"], x=0.0, z=0.7))
    assert verify(computation).status == "kink"
    assert verify(computation, claimed={("x", ()): 0.7007}).status == "failed"


def test_no_false_alarm_among_kinks() -> None:
    seen = set()
    for seed in range(150):
        check = verify(solved(faults.kinked(seed)))
        assert check.passed and check.checked == check.total
        seen.add(check.status)
    assert seen == {"kink", "exact"}


# ----------------------------------------------------------------------------- the rest


def test_finite_difference() -> None:
    computation = solved(document(["z2 = 2*z1", "z3 = 3*z2 + z1", "z4 = 4*z3 + 2*z2 + z1", "E = 4*z4 + 2*z2"], z1=1))
    exact = finite_difference(computation, ("z1", ()), h=Fraction(1, 1000))
    assert (exact.plus, exact.forward, exact.central) == (Fraction(136136, 1000), 136, 136)
    inner = finite_difference(computation, ("z3", ()), h=Fraction(1, 1000))
    assert inner.central == 16
    arrays = solved(document(["y = tanh(W @ x)", "E = sum(y)"], W=[[0.1, 0.2], [0.3, 0.4]], x=[1, 2]))
    found = finite_difference(arrays, ("W", ()), (2, 1), 1e-5)
    assert found.central == pytest.approx(arrays.derivative(("W", ()))[1, 0], rel=1e-8)


def test_wrong_questions() -> None:
    computation = solved(document(["E = 2*x"], x=1))
    with pytest.raises(ValueError, match="level"):
        verify(computation, "quick")
    with pytest.raises(ValueError, match="no instance"):
        verify(computation, claimed={("y", ()): 1})
    with pytest.raises(ValueError, match="shape"):
        verify(computation, claimed={("x", ()): [1, 2]})


def test_import_is_light() -> None:
    code = "import sys, bptt_solver.verify; print(sorted({'numpy', 'sympy', 'mpmath'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_scalar_system_needs_no_numpy() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import faults; from bptt_solver.verify import verify;"
        "verify(faults.solved(faults.graph(1))); print(sorted({'numpy', 'sympy', 'mpmath'} & set(sys.modules)))"
    )
    folder = str(Path(faults.__file__).parent)
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_worst_is_named() -> None:
    check = verify(solved(graph(11)))
    assert check.worst_relative == 0 or check.worst_name.startswith("∂⁺E/∂")
    assert check.digits >= 9 and math.isfinite(check.worst_relative)
