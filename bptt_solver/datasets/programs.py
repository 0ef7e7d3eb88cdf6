"""The programs of a data set, one for each size and length of a chunk, and the arrays that go into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from bptt_solver.catalogues import message
from bptt_solver.compile.frame import Box
from bptt_solver.compile.program import Compiled, compile_frame
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.datasets.alone import Alone
from bptt_solver.datasets.data import Chunk, DataSet
from bptt_solver.datasets.lengths import Lengths
from bptt_solver.datasets.worker import Program
from bptt_solver.errors import fail
from bptt_solver.language.expressions import derivative_name
from bptt_solver.problem.problem import Problem
from bptt_solver.system import Instance
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating]


class Programs:
    """Compiles what a data set needs of a problem. ``chunks`` are in the order in which they are added; ``wanted`` are
    the instances by which is differentiated. Raises ProblemError where that cannot be done."""

    def __init__(self, problem: Problem, data: DataSet, size: int) -> None:
        self.problem = problem
        self.data = data
        self.lengths = Lengths(problem, data.names)
        self.chunks = data.chunks(size)
        self.wanted: list[Instance] = problem.wanted()
        own = [name for name in dict.fromkeys(n for n, _ in self.wanted) if name in data.names]
        if own:
            raise fail(
                message("data_set.own", name=own[0]),
                hint=message("data_set.shared"),
            )
        computed = [key for key in self.wanted if key not in problem.given]
        if computed:
            raise fail(message("data_set.computes_own", name=instance_text(computed[0])))
        self._compiled: dict[tuple[int, int], _Compiled | Alone] = {}

    def of(self, chunk: Chunk) -> _Compiled | Alone:
        """The program of a chunk, compiled when it is first asked for."""
        key = (chunk.group, chunk.stop - chunk.start)
        found = self._compiled.get(key)
        if found is None:
            found = self._compiled[key] = self._compile(*key)
        return found

    def _compile(self, group: int, count: int) -> _Compiled | Alone:
        single, boxes = self.lengths.frame_of(self.data.groups[group].shapes())
        names = list(dict.fromkeys(name for name, _ in self.wanted))
        try:
            frame = single.batched(count, self.data.names)
            compiled = compile_frame(frame, [], names)
            return _Compiled(compiled, frame.target.name, self, count)
        except NotCompiled as error:
            reason = error.args[0]
        return Alone(self.problem, single, boxes, self.wanted, count, self.data.dtype, reason)

    def note(self) -> str:
        """Why sequences are computed one by one, if some are."""
        found = next((p for p in self._compiled.values() if isinstance(p, Alone)), None)
        if found is None:
            return ""
        return message("data_set.one_by_one", how=found.how, reason=found.reason)

    def told(self, number: int) -> str:
        """A chunk in words: ``chunk 3 of 16 (sequences 65 to 96)``."""
        return message(
            "data_set.chunk",
            number=f"{number + 1:,}",
            count=f"{len(self.chunks):,}",
            sequences=self.data.told(self.chunks[number]),
        )

    def arrays(self, chunk: Chunk) -> dict[str, Array]:
        """The slices of a chunk by label, laid out as its program wants them."""
        import numpy

        compiled, group = self.of(chunk), self.data.groups[chunk.group]
        result: dict[str, Array] = {}
        for label, (name, place, axis) in compiled.slices.items():
            part = group.arrays[name][chunk.start : chunk.stop][(slice(None), *place)]
            result[label] = numpy.array(numpy.moveaxis(part, 0, axis), order="C")
        return result

    def shapes(self, chunk: Chunk) -> dict[str, tuple[int, ...]]:
        """The shapes of `arrays`, which are not made for this."""
        compiled, group = self.of(chunk), self.data.groups[chunk.group]
        result: dict[str, tuple[int, ...]] = {}
        for label, (name, place, axis) in compiled.slices.items():
            rest = list(group.arrays[name][:1][(slice(None), *place)].shape[1:])
            result[label] = (*rest[:axis], chunk.stop - chunk.start, *rest[axis:])
        return result

    def parameters(self, values: Mapping[Instance, Any]) -> dict[str, Array]:
        """What all chunks share, by label, for all programs that were asked for. Raises ProblemError."""
        result: dict[str, Array] = {}
        for compiled in self._compiled.values():
            for label, (name, fixed, box) in compiled.shared.items():
                if label not in result:
                    result[label] = _stacked(name, fixed, box, values, self.data.dtype)
        return result


class _Compiled:
    """A program and where its inputs come from: ``slices`` of the data set (name, place in one sequence, axis where
    the sequences go), and what is ``shared`` (name, fixed indices, box of the others)."""

    local = None  # it is a text, which can be sent

    def __init__(self, compiled: Compiled, loss: str, programs: Programs, count: int) -> None:
        lengths, system = programs.lengths, programs.problem.system
        self.slices: dict[str, tuple[str, tuple[int | slice, ...], int]] = {}
        self.shared: dict[str, tuple[str, tuple[int | None, ...], Box]] = {}
        repeated: list[tuple[str, int]] = []
        for label, box in compiled.inputs.items():
            name, fixed = compiled.labels[label]
            each = len(fixed) > system.arity(name)  # the index of the sequences is the last one
            if name in programs.data.names:
                if fixed[-1] is not None:
                    raise NotCompiled(message("data_set.one_sequence", name=label))
                lows = [low for low, _ in lengths.boxes[name]]
                place = _place(fixed[:-1], box[:-1], lows)
                self.slices[label] = (name, place, sum(isinstance(p, slice) for p in place))
            elif each:
                if fixed[-1] is not None:
                    raise NotCompiled(message("data_set.one_sequence", name=label))
                repeated.append((label, len(box) - 1))
                self.shared[label] = (name, fixed[:-1], box[:-1])
            else:
                self.shared[label] = (name, fixed, box)
        self.zero: list[bool] = []  # for each wanted instance, whether no path leads to it
        wanted: list[tuple[str, tuple[int | None, ...], int | None]] = []
        for key in programs.wanted:
            found = _output(compiled, loss, key)
            self.zero.append(found is None)
            if found is not None:
                wanted.append(found)
        self.program = Program(compiled.source, programs.data.dtype, count, loss, tuple(repeated), tuple(wanted))


def _place(fixed: Sequence[int | None], box: Box, lows: Sequence[int]) -> tuple[int | slice, ...]:
    """Where the members of a label lie in the array of a family whose indices begin at ``lows``."""
    place: list[int | slice] = []
    free = iter(box)
    for value, low in zip(fixed, lows, strict=True):
        if value is None:
            first, last = next(free)
            place.append(slice(first - low, last - low + 1))
        else:
            place.append(value - low)
    return tuple(place)


def _output(compiled: Compiled, loss: str, key: Instance) -> tuple[str, tuple[int | None, ...], int | None] | None:
    """Where the derivative by an instance lies in the outputs, None if no path leads to it; and the axis along which
    sequences have one each."""
    name, indices = derivative_name(loss, key[0]), key[1]
    for label, box in compiled.outputs.items():
        family, fixed = compiled.labels[label]
        if family != name:
            continue
        each = len(fixed) > len(indices)
        own = fixed[: len(indices)]
        if any(f is not None and f != i for f, i in zip(own, indices, strict=True)):
            continue
        free = [i for f, i in zip(own, indices, strict=True) if f is None]
        if not all(low <= i <= high for i, (low, high) in zip(free, box, strict=False)):
            continue
        at: list[int | None] = [i - low for i, (low, _) in zip(free, box, strict=False)]
        if not each:
            return label, tuple(at), None
        if fixed[-1] is not None:
            raise NotCompiled(message("data_set.one_sequence", name=label))
        return label, (*at, None), 0
    return None


def _stacked(name: str, fixed: Sequence[int | None], box: Box, values: Mapping[Instance, Any], dtype: str) -> Array:
    """The members of a label as one array."""
    import numpy

    parts = []
    for free in product(*[range(low, high + 1) for low, high in box]):
        rest = iter(free)
        key = (name, tuple(next(rest) if f is None else f for f in fixed))
        if key not in values:
            raise fail(message("data_set.missing", name=instance_text(key), family=name))
        parts.append(numpy.asarray(values[key], dtype))
    if not box:
        return numpy.array(parts[0], order="C")
    extents = tuple(high - low + 1 for low, high in box)
    return numpy.stack(parts).reshape(*extents, *parts[0].shape)
