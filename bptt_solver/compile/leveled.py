"""Groups of summands (`bptt_solver.compile.levels`) as NumPy functions, run forwards and swept backwards.

A matrix that all summands of a group read is not gathered, and what all of them are added to is one product. Backwards
every group passes on, slot by slot, the pullback of its template: the chain rule for a whole group at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.compile.codes import _UFUNCS, ATOM, Code, Writer
from bptt_solver.compile.helpers import Helpers
from bptt_solver.compile.levels import Group, Levels, Shape
from bptt_solver.compile.load import load_all
from bptt_solver.compile.statements import Loop, NotCompiled
from bptt_solver.language.expressions import Expression, Index, Reference
from bptt_solver.language.slots import TAKES_COTANGENT, TAKES_RESULT, Slot
from bptt_solver.system import Instance, System

Arrays = dict[Shape, Any]
_EACH = "m"  # the axis over the summands of a group


class _SlotWriter(Writer):
    """Writes a template. ``words`` are the names of its slots; those that are ``shared`` are the same for all
    summands."""

    def __init__(
        self,
        system: System,
        helpers: Helpers,
        words: Sequence[str],
        ranks: Sequence[int],
        shared: Sequence[bool],
        count: int,
    ) -> None:
        loop = Loop(_EACH, Index(1), Index(count), 1, count)
        super().__init__(system, {}, {}, helpers, {_EACH: loop}, {}, False, lambda text, part, each=False: text)
        self.words = words
        self.ranks = ranks
        self.shared = shared

    def reference(self, node: Reference) -> Code:
        if not isinstance(node, Slot):
            raise NotCompiled(message("compile.template", name=node.name))
        return Code(self.words[node.at], () if self.shared[node.at] else (_EACH,), self.ranks[node.at])


class _Functions:
    """Source texts of functions, each once, and the functions."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.helpers = Helpers(system.operations, _UFUNCS)
        self.names: dict[tuple[object, ...], str] = {}
        self.texts: list[str] = []

    def name(self, key: tuple[object, ...], arguments: Sequence[str], write: Callable[[], Code]) -> str:
        """The name of the function of a key, written if it is new."""
        if key not in self.names:
            self.names[key] = f"f{len(self.names)}"
            head = f"def {self.names[key]}({', '.join(arguments)}):"
            self.texts.append(f"{head}\n    return {write().text}\n")
        return self.names[key]

    def source(self) -> str:
        """The module with all functions."""
        return "\n".join(["import numpy as np\n", *(f"{t}\n" for t in self.helpers.texts.values()), *self.texts])

    def made(self) -> dict[str, Any]:
        """The functions by name."""
        return load_all(self.source(), self.names.values())


class _Step:
    """A group with its function, the rows of its operands and targets as arrays, and the pullbacks of its slots.

    ``alone``: it has one summand; ``one``: all summands go to one row. An operand's rows are a number where all
    summands read the same array.
    """

    __slots__ = ("alone", "function", "group", "one", "operands", "own", "pulls", "repeats", "targets")

    def __init__(self, group: Group) -> None:
        import numpy

        self.group = group
        self.alone = len(group.targets) == 1
        self.one = len(set(group.targets)) == 1
        self.repeats = not self.one and len(set(group.targets)) < len(group.targets)
        self.targets: Any = group.targets[0] if self.one else numpy.array(group.targets)
        self.operands: list[Any] = [
            rows[0] if self.alone or (shape and len(set(rows)) == 1) else numpy.array(rows)
            for rows, shape in zip(group.operands, group.shapes, strict=True)
        ]
        self.function = ""
        self.own = ""  # computes the summands themselves, where a pullback needs them
        self.pulls: list[tuple[int, str]] = []

    @property
    def shared(self) -> tuple[bool, ...]:
        """For each slot, whether all summands read the same."""
        return tuple(not hasattr(o, "__len__") for o in self.operands)


