"""The scheduled statements as a module: what is common to all libraries, from the docstring to the last line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from bptt_solver.compile.code import Local, Now, Storage, Told
from bptt_solver.compile.codes import Writer
from bptt_solver.compile.dialects.base import Dialect
from bptt_solver.compile.helpers import Helpers
from bptt_solver.compile.names import Identifiers
from bptt_solver.compile.pack import STACKED
from bptt_solver.compile.schedule import Node, Part, Recurrence, Whole, reads
from bptt_solver.compile.statements import Loop, NotCompiled, Statement, calls
from bptt_solver.compile.words import Text, joined, say, worded
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
    Expression,
    Index,
    Reference,
    Sum,
    is_derivative,
    preorder,
    transform,
)
from bptt_solver.language.notation.source import equation_to_source, to_source
from bptt_solver.system import System

Box = tuple[tuple[int, int], ...]  # first and last of each index


class Source:
    """Writes a program. ``given`` and ``shapes``: by label, the box of what is given and the shape of a member;
    ``told``: what comments say beside the equations of the statements. A subclass knows how statements and loops are
    written."""

    def __init__(
        self,
        system: System,
        nodes: Sequence[Node],
        given: Mapping[str, Box],
        shapes: Mapping[str, tuple[int, ...]],
        outputs: Sequence[str],
        dialect: Dialect,
        told: Told | None = None,
    ) -> None:
        self.system = system
        self.nodes = nodes
        self.shapes = shapes
        self.outputs = outputs
        self.dialect = dialect
        self.equations = told or Told({}, {}, {})
        self.helpers = Helpers(system.operations, dialect=dialect)
        self.storage: dict[str, Storage] = {}
        self.local: dict[str, Local] = {}
        self.writers: dict[str, list[Statement]] = {}
        self.all: list[Statement] = []
        self.lines: list[str] = []
        self.made: set[str] = set()
        self.told: set[int] = set()
        self.transposed: dict[str, str] = {}  # by matrix, the name of what was turned for a recurrence
        self.running = 0  # recurrences around the present statement
        self.now: dict[str, list[Now]] = {}  # what has a name in this turn of a loop
        self._reads: dict[int, tuple[Statement, list[tuple[Reference, dict[str, Loop], Part]]]] = {}
        self._find(nodes)
        called = {c.operation: None for s in self.all for c in calls(s.right)}
        self.names = Identifiers((*dialect.taken, *dialect.helpers, *called))
        self.words = {name: self.names.of(name) for name in system.sizes}
        self.given = self._used(given)
        self._stores()

    def text(self) -> Text:
        """The whole module."""
        for node in self.nodes:
            if isinstance(node, Recurrence):
                self._locals(node)
        for node in self.nodes:
            self._node(node, self._depth(), {})
        body = self._body()
        return joined([*self._about(), *self.helpers.module(self.dialect.header), "", "", *body, ""])

    # -- for subclasses

    def _depth(self) -> int:
        """How deep the statements stand."""
        return 1

    def _body(self) -> list[str]:
        """The functions of the module, around `lines`."""
        raise NotImplementedError

    def _loop(self, node: Recurrence, loop: Loop, inner: Sequence[Node], depth: int, at: Mapping[str, Index]) -> None:
        """A stretch of a recurrence as a loop."""
        variable = self._variable(loop)
        low, high, after, before = self._ends(loop)
        run = f"range({high}, {before}, -1)" if node.backward else f"range({low}, {after})"
        self._line(f"for {variable} in {run}:", depth)
        for item in inner:
            self._node(item, depth + 1, {**at, loop.variable: Index.variable(variable)})
        self._end(depth + 1)

    def _statement(self, statement: Statement, depth: int, at: Mapping[str, Index]) -> None:
        """The lines of a statement."""
        raise NotImplementedError

    def _end(self, depth: int) -> None:
        """What stands behind the statements of one turn."""

    def _begin(self, node: Recurrence, depth: int) -> None:
        """What stands before a recurrence."""

    def reads(self, statement: Statement) -> list[tuple[Reference, dict[str, Loop], Part]]:
        """What a statement reads (`schedule.reads`), found once."""
        known = self._reads.get(id(statement))
        if known is None or known[0] is not statement:
            known = self._reads[id(statement)] = statement, reads(statement, self.system)
        return known[1]

    # -- storage

    def _find(self, nodes: Sequence[Node]) -> None:
        for statement in statements(nodes):
            known = self.writers.setdefault(statement.name, [])
            if statement not in known:
                known.append(statement)
                self.all.append(statement)

    def _used(self, given: Mapping[str, Box]) -> dict[str, Box]:
        """What is given and read, or part of what is computed."""
        read = {r.name for s in self.all for r, _, _ in self.reads(s)}
        return {name: box for name, box in given.items() if name in read or name in self.writers}

    def _stores(self) -> None:
        for name in dict.fromkeys([*self.given, *self.writers]):
            boxes = [self.given[name]] if name in self.given else []
            boxes += [self._box(s) for s in self.writers.get(name, ())]
            starts = [min(b[k][0] for b in boxes) for k in range(len(boxes[0]))]
            ends = [max(b[k][1] for b in boxes) for k in range(len(boxes[0]))]
            extents = [end - start + 1 for start, end in zip(starts, ends, strict=True)]
            self.storage[name] = Storage(name, self.names.of(name), starts, extents, len(self.shapes[name]))

    def _box(self, statement: Statement) -> Box:
        loops = {loop.variable: loop for loop in statement.loops}
        box: list[tuple[int, int]] = []
        for index in statement.indices:
            own = [v for v in index.variables() if v in loops]
            values = [
                self.system.index(index, {v: loops[v].first for v in own}),
                self.system.index(index, {v: loops[v].last for v in own}),
            ]
            box.append((min(values), max(values)))
        return tuple(box)

    def _locals(self, node: Recurrence) -> None:
        """The families of a loop whose members are read only in the turn in which they are computed: they need no
        array."""
        turn = [n.statement for _, inner in node.stretches for n in inner if isinstance(n, Whole)]
        inside = {id(s) for s in turn}
        for name in dict.fromkeys(s.name for s in turn):
            written = self.writers[name]
            at = written[0].indices
            if name in self.given or name in self.outputs or any(s.part is not None for s in written):
                continue
            if any(id(s) not in inside or s.indices != at for s in written):
                continue
            users = [(s, r) for s in self.all for r, _, _ in self.reads(s) if r.name == name]
            if all(id(s) in inside and r.indices == at for s, r in users):
                self.local[name] = Local(self.storage[name].text)

    # -- nodes

    def _node(self, node: Node, depth: int, at: Mapping[str, Index]) -> None:
        if isinstance(node, Whole):
            self._tell(node.statement, depth)
            self._statement(node.statement, depth, at)
            return
        place, known = len(self.lines), len(self.transposed)
        self.running += 1
        self._begin(node, depth)
        for loop, inner in node.stretches:
            around = {name: list(found) for name, found in self.now.items()}
            if loop.first == loop.last:
                for item in inner:
                    self._node(item, depth, {**at, loop.variable: loop.low})
                self._end(depth)
            else:
                self._loop(node, loop, inner, depth, at)
            self.now = around
        self.running -= 1
        if not self.running:
            new = list(self.transposed.items())[known:]
            self.lines[place:place] = ["    " * depth + f"{word} = {self.dialect.turned(of)}" for of, word in new]

    def _turned(self, matrix: str) -> str:
        """A transposed matrix; inside a recurrence one that lies in memory as it is read."""
        fixed = any(h.text == matrix and not h.extents and n not in self.local for n, h in self.storage.items())
        if not self.running or not fixed:
            return f"{matrix}.T"
        if matrix not in self.transposed:
            self.transposed[matrix] = self.names.of(f"{matrix} T")
        return self.transposed[matrix]

    def _variable(self, loop: Loop) -> str:
        name = loop.variable
        return self.names.of(f"{name} at" if name in self.storage else name)

    def _ends(self, loop: Loop) -> tuple[str, str, str, str]:
        """The first and the last value of a loop, what follows the last, and what precedes the first."""
        writer = Writer(self.system, {}, {}, self.helpers, {}, {}, False, self._view, self.words)
        ends = (loop.low, loop.high, loop.high.plus(1), loop.low.plus(-1))
        low, high, after, before = (writer.number(i) for i in ends)
        return low, high, after, before

    def _view(self, text: str, part: tuple[int, int] | None, each: bool = False) -> str:
        return text if part is None else f"{text}[..., {part[0]}:{part[1]}]"

    def _fitted(
        self, statement: Statement, at: Mapping[str, Index], running: bool
    ) -> tuple[Writer, dict[str, Loop], dict[str, Index]]:
        """A statement's writer, its axes, and what its other indices are."""
        loops = {loop.variable: loop for loop in statement.loops if loop.variable not in at}
        fixed = {**at, **{v: loop.low for v, loop in loops.items() if loop.first == loop.last}}
        loops = {v: loop for v, loop in loops.items() if v not in fixed}
        turned = None if self.dialect.in_place else self._turned
        writer = Writer(
            self.system, self.storage, self.local, self.helpers, loops, fixed, running, self._view, self.words, turned,
            self.now,
        )  # fmt: skip
        return writer, loops, fixed

    def _covers(self, statement: Statement, at: Mapping[str, Index], loops: Mapping[str, Loop]) -> bool:
        """Whether a statement computes all of its family, with an axis for each index."""
        alone = len(self.writers[statement.name]) == 1 and statement.name not in self.given
        axes = len(loops) == len(self.storage[statement.name].extents)
        return alone and axes and not at and statement.part is None

    # -- words

    def _line(self, text: str, depth: int) -> None:
        self.lines.append("    " * depth + text)

    def _comment(self, words: str, depth: int) -> None:
        self.lines.append(Text("    " * depth + "# ", words))

    def _tell(self, statement: Statement, depth: int) -> None:
        """The equations that a statement implements, as a comment, where they begin."""
        right, part = statement.right, statement.name.partition(" part")
        if isinstance(right, Call) and right.operation == STACKED:
            names = [a.name for a in right.arguments if isinstance(a, Reference)]
            self._comment(say("stacked", names=say.listed(names, "list.comma")), depth)
            return
        if part[1]:
            over = say.listed([loop.variable for loop in statement.loops], "list.comma")
            text = to_source(transform(transform(right, self.equations.original), _relabelled))
            key = "hoisted.all" if over else "hoisted"
            self._comment(say(key, formula=text, indices=over, name=part[0]), depth)
            return
        equations = [statement.origin] if statement.origin is not None else []
        if statement.part is None:
            equations = list(self.equations.packed.get(statement.name) or equations)
        for equation in [*self.equations.inside.get((statement.name, statement.part), ()), *equations]:
            if id(equation) not in self.told:
                self.told.add(id(equation))
                told = say("equation", equation=equation_to_source(equation), section=self._section(equation))
                self._comment(told, depth)

    def _section(self, equation: Equation) -> str:
        """The section of the derivation that explains an equation: forward values, the sweep, or shared weights, whose
        derivatives are sums over their uses."""
        if not is_derivative(equation.name):
            return "3"
        given = equation.name.rpartition("/∂")[2] not in self.system.defining
        return "6" if given and any(isinstance(node, Sum) for node in preorder(equation.right)) else "5"

    def _results(self, depth: int) -> list[str]:
        """The statement that gives the outputs back."""
        before = "    " * depth
        pairs = [f"{before}    {n!r}: {self._result(self.storage[n])}," for n in self.outputs]
        return [f"{before}return {{", *pairs, f"{before}}}"]

    def _result(self, held: Storage) -> str:
        return held.text

    def _sizes(self) -> list[str]:
        """The sizes that the lines mention."""
        mentioned = {word for line in self.lines for word in re.findall(r"\w+", line.partition("#")[0])}
        return [f"{self.words[n]} = {v}" for n, v in self.system.sizes.items() if self.words[n] in mentioned]

    def _about(self) -> list[str]:
        """The docstring of the module."""
        inputs = [self._described(name, self.given[name]) for name in self.given]
        results = []
        for name in self.outputs:
            held = self.storage[name]
            box = tuple((s, s + e - 1) for s, e in zip(held.starts, held.extents, strict=True))
            results.append(self._described(name, box))
        return [
            Text('"""', say("about", library=self.dialect.library)),
            "",
            *(worded(f"    {line}") for line in self.dialect.usage),
            "",
            say("about.given"),
            "",
            *_aligned(inputs),
            "",
            say("about.result"),
            "",
            *_aligned(results),
            "",
            say("about.sections"),
            '"""',
            "",
        ]

    def _described(self, name: str, box: Box) -> tuple[str, str, str]:
        shape = (*(high - low + 1 for low, high in box), *self.shapes[name])
        return repr(name), repr(shape), ", ".join(str(a) if a == b else f"{a}..{b}" for a, b in box)


def statements(nodes: Sequence[Node]) -> Iterator[Statement]:
    """All statements, as often as they are written."""
    pending = list(reversed(nodes))
    while pending:
        node = pending.pop()
        if isinstance(node, Whole):
            yield node.statement
        else:
            pending += [n for _, inner in reversed(node.stretches) for n in reversed(inner)]


def _relabelled(node: Expression) -> Expression:
    """``h[2,·][t]`` as ``h[2,t]``."""
    if not isinstance(node, Reference) or not node.name.endswith("]"):
        return node
    name, _, inside = node.name[:-1].rpartition("[")
    free = iter(node.indices)
    return Reference(name, tuple(next(free) if word == "·" else Index(int(word)) for word in inside.split(",")))


def _aligned(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    widths = [max((len(r[k]) for r in rows), default=0) for k in (0, 1)]
    lines: list[str] = []
    for name, shape, values in rows:
        line = f"    {name:<{widths[0]}}  {shape:<{widths[1]}}"
        key = "about.indices" if "," in values else "about.index"
        lines.append(Text(f"{line}  ", say(key, values=values)) if values else line.rstrip())
    return lines


__all__ = ["Box", "NotCompiled", "Source", "statements"]
