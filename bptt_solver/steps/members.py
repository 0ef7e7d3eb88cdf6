"""The instances of a computation as leaves of formulas: names, values, and right-hand sides with either in their
slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import FIXED, Cell, Dots, Formula, Item, Leaf, Value
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Index, IndexValue, Number, Reference, preorder, transform
from bptt_solver.language.templates import Slot, Template, slot
from bptt_solver.made import Made, Other, Source

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.instances import Ground
    from bptt_solver.system import Environment, Instance

MOST_TERMS = 12  # summands of a sum that are written out
FIRST_TERMS, LAST_TERMS = 4, 2  # of a longer one


class Members:
    """Names and values by instance number, each made once so that what reappears is the same object."""

    def __init__(self, computation: Computation, digits: int = 6, everything: bool = False) -> None:
        self.computation = computation
        self.unfolded = computation.unfolded
        self.values = computation.values
        self.digits = digits
        self.most = 1 << 60 if everything else MOST_TERMS
        self.arithmetic = computation.arithmetic
        count = len(self.unfolded.keys)
        self._names: list[Reference | None] = [None] * count
        self._shown: list[Value | None] = [None] * count
        constants = [v for _, v in self.unfolded.constants]
        self._constants: list[Leaf] = [Number(v) if v >= 0 else Value(v, digits, FIXED) for v in constants]
        self.made: Made | None = computation.made
        self._known: dict[object, Any] = {}
        self._keep: list[object] = []

    # -- leaves

    def name(self, number: int) -> Reference:
        """An instance's name."""
        known = self._names[number]
        if known is None:
            name, indices = self.unfolded.keys[number]
            known = self._names[number] = Reference(name, tuple([Index(i) for i in indices]) if indices else ())
        return known

    def shown(self, number: int) -> Value:
        """An instance's value."""
        known = self._shown[number]
        if known is None:
            known = self._shown[number] = Value(readable(self.values[number]), self.digits, self.cell(number))
        return known

    def value(self, value: Any, of: Cell | None = None) -> Value:
        """Any other value."""
        return Value(readable(value), self.digits, of)

    def cell(self, number: int, at: Sequence[int] = ()) -> Cell | None:
        """Which number an instance's value is, or an entry of it."""
        if self.made is None:
            return None
        return Cell("v" if number < self.unfolded.first else "d", number, at)

    def made_of(
        self, kind: str, expression: Expression, slots: Sequence[Source], at: Sequence[int] = ()
    ) -> Cell | None:
        """Which number an expression is (or an entry of it), with the numbers of what stands in its slots."""
        if self.made is None:
            return None
        return Cell(kind, self.made.place(expression, slots), at)

    def added(self, kind: str, cells: Sequence[Cell | None]) -> Cell | None:
        """Which number the sum of numbers that were made is."""
        if len(cells) == 1:
            return cells[0]
        return self.made_of(kind, _sum_of(len(cells)), [Other(c.number) for c in cells if c is not None])

    def times(self, number: int, other: Cell | None) -> Cell | None:
        """Which number the product of an instance's value with a number that was made is."""
        return None if other is None else self.made_of("t", _PRODUCT, (number, Other(other.number)))

    def norm(self, number: int) -> Cell | None:
        """Which number the norm of an instance's value is."""
        return self.made_of("t", _NORM, (number,))

    def leaf(self, source: int, numbers: bool) -> Leaf:
        """What stands in a slot: a constant, a name or a value."""
        if source < 0:
            return self._constants[-1 - source]
        return self.shown(source) if numbers else self.name(source)

    def key(self, reference: Reference) -> Instance:
        """A reference with constant indices as an instance."""
        return reference.name, tuple(i.constant for i in reference.indices)

    # -- right-hand sides

    def formula(self, grounds: Sequence[Ground], numbers: bool) -> Formula:
        """The sum of grounds as a formula, in names or in values."""
        if len(grounds) == 1:
            return self.ground(grounds[0], numbers)
        leaves: list[Leaf] = []
        ranks: list[int] = []
        tree = build.add(self._summands(grounds, leaves, ranks, numbers))
        return Formula(tree, leaves, tuple(ranks) if any(ranks) else None)

    def ground(self, ground: Ground, numbers: bool) -> Formula:
        """One ground as a formula."""
        template, slots = ground.template, ground.slots
        leaves: list[Leaf] = []
        if all(type(s) is int for s in slots):
            leaf = self.leaf
            leaves = [leaf(s, numbers) for s in slots]  # type: ignore[arg-type]
            return Formula(self.simplified(template, slots), leaves, self.ranks(template))
        ranks: list[int] = []
        tree = self._tree(ground, leaves, ranks, numbers)
        return Formula(tree, leaves, tuple(ranks) if any(ranks) else None)

    def folded(self, expression: Expression, slots: Sequence[int]) -> Expression:
        """The expression with whole numbers in their slots and folded: ``2·z/2`` is ``z``."""
        constants = {at: leaf for at, s in enumerate(slots) if s < 0 and _is_whole(leaf := self._constants[-1 - s])}
        if not constants:
            return expression
        key = (id(expression), tuple(constants.items()))
        if key not in self._known:
            self._keep.append(expression)
            binding: dict[Expression, Any] = {slot(at): leaf for at, leaf in constants.items()}
            self._known[key] = build.replace(expression, binding)
        return self._known[key]  # type: ignore[no-any-return]

    def tree(self, expression: Expression) -> Formula:
        """A folded formula."""
        return Formula(expression, (), self.computation.backward.ranks if self.computation.shapes else None)

    def sum_of(self, formulas: Sequence[Formula]) -> Formula:
        """``a + b + ...`` as one formula."""
        if len(formulas) == 1:
            return formulas[0]
        key = ("sum", *[(id(f.expression), len(f.leaves)) for f in formulas])
        leaves = [leaf for f in formulas for leaf in f.leaves]
        if key not in self._known:
            parts: list[Expression] = []
            start = 0
            for formula in formulas:
                self._keep.append(formula.expression)
                parts.append(_shifted(formula.expression, start))
                start += len(formula.leaves)
            self._known[key] = build.add(parts)
        ranks = tuple(r for f in formulas for r in _ranks(f))
        return Formula(self._known[key], leaves, ranks if any(ranks) else None)

    def items(self, leaves: Sequence[Leaf]) -> Formula:
        """``a + b + ...`` of leaves."""
        return self.sum_of([Formula(slot(0), (leaf,)) for leaf in leaves])

    def product(self, left: Leaf, right: Leaf) -> Formula:
        """``a·b``."""
        return Formula(_PRODUCT, (left, right))

    def instantiate(self, expression: Expression, environment: Environment) -> tuple[Template, list[int]] | None:
        """A folded expression at one instance: its template and the numbers in its slots; None where that is not
        possible.
        """
        from bptt_solver.language.jacobians import IDENTITY

        system = self.computation.backward
        if any(node == IDENTITY for node in preorder(expression)):
            return None
        template, leaves = system.templates.of(expression)
        slots: list[int] = []
        for leaf in leaves:
            if type(leaf) is Reference:
                found = self.unfolded.number.get(
                    (leaf.name, tuple([system.index(i, environment) for i in leaf.indices]))
                )
                if found is None:
                    return None
                slots.append(found)
            elif isinstance(leaf, (Number, IndexValue)):
                value: Any = leaf.value if isinstance(leaf, Number) else system.index(leaf.index, environment)
                known = self.unfolded.constants.get((type(value).__name__, value))
                if known is None:
                    return None
                slots.append(known)
            else:
                return None
        return template, slots

    def _tree(self, ground: Ground, leaves: list[Leaf], ranks: list[int], numbers: bool) -> Expression:
        """A ground with its inner sums written out; appends to ``leaves`` and ``ranks``."""
        inner: list[Expression] = []
        for at, source in enumerate(ground.slots):
            if isinstance(source, int):
                inner.append(self._new(self.leaf(source, numbers), ground.template.ranks[at], leaves, ranks))
            else:
                inner.append(build.add(self._summands(source, leaves, ranks, numbers)))
        expression = self.simplified(ground.template, ground.slots)
        return transform(expression, lambda node: inner[node.at] if isinstance(node, Slot) else node)

    def _summands(
        self, grounds: Sequence[Ground], leaves: list[Leaf], ranks: list[int], numbers: bool
    ) -> list[Expression]:
        shown: list[Ground | None] = list(grounds)
        if len(grounds) > self.most:
            shown[FIRST_TERMS:-LAST_TERMS] = [None]
        return [
            self._new(DOTS, 0, leaves, ranks) if g is None else self._tree(g, leaves, ranks, numbers) for g in shown
        ]

    def _new(self, leaf: Leaf, rank: int, leaves: list[Leaf], ranks: list[int]) -> Expression:
        leaves.append(leaf)
        ranks.append(rank)
        return slot(len(leaves) - 1)

    # -- templates

    def ranks(self, template: Template) -> tuple[int, ...] | None:
        """The ranks of a template's slots; None if all are numbers."""
        return template.ranks if any(template.ranks) else None

    def simplified(self, template: Template, slots: Sequence[object]) -> Expression:
        """The template's expression with ``sum(d)`` replaced by 1 where ``d`` is given and its entries sum to exactly
        1.
        """
        sums = self._sums(template)
        if not sums:
            return template.expression
        ones = tuple(at for at in sums if self.sums_to_one(slots[at]))
        if not ones:
            return template.expression
        key = (id(template), "ones", ones)
        if key not in self._known:
            wanted = {Call("sum", (slot(at),)) for at in ones}
            replaced = transform(template.expression, lambda node: build.ONE if node in wanted else node)
            self._known[key] = build.rebuild(replaced)
        return self._known[key]  # type: ignore[no-any-return]

    def _sums(self, template: Template) -> tuple[int, ...]:
        key = (id(template), "sums")
        if key not in self._known:
            self._keep.append(template)
            found = []
            for node in preorder(template.expression):
                if isinstance(node, Call) and node.operation == "sum" and isinstance(node.arguments[0], Slot):
                    found.append(node.arguments[0].at)
            self._known[key] = tuple(dict.fromkeys(found))
        return self._known[key]  # type: ignore[no-any-return]

    def sums_to_one(self, source: object) -> bool:
        """Whether a given vector's entries sum to exactly 1."""
        if not isinstance(source, int) or source < 0 or self.unfolded.grounds[source] is not None:
            return False
        value = self.values[source]
        return is_array(value) and value.ndim == 1 and bool(value.sum() == 1)

    def presented(self, expression: Expression) -> Expression:
        """A folded formula with ``sum(d_t)`` replaced by 1 where every given ``d_t`` sums to exactly 1."""
        from bptt_solver.presented import sums_to_one

        problem = self.computation.problem
        wanted: set[Expression] = set()
        for node in preorder(expression):
            inner = node.arguments[0] if isinstance(node, Call) and node.operation == "sum" else None
            if type(inner) is Reference and sums_to_one(inner.name, problem):
                wanted.add(node)
        if not wanted:
            return expression
        return build.rebuild(transform(expression, lambda node: build.ONE if node in wanted else node))

    def evaluate(self, template: Template, slots: Sequence[Any]) -> Any:
        """A template's value for values in its slots."""
        return template.compiled(self.arithmetic, self.arithmetic.compile)(slots)

    def slot_values(self, ground: Ground) -> list[Any]:
        """The values in a ground's slots; an inner sum is added up."""
        values = self.values
        return [values[s] if isinstance(s, int) else self.total(s) for s in ground.slots]

    def total(self, grounds: Sequence[Ground]) -> Any:
        """The value of a sum of grounds."""
        total: Any = 0
        for at, ground in enumerate(grounds):
            value = self.evaluate(ground.template, self.slot_values(ground))
            total = value if at == 0 else total + value
        return total


