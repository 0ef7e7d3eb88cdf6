"""The leaves of `bptt_solver.blocks` in MathML: uses, partials, entries, domains."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.blocks import Belonging, Domain, Dots, Entry, Ordered, Partial, Use
from bptt_solver.language.expressions import Expression, Number, Reference
from bptt_solver.language.notation.mathml import DERIVATIVE, ROUND, MathML, escaped, row
from bptt_solver.language.notation.writer import ATOM, Piece
from bptt_solver.render.base import Mark, Renderer, block_of


class Names(MathML):
    """The MathML notation with the leaves of `bptt_solver.blocks`."""

    def __init__(self, renderer: Renderer) -> None:
        super().__init__()
        self._renderer = renderer
        self.style = renderer.style

    def reference(self, node: Reference) -> str:
        if type(node) is Reference:
            return "<mo>…</mo>" if node.name == "…" else super().reference(node)
        if isinstance(node, Mark):
            return self._renderer.mark(node)
        if isinstance(node, Partial):
            below = self.reference(node.below)
            below = ROUND[0] + below + ROUND[1] if isinstance(node.below, Use) else below
            return f"<mfrac><mrow><mi>∂</mi>{self.reference(node.above)}</mrow><mrow><mi>∂</mi>{below}</mrow></mfrac>"
        if isinstance(node, Ordered):
            above, below = self.reference(node.above), self.reference(node.below)
            return f"{DERIVATIVE}{above}</mrow><mrow><mi>∂</mi>{below}</mrow></mfrac>"
        return self._part(node)

    def _part(self, node: Reference) -> str:
        if isinstance(node, Use):
            label = node.label
            text = self.reference(label) if label.name else "<mo>,</mo>".join([self.index(i) for i in label.indices])
            if not label.name and len(label.indices) > 1:
                text = f'<mo stretchy="false">(</mo>{text}<mo stretchy="false">)</mo>'
            return row(f'{self.reference(node.of)}<mo lspace="0" rspace="0">@</mo>{text}')
        if isinstance(node, Belonging):
            text = self.reference(node.label or node.of)
            return f"<msup>{row(text)}<mo>{'′' * len(node.primes)}</mo></msup>" if node.primes else text
        if isinstance(node, Entry):
            of = self.reference(node.of)
            at = "<mo>,</mo>".join(
                [f"<mn>{a}</mn>" if isinstance(a, int) else f"<mi>{escaped(a)}</mi>" for a in node.at]
            )
            at = f'<mo stretchy="false" lspace="0">[</mo>{at}<mo stretchy="false">]</mo>'
            last = "</mrow></mfrac>"
            return of.removesuffix(last) + at + last if of.startswith(DERIVATIVE) else row(of + at)
        if isinstance(node, Dots):
            return "<mo>…</mo>"
        if isinstance(node, Domain):
            parts = [self.range(r) for r in node.ranges]
            parts += [self.conditions(node.conditions)] if node.conditions else []
            return '<mo rspace=".5em">,</mo>'.join(parts)
        return super().reference(node)

    def call(self, name: str, arguments: Sequence[Expression]) -> Sequence[Piece]:
        if block_of(name, arguments) is None:
            return super().call(name, arguments)
        which = arguments[1]
        assert isinstance(which, Number)
        part: Piece = (arguments[1 + int(which.value)], 0, True)
        colon, comma = "<mo>:</mo>", "<mo>,</mo>"
        inside: Sequence[Piece] = (colon, comma, part) if name == "columns" else (part, comma, colon)
        return ((arguments[0], ATOM, False), '<mo stretchy="false">[</mo>', *inside, '<mo stretchy="false">]</mo>')
