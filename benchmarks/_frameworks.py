"""The same gradients by PyTorch and JAX, as their users write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import _race as race
from _sequences import Arrays, Numbers, made, sums

# ------------------------------------------------------------------ PyTorch


def _torch(task: Mapping[str, Any]) -> tuple[Any, Numbers, Arrays]:
    import torch

    torch.set_num_threads(task["threads"])
    numbers = Numbers(task)
    return torch, numbers, [torch.from_numpy(w.copy()).requires_grad_() for w in numbers.weights]


def torch_layers(task: Mapping[str, Any]) -> race.Made:
    """``torch.nn.RNN`` or ``torch.nn.LSTM``."""
    torch, numbers, weights = _torch(task)
    height, inputs, kinds, _, _ = numbers.sizes
    kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM}.get(task["cell"])
    if kind is None:
        raise race.Skipped("PyTorch has no such layer")
    layer = kind(inputs, height, dtype=weights[0].dtype)
    out = torch.nn.Linear(height, kinds, dtype=weights[0].dtype)
    trained = [layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, out.weight, out.bias]
    with torch.no_grad():
        layer.bias_hh_l0.zero_()
        for parameter, weight in zip(trained, weights, strict=True):
            parameter.copy_(weight)
    x, y = torch.from_numpy(numbers.x), torch.from_numpy(numbers.y.reshape(-1))

    def call() -> Arrays:
        states, _ = layer(x)
        loss = torch.nn.functional.cross_entropy(out(states).reshape(-1, kinds), y, reduction="sum")
        return list(torch.autograd.grad(loss, trained))

    return made(call)


def torch_loss(task: Mapping[str, Any]) -> tuple[Callable[..., Any], Arrays, Any]:
    """A loop over the steps as a function of the weights, the weights, and the library."""
    torch, numbers, weights = _torch(task)
    height, _, _, steps, count = numbers.sizes
    x, y = torch.from_numpy(numbers.x), torch.from_numpy(numbers.y.reshape(-1))
    sigmoid, tanh = torch.sigmoid, torch.tanh

    def loss(w_x: Any, w_h: Any, b: Any, w_y: Any, b_y: Any, *own: Any) -> Any:
        h = c = x.new_zeros(count, height)
        states = []
        for t in range(steps):
            z = x[t] @ w_x.T + h @ w_h.T + b
            if task["cell"] == "rnn":
                h = tanh(z)
            elif task["cell"] == "lstm":
                i, f, g, o = z.chunk(4, 1)
                c = sigmoid(f) * c + sigmoid(i) * tanh(g)
                h = sigmoid(o) * tanh(c)
            else:
                p_i, p_f, p_o, leak = own
                i, f, g, o = z.chunk(4, 1)
                c = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * tanh(g)
                h = (1 - leak) * h + leak * (sigmoid(o + p_o * c) * tanh(c))
            states.append(h)
        scores = torch.cat(states) @ w_y.T + b_y
        return torch.nn.functional.cross_entropy(scores, y, reduction="sum")

    return loss, weights, torch


def torch_eager(task: Mapping[str, Any]) -> race.Made:
    """A loop of cells, differentiated as it runs."""
    loss, weights, torch = torch_loss(task)
    return made(lambda: list(torch.autograd.grad(loss(*weights), weights)))


def torch_compiled(task: Mapping[str, Any]) -> race.Made:
    """The same loop by ``torch.compile``."""
    import shutil

    if not (shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")):
        raise race.Skipped("torch.compile needs a C++ compiler, and there is none")
    loss, weights, torch = torch_loss(task)
    fast = torch.compile(loss)
    return made(lambda: list(torch.autograd.grad(fast(*weights), weights)))


# ------------------------------------------------------------------ JAX


def jax_gradient(task: Mapping[str, Any], hoisted: bool) -> tuple[Any, Any, Arrays]:
    """The function of the weights that ``jax.jit`` gets, JAX, and the weights. ``hoisted``: the products with the
    inputs are made before the scan, for all steps at once."""
    import jax
    from jax import nn
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", task["dtype"] == "float64")
    numbers = Numbers(task)
    height, _, _, _, count = numbers.sizes
    weights = [jnp.asarray(w) for w in numbers.weights]
    x, y = jnp.asarray(numbers.x), jnp.asarray(numbers.y.reshape(-1))

    def cell(weights: Arrays, state: Any, z: Any) -> Any:
        h, c = state
        z = z + h @ weights[1].T
        if task["cell"] == "rnn":
            return jnp.tanh(z), c
        i, f, g, o = jnp.split(z, 4, 1)
        if task["cell"] == "lstm":
            c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
            return nn.sigmoid(o) * jnp.tanh(c), c
        p_i, p_f, p_o, leak = weights[5:]
        c = nn.sigmoid(f + p_f * c) * c + nn.sigmoid(i + p_i * c) * jnp.tanh(g)
        return (1 - leak) * h + leak * (nn.sigmoid(o + p_o * c) * jnp.tanh(c)), c

    def loss(weights: Arrays) -> Any:
        def inputs(part: Any) -> Any:
            return part @ weights[0].T + weights[2]

        def step(state: Any, part: Any) -> Any:
            after = cell(weights, state, part if hoisted else inputs(part))
            return after, after[0]

        start = jnp.zeros((count, height), x.dtype)
        _, states = jax.lax.scan(step, (start, start), inputs(x) if hoisted else x)
        scores = states.reshape(-1, height) @ weights[3].T + weights[4]
        return -jnp.take_along_axis(nn.log_softmax(scores), y[:, None], 1).sum()

    return jax.grad(loss), jax, weights


def jax_scan(hoisted: bool) -> Callable[[Mapping[str, Any]], race.Made]:
    """``jax.jit`` of the gradient of a loss with ``jax.lax.scan``."""

    def make(task: Mapping[str, Any]) -> race.Made:
        function, jax, weights = jax_gradient(task, hoisted)
        fast = jax.jit(function)
        return race.Made(lambda: jax.block_until_ready(fast(weights)), sums)

    return make
