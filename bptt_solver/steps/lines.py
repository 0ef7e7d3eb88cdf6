"""One backward line of a system with indices or arrays: contributions, each as symbols, as numbers and as a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import Formula, Item, Leaf, Value
from bptt_solver.derivation import Chain
from bptt_solver.language.expressions import Call, Reference
from bptt_solver.language.inference import infer_shape
from bptt_solver.language.templates import Slot
from bptt_solver.made import ONE, Source
from bptt_solver.steps.members import DOTS, FIRST_TERMS, LAST_TERMS, Members, or_zero, same
from bptt_solver.terms import AdjointEquation, Term

if TYPE_CHECKING:
    from bptt_solver.instances import Ground
    from bptt_solver.system import Environment, Instance

Shape = tuple[int, ...]


class Piece:
    """One contribution: through which user, symbols, numbers (None for arrays) and the value; the simple partial's
    value.
    """

    __slots__ = ("cotangent", "environment", "ground", "numbers", "partial", "symbols", "term", "user", "value")

    def __init__(
        self,
        term: Term,
        ground: Ground,
        user: Instance,
        cotangent: int | None,
        symbols: Formula,
        numbers: Formula | None,
        value: Value,
        partial: Value | None,
    ) -> None:
        self.term = term
        self.ground = ground
        self.environment: Environment = ground.environment
        self.user = user
        self.cotangent = cotangent
        self.symbols = symbols
        self.numbers = numbers
        self.value = value
        self.partial = partial


class Lines:
    """Makes the backward lines of a computation."""

    def __init__(self, members: Members) -> None:
        self.members = members
        self.computation = members.computation
        self.unfolded = members.unfolded
        self.system = members.computation.backward

    def pieces(self, number: int) -> list[Piece]:
        """The contributions to a backward instance, in the order of its terms."""
        equation = self.unfolded.equations[number]
        assert isinstance(equation, AdjointEquation)
        scalar = number not in self.computation.shapes
        return [
            self._piece(equation.terms[g.part], g, scalar)
            for g in self.unfolded.grounds[number] or ()
            if equation.terms
        ]

    def _piece(self, term: Term, ground: Ground, scalar: bool) -> Piece:
        members, system = self.members, self.system
        environment = ground.environment
        user = (term.user.name, tuple([system.index(i, environment) for i in term.user.indices]))
        cotangent = self._cotangent(term, environment)
        symbols = self._symbols(ground)
        values = members.slot_values(ground)
        expression = ground.template.expression
        value = members.value(members.evaluate(ground.template, values), members.made_of("t", expression, ground.slots))
        partial: Value | None = None
        numbers: Formula | None = None
        if scalar and all(not is_array(v) for v in values):
            at = ground.slots.index(cotangent) if cotangent is not None and cotangent in ground.slots else -1
            if at < 0:
                numbers = (
                    Formula(symbols.expression, self._numbers(ground), None)
                    if self._flat(ground)
                    else members.ground(ground, True)
                )
                partial = value
            else:
                values[at] = 1
                slots: list[Source] = [ONE if k == at else s for k, s in enumerate(ground.slots)]
                of = members.made_of("p", expression, slots)
                partial = members.value(members.evaluate(ground.template, values), of)
                received = members.shown(cotangent)  # type: ignore[arg-type]
                trivial = isinstance(symbols.expression, Slot)
                numbers = members.items((received,)) if trivial else members.product(received, partial)
        return Piece(term, ground, user, cotangent, symbols, numbers, value, partial)

    def _cotangent(self, term: Term, environment: Environment) -> int | None:
        if not isinstance(term.cotangent, Reference):
            return None
        key = (term.cotangent.name, tuple([self.system.index(i, environment) for i in term.cotangent.indices]))
        return self.unfolded.number.get(key)

    def _flat(self, ground: Ground) -> bool:
        return all(isinstance(s, int) for s in ground.slots)

    def _numbers(self, ground: Ground) -> list[Leaf]:
        return [self.members.leaf(s, True) for s in ground.slots if isinstance(s, int)]

    def _symbols(self, ground: Ground) -> Formula:
        members = self.members
        if not self._flat(ground):
            return members.ground(ground, False)
        slots = [s for s in ground.slots if isinstance(s, int)]
        expression = members.folded(members.simplified(ground.template, slots), slots)
        return Formula(expression, [members.leaf(s, False) for s in slots], members.ranks(ground.template))

    # -- a line

    def chain(self, number: int, pieces: Sequence[Piece], symbols: Item | None = None) -> Chain:
        """``∂⁺E/∂z = symbols = numbers = values of the terms = result``, as far as they differ."""
        members = self.members
        name, result = members.name(number), members.shown(number)
        if not pieces:
            return Chain((name, result))
        shown: list[Piece | None] = list(pieces)
        if len(pieces) > members.most:
            shown[FIRST_TERMS:-LAST_TERMS] = [None]
        dots = members.items((DOTS,))
        items: list[Item] = [name, symbols or members.sum_of([p.symbols if p else dots for p in shown])]
        if all(p.numbers is not None for p in pieces):
            numbers = members.sum_of([p.numbers if p and p.numbers else dots for p in shown])
            if not self._just_values(numbers) or len(pieces) > 1:
                items.append(numbers)
            if len(pieces) > 1 and any(not self._just_values(p.numbers) for p in pieces if p.numbers):
                items.append(members.items([p.value if p else DOTS for p in shown]))
        elif len(pieces) > 1 and self._small(number):
            items.append(members.items([or_zero(p.value) if p else DOTS for p in shown]))
        return Chain(distinct([*items, result]), self.shapes(number, pieces))

    def _just_values(self, formula: Formula) -> bool:
        return isinstance(formula.expression, Slot)

    def _small(self, number: int) -> bool:
        size = 1
        for length in self.computation.shapes.get(number, ()):
            size *= length
        return size <= 16

    # -- shapes

    def shapes(self, number: int, pieces: Sequence[Piece]) -> list[Shape]:
        """What stands behind a matrix line: the factors' shapes of a product and the result's, or just the result's."""
        result = self.computation.shapes.get(number, ())
        if not result:
            return []
        if len({p.term for p in pieces}) == 1:
            factors = self._factors(pieces[0])
            if factors:
                return [*factors, result] if len(result) == 2 else factors
        return [result]

    def _factors(self, piece: Piece) -> list[Shape]:
        expression, ground = piece.symbols.expression, piece.ground
        if (
            not isinstance(expression, Call)
            or expression.operation not in ("matmul", "outer")
            or not self._flat(ground)
        ):
            return []
        shapes = [self.computation.shapes.get(s, ()) for s in ground.slots if isinstance(s, int)]
        operations = self.computation.problem.operations
        left, right = (_two(infer_shape(a, shapes, operations)) for a in expression.arguments)
        return [left, (1, right[0]) if expression.operation == "outer" else right]


def distinct(items: list[Item]) -> list[Item]:
    """The items of a chain without those that look like the next one."""
    return [a for at, a in enumerate(items) if at == 0 or at == len(items) - 1 or not same(a, items[at + 1])]


def _two(shape: Shape) -> Shape:
    return (shape[0], 1) if len(shape) == 1 else shape
