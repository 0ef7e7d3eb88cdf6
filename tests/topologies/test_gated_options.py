"""Wrong options of LSTM, GRU, bidirectional networks, trees, encoders and custom cells: what is said, and where."""

from __future__ import annotations

import json
import re

import pytest

import bptt_solver
from bptt_solver.errors import ProblemError
from bptt_solver.records import OptionError
from bptt_solver.registry import Registry

REGISTRY = Registry.load()
SIZES = {"input": 2, "hidden": 2, "output": 1}
LINE = "h[t] = tanh(W @ x[t] + U @ h[t-1])"

WRONG = [
    ("lstm", {"gates": "torhc"}, ("gates",), "unknown gate order 'torhc' (did you mean 'torch'?)"),
    ("lstm", {"gates": "ifog"}, ("gates",), "known: torch, keras, onnx, or a list like [i, f, g, o]"),
    ("lstm", {"gates": ["i", "f", "o"]}, ("gates",), "gates must be the four gates i, f, g, o in some order"),
    ("lstm", {"peephole": "maybe"}, ("peephole",), "peephole must be true or false, not 'maybe'"),
    ("lstm", {"projection": 0}, ("projection",), "projection must be a whole number, at least 1, not 0"),
    ("lstm", {"projection": True}, ("projection",), "projection must be a whole number, at least 1, not True"),
    ("lstm", {"gate": "sigmiod"}, ("gate",), "unknown function 'sigmiod' (did you mean 'sigmoid'?)"),
    ("lstm", {"sizes": {"input": 2, "output": 1}}, ("sizes",), "sizes needs hidden"),
    ("lstm", {"layers": 0}, ("layers",), "layers must be a whole number, at least 1, not 0"),
    ("lstm", {"layers": "two"}, ("layers",), "layers must be a whole number, at least 1, not 'two'"),
    ("lstm", {"layers": [2, "x"]}, ("layers", 1), "layers[2] must be a whole number, at least 1, not 'x'"),
    ("cell", {"cell": "h[t] = tanh(W @ concat(x[t], h[t-1]) + b)", "inputs": "first"}, ("inputs",),
     "inputs must be all: h[t] reads x[t] otherwise than in a summand of its own"),
    ("cell", {"cell": "h[t] = tanh(W @ x[t])", "inputs": "first"}, ("inputs",), "inputs must be all: h[t] reads x[t]"),
    ("gru", {"reset": "behind"}, ("reset",), "reset must be before or after, not 'behind'"),
    ("gru", {"keeps": "z-1"}, ("keeps",), "keeps must be z or 1-z, not 'z-1'"),
    ("gru", {"directions": "backwards"}, ("directions",), "did you mean 'backward'?"),
    ("gru", {"steps": 2, "targets": [3]}, ("targets", 0), "targets[1] is step 3, but steps is 2"),
    ("bidirectional", {"combine": "product"}, ("combine",), "combine must be matrices, concat or sum, not 'product'"),
    ("bidirectional", {"readout": False}, ("readout",), "readout: false is not possible with two output matrices"),
    ("bidirectional", {"sizes": "scalar", "combine": "concat"}, ("combine",), "combine must be sum where"),
    ("encoder_decoder", {"steps": 3}, ("steps",), "steps must be a mapping like {input: 3, output: 2}, not 3"),
    ("encoder_decoder", {"steps": {"input": 0}}, ("steps", "input"), "steps.input must be a whole number, at least 1"),
    ("encoder_decoder", {"steps": {"in": 2}}, ("steps", "in"), "steps has no option 'in'"),
    ("encoder_decoder", {"context": "end"}, ("context",), "context must be start, each or both, not 'end'"),
    ("encoder_decoder", {"feed": "teacher"}, ("feed",), "feed must be target, output or none, not 'teacher'"),
    ("encoder_decoder", {"targets": "last", "steps": {"output": 2}}, ("targets",), "targets must be all or mask"),
    ("encoder_decoder", {"sizes": SIZES | {"decoder": 3}}, ("sizes", "decoder"),
     "sizes.decoder is 3 and sizes.hidden is 2, but s[0] is h[S]: use context: each"),
    ("encoder_decoder", {"lengths": [3, 2]}, ("lengths",), "lengths must be a mapping with input, output, not [3, 2]"),
    ("encoder_decoder", {"lengths": {"input": [3, 2], "output": [1]}}, ("lengths", "input"),
     "lengths.input has 2 numbers and lengths.output has 1"),
    ("encoder_decoder", {"lengths": {"input": [3, 2]}, "sequences": 3}, ("lengths", "input"),
     "lengths.input has 2 numbers, but sequences is 3"),
    ("encoder_decoder", {"lengths": {"input": [3, 2]}, "steps": {"input": 3}}, ("lengths", "input"),
     "lengths.input is given, but steps.input is 3: each sequence has its own length"),
    ("tree", {"tree": 3}, ("tree",), "tree must be nested lists of leaves like [[1, 2], 3], or nodes"),
    ("tree", {"tree": []}, ("tree",), "tree has a node without children"),
    ("tree", {"tree": {}}, ("tree",), "tree has no inner node"),
    ("tree", {"tree": [[1, 2], []]}, ("tree", 1), "tree has a node without children"),
    ("tree", {"tree": [[1, 2], 2]}, ("tree", 0, 1), "tree: leaf 2 has two parents"),
    ("tree", {"tree": [[1, 2], 4]}, ("tree", 1),
     "'4' is neither a node with children nor a leaf: the leaves are numbered 1 to 3"),
    ("tree", {"tree": [1, "b"]}, ("tree", 1), "tree: a leaf must be its number, not 'b'"),
    ("tree", {"tree": {"a": ["b", 1], "b": ["a", 2]}}, ("tree", "a"), "tree has a cycle: a ← b ← a"),
    ("tree", {"tree": {"r": [1, 2], "a": ["b"], "b": ["c"], "c": ["a"]}}, ("tree", "a"),
     "tree has a cycle: a ← c ← b ← a"),
    ("tree", {"tree": {"a": ["a"]}}, ("tree", "a"), "tree has a cycle: a ← a"),
    ("tree", {"tree": {"a": [1, 2], "b": ["a", 2]}}, ("tree", "b", 1), "tree: leaf 2 has two parents, 'a' and 'b'"),
    ("tree", {"tree": {"a": [1], "b": [2]}}, ("tree", "b"), "tree has two roots, 'a' and 'b'"),
    ("tree", {"tree": {"a": [1, "q"]}}, ("tree", "a", 1), "tree: 'q' is neither a node with children nor a leaf"),
    ("tree", {"tree": {"a": 1}}, ("tree", "a"), "tree: the children of 'a' must be a list, not 1"),
    ("tree", {"targets": [9]}, ("targets", 0), "targets: there is no node 9; there are 1 to 3"),
    ("tree", {"targets": [3, 3]}, ("targets", 1), "targets names node 3 twice"),
    ("tree", {"targets": ["p"]}, ("targets", 0), "targets: there is no node 'p'"),
    ("tree", {"inputs": "all", "sizes": {"hidden": 2, "output": 1}}, ("sizes",), "inputs: all needs sizes.input"),
    ("tree", {"cell": "lstm", "sizes": {"hidden": 2, "output": 1}}, ("sizes",), "cell: lstm needs sizes.input"),
    ("cell", {"cell": 3}, ("cell",), "cell must be lines of equations"),
    ("cell", {"cell": "h[t] = tanh(W @ x[t]"}, ("cell",), "cell: '(' is never closed"),
    ("cell", {"cell": "h = x"}, ("cell",), "cell: a line defines a quantity at time t, like h[t]"),
    ("cell", {"cell": f"{LINE} for t in 1..T"}, ("cell",), "cell: leave out the range of h[t]"),
    ("cell", {"cell": f"{LINE}\n{LINE}"}, ("cell",), "cell: 'h' is defined twice"),
    ("cell", {"cell": "y[t] = x[t]"}, ("cell",), "cell: 'y' has a meaning already"),
    ("cell", {"cell": "h[t] = tanh(W @ x[t-1])"}, ("cell",), "cell: 'x' must be read at time t"),
    ("cell", {"cell": "h[t] = U @ h[t+1]"}, ("cell",), "cell: 'h' must be read at time t, or at an earlier time"),
    ("cell", {"cell": LINE.replace("tanh", "tnah")}, ("cell",), "unknown function 'tnah' (did you mean 'tanh'?)"),
    ("cell", {"cell": LINE, "sends": "g"}, ("sends",), "sends: no line of the cell defines 'g' (the lines define h)"),
    ("cell", {"cell": LINE, "state": {"c": 2}}, ("state", "c"), "state: no line of the cell defines 'c'"),
    ("cell", {"cell": LINE, "shapes": {"V": [2]}}, ("shapes", "V"), "shapes: the cell has no parameter 'V'"),
    ("cell", {"cell": LINE, "shapes": {"W": 2}}, ("shapes", "W"), "shapes.W must be a list of sizes"),
    ("cell", {"cell": LINE, "shapes": {"W": ["wide", 2]}}, ("shapes", "W", 0), "'wide' is not a size"),
    ("cell", {"cell": "h[t] = U @ h[t-2] + x[t]", "directions": "both"}, ("directions",), "runs forwards only"),
]  # fmt: skip


