"""Pieces of generated source: a text with its precedence and with the axes of the array that it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.compile.statements import Loop
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Index, Number, Reference

ATOM, POWER, UNARY, PRODUCT, SUM = 5, 4, 3, 2, 1


class Code:
    """``text`` computes an array with ``axes`` (index variables, in the order of the statement) and then ``rank``
    axes of its entries; ``level`` is its precedence in Python. ``transposed`` is the text without a trailing ``.T``;
    ``plain`` says that it is a number of Python's and no array; ``scattered`` that its entries do not lie side by
    side."""

    __slots__ = ("axes", "level", "plain", "rank", "scattered", "text", "transposed")

    def __init__(
        self,
        text: str,
        axes: tuple[str, ...],
        rank: int,
        level: int = ATOM,
        transposed: str = "",
        plain: bool = False,
        scattered: bool = False,
    ) -> None:
        self.text = text
        self.axes = axes
        self.rank = rank
        self.level = level
        self.transposed = transposed
        self.plain = plain
        self.scattered = scattered

    def at(self, level: int) -> str:
        """The text as an operand of an operator of that precedence."""
        return self.text if self.level >= level else f"({self.text})"


class Storage:
    """How a family lies in memory: the first value of each index, and how many there are."""

    __slots__ = ("extents", "kept", "name", "rank", "starts", "text")

    def __init__(self, name: str, text: str, starts: Sequence[int], extents: Sequence[int], rank: int) -> None:
        self.name = name
        self.text = text
        self.starts = starts
        self.extents = extents
        self.rank = rank
        self.kept = False  # whether its array lives as long as the program


class Now:
    """A member of a family, or a part of it, that has a name in this turn of a loop: its indices, its axes with their
    first and last values, and the name."""

    __slots__ = ("axes", "indices", "part", "text")

    def __init__(
        self, indices: tuple[Index, ...], axes: Mapping[str, Loop], text: str, part: tuple[int, int] | None = None
    ) -> None:
        self.indices = indices
        self.part = part
        self.axes = {v: (loop.first, loop.last) for v, loop in axes.items()}
        self.text = text

    def is_read(self, indices: tuple[Index, ...], loops: Mapping[str, Loop], part: tuple[int, int] | None) -> bool:
        """Whether a reference with these indices means it."""
        ends = {v: (loops[v].first, loops[v].last) for v in self.axes if v in loops}
        return indices == self.indices and ends == self.axes and self.part in (None, part)


class Told:
    """What the comments of a program say beside the equations of its statements: ``packed``, the equations of what was
    put together, by name; ``inside``, those that are written into a statement, by name and part; ``parts``, what a part
    of a whole is called."""

    __slots__ = ("inside", "packed", "parts")

    def __init__(
        self,
        packed: Mapping[str, Sequence[Equation]],
        inside: Mapping[tuple[str, tuple[int, int] | None], Sequence[Equation]],
        parts: Mapping[tuple[str, int, int], str],
    ) -> None:
        self.packed = packed
        self.inside = inside
        self.parts = parts

    def original(self, node: Expression) -> Expression:
        """A part of a whole under its own name."""
        if not isinstance(node, Call) or node.operation != "rows_of":
            return node
        whole, *ends = node.arguments
        first, after = (int(e.value) for e in ends if isinstance(e, Number))
        name = self.parts.get((whole.name, first, after)) if isinstance(whole, Reference) else None
        return node if name is None or not isinstance(whole, Reference) else Reference(name, whole.indices)


class Local:
    """A family that lives in one turn of a loop, as a variable of that turn."""

    __slots__ = ("axes", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.axes: tuple[str, ...] = ()
