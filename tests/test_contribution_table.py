"""The contribution table: the numbers of the seeds, and sums that must agree on every system that there is."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver.analyses import contribution_table
from bptt_solver.analyses.contribution_table import BY, ContributionTable
from bptt_solver.analyses.losses import losses_of
from bptt_solver.api import FORMATS
from bptt_solver.arithmetic import is_array
from bptt_solver.asked import Asked, analyses
from bptt_solver.computation import Computation
from bptt_solver.errors import ProblemError
from bptt_solver.steps.times import Times
from bptt_solver.unfold import instance_text

ROOT = Path(__file__).parents[1]
ACCEPTANCE = ROOT / "tests" / "acceptance"
SEEDS = json.loads((ACCEPTANCE / "seed_acceptance.json").read_text(encoding="utf-8"))
EXAMPLES = {example["id"]: example["expected"] for example in SEEDS["examples"]}
RENAMES = json.loads((ACCEPTANCE / "renames.json").read_text(encoding="utf-8"))
DOCUMENTS = [
    *sorted((ACCEPTANCE / "documents").glob("*.yaml")),
    *sorted((ACCEPTANCE / "documents_extra").glob("*.yaml")),
    *sorted((ROOT / "examples").glob("*/problem.yaml")),
]
RTOL, ATOL = SEEDS["tolerance"]["rtol"], SEEDS["tolerance"]["atol"]

every_document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: path.stem if path.stem != "problem" else path.parent.name
)


def having(key: str) -> pytest.MarkDecorator:
    """Parametrize over the seeds whose expectations have ``key``."""
    return pytest.mark.parametrize("identifier", [i for i, e in EXAMPLES.items() if e.get(key)])


@cache
def computation_of(path: Path) -> Computation:
    """A document, solved once."""
    return Computation(bptt_solver.load(path))


@cache
def table_of(identifier: str, by: str = "both") -> ContributionTable:
    """A seed's table."""
    return ContributionTable(computation_of(ACCEPTANCE / "documents" / f"{identifier}.yaml"), by)


def our_name(identifier: str, key: str) -> str:
    """The name by which the language knows an entry of the data."""
    return str(RENAMES["names"].get(identifier, {}).get(key, key.replace("n=", "")))


def same(got: Any, want: Any) -> bool:
    """Whether two numbers or nested lists agree in every entry."""
    first, second = np.asarray(got, dtype=float), np.asarray(want, dtype=float)
    return first.shape == second.shape and bool(np.allclose(first, second, rtol=RTOL, atol=ATOL))


def time_of(user: str) -> str:
    """The last index of a name: its time."""
    return user.partition("[")[2].rstrip("]").split(",")[-1]


@having("contributions_by_loss_and_use")
def test_the_cells_of_the_seeds(identifier: str) -> None:
    data = table_of(identifier).data()
    names = [loss["name"] for loss in data["losses"]]
    for loss, weights in EXAMPLES[identifier]["contributions_by_loss_and_use"].items():
        row = names.index(our_name(identifier, loss))
        for weight, expected in weights.items():
            split = data["gradients"][our_name(identifier, weight)]
            shape = np.shape(split["total"])
            found: dict[str, Any] = {}
            for user, cell in zip(split["uses"], split["cells"][row], strict=True):
                value = np.zeros(shape) if cell is None else np.asarray(cell)
                found[time_of(user)] = found.get(time_of(user), 0.0) + value
            for time in dict.fromkeys([*found, *expected]):  # the data leave out what is zero
                assert same(found.get(time, np.zeros(shape)), expected.get(time, np.zeros(shape))), (loss, weight, time)


@having("error_signals_by_loss")
def test_the_error_signals_of_the_seeds(identifier: str) -> None:
    data = table_of(identifier, "loss").data()
    expected = EXAMPLES[identifier]["error_signals_by_loss"]
    nodes = dict.fromkeys(node for signals in expected.values() for node in signals)
    for loss, signals in expected.items():
        ours = data["error_signals"][our_name(identifier, loss)]
        for node, value in signals.items():
            assert same(ours[our_name(identifier, node)], value), (loss, node)
        for node in nodes:  # where no path leads there is nothing, rather than a zero
            assert (our_name(identifier, node) in ours) == (node in signals), (loss, node)


