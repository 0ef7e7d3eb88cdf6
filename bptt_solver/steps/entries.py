"""One entry of a matrix line, written out in numbers: ``∂⁺E/∂h_1[1] = W_y[1,1]·∂⁺E/∂o_1[1] + ...``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import Cell, Entry, Formula, Item, Leaf, Value
from bptt_solver.catalogues import message
from bptt_solver.derivation import Chain
from bptt_solver.errors import ProblemError, fail, suggest
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression
from bptt_solver.language.inference import infer_shape
from bptt_solver.language.templates import Slot, slot
from bptt_solver.steps.members import DOTS
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    from bptt_solver.steps.indexed import Indexed
    from bptt_solver.steps.lines import Piece
    from bptt_solver.system import Instance

MOST_PRODUCTS = 10  # of one inner product that are all written
FIRST, LAST = 4, 2
At = tuple[int, ...]


class NoEntry(Exception):
    """An operation whose entries are not sums of products."""


def chosen_entries(whole: Indexed, entries: Sequence[str]) -> dict[Instance, list[At]]:
    """``h[2]:1`` -> {("h", (2,)): [(1,)]}. Raises ProblemError for an instance or entry that is not there."""
    found: dict[Instance, list[At]] = {}
    names = {instance_text(k): k for k in whole.forward.keys}
    for text in entries:
        name, colon, inside = text.rpartition(":")
        name, inside = (name, inside) if colon else (text, "")
        name = name.strip()
        key = names.get(name)
        if key is None:
            raise fail(
                message("entry.no_name", text=text, name=name),
                hint=suggest(name, list(names)) or message("entry.example"),
            )
        shape = whole.computation.shapes.get(whole.unfolded.number[key], ())
        if not shape:
            raise fail(message("entry.number", text=text, name=name))
        at = tuple(int(part) for part in inside.split(",") if part.strip().isdigit())
        if len(at) != len(shape) or any(not 1 <= i <= n for i, n in zip(at, shape, strict=False)):
            wanted = ",".join("1" for _ in shape)
            raise _no_such_entry(text, name, shape, wanted)
        found.setdefault(key, []).append(at)
    return found


def _no_such_entry(text: str, name: str, shape: At, wanted: str) -> ProblemError:
    size = "×".join(map(str, shape if len(shape) > 1 else (*shape, 1)))
    return fail(
        message("entry.size", text=text, name=name, size=size), hint=message("entry.counted", name=name, wanted=wanted)
    )


def first_entries(whole: Indexed, numbers: Sequence[int]) -> dict[Instance, list[At]]:
    """The first entry of the first member of each family of arrays."""
    found: dict[Instance, list[At]] = {}
    families: set[str] = set()
    for number in numbers:
        key = whole.unfolded.keys[whole.computation.base(number)]
        shape = whole.computation.shapes.get(number, ())
        if shape and key[0] not in families:
            families.add(key[0])
            found[key] = [(1,) * len(shape)]
    return found


def entry_chain(whole: Indexed, number: int, at: At) -> Chain | None:
    """The line of one entry; None where it cannot be written out."""
    members = whole.members
    pieces = whole.lines_of(number)
    symbols: list[Formula] = []
    numbers: list[Formula] = []
    try:
        for piece in pieces:
            tree, names, values = _Expansion(whole, piece).of(at)
            symbols.append(Formula(tree, names))
            numbers.append(Formula(tree, values))
    except NoEntry:
        return None
    value = members.values[number][tuple(i - 1 for i in at)]
    place = tuple(i - 1 for i in at)
    shown = members.value(value.item() if hasattr(value, "item") else value, members.cell(number, place))
    name = Entry(members.name(number), at)
    chain: list[Item] = [name, members.sum_of(symbols), members.sum_of(numbers)]
    if len(pieces) > 1 and all(not isinstance(n.expression, Slot) for n in numbers):
        chain.append(members.items([_entry(p.value, at) for p in pieces]))
    return Chain((*chain, shown))


def _entry(value: Value, at: At) -> Value:
    if not is_array(value.value):
        return value
    place = tuple(i - 1 for i in at)
    found = value.value[place]
    of = None if value.of is None else Cell(value.of.kind, value.of.number, place)
    return Value(found.item() if hasattr(found, "item") else found, value.digits, of)


class _Expansion:
    """Writes an entry of a contribution as a tree of numbers."""

    def __init__(self, whole: Indexed, piece: Piece) -> None:
        self.members = whole.members
        self.shapes_by_number = whole.computation.shapes
        self.operations = whole.problem.operations
        self.expression = piece.symbols.expression
        if not all(isinstance(s, int) for s in piece.ground.slots):
            raise NoEntry
        self.slots = [s for s in piece.ground.slots if isinstance(s, int)]
        self.shapes = [self.shapes_by_number.get(s, ()) for s in self.slots]
        self.names: list[Leaf] = []
        self.values: list[Leaf] = []

    def of(self, at: At) -> tuple[Expression, list[Leaf], list[Leaf]]:
        """The tree in new slots, the names and the values in them."""
        tree = self._entry(self.expression, tuple(i - 1 for i in at))
        return tree, self.names, self.values

    def _shape(self, node: Expression) -> At:
        if isinstance(node, Slot):
            return self.shapes[node.at]
        return infer_shape(node, self.shapes, self.operations) if isinstance(node, Call) else ()

    def _entry(self, node: Expression, at: At) -> Expression:
        if isinstance(node, Slot):
            return self._leaf(node.at, at)
        if not isinstance(node, Call):
            return node
        arguments = node.arguments
        match node.operation:
            case "matmul":
                left, right = arguments
                row, column = at[:1], at[1:]
                return self._sum(self._shape(left)[1], lambda k: ((left, (*row, k)), (right, (k, *column))))
            case "dot":
                one, other = arguments
                return self._sum(self._shape(one)[0], lambda k: ((one, (k,)), (other, (k,))))
            case "outer":
                return build.mul((self._entry(arguments[0], at[:1]), self._entry(arguments[1], at[1:])))
            case "transpose":
                inner = arguments[0]
                return self._entry(inner, at[1:] if len(self._shape(inner)) == 1 else (at[1], at[0]))
            case "expand":
                return self._entry(arguments[0], ())
            case "sum":
                inner = arguments[0]
                if len(self._shape(inner)) != 1:
                    raise NoEntry
                return self._sum(self._shape(inner)[0], lambda k: ((inner, (k,)),))
        operation = self.operations.find(node.operation)
        if node.operation not in ("add", "mul", "neg", "div", "power") and (
            operation is None or operation.kind != "elementwise"
        ):
            raise NoEntry
        return Call(node.operation, tuple(self._entry(a, at if self._shape(a) else ()) for a in arguments))

    def _sum(self, count: int, factors: Any) -> Expression:
        """Σ_k of products; of a long one the first and last few."""
        shown: list[int] = list(range(count))
        cut = count > MOST_PRODUCTS
        if cut:
            shown = [*range(FIRST), *range(count - LAST, count)]
        terms: list[Expression] = []
        for position, k in enumerate(shown):
            if cut and position == FIRST:
                terms.append(self._new(DOTS, DOTS))
            terms.append(build.mul([self._entry(node, at) for node, at in factors(k)]))
        return build.add(terms)

    def _leaf(self, position: int, at: At) -> Expression:
        source = self.slots[position]
        if source < 0:
            return self._new(self.members.leaf(source, False), self.members.leaf(source, True))
        name, value = self.members.name(source), self.members.values[source]
        if not at:
            return self._new(name, self.members.shown(source))
        found = value[at]
        return self._new(
            Entry(name, tuple(i + 1 for i in at)),
            self.members.value(found.item() if hasattr(found, "item") else found, self.members.cell(source, at)),
        )

    def _new(self, name: Leaf, value: Leaf) -> Expression:
        self.names.append(name)
        self.values.append(value)
        return slot(len(self.names) - 1)


__all__ = ["chosen_entries", "entry_chain", "first_entries"]
