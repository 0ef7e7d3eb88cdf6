"""The gradient of a problem as a program, by the route that pays: straight-line code for small systems, array programs
for recurrences, levels for everything else. So are its values alone, and products of its Hessian with a direction.

All routes take the given values by instance and give back results by instance, so that they can stand in for the
evaluator (`bptt_solver.computation`), with which they agree to rounding. Where there is no program at all the evaluator
itself is given back, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from bptt_solver.catalogues import message
from bptt_solver.compile.frame import Frame, direction_name
from bptt_solver.compile.routes import Arrays, Evaluated, Given, LevelByLevel, Scalars, Vectors
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.compile.swept import NumbersByLevel, has_numbers_only, is_graph
from bptt_solver.compile.task import Task, data_type
from bptt_solver.problem.problem import Problem
from bptt_solver.system import Instance

ROUTES = ("straight", "arrays", "levels")
LIBRARIES = ("python", "numpy", "numba", "jax", "torch")  # "python": straight-line code without any library
TYPES = ("float64", "float32")
MOST_STRAIGHT = 400  # entries of all values up to which single numbers are faster than arrays


class Gradient(Protocol):
    """A program: by which route, for which library, in numbers of which type, and its text. The route ``evaluated`` has
    no text, but the ``reason`` for which there is no program."""

    route: str
    library: str
    dtype: str
    source: str
    reason: str

    def __call__(self, given: Given) -> dict[Instance, Any]:
        """The target's value under its own instance, and the ordered derivative by each wanted instance under the
        derivative's. ``given`` has the values of all given instances."""


class HessianProduct:
    """The Hessian of the target by what is wanted (`Problem.wanted`), times directions: a `Gradient` of the slope along
    the direction. ``direction`` are the instances that have one."""

    __slots__ = ("direction", "program", "wanted")

    def __init__(self, program: Gradient, task: Task) -> None:
        self.program = program
        self.wanted = task.wanted
        self.direction = list(task.direction)

    @property
    def route(self) -> str:
        """By which route."""
        return self.program.route

    @property
    def library(self) -> str:
        """For which library."""
        return self.program.library

    @property
    def dtype(self) -> str:
        """The type of its numbers."""
        return self.program.dtype

    @property
    def source(self) -> str:
        """The text of what runs."""
        return self.program.source

    @property
    def reason(self) -> str:
        """Why there is no program, for the route ``evaluated``."""
        return self.program.reason

    def __call__(self, given: Given, direction: Given) -> dict[Instance, Any]:
        """``Σ_w direction[w]·∂²E/∂w∂z`` under each wanted instance z, in its shape. ``direction`` has a value in the
        shape of ``w`` for each instance in `direction`; one that is left out is zero."""
        along = dict(given)
        for name, indices in self.direction:
            value = direction.get((name, indices))
            along[direction_name(name), indices] = given[name, indices] * 0 if value is None else value
        found = self.program(along)
        return {of: found[key] for key, of in self.wanted}


def gradient(problem: Problem, route: str | None = None, dtype: str | None = None) -> Gradient:
    """The program for a problem's target and the derivatives that are wanted of it, by a route of `ROUTES` (default:
    the fastest that goes, else the evaluator with the reason) in numbers of a type (default: that of the data). Raises
    NotCompiled with the reason for a route that is asked for and does not go."""
    return _made(Task.gradient(problem), route, dtype)


def gradient_for(problem: Problem, library: str, dtype: str | None = None) -> Gradient:
    """The program for a library of `LIBRARIES`: arrays, or straight-line code for ``python``. Raises NotCompiled where
    the system has no such program, or the library is not installed when it is run. Python has numbers of 64 bits
    only."""
    task = Task.gradient(problem)
    if library == "python":
        return Scalars(task, dtype or "float64")
    kind = data_type(problem) if dtype is None else dtype
    if library == "numba" and _is_small(task, 3 * MOST_STRAIGHT):
        try:
            return Vectors(task, kind)
        except NotCompiled:
            pass
    large = task.is_large or not _is_small(task, 3 * MOST_STRAIGHT)
    if library in ("numpy", "numba") and kind == "float64" and large and is_graph(task):
        return NumbersByLevel(task, kind, library)
    return Arrays(task, kind, library)


def forward(
    problem: Problem, names: Sequence[str] | None = None, route: str | None = None, dtype: str | None = None
) -> Gradient:
    """The program for values alone: of all defined members of the families ``names`` (default: of all). Route and
    type as for `gradient`."""
    return _made(Task.forward(problem, names), route, dtype)


def hessian_product(problem: Problem, route: str | None = None, dtype: str | None = None) -> HessianProduct:
    """The program for products of the Hessian with directions. Route and type as for `gradient`."""
    task = Task.product(problem)
    return HessianProduct(_made(task, route, dtype), task)


def _made(task: Task, route: str | None, dtype: str | None) -> Gradient:
    """The program of a task."""
    kind = data_type(task.problem) if dtype is None else dtype
    if route is not None:
        return _BY_ROUTE[route](task, kind)
    small = _is_small(task)
    reason = ""
    graph = kind == "float64" and not small and is_graph(task)
    skipped = {"straight": not small or kind != "float64", "arrays": graph}
    routes = [name for name in ROUTES if not skipped.get(name)]
    for name in routes:
        try:
            return _BY_ROUTE[name](task, kind)
        except NotCompiled as fault:
            reason = fault.args[0]
        except RecursionError:
            reason = message("compile.nested")
    return Evaluated(task, kind, reason)


def _is_small(task: Task, most: int = MOST_STRAIGHT) -> bool:
    """Whether single numbers are faster than arrays."""
    return not task.is_large and sum(_size(shape) for shape in task.shapes.values()) <= most


def _size(shape: Sequence[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


class InMemory(Arrays):
    """The folded system in segments of time (`Checkpointed`), so that it needs no more than ``budget`` bytes."""

    route = "checkpoints"

    def __init__(self, problem: Problem, budget: int, dtype: str | None = None) -> None:
        kind = data_type(problem) if dtype is None else dtype
        super().__init__(Task.gradient(problem), kind)
        from bptt_solver.compile.checkpoints import Checkpointed

        names = list(dict.fromkeys(name for name, _ in problem.wanted()))
        self.checkpointed = Checkpointed(Frame.of(problem), names, budget, kind)
        self._run = self.checkpointed


def _levels(task: Task, dtype: str) -> Gradient:
    """Level by level: in one array if all values are numbers."""
    if dtype == "float64" and has_numbers_only(task):
        return NumbersByLevel(task, dtype)
    return LevelByLevel(task, dtype)


_BY_ROUTE: Mapping[str, Callable[[Task, str], Gradient]] = {
    "straight": Scalars,
    "arrays": Arrays,
    "levels": _levels,
}