def test_the_blue_and_the_red_part() -> None:
    """Seed 000: the error from the next layer at the same time, and from the same layer at the next time."""
    table = table_of("S000-deep-rnn", "use")
    (parts,) = [p for p in table.parts if p.node.name == "a"]
    blue = next(k for k, p in enumerate(parts.parts) if p.user.name == "z" and p.shift == 0)
    red = next(k for k, p in enumerate(parts.parts) if p.user.name == "z" and p.shift == 1)
    rows = {key[1]: (values, users) for key, values, users, _ in parts.rows}
    for place, expected in EXAMPLES["S000-deep-rnn"]["blue_red"].items():
        layer, time = map(int, place.strip("()").split(","))
        values, users = rows[layer, time]
        next_layer, next_time = values[blue], values[red]
        assert next_layer is not None
        assert same(values[blue], expected["blue_from_next_layer"])
        assert users[blue] == ("z", (layer + 1, time))
        next_time = 0 * next_layer if next_time is None else next_time
        assert same(next_time, expected["red_from_next_time"])
        delta = table.computation.derivative(("z", (layer, time)))
        assert same((next_layer + next_time) * np.asarray(expected["act_prime"]), expected["delta"])
        assert same(delta, expected["delta"])
    entries = {entry["name"]: entry["parts"] for entry in table.data()["error_signals_by_user"]}
    assert [(part["user"], part["later"]) for part in entries["a[1,1]"]] == [("z[k+1,t]", 0), ("z[k,t+1]", 1)]


@every_document
def test_everything_adds_up(path: Path) -> None:
    """Rows, columns and total against the ordinary sweep; the terms by user against the signals."""
    computation = computation_of(path)
    table = ContributionTable(computation, "use")
    assert table.passed
    assert table.off < 1e-12
    for split in table.splits:
        gradient = np.asarray(computation.derivative(split.key), dtype=float)
        for sums in (split.rows, split.columns):
            total = sum(np.asarray(value, dtype=float) for value in sums)
            np.testing.assert_allclose(total, gradient, rtol=1e-9, atol=1e-12)
    for parts in table.parts:
        for _key, values, users, total in parts.rows:
            assert [v is None for v in values] == [u is None for u in users]
            found = sum(np.asarray(v, dtype=float) for v in values if v is not None)
            np.testing.assert_allclose(found, np.asarray(total, dtype=float), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("identifier", ["D-scalar-rnn", "S001-bidirectional", "S000-two-sequences", "X-lstm-scalar"])
def test_a_row_is_the_gradient_of_its_loss(identifier: str) -> None:
    """Each loss as the target of a document of its own."""
    table = table_of(identifier)
    text = (ACCEPTANCE / "documents" / f"{identifier}.yaml").read_text(encoding="utf-8")
    for row, loss in enumerate(table.loss_names()):
        alone = Computation(bptt_solver.loads(text, target=loss))
        for split in table.splits:
            assert same(split.rows[row], alone.derivative(split.key)), (loss, split.key)


def moved(text: str, name: str, value: float, use: int, change: float) -> float:
    """The last loss of the tiny network below, with one use of ``u`` changed; plain Python."""
    h, u, x, d = 0.3, 0.8, (-0.5, 0.5, 1.5), (0.5, 1.0, 0.3)
    losses = []
    for t in range(3):
        h = float(np.tanh(1.2 * x[t] + (u + change * (t + 1 == use)) * h))
        losses.append((0.7 * h - d[t]) ** 2 / 2)
    return losses[int(name) - 1]


def test_a_cell_is_what_changing_one_use_does_to_one_loss() -> None:
    """Finite differences, use by use."""
    split = table_of("D-scalar-rnn").split("u")
    for loss in (1, 2, 3):
        for use in (1, 2, 3):
            h = 1e-5
            slope = (moved("", str(loss), 0, use, h) - moved("", str(loss), 0, use, -h)) / (2 * h)
            cell = split.cells[loss - 1][use - 1]
            assert (cell is None) == (use > loss)
            assert slope == pytest.approx(0.0 if cell is None else cell, abs=1e-9)


MEAN = """\
equations: |
  h[t] = tanh(w*x[t] + u*h[t-1])      for t in 1..T
  e[t] = (h[t] - d[t])**2             for t in 1..T
  L    = sum(e[t] for t in 1..T)/T
  R    = w**2 + u**2
  E    = L + 1/10*R
data: {x: [1, -0.5, 0.25], d: [0.1, 0.2, 0.3]}
values: {'h[0]': 0}
parameters: {w: 0.5, u: 0.75}
"""


def test_the_losses_of_a_mean_are_weighted() -> None:
    """Partial sums are opened; what weighs the losses is in the rows."""
    computation = Computation(bptt_solver.loads(MEAN))
    losses = losses_of(computation, Times(computation.problem.system))
    assert [(instance_text(loss.key), loss.time) for loss in losses] == [
        ("e[1]", 1),
        ("e[2]", 2),
        ("e[3]", 3),
        ("R", None),
    ]
    assert [float(loss.seed) for loss in losses] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.1])
    split = ContributionTable(computation).split("w")
    assert split.rows[3] == pytest.approx(0.1)
    alone = Computation(bptt_solver.loads(MEAN, target="e[2]"))
    assert split.rows[1] == pytest.approx(alone.derivative(("w", ())) / 3)


