"""The same operations over several kinds of numbers: floats and exact fractions, complex numbers for the complex step, and
50-digit numbers. Arrays are NumPy's, of dtype float64, complex128, or object (fractions, 50-digit numbers).

Every function branches on the *real part* only, so that a complex step passes through abs, max and step unharmed, and every
one is written so that no intermediate overflows where the result does not.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, IndexValue, Iverson, Number, Reference
from bptt_solver.language.operations import Operation, Operations
from bptt_solver.language.templates import Slot

Value = Any  # a scalar of the arithmetic, or a NumPy array of them
Function = Callable[..., Value]


class NotFinite(ArithmeticError):
    """A value that is not a finite number, and why."""


class TooLarge(ArithmeticError):
    """An exact number with more bits than allowed."""


def is_array(value: Value) -> bool:
    """Whether a value is an array (NumPy need not be imported to know)."""
    return hasattr(value, "ndim")


def is_exact(value: Value) -> bool:
    """Whether a value is an int or fraction, or an array of such."""
    kind = type(value)
    return kind is int or kind is Fraction or (kind is not float and is_array(value) and value.dtype == object)


def to_float(value: Value) -> Value:
    """An exact value as float64."""
    kind = type(value)
    if kind is float:
        return value
    if kind is int or kind is Fraction:
        try:
            return float(value)
        except OverflowError:
            raise NotFinite("too large for a floating-point number") from None
    return value.astype(float) if is_array(value) and value.dtype == object else value


class Arithmetic:
    """A table of functions by operation name, and the compiler from templates to functions of their slot values."""

    name = "float"
    exact_bits = 20_000

    def __init__(self, operations: Operations) -> None:
        self.operations = operations
        self._table: dict[str, Function] = {}

    # -- scalars of this arithmetic

    def scalar(self, value: Any) -> Value:
        """A Python number as a scalar of this arithmetic."""
        return value

    def real(self, value: Value) -> Value:
        """The part on which branches are decided."""
        return value

    def scalar_function(self, name: str) -> Function:
        """The function of scalars with that name."""
        return _FLOAT_SCALARS[name]

    def array_function(self, name: str) -> Function:
        """The same function of arrays."""
        return _float_arrays()[name]

    # -- compiling

    def function(self, name: str) -> Function:
        """The operation of that name on values of this arithmetic."""
        known = self._table.get(name)
        if known is None:
            known = self._table[name] = self._make(name)
        return known

    def _make(self, name: str) -> Function:
        structural = _STRUCTURAL.get(name)
        if structural is not None:
            return structural(self)
        operation = self.operations[name]
        formula = operation.value()
        if formula is not None:
            return self._from_formula(operation, formula)
        on_scalars = self.scalar_function(name)
        count = len(operation.arguments)

        def apply(*arguments: Value) -> Value:
            for argument in arguments:
                if type(argument) is not float and is_array(argument):
                    return self._on_arrays(name, on_scalars, arguments)
            return on_scalars(*arguments)

        def apply_one(argument: Value) -> Value:
            if type(argument) is not float and is_array(argument):
                return self._on_arrays(name, on_scalars, (argument,))
            return on_scalars(argument)

        return apply_one if count == 1 else apply

    def _on_arrays(self, name: str, on_scalars: Function, arguments: Sequence[Value]) -> Value:
        if any(is_array(a) and a.dtype == object for a in arguments):
            return elementwise(on_scalars, arguments)
        return self.array_function(name)(*arguments)

    def _from_formula(self, operation: Operation, formula: Expression) -> Function:
        names = [Reference(n) for n in (*operation.arguments, *operation.parameters)]
        slots: dict[Expression, Expression] = {reference: Slot(i) for i, reference in enumerate(names)}
        function = self.compile(build.replace(formula, slots))
        defaults = list(operation.parameters.values())
        required = len(operation.arguments)

        def apply(*arguments: Value) -> Value:
            return function([*arguments, *defaults[len(arguments) - required :]])

        return apply

    def compile(self, expression: Expression) -> Callable[[Sequence[Value]], Value]:
        """A template's expression as a function of the list of its slot values."""
        done: list[Callable[[Sequence[Value]], Value]] = []
        stack: list[tuple[Expression, bool]] = [(expression, False)]
        while stack:
            node, ready = stack.pop()
            if isinstance(node, Call):
                if not ready:
                    stack.append((node, True))
                    stack.extend((child, False) for child in reversed(node.arguments))
                    continue
                count = len(node.arguments)
                arguments = done[len(done) - count :]
                del done[len(done) - count :]
                done.append(_applied(self.function(node.operation), arguments, node.arguments))
            elif isinstance(node, Slot):
                done.append(_item(node.at))
            elif isinstance(node, Number):
                done.append(_constant(self.scalar(node.value)))
            else:
                assert not isinstance(node, (IndexValue, Iverson)), "leaves are slots in a template"
                raise TypeError(f"not a template: {node!r}")
        return done[0]


