"""The operations that move entries about, over any arithmetic: sums, products, concat, softmax, entries and parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from bptt_solver.arithmetic.values import Function, NotFinite, Value, is_array, is_exact, to_float
from bptt_solver.catalogues import message

if TYPE_CHECKING:
    from bptt_solver.arithmetic.base import Arithmetic


def _sum_all(arithmetic: Arithmetic) -> Function:
    def total(first: Value, *others: Value) -> Value:
        for term in others:
            first = first + term
        return first

    return total


def _product(arithmetic: Arithmetic) -> Function:
    def product(first: Value, *others: Value) -> Value:
        for factor in others:
            first = first * factor
        return first

    return product


def _softmax(arithmetic: Arithmetic) -> Function:
    exp = arithmetic.function("exp")

    def softmax(x: Value) -> Value:
        e = exp(x - _shift(arithmetic, x))
        return e / e.sum()

    return softmax


def _shift(arithmetic: Arithmetic, x: Value) -> Value:
    entries = x.ravel().tolist()
    return max(arithmetic.real(v) for v in entries)


def _logsumexp(arithmetic: Arithmetic) -> Function:
    exp, log = arithmetic.function("exp"), arithmetic.function("log")

    def logsumexp(x: Value) -> Value:
        if not is_array(x):
            return x
        top = _shift(arithmetic, x)
        return top + log(_python(exp(x - top).sum()))

    return logsumexp


def _python(value: Value) -> Value:
    """A NumPy scalar as a Python number."""
    return (
        value.item()
        if (hasattr(value, "item") and not is_array(value)) or (is_array(value) and value.ndim == 0)
        else value
    )


def _log_softmax(arithmetic: Arithmetic) -> Function:
    logsumexp = arithmetic.function("logsumexp")
    return lambda x: x - logsumexp(x)


def _norm2(arithmetic: Arithmetic) -> Function:
    sqrt = arithmetic.function("sqrt")

    def norm2(x: Value) -> Value:
        if not is_array(x):
            return arithmetic.function("abs")(x)
        return sqrt(_python((x * x).sum()))

    return norm2


def _concat(arithmetic: Arithmetic) -> Function:
    def concat(*parts: Value) -> Value:
        import numpy

        if arithmetic.name == "float" and any(is_exact(p) for p in parts) and not all(is_exact(p) for p in parts):
            parts = tuple(to_float(p) for p in parts)
        return numpy.concatenate(
            [p if is_array(p) else numpy.array([p], dtype=object if is_exact(p) else None) for p in parts]
        )

    return concat


def ends_of(parts: Sequence[Value]) -> list[int]:
    """Where the parts of a concatenation end, 0 in front."""
    ends = [0]
    for part in parts:
        ends.append(ends[-1] + (part.shape[0] if is_array(part) else 1))
    return ends


def _block(arithmetic: Arithmetic) -> Function:
    def block(whole: Value, which: Value, *parts: Value) -> Value:
        k, ends = int(arithmetic.real(which)), ends_of(parts)
        piece = whole[ends[k - 1] : ends[k]]
        return piece if is_array(parts[k - 1]) else _python(piece[0])

    return block


def _columns(arithmetic: Arithmetic) -> Function:
    def columns(whole: Value, which: Value, *parts: Value) -> Value:
        k, ends = int(arithmetic.real(which)), ends_of(parts)
        return whole[:, ends[k - 1] : ends[k]]

    return columns


def _place_columns(arithmetic: Arithmetic) -> Function:
    def place_columns(piece: Value, which: Value, *parts: Value) -> Value:
        k, ends = int(arithmetic.real(which)), ends_of(parts)
        result = _zeros_like(piece, (piece.shape[0], ends[-1]))
        result[:, ends[k - 1] : ends[k]] = piece
        return result

    return place_columns


def _zeros_like(like: Value, shape: tuple[int, ...]) -> Value:
    import numpy

    return numpy.full(shape, 0, dtype=like.dtype)


def _position(arithmetic: Arithmetic, index: Value, size: int) -> int:
    at = arithmetic.real(index)
    if at != int(at) or not 1 <= at <= size:
        raise NotFinite(message("value.no_entry", at=at, size=size))
    return int(at) - 1


def _entry(arithmetic: Arithmetic) -> Function:
    return lambda v, i: _python(v[_position(arithmetic, i, v.shape[0])])


def _unit(arithmetic: Arithmetic) -> Function:
    def unit(v: Value, i: Value) -> Value:
        result = _zeros_like(v, v.shape)
        result[_position(arithmetic, i, v.shape[0])] = 1
        return result

    return unit


def _part(arithmetic: Arithmetic) -> Function:
    return lambda v, i, j: v[int(arithmetic.real(i)) - 1 : int(arithmetic.real(j))]


def _place(arithmetic: Arithmetic) -> Function:
    def place(g: Value, i: Value, j: Value, like: Value) -> Value:
        result = _zeros_like(g, like.shape)
        result[int(arithmetic.real(i)) - 1 : int(arithmetic.real(j))] = g
        return result

    return place


def _expand(arithmetic: Arithmetic) -> Function:
    def expand(value: Value, like: Value) -> Value:
        if not is_array(like):
            return value
        import numpy

        kind = object if is_exact(value) or like.dtype == object else None
        return numpy.full(like.shape, value, dtype=kind)

    return expand


def _largest(sign: int) -> Callable[[Arithmetic], Function]:
    def make(arithmetic: Arithmetic) -> Function:
        def largest(x: Value) -> Value:
            entries = x.ravel().tolist() if is_array(x) else [x]
            top = max(sign * arithmetic.real(v) for v in entries)
            best = [v for v in entries if sign * arithmetic.real(v) == top]
            return best[0] if len(best) == 1 else sum(best[1:], best[0]) / len(best)

        return largest

    return make


def _argmax_share(arithmetic: Arithmetic) -> Function:
    def share(x: Value) -> Value:
        if not is_array(x):
            return 1
        entries = [arithmetic.real(v) for v in x.ravel().tolist()]
        top = max(entries)
        count = sum(v == top for v in entries)
        part = Fraction(1, count) if x.dtype == object else 1 / count
        result = _zeros_like(x, (len(entries),))
        for i, v in enumerate(entries):
            if v == top:
                result[i] = arithmetic.scalar(part) if arithmetic.name != "float" else part
        return result.reshape(x.shape)

    return share


def _ties(arithmetic: Arithmetic) -> Function:
    def ties(x: Value) -> Value:
        entries = sorted((arithmetic.real(v) for v in x.ravel().tolist()), reverse=True) if is_array(x) else [1]
        return 1 if len(entries) < 2 else entries[0] - entries[1]

    return ties


def _mean(arithmetic: Arithmetic) -> Function:
    return lambda x: (
        _python(arithmetic.function("div")(_python(x.sum()), arithmetic.scalar(x.size))) if is_array(x) else x
    )


def _zeros(arithmetic: Arithmetic) -> Function:
    return lambda x: _zeros_like(x, x.shape) if is_array(x) else arithmetic.scalar(0)


def _diag(arithmetic: Arithmetic) -> Function:
    def diag(v: Value) -> Value:
        result = _zeros_like(v, (v.shape[0], v.shape[0]))
        for i in range(v.shape[0]):
            result[i, i] = v[i]
        return result

    return diag


STRUCTURAL: dict[str, Callable[[Arithmetic], Function]] = {
    "add": _sum_all,
    "mul": _product,
    "neg": lambda arithmetic: lambda x: -x,
    "matmul": lambda arithmetic: lambda a, b: a @ b,
    "dot": lambda arithmetic: lambda a, b: _python((a * b).sum()) if is_array(a) else a * b,
    "outer": lambda arithmetic: lambda a, b: a[:, None] * b[None, :],
    "transpose": lambda arithmetic: lambda a: a.T if a.ndim == 2 else a[None, :],
    "unrow": lambda arithmetic: lambda a: a[0],
    "sum": lambda arithmetic: lambda x: _python(x.sum()) if is_array(x) else x,
    "mean": _mean,
    "count": lambda arithmetic: lambda x: arithmetic.scalar(x.size if is_array(x) else 1),
    "expand": _expand,
    "zeros": _zeros,
    "concat": _concat,
    "block": _block,
    "columns": _columns,
    "place_columns": _place_columns,
    "entry": _entry,
    "unit": _unit,
    "part": _part,
    "place": _place,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "norm2": _norm2,
    "largest": _largest(1),
    "smallest": _largest(-1),
    "argmax_share": _argmax_share,
    "ties": _ties,
    "diag": _diag,
    "diagonal": lambda arithmetic: lambda a: a.diagonal().copy(),
    "stop_gradient": lambda arithmetic: lambda x: x,
}
