"""The contribution table: a derivative by loss (rows) and by use (columns), and each error signal by user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.analyses.losses import Loss, Piece, Sweep, Sweeps, losses_of, size
from bptt_solver.analyses.made_sweeps import MadeSplit, MadeSweeps, seeds_of
from bptt_solver.analyses.made_sweeps import Part as MadePart
from bptt_solver.arithmetic import Value, is_array, is_exact
from bptt_solver.catalogues import message
from bptt_solver.contributions import contributions
from bptt_solver.errors import fail, suggest
from bptt_solver.language.expressions import Reference
from bptt_solver.made import Source
from bptt_solver.making import Making
from bptt_solver.steps.times import Times
from bptt_solver.system import Instance
from bptt_solver.terms import AdjointEquation
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    from bptt_solver.computation import Computation

Kind = tuple[object, ...]
BY = ("loss", "use", "both")
MOST_LOSSES = 400  # one sweep each
MOST_MADE = 20_000  # instances, once for each loss, that a page computes again
TOLERANCE = 1e-9  # of the sums, relative to the largest of what is added
SMALLEST = 1e-5  # of the largest error signal: below, what is left of numbers that cancelled is no difference


class Column:
    """One use: the instance whose equation uses the quantity, and the indices over which its uses are summed, if that
    names it (``w@2``)."""

    __slots__ = ("indices", "user")

    def __init__(self, user: Instance, indices: tuple[int, ...] | None) -> None:
        self.user = user
        self.indices = indices


class Split:
    """One derivative as a table: ``cells[l][s]`` is what reaches the use ``s`` from the loss ``l``, None where no path
    leads. ``rows`` and ``columns`` hold the sums, ``total`` their sum; ``gradient`` is what the ordinary sweep found,
    ``off`` the largest relative difference from it."""

    __slots__ = ("cells", "columns", "gradient", "key", "off", "rows", "total", "uses")

    def __init__(
        self,
        key: Instance,
        uses: Sequence[Column],
        cells: Sequence[Sequence[Value | None]],
        gradient: Value,
        least: float = 0.0,
    ) -> None:
        self.key = key
        self.uses = uses
        self.cells = cells
        self.gradient = gradient
        zero = gradient * 0
        self.rows = [added(row, zero) for row in cells]
        self.columns = [added([row[s] for row in cells], zero) for s in range(len(uses))]
        self.total = added(self.rows, zero)
        largest = max((size(c) for row in cells for c in row if c is not None), default=0.0)
        largest = max(largest, least)
        self.off = max(apart(self.total, gradient, largest), apart(added(self.columns, zero), gradient, largest))


class Part:
    """What one kind of user passes on: the user as a formula (``z[k+1,t]``), and how many steps later it stands (None:
    no time)."""

    __slots__ = ("shift", "user")

    def __init__(self, user: Reference, shift: int | None) -> None:
        self.user = user
        self.shift = shift


class Parts:
    """The error signals of a family, split by user. A row is a member, for each kind of user what those of that kind
    pass on together and the first of them (None: there is none), and the whole. ``made``: what stands for the numbers
    of each row."""

    __slots__ = ("made", "node", "parts", "rows")

    def __init__(self, node: Reference) -> None:
        self.node = node
        self.parts: list[Part] = []
        self.rows: list[tuple[Instance, list[Value | None], list[Instance | None], Value]] = []
        self.made: list[list[MadePart]] = []


class ContributionTable:
    """What was asked for with ``by``: ``loss``, ``use`` or ``both``."""

    key = "contributions"

    def __init__(
        self, computation: Computation, by: str = "both", entries: Sequence[str] = (), everything: bool = False
    ) -> None:
        if by not in BY:
            raise fail(
                message("contributions.by", by=by),
                hint=suggest(by, BY) or message("option.one_of", names=message.listed([*BY], "list.comma")),
            )
        self.computation = computation
        self.by = by
        self.entries = tuple(entries)
        self.everything = everything
        self._made: MadeTable | None = None
        self.times = Times(computation.problem.system)
        self.losses = losses_of(computation, self.times)
        _check_size(computation, self.losses, by)
        self.sweeps = Sweeps(computation, self.losses)
        self._place = {key: at for at, key in enumerate(computation.instances())}
        keys = [k for k in computation.problem.wanted() if self.sweeps.backward_number(k) is not None]
        self.signals: list[Mapping[int, Value]] = []
        found: list[Sweep] = []
        for at_loss in range(len(self.losses)):
            found.append(self.sweeps.run([at_loss], kept=keys))
            self.signals.append(found[-1].signals)
        signals = (size(v) for s in self.signals for v in s.values())
        self.least = SMALLEST * max(signals, default=0.0)
        self.splits = [self._split(key, found) for key in keys]
        self.parts = parts_by_user(computation, self.times) if by == "use" else []
        self.off = max([s.off for s in self.splits] + [self._signals_off()])

    @property
    def passed(self) -> bool:
        """Whether everything adds up to what the ordinary sweep found."""
        return self.off <= TOLERANCE

    def split(self, name: str) -> Split:
        """The table of one wanted quantity. Raises ProblemError if there is none of that name."""
        for split in self.splits:
            if instance_text(split.key) == name:
                return split
        known = [instance_text(s.key) for s in self.splits]
        raise fail(
            message("contributions.no_table", name=name),
            hint=suggest(name, known) or message("contributions.tables", names=message.listed([*known], "list.comma")),
        )

    def _split(self, key: Instance, found: Sequence[Sweep]) -> Split:
        number = self.computation.unfolded.number[key]
        pieces = [s.pieces.get(number, []) for s in found]
        uses = sorted(self.sweeps.pieces(key), key=lambda piece: self._place[piece.user])
        return split_of(self.computation, key, uses, pieces, self.least)

    def made(self) -> MadeTable | None:
        """What stands for the numbers, so that a page can compute them again; None where they are too many."""
        if len(self.losses) * len(self.computation.problem.unfolded.order) > MOST_MADE:
            return None
        self._made = self._made or MadeTable(self)
        return self._made

    def separate(self) -> bool:
        """Whether the target alone reads the losses, as it does where they are a family of their own."""
        forward = self.computation.problem.unfolded
        own = {loss.number for loss in self.losses if forward.grounds[loss.number] is not None}
        read = [n for number in forward.order for n in forward.reads(number) if n in own]
        return len(own) == len(self.losses) and len(read) <= len(own)

    def nodes(self) -> list[int]:
        """The computed instances that some loss reaches, in the order of the sweep, the losses themselves left out."""
        own = {loss.number for loss in self.losses} if self.separate() else set()
        forward = self.computation.problem.unfolded
        reached = {number for signals in self.signals for number in signals}
        target = self.computation.unfolded.number[self.computation.target_key]
        return [n for n in reversed(forward.order) if n in reached and n not in own and n != target]

    def _signals_off(self) -> float:
        """How far the signals of all losses together are from the ordinary sweep's, at worst."""
        worst = 0.0
        for number in self.nodes():
            merged = self.computation.derivative(self.computation.unfolded.keys[number])
            own = [s[number] for s in self.signals if number in s]
            worst = max(worst, apart(added(own, merged * 0), merged, max(self.least, *(size(v) for v in own))))
        return worst

    def data(self) -> dict[str, Any]:
        """The tables as plain data (see docs/json.md)."""
        keys = self.computation.unfolded.keys
        result: dict[str, Any] = {
            "by": self.by,
            "losses": [
                {"name": instance_text(loss.key), "time": loss.time, "weight": plain(loss.seed)} for loss in self.losses
            ],
            "agrees": self.passed,
            "worst_relative": self.off,
            "gradients": {instance_text(s.key): self.split_data(s) for s in self.splits},
        }
        if self.by == "loss":
            result["error_signals"] = {
                instance_text(loss.key): {instance_text(keys[n]): plain(v) for n, v in signals.items()}
                for loss, signals in zip(self.losses, self.signals, strict=True)
            }
        if self.by == "use":
            result["error_signals_by_user"] = [
                {"name": instance_text(key), "parts": self._row_data(parts, values), "total": plain(total)}
                for parts in self.parts
                for key, values, _, total in parts.rows
            ]
        return result

    def loss_names(self) -> list[str]:
        """The losses, as the language writes them."""
        return [instance_text(loss.key) for loss in self.losses]

    def split_data(self, split: Split) -> dict[str, Any]:
        """One table as plain data: what ``by`` asks for of uses, sums and cells, and the total."""
        data: dict[str, Any] = {}
        if self.by != "loss":
            data["uses"] = [instance_text(c.user) for c in split.uses]
            data["by_use"] = [plain(v) for v in split.columns]
        if self.by != "use":
            data["by_loss"] = [plain(v) for v in split.rows]
        if self.by == "both":
            data["cells"] = [[None if v is None else plain(v) for v in row] for row in split.cells]
        data["total"] = plain(split.total)
        return data

    @staticmethod
    def _row_data(parts: Parts, values: Sequence[Value | None]) -> list[dict[str, Any]]:
        from bptt_solver.language.notation.source import to_source

        return [
            {"user": to_source(part.user), "later": part.shift, "value": plain(value)}
            for part, value in zip(parts.parts, values, strict=True)
            if value is not None
        ]


