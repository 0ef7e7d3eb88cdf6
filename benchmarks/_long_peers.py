"""The peers of long_sequences.py: NumPy by hand, torch and JAX, each with all states kept and with checkpoints.

A peer is made from the weights and the data, and is a function without arguments that gives the loss and the gradients
by W_x, W_h, b_h, W_y and b_y of ``sum over t of |W_y h_t + b_y - d_t|^2 / 2``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Result = tuple[float, list[Any]]
Peer = Callable[[], Result]
BLOCK = 256  # steps whose products are taken together


class ByHand:
    """In NumPy: the input products and the weight gradients of a block of steps together, everything written into
    arrays that are there. ``segment`` states lie between two that are kept; 0: all are kept."""

    def __init__(self, weights: Sequence[Any], x: Any, d: Any, segment: int) -> None:
        self.weights, self.x, self.d = weights, x, d
        steps, batch, _ = x.shape
        hidden, outputs = weights[1].shape[0], weights[3].shape[0]
        self.segment = segment or steps
        self.batch, self.hidden, self.outputs = batch, hidden, outputs
        self.transposed = np.ascontiguousarray(weights[1].T)
        self.states = np.empty((self.segment + 1, batch, hidden))
        self.kept = np.empty((-(-steps // self.segment), batch, hidden))
        self.sums = [np.zeros_like(w) for w in weights]
        self.parts = [np.empty_like(w) for w in weights]
        self.inner, self.slope = np.empty((BLOCK, batch, hidden)), np.empty((BLOCK, batch, hidden))
        self.wrong = np.empty((BLOCK * batch, outputs))
        self.product, self.received = np.empty((batch, hidden)), np.empty((batch, hidden))
        self.ones = np.ones(BLOCK * batch)

    def __call__(self) -> Result:
        for total in self.sums:
            total.fill(0)
        self.received.fill(0)
        starts = range(0, len(self.x), self.segment)
        state = np.zeros((self.batch, self.hidden))
        for k, start in enumerate(starts):
            self.kept[k] = state
            if k + 1 < len(starts):
                self._advance(state, start, starts[k + 1])
        loss = 0.0
        for k in range(len(starts) - 1, -1, -1):
            end = min(starts[k] + self.segment, len(self.x))
            self._forward(self.kept[k], starts[k], end)
            loss += self._backward(starts[k], end)
        return loss, self.sums

    def _project(self, low: int, high: int) -> Any:
        found = self.inner[: high - low].reshape(-1, self.hidden)
        np.dot(self.x[low:high].reshape(-1, self.x.shape[2]), self.weights[0].T, out=found)
        np.add(found, self.weights[2], out=found)
        return self.inner

    def _advance(self, state: Any, low: int, high: int) -> None:
        for start in range(low, high, BLOCK):
            end = min(start + BLOCK, high)
            for inner in self._project(start, end)[: end - start]:
                np.dot(state, self.transposed, out=self.product)
                np.add(self.product, inner, out=self.product)
                np.tanh(self.product, out=state)

    def _forward(self, first: Any, low: int, high: int) -> None:
        self.states[0] = first
        for start in range(low, high, BLOCK):
            end = min(start + BLOCK, high)
            inner = self._project(start, end)
            for t in range(start, end):
                np.dot(self.states[t - low], self.transposed, out=self.product)
                np.add(self.product, inner[t - start], out=self.product)
                np.tanh(self.product, out=self.states[t - low + 1])

    def _backward(self, low: int, high: int) -> float:
        loss = 0.0
        for start in range(low + (high - low - 1) // BLOCK * BLOCK, low - 1, -BLOCK):
            end = min(start + BLOCK, high)
            count, rows = end - start, (end - start) * self.batch
            after = self.states[start - low + 1 : end - low + 1].reshape(rows, self.hidden)
            before = self.states[start - low : end - low].reshape(rows, self.hidden)
            wrong, inner = self.wrong[:rows], self.inner[:count].reshape(rows, self.hidden)
            slope = self.slope[:count].reshape(rows, self.hidden)
            np.dot(after, self.weights[3].T, out=wrong)
            np.add(wrong, self.weights[4], out=wrong)
            np.subtract(wrong, self.d[start:end].reshape(rows, self.outputs), out=wrong)
            loss += 0.5 * float(np.vdot(wrong, wrong))
            np.dot(wrong, self.weights[3], out=inner)
            np.multiply(after, after, out=slope)
            np.subtract(1, slope, out=slope)
            for t in range(count - 1, -1, -1):
                now = self.inner[t]
                np.add(now, self.received, out=now)
                np.multiply(now, self.slope[t], out=now)
                np.dot(now, self.weights[1], out=self.received)
            ones, x = self.ones[:rows], self.x[start:end].reshape(rows, -1)
            pairs = ((inner.T, x), (inner.T, before), (ones, inner), (wrong.T, after), (ones, wrong))
            for total, part, (left, right) in zip(self.sums, self.parts, pairs, strict=True):
                np.dot(left, right, out=part)
                np.add(total, part, out=total)
        return loss


def by_torch(weights: Sequence[Any], x: Any, d: Any, segment: int) -> Peer:
    """``torch.nn.RNN``; with segments, each goes through ``torch.utils.checkpoint``."""
    import torch
    from torch.utils.checkpoint import checkpoint

    torch.set_num_threads(1)
    given, wanted = torch.from_numpy(x), torch.from_numpy(d)
    steps, batch, inputs = x.shape
    hidden, outputs = weights[1].shape[0], weights[3].shape[0]
    rnn = torch.nn.RNN(inputs, hidden, dtype=given.dtype)
    out = torch.nn.Linear(hidden, outputs, dtype=given.dtype)
    parameters = [rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, out.weight, out.bias]
    with torch.no_grad():
        for parameter, value in zip(parameters, weights, strict=True):
            parameter.copy_(torch.from_numpy(value))
        rnn.bias_hh_l0.zero_()

    def part(state: Any, xs: Any, ds: Any) -> tuple[Any, Any]:
        found, state = rnn(xs, state)
        return 0.5 * ((out(found) - ds) ** 2).sum(), state

    def run() -> Result:
        state, loss = given.new_zeros(1, batch, hidden), given.new_zeros(())
        for start in range(0, steps, segment or steps):
            end = start + (segment or steps)
            arguments = (state, given[start:end], wanted[start:end])
            more, state = checkpoint(part, *arguments, use_reentrant=False) if segment else part(*arguments)
            loss = loss + more
        return float(loss.detach()), [g.numpy() for g in torch.autograd.grad(loss, parameters)]

    return run


def by_jax(weights: Sequence[Any], x: Any, d: Any, segment: int) -> Peer:
    """``jax.lax.scan``; with segments, ``jax.checkpoint`` around a scan over each. ``segment`` divides the steps."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    steps, batch, _ = x.shape
    hidden = weights[1].shape[0]
    parameters = [jnp.asarray(w) for w in weights]
    given, wanted = jnp.asarray(x), jnp.asarray(d)

    def loss(p: Any, xs: Any, ds: Any) -> Any:
        def step(state: Any, at: Any) -> tuple[Any, Any]:
            state = jnp.tanh(at[0] @ p[0].T + state @ p[1].T + p[2])
            return state, 0.5 * ((state @ p[3].T + p[4] - at[1]) ** 2).sum()

        start = jnp.zeros((batch, hidden))
        if not segment:
            return jax.lax.scan(step, start, (xs, ds))[1].sum()

        @jax.checkpoint
        def part(state: Any, at: Any) -> tuple[Any, Any]:
            state, losses = jax.lax.scan(step, state, at)
            return state, losses.sum()

        cut = tuple(a.reshape(steps // segment, segment, batch, -1) for a in (xs, ds))
        return jax.lax.scan(part, start, cut)[1].sum()

    function = jax.jit(jax.value_and_grad(loss))

    def run() -> Result:
        value, gradients = jax.block_until_ready(function(parameters, given, wanted))
        return float(value), list(gradients)

    return run
