"""Where rows of text are broken: before the signs of a sum, between the entries of an array, and, where nothing else is
left, anywhere; and which columns of a table fit beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.render.columns import columns, split_at

_ANYWHERE = 99  # so deep in parentheses a row may be broken at the signs of sums
_SIGNS = "+−=-"


def broken(row: str, width: int, indent: str) -> list[str]:
    """A row, broken before the signs of its outermost sum; if that is not enough, inside parentheses too, then between
    the entries of arrays. Only spaces go and come."""
    rows = _cut(row, width, indent, 0)
    for deep in (2, 4):
        if any(columns(r) > width for r in rows):
            rows = [short for long in rows for short in _cut(long, width, indent, deep)]
    if any(columns(r) > width for r in rows):
        rows = [short for long in rows for short in _cut(long, width, indent, _ANYWHERE)]
    return rows


def _cut(row: str, width: int, indent: str, deep: int) -> list[str]:
    if columns(row) <= width:
        return [row]
    cuts: list[int] = []
    depth = 0
    for at, character in enumerate(row):
        depth += (character in "([{") - (character in ")]}")
        sign = character in _SIGNS and depth <= deep and row[at - 1 : at + 2] == f" {character} "
        after_entry = 0 < depth <= deep and row[at - 2 : at] == "; "  # or the next row of a matrix
        if deep == _ANYWHERE and at and row[at - 1] == " " and character not in " =":
            after_entry = row[at - 2 : at - 1] not in _SIGNS  # a sign stays with what follows it
        if at > len(indent) and (sign or after_entry):
            cuts.append(at)
    rows: list[str] = []
    start, prefix = 0, ""
    for at, cut in enumerate(cuts):
        following = cuts[at + 1] if at + 1 < len(cuts) else len(row) + 1
        if columns(prefix) + columns(row[start : following - 1]) > width and row[start:cut].strip(" "):
            rows.append(prefix + row[start : cut - 1].rstrip(" "))
            start, prefix = cut, indent
    return [*rows, prefix + row[start:]]


def forced(row: str, width: int, indent: str = "  ") -> list[str]:
    """A row as rows that fit, cut anywhere if it has to be: for a terminal, which would cut it as well."""
    rows: list[str] = []
    if columns(row) > width and 2 * (len(row) - len(row.lstrip(" "))) > width:  # it is set in too far
        row = indent + row.lstrip(" ")
    while columns(row) > width:
        end = split_at(row, width)
        space = row.rfind(" ", len(row) - len(row.lstrip(" ")), end + 1)
        if space > end // 2:
            rows.append(row[:space].rstrip(" "))
            row = indent + row[space:].lstrip(" ")
        else:
            rows.append(row[:end])
            row = indent + row[end:]
    return [*rows, row]


def beside(widths: Sequence[int], gap: int, room: int) -> list[list[int]] | None:
    """The columns of a table (by their widths, the first of which is repeated) in groups that fit beside each other;
    None where not even one fits beside the first."""
    groups: list[list[int]] = []
    filled = room + 1
    for k in range(1, len(widths)):
        if filled + gap + widths[k] > room:
            groups.append([0])
            filled = widths[0]
        if filled + gap + widths[k] > room:
            return None
        groups[-1].append(k)
        filled += gap + widths[k]
    return groups or ([[0]] if widths and widths[0] <= room else None)
