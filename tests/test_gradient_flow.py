"""Gradient flow: Jacobians along time against finite differences and PyTorch, known numbers, and what is printed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver.analyses import factors as factors_module
from bptt_solver.analyses import transport as transport_module
from bptt_solver.analyses.courses import Course, GroupFlow
from bptt_solver.analyses.gradient_flow import Flow
from bptt_solver.analyses.states import State
from bptt_solver.analyses.transport import Block, Size, Transport, norm, singular_values
from bptt_solver.cli import run
from bptt_solver.computation import Computation
from bptt_solver.contributions import contributions

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(ROOT.glob("examples/*/problem.yaml"))
FORMATS = ("text", "markdown", "latex", "json")
Array = Any

LEE = """
equations: |
  y[t] = w*y[t-1]         for t in 1..999
  E    = 1/2*(y[999] - 1)**2
values: {{"y[0]": {start}}}
parameters: {{w: {w}}}
"""
BATCH = """
equations: |
  H[t] = tanh(W @ H[t-1])  for t in 1..2
  E    = sum(H[2]*H[2])
values: {"H[0]": [[0.1, 0.2, -0.3], [0.4, -0.5, 0.6]]}
parameters: {W: [[0.5, -0.7], [0.9, 0.3]]}
"""
LARGE = """
network: {topology: elman, sizes: {input: 8, hidden: 64, output: 8}, steps: 100, bias: false}
data:
  x: {random: {shape: [100, 8], seed: 4, scale: 1}}
  d: {random: {shape: [100, 8], seed: 5, scale: 1}}
parameters:
  W_x: {random: {shape: [64, 8], seed: 1, scale: 0.3}}
  W_h: {random: {shape: [64, 64], seed: 2, scale: 0.2}}
  W_y: {random: {shape: [8, 64], seed: 3, scale: 0.3}}
"""
BY_HAND = """
equations: |
  h[t] = relu(w*h[t-1] + b)  for t in 1..3
  E    = 1/2*h[3]**2
values: {"h[0]": 1}
parameters: {w: -2, b: 1}
"""


def flow_of(source: str | Path) -> Flow:
    """The gradient flow of a document."""
    problem = bptt_solver.load(source) if isinstance(source, Path) else bptt_solver.loads(source)
    return Flow(Computation(problem))


def solve(text: str, **options: Any) -> Any:
    """A document's text, solved with its gradient flow."""
    return bptt_solver.solve(bptt_solver.loads(text), flow=True, **options)


def analysis(solution: Any) -> Flow:
    """The gradient flow of a solution."""
    (found,) = [a for a in solution.analyses if isinstance(a, Flow)]
    return found


# ----------------------------------------------------------------------------- by finite differences


def moved(flow: Flow, number: int, entry: int, last: int, change: float) -> Array:
    """An instance after one entry of another was changed where it is computed: everything behind it is run again."""
    computation = flow.computation
    program, unfolded = computation.program, computation.problem.unfolded
    values = [np.array(v, dtype=float) if hasattr(v, "ndim") else v for v in flow.transport.values]
    delta = np.zeros(np.shape(values[number]))
    delta.reshape(-1)[entry] = change
    shift = delta if delta.ndim else float(delta)
    perturb = {number: shift}
    if unfolded.grounds[number] is None:
        values[number] = values[number] + shift
        perturb = {}
    program.run(values, perturb=perturb)
    return np.asarray(values[last], dtype=float).reshape(-1)


def by_differences(flow: Flow, number: int, last: int) -> Array:
    """∂⁺last/∂number, column by column, by central differences of fourth order."""
    h = 1e-3
    columns = []
    for entry in range(flow.transport.size(number)):
        far, near = [moved(flow, number, entry, last, k * h) - moved(flow, number, entry, last, -k * h) for k in (2, 1)]
        columns.append((8 * near - far) / (12 * h))
    return np.array(columns).T


