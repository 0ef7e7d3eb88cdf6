"""Words and names from outside - documents, plugins, file names - in every format: shown, and never obeyed.

Whole documents go through every format, and a reader of that format looks at the result: a parser of XML or HTML,
Python's own, Typst, pdfLaTeX, Chromium. What is refused, and what costs too much, is in `test_untrusted`; what single
renderers escape is in their own tests.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bptt_solver import api, documents, solution
from bptt_solver.cli import run
from bptt_solver.language.notation.numbers import format_number
from bptt_solver.output import encode

WORDS = {
    "tags": "<script>alert(1)</script> <img src=x onerror=alert(2)> </title></style> ]]> --> <!-- &#60;b&#62; &amp;",
    "attributes": "\" onload=\"alert(1)\" ' onclick='alert(2)' javascript:alert(3) `",
    "tex": r"\input{/etc/passwd} \write18{id} ^^5cinput ^^M % ~ $x^2$ $$y$$ \end{document} { } # & _ \def\x{}",
    "markdown": "# h | a | `c` ``` **b** [l](<javascript:x>) ![i](http://e/x.png) ~~s~~ <details> &lt;",
    "links": "http://evil.example https://evil.example ftp://evil.example WWW.evil.example a@evil.example",
    "typst": '#import "@preview/x:1.0.0" #eval("1") #read("/etc/passwd") <l> @r = h /* // */ https://x.example \\u{41}',
    "fields": '{ INCLUDETEXT "/etc/passwd" } </w:t><w:instrText>x {title} {language} {lead} {name} %s %(x)s {0} {7*7}',
    "python": "\"\"\" ''' \\N{BULLET} \\x41 {__import__('os')} # %run x !ls",
    "rows": "one\ntwo\n\n= three\n- four\n\tfive",
    "a list": "- item",
    "another list": "+ item",
    "numbers": "1) item",
    "more numbers": "12. item",
    "a rule": "---",
    "a heading": "===",
    "code": "    code",
    "stars": "* item",
    "brackets": "[x] ]( )[ [[",
    "a formula of a sheet": "=cmd|' /C calc'!A0",
    "scripts": "損失 עברית العربية ℝ ∂⁺½ ﬁ \u0301z\u0336 \U0001d431 ĦħĸĿŀŉŦŧſ",
    "signs": "".join(map(chr, [*range(33, 127), *range(0xA1, 0xAD), *range(0xAE, 0x180)])),
    "a long word": "x" * 480,
}
NAMES = [
    ["损失", "خطأ", "שגיאה", "अंक", "น้ำ", "𝐱", "ﬁ", "ℝ", "ªb", "x̂̃̄", "q''''", "ŷ_t", "ħ", "ſ", "W_h'", "z₁"],
    ["constructor", "toString", "hasOwnProperty", "prototype", "valueOf", "length", "script", "this", "await", "var"],
    ["numpy", "np", "math", "make", "given", "gradient", "dtype", "def", "lambda", "None", "print", "open", "exec"],
    ["input", "frac", "mat", "eval", "read", "import", "lim", "op", "E", "end", "begin", "text", "alpha", "prime"],
    ["node", "graph", "edge", "subgraph", "strict", "digraph", "for", "in", "where", "and", "true", "null", "nan"],
]
FORMATS = tuple(dict.fromkeys([*solution.FORMATS, *documents.FORMATS]))
SPACES = {"w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main"}


def document(words: str) -> str:
    """A small network whose title and description are these words."""
    return json.dumps(
        {
            "title": words,
            "description": words,
            "equations": "h[t] = tanh(w*h[t-1] + x[t]) for t in 1..2\nE = sum((h[t] - 1)**2 for t in 1..2)",
            "values": {"w": 2, "h[0]": 1, "x": [1, 2]},
        },
        ensure_ascii=False,
    )


def named(names: list[str]) -> str:
    """A document in which these are the names of families, and all of them are squared somewhere."""
    lines = [f"{name}[t] = tanh(a0*{name}[t-1]) for t in 1..2" for name in names]
    lines.append("E0 = " + " + ".join(f"{name}[2]**2" for name in names))
    values = {"a0": 2, **{f"{name}[0]": 1 for name in names}}
    return json.dumps({"equations": "\n".join(lines), "values": values, "target": "E0"}, ensure_ascii=False)


def indexed(index: str, size: str, lookup: str) -> str:
    """A document in which these are the names of an index, a size and a map."""
    return (
        f"equations: |\n  h0[{index}] = tanh(a0*h0[{index}-1] + x0[{lookup}[{index}]]) for {index} in 1..{size}\n"
        f"  E0 = sum(h0[{index}]**2 for {index} in 1..{size})\n"
        f'values: {{a0: 2, \'h0[0]\': 1, x0: [1, 2, 3]}}\nsizes: {{"{size}": 2}}\nmaps: {{"{lookup}": [1, 3]}}\n'
        "target: E0\n"
    )


@cache
def solved(text: str) -> api.Solution:
    return api.solve(api.loads(text), check="none")


def written(text: str, form: str) -> str | bytes:
    found = solved(text)
    return found.document(form) if form in documents.FORMATS else found.render(form)


def bare(text: str) -> str:
    """Without white space, of which each format makes what it needs."""
    return "".join(text.split())


# ----------------------------------------------------------------------------- a reader for each format


def read_text(text: str, words: str) -> None:
    assert bare(words) in bare(text)


def read_json(text: str, words: str) -> None:
    assert bare(json.loads(text)["title"] or "") == bare(words)


ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def read_markdown(text: str, words: str, formula: str = r"```math\n.*?\n```|\$`[^`\n]*`\$") -> None:
    """Outside of formulas no sign that GitHub obeys is without a backslash, and no line begins as a block that is not
    ours does."""
    outside = re.sub(formula, "x", text, flags=re.DOTALL)
    for line in outside.splitlines():
        assert not re.match(r"(> )?(\s*([-+*]|\d{1,9}[.)])(\s|$)|\s*(=+|-+|_+|\*+)\s*$| {4}|\t)", line), line
        kept = re.sub(r"^(#+ |> (\[!WARNING\]$)?|\| )| \|$", "", ESCAPED.sub("", line))
        kept = kept.replace(" | ", " ") if line.startswith("| ") else kept
        if not re.fullmatch(r"\|( :-- \|)( --: \|)*", line):
            assert not re.search(r"[<>|`$~#\[\]{}\\&]|://|(?i:www)\.|\w@\w", kept), line
    assert bare(words) in bare(ESCAPED.sub(r"\1", outside))


def read_latex(text: str, words: str) -> None:
    body = text.partition(r"\begin{document}")[2]
    assert text.count(r"\end{document}") == 1
    assert not re.search(r"\\(input|write|def|include|openin|catcode|csname|special|read)\b|\^\^", body)


def read_typst(text: str, words: str) -> None:
    """Typst itself says how many headings and pictures there are: as many as in a plain document; no warning."""
    package = pytest.importorskip("typst", reason="typst is not installed: pip install 'bptt-solver[pdf]'")
    _, warnings = package.compile_with_warnings(text.encode())
    assert [w.message for w in warnings if "font family" not in w.message] == []
    found = json.loads(package.query(text.encode(), "selector(heading).or(image).or(link)"))
    assert Counter(element["func"] for element in found) == {"heading": 8, "image": 1}


def read_pdf(data: bytes, words: str) -> None:
    assert data.startswith(b"%PDF-")
    for action in (b"/JavaScript", b"/Launch", b"/URI", b"/EmbeddedFile", b"/OpenAction"):
        assert action not in data


def read_docx(data: bytes, words: str) -> None:
    """The words are text; there is no field, no link, nothing from elsewhere."""
    package = zipfile.ZipFile(BytesIO(data))
    trees = {n: ElementTree.fromstring(package.read(n)) for n in package.namelist() if n.endswith((".xml", ".rels"))}
    body = trees["word/document.xml"]
    kinds = {element.tag.rpartition("}")[2] for element in body.iter()}
    assert not kinds & {"fldSimple", "fldChar", "instrText", "hyperlink", "altChunk", "object", "pict"}
    assert all(e.get("TargetMode") is None for e in trees["word/_rels/document.xml.rels"].iter())
    assert bare(words) in bare("".join(e.text or "" for e in body.iterfind(".//w:t", SPACES)))
    title = next((e.text or "" for e in trees["docProps/core.xml"].iter() if e.tag.endswith("}title")), "")
    assert bare(words) in bare(title)


def read_ipynb(text: str, words: str) -> None:
    """Words are words in its Markdown; its code is Python in which the document is one text."""
    cells = json.loads(text)["cells"]
    sources = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    told = "\n\n".join(source for kind, source in sources if kind == "markdown")
    read_markdown(told, words, r"\$\$\n.*?\n\$\$|(?<!\\)\$(?:\\.|[^$\\])*\$")
    assert not re.search(r"<[!/A-Za-z]", ESCAPED.sub("", told)), "formulas too: a viewer may not know them"
    for kind, source in sources:
        if kind == "code":
            called = {ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}
            assert called <= {
                "bptt_solver.loads", "bptt_solver.solve", "solution.difference_quotient", "print", "abs", "max", "float"
            }  # fmt: skip


class Tags(HTMLParser):
    """Counts what there is in a page, as a browser would."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: Counter[str] = Counter()
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] += 1
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert name not in ("href", "src", "srcdoc", "action") or (value or "").startswith("#"), value

    handle_startendtag = handle_starttag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


