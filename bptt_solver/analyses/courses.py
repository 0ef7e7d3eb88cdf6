"""What gradient flow finds: how a state fares on the way back, and the verdict about it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bptt_solver.analyses.factors import Factor, Way
from bptt_solver.analyses.states import Group, State
from bptt_solver.analyses.transport import Matrix, Size
from bptt_solver.language.expressions import Reference

STEADY = (0.9, 1.1)  # the factor a step ...
TOTAL = (0.1, 10.0)  # ... and in all, between which a state is called steady


class Reach:
    """``∂⁺h_T/∂h_s`` for one s: how the state at the end moves with that at s.

    ``sizes`` are its singular values, ``step`` is the norm of the step from s to the next time (None if there is none);
    ``bound`` is the product of the steps' norms from here on, where it is a bound. Of a number, ``value`` and
    ``step_value`` have the sign.
    ``direct`` is the size of what goes from time to time without a detour.
    """

    __slots__ = ("bound", "direct", "sizes", "step", "step_value", "time", "value")

    def __init__(self, time: int, sizes: Sequence[Size]) -> None:
        self.time = time
        self.sizes = sizes
        self.value: float | None = None
        self.step: float | None = None
        self.step_value: float | None = None
        self.bound: Size | None = None
        self.direct: Size | None = None

    @property
    def norm(self) -> Size:
        """The largest singular value."""
        return self.sizes[0]


class Course:
    """One state (or all states of a group together) from its end back to its beginning.

    ``last`` is the time at the end; ``reaches`` run backwards from the time before it. ``arrived``: the length of the
    error signal that entered last, by the time at which it arrives.
    """

    __slots__ = ("arrived", "last", "matrix", "reaches", "size", "states")

    def __init__(self, states: Sequence[State], last: int, size: int) -> None:
        self.states = list(states)
        self.last = last
        self.size = size
        self.reaches: list[Reach] = []
        self.arrived: dict[int, Size] = {}
        self.matrix: Matrix | None = None  # of the last reach, without its exponent

    @property
    def steps(self) -> int:
        """The number of steps from the beginning to the end."""
        return abs(self.last - self.reaches[-1].time)

    @property
    def factor(self) -> float:
        """The geometric mean of the norm a step."""
        return self.reaches[-1].norm.root(self.steps)

    @property
    def verdict(self) -> str:
        """``none`` (nothing comes through), ``vanishing``, ``exploding`` or ``steady``."""
        total = self.reaches[-1].norm.log10
        if total is None:
            return "none"
        if self.factor < STEADY[0] or total <= math.log10(TOTAL[0]):
            return "vanishing"
        if self.factor > STEADY[1] or total >= math.log10(TOTAL[1]):
            return "exploding"
        return "steady"


class Signals:
    """The lengths of ordered derivatives along time: ``of`` as the language writes it, ``lengths`` by time, and the
    ``numbers`` of the derivatives."""

    __slots__ = ("lengths", "numbers", "reference", "state")

    def __init__(self, reference: Reference, state: State | None) -> None:
        self.reference = reference
        self.state = state
        self.lengths: dict[int, float] = {}
        self.numbers: dict[int, int] = {}


class GroupFlow:
    """What was found for one group. ``courses`` has one entry for each state, ``together`` that of all states.

    ``entered``: the last time at which an error enters (None: no error reaches these states). ``path`` holds the
    factors of one step in the order of computation where a step has one path, ``gains`` what each multiplies by, along
    the strongest direction (geometric means). ``ways``: the ways of a step, if there are several, but not many.
    """

    __slots__ = ("courses", "entered", "factors", "gains", "group", "path", "signals", "together", "ways")

    def __init__(self, group: Group) -> None:
        self.group = group
        self.courses: list[Course] = []
        self.together: Course | None = None
        self.factors: list[Factor] = []
        self.path: list[Factor] = []
        self.gains: list[float] = []
        self.ways: list[Way] = []
        self.signals: list[Signals] = []
        self.entered: int | None = None
