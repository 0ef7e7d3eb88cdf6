"""YAML's syntax errors in words that help somebody who writes equations."""

from __future__ import annotations

import re
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.errors import Problem, Source, Span

_QUOTES = "yaml.quotes"
_COLUMN = "yaml.column"
_SECOND = "yaml.second_colon_hint"
_FLOW = "yaml.flow"
_FOUND = re.compile(r"(?:found|got)(?: character| unknown escape character)? (.+?)(?: that cannot.*)?$", re.DOTALL)
_TOKENS = {  # what is found there: as it is written, or a key
    "<stream end>": "yaml.end",
    "<document end>": "yaml.end",
    "<scalar>": "yaml.a_text",
    "<block mapping start>": "yaml.deeper",
    "<block sequence start>": "yaml.a_list",
    "<block end>": "yaml.block_end",
    "-": "'- '",
    "?": "yaml.a_key",
    "<alias>": "'*'",
    "<anchor>": "'&'",
    "<tag>": "'!'",
}


def syntax_problem(error: Any, source: Source) -> Problem:
    """The problem that a ``MarkedYAMLError`` of ruamel.yaml tells."""
    problem, context = str(error.problem or ""), str(error.context or "")
    mark = error.problem_mark or error.context_mark
    at = mark.index if mark else 0
    begun = error.context_mark.index if error.context_mark else at
    found = _found(problem)

    line = source.position(begun)[0]
    for fragment, key, hint, from_start in _RULES:
        if fragment in problem or fragment in context:
            told = message(key, found=found, line=line)
            return Problem(told, _place(source, begun if from_start else at), message(hint) if hint else None)
    return Problem(message("yaml.not_valid", problem=problem), _place(source, at))


def _place(source: Source, at: int) -> Span:
    """One character; the end of the document is shown behind its last text."""
    at = min(at, len(source.text.rstrip()))
    return Span(source, at, at + 1)


def _found(problem: str) -> str:
    match = _FOUND.search(problem)
    if not match:
        return message("yaml.this")
    word = match.group(1).strip("(),").strip("'\"")
    token = _TOKENS.get(word, "yaml.a_tab" if word == "\\t" else "")
    return message(token) if token[:5] == "yaml." else token or message("syntax.word", word=word)


# (part of ruamel's message, the keys of ours and of the hint, whether the place is where the construct began); the
# first that fits counts
_RULES: tuple[tuple[str, str, str | None, bool], ...] = (
    ("mapping values are not allowed", "yaml.second_colon", _SECOND, False),
    ("found character '\\t'", "yaml.tab", "yaml.spaces", False),
    ("cannot start any token", "yaml.cannot_begin", _QUOTES, False),
    ("expected ',' or ']', but got '<stream end>'", "yaml.open_list", None, True),
    ("expected ',' or '}', but got '<stream end>'", "yaml.open_mapping", None, True),
    ("expected ',' or ']'", "yaml.in_list", _FLOW, False),
    (
        "expected ',' or '}'",
        "yaml.in_entries",
        _FLOW,
        False,
    ),
    ("could not find expected ':'", "yaml.name_value", "yaml.colon_or_indent", True),
    ("found unexpected ':'", "yaml.space", _FLOW, False),
    ("unexpected end of stream", "yaml.quote", None, True),
    ("unexpected document separator", "yaml.separator", "yaml.quote_missing", False),
    ("unknown escape character", "yaml.unknown_escape", "yaml.single", False),
    ("expected escape sequence", "yaml.incomplete", "yaml.single", False),
    ("sequence entries are not allowed", "yaml.list_here", "yaml.own_line", False),
    ("mapping keys are not allowed", "yaml.question", _QUOTES, False),
    ("while scanning a block scalar", "yaml.block", None, False),
    ("while scanning an alias", "yaml.star", _QUOTES, True),
    ("while scanning an anchor", "yaml.ampersand", _QUOTES, True),
    ("tag", "yaml.exclamation", _QUOTES, True),
    ("directive", "yaml.percent", _QUOTES, False),
    ("but found '}'", "yaml.close_mapping", None, False),
    ("but found ']'", "yaml.close_list", None, False),
    ("but found '<block mapping start>'", "yaml.indented", _COLUMN, False),
    ("expected the node content", "yaml.missing", "yaml.quotes_if", False),
    ("while parsing a block", "yaml.line", "yaml.indentation", False),
    ("expected '<document start>'", "yaml.after_end", None, False),
    ("document end marker", "yaml.after_end", None, False),
)
