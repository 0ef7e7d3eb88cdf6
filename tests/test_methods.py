"""Other methods than the backward sweep: forward sensitivities (RTRL) and perturbation, against outside numbers,
against each other, and with faults planted in them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

sys.path.insert(0, str(Path(__file__).parent))
from test_properties import by_complex_step, document, scalar_systems, vector_systems

import bptt_solver
from bptt_solver.analyses.methods.costs import backward_cost
from bptt_solver.analyses.methods.perturbation import PerturbationMethod, step_for
from bptt_solver.analyses.methods.rtrl import Carried, Rtrl
from bptt_solver.analyses.methods.wanted import digits, relative
from bptt_solver.cli import run
from bptt_solver.computation import Computation
from bptt_solver.errors import ProblemError
from bptt_solver.language import build
from bptt_solver.language.expressions import Expression, Number
from bptt_solver.language.notation.source import equation_to_source
from bptt_solver.language.pushforwards import Pushforwards
from bptt_solver.limits import Limits

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*/problem.yaml"))
DOCUMENTS = [*EXAMPLES, *sorted((ROOT / "tests" / "acceptance").glob("documents*/*.yaml"))]
SCALAR_RNN = next(path for path in EXAMPLES if path.parent.name.startswith("04"))
MATRIX_RNN = next(path for path in EXAMPLES if path.parent.name.startswith("05"))
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")

FOUR = """\
equations: |
  z2 = 2*z1
  z3 = 3*z2 + z1
  z4 = 4*z3 + 2*z2 + z1
  E = 4*z4 + 2*z2
values: {z1: 1}
"""
ELMAN = """\
network: {topology: elman, sizes: {input: 2, hidden: 3, output: 2}, hidden: tanh, output: softmax, loss: cross_entropy}
data: {x: {random: {shape: [STEPS, 2], seed: 1}}, d: {random: {shape: [STEPS, 2], seed: 2}}}
parameters: {W_x: random, W_h: random, b_h: random, W_y: random, b_y: random}
"""


def computed(text: str, **options: Any) -> Computation:
    return Computation(bptt_solver.loads(text, **options))


def told(text: str | Path, method: str = "rtrl", **options: Any) -> str:
    """What is printed."""
    problem = bptt_solver.load(text) if isinstance(text, Path) else bptt_solver.loads(text)
    return bptt_solver.solve(problem, method=method, **options).render("text")


def found(text: str | Path, method: str = "rtrl", **options: Any) -> dict[str, Any]:
    """The method's part of the JSON output."""
    problem = bptt_solver.load(text) if isinstance(text, Path) else bptt_solver.loads(text)
    result: dict[str, Any] = json.loads(bptt_solver.solve(problem, method=method, **options).render("json"))[method]
    return result


# ----------------------------------------------------------------------------- numbers from outside


def test_the_published_sensitivities() -> None:
    """dh_t/du and dh_t/dw of the three-step network, as its author computed them."""
    seed = json.loads((ROOT / "tests" / "acceptance" / "seed_acceptance.json").read_text(encoding="utf-8"))
    examples = seed["examples"] if isinstance(seed, dict) else seed
    expected = next(e for e in examples if e["id"] == "D-scalar-rnn")["expected"]["rtrl_sensitivities"]
    sensitivities = found(SCALAR_RNN)["sensitivities"]
    for t in ("1", "2", "3"):
        for weight in ("u", "w"):
            assert sensitivities[weight][f"h[{t}]"] == pytest.approx(expected[t][f"dh_d{weight}"], rel=1e-9)
    rounded = [f"{sensitivities['u'][f'h[{t}]']:.6g}" for t in (1, 2, 3)]
    assert rounded == ["0.264248", "-0.120709", "0.0138713"]


def test_a_plain_graph_forwards() -> None:
    sensitivities = found(FOUR)["sensitivities"]
    assert sensitivities["z1"] == {"z2": 2, "z3": 7, "z4": 33, "E": 136}
    assert sensitivities["z2"] == {"z3": 3, "z4": 14, "E": 58}
    assert sensitivities["z3"] == {"z4": 4, "E": 16}
    assert sensitivities["z4"] == {"E": 4}
    text = told(FOUR)
    assert "∂⁺z4/∂z1 = 1 + 4·∂⁺z3/∂z1 + 2·∂⁺z2/∂z1 = 1 + 4·7 + 2·2 = 1 + 28 + 4 = 33" in text
    assert "Equal to the backward sweep (BPTT) exactly: 4 of 4 derivatives." in text


