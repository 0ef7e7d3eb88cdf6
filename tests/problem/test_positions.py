"""Every character of an equation knows its line and column in the file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bptt_solver.errors import Excerpt, Problem, ProblemError, Source
from bptt_solver.problem.document import read_document


def excerpt(text: str) -> Excerpt:
    return read_document(Source("x.yaml", text)).equations[0]


def place(text: str, marker: str = "@") -> tuple[int, int]:
    """Line and column that are told for the marker in the first equation text."""
    found = excerpt(text)
    span = found.span(found.text.index(marker))
    assert span.source.text[span.start] == marker
    return span.source.position(span.start)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("equations: |\n  a = 1\n  b = @\n", (3, 7)),
        ("equations: |\n  a = 1\n\n\n     # deeper\n    b = @\n", (6, 9)),
        ("equations: |2-\n    b = @", (2, 9)),
        ("equations: |\r\n  a = 1\r\n  b = @\r\n", (3, 7)),
        ("equations: >\n  b = 1 +\n  2 + @\n", (3, 7)),
        ("equations: >\n  b = 1\n\n   + 2\n   + @\n", (5, 6)),
        ("equations: b = @", (1, 16)),
        ("equations: b = 1 +\n   2  +\n\n   @", (4, 4)),
        ("equations: 'b = @'", (1, 17)),
        ("equations: 'it''s ''b'' = @'", (1, 27)),
        ("equations: 'b = 1 +\n   2 + @'", (2, 8)),
        ('equations: "b = @"', (1, 17)),
        ('equations: "a = 1\\nb\\x20= \\u0032 + @"', (1, 36)),
        ('equations: "b = 1 +\n   2 + @"', (2, 8)),
        ('equations: "b\\t= 1 \\\n   + 2 +\n\n   @"', (4, 4)),
        ("equations:\n  - b = @\n", (2, 9)),
        ("{\"equations\": [\"b = @\"]}", (1, 21)),
        ("equations: [b = @, c = 2]", (1, 17)),
    ],
)  # fmt: skip
def test_places(text: str, expected: tuple[int, int]) -> None:
    assert place(text) == expected


def test_caret_stands_below_wide_characters() -> None:
    source = Source("x.yaml", "values: {中文 é: 1}\nequations: a = 1\n")
    with pytest.raises(ProblemError) as caught:
        read_document(source)
    assert str(caught.value) == (
        "x.yaml:1:10: '中文 é' is not a name (names have no spaces; write _)\n  values: {中文 é: 1}\n           ^^^^^^"
    )


def test_keys_and_values_know_their_places() -> None:
    text = "equations: a = 1\nvalues:\n  W:\n    - [1, 2]\n    - [3, 4]\n  h[0]: {from: 0, values: [5]}\n"
    weights = read_document(Source("x.yaml", text.replace("h[0]", "h"))).givens[0]
    assert weights.key_span.source.position(weights.key_span.start) == (3, 3)
    assert weights.value_span.source.position(weights.value_span.start) == (4, 5)
    for path, expected in [((1, 0), (5, 8)), ((1,), (5, 7)), ((0, 1), (4, 11)), ((9, 9), (4, 5))]:
        span = weights.span_of(path)
        assert span.source.position(span.start) == expected


def test_entries_of_a_long_list_know_their_places() -> None:
    rows = ",\n  ".join(f"[{row}.25, {row}.5]" for row in range(100))
    given_value = read_document(Source("x.yaml", f"equations: a = 1\nvalues: {{W: [{rows}]}}")).givens[0]
    assert given_value.value == [[row + 0.25, row + 0.5] for row in range(100)]
    span = given_value.span_of((40, 1))
    assert span.source.text[span.start : span.end] == "40.5"


LINES = st.lists(st.text(alphabet="ab=+ ()12'\"\\#:é中", max_size=8).map(str.strip), min_size=1, max_size=6).filter(
    lambda lines: bool(lines[0]) and bool(lines[-1])
)


@given(LINES, st.integers(1, 5), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["|", "|-", "|+"]))
def test_every_character_of_a_block(lines: list[str], indent: int, end: str, style: str) -> None:
    text = f"title: t{end}equations: {style}{end}" + "".join(" " * indent + line + end for line in lines)
    found = excerpt(text)
    assert found.text.rstrip("\n") == "\n".join(lines)
    for at, character in enumerate(found.text.rstrip("\n")):
        if character != "\n":
            assert text[found.offset(at)] == character


@given(LINES)
def test_every_plain_character_of_a_json_text(lines: list[str]) -> None:
    joined = "\n".join(lines)
    text = json.dumps({"title": "é", "equations": joined}, ensure_ascii=False)
    found = excerpt(text)
    assert found.text == joined
    for at, character in enumerate(joined):
        there = text[found.offset(at)]
        assert there == ("\\" if character in '\n"\\' else character)


@given(LINES)
def test_every_character_of_a_text_in_single_quotes(lines: list[str]) -> None:
    joined = "x " + " ".join(line.replace("=", "") for line in lines).strip()
    text = "equations: '" + joined.replace("'", "''").replace(" ", "\n   ", 1) + "'"
    found = excerpt(text)
    for at, character in enumerate(found.text):
        if character != " ":
            assert text[found.offset(at)] == character


def test_a_hundred_thousand_lines() -> None:
    text = "equations: |\n" + "".join(f"  z{n + 1} = 2*z{n}\n" for n in range(100_000))
    found = excerpt(text)
    at = found.text.index("z77777 =")
    assert found.source.position(found.offset(at)) == (77_778, 3)
    assert Problem("x", found.span(at, at + 6)).render().splitlines()[1:] == ["    z77777 = 2*z77776", "    ^^^^^^"]
