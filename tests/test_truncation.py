"""Truncated backpropagation: the seeds, PyTorch's `detach`, finite differences with the cut values held, messages."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver.analyses import losses as losses_module
from bptt_solver.analyses.truncation import Rule, Truncation, rule_from, rule_from_text, rule_of
from bptt_solver.api import FORMATS
from bptt_solver.computation import Computation
from bptt_solver.errors import ProblemError
from bptt_solver.unfold import instance_text

ROOT = Path(__file__).parents[1]
ACCEPTANCE = ROOT / "tests" / "acceptance"
SEEDS = json.loads((ACCEPTANCE / "seed_acceptance.json").read_text(encoding="utf-8"))
EXAMPLES = {example["id"]: example["expected"] for example in SEEDS["examples"]}
RTOL, ATOL = SEEDS["tolerance"]["rtol"], SEEDS["tolerance"]["atol"]
RULES = ["depth=0", "depth=1", "depth=2", "k1=1", "k1=2", "k1=3", "k1=1,k2=2", "k1=2,k2=3", "k1=2,k2=4", "k1=3,k2=4"]

every_rule = pytest.mark.parametrize("rule", RULES)


@cache
def computation_of(path: Path) -> Computation:
    """A document, solved once."""
    return Computation(bptt_solver.load(path))


def truncated(computation: Computation, rule: str) -> dict[str, Any]:
    """The truncated gradients by name."""
    return {
        instance_text(g.key): np.asarray(g.truncated, dtype=float)
        for g in Truncation(computation, rule_from_text(rule)).gradients
    }


def assert_same(got: Any, want: Any, rtol: float = RTOL, atol: float = ATOL) -> None:
    """The tolerance of the seeds."""
    np.testing.assert_allclose(np.asarray(got, dtype=float), np.asarray(want, dtype=float), rtol=rtol, atol=atol)


# ----------------------------------------------------------------------------- the seeds


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_truncated_gradients_of_the_scalar_network(depth: int) -> None:
    found = truncated(computation_of(ACCEPTANCE / "documents" / "D-scalar-rnn.yaml"), f"depth={depth}")
    for name, value in EXAMPLES["D-scalar-rnn"]["truncated_gradients"][f"at most {depth} steps back"].items():
        assert_same(found[name], value)


@pytest.mark.parametrize("identifier", [i for i, e in EXAMPLES.items() if e.get("gradient_truncated_unfolding")])
def test_the_truncated_unfolding_of_seed_003(identifier: str) -> None:
    """Its T: the last z of the sum over z = 0..T."""
    computation = computation_of(ACCEPTANCE / "documents" / f"{identifier}.yaml")
    expected = EXAMPLES[identifier]["gradient_truncated_unfolding"]
    assert len(expected) >= 3
    for label, gradients in expected.items():
        found = truncated(computation, f"depth={label.partition('..')[2]}")
        for name, value in gradients.items():
            assert_same(found[name], value)


# ----------------------------------------------------------------------------- independent computations

LONG = """\
equations: |
  a[t] = W_x @ x[t] + W_h @ h[t-1] + b   for t in 1..T
  h[t] = tanh(a[t])                      for t in 1..T
  y[t] = W_y @ h[t]                      for t in 1..T
  e[t] = squared_error(y[t], d[t])       for t in 1..T
  E    = sum(e[t] for t in 1..T)
data:
  x: [[1, 0.5], [-0.5, 0.8], [0.3, -1.2], [0.7, 0.1], [-0.9, 0.4], [0.2, 0.6], [1.1, -0.3]]
  d: [[0.5], [-0.2], [0.8], [0.1], [-0.6], [0.9], [0.3]]
parameters:
  W_x: [[0.5, -0.3], [0.2, 0.7]]
  W_h: [[0.9, -0.4], [0.5, 0.8]]
  W_y: [[0.8, -0.6]]
  b: [0.1, -0.2]
  h[0]: [0.3, -0.1]
"""
NAMES = ("W_x", "W_h", "W_y", "b", "h[0]")
STEPS = 7


@cache
def long_computation() -> Computation:
    """Seven steps of a network with two units."""
    return Computation(bptt_solver.loads(LONG))


def reaches(rule: str) -> list[tuple[int, list[int]]]:
    """For each group of losses the last step before which the state is held, and the losses: from the rule's words."""
    given = {name: int(number) for name, _, number in (part.partition("=") for part in rule.split(","))}
    if "depth" in given:
        return [(max(0, t - given["depth"] - 1), [t]) for t in range(1, STEPS + 1)]
    k1, k2 = given["k1"], given.get("k2", given["k1"])
    starts = range(0, STEPS, k1)
    return [(max(0, at - (k2 - k1)), list(range(at + 1, min(at + k1, STEPS) + 1))) for at in starts]


