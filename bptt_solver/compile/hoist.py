"""What a recurrence computes from things outside of it, taken out: an operation over all of time before the loop."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.compile.canonical import variables
from bptt_solver.compile.pack import ROWS
from bptt_solver.compile.statements import Loop, Statement
from bptt_solver.language.expressions import Call, Expression, Index, Number, Reference, Sum, preorder
from bptt_solver.system import System

_JOINING = ("matmul", "outer", "dot", "sum", "mean", "softmax", "log_softmax", "logsumexp")
_COMMUTE = ("add", "mul")  # operations whose operands may be grouped


class Hoister:
    """Makes statements for the invariant parts of recurrences. Equal parts are computed once."""

    def __init__(self, system: System, taken: Sequence[str], entries: bool = True) -> None:
        """``entries``: whether what is computed entry by entry is taken out as well. Where a compiler makes one pass of
        it inside the loop, an array of all times only costs memory."""
        self.entries = entries
        self.system = system
        self.taken = set(taken)
        self.made: dict[tuple[Expression, tuple[str, ...]], list[Statement]] = {}

    def hoist(self, statements: Sequence[Statement]) -> list[Statement]:
        """The statements of one recurrence with references to new ones (`Hoister.made`) for their invariant parts."""
        inside = {s.name for s in statements}
        return [self._statement(s, inside) for s in statements]

    def new(self) -> list[Statement]:
        """The new statements."""
        return [s for found in self.made.values() for s in found]

    def _statement(self, statement: Statement, inside: set[str]) -> Statement:
        right = self._taken_out(statement.right, statement, inside)
        if right is statement.right:
            return statement
        return Statement(statement.name, statement.indices, statement.loops, right, statement.origin, statement.part)

    def _taken_out(self, node: Expression, statement: Statement, inside: set[str]) -> Expression:
        if _invariant(node, inside):
            return self._named(node, statement) if self._worth(node, statement) else node
        if not isinstance(node, Call):
            return node
        if node.operation in _COMMUTE:
            still = [a for a in node.arguments if _invariant(a, inside)]
            moving = [a for a in node.arguments if not _invariant(a, inside)]
            if len(still) > 1 or (still and self._worth(still[0], statement)):
                group = still[0] if len(still) == 1 else Call(node.operation, tuple(still))
                named = self._named(group, statement) if self._worth(group, statement) else group
                rest = [self._taken_out(a, statement, inside) for a in moving]
                return Call(node.operation, (named, *rest))
        changed = tuple(self._taken_out(a, statement, inside) for a in node.arguments)
        return (
            node if all(a is b for a, b in zip(changed, node.arguments, strict=True)) else Call(node.operation, changed)
        )

    def _worth(self, node: Expression, statement: Statement) -> bool:
        """Whether a part is an operation that differs from time to time; ``W.T`` is as good inside."""
        if not isinstance(node, Call):
            return isinstance(node, Sum)
        if node.operation == ROWS:
            return False
        if not self.entries and not any(_joins(inner) for inner in preorder(node)):
            return False
        free = variables(node, self.system.sizes)
        return bool(free) and any(loop.variable in free for loop in statement.loops)

    def _named(self, node: Expression, statement: Statement) -> Expression:
        """A reference to the statement that computes a part."""
        free = variables(node, self.system.sizes)
        loops = tuple(loop for loop in statement.loops if loop.variable in free)
        indices = tuple(Index.variable(loop.variable) for loop in loops)
        key = (node, tuple(loop.variable for loop in loops))
        found = self.made.setdefault(key, [])
        for at, known in enumerate(found):
            joined = [_joined(a, b) for a, b in zip(known.loops, loops, strict=True)]
            if all(j is not None for j in joined):
                found[at] = Statement(
                    known.name, indices, tuple(j for j in joined if j is not None), node, known.origin
                )  # fmt: skip
                return Reference(known.name, indices)
        name = self._name(statement.name)
        found.append(Statement(name, indices, loops, node, statement.origin))
        return Reference(name, indices)

    def _name(self, of: str) -> str:
        count = 0
        while (name := f"{of} part{count or ''}") in self.taken:
            count += 1
        self.taken.add(name)
        return name


def _joins(node: Expression) -> bool:
    """Whether entries are computed from several others: products of matrices, sums."""
    return isinstance(node, Sum) or (isinstance(node, Call) and node.operation in _JOINING)


def _joined(a: Loop, b: Loop) -> Loop | None:
    """The loop over both, if nothing lies between."""
    if max(a.first, b.first) > min(a.last, b.last) + 1:
        return None
    low, first = (a.low, a.first) if a.first <= b.first else (b.low, b.first)
    high, last = (a.high, a.last) if a.last >= b.last else (b.high, b.last)
    return Loop(a.variable, low, high, first, last)


def _invariant(node: Expression, inside: set[str]) -> bool:
    return not isinstance(node, Number) and not any(
        isinstance(inner, Reference) and inner.name in inside for inner in preorder(node)
    )
