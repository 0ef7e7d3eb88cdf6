"""The replaced loops of the scanner agree with ruamel.yaml's own on random documents."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import DocumentEndEvent

from bptt_solver.problem.nodes import PLAIN, Packed, Scalar, Sequence
from bptt_solver.problem.scanning import PACKED, DocumentReader, DocumentScanner

PIECES = [
    "a", "b:", "c: ", "- ", "\n", "\n  ", "\n ", "\n\n", "\n  - ", "\n  k: ", '"x', '"', "'", "''", "'q r'",
    '"s\\t"', "\\n",
    "\\x41", "\\\n", "#", " #k", "[", "]", "{", "}", ", ", ": ", "1", "2.5", "\t", " ", "  ", "\r\n", "|\n",
    ">-\n", "|+\n",
    "|2\n", "? ", "---\n", "...", "é",
]  # fmt: skip
# ruamel refuses or garbles a block that begins with a blank line that is deeper than its text; here it is blank.
DEEPER_BLANK = re.compile(r"[|>][-+0-9]*[ ]*(#.*)?\r?\n([ ]*\r?\n)*[ ]+\r?\n")


def events(text: str, ours: bool) -> list[Any]:
    yaml = YAML(typ="base", pure=True)
    if ours:
        yaml.Reader, yaml.Scanner = DocumentReader, DocumentScanner
    found: list[Any] = []
    try:
        for event in yaml.parse(text):
            style = getattr(event, "style", None)
            end = None if style in ("|", ">") else event.end_mark.index
            marks = (event.start_mark.index, event.start_mark.line, event.start_mark.column, end)
            found.append((type(event).__name__, getattr(event, "value", None), style, marks))
            if isinstance(event, DocumentEndEvent):
                break  # a second document is refused, whatever is in it
    except (MarkedYAMLError, ValueError) as error:
        found.append(("error", str(getattr(error, "problem", error))))
    return found


@given(st.lists(st.sampled_from(PIECES), max_size=16).map(lambda pieces: "k: " + "".join(pieces)))
@settings(max_examples=1500, deadline=None)
def test_same_events(text: str) -> None:
    if not DEEPER_BLANK.search(text):
        assert events(text, ours=True) == events(text, ours=False)


@given(
    st.sampled_from(["|", ">", "|-", ">-", "|+", ">+", "|2", ">1"]),
    st.lists(
        st.sampled_from(["  ab", "   c d", "\n", "\n\n", "  ", "    ", "  e", "\t", "\r\n", " x", "#"]), max_size=14
    ),
    st.sampled_from(["", "\n", "\nz: 1\n", "\n# c\n"]),
)
@settings(max_examples=1500, deadline=None)
def test_same_blocks(header: str, body: list[str], end: str) -> None:
    text = f"k: {header}\n{''.join(body)}{end}"
    if not DEEPER_BLANK.search(text):
        assert events(text, ours=True) == events(text, ours=False)


def test_a_blank_first_line_may_be_longer_than_the_indentation() -> None:
    assert events("k: |\n        \n  a\n", ours=True)[4][1] == "\na\n"


LONG = ", ".join(f"[{n}, -{n}.5e-3, w{n}]" for n in range(60))


@pytest.mark.parametrize(
    "text",
    [f"k: [{LONG}]\nz: 1", f"k: [ {LONG} , ]", f"k: {{a: [{LONG}], b: 2}}", f"- [{LONG}]\n- x", f"k:\n - [{LONG}]"],
)
def test_packed_sequences_unpack_to_the_same(text: str) -> None:
    plain = [event for event in events(text, ours=False) if event[0] == "ScalarEvent"]
    packed: list[Any] = []
    for event in events(text, ours=True):
        if event[0] == "ScalarEvent" and event[2] == PACKED:
            todo: list[Any] = [Packed(event[1], event[3][0], event[3][3]).unpack()]
            while todo:
                node = todo.pop(0)
                if isinstance(node, Sequence):
                    todo = [*node.items, *todo]
                else:
                    assert isinstance(node, Scalar)
                    assert node.style == PLAIN
                    packed.append((node.text, node.start, node.end))
        elif event[0] == "ScalarEvent":
            packed.append((event[1], event[3][0], event[3][3]))
    assert packed == [(event[1], event[3][0], event[3][3]) for event in plain]


@pytest.mark.parametrize(
    "spoilt", ["[1, 2", "[1 2]", "[1,,2]", "[a: 1]", "[{}]", "[1][2]", "[,1]", "['x']", "[&a 1]", "[---]"]
)
def test_anything_else_is_left_to_ruamel(spoilt: str) -> None:
    text = f"k: [{LONG}, {spoilt}]"
    assert not any(event[2:3] == (PACKED,) for event in events(text, ours=True))
