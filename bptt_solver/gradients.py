"""The gradients of a large system by its program alone: nothing is unfolded, and no derivation is printed.

They are checked by a route that shares nothing with the backward equations: the target, computed again a little to both
sides along a direction in which every entry of the gradient counts.
"""

from __future__ import annotations

import math
from typing import Any

from bptt_solver.arithmetic import Value, is_array
from bptt_solver.catalogues import message
from bptt_solver.compile.budget import Plan, parse_size
from bptt_solver.compile.gradient import Gradient, gradient_for
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.compile.task import instance_of
from bptt_solver.compile.within import Whole, within
from bptt_solver.errors import fail
from bptt_solver.language.expressions import derivative_name
from bptt_solver.problem.problem import Problem
from bptt_solver.system import Instance
from bptt_solver.unfold import instance_text

STEPS = (1e-4, 1e-6, 1e-3)  # relative to the size of what is moved; the first that agrees is enough
ALLOWED = {"float64": 1e-5, "float32": 1e-3}
SEED = 1990


class Gradients:
    """``value`` of the target and ``derivatives`` by what is wanted. ``apart`` is the relative difference between the
    slope along a direction and its difference quotient (None: not checked), ``plan`` how a budget of memory is
    kept."""

    def __init__(
        self,
        problem: Problem,
        library: str = "numpy",
        memory: str | None = None,
        *,
        check: bool = True,
        dtype: str | None = None,
        schedule: bool = False,
    ) -> None:
        """Raises ProblemError where there is no such program, or what it finds is not finite."""
        import numpy

        self.problem = problem
        self.library = library
        self.plan: Plan | Whole | None = None
        self.schedule = schedule  # whether the plan is shown line by line
        self._memory = None if memory is None else parse_size(memory)
        if memory is not None and library != "numpy":
            raise fail(message("gradients.numpy_only"))
        self._wanted = problem.wanted()
        self._target_key = instance_of(problem.target, problem.system)
        self.target = instance_text(self._target_key)
        try:
            self._program = self._made(dtype, self._memory)
            with numpy.errstate(all="ignore"):  # what is not finite is found below
                found = self._program(problem.given)
        except NotCompiled as reason:
            raise fail(message("gradients.cannot_run", library=library, reason=reason.args[0])) from None
        self.route = self._program.route
        self.dtype = self._program.dtype
        self.value = float(found[self._target_key])
        self.derivatives: dict[Instance, Value] = {
            (name, indices): found[derivative_name(self.target, name), indices] for name, indices in self._wanted
        }
        if not _finite(self.value) or not all(map(_finite, self.derivatives.values())):
            hint = message("gradients.evaluated")
            raise fail(message("gradients.not_finite", target=self.target), hint=hint)
        self.apart = self._checked() if check else None

    def _made(self, dtype: str | None, memory: int | None) -> Gradient:
        """The program, in at most so many bytes."""
        if memory is None:
            return gradient_for(self.problem, self.library, dtype)
        program, self.plan = within(self.problem, memory, dtype)
        return program

    def _checked(self) -> float:
        """How far the slope along a direction is from its difference quotient: each entry moves towards its gradient,
        so that all of them add up."""
        import numpy

        program = self._program
        if self.dtype != "float64":  # a difference of numbers of 32 bits tells nothing
            plan, room = self.plan, None if self._memory is None else 2 * self._memory
            program, self.plan = self._made("float64", room), plan
        random = numpy.random.default_rng(SEED)
        given = [key for key in self._wanted if key in self.problem.given]
        moves: dict[Instance, Any] = {}
        slope = size = 0.0
        for key in given:
            g = numpy.asarray(self.derivatives[key], dtype=float)
            moves[key] = numpy.where(g < 0, -1.0, 1.0) * random.uniform(0.5, 1.0, g.shape)
            slope += float((g * moves[key]).sum())
            size = max(size, float(abs(numpy.asarray(self.problem.given[key], dtype=float)).max(initial=0.0)))
        if not slope:
            return 0.0
        best = float("inf")
        for step in STEPS:
            h = step * (size or 1.0)
            both = []
            for sign in (1.0, -1.0):
                moved = dict(self.problem.given)
                for key in given:
                    moved[key] = numpy.asarray(self.problem.given[key], dtype=float) + sign * h * moves[key]
                with numpy.errstate(all="ignore"):
                    both.append(float(program(moved)[self._target_key]))
            apart = abs((both[0] - both[1]) / (2 * h) - slope) / abs(slope)
            best = min(best, apart) if math.isfinite(apart) else best
            if best <= ALLOWED[self.dtype]:
                break
        return best

    @property
    def verified(self) -> bool:
        """Whether the check held, if there was one."""
        return self.apart is None or self.apart <= ALLOWED[self.dtype]

    def data(self) -> dict[str, Any]:
        """As plain data, for JSON (docs/json.md)."""
        from bptt_solver.results import VERSION, plain

        return {
            "version": VERSION,
            "title": self.problem.title,
            "target": self.target,
            "value": plain(self.value),
            "ordered_derivatives": {instance_text(key): plain(value) for key, value in self.derivatives.items()},
            "program": {
                "library": self.library,
                "route": self.route,
                "dtype": self.dtype,
                **({} if self.plan is None else {"plan": self.plan.data(self.schedule)}),
            },
            "direction": {"passed": self.verified, "apart": self.apart},
        }


def _finite(value: Value) -> bool:
    import numpy

    return bool(numpy.isfinite(value).all()) if is_array(value) else bool(numpy.isfinite(value))
