"""The recurrent systems of the seeds by their topologies' names: every number of `seed_acceptance.json` must come out.

The names that the topologies write (`domain.md`: a, h, o, y, W_x, W_h, W_y) stand in a table for each system.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import bptt_solver

DATA = json.loads((Path(__file__).parents[1] / "acceptance" / "seed_acceptance.json").read_text(encoding="utf-8"))
EXAMPLES = {example["id"]: example for example in DATA["examples"]}


def same(got: Any, want: Any) -> bool:
    """Whether two numbers or nested lists agree in shape and, within the tolerance of the data, in every entry."""
    first, second = np.asarray(got, dtype=float), np.asarray(want, dtype=float)
    return first.shape == second.shape and bool(np.allclose(first, second, rtol=1e-9, atol=1e-12))


class Case(NamedTuple):
    """Options of the network, and our names of the families, parameters and data of the seed."""

    network: Mapping[str, object]
    names: Mapping[str, str]
    extra: Mapping[str, object] = {}


def sizes(*three: int) -> dict[str, int]:
    """Input, hidden and output."""
    return dict(zip(("input", "hidden", "output"), three, strict=True))


CROSS_ENTROPY = {"output": "softmax", "loss": "cross_entropy", "bias": False}
S004 = {"z_h": "a", "z_o": "o", "c": "e", "C": "E", "yhat": "d", "w_ih": "W_c", "w_ho": "W_y", "b_ih": "b_h",
        "b_ho": "b_y", "h0": "h[0]"}  # fmt: skip
S003 = {"v": "W_x", "u": "W_h", "w": "W_y", "theta_j": "b_h", "theta_k": "b_y", "net_j": "a", "s": "h", "net_k": "o",
        "C": "e", "s0": "h[0]"}  # fmt: skip
S001 = {
    "z[1,": "a[",
    "a[1,": "h[",
    "z[2,": "o[",
    "a[2,": "y[",
    "c": "e",
    "W1": "W_x",
    "U1": "W_h",
    "W2": "W_y",
    "y": "d",
}
S000 = {f"{name}{k}": f"{name}[{k}]" for name in "WU" for k in (1, 2, 3)} | {"c": "e", "y": "d", "n=": ""}
D = {"E": "e", "h0": "h[0]"}
DEEP = {"topology": "deep", "input": 2, **CROSS_ENTROPY}


def elman(*three: int, **options: object) -> dict[str, object]:
    """An Elman network's options."""
    return {"topology": "elman", "sizes": sizes(*three), **options}


