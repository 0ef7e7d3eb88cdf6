"""Expression trees: small, immutable, compared by structure. Nothing here knows what an operation means.

``Number | Reference | IndexValue | Iverson | Call | Sum`` - and `Index`, the affine expressions that stand in brackets,
in ranges and in conditions.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

Exact = int | Fraction
Numeral = int | Fraction | float


class _Node:
    """Structural equality and a hash that is computed once."""

    __slots__ = ("_hash",)
    _hash: int

    def _parts(self) -> tuple[object, ...]:
        raise NotImplementedError

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            pass
        pending: list[_Node] = [self]  # bottom-up, so that no call goes deeper than one level
        while pending:
            node = pending[-1]
            below = [child for child in node._children() if not hasattr(child, "_hash")]
            if below:
                pending.extend(below)
                continue
            node._hash = hash((type(node).__name__, node._parts()))
            pending.pop()
        return self._hash

    def _children(self) -> tuple[_Node, ...]:
        return ()

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other) or hash(self) != hash(other):
            return False
        pending: list[tuple[_Node, _Node]] = [(self, other)]
        while pending:
            one, another = pending.pop()
            if one is another:
                continue
            if type(one) is not type(another) or hash(one) != hash(another):
                return False
            mine, theirs = one._children(), another._children()
            if not mine and not theirs:
                if one._parts() != another._parts():
                    return False
            elif len(mine) != len(theirs) or one._label() != another._label():
                return False
            else:
                pending.extend(zip(mine, theirs, strict=True))
        return True

    def _label(self) -> object:
        """What distinguishes a node beside its children."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._parts()!r}"


class Lookup(_Node):
    """A member of a declared integer map, ``left[i]``."""

    __slots__ = ("indices", "name")

    def __init__(self, name: str, indices: tuple[Index, ...]) -> None:
        self.name = name
        self.indices = indices

    def _parts(self) -> tuple[object, ...]:
        return self.name, self.indices


Atom = str | Lookup


class Index(_Node):
    """``constant + sum(coefficient * atom)``: affine in index variables, sizes and map lookups.

    ``terms`` keep the order in which they were written, without zeros and without repeats.
    """

    __slots__ = ("constant", "terms")

    def __init__(self, constant: int = 0, terms: tuple[tuple[Atom, int], ...] = ()) -> None:
        self.constant = constant
        self.terms = terms

    def _parts(self) -> tuple[object, ...]:
        return self.constant, frozenset(self.terms)

    @staticmethod
    def variable(name: str) -> Index:
        """The index that is one variable or size."""
        return Index(0, ((name, 1),))

    def plus(self, other: Index | int, factor: int = 1) -> Index:
        """``self + factor * other``."""
        if isinstance(other, int):
            return Index(self.constant + factor * other, self.terms)
        total = dict(self.terms)
        for atom, coefficient in other.terms:
            total[atom] = total.get(atom, 0) + factor * coefficient
        return Index(self.constant + factor * other.constant, tuple((a, c) for a, c in total.items() if c))

    def times(self, factor: int) -> Index:
        """``factor * self``."""
        return Index(self.constant * factor, tuple((a, c * factor) for a, c in self.terms if c * factor))

    def substitute(self, binding: Mapping[str, Index]) -> Index:
        """The index with variables replaced, inside lookups too."""
        if not self.terms:
            return self
        if len(self.terms) == 1 and isinstance(self.terms[0][0], str) and self.terms[0][1] == 1:  # t - 1, as most are
            replacement = binding.get(self.terms[0][0])
            return self if replacement is None else replacement.plus(self.constant) if self.constant else replacement
        result = Index(self.constant)
        for atom, coefficient in self.terms:
            if isinstance(atom, Lookup):
                inner = Lookup(atom.name, tuple(i.substitute(binding) for i in atom.indices))
                result = result.plus(Index(0, ((inner, 1),)), coefficient)
            else:
                result = result.plus(binding.get(atom, Index.variable(atom)), coefficient)
        return result

    def variables(self) -> Iterator[str]:
        """The names of variables and sizes, inside lookups too, in order, perhaps repeated."""
        for atom, _ in self.terms:
            if isinstance(atom, Lookup):
                for index in atom.indices:
                    yield from index.variables()
            else:
                yield atom

    def lookups(self) -> Iterator[Lookup]:
        """The map lookups, outermost first."""
        for atom, _ in self.terms:
            if isinstance(atom, Lookup):
                yield atom
                for index in atom.indices:
                    yield from index.lookups()


