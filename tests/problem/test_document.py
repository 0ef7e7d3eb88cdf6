"""What a document says: names, values, roles, and the limits on all of it."""

from __future__ import annotations

import io
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from bptt_solver.errors import ProblemError, Source
from bptt_solver.limits import Limits
from bptt_solver.problem.document import Document, read_document
from bptt_solver.problem.nodes import compose
from bptt_solver.problem.values import FileValue, RandomValue, shape_of

EQUATION = "equations: a = 1\n"


def read(text: str, *limits: str) -> Document:
    return read_document(Source("x.yaml", text), Limits.parse(limits))


def told(text: str, *limits: str) -> str:
    with pytest.raises(ProblemError) as caught:
        read(text, *limits)
    return str(caught.value)


def test_everything_at_once() -> None:
    document = read(
        "title:  Four   variables\n"
        "description: |\n  Two\n  lines\n"
        "equations: |\n  z2 = 2*z1\n  E = z2\n"
        "values: {z1: 1, y: 1/2, n: -.5, on: 1e-3, E0: 3}\n"
        "data:\n  x: {from: 0, values: [[1, 2], [3, 4]]}\n  h[0]: [0, 0]\n  h[-1]: 0\n  W[ 1, -2 ]: 0.5\n"
        "parameters: {W_h: random, V: {random: {shape: [2, 3], seed: 1, scale: 1/2, round: 2}, from: [0, 1]}}\n"
        "sizes: {T: 3}\n"
        "maps: {left: [1, 2], right: {from: 0, values: [0, 1]}}\n"
        "target: E\n"
        'wrt: [W_h, "h[0]"]\n'
    )
    assert document.title == "Four variables"
    assert document.description == "Two\nlines\n"
    assert [text.text for text in document.equations] == ["z2 = 2*z1\nE = z2\n"]
    plain = [(given.label, given.value, given.starts, given.role) for given in document.givens[:9]]
    assert plain == [
        ("z1", 1, (), "value"),
        ("y", Fraction(1, 2), (), "value"),
        ("n", -0.5, (), "value"),
        ("on", 0.001, (), "value"),
        ("E0", 3, (), "value"),
        ("x", [[1, 2], [3, 4]], (0,), "data"),
        ("h[0]", [0, 0], (), "data"),
        ("h[-1]", 0, (), "data"),
        ("W[1,-2]", 0.5, (), "data"),
    ]
    assert document.givens[8].members == (1, -2)
    word, long = (given.value for given in document.givens[9:])
    assert isinstance(word, RandomValue)
    assert isinstance(long, RandomValue)
    assert (word.shape, word.seed, word.scale, word.places) == (None, None, 1.0, None)
    assert (long.shape, long.seed, long.scale, long.places) == ((2, 3), 1, 0.5, 2)
    assert document.givens[10].starts == (0, 1)
    assert [(size.name, size.value) for size in document.sizes] == [("T", 3)]
    assert [(item.name, item.value, item.starts) for item in document.maps] == [
        ("left", [1, 2], ()),
        ("right", [0, 1], (0,)),
    ]
    assert document.target is not None
    assert document.target.text == "E"
    assert document.wrt is not None
    assert [text.text for text in document.wrt] == ["W_h", "h[0]"]


@pytest.mark.parametrize(
    "name", ["y", "n", "on", "no", "yes", "off", "E", "null", "true", "pi", "if", "lambda", "ŷ", "z₁", "h'", "中"]
)
def test_no_name_is_special(name: str) -> None:
    for text in (f"values: {{{name}: 1}}\n", f"values:\n  {name}: 1\n", f'values: {{"{name}": 1}}\n'):
        assert read(EQUATION + text).givens[0].name == name


def test_names_are_normal_forms() -> None:
    assert read(EQUATION + "values: {y\u0302: 1}").givens[0].name == "ŷ"
    assert "'ŷ' is given twice" in told(EQUATION + "values: {y\u0302: 1, ŷ: 2}")


