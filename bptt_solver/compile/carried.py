"""The program for JAX: a loop is a function from what it carries to what it carries.

XLA computes into an array in place only as long as nothing reads that array in the same turn; otherwise it copies all
of it. So a turn carries what the turn before computed as values of their own, and the parts of a packed member are
written together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from bptt_solver.compile.code import Code, Now
from bptt_solver.compile.plain import Plain
from bptt_solver.compile.schedule import Node, Recurrence, Whole
from bptt_solver.compile.source import statements
from bptt_solver.compile.statements import Loop, Statement
from bptt_solver.compile.words import Text
from bptt_solver.language.expressions import Index

Member = tuple[str, tuple[Index, ...]]


class Carried(Plain):
    """A module with the function ``gradient(given)``; arrays are never changed."""

    def text(self) -> Text:
        self.turns = 0
        self.handed: dict[str, str] = {}  # families of which a turn hands its member to the next, with its name there
        self.pieces: dict[Member, dict[tuple[int, int], tuple[Statement, Mapping[str, Loop], str, str]]] = {}
        return super().text()

    # -- loops

    def _loop(self, node: Recurrence, loop: Loop, inner: Sequence[Node], depth: int, at: Mapping[str, Index]) -> None:
        self.turns += 1
        turn, variable = self.names.of(f"turn {self.turns}" if self.turns > 1 else "turn"), self._variable(loop)
        low, high, after, _ = self._ends(loop)
        arrays = [self.storage[n].text for n in dict.fromkeys(s.name for s in statements(inner)) if n not in self.local]
        around, self.handed = self.handed, {}
        for statement, before in self._handed(inner, loop, node.backward):
            word = self.names.of(f"{statement.name} before")
            self.handed[statement.name] = word
            edge = loop.high.plus(1) if node.backward else loop.low.plus(-1)
            writer, loops, _ = self._fitted(statement, {**at, loop.variable: edge}, False)
            place, _ = writer.subscript(statement.indices, self.storage[statement.name])
            self._line(f"{word} = {self.storage[statement.name].text}[{', '.join(place)}]", depth)
            self.now.setdefault(statement.name, []).append(Now(before, loops, word))
        handed = dict(self.handed)
        carried = _tuple([*arrays, *handed.values()])
        self._line("", 0)
        self._line(f"def {turn}({'k' if node.backward else variable}, carried):", depth)
        self._line(f"{carried} = carried", depth + 1)
        if node.backward:
            self._line(f"{variable} = {high} - k", depth + 1)
        for item in inner:
            self._node(item, depth + 1, {**at, loop.variable: Index.variable(variable)})
        self._end(depth + 1)
        now = [self.now[name][-1].text for name in handed]
        self._line(f"return {_tuple([*arrays, *now])}", depth + 1)
        self._line("", 0)
        span = f"0, {loop.last - loop.first + 1}" if node.backward else f"{low}, {after}"
        self._line(f"{carried} = lax.fori_loop({span}, {turn}, ({carried}))", depth)
        self.handed = around

    def _handed(self, inner: Sequence[Node], loop: Loop, backward: bool) -> list[tuple[Statement, tuple[Index, ...]]]:
        """Statements whose member of the turn before is read, with that member's indices."""
        own = [n.statement for n in inner if isinstance(n, Whole)]
        read = {(r.name, r.indices) for s in statements(inner) for r, _, _ in self.reads(s)}
        shift = {loop.variable: Index.variable(loop.variable).plus(1 if backward else -1)}
        found: dict[str, tuple[Statement, tuple[Index, ...]]] = {}
        for statement in own:
            before = tuple(i.substitute(shift) for i in statement.indices)
            alike = [s for s in statements(inner) if s.name == statement.name]
            here = all(s.indices == statement.indices and any(s is o for o in own) for s in alike)
            here = here and (statement.name, before) in read and statement.name not in self.local
            if here and before != statement.indices and self._complete(alike):
                found[statement.name] = statement, before
        return list(found.values())

    def _complete(self, alike: Sequence[Statement]) -> bool:
        """Whether statements compute a member and nothing but it."""
        if len(alike) == 1 and alike[0].part is None:
            return True
        parts = sorted(s.part for s in alike if s.part is not None)
        return len(parts) == len(alike) and self._covered(alike[0].name, parts)

    def _covered(self, name: str, parts: Sequence[tuple[int, int]]) -> bool:
        """Whether parts side by side make a whole member."""
        joined = all(a[1] == b[0] for a, b in pairwise(parts))
        return joined and parts[0][0] == 0 and parts[-1][1] == self.shapes[name][0]

    # -- statements

    def _fill(self, statement: Statement, loops: Mapping[str, Loop], value: Code, where: str, depth: int) -> None:
        held = self.storage[statement.name]
        lengths = [loop.last - loop.first + 1 for loop in loops.values()]
        if self.running and statement.part is not None and value.axes == tuple(loops) and value.rank == 1:
            value = self._named(statement, loops, value, depth)
            pieces = self.pieces.setdefault((statement.name, statement.indices), {})
            pieces[statement.part] = statement, loops, value.text, where
            if self._covered(statement.name, sorted(pieces)):
                del self.pieces[statement.name, statement.indices]
                texts = [pieces[part][2] for part in sorted(pieces)]
                joined = Code(f"jnp.concatenate(({', '.join(texts)}), -1)", value.axes, 1)
                whole = Statement(statement.name, statement.indices, statement.loops, statement.right, None)
                value = self._named(whole, loops, joined, depth)
                place = where.partition(", ...")[0]
                self._line(self.dialect.assigned(held.text, place, value.text), depth)
            return
        if statement.name in self.handed and statement.part is None:
            shape = (*lengths, *self.shapes[statement.name])
            if value.plain or value.axes != tuple(loops) or value.rank != held.rank:
                text = f"jnp.broadcast_to({self.dialect.array_of(value.text)}, {shape!r})"
                value = Code(text, tuple(loops), held.rank)
            value = self._named(statement, loops, value, depth)
            self._line(self.dialect.assigned(held.text, where, value.text), depth)
            return
        super()._fill(statement, loops, value, where, depth)

    def _end(self, depth: int) -> None:
        for (name, _), pieces in self.pieces.items():
            for _, _, text, where in pieces.values():
                self._line(self.dialect.assigned(self.storage[name].text, where, text), depth)
        self.pieces = {}


def _tuple(words: Sequence[str]) -> str:
    return f"{words[0]}," if len(words) == 1 else ", ".join(words)
