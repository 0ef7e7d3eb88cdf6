"""Section 7 in words: the independent numbers, and what the check of all derivatives found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bptt_solver.blocks import Alert, Block, Entry, Formula, Paragraph, Value, Words
from bptt_solver.catalogues import in_language
from bptt_solver.derivation import Derivation
from bptt_solver.language.expressions import Call, Index, Number, Reference, derivative_name
from bptt_solver.narration.catalogue import Catalogue
from bptt_solver.narration.common import Narration
from bptt_solver.steps.evidence import Effects, ForwardMode, Memory, Perturbation, ZeroColumns

MOST = 5  # failures, kinks and slopes that are listed
STEP = Formula(Call("power", (Number(10), Call("neg", (Number(5),)))))


def check_blocks(derivation: Derivation, say: Catalogue) -> list[Block]:
    """The section's blocks."""
    return [*_Evidence(derivation, say).blocks(), *_Report(derivation, say).blocks()]


class _Evidence(Narration):
    def blocks(self) -> list[Block]:
        blocks: list[Block] = []
        for item in self.derivation.evidence:
            if isinstance(item, Perturbation):
                blocks.append(Paragraph(self._perturbation(item)))
            elif isinstance(item, Effects):
                blocks.append(Paragraph(self._effects(item)))
            elif isinstance(item, ForwardMode):
                blocks.append(Paragraph(self._forward_mode(item)))
            elif isinstance(item, Memory):
                blocks.append(Paragraph(self._memory(item)))
            elif isinstance(item, ZeroColumns):
                blocks.append(Paragraph(self.say("check.columns", name=item.name, signal=item.signal)))
        return blocks

    def _perturbation(self, item: Perturbation) -> Words:
        say = self.say
        if item.central:
            if item.entry and isinstance(item.name, Entry):
                at = f"({','.join(map(str, item.entry))})" if len(item.entry) > 1 else str(item.entry[0])
                words = say("check.entry", entry=at, name=item.name.of, h=STEP, value=item.quotient)
            else:
                words = say("check.central", target=self.target, name=item.name, h=STEP, value=item.quotient)
        else:
            assert item.changed is not None and item.plus is not None and item.change is not None
            later = say.listed(list(item.later), "list.comma", len(item.later))
            key = "check.set" if self._is_given(item.name) else "check.add"
            numbers = {"changed": item.changed, "plus": item.plus, "change": item.change, "value": item.quotient}
            words = say(key, name=item.name, h=item.h, later=later, target=self.target, **numbers)
        if item.step and item.agrees:
            words = (*words, say.gap, *say("check.agrees", line=f"5.{item.step}"))
        return words

    def _is_given(self, name: Reference) -> bool:
        unfolded = self.derivation.computation.problem.unfolded
        return unfolded.grounds[unfolded.number[name.name, tuple(i.constant for i in name.indices)]] is None

    def _effects(self, item: Effects) -> Words:
        say = self.say
        node = item.name.below  # type: ignore[attr-defined]
        if not item.through:
            words = say("check.effects.direct", node=node, target=self.target)
        elif item.direct.value == 0:
            words = say("check.effects.indirect", partial=item.name, node=node, target=self.target)
        else:
            words = say(
                "check.effects.both",
                partial=item.name,
                direct=item.direct,
                rest=item.rest,
                through=say.listed(list(item.through)),
            )
        key = "check.runs.two" if item.nodes == 2 else "check.runs"
        return (*words, say.gap, *say(key, count=say.count(item.nodes))) if item.nodes > 1 else words

    def _forward_mode(self, item: ForwardMode) -> Words:
        states = [(name, " = ", value) for name, value in item.states]
        total = (item.total[0], " = ", item.total[1])
        return self.say(
            "check.forward_mode", name=item.name, states=self.say.listed(states, "list.comma", len(states)), total=total
        )

    def _memory(self, item: Memory) -> Words:
        from bptt_solver.language.templates import slot

        tree = Call("mul", tuple(slot(k) for k in range(len(item.factors))))
        product = Formula(tree, item.factors)
        return self.say("check.memory", name=item.name, product=product, total=item.total, first=item.first,
                        count=self.say.count(len(item.factors)))  # fmt: skip


