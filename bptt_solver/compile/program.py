"""From a frame to a program over arrays: the passes of the compiler, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from bptt_solver.catalogues import message
from bptt_solver.chain_rule import differentiate
from bptt_solver.compile.backends import Function, native, on_one_thread, over_numpy, threads_for
from bptt_solver.compile.canonical import Canonical
from bptt_solver.compile.code import Told
from bptt_solver.compile.dialects import dialect_of
from bptt_solver.compile.emit import source_for
from bptt_solver.compile.factors import Key, written_in
from bptt_solver.compile.frame import Box, Frame, Shape
from bptt_solver.compile.hoist import Hoister
from bptt_solver.compile.pack import ROWS, Packer
from bptt_solver.compile.schedule import Node, Recurrence, Scheduler
from bptt_solver.compile.source import statements as statements_of
from bptt_solver.compile.statements import Dimensions, Label, NotCompiled, Specialiser, Statement, calls, label_text
from bptt_solver.compile.together import together
from bptt_solver.compile.whole import filled, present
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
    Expression,
    Number,
    Reference,
    derivative_name,
    derivative_parts,
    is_derivative,
    preorder,
    transform,
)
from bptt_solver.system import System, loose_shape
from bptt_solver.unfold import instance_text


class Compiled:
    """A program. ``source`` is the text of what runs; ``inputs`` and ``outputs`` are labels, the texts under which
    arrays go in and come out, each with its family and the indices that are fixed in it, and where its other indices
    begin and end. ``dialect`` is the library that it is written for."""

    __slots__ = ("dialect", "inputs", "labels", "outputs", "source", "work")

    def __init__(
        self,
        source: str,
        labels: Mapping[str, Label],
        inputs: Mapping[str, Box],
        outputs: Mapping[str, Box],
        dialect: str = "numpy",
        work: int = 0,
    ) -> None:
        self.source = source
        self.work = work  # multiplications of the largest product inside a loop
        self.dialect = dialect
        self.labels = labels
        self.inputs = inputs
        self.outputs = outputs

    @property
    def threads(self) -> int:
        """How many threads the products get: 1 where a loop has products so small that starting a second thread for
        each costs what it saves (`bptt_solver.compile.backends.threads_for`), and 0 where the library decides."""
        return threads_for(self.work) if self.dialect == "numpy" else 0

    def load(self, dtype: str = "float64") -> Function:
        """The program as a function from the library's arrays by label to such. Raises NotCompiled where the library
        is not installed."""
        return native(self.source, self.dialect, dtype)

    def over_numpy(self, dtype: str = "float64", device: str | None = None) -> Function:
        """The program as a function from NumPy arrays by label to such, whatever the library."""
        function = over_numpy(self.source, self.dialect, dtype, device)
        return on_one_thread(function) if self.threads == 1 else function


def compile_frame(frame: Frame, values: Sequence[str], derivatives: Sequence[str], dialect: str = "numpy") -> Compiled:
    """The program that computes the target, the values of the families ``values`` and the ordered derivatives by the
    families ``derivatives``, for a library (`bptt_solver.compile.dialects.NAMES`). Raises NotCompiled."""
    target = instance_text((frame.target.name, tuple(frame.system.index(i, {}) for i in frame.target.indices)))
    system = differentiate(frame.system, frame.target) if derivatives else frame.system
    specialiser = Specialiser(system, Dimensions(system, frame.members))
    specialiser.run()
    given = _given(specialiser, frame)
    statements = present(Canonical(specialiser).statements(), specialiser.labels, system)
    wanted = {frame.target.name, *values, *(derivative_name(target, name) for name in derivatives)}
    outputs = [n for n in dict.fromkeys(s.name for s in statements) if specialiser.labels[n][0] in wanted]
    shapes = _shapes(specialiser, frame)
    statements = filled(_live(_constants(statements, outputs), outputs, system), given, shapes, system)
    packer = Packer(list(given), shapes, target, system.operations)
    origins = {s.name: s.origin for s in statements}
    statements = _unpacked(packer, packer.pack(statements), statements, outputs)
    statements, joined, parts = together(statements, shapes, system.operations, [*given, *outputs])
    statements, inside = _hoisted(system, statements, outputs, dialect_of(dialect).hoists_entries)
    told = Told(_packed(packer, origins) | joined, inside, parts | _parts(packer))
    nodes = Scheduler(system, statements).schedule()
    _complete(shapes, statements, system)
    source = source_for(dialect, system, nodes, given, shapes, outputs, told)
    text = source.text()
    boxes = {
        n: tuple((s, s + e - 1) for s, e in zip(h.starts, h.extents, strict=True)) for n, h in source.storage.items()
    }
    labels = specialiser.labels
    inputs = {n: given[n] for n in source.given}
    return Compiled(text, labels, inputs, {n: boxes[n] for n in outputs}, dialect, _work(nodes, shapes))


def _unpacked(
    packer: Packer, packed: Sequence[Statement], statements: Sequence[Statement], outputs: Sequence[str]
) -> list[Statement]:
    """The packed statements, and behind them those outputs that have become parts of others, as parts."""
    there = {s.name for s in packed}
    parts = [
        Statement(s.name, s.indices, s.loops, packer.part(Reference(s.name, s.indices)), s.origin)
        for s in statements
        if s.name in outputs and s.name not in there
    ]
    return [*packed, *parts]


def _work(nodes: Sequence[Node], shapes: Mapping[str, Shape]) -> int:
    """The multiplications of the largest product of a matrix and vectors in a turn of a loop."""
    most = 0
    for node in nodes:
        if not isinstance(node, Recurrence):
            continue
        for statement in statements_of([node]):
            vectors = 1
            for loop in statement.loops:
                vectors *= 1 if loop.variable == node.variable else loop.last - loop.first + 1
            for call in calls(statement.right):
                names = [n.name for n in preorder(call.arguments[0]) if isinstance(n, Reference)]
                if call.operation == "matmul" and names and len(shapes.get(names[0], ())) == 2:
                    most = max(most, vectors * shapes[names[0]][0] * shapes[names[0]][1])
    return most


def _packed(packer: Packer, origins: Mapping[str, Equation | None]) -> dict[str, list[Equation]]:
    """The equations of the families that were packed into one, by its name."""
    found = {group.name: [origins.get(member) for member in group.members] for group in packer.groups}
    return {name: [e for e in equations if e is not None] for name, equations in found.items()}


def _parts(packer: Packer) -> dict[tuple[str, int, int], str]:
    """What the parts of packed families are called."""
    return {(group.name, *part): member for group in packer.groups for member, part in group.parts.items()}


def _given(specialiser: Specialiser, frame: Frame) -> dict[str, Box]:
    """What is given, by label: the box of the indices that stay."""
    found: dict[str, list[Box]] = {}
    for name, boxes in frame.given.items():
        kept = specialiser.kept(name)
        for box in boxes:
            fixed = [range(low, high + 1) if not keep else (None,) for keep, (low, high) in zip(kept, box, strict=True)]
            for values in product(*fixed):
                rest = tuple(ends for keep, ends in zip(kept, box, strict=True) if keep)
                found.setdefault(specialiser.label(name, values), []).append(rest)
    return {label: _joined(label, boxes) for label, boxes in found.items()}


def _joined(label: str, boxes: Sequence[Box]) -> Box:
    """One box of several that lie side by side."""
    whole = tuple((min(b[k][0] for b in boxes), max(b[k][1] for b in boxes)) for k in range(len(boxes[0])))
    if sum(_count(b) for b in boxes) != _count(whole):
        raise NotCompiled(message("compile.holes", name=label))
    return whole


def _count(box: Box) -> int:
    count = 1
    for low, high in box:
        count *= high - low + 1
    return count


def _shapes(specialiser: Specialiser, frame: Frame) -> dict[str, Shape]:
    """The shape of one member, by label; a derivative has the shape of what it belongs to."""
    found: dict[str, Shape] = {}
    for (name, indices), shape in frame.members.items():
        kept = specialiser.kept(name)
        found[specialiser.label(name, [None if k else i for k, i in zip(kept, indices, strict=True)])] = shape
    for label, (name, fixed) in list(specialiser.labels.items()):
        if is_derivative(name) and label not in found:
            found[label] = found.get(label_text((derivative_parts(name)[1], fixed)), ())
    return found


def _constants(statements: Sequence[Statement], outputs: Sequence[str]) -> list[Statement]:
    """The statements without the families that are one number everywhere (∂⁺E/∂e[t] = 1)."""
    numbers: dict[str, list[Number | None]] = {}
    for s in statements:
        numbers.setdefault(s.name, []).append(s.right if isinstance(s.right, Number) else None)
    same: dict[str, Number] = {}
    for name, found in numbers.items():
        first = found[0]
        if is_derivative(name) and first is not None and all(other == first for other in found):
            same[name] = first

    def change(node: Expression) -> Expression:
        return same.get(node.name, node) if isinstance(node, Reference) else node

    return [
        Statement(s.name, s.indices, s.loops, build.rebuild(transform(s.right, change)), s.origin, s.part)
        for s in statements
        if s.name not in same or s.name in outputs
    ]


def _live(statements: Sequence[Statement], outputs: Sequence[str], system: System) -> list[Statement]:
    """The statements on which an output depends."""
    above: dict[int, list[int]] = {}
    for edge in Scheduler(system, statements).edges(statements, frozenset()):
        above.setdefault(edge.reader, []).append(edge.writer)
    pending = [at for at, s in enumerate(statements) if s.name in outputs]
    seen = dict.fromkeys(pending)
    while pending:
        for at in above.get(pending.pop(), ()):
            if at not in seen:
                seen[at] = None
                pending.append(at)
    return [s for at, s in enumerate(statements) if at in seen]


def _hoisted(
    system: System, statements: Sequence[Statement], outputs: Sequence[str], entries: bool
) -> tuple[list[Statement], dict[Key, list[Equation]]]:
    """The invariant parts of recurrences as statements of their own; and the equations that are written into others."""
    scheduler = Scheduler(system, statements)
    edges = scheduler.edges(statements, frozenset())
    hoister = Hoister(system, [s.name for s in statements], entries)
    result = dict(enumerate(statements))
    told: dict[Key, list[Equation]] = {}
    for members in scheduler.components(statements, edges):
        if any(e.writer in members and e.reader in members for e in edges):
            own, found = written_in(statements, members, outputs)
            told.update(found)
            for at in members:
                del result[at]
            result.update(zip(own, hoister.hoist(list(own.values())), strict=True))
    return [*hoister.new(), *(result[at] for at in sorted(result))], told


def _complete(shapes: dict[str, Shape], statements: Sequence[Statement], system: System) -> None:
    """The shapes of what was made on the way."""
    parts: dict[str, Shape] = {}

    def change(node: Expression) -> Expression:
        if not isinstance(node, Call) or node.operation != ROWS:
            return node
        whole, first, after = node.arguments
        assert isinstance(whole, Reference) and isinstance(first, Number) and isinstance(after, Number)
        name = f"{whole.name} {first.value}:{after.value}"
        parts[name] = (int(after.value) - int(first.value), *shapes[whole.name][1:])
        return Reference(name)

    for statement in statements:
        if statement.name not in shapes:
            right = transform(statement.right, change)
            shape = loose_shape(right, {**shapes, **parts}, system.operations)
            shapes[statement.name] = tuple(n or 0 for n in shape or ())


__all__ = ["Compiled", "compile_frame"]