def value_of(name: str) -> Any:
    """A number of the document as an array."""
    key, _, index = name.partition("[")
    return np.array(long_computation().value((key, (int(index[:-1]),) if index else ())), dtype=float)


def losses_with_held_state(held: int, chosen: list[int], changed: dict[str, Any]) -> float:
    """The chosen losses as a function of the parameters, the state after step ``held`` kept at its value."""
    p = {name: changed.get(name, value_of(name)) for name in NAMES}
    h = p["h[0]"] if held == 0 else value_of(f"h[{held}]")
    total = 0.0
    for t in range(held + 1, max(chosen) + 1):
        h = np.tanh(p["W_x"] @ value_of(f"x[{t}]") + p["W_h"] @ h + p["b"])
        if t in chosen:
            total += float(np.sum((p["W_y"] @ h - value_of(f"d[{t}]")) ** 2)) / 2
    return total


@every_rule
def test_finite_differences_with_the_cut_values_held(rule: str) -> None:
    """The definition of truncation: what is cut is replaced by its value."""
    found = truncated(long_computation(), rule)
    step = 1e-5
    for name in NAMES:
        value = value_of(name)
        expected = np.zeros(value.shape)
        for entry in np.ndindex(value.shape):
            for held, chosen in reaches(rule):
                slopes = []
                for change in (step, -step):
                    other = value.copy()
                    other[entry] += change
                    slopes.append(losses_with_held_state(held, chosen, {name: other}))
                expected[entry] += (slopes[0] - slopes[1]) / (2 * step)
        np.testing.assert_allclose(found[name], expected, rtol=1e-7, atol=1e-9, err_msg=f"{rule}: {name}")


@every_rule
def test_pytorch_detaches_the_same(rule: str) -> None:
    torch = pytest.importorskip("torch")
    tensors = {n: torch.tensor(value_of(n), dtype=torch.float64, requires_grad=True) for n in NAMES}
    states = [tensors["h[0]"]]
    for t in range(1, STEPS + 1):
        states.append(forward(torch, tensors, t, states[-1]))
    for held, chosen in reaches(rule):
        h = states[held].detach() if held else tensors["h[0]"]
        total: Any = 0.0
        for t in range(held + 1, max(chosen) + 1):
            h = forward(torch, tensors, t, h)
            if t in chosen:
                y = tensors["W_y"] @ h
                total = total + ((y - torch.tensor(value_of(f"d[{t}]"))) ** 2).sum() / 2
        total.backward()  # adds to the gradients
    found = truncated(long_computation(), rule)
    for name in NAMES:
        assert_same(found[name], tensors[name].grad.numpy(), rtol=1e-12, atol=1e-14)


def forward(torch: Any, tensors: dict[str, Any], t: int, h: Any) -> Any:
    """One step."""
    return torch.tanh(tensors["W_x"] @ torch.tensor(value_of(f"x[{t}]")) + tensors["W_h"] @ h + tensors["b"])


def test_pytorch_s_own_loop_of_chunks() -> None:
    """How truncated backpropagation is usually written: chunks of k steps, `h = h.detach()` between them."""
    torch = pytest.importorskip("torch")
    tensors = {n: torch.tensor(value_of(n), dtype=torch.float64, requires_grad=True) for n in NAMES}
    h = tensors["h[0]"]
    for start in range(0, STEPS, 3):
        loss: Any = 0.0
        for t in range(start + 1, min(start + 3, STEPS) + 1):
            h = forward(torch, tensors, t, h)
            loss = loss + ((tensors["W_y"] @ h - torch.tensor(value_of(f"d[{t}]"))) ** 2).sum() / 2
        loss.backward()
        h = h.detach()
    found = truncated(long_computation(), "k1=3")
    for name in NAMES:
        assert_same(found[name], tensors[name].grad.numpy(), rtol=1e-12, atol=1e-14)


STATEFUL = [
    "04_scalar_rnn",
    "08_many_to_one",
    "10_sequences",
    "11_deep",
    "12_jordan",
    "13_lags",
    "14_narx",
    "16_lstm",
    "17_gru",
    "22_leaky",
]


