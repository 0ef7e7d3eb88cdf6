"""What a value is: a scalar of some arithmetic, or a NumPy array of them; and what can go wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from bptt_solver.catalogues import message

Value = Any  # a scalar of the arithmetic, or a NumPy array of them
Function = Callable[..., Value]


EXACT_BITS = 20_000  # of an exact power, unless a limit says otherwise


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
            raise NotFinite(message("value.too_large")) from None
    return value.astype(float) if is_array(value) and value.dtype == object else value


def normal(value: Fraction | int) -> Fraction | int:
    """A fraction with denominator 1 as an int."""
    return value.numerator if type(value) is Fraction and value.denominator == 1 else value


def bits(value: Value) -> int:
    """The number of bits of an exact number."""
    if type(value) is int:
        return value.bit_length()
    return value.numerator.bit_length() + value.denominator.bit_length() if type(value) is Fraction else 0


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