class Leveled:
    """The program of a graph: `run` computes all values, `sweep` all ordered derivatives of one number."""

    def __init__(self, levels: Levels, dtype: str = "float64") -> None:
        self.levels = levels
        self.dtype = dtype
        self._system = levels.unfolded.system
        functions = _Functions(self._system)
        constant = {levels.rows[place] for place, _ in levels.constants}
        self.steps = [_Step(group) for level in levels.groups for group in level]
        for step in self.steps:
            self._write(step, functions, constant)
        self.source = functions.source()
        self._functions = functions.made()
        self._start: Any = None

    def _write(self, step: _Step, functions: _Functions, constant: set[int]) -> None:
        group = step.group
        words = [f"s{k}" for k in range(len(group.shapes))]
        ranks = [len(shape) for shape in group.shapes]
        count = len(group.targets) if step.one else 2  # how many there are counts only where they are added up
        key = (id(group.template), group.shapes, step.shared, step.alone, step.one, count)
        writer = _SlotWriter(self._system, functions.helpers, words, ranks, step.shared, count)
        step.function = functions.name(
            ("value", *key),
            words,
            lambda: self._code(writer, group.template.expression, step.one and not step.alone, group),
        )
        pulled = [sources for k in range(len(words)) for sources in group.template.pullback(k)[1]]
        if group.partial and TAKES_RESULT in pulled:
            step.own = functions.name(
                ("own", *key), words, lambda: self._code(writer, group.template.expression, False, group)
            )
        for slot, shape in enumerate(group.shapes):
            if shape or not constant.issuperset(group.operands[slot]):  # nobody asks for the derivative by a literal
                pull = functions.name(
                    ("pullback", slot, bool(step.own), len(group.targets) if step.shared[slot] else 0, *key),
                    ["g", "y", *words],
                    lambda slot=slot: self._pullback(step, slot, functions.helpers),  # type: ignore[misc]
                )
                step.pulls.append((slot, pull))

    def _code(self, writer: _SlotWriter, expression: Expression, together: bool, group: Group) -> Code:
        code = writer._added(expression, [_EACH]) if together else writer.write(expression)
        if code.rank < len(group.result) and code.axes:  # a number for a whole array
            grown = ", ".join([":", *["None"] * (len(group.result) - code.rank)])
            return Code(f"{code.at(ATOM)}[{grown}]", code.axes, len(group.result))
        return code

    def _pullback(self, step: _Step, slot: int, helpers: Helpers) -> Code:
        group = step.group
        template, sources = group.template.pullback(slot)
        words, ranks, shared = [], [], []
        for source in sources:
            own = source >= 0
            words.append(f"s{source}" if own else "g" if source == TAKES_COTANGENT else "y")
            ranks.append(len(group.shapes[source]) if own else len(group.result))
            alike = step.alone if step.own and source == TAKES_RESULT else step.one
            shared.append(step.shared[source] if own else alike)
        writer = _SlotWriter(self._system, helpers, words, ranks, shared, len(group.targets))
        together = step.shared[slot] and not step.alone
        return writer._added(template.expression, [_EACH]) if together else writer.write(template.expression)

    # -- running

    def run(self, given: Mapping[Instance, Any]) -> Arrays:
        """The arrays of all values, one for each shape."""
        import numpy

        levels = self.levels
        if self._start is None:
            self._start = numpy.zeros(levels.counts.get((), 0), self.dtype)
            self._start[[levels.rows[place] for place, _ in levels.constants]] = [float(v) for _, v in levels.constants]
        arrays: Arrays = self._zeros()
        arrays[()] = self._start.copy()
        for number in levels.inputs:
            arrays[levels.shapes[number]][levels.rows[number]] = given[levels.unfolded.keys[number]]
        for step in self.steps:
            values = [arrays[s][o] for s, o in zip(step.group.shapes, step.operands, strict=True)]
            found = self._functions[step.function](*values)
            if step.repeats:
                numpy.add.at(arrays[step.group.result], step.targets, found)
            else:
                arrays[step.group.result][step.targets] += found
        return arrays

    def sweep(self, arrays: Arrays, target: int) -> Arrays:
        """The ordered derivatives of a scalar instance by all instances, in arrays like those of the values."""
        import numpy

        levels = self.levels
        received: Arrays = self._zeros()
        received[()][levels.rows[target]] = 1.0
        for step in reversed(self.steps):
            group = step.group
            cotangent, result = received[group.result][step.targets], arrays[group.result][step.targets]
            values = [arrays[s][o] for s, o in zip(group.shapes, step.operands, strict=True)]
            if step.own:  # one summand of several is not the instance's value
                result = self._functions[step.own](*values)
            for slot, pull in step.pulls:
                part = self._functions[pull](cotangent, result, *values)
                if step.shared[slot]:
                    received[group.shapes[slot]][step.operands[slot]] += part
                else:
                    numpy.add.at(received[group.shapes[slot]], step.operands[slot], part)
        return received

    def _zeros(self) -> Arrays:
        import numpy

        return {shape: numpy.zeros((count, *shape), self.dtype) for shape, count in self.levels.counts.items()}

    def value(self, arrays: Arrays, number: int) -> Any:
        """The value of one instance."""
        return arrays[self.levels.shapes[number]][self.levels.rows[number]]