LOUD = ("script", "style", "img", "iframe", "object", "embed", "form", "link", "meta", "base", "title", "b", "details")


def read_html(text: str, words: str) -> None:
    """No tag more than in the page of a plain document, no handler, and no address."""
    found, plain = Tags(text), Tags(str(written(document("plain"), "html")))
    assert bare(words) in bare("".join(found.texts))
    if words:
        assert {tag: found.found[tag] for tag in LOUD} == {tag: plain.found[tag] for tag in LOUD}


def read_svg(text: str, words: str) -> None:
    root = ElementTree.fromstring(text)
    kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not kinds & {"script", "foreignObject", "image", "a", "use", "animate", "set"}
    assert not any(name.startswith("on") or name.endswith("href") for e in root.iter() for name in e.attrib)
    assert bare(words) in bare(root.findtext("{http://www.w3.org/2000/svg}title") or "")


def read_dot(text: str, words: str) -> None:
    """Nothing but strings, the few words of the language that we use, and signs."""
    left = re.sub(r'"(?:[^"\\\n]|\\.)*"', "S", text)
    assert set(re.findall(r"[A-Za-z]+", left)) <= {
        "digraph", "S", "rankdir", "LR", "BT", "node", "edge", "shape", "circle", "style", "filled", "fontname", "rank",
        "fontsize", "color", "fillcolor", "label", "plaintext", "box", "same",
    }  # fmt: skip
    assert re.fullmatch(r"[\w\s\[\]{}=,;>-]*", left)


