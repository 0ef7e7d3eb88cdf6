"""Whole documents: Typst, PDF, Word, LaTeX and Markdown of the examples, and hostile titles and names in each."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bptt_solver import api
from bptt_solver.blocks import Alert, Block, Heading, Line, Note, Paragraph, Table
from bptt_solver.blocks import Formula as BlockFormula
from bptt_solver.blocks import Formulas as BlockFormulas
from bptt_solver.catalogues import LANGUAGES
from bptt_solver.documents import FORMATS, blocks_document
from bptt_solver.documents.common import missing_fonts
from bptt_solver.documents.word import EPOCH
from bptt_solver.errors import Excerpt, ProblemError
from bptt_solver.language.expressions import Reference
from bptt_solver.language.notation.mathml import to_mathml
from bptt_solver.language.notation.omml import measured, omml
from bptt_solver.language.parser import parse_expression
from bptt_solver.render import render
from bptt_solver.render.latex import LatexRenderer
from bptt_solver.render.typst import TypstRenderer
from bptt_solver.render.word import WordRenderer

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/problem.yaml"))
SPACES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
}
MOST_OVERFULL = 5.0  # points that a line of LaTeX may stand over the edge
REFUSED = ["operatorname", "mbox", "phantom", "hphantom", "vphantom", "newcommand", "def", "let", "require", "href"]
HOSTILE = [
    "<script>alert(1)</script>",
    "\\input{/etc/passwd} \\write18{rm} $x$ %",
    '#include "/etc/passwd" #read("x") $ `raw` @ref <label> = no\n= heading',
    "] ) } */ // \\u{41} \"quotes\" 'single' -- --- ...",
    "\x1b[31mred\x00 \u202eevil \ud800 \uffff",
    "1. no list",
]


@cache
def solved(name: str, language: str = "en", **options: object) -> api.Solution:
    """A solved example."""
    problem = api.load(str(ROOT / "examples" / name / "problem.yaml"))
    return api.solve(problem, check="none", language=language, **options)  # type: ignore[arg-type]


def hostile(text: str) -> list[Block]:
    """A document with a text wherever there are words."""
    name = Reference("x")
    return [
        Heading((text,), level=0, remark=(text,)),
        Heading((text,), number="1"),
        Paragraph((text, name, text), lead=(text,)),
        BlockFormulas([Line((name, BlockFormula(name)), lead=(text,), remark=(text,))], lead=(text,)),
        Table([(text,), (text,)], [[(text,), (name,)]], (text,)),
        Note((text,)),
        Alert((text,)),
    ]


# ----------------------------------------------------------------------------- Typst and PDF


def typst() -> object:
    """The package, or a reason to skip."""
    return pytest.importorskip("typst", reason="typst is not installed: pip install 'bptt-solver[pdf]'")


@pytest.mark.parametrize("name", EXAMPLES)
def test_typst_compiles(name: str) -> None:
    """Every example, in English and in both kinds of Chinese: no error, and no warning but about fonts."""
    package = typst()
    for language in LANGUAGES:
        source = str(solved(name, language).document("typst"))
        data, warnings = package.compile_with_warnings(source.encode())  # type: ignore[attr-defined]
        assert data.startswith(b"%PDF-")
        assert [w.message for w in warnings if "font family" not in w.message] == []


def test_a_pdf_has_the_same_bytes_twice() -> None:
    """Neither the time nor anything else of the run is in it."""
    typst()
    first = solved("05_matrix_rnn").document("pdf")
    assert first == solved("05_matrix_rnn").document("pdf")
    assert isinstance(first, bytes)
    assert b"/CreationDate" not in first


def test_a_pdf_has_the_words() -> None:
    """What a reader sees, found again by another program."""
    typst()
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    for language, word in (("en", "Backward sweep"), ("zh-Hans", "矩阵"), ("zh-Hant", "矩陣")):
        data = solved("05_matrix_rnn", language).document("pdf")
        assert isinstance(data, bytes)
        done = subprocess.run(["pdftotext", "-", "-"], input=data, capture_output=True, check=True, timeout=60)
        assert word in done.stdout.decode()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words_in_typst(text: str) -> None:
    """The document compiles, reads no file, and has one title and one section."""
    package = typst()
    source = render(hostile(text), "typst")
    assert package.compile(source.encode()).startswith(b"%PDF-")  # type: ignore[attr-defined]
    headings = package.query(source.encode(), "heading")  # type: ignore[attr-defined]
    assert len([h for h in json.loads(headings) if h["func"] == "heading"]) == 2


def test_fonts_that_are_missing_are_told() -> None:
    """Typst itself says nothing."""
    assert missing_fonts(("Noto Serif CJK SC", "SimSun"), ["simsun"]) is None
    told = missing_fonts(("Noto Serif CJK SC", "SimSun"), ["DejaVu Sans"])
    assert told is not None and "Noto Serif CJK SC or SimSun" in told


def test_without_typst(monkeypatch: pytest.MonkeyPatch) -> None:
    """PDF says what to install; Word leaves its picture out and says so."""
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(ProblemError, match=r"pip install 'bptt-solver\[pdf\]'"):
        solved("02_nonlinear_graph").document("pdf")
    told: list[str] = []
    data = solved("02_nonlinear_graph").document("docx", told.append)
    assert isinstance(data, bytes)
    assert "media" not in "".join(zipfile.ZipFile(BytesIO(data)).namelist())
    assert len(told) == 1 and "picture" in told[0]


# ----------------------------------------------------------------------------- Word


@pytest.mark.parametrize("name", EXAMPLES)
def test_word_documents_are_well_formed(name: str) -> None:
    """XML that parses, equations with all their parts, the picture, in all three languages."""
    for language in LANGUAGES:
        body = body_of(solved(name, language).document("docx"))
        assert body.findall(".//m:oMath", SPACES)
        for fraction in body.iterfind(".//m:f", SPACES):
            assert [len(part) > 0 for part in fraction] == [True, True]
        for total in body.iterfind(".//m:nary", SPACES):
            assert len(total.find("m:e", SPACES) or ()) > 0
        assert not [e for e in body.iter() if e.text and "\u2061" in e.text]


def body_of(data: str | bytes) -> ElementTree.Element:
    """The main part of a Word document."""
    assert isinstance(data, bytes)
    with zipfile.ZipFile(BytesIO(data)) as package:
        assert {info.date_time for info in package.infolist()} == {EPOCH}
        for part in package.namelist():
            if part.endswith((".xml", ".rels")):
                ElementTree.fromstring(package.read(part))
        return ElementTree.fromstring(package.read("word/document.xml"))


def test_word_has_the_same_bytes_twice() -> None:
    """No time, no author."""
    assert solved("07_elman").document("docx") == solved("07_elman").document("docx")


def test_another_program_reads_the_word_document() -> None:
    """Headings by their styles, tables with all their cells, the title in the properties."""
    docx = pytest.importorskip("docx")
    data = solved("24_vanishing", flow=True).document("docx")
    assert isinstance(data, bytes)
    document = docx.Document(BytesIO(data))
    styles = [p.style.name for p in document.paragraphs]
    assert styles[0] == "Title"
    assert styles.count("Heading 1") >= 7
    assert document.core_properties.title == document.paragraphs[0].text
    assert document.tables
    for table in document.tables:
        assert len({len(row.cells) for row in table.rows}) == 1


def test_word_opens(tmp_path: Path) -> None:
    """LibreOffice converts it, formulas and all."""
    if shutil.which("soffice") is None or shutil.which("pdftotext") is None:
        pytest.skip("soffice and pdftotext are not installed")
    place = tmp_path / "solution.docx"
    data = solved("02_nonlinear_graph").document("docx")
    assert isinstance(data, bytes)
    place.write_bytes(data)
    command = ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "pdf"]
    subprocess.run([*command, "--outdir", str(tmp_path), str(place)], check=True, capture_output=True, timeout=180)
    done = subprocess.run(["pdftotext", str(tmp_path / "solution.pdf"), "-"], check=True, capture_output=True)
    assert "Backward sweep" in done.stdout.decode()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words_in_word(text: str) -> None:
    """Whatever is written stands in texts, and nowhere else."""
    body = body_of(blocks_document(hostile(text), "docx", "x"))
    words = "".join(e.text or "" for e in body.iter(f"{{{SPACES['w']}}}t"))
    assert text.split(maxsplit=1)[0].strip("\x1b") in words or "\ufffd" in words
    assert not [e for e in body.iter() if "script" in e.tag]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", "<m:r><m:t>x</m:t></m:r>"),
        ("a/b", "<m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den></m:f>"),
        ("sqrt(x)", '<m:radPr><m:degHide m:val="1"/></m:radPr><m:deg/><m:e><m:r><m:t>x</m:t></m:r></m:e>'),
        ("abs(x)", '<m:begChr m:val="|"/><m:endChr m:val="|"/>'),
        ("sum(x[t] for t in 1..T)", '<m:nary><m:naryPr><m:chr m:val="∑"/>'),
        ("z1**2", "<m:sSubSup><m:e>"),
        ("(a/b)**2", '<m:begChr m:val="("/><m:endChr m:val=")"/>'),
    ],
)
def test_equations(text: str, expected: str) -> None:
    """Parts of formulas as Office Math has them."""
    made = omml(to_mathml(parse_expression(Excerpt.of(text))))
    assert expected in made
    ElementTree.fromstring(f'<x xmlns:m="m">{made}</x>')


def test_a_sum_ends_before_the_next_sign() -> None:
    """``Σ x + y`` adds y once; a sum of sums is nested."""
    made = omml(to_mathml(parse_expression(Excerpt.of("sum(x[t] for t in 1..T) + y"))))
    plus = '<m:r><m:rPr><m:sty m:val="p"/></m:rPr><m:t xml:space="preserve">+</m:t></m:r>'
    assert made.endswith(f"</m:nary>{plus}{omml('<mi>y</mi>')}")
    made = omml(to_mathml(parse_expression(Excerpt.of("sum(x[t,k] for t in 1..T, k in 1..K)"))))
    assert made.count("<m:nary>") == 2 and made.endswith("</m:nary></m:e></m:nary>")


def test_an_element_that_is_not_ours_raises() -> None:
    """Nothing is left out of a formula silently."""
    with pytest.raises(ValueError, match="mpadded"):
        omml("<mpadded><mi>x</mi></mpadded>")
    assert measured("<mi>x</mi><mo>+</mo><mn>12</mn>")[1] > 3


# ----------------------------------------------------------------------------- LaTeX


def test_latex_compiles_and_keeps_to_the_page(tmp_path: Path) -> None:
    """All examples, each once with all its tables: no error, and no line more than 5 points over the edge."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    for name in EXAMPLES:
        for kind, solution in (("plain", solved(name)), ("more", solved(name, flow=True, by="both", detail="scalar"))):
            place = tmp_path / f"{name}-{kind}.tex"
            place.write_text(solution.render("latex"), encoding="utf-8")
            log = compiled(place)
            over = [float(size) for size in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
            assert max(over, default=0.0) <= MOST_OVERFULL, (name, kind, over)


def compiled(place: Path) -> str:
    """The log of a document that compiles."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", place.name]
    done = subprocess.run(command, cwd=place.parent, capture_output=True, check=False, timeout=120)
    log = place.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, [line for line in log.splitlines() if line.startswith("!")]
    return log


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words_in_latex(text: str, tmp_path: Path) -> None:
    """They compile, and no file is read."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    place = tmp_path / "hostile.tex"
    place.write_text(render(hostile(text), "latex"), encoding="utf-8")
    assert "(/etc/passwd" not in compiled(place)  # how a log names a file that is read


def test_a_fragment_is_the_body() -> None:
    """With ``--fragment`` there is no preamble, and what it needs is said."""
    whole, body = solved("05_matrix_rnn").render("latex"), solved("05_matrix_rnn").render("latex", fragment=True)
    first, _, rest = body.partition("\n")
    assert first == "% needs \\usepackage{amsmath,amssymb,graphicx}"
    assert rest.strip() in whole
    assert "\\documentclass" not in body


@pytest.mark.parametrize(("language", "font"), [("zh-Hans", "Noto Serif CJK SC"), ("zh-Hant", "Noto Serif CJK TC")])
def test_chinese_latex_says_what_it_needs(language: str, font: str, tmp_path: Path) -> None:
    """A comment names the engine, ctex is used where it is, and pdfLaTeX does not fail."""
    text = solved("05_matrix_rnn", language).render("latex")
    assert text.startswith("% Chinese: compile with xelatex or lualatex")
    assert "ctex" in text and font in text
    if shutil.which("pdflatex") is not None:
        (tmp_path / "chinese.tex").write_text(text, encoding="utf-8")
        compiled(tmp_path / "chinese.tex")


def test_a_long_remark_is_broken_between_words() -> None:
    """A reason that is longer than the page has rows of its own."""
    words = ("is used by ", Reference("h"), *[f" a_{n} word" for n in range(30)])
    rows = LatexRenderer().rows(Line((Reference("x"), Reference("y")), remark=words))
    assert len(rows) > 3
    assert all(LatexRenderer().width(row) <= LatexRenderer.WIDE for row in rows)


# ----------------------------------------------------------------------------- Markdown


@pytest.mark.parametrize("name", EXAMPLES)
def test_markdown_has_what_github_renders(name: str) -> None:
    """None of the commands that GitHub refuses, formulas in fences or in dollars with backticks, tables apart."""
    for language in LANGUAGES:
        text = solved(name, language).render("markdown")
        assert not re.search(rf"\\({'|'.join(REFUSED)})\b", text)
        fences = re.findall(r"^```.*$", text, re.MULTILINE)
        assert fences[::2] == ["```math"] * (len(fences) // 2)
        assert fences[1::2] == ["```"] * (len(fences) // 2)
        outside = re.sub(r"```math\n.*?\n```", "", text, flags=re.DOTALL)
        outside = re.sub(r"\$`[^`\n]*`\$", "", outside)
        assert not re.search(r"(?<!\\)[$`]", outside)
        lines = text.splitlines()
        for at, line in enumerate(lines):
            if line.startswith("|") and not lines[at - 1].startswith("|"):
                assert lines[at - 1] == ""  # a table begins a paragraph
                assert re.fullmatch(r"\|( :--| --:| \|)+", lines[at + 1])
                cells = len(re.findall(r"(?<!\\)\|", line))
                rest = lines[at : next((n for n in range(at, len(lines)) if not lines[n].startswith("|")), len(lines))]
                assert {len(re.findall(r"(?<!\\)\|", row)) for row in rest} == {cells}


# ----------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("form", [*FORMATS, "text", "markdown", "latex", "html"])
def test_blocks_without_a_solution(form: str) -> None:
    """Such as the sums over a data set."""
    if form == "pdf":
        typst()
    shown = blocks_document(hostile("plain words"), form, "title")
    if isinstance(shown, str):
        assert "plain words" in shown
    else:
        assert shown[:4] in (b"%PDF", b"PK\x03\x04")


def test_an_unknown_document_raises() -> None:
    """Formats are a closed set."""
    with pytest.raises(ValueError, match="odt"):
        blocks_document([], "odt", "x")
    with pytest.raises(ProblemError, match="is not text"):
        solved("02_nonlinear_graph").render("pdf")


def test_the_labels_of_terms_are_told_in_the_language() -> None:
    """Under the terms of a sum: direct, or through what."""
    for language, word in (("en", "direct"), ("zh-Hans", "直接"), ("zh-Hant", "直接")):
        assert word in str(solved("02_nonlinear_graph", language).document("typst"))
    assert "underbrace" in str(solved("02_nonlinear_graph").document("typst"))
    assert TypstRenderer().render([]).startswith("#set document")
    assert WordRenderer().render([]) == "\n"
