"""A system: equations with index domains, the given names, sizes and maps. The forward pass is one, the backward
pass another.

Families are names with indices, instances their members. A family may be defined in parts by several equations, and
in part given; the parts are disjoint and cover every instance that is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from bptt_solver.catalogues import message
from bptt_solver.language.bottom_up import bottom_up
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
    Comparison,
    Expression,
    Index,
    IndexValue,
    Lookup,
    Number,
    Reference,
    preorder,
)
from bptt_solver.language.operations import Operations
from bptt_solver.language.templates import Templates

Instance = tuple[str, tuple[int, ...]]
LooseShape = tuple[int | None, ...]  # None: not the same for all members, or not known
Environment = Mapping[str, int]


class Given:
    """A family (or a part of one) whose values are given: the members' indices and what one member looks like.

    ``low`` and ``high`` bound the indices; ``members`` lists them where they do not fill the box.
    """

    __slots__ = ("high", "low", "members", "name", "role", "shape")

    def __init__(
        self,
        name: str,
        low: tuple[int, ...],
        high: tuple[int, ...],
        shape: LooseShape,
        role: str = "value",
        members: tuple[tuple[int, ...], ...] | None = None,
    ) -> None:
        self.name = name
        self.low = low
        self.high = high
        self.shape = shape
        self.role = role
        self.members = members

    def indices(self) -> Iterator[tuple[int, ...]]:
        """The indices of all members, in order."""
        if self.members is not None:
            yield from self.members
            return
        current = list(self.low)
        if any(low > high for low, high in zip(self.low, self.high, strict=True)):
            return
        while True:
            yield tuple(current)
            for position in range(len(current) - 1, -1, -1):
                if current[position] < self.high[position]:
                    current[position] += 1
                    break
                current[position] = self.low[position]
            else:
                return


class IntegerMap:
    """A declared map from indices to integers, ``left[i]``."""

    __slots__ = ("_inverse", "name", "table")

    def __init__(self, name: str, table: Mapping[tuple[int, ...], int]) -> None:
        self.name = name
        self.table = table
        self._inverse: dict[int, list[tuple[int, ...]]] | None = None

    def extent(self) -> str:
        """Which members there are: ``left goes from left[1] to left[3]``."""
        if not self.table:
            return message("system.map_empty", name=self.name)
        first, last = (",".join(map(str, at)) for at in (min(self.table), max(self.table)))
        return message("system.map_extent", name=self.name, first=first, last=last)

    def inverse(self, value: int) -> Sequence[tuple[int, ...]]:
        """The indices that are mapped to a value, in order."""
        if self._inverse is None:
            self._inverse = {}
            for indices, image in self.table.items():
                self._inverse.setdefault(image, []).append(indices)
        return self._inverse.get(value, ())


class OutsideMap(Exception):
    """A lookup outside a map's indices; says which."""