READERS: Mapping[str, Callable[[Any, str], None]] = {
    "text": read_text,
    "markdown": read_markdown,
    "latex": read_latex,
    "html": read_html,
    "json": read_json,
    "svg": read_svg,
    "dot": read_dot,
    "typst": read_typst,
    "pdf": read_pdf,
    "docx": read_docx,
    "ipynb": read_ipynb,
}


def harmless(data: str | bytes) -> None:
    """Nothing in a text that a terminal obeys; what MathML and Word need between a function and its argument may be."""
    if isinstance(data, str):
        bad = [c for c in data if c not in "\n\t\u2061" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co")]
        assert not bad, f"U+{ord(bad[0]):04X}"


def test_every_format_has_a_reader() -> None:
    """A new format needs one here."""
    assert set(READERS) == set(FORMATS)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("which", WORDS)
def test_words_of_a_document(which: str, form: str) -> None:
    if form == "pdf":
        pytest.importorskip("typst", reason="typst is not installed: pip install 'bptt-solver[pdf]'")
    found = written(document(WORDS[which]), form)
    READERS[form](found, WORDS[which])
    harmless(found)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("names", NAMES, ids=lambda names: names[0])
def test_names_of_a_document(names: list[str], form: str) -> None:
    if form == "pdf":
        pytest.importorskip("typst", reason="typst is not installed: pip install 'bptt-solver[pdf]'")
    found = written(named(names), form)
    READERS[form](found, "")
    harmless(found)
    if form == "json":
        assert set(names) <= {key.partition("[")[0] for key in json.loads(str(found))["values"]}
    every = 3 if form in ("text", "markdown", "latex", "dot", "json") else len(names)  # the others take their time
    for at in range(0, len(names) - 2, every):
        READERS[form](written(indexed(*names[at : at + 3]), form), "")


PLANTED = {
    "markdown": ("\n+ item\n", "\n<b>x</b>\n", "\n[l](javascript:x)\n", "\nwww.evil.example\n", "\n    code\n"),
    "latex": ("\\input{x}\n\\end{document}", "^^5c\n\\end{document}"),
    "html": ("<script>x</script>", "<p onclick='x'></p>", "<a href='javascript:x'>y</a>"),
    "svg": ("<script/></svg>", "<a href='x'/></svg>", "<g onload='x'/></svg>"),
    "dot": ("\n  subgraph x {}", '\n  "a" [label=<b>];'),
    "typst": ("\n= another\n", "\n#link('x')\n", '\n#read("/etc/passwd")\n', '\n#link("https://x.example")\n'),
}


@pytest.mark.parametrize("form", PLANTED)
def test_the_readers_see_what_is_planted(form: str) -> None:
    """Each of them fails on what it is there for."""
    text = str(written(document("plain"), form))
    READERS[form](text, "plain")
    for planted in PLANTED[form]:
        end = re.search(r"</(\w+)>$", planted)
        at = text.rindex(f"</{end[1]}>") if form == "svg" and end else len(text)
        at = text.rindex("\\end{document}") if form == "latex" else at
        with pytest.raises((AssertionError, RuntimeError)):
            READERS[form](text[:at] + planted, "plain")


# ----------------------------------------------------------------------------- engines


def tex(text: str, place: Path) -> str:
    """The log of pdfLaTeX, which compiles this without a message, and without a shell."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    place.write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", place.name]
    done = subprocess.run(command, cwd=place.parent, capture_output=True, check=False, timeout=120)
    log = place.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, [line for line in log.splitlines() if line.startswith("!")]
    return log


@pytest.mark.parametrize("names", NAMES, ids=lambda names: names[0])
def test_names_compile_in_latex(names: list[str], tmp_path: Path) -> None:
    """Names with primes among them: TeX finds two superscripts in ``h'_{2}^{2}``."""
    tex(str(written(named(names), "latex")), tmp_path / "names.tex")


def test_words_compile_in_latex(tmp_path: Path) -> None:
    """All of them in one run each; no file is read, and what pdfLaTeX has no letter for is told by its number."""
    for name, words in WORDS.items():
        assert "(/etc/" not in tex(str(written(document(words), "latex")), tmp_path / f"{bare(name)}.tex")


PRIMES = """equations: |
  h'[t] = tanh(W' @ h'[t-1] + x''[t]*v''') for t in 1..2
  s_a' = dot(h'[2], h'[2])
  E = s_a'**2 + sum(h'[t].T @ W' @ h'[t] for t in 1..2)
values: {"W'": [[1, 2], [3, 4]], "h'[0]": [1, 0], "x''": [1, 2], "v'''": [1, 1]}
"""


@pytest.mark.parametrize("notation", ["standard", "werbos", "boden", "goodfellow", "d2l", "pytorch"])
def test_primes_compile_in_latex(notation: str, tmp_path: Path) -> None:
    options = {} if notation == "standard" else {"notation": notation}
    found = api.solve(api.loads(PRIMES), check="none", detail="scalar", **options)  # type: ignore[arg-type]
    for form in ("markdown", "latex"):
        assert not re.search(r"'_\{[^{}]*\}\^", found.render(form)), "two superscripts"
    tex(found.render("latex"), tmp_path / "primes.tex")


def test_a_fragment_compiles(tmp_path: Path) -> None:
    """In a document that has the packages that its first line names, and no others."""
    for name in ("05_matrix_rnn", "16_lstm"):
        problem = api.load(Path(__file__).parents[1] / "examples" / name / "problem.yaml")
        found = api.solve(problem, check="none").render("latex", fragment=True)
        packages = re.search(r"\\usepackage\{[\w,]+\}", found.partition("\n")[0])
        assert packages is not None
        tex(f"\\documentclass{{article}}{packages[0]}\\begin{{document}}{found}\\end{{document}}", tmp_path / "f.tex")


def test_names_in_a_browser(browser: Any, tmp_path: Path) -> None:
    """Names that mean something to JavaScript: the page computes with them as Python does, and says nothing."""
    text = named(NAMES[1])
    (tmp_path / "page.html").write_text(str(written(text, "html")), encoding="utf-8")
    tab = browser.new_page()
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto((tmp_path / "page.html").as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(found => { found.open = true })")
    tab.get_by_label("a0", exact=True).fill("-0.5")
    changed = json.loads(text)
    changed["values"]["a0"] = -0.5
    found = api.solve(api.loads(json.dumps(changed)), check="none")
    wanted = format_number(found.value)
    assert wanted not in str(solved(text).render("text"))
    tab.wait_for_function(f"document.querySelector('article').textContent.includes('{wanted}')")
    assert said == []
    tab.close()


# ----------------------------------------------------------------------------- programs


@pytest.mark.parametrize("kind", ["python", "numpy", "numba", "torch", "jax"])
@pytest.mark.parametrize("names", NAMES, ids=lambda names: names[0])
def test_programs_are_programs(names: list[str], kind: str) -> None:
    """Names become identifiers of their own, texts or comments; nothing is imported or called that is not ours."""
    problem = api.loads(named(names))
    tree = ast.parse(api.emit(problem, kind))
    imported = [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]
    imported += [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in imported} <= {"numpy", "math", "numba", "torch", "jax", "functools"}
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not called & {"eval", "exec", "open", "compile", "__import__", "getattr", "input"}
    if kind in ("python", "numpy"):
        assert api.solve(problem, backend=kind).verified


@pytest.mark.parametrize("kind", ["python", "numpy", "numba", "torch", "jax"])
def test_titles_are_not_in_programs(kind: str) -> None:
    for words in (WORDS["python"], WORDS["rows"]):
        text = api.emit(api.loads(document(words)), kind)
        assert "os" not in {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}


@pytest.mark.parametrize(
    "name", ["file", "allow_pickle", "args", "kwds", "self", "W'", "损失", "training", "constructor"]
)
def test_weights_of_any_name_are_saved(name: str, tmp_path: Path) -> None:
    """NumPy has parameters of some of these names."""
    import numpy

    text = {
        "equations": f"E = ({name}*x0 - 1)**2",
        "values": {"x0": 2},
        "parameters": {name: 1},
        "update": {"rule": "momentum", "steps": 3},
    }
    (tmp_path / "a.yaml").write_text(json.dumps(text), encoding="utf-8")
    saved = str(tmp_path / "saved.npz")
    assert run([str(tmp_path / "a.yaml"), "-q", "-o", str(tmp_path / "a.txt"), "--save", saved]) == 0
    with numpy.load(saved, allow_pickle=False) as found:
        assert name in found.files
    assert run([str(tmp_path / "a.yaml"), "-q", "-o", str(tmp_path / "a.txt"), "--resume", saved]) == 0


# ----------------------------------------------------------------------------- plugins and files

PLUGIN = """
from bptt_solver.hookspecs import hookimpl
from bptt_solver.records import Activation, Loss, Network, OptionError, Topology, UpdateRule

WORDS = {words!a}

def build(options):
    if options["bad"]:
        raise OptionError(WORDS, "bad")
    return Network(
        "h[t] = squash(w*h[t-1] + x[t]) for t in 1..2\\np = sigmoid(h[2])\\nE = strange(p, d)", "E",
        parameters={{"w": (), "h[0]": ()}}, data={{"x": (2,), "d": ()}}, notes=(WORDS,),
        roles=dict.fromkeys(("w", "h", "x", "E"), WORDS), lanes={{"h": (WORDS, 0), "x": (WORDS + "2", 0)}},
    )

@hookimpl
def bptt_topologies():
    yield Topology("hostile", build, {{"bad": 0}}, summary=WORDS, source=WORDS)

@hookimpl
def bptt_activations():
    yield Activation("squash", "x/sqrt(1 + x**2)", {{"x": "1/(1 + x**2)**1.5"}}, summary=WORDS, source=WORDS)

@hookimpl
def bptt_losses():
    yield Loss("strange", "(y - d)**2", {{"y": "2*(y - d)", "d": "2*(d - y)"}}, summary=WORDS, source=WORDS,
               matched={{"sigmoid": ("2*(y - d)*y*(1 - y)", WORDS)}})

@hookimpl
def bptt_update_rules():
    yield UpdateRule("hostile", "w - rate*g", options={{"rate": 0.1}}, domain={{"rate": (0, 10)}}, summary=WORDS,
                     source=WORDS)
"""
NETWORK = (
    "network: {topology: hostile}\nvalues: {w: 2, 'h[0]': 1, x: [1, 2], d: 0.5}\nupdate: {rule: hostile, steps: 3}\n"
)
SENTENCES = {
    "markup": " ".join(
        WORDS[k] for k in ("tags", "attributes", "tex", "markdown", "links", "typst", "fields", "python")
    ),
    "control": "\x1b[31mred\x00\x07\u202eevil\ud800\uffff\x9b31m\r\nrow\u2028x\u200b",
    "a list": "+ item\n\n---\n",
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("which", SENTENCES)
def test_words_of_a_plugin(which: str, form: str, tmp_path: Path) -> None:
    """Roles, notes, summaries, lanes, and the reason for a short cut."""
    if form in ("pdf", "typst"):
        pytest.importorskip("typst", reason="typst is not installed: pip install 'bptt-solver[pdf]'")
    (tmp_path / "hostile.py").write_text(PLUGIN.format(words=SENTENCES[which]), encoding="utf-8")
    found = api.solve(api.loads(NETWORK, plugins=[str(tmp_path / "hostile.py")]), check="none")
    data = encode(found.document(form) if form in documents.FORMATS else found.render(form), form)
    text = data if form in ("pdf", "docx") else data.decode()
    if form == "html":  # its own zero width spaces let formulas break
        assert Tags(str(text)).found["script"] == Tags(str(written(document("plain"), "html"))).found["script"]
    elif form == "typst":
        package = sys.modules["typst"]
        assert len(json.loads(package.query(data, "heading"))) == 9  # and a section about the training
    else:
        READERS[form](text, "")


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a run of the command writes: nothing that a terminal obeys, and no traceback."""
    code = run(arguments)
    shown = "".join(capsys.readouterr())
    assert code in (0, 1, 2), shown
    assert "Traceback" not in shown
    if "always" in arguments:
        shown = re.sub("\x1b\\[[0-9;]*m", "", shown)
    harmless(shown.replace("\u200b", ""))
    return shown


def test_what_a_plugin_says_on_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With colours as well, in the list of plugins, and in an error."""
    (tmp_path / "hostile.py").write_text(PLUGIN.format(words=SENTENCES["control"]), encoding="utf-8")
    (tmp_path / "a.yaml").write_text(NETWORK, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(NETWORK.replace("hostile}", "hostile, bad: 1}", 1), encoding="utf-8")
    plugin = ["--plugin", str(tmp_path / "hostile.py")]
    coloured = [str(tmp_path / "a.yaml"), "--color", "always", *plugin]
    for arguments in (["plugins", *plugin], coloured, [str(tmp_path / "bad.yaml"), *plugin]):
        shown = told(arguments, capsys)
        assert "evil" in shown
        assert "[31mred" in shown  # its letters, without the character in front that makes a colour of them


FILES = [
    "a\nb",
    "<script>alert(1)<script>",
    "x\x1b[31m",
    "--help",
    "q'\"$(id)`id`",
    "\u202eevil",
    "名 字",
    "a%s{0}",
    "=c|d;e&f",
]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such names")
@pytest.mark.parametrize("name", FILES)
def test_names_of_files(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Read, written beside each other, missing, and at fault: they are shown, and are parts of no command."""
    good, bad = tmp_path / f"{name}.yaml", tmp_path / f"{name}-bad.yaml"
    good.write_text("equations: |\n  E = 2*x\nvalues: {x: 1}\n", encoding="utf-8")
    bad.write_text("equations: |\n  E = 2*+x\nvalues: {x: 1}\n", encoding="utf-8")
    for form in solution.FORMATS:
        told([str(good), "-f", form], capsys)
    told([str(good), "-f", "markdown", "-o", f"{tmp_path}/out/"], capsys)
    assert (tmp_path / "out" / f"{name}.md").exists()
    told([str(bad), str(tmp_path / f"none-{name}"), "--color", "always"], capsys)
    told([str(bad), "--lang", "zh-Hant"], capsys)
    notebook = tmp_path / "a.ipynb"
    assert run([str(good), "-q", "-o", str(notebook)]) == 0
    read_ipynb(notebook.read_text(encoding="utf-8"), "")
