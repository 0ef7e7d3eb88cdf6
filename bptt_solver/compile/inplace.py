"""The program for NumPy: everything is computed into arrays that live as long as the program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.compile.code import Code, Storage
from bptt_solver.compile.codes import Writer
from bptt_solver.compile.into import Placer
from bptt_solver.compile.pack import ROWS
from bptt_solver.compile.schedule import Node, Recurrence
from bptt_solver.compile.sharing import Sharing, can_take, last_uses
from bptt_solver.compile.source import Source, statements
from bptt_solver.compile.statements import Loop, Statement
from bptt_solver.compile.words import Text, say
from bptt_solver.language.expressions import Call, Expression, Index, Reference


class InPlace(Source):
    """A module with ``make(dtype)``, which gets the memory and returns the function ``gradient(given)``."""

    rooms: list[str]
    inputs: list[str]

    def text(self) -> Text:
        self.rooms = []
        self.inputs = []
        self.seen: dict[tuple[str, object, bool], str] = {}
        self.looping = 0
        self.temporaries: dict[tuple[int, ...], list[str]] = {}
        self.of_shape: dict[str, tuple[int, ...]] = {}
        self.place = -1
        self.new: dict[str, int] = {}  # the arrays that were made for the present node, by the line that makes each
        self.sharing = Sharing(last_uses(self.nodes, self.system), [*self.given, *self.outputs])
        return super().text()

    def _depth(self) -> int:
        return 2

    def _body(self) -> list[str]:
        used = [n for n in self.given if n not in self.writers]
        inputs = [f"        {self.storage[n].text} = given[{n!r}]" for n in used]
        return [
            "def make(dtype):",
            Text('    """', say("make"), '"""'),
            *(f"    {line}" for line in self._sizes()),
            *self.rooms,
            "",
            "    def gradient(given):",
            Text('        """', say("gradient"), '"""'),
            *inputs,
            *self.inputs,
            *self.lines,
            *self._results(2),
            "",
            "    return gradient",
        ]

    def _result(self, held: Storage) -> str:
        return f"{held.text}.copy()" if held.kept else held.text

    # -- nodes

    def _node(self, node: Node, depth: int, at: Mapping[str, Index]) -> None:
        if self.running:
            super()._node(node, depth, at)
            return
        self.place += 1
        self.new = {}
        first = len(self.lines)
        super()._node(node, depth, at)
        for name, line in self.new.items():
            self._shared(name, line, self.lines[first:])
        for name in self.new:
            self.sharing.shapes.setdefault(name, self._whole_shape(name))

    def _shared(self, name: str, line: int, lines: Sequence[str]) -> None:
        """Put an array in the place of one that is not needed any more, if there is one."""
        word = self.storage[name].text
        for other in self.sharing.free(name, self._whole_shape(name), self.place):
            of = self.storage[other].text
            if self.sharing.last[other] < self.place or can_take(lines, self._views(word), self._views(of)):
                self.sharing.take(name, other)
                self.rooms[line] = Text(f"    {word} = {of}  # ", say("place", name=of))
                return

    def _views(self, word: str) -> dict[str, str]:
        """The names of an array and of the views of it, each with the part of a member that it shows."""
        return {word: ""} | {view: str(part or "") for (text, part, _), view in self.seen.items() if text == word}

    def _whole_shape(self, name: str) -> tuple[int, ...]:
        return (*self.storage[name].extents, *self.shapes[name])

    # -- loops

    def _loop(self, node: Recurrence, loop: Loop, inner: Sequence[Node], depth: int, at: Mapping[str, Index]) -> None:
        self.looping += 1
        super()._loop(node, loop, inner, depth, at)
        self.looping -= 1

    # -- memory

    def _begin(self, node: Recurrence, depth: int) -> None:
        for name in dict.fromkeys(s.name for s in statements([node])):
            if name not in self.local:
                self._room(name)

    def _room(self, name: str) -> None:
        """An array that lives as long as the program, and what of it is given."""
        if name in self.made:
            return
        self.made.add(name)
        held = self.storage[name]
        self.new[name] = len(self.rooms)
        self.rooms.append(f"    {held.text} = {self.dialect.empty(self._whole_shape(name))}")
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
            of = super()._view(text, part)
            if not text.isidentifier():
                return of
            word = self.names.of(f"{text} at{'' if part is None else part[0]}")
            self.seen[key] = word
            self.rooms.append(f"    {word} = list({of})" if each else f"    {word} = {of}")
        return self.seen[key]

    def _temporary(self, shape: tuple[int, ...]) -> str:
        free = self.temporaries.setdefault(shape, [])
        if free:
            return free.pop()
        name = self.names.of(f"room{len(self.of_shape) or ''}")
        self.of_shape[name] = shape
        self.rooms.append(f"    {name} = {self.dialect.empty(shape)}")
        return name

    def _give_back(self, name: str) -> None:
        self.temporaries[self.of_shape[name]].append(name)

    # -- statements

    def _statement(self, statement: Statement, depth: int, at: Mapping[str, Index]) -> None:
        writer, loops, fixed = self._fitted(statement, at, self.looping > 0)

        def line(text: str) -> None:
            self._line(text, depth)

        placer = Placer(writer, self.shapes, self._temporary, self._give_back, line, self._turned)
        held = self.storage[statement.name]
        extents = tuple(loop.last - loop.first + 1 for loop in loops.values())
        shape = (*extents, *self.shapes[statement.name])
        if statement.name in self.local:
            self._placed_locally(statement, writer, placer, shape, tuple(loops), depth)
            return
        fresh = statement.name in self.outputs or not shape or self._handed_out(statement)
        if self._covers(statement, fixed, loops) and fresh:
            again = ".copy()" if shape and self._is_view(statement.right) else ""  # what goes out must stay as it is
            self._line(f"{held.text} = {writer.write(statement.right).text}{again}", depth)
            self.made.add(statement.name)
            return
        self._room(statement.name)
        parts, _ = writer.subscript(statement.indices, held)
        text = writer.located(held, parts, statement.part)
        apart = statement.part is not None or any(":" in p for p in parts[:-1]) or (len(parts) > 1 and ":" in parts[-1])
        into = Code(text, tuple(loops), held.rank, scattered=apart)
        if not shape:
            self._line(f"{text} = {writer.write(statement.right).text}", depth)
        elif isinstance(statement.right, Reference):
            placer.plain(statement.right, into)
        else:
            placer.place(statement.right, into)

    def _is_view(self, node: Expression) -> bool:
        """Whether an expression only names what lies in the memory of the program, or in what is given."""
        while isinstance(node, Call) and node.operation in (ROWS, "transpose"):
            node = node.arguments[0]
        return isinstance(node, Reference) and (self.storage[node.name].kept or node.name in self.given)

    def _handed_out(self, statement: Statement) -> bool:
        """Whether only outputs read it, as parts of it: they must not change in the next call."""
        users = [s for s in self.all if any(r.name == statement.name for r, _, _ in self.reads(s))]
        parts = all(isinstance(s.right, Call) and s.right.operation == ROWS and s.name in self.outputs for s in users)
        return bool(users) and parts

    def _placed_locally(
        self,
        statement: Statement,
        writer: Writer,
        placer: Placer,
        shape: tuple[int, ...],
        axes: tuple[str, ...],
        depth: int,
    ) -> None:
        """A member of one turn: in a temporary of its own, under the family's name."""
        held, local = self.storage[statement.name], self.local[statement.name]
        local.axes = axes
        code = writer.write(statement.right)
        if isinstance(statement.right, Reference) or not shape or code.axes != axes or code.rank != held.rank:
            local.axes = code.axes
            local.text = code.text
            if shape and isinstance(statement.right, Reference):
                return  # it lies there already
            local.text = held.text
            self._line(f"{held.text} = {code.text}", depth)
            return
        if statement.name not in self.made:
            self.made.add(statement.name)
            self.rooms.append(f"    {held.text} = {self.dialect.empty(shape)}")
        local.text = held.text
        placer.place(statement.right, Code(held.text, axes, held.rank))