@every_rule
@pytest.mark.parametrize("name", STATEFUL)
def test_every_topology_by_complex_step_with_the_past_held(name: str, rule: str) -> None:
    """Any recurrence: its forward system is run again with everything up to the cut given, and the chosen losses are
    differentiated by a complex step."""
    computation = computation_of(ROOT / "examples" / name / "problem.yaml")
    found = Truncation(computation, rule_from_text(rule))
    for gradient in found.gradients:
        expected = np.asarray(gradient.full, dtype=float) * 0
        for bound, chosen in found.windows:
            seeds = [found.losses[k] for k in chosen]
            held = {n for n, time in found.time.items() if bound is not None and time <= bound}
            expected = expected + held_slope(computation, gradient.key, seeds, held)
        assert_same(gradient.truncated, expected, rtol=1e-9, atol=1e-13)


def held_slope(computation: Computation, key: Any, seeds: list[Any], held: set[int]) -> Any:
    """The derivative of ``Σ seed · loss`` by every entry of an instance, with the values of ``held`` given."""
    from bptt_solver.arithmetic import ComplexArithmetic
    from bptt_solver.evaluate import Program

    problem = computation.problem
    program = Program(problem.unfolded, ComplexArithmetic(problem.operations), problem.shapes)
    value = np.asarray(computation.value(key), dtype=float)
    result = np.zeros(value.shape)
    for entry in np.ndindex(value.shape):
        moved = value.astype(complex)
        moved[entry] += 1e-30j
        values = program.start({**problem.given, key: moved if value.shape else complex(moved)})
        for at, number in enumerate(problem.unfolded.order):
            if number in held:
                values[number] = computation.values[number]
            else:
                program.run(values, at, last=at + 1)
        result[entry] = sum(np.sum(loss.seed * np.imag(values[loss.number])) for loss in seeds) / 1e-30
    return result


# ----------------------------------------------------------------------------- what follows from the rule


@pytest.mark.parametrize("rule", ["depth=6", "depth=100", "k1=7", "k1=100", "k1=3,k2=100"])
def test_what_reaches_far_enough_cuts_nothing(rule: str) -> None:
    truncation = Truncation(long_computation(), rule_from_text(rule))
    assert not truncation.cuts
    assert truncation.relative == 0
    assert truncation.cosine == 1
    for gradient in truncation.gradients:
        assert_same(gradient.truncated, gradient.full, rtol=0, atol=0)


def test_depth_is_a_band_of_the_table() -> None:
    """The cells with l - s <= depth, added up."""
    from bptt_solver.analyses.contribution_table import ContributionTable

    table = ContributionTable(long_computation())
    found = truncated(long_computation(), "depth=2")
    for name in ("W_x", "W_h", "W_y", "b"):
        split = table.split(name)
        cells = [
            np.asarray(cell)
            for loss, row in enumerate(split.cells)
            for use, cell in enumerate(row)
            if cell is not None and loss - use <= 2
        ]
        assert_same(found[name], sum(cells), rtol=1e-12, atol=1e-15)


def test_the_two_rules_differ() -> None:
    """Windows of 3 are not depth 2: the first loss of a window reaches nothing before it."""
    band, windows = truncated(long_computation(), "depth=2"), truncated(long_computation(), "k1=3")
    assert not np.allclose(band["W_h"], windows["W_h"], rtol=1e-3)
    one, other = truncated(long_computation(), "depth=2"), truncated(long_computation(), "k1=1,k2=3")
    assert_same(one["W_h"], other["W_h"], rtol=1e-14, atol=0)


def test_the_triangle() -> None:
    truncation = Truncation(long_computation(), Rule(None, 2, 3))
    rows = {loss.key[1][0]: kept for loss, kept in truncation.triangle()}
    assert rows[1] == [True, None, None, None, None, None, None]
    assert rows[3] == [False, True, True, None, None, None, None]
    assert rows[4] == [False, True, True, True, None, None, None]
    assert rows[7] == [False, False, False, False, False, True, True]


def test_the_loss_after_a_state_counts_from_its_latest_time() -> None:
    """A loss without a time of its own, at the end of the sequence."""
    truncation = Truncation(computation_of(ROOT / "examples" / "08_many_to_one" / "problem.yaml"), Rule(1))
    assert [loss.time for loss in truncation.losses] == [truncation.end]


def test_forward_values_are_unchanged() -> None:
    problem = bptt_solver.loads(LONG + "truncate: {k1: 2}\n")
    solution = bptt_solver.solve(problem)
    plain = bptt_solver.solve(bptt_solver.loads(LONG))
    assert solution.values == plain.values
    assert solution.ordered_derivatives == plain.ordered_derivatives


