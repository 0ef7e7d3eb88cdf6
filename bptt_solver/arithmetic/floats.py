"""Functions of floats and exact numbers, and of float64 arrays."""

from __future__ import annotations

import math
from fractions import Fraction

from bptt_solver.arithmetic.values import EXACT_BITS, Function, NotFinite, TooLarge, Value, bits, is_array, normal
from bptt_solver.catalogues import message


def _exp(x: Value) -> Value:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _log(x: Value) -> Value:
    if x <= 0:
        raise NotFinite(message("value.log_zero" if x == 0 else "value.log_negative"))
    return math.log(x)


def _sqrt(x: Value) -> Value:
    if x < 0:
        raise NotFinite(message("value.root_negative"))
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
        raise NotFinite(message("value.division"))
    if (type(a) is int and type(b) is int) or type(a) is Fraction or type(b) is Fraction:
        if type(a) is float or type(b) is float:
            return a / b
        return normal(Fraction(a) / b)
    return a / b


def power(base: Value, exponent: Value, most_bits: int = EXACT_BITS) -> Value:
    """A power that stays exact where it can. Raises TooLarge before an exact one of more than ``most_bits`` bits is
    made."""
    if type(base) is float or type(exponent) is float:
        try:
            result = base**exponent
        except OverflowError:
            return math.inf
        except ZeroDivisionError:
            raise NotFinite(message("value.negative_power")) from None
        if type(result) is complex:
            raise NotFinite(message("value.fractional"))
        return result
    if type(exponent) is Fraction and exponent.denominator != 1:
        return power(float(base), float(exponent))
    exponent = int(exponent)
    least = bits(base) - (2 if type(base) is Fraction else 1)  # bits of the result for each factor
    if least * abs(exponent) > most_bits:
        raise TooLarge
    if base == 0 and exponent < 0:
        raise NotFinite(message("value.negative_power"))
    return normal(Fraction(base) ** exponent) if exponent < 0 or type(base) is Fraction else base**exponent


FLOAT_SCALARS: dict[str, Function] = {
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
    "power": power,
}


def float_arrays() -> dict[str, Function]:
    """The functions of float64 arrays by name, made on first use, since NumPy is slow to import."""
    global _FLOAT_ARRAYS  # noqa: PLW0603 - filled on first use, since NumPy is slow to import
    if _FLOAT_ARRAYS is None:
        import numpy as np

        def guarded(function: Function, bad: Function, key: str) -> Function:
            def apply(x: Value) -> Value:
                if bad(x).any():
                    raise NotFinite(message(key))
                return function(x)

            return apply

        def array_power(base: Value, exponent: Value) -> Value:
            if is_array(exponent) or exponent != int(exponent):
                if (np.asarray(base) < 0).any():
                    raise NotFinite(message("value.fractional"))
            elif exponent == 2:
                return base * base
            return np.power(base, exponent)

        def xlogy(d: Value, p: Value) -> Value:
            d, p = np.broadcast_arrays(d, p)
            used = d != 0
            if (p[used] <= 0).any():
                raise NotFinite(message("value.log_zero"))
            return np.where(used, d * np.log(np.where(used, p, 1.0)), 0.0)

        _FLOAT_ARRAYS = {
            "exp": np.exp,
            "log": guarded(np.log, lambda x: x <= 0, "value.log_none"),
            "sqrt": guarded(np.sqrt, lambda x: x < 0, "value.root_negative"),
            "sin": np.sin,
            "cos": np.cos,
            "tan": np.tan,
            "tanh": np.tanh,
            "erf": lambda x: np.array([math.erf(v) for v in x.ravel().tolist()]).reshape(x.shape),
            "abs": np.abs,
            "sign": np.sign,
            "step": lambda x, c: (
                np.heaviside(x, float(c)) if not is_array(c) else np.where(x > 0, 1.0, np.where(x < 0, 0.0, c))
            ),
            "max": np.maximum,
            "min": np.minimum,
            "clip": np.clip,
            "xlogy": xlogy,
            "div": np.true_divide,
            "power": array_power,
        }
    return _FLOAT_ARRAYS


_FLOAT_ARRAYS: dict[str, Function] | None = None
