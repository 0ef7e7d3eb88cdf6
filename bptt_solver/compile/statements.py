"""A system as statements over arrays: which indices become axes or loops, and which are written out.

Two positions of families belong to one *dimension* when some variable stands in both (the t of ``h[t]`` and of
``x[t]``). A dimension along which members differ in shape, or of which an equation reads more than one neighbour while
another dimension is the time, is *unrolled*: its members become families of their own (``z[2,t]`` the family ``z_2``
with one index). The others stay: they are axes of arrays, and loops where there is a recurrence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from bptt_solver.catalogues import message
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
    Comparison,
    Expression,
    Index,
    IndexValue,
    Iverson,
    Range,
    Reference,
    Sum,
    derivative_parts,
    is_derivative,
    preorder,
    substitute_indices,
    transform,
)
from bptt_solver.system import Instance, System

MOST_STATEMENTS = 2_000
MOST_LAYERS = 32  # more members than these are steps, not layers
TIME = "t"

Label = tuple[str, tuple[int | None, ...]]  # a family with some of its indices fixed


class NotCompiled(Exception):
    """Why a system has no program over arrays; it is evaluated then."""


class Loop:
    """A variable and the whole numbers that it runs through, as values and as they are written."""

    __slots__ = ("first", "high", "last", "low", "variable")

    def __init__(self, variable: str, low: Index, high: Index, first: int, last: int) -> None:
        self.variable = variable
        self.low = low
        self.high = high
        self.first = first
        self.last = last

    def __repr__(self) -> str:
        return f"{self.variable} in {self.first}..{self.last}"


class Statement:
    """``name[indices] = right`` for all values of ``loops``: an equation with its unrolled indices written out."""

    __slots__ = ("indices", "loops", "name", "origin", "part", "right")

    def __init__(
        self,
        name: str,
        indices: tuple[Index, ...],
        loops: tuple[Loop, ...],
        right: Expression,
        origin: Equation | None,
        part: tuple[int, int] | None = None,
    ) -> None:
        self.name = name
        self.indices = indices
        self.loops = loops
        self.right = right
        self.origin = origin
        self.part = part  # the entries of a packed member that it computes

    def __repr__(self) -> str:
        return f"{self.name}{list(self.indices)} = {self.right} for {self.loops}"


class Dimensions:
    """The dimensions of a system's families, and which of them are unrolled."""

    def __init__(self, system: System, shapes: Mapping[Instance, tuple[int, ...]]) -> None:
        self.system = system
        self._above: dict[tuple[str, int], tuple[str, int]] = {}
        for equation in system.equations:
            self._join(equation)
        for name in system.families:
            if is_derivative(name):  # lies as what it belongs to
                for at in range(system.arity(name)):
                    self._unite((name, at), (derivative_parts(name)[1], at))
        self.shifted = self._shifted()
        self.unrolled = self._uneven(shapes) | self._triangular()
        self._settle(shapes)

    def of(self, name: str, position: int) -> tuple[str, int]:
        """The dimension of a family's index, named by one of its members."""
        key = (name, position)
        while (above := self._above.get(key, key)) != key:
            key = above
        return key

    def _places(self, equation: Equation) -> Iterator[tuple[str, int, Index]]:
        yield from ((equation.name, at, index) for at, index in enumerate(equation.indices))
        for node in preorder(equation.right):
            if isinstance(node, Reference):
                yield from ((node.name, at, index) for at, index in enumerate(node.indices))

    def _join(self, equation: Equation) -> None:
        """Positions with the same variable are one dimension. (Sums bind names of their own, but two sums that use
        one name for different things only join more than they must.)"""
        first: dict[str, tuple[str, int]] = {}
        for name, at, index in self._places(equation):
            for variable in index.variables():
                if variable in self.system.sizes:
                    continue
                self._unite((name, at), first.setdefault(variable, (name, at)))

    def _unite(self, one: tuple[str, int], other: tuple[str, int]) -> None:
        one, other = self.of(*one), self.of(*other)
        if one != other:
            self._above[one] = other

    def _shifted(self) -> set[tuple[str, int]]:
        """The dimensions along which a defined family reads another member: candidates for recurrences."""
        found: dict[tuple[str, int], None] = {}
        for equation in self.system.equations:
            own = {v: i for i in equation.indices for v in i.variables() if v not in self.system.sizes}
            for name, at, index in list(self._places(equation))[len(equation.indices) :]:
                if name not in self.system.defining:
                    continue
                for variable in index.variables():
                    if variable in own and index != own[variable]:
                        found[self.of(name, at)] = None
        return set(found)

    def _uneven(self, shapes: Mapping[Instance, tuple[int, ...]]) -> set[tuple[str, int]]:
        """The dimensions along which members of some family differ in shape."""
        found: dict[tuple[str, int], None] = {}
        seen: dict[tuple[str, int, tuple[int, ...]], tuple[int, ...]] = {}
        for (name, indices), shape in shapes.items():
            for at in range(len(indices)):
                rest = (name, at, (*indices[:at], *indices[at + 1 :]))
                if seen.setdefault(rest, shape) != shape:
                    found[self.of(name, at)] = None
        return set(found)

    def _triangular(self) -> set[tuple[str, int]]:
        """The dimensions in which a sum goes over members before or behind one: ``sum(W[i,j]*s[j] for j in 1..i-1)``.
        Each member of them is computed from others, so that they are written out one by one."""
        found: dict[tuple[str, int], None] = {}
        for equation in self.system.equations:
            places: dict[str, tuple[str, int]] = {}
            for name, at, index in self._places(equation):
                places.update({v: self.of(name, at) for v in index.variables() if v not in self.system.sizes})
            for node in preorder(equation.right):
                if isinstance(node, Sum):
                    pairs = [(Index.variable(r.variable), end) for r in node.ranges for end in (r.low, r.high)]
                    pairs += [(c.left, c.right) for c in node.conditions]
                    for one, other in pairs:
                        if not all(isinstance(atom, str) for i in (one, other) for atom, _ in i.terms):
                            continue  # looked up: a graph without an order of its own
                        own = [places[v] for v in one.variables() if v in places]
                        found.update({places[v]: None for v in other.variables() if places.get(v) in own})
        return set(found)

    def _settle(self, shapes: Mapping[Instance, tuple[int, ...]]) -> None:
        """Of several dimensions with recurrences, only the time stays: the one along which there are data; without
        data the longest if it is long, else the one whose variable is ``t``, else the one that the families with
        several of these indices have as theirs."""
        candidates = [d for d in sorted(self.shifted) if d not in self.unrolled]
        if len(candidates) < 2:
            return
        data, named, times = ({d: 0 for d in candidates} for _ in range(3))
        for name in self.system.families:
            own = [self.of(name, at) for at in range(self.system.arity(name))]
            position = self.system.time_position(name)
            if self.system.roles.get(name) == "data":
                data.update({d: data[d] + 1 for d in candidates if d in own})
            elif position is not None and sum(d in own for d in candidates) > 1 and own[position] in times:
                times[own[position]] += 1
        for equation in self.system.equations:
            for name, at, index in self._places(equation):
                if TIME in index.variables() and self.of(name, at) in named:
                    named[self.of(name, at)] = 1
        members: dict[tuple[str, int], dict[int, None]] = {d: {} for d in candidates}
        for name, indices in shapes:
            for at, value in enumerate(indices):
                members.get(self.of(name, at), {})[value] = None
        count = {d: len(found) for d, found in members.items()}
        long = {d: n if n > MOST_LAYERS else 0 for d, n in count.items()}
        keep = max(candidates, key=lambda d: (data[d], long[d], named[d], times[d], count[d], d))
        self.unrolled.update(d for d in candidates if d != keep)


