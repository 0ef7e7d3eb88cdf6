"""Gradients of an RNN and an LSTM by hand, with NumPy: as one writes them first, as well as we know how, and the limit.

The best ones do once, for all steps together, what no recurrence forbids: the products with the inputs, the output
layer, and every gradient of a weight are one matrix product each. They write into arrays that were made before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import _race as race
from _sequences import Arrays, Numbers, made

BLOCK_ROWS = 2048  # steps times sequences in a block of the programs that go block by block
BLOCK_ENTRIES = 65536  # of the gates' slopes that are computed together


class Turned:
    """A matrix as the right factor of a product with a few rows, as it is and turned, each in the memory order in which
    this machine's BLAS is faster (which differs by up to a third between processors, so it is measured)."""

    def __init__(self, matrix: Any, rows: int) -> None:
        import numpy

        self.matrix, self.copy = matrix, numpy.ascontiguousarray(matrix.T)
        self.forward = self._faster(rows, self.copy, matrix.T)  # by which W @ h is computed for rows h
        self.backward = self._faster(rows, matrix, self.copy.T)

    def _faster(self, rows: int, *ways: Any) -> Any:
        import numpy

        costs = []
        for way in ways:
            left, out = (numpy.ones((rows, n), self.matrix.dtype) for n in way.shape)
            least = 1e9
            for _ in range(6):
                start = time.perf_counter()
                for _ in range(8):
                    numpy.dot(left, way, out=out)
                least = min(least, time.perf_counter() - start)
            costs.append(least)
        return ways[costs.index(min(costs))]

    def refresh(self) -> None:
        """The copy made again, as weights change from call to call."""
        self.copy[...] = self.matrix.T


def top(numbers: Numbers, rows: int, classes: Any) -> Callable[[Any, Any], Any]:
    """The output layer and its loss for so many rows, as a function of the states that gives the derivative by the
    outputs, and writes that by the states into its second argument."""
    import numpy

    weight, bias = numbers.weights[3:5]
    dot, add, subtract, exp, divide, log = numpy.dot, numpy.add, numpy.subtract, numpy.exp, numpy.divide, numpy.log
    across, kinds = weight.T, len(weight)
    p = numpy.empty((rows, kinds), numbers.dtype)
    most, total = (numpy.empty((rows, 1), numbers.dtype) for _ in range(2))
    at, flat = numpy.arange(rows) * kinds + classes, p.reshape(-1)
    largest, summed, losses = numpy.maximum.reduce, numpy.add.reduce, [0.0]

    def head(states: Any, back: Any) -> Any:
        dot(states, across, out=p)
        add(p, bias, out=p)
        largest(p, axis=1, keepdims=True, out=most)
        subtract(p, most, out=p)
        loss = -float(summed(flat.take(at)))
        exp(p, out=p)
        summed(p, axis=1, keepdims=True, out=total)
        loss += float(summed(log(total), axis=None))
        divide(p, total, out=p)
        flat[at] -= 1
        dot(p, weight, out=back)
        losses[0] = loss
        return p

    return head


def _softmax_step(numbers: Numbers, h: Any, classes: Any) -> tuple[Any, float]:
    import numpy

    scores = h @ numbers.weights[3].T + numbers.weights[4]
    p = numpy.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    rows = numpy.arange(len(h))
    loss = -float(numpy.log(p[rows, classes]).sum())
    p[rows, classes] -= 1
    return p, loss


def rnn_naive(task: Mapping[str, Any]) -> race.Made:
    """Step by step, as in a lecture."""
    import numpy

    numbers = Numbers(task)
    w_x, w_h, b, w_y, _ = numbers.weights
    height, _, _, steps, count = numbers.sizes

    def call() -> Arrays:
        h = {-1: numpy.zeros((count, height), numbers.dtype)}
        wrong, loss = {}, 0.0
        for t in range(steps):
            h[t] = numpy.tanh(numbers.x[t] @ w_x.T + h[t - 1] @ w_h.T + b)
            wrong[t], one = _softmax_step(numbers, h[t], numbers.y[t])
            loss += one
        found = [numpy.zeros_like(w) for w in numbers.weights]
        later = numpy.zeros_like(h[-1])
        for t in reversed(range(steps)):
            back = (wrong[t] @ w_y + later) * (1 - h[t] ** 2)
            parts = (back.T @ numbers.x[t], back.T @ h[t - 1], back.sum(0), wrong[t].T @ h[t], wrong[t].sum(0))
            for total, part in zip(found, parts, strict=True):
                numpy.add(total, part, out=total)
            later = back @ w_h
        return found

    return made(call)


