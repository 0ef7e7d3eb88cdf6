"""The steps of forward mode: the equations of the sensitivities, then their numbers time by time, then the losses
added up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import Domain, Entry, Formula, Item, Ordered, Partial, Value
from bptt_solver.derivation import Chain, Cut, Group, NumberTable, shortened
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Index, Number, Reference, transform
from bptt_solver.language.templates import Slot
from bptt_solver.sensitivity import SensitivityEquation
from bptt_solver.steps.lines import distinct
from bptt_solver.steps.members import Members, readable
from bptt_solver.steps.tables import SHORT
from bptt_solver.steps.times import Times

if TYPE_CHECKING:
    from bptt_solver.analyses.methods.rtrl import Carried
    from bptt_solver.computation import Computation
    from bptt_solver.instances import Ground

At = tuple[int, ...]  # 0-based; () of a number
MOST_ROWS = 20
MOST_COLUMNS = 7
MOST_ZEROS = 3
SMALL = 16  # entries of an array that is shown as a summand


class Recurrence:
    """A folded equation of a sensitivity; of arrays the direct part: its name and, if it is simple, the place of its
    only entry and that entry."""

    __slots__ = ("chain", "direct", "domain")

    def __init__(self, chain: Chain, domain: Domain | None, direct: tuple[Partial, int, Item] | None) -> None:
        self.chain = chain
        self.domain = domain
        self.direct = direct


class ForwardSteps:
    """Forward mode for one entry: ``weight`` is its name, ``zeros`` the given quantities that it does not change.

    ``seed``: of a member of a family, its own change. ``running`` are the summands of the target with the sums so far,
    where the target is a plain sum.
    """

    def __init__(self, weight: Reference, total: Chain) -> None:
        self.weight = weight
        self.total = total
        self.recurrences: list[Recurrence] = []
        self.zeros: list[Ordered] = []
        self.groups: list[Group] = []
        self.tables: list[NumberTable] = []
        self.seed: Ordered | None = None
        self.running: list[tuple[Reference, Value] | Cut] = []


class _View:
    """What `Members` looks at, of one run of forward mode."""

    def __init__(self, carried: Carried, values: Sequence[Any]) -> None:
        self.unfolded = carried.unfolded
        self.values = values
        self.arithmetic = carried.computation.arithmetic
        self.problem = carried.computation.problem
        self.backward = carried.system.system
        self.shapes = carried.shapes
        self.made = None  # a page does not compute it again


class _Names(Members):
    """Names and values of an unfolded system of sensitivities."""

    def __init__(self, carried: Carried, at: At, values: Sequence[Any], digits: int, everything: bool) -> None:
        super().__init__(cast("Computation", _View(carried, values)), digits, everything)
        key = carried.key
        self.carried = carried
        self.indices = tuple(Index(i) for i in key[1])
        self.weight = Reference(key[0], self.indices)
        if at:
            self.weight = Entry(self.weight, tuple(i + 1 for i in at))
        self.bases = {own: number for number, own in carried.system.of.items()}
        self.ordered: dict[int, Ordered] = {}

    def plain_name(self, number: int) -> Reference:
        """The name of a forward instance."""
        return super().name(number)

    def name(self, number: int) -> Reference:
        """An instance's name: of a sensitivity ``∂⁺h_2/∂u``."""
        base = self.bases.get(number)
        if base is None:
            return super().name(number)
        if number not in self.ordered:
            self.ordered[number] = Ordered(self.unfolded.keys[number][0], super().name(base), self.weight)
        return self.ordered[number]