def _item(at: int) -> Callable[[Sequence[Value]], Value]:
    from operator import itemgetter

    return itemgetter(at)


def _constant(value: Value) -> Callable[[Sequence[Value]], Value]:
    return lambda values: value


def _applied(
    function: Function, arguments: list[Callable[[Sequence[Value]], Value]], nodes: Sequence[Expression]
) -> Callable[[Sequence[Value]], Value]:
    """The function of the arguments' values; slots are read where they are needed."""
    at = [node.at if isinstance(node, Slot) else -1 for node in nodes]
    if len(arguments) == 1:
        (a,) = arguments
        i = at[0]
        return (lambda values: function(values[i])) if i >= 0 else (lambda values: function(a(values)))
    if len(arguments) == 2:
        a, b = arguments
        i, j = at
        if i >= 0 and j >= 0:
            return lambda values: function(values[i], values[j])
        return lambda values: function(a(values), b(values))
    parts = tuple(arguments)
    return lambda values: function(*[part(values) for part in parts])


def elementwise(function: Function, arguments: Sequence[Value]) -> Value:
    """A function of scalars over object arrays; scalars broadcast."""
    import numpy

    shape = next(a.shape for a in arguments if is_array(a))
    flat = [a.ravel().tolist() if is_array(a) else None for a in arguments]
    size = 1
    for n in shape:
        size *= n
    result = numpy.empty(size, dtype=object)
    for i in range(size):
        result[i] = function(*[f[i] if f is not None else a for f, a in zip(flat, arguments, strict=True)])
    return result.reshape(shape)


# ----------------------------------------------------------------------------- floats and exact numbers


def _exp(x: Value) -> Value:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _log(x: Value) -> Value:
    if x <= 0:
        raise NotFinite(f"log of {'zero' if x == 0 else 'a negative number'}")
    return math.log(x)


def _sqrt(x: Value) -> Value:
    if x < 0:
        raise NotFinite("square root of a negative number")
    return math.sqrt(x)


def _sign(x: Value) -> Value:
    return (x > 0) - (x < 0)


def _step(x: Value, c: Value) -> Value:
    return 1 if x > 0 else 0 if x < 0 else c


def _xlogy(d: Value, p: Value) -> Value:
    return 0 if d == 0 else d * _log(p)


def divide(a: Value, b: Value) -> Value:
    """Division that stays exact on ints and fractions."""
    if b == 0:
        raise NotFinite("division by zero")
    if type(a) is int and type(b) is int or type(a) is Fraction or type(b) is Fraction:
        if type(a) is float or type(b) is float:
            return a / b
        return normal(Fraction(a) / b)
    return a / b


def normal(value: Fraction | int) -> Fraction | int:
    """A fraction with denominator 1 as an int."""
    return value.numerator if type(value) is Fraction and value.denominator == 1 else value


def bits(value: Value) -> int:
    """The number of bits of an exact number."""
    if type(value) is int:
        return value.bit_length()
    return value.numerator.bit_length() + value.denominator.bit_length() if type(value) is Fraction else 0


def _power(base: Value, exponent: Value) -> Value:
    if type(base) is float or type(exponent) is float:
        try:
            result = base**exponent
        except OverflowError:
            return math.inf
        except ZeroDivisionError:
            raise NotFinite("zero to a negative power") from None
        if type(result) is complex:
            raise NotFinite("a negative number to a fractional power")
        return result
    if type(exponent) is Fraction and exponent.denominator != 1:
        return _power(float(base), float(exponent))
    exponent = int(exponent)
    if bits(base) * abs(exponent) > Arithmetic.exact_bits and base not in (0, 1, -1):
        raise TooLarge
    if base == 0 and exponent < 0:
        raise NotFinite("zero to a negative power")
    return normal(Fraction(base) ** exponent) if exponent < 0 or type(base) is Fraction else base**exponent


