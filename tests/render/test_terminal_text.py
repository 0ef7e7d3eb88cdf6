"""Text for terminals: narrow ones, poor encodings, Chinese; and colours that change nothing but colours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bptt_solver import api
from bptt_solver.blocks import (
    Alert,
    Block,
    Flow,
    Formula,
    Formulas,
    Heading,
    Item,
    Line,
    Note,
    Paragraph,
    Step,
    Table,
    Value,
    Way,
    Words,
)
from bptt_solver.language.expressions import Call, Reference
from bptt_solver.language.notation.numbers import ascii_text
from bptt_solver.language.templates import slot
from bptt_solver.render import render
from bptt_solver.render.breaking import beside, broken, forced
from bptt_solver.render.columns import columns, split_at
from bptt_solver.render.screen import NAMED, SHADES, Screen, palette

EXAMPLES = Path(__file__).parents[2] / "examples"
CODE = re.compile(r"\x1b\[[0-9;]*m")

names = st.sampled_from(["z1", "权重", "∂⁺E/∂z1", "很长的名字很长的名字很长的名字", "a" * 50, "h'", "隱藏層"])
texts = st.one_of(
    st.sampled_from(
        ["is used by", "由下式得到，见上。", "（3×1）", "x" * 70, "a - b + c = d", "∂ Σ · ─", "\x1b[31m", ""]
    ),
    st.text(max_size=30),
)
leaves: st.SearchStrategy[Item] = st.one_of(
    names.map(Reference), st.floats(-100, 100).map(Value), st.lists(st.floats(-9, 9), max_size=9).map(Value)
)
words: st.SearchStrategy[Words] = st.lists(st.one_of(texts, leaves), max_size=4).map(tuple)
sums = st.lists(st.one_of(names.map(Reference), st.floats(-100, 100).map(Value)), min_size=2, max_size=9).map(
    lambda found: Formula(Call("add", tuple(slot(k) for k in range(len(found)))), tuple(found))
)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """A line, perhaps with the ways of its terms."""
    chain = draw(st.lists(st.one_of(leaves, sums), max_size=4))
    formulas = [item for item in chain if isinstance(item, Formula)]
    count = len(formulas[0].leaves) if formulas else 2
    ways = [Way(draw(st.sampled_from(["", "h[1]"]))) for _ in range(count)]
    return Line(chain, draw(words), draw(words), draw(st.sampled_from([None, Step("z1", "backward", ways)])))


rows = st.lists(lines(), min_size=1, max_size=4)
cells = st.lists(words, min_size=1, max_size=8)
blocks: st.SearchStrategy[Block] = st.one_of(
    st.builds(Heading, words, st.integers(0, 1), st.sampled_from(["", "5"]), words),
    st.builds(Paragraph, words, words, st.integers(0, 1)),
    st.builds(Formulas, rows, words, st.integers(0, 1)),
    st.builds(Flow, rows, words, st.integers(0, 1)),
    st.builds(Table, cells, st.lists(cells, max_size=4), words),
    st.builds(Note, words),
    st.builds(Alert, words),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(blocks, min_size=1, max_size=3),
    st.integers(20, 130),
    st.sampled_from(["", "ascii", "cp437", "gbk", "big5"]),
    st.sampled_from([SHADES, NAMED]),
)
def test_colours_change_nothing_and_nothing_is_too_wide(
    given_blocks: list[Block], width: int, encoding: str, codes: dict[str, str]
) -> None:
    plain = render(given_blocks, screen=Screen(width, None, encoding, True))
    coloured = render(given_blocks, screen=Screen(width, codes, encoding, True))
    assert CODE.sub("", coloured) == plain
    assert "\x1b" not in plain
    assert set(CODE.findall(coloured)) <= {"\x1b[0m", *(f"\x1b[{code}m" for code in codes.values())}
    assert all(columns(row) <= width for row in plain.split("\n"))
    for row in coloured.split("\n"):  # each row ends as it began, so that a pager may begin anywhere
        found = CODE.findall(row)
        assert found[1::2] == ["\x1b[0m"] * (len(found) // 2) and len(found) % 2 == 0
    if encoding:
        plain.encode(encoding)


@settings(max_examples=150, deadline=None)
@given(st.text("ab +−=()[]; ，权", max_size=200), st.integers(10, 60))
def test_breaking_moves_only_spaces(row: str, width: int) -> None:
    for pieces in (broken(row, width, "    "), forced(row, width, "    ")):
        assert "".join(pieces).replace(" ", "") == row.replace(" ", "")
    assert all(columns(piece) <= width for piece in forced(row, width, "    "))


def test_where_columns_of_a_table_go() -> None:
    assert beside([4, 5, 5, 5], 2, 30) == [[0, 1, 2, 3]]
    assert beside([4, 5, 5, 5], 2, 18) == [[0, 1, 2], [0, 3]]
    assert beside([4, 5, 20], 2, 18) is None
    assert beside([4], 2, 18) == [[0]]
    assert beside([40], 2, 18) is None
    assert split_at("学习ab", 3) == 1 and split_at("学", 1) == 1


def test_a_table_that_is_too_wide_is_folded_or_stacked() -> None:
    table = Table([(), ("t=1",), ("t=2",), ("t=3",)], [[("权",), (Value(1.5),), (Value(2.5),), (Value(3.5),)]])
    assert render([table], screen=Screen(20)).splitlines() == [
        "        t=1  t=2", "    权  1.5  2.5", "        t=3", "    权  3.5",
    ]  # fmt: skip
    wide = Table([(), ("value",)], [[("a long name of a row",), ("a long text in a cell",)]])
    assert render([wide], screen=Screen(28)).splitlines() == [
        "    a long name of a row", "      value  a long text in", "        a cell",
    ]  # fmt: skip


def test_direct_terms_and_those_through_others_differ() -> None:
    chain = (Reference("∂⁺E/∂z1"), Formula(Call("add", (slot(0), slot(1))), (Value(2), Value(3))), Value(5))
    line = Line(chain, step=Step("z1", "backward", [Way(), Way("z2")]))
    text = render([Formulas([line])], screen=Screen(120, SHADES))
    direct, through, result = (f"\x1b[{SHADES[kind]}m" for kind in ("direct", "through", "result"))
    assert text == f"  ∂⁺E/∂z1 = {direct}2\x1b[0m + {through}3\x1b[0m = {result}5\x1b[0m\n"


@pytest.mark.parametrize("width", [44, 60, 80, 120])
def test_a_reason_is_never_left_out(width: int) -> None:
    """Where there is no room beside its formula, it stands above it; what is lit is the same at every width."""
    solution = api.solve(api.load(EXAMPLES / "01_ordered_variables" / "problem.yaml"))
    narrow, wide = (render(solution.blocks, "text", screen=Screen(w, SHADES)) for w in (width, 200))
    assert "5.4 z1 is used by z4, z3 and z2." in re.sub(r"\s+", " ", CODE.sub("", narrow))
    lit = re.compile(rf"{re.escape(chr(27))}\[{SHADES['through']}m([^\x1b]*)")
    assert lit.findall(narrow) == lit.findall(wide)


@pytest.mark.parametrize("language", ["zh-Hans", "zh-Hant"])
@pytest.mark.parametrize("width", [33, 60, 90])
def test_chinese_keeps_to_the_width(language: str, width: int) -> None:
    for name in ("01_ordered_variables", "04_scalar_rnn", "24_vanishing"):
        solution = api.solve(api.load(EXAMPLES / name / "problem.yaml"), flow=True, by="both")
        text = render(solution.told(language), screen=Screen(width, strict=True))
        assert max(map(columns, text.splitlines())) <= width


def test_columns_are_aligned_in_what_is_printed() -> None:
    """``²`` becomes two characters, and every number of a column still ends in the same place."""
    solution = api.solve(api.load(EXAMPLES / "04_scalar_rnn" / "problem.yaml"))
    text = solution.render("text", screen=Screen(encoding="ascii"))
    assert text.isascii()
    ends = [[m.end() for m in re.finditer(r"\S+", row)][-3:] for row in text.splitlines() if "de_t/dy_t = y" in row]
    ends += [[m.end() for m in re.finditer(r"\S+", row)][-3:] for row in text.splitlines() if "1 - h_t^2  " in row]
    assert len(ends) == 2 and ends[0] == ends[1]
    assert ascii_text("权·²", "gbk") == "权*^2" and ascii_text("权", "cp437") == "<U+6743>"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"TERM": "xterm-256color"}, SHADES),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, SHADES),
        ({"TERM": "vt220"}, NAMED),
    ],
)
def test_the_palette_is_one_that_the_terminal_knows(names: dict[str, str], expected: dict[str, str]) -> None:
    assert palette(names) is expected
    assert set(NAMED) == set(SHADES)