def test_bom_and_crlf(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfequations: |\r\n  a = 1\r\n  b = 2\r\nvalues: {c: 1}\r\n")
    document = read_document(path)
    assert document.equations[0].text == "a = 1\nb = 2\n"
    assert document.folder == str(tmp_path)


def test_json_is_a_document() -> None:
    document = read('{"equations": ["a = 1"], "values": {"c": [1, 2.5, "1/3"], "h[0]": 1E-2}}')
    assert [given.value for given in document.givens] == [[1, 2.5, Fraction(1, 3)], 0.01]


def test_network_is_plain_data_with_places() -> None:
    text = "network:\n  topology: elman\n  sizes: {input: 2, hidden: [3, 4]}\n  bias: true\n  rate: 0.5\n  name: 'no'\n"
    block = read(text).network
    assert block is not None
    assert block.topology == "elman"
    assert block.options == {"sizes": {"input": 2, "hidden": [3, 4]}, "bias": True, "rate": 0.5, "name": "no"}
    for path, expected in [(("sizes", "hidden", 1), (3, 33)), (("bias",), (4, 9)), (("sizes", "nothing"), (3, 10))]:
        span = block.span_of(*path)
        assert span.source.position(span.start) == expected
    key = block.span_of("sizes", "input", key=True)
    assert key.source.position(key.start) == (3, 11)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(EQUATION.encode())))
    document = read_document("-")
    assert document.source.name == "<stdin>"
    assert document.folder == "."


@pytest.mark.parametrize(
    ("text", "limit", "enough", "message"),
    [
        (EQUATION + "title: abcde\n", "title_length", 5, "the title has 5 characters, limit 4"),
        (EQUATION + "values: {abcde: 1}\n", "name_length", 5, "has 5 characters, limit 4"),
        (EQUATION + "values: {h[1]: 1}\n".replace("h[1]", '"h[1,2,3]"'), "indices", 3, "has 3 indices, limit 2"),
        (EQUATION + "values: {a: [1, [2]]}\n".replace("[2]", "2"), "elements", 2, "more than 1 elements"),
        (EQUATION + "values: {a: {random: {shape: [2, 3]}}}\n", "elements", 6, "has 6 elements, limit 5"),
        (EQUATION + "values: {a: [1, 2]}\n", "yaml_items", 9, "more than 8 entries"),
        (EQUATION + "values: {a: [[1]]}\n", "yaml_depth", 4, "more than 3 levels of nesting"),
        (EQUATION + "values: {a: 12345}\n", "digits", 5, "has 5 digits, limit 4"),
    ],
)  # fmt: skip
def test_limits_at_n_and_n_minus_1(text: str, limit: str, enough: int, message: str) -> None:
    read(text, f"{limit}={enough}")
    assert message in told(text, f"{limit}={enough - 1}")


def test_long_lists_count_as_elements_not_as_entries() -> None:
    numbers = ", ".join(["0.25"] * 1000)
    document = read(EQUATION + f"values: {{a: [{numbers}]}}\n", "yaml_items=10", "elements=1000")
    assert document.givens[0].value == [0.25] * 1000
    assert "more than 999 elements" in told(EQUATION + f"values: {{a: [{numbers}]}}\n", "elements=999")


def test_large_matrices() -> None:
    row = "[" + ", ".join(str(n) for n in range(200)) + "]"
    flow = read(EQUATION + f"values: {{W: [{', '.join([row] * 50)}]}}\n").givens[0].value
    block = read(EQUATION + "values:\n  W:\n" + f"    - {row}\n" * 50).givens[0].value
    assert flow == block == [list(range(200))] * 50
    assert isinstance(block, list)
    assert shape_of(block) == (50, 200)
    wrong = ", ".join([row] * 50).replace("117", "0x75", 1)
    assert "'0x75' is not a number (write 117)" in told(EQUATION + f"values: {{W: [{wrong}]}}\n")


def test_a_file_value_keeps_its_places() -> None:
    given = read(EQUATION + "values: {W: {file: sub/w.npz, key: W, from: 0}}").givens[0]
    assert isinstance(given.value, FileValue)
    assert (given.value.file, given.value.key, given.starts) == ("sub/w.npz", "W", (0,))
    assert given.value.key_span is not None
    assert given.value.file_span.source.position(given.value.file_span.start) == (2, 20)


@pytest.mark.parametrize("opening", ["[", "{", "[{a: ", "[a, ", "{a: ", "[\n", "- ", "? ", "a: "])
def test_a_hundred_thousand_open_brackets(opening: str) -> None:
    assert "x.yaml:" in told("equations:\n  " + opening * 100_000)


def test_at_most_twenty_problems_are_told() -> None:
    text = EQUATION + "values:\n" + "".join(f"  a{n}: x\n" for n in range(50))
    assert told(text).count("is not a number") == 20
    anchors = "".join(f"a{n}: &x 1\n" for n in range(5000))
    assert 20 <= told(anchors).count("are not allowed") <= 22


def test_the_tree_keeps_quotes_and_order() -> None:
    root = compose(Source("x.yaml", "b: 'x'\na: x\n"), Limits())
    assert [(key.text, value.style) for key, value in root.items()] == [("b", "'"), ("a", "")]  # type: ignore[attr-defined]
