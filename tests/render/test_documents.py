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
from bptt_solver.blocks import Alert, Block, Heading, Line, Note, Paragraph, Table, Words
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
    "∂⁺(x) --(y) --.z ⁺[a]",
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


def test_long_lines_end_before_signs() -> None:
    """Those of a sum and of equality: what is between them is a box; sentences stay with their formulas."""
    source = str(solved("15_ordered_net").document("typst"))
    assert "#h(0.22em, weak: true)#box[$part(+ med " in source
    assert "#h(0.22em, weak: true)#box[$part(− med " in source
    assert "#keep[" in source
    assert TypstRenderer().render([Paragraph(("a",)), Paragraph(("b",))]).count("#keep[") == 0
    assert TypstRenderer().render([Paragraph(("a",)), BlockFormulas([Line((Reference("x"),))])]).count("#keep[") == 1


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


def test_signs_stand_between_the_braces_of_word() -> None:
    """Not inside them; and a remark that is longer than a line is text, which is broken."""
    body = body_of(solved("21_custom_cell").document("docx"))
    braced = body.findall(".//m:groupChr/m:e", SPACES)
    assert braced
    for inside in braced:
        assert "".join(inside.itertext())[0] != "+"
    reasons = [
        e for e in body.iterfind("./w:body/w:p", SPACES) if e.find("w:pPr/w:pStyle[@w:val='Why']", SPACES) is not None
    ]
    assert any("is used by" in "".join(e.itertext()) for e in reasons)


def test_columns_of_word_are_as_wide_as_what_stands_in_them() -> None:
    """The first one holds formulas; all of them fit on the page."""
    for name in ("16_lstm", "24_vanishing"):
        grids = list(body_of(solved(name, flow=True).document("docx")).iterfind(".//w:tblGrid", SPACES))
        widths = [[int(e.get(f"{{{SPACES['w']}}}w", "0")) for e in grid] for grid in grids]
        assert all(sum(row) <= 9600 + len(row) for row in widths)
    body = body_of(solved("16_lstm").document("docx"))
    first, *others = [int(e.get(f"{{{SPACES['w']}}}w", "0")) for e in next(body.iterfind(".//w:tblGrid", SPACES))]
    assert first > 1.3 * max(others)


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
            assert too_wide(compiled(place)) <= MOST_OVERFULL, (name, kind)


def compiled(place: Path, engine: str = "pdflatex") -> str:
    """The log of a document that compiles."""
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", place.name]
    done = subprocess.run(command, cwd=place.parent, capture_output=True, check=False, timeout=120)
    log = place.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, [line for line in log.splitlines() if line.startswith("!")]
    return log


def too_wide(log: str) -> float:
    """By how many points the longest line stands over the edge."""
    return max([float(size) for size in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)], default=0.0)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words_in_latex(text: str, tmp_path: Path) -> None:
    """They compile, and no file is read."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    place = tmp_path / "hostile.tex"
    place.write_text(render(hostile(text), "latex"), encoding="utf-8")
    assert "(/etc/passwd" not in compiled(place)  # how a log names a file that is read


def test_a_fragment_is_the_body() -> None:
    """With ``--fragment`` there is no preamble, what it needs is said, and its lines are shorter."""
    whole, body = solved("05_matrix_rnn").render("latex"), solved("05_matrix_rnn").render("latex", fragment=True)
    first, second, *rest = body.splitlines()
    assert first == "% needs \\usepackage{amsmath,amssymb,graphicx}"
    assert (second, rest[-1]) == ("\\begingroup\\setlength{\\emergencystretch}{3em}", "\\par\\endgroup")
    assert "\\documentclass" not in body
    assert body.count("\\section*") == whole.count("\\section*")
    assert body.count("\\\\\n") > whole.count("\\\\\n")
    assert "ctex" in solved("05_matrix_rnn", "zh-Hans").render("latex", fragment=True).splitlines()[1]


@pytest.mark.parametrize("name", ["07_elman", "21_custom_cell"])
def test_a_fragment_fits_into_a_plain_article(name: str, tmp_path: Path) -> None:
    """One that sets neither its margins nor anything else; the lines of a whole article would be too long for it."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    over: list[float] = []
    whole = solved(name).render("latex").partition("\\begin{document}")[2].partition("\\end{document}")[0]
    for kind, body in (("fragment", solved(name).render("latex", fragment=True)), ("whole", whole)):
        (tmp_path / f"{kind}.tex").write_text(body, encoding="utf-8")
        place = tmp_path / f"{kind}-in.tex"
        packages = "\\documentclass{article}\\usepackage{amsmath,amssymb,graphicx}\n"
        place.write_text(f"{packages}\\begin{{document}}\\input{{{kind}}}\\end{{document}}\n", encoding="utf-8")
        over.append(too_wide(compiled(place)))
    assert over[0] <= MOST_OVERFULL < over[1]


def test_formulas_belong_to_their_paragraphs() -> None:
    """No empty line in front of them, where TeX would leave a gap and might end the page."""
    text = solved("07_elman").render("latex")
    assert "\\begin{align*}" in text
    assert "\n\n\\begin{align*}" not in text


