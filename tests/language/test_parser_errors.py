"""What is told about lines that are not in the language: what is wrong, at which column, and how to write it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bptt_solver.errors import Excerpt, ProblemError
from bptt_solver.language.parser import parse_equations, parse_expression
from bptt_solver.limits import Limits

# line | column | message (hint)
TABLE = """
z2 = 2z1 | 7 | an operator is missing before 'z1' (did you mean 2*z1?)
z2 = 2(z1+1) | 7 | an operator is missing before '(' (did you mean 2*(...)?)
z2 = 2f(x) | 7 | an operator is missing before 'f' (did you mean 2*f(...)?)
z2 = a b | 8 | an operator is missing before 'b' (did you mean a*b?)
z2 = f(a b) | 10 | an operator is missing before 'b' (did you mean a*b?)
z2 = (a)(b) | 9 | an operator is missing before '(' (a product is written a*b)
z2 = (a | 6 | '(' is never closed (a ')' or ']' is missing)
z2 = (a + (b*c) | 6 | '(' is never closed (a ')' or ']' is missing)
z2 = x[1, 2 | 7 | '[' is never closed (a ')' or ']' is missing)
z2 = ( | 6 | '(' is never closed
z2 = a) | 7 | ')' closes nothing (remove it, or open it before)
z2 = (a] | 8 | ']' does not close '(' (brackets must match)
z2 = h[t) | 9 | ')' does not close '[' (brackets must match)
z2 = a + | 8 | an operand is missing after '+' (to go on in the next line, indent that line)
z2 = * a | 6 | an operand is missing before '*'
z2 = a ** * b | 11 | an operand is missing before '*' (a power is written ** or ^)
z2 = f(a, ) | 11 | an operand is missing before ')'
z2 = f(a,,b) | 10 | an operand is missing before ','
z2 = +a | 6 | a plus sign needs a left operand (remove the '+')
z2 = f() | 6 | 'f' needs an argument (write something between them)
z2 = () | 6 | the parentheses are empty (write something between them)
z2 = h[] | 6 | the brackets are empty (write something between them)
z2 = [] | 6 | the brackets are empty (a condition is written [t == T])
z2 == 2 | 4 | '==' compares; it does not define (write one '=')
z2 = 3 = 4 | 8 | there is a second '=' (write one equation on a line)
z2 = = 4 | 6 | an operand is missing before '=' (only one '=' in an equation)
z2 | 1 | there is no '=' (an equation is written name = expression)
z2 = | 4 | the right side is missing (write an expression after '=')
= 3 | 1 | an operand is missing before '='
2*z1 = 3 | 1 | the left side of an equation is one name (write for example h[t] = ...)
f(x) = 3 | 1 | the left side of an equation is one name (write for example h[t] = ...)
(z) = 3 | 1 | the left side of an equation is one name (write for example h[t] = ...)
z2 = 010 | 6 | '010' starts with 0 (write 10)
z2 = 1_0 | 7 | '_' cannot stand in a number (write the digits without '_')
z2 = 0x1f | 6 | only decimal numbers can be read
z2 = 1. | 7 | a number needs a digit after its point (write 1.0)
z2 = 1e999 | 6 | 1e999 is too large for a 64-bit number
z2 = 1e-999 | 6 | 1e-999 is too small for a 64-bit number (write 0)
z2 = ٣ | 6 | '٣' U+0663 (ARABIC-INDIC DIGIT THREE) is not an ASCII digit (write 0 to 9)
z2 = x٣ | 6 | '٣' U+0663 (ARABIC-INDIC DIGIT THREE) is not an ASCII digit (write 0 to 9)
z2 = ½*x | 6 | '½' U+00BD (VULGAR FRACTION ONE HALF) cannot be part of a name (write 1/2)
z2 = a × b | 8 | unexpected character '×' U+00D7 (MULTIPLICATION SIGN) (write *)
z2 = （a） | 6 | unexpected character '（' U+FF08 (FULLWIDTH LEFT PARENTHESIS) (write ()
z2 = a // b | 8 | '//' is not an operator (division is written /)
z2 = a % b | 8 | '%' is not an operator
z2 = a & b | 8 | unexpected character '&' (write 'and' between conditions)
z2 = a\\b | 7 | unexpected character '\\' (LaTeX is not read: write x/2, sqrt(x), sum(...))
z2 = a{b} | 7 | unexpected character '{' (group with ( ))
z2 = "abc" | 6 | quotes have no meaning here (names are written without quotes)
z2 = 'abc' | 6 | quotes have no meaning here (names are written without quotes)
z3 = __import__('os') | 6 | unexpected character '_' (a name starts with a letter)
z2 = a; z3 = b | 7 | ';' has no meaning here (write one equation on a line)
z2 = x.shape | 7 | '.' is not an operator (the transpose is written .T)
z2 = a if b else c | 8 | 'if' is not a word of the language here (a case is written [t == T] * value)
z2 = a < b | 8 | a comparison stands only in brackets or after 'where' (write [t == T] * value)
z2 = a,b | 7 | a comma stands only between arguments, indices or ranges
z2 = 3,5 | 7 | a comma stands only between arguments, indices or ranges (a decimal point is '.')
z2 = h[1.5] | 8 | an index is a whole number, not 1.5
z2 = h[t*t] | 8 | a product of index variables cannot stand in an index (an index is affine, such as 2*t-1)
z2 = h[t**2] | 9 | '**' cannot stand in an index (an index is affine, such as 2*t-1)
z2 = h[t²] | 9 | a power cannot stand in an index (an index is affine, such as 2*t-1)
z2 = h[t/2] | 9 | '/' cannot stand in an index (an index is affine, such as 2*t-1)
z2 = h[f(t)] | 8 | 'f(...)' cannot stand in an index (a map is read as left[i])
z2 = h[∂⁺E/∂z] | 8 | an ordered derivative cannot stand in an index
z2 = h[1:2] | 9 | ':' has no meaning here (brackets are indices, never slices)
z2 = h[:2] | 8 | ':' has no meaning here (brackets are indices, never slices)
z2 = h[t][k] | 10 | an index follows an index (several indices are written h[k,t])
z2 = W.T[1] | 9 | only a name has indices (brackets are indices of a family, not elements)
z2 = 3[t==1] | 7 | a number has no index (for a case write 2*[t == T])
z2 = a[t < 2] | 10 | a comparison stands only in brackets or after 'where' (write [t == T] * value)
z2 = [1, 2] | 8 | a condition compares two indices (write for example t == T or 1 <= t)
z2 = [t = T] | 9 | a condition compares with '==' (write [t == T])
z2 = [t==1 or t==2] | 12 | 'or' is not a word of the language here (conditions are only joined by 'and')
z2 = x for t = 1..3 | 14 | 'in' is missing after 'for t' (write: for t in 1..T)
z2 = x for t in 1...3 | 18 | a range has two dots (write 1..T)
z2 = x for t in 1:3 | 18 | a range is written with two dots (write 1..T)
z2 = x for t in 1.. | 18 | an operand is missing after '..' (to go on in the next line, indent that line)
z2 = x for t in 3 | 17 | a range needs two ends (write for example: for t in 1..T)
z2 = x for t in 1..3..4 | 21 | a range has two ends (write 1..T; a step is not possible)
z = x for t in 1..t*t | 19 | a product of index variables cannot stand in an index (an index is affine, such as 2*t-1)
z2 = x for 1..3 | 12 | the name of an index is missing after 'for' (write: for t in 1..T)
z = x for t in 1..3 for k in 1..2 | 21 | there is a second 'for' (write: for t in 1..T, k in 1..K)
z2 = for t in 1..3 | 6 | an operand is missing before 'for'
z2 = a + for t in 1..3 | 10 | an operand is missing before 'for'
z2 for t in 1..3 | 4 | there is no '=' before 'for' (an equation is written name = expression)
z2 = x t in 1..3 | 8 | an operator is missing before 't' (did you mean x*t?)
z2 = 1..3 | 7 | a range stands only after 'for' (write for example: for t in 1..T)
z2 = x where t == 1 | 8 | 'where' needs a range before it (write: for t in 1..T where t != 2)
z2 = x for t in 1..3 where t | 28 | a condition compares two indices (write for example t == T or 1 <= t)
z2 = x for t in 1..3 where t = 2 | 30 | a condition compares with '==' (write [t == T])
z2 = x for t in 1..3 where t==2 where t==3 | 33 | there is a second 'where' (separate conditions with a comma)
z2 = sum(x for t) | 17 | 'in' is missing after 'for t' (write: for t in 1..T)
z2 = sum(x for t in 1..T, y) | 28 | 'in' is missing after 'for y' (write: for y in 1..T)
z2 = mean(x for t in 1..T) | 13 | 'for' cannot stand in 'mean' (only sum(a for t in 1..T) has ranges)
z2 = (x for t in 1..T) | 9 | 'for' cannot stand here (close the bracket before it)
z2 = ∂E/∂z | 6 | ∂ alone is not a value (an ordered derivative is written ∂⁺E/∂h[t])
z2 = ∂⁺E/h | 10 | an ordered derivative needs '/∂' here (write for example ∂⁺E/∂h[t])
z2 = ∂⁺E*h | 9 | an ordered derivative needs '/∂' here (write for example ∂⁺E/∂h[t])
z2 = ∂⁺(E)/∂h | 9 | only an ordered derivative is written in parentheses here (write for example ∂⁺E/∂h[t])
z2 = ∂⁺E[t]/∂h | 10 | the index of a target is a whole number (write for example ∂⁺C[2]/∂h[t])
z = x for t in 1..3 where t == 1 for k in 1..2 | 34 | ranges come before the conditions (write: for ... where ...)
z = [t == 1..3] | 12 | a range cannot stand in a condition (write 1 <= t <= T)
z = [t == 1) | 12 | ')' does not close '[' (brackets must match)
z = x for t in 1..3 == 4 | 21 | unexpected '==' after a range (conditions follow 'where')
z = x for t in 1..3] | 20 | unexpected ']' after a range
z = x for t in 1..3) | 20 | ')' closes nothing (remove it, or open it before)
z = sum(x for t in 1..3 | 8 | '(' is never closed (a ')' or ']' is missing)
z = a and b | 7 | an operator is missing before 'and'
z = a in b | 7 | an operator is missing before 'in'
z = x⁰² | 6 | '02' starts with 0 (write 2)
z = ∂⁺2/∂h | 7 | a name is missing in the ordered derivative (write for example ∂⁺E/∂h[t])
z = ∂⁺ | 7 | a name is missing in the ordered derivative (write for example ∂⁺E/∂h[t])
z = ∂⁺(∂⁺E/∂u/∂w | 14 | the inner derivative is not closed (write for example ∂⁺E/∂h[t])
z2 = a + \x07b | 10 | the character U+0007 is not allowed (remove it: it is invisible)
z2 = a # \u202e | 10 | the character U+202E (RIGHT-TO-LEFT OVERRIDE) is not allowed (remove it: it is invisible)
z2 = a + \ue000b | 10 | the character U+E000 is not allowed (remove it: it is invisible)
z2 = a\u200bb | 7 | unexpected character U+200B (ZERO WIDTH SPACE)
z2 =\u00a0a | 5 | unexpected character U+00A0 (NO-BREAK SPACE) (write a plain space)
"""
ROWS = [tuple(part.strip(" ") for part in row.split("|", 2)) for row in TABLE.strip("\n").split("\n")]


@pytest.mark.parametrize(
    ("line", "column", "told"), ROWS, ids=[row[0].encode("unicode_escape").decode() for row in ROWS]
)
def test_what_is_told(line: str, column: str, told: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_equations(Excerpt.of(line))
    (problem,) = caught.value.problems
    assert problem.span is not None
    text = problem.message + (f" ({problem.hint})" if problem.hint else "")
    assert (text, problem.span.source.position(problem.span.start)) == (told, (1, int(column)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is nothing to read"),
        ("# only a comment", "there is nothing to read"),
        ("a = b", "an expression has no '='"),
        ("a for t in 1..3", "an expression has no ranges"),
        ("a where t == 1", "'where' needs a range before it"),
        ("a and b", "'and' cannot stand here"),
    ],
)
def test_what_is_told_about_an_expression(text: str, told: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_expression(Excerpt.of(text))
    assert caught.value.problems[0].message == told


def test_a_thousand_errors_are_enough() -> None:
    with pytest.raises(ProblemError) as caught:
        parse_equations(Excerpt.of("= 1\n" * 3000))
    assert [p.message for p in caught.value.problems[-2:]] == [
        "an operand is missing before '='",
        "and 980 more problems",
    ]


def test_an_excerpt_without_equations_has_none() -> None:
    assert parse_equations(Excerpt.of("\n  # nothing\n")) == []


_PIECES = (
    "a b1 h[ t T ] ( ) f( sum( for in where and 1 2.5 .. , + - * / @ ** ^ = == < .T ² ∂⁺ ∂ E / [ · ' # . : ; \n \n  _ ŷ"
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(_PIECES.split(" ")), max_size=12), st.booleans())
def test_any_text_is_read_or_refused_with_places(pieces: list[str], spaced: bool) -> None:
    text = (" " if spaced else "").join(pieces)
    for parse in (parse_equations, parse_expression):
        try:
            parse(Excerpt.of(text), Limits())
        except ProblemError as error:
            assert all(p.span is not None and "\n" not in p.message for p in error.problems)
            assert all(len(p.message + (p.hint or "")) < 120 for p in error.problems)
            assert str(error)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_any_characters_are_read_or_refused(text: str) -> None:
    for parse in (parse_equations, parse_expression):
        try:
            parse(Excerpt.of(text))
        except ProblemError as error:
            assert str(error)