class System:
    """Equations in declaration order, with everything that is needed to unfold them. Treat as immutable."""

    def __init__(
        self,
        equations: Sequence[Equation],
        given: Mapping[str, Sequence[Given]],
        operations: Operations,
        sizes: Mapping[str, int] | None = None,
        maps: Mapping[str, IntegerMap] | None = None,
        ranks: Mapping[str, int] | None = None,
        roles: Mapping[str, str] | None = None,
    ) -> None:
        self.equations = tuple(equations)
        self.given = dict(given)
        self.operations = operations
        self.sizes = dict(sizes or {})
        self.maps = dict(maps or {})
        self.roles = dict(roles or {})
        self.ranks: dict[str, int] = dict(ranks or {})
        self.templates = Templates(operations, self.ranks)
        self._defining: dict[str, list[Equation]] | None = None
        self._time: dict[str, int] | None = None

    @property
    def defining(self) -> dict[str, list[Equation]]:
        """Family -> the equations that define it (or parts of it)."""
        if self._defining is None:
            self._defining = {}
            for equation in self.equations:
                self._defining.setdefault(equation.name, []).append(equation)
        return self._defining

    @property
    def families(self) -> list[str]:
        """All family names: given ones in the order given, then defined ones in declaration order."""
        return list(dict.fromkeys([*self.given, *self.defining]))

    def arity(self, name: str) -> int:
        """The number of indices of a family."""
        if name in self.given:
            return len(self.given[name][0].low)
        return len(self.defining[name][0].indices)

    def extended(
        self,
        equations: Sequence[Equation],
        ranks: Mapping[str, int],
        given: Mapping[str, Sequence[Given]] | None = None,
    ) -> System:
        """The system with more equations behind it (the backward pass behind the forward pass)."""
        self.ranks.update(ranks)  # shared, with the templates: the names are new ones
        result = System(
            [*self.equations, *equations],
            {**self.given, **(given or {})},
            self.operations,
            self.sizes,
            self.maps,
            roles=self.roles,
        )
        result.ranks, result.templates = self.ranks, self.templates
        for name in result.given:
            result.ranks.setdefault(name, len(result.given[name][0].shape))
        return result

    # -- indices

    def index(self, index: Index, environment: Environment) -> int:
        """The value of an index. Raises `OutsideMap` for a lookup that is not there, KeyError for an unknown name."""
        total = index.constant
        for atom, coefficient in index.terms:
            if isinstance(atom, Lookup):
                total += coefficient * self.lookup(atom, environment)
            else:
                value = environment.get(atom)
                total += coefficient * (self.sizes[atom] if value is None else value)
        return total

    def lookup(self, lookup: Lookup, environment: Environment) -> int:
        """The value of a map lookup."""
        at = tuple(self.index(i, environment) for i in lookup.indices)
        try:
            return self.maps[lookup.name].table[at]
        except KeyError:
            raise OutsideMap(
                f"{lookup.name}[{','.join(map(str, at))}]", lookup.name, self.maps[lookup.name].extent()
            ) from None

    def holds(self, conditions: Sequence[Comparison], environment: Environment) -> bool:
        """Whether all conditions hold."""
        for condition in conditions:
            left, right = self.index(condition.left, environment), self.index(condition.right, environment)
            if not _COMPARE[condition.operator](left, right):
                return False
        return True

    # -- time

    def time_position(self, name: str) -> int | None:
        """Which index of a family is its time: the one along which something is shifted; the last one if none is."""
        if self._time is None:
            self._time = {}
            self._find_time()
        if name in self._time:
            return self._time[name]
        arity = self.arity(name)
        return arity - 1 if arity else None

    def _find_time(self) -> None:
        assert self._time is not None
        shifted: set[str] = set()  # variables that occur with an offset
        for equation in self.equations:
            if not equation.ranges:
                continue
            for node in preorder(equation.right):
                if isinstance(node, Reference) and node.indices and (node.name in self.defining):
                    for index in node.indices:
                        if index.constant and len(index.terms) == 1 and isinstance(index.terms[0][0], str):
                            shifted.add(index.terms[0][0])
        for equation in self.equations:
            for position, index in enumerate(equation.indices):
                if len(index.terms) == 1 and index.terms[0][0] in shifted:
                    previous = self._time.get(equation.name)
                    if previous is None or position > previous:
                        self._time[equation.name] = position


_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def references(expression: Expression) -> Iterator[Reference]:
    """The references in an expression, in order."""
    for node in preorder(expression):
        if type(node) is Reference:
            yield node


class RankConflict(Exception):
    """Two definitions of one family disagree about what its members are: (equation, rank seen, rank known)."""


def infer_shapes(system: System, calls: Collection[str] | None = None) -> dict[str, LooseShape]:
    """What one member of each family looks like, as far as it is the same for all. Sets ``system.ranks``.

    ``calls`` are the operations in the equations, where the caller knows them.

    A worklist: an equation is looked at again only when a family that it waits for becomes known. A defining number
    (``h[0] = 0``) takes the shape of the rest of its family.
    """
    known: dict[str, LooseShape] = {}
    if all(part.shape == () for parts in system.given.values() for part in parts) and not _makes_arrays(system, calls):
        known = dict.fromkeys([*system.given, *(e.name for e in system.equations)], ())
        system.ranks.update(dict.fromkeys(known, 0))
        return known
    for name, parts in system.given.items():
        for part in parts:
            if name not in known or known[name] == ():
                known[name] = part.shape
            elif part.shape != known[name] and part.shape != ():
                known[name] = _merge(known[name], part.shape)
    given_numbers = {name for name, shape in known.items() if shape == () and name in system.defining}
    for name in given_numbers:
        del known[name]
    waiting: dict[str, list[Equation]] = {}
    queue: list[Equation] = [e for e in system.equations if not _is_number(e.right)]
    late: list[Equation] = [e for e in system.equations if _is_number(e.right)]
    guess = sorted(given_numbers)
    while True:
        _settle(system, queue, known, waiting)
        undecided = [e for e in late if e.name not in known]
        loose = [n for n in guess if n not in known]
        if not undecided and not loose:
            break
        names = dict.fromkeys([e.name for e in undecided] + loose)
        for name in names:
            known[name] = ()
        queue = [e for name in names for e in waiting.pop(name, [])]
    for equation in system.equations:
        known.setdefault(equation.name, ())
    system.ranks.update({name: len(shape) for name, shape in known.items()})
    return known


