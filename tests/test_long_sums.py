"""The check of a long recurrence takes time in proportion to its length."""

from __future__ import annotations

import numpy as np
import pytest

import bptt_solver
from bptt_solver import forward_mode
from bptt_solver.computation import Computation
from bptt_solver.forward_mode import ForwardMode
from bptt_solver.verify import verify
from bptt_solver.verify.checking import Checking
from bptt_solver.verify.routes import Forward, Lines

TEXT = """
sizes: {{T: {steps}}}
equations: |
  h[t] = tanh(W @ h[t-1] + x[t]) for t in 1..T
  E = tanh(sum(sum(h[t]*v) for t in 1..T)) + sum(sum(h[t]) for t in 1..T)**2
data: {{x: {x}}}
values: {{"h[0]": [0.0, 0.0]}}
parameters: {{W: [[0.5, -0.3], [0.2, 0.4]], v: [0.01, -0.02]}}
"""


def computation(steps: int) -> Computation:
    """A recurrence whose target reads every step twice, through long sums."""
    x = [[round(0.1 * (t % 5) - 0.2, 3), round(0.05 * (t % 3), 3)] for t in range(steps)]
    return Computation(bptt_solver.loads(TEXT.format(steps=steps, x=x)))


def spent(solved: Computation, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many summands the lines of all entries go through."""
    count = 0
    known = ForwardMode._ground

    def counted(self: ForwardMode, *arguments: object) -> object:
        nonlocal count
        count += 1
        return known(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(ForwardMode, "_ground", counted)
        checking = Checking(solved, False, {})
        Lines(Forward(checking.view, "complex step"), checking.float_claims()).right_hand_sides(lambda number: None)
    return count


def test_twice_the_length_is_twice_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert spent(computation(200), monkeypatch) < 2.5 * spent(computation(100), monkeypatch)


def test_the_count_sees_work_that_grows_with_the_square(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward_mode, "_LONG", 10**9)
    assert spent(computation(200), monkeypatch) > 2.5 * spent(computation(100), monkeypatch)


def test_the_check_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found = verify(computation(70), "full").as_json()
    monkeypatch.setattr(forward_mode, "_LONG", 10**9)
    assert verify(computation(70), "full").as_json() == found


@pytest.mark.parametrize("name", ["h[75]", "v", "W"])
def test_a_wrong_derivative_in_a_long_sum_is_found(name: str) -> None:
    solved = computation(100)
    key = ("h", (75,)) if name == "h[75]" else (name, ())
    wrong = np.array(solved.derivative(key))
    wrong.flat[0] *= 1 + 1e-5
    assert not verify(solved, "fast", {key: wrong}).passed
