"""A plugin of its own package: a recurrence that adds to its state, an activation function and a loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bptt_solver.draft import COMMON, Draft
from bptt_solver.hookspecs import hookimpl
from bptt_solver.records import Activation, Loss, Network, Topology

BENT = Activation(
    name="bent",
    value="(sqrt(x**2 + 1) - 1)/2 + x",
    derivatives={"x": "x/(2*sqrt(x**2 + 1)) + 1"},
    summary="the identity with a bend at 0",
)
CHARBONNIER = Loss(
    name="charbonnier",
    value="sum(sqrt((y - d)**2 + 1) - 1)",
    derivatives={"y": "(y - d)/sqrt((y - d)**2 + 1)", "d": "-(y - d)/sqrt((y - d)**2 + 1)"},
    summary="squared error near the target, absolute error far from it",
)


def build(options: Mapping[str, object]) -> Network:
    """Each step adds something to the state."""
    net = Draft(options)
    net.parameter("W_x", "hidden", "input")
    net.parameter("W_h", "hidden", "hidden")
    net.parameter("b_h", "hidden")
    net.start("h", "hidden")
    net.sum("a[t]", "W_x @ x[t]", "W_h @ h[t-1]", "b_h")
    net.line(f"h[t] = h[t-1] + {net.function('hidden', 'a[t]')}")
    net.finish()
    return net.network("What a step computes is added to the state.")


RESIDUAL = Topology(
    "residual", build, COMMON, example={"sizes": {"input": 2, "hidden": 3, "output": 2}, "hidden": "bent", "steps": 3}
)


@hookimpl
def bptt_activations() -> Iterable[Activation]:
    """The activation function."""
    return [BENT]


@hookimpl
def bptt_losses() -> Iterable[Loss]:
    """The loss."""
    return [CHARBONNIER]


@hookimpl
def bptt_topologies() -> Iterable[Topology]:
    """The recurrence."""
    return [RESIDUAL]
