"""What the parser makes of a line: a list of steps that build its tree from its leaves.

Lines of the same shape (``z3 = 2*z1 + z2`` and ``z9 = 0.5*z4 + z8``) have the same steps, so they are parsed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from bptt_solver.catalogues import message
from bptt_solver.language.expressions import Call, Comparison, Index, Iverson, Lookup, Number, Range, Reference, Sum
from bptt_solver.language.tokens import Malformed, literal, normal_name
from bptt_solver.limits import Limits

_T = TypeVar("_T")
REFERENCE, NUMBER_, CONSTANT, VARIABLE, TEXT = range(5)  # what is made of a leaf's word


class Leaves:
    """Makes leaves from words, each only once: 100,000 equations share the node of a name."""

    __slots__ = ("limits", "names", "pools")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.names: _Pool[str] = _Pool(lambda word: normal_name(word, limits))
        makers: tuple[Callable[[str], object], ...] = (Reference, self._number, self._constant, Index.variable, str)
        self.pools = tuple([_Pool(make) for make in makers])  # by the kind of a leaf

    def _number(self, word: str) -> Number:
        return Number(literal(word, self.limits))

    def _constant(self, word: str) -> Index:
        value = literal(word, self.limits)
        if not isinstance(value, int):
            raise Malformed(message("syntax.whole_index", word=word))
        return Index(value)


class _Pool(dict[str, _T]):
    """What was made of each word so far; a word that is missing is made (or its ``make`` raises)."""

    def __init__(self, make: Callable[[str], _T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, word: str) -> _T:
        made = self[word] = self._make(word)
        return made


def reference(name: str, *indices: Index) -> Reference:
    """A step: a use with indices."""
    return Reference(name, indices)


def lookup(name: str, *indices: Index) -> Index:
    """A step: a member of an integer map, as an index."""
    return Index(0, ((Lookup(name, indices), 1),))


def plus(first: Index, *others: Index) -> Index:
    """A step: the sum of indices."""
    for other in others:
        first = first.plus(other)
    return first


def minus(index: Index) -> Index:
    """A step: an index with the other sign."""
    return index.times(-1)


def times(*factors: Index) -> Index:
    """A step: a product of which at most one factor varies (the parser has seen to that)."""
    constant = 1
    varying: Index | None = None
    for factor in factors:
        if factor.terms:
            varying = factor
        else:
            constant *= factor.constant
    return Index(constant) if varying is None else varying.times(constant)


def guard(*conditions: Comparison) -> Iverson:
    """A step: ``[t == T]``."""
    return Iverson(conditions)


def group(*items: object) -> tuple[object, ...]:
    """A step: the ranges or the conditions of a sum."""
    return items


def total(body: object, ranges: object, conditions: object) -> Sum:
    """A step: ``sum(body for ... where ...)``."""
    return Sum(body, ranges, conditions)  # type: ignore[arg-type]


def interval(variable: str, low: Index, high: Index) -> Range:
    """A step: ``variable in low..high``."""
    return Range(variable, low, high)


def _compare(operator: str, left: Index, right: Index) -> Comparison:
    return Comparison(left, operator, right)


COMPARE: dict[str, Callable[..., object]] = {
    sign: partial(_compare, operator)
    for sign, operator in (
        *((o, o) for o in ("==", "!=", "<", "<=", ">", ">=")),
        *(("≤", "<="), ("≥", ">="), ("≠", "!=")),
    )
}
Step = tuple[str | Callable[..., object], tuple[int, ...]]  # an operation or a function above, and the slots it takes


class Program:
    """``kinds`` and ``words`` of the leaves; ``steps``: each takes earlier slots and makes the next one.

    Slots are the leaves, then the results of the steps. ``left`` (name, indices), ``right``, ``ranges`` and
    ``conditions`` say which slots are the parts of an equation; ``spans`` are the stretches of all slots.
    """

    __slots__ = ("conditions", "kinds", "left", "ranges", "right", "spans", "steps", "words")

    def __init__(
        self,
        kinds: list[int],
        words: list[str],
        steps: Sequence[Step],
        spans: list[tuple[int, int]],
        parts: tuple[tuple[int, ...], int, tuple[int, ...], tuple[int, ...]],
    ) -> None:
        """While parsing, the number of leaves is not known: the leaf ``i`` is ``~i`` there, and a step its number."""
        count = len(words)

        def slots(items: Sequence[int]) -> tuple[int, ...]:
            return tuple([~i if i < 0 else i + count for i in items])

        self.kinds = tuple(kinds)
        self.words = words
        self.steps = [(what, slots(operands)) for what, operands in steps]
        self.spans = spans
        left, right, ranges, conditions = parts
        self.left = slots(left)
        self.right = slots((right,))[0]
        self.ranges = slots(ranges)
        self.conditions = slots(conditions)

    def run(self, leaves: Leaves, words: Sequence[str]) -> list[object]:
        """The values of all slots for these words. Raises `Malformed` for a number that is none."""
        pools = leaves.pools
        slots: list[object] = [pools[kind][word] for kind, word in zip(self.kinds, words, strict=True)]
        append = slots.append
        get = slots.__getitem__
        for what, operands in self.steps:
            if type(what) is str:
                append(Call(what, tuple(map(get, operands))))  # type: ignore[arg-type]
            else:
                append(what(*map(get, operands)))  # type: ignore[operator]
        return slots
