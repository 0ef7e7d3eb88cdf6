"""Conditions on indices put into ranges: ``t in 1..T where t >= 2`` is ``t in 2..T``."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.language.expressions import Comparison, Conditions, Index, Range
from bptt_solver.system import System


def tighten(ranges: list[Range], condition: Comparison, system: System, fixed: Sequence[str] = ()) -> bool | None:
    """Put a condition into one of the ranges, in place. True: done, False: it holds nowhere, None: it has to stay a
    condition.

    ``fixed`` are index names from outside; a condition that mentions one stays.
    """
    difference = condition.left.plus(condition.right, -1)
    names = {r.variable for r in ranges}
    mentioned = set(difference.variables())
    if mentioned & set(fixed):
        return None
    if not mentioned & names:
        return bool(system.holds((condition,), {}))
    own = [(a, c) for a, c in difference.terms if isinstance(a, str) and a in names]
    if (
        len(own) != 1
        or abs(own[0][1]) != 1
        or any(True for _ in difference.lookups())
        or condition.operator not in _FLIP
    ):
        return None
    word, sign = own[0]
    at = next(k for k, r in enumerate(ranges) if r.variable == word)
    bound = Index(difference.constant, tuple(t for t in difference.terms if t[0] != word)).times(-sign)
    low, high = ranges[at].low, ranges[at].high
    if set((*low.variables(), *high.variables(), *bound.variables())) & {*names, *fixed}:
        return None
    operator = condition.operator if sign > 0 else _FLIP[condition.operator]
    value = system.index(bound, {})
    if operator == "==" and not system.index(low, {}) <= value <= system.index(high, {}):
        return False
    if operator in ("==", ">=") and (value > system.index(low, {}) or operator == "=="):
        low = bound
    if operator in ("==", "<=") and (value < system.index(high, {}) or operator == "=="):
        high = bound
    if system.index(low, {}) > system.index(high, {}):
        return False
    ranges[at] = Range(word, low, high)
    return True


_FLIP = {"==": "==", ">=": "<=", "<=": ">="}


def tightened(
    ranges: Sequence[Range], conditions: Conditions, system: System, fixed: Sequence[str] = ()
) -> tuple[tuple[Range, ...], Conditions, dict[str, Index]] | None:
    """Ranges with the conditions put in, the conditions that stay, and the variables that have only one value left.

    None if nothing is left at all.
    """
    result = list(ranges)
    rest: list[Comparison] = []
    for condition in conditions:
        done = tighten(result, condition, system, fixed)
        if done is False:
            return None
        if done is None and condition not in rest:
            rest.append(condition)
    single = {r.variable: r.low for r in result if r.low == r.high}
    kept = tuple(
        Range(r.variable, r.low.substitute(single), r.high.substitute(single))
        for r in result
        if r.variable not in single
    )
    return kept, tuple(c.substitute(single) for c in rest), single
