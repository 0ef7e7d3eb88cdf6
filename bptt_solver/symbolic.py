"""Trees as SymPy expressions, and back.

SymPy never sees a text: it gets trees that are converted here, in which every name has become a real symbol called
v000001, v000002, ... in the order in which the names are met; so no name means anything to it, and its own order of
terms does not depend on how the user called them.

Scalars are SymPy expressions, vectors tuples of them; matrices are not converted. Where our functions have a
convention at a kink SymPy gets the same one: ``step(x, c)`` is ``Heaviside(x, c)``, the slope of max at a tie is ½,
that of abs at 0 is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from bptt_solver.language import build
from bptt_solver.language.expressions import (
    Call,
    Expression,
    IndexValue,
    Iverson,
    Number,
    Reference,
    Sum,
)

if TYPE_CHECKING:
    from bptt_solver.registry import Registry

Scalar = Any  # a sympy.Expr; SymPy has no types that mypy can read
Value = Any  # a scalar, or a tuple of them: a vector

_LARGEST_DENOMINATOR = 10_000
ELEMENTWISE = frozenset(
    {"add", "neg", "mul", "div", "power", "exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "erf", "abs", "sign",
     "step", "max", "min", "clip", "xlogy"}
)  # fmt: skip


class NotConverted(ValueError):
    """Something that has no counterpart on the other side."""


class Names:
    """Which symbol stands for which part of a tree: a reference, an index expression, or anything that is kept
    whole."""

    def __init__(self) -> None:
        self._symbols: dict[Expression, Scalar] = {}
        self._parts: dict[Scalar, Expression] = {}
        self.inexact = False  # a floating-point number was met

    def symbol(self, part: Expression) -> Scalar:
        """The symbol of a part; the same one for equal parts."""
        import sympy

        if part not in self._symbols:
            symbol = sympy.Symbol(f"v{len(self._symbols) + 1:06d}", real=True)
            self._symbols[part] = symbol
            self._parts[symbol] = part
        return self._symbols[part]

    def part(self, symbol: Scalar) -> Expression:
        """The part that a symbol stands for."""
        try:
            return self._parts[symbol]
        except KeyError:
            raise NotConverted(f"an unknown symbol: {symbol}") from None

    def symbols(self) -> tuple[Scalar, ...]:
        """All symbols, in the order in which their parts were met."""
        return tuple(self._parts)


# ----------------------------------------------------------------------------- from our trees


def to_sympy(
    expression: Expression,
    names: Names,
    registry: Registry | None = None,
    values: Mapping[Expression, Value] | None = None,
    whole: Callable[[Expression], bool] | None = None,
) -> Value:
    """A tree as a SymPy expression (a vector: a tuple of them).

    A function of a plugin is replaced by its value formula, which is looked up in ``registry``. ``values`` says what
    a leaf stands for (the entries of a vector, for instance); other leaves become symbols in ``names``. A part for
    which ``whole`` says true becomes one symbol, whatever is in it. Raises NotConverted for what has no counterpart.
    """
    values = values or {}
    done: list[Value] = []
    stack: list[tuple[Expression, bool]] = [(expression, False)]
    while stack:
        node, ready = stack.pop()
        if node in values:
            done.append(values[node])
        elif whole is not None and whole(node):
            done.append(names.symbol(node))
        elif isinstance(node, Number):
            done.append(_number(node, names))
        elif isinstance(node, (Reference, IndexValue, Iverson)):
            done.append(names.symbol(node))
        elif isinstance(node, Sum):
            raise NotConverted("a sum over an index")
        elif not ready:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.arguments))
        else:
            start = len(done) - len(node.arguments)
            arguments = done[start:]
            del done[start:]
            done.append(_apply(node.operation, arguments, names, registry))
    return done[0]


def _number(node: Number, names: Names) -> Scalar:
    import sympy

    if isinstance(node.value, float):
        names.inexact = True
        exact = Fraction(repr(node.value))  # as it is written: 0.1 is 1/10
        return sympy.Rational(exact.numerator, exact.denominator)
    return sympy.Rational(node.value.numerator, node.value.denominator)


def _apply(name: str, arguments: list[Value], names: Names, registry: Registry | None) -> Value:
    if name in ELEMENTWISE:
        function = _elementwise(name)
        lengths = {len(a) for a in arguments if isinstance(a, tuple)}
        if not lengths:
            return function(*arguments)
        if len(lengths) > 1:
            raise NotConverted(f"{name} of vectors of different lengths")
        columns = [a if isinstance(a, tuple) else (a,) * max(lengths) for a in arguments]
        return tuple(function(*entries) for entries in zip(*columns, strict=True))
    if name in _REDUCTIONS:
        return _REDUCTIONS[name](*(a if isinstance(a, tuple) else (a,) for a in arguments))
    if name == "expand":
        return (arguments[0],) * len(arguments[1]) if isinstance(arguments[1], tuple) else arguments[0]
    if name == "stop_gradient":
        return arguments[0]  # the value; SymPy's derivative of it would be wrong, and nobody asks for it
    record = registry.find(name) if registry is not None else None
    if registry is None or record is None:
        raise NotConverted(f"'{name}' has no counterpart in SymPy")
    inner: dict[Expression, Value] = {
        Reference(n): to_sympy(build.constant(default), names) for n, default in record.parameters.items()
    }
    every = (*record.arguments, *record.parameters)
    inner |= {Reference(n): value for n, value in zip(every, arguments, strict=False)}
    return to_sympy(registry.formulas(name).value, names, registry, inner)


def _elementwise(name: str) -> Callable[..., Scalar]:
    import sympy

    table: dict[str, Callable[..., Scalar]] = {
        "add": sympy.Add,
        "neg": lambda x: -x,
        "mul": sympy.Mul,
        "div": lambda a, b: a / b,
        "power": lambda a, b: a**b,
        "abs": sympy.Abs,
        "step": sympy.Heaviside,
        "max": sympy.Max,
        "min": sympy.Min,
        "clip": lambda x, low, high: sympy.Max(low, sympy.Min(x, high)),
        "xlogy": lambda d, p: d * sympy.log(p),
    }
    return table.get(name) or getattr(sympy, name)


def _softmax(x: tuple[Scalar, ...]) -> Value:
    import sympy

    total = sympy.Add(*map(sympy.exp, x))
    return tuple(sympy.exp(entry) / total for entry in x)


def _logsumexp(x: tuple[Scalar, ...]) -> Scalar:
    import sympy

    return sympy.log(sympy.Add(*map(sympy.exp, x)))


def _norm2(x: tuple[Scalar, ...]) -> Scalar:
    import sympy

    return sympy.sqrt(sum(entry**2 for entry in x))


_REDUCTIONS: dict[str, Callable[..., Value]] = {
    "sum": lambda x: sum(x[1:], x[0]),
    "mean": lambda x: sum(x[1:], x[0]) / len(x),
    "count": len,
    "dot": lambda a, b: sum(p * q for p, q in zip(a, b, strict=True)),
    "concat": lambda *parts: tuple(entry for part in parts for entry in part),
    "softmax": _softmax,
    "log_softmax": lambda x: tuple(entry - _logsumexp(x) for entry in x),
    "logsumexp": _logsumexp,
    "norm2": _norm2,
}


# ----------------------------------------------------------------------------- back to our trees


def from_sympy(value: Scalar, names: Names) -> Expression:
    """A SymPy expression as a canonical tree: positive terms first, constants in front, negative powers below the line.

    The order of terms and factors is that of SymPy's printers, which depends only on the order in which names were met.
    Raises NotConverted for functions that our language does not have.
    """
    done: dict[Scalar, Expression] = {}
    stack = [value]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        pending = [part for part in _parts(node) if part not in done]
        if pending:
            stack.extend(pending)
        else:
            done[stack.pop()] = _tree(node, done, names)
    return done[value]


_SAME_NAME = {name: name for name in ("exp", "log", "sin", "cos", "tan", "tanh", "erf", "sign")} | {
    "Abs": "abs", "Heaviside": "step", "Max": "max", "Min": "min"
}  # fmt: skip


def _parts(node: Scalar) -> list[Scalar]:
    if node.is_Mul or node.is_Pow:
        top, bottom = _fraction(node)
        return [*top, *bottom] if (bottom or node.is_Mul) else [*node.args]
    return _terms(node) if node.is_Add else list(node.args)


def _terms(node: Scalar) -> list[Scalar]:
    """The terms in SymPy's order, but never a minus in front if there is a choice: ``1 - x**2``."""
    terms = list(node.as_ordered_terms())
    first = next((i for i, term in enumerate(terms) if not term.could_extract_minus_sign()), 0)
    return [terms[first], *terms[:first], *terms[first + 1 :]]


