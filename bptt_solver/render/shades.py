"""Shades of tables: how large the number in a cell is beside the others, or how far from 1 it is."""

from __future__ import annotations

import math

from bptt_solver.blocks import Table, Value, Words

SHADES = 5  # steps of a shaded table, a decade each


def shades(block: Table) -> list[list[int | None]]:
    """For every cell its shade: None for what is no number, 0 for a number without colour, up to `SHADES` for the
    strongest; negative for negative numbers (``size``) or for those below 1 (``growth``)."""
    numbers = [[_number(cell) if at else None for at, cell in enumerate(row)] for row in block.rows]
    found = [abs(n) for row in numbers for n in row if n is not None and math.isfinite(n)]
    largest = max(found, default=0.0) if block.shade == "size" else 1.0
    return [[_shade(number, block.shade, largest) for number in row] for row in numbers]


def _number(cell: Words) -> float | None:
    """The number that a cell is."""
    if len(cell) == 1 and isinstance(cell[0], Value) and isinstance(cell[0].value, (int, float)):
        return float(cell[0].value)
    return None


def _shade(number: float | None, shade: str, largest: float) -> int | None:
    if not shade or number is None or not largest:
        return None
    if number == 0 or not math.isfinite(number):
        return 0
    decades = math.log10(abs(number) / largest)
    if shade == "growth":
        step = min(SHADES, round(2 * abs(decades)))
        return -step if decades < 0 else step
    step = max(0, SHADES + math.floor(decades))
    return -step if number < 0 else step


def mixed(shade: int, light: tuple[int, int, int] = (255, 255, 255)) -> str:
    """The colour of a shade as ``e8590c``: orange above, blue below, white at 0; dark text is readable on all."""
    red, green, blue = (222, 105, 55) if shade > 0 else (66, 125, 190)
    part = 0.11 * abs(shade)
    return "".join([f"{round(a + (b - a) * part):02x}" for a, b in zip(light, (red, green, blue), strict=True)])


__all__ = ["SHADES", "mixed", "shades"]
