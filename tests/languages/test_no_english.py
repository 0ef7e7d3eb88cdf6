"""No English is left in Chinese output: every example, every topology's example, every analysis, in both scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import bptt_solver
from bptt_solver.blocks import Alert, Block, Flow, Formulas, Heading, Line, Note, Paragraph, Table
from bptt_solver.catalogues import LANGUAGES
from bptt_solver.problem.problem import Problem
from bptt_solver.profiles.profile import profile_names
from bptt_solver.registry import Registry
from bptt_solver.solution import Solution

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/problem.yaml"))
TOPOLOGIES = {topology.name: topology for topology in Registry.load().topologies}
CHINESE = LANGUAGES[1:]
WORD = r"[A-Za-z\u00c0-\u024f]+(?:['’-][A-Za-z]+)*"
RUN = re.compile(rf"(?<![\w@-]){WORD}(?:[,;:]? {WORD})+(?![\w(\[=])")
CODE = re.compile(r"--[a-z-]+(?: [\w:,\[\]]+)?|-f \w+|h\[t\] = tanh\(w\*h\[t-1\]\) for t in 1\.\.T")
SPACED = re.compile(r"  |(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])| (?=[，。：；、）”」])|(?<=[，。：；、（“「]) ")
SPACED_NAMES = (  # citations and names of libraries and books
    "Hochreiter & Schmidhuber",
    "Gers, Schmidhuber & Cummins",
    "Schuster & Paliwal",
    "Sutskever, Vinyals & Le",
    "Cho et al.",
    "Goller & Küchler",
    "Socher et al.",
    "Pascanu et al.",
    "Graves, Mohamed and Hinton",
    "Jaeger, Lukosevicius, Popovici and Siewert",
    "Lin, Horne, Tino and Giles",
    "Goodfellow, Bengio and Courville",
    "Sutskever et al.",
)
WAYS: dict[str, dict[str, Any]] = {
    "flow": {"flow": True},
    "by both": {"by": "both"},
    "truncate": {"truncate": {"depth": 1}},
    "windows": {"truncate": {"k1": 1, "k2": 2}},
    "rtrl": {"method": "rtrl"},
    "perturbation": {"method": "perturbation"},
    "second": {"second": True},
    "closed form": {"closed_form": True},
    "numpy": {"backend": "numpy"},
    "memory": {"backend": "numpy", "memory": "1MB", "schedule": True},
    "scalar": {"detail": "scalar"},
    "summary": {"detail": "summary"},
    "full check": {"check": "full"},
    "no check": {"check": "none"},
    **{f"notation {name}": {"notation": name} for name in profile_names()},
}
FEW = ("01_ordered_variables", "04_scalar_rnn", "16_lstm", "20_encoder_decoder", "24_vanishing", "26_training")


def words_of(block: Block) -> Iterator[tuple[Any, ...]]:
    """Every sentence of a block, without its formulas' trees."""
    lines: Sequence[Line] = ()
    match block:
        case Heading(level=level, words=words, remark=remark):
            yield from (words, remark) if level else (remark,)  # the title is the document's
        case Paragraph(words=words, lead=lead):
            yield from (lead, words)
        case Note(words=words) | Alert(words=words):
            yield words
        case Formulas(lines=lines, lead=lead) | Flow(items=lines, lead=lead):
            yield lead
        case Table(header=header, rows=rows, caption=caption):
            yield from (caption, *header, *(cell for row in rows for cell in row))
    for line in lines:
        yield from (line.lead, line.remark)


def said(solution: Solution) -> Iterator[str]:
    """The sentences of a solution; a formula is a placeholder."""
    description = " ".join((solution.computation.problem.document.description or "").split())
    for block in solution.blocks:
        for words in words_of(block):
            text = "".join([word if isinstance(word, str) else "\N{WHITE SQUARE}" for word in words])
            if text and text != description:
                yield text


def english(text: str) -> list[str]:
    """Runs of English words in a sentence."""
    for name in SPACED_NAMES:
        text = text.replace(name, "")
    return RUN.findall(CODE.sub("", text))


@cache
def example(name: str) -> Problem:
    """An example's problem."""
    return bptt_solver.load(next(path for path in EXAMPLES if path.parent.name == name))


def wrong(problem: Problem, language: str, **options: Any) -> dict[str, list[str]]:
    """What of the words of a solution is English, or has a space too many."""
    found: dict[str, list[str]] = {}
    for text in said(bptt_solver.solve(problem, language=language, **options)):
        left = english(text) + ["space"] * bool(SPACED.search(text.strip()))
        if left:
            found[text] = left
    return found


@pytest.mark.parametrize("language", CHINESE)
@pytest.mark.parametrize("name", [path.parent.name for path in EXAMPLES])
def test_examples(name: str, language: str) -> None:
    assert wrong(example(name), language) == {}


@pytest.mark.parametrize("language", CHINESE)
@pytest.mark.parametrize("name", sorted(TOPOLOGIES))
def test_topologies(name: str, language: str) -> None:
    text = json.dumps({"network": {"topology": name, **TOPOLOGIES[name].example}})
    assert wrong(bptt_solver.loads(text), language) == {}


@pytest.mark.parametrize("language", CHINESE)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FEW)
def test_analyses(name: str, way: str, language: str) -> None:
    try:
        found = wrong(example(name), language, **WAYS[way])
    except bptt_solver.ProblemError as error:
        found = {text: english(text) for text in (str(error.in_language(language)),) if english(text)}
    assert found == {}


def test_english_is_found() -> None:
    assert english("梯度 the gradient of 是") == ["the gradient of"]
    assert english("拓扑 lstm：门控（Cho et al. 2014）。用 --steps all 打印") == []
