"""Truncated backpropagation through time in words: the rule, what it cuts, and what that does to the gradient."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.analyses.losses import size
from bptt_solver.analyses.truncation import Truncated, Truncation
from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import Block, Formulas, Heading, Line, Paragraph, Table, Value, Words
from bptt_solver.language.expressions import Index, Reference, derivative_name
from bptt_solver.narration.catalogue import Catalogue
from bptt_solver.narration.contribution_numbers import shown
from bptt_solver.narration.contribution_table import reference

MOST_TIMES, MOST_ROWS = 10, 12  # of the triangle that is printed
SMALL = 16  # entries of a gradient that is printed


def truncation_blocks(truncation: Truncation, say: Catalogue) -> list[Block]:
    """The section of a truncation."""
    return _Truncation(truncation, say).blocks()


class _Truncation:
    def __init__(self, truncation: Truncation, say: Catalogue) -> None:
        self.truncation = truncation
        self.say = say
        computation = truncation.computation
        self.text = computation.target_text
        self.target = reference(computation.target_key)
        self.value = shown(computation.value(computation.target_key))

    def blocks(self) -> list[Block]:
        """The rule, the triangle, the gradients, the bias."""
        say, truncation = self.say, self.truncation
        blocks: list[Block] = [Heading((say.text("truncation.title"),)), Paragraph(self._rule())]
        blocks.append(Paragraph(say("truncation.forward", target=self.target, value=self.value)))
        blocks += self._triangle()
        if not truncation.cuts:
            return [*blocks, Paragraph((say.text("truncation.nothing"),))]
        blocks += [*self._gradients(), Paragraph(self._verdict())]
        settings = truncation.computation.problem.document.settings
        if "clip" in settings or "update" in settings:
            blocks.append(Paragraph((say.text("truncation.training"),)))
        return blocks

    def _rule(self) -> Words:
        rule = self.truncation.rule
        if rule.depth is not None:
            return self.say("truncation.depth" if rule.depth else "truncation.depth.zero", depth=str(rule.depth))
        assert rule.k2 is not None
        if rule.k1 == rule.k2:
            key = "truncation.windows.one" if rule.k1 == 1 else "truncation.windows"
        else:
            key = "truncation.windows.back.one" if rule.k1 == 1 else "truncation.windows.back"
        return self.say(key, k1=str(rule.k1), k2=str(rule.k2), more=self.say.count(rule.k2 - 1))

    def _triangle(self) -> list[Block]:
        """A row for each loss, a column for each time of a use; of a long sequence only its first times."""
        say, truncation = self.say, self.truncation
        rows = truncation.triangle()
        if not rows:
            return []
        times = list(range(truncation.start, truncation.end + 1))[:MOST_TIMES]
        cut_rows = len(rows) > MOST_ROWS or truncation.end - truncation.start >= MOST_TIMES
        if cut_rows:
            rows = [row for row in rows if (row[0].time or 0) <= times[-1]][:MOST_ROWS]
        header: list[Words] = [(), *((Reference("s"), "=", Value(t)) for t in times), *([("…",)] if cut_rows else [])]
        words = {True: say("truncation.kept"), False: say("truncation.cut"), None: ()}
        table = [[(reference(loss.key),), *(words[kept] for kept in row[: len(times)])] for loss, row in rows]
        if cut_rows:
            table.append([("…",)])
        width = len(header)
        table = [[*row, *[()] * (width - len(row))] for row in table]
        return [Table(header, table, say("truncation.triangle"))]

    # -- the gradients

    def _name(self, one: Truncated) -> Reference:
        return Reference(derivative_name(self.text, one.key[0]), tuple(map(Index, one.key[1])))

    def _gradients(self) -> list[Block]:
        """A table of sizes; in front of it the small arrays themselves. Numbers need only the table."""
        say, gradients = self.say, self.truncation.gradients
        numbers = not any(is_array(g.full) for g in gradients)
        lines: list[Line] = []
        for one in gradients:
            if is_array(one.full) and one.full.size <= SMALL and one.cut.any():
                name = self._name(one)
                lines.append(Line((shown(one.truncated),), say("truncation.line.truncated", name=name)))
                lines.append(Line((shown(one.cut),), say("truncation.line.cut", name=name)))
        blocks: list[Block] = [Formulas(lines)] if lines else []
        caption = say("truncation.gradients" if numbers else "truncation.norms")
        columns = ["truncation.truncated", "truncation.missing", "truncation.in_full", "truncation.bias"]
        columns += [] if numbers else ["truncation.cosine"]
        rows = [self._row(one, numbers) for one in gradients]
        blocks.append(Table([(), *map(say, columns)], rows, caption))
        return blocks

    def _row(self, one: Truncated, numbers: bool) -> Sequence[Words]:
        parts = (one.truncated, one.cut, one.full)
        cells: list[Words] = [(shown(part if numbers else size(part)),) for part in parts]
        cells.append(() if one.relative is None else (shown(one.relative),))
        if not numbers:
            cells.append(() if one.cosine is None else (shown(one.cosine),))
        return [(self._name(one),), *cells]

    def _verdict(self) -> Words:
        """How far the truncated gradient is from the gradient, all quantities together."""
        say, truncation = self.say, self.truncation
        if truncation.relative is None:
            relative: Words = ("∞",)
        else:
            relative = (shown(truncation.relative),)
        if truncation.cosine is None:
            direction = say("truncation.direction.none")
        else:
            direction = say("truncation.direction", cosine=shown(truncation.cosine))
        return say("truncation.not_gradient", target=self.target, relative=relative, direction=direction)
