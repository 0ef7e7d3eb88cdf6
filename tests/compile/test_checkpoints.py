"""Gradients in a stated memory: against the evaluator, against the program over all steps, and how much they take."""

from __future__ import annotations

import tracemalloc
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bptt_solver.api import loads
from bptt_solver.compile.budget import Plan, parse_size, size_text
from bptt_solver.compile.checkpoints import Checkpointed
from bptt_solver.compile.frame import Frame
from bptt_solver.compile.load import load
from bptt_solver.compile.measured import array_shape
from bptt_solver.compile.program import Compiled, compile_frame
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.compile.stored import stored
from bptt_solver.computation import Computation
from bptt_solver.errors import ProblemError
from bptt_solver.language.expressions import derivative_parts

STEPS = 11


SIZES = "sizes: {input: 2, hidden: 3, output: 2}, output: identity"


def network(topology: str, parameters: str, sizes: str = SIZES) -> str:
    """A document with a network of a topology over `STEPS` steps."""
    data = np.random.default_rng(5).standard_normal((2, STEPS, 2)).round(3)
    return f"""network: {{topology: {topology}, {sizes}, loss: squared_error}}
data:
  x: {data[0].tolist()}
  d: {data[1].tolist()}
parameters: {{{", ".join(f"'{name}': random" for name in parameters.split())}}}
"""


def written(equations: str, rest: str, families: str = "x d") -> str:
    """A document with scalar equations and data over `STEPS` steps."""
    data = np.random.default_rng(6).standard_normal((2, STEPS)).round(3)
    lines = "\n".join(f"  {line}" for line in equations.split("\n"))
    values = "\n".join(f"  {n}: {v.tolist()}" for n, v in zip(families.split(), data, strict=False))
    return f"equations: |\n{lines}\nsizes: {{T: {STEPS}}}\ndata:\n{values}\nparameters:\n{rest}\n"


STEP = "h[t] = tanh(w*x[t] + u*h[t-1]) for t in 1..T\n"
WEIGHTS = "  w: 0.7\n  u: -0.9\n  h[0]: 0.2\n"
GATES = " ".join(f"{kind}_{gate}" for gate in "ifgo" for kind in "WUb")
DOCUMENTS = {
    "elman": network("elman", "W_x W_h b_h W_y b_y h[0]"),
    "lstm": network("lstm", f"{GATES} W_y b_y c[0]"),
    "gru": network("gru", " ".join(f"{kind}_{gate}" for gate in "rzg" for kind in "WUb") + " W_y b_y"),
    "jordan": network("jordan", "W_x W_r W_y b_h b_y"),
    "leaky": written(
        "h[t] = (1 - alpha)*h[t-1] + alpha*tanh(w*x[t] + u*h[t-1]) for t in 1..T\n"
        "E = sum(squared_error(h[t], d[t]) for t in 1..T)",
        WEIGHTS + "  alpha: 0.3",
    ),
    "lags": written(
        "h[t] = tanh(w*x[t] + u*h[t-1] + v*h[t-3]) for t in 1..T\nE = sum((h[t] - d[t])**2 for t in 1..T)",
        "  w: 0.7\n  u: -0.9\n  v: 0.4\n  h: {from: -2, values: [0.1, -0.2, 0.3]}",
    ),
    "deep": network(
        "deep", "W[1] U[1] W[2] U[2] W[3]", "input: 2, layers: [3, 4, {size: 2, activation: identity}], bias: false"
    ),
    "start defined": written(
        "h[0] = tanh(s)\n" + STEP + "E = sum((h[t] - d[t])**2 for t in 1..T)", "  w: 0.7\n  u: -0.9\n  s: 0.4"
    ),
    "mean and decay": written(
        STEP + "e[t] = (h[t] - d[t])**2 for t in 1..T\nE = sum(e[t] for t in 1..T)/T + 3*w**2/2 - h[T-1]", WEIGHTS
    ),
    "time as a number": written(STEP + "E = sum(t/T*h[t]*d[t] for t in 1..T)", WEIGHTS),
    "change": written(STEP + "E = -2*sum((h[t] - h[t-1] - d[t])**2 for t in 1..T)", WEIGHTS),
    "many to one": written(STEP + "E = (v*h[T] - h[T-2])**2", WEIGHTS + "  v: 1.5", "x"),
    "start half defined": written(
        "h[0] = tanh(s)\nh[t] = tanh(w*x[t] + u*h[t-1]*h[t-2]) for t in 1..T\nE = sum((h[t] - d[t])**2 for t in 1..T)",
        "  w: 0.7\n  u: -0.9\n  s: 0.4\n  h[-1]: 0.3",
    ),
    "side by side": written(
        "h[t,i] = tanh(w[i]*x[t] + u[i]*h[t-1,i]) for t in 1..T, i in 1..3\n"
        "E = sum((h[t,i] - d[t])**2 for t in 1..T, i in 1..3)",
        "  w: [0.7, 0.1, -0.4]\n  u: [-0.9, 0.3, 0.8]\n  h[0,1]: 0.2\n  h[0,2]: 0.1\n  h[0,3]: 0.3",
    ),
    "matrices": written(
        "H[t] = tanh(A @ H[t-1] + x[t]*B) for t in 1..T\nE = sum(d[t]*sum(H[t]*H[t]) for t in 1..T)",
        "  A: [[0.5, -0.3], [0.2, 0.4]]\n  B: [[1, 0.5, -1], [0.3, 0.2, 0.1]]\n"
        "  H[0]: [[0.1, 0.2, 0.3], [0, -0.1, -0.2]]",
    ),
    "window": written(
        "h[t] = tanh(w*x[t] + v*x[t-1] + u*h[t-1]) for t in 1..T\nE = h[T]",
        WEIGHTS + "  v: 0.2\n  x[0]: 0.6",
        "x",
    ),
}


