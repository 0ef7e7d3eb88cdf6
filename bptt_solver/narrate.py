"""A derivation in words: the sentences of the catalogue around the formulas of the steps, as blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.blocks import (
    Block,
    Entry,
    Flow,
    Formula,
    Formulas,
    Heading,
    Line,
    Note,
    Paragraph,
    Partial,
    Table,
    Value,
    Words,
)
from bptt_solver.derivation import Chain, Cut, Derivation, Group, NumberTable, SweepStep, User
from bptt_solver.language.expressions import Call, Reference, derivative_name
from bptt_solver.narrate_check import check_blocks
from bptt_solver.narrate_more import narrate_closed_forms, narrate_hessian
from bptt_solver.words import Catalogue

if TYPE_CHECKING:
    from bptt_solver.derivation import GatherStep, LocalStep, LossTable, Match, Recurrence


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
        sections = (self._given, self._order, self._forward, self._partials, self._sweep, self._gather, self._check)
        for number, section in enumerate(sections, 1):
            body = section()
            if body:
                blocks += [Heading((self.say.text(f"section.{number}"),), number=str(number), remark=self._remark(number)), *body]
        if self.derivation.first_entries:
            blocks.append(Note((self.say.text("entries.first"),)))
        if self.derivation.cut:
            blocks.append(Note((self.say.text("cut.steps"),)))
        return blocks

    def _title(self) -> Heading:
        say, derivation = self.say, self.derivation
        remarks: list[Words] = []
        if derivation.arrays:
            remarks.append(say("title.columns"))
        if derivation.rounded:
            remarks.append(say("title.rounded", digits=str(derivation.digits)))
        words: Words = (derivation.title,) if derivation.title else say("title", target=self.target)
        return Heading(words, level=0, remark=_joined(remarks, "; "))

    def _remark(self, number: int) -> Words:
        say, derivation = self.say, self.derivation
        if number == 4 and derivation.plain:
            return say("section.4.plain")
        if number == 5 and derivation.plain:
            return say("section.5.plain", target=self.target)
        if number == 5 and derivation.sweep:
            return self._times([g.at for g in derivation.sweep if g.variable])
        if number == 6 and any(len(s.uses) > 1 for s in derivation.gather if not isinstance(s, Cut)):
            return say("section.6.shared", name=next(s.node for s in derivation.gather if not isinstance(s, Cut) and len(s.uses) > 1))
        return ()

    def _times(self, times: list[int]) -> Words:
        if not times:
            return ()
        falling = all(a > b for a, b in zip(times, times[1:], strict=False))
        if not falling:
            return self.say("section.5.sweep")
        listed = [str(t).replace("-", "−") for t in times]
        return (Reference(self.derivation.variable), " = ", *self.say.listed(listed, "list.comma", 8))

    # -- 1, 2, 3

    def _given(self) -> list[Block]:
        say, derivation = self.say, self.derivation
        blocks: list[Block] = []
        if len(derivation.domains) == 1 and derivation.domains[0][0] is None and derivation.plain:
            blocks.append(Flow([self._line(c) for c in (*derivation.domains[0][1], *derivation.values)]))
        else:
            for domain, chains in derivation.domains:
                lead = say("given.domain", domain=domain) if domain is not None else ()
                blocks.append(Flow([self._line(c) for c in chains], lead))
            blocks.append(Flow([self._line(c) for c in derivation.values]))
        if derivation.functions:
            blocks.append(Paragraph(say("given.functions", functions=say.listed([self._function(f) for f in derivation.functions], "list.semicolon", 20))))
        shared = self._shared()
        if shared:
            blocks.append(Paragraph(shared))
        wanted = [say("cut", count=f"{c.count:,}") if isinstance(c, Cut) else self._derivative(c) for c in derivation.wanted]
        if wanted:
            words = say("given.wanted", names=say.listed(wanted, "list.comma", len(wanted)))
            name = Reference("z_i") if derivation.plain else self._first_wanted()
            blocks.append(Paragraph((*words, " ", *say("given.meaning", name=name, target=self.target))))
        return blocks

    def _function(self, function: tuple[Formula, str]) -> Words:
        return (function[0], ": ", function[1])

    def _first_wanted(self) -> Reference:
        return next(c for c in self.derivation.wanted if isinstance(c, Reference))

    def _derivative(self, name: Reference) -> Reference:
        return Reference(derivative_name(self.derivation.computation.target_text, name.name), name.indices)

    def _shared(self) -> Words:
        """``w, u are shared: the same number is used at t = 1, 2, 3.``"""
        say = self.say
        steps = [s for s in self.derivation.gather if not isinstance(s, Cut) and len(s.uses) > 1]
        if not steps:
            return ()
        names = say.listed([s.node for s in steps])
        key = "given.shared.one" if len(steps) == 1 else "given.shared.many"
        uses = steps[0].uses
        example = say.listed([*uses[:3], "…"] if len(uses) > 3 else uses, "list.comma")
        return say(key, names=names, uses=example, where=self._where(steps))

    def _where(self, steps: Sequence[GatherStep]) -> Words:
        """``at t = 1, 2, 3`` if all uses differ in one index only, else ``several times``."""
        say = self.say
        variables = {s.variable for s in steps}
        if len(variables) != 1 or not (variable := variables.pop()):
            return say("given.shared.times")
        values = sorted({u.label.indices[0].constant for s in steps for u in s.uses})
        return say("given.shared.at", variable=Reference(variable), values=say.listed([str(v) for v in values], "list.comma"))

    def _order(self) -> list[Block]:
        words: list[Any] = []
        for at, item in enumerate(self.derivation.order):
            if at:
                words.append(self.say.text("order.arrow"))
            words += self.say("cut.short", count=f"{item.count:,}") if isinstance(item, Cut) else (item,)
        return [Paragraph((*words, ". ", self.say.text("order.left")))]

    def _forward(self) -> list[Block]:
        blocks: list[Block] = []
        blocks += [self._numbers(t) for t in self.derivation.forward_tables]
        depth = int(any(g.variable for g in self.derivation.forward))
        for group in self.derivation.forward:
            blocks.append(Flow([self._line(c) for c in group.lines], self._lead(group), depth))
        return blocks

    def _lead(self, group: Group) -> Words:
        return (Reference(group.variable), "=", Value(group.at)) if group.variable else ()

    # -- 4

    def _partials(self) -> list[Block]:
        if self.derivation.local is not None:
            return [*self._matched(self.derivation.local.matched), *self._local(self.derivation.local.steps)]
        blocks: list[Block] = []
        for row in self.derivation.partials:
            blocks.append(Paragraph(self._cut(row)) if isinstance(row, Cut) else Flow([self._line(c) for c in row]))
        return blocks

    def _matched(self, matches: Sequence[Match]) -> list[Block]:
        say = self.say
        blocks: list[Block] = []
        for match in matches:
            reason = match.reason.partition(";")[0]
            key = "local.matched.one" if match.sums_to_one else "local.matched"
            if match.inner and match.user is not None:
                use, received = match.chain.items
                blocks.append(Paragraph((*say(key, reason=reason), *say("local.matched.inner", use=use, user=match.user, received=received))))
            else:
                blocks.append(Paragraph((*say(key, reason=reason), *_chain(match.chain))))
            if match.output is not None and match.argument is not None:
                blocks.append(Paragraph(self._softmax(match, match.output, match.argument), depth=1))
        return blocks

    def _softmax(self, match: Match, output: Reference, argument: Reference) -> Words:
        """The full Jacobian of softmax, and what it makes of what the loss passes on."""
        m, k = Entry(output, ("m",)), Entry(output, ("k",))
        partial = Partial(m, Entry(argument, ("k",)))
        full = Formula(Call("mul", (m, Call("add", (Reference("δ_mk"), Call("neg", (k,)))))))
        times: Words = ()
        if match.received is not None:
            times = self.say("local.softmax.times", received=_chain(match.received), result=match.chain.items[1])
        return self.say("local.softmax", partial=partial, formula=full, size=f"{match.size}×{match.size}", times=times)

    def _local(self, steps: Sequence[LocalStep]) -> list[Block]:
        blocks: list[Block] = []
        timed = [s for s in steps if s.by_time]
        if timed:
            times = sorted({t for s in timed for t in s.by_time})
            header: list[Words] = [()]
            header += [(Reference(self.derivation.variable), "=", Value(t)) for t in times]
            rows = [[_chain(s.chain), *((s.by_time[t],) if t in s.by_time else () for t in times)] for s in timed]
            blocks.append(Table(header, rows))
        others = [self._line(s.chain) for s in steps if not s.by_time]
        if others:
            blocks.append(Flow(others))
        values = [self._line(c) for s in steps for c in s.values]
        if values:
            blocks.append(Flow(values, depth=1))
        if any(s.transposed for s in steps):
            blocks.append(Paragraph(self.say("local.transposed")))
        return blocks

    # -- 5

    def _sweep(self) -> list[Block]:
        derivation = self.derivation
        if derivation.plain:
            return self._plain_sweep()
        blocks: list[Block] = []
        if derivation.recurrences:
            key = "sweep.recurrences" if derivation.recurrent else "sweep.recurrences.indices"
            blocks += [Paragraph(self.say(key)), Formulas([self._recurrence(r) for r in derivation.recurrences], depth=0)]
        elif derivation.detail != "summary":
            blocks.append(Paragraph(self.say("sweep.rule.arrays" if derivation.arrays else "sweep.rule.numbers")))
        if derivation.results:
            blocks.append(Flow([self._line(c) for c in derivation.results]))
        blocks += [self._numbers(t) for t in derivation.backward_tables]
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
                lines.append(Line((), self._cut(step)))
                continue
            number += 1
            key = "sweep.used_only_by" if step.only else "sweep.used_by"
            users = say.listed([u.name for u in step.users])
            lines.append(Line(step.chain.items, (*say("sweep.number", number=str(number)), *say(key, node=step.node, users=users))))
        if self.derivation.results:
            return [Paragraph(rule), Flow([self._line(c) for c in self.derivation.results])]
        return [Paragraph(rule), Formulas(lines)]

    def _recurrence(self, recurrence: Recurrence) -> Line:
        say = self.say
        key = "sweep.used_only_by" if len(recurrence.users) == 1 else "sweep.used_by"
        users = say.listed(list(recurrence.users))
        reason = say(key, node=recurrence.node, users=users) if not recurrence.matched else say("sweep.matched", reason=recurrence.matched.partition(";")[0])
        where = say("sweep.domain", domain=recurrence.domain) if recurrence.domain is not None else ()
        return Line(recurrence.chain.items, remark=(*where, *reason))

    def _group(self, group: Group) -> list[Block]:
        """The lines of one time step, each with its reason in front if that is new."""
        blocks: list[Block] = []
        lead = self._lead(group)
        depth = int(any(g.variable for g in self.derivation.sweep))
        lines: list[Line] = []
        for step in group.lines:
            if isinstance(step, Cut):
                lines.append(Line((), self._cut(step)))
                continue
            reason = self._reason(step)
            if reason:
                if lines:
                    blocks.append(Formulas(lines, lead, depth))
                    lead, lines = (), []
                blocks.append(Paragraph(reason, lead, depth))
                lead = ()
            lines.append(Line(step.chain.items, remark=self._shape(step.chain)))
            lines += [Line(c.items) for c in step.entries]
        return [*blocks, Formulas(lines, lead, depth)]

    def _reason(self, step: SweepStep) -> Words:
        """``h_2 is used by y_2 (same time) and by a_3 (next time): two contributions.`` Nothing where it was said before."""
        say = self.say
        if not step.branching or not step.new and len(step.users) == 1:
            return ()
        if len(step.users) == 1:
            if step.only:
                return say("sweep.only", node=step.node, user=step.users[0].name, missing=say.listed(list(step.missing), "list.or"))
            return say("sweep.used_by", node=step.node, users=(step.users[0].name,))
        if not step.new:
            return say("sweep.used_by", node=step.node, users=say.listed([u.name for u in step.users], "list.and_by"))
        return say("sweep.contributions", node=step.node, users=self._users(step.users), count=say.count(len(step.users)))

    def _users(self, users: Sequence[User]) -> Words:
        """``y_2 (same time) and by a_3 (next time)``: users of the same time together."""
        say = self.say
        if not self.derivation.recurrent or any(u.shift is None for u in users):
            return say.listed([u.name for u in users], "list.and_by")
        shifts = list(dict.fromkeys(u.shift for u in users))
        parts: list[Words] = []
        for shift in shifts:
            assert shift is not None
            key = {0: "same", 1: "next", -1: "previous"}.get(shift, "later" if shift > 0 else "earlier")
            names = say.listed([u.name for u in users if u.shift == shift], most=12)
            parts.append((*names, *say(f"time.{key}", count=say.count(abs(shift)))))
        return say.listed(parts, "list.and_by")

    def _shape(self, chain: Chain) -> Words:
        text = shape_text(chain.shape)
        if chain.note == "sums_to_zero":
            return self.say("sweep.sums_to_zero", shape=text)
        return (text,) if text else ()

    # -- 6

    def _gather(self) -> list[Block]:
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
                lines.append(Line((), self._cut(step)))
                continue
            lines.append(Line(step.chain.items, remark=self._shape(step.chain)))
            lines += [Line(c.items) for c in step.entries]
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
        return Table(header, rows, say("losses.caption", name=table.name))

    # -- 7

    def _check(self) -> list[Block]:
        return check_blocks(self.derivation, self.say)

    # -- small things

    def _numbers(self, table: NumberTable) -> Table:
        header: list[Words] = [(Reference(table.variable),)]
        header += [("‖", c, "‖") if norm else (c,) for c, norm in zip(table.columns, table.norms, strict=True)]
        rows: list[Sequence[Words]] = []
        for row in table.rows:
            if isinstance(row, Cut):
                rows.append([("…",), *(("…",) for _ in table.columns)])
            else:
                rows.append([(str(row[0]).replace("-", "−"),), *((v,) if v is not None else () for v in row[1])])
        return Table(header, rows)

    def _line(self, chain: Chain | Cut) -> Line:
        if isinstance(chain, Cut):
            return Line((), self._cut(chain))
        return Line(chain.items, remark=(f"({shape_text(chain.shape)})",) if chain.shape else ())

    def _cut(self, cut: Cut) -> Words:
        return self.say("cut", count=f"{cut.count:,}")


def shape_text(shapes: Sequence[tuple[int, ...]]) -> str:
    """``3×1``, ``2×3 · 3×1``, ``3×1 · 1×2 = 3×2``."""
    texts = ["×".join(map(str, s if len(s) > 1 else (*s, 1))) for s in shapes]
    return texts[0] + " · " + texts[1] + "".join([f" = {t}" for t in texts[2:]]) if len(texts) > 1 else "".join(texts)


def _chain(chain: Chain) -> Words:
    words: list[Any] = []
    for at, item in enumerate(chain.items):
        words += [" = ", item] if at else [item]
    return tuple(words)


def _joined(parts: Sequence[Words], separator: str) -> Words:
    words: list[Any] = []
    for at, part in enumerate(parts):
        words += [separator, *part] if at else part
    return tuple(words)


__all__ = ["narrate", "narrate_closed_forms", "narrate_hessian"]
