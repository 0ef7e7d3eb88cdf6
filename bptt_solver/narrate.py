"""A derivation in words: the sentences of the catalogue around the formulas of the steps, as blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.blocks import (
    FIXED,
    Block,
    Entry,
    Flow,
    Formula,
    Heading,
    Note,
    Paragraph,
    Partial,
    Table,
    Value,
    Words,
)
from bptt_solver.catalogues import in_language
from bptt_solver.derivation import Cut, Derivation
from bptt_solver.language.expressions import Call, Expression, Index, Reference, derivative_name
from bptt_solver.narration.catalogue import Catalogue
from bptt_solver.narration.check import check_blocks
from bptt_solver.narration.common import Narration, chain_words, joined, step_of, with_formulas
from bptt_solver.narration.sweep import SweepWords

if TYPE_CHECKING:
    from bptt_solver.analyses.methods.perturbation import PerturbationMethod
    from bptt_solver.analyses.methods.rtrl import Rtrl
    from bptt_solver.asked import Analysis
    from bptt_solver.derivation import GatherStep, LocalStep, Match
    from bptt_solver.narration.methods import Section
    from bptt_solver.profiles.convention import Convention
    from bptt_solver.steps.forward import ForwardSteps


def narrate(derivation: Derivation, lang: str = "en", variants: Sequence[str] = ()) -> list[Block]:
    """The document of a derivation; ``variants`` are those of the catalogue (``rows``). Raises ValueError for a
    language that has no catalogue.
    """
    return _Narrator(derivation, Catalogue(lang, variants)).blocks()


def narrate_convention(blocks: list[Block], convention: Convention, lang: str = "en") -> list[Block]:
    """A document in another notation: rewritten, and the notation explained before the first section."""
    from bptt_solver.narration.notation import with_convention
    from bptt_solver.profiles.presenting import Presenter

    return with_convention(Presenter(convention).blocks(blocks), convention, Catalogue(lang))


def narrate_method(
    derivation: Derivation,
    method: Rtrl | PerturbationMethod,
    forward: Sequence[ForwardSteps],
    everything: bool = False,
    lang: str = "en",
) -> list[Block]:
    """The document of another method for the same derivatives: what is given and the forward values as before, then the
    method's own sections, and its numbers beside those of the backward sweep."""
    from bptt_solver.narration.methods import method_sections

    say = Catalogue(lang)
    return _Narrator(derivation, say, method_sections(derivation, method, forward, say, everything)).blocks()


def narrate_hessian(target: str, labels: Sequence[str], rows: Sequence[Sequence[Any]], lang: str = "en") -> list[Block]:
    """The table of second derivatives of ``target`` by the quantities that ``labels`` name (``w``, ``h[2]:1``)."""
    from bptt_solver.narration.more import hessian_blocks

    return hessian_blocks(target, labels, rows, Catalogue(lang))


def narrate_closed_forms(forms: Sequence[tuple[Reference, Expression]], lang: str = "en") -> list[Block]:
    """Formulas of the given names for the target and the wanted ordered derivatives."""
    from bptt_solver.narration.more import closed_form_blocks

    return closed_form_blocks(forms, Catalogue(lang))


def narrate_analyses(analyses: Sequence[Analysis], lang: str = "en") -> list[Block]:
    """One section for each analysis."""
    from bptt_solver.narration.analyses import analysis_blocks

    say = Catalogue(lang)
    return [block for analysis in analyses for block in analysis_blocks(analysis, say)]


