"""Long short-term memory (LSTM), plain, with peepholes, with coupled gates, with a projection.

    network: {topology: lstm, sizes: {input: 2, hidden: 3, output: 2}, steps: 3}

    i[t] = sigmoid(z_i[t])           how much of the candidate enters
    f[t] = sigmoid(z_f[t])           how much of the old cell state stays
    g[t] = tanh(z_g[t])              the candidate
    c[t] = f[t]*c[t-1] + i[t]*g[t]   the cell state
    o[t] = sigmoid(z_o[t])           how much of it is sent
    h[t] = o[t]*q[t]                 the hidden state, with q[t] = tanh(c[t])

peephole    the gates i and f also see ``P_i*c[t-1]``, ``P_f*c[t-1]``, and o sees ``P_o*c[t]``
coupled     ``f[t] = 1 - i[t]`` instead of a forget gate of its own
projection  the hidden state is ``W_p @ (o[t]*q[t])``, of this size; false: none
gates       the order in which the gates are written: [i, f, g, o], or that of a library: torch, keras or onnx
gate        the function of the gates; ``hidden`` is that of the candidate and of the cell state

The other options are in `cells` and `bptt_solver.draft`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_plugins.messages import say
from bptt_plugins.topologies.cells import OPTIONS, Cell, Layers
from bptt_plugins.topologies.packing import packed
from bptt_solver import options as read
from bptt_solver.draft import Draft, role_of, role_to
from bptt_solver.errors import suggest
from bptt_solver.records import Network, OptionError, Topology

ORDERS = {"torch": "ifgo", "keras": "ifgo", "onnx": "iofg"}  # Keras and ONNX write c for the candidate g
GATES = {
    "i": say("role.input_gate"), "f": say("role.forget_gate"), "g": say("role.candidate"), "o": say("role.output_gate"),
}  # fmt: skip
SEEN = {"i": "c[t-1]", "f": "c[t-1]", "o": "c[t]"}  # what a peephole shows


def build(options: Mapping[str, object]) -> Network:
    """The equations of an LSTM."""
    net = Layers(options)
    cell, notes = lstm_cell(net)
    return packed(net.write(cell, *notes), "lstm", _refused(*_kind(options)))


def lstm_cell(net: Draft) -> tuple[Cell, list[str]]:
    """One step of the LSTM that the options of ``net`` ask for, and what there is to say of it."""
    options = net.options
    peephole, coupled, projected = _kind(options)
    order = gate_order(options["gates"])
    if projected:
        net.sizes["projection"] = read.whole(options["projection"], "projection")
    width = "projection" if projected else "hidden"

    lines: list[str] = []
    parameters: dict[str, tuple[str | int, ...]] = {}
    for gate in order:
        seen = f" + P_{gate}*{SEEN[gate]}" if peephole and gate in SEEN else ""
        if coupled and gate == "f":
            lines.append("f[t] = 1 - i[t]")
            continue
        function = net.function("hidden" if gate == "g" else "gate", f"z_{gate}[t]")
        lines.append(f"z_{gate}[t] = W_{gate} @ x[t] + U_{gate} @ h[t-1] + b_{gate}{seen}")
        lines.append(f"{gate}[t] = {function}")
        parameters |= {f"W_{gate}": ("hidden", "input"), f"U_{gate}": ("hidden", width), f"b_{gate}": ("hidden",)}
        parameters |= {f"P_{gate}": ("hidden",)} if seen else {}
    lines.append("c[t] = f[t]*c[t-1] + i[t]*g[t]")
    lines.append(f"q[t] = {net.function('hidden', 'c[t]')}")
    lines.append("h[t] = W_p @ (o[t]*q[t])" if projected else "h[t] = o[t]*q[t]")
    parameters |= {"W_p": ("projection", "hidden")} if projected else {}
    cell = Cell("\n".join(lines), {"h": width, "c": "hidden"}, parameters, roles(), width=width)
    return cell, _notes(peephole, coupled, projected, order)


def _kind(options: Mapping[str, object]) -> tuple[bool, bool, bool]:
    """Whether it has peepholes, coupled gates, a projection."""
    peephole, coupled = (read.truth(options[name], name) for name in ("peephole", "coupled"))
    return peephole, coupled, options["projection"] is not False


def _refused(peephole: bool, coupled: bool, projected: bool) -> dict[str, str]:
    """Why a library has no weights for these options."""
    lacking = dict.fromkeys(("torch", "keras"), "peepholes") if peephole else {}
    lacking |= dict.fromkeys(("keras", "onnx"), "projections") if projected else {}
    lacking |= dict.fromkeys(("torch", "keras", "onnx"), "coupling") if coupled else {}
    return {library: say(f"lstm.no_{what}") for library, what in lacking.items()}


def gate_order(value: object) -> str:
    """The gates in order, ``ifgo``, from a list of them or the name of a library."""
    if isinstance(value, str):
        if value not in ORDERS:
            hint = suggest(value, ORDERS) or say("lstm.orders")
            raise OptionError(say("lstm.unknown_order", name=value, hint=hint), "gates")
        return ORDERS[value]
    if not isinstance(value, Sequence) or sorted(map(str, value)) != sorted(GATES):
        raise OptionError(say("lstm.gates", value=repr(value)), "gates")
    return "".join(map(str, value))


def roles() -> dict[str, str]:
    """What the names are."""
    state = say("role.cell_state")
    words: dict[str, str] = {"c": state, "q": say("role.sent", role=state), "h": say("role.hidden_state")}
    words["W_p"] = say("role.projection")
    for gate, what in GATES.items():
        words |= {f"z_{gate}": role_of(say("role.pre_activation"), what), gate: what}
        words |= {f"b_{gate}": role_of(say("role.biases"), what), f"W_{gate}": role_to(say("role.from_input"), what)}
        words |= {f"U_{gate}": role_of(say("role.recurrent"), what), f"P_{gate}": role_of(say("role.peephole"), what)}
    return words


def _notes(peephole: bool, coupled: bool, projected: bool, order: str) -> list[str]:
    notes: list[str] = [say("lstm.order", gates=", ".join(order))] if order != "ifgo" else []
    if peephole:
        notes.append(say("lstm.peephole"))
    if coupled:
        notes.append(say("lstm.coupled"))
    if projected:
        notes.append(say("lstm.projection"))
    return notes


OWN: Mapping[str, object] = {
    "peephole": False, "coupled": False, "projection": False, "gates": tuple("ifgo"), "gate": "sigmoid",
}  # fmt: skip
TOPOLOGY = Topology(
    "lstm",
    build,
    {**OPTIONS, **OWN},
    example={"sizes": {"input": 2, "hidden": 2, "output": 2}, "steps": 3},
    summary=say("lstm.summary"),
    source="Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000",
)