def test_a_tied_weight_has_a_column_for_each_user() -> None:
    split = ContributionTable(computation_of(ACCEPTANCE / "documents_extra" / "tied-weights.yaml")).split("W")
    users = [instance_text(column.user) for column in split.uses]
    assert sorted(users) == ["h[1]", "h[2]", "h[3]", "y[1]", "y[2]", "y[3]"]


def test_a_target_that_reads_a_weight_itself() -> None:
    """``E = h[T]*h[T-1] + w``: the direct effect of w is a loss of its own."""
    split = ContributionTable(computation_of(ACCEPTANCE / "documents_extra" / "repeated-use.yaml")).split("w")
    assert [instance_text(c.user) for c in split.uses].count("E") == 1
    direct = next(k for k, c in enumerate(split.uses) if instance_text(c.user) == "E")
    assert [row[direct] for row in split.cells] == [None, None, 1]


def test_extreme_logits_stay_finite() -> None:
    """The matched pair is kept: p - d, beside a probability of 1e-261."""
    text = """\
equations: |
  o[t] = W @ x[t]                    for t in 1..2
  p[t] = softmax(o[t])               for t in 1..2
  e[t] = cross_entropy(p[t], d[t])   for t in 1..2
  E    = sum(e[t] for t in 1..2)
data: {x: [[1, 0], [0, 1]], d: [[1, 0], [0, 1]]}
parameters: {W: [[300, 0], [-300, 3]]}
target: E
wrt: W
"""
    table = ContributionTable(Computation(bptt_solver.loads(text)))
    assert table.passed
    assert np.isfinite(table.split("W").total).all()


def test_long_sequences_are_refused() -> None:
    text = MEAN.replace("x: [1, -0.5, 0.25], d: [0.1, 0.2, 0.3]", f"x: {[0.5] * 401}, d: {[0.1] * 401}")
    computation = Computation(bptt_solver.loads(text))
    with pytest.raises(ProblemError, match=r"takes one sweep for each loss, and there are 402; at most 400"):
        ContributionTable(computation)


def test_large_tables_are_refused() -> None:
    from bptt_solver.limits import Limits

    problem = bptt_solver.load(ACCEPTANCE / "documents" / "S004-rnn.yaml", limits=Limits({"elements": 150}))
    computation = Computation(problem)
    with pytest.raises(ProblemError, match=r"the contribution table has 189 elements, limit 150"):
        ContributionTable(computation)
    ContributionTable(computation, "loss")


def test_an_unknown_split() -> None:
    computation = computation_of(ACCEPTANCE / "documents" / "D-scalar-rnn.yaml")
    with pytest.raises(ProblemError, match=r"contributions by 'lose' \(did you mean 'loss'\?\)"):
        ContributionTable(computation, "lose")
    with pytest.raises(ProblemError, match=r"there is no table for 'q' \(there is one for w, u, v, h\[0\]\)"):
        ContributionTable(computation).split("q")


# ----------------------------------------------------------------------------- as it is asked for


def test_the_solution_has_the_table() -> None:
    solution = bptt_solver.solve(bptt_solver.load(ACCEPTANCE / "documents" / "D-scalar-rnn.yaml"), by="both")
    found = solution.contribution_table("u")
    assert found["losses"] == ["E[1]", "E[2]", "E[3]"]
    assert found["uses"] == ["a[1]", "a[2]", "a[3]"]
    assert found["cells"][0][1:] == [None, None]
    assert found["by_loss"][2] == pytest.approx(
        sum(EXAMPLES["D-scalar-rnn"]["contributions_by_loss_and_use"]["E[3]"]["u"].values())
    )
    assert found["total"] == pytest.approx(solution.ordered_derivatives["u"])
    data = solution.as_dict()["contributions"]
    assert data["agrees"] is True
    assert data["gradients"]["u"]["cells"] == found["cells"]
    assert solution.verified
    assert "contributions" not in bptt_solver.solve(solution.computation.problem).as_dict()


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["04_scalar_rnn", "05_matrix_rnn", "10_sequences", "18_bidirectional"])
def test_every_format(name: str, form: str, by: str) -> None:
    problem = bptt_solver.load(ROOT / "examples" / name / "problem.yaml")
    text = bptt_solver.solve(problem, check="none", by=by).render(form)
    if form == "json":
        assert json.loads(text)["contributions"]["by"] == by
    elif form not in ("svg", "dot"):
        assert "All sums agree with the derivatives of sections 5 and 6" in " ".join(text.split())