def rnn_best(task: Mapping[str, Any]) -> race.Made:
    """Everything for all steps at once but the recurrence itself."""
    import numpy

    numbers = Numbers(task)
    w_x, w_h, b, _, _ = numbers.weights
    height, inputs, _, steps, count = numbers.sizes
    dot, add, multiply, subtract, tanh = numpy.dot, numpy.add, numpy.multiply, numpy.subtract, numpy.tanh
    h = numpy.zeros((steps + 1, count, height), numbers.dtype)
    back, slope = (numpy.empty((steps, count, height), numbers.dtype) for _ in range(2))
    states, before = h[1:].reshape(-1, height), h[:-1].reshape(-1, height)
    rows, slopes = back.reshape(-1, height), slope.reshape(-1, height)
    x, ones = numbers.x.reshape(-1, inputs), numpy.ones(steps * count, numbers.dtype)
    carried = numpy.empty((count, height), numbers.dtype)
    head, turned = top(numbers, steps * count, numbers.y.reshape(-1)), Turned(w_h, count)
    forth, onto, into, found = turned.forward, turned.backward, w_x.T, [numpy.empty_like(w) for w in numbers.weights]
    forwards = list(zip(h[:-1], back, h[1:], strict=True))  # views, made once
    last = back[-1], slope[-1]
    backwards = list(zip(back[:0:-1], back[-2::-1], slope[-2::-1], strict=True))

    def call() -> Arrays:
        turned.refresh()
        dot(x, into, out=rows)
        add(rows, b, out=rows)
        for old, given, new in forwards:
            dot(old, forth, out=carried)
            add(carried, given, out=carried)
            tanh(carried, out=new)
        wrong = head(states, rows)
        multiply(states, states, out=slopes)
        subtract(1, slopes, out=slopes)
        multiply(last[0], last[1], out=last[0])
        for later, now, steep in backwards:
            dot(later, onto, out=carried)
            add(now, carried, out=now)
            multiply(now, steep, out=now)
        dot(rows.T, x, out=found[0])
        dot(rows.T, before, out=found[1])
        dot(ones, rows, out=found[2])
        dot(wrong.T, states, out=found[3])
        dot(ones, wrong, out=found[4])
        return found

    return made(call)


