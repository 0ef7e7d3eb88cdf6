"""The language prints itself: parsed again, the text of a tree is the identical tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bptt_solver.errors import Excerpt
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
    Comparison,
    Expression,
    Index,
    Iverson,
    Lookup,
    Number,
    Range,
    Reference,
    Sum,
    derivative_name,
)
from bptt_solver.language.notation.source import (
    conditions_to_source,
    equation_to_source,
    index_to_source,
    range_to_source,
    to_source,
)
from bptt_solver.language.parser import parse_equations, parse_expression

LINES = [
    line
    for line in (Path(__file__).parent / "identity.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def test_there_are_many_lines() -> None:
    assert len(LINES) == len(set(LINES)) >= 500


@pytest.mark.parametrize("line", LINES)
def test_a_line_prints_as_it_was_written(line: str) -> None:
    if " = " in line:
        (equation,) = parse_equations(Excerpt.of(line))
        assert equation_to_source(equation) == line
    else:
        assert to_source(parse_expression(Excerpt.of(line))) == line


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("((a))+(b*c)", "a + b*c"),
        ("a-(b)", "a - b"),
        ("a + -b*c", "a + (-b)*c"),
        ("a*b@c", "(a*b) @ c"),
        ("a@b*c", "(a @ b)*c"),
        ("2^x²", "2**x**2"),
        ("a·b⊙c−d", "a*b*c - d"),
        ("Wᵀ@x", "W.T @ x"),
        ("h[1-t]", "h[1-t]"),
        ("h[-t+T]", "h[T-t]"),
        ("h[t+t+0]", "h[2*t]"),
        ("[1<=t<=T and t≠2]*x", "[1 <= t, t <= T, t != 2]*x"),
        ("∂⁺E / ∂ h [ t ]", "∂⁺E/∂h[t]"),
        ("1.50e2 + .5", "150.0 + 0.5"),
        ("add(a,b)", "a + b"),
        ("add(a)", "add(a)"),
        ("neg(a, b)", "neg(a, b)"),
        ("power(a, b, c)", "power(a, b, c)"),
    ],
)
def test_other_spellings_print_in_the_usual_one(written: str, printed: str) -> None:
    assert to_source(parse_expression(Excerpt.of(written))) == printed


def test_parts_of_equations() -> None:
    t = Index.variable("t")
    assert index_to_source(t.times(-2).plus(3)) == "3-2*t"
    assert range_to_source(Range("t", Index(0), Index.variable("T").plus(-1))) == "t in 0..T-1"
    assert conditions_to_source((Comparison(t, "==", Index(1)), Comparison(t, "<", Index(-1)))) == "t == 1, t < -1"


def test_numbers_that_the_parser_does_not_make_are_printed_too() -> None:
    from fractions import Fraction

    tree = Call("mul", (Number(Fraction(1, 2)), Number(-3), Call("power", (Number(Fraction(2, 3)), Number(-1)))))
    assert to_source(tree) == "1/2*(-3)*(2/3)**(-1)"
    assert to_source(Call("add", (Number(-1), Number(-2.5)))) == "-1 - 2.5"
    assert to_source(Number(10**5000)) == "1" + "0" * 5000


# --- random trees

names = st.sampled_from(
    ["a", "b", "x1", "W_h", "h'", "ŷ", "权", "α", "z₁", "for", "in", "where", "sum", "E", "I", "N", "x̂"]
)
variables = st.sampled_from(["t", "k", "i", "T", "n"])
small = st.integers(-9, 12)


def _index(parts: list[tuple[object, int]], constant: int) -> Index:
    total = Index(constant)
    for atom, coefficient in parts:
        total = total.plus(Index(0, ((atom, 1),)), coefficient)  # type: ignore[arg-type]
    return total


plain = st.builds(_index, st.lists(st.tuples(variables, small), max_size=2), small)
lookups = st.builds(Lookup, st.sampled_from(["left", "perm"]), st.lists(plain, min_size=1, max_size=2).map(tuple))
indices = st.builds(_index, st.lists(st.tuples(st.one_of(variables, lookups), small), max_size=2), small)
members = st.lists(indices, max_size=3).map(tuple)
comparisons = st.builds(Comparison, indices, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), indices)
ranges = st.lists(st.builds(Range, variables, indices, indices), min_size=1, max_size=2).map(tuple)
conditions = st.lists(comparisons, max_size=2).map(tuple)
targets = st.sampled_from(["E", "C[2]", "ŷ[1,-2]", "∂⁺E/∂u", "∂⁺E/∂u[3]", "∂⁺(∂⁺E/∂u)/∂v"])
derivatives = st.builds(derivative_name, targets, st.one_of(names, st.just("∂⁺E/∂u")))
numbers = st.one_of(
    st.integers(0, 10**30), st.floats(min_value=0, allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0)
)
leaves: st.SearchStrategy[Expression] = st.one_of(
    st.builds(Number, numbers),
    st.builds(Reference, st.one_of(names, derivatives), members),
    st.builds(Iverson, st.lists(comparisons, min_size=1, max_size=2).map(tuple)),
)


def _operations(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    two, many = st.tuples(inner, inner), st.lists(inner, min_size=2, max_size=4).map(tuple)
    return st.one_of(
        st.builds(Call, st.sampled_from(["add", "mul"]), many),
        st.builds(Call, st.sampled_from(["div", "matmul", "power"]), two),
        st.builds(Call, st.sampled_from(["neg", "transpose"]), st.tuples(inner)),
        st.builds(
            Call, st.sampled_from(["f", "tanh", "sum", "函"]), st.lists(inner, min_size=1, max_size=3).map(tuple)
        ),
        st.builds(Sum, inner, ranges, conditions),
    )


trees = st.recursive(leaves, _operations, max_leaves=12)


@settings(max_examples=500, deadline=None)
@given(trees)
def test_a_tree_parses_back(tree: Expression) -> None:
    assert parse_expression(Excerpt.of(to_source(tree))) == tree


@settings(max_examples=100, deadline=None)
@given(st.one_of(names, derivatives), members, trees, st.one_of(st.just(()), ranges), conditions)
def test_an_equation_parses_back(
    name: str, at: tuple[Index, ...], right: Expression, domain: tuple[Range, ...], where: tuple[Comparison, ...]
) -> None:
    equation = Equation(name, at, right, domain, where if domain else ())
    (back,) = parse_equations(Excerpt.of(equation_to_source(equation)))
    for part in ("name", "indices", "right", "ranges", "conditions"):
        assert getattr(back, part) == getattr(equation, part)
