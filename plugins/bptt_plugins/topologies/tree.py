"""Recursive networks: the same weights at every node of a tree.

    network: {topology: tree, tree: [[1, 2], 3], sizes: {hidden: 2, output: 2}, output: softmax, loss: cross_entropy}

    h[j] = x[j]                                                for j in 1..L      the leaves
    a[j] = W_h[1] @ h[left[j]] + W_h[2] @ h[right[j]] + b_h    for j in L+1..M    the inner nodes
    h[j] = tanh(a[j])                                          for j in L+1..M

Nodes are numbered: first the leaves, as the tree numbers them, then the inner nodes, children before parents; the root
is M. Where the inner nodes have different numbers of children, a sum runs over the nodes whose parent is j.

tree        nested lists of leaves, or inner nodes with their children: ``{p: [1, 2], root: [p, 3]}``
sizes       without ``input`` the state of a leaf is its input; with it, a leaf reads ``W_x @ x[j]``
inputs      leaves, or all: the inner nodes have an input as well, ``x[j]`` (then ``sizes`` needs ``input``)
weights     children: one matrix for each place among the children, or shared: one for the sum of the children
cell        simple, or lstm: the child-sum Tree-LSTM (Tai, Socher & Manning 2015), whose forget gate ``f[k]`` says
            what its parent keeps of node k
gate        the function of the gates of the cell lstm
targets     root (one target d), inner (a target d[j] at every inner node), all, or a list of nodes
reduction   sum or mean of the losses of the nodes that have a target

``hidden``, ``output``, ``loss``, ``readout`` and ``bias`` are as in `bptt_solver.draft`.
"""

from __future__ import annotations

from collections.abc import Mapping

from bptt_plugins.messages import say
from bptt_plugins.topologies.trees import Tree, tree_of
from bptt_solver import options as read
from bptt_solver.draft import COMMON, Draft, role_of, role_to, run, runs
from bptt_solver.options import choice
from bptt_solver.records import Network, OptionError, Topology

OPTIONS: Mapping[str, object] = {
    "tree": None, "sizes": None, "hidden": "tanh", "output": "identity", "loss": "squared_error", "readout": True,
    "bias": True, "inputs": "leaves", "weights": "children", "cell": "simple", "gate": "sigmoid", "targets": "root",
    "reduction": "sum",
}  # fmt: skip
GATES = {"i": say("role.input_gate"), "o": say("role.output_gate"), "g": say("role.candidate")}
LEAVES, INNER, BELOW = "j in 1..L", "j in L+1..M", "k in 1..M-1"


class _Nodes(Draft):
    """A draft of equations over the nodes j of a tree, or k where they are somebody's children."""

    def __init__(self, options: Mapping[str, object]) -> None:
        super().__init__({**COMMON, **options, "inputs": "none", "targets": "all"})
        self.tree: Tree = tree_of(options["tree"], "tree")
        self.fed = choice(options["inputs"], ("leaves", "all"), "inputs") == "all"
        self.embedded = "input" in self.sizes
        if self.fed and not self.embedded:
            raise OptionError(say("tree.inputs"), "sizes")
        self.data["x"] = ("M" if self.fed else "L", *self.shape("input" if self.embedded else "hidden"))
        self.counts |= {"L": self.tree.leaves, "M": self.tree.root}

    def node(self, left: str, *summands: str, over: str = "") -> None:
        """Write a sum of what there is, over a range or for one node (``3``, in the place of j)."""
        equation = f"{left} = {' + '.join(s for s in summands if s)}"
        if over and " in " not in over:
            equation = equation.replace("[j]", f"[{over}]")
        self.line(equation, "", [over] if " in " in over else [])

    def below(self, term: str) -> list[str]:
        """A term in k for each child of node j, or its sum over all of them; ``place[k]`` is 1 for the first child."""
        if not self.tree.lookups:
            return [f"sum({term} for {BELOW} where parent[k] == j)"]
        named = enumerate(self.tree.lookups, 1)
        return [term.replace("place[k]", str(i)).replace("[k]", f"[{name}[j]]") for i, name in named]


def build(options: Mapping[str, object]) -> Network:
    """The equations of a recursive network over a tree."""
    net = _Nodes(options)
    shared = choice(options["weights"], ("children", "shared"), "weights") == "shared"
    if choice(options["cell"], ("simple", "lstm"), "cell") == "lstm":
        _lstm(net)
    else:
        _simple(net, shared)
    _output(net, options["targets"])
    net.note(net.tree.told())
    for name, key in (("x", "role.node_input"), ("h", "role.node_state"), ("e", "role.node_loss")):
        net.role(name, say(key), *net.roles[name][1:])
    network = net.network()
    return network.replace(maps=net.tree.maps(network.equations))


def _simple(net: _Nodes, shared: bool) -> None:
    """One layer of units at each node."""
    bias = "b_h" if net.bias else ""
    net.parameter("b_h", "hidden")
    for place in [""] if shared else [f"[{k}]" for k in range(1, net.tree.arity + 1)]:
        net.parameter(f"W_h{place}", "hidden", "hidden")
    net.role("W_h", say("role.from_children" if shared else "role.from_each_child"))
    if net.embedded:
        net.parameter("W_x", "hidden", "input")
        net.node("a[j]", "W_x @ x[j]", bias, over=LEAVES)
        net.node("h[j]", net.function("hidden", "a[j]"), over=LEAVES)
    else:
        net.node("h[j]", "x[j]", over=LEAVES)
    states = net.below("h[k]")
    joined = f"({' + '.join(states)})" if len(states) > 1 else states[0]
    products = [f"W_h @ {joined}"] if shared else net.below("W_h[place[k]] @ h[k]")
    net.node("a[j]", "W_x @ x[j]" if net.fed else "", *products, bias, over=INNER)
    net.node("h[j]", net.function("hidden", "a[j]"), over=INNER)


