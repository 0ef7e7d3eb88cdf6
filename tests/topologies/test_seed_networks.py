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
def solved(identifier: str, target: str | None = None) -> Any:
    """The solution of an example, solved once for each target."""
    data, parameters = given(identifier)
    document = {"network": CASES[identifier].network, **CASES[identifier].extra, "data": data, "parameters": parameters}
    problem = bptt_solver.loads(json.dumps(document), target=target)
    return bptt_solver.solve(problem, check="full" if target is None else "none")


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


def with_expected(what: str) -> list[str]:
    """The examples for which the data have this."""
    return [identifier for identifier in CASES if EXAMPLES[identifier]["expected"].get(what)]


@pytest.mark.parametrize("identifier", with_expected("contributions_by_use"))
def test_contributions_by_use(identifier: str) -> None:
    """What each use of a shared weight adds to its gradient; a use is named by its time (and sequence)."""
    for parameter, expected in EXAMPLES[identifier]["expected"]["contributions_by_use"].items():
        totals: dict[str, Any] = {}
        for user, value in solved(identifier).contributions(ours(identifier, parameter)):
            index = user.partition("[")[2].rstrip("]")
            index = index.partition(",")[2] if identifier.startswith("S000") else index  # without the layer
            totals[index] = totals.get(index, 0.0) + np.asarray(value, dtype=float)
        uses = {use.replace("n=", ""): value for use, value in expected.items()}
        assert set(totals) <= set(uses), parameter
        for use, value in uses.items():
            assert same(totals.get(use, np.zeros_like(value, dtype=float)), value), f"{parameter}@{use}"


@pytest.mark.parametrize("identifier", with_expected("error_signals_by_loss"))
def test_error_signals_by_loss(identifier: str) -> None:
    """The loss of one step as the target: the rows of the table of losses and uses."""
    for loss, signals in EXAMPLES[identifier]["expected"]["error_signals_by_loss"].items():
        derivatives = solved(identifier, ours(identifier, loss)).ordered_derivatives
        for key, value in signals.items():
            assert same(derivatives[ours(identifier, key)], value), f"{loss}: {key}"


def test_every_seed_of_a_network_is_here_or_beside() -> None:
    """Those of the graphs of plain variables apart, each is solved by a topology's name: the gated ones in
    `test_gated_networks`, the feedforward ones in `tests/plugins/test_feedforward.py`."""
    graphs = {"S004-linear", "S004-nonlinear", "W1990-two-equations"}
    folder = Path(__file__).parents[1]
    beside = [folder / "topologies" / "test_gated_networks.py", folder / "plugins" / "test_feedforward.py"]
    text = "".join(path.read_text(encoding="utf-8") for path in beside)
    missing = [i for i in EXAMPLES if i not in graphs and i not in CASES and f'"{i}"' not in text]
    assert not missing
