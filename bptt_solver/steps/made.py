"""Which number of a page a number is that was made of others."""

from __future__ import annotations

from bptt_solver.blocks import FIXED, Cell
from bptt_solver.language.expressions import Call
from bptt_solver.language.templates import slot
from bptt_solver.made import ONE, Other, Source
from bptt_solver.making import Making

_NORM = Call("norm2", (slot(0),))


def cell_of(part: Source | None, making: Making | None = None) -> Cell:
    """The cell of what stands for a number; of an array that of its norm, if there is a ``making``. What no path leads
    to (None) stays 0."""
    if part is None:
        return FIXED
    if making is not None:
        part = making.of(_NORM, (part,))
    if isinstance(part, Other):
        return Cell("t", part.at)
    if part is ONE:
        return FIXED
    assert isinstance(part, int), "sums of grounds are made"
    return Cell("v", part)


__all__ = ["cell_of"]
