"""The core operations, as data: kind, arity, ranks, shapes, derivative rules. A plugin's function becomes one of these.

Three kinds. *Elementwise*: entry by entry, scalars broadcast. *Scalar*: an array goes in, a number comes out. *Structural*:
everything that moves entries about. The first two have their simple partials as formulas in the language, in terms of the
arguments and of ``result``, the output; the last have pullbacks, made from smart constructors.

Ranks are 0 (scalar), 1 (vector, a column), 2 (matrix); shapes are tuples of that length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from bptt_solver.errors import Excerpt, suggest
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Number, Reference
from bptt_solver.records import Function, Loss

Shape = tuple[int, ...]
Pullback = Callable[[Expression, Sequence[Expression], Expression, int, Sequence[int]], Expression]
RESULT = "result"


class ShapeError(Exception):
    """Shapes (or ranks) that do not go together; the message shows both."""


class Operation:
    """One operation of the language. See the module's docstring for ``kind``."""

    __slots__ = (
        "_derivatives", "_kinks", "_texts", "_value", "arguments", "arity", "kind", "name",
        "parameters", "pullback", "rational", "record", "shape",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...],
        kind: str,
        derivatives: Mapping[str, str] | None = None,
        *,
        arity: tuple[int, int] | None = None,
        shape: Callable[[Sequence[Shape]], Shape] | None = None,
        pullback: Pullback | None = None,
        rational: bool = False,
        kinks: tuple[str, ...] = (),
        parameters: Mapping[str, float] | None = None,
        record: Function | None = None,
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.kind = kind
        self.parameters = dict(parameters or {})
        self.arity = arity or (len(arguments), len(arguments) + len(self.parameters))
        self.shape = shape or (_elementwise_shape if kind == "elementwise" else _scalar_shape)
        self.pullback = pullback
        self.rational = rational
        self.record = record
        self._texts = dict(derivatives or {})
        self._kinks = kinks
        self._derivatives: dict[int, Expression | None] = {}
        self._value: Expression | None = None

    def rank(self, ranks: Sequence[int]) -> int:
        """The rank of the result, given the arguments' ranks."""
        if self.kind == "scalar":
            return 0
        fixed = _RANKS.get(self.name)
        if callable(fixed):
            return fixed(ranks)
        return max(ranks) if fixed is None else fixed

    def names(self, count: int) -> tuple[str, ...]:
        """The argument names for a call with so many arguments."""
        return (*self.arguments, *self.parameters)[:count] if self.kind != "structural" else tuple(f"x{i}" for i in range(count))

    def derivative(self, k: int) -> Expression | None:
        """The formula of the simple partial with respect to argument ``k``, or None where it is structurally 0."""
        if k not in self._derivatives:
            names = (*self.arguments, *self.parameters)
            text = self._texts.get(names[k]) if k < len(names) else None
            self._derivatives[k] = parse_formula(text, self.name) if text is not None else None
        return self._derivatives[k]

    def value(self) -> Expression | None:
        """The formula of the value, for functions that are given by one."""
        if self._value is None and self.record is not None:
            self._value = parse_formula(self.record.value, self.name)
        return self._value

    def kinks(self) -> tuple[Expression, ...]:
        """Formulas of the arguments that are 0 exactly where the operation has a kink."""
        return tuple(parse_formula(text, self.name) for text in self._kinks)

    def bind(self, arguments: Sequence[Expression], result: Expression | None = None) -> dict[Expression, Expression]:
        """What the names in this operation's formulas stand for in a call; parameters that were left out get defaults."""
        names = (*self.arguments, *self.parameters)
        binding: dict[Expression, Expression] = {Reference(n): a for n, a in zip(names, arguments, strict=False)}
        for name, default in list(self.parameters.items())[max(0, len(arguments) - len(self.arguments)) :]:
            binding[Reference(name)] = build.constant(default)
        if result is not None:
            binding[Reference(RESULT)] = result
        return binding


def parse_formula(text: str, name: str) -> Expression:
    """A formula of a rule, as a tree."""
    from bptt_solver.language.parser import parse_expression

    return build.rebuild(parse_expression(Excerpt.of(text, f"<rule of {name}>")))


# ----------------------------------------------------------------------------- ranks and shapes

_RANKS: Mapping[str, int | Callable[[Sequence[int]], int]] = {
    "matmul": lambda r: r[1],
    "dot": 0,
    "outer": 2,
    "transpose": 2,
    "unrow": 1,
    "sum": 0,
    "expand": lambda r: r[-1],
    "concat": 1,
    "block": lambda r: 1 if len(r) < 3 else r[2],
    "columns": 2,
    "place_columns": 2,
    "entry": 0,
    "unit": 1,
    "part": 1,
    "place": 1,
    "diag": 2,
    "diagonal": 1,
}