_FLOAT_SCALARS: dict[str, Function] = {
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "tanh": math.tanh,
    "erf": math.erf,
    "abs": abs,
    "sign": _sign,
    "step": _step,
    "max": lambda a, b: a if a >= b else b,
    "min": lambda a, b: a if a <= b else b,
    "clip": lambda x, low, high: low if x < low else high if x > high else x,
    "xlogy": _xlogy,
    "div": divide,
    "power": _power,
}


def _float_arrays() -> dict[str, Function]:
    global _FLOAT_ARRAYS  # noqa: PLW0603 - filled on first use, since NumPy is slow to import
    if _FLOAT_ARRAYS is None:
        import numpy as np

        def guarded(function: Function, bad: Function, message: str) -> Function:
            def apply(x: Value) -> Value:
                if bad(x).any():
                    raise NotFinite(message)
                return function(x)

            return apply

        def power(base: Value, exponent: Value) -> Value:
            if is_array(exponent) or exponent != int(exponent):
                if (np.asarray(base) < 0).any():
                    raise NotFinite("a negative number to a fractional power")
            elif exponent == 2:
                return base * base
            return np.power(base, exponent)

        def xlogy(d: Value, p: Value) -> Value:
            d, p = np.broadcast_arrays(d, p)
            used = d != 0
            if (p[used] <= 0).any():
                raise NotFinite("log of zero")
            return np.where(used, d * np.log(np.where(used, p, 1.0)), 0.0)

        _FLOAT_ARRAYS = {
            "exp": np.exp,
            "log": guarded(np.log, lambda x: x <= 0, "log of zero or of a negative number"),
            "sqrt": guarded(np.sqrt, lambda x: x < 0, "square root of a negative number"),
            "sin": np.sin,
            "cos": np.cos,
            "tan": np.tan,
            "tanh": np.tanh,
            "erf": lambda x: np.array([math.erf(v) for v in x.ravel().tolist()]).reshape(x.shape),
            "abs": np.abs,
            "sign": np.sign,
            "step": lambda x, c: np.heaviside(x, float(c)) if not is_array(c) else np.where(x > 0, 1.0, np.where(x < 0, 0.0, c)),
            "max": np.maximum,
            "min": np.minimum,
            "clip": np.clip,
            "xlogy": xlogy,
            "div": np.true_divide,
            "power": power,
        }
    return _FLOAT_ARRAYS


_FLOAT_ARRAYS: dict[str, Function] | None = None


# ----------------------------------------------------------------------------- complex numbers


class ComplexArithmetic(Arithmetic):
    """Complex numbers whose imaginary part is a tiny perturbation of a real computation."""

    name = "complex"

    def scalar(self, value: Any) -> Value:
        return complex(float(value))

    def real(self, value: Value) -> Value:
        return value.real

    def scalar_function(self, name: str) -> Function:
        return _COMPLEX_SCALARS[name]

    def array_function(self, name: str) -> Function:
        return _complex_arrays(name)

    def _make(self, name: str) -> Function:
        if name == "stop_gradient":  # a perturbation ends here
            return lambda x: x.real.astype(complex) if is_array(x) else complex(x.real)
        return super()._make(name)


def _complex_exp(x: complex) -> complex:
    if x.real > 709.7:
        return complex(math.inf, math.inf)
    return cmath.exp(x)


def _complex_power(base: complex, exponent: complex) -> complex:
    if exponent.imag == 0 and exponent.real == int(exponent.real) and abs(exponent.real) < 1 << 20:
        return _whole_power(complex(base), int(exponent.real))
    if base.real < 0:
        raise NotFinite("a negative number to a fractional power")
    if base.real == 0:  # the derivative at 0 is 0 or there is none
        if exponent.real > 1 or (base == 0 and exponent.real > 0):
            return complex(0)
        raise NotFinite("zero to a small power")
    return cmath.exp(exponent * cmath.log(base))


def _whole_power(base: complex, exponent: int) -> complex:
    """By squaring: Python's own goes through the angle for exponents above 100, where a tiny imaginary part is lost."""
    if exponent < 0:
        return _complex_divide(complex(1), _whole_power(base, -exponent))
    result = complex(1)
    while exponent:
        if exponent & 1:
            result *= base
        exponent >>= 1
        if exponent:
            base *= base
    return result