DOTS = Dots()
LONG = 70  # bits of a fraction that is still written as one


def readable(value: Any) -> Any:
    """An exact number with very many digits as a float, anything else as it is."""
    if type(value) is float or (type(value) is int and value.bit_length() <= LONG):
        return value
    if isinstance(value, (int, Fraction)):
        if value.numerator.bit_length() + value.denominator.bit_length() <= LONG:
            return value
        try:
            return float(value)
        except OverflowError:
            return value
    exact = is_array(value) and value.dtype == object
    return value.astype(float) if exact and any(readable(v) is not v for v in value.ravel().tolist()) else value


_PRODUCT = Call("mul", (slot(0), slot(1)))
_NORM = Call("norm2", (slot(0),))


@cache
def _sum_of(count: int) -> Expression:
    return Call("add", tuple([slot(at) for at in range(count)]))


def or_zero(value: Value) -> Value:
    """An array of zeros is written 0."""
    array = value.value
    return Value(0, value.digits, value.of) if is_array(array) and not array.any() else value


def _ranks(formula: Formula) -> Sequence[int]:
    return formula.ranks if isinstance(formula.ranks, (tuple, list)) else len(formula.leaves) * (0,)


def _is_whole(leaf: Leaf) -> bool:
    return isinstance(leaf, Number) and type(leaf.value) is int


