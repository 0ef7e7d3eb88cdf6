"""Notebooks: valid, executed, shown; the cell magic."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bptt_solver import api, load_ipython_extension
from bptt_solver.documents.notebook import _literal
from bptt_solver.documents.shown import REPRESENTATIONS
from bptt_solver.errors import ProblemError
from bptt_solver.magic import solved
from bptt_solver.output import spoken

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/problem.yaml"))
TEXT = "equations: |\n  y = w*x\n  E = (y - d)**2/2\nvalues: {x: 2, d: 1}\nparameters: {w: 3}\n"


def notebook(name: str, **options: Any) -> str:
    """The notebook of an example."""
    problem = api.load(str(ROOT / "examples" / name / "problem.yaml"))
    return api.solve(problem, check="none", **options).render("ipynb")


@pytest.mark.parametrize("name", EXAMPLES)
def test_notebooks_are_valid(name: str) -> None:
    """By the schema of nbformat; the same twice; formulas in dollars that every viewer knows; nothing executed yet."""
    nbformat = pytest.importorskip("nbformat")
    text = notebook(name)
    assert text == notebook(name)
    book = nbformat.reads(text, as_version=4)
    nbformat.validate(book)
    assert (book.nbformat, book.nbformat_minor) == (4, 5)
    assert len({cell.id for cell in book.cells}) == len(book.cells)
    for cell in book.cells:
        if cell.cell_type == "code":
            compile(cell.source, name, "exec")
            assert cell.execution_count is None and not cell.outputs
        else:
            assert "```" not in cell.source and "$`" not in cell.source
            assert len(re.findall(r"^\$\$$", cell.source, re.MULTILINE)) % 2 == 0


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("02_nonlinear_graph", {}),
        ("05_matrix_rnn", {"language": "zh-Hant", "detail": "scalar", "entries": ("W_h:1,2",)}),
        ("16_lstm", {"notation": "goodfellow", "by": "both", "flow": True}),
    ],
)
def test_notebooks_run(name: str, options: dict[str, Any]) -> None:
    """In a fresh kernel: the solution is shown in every kind, and the finite difference agrees."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.reads(notebook(name, **options), as_version=4)
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    shown, checked = [cell for cell in book.cells if cell.cell_type == "code"]
    data = shown.outputs[0].data
    assert set(data) == set(REPRESENTATIONS)
    assert data["text/html"].startswith("<iframe srcdoc=") and 'sandbox="allow-scripts"' in data["text/html"]
    title = api.load(str(ROOT / "examples" / name / "problem.yaml")).title
    assert title and title.split()[0] in data["text/plain"]
    sweep, quotient = (float(n) for n in re.findall(r"(?:: |：)(\S+)", checked.outputs[0].text))
    assert ("sweep" in checked.outputs[0].text) == (options.get("language", "en") == "en")
    assert sweep == pytest.approx(quotient, rel=1e-5)


def test_a_solution_shows_itself() -> None:
    """Only what is asked for is made."""
    solution = api.solve(api.loads(TEXT))
    assert set(solution._repr_mimebundle_(exclude=["text/html"])) == set(REPRESENTATIONS) - {"text/html"}
    assert list(solution._repr_mimebundle_(include=["text/plain"])) == ["text/plain"]
    bundle = solution._repr_mimebundle_()
    assert "$$" in bundle["text/markdown"] and "```" not in bundle["text/markdown"]
    assert "\\documentclass" not in bundle["text/latex"]
    inside = bundle["text/html"].partition('srcdoc="')[2].partition('"')[0]
    assert "&lt;!DOCTYPE html&gt;" in inside and "<" not in inside


