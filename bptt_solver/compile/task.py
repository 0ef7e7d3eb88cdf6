"""What a program computes, in the words of all routes: values, a target with its derivatives, or products of its
Hessian with a direction.

A product of the Hessian is an ordinary gradient: that of the slope of the target along the direction
(`bptt_solver.compile.frame.Frame.along`), whose system has the backward equations behind the forward ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bptt_solver.compile.frame import Frame, direction_name
from bptt_solver.language.expressions import Reference, derivative_name
from bptt_solver.problem.problem import Problem
from bptt_solver.system import Instance, System
from bptt_solver.unfold import Unfolded, instance_text, unfold

Shape = tuple[int, ...]


class Task:
    """``base`` are the instances of the frame's system and ``shapes`` theirs, by number; ``values`` the instances whose
    values are asked for; ``wanted`` pairs of an ordered derivative of ``target`` and the instance that it is by;
    ``direction`` the instances whose direction has to be given (see `Task.product`). A large system is only unfolded
    (``unfolded``) when a route asks for its instances: arrays do not."""

    __slots__ = ("_base", "_shapes", "_unfolded", "direction", "frame", "problem", "target", "values", "wanted")

    def __init__(
        self,
        problem: Problem,
        frame: Frame,
        values: Sequence[Instance] | None,
        by: Iterable[Instance],
        unfolded: Callable[[], Unfolded],
    ) -> None:
        self.problem = problem
        self.frame = frame
        self.target = instance_of(frame.target, frame.system)
        self.values = [self.target] if values is None else list(values)
        text = instance_text(self.target)
        self.wanted = [((derivative_name(text, name), indices), (name, indices)) for name, indices in by]
        self.direction: list[Instance] = []
        self._unfolded = unfolded
        self._base: Unfolded | None = None
        self._shapes: dict[int, Shape] | None = None

    @property
    def base(self) -> Unfolded:
        """The instances."""
        if self._base is None:
            self._base = self._unfolded()
        return self._base

    @property
    def shapes(self) -> dict[int, Shape]:
        """Their shapes."""
        if self._shapes is None:
            members = self.frame.members
            keys = enumerate(self.base.keys)
            if self.is_large:  # only some members of each family, all of which are alike
                alike = self._alike()
                self._shapes = {n: alike.get(name, ()) for n, (name, _) in keys}
            else:
                self._shapes = {n: tuple(members.get(key, ())) for n, key in keys}
        return self._shapes

    @property
    def is_large(self) -> bool:
        """Whether the system has an outline."""
        return self.problem.outline is not None

    def _alike(self) -> dict[str, Shape]:
        return {name: tuple(shape) for (name, _), shape in self.frame.members.items()}

    @classmethod
    def forward(cls, problem: Problem, names: Sequence[str] | None = None) -> Task:
        """The values of all defined members of some families (default: of all)."""
        order, keys = problem.unfolded.order, problem.unfolded.keys
        found = [keys[n] for n in order if names is None or keys[n][0] in names]
        return cls(problem, Frame.of(problem), found, (), lambda: problem.unfolded)

    @classmethod
    def gradient(cls, problem: Problem) -> Task:
        """The target and the ordered derivatives that are wanted of it."""
        return cls(problem, Frame.of(problem), None, problem.wanted(), lambda: problem.unfolded)

    @classmethod
    def product(cls, problem: Problem) -> Task:
        """The Hessian of the target by what is wanted, times a direction in those of them that are given."""
        given = [key for key in problem.wanted() if key[0] in problem.system.given]
        frame = Frame.of(problem).along(list(dict.fromkeys(name for name, _ in given)))
        task = cls(problem, frame, None, problem.wanted(), lambda: unfold(frame.system, problem.limits))
        task.direction = [(name, i) for name, i in given if direction_name(name) in frame.given]
        return task

    def shape(self, key: Instance) -> Shape:
        """The shape of an instance."""
        if self.is_large:
            return self._alike().get(key[0], ())
        return self.shapes.get(self.base.number.get(key, -1), ())

    def zero(self, key: Instance, dtype: Any) -> Any:
        """The derivative by an instance to which no path leads."""
        import numpy

        shape = self.shape(key)
        return numpy.zeros(shape, dtype) if shape else 0.0

    def families(self) -> list[str]:
        """The families of which derivatives are wanted."""
        return list(dict.fromkeys(name for _, (name, _) in self.wanted))


def instance_of(reference: Reference, system: System) -> Instance:
    """A reference without variables as an instance."""
    return reference.name, tuple(system.index(i, {}) for i in reference.indices)


def data_type(problem: Problem) -> str:
    """The type of the data: ``float32`` where arrays are given and all that were read from files have at most 32 bits,
    else ``float64``. What is written in the document itself takes the type of the rest, as a literal does."""
    kinds = dict(problem.document.precisions)
    for dtype in dict.fromkeys(getattr(value, "dtype", None) for value in problem.given.values()):
        kind = getattr(dtype, "name", "")
        if kind in ("float16", "float32"):
            kinds[kind] = None
    return "float32" if kinds and "float64" not in kinds and "longdouble" not in kinds else "float64"
