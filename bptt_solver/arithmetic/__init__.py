"""The same operations over several kinds of numbers: floats and exact fractions, complex numbers for the complex
step, and 50-digit numbers. Arrays are NumPy's, of dtype float64, complex128, or object (fractions, 50-digit numbers).

Every function is written so that no intermediate overflows where the result does not.
"""

from __future__ import annotations

from bptt_solver.arithmetic.base import Arithmetic
from bptt_solver.arithmetic.complexes import ComplexArithmetic
from bptt_solver.arithmetic.floats import divide
from bptt_solver.arithmetic.long import LongArithmetic
from bptt_solver.arithmetic.values import (
    Function,
    NotFinite,
    TooLarge,
    Value,
    bits,
    elementwise,
    is_array,
    is_exact,
    normal,
    to_float,
)

__all__ = [
    "Arithmetic",
    "ComplexArithmetic",
    "Function",
    "LongArithmetic",
    "NotFinite",
    "TooLarge",
    "Value",
    "bits",
    "divide",
    "elementwise",
    "is_array",
    "is_exact",
    "normal",
    "to_float",
]
