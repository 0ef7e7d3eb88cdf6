"""What the bad documents of ``tests/errors`` are told in Chinese: no English words, full-width punctuation."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

import bptt_solver
from bptt_solver.catalogues import LANGUAGES

DOCUMENTS = sorted((Path(__file__).parents[1] / "errors").glob("*.yaml"))
CHINESE = LANGUAGES[1:]
ENGLISH = re.compile(r"(?<![\w.-])(?:the|an|of|is|are|or|and|not|to|with|by|from|has|have|write|did|you)(?![\w.=:(-])")
# What is written as it stands: code, quotations, names of characters, ranges of the language.
CODE = re.compile(r"`[^`]*`|“[^”]*”|「[^」]*」|'[^']*'|\{[^{}]*\}|（[A-Z][A-Z -]+）|\([A-Z][A-Z -]+\)|sum\(.*?\)")
PLACE = re.compile(r"^\S*?\.yaml(:\d+:\d+)?[:：]\s?")


@cache
def told(path: Path, language: str) -> tuple[str, ...]:
    """The sentences about a document, without the lines of it that are shown and without its name."""
    try:
        bptt_solver.solve(bptt_solver.load(path))
    except bptt_solver.ProblemError as error:
        lines = str(error.in_language(language)).splitlines()
        return tuple(PLACE.sub("", line) for line in lines if not re.match(r"\s|\d+ \||\|", line))
    return ()


def english(sentence: str) -> list[str]:
    """English words of a sentence that are no code."""
    return ENGLISH.findall(CODE.sub("", sentence))


@pytest.mark.parametrize("language", CHINESE)
def test_no_english(language: str) -> None:
    sentences = {line for path in DOCUMENTS for line in told(path, language)}
    assert len(sentences) > 200
    assert {line for line in sentences if english(line)} == set()


@pytest.mark.parametrize("language", CHINESE)
def test_every_document_is_told_in_chinese(language: str) -> None:
    silent = [
        path.name for path in DOCUMENTS if told(path, language) and not re.search("[一-鿿]", told(path, language)[0])
    ]
    assert silent == []


@pytest.mark.parametrize("language", CHINESE)
def test_no_two_marks_meet(language: str) -> None:
    """A hint that is a question, and a second hint behind it: no ``？；``."""
    sentences = {line for path in DOCUMENTS for line in told(path, language)}
    assert {line for line in sentences if re.search("[，；。：？][，；。：？]", CODE.sub("x", line))} == set()


def test_english_is_found() -> None:
    assert english("“W”没有值 (did you mean 'V'?)") == ["did", "you"]
    assert english("应为 2 or 3") == ["or"]
    assert english("写成 `a or b`，例如“x or y”") == []
