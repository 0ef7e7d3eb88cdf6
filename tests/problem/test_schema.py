"""The JSON Schema that editors use and the reader agree: what one takes, the other takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from bptt_solver.errors import ProblemError, Source
from bptt_solver.language.tokens import Malformed
from bptt_solver.limits import Limits
from bptt_solver.problem.document import KEYS, read_document
from bptt_solver.problem.nodes import Mapping, Node, Packed, Scalar, Sequence, compose
from bptt_solver.problem.numerals import read_number
from bptt_solver.problem.schema import schema_text

SCHEMA = json.loads(schema_text())
VALIDATOR = Draft202012Validator(SCHEMA)
ROOT = Path(__file__).parents[2]

# What no schema can say: names and sizes compared with each other, or equal lengths.
ONLY_THE_READER = (
    "array_mixed", "array_ragged", "name_given_twice", "name_too_long", "title_too_long", "random_too_large",
    "number_too_many_digits", "number_octal", "equations_joined", "equations_folded",
    "equations_comma_in_list", "form_from",
    "network_number",
)  # fmt: skip

VALID = [
    "equations: a = 1",
    "equations: |\n  a = 1\n",
    "equations: [a = 1, b = 2]",
    "title: 3\ndescription: x\nequations: [a = 1]",
    "equations: a = 1\nvalues: {z1: 1, y: 1/2, n: -.5, on: 1e-3, ŷ: 3, h': 1, z₁: 2, 中: -2/3}",
    "equations: a = 1\ndata:\n  x: {from: 0, values: [[1, 2], [3, 4]]}\n  h[0]: [0, 0]\n  h[-1]: 0\n  W[1,2]: 1/3",
    "equations: a = 1\nparameters: {W: random, V: {random: {}}, b: {random: {shape: 3, seed: 0, scale: 1/2}}}",
    "equations: a = 1\nparameters: {W: {random: {shape: [2, 3]}, from: [0, 1]}, c: {random: {shape: []}}}",
    "equations: a = 1\nvalues: {W: {file: a/b.npz, key: W, from: 1}, x: {file: x..y.csv}}",
    "equations: a = 1\nsizes: {T: 3, n: 0}\nmaps: {left: [1, -2], m: [[1], [2]], r: {from: 0, values: [1]}}",
    "equations: a = 1\ntarget: E\nwrt: W",
    "equations: a = 1\ntarget: h[2]\nwrt: [W, h]",
    "network: {topology: elman}\nnotation: werbos\ntruncate: {depth: 2}\nclip: {norm: 1}\nupdate: {rule: sgd}",
    "network: {topology: elman}\nupdate: adam\nclip: {value: 1/2}",
    "equations: a = 1\nupdate: {rule: sgd, learning_rate: 1/10, steps: 3, clip: {norm: 2, per: parameter}}",
    "network: {topology: elman}",
    "network: {topology: elman}\nseed: 0\nweights: {file: a.npz}",
    "network: {topology: elman}\nweights: {file: a/b.safetensors, library: onnx, prefix: [a., b.], output: 0.}",
    "equations: a = 1\ndata: {d: {one_hot: [0, 2]}, e: {one_hot: 1, classes: 3}, g: {one_hot: [1], first: 1, from: 0}}",
    "equations: a = 1\ndata: {d: {one_hot: {file: a.npz, key: d}, classes: 3}, e: {one_hot: {file: a.csv}}}",
    "equations: a = 1\nparameters: {W: {random: {init: normal, seed: 3}}, f: {file: a.safetensors, key: b}}",
    "network: {topology: elman, sizes: {input: 2, hidden: [3, 4]}, bias: true, rate: 0.5, act: [tanh]}\nvalues: {}",
]
INVALID = [
    "values: {a: 1}",
    "equations: a = 1\nequation: b",
    "equations: {a: 1}",
    "equations: []",
    "equations: [[a]]",
    "equations: ''",
    "equations: a = 1\ntitle: [x]",
    "equations: a = 1\nvalues: [1]",
    "equations: a = 1\nvalues: 1",
    "equations: a = 1\nvalues: {1a: 1}",
    "equations: a = 1\nvalues: {_a: 1}",
    "equations: a = 1\nvalues: {a b: 1}",
    "equations: a = 1\nvalues: {'h[t]': 1}",
    "equations: a = 1\nvalues: {'h[]': 1}",
    "equations: a = 1\nvalues: {'h[1': 1}",
    "equations: a = 1\nvalues: {a: x}",
    "equations: a = 1\nvalues: {a: true}",
    "equations: a = 1\nvalues: {a: '1'}",
    "equations: a = 1\nvalues: {a: 1/0}",
    "equations: a = 1\nvalues: {a: []}",
    "equations: a = 1\nvalues: {a: [1, x]}",
    "equations: a = 1\nvalues: {a: [random]}",
    "equations: a = 1\nvalues: {a: {}}",
    "equations: a = 1\nvalues: {a: {from: 0}}",
    "equations: a = 1\nvalues: {a: {values: 1, file: a.csv}}",
    "equations: a = 1\nvalues: {a: {values: [1], key: W}}",
    "equations: a = 1\nvalues: {a: {values: [1], from: 0.5}}",
    "equations: a = 1\nvalues: {a: {values: [1], form: 0}}",
    "equations: a = 1\nvalues: {a: {file: ../a.csv}}",
    "equations: a = 1\nvalues: {a: {file: a/../b.csv}}",
    "equations: a = 1\nvalues: {a: {file: /a.csv}}",
    "equations: a = 1\nvalues: {a: {file: a.pkl}}",
    "equations: a = 1\nvalues: {a: {file: 'a\\b.csv'}}",
    "equations: a = 1\nvalues: {a: {random: 1}}",
    "equations: a = 1\nvalues: {a: {random: {seed: -1}}}",
    "equations: a = 1\nvalues: {a: {random: {seed: 9223372036854775808}}}",
    "equations: a = 1\nvalues: {a: {random: {scale: 0}}}",
    "equations: a = 1\nvalues: {a: {random: {round: 16}}}",
    "equations: a = 1\nvalues: {a: {random: {shape: [0]}}}",
    "equations: a = 1\nvalues: {a: {random: {size: 1}}}",
    "equations: a = 1\nvalues: {a: {random: {init: gauss}}}",
    "equations: a = 1\nvalues: {a: {random: {init: [normal]}}}",
    "equations: a = 1\nvalues: {a: {one_hot: a}}",
    "equations: a = 1\nvalues: {a: {one_hot: {key: a}}}",
    "equations: a = 1\nvalues: {a: {one_hot: {file: a.pt}}}",
    "equations: a = 1\nvalues: {a: {one_hot: {file: a.csv, classes: 3}}}",
    "equations: a = 1\nvalues: {a: {one_hot: [0], classes: 0}}",
    "equations: a = 1\nvalues: {a: {one_hot: [0], first: 0.5}}",
    "equations: a = 1\nvalues: {a: {one_hot: [0], key: b}}",
    "equations: a = 1\nvalues: {a: {values: [0], classes: 3}}",
    "equations: a = 1\nseed: -1",
    "equations: a = 1\nseed: x",
    "equations: a = 1\nseed: [1]",
    "equations: a = 1\nseed: 9223372036854775808",
    "equations: a = 1\nweights: a.npz",
    "equations: a = 1\nweights: {prefix: a}",
    "equations: a = 1\nweights: {file: a.pt}",
    "equations: a = 1\nweights: {file: ../a.npz}",
    "equations: a = 1\nweights: {file: a.npz, library: jax}",
    "equations: a = 1\nweights: {file: a.npz, prefix: {a: b}}",
    "equations: a = 1\nweights: {file: a.npz, W: [[1]]}",
    "equations: a = 1\nsizes: {T: -1}",
    "equations: a = 1\nsizes: {T: 1.5}",
    "equations: a = 1\nsizes: {'T[1]': 1}",
    "equations: a = 1\nmaps: {m: 1}",
    "equations: a = 1\nmaps: {m: [0.5]}",
    "equations: a = 1\nmaps: {m: random}",
    "equations: a = 1\nmaps: {m: {file: a.csv}}",
    "equations: a = 1\ntarget: [E]",
    "equations: a = 1\nwrt: []",
    "equations: a = 1\nwrt: [[a]]",
    "network: elman",
    "network: {hidden: tanh}",
    "network: {topology: [elman]}",
]


def plain(node: Node) -> object:
    """A tree as an editor sees it (YAML 1.2 core schema); the corpus is shallow."""
    if isinstance(node, Packed):
        node = node.unpack()
    if isinstance(node, Mapping):
        return {key.text: plain(value) for key, value in node.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    assert isinstance(node, Scalar)
    if node.style or "/" in node.text:
        return node.text
    if node.text in ("true", "false"):
        return node.text == "true"
    if node.text in ("", "null", "~"):
        return None
    try:
        return read_number(node.text, Limits())
    except (Malformed, ProblemError):
        return node.text


def schema_takes(text: str) -> bool:
    return bool(VALIDATOR.is_valid(plain(compose(Source("x.yaml", text), Limits()))))


def reader_takes(text: str) -> bool:
    try:
        read_document(Source("x.yaml", text))
    except ProblemError:
        return False
    return True


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert tuple(SCHEMA["properties"]) == KEYS
    assert all(entry["title"] and entry["description"] for entry in SCHEMA["properties"].values())


@pytest.mark.parametrize("text", VALID)
def test_both_take(text: str) -> None:
    assert reader_takes(text)
    assert schema_takes(text)


@pytest.mark.parametrize("text", INVALID)
def test_both_refuse(text: str) -> None:
    assert not reader_takes(text)
    assert not schema_takes(text)


WRONG = [path for path in sorted((ROOT / "tests" / "errors").glob("*.yaml")) if path.stem not in ONLY_THE_READER]


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_wrong_documents(path: Path) -> None:
    """A document that the reader refuses (after it was YAML) is refused by the schema."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        tree = plain(compose(Source(path.name, text), Limits()))
    except (ProblemError, UnicodeDecodeError):
        return
    if not reader_takes(text):
        assert not VALIDATOR.is_valid(tree)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*/problem.yaml")), ids=lambda path: path.parent.name)
def test_examples(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert reader_takes(text)
    assert schema_takes(text)