def _complex_divide(a: complex, b: complex) -> complex:
    if b == 0:
        raise NotFinite("division by zero")
    if math.isinf(b.real) or math.isinf(b.imag):
        return complex(0)
    return a / b


def _complex_log(x: complex) -> complex:
    if x.real <= 0:
        raise NotFinite("log of zero or of a negative number")
    return cmath.log(x)


def _complex_sqrt(x: complex) -> complex:
    if x.real < 0 or (x.real == 0 and x.imag != 0):
        raise NotFinite("square root of a negative number" if x.real else "the square root has no slope at 0")
    return cmath.sqrt(x)


_COMPLEX_SCALARS: dict[str, Function] = {
    "exp": _complex_exp,
    "log": _complex_log,
    "sqrt": _complex_sqrt,
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "tanh": cmath.tanh,
    "erf": lambda x: complex(math.erf(x.real), x.imag * 2 / math.sqrt(math.pi) * math.exp(-x.real * x.real)),
    "abs": lambda x: -x if x.real < 0 else x if x.real > 0 else complex(0),
    "sign": lambda x: complex((x.real > 0) - (x.real < 0)),
    "step": lambda x, c: complex(1) if x.real > 0 else complex(0) if x.real < 0 else c,
    "max": lambda a, b: a if a.real > b.real else b if b.real > a.real else (a + b) / 2,
    "min": lambda a, b: a if a.real < b.real else b if b.real < a.real else (a + b) / 2,
    "clip": lambda x, low, high: low if x.real <= low.real else high if x.real >= high.real else x,
    "xlogy": lambda d, p: complex(0) if d == 0 else d * _complex_log(p),
    "div": _complex_divide,
    "power": _complex_power,
}


def _complex_arrays(name: str) -> Function:
    import numpy as np

    on_scalars = _COMPLEX_SCALARS[name]

    def one_by_one(*arguments: Value) -> Value:
        return elementwise(on_scalars, [a if is_array(a) else complex(a) for a in arguments]).astype(complex)

    def choose(greater: bool) -> Function:
        def apply(a: Value, b: Value) -> Value:
            first = a.real > b.real if greater else a.real < b.real
            return np.where(first, a, np.where(a.real == b.real, (a + b) / 2, b))

        return apply

    def guarded(function: Function, good: Function) -> Function:
        return lambda *arguments: function(*arguments) if good(*arguments) else one_by_one(*arguments)

    def power(base: Value, exponent: Value) -> Value:
        if not is_array(exponent) and exponent in (1, 2, 3):
            return base if exponent == 1 else base * base if exponent == 2 else base * base * base
        return one_by_one(base, exponent)

    direct: dict[str, Function] = {
        "sin": np.sin,
        "cos": np.cos,
        "tanh": np.tanh,
        "exp": guarded(np.exp, lambda x: bool((x.real < 700).all())),
        "log": guarded(np.log, lambda x: bool((x.real > 0).all())),
        "sqrt": guarded(np.sqrt, lambda x: bool((x.real > 0).all())),
        "div": guarded(np.true_divide, lambda a, b: bool(np.isfinite(b).all() and np.all(b != 0))),
        "abs": lambda x: np.where(x.real < 0, -x, np.where(x.real > 0, x, 0)),
        "sign": lambda x: np.sign(x.real) + 0j,
        "max": choose(True),
        "min": choose(False),
        "power": power,
    }
    return direct.get(name, one_by_one)


# ----------------------------------------------------------------------------- 50 digits


class LongArithmetic(Arithmetic):
    """mpmath numbers of a given precision: the last judge."""

    name = "long"

    def __init__(self, operations: Operations, digits: int = 50) -> None:
        super().__init__(operations)
        import mpmath

        self.context = mpmath.mp.clone() if hasattr(mpmath.mp, "clone") else mpmath.MPContext()
        self.context.dps = digits

    def scalar(self, value: Any) -> Value:
        if type(value) is Fraction:
            return self.context.mpf(value.numerator) / value.denominator
        return self.context.mpf(value)

    def scalar_function(self, name: str) -> Function:
        m = self.context
        one, zero = m.mpf(1), m.mpf(0)
        table: dict[str, Function] = {
            "abs": abs,
            "sign": m.sign,
            "step": lambda x, c: one if x > 0 else zero if x < 0 else m.mpf(c),
            "max": lambda a, b: a if a >= b else b,
            "min": lambda a, b: a if a <= b else b,
            "clip": lambda x, low, high: low if x < low else high if x > high else x,
            "xlogy": lambda d, p: zero if d == 0 else d * m.log(p),
            "div": lambda a, b: m.mpf(a) / b,
            "power": m.power,
        }
        return table.get(name) or getattr(m, name)