def _text(shape: Shape) -> str:
    return "scalar" if not shape else f"vector ({shape[0]})" if len(shape) == 1 else "matrix (" + ", ".join(map(str, shape)) + ")"


def _elementwise_shape(shapes: Sequence[Shape]) -> Shape:
    result: Shape = ()
    for shape in shapes:
        if shape and result and shape != result:
            raise ShapeError(f"{_text(result)} and {_text(shape)} do not match: only scalars broadcast")
        result = result or shape
    return result


def _scalar_shape(shapes: Sequence[Shape]) -> Shape:
    _elementwise_shape(shapes)
    return ()


def _matmul_shape(shapes: Sequence[Shape]) -> Shape:
    left, right = shapes
    if not left or not right:
        raise ShapeError(f"{_text(left)} @ {_text(right)}: '@' multiplies matrices and vectors; use '*' with a scalar")
    if len(left) == 1:  # a column: n x 1
        raise ShapeError(f"{_text(left)} @ {_text(right)}: vectors are columns; for a number write dot(a, b) or a.T @ b, for a matrix outer(a, b)")
    if left[1] != right[0]:
        raise ShapeError(f"{_text(left)} @ {_text(right)}: {left[1]} columns meet {right[0]} rows")
    if len(right) == 1:
        return (left[0],)
    return (left[0], right[1])


def _vectors(count: int) -> Callable[[Sequence[Shape]], None]:
    def check(shapes: Sequence[Shape]) -> None:
        for shape in shapes[:count]:
            if len(shape) != 1:
                raise ShapeError(f"expected a vector, got a {_text(shape)}")

    return check


def _dot_shape(shapes: Sequence[Shape]) -> Shape:
    if len(shapes[0]) != len(shapes[1]) or shapes[0] != shapes[1]:
        raise ShapeError(f"dot of {_text(shapes[0])} and {_text(shapes[1])}: the shapes must be equal")
    return ()


def _outer_shape(shapes: Sequence[Shape]) -> Shape:
    _vectors(2)(shapes)
    return (shapes[0][0], shapes[1][0])


def _transpose_shape(shapes: Sequence[Shape]) -> Shape:
    (shape,) = shapes
    return (1, shape[0]) if len(shape) == 1 else tuple(reversed(shape))


def _unrow_shape(shapes: Sequence[Shape]) -> Shape:
    return (shapes[0][1],)


def _concat_shape(shapes: Sequence[Shape]) -> Shape:
    if any(len(s) > 1 for s in shapes):
        raise ShapeError("concat joins vectors and scalars: " + ", ".join(map(_text, shapes)))
    return (sum(s[0] if s else 1 for s in shapes),)


def _same_shape(shapes: Sequence[Shape]) -> Shape:
    return shapes[0]


def _vector_shape(shapes: Sequence[Shape]) -> Shape:
    _vectors(1)(shapes)
    return shapes[0]


def _entry_shape(shapes: Sequence[Shape]) -> Shape:
    _vectors(1)(shapes)
    return ()


def _like_last(shapes: Sequence[Shape]) -> Shape:
    return shapes[-1]


def _diag_shape(shapes: Sequence[Shape]) -> Shape:
    _vectors(1)(shapes)
    return (shapes[0][0], shapes[0][0])


# ----------------------------------------------------------------------------- pullbacks
# pullback(g, arguments, result, k, ranks): what the argument k receives when the result receives g


def _summed_to(part: Expression, rank: int, target: int) -> Expression:
    """A scalar that was broadcast receives the sum over the entries."""
    return build.call("sum", (part,)) if rank and not target else part


