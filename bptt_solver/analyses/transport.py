"""Jacobians carried backwards in time: of one equation, of one step, of all steps.

They have exponents of their own, so that what vanishes beyond the range of floats does not look like 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.analyses.states import Group, Link, State
from bptt_solver.arithmetic import is_array, to_float
from bptt_solver.catalogues import message
from bptt_solver.errors import fail
from bptt_solver.forward_mode import ForwardMode
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    from bptt_solver.computation import Computation

Matrix = Any  # a float64 array with two axes: result by what is read
_ROUNDING = 2.0**-52  # relative, of one operation
_FAR = 300  # powers of two from 1 at which lanes are scaled


class Size:
    """A number that is not negative, ``fraction * 2**exponent``: its logarithm is known where no float holds it."""

    __slots__ = ("exponent", "fraction")

    def __init__(self, value: float, exponent: int = 0) -> None:
        fraction, own = math.frexp(value)
        self.fraction = fraction
        self.exponent = own + exponent if fraction else 0

    @property
    def number(self) -> float | None:
        """As a float; None where there is none so small or so large."""
        if self.fraction and not -1021 <= self.exponent <= 1023:
            return None
        return math.ldexp(self.fraction, self.exponent)

    @property
    def log10(self) -> float | None:
        """Its logarithm; None for 0."""
        return math.log10(self.fraction) + self.exponent * math.log10(2) if self.fraction else None

    def times(self, other: Size) -> Size:
        """The product."""
        return Size(self.fraction * other.fraction, self.exponent + other.exponent)

    def root(self, count: int) -> float:
        """The ``count``-th root, a float."""
        return 10 ** (self.log10 / count) if self.log10 is not None else 0.0


def singular_values(matrix: Matrix) -> list[float]:
    """All of them, the largest first; those that rounding alone could have made are 0."""
    import numpy

    if matrix.shape == (1, 1):
        return [abs(float(matrix[0, 0]))]
    if is_diagonal(matrix):
        return sorted(map(abs, matrix.diagonal().tolist()), reverse=True)
    values = [float(v) for v in numpy.linalg.svd(matrix, compute_uv=False)]
    noise = values[0] * max(matrix.shape) * _ROUNDING if values else 0.0
    return [v if v > noise else 0.0 for v in values]


def norm(matrix: Matrix) -> float:
    """The largest singular value alone, which is found faster."""
    import numpy

    if matrix.shape == (1, 1) or is_diagonal(matrix):
        return singular_values(matrix)[0]
    largest = float(abs(matrix).max(initial=0.0))
    if not largest:
        return 0.0
    scaled = matrix / largest
    square = scaled @ scaled.T if matrix.shape[0] <= matrix.shape[1] else scaled.T @ scaled
    longest: float = numpy.linalg.eigvalsh(square)[-1].item()
    return largest * math.sqrt(longest)


def is_diagonal(matrix: Matrix) -> bool:
    """Whether a square matrix has entries on its diagonal only."""
    import numpy

    if matrix.shape[0] != matrix.shape[1]:
        return False
    return bool(numpy.count_nonzero(matrix) == numpy.count_nonzero(matrix.diagonal()))


class Transport:
    """The simple partials of a computation as matrices, and what they multiply to. An array counts as the vector of its
    entries.
    """

    def __init__(self, computation: Computation) -> None:
        self.computation = computation
        self.unfolded = computation.problem.unfolded
        values = computation.program.start(computation.problem.given)
        values[: len(self.unfolded.keys)] = computation.values[: len(self.unfolded.keys)]
        self.values = [to_float(v) for v in values]
        self.mode = ForwardMode(computation.arithmetic)

    def size(self, number: int) -> int:
        """The number of entries of an instance."""
        value = self.values[number]
        return int(value.size) if is_array(value) else 1

    def local(self, group: Group, user: int) -> Iterator[tuple[int, Matrix]]:
        """The simple partials of one instance by what it reads on the group's paths; those that are 0 by structure are
        left out."""
        for read in self.unfolded.reads(user):
            if read in group.on_paths:
                matrix = self.along(user, {read: self._unit(read)})
                if matrix is not None:
                    yield read, matrix.T

    def along(self, user: int, tangents: Mapping[int, Matrix]) -> Matrix | None:
        """How an instance moves when what it reads does: one row a lane. ``tangents`` have the shapes of what is read,
        behind the lanes."""
        import numpy

        shaped = {n: t.reshape(t.shape[0], *numpy.shape(self.values[n])) for n, t in tangents.items()}
        found = self.mode.instance(self.unfolded.grounds[user] or (), self.values, shaped, self.values[user])
        if found is None:
            return None
        found = numpy.asarray(found, dtype=float)
        if not numpy.isfinite(found).all():
            raise fail(message("value.partial", name=instance_text(self.unfolded.keys[user])))
        return found.reshape(found.shape[0], -1)

    def _unit(self, number: int) -> Matrix:
        import numpy

        size = self.size(number)
        self.computation.problem.limits.check(
            "elements", size * size, lambda: message("limit.jacobian", name=instance_text(self.unfolded.keys[number]))
        )
        return numpy.eye(size)

    # -- one step

    def step(self, group: Group, time: int) -> Step:
        """One step of a group, from the time before to this one."""
        before = time - group.direction
        old, new = [[(s, s.members[t]) for s in group.states if t in s.members] for t in (before, time)]
        lanes = Lanes([(n, self.size(n)) for _, n in new])
        pending = lanes.seeds()
        arrived: dict[int, Matrix] = {}
        pieces: dict[Link, Matrix] = {}
        for number in reversed(group.at.get(time, ())):
            if (g := pending.get(number)) is not None:
                for read, matrix in self.local(group, number):
                    pieces[group.link(number, read)] = matrix
                    if group.time.get(read) == time:
                        _add(pending, read, g @ matrix)
                    elif group.time.get(read) == before:
                        _add(arrived, read, g @ matrix)
        whole = None
        if len(old) == len(new) == len(group.states):
            whole = lanes.beside([(arrived.get(n), self.size(n)) for _, n in old])
        states = {n: s for s, n in old}
        own: dict[State, Matrix] = {}
        for number in reversed(group.at.get(before, ())):
            if (g := arrived.get(number)) is None:
                continue
            state = states.get(number)
            if state is not None and time in state.members:
                own[state] = g[lanes.rows[state.members[time]]]
            for read, matrix in self.local(group, number):
                if group.time.get(read) == before:
                    _add(arrived, read, g @ matrix)
        return Step(own, whole, pieces)

    # -- all steps

    def sweep(
        self,
        group: Group,
        entering: Mapping[int, Matrix],
        visit: Callable[[int, int, Matrix], None],
        record: Callable[[State, int, Block, Size], None],
    ) -> None:
        """Backwards from each state's last member over all paths: ``record(state, time, its ordered Jacobian, the size
        of what arrives there of the error that enters)``, and ``visit(user, read, simple partial)`` on the way.
        ``entering``: row vectors by instance."""
        ends = {s: s.members[group.last(s)] for s in group.states}
        lanes = Lanes([(n, self.size(n)) for n in ends.values()], extra=1)
        pending = lanes.seeds()
        for number, row in entering.items():
            seed = lanes.zeros(self.size(number))
            seed[-1] = row
            _add(pending, number, seed)
        states = {n: s for s in group.states for n in s.members.values()}
        current: int | None = None
        for number in reversed(group.nodes):
            g = pending.get(number)
            if g is None:
                continue
            time = group.time.get(number)
            if time != current:
                current = time
                lanes.scale(list(pending.values()))
            del pending[number]
            if number in states and time is not None:
                state = states[number]
                record(state, time, lanes.block(g, ends[state]), lanes.length(g))
            for read, matrix in self.local(group, number):
                visit(number, read, matrix)
                _add(pending, read, g @ matrix)


class Step:
    """One step.

    ``own``: each state's ordered Jacobian by itself; ``whole``: that of all states by all of the time before, these
    held independent of each other (None if not all are there); ``pieces``: the simple partials on the way.
    """

    __slots__ = ("own", "pieces", "whole")

    def __init__(self, own: dict[State, Matrix], whole: Matrix | None, pieces: dict[Link, Matrix]) -> None:
        self.own = own
        self.whole = whole
        self.pieces = pieces


class Block:
    """A matrix with an exponent: ``matrix * 2**exponent``."""

    __slots__ = ("exponent", "matrix")

    def __init__(self, matrix: Matrix, exponent: int = 0) -> None:
        self.matrix = matrix
        self.exponent = exponent

    def sizes(self) -> list[Size]:
        """Its singular values, the largest first."""
        return [Size(v, self.exponent) for v in singular_values(self.matrix)]

    def times(self, matrix: Matrix) -> Block:
        """The product with a matrix behind it."""
        product = self.matrix @ matrix
        largest = float(abs(product).max(initial=0.0))
        shift = math.frexp(largest)[1]
        if abs(shift) <= _FAR:
            return Block(product, self.exponent)
        return Block(product * 2.0**-shift, self.exponent + shift)


class Lanes:
    """The rows that a sweep carries: one for each entry of each instance at which it starts, and ``extra`` ones. Each
    has an exponent."""

    def __init__(self, starts: Sequence[tuple[int, int]], extra: int = 0) -> None:
        self.rows: dict[int, slice] = {}
        at = 0
        for number, size in starts:
            self.rows[number] = slice(at, at + size)
            at += size
        self.count = at + extra
        self.exponents = [0] * self.count

    def zeros(self, size: int) -> Matrix:
        """A matrix of zeros with all lanes."""
        import numpy

        return numpy.zeros((self.count, size))

    def seeds(self) -> dict[int, Matrix]:
        """The start: each instance by itself is the identity."""
        import numpy

        found = {}
        for number, rows in self.rows.items():
            found[number] = self.zeros(rows.stop - rows.start)
            found[number][rows] = numpy.eye(rows.stop - rows.start)
        return found

    def scale(self, carried: Sequence[Matrix]) -> None:
        """Divide lanes that have become very large or small by a power of two, in place."""
        import numpy

        largest = numpy.max([abs(g).max(axis=1) for g in carried], axis=0)
        for lane, value in enumerate(largest.tolist()):
            shift = math.frexp(value)[1]
            if abs(shift) > _FAR:
                self.exponents[lane] += shift
                for g in carried:
                    g[lane] = numpy.ldexp(g[lane], -shift)

    def block(self, g: Matrix, start: int) -> Block:
        """The lanes of one start."""
        import numpy

        rows = self.rows[start]
        exponents = self.exponents[rows]
        top = max(exponents)
        matrix = g[rows]
        if min(exponents) < top:
            matrix = numpy.ldexp(matrix, numpy.array([[e - top] for e in exponents]))
        return Block(matrix, top)

    def length(self, g: Matrix) -> Size:
        """The length of the last lane."""
        return Size(float((g[-1] @ g[-1]) ** 0.5), self.exponents[-1])

    def beside(self, parts: Sequence[tuple[Matrix | None, int]]) -> Matrix:
        """Matrices beside each other; those that are not there are zeros."""
        import numpy

        return numpy.concatenate([self.zeros(size) if g is None else g for g, size in parts], axis=1)


def _add(pending: dict[int, Matrix], number: int, g: Matrix) -> None:
    pending[number] = pending[number] + g if number in pending else g