# ----------------------------------------------------------------------------- structure, over any of them


def _sum_all(arithmetic: Arithmetic) -> Function:
    def total(first: Value, *others: Value) -> Value:
        for term in others:
            first = first + term
        return first

    return total


def _product(arithmetic: Arithmetic) -> Function:
    def product(first: Value, *others: Value) -> Value:
        for factor in others:
            first = first * factor
        return first

    return product


def _softmax(arithmetic: Arithmetic) -> Function:
    exp = arithmetic.function("exp")

    def softmax(x: Value) -> Value:
        e = exp(x - _shift(arithmetic, x))
        return e / e.sum()

    return softmax


def _shift(arithmetic: Arithmetic, x: Value) -> Value:
    entries = x.ravel().tolist()
    return max(arithmetic.real(v) for v in entries)


def _logsumexp(arithmetic: Arithmetic) -> Function:
    exp, log = arithmetic.function("exp"), arithmetic.function("log")

    def logsumexp(x: Value) -> Value:
        if not is_array(x):
            return x
        top = _shift(arithmetic, x)
        return top + log(_python(exp(x - top).sum()))

    return logsumexp


def _python(value: Value) -> Value:
    """A NumPy scalar as a Python number."""
    return value.item() if hasattr(value, "item") and not is_array(value) or (is_array(value) and value.ndim == 0) else value


def _log_softmax(arithmetic: Arithmetic) -> Function:
    logsumexp = arithmetic.function("logsumexp")
    return lambda x: x - logsumexp(x)


def _norm2(arithmetic: Arithmetic) -> Function:
    sqrt = arithmetic.function("sqrt")

    def norm2(x: Value) -> Value:
        if not is_array(x):
            return arithmetic.function("abs")(x)
        return sqrt(_python((x * x).sum()))

    return norm2


def _concat(arithmetic: Arithmetic) -> Function:
    def concat(*parts: Value) -> Value:
        import numpy

        if arithmetic.name == "float" and any(is_exact(p) for p in parts) and not all(is_exact(p) for p in parts):
            parts = tuple(to_float(p) for p in parts)
        return numpy.concatenate([p if is_array(p) else numpy.array([p], dtype=object if is_exact(p) else None) for p in parts])

    return concat


def _widths(parts: Sequence[Value]) -> list[int]:
    ends = [0]
    for part in parts:
        ends.append(ends[-1] + (part.shape[0] if is_array(part) else 1))
    return ends


def _block(arithmetic: Arithmetic) -> Function:
    def block(whole: Value, which: Value, *parts: Value) -> Value:
        k, ends = int(arithmetic.real(which)), _widths(parts)
        piece = whole[ends[k - 1] : ends[k]]
        return piece if is_array(parts[k - 1]) else _python(piece[0])

    return block


def _columns(arithmetic: Arithmetic) -> Function:
    def columns(whole: Value, which: Value, *parts: Value) -> Value:
        k, ends = int(arithmetic.real(which)), _widths(parts)
        return whole[:, ends[k - 1] : ends[k]]

    return columns


def _place_columns(arithmetic: Arithmetic) -> Function:
    def place_columns(piece: Value, which: Value, *parts: Value) -> Value:
        k, ends = int(arithmetic.real(which)), _widths(parts)
        result = _zeros_like(piece, (piece.shape[0], ends[-1]))
        result[:, ends[k - 1] : ends[k]] = piece
        return result

    return place_columns


def _zeros_like(like: Value, shape: tuple[int, ...]) -> Value:
    import numpy

    return numpy.full(shape, 0, dtype=like.dtype)


def _position(arithmetic: Arithmetic, index: Value, size: int) -> int:
    at = arithmetic.real(index)
    if at != int(at) or not 1 <= at <= size:
        raise NotFinite(f"there is no entry {at} in a vector of {size}")
    return int(at) - 1


def _entry(arithmetic: Arithmetic) -> Function:
    return lambda v, i: _python(v[_position(arithmetic, i, v.shape[0])])


