"""What `--emit` prints speaks Chinese as well: every comment and docstring, of every library, and nothing but them."""

from __future__ import annotations

import ast
import io
import pickle
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unicodedata import east_asian_width

import pytest

from bptt_solver import api
from bptt_solver.__main__ import main
from bptt_solver.catalogues import LANGUAGES, read_catalogue
from bptt_solver.compile import swept
from bptt_solver.compile.dialects import NAMES, dialect_of
from bptt_solver.compile.gradient import LIBRARIES
from bptt_solver.compile.source import Source
from bptt_solver.compile.words import Text, in_language, say, worded
from bptt_solver.errors import ProblemError
from bptt_solver.output import speak
from bptt_solver.problem.problem import Problem

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "bptt_solver" / "compile"
LOCALE = ROOT / "bptt_solver" / "locale"
CHINESE = LANGUAGES[1:]
EXAMPLES = ("01_ordered_variables", "07_elman", "16_lstm", "19_recursive_tree", "23_truncation")
NONE = {("19_recursive_tree", library) for library in ("numpy", "torch", "jax")}  # these have no such program
SIGN = re.compile("[\u4e00-\u9fff]")
EQUATION = re.compile(r"^.*?(?=（第 \d|（[对對]所有 |：从计算 |：從計算 )")
CODE = re.compile(r"``[^`]*``|^ +\S+ .*?(?=  #|$)")  # in a docstring what is indented is code, or a row of names
ENGLISH = re.compile(r"(?<![\w@-])[A-Za-z]+(?:[,;:]? [A-Za-z]+)+(?![\w(\[=])")
WIDTH = 120

CELL = """
equations: |
  误差[t] = sum(权[i]*x[i] for i in 1..2)*x[t] + 误差[t-1]*w' for t in 1..T
  out[t] = clip(误差[t], -1, 1) + step(误差[t], 0) + xlogy(x[t], w') for t in 1..T
  E = sum(out[t]**2 for t in 1..T)
sizes: {T: 2}
values: {"x[1]": 0.5, "x[2]": 0.25, "误差[0]": 0, "权[1]": 1, "权[2]": 2, w': 3}
target: E
"""


@cache
def example(name: str) -> Problem:
    """An example's problem."""
    return api.load(ROOT / "examples" / name / "problem.yaml")


@cache
def program(name: str, library: str, language: str) -> str:
    """The program of an example."""
    return api.emit(example(name), library, language=language)


def documented(tree: ast.AST) -> Iterator[ast.Module | ast.FunctionDef]:
    """What has a docstring."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef)) and ast.get_docstring(node, clean=False) is not None:
            yield node


def docstrings(text: str) -> list[str]:
    """The docstrings of a program."""
    return [ast.get_docstring(node, clean=False) or "" for node in documented(ast.parse(text))]


def comments(text: str) -> list[str]:
    """The comments of a program."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


def code(text: str) -> str:
    """What a program does: its tree, without docstrings."""
    tree = ast.parse(text)
    for node in documented(tree):
        del node.body[0]
    return ast.dump(tree)


def left(text: str) -> list[str]:
    """What is English in the comments and docstrings of a program, and comments without a Chinese sign."""
    said = [EQUATION.sub("", comment) for comment in comments(text)]
    lines = [CODE.sub("", line) for whole in docstrings(text) for line in whole.splitlines()]
    return [run for line in [*said, *lines] for run in ENGLISH.findall(line)] + [c for c in said if not SIGN.search(c)]


def columns(line: str) -> int:
    """How wide a line is printed."""
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in line)


EACH = [(name, library) for name in EXAMPLES for library in LIBRARIES if (name, library) not in NONE]
every_program = pytest.mark.parametrize(("name", "library"), EACH)
every_script = pytest.mark.parametrize("language", CHINESE)


@every_script
@every_program
def test_no_english_is_left(name: str, library: str, language: str) -> None:
    assert left(program(name, library, language)) == []


@every_script
@every_program
def test_the_code_is_the_same(name: str, library: str, language: str) -> None:
    english, chinese = program(name, library, "en"), program(name, library, language)
    assert code(chinese) == code(english)
    assert len(comments(chinese)) == len(comments(english)) and len(docstrings(chinese)) == len(docstrings(english))


@every_script
@every_program
def test_docstrings_fit(name: str, library: str, language: str) -> None:
    lines = [line for whole in docstrings(program(name, library, language)) for line in whole.splitlines()]
    assert [line for line in lines if columns(line) + len('    """"""') > WIDTH] == []


@every_script
@pytest.mark.parametrize("library", NAMES)
def test_every_function_that_a_library_may_need(library: str, language: str) -> None:
    dialect = dialect_of(library)
    usage = [line.replace("result = ", "") for line in dialect.usage]
    for text in ["\n".join([*dialect.header, *usage]), *dialect.helpers.values()]:
        told = worded(text)
        assert left(told.in_language(language)) == []
        assert code(told.in_language(language)) == code(told)
        assert "{" not in told


@every_script
@pytest.mark.parametrize("library", LIBRARIES)
def test_names_of_a_document(library: str, language: str) -> None:
    problem = api.loads(CELL)
    english, chinese = api.emit(problem, library), api.emit(problem, library, language=language)
    assert code(chinese) == code(english) and left(chinese) == []


