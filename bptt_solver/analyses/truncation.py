"""Truncated backpropagation through time: how far back the error of a loss may travel, what that cuts off, and how far
the gradient is then from the true one.

Two rules, which are often mixed up. *Depth*: the loss at time l reaches the uses at the times s with l - s <= depth (a
band of the contribution table). *Windows*: the losses come in windows of k1 steps; those of a window are swept together
through its steps and k2 - k1 earlier ones. In both, the forward pass is the whole one: a state is carried over the cut
with its value, only nothing is passed back through it (it is detached).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.analyses.losses import Loss, Sweeps, losses_of, size
from bptt_solver.arithmetic import Value, is_array
from bptt_solver.catalogues import message
from bptt_solver.errors import Source, Span, fail, suggest
from bptt_solver.results import plain
from bptt_solver.steps.times import Times
from bptt_solver.system import Instance
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.problem.network import Settings

OPTIONS = ("depth", "k1", "k2")
_LEAST = {"depth": 0, "k1": 1, "k2": 1}
_MOST = 10**9


class Rule:
    """``depth``, or ``k1`` and ``k2`` (the others are None)."""

    __slots__ = ("depth", "k1", "k2", "span")

    def __init__(
        self, depth: int | None, k1: int | None = None, k2: int | None = None, span: Span | None = None
    ) -> None:
        self.depth = depth
        self.k1 = k1
        self.k2 = k2 if k2 is not None else k1
        self.span = span

    def bound(self, time: int, start: int) -> int:
        """The last time at which nothing of a loss arrives any more; ``start`` is the first time step."""
        if self.depth is not None:
            return time - self.depth - 1
        assert self.k1 is not None and self.k2 is not None
        return start - 1 + (time - start) // self.k1 * self.k1 - (self.k2 - self.k1)

    def data(self) -> dict[str, int]:
        """The options that say it."""
        if self.depth is not None:
            return {"depth": self.depth}
        assert self.k1 is not None and self.k2 is not None
        return {"k1": self.k1, "k2": self.k2}


def _example() -> str:
    return message("truncation.example", one="{depth: 2}", other="{k1: 2, k2: 4}")


def rule_of(settings: Settings) -> Rule:
    """The rule of a document's ``truncate:``. Raises ProblemError for anything that is none, at its place."""
    options = settings.options
    if "" in options:
        raise fail(message("truncation.needs"), settings.span, _example())
    spans = {name: (settings.span_of(name, key=True), settings.span_of(name)) for name in options}
    return _rule(options, spans, settings.span)


def rule_from_text(text: str) -> Rule:
    """The rule of ``--truncate depth=2`` or ``k1=2,k2=4``. Raises ProblemError."""
    source = Source("--truncate", text)
    options: dict[str, object] = {}
    spans: dict[str, tuple[Span, Span]] = {}
    at = 0
    for piece in text.split(","):
        word, equals, number = piece.partition("=")
        name, digits = word.strip(), number.strip()
        start = at + len(word) - len(word.lstrip())
        first = at + len(word) + 1 + len(number) - len(number.lstrip())
        if not equals:
            hint = message("truncation.option_example")
            raise fail(message("truncation.form", name=name), Span(source, start, start + len(name)), hint)
        if name in options:
            raise fail(message("truncation.stands_twice", name=name), Span(source, start, start + len(name)))
        unsigned = digits.removeprefix("-")
        whole = unsigned.isascii() and unsigned.isdigit() and len(unsigned) <= 10
        options[name] = int(digits) if whole else digits
        spans[name] = (Span(source, start, start + len(name)), Span(source, first, first + len(digits)))
        at += len(piece) + 1
    return _rule(options, spans, Span(source, 0, len(text)))


def rule_from(value: object) -> Rule:
    """The rule that a caller of the API gives: the text of the option, or a mapping."""
    if isinstance(value, str):
        return rule_from_text(value)
    if not isinstance(value, Mapping):
        raise fail(
            message("truncation.cannot", value=repr(value)),
            hint=message("truncation.value_example", one="{'depth': 2}", other="'k1=2,k2=4'"),
        )
    return _rule({str(k): v for k, v in value.items()}, {}, None)


def _rule(options: Mapping[str, object], spans: Mapping[str, tuple[Span, Span]], whole: Span | None) -> Rule:
    given: dict[str, int] = {}
    for name, value in options.items():
        key_span, value_span = spans.get(name, (whole, whole))
        if name not in OPTIONS:
            hint = suggest(name, OPTIONS) or message("option.options", names=message.listed([*OPTIONS], "list.comma"))
            raise fail(message("truncation.unknown", name=name), key_span, hint)
        if not isinstance(value, int) or isinstance(value, bool) or not _LEAST[name] <= value <= _MOST:
            raise fail(message("truncation.whole", name=name, least=_LEAST[name], value=_shown(value)), value_span)
        given[name] = value
    depth, k1, k2 = (given.get(name) for name in OPTIONS)
    if depth is not None and (k1 is not None or k2 is not None):
        other = "k1" if k1 is not None else "k2"
        hint = message("truncation.what")
        raise fail(message("truncation.two_ways", other=other), _key(spans, other, whole), hint)
    if depth is None and k1 is None:
        if k2 is not None:
            hint = message("truncation.windows")
            raise fail(message("truncation.needs_k1"), _key(spans, "k2", whole), hint)
        raise fail(message("truncation.needs_either"), whole, _example())
    if k1 is not None and k2 is not None and k2 < k1:
        span = spans["k2"][1] if "k2" in spans else whole
        hint = message("truncation.k2")
        raise fail(message("truncation.less", k2=k2, k1=k1), span, hint)
    return Rule(depth, k1, k2, whole)