class MadeTable:
    """What stands for the numbers of a table: ``seeds`` and ``signals`` by loss, ``splits`` by quantity."""

    def __init__(self, table: ContributionTable) -> None:
        self.seeds = seeds_of(table.computation, table.losses)
        sweeps = MadeSweeps(table.computation, table.sweeps, self.seeds)
        keys = [split.key for split in table.splits]
        found = [sweeps.run([at], kept=keys) for at in range(len(table.losses))]
        self.making = sweeps.making
        self.signals = [sweep.signals for sweep in found]
        numbers = [table.computation.unfolded.number[key] for key in keys]
        pieces = [[sweep.pieces.get(number, []) for sweep in found] for number in numbers]
        self.splits: dict[Instance, MadeSplit] = {}
        for split, own in zip(table.splits, pieces, strict=True):
            self.splits[split.key] = MadeSplit(self.making, [column.user for column in split.uses], own)


def plain(value: Value) -> Any:
    """A value for the JSON output. A printed table needs none of that module."""
    from bptt_solver.results import plain as as_data

    return as_data(value)


def _check_size(computation: Computation, losses: Sequence[Loss], by: str) -> None:
    if len(losses) > MOST_LOSSES:
        raise fail(
            message(f"contributions.many_{by}", count=f"{len(losses):,}", most=MOST_LOSSES),
            hint=message("contributions.shorten"),
        )
    if by == "both":
        amount = 0
        for key in computation.problem.wanted():
            number = computation.derivative_number(key)
            uses = 0 if number is None else len(computation.unfolded.grounds[number] or ())
            value = computation.value(key)
            amount += len(losses) * uses * (value.size if is_array(value) else 1)
        computation.problem.limits.check("elements", amount, lambda: message("limit.contributions"))


