"""What the numbers of sweeps from single losses are made of, so that a page can compute them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bptt_solver.analyses.losses import Loss, Piece, Sweep, Sweeps
from bptt_solver.arithmetic import is_array
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Number
from bptt_solver.language.templates import slot
from bptt_solver.made import ONE, Source
from bptt_solver.making import Making

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.system import Instance

_ZEROS, _EXPANDED = Call("zeros", (slot(0),)), Call("expand", (slot(0), slot(1)))
_PRODUCT = Call("mul", (slot(0), slot(1)))
Part = Source | None  # None: no path leads here


class MadeSweeps:
    """Sweeps as in `Sweeps`, with what stands for the numbers instead of the numbers. ``seeds``: what stands for those
    of the losses."""

    def __init__(self, computation: Computation, sweeps: Sweeps, seeds: Sequence[Source]) -> None:
        self.computation = computation
        self.sweeps = sweeps
        self.seeds = {sweeps.seed_number(at): seed for at, seed in enumerate(seeds)}
        self.constants = [value for _, value in sweeps.unfolded.constants]
        self.making = Making(computation.made, sweeps.unfolded, self._read)
        self._found: dict[int, Source] = {}  # of the sweep that is being made

    def run(self, chosen: Sequence[int], kept: Sequence[Instance] = ()) -> Sweep:
        """One sweep; the pieces of the ``kept`` instances in the order of `Sweeps.run`."""
        sweeps, making = self.sweeps, self.making
        wanted = {n for key in kept if (n := sweeps.backward_number(key)) is not None}
        result = Sweep()
        self._found = {}
        for number, reached in sweeps.route(chosen):
            base, grounds = sweeps.base(number), sweeps.unfolded.grounds[number] or []
            parts = [(grounds[at], self._settled(making.ground(grounds[at]), grounds[at].template.rank, base))
                     for at in reached]  # fmt: skip
            self._found[number] = making.sum([part for _, part in parts])
            if base < sweeps.first:
                result.signals[base] = self._found[number]
            if number in wanted:
                result.pieces[base] = [sweeps.piece(number, ground, part) for ground, part in parts]
        return result

    def _settled(self, part: Source, rank: int, base: int) -> Source:
        if rank or base >= self.sweeps.first or not is_array(self.computation.values[base]):
            return part
        return self.making.of(_EXPANDED, (part, base))

    def _read(self, source: int) -> Source:
        if source in self.seeds:
            return self.seeds[source]
        if source < 0:
            known = -1 - source < len(self.computation.problem.unfolded.constants)
            return source if known else self.making.of(Number(self.constants[-1 - source]), ())
        if source < self.sweeps.first:
            return source
        if source in self._found:
            return self._found[source]
        if not self.sweeps.unfolded.grounds[source]:
            return self.making.of(build.ONE, ())  # the whole itself
        base = self.sweeps.base(source)
        return self.making.of(_ZEROS, (base,)) if base < self.sweeps.first else self.making.of(build.ZERO, ())


class MadeSplit:
    """What stands for the numbers of a `Split`, in the same order: of uses by these ``users``."""

    def __init__(self, making: Making | None, users: Sequence[Instance], found: Sequence[Sequence[Piece]]) -> None:
        self.making = making  # None: there are no pieces
        place = {user: at for at, user in enumerate(users)}
        cells: list[list[list[Source]]] = [[[] for _ in users] for _ in found]
        for row, pieces in zip(cells, found, strict=True):
            for piece in pieces:
                row[place[piece.user]].append(piece.value)
        self.cells = [[self._sum(parts) for parts in row] for row in cells]
        self.rows = [self._sum([c for c in row if c is not None]) for row in self.cells]
        self.columns = [self._sum([row[s] for row in self.cells if row[s] is not None]) for s in range(len(users))]
        self.total = self._sum([row for row in self.rows if row is not None])

    def _sum(self, parts: Sequence[Part]) -> Part:
        found = [part for part in parts if part is not None]
        return self.making.sum(found) if found and self.making else None


def seeds_of(computation: Computation, losses: Sequence[Loss]) -> list[Source]:
    """What stands for the seed of each loss: the target's partial by it, through sums that were opened."""
    forward = computation.problem.unfolded
    target = forward.number[computation.target_key]
    wanted = [loss.number for loss in losses]
    if wanted == [target]:
        return [ONE]
    making = Making(computation.made, forward)
    found = making.partials(target, ONE)
    todo = [n for n in found if n not in wanted and forward.grounds[n] is not None]
    while todo:
        number = todo.pop()
        for read, partial in making.partials(number, ONE).items():
            through = making.of(_PRODUCT, (found[number], partial))
            found[read] = making.sum([found[read], through]) if read in found else through
            if read not in wanted and forward.grounds[read] is not None:
                todo.append(read)
        del found[number]
    return [found[number] for number in wanted]


__all__ = ["MadeSplit", "MadeSweeps", "Part", "seeds_of"]
