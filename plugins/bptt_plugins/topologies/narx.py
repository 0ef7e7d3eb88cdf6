"""Networks that read their own past outputs: NARX (Lin et al. 1996) and Jordan networks (Jordan 1986).

    network: {topology: narx, sizes: {input: 1, hidden: 3, output: 1}, input_lags: [0, 1], output_lags: [1, 2]}
    network: {topology: jordan, sizes: {input: 2, hidden: 2, output: 2}}

mode         parallel: the network reads its own outputs (free running, so that derivatives flow back through them);
             series: it reads the targets in their place (teacher forcing, called series-parallel as well)
input_lags   how many steps ago the inputs are that it reads; 0 is the present
output_lags  the same for the outputs, or the targets

``readout: false`` leaves the hidden layer out: the output reads everything itself. A Jordan network has a hidden layer,
the present input and the last output. The other options are those of `bptt_solver.draft`.
"""

from __future__ import annotations

from collections.abc import Mapping

from bptt_plugins.messages import say
from bptt_plugins.topologies.lags import lagged
from bptt_solver.draft import COMMON, Draft
from bptt_solver.options import choice
from bptt_solver.records import Network, OptionError, Topology


def build(options: Mapping[str, object]) -> Network:
    """The equations of a NARX network."""
    net = Draft(options)
    parallel = choice(options["mode"], ("parallel", "series"), "mode") == "parallel"
    if not parallel and net.targets not in ("all", "mask"):
        raise OptionError(say("narx.mode"), "mode")
    layer = "hidden" if net.readout else "output"
    inputs = lagged(net, "input_lags", "W_x", "x", layer, "input")
    outputs = lagged(net, "output_lags", "W_r", "y" if parallel else "d", layer, "output")
    net.role("W_r", say("role.from_outputs" if parallel else "role.from_targets"))
    if net.readout:
        net.parameter("b_h", "hidden")
        net.sum("a[t]", *inputs, *outputs, "b_h")
        net.line(f"h[t] = {net.function('hidden', 'a[t]')}")
        net.finish("h", "hidden", everywhere=parallel)
    else:
        net.parameter("b_y", "output")
        net.losses(net.apply_output((*inputs, *outputs, "b_y"), everywhere=parallel), "output")
    return net.network(say("narx.parallel" if parallel else "narx.series"))


def build_jordan(options: Mapping[str, object]) -> Network:
    """The equations of a Jordan network."""
    return build({**options, "input_lags": (0,), "output_lags": (1,)})


TOPOLOGY = Topology(
    "narx",
    build,
    {**COMMON, "input_lags": (0, 1), "output_lags": (1, 2), "mode": "parallel"},
    example={"sizes": {"input": 1, "hidden": 2, "output": 1}, "steps": 4},
    summary=say("narx.summary"),
    source="Lin, Horne, Tino and Giles 1996",
)

JORDAN = Topology(
    "jordan",
    build_jordan,
    {**COMMON, "mode": "parallel"},
    example={"sizes": {"input": 2, "hidden": 2, "output": 2}, "steps": 3},
    summary=say("jordan.summary"),
    source="Jordan 1986",
)