class Comparison(_Node):
    """A condition on indices: ``left operator right`` with ``== != < <= > >=``."""

    __slots__ = ("left", "operator", "right")

    def __init__(self, left: Index, operator: str, right: Index) -> None:
        self.left = left
        self.operator = operator
        self.right = right

    def _parts(self) -> tuple[object, ...]:
        return self.left, self.operator, self.right

    def substitute(self, binding: Mapping[str, Index]) -> Comparison:
        """The condition with variables replaced."""
        return Comparison(self.left.substitute(binding), self.operator, self.right.substitute(binding))


Conditions = tuple[Comparison, ...]  # all of them hold


class Range(_Node):
    """``variable in low..high``, both ends included."""

    __slots__ = ("high", "low", "variable")

    def __init__(self, variable: str, low: Index, high: Index) -> None:
        self.variable = variable
        self.low = low
        self.high = high

    def _parts(self) -> tuple[object, ...]:
        return self.variable, self.low, self.high


class Number(_Node):
    """A literal: int or Fraction (exact), or float."""

    __slots__ = ("value",)

    def __init__(self, value: Numeral) -> None:
        self.value = value

    def _parts(self) -> tuple[object, ...]:
        return type(self.value).__name__, self.value


class Reference(_Node):
    """One use of a family: ``h[t-1]``, ``W``, or an ordered derivative ``∂⁺E/∂h[t]`` (its name is ``∂⁺E/∂h``)."""

    __slots__ = ("indices", "name")

    def __init__(self, name: str, indices: tuple[Index, ...] = ()) -> None:
        self.name = name
        self.indices = indices

    def _parts(self) -> tuple[object, ...]:
        return self.name, self.indices


class IndexValue(_Node):
    """An index expression used as a number: ``1/T``, ``entry(p, label[t])``."""

    __slots__ = ("index",)

    def __init__(self, index: Index) -> None:
        self.index = index

    def _parts(self) -> tuple[object, ...]:
        return (self.index,)


class Iverson(_Node):
    """``[t == T]``: 1 where all conditions hold, else 0."""

    __slots__ = ("conditions",)

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions

    def _parts(self) -> tuple[object, ...]:
        return (self.conditions,)


class Call(_Node):
    """An operation on arguments. Operators are calls: ``add`` (n-ary), ``neg``, ``mul`` (n-ary), ``div``, ``matmul``,
    ``power``, ``transpose``; a function is called by its own name."""

    __slots__ = ("arguments", "operation")

    def __init__(self, operation: str, arguments: tuple[Expression, ...]) -> None:
        self.operation = operation
        self.arguments = arguments

    def _parts(self) -> tuple[object, ...]:
        return self.operation, self.arguments

    def _children(self) -> tuple[_Node, ...]:
        return self.arguments

    def _label(self) -> object:
        return self.operation


class Sum(_Node):
    """``sum(body for i in 1..n, j in 1..i where i != j)``."""

    __slots__ = ("body", "conditions", "ranges")

    def __init__(self, body: Expression, ranges: tuple[Range, ...], conditions: Conditions = ()) -> None:
        self.body = body
        self.ranges = ranges
        self.conditions = conditions

    def _parts(self) -> tuple[object, ...]:
        return self.body, self.ranges, self.conditions

    def _children(self) -> tuple[_Node, ...]:
        return (self.body,)

    def _label(self) -> object:
        return self.ranges, self.conditions


Expression = Number | Reference | IndexValue | Iverson | Call | Sum
Leaf = Number | Reference | IndexValue | Iverson


def children(expression: Expression) -> tuple[Expression, ...]:
    """The direct sub-expressions."""
    if isinstance(expression, Call):
        return expression.arguments
    if isinstance(expression, Sum):
        return (expression.body,)
    return ()