CASES = {
    "S004-rnn": Case(elman(2, 3, 2, form="concat", **CROSS_ENTROPY), S004),
    "S004-rnn-square": Case(
        elman(2, 2, 2, form="concat", output="softmax", loss="cross_entropy", initial="trained"), S004
    ),
    "S003-sse-sigmoid": Case(elman(2, 3, 2, hidden="sigmoid", output="sigmoid"), S003),
    "S003-sse-softmax": Case(elman(2, 3, 2, hidden="sigmoid", output="softmax"), S003),
    "S003-sse-softmax-3": Case(elman(2, 3, 3, hidden="sigmoid", output="softmax"), S003),
    "S003-bce-sigmoid": Case(elman(2, 3, 2, hidden="sigmoid", output="sigmoid", loss="bce"), S003),
    "S003-ce-softmax": Case(elman(2, 3, 2, hidden="sigmoid", output="softmax", loss="cross_entropy"), S003),
    "S003-sse-linear": Case(elman(2, 3, 2, hidden="sigmoid"), S003 | {"net_k": "y"}),
    "S001-many-to-many-synced": Case(elman(2, 2, 2, **CROSS_ENTROPY), S001),
    "S001-many-to-one": Case(elman(2, 2, 2, targets="last", outputs="all", **CROSS_ENTROPY), S001 | {"c[3]": "E"}),
    "S001-partial-targets": Case(elman(2, 2, 2, targets=[1, 3], outputs="all", steps=3, **CROSS_ENTROPY), S001),
    "S001-one-to-many": Case(elman(2, 2, 2, inputs="first", **CROSS_ENTROPY), S001),
    "S000-deep-rnn": Case(DEEP | {"layers": [3, 2, 3]}, S000),
    "S000-deep-rnn-recurrent-output": Case(DEEP | {"layers": [3, 2, {"size": 3, "recurrent": True}]}, S000),
    "S000-two-sequences": Case(
        DEEP | {"layers": [3, 2, 3], "sequences": "several", "lengths": "len"}, S000, {"maps": {"len": [3, 2]}}
    ),
    "W1990-lag2": Case(
        {"topology": "lags", "sizes": "scalar", "hidden": "sigmoid", "readout": False, "bias": False},
        {"net": "a", "x2": "h", "E": "e", "Y": "d", "W": "W_x", "W'": "W_h[1]", "W''": "W_h[2]"},
    ),
    "X-jordan": Case(
        {"topology": "jordan", "sizes": sizes(2, 2, 2), "bias": False},
        {"z": "a", "E": "e", "W": "W_x", "R": "W_r", "V": "W_y"},
    ),
    "X-narx": Case(
        {"topology": "narx", "sizes": "scalar", "readout": False, "output": "tanh", "bias": False},
        {"z": "o", "E": "e", "u": "x", "b0": "W_x[0]", "b1": "W_x[1]", "a1": "W_r[1]", "a2": "W_r[2]"},
    ),
    "D-scalar-rnn": Case(
        {"topology": "elman", "sizes": "scalar", "bias": False}, D | {"w": "W_x", "u": "W_h", "v": "W_y"}
    ),
    "D-matrix-rnn": Case(elman(2, 2, 3, **CROSS_ENTROPY), D | {"p": "y"}),
    "D-matrix-rnn-T3": Case(elman(2, 2, 3, **CROSS_ENTROPY), D | {"p": "y"}),
}


def ours(identifier: str, key: str) -> str:
    """Our name of an entry of the data: the longest part at its beginning that the table knows is replaced."""
    names = CASES[identifier].names
    if key in names:
        return names[key]
    family = re.match(r"[^\[]*", key)
    assert family is not None
    beginnings = (family[0] + key[family.end() :][:3], family[0])
    found = next((b for b in beginnings if b in names), None)
    return (names[found] + key[len(found) :] if found else key).replace("n=", "")


def given(identifier: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data and the parameters under our names; initial states that are 0 are left to the topology."""
    data: dict[str, Any] = {}
    for key, value in EXAMPLES[identifier]["given"].items():
        if key == "sequences":
            for n, sequence in enumerate(value, 1):
                for name, rows in sequence.items():
                    data |= {f"{ours(identifier, name)}[{n},{t}]": row for t, row in enumerate(rows, 1)}
        elif isinstance(value, dict) and CASES[identifier].network.get("targets") == "last":
            (data[ours(identifier, key)],) = value.values()
        elif isinstance(value, dict):
            data |= {f"{ours(identifier, key)}[{t}]": row for t, row in value.items()}
        elif key not in ("a0", "initial"):
            data[ours(identifier, key)] = value
    return data, {ours(identifier, key): value for key, value in EXAMPLES[identifier]["parameters"].items()}


@cache
def solved(identifier: str) -> Any:
    """The solution of an example, solved once."""
    data, parameters = given(identifier)
    document = {"network": CASES[identifier].network, **CASES[identifier].extra, "data": data, "parameters": parameters}
    return bptt_solver.solve(bptt_solver.loads(json.dumps(document)), check="full")


@pytest.mark.parametrize("identifier", CASES)
def test_numbers_of_the_seed(identifier: str) -> None:
    solution, expected = solved(identifier), EXAMPLES[identifier]["expected"]
    assert solution.check.passed
    assert same(solution.value, expected["loss"])
    derivatives = solution.ordered_derivatives
    values = solution.values
    found = {"forward": values, "losses": values, "ordered_derivatives": derivatives, "gradients": derivatives}
    wrong = []
    for what, ours_by_name in found.items():
        for key, value in expected[what].items():
            name = ours(identifier, key)
            if name not in ours_by_name:
                wrong.append(f"{what}: {name} is missing")
            elif not same(ours_by_name[name], value):
                wrong.append(f"{what}: {name} is {ours_by_name[name]}, expected {value}")
    assert not wrong, "\n".join(wrong)
