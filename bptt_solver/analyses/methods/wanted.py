"""What the methods are compared on: every entry of every wanted quantity, and how far two numbers agree."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from bptt_solver.arithmetic import Value, is_array, is_exact
from bptt_solver.chain_rule import is_unindexed
from bptt_solver.computation import Computation
from bptt_solver.results import plain
from bptt_solver.system import Instance
from bptt_solver.unfold import instance_text

_SUBNORMAL = 2.3e-308  # smaller numbers have fewer digits
MOST_JUDGED = 64  # disagreements that are looked into
Entry = tuple[int, ...]  # 0-based; () of a number


def wanted_instances(computation: Computation) -> list[Instance]:
    """The instances whose derivatives are wanted; of a graph of numbers without ``wrt`` all nodes that reach the
    target, the last first, as in its backward sweep."""
    problem = computation.problem
    if problem.wrt is None and _is_plain(computation):
        keys = [k for k in reversed(computation.instances()) if k != computation.target_key]
        return [k for k in keys if computation.derivative_number(k) is not None]
    return [k for k in problem.wanted() if k != computation.target_key]


def _is_plain(computation: Computation) -> bool:
    """Whether a problem is a graph of numbers, without indices and without parameters."""
    system = computation.problem.system
    return is_unindexed(system) and not computation.shapes and "parameter" not in system.roles.values()


def entries_of(computation: Computation, key: Instance) -> list[Entry]:
    """All entries of an instance, in order."""
    value = computation.value(key)
    if not is_array(value):
        return [()]
    import numpy

    return list(numpy.ndindex(value.shape))


def entry_text(key: Instance, entry: Entry) -> str:
    """``W[1]:1,2``; a number's name alone."""
    return instance_text(key) + (":" + ",".join(str(i + 1) for i in entry) if entry else "")


def derivative_of(computation: Computation, key: Instance, entry: Entry) -> Any:
    """One entry of the backward sweep's derivative, as a number."""
    value = computation.derivative(key)
    if entry:
        return value[entry]
    return value.item() if is_array(value) else value


class Pair:
    """One derivative by two methods, both as numbers. ``limited``: they differ as far as float64 cannot tell."""

    __slots__ = ("entry", "key", "limited", "ours", "theirs")

    def __init__(self, key: Instance, entry: Entry, ours: Any, theirs: Any) -> None:
        self.key = key
        self.entry = entry
        self.ours = ours  # the method's
        self.theirs = theirs  # the backward sweep's
        self.limited = False

    @property
    def error(self) -> float:
        """The relative difference."""
        return relative(self.ours, self.theirs)


def relative(a: Any, b: Any) -> float:
    """How far two numbers are apart, relative to the larger one."""
    if a == b:
        return 0.0
    difference, size = abs(float(a - b)), max(abs(float(a)), abs(float(b)))
    return difference / size if size and math.isfinite(difference) else math.inf


def digits(error: float) -> int:
    """The significant digits that a relative difference leaves, at most 16."""
    return 16 if error == 0 else max(0, min(16, math.floor(-math.log10(error)))) if math.isfinite(error) else 0


class Compared:
    """A method's derivatives beside the backward sweep's, entry by entry."""

    def __init__(self, computation: Computation, tolerance: float) -> None:
        self.computation = computation
        self.tolerance = tolerance
        self.pairs: list[Pair] = []
        self.failures: list[Pair] = []

    def add(self, key: Instance, entry: Entry, ours: Value) -> None:
        """One more entry by the method."""
        self.pairs.append(Pair(key, entry, ours, derivative_of(self.computation, key, entry)))

    def settle(self, noise: Callable[[Instance, Entry], float]) -> None:
        """Find the entries that do not agree. ``noise`` says how far an entry moves when every operation is wrong in
        its last digit: float64 cannot tell two numbers apart that are nearer to each other."""
        doubtful = [p for p in self.pairs if p.error > self.tolerance]
        if not doubtful:
            return
        for at, pair in enumerate(doubtful):
            if max(abs(float(pair.ours)), abs(float(pair.theirs))) < _SUBNORMAL:
                pair.limited = True
            elif not (is_exact(pair.ours) and is_exact(pair.theirs)) and at < MOST_JUDGED:
                pair.limited = abs(float(pair.ours) - float(pair.theirs)) <= noise(pair.key, pair.entry)
            if not pair.limited:
                self.failures.append(pair)

    @property
    def exact(self) -> bool:
        """Whether all numbers of both methods are exact, and equal."""
        return all(is_exact(p.ours) and is_exact(p.theirs) and p.ours == p.theirs for p in self.pairs)

    @property
    def worst(self) -> float | None:
        """The largest relative difference; None if a number is infinitely far off."""
        error = max((p.error for p in self.pairs), default=0.0)
        return error if math.isfinite(error) else None

    @property
    def worst_name(self) -> str:
        """Which entry differs most; empty if none does."""
        pair = max(self.pairs, key=lambda p: p.error, default=None)
        return entry_text(pair.key, pair.entry) if pair is not None and pair.error else ""

    def derivatives(self) -> dict[str, Any]:
        """instance -> the method's derivative, in the instance's shape."""
        result: dict[str, Any] = {}
        for pair in self.pairs:
            name = instance_text(pair.key)
            if not pair.entry:
                result[name] = plain(pair.ours)
                continue
            rows = result.setdefault(name, [])
            for index in pair.entry[:-1]:
                while len(rows) <= index:
                    rows.append([])
                rows = rows[index]
            rows.append(plain(pair.ours))
        return result
