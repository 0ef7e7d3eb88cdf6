"""The mistakes of the lecture notes, and those that learners make: the check must reject every one of them.

The mistakes of the notes are made here once more, by hand, from forward values and error signals that are right: so a
test says what exactly goes wrong in the note, that it leads to the number of `seed_acceptance.json`, that this number
is rejected and the right one accepted. docs/lecture-notes.md tells the same in words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver

HERE = Path(__file__).parent / "acceptance"
EXAMPLES = {e["id"]: e for e in json.loads((HERE / "seed_acceptance.json").read_text(encoding="utf-8"))["examples"]}
RENAMES = json.loads((HERE / "renames.json").read_text(encoding="utf-8"))["names"]
STEPS = (1, 2, 3)
Array = Any


class Note:
    """A note's example: values, ordered derivatives, and the judge."""

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier
        problem = bptt_solver.load(HERE / "documents" / f"{identifier}.yaml")
        self.solution = bptt_solver.solve(problem, check="none")

    def value(self, name: str) -> Array:
        return np.asarray(self.solution.values[name], dtype=float)

    def signal(self, name: str) -> Array:
        """An ordered derivative."""
        return np.asarray(self.solution.ordered_derivatives[name], dtype=float)

    def named(self, key: str) -> str:
        return str(RENAMES.get(self.identifier, {}).get(key, key))

    def accepts(self, name: str, answer: Array) -> bool:
        return bool(self.solution.judge({self.named(name): np.asarray(answer).tolist()}).passed)

    def mistake(self, words: str) -> Mapping[str, Any]:
        """The numbers of the mistake whose description contains these words."""
        found = [v for k, v in EXAMPLES[self.identifier]["known_wrong"].items() if words in k]
        assert len(found) == 1, words
        return dict(found[0])

    def mistake_of(self, name: str) -> Mapping[str, Any]:
        """The numbers of a mistake by its whole name."""
        return dict(EXAMPLES[self.identifier]["known_wrong"][name])

    def right(self, key: str) -> Array:
        expected = EXAMPLES[self.identifier]["expected"]
        return np.asarray({**expected["ordered_derivatives"], **expected["gradients"]}[key], dtype=float)

    def rejects_only(self, words: str, made: Mapping[str, Array]) -> None:
        """The mistake that was made here gives the known numbers, is rejected, and the right number is accepted."""
        known = self.mistake(words)
        for key, answer in made.items():
            assert np.allclose(answer, known[key], rtol=1e-9, atol=1e-12), key
            assert not np.allclose(answer, self.right(key), rtol=1e-3, atol=0), key
            assert not self.accepts(key, answer), key
        for key in known:
            assert not self.accepts(key, known[key]), key
            assert self.accepts(key, self.right(key)), key


@cache
def note(identifier: str) -> Note:
    return Note(identifier)


def summed(of: Callable[[int], Array]) -> Array:
    return sum(of(t) for t in STEPS)


def softmax_diagonal(y: Array) -> Array:
    """What the notes call the derivative of softmax: the diagonal of its Jacobian."""
    return y * (1 - y)


# -- 004: BPTT applied to a simple recurrent network


def test_note_004_wrong_node_in_dC_dwho() -> None:
    """It writes the signal of z_h where that of z_o belongs: ∂C/∂w_ho = Σ ∂⁺C/∂z_h h."""
    n = note("S004-rnn-square")
    wrong = summed(lambda t: np.outer(n.signal(f"z_h[{t}]"), n.value(f"h[{t}]")))
    right = summed(lambda t: np.outer(n.signal(f"z_o[{t}]"), n.value(f"h[{t}]")))
    n.rejects_only("delta_h instead of delta_o", {"w_ho": wrong})
    assert n.accepts("w_ho", right)


def test_note_004_wrong_node_has_a_wrong_shape_where_the_sizes_differ() -> None:
    n = note("S004-rnn")
    wrong = summed(lambda t: np.outer(n.signal(f"z_h[{t}]"), n.value(f"h[{t}]")))
    with pytest.raises(bptt_solver.ProblemError, match=r"shape \(3, 3\).*\(2, 3\)"):
        n.accepts("w_ho", wrong)


@pytest.mark.parametrize("identifier", ["S004-rnn", "S004-rnn-square"])
def test_note_004_cost_without_the_target_factor(identifier: str) -> None:
    """As printed, the cost is Σ (1 − ŷ) log y: not the cross-entropy, and unbounded below."""
    n = note(identifier)
    printed = sum(np.sum((1 - n.value(f"yhat[{t}]")) * np.log(n.value(f"y[{t}]"))) for t in STEPS)
    meant = -sum(np.sum(n.value(f"yhat[{t}]") * np.log(n.value(f"y[{t}]"))) for t in STEPS)
    assert printed == pytest.approx(n.mistake("cost as printed")["C"], rel=1e-9)
    assert printed < 0 < meant == pytest.approx(n.solution.value, rel=1e-12)


