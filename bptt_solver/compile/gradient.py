"""The gradient of a problem as a program, by the route that pays: straight-line code for small systems, array programs
for recurrences, levels for everything else.

All routes take the given values by instance and give back the target's value and the ordered derivatives by instance,
so that they can stand in for the evaluator (`bptt_solver.computation`), with which they agree to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, Protocol

from bptt_solver.chain_rule import differentiate
from bptt_solver.compile.frame import Frame
from bptt_solver.compile.leveled import Leveled
from bptt_solver.compile.levels import Levels
from bptt_solver.compile.load import load
from bptt_solver.compile.program import Compiled, compile_frame
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.compile.straight import Straight
from bptt_solver.language.expressions import derivative_name
from bptt_solver.problem.problem import Problem
from bptt_solver.system import Instance
from bptt_solver.unfold import instance_text, unfold

ROUTES = ("straight", "arrays", "levels")
LIBRARIES = ("python", "numpy", "numba", "jax", "torch")  # "python": straight-line code without any library
MOST_STRAIGHT = 400  # entries of all values up to which single numbers are faster than arrays

Given = Mapping[Instance, Any]


class Gradient(Protocol):
    """A program for a target and its ordered derivatives: by which route, for which library, and its text."""

    route: str
    library: str
    source: str

    def __call__(self, given: Given) -> dict[Instance, Any]:
        """The target's value under its own instance, and the ordered derivative by each wanted instance under the
        derivative's. ``given`` has the values of all given instances."""


def gradient(problem: Problem, route: str | None = None, dtype: str = "float64") -> Gradient:
    """The program for a problem's target and the derivatives that are wanted of it, by a route of `ROUTES` (default:
    the fastest that goes). Raises NotCompiled with the reason for a route that does not go."""
    if route is not None:
        return _BY_ROUTE[route](problem, dtype)
    entries = sum(_size(problem.shapes.get(n) or ()) for n in range(len(problem.unfolded.keys)))
    routes = ROUTES if entries <= MOST_STRAIGHT and dtype == "float64" else ROUTES[1:]
    for name in routes[:-1]:
        try:
            return _BY_ROUTE[name](problem, dtype)
        except NotCompiled:
            continue
    return _BY_ROUTE[routes[-1]](problem, dtype)


def gradient_for(problem: Problem, library: str, dtype: str = "float64") -> Gradient:
    """The program for a library of `LIBRARIES`: arrays, or straight-line code for ``python``. Raises NotCompiled where
    the system has no such program, or the library is not installed when it is run."""
    return _Straight(problem, dtype) if library == "python" else _Arrays(problem, dtype, library)