def _key(spans: Mapping[str, tuple[Span, Span]], name: str, whole: Span | None) -> Span | None:
    return spans[name][0] if name in spans else whole


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "a mapping"
    return str(value) if isinstance(value, (int, float)) else f"'{value}'"


class Truncated:
    """One gradient: in full, truncated, and what was cut; its size relative to the full one, and the cosine of the
    angle between the two (None: one of them is 0)."""

    __slots__ = ("cosine", "cut", "full", "key", "relative", "truncated")

    def __init__(self, key: Instance, full: Value, truncated: Value) -> None:
        self.key = key
        self.full = full
        self.truncated = truncated
        self.cut = full - truncated
        self.relative, self.cosine = _compared([full], [truncated])


class Truncation:
    """The truncated gradients of what is wanted, beside the full ones."""

    key = "truncation"
    passed = True

    def __init__(self, computation: Computation, rule: Rule) -> None:
        self.computation = computation
        self.rule = rule
        self.times = Times(computation.problem.system)
        self.losses = losses_of(computation, self.times)
        self.time, self.start, self.end = _clock(computation, self.times, rule.span)
        sweeps = Sweeps(computation, self.losses)
        self.windows = self._windows()
        keys = [k for k in computation.problem.wanted() if sweeps.backward_number(k) is not None]
        totals: dict[int, Value] = {}
        numbers = [computation.unfolded.number[k] for k in keys]
        for bound, chosen in self.windows:
            signals = sweeps.run(chosen, self.blocked(bound)).signals
            for number in numbers:
                if number in signals:
                    value = signals[number]
                    totals[number] = totals[number] + value if number in totals else value
        shortened = self._shortened()
        self.gradients: list[Truncated] = []
        for key, number in zip(keys, numbers, strict=True):
            full = computation.derivative(key)
            # where nothing is cut, the same summands in another order would differ by rounding
            self.gradients.append(Truncated(key, full, totals.get(number, full * 0) if number in shortened else full))
        full_all, truncated_all = [g.full for g in self.gradients], [g.truncated for g in self.gradients]
        self.relative, self.cosine = _compared(full_all, truncated_all)

    def _shortened(self) -> set[int]:
        """The instances whose derivative lacks a path: those that pass nothing on, where a loss reaches them, and
        what these are computed from."""
        reads = self.computation.problem.unfolded.reads
        found: set[int] = set()
        for bound, chosen in self.windows:
            blocked = self.blocked(bound)
            stack = [self.losses[at_loss].number for at_loss in chosen] if blocked is not None else []
            seen = set(stack)
            while stack:
                number = stack.pop()
                if blocked is not None and blocked(number):
                    found.add(number)
                    continue
                fresh = [read for read in dict.fromkeys(reads(number)) if read not in seen]
                seen.update(fresh)
                stack += fresh
        stack = sorted(found)
        while stack:
            fresh = [read for read in dict.fromkeys(reads(stack.pop())) if read not in found]
            found.update(fresh)
            stack += fresh
        return found

    @property
    def cuts(self) -> bool:
        """Whether the rule cuts anything here: a loss whose errors would have travelled further."""
        return any(bound is not None and bound >= self.start for bound, _ in self.windows)

    def derivative(self, key: Instance) -> Value:
        """The truncated gradient of something wanted; 0 where no path leads."""
        return next((g.truncated for g in self.gradients if g.key == key), self.computation.derivative(key))

    def _windows(self) -> list[tuple[int | None, list[int]]]:
        """The losses that are swept together, with the last time at which nothing of them arrives; None: no time."""
        found: dict[int | None, list[int]] = {}
        for at, loss in enumerate(self.losses):
            bound = None if loss.time is None else self.rule.bound(loss.time, self.start)
            found.setdefault(bound, []).append(at)
        return list(found.items())

    def blocked(self, bound: int | None) -> Callable[[int], bool] | None:
        """Which instances pass nothing on to what is before a bound; None: nothing is cut off."""
        if bound is None or bound < self.start:
            return None
        times, first = self.time, self.start
        return lambda number: (time := times.get(number)) is not None and first <= time <= bound

    def triangle(self) -> list[tuple[Loss, list[bool | None]]]:
        """By loss, for each time from the first to the last: kept, cut, or (None) later than the loss."""
        rows: list[tuple[Loss, list[bool | None]]] = []
        for loss in self.losses:
            if loss.time is None:
                continue
            bound = self.rule.bound(loss.time, self.start)
            rows.append((loss, [None if s > loss.time else s > bound for s in range(self.start, self.end + 1)]))
        return rows

    def data(self) -> dict[str, Any]:
        """The numbers as plain data (see docs/json.md)."""
        return {
            "rule": self.rule.data(),
            "reach": [
                {
                    "losses": [instance_text(self.losses[at_loss].key) for at_loss in chosen],
                    "from": None if bound is None else max(bound + 1, self.start),
                }
                for bound, chosen in self.windows
            ],
            "gradients": {
                instance_text(g.key): {
                    "truncated": plain(g.truncated),
                    "cut": plain(g.cut),
                    "cut_norm": size(g.cut),
                    "relative_bias": g.relative,
                    "cosine": g.cosine,
                }
                for g in self.gradients
            },
            "relative_bias": self.relative,
            "cosine": self.cosine,
        }