class Forward:
    """Makes the steps of forward mode for one entry of one instance."""

    def __init__(self, carried: Carried, at: At, times: Times, digits: int, everything: bool) -> None:
        self.carried = carried
        self.at = at
        self.times = times
        self.everything = everything
        self.values = carried.along(at)
        self.members: _Names = _Names(carried, at, self.values, digits, everything)
        self.unfolded = carried.unfolded
        self.base = carried.computation.problem.unfolded
        self.target = self.base.number[carried.computation.target_key]
        self.families = {name: family for family, name in carried.system.names.items()}
        self.of = {n: own for n, own in carried.system.of.items() if own != carried.system.seed}

    def steps(self, long: bool) -> ForwardSteps:
        """All of it; ``long``: tables by time instead of lines."""
        members = self.members
        own = self.of.get(self.target)
        nothing = Chain((Ordered("∂⁺", members.name(self.target), members.weight), members.value(0)))
        found = ForwardSteps(members.weight, self.line(own) if own is not None else nothing)
        if own is None:
            return found
        equations = {id(self.unfolded.equations[n]) for n in self.of.values()}
        found.recurrences = [self._recurrence(e) for e in self.carried.system.equations if id(e) in equations]
        found.zeros = self._zeros()
        key = self.carried.key
        terms = [t for e in self.carried.system.equations if id(e) in equations for t in e.terms]
        if any(t.use.name == key[0] and not t.direct for t in terms):
            found.seed = Ordered(self.carried.system.names[key[0]], Reference(key[0], members.indices), members.weight)
        order = [n for n in self.base.order if n in self.of and n != self.target]
        if long and any(self.times.of(self.base.keys[n]) is not None for n in order):
            found.tables = self._tables([n for n in order if self.times.of(self.base.keys[n]) is not None])
            order = [n for n in order if self.times.of(self.base.keys[n]) is None]
        found.groups = self._groups(shortened(order, self.everything))
        found.running = self._running(own)
        return found

    # -- folded

    def _recurrence(self, equation: SensitivityEquation) -> Recurrence:
        user = Reference(equation.of, equation.indices)
        partial = Partial(user, self.members.weight)
        terms: list[Expression] = []
        direct: tuple[Partial, int, Item] | None = None
        for term in equation.terms:
            if term.direct and self.at:
                direct = None if partial in terms else self._place(partial, term.expression, term.change)
                terms += [] if partial in terms else [partial]
            else:
                terms.append(transform(self.members.presented(term.expression), self._leaf))
        name = Ordered(equation.name, user, self.members.weight)
        domain = Domain(equation.ranges, equation.conditions) if equation.ranges else None
        return Recurrence(Chain((name, self.members.tree(build.add(terms)))), domain, direct)

    def _leaf(self, node: Expression) -> Expression:
        """Sensitivities as names for people."""
        if type(node) is not Reference or node.name not in self.families:
            return node
        return Ordered(node.name, Reference(self.families[node.name], node.indices), self.members.weight)

    def _place(self, partial: Partial, expression: Expression, change: Expression) -> tuple[Partial, int, Item] | None:
        """``W @ x``: the direct part has ``x[j]`` as entry ``i``; of a bias it has 1."""
        row = self.at[0] + 1
        if expression == change and len(self.at) == 1:
            return partial, row, self.members.value(1)
        if isinstance(expression, Call) and expression.operation == "matmul" and expression.arguments[0] == change:
            right = expression.arguments[1]
            if type(right) is Reference and self.carried.system.system.ranks.get(right.name) == 1:
                return partial, row, Entry(right, (self.at[1] + 1,))
        return None

    def _zeros(self) -> list[Ordered]:
        """The given members of families of sensitivities: the weight does not change them."""
        found: list[Ordered] = []
        system = self.carried.system
        read = {r for n in self.of for r in self.base.reads(n)}
        for number, (family, _) in enumerate(self.base.keys):
            is_other = number not in system.of and family in system.families
            if is_other and self.base.grounds[number] is None and number in read and len(found) < MOST_ZEROS:
                name = self.members.plain_name(number)
                found.append(Ordered(system.names[family], name, self.members.weight))
        return found

    # -- numbers

    def _groups(self, order: Sequence[int | Cut]) -> list[Group]:
        groups: list[Group] = []
        for number in order:
            if isinstance(number, Cut):
                groups.append(Group([number]))
                continue
            time = self.times.of(self.base.keys[number])
            if not groups or (groups[-1].at if groups[-1].variable else None) != time:
                groups.append(Group([], self.times.variable if time is not None else "", time or 0))
            groups[-1].lines.append(self.line(self.of[number]))
        return groups

    def line(self, own: int) -> Chain:
        """``∂⁺a_2/∂u = h_1 + u·∂⁺h_1/∂u = numbers = values of the terms = result``."""
        members = self.members
        grounds = self.unfolded.grounds[own] or ()
        equation = self.unfolded.equations[own]
        assert isinstance(equation, SensitivityEquation)
        pieces: list[list[Ground]] = []
        for ground in grounds:  # the direct part of an array is one piece, however often it is used
            if pieces and self.at and all(equation.terms[g.part].direct for g in (pieces[-1][0], ground)):
                pieces[-1].append(ground)
            else:
                pieces.append([ground])
        symbols = members.sum_of([self._symbols(own, equation, p) for p in pieces])
        items: list[Item] = [members.name(own), symbols] if self.unfolded.reads(own) else [members.name(own)]
        values = [members.total(p) for p in pieces]
        shape = self.carried.shapes.get(own, ())
        reads = [self.values[n] for n in self.unfolded.reads(own)]
        if reads and not shape and not any(is_array(v) for v in reads):
            items.append(members.formula(grounds, True))
        small = all(not is_array(v) or v.size <= SMALL for v in values)
        if len(pieces) > 1 and small:
            items.append(members.items([_or_zero(members.value(v)) for v in values]))
        return Chain(distinct([*items, members.shown(own)]), [shape] if shape else [])

    def _symbols(self, own: int, equation: SensitivityEquation, piece: Sequence[Ground]) -> Formula:
        if self.at and equation.terms[piece[0].part].direct:
            name = Partial(self.members.plain_name(self.members.bases[own]), self.members.weight)
            return self.members.items((name,))
        return self.members.ground(piece[0], False)

    def _running(self, own: int) -> list[tuple[Reference, Value] | Cut]:
        """The summands of a target that is a sum over an index, and the sums so far."""
        grounds = self.unfolded.grounds[own] or ()
        if len(grounds) != 1 or not isinstance(grounds[0].template.expression, Slot):
            return []
        inner = grounds[0].slots[0]
        if isinstance(inner, int) or len(inner) < 2:
            return []
        rows: list[tuple[Reference, Value]] = []
        total: Any = 0
        for ground in inner:
            (source,) = ground.slots if len(ground.slots) == 1 else (None,)
            if not isinstance(source, int) or not isinstance(ground.template.expression, Slot):
                return []
            name = self.members.name(source)
            if not isinstance(name, Ordered):
                return []
            total = total + self.values[source]
            rows.append((name.above, self.members.value(readable(total))))
        return shortened(rows, self.everything, MOST_ROWS, SHORT + 2, SHORT)

    # -- long systems

    def _tables(self, numbers: Sequence[int]) -> list[NumberTable]:
        """A row a time, a column a family (with its other indices); of long vectors the norms."""
        columns: dict[tuple[str, At], Ordered] = {}
        cells: dict[int, dict[tuple[str, At], int]] = {}
        norms: dict[tuple[str, At], bool] = {}
        for number in numbers:
            family, indices = self.base.keys[number]
            time = self.times.of((family, indices))
            assert time is not None
            position = self.times.system.time_position(family)
            column = (family, tuple([i for k, i in enumerate(indices) if k != position]))
            if column not in columns:
                variable = Index.variable(self.times.variable)
                shown = tuple(variable if k == position else Index(i) for k, i in enumerate(indices))
                name = self.unfolded.keys[self.of[number]][0]
                columns[column] = Ordered(name, Reference(family, shown), self.members.weight)
            cells.setdefault(time, {})[column] = self.of[number]
            value = self.values[self.of[number]]
            norms[column] = norms.get(column, False) or (is_array(value) and value.size > SHORT)
        times = shortened(sorted(cells), self.everything, MOST_ROWS)
        tables: list[NumberTable] = []
        names = list(columns)
        for start in range(0, len(names), MOST_COLUMNS):
            part = names[start : start + MOST_COLUMNS]
            rows: list[tuple[int, Sequence[Value | None]] | Cut] = []
            for time in times:
                if isinstance(time, Cut):
                    rows.append(time)
                else:
                    rows.append((time, [self._cell(cells[time].get(c), norms[c]) for c in part]))
            shown_columns = [columns[c] for c in part]
            tables.append(NumberTable(self.times.variable, shown_columns, [norms[c] for c in part], rows))
        return tables

    def _cell(self, own: int | None, norm: bool) -> Value | None:
        if own is None:
            return None
        if not norm:
            return self.members.shown(own)
        value = self.values[own]
        squares = sum(float(v) ** 2 for v in value.ravel().tolist()) if is_array(value) else float(value) ** 2
        return self.members.value(squares**0.5)


def _or_zero(value: Value) -> Value | Number:
    """An array of zeros is written 0."""
    return Number(0) if is_array(value.value) and not value.value.any() else value


__all__ = ["Forward", "ForwardSteps", "Recurrence"]
