"""An equation with its index domain, and where it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from bptt_solver.errors import Excerpt, Span
from bptt_solver.language.expressions import Call, Conditions, Expression, Index, Range, Reference, Sum, preorder
from bptt_solver.language.tokens import NAME, OPENED, scan

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

    def span_of(self, word: str) -> Span:
        """Where a name first stands in the equation; the whole equation if it does not."""
        for kind, text, at in scan(self.excerpt.text, self.start, self.end):
            if kind in (NAME, OPENED) and (text == word or normalize("NFC", text.replace("′", "'")) == word):
                return self.excerpt.span(at, at + len(text))
        return self.span()


class Equation:
    """``name[indices] = right for ranges where conditions``.

    ``indices`` are affine in the variables of ``ranges`` (usually one variable or a constant each).
    """

    __slots__ = ("_parts", "box", "conditions", "indices", "name", "origin", "ranges", "right")

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
        self.box: tuple[object, Any] | None = None  # kept by `bptt_solver.boxes`

    def parts(self, templates: Templates) -> list[Part]:
        """The summands of the right-hand side with their templates.

        A short one is one part. A long sum is taken apart, so that a thousand summands of one form share one
        template; summands
        that use the same name stay together, since their effects on it add up to one simple partial.
        """
        if self._parts is None or self._parts[0] is not templates:
            self._parts = (templates, self._taken_apart(templates))
        return self._parts[1]

    def _taken_apart(self, templates: Templates) -> list[Part]:
        from bptt_solver.language.templates import Part

        right = self.right
        if isinstance(right, Call) and right.operation == "add" and len(right.arguments) > SHORT:
            found = [templates.of(summand) for summand in right.arguments]
            joint = _joint([leaves for _, leaves in found])
            if joint:
                together = Call("add", tuple(s for at, s in enumerate(right.arguments) if at in joint))
                first = min(joint)
                found = [
                    templates.of(together) if at == first else f
                    for at, f in enumerate(found)
                    if at == first or at not in joint
                ]
            if len({template.rank for template, _ in found}) == 1:
                return [Part(template, leaves) for template, leaves in found]
        return [Part(*templates.of(right))]

    def __repr__(self) -> str:
        return f"Equation({self.name}, {self.indices}, {self.ranges}, {self.conditions}, {self.right})"


def _joint(leaves: list[tuple[Expression, ...]]) -> set[int]:
    """Which summands, by their leaves, have to stay together: those that share a name or hold an index or a sum
    (none or several)."""
    owner: dict[str, int] = {}
    joint: set[int] = set()
    for at, held in enumerate(leaves):
        for leaf in held:
            if type(leaf) is Reference:
                first = owner.setdefault(leaf.name, at)
                if first != at or leaf.indices:
                    joint.update((first, at))
            elif isinstance(leaf, Sum):
                joint.add(at)
                for node in preorder(leaf.body):
                    if type(node) is Reference:
                        joint.update((owner.setdefault(node.name, at), at))
    return joint if len(joint) > 1 else set()
