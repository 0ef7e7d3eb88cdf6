"""Recurrent cells: equations for one step, put into layers and directions; the rest is in `bptt_solver.draft`.

A cell's lines speak of its input ``x[t]``, of its own quantities at ``t`` and of its state at ``t-1``::

    a[t] = W_x @ x[t] + W_h @ h[t-1] + b_h
    h[t] = tanh(a[t])

`Layers.cells` gives every quantity and parameter the index and the suffix of its place: the second of two layers reads
``h[k-1,t]`` for ``x[t]`` and has the parameters ``W_x[k]``; the chain that runs backwards in time has ``h_bw[t+1]`` for
``h[t-1]``. Indices stand in the order layer, sequence, time.

The options beside those of `bptt_solver.draft`:

layers      how many, or a list of their sizes (then ``sizes`` needs no ``hidden``)
directions  forward, backward or both
combine     what two directions send on: matrices (one output matrix each), concat or sum
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from bptt_plugins.messages import say
from bptt_solver import options as read
from bptt_solver.draft import COMMON, SIZES, Draft, is_bias, role_of
from bptt_solver.errors import Excerpt
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Index, Reference, preorder, transform
from bptt_solver.language.notation.source import to_source
from bptt_solver.language.parser import parse_equations
from bptt_solver.options import choice
from bptt_solver.records import Network, OptionError

OPTIONS: Mapping[str, object] = {**COMMON, "layers": 1, "directions": "forward", "combine": "matrices"}
INPUT = "x"  # what a cell's lines call its input
FORWARD, BACKWARD = "_fw", "_bw"  # suffixes where there are chains in both directions
JOINED = "u"  # what both chains of a layer send to the next one
WAYS = {FORWARD: "role.forwards", BACKWARD: "role.backwards"}
PARAMETER = role_of(say("role.parameter"), say("place.cell"))
TIME = Index.variable("t")
_LOGITS = re.compile(r"(?<![\w'])o(?![\w'])")
Size = str | int  # a length, or its name, or names with + between them


class Cell(NamedTuple):
    """One step of a recurrence.

    ``state`` names what is read at ``t-1``, with its size; ``parameters`` the names without index, with the sizes that
    make their shapes. A size is a word of the option ``sizes``; ``input`` is that of what the layer reads, ``hidden``
    the layer's own. The next layer and the output read ``output``, of size ``width``. ``roles`` say what a name is.
    """

    lines: str
    state: Mapping[str, Size]
    parameters: Mapping[str, tuple[Size, ...]]
    roles: Mapping[str, str]
    output: str = "h"
    width: Size = "hidden"
    lags: Mapping[str, int] = MappingProxyType({})  # how far back a state is read, if more than one step


class Place(NamedTuple):
    """Where a chain of cells stands: its layer if there are several, its suffix and direction, what it reads."""

    layer: Index | None
    suffix: str
    backward: bool
    source: str

    def at(self, time: Index, below: int = 0) -> tuple[Index, ...]:
        """``[k, t]``, or ``[t]`` where there is one layer."""
        return (time,) if self.layer is None else (self.layer.plus(-below), time)

    def time(self, time: Index) -> Index:
        """A time of the cell's lines on this chain: where it runs backwards, t-1 is t+1."""
        return TIME.plus(TIME.plus(time, -1)) if self.backward else time

    def write(self, cell: Cell, own: Collection[str], equation: Equation) -> Equation:
        """One line of the cell, at this place; ``own`` are the quantities that its lines define."""

        def change(node: Expression) -> Expression:
            if not isinstance(node, Reference):
                return node
            if node.name in cell.parameters and not node.indices:
                return Reference(node.name + self.suffix, () if self.layer is None else (self.layer,))
            if node.name == INPUT and len(node.indices) == 1 and self.source != INPUT:
                return Reference(self.source, self.at(node.indices[0], 1))
            if node.name in own and len(node.indices) == 1:
                return Reference(node.name + self.suffix, self.at(self.time(node.indices[0])))
            return node

        left = self.at(self.time(equation.indices[0]))
        return Equation(equation.name + self.suffix, left, transform(equation.right, change))