def agrees(flow: Flow) -> int:
    """Compare every Jacobian of every state, and every step; the number of comparisons."""
    count = 0
    for group in flow.groups:
        for course in group.courses:
            (state,) = course.states
            for reach in course.reaches:
                number = state.members[reach.time]
                whole = by_differences(flow, number, state.members[course.last])
                sizes = np.array([s.number for s in reach.sizes])
                np.testing.assert_allclose(sizes, np.linalg.svd(whole)[1], rtol=1e-6, atol=1e-9, err_msg=state.name)
                if reach.value is not None:
                    assert reach.value == pytest.approx(whole[0, 0], rel=1e-6, abs=1e-9)
                following = state.members.get(reach.time + group.group.direction)
                assert following is not None
                step = by_differences(flow, number, following)
                if reach.step is None:  # from one given state to the next
                    assert not step.any()
                else:
                    assert reach.step == pytest.approx(np.linalg.norm(step, 2), rel=1e-6, abs=1e-9)
                count += 1
    return count


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_state_of_every_example(path: Path) -> None:
    flow = flow_of(path)
    timeless = path.parent.name[:2] in ("01", "02", "03", "19")
    assert (not flow.groups) == timeless
    assert agrees(flow) >= (0 if timeless else 2)


def test_a_state_that_is_a_matrix() -> None:
    flow = flow_of(BATCH)
    assert agrees(flow) == 2
    assert [c.size for c in flow.groups[0].courses] == [6]


@pytest.mark.parametrize("seed", range(8))
def test_coupled_states_of_any_size(seed: int) -> None:
    """Two states, one of which reads the other at the same time; lags of one step or two; random sizes and lengths."""
    generator = np.random.default_rng(seed)
    n, m, steps = (int(k) for k in generator.integers(1, 5, 3))
    lag = 1 + seed % 2

    def given(*shape: int) -> list[Any]:
        return (generator.standard_normal(shape) * 0.7).round(3).tolist()  # type: ignore[no-any-return]

    values: dict[str, Any] = {"F": given(n, n), "G": given(n, m), "A": given(m, n), "B": given(m, m), "c[0]": given(n)}
    values |= {f"h[{t}]": given(m) for t in range(1 - lag, 1)}
    flow = flow_of(
        f"""
equations: |
  c[t] = F @ c[t-1] + tanh(G @ h[t-1])  for t in 1..{steps}
  h[t] = tanh(A @ c[t] + B @ h[t-{lag}])  for t in 1..{steps}
  E    = sum(h[{steps}]) + sum(c[{steps}]*c[{steps}])
values: {json.dumps(values)}
"""
    )
    (group,) = flow.groups
    assert [s.name for s in group.group.states] == ["c", "h"] and group.group.lag == lag
    assert (group.together is not None) == (lag == 1)
    assert agrees(flow) == 2 * steps + lag - 1


def test_with_lags_the_steps_do_not_multiply() -> None:
    flow = flow_of(ROOT / "examples" / "13_lags" / "problem.yaml")
    (group,) = flow.groups
    assert not group.group.simple and group.together is None
    assert all(r.bound is None for r in group.courses[0].reaches)


@pytest.mark.parametrize("fault", ["lost path", "factor 1.001", "transposed"])
def test_a_planted_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Transport.local

    def local(self: Transport, group: Any, user: int) -> Iterator[tuple[int, Array]]:
        for read, matrix in original(self, group, user):
            name = self.unfolded.keys[user][0]
            if name != "a" or fault == "":
                yield read, matrix
            elif fault == "factor 1.001":
                yield read, 1.001 * matrix
            elif fault == "transposed":
                yield read, matrix.T

    monkeypatch.setattr(transport_module.Transport, "local", local)
    flow = flow_of(ROOT / "examples" / "07_elman" / "problem.yaml")
    with pytest.raises(AssertionError):
        assert agrees(flow)


# ----------------------------------------------------------------------------- known numbers


