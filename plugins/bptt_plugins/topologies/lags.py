"""A hidden layer that reads its own states of several steps ago (Werbos 1990 has lags 1 and 2).

    network: {topology: lags, sizes: {input: 1, hidden: 2, output: 1}, lags: [1, 2]}

lags        how many steps ago: the lag l has weights of its own, ``W_h[l]``
input_lags  the same for the input, ``W_x[l]``; 0 is the present

What is read before the first step is 0 unless it is given. The other options are those of `bptt_solver.draft`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bptt_plugins.messages import say
from bptt_solver import options as read
from bptt_solver.draft import COMMON, INITIAL_STATE, Draft
from bptt_solver.records import Network, OptionError, Topology


def build(options: Mapping[str, object]) -> Network:
    """The equations of a network with time lags."""
    net = Draft(options)
    inputs = lagged(net, "input_lags", "W_x", "x", "hidden", "input")
    states = lagged(net, "lags", "W_h", "h", "hidden", "hidden")
    net.parameter("b_h", "hidden")
    net.sum("a[t]", *inputs, *states, "b_h")
    net.line(f"h[t] = {net.function('hidden', 'a[t]')}")
    net.finish("h", "hidden")
    return net.network()


def lagged(net: Draft, option: str, weights: str, family: str, receiver: str, sender: str) -> tuple[str, ...]:
    """The products with what ``family`` was some steps ago, as the option lists them; it declares the weights (members
    by their lags, if there are several) and what is read before the first step."""
    lags = list(lags_of(net.options[option], option, least=0 if family == "x" else 1))
    if net.inputs != "all" and family == "x" and max(lags) > 0:
        raise OptionError(say("lags.inputs", option=option, lag=max(lags)), option)
    inputs = (say("role.earlier_input"), say("role.earlier_inputs"))
    for past in range(max(lags)):
        net.start(family, sender, str(-past), what=inputs if family == "x" else INITIAL_STATE)
    products = []
    for lag in lags:
        name = weights if len(lags) == 1 else f"{weights}[{lag}]"
        net.parameter(name, receiver, sender)
        products.append(f"{name} @ {family}[t{-lag or ''}]")
    return tuple(products)


def lags_of(value: object, option: str, least: int) -> Iterator[int]:
    """Numbers of steps, each once."""
    seen: list[int] = []
    for i, item in enumerate(read.items(value, option)):
        lag = read.whole(item, option, i, least=least)
        if lag in seen:
            raise OptionError(say("lags.twice", option=option, lag=lag), option, i)
        seen.append(lag)
        yield lag


TOPOLOGY = Topology(
    "lags",
    build,
    {**COMMON, "lags": (1, 2), "input_lags": (0,)},
    example={"sizes": {"input": 2, "hidden": 2, "output": 1}, "lags": [1, 2], "steps": 3},
    summary=say("lags.summary"),
    source="Werbos 1990",
)
