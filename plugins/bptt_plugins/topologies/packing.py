"""How torch, Keras and ONNX pack the weights of the topologies elman, deep, bidirectional, lstm and gru.

Libraries keep the matrices of all gates in one array, one below the other, each library in its own order, and Keras
transposed. A topology ends with ``return packed(network, "lstm")``, and a document says `weights:`.

torch and ONNX (and Keras, for a GRU whose reset gate acts after the product) have two biases for each gate, which
are added. They are kept apart: ``b_i`` is then a sum ``b_ih_i + b_hh_i``. Only the candidate of such a GRU has
biases that are two of its own (``b_g`` and ``b_hg``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bptt_solver.records import Network, Packed, Packing

ORDERS: Mapping[str, Mapping[str, str]] = {  # the gates from top to bottom, under the names of the topologies
    "lstm": {"torch": "ifgo", "keras": "ifgo", "onnx": "iofg"},
    "gru": {"torch": "rzg", "keras": "zrg", "onnx": "zrg"},
    "elman": {"torch": "h", "keras": "h", "onnx": "h"},
    "deep": {"torch": "h", "keras": "h", "onnx": "h"},
}
PEEPHOLES = "iof"  # the order of ONNX
_NAMES = {"elman": ("W_x", "W_h", "b_h"), "deep": ("W", "U", "b")}  # without gates in them
_READOUT = ("W_y", "W_y_fw", "W_y_bw")
_PLACE = r"(_fw|_bw)?(?:\[([0-9]+)\])?"


class _Chain(NamedTuple):
    """One layer in one direction: ``way`` is the suffix of its names, ``at`` their index."""

    cell: str
    way: str
    at: str
    layer: int
    both: bool  # whether the candidate has two biases of its own

    def weights(self, gate: str) -> tuple[str, str]:
        """The matrices of the input and of the state."""
        inputs, recurrent = _NAMES.get(self.cell, (f"W_{gate}", f"U_{gate}", ""))[:2]
        return self._name(inputs), self._name(recurrent)

    def bias(self, gate: str) -> str:
        """The bias of a gate."""
        return self._name(_NAMES[self.cell][2] if self.cell in _NAMES else f"b_{gate}")

    def biases(self, gate: str) -> tuple[str, str]:
        """Its two summands: from the input, and from the state."""
        if self.both and gate == "g":
            return self._name("b_g"), self._name("b_hg")
        end = "" if self.cell in _NAMES else f"_{gate}"
        return self._name(f"b_ih{end}"), self._name(f"b_hh{end}")

    def own(self, name: str) -> str:
        """Another name of this chain, such as ``W_p``."""
        return self._name(name)

    def _name(self, name: str) -> str:
        return f"{name}{self.way}{self.at}"


def packed(network: Network, cell: str, refused: Mapping[str, str] | None = None) -> Network:
    """The network with how each library packs its parameters; ``refused`` says why a library cannot have them."""
    chains = list(_chains(network, cell))
    first = ORDERS[cell]["torch"][0]
    if not chains or any(not network.parameters.get(name) for chain in chains for name in chain.weights(first)):
        return network  # without inputs, or a network of numbers
    packings: dict[str, Packing | str] = {
        "torch": _torch(network, chains),
        "keras": _keras(network, chains),
        "onnx": _onnx(network, chains),
    }
    return network.replace(packings=packings | dict(refused or {}))


def _chains(network: Network, cell: str) -> Iterator[_Chain]:
    """The layers in order, in each the chain that runs forwards and the one that runs backwards."""
    first = ORDERS[cell]["torch"][0]
    recurrent = _Chain(cell, "", "", 0, False).weights(first)[1]
    found = (re.fullmatch(re.escape(recurrent) + _PLACE, label) for label in network.parameters)
    places = sorted({(int(match[2] or 0), match[1] != "_fw", match[1] or "") for match in found if match})
    for layer, _, way in places:
        at = f"[{layer}]" if layer else ""
        yield _Chain(cell, way, at, max(layer, 1), f"b_hg{way}{at}" in network.parameters)


def _torch(network: Network, chains: list[_Chain]) -> Packing:
    tensors: dict[str, Packed] = {}
    for chain in chains:
        end = f"_l{chain.layer - 1}{'_reverse' if chain.way == '_bw' else ''}"
        order = ORDERS[chain.cell]["torch"]
        tensors[f"weight_ih{end}"], tensors[f"weight_hh{end}"] = _matrices(chain, order)
        if chain.bias(order[0]) in network.parameters:
            two = list(zip(*map(chain.biases, order), strict=True))
            tensors |= {f"bias_ih{end}": Packed((two[0],)), f"bias_hh{end}": Packed((two[1],))}
        if chain.own("W_p") in network.parameters:
            tensors[f"weight_hr{end}"] = Packed(((chain.own("W_p"),),))
    return Packing((tensors,), _readout(network, chains, "weight"), _sums(network, chains, "torch"))


def _keras(network: Network, chains: list[_Chain]) -> Packing:
    groups = []
    for chain in chains:
        order = ORDERS[chain.cell]["keras"]
        inputs, recurrent = _matrices(chain, order, transposed=True)
        tensors = {"kernel": inputs, "recurrent_kernel": recurrent}
        if chain.both:
            tensors["bias"] = Packed(tuple(zip(*map(chain.biases, order), strict=True)), stacked=True)
        elif chain.bias(order[0]) in network.parameters:
            tensors["bias"] = Packed((tuple(map(chain.bias, order)),))
        groups.append(tensors)
    sums = _sums(network, chains, "keras") if chains[0].both else {}
    return Packing(tuple(groups), _readout(network, chains, "kernel", transposed=True), sums)


def _onnx(network: Network, chains: list[_Chain]) -> Packing:
    groups = []
    for layer in sorted({chain.layer for chain in chains}):
        ways = [chain for chain in chains if chain.layer == layer]
        order = ORDERS[ways[0].cell]["onnx"]
        pairs = [_matrices(chain, order) for chain in ways]
        tensors = {
            name: Packed(tuple(pair[place].parts[0] for pair in pairs), stacked=True) for place, name in enumerate("WR")
        }
        if ways[0].bias(order[0]) in network.parameters:
            rows = [list(zip(*map(chain.biases, order), strict=True)) for chain in ways]
            tensors["B"] = Packed(tuple((*row[0], *row[1]) for row in rows), stacked=True)
        if ways[0].own("P_i") in network.parameters:
            rows_of = tuple(tuple(chain.own(f"P_{gate}") for gate in PEEPHOLES) for chain in ways)
            tensors["P"] = Packed(rows_of, stacked=True)
        groups.append(tensors)
    return Packing(tuple(groups), {}, _sums(network, chains, "onnx"))


def _matrices(chain: _Chain, order: str, transposed: bool = False) -> tuple[Packed, Packed]:
    inputs, recurrent = zip(*map(chain.weights, order), strict=True)
    return Packed((inputs,), transposed=transposed), Packed((recurrent,), transposed=transposed)


def _sums(network: Network, chains: list[_Chain], library: str) -> dict[str, tuple[str, ...]]:
    """The biases that are sums, if there are biases."""
    return {
        chain.bias(gate): chain.biases(gate)
        for chain in chains
        for gate in ORDERS[chain.cell][library]
        if chain.bias(gate) in network.parameters and chain.bias(gate) not in chain.biases(gate)
    }


def _readout(network: Network, chains: list[_Chain], weight: str, transposed: bool = False) -> dict[str, Packed]:
    """The layer that reads the state; where two chains are read by a matrix each, these stand side by side."""
    if chains[0].cell == "deep":
        last = f"[{chains[-1].layer + 1}]"
        matrices, bias = tuple(f"W{last}" for _ in "W" if f"W{last}" in network.parameters), f"b{last}"
    else:
        matrices, bias = tuple(name for name in _READOUT if name in network.parameters), "b_y"
    if not matrices:
        return {}
    tensors = {weight: Packed((matrices,), axis=1, transposed=transposed)}
    return tensors | ({"bias": Packed(((bias,),))} if bias in network.parameters else {})