def test_the_scalar_network() -> None:
    (group,) = flow_of(ROOT / "examples" / "04_scalar_rnn" / "problem.yaml").groups
    (course,) = group.courses
    assert [r.time for r in course.reaches] == [2, 1, 0]
    assert course.reaches[-1].value == pytest.approx(0.0260769, rel=1e-5)
    assert [r.step_value for r in course.reaches] == pytest.approx([0.0512806, 0.721642, 0.704662], rel=1e-5)
    assert math.prod(r.step_value or 0 for r in course.reaches) == pytest.approx(course.reaches[-1].value, rel=1e-14)
    assert course.verdict == "vanishing"
    assert course.factor**3 == pytest.approx(0.0260769, rel=1e-5)
    assert [f.name for f in group.path] == ["∂a[t]/∂h[t-1]", "∂h[t]/∂a[t]"]
    assert group.gains == pytest.approx([0.8, (0.0641008 * 0.902053 * 0.880827) ** (1 / 3)], rel=1e-5)
    weight, slope = group.factors
    assert (weight.weight, weight.mean, slope.weight) == (True, 0.8, False)
    assert slope.mean == pytest.approx((0.0641008 + 0.902053 + 0.880827) / 3, rel=1e-5)
    assert list(slope.largest.values()) == pytest.approx([0.0641008, 0.902053, 0.880827], rel=1e-5)


@pytest.mark.parametrize(("w", "total", "verdict"), [(1.01, 20752, "exploding"), (0.99, 4.4e-5, "vanishing")])
def test_y_is_w_to_the_999(w: float, total: float, verdict: str) -> None:
    flow = flow_of(LEE.format(w=w, start=1))
    (course,) = flow.groups[0].courses
    assert course.reaches[-1].value == pytest.approx(w**999, rel=1e-11)
    assert course.reaches[-1].value == pytest.approx(total, rel=0.01)
    assert (course.verdict, course.steps) == (verdict, 999)
    assert course.factor == pytest.approx(w, rel=1e-12)


@pytest.mark.parametrize(("w", "start"), [(0.1, 1), (3, 0)])
def test_beyond_the_range_of_floats(w: float, start: int) -> None:
    solution = solve(LEE.replace(" - 1", "").format(w=w, start=start), check="none")
    course = analysis(solution).groups[0].courses[0]
    norm = course.reaches[-1].norm
    assert norm.number is None
    assert norm.log10 == pytest.approx(999 * math.log10(w), rel=1e-12)
    assert course.factor == pytest.approx(w, rel=1e-9)
    row = solution.as_dict()["gradient_flow"]["groups"][0]["flows"][0]["rows"][-1]
    assert row["singular_values"] == [None] and row["log10_norm"] == norm.log10
    shown = "10⁻⁹⁹⁹" if w < 1 else "·10⁴⁷⁶"
    assert shown in solution.render("text")
    json.loads(solution.render("json"))


def test_nothing_comes_through_a_dead_unit() -> None:
    (group,) = flow_of(BY_HAND).groups
    course = group.courses[0]
    assert course.verdict == "none" and course.factor == 0 and course.reaches[-1].norm.log10 is None
    assert group.gains == []
    assert "nothing of h_0 reaches h_3" in solve(BY_HAND).render("text")


def test_steady() -> None:
    flow = flow_of(LEE.format(w=1, start=1).replace("w: 1", "w: 1.0001"))
    assert flow.groups[0].courses[0].verdict == "steady"


# ----------------------------------------------------------------------------- by PyTorch


LSTM = ROOT / "examples" / "16_lstm" / "problem.yaml"
GRU = ROOT / "examples" / "17_gru" / "problem.yaml"
ELMAN = ROOT / "examples" / "07_elman" / "problem.yaml"


def tensors(flow: Flow) -> dict[str, Any]:
    """All values by name, as tensors."""
    torch = pytest.importorskip("torch")
    unfolded = flow.computation.problem.unfolded
    return {
        f"{name}{list(at) if at else ''}": torch.tensor(np.asarray(flow.transport.values[n], dtype=float))
        for n, (name, at) in enumerate(unfolded.keys)
    }


