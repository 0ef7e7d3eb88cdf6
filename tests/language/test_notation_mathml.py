"""Formulas in MathML."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bptt_solver.errors import Excerpt
from bptt_solver.language.expressions import Call, Expression, Index, IndexValue, Number, Reference
from bptt_solver.language.notation.mathml import MathML, equation_to_mathml, mathml_name, mathml_number, to_mathml
from bptt_solver.language.notation.writer import Style
from bptt_solver.language.operations import CORE
from bptt_solver.language.parser import parse_equations, parse_expression

SIZES = {"mfrac": 2, "msub": 2, "msup": 2, "mover": 2, "msubsup": 3, "munderover": 3, "munder": 2}
KNOWN = {*SIZES, "math", "mi", "mn", "mo", "mrow", "msqrt", "mtext", "mspace"}


def checked(text: str) -> ElementTree.Element:
    """The tree of a formula: well-formed, elements of MathML Core only, each with as many children as it must have."""
    tree = ElementTree.fromstring(f"<math>{text}</math>")
    for element in tree.iter():
        assert element.tag in KNOWN, element.tag
        if element.tag in SIZES:
            assert len(element) == SIZES[element.tag], ElementTree.tostring(element, "unicode")
        if element.tag in ("mi", "mn", "mo", "mtext"):
            assert not len(element) and element.text
        else:
            assert not (element.text or "").strip()
        assert not (element.tail or "").strip()
    return tree


def bare(text: str) -> str:
    """A formula without attributes and empty elements, to be read by people."""
    return re.sub(r"<mspace></mspace>", "~", re.sub(r'<(\w+)( [a-z]+="[^"]*")+>', r"<\1>", text))


H = "<msub><mi>h</mi><mi>t</mi></msub>"
PREFIX = '<mo form="prefix">−</mo>'
A, B, C, X = (f"<mi>{c}</mi>" for c in "abcx")


@pytest.mark.parametrize(
    ("source", "mathml"),
    [
        ("a + b - c", f"{A}<mo>+</mo>{B}<mo>−</mo>{C}"),
        ("-a + b", f"<mo>−</mo>{A}<mo>+</mo>{B}"),
        ("a/(b + c)", f"<mfrac><mrow>{A}</mrow><mrow>{B}<mo>+</mo>{C}</mrow></mfrac>"),
        ("a*(b + c)", f"{A}<mo>·</mo><mrow><mo>(</mo>{B}<mo>+</mo>{C}<mo>)</mo></mrow>"),
        ("a*-b", f"{A}<mo>·</mo><mrow><mo>(</mo><mo>−</mo>{B}<mo>)</mo></mrow>"),
        ("x**2", f"<msup><mrow>{X}</mrow><mrow><mn>2</mn></mrow></msup>"),
        ("h'**2", "<msup><mrow><msup><mi>h</mi><mo>′</mo></msup></mrow><mrow><mn>2</mn></mrow></msup>"),
        ("A @ b", f"<mi>A</mi>~{B}"),
        ("A.T", "<msup><mrow><mi>A</mi></mrow><mo>⊤</mo></msup>"),
        ("sqrt(x)", f"<msqrt>{X}</msqrt>"),
        ("abs(x)", f"<mrow><mo>|</mo>{X}<mo>|</mo></mrow>"),
        ("tanh(h[t])", f"<mi>tanh</mi><mo>\u2061</mo><mrow><mo>(</mo>{H}<mo>)</mo></mrow>"),
        (
            "cross_entropy(a, b)",
            f"<mi>cross-entropy</mi><mo>\u2061</mo><mrow><mo>(</mo>{A}<mo>,</mo>{B}<mo>)</mo></mrow>",
        ),
        ("h[t-1]", "<msub><mi>h</mi><mrow><mi>t</mi><mo>−</mo><mn>1</mn></mrow></msub>"),
        ("W_h[t]", "<mrow><msub><mi>W</mi><mi>h</mi></msub><mo>[</mo><mi>t</mi><mo>]</mo></mrow>"),
        (
            "a[left[i] + 1]",
            "<msub><mi>a</mi><mrow><mi>left</mi><mo>[</mo><mi>i</mi><mo>]</mo><mo>+</mo><mn>1</mn></mrow></msub>",
        ),
        ("1.5e-7*x", f"<mn>1.5</mn><mo>·</mo><msup><mn>10</mn><mrow><mo>−</mo><mn>7</mn></mrow></msup><mo>·</mo>{X}"),
        (
            "[t == T, k <= 2]*x",
            "<mrow><mo>[</mo><mi>t</mi><mo>=</mo><mi>T</mi><mo>,</mo><mi>k</mi><mo>≤</mo><mn>2</mn><mo>]</mo></mrow>"
            f"<mo>·</mo>{X}",
        ),
        (
            "sum(h[t] for t in 1..T where t != k)",
            "<munderover><mo>∑</mo><mrow><mi>t</mi><mo>=</mo><mn>1</mn><mo>,</mo><mi>t</mi><mo>≠</mo><mi>k</mi></mrow>"
            f"<mrow><mi>T</mi></mrow></munderover>{H}",
        ),
        ("1/2*(x - a)", f"<mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>~{X}"),
    ],
)
def test_expressions(source: str, mathml: str) -> None:
    text = to_mathml(parse_expression(Excerpt.of(source)))
    checked(text)
    if source.startswith("1/2"):  # the half of a square stands without a sign
        assert bare(text).startswith("<mfrac><mn>1</mn><mn>2</mn></mfrac><mrow><mo>(</mo>")
        return
    assert bare(text) == mathml


def test_parentheses_grow_only_around_what_is_tall() -> None:
    small = to_mathml(parse_expression(Excerpt.of("tanh(a + b)*tanh(c)")))
    assert small.count('stretchy="false"') == 4
    tall = to_mathml(parse_expression(Excerpt.of("tanh((a/b)*f(c))")))
    assert "<mo>(</mo><mfrac>" in tall
    assert '<mo stretchy="false">(</mo><mi>c</mi>' in tall


def test_an_equation_and_its_domain() -> None:
    text = equation_to_mathml(parse_equations(Excerpt.of("h[t] = a[t] for t in 1..T where t != 2"))[0])
    checked(text)
    assert bare(text).endswith(
        "~<mi>t</mi><mo>=</mo><mn>1</mn><mo>,</mo><mi>…</mi><mo>,</mo><mi>T</mi>~<mi>t</mi><mo>≠</mo><mn>2</mn>"
    )


@pytest.mark.parametrize(
    ("name", "mathml"),
    [
        ("z1", "<msub><mi>z</mi><mn>1</mn></msub>"),
        ("z₁", "<msub><mi>z</mi><mn>1</mn></msub>"),
        ("net", "<mi>net</mi>"),
        ("eta", "<mi>η</mi>"),
        ("φ", "<mi>φ</mi>"),
        ("Sigma", "<mi>Σ</mi>"),
        ("ŷ", "<mover><mi>y</mi><mo>ˆ</mo></mover>"),
        ("W_h'", "<msubsup><mi>W</mi><mi>h</mi><mo>′</mo></msubsup>"),
        ("W'", "<msup><mi>W</mi><mo>′</mo></msup>"),
        ("net_j_k", "<msub><mi>net</mi><mrow><mi>j</mi><mo>,</mo><mi>k</mi></mrow></msub>"),
        ("权重", "<mtext>权重</mtext>"),
        ("<script>", "<mi>&lt;script&gt;</mi>"),
        ("\"&'", "<mi>&quot;&amp;</mi>"),
        ("a\u202eb", "<mi>a\ufffdb</mi>"),
    ],
)
def test_names(name: str, mathml: str) -> None:
    text = mathml_name(name)
    if name != "\"&'":
        checked(text)
        assert bare(text) == mathml


@pytest.mark.parametrize(
    ("text", "mathml"),
    [
        ("−0.5", f"{PREFIX}<mn>0.5</mn>"),
        ("∞", "<mi>∞</mi>"),
        ("−1/2", f"{PREFIX}<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
        ("3·10⁹", "<mn>3</mn><mo>·</mo><msup><mn>10</mn><mn>9</mn></msup>"),
        ("nan", "<mn>nan</mn>"),
    ],
)
def test_numbers(text: str, mathml: str) -> None:
    checked(mathml_number(text))
    assert mathml_number(text) == mathml


def test_ordered_derivatives() -> None:
    plain = to_mathml(Reference("∂⁺E/∂h", (Index(2),)))
    checked(plain)
    assert bare(plain) == (
        "<mfrac><mrow><msup><mi>∂</mi><mo>+</mo></msup><mi>E</mi></mrow>"
        "<mrow><mi>∂</mi><msub><mi>h</mi><mn>2</mn></msub></mrow></mfrac>"
    )
    checked(to_mathml(Reference("∂⁺C[2,-1]/∂h", (Index(2),))))
    checked(to_mathml(Reference("∂⁺(∂⁺E/∂u)/∂w")))
    checked(to_mathml(Reference("∂⁺E/∂(∂⁺E/∂h)", (Index(2),))))
    squared = to_mathml(Call("power", (Reference("∂⁺E/∂w"), Number(2))))
    assert squared.startswith("<msup><mrow><mrow><mo>(</mo><mfrac>")


def test_primes_stand_above_the_indices() -> None:
    """Behind them a gap would be left."""
    assert bare(to_mathml(Reference("h'", (Index(2),)))) == "<msubsup><mi>h</mi><mn>2</mn><mo>′</mo></msubsup>"
    both = bare(to_mathml(Reference("W_h'", (Index(2),))))
    assert both.startswith("<mrow><msubsup><mi>W</mi><mi>h</mi><mo>′</mo></msubsup><mo>[")


@pytest.mark.parametrize("indices", ["subscripts", "parentheses", "brackets", "superscripts"])
@pytest.mark.parametrize("nabla", [False, True])
def test_styles(indices: str, nabla: bool) -> None:
    notation = MathML()
    notation.style = Style(indices, nabla)
    for source in ("h[t-1]**2", "W_h[1,2].T", "h'[t]", "ŷ[t]*2"):
        checked(notation.write(parse_expression(Excerpt.of(source))))
    checked(notation.write(Call("power", (Reference("∂⁺E/∂h", (Index(2),)), Number(2)))))


@pytest.mark.parametrize("operation", [operation.name for operation in CORE])
def test_every_operation_is_well_formed(operation: str) -> None:
    for count in range(1, 4):
        arguments = tuple(Reference(n, (Index.variable("t"),)) for n in "abc"[:count])
        checked(to_mathml(Call(operation, arguments)))
        nested = Call("mul", (Number(-2), Call("power", (Call(operation, arguments), Call("neg", (Number(0.5),))))))
        checked(to_mathml(nested))


_LEAVES: st.SearchStrategy[Expression] = st.one_of(
    st.integers(-3, 3).map(Number),
    st.floats(-1e9, 1e9).map(Number),
    st.sampled_from(["w", "z1", "W_h", "h'", "∂⁺E/∂h"]).map(Reference),
    st.integers(-2, 2).map(lambda k: IndexValue(Index(k, (("t", 2),)))),
)
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda a: Call("add", tuple(a))),
        st.lists(inner, min_size=2, max_size=3).map(lambda a: Call("mul", tuple(a))),
        st.tuples(inner, inner).map(lambda a: Call("div", a)),
        st.tuples(inner, inner).map(lambda a: Call("power", a)),
        st.tuples(inner, inner).map(lambda a: Call("matmul", a)),
        inner.map(lambda a: Call("neg", (a,))),
        inner.map(lambda a: Call("tanh", (a,))),
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(_TREES)
def test_any_tree_is_well_formed_and_has_no_two_signs_in_a_row(tree: Expression) -> None:
    text = to_mathml(tree)
    checked(text)
    plain = re.sub(r"<[^>]*>", "", text.replace("<mfrac>", "("))
    assert not re.search(r"[+−·][+−·]", plain), plain
