"""Recurrent layers on top of each other.

    network: {topology: deep, input: 2, layers: [3, 2, {size: 3, activation: softmax}], loss: cross_entropy}

Layer k reads layer k-1 at the same time (``a[0,t]`` is the input) through ``W[k]``, and its own last state through
``U[k]`` if it is recurrent.

input       how many entries x has
layers      for each layer its size, or {size:, activation:, bias:, recurrent:}; all layers but the last are recurrent,
            unless they say otherwise

The other options are those of `bptt_solver.draft`.
"""

from __future__ import annotations

from collections.abc import Mapping

from bptt_plugins.messages import say
from bptt_plugins.topologies.layers import Layer, activated, apply, end_of, layer_runs, read_layers
from bptt_plugins.topologies.packing import packed
from bptt_solver import options as read
from bptt_solver.draft import COMMON, Draft
from bptt_solver.records import Network, Topology


def build(options: Mapping[str, object]) -> Network:
    """The equations of a deep recurrent network."""
    layers = read_layers(options, recurrent=True)
    sizes = {"input": read.whole(options["input"], "input"), "output": layers[-1].size}
    net = Draft({**options, "sizes": sizes, "readout": True, "bias": True, "outputs": "all"})
    end = end_of(layers, _linked, activated)
    net.counts |= {"L": len(layers)} if end == "L" else {}
    joined = net.inputs == "all"
    if joined:
        net.line("a[0,t] = x[t]")
    _declare(net, sizes["input"], layers)
    if not joined:  # the first layer reads the input where there is one
        net.sum("z[1,t]", "W[1] @ x[t]", *_others(_linked(layers[0]), "1"))
    for linked, k, before, over in layer_runs(layers, end, _linked, 1 if joined else 2):
        net.sum(f"z[{k},t]", f"W[{k}] @ a[{before},t]", *_others(linked, k), over=over)
    for function, k, _, over in layer_runs(layers, end, activated):
        net.line(f"a[{k},t] = {apply(function, f'z[{k},t]')}", over=over)
    net.losses(f"a[{end},t]")
    return packed(net.network(_feedback(layers)), "deep")


def _feedback(layers: list[Layer]) -> str:
    numbers = [k for k, layer in enumerate(layers, 1) if layer.recurrent]
    if not numbers:
        return say("deep.no_feedback", count=len(layers))
    return say("deep.feedback", numbers=say.listed(numbers, "list.comma"), count=len(layers))


def _linked(layer: Layer) -> tuple[bool, bool]:
    return layer.recurrent, layer.bias


def _others(linked: tuple[bool, bool], k: str) -> list[str]:
    recurrent, bias = linked
    return [f"U[{k}] @ a[{k},t-1]"] * recurrent + [f"b[{k}]"] * bias


def _declare(net: Draft, width: int, layers: list[Layer]) -> None:
    for k, layer in enumerate(layers, 1):
        net.parameter(f"W[{k}]", layer.size, width)
        if layer.recurrent:
            net.parameter(f"U[{k}]", layer.size, layer.size)
            net.start("a", layer.size, member=str(k))
        if layer.bias:
            net.parameter(f"b[{k}]", layer.size)
        width = layer.size
    net.functions |= {layer.activation: layer.path for layer in reversed(layers)}
    for name, key in (("W", "role.from_below"), ("U", "role.recurrent"), ("b", "role.biases")):
        net.role(name, say(key))
    net.role("z", say("role.pre_activation"), "layers", 0)
    net.role("a", say("role.activation"), "layers", 1)


TOPOLOGY = Topology(
    "deep",
    build,
    {"input": None, "layers": None}
    | {key: value for key, value in COMMON.items() if key not in ("sizes", "readout", "outputs")},
    example={"input": 2, "layers": [3, 2, {"size": 2, "activation": "softmax"}], "loss": "cross_entropy", "steps": 3},
    summary=say("deep.summary"),
    source="Graves, Mohamed and Hinton 2013; Pascanu et al. 2014",
    aliases=("stacked", "deep_rnn"),
)
