"""A problem's gradient in a stated amount of memory: in segments of time, or all at once where time cannot be cut."""

from __future__ import annotations

from math import ceil
from typing import Any

from bptt_solver.catalogues import message
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

    def sentences(self) -> list[str]:
        """In words."""
        sizes = {"memory": size_text(self.memory), "budget": size_text(self.budget)}
        return [message("plan.uncut", reason=self.reason), message("plan.so_at_once", **sizes)]

    def picture(self) -> str:
        """There is no schedule."""
        return ""

    def text(self) -> str:
        """In words, as one text."""
        return "\n".join(self.sentences())

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
        reason = fault.args[0]
    found, memory = _at_once(problem, dtype)
    if memory > budget:
        raise fail(
            message("plan.uncut_little", budget=size_text(budget), memory=size_text(memory), reason=reason),
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
