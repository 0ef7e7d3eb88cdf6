"""The leaves of `bptt_solver.blocks` in Typst: uses, partials, entries, domains."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.blocks import Belonging, Domain, Dots, Entry, Ordered, Partial, Use
from bptt_solver.language.expressions import Expression, Reference
from bptt_solver.language.notation.typst import COMMA, Typst
from bptt_solver.language.notation.writer import Piece
from bptt_solver.render.base import HIGH, Mark, Renderer, block_of


class Names(Typst):
    """The Typst notation with the leaves of `bptt_solver.blocks`."""

    def __init__(self, renderer: Renderer) -> None:
        super().__init__()
        self._renderer = renderer
        self.style = renderer.style

    def reference(self, node: Reference) -> str:
        if type(node) is Reference:
            return "…" if node.name == "…" else super().reference(node)
        if isinstance(node, Mark):
            return self._renderer.mark(node)
        if isinstance(node, Partial):
            below = self.reference(node.below)
            below = f"({below})" if isinstance(node.below, Use) else below
            return f"frac(∂{self.reference(node.above)}, ∂{below})"
        if isinstance(node, Ordered):
            return f"frac(∂^(+){self.reference(node.above)}, ∂{self.reference(node.below)})"
        if isinstance(node, Use):
            label = node.label
            text = self.reference(label) if label.name else COMMA.join([self.index(i) for i in label.indices])
            text = text if len(label.indices) < 2 or label.name else f"({text})"
            return f"{self.reference(node.of)}\\@{text}"
        if isinstance(node, Belonging):
            base, script, rest = self.reference(node.label or node.of).partition("_(")
            return base + node.primes + script + rest  # a prime behind a subscript would belong to its closing sign
        if isinstance(node, Entry):
            of, at = self.reference(node.of), COMMA.join(map(str, node.at))
            return f"{of[:-1]}[{at}])" if of.startswith("frac(") else f"{of}[{at}]"
        if isinstance(node, Dots):
            return "…"
        if isinstance(node, Domain):
            parts = [self.range(r) for r in node.ranges]
            parts += [self.conditions(node.conditions)] if node.conditions else []
            return f"{COMMA} ".join(parts)
        return super().reference(node)

    def power(self, base: Expression, exponent: Expression) -> Sequence[Piece]:
        """``(h^((t)))^(2)``: a power of a name that has a superscript."""
        high = base.kind == HIGH if isinstance(base, Mark) else False
        if high or (self.style.raised and isinstance(base, Reference) and "^(" in self.reference(base)):
            return ("(", (base, 0, True), ")^(", (exponent, 0, True), ")")
        return super().power(base, exponent)

    def call(self, name: str, arguments: Sequence[Expression]) -> Sequence[Piece]:
        found = block_of(name, arguments)
        if found is None:
            return super().call(name, arguments)
        return [p.replace(",", COMMA) if isinstance(p, str) else p for p in found]
