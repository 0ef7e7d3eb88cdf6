"""The core operations, as data: kind, arity, ranks, shapes, derivative rules. A plugin's function becomes one of these.

Three kinds. *Elementwise*: entry by entry, scalars broadcast. *Scalar*: an array goes in, a number comes out.
*Structural*:
everything that moves entries about. The first two have their simple partials as formulas in the language, in terms
of the arguments and of ``result``, the output; the last have pullbacks, made from smart constructors.

Ranks are 0 (scalar), 1 (vector, a column), 2 (matrix); shapes are tuples of that length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from bptt_solver.errors import Excerpt, suggest
from bptt_solver.language import build
from bptt_solver.language.expressions import Expression, Reference
from bptt_solver.language.pullbacks import (
    pull_add,
    pull_block,
    pull_columns,
    pull_concat,
    pull_diag,
    pull_diagonal,
    pull_dot,
    pull_entry,
    pull_expand,
    pull_log_softmax,
    pull_matmul,
    pull_mul,
    pull_neg,
    pull_nothing,
    pull_outer,
    pull_part,
    pull_place,
    pull_place_columns,
    pull_softmax,
    pull_sum,
    pull_transpose,
    pull_unrow,
)
from bptt_solver.language.shapes import (
    RANKS,
    Shape,
    array_shape,
    concat_shape,
    diag_shape,
    diagonal_shape,
    dot_shape,
    elementwise_shape,
    entry_shape,
    expand_shape,
    like_last,
    matmul_shape,
    outer_shape,
    same_shape,
    scalar_shape,
    transpose_shape,
    unrow_shape,
    vector_shape,
)
from bptt_solver.records import Function, Loss

Pullback = Callable[[Expression, Sequence[Expression], Expression, int, Sequence[int]], Expression]
RESULT = "result"


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
        self.shape = shape or (elementwise_shape if kind == "elementwise" else scalar_shape)
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
        fixed = RANKS.get(self.name)
        if callable(fixed):
            return fixed(ranks)
        return max(ranks) if fixed is None else fixed

    def names(self, count: int) -> tuple[str, ...]:
        """The argument names for a call with so many arguments."""
        return (
            (*self.arguments, *self.parameters)[:count]
            if self.kind != "structural"
            else tuple(f"x{i}" for i in range(count))
        )

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
        """What the names in this operation's formulas stand for in a call; parameters that were left out get
        defaults."""
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


# ----------------------------------------------------------------------------- the table


def _elementwise(
    name: str, arguments: str, derivatives: Mapping[str, str], *, rational: bool = False, kinks: tuple[str, ...] = ()
) -> Operation:
    return Operation(name, tuple(arguments.split()), "elementwise", derivatives, rational=rational, kinks=kinks)


def _structural(
    name: str,
    arity: int | tuple[int, int],
    shape: Callable[[Sequence[Shape]], Shape],
    pullback: Pullback,
    *,
    rational: bool = True,
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
    _elementwise(
        "clip",
        "x low high",
        {"x": "step(x - low, 0)*step(high - x, 0)", "low": "step(low - x, 0)", "high": "step(x - high, 0)"},
        rational=True,
        kinks=("x - low", "x - high"),
    ),
    _elementwise("xlogy", "d p", {"d": "log(p)", "p": "d/p"}),
    _elementwise("div", "a b", {"a": "1/b", "b": "-(result/b)"}, rational=True),
    _elementwise("power", "a b", {"a": "b*a**(b - 1)", "b": "result*log(a)"}, rational=True),
    Operation(
        "max",
        ("a", "b"),
        "elementwise",
        {"a": "step(a - b, 1/2)", "b": "step(b - a, 1/2)"},
        rational=True,
        kinks=("a - b",),
    ),
    Operation("largest", ("x",), "scalar", {"x": "argmax_share(x)"}, rational=True, kinks=("ties(x)",)),
    Operation("smallest", ("x",), "scalar", {"x": "argmax_share(-x)"}, rational=True, kinks=("ties(-x)",)),
    Operation("logsumexp", ("x",), "scalar", {"x": "softmax(x)"}, shape=array_shape),
    Operation("norm2", ("x",), "scalar", {"x": "x/result"}),
    Operation("mean", ("x",), "scalar", {"x": "expand(1/count(x), x)"}, rational=True),
    Operation("count", ("x",), "scalar", {}, rational=True),
    Operation("ties", ("x",), "scalar", {}, rational=True),
    Operation("argmax_share", ("x",), "elementwise", {}, rational=True),
    _structural("add", (2, MANY), elementwise_shape, pull_add),
    _structural("neg", 1, same_shape, pull_neg),
    _structural("mul", (2, MANY), elementwise_shape, pull_mul),
    _structural("matmul", 2, matmul_shape, pull_matmul),
    _structural("dot", 2, dot_shape, pull_dot),
    _structural("outer", 2, outer_shape, pull_outer),
    _structural("transpose", 1, transpose_shape, pull_transpose),
    _structural("unrow", 1, unrow_shape, pull_unrow),
    _structural("sum", 1, scalar_shape, pull_sum),
    _structural("expand", 2, expand_shape, pull_expand),
    _structural("zeros", 1, same_shape, pull_nothing),
    _structural("concat", (1, MANY), concat_shape, pull_concat),
    _structural("block", (3, MANY), lambda s: s[0], pull_block),
    _structural("columns", (3, MANY), lambda s: s[0], pull_columns),
    _structural("place_columns", (3, MANY), lambda s: s[0], pull_place_columns),
    _structural("entry", 2, entry_shape, pull_entry),
    _structural("unit", 2, vector_shape, pull_nothing),
    _structural("part", 3, vector_shape, pull_part),
    _structural("place", 4, like_last, pull_place),
    _structural("softmax", 1, vector_shape, pull_softmax, rational=False),
    _structural("log_softmax", 1, vector_shape, pull_log_softmax, rational=False),
    _structural("diag", 1, diag_shape, pull_diag),
    _structural("diagonal", 1, diagonal_shape, pull_diagonal),
    _structural("stop_gradient", 1, same_shape, pull_nothing),
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


INTERNAL = frozenset(
    {
        "add",
        "neg",
        "mul",
        "div",
        "matmul",
        "power",
        "unrow",
        "count",
        "ties",
        "argmax_share",
        "place_columns",
        "unit",
        "place",
    }
)


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