def sizes_of(course: Course, time: int) -> list[float]:
    """The singular values at one time."""
    return [s.number for r in course.reaches if r.time == time for s in r.sizes if s.number is not None]


def test_elman_by_torch() -> None:
    torch = pytest.importorskip("torch")
    flow = flow_of(ELMAN)
    v = tensors(flow)
    bias = v.get("b_h", 0)
    for start in (0, 1, 2):

        def ran(h: Any, start: int = start) -> Any:
            for t in range(start + 1, 4):
                h = torch.tanh(v["W_x"] @ v[f"x[{t}]"] + v["W_h"] @ h + bias)
            return h

        jacobian = torch.autograd.functional.jacobian(ran, v[f"h[{start}]"])
        expected = torch.linalg.svdvals(jacobian).tolist()
        assert sizes_of(flow.groups[0].courses[0], start) == pytest.approx(expected, rel=1e-12)


def test_gru_by_torch() -> None:
    torch = pytest.importorskip("torch")
    flow = flow_of(GRU)
    v = tensors(flow)
    for start in (0, 1):

        def ran(h: Any, start: int = start) -> Any:
            for t in range(start + 1, 3):
                r = torch.sigmoid(v["W_r"] @ v[f"x[{t}]"] + v["U_r"] @ h)
                z = torch.sigmoid(v["W_z"] @ v[f"x[{t}]"] + v["U_z"] @ h)
                g = torch.tanh(v["W_g"] @ v[f"x[{t}]"] + v["U_g"] @ (r * h))
                h = (1 - z) * g + z * h
            return h

        expected = torch.linalg.svdvals(torch.autograd.functional.jacobian(ran, v[f"h[{start}]"])).tolist()
        assert sizes_of(flow.groups[0].courses[0], start) == pytest.approx(expected, rel=1e-12)


def test_lstm_by_torch() -> None:
    """Each state with what follows at its own time, and both together held independent."""
    torch = pytest.importorskip("torch")
    flow = flow_of(LSTM)
    v = tensors(flow)
    group = flow.groups[0]
    assert [s.name for s in group.group.states] == ["c", "h"]
    for start in (0, 1, 2):

        def ran(c: Any, h: Any, start: int = start) -> Any:
            for t in range(start + 1, 4):
                i, f, o = [torch.sigmoid(v[f"W_{k}"] * v[f"x[{t}]"] + v[f"U_{k}"] * h + v[f"b_{k}"]) for k in "ifo"]
                g = torch.tanh(v["W_g"] * v[f"x[{t}]"] + v["U_g"] * h + v["b_g"])
                c = f * c + i * g
                h = o * torch.tanh(c)
            return torch.stack([c, h])

        def by_c(c: Any, start: int = start) -> Any:
            h = v[f"o[{start}]"] * torch.tanh(c) if start else v["h[0]"]
            return ran(c, h)[0]

        def by_h(h: Any, start: int = start) -> Any:
            return ran(v[f"c[{start}]"], h)[1]

        jacobian = torch.autograd.functional.jacobian
        ours = [c.reaches[2 - start].value for c in group.courses]
        theirs = [jacobian(by_c, v[f"c[{start}]"]).item(), jacobian(by_h, v[f"h[{start}]"]).item()]
        assert ours == pytest.approx(theirs, rel=1e-12)
        both = torch.stack(jacobian(ran, (v[f"c[{start}]"], v[f"h[{start}]"])), dim=1)
        assert group.together is not None
        assert sizes_of(group.together, start) == pytest.approx(torch.linalg.svdvals(both).tolist(), rel=1e-9)


# ----------------------------------------------------------------------------- what must hold


def groups() -> Iterator[GroupFlow]:
    """All groups of all examples."""
    for path in EXAMPLES:
        yield from flow_of(path).groups


