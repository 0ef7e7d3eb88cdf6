"""Numbers, vectors and matrices as the formats of two dimensions show them: long ones with dots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import Value
from bptt_solver.render.base import Renderer

MOST = 6  # entries of an array along an axis


class ArrayRenderer(Renderer):
    """A renderer that says how one number is written, and what stands between those of a vector and of a matrix."""

    MATRIX = ("", "")  # what stands around a matrix
    COLUMN, ROW, ENTRY = "", "", ""  # between its columns, its rows, and the entries of a vector
    DOTS, ACROSS, DOWN = "…", "…", "⋮"  # for what is left out of a vector, of a row, and for rows

    def number(self, value: Value) -> str:
        found = value.value
        if is_array(found):
            found = found.tolist()
        return self._array(found, value.digits) if isinstance(found, list) else self.single(found, value.digits)

    def single(self, value: Any, digits: int) -> str:
        """One number."""
        raise NotImplementedError

    def _array(self, value: list[Any], digits: int) -> str:
        if not (value and isinstance(value[0], list)):
            return f"({self._row(value, digits, self.ENTRY, self.DOTS)})"
        rows = [self._row(row, digits, self.COLUMN, self.ACROSS) for row in value[:MOST]]
        rows += [self.DOWN] if len(value) > MOST else []
        return self.MATRIX[0] + self.ROW.join(rows) + self.MATRIX[1]

    def _row(self, row: Sequence[Any], digits: int, gap: str, dots: str) -> str:
        texts = [self.single(v, digits) for v in row[:MOST]]
        return gap.join([*texts, dots] if len(row) > MOST else texts)
