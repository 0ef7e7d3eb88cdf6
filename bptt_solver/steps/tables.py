"""Tables of numbers for long systems: a row a time step, a column a family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import Value
from bptt_solver.derivation import FIRST_LINES, Cut, NumberTable, shortened
from bptt_solver.language.expressions import Index, Reference

if TYPE_CHECKING:
    from bptt_solver.steps.indexed import Indexed
    from bptt_solver.system import Instance

MOST_ROWS = 20
MOST_COLUMNS = 7  # numbers beside each other
SHORT = 3  # entries of a vector that are shown instead of its norm


def forward_tables(whole: Indexed) -> list[NumberTable]:
    """The forward values by time."""
    return _tables(whole, whole.forward.order, lambda n: whole.unfolded.keys[n], True)


def backward_tables(whole: Indexed) -> list[NumberTable]:
    """The ordered derivatives of the sweep by time, the last time first."""
    return _tables(whole, whole.swept, lambda n: whole.unfolded.keys[whole.computation.base(n)], False)


def _tables(
    whole: Indexed, numbers: Sequence[int], key: Callable[[int], Instance], ascending: bool
) -> list[NumberTable]:
    columns: dict[Instance, Reference] = {}
    cells: dict[int, dict[Instance, int]] = {}
    widths: dict[Instance, int] = {}
    variable = whole.times.variable
    for number in numbers:
        base = key(number)
        time = whole.times.of(base)
        if time is None:
            continue
        at = whole.system.time_position(base[0])
        column = (base[0], tuple([i for k, i in enumerate(base[1]) if k != at]))
        if column not in columns:
            indices = tuple(Index.variable(variable) if k == at else Index(i) for k, i in enumerate(base[1]))
            columns[column] = Reference(whole.unfolded.keys[number][0], indices)
        cells.setdefault(time, {})[column] = number
        value = whole.members.values[number]
        widths[column] = max(widths.get(column, 0), value.size if is_array(value) else 1)
    times = sorted(cells, reverse=not ascending)
    shown = shortened(times, False, MOST_ROWS, FIRST_LINES, FIRST_LINES)
    tables: list[NumberTable] = []
    for names in _chunks(list(columns), [w if w <= SHORT else 1 for w in widths.values()]):
        norms = [widths[c] > SHORT for c in names]
        rows: list[tuple[int, Sequence[Value | None]] | Cut] = []
        for time in shown:
            if isinstance(time, Cut):
                rows.append(time)
            else:
                row = cells[time]
                rows.append(
                    (time, [_cell(whole, row[c], n) if c in row else None for c, n in zip(names, norms, strict=True)])
                )
        tables.append(NumberTable(variable, [columns[c] for c in names], norms, rows))
    return tables


def _chunks(columns: Sequence[Instance], widths: Sequence[int]) -> list[list[Instance]]:
    """Columns in groups that fit beside each other."""
    groups: list[list[Instance]] = []
    room = 0
    for column, width in zip(columns, widths, strict=True):
        if room < width:
            groups.append([])
            room = MOST_COLUMNS
        groups[-1].append(column)
        room -= width
    return groups


def _cell(whole: Indexed, number: int, norm: bool) -> Value:
    value = whole.members.values[number]
    if not norm:
        return whole.members.shown(number)
    squares = sum(float(v) ** 2 for v in value.ravel().tolist())
    return whole.members.value(squares**0.5, whole.members.norm(number))
