"""What the names in equations mean: index variables and sizes become index values, one-argument ``max`` the largest entry.

Says, with positions, which variables shadow, which sizes and maps are not declared, and infers sizes from data.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from bptt_solver.errors import Problems, Span, suggest
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
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
from bptt_solver.language.operations import MANY, Operations

_LARGEST = {"max": "largest", "min": "smallest"}


def span_of(equation: Equation, node: Expression | None = None) -> Span | None:
    """Where a node of an equation stands; without a node, the left-hand side."""
    if equation.origin is None:
        return None
    from bptt_solver.language.parser import locate

    return locate(equation, node)


def is_plain(equation: Equation) -> bool:
    """Whether an equation has no index at all on its left and around it (it may still contain sums)."""
    return not (equation.indices or equation.ranges or equation.conditions)


class Survey:
    """What an equation's right-hand side is made of, found in one pass: names with their numbers of indices, calls, and whether
    there are indices or sums at all."""

    __slots__ = ("calls", "indexed", "references")

    def __init__(self, expression: Expression) -> None:
        self.calls: dict[tuple[str, int], Call] = {}
        self.references: dict[tuple[str, int], Reference] = {}
        self.indexed = False
        bound: set[str] = set()
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
                bound.update(r.variable for r in node.ranges)  # type: ignore[union-attr]
                stack.append(node.body)  # type: ignore[union-attr]
            elif kind is not Number:
                self.indexed = True
        for name in bound:
            self.references.pop((name, 0), None)


class Resolver:
    """Resolves the names of a document's equations."""

    def __init__(self, operations: Operations, maps: Iterable[str], problems: Problems) -> None:
        self.operations = operations
        self.maps = set(maps)
        self.problems = problems
        self.sizes: dict[str, tuple[Equation, Expression | None]] = {}  # names used as sizes -> where first

    def scan(self, equation: Equation) -> None:
        """Find the sizes that an equation needs, and what is wrong with its indices."""
        scope = [r.variable for r in equation.ranges]
        self._repeated(equation, scope)
        for item in equation.ranges:
            self._index(item.low, scope, equation, None)
            self._index(item.high, scope, equation, None)
        for index in equation.indices:
            self._index(index, scope, equation, None)
        for condition in equation.conditions:
            self._index(condition.left, scope, equation, None)
            self._index(condition.right, scope, equation, None)
        stack: list[tuple[Expression, list[str]]] = [(equation.right, scope)]
        while stack:
            node, known = stack.pop()
            if isinstance(node, Reference):
                for index in node.indices:
                    self._index(index, known, equation, node)
            elif isinstance(node, Iverson):
                for condition in node.conditions:
                    self._index(condition.left, known, equation, node)
                    self._index(condition.right, known, equation, node)
            elif isinstance(node, Sum):
                inner = [*known, *(r.variable for r in node.ranges)]
                self._repeated(equation, inner, node)
                for item in node.ranges:
                    self._index(item.low, inner, equation, node)
                    self._index(item.high, inner, equation, node)
                for condition in node.conditions:
                    self._index(condition.left, inner, equation, node)
                    self._index(condition.right, inner, equation, node)
                stack.append((node.body, inner))
            elif isinstance(node, Call):
                stack.extend((a, known) for a in node.arguments)

    def _repeated(self, equation: Equation, names: Sequence[str], node: Expression | None = None) -> None:
        seen: set[str] = set()
        for name in names:
            if name in seen:
                self.problems.add(f"the index '{name}' is bound twice", span_of(equation, node), "give the inner one another name")
            seen.add(name)

    def _index(self, index: Index, scope: Sequence[str], equation: Equation, node: Expression | None) -> None:
        for lookup in index.lookups():
            if lookup.name not in self.maps:
                hint = suggest(lookup.name, self.maps) or f"declare it: `maps: {{{lookup.name}: [1, 2, 3]}}`"
                self.problems.add(f"'{lookup.name}' is not a declared map", span_of(equation, node), hint)
                self.maps.add(lookup.name)
        for name in index.variables():
            if name not in scope:
                self.sizes.setdefault(name, (equation, node))

    def resolve(self, equation: Equation, survey: Survey, sizes: Mapping[str, int]) -> Equation:
        """The equation with index variables, sizes and map lookups as index values, and ``max(v)`` as the largest entry."""
        special = any(count == 1 and name in _LARGEST for name, count in survey.calls)
        if not special and not survey.indexed and not self.maps and is_plain(equation) and not any((n, 0) in survey.references for n in sizes):
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

    def check_calls(self, equation: Equation, survey: Survey) -> None:
        """Note functions that do not exist and wrong numbers of arguments."""
        for (name, count), node in survey.calls.items():
            operation = self.operations.find(name)
            if operation is None:
                hint = self.operations.suggest(name) or "`bptt-solve plugins` lists the functions"
                self.problems.add(f"unknown function '{name}'", span_of(equation, node), hint)
                continue
            low, high = operation.arity
            if not low <= count <= high and not (name in _LARGEST and count == 1):
                wanted = f"{low}" if low == high else f"at least {low}" if high == MANY else f"{low} to {high}"
                plural = "" if wanted == "1" else "s"
                self.problems.add(f"{name} takes {wanted} argument{plural}, got {count}", span_of(equation, node))


def infer_size(
    name: str, equations: Sequence[Equation], extents: Mapping[str, Sequence[tuple[int, int]]]
) -> tuple[int | None, list[tuple[str, int]]]:
    """A size that is not declared, from the data that are read up to it: (the size, what each name says).

    Only whole given families count: where ``t`` runs to ``T`` and ``x[t]`` is read, ``T`` is the last index of ``x``.
    """
    said: dict[str, int] = {}
    shifted: dict[str, int] = {}

    def look(expression: Expression, ranges: dict[str, Range]) -> None:
        stack: list[tuple[Expression, dict[str, Range]]] = [(expression, ranges)]
        while stack:
            node, scope = stack.pop()
            if isinstance(node, Sum):
                stack.append((node.body, {**scope, **{r.variable: r for r in node.ranges}}))
            elif isinstance(node, Call):
                stack.extend((a, scope) for a in node.arguments)
            elif isinstance(node, Reference) and node.name in extents:
                for index, (_, last) in zip(node.indices, extents[node.name], strict=False):
                    if len(index.terms) != 1 or index.terms[0][1] != 1 or not isinstance(index.terms[0][0], str):
                        continue
                    variable = scope.get(index.terms[0][0])
                    if variable is not None and variable.high == Index.variable(name):
                        (said if index.constant == 0 else shifted).setdefault(node.name, last - index.constant)

    for equation in equations:
        look(equation.right, {r.variable: r for r in equation.ranges})
    found = said or shifted
    values = set(found.values())
    return (values.pop() if len(values) == 1 else None), sorted(found.items())


def lookalike(name: str) -> str:
    """What a name looks like: two names with the same look are an error."""
    folded = unicodedata.normalize("NFKC", name).translate(_ALIKE)
    return folded


_ALIKE = str.maketrans({"ϕ": "φ", "ϵ": "ε", "ϑ": "θ", "ϱ": "ρ", "ϖ": "π", "′": "'", "µ": "μ"})


def lookups_in(expression: Expression) -> list[Lookup]:
    """The map lookups in an expression's indices."""
    return [look for node in preorder(expression) if isinstance(node, Reference) for i in node.indices for look in i.lookups()]
