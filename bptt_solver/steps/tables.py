"""Tables of numbers for long systems: a row a time step, a column a family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import Value
from bptt_solver.derivation import FIRST_LINES, Cut, NumberTable
from bptt_solver.language.expressions import Index, Reference

if TYPE_CHECKING:
    from bptt_solver.steps.indexed import Indexed
    from bptt_solver.system import Instance

MOST_ROWS = 20
MOST_COLUMNS = 8
SHORT = 3  # entries of a vector that are shown instead of its norm


def forward_table(whole: Indexed) -> NumberTable | None:
    """The forward values by time."""
    return _table(whole, list(whole.forward.order), lambda n: whole.unfolded.keys[n], True)


def backward_table(whole: Indexed) -> NumberTable | None:
    """The ordered derivatives of the sweep by time, the last time first."""
    return _table(whole, whole.swept, lambda n: whole.unfolded.keys[whole.computation.base(n)], False)


def _table(whole: Indexed, numbers: Sequence[int], key: Any, ascending: bool) -> NumberTable | None:
    columns: dict[Instance, Reference] = {}
    cells: dict[int, dict[Instance, int]] = {}
    variable = whole.times.variable
    for number in numbers:
        base = key(number)
        time = whole.times.of(base)
        if time is None:
            continue
        at = whole.system.time_position(base[0])
        rest = tuple(i for k, i in enumerate(base[1]) if k != at)
        column = (base[0], rest)
        if column not in columns:
            indices = tuple(Index.variable(variable) if k == at else Index(i) for k, i in enumerate(base[1]))
            columns[column] = Reference(whole.unfolded.keys[number][0], indices)
        cells.setdefault(time, {})[column] = number
    if not cells:
        return None
    shown = list(columns)[:MOST_COLUMNS]
    norms = [any(_norm(whole.members.values[row[c]]) for row in cells.values() if c in row) for c in shown]
    times = sorted(cells, reverse=not ascending)
    rows: list[tuple[int, Sequence[Value | None]] | Cut] = []
    for time in times if len(times) <= MOST_ROWS else [*times[:FIRST_LINES], None, *times[-FIRST_LINES:]]:
        if time is None:
            rows.append(Cut(len(times) - 2 * FIRST_LINES))
        else:
            row = cells[time]
            rows.append((time, [_cell(whole, row[c], n) if c in row else None for c, n in zip(shown, norms, strict=True)]))
    return NumberTable(variable, [columns[c] for c in shown], norms, rows)


def _norm(value: Any) -> bool:
    return is_array(value) and value.size > SHORT


def _cell(whole: Indexed, number: int, norm: bool) -> Value:
    value = whole.members.values[number]
    if not norm:
        return whole.members.shown(number)
    squares = sum(float(v) ** 2 for v in value.ravel().tolist())
    return whole.members.value(squares**0.5)
