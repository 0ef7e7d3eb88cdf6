"""Sections 5 and 6 in words: the sweep with its reasons, the sums over the uses of shared weights."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.blocks import Block, Flow, Formula, Formulas, Item, Line, Note, Paragraph, Partial, Step, Table, Words
from bptt_solver.derivation import Chain, Cut, Group, LossTable, Recurrence, SweepStep, User
from bptt_solver.language.expressions import Call, Reference, derivative_name, preorder
from bptt_solver.narration.catalogue import Field
from bptt_solver.narration.common import Narration, shape_text, step_of


class SweepWords(Narration):
    """The two sections."""

    def sweep(self) -> list[Block]:
        """Section 5: the rule or the folded equations, then the lines with their reasons."""
        derivation = self.derivation
        if derivation.plain:
            return self._plain_sweep()
        blocks: list[Block] = []
        if derivation.recurrences:
            key = "sweep.recurrences" if derivation.recurrent else "sweep.recurrences.indices"
            blocks += [
                Paragraph(self.say(key)),
                Formulas([self._recurrence(r) for r in derivation.recurrences], depth=0),
            ]
            if any(_calls(item, "block") for r in derivation.recurrences for item in r.chain.items):
                blocks.append(Paragraph(self.say("sweep.block")))
        elif not derivation.sweep and not derivation.backward_tables:
            blocks.append(Paragraph(self.say("sweep.nothing", target=self.target)))
        elif derivation.detail != "summary":
            blocks.append(Paragraph(self.say("sweep.rule.arrays" if derivation.arrays else "sweep.rule.numbers")))
        if derivation.results:
            blocks.append(Flow([self.line(c) for c in derivation.results]))
        blocks += [self.numbers(t) for t in derivation.backward_tables]
        for group in derivation.sweep:
            blocks += self._group(group)
        return blocks

    def _plain_sweep(self) -> list[Block]:
        say = self.say
        text = self.derivation.computation.target_text
        node, user = Reference("z_i"), Reference("z_j")
        ordered = (Reference(derivative_name(text, "z_i")), Reference(derivative_name(text, "z_j")))
        rule = say("sweep.rule", left=ordered[0], direct=Partial(self.target, node), user=user, node=node,
                   product=(ordered[1], " · ", Partial(user, node)))  # fmt: skip
        lines: list[Line] = []
        number = 0
        for step in [s for g in self.derivation.sweep for s in g.lines]:
            if isinstance(step, Cut):
                number += step.count
                lines.append(Line((), self.cut(step)))
                continue
            number += 1
            key = "sweep.used_only_by" if step.only else _used_by(step.users)
            users = say.listed([u.name for u in step.users])
            lines.append(
                Line(
                    step.chain.items,
                    (*say("sweep.number", number=str(number)), *say(key, node=step.node, users=users)),
                    step=step_of(step.chain.items, step.node, "backward"),
                )
            )
        if self.derivation.results:
            return [Paragraph(rule), Flow([self.line(c) for c in self.derivation.results])]
        return [Paragraph(rule), Formulas(lines)]

    def _recurrence(self, recurrence: Recurrence) -> Line:
        say = self.say
        key = "sweep.used_only_by" if len(recurrence.users) == 1 else _used_by(recurrence.users)
        users = say.listed(list(recurrence.users))
        reason = (
            say(key, node=recurrence.node, users=users)
            if not recurrence.matched
            else say("sweep.matched", reason=say.clause(recurrence.matched))
        )
        where = say("sweep.domain", domain=recurrence.domain) if recurrence.domain is not None else ()
        return Line(recurrence.chain.items, remark=(*where, *reason))

    def _group(self, group: Group) -> list[Block]:
        """The lines of one time step, each with its reason in front if that is new."""
        blocks: list[Block] = []
        lead = self.lead(group)
        depth = int(any(g.variable for g in self.derivation.sweep))
        lines: list[Line] = []
        for step in group.lines:
            if isinstance(step, Cut):
                lines.append(Line((), self.cut(step)))
                continue
            reason = self._reason(step)
            if reason:
                if lines:
                    blocks.append(Formulas(lines, lead, depth))
                    lead, lines = (), []
                blocks.append(Paragraph(reason, lead, depth))
                lead = ()
            about = step_of(step.chain.items, step.node, "backward")
            lines.append(Line(step.chain.items, remark=self._shape(step.chain), step=about))
            lines += [Line(c.items, step=Step(about.instance, "entry")) for c in step.entries]
        return [*blocks, Formulas(lines, lead, depth)]

    def _reason(self, step: SweepStep) -> Words:
        """``h_2 is used by y_2 (same time) and by a_3 (next time): two contributions.`` Nothing where it was said
        before.
        """
        say = self.say
        if not step.branching or (not step.new and len(step.users) == 1):
            return ()
        if len(step.users) == 1:
            if step.only:
                return say(
                    "sweep.only",
                    node=step.node,
                    user=step.users[0].name,
                    missing=say.listed(list(step.missing), "list.or"),
                )
            return say("sweep.used_by", node=step.node, users=(step.users[0].name,))
        if not step.new:
            return say(_used_by(step.users), node=step.node, users=self._by([u.name for u in step.users]))
        return say(
            "sweep.contributions", node=step.node, users=self._users(step.users), count=say.count(len(step.users))
        )

    def _users(self, users: Sequence[User]) -> Words:
        """``y_2 (same time) and by a_3 (next time)``: users of the same time together."""
        say = self.say
        if not self.derivation.recurrent or any(u.shift is None for u in users):
            return self._by([u.name for u in users])
        shifts = list(dict.fromkeys(u.shift for u in users))
        parts: list[Words] = []
        for shift in shifts:
            assert shift is not None
            key = {0: "same", 1: "next", -1: "previous"}.get(shift, "later" if shift > 0 else "earlier")
            names = say.listed([u.name for u in users if u.shift == shift], "list.and.several", most=12)
            parts.append((*names, *say(f"time.{key}", count=say.count(abs(shift)))))
        return self._by(parts)

    def _by(self, users: Sequence[Field]) -> Words:
        """``a and by b``, ``a, b and c``: what something is used by."""
        return self.say.listed(users, "list.and_by" if len(users) == 2 else "list.and")

    def _shape(self, chain: Chain) -> Words:
        text = shape_text(chain.shape)
        if chain.note == "sums_to_zero":
            return self.say("sweep.sums_to_zero", shape=text)
        return (text,) if text else ()

    def gather(self) -> list[Block]:
        """Section 6: one line for each shared quantity, and the split by loss and by use."""
        say, derivation = self.say, self.derivation
        if not derivation.gather:
            return [Paragraph(say("gather.nothing"))]
        blocks: list[Block] = []
        steps = [s for s in derivation.gather if not isinstance(s, Cut)]
        if all(len(s.uses) == 1 for s in steps):
            blocks.append(Paragraph(say("gather.single")))
        lines: list[Line] = []
        for step in derivation.gather:
            if isinstance(step, Cut):
                lines.append(Line((), self.cut(step)))
                continue
            about = step_of(step.chain.items, step.node, "gather")
            lines.append(Line(step.chain.items, remark=self._shape(step.chain), step=about))
            lines += [Line(c.items, step=Step(about.instance, "entry")) for c in step.entries]
        blocks.append(Formulas(lines))
        zeros = [z for s in steps for z in s.zeros]
        for use, name in zeros[:3]:
            blocks.append(Note(say("gather.zero", use=use, name=name)))
        if derivation.losses is not None:
            blocks.append(self._losses(derivation.losses))
        return blocks

    def _losses(self, table: LossTable) -> Table:
        say = self.say
        header: list[Words] = [(), *((c,) for c in table.columns), say("losses.row")]
        rows: list[Sequence[Words]] = []
        for name, row, total in table.rows:
            rows.append([(name,), *((v,) if v is not None else () for v in row), (total,)])
        rows.append([say("losses.column"), *((v,) for v in table.sums), (table.total,)])
        return Table(header, rows, say("losses.caption", name=table.name), "size")


def _used_by(users: Sequence[object]) -> str:
    return "sweep.used_by" if len(users) == 1 else "sweep.used_by.all"


def _calls(item: Item, name: str) -> bool:
    return isinstance(item, Formula) and any(
        isinstance(node, Call) and node.operation == name for node in preorder(item.expression)
    )