@every_script
def test_a_graph_level_by_level(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its functions for groups call the same helpers."""
    monkeypatch.setattr(swept, "NODE", 1e9)  # what one number by itself costs: all go in groups
    lines = "\n".join(f"  z{k} = erf(z{k - 1}) + xlogy(z{k - 1}, 2)" for k in range(1, 1300))
    problem = api.loads(f"equations: |\n{lines}\n  E = z1299\nvalues: {{z0: 0.5}}\ntarget: E\n")
    english, chinese = api.emit(problem), api.emit(problem, language=language)
    assert "def xlogy" in english and "def gradient" not in english
    assert code(chinese) == code(english) and left(chinese) == []


@every_script
def test_a_program_in_numbers_of_32_bits(language: str) -> None:
    """The line with the type is another one, the rest speaks as before."""
    english, chinese = (api.emit(example("16_lstm"), "numba", "float32", spoken) for spoken in ("en", language))
    assert english.count("np.float32") == chinese.count("np.float32") and "# or np.float32" not in english
    assert left(chinese) == [] and code(chinese) == code(english)


def test_the_type_of_an_array_program_is_one_line() -> None:
    text = Text("import numpy as np\n", worded("real = np.float64  # {or_float32}"), "\n", say("about.result"))
    changed = text.with_line("real = np.float64  # or np.float32", "real = np.float32")
    assert changed == "import numpy as np\nreal = np.float32\n``result`` holds, in the same way:"
    assert in_language(changed, "zh-Hans").endswith("real = np.float32\n``result`` 以同样的方式存放：")


def test_what_runs_is_english() -> None:
    """`gradient_program` has the text that `emit` gives; another process gets the code alone."""
    source = api.gradient_program(example("07_elman"), "numpy").source
    assert source == api.emit(example("07_elman"), "numpy")
    assert left(source)
    sent = pickle.loads(pickle.dumps(source))
    assert type(sent) is str and sent == source


@every_script
def test_the_command(language: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(ROOT / "examples" / "07_elman" / "problem.yaml")
    try:
        assert main(("--lang", language, path, "--emit", "torch")) == 0
        asked = capsys.readouterr().out
        monkeypatch.setenv("LC_ALL", {"zh-Hans": "zh_CN.UTF-8", "zh-Hant": "zh_TW.UTF-8"}[language])
        assert main((path, "--emit", "torch")) == 0
    finally:
        speak("en")
    assert asked == capsys.readouterr().out == program("07_elman", "torch", language)


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(ProblemError, match="tlh"):
        api.emit(example("07_elman"), "numpy", language="tlh")


def test_the_catalogue_is_read_when_a_program_is_written() -> None:
    """Not before: a derivation does without."""
    path = ROOT / "examples" / "04_scalar_rnn" / "problem.yaml"
    script = "import sys\nfrom bptt_solver.__main__ import main\nmain(sys.argv[1:])\n"
    script += "assert 'bptt_solver.compile.words' not in sys.modules"
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True)


def catalogue(language: str) -> dict[str, str]:
    """The sentences of programs."""
    return read_catalogue((LOCALE / f"program.{language}.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_comment_is_one_line(language: str) -> None:
    lines = {key: text.split("\n") for key, text in catalogue(language).items()}
    assert {key.partition(".")[0] for key, found in lines.items() if len(found) > 1} <= {"about"}
    assert [key for key, found in lines.items() if any(columns(line) > WIDTH - 12 for line in found)] == []


def test_every_sentence_is_used() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(SOURCES.rglob("*.py")))
    keys = catalogue("en")
    shown = {f'"{key}"' if not key.startswith("dialect.") else f"{{{key.removeprefix('dialect.')}}}" for key in keys}
    made = {f"{{last_{what}}}" for what in ("sum", "mean", "max", "min")}  # `last_{what}` in Numba's table
    assert {word for word in shown - made if word not in text} == set()


# -- planted faults


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# h[t] = tanh(a[t]) for t in 1..T  (section 3)\nx = 1\n", "for t in"),
        ("# h[t] = tanh(a[t]) for t in 1..T（第 3 节，section three）\nx = 1\n", "section three"),
        ("x = y  # in its place\n", "in its place"),
        ("x = y  # unused\n", "# unused"),
        ("def rows(x):\n    '''The rows of x。'''\n", "The rows of x"),
        ("'''一组式子的程序。\n\n    result = gradient(given)  # in its type\n'''\n", "in its type"),
    ],
)
def test_english_is_found(text: str, found: str) -> None:
    assert found in left(text)


def test_a_comment_that_is_written_past_the_catalogue_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def written(self: Source, words: str, depth: int) -> None:
        self.lines.append("    " * depth + "# " + words)

    monkeypatch.setattr(Source, "_comment", written)
    assert left(api.emit(example("16_lstm"), "torch", language="zh-Hans"))


def test_a_comment_of_two_lines_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(say._read("zh-Hans"), "equation", "{equation}\n第 {section} 节")
    with pytest.raises(SyntaxError):
        code(api.emit(example("16_lstm"), "torch", language="zh-Hans"))
