"""Other methods in words: forward sensitivities (RTRL) and perturbation in the place of the backward sweep, their
numbers beside its numbers, and what each of the three costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.blocks import (
    Alert,
    Block,
    Entry,
    Formulas,
    Line,
    Note,
    Ordered,
    Paragraph,
    Partial,
    Table,
    Value,
    Words,
)
from bptt_solver.derivation import Cut, Derivation, shortened
from bptt_solver.language.expressions import Index, Reference
from bptt_solver.narration.catalogue import Catalogue
from bptt_solver.narration.check import check_blocks
from bptt_solver.narration.common import Narration
from bptt_solver.steps.times import Times

if TYPE_CHECKING:
    from bptt_solver.analyses.methods.costs import Cost
    from bptt_solver.analyses.methods.perturbation import PerturbationMethod, Run
    from bptt_solver.analyses.methods.rtrl import Rtrl
    from bptt_solver.analyses.methods.wanted import Pair
    from bptt_solver.steps.forward import ForwardSteps

Section = tuple[Words, Words, list[Block]]  # a heading, its remark, what stands below it
MOST_ROWS = 40  # of a table of entries
FIRST, LAST = 30, 5
MANY_DIGITS = 12  # of the target after a small change


def method_sections(
    derivation: Derivation,
    method: Rtrl | PerturbationMethod,
    forward: Sequence[ForwardSteps],
    say: Catalogue,
    everything: bool = False,
) -> dict[int, Section]:
    """The sections that a method has in the place of those of the backward sweep, by number."""
    words = _Words(derivation, say, everything)
    if method.key == "rtrl":
        return words.rtrl(method, forward)  # type: ignore[arg-type]
    return words.perturbation(method)  # type: ignore[arg-type]


class _Words(Narration):
    def __init__(self, derivation: Derivation, say: Catalogue, everything: bool) -> None:
        super().__init__(derivation, say)
        self.everything = everything

    # -- forward sensitivities

    def rtrl(self, method: Rtrl, forward: Sequence[ForwardSteps]) -> dict[int, Section]:
        """Sections 5, 6 and 7 of RTRL."""
        say = self.say
        for step in self.derivation.local.steps if self.derivation.local is not None else ():
            step.transposed = False  # nothing is, going forwards
        return {
            5: (
                say("method.rtrl.5"),
                say(f"method.rtrl.5.{'time' if self._in_time() else 'order'}"),
                self._sensitivities(method, forward),
            ),
            6: (say("method.rtrl.6"), say("method.rtrl.6.remark"), self._added_up(forward)),
            7: (say("section.7"), (), [*self._compared(method), *self._costs(method.costs), *self._report()]),
        }

    def _sensitivities(self, method: Rtrl, forward: Sequence[ForwardSteps]) -> list[Block]:
        say = self.say
        above, used, w = Reference("z_j"), Reference("z_i"), Reference("w")
        rule = say(
            "method.rtrl.rule",
            left=Ordered("∂⁺", above, w),
            direct=Partial(above, w),
            used=used,
            user=above,
            product=(Partial(above, used), " · ", Ordered("∂⁺", used, w)),
        )
        blocks: list[Block] = [Paragraph(rule)]
        if not forward:
            return [*blocks, Paragraph(say("method.rtrl.nothing", target=self.target))]
        if len(method.entries) > len(forward):
            shown = say.listed([f.weight for f in forward], most=len(forward))
            blocks.append(Paragraph(say("method.rtrl.shown", shown=shown, count=f"{len(method.entries):,}")))
        for steps in forward:
            blocks += self._of_weight(steps)
        return blocks

    def _of_weight(self, steps: ForwardSteps) -> list[Block]:
        say = self.say
        if not steps.recurrences:
            return [Paragraph(say("method.rtrl.unreached", name=steps.weight, target=self.target))]
        timed = any(r.domain is not None for r in steps.recurrences) and self.derivation.recurrent
        key = "method.rtrl.equations.times" if timed else "method.rtrl.equations"
        summary = self.derivation.detail == "summary"
        folded = [r for r in steps.recurrences if r.domain is not None]
        if not folded and not summary and not steps.groups:
            return []  # its only line is the target's
        blocks: list[Block] = [Paragraph(say(key, name=steps.weight))]
        if folded or summary:
            lines = [
                Line(r.chain.items, remark=say("method.domain", domain=r.domain) if r.domain is not None else ())
                for r in steps.recurrences
            ]
            blocks.append(Formulas(lines))
        for recurrence in steps.recurrences:
            if recurrence.direct is not None:
                partial, row, entry = recurrence.direct
                blocks.append(Paragraph(say("method.rtrl.direct", partial=partial, row=str(row), entry=entry), depth=1))
        if steps.zeros:
            zeros = say.listed([(z, " = ", Value(0)) for z in steps.zeros], "list.and")
            blocks.append(Paragraph(say("method.rtrl.zeros", zeros=zeros, name=steps.weight), depth=1))
        if steps.seed is not None:
            of = Reference(steps.weight.name if not isinstance(steps.weight, Entry) else steps.weight.of.name)
            one = "method.rtrl.seed.entry" if isinstance(steps.weight, Entry) else "method.rtrl.seed"
            blocks.append(Paragraph(say(one, seed=steps.seed, family=of), depth=1))
        if summary:
            return blocks
        blocks += [self.numbers(table) for table in steps.tables]
        depth = int(any(g.variable for g in steps.groups))
        for group in steps.groups:
            blocks.append(Formulas([self.line(c) for c in group.lines], self.lead(group), depth))
        return blocks

    def _added_up(self, forward: Sequence[ForwardSteps]) -> list[Block]:
        say = self.say
        blocks: list[Block] = [Formulas([self.line(steps.total) for steps in forward])]
        running = [steps for steps in forward if steps.running]
        if running:
            blocks.append(Paragraph(say("method.rtrl.running", target=self.target)))
        together = {tuple(None if isinstance(r, Cut) else r[0] for r in steps.running) for steps in running}
        for group in [running] if len(together) == 1 else [[steps] for steps in running]:
            header: list[Words] = [say("method.rtrl.after")]
            header += [(Ordered("∂⁺", self.target, steps.weight),) for steps in group]
            rows: list[Sequence[Words]] = []
            for row in zip(*(steps.running for steps in group), strict=True):
                name: Words = ("…",) if isinstance(row[0], Cut) else (row[0][0],)
                rows.append([name, *(("…",) if isinstance(r, Cut) else (r[1],) for r in row)])
            blocks.append(Table(header, rows))
        return blocks

    # -- perturbation

    def perturbation(self, method: PerturbationMethod) -> dict[int, Section]:
        """Sections 4 to 7 of perturbation."""
        say = self.say
        return {
            4: (say("section.4"), (), [Paragraph(say("method.perturbation.4"))]),
            5: (say("method.perturbation.5"), (), self._runs(method)),
            6: (say("section.6"), (), [Paragraph(say("method.perturbation.6"))]),
            7: (say("section.7"), (), [*self._quotients(method), *self._costs(method.costs), *self._report()]),
        }

    def _runs(self, method: PerturbationMethod) -> list[Block]:
        say = self.say
        z, h = Reference("z"), Reference("h")
        name = Ordered("∂⁺", self.target, z)
        blocks: list[Block] = [Paragraph(say("method.perturbation.rule", name=name, target=self.target, z=z, h=h))]
        steps = list(dict.fromkeys(run.h for run in method.runs))
        if len(steps) == 1:
            blocks.append(Paragraph(say("method.perturbation.step", h=h, value=Value(steps[0]))))
        header: list[Words] = [say("method.entry")]
        header += [(h,)] if len(steps) > 1 else []
        header += [
            say("method.perturbation.plus", target=self.target, h=h),
            say("method.perturbation.minus", target=self.target, h=h),
            say("method.perturbation.quotient"),
            ("BPTT",),
            say("method.digits"),
        ]
        rows = [
            [("…",)] * len(header) if isinstance(run, Cut) else self._run(run, len(steps) > 1)
            for run in self._cut(method.runs)
        ]
        return [*blocks, Table(header, rows)]

    def _run(self, run: Run, steps: bool) -> list[Words]:
        sides: list[Words] = [(Value(run.plus, MANY_DIGITS),), (Value(run.minus, MANY_DIGITS),)]
        step: list[Words] = [(Value(run.h),)] if steps else []
        told = self.say.text("method.kink") if run.kink else str(run.digits)
        name = named(run.key, run.entry)
        return [(name,), *step, *sides, (Value(run.quotient),), (Value(run.theirs),), (told,)]

    def _quotients(self, method: PerturbationMethod) -> list[Block]:
        say = self.say
        blocks: list[Block] = []
        wrong = [run for run in method.runs if not run.agrees]
        for run in wrong[:MOST_ROWS]:
            blocks.append(self._alert(run.key, run.entry, run.quotient, run.theirs, "method.perturbation.name"))
        if wrong:
            return blocks
        smooth = [run for run in method.runs if not run.kink]
        if smooth:
            fewest = min(run.digits for run in smooth)
            key = "method.perturbation.exact" if fewest == 16 else "method.perturbation.agrees"
            blocks.append(Paragraph(say(key, count=f"{len(smooth):,}", digits=str(fewest))))
        if len(smooth) < len(method.runs):
            blocks.append(Paragraph(say("method.perturbation.kinks")))
        return blocks

    # -- both

    def _compared(self, method: Rtrl) -> list[Block]:
        say, compared = self.say, method.compared
        blocks: list[Block] = []
        for pair in compared.failures[:MOST_ROWS]:
            blocks.append(self._alert(pair.key, pair.entry, pair.ours, pair.theirs, "method.rtrl.name"))
        header: list[Words] = [say("method.entry"), ("RTRL",), ("BPTT",), say("method.digits")]
        rows = [[("…",)] * 4 if isinstance(p, Cut) else self._pair(p) for p in self._cut(compared.pairs)]
        if rows:
            blocks.append(Table(header, rows, say("method.rtrl.table")))
        if compared.failures or not compared.pairs:
            return blocks
        worst = compared.worst
        if compared.exact or not worst:
            blocks.append(Paragraph(say("method.rtrl.exact", count=f"{len(compared.pairs):,}")))
        else:
            pair = max(compared.pairs, key=lambda p: p.error)
            blocks.append(
                Paragraph(
                    say(
                        "method.rtrl.agrees",
                        count=f"{len(compared.pairs):,}",
                        worst=f"{worst:.0e}".replace("e-0", "e-"),
                        name=named(pair.key, pair.entry),
                    )
                )
            )
        if any(p.limited for p in compared.pairs):
            blocks.append(Note(say("method.limited")))
        return blocks

    def _pair(self, pair: Pair) -> list[Words]:
        from bptt_solver.analyses.methods.wanted import digits

        name = named(pair.key, pair.entry)
        return [(name,), (Value(pair.ours),), (Value(pair.theirs),), (str(digits(pair.error)),)]

    def _alert(self, key: Any, entry: Any, ours: Any, theirs: Any, method: str) -> Alert:
        name = Ordered("∂⁺", self.target, named(key, entry))
        numbers = {"ours": Value(ours, 17), "theirs": Value(theirs, 17)}
        return Alert(self.say("method.failed", name=name, method=self.say.text(method), **numbers))

    def _cut(self, items: Sequence[Any]) -> list[Any]:
        return shortened(items, self.everything, MOST_ROWS, FIRST, LAST)

    def _costs(self, costs: Sequence[Cost]) -> list[Block]:
        say = self.say
        header: list[Words] = [(), say("method.cost.passes"), say("method.cost.products"), say("method.cost.kept")]
        rows = [
            [say(f"method.cost.{c.method}"), *((f"{n:,}",) for n in (c.passes, c.multiplications, c.kept))]
            for c in costs
        ]
        by_method = {c.method: c for c in costs}
        count = f"{by_method['rtrl'].passes:,}"
        blocks: list[Block] = [
            Table(header, rows, say("method.cost.caption")),
            Paragraph(say("method.cost.why.times" if self._in_time() else "method.cost.why", count=count)),
        ]
        return blocks

    def _in_time(self) -> bool:
        """Whether the forward pass follows the time, so that forward mode can run along with it (unlike that of a
        network that reads the sequence from both ends)."""
        problem = self.derivation.computation.problem
        if not self.derivation.recurrent:
            return False
        every = Times(problem.system)
        times = [t for n in problem.unfolded.order if (t := every.of(problem.unfolded.keys[n])) is not None]
        return len(set(times)) > 1 and times == sorted(times)

    def _report(self) -> list[Block]:
        """What the check of all derivatives found, without the examples of other methods."""
        self.derivation.evidence = []
        return check_blocks(self.derivation, self.say)


def named(key: tuple[str, tuple[int, ...]], entry: tuple[int, ...]) -> Reference:
    """An instance or one of its entries (0-based) as a name."""
    name = Reference(key[0], tuple(Index(i) for i in key[1]))
    return Entry(name, tuple(i + 1 for i in entry)) if entry else name


__all__ = ["Section", "method_sections", "named"]
