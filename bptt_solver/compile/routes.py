"""The routes of `bptt_solver.compile.gradient`: a task as a function from given values to results, both by instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.chain_rule import differentiate
from bptt_solver.compile.backends import native, typed
from bptt_solver.compile.flat import Flat
from bptt_solver.compile.leveled import Leveled
from bptt_solver.compile.levels import Levels
from bptt_solver.compile.load import load
from bptt_solver.compile.program import Compiled, compile_frame
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.compile.straight import Straight
from bptt_solver.compile.task import Task
from bptt_solver.language.expressions import derivative_parts, is_derivative
from bptt_solver.system import Instance
from bptt_solver.unfold import unfold

Given = Mapping[Instance, Any]


class Arrays:
    """The folded system (`compile_frame`), between instances and arrays."""

    route, reason = "arrays", ""

    def __init__(self, task: Task, dtype: str, library: str = "numpy") -> None:
        import numpy

        self.library = library
        self.dtype = dtype
        self._kind = numpy.dtype(dtype)
        self.task = task
        values = [name for name, _ in task.values if name != task.target[0]]
        self.program: Compiled = compile_frame(task.frame, list(dict.fromkeys(values)), task.families(), library)
        self.source = typed(self.program.source, dtype)
        self.threads = self.program.threads
        self._run: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
        self._inputs = {label: _Stack(label, self.program) for label in self.program.inputs}
        self._places = [(key, _place(self.program, key)) for key in (*task.values, *(key for key, _ in task.wanted))]
        self._by = dict(task.wanted)

    def __call__(self, given: Given) -> dict[Instance, Any]:
        if self._run is None:  # the text alone needs no library
            self._run = self.program.over_numpy(self.dtype)
        outputs = self._run({label: stack(given, self._kind) for label, stack in self._inputs.items()})
        result: dict[Instance, Any] = {}
        for key, place in self._places:
            if place is None:
                result[key] = self.task.zero(self._by[key], self._kind)
                continue
            label, at = place
            found = outputs[label][at] if at else outputs[label]
            result[key] = (
                found.copy() if getattr(found, "ndim", 0) else found.item() if hasattr(found, "item") else found
            )
        return result


class _Stack:
    """The values of a label's members as one array, made again only when one of them is another object."""

    __slots__ = ("array", "ends", "keys", "last", "single")

    def __init__(self, label: str, program: Compiled) -> None:
        name, fixed = program.labels[label]
        box = program.inputs[label]
        ranges = [range(low, high + 1) for low, high in box]
        if len(box) == len(fixed):  # nothing fixed, as most are
            self.keys: list[Instance] = [(name, indices) for indices in product(*ranges)]
        else:
            places = [at for at, f in enumerate(fixed) if f is None]
            self.keys = []
            for free in product(*ranges):
                indices = list(fixed)
                for at, value in zip(places, free, strict=True):
                    indices[at] = value
                self.keys.append((name, tuple(indices)))  # type: ignore[arg-type]
        self.single = not box
        self.ends = tuple(high - low + 1 for low, high in box)
        self.last: list[Any] = []
        self.array: Any = None

    def __call__(self, given: Given, dtype: Any) -> Any:
        import numpy

        values = [given[key] for key in self.keys]
        if len(self.last) == len(values) and all(a is b for a, b in zip(values, self.last, strict=True)):
            return self.array
        self.last = values
        if self.single:
            self.array = numpy.asarray(values[0], dtype)
        else:
            shape = getattr(values[0], "shape", ())
            rows = numpy.empty((len(values), *shape), dtype)
            for at, value in enumerate(values):
                rows[at] = value
            self.array = rows.reshape(*self.ends, *shape)
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


class Scalars:
    """Straight-line code (`Straight`), between instances and nested lists."""

    route, library, reason = "straight", "python", ""
    types: tuple[str, ...] = ("float64",)
    writer = Straight

    def __init__(self, task: Task, dtype: str, library: str = "python") -> None:
        self.dtype = dtype
        if dtype not in self.types:
            raise NotCompiled(message("compile.straight_64"))
        self.task = task
        base = task.base
        unfolded, order, shapes = base, [*base.order], dict(task.shapes)
        if task.wanted:
            unfolded = unfold(differentiate(task.frame.system, task.frame.target), task.problem.limits, base)
            order += unfolded.order
            for number in unfolded.order:  # a derivative has the shape of what it belongs to
                name, indices = unfolded.keys[number]
                shapes[number] = task.shape((derivative_parts(name)[1], indices)) if is_derivative(name) else ()
        code = self.writer(unfolded, task.problem.operations, order, shapes)
        code.record()
        self.inputs = [(n, key) for n, key in enumerate(base.keys) if base.grounds[n] is None]
        asked = [*task.values, *(key for key, _ in task.wanted)]
        self.outputs = [key for key in asked if key in unfolded.number]
        self.zeros = [(key, of) for key, of in task.wanted if key not in unfolded.number]
        self.shapes = [shapes[unfolded.number[key]] for key in self.outputs]
        arguments = {f"a{n}": [n] for n, _ in self.inputs}
        self.source = code.source(arguments, {str(k): [unfolded.number[key]] for k, key in enumerate(self.outputs)})
        self.function: Callable[..., Any] = self._loaded()  # the program itself, without the dictionaries around it
        self._last: list[Any] = []
        self._lists: list[Any] = []

    def _loaded(self) -> Callable[..., Any]:
        return load(self.source, "gradient")

    def __call__(self, given: Given) -> dict[Instance, Any]:
        import numpy

        values = [given[key] for _, key in self.inputs]
        if not self._last:
            self._last, self._lists = [None] * len(values), [None] * len(values)
        for at, value in enumerate(values):
            if value is not self._last[at]:
                self._last[at] = value
                self._lists[at] = value.tolist() if hasattr(value, "tolist") else value
        found = self.function(*self._lists)
        result = {
            key: numpy.array(value) if shape else value
            for key, value, shape in zip(self.outputs, found, self.shapes, strict=True)
        }
        result.update({key: self.task.zero(of, float) for key, of in self.zeros})
        return result


