"""The contribution table in words: by loss, by use, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bptt_solver.analyses.contribution_table import ContributionTable, Parts, Split, added
from bptt_solver.analyses.losses import Loss
from bptt_solver.analyses.made_sweeps import Part
from bptt_solver.arithmetic import is_array, is_exact
from bptt_solver.blocks import (
    Alert,
    Block,
    Cell,
    Entry,
    Formula,
    Formulas,
    Heading,
    Item,
    Leaf,
    Line,
    Note,
    Paragraph,
    Table,
    Use,
    Value,
    Words,
)
from bptt_solver.language.expressions import Call, Index, Reference, derivative_name
from bptt_solver.language.templates import slot
from bptt_solver.narration.catalogue import Catalogue
from bptt_solver.narration.contribution_numbers import Numbers, cell, shown
from bptt_solver.results import plain
from bptt_solver.steps.members import DOTS
from bptt_solver.system import Instance
from bptt_solver.unfold import instance_text

MOST_COLUMNS, FIRST, LAST = 8, 4, 2  # of a table, and of a longer one
MOST_CELLS, SMALL = 12, 16  # cells that are printed as arrays, and entries of one
MOST_NODES = 24  # whose error signals are listed as vectors, and rows of a table by user
MOST_ENTRIES = 6  # of a vector in such a list

_TITLES = {
    "both": "contributions.title.both",
    "loss": "contributions.title.loss",
    "use": "contributions.title.use",
}
_PRODUCT = Call("mul", (slot(0), slot(1)))


def contribution_blocks(table: ContributionTable, say: Catalogue) -> list[Block]:
    """The section of a contribution table."""
    return _Tables(table, say).blocks()


def reference(key: Instance) -> Reference:
    """An instance as a name."""
    return Reference(key[0], tuple(map(Index, key[1])))


def is_large(value: Any) -> bool:
    """Whether an array has more entries than are printed."""
    return is_array(value) and value.size > (MOST_ENTRIES if value.ndim == 1 else SMALL)


class _Tables:
    def __init__(self, table: ContributionTable, say: Catalogue) -> None:
        self.table = table
        self.say = say
        self.target = table.computation.target_text
        self.losses = table.losses
        self.shortened = False
        self.numbers = Numbers(table)
        self.entries = dict(_entry(text) for text in table.entries)

    def blocks(self) -> list[Block]:
        """Heading, what the losses are, the tables, and whether the sums agree."""
        say, table = self.say, self.table
        blocks: list[Block] = [Heading((say.text(_TITLES[table.by]),))]
        if table.by != "use":
            blocks.append(Paragraph(self._what_losses()))
        if table.by == "both":
            blocks += self._both()
        elif table.by == "loss":
            blocks += self._by_loss()
        else:
            blocks += self._by_use()
        worst = f"{table.off:.0e}"
        if not table.passed:
            blocks.append(Alert(say("contributions.differs", worst=worst)))
        else:
            key = "contributions.agrees" if table.off else "contributions.agrees.exactly"
            blocks.append(Paragraph(say(key, worst=worst)))
        if self.shortened:
            blocks.append(Note((say.text("contributions.shortened"),)))
        return blocks

    # -- the losses

    def _what_losses(self) -> Words:
        say = self.say
        target = reference(self.table.computation.target_key)
        names = say.listed([reference(loss.key) for loss in self.losses])
        if [loss.key for loss in self.losses] == [self.table.computation.target_key]:
            return say("contributions.losses.single", target=target)
        plainly = not any(is_array(loss.seed) or not is_exact(loss.seed) for loss in self.losses)
        if not plainly or not self.table.separate():
            return say("contributions.losses.reads", target=target, losses=names)
        seeds = [loss.seed for loss in self.losses]
        if all(seed == 1 for seed in seeds):
            return say("contributions.losses", target=target, losses=names)
        if all(seed == seeds[0] for seed in seeds):
            return say(
                "contributions.losses.weighted", target=target, losses=names, weight=self.numbers.seed(self.losses[0])
            )
        weights = say.listed([self.numbers.seed(loss) for loss in self.losses])
        return say("contributions.losses.weights", target=target, losses=names, weights=weights)

    def _of_loss(self, loss: Loss, key: Instance) -> Item | None:
        """``∂⁺e_2/∂w``, times its weight; None for a loss that is an array."""
        if is_array(loss.seed):
            return None
        name = Reference(derivative_name(instance_text(loss.key), key[0]), tuple(map(Index, key[1])))
        return name if loss.seed == 1 else Formula(_PRODUCT, (self.numbers.seed(loss), name))

    # -- both

    def _both(self) -> list[Block]:
        several = [s for s in self.table.splits if len(self.losses) > 1 or len(s.uses) > 1]
        single = [self._gradient(s) for s in self.table.splits if s not in several]
        blocks: list[Block] = [Paragraph((self.say.text("contributions.both.what"),))] if several else []
        if single:
            blocks.append(Paragraph(self.say("contributions.both.single", names=self.say.listed(single))))
        for split in several:
            name = self._gradient(split)
            if not is_array(split.gradient):
                blocks.append(self._grid(split, self.say("contributions.table", name=name)))
                continue
            entry = self.entries.get(instance_text(split.key))
            if entry is not None and self._is_entry(entry, split):
                caption = self.say("contributions.table.entry", entry=Entry(name, entry))
                blocks.append(self._grid(split, caption, tuple(i - 1 for i in entry)))
                continue
            blocks.append(self._grid(split, self.say("contributions.table.norms", name=name)))
            blocks += self._cells(split)
        return blocks

    @staticmethod
    def _is_entry(entry: tuple[int, ...], split: Split) -> bool:
        shape = split.gradient.shape
        return len(entry) == len(shape) and all(1 <= i <= n for i, n in zip(entry, shape, strict=True))

    def _grid(self, split: Split, caption: Words, at: tuple[int, ...] | None = None) -> Table:
        """The table of one quantity: numbers, one entry of arrays, or their norms."""

        def cell_of(value: Any, part: Part) -> Words:
            if at is None or value is None:
                return cell(value, self.numbers.cell(value, part))
            of = self.numbers.of(part)
            return cell(plain(value[at]), None if of is None else Cell(of.kind, of.number, at))

        say, made = self.say, self.numbers.split(split)
        columns = self._chosen(len(split.uses))
        header: list[Words] = [(), *(("…",) if s is None else (self._use(split, s),) for s in columns)]
        rows: list[Sequence[Words]] = []
        for at_loss in self._chosen(len(self.losses)):
            if at_loss is None:
                rows.append([("…",), *[()] * (len(columns) + 1)])
                continue
            own, parts = split.cells[at_loss], made.cells[at_loss]
            cells = [("…",) if s is None else cell_of(own[s], parts[s]) for s in columns]
            total = cell_of(split.rows[at_loss], made.rows[at_loss])
            rows.append([(reference(self.losses[at_loss].key),), *cells, total])
        sums = [("…",) if s is None else cell_of(split.columns[s], made.columns[s]) for s in columns]
        rows.append([say("contributions.column"), *sums, cell_of(split.total, made.total)])
        return Table([*header, say("contributions.row")], rows, caption, "size")

    def _cells(self, split: Split) -> list[Block]:
        """The cells as arrays, where they are small and few."""
        made = self.numbers.split(split)
        places = [
            (at_loss, s) for at_loss, row in enumerate(split.cells) for s, cell in enumerate(row) if cell is not None
        ]
        if split.gradient.size > SMALL or len(places) > MOST_CELLS:
            entry = instance_text(split.key) + ":" + ",".join("1" * split.gradient.ndim)
            return [Paragraph(self.say("contributions.entries", name=entry), depth=0)]
        lines = [
            Line(
                (self._use(split, s), shown(split.cells[at_loss][s], self.numbers.of(made.cells[at_loss][s]))),
                (reference(self.losses[at_loss].key), self.say.lead),
            )
            for at_loss, s in places
        ]
        return [Paragraph(self.say("contributions.cells", name=self._gradient(split))), Formulas(lines)]

    def _chosen(self, count: int) -> list[int | None]:
        """The places that are shown, with None for those that are left out."""
        if self.table.everything or count <= MOST_COLUMNS:
            return list(range(count))
        self.shortened = True
        return [*range(FIRST), None, *range(count - LAST, count)]

    def _use(self, split: Split, at: int) -> Use:
        column = split.uses[at]
        label = reference(column.user)
        if column.indices is not None:
            label = Reference("", tuple(map(Index, column.indices)))
        return Use(reference(split.key), label)

    def _gradient(self, split: Split) -> Reference:
        return Reference(derivative_name(self.target, split.key[0]), tuple(map(Index, split.key[1])))

    # -- by loss

    def _by_loss(self) -> list[Block]:
        say = self.say
        nodes = self.table.nodes()
        blocks: list[Block] = []
        if nodes and len(self.losses) > 1:
            blocks.append(Paragraph((say.text("contributions.loss.signals"),)))
            keys = self.table.computation.unfolded.keys
            values = self.table.computation.values
            families = dict.fromkeys(keys[n][0] for n in nodes)
            many = len(nodes) > MOST_NODES and not self.table.everything
            listed = frozenset(n for n in nodes if is_array(values[n]) and not is_large(values[n]) and not many)
            for family in families:
                members = [n for n in nodes if keys[n][0] == family and n not in listed]
                blocks += [self._signal_table(members)] if members else []
            if listed:
                blocks += self._signal_lists([n for n in nodes if n in listed])
        if len(self.losses) == 1:
            return blocks
        return [*blocks, Paragraph((say.text("contributions.loss.gradients"),)), *self._gradients_by_loss()]

    def _gradients_by_loss(self) -> list[Block]:
        """Numbers in a table, small arrays in full, the norms of large ones in a table."""
        splits = self.table.splits
        numbers = [s for s in splits if not is_array(s.gradient)]
        large = [s for s in splits if is_large(s.gradient)]
        small = [s for s in splits if is_array(s.gradient) and not is_large(s.gradient)]
        blocks: list[Block] = [self._gradient_table(numbers)] if numbers else []
        blocks += [Formulas(self._gradient_lines(split)) for split in small]
        return [*blocks, self._gradient_table(large, self.say("contributions.norms"))] if large else blocks

    def _signal_table(self, nodes: Sequence[int]) -> Table:
        """The error signals of the members of one family: a row for each loss, a column for each member."""
        say = self.say
        keys = self.table.computation.unfolded.keys
        nodes = list(reversed(nodes))
        columns = self._chosen(len(nodes))
        header: list[Words] = [(), *(("…",) if c is None else (reference(keys[nodes[c]]),) for c in columns)]
        rows: list[Sequence[Words]] = []

        def row(signals: Mapping[int, Any], made: Mapping[int, Part]) -> list[Words]:
            found = [(None, None) if c is None else (signals.get(nodes[c]), made.get(nodes[c])) for c in columns]
            cells = [cell(v, self.numbers.cell(v, p)) for v, p in found]
            return [("…",) if c is None else own for c, own in zip(columns, cells, strict=True)]

        for at_loss in self._chosen(len(self.losses)):
            if at_loss is None:
                rows.append([("…",), *[()] * len(columns)])
            else:
                own = row(self.table.signals[at_loss], self.numbers.signals(at_loss))
                rows.append([(reference(self.losses[at_loss].key),), *own])
        rows.append([say("contributions.sum"), *row(self._together(nodes), self.numbers.together(nodes))])
        name = Reference(derivative_name(self.target, keys[nodes[0]][0]))
        arrays = any(is_array(self.table.computation.values[n]) for n in nodes)
        key = "contributions.loss.norms" if arrays else "contributions.loss.table"
        return Table(header, rows, say(key, name=name), "size")

    def _together(self, nodes: Sequence[int]) -> dict[int, Any]:
        values = self.table.computation.values
        return {n: added([s.get(n) for s in self.table.signals], values[n] * 0) for n in nodes}

    def _signal_lists(self, nodes: Sequence[int]) -> list[Block]:
        """One list for each loss, and one for all together: the notes' colours."""
        keys = self.table.computation.unfolded.keys
        blocks: list[Block] = []
        for at_loss in self._chosen(len(self.losses)):
            if at_loss is None:
                continue
            loss, signals = self.losses[at_loss], self.table.signals[at_loss]
            lines: list[Line] = []
            for n in [n for n in nodes if n in signals]:
                name = self._of_loss(loss, keys[n])
                lead: Words = () if name is not None else (reference(keys[n]), self.say.lead)
                of = self.numbers.of(self.numbers.signals(at_loss).get(n))
                lines.append(Line([*([] if name is None else [name]), shown(signals[n], of)], lead))
            if lines:
                blocks += [Paragraph(self.say("contributions.loss.signal", loss=reference(loss.key))), Formulas(lines)]
        lines = []
        totals, made = self._together(nodes), self.numbers.together(nodes)
        for n in nodes:
            reached = [(at, s[n]) for at, s in enumerate(self.table.signals) if n in s]
            own = [shown(value, self.numbers.of(self.numbers.signals(at).get(n))) for at, value in reached]
            name = Reference(derivative_name(self.target, keys[n][0]), tuple(map(Index, keys[n][1])))
            chain: list[Item] = [name]
            if 1 < len(own) <= MOST_COLUMNS:
                chain.append(_added(own))
            lines.append(Line([*chain, shown(totals[n], self.numbers.of(made.get(n)))]))
        return [*blocks, Paragraph((self.say.text("contributions.loss.together"),)), Formulas(lines)]

    def _gradient_table(self, splits: Sequence[Split], caption: Words = ()) -> Table:
        """The gradients of numbers, or norms: a row for each, a column for each loss."""
        columns = self._chosen(len(self.losses))
        header: list[Words] = [
            (),
            *(("…",) if at_loss is None else (reference(self.losses[at_loss].key),) for at_loss in columns),
        ]
        rows: list[Sequence[Words]] = []
        for split in splits:
            cells: list[Words] = []
            made = self.numbers.split(split)
            for at_loss in columns:
                if at_loss is None:
                    cells.append(("…",))
                    continue
                total, part = split.rows[at_loss], made.rows[at_loss]
                reached = any(c is not None for c in split.cells[at_loss])
                cells.append(cell(total, self.numbers.cell(total, part)) if reached else ())
            rows.append(
                [(self._gradient(split),), *cells, cell(split.total, self.numbers.cell(split.total, made.total))]
            )
        return Table([*header, self.say("contributions.sum")], rows, caption, "size")

    def _gradient_lines(self, split: Split) -> list[Line]:
        lines: list[Line] = []
        made = self.numbers.split(split)
        for at_loss in self._chosen(len(self.losses)):
            if at_loss is None or all(c is None for c in split.cells[at_loss]):
                continue
            name = self._of_loss(self.losses[at_loss], split.key)
            lead = () if name is not None else (reference(self.losses[at_loss].key), self.say.lead)
            of = self.numbers.of(made.rows[at_loss])
            lines.append(Line([*([] if name is None else [name]), shown(split.rows[at_loss], of)], lead))
        return [*lines, Line((self._gradient(split), shown(split.total, self.numbers.of(made.total))))]

    # -- by use

    def _by_use(self) -> list[Block]:
        say = self.say
        blocks: list[Block] = [self._users(parts) for parts in self.table.parts]
        blocks = [b for parts, b in zip(self.table.parts, blocks, strict=True) for b in (self._told(parts), b)]
        if self.table.splits:
            blocks.append(Paragraph((say.text("contributions.use.what"),)))
        sums = [self._sum_of_uses(split) for split in self.table.splits if not is_large(split.gradient)]
        blocks += [Formulas(sums)] if sums else []
        return [*blocks, *(self._norms_of_uses(split) for split in self.table.splits if is_large(split.gradient))]

    def _norms_of_uses(self, split: Split) -> Table:
        """The norms of large arrays, by use."""
        columns = self._chosen(len(split.uses))
        header: list[Words] = [("‖·‖",), *(("…",) if s is None else (self._use(split, s),) for s in columns)]
        made = self.numbers.split(split)
        found = [(None, None) if s is None else (split.columns[s], made.columns[s]) for s in columns]
        row = [("…",) if v is None else cell(v, self.numbers.cell(v, part)) for v, part in found]
        row.append(cell(split.total, self.numbers.cell(split.total, made.total)))
        return Table([*header, self.say("contributions.sum")], [[(self._gradient(split),), *row]], shade="size")

    def _sum_of_uses(self, split: Split) -> Line:
        """``∂⁺E/∂w = w@1 + w@2 = 0.4 − 0.2 = 0.2``."""
        columns = self._chosen(len(split.uses))
        chain: list[Item] = [
            self._gradient(split),
            _added([DOTS if s is None else self._use(split, s) for s in columns]),
        ]
        made = self.numbers.split(split)
        if len(split.uses) > 1:
            parts = [DOTS if s is None else shown(split.columns[s], self.numbers.of(made.columns[s])) for s in columns]
            chain.append(_added(parts))
        return Line([*chain, shown(split.total, self.numbers.of(made.total))])

    def _told(self, parts: Parts) -> Paragraph:
        """``∂⁺E/∂a_{k,t}: z_{k+1,t} (same time) and z_{k,t+1} (next time).``"""
        say = self.say
        told: list[Words] = []
        for part in parts.parts:
            shift = part.shift or 0
            key = {0: "same", 1: "next", -1: "previous"}.get(shift, "later" if shift > 0 else "earlier")
            time = say(f"time.{key}", count=say.count(abs(shift))) if part.shift is not None else ()
            words = say("contributions.use.part", user=part.user, time=time)
            if words not in told:  # two uses of h[S] at t' = 1, 2 are alike
                told.append(words)
        name = Reference(derivative_name(self.target, parts.node.name), parts.node.indices)
        return Paragraph(say("contributions.use.users", name=name, parts=say.listed(told)))

    def _users(self, parts: Parts) -> Table | Formulas:
        """A row a member, a column a kind of user; of arrays, a sum with its users behind it."""
        say = self.say
        few = len(parts.rows) <= MOST_NODES
        chosen: Sequence[int | None] = range(len(parts.rows)) if few else self._chosen(len(parts.rows))
        totals = [total for _, _, _, total in parts.rows]
        if any(map(is_array, totals)) and not any(map(is_large, totals)):
            return Formulas([Line((), ("…",)) if at is None else self._sum_of_parts(parts, at) for at in chosen])
        corner: Words = ("‖·‖",) if any(map(is_array, totals)) else ()
        header: list[Words] = [corner, *((p.user,) for p in parts.parts), say("contributions.sum")]
        rows: list[Sequence[Words]] = []
        for at in chosen:
            if at is None:
                rows.append([("…",), *[()] * (len(parts.parts) + 1)])
                continue
            key, row, _, total = parts.rows[at]
            cells = [cell(v, self.numbers.by_user(v, part)) for v, part in zip(row, parts.made[at], strict=True)]
            rows.append([(self._signal(key),), *cells, cell(total, self.numbers.whole(key, total))])
        return Table(header, rows, shade="size")

    def _sum_of_parts(self, parts: Parts, at: int) -> Line:
        key, row, users, total = parts.rows[at]
        of = self.numbers.by_user
        values = [shown(v, of(None, p)) for v, p in zip(row, parts.made[at], strict=True) if v is not None]
        chain: list[Item] = [self._signal(key)]
        if len(values) > 1:
            chain.append(_added(values))
        named = self.say.listed([reference(u) for u in users if u is not None])
        return Line(
            [*chain, shown(total, self.numbers.whole(key))], remark=self.say("contributions.use.from", users=named)
        )

    def _signal(self, key: Instance) -> Reference:
        return Reference(derivative_name(self.target, key[0]), tuple(map(Index, key[1])))


def _added(values: Sequence[Leaf]) -> Item:
    if len(values) == 1 and isinstance(values[0], (Value, Reference)):
        return values[0]
    return Formula(Call("add", tuple(slot(at) for at in range(len(values)))), values)


def _entry(text: str) -> tuple[str, tuple[int, ...]]:
    """``W:1,2`` as a name and an entry; an entry that is none is no entry of anything."""
    name, _, places = text.partition(":")
    digits = [p.strip() for p in places.split(",")]
    return name.strip(), tuple(int(d) for d in digits) if all(d.isascii() and d.isdigit() for d in digits) else ()