def _unit(arithmetic: Arithmetic) -> Function:
    def unit(v: Value, i: Value) -> Value:
        result = _zeros_like(v, v.shape)
        result[_position(arithmetic, i, v.shape[0])] = 1
        return result

    return unit


def _part(arithmetic: Arithmetic) -> Function:
    return lambda v, i, j: v[int(arithmetic.real(i)) - 1 : int(arithmetic.real(j))]


def _place(arithmetic: Arithmetic) -> Function:
    def place(g: Value, i: Value, j: Value, like: Value) -> Value:
        result = _zeros_like(g, like.shape)
        result[int(arithmetic.real(i)) - 1 : int(arithmetic.real(j))] = g
        return result

    return place


def _expand(arithmetic: Arithmetic) -> Function:
    def expand(value: Value, like: Value) -> Value:
        if not is_array(like):
            return value
        import numpy

        kind = object if is_exact(value) or like.dtype == object else None
        return numpy.full(like.shape, value, dtype=kind)

    return expand


def _largest(sign: int) -> Callable[[Arithmetic], Function]:
    def make(arithmetic: Arithmetic) -> Function:
        def largest(x: Value) -> Value:
            entries = x.ravel().tolist() if is_array(x) else [x]
            top = max(sign * arithmetic.real(v) for v in entries)
            best = [v for v in entries if sign * arithmetic.real(v) == top]
            return best[0] if len(best) == 1 else sum(best[1:], best[0]) / len(best)

        return largest

    return make


def _argmax_share(arithmetic: Arithmetic) -> Function:
    def share(x: Value) -> Value:
        if not is_array(x):
            return 1
        entries = [arithmetic.real(v) for v in x.ravel().tolist()]
        top = max(entries)
        count = sum(v == top for v in entries)
        part = Fraction(1, count) if x.dtype == object else 1 / count
        result = _zeros_like(x, (len(entries),))
        for i, v in enumerate(entries):
            if v == top:
                result[i] = arithmetic.scalar(part) if arithmetic.name != "float" else part
        return result.reshape(x.shape)

    return share


def _ties(arithmetic: Arithmetic) -> Function:
    def ties(x: Value) -> Value:
        entries = sorted((arithmetic.real(v) for v in x.ravel().tolist()), reverse=True) if is_array(x) else [1]
        return 1 if len(entries) < 2 else entries[0] - entries[1]

    return ties


def _mean(arithmetic: Arithmetic) -> Function:
    return lambda x: _python(arithmetic.function("div")(_python(x.sum()), arithmetic.scalar(x.size))) if is_array(x) else x


def _zeros(arithmetic: Arithmetic) -> Function:
    return lambda x: _zeros_like(x, x.shape) if is_array(x) else arithmetic.scalar(0)


def _diag(arithmetic: Arithmetic) -> Function:
    def diag(v: Value) -> Value:
        result = _zeros_like(v, (v.shape[0], v.shape[0]))
        for i in range(v.shape[0]):
            result[i, i] = v[i]
        return result

    return diag


_STRUCTURAL: dict[str, Callable[[Arithmetic], Function]] = {
    "add": _sum_all,
    "mul": _product,
    "neg": lambda arithmetic: lambda x: -x,
    "matmul": lambda arithmetic: lambda a, b: a @ b,
    "dot": lambda arithmetic: lambda a, b: _python((a * b).sum()) if is_array(a) else a * b,
    "outer": lambda arithmetic: lambda a, b: a[:, None] * b[None, :],
    "transpose": lambda arithmetic: lambda a: a.T if a.ndim == 2 else a[None, :],
    "unrow": lambda arithmetic: lambda a: a[0],
    "sum": lambda arithmetic: lambda x: _python(x.sum()) if is_array(x) else x,
    "mean": _mean,
    "count": lambda arithmetic: lambda x: arithmetic.scalar(x.size if is_array(x) else 1),
    "expand": _expand,
    "zeros": _zeros,
    "concat": _concat,
    "block": _block,
    "columns": _columns,
    "place_columns": _place_columns,
    "entry": _entry,
    "unit": _unit,
    "part": _part,
    "place": _place,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "norm2": _norm2,
    "largest": _largest(1),
    "smallest": _largest(-1),
    "argmax_share": _argmax_share,
    "ties": _ties,
    "diag": _diag,
    "diagonal": lambda arithmetic: lambda a: a.diagonal().copy(),
    "stop_gradient": lambda arithmetic: lambda x: x,
}
