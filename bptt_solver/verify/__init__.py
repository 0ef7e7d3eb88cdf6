"""The self-check: every reported ordered derivative by routes that share neither the order of accumulation nor the
local rules.

A node is always perturbed *where it is computed*. Agreement is relative and per entry, without an absolute floor: a
vanishing gradient that was set to zero must not pass. `bptt_solver.verify.checking` has the ladder of routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bptt_solver.catalogues import message
from bptt_solver.system import Instance
from bptt_solver.verify.report import Check, Failure, Kink, Limited, Slopes, entry_text

if TYPE_CHECKING:
    from bptt_solver.computation import Computation

LEVELS = ("none", "fast", "full")


def verify(computation: Computation, level: str = "fast", claimed: Mapping[Instance, Any] | None = None) -> Check:
    """Check the ordered derivatives of a computation.

    ``level``: ``none`` (nothing is done), ``fast`` (at most about 20 times the work of the solve, or a second) or
    ``full`` (every derivative by every route). ``claimed`` replaces derivatives by someone else's numbers, each in
    its instance's shape. Raises ValueError for an unknown level, an unknown instance or a wrong shape; a route that
    fails is a note in the result.
    """
    if level not in LEVELS:
        raise ValueError(message("check.level", levels=message.listed([*LEVELS], "list.comma"), level=repr(level)))
    if level == "none":
        return Check("none", notes=(message("check.none"),))
    from bptt_solver.verify.checking import Checking

    return Checking(computation, level == "full", claimed or {}).check()


def finite_difference(
    computation: Computation, key: Instance, entry: tuple[int, ...] = (), h: Any = 1e-5
) -> Difference:
    """Recompute the target with one entry of one instance changed by ``h`` and by ``-h``, where it is computed.

    Exact if the system and ``h`` (an int or a Fraction) are. ``entry`` is 1-based, () for a scalar. Raises
    ProblemError where the system cannot be evaluated there, KeyError for an unknown instance.
    """
    from bptt_solver.verify.view import moved

    plus, minus = moved(computation, key, entry, h), moved(computation, key, entry, -h)
    return Difference(computation.value(computation.target_key), plus, minus, h)


class Difference:
    """The target at a point and at both sides of it."""

    __slots__ = ("h", "minus", "plus", "value")

    def __init__(self, value: Any, plus: Any, minus: Any, h: Any) -> None:
        self.value = value
        self.plus = plus
        self.minus = minus
        self.h = h

    @property
    def central(self) -> Any:
        """``(E(z + h) - E(z - h))/(2 h)``."""
        return _quotient(self.plus - self.minus, 2 * self.h)

    @property
    def forward(self) -> Any:
        """``(E(z + h) - E(z))/h``."""
        return _quotient(self.plus - self.value, self.h)


def _quotient(a: Any, b: Any) -> Any:
    from bptt_solver.arithmetic import divide

    return divide(a, b)


__all__ = [
    "LEVELS",
    "Check",
    "Difference",
    "Failure",
    "Kink",
    "Limited",
    "Slopes",
    "entry_text",
    "finite_difference",
    "verify",
]
