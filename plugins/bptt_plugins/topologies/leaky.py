"""Leaky units: a state that keeps a part of itself.

    network: {topology: leaky, sizes: {input: 2, hidden: 3, output: 2}, leak: 0.3}

leak        the part α that is renewed in a step: a number, trained (one parameter ``alpha``), or units (one for each)
inside      true: the pre-activation leaks, as in a discretised continuous-time network; false: the state (Jaeger et
            al. 2007)

The other options are those of `bptt_solver.draft`.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from bptt_plugins.messages import say
from bptt_solver import options as read
from bptt_solver.draft import COMMON, Draft
from bptt_solver.records import Network, OptionError, Topology


def build(options: Mapping[str, object]) -> Network:
    """The equations of a network of leaky units."""
    net = Draft(options)
    alpha = _leak(net, options["leak"])
    net.parameter("W_x", "hidden", "input")
    net.parameter("W_h", "hidden", "hidden")
    net.parameter("b_h", "hidden")
    summands = ("W_x @ x[t]", "W_h @ h[t-1]", "b_h")
    if read.truth(options["inside"], "inside"):
        net.role("u", say("role.received"), "hidden", -1)
        net.start("a", "hidden")
        net.sum("u[t]", *summands)
        net.line(f"a[t] = (1 - {alpha})*a[t-1] + {alpha}*u[t]")
        net.line(f"h[t] = {net.function('hidden', 'a[t]')}", "0..T")
    else:
        net.start("h", "hidden")
        net.sum("a[t]", *summands)
        net.line(f"h[t] = (1 - {alpha})*h[t-1] + {alpha}*{net.function('hidden', 'a[t]')}")
    net.finish("h", "hidden")
    return net.network()


def _leak(net: Draft, value: object) -> str:
    if value in ("trained", "units"):
        net.parameter("alpha", *(["hidden"] if value == "units" else []))
        net.intervals["alpha"] = (0, 1)
        net.role("alpha", say("role.renewed"))
        return "alpha"
    if isinstance(value, int | float | Fraction) and not isinstance(value, bool) and 0 < value <= 1:
        return f"({value})" if isinstance(value, Fraction) else str(value)
    raise OptionError(say("leaky.leak", value=repr(value)), "leak")


TOPOLOGY = Topology(
    "leaky",
    build,
    {**COMMON, "leak": "trained", "inside": False},
    example={"sizes": {"input": 2, "hidden": 3, "output": 2}, "leak": 0.3, "steps": 3},
    summary=say("leaky.summary"),
    source="Jaeger, Lukosevicius, Popovici and Siewert 2007",
)
