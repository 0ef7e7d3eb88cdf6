"""Expressions as source: references with what stands in their brackets, numbers, and sums over an index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bptt_solver.catalogues import message
from bptt_solver.compile.code import ATOM, POWER, PRODUCT, SUM, UNARY, Code, Local, Now, Storage
from bptt_solver.compile.dialects import NUMPY
from bptt_solver.compile.forms import Forms
from bptt_solver.compile.helpers import Helpers
from bptt_solver.compile.statements import Loop, NotCompiled
from bptt_solver.language.expressions import (
    Call,
    Expression,
    Index,
    IndexValue,
    Number,
    Reference,
    Sum,
)
from bptt_solver.system import System

_UFUNCS = NUMPY.functions

Views = Callable[..., str]  # some entries of an array, or the list of its members; see `Source`


class Writer(Forms):
    """Writes the expressions of one statement. ``loops`` are the axes, ``at`` the variables of surrounding Python
    loops (name -> text) or of single members (name -> number); ``spelled`` are the identifiers of sizes, where they
    differ from their names. Inside a loop (``running``) views that were made before save time; ``turned`` gives
    transposed matrices, ``now`` has what this turn of the loop computed."""

    def __init__(
        self,
        system: System,
        storage: Mapping[str, Storage],
        local: Mapping[str, Local],
        helpers: Helpers,
        loops: Mapping[str, Loop],
        at: Mapping[str, Index],
        running: bool,
        views: Views,
        spelled: Mapping[str, str] | None = None,
        turned: Callable[[str], str] | None = None,
        now: Mapping[str, Sequence[Now]] | None = None,
    ) -> None:
        self.system = system
        self.operations = system.operations
        self.storage = storage
        self.local = local
        self.helpers = helpers
        self.dialect = helpers.dialect
        self.loops = dict(loops)
        self.at = dict(at)
        self.running = running
        self.views = views
        self.spelled = spelled or {}
        self.now = now or {}
        self._turned = turned

    def turned(self, matrix: str) -> str:
        return f"{matrix}.T" if self._turned is None else self._turned(matrix)

    # -- leaves

    def write(self, node: Expression) -> Code:
        if isinstance(node, Number):
            text = self.dialect.number(_number(node))
            level = UNARY if node.value < 0 and text.startswith("-") else ATOM
            return Code(text, (), 0, level, plain=True)
        if isinstance(node, Reference):
            return self.reference(node)
        if isinstance(node, IndexValue):
            return self._index_value(node.index)
        if isinstance(node, Sum):
            return self._sum(node)
        assert isinstance(node, Call)
        return self._rows_of(node) if node.operation == "rows_of" else self._call(node)

    def reference(self, node: Reference) -> Code:
        """A member, a stretch or a whole family."""
        return self._part(node, None)

    def _rows_of(self, node: Call) -> Code:
        whole, first, after = node.arguments
        assert isinstance(whole, Reference) and isinstance(first, Number) and isinstance(after, Number)
        return self._part(whole, (int(first.value), int(after.value)))

    def _part(self, node: Reference, part: tuple[int, int] | None) -> Code:
        """A reference, or some entries of what it refers to."""
        held = self.storage[node.name]
        if node.name in self.local:
            local = self.local[node.name]
            scattered = part is not None and bool(local.axes)
            return Code(self.views(local.text, part), local.axes, held.rank, scattered=scattered)
        for now in self.now.get(node.name, ()):
            if now.is_read(node.indices, self.loops, part):
                rest = part if now.part is None else None
                return Code(self.views(now.text, rest), tuple(now.axes), held.rank, scattered=rest is not None)
        parts, axes = self.subscript(node.indices, held)
        text = self.located(held, parts, part)
        order = tuple(v for v in self.loops if v in axes)
        if order != axes:
            raise NotCompiled(message("compile.order"))
        return Code(text, axes, held.rank, scattered=part is not None and bool(held.extents))

    def located(self, held: Storage, parts: Sequence[str], part: tuple[int, int] | None) -> str:
        """A stretch or a member of a family, or some entries of it."""
        if self.running and len(parts) == 1 and ":" not in parts[0] and held.kept and len(held.extents) + held.rank > 1:
            return f"{self.views(held.text, part, True)}[{parts[0]}]"
        where = self.where(held, parts, part)
        return held.text + (f"[{where}]" if where else "")

    def where(self, held: Storage, parts: Sequence[str], part: tuple[int, int] | None) -> str:
        """What stands in brackets for a stretch or a member of a family, or some entries of it."""
        rows = [] if part is None else ["..."] * (len(held.extents) > 0) + [f"{part[0]}:{part[1]}"]
        return ", ".join([*parts, *rows])

    def subscript(self, indices: Sequence[Index], held: Storage) -> tuple[list[str], tuple[str, ...]]:
        """The indices of a reference as they stand in brackets, and the axes that are left."""
        parts: list[str] = []
        axes: list[str] = []
        for index, start, extent in zip(indices, held.starts, held.extents, strict=True):
            names = [v for v in index.variables() if v in self.loops]
            if not names:
                parts.append(self.number(index.substitute(self.at).plus(-start)))
                continue
            if len(names) > 1 or dict(index.terms).get(names[0]) != 1:
                raise NotCompiled(message("compile.axis"))
            loop = self.loops[names[0]]
            offset = index.plus(Index.variable(names[0]), -1).substitute(self.at).plus(-start)
            low, after = offset.plus(loop.low), offset.plus(loop.high).plus(1)
            first, last = self._value(low), self._value(after)
            left = "" if first == 0 else self.number(low)
            right = "" if last == extent else self.number(after)
            parts.append(f"{left}:{right}")
            axes.append(names[0])
        while parts and parts[-1] == ":":
            parts.pop()
        return parts, tuple(axes)

    def _value(self, index: Index) -> int:
        try:
            return self.system.index(index, {})
        except KeyError:
            raise NotCompiled(message("compile.stretch")) from None

    def number(self, index: Index) -> str:
        """An index as Python writes it: sizes and the variables of loops by name."""
        words: list[str] = []
        for atom, coefficient in index.terms:
            if not isinstance(atom, str):
                raise NotCompiled(message("compile.looked_up"))
            name = self.spelled.get(atom, atom)
            word = name if abs(coefficient) == 1 else f"{abs(coefficient)}*{name}"
            words.append(("- " if words else "-") + word if coefficient < 0 else ("+ " if words else "") + word)
        if index.constant or not words:
            sign = "- " if index.constant < 0 and words else "+ " if words else ""
            words.append(sign + str(abs(index.constant) if words else index.constant))
        return " ".join(words)

    def _index_value(self, index: Index) -> Code:
        names = [v for v in index.variables() if v in self.loops]
        if not names:
            inside = f"({self.number(index.substitute(self.at))})"
            return Code(self.dialect.number(inside), (), 0, plain=True)
        if len(names) > 1:
            raise NotCompiled(message("compile.several_indices"))
        loop = self.loops[names[0]]
        rest = index.plus(Index.variable(names[0]), -1)
        if dict(index.terms)[names[0]] != 1:
            raise NotCompiled(message("compile.multiple"))
        low, after = (self.number(i.plus(rest).substitute(self.at)) for i in (loop.low, loop.high.plus(1)))
        return Code(self.dialect.counted(low, after), (names[0],), 0)

    # -- sums over an index

    def _sum(self, node: Sum) -> Code:
        if node.conditions:
            raise NotCompiled(message("compile.sum_condition"))
        inner = dict(self.loops)
        for item in node.ranges:
            first, last = self._value(item.low), self._value(item.high)
            inner[item.variable] = Loop(item.variable, item.low, item.high, first, last)
        names = [r.variable for r in node.ranges]
        single = [v for v in names if inner[v].first == inner[v].last]
        at = self.at | {v: inner.pop(v).low for v in single}
        places = list(inner)
        names = [v for v in names if v in inner]
        summed_first = {v: inner[v] for v in sorted(places, key=lambda v: (v not in names, places.index(v)))}
        try:  # as the axes lie in memory: mostly what is summed stands before the rest
            return self._inside(summed_first, at)._added(node.body, names)
        except NotCompiled:
            return self._inside(inner, at)._added(node.body, names)

    def _inside(self, loops: Mapping[str, Loop], at: Mapping[str, Index]) -> Writer:
        """What writes the body of a sum."""
        return Writer(
            self.system, self.storage, self.local, self.helpers, loops, at, self.running, self.views, self.spelled
        )

    def _added(self, body: Expression, names: Sequence[str]) -> Code:
        if not names:
            return self.write(body)
        if isinstance(body, Call) and body.operation in ("outer", "mul", "dot") and len(body.arguments) == 2:
            pair = [self.write(a) for a in body.arguments]
            if all(p.axes == tuple(names) for p in pair):
                found = self._contracted(body.operation, pair)
                if found is not None:
                    return found
        code = self.write(body)
        rest = tuple(v for v in code.axes if v not in names)
        if not rest and code.axes == tuple(names) and code.rank == 1:
            inner = code.text if len(names) == 1 else f"{self.helpers('rows')}({code.text})"
            scattered = code.scattered and len(names) == 1
            return Code(f"{self.helpers('column_sums')}({self.dialect.factor(inner, scattered)})", (), 1)
        missing = [v for v in names if v not in code.axes]
        text = code.text
        if len(rest) < len(code.axes):
            places = tuple(at for at, v in enumerate(code.axes) if v in names)
            every = not rest and not code.rank
            text = f"{code.at(ATOM)}.sum()" if every else self.dialect.over_first(code.at(ATOM), places)
        for name in missing:
            count = self.dialect.number(str(self.loops[name].last - self.loops[name].first + 1))
            text = f"{count} * ({text})"
        plain = code.plain and not code.axes
        return Code(text, rest, code.rank, PRODUCT if missing else ATOM, plain=plain)

    def _contracted(self, operation: str, pair: Sequence[Code]) -> Code | None:
        """``Σ outer(a, b)`` as one matrix product, ``Σ a·b`` of numbers as one inner product."""
        left, right = pair
        several = len(left.axes) > 1
        if operation == "outer" and left.rank == right.rank == 1:
            if several and self.dialect.outer_sum("", "", 2):
                return Code(self.dialect.outer_sum(left.text, right.text, len(left.axes)), (), 2)
            if several:
                rows = self.helpers("rows")
                return Code(f"{rows}({left.text}).T @ {rows}({right.text})", (), 2, PRODUCT)
            return Code(f"{self._factor(left, ATOM)}.T @ {self._factor(right, PRODUCT + 1)}", (), 2, PRODUCT)
        if left.rank == right.rank == 0:
            if several:
                return Code(self.dialect.inner(left.text, right.text), (), 0)
            return Code(self._product(left, right), (), 0, PRODUCT)
        return None


def _number(node: Number) -> str:
    value = node.value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    return f"({value.numerator} / {value.denominator})"


__all__ = ["ATOM", "POWER", "PRODUCT", "SUM", "UNARY", "_UFUNCS", "Code", "Local", "Storage", "Writer"]
