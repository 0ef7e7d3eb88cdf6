"""A network from one line: what the document does not give is made up, and said to be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver.errors import ProblemError
from bptt_solver.registry import Registry

SIZES = {"input": 2, "hidden": 2, "output": 3}
ONE_LINE = "network: {topology: lstm, sizes: {input: 2, hidden: 2, output: 2}, steps: 3}"


def problem(network: dict[str, Any], **others: Any) -> Any:
    return bptt_solver.loads(json.dumps({"network": network, **others}))


def numbers(found: Any) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    zeros = {label.partition("[")[0] for label in found.network.zeros}
    return ((key[0], np.asarray(value, float)) for key, value in found.given.items() if key[0] not in zeros)


@pytest.mark.parametrize("name", [t.name for t in Registry.load(()).topologies])
def test_every_topology_from_one_line(name: str) -> None:
    """With the options of its example: solved, checked, small numbers, none of them 0 by accident."""
    example = Registry.load(()).topology(name).example
    found = problem({"topology": name, **example})
    solution = bptt_solver.solve(found)
    assert solution.verified
    assert "Made up, because" in str(solution)
    for label, value in numbers(found):
        np.testing.assert_array_equal(value, np.round(value, 2), err_msg=label)
        assert np.abs(value).max() <= 1, label
    for label, value in solution.values.items():
        small = np.abs(np.asarray(value, float))
        assert not ((small > 0) & (small < 1e-12)).any(), f"{label} is 0 but for rounding"


def test_one_line_is_enough() -> None:
    solution = bptt_solver.solve(bptt_solver.loads(ONE_LINE))
    text = " ".join(str(solution).split())
    assert "Made up, because no data are given: x, d." in text
    assert "Made up, because they are not given: W_i, U_i, b_i, W_f" in text
    assert "They have the seed 3; write data: and parameters: for your own" in text
    kinds = {entry["kind"]: entry["names"] for entry in solution.as_dict()["sources"]}
    assert kinds["made_up.data"] == ["x", "d"]
    assert len(kinds["made_up.parameter"]) == 14


def test_seeds() -> None:
    first, again = bptt_solver.loads(ONE_LINE), bptt_solver.loads(ONE_LINE + "\nseed: 3")
    other = bptt_solver.loads(ONE_LINE + "\nseed: 2")
    for key, value in first.given.items():
        np.testing.assert_array_equal(value, again.given[key])
    assert first.given["W_i", ()].tolist() != other.given["W_i", ()].tolist()
    assert other.remarks[0].fields["seed"] == "2"


def test_another_parameter_changes_none_of_the_others() -> None:
    plain, peephole = (problem({"topology": "lstm", "sizes": SIZES, "peephole": on}) for on in (False, True))
    for key, value in plain.given.items():
        np.testing.assert_array_equal(value, peephole.given[key])


TARGETS = [
    ("softmax", "cross_entropy", {(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)}),
    ("sigmoid", "binary_cross_entropy", None),
    ("tanh", "hinge", None),
    ("softmax", "kl_divergence", {(0.6, 0.2, 0.2), (0.2, 0.6, 0.2), (0.2, 0.2, 0.6)}),
    ("exp", "poisson", None),
]


@pytest.mark.parametrize(("output", "loss", "rows"), TARGETS)
def test_targets_fit_the_loss(output: str, loss: str, rows: set[tuple[float, ...]] | None) -> None:
    found = problem({"topology": "elman", "sizes": SIZES, "output": output, "loss": loss, "steps": 3})
    targets = [tuple(found.given["d", (t,)].tolist()) for t in (1, 2, 3)]
    entries = {entry for row in targets for entry in row}
    if rows is not None:
        assert {*targets} == rows
    allowed = {"hinge": {-1.0, 1.0}, "poisson": {1.0, 2.0, 3.0}, "kl_divergence": {0.2, 0.6}}.get(loss, {0.0, 1.0})
    assert entries <= allowed
    assert len(entries) > 1
    assert bptt_solver.solve(found).verified


OPTIONS: list[dict[str, Any]] = [
    {"targets": "last"}, {"targets": "mask"}, {"targets": [1, 3], "steps": 3}, {"inputs": "first", "steps": 2},
    {"sequences": "several"}, {"sequences": 3, "steps": 2}, {"readout": False, "sizes": {"input": 2, "hidden": 2}},
    {"sizes": "scalar"}, {"initial": "trained"}, {"bias": False}, {"steps": 1},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("topology", ["elman", "gru"])
def test_options(topology: str, options: dict[str, Any]) -> None:
    found = problem({"topology": topology, "sizes": SIZES, **options})
    assert bptt_solver.solve(found).verified


def test_sequences_of_their_own_lengths() -> None:
    network = {"topology": "elman", "sizes": SIZES, "sequences": 2, "lengths": "len"}
    found = problem(network, maps={"len": [4, 2]})
    assert ("x", (1, 4)) in found.given
    assert bptt_solver.solve(found).verified


@pytest.mark.parametrize("leak", ["units", "trained"])
def test_numbers_that_have_to_lie_somewhere(leak: str) -> None:
    """The part of a state that is renewed is between 0 and 1; what is given is taken as it is."""
    network = {"topology": "leaky", "sizes": SIZES, "leak": leak, "steps": 2}
    for seed in range(12):
        made_up = np.asarray(problem(network, seed=seed).given["alpha", ()], float)
        assert ((made_up > 0) & (made_up < 1)).all()
    assert problem(network, parameters={"alpha": [-2, 3] if leak == "units" else -2}).given["alpha", ()] is not None


def test_a_mask_leaves_one_step_out() -> None:
    found = problem({"topology": "elman", "sizes": SIZES, "targets": "mask", "steps": 3})
    assert [float(found.given["m", (t,)]) for t in (1, 2, 3)] == [0, 1, 1]


def test_what_is_given_stays() -> None:
    """The data say how many steps there are; only parameters that are missing are made up."""
    data = {"x": [[1, 2], [3, 4], [5, 6], [7, 8]], "d": {"one_hot": [0, 1, 2, 0]}}
    network = {"topology": "gru", "sizes": SIZES, "output": "softmax", "loss": "cross_entropy"}
    found = problem(network, data=data, parameters={"W_r": [[1, 2], [3, 4]], "b_y": [0, 0, 0]})
    assert found.system.sizes["T"] == 4
    assert found.given["W_r", ()].tolist() == [[1, 2], [3, 4]]
    (remark,) = found.remarks
    assert remark.kind == "made_up.parameter"
    assert {"W_r", "b_y"}.isdisjoint(name for name, _ in remark.names)
    assert ("W_z", ()) in remark.names


@pytest.mark.parametrize("data", [{"x": [[1, 2], [3, 4]]}, {"d": [[1, 2, 3]]}, {"d[1]": [1, 2, 3]}])
def test_data_that_were_forgotten_are_missed(data: dict[str, Any]) -> None:
    with pytest.raises(ProblemError, match=r"topology 'elman' needs the data [dx] "):
        problem({"topology": "elman", "sizes": SIZES}, data=data)


def test_an_initial_state_that_is_to_be_given_is_missed() -> None:
    with pytest.raises(ProblemError, match=r"h\[0\]"):
        problem({"topology": "elman", "sizes": SIZES, "initial": "given", "steps": 2})


def test_members_are_made_up_one_by_one() -> None:
    found = problem({"topology": "feedforward", "input": 2, "layers": [2, 1]}, parameters={"W[1]": [[1, 2], [3, 4]]})
    assert found.given["W", (1,)].tolist() == [[1, 2], [3, 4]]
    assert ("W", (2,)) in [name for remark in found.remarks for name in remark.names]


def test_a_network_that_is_too_large_is_refused_before_it_is_made() -> None:
    with pytest.raises(ProblemError, match=r"elements, limit .*--limit elements="):
        problem({"topology": "elman", "sizes": {"input": 2, "hidden": 10_000, "output": 2}, "steps": 2})


def test_what_an_equation_defines_is_not_made_up() -> None:
    found = problem({"topology": "elman", "sizes": SIZES, "steps": 2}, equations="b_h = 2*c", parameters={"c": [1, 2]})
    assert "b_h" not in {name for remark in found.remarks for name, _ in remark.names}
    assert bptt_solver.solve(found).verified