@quick
@given(scalar_systems())
def test_every_node_of_random_graphs_against_complex_step(system: tuple[list[str], str]) -> None:
    """Not only the target's: each sensitivity is the derivative of its node, by another way to compute."""
    problem = bptt_solver.loads(document(*system))
    solution = bptt_solver.solve(problem, check="none", method="rtrl")
    assert solution.verified
    for weight, nodes in solution.as_dict()["rtrl"]["sensitivities"].items():
        for node, value in nodes.items():
            view = SimpleNamespace(values=solution.values, target=node)
            other = float(by_complex_step(problem, view, weight))
            np.testing.assert_allclose(
                value, other, rtol=1e-9, atol=1e-12 * (1 + abs(value)), err_msg=f"{node} {weight}"
            )


@quick
@given(vector_systems())
def test_random_systems_with_arrays(text: str) -> None:
    solution = bptt_solver.solve(bptt_solver.loads(text), check="none", method="rtrl")
    assert solution.verified
    derivatives = solution.as_dict()["rtrl"]["derivatives"]
    largest = max(float(np.max(np.abs(d))) for d in solution.ordered_derivatives.values())
    for name, value in derivatives.items():
        other = solution.ordered_derivatives[name]
        np.testing.assert_allclose(value, other, rtol=1e-10, atol=1e-13 * (1 + largest), err_msg=name)


OPERATIONS = """
sum(v)*s; mean(v*v); norm2(v); dot(v, W@v); dot(W, W)*s; sum(W.T@v); sum(W@W); sum(v + s); sum(W - s); max(v); min(v*s)
sum(max(v,s)); sum(s/v); sum(v/s); sum(v**3); sum(exp(v)*s); logsumexp(v); dot(softmax(v*s),v); sum(-v*s)
dot(log_softmax(v),v); dot(concat(v,s),concat(s,v)); sum(W@tanh(part(v,2,3))); entry(v,2)*s; sum(outer(v,v)@v)
sum(diagonal(W@W)*v); dot(diag(v)@v,v); sum(tanh(concat(s*v))); sum(W@concat(s,entry(v,1))); dot(v.T@W,v.T@W)
sum(clip(v,-s,s)); cross_entropy(softmax(v),v*v); squared_error(v,s*v); sum(xlogy(v*v,v*v)); sum(sigmoid(v)*s)
binary_cross_entropy(sigmoid(v),sigmoid(s*v)); sum(abs(v - s)); sum(sqrt(v)*log(v)); sum(transpose(v)@v)
"""


@pytest.mark.parametrize("formula", re.split(r"; |\n", OPERATIONS.strip()))
def test_every_operation_forwards(formula: str) -> None:
    """What a change does forwards is what comes back backwards, operation by operation."""
    size = 2 if any(w in formula for w in ("W@concat", "part(v")) else 3
    formula = formula.replace("part(v,2,3)", "part(v,1,2)")
    matrix = [[0.3, -0.4, 0.7], [0.2, 0.5, -0.6], [-0.1, 0.8, 0.9]]
    text = (
        f"equations: |\n  E = {formula}\n"
        f"values: {{v: {[0.7, 0.4, 1.1][:size]}, s: 0.6, W: {[row[:size] for row in matrix[:size]]}}}\n"
    )
    try:
        computation = computed(text)
    except ProblemError as error:
        pytest.skip(str(error))
    rtrl = Rtrl(computation)
    assert rtrl.passed
    assert rtrl.compared.worst is not None
    assert rtrl.compared.worst < 1e-12
    assert PerturbationMethod(computation).passed


# ----------------------------------------------------------------------------- against the backward sweep


@every_document
def test_equal_to_the_backward_sweep(path: Path) -> None:
    computation = Computation(bptt_solver.load(path))
    rtrl = Rtrl(computation)
    assert rtrl.passed
    assert rtrl.compared.pairs
    for pair in rtrl.compared.pairs:
        assert pair.error <= 1e-10, (pair.key, pair.entry, pair.ours, pair.theirs)
    perturbation = PerturbationMethod(computation)
    assert perturbation.passed
    assert all(r.kink or r.digits >= 5 for r in perturbation.runs)


