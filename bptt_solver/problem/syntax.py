"""YAML's syntax errors in words that help somebody who writes equations."""

from __future__ import annotations

import re
from typing import Any

from bptt_solver.errors import Problem, Source, Span

_QUOTES = "put the text in quotes"
_COLUMN = "entries that belong together begin in the same column"
_SECOND = 'a text that contains ": " needs quotes, and a new entry begins in the same column as the others'
_FLOW = 'inside [ ] and { } a text with brackets, commas or ": " needs quotes, for example {"h[0]": [0, 0]}'
_FOUND = re.compile(r"(?:found|got)(?: character| unknown escape character)? (.+?)(?: that cannot.*)?$", re.DOTALL)
_TOKENS = {
    "<stream end>": "the end of the document",
    "<document end>": "the end of the document",
    "<scalar>": "a text",
    "<block mapping start>": "a line that is indented deeper",
    "<block sequence start>": "a list",
    "<block end>": "the end of the block",
    "-": "'- '",
    "?": "a key",
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
    for fragment, message, hint, from_start in _RULES:
        if fragment in problem or fragment in context:
            told = message.replace("{found}", found).replace("{line}", str(line))
            return Problem(told, _place(source, begun if from_start else at), hint)
    return Problem(f"not valid YAML: {problem}", _place(source, at))


def _place(source: Source, at: int) -> Span:
    """One character; the end of the document is shown behind its last text."""
    at = min(at, len(source.text.rstrip()))
    return Span(source, at, at + 1)


def _found(problem: str) -> str:
    match = _FOUND.search(problem)
    if not match:
        return "this"
    word = match.group(1).strip("(),").strip("'\"")
    return _TOKENS.get(word, "a tab" if word == "\\t" else f"'{word}'")


# (part of ruamel's message, ours, hint, whether the place is where the construct began); the first that fits counts
_RULES: tuple[tuple[str, str, str | None, bool], ...] = (
    ("mapping values are not allowed", "a second ':' in one value", _SECOND, False),
    ("found character '\\t'", "a tab at the beginning of a line", "indent with spaces", False),
    ("cannot start any token", "a text cannot begin with {found} here", _QUOTES, False),
    ("expected ',' or ']', but got '<stream end>'", "this '[' is never closed", None, True),
    ("expected ',' or '}', but got '<stream end>'", "this '{' is never closed", None, True),
    ("expected ',' or ']'", "expected ',' or ']' in the list that begins on line {line}, found {found}", _FLOW, False),
    (
        "expected ',' or '}'",
        "expected ',' or '}' in the entries that begin on line {line}, found {found}",
        _FLOW,
        False,
    ),
    ("could not find expected ':'", "expected 'name: value' here", "is the ':' or the indentation missing?", True),
    ("found unexpected ':'", "a space is missing after ':', or the text needs quotes", _FLOW, False),
    ("unexpected end of stream", "this quote is never closed", None, True),
    ("unexpected document separator", "'---' or '...' inside a quoted text", "is a quote missing?", False),
    ("unknown escape character", "unknown escape {found} in a text in double quotes", "use single quotes", False),
    ("expected escape sequence", "incomplete escape in a text in double quotes", "use single quotes", False),
    ("sequence entries are not allowed", "a list cannot begin here", "begin it on a line of its own", False),
    ("mapping keys are not allowed", "'?' cannot stand here", _QUOTES, False),
    ("while scanning a block scalar", "the text must begin on the line after '|' or '>'", None, False),
    ("while scanning an alias", "a text cannot begin with '*'", _QUOTES, True),
    ("while scanning an anchor", "a text cannot begin with '&'", _QUOTES, True),
    ("tag", "a text cannot begin with '!'", _QUOTES, True),
    ("directive", "this line begins with '%', which YAML reserves", _QUOTES, False),
    ("but found '}'", "nothing is open that this '}' could close", None, False),
    ("but found ']'", "nothing is open that this ']' could close", None, False),
    ("but found '<block mapping start>'", "this line is indented unlike those above", _COLUMN, False),
    ("expected the node content", "a value is missing before {found}", _QUOTES + " if it belongs to one", False),
    ("while parsing a block", "expected a line 'name: value' or '- item', found {found}", "see the indentation", False),
    ("expected '<document start>'", "text after the end of the document", None, False),
    ("document end marker", "text after the end of the document", None, False),
)