class Layers(Draft):
    """A draft with layers of cells, in one direction or both."""

    def __init__(self, options: Mapping[str, object], known: Sequence[str] = SIZES) -> None:
        super().__init__(options, known)
        self.directions = choice(options["directions"], ("forward", "backward", "both"), "directions")
        self.combine = choice(options["combine"], ("matrices", "concat", "sum"), "combine")
        self.hidden = self._layers(options["layers"])
        self.layered = len(self.hidden) > 1
        self.counts |= {"L": len(self.hidden)} if self.layered else {}
        self.taken = False  # whether a cell has a quantity o
        if self.scalar and self.directions == "both" and self.joined_by == "concat":
            raise OptionError(say("cells.combine"), "combine")

    def _layers(self, value: object) -> list[Size]:
        if isinstance(value, int) or not isinstance(value, Sequence) or isinstance(value, str):
            return ["hidden"] * read.whole(value, "layers")
        return [read.whole(item, "layers", i) for i, item in enumerate(read.items(value, "layers"))]

    @property
    def chains(self) -> tuple[tuple[str, bool], ...]:
        """(suffix, whether it runs backwards) of each chain."""
        both = ((FORWARD, False), (BACKWARD, True))
        return both if self.directions == "both" else (("", self.directions == "backward"),)

    @property
    def joined_by(self) -> str:
        """How the chains of a layer are put together: by concat or sum, or not at all (an empty text)."""
        if self.directions != "both" or (self.combine == "matrices" and not self.layered):
            return ""
        return "sum" if self.combine == "sum" else "concat"

    def cells(self, cell: Cell) -> None:
        """Write the lines of all cells, their parameters and initial states, and what the layers send."""
        lines = parse_equations(Excerpt.of(cell.lines, "<cell>"))
        own = [line.name for line in lines]
        source = INPUT if not self.layered else JOINED if self.joined_by else cell.output
        self.taken = "o" in own
        if self.taken:
            self.role("z_y", role_of(say("role.pre_activation"), say("place.output")), "output", 0)
        for suffix, _ in self.chains:
            for place, name in enumerate(own):
                self.role(name + suffix, going(cell.roles.get(name, ""), suffix), f"hidden{suffix}", place)
            for name in cell.parameters:
                self.role(name + suffix, going(cell.roles.get(name, PARAMETER), suffix))
            self._declare(cell, suffix)
        if self.layered:
            if self.inputs == "all":
                self.line(f"{source}[0,t] = x[t]")
            self.note(say("cells.layers"))
        for suffix, backward in self.chains:
            at = Place(Index.variable("k") if self.layered else None, suffix, backward, source)
            lowest = at._replace(layer=Index(1) if self.layered else None, source=INPUT)
            for line in lines:
                layers = "1..L"
                if self.inputs != "all" and _reads_input(line.right):
                    self._write_at_inputs(lowest.write(cell, own, line))
                    layers = "2..L"
                if self.layered or layers == "1..L":
                    self._write(at.write(cell, own, line), over=[f"k in {layers}"] if self.layered else [])
        if self.directions == "both":
            self._join(cell)
        elif self.directions == "backward":
            self.note(say("cells.backward"))

    def _declare(self, cell: Cell, suffix: str) -> None:
        below: Size = "input"
        backward = dict(self.chains)[suffix]
        if backward and any(lag > 1 for lag in cell.lags.values()):
            raise OptionError(say("cells.lags"), "directions")
        for number, own in enumerate(self.hidden, 1):
            at = f"[{number}]" if self.layered else ""
            for name, shape in cell.parameters.items():
                self.parameter(name + suffix + at, *(placed(self, size, below, own) for size in shape))
            for name, size in cell.state.items():
                for lag in range(1, cell.lags.get(name, 1) + 1):
                    end = f"T+{lag}" if backward else str(1 - lag)
                    self.start(name + suffix, placed(self, size, below, own), end, str(number) if self.layered else "")
            below = self.width_of(cell, own)

    def width_of(self, cell: Cell, own: Size) -> Size:
        """The size of what a layer sends on."""
        size = placed(self, cell.width, "input", own)
        return 2 * self.size(size) if self.joined_by == "concat" and not self.scalar else size

    def _write(self, equation: Equation, times: str = "1..T", over: Sequence[str] = ()) -> None:
        """An equation of a cell, without the biases that are off."""
        right = equation.right if self.bias else without(equation.right, reads_bias)
        text = f"{to_source(Reference(equation.name, equation.indices))} = {to_source(right)}"
        self.line(text.replace("x[t]", "x[]") if self.inputs == "first" else text, times, over)

    def _write_at_inputs(self, equation: Equation) -> None:
        """A line that reads ``x[t]``: at the steps without an input, its sums go without what reads nothing else."""
        rest = without(equation.right, reads_only_input)
        for times, present in self._input_runs("1..T"):
            if not present and _reads_input(rest):
                raise OptionError(say("cells.inputs", name=equation.name), "inputs")
            self._write(equation if present else Equation(equation.name, equation.indices, rest), times)

    def _join(self, cell: Cell) -> None:
        apart = self.combine == "matrices"
        self.note(say(f"cells.both.{'matrices' if apart else self.joined_by}"))
        if self.targets == "last":
            self.note(say("cells.last"))
        if not self.joined_by:
            return
        self.role(JOINED, say("role.sent_on"), "joined", 0)
        k = "k," if self.layered else ""
        chains = [f"{cell.output}{suffix}[{k}t]" for suffix, _ in self.chains]
        right = " + ".join(chains) if self.joined_by == "sum" else f"concat({', '.join(chains)})"
        over = [f"k in 1..{'L-1' if apart else 'L'}"] if self.layered else []
        self.line(f"{JOINED}[{k}t] = {right}", over=over)

    def read_out(self, cell: Cell) -> None:
        """Write the output that reads the last layer, and the losses."""
        apart = self.directions == "both" and self.combine == "matrices"
        size = placed(self, cell.width, "input", self.hidden[-1])
        wide = size if apart else self.width_of(cell, self.hidden[-1])
        names = [(cell.output + s, f"W_y{s}") for s, _ in self.chains] if apart else [
            (JOINED if self.directions == "both" else cell.output, "W_y")]  # fmt: skip
        if not self.readout:
            if apart:
                raise OptionError(say("cells.readout"), "readout")
            self.losses(self.output(names[0][0], wide).replace("[t]", f"[{'L,' if self.layered else ''}t]"), wide)
            return
        for (_, weights), (suffix, _) in zip(names, self.chains, strict=False):
            self.parameter(weights, "output", wide)
            self.role(weights, going(role_of(say("role.weights"), say("place.output")), suffix if apart else ""))
        self.parameter("b_y", "output")
        top = "L," if self.layered else ""
        self.losses(self.apply_output([*(f"{weights} @ {name}[{top}t]" for name, weights in names), "b_y"]))

    def apply_output(self, summands: Sequence[str], everywhere: bool = False) -> str:
        """As in `Draft`, with another name for the pre-activation if the cell has an ``o`` of its own."""
        before = len(self.lines)
        output = super().apply_output(summands, everywhere)
        if self.taken:
            self.lines[before:] = [_LOGITS.sub("z_y", line) for line in self.lines[before:]]
        return output

    def write(self, cell: Cell, *notes: str) -> Network:
        """The whole network: the cells, the output and the losses."""
        self.cells(cell)
        self.read_out(cell)
        return self.network(*notes)