@pytest.mark.parametrize("wrt", ["h[2]", "a[1]", "x[3]", "h[0]", "e[2]", "y"])
def test_with_respect_to_any_quantity(wrt: str) -> None:
    computation = Computation(bptt_solver.load(SCALAR_RNN, wrt=[wrt]))
    rtrl = Rtrl(computation)
    assert rtrl.passed
    assert rtrl.wanted


def test_what_the_target_does_not_depend_on() -> None:
    text = "equations: |\n  a = 2*x\n  b = 3*y\n  E = a*a\nvalues: {x: 3, y: 1}\nwrt: [x, y, b]\ntarget: E\n"
    assert found(text)["derivatives"] == {"x": 24, "y": 0, "b": 0}
    assert "Changing y does not change E." in told(text)


def test_one_step_and_one_unit() -> None:
    text = (
        "network: {topology: elman, sizes: {input: 1, hidden: 1, output: 1}, hidden: tanh,"
        " output: identity, loss: squared_error}\n"
        "data: {x: [[0.5]], d: [[1]]}\nparameters: {W_x: [[0.3]], W_h: [[0.2]], b_h: [0.1], W_y: [[0.7]], b_y: [0]}\n"
    )
    assert found(text)["agrees"]
    assert found(text, "perturbation")["agrees"]


def test_fractions_stay_exact() -> None:
    computation = computed("equations: |\n  a = x/3\n  E = a*a + x\nvalues: {x: 1/7}\n")
    rtrl = Rtrl(computation)
    assert rtrl.compared.exact
    assert str(rtrl.compared.pairs[-1].ours) == "65/63"


def test_a_matched_pair_goes_in_one_step() -> None:
    """As in the backward sweep: no division by a probability, which may be 0."""
    text = "equations: |\n  o = W@x\n  p = softmax(o)\n  E = cross_entropy(p, d)\nparameters: {W: [[20, 0], [0, 1]]}\n"
    computation = computed(text + "data: {x: [1, 1], d: [1, 0]}\n")
    rtrl = Rtrl(computation)
    assert rtrl.passed
    (equation,) = (e for e in rtrl.along(("W", ())).system.equations if e.of == "E")
    assert equation_to_source(equation) == "∂⁺E[·]/∂W = dot(p*sum(d) - d, ∂⁺o[·]/∂W)"
    wrt_output = computed(text + "data: {x: [1, 1], d: [1, 0]}\nwrt: p\n")
    assert Rtrl(wrt_output).passed


# ----------------------------------------------------------------------------- planted faults


def scaled(factor: float) -> Callable[..., Expression]:
    """Pushforwards in which every slope that has a square is wrong."""
    right = Pushforwards.of

    def of(self: Pushforwards, template: Any, at: int) -> Expression:
        change = right(self, template, at)
        wrong = "tanh" in str(template.expression) or "power" in str(template.expression)
        return build.mul([Number(factor), change]) if wrong else change

    return of


@pytest.mark.parametrize("factor", [2.0, -1.0, 1.001, 1.0000001])
@pytest.mark.parametrize("path", [SCALAR_RNN, MATRIX_RNN], ids=["scalar", "matrix"])
def test_a_wrong_sensitivity_is_reported(
    path: Path, factor: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Pushforwards, "of", scaled(factor))
    assert run([str(path), "--method", "rtrl"]) == 1
    out, err = capsys.readouterr()
    assert "NOT VERIFIED: ∂⁺E/∂" in out
    assert "forward mode gives" in out
    assert "Equal to the backward sweep" not in out
    assert "NOT VERIFIED" in err
    assert not found(path)["agrees"]


