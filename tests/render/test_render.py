"""Every kind of block in every format, and user text that must stay text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy
import pytest

from bptt_solver import blocks
from bptt_solver.blocks import (
    Alert,
    Block,
    Domain,
    Dots,
    Entry,
    Flow,
    Formula,
    Formulas,
    Heading,
    Line,
    Note,
    Paragraph,
    Partial,
    Table,
    Use,
    Value,
)
from bptt_solver.computation import Computation
from bptt_solver.derivation import derive
from bptt_solver.errors import Source
from bptt_solver.language.expressions import Call, Index, Number, Range, Reference
from bptt_solver.language.notation.writer import PLAIN_STYLE, Style
from bptt_solver.language.templates import slot
from bptt_solver.narrate import narrate
from bptt_solver.problem.problem import load_problem
from bptt_solver.render import render as rendered
from bptt_solver.render.base import Pattern, Renderer, harmless
from bptt_solver.render.formulas import width
from bptt_solver.render.latex import LatexRenderer
from bptt_solver.render.markdown import MarkdownRenderer
from bptt_solver.render.text import TextRenderer
from bptt_solver.render.typst import TypstRenderer
from bptt_solver.render.word import WordRenderer

FORMATS = ["text", "markdown", "latex", "html", "typst", "word"]
ROOT = Path(__file__).parents[2]
RENDERERS = [TextRenderer, MarkdownRenderer, LatexRenderer, TypstRenderer, WordRenderer]
Z = Reference("z1")
H = Reference("h", (Index.variable("t").plus(-1),))
G = Reference("∂⁺E/∂h", (Index(2),))
W = Reference("W_h")
PRODUCT = Formula(Call("mul", (slot(0), slot(1))), (Value(-0.5), Value(-2.25)))
SUM = Formula(Call("add", (slot(0), slot(1), slot(2))), (Value(1), Value(-0.25), Value(Fraction(1, 3))))


def render(given: Sequence[Block], form: str, style: Style = PLAIN_STYLE) -> str:
    """Blocks in a format; ``word`` is the body of a Word document."""
    return WordRenderer(style).render(given) if form == "word" else rendered(given, form, style)


BLOCKS: dict[str, Block] = {
    "title": Heading(("A title",), level=0, remark=("a remark",)),
    "heading": Heading(("Given",), number="1", remark=("of ", Z)),
    "paragraph": Paragraph((Z, " is used by ", H, "."), lead=(Reference("t"), "=", Value(3)), depth=1),
    "formulas": Formulas([Line((G, PRODUCT, Value(1.125)), lead=("because",), remark=("3×1",)), Line((), lead=("…",))]),
    "flow": Flow(
        [Line((Z, Value(1))), Line((W, Value(numpy.array([[0.5, -0.3], [0.8, 0.2]])))), Line((), lead=("…",))]
    ),
    "table": Table([(), (Z,), ("x",)], [[("a",), (Value(1.5),), ()], [(Z, " = ", H), (Value(-2),), ("y",)]], ("All:",)),
    "note": Note(("Worth knowing: ", Z, ".")),
    "alert": Alert(("NOT VERIFIED: ", G, ".")),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", BLOCKS)
def test_every_block_in_every_format(name: str, form: str) -> None:
    """There is text, it ends with a newline, and nothing of Python shows through."""
    text = render([BLOCKS[name]], form)
    assert text.endswith("\n")
    assert text.strip()
    assert "object at" not in text
    assert "\0" not in text
    assert "None" not in text


def test_all_kinds_are_here() -> None:
    """The examples above cover the closed set."""
    assert {type(b) for b in BLOCKS.values()} == set(blocks.BLOCKS)


@pytest.mark.parametrize("form", FORMATS)
def test_an_unknown_block_raises(form: str) -> None:
    """A block that a renderer does not know is an error, not a gap in the text."""

    class Surprise:
        pass

    with pytest.raises(TypeError, match="Surprise"):
        render([Surprise()], form)  # type: ignore[list-item]


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("kind", blocks.BLOCKS, ids=lambda kind: kind.__name__)
def test_every_format_has_a_method_for_every_block(renderer: type[Renderer], kind: type) -> None:
    """A format may inherit formulas, never a block."""
    assert kind.__name__.lower() in vars(renderer)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_missing_method_is_noticed(renderer: type[Renderer]) -> None:
    """What the test above is for: without its own method, a block raises instead of vanishing."""

    class Poor(renderer):  # type: ignore[misc, valid-type]
        note = Renderer.note

    with pytest.raises(NotImplementedError):
        Poor().render([BLOCKS["note"]])


def test_an_unknown_format_raises() -> None:
    """So is an unknown format."""
    with pytest.raises(ValueError, match="docx"):
        render([], "docx")


# ----------------------------------------------------------------------------- formulas


@pytest.mark.parametrize(
    ("item", "text", "latex"),
    [
        (Z, "z1", "z_{1}"),
        (G, "∂⁺E/∂h_2", r"\frac{\partial^{+} E}{\partial h_{2}}"),
        (Reference("∂⁺E/∂z1"), "∂⁺E/∂z1", r"\frac{\partial^{+} E}{\partial z_{1}}"),
        (Reference("∂⁺C[2]/∂w"), "∂⁺C_2/∂w", r"\frac{\partial^{+} C_{2}}{\partial w}"),
        (Partial(Reference("E"), Z), "∂E/∂z1", r"\frac{\partial E}{\partial z_{1}}"),
        (Use(W, Reference("", (Index(2),))), "W_h@2", "W_{h}@2"),
        (Use(W, Z), "W_h@z1", "W_{h}@z_{1}"),
        (
            Partial(H, Use(W, Reference("", (Index.variable("t"),)))),
            "∂h_{t−1}/∂(W_h@t)",
            r"\frac{\partial h_{t-1}}{\partial \left(W_{h}@t\right)}",
        ),
        (Entry(G, (1,)), "∂⁺E/∂h_2[1]", r"\frac{\partial^{+} E}{\partial h_{2}[1]}"),
        (Entry(W, ("i", "j")), "W_h[i,j]", "W_{h}[i,j]"),
        (Dots(), "…", r"\ldots"),
        (Domain((Range("t", Index(1), Index.variable("T")),)), "t = 1..T", r"t = 1, \ldots, T"),
        (PRODUCT, "−0.5·(−2.25)", r"-0.5 \cdot \left(-2.25\right)"),
        (SUM, "1 − 0.25 + 1/3", r"1 - 0.25 + \frac{1}{3}"),
        (Value(3e-7), "3·10⁻⁷", r"3 \cdot 10^{-7}"),
        (Value(numpy.array([1.0, -0.5])), "(1, −0.5)", "(1, -0.5)"),
        (Value(-0.0325, 2), "−0.033", "-0.033"),
        (Formula(Call("div", (slot(0), slot(1))), (G, Value(-2))), "(∂⁺E/∂h_2)/(−2)", None),
        (Formula(Call("power", (slot(0), Number(2))), (Value(-0.5),)), "(−0.5)²", None),
        (Formula(Call("mul", (slot(0), slot(1))), (Value(Fraction(-1, 3)), Z)), "−1/3·z1", None),
    ],
)
def test_items(item: blocks.Item, text: str, latex: str | None) -> None:
    """Names, values and formulas with values in their slots."""
    assert render([Paragraph((item,))], "text") == f"  {text}\n"
    if latex is not None:
        assert f"$`{latex}`$" in render([Paragraph((item,))], "markdown")
        assert f"${latex}$" in render([Paragraph((item,))], "latex")


def test_a_pattern_keeps_percent_signs() -> None:
    """The text around slots may have any character."""
    assert Pattern("100% \0" + "1\1 and \0" + "0\1", 2).fill(["a", "b"]) == "100% b and a"


def test_arrays_are_multiplied_entry_by_entry() -> None:
    """``⊙`` between arrays, ``·`` with a number."""
    tree = Call("mul", (slot(0), slot(1)))
    assert "h_{t−1} ⊙ z1" in render([Paragraph((Formula(tree, (H, Z), (1, 1)),))], "text")
    assert "h_{t−1}·z1" in render([Paragraph((Formula(tree, (H, Z), (1, 0)),))], "text")


def test_long_lines_are_broken_under_the_first_equals_sign() -> None:
    """Symbols on the first row, numbers below."""
    names = Call("add", tuple(slot(k) for k in range(30)))
    line = Line((G, Formula(names, [Reference(f"name{k}") for k in range(30)]), Value(1)))
    rows = render([Formulas([line])], "text").splitlines()
    assert all(len(row) <= 120 for row in rows)
    assert rows[-1].index("=") == rows[0].index("=")
    narrow = TextRenderer(width=60).render([Formulas([line])]).splitlines()
    assert all(len(row) <= 60 for row in narrow)


def test_the_width_of_latex() -> None:
    """A fraction counts once, a matrix by its widest row."""
    assert width(r"\frac{\partial^{+} E}{\partial h_{2}}") <= 5
    assert width(r"\begin{bmatrix} 0.5 & -0.3 \\ 0.8 & 0.2 \end{bmatrix}") <= 10
    assert width(r"abcdef = \begin{bmatrix} 0.5 & -0.3 \\ 0.8 & 0.2 \end{bmatrix} + xyz") >= 18


def test_rows_keep_to_the_page() -> None:
    """In LaTeX the gaps between columns count, and rows below the first begin behind the left side."""
    wide = Value(numpy.full((2, 3), -0.123456))
    line = Line((Reference("a_long_name_on_the_left"), W, *[wide] * 3), remark=("2×3",))
    rows = LatexRenderer().rows(line)
    assert len(rows) > 2
    left = LatexRenderer().width(rows[0].partition("&")[0])
    assert all(left + LatexRenderer().width(row) <= LatexRenderer.WIDE for row in rows[1:])
    assert len(MarkdownRenderer().rows(line)) < len(rows)
    assert width("a + b", 0.5) == width("a + b") + 1 == 4


@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_labels_stand_in_front_of_their_formulas(form: str) -> None:
    """Lines that only have a label are one block; a reason in front of a formula stays a paragraph."""
    labelled = Formulas([Line((Value(1.5),), lead=(Z, " cut off:")), Line((W, Value(2)), lead=("kept:",))])
    shown = render([labelled], form)
    assert shown.count("aligned}" if form == "markdown" else "align*}") == 2
    assert r"z_{1}\text{ cut off:}\quad &1.5" in shown
    assert r"\text{kept:}\quad W_{h} &= 2" in shown
    reasons = Formulas([Line((W, Value(2)), lead=("because",)), Line((W, Value(3)), lead=("and so",))])
    assert r"\quad" not in render([reasons], form)


def test_superscripts_that_are_raised() -> None:
    """A power of a name with a superscript has parentheses; braces around an accent would not hold."""
    style = Style("superscripts")
    square, turned = Call("power", (slot(0), Number(2))), Call("transpose", (slot(0),))
    accented = Reference("y\u0302", (Index(2),))
    latex = render([Paragraph((Formula(square, (H,)), Formula(square, (Value(0.5),))))], "latex", style)
    assert r"\left(h^{(t-1)}\right)^{2}" in latex
    assert "0.5^{2}" in latex or "{0.5}^{2}" in latex
    assert r"{{}\hat{y}^{(2)}}^{\top}" in render([Paragraph((Formula(turned, (accented,), (1,)),))], "latex", style)


def test_a_wide_table_has_narrow_gaps() -> None:
    """Text keeps to 120 columns where it can."""
    cells = tuple(("x" * 26,) for _ in range(4))
    rows = render([Table(cells, [cells])], "text").splitlines()
    assert all(len(row) <= 120 for row in rows)
    assert "x    x" in render([Table(cells[:3], [cells[:3]])], "text")


def test_fractions_in_a_table_do_not_touch() -> None:
    """Rows are further apart where there are fractions."""
    assert "arraystretch" in render([Table([("a",)], [[(G,)]])], "latex")
    assert "arraystretch" not in render([Table([("a",)], [[(Z,)]])], "latex")


def test_a_matrix_alone_is_broken_between_its_rows() -> None:
    """Also where no equals sign is in front of it."""
    rows = render([Formulas([Line((Value(numpy.full((6, 5), 0.123456)),), lead=("here:",))])], "text").splitlines()
    assert len(rows) > 1
    assert all(len(row) <= 120 for row in rows)


def test_latex_prints_every_character_of_the_catalogue() -> None:
    """No sentence falls back to the name of a code point."""
    text = (ROOT / "bptt_solver" / "locale" / "en.toml").read_text(encoding="utf-8")
    odd = "".join(sorted({c for c in text if not c.isascii()}))
    assert "DeclareUnicodeCharacter" not in render([Paragraph((odd,))], "latex")


# ----------------------------------------------------------------------------- text from a document

NASTY = [
    "<script>alert(1)</script>",
    "\\input{/etc/passwd} \\write18{rm}",
    "# no heading\n\n| no | table |",
    "`code` $`\\href{javascript:x}{y}`$ [link](javascript:1) ![i](x) **bold** ~~gone~~",
    "{fields} {0.__class__} %s %(x)s",
    "&lt;b&gt; $x$ 100% #1 a_b^c ~",
    "\x1b[31mred\x1b]0;title\x07 \u202eevil \u200b\u0000",
]


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", ["title", "paragraph", "cell"])
def test_text_stays_text(text: str, form: str, kind: str) -> None:
    """No markup, no command, no control character of a title gets through."""
    block: dict[str, Block] = {
        "title": Heading((text,), level=0),
        "paragraph": Paragraph((text,)),
        "cell": Table([(text,)], [[(text,)]]),
    }
    shown = render([block[kind]], form)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\x07" not in shown
    if form == "markdown":
        assert "<script" not in shown.replace("\\<", "")
        assert not re.search(r"(?<!\\)[`<\[]", re.sub(r"\| :-- \|", "", shown))
        assert not re.search(r"(?<!\\)(?:\\\\)*\$", shown)
        assert shown.count("\n#") == 0
    if form == "latex":
        body = shown[shown.index("\\begin{document}") :]
        commands = set(re.findall(r"\\[a-zA-Z]+", body))
        allowed = {"\\begin", "\\end", "\\Large", "\\bfseries", "\\textbackslash", "\\textasciicircum", "\\textless"}
        allowed |= {"\\textasciitilde", "\\textgreater", "\\textbar", "\\small", "\\hline", "\\raggedright", "\\par"}
        allowed |= {"\\resizebox", "\\ifdim", "\\width", "\\linewidth", "\\else", "\\fi"}  # of a wide table
        assert commands <= allowed


def test_a_document_with_nasty_words(tmp_path: Path) -> None:
    """Through the whole program: title and names."""
    text = 'title: "<script>x</script> \\\\input{a} **b**"\nequations: |\n  φ_x = 2*名\n  E = φ_x**2\nvalues: {名: 3}\n'
    computation = Computation(load_problem(Source("<test>", text)))
    document = narrate(derive(computation))
    assert "φ_x = 2·3 = 6" in render(document, "text")
    assert "\\<script\\>" in render(document, "markdown")
    latex = render(document, "latex")
    assert "\\textbackslash{}input\\{a\\}" in latex
    assert "\\DeclareUnicodeCharacter{540D}" in latex


def test_harmless() -> None:
    """Line ends become spaces, control characters become a mark."""
    assert harmless("plain ∂⁺ 名") == "plain ∂⁺ 名"
    assert harmless("a\nb\x1b[0m") == "a b\ufffd[0m"


# ----------------------------------------------------------------------------- LaTeX and Markdown as a whole


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/problem.yaml")), ids=lambda p: p.parent.name)
def test_latex_is_well_formed(path: Path) -> None:
    """Braces and environments are balanced, every row of an alignment has one &, mathematics is ASCII."""
    computation = Computation(load_problem(path))
    latex = render(narrate(derive(computation, detail="scalar")), "latex")
    plain = re.sub(r"\\[{}\\]", "", latex)
    assert plain.count("{") == plain.count("}")
    opened: list[str] = []
    for what, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", latex):
        if what == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    assert latex.count("\\left") == latex.count("\\right")
    for body in re.findall(r"\\begin\{align\*\}\n(.*?)\n\\end\{align\*\}", latex, re.DOTALL):
        assert body.isascii()
        for row in body.split(" \\\\\n"):
            assert re.sub(r"\\begin\{bmatrix\}.*?\\end\{bmatrix\}", "", row).count("&") == 1
            assert width(row) <= 90


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/problem.yaml")), ids=lambda p: p.parent.name)
def test_markdown_is_well_formed(path: Path) -> None:
    """Fences are closed, tables have as many cells in every row, inline formulas hold no vertical bars."""
    computation = Computation(load_problem(path))
    markdown = render(narrate(derive(computation, detail="scalar")), "markdown")
    assert len(re.findall(r"^```", markdown, re.MULTILINE)) % 2 == 0
    assert markdown.count("```math\n") * 2 == len(re.findall(r"^```", markdown, re.MULTILINE))
    assert markdown.count("$`") == markdown.count("`$")
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) >= 3 for row in rows)
    assert re.search(r"^## 7 Check$", markdown, re.MULTILINE)
