"""Clipping: gradients that are too long are made shorter, after the sweep and before the weights are changed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bptt_solver.arithmetic import Value, is_array

NORM, VALUE = "norm", "value"
ALL, PARAMETER = "all", "parameter"


class Clip:
    """What a document declares: by ``norm`` (``per`` all parameters together, or each ``parameter`` for itself) or by
    ``value``, and the limit."""

    __slots__ = ("kind", "limit", "per")

    def __init__(self, kind: str, limit: float, per: str = ALL) -> None:
        self.kind = kind
        self.limit = limit
        self.per = per

    def apply(self, gradients: Sequence[Value]) -> Clipped:
        """The gradients, clipped; those that are given stay as they are."""
        if self.kind == VALUE:
            cut = [_cut(g, self.limit) for g in gradients]
            changed = sum(_changed(g, c) for g, c in zip(gradients, cut, strict=True))
            return Clipped(cut, [], [], changed)
        groups = [gradients] if self.per == ALL else [[g] for g in gradients]
        norms = [norm(group) for group in groups]
        factors = [min(1.0, self.limit / length) if length else 1.0 for length in norms]
        each = factors * len(gradients) if self.per == ALL else factors
        return Clipped([g if c == 1.0 else g * c for g, c in zip(gradients, each, strict=True)], norms, factors, 0)


class Clipped:
    """Clipped gradients. ``norms`` and ``factors`` have one number for all parameters, or one for each of them, and
    none where entries were cut by value; ``cut`` says how many entries were."""

    __slots__ = ("cut", "factors", "gradients", "norms")

    def __init__(self, gradients: list[Value], norms: list[float], factors: list[float], cut: int) -> None:
        self.gradients = gradients
        self.norms = norms
        self.factors = factors
        self.cut = cut

    def factor(self, at: int) -> float | None:
        """By what the gradient with that number was multiplied; None where entries were cut by value."""
        if not self.factors:
            return None
        return self.factors[at if len(self.factors) > 1 else 0]


def norm(gradients: Sequence[Value]) -> float:
    """The Euclidean norm of all entries together; squares of large entries do not overflow."""
    lengths = []
    for gradient in gradients:
        if is_array(gradient):
            largest = float(abs(gradient).max())
            lengths.append(largest * math.sqrt(float(((gradient / largest) ** 2).sum())) if largest else 0.0)
        else:
            lengths.append(float(gradient))
    return math.hypot(*lengths)


def _cut(gradient: Value, limit: float) -> Value:
    if is_array(gradient):
        return gradient.clip(-limit, limit)
    return min(max(gradient, -limit), limit)


def _changed(before: Value, after: Value) -> int:
    return int((before != after).sum()) if is_array(before) else int(before != after)
