"""Class labels as vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver.errors import ProblemError

LOSS = "p[t] = softmax(x[t]) for t in 1..3\nE = sum(cross_entropy(p[t], d[t]) for t in 1..3)"
X = [[1, 2, 3], [4, 5, 6], [0, 0, 1]]


def targets(content: dict[str, Any], folder: Path | None = None) -> list[list[int]]:
    text = json.dumps({"equations": LOSS} | content)
    if folder is None:
        problem = bptt_solver.loads(text)
    else:
        (folder / "problem.yaml").write_text(text)
        problem = bptt_solver.load(folder / "problem.yaml")
    return [np.asarray(value).tolist() for key, value in problem.given.items() if key[0] == "d"]


VECTORS = [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize(
    "labels",
    [
        {"one_hot": [0, 2, 1], "classes": 3},
        {"one_hot": [1, 3, 2], "classes": 3, "first": 1},
        {"one_hot": [-1, 1, 0], "classes": 3, "first": -1},
        {"one_hot": [0, 2, 1], "classes": 3, "from": 1},
        {"values": VECTORS},
    ],
)
def test_labels(labels: dict[str, Any]) -> None:
    assert targets({"data": {"x": X, "d": labels}}) == VECTORS


def test_members_and_more_indices() -> None:
    members = {f"d[{t}]": {"one_hot": label, "classes": 3} for t, label in ((1, 0), (2, 2), (3, 1))}
    assert targets({"data": {"x": X, **members}}) == VECTORS
    equations = "E = sum(cross_entropy(softmax(x), d[n,t]) for n in 1..2, t in 1..2)"
    content = {"equations": equations, "data": {"x": X[0], "d": {"one_hot": [[0, 2], [1, 1]], "classes": 3}}}
    assert targets(content) == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0]]


def test_the_network_says_how_many_classes() -> None:
    network = {"topology": "elman", "sizes": {"input": 3, "hidden": 2, "output": 3}, "loss": "cross_entropy"}
    content = {"network": network | {"output": "softmax"}, "data": {"x": X, "d": {"one_hot": [0, 2, 1]}}}
    assert targets(content | {"equations": "unused = 1", "target": "E"}) == VECTORS


def test_exact_documents_stay_exact() -> None:
    content = {"equations": "E = sum(d*d)", "data": {"d": {"one_hot": 1, "classes": 2}}}
    assert bptt_solver.loads(json.dumps(content)).given["d", ()].tolist() == [0, 1]
    assert bptt_solver.solve(bptt_solver.loads(json.dumps(content))).as_dict()["exact"]["E"] == "1"


@pytest.mark.parametrize("name", ["d.csv", "d.npy", "d.npz", "d.json"])
def test_labels_from_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "d.csv").write_text("0\n2\n1\n")
    (tmp_path / "d.json").write_text("[0, 2, 1]")
    np.save(tmp_path / "d.npy", np.array([0, 2, 1], np.int64))
    np.savez(tmp_path / "d.npz", y=np.array([0, 2, 1], np.uint8))
    file = {"file": name} | ({"key": "y"} if name == "d.npz" else {})
    assert targets({"data": {"x": X, "d": {"one_hot": file, "classes": 3}}}, tmp_path) == VECTORS


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"one_hot": [0, 3, 1], "classes": 3}, "there is no class 3: the 3 classes are 0 to 2"),
        ({"one_hot": [1, 3, 2], "classes": 3}, "(if they are counted from 1, add first: 1)"),
        ({"one_hot": [0, 1, 2], "classes": 3, "first": 1}, "there is no class 0: the 3 classes are 1 to 3"),
        ({"one_hot": [0, 2, 1]}, "how many classes 'd' has is not known (say it: {one_hot: [..], classes: 3})"),
        ({"one_hot": [0.5, 2, 1], "classes": 3}, "a class label is a whole number, not 0.5"),
        ([0, 2, 1], "class labels are written d: {one_hot: [..], classes: 3}"),
        ([0.5, 0.5, 1], "'d' gives numbers, but cross_entropy compares vectors over classes"),
        ({"one_hot": [0, 1, 1], "classes": 100_000_000}, "elements, limit"),
    ],
)
def test_wrong_labels(labels: object, message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        targets({"data": {"x": X, "d": labels}})
    assert message in str(caught.value)


def test_numbers_are_no_labels_for_other_losses() -> None:
    content = {"equations": LOSS.replace("cross_entropy", "squared_error"), "data": {"x": X, "d": [0, 2, 1]}}
    assert targets(content) == [0, 2, 1]


@pytest.mark.parametrize(
    ("network", "labels"),
    [
        ("", "[0, 2]"),
        (", targets: last", "2"),  # a number that would fill the vector: (2, 2, 2)
        (", sequences: 2", "[[0, 2], [1, 1]]"),
    ],
)
def test_labels_of_a_network_are_written_one_hot(network: str, labels: str) -> None:
    sizes = "{input: 1, hidden: 1, output: 3}"
    text = f"network:\n  {{topology: elman, sizes: {sizes}, output: softmax, loss: cross_entropy{network}}}\n"
    data = "[[[1], [0]], [[1], [1]]]" if "sequences" in network else "[[1], [0]]"
    with pytest.raises(ProblemError) as caught:
        bptt_solver.loads(f"{text}data:\n  x: {data}\n  d: {labels}\n")
    assert "class labels are written d: {one_hot: [..], classes: 3}" in str(caught.value)
    assert ":5:6:" in str(caught.value)


def test_shares_of_a_network_are_vectors() -> None:
    network = "{topology: elman, sizes: {input: 1, hidden: 1, output: 2}, output: softmax, loss: cross_entropy}"
    problem = bptt_solver.loads(f"network: {network}\ndata: {{x: [[1]], d: [[0.5, 0.5]]}}\n")
    assert np.asarray(problem.given[("d", (1,))]).tolist() == [0.5, 0.5]