def label_text(label: Label) -> str:
    """``z[2,·]`` for the family of all ``z[2,t]``."""
    name, fixed = label
    if all(f is None for f in fixed):
        return name
    return f"{name}[{','.join('·' if f is None else str(f) for f in fixed)}]"


class Specialiser:
    """Equations into statements, with the unrolled indices written out."""

    def __init__(self, system: System, dimensions: Dimensions) -> None:
        self.system = system
        self.dimensions = dimensions
        self.labels: dict[str, Label] = {}
        self.statements: list[Statement] = []

    def run(self) -> list[Statement]:
        """All statements, in the order of the equations."""
        for equation in self.system.equations:
            self._equation(equation)
            if len(self.statements) > MOST_STATEMENTS:
                raise NotCompiled(message("compile.statements", count=f"{MOST_STATEMENTS:,}"))
        return self.statements

    def kept(self, name: str) -> list[bool]:
        """For each index of a family, whether it stays an index."""
        return [self.dimensions.of(name, at) not in self.dimensions.unrolled for at in range(self.system.arity(name))]

    def label(self, name: str, fixed: Sequence[int | None]) -> str:
        """The text of a label, remembered."""
        label = (name, tuple(fixed))
        text = label_text(label)
        self.labels.setdefault(text, label)
        return text

    def split(self, name: str, indices: Sequence[Index]) -> tuple[str, tuple[Index, ...]]:
        """A reference's label and the indices that stay."""
        kept = self.kept(name)
        fixed = [None if keep else self._number(index) for keep, index in zip(kept, indices, strict=True)]
        return self.label(name, fixed), tuple(i for keep, i in zip(kept, indices, strict=True) if keep)

    def _number(self, index: Index) -> int:
        try:
            return self.system.index(index, {})
        except KeyError:
            raise NotCompiled(message("compile.neither")) from None

    def _variables(self, equation: Equation) -> list[str]:
        """The range variables that are unrolled."""
        found: dict[str, None] = {}
        for at, index in enumerate(equation.indices):
            if self.dimensions.of(equation.name, at) in self.dimensions.unrolled:
                found.update(dict.fromkeys(v for v in index.variables() if v not in self.system.sizes))
        return list(found)

    def _equation(self, equation: Equation) -> None:
        unrolled = self._variables(equation)
        ranges = {r.variable: r for r in equation.ranges}
        for binding in self._assignments([ranges[v] for v in unrolled], {}):
            loops = tuple(self._loop(r, binding) for r in equation.ranges if r.variable not in binding)
            if any(loop.first > loop.last for loop in loops):
                continue
            numbers = {v: Index(n) for v, n in binding.items()}
            conditions = [c.substitute(numbers) for c in equation.conditions]
            if not self._holds(conditions, {loop.variable for loop in loops}):
                continue
            right = self._expression(substitute_indices(equation.right, numbers), {loop.variable for loop in loops})
            name, indices = self.split(equation.name, [i.substitute(numbers) for i in equation.indices])
            self.statements.append(Statement(name, indices, loops, right, equation))

    def _assignments(self, ranges: Sequence[Range], outer: Mapping[str, int]) -> Iterator[dict[str, int]]:
        """All values of some variables; a range may depend on those before it."""
        if not ranges:
            yield dict(outer)
            return
        found: list[list[int]] = []
        for item in ranges:
            try:
                low, high = self.system.index(item.low, outer), self.system.index(item.high, outer)
            except KeyError:
                raise NotCompiled(message("compile.range_depends", name=item.variable)) from None
            found.append(list(range(low, high + 1)))
        for values in product(*found):
            yield {**outer, **dict(zip([r.variable for r in ranges], values, strict=True))}

    def _loop(self, item: Range, binding: Mapping[str, int]) -> Loop:
        numbers = {v: Index(n) for v, n in binding.items()}
        low, high = item.low.substitute(numbers), item.high.substitute(numbers)
        try:
            return Loop(item.variable, low, high, self.system.index(low, {}), self.system.index(high, {}))
        except KeyError:
            raise NotCompiled(message("compile.range_depends", name=item.variable)) from None

    def _holds(self, conditions: Sequence[Comparison], bound: set[str]) -> bool:
        for condition in conditions:
            if bound & {*condition.left.variables(), *condition.right.variables()}:
                raise NotCompiled(message("compile.axis_condition"))
            if not self.system.holds([condition], {}):
                return False
        return True

    def _expression(self, expression: Expression, bound: set[str]) -> Expression:
        """An expression with labels for families and with the sums over unrolled indices written out."""

        def change(node: Expression) -> Expression:
            if isinstance(node, Reference):
                name, indices = self.split(node.name, node.indices)
                return Reference(name, indices)
            if isinstance(node, Iverson):
                return build.ONE if self._holds(node.conditions, bound) else build.ZERO
            if isinstance(node, Sum):
                return self._sum(node, bound)
            if isinstance(node, IndexValue) and not any(v in bound for v in node.index.variables()):
                return build.constant(self._number(node.index))
            return node

        return build.rebuild(transform(expression, change, into_sums=False))

    def _sum(self, node: Sum, bound: set[str]) -> Expression:
        inside = self._unrolled_in(node)
        ranges = [r for r in node.ranges if r.variable in inside]
        rest = tuple(r for r in node.ranges if r.variable not in inside)
        terms: list[Expression] = []
        for binding in self._assignments(ranges, {}):
            numbers = {v: Index(n) for v, n in binding.items()}
            loops = [self._loop(r, binding) for r in rest]
            if any(loop.first > loop.last for loop in loops):
                continue
            if not self._holds([c.substitute(numbers) for c in node.conditions], {r.variable for r in rest} | bound):
                continue
            body = self._expression(substitute_indices(node.body, numbers), bound | {r.variable for r in rest})
            kept = tuple(Range(r.variable, r.low.substitute(numbers), r.high.substitute(numbers)) for r in rest)
            terms.append(Sum(body, kept) if kept else body)
        return build.add(terms) if terms else build.ZERO

    def _unrolled_in(self, node: Sum) -> set[str]:
        names = {r.variable for r in node.ranges}
        found: set[str] = set()
        for inner in preorder(node.body):
            if isinstance(inner, Reference):
                for at, index in enumerate(inner.indices):
                    if self.dimensions.of(inner.name, at) in self.dimensions.unrolled:
                        found |= names & set(index.variables())
        return found


def calls(expression: Expression) -> Iterator[Call]:
    """All calls in an expression."""
    return (node for node in preorder(expression) if isinstance(node, Call))