@pytest.mark.parametrize("factor", [2.0, -1.0, 1.001, 1.0001])
def test_a_wrong_sweep_is_reported_by_perturbation(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Computation.derivative
    monkeypatch.setattr(Computation, "derivative", lambda self, key: right(self, key) * factor)
    for path in (SCALAR_RNN, MATRIX_RNN):
        method = PerturbationMethod(Computation(bptt_solver.load(path)))
        assert not method.passed
        assert not Rtrl(Computation(bptt_solver.load(path))).passed


def test_a_kink_is_told_and_not_a_fault() -> None:
    text = "equations: |\n  a = relu(x)\n  E = 3*a\nvalues: {x: 0.0}\n"
    computation = computed(text)
    method = PerturbationMethod(computation)
    assert [(run.kink, run.agrees) for run in method.runs if run.key[0] == "x"] == [(True, True)]
    assert "At a kink the slopes to both sides differ" in told(text, "perturbation")
    assert Rtrl(computation).passed  # the same convention


# ----------------------------------------------------------------------------- costs


def test_costs_counted_by_hand() -> None:
    costs = found(FOUR)["costs"]
    assert costs["bptt"] == {"passes": 1, "multiplications": 4, "kept": 0}  # 4·4, 2·4, 3·16, 2·58
    assert costs["rtrl"]["passes"] == 4
    assert costs["rtrl"]["multiplications"] == 8  # by z3 one, by z2 two, by z1 five
    assert costs["perturbation"] == {"passes": 8, "multiplications": 48, "kept": 3}  # 8 runs of 6
    assert found(FOUR, "perturbation")["costs"] == costs


def test_a_product_of_matrices_is_counted() -> None:
    text = "equations: |\n  o = W@x\n  E = dot(o, o)\nparameters: {W: [[1, 2, 3], [4, 5, 6]]}\ndata: {x: [1, 2, 3]}\n"
    costs = found(text)["costs"]
    assert costs["bptt"]["multiplications"] == 2 + 6  # 2·o, and its outer product with x
    assert costs["rtrl"]["multiplications"] == 6 * (2 + 2)  # x_j is put into its place; 2·dot(o, ·) or twice a dot
    assert costs["perturbation"]["multiplications"] == 2 * 6 * (6 + 2)


def test_memory_of_rtrl_does_not_grow_with_the_length() -> None:
    kept = {}
    for steps in (5, 10, 20):
        costs = Rtrl(computed(ELMAN.replace("STEPS", str(steps)))).costs
        kept[steps] = {c.method: c.kept for c in costs}
    assert kept[5]["rtrl"] == kept[10]["rtrl"] == kept[20]["rtrl"]
    assert kept[20]["bptt"] - kept[10]["bptt"] == 2 * (kept[10]["bptt"] - kept[5]["bptt"]) > 0
    cost = backward_cost(computed(FOUR), [])
    assert (cost.multiplications, cost.kept) == (0, 0)


# ----------------------------------------------------------------------------- limits and messages


def test_too_much_work_is_refused() -> None:
    text = ELMAN.replace("STEPS", "20")
    few = Limits.parse(["elements=4000"])
    with pytest.raises(ProblemError, match=r"forward mode with 26 entries times 221 computed numbers has 5,746 .*"):
        Rtrl(computed(text, limits=few))
    with pytest.raises(ProblemError, match=r"perturbation of 26 entries, two runs of 221 numbers each, has 11,492 .*"):
        PerturbationMethod(computed(text, limits=few))
    assert Rtrl(computed(text, limits=Limits.parse(["elements=5746"]))).passed


def test_progress_is_told() -> None:
    lines: list[str] = []
    values = ", ".join(f"v{k}: {k}" for k in range(250))
    text = f"equations: |\n  E = {' + '.join(f'v{k}' for k in range(250))}\nvalues: {{{values}}}\n"
    bptt_solver.solve(bptt_solver.loads(text), method="rtrl", tell=lines.append, check="none").render("json")
    assert lines == [f"forward sensitivities: {n} of 250 entries" for n in (100, 200)]


def test_unknown_method() -> None:
    with pytest.raises(ProblemError, match=r"unknown method 'rtlr'.*did you mean 'rtrl'"):
        bptt_solver.solve(bptt_solver.loads(FOUR), method="rtlr")


def test_a_sensitivity_that_is_no_number() -> None:
    """Backwards the small factors come first; forwards the large ones do."""
    text = 'equations: |\n  a[t] = 1e200*a[t-1] for t in 1..2\n  E = 1e-200*(1e-200*a[2])\nvalues: {"a[0]": 1e-300}\n'
    with pytest.raises(ProblemError) as caught:
        found(text)
    assert "forward sensitivities by a[0]: ∂⁺a[2]/∂a[0] is not a finite number: larger than" in str(caught.value)


# ----------------------------------------------------------------------------- what is printed

SOME = [path for path in EXAMPLES if path.parent.name[:2] in ("01", "04", "05", "07", "11", "16", "20")]


@pytest.mark.parametrize("method", ["rtrl", "perturbation"])
@pytest.mark.parametrize("path", SOME, ids=lambda path: path.parent.name)
def test_all_formats(path: Path, method: str) -> None:
    solution = bptt_solver.solve(bptt_solver.load(path), method=method)
    assert solution.verified
    text, markdown, latex = (solution.render(f) for f in ("text", "markdown", "latex"))
    headings = re.findall(r"^([1-7]) ([\w ]+?)(?: \(|$)", text, re.MULTILINE)
    assert [number for number, _ in headings] == list("1234567")
    assert [name for _, name in headings][:4] == ["Given", "Order", "Forward values", "Local partials"]
    assert headings[6][1] == "Check"
    assert headings[4][1] == {"rtrl": "Forward sweep", "perturbation": "Perturbed runs"}[method]
    for n, name in headings:
        assert f"## {n} {name}" in markdown
        assert name in latex
    assert not any("[·]" in told for told in (text, markdown, latex))
    data = solution.as_dict()
    assert data[method]["agrees"]
    assert list(data[method]["derivatives"])
    assert json.loads(solution.render("json"))[method] == json.loads(json.dumps(data[method]))


def test_the_recurrences_come_first() -> None:
    text = told(SCALAR_RNN)
    lines = [line.strip() for line in text.splitlines()]
    folded = next(k for k, line in enumerate(lines) if line.startswith("∂⁺a_t/∂u = h_{t−1} + u·∂⁺h_{t−1}/∂u"))
    assert lines[folded].endswith("t = 1..T")
    assert lines[folded + 1].startswith("∂⁺h_t/∂u = (1 − h_t²)·∂⁺a_t/∂u")
    number = next(k for k, line in enumerate(lines) if "∂⁺h_1/∂u = (1 − h_1²)·∂⁺a_1/∂u =" in line)
    assert number > folded
    assert lines[number].endswith("= (1 − (−0.345214)²)·0.3 = 0.264248")
    assert "They start from ∂⁺h_0/∂u = 0: changing u does not change what is given." in text
    assert "∂⁺E/∂u = ∂⁺e_1/∂u + ∂⁺e_2/∂u + ∂⁺e_3/∂u = −0.137186 + 0.0659851 + 0.00366250 = −0.0675382" in text


def test_a_chosen_entry() -> None:
    text = told(MATRIX_RNN, entries=["W_x:2,1"])
    assert "∂⁺a_t/∂W_x[2,1] = ∂a_t/∂W_x[2,1] + W_h ∂⁺h_{t−1}/∂W_x[2,1]" in text
    assert "∂a_t/∂W_x[2,1] has x_t[1] as entry 2 and zeros elsewhere." in text
    assert "∂⁺h_t/∂W_h[" not in text


def test_a_long_sequence_is_a_table() -> None:
    text = told(ELMAN.replace("STEPS", "30"))
    assert re.search(r"^ +t +∂⁺a_t/∂W_h\[1,2\]", text, re.MULTILINE)
    assert re.search(r"^ +30 ", text, re.MULTILINE)
    assert "--steps all prints every line" in text


def test_only_a_forward_pass_in_time_is_called_real_time() -> None:
    both = next(path for path in EXAMPLES if path.parent.name.startswith("18"))
    assert "RTRL carries" in told(SCALAR_RNN)
    assert "RTRL carries" not in told(both)


def test_steps_and_digits() -> None:
    assert step_for(0.0) == step_for(-9.9) == 1e-5
    assert step_for(250.0) == pytest.approx(1e-3)
    assert digits(0.0) == 16
    assert digits(2e-10) == 9
    assert digits(float("inf")) == 0
    assert relative(1, 1) == 0
    assert relative(2.0, 1.0) == 0.5


def test_sensitivities_are_made_once_for_all_entries() -> None:
    computation = Computation(bptt_solver.load(MATRIX_RNN))
    carried = Carried(computation, ("W_h", ()))
    one, other = carried.along((0, 0)), carried.along((1, 1))
    total = computation.derivative(("W_h", ()))
    assert carried.target(one) == pytest.approx(total[0, 0])
    assert carried.target(other) == pytest.approx(total[1, 1])
