"""Gradient flow in words: what is left of each state, which factors shrink it, how large the error signals are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from bptt_solver.analyses.courses import Course, GroupFlow, Reach
from bptt_solver.analyses.factors import Factor
from bptt_solver.analyses.gradient_flow import Flow
from bptt_solver.analyses.states import State
from bptt_solver.analyses.transport import Size
from bptt_solver.blocks import Block, Cell, Formula, Heading, Item, Note, Paragraph, Partial, Table, Value, Words
from bptt_solver.derivation import Cut, shortened
from bptt_solver.language.expressions import Call, Index, Number, Reference, derivative_name
from bptt_solver.narration.catalogue import Catalogue
from bptt_solver.narration.flow_numbers import FlowNumbers

MOST_ROWS = 20  # of a table that is printed whole
ENDS = 5  # of a longer one, at both ends
MOST_VALUES = 4  # singular values that are all shown
MOST_GROUPS = 4
MOST_STATES = 4
MOST_FACTORS = 24
MOST_COLUMNS = 7
NEUTRAL = 1e-9  # a factor so near to 1 neither shrinks nor stretches

Column = tuple[Words, Callable[[int], Words]]  # a header, and the cell of a time


def flow_blocks(flow: Flow, say: Catalogue) -> list[Block]:
    """The section."""
    return _FlowWords(flow, say).blocks()


class _FlowWords:
    def __init__(self, flow: Flow, say: Catalogue) -> None:
        self.flow = flow
        self.say = say
        families = flow.computation.problem.system.families
        names = ["s", "r", *("s" + "'" * k for k in range(1, len(families) + 2))]
        self.start = Reference(next(n for n in names if n not in (flow.variable, *families)))
        self.variable = Reference(flow.variable)
        self.cells = FlowNumbers(flow)

    def blocks(self) -> list[Block]:
        flow, say = self.flow, self.say
        found: list[Block] = [Heading((say.text("flow.title"),))]
        if not flow.groups:
            key = "flow.nothing" if flow.variable else "flow.timeless"
            return [*found, Paragraph(say(key, variable=self.variable))]
        state = flow.groups[0].group.states[0]
        one, other = state.reference(Index.variable(flow.variable)), self._at(state, 0)
        words = say("flow.what", jacobian=self._jacobian(state, None, 0), state=one, earlier=other)
        if any(c.size > 1 for g in flow.groups for c in g.courses):
            words = (*words, say.gap, *say("flow.what.arrays"))
        found.append(Paragraph(words))
        for group in flow.groups[:MOST_GROUPS]:
            found += self._group(group)
        if len(flow.groups) > MOST_GROUPS:
            found.append(Paragraph(say("flow.more.groups", count=f"{len(flow.groups) - MOST_GROUPS:,}")))
        found.append(Note(say(self._moral())))
        return found

    def _moral(self) -> str:
        verdicts = [c.verdict for g in self.flow.groups for c in g.courses]
        if "exploding" in verdicts:
            return "flow.moral.exploding" if "vanishing" not in verdicts else "flow.moral.both"
        return "flow.moral.vanishing" if "vanishing" in verdicts else "flow.moral.steady"

    # -- names

    def _at(self, state: State, shift: int) -> Reference:
        """A state at the earlier time (and so many steps later)."""
        return state.reference(Index.variable(self.start.name).plus(shift))

    def _jacobian(self, state: State, last: int | None, shift: int) -> Reference:
        """``∂⁺h_3/∂h_s``; without ``last`` ``∂⁺h_t/∂h_s``."""
        name = derivative_name(state.text(self.flow.variable if last is None else last), state.name)
        return Reference(name, self._at(state, shift).indices)

    def _step(self, state: State, direction: int) -> Reference:
        """``∂⁺h_{s+1}/∂h_s``."""
        sign = "+" if direction > 0 else "-"
        name = derivative_name(state.text(f"{self.start.name}{sign}1"), state.name)
        return Reference(name, self._at(state, 0).indices)

    # -- one group

    def _group(self, group: GroupFlow) -> list[Block]:
        say = self.say
        found: list[Block] = []
        for course in group.courses[:MOST_STATES]:
            found += self._course(group, course)
        if len(group.courses) > MOST_STATES:
            found.append(Paragraph(say("flow.more.states", count=f"{len(group.courses) - MOST_STATES:,}")))
        if group.together is not None:
            found += self._together(group.together)
        elif not group.group.simple:
            key = "flow.lags" if group.group.lag > 1 else "flow.detours"
            found.append(Paragraph(say(key, lag=str(group.group.lag))))
        if group.factors:
            found.append(self._factors(group))
        if group.ways:
            found.append(self._ways(group))
        found += self._causes(group)
        found += self._signals(group)
        return found

    def _course(self, group: GroupFlow, course: Course) -> list[Block]:
        say = self.say
        state, end = course.states[0], course.reaches[-1]
        jacobian = Reference(
            derivative_name(state.text(course.last), state.name), state.reference(Index(end.time)).indices
        )
        words = say(
            f"flow.verdict.{course.verdict}",
            state=state.reference(Index.variable(self.flow.variable)),
            size=(jacobian, " = ", _signed(end, self.cells.value(course, end.time)))
            if end.value is not None
            else ("‖", jacobian, "‖ = ", _size(end.norm, self.cells.norm(course, end.time))),
            factor=say(
                "flow.factor.one" if course.steps == 1 else "flow.factor.mean",
                factor=Value(course.factor, of=self.cells.mean(course)),
                steps=say.count(course.steps),
            ),
            last=state.reference(Index(course.last)),
            first=state.reference(Index(end.time)),
        )
        caption = self._caption(group, course)
        return [Paragraph(words), self._table(course.reaches, self._columns(group, course), caption)]

    def _caption(self, group: GroupFlow, course: Course) -> Words:
        say, state = self.say, course.states[0]
        names: dict[str, Item | Words | str] = {
            "jacobian": self._jacobian(state, course.last, 0),
            "step": self._step(state, group.group.direction),
            "last": state.reference(Index(course.last)),
            "first": self._at(state, 0),
        }
        if course.size == 1:
            alone = group.group.simple and len(group.group.states) == 1
            return say("flow.table.number.product" if alone else "flow.table.number", **names)
        key = "flow.table.all" if course.size <= MOST_VALUES else "flow.table.ends"
        words = say(key, **names)
        return (*words, *say("flow.table.bound")) if course.reaches[0].bound is not None else (*words, say.lead)

    def _columns(self, group: GroupFlow, course: Course) -> list[Column]:
        say, state = self.say, course.states[0]
        rows = {r.time: r for r in course.reaches}
        step = self._step(state, group.group.direction)
        if course.size == 1:
            return [
                ((self._jacobian(state, course.last, 0),), lambda t: (_signed(rows[t], self.cells.value(course, t)),)),
                ((step,), lambda t: _maybe(rows[t].step_value, self.cells.value(course, t, step=True))),
            ]
        columns = self._values(rows, course)
        if course.reaches[0].bound is not None:
            columns.append(
                ((say.text("flow.column.bound"),), lambda t: _sized(rows[t].bound, self.cells.bound(course, t)))
            )
        columns.append((("‖", step, "‖"), lambda t: _maybe(rows[t].step, self.cells.norm(course, t, step=True))))
        return columns

    def _values(self, rows: dict[int, Reach], course: Course) -> list[Column]:
        """Columns of singular values."""

        def column(at: int) -> Column:
            name = Reference("σ" + str(at % size + 1).translate(_SUBSCRIPTS))
            of = self.cells.norm
            return (
                name,
            ), lambda t: (_size(rows[t].sizes[at], of(course, t, at % size)),) if at < len(rows[t].sizes) else ()

        size = course.size
        return [column(at) for at in (range(size) if size <= MOST_VALUES else (0, -1))]

    def _together(self, course: Course) -> list[Block]:
        say = self.say
        rows = {r.time: r for r in course.reaches}
        last: list[Item] = [s.reference(Index(course.last)) for s in course.states]
        first: list[Item] = [self._at(s, 0) for s in course.states]
        columns = self._values(rows, course)
        columns.append(((say.text("flow.column.bound"),), lambda t: _sized(rows[t].bound, self.cells.bound(course, t))))
        step = self.cells.norm
        columns.append(((say.text("flow.column.step"),), lambda t: _maybe(rows[t].step, step(course, t, step=True))))
        caption = say(
            "flow.together",
            names=say.listed([s.reference(Index.variable(self.flow.variable)) for s in course.states]),
            last=say.listed(last, "list.comma"),
            first=say.listed(first, "list.comma"),
            factor=Value(course.factor, of=self.cells.mean(course)),
        )
        return [self._table(course.reaches, columns, caption)]

    def _table(self, reaches: Sequence[Reach], columns: Sequence[Column], caption: Words) -> Table:
        times: list[int] = [r.time for r in reaches]
        return self._by_time(self.start, times, columns, caption)

    def _by_time(self, name: Reference, times: Sequence[int], columns: Sequence[Column], caption: Words) -> Table:
        rows: list[Sequence[Words]] = []
        for time in shortened(times, self.flow.everything, MOST_ROWS, ENDS, ENDS):
            if isinstance(time, Cut):
                rows.append([("…",), *(("…",) for _ in columns)])
            else:
                cells = [cell(time) for _, cell in columns]
                if any(cells):
                    rows.append([(_time(time),), *cells])
        return Table([(name,), *(header for header, _ in columns)], rows, caption, "growth")

    # -- factors

    def _factors(self, group: GroupFlow) -> Table:
        say = self.say
        numbers = all(f.shape == (1, 1) for f in group.factors)
        spectral = any(f.radius is not None for f in group.factors)
        header: list[Words] = [(say.text("flow.factor"),), (say.text("flow.size" if numbers else "flow.norm"),)]
        if not numbers:
            header.append((say.text("flow.smallest"),))
        means = any(f.mean is not None and not f.weight for f in group.factors)
        if means:
            header.append((say.text("flow.mean"),))
        if spectral:
            header.append((say.text("flow.radius"),))
        rows: list[Sequence[Words]] = []
        for factor in group.factors[:MOST_FACTORS]:
            row: list[Words] = [self._named(factor), _span(factor.largest.values(), self.cells.ends(group, factor, 0))]
            if not numbers:
                row.append(_span(factor.smallest.values(), self.cells.ends(group, factor, -1)))
            if means:
                mean = self.cells.size_mean(group, factor)
                row.append(_maybe(factor.mean if not factor.weight else None, mean))
            if spectral:
                row.append(_maybe(factor.radius))
            rows.append(row)
        if len(group.factors) > MOST_FACTORS:
            rows.append([say("cut", count=f"{len(group.factors) - MOST_FACTORS:,}"), *(() for _ in header[1:])])
        return Table(header, rows, say("flow.factors"))

    def _ways(self, group: GroupFlow) -> Table:
        """All ways of a step, and how much goes through each."""
        say = self.say
        rows: list[Sequence[Words]] = []
        for way in group.ways:
            names: list[Words] = []
            for at, reference in enumerate(self.flow.through(group.group, way)):
                names += [(say.text("order.arrow"),), (reference,)] if at else [(reference,)]
            words = tuple(word for part in names for word in part)
            norms = self.cells.way(group, way)
            mean = self.cells.way_mean(norms) if way.mean else None
            rows.append([words, (Value(way.mean, of=mean),), _span(way.norms.values(), self.cells.between(norms))])
        header: list[Words] = [(say.text(key),) for key in ("flow.way", "flow.way.mean", "flow.way.span")]
        return Table(header, rows, say("flow.ways"))

    def _named(self, factor: Factor) -> Words:
        name = Partial(factor.above, factor.below)
        if factor.formula is None:
            return (name,)
        ranks = self.flow.computation.backward.ranks if self.flow.computation.shapes else None
        return name, " = ", Formula(factor.formula, (), ranks)

    def _causes(self, group: GroupFlow) -> list[Block]:
        found: list[Block] = []
        if group.gains and len(group.path) > 1:
            most = 1.0
            for factor in group.path:
                most *= max(factor.largest.values())
            key = "flow.contracts" if most < 1 else "flow.allows"
            found.append(Paragraph((*self._gains(group), self.say.gap, *self.say(key, bound=Value(most)))))
        for course in group.courses[:MOST_STATES]:
            end, state = course.reaches[-1], course.states[0]
            if end.direct is None:
                continue
            place = (state.name, state.rest)
            factor = next(f for f in group.factors if f.user == f.read == place)
            words = self.say(
                "flow.direct",
                one=factor.above,
                other=factor.below,
                factor=self._named(factor),
                between=_span(factor.largest.values(), self.cells.ends(group, factor, 0)),
                first=state.reference(Index(end.time)),
                alone=_size(end.direct),
                total=_size(end.norm, self.cells.norm(course, end.time)),
            )
            found.append(Paragraph(words))
        return found

    def _gains(self, group: GroupFlow) -> Words:
        """Which factor shrinks or stretches the signal how much."""
        say, course = self.say, group.courses[0]
        down = course.factor < 1
        pairs = sorted(zip(group.gains, range(len(group.path)), strict=True), reverse=not down)
        parts: list[Words] = []
        leading = ""
        for gain, k in pairs:
            factor = group.path[k]
            effect = "keeps" if abs(gain - 1) < NEUTRAL else "shrinks" if gain < 1 else "stretches"
            key = f"flow.gain.{effect}"
            if effect != "keeps":
                key += ".most" if not leading else ".too" if leading == effect else ""
            leading = leading or effect
            kept: Words = self._named(factor)
            if factor.mean is not None and not factor.weight:
                kept = (*kept, *say("flow.gain.mean", mean=Value(factor.mean)))
            parts.append(say(key, factor=kept, gain=Value(gain)))
        end = course.reaches[-1]
        return say(
            "flow.gains" if course.size > 1 else "flow.gains.number",
            variable=self.variable,
            last=_time(course.last),
            first=_time(end.time),
            change=say("flow.falls" if down else "flow.grows", size=_size(end.norm, self.cells.norm(course, end.time))),
            parts=say.listed(parts, "list.semicolon"),
        )

    # -- error signals

    def _signals(self, group: GroupFlow) -> list[Block]:
        say = self.say
        target = self.flow.computation.target_text
        if group.entered is None or not group.signals:
            return [Paragraph(say("flow.signals.none", target=target))]
        direction = group.group.direction
        ends = {(c.states[0].name, c.states[0].rest): c for c in group.courses}
        tables: list[list[Column]] = [[]]
        for signal in group.signals:
            lengths, numbers = signal.lengths, signal.numbers

            def length(time: int, lengths: dict[int, float] = lengths, numbers: dict[int, int] = numbers) -> Words:
                return _maybe(lengths.get(time), self.cells.length(numbers.get(time)))

            columns: list[Column] = [(("‖", signal.reference, "‖"), length)]
            state = signal.state
            if len(tables[-1]) + (1 if state is None else 3) > MOST_COLUMNS:
                tables.append([])
            tables[-1].extend(columns)
            if state is None:
                continue

            def ratio(time: int, lengths: dict[int, float] = lengths, numbers: dict[int, int] = numbers) -> Words:
                following = lengths.get(time + direction)
                if time not in lengths or not following:
                    return ()
                return _maybe(lengths[time] / following, self.cells.ratio(numbers[time], numbers[time + direction]))

            tables[-1].append(((say.text("flow.column.ratio"),), ratio))
            course = ends.get((state.name, state.rest))
            if course is not None and _differs(course, lengths):
                header = say("flow.column.entered", variable=self.variable, last=_time(group.entered))

                def arriving(time: int, course: Course = course) -> Words:
                    return _sized(course.arrived.get(time), self.cells.arrived(course, time))

                tables[-1].append((header, arriving))
        times = [t for t in reversed(group.group.times) if any(t in s.lengths for s in group.signals)]
        several = any(
            _differs(ends[s.state.name, s.state.rest], s.lengths)
            for s in group.signals
            if s.state is not None and (s.state.name, s.state.rest) in ends
        )
        captions = [say("flow.signals" if several else "flow.signals.last"), *(() for _ in tables[1:])]
        return [self._by_time(self.variable, times, c, caption) for c, caption in zip(tables, captions, strict=True)]


_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def _size(size: Size, of: Cell | None = None) -> Item:
    """A size, also one that no float holds: ``1.2·10⁻⁵²²``."""
    number = size.number
    if number is not None:
        return Value(number, of=of)
    assert size.log10 is not None
    power = int(size.log10 // 1)
    tens = Number(abs(power))
    exponent = Call("neg", (tens,)) if power < 0 else tens
    mantissa = float(f"{10 ** (size.log10 - power):.6g}")
    return Formula(Call("mul", (Number(mantissa), Call("power", (Number(10), exponent)))))


def _differs(course: Course, lengths: Mapping[int, float]) -> bool:
    """Whether errors enter anywhere but at the end."""
    for time, size in course.arrived.items():
        number = size.number
        if number is None or abs(number - lengths.get(time, 0.0)) > NEUTRAL * number:
            return True
    return len(course.arrived) < len(lengths)


def _time(time: int) -> str:
    return str(time).replace("-", "−")


def _sized(size: Size | None, of: Cell | None = None) -> Words:
    return () if size is None else (_size(size, of),)


def _signed(reach: Reach, of: Cell | None) -> Item:
    return Value(reach.value, of=of) if reach.value is not None else _size(reach.norm)


def _maybe(number: float | None, of: Cell | None = None) -> Words:
    return () if number is None else (Value(number, of=of),)


def _span(numbers: Iterable[float], of: tuple[Cell, Cell] | None = None) -> Words:
    """``0.3``, or ``0.1 … 0.3``: the smallest and the largest."""
    values = sorted(numbers)
    low, high = of or (None, None)
    if values[0] == values[-1]:
        return (Value(values[0], of=low),)
    return Value(values[0], of=low), " … ", Value(values[-1], of=high)
