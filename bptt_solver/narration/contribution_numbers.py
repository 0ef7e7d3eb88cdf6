"""The numbers of a contribution table, with what a page computes them from when given ones change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.analyses.losses import Loss, size
from bptt_solver.analyses.made_sweeps import MadeSplit, Part
from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import Cell, Value, Words
from bptt_solver.making import Making
from bptt_solver.steps.made import cell_of
from bptt_solver.steps.members import readable
from bptt_solver.system import Instance

if TYPE_CHECKING:
    from bptt_solver.analyses.contribution_table import ContributionTable, Split


def shown(value: Any, of: Cell | None = None) -> Value:
    """A value as it is printed."""
    return Value(readable(value), of=of)


def cell(value: Any, of: Cell | None = None) -> Words:
    """A value in a table: a number, the norm of an array, or nothing."""
    return () if value is None else (shown(size(value) if is_array(value) else value, of),)


class Numbers:
    """Which number is which. Where there are too many for a page, most are None."""

    def __init__(self, table: ContributionTable) -> None:
        self.table = table
        self.made = table.made()
        self.making = Making(table.computation.made, table.computation.unfolded)

    def split(self, split: Split) -> MadeSplit:
        """What stands for the numbers of one quantity."""
        if self.made is None:
            return MadeSplit(None, [column.user for column in split.uses], [[] for _ in self.table.losses])
        return self.made.splits[split.key]

    def of(self, part: Part) -> Cell | None:
        """Which number a part is."""
        return None if self.made is None else cell_of(part)

    def cell(self, value: Any, part: Part) -> Cell | None:
        """The same for what stands in a table: of an array the norm."""
        if self.made is None:
            return None
        return cell_of(part, self.made.making if is_array(value) else None)

    def seed(self, loss: Loss) -> Value:
        """The weight of a loss."""
        return shown(loss.seed, self.of(self.made.seeds[self.table.losses.index(loss)]) if self.made else None)

    def signals(self, at_loss: int) -> Mapping[int, Part]:
        """What stands for the error signals of a loss."""
        return {} if self.made is None else self.made.signals[at_loss]

    def together(self, nodes: Sequence[int]) -> dict[int, Part]:
        """What stands for those of all losses."""
        if self.made is None:
            return {}
        own = {n: [s[n] for s in self.made.signals if n in s] for n in nodes}
        return {n: self.made.making.sum(parts) for n, parts in own.items() if parts}

    def whole(self, key: Instance, value: Any = None) -> Cell | None:
        """Which number an ordered derivative is; of an array (``value``) its norm."""
        number = self.table.computation.derivative_number(key)
        if number is None:
            return None
        return self.by_user(value, number) if is_array(value) else Cell("d", number)

    def by_user(self, value: Any, part: Part) -> Cell:
        """Which number a part of an error signal is; of an array its norm."""
        return cell_of(part, self.making if is_array(value) else None)


__all__ = ["Numbers", "cell", "shown"]
