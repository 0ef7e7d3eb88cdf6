"""Section 7: numbers that were found in another way. A perturbed target, forward mode on one weight, what a state
remembers.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import is_exact
from bptt_solver.blocks import Entry, Value
from bptt_solver.errors import ProblemError
from bptt_solver.language.expressions import Reference

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.steps.members import Members

H = Fraction(1, 1000)  # of an exact perturbation
MOST_NAMES = 6


class Perturbation:
    """The target after one quantity was changed by ``h`` (and by ``-h``, if ``central``) where it is computed."""

    __slots__ = ("agrees", "central", "change", "changed", "entry", "h", "later", "name", "plus", "quotient", "step")

    def __init__(
        self, name: Reference, central: bool, h: Any, quotient: Value, agrees: bool, entry: tuple[int, ...] = ()
    ) -> None:
        self.name = name
        self.central = central
        self.h = h
        self.quotient = quotient
        self.agrees = agrees
        self.entry = entry
        self.changed: Value | None = None  # the quantity after the change
        self.plus: Value | None = None  # the target after the change
        self.change: Value | None = None
        self.later: Sequence[Reference] = ()  # what was recomputed
        self.step = 0  # the number of the line that it confirms


class Effects:
    """How much of a node's effect is direct: the simple partial, and what goes through later quantities."""

    __slots__ = ("direct", "name", "nodes", "rest", "through")

    def __init__(self, name: Reference, direct: Value, rest: Value, through: Sequence[Reference], nodes: int) -> None:
        self.name = name
        self.direct = direct
        self.rest = rest
        self.through = through
        self.nodes = nodes


class ForwardMode:
    """The change of one weight carried along: the derivatives of the states and of the target."""

    __slots__ = ("name", "states", "total")

    def __init__(
        self, name: Reference, states: Sequence[tuple[Reference, Value]], total: tuple[Reference, Value]
    ) -> None:
        self.name = name
        self.states = states
        self.total = total


class Memory:
    """What the last state keeps of the first: the product of the steps."""

    __slots__ = ("factors", "first", "name", "total")

    def __init__(self, name: Reference, first: Reference, factors: Sequence[Value], total: Value) -> None:
        self.name = name
        self.first = first
        self.factors = factors
        self.total = total


class ZeroColumns:
    """The columns of a weight's gradient sum to 0, as the error signals that it is made of."""

    __slots__ = ("name", "signal")

    def __init__(self, name: Reference, signal: Reference) -> None:
        self.name = name
        self.signal = signal


def perturbed(
    computation: Computation, members: Members, number: int, entry: tuple[int, ...] = ()
) -> Perturbation | None:
    """Perturb one instance; None if the target cannot be computed there."""
    from bptt_solver.verify import finite_difference

    key = computation.unfolded.keys[number]
    name: Reference = members.name(number)
    ours = computation.derivative(key)
    if entry:
        ours = ours[tuple(i - 1 for i in entry)]
        name = Entry(name, entry)
    value = computation.value(key)
    try:
        if not entry and is_exact(value) and is_exact(computation.value(computation.target_key)):
            difference = finite_difference(computation, key, entry, H)
            if difference.forward == ours:
                found = Perturbation(name, False, members.value(_decimal(H)), members.value(difference.forward), True)
                found.changed = members.value(_decimal(value + H))
                found.plus = members.value(_decimal(difference.plus))
                found.change = members.value(_decimal(difference.plus - difference.value))
                found.later = _later(computation, members, number)
                return found
        difference = finite_difference(computation, key, entry, 1e-5)
        quotient = difference.central
    except (ProblemError, ArithmeticError, ValueError):
        return None
    quotient = float(quotient)
    agrees = abs(quotient - float(ours)) <= 1e-5 * abs(float(ours))
    return Perturbation(name, True, 1e-5, members.value(quotient), agrees, entry)


def _decimal(value: Any) -> Any:
    """A fraction that is a short decimal as one."""
    if not isinstance(value, Fraction):
        return value
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return float(value) if rest == 1 else value


def _later(computation: Computation, members: Members, number: int) -> list[Reference]:
    """What depends on an instance, in the order of computation."""
    unfolded = computation.problem.unfolded
    reached = {number}
    later: list[int] = []
    for at in unfolded.order:
        if at not in reached and any(read in reached for read in unfolded.reads(at)):
            reached.add(at)
            later.append(at)
            if len(later) > MOST_NAMES:
                break
    if len(later) > MOST_NAMES:
        target = computation.unfolded.number[computation.target_key]
        return [*(members.name(n) for n in later[: MOST_NAMES - 2]), Reference("…"), members.name(target)]
    return [members.name(n) for n in later]
