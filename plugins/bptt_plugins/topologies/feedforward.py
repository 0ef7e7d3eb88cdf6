"""Feedforward networks of any depth.

    network: {topology: feedforward, input: 2, layers: [3, {size: 2, activation: softmax}], hidden: tanh, loss:
    cross_entropy}

Layer k reads ``a[k-1]`` (``a[0]`` is the input), forms ``z[k]`` and sends ``a[k]``; weights are receiver first. With
``samples``, every family but the parameters has the index n of the sample as well.

input       how many entries x has
layers      for each layer its size, or {size:, activation:, bias:}
hidden      activation of the layers that do not name one, but for the last
output      activation of the last layer
loss        the loss, by name
bias        false: no layer has biases, unless it says so; output: only the last has; hidden: only the last has none
samples     one (no index), several (as many as the data have), or how many
reduction   sum or mean of the losses of the samples
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bptt_plugins.messages import say
from bptt_plugins.topologies.layers import Layer, activated, apply, biased, end_of, layer_runs, read_layers
from bptt_solver import options as read
from bptt_solver.records import Network, OptionError, Topology

OPTIONS = {
    "input": None,
    "layers": None,
    "hidden": "sigmoid",
    "output": "identity",
    "loss": "squared_error",
    "bias": True,
    "samples": "one",
    "reduction": "sum",
}


def build(options: Mapping[str, object]) -> Network:
    """The equations of a feedforward network."""
    width = read.whole(options["input"], "input")
    layers = read_layers(options)
    loss, numbers = read.function(options["loss"], "loss")
    samples = _samples(options["samples"])
    mean = read.choice(options["reduction"], ("sum", "mean"), "reduction") == "mean"
    n = ",n" if samples else ""
    each = ["n in 1..N"] if samples else []
    end = end_of(layers, biased, activated)

    lines = [_line(f"a[0{n}] = x{'[n]' if samples else ''}", each)]
    for bias, k, before, over in layer_runs(layers, end, biased):
        lines.append(_line(f"z[{k}{n}] = W[{k}] @ a[{before}{n}]" + (f" + b[{k}]" if bias else ""), over + each))
    for function, k, _, over in layer_runs(layers, end, activated):
        lines.append(_line(f"a[{k}{n}] = {apply(function, f'z[{k}{n}]')}", over + each))
    if samples:
        lines.append(_line(f"l[n] = {loss}({', '.join((f'a[{end},n]', 'd[n]', *numbers))})", each))
        lines.append("E = sum(l[n] for n in 1..N)" + ("/N" if mean else ""))
    else:
        lines.append(f"E = {loss}({', '.join((f'a[{end}]', 'd', *numbers))})")

    sizes: dict[str, int | None] = {"L": len(layers)} if end == "L" else {}
    if samples:
        sizes["N"] = samples if isinstance(samples, int) else None
    lead: tuple[str, ...] = ("N",) if samples else ()
    return Network(
        equations="\n".join(lines),
        target="E",
        sizes=sizes,
        parameters=dict(_parameters(width, layers)),
        data={"x": (*lead, width), "d": (*lead, layers[-1].size)},
        functions={loss: ("loss",)} | {layer.activation: layer.path for layer in reversed(layers)},
        roles=_roles(samples is not None, any(layer.bias for layer in layers)),
        lanes={
            "x": ("input", 0),
            "z": ("layers", 0),
            "a": ("layers", 1),
            "d": ("loss", 1),
            "E": ("loss", 2),
        }
        | ({"l": ("loss", 0)} if samples else {}),
        notes=(say("feedforward.mean" if mean else "feedforward.sum"),) if samples else (),
    )


def _samples(value: object) -> int | str | None:
    if value in ("one", "several"):
        return None if value == "one" else "several"
    if isinstance(value, str):
        raise OptionError(say("feedforward.samples", value=repr(value)), "samples")
    return read.whole(value, "samples")


def _line(equation: str, ranges: list[str]) -> str:
    return f"{equation} for {', '.join(ranges)}" if ranges else equation


def _parameters(width: int, layers: list[Layer]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for k, layer in enumerate(layers, 1):
        yield f"W[{k}]", (layer.size, width)
        if layer.bias:
            yield f"b[{k}]", (layer.size,)
        width = layer.size


def _roles(samples: bool, bias: bool) -> dict[str, str]:
    keys = {"x": "input", "W": "weights", "b": "biases", "z": "pre_activation", "a": "activation", "d": "target"}
    keys |= {"l": "loss_of_sample"} if samples else {}
    return {name: say(f"role.{key}") for name, key in ({**keys, "E": "loss"}).items() if bias or name != "b"}


TOPOLOGY = Topology(
    "feedforward",
    build,
    OPTIONS,
    example={
        "input": 2,
        "layers": [3, {"size": 2, "activation": "softmax"}],
        "loss": "cross_entropy",
        "samples": "several",
    },
    summary=say("feedforward.summary"),
)
