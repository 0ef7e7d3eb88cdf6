"""Bidirectional recurrent networks: one chain forwards and one backwards in time, in one layer or several.

    network: {topology: bidirectional, sizes: {input: 2, hidden: 2, output: 2}, output: softmax, loss: cross_entropy}

    a_fw[t] = W_x_fw @ x[t] + W_h_fw @ h_fw[t-1] + b_h_fw
    a_bw[t] = W_x_bw @ x[t] + W_h_bw @ h_bw[t+1] + b_h_bw
    o[t]    = W_y_fw @ h_fw[t] + W_y_bw @ h_bw[t] + b_y

The options are those of `cells` and `bptt_solver.draft`. The same in both directions with gates: ``{topology: lstm,
directions: both}``, and so for ``gru`` and ``cell``.
"""

from __future__ import annotations

from collections.abc import Mapping

from bptt_plugins.messages import say
from bptt_plugins.topologies.cells import OPTIONS, Cell, Layers
from bptt_plugins.topologies.packing import packed
from bptt_solver.draft import role_of
from bptt_solver.records import Network, Topology

ROLES = {
    "a": say("role.pre_activation"), "h": say("role.hidden_state"), "W_x": say("role.from_input"),
    "W_h": say("role.recurrent"), "b_h": role_of(say("role.biases"), say("place.hidden_layer")),
}  # fmt: skip
PARAMETERS = {"W_x": ("hidden", "input"), "W_h": ("hidden", "hidden"), "b_h": ("hidden",)}


def build(options: Mapping[str, object]) -> Network:
    """The equations of a bidirectional network."""
    net = Layers(options)
    lines = f"a[t] = W_x @ x[t] + W_h @ h[t-1] + b_h\nh[t] = {net.function('hidden', 'a[t]')}"
    return packed(net.write(Cell(lines, {"h": "hidden"}, PARAMETERS, ROLES)), "elman")


TOPOLOGY = Topology(
    "bidirectional",
    build,
    {**OPTIONS, "directions": "both"},
    example={"sizes": {"input": 2, "hidden": 2, "output": 2}, "steps": 3},
    summary=say("bidirectional.summary"),
    source="Schuster & Paliwal 1997",
)