def _shifted(expression: Expression, start: int) -> Expression:
    return (
        transform(expression, lambda node: slot(node.at + start) if isinstance(node, Slot) else node)
        if start
        else expression
    )


def same(a: Item | Leaf, b: Item | Leaf) -> bool:
    """Whether two items of a chain, or leaves of such items, would look the same."""
    a, b = _bare(a), _bare(b)
    if isinstance(a, Value) and isinstance(b, Value):
        return a is b or (not is_array(a.value) and not is_array(b.value) and a.value == b.value)
    if isinstance(a, Formula) and isinstance(b, Formula) and a.expression == b.expression:
        return len(a.leaves) == len(b.leaves) and all(map(same, a.leaves, b.leaves))
    return a is b


def _bare(item: Item | Leaf) -> Item | Leaf:
    """A number as a value, whatever it is wrapped in."""
    if isinstance(item, Formula):
        item = _number_of(item)
    if isinstance(item, Formula) and type(item.expression) is not Call and len(item.leaves) == 1:
        item = item.leaves[0]
    return Value(item.value) if isinstance(item, Number) else item


def _number_of(item: Item) -> Item:
    """The number that a formula without names is: 0, or a fraction like 1/3."""
    if not isinstance(item, Formula):
        return item
    tree = item.expression
    if isinstance(tree, Number):
        return Value(tree.value)
    if isinstance(tree, Call) and tree.operation == "div":
        parts = [item.leaves[p.at] if isinstance(p, Slot) else p for p in tree.arguments]
        if all(_is_whole(part) for part in parts):
            above, below = (part.value for part in parts if isinstance(part, Number))
            return Value(Fraction(int(above), int(below))) if below else item
    return item
