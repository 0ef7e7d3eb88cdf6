"""Formulas in another convention: new names, transposed arrays, row vectors, δ with a sign. The trees stay trees.

Of every part of a tree there are two versions: one that equals the old value, and one that equals its transpose.
Transposes are pushed down to the names: (A B)ᵀ = Bᵀ Aᵀ, and what was a column is a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import Belonging, Cell, Entry, Formula, Item, Leaf, Ordered, Partial, Use, Value
from bptt_solver.language.bottom_up import bottom_up
from bptt_solver.language.expressions import Call, Expression, Number, Reference, Sum, transform
from bptt_solver.language.templates import Slot
from bptt_solver.profiles.convention import Convention

_NUMBERS = frozenset({"dot", "sum", "mean", "entry", "norm2", "logsumexp", "count", "largest", "smallest"})
_STRUCTURE = frozenset(
    {"softmax", "log_softmax", "concat", "part", "place", "unit", "diagonal", "block", "place_columns", "expand"}
)
_LINEAR = frozenset({"mul", "matmul", "outer", "transpose", "diag", "dot", "rows", "columns"})


class Put(Slot):
    """A leaf that keeps its place in a tree: a name or a value, with its rank."""

    __slots__ = ("leaf", "rank")

    def __init__(self, leaf: Leaf, rank: int) -> None:
        super().__init__(-1)
        self.leaf = leaf
        self.rank = rank

    def _parts(self) -> tuple[object, ...]:
        return (id(self.leaf), self.rank)


class Both:
    """Two versions of a part: ``same`` has its value, ``turned`` that of its transpose."""

    __slots__ = ("rank", "same", "turned")

    def __init__(self, same: Expression, turned: Expression, rank: int) -> None:
        self.same = same
        self.turned = turned
        self.rank = rank


class Rewriter:
    """Writes formulas, names and values in a convention."""

    def __init__(self, convention: Convention) -> None:
        self.convention = convention

    # -- names and values

    def reference(self, node: Reference, deltas: bool = False) -> Reference:
        """A name as it is written now; ``deltas``: an ordered derivative by its own name, whatever its sign."""
        kind = type(node)
        if kind is Reference:
            delta = self.convention.delta(node.name) if deltas else None
            if delta is not None:
                return Reference(delta[0], (*delta[1], *node.indices))
            return self.convention.reference(node)
        if isinstance(node, Use):
            label = self.convention.reference(node.label) if node.label.name else node.label
            return Use(self.reference(node.of), label)
        if isinstance(node, Partial):
            return Partial(self.reference(node.above), self.reference(node.below))
        if isinstance(node, Ordered):
            return Ordered(node.name, self.reference(node.above), self.reference(node.below))
        if isinstance(node, Belonging):
            return Belonging(node.label, self.reference(node.of), node.primes)
        if isinstance(node, Entry):
            at = node.at[::-1] if len(node.at) == 2 and self.convention.flips(node.of.name) else node.at
            return Entry(self.reference(node.of, deltas), at)
        return node

    def rank(self, node: Reference) -> int:
        """The rank of what a name stands for."""
        if type(node) is Reference:
            return 2 if node.name == "I" else self.convention.rank(node.name)
        if isinstance(node, Use | Belonging):
            return self.rank(node.of)
        if isinstance(node, Ordered):
            above, below = self.rank(node.above), self.rank(node.below)
            return above or below if not (above and below) else 2
        return 0

    def flips(self, node: Reference) -> bool:
        """Whether what a name stands for is printed transposed. A vector by a vector is no matrix of the system."""
        if isinstance(node, Ordered):
            return not self.rank(node.above) and self.flips(node.below)
        if isinstance(node, Use | Belonging):
            return self.flips(node.of)
        return type(node) is Reference and self.convention.flips(node.name)

    def turned(self, value: Value) -> Value:
        """The transpose of a matrix of numbers; everything else as it is."""
        array = value.value
        if is_array(array):
            of = None if value.of is None else value.of.transposed()
            return Value(array.T, value.digits, of) if array.ndim == 2 else value
        if isinstance(array, list) and array and isinstance(array[0], list):
            return Value([list(row) for row in zip(*array, strict=True)], value.digits)
        return value

    # -- formulas

    def formula(
        self, item: Item, turn: bool, deltas: bool, sign: int = 1, front: int = 0, spots: Sequence[int] = ()
    ) -> Item:
        """An item of a line: transposed if ``turn``, with δ for derivatives if ``deltas``, times ``sign``; the term
        ``front`` of a sum comes first. ``spots``: which factor of each term is a derivative."""
        if isinstance(item, Value):
            value = self.turned(item) if turn else item
            return negated(value) if sign < 0 else value
        if isinstance(item, Reference) and type(item) is not Reference and not isinstance(item, Entry):
            return self.reference(item)  # where an equation holds, a simple partial
        tree = self.tree(item, turn, deltas)
        if deltas and self.convention.signed:
            own, tree = signed(tree)
            if own * sign < 0:
                tree = minus(tree, spots)
            tree = fronted(tree, front)
        return finished(tree, not isinstance(item, Formula) or item.ranks is not None)

    def tree(self, item: Formula | Reference, turn: bool, deltas: bool) -> Expression:
        """The tree of a formula or a name, in the convention, its leaves in their places."""
        found = self._name(item, deltas, None) if isinstance(item, Reference) else self._both(item, deltas)
        return found.turned if turn and found.rank == 2 else found.same

    def _both(self, formula: Formula, deltas: bool) -> Both:
        def total(node: Sum, body: Both) -> Both:
            same, turned = (Sum(b, node.ranges, node.conditions) for b in (body.same, body.turned))
            return Both(same, turned, body.rank)

        return bottom_up(
            formula.expression,
            lambda node: self._leaf(node, formula, deltas),
            lambda node, operands: self._call(node.operation, operands),
            total,
        )

    def _leaf(self, node: Expression, formula: Formula, deltas: bool) -> Both:
        if isinstance(node, Slot):
            leaf = formula.leaves[node.at]
            rank = formula.ranks[node.at] if formula.ranks is not None and not isinstance(formula.ranks, Mapping) else 0
            if isinstance(leaf, Value):
                rank = _dimensions(leaf)
                put = Put(leaf, rank)
                return Both(put, Put(self.turned(leaf), rank) if rank == 2 else put, rank)
            if isinstance(leaf, Reference):
                return self._name(leaf, deltas, rank)
            if isinstance(leaf, (Call, Sum)):
                return self._both(Formula(leaf, (), formula.ranks), deltas)
            return Both(Put(leaf, rank), Put(leaf, rank), rank)
        if isinstance(node, Reference):
            known = formula.ranks.get(node.name) if isinstance(formula.ranks, Mapping) else None
            return self._name(node, deltas, known)
        return Both(node, node, 0)

    def _name(self, node: Reference, deltas: bool, rank: int | None) -> Both:
        rank = self.rank(node) or rank or 0
        shown = self.reference(node, deltas)
        put: Expression = Put(shown, rank)
        if deltas and self.convention.signed and self._is_delta(node):
            put = Call("neg", (put,))
        if rank < 2 or node.name == "I":
            return Both(put, put, rank)
        other = Call("transpose", (put,))
        return Both(other, put, rank) if self.flips(node) else Both(put, other, rank)

    def _is_delta(self, node: Reference) -> bool:
        name = node.of.name if isinstance(node, Entry) else node.name
        return self.convention.delta(name) is not None

    # -- operations

    def _call(self, operation: str, operands: list[Both]) -> Both:
        same = tuple(o.same for o in operands)
        rank = max((o.rank for o in operands), default=0)
        if operation == "matmul" and len(operands) == 2:
            return self._product(*operands)
        if operation == "outer" and len(operands) == 2:
            left, right = operands
            if self.convention.rows:
                same_pair = Call("matmul", (_transposed(left.same), right.same))
                return Both(same_pair, Call("matmul", (_transposed(right.same), left.same)), 2)
            return Both(Call("outer", same), Call("outer", same[::-1]), 2)
        if operation == "transpose" and len(operands) == 1:
            return (
                Both(operands[0].turned, operands[0].same, rank) if rank == 2 else self._plain("transpose", same, rank)
            )
        if operation == "columns" and self.convention.transposed and _is_choice(operands):
            rows = Call("rows", (operands[0].turned, *same[1:]))
            return Both(_transposed(rows), rows, 2)
        if operation == "diag":
            return Both(Call("diag", same), Call("diag", same), 2)
        if operation in _NUMBERS or (operation in ("max", "min") and len(operands) == 1):
            return self._plain(operation, same, 0)
        if operation in _STRUCTURE:
            return self._plain(operation, same, 1 if operation == "diagonal" else rank)
        if rank == 2:  # entry by entry
            return Both(Call(operation, same), Call(operation, tuple(o.turned for o in operands)), 2)
        return self._plain(operation, same, rank)

    def _plain(self, operation: str, arguments: tuple[Expression, ...], rank: int) -> Both:
        node = Call(operation, arguments)
        return Both(node, _transposed(node) if rank == 2 else node, rank)

    def _product(self, left: Both, right: Both) -> Both:
        if left.rank == 2 and right.rank == 2:
            return Both(Call("matmul", (left.same, right.same)), Call("matmul", (right.turned, left.turned)), 2)
        if self.convention.rows and left.rank == 2:
            node = Call("matmul", (right.same, left.turned))
        elif self.convention.rows and right.rank == 2:  # a row times a matrix, as a column
            node = Call("matmul", (left.same, right.same))
        else:
            node = Call("matmul", (left.same, right.same))
        return Both(node, node, 1)


def _transposed(node: Expression) -> Expression:
    if isinstance(node, Call) and node.operation == "transpose" and len(node.arguments) == 1:
        return node.arguments[0]
    return Call("transpose", (node,))


def _is_choice(operands: list[Both]) -> bool:
    return len(operands) > 2 and isinstance(operands[1].same, Number)


def _dimensions(value: Value) -> int:
    array = value.value
    if is_array(array):
        return int(array.ndim)
    return 2 if isinstance(array, list) and array and isinstance(array[0], list) else int(isinstance(array, list))


# -- signs


def negated(value: Value) -> Value:
    """Minus a value; minus 0 is 0."""
    array = value.value
    of = value.of.negated() if type(value.of) is Cell else None
    if is_array(array):
        return Value(0.0 - array, value.digits, of)
    if isinstance(array, list):
        return Value([negated(Value(v)).value for v in array], value.digits)
    return Value(0 - array, value.digits, of)


def signed(tree: Expression) -> tuple[int, Expression]:
    """``(sign, rest)``: minus signs taken out of products and of sums in which every term has one."""
    return bottom_up(
        tree,
        lambda node: (1, node),
        lambda node, operands: _signed_call(node.operation, operands),
        lambda node, body: (body[0], Sum(body[1], node.ranges, node.conditions)),
    )


def _signed_call(operation: str, operands: list[tuple[int, Expression]]) -> tuple[int, Expression]:
    bare = tuple(o for _, o in operands)
    if operation == "neg":
        return -operands[0][0], bare[0]
    if operation == "add":
        if all(s < 0 or _is_zero(o) for s, o in operands) and any(s < 0 for s, _ in operands):
            return -1, Call("add", bare)
        return 1, Call("add", tuple(_with(s, o) for s, o in operands))
    if operation in _LINEAR or operation == "div":
        sign = 1
        for own, _ in operands:
            sign *= own
        return sign, Call(operation, bare)
    return 1, Call(operation, tuple(_with(s, o) for s, o in operands))


def _with(sign: int, node: Expression) -> Expression:
    return node if sign > 0 else Call("neg", (node,))


def minus(tree: Expression, spots: Sequence[int] = ()) -> Expression:
    """Minus a tree, term by term; of a product of numbers, one factor changes its sign: that of the derivative."""
    if isinstance(tree, Call) and tree.operation == "add":
        places = spots if len(spots) == len(tree.arguments) else [0] * len(tree.arguments)
        return Call("add", tuple(_minus_term(t, at) for t, at in zip(tree.arguments, places, strict=True)))
    return _minus_term(tree, spots[0] if len(spots) == 1 else 0)


def _minus_term(tree: Expression, at: int) -> Expression:
    if isinstance(tree, Call) and tree.operation == "neg":
        return tree.arguments[0]
    if isinstance(tree, Put) and isinstance(tree.leaf, Value):
        return Put(negated(tree.leaf), tree.rank)
    if isinstance(tree, Call) and tree.operation == "mul":
        factors = tree.arguments
        for place in (at, 0):
            factor = factors[place] if place < len(factors) else None
            if isinstance(factor, Put) and isinstance(factor.leaf, Value):
                changed = Put(negated(factor.leaf), factor.rank)
                return Call("mul", (*factors[:place], changed, *factors[place + 1 :]))
    return tree if _is_zero(tree) else Call("neg", (tree,))


def _is_zero(node: Expression) -> bool:
    leaf = node.leaf if isinstance(node, Put) else node
    return isinstance(leaf, Number) and leaf.value == 0


def fronted(tree: Expression, at: int) -> Expression:
    """A sum with this term first."""
    if not at or not isinstance(tree, Call) or tree.operation != "add" or at >= len(tree.arguments):
        return tree
    terms = tree.arguments
    return Call("add", (terms[at], *terms[:at], *terms[at + 1 :]))


def finished(tree: Expression, ranked: bool = True) -> Item:
    """A tree whose leaves are in their places, as a formula with slots; a name or a value alone as itself."""
    if isinstance(tree, Put) and isinstance(tree.leaf, Reference | Value):
        return tree.leaf
    leaves: list[Leaf] = []
    ranks: list[int] = []

    def number(node: Expression) -> Expression:
        if not isinstance(node, Put):
            return node
        leaves.append(node.leaf)
        ranks.append(node.rank)
        return Slot(len(leaves) - 1)

    shown = transform(tree, number)
    return Formula(shown, leaves, ranks if ranked else None)
