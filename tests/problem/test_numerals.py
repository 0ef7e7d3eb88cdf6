"""Numbers by our own rules: what is one, what it is worth, and that nothing else slips through."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bptt_solver.errors import ProblemError
from bptt_solver.language.tokens import Malformed
from bptt_solver.limits import Limits
from bptt_solver.problem.numerals import hint_for, read_number

LIMITS = Limits()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("7", 7), ("-3", -3), ("+3", 3), ("-0", 0), ("123456789012345678901234567890",
        123456789012345678901234567890),
        ("0.5", 0.5), (".5", 0.5), ("-.5", -0.5), ("1.", 1.0), ("1e3", 1000.0), ("1e-3", 0.001), ("1E+3", 1000.0),
        ("2.5e-10", 2.5e-10), ("1.e2", 100.0), ("0.0", 0.0), ("-0.0", -0.0), ("0e5", 0.0), ("5e-324", 5e-324),
        ("1/2", Fraction(1, 2)), ("-2/3", Fraction(-2, 3)), ("+2/4", Fraction(1, 2)), ("4/2", 2), ("0/5", 0),
    ],
)  # fmt: skip
def test_numbers(text: str, value: float | Fraction) -> None:
    number = read_number(text, LIMITS)
    assert type(number) is type(value)
    assert number == value
    assert not isinstance(number, float) or math.copysign(1, number) == math.copysign(1, float(value))


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "+", "-", ".", "e3", "1e", "1e+", "01", "010", "-007.5", "1_000", "0x10", "0o7", "0b1",
        "1:30", "1:30:00",
        ".nan", "nan", "NaN", ".inf", "-.inf", "inf", "Infinity", "yes", "no", "on", "off", "true", "y", "n",
        "null", "~",
        "2024-01-31", "1,5", "1 2", "1 000", "--1", "+-1", "1.2.3", "1/0", "1/-2", "1.5/2", "1/2.5", "1/2/3",
        "1 / 2", "1/",
        "/2", "1e400", "-1e400", "1e-400", "１", "١٢", "²", "1²", "½", "−1", "1\n", "1\x00", "1j", "2*3", "pi",
        "0x", "1e1.5",
        "1__0", "1L", "1f", "#1", "1%", "$1", "1e5000",
    ],
)  # fmt: skip
def test_not_numbers(text: str) -> None:
    with pytest.raises(Malformed):
        read_number(text, LIMITS)


def test_digits_at_n_and_n_plus_1() -> None:
    assert read_number("7" * 100, LIMITS) == int("7" * 100)
    assert read_number("0." + "3" * 99, LIMITS) == pytest.approx(1 / 3)
    for text in ("7" * 101, "0." + "3" * 100, "1/" + "7" * 101, "7" * 101 + "/2"):
        with pytest.raises(ProblemError, match=r"101 digits, limit 100 \(--limit digits=101\)"):
            read_number(text, LIMITS)
    few = Limits.parse(["digits=3"])
    assert read_number("123", few) == 123
    with pytest.raises(ProblemError, match="has 4 digits, limit 3"):
        read_number("1234", few)


def test_exponent_digits_at_n_and_n_plus_1() -> None:
    assert read_number("1e0003", LIMITS) == 1000.0
    with pytest.raises(ProblemError, match="5 digits in its exponent"):
        read_number("1e00003", LIMITS)


@given(st.integers())
def test_whole_numbers_are_exact(value: int) -> None:
    number = read_number(str(value), LIMITS)
    assert type(number) is int
    assert number == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_survive(value: float) -> None:
    number = read_number(repr(value), LIMITS)
    assert isinstance(number, float)
    assert number == value


@given(st.fractions())
def test_fractions_are_exact(value: Fraction) -> None:
    assert read_number(f"{value.numerator}/{value.denominator}", LIMITS) == value


@given(st.text(alphabet="0123456789+-.eE/_:xob naif\u0661\u00b2", max_size=12))
def test_never_anything_but_a_number_or_a_refusal(text: str) -> None:
    try:
        number = read_number(text, LIMITS)
    except (Malformed, ProblemError):
        return
    assert text.isascii()
    assert float(number) == (float(Fraction(text)) if "/" in text else float(text))
    assert math.isfinite(float(number))


@given(st.text(max_size=60))
def test_hints_never_fail(text: str) -> None:
    hint = hint_for(text)
    assert hint is None or "{" not in hint.replace(text, "")
