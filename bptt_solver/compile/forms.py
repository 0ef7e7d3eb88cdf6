"""The operations of the language as expressions over arrays, in the words of a dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.catalogues import message
from bptt_solver.compile.code import ATOM, POWER, PRODUCT, SUM, UNARY, Code, Storage
from bptt_solver.compile.dialects.base import Dialect
from bptt_solver.compile.helpers import Helpers
from bptt_solver.compile.statements import Loop, NotCompiled
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Number
from bptt_solver.language.operations import Operations

FILLED = "filled"  # an operation of compiled programs: filled(x, 3, 2), all members alike, or all entries of each


class Forms:
    """One method an operation. A `bptt_solver.compile.codes.Writer` adds the leaves, and the sums over an index."""

    operations: Operations
    dialect: Dialect
    helpers: Helpers
    loops: dict[str, Loop]
    storage: Mapping[str, Storage]

    def turned(self, matrix: str) -> str:
        """A transposed matrix."""
        return f"{matrix}.T"

    def write(self, node: Expression) -> Code:
        """An expression. Raises NotCompiled for what has no form over arrays."""
        raise NotImplementedError

    def _call(self, node: Call) -> Code:
        name = node.operation
        special = _FORMS.get(name)
        if special is not None:
            return special(self, node)
        operation = self.operations[name]
        if operation.kind == "elementwise":
            return self._elementwise(node)
        value = operation.value()
        if value is None:
            raise NotCompiled(message("compile.no_form", name=name))
        return self.write(build.rebuild(build.replace(value, operation.bind(node.arguments))))

    def _elementwise(self, node: Call) -> Code:
        """A function of the library or a helper."""
        arguments = [self.write(a) for a in node.arguments]
        axes, rank = self.common(arguments)
        texts = [self.spread(a, axes, rank).text for a in arguments]
        if self.dialect.gathers:
            texts = [self.dialect.array_of(t) if a.plain else t for t, a in zip(texts, arguments, strict=True)]
        operation = self.operations[node.operation]
        if not self.dialect.defaults:
            missing = len(operation.arguments) + len(operation.parameters) - len(texts)
            values = list(operation.parameters.values())
            texts += [self.dialect.number(repr(v)) for v in values[len(values) - missing :]] if missing else []
        name = node.operation if node.operation in self.dialect.functions else operation.name
        return Code(f"{self.helpers.function(name)}({', '.join(texts)})", axes, rank)

    # -- axes

    def common(self, codes: Sequence[Code]) -> tuple[tuple[str, ...], int]:
        """The axes and the rank of what several are joined to."""
        there = {a for c in codes for a in c.axes}
        return tuple(v for v in self.loops if v in there), max(c.rank for c in codes)

    def spread(self, code: Code, axes: tuple[str, ...], rank: int) -> Code:
        """A code that broadcasts against arrays with these axes and this rank."""
        missing = [v for v in axes if v not in code.axes]
        grown = rank - code.rank if code.axes else 0
        if code.rank and code.rank != rank:
            raise NotCompiled(message("compile.ranks"))
        leading = _leading(code, axes)
        if not code.axes or (all(v in code.axes for v in axes[leading:]) and not grown):
            return code
        parts = [":" if v in code.axes else "None" for v in axes[leading:]]
        parts += ["None"] * grown
        if not missing and not grown:
            return code
        return Code(f"{code.at(ATOM)}[{', '.join(parts)}]", axes, rank)

    def _filled(self, code: Code, axes: tuple[str, ...]) -> str:
        """A stack of matrices with all the axes."""
        leading = _leading(code, axes)
        if all(v in code.axes for v in axes[leading:]):
            return code.at(PRODUCT + 1)
        return f"{code.at(ATOM)}[{', '.join(':' if v in code.axes else 'None' for v in axes[leading:])}]"

    # -- arithmetic

    def _joined(self, codes: Sequence[Code], separators: Sequence[str], level: int) -> Code:
        axes, rank = self.common(codes)
        words = [self.spread(c, axes, rank).at(level if at == 0 else level + 1) for at, c in enumerate(codes)]
        text = words[0] + "".join(f" {s} {w}" for s, w in zip(separators, words[1:], strict=True))
        return Code(text, axes, rank, level, plain=all(c.plain for c in codes))

    def _add(self, node: Call) -> Code:
        codes, signs = [], []
        for at, argument in enumerate(node.arguments):
            negative = at > 0 and isinstance(argument, Call) and argument.operation == "neg"
            codes.append(self.write(argument.arguments[0] if negative else argument))  # type: ignore[union-attr]
            signs.append("-" if negative else "+")
        return self._joined(codes, signs[1:], SUM)

    def _mul(self, node: Call) -> Code:
        return self._joined([self.write(a) for a in node.arguments], ["*"] * (len(node.arguments) - 1), PRODUCT)

    def _div(self, node: Call) -> Code:
        return self._joined([self.write(a) for a in node.arguments], ["/"], PRODUCT)

    def _neg(self, node: Call) -> Code:
        inner = self.write(node.arguments[0])
        return Code("-" + inner.at(UNARY), inner.axes, inner.rank, UNARY, plain=inner.plain)

    def _power(self, node: Call) -> Code:
        codes = [self.write(a) for a in node.arguments]
        axes, rank = self.common(codes)
        base, exponent = (self.spread(c, axes, rank) for c in codes)
        plain = all(c.plain for c in codes)
        last = node.arguments[1]
        if isinstance(last, Number) and last.value == 2:
            text = self.dialect.square(base.at(ATOM))
            return Code(text, axes, rank, POWER if text.endswith("**2") else ATOM, plain=plain)
        return Code(f"{base.at(ATOM)}**{exponent.at(UNARY)}", axes, rank, POWER, plain=plain)

    # -- products

    def _factor(self, code: Code, level: int) -> str:
        return self.dialect.factor(code.at(level), code.scattered)

    def _product(self, left: Code, right: Code) -> str:
        return f"{self._factor(left, PRODUCT)} @ {self._factor(right, PRODUCT + 1)}"

    def _matmul(self, node: Call) -> Code:
        left, right = (self.write(a) for a in node.arguments)
        if right.rank == 1 and not left.axes:
            return self._applied(left, right)
        axes, _ = self.common([left, right])
        if not axes:
            return Code(self._product(left, right), (), right.rank, PRODUCT)
        if self.dialect.name == "numba":
            raise NotCompiled(message("compile.numba_products"))
        if right.rank == 1:
            column = Code(f"{right.at(ATOM)}[..., None]", right.axes, 2)
            product = f"({self._filled(left, axes)} @ {self._filled(column, axes)})[..., 0]"
            return Code(product, axes, 1)
        return Code(f"{self._filled(left, axes)} @ {self._filled(right, axes)}", axes, 2, PRODUCT)

    def _applied(self, matrix: Code, vectors: Code) -> Code:
        """A matrix that is the same for all vectors: one product, the vectors are rows."""
        if not vectors.axes:
            return Code(self._product(matrix, vectors), (), 1, PRODUCT)
        turned = matrix.transposed or self.turned(matrix.at(ATOM))
        if len(vectors.axes) == 1 or "rows_times" not in self.dialect.helpers:
            return Code(f"{self._factor(vectors, PRODUCT)} @ {turned}", vectors.axes, 1, PRODUCT)
        return Code(f"{self.helpers('rows_times')}({vectors.text}, {turned})", vectors.axes, 1)

    def _transpose(self, node: Call) -> Code:
        inner = self.write(node.arguments[0])
        if inner.rank == 1:
            return Code(f"{inner.at(ATOM)}[..., None, :]", inner.axes, 2)
        if inner.axes:
            return Code(f"{self.dialect.prefix}.swapaxes({inner.text}, -1, -2)", inner.axes, 2)
        return Code(self.turned(inner.at(ATOM)), (), 2, ATOM, inner.at(ATOM))

    def _outer(self, node: Call) -> Code:
        left, right = (self.write(a) for a in node.arguments)
        axes, _ = self.common([left, right])
        if left.rank == 0 or right.rank == 0:
            return self._joined([left, right], ["*"], PRODUCT)
        if not axes:
            return Code(f"{self.dialect.prefix}.outer({left.text}, {right.text})", (), 2)
        rows = Code(f"{left.at(ATOM)}[..., None]", left.axes, 2)
        columns = Code(f"{right.at(ATOM)}[..., None, :]", right.axes, 2)
        return Code(f"{self._filled(rows, axes)} * {self._filled(columns, axes)}", axes, 2, PRODUCT)

    def _dot(self, node: Call) -> Code:
        left, right = (self.write(a) for a in node.arguments)
        if left.rank == 0 or right.rank == 0:
            return self._joined([left, right], ["*"], PRODUCT)
        axes, rank = self.common([left, right])
        if not axes and rank == 1:
            return Code(self._product(left, right), (), 0, PRODUCT)
        return self._over_entries(self._joined([left, right], ["*"], PRODUCT), "sum")

    # -- over entries

    def _over_entries(self, code: Code, what: str) -> Code:
        if code.rank == 0:
            return code
        if not code.axes:
            return Code(f"{code.at(ATOM)}.{what}()", (), 0)
        text, helper = self.dialect.over_last(code.at(ATOM), what, code.rank)
        if helper:
            self.helpers(helper)
        return Code(text, code.axes, 0)

    def _reduced(self, node: Call) -> Code:
        (inner,) = node.arguments
        sums = f"{inner.operation}_sums" if node.operation == "sum" and isinstance(inner, Call) else ""
        if sums in self.dialect.helpers and isinstance(inner, Call):
            pair = [self.write(a) for a in inner.arguments]
            if pair[0].axes and all(p.axes == pair[0].axes and p.rank == 1 for p in pair):
                return Code(f"{self.helpers(sums)}({', '.join(p.text for p in pair)})", pair[0].axes, 0)
        return self._over_entries(self.write(node.arguments[0]), _REDUCED[node.operation])

    def _rowwise(self, node: Call) -> Code:
        inner = self.write(node.arguments[0])
        function, rest = self.dialect.row_function(node.operation)
        rank = 0 if node.operation == "logsumexp" else inner.rank
        return Code(f"{function or self.helpers(node.operation)}({inner.text}{rest})", inner.axes, rank)

    def _argmax_share(self, node: Call) -> Code:
        inner = self.write(node.arguments[0])
        if inner.rank != 1:
            raise NotCompiled(message("compile.argmax_share"))
        return Code(f"{self.helpers('argmax_share')}({inner.text})", inner.axes, 1)

    def _count(self, node: Call) -> Code:
        inner = self.write(node.arguments[0])
        lengths = [f"{inner.at(ATOM)}.shape[{k - inner.rank}]" for k in range(inner.rank)]
        return Code(self.dialect.number(" * ".join(lengths) or "1"), (), 0, PRODUCT, plain=True)

    def _norm2(self, node: Call) -> Code:
        inner = self.write(node.arguments[0])
        square = self.dialect.square(inner.at(ATOM))
        squares = self._over_entries(Code(square, inner.axes, inner.rank, POWER), "sum")
        return Code(f"{self.dialect.prefix}.sqrt({squares.text})", inner.axes, 0)

    # -- shapes

    def _stop_gradient(self, node: Call) -> Code:
        return self.write(node.arguments[0])

    def _expand(self, node: Call) -> Code:
        value, like = (self.write(a) for a in node.arguments)
        if like.rank == 0:
            return value
        axes, rank = self.common([value, like])
        alike = f"{self.dialect.prefix}.ones_like({like.text})"
        ones = self.spread(Code(alike, like.axes, like.rank), axes, rank)
        spread = self.spread(value, axes, rank)
        return Code(f"{spread.at(PRODUCT)} * {ones.text}", axes, rank, PRODUCT)

    def _zeros(self, node: Call) -> Code:
        like = self.write(node.arguments[0])
        if like.rank:
            return Code(f"{self.dialect.prefix}.zeros_like({like.text})", like.axes, like.rank)
        return Code(self.dialect.number("0.0"), (), 0, plain=True)

    def _filled_up(self, node: Call) -> Code:
        """All members of all loops, each with all its entries."""
        inner = self.write(node.arguments[0])
        shape = [str(n.value) for n in node.arguments[1:] if isinstance(n, Number)]
        axes = tuple(self.loops)
        if inner.axes == axes and inner.rank == len(shape):
            return inner
        spread = self.spread(inner, axes, len(shape)) if inner.axes else inner
        text = self.dialect.array_of(spread.text) if inner.plain else spread.text
        lengths = [*(str(loop.last - loop.first + 1) for loop in self.loops.values()), *shape]
        return Code(self.dialect.filled(text, f"({', '.join(lengths)},)"), axes, len(shape))

    def _concat(self, node: Call) -> Code:
        codes = [self.write(a) for a in node.arguments]
        if len({c.axes for c in codes}) > 1 or any(c.plain for c in codes):
            raise NotCompiled(message("compile.concat"))
        texts = [c.text if c.rank else f"{self.dialect.entry_axis(c.at(ATOM), bool(c.axes))}" for c in codes]
        return Code(self.dialect.stacked(texts, bool(codes[0].axes)), codes[0].axes, 1)

    def _places(self, node: Call) -> tuple[Code, str, str, int]:
        """What ``block`` and ``columns`` read: the whole, where its part begins and ends, and the part's rank."""
        whole, which, *parts = node.arguments
        if self.storage:  # where arrays are made beforehand, the shape of a block has to be known
            raise NotCompiled(message("compile.no_form", name=node.operation))
        if not isinstance(which, Number):
            raise NotCompiled(message("compile.computed_place", name=node.operation))
        codes = [self.write(p) for p in parts]
        ends = [f"{c.at(ATOM)}.shape[-1]" if c.rank else "1" for c in codes]
        at = int(which.value) - 1
        return self.write(whole), " + ".join(ends[:at]) or "0", " + ".join(ends[: at + 1]), codes[at].rank

    def _block(self, node: Call) -> Code:
        whole, first, after, rank = self._places(node)
        before = "..., " if whole.axes or whole.rank > 1 else ""
        inside = f"{first}:{after}" if rank or whole.rank > 1 else first
        rank = whole.rank if whole.rank > 1 else rank
        return Code(f"{whole.at(ATOM)}[{before}{inside}]", whole.axes, rank, scattered=True)

    def _place_columns(self, node: Call) -> Code:
        """Columns among columns of zeros."""
        whole, before, after, _ = self._places(node)
        piece, _, *parts = node.arguments
        _, _, end, _ = self._places(Call(node.operation, (piece, Number(len(parts)), *parts)))
        sides = ["(0, 0)"] * (len(whole.axes) + 1)
        rest = f"({before}, {end} - ({after}))"
        return Code(f"{self.dialect.prefix}.pad({whole.text}, ({', '.join([*sides, rest])}))", whole.axes, 2)

    def _bounds(self, *nodes: Expression) -> list[int]:
        """Places in a vector, counted from 1. They have to be numbers."""
        if self.storage or not all(isinstance(n, Number) for n in nodes):
            raise NotCompiled(message("compile.part"))
        return [int(n.value) for n in nodes if isinstance(n, Number)]

    def _part_of(self, node: Call) -> Code:
        whole, *places = node.arguments
        first, last = self._bounds(*places)
        code = self.write(whole)
        return Code(f"{code.at(ATOM)}[..., {first - 1}:{last}]", code.axes, 1, scattered=True)

    def _place(self, node: Call) -> Code:
        """A part among zeros."""
        piece, *places, like = node.arguments
        first, last = self._bounds(*places)
        inner, whole = self.write(piece), self.write(like)
        if inner.axes != whole.axes:
            raise NotCompiled(message("compile.place"))
        zeros = f"{self.dialect.prefix}.zeros_like({whole.at(ATOM)}[..., "
        texts = [f"{zeros}:{first - 1}])", inner.text, f"{zeros}{last}:])"]
        return Code(self.dialect.stacked(texts, bool(inner.axes)), inner.axes, 1)

    def _entry(self, node: Call) -> Code:
        """An entry at a place that may differ from member to member (NumPy's helpers; used by levels)."""
        vector, place = (self.write(a) for a in node.arguments)
        if self.storage:
            raise NotCompiled(message("compile.no_form", name=node.operation))
        axes, _ = self.common([vector, place])
        if not place.axes or place.axes == vector.axes:
            rank = 0 if node.operation == "entry" else 1
            return Code(f"{self.helpers(node.operation)}({vector.text}, {place.text})", axes, rank)
        shape = f"({place.text}.shape[0], {vector.at(ATOM)}.shape[-1])"
        spread = f"{self.dialect.prefix}.broadcast_to({vector.text}, {shape})"
        return Code(f"{self.helpers(node.operation)}({spread}, {place.text})", axes, int(node.operation == "unit"))

    def _stacked(self, node: Call) -> Code:
        codes = [self.write(a) for a in node.arguments]
        return Code(self.dialect.stacked([c.text for c in codes]), (), codes[0].rank)