def rnn_blocked(task: Mapping[str, Any]) -> race.Made:
    """The same, block after block of steps, so that a block stays in the cache."""
    import numpy

    numbers = Numbers(task)
    w_x, w_h, b, _, _ = numbers.weights
    height, inputs, _, steps, count = numbers.sizes
    length = min(steps, max(1, BLOCK_ROWS // count))
    if length == steps:
        raise race.Skipped("one block is everything")
    dot, add, multiply, subtract, tanh = numpy.dot, numpy.add, numpy.multiply, numpy.subtract, numpy.tanh
    h = numpy.zeros((steps + 1, count, height), numbers.dtype)
    back, slope = (numpy.empty((length, count, height), numbers.dtype) for _ in range(2))
    carried, ones = numpy.empty((count, height), numbers.dtype), numpy.ones(length * count, numbers.dtype)
    turned = Turned(w_h, count)
    blocks = [(low, min(low + length, steps)) for low in range(0, steps, length)]
    h_at, back_at, slope_at = list(h), list(back), list(slope)
    x, y = numbers.x.reshape(-1, inputs), numbers.y.reshape(-1)
    heads = {low: top(numbers, (high - low) * count, y[low * count : high * count]) for low, high in blocks}
    found, part = ([numpy.empty_like(w) for w in numbers.weights] for _ in range(2))

    def forward(low: int, high: int) -> None:
        rows = back[: high - low].reshape(-1, height)
        dot(x[low * count : high * count], w_x.T, out=rows)
        add(rows, b, out=rows)
        for t in range(low, high):
            dot(h_at[t], turned.forward, out=carried)
            add(carried, back_at[t - low], out=carried)
            tanh(carried, out=h_at[t + 1])

    def backward(low: int, high: int) -> None:
        rows, slopes = (a[: high - low].reshape(-1, height) for a in (back, slope))
        states = h[low + 1 : high + 1].reshape(-1, height)
        wrong = heads[low](states, rows)
        multiply(states, states, out=slopes)
        subtract(1, slopes, out=slopes)
        for t in range(high - low - 1, -1, -1):
            now = back_at[t]
            add(now, carried, out=now)
            multiply(now, slope_at[t], out=now)
            dot(now, turned.backward, out=carried)
        into, one = found if high == steps else part, ones[: len(rows)]
        dot(rows.T, x[low * count : high * count], out=into[0])
        dot(rows.T, h[low:high].reshape(-1, height), out=into[1])
        dot(one, rows, out=into[2])
        dot(wrong.T, states, out=into[3])
        dot(one, wrong, out=into[4])
        if into is part:
            for total, more in zip(found, part, strict=True):
                add(total, more, out=total)

    def call() -> Arrays:
        turned.refresh()
        for low, high in blocks:
            forward(low, high)
        carried.fill(0)
        for low, high in reversed(blocks):
            backward(low, high)
        return found

    return made(call)


def lstm_naive(task: Mapping[str, Any]) -> race.Made:
    """Step by step, as in a lecture."""
    import numpy

    numbers = Numbers(task)
    w_x, w_h, b, w_y, _ = numbers.weights
    height, _, _, steps, count = numbers.sizes

    def call() -> Arrays:
        h, c = ({-1: numpy.zeros((count, height), numbers.dtype)} for _ in range(2))
        gates, wrong, loss = {}, {}, 0.0
        for t in range(steps):
            z = numpy.split(numbers.x[t] @ w_x.T + h[t - 1] @ w_h.T + b, 4, axis=1)
            i, f, o = (1 / (1 + numpy.exp(-z[k])) for k in (0, 1, 3))
            g = numpy.tanh(z[2])
            c[t] = f * c[t - 1] + i * g
            q = numpy.tanh(c[t])
            h[t] = o * q
            gates[t] = i, f, g, o, q
            wrong[t], one = _softmax_step(numbers, h[t], numbers.y[t])
            loss += one
        found = [numpy.zeros_like(w) for w in numbers.weights]
        h_later, c_later = numpy.zeros_like(h[-1]), numpy.zeros_like(h[-1])
        for t in reversed(range(steps)):
            i, f, g, o, q = gates[t]
            dh = wrong[t] @ w_y + h_later
            dc = dh * o * (1 - q * q) + c_later
            parts = (dc * g * i * (1 - i), dc * c[t - 1] * f * (1 - f), dc * i * (1 - g * g), dh * q * o * (1 - o))
            dz = numpy.concatenate(parts, axis=1)
            more = (dz.T @ numbers.x[t], dz.T @ h[t - 1], dz.sum(0), wrong[t].T @ h[t], wrong[t].sum(0))
            for total, part in zip(found, more, strict=True):
                numpy.add(total, part, out=total)
            h_later, c_later = dz @ w_h, dc * f
        return found

    return made(call)


class Gated:
    """The gates in the order o, i, f, g: the sigmoids stand side by side, and so do those that depend on the cell. A
    sigmoid is half a tanh of the half, so that one tanh does all four."""

    def __init__(self, numbers: Numbers) -> None:
        import numpy

        height = numbers.sizes[0]
        self.numbers, self.sigmoids = numbers, 3 * height
        self.order = numpy.r_[3 * height : 4 * height, 0 : 3 * height]
        self.undone = numpy.argsort(self.order)
        self.scale = numpy.ones((4 * height, 1), numbers.dtype)
        self.scale[: self.sigmoids] = 0.5
        w_h = numbers.weights[1][self.order]
        self.scaled, self.plain = Turned(w_h * self.scale, numbers.sizes[4]), Turned(w_h, numbers.sizes[4])

    def refresh(self) -> tuple[Any, Any]:
        """The matrices made again; the scaled input matrix and bias."""
        w_x, w_h, b = self.numbers.weights[:3]
        self.plain.matrix[...] = w_h[self.order]
        self.scaled.matrix[...] = self.plain.matrix * self.scale
        self.plain.refresh()
        self.scaled.refresh()
        return w_x[self.order] * self.scale, b[self.order] * self.scale[:, 0]


def lstm_best(task: Mapping[str, Any]) -> race.Made:
    """All steps at once but the recurrence, gates side by side, slopes in blocks that stay in the cache."""
    import numpy

    numbers = Numbers(task)
    height, inputs, _, steps, count = numbers.sizes
    dot, add, multiply, subtract, tanh = numpy.dot, numpy.add, numpy.multiply, numpy.subtract, numpy.tanh
    gated, dtype = Gated(numbers), numbers.dtype
    head = top(numbers, steps * count, numbers.y.reshape(-1))
    many, size, half = gated.sigmoids, (count, height), dtype.type(0.5)
    h, c = (numpy.zeros((steps + 1, *size), dtype) for _ in range(2))
    z = numpy.empty((steps, count, 4 * height), dtype)
    q, dh = (numpy.empty((steps, *size), dtype) for _ in range(2))
    carried, product, later = (
        numpy.empty((count, 4 * height), dtype),
        numpy.empty(size, dtype),
        numpy.empty(size, dtype),
    )
    length = max(1, min(steps, BLOCK_ENTRIES // (count * 4 * height)))
    slope, share = numpy.empty((length, count, 4 * height), dtype), numpy.empty((length, *size), dtype)
    ones, flat_x = numpy.ones(steps * count, dtype), numbers.x.reshape(-1, inputs)
    o, i, f, g = (list(z[:, :, k * height : (k + 1) * height]) for k in range(4))
    h_at, c_at, z_at, q_at, dh_at = (list(a) for a in (h, c, z, q, dh))
    sigmoids, on_cell = list(z[:, :, :many]), list(z.reshape(steps, count, 4, height)[:, :, 1:])
    wide = [a[:, None, :] for a in dh]
    slope_o, slope_cell = list(slope[:, :, :height]), list(slope.reshape(length, count, 4, height)[:, :, 1:])
    share_at = list(share)
    found = [numpy.empty_like(w) for w in numbers.weights]

    def forward(w_x: Any, b: Any) -> None:
        rows = z.reshape(-1, 4 * height)
        dot(flat_x, w_x.T, out=rows)
        add(rows, b, out=rows)
        factor = gated.scaled.forward
        for t in range(steps):
            now = z_at[t]
            dot(h_at[t], factor, out=carried)
            add(now, carried, out=now)
            tanh(now, out=now)
            now = sigmoids[t]
            multiply(now, half, out=now)
            add(now, half, out=now)
            now = c_at[t + 1]
            multiply(f[t], c_at[t], out=now)
            multiply(i[t], g[t], out=product)
            add(now, product, out=now)
            tanh(now, out=q_at[t])
            multiply(o[t], q_at[t], out=h_at[t + 1])

    def slopes(low: int, high: int) -> None:
        gates, steep, even, tall = z[low:high], slope[: high - low], share[: high - low], q[low:high]
        multiply(gates, gates, out=steep)
        subtract(gates[:, :, :many], steep[:, :, :many], out=steep[:, :, :many])
        subtract(1, steep[:, :, many:], out=steep[:, :, many:])
        factors = tall, gates[:, :, many:], c[low:high], gates[:, :, height : 2 * height]
        for k, factor in enumerate(factors):
            part = steep[:, :, k * height : (k + 1) * height]
            multiply(part, factor, out=part)
        multiply(tall, tall, out=even)
        subtract(1, even, out=even)
        multiply(even, gates[:, :, :height], out=even)

    def backward() -> None:
        factor = gated.plain.backward
        product.fill(0)
        later.fill(0)
        for low in reversed(range(0, steps, length)):
            high = min(low + length, steps)
            slopes(low, high)
            for t in range(high - 1, low - 1, -1):
                now = dh_at[t]
                add(now, product, out=now)
                multiply(slope_o[t - low], now, out=o[t])
                multiply(now, share_at[t - low], out=now)
                add(now, later, out=now)
                multiply(now, f[t], out=later)
                multiply(slope_cell[t - low], wide[t], out=on_cell[t])
                dot(z_at[t], factor, out=product)

    def call() -> Arrays:
        forward(*gated.refresh())
        states = h[1:].reshape(-1, height)
        wrong = head(states, dh.reshape(-1, height))
        backward()
        rows = z.reshape(-1, 4 * height)
        found[0][...] = dot(rows.T, flat_x)[gated.undone]
        found[1][...] = dot(rows.T, h[:-1].reshape(-1, height))[gated.undone]
        found[2][...] = dot(ones, rows)[gated.undone]
        dot(wrong.T, states, out=found[3])
        dot(ones, wrong, out=found[4])
        return found

    return made(call)


def products(task: Mapping[str, Any]) -> race.Made:
    """The limit: the matrix products of the best program alone."""
    import numpy

    numbers = Numbers(task)
    w_x, w_h, _, w_y, _ = numbers.weights[:5]
    height, inputs, kinds, steps, count = numbers.sizes
    rows, dot = steps * count, numpy.dot
    x = numbers.x.reshape(rows, inputs)
    h, dh = (numpy.full((rows, height), 0.1, numbers.dtype) for _ in range(2))
    z, p = numpy.full((rows, len(w_h)), 0.1, numbers.dtype), numpy.zeros((rows, kinds), numbers.dtype)
    forth, back = numpy.empty((count, len(w_h)), numbers.dtype), numpy.empty((count, height), numbers.dtype)
    turned = Turned(w_h, count)
    h_at, z_at = list(h.reshape(steps, count, height)), list(z.reshape(steps, count, -1))
    found = [numpy.empty_like(w) for w in (w_x, w_h, w_y)]

    def call() -> None:
        dot(x, w_x.T, out=z)
        for state in h_at:
            dot(state, turned.forward, out=forth)
        dot(h, w_y.T, out=p)
        dot(p, w_y, out=dh)
        for part in z_at:
            dot(part, turned.backward, out=back)
        dot(z.T, x, out=found[0])
        dot(z.T, h, out=found[1])
        dot(p.T, h, out=found[2])

    return race.Made(call)
