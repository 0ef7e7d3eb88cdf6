"""The gradients once more, by the program that is emitted for a library, beside those of the sweep."""

from __future__ import annotations

from typing import Any

from bptt_solver.arithmetic import Value
from bptt_solver.catalogues import message
from bptt_solver.compile.budget import Plan, parse_size
from bptt_solver.compile.gradient import Gradient, gradient_for
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.compile.within import Whole, within
from bptt_solver.computation import Computation
from bptt_solver.errors import fail
from bptt_solver.language.expressions import derivative_name
from bptt_solver.system import Instance
from bptt_solver.unfold import instance_text

ALLOWED = {"float64": 1e-12, "float32": 1e-4}  # relative difference that rounding explains, by the type of numbers
TINY = 1e-300


class ProgramResult:
    """What a library's program found: the target, the derivatives, and how far they are from the sweep's."""

    key = "program"

    def __init__(
        self,
        computation: Computation,
        library: str,
        memory: str | None = None,
        dtype: str | None = None,
        schedule: bool = False,
    ) -> None:
        self.computation = computation
        self.library = library
        self.plan: Plan | Whole | None = None  # how a budget of memory is kept
        self.schedule = schedule  # whether it is shown line by line
        problem = computation.problem
        try:
            program: Gradient = gradient_for(problem, library, dtype) if memory is None else self._within(memory, dtype)
            self.route = program.route
            self.dtype = program.dtype
            self.threads: int = getattr(program, "threads", 0)  # 0: as many as the library takes
            found = program(problem.given)
        except NotCompiled as reason:
            hint = message("program.without")
            raise fail(message("program.cannot_run", library=library, reason=reason.args[0]), hint=hint) from None
        self.value: Value = found[computation.target_key]
        self.pairs: list[tuple[Instance, Value, Value]] = []
        for name, indices in problem.wanted():
            key = derivative_name(computation.target_text, name), indices
            self.pairs.append(((name, indices), found[key], computation.derivative((name, indices))))

    def _within(self, memory: str, dtype: str | None) -> Gradient:
        """The program in at most so much memory."""
        if self.library != "numpy":
            raise fail(message("program.memory"))
        program, self.plan = within(self.computation.problem, parse_size(memory), dtype)
        return program

    @property
    def apart(self) -> float:
        """The largest difference of an entry, relative to the largest entry of its derivative."""
        import numpy

        worst = 0.0
        for _, ours, sweep in self.pairs:
            known = numpy.asarray(sweep, dtype=float)
            largest = float(numpy.abs(known).max(initial=0.0))
            difference = float(numpy.abs(numpy.asarray(ours, dtype=float) - known).max(initial=0.0))
            worst = max(worst, difference / max(largest, TINY) if difference else 0.0)
        return worst

    @property
    def passed(self) -> bool:
        """Whether the difference is what rounding explains."""
        return self.apart <= ALLOWED[self.dtype]

    def data(self) -> dict[str, Any]:
        """Library, route and derivatives, for the JSON output."""
        from bptt_solver.results import plain

        return {
            "library": self.library,
            "route": self.route,
            "dtype": self.dtype,
            **({} if self.plan is None else {"plan": self.plan.data(self.schedule)}),
            "value": plain(self.value),
            "derivatives": {instance_text(key): plain(value) for key, value, _ in self.pairs},
            "agrees": self.passed,
        }