def _lstm(net: _Nodes) -> None:
    """A child-sum Tree-LSTM."""
    if not net.embedded and not net.scalar:
        raise OptionError(say("tree.lstm"), "sizes")
    for gate, words in {**GATES, "f": say("role.forget_gate")}.items():
        if gate != "f" or net.fed:
            net.parameter(f"W_{gate}", "hidden", "input")
            net.role(f"W_{gate}", role_to(say("role.from_input"), words))
        net.parameter(f"U_{gate}", "hidden", "hidden")
        net.parameter(f"b_{gate}", "hidden")
        net.role(f"U_{gate}", role_to(say("role.from_children"), words))
        net.role(f"b_{gate}", role_of(say("role.biases"), words))
        net.role(f"z_{gate}", role_of(say("role.pre_activation"), words), "gates", 2 * "iofg".index(gate))
        net.role(gate, words, "gates", 2 * "iofg".index(gate) + 1)
    net.role("s", say("role.sum_of_children"), "hidden", 0)
    net.role("c", say("role.node_cell_state"), "hidden", 2)
    net.role("q", say("role.sent", role=say("role.cell_state")), "hidden", 3)
    net.node("z_f[k]", "W_f @ x[parent[k]]" if net.fed else "", "U_f @ h[k]", "b_f" if net.bias else "", over=BELOW)
    net.node("f[k]", net.function("gate", "z_f[k]"), over=BELOW)
    net.node("s[j]", *net.below("h[k]"), over=INNER)
    for nodes in (LEAVES, INNER):
        inner = nodes == INNER
        for gate in GATES:
            reads = [f"W_{gate} @ x[j]" if net.fed or not inner else "", f"U_{gate} @ s[j]" if inner else ""]
            net.node(f"z_{gate}[j]", *reads, f"b_{gate}" if net.bias else "", over=nodes)
            net.node(f"{gate}[j]", net.function("hidden" if gate == "g" else "gate", f"z_{gate}[j]"), over=nodes)
        net.node("c[j]", "i[j]*g[j]", *(net.below("f[k]*c[k]") if inner else ()), over=nodes)
        net.node("q[j]", net.function("hidden", "c[j]"), over=nodes)
        net.node("h[j]", "o[j]*q[j]", over=nodes)


def _output(net: _Nodes, targets: object) -> None:
    """The readout and the losses."""
    size = "output" if net.readout else "hidden"
    nodes = _targets(targets, net.tree)
    if targets == "root":
        ranges, at, state = [""], "", "h[M]"
        net.data["d"] = net.shape(size)
    else:
        words = {"inner": [INNER], "all": ["j in 1..M"]}
        ranges = words[targets] if isinstance(targets, str) else [_range(low, high) for low, high in runs(nodes)]
        at, state = "[j]", "h[j]"
        if len(nodes) == net.tree.root:
            net.data["d"] = ("M", *net.shape(size))
        else:
            net.data |= {f"d[{i}]": net.shape(size) for i in nodes}
    loss, numbers = read.function(net.options["loss"], "loss")
    net.functions.setdefault(loss, ("loss",))
    for over in ranges:
        output = _readout(net, state, at, over)
        net.node(f"{'e' if at else 'E'}{at}", f"{loss}({', '.join((output, f'd{at}', *numbers))})", over=over)
    if at:
        mean = choice(net.options["reduction"], ("sum", "mean"), "reduction") == "mean"
        total = " + ".join(f"sum(e[j] for {over})" if " in " in over else f"e[{over}]" for over in ranges)
        total = f"({total})" if mean and len(ranges) > 1 else total
        net.node("E", total + (f"/{len(nodes)}" if mean and len(nodes) > 1 else ""))
        net.note(say("tree.mean" if mean else "tree.sum"))


def _range(low: int, high: int) -> str:
    return f"j in {run(low, high)}" if low < high else str(low)


def _readout(net: _Nodes, state: str, at: str, over: str) -> str:
    """The equations of the output; what the loss reads."""
    if not net.readout:
        if read.function(net.options["output"], "output")[0] != "identity":
            raise OptionError(say("tree.readout"), "output")
        return state
    logits = "z_y" if "z_o" in net.roles else "o"
    net.parameter("W_y", "output", "hidden")
    net.parameter("b_y", "output")
    applied = net.function("output", f"{logits}{at}")
    plain = applied == f"{logits}{at}"
    net.node(f"{'y' if plain else logits}{at}", f"W_y @ {state}", "b_y" if net.output_bias else "", over=over)
    if not plain:
        net.role(logits, role_of(say("role.pre_activation"), say("place.output")), "output", 0)
        net.node(f"y{at}", applied, over=over)
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
            raise OptionError(say("tree.no_node", node=repr(item), count=tree.root), "targets", place)
        if node in nodes:
            raise OptionError(say("tree.twice", node=item), "targets", place)
        nodes.append(node)
    return sorted(nodes)


TOPOLOGY = Topology(
    "tree",
    build,
    OPTIONS,
    example={"tree": [[1, 2], 3], "sizes": {"hidden": 2, "output": 2}, "output": "softmax", "loss": "cross_entropy"},
    summary=say("tree.summary"),
    source="Goller & Küchler 1996; Socher et al. 2011",
    aliases=("recursive",),
)
