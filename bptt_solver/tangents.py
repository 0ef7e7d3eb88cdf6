"""Tangents and how they pass through sums, products, operations that move entries about, and through kinks.

See `bptt_solver.forward_mode` for what a tangent is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from bptt_solver.arithmetic import NotFinite, Value, is_array
from bptt_solver.arithmetic.structure import ends_of
from bptt_solver.catalogues import message

Tangent = Any  # a number, a Sparse, an array with lanes, or None
Linear = Callable[[list[Value], list[Tangent], Value], Tangent]  # (values, tangents, result): the result's tangent


class Sparse(dict[int, Any]):
    """A row of partials, by instance number. Enough of a vector to be a tangent."""

    def __mul__(self, factor: Any) -> Sparse:
        return Sparse({k: v * factor for k, v in self.items()})

    __rmul__ = __mul__

    def __neg__(self) -> Sparse:
        return Sparse({k: -v for k, v in self.items()})

    def __add__(self, other: Sparse) -> Sparse:
        return _merged([self, other])


def added(tangents: Sequence[Tangent]) -> Tangent:
    """The sum of tangents, structural zeros left out; None if there is nothing else."""
    if len(tangents) == 1:
        return tangents[0]
    known = [t for t in tangents if t is not None]
    if len(known) < 2:
        return known[0] if known else None
    first = known[0]
    if type(first) is Sparse:
        return _merged(known)
    for other in known[1:]:
        first = first + other
    return first


def _merged(rows: Sequence[Sparse]) -> Sparse:
    result = Sparse(rows[0])
    for other in rows[1:]:
        for k, v in other.items():
            result[k] = result[k] + v if k in result else v
    return result


# ----------------------------------------------------------------------------- lanes


def spread(tangent: Tangent, shape: tuple[int, ...]) -> Tangent:
    """A scalar's tangent as that of an array of this shape, all of whose entries are the scalar."""
    import numpy

    return numpy.broadcast_to(tangent.reshape(tangent.shape[:1] + (1,) * len(shape)), (tangent.shape[0], *shape))


def entrywise(tangent: Tangent, partial: Value, value: Value, result: Value) -> Tangent:
    """What an argument contributes to an elementwise result (or a scalar to a scalar)."""
    if is_array(result) and not is_array(value):
        tangent = spread(tangent, result.shape)
    return tangent * partial


def contracted(tangent: Tangent, partial: Value, value: Value, result: Value) -> Tangent:
    """What an argument contributes to a number."""
    if is_array(value):
        return summed(tangent * partial)
    return tangent * (partial.sum() if is_array(partial) else partial)


def summed(tangent: Tangent) -> Tangent:
    """The sum over all entries, lane by lane."""
    return tangent.reshape(tangent.shape[0], -1).sum(axis=1)


def _zeros(shape: tuple[int, ...], like: Tangent) -> Tangent:
    import numpy

    return numpy.full(shape, 0, dtype=like.dtype)


# ----------------------------------------------------------------------------- sums, products and what moves entries