def test_the_bound_is_one() -> None:
    seen = 0
    for group in groups():
        for course in [*group.courses, *([group.together] if group.together else [])]:
            for reach in course.reaches:
                if reach.bound is not None:
                    assert reach.norm.log10 is not None and reach.bound.log10 is not None
                    assert reach.norm.log10 <= reach.bound.log10 + 1e-12
                    seen += 1
    assert seen > 20


def test_the_gains_multiply_to_the_norm() -> None:
    seen = 0
    for group in groups():
        if group.gains:
            assert math.prod(group.gains) == pytest.approx(group.courses[0].factor, rel=1e-10)
            seen += 1
    assert seen >= 8


def test_without_a_detour() -> None:
    """Of an LSTM with one unit the product of the forget gates; nothing where a step has one way only."""
    group = flow_of(LSTM).groups[0]
    values = flow_of(LSTM).computation
    product = 1.0
    for reach in group.courses[0].reaches:
        product *= values.value(("f", (reach.time + 1,)))
        assert reach.direct is not None and reach.direct.number == pytest.approx(product, rel=1e-12)
    assert all(r.direct is None for r in group.courses[1].reaches)
    assert all(r.direct is None for g in flow_of(ELMAN).groups for r in g.courses[0].reaches)


@pytest.mark.parametrize("path", [LSTM, GRU, EXAMPLES[19], EXAMPLES[21]], ids=lambda path: path.parent.name)
def test_the_ways_add_up_to_the_step(path: Path) -> None:
    flow = flow_of(path)
    found = flow.groups[-1]
    group = found.group
    assert len(found.ways) in (2, 4, 9)
    columns = [(s.name, s.rest) for s in group.states]
    for time in group.times[1:]:
        step = flow.transport.step(group, time)
        if step.whole is None:
            continue
        total: dict[Any, Array] = {}
        for way in found.ways:
            product = step.pieces[way.links[0]]
            for link in way.links[1:]:
                product = step.pieces[link] @ product
            ends = way.columns[-1], way.columns[0]
            total[ends] = total.get(ends, 0) + product
            assert way.norms[time] == pytest.approx(np.linalg.norm(product, 2), rel=1e-12)
        sizes = [flow.transport.size(s.members[time]) for s in group.states]
        rows = [
            np.hstack([total.get((a, b), np.zeros((m, n))) for b, n in zip(columns, sizes, strict=True)])
            for a, m in zip(columns, sizes, strict=True)
        ]
        np.testing.assert_allclose(np.vstack(rows), step.whole, rtol=1e-13, atol=1e-16)
    assert all(w.mean <= max(w.norms.values()) * (1 + 1e-12) for w in found.ways)


def test_error_signals() -> None:
    """Their lengths are those of the derivatives; what entered last is carried by the Jacobians alone."""
    for path in EXAMPLES:
        flow = flow_of(path)
        computation = flow.computation
        for group in flow.groups:
            for signal in group.signals:
                for time, length in signal.lengths.items():
                    assert length >= 0
                    if signal.state is not None:
                        key = computation.problem.unfolded.keys[signal.state.members[time]]
                        assert length == pytest.approx(float(np.linalg.norm(computation.derivative(key))), rel=1e-14)
            if len(group.group.states) == 1 and group.courses and group.entered == group.courses[0].last:
                state, course = group.group.states[0], group.courses[0]
                end = state.members[course.last]
                number = computation.derivative_number(computation.problem.unfolded.keys[end])
                assert number is not None
                row = sum(np.asarray(c.value, dtype=float) for c in contributions(computation, number))
                for reach in course.reaches:
                    jacobian = by_differences(flow, state.members[reach.time], end)
                    expected = float(np.linalg.norm(np.reshape(row, -1) @ jacobian))
                    assert course.arrived[reach.time].number == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_backwards_in_time() -> None:
    forwards, backwards = flow_of(ROOT / "examples" / "18_bidirectional" / "problem.yaml").groups
    assert (forwards.group.direction, backwards.group.direction) == (1, -1)
    assert [r.time for r in backwards.courses[0].reaches] == [2, 3, 4]
    assert backwards.courses[0].last == 1