def _fraction(node: Scalar) -> tuple[list[Scalar], list[Scalar]]:
    """The factors above and below the line, without the rational coefficient."""
    top: list[Scalar] = []
    bottom: list[Scalar] = []
    for factor in node.as_ordered_factors():
        if factor.is_Rational:
            continue
        power = factor.as_base_exp() if factor.is_Pow else (factor, None)
        if power[1] is not None and power[1].could_extract_minus_sign():
            bottom.append(power[0] ** -power[1])
        else:
            top.append(factor)
    return top, bottom


def _constant(number: Scalar, names: Names) -> Expression:
    """A rational number; as a decimal if it came from one and would be an unwieldy fraction."""
    if names.inexact and number.q > _LARGEST_DENOMINATOR:
        return build.constant(float(number))
    return build.constant(Fraction(int(number.p), int(number.q)))


def _tree(node: Scalar, done: Mapping[Scalar, Expression], names: Names) -> Expression:
    import sympy

    if node.is_Symbol:
        return names.part(node)
    if node.is_Rational:
        return _constant(node, names)
    if node.is_Float:
        return build.constant(float(node))
    if node is sympy.E:
        return Call("exp", (build.ONE,))
    if node.is_Add:
        return build.add(done[term] for term in _terms(node))
    if node.is_Mul or node.is_Pow:
        top, bottom = _fraction(node)
        if node.is_Pow and not bottom:
            base, exponent = node.args
            return Call("sqrt", (done[base],)) if exponent == sympy.S.Half else build.power(done[base], done[exponent])
        coefficient = node.as_coeff_Mul()[0]
        size = _constant(abs(coefficient), names)
        whole, part = size.arguments if isinstance(size, Call) else (size, build.ONE)
        product = build.div(build.mul([whole, *(done[f] for f in top)]), build.mul([part, *(done[f] for f in bottom)]))
        return build.neg(product) if coefficient < 0 else product
    name = _SAME_NAME.get(type(node).__name__)
    if name is None:
        raise NotConverted(f"our language has no {type(node).__name__}")
    arguments = [done[argument] for argument in node.args]
    if name in ("max", "min"):  # of two; SymPy merges nested ones and forgets the order
        ordered = [done[a] for a in sorted(node.args, key=sympy.default_sort_key, reverse=True)]
        tree = ordered[0]
        for other in ordered[1:]:
            tree = Call(name, (tree, other))
        return tree
    return Call(name, tuple(arguments))
