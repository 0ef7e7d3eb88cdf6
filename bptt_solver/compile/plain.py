"""The program for PyTorch, JAX and Numba: one expression a statement, and arrays made where they are first filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.compile.schedule import Node, Recurrence
from bptt_solver.compile.source import Source, statements
from bptt_solver.compile.statements import Loop, Statement
from bptt_solver.language.expressions import Index


class Plain(Source):
    """A module with the function ``gradient(given)``."""

    def _body(self) -> list[str]:
        inputs = [f"    {self.storage[n].text} = given[{n!r}]" for n in self.given if n not in self.writers]
        return [
            *self.dialect.decorators,
            "def gradient(given):",
            '    """``given`` and the result: arrays by name, as above."""',
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
        if self._covers(statement, fixed) and code.axes == tuple(loops) and code.rank == held.rank:
            self._line(f"{held.text} = {text}", depth)
            self.made.add(statement.name)
            return
        self._room(statement.name, depth)
        parts, _ = writer.subscript(statement.indices, held)
        value = writer.spread(code, tuple(loops), held.rank) if code.axes or code.rank else code
        where = writer.where(held, parts, statement.part)
        self._line(self.dialect.assigned(held.text, where, value.text), depth)


class Carried(Plain):
    """Loops as functions from what they carry to what they carry (JAX)."""

    turns = 0

    def _loop(self, node: Recurrence, loop: Loop, inner: Sequence[Node], depth: int, at: Mapping[str, Index]) -> None:
        names = dict.fromkeys(s.name for s in statements(inner) if s.name not in self.local)
        carried = [self.storage[n].text for n in names]
        words = carried[0] + "," if len(carried) == 1 else ", ".join(carried)
        self.turns += 1
        turn, variable = self.names.of(f"turn {self.turns}" if self.turns > 1 else "turn"), self._variable(loop)
        low, high, after, _ = self._ends(loop)
        count = "k" if node.backward else variable
        self._line("", 0)
        self._line(f"def {turn}({count}, carried):", depth)
        self._line(f"{words} = carried", depth + 1)
        if node.backward:
            self._line(f"{variable} = {high} - k", depth + 1)
        for item in inner:
            self._node(item, depth + 1, {**at, loop.variable: Index.variable(variable)})
        self._line(f"return {words}", depth + 1)
        self._line("", 0)
        span = f"0, {loop.last - loop.first + 1}" if node.backward else f"{low}, {after}"
        self._line(f"{words} = lax.fori_loop({span}, {turn}, ({words}))", depth)


class Jitted(Plain):
    """One function of arrays, which Numba compiles, and one of a mapping around it."""

    def _body(self) -> list[str]:
        arguments = [self._argument(n) for n in self.given]
        results = ", ".join(self.storage[n].text for n in self.outputs)
        return [
            "@njit(cache=True)",
            f"def program({', '.join(arguments)}):",
            '    """All statements, in the order in which they run."""',
            *(f"    {line}" for line in self._sizes()),
            *self.lines,
            f"    return ({results},)",
            "",
            "",
            "def gradient(given):",
            '    """``given`` and the result: arrays by name, as above."""',
            f"    names = {tuple(self.given)!r}",
            '    inputs = [np.asarray(given[name], real, order="C")[()] for name in names]',
            f"    return dict(zip({tuple(self.outputs)!r}, program(*inputs)))",
        ]

    def _argument(self, name: str) -> str:
        return self._partly(name) if name in self.writers else self.storage[name].text

    def _partly(self, name: str) -> str:
        return self.names.of(f"{name} given")
