"""An equation with its index domain, and where it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bptt_solver.errors import Excerpt, Span
from bptt_solver.language.expressions import Call, Conditions, Expression, Index, Range, Reference, Sum, preorder


if TYPE_CHECKING:
    from bptt_solver.language.templates import Part, Templates


SHORT = 8  # summands up to which an equation is one template


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

    __slots__ = ("_parts", "conditions", "indices", "name", "origin", "ranges", "right")

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
        self._parts: tuple[Templates, list[Part]] | None = None

    def parts(self, templates: Templates) -> list[Part]:
        """The summands of the right-hand side with their templates.

        A short one is one part. A long sum is taken apart, so that a thousand summands of one form share one template; summands
        that use the same name stay together, since their effects on it add up to one simple partial.
        """
        if self._parts is None or self._parts[0] is not templates:
            self._parts = (templates, self._taken_apart(templates))
        return self._parts[1]

    def _taken_apart(self, templates: Templates) -> list[Part]:
        from bptt_solver.language.templates import Part

        right = self.right
        if isinstance(right, Call) and right.operation == "add" and len(right.arguments) > SHORT:
            parts = [Part(*templates.of(group)) for group in _groups(right.arguments)]
            if len({part.template.rank for part in parts}) == 1:
                return parts
        return [Part(*templates.of(right))]

    def __repr__(self) -> str:
        return f"Equation({self.name}, {self.indices}, {self.ranges}, {self.conditions}, {self.right})"


def _groups(summands: tuple[Expression, ...]) -> list[Expression]:
    """The summands one by one, those that share a name (or hold a sum or a guard) together where the first of them stands."""
    owner: dict[str, int] = {}
    joint: set[int] = set()
    for at, summand in enumerate(summands):
        for node in preorder(summand):
            if type(node) is Reference:
                first = owner.setdefault(node.name, at)
                if first != at or node.indices:
                    joint.update((first, at))
            elif isinstance(node, Sum):
                joint.add(at)
    if len(joint) < 2:
        return list(summands)
    together = Call("add", tuple(s for at, s in enumerate(summands) if at in joint))
    first = min(joint)
    return [together if at == first else s for at, s in enumerate(summands) if at == first or at not in joint]