@pytest.mark.parametrize(("topology", "options", "path", "message"), WRONG)
def test_wrong_option(topology: str, options: dict[str, object], path: tuple[str | int, ...], message: str) -> None:
    base: dict[str, object] = {"sizes": SIZES} | ({"tree": [1, 2]} if topology == "tree" else {})
    with pytest.raises(OptionError, match=re.escape(message)) as caught:
        REGISTRY.network(topology, {**base, **options})
    assert caught.value.path == path


PLACES = [
    ("network: {topology: lstm, sizes: {input: 2}, gates: trch}", "1:53", "did you mean 'torch'?"),
    ("network:\n  topology: tree\n  sizes: scalar\n  tree: {a: [b, 1], b: [a, 2]}", "4:13", "a ← b ← a"),
    ("network: {topology: tree, sizes: scalar, tree: [[1, 2], 2]}", "1:53", "leaf 2 has two parents"),
    ("network:\n  topology: cell\n  sizes: scalar\n  cell: |\n    h[t] = tanh(", "5:16", "is never closed"),
]


@pytest.mark.parametrize(("text", "place", "message"), PLACES)
def test_place_of_a_wrong_option(text: str, place: str, message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        bptt_solver.loads(text, "network.yaml")
    assert f"network.yaml:{place}: " in str(caught.value)
    assert message in str(caught.value)


def test_what_is_stated() -> None:
    """Choices on which texts differ stand in the notes."""
    notes = REGISTRY.network("gru", {"sizes": SIZES, "reset": "after", "keeps": "1-z"}).notes
    assert "The reset gate acts after the product: `r[t]*(U_g @ h[t-1] + b_hg)`." in notes
    assert "`1 - z[t]` is the part of the old state that stays." in notes
    notes = REGISTRY.network("lstm", {"sizes": SIZES, "peephole": True, "coupled": True, "projection": 1}).notes
    assert any("Peepholes" in note for note in notes)
    assert any("coupled" in note for note in notes)
    assert any("projection" in note for note in notes)
    assert any("Teacher forcing" in note for note in REGISTRY.network("encoder_decoder", {"sizes": SIZES}).notes)
    named = {"tree": {"np": [1, 2], "s": ["np", 3]}, "sizes": "scalar"}
    assert "Inner nodes and their children: 4 (np) ← 1, 2; 5 (s) ← 4, 3." in REGISTRY.network("tree", named).notes


def test_gates_in_the_order_of_a_library() -> None:
    written = REGISTRY.network("lstm", {"sizes": SIZES, "gates": "onnx"}).equations.splitlines()
    assert [line[2] for line in written if line.startswith("z_")] == list("iofg")
    assert json.dumps(list(REGISTRY.topology("lstm").options["gates"])) == '["i", "f", "g", "o"]'  # type: ignore[call-overload]
