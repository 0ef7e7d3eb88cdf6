"""Several products with one vector as one product: the gates of a cell.

Equations that differ only in their parameters, ``z_i[t] = W_i @ x[t] + U_i @ h[t-1] + b_i`` and the like for the other
gates, become one equation with the matrices on top of each other; ``z_i[t]`` is a part of its result. Backwards the
sums ``U_i.T @ ∂z_i[t] + U_f.T @ ∂z_f[t] + ...`` and the gradients of the matrices become one product each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from bptt_solver.compile.statements import Statement
from bptt_solver.language import build
from bptt_solver.language.expressions import (
    Call,
    Expression,
    Number,
    Reference,
    derivative_name,
    is_derivative,
    transform,
)
from bptt_solver.language.operations import Operations
from bptt_solver.system import loose_shape

STACKED = "stacked"  # an operation of compiled programs: matrices or vectors on top of each other
ROWS = "rows_of"  # rows_of(vector, first, after): a part of a vector, or rows of a matrix

Shapes = Mapping[str, tuple[int, ...]]


class Group:
    """Families that are computed alike, packed into one: where each begins and ends in it."""

    __slots__ = ("members", "name", "parts", "slots")

    def __init__(self, name: str, members: Sequence[str], parts: Sequence[tuple[int, int]], slots: int) -> None:
        self.name = name
        self.members = list(members)
        self.parts = dict(zip(members, parts, strict=True))
        self.slots = slots


class Packer:
    """Packs a list of statements. ``shapes`` gets the shapes of what is new."""

    def __init__(
        self, given: Sequence[str], shapes: dict[str, tuple[int, ...]], target: str, operations: Operations
    ) -> None:
        self.operations = operations
        self.joint: dict[str, Statement] = {}
        self.given = set(given)
        self.shapes = shapes
        self.target = target
        self.groups: list[Group] = []
        self.gone: dict[str, None] = {}  # packed families, which are parts of others now
        self.of: dict[str, Group] = {}  # of a packed family, a packed parameter, and their derivatives
        self.new: list[Statement] = []

    def pack(self, statements: Sequence[Statement]) -> list[Statement]:
        """The statements with packed ones in place of those that are alike."""
        alike: dict[tuple[object, ...], list[Statement]] = {}
        writers: dict[str, int] = {}
        for statement in statements:
            writers[statement.name] = writers.get(statement.name, 0) + 1
        for statement in statements:
            key = self._pattern(statement)
            if key is not None and writers[statement.name] == 1:
                alike.setdefault(key, []).append(statement)
        packed: dict[int, Statement] = {}
        for members in alike.values():
            if len(members) > 1:
                found = _by_use(members, statements)
                packed[id(found[0])] = self._group(found)
                self.gone.update(dict.fromkeys(s.name for s in found))
                for other in found[1:]:
                    packed[id(other)] = found[0]  # gone
        if not packed:
            return list(statements)
        kept = [packed.get(id(s), s) for s in statements if id(s) not in packed or packed[id(s)] not in statements]
        self.joint = self._gradients(kept)
        return [*self.new, *(self._rewritten(s) for s in kept), *self.joint.values()]

    # -- forward

    def _pattern(self, statement: Statement) -> tuple[object, ...] | None:
        """What has to be the same: everything but the parameters. None for what is not a sum of ``P @ v`` and
        ``P``."""
        if is_derivative(statement.name) or len(self.shapes.get(statement.name, ())) != 1:
            return None
        terms = _terms(statement.right)
        key: list[object] = [statement.indices, tuple((o.variable, o.first, o.last) for o in statement.loops)]
        products = 0
        for term in terms:
            parameter = self._parameter(term)
            if parameter is None:
                return None
            rank = len(self.shapes[parameter])
            products += rank == 2
            key.append((rank, term.arguments[1] if isinstance(term, Call) else None))
        return tuple(key) if products else None

    def _parameter(self, term: Expression) -> str | None:
        """The parameter of ``P @ v`` or of ``P``."""
        head = term.arguments[0] if isinstance(term, Call) and term.operation == "matmul" else term
        if not isinstance(head, Reference) or head.indices or head.name not in self.given:
            return None
        return head.name if len(self.shapes[head.name]) == (2 if isinstance(term, Call) else 1) else None

    def _group(self, found: Sequence[Statement]) -> Statement:
        first = found[0]
        group = self._packed([s.name for s in found])
        rows = [_terms(s.right) for s in found]
        terms: list[Expression] = []
        columns: list[tuple[Expression, ...]] = list(zip(*rows, strict=True))
        for column in columns:
            names = [self._parameter(t) or "" for t in column]
            whole = self.of[names[0]] if names[0] in self.of else self._packed(names)
            if whole.members != names:
                whole = self._packed(names)
            if not any(s.name == whole.name for s in self.new):
                stack = Call(STACKED, tuple(Reference(n) for n in names))
                self.new.append(Statement(whole.name, (), (), stack, None))
            head, one = Reference(whole.name), column[0]
            if isinstance(one, Call):
                terms.append(Call("matmul", (head, one.arguments[1])))
            else:
                terms.append(head)
        right: Expression = terms[0] if len(terms) == 1 else Call("add", tuple(terms))
        return Statement(group.name, first.indices, first.loops, right, first.origin)

    def _packed(self, names: Sequence[str]) -> Group:
        """A group of families (or parameters) one behind the other, and that of their derivatives."""
        ends = [0]
        for name in names:
            ends.append(ends[-1] + self.shapes[name][0])
        parts = list(pairwise(ends))
        stem = _common(names).rstrip("_ ") or names[0]
        group = Group(self._free(f"{stem} all"), names, parts, ends[-1])
        below = Group(self._free(f"{derivative_name(self.target, stem)} all"),
                      [_derived(self.target, n) for n in names], parts, ends[-1])  # fmt: skip
        rest = self.shapes[names[0]][1:]
        for item in (group, below):
            self.shapes[item.name] = (ends[-1], *rest)
            self.groups.append(item)
            for name in item.members:
                self.of[name] = item
        return group

    def _free(self, name: str) -> str:
        word, count = name, 1
        while word in self.shapes:
            count += 1
            word = f"{name} {count}"
        return word

    # -- what reads and writes packed families

    def _rewritten(self, statement: Statement) -> Statement:
        group = self.of.get(statement.name) if statement.name not in self.given else None
        right = self._right(statement.right)
        if group is not None and is_derivative(statement.name) and statement.indices:
            part = group.parts[statement.name]
            return Statement(group.name, statement.indices, statement.loops, right, statement.origin, part)
        if group is not None and group.name in self.joint:
            right = Call(ROWS, (Reference(group.name), *map(Number, group.parts[statement.name])))
            return Statement(statement.name, (), (), right, None)
        return Statement(statement.name, statement.indices, statement.loops, right, statement.origin, statement.part)

    def _right(self, expression: Expression) -> Expression:
        """An expression with products added up where all members of a group have one, and parts elsewhere."""

        def change(node: Expression) -> Expression:
            if isinstance(node, Call) and node.operation == "add":
                return self._added(node)
            return node

        joined = transform(expression, change)

        def parts(node: Expression) -> Expression:
            whole = isinstance(node, Reference) and (node.indices or node.name in self.gone)
            return self.part(node) if whole and isinstance(node, Reference) else node

        return transform(joined, parts)

    def part(self, node: Reference) -> Expression:
        """A member of a packed family as a part of the whole; others as they are."""
        group = self.of.get(node.name)
        if group is None:
            return node
        return Call(ROWS, (Reference(group.name, node.indices), *map(Number, group.parts[node.name])))

    def _added(self, node: Call) -> Expression:
        """``Σ U_k.T @ g_k[i]`` over a whole group as one product."""
        terms = list(node.arguments)
        found: dict[tuple[object, ...], list[int]] = {}
        for at, term in enumerate(terms):
            pair = self._pulled(term)
            if pair is not None:
                matrix, vector = pair
                found.setdefault((self.of[matrix].name, self.of[vector.name].name, vector.indices), []).append(at)
        for (matrices, vectors, indices), places in found.items():
            group = next(g for g in self.groups if g.name == vectors)
            names = {self._pulled(terms[p])[1].name for p in places if terms[p] is not None}  # type: ignore[index]
            if names != set(group.members) or len(places) != len(group.members):
                continue
            whole = Reference(str(vectors), indices)  # type: ignore[arg-type]
            product = Call("matmul", (Call("transpose", (Reference(str(matrices)),)), whole))
            for p in places[1:]:
                terms[p] = build.ZERO
            terms[places[0]] = product
        left = [t for t in terms if not build.is_zero(t)]
        return left[0] if len(left) == 1 else Call("add", tuple(left))

    def _pulled(self, term: Expression | None) -> tuple[str, Reference] | None:
        """``U_k.T @ g_k[i]`` with both packed, in the same place of their groups."""
        if not isinstance(term, Call) or term.operation != "matmul":
            return None
        left, right = term.arguments
        if not isinstance(left, Call) or left.operation != "transpose" or not isinstance(right, Reference):
            return None
        (inner,) = left.arguments
        if not isinstance(inner, Reference) or inner.name not in self.of:
            return None
        if right.name not in self.of or not right.indices:  # a derivative without an index is no part of another
            return None
        one, other = self.of[inner.name], self.of[right.name]
        return (inner.name, right) if one.parts[inner.name] == other.parts[right.name] else None

    def _gradients(self, statements: Sequence[Statement]) -> dict[str, Statement]:
        """``∂U = Σ outer(∂z[t], v)`` for the parameter groups whose members all have that form, by the group's name."""
        found: dict[str, Statement] = {}
        by_name: dict[str, list[Statement]] = {}
        for statement in statements:
            by_name.setdefault(statement.name, []).append(statement)
        for group in self.groups:
            rights = [self._only(by_name.get(name, [])) for name in group.members]
            if not is_derivative(group.name) or not all(rights):
                continue
            wholes = [transform(r.right, self._whole) for r in rights if r is not None]
            first = rights[0]
            assert first is not None
            changed = wholes[0] != first.right and all(w == wholes[0] for w in wholes)
            if changed and loose_shape(wholes[0], self.shapes, self.operations) == self.shapes[group.name]:
                found[group.name] = Statement(group.name, (), (), wholes[0], first.origin)
        return found

    def _only(self, statements: Sequence[Statement]) -> Statement | None:
        """The one statement of a family without indices."""
        return statements[0] if len(statements) == 1 and not statements[0].indices else None

    def _whole(self, node: Expression) -> Expression:
        """A packed family in place of one of its members."""
        group = self.of.get(node.name) if isinstance(node, Reference) and node.indices else None
        return Reference(group.name, node.indices) if group is not None and isinstance(node, Reference) else node


def _by_use(found: Sequence[Statement], statements: Sequence[Statement]) -> list[Statement]:
    """Those first to which one function is applied, then those of the next: what is computed alike lies together."""
    uses: dict[str, str] = {}
    for statement in statements:
        right = statement.right
        if isinstance(right, Call) and len(right.arguments) == 1 and isinstance(right.arguments[0], Reference):
            uses.setdefault(right.arguments[0].name, right.operation)
    first = [uses.get(s.name, "") for s in found]
    return sorted(found, key=lambda s: first.index(uses.get(s.name, "")))


def _terms(expression: Expression) -> tuple[Expression, ...]:
    if isinstance(expression, Call) and expression.operation == "add":
        return expression.arguments
    return (expression,)


def _common(names: Sequence[str]) -> str:
    """What all names begin with."""
    first, last = min(names), max(names)
    for at, (a, b) in enumerate(zip(first, last, strict=False)):
        if a != b:
            return first[:at]
    return first


def _derived(target: str, label: str) -> str:
    """The label of the derivative by a labelled family: ``∂⁺E/∂z[2,·]``."""
    name, bracket, rest = label.partition("[")
    return derivative_name(target, name) + bracket + rest


__all__ = ["ROWS", "STACKED", "Packer"]
