"""Layers as an option lists them, and equations for neighbouring layers that are alike."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar

from bptt_plugins.messages import say
from bptt_solver import options as read
from bptt_solver.draft import biases_of
from bptt_solver.records import OptionError

Choice = TypeVar("Choice", bound=Hashable)


class Layer(NamedTuple):
    """One layer, read: ``path`` leads to where its activation was chosen, ``numbers`` are the activation's
    parameters."""

    size: int
    activation: str
    numbers: tuple[str, ...]
    path: tuple[str | int, ...]
    bias: bool
    recurrent: bool = False


def read_layers(options: Mapping[str, object], recurrent: bool = False) -> list[Layer]:
    """The option ``layers``: per layer its size, or a mapping with its size and what differs from the options
    ``hidden`` (``output`` for the last layer) and ``bias``. Recurrent layers have a flag, on for all but the last."""
    known = ("size", "activation", "bias", *(["recurrent"] if recurrent else []))
    listed = read.items(options["layers"], "layers")
    layers = []
    for i, item in enumerate(listed):
        whole = read.mapping(item, known, "layers", i) if isinstance(item, Mapping) else {"size": item}
        if "size" not in whole:
            raise OptionError(say("layers.size", option=read.shown(("layers", i))), "layers", i)
        last = i + 1 == len(listed)
        path: tuple[str | int, ...] = ("output",) if last else ("hidden",)
        chosen = options[str(path[0])]
        if "activation" in whole:
            path, chosen = ("layers", i, "activation"), whole["activation"]
        name, numbers = read.function(chosen, *path)
        size_path = ("layers", i, "size") if isinstance(item, Mapping) else ("layers", i)
        layers.append(
            Layer(
                read.whole(whole["size"], *size_path),
                name,
                numbers,
                path,
                _truth(whole, "bias", i, biases_of(options["bias"])[last]),
                recurrent and _truth(whole, "recurrent", i, not last),
            )
        )
    return layers


def end_of(layers: Sequence[Layer], *keys: Callable[[Layer], Hashable]) -> str:
    """``L`` where the equations can be written for any depth: all layers alike, or all but the last. Else the
    number."""
    hidden = layers[:-1]
    return "L" if hidden and all(len({key(layer) for layer in hidden}) <= 1 for key in keys) else str(len(layers))


def layer_runs(
    layers: Sequence[Layer], end: str, key: Callable[[Layer], Choice], start: int = 1
) -> Iterator[tuple[Choice, str, str, list[str]]]:
    """Neighbouring layers that are alike, from layer ``start`` on: (what they share, index of the layer, of the one
    before, range)."""
    first = start
    for shared, group in groupby(layers[start - 1 :], key):
        final = first + len(list(group)) - 1
        stop = end if final == len(layers) else f"{end}-1" if end == "L" else str(final)
        if final > first or stop == "L-1":
            yield shared, "k", "k-1", [f"k in {first}..{stop}"]
        else:
            yield shared, stop, "L-1" if stop == "L" else str(first - 1), []
        first = final + 1


def activated(layer: Layer) -> tuple[str, ...]:
    """A layer's function with its numbers: what has to be alike for one equation."""
    return (layer.activation, *layer.numbers)


def biased(layer: Layer) -> bool:
    """Whether a layer has biases."""
    return layer.bias


def apply(function: Sequence[str], argument: str) -> str:
    """``tanh(z[k])``; identity leaves the argument as it is."""
    name, *numbers = function
    return argument if name == "identity" else f"{name}({', '.join((argument, *numbers))})"


def _truth(whole: Mapping[str, object], key: str, i: int, default: bool) -> bool:
    return read.truth(whole[key], "layers", i, key) if key in whole else default