def split_of(
    computation: Computation,
    key: Instance,
    uses: Sequence[Piece],
    found: Sequence[Sequence[Piece]],
    least: float = 0.0,
) -> Split:
    """The table of one quantity from its uses and the pieces of one sweep for each loss; uses by the same user are one
    column. ``least``: differences are relative to this at least."""
    single = len({(id(p.term.via), p.term.slot) for p in uses}) == 1
    columns: dict[Instance, Column] = {}
    for piece in uses:
        indices = tuple(piece.environment[r.variable] for r in piece.term.ranges) if single else ()
        columns.setdefault(piece.user, Column(piece.user, indices or None))
    place = {user: at for at, user in enumerate(columns)}
    cells: list[list[Value | None]] = []
    for pieces in found:
        row: list[Value | None] = [None] * len(columns)
        for piece in pieces:
            before = row[place[piece.user]]
            row[place[piece.user]] = piece.value if before is None else before + piece.value
        cells.append(row)
    return Split(key, list(columns.values()), cells, computation.derivative(key), least)


def added(values: Sequence[Value | None], zero: Value) -> Value:
    """The sum of what is there."""
    total: Value = zero
    first = True
    for value in values:
        if value is not None:
            total = value if first else total + value
            first = False
    return total


def apart(one: Value, other: Value, largest: float) -> float:
    """The difference of two values relative to the largest of what was added up; exact ones are equal or not."""
    if is_exact(one) and is_exact(other) and not is_array(one):
        return 0.0 if one == other else 1.0
    scale = max(largest, size(one), size(other))
    return size(one - other) / scale if scale else 0.0


