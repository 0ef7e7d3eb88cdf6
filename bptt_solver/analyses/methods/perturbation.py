"""Conventional perturbation (Werbos 1990): change one quantity where it is computed, recompute everything after it, see
what the target does; two runs for each entry, and no derivative of any function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from bptt_solver.analyses.methods.costs import Cost, backward_cost, perturbation_cost, size_of
from bptt_solver.analyses.methods.rtrl import EACH, Carried, ForwardCost, Tell, paths_of
from bptt_solver.analyses.methods.wanted import (
    Compared,
    Entry,
    derivative_of,
    digits,
    entries_of,
    entry_text,
    wanted_instances,
)
from bptt_solver.arithmetic import divide, is_exact
from bptt_solver.catalogues import message
from bptt_solver.computation import Computation
from bptt_solver.errors import ProblemError
from bptt_solver.progress import counted
from bptt_solver.results import plain
from bptt_solver.system import Instance
from bptt_solver.verify.view import View

STEP = 1e-5  # times the size of the number that is changed, if that is larger than 1
EXACT_STEP = Fraction(1, 100_000)
EPSILON = 2.0**-52
_LOST = 64  # roundings of the target's size that a run may make
_SMALL = 1e-6  # relative: what the square of the step leaves of a smooth function
_BENT = 1e-3  # slopes to both sides that differ by so much belong to a kink


class Run:
    """The two runs for one entry. ``kink``: the slopes to both sides differ and enclose the backward sweep's number."""

    __slots__ = ("agrees", "entry", "h", "key", "kink", "minus", "plus", "quotient", "theirs")

    def __init__(self, key: Instance, entry: Entry, h: Any, plus: Any, minus: Any, theirs: Any) -> None:
        self.key = key
        self.entry = entry
        self.h = h
        self.plus = plus
        self.minus = minus
        self.theirs = theirs
        self.quotient = divide(plus - minus, 2 * h)
        self.kink = False
        self.agrees = True

    @property
    def digits(self) -> int:
        """The digits in which the quotient and the backward sweep agree."""
        error = abs(float(self.quotient) - float(self.theirs))
        size = max(abs(float(self.quotient)), abs(float(self.theirs)))
        return digits(error / size if size else 0.0)


class PerturbationMethod:
    """The derivatives by all entries of the wanted quantities, by central differences, beside the backward sweep's.

    Raises ProblemError where the runs are more work than the limit ``elements``.
    """

    key = "perturbation"

    def __init__(self, computation: Computation, tell: Tell | None = None) -> None:
        self.computation = computation
        problem = computation.problem
        self.wanted = wanted_instances(computation)
        self.view = View(computation)
        self.value = computation.value(computation.target_key)
        entries = [(k, e) for k in self.wanted for e in entries_of(computation, k)]
        numbers = sum(size_of(problem.shapes, n) for n in problem.unfolded.order)

        def what() -> str:
            return message("limit.perturbation", entries=f"{len(entries):,}", numbers=f"{numbers:,}")

        problem.limits.check("elements", 2 * len(entries) * numbers, what)
        self.compared = Compared(computation, 0.0)
        self.runs: list[Run] = []
        for at, (key, entry) in enumerate(counted(entries, _named)):
            self.runs.append(self._run(key, entry))
            self.compared.add(key, entry, self.runs[-1].quotient)
            if tell is not None and (at + 1) % EACH == 0:
                tell(message("progress.perturbed", done=f"{at + 1:,}", count=f"{len(entries):,}"))
        self.costs = [
            backward_cost(computation, self.wanted),
            _rtrl_cost(computation, self.wanted),
            perturbation_cost(computation, len(entries), 2),
        ]

    # -- runs

    def _run(self, key: Instance, entry: Entry) -> Run:
        value = self.computation.value(key)
        here = value[entry] if entry else value
        h: Any = EXACT_STEP if is_exact(here) and is_exact(self.value) else step_for(float(here))
        run = Run(key, entry, h, *self._sides(key, entry, h), derivative_of(self.computation, key, entry))
        self._settle(run)
        return run

    def _sides(self, key: Instance, entry: Entry, h: Any) -> tuple[Any, Any]:
        """The target after a change of one entry by ``h`` and by ``-h``, where it is computed."""
        number = self.view.unfolded.number[key]
        at = 0
        for index, length in zip(entry, getattr(self.view.values[number], "shape", ()), strict=False):
            at = at * length + index
        try:
            plus, minus = (
                self.view.rerun(self.computation.program, list(self.view.values), number, at, change)
                for change in (h, -h)
            )
        except ProblemError as error:
            for problem in error.problems:
                problem.message = message(
                    "check.changed", entry=entry_text(key, entry), step=f"{float(h):g}", reason=problem.message
                )
            raise
        return plus, minus

    def _settle(self, run: Run) -> None:
        """Whether the quotient is the derivative as far as a step of this size can tell."""
        if run.quotient == run.theirs:
            return
        error = abs(float(run.quotient) - float(run.theirs))
        rounding = _LOST * EPSILON * max(abs(float(v)) for v in (run.plus, run.minus, self.value)) / float(run.h)
        if error <= _SMALL * abs(float(run.theirs)) + (0 if is_exact(run.quotient) else rounding):
            return
        right = float(divide(run.plus - self.value, run.h))
        left = float(divide(self.value - run.minus, run.h))
        low, high = min(left, right), max(left, right)
        slack = _SMALL * max(abs(low), abs(high)) + rounding
        if high - low > _BENT * max(abs(low), abs(high)) and low - slack <= float(run.theirs) <= high + slack:
            plus, minus = self._sides(run.key, run.entry, run.h / 4)
            nearer = abs(float(divide(plus - self.value, run.h / 4)) - float(divide(self.value - minus, run.h / 4)))
            if nearer > (high - low) / 2:  # of a smooth function the slopes come together
                run.kink = True
                return
        plus, minus = self._sides(run.key, run.entry, run.h / 2)
        half = float(divide(plus - minus, run.h))
        # the error is a multiple of the square of the step: three quarters of it go with half the step
        run.agrees = error <= 2 * abs(half - float(run.quotient)) + rounding and math.isfinite(error)

    @property
    def passed(self) -> bool:
        """Whether every quotient is the backward sweep's derivative, as far as quotients can tell."""
        return all(run.agrees for run in self.runs)

    def data(self) -> dict[str, Any]:
        """The runs and the quotients, how well they agree, and what each method costs."""
        return {
            "derivatives": self.compared.derivatives(),
            "agrees": self.passed,
            "runs": [
                {
                    "entry": entry_text(run.key, run.entry),
                    "h": plain(run.h),
                    "plus": plain(run.plus),
                    "minus": plain(run.minus),
                    "quotient": plain(run.quotient),
                    "bptt": plain(run.theirs),
                    "digits": run.digits,
                    "agrees": run.agrees,
                    "kink": run.kink,
                }
                for run in self.runs
            ],
            "costs": {cost.method: cost.data() for cost in self.costs},
        }


def step_for(value: float) -> float:
    """The change of a number: 0.00001, times a power of ten for larger numbers."""
    size = abs(value)
    return STEP * 10.0 ** math.floor(math.log10(size)) if size >= 10 and math.isfinite(size) else STEP


def _rtrl_cost(computation: Computation, wanted: Sequence[Instance]) -> Cost:
    paths = paths_of(computation)
    cost = ForwardCost(computation)
    for key in wanted:
        cost.add(Carried(computation, key, paths), len(entries_of(computation, key)))
    return cost.total()


def _named() -> str:
    return message("progress.perturbation")