def derivatives(document: str) -> tuple[Any, list[str]]:
    """A document's problem, and the families by which is differentiated."""
    problem = loads(document)
    return problem, list(dict.fromkeys(name for name, _ in problem.wanted()))


def inputs(program: Compiled, values: Any) -> dict[str, Any]:
    """The arrays that a program takes, from the values of the members."""
    found = {}
    for label, box in program.inputs.items():
        name, fixed = program.labels[label]
        array = np.empty([high - low + 1 for low, high in box], object)
        for at in np.ndindex(*array.shape):
            free = iter(low + i for i, (low, _) in zip(at, box, strict=True))
            array[at] = np.asarray(values[name, tuple(next(free) if f is None else f for f in fixed)], float)
        found[label] = np.array(array.tolist(), float)
    return found


def prepared(document: str, batch: int = 0, steps: int = 0) -> tuple[Checkpointed, Compiled, dict[str, Any]]:
    """A document's gradient with much memory, the program over all steps, and what both take."""
    problem, names = derivatives(document)
    frame = Frame.of(problem)
    if steps:
        frame = frame.resized({"T": steps})
    if batch:
        frame = frame.batched(batch)
    program = compile_frame(frame, [], names)
    if not batch and not steps:
        values = inputs(program, problem.given)
    else:
        values = {}
        made = np.random.default_rng(1)
        for label in program.inputs:
            values[label] = made.standard_normal(array_shape(frame, program, label)) * 0.5
    return Checkpointed(frame, names, 10**9), program, values


def worst(found: dict[str, Any], expected: dict[str, Any]) -> float:
    """The greatest relative difference; of states at the start only those are compared that are given."""
    assert set(found) == set(expected)
    errors = []
    for label, value in found.items():
        other = np.asarray(expected[label])
        other = other[: len(value)] if np.ndim(value) and other.shape != np.shape(value) else other
        errors.append(np.max(abs(np.asarray(value) - other)) / np.max(abs(other)))
    return float(max(errors))


