"""The schedule of checkpoints: against the definition of its optimum, and against the closed forms."""

from __future__ import annotations

from functools import cache
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bptt_solver.compile import revolve
from bptt_solver.compile.revolve import (
    Advance,
    Line,
    Restore,
    Reverse,
    Store,
    advances,
    lines,
    longest,
    picture,
    repeats,
    schedule,
)


@cache
def least(steps: int, slots: int) -> int:
    """The least number of steps forward, by trying where to keep the next state."""
    if steps == 1:
        return 0
    if slots == 1:
        return steps * (steps - 1) // 2
    return min(at + least(steps - at, slots - 1) + least(at, slots) for at in range(1, steps))


def binomial(steps: int, slots: int) -> int:
    """The closed form of Griewank and Walther (2000): ``r n - β(c + 1, r - 1)`` for ``β(c, r - 1) < n ≤ β(c, r)``."""
    r = next(r for r in range(steps + 1) if comb(slots + r, slots) >= steps)
    return r * steps - (comb(slots + r, slots + 1) if r else 0)


def test_all_small_chains_against_the_definition_of_the_optimum() -> None:
    """The schedule's steps forward, what is promised, the closed form and dynamic programming: all the same."""
    for steps in range(1, 61):
        for slots in range(1, 13):
            forward = sum(a.after - a.first for a in schedule(steps, slots) if isinstance(a, Advance))
            counts = {forward, advances(steps, slots), binomial(steps, slots), least(steps, slots)}
            assert len(counts) == 1, (steps, slots)
            assert sum(line.forward for line in lines(steps, slots)) == forward


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 90), st.integers(1, 12))
def test_every_step_is_reversed_once_and_no_schedule_is_shorter(steps: int, slots: int) -> None:
    kept: dict[int, int] = {}
    here: int | None = 0
    reversed_steps: list[int] = []
    forward = [0] * steps
    for action in schedule(steps, slots):
        if isinstance(action, Store):
            assert action.step == here and 0 <= action.slot < slots
            kept[action.slot] = action.step
        elif isinstance(action, Restore):
            assert kept[action.slot] == action.step
            here = action.step
        elif isinstance(action, Advance):
            assert here == action.first < action.after
            for step in range(action.first, action.after):
                forward[step] += 1
            here = action.after
        else:
            assert isinstance(action, Reverse) and here == action.step
            reversed_steps.append(action.step)
            here = None
    assert reversed_steps == list(reversed(range(steps)))
    assert sum(forward) == advances(steps, slots) == least(steps, slots)
    assert max(forward) <= repeats(steps, slots)


@given(st.integers(1, 40), st.integers(0, 40))
def test_the_closed_form(slots: int, count: int) -> None:
    """Pascal's triangle; and what a step more than that costs."""
    assert longest(slots, 0) == 1 and longest(1, count) == count + 1
    assert longest(slots + 1, count + 1) == longest(slots, count + 1) + longest(slots + 1, count)
    steps = longest(slots, count)
    assert repeats(steps, slots) == count and repeats(steps + 1, slots) == count + 1
    assert advances(steps + 1, slots) == advances(steps, slots) + count + 1


def test_known_values() -> None:
    """Griewank and Walther (2000): ten steps with three slots need fifteen steps forward."""
    assert advances(10, 3) == 15
    assert [longest(3, r) for r in range(5)] == [1, 4, 10, 20, 35]


def test_the_actions_by_lines() -> None:
    assert list(lines(6, 2)) == [
        Line(0, 5, (0, 3), 5),
        Line(3, 1, (), 4),
        Line(3, 0, (), 3),
        Line(0, 2, (1,), 2),
        Line(1, 0, (), 1),
        Line(0, 0, (), 0),
    ]
    assert list(lines(1, 1)) == [Line(0, 0, (), 0)]


def test_the_picture() -> None:
    assert picture(6, 2).splitlines() == ["o>.>.>o>.>.<", "o-.-.-o>.<", "o-.-.-o<", "o>o>.<", "o-o<", "o<"]
    assert picture(1, 1) == ".<"


def test_cutting_in_halves_would_not_be_optimal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: the test of the schedule sees it."""
    monkeypatch.setattr(revolve, "split", lambda steps, slots: (steps + 1) // 2)
    forward = sum(a.after - a.first for a in schedule(40, 4) if isinstance(a, Advance))
    assert forward > least(40, 4) == advances(40, 4)


def test_a_long_schedule_is_quick() -> None:
    count = sum(1 for _ in schedule(100_000, 12))
    assert count > 200_000


def test_nothing_to_schedule() -> None:
    for steps, slots in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least one step and one slot"):
            list(schedule(steps, slots))