class Vectors(Scalars):
    """Straight-line code for Numba (`Flat`), between instances and one vector in and one out."""

    library, types, writer = "numba", ("float64", "float32"), Flat

    def _loaded(self) -> Callable[..., Any]:
        found: list[Callable[..., Any]] = []

        def run(vector: Any) -> Any:  # the text alone needs no Numba
            if not found:
                found.append(native(self.source, "numba", self.dtype))
            return found[0](vector)

        return run

    def __call__(self, given: Given) -> dict[Instance, Any]:
        import numpy

        values = [numpy.asarray(given[key], self.dtype).reshape(-1) for _, key in self.inputs]
        found = self.function(numpy.concatenate(values) if values else numpy.empty(0, self.dtype))
        result: dict[Instance, Any] = {}
        start = 0
        for key, shape in zip(self.outputs, self.shapes, strict=True):
            count = int(numpy.prod(shape, dtype=int))
            result[key] = found[start : start + count].reshape(shape) if shape else found[start].item()
            start += count
        result.update({key: self.task.zero(of, self.dtype) for key, of in self.zeros})
        return result


class LevelByLevel:
    """Instances of the same form and depth together (`Leveled`)."""

    route, library, reason = "levels", "numpy", ""

    def __init__(self, task: Task, dtype: str, library: str = "numpy") -> None:
        self.dtype = dtype
        self.task = task
        self.program = Leveled(Levels(task.base, task.shapes, task.base.order), dtype)
        self.source = self.program.source

    def __call__(self, given: Given) -> dict[Instance, Any]:
        number, program = self.task.base.number, self.program
        values = program.run(given)
        result = {key: program.value(values, number[key]) for key in self.task.values}
        if self.task.wanted:
            received = program.sweep(values, number[self.task.target])
            result.update({key: program.value(received, number[of]) for key, of in self.task.wanted})
        return result


class Evaluated:
    """The evaluator, for what no program can be written; ``reason`` says why. It has no source."""

    route, library, source = "evaluated", "python", ""

    def __init__(self, task: Task, dtype: str, reason: str) -> None:
        from bptt_solver.arithmetic import Arithmetic
        from bptt_solver.evaluate import Program

        self.dtype = dtype
        self.reason = reason
        self.task = task
        arithmetic = Arithmetic(task.problem.operations)
        shapes = {n: shape for n, shape in task.shapes.items() if shape}
        self._forward = Program(task.base, arithmetic, shapes)
        self._numbers, self._backward = dict(task.base.number), None
        if task.wanted:
            unfolded = unfold(differentiate(task.frame.system, task.frame.target), task.problem.limits, task.base)
            for number in unfolded.order:
                name, indices = unfolded.keys[number]
                shape = task.shape((derivative_parts(name)[1], indices)) if is_derivative(name) else ()
                if shape:
                    shapes[number] = shape
            self._numbers, self._backward = dict(unfolded.number), Program(unfolded, arithmetic, shapes)

    def __call__(self, given: Given) -> dict[Instance, Any]:
        import numpy

        kind = numpy.dtype(self.dtype)
        values = self._forward.run(self._forward.start({key: _float(value) for key, value in given.items()}))
        if self._backward is not None:
            values = self._backward.run(self._backward.extend(values))
        result: dict[Instance, Any] = {}
        for key, of in [*((key, key) for key in self.task.values), *self.task.wanted]:
            number = self._numbers.get(key)
            value = self.task.zero(of, kind) if number is None else values[number]
            result[key] = value.astype(kind) if hasattr(value, "astype") else float(kind.type(value))
        return result


def _float(value: Any) -> Any:
    return value.astype(float) if hasattr(value, "astype") else float(value)