# ----------------------------------------------------------------------------- gradients


def evaluated(document: str, program: Compiled, label: str, value: Any) -> Any:
    """What the evaluator finds for the members in an array of derivatives."""
    computation = computed(document)
    name, fixed = program.labels[label]
    if label == computation.target_text:
        return float(computation.value(computation.target_key))
    lows = [low for low, _ in program.outputs[label]]
    found = np.empty(np.shape(value))
    for at in np.ndindex(*found.shape[: len(lows)]):
        free = iter(low + i for i, low in zip(at, lows, strict=True))
        indices = tuple(next(free) if f is None else f for f in fixed)
        found[at] = np.asarray(computation.derivative((derivative_parts(name)[1], indices)), float)
    return found


@lru_cache
def computed(document: str) -> Computation:
    """The evaluator's result."""
    return Computation(loads(document))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_agrees_with_the_evaluator(name: str) -> None:
    run, program, values = prepared(DOCUMENTS[name])
    compared = 0
    for length in (1, 2, 3, 4, 6, 10):
        for slots in (1, 2, 5):
            run.plan = Plan(STEPS, length, slots, run.sizes)
            if min(length, run.plan.end) < run.segments.cut.shortest:
                continue
            found = run(values)
            assert set(found) == set(program.outputs)
            for label, value in found.items():
                expected = evaluated(DOCUMENTS[name], program, label, value)
                np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-14)
                compared += 1
    assert compared > 4 * len(program.outputs)


@pytest.mark.parametrize("name", ["elman", "lstm", "gru", "jordan", "deep", "lags", "leaky", "mean and decay"])
def test_agrees_with_the_program_over_all_steps(name: str) -> None:
    run, program, values = prepared(DOCUMENTS[name], batch=3, steps=203)
    whole = {label: np.array(v) for label, v in load(program.source, "make")(np.dtype(float))(values).items()}
    for length, slots in ((10, 20), (10, 4), (7, 2), (29, 3), (203, 1)):
        run.plan = Plan(203, length, slots, run.sizes)
        assert worst(run(values), whole) < 1e-12


def test_a_wrong_derivative_at_the_end_is_seen() -> None:
    run, all_steps, values = prepared(DOCUMENTS["elman"], batch=3, steps=60)
    whole = load(all_steps.source, "make")(np.dtype(float))(values)
    run.plan = Plan(60, 10, 3, run.sizes)
    program = run.compiled("middle", 10)
    assert "given['λ_h']" in program.source
    program.source = program.source.replace("given['λ_h']", "given['λ_h'] * 1.0001")
    assert worst(run(values), whole) > 1e-9


def test_single_numbers_of_32_bits_stay_so() -> None:
    problem, names = derivatives(DOCUMENTS["elman"])
    run = Checkpointed(Frame.of(problem).batched(3), names, 10**6, "float32")
    run.plan = Plan(STEPS, 3, 2, run.sizes)
    _, program, values = prepared(DOCUMENTS["elman"], batch=3, steps=STEPS)
    single = run({label: value.astype("float32") for label, value in values.items()})
    assert {np.asarray(v).dtype for v in single.values()} == {np.dtype("float32")}
    assert worst(single, load(program.source, "make")(np.dtype(float))(values)) < 1e-4


# ----------------------------------------------------------------------------- memory


@pytest.mark.parametrize("name", ["elman", "lstm", "lags"])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_stays_in_the_budget(name: str, share: float) -> None:
    run, _, values = prepared(DOCUMENTS[name], batch=4, steps=3000)
    budget = int(share * run.plan.full)
    run = Checkpointed(run.frame, run.derivatives, budget)
    assert run.plan.memory <= budget
    run(values)  # the programs themselves are made once
    tracemalloc.start()
    try:
        run(values)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.6 * run.plan.memory < peak <= 1.01 * budget


