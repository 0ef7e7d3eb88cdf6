"""Formulas in LaTeX."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bptt_solver.errors import Excerpt
from bptt_solver.language.expressions import Call, Expression, Index, IndexValue, Number, Reference
from bptt_solver.language.notation.latex import Latex, equation_to_latex, latex_name, latex_number, to_latex
from bptt_solver.language.parser import parse_equations, parse_expression


@pytest.mark.parametrize(
    ("source", "latex"),
    [
        ("a[t] = w*x[t] + u*h[t-1]", r"a_{t} = w \cdot x_{t} + u \cdot h_{t-1}"),
        ("E[t] = 1/2*(y[t] - d[t])**2", r"E_{t} = \frac{1}{2}\left(y_{t} - d_{t}\right)^{2}"),
        ("h[t] = tanh(a[t]) for t in 1..T", r"h_{t} = \tanh\left(a_{t}\right) \qquad t = 1, \ldots, T"),
        (
            "c[k] = 0 for k in 1..K, t in 0..T-1 where k != t",
            r"c_{k} = 0 \qquad k = 1, \ldots, K,\ t = 0, \ldots, T-1,\ k \ne t",
        ),
        ("∂⁺E/∂h[t-1] = 2", r"\frac{\partial^{+} E}{\partial h_{t-1}} = 2"),
        ("q = W_y.T @ ∂⁺E/∂o[2]", r"q = W_{y}^{\top} \, \frac{\partial^{+} E}{\partial o_{2}}"),
        ("q = sum(x[t] for t in 1..T)", r"q = \sum_{t=1}^{T} x_{t}"),
    ],
)
def test_equations(source: str, latex: str) -> None:
    assert equation_to_latex(parse_equations(Excerpt.of(source))[0]) == latex


@pytest.mark.parametrize(
    ("source", "latex"),
    [
        ("a/(b + c)", r"\frac{a}{b + c}"),
        ("(a/b)**2", r"\left(\frac{a}{b}\right)^{2}"),
        ("a/b*c", r"\frac{a}{b} \cdot c"),
        ("c*(a/b)", r"c \cdot \frac{a}{b}"),
        ("-a/b", r"\frac{-a}{b}"),
        ("a**b**c", r"a^{b^{c}}"),
        ("(a**b)**c", r"\left(a^{b}\right)^{c}"),
        ("x**(y + 1)", r"x^{y + 1}"),
        ("h'**2", r"{h'}^{2}"),
        ("A.T.T", r"\left(A^{\top}\right)^{\top}"),
        ("A.T**2", r"\left(A^{\top}\right)^{2}"),
        ("A @ (b + c)", r"A \, \left(b + c\right)"),
        ("outer(a, h[t-1])", r"a \, h_{t-1}^{\top}"),
        ("sqrt(x + 1)", r"\sqrt{x + 1}"),
        ("abs(x)", r"\left|x\right|"),
        ("softmax(o)", r"\mathrm{softmax}\left(o\right)"),
        ("cross_entropy(p, d)", r"\text{cross-entropy}\left(p, d\right)"),
        ("[t == T, k <= 2]*x", r"\left[t = T,\ k \le 2\right] \cdot x"),
        ("sum(a[i,j] for i in 1..n, j in 1..i where i != j)", r"\sum_{i=1}^{n} \sum_{j=1,\ i \ne j}^{i} a_{i,j}"),
        ("sum(x[t] + 1 for t in 1..T)", r"\sum_{t=1}^{T} \left(x_{t} + 1\right)"),
        ("1.5e-7*x", r"1.5 \cdot 10^{-7} \cdot x"),
        ("(1.5e-7)**2", r"\left(1.5 \cdot 10^{-7}\right)^{2}"),
        ("net_j[t]", r"\mathrm{net}_{j}[t]"),
        ("h[left[i]]", r"h_{\mathrm{left}[i]}"),
        ("∂⁺(∂⁺C[2]/∂u)/∂w", r"\frac{\partial^{+} \left(\partial^{+} C_{2}/\partial u\right)}{\partial w}"),
        (
            "∂⁺E/∂(∂⁺E/∂h)[1]",
            r"\frac{\partial^{+} E}{\partial \left(\partial^{+} E/\partial h\right)[1]}",
        ),
        ("∂⁺E/∂x**2", r"\left(\frac{\partial^{+} E}{\partial x}\right)^{2}"),
    ],
)
def test_expressions(source: str, latex: str) -> None:
    assert to_latex(parse_expression(Excerpt.of(source))) == latex


def test_shapes_and_numbers_as_in_text() -> None:
    product = parse_expression(Excerpt.of("g*h"))
    assert to_latex(product, shape=lambda node: (3,)) == r"g \odot h"
    assert to_latex(product, leaf=lambda node: "−0.5") == r"-0.5 \cdot \left(-0.5\right)"
    assert to_latex(product, leaf=lambda node: None) == r"g \cdot h"
    from fractions import Fraction

    assert to_latex(Number(Fraction(-1, 3))) == r"-\frac{1}{3}"
    assert to_latex(Call("power", (Number(Fraction(1, 3)), Number(2)))) == r"\left(\frac{1}{3}\right)^{2}"
    assert to_latex(Number(Fraction(4, 1))) == "4"
    assert latex_number("[0.5 −0.3; 0.8 …] 3×2") == r"[0.5 -0.3;\ 0.8 \ldots] 3\times 2"
    assert latex_number("−2.5·10⁻⁷") == r"-2.5 \cdot 10^{-7}"


def test_indices_as_numbers_and_unusual_functions() -> None:
    t = Index.variable("t")
    assert to_latex(Call("div", (IndexValue(t.plus(-1)), IndexValue(Index(3))))) == r"\frac{t-1}{3}"
    assert to_latex(parse_expression(Excerpt.of("函(x)"))) == r"\text{函}\left(x\right)"


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("W", "W"),
        ("W_h", "W_{h}"),
        ("W_xh", r"W_{\mathrm{xh}}"),
        ("net", r"\mathrm{net}"),
        ("a_b_c", r"a_{b,\,c}"),
        ("z1", "z_{1}"),
        ("z₁₂", "z_{12}"),
        ("b2_1", r"b_{2,\,1}"),
        ("h''", "h''"),
        ("eta", r"\eta"),
        ("η", r"\eta"),
        ("Σ", r"\Sigma"),
        ("φ1", r"\varphi_{1}"),
        ("αβ", r"\alpha \beta "),
        ("ŷ", r"\hat{y}"),
        ("x̂", r"\hat{x}"),
        ("θ̂", r"\hat{\theta}"),
        ("权重_1", r"\text{权重}_{1}"),
        (r"a\input{x}", r"a\backslash input\lbrace x\rbrace "),
        ("a$b%c#d&e", r"a\$b\%c\#d\&e"),
        ("x^y~z", r"x\wedge y\sim z"),
        ("a\u202eb", r"a\text{?}b"),
        ("", r"\,"),
        ("_", r"\,"),
    ],
)
def test_names(name: str, latex: str) -> None:
    assert latex_name(name) == latex


_GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi"
_MORE = (
    "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega varphi vartheta varepsilon hat tilde bar dot ddot vec"
)
_LAST = "omega check breve acute grave backslash wedge sim lbrace rbrace text mathrm"
_OURS = {f"\\{word}" for word in f"{_GREEK} {_MORE} {_LAST}".split()}


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\\{}$^_~%input'")), max_size=12))
def test_nothing_in_a_name_acts_as_a_command(name: str) -> None:
    text = latex_name(name)
    assert set(re.findall(r"\\[A-Za-z]+", text)) <= _OURS
    assert re.fullmatch(r"(?:\\[A-Za-z]+|\\[#$%&_,]|[^\\$#%&])*", text)
    depth = 0
    for character in re.sub(r"\\.", "", text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0


def test_a_deep_tree_is_written_without_recursion() -> None:
    deep: Expression = Reference("x")
    for _ in range(3_000):
        deep = Call("div", (deep, Number(2)))
    assert Latex().write(deep).count(r"\frac") == 3_000