@pytest.mark.parametrize("identifier", ["S004-rnn", "S004-rnn-square"])
def test_note_004_diagonal_softmax_derivative(identifier: str) -> None:
    """ċ(y)·σ̇(z) entry by entry gives −ŷ(1 − y) instead of y − ŷ."""
    n = note(identifier)

    def delta(t: int) -> Array:
        y, target = n.value(f"y[{t}]"), n.value(f"yhat[{t}]")
        wrong = -target / y * softmax_diagonal(y)
        assert np.allclose(wrong, -target * (1 - y))
        return wrong

    n.rejects_only("diagonal only", {"w_ho": summed(lambda t: np.outer(delta(t), n.value(f"h[{t}]")))})


# -- 003: forward pass and BPTT (CSDN)


def hidden(n: Note, output: Callable[[int], Array], slope: Callable[[int], Array]) -> dict[int, Array]:
    """The hidden error signals that follow from those of the output and from f'."""
    w, u = n.value("w"), n.value("u")
    deltas: dict[int, Array] = {4: np.zeros(3)}
    for t in reversed(STEPS):
        deltas[t] = (w.T @ output(t) + u.T @ deltas[t + 1]) * slope(t)
    return deltas


def gradients(n: Note, output: Callable[[int], Array], deltas: Mapping[int, Array]) -> dict[str, Array]:
    return {
        "w": summed(lambda t: np.outer(output(t), n.value(f"s[{t}]"))),
        "v": summed(lambda t: np.outer(deltas[t], n.value(f"x[{t}]"))),
        "u": summed(lambda t: np.outer(deltas[t], n.value(f"s[{t - 1}]"))),
    }


def error(n: Note, t: int) -> Array:
    return n.value(f"y[{t}]") - n.value(f"d[{t}]")


def slope(n: Note, t: int) -> Array:
    s = n.value(f"s[{t}]")
    return s * (1 - s)


@pytest.mark.parametrize("identifier", ["S003-sse-softmax", "S003-sse-softmax-3"])
def test_note_003_diagonal_softmax_derivative(identifier: str) -> None:
    """g'(net_k) = y_k(1 − y_k) is the diagonal of the Jacobian y_m(δ_mk − y_k)."""
    n = note(identifier)
    output = lambda t: error(n, t) * softmax_diagonal(n.value(f"y[{t}]"))  # noqa: E731
    n.rejects_only("diagonal of the Jacobian", gradients(n, output, hidden(n, output, lambda t: slope(n, t))))


def test_note_003_with_two_outputs_the_diagonal_is_exactly_half() -> None:
    two, three = note("S003-sse-softmax"), note("S003-sse-softmax-3")
    half = np.asarray(two.mistake("diagonal")["w"]) / two.right("w")
    assert np.allclose(half, 0.5)
    assert not np.allclose(np.asarray(three.mistake("diagonal")["w"]) / three.right("w"), 0.5, rtol=0.01)


@pytest.mark.parametrize("identifier", ["S003-sse-softmax", "S003-sse-softmax-3"])
def test_note_003_cross_entropy_signal_with_a_squared_error(identifier: str) -> None:
    n = note(identifier)
    output = lambda t: error(n, t)  # noqa: E731
    n.rejects_only("y-d used although", gradients(n, output, hidden(n, output, lambda t: slope(n, t))))


def test_note_003_missing_brackets_in_binary_cross_entropy() -> None:
    """−Σ d ln y + (1 − d) ln(1 − y): the minus sign reaches the first term only."""
    n = note("S003-bce-sigmoid")
    pairs = [(n.value(f"d[{t}]"), n.value(f"y[{t}]")) for t in STEPS]
    printed = sum(np.sum(-d * np.log(y) + (1 - d) * np.log(1 - y)) for d, y in pairs)
    meant = -sum(np.sum(d * np.log(y) + (1 - d) * np.log(1 - y)) for d, y in pairs)
    assert printed == pytest.approx(n.mistake("without the brackets")["C"], rel=1e-9)
    assert meant == pytest.approx(n.solution.value, rel=1e-12)
    signals = [-d * (1 - y) - (1 - d) * y for d, y in pairs]
    wrong = summed(lambda t: np.outer(signals[t - 1], n.value(f"s[{t}]")))
    assert not n.accepts("w", wrong)
    assert n.accepts("w", n.right("w"))


