"""An equation with its index domain, and where it was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bptt_solver.errors import Excerpt, Span
from bptt_solver.language.expressions import Conditions, Expression, Index, Range


if TYPE_CHECKING:
    from bptt_solver.language.templates import Part, Templates


class Origin:
    """The stretch of an excerpt from which an equation was parsed (kept instead of a position for every node)."""

    __slots__ = ("end", "excerpt", "start")

    def __init__(self, excerpt: Excerpt, start: int, end: int) -> None:
        self.excerpt = excerpt
        self.start = start
        self.end = end

    def span(self) -> Span:
        """The whole equation's span."""
        return self.excerpt.span(self.start, self.end)


class Equation:
    """``name[indices] = right for ranges where conditions``.

    ``indices`` are affine in the variables of ``ranges`` (usually one variable or a constant each).
    """

    __slots__ = ("conditions", "indices", "name", "origin", "ranges", "right")

    def __init__(
        self,
        name: str,
        indices: tuple[Index, ...],
        right: Expression,
        ranges: tuple[Range, ...] = (),
        conditions: Conditions = (),
        origin: Origin | None = None,
    ) -> None:
        self.name = name
        self.indices = indices
        self.right = right
        self.ranges = ranges
        self.conditions = conditions
        self.origin = origin

    def parts(self, templates: Templates) -> Iterator[Part]:
        """The summands of the right-hand side with their templates: here the whole of it is one."""
        from bptt_solver.language.templates import Part

        template, leaves = templates.of(self.right)
        yield Part(template, leaves)

    def __repr__(self) -> str:
        return f"Equation({self.name}, {self.indices}, {self.ranges}, {self.conditions}, {self.right})"
