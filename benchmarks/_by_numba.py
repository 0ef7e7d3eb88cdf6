"""The same gradients by hand with Numba: own loops for what is elementwise, and products by BLAS or by loops."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import _race as race
from _sequences import Arrays, Numbers, made

SMALL = 50_000  # multiplications a step up to which products by loops are tried


@cache
def functions() -> dict[str, Any]:
    """The compiled parts; Numba compiles each of them once for a type of numbers."""
    import math

    import numba

    @numba.njit(fastmath=True)  # type: ignore[untyped-decorator]
    def top(p: Any, b: Any, y: Any, db: Any) -> float:
        loss = 0.0
        one = p.dtype.type(1)
        db[:] = 0
        for n in range(p.shape[0]):
            row = p[n]
            most = row[0] + b[0]
            for k in range(row.size):
                row[k] += b[k]
                most = max(most, row[k])
            total = p.dtype.type(0)
            loss -= row[y[n]] - most
            for k in range(row.size):
                row[k] = math.exp(row[k] - most)
                total += row[k]
            loss += math.log(total)
            for k in range(row.size):
                row[k] *= one / total
            row[y[n]] -= one
            for k in range(row.size):
                db[k] += row[k]
        return loss

    @numba.njit(fastmath=True)  # type: ignore[untyped-decorator]
    def add_product(w: Any, x: Any, out: Any) -> None:
        """``out += x @ w.T``, row by row."""
        for n in range(x.shape[0]):
            for j in range(w.shape[0]):
                total = out[n, j]
                for k in range(w.shape[1]):
                    total += w[j, k] * x[n, k]
                out[n, j] = total

    @numba.njit(fastmath=True)  # type: ignore[untyped-decorator]
    def add_turned(w: Any, x: Any, out: Any) -> None:
        """``out += x @ w``."""
        for n in range(x.shape[0]):
            for j in range(w.shape[0]):
                for k in range(w.shape[1]):
                    out[n, k] += x[n, j] * w[j, k]

    @numba.njit(fastmath=True)  # type: ignore[untyped-decorator]
    def outer(x: Any, y: Any, out: Any) -> None:
        """``out = x.T @ y``."""
        out[:] = 0
        for n in range(x.shape[0]):
            for j in range(x.shape[1]):
                for k in range(y.shape[1]):
                    out[j, k] += x[n, j] * y[n, k]

    @numba.njit(fastmath=True)  # type: ignore[untyped-decorator]
    def rnn_forth(z: Any, product: Any, b: Any, h: Any) -> None:
        for n in range(h.shape[0]):
            for j in range(h.shape[1]):
                h[n, j] = math.tanh(z[n, j] + product[n, j] + b[j])

    @numba.njit(fastmath=True)  # type: ignore[untyped-decorator]
    def rnn_back(dh: Any, product: Any, h: Any, dz: Any, db: Any) -> None:
        one = h.dtype.type(1)
        for n in range(h.shape[0]):
            for j in range(h.shape[1]):
                value = (dh[n, j] + product[n, j]) * (one - h[n, j] * h[n, j])
                dz[n, j] = value
                db[j] += value

    @numba.njit(fastmath=True)  # type: ignore[untyped-decorator]
    def lstm_forth(z: Any, product: Any, b: Any, before: Any, c: Any, q: Any, h: Any) -> None:
        many = h.shape[1]
        one = h.dtype.type(1)
        for n in range(h.shape[0]):
            for k in range(4 * many):
                value = z[n, k] + product[n, k] + b[k]
                inner = 2 * many <= k < 3 * many
                z[n, k] = math.tanh(value) if inner else one / (one + math.exp(-value))
            for j in range(many):
                c[n, j] = z[n, many + j] * before[n, j] + z[n, j] * z[n, 2 * many + j]
                q[n, j] = math.tanh(c[n, j])
                h[n, j] = z[n, 3 * many + j] * q[n, j]

    @numba.njit(fastmath=True)  # type: ignore[untyped-decorator]
    def lstm_back(dh: Any, product: Any, later: Any, before: Any, q: Any, z: Any, db: Any) -> None:
        many = q.shape[1]
        one = q.dtype.type(1)
        for n in range(q.shape[0]):
            for j in range(many):
                i, f, g, o = z[n, j], z[n, many + j], z[n, 2 * many + j], z[n, 3 * many + j]
                down = dh[n, j] + product[n, j]
                dc = down * o * (one - q[n, j] * q[n, j]) + later[n, j]
                later[n, j] = dc * f
                z[n, j] = dc * g * i * (one - i)
                z[n, many + j] = dc * before[n, j] * f * (one - f)
                z[n, 2 * many + j] = dc * i * (one - g * g)
                z[n, 3 * many + j] = down * q[n, j] * o * (one - o)
            for k in range(4 * many):
                db[k] += z[n, k]

    parts = (top, add_product, add_turned, outer, rnn_forth, rnn_back, lstm_forth, lstm_back)
    return {part.__name__: part for part in parts}


@cache
def gradients(lstm: bool, blas: bool) -> Any:
    """The whole gradient as one compiled function."""
    import numba
    import numpy

    found = functions()
    top, add_product, add_turned, outer = (found[n] for n in ("top", "add_product", "add_turned", "outer"))
    rnn_forth, rnn_back, lstm_forth, lstm_back = (
        found[n] for n in ("rnn_forth", "rnn_back", "lstm_forth", "lstm_back")
    )

    @numba.njit  # type: ignore[untyped-decorator]
    def gradient(
        w_x: Any, w_h: Any, b: Any, w_y: Any, b_y: Any, x: Any, y: Any, count: int, work: Any, into: Any
    ) -> float:
        h, c, q, z, dh, p, forth, product, later = work
        rows = x.shape[0]
        states, across = h[count:], numpy.ascontiguousarray(w_h.T)
        if blas:
            numpy.dot(x, w_x.T, z)
        else:
            z[:] = 0
            add_product(w_x, x, z)
        for low in range(0, rows, count):
            now, after = slice(low, low + count), slice(low + count, low + 2 * count)
            if blas:
                numpy.dot(h[now], across, forth)
            else:
                forth[:] = 0
                add_product(w_h, h[now], forth)
            if lstm:
                lstm_forth(z[now], forth, b, c[now], c[after], q[now], h[after])
            else:
                rnn_forth(z[now], forth, b, h[after])
        if blas:
            numpy.dot(states, w_y.T, p)
        else:
            p[:] = 0
            add_product(w_y, states, p)
        loss = top(p, b_y, y, into[4])
        if blas:
            numpy.dot(p, w_y, dh)
        else:
            dh[:] = 0
            add_turned(w_y, p, dh)
        product[:] = 0
        later[:] = 0
        into[2][:] = 0
        for low in range(rows - count, -1, -count):
            now, after = slice(low, low + count), slice(low + count, low + 2 * count)
            if lstm:
                lstm_back(dh[now], product, later, c[now], q[now], z[now], into[2])
            else:
                rnn_back(dh[now], product, h[after], z[now], into[2])
            if blas:
                numpy.dot(z[now], w_h, product)
            else:
                product[:] = 0
                add_turned(w_h, z[now], product)
        if blas:
            numpy.dot(z.T, x, into[0])
            numpy.dot(z.T, h[:rows], into[1])
            numpy.dot(p.T, states, into[3])
        else:
            outer(z, x, into[0])
            outer(z, h[:rows], into[1])
            outer(p, states, into[3])
        return loss

    return gradient


def by_numba(blas: bool) -> Any:
    """A peer with products by BLAS or by loops."""

    def make(task: Mapping[str, Any]) -> race.Made:
        import numpy

        numbers = Numbers(task)
        height, inputs, kinds, steps, count = numbers.sizes
        rows, wide = steps * count, len(numbers.weights[2])
        if not blas and wide * (height + inputs) * count > SMALL:
            raise race.Skipped("products by loops are for small sizes")
        shapes = (rows + count, height), (rows + count, height), (rows, height), (rows, wide), (rows, height)
        small = (rows, kinds), (count, wide), (count, height), (count, height)
        work = tuple(numpy.zeros(shape, numbers.dtype) for shape in (*shapes, *small))
        into = [numpy.empty_like(w) for w in numbers.weights]
        vectors, function = (into[0], into[1], into[2], into[3], into[4]), gradients(task["cell"] == "lstm", blas)
        fixed = numbers.x.reshape(rows, inputs), numbers.y.reshape(-1)

        def call() -> Arrays:
            function(*numbers.weights, *fixed, count, work, vectors)
            return into

        return made(call)

    return make