def test_the_hyphens_of_an_option_stay_two(tmp_path: Path) -> None:
    """Fonts of LaTeX and those that Typst brings make a dash of them."""
    words: list[Block] = [Paragraph(("see --check none --- and ∂⁺(x)",))]
    assert "see -{}-check none -{}-{}- and" in render(words, "latex")
    source = render(words, "typst")
    package = typst()
    assert package.compile(source.encode()).startswith(b"%PDF-")  # type: ignore[attr-defined]
    if shutil.which("pdftotext") is not None:
        data = package.compile(source.encode())  # type: ignore[attr-defined]
        done = subprocess.run(["pdftotext", "-", "-"], input=data, capture_output=True, check=True, timeout=60)
        assert "see --check none" in done.stdout.decode()


# engine, what is changed in the document, and a file that has to be there
CHINESE_WAYS = {
    "ctex": ("xelatex", "ctex.sty", ()),
    "without ctex": ("xelatex", "fontspec.sty", (("ctex.sty", "no-such-package.sty"),)),
    "fonts of TeX Live": ("xelatex", "bsmi00lp.ttf", (("FontExistsTF{", "FontExistsTF{no-such-font "),)),
    "luatexja": ("lualatex", "luatexja.sty", ()),
    "CJKutf8": ("pdflatex", "CJKutf8.sty", ()),
}


@pytest.mark.parametrize("language", ["zh-Hans", "zh-Hant"])
@pytest.mark.parametrize("way", CHINESE_WAYS)
def test_chinese_latex_compiles(language: str, way: str, tmp_path: Path) -> None:
    """With each engine: every character is there, and no line stands over the edge. (All 27 examples take minutes.)"""
    engine, file, changes = CHINESE_WAYS[way]
    need(engine, file)
    if way == "CJKutf8":
        need(engine, "c70gbsn.fd" if language == "zh-Hans" else "c70bsmi.fd")
    if way == "without ctex" and f"{'SC' if language == 'zh-Hans' else 'TC'}\n" not in families():
        pytest.skip("the font that the document names, Noto Serif CJK, is not installed")
    place = tmp_path / "chinese.tex"
    place.write_text(changed(solved("07_elman", language).render("latex"), changes), encoding="utf-8")
    log = compiled(place, engine)
    assert "Missing character" not in log
    assert too_wide(log) <= MOST_OVERFULL


def test_what_makes_chinese_lines_fit_and_characters_found(tmp_path: Path) -> None:
    """Without breaks beside formulas a line is too long; the font that ctex would take lacks characters."""
    need("xelatex", "ctex.sty")
    place = tmp_path / "chinese.tex"
    text = solved("07_elman", "zh-Hant").render("latex")
    if "TC\n" in families():
        changes = (("ctex.sty", "no-such-package.sty"), ("XeTeXinterchartokenstate=1", "XeTeXinterchartokenstate=0"))
        place.write_text(changed(text, changes), encoding="utf-8")
        assert too_wide(compiled(place, "xelatex")) > MOST_OVERFULL
    simplified = solved("07_elman", "zh-Hans").render("latex").partition("\\begin{document}")[0]
    place.write_text(simplified + "".join(text.partition("\\begin{document}")[1:]), encoding="utf-8")
    assert "Missing character" in compiled(place, "xelatex")


def need(engine: str, file: str) -> None:
    """Skip where TeX lacks something."""
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed")
    found = subprocess.run(["kpsewhich", file], capture_output=True, check=False, timeout=60)
    if found.returncode != 0:
        pytest.skip(f"{file} is not installed (Debian: texlive-lang-chinese texlive-xetex)")


@cache
def families() -> str:
    """The families of fonts that XeTeX finds, a line each."""
    if shutil.which("fc-list") is None:
        return ""
    done = subprocess.run(["fc-list", ":", "family"], capture_output=True, text=True, check=True, timeout=60)
    return "".join(f"{line.partition(',')[0]}\n" for line in done.stdout.splitlines() if "Noto Serif CJK" in line)


def changed(text: str, changes: tuple[tuple[str, str], ...]) -> str:
    """A text with something else in it; what is replaced must be there."""
    for old, new in changes:
        assert old in text or "FontExists" in old  # only where there is a choice
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(("language", "font"), [("zh-Hans", "Noto Serif CJK SC"), ("zh-Hant", "Noto Serif CJK TC")])
def test_chinese_latex_says_what_it_needs(language: str, font: str) -> None:
    """A comment names the engines and the packages, and why another font is taken than that of ctex."""
    text = solved("05_matrix_rnn", language).render("latex")
    comment = text.partition("\\documentclass")[0]
    assert comment.startswith("% Chinese: compile with xelatex or lualatex and the package ctex")
    assert ("Fandol" in comment) == (language == "zh-Hant")
    assert font in text and "DeclareUnicodeCharacter" not in text


def test_words_inside_a_formula() -> None:
    """MathJax shows the backslash of a sign in ``\\text{}``; TeX drops a space behind a Chinese character there."""
    renderer = LatexRenderer()
    assert renderer.remark(("50% of a_b",)) == "\\text{50}\\%\\text{ of a}\\_\\text{b}"
    assert renderer.remark(("只有 ", Reference("x"), " 用到 ")) == "\\text{只有}\\ x\\text{ 用到}\\ "
    assert renderer.remark(("only ", Reference("x"))) == "\\text{only }x"


def test_a_long_remark_is_broken_between_words() -> None:
    """A reason that is longer than the page has rows of its own."""
    words: Words = ("is used by ", Reference("h"), *[f" a_{n} word" for n in range(30)])
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
