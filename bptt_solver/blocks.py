"""What a derivation looks like before it has a format: a closed set of blocks, with formulas as trees and numbers
beside them.

Words are plain text (a renderer escapes them), mathematics is a `Formula`: a tree and what stands in its slots. Every
renderer has one method for each class in `BLOCKS` and raises for anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bptt_solver.language.expressions import Conditions, Expression, Range, Reference


class Cell:
    """Which number of a computation is shown: its ``kind`` (``v`` the value of an instance, ``d`` an ordered
    derivative, ``t`` a term of one, ``p`` a simple partial; ``c`` a constant of an equation, which never changes), the
    ``number`` of the instance, or the place of a term or partial in `Computation.made`, and the entry ``at`` which it
    stands (counted from 0; an array as a whole: none). ``opposite``: with the other sign, ``turned``: transposed.
    """

    __slots__ = ("at", "kind", "number", "opposite", "turned")

    def __init__(
        self, kind: str, number: int = 0, at: Sequence[int] = (), opposite: bool = False, turned: bool = False
    ) -> None:
        self.kind = kind
        self.number = number
        self.at = at
        self.opposite = opposite
        self.turned = turned

    def key(self, at: Sequence[int] = ()) -> str:
        """A short text for it, ``d7:0,1``; ``at`` is an entry of the array."""
        entry = (*self.at, *(reversed(at) if self.turned else at))
        sign = "-" if self.opposite else ""
        return f"{sign}{self.kind}{self.number}" + (":" + ",".join(map(str, entry)) if entry else "")

    def negated(self) -> Cell:
        """The same with the other sign."""
        return self if self is FIXED else Cell(self.kind, self.number, self.at, not self.opposite, self.turned)

    def transposed(self) -> Cell:
        """The same with rows for columns."""
        return self if self is FIXED else Cell(self.kind, self.number, self.at, self.opposite, not self.turned)


class Several(Cell):
    """Numbers of several instances, side by side: ``x = (0.5, −0.3)``."""

    __slots__ = ("cells",)

    def __init__(self, cells: Sequence[Cell]) -> None:
        super().__init__("s")
        self.cells = cells

    def key(self, at: Sequence[int] = ()) -> str:
        """The text for the cell ``at`` which it stands."""
        return self.cells[at[0]].key(at[1:]) if at else ""


FIXED = Cell("c")


class Value:
    """A number, vector or matrix with the significant digits that may be shown, and which number ``of`` a computation
    it is, if that is known."""

    __slots__ = ("digits", "of", "value")

    def __init__(self, value: Any, digits: int = 6, of: Cell | None = None) -> None:
        self.value = value
        self.digits = digits
        self.of = of


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


class Way:
    """How a term reaches the target: through an ``instance`` (``a[3]``; "": directly), and how that is written."""

    __slots__ = ("instance", "name")

    def __init__(self, instance: str = "", name: Words = ()) -> None:
        self.instance = instance
        self.name = name


class Step:
    """What a line is about: the ``instance`` (``h[2]``) that is reached in a ``part`` of the derivation (``forward``,
    ``backward``, ``gather``, or ``entry``: an entry of the line before), and the way of each term of its sums.
    """

    __slots__ = ("instance", "part", "ways")

    def __init__(self, instance: str, part: str, ways: Sequence[Way] = ()) -> None:
        self.instance = instance
        self.part = part
        self.ways = tuple(ways)


class Line:
    """``lead  a = b = c  remark``: one line of a derivation, with the reason for it in front, and the ``step`` that it
    is, if it is one."""

    __slots__ = ("chain", "lead", "remark", "step")

    def __init__(self, chain: Sequence[Item], lead: Words = (), remark: Words = (), step: Step | None = None) -> None:
        self.chain = chain
        self.lead = lead
        self.remark = remark
        self.step = step


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


class Curve:
    """Numbers that a format with pictures draws as a curve: those of the steps from ``first`` on."""

    __slots__ = ("first", "numbers")

    def __init__(self, first: int, numbers: Sequence[float]) -> None:
        self.first = first
        self.numbers = numbers


class Table:
    """Rows of cells under a header; a cell is words. The first column is text, the others are numbers. ``shade``: what
    a format with colours shows by them, the ``size`` and sign of the numbers, or ``growth``: how far from 1 they are;
    ``curve``: what it draws beside the table.
    """

    __slots__ = ("caption", "curve", "header", "rows", "shade")

    def __init__(
        self,
        header: Sequence[Words],
        rows: Sequence[Sequence[Words]],
        caption: Words = (),
        shade: str = "",
        curve: Curve | None = None,
    ) -> None:
        self.header = header
        self.rows = rows
        self.caption = caption
        self.shade = shade
        self.curve = curve


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