# ----------------------------------------------------------------------------- by user


def parts_by_user(computation: Computation, times: Times) -> list[Parts]:
    """Each family whose members have several kinds of users: what each kind passes on. Users are of one kind if they
    belong to one family and their indices are as far from the node's (``z[k+1,t]``: next layer, same time)."""
    families: dict[str, dict[Kind, Part]] = {}
    nodes: dict[str, Reference] = {}
    rows: dict[str, list[tuple[Instance, dict[Kind, tuple[Value, Instance]], Value]]] = {}
    made: dict[str, list[dict[Kind, list[Source]]]] = {}
    making = Making(computation.made, computation.unfolded)
    sizes = computation.problem.system.sizes
    unfolded = computation.unfolded
    for number in unfolded.order:
        base = computation.base(number)
        if computation.problem.unfolded.grounds[base] is None:
            continue
        key = unfolded.keys[base]
        equation = unfolded.equations[number]
        assert isinstance(equation, AdjointEquation)
        kinds = families.setdefault(key[0], {})
        row: dict[Kind, tuple[Value, Instance]] = {}
        sources: dict[Kind, list[Source]] = {}
        for part in contributions(computation, number):
            apart = times.apart(key, part.user, part.term.via)
            kind = _kind(key, part.user, apart)
            known = kinds.get(kind)
            if known is None or _generality(part.term.user, sizes) > _generality(known.user, sizes):
                kinds[kind] = Part(part.term.user, apart)
            sources.setdefault(kind, []).append(making.ground(part.ground))
            row[kind] = (row[kind][0] + part.value, row[kind][1]) if kind in row else (part.value, part.user)
        node = Reference(key[0], equation.indices)
        if key[0] not in nodes or _generality(node, sizes) > _generality(nodes[key[0]], sizes):
            nodes[key[0]] = node
        rows.setdefault(key[0], []).append((key, row, computation.values[number]))
        made.setdefault(key[0], []).append(sources)
    result: list[Parts] = []
    for name, kinds in families.items():
        if len(kinds) < 2 or name == computation.target_key[0]:
            continue
        parts = Parts(nodes[name])
        order = sorted(kinds, key=lambda k: (kinds[k].shift is None, abs(kinds[k].shift or 0), kinds[k].shift or 0))
        parts.parts = [kinds[kind] for kind in order]
        for key, row, total in rows[name]:
            found = [row.get(kind) for kind in order]
            parts.rows.append((key, [f and f[0] for f in found], [f and f[1] for f in found], total))
        for sources in made[name]:
            parts.made.append([making.sum(sources[kind]) if kind in sources else None for kind in order])
        result.append(parts)
    return result


def _kind(node: Instance, user: Instance, apart: int | None) -> Kind:
    if len(node[1]) == len(user[1]):
        return (user[0], *(b - a for a, b in zip(node[1], user[1], strict=True)))
    return (user[0], "shift", apart)


def _generality(reference: Reference, sizes: Mapping[str, int]) -> int:
    """How many index variables a reference has, sizes not counted."""
    return sum(v not in sizes for i in reference.indices for v in i.variables())


__all__ = ["BY", "Column", "ContributionTable", "Part", "Parts", "Split", "added", "apart", "parts_by_user", "split_of"]