def test_note_003_derivative_of_the_output_applied_twice() -> None:
    """With the matched pair, d − y is the whole signal: another g' turns it into that of a squared error."""
    n = note("S003-bce-sigmoid")
    output = lambda t: error(n, t) * softmax_diagonal(n.value(f"y[{t}]"))  # noqa: E731
    n.rejects_only("on top of", gradients(n, output, hidden(n, output, lambda t: slope(n, t))))


def test_note_003_sign_of_delta() -> None:
    """δ = −∂C/∂net: Σ δ·input is what a weight moves by, not the gradient."""
    n = note("S003-sse-sigmoid")
    for key in ("v", "u", "w"):
        assert not n.accepts(key, -n.right(key))
        assert n.accepts(key, n.right(key))


def test_note_003_slope_taken_at_the_output() -> None:
    """g'(y) and f'(s) read literally: σ(y)(1 − σ(y)), where y(1 − y) is meant."""
    n = note("S003-sse-sigmoid")

    def literal(values: Array) -> Array:
        again = 1 / (1 + np.exp(-values))
        return again * (1 - again)

    output = lambda t: error(n, t) * literal(n.value(f"y[{t}]"))  # noqa: E731
    deltas = hidden(n, output, lambda t: literal(n.value(f"s[{t}]")))
    n.rejects_only("evaluated literally", gradients(n, output, deltas))


def test_note_003_one_signal_instead_of_one_for_each_sample() -> None:
    """δ_j(t−1) has no output error of its own step: right for one sample, wrong for the sum of all."""
    n = note("S003-sse-sigmoid")
    last = lambda t: error(n, t) * softmax_diagonal(n.value(f"y[{t}]")) * (t == 3)  # noqa: E731
    made = gradients(n, last, hidden(n, last, lambda t: slope(n, t)))
    n.rejects_only("one merged signal", {k: made[k] for k in ("v", "u")})


def test_note_003_samples_added_up_give_the_gradient() -> None:
    """The same formula for each sample, then the sum: the note's double sum over z and l is right."""
    n = note("S003-sse-sigmoid")
    total: dict[str, Array] = {}
    for sample in STEPS:
        own = lambda t, at=sample: error(n, t) * softmax_diagonal(n.value(f"y[{t}]")) * (t == at)  # noqa: E731
        for key, part in gradients(n, own, hidden(n, own, lambda t: slope(n, t))).items():
            total[key] = total.get(key, 0) + part
    for key, answer in total.items():
        assert n.accepts(key, answer)


# -- 000: loss and BPTT (HackMD, after S.-H. Wu)


def test_note_000_sum_first_multiply_later() -> None:
    """'Sum all error signals, multiply by the forward result': the products come first, inside the sum."""
    n = note("S000-deep-rnn")
    wrong = np.outer(summed(lambda t: n.signal(f"z[1,{t}]")), summed(lambda t: n.value(f"a[0,{t}]")))
    right = summed(lambda t: np.outer(n.signal(f"z[1,{t}]"), n.value(f"a[0,{t}]")))
    n.rejects_only("sum error signals", {"W1": wrong})
    assert n.accepts("W1", right)


def test_note_000_W_as_in_an_ordinary_network() -> None:
    """'Only U is special': W is shared over time too, and its δ contains the part from the next step."""
    n = note("S000-deep-rnn")
    weights = {k: n.value(f"W[{k}]") for k in (1, 2, 3)}
    wrong: dict[str, Array] = {"W1": 0, "W2": 0}
    for t in STEPS:
        delta = n.signal(f"z[3,{t}]")
        for k in (2, 1):
            delta = (weights[k + 1].T @ delta) * (1 - n.value(f"a[{k},{t}]") ** 2)  # the blue part alone
            wrong[f"W{k}"] = wrong[f"W{k}"] + np.outer(delta, n.value(f"a[{k - 1},{t}]"))
    n.rejects_only("same as in an ordinary network", wrong)


def test_note_000_sign_of_the_cost() -> None:
    """argmin of −ΣC climbs: the step goes the wrong way."""
    n = note("S000-two-sequences")
    updated = EXAMPLES["S000-two-sequences"]["expected"]["updated_parameters"]
    rate = updated["eta"]
    for key, wrong in n.mistake("sign of the note").items():
        start = n.value(n.named(key))
        assert not n.accepts(key, (start - np.asarray(wrong)) / rate)
        assert n.accepts(key, (start - np.asarray(updated[key])) / rate)