# ----------------------------------------------------------------------------- where there is nothing to truncate


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("examples/03_feedforward/problem.yaml", "truncation counts time steps, and there are none here"),
        ("examples/19_recursive_tree/problem.yaml", "truncation counts time steps, and there are none here"),
        ("examples/18_bidirectional/problem.yaml", "which stands later: errors travel forwards in time as well"),
        ("examples/20_encoder_decoder/problem.yaml", "s[0] lies between h[3] and a_s[1]"),
        ("tests/acceptance/documents_extra/two-clocks.yaml", "more than one clock here: the steps"),
    ],
)  # fmt: skip
def test_refused_with_a_reason(path: str, message: str) -> None:
    with pytest.raises(ProblemError) as error:
        Truncation(computation_of(ROOT / path), Rule(1))
    assert message in str(error.value)


# ----------------------------------------------------------------------------- messages

WRONG = [
    ("{depth: -1}", "'depth' must be a whole number from 0 on, got -1", "-1"),
    ("{depth: 1.5}", "'depth' must be a whole number from 0 on, got 1.5", "1.5"),
    ("{depth: true}", "'depth' must be a whole number from 0 on, got true", "true"),
    ("{depth: two}", "'depth' must be a whole number from 0 on, got 'two'", "two"),
    ("{depth: [1]}", "'depth' must be a whole number from 0 on, got a list", "[1]"),
    ("{k1: 0}", "'k1' must be a whole number from 1 on, got 0", "0"),
    ("{k1: 4, k2: 2}", "k2 = 2 is less than k1 = 4", "2}"),
    ("{depth: 1, k1: 2}", "'depth' and 'k1' are two ways to truncate; give one of them", "k1"),
    ("{depth: 1, k2: 2}", "'depth' and 'k2' are two ways to truncate; give one of them", "k2"),
    ("{k2: 2}", "'k2' needs 'k1'", "k2"),
    ("{dept: 2}", "unknown option 'dept' of 'truncate' (did you mean 'depth'?)", "dept"),
    ("{}", "'truncate' needs 'depth', or 'k1' and 'k2' (for example", "{}"),
    ("2", "'truncate' needs options (for example truncate: {depth: 2}", "2"),
]


@pytest.mark.parametrize(("written", "message", "place"), WRONG)
def test_wrong_settings_are_told_with_their_place(written: str, message: str, place: str) -> None:
    line = f"truncate: {written}"
    problem = bptt_solver.loads(LONG + line + "\n", "net.yaml")
    with pytest.raises(ProblemError) as error:
        rule_of(problem.document.settings["truncate"])
    number = LONG.count("\n") + 1
    column = line.index(place, len("truncate: ")) + 1
    assert str(error.value).startswith(f"net.yaml:{number}:{column}: ")
    assert message in str(error.value)