def _compared(full: Sequence[Value], other: Sequence[Value]) -> tuple[float | None, float | None]:
    """``‖other - full‖/‖full‖`` and the cosine of the angle between two lists of values."""
    one = [float(v) for value in full for v in _flat(value)]
    two = [float(v) for value in other for v in _flat(value)]
    norm, length = _norm(one), _norm(two)
    apart = _norm([b - a for a, b in zip(one, two, strict=True)])
    relative = apart / norm if norm else None if apart else 0.0
    if not norm or not length:
        return relative, None
    cosine = sum((a / norm) * (b / length) for a, b in zip(one, two, strict=True))
    return relative, max(-1.0, min(1.0, cosine)) if apart else 1.0


def _flat(value: Value) -> list[Any]:
    return list(value.ravel().tolist()) if is_array(value) else [value]


def _norm(values: Sequence[float]) -> float:
    largest = max(map(abs, values), default=0.0)
    return largest * sum((v / largest) ** 2 for v in values) ** 0.5 if largest else 0.0


# ----------------------------------------------------------------------------- the clock


def _clock(computation: Computation, times: Times, span: Span | None) -> tuple[dict[int, int], int, int]:
    """The time of everything computed from the first time step on, that step and the last. Raises ProblemError where
    there are no time steps, or errors travel in both directions along them."""
    if not times.variable or not times.recurrent:
        hint = message("truncation.needs_state")
        raise fail(message("truncation.no_steps"), span, hint)
    forward = computation.problem.unfolded
    members = _ancestors(computation)
    first: list[int] = []
    for number in members:
        equation = forward.equations[number]
        time = times.of(forward.keys[number])
        variable = times.variables.get(forward.keys[number][0])
        if time is not None and equation is not None and any(r.variable == variable for r in equation.ranges):
            first.append(time)
    if not first:
        raise fail(message("truncation.target"), span)
    start = min(first)
    clock: dict[int, int] = {}
    for number in members:
        time = times.of(forward.keys[number])
        if time is not None and time >= start:  # what is before the first step is an initial state
            clock[number] = time
    _check(computation, times, members, clock, span)
    return clock, start, max(clock.values())


def _check(
    computation: Computation, times: Times, members: Sequence[int], clock: Mapping[int, int], span: Span | None
) -> None:
    forward = computation.problem.unfolded
    words: dict[str, str] = {}
    behind: dict[int, int] = {}  # what has no time -> something with a time that it depends on
    for number in members:
        name = forward.keys[number][0]
        if number in clock:
            words.setdefault(times.variables[name], name)
            if len(words) > 1:
                with_clock = [message("truncation.clock", family=family, word=word) for word, family in words.items()]
                clocks = message.listed(with_clock, "list.comma")
                raise fail(message("truncation.clocks", families=clocks), span, message(_REFUSED))
        for read in forward.reads(number):
            user, used = instance_text(forward.keys[number]), instance_text(forward.keys[read])
            if number in clock and read in clock and clock[read] > clock[number]:
                told = message("truncation.forwards", user=user, used=used)
                raise fail(told, span, message(_REFUSED))
            source = read if read in clock else behind.get(read)
            if source is not None and number not in clock:
                behind.setdefault(number, source)
            elif source is not None and read not in clock:
                where = instance_text(forward.keys[source])
                told = message("truncation.between", used=used, where=where, user=user)
                raise fail(told, span, message(_REFUSED))


_REFUSED = "truncation.refused"


def _ancestors(computation: Computation) -> list[int]:
    """The computed instances that the target depends on, in the order of computation."""
    forward = computation.problem.unfolded
    target = forward.number[computation.target_key]
    found = {target}
    stack = [target]
    while stack:
        for read in forward.reads(stack.pop()):
            if read not in found and forward.grounds[read] is not None:
                found.add(read)
                stack.append(read)
    return [n for n in forward.order if n in found]


__all__ = ["OPTIONS", "Rule", "Truncated", "Truncation", "rule_from", "rule_from_text", "rule_of"]
