"""Graphs without a loop structure, level by level: what has one form and the same depth is one array operation.

Every instance gets a level, one more than the highest that it reads. The summands of a level that share a template are
computed together: their operands are gathered from arrays (one array for each shape), the results are added to the rows
of their instances. A matrix that all of them read is not gathered; a sum into one instance is one product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bptt_solver.compile.codes import _UFUNCS, ATOM, Code, Writer
from bptt_solver.compile.helpers import Helpers
from bptt_solver.compile.statements import Loop, NotCompiled
from bptt_solver.instances import Ground, Unfolded
from bptt_solver.language.expressions import Index, Reference, Sum
from bptt_solver.language.slots import Slot
from bptt_solver.language.templates import Template
from bptt_solver.system import Instance, System

Shape = tuple[int, ...]
_EACH = "m"  # the axis over the members of a group


class Group:
    """Summands that are computed together: the rows of each operand, and of the instances that they are added to."""

    __slots__ = ("operands", "result", "shapes", "targets", "template")

    def __init__(self, template: Template, shapes: tuple[Shape, ...], result: Shape) -> None:
        self.template = template
        self.shapes = shapes
        self.result = result
        self.operands: list[list[int]] = [[] for _ in shapes]
        self.targets: list[int] = []


class _SlotWriter(Writer):
    """Writes a template: slots are operands, gathered or shared."""

    def __init__(
        self, system: System, helpers: Helpers, ranks: Sequence[int], shared: Sequence[bool], words: Sequence[str] = ()
    ) -> None:
        loop = Loop(_EACH, Index(1), Index(1), 1, 2)
        super().__init__(system, {}, {}, helpers, {_EACH: loop}, {}, False, lambda text, part, each=False: text)
        self.ranks = ranks
        self.shared = shared
        self.words = words

    def reference(self, node: Reference) -> Code:
        if not isinstance(node, Slot):
            raise NotCompiled(f"{node.name} in a template")
        return Code(self.words[node.at] if self.words else f"s{node.at}", () if self.shared[node.at] else (_EACH,), self.ranks[node.at])


class Levels:
    """An unfolded system as groups of summands, level by level."""

    def __init__(self, unfolded: Unfolded, shapes: Mapping[int, Shape], order: Sequence[int]) -> None:
        self.unfolded = unfolded
        self.rows: list[int] = []  # of instance i, in the array of its shape
        self.shapes: list[Shape] = []
        self.counts: dict[Shape, int] = {}
        self.levels: list[int] = []
        for number in range(len(unfolded.keys)):
            self._add(tuple(shapes.get(number) or ()), 0)
        self.inputs = [n for n in range(len(unfolded.keys)) if unfolded.grounds[n] is None]
        self.constants = [(self._add((), 0), value) for _, value in unfolded.constants]
        self.groups: list[list[Group]] = []
        self._known: list[dict[tuple[object, ...], Group]] = []
        for number in order:
            self._place(number, unfolded.grounds[number] or ())
        self._start: Any = None  # the numbers, with the constants in their places
        self._pullbacks: list[tuple[Group, list[Any], Any, list[tuple[int, Callable[..., Any], str]]]] | None = None
        self._functions: list[tuple[Group, Callable[..., Any], list[Any], Any, str]] | None = None

    def _add(self, shape: Shape, level: int) -> int:
        row = self.counts.get(shape, 0)
        self.counts[shape] = row + 1
        self.rows.append(row)
        self.shapes.append(shape)
        self.levels.append(level)
        return len(self.rows) - 1

    def _at(self, number: int) -> int:
        """The place of an instance or of a constant (negative)."""
        return number if number >= 0 else self.constants[-1 - number][0]

    def _place(self, target: int, grounds: Sequence[Ground]) -> None:
        """The summands of an instance into groups; inner sums become instances of their own."""
        level = 0
        found: list[tuple[Ground, list[int]]] = []
        for ground in grounds:
            slots: list[int] = []
            for entry in ground.slots:
                if isinstance(entry, int):
                    slots.append(self._at(entry))
                else:
                    shape = self._inner_shape(entry)
                    slots.append(self._add(shape, 0))
                    self._place(slots[-1], entry)
            level = max([level, *(self.levels[s] for s in slots)])
            found.append((ground, slots))
        level += 1
        self.levels[target] = level
        while len(self.groups) < level:
            self.groups.append([])
            self._known.append({})
        for ground, slots in found:
            shapes = tuple(self.shapes[s] for s in slots)
            key = (id(ground.template), shapes, self.shapes[target])
            group = self._known[level - 1].get(key)
            if group is None:
                group = self._known[level - 1][key] = Group(ground.template, shapes, self.shapes[target])
                self.groups[level - 1].append(group)
            for operand, slot in zip(group.operands, slots, strict=True):
                operand.append(self.rows[slot])
            group.targets.append(self.rows[target])

    def _inner_shape(self, grounds: Sequence[Ground]) -> Shape:
        if not grounds:
            return ()
        ground = grounds[0]
        shapes = tuple(
            self.shapes[self._at(e)] if isinstance(e, int) else self._inner_shape(e) for e in ground.slots
        )  # fmt: skip
        return tuple(ground.template.shape(shapes))

    # -- running

    def compile(self) -> None:
        """A function for each group. Raises NotCompiled."""
        import numpy

        helpers = Helpers(self.unfolded.system.operations, _UFUNCS)
        names: dict[tuple[object, ...], str] = {}
        texts: list[str] = []
        plan: list[tuple[Group, str, list[Any], Any, str]] = []
        for level in self.groups:
            for group in level:
                shared = [len(set(rows)) == 1 and len(shape) > 0 for rows, shape in zip(group.operands, group.shapes, strict=True)]
                alone = len(group.targets) == 1
                into_one = not alone and len(set(group.targets)) == 1
                key = (id(group.template), group.shapes, tuple(shared), alone, into_one)
                if key not in names:
                    names[key] = f"f{len(names)}"
                    texts.append(self._text(names[key], group, shared, alone, into_one, helpers))
                operands = [numpy.array(rows) if not (alone or s) else rows[0] for rows, s in zip(group.operands, shared, strict=True)]
                targets = group.targets[0] if alone or into_one else numpy.array(group.targets)
                how = "one" if alone or into_one else "each" if len(set(group.targets)) == len(group.targets) else "many"
                plan.append((group, names[key], operands, targets, how))
        self.source = "\n".join(["import numpy as np\n", *(f"{t}\n" for t in helpers.texts.values()), *texts])
        space: dict[str, Any] = {}
        exec(self.source, space)
        self._functions = [(g, space[n], o, t, h) for g, n, o, t, h in plan]

    def _text(self, name: str, group: Group, shared: list[bool], alone: bool, into_one: bool, helpers: Helpers) -> str:
        ranks = [len(s) for s in group.shapes]
        writer = _SlotWriter(self.unfolded.system, helpers, ranks, [True] * len(ranks) if alone else shared)
        body = group.template.expression
        code = writer._added(body, [_EACH]) if into_one else writer.write(body)
        if code.rank < len(group.result) and code.axes:
            code = Code(f"{code.at(ATOM)}[{', '.join([':'] + ['None'] * (len(group.result) - code.rank))}]", code.axes, len(group.result))
        if into_one and not code.axes and not any(_EACH in c for c in [()]):
            pass
        return f"def {name}({', '.join(f's{k}' for k in range(len(ranks)))}):\n    return {code.text}\n"

    def run(self, given: Mapping[Instance, Any]) -> dict[Shape, Any]:
        """The arrays of all values, one for each shape."""
        import numpy

        if self._functions is None:
            self.compile()
        assert self._functions is not None
        if self._start is None:
            self._start = numpy.zeros(self.counts.get((), 0))
            self._start[[self.rows[at] for at, _ in self.constants]] = [float(v) for _, v in self.constants]
        arrays = {shape: numpy.zeros((count, *shape)) for shape, count in self.counts.items() if shape}
        arrays[()] = self._start.copy()
        for number in self.inputs:
            arrays[self.shapes[number]][self.rows[number]] = given[self.unfolded.keys[number]]
        for group, function, operands, targets, how in self._functions:
            found = function(*[arrays[s][o] for s, o in zip(group.shapes, operands, strict=True)])
            into = arrays[group.result]
            if how == "many":
                numpy.add.at(into, targets, found)
            else:
                into[targets] += found
        return arrays

    # -- the backward sweep

    def sweep(self, arrays: Mapping[Shape, Any], target: int) -> dict[Shape, Any]:
        """The ordered derivatives of a scalar instance by all instances, in arrays like those of the values: the groups
        in the opposite order, each summand's pullback for a whole group at once."""
        import numpy

        received = {shape: numpy.zeros((count, *shape)) for shape, count in self.counts.items()}
        received[()][self.rows[target]] = 1.0
        for group, operands, targets, pulls in self._backwards():
            into = received[group.result][targets]
            found = arrays[group.result][targets]
            values = [arrays[s][o] for s, o in zip(group.shapes, operands, strict=True)]
            for slot, function, how in pulls:
                part = function(into, found, *values)
                rows = operands[slot]
                if how == "one":
                    received[group.shapes[slot]][rows] += part
                else:
                    numpy.add.at(received[group.shapes[slot]], rows, part)
        return received

    def _backwards(self) -> list[tuple[Group, list[Any], Any, list[tuple[int, Callable[..., Any], str]]]]:
        """For each group, last first: its operands' rows, its targets, and the pullbacks of its slots."""
        if self._functions is None:
            self.compile()
        if self._pullbacks is None:
            self._pullbacks = self._compile_pullbacks()
        return self._pullbacks

    def _compile_pullbacks(self) -> list[tuple[Group, list[Any], Any, list[tuple[int, Callable[..., Any], str]]]]:
        assert self._functions is not None
        helpers = Helpers(self.unfolded.system.operations, _UFUNCS)
        texts: list[str] = []
        names: dict[tuple[object, ...], str] = {}
        plan = []
        constant = {self.rows[at] for at, _ in self.constants}
        for group, _, operands, targets, how in self._functions:
            alone = how == "one" and not hasattr(targets, "__len__") and len(group.targets) == 1
            shared = [not hasattr(o, "__len__") for o in operands]
            pulls: list[tuple[int, str, str]] = []
            for slot, shape in enumerate(group.shapes):
                if shape == () and constant.issuperset(group.operands[slot]):
                    continue  # nobody asks for the derivative by a number that stands in an equation
                template, sources = group.template.pullback(slot)
                key = (id(group.template), slot, group.shapes, tuple(shared), alone, len(group.targets) > 1 and not hasattr(targets, "__len__"))
                if key not in names:
                    names[key] = f"b{len(names)}"
                    texts.append(self._pull_text(names[key], group, template, sources, shared, alone, slot, targets, helpers))
                pulls.append((slot, names[key], "one" if shared[slot] else "many"))
            plan.append((group, operands, targets, pulls))
        self.backward_source = "\n".join(["import numpy as np\n", *(f"{t}\n" for t in helpers.texts.values()), *texts])
        space: dict[str, Any] = {}
        exec(self.backward_source, space)
        return [(g, o, t, [(k, space[n], h) for k, n, h in pulls]) for g, o, t, pulls in reversed(plan)]

    def _pull_text(
        self, name: str, group: Group, template: Template, sources: Sequence[int], shared: list[bool], alone: bool,
        slot: int, targets: Any, helpers: Helpers,
    ) -> str:  # fmt: skip
        together = not hasattr(targets, "__len__")
        words, ranks, same = [], [], []
        for source in sources:
            if source >= 0:
                words.append(f"s{source}")
                ranks.append(len(group.shapes[source]))
                same.append(alone or shared[source])
            else:
                words.append("g" if source == -1 else "y")
                ranks.append(len(group.result))
                same.append(alone or together)
        writer = _SlotWriter(self.unfolded.system, helpers, ranks, same, words)
        code = writer._added(template.expression, [_EACH]) if shared[slot] and not alone else writer.write(template.expression)
        arguments = ", ".join(["g", "y", *(f"s{k}" for k in range(len(group.shapes)))])
        return f"def {name}({arguments}):\n    return {code.text}\n"

    def value(self, arrays: Mapping[Shape, Any], number: int) -> Any:
        """The value of one instance."""
        return arrays[self.shapes[number]][self.rows[number]]


__all__ = ["Levels", "Sum"]
