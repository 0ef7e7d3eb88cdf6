"""From a problem to a program over arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bptt_solver.chain_rule import differentiate
from bptt_solver.compile.batch import batched
from bptt_solver.compile.canonical import Canonical
from bptt_solver.compile.hoist import Hoister
from bptt_solver.compile.pack import Packer
from bptt_solver.compile.schedule import Scheduler, reads
from bptt_solver.compile.source import Box, Source
from bptt_solver.compile.statements import Dimensions, NotCompiled, Specialiser, Statement
from bptt_solver.language.expressions import IndexValue, derivative_name, derivative_parts, is_derivative
from bptt_solver.language.expressions import Number, Reference, transform
from bptt_solver.language import build
from bptt_solver.problem.problem import Problem
from bptt_solver.system import System, loose_shape
from bptt_solver.unfold import instance_text


class Compiled:
    """A program: ``source`` is what runs, ``run(given)`` gives the outputs by label."""

    def __init__(self, source: str, labels: Mapping[str, Any], outputs: Sequence[str]) -> None:
        self.source = source
        self.labels = labels
        self.outputs = outputs


def compile_problem(problem: Problem, wanted: Sequence[str] | None = None, batch: int = 0) -> Compiled:
    """The program for a problem's target and the derivatives of the families ``wanted`` (default: the wanted ones).
    Raises NotCompiled."""
    forward, target = problem.system, problem.target
    shapes = {key: tuple(problem.shapes.get(n) or ()) for n, key in enumerate(problem.unfolded.keys)}
    given_keys = list(problem.given)
    if batch:
        data = [n for n, role in forward.roles.items() if role == "data"]
        forward, target = batched(forward, target, data, batch)
        moved = {e.name for e in forward.equations if e.ranges and e.ranges[-1].variable == "n"} | set(data)
        shapes = {(n, (*i, 1) if n in moved else i): shape for (n, i), shape in shapes.items()}
        given_keys = [(n, (*i, b)) for n, i in given_keys if n in moved for b in (1, batch)] + [k for k in given_keys if k[0] not in moved]
    system = differentiate(forward, target)
    specialiser = Specialiser(system, Dimensions(system, shapes))
    specialiser.run()
    text = instance_text((target.name, tuple(system.index(i, {}) for i in target.indices)))
    names = list(dict.fromkeys(wanted if wanted is not None else [k[0] for k in problem.wanted()]))
    given = _boxes(specialiser, given_keys, batch)
    statements = Canonical(specialiser).statements()
    outputs = _outputs(specialiser, statements, target.name, text, names)
    statements = _live(_constants(statements, outputs), outputs, system)
    members = _members(specialiser, statements, shapes, system)
    statements = Packer(list(given), members, text).pack(statements)
    statements = _hoisted(system, statements)
    nodes = Scheduler(system, statements).schedule()
    _complete(members, statements, system)
    source = Source(system, nodes, given, members, outputs).text()
    return Compiled(source, specialiser.labels, outputs)


def _boxes(specialiser: Specialiser, keys: Sequence[Any], batch: int) -> dict[str, Box]:
    """What is given, by label: the box of the indices that stay."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for name, indices in keys:
        kept = specialiser.kept(name)
        label = specialiser.label(name, [None if k else i for k, i in zip(kept, indices, strict=True)])
        found.setdefault(label, []).append(tuple(i for k, i in zip(kept, indices, strict=True) if k))
    boxes: dict[str, Box] = {}
    for label, members in found.items():
        box = tuple((min(m[k] for m in members), max(m[k] for m in members)) for k in range(len(members[0])))
        count = 1
        for low, high in box:
            count *= high - low + 1
        if count != len(members) and not batch:
            raise NotCompiled(f"{label} is not given for all indices between the first and the last")
        boxes[label] = box
    return boxes


def _outputs(
    specialiser: Specialiser, statements: Sequence[Statement], value: str, target: str, names: Sequence[str]
) -> list[str]:
    """The labels of the target and of the wanted derivatives."""
    wanted = {derivative_name(target, name) for name in names}
    labels = dict.fromkeys(s.name for s in statements)
    found = [label for label in labels if specialiser.labels[label][0] in wanted]
    values = [label for label in labels if specialiser.labels[label][0] == value]
    return [*values, *found]


def _constants(statements: Sequence[Statement], outputs: Sequence[str]) -> list[Statement]:
    """Statements without the families that are one number everywhere (∂⁺E/∂e[t] = 1)."""
    numbers: dict[str, list[Number | None]] = {}
    for s in statements:
        numbers.setdefault(s.name, []).append(s.right if isinstance(s.right, Number) else None)
    same = {n: v[0] for n, v in numbers.items() if is_derivative(n) and v[0] is not None and all(x == v[0] for x in v)}

    def change(node: Any) -> Any:
        return same.get(node.name, node) if isinstance(node, Reference) else node

    kept = [s for s in statements if s.name not in same or s.name in outputs]
    return [
        Statement(s.name, s.indices, s.loops, build.rebuild(transform(s.right, change)), s.origin, s.part) for s in kept
    ]  # fmt: skip


def _live(statements: Sequence[Statement], outputs: Sequence[str], system: System) -> list[Statement]:
    """The statements on which an output depends."""
    edges = Scheduler(system, statements).edges(statements, frozenset())
    above: dict[int, list[int]] = {}
    for edge in edges:
        above.setdefault(edge.reader, []).append(edge.writer)
    pending = [at for at, s in enumerate(statements) if s.name in outputs]
    seen = set(pending)
    while pending:
        for at in above.get(pending.pop(), ()):
            if at not in seen:
                seen.add(at)
                pending.append(at)
    return [s for at, s in enumerate(statements) if at in seen]


def _hoisted(system: System, statements: Sequence[Statement]) -> list[Statement]:
    """The invariant parts of recurrences as statements of their own."""
    scheduler = Scheduler(system, statements)
    edges = scheduler.edges(statements, frozenset())
    hoister = Hoister(system, [s.name for s in statements])
    result: dict[int, Statement] = dict(enumerate(statements))
    for members in scheduler.components(statements, edges):
        if any(e.writer in members and e.reader in members for e in edges):
            changed = hoister.hoist([statements[m] for m in members])
            result.update(zip(members, changed, strict=True))
    return [*hoister.new(), *result.values()]


def _members(
    specialiser: Specialiser, statements: Sequence[Statement], shapes: Mapping[Any, tuple[int, ...]], system: System
) -> dict[str, tuple[int, ...]]:
    """The shape of one member, by label."""
    found: dict[str, tuple[int, ...]] = {}
    for (name, indices), shape in shapes.items():
        kept = specialiser.kept(name)
        label = specialiser.label(name, [None if k else i for k, i in zip(kept, indices, strict=True)])
        found[label] = shape
    for label, (name, fixed) in list(specialiser.labels.items()):
        if is_derivative(name) and label not in found:
            from bptt_solver.compile.statements import label_text

            base = label_text((derivative_parts(name)[1], fixed))
            found[label] = found.get(base, ())
    return found


def _complete(members: dict[str, tuple[int, ...]], statements: Sequence[Statement], system: System) -> None:
    """The shapes of what was made on the way."""
    for statement in statements:
        if statement.name not in members:
            shape = loose_shape(statement.right, members, system.operations)
            members[statement.name] = tuple(n or 0 for n in shape or ())


__all__ = ["Compiled", "IndexValue", "compile_problem", "reads"]
