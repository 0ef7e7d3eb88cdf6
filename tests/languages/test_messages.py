"""What is said of wrong input, in every language: wrong documents, wrong options, and no plain English in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import bptt_solver
from bptt_solver import api
from bptt_solver.analyses.truncation import rule_from_text
from bptt_solver.catalogues import LANGUAGES, Message
from bptt_solver.errors import Excerpt, ProblemError
from bptt_solver.language.parser import parse_expression
from bptt_solver.limits import Limits
from bptt_solver.problem.problem import with_eliminated
from bptt_solver.profiles.profile import profile
from bptt_solver.registry import Registry

ERRORS = Path(__file__).parents[1] / "errors"
PACKAGE = Path(bptt_solver.__file__).parent
CHINESE = LANGUAGES[1:]
# what is written as it is in every language: quotes, code, formulas, names of characters and of options
AS_IT_IS = re.compile(
    r"""“[^”]*”|「[^」]*」|'[^']*'|"[^"]*"|`[^`]*`|--[a-z][\w-]*(?: [\w=,.:\[\]]+)?|\{.*\}|\b[A-Z-]{2,}\b"""
)
CODE = re.compile(r"\bfor \w+ in \S+|[\w\[\]]+ = [^（）；，]*|(?:clip|reset): \w+|sum\([^（）]*\)")
ENGLISH = re.compile(r"[A-Za-z]{2,}[,;:]? +(?:[A-Za-z] +)?[A-Za-z]{2,}")


def left(told: str) -> list[str]:
    """Runs of two English words in a message, outside what is written as it is in every language."""
    found: list[str] = []
    for line in told.splitlines():
        if not line.startswith("  "):  # the lines of the document, with their carets
            found += ENGLISH.findall(CODE.sub("", AS_IT_IS.sub("", line)))
    return found


def problems_of(action: Callable[[], object]) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        action()
    return caught.value


# ----------------------------------------------------------------------------- documents


@pytest.mark.parametrize("path", sorted(ERRORS.glob("*.yaml")), ids=lambda path: path.stem)
def test_wrong_documents(path: Path) -> None:
    error = problems_of(lambda: api.solve(api.load(str(path))))
    for language in CHINESE:
        told = error.in_language(language).replace(str(path.parent), "")
        assert left(told) == []
        for line in told.splitlines():
            assert line.startswith("  ") or re.search(r"[\u4e00-\u9fff]", line)
    assert error.in_language("en") == str(error)
    assert str(error).splitlines()[0] == error.problems[0].render().splitlines()[0]


# ----------------------------------------------------------------------------- options

SIZES = "sizes: {input: 2, hidden: 2, output: 1}"
RNN = "network: {topology: elman, " + SIZES + ", %s}\ndata: {x: [[1, 2], [3, 4]], d: [[1], [0]]}"
NET = "network: {topology: feedforward, layers: [2, 1], %s}\ndata: {x: [1, 2], d: [1]}"
SCALAR = "equations: |\n  a = w*x\n  E = a**2\nvalues: {w: 2, x: 3}\n"


def solved(text: str, **options: object) -> Callable[[], object]:
    return lambda: api.solve(api.loads(text), **options)  # type: ignore[arg-type]


