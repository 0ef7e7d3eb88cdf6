"""The program for PyTorch and Numba: one expression a statement, and arrays made where they are first filled."""

from __future__ import annotations

from collections.abc import Mapping

from bptt_solver.compile.code import Code, Now
from bptt_solver.compile.schedule import Recurrence
from bptt_solver.compile.source import Source, statements
from bptt_solver.compile.statements import Loop, Statement
from bptt_solver.compile.words import Text, say
from bptt_solver.language.expressions import Index, Reference


class Plain(Source):
    """A module with the function ``gradient(given)``."""

    def text(self) -> Text:
        self.together: dict[int, set[int]] = {}  # which statements stand in one recurrence
        for node in self.nodes:
            inside = {id(s) for s in statements([node])}
            self.together.update(dict.fromkeys(inside, inside))
        return super().text()

    def _body(self) -> list[str]:
        inputs = [f"    {self.storage[n].text} = given[{n!r}]" for n in self.given if n not in self.writers]
        return [
            *self.dialect.decorators,
            "def gradient(given):",
            Text('    """', say("gradient"), '"""'),
            *(f"    {line}" for line in self._sizes()),
            *inputs,
            *self._kind(),
            *self.lines,
            *self._results(1),
        ]

    def _kind(self) -> list[str]:
        """The type of the numbers, and where they lie: as in what is given."""
        first = next(iter(self.given), None)
        like = None if first is None else f"given[{first!r}]"
        needed = "\n".join(self.lines)
        return [f"    {line}" for word, line in self.dialect.kinds(like) if word in needed]

    def _partly(self, name: str) -> str:
        """What is given of an array that is also computed."""
        return f"given[{name!r}]"

    # -- memory

    def _begin(self, node: Recurrence, depth: int) -> None:
        for name in dict.fromkeys(s.name for s in statements([node])):
            if name not in self.local:
                self._room(name, depth)

    def _room(self, name: str, depth: int) -> None:
        if name in self.made:
            return
        self.made.add(name)
        held = self.storage[name]
        self._line(f"{held.text} = {self.dialect.empty((*held.extents, *self.shapes[name]))}", depth)
        if name in self.given:
            box = self.given[name]
            parts = [f"{low - s}:{high - s + 1}" for (low, high), s in zip(box, held.starts, strict=True)]
            while len(parts) > 1 and parts[-1] == f"0:{held.extents[len(parts) - 1]}":
                parts.pop()
            self._line(self.dialect.assigned(held.text, ", ".join(parts), self._partly(name)), depth)

    # -- statements

    def _statement(self, statement: Statement, depth: int, at: Mapping[str, Index]) -> None:
        writer, loops, fixed = self._fitted(statement, at, False)
        code = writer.write(statement.right)
        held = self.storage[statement.name]
        text = self.dialect.array_of(code.text) if code.plain else code.text
        if statement.name in self.local:
            self._line(f"{held.text} = {text}", depth)
            self.local[statement.name].axes = code.axes
            return
        if self._covers(statement, fixed, loops) and code.axes == tuple(loops) and code.rank == held.rank:
            self._line(f"{held.text} = {text}", depth)
            self.made.add(statement.name)
            return
        self._room(statement.name, depth)
        parts, _ = writer.subscript(statement.indices, held)
        value = writer.spread(code, tuple(loops), held.rank) if code.axes or code.rank else code
        self._fill(statement, loops, value, writer.where(held, parts, statement.part), depth)

    def _fill(self, statement: Statement, loops: Mapping[str, Loop], value: Code, where: str, depth: int) -> None:
        """Put a value into its place; where it is needed again in the same turn, it has a name."""
        held = self.storage[statement.name]
        whole = statement.part is None and value.axes == tuple(loops) and value.rank == held.rank and not value.plain
        if self.running and whole and not isinstance(statement.right, Reference) and self._reread(statement):
            value = self._named(statement, loops, value, depth)
        self._line(self.dialect.assigned(held.text, where, value.text), depth)

    def _named(self, statement: Statement, loops: Mapping[str, Loop], value: Code, depth: int) -> Code:
        """A value under a name of its own, until the turn is over."""
        part = statement.part
        word = self.names.of(f"{statement.name} now{'' if part is None else f' {part[0]}'}")
        self._line(f"{word} = {value.text}", depth)
        self.now.setdefault(statement.name, []).append(Now(statement.indices, loops, word, part))
        return Code(word, value.axes, value.rank)

    def _reread(self, statement: Statement) -> bool:
        """Whether the loop in which a member is computed reads it again."""
        found = [(s, r) for s in self.all for r, _, _ in self.reads(s) if r.name == statement.name]
        return any(r.indices == statement.indices and id(s) in self.together.get(id(statement), ()) for s, r in found)


class Jitted(Plain):
    """One function of arrays, which Numba compiles, and one of a mapping around it."""

    def _body(self) -> list[str]:
        arguments = [self._argument(n) for n in self.given]
        results = ", ".join(self.storage[n].text for n in self.outputs)
        return [
            '@njit(cache=True, error_model="numpy")',
            f"def program({', '.join(arguments)}):",
            Text('    """', say("program"), '"""'),
            *(f"    {line}" for line in self._sizes()),
            *self.lines,
            f"    return ({results},)",
            "",
            "",
            "def gradient(given):",
            Text('    """', say("gradient"), '"""'),
            "    inputs = [",
            *(f"        {name!r}," for name in self.given),
            "    ]",
            "    outputs = [",
            *(f"        {name!r}," for name in self.outputs),
            "    ]",
            '    arrays = [np.asarray(given[name], real, order="C")[()] for name in inputs]',
            "    return {name: np.asarray(value, real) for name, value in zip(outputs, program(*arrays))}",
        ]

    def _argument(self, name: str) -> str:
        return self._partly(name) if name in self.writers else self.storage[name].text

    def _partly(self, name: str) -> str:
        return self.names.of(f"{name} given")
