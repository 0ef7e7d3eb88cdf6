"""Sequences computed one by one, for systems that no array program can compute for many at once: as straight-line code
that is sent to workers like any other program, or, where that would be too long, level by level in this process."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from bptt_solver.catalogues import message
from bptt_solver.compile.frame import Box, Frame
from bptt_solver.compile.gradient import Gradient, gradient
from bptt_solver.compile.routes import Scalars
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.datasets.worker import Partial, Program
from bptt_solver.evaluate import find_shapes
from bptt_solver.language.expressions import derivative_name
from bptt_solver.problem.problem import Problem
from bptt_solver.system import Instance, LooseShape
from bptt_solver.unfold import instance_text, unfold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating]

MOST_STRAIGHT = 20_000  # entries of all values up to which the text of straight-line code is reasonable

_HOW = {
    "levels": message("data_set.levels"),
    "arrays": message("data_set.arrays"),
    "straight": message("data_set.straight"),
    "evaluated": message("data_set.evaluated"),
}

_RUN = '''

def make(dtype):
    """The function for the sequences of a chunk, one after the other; the results are added in their order."""
    import numpy as np

    places = {places}
    labels = {labels}

    def run(given):
        lists = {label: array.tolist() for label, array in given.items()}
        sums = None
        for n in range({count}):
            arguments = []
            for name, place in places:
                value = lists[name] if place is None else lists[name][n]
                for at in place or ():
                    value = value[at]
                arguments.append(value)
            found = [np.array(part, np.float64) for part in gradient(*arguments)]
            sums = found if sums is None else [a + b for a, b in zip(sums, found)]
        return {label: part.astype(dtype) for label, part in zip(labels, sums)}

    return run
'''


class Alone:
    """The program of a chunk of ``count`` sequences that are computed one by one. ``frame`` is that of one of them;
    ``reason`` says why they are not computed together.

    It has what a program for all at once has (`bptt_solver.datasets.programs`): ``slices``, ``shared``, ``zero`` and
    ``program``; and ``local``, what computes a chunk in this process where there is no text to send, else None.
    """

    def __init__(
        self,
        problem: Problem,
        frame: Frame,
        boxes: Mapping[str, Box],
        wanted: list[Instance],
        count: int,
        dtype: str,
        reason: str,
    ) -> None:
        self.reason = reason
        self.count = count
        self.wanted = wanted
        self.boxes = boxes
        self.one = _problem_of(problem, frame, boxes)
        every = slice(None)
        self.slices: dict[str, tuple[str, tuple[int | slice, ...], int]] = {
            name: (name, (every,) * len(box), 0) for name, box in boxes.items()
        }
        self.shared: dict[str, tuple[str, tuple[int | None, ...], Box]] = {
            instance_text(key): (key[0], key[1], ()) for key in self.one.given if key[0] not in boxes
        }
        self.target = instance_text((frame.target.name, tuple(frame.system.index(i, {}) for i in frame.target.indices)))
        self.zero = [False] * len(wanted)
        self.local: Callable[[Mapping[str, Array], Mapping[str, Array]], Partial] | None = None
        entries = sum(math.prod(self.one.shapes.get(n) or ()) for n in range(len(self.one.unfolded.keys)))
        try:
            if entries > MOST_STRAIGHT:
                raise NotCompiled(message("data_set.too_long"))
            self._written(dtype)
            self.how = message("data_set.straight")
        except NotCompiled:
            self._gradient: Gradient = gradient(self.one)
            self.program = Program("", dtype, count, self.target, (), ())
            self.local = self._computed
            self.how = message("data_set.here", how=_HOW[self._gradient.route])

    def _written(self, dtype: str) -> None:
        """As a text."""
        code = gradient(self.one, "straight", "float64")
        assert isinstance(code, Scalars)
        places = [self._place(key) for _, key in code.inputs]
        labels = [instance_text(key) for key in code.outputs]
        there = set(labels)
        wanted = [instance_text((derivative_name(self.target, name), i)) for name, i in self.wanted]
        self.zero = [label not in there for label in wanted]
        outputs = tuple((label, (), None) for label in wanted if label in there)
        rest = _RUN.replace("{count}", str(self.count))  # names come last: they may hold anything, quoted
        before, places_mark, behind = rest.partition("{places}")
        between, labels_mark, after = behind.partition("{labels}")
        assert places_mark and labels_mark
        text = "".join([code.source, before, repr(places), between, repr(labels), after])
        self.program = Program(text, dtype, self.count, self.target, (), outputs)

    def _place(self, key: Instance) -> tuple[str, tuple[int, ...] | None]:
        """Where the value of a given instance lies: in one sequence of a name, or what all share."""
        name, indices = key
        if name not in self.boxes:
            return instance_text(key), None
        return name, tuple(i - low for i, (low, _) in zip(indices, self.boxes[name], strict=True))

    def _computed(self, parameters: Mapping[str, Array], arrays: Mapping[str, Array]) -> Partial:
        """A chunk, here."""
        import numpy

        given: dict[Instance, Any] = {
            key: parameters[instance_text(key)] for key in self.one.given if key[0] not in self.boxes
        }
        names = {key: self._place(key) for key in self.one.given if key[0] in self.boxes}
        loss, sums = 0.0, [numpy.zeros(())] * len(self.wanted)
        target = self.one.target.name, tuple(self.one.system.index(i, {}) for i in self.one.target.indices)
        for number in range(self.count):
            for key, (name, place) in names.items():
                given[key] = arrays[name][(number, *(place or ()))]
            found = self._gradient(given)
            loss += float(found[target])
            for at, (name, indices) in enumerate(self.wanted):
                sums[at] = sums[at] + numpy.asarray(found[derivative_name(self.target, name), indices], float)
        return Partial(loss, tuple(part.astype(self.program.dtype) for part in sums))


def _problem_of(problem: Problem, frame: Frame, boxes: Mapping[str, Box]) -> Problem:
    """The problem of one sequence whose data are zero: what it is written for, not what it is run with."""
    import numpy

    system = frame.system
    given: dict[Instance, Any] = {key: value for key, value in problem.given.items() if key[0] not in boxes}
    for name, box in boxes.items():
        shape = tuple(n for n in system.given[name][0].shape if n is not None)
        for indices in product(*[range(low, high + 1) for low, high in box]):
            given[name, indices] = numpy.zeros(shape) if shape else 0.0
    unfolded = unfold(system, problem.limits)
    loose: dict[str, LooseShape] = {n: (None,) * r for n, r in system.ranks.items()}
    shapes = find_shapes(unfolded, {key: numpy.shape(value) for key, value in given.items()}, loose)
    return Problem(
        problem.document, system, unfolded, shapes, given, problem.target, problem.wrt, problem.limits, problem.registry
    )