def _makes_arrays(system: System, calls: Collection[str] | None) -> bool:
    """Whether some operation in the equations makes an array of numbers."""
    if calls is None:
        calls = {
            node.operation
            for equation in system.equations
            for node in preorder(equation.right)
            if isinstance(node, Call)
        }
    return not _MAKE_ARRAYS.isdisjoint(calls)


_MAKE_ARRAYS = frozenset({"concat", "outer", "diag", "expand", "transpose", "zeros", "unit", "place", "matmul"})


def _settle(
    system: System, queue: list[Equation], known: dict[str, LooseShape], waiting: dict[str, list[Equation]]
) -> None:
    at = 0
    while at < len(queue):
        equation = queue[at]
        at += 1
        shape = loose_shape(equation.right, known, system.operations)
        if shape is None:
            for reference in references(equation.right):
                if reference.name not in known:
                    waiting.setdefault(reference.name, []).append(equation)
            continue
        previous = known.get(equation.name)
        if previous is None:
            known[equation.name] = shape
            queue.extend(waiting.pop(equation.name, []))
        elif len(previous) != len(shape):
            raise RankConflict(equation, shape, previous)
        elif previous != shape:
            known[equation.name] = _merge(previous, shape)
    queue.clear()


def _is_number(expression: Expression) -> bool:
    while isinstance(expression, Call) and expression.operation == "neg":
        expression = expression.arguments[0]
    return isinstance(expression, (Number, IndexValue))


def _merge(a: LooseShape, b: LooseShape) -> LooseShape:
    return tuple(x if x == y else None for x, y in zip(a, b, strict=True)) if len(a) == len(b) else a


def loose_shape(expression: Expression, known: Mapping[str, LooseShape], operations: Operations) -> LooseShape | None:
    """The shape of an expression as far as it follows from what is known; None if even the rank does not."""

    def leaf(node: Expression) -> LooseShape | None:
        return known.get(node.name) if isinstance(node, Reference) else ()

    return bottom_up(expression, leaf, lambda node, operands: _loose_call(node, operands, operations))


def _loose_call(node: Call, operands: Sequence[LooseShape | None], operations: Operations) -> LooseShape | None:
    operation = operations.find(node.operation)
    if operation is None:
        return ()
    name = node.operation
    if operation.kind == "scalar" or name in ("sum", "dot", "entry"):
        return ()
    if name == "matmul":
        left, right = operands
        if right is None:
            return None
        return ((left[0] if left else None), *right[1:])
    if operation.kind == "elementwise" or name in ("add", "mul"):
        arrays = [s for s in operands if s]
        if arrays:
            result = arrays[0]
            for other in arrays[1:]:
                result = tuple(x if x is not None else y for x, y in zip(result, other, strict=False))
            return result
        return None if any(s is None for s in operands) else ()
    if any(s is None for s in operands):
        return None
    shapes = [s for s in operands if s is not None]
    if name in ("neg", "softmax", "log_softmax", "stop_gradient", "zeros", "unit"):
        return shapes[0]
    if name == "transpose":
        return tuple(reversed(shapes[0])) if len(shapes[0]) == 2 else (1, *shapes[0])
    if name == "outer":
        return (*shapes[0], *shapes[1]) if len(shapes[0]) == len(shapes[1]) == 1 else (None, None)
    if name == "concat":
        widths = [s[0] if s else 1 for s in shapes]
        return (None if None in widths else sum(w for w in widths if w is not None),)
    if name in ("expand", "place"):
        return shapes[-1]
    return (None,) * operation.rank([len(s) for s in shapes])
