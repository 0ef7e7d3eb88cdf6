"""A cell of one's own: an LSTM with peepholes whose layer leaks, written as equations in a document.

    python benchmarks/own_cell.py [--quick] [--all] [--seconds 120] [--sizes textbook,middle] [--threads 1,2]

Its equations stand in `_sequences.OWN_CELL`. Our programs are measured beside the same cell by hand in NumPy, a loop in
PyTorch and a scan in JAX, as in rnn_gradient.py. Takes two to three minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import _by_hand as hand
import _common as common
import _frameworks as frameworks
import _race as race
import _sequences as sequences
import rnn_gradient as base
from _sequences import Arrays, Numbers, made

BY_HAND = "NumPy by hand, best"
RIVALS = {
    "torch, loop of cells": frameworks.torch_eager,
    "JAX scan": frameworks.jax_scan(False),
    "JAX scan, inputs before it": frameworks.jax_scan(True),
}


def own_best(task: Mapping[str, Any]) -> race.Made:
    """By hand as `_by_hand.lstm_best`. What a peephole and the leak pass back is part of the slopes, which are computed
    for a block of steps at once."""
    import numpy

    numbers = Numbers(task)
    height, inputs, _, steps, count = numbers.sizes
    p_i, p_f, p_o, leak = numbers.weights[5:]
    dot, add, multiply, subtract, tanh = numpy.dot, numpy.add, numpy.multiply, numpy.subtract, numpy.tanh
    gated, dtype = hand.Gated(numbers), numbers.dtype
    head = hand.top(numbers, steps * count, numbers.y.reshape(-1))
    size, half = (count, height), dtype.type(0.5)
    h, c = (numpy.zeros((steps + 1, *size), dtype) for _ in range(2))
    z = numpy.empty((steps, count, 4 * height), dtype)
    q, dh, step = (numpy.empty((steps, *size), dtype) for _ in range(3))
    carried, pair = numpy.empty((count, 4 * height), dtype), numpy.empty((count, 2, height), dtype)
    product, later, kept, dc = (numpy.empty(size, dtype) for _ in range(4))
    length = max(1, min(steps, hand.BLOCK_ENTRIES // (count * 4 * height)))
    slope = numpy.empty((length, count, 4 * height), dtype)
    share, keep, more = (numpy.empty((length, *size), dtype) for _ in range(3))
    ones, flat_x = numpy.ones(steps * count, dtype), numbers.x.reshape(-1, inputs)
    o, i, f, g = (list(z[:, :, k * height : (k + 1) * height]) for k in range(4))
    h_at, c_at, z_at, q_at, dh_at, step_at = (list(a) for a in (h, c, z, q, dh, step))
    gates = z.reshape(steps, count, 4, height)
    input_gates, inner, on_cell = list(gates[:, :, 1:3]), list(z[:, :, height:]), list(gates[:, :, 1:])
    c_wide, dc_wide = [a[:, None, :] for a in c], dc[:, None, :]
    slope_o, slope_cell = list(slope[:, :, :height]), list(slope.reshape(length, count, 4, height)[:, :, 1:])
    share_at, keep_at = list(share), list(keep)
    found = [numpy.empty_like(w) for w in numbers.weights]

    def forward(w_x: Any, b: Any) -> None:
        rows = z.reshape(-1, 4 * height)
        dot(flat_x, w_x.T, out=rows)
        add(rows, b, out=rows)
        halves, half_o, factor = numpy.stack([p_i, p_f]) * half, p_o * half, gated.scaled.forward
        for t in range(steps):
            dot(h_at[t], factor, out=carried)
            add(z_at[t], carried, out=z_at[t])
            now = input_gates[t]
            multiply(c_wide[t], halves, out=pair)
            add(now, pair, out=now)
            tanh(inner[t], out=inner[t])
            multiply(now, half, out=now)
            add(now, half, out=now)
            now = c_at[t + 1]
            multiply(f[t], c_at[t], out=now)
            multiply(i[t], g[t], out=product)
            add(now, product, out=now)
            multiply(now, half_o, out=product)
            tanh(now, out=q_at[t])
            now = o[t]
            add(now, product, out=now)
            tanh(now, out=now)
            multiply(now, half, out=now)
            add(now, half, out=now)
            change = step_at[t]
            multiply(now, q_at[t], out=change)
            subtract(change, h_at[t], out=change)
            multiply(change, leak, out=product)
            add(h_at[t], product, out=h_at[t + 1])

    def slopes(low: int, high: int) -> None:
        many = 3 * height
        part, steep, even, on, other = z[low:high], *(a[: high - low] for a in (slope, share, keep, more))
        multiply(part, part, out=steep)
        subtract(part[:, :, :many], steep[:, :, :many], out=steep[:, :, :many])
        subtract(1, steep[:, :, many:], out=steep[:, :, many:])
        factors = q[low:high], part[:, :, many:], c[low:high], part[:, :, height : 2 * height]
        four = [steep[:, :, k * height : (k + 1) * height] for k in range(4)]
        for one, factor in zip(four, factors, strict=True):
            multiply(one, factor, out=one)
        multiply(four[0], leak, out=four[0])
        multiply(q[low:high], q[low:high], out=even)
        subtract(1, even, out=even)
        multiply(even, part[:, :, :height], out=even)
        multiply(even, leak, out=even)
        multiply(four[0], p_o, out=other)
        add(even, other, out=even)
        multiply(four[1], p_i, out=on)
        multiply(four[2], p_f, out=other)
        add(on, other, out=on)
        add(on, part[:, :, 2 * height : many], out=on)

    def backward() -> None:
        factor, stay = gated.plain.backward, 1 - leak
        for array in (product, later, kept):
            array.fill(0)
        for low in reversed(range(0, steps, length)):
            high = min(low + length, steps)
            slopes(low, high)
            for t in range(high - 1, low - 1, -1):
                now = dh_at[t]
                add(now, product, out=now)
                add(now, kept, out=now)
                multiply(now, stay, out=kept)
                multiply(slope_o[t - low], now, out=o[t])
                multiply(now, share_at[t - low], out=dc)
                add(dc, later, out=dc)
                multiply(dc, keep_at[t - low], out=later)
                multiply(slope_cell[t - low], dc_wide, out=on_cell[t])
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
        before, after = c[:-1].reshape(-1, height), c[1:].reshape(-1, height)
        for into, gate, cell in ((5, 1, before), (6, 2, before), (7, 0, after)):
            numpy.einsum("nj,nj->j", rows[:, gate * height : (gate + 1) * height], cell, out=found[into])
        found[8][0] = numpy.vdot(dh, step)
        return found

    return made(call)


def make(task: dict[str, Any]) -> race.Made:
    """What a peer makes of a task."""
    name = task["peer"]
    if name in RIVALS:
        return RIVALS[name](task)
    if name == BY_HAND:
        return own_best(task)
    return hand.products(task) if name == base.LIMIT else base.OURS[name](task)


def peers_of(everything: bool) -> Any:
    """The peers of a configuration."""

    def peers(task: dict[str, Any]) -> list[str]:
        left_out = ("ours, Numba",) if task["size"] != "textbook" and not everything else ()
        return [n for n in (*base.OURS, BY_HAND, *RIVALS, base.LIMIT) if n not in left_out]

    return peers


def goals(results: base.Results) -> list[dict[str, Any]]:
    """The goals of the built-in cells, for this one."""
    return [
        common.goal(
            "own_by_hand",
            "Our NumPy program of an own cell takes at most 1.15 times the best NumPy by hand, as a built-in one.",
            base.cases(results, lambda _: ["ours, NumPy", "ours, straight-line"], lambda _: [BY_HAND], 1.15),
        ),
        common.goal(
            "own_rivals",
            "The fastest of our programs is at or below a loop in PyTorch and a scan in JAX.",
            base.cases(results, lambda _: list(base.OURS), lambda _: list(RIVALS), 1.0),
        ),
    ]


def main() -> None:
    """Measure, print, and write ``own_cell.json``."""
    asked = base.arguments(120.0)
    todo = base.configurations(asked, ("own",))
    results = base.measured(__file__, todo, peers_of(asked.all), BY_HAND, asked.seconds, asked.quick)
    tables = [common.table_of(sequences.title(task), base.HEAD, base.shown_rows(rows)) for task, rows in results]
    data = {"results": [{"task": task, "rows": rows} for task, rows in results]}
    common.save("own_cell", data, goals(results), tables, asked.quick)


if __name__ == "__main__":
    if race.serving():
        race.serve(make, base.load)
    else:
        main()
