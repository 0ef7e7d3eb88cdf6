"""The 33 systems of the seeds, written as documents: every number of `seed_acceptance.json` must come out.

`documents/<id>.yaml` uses the names of the data; `renames.json` holds the few keys that the language writes differently
(`h0` is `h[0]`, `W1` is `W[1]`, the total `C` beside `C[1]` is `total`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver import ProblemError

HERE = Path(__file__).parent
ACCEPTANCE = json.loads((HERE / "seed_acceptance.json").read_text(encoding="utf-8"))
EXAMPLES = {example["id"]: example for example in ACCEPTANCE["examples"]}
RENAMES = json.loads((HERE / "renames.json").read_text(encoding="utf-8"))
RTOL, ATOL = ACCEPTANCE["tolerance"]["rtol"], ACCEPTANCE["tolerance"]["atol"]

every_example = pytest.mark.parametrize("identifier", EXAMPLES)


def having(key: str) -> pytest.MarkDecorator:
    """Parametrize over the examples whose expectations have ``key``."""
    return pytest.mark.parametrize("identifier", [i for i, e in EXAMPLES.items() if e["expected"].get(key)])


def known_wrong() -> Iterator[Any]:
    """One parameter set for each named mistake."""
    for identifier, example in EXAMPLES.items():
        for mistake in example.get("known_wrong", {}):
            yield pytest.param(identifier, mistake, id=f"{identifier}: {mistake}")


def document(identifier: str) -> Path:
    """The path of an example's document."""
    return HERE / "documents" / f"{identifier}.yaml"


@cache
def problem_of(identifier: str) -> Any:
    """An example's problem, loaded once."""
    return bptt_solver.load(document(identifier))


@cache
def solution_of(identifier: str, target: str | None = None) -> Any:
    """An example's solution, solved once; optionally for another target than the document's."""
    if target is None:
        return bptt_solver.solve(problem_of(identifier))
    lines = document(identifier).read_text(encoding="utf-8").splitlines()
    lines = [f"target: {target}" if line.startswith("target:") else line for line in lines]
    return bptt_solver.solve(bptt_solver.loads("\n".join(lines) + "\n"))


def our_name(identifier: str, key: str) -> str:
    """The name by which the language knows an entry of the data."""
    return str(RENAMES["names"].get(identifier, {}).get(key, key.replace("n=", "")))


def same(got: Any, want: Any) -> bool:
    """Whether two numbers or nested lists agree in shape and, within the tolerance of the data, in every entry."""
    first, second = np.asarray(got, dtype=float), np.asarray(want, dtype=float)
    return first.shape == second.shape and bool(np.allclose(first, second, rtol=RTOL, atol=ATOL))


def assert_all(identifier: str, got: Mapping[str, Any], want: Mapping[str, Any]) -> None:
    """Compare every entry, and show all that differ."""
    wrong = []
    for key, value in want.items():
        name = our_name(identifier, key)
        if name not in got:
            wrong.append(f"{name} is missing")
        elif not same(got[name], value):
            wrong.append(f"{name}: {got[name]}, expected {value}")
    assert not wrong, "\n".join(wrong)


@every_example
def test_loss(identifier: str) -> None:
    assert same(solution_of(identifier).value, EXAMPLES[identifier]["expected"]["loss"])


@every_example
def test_forward_values(identifier: str) -> None:
    expected = EXAMPLES[identifier]["expected"]
    assert_all(identifier, solution_of(identifier).values, expected["forward"])
    assert_all(identifier, solution_of(identifier).values, expected["losses"])


@every_example
def test_ordered_derivatives(identifier: str) -> None:
    expected = EXAMPLES[identifier]["expected"]
    assert_all(identifier, solution_of(identifier).ordered_derivatives, expected["ordered_derivatives"])


@every_example
def test_gradients(identifier: str) -> None:
    expected = EXAMPLES[identifier]["expected"]
    assert_all(identifier, solution_of(identifier).ordered_derivatives, expected["gradients"])


@every_example
def test_mapping_access(identifier: str) -> None:
    """`solution["h[1]"]` is a value, `solution["∂⁺E/∂h[1]"]` an ordered derivative."""
    solution, expected = solution_of(identifier), EXAMPLES[identifier]["expected"]
    for key, value in expected["forward"].items():
        assert same(solution[our_name(identifier, key)], value)
    for key, value in expected["ordered_derivatives"].items():
        assert same(solution[f"∂⁺{solution.target}/∂{our_name(identifier, key)}"], value)


