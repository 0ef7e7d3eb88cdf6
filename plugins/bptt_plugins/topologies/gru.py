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

from bptt_plugins.topologies.cells import OPTIONS, Cell, Layers
from bptt_plugins.topologies.packing import packed
from bptt_solver.draft import Draft
from bptt_solver.options import choice
from bptt_solver.records import Network, Topology

ROLES = {
    "a_r": "pre-activation of the reset gate", "r": "reset gate",
    "a_z": "pre-activation of the update gate", "z": "update gate",
    "a_g": "pre-activation of the candidate", "g": "candidate", "h": "hidden state",
    "W_r": "weights from the input to the reset gate", "W_z": "weights from the input to the update gate",
    "W_g": "weights from the input to the candidate", "U_r": "recurrent weights of the reset gate",
    "U_z": "recurrent weights of the update gate", "U_g": "recurrent weights of the candidate",
    "b_r": "biases of the reset gate", "b_z": "biases of the update gate", "b_g": "biases of the candidate",
    "b_hg": "biases of the candidate behind the reset gate",
}  # fmt: skip
RESET = {
    "before": ("U_g @ (r[t]*h[t-1])", "The reset gate acts before the product: `U_g @ (r[t]*h[t-1])`."),
    "after": ("r[t]*(U_g @ h[t-1] + b_hg)", "The reset gate acts after the product: `r[t]*(U_g @ h[t-1] + b_hg)`."),
}
KEEPS = {
    "z": ("(1 - z[t])*g[t] + z[t]*h[t-1]", "`z[t]` is the part of the old state that stays."),
    "1-z": ("z[t]*g[t] + (1 - z[t])*h[t-1]", "`1 - z[t]` is the part of the old state that stays."),
}


def build(options: Mapping[str, object]) -> Network:
    """The equations of a GRU."""
    net = Layers(options)
    cell, notes = gru_cell(net)
    return packed(net.write(cell, *notes), "gru", _refused(str(options["reset"]), str(options["keeps"])))


def gru_cell(net: Draft) -> tuple[Cell, list[str]]:
    """One step of the GRU that the options of ``net`` ask for, and what there is to say of it."""
    options = net.options
    recurrent, reset = RESET[choice(options["reset"], tuple(RESET), "reset")]
    mixture, keeps = KEEPS[choice(options["keeps"], tuple(KEEPS), "keeps")]
    lines = []
    for gate in "rz":
        lines.append(f"a_{gate}[t] = W_{gate} @ x[t] + U_{gate} @ h[t-1] + b_{gate}")
        lines.append(f"{gate}[t] = {net.function('gate', f'a_{gate}[t]')}")
    lines.append(f"a_g[t] = W_g @ x[t] + {recurrent} + b_g")
    lines.append(f"g[t] = {net.function('hidden', 'a_g[t]')}")
    lines.append(f"h[t] = {mixture}")
    parameters: dict[str, tuple[str | int, ...]] = {}
    for gate in "rzg":
        parameters |= {f"W_{gate}": ("hidden", "input"), f"U_{gate}": ("hidden", "hidden"), f"b_{gate}": ("hidden",)}
    if "b_hg" in recurrent:
        parameters["b_hg"] = ("hidden",)
    cell = Cell("\n".join(lines), {"h": "hidden"}, parameters, ROLES)
    return cell, [reset if net.bias else reset.replace(" + b_hg", ""), keeps]


def _refused(reset: str, keeps: str) -> dict[str, str]:
    """Why a library has no weights for these options."""
    if keeps != "z":
        return dict.fromkeys(("torch", "keras", "onnx"), "there z is the part of the old state that stays (keeps: z)")
    return {"torch": "its GRU has the reset gate after the product (reset: after)"} if reset == "before" else {}


OWN: Mapping[str, object] = {"reset": "before", "keeps": "z", "gate": "sigmoid"}
TOPOLOGY = Topology(
    "gru",
    build,
    {**OPTIONS, **OWN},
    example={"sizes": {"input": 2, "hidden": 3, "output": 2}, "steps": 3},
    summary="gated recurrent units, reset before or after the product",
    source="Cho et al. 2014",
)
