"""The simple recurrent network (Elman 1990): a hidden layer that reads the input and its own last state.

    network: {topology: elman, sizes: {input: 2, hidden: 3, output: 2}, output: softmax, loss: cross_entropy}

form        blocks: a matrix for each, ``W_x`` and ``W_h``; concat: the input and the last state are joined to
            ``x_c[t]``, with one matrix ``W_c`` for both

The other options are those of `bptt_solver.draft`.
"""

from __future__ import annotations

from collections.abc import Mapping

from bptt_plugins.messages import say
from bptt_plugins.topologies.packing import packed
from bptt_solver.draft import COMMON, Draft
from bptt_solver.options import choice
from bptt_solver.records import Network, OptionError, Topology


def build(options: Mapping[str, object]) -> Network:
    """The equations of an Elman network."""
    net = Draft(options)
    if choice(options["form"], ("blocks", "concat"), "form") == "blocks":
        net.parameter("W_x", "hidden", "input")
        net.parameter("W_h", "hidden", "hidden")
        products = ["W_x @ x[t]", "W_h @ h[t-1]"]
    else:
        if net.scalar or net.inputs != "all":
            raise OptionError(say("elman.scalar" if net.scalar else "elman.inputs"), "form")
        net.parameter("W_c", "hidden", net.size("input") + net.size("hidden"))
        net.role("W_c", say("role.from_joined"))
        net.role("x_c", say("role.joined"), "hidden", -1)
        net.line("x_c[t] = concat(x[t], h[t-1])")
        products = ["W_c @ x_c[t]"]
    net.parameter("b_h", "hidden")
    net.start("h", "hidden")
    net.sum("a[t]", *products, "b_h")
    net.line(f"h[t] = {net.function('hidden', 'a[t]')}")
    net.finish("h", "hidden")
    return packed(net.network(), "elman")


TOPOLOGY = Topology(
    "elman",
    build,
    {**COMMON, "form": "blocks"},
    example={"sizes": {"input": 2, "hidden": 3, "output": 2}, "output": "softmax", "loss": "cross_entropy", "steps": 3},
    summary=say("elman.summary"),
    source="Elman 1990",
    aliases=("rnn", "srn"),
)