def test_sizes() -> None:
    assert (Size(0.0).number, Size(0.0).log10) == (0.0, None)
    assert Size(3.0, 2).number == 12.0
    assert Size(1.0, 2000).number is None and Size(1.0, -2000).number is None
    assert Size(0.5, 3000).times(Size(0.5, -3000)).number == 0.25
    assert Size(8.0).root(3) == pytest.approx(2)


def test_singular_values_and_norms() -> None:
    generator = np.random.default_rng(5)
    for shape in ((1, 1), (3, 3), (2, 5), (5, 2)):
        matrix = generator.standard_normal(shape)
        assert singular_values(matrix) == pytest.approx(np.linalg.svd(matrix)[1].tolist(), rel=1e-12)
        assert norm(matrix) == pytest.approx(singular_values(matrix)[0], rel=1e-13)
    assert singular_values(np.diag([1.0, -3.0, 2.0])) == [3.0, 2.0, 1.0]
    assert singular_values(np.ones((3, 3))) == pytest.approx([3, 0, 0]) and singular_values(np.ones((3, 3)))[1] == 0
    assert norm(np.zeros((2, 3))) == 0
    long = Block(np.array([[0.0, 0.5], [0.25, 0.0]]))
    for _ in range(4000):
        long = long.times(np.array([[0.0, 0.5], [0.25, 0.0]]))
    assert long.sizes()[0].log10 == pytest.approx(2000 * math.log10(1 / 8) + math.log10(0.5), rel=1e-12)


def test_the_names_of_factors() -> None:
    (group,) = flow_of(GRU).groups
    found = {f.name: f.data()["formula"] for f in group.factors}
    assert found["∂h[t]/∂h[t-1]"] == "diag(z[t])"
    assert found["∂a_g[t]/∂h[t-1]"] == "U_g @ diag(r[t])"
    inside = {f.name for g in flow_of(ROOT / "examples" / "15_ordered_net" / "problem.yaml").groups for f in g.factors}
    assert {"∂z[2,t]/∂s[3,t-1]", "∂z[3,t]/∂s[2,t]"} <= inside
    assert factors_module.Factors.__doc__


def test_states_are_found_in_the_graph() -> None:
    def found(name: str) -> list[list[str]]:
        groups = flow_of(ROOT / "examples" / name / "problem.yaml").groups
        return [[s.text("t") for s in g.group.states] for g in groups]

    assert found("16_lstm") == [["c[t]", "h[t]"]]
    assert found("11_deep") == [["a[1,t]"], ["a[2,t]"]]
    assert found("12_jordan") == [["y[t]"]]
    assert found("20_encoder_decoder") == [["h[t]"], ["s[t]", "y[t]"]]
    assert State(("a", (2,)), 1, {}).text(3) == "a[2,3]"


def test_one_step_and_one_unit() -> None:
    text = LEE.replace("999", "1").format(w=0.5, start=1)
    (course,) = flow_of(text).groups[0].courses
    assert (course.steps, course.reaches[0].value) == (1, 0.5)
    assert "in one step" in solve(text).render("text")


# ----------------------------------------------------------------------------- what is printed


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_format(path: Path) -> None:
    solution = bptt_solver.solve(bptt_solver.load(path), check="none", flow=True)
    for form in FORMATS:
        text = solution.render(form)
        assert text == bptt_solver.solve(bptt_solver.load(path), check="none", flow=True).render(form)
        if form == "json":
            data = json.loads(text)["gradient_flow"]
            assert data == json.loads(json.dumps(analysis(solution).data(), allow_nan=False))
        else:
            assert "Gradient flow" in text


def test_the_option(tmp_path: Path) -> None:
    assert run([str(ELMAN), "--flow", "--check", "none", "-o", str(tmp_path / "out.json")]) == 0
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["gradient_flow"]["variable"] == "t"


