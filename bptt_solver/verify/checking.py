"""The ladder: which route checks which entry, what agreement is, and who has the last word."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import NotFinite, Value, is_array, is_exact
from bptt_solver.errors import ProblemError
from bptt_solver.system import Instance
from bptt_solver.verify.kinks import Kinks
from bptt_solver.verify.report import Check, Failure, Limited, Slopes, relative
from bptt_solver.verify.routes import ComplexStep, Forward, Judge, Lines, Spot, View, is_rational

if TYPE_CHECKING:
    from bptt_solver.computation import Computation

TOLERANCE = 1e-9  # relative, per entry; there is no absolute one
LEAST_DIGITS = 6  # that must agree with 50 digits where float64 has lost some
SEED = 1990
DIRECTIONS = 8
CHOSEN = 64
SMALL = 250_000  # entries times operands: below it every entry has runs of its own
PASSES = 20  # over the system, in a large one
LARGE = 4_000_000  # operands, over which a large system gets fewer passes
JUDGED = 64
LONG = 60_000  # operands in 50 digits
_SUBNORMAL = 2.3e-308
_ROOM = 1e-250  # below it a complex step through a whole system may underflow
_SHOWN = 16
_ERRORS = (ArithmeticError, ValueError, ProblemError, TypeError)


class Random:
    """A small generator of its own: the same numbers on every Python."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def next(self) -> float:
        """A number in [0, 1)."""
        self.state = (6364136223846793005 * self.state + 1442695040888963407) % (1 << 64)
        return (self.state >> 11) / (1 << 53)