def _pull_add(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return _summed_to(g, max(ranks), ranks[k])


def _pull_neg(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.neg(g)


def _pull_mul(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    others = [a for i, a in enumerate(arguments) if i != k]
    if max(ranks) and not ranks[k]:
        arrays = [a for i, a in enumerate(arguments) if i != k and ranks[i]]
        scalars = [a for i, a in enumerate(arguments) if i != k and not ranks[i]]
        if build.is_one(g):
            return build.mul([*scalars, build.call("sum", (build.mul(arrays),))])
        return build.mul([*scalars, build.bilinear("dot", g, build.mul(arrays))])
    if any(ranks[i] for i in range(len(arguments)) if i != k):
        g = build.unexpanded(g)
    return build.mul([g, *others])


def _pull_matmul(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    left, right = arguments
    if k == 1:
        return build.bilinear("matmul", build.transpose(left), g)
    return build.bilinear("outer", g, right) if ranks[1] == 1 else build.bilinear("matmul", g, build.transpose(right))


def _pull_dot(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.mul([g, arguments[1 - k]])


def _pull_outer(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    if k == 0:
        return build.bilinear("matmul", g, arguments[1])
    return build.bilinear("matmul", build.transpose(g), arguments[0])


def _pull_transpose(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.call("unrow", (g,)) if ranks[0] == 1 else build.transpose(g)


def _pull_unrow(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.transpose(g)


def _pull_sum(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.call("expand", (g, arguments[0])) if ranks[0] else g


def _pull_expand(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.call("sum", (g,)) if k == 0 else build.ZERO


def _pull_concat(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.call("block", (g, Number(k + 1), *arguments))


def _pull_block(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    if k:
        return build.ZERO
    which = int(arguments[1].value) if isinstance(arguments[1], Number) else 1
    parts = [g if i == which else build.call("zeros", (a,)) for i, a in enumerate(arguments[2:], 1)]
    return build.call("concat", tuple(parts))


def _pull_columns(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.call("place_columns", (g, *arguments[1:])) if k == 0 else build.ZERO


def _pull_place_columns(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.call("columns", (g, *arguments[1:])) if k == 0 else build.ZERO


def _pull_entry(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.mul([g, build.call("unit", (arguments[0], arguments[1]))]) if k == 0 else build.ZERO


def _pull_part(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.call("place", (g, arguments[1], arguments[2], arguments[0])) if k == 0 else build.ZERO


def _pull_place(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.call("part", (g, arguments[1], arguments[2])) if k == 0 else build.ZERO


def _pull_softmax(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.mul([result, build.subtract(g, build.bilinear("dot", g, result))])


def _pull_log_softmax(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    if isinstance(g, Call) and g.operation == "neg":  # p*sum(d) - d reads better than -d + p*sum(d)
        (d,) = g.arguments
        return build.subtract(build.mul([Call("softmax", (arguments[0],)), build.call("sum", (d,))]), d)
    return build.subtract(g, build.mul([Call("softmax", (arguments[0],)), build.call("sum", (g,))]))


def _pull_diag(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.call("diagonal", (g,))


def _pull_diagonal(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.call("diag", (g,))


def _pull_nothing(g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]) -> Expression:
    return build.ZERO


# ----------------------------------------------------------------------------- the table


def _elementwise(name: str, arguments: str, derivatives: Mapping[str, str], *, rational: bool = False, kinks: tuple[str, ...] = ()) -> Operation:
    return Operation(name, tuple(arguments.split()), "elementwise", derivatives, rational=rational, kinks=kinks)


def _structural(
    name: str, arity: int | tuple[int, int], shape: Callable[[Sequence[Shape]], Shape], pullback: Pullback, *, rational: bool = True
) -> Operation:
    bounds = arity if isinstance(arity, tuple) else (arity, arity)
    return Operation(name, (), "structural", arity=bounds, shape=shape, pullback=pullback, rational=rational)


MANY = 1 << 30

CORE: tuple[Operation, ...] = (
    _elementwise("exp", "x", {"x": "result"}),
    _elementwise("log", "x", {"x": "1/x"}),
    _elementwise("sqrt", "x", {"x": "1/(2*result)"}),
    _elementwise("sin", "x", {"x": "cos(x)"}),
    _elementwise("cos", "x", {"x": "-sin(x)"}),
    _elementwise("tan", "x", {"x": "1 + result**2"}),
    _elementwise("tanh", "x", {"x": "1 - result**2"}),
    _elementwise("erf", "x", {"x": "1.1283791670955126*exp(-x**2)"}),
    _elementwise("abs", "x", {"x": "sign(x)"}, rational=True, kinks=("x",)),
    _elementwise("sign", "x", {}, rational=True, kinks=("x",)),
    _elementwise("step", "x c", {}, rational=True, kinks=("x",)),
    _elementwise("min", "a b", {"a": "step(b - a, 1/2)", "b": "step(a - b, 1/2)"}, rational=True, kinks=("a - b",)),
    _elementwise("clip", "x low high", {"x": "step(x - low, 0)*step(high - x, 0)", "low": "step(low - x, 0)", "high": "step(x - high, 0)"},
                 rational=True, kinks=("x - low", "x - high")),
    _elementwise("xlogy", "d p", {"d": "log(p)", "p": "d/p"}),
    _elementwise("div", "a b", {"a": "1/b", "b": "-(result/b)"}, rational=True),
    _elementwise("power", "a b", {"a": "b*a**(b - 1)", "b": "result*log(a)"}, rational=True),
    Operation("max", ("a", "b"), "elementwise", {"a": "step(a - b, 1/2)", "b": "step(b - a, 1/2)"}, rational=True, kinks=("a - b",)),
    Operation("largest", ("x",), "scalar", {"x": "argmax_share(x)"}, rational=True, kinks=("ties(x)",)),
    Operation("smallest", ("x",), "scalar", {"x": "argmax_share(-x)"}, rational=True, kinks=("ties(-x)",)),
    Operation("logsumexp", ("x",), "scalar", {"x": "softmax(x)"}),
    Operation("norm2", ("x",), "scalar", {"x": "x/result"}),
    Operation("mean", ("x",), "scalar", {"x": "expand(1/count(x), x)"}, rational=True),
    Operation("count", ("x",), "scalar", {}, rational=True),
    Operation("ties", ("x",), "scalar", {}, rational=True),
    Operation("argmax_share", ("x",), "elementwise", {}, rational=True),
    _structural("add", (2, MANY), _elementwise_shape, _pull_add),
    _structural("neg", 1, _same_shape, _pull_neg),
    _structural("mul", (2, MANY), _elementwise_shape, _pull_mul),
    _structural("matmul", 2, _matmul_shape, _pull_matmul),
    _structural("dot", 2, _dot_shape, _pull_dot),
    _structural("outer", 2, _outer_shape, _pull_outer),
    _structural("transpose", 1, _transpose_shape, _pull_transpose),
    _structural("unrow", 1, _unrow_shape, _pull_unrow),
    _structural("sum", 1, _scalar_shape, _pull_sum),
    _structural("expand", 2, _like_last, _pull_expand),
    _structural("zeros", 1, _same_shape, _pull_nothing),
    _structural("concat", (1, MANY), _concat_shape, _pull_concat),
    _structural("block", (3, MANY), lambda s: s[0], _pull_block),
    _structural("columns", (3, MANY), lambda s: s[0], _pull_columns),
    _structural("place_columns", (3, MANY), lambda s: s[0], _pull_place_columns),
    _structural("entry", 2, _entry_shape, _pull_entry),
    _structural("unit", 2, _vector_shape, _pull_nothing),
    _structural("part", 3, _vector_shape, _pull_part),
    _structural("place", 4, _like_last, _pull_place),
    _structural("softmax", 1, _vector_shape, _pull_softmax, rational=False),
    _structural("log_softmax", 1, _vector_shape, _pull_log_softmax, rational=False),
    _structural("diag", 1, _diag_shape, _pull_diag),
    _structural("diagonal", 1, lambda s: (s[0][0],), _pull_diagonal),
    _structural("stop_gradient", 1, _same_shape, _pull_nothing),
)


class Operations:
    """Name -> operation: the core table, and a plugin's functions once one of their names is met."""

    def __init__(self, functions: Callable[[], Iterator[Function]] | None = None) -> None:
        self._table: dict[str, Operation] = {operation.name: operation for operation in CORE}
        self._functions = functions

    def _load(self) -> None:
        if self._functions is None:
            return
        source, self._functions = self._functions, None
        for record in source():
            operation = from_record(record)
            for name in (record.name, *record.aliases):
                self._table.setdefault(name, operation)

    def find(self, name: str) -> Operation | None:
        """The operation of that name, or None."""
        operation = self._table.get(name)
        if operation is None and self._functions is not None:
            self._load()
            operation = self._table.get(name)
        return operation

    def __getitem__(self, name: str) -> Operation:
        operation = self.find(name)
        if operation is None:
            raise KeyError(name)
        return operation

    def losses(self) -> list[Operation]:
        """All losses, by name."""
        self._load()
        return [self._table[name] for name in sorted(self._table) if isinstance(self._table[name].record, Loss)]

    def suggest(self, name: str) -> str | None:
        """A near name, as a hint."""
        self._load()
        return suggest(name, (n for n in self._table if n not in INTERNAL))


INTERNAL = frozenset({"add", "neg", "mul", "div", "matmul", "power", "unrow", "count", "ties", "argmax_share", "place_columns", "unit", "place"})


def from_record(record: Function) -> Operation:
    """A plugin's function as an operation."""
    return Operation(
        record.name,
        record.arguments,
        record.kind,
        record.derivatives,
        kinks=record.kinks,
        parameters=record.parameters,
        record=record,
    )
