"""Encoder and decoder: one recurrence reads S inputs, another writes T outputs.

    network: {topology: encoder_decoder, sizes: {input: 2, hidden: 3, output: 2}, steps: {input: 3, output: 2}}

    a_h[t] = W_x @ x[t] + W_h @ h[t-1] + b_h    for t in 1..S    the encoder
    h[t]   = tanh(a_h[t])                       for t in 1..S
    s[0]   = h[S]                                                the context
    p[1]   = start                                               what the decoder reads
    p[t]   = d[t-1]                             for t in 2..T
    a_s[t] = W_p @ p[t] + W_s @ s[t-1] + b_s    for t in 1..T    the decoder
    s[t]   = tanh(a_s[t])                       for t in 1..T

With ``cell: lstm`` or ``gru`` both have gates, as the topologies of these names have them. Their names then end in
``_en`` and ``_de``: the decoder starts from ``h_de[0] = h_en[S]`` and ``c_de[0] = c_en[S]``.

cell        simple, lstm or gru
steps       {input: S, output: T}, each a number or ``data``: as many as the data have
context     start: the decoder starts from the last state of the encoder, h[S] (of an LSTM, from both of its states);
            each: it reads ``W_c @ h[S]`` at each step, with gates ``C_i_de @ h_en[S]`` and so on in all of them (and
            starts from 0 unless s[0] is given); both
feed        target: the decoder reads the target before (teacher forcing); output: its own output before (free running,
            so that this edge carries a derivative); none: it reads nothing
sizes       {input:, hidden:, output:}; decoder is the size of s, if it is not that of h (then the context goes in at
            each step)
lengths     {input: [3, 2], output: [2, 2]}: the lengths of the sequences that are read and written, or one of the two
readout     false: the loss reads the state of the decoder itself, and so does the decoder where it runs freely
gate        the function of the gates; ``hidden`` is that of the candidate (and of the cell state of an LSTM)
peephole, coupled, projection, gates    as in the topology lstm
reset, keeps    as in the topology gru

``start`` is what the decoder reads at first, 0 unless it is given. The other options are those of
`bptt_solver.draft`, but for ``inputs``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bptt_plugins.messages import say
from bptt_plugins.topologies.cells import Cell, Place, placed, reads_bias, reads_only_input, without
from bptt_plugins.topologies.gru import OWN as GRU_OPTIONS
from bptt_plugins.topologies.gru import gru_cell
from bptt_plugins.topologies.lstm import OWN as LSTM_OPTIONS
from bptt_plugins.topologies.lstm import lstm_cell
from bptt_solver import options as read
from bptt_solver.catalogues import Message
from bptt_solver.draft import COMMON, INITIAL_STATE, SIZES, Draft, role_of
from bptt_solver.errors import Excerpt
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Index, Reference, transform
from bptt_solver.language.notation.source import to_source
from bptt_solver.language.parser import parse_equations
from bptt_solver.options import choice
from bptt_solver.records import Network, OptionError, Topology

OPTIONS: Mapping[str, object] = {
    **{name: value for name, value in COMMON.items() if name != "inputs"},
    "cell": "simple",
    "steps": "data",
    "context": "start",
    "feed": "target",
    **LSTM_OPTIONS,
    **GRU_OPTIONS,
}
ROLES: Mapping[str, tuple[str, str, int]] = {
    "p": (say("role.decoder_reads"), "decoder", 0),
    "start": (say("role.decoder_start"), "", 0),
}
FROM_INPUT, FROM_FED, FROM_CONTEXT = (say(f"role.from_{what}") for what in ("input", "fed", "context"))
PLACES = {"encoder": say("place.encoder"), "decoder": say("place.decoder")}
GATED: Mapping[str, tuple[Callable[[Draft], tuple[Cell, list[str]]], Mapping[str, object]]] = {
    "lstm": (lstm_cell, LSTM_OPTIONS),
    "gru": (gru_cell, GRU_OPTIONS),
}
ENCODER, DECODER = "_en", "_de"  # suffixes of gates, their weights and their states


class _Part(NamedTuple):
    """The encoder or the decoder: its cell, the suffix of its names, and its own size."""

    cell: Cell
    suffix: str
    size: str

    def state(self) -> str:
        """What it sends."""
        return self.cell.output + self.suffix


def build(options: Mapping[str, object]) -> Network:
    """The equations of an encoder and a decoder."""
    context = choice(options["context"], ("start", "each", "both"), "context")
    feed = choice(options["feed"], ("target", "output", "none"), "feed")
    before, after = _steps(options["steps"])
    read_in, lengths = _lengths(options)
    common = {**COMMON, **options, **lengths, "inputs": "none", "steps": after}
    if after == "data" and not lengths["lengths"] and options["targets"] not in ("all", "mask"):
        raise OptionError(say("encoder_decoder.steps"), "steps")
    net = Draft(common, (*SIZES, "decoder"))
    net.roles |= ROLES
    if feed == "target" and net.targets not in ("all", "mask"):
        raise OptionError(say("encoder_decoder.feed"), "targets")
    decoder = "decoder" if "decoder" in net.sizes else "hidden"
    if context != "each" and decoder == "decoder" and net.size("decoder") != net.size("hidden"):
        left, right = ("s", "h") if options["cell"] == "simple" else (f"h{DECODER}", f"h{ENCODER}")
        first = say("encoder_decoder.first", left=f"{left}[0]", right=f"{right}[S]")
        told = say("encoder_decoder.sizes", decoder=net.size("decoder"), hidden=net.size("hidden"), first=first)
        raise OptionError(told, "sizes", "decoder")
    if read_in and before != "data":
        told = say("encoder_decoder.input_steps", steps=before)
        raise OptionError(told, "lengths", "input", also=("steps", "input"))
    encoder, decoder_part, notes = _parts(net, decoder)
    _encode(net, encoder, before)
    width = placed(net, decoder_part.cell.width, "", decoder)
    _decode(net, context, feed, encoder, decoder_part, width)
    net.finish(decoder_part.state(), width, everywhere=feed == "output")
    if feed != "none":
        notes.append(say(f"encoder_decoder.{feed}.{'readout' if net.readout else 'state'}"))
    if not read_in:
        return net.network(*notes)
    net.maps["len_x"] = read_in
    net.lines = [re.sub(r"\bS\b", "len_x[n]", line) for line in net.lines]
    network = net.network(*notes)
    return network.replace(sizes={**network.sizes, "S": max(read_in)})


def _parts(net: Draft, decoder: str) -> tuple[_Part, _Part, list[str]]:
    """What the option ``cell`` asks for: the encoder, the decoder, and what there is to say of them."""
    kind = choice(net.options["cell"], ("simple", *GATED), "cell")
    own = GATED[kind][1] if kind in GATED else {}
    for name, default in {**LSTM_OPTIONS, **GRU_OPTIONS}.items():
        if name not in own and net.options[name] != default:
            told = say("encoder_decoder.option", option=name, cell=kind)
            raise OptionError(told, name, also=("cell",))
    if kind in GATED:
        cell, notes = GATED[kind][0](net)
        notes.append(say("encoder_decoder.names"))
        return _Part(cell, ENCODER, "hidden"), _Part(cell, DECODER, decoder), notes
    return _Part(_simple(net, "h", "x"), "", "hidden"), _Part(_simple(net, "s", "p"), "", decoder), []


def _simple(net: Draft, state: str, source: str) -> Cell:
    """One layer of units."""
    lines = f"a_{state}[t] = W_{source} @ x[t] + W_{state} @ {state}[t-1] + b_{state}"
    lines += f"\n{state}[t] = {net.function('hidden', f'a_{state}[t]')}"
    roles = {
        f"a_{state}": say("role.pre_activation"), state: say("role.state"), f"W_{state}": say("role.recurrent"),
        f"b_{state}": say("role.biases"), f"W_{source}": FROM_INPUT if source == "x" else FROM_FED,
    }  # fmt: skip
    shapes = {f"W_{source}": ("hidden", "input"), f"W_{state}": ("hidden", "hidden"), f"b_{state}": ("hidden",)}
    return Cell(lines, {state: "hidden"}, shapes, roles, output=state)


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
        told = say("encoder_decoder.lengths", first=len(first), written=len(written))
        raise OptionError(told, "lengths", "input", also=("lengths", "output"))
    sequences = options["sequences"]
    if first and isinstance(sequences, int) and sequences != len(first):
        told = say("encoder_decoder.sequences", first=len(first), sequences=sequences)
        raise OptionError(told, "lengths", "input", also=("sequences",))
    return first, {"lengths": written or "", "sequences": len(first) if first else sequences}


def _steps(value: object) -> tuple[object, object]:
    """S and T: numbers, or ``data``."""
    if value == "data":
        return "data", "data"
    if not isinstance(value, Mapping):
        raise OptionError(say("encoder_decoder.steps_form", form="{input: 3, output: 2}", value=repr(value)), "steps")
    given = read.mapping(value, ("input", "output"), "steps")
    steps = {"input": "data", "output": "data", **given}
    for name, number in steps.items():
        if number != "data":
            read.whole(number, "steps", name)
    return steps["input"], steps["output"]


def _encode(net: Draft, part: _Part, steps: object) -> None:
    """The recurrence over the inputs."""
    _declare(net, part, "input", "encoder")
    for family, size in part.cell.state.items():
        net.start(family + part.suffix, placed(net, size, "input", part.size), what=_starts("encoder"))
    _write(net, part, "1..S", "x")
    net.counts |= {"S": steps} if isinstance(steps, int) else {}
    net.data["x"] = (*(("N",) if net.sequences is not None else ()), "S", *net.shape("input"))


def _decode(net: Draft, context: str, feed: str, encoder: _Part, part: _Part, width: str | int) -> None:
    """The recurrence that the output reads."""
    n, each = ("n,", " for n in 1..N") if net.sequences is not None else ("", "")
    for (family, size), first in zip(part.cell.state.items(), encoder.cell.state, strict=True):
        if context == "each":
            own = placed(net, size, "", part.size)
            net.start(family + part.suffix, own, what=_starts("decoder"))
        else:
            net.lines.append(f"{family}{part.suffix}[{n}0] = {first}{encoder.suffix}[{n}S]{each}")
    fed = "output" if net.readout else width
    if feed != "none":
        net.shapes["start"] = net.shape(fed)
        net.zeros.append("start")
        net.note(say("encoder_decoder.start"))
        net.lines.append(f"p[{n}1] = start{each}")
        if net.steps != 1:
            own_output = "y" if net.readout else part.state()
            net.line(f"p[t] = {own_output if feed == 'output' else 'd'}[t-1]", "2..T")
    if context != "start":
        part, weights = _with_context(part, encoder, net.sequences is not None)
        for name, beside in weights.items():
            net.parameter(name, part.size, placed(net, encoder.cell.width, "", encoder.size))
            net.role(name, _whose(_from(part.cell.roles[beside], FROM_CONTEXT), "decoder"))
    _declare(net, part, fed, "decoder", feed != "none")
    _write(net, part, "1..T", "p" if feed != "none" else "")


def _with_context(part: _Part, encoder: _Part, several: bool) -> tuple[_Part, dict[str, str]]:
    """The decoder whose lines also read the last state of the encoder, wherever they read an input; and its further
    weights, each with those that it stands beside."""
    n = (Index.variable("n"),) if several else ()
    context = Reference(encoder.state(), (*n, Index.variable("S")))
    weights: dict[str, str] = {}

    def change(node: Expression) -> Expression:
        if not isinstance(node, Call) or node.operation != "add":
            return node
        summands: list[Expression] = []
        for summand in node.arguments:
            summands.append(summand)
            if reads_only_input(summand):
                summands.append(transform(summand, seen))
        return Call("add", tuple(summands))

    def seen(node: Expression) -> Expression:
        if not isinstance(node, Reference):
            return node
        if node.indices:
            return context
        name = f"C{node.name[1:]}{part.suffix}" if part.suffix else "W_c"
        weights[name] = node.name
        return Reference(name)

    lines = [
        f"{to_source(Reference(line.name, line.indices))} = {to_source(transform(line.right, change))}"
        for line in _lines(part.cell)
    ]
    return part._replace(cell=part.cell._replace(lines="\n".join(lines))), weights


def _declare(net: Draft, part: _Part, below: str | int, whose: str, fed: bool = True) -> None:
    """The parameters of a chain, and what its names are."""
    lines = _lines(part.cell)
    for place, line in enumerate(lines, 1):
        net.role(line.name + part.suffix, _whose(part.cell.roles[line.name], whose), whose, place)
    for name, shape in part.cell.parameters.items():
        if fed or "input" not in shape:
            net.parameter(name + part.suffix, *(placed(net, size, below, part.size) for size in shape))
            words = part.cell.roles[name]
            words = _from(words, FROM_FED) if whose == "decoder" else words
            net.role(name + part.suffix, _whose(words, whose))


def _starts(whose: str) -> tuple[str, str]:
    """The words for its initial state, and for several."""
    one, several = INITIAL_STATE
    return role_of(one, PLACES[whose]), role_of(several, PLACES[whose])


def _from(role: str, sender: str) -> str:
    """What a role says of the weights from the input, said of those from something else."""
    if role in (FROM_INPUT, FROM_FED):
        return sender
    head = role.field("head") if isinstance(role, Message) else None
    return role.with_fields(head=_from(head, sender)) if isinstance(role, Message) and isinstance(head, str) else role


def _whose(role: str, whose: str) -> str:
    """A role of the encoder or the decoder, unless it says already where the weights stand."""
    if role in (FROM_INPUT, FROM_FED, FROM_CONTEXT):
        return role
    sent = role.field("role") if isinstance(role, Message) else None
    if isinstance(role, Message) and isinstance(sent, str):
        return role.with_fields(role=role_of(sent, PLACES[whose]))
    return role_of(role, PLACES[whose])


def _write(net: Draft, part: _Part, times: str, source: str) -> None:
    """The lines of a chain that reads ``source``, or nothing."""
    lines = _lines(part.cell)
    own = [line.name for line in lines]
    place = Place(None, part.suffix, False, source)
    for line in lines:
        right = line.right if net.bias else without(line.right, reads_bias)
        right = right if source else without(right, reads_only_input)
        written = place.write(part.cell, own, Equation(line.name, line.indices, right))
        net.line(f"{to_source(Reference(written.name, written.indices))} = {to_source(written.right)}", times)


def _lines(cell: Cell) -> list[Equation]:
    return parse_equations(Excerpt.of(cell.lines, "<cell>"))


TOPOLOGY = Topology(
    "encoder_decoder",
    build,
    OPTIONS,
    example={"sizes": {"input": 2, "hidden": 3, "output": 2}, "steps": {"input": 3, "output": 2}},
    summary=say("encoder_decoder.summary"),
    source="Sutskever, Vinyals & Le 2014; Cho et al. 2014",
    aliases=("seq2seq",),
)
