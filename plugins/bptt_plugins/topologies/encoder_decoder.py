"""Encoder and decoder: one recurrence reads S inputs, another writes T outputs.

    network: {topology: encoder_decoder, sizes: {input: 2, hidden: 3, output: 2}, steps: {input: 3, output: 2}}

    a_h[t] = W_x @ x[t] + W_h @ h[t-1] + b_h    for t in 1..S    the encoder
    h[t]   = tanh(a_h[t])                       for t in 1..S
    s[0]   = h[S]                                                the context
    p[1]   = start                                               what the decoder reads
    p[t]   = d[t-1]                             for t in 2..T
    a_s[t] = W_p @ p[t] + W_s @ s[t-1] + b_s    for t in 1..T    the decoder
    s[t]   = tanh(a_s[t])                       for t in 1..T

steps       {input: S, output: T}, each a number or ``data``: as many as the data have
context     start: the decoder starts from h[S]; each: it reads ``W_c @ h[S]`` at each step (and starts from 0 unless
            s[0] is given); both
feed        target: the decoder reads the target before (teacher forcing); output: its own output before (free running,
            so that this edge carries a derivative); none: it reads nothing
sizes       {input:, hidden:, output:}; decoder is the size of s, if it is not that of h (then the context goes in at
            each step)
lengths     {input: [3, 2], output: [2, 2]}: the lengths of the sequences that are read and written, or one of the two

``start`` is what the decoder reads at first, 0 unless it is given. The other options are those of
`bptt_solver.draft`, but for ``inputs``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bptt_solver import options as read
from bptt_solver.draft import COMMON, SIZES, Draft
from bptt_solver.options import choice
from bptt_solver.records import Network, OptionError, Topology

OPTIONS: Mapping[str, object] = {
    **{name: value for name, value in COMMON.items() if name not in ("inputs", "readout")},
    "steps": "data",
    "context": "start",
    "feed": "target",
}
ROLES: Mapping[str, tuple[str, str, int]] = {
    "a_h": ("pre-activation of the encoder", "encoder", 0),
    "h": ("state of the encoder", "encoder", 1),
    "p": ("what the decoder reads", "decoder", 0),
    "a_s": ("pre-activation of the decoder", "decoder", 1),
    "s": ("state of the decoder", "decoder", 2),
    "start": ("what the decoder reads at first", "", 0),
    "W_h": ("recurrent weights of the encoder", "", 0),
    "b_h": ("biases of the encoder", "", 0),
    "W_p": ("weights from what the decoder reads", "", 0),
    "W_s": ("recurrent weights of the decoder", "", 0),
    "W_c": ("weights from the context", "", 0),
    "b_s": ("biases of the decoder", "", 0),
}


def build(options: Mapping[str, object]) -> Network:
    """The equations of an encoder and a decoder."""
    context = choice(options["context"], ("start", "each", "both"), "context")
    feed = choice(options["feed"], ("target", "output", "none"), "feed")
    before, after = _steps(options["steps"])
    read_in, lengths = _lengths(options)
    common = {**COMMON, **options, **lengths, "inputs": "none", "steps": after}
    if after == "data" and not lengths["lengths"] and options["targets"] not in ("all", "mask"):
        raise OptionError("steps.output is needed: the targets are not there at every step", "steps")
    net = Draft(common, (*SIZES, "decoder"))
    net.roles |= ROLES
    if feed == "target" and net.targets not in ("all", "mask"):
        raise OptionError("feed: target reads the target of every step, so targets must be all or mask", "targets")
    decoder = "decoder" if "decoder" in net.sizes else "hidden"
    if context != "each" and decoder == "decoder" and net.size("decoder") != net.size("hidden"):
        told = f"sizes.decoder is {net.size('decoder')} and sizes.hidden is {net.size('hidden')}, but s[0] is h[S]"
        raise OptionError(f"{told}: use context: each", "sizes", "decoder")
    if read_in and before != "data":
        told = f"lengths.input is given, but steps.input is {before}: each sequence has its own length"
        raise OptionError(told, "lengths", "input", also=("steps", "input"))
    _encode(net, before)
    _decode(net, context, feed, decoder)
    net.finish("s", decoder, everywhere=feed == "output")
    said = {
        "target": "Teacher forcing: the decoder reads the target before, not its own output.",
        "output": "Free running: the decoder reads its own output before, and this edge carries a derivative.",
    }
    if not read_in:
        return net.network(*([said[feed]] if feed in said else []))
    net.maps["len_x"] = read_in
    net.lines = [re.sub(r"\bS\b", "len_x[n]", line) for line in net.lines]
    network = net.network(*([said[feed]] if feed in said else []))
    return network.replace(sizes={**network.sizes, "S": max(read_in)})


def _lengths(options: Mapping[str, object]) -> tuple[list[int], dict[str, object]]:
    """The lengths of what is read, and the options for those of what is written."""
    if options["lengths"] == "":
        return [], {"lengths": ""}
    given = read.mapping(options["lengths"], ("input", "output"), "lengths")
    found: dict[str, list[int]] = {}
    for name in given:
        listed = read.items(given[name], "lengths", name)
        found[name] = [*(read.whole(item, "lengths", name, i) for i, item in enumerate(listed))]
    first = found.get("input", [])
    written = found.get("output", [])
    if first and written and len(first) != len(written):
        told = f"lengths.input has {len(first)} numbers and lengths.output has {len(written)}"
        raise OptionError(told, "lengths", "input", also=("lengths", "output"))
    sequences = options["sequences"]
    if first and isinstance(sequences, int) and sequences != len(first):
        told = f"lengths.input has {len(first)} numbers, but sequences is {sequences}"
        raise OptionError(told, "lengths", "input", also=("sequences",))
    return first, {"lengths": written or "", "sequences": len(first) if first else sequences}


def _steps(value: object) -> tuple[object, object]:
    """S and T: numbers, or ``data``."""
    if value == "data":
        return "data", "data"
    if not isinstance(value, Mapping):
        raise OptionError(f"steps must be a mapping like {{input: 3, output: 2}}, not {value!r}", "steps")
    given = read.mapping(value, ("input", "output"), "steps")
    steps = {"input": "data", "output": "data", **given}
    for name, number in steps.items():
        if number != "data":
            read.whole(number, "steps", name)
    return steps["input"], steps["output"]


def _encode(net: Draft, steps: object) -> None:
    """The recurrence over the inputs."""
    net.parameter("W_x", "hidden", "input")
    net.parameter("W_h", "hidden", "hidden")
    net.parameter("b_h", "hidden")
    net.start("h", "hidden", what="initial state of the encoder")
    bias = " + b_h" if net.bias else ""
    net.line(f"a_h[t] = W_x @ x[t] + W_h @ h[t-1]{bias}", "1..S")
    net.line(f"h[t] = {net.function('hidden', 'a_h[t]')}", "1..S")
    net.counts |= {"S": steps} if isinstance(steps, int) else {}
    net.data["x"] = (*(("N",) if net.sequences is not None else ()), "S", *net.shape("input"))


def _decode(net: Draft, context: str, feed: str, decoder: str) -> None:
    """The recurrence that the output reads."""
    n, each = ("n,", " for n in 1..N") if net.sequences is not None else ("", "")
    if context == "each":
        net.start("s", decoder, what="initial state of the decoder")
    else:
        net.lines.append(f"s[{n}0] = h[{n}S]{each}")
    if feed != "none":
        net.shapes["start"] = net.shape("output")
        net.zeros.append("start")
        net.note("What the decoder reads at first, `start`, is 0 unless it is given.")
        net.lines.append(f"p[{n}1] = start{each}")
        if net.steps != 1:
            net.line(f"p[t] = {'y' if feed == 'output' else 'd'}[t-1]", "2..T")
        net.parameter("W_p", decoder, "output")
    net.parameter("W_s", decoder, decoder)
    if context != "start":
        net.parameter("W_c", decoder, "hidden")
    net.parameter("b_s", decoder)
    reads = [*(["W_p @ p[t]"] if feed != "none" else []), "W_s @ s[t-1]"]
    reads += [f"W_c @ h[{n}S]"] if context != "start" else []
    reads += ["b_s"] if net.bias else []
    net.line(f"a_s[t] = {' + '.join(reads)}")
    net.line(f"s[t] = {net.function('hidden', 'a_s[t]')}")


TOPOLOGY = Topology(
    "encoder_decoder",
    build,
    OPTIONS,
    example={"sizes": {"input": 2, "hidden": 3, "output": 2}, "steps": {"input": 3, "output": 2}},
    summary="one recurrence reads the inputs, another writes the outputs",
    source="Sutskever, Vinyals & Le 2014; Cho et al. 2014",
    aliases=("seq2seq",),
)
