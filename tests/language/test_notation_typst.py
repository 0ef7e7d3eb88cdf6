"""Formulas in Typst: what is written, and that names and texts are never commands."""

from __future__ import annotations

import pytest

from bptt_solver.blocks import Formula, Paragraph, Value
from bptt_solver.errors import Excerpt
from bptt_solver.language.expressions import Call, Index, Number, Reference
from bptt_solver.language.notation.typst import equation_to_typst, quoted, to_typst, typst_name, typst_number
from bptt_solver.language.parser import parse_equations, parse_expression
from bptt_solver.language.templates import slot
from bptt_solver.render import render


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("a + b - c", "a+b−c"),
        ("-a*b", "−a⋅b"),
        ("a/b/c", "frac(frac(a, b), c)"),
        ("(a + b)**2", "(a+b)^(2)"),
        ("W_h @ h[t-1]", "W_(h) thin h_(t−1)"),
        ("W_h.T @ x", "W_(h)^(⊤) thin x"),
        ("tanh(a)", " tanh(a)"),
        ("f(a, b)", "upright(f)(a\\, b)"),
        ("squared_error(a, b)", 'op("squared-error")(a\\, b)'),
        ("sqrt(a) + abs(b)", "sqrt(a)+abs(b)"),
        ("sum(x[t] for t in 1..T where t != 3)", "sum_(t=1\\, t ≠ 3)^(T) x_(t)"),
        ("[1 <= t < T] * a", "[1 ≤ t\\, t lt T]⋅a"),
        ("h'[2]", "h'_(2)"),
        ("net_j[t]", '"net"_(j)[t]'),
        ("∂⁺E/∂h[t]", "frac(∂^(+)E, ∂h_(t))"),
        ("∂⁺C[2]/∂w", "frac(∂^(+)C_(2), ∂w)"),
        ("1.5e-9*a", "1.5⋅10^(−9)⋅a"),
        ("left[i] + x[left[i]]", None),
    ],
)
def test_expressions(source: str, written: str | None) -> None:
    """Every kind of node, and each compiles."""
    text = to_typst(parse_expression(Excerpt.of(source)))
    if written is not None:
        assert text == written
    typst = pytest.importorskip("typst")
    assert typst.compile(f"${text.strip()}$".encode()).startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("x", "x"),
        ("z1", "z_(1)"),
        ("W_h", "W_(h)"),
        ("eta", "η"),
        ("Lambda", "Λ"),
        ("phi", "ϕ"),
        ("φ", "φ"),
        ("y\u0302", "hat(y)"),
        ("net", '"net"'),
        ("sum", '"sum"'),  # names of Typst are words like any other
        ("名", '"名"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("a\u202eb", '"a\ufffdb"'),
    ],
)
def test_names(name: str, written: str) -> None:
    """Single letters as they are, everything else in quotes."""
    assert typst_name(name) == written


def test_numbers() -> None:
    """As `format_number` writes them."""
    assert [typst_number(t) for t in ("−3·10⁻⁷", "−1/2", "0.5", "−∞", "nan", "2·10¹²")] == [
        "−3⋅10^(−7)", "−frac(1, 2)", "0.5", "−∞", '"nan"', "2⋅10^(12)",
    ]  # fmt: skip
    assert quoted('x"#\\') == '"x\\"#\\\\"'


def test_an_equation_with_its_domain() -> None:
    """Ranges behind it."""
    (equation,) = parse_equations(Excerpt.of("h[t] = tanh(a[t]) for t in 1..T"))
    assert equation_to_typst(equation) == "h_(t)= tanh(a_(t)) quad t=1\\,…\\,T"


def test_a_fraction_of_slots_stays_a_fraction() -> None:
    """The mark of a raised leaf is not taken for the beginning of a fraction."""
    tree = Call("min", (Number(1), Call("div", (slot(0), slot(1)))))
    shown = render([Paragraph((Formula(tree, (Value(1.5), Value(3.25))),))], "typst")
    assert "min(1\\, frac(1.5, 3.25))" in shown
    squared = Formula(Call("power", (slot(0), Number(2))), (Reference("∂⁺E/∂h", (Index(2),)),))
    assert "(frac(∂^(+)E, ∂h_(2)))^(2)" in render([Paragraph((squared,))], "typst")
