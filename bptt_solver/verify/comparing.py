"""Claims, what agreement is, and who has the last word where two routes differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import Value, is_array
from bptt_solver.catalogues import Message, message
from bptt_solver.errors import Problem, ProblemError
from bptt_solver.evaluate import Program
from bptt_solver.system import Instance
from bptt_solver.verify.judge import Judge, is_rational
from bptt_solver.verify.kinks import Kinks
from bptt_solver.verify.noise import Noisy, Random
from bptt_solver.verify.report import Failure, Limited, entry_text, relative
from bptt_solver.verify.routes import Forward, Lines
from bptt_solver.verify.view import Spot, View, float_or_same

if TYPE_CHECKING:
    from bptt_solver.computation import Computation

TOLERANCE = 1e-9  # relative, per entry; there is no absolute one
LEAST_DIGITS = 6  # that must agree with 50 digits where float64 has lost some
SEED = 1990
JUDGED = 64  # disagreements that are looked into
LONG = 60_000  # operands in 50 digits
ERRORS = (ArithmeticError, ValueError, ProblemError, TypeError)
LINES = "local complex step"
EXACT = "exact fractions"
_SUBNORMAL = 2.3e-308
_CONFIRMED = 4  # failures that 50 digits have confirmed are enough
_SAMPLES = 4  # of a disturbed forward pass
_PASSES = 3_000_000  # operands over which disagreements are looked into
_MARGIN = 16  # how much more than they show may be lost


def tiny(a: Any, b: Any) -> bool:
    """Whether two numbers below the smallest normal one are equal to its resolution."""
    return bool(abs(a) < _SUBNORMAL and abs(b) < _SUBNORMAL and abs(a - b) <= 8 * 5e-324)


class Comparing:
    """The claimed derivatives, compared entry by entry with what the routes find."""

    kinks: Kinks
    by_steps: Forward

    def __init__(self, computation: Computation, full: bool, claimed: Mapping[Instance, Value]) -> None:
        self.view = View(computation)
        self.full = full
        self.notes: list[str] = []
        self.claims: list[Value] = [self._claim(n, claimed) for n in range(self.view.count)]
        for key in claimed:
            if key not in self.view.unfolded.number:
                raise ValueError(message("check.no_instance", key=key))
        self.flat: list[list[Any]] = [c.ravel().tolist() if is_array(c) else [c] for c in self.claims]
        self.methods: list[str] = []
        self.by_rules: Forward | None = None  # forward mode over a large system, made once
        self.worst = (0.0, "")
        self.doubtful: dict[Spot, tuple[Any, str]] = {}
        self.checked: set[Spot] = set()
        self.limited: list[Limited] = []
        self.failures: list[Failure] = []
        self.more = 0
        self.chosen: dict[int, list[int]] = {}  # entries of instances that are too large to have a line for each
        self.errors: dict[Spot, float] = {}  # of what is known to few digits
        self._noises: dict[Spot, float] | None = None

    def _claim(self, number: int, claimed: Mapping[Instance, Value]) -> Value:
        """Whose derivative is checked; one of the wrong shape fails by being no number."""
        key = self.view.unfolded.keys[number]
        mine = self.view.values[number]
        value = claimed[key] if key in claimed else self.view.computation.derivative(key)
        shape = mine.shape if is_array(mine) else ()
        if not shape and not is_array(value) and not isinstance(value, (list, tuple)):
            return value
        import numpy

        value = numpy.array(value) if not is_array(value) else value
        if value.shape == shape:
            return value
        if key in claimed:
            raise ValueError(
                message("check.instance_shape", name=self.view.name(number), shape=shape, value=value.shape)
            )
        if not value.shape:
            return numpy.full(shape, value.item(), dtype=value.dtype)
        self.notes.append(message("check.shape", name=self.view.name(number), shape=value.shape, expected=shape))
        return numpy.full(shape, math.nan) if shape else math.nan

    def ours(self, number: int, at: int = 0) -> Any:
        """The claimed derivative's entry."""
        return self.flat[number][at]

    def compare(self, spot: Spot, theirs: Any, method: str) -> None:
        """Compare one entry with what a route found; a disagreement is remembered."""
        ours = self.ours(*spot)
        if not math.isfinite(theirs):
            return
        self.checked.add(spot)
        if ours == theirs:
            return
        error = relative(ours, theirs)
        if error > TOLERANCE and tiny(ours, theirs):
            return
        if error > TOLERANCE:
            self.doubtful.setdefault(spot, (theirs, method))
        elif error > self.worst[0]:
            self.worst = (error, self.text(spot))

    def text(self, spot: Spot) -> str:
        """An entry's ordered derivative as it is printed."""
        return entry_text(self.view.name(spot[0]), self.view.entry(*spot))

    def used(self, method: str) -> None:
        """A route has judged something."""
        if method not in self.methods:
            self.methods.append(method)

    def unable(self, method: str, error: Exception) -> None:
        """A route cannot be gone; say why."""
        told = error.args[0] if error.args else ""
        told = told.message if isinstance(told, Problem) else told
        reason = told if isinstance(told, Message) else str(error).partition("\n")[0] or type(error).__name__
        note = message("check.unable", method=method, reason=reason)
        if note not in self.notes:
            self.notes.append(note)

    # -- disagreements

    def settle(self) -> None:
        """Who is right where two routes disagree: the spots nearest to the target first."""
        if not self.doubtful:
            return
        self._explain_lines()
        position = self.view.computation.program.position
        order = sorted(self.doubtful, key=lambda s: (-position.get(s[0], -1), s))
        passes = min(16 * JUDGED, max(8, _PASSES // max(1, self.view.work)))
        again = self._again(order[:passes])
        judge = Judge(self.view)
        most = max(1, min(JUDGED, LONG // max(1, self.view.work + self.view.entries)))
        for spot in order:
            if self.failures and len(self.failures) + self.more >= JUDGED:
                self.more += 1
                continue
            theirs, method = self.doubtful[spot]
            if spot in again:  # its line may be wrong because of a number on its right
                theirs = again[spot]
                if self.ours(*spot) == theirs or (method == LINES and relative(self.ours(*spot), theirs) <= TOLERANCE):
                    continue
            wanted = most > 0 and len(self.failures) < _CONFIRMED
            self._judge(spot, theirs, method, judge if wanted else None, order[:passes])
            most -= 1

    def _explain_lines(self) -> None:
        """Lines that do not hold only because float64 cannot tell: they move as much when operations are disturbed."""
        spots = [s for s, (_, method) in self.doubtful.items() if method == LINES and s[0] not in self.kinks.affected]
        if not spots:
            return
        try:
            still = self._lines_of(Forward(self.view, "rules"), self.float_claims())
            bounds = dict.fromkeys(spots, 0.0)
            random = Random(SEED + 2)
            for _ in range(_SAMPLES):
                noisy = Noisy(self.view.problem.operations, random)
                claims = [noisy.disturbed(c) for c in self.float_claims()]
                moved = self._lines_of(Forward(self.view, "rules", noise=noisy), claims)
                for s in spots:
                    bounds[s] = max(bounds[s], _MARGIN * abs(moved[s] - still[s]))
        except ERRORS as error:
            return self.unable("disturbed lines", error)
        for spot in spots:
            theirs, _ = self.doubtful[spot]
            if abs(float(self.ours(*spot)) - theirs) <= bounds[spot]:
                del self.doubtful[spot]
                self._limit(spot, theirs)
        return None

    def float_claims(self) -> list[Value]:
        """The claims as float64, where they can be."""
        return [float_or_same(c) for c in self.claims]

    def _lines_of(self, forward: Forward, claims: Sequence[Value]) -> dict[Spot, Any]:
        found = Lines(forward, claims).right_hand_sides(self.chosen.get)
        return {(n, self.place(n, k)): value for n, row in enumerate(found) for k, value in enumerate(row)}

    def place(self, number: int, k: int) -> int:
        """Which entry of an instance has the k-th line."""
        return self.chosen[number][k] if number in self.chosen else k

    def _again(self, order: Sequence[Spot]) -> dict[Spot, Any]:
        """The entries whose lines do not hold, by forward mode: no claimed number takes part."""
        result: dict[Spot, Any] = {}
        for method, local in ((LINES, "complex step"), (EXACT, "formulas")):
            spots = [s for s in order if self.doubtful[s][1] == method]
            try:
                if spots:
                    forward = Forward(self.view, local, self.kinks.instances, exact=method == EXACT)
                    result.update(zip(spots, forward.spots(spots), strict=True))
            except ERRORS as error:
                self.unable("forward mode", error)
        return result

    def _judge(self, spot: Spot, theirs: Any, method: str, judge: Judge | None, order: Sequence[Spot]) -> None:
        ours = self.ours(*spot)
        if judge is not None and not is_rational(theirs) and spot[0] not in self.kinks.affected and not self.view.stops:
            try:
                size = abs(float(ours)) or abs(float(theirs))
                theirs, method = judge.derivative(*spot, size), judge.method
                self.used(method)
            except ERRORS as error:
                self.unable(judge.method, error)
        exact = is_rational(ours) and is_rational(theirs)
        if not exact and (relative(ours, theirs) <= TOLERANCE or tiny(ours, theirs)):
            return
        enough = not exact and relative(ours, theirs) <= 10**-LEAST_DIGITS
        if enough or (not is_rational(theirs) and abs(float(ours - theirs)) <= self._noise(order).get(spot, 0.0)):
            self._limit(spot, theirs)
        else:
            key, name, entry = self.view.unfolded.keys[spot[0]], self.view.name(spot[0]), self.view.entry(*spot)
            theirs = theirs if is_rational(theirs) else float(theirs)
            self.failures.append(Failure(name, key, entry, ours, theirs, method))

    def _limit(self, spot: Spot, theirs: Any) -> None:
        """An entry that is right as far as float64 can tell."""
        ours = self.ours(*spot)
        self.errors[spot] = abs(float(ours - theirs))
        digits = digits_of(relative(ours, theirs))
        key = self.view.unfolded.keys[spot[0]]
        self.limited.append(Limited(self.view.name(spot[0]), key, self.view.entry(*spot), digits))

    def _noise(self, order: Sequence[Spot]) -> dict[Spot, float]:
        """How far derivatives move when every operation is wrong in its last digit: float64 cannot tell them better."""
        if self._noises is None:
            self._noises = {}
            spots = [s for s in order if s[0] not in self.kinks.affected]
            try:
                still = Forward(self.view, "rules").spots(spots)
                random = Random(SEED + 3)
                for _ in range(_SAMPLES):
                    noisy = Noisy(self.view.problem.operations, random)
                    moved = Forward(self.view, "rules", noise=noisy).spots(spots)
                    swept = self._swept(noisy, spots)  # the sweep adds in another order, and cancels elsewhere
                    for s, here, there, ours in zip(spots, still, moved, swept, strict=True):
                        shift = max(abs(there - here), ours)
                        self._noises[s] = max(self._noises.get(s, 0.0), _MARGIN * shift)
            except ERRORS as error:
                self.unable("disturbed forward mode", error)
        return self._noises

    def _swept(self, noisy: Noisy, spots: Sequence[Spot]) -> list[float]:
        """How far entries of the ordered derivatives move when the backward sweep itself is disturbed."""
        computation = self.view.computation
        program = Program(computation.unfolded, noisy, computation.shapes)
        moved = program.run(program.extend([noisy.disturbed(v) for v in self.view.floats[: self.view.count]]))
        shifts: list[float] = []
        for number, at in spots:
            place = computation.derivative_number(self.view.unfolded.keys[number])
            values: tuple[Any, Any] = (0.0, 0.0) if place is None else (moved[place], computation.values[place])
            here, there = [float(v.reshape(-1)[at] if is_array(v) else v) for v in values]
            shifts.append(abs(here - there))
        return shifts

    def spread(self) -> None:
        """What is known to few digits makes what is upstream of it known to few digits, though its line may hold."""
        known = {s for s in self.errors}
        for spot, error in Lines(self.by_steps, self.float_claims()).errors(self.errors).items():
            ours = abs(float(self.ours(*spot)))
            if spot not in known and error > TOLERANCE * ours:
                self.errors[spot] = error
                key = self.view.unfolded.keys[spot[0]]
                digits = digits_of(error / ours) if ours else 0
                self.limited.append(Limited(self.view.name(spot[0]), key, self.view.entry(*spot), digits))


def digits_of(error: float) -> int:
    """The digits that a relative error leaves."""
    return min(15, int(-math.log10(error))) if 0 < error < 1 else 0 if error else 15
