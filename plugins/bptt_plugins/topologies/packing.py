"""The weights of torch, Keras and ONNX as parameters of the topologies ``elman``, ``lstm`` and ``gru``.

Libraries keep the matrices of all gates in one array, one below the other, each library in its own order, and Keras
transposed. `parameters` takes them apart and gives each part the name that the topology writes: ``W_i``, ``U_i``,
``b_i`` for the gate i, with ``[k]`` for layer k of several, ``_fw`` and ``_bw`` where there are two directions.

Two biases of a gate, ``b_ih`` and ``b_hh`` in torch, always act as their sum and have equal gradients; here they are
added. Only the candidate of a GRU whose reset gate acts after the product keeps them apart (``b_g`` and ``b_hg``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

ORDERS: Mapping[str, Mapping[str, str]] = {  # the gates from top to bottom, under the names of the topologies
    "lstm": {"torch": "ifgo", "keras": "ifgo", "onnx": "iofg"},
    "gru": {"torch": "rzg", "keras": "zrg", "onnx": "zrg"},
    "elman": {"torch": "h", "keras": "h", "onnx": "h"},
}
PEEPHOLES = "iof"  # the order of ONNX


class _Packed(NamedTuple):
    """The arrays of one layer in one direction, receiver first; biases have two rows where there are two."""

    suffix: str
    inputs: Array
    recurrent: Array
    biases: Array | None
    projection: Array | None = None
    peepholes: Array | None = None


def parameters(topology: str, library: str, arrays: Mapping[str, Array], reset: str = "before") -> dict[str, Array]:
    """The parameters of ``topology`` (elman, lstm or gru) from the arrays of ``library`` under their names there.

    torch: ``weight_ih_l0``, ``weight_hh_l0``, ``bias_ih_l0``, ``bias_hh_l0``, ``weight_hr_l0``, also with ``_reverse``;
    Keras: ``kernel``, ``recurrent_kernel``, ``bias`` of one layer; ONNX: ``W``, ``R``, ``B``, ``P`` of one node.
    ``reset`` is the option of the topology gru. Raises ValueError for names or shapes that do not go together.
    """
    readers = {"torch": _torch, "keras": _keras, "onnx": _onnx}
    if topology not in ORDERS or library not in readers:
        known = f"{', '.join(ORDERS)} of {', '.join(readers)}"
        raise ValueError(f"there are weights for {known}, not for {topology} of {library}")
    order = ORDERS[topology][library]
    result: dict[str, Array] = {}
    for packed in readers[library](arrays):
        count, height = len(order), packed.recurrent.shape[0]
        if height % count or packed.inputs.shape[0] != height:
            shapes = f"{packed.inputs.shape} and {packed.recurrent.shape}"
            raise ValueError(f"weights of {shapes} do not hold {count} gates of {topology} one below the other")
        size = height // count
        for place, gate in enumerate(order):
            rows = slice(place * size, (place + 1) * size)
            recurrent, inputs = ("W_h", "W_x") if topology == "elman" else (f"U_{gate}", f"W_{gate}")
            result[inputs + packed.suffix] = packed.inputs[rows]
            result[recurrent + packed.suffix] = packed.recurrent[rows]
            if packed.biases is not None:
                result |= _biases(gate, packed, rows, apart=topology == "gru" and gate == "g" and reset == "after")
        if packed.projection is not None:
            result["W_p" + packed.suffix] = packed.projection
        if packed.peepholes is not None:
            parts = packed.peepholes.reshape(len(PEEPHOLES), size)
            result |= {f"P_{gate}{packed.suffix}": parts[i] for i, gate in enumerate(PEEPHOLES)}
    return result


def _biases(gate: str, packed: _Packed, rows: slice, apart: bool) -> Iterator[tuple[str, Array]]:
    assert packed.biases is not None
    both = packed.biases.reshape(-1, packed.recurrent.shape[0])
    if apart and len(both) == 1:
        raise ValueError("a GRU with its reset gate after the product needs two biases: of the input and the state")
    yield f"b_{gate}{packed.suffix}", both[0, rows] if apart else both[:, rows].sum(axis=0)
    if apart:
        yield f"b_hg{packed.suffix}", both[1, rows]


def _torch(arrays: Mapping[str, Array]) -> Iterator[_Packed]:
    import numpy as np

    layers = sum(name.startswith("weight_ih_l") and not name.endswith("_reverse") for name in arrays)
    if not layers:
        raise ValueError("there is no weight_ih_l0")
    both = "weight_ih_l0_reverse" in arrays
    for layer in range(layers):
        for ending, way in (("", "_fw"), ("_reverse", "_bw"))[: 1 + both]:
            end = f"_l{layer}{ending}"
            suffix = (way if both else "") + (f"[{layer + 1}]" if layers > 1 else "")
            biased = f"bias_ih{end}" in arrays
            yield _Packed(
                suffix,
                arrays[f"weight_ih{end}"],
                arrays[f"weight_hh{end}"],
                np.stack([arrays[f"bias_ih{end}"], arrays[f"bias_hh{end}"]]) if biased else None,
                arrays.get(f"weight_hr{end}"),
            )


def _keras(arrays: Mapping[str, Array]) -> Iterator[_Packed]:
    if "kernel" not in arrays or "recurrent_kernel" not in arrays:
        raise ValueError("there is no kernel or no recurrent_kernel")
    yield _Packed("", arrays["kernel"].T, arrays["recurrent_kernel"].T, arrays.get("bias"))


def _onnx(arrays: Mapping[str, Array]) -> Iterator[_Packed]:
    if "W" not in arrays or "R" not in arrays:
        raise ValueError("there is no W or no R")
    both = len(arrays["W"]) == 2
    for place, way in enumerate(("_fw", "_bw")[: 1 + both]):
        biases, peepholes = (arrays[name][place] if name in arrays else None for name in "BP")
        yield _Packed(way if both else "", arrays["W"][place], arrays["R"][place], biases, None, peepholes)