def test_more_memory_never_takes_longer() -> None:
    run, _, _ = prepared(DOCUMENTS["elman"], batch=8, steps=20_000)
    costs = [
        Checkpointed(run.frame, run.derivatives, budget).plan.cost for budget in (150_000, 500_000, 2_000_000, 10**9)
    ]
    assert costs == sorted(costs, reverse=True) and costs[0] > costs[-1]


def test_too_little_memory_says_how_much_is_needed() -> None:
    run, _, _ = prepared(DOCUMENTS["elman"], batch=8, steps=2000)
    with pytest.raises(
        ProblemError, match=r"1 kB of memory is too little for 2,000 steps: at least .* kB is needed"
    ) as caught:
        Checkpointed(run.frame, run.derivatives, 1000)
    least = parse_size(str(caught.value).rpartition("--memory ")[2].rstrip(")"))
    assert Checkpointed(run.frame, run.derivatives, least).plan.memory <= least
    with pytest.raises(ProblemError):
        Checkpointed(run.frame, run.derivatives, least // 2)


def test_the_plan_in_words() -> None:
    run, _, _ = prepared(DOCUMENTS["elman"])
    assert Plan(11, 3, 2, run.sizes).text().splitlines()[1:] == [
        "Beside the pass of its gradient, a step is run forward 1.09 times on average (12 steps in all), and at most"
        " 2 times: no order of these segments needs fewer.",
        "",
        "o>.>o>.<",
        "o-.-o<",
        "o>.<",
        "o<",
    ]
    assert Plan(11, 3, 2, run.sizes).text().startswith("11 steps in 4 segments of 3 (the last of 2), room for 2 states")
    assert Plan(11, 11, 1, run.sizes).text().startswith("All 11 steps at once: ")


def test_a_budget_with_room_for_all_says_what_is_done_with_it() -> None:
    """Short sequences: one piece. Long ones, whose arrays do not fit in the cache: segments, since they are faster."""
    run, _, _ = prepared(DOCUMENTS["elman"])
    plan = Checkpointed(run.frame, run.derivatives, 10**8).plan
    assert (plan.segments, plan.advanced) == (1, 0)
    assert plan.text().endswith("which the budget of 100 MB has room for. Nothing is computed twice.")
    run, _, _ = prepared(DOCUMENTS["elman"], batch=8, steps=20_000)
    plan = Checkpointed(run.frame, run.derivatives, 10**9).plan
    assert plan.segments > 1 and plan.full <= plan.budget == 10**9
    assert "All steps at once would fit into 1 GB as well; segments are faster" in plan.text()
    tight = Checkpointed(run.frame, run.derivatives, 10**6).plan
    assert "would fit" not in tight.text()


def test_the_plan_as_data() -> None:
    run, _, _ = prepared(DOCUMENTS["elman"])
    plan = Plan(11, 3, 2, run.sizes, 12345)
    assert plan.data() == {
        "steps": 11, "segments": 4, "length": 3, "last_length": 2, "states": 2, "forward_steps": 12,
        "forward_most": 2, "memory": plan.memory, "full_memory": plan.full, "budget": 12345,
    }  # fmt: skip
    assert plan.data(schedule=True)["schedule"] == [
        {"from": 0, "forward": [1, 9], "keeps": [0, 6], "gradient": [10, 11]},
        {"from": 6, "forward": [], "keeps": [], "gradient": [7, 9]},
        {"from": 0, "forward": [1, 3], "keeps": [], "gradient": [4, 6]},
        {"from": 0, "forward": [], "keeps": [], "gradient": [1, 3]},
    ]
    rows = plan.data(schedule=True)["schedule"]
    assert sum(last - first + 1 for first, last in (row["forward"] for row in rows if row["forward"])) == 12


def test_amounts_of_memory() -> None:
    assert [parse_size(t) for t in ("200MB", "1.5GB", "64 MiB", "900kB", "12B")] == [
        200_000_000, 1_500_000_000, 2**26, 900_000, 12
    ]  # fmt: skip
    for text in ("200", "MB", "-1MB", "1e3MB", "2 XB", "٣MB", "nanGB", "1_0MB", ""):
        with pytest.raises(ProblemError, match="is no amount of memory"):
            parse_size(text)
    sizes = (12, 999, 1200, 999_400, 999_600, 39_400_000, 2_650_000_000)
    assert [size_text(n) for n in sizes] == ["12 B", "999 B", "1.2 kB", "999 kB", "1 MB", "39.4 MB", "2.65 GB"]


# ----------------------------------------------------------------------------- data in files


def test_data_in_a_file_is_read_by_segments(tmp_path: Path) -> None:
    run, _, values = prepared(DOCUMENTS["elman"], batch=3, steps=90)
    run.plan = Plan(90, 10, 3, run.sizes)
    expected = run(values)
    np.savez(tmp_path / "data.npz", x=values["x"], d=np.asfortranarray(values["d"]))
    np.save(tmp_path / "x.npy", values["x"])

    class Watched:
        """An array that tells the most rows that were read at once."""

        most = 0

        def __init__(self, array: Any) -> None:
            self.array = array

        def __getitem__(self, rows: Any) -> Any:
            found = self.array[rows]
            Watched.most = max(Watched.most, len(found))
            return found

    for x in (stored(tmp_path / "data.npz", "x"), stored(tmp_path / "x.npy")):
        assert isinstance(x, np.memmap)
        found = run({**values, "x": Watched(x), "d": stored(tmp_path / "data.npz", "d")})
        assert worst(found, expected) == 0
    assert Watched.most == 10


def test_a_file_that_cannot_be_read_by_rows(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "data.npz", x=np.ones(3))
    with pytest.raises(ProblemError, match="x is compressed"):
        stored(tmp_path / "data.npz", "x")
    with pytest.raises(ProblemError, match=r"has no array y \(it has x\)"):
        stored(tmp_path / "data.npz", "y")


# ----------------------------------------------------------------------------- what cannot be cut

REFUSED = {
    "exp of the sum": (STEP + "E = exp(sum(h[t] for t in 1..T))", "not a sum over all times of a term at each: exp"),
    "product of sums": (
        STEP + "E = sum(h[t] for t in 1..T)*h[T]",
        "not a sum over all times of a term at each",
    ),
    "some times": (STEP + "E = sum(h[t] for t in 3..T)", "not a sum over all times of a term at each"),
    "backward": (
        STEP + "g[T+1] = 0\ng[t] = tanh(g[t+1] + h[t]) for t in 1..T\nE = sum(g[t] for t in 1..T)",
        "a chain begins that runs to the start",
    ),
    "one time alone": (
        "h[1] = w\n" + STEP.replace("1..T", "2..T") + "E = sum(h[t]*u for t in 1..T)",
        "it holds at time 1 alone",
    ),
    "a middle time": (STEP + "E = h[T] + h[3]", "it reads h.3., which is neither a term at every time nor at T"),
    "before the end": (STEP + "E = sum(h[t]*h[T] for t in 1..T)", "it reads h.T."),
    "no state": ("h[t] = tanh(w*x[t] + u) for t in 1..T\nE = sum(h[t] for t in 1..T)", "no time reads an earlier one"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_cut_says_why(name: str) -> None:
    equations, reason = REFUSED[name]
    weights = "  w: 0.7\n  u: -0.9" + ("" if name in ("one time alone", "no state") else "\n  h[0]: 0.2")
    problem, names = derivatives(written(equations, weights, "x"))
    with pytest.raises(NotCompiled, match=reason):
        Checkpointed(Frame.of(problem), names, 10**9)


def test_derivatives_by_data_need_the_full_memory() -> None:
    problem, _ = derivatives(DOCUMENTS["leaky"])
    with pytest.raises(NotCompiled, match="the derivative by x is as long as the sequence"):
        Checkpointed(Frame.of(problem), ["x"], 10**9)
