"""Gradients of data sets in this process: against the plain evaluator, one sequence at a time."""

from __future__ import annotations

import sys
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers lie beside the tests

import data_sets
from data_sets import (
    ELMAN,
    LSTM,
    RECURRENCE,
    assert_close,
    assert_same_bits,
    drawn,
    recurrence,
    sequences_of_numbers,
    stacked,
)

from bptt_solver.datasets.data import Chunk, DataSet
from bptt_solver.datasets.executors import ChunkLost
from bptt_solver.datasets.programs import Programs
from bptt_solver.datasets.sums import Sums, dataset_gradient
from bptt_solver.errors import ProblemError

BATCHED = ["04", ELMAN, "08", "09", "11", "12", "13", "14", LSTM, "17", "18", "20", "21", "22"]

# ----------------------------------------------------------------------------- against the evaluator


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize("chunk", [1, 3])
def test_examples(name: str, chunk: int) -> None:
    steps = data_sets.problem_of(data_sets.document(name)).system.sizes["T"]
    plain, sequences = drawn(name, [steps] * 4)
    summed = dataset_gradient(data_sets.problem_of(plain), stacked(sequences), chunk=chunk)
    assert_close(summed, data_sets.evaluated(plain, sequences))
    assert (summed.sequences, summed.chunks) == (4, {1: 4, 3: 2}[chunk])


@pytest.mark.parametrize("name", ["04", ELMAN, "08", "11", "13", "14", LSTM, "18"])
def test_other_lengths_than_the_document_has(name: str) -> None:
    plain, sequences = drawn(name, [2, 3, 5, 9])
    summed = dataset_gradient(data_sets.problem_of(plain), stacked(sequences), chunk=2)
    assert_close(summed, data_sets.evaluated(plain, sequences))


def test_one_step() -> None:
    plain, sequences = drawn(ELMAN, [1, 1, 1])
    summed = dataset_gradient(data_sets.problem_of(plain), stacked(sequences), chunk=2)
    assert_close(summed, data_sets.evaluated(plain, sequences))


def test_unequal_lengths_are_grouped() -> None:
    plain, sequences = drawn(ELMAN, [4, 2, 4, 7, 2, 4, 2])
    data = DataSet(stacked(sequences))
    assert [group.numbers for group in data.groups] == [[1, 4, 6], [0, 2, 5], [3]]
    assert data.chunks(2) == [Chunk(0, 0, 2), Chunk(0, 2, 3), Chunk(1, 0, 2), Chunk(1, 2, 3), Chunk(2, 0, 1)]
    assert [data.told(c) for c in data.chunks(2)[:3]] == ["sequences 2, 5", "sequence 7", "sequences 1, 3"]
    assert data.told(Chunk(1, 0, 3)) == "sequences 1, 3, 6"
    summed = dataset_gradient(data_sets.problem_of(plain), data, chunk=2)
    assert_close(summed, data_sets.evaluated(plain, sequences))
    assert summed.chunks == 5


def test_what_a_chunk_is_called() -> None:
    data = DataSet({"x": np.zeros((10, 2, 1))})
    assert [data.told(c) for c in data.chunks(4)] == ["sequences 1 to 4", "sequences 5 to 8", "sequences 9 to 10"]
    lengths = [1 + n % 2 for n in range(12)]
    data = DataSet({"x": [np.zeros((n, 1)) for n in lengths]})
    assert data.told(Chunk(1, 0, 6)) == "sequences 2, 4, 6 and 3 more"


