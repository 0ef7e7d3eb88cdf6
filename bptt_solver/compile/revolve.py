"""The order in which a long chain of segments is run forward and in reverse with room for a few states: optimal
binomial checkpointing (Griewank and Walther 2000, algorithm 799; first as "treeverse" in Griewank 1992).

A chain has ``steps`` steps; state ``k`` lies before step ``k``. To reverse a step one has to stand at its state. There
are ``slots`` places to keep states; the first holds the state at the start. With ``slots`` places and no step run
forward more than ``repeats`` times, `longest` steps can be reversed.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb
from typing import NamedTuple


class Store(NamedTuple):
    """Keep the state at which one stands, which is that before step ``step``, in a slot."""

    slot: int
    step: int


class Restore(NamedTuple):
    """Go to the state that a slot holds, that before step ``step``."""

    slot: int
    step: int


class Advance(NamedTuple):
    """Run the steps ``first`` to ``after - 1`` forward, keeping nothing but the state at the end."""

    first: int
    after: int


class Reverse(NamedTuple):
    """Run one step forward with everything kept, and then in reverse: its gradient."""

    step: int


Action = Store | Restore | Advance | Reverse


def longest(slots: int, repeats: int) -> int:
    """How many steps can be reversed with so many slots when none is run forward more than ``repeats`` times:
    ``(slots + repeats)! / (slots! repeats!)``."""
    return comb(slots + repeats, slots) if repeats >= 0 else 0


def repeats(steps: int, slots: int) -> int:
    """How often a step has to be run forward at most, before it is reversed."""
    count = 0
    while longest(slots, count) < steps:
        count += 1
    return count


def advances(steps: int, slots: int) -> int:
    """How many steps are run forward in all, beside those that are run in order to be reversed: the least possible."""
    count = repeats(steps, slots)
    return count * steps - longest(slots + 1, count - 1)


def split(steps: int, slots: int) -> int:
    """After how many steps to keep the next state, with ``slots`` slots of which one holds the state at the start."""
    count = repeats(steps, slots)
    most = longest(slots, count - 1)  # what can be reversed afterwards with one repetition less
    return min(most, steps - longest(slots - 1, count - 1))


def schedule(steps: int, slots: int) -> Iterator[Action]:
    """The actions, one after the other. At the start one stands at state 0; the steps are reversed last first.

    Raises ValueError without a slot or without a step.
    """
    if slots < 1 or steps < 1:
        raise ValueError("a schedule needs at least one step and one slot")
    here = 0  # the state at which one stands; a reversed step leaves none
    if steps > 1:
        yield Store(0, 0)
    pending = [(0, steps, 0)]  # steps first..after-1 are to be reversed, their first state is in the slot
    while pending:
        first, after, slot = pending.pop()
        if here != first:
            yield Restore(slot, first)
        free = slots - slot
        if after - first == 1:
            yield Reverse(first)
            here = -1
            continue
        cut = after - 1 if free == 1 else first + split(after - first, free)
        yield Advance(first, cut)
        here = cut
        pending.append((first, cut, slot))
        if after - cut > 1:
            yield Store(slot + 1, cut)
        pending.append((cut, after, slot + 1))


class Line(NamedTuple):
    """What is done for the gradient of one step: from which kept state one starts, which steps are run forward, before
    which steps the states are kept on the way, and which step is reversed."""

    start: int
    forward: int
    keeps: tuple[int, ...]
    step: int


def lines(steps: int, slots: int) -> Iterator[Line]:
    """The schedule, with all actions that lead to the gradient of a step taken together, last step first."""
    start = 0
    keeps: list[int] = []
    for action in schedule(steps, slots):
        if isinstance(action, Restore):
            start = action.step
        elif isinstance(action, Store):
            keeps.append(action.step)
        elif isinstance(action, Reverse):
            yield Line(start, action.step - start, tuple(keeps), action.step)
            keeps = []


def picture(steps: int, slots: int) -> str:
    """The schedule as text: a line for each step that is reversed, time to the right. ``o`` is a state that is kept,
    ``.`` one that is not, ``>`` a step forward, ``<`` the step that is reversed, ``-`` one that rests."""
    rows: list[str] = []
    kept: dict[int, None] = {}
    for line in lines(steps, slots):
        kept.update(dict.fromkeys(line.keeps))
        row = ["-" if at % 2 else "." for at in range(2 * line.step + 2)]
        for at in kept:
            row[2 * at] = "o"
        for at in range(line.start, line.step):
            row[2 * at + 1] = ">"
        row[-1] = "<"
        rows.append("".join(row))
        kept = {at: None for at in kept if at < line.step}
    return "\n".join(rows)