def _size(shape: Sequence[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _names(problem: Problem) -> tuple[Instance, str]:
    target = problem.target.name, tuple(problem.system.index(i, {}) for i in problem.target.indices)
    return target, instance_text(target)


class _Arrays:
    """The folded system (`compile_frame`), between instances and arrays."""

    route = "arrays"

    def __init__(self, problem: Problem, dtype: str, library: str = "numpy") -> None:
        import numpy

        self.library = library

        self.dtype = numpy.dtype(dtype)
        self.target, text = _names(problem)
        self.wanted = [(derivative_name(text, name), i) for name, i in problem.wanted()]
        names = list(dict.fromkeys(name for name, _ in problem.wanted()))
        self.program: Compiled = compile_frame(Frame.of(problem), [], names, library)
        self.source = self.program.source
        self._run: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
        self._inputs = {label: _Stack(label, self.program) for label in self.program.inputs}
        self._places = [(key, _place(self.program, key)) for key in (self.target, *self.wanted)]

    def __call__(self, given: Given) -> dict[Instance, Any]:
        if self._run is None:  # the text alone needs no library
            self._run = self.program.over_numpy(self.dtype.name)
        outputs = self._run({label: stack(given, self.dtype) for label, stack in self._inputs.items()})
        result: dict[Instance, Any] = {}
        for key, place in self._places:
            if place is None:
                name, indices = key
                base = given[name.rpartition("/∂")[2], indices]
                result[key] = base * 0
                continue
            label, at = place
            found = outputs[label][at] if at else outputs[label]
            result[key] = (
                found.copy() if getattr(found, "ndim", 0) else found.item() if hasattr(found, "item") else found
            )
        return result


class InMemory(_Arrays):
    """The folded system in segments of time (`Checkpointed`), so that it needs no more than ``budget`` bytes."""

    route = "checkpoints"

    def __init__(self, problem: Problem, budget: int, dtype: str = "float64") -> None:
        super().__init__(problem, dtype)
        from bptt_solver.compile.checkpoints import Checkpointed

        names = list(dict.fromkeys(name for name, _ in problem.wanted()))
        self.checkpointed = Checkpointed(Frame.of(problem), names, budget, dtype)
        self._run = self.checkpointed


class _Stack:
    """The values of a label's members as one array, made again only when one of them is another object."""

    __slots__ = ("array", "ends", "keys", "last", "single")

    def __init__(self, label: str, program: Compiled) -> None:
        name, fixed = program.labels[label]
        box = program.inputs[label]
        self.keys: list[tuple[tuple[int, ...], Instance]] = []
        for free in product(*[range(low, high + 1) for low, high in box]):
            values = iter(free)
            indices = tuple(next(values) if f is None else f for f in fixed)
            self.keys.append((tuple(i - low for i, (low, _) in zip(free, box, strict=True)), (name, indices)))
        self.single = not box
        self.ends = tuple(high - low + 1 for low, high in box)
        self.last: list[Any] = []
        self.array: Any = None

    def __call__(self, given: Given, dtype: Any) -> Any:
        import numpy

        values = [given[key] for _, key in self.keys]
        if len(self.last) == len(values) and all(a is b for a, b in zip(values, self.last, strict=True)):
            return self.array
        self.last = values
        if self.single:
            self.array = numpy.asarray(values[0], dtype)
        else:
            self.array = numpy.empty((*self.ends, *getattr(values[0], "shape", ())), dtype)
            for (at, _), value in zip(self.keys, values, strict=True):
                self.array[at] = value
        return self.array


def _place(program: Compiled, key: Instance) -> tuple[str, tuple[int, ...]] | None:
    """Where an instance lies in the outputs; None if no path leads to it."""
    name, indices = key
    for label, box in program.outputs.items():
        family, fixed = program.labels[label]
        if family != name or any(f is not None and f != i for f, i in zip(fixed, indices, strict=True)):
            continue
        free = [i for f, i in zip(fixed, indices, strict=True) if f is None]
        if all(low <= i <= high for i, (low, high) in zip(free, box, strict=True)):
            return label, tuple(i - low for i, (low, _) in zip(free, box, strict=True))
    return None


class _Straight:
    """Straight-line code (`Straight`), between instances and nested lists."""

    route, library = "straight", "python"

    def __init__(self, problem: Problem, dtype: str) -> None:
        if dtype != "float64":
            raise NotCompiled("straight-line code computes in 64-bit numbers")
        self.target, text = _names(problem)
        system = differentiate(problem.system, problem.target)
        unfolded = unfold(system, problem.limits, problem.unfolded)
        shapes = {n: tuple(problem.shapes.get(n) or ()) for n in range(len(problem.unfolded.keys))}
        for number in unfolded.order:  # a derivative has the shape of what it belongs to
            shapes[number] = shapes.get(_base(problem, unfolded.keys[number]), ())
        code = Straight(unfolded, problem.operations, [*problem.unfolded.order, *unfolded.order], shapes)
        code.record()
        self.inputs = [(n, key) for n, key in enumerate(problem.unfolded.keys) if problem.unfolded.grounds[n] is None]
        wanted = [self.target, *((derivative_name(text, name), i) for name, i in problem.wanted())]
        self.outputs = [key for key in wanted if key in unfolded.number]
        self.zeros = [
            (key, base) for key, base in zip(wanted[1:], problem.wanted(), strict=True) if key not in unfolded.number
        ]
        self.shapes = [shapes[unfolded.number[key]] for key in self.outputs]
        arguments = {f"a{n}": [n] for n, _ in self.inputs}
        self.source = code.source(arguments, {str(k): [unfolded.number[key]] for k, key in enumerate(self.outputs)})
        self._run: Callable[..., tuple[Any, ...]] = load(self.source, "gradient")
        self._last: list[Any] = []
        self._lists: list[Any] = []

    def __call__(self, given: Given) -> dict[Instance, Any]:
        import numpy

        values = [given[key] for _, key in self.inputs]
        if not self._last:
            self._last, self._lists = [None] * len(values), [None] * len(values)
        for at, value in enumerate(values):
            if value is not self._last[at]:
                self._last[at] = value
                self._lists[at] = value.tolist() if hasattr(value, "tolist") else value
        found = self._run(*self._lists)
        result = {
            key: numpy.array(value) if shape else value
            for key, value, shape in zip(self.outputs, found, self.shapes, strict=True)
        }
        result.update({key: given[base] * 0 for key, base in self.zeros})
        return result


def _base(problem: Problem, derivative: Instance) -> int:
    """The number of the instance to which a derivative belongs."""
    return problem.unfolded.number.get((derivative[0].rpartition("/∂")[2], derivative[1]), -1)


class _Leveled:
    """Level by level (`Leveled`)."""

    route, library = "levels", "numpy"

    def __init__(self, problem: Problem, dtype: str) -> None:
        if dtype != "float64":
            raise NotCompiled("levels are computed in 64-bit numbers")
        self.target, text = _names(problem)
        self.problem = problem
        shapes = {n: tuple(problem.shapes.get(n) or ()) for n in range(len(problem.unfolded.keys))}
        self.program = Leveled(Levels(problem.unfolded, shapes, problem.unfolded.order))
        self.source = self.program.source
        self.wanted = [((derivative_name(text, name), i), (name, i)) for name, i in problem.wanted()]

    def __call__(self, given: Given) -> dict[Instance, Any]:
        number = self.problem.unfolded.number
        values = self.program.run(given)
        received = self.program.sweep(values, number[self.target])
        result = {self.target: self.program.value(values, number[self.target])}
        result.update({key: self.program.value(received, number[base]) for key, base in self.wanted})
        return result


_BY_ROUTE: dict[str, Callable[[Problem, str], Gradient]] = {
    "straight": _Straight,
    "arrays": _Arrays,
    "levels": _Leveled,
}
