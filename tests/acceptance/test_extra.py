"""More systems than the seeds have: every construct of the language in a few lines each, and at several lengths.

Two independent judges. `extra_expected.json` holds values and ordered derivatives that another evaluator computed
(NumPy, complex step at the point of computation). And here every ordered derivative is checked against central
differences of our own *values*: each equation gets a summand ``nudge_h[t]``, given as 0, so that a node can be
perturbed where it is computed.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

import bptt_solver

HERE = Path(__file__).parent
DOCUMENTS = {path.stem: path for path in sorted((HERE / "documents_extra").glob("*.yaml"))}
LENGTHS = json.loads((HERE / "lengths.json").read_text(encoding="utf-8"))
EXPECTED = json.loads((HERE / "extra_expected.json").read_text(encoding="utf-8"))
GIVEN = ("values", "data", "parameters")
RTOL, ATOL = 1e-9, 1e-12
STEP = 1e-4

Document = dict[str, Any]


# ---------------------------------------------------------------------------------------------- documents as data


@cache
def read(identifier: str) -> Document:
    """A document as plain data, its given numbers as arrays (a family that starts elsewhere as ``{from, values}``)."""
    document: Document = YAML(typ="safe", pure=True).load(DOCUMENTS[identifier].read_text(encoding="utf-8"))
    for block in GIVEN:
        for name, value in document.get(block, {}).items():
            if isinstance(value, dict):
                value["values"] = numbers(value["values"])
            else:
                document[block][name] = numbers(value)
    return document


def numbers(value: Any) -> Any:
    """Nested lists as an array; a fraction that stands alone as a float."""
    return np.array(float(Fraction(value)) if isinstance(value, str) else value, dtype=float)


def text(document: Mapping[str, Any]) -> str:
    """A document as text again."""
    equations = ["  " + line for line in document["equations"].splitlines()]
    lines = ["equations: |", *equations, f"target: {document['target']}"]
    for block in ("sizes", "maps", *GIVEN):
        if document.get(block):
            lines.append(f"{block}:")
            for name, value in document[block].items():
                lines.append(f"  {name}: {json.dumps(value, default=np.ndarray.tolist)}")
    return "\n".join(lines) + "\n"


def grown(values: Any, axes: list[list[int] | None], length: int) -> Any:
    """An array or list, cut or repeated so that axis k has ``factor*length + offset`` entries."""
    if not axes:
        return values
    rows = list(values)
    count = axes[0][0] * length + axes[0][1] if axes[0] else len(rows)
    return [grown(rows[i % len(rows)], axes[1:], length) for i in range(count)]


def at_length(identifier: str, length: int) -> Document:
    """The document for another number of steps."""
    document, rule = copy.deepcopy(read(identifier)), LENGTHS[identifier]
    if rule["size"] in document.get("sizes", {}):
        document["sizes"][rule["size"]] = length
    for block in ("maps", *GIVEN):
        for name, value in document.get(block, {}).items():
            if name not in rule["grow"]:
                continue
            if isinstance(value, dict):
                value["values"] = np.array(grown(value["values"], rule["grow"][name], length))
            else:
                larger = grown(value, rule["grow"][name], length)
                document[block][name] = larger if block == "maps" else np.array(larger)
    return document


def variants() -> Iterator[Any]:
    """Every document as it stands, and at its other lengths."""
    for identifier in DOCUMENTS:
        yield pytest.param(identifier, None, id=identifier)
        for length in LENGTHS.get(identifier, {}).get("lengths", ()):
            yield pytest.param(identifier, length, id=f"{identifier}-{LENGTHS[identifier]['size']}={length}")


# ---------------------------------------------------------------------------------------------- perturbing


def split(equation: str) -> tuple[str, str, str]:
    """``left = right for ...`` as (left, right, the rest)."""
    left, _, right = equation.partition("=")
    depth = 0
    for found in re.finditer(r"[\[(\])]|\bfor\b", right):
        depth += (found[0] in "[(") - (found[0] in "])")
        if found[0] == "for" and depth == 0:
            return left.strip(), right[: found.start()].strip(), right[found.start() :]
    return left.strip(), right.strip(), ""


def parts(instance: str) -> tuple[str, tuple[int, ...]]:
    """``h[2,1]`` as its name and indices."""
    name, _, indices = instance.partition("[")
    return name, tuple(int(index) for index in indices.rstrip("]").split(",")) if indices else ()


def place(document: Document, instance: str) -> tuple[Any, tuple[int, ...]] | None:
    """The array of the document that holds a given instance, and where in it; nothing for a computed instance."""
    name, indices = parts(instance)
    for block in GIVEN:
        given = document.get(block, {})
        if instance in given:
            return given[instance], ()
        if name in given:
            array, start = given[name], 1
            if isinstance(array, dict):
                array, start = array["values"], array["from"]
            at = tuple(index - (start if k == 0 else 1) for k, index in enumerate(indices))
            if all(0 <= i < n for i, n in zip(at, array.shape, strict=False)):
                return array, at
    return None


def nudged(document: Document, values: Mapping[str, Any]) -> Document:
    """The document with a summand of its own, given as 0, in every equation."""
    changed = copy.deepcopy(document)
    computed = [name for name in values if place(document, name) is None]
    families = {parts(name)[0] for name in computed}
    lines = []
    for left, right, rest in (split(line) for line in document["equations"].splitlines() if line.strip()):
        nudge = f" + nudge_{left}" if left.partition("[")[0] in families else ""  # an equation may have no instance
        lines.append(f"{left} = ({right}){nudge} {rest}")
    changed["equations"] = "\n".join(lines)
    changed.setdefault("values", {}).update({f"nudge_{name}": np.zeros(np.shape(values[name])) for name in computed})
    return changed


def target_value(document: Document) -> float:
    """The value of the target, and nothing else of a solution."""
    return float(bptt_solver.solve(bptt_solver.loads(text(document))).value)


def slope(document: Document, direction: Mapping[str, Any]) -> float:
    """The derivative of the target along a direction in all instances, by central differences of fourth order."""
    results = []
    for steps in (1, -1, 2, -2):
        moved = copy.deepcopy(document)
        for name, change in direction.items():
            array, at = place(moved, name) or place(moved, f"nudge_{name}") or (None, ())
            assert array is not None, name
            array[at] += steps * STEP * change
        results.append(target_value(moved))
    return (8 * (results[0] - results[1]) - (results[2] - results[3])) / (12 * STEP)


def random_direction(instances: Mapping[str, Any], seed: str) -> dict[str, Any]:
    """A number between 1/2 and 3/2, of either sign, for every entry of every instance."""
    source = random.Random(seed)

    def entry(_: float) -> float:
        return source.choice((-1.0, 1.0)) * source.uniform(0.5, 1.5)

    return {name: np.vectorize(entry)(np.zeros(np.shape(value))) for name, value in instances.items()}


def along(derivatives: Mapping[str, Any], direction: Mapping[str, Any]) -> tuple[float, float]:
    """Sum of derivative times direction, and the sum of its absolute terms."""
    terms = [np.asarray(derivatives[name], dtype=float) * change for name, change in direction.items()]
    return float(sum(np.sum(t) for t in terms)), float(sum(np.sum(np.abs(t)) for t in terms))


def disagreement(document: Document, derivatives: Mapping[str, Any], names: list[str], seed: str) -> str | None:
    """What central differences say against the derivatives of some instances, if anything."""
    direction = random_direction({name: derivatives[name] for name in names}, seed)
    expected, scale = along(derivatives, direction)
    measured = slope(document, direction)
    return None if abs(measured - expected) <= 1e-8 * max(scale, 1.0) else f"{expected!r}, measured {measured!r}"


# ---------------------------------------------------------------------------------------------- tests


@pytest.mark.parametrize("identifier", DOCUMENTS)
def test_values_and_derivatives(identifier: str) -> None:
    """Every entry, against numbers that another evaluator computed."""
    solution, expected = bptt_solver.solve(bptt_solver.load(DOCUMENTS[identifier])), EXPECTED[identifier]
    for what, ours in (("values", solution.values), ("ordered_derivatives", solution.ordered_derivatives)):
        for name, value in expected[what].items():
            got, want = np.asarray(ours[name], dtype=float), np.asarray(value, dtype=float)
            assert got.shape == want.shape, name
            np.testing.assert_allclose(got, want, rtol=RTOL, atol=ATOL, err_msg=f"{what}: {name}")


@pytest.mark.parametrize(("identifier", "length"), list(variants()))
def test_central_differences(identifier: str, length: int | None) -> None:
    """All instances, given and computed, at once along a random direction; when that fails, one by one to name them."""
    document = read(identifier) if length is None else at_length(identifier, length)
    solution = bptt_solver.solve(bptt_solver.loads(text(document)))
    if length is not None:
        assert solution.value == pytest.approx(EXPECTED[identifier]["lengths"][str(length)], rel=RTOL)
    derivatives = solution.ordered_derivatives
    assert derivatives.keys() == solution.values.keys()
    movable = nudged(document, solution.values)
    names = list(derivatives)
    if disagreement(movable, derivatives, names, f"{identifier}/{length}") is not None:
        found = {name: disagreement(movable, derivatives, [name], name) for name in names}
        named = [f"{name}: {what}" for name, what in found.items() if what]
        pytest.fail("\n".join(named) or "no instance alone disagrees")


def test_a_wrong_derivative_is_found() -> None:
    """The comparison above can fail: one entry of one instance, a little wrong."""
    document = read("grid-rnn")
    solution = bptt_solver.solve(bptt_solver.loads(text(document)))
    wrong = dict(solution.ordered_derivatives)
    first, second = wrong["h[1,2]"]
    wrong["h[1,2]"] = [first * (1 + 1e-4), second]
    movable = nudged(document, solution.values)
    assert disagreement(movable, solution.ordered_derivatives, list(wrong), "right") is None
    assert disagreement(movable, wrong, list(wrong), "wrong") is not None


def test_every_document_has_numbers() -> None:
    assert sorted(EXPECTED) == sorted(DOCUMENTS)
    assert set(LENGTHS) <= set(DOCUMENTS)