class _Narrator(Narration):
    def __init__(self, derivation: Derivation, say: Catalogue, replaced: Mapping[int, Section] | None = None) -> None:
        super().__init__(derivation, say)
        self.replaced = replaced or {}  # sections of another method

    def blocks(self) -> list[Block]:
        """All sections."""
        blocks: list[Block] = [self._title()]
        description = self.derivation.computation.problem.document.description
        if description:
            blocks.append(Paragraph((" ".join(description.split()),)))
        sections = (self._given, self._order, self._forward, self._partials, self._sweep, self._gather, self._check)
        for number, section in enumerate(sections, 1):
            if number in self.replaced:
                title, remark, body = self.replaced[number]
                blocks += [Heading(title, number=str(number), remark=remark), *body]
                continue
            body = section()
            if body:
                blocks += [
                    Heading((self.say.text(f"section.{number}"),), number=str(number), remark=self._remark(number)),
                    *body,
                ]
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
        return Heading(words, level=0, remark=joined(remarks, say.text("list.semicolon")))

    def _remark(self, number: int) -> Words:
        say, derivation = self.say, self.derivation
        if number == 4 and derivation.plain:
            return say("section.4.plain")
        if number == 5 and derivation.plain:
            return say("section.5.plain", target=self.target)
        if number == 5 and derivation.sweep:
            return self._times([g.at for g in derivation.sweep if g.variable])
        if number == 6 and any(len(s.uses) > 1 for s in derivation.gather if not isinstance(s, Cut)):
            return say(
                "section.6.shared",
                name=next(s.node for s in derivation.gather if not isinstance(s, Cut) and len(s.uses) > 1),
            )
        return ()

    def _times(self, times: list[int]) -> Words:
        if not times:
            return ()
        falling = times == sorted(set(times), reverse=True)
        if not falling:
            return self.say("section.5.sweep")
        listed = [str(t).replace("-", "−") for t in times]
        return (Reference(self.derivation.variable), " = ", *self.say.listed(listed, "list.numbers", 8, "list.numbers"))

    # -- 1, 2, 3

    def _given(self) -> list[Block]:
        say, derivation = self.say, self.derivation
        problem = derivation.computation.problem
        blocks: list[Block] = []
        if problem.network is not None:
            from bptt_solver.narration.networks import network_blocks

            blocks += network_blocks(derivation, say)
        if len(derivation.domains) == 1 and derivation.domains[0][0] is None and derivation.plain:
            blocks.append(Flow([self.line(c) for c in (*derivation.domains[0][1], *derivation.values)]))
        else:
            for domain, chains in derivation.domains:
                lead = say("given.domain", domain=domain) if domain is not None else ()
                blocks.append(Flow([self.line(c) for c in chains], lead))
            blocks.append(Flow([self.line(c) for c in derivation.values]))
        if derivation.functions:
            blocks.append(
                Paragraph(
                    say(
                        "given.functions",
                        functions=say.listed([self._function(f) for f in derivation.functions], "list.semicolon", 20),
                    )
                )
            )
        if problem.remarks:
            from bptt_solver.narration.remarks import remarks_of

            blocks += [Paragraph(words) for words in remarks_of(problem, say)]
        shared = self._shared()
        if shared:
            blocks.append(Paragraph(shared))
        wanted = [
            say("cut", count=f"{c.count:,}") if isinstance(c, Cut) else self._derivative(c) for c in derivation.wanted
        ]
        if wanted:
            words = say("given.wanted", names=say.listed(wanted, "list.comma", len(wanted)))
            any_node = derivation.plain and "named" not in say.variants
            name = Reference("z_i") if any_node else self._first_wanted()
            derivative = self._derivative(name)
            meaning = say("given.meaning", name=name, target=self.target, derivative=derivative)
            blocks.append(Paragraph((*words, say.gap, *meaning)))
        return blocks

    def _function(self, function: tuple[Formula, str]) -> Words:
        summary = in_language(function[1], self.say.language)
        return (function[0], self.say.colon, *with_formulas(summary, arguments=True))

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
        example = say.listed([*uses[:2], "…", uses[-1]] if len(uses) > 4 else uses, "list.comma")
        return say(key, names=names, uses=example, where=self._where(steps))

    def _where(self, steps: Sequence[GatherStep]) -> Words:
        """``at t = 1, 2, 3`` if all of them are used at the same values of one index, else ``several times``."""
        say = self.say
        variable = steps[0].variable
        if not variable or any(s.variable != variable for s in steps):
            return say("given.shared.times")
        places = [[u.label.indices[0].constant for u in s.uses] for s in steps]
        if any(p != places[0] for p in places):
            return say("given.shared.times")
        values = say.listed([str(v) for v in places[0]], "list.numbers", between="list.numbers")
        return say("given.shared.at", variable=Reference(variable), values=values)

    def _order(self) -> list[Block]:
        words: list[Any] = []
        for at, item in enumerate(self.derivation.order):
            if at:
                words.append(self.say.text("order.arrow"))
            words += self.say("cut.short", count=f"{item.count:,}") if isinstance(item, Cut) else (item,)
        return [Paragraph((*words, *self.say("order.end")))]

    def _forward(self) -> list[Block]:
        blocks: list[Block] = []
        blocks += [self.numbers(t) for t in self.derivation.forward_tables]
        depth = int(any(g.variable for g in self.derivation.forward))
        for group in self.derivation.forward:
            lines = [self.line(c) for c in group.lines]
            for line in lines:
                if line.chain and isinstance(line.chain[0], Reference):
                    line.step = step_of(line.chain, line.chain[0], "forward")
            blocks.append(Flow(lines, self.lead(group), depth))
        return blocks

    # -- 4

    def _partials(self) -> list[Block]:
        if self.derivation.local is not None:
            local = self.derivation.local
            return [*self._matched(local.matched), *self._local(local.steps)] or [Paragraph(self.say("local.none"))]
        blocks: list[Block] = []
        for row in self.derivation.partials:
            blocks.append(Paragraph(self.cut(row)) if isinstance(row, Cut) else Flow([self.line(c) for c in row]))
        return blocks

    def _matched(self, matches: Sequence[Match]) -> list[Block]:
        say = self.say
        blocks: list[Block] = []
        for match in matches:
            reason = say.clause(match.reason)
            key = "local.matched.one" if match.sums_to_one else "local.matched"
            if match.inner and match.user is not None:
                use, received = match.chain.items
                blocks.append(
                    Paragraph(
                        (
                            *say(key, reason=reason),
                            *say("local.matched.inner", use=use, user=match.user, received=received),
                        )
                    )
                )
            else:
                blocks.append(Paragraph((*say(key, reason=reason), *chain_words(match.chain))))
            if match.output is not None and match.argument is not None:
                blocks.append(Paragraph(self._softmax(match, match.output, match.argument), depth=1))
        return blocks

    def _softmax(self, match: Match, output: Reference, argument: Reference) -> Words:
        """The full Jacobian of softmax, and what it makes of what the loss passes on."""
        m, k = Entry(output, ("m",)), Entry(output, ("k",))
        partial = Partial(m, Entry(argument, ("k",)))
        delta = Reference("δ", (Index.variable("m"), Index.variable("k")))
        full = Formula(Call("mul", (m, Call("add", (delta, Call("neg", (k,)))))))
        times: Words = ()
        if match.received is not None:
            times = self.say("local.softmax.times", received=chain_words(match.received), result=match.sent)
        return self.say("local.softmax", partial=partial, formula=full, size=f"{match.size}×{match.size}", times=times)

    def _local(self, steps: Sequence[LocalStep]) -> list[Block]:
        blocks: list[Block] = []
        timed = [s for s in steps if s.by_time]
        if timed:
            times = sorted({t for s in timed for t in s.by_time})
            header: list[Words] = [()]
            header += [(Reference(self.derivation.variable), "=", Value(t, of=FIXED)) for t in times]
            rows = [[chain_words(s.chain), *((s.by_time[t],) if t in s.by_time else () for t in times)] for s in timed]
            blocks.append(Table(header, rows))
        others = [self.line(s.chain) for s in steps if not s.by_time]
        if others:
            blocks.append(Flow(others))
        values = [self.line(c) for s in steps for c in s.values]
        if values:
            blocks.append(Flow(values, depth=1))
        if any(s.transposed for s in steps):
            blocks.append(Paragraph(self.say("local.transposed")))
        return blocks

    # -- 5 and 6

    def _sweep(self) -> list[Block]:
        return SweepWords(self.derivation, self.say).sweep()

    def _gather(self) -> list[Block]:
        return SweepWords(self.derivation, self.say).gather()

    # -- 7

    def _check(self) -> list[Block]:
        return check_blocks(self.derivation, self.say)


__all__ = [
    "narrate",
    "narrate_analyses",
    "narrate_closed_forms",
    "narrate_convention",
    "narrate_hessian",
    "narrate_method",
]
