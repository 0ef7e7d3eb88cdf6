"""Which arrays of a program may lie in one place: what is not needed any more makes room for what comes later.

A program that touches less memory keeps more of it in the processor's caches. An array takes the place of another one
of the same shape that is not used from there on, or that is read for the last time in the very lines that compute the
new one, each entry before its place is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from bptt_solver.compile.schedule import Node, reads
from bptt_solver.compile.source import statements
from bptt_solver.system import System

_WORD = re.compile(r"\b[^\W\d]\w*")
_OUT = re.compile(r"out=(?:rows\()?(\w+)((?:\[[^\]]*\])*)\)\)?$|^(\w+)((?:\[[^\]]*\])*) = ")
_ENTRYWISE = re.compile(r"(?:np\.(?!dot\b|matmul\b|concatenate\b)\w+|sigmoid)\(")


def last_uses(nodes: Sequence[Node], system: System) -> dict[str, int]:
    """The place of the last node that reads or writes each family."""
    last: dict[str, int] = {}
    for place, node in enumerate(nodes):
        for statement in statements([node]):
            last[statement.name] = place
            last.update((reference.name, place) for reference, _, _ in reads(statement, system))
    return last


class Sharing:
    """The arrays that were made, by shape, and until which node each is needed."""

    def __init__(self, last: Mapping[str, int], stay: Sequence[str]) -> None:
        self.last = last
        self.stay = set(stay)  # families whose place nothing else may take, and which take no other's
        self.taken: set[str] = set()
        self.shapes: dict[str, tuple[int, ...]] = {}

    def made(self, name: str, shape: tuple[int, ...]) -> None:
        """An array with a place of its own."""
        self.shapes[name] = shape

    def free(self, name: str, shape: tuple[int, ...], place: int) -> Iterator[str]:
        """Arrays of the shape that are not needed behind a node, the last used first."""
        if name in self.stay:
            return
        for other in sorted(self.shapes, key=lambda n: -self.last.get(n, -1)):
            there = other not in self.taken and other not in self.stay and other != name
            if there and self.shapes[other] == shape and self.last.get(other, -1) <= place:
                yield other

    def take(self, name: str, of: str) -> None:
        """``name`` lies where ``of`` lay."""
        self.taken.add(of)
        self.shapes[name] = self.shapes[of]


def can_take(lines: Sequence[str], new: Mapping[str, str], old: Mapping[str, str]) -> bool:
    """Whether lines may compute an array in the place of another. ``new`` and ``old``: the names of the two arrays and
    of views of them, with what part of a member each shows. In each turn every entry of the old array has to be read
    before the new one's is written there: both are used at one place only, and the old one not behind the line that
    first writes."""
    turn: list[str] = []
    depth = None
    for line in [*lines, ""]:
        bare = line.strip()
        indent = len(line) - len(line.lstrip())
        if bare.startswith("#"):
            continue
        if not bare or bare.startswith("for ") or (depth is not None and indent != depth):
            if not _in_turn(turn, new, old):
                return False
            turn, depth = [], None
            if bare and not bare.startswith("for "):
                turn, depth = [bare], indent
            continue
        depth = indent
        turn.append(bare)
    return True


def _in_turn(lines: Sequence[str], new: Mapping[str, str], old: Mapping[str, str]) -> bool:
    written: tuple[str, str] | None = None
    before: list[tuple[str, str]] = []
    for line in lines:
        found = _OUT.search(line)
        target = (found[1] or found[3], found[2] or found[4] or "") if found else ("", "")
        here = [(old[word], where) for word, where in _uses(line, old)]
        if here and written is not None:
            return False
        if target[0] in new:
            first = (new[target[0]], target[1])
            if written is None:
                written = first
                if here and not (_ENTRYWISE.match(line) and all(use == first for use in here)):
                    return False
                if any(where != first[1] for _, where in before):
                    return False
            elif written[1] != first[1]:
                return False
        elif "out=" in line and not target[0] and _uses(line, new):
            return False
        before += here
    return written is not None or not before


def _uses(line: str, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """The uses of some names in a line, each with the brackets behind it."""
    found: list[tuple[str, str]] = []
    for match in _WORD.finditer(line):
        if match[0] in names:
            brackets = re.match(r"(?:\[[^\]]*\])*", line[match.end() :])
            found.append((match[0], brackets[0] if brackets else ""))
    return found
