"""Statements that say all that an array program needs: 0 for what is read and is not there, and whole arrays where an
equation states less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.catalogues import message
from bptt_solver.compile.canonical import variables
from bptt_solver.compile.forms import FILLED
from bptt_solver.compile.schedule import Scheduler, reads
from bptt_solver.compile.statements import Label, NotCompiled, Statement
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Number, is_derivative, transform
from bptt_solver.system import System, loose_shape

Box = tuple[tuple[int, int], ...]


def present(statements: Sequence[Statement], labels: Mapping[str, Label], system: System) -> list[Statement]:
    """The statements with 0 for derivatives that are read but that no path leads to. Raises NotCompiled where only
    some of those that are read at once are there."""
    scheduler = Scheduler(system, statements)
    boxes: dict[str, list[Box]] = {}
    for s in statements:
        boxes.setdefault(s.name, []).append(scheduler.box(s.indices, {loop.variable: loop for loop in s.loops}))
    result: list[Statement] = []
    for s in statements:
        there: dict[Expression, bool] = {}
        for reference, loops, _ in reads(s, system):
            if not is_derivative(labels[reference.name][0]):
                continue
            box = scheduler.box(reference.indices, loops)
            found = sum(_count(_common(box, other)) for other in boxes.get(reference.name, ()))
            if found not in (0, _count(box)) or there.setdefault(reference, found > 0) != (found > 0):
                raise NotCompiled(message("compile.some", name=reference.name))
        gone: dict[Expression, Expression] = {node: build.ZERO for node, kept in there.items() if not kept}
        result.append(_with(s, _without(s.right, gone)) if gone else s)
    return result


def _without(expression: Expression, gone: Mapping[Expression, Expression]) -> Expression:
    return build.rebuild(transform(expression, lambda node: gone.get(node, node)))


def _with(statement: Statement, right: Expression) -> Statement:
    s = statement
    return Statement(s.name, s.indices, s.loops, right, s.origin, s.part)


def _common(one: Box, other: Box) -> Box:
    """What lies in two boxes; an empty side where they are apart."""
    return tuple((max(a, c), max(min(b, d), max(a, c) - 1)) for (a, b), (c, d) in zip(one, other, strict=True))


def _count(box: Box) -> int:
    count = 1
    for low, high in box:
        count *= high - low + 1
    return count


def filled(
    statements: Sequence[Statement],
    given: Mapping[str, Box],
    shapes: Mapping[str, tuple[int, ...]],
    system: System,
) -> list[Statement]:
    """The statements with arrays on the right where these compute less than there is on the left: a number for an array
    of it, one member for a whole family. A family that is computed in several places, or in part given, is an array
    anyway, which is filled."""
    counts: dict[str, int] = {}
    written = {s.name: s.indices for s in statements}
    for s in statements:
        counts[s.name] = counts.get(s.name, 0) + 1
    read = [reference for s in statements for reference, _, _ in reads(s, system)]
    arrays = {*given, *(r.name for r in read if r.indices != written.get(r.name))}
    result: list[Statement] = []
    for s in statements:
        shape = shapes.get(s.name, ())
        if (counts[s.name] == 1 and s.name not in given) or s.name not in arrays:
            free = variables(s.right, system.sizes)
            less = any(loop.variable not in free for loop in s.loops if loop.first < loop.last)
            if less or (shape and loose_shape(s.right, shapes, system.operations) == ()):
                result.append(_with(s, Call(FILLED, (s.right, *map(Number, shape)))))
                continue
        result.append(s)
    return result
