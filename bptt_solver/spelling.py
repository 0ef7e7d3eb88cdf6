"""Sentences where an encoding lacks characters: what can be said in it, and how the rest is spelled."""

from __future__ import annotations

import os
from functools import cache

from bptt_solver.catalogues import FOLDER
from bptt_solver.render.columns import columns, split_at


@cache
def lacks(language: str, encoding: str) -> bool:
    """Whether an encoding lacks characters that the sentences of a language are written in."""
    with open(os.path.join(FOLDER, f"{language}.toml"), encoding="utf-8") as file:
        wide = "".join([c for c in file.read() if "\u2e80" < c < "\ufe00"])  # the rest is spelled in ASCII
    try:
        wide.encode(encoding)
    except UnicodeEncodeError:
        return True
    return False


def spelled(text: str, encoding: str) -> str:
    """A message in the characters of an encoding. A row of carets stays below what it points at."""
    from bptt_solver.language.notation.numbers import ascii_text

    rows = text.split("\n")
    out: list[str] = []
    for number, row in enumerate(rows):
        if number and row.strip(" ^") == "" and "^" in row:
            above = rows[number - 1]
            start = len(row) - len(row.lstrip(" "))
            first = split_at(above, start) if start else 0
            last = split_at(above, columns(row.rstrip(" ")))
            carets = columns(ascii_text(above[first:last], encoding)) or row.count("^")
            out.append(" " * columns(ascii_text(above[:first], encoding)) + "^" * carets)
        else:
            out.append(ascii_text(row, encoding))
    return "\n".join(out)