@pytest.mark.parametrize("chunk", [1, 2, 5, 10, 11, 1000])
def test_chunk_sizes(chunk: int) -> None:
    plain, sequences = drawn(LSTM, [3] * 11)
    summed = dataset_gradient(data_sets.problem_of(plain), stacked(sequences), chunk=chunk)
    assert_close(summed, data_sets.evaluated(plain, sequences))
    assert (summed.chunk, summed.chunks) == (chunk, -(-11 // chunk))


def test_lists_and_arrays_are_the_same() -> None:
    plain, sequences = drawn(ELMAN, [4] * 5)
    problem, lists = data_sets.problem_of(plain), stacked(sequences)
    arrays = {name: np.stack(items) for name, items in lists.items()}
    assert_same_bits(dataset_gradient(problem, lists, chunk=2), dataset_gradient(problem, arrays, chunk=2))


def test_an_empty_data_set() -> None:
    problem = data_sets.problem_of(data_sets.document(ELMAN))
    for empty in ({"x": [], "d": []}, {"x": np.zeros((0, 4, 2)), "d": np.zeros((0, 4, 2))}):
        for executor in (None, 2, "tcp://127.0.0.1:1"):
            summed = dataset_gradient(problem, empty, executor)
            assert (summed.loss, summed.sequences, summed.chunks) == (0.0, 0, 0)
            assert {n: g.shape for n, g in summed.gradients.items()}["W_h"] == (3, 3)
            assert not any(g.any() for g in summed.gradients.values())


def test_single_precision_is_that_of_the_data() -> None:
    plain, sequences = drawn(ELMAN, [5] * 6)
    single = {name: np.stack(items).astype(np.float32) for name, items in stacked(sequences).items()}
    summed = dataset_gradient(data_sets.problem_of(plain), single, chunk=4)
    assert all(g.dtype == np.float32 for g in summed.gradients.values())
    assert_close(summed, data_sets.evaluated(plain, sequences), 1e-4)
    assert dataset_gradient(data_sets.problem_of(plain), {**single, "d": single["d"].astype(float)}).gradients[
        "W_h"
    ].dtype == np.dtype(float)


def test_only_some_of_the_data() -> None:
    """What the data set does not have is as in the document."""
    plain, sequences = drawn(ELMAN, [3] * 4)
    some = [{"x": s["x"]} for s in sequences]
    assert_close(dataset_gradient(data_sets.problem_of(plain), stacked(some)), data_sets.evaluated(plain, some))


def test_numbers_and_a_parameter_without_a_path() -> None:
    sequences = sequences_of_numbers()
    summed = dataset_gradient(recurrence(), stacked(sequences))
    assert_close(summed, data_sets.evaluated(RECURRENCE, sequences))
    assert summed.gradients["idle"] == 0 and summed.gradients["idle"].shape == ()


def test_a_shared_start_has_one_gradient() -> None:
    plain = {**RECURRENCE, "wrt": ["h[0]", "u"]}
    sequences = sequences_of_numbers()
    summed = dataset_gradient(recurrence(wrt=["h[0]", "u"]), stacked(sequences), chunk=2)
    assert list(summed.gradients) == ["u", "h[0]"] or list(summed.gradients) == ["h[0]", "u"]
    assert_close(summed, data_sets.evaluated(plain, sequences))


def test_a_start_of_its_own() -> None:
    """h is a family: its given member comes with a sequence as the one member that it is."""
    sequences = sequences_of_numbers((3, 3))
    starts = [0.25, -0.75]
    data = {**stacked(sequences), "h": np.array(starts)[:, None]}
    found = dataset_gradient(recurrence(wrt=["u"]), data, chunk=1)
    parts = [
        data_sets.evaluated({**RECURRENCE, "wrt": ["u"], "values": {"h[0]": start}}, [s])
        for start, s in zip(starts, sequences, strict=True)
    ]
    assert found.loss == pytest.approx(sum(loss for loss, _ in parts), rel=1e-12)
    assert found.gradients["u"] == pytest.approx(sum(g["u"] for _, g in parts), rel=1e-12)


def test_a_parameter_as_long_as_the_document() -> None:
    """W[1..2] stays as it is when two steps become five."""
    plain = {
        "equations": "h[t] = tanh(W[1]*x[t] + W[2]*h[t-1]) for t in 1..T\nE = sum(h[t]**2 for t in 1..T)",
        "data": {"x": [0.5, 1]},
        "values": {"h[0]": 0.5},
        "parameters": {"W": [0.75, -0.5]},
    }
    sequences = [{"x": s["x"]} for s in sequences_of_numbers((5, 5, 2))]
    summed = dataset_gradient(data_sets.problem_of(plain), stacked(sequences))
    assert_close(summed, data_sets.evaluated(plain, sequences))


# ----------------------------------------------------------------------------- steps, executors, bits


def test_steps_with_other_parameters() -> None:
    plain, sequences = drawn(ELMAN, [4, 6, 4])
    problem = data_sets.problem_of(plain)
    weight = np.array(plain["parameters"]["W_h"]) * 0.5
    changed = {**plain, "parameters": {**plain["parameters"], "W_h": weight.tolist()}}
    with Sums(problem, stacked(sequences), chunk=2) as sums:
        first = sums.gradient()
        assert_close(sums.gradient({"W_h": weight}), data_sets.evaluated(changed, sequences))
        assert_same_bits(sums.gradient(), first)


def test_threads_have_arrays_of_their_own() -> None:
    plain, sequences = drawn(ELMAN, [6] * 40)
    problem, data = data_sets.problem_of(plain), stacked(sequences)
    serial = dataset_gradient(problem, data, chunk=3)
    with ThreadPoolExecutor(4) as threads:
        for _ in range(3):
            summed = dataset_gradient(problem, data, threads, chunk=3)
            assert_same_bits(summed, serial)
        assert summed.told == "through ThreadPoolExecutor"
        assert threads.submit(int).result() == 0  # it is still open


class Backwards(ThreadPoolExecutor):
    """Does the last task first, as soon as ``count`` were submitted."""

    def __init__(self, count: int) -> None:
        super().__init__(1)
        self.count = count
        self.held: list[tuple[Future[Any], Any, Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.held.append((future, fn, args))
        if len(self.held) == self.count:
            for held, function, arguments in reversed(self.held):
                held.set_result(function(*arguments))
        return future


def test_the_order_of_the_results_does_not_matter() -> None:
    plain, sequences = drawn(ELMAN, [6] * 20)
    problem, data = data_sets.problem_of(plain), stacked(sequences)
    assert_same_bits(dataset_gradient(problem, data, Backwards(10), 2), dataset_gradient(problem, data, chunk=2))


def test_the_order_of_the_sum_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: chunks that are added in another order give other bits, which the comparison sees."""
    plain, sequences = drawn(ELMAN, [6] * 20)
    problem, data = data_sets.problem_of(plain), stacked(sequences)
    right = dataset_gradient(problem, data, chunk=2)
    chunks = DataSet.chunks
    monkeypatch.setattr(DataSet, "chunks", lambda self, size: chunks(self, size)[::-1])
    with pytest.raises(AssertionError):
        assert_same_bits(dataset_gradient(problem, data, chunk=2), right)


def test_progress() -> None:
    plain, sequences = drawn(ELMAN, [4] * 5)
    told: list[tuple[int, int]] = []
    with Sums(data_sets.problem_of(plain), stacked(sequences), chunk=2) as sums:
        sums.gradient(progress=lambda at, last: told.append((at, last)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_what_is_computed_together_is_compiled_once() -> None:
    plain, sequences = drawn(ELMAN, [4] * 7)
    programs = Programs(data_sets.problem_of(plain), DataSet(stacked(sequences)), 2)
    found = [programs.of(chunk) for chunk in programs.chunks]
    assert len({id(c) for c in found}) == 2  # three chunks of two, one of one
    again = Programs(data_sets.problem_of(plain), DataSet(stacked(sequences)), 2)
    assert again.of(again.chunks[0]).program == found[0].program  # equal by content
    assert again.shapes(again.chunks[0]) == {n: a.shape for n, a in again.arrays(again.chunks[0]).items()}


def test_as_plain_data() -> None:
    summed = dataset_gradient(recurrence(), stacked(sequences_of_numbers()), chunk=2)
    data = summed.data()
    assert list(data) == ["target", "sequences", "chunk", "chunks", "loss", "gradients"]
    assert (data["target"], data["sequences"], data["chunk"], data["chunks"]) == ("E", 3, 2, 2)
    assert data["gradients"]["w"] == float(summed.gradients["w"])


# ----------------------------------------------------------------------------- what is wrong


class Losing(ThreadPoolExecutor):
    """An executor that breaks at its third task."""

    count = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.count += 1
        future: Future[Any] = Future()
        if self.count == 3:
            future.set_exception(BrokenProcessPool("gone"))
        else:
            future.set_result(fn(*args))
        return future


def test_a_foreign_executor_that_breaks() -> None:
    plain, sequences = drawn(ELMAN, [4] * 8)
    with pytest.raises(ChunkLost) as caught:
        dataset_gradient(data_sets.problem_of(plain), stacked(sequences), Losing(1), 2)
    assert caught.value.chunks == (2,)
    assert str(caught.value) == "error: the executor lost chunk 3 of 4 (sequences 5 to 6): gone"


def test_an_error_in_a_chunk_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, sequences = drawn(ELMAN, [4] * 4)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("bptt_solver.datasets.executors.run", broken)
    with pytest.raises(ZeroDivisionError) as caught:
        dataset_gradient(data_sets.problem_of(plain), stacked(sequences), chunk=2)
    assert caught.value.__notes__ == ["in chunk 1 of 2 (sequences 1 to 2)"]

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("bptt_solver.datasets.executors.run", full)
    with pytest.raises(ProblemError, match=r"not enough memory for chunk 1 of 2 \(sequences 1 to 2\)"):
        dataset_gradient(data_sets.problem_of(plain), stacked(sequences), chunk=2)


def test_numbers_that_are_not_finite_are_named() -> None:
    plain = {**RECURRENCE, "equations": RECURRENCE["equations"] + "*exp(x[1])"}
    sequences = sequences_of_numbers((3, 3, 3, 3))
    sequences[2]["x"][0] = 800.0
    with pytest.raises(ProblemError) as caught:
        dataset_gradient(data_sets.problem_of(plain), stacked(sequences), chunk=2)
    message = (
        "error: the loss of chunk 2 of 2 (sequences 3 to 4) is inf (solve one of these sequences alone to see where)"
    )
    assert str(caught.value) == message


X, D = np.zeros((4, 3)), np.zeros((4, 3))

WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "a data set without names (for example {'x': array, 'd': array})"),
    ({"y": X}, "the document gives no 'y' (it gives x, d)"),
    ({"x": X, "d": D[:3]}, "the data set has 4 sequences of x but 3 of d"),
    ({"x": 1.0}, "x is a number, not sequences (the first axis counts the sequences)"),
    ({"x": X[..., None], "d": D},
     "a sequence of x has shape (3, 1), the document's has (3,) (the data set needs (sequences, T)"),
    ({"x": X[:, :2], "d": D}, "a sequence has 3 steps of d and 2 of another name (T counts both)"),
    ({"x": X[:, :0], "d": D[:, :0]}, "a sequence of x has no steps"),
    ({"x": X.astype(complex), "d": D}, "x holds complex128, not real numbers"),
    ({"x": np.where(np.eye(4, 3) + np.eye(4, 3, 1) > 0, np.nan, X), "d": D},
     "entry (1) of x in sequence 1 is nan (only finite numbers)"),
    ({"x": [[1.0, [2.0]]], "d": D[:1]}, "a sequence of x is not an array (its rows have different lengths)"),
    ({"x": np.zeros((4, 5))}, "the document does not fit to a sequence with T = 4 (see below)"),
]  # fmt: skip


@pytest.mark.parametrize("data, message", WRONG, ids=range(len(WRONG)))
def test_wrong_data(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        dataset_gradient(recurrence(), data)
    assert message in str(caught.value).partition("\n")[0]


def test_wrong_requests() -> None:
    data = stacked(sequences_of_numbers())
    for problem, message in (
        (recurrence(wrt=["x"]), "each sequence has its own x, so there is no gradient by x to add up"),
        (recurrence(wrt=["h[2]"]), "each sequence computes its own h[2]: there is no gradient by it to add up"),
        (recurrence(target="h[3]"), "the target h is a member of a family, which other lengths may not have"),
    ):
        with pytest.raises(ProblemError, match=message.replace("[", r"\[")):
            dataset_gradient(problem, data)
    with pytest.raises(ProblemError, match="a chunk of 0 sequences"):
        dataset_gradient(recurrence(), data, chunk=0)
    with pytest.raises(ProblemError, match="0 worker processes"):
        dataset_gradient(recurrence(), data, 0)
    with Sums(recurrence(), data) as sums:
        with pytest.raises(ProblemError, match=r"the document gives no 'w1' \(did you mean 'w'\?\)"):
            sums.gradient({"w1": 1})
        with pytest.raises(ProblemError, match=r"w has shape \(1,\), the document's has \(\)"):
            sums.gradient({"w": [1]})
