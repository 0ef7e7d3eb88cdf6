"""Formulas on one line, as they stand in a derivation."""

from __future__ import annotations

import pytest

from bptt_solver.errors import Excerpt
from bptt_solver.language.expressions import Call, Expression, Index, IndexValue, Number, Reference
from bptt_solver.language.notation.text import equation_to_text, to_text
from bptt_solver.language.parser import parse_equations, parse_expression


def tree(text: str) -> Expression:
    return parse_expression(Excerpt.of(text))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("z2 = 2*z1", "z2 = 2·z1"),
        ("z3 = 3*z2 + z1", "z3 = 3·z2 + z1"),
        ("a[t] = w*x[t] + u*h[t-1]", "a_t = w·x_t + u·h_{t−1}"),
        ("E[t] = 1/2*(y[t] - d[t])**2", "E_t = ½(y_t − d_t)²"),
        ("E = E[1] + E[2] + E[3]", "E = E_1 + E_2 + E_3"),
        ("a[t] = W_x @ x[t] + W_h @ h[t-1]", "a_t = W_x x_t + W_h h_{t−1}"),
        ("E[t] = -sum(d_t[k]*log(p_t[k]) for k in 1..K)", "E_t = −Σ_{k=1..K} d_t[k]·log(p_t[k])"),
        ("p[t] = softmax(o[t]) for t in 1..T", "p_t = softmax(o_t)   (t = 1..T)"),
        ("h[t] = 0 for t in 1..T, k in 0..2*n-1 where t != k", "h_t = 0   (t = 1..T, k = 0..2n−1, t ≠ k)"),
        ("∂⁺E/∂h[3] = ∂⁺E/∂y[3]*v", "∂⁺E/∂h_3 = ∂⁺E/∂y_3·v"),
        ("∂⁺E/∂a[3] = ∂⁺E/∂h[3]*(1 - h[3]**2)", "∂⁺E/∂a_3 = ∂⁺E/∂h_3·(1 − h_3²)"),
        ("∂⁺E/∂h[2] = W_y.T @ ∂⁺E/∂o[2]", "∂⁺E/∂h_2 = W_yᵀ ∂⁺E/∂o_2"),
        ("∂⁺E/∂W_y = sum(outer(∂⁺E/∂o[t], h[t]) for t in 1..T)", "∂⁺E/∂W_y = Σ_{t=1..T} ∂⁺E/∂o_t h_tᵀ"),
    ],
)
def test_lines_of_the_worked_examples(source: str, text: str) -> None:
    assert equation_to_text(parse_equations(Excerpt.of(source))[0]) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a - (b - c)", "a − (b − c)"),
        ("a - -b", "a − (−b)"),
        ("-(a*b)", "−a·b"),
        ("-(a + b)", "−(a + b)"),
        ("a*-b", "a·(−b)"),
        ("(a*b)*c", "(a·b)·c"),
        ("a*b/c*d", "a·b/c·d"),
        ("a/(b*c)", "a/(b·c)"),
        ("(a + b)/2", "(a + b)/2"),
        ("1/2*x*y", "½·x·y"),
        ("1/2*(x + y)*z", "½(x + y)·z"),
        ("1/2*tanh(x)**2", "½·tanh(x)²"),
        ("x/2", "x/2"),
        ("x**3", "x³"),
        ("x**-2", "x⁻²"),
        ("x**10", "x¹⁰"),
        ("(x**2)**3", "(x²)³"),
        ("x**y", "x^y"),
        ("x**(y + 1)", "x^(y + 1)"),
        ("2**-x", "2^(−x)"),
        ("x**0.5", "x^0.5"),
        ("tanh(a)**2", "tanh(a)²"),
        ("(A @ b)*c", "(A b)·c"),
        ("A @ (B @ c)", "A (B c)"),
        ("A @ (b*c)", "A (b·c)"),
        ("(A + B).T", "(A + B)ᵀ"),
        ("A.T.T", "Aᵀᵀ"),
        ("outer(a + b, c)", "(a + b) cᵀ"),
        ("outer(a, b + c)", "a (b + c)ᵀ"),
        ("outer(a, b)*c", "(a bᵀ)·c"),
        ("f(a, -b)", "f(a, −b)"),
        ("3e-7*x", "3·10⁻⁷·x"),
        ("(3e-7)**2", "(3·10⁻⁷)²"),
        ("0.1 - x", "0.1 − x"),
        ("sum(x[t] for t in 1..T) + b", "Σ_{t=1..T} x_t + b"),
        ("sum(x[t] + b for t in 1..T)", "Σ_{t=1..T} (x_t + b)"),
        ("sum(x[t] for t in 1..T)*b", "(Σ_{t=1..T} x_t)·b"),
        ("b*sum(x[t] for t in 1..T)", "b·Σ_{t=1..T} x_t"),
        ("b*sum(x[t] for t in 1..T)/c", "(b·Σ_{t=1..T} x_t)/c"),
        ("-sum(x[t] for t in 1..T)*b", "(−Σ_{t=1..T} x_t)·b"),
        ("1/2*sum(x[t]**2 for t in 1..T where t > 2)", "½Σ_{t=1..T, t > 2} x_t²"),
        ("sum(sum(a[i,j] for j in 1..i) for i in 1..n)", "Σ_{i=1..n} Σ_{j=1..i} a_{i,j}"),
        ("[t == T, k != 2]*x", "[t = T, k ≠ 2]·x"),
        ("(∂⁺E/∂x)**2", "(∂⁺E/∂x)²"),
        ("∂⁺E/∂x/2", "(∂⁺E/∂x)/2"),
        ("2/∂⁺E/∂x", "2/(∂⁺E/∂x)"),
        ("(∂⁺E/∂o[t]).T", "(∂⁺E/∂o_t)ᵀ"),
    ],
)
def test_few_parentheses_and_those_that_are_needed(source: str, text: str) -> None:
    if source == "-sum(x[t] for t in 1..T)*b":
        assert to_text(Call("mul", (tree("-sum(x[t] for t in 1..T)"), tree("b")))) == text
    assert to_text(tree(source)) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("h[3]", "h_3"),
        ("h[10]**2", "h_10²"),
        ("h[-1]", "h_{−1}"),
        ("h[2*t-1]", "h_{2t−1}"),
        ("h[T-t+1]", "h_{T−t+1}"),
        ("a[k,t]", "a_{k,t}"),
        ("net[t]", "net_t"),
        ("net_j[t-1]", "net_j[t−1]"),
        ("z1[t]", "z1[t]"),
        ("z₁[t]", "z₁[t]"),
        ("h'[t]", "h'[t]"),
        ("h[left[i]+1]", "h_{left[i]+1}"),
        ("∂⁺C[2]/∂h[t]", "∂⁺C_2/∂h_t"),
        ("∂⁺c_1[2,-1]/∂h[t]", "∂⁺c_1[2,−1]/∂h_t"),
        ("∂⁺(∂⁺E/∂u[1])/∂w[t-1]", "∂⁺(∂⁺E/∂u_1)/∂w_{t−1}"),
        ("∂⁺E/∂(∂⁺E/∂h)[t+1]", "∂⁺E/∂(∂⁺E/∂h)[t+1]"),
    ],
)
def test_names_and_indices(source: str, text: str) -> None:
    assert to_text(tree(source)) == text