class Checking:
    """One check of one computation."""

    def __init__(self, computation: Computation, full: bool, claimed: Mapping[Instance, Value]) -> None:
        self.view = View(computation)
        self.full = full
        self.claims: list[Value] = [self._claim(n, claimed) for n in range(self.view.count)]
        for key in claimed:
            if key not in self.view.unfolded.number:
                raise ValueError(f"there is no instance {key}")
        self.methods: list[str] = []
        self.notes: list[str] = []
        self.worst = (0.0, "")
        self.doubtful: dict[Spot, tuple[Any, str]] = {}
        self.checked: set[Spot] = set()
        self.limited: list[Limited] = []
        self.failures: list[Failure] = []
        self.more = 0
        self.digits = 15

    def _claim(self, number: int, claimed: Mapping[Instance, Value]) -> Value:
        key = self.view.unfolded.keys[number]
        value = claimed[key] if key in claimed else self.view.computation.derivative(key)
        mine = self.view.values[number]
        if not is_array(mine):
            if is_array(value) or isinstance(value, (list, tuple)):
                raise ValueError(f"{self.view.name(number)} is a number")
            return value
        import numpy

        if not is_array(value):
            value = numpy.array(value, dtype=None if key in claimed else mine.dtype)
        if value.shape != mine.shape:
            if value.shape == () or value.size == 1 == mine.size:
                value = numpy.full(mine.shape, value.item(), dtype=value.dtype)
            else:
                raise ValueError(f"{self.view.name(number)} has the shape {mine.shape}, not {value.shape}")
        return value

    # -- comparing

    def ours(self, number: int, at: int = 0) -> Any:
        """The claimed derivative's entry."""
        value = self.claims[number]
        return value.ravel()[at : at + 1].tolist()[0] if is_array(value) else value

    def compare(self, spot: Spot, theirs: Any, method: str) -> None:
        """Compare one entry with what a route found; a disagreement is remembered."""
        ours = self.ours(*spot)
        self.checked.add(spot)
        if ours == theirs:
            return
        if not math.isfinite(theirs):
            self.checked.discard(spot)
            return
        error = relative(ours, theirs)
        if error > TOLERANCE and abs(ours) < _SUBNORMAL and abs(theirs) < _SUBNORMAL and abs(ours - theirs) <= 8 * 5e-324:
            return
        if error > TOLERANCE:
            self.doubtful.setdefault(spot, (theirs, method))
        elif error > self.worst[0]:
            self.worst = (error, self._text(spot))

    def _text(self, spot: Spot) -> str:
        entry = self.view.entry(*spot)
        name = self.view.name(spot[0])
        return f"{name}, entry ({','.join(map(str, entry))})" if entry else name

    def _used(self, method: str) -> None:
        if method not in self.methods:
            self.methods.append(method)

    def _unable(self, method: str, error: Exception) -> None:
        note = f"not checked by {method}: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        if note not in self.notes:
            self.notes.append(note)

    # -- the ladder

    def check(self) -> Check:
        """All that this level asks for."""
        view = self.view
        self.kinks = Kinks(view)
        spots = view.spots()
        exact = view.exact and all(is_exact(c) for c in self.claims) and self._exactly()
        small = view.entries * view.work <= SMALL
        if small or self.full:
            self._each_by_complex_step(spots)
            self._each_by_forward_mode(spots)
        if self.full or not small or len(self.checked) < len(spots) or not {"complex step"} & set(self.methods):
            self._lines()
        if not small and not self.full:
            self._some(spots)
        slopes = self._slopes()
        self._settle()
        return self._result(exact, slopes, len(spots))

    def _exactly(self) -> bool:
        """In fractions, every entry's own line; False if some are not equal."""
        method = "exact fractions"
        forward = Forward(self.view, "formulas", self.kinks.instances, exact=True)
        try:
            found = Lines(forward, self.claims).right_hand_sides(lambda n: None)
        except _ERRORS as error:
            self._unable(method, error)
            return False
        self._used(method)
        equal = True
        for number, pair in enumerate(found):
            theirs = pair[0] if isinstance(pair[0], list) else [pair[0]]
            for at, value in enumerate(theirs):
                self.checked.add((number, at))
                if self.ours(number, at) != value:
                    equal = False
                    self.doubtful.setdefault((number, at), (value, method))
        return equal

    def _each_by_complex_step(self, spots: Sequence[Spot]) -> None:
        method = ComplexStep.method
        try:
            route = ComplexStep(self.view)
        except _ERRORS as error:
            return self._unable(method, error)
        for spot in spots:
            if spot[0] in self.kinks.affected or 0 < abs(self.ours(*spot)) < _ROOM:
                continue
            try:
                self.compare(spot, route.derivative(*spot), method)
                self._used(method)
            except _ERRORS as error:
                self._unable(method, error)
        return None

    def _each_by_forward_mode(self, spots: Sequence[Spot]) -> None:
        try:
            found = Forward(self.view, "rules").spots(spots)
        except _ERRORS as error:
            return self._unable("forward mode", error)
        self._used("forward mode")
        judged = set(self.checked)
        for spot, theirs in zip(spots, found, strict=True):
            self.compare(spot, theirs, "forward mode")
        self.checked = judged  # forward mode shares the local rules: alone it does not count
        return None

    def _lines(self) -> None:
        method = "local complex step"
        forward = self.by_steps = Forward(self.view, "complex step", self.kinks.instances)
        view = self.view
        costs = sum(view.sizes[i] * (view.sizes[i] + view.sizes[n]) for n in view.order for i in view.unfolded.reads(n))
        chosen: dict[int, list[int]] = {}
        if costs > 300_000_000 and not self.full:
            random = Random(SEED)
            chosen = {n: sorted({int(random.next() * s) for _ in range(CHOSEN)}) for n, s in enumerate(view.sizes) if s > 2 * CHOSEN}
        try:
            found = Lines(forward, [_float(c) for c in self.claims]).right_hand_sides(chosen.get)
        except _ERRORS as error:
            return self._unable(method, error)
        self._used(method)
        self.line_scale: dict[Spot, float] = {}
        for number, pair in enumerate(found):
            total, scale = (pair if isinstance(pair[0], list) else ([pair[0]], [pair[1]]))
            for k, theirs in enumerate(total):
                spot = (number, chosen[number][k] if number in chosen else k)
                self.compare(spot, theirs, method)
        return None

    def _some(self, spots: Sequence[Spot]) -> None:
        """A large system: directions and chosen entries, by forward mode; a few entries by a complex step through all of it."""
        view = self.view
        passes = max(2, min(CHOSEN + DIRECTIONS, PASSES * 200_000 // max(1, view.work))) if view.scalar else CHOSEN + DIRECTIONS
        chosen = self._chosen(spots, max(1, passes - DIRECTIONS))
        try:
            forward = Forward(view, "rules")
            for spot, theirs in zip(chosen, forward.spots(chosen), strict=True):
                self.compare(spot, theirs, "forward mode")
            self._directions(forward, min(DIRECTIONS, passes))
            self._used("forward mode")
        except _ERRORS as error:
            self._unable("forward mode", error)
        try:
            route = ComplexStep(view)
            for spot in chosen[: max(1, min(CHOSEN, 800_000 // max(1, view.work)))]:
                if spot[0] not in self.kinks.affected and not 0 < abs(self.ours(*spot)) < _ROOM:
                    self.compare(spot, route.derivative(*spot), "complex step")
                    self._used("complex step")
        except _ERRORS as error:
            self._unable("complex step", error)

    def _chosen(self, spots: Sequence[Spot], count: int) -> list[Spot]:
        """The largest, the smallest, one that is zero, those of the first and the last instances, and random ones."""
        sizes = [abs(self.ours(*s)) for s in spots]
        order = [k for k in range(len(spots)) if sizes[k] and math.isfinite(sizes[k])]
        picked: dict[int, None] = {}
        if order:
            picked[min(order, key=lambda k: sizes[k])] = picked[max(order, key=lambda k: sizes[k])] = None
        picked[0] = picked[len(spots) - 1] = None
        zero = next((k for k, s in enumerate(sizes) if s == 0), None)
        if zero is not None:
            picked[zero] = None
        random = Random(SEED)
        for _ in range(4 * count):
            if len(picked) >= min(count, len(spots)):
                break
            picked[int(random.next() * len(spots))] = None
        return [spots[k] for k in list(picked)[:count]]

    def _directions(self, forward: Forward, count: int) -> None:
        """All nodes at once, in random directions; each entry weighted so that it counts however small it is."""
        view, random = self.view, Random(SEED + 1)
        seeds: list[list[list[float]]] = []
        expected, scale = [0.0] * count, [0.0] * count
        for number in range(view.count):
            rows = []
            for lane in range(count):
                row = []
                for at in range(view.sizes[number]):
                    g = float(self.ours(number, at))
                    u = (random.next() + 0.5) * (1 if random.next() < 0.5 else -1) / (abs(g) if abs(g) > 1e-200 else 1)
                    expected[lane] += g * u
                    scale[lane] += abs(g * u)
                    row.append(u)
                rows.append(row)
            seeds.append(rows)
        if view.scalar:
            found = [forward.derivative({n: rows[lane][0] for n, rows in enumerate(seeds)}) for lane in range(count)]
        else:
            arrays: dict[int, Any] = {}
            for number, rows in enumerate(seeds):
                arrays[number] = forward.empty(number, count)
                arrays[number].reshape(count, -1)[:] = rows
            found = forward.directions(arrays, count)
        for lane, theirs in enumerate(found):
            error = abs(theirs - expected[lane]) / scale[lane] if scale[lane] else 0.0
            if not error <= TOLERANCE:
                self.crooked = max(getattr(self, "crooked", 0.0), error if error == error else math.inf)

    # -- disagreements

    def _settle(self) -> None:
        """Who is right where two routes disagree: the spots nearest to the target first."""
        position = self.view.computation.program.position
        order = sorted(self.doubtful, key=lambda s: (-position.get(s[0], -1), s))
        judge = Judge(self.view)
        most = max(1, min(JUDGED, LONG // max(1, self.view.work + self.view.entries)))
        for count, spot in enumerate(order):
            theirs, method = self.doubtful[spot]
            if count >= JUDGED and self.failures:
                self.more += 1
            else:
                self._judge(spot, theirs, method, judge if count < most else None)

    def _judge(self, spot: Spot, theirs: Any, method: str, judge: Judge | None) -> None:
        ours = self.ours(*spot)
        if method in ("local complex step", "exact fractions"):  # the line may be wrong because of a number on its right
            found = self._again(spot, method == "exact fractions")
            if found is not None:
                theirs = found
                if relative(ours, theirs) <= TOLERANCE and method != "exact fractions" or ours == theirs:
                    return
        if judge is not None and not is_rational(theirs) and spot[0] not in self.kinks.affected and not self.view.stops:
            try:
                size = abs(float(ours)) or abs(float(theirs))
                theirs, method = judge.derivative(*spot, size), judge.method
                self._used(method)
            except _ERRORS as error:
                self._unable(judge.method, error)
        error = relative(ours, theirs)
        if error <= TOLERANCE:
            return
        digits = int(-math.log10(error)) if error < 1 else 0
        key = self.view.unfolded.keys[spot[0]]
        name, entry = self.view.name(spot[0]), self.view.entry(*spot)
        if digits >= LEAST_DIGITS:
            self.limited.append(Limited(name, key, entry, digits))
        else:
            self.failures.append(Failure(name, key, entry, ours, theirs if is_rational(theirs) else float(theirs), method))

    def _again(self, spot: Spot, exact: bool) -> Any:
        """One entry by forward mode with local complex steps (or in fractions): no claimed number takes part."""
        try:
            forward = Forward(self.view, "formulas", self.kinks.instances, exact=True) if exact else self.by_steps
            return forward.spots([spot])[0]
        except _ERRORS as error:
            self._unable("forward mode", error)
            return None

    # -- kinks and the result

    def _slopes(self) -> list[Slopes] | None:
        """The slopes of what a kink affects; None where they could not be found."""
        affected = sorted(self.kinks.affected)
        spots = [(n, at) for n in affected for at in range(self.view.sizes[n])]
        most = 1000 if self.full else max(4, min(64, 2_000_000 // max(1, self.view.work)))
        if not spots:
            return []
        try:
            slopes = self.kinks.slopes(spots[:most], self.ours)
        except _ERRORS as error:
            self._unable("one-sided slopes", error)
            return None
        if len(spots) > most:
            self.notes.append(f"one-sided slopes of {most} of {len(spots)} derivatives that a kink may affect")
        return slopes

    def _result(self, exact: bool, slopes: list[Slopes] | None, total: int) -> Check:
        crooked = getattr(self, "crooked", 0.0)
        if crooked > 1e-6 and not self.failures:
            self.failures.append(Failure("a random direction", self.view.unfolded.keys[self.view.target], (), 0.0, crooked, "forward mode"))
        elif crooked:
            self.notes.append(f"random directions agree to {int(-math.log10(crooked))} digits")
        bent = slopes is None or any(not s.agrees for s in slopes)
        digits = min([17 if exact else 15 if self.worst[0] == 0 else min(15, int(-math.log10(self.worst[0]))), *(x.digits for x in self.limited)])
        if self.failures:
            status, digits = "failed", 0
        elif not self.checked:
            status, digits = "none", 0
        elif self.kinks.found and bent:
            status = "kink"
        elif exact:
            status = "exact"
        else:
            status = "verified_to_digits" if self.limited else "verified"
        shown = sorted(slopes or (), key=lambda s: s.agrees)[:_SHOWN]
        return Check(
            status, self.methods, *self.worst, len(self.checked), total, SEED, digits, self.failures[:JUDGED],
            self.more + max(0, len(self.failures) - JUDGED), self.limited, self.kinks.found[:JUDGED], shown, self.notes,
        )  # fmt: skip


def _float(value: Value) -> Value:
    from bptt_solver.arithmetic import to_float

    try:
        return to_float(value)
    except NotFinite:
        return value