def going(role: str, suffix: str) -> str:
    """A role on a chain: ``hidden state, backwards in time``."""
    return say(WAYS[suffix], role=role) if suffix else role


def placed(net: Draft, size: Size, below: Size, own: Size) -> Size:
    """A size of a cell where it stands: ``input`` is what it reads, ``hidden`` its own."""
    if isinstance(size, int) or net.scalar:
        return size
    words: dict[str, Size] = {"input": below, "hidden": own}
    names = [word.strip() for word in size.split("+")]
    parts = [int(word) if word.isdigit() else words.get(word, word) for word in names]
    return parts[0] if len(parts) == 1 else sum(net.size(part) for part in parts)


def without(right: Expression, unwanted: Callable[[Expression], bool]) -> Expression:
    """Sums without their unwanted summands; a sum of nothing else stays as it is."""

    def change(node: Expression) -> Expression:
        if not isinstance(node, Call) or node.operation != "add":
            return node
        kept = tuple(a for a in node.arguments if not unwanted(a)) or node.arguments
        return kept[0] if len(kept) == 1 else Call("add", kept)

    return transform(right, change)


def reads_bias(node: Expression) -> bool:
    """Whether a summand is a bias."""
    return isinstance(node, Reference) and is_bias(node.name)


def _reads_input(node: Expression) -> bool:
    return any(isinstance(part, Reference) and part.name == INPUT for part in preorder(node))


def reads_only_input(node: Expression) -> bool:
    """Whether the input is all that a summand reads at a time."""
    read_at = {part.name for part in preorder(node) if isinstance(part, Reference) and any(
        atom == "t" for index in part.indices for atom, _ in index.terms)}  # fmt: skip
    return read_at == {INPUT}
