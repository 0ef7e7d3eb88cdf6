"""Complex numbers for the complex step: only the real part decides branches, so that the step passes through
unharmed."""

from __future__ import annotations

import cmath
import math
from typing import Any

from bptt_solver.arithmetic.base import Arithmetic
from bptt_solver.arithmetic.values import Function, NotFinite, Value, elementwise, is_array
from bptt_solver.catalogues import message


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
        raise NotFinite(message("value.fractional"))
    if base.real == 0:  # the derivative at 0 is 0 or there is none
        if exponent.real > 1 or (base == 0 and exponent.real > 0):
            return complex(0)
        raise NotFinite(message("value.small_power"))
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
        raise NotFinite(message("value.division"))
    if math.isinf(b.real) or math.isinf(b.imag):
        return complex(0)
    return a / b


def _complex_log(x: complex) -> complex:
    if x.real <= 0:
        raise NotFinite(message("value.log_none"))
    return cmath.log(x)


def _complex_sqrt(x: complex) -> complex:
    if x.real < 0 or (x.real == 0 and x.imag != 0):
        raise NotFinite(message("value.root_negative" if x.real else "value.root_slope"))
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
