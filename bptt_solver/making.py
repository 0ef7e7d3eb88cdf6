"""What partials and single sweeps are made of, for a page that computes their numbers again (`bptt_solver.made`): the
chain rule once more, with places of numbers where `bptt_solver.partials` has numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from bptt_solver.instances import Ground, Unfolded
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression
from bptt_solver.language.templates import TAKES_COTANGENT, TAKES_RESULT, slot
from bptt_solver.made import Made, Other, Source

Read = Callable[[int], Source]  # what stands for the number of an instance or constant


class Making:
    """Makes numbers from the grounds of a system. ``read`` says what stands for the instances that they read, if that
    is not the instances themselves."""

    def __init__(self, made: Made, unfolded: Unfolded, read: Read | None = None) -> None:
        self.made = made
        self.unfolded = unfolded
        self.read = read

    def ground(self, ground: Ground) -> Source:
        """The value of a summand."""
        return self.of(ground.template.expression, self._slots(ground))

    def of(self, expression: Expression, slots: Sequence[Source]) -> Other:
        """An expression of numbers."""
        return Other(self.made.place(expression, slots))

    def sum(self, parts: Sequence[Source]) -> Source:
        """The sum of numbers, of which there is at least one."""
        return parts[0] if len(parts) == 1 else self.of(_sum_of(len(parts)), parts)

    def partials(self, number: int, received: Source) -> dict[int, Source]:
        """What everything that an instance reads receives when the instance receives something. With 1 these are the
        simple partials."""
        found: dict[int, list[Source]] = {}
        grounds = self.unfolded.grounds[number] or ()
        for ground in grounds:
            self._pull(ground, received, number if len(grounds) == 1 else self.ground(ground), found)
        return {read: self.sum(parts) for read, parts in found.items()}

    def _pull(self, ground: Ground, received: Source, result: Source, found: dict[int, list[Source]]) -> None:
        slots = self._slots(ground)
        special = {TAKES_COTANGENT: received, TAKES_RESULT: result}
        for at, source in enumerate(ground.slots):
            if isinstance(source, int) and source < 0:
                continue
            pullback, sources = ground.template.pullback(at)
            value: Source = self.of(pullback.expression, [slots[s] if s >= 0 else special[s] for s in sources])
            if ground.template.ranks[at] and not pullback.rank:  # a number stands for an array
                value = self.of(_EXPANDED, (value, slots[at]))
            if isinstance(source, int):
                found.setdefault(source, []).append(value)
                continue
            for inner in source:
                self._pull(inner, value, self.ground(inner), found)

    def _slots(self, ground: Ground) -> list[Source]:
        return [self._slot(s) for s in ground.slots]

    def _slot(self, source: int | list[Ground]) -> Source:
        if isinstance(source, list):
            return self.sum([self.ground(inner) for inner in source]) if source else self.of(build.ZERO, ())
        return source if self.read is None else self.read(source)


_EXPANDED = Call("expand", (slot(0), slot(1)))


@cache
def _sum_of(count: int) -> Expression:
    return Call("add", tuple([slot(at) for at in range(count)]))


__all__ = ["Making"]
