"""A derivation in words: the sentences of the catalogue around the formulas of the steps, as blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bptt_solver.blocks import Block, Flow, Formulas, Heading, Line, Paragraph, Partial, Words
from bptt_solver.derivation import Chain, Cut, Derivation, SweepStep
from bptt_solver.language.expressions import Call, Reference, derivative_name
from bptt_solver.words import Catalogue

if TYPE_CHECKING:
    from bptt_solver.blocks import Item


def narrate(derivation: Derivation, lang: str = "en") -> list[Block]:
    """The document of a derivation. Raises ValueError for a language that has no catalogue."""
    return _Narrator(derivation, Catalogue(lang)).blocks()


class _Narrator:
    def __init__(self, derivation: Derivation, say: Catalogue) -> None:
        self.derivation = derivation
        self.say = say
        self.target = derivation.computation.target

    def blocks(self) -> list[Block]:
        """All sections."""
        blocks: list[Block] = [self._title()]
        for number, section in enumerate((self._given, self._order, self._forward, self._partials, self._sweep, self._gather, self._check), 1):
            body = section()
            if body:
                blocks += [self._heading(number), *body]
        return blocks

    def _title(self) -> Heading:
        say, derivation = self.say, self.derivation
        remarks: list[str] = []
        if derivation.rounded:
            remarks += say("title.rounded", digits=str(derivation.digits))  # type: ignore[arg-type]
        if derivation.arrays:
            remarks.append(say.text("title.columns"))
        words: Words = (derivation.title,) if derivation.title else say("title", target=self.target)
        return Heading(words, level=0, remark=("".join(remarks),) if remarks else ())

    def _heading(self, number: int) -> Heading:
        key = f"section.{number}.plain"
        remark = self.say(key, target=self.target) if self.say.has(key) else ()
        return Heading((self.say.text(f"section.{number}"),), number=str(number), remark=remark)

    # -- sections

    def _given(self) -> list[Block]:
        say, derivation = self.say, self.derivation
        items = [self._line(c) for c in (*derivation.equations, *derivation.values)]
        blocks: list[Block] = [Flow(items)]
        wanted = [self._cut(c) if isinstance(c, Cut) else Reference(derivative_name(derivation.computation.target_text, c.name), c.indices)
                  for c in derivation.wanted]  # fmt: skip
        if wanted:
            words = say("given.wanted", names=say.listed(wanted, "list.comma", len(wanted)))  # type: ignore[arg-type]
            blocks.append(Paragraph((*words, " ", *say("given.meaning", name=Reference("z_i"), target=self.target))))
        return blocks

    def _order(self) -> list[Block]:
        words: list[object] = []
        for at, item in enumerate(self.derivation.order):
            if at:
                words.append(self.say.text("order.arrow"))
            words += self._cut(item) if isinstance(item, Cut) else (item,)
        return [Paragraph((*words, ". ", self.say.text("order.left")))]  # type: ignore[arg-type]

    def _forward(self) -> list[Block]:
        return [Flow([self._line(c) for c in group.lines]) for group in self.derivation.forward]

    def _partials(self) -> list[Block]:
        blocks: list[Block] = []
        for row in self.derivation.partials:
            blocks.append(Paragraph(self._cut(row)) if isinstance(row, Cut) else Flow([self._line(c) for c in row]))
        return blocks

    def _sweep(self) -> list[Block]:
        say = self.say
        blocks: list[Block] = []
        derivation = self.derivation
        node, user = Reference("z_i"), Reference("z_j")
        text = derivation.computation.target_text
        ordered = (Reference(derivative_name(text, "z_i")), Reference(derivative_name(text, "z_j")))
        rule = say("sweep.rule", left=ordered[0], direct=Partial(self.target, node), user=user, node=node,
                   product=(ordered[1], " · ", Partial(user, node)))  # fmt: skip
        blocks.append(Paragraph(rule))
        for group in derivation.sweep:
            lines: list[Line] = []
            number = 0
            for step in group.lines:
                if isinstance(step, Cut):
                    number += step.count
                    lines.append(Line((), self._cut(step)))
                    continue
                number += 1
                lines.append(Line(step.chain.items, (*say("sweep.number", number=str(number)), *self._reason(step))))
            blocks.append(Formulas(lines))
        return blocks

    def _reason(self, step: SweepStep) -> Words:
        key = "sweep.used_only_by" if step.only else "sweep.used_by"
        return self.say(key, node=step.node, users=self.say.listed([u.name for u in step.users]))

    def _gather(self) -> list[Block]:
        return [Paragraph((self.say.text("gather.nothing"),))]

    def _check(self) -> list[Block]:
        return []

    # -- small things

    def _line(self, chain: Chain | Cut) -> Line:
        return Line((), self._cut(chain)) if isinstance(chain, Cut) else Line(chain.items)

    def _cut(self, cut: Cut) -> Words:
        return self.say("cut", count=f"{cut.count:,}")


__all__ = ["Call", "Item", "Sequence", "narrate"]
