"""Gated recurrent units (GRU).

    network: {topology: gru, sizes: {input: 2, hidden: 3, output: 2}, steps: 3}

    r[t] = sigmoid(a_r[t])    how much of the old state the candidate sees
    z[t] = sigmoid(a_z[t])    how much of the old state stays
    g[t] = tanh(a_g[t])       the candidate
    h[t] = (1 - z[t])*g[t] + z[t]*h[t-1]

Two things differ between texts and libraries, and are options that the output states:

reset   before: ``U_g @ (r[t]*h[t-1])`` (Cho et al. 2014), or after: ``r[t]*(U_g @ h[t-1] + b_hg)`` (torch, cuDNN)
keeps   z: ``z[t]*h[t-1]`` (Cho et al. 2014, torch, Keras), or 1-z: ``(1 - z[t])*h[t-1]`` (Chung et al. 2014)

gate    the function of the gates; ``hidden`` is that of the candidate

The other options are in `cells` and
`bptt_solver.draft`.
"""

from __future__ import annotations

from collections.abc import Mapping

from bptt_plugins.messages import say
from bptt_plugins.topologies.cells import OPTIONS, Cell, Layers
from bptt_plugins.topologies.packing import packed
from bptt_solver.draft import Draft, role_of, role_to
from bptt_solver.options import choice
from bptt_solver.records import Network, Topology

GATES = {"r": say("role.reset_gate"), "z": say("role.update_gate"), "g": say("role.candidate")}
ROLES: Mapping[str, str] = {
    **{f"a_{gate}": role_of(say("role.pre_activation"), what) for gate, what in GATES.items()},
    **GATES,
    "h": say("role.hidden_state"),
    **{f"W_{gate}": role_to(say("role.from_input"), what) for gate, what in GATES.items()},
    **{f"U_{gate}": role_of(say("role.recurrent"), what) for gate, what in GATES.items()},
    **{f"b_{gate}": role_of(say("role.biases"), what) for gate, what in GATES.items()},
    "b_hg": say("role.behind_reset"),
}
RESET = {"before": "U_g @ (r[t]*h[t-1])", "after": "r[t]*(U_g @ h[t-1] + b_hg)"}
KEEPS = {"z": "(1 - z[t])*g[t] + z[t]*h[t-1]", "1-z": "z[t]*g[t] + (1 - z[t])*h[t-1]"}
STAYS = {"z": "z[t]", "1-z": "1 - z[t]"}  # the part of the old state that stays


def build(options: Mapping[str, object]) -> Network:
    """The equations of a GRU."""
    net = Layers(options)
    cell, notes = gru_cell(net)
    return packed(net.write(cell, *notes), "gru", _refused(str(options["reset"]), str(options["keeps"])))


def gru_cell(net: Draft) -> tuple[Cell, list[str]]:
    """One step of the GRU that the options of ``net`` ask for, and what there is to say of it."""
    options = net.options
    reset = choice(options["reset"], tuple(RESET), "reset")
    keeps = choice(options["keeps"], tuple(KEEPS), "keeps")
    recurrent = RESET[reset]
    lines = []
    for gate in "rz":
        lines.append(f"a_{gate}[t] = W_{gate} @ x[t] + U_{gate} @ h[t-1] + b_{gate}")
        lines.append(f"{gate}[t] = {net.function('gate', f'a_{gate}[t]')}")
    lines.append(f"a_g[t] = W_g @ x[t] + {recurrent} + b_g")
    lines.append(f"g[t] = {net.function('hidden', 'a_g[t]')}")
    lines.append(f"h[t] = {KEEPS[keeps]}")
    parameters: dict[str, tuple[str | int, ...]] = {}
    for gate in "rzg":
        parameters |= {f"W_{gate}": ("hidden", "input"), f"U_{gate}": ("hidden", "hidden"), f"b_{gate}": ("hidden",)}
    if "b_hg" in recurrent:
        parameters["b_hg"] = ("hidden",)
    cell = Cell("\n".join(lines), {"h": "hidden"}, parameters, ROLES)
    product = recurrent if net.bias else recurrent.replace(" + b_hg", "")
    return cell, [say(f"gru.{reset}", product=product), say("gru.keeps", part=STAYS[keeps])]


def _refused(reset: str, keeps: str) -> dict[str, str]:
    """Why a library has no weights for these options."""
    if keeps != "z":
        return dict.fromkeys(("torch", "keras", "onnx"), say("gru.library_keeps"))
    return {"torch": say("gru.library_reset")} if reset == "before" else {}


OWN: Mapping[str, object] = {"reset": "before", "keeps": "z", "gate": "sigmoid"}
TOPOLOGY = Topology(
    "gru",
    build,
    {**OPTIONS, **OWN},
    example={"sizes": {"input": 2, "hidden": 3, "output": 2}, "steps": 3},
    summary=say("gru.summary"),
    source="Cho et al. 2014",
)
