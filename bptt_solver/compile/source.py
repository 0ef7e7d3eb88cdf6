"""The scheduled statements as NumPy source: readable, and exactly what runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.compile.codes import _UFUNCS, Code, Local, Storage, Writer
from bptt_solver.compile.helpers import Helpers
from bptt_solver.compile.into import Placer
from bptt_solver.compile.names import Identifiers
from bptt_solver.compile.schedule import Node, Recurrence, Whole, reads
from bptt_solver.compile.statements import Loop, NotCompiled, Statement
from bptt_solver.language.expressions import Index, Reference
from bptt_solver.language.notation.source import equation_to_source
from bptt_solver.system import System

Box = tuple[tuple[int, int], ...]  # first and last of each index


class Source:
    """Writes the program. ``given`` and ``shapes``: by label, the box of what is given and the shape of a member."""

    def __init__(
        self,
        system: System,
        nodes: Sequence[Node],
        given: Mapping[str, Box],
        shapes: Mapping[str, tuple[int, ...]],
        outputs: Sequence[str],
    ) -> None:
        self.system = system
        self.nodes = nodes
        self.given = given
        self.shapes = shapes
        self.outputs = outputs
        self.names = Identifiers(system.sizes)
        self.helpers = Helpers(system.operations, _UFUNCS)
        self.storage: dict[str, Storage] = {}
        self.local: dict[str, Local] = {}
        self.writers: dict[str, list[Statement]] = {}
        self.all: list[Statement] = []
        self.lines: list[str] = []
        self.made: set[str] = set()
        self.transposed: dict[str, str] | None = None
        self.rooms: list[str] = []
        self.inputs: list[str] = []
        self.seen: dict[tuple[str, object, bool], str] = {}
        self.depth = 0
        self.temporaries: dict[tuple[int, ...], list[str]] = {}
        self.of_shape: dict[str, tuple[int, ...]] = {}
        self.told: set[int] = set()

    def text(self) -> str:
        """The whole module: helpers and one function ``gradient(given)``."""
        self._find(self.nodes)
        self._stores()
        for node in self.nodes:
            if isinstance(node, Recurrence):
                self._locals(node)
        for node in self.nodes:
            self._node(node, 2, {})
        sizes = [f"    {name} = {value}" for name, value in self.system.sizes.items()]
        used = [n for n in self.given if n in self.storage and n not in self.writers]
        inputs = [f"        {self.storage[n].text} = given[{n!r}]" for n in used]
        result = ", ".join(f"{name!r}: {self.storage[name].text}" for name in self.outputs)
        helpers = [f"{text}\n\n" for text in self.helpers.texts.values()]
        return "\n".join(
            [
                "import numpy as np\n\n",
                *helpers,
                "def make(dtype):",
                *sizes,
                *self.rooms,
                "",
                "    def gradient(given):",
                *inputs,
                *self.inputs,
                *self.lines,
                f"        return {{{result}}}",
                "",
                "    return gradient",
                "",
            ]
        )

    # -- storage

    def _find(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            if isinstance(node, Whole):
                known = self.writers.setdefault(node.statement.name, [])
                if node.statement not in known:
                    known.append(node.statement)
                    self.all.append(node.statement)
            else:
                for _, inner in node.stretches:
                    self._find(inner)

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
            values = [
                self.system.index(index, {v: at(loops[v]) for v in index.variables() if v in loops})
                for at in (_first, _last)
            ]
            box.append((min(values), max(values)))
        return tuple(box)

    def _locals(self, node: Recurrence) -> None:
        """The families of a loop whose members are read only in the turn in which they are computed: they need no
        array."""
        inside = {id(n.statement) for _, inner in node.stretches for n in inner if isinstance(n, Whole)}
        for name in {n.statement.name: None for _, inner in node.stretches for n in inner if isinstance(n, Whole)}:
            written = self.writers[name]
            at = written[0].indices
            if name in self.given or name in self.outputs or any(id(s) not in inside or s.indices != at for s in written):
                continue
            users = [(s, r) for s in self.all for r, _, _ in reads(s, self.system) if r.name == name]
            if all(id(s) in inside and r.indices == at for s, r in users):
                self.local[name] = Local(self.storage[name].text)

    # -- statements

    def _node(self, node: Node, depth: int, at: Mapping[str, Index]) -> None:
        if isinstance(node, Whole):
            self._statement(node.statement, depth, at)
            return
        outermost, place = not at, len(self.lines)
        if outermost:
            self.transposed = {}
        for loop, inner in node.stretches:
            if loop.first == loop.last:
                for item in inner:
                    self._node(item, depth, {**at, loop.variable: loop.low})
                continue
            variable = self.names.of(loop.variable)
            writer = Writer(self.system, {}, {}, self.helpers, {}, {}, False, self._view)
            low, high = writer.number(loop.low), writer.number(loop.high)
            after, before = writer.number(loop.high.plus(1)), writer.number(loop.low.plus(-1))
            run = f"range({high}, {before}, -1)" if node.backward else f"range({low}, {after})"
            self._line(f"for {variable} in {run}:", depth)
            self.depth += 1
            for item in inner:
                self._node(item, depth + 1, {**at, loop.variable: Index.variable(variable)})
            self.depth -= 1
        if outermost:
            turned = [f"        {word} = np.ascontiguousarray({of}.T)" for of, word in self.transposed.items()]
            self.lines[place:place] = turned
            self.transposed = None

    def _room(self, name: str, depth: int) -> None:
        """An array that lives as long as the program, and what of it is given."""
        if name in self.made:
            return
        self.made.add(name)
        held = self.storage[name]
        shape = (*held.extents, *self.shapes[name])
        self.rooms.append(f"    {held.text} = np.empty({shape!r}, dtype)")
        held.kept = True
        if name in self.given:
            box = self.given[name]
            parts = [f"{low - s}:{high - s + 1}" for (low, high), s in zip(box, held.starts, strict=True)]
            self.inputs.append(f"        {held.text}[{', '.join(parts)}] = given[{name!r}]")

    def _view(self, text: str, part: tuple[int, int] | None, each: bool = False) -> str:
        """Some entries of an array that lives as long as the program, or the list of its members (``each``), made
        once."""
        if part is None and not each:
            return text
        key = (text, part, each)
        if key not in self.seen:
            of = text if part is None else f"{text}[..., {part[0]}:{part[1]}]"
            if not text.isidentifier():
                return of
            word = self.names.of(f"{text} at{'' if part is None else part[0]}")
            self.seen[key] = word
            self.rooms.append(f"    {word} = list({of})" if each else f"    {word} = {of}")
        return self.seen[key]

    def _turned(self, matrix: str) -> str:
        """A transposed matrix; inside a recurrence one that lies in memory as it is read."""
        if self.transposed is None:
            return f"{matrix}.T"
        if matrix not in self.transposed:
            self.transposed[matrix] = self.names.of(f"{matrix} T")
        return self.transposed[matrix]

    def _temporary(self, shape: tuple[int, ...]) -> str:
        free = self.temporaries.setdefault(shape, [])
        if free:
            return free.pop()
        name = self.names.of(f"room{len(self.of_shape) or ''}")
        self.of_shape[name] = shape
        self.rooms.append(f"    {name} = np.empty({shape!r}, dtype)")
        return name

    def _give_back(self, name: str) -> None:
        self.temporaries[self.of_shape[name]].append(name)

    def _statement(self, statement: Statement, depth: int, at: Mapping[str, Index]) -> None:
        loops = {loop.variable: loop for loop in statement.loops if loop.variable not in at}
        at = {**at, **{v: loop.low for v, loop in loops.items() if loop.first == loop.last}}
        loops = {v: loop for v, loop in loops.items() if v not in at}
        running = self.depth > 0
        writer = Writer(self.system, self.storage, self.local, self.helpers, loops, at, running, self._view)
        placer = Placer(writer, self.shapes, self._temporary, self._give_back, lambda text: self._line(text, depth), self._turned)
        held = self.storage[statement.name]
        self._tell(statement, depth)
        extents = tuple(loop.last - loop.first + 1 for loop in loops.values())
        shape = (*extents, *self.shapes[statement.name])
        if statement.name in self.local:
            self._placed_locally(statement, writer, placer, shape, tuple(loops), depth)
            return
        single = not at and statement.part is None and len(self.writers[statement.name]) == 1
        if single and (statement.name in self.outputs or not shape) and statement.name not in self.given:
            self._line(f"{held.text} = {writer.write(statement.right).text}", depth)
            self.made.add(statement.name)
            return
        self._room(statement.name, depth)
        parts, _ = writer.subscript(statement.indices, held)
        text = writer.located(held, parts, statement.part)
        if not shape:
            self._line(f"{text} = {writer.write(statement.right).text}", depth)
        elif isinstance(statement.right, Reference):
            placer._plain(statement.right, Code(held.text, tuple(loops), held.rank) if not parts else Code(text, tuple(loops), held.rank))
        else:
            placer.place(statement.right, Code(text, tuple(loops), held.rank))

    def _placed_locally(
        self, statement: Statement, writer: Writer, placer: Placer, shape: tuple[int, ...], axes: tuple[str, ...], depth: int
    ) -> None:
        """A member of one turn: in a temporary of its own, under the family's name."""
        held = self.storage[statement.name]
        self.local[statement.name].axes = axes
        code = writer.write(statement.right)
        if isinstance(statement.right, Reference) or not shape or code.axes != axes or code.rank != held.rank:
            self.local[statement.name].axes = code.axes
            self.local[statement.name].text = code.text
            if shape and isinstance(statement.right, Reference):
                return  # it lies there already
            self.local[statement.name].text = held.text
            self._line(f"{held.text} = {code.text}", depth)
            return
        if statement.name not in self.made:
            self.made.add(statement.name)
            self.rooms.append(f"    {held.text} = np.empty({shape!r}, dtype)")
        self.local[statement.name].text = held.text
        placer.place(statement.right, Code(held.text, axes, held.rank))

    def _tell(self, statement: Statement, depth: int) -> None:
        origin = statement.origin
        if origin is not None and id(origin) not in self.told and " " not in statement.name:
            self.told.add(id(origin))
            self._line(f"# {equation_to_source(origin)}", depth)

    def _line(self, text: str, depth: int) -> None:
        self.lines.append("    " * depth + text)


def _first(loop: Loop) -> int:
    return loop.first


def _last(loop: Loop) -> int:
    return loop.last


__all__ = ["NotCompiled", "Source", "reads"]
