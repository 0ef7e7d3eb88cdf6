"""Numbers as people read them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bptt_solver.language.notation.numbers import ascii_text, format_number, integer_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.2, "1.2"),
        (0.5, "0.5"),
        (7.0, "7"),
        (136.0, "136"),
        (-0.24164998, "−0.241650"),
        (0.377193123, "0.377193"),
        (2.05037123, "2.05037"),
        (0.071137412, "0.0711374"),
        (1.2908997, "1.29090"),
        (-0.36, "−0.36"),
        (0.1 + 0.2, "0.3"),
        (1 / 3, "0.333333"),
        (0.0001, "0.0001"),
        (0.000123456789, "0.000123457"),
        (9.99e-5, "9.99·10⁻⁵"),
        (1.234567891e-7, "1.23457·10⁻⁷"),
        (-1e-300, "−1·10⁻³⁰⁰"),
        (1e7, "1·10⁷"),
        (1.5e22, "1.5·10²²"),
        (1234567.0, "1234567"),
        (123456.789, "123457"),
        (1234567.8, "1234568"),
        (999999.7, "1000000"),
        (9999999.9, "1.00000·10⁷"),
        (99.99999, "100.000"),
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5·10⁻³²⁴"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
        (float("nan"), "nan"),
        (33, "33"),
        (-4, "−4"),
        (True, "True"),
        (Fraction(3, 7), "3/7"),
        (Fraction(-3, 7), "−3/7"),
        (Fraction(-4), "−4"),
        ([-0.1, 1.2], "(−0.1, 1.2)"),
        ([1], "(1)"),
        ([], "()"),
        ([[0.5, -0.3], [0.8, 0.2]], "[0.5 −0.3; 0.8 0.2]"),
        ([[Fraction(1, 2)], [2]], "[1/2; 2]"),
        (list(range(14)), "(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …) 14×1"),
        ([[[1, 2]], [[3, 4]]], "[[1 2]; [3 4]]"),
    ],
)
def test_numbers(value: object, text: str) -> None:
    assert format_number(value) == text


def test_more_or_fewer_digits() -> None:
    assert format_number(1 / 3, 10) == "0.3333333333"
    assert format_number(2 / 3, 2) == "0.67"
    assert format_number([1 / 3, 0.25], digits=3) == "(0.333, 0.25)"
    assert format_number([1, 2, 3], most=2) == "(1, 2, …) 3×1"


def test_arrays_are_taken_without_their_library() -> None:
    import numpy as np

    assert format_number(np.array([-0.1, 1.2])) == "(−0.1, 1.2)"
    assert format_number(np.array(2.5)) == "2.5"
    assert format_number(np.float64(0.25)) == "0.25"
    assert format_number(np.int64(3)) == "3"
    assert format_number(np.ones((20, 3)), most=2) == "[1 1 …; 1 1 …; …] 20×3"
    assert format_number(np.zeros((0, 3))) == "[]"
    with pytest.raises(TypeError, match="not a number: dict"):
        format_number({})


def test_integers_of_any_size_have_all_their_digits() -> None:
    assert integer_text(-(10**9000) - 5) == "-1" + "0" * 8999 + "5"
    assert format_number(-(10**5000)) == "−1" + "0" * 5000


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False), st.integers(1, 15))
def test_a_number_is_right_to_its_digits(value: float, digits: int) -> None:
    text = format_number(value, digits).replace("−", "-")
    mantissa, _, power = text.partition("·10")
    back = Fraction(f"{mantissa}e{power.translate(str.maketrans('⁻⁰¹²³⁴⁵⁶⁷⁸⁹', '-0123456789')) or 0}")
    assert abs(back - Fraction(value)) <= abs(Fraction(value)) * Fraction(10) ** (1 - digits) / 2


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain", "plain"),
        ("∂⁺E/∂h_{t−1}²", "d+E/dh_{t-1}^2"),
        ("½(y_t − d_t)²", "1/2*(y_t - d_t)^2"),
        ("(1 − h²) ⊙ W_yᵀ", "(1 - h^2) * W_y^T"),
        ("1.2·10⁻¹²", "1.2*10^-12"),
        ("Σ_{t=1..T} x₁ ≤ η Ω ŷ", "sum_{t=1..T} x1 <= eta Omega y"),
        ("x ∈ R¹², a → b … é", "x in R^12, a -> b ... e"),
        ("权", "<U+6743>"),
    ],
)
def test_a_spelling_in_ascii(text: str, plain: str) -> None:
    assert ascii_text(text) == plain


@given(st.text())
def test_the_spelling_is_ascii(text: str) -> None:
    assert ascii_text(text).isascii()
