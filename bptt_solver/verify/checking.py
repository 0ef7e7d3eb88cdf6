"""The ladder: which route checks which entry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bptt_solver.arithmetic import NotFinite, is_exact
from bptt_solver.catalogues import message
from bptt_solver.progress import counted
from bptt_solver.verify.comparing import ERRORS, EXACT, JUDGED, LINES, SEED, Comparing, digits_of
from bptt_solver.verify.kinks import Kinks
from bptt_solver.verify.noise import Random
from bptt_solver.verify.report import Check, Failure, Slopes
from bptt_solver.verify.routes import ComplexStep, Forward, Lines
from bptt_solver.verify.view import Spot

DIRECTIONS = 8
CHOSEN = 64
SMALL = 250_000  # entries times operands: below it every entry has runs of its own
PASSES = 4_000_000  # operands over which forward mode goes in a large system of scalars
_RUNS = 800_000  # and complex runs
_LINES = 300_000_000  # products in the lines of large arrays
_ROOM = 1e-250  # below it a complex step through a whole system may underflow
_SHOWN = 16
_CROOKED = 1e-6  # a disagreement in a random direction that rounding does not explain, where all lines hold
_ROUNDING = 1e-12
_LEAST_WEIGHED = 1e-200


class Checking(Comparing):
    """One check of one computation."""

    sampled = False  # whether slopes were found for some of the affected entries only

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
        if self.full or not small or len(self.checked) < len(spots) or ComplexStep.method not in self.methods:
            self._lines()
        large = not small and not self.full
        if large:
            self._some(spots)
        slopes = self._slopes()
        self.settle()
        if large and not self.failures:
            self._in_directions()
        return self._result(exact, slopes, len(spots))

    def _exactly(self) -> bool:
        """In fractions, every entry's own line; False if some are not equal."""
        method = EXACT
        forward = Forward(self.view, "formulas", self.kinks.instances, exact=True)
        try:
            found = Lines(forward, self.claims).right_hand_sides(lambda n: None)
        except ERRORS as error:
            self.unable(method, error)
            return False
        self.used(method)
        equal = True
        for number, theirs in enumerate(found):
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
        except ERRORS as error:
            return self.unable(method, error)
        for spot in counted(spots, _by_complex_step):
            if spot[0] in self.kinks.affected or 0 < abs(self.ours(*spot)) < _ROOM:
                continue
            try:
                self.compare(spot, route.derivative(*spot), method)
                self.used(method)
            except ERRORS as error:
                self.unable(method, error)
        return None

    def _each_by_forward_mode(self, spots: Sequence[Spot]) -> None:
        try:
            found = Forward(self.view, "rules").spots(spots)
        except ERRORS as error:
            return self.unable("forward mode", error)
        self.used("forward mode")
        judged = set(self.checked)
        for spot, theirs in zip(spots, found, strict=True):
            self.compare(spot, theirs, "forward mode")
        self.checked = judged  # forward mode shares the local rules: alone it does not count
        return None

    def _lines(self) -> None:
        view = self.view
        self.by_steps = Forward(view, "complex step", self.kinks.instances)
        if not view.scalar and not self.full:
            sizes, reads = view.sizes, view.unfolded.reads
            if sum(sizes[i] * (sizes[i] + sizes[n]) for n in view.order for i in reads(n)) > _LINES:
                random = Random(SEED)
                for n, size in enumerate(sizes):
                    if size > 2 * CHOSEN:
                        self.chosen[n] = sorted({int(random.next() * size) for _ in range(CHOSEN)})
        try:
            found = Lines(self.by_steps, self.float_claims()).right_hand_sides(self.chosen.get)
        except ERRORS as error:
            return self.unable(LINES, error)
        self.used(LINES)
        for number, row in enumerate(found):
            for k, theirs in enumerate(row):
                self.compare((number, self.place(number, k)), theirs, LINES)
        return None

    def _some(self, spots: Sequence[Spot]) -> None:
        """A large system: chosen entries by forward mode, fewer by a complex step through all of it."""
        view, work = self.view, max(1, self.view.work)
        chosen = self._chosen(spots, max(1, min(CHOSEN, PASSES // work - DIRECTIONS)) if view.scalar else CHOSEN)
        try:
            self.by_rules = Forward(view, "rules")
            for spot, theirs in zip(chosen, self.by_rules.spots(chosen), strict=True):
                self.compare(spot, theirs, "forward mode")
            self.used("forward mode")
        except ERRORS as error:
            self.unable("forward mode", error)
        try:
            route = ComplexStep(view)
            for spot in counted(chosen[: max(1, min(CHOSEN, _RUNS // work))], _by_complex_step):
                if spot[0] not in self.kinks.affected and not 0 < abs(self.ours(*spot)) < _ROOM:
                    self.compare(spot, route.derivative(*spot), ComplexStep.method)
                    self.used(ComplexStep.method)
        except ERRORS as error:
            self.unable(ComplexStep.method, error)

    def _in_directions(self) -> None:
        """A large system: all entries at once, those too that have no line of their own."""
        method = message("method.directions", count=DIRECTIONS)
        try:
            if self.errors:
                self.spread()
            forward = self.by_rules or Forward(self.view, "rules")
            crooked = self._directions(forward, DIRECTIONS)
            if crooked > _CROOKED and self._locate(forward):
                return self.used(method)
        except ERRORS as error:
            return self.unable(method, error)
        self.used(method)
        if crooked > _CROOKED:
            key = self.view.unfolded.keys[self.view.target]
            self.failures.append(Failure("a random direction", key, (), 1, 1 + crooked, method))
        return None

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

    def _directions(self, forward: Forward, count: int) -> float:
        """All nodes at once, in random directions; each entry weighted so that it counts however small it is.

        Returns the worst disagreement, relative to the sum of the absolute contributions.
        """
        view, random = self.view, Random(SEED + 1)
        lanes = range(count)
        seeds: list[list[list[float]]] = []
        expected, scale = [0.0] * count, [0.0] * count
        for number, row in enumerate(self.flat):
            rows = []
            for at, entry in enumerate(row):
                g = float(entry)
                size = abs(g)
                weight = 1 / size if size > _LEAST_WEIGHED else 1.0
                if self.errors.get((number, at), 0) > _ROUNDING * size:
                    weight = 0.0
                bits = random.bits()
                us = []
                for lane in lanes:
                    u = weight * (0.5 + (bits & 127) / 128)
                    if bits & 128:
                        u = -u
                    bits >>= 8
                    expected[lane] += g * u
                    scale[lane] += abs(g * u)
                    us.append(u)
                rows.append(us)
            seeds.append(rows)
        if view.scalar:
            found = [forward.derivative({n: rows[0][lane] for n, rows in enumerate(seeds)}) for lane in lanes]
        else:
            import numpy

            arrays: dict[int, Any] = {}
            for number, rows in enumerate(seeds):
                shape = getattr(view.values[number], "shape", ())
                arrays[number] = numpy.array(rows).T.reshape(count, *shape)
            found = forward.directions(arrays, count)
        errors = [abs(x - y) / z for x, y, z in zip(found, expected, scale, strict=True) if z]
        if not all(math.isfinite(e) for e in errors):
            raise NotFinite(message("value.not_finite_number"))
        return max(errors, default=0.0)

    def _locate(self, forward: Forward) -> bool:
        """Name the entry that bends the directions, among those without a line of their own, by the bits of its place.

        With several wrong entries in one instance this finds none of them; the answer says whether one was found.
        """
        import numpy

        view = self.view
        for number in sorted(self.chosen):
            g = numpy.array(self.flat[number], dtype=float)
            weights = numpy.where(abs(g) > _LEAST_WEIGHED, 1 / numpy.where(g == 0, 1, abs(g)), 1)
            bits = max(1, (len(g) - 1).bit_length())
            places = numpy.arange(len(g))
            masks = numpy.array([places >= 0, *((places >> bit) & 1 == 1 for bit in range(bits))])
            seeds = (masks * weights).reshape(bits + 1, *view.values[number].shape)
            found = forward.directions({number: seeds}, bits + 1)
            bent = [abs(x - y) > _CROOKED for x, y in zip(found, (masks * weights) @ g, strict=True)]
            at = sum(1 << bit for bit in range(bits) if bent[bit + 1])
            if bent[0] and at < len(g):
                self.doubtful.clear()
                self.compare((number, at), forward.spots([(number, at)])[0], "forward mode")
                self.settle()
                if self.failures:
                    return True
        return False

    def _slopes(self) -> list[Slopes] | None:
        """The slopes of what a kink affects; None where they could not be found."""
        affected = sorted(self.kinks.affected)
        spots = [(n, 0) for n in affected]
        spots += [(n, at) for n in affected for at in range(1, self.view.sizes[n])]
        most = 1000 if self.full else max(4, min(64, 2_000_000 // max(1, self.view.work)))
        if not spots:
            return []
        try:
            slopes = self.kinks.slopes(spots[:most], self.ours)
        except ERRORS as error:
            self.unable("one-sided slopes", error)
            return None
        if len(spots) > most:
            self.sampled = True
            self.notes.append(message("check.some_slopes", shown=most, count=len(spots)))
        return slopes

    def _result(self, exact: bool, slopes: list[Slopes] | None, total: int) -> Check:
        bent = slopes is None or self.sampled or any(not s.agrees for s in slopes)
        digits = 17 if exact else digits_of(self.worst[0])
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


def _by_complex_step() -> str:
    return message("progress.check", method=message("method.complex_step"))
