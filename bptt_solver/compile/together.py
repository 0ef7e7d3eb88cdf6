"""The same function of several parts of a packed vector as one: ``sigmoid`` of three gates that lie side by side.

What was ``i[t] = sigmoid(part of z all[t])`` and ``f[t] = sigmoid(next part of z all[t])`` becomes one statement for
both; ``i[t]`` and ``f[t]`` are parts of its result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.compile.pack import ROWS
from bptt_solver.compile.statements import Statement
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Number, Reference, transform
from bptt_solver.language.operations import Operations

Part = tuple[int, int]


def together(
    statements: Sequence[Statement],
    shapes: dict[str, tuple[int, ...]],
    operations: Operations,
    fixed: Sequence[str],
) -> tuple[list[Statement], dict[str, list[Equation]], dict[tuple[str, int, int], str]]:
    """The statements with one in place of several that apply a function of one argument to parts that lie side by
    side, the equations of each such one, by its name, and what its parts were called. ``fixed`` are families that have
    to stay (what is given, what goes out). ``shapes`` gets the shapes of what is new."""
    writers: dict[str, int] = {}
    for statement in statements:
        writers[statement.name] = writers.get(statement.name, 0) + 1
    alike: dict[tuple[object, ...], list[tuple[Part, Statement]]] = {}
    for statement in statements:
        found = _applied(statement, operations)
        if found is not None and writers[statement.name] == 1 and statement.name not in fixed:
            alike.setdefault(found[0], []).append((found[1], statement))
    joined: dict[int, Statement | None] = {}
    moved: dict[str, tuple[str, Part]] = {}
    told: dict[str, list[Equation]] = {}
    for members in alike.values():
        for run in _runs(members):
            whole = _whole(run, shapes)
            start = run[0][0][0]
            told[whole.name] = [s.origin for _, s in run if s.origin is not None]
            for place, (part, statement) in enumerate(run):
                joined[id(statement)] = whole if place == 0 else None
                moved[statement.name] = whole.name, (part[0] - start, part[1] - start)
    kept = [joined.get(id(s), s) for s in statements]
    parts = {(whole, *part): name for name, (whole, part) in moved.items()}
    return [_reading(s, moved) for s in kept if s is not None], told, parts


def _applied(statement: Statement, operations: Operations) -> tuple[tuple[object, ...], Part] | None:
    """What has to be the same of ``f(part)``, and the part."""
    right = statement.right
    if statement.part is not None or not isinstance(right, Call) or len(right.arguments) != 1:
        return None
    operation, (inner,) = operations.find(right.operation), right.arguments
    if operation is None or operation.kind != "elementwise" or not isinstance(inner, Call) or inner.operation != ROWS:
        return None
    whole, first, after = inner.arguments
    assert isinstance(first, Number) and isinstance(after, Number)
    loops = tuple((o.variable, o.first, o.last) for o in statement.loops)
    return (right.operation, whole, statement.indices, loops), (int(first.value), int(after.value))


def _runs(members: Sequence[tuple[Part, Statement]]) -> list[list[tuple[Part, Statement]]]:
    """Those that lie side by side."""
    found: list[list[tuple[Part, Statement]]] = []
    for item in sorted(members, key=lambda m: m[0]):
        if found and found[-1][-1][0][1] == item[0][0]:
            found[-1].append(item)
        else:
            found.append([item])
    return [run for run in found if len(run) > 1]


def _whole(run: Sequence[tuple[Part, Statement]], shapes: dict[str, tuple[int, ...]]) -> Statement:
    first = run[0][1]
    assert isinstance(first.right, Call) and isinstance(first.right.arguments[0], Call)
    name, count = " ".join(s.name for _, s in run), 1
    while name in shapes:
        count += 1
        name = f"{' '.join(s.name for _, s in run)} {count}"
    low, after = run[0][0][0], run[-1][0][1]
    shapes[name] = (after - low,)
    part = Call(ROWS, (first.right.arguments[0].arguments[0], Number(low), Number(after)))
    return Statement(name, first.indices, first.loops, Call(first.right.operation, (part,)), first.origin)


def _reading(statement: Statement, moved: Mapping[str, tuple[str, Part]]) -> Statement:
    def change(node: Expression) -> Expression:
        if not isinstance(node, Reference) or node.name not in moved:
            return node
        name, part = moved[node.name]
        return Call(ROWS, (Reference(name, node.indices), *map(Number, part)))

    right = transform(statement.right, change)
    return Statement(statement.name, statement.indices, statement.loops, right, statement.origin, statement.part)
