"""Expressions as NumPy source: a text with the axes that its value has in front of the entries of one member."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bptt_solver.compile.statements import Loop, NotCompiled
from bptt_solver.language import build
from bptt_solver.language.expressions import (
    Call,
    Expression,
    Index,
    IndexValue,
    Number,
    Reference,
    Sum,
)
from bptt_solver.language.operations import Operations
from bptt_solver.system import System

ATOM, POWER, UNARY, PRODUCT, SUM = 5, 4, 3, 2, 1


class Code:
    """``text`` computes an array with ``axes`` (index variables, in the order of the statement) and then ``rank``
    axes of its entries; ``level`` is its precedence in Python."""

    __slots__ = ("axes", "level", "rank", "text", "transposed")

    def __init__(self, text: str, axes: tuple[str, ...], rank: int, level: int = ATOM, transposed: str = "") -> None:
        self.text = text
        self.axes = axes
        self.rank = rank
        self.level = level
        self.transposed = transposed  # the text without a trailing .T

    def at(self, level: int) -> str:
        """The text as an operand of an operator of that precedence."""
        return self.text if self.level >= level else f"({self.text})"


class Storage:
    """How a family lies in memory: the first value of each index, and how many there are."""

    __slots__ = ("extents", "kept", "name", "rank", "starts", "text")

    def __init__(self, name: str, text: str, starts: Sequence[int], extents: Sequence[int], rank: int) -> None:
        self.name = name
        self.text = text
        self.starts = starts
        self.extents = extents
        self.rank = rank
        self.kept = False  # whether its array lives as long as the program


class Local:
    """A family that lives in one turn of a loop, as a variable of that turn."""

    __slots__ = ("axes", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.axes: tuple[str, ...] = ()


_UFUNCS = {
    name: f"np.{name}" for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "abs", "sign")
} | {"max": "np.maximum", "min": "np.minimum", "clip": "np.clip"}  # fmt: skip


class Writer:
    """Writes the expressions of one statement. ``loops`` are the axes, ``at`` the variables of surrounding Python
    loops (name -> text) or of single members (name -> number)."""

    def __init__(
        self,
        system: System,
        storage: Mapping[str, Storage],
        local: Mapping[str, Local],
        helpers: Callable[[str], str],
        loops: Mapping[str, Loop],
        at: Mapping[str, Index],
        running: bool,
        views: Callable[..., str],
    ) -> None:
        self.system = system
        self.operations: Operations = system.operations
        self.storage = storage
        self.local = local
        self.helpers = helpers
        self.loops = dict(loops)
        self.at = dict(at)
        self.running = running  # inside a Python loop, where views that were made before save time
        self.views = views

    # -- leaves

    def write(self, node: Expression) -> Code:
        """An expression. Raises NotCompiled for what has no form over arrays."""
        if isinstance(node, Number):
            return Code(_number(node), (), 0, UNARY if _negative(node) else ATOM)
        if isinstance(node, Reference):
            return self.reference(node)
        if isinstance(node, IndexValue):
            return self._index_value(node.index)
        if isinstance(node, Sum):
            return self._sum(node)
        assert isinstance(node, Call)
        return self._call(node)

    def reference(self, node: Reference) -> Code:
        """A member, a stretch or a whole family."""
        return self._part(node, None)

    def _part(self, node: Reference, part: tuple[int, int] | None) -> Code:
        """A reference, or some entries of what it refers to."""
        held = self.storage[node.name]
        if node.name in self.local:
            local = self.local[node.name]
            return Code(self.views(local.text, part), local.axes, held.rank)
        parts, axes = self.subscript(node.indices, held)
        text = self.located(held, parts, part)
        order = tuple(v for v in self.loops if v in axes)
        if order != axes:
            raise NotCompiled("indices in another order than those of the statement")
        return Code(text, axes, held.rank)

    def located(self, held: Storage, parts: Sequence[str], part: tuple[int, int] | None) -> str:
        """A stretch or a member of a family, or some entries of it."""
        if self.running and len(parts) == 1 and ":" not in parts[0] and held.kept and len(held.extents) + held.rank > 1:
            return f"{self.views(held.text, part, True)}[{parts[0]}]"
        whole = list(parts)
        if part is not None:
            whole += ["..."] * (len(held.extents) > 0) + [f"{part[0]}:{part[1]}"]
        return held.text + (f"[{', '.join(whole)}]" if whole else "")

    def subscript(self, indices: Sequence[Index], held: Storage) -> tuple[list[str], tuple[str, ...]]:
        """What stands in brackets, and the axes it leaves."""
        parts: list[str] = []
        axes: list[str] = []
        for index, start, extent in zip(indices, held.starts, held.extents, strict=True):
            names = [v for v in index.variables() if v in self.loops]
            if not names:
                parts.append(self.number(index.substitute(self.at).plus(-start)))
                continue
            if len(names) > 1 or dict(index.terms).get(names[0]) != 1:
                raise NotCompiled("an axis that is not walked one by one")
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
            raise NotCompiled("a stretch of a family whose ends move") from None

    def number(self, index: Index) -> str:
        """An index as Python writes it: sizes and the variables of loops by name."""
        words: list[str] = []
        for atom, coefficient in index.terms:
            if not isinstance(atom, str):
                raise NotCompiled("an index that is looked up")
            word = atom if abs(coefficient) == 1 else f"{abs(coefficient)}*{atom}"
            words.append(("- " if words else "-") + word if coefficient < 0 else ("+ " if words else "") + word)
        if index.constant or not words:
            sign = "- " if index.constant < 0 and words else "+ " if words else ""
            words.append(sign + str(abs(index.constant) if words else index.constant))
        return " ".join(words)

    def _index_value(self, index: Index) -> Code:
        names = [v for v in index.variables() if v in self.loops]
        if not names:
            return Code(f"({self.number(index.substitute(self.at))})", (), 0)
        if len(names) > 1:
            raise NotCompiled("a number made of several indices")
        loop = self.loops[names[0]]
        low, after = self.number(loop.low), self.number(loop.high.plus(1))
        rest = index.plus(Index.variable(names[0]), -1)
        if dict(index.terms)[names[0]] != 1:
            raise NotCompiled("a number made of a multiple of an index")
        return Code(f"(np.arange({low}, {after}) + {self.number(rest)})", (names[0],), 0)

    # -- operations

    def _call(self, node: Call) -> Code:
        name = node.operation
        special = getattr(self, f"_call_{name}", None)
        if special is not None:
            return special(node)
        operation = self.operations[name]
        if operation.record is not None or operation.value() is not None:
            return self._formula(node)
        if operation.kind == "elementwise":
            arguments = [self.write(a) for a in node.arguments]
            axes, rank = self._common(arguments)
            texts = [self.spread(a, axes, rank).text for a in arguments]
            function = _UFUNCS.get(name) or self.helpers(name)
            return Code(f"{function}({', '.join(texts)})", axes, rank)
        raise NotCompiled(f"{name} has no form over arrays")

    def _formula(self, node: Call) -> Code:
        """A plugin's function: an elementwise one is a helper, a number is written out."""
        operation = self.operations[node.operation]
        if operation.kind == "elementwise":
            arguments = [self.write(a) for a in node.arguments]
            axes, rank = self._common(arguments)
            texts = [self.spread(a, axes, rank).text for a in arguments]
            return Code(f"{self.helpers(operation.name)}({', '.join(texts)})", axes, rank)
        value = operation.value()
        assert value is not None
        return self.write(build.rebuild(build.replace(value, operation.bind(node.arguments))))

    def _common(self, codes: Sequence[Code]) -> tuple[tuple[str, ...], int]:
        axes = {a for c in codes for a in c.axes}
        return tuple(v for v in self.loops if v in axes), max(c.rank for c in codes)

    def spread(self, code: Code, axes: tuple[str, ...], rank: int) -> Code:
        """A code that broadcasts against arrays with these axes and this rank."""
        missing = [v for v in axes if v not in code.axes]
        grown = rank - code.rank if code.axes else 0
        if code.rank and code.rank != rank:
            raise NotCompiled("arrays of different ranks")
        leading = 0
        while leading < len(axes) and axes[leading] not in code.axes:
            leading += 1
        if not code.axes or (all(v in code.axes for v in axes[leading:]) and not grown):
            return code
        parts = [":" if v in code.axes else "None" for v in axes[leading:]]
        parts += ["None"] * grown
        if not missing and not grown:
            return code
        return Code(f"{code.at(ATOM)}[{', '.join(parts)}]", axes, rank)

    def _joined(self, codes: Sequence[Code], separators: Sequence[str], level: int) -> Code:
        axes, rank = self._common(codes)
        words = [self.spread(c, axes, rank).at(level if at == 0 else level + 1) for at, c in enumerate(codes)]
        text = words[0] + "".join(f" {s} {w}" for s, w in zip(separators, words[1:], strict=True))
        return Code(text, axes, rank, level)

    def _call_add(self, node: Call) -> Code:
        codes, signs = [], []
        for at, argument in enumerate(node.arguments):
            negative = at > 0 and isinstance(argument, Call) and argument.operation == "neg"
            codes.append(self.write(argument.arguments[0] if negative else argument))  # type: ignore[union-attr]
            signs.append("-" if negative else "+")
        return self._joined(codes, signs[1:], SUM)

    def _call_mul(self, node: Call) -> Code:
        codes = [self.write(a) for a in node.arguments]
        return self._joined(codes, ["*"] * (len(codes) - 1), PRODUCT)

    def _call_div(self, node: Call) -> Code:
        return self._joined([self.write(a) for a in node.arguments], ["/"], PRODUCT)

    def _call_neg(self, node: Call) -> Code:
        inner = self.write(node.arguments[0])
        return Code("-" + inner.at(UNARY), inner.axes, inner.rank, UNARY)

    def _call_power(self, node: Call) -> Code:
        base, exponent = (self.write(a) for a in node.arguments)
        axes, rank = self._common([base, exponent])
        base, exponent = self.spread(base, axes, rank), self.spread(exponent, axes, rank)
        return Code(f"{base.at(ATOM)}**{exponent.at(UNARY)}", axes, rank, POWER)

    def _call_matmul(self, node: Call) -> Code:
        left, right = (self.write(a) for a in node.arguments)
        if right.rank == 1 and not left.axes:
            return self._applied(left, right)
        axes, _ = self._common([left, right])
        if not axes:
            return Code(f"{left.at(PRODUCT)} @ {right.at(PRODUCT + 1)}", (), right.rank, PRODUCT)
        if right.rank == 1:
            column = Code(f"{right.at(ATOM)}[..., None]", right.axes, 2)
            product = f"({self._filled(left, axes)} @ {self._filled(column, axes)})[..., 0]"
            return Code(product, axes, 1)
        return Code(f"{self._filled(left, axes)} @ {self._filled(right, axes)}", axes, 2, PRODUCT)

    def _filled(self, code: Code, axes: tuple[str, ...]) -> str:
        """A stack of matrices with all the axes."""
        leading = 0
        while leading < len(axes) and axes[leading] not in code.axes:
            leading += 1
        if all(v in code.axes for v in axes[leading:]):
            return code.at(PRODUCT + 1)
        return f"{code.at(ATOM)}[{', '.join(':' if v in code.axes else 'None' for v in axes[leading:])}]"

    def _applied(self, matrix: Code, vectors: Code) -> Code:
        """A matrix that is the same for all vectors: one product, the vectors are rows."""
        if not vectors.axes:
            return Code(f"{matrix.at(PRODUCT)} @ {vectors.at(PRODUCT + 1)}", (), 1, PRODUCT)
        turned = matrix.transposed or f"{matrix.at(ATOM)}.T"
        if len(vectors.axes) == 1:
            return Code(f"{vectors.at(PRODUCT)} @ {turned}", vectors.axes, 1, PRODUCT)
        return Code(f"{self.helpers('rows_times')}({vectors.text}, {turned})", vectors.axes, 1)

    def _call_transpose(self, node: Call) -> Code:
        inner = self.write(node.arguments[0])
        if inner.rank == 1:
            return Code(f"{inner.at(ATOM)}[..., None, :]", inner.axes, 2)
        if inner.axes:
            return Code(f"np.swapaxes({inner.text}, -1, -2)", inner.axes, 2)
        return Code(f"{inner.at(ATOM)}.T", (), 2, ATOM, inner.at(ATOM))

    def _call_outer(self, node: Call) -> Code:
        left, right = (self.write(a) for a in node.arguments)
        axes, _ = self._common([left, right])
        if left.rank == 0 or right.rank == 0:
            return self._joined([left, right], ["*"], PRODUCT)
        if not axes:
            return Code(f"np.outer({left.text}, {right.text})", (), 2)
        rows = Code(f"{left.at(ATOM)}[..., None]", left.axes, 2)
        columns = Code(f"{right.at(ATOM)}[..., None, :]", right.axes, 2)
        return Code(f"{self._filled(rows, axes)} * {self._filled(columns, axes)}", axes, 2, PRODUCT)

    def _call_dot(self, node: Call) -> Code:
        left, right = (self.write(a) for a in node.arguments)
        if left.rank == 0 or right.rank == 0:
            return self._joined([left, right], ["*"], PRODUCT)
        axes, rank = self._common([left, right])
        if not axes and rank == 1:
            return Code(f"{left.at(PRODUCT)} @ {right.at(PRODUCT + 1)}", (), 0, PRODUCT)
        product = self._joined([left, right], ["*"], PRODUCT)
        return self._over_entries(product, "sum")

    def _over_entries(self, code: Code, what: str) -> Code:
        if code.rank == 0:
            return code
        if not code.axes:
            return Code(f"{code.at(ATOM)}.{what}()", (), 0)
        where = "-1" if code.rank == 1 else "(-2, -1)"
        return Code(f"{code.at(ATOM)}.{what}({where})", code.axes, 0)

    def _call_sum(self, node: Call) -> Code:
        return self._over_entries(self.write(node.arguments[0]), "sum")

    def _call_mean(self, node: Call) -> Code:
        return self._over_entries(self.write(node.arguments[0]), "mean")

    def _call_largest(self, node: Call) -> Code:
        return self._over_entries(self.write(node.arguments[0]), "max")

    def _call_smallest(self, node: Call) -> Code:
        return self._over_entries(self.write(node.arguments[0]), "min")

    def _call_softmax(self, node: Call) -> Code:
        return self._rowwise(node, "softmax")

    def _call_log_softmax(self, node: Call) -> Code:
        return self._rowwise(node, "log_softmax")

    def _rowwise(self, node: Call, name: str) -> Code:
        inner = self.write(node.arguments[0])
        return Code(f"{self.helpers(name)}({inner.text})", inner.axes, inner.rank)

    def _call_logsumexp(self, node: Call) -> Code:
        inner = self.write(node.arguments[0])
        return Code(f"{self.helpers('logsumexp')}({inner.text})", inner.axes, 0)

    def _call_norm2(self, node: Call) -> Code:
        inner = self.write(node.arguments[0])
        squares = self._over_entries(Code(f"{inner.at(ATOM)}**2", inner.axes, inner.rank, POWER), "sum")
        return Code(f"np.sqrt({squares.text})", inner.axes, 0)

    def _call_stop_gradient(self, node: Call) -> Code:
        return self.write(node.arguments[0])

    def _call_expand(self, node: Call) -> Code:
        value, like = (self.write(a) for a in node.arguments)
        if like.rank == 0:
            return value
        axes, rank = self._common([value, like])
        ones = self.spread(Code(f"np.ones_like({like.text})", like.axes, like.rank), axes, rank)
        spread = self.spread(value, axes, rank)
        return Code(f"{spread.at(PRODUCT)} * {ones.text}", axes, rank, PRODUCT)

    def _call_zeros(self, node: Call) -> Code:
        like = self.write(node.arguments[0])
        return Code(f"np.zeros_like({like.text})", like.axes, like.rank) if like.rank else Code("0.0", (), 0)

    def _call_stacked(self, node: Call) -> Code:
        codes = [self.write(a) for a in node.arguments]
        return Code(f"np.concatenate([{', '.join(c.text for c in codes)}])", (), codes[0].rank)

    def _call_rows_of(self, node: Call) -> Code:
        whole, first, after = node.arguments
        assert isinstance(whole, Reference) and isinstance(first, Number) and isinstance(after, Number)
        code = self._part(whole, (int(first.value), int(after.value)))
        return code

    # -- sums over an index

    def _sum(self, node: Sum) -> Code:
        if node.conditions:
            raise NotCompiled("a condition on the index of a sum")
        inner = dict(self.loops)
        for item in node.ranges:
            first, last = self._value(item.low), self._value(item.high)
            inner[item.variable] = Loop(item.variable, item.low, item.high, first, last)
        names = [r.variable for r in node.ranges]
        single = [v for v in names if inner[v].first == inner[v].last]
        at = self.at | {v: inner.pop(v).low for v in single}
        order = {v: inner[v] for v in sorted(inner, key=lambda v: (v not in names, list(inner).index(v)))}
        writer = Writer(self.system, self.storage, self.local, self.helpers, order, at, self.running, self.views)
        return writer._added(node.body, [v for v in names if v in order])

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
            return Code(f"{self.helpers('column_sums')}({inner})", (), 1)
        missing = [v for v in names if v not in code.axes]
        text = code.text
        if len(rest) < len(code.axes):
            places = tuple(at for at, v in enumerate(code.axes) if v in names)
            where = str(places[0]) if len(places) == 1 else str(places)
            every = not rest and not code.rank
            text = f"{code.at(ATOM)}.sum({'' if every else where})"
        for name in missing:
            text = f"{self.loops[name].last - self.loops[name].first + 1} * ({text})"
        return Code(text, rest, code.rank, PRODUCT if missing else ATOM)

    def _contracted(self, operation: str, pair: Sequence[Code]) -> Code | None:
        """``Σ outer(a, b)`` as one matrix product, ``Σ a·b`` of numbers as one inner product."""
        left, right = pair
        several = len(left.axes) > 1
        if operation == "outer" and left.rank == right.rank == 1:
            if several:
                rows = self.helpers("rows")
                return Code(f"{rows}({left.text}).T @ {rows}({right.text})", (), 2, PRODUCT)
            return Code(f"{left.at(ATOM)}.T @ {right.at(PRODUCT + 1)}", (), 2, PRODUCT)
        if left.rank == right.rank == 0:
            if several:
                return Code(f"np.vdot({left.text}, {right.text})", (), 0)
            return Code(f"{left.at(PRODUCT)} @ {right.at(PRODUCT + 1)}", (), 0, PRODUCT)
        return None


def _number(node: Number) -> str:
    value = node.value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    return f"({value.numerator} / {value.denominator})"


def _negative(node: Number) -> bool:
    return node.value < 0