def _leading(code: Code, axes: Sequence[str]) -> int:
    leading = 0
    while leading < len(axes) and axes[leading] not in code.axes:
        leading += 1
    return leading


_REDUCED: Mapping[str, str] = {"sum": "sum", "mean": "mean", "largest": "max", "smallest": "min"}
_FORMS = {
    "add": Forms._add, "mul": Forms._mul, "div": Forms._div, "neg": Forms._neg, "power": Forms._power,
    "matmul": Forms._matmul, "transpose": Forms._transpose, "outer": Forms._outer, "dot": Forms._dot,
    "sum": Forms._reduced, "mean": Forms._reduced, "largest": Forms._reduced, "smallest": Forms._reduced,
    "softmax": Forms._rowwise, "log_softmax": Forms._rowwise, "logsumexp": Forms._rowwise,
    "argmax_share": Forms._argmax_share, "count": Forms._count, "norm2": Forms._norm2,
    "stop_gradient": Forms._stop_gradient, "expand": Forms._expand, "zeros": Forms._zeros,
    FILLED: Forms._filled_up, "stacked": Forms._stacked, "concat": Forms._concat, "block": Forms._block,
    "columns": Forms._block, "place_columns": Forms._place_columns, "part": Forms._part_of, "place": Forms._place,
    "entry": Forms._entry, "unit": Forms._entry,
}  # fmt: skip