# -- 001: recurrent architectures (HackMD)


def test_note_001_an_output_layer_that_feeds_back_is_another_network() -> None:
    """a(k,t) for k = 1..L, read literally, makes the output layer recurrent; by default it is not."""
    plain, literal = note("S000-deep-rnn"), note("S000-deep-rnn-recurrent-output")
    assert plain.solution.value != pytest.approx(literal.solution.value, rel=1e-6)
    assert not plain.accepts("W3", literal.right("W3"))
    assert literal.accepts("U3", literal.right("U3"))


def test_note_001_outputs_that_depend_on_later_inputs() -> None:
    """'y(t) depends only on x(1..t)' fails where one chain runs backwards in time."""
    n = note("S001-bidirectional")
    problem = bptt_solver.loads(
        (HERE / "documents" / "S001-bidirectional.yaml")
        .read_text(encoding="utf-8")
        .replace("target: C", "target: c[1]")
    )
    first = bptt_solver.solve(problem, check="none")
    assert np.any(np.asarray(first.ordered_derivatives["x[3]"]))
    assert n.accepts("Ub", n.right("Ub"))


# -- 002: feed-forward networks (HackMD, after H.-Y. Lee)


def test_note_002_the_output_rule_needs_an_output_entry_by_entry() -> None:
    """∂l/∂z' = ∂y1/∂z' ∂l/∂y1 has one factor: right for a sigmoid, wrong for softmax."""
    n = note("S002-feedforward")
    y, target = n.value("a[3]"), n.value("d")
    assert np.allclose(y * (1 - y) * (y - target), n.signal("z[3]"), rtol=1e-12)
    other = bptt_solver.loads(
        (HERE / "documents" / "S002-feedforward.yaml").read_text(encoding="utf-8")
        .replace("a[k] = sigmoid(z[k])                     for k in 1..K",
                 "a[k] = sigmoid(z[k]) for k in 1..K-1\n  a[K] = softmax(z[K])")
    )  # fmt: skip
    solution = bptt_solver.solve(other, check="none")
    y = np.asarray(solution.values["a[3]"])
    assert not solution.judge({"z[3]": (y * (1 - y) * (y - target)).tolist()}).passed
    assert solution.judge({"z[3]": solution.ordered_derivatives["z[3]"]}).passed


def test_note_002_bias_gradients_are_the_error_signals() -> None:
    """∂z/∂b = 1, which the note leaves out."""
    n = note("S002-feedforward")
    for k in (1, 2, 3):
        assert n.accepts(f"b{k}", n.signal(f"z[{k}]"))


def test_mazur_hidden_signal_with_updated_output_weights() -> None:
    n = note("X-mazur")
    known = n.mistake("already updated")
    rate, w2 = 0.5, n.value("W2")
    moved = w2 - rate * n.signal("W2")
    out = n.value("out_h")
    delta = (moved.T @ n.signal("net_o")) * out * (1 - out)
    wrong = np.outer(delta, n.value("x"))
    assert np.allclose(wrong, known["W1"], rtol=1e-9)
    assert not n.accepts("W1", wrong)
    assert n.accepts("W1", np.outer(n.signal("net_h"), n.value("x")))


# -- the mistakes of learners: every one of them, by number


def _all() -> list[Any]:
    return [
        pytest.param(identifier, mistake, id=f"{identifier}: {mistake}")
        for identifier, example in EXAMPLES.items()
        for mistake in example.get("known_wrong", {})
        if identifier.startswith(("S004-linear", "D-"))
    ]


@pytest.mark.parametrize(("identifier", "mistake"), _all())
def test_a_mistake_of_learners(identifier: str, mistake: str) -> None:
    """Each wrong number on its own is rejected; what the mistake leaves right is accepted."""
    n = note(identifier)
    wrong = 0
    for key, answer in n.mistake_of(mistake).items():
        right = n.right(key)
        if np.shape(answer) != right.shape:
            with pytest.raises(bptt_solver.ProblemError, match="shape"):
                n.accepts(key, answer)
            wrong += 1
            continue
        same = np.allclose(answer, right, rtol=1e-9, atol=1e-12)
        assert n.accepts(key, answer) == same, key
        wrong += not same
    assert wrong


def test_every_known_mistake_is_here() -> None:
    """No example of the notes has mistakes that are not tested above by name."""
    own = {i for i, e in EXAMPLES.items() if e.get("known_wrong") and not i.startswith(("S004-linear", "D-"))}
    text = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{identifier}"' in text for identifier in own)
    counted = sum(len(EXAMPLES[i]["known_wrong"]) for i in own)
    assert counted == 17