def test_an_index_as_a_number() -> None:
    t = Index.variable("t")
    assert to_text(Call("div", (Number(1), IndexValue(Index.variable("T"))))) == "1/T"
    assert to_text(Call("mul", (IndexValue(t.times(2).plus(-1)), Reference("x")))) == "(2·t − 1)·x"
    assert to_text(Call("add", (Reference("x"), IndexValue(t.times(-1))))) == "x + (−t)"


def test_products_of_arrays_have_their_own_sign() -> None:
    shapes = {"h": (3,), "g": (3,), "W": (3, 3)}

    def shape(node: Expression) -> tuple[int, ...]:
        if isinstance(node, Reference):
            return shapes.get(node.name, ())
        return (3,) if isinstance(node, Call) and node.operation != "dot" else ()

    assert to_text(tree("(1 - h**2)*g"), shape=shape) == "(1 − h²) ⊙ g"
    assert to_text(tree("η*h*2*g"), shape=shape) == "η·h·2 ⊙ g"
    assert to_text(tree("dot(h, g)*η"), shape=shape) == "dot(h, g)·η"
    assert to_text(tree("W*W"), shape=shape) == "W ⊙ W"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("w*x + u*h", "1.2·(−0.5) + 0.8·0.3"),
        ("x*w + x*w", "−0.5·1.2 + (−0.5)·1.2"),
        ("w - x", "1.2 − (−0.5)"),
        ("w + x + h", "1.2 − 0.5 + 0.3"),
        ("1/2*(h - w)**2", "½(0.3 − 1.2)²"),
        ("1/2*x**2", "½(−0.5)²"),
        ("-x", "−(−0.5)"),
        ("s*s", "1.2·10⁻⁷·(1.2·10⁻⁷)"),
        ("s**2/s", "(1.2·10⁻⁷)²/(1.2·10⁻⁷)"),
        ("w @ v", "1.2 (−0.1, 2)"),
        ("q**2", "(3/7)²"),
    ],
)
def test_numbers_in_the_place_of_names(source: str, text: str) -> None:
    values = {"x": "−0.5", "w": "1.2", "u": "0.8", "h": "0.3", "s": "1.2·10⁻⁷", "v": "(−0.1, 2)", "q": "3/7"}

    def leaf(node: Expression) -> str | None:
        return values.get(node.name) if isinstance(node, Reference) else None

    assert to_text(tree(source), leaf=leaf) == text


def test_a_long_sum_and_a_deep_tree_are_written_without_recursion() -> None:
    assert to_text(Call("add", (Reference("x"),) * 100_000)).count(" + ") == 99_999
    deep: Expression = Reference("x")
    for _ in range(5_000):
        deep = Call("tanh", (deep,))
    assert to_text(deep).count("(") == 5_000