CASES: dict[str, Callable[[], object]] = {
    "limit without a value": lambda: Limits.parse(["depth"]),
    "limit that is none": lambda: Limits.parse(["xyz=5"]),
    "limit above its cap": lambda: Limits.parse(["depth=301"]),
    "limit that is no number": lambda: Limits.parse(["depth=1e3"]),
    "depth of an expression": lambda: parse_expression(Excerpt.of("(" * 200 + "1" + ")" * 200)),
    "expression without an end": lambda: parse_expression(Excerpt.of("a + ")),
    "unknown function": lambda: Registry.load().function("tnah"),
    "unknown topology": lambda: Registry.load().topology("lstn"),
    "unknown update rule": lambda: Registry.load().update_rule("adan"),
    "unknown notation": lambda: profile("nobody"),
    "truncation without a number": lambda: rule_from_text("depth"),
    "truncation by two ways": lambda: rule_from_text("depth=2,k1=3"),
    "truncation of nothing": lambda: rule_from_text("k2=3"),
    "truncation that is too short": lambda: rule_from_text("k1=3,k2=2"),
    "truncation with an unknown option": lambda: rule_from_text("dept=3"),
    "truncation without time": lambda: api.solve(api.loads(SCALAR), truncate="depth=2").render("text"),
    "no such target": solved(SCALAR + "target: F\n"),
    "no such member": solved(SCALAR + "wrt: w[3]\n"),
    "eliminated target": lambda: with_eliminated(api.loads(SCALAR), "E"),
    "eliminated value": lambda: with_eliminated(api.loads(SCALAR), "w"),
    "bias": solved(RNN % "bias: maybe"),
    "activation that is no function": solved(RNN % "activation: 3"),
    "activation that is unknown": solved(RNN % "activation: tnah"),
    "sequences": solved(RNN % "sequences: many"),
    "inputs at a step twice": solved(RNN % "inputs: [1, 1]"),
    "inputs behind the end": solved(RNN % "steps: 2, inputs: [1, 5]"),
    "lengths of one sequence": solved(RNN % "lengths: len"),
    "lengths that are none": solved(RNN % "lengths: 3.5"),
    "steps that are missing": solved(RNN % "inputs: first, targets: last"),
    "option that is none": solved(RNN % "layer: 2"),
    "loss that is none": solved(NET % "loss: squared_eror"),
    "readout that is no truth": solved(RNN % "readout: 7"),
    "output without a readout": solved(RNN % "readout: false, output: tanh"),
    "reduction": solved(RNN % "reduction: max"),
    "notation": solved(SCALAR + "notation: {profil: rumelhart}\n"),
    "renamed to what is there": solved(SCALAR + "notation: {rename: {a: x}}\n"),
    "sign of delta": solved(SCALAR + "notation: {delta_sign: 2}\n"),
    "square root of a negative number": solved("equations: E = sqrt(x)\nvalues: {x: -2}\n"),
    "too large": solved("equations: E = exp(x)\nvalues: {x: 1000.0}\n"),
    "weights without a network": solved(SCALAR + "weights: {file: w.npz}\n"),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_options(name: str) -> None:
    error = problems_of(CASES[name])
    assert str(error) == error.in_language("en") != ""
    for language in CHINESE:
        assert left(error.in_language(language)) == []
        assert re.search(r"[\u4e00-\u9fff]", error.in_language(language))
    for problem in error.problems:
        assert isinstance(problem.message, Message)


def test_a_planted_english_message_is_found() -> None:
    assert left("x.yaml:1:2: 没有 unknown name here") == ["unknown name"]
    assert left("x.yaml:1:2: 没有“unknown name”（例如写成：for t in 1..T）") == []


# ----------------------------------------------------------------------------- the code

TELLING = {
    "add", "exceeded", "fail", "note", "wrong", "Malformed", "NotFinite", "OptionError", "Problem", "Wrong", "_error",
    "_warn",
}  # fmt: skip
WORDS = re.compile(r"[A-Za-z]{2,},? +(?:[A-Za-z] +)?[A-Za-z]{2,}|[a-z]{2,} \0|\0 [a-z]{2,}")
COMMANDS = re.compile(r"pip install|--\w+")


def texts(node: ast.expr) -> Iterator[str]:
    """The texts that an argument may be, with a zero for what is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from (*texts(node.body), *texts(node.orelse))
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from texts(value)
    elif isinstance(node, ast.BinOp):
        yield from (*texts(node.left), *texts(node.right))


def plain_english(source: str) -> list[str]:
    """Sentences that stand in the code where a message belongs: as an argument, or in a name that is one."""
    found: list[str] = []
    for scope in ast.walk(ast.parse(source)):
        if not isinstance(scope, ast.Module | ast.FunctionDef):
            continue
        assigned: dict[str, list[str]] = {}
        calls: list[ast.Call] = []
        for node in ast.walk(scope):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                assigned.setdefault(node.targets[0].id, []).extend(texts(node.value))
            elif isinstance(node, ast.Call):
                calls.append(node)
        for call in calls:
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            if name in TELLING:
                for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
                    known = assigned.get(argument.id, []) if isinstance(argument, ast.Name) else texts(argument)
                    found += [text for text in known if WORDS.search(text) and not COMMANDS.match(text)]
    return found


@pytest.mark.parametrize(
    "path",
    [p for p in sorted(PACKAGE.rglob("*.py")) if p.name != "testing.py"],
    ids=lambda p: str(p.relative_to(PACKAGE)),
)
def test_no_message_stands_in_the_code(path: Path) -> None:
    assert plain_english(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "fail('there is no equation')",
        "raise OptionError(f'{path} must be {known}', *path)",
        "problems.add(message('a.b'), span, hint or f'known: {names} there')",
        "def f():\n    told = 'not a number'\n    raise NotFinite(told)",
    ],
)
def test_a_planted_sentence_is_found(source: str) -> None:
    assert len(set(plain_english(source))) == 1


def test_what_is_no_sentence_is_not() -> None:
    assert plain_english("fail(message('a.b', name=f'{x} {y}'), span, 'tanh')\nseen.add('x')") == []