def test_the_table_of_one_entry() -> None:
    computation = computation_of(ROOT / "examples" / "05_matrix_rnn" / "problem.yaml")
    from bptt_solver.narrate import narrate_analyses
    from bptt_solver.render import render

    text = render(narrate_analyses(analyses(computation, Asked(by="both", entries=["W_x:1,2"]))), "text")
    assert "Entry ∂⁺E/∂W_x[1,2]:" in text
    assert "e_2           −0.628476    −0.220601      −0.849077" in text


def test_long_tables_are_shortened() -> None:
    from bptt_solver.narrate import narrate_analyses
    from bptt_solver.render import render

    text = MEAN.replace("x: [1, -0.5, 0.25], d: [0.1, 0.2, 0.3]", f"x: {[0.5] * 50}, d: {[0.1] * 50}")
    computation = Computation(bptt_solver.loads(text))
    short = render(narrate_analyses(analyses(computation, Asked(by="both"))), "text")
    assert max(map(len, short.splitlines())) <= 120
    assert "Long tables are shortened" in short
    whole = render(narrate_analyses(analyses(computation, Asked(by="both", everything=True))), "text")
    assert "u@h_25" in whole
    assert "Long tables" not in whole


# ----------------------------------------------------------------------------- planted faults


def test_a_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell that is a millionth too large: the sums differ, the section says so, and the solution is not verified."""
    original = contribution_table.split_of

    def faulty(*arguments: Any) -> Any:
        split = original(*arguments)
        if instance_text(split.key) != "u":
            return split
        cells = [list(row) for row in split.cells]
        cell = cells[2][0]
        assert cell is not None
        cells[2][0] = cell * 1.000001
        return contribution_table.Split(split.key, split.uses, cells, split.gradient)

    monkeypatch.setattr(contribution_table, "split_of", faulty)
    solution = bptt_solver.solve(bptt_solver.load(ROOT / "examples" / "04_scalar_rnn" / "problem.yaml"), by="both")
    assert "NOT VERIFIED: the sums differ from the derivatives of sections 5 and 6" in solution.render("text")
    assert solution.check.passed
    assert not solution.verified


def test_a_wrong_signal_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss that is left out: neither signals nor sums agree."""
    original = losses_of
    monkeypatch.setattr(contribution_table, "losses_of", lambda *arguments: original(*arguments)[:-1])
    table = ContributionTable(computation_of(ROOT / "examples" / "04_scalar_rnn" / "problem.yaml"), "loss")
    assert not table.passed


def test_a_gradient_that_cancels_is_no_fault() -> None:
    """What is left of contributions that cancel is not compared with itself."""
    path = ACCEPTANCE / "documents_extra" / "attention-decoder.yaml"
    computation = computation_of(path)
    assert ContributionTable(computation, "loss").passed
    assert any(is_array(computation.value(key)) for key in computation.instances())


# ----------------------------------------------------------------------------- the manual


def test_the_excerpts_of_the_manual_are_what_is_printed() -> None:
    page = (ROOT / "docs" / "contributions.md").read_text(encoding="utf-8")
    excerpts = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    printed = ""
    for name, by in (("04_scalar_rnn", "both"), ("04_scalar_rnn", "loss"), ("11_deep", "use")):
        problem = bptt_solver.load(ROOT / "examples" / name / "problem.yaml")
        printed += bptt_solver.solve(problem, check="none", by=by, truncate="depth=1").render("text")
    assert len(excerpts) == 4
    for excerpt in excerpts:
        assert excerpt in printed, excerpt


def documented(title: str, level: str = "##") -> list[list[str]]:
    """The keys in the tables of a section of docs/json.md."""
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    text = page.partition(f"\n{level} {title}\n")[2].partition(f"\n{level} ")[0]
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    cells = [[row.split("|")[1] for row in table.splitlines()[2:]] for table in tables]
    return [[name for cell in table for name in re.findall(r"`(\w+)`", cell)] for table in cells]


def test_the_json_is_documented() -> None:
    problem = bptt_solver.load(ROOT / "examples" / "11_deep" / "problem.yaml")
    found = {by: bptt_solver.solve(problem, check="none", by=by).as_dict()["contributions"] for by in BY}
    whole, inner = documented("contributions")
    assert sorted({key for data in found.values() for key in data}) == sorted(whole)
    for by, data in found.items():
        keys = {key for split in data["gradients"].values() for key in split}
        hidden = {"loss": {"uses", "by_use", "cells"}, "use": {"by_loss", "cells"}, "both": set()}[by]
        assert keys == set(inner) - hidden
    truncation = bptt_solver.solve(problem, check="none", truncate="depth=1").as_dict()["truncation"]
    (keys_of_truncation,) = documented("truncation")
    assert list(truncation) == keys_of_truncation
