"""What a derivation looks like before it has a format: a closed set of blocks, with formulas as trees and numbers
beside them.

Words are plain text (a renderer escapes them), mathematics is a `Formula`: a tree and what stands in its slots. Every
renderer has one method for each class in `BLOCKS` and raises for anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bptt_solver.language.expressions import Conditions, Expression, Range, Reference


class Value:
    """A number, vector or matrix with the significant digits that may be shown."""

    __slots__ = ("digits", "value")

    def __init__(self, value: Any, digits: int = 6) -> None:
        self.value = value
        self.digits = digits


class Use(Reference):
    """One use of a shared quantity under a name of its own: ``w@2``, ``U@z_p1``."""

    __slots__ = ("label", "of")

    def __init__(self, of: Reference, label: Reference) -> None:
        super().__init__("@", ())
        self.of = of
        self.label = label

    def _parts(self) -> tuple[object, ...]:
        return self.of, self.label


class Argument(Reference):
    """What a function calls its argument: a name that belongs to no family."""

    __slots__ = ()


class Partial(Reference):
    """A simple partial as a name: ``∂z4/∂z3``, ``∂a_t/∂(w@t)``."""

    __slots__ = ("above", "below")

    def __init__(self, above: Reference, below: Reference) -> None:
        super().__init__("∂", ())
        self.above = above
        self.below = below

    def _parts(self) -> tuple[object, ...]:
        return self.above, self.below


class Ordered(Reference):
    """An ordered derivative as a name, of any node by any other: ``∂⁺h_t/∂u``, ``∂⁺h_2/∂W[1,2]``. ``name`` is its
    family's in the system of sensitivities (`bptt_solver.sensitivity`)."""

    __slots__ = ("above", "below")

    def __init__(self, name: str, above: Reference, below: Reference) -> None:
        super().__init__(name, ())
        self.above = above
        self.below = below

    def _parts(self) -> tuple[object, ...]:
        return self.above, self.below


class Belonging(Reference):
    """What belongs to a parameter in a step of training and has its shape: its new value ``W'`` (no label), or what a
    rule remembers for it, ``m'``."""

    __slots__ = ("label", "of", "primes")

    def __init__(self, label: Reference | None, of: Reference, primes: str = "") -> None:
        super().__init__("'", ())
        self.label = label
        self.of = of
        self.primes = primes

    def _parts(self) -> tuple[object, ...]:
        return self.label, self.of, self.primes


class Entry(Reference):
    """One entry of a vector or matrix, counted from 1: ``h_2[1]``. Without numbers, letters: ``W[i,j]``."""

    __slots__ = ("at", "of")

    def __init__(self, of: Reference, at: tuple[int | str, ...]) -> None:
        super().__init__("[]", ())
        self.of = of
        self.at = at

    def _parts(self) -> tuple[object, ...]:
        return self.of, self.at


class Domain(Reference):
    """Where an equation holds: ``t = 1..T−1, k ≠ t``."""

    __slots__ = ("conditions", "ranges")

    def __init__(self, ranges: tuple[Range, ...], conditions: Conditions = ()) -> None:
        super().__init__("for", ())
        self.ranges = ranges
        self.conditions = conditions

    def _parts(self) -> tuple[object, ...]:
        return self.ranges, self.conditions


class Dots(Reference):
    """What is left out of a long sum."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("…", ())


Leaf = Expression | Value


class Formula:
    """A tree in slots and what stands in them: names, or values. A tree without slots has no ``leaves``.

    ``ranks`` are those of the slots, or of names (0: a number, 1: a vector, 2: a matrix), None if all are numbers.
    Many formulas share one tree, so that a renderer can keep the text around the slots.
    """

    __slots__ = ("expression", "leaves", "ranks")

    def __init__(
        self,
        expression: Expression,
        leaves: Sequence[Leaf] = (),
        ranks: Sequence[int] | Mapping[str, int] | None = None,
    ) -> None:
        self.expression = expression
        self.leaves = leaves
        self.ranks = ranks


Item = Formula | Reference | Value  # what stands between two equals signs
Words = tuple[str | Formula | Reference | Value, ...]  # a sentence with formulas in it; strings are plain text


class Line:
    """``lead  a = b = c  remark``: one line of a derivation, with the reason for it in front."""

    __slots__ = ("chain", "lead", "remark")

    def __init__(self, chain: Sequence[Item], lead: Words = (), remark: Words = ()) -> None:
        self.chain = chain
        self.lead = lead
        self.remark = remark


class Heading:
    """The title (level 0) or a section's name with its number and a remark."""

    __slots__ = ("level", "number", "remark", "words")

    def __init__(self, words: Words, level: int = 1, number: str = "", remark: Words = ()) -> None:
        self.words = words
        self.level = level
        self.number = number
        self.remark = remark


class Paragraph:
    """A sentence or two. ``lead`` marks the group it belongs to (``t=3``), ``depth`` how far it is set in."""

    __slots__ = ("depth", "lead", "words")

    def __init__(self, words: Words, lead: Words = (), depth: int = 0) -> None:
        self.words = words
        self.lead = lead
        self.depth = depth


class Formulas:
    """Lines one below the other, their equals signs aligned where leads are. ``lead`` marks the group (``t=3``)."""

    __slots__ = ("depth", "lead", "lines")

    def __init__(self, lines: Sequence[Line], lead: Words = (), depth: int = 0) -> None:
        self.lines = lines
        self.lead = lead
        self.depth = depth


class Flow:
    """Short formulas side by side, as many as fit on a line."""

    __slots__ = ("depth", "items", "lead")

    def __init__(self, items: Sequence[Line], lead: Words = (), depth: int = 0) -> None:
        self.items = items
        self.lead = lead
        self.depth = depth


class Table:
    """Rows of cells under a header; a cell is words. The first column is text, the others are numbers."""

    __slots__ = ("caption", "header", "rows")

    def __init__(self, header: Sequence[Words], rows: Sequence[Sequence[Words]], caption: Words = ()) -> None:
        self.header = header
        self.rows = rows
        self.caption = caption


class Note:
    """Something worth knowing that the argument does not need."""

    __slots__ = ("words",)

    def __init__(self, words: Words) -> None:
        self.words = words


class Alert:
    """Something that must not be overlooked: a derivative that is not verified, a kink."""

    __slots__ = ("words",)

    def __init__(self, words: Words) -> None:
        self.words = words


Block = Heading | Paragraph | Formulas | Flow | Table | Note | Alert
BLOCKS: tuple[type, ...] = (Heading, Paragraph, Formulas, Flow, Table, Note, Alert)