@having("simple_partials")
def test_simple_partials(identifier: str) -> None:
    """What the data do not list is 0, and what they list as 0 may be absent: the equation does not use that name."""
    partials = solution_of(identifier).simple_partials
    for consumer, expected in EXAMPLES[identifier]["expected"]["simple_partials"].items():
        ours = partials[consumer]
        for name in {**ours, **expected}:
            assert same(ours.get(name, 0.0), expected.get(name, 0.0)), f"∂{consumer}/∂{name}"


@having("error_signals_by_loss")
def test_error_signals_by_loss(identifier: str) -> None:
    """A single loss as the target: the rows of the table loss x use."""
    expected = EXAMPLES[identifier]["expected"]
    solutions = {loss: solution_of(identifier, our_name(identifier, loss)) for loss in expected["losses"]}
    for loss, signals in expected["error_signals_by_loss"].items():
        assert_all(identifier, solutions[loss].ordered_derivatives, signals)
    for node in expected["ordered_derivatives"]:  # the rows add up to the derivative of the total
        name = our_name(identifier, node)
        rows = [np.asarray(solution.ordered_derivatives[name], dtype=float) for solution in solutions.values()]
        assert same(sum(rows), solution_of(identifier).ordered_derivatives[name]), node


def contributions(identifier: str, name: str) -> list[tuple[str, Any]]:
    """Pairs (instance whose equation uses ``name``, what that use contributes to the ordered derivative of
    ``name``)."""
    return list(solution_of(identifier).contributions(name))


def use_key(identifier: str, consumer: str) -> str:
    """The data's name of a use: its time (``2``), its sequence and time (``n=2,1``), or what `renames.json` says."""
    uses = RENAMES["uses"].get(identifier, {})
    if consumer in uses or "*" in uses:
        return str(uses.get(consumer, uses.get("*")))
    indices = consumer.partition("[")[2].rstrip("]").split(",")
    return "n=" + ",".join(indices[-2:]) if identifier == "S000-two-sequences" else indices[-1]


@having("contributions_by_use")
def test_contributions_by_use(identifier: str) -> None:
    for parameter, expected in EXAMPLES[identifier]["expected"]["contributions_by_use"].items():
        name = our_name(identifier, parameter)
        totals: dict[str, Any] = {}
        for consumer, value in contributions(identifier, name):
            key = use_key(identifier, consumer)
            totals[key] = totals.get(key, 0.0) + np.asarray(value, dtype=float)
        shape = np.shape(solution_of(identifier).ordered_derivatives[name])
        for key, value in expected.items():
            assert same(totals.pop(key, np.zeros(shape)), value), f"{parameter}@{key}"
        assert not any(np.any(rest) for rest in totals.values()), f"uses of {parameter} that the data does not know"


@pytest.mark.parametrize(("identifier", "mistake"), list(known_wrong()))
def test_known_mistakes_are_not_printed(identifier: str, mistake: str) -> None:
    """What a named mistake produces differs from what we print, in at least one of its numbers."""
    solution = solution_of(identifier)
    for key, value in EXAMPLES[identifier]["known_wrong"][mistake].items():
        name = our_name(identifier, key)
        ours = solution.value if name == solution.target else solution.ordered_derivatives[name]
        if not same(ours, value):
            return
    pytest.fail(f"our result is that of the mistake: {mistake}")


def refuted(identifier: str, claimed: Mapping[str, Any]) -> bool:
    """Whether the check finds the claimed ordered derivatives wrong, without looking at the solution's own."""
    try:
        return not solution_of(identifier).judge(claimed).passed
    except ProblemError:  # an answer of another shape
        return True


@pytest.mark.parametrize(("identifier", "mistake"), list(known_wrong()))
def test_known_mistakes_fail_the_check(identifier: str, mistake: str) -> None:
    solution = solution_of(identifier)
    answer = {our_name(identifier, k): v for k, v in EXAMPLES[identifier]["known_wrong"][mistake].items()}
    if solution.target in answer:
        assert not same(solution.value, answer.pop(solution.target))
    if answer:
        assert refuted(identifier, answer)


@every_example
def test_right_answers_pass_the_check(identifier: str) -> None:
    gradients = EXAMPLES[identifier]["expected"]["gradients"]
    assert not refuted(identifier, {our_name(identifier, k): v for k, v in gradients.items()})


def test_every_example_has_a_document() -> None:
    assert sorted(EXAMPLES) == sorted(path.stem for path in (HERE / "documents").glob("*.yaml"))
    assert len(EXAMPLES) == 33