def test_difference_quotients() -> None:
    """They are what an ordered derivative means; entries are counted from 1."""
    solution = api.solve(api.loads(TEXT))
    assert solution.difference_quotient("w") == pytest.approx(solution.ordered_derivatives["w"], rel=1e-9)
    matrix = api.solve(api.load(str(ROOT / "examples/05_matrix_rnn/problem.yaml")))
    found = matrix.difference_quotient("W_h", (1, 2))
    assert found == pytest.approx(matrix.ordered_derivatives["W_h"][0][1], rel=1e-6)
    for entry in ((), (0, 1), (3, 1), (1,)):
        with pytest.raises(ProblemError, match="does not belong to W_h"):
            matrix.difference_quotient("W_h", entry)
    with pytest.raises(ProblemError, match="unknown name"):
        matrix.difference_quotient("W_q")


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "'''; import os #\n",
        "back\\slash\n",
        "ends with'",
        "a '''quoted''' b",
        "\x1b[31m \u202e\n",
        "",
        '名: "x"\n',
    ],
)
def test_a_document_stays_a_text(text: str) -> None:
    """In the code of a notebook nothing of a document is run."""
    import ast

    assert ast.literal_eval(_literal(text)) == text


def test_hostile_titles() -> None:
    """Words stay words in the Markdown of a cell."""
    title = "<script>alert(1)</script> $x$ `y` # \\input{z}"
    text = api.solve(api.loads(f"title: {json.dumps(title)}\n{TEXT}")).render("ipynb")
    first = "".join(json.loads(text)["cells"][0]["source"])
    assert first.startswith("# \\<script\\>alert(1)\\</script\\> \\$x\\$ \\`y\\` \\# \\\\input\\{z\\}")


# ----------------------------------------------------------------------------- the cell magic


class Shell:
    """What the extension needs of IPython."""

    def __init__(self) -> None:
        self.magics: dict[str, Any] = {}
        self.user_ns: dict[str, Any] = {}

    def register_magic_function(self, function: Any, kind: str, name: str) -> None:
        assert kind == "cell"
        self.magics[name] = function


def test_the_magic() -> None:
    """``%%bptt`` solves the cell, shows the solution and names it."""
    shell = Shell()
    load_ipython_extension(shell)
    solution = shell.magics["bptt"]("--wrt w --check full --lang zh-Hans", TEXT)
    assert shell.user_ns["solution"] is solution
    assert solution.value == 12.5
    assert solution.language == "zh-Hans"
    assert [key[0] for key in solution.wanted] == ["w"]
    assert spoken() == "en"


def test_the_magic_tells_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """As on the terminal, with the place, and without a traceback."""
    shell = Shell()
    load_ipython_extension(shell)
    assert shell.magics["bptt"]("", "equations: |\n  y = w*\n") is None
    assert "<cell>:2" in capsys.readouterr().err
    assert "solution" not in shell.user_ns


@pytest.mark.parametrize(
    ("line", "text", "told"),
    [
        ("--lang zh-Hant", "equations: |\n  E = w*2\n", "未知的名稱「w」"),
        ("--lang zh-Hans --target Q", TEXT, "未知的名称“Q”"),
        ("--lang=zh-Hans -f json", TEXT, "在笔记本中没有意义"),
        ("--lang zh-Hant --nothing", TEXT, "沒有選項 '--nothing'"),
        ("--by nothing --lang zh-Hans", TEXT, "'--by' 的值无效"),
    ],
)
def test_errors_of_the_magic_in_chinese(line: str, text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the language that the line asks for, whatever is wrong."""
    shell = Shell()
    load_ipython_extension(shell)
    assert shell.magics["bptt"](line, text) is None
    assert told in capsys.readouterr().err
    assert spoken() == "en"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-f json", "makes no sense in a notebook"),
        ("-o out.html", "makes no sense in a notebook"),
        ("--nothing", "No such option"),
        ("--check nothing", "nothing"),
        ('--target "E', "quotation"),
        ("--help", "bptt-solve solve"),
    ],
)
def test_options_of_the_magic(line: str, told: str) -> None:
    """Those of the command that make no sense here are errors, as are those that there are not."""
    with pytest.raises(ProblemError, match=told):
        solved(line, TEXT)


def test_the_magic_in_a_real_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """IPython loads the extension by the name of the package."""
    shells = pytest.importorskip("IPython.core.interactiveshell")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)  # it warns where another environment than its own is active
    shell = shells.InteractiveShell.instance()
    try:
        shell.run_line_magic("load_ext", "bptt_solver")
        assert shell.run_cell_magic("bptt", "", TEXT).value == 12.5
        assert shell.user_ns["solution"].value == 12.5
    finally:
        shells.InteractiveShell.clear_instance()
