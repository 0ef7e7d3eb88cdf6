"""The fully ordered network (Werbos 1990): every unit may read every earlier unit, and all units of earlier steps.

    network: {topology: ordered_net, sizes: {input: 2, hidden: 2, output: 1}, lags: [0, 1, 2]}

The units are numbered through, inputs first and outputs last; each is a number. ``W[i,j]`` leads from unit j to a later
unit i of the same step, ``W'[i,j]`` from any unit of the step before, ``W''[i,j]`` from the one before that.

lags        which of them there are, from 0, 1 and 2 steps ago

There may be no hidden units (``sizes: {input: 2, output: 1}``). The other options are those of `bptt_solver.draft`;
``bias`` is true or false, and functions have to take numbers, so softmax is none of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from bptt_plugins.messages import say
from bptt_plugins.topologies.lags import lags_of
from bptt_solver.draft import COMMON, Draft
from bptt_solver.records import Network, OptionError, Topology

FROM = (say("role.from_earlier"), say("role.from_before"), say("role.from_two_before"))


def build(options: Mapping[str, object]) -> Network:
    """The equations of a fully ordered network."""
    net = Draft({**options, "readout": True, "outputs": "all"})
    if net.scalar or net.inputs != "all":
        told, option = ("ordered_net.sizes", "sizes") if net.scalar else ("ordered_net.inputs", "inputs")
        raise OptionError(say(told), option)
    if net.bias is not net.output_bias:
        raise OptionError(say("ordered_net.bias", value=options["bias"]), "bias")
    inputs, hidden, outputs = net.size("input"), net.sizes.get("hidden", 0), net.size("output")
    units = inputs + hidden + outputs
    net.counts |= {"I": inputs, "M": units, "K": outputs}
    net.line("s[i,t] = x[t,i]", over=["i in 1..I"])
    lags = sorted(lags_of(options["lags"], "lags", least=0))
    for past in range(max(lags)):
        _start(net, past, units)
    summands = []
    for lag in lags:
        if lag > 2:
            raise OptionError(say("ordered_net.lags", lag=lag), "lags")
        weights = "W" + "'" * lag
        net.parameter(weights, units, units)
        net.role(weights, FROM[lag])
        reach = "1..M" if lag else "1..i-1"
        summands.append(f"sum({weights}[i,j]*s[j,t{-lag or ''}] for j in {reach})")
    net.parameter("b", units)
    net.sum("z[i,t]", *summands, *(["b[i]"] if net.bias else []), over=["i in I+1..M"])
    _activate(net, hidden)
    net.losses("s[M-K+i,t]", "output", entry="i", over="i in 1..K")
    net.role("s", say("role.unit"), "units", 1)
    net.role("z", say("role.pre_activation"), "units", 0)
    return net.network()


def _start(net: Draft, past: int, units: int) -> None:
    """What the units were before the first step: 0, given, or a parameter for each unit."""
    name = f"s0_{past}" if past else "s0"
    if net.initial == "given":
        return
    value = "0" if net.initial == "zero" else f"{name}[i]"
    net.line(f"s[i,t] = {value}", str(-past), over=["i in 1..M"])
    net.note(say("ordered_net.zero" if value == "0" else "ordered_net.trained", time=-past, name=name))
    if value != "0":
        net.role(name, say("role.initial_value"))
        net.zeros.extend(f"{name}[{i}]" for i in range(1, units + 1))
        net.trained.extend(f"{name}[{i}]" for i in range(1, units + 1))
        net.shapes.update({f"{name}[{i}]": () for i in range(1, units + 1)})


def _activate(net: Draft, hidden: int) -> None:
    """One line for all units, if all have the same function."""
    first, last = net.function("hidden", "z[i,t]"), net.function("output", "z[i,t]")
    if first == last or not hidden:
        net.line(f"s[i,t] = {last}", over=["i in I+1..M"])
        return
    net.line(f"s[i,t] = {first}", over=["i in I+1..M-K"])
    net.line(f"s[i,t] = {last}", over=["i in M-K+1..M"])


TOPOLOGY = Topology(
    "ordered_net",
    build,
    {key: value for key, value in COMMON.items() if key not in ("readout", "outputs")}
    | {"hidden": "sigmoid", "output": "sigmoid", "lags": (0, 1)},
    example={"sizes": {"input": 2, "hidden": 2, "output": 1}, "lags": [0, 1, 2], "steps": 3},
    summary=say("ordered_net.summary"),
    source="Werbos 1990",
    aliases=("werbos",),
)
