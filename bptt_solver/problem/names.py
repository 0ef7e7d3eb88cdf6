"""What the names in equations mean: index variables and sizes become index values, one-argument ``max`` the largest
entry.

Says, with positions, which variables shadow, which sizes and maps are not declared, and infers sizes from data.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence

from bptt_solver.catalogues import message
from bptt_solver.errors import Problems, Span, suggest
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
    Comparison,
    Expression,
    Index,
    IndexValue,
    Iverson,
    Lookup,
    Number,
    Range,
    Reference,
    Sum,
    preorder,
    transform,
)
from bptt_solver.language.operations import INTERNAL, MANY, Operations
from bptt_solver.system import IntegerMap

_LARGEST = {"max": "largest", "min": "smallest"}
_OPERATORS = {"add", "neg", "mul", "div", "matmul", "power"}  # what signs become: a call of that name says the same
_UNWRITTEN = INTERNAL - _OPERATORS  # what only backward equations contain


def span_of(equation: Equation, node: Expression | None = None) -> Span | None:
    """Where a node of an equation stands; without a node, the left-hand side."""
    if equation.origin is None:
        return None
    from bptt_solver.language.parser import locate

    return locate(equation, node)


def span_of_word(equation: Equation, word: str) -> Span | None:
    """Where a name first stands in an equation."""
    return None if equation.origin is None else equation.origin.span_of(word)


def is_plain(equation: Equation) -> bool:
    """Whether an equation has no index at all on its left and around it (it may still contain sums)."""
    return not (equation.indices or equation.ranges or equation.conditions)


class Survey:
    """What an equation's right-hand side is made of, found in one pass: names with their numbers of indices, calls,
    and whether there are indices or sums at all."""

    __slots__ = ("bound", "calls", "indexed", "references")

    def __init__(self, expression: Expression) -> None:
        self.calls: dict[tuple[str, int], Call] = {}
        self.references: dict[tuple[str, int], Reference] = {}
        self.indexed = False
        self.bound: dict[str, None] = {}  # variables of inner sums
        stack: list[Expression] = [expression]
        while stack:
            node = stack.pop()
            kind = type(node)
            if kind is Call:
                arguments = node.arguments  # type: ignore[union-attr]
                self.calls.setdefault((node.operation, len(arguments)), node)  # type: ignore[union-attr,arg-type]
                stack.extend(arguments)
            elif kind is Reference:
                count = len(node.indices)  # type: ignore[union-attr]
                if count:
                    self.indexed = True
                self.references.setdefault((node.name, count), node)  # type: ignore[union-attr,arg-type]
            elif kind is Sum:
                self.indexed = True
                self.bound.update(dict.fromkeys(r.variable for r in node.ranges))  # type: ignore[union-attr]
                stack.append(node.body)  # type: ignore[union-attr]
            elif kind is not Number:
                self.indexed = True
        for name in self.bound:
            self.references.pop((name, 0), None)


class Resolver:
    """Resolves the names of a document's equations."""

    def __init__(self, operations: Operations, maps: Mapping[str, IntegerMap], problems: Problems) -> None:
        self.operations = operations
        self.maps = dict.fromkeys(maps)
        self.arities = {name: len(next(iter(table.table), ())) for name, table in maps.items()}
        self.problems = problems
        self.places: Mapping[str, Span] = {}  # where a topology's option asks for a map
        self.sizes: dict[str, tuple[Equation, Expression | None]] = {}  # names used as sizes -> where first
        self.bounds: set[str] = set()  # those that bound a range or stand in brackets, not only in conditions

    def scan(self, equation: Equation) -> None:
        """Find the sizes that an equation needs, and what is wrong with its indices."""
        scope = [r.variable for r in equation.ranges]
        self._repeated(equation, scope)
        self._unused(equation, scope)
        self._ranges(equation.ranges, (), equation, None)
        for index in equation.indices:
            self._index(index, scope, equation, None)
        for condition in equation.conditions:
            self._condition(condition, scope, equation, None)
        stack: list[tuple[Expression, list[str]]] = [(equation.right, scope)]
        while stack:
            node, known = stack.pop()
            if isinstance(node, Reference):
                for index in node.indices:
                    self._index(index, known, equation, node)
            elif isinstance(node, Iverson):
                for condition in node.conditions:
                    self._condition(condition, known, equation, node)
            elif isinstance(node, Sum):
                inner = [*known, *(r.variable for r in node.ranges)]
                self._repeated(equation, inner, node)
                self._ranges(node.ranges, known, equation, node)
                for condition in node.conditions:
                    self._condition(condition, inner, equation, node)
                stack.append((node.body, inner))
            elif isinstance(node, Call):
                stack.extend((a, known) for a in node.arguments)

    def _repeated(self, equation: Equation, names: Sequence[str], node: Expression | None = None) -> None:
        seen: set[str] = set()
        for name in names:
            if name in seen:
                self.problems.add(
                    message("name.bound_twice", name=name), span_of(equation, node), message("name.inner")
                )
            seen.add(name)

    def _unused(self, equation: Equation, scope: Sequence[str]) -> None:
        """Every index of an equation has to say which member it defines."""
        used = {name for index in equation.indices for name in index.variables()}
        for name in dict.fromkeys(scope):
            if name not in used:
                self.problems.add(
                    message("name.defined_again", family=equation.name, name=name),
                    span_of(equation),
                    message("name.write_index", family=equation.name, name=name),
                )

    def _ranges(
        self, ranges: Sequence[Range], outer: Sequence[str], equation: Equation, node: Expression | None
    ) -> None:
        """The bounds of ranges: they may use the variables before them."""
        bound = [r.variable for r in ranges]
        known = list(outer)
        for item in ranges:
            for name in dict.fromkeys((*item.low.variables(), *item.high.variables())):
                if name in bound and name not in known:
                    key = "name.range_itself" if name == item.variable else "name.range_later"
                    told = message(key, range=item.variable, name=name)
                    self.problems.add(told, span_of(equation, node), message("name.bounds"))
            self._index(item.low, [*known, *bound], equation, node)
            self._index(item.high, [*known, *bound], equation, node)
            known.append(item.variable)

    def _condition(
        self, condition: Comparison, scope: Sequence[str], equation: Equation, node: Expression | None
    ) -> None:
        self._index(condition.left, scope, equation, node, bound=False)
        self._index(condition.right, scope, equation, node, bound=False)

    def _index(
        self, index: Index, scope: Sequence[str], equation: Equation, node: Expression | None, *, bound: bool = True
    ) -> None:
        for lookup in index.lookups():
            self.check_map(lookup.name, len(lookup.indices), equation, node)
        for name in index.variables():
            if name not in scope:
                self.sizes.setdefault(name, (equation, node))
                if bound:
                    self.bounds.add(name)

    def check_map(self, name: str, count: int, equation: Equation, node: Expression | None) -> None:
        """Note a map that is not declared, or is read with a wrong number of indices."""
        if name not in self.maps:
            hint = suggest(name, self.maps) or message("map.declare", name=name)
            span = self.places.get(name) or span_of_word(equation, name)
            self.problems.add(message("map.undeclared", name=name), span, hint)
            self.maps[name] = None
        elif self.arities.get(name, count) != count:
            read = ", ".join("ijklmnop"[: self.arities[name]])
            self.problems.add(
                message("map.indices", name=name, here=counted(count), known=counted(self.arities[name])),
                span_of_word(equation, name),
                message("map.write", name=name, indices=read),
            )

    def resolve(self, equation: Equation, survey: Survey, sizes: Mapping[str, int]) -> Equation:
        """The equation with index variables, sizes and map lookups as index values, and ``max(v)`` as the largest
        entry."""
        special = any(count == 1 and name in _LARGEST for name, count in survey.calls)
        if (
            not special
            and not survey.indexed
            and not self.maps
            and is_plain(equation)
            and not any((n, 0) in survey.references for n in sizes)
        ):
            return equation
        bound = {r.variable for r in equation.ranges}
        for node in preorder(equation.right):
            if isinstance(node, Sum):
                bound |= {r.variable for r in node.ranges}

        def change(node: Expression) -> Expression:
            if isinstance(node, Reference) and not node.indices and (node.name in bound or node.name in sizes):
                return IndexValue(Index.variable(node.name))
            if isinstance(node, Reference) and node.name in self.maps:
                return IndexValue(Index(0, ((Lookup(node.name, node.indices), 1),)))
            if isinstance(node, Call) and len(node.arguments) == 1 and node.operation in _LARGEST:
                return Call(_LARGEST[node.operation], node.arguments)
            return node

        right = transform(equation.right, change)
        return Equation(equation.name, equation.indices, right, equation.ranges, equation.conditions, equation.origin)

    def _instead(self, name: str, count: int, quantities: Collection[str]) -> str | None:
        if name in quantities:
            return message("name.product_or_member" if count else "name.product", name=name)
        return self.operations.suggest(name)

    def check_calls(self, equation: Equation, survey: Survey, quantities: Collection[str] = ()) -> None:
        """Note functions that do not exist and wrong numbers of arguments. ``quantities`` are the names that are no
        functions."""
        for (name, count), node in survey.calls.items():
            operation = self.operations.find(name)
            if operation is None or name in _UNWRITTEN:
                hint = self._instead(name, count, quantities) or message("name.list_functions")
                self.problems.add(message("registry.function", name=name), span_of(equation, node), hint)
                continue
            low, high = operation.arity
            if not low <= count <= high and not (name in _LARGEST and count == 1):
                key = "exactly" if low == high else "least" if high == MANY else "between"
                key = "one" if low == high == 1 else key
                told = message(f"name.takes_{key}", name=name, low=low, high=high, count=count)
                self.problems.add(told, span_of(equation, node))


def counted(count: int) -> str:
    """``no index``, ``one index``, ``2 indices``."""
    return message("name.no_index" if count == 0 else "name.one_index" if count == 1 else "name.indices", count=count)


def lookalike(name: str) -> str:
    """What a name looks like: two names with the same look are an error."""
    folded = unicodedata.normalize("NFKC", name).translate(_ALIKE)
    return folded


_GREEK = ("ϕϵϑϱϖ′µ", "φεθρπ'μ")
_LATIN = (  # Greek and Cyrillic letters whose shape is that of a Latin one
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοАВЕКМНОРСТУХЅІЈасеорсхуѕіј",
    "ABEZHIKMNOPTYXoABEKMHOPCTYXSIJaceopcxysij",
)
_ALIKE = str.maketrans(_GREEK[0] + _LATIN[0], _GREEK[1] + _LATIN[1])
