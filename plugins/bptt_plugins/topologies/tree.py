"""Recursive networks: the same weights at every node of a tree.

    network: {topology: tree, tree: [[1, 2], 3], sizes: {hidden: 2, output: 2}, output: softmax, loss: cross_entropy}

    h[j] = x[j] for j in 1..3
    a[4] = W_h[1] @ h[1] + W_h[2] @ h[2] + b_h
    h[4] = tanh(a[4])
    a[5] = W_h[1] @ h[4] + W_h[2] @ h[3] + b_h

Nodes are numbered: first the leaves, as the tree numbers them, then the inner nodes, children before parents.

tree        nested lists of leaves, or inner nodes with their children: ``{p: [1, 2], root: [p, 3]}``
sizes       without ``input`` the state of a leaf is its input; with it, a leaf reads ``W_x @ x[j]``
inputs      leaves, or all: the inner nodes have an input as well, ``x[j]`` (then ``sizes`` needs ``input``)
weights     children: one matrix for each place among the children, or shared: one for the sum of the children
cell        simple, or lstm: the child-sum Tree-LSTM (Tai, Socher & Manning 2015), whose forget gate ``f[j,k]`` says
            what node j keeps of its child k; ``gate`` is the function of the gates
targets     root (one target d), inner (a target d[j] at every inner node), all, or a list of nodes

``hidden``, ``output``, ``loss``, ``readout``, ``bias`` and ``reduction`` are as in `parts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_plugins.topologies.choices import choice
from bptt_plugins.topologies.parts import COMMON, Draft
from bptt_plugins.topologies.times import run, runs
from bptt_plugins.topologies.trees import Tree, tree_of
from bptt_solver import options as read
from bptt_solver.records import Network, OptionError, Topology

OPTIONS: Mapping[str, object] = {
    "tree": None, "sizes": None, "hidden": "tanh", "output": "identity", "loss": "squared_error", "readout": True,
    "bias": True, "inputs": "leaves", "weights": "children", "cell": "simple", "gate": "sigmoid", "targets": "root",
    "reduction": "sum",
}  # fmt: skip
_SHOWN = 20  # names of nodes in a note
GATES = {"i": "input gate", "o": "output gate", "g": "candidate"}


class _Nodes(Draft):
    """A draft with one equation for each node, or for neighbours that are alike."""

    def __init__(self, options: Mapping[str, object]) -> None:
        super().__init__({**COMMON, **options, "inputs": "none", "targets": "all"})
        self.tree: Tree = tree_of(options["tree"], "tree")
        self.fed = choice(options["inputs"], ("leaves", "all"), "inputs") == "all"
        self.embedded = "input" in self.sizes
        if self.fed and not self.embedded:
            raise OptionError("inputs: all needs sizes.input: how many entries the input of a node has", "sizes")
        nodes = self.tree.root if self.fed else self.tree.leaves
        self.data["x"] = (nodes, *self.shape("input" if self.embedded else "hidden"))
        self.leaves = run(1, self.tree.leaves)

    def node(self, equation: str, nodes: str = "") -> None:
        """Write an equation in j at the given nodes: ``1..3``, or ``3``; without nodes as it is."""
        equation = equation.replace(" @ ", "*") if self.scalar else equation
        if ".." in nodes:
            equation = f"{equation} for j in {nodes}"
        elif nodes:
            equation = equation.replace("[j]", f"[{nodes}]")
        self.lines.append(equation)

    def total(self, left: str, summands: Sequence[str], nodes: str = "") -> None:
        """Write a sum of what there is."""
        self.node(f"{left} = {' + '.join(s for s in summands if s)}", nodes)


def build(options: Mapping[str, object]) -> Network:
    """The equations of a recursive network over a tree."""
    net = _Nodes(options)
    shared = choice(options["weights"], ("children", "shared"), "weights") == "shared"
    if choice(options["cell"], ("simple", "lstm"), "cell") == "lstm":
        _lstm(net)
    else:
        _simple(net, shared)
    _output(net, options["targets"])
    if net.tree.labels:
        named = [f"{i} ({name})" for i, name in net.tree.labels.items()]
        shown = named if len(named) <= _SHOWN else [*named[: _SHOWN - 1], "...", named[-1]]
        net.note(f"The inner nodes are {', '.join(shown)}.")
    for name, words in (("x", "input of a node"), ("h", "state of a node"), ("e", "loss of one node")):
        net.role(name, words, *net.roles[name][1:])
    return net.network("The same weights are used at every node; node j is computed from its children.")


def _simple(net: _Nodes, shared: bool) -> None:
    """One layer of units at each node."""
    bias = "b_h" if net.bias else ""
    net.parameter("b_h", "hidden")
    for place in [""] if shared else [f"[{k}]" for k in range(1, net.tree.arity + 1)]:
        net.parameter(f"W_h{place}", "hidden", "hidden")
    net.role("W_h", "weights from the children" if shared else "weights from the first, second, ... child")
    if net.embedded:
        net.parameter("W_x", "hidden", "input")
        net.total("a[j]", ["W_x @ x[j]", bias], net.leaves)
        net.node(f"h[j] = {net.function('hidden', 'a[j]')}", net.leaves)
    else:
        net.node("h[j] = x[j]", net.leaves)
    for i, children in net.tree.children.items():
        states = [f"h[{j}]" for j in children]
        joined = f"({' + '.join(states)})" if len(states) > 1 else states[0]
        products = [f"W_h @ {joined}"] if shared else [f"W_h[{k}] @ {state}" for k, state in enumerate(states, 1)]
        net.total(f"a[{i}]", [f"W_x @ x[{i}]" if net.fed else "", *products, bias])
        net.node(f"h[{i}] = {net.function('hidden', f'a[{i}]')}")


def _lstm(net: _Nodes) -> None:
    """A child-sum Tree-LSTM."""
    if not net.embedded and not net.scalar:
        raise OptionError("cell: lstm needs sizes.input: how many entries the input of a leaf has", "sizes")
    for gate, words in {**GATES, "f": "forget gate"}.items():
        if gate != "f" or net.fed:
            net.parameter(f"W_{gate}", "hidden", "input")
            net.role(f"W_{gate}", f"weights from the input to the {words}")
        net.parameter(f"U_{gate}", "hidden", "hidden")
        net.parameter(f"b_{gate}", "hidden")
        net.role(f"U_{gate}", f"weights from the children to the {words}")
        net.role(f"b_{gate}", f"biases of the {words}")
        net.role(f"z_{gate}", f"pre-activation of the {words}", "gates", 2 * "iofg".index(gate))
        net.role(gate, words, "gates", 2 * "iofg".index(gate) + 1)
    net.role("s", "sum of the states of the children", "hidden", 0)
    net.role("c", "cell state of a node", "hidden", 2)
    net.role("q", "cell state as it is sent", "hidden", 3)
    _node(net, "j", (), net.leaves)
    for i, children in net.tree.children.items():
        _node(net, str(i), children)


def _node(net: _Nodes, i: str, children: Sequence[int], nodes: str = "") -> None:
    """The equations of one node, or of all leaves."""
    reads = net.fed or not children
    if children:
        net.node(f"s[{i}] = {' + '.join(f'h[{j}]' for j in children)}")
    for gate in GATES:
        summands = [f"W_{gate} @ x[{i}]" if reads else "", f"U_{gate} @ s[{i}]" if children else ""]
        net.total(f"z_{gate}[{i}]", [*summands, f"b_{gate}" if net.bias else ""], nodes)
        net.node(f"{gate}[{i}] = {net.function('hidden' if gate == 'g' else 'gate', f'z_{gate}[{i}]')}", nodes)
    for j in children:
        summands = [f"W_f @ x[{i}]" if reads else "", f"U_f @ h[{j}]", "b_f" if net.bias else ""]
        net.total(f"z_f[{i},{j}]", summands)
        net.node(f"f[{i},{j}] = {net.function('gate', f'z_f[{i},{j}]')}")
    net.total(f"c[{i}]", [f"i[{i}]*g[{i}]", *(f"f[{i},{j}]*c[{j}]" for j in children)], nodes)
    net.node(f"q[{i}] = {net.function('hidden', f'c[{i}]')}", nodes)
    net.node(f"h[{i}] = o[{i}]*q[{i}]", nodes)


def _output(net: _Nodes, targets: object) -> None:
    """The readout and the losses."""
    size = "output" if net.readout else "hidden"
    root, nodes = net.tree.root, _targets(targets, net.tree)
    if targets == "root":
        ranges, at, state = [""], "", f"h[{root}]"
        net.data["d"] = net.shape(size)
    else:
        ranges, at, state = [run(low, high) for low, high in runs(nodes)], "[j]", "h[j]"
        every = {"d": (root, *net.shape(size))}
        net.data |= every if len(nodes) == root else {f"d[{i}]": net.shape(size) for i in nodes}
    loss, numbers = read.function(net.options["loss"], "loss")
    net.functions.setdefault(loss, ("loss",))
    for over in ranges:
        output = _readout(net, state, at, over)
        net.node(f"{'e' if at else 'E'}{at} = {loss}({', '.join((output, f'd{at}', *numbers))})", over)
    if at:
        mean = choice(net.options["reduction"], ("sum", "mean"), "reduction") == "mean"
        total = " + ".join(f"sum(e[j] for j in {over})" if ".." in over else f"e[{over}]" for over in ranges)
        total = f"({total})" if mean and len(ranges) > 1 else total
        net.node(f"E = {total}" + (f"/{len(nodes)}" if mean and len(nodes) > 1 else ""))
        net.note(f"E is the {'mean' if mean else 'sum'} of the losses of the nodes that have a target.")


def _readout(net: _Nodes, state: str, at: str, over: str) -> str:
    """The equations of the output; what the loss reads."""
    if not net.readout:
        if read.function(net.options["output"], "output")[0] != "identity":
            raise OptionError("output: there is no readout to act on (readout is false)", "output")
        return state
    logits = "z_y" if "z_o" in net.roles else "o"
    net.parameter("W_y", "output", "hidden")
    net.parameter("b_y", "output")
    applied = net.function("output", f"{logits}{at}")
    plain = applied == f"{logits}{at}"
    net.total(f"{'y' if plain else logits}{at}", [f"W_y @ {state}", "b_y" if net.bias else ""], over)
    if not plain:
        net.role(logits, "pre-activation of the output", "output", 0)
        net.node(f"y{at} = {applied}", over)
    return f"y{at}"


def _targets(value: object, tree: Tree) -> list[int]:
    """The nodes that have a target."""
    if isinstance(value, str):
        word = choice(value, ("root", "inner", "all"), "targets", also="a list of nodes")
        first = {"root": tree.root, "inner": tree.leaves + 1, "all": 1}[word]
        return list(range(first, tree.root + 1))
    named = {name: i for i, name in tree.labels.items()}
    nodes = []
    for place, item in enumerate(read.items(value, "targets")):
        node = named.get(str(item)) if isinstance(item, str) else read.whole(item, "targets", place)
        if node is None or node > tree.root:
            raise OptionError(f"targets: there is no node {item!r}; there are 1 to {tree.root}", "targets", place)
        if node in nodes:
            raise OptionError(f"targets names node {item} twice", "targets", place)
        nodes.append(node)
    return sorted(nodes)


TOPOLOGY = Topology(
    "tree",
    build,
    OPTIONS,
    example={"tree": [[1, 2], 3], "sizes": {"hidden": 2, "output": 2}, "output": "softmax", "loss": "cross_entropy"},
    summary="a recursive network: the same weights at every node of a tree",
    source="Goller & Küchler 1996; Socher et al. 2011",
    aliases=("recursive",),
)