def _add(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    if not is_array(result):
        return added(tangents)
    return added([entrywise(t, 1, v, result) for v, t in zip(values, tangents, strict=True) if t is not None])


def _mul(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    if len(values) == 2 and not is_array(result):
        (a, b), (ta, tb) = values, tangents
        return tb * a if ta is None else ta * b if tb is None else added([ta * b, tb * a])
    parts = []
    for k, tangent in enumerate(tangents):
        if tangent is not None:
            rest = [v for i, v in enumerate(values) if i != k]
            others = rest[0]
            for value in rest[1:]:
                others = others * value
            parts.append(entrywise(tangent, others, values[k], result))
    return added(parts)


def _matmul(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    (a, b), (ta, tb) = values, tangents
    right = None if tb is None else tb @ a.T if b.ndim == 1 else a @ tb
    return added([None if ta is None else ta @ b, right])


def _dot(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    (a, b), (ta, tb) = values, tangents
    return added(
        [None if ta is None else contracted(ta, b, a, result), None if tb is None else contracted(tb, a, b, result)]
    )


def _outer(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    (a, b), (ta, tb) = values, tangents
    return added([None if ta is None else ta[:, :, None] * b, None if tb is None else a[:, None] * tb[:, None, :]])


def _transpose(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    (t,) = tangents
    return t.swapaxes(1, 2) if values[0].ndim == 2 else t[:, None, :]


def _sum(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    return summed(tangents[0]) if is_array(values[0]) else tangents[0]


def _mean(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    if not is_array(values[0]):
        return tangents[0]
    total = summed(tangents[0])
    return total / values[0].size if total.dtype != object else total * Fraction(1, values[0].size)


def _expand(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    return None if tangents[0] is None else entrywise(tangents[0], 1, values[0], result)


def _concat(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    ends = ends_of(values)
    some = next(t for t in tangents if t is not None)
    whole = _zeros((some.shape[0], ends[-1]), some)
    for k, tangent in enumerate(tangents):
        if tangent is not None:
            whole[:, ends[k] : ends[k + 1]] = tangent if is_array(values[k]) else tangent[:, None]
    return whole


def _block(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    if tangents[0] is None:
        return None
    k, ends = int(values[1]), ends_of(values[2:])
    piece = tangents[0][:, ends[k - 1] : ends[k]]
    return piece if is_array(result) else piece[:, 0]


def _columns(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    if tangents[0] is None:
        return None
    k, ends = int(values[1]), ends_of(values[2:])
    return tangents[0][:, :, ends[k - 1] : ends[k]]


def _place_columns(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    if tangents[0] is None:
        return None
    k, ends = int(values[1]), ends_of(values[2:])
    whole = _zeros((tangents[0].shape[0], *result.shape), tangents[0])
    whole[:, :, ends[k - 1] : ends[k]] = tangents[0]
    return whole


def _entry(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    return None if tangents[0] is None else tangents[0][:, int(values[1]) - 1]


def _part(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    return None if tangents[0] is None else tangents[0][:, int(values[1]) - 1 : int(values[2])]


def _place(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    if tangents[0] is None:
        return None
    whole = _zeros((tangents[0].shape[0], *result.shape), tangents[0])
    whole[:, int(values[1]) - 1 : int(values[2])] = tangents[0]
    return whole


def _diag(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    (t,) = tangents
    whole = _zeros((t.shape[0], *result.shape), t)
    for i in range(t.shape[1]):
        whole[:, i, i] = t[:, i]
    return whole


def _nothing(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    return None


LINEAR: dict[str, Linear] = {
    "add": _add,
    "neg": lambda values, tangents, result: -tangents[0],
    "mul": _mul,
    "matmul": _matmul,
    "dot": _dot,
    "outer": _outer,
    "transpose": _transpose,
    "unrow": lambda values, tangents, result: tangents[0][:, 0],
    "sum": _sum,
    "mean": _mean,
    "expand": _expand,
    "concat": _concat,
    "block": _block,
    "columns": _columns,
    "place_columns": _place_columns,
    "entry": _entry,
    "part": _part,
    "place": _place,
    "diag": _diag,
    "diagonal": lambda values, tangents, result: tangents[0].diagonal(axis1=1, axis2=2),
    **dict.fromkeys(("zeros", "unit", "count", "ties", "argmax_share", "stop_gradient"), _nothing),
}


# ----------------------------------------------------------------------------- one-sided derivatives


def _choice(first: Value, second: Value, t: Tangent, u: Tangent, result: Value, sign: int) -> Tangent:
    """The tangent of max (``sign`` 1) or min (-1) of two values with these tangents; at a tie that of the tangents."""
    t = 0 if t is None else t if not is_array(result) or is_array(first) else spread(t, result.shape)
    u = 0 if u is None else u if not is_array(result) or is_array(second) else spread(u, result.shape)
    if is_array(result) or is_array(t) or is_array(u):
        import numpy

        tie = numpy.maximum(t, u) if sign > 0 else numpy.minimum(t, u)
        above, below = (first > second, second > first) if sign > 0 else (first < second, second < first)
        return numpy.where(above, t, numpy.where(below, u, tie))
    if first == second:
        return max(t, u) if sign > 0 else min(t, u)
    return t if (first > second) == (sign > 0) else u


def _either(sign: int) -> Linear:
    def linear(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
        (first, second), (t, u) = values, tangents
        return _choice(first, second, t, u, result, sign)

    return linear


def _directional_abs(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    (x,), (t,) = values, tangents
    return _choice(x, -x, t, -t, result, 1)


def _directional_clip(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    x, low, high = values
    t, t_low, t_high = tangents
    if is_array(result):
        import numpy

        raised = numpy.maximum(x, low)
        inner = _choice(x, low, t, t_low, raised, 1)
        return _choice(raised, high, inner, t_high, result, -1)
    return _choice(max(x, low), high, _choice(x, low, t, t_low, max(x, low), 1), t_high, result, -1)


def _directional_jump(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    x = values[0]
    if (x == 0).any() if is_array(x) else x == 0:
        raise NotFinite(message("value.jump"))
    return None


def _extreme(sign: int) -> Linear:
    def linear(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
        if not is_array(values[0]):
            return tangents[0]
        rows = tangents[0].reshape(tangents[0].shape[0], -1)[:, values[0].ravel() == result]
        return rows.max(axis=1) if sign > 0 else rows.min(axis=1)

    return linear


DIRECTIONAL: dict[str, Linear] = {
    "abs": _directional_abs,
    "max": _either(1),
    "min": _either(-1),
    "clip": _directional_clip,
    "sign": _directional_jump,
    "step": _directional_jump,
    "largest": _extreme(1),
    "smallest": _extreme(-1),
}