def preorder(expression: Expression) -> Iterator[Expression]:
    """All sub-expressions in the order in which they are written. No recursion."""
    stack = [expression]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, Call):
            stack.extend(reversed(node.arguments))
        elif isinstance(node, Sum):
            stack.append(node.body)


def transform(expression: Expression, change: Callable[[Expression], Expression], into_sums: bool = True) -> Expression:
    """Rebuild bottom-up: ``change`` gets each node after its children were changed. No recursion.

    Without ``into_sums`` a sum is handed over as it is, its body unchanged.
    """
    done: list[Expression] = []
    stack: list[tuple[Expression, bool]] = [(expression, False)]
    while stack:
        node, ready = stack.pop()
        is_call, is_sum = isinstance(node, Call), into_sums and isinstance(node, Sum)
        if not ready and (is_call or is_sum):
            stack.append((node, True))
            stack.extend([(child, False) for child in reversed(children(node))])
            continue
        if is_call and node.arguments:  # type: ignore[union-attr]
            old = node.arguments  # type: ignore[union-attr]
            arguments = tuple(done[-len(old) :])
            del done[-len(old) :]
            if not all(map(operator.is_, arguments, old)):
                node = Call(node.operation, arguments)  # type: ignore[union-attr]
        elif is_sum:
            body = done.pop()
            if body is not node.body:  # type: ignore[union-attr]
                node = Sum(body, node.ranges, node.conditions)  # type: ignore[union-attr]
        done.append(change(node))
    return done[0]


def substitute_indices(expression: Expression, binding: Mapping[str, Index]) -> Expression:
    """Replace index variables. The variables of inner sums are renamed where they would capture a new name."""
    if not binding or (type(expression) is Reference and not expression.indices):
        return expression

    def change(node: Expression) -> Expression:
        if isinstance(node, Reference):
            return Reference(node.name, tuple([i.substitute(binding) for i in node.indices])) if node.indices else node
        if isinstance(node, IndexValue):
            return IndexValue(node.index.substitute(binding))
        if isinstance(node, Iverson):
            return Iverson(tuple(c.substitute(binding) for c in node.conditions))
        return _substitute_in_sum(node, binding) if isinstance(node, Sum) else node

    return transform(expression, change, into_sums=False) if isinstance(expression, Call) else change(expression)


def _substitute_in_sum(node: Sum, binding: Mapping[str, Index]) -> Sum:
    """One sum; inner sums by recursion, which is as deep as sums are nested."""
    bound = [r.variable for r in node.ranges]
    inner = {name: index for name, index in binding.items() if name not in bound}
    taken = {v for index in inner.values() for v in index.variables()} | set(inner)
    for variable in bound:
        word = variable
        while word in taken or (word != variable and word in bound):
            word += "'"
        if word != variable:
            inner[variable] = Index.variable(word)
        taken.add(word)
    if not inner:
        return node
    ranges = tuple(
        Range(
            str(inner[r.variable].terms[0][0]) if r.variable in inner else r.variable,
            r.low.substitute(inner),
            r.high.substitute(inner),
        )
        for r in node.ranges
    )
    return Sum(substitute_indices(node.body, inner), ranges, tuple(c.substitute(inner) for c in node.conditions))


ORDERED = "∂⁺"


def derivative_name(target: str, family: str) -> str:
    """The family of ordered derivatives of an instance ``target`` with respect to ``family``: ``∂⁺E/∂h``; it nests."""
    shown = f"({target})" if target.startswith(ORDERED) else target
    below = f"({family})" if family.startswith(ORDERED) else family
    return f"{ORDERED}{shown}/∂{below}"


def is_derivative(name: str) -> bool:
    """Whether a family is one of ordered derivatives."""
    return name.startswith(ORDERED)


def derivative_parts(name: str) -> tuple[str, str]:
    """``(target, family)`` of a derivative's name."""
    depth = 0
    for at, character in enumerate(name):
        depth += (character == "(") - (character == ")")
        if character == "/" and depth == 0:
            return _bare(name[len(ORDERED) : at]), _bare(name[at + 2 :])
    raise ValueError(name)


def _bare(text: str) -> str:
    return text[1:-1] if text.startswith("(") else text