class _Report:
    """What `bptt_solver.verify` found."""

    def __init__(self, derivation: Derivation, say: Catalogue) -> None:
        self.derivation = derivation
        self.say = say
        self.check = derivation.check

    def blocks(self) -> list[Block]:
        check, say = self.check, self.say
        if check is None:
            return []
        if check.status == "none":
            return [Paragraph(say("check.none"))]
        blocks: list[Block] = [Paragraph(self._summary())] if check.passed else []
        for failure in check.failures[:MOST]:
            numbers = {"ours": self._value(failure.ours, 17), "theirs": self._value(failure.theirs, 17)}
            method = self._method(failure.method)
            blocks.append(Alert(say("check.failed", name=self._name(failure), method=method, **numbers)))
        more = len(check.failures[MOST:]) + check.more_failures
        if more:
            blocks.append(Alert(say("check.failed.more", count=f"{more:,}")))
        for limited in check.limited[:MOST]:
            blocks.append(Paragraph(say("check.limited", name=self._name(limited), digits=str(limited.digits))))
        blocks += self._kinks()
        blocks += [
            Paragraph(say("check.note", note=capitalised(in_language(note, say.language))))
            for note in check.notes[:MOST]
        ]
        return blocks

    def _summary(self) -> Words:
        check, say = self.check, self.say
        methods = say.listed([self._method(m) for m in check.methods], most=len(check.methods))
        counts = {"checked": f"{check.checked:,}", "total": f"{check.total:,}"}
        if check.status == "exact" or not check.worst_relative:
            return say("check.exact", methods=methods, **counts)
        worst = _scientific(check.worst_relative)
        name = self._named(check.worst_name)
        return say("check.verified", worst=worst, methods=methods, name=name, **counts)

    def _kinks(self) -> list[Block]:
        check, say = self.check, self.say
        blocks: list[Block] = []
        for kink in check.kinks[:MOST]:
            partials = say.listed(
                [(f"∂/∂{argument} = ", self._value(value)) for argument, value in kink.partials], "list.comma"
            )
            arguments = say.listed([self._value(a) for a in kink.arguments], "list.comma")
            blocks.append(
                Alert(
                    say(
                        "check.kink",
                        name=self._node(kink),
                        operation=kink.operation,
                        arguments=arguments,
                        partials=partials,
                    )
                )
            )
        if len(check.kinks) > MOST:
            blocks.append(Alert(say("check.kink.more", count=f"{len(check.kinks) - MOST:,}")))
        for slopes in [s for s in check.slopes if not s.agrees][:MOST]:
            key = "check.slopes.same" if slopes.smooth else "check.slopes"
            blocks.append(
                Paragraph(
                    say(
                        key,
                        name=self._name(slopes),
                        left=self._value(slopes.left),
                        right=self._value(slopes.right),
                        value=self._value(slopes.value),
                    )
                )
            )
        return blocks

    def _method(self, method: str) -> str:
        """A route's name in this language."""
        key = f"check.method.{method.replace(' ', '_')}"
        return self.say.text(key) if self.say.has(key) else in_language(method, self.say.language)

    # -- names and numbers

    def _name(self, item: Any) -> Words:
        """The ordered derivative that an item of the report is about."""
        text = self.derivation.computation.target_text
        name: Reference = Reference(derivative_name(text, item.instance[0]), tuple(Index(i) for i in item.instance[1]))
        return self._with_entry(name, item.entry)

    def _node(self, item: Any) -> Words:
        name = Reference(item.instance[0], tuple(Index(i) for i in item.instance[1]))
        return self._with_entry(name, item.entry)

    def _with_entry(self, name: Reference, entry: Sequence[int]) -> Words:
        return (name, *self.say("check.at", entry=",".join(map(str, entry)))) if entry else (name,)

    def _named(self, text: str) -> Words:
        """A name that the report gives as text."""
        front, comma, entry = text.partition(", entry (")
        for key in self.derivation.computation.instances():
            name = derivative_name(self.derivation.computation.target_text, key[0])
            shown = f"{name}[{','.join(map(str, key[1]))}]" if key[1] else name
            if front in (shown, shown.partition("/∂")[2]):
                found = Reference(name, tuple(Index(i) for i in key[1]))
                return (found, *self.say("check.at", entry=entry.rstrip(")"))) if comma else (found,)
        return (text,)

    def _value(self, value: Any, digits: int = 6) -> Value:
        return Value(value, digits)


def capitalised(text: str) -> str:
    """A note as the beginning of a sentence, without the full stop that it may have."""
    return text[:1].upper() + text[1:].rstrip(".。")


def _scientific(value: float) -> str:
    """``3e-13``: one digit."""
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    return f"{mantissa}e{int(exponent)}"