WRONG_TEXTS = [
    ("depth=-1", "--truncate:1:7: 'depth' must be a whole number from 0 on, got -1"),
    ("depth=", "--truncate:1:7: 'depth' must be a whole number from 0 on, got ''"),
    ("depth", "--truncate:1:1: 'depth' is not of the form name=number"),
    ("k1=4, k2=2", "--truncate:1:10: k2 = 2 is less than k1 = 4"),
    ("k1=2,depth=1", "--truncate:1:1: 'depth' and 'k1' are two ways to truncate"),
    ("k1=2,k1=3", "--truncate:1:6: 'k1' stands twice"),
    ("k=2", "--truncate:1:1: unknown option 'k' of 'truncate'"),
    ("k1=٣", "--truncate:1:4: 'k1' must be a whole number from 1 on"),
    ("", "'' is not of the form name=number"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_TEXTS)
def test_wrong_texts_are_told_with_their_place(text: str, message: str) -> None:
    with pytest.raises(ProblemError) as error:
        rule_from_text(text)
    assert message in str(error.value)


def test_rules_from_python() -> None:
    assert rule_from({"depth": 2}).data() == {"depth": 2}
    assert rule_from({"k1": 2}).data() == {"k1": 2, "k2": 2}
    assert rule_from(" k1 = 2 , k2 = 4").data() == {"k1": 2, "k2": 4}
    with pytest.raises(ProblemError, match="truncate cannot be 3"):
        rule_from(3)
    with pytest.raises(ProblemError, match="'depth' must be a whole number"):
        rule_from({"depth": -1})


# ----------------------------------------------------------------------------- as it is printed


@pytest.mark.parametrize("form", [form for form in FORMATS if form not in ("svg", "dot")])
@pytest.mark.parametrize("rule", ["depth=0", "depth=1", "k1=2", "k1=1,k2=2", "k1=2,k2=3", "depth=9"])
@pytest.mark.parametrize("name", ["04_scalar_rnn", "07_elman", "08_many_to_one", "16_lstm"])
def test_every_format(name: str, rule: str, form: str) -> None:
    problem = bptt_solver.load(ROOT / "examples" / name / "problem.yaml")
    text = bptt_solver.solve(problem, check="none", truncate=rule).render(form)
    if form == "json":
        data = json.loads(text)["truncation"]
        assert set(data) == {"rule", "reach", "gradients", "relative_bias", "cosine"}
        assert data["reach"][0]["from"] == 1 or name == "08_many_to_one"
    else:
        words = " ".join(text.split())
        assert "Truncated backpropagation through time" in words
        assert ("Nothing is cut here" in words) == (rule == "depth=9")


def test_the_document_and_the_command_agree() -> None:
    problem = bptt_solver.loads(LONG + "truncate: {k1: 2, k2: 4}\n")
    one = bptt_solver.solve(problem).as_dict()["truncation"]
    other = bptt_solver.solve(bptt_solver.loads(LONG), truncate="k1=2,k2=4").as_dict()["truncation"]
    third = bptt_solver.solve(problem, truncate={"depth": 1}).as_dict()["truncation"]
    assert one == other
    assert third["rule"] == {"depth": 1}
    assert one["reach"][2] == {"losses": ["e[5]", "e[6]"], "from": 3}
    gradient = one["gradients"]["b"]
    assert_same(np.add(gradient["truncated"], gradient["cut"]), long_computation().derivative(("b", ())))
    assert gradient["cut_norm"] == pytest.approx(float(np.linalg.norm(gradient["cut"])))
    full = np.linalg.norm(long_computation().derivative(("b", ())))
    assert gradient["relative_bias"] == pytest.approx(gradient["cut_norm"] / full)


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from bptt_solver.cli import run

    example = str(ROOT / "examples" / "04_scalar_rnn" / "problem.yaml")
    assert run([example, "--truncate", "k1=2", "--by", "both", "--check", "none", "-o", str(tmp_path / "out.txt")]) == 0
    assert "Windows of 2" in (tmp_path / "out.txt").read_text(encoding="utf-8")
    assert run([example, "--truncate", "k1=0"]) == 2
    assert "--truncate:1:4: 'k1' must be a whole number from 1 on, got 0" in capsys.readouterr().err
    document = tmp_path / "net.yaml"
    document.write_text(LONG + "truncate: {depth: -1}\n", encoding="utf-8")
    assert run([str(document)]) == 2
    line = LONG.count("\n") + 1
    assert f"net.yaml:{line}:19: 'depth' must be a whole number from 0 on, got -1" in capsys.readouterr().err


def test_what_follows_the_gradient_is_told_apart() -> None:
    text = bptt_solver.solve(bptt_solver.loads(LONG + "truncate: {depth: 1}\nclip: {norm: 1}\n")).render("text")
    assert "What follows (clip, update) uses the truncated gradients, not those in full." in " ".join(text.split())


# ----------------------------------------------------------------------------- planted faults


def test_a_leaking_cut_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the state at the cut itself not held, the comparison with finite differences would fail."""
    original = Truncation.blocked
    monkeypatch.setattr(Truncation, "blocked", lambda self, bound: original(self, bound - 1))
    with pytest.raises(AssertionError):
        test_finite_differences_with_the_cut_values_held("k1=2")


def test_a_forgotten_window_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    original = losses_module.Sweeps.run

    def faulty(self: Any, chosen: Any, *others: Any) -> Any:
        return original(self, list(chosen)[:1], *others)

    monkeypatch.setattr(losses_module.Sweeps, "run", faulty)
    with pytest.raises(AssertionError):
        test_finite_differences_with_the_cut_values_held("k1=2")


def test_what_nothing_is_cut_from_is_not_touched() -> None:
    """A readout is reached at every depth: what is cut from it is 0, not what another order of summands leaves."""
    network = {"topology": "elman", "sizes": {"input": 2, "hidden": 3, "output": 2}, "steps": 9}
    for seed in range(5):
        computation = Computation(bptt_solver.loads(json.dumps({"network": network, "seed": seed})))
        for rule in RULES:
            for one in Truncation(computation, rule_from_text(rule)).gradients:
                if one.key[0] in ("W_y", "b_y"):
                    assert not np.any(one.cut)
                    assert one.relative == 0
                    assert one.cosine == 1
                else:
                    assert np.any(one.cut)