def test_nothing_is_added_unless_asked() -> None:
    problem = bptt_solver.load(ELMAN)
    assert "gradient_flow" not in bptt_solver.solve(problem, check="none").as_dict()
    assert "Gradient flow" not in bptt_solver.solve(problem, check="none").render("text")


def test_without_time() -> None:
    solution = bptt_solver.solve(bptt_solver.load(EXAMPLES[0]), flow=True)
    assert "There is no time in these equations, so there is no gradient flow." in solution.render("text")
    assert solution.as_dict()["gradient_flow"] == {"variable": "", "groups": []}


def test_nothing_is_carried() -> None:
    text = """
equations: |
  y[t] = w*x[t-1] + u[t-1]  for t in 1..2
  u[t] = w*x[t]             for t in 0..2
  E    = sum(y[t] for t in 1..2)
data: {x: {from: 0, values: [1, 2, 3]}}
parameters: {w: 1}
"""
    solution = solve(text)
    assert analysis(solution).groups == []
    assert "Nothing is carried from one t to another" in solution.render("text").replace("\n  ", " ")


def test_the_sentences_of_the_scalar_network() -> None:
    solution = bptt_solver.solve(bptt_solver.load(ROOT / "examples" / "04_scalar_rnn" / "problem.yaml"), flow=True)
    text = " ".join(solution.render("text").split())
    assert "The influence of h_t vanishes: ∂⁺h_3/∂h_0 = 0.0260769, a factor 0.296541 a step (geometric mean" in text
    assert "0.370677 through ∂h_t/∂a_t = 1 − h_t² (mean 0.615660), which shrinks it most" in text
    assert "0.8 through ∂a_t/∂h_{t−1} = u, which shrinks it too" in text
    assert "It is no law that earlier times matter less" in text


def test_the_page_says_what_is_printed() -> None:
    page = (ROOT / "docs" / "gradient-flow.md").read_text(encoding="utf-8")
    (excerpt,) = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    printed = bptt_solver.solve(bptt_solver.load(EXAMPLES[3]), flow=True).render("text")
    assert excerpt in printed
    (document,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert flow_of(document).groups[0].courses[0].reaches[-1].value == pytest.approx(20_752, abs=0.5)
    assert flow_of(document.replace("1.01", "0.99")).groups[0].courses[0].reaches[-1].value == pytest.approx(
        4.4e-5, rel=0.01
    )


def test_a_large_network() -> None:
    """The weights have a norm well above 1, and nothing comes through all the same."""
    flow = flow_of(LARGE)
    (group,) = flow.groups
    (course,) = group.courses
    bound = course.reaches[-1].bound
    assert (course.size, course.steps, course.verdict) == (64, 100, "vanishing")
    assert bound is not None and bound.log10 is not None and bound.log10 > 10
    weight = group.path[0]
    assert weight.radius is not None and weight.radius < 1.1 < max(weight.largest.values())
    state = group.group.states[0]
    for time in (99, 95):
        jacobian = by_differences(flow, state.members[time], state.members[100])
        sizes = [s.number for s in next(r for r in course.reaches if r.time == time).sizes]
        assert sizes == pytest.approx(np.linalg.svd(jacobian)[1].tolist(), rel=1e-6, abs=1e-9)


def test_long_tables_are_folded() -> None:
    text = LEE.format(w=1.01, start=1)
    short, whole = [solve(text, check="none", steps=s).render("text") for s in ("auto", "all")]
    section = short[short.index("Gradient flow") :]
    assert len(section.splitlines()) < 50 and "…" in section
    assert len(whole[whole.index("Gradient flow") :].splitlines()) > 1990


def test_lengths_fall_in_the_printed_order() -> None:
    for group in flow_of(ELMAN).groups:
        times = [r.time for r in group.courses[0].reaches]
        assert all(a > b for a, b in pairwise(times))
