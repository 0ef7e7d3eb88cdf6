"""A problem's gradient in a stated amount of memory: in segments of time, or all at once where time cannot be cut."""

from __future__ import annotations

from math import ceil
from typing import Any

from bptt_solver.compile.budget import Plan, size_text
from bptt_solver.compile.gradient import Gradient, InMemory, gradient
from bptt_solver.compile.measured import inputs_of_ones, peak, program_peak
from bptt_solver.compile.routes import Arrays
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.errors import fail
from bptt_solver.problem.problem import Problem


class Whole:
    """No plan: all is computed at once, in ``memory`` bytes of the ``budget``, for the ``reason`` that time cannot be
    cut."""

    __slots__ = ("budget", "memory", "reason")

    def __init__(self, reason: str, memory: int, budget: int) -> None:
        self.reason = reason
        self.memory = memory
        self.budget = budget

    def text(self) -> str:
        """In words."""
        return (
            f"Time cannot be cut into segments: {self.reason}.\n"
            f"So all is computed at once: {size_text(self.memory)}, which the budget of {size_text(self.budget)} has"
            " room for. Nothing is computed twice."
        )

    def data(self, schedule: bool = False) -> dict[str, Any]:
        """As plain data, for JSON; there is no schedule."""
        return {"reason": self.reason, "memory": self.memory, "full_memory": self.memory, "budget": self.budget}


def within(problem: Problem, budget: int, dtype: str | None = None) -> tuple[Gradient, Plan | Whole]:
    """A problem's gradient in at most ``budget`` bytes, and how that is kept. Raises ProblemError with the least
    budget for one that is too small."""
    try:
        program = InMemory(problem, budget, dtype)
        return program, program.checkpointed.plan
    except NotCompiled as fault:
        reason = str(fault)
    found, memory = _at_once(problem, dtype)
    if memory > budget:
        raise fail(
            f"{size_text(budget)} of memory is too little: all at once needs {size_text(memory)}, and time cannot be"
            f" cut into segments: {reason}",
            hint=f"--memory {ceil(memory / 1000)}kB",
        )
    return found, Whole(reason, memory, budget)


def _at_once(problem: Problem, dtype: str | None) -> tuple[Gradient, int]:
    """The program over all, and the most bytes that it holds."""
    import numpy

    try:
        arrays = gradient(problem, "arrays", dtype)
        if isinstance(arrays, Arrays):
            kind = numpy.dtype(arrays.dtype)
            given = inputs_of_ones(arrays.task.frame, arrays.program, kind)
            return arrays, program_peak(arrays.program, given, kind)
    except NotCompiled:
        pass
    try:
        found = gradient(problem, "levels", dtype)
    except NotCompiled:
        found = gradient(problem, None, dtype)
    return found, peak(lambda: found(problem.given))
