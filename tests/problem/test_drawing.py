"""Random numbers of a document: the same on every machine, a stream for each name, and of the kind asked for."""

from __future__ import annotations

import json
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

import bptt_solver
from bptt_solver.problem.drawing import bits, draw, draw_value, seed_of, small
from bptt_solver.problem.values import RandomValue


def given(parameters: dict[str, Any], seed: int | None = None) -> dict[str, Any]:
    document: dict[str, Any] = {"equations": "E = " + " + ".join(f"sum({name}*{name})" for name in parameters)}
    document |= {"parameters": parameters} | ({} if seed is None else {"seed": seed})
    problem = bptt_solver.loads(json.dumps(document))
    return {key[0]: value for key, value in problem.given.items()}


def value(**options: Any) -> dict[str, Any]:
    return {"random": {"shape": [2, 2], **options}}


def test_the_numbers_are_fixed() -> None:
    """These digits must never change: solutions that were printed have them."""
    assert draw((2,), 1, name="W").tolist() == [0.1921360630592408, -0.24447435768540182]
    assert draw((2,), 1, init="normal", name="W").tolist() == [0.24318261108012412, -0.31136173214449914]
    assert draw((2, 2), 1, init="orthogonal", name="W").tolist() == [
        [0.6155359865281601, -0.7881087801114797],
        [0.7881087801114797, 0.6155359865281601],
    ]
    assert small((2, 2), 1, "W").tolist() == [[0.1, 0.2], [0.4, 0.9]]


def test_normal_numbers_are_the_inverse_of_the_distribution() -> None:
    """Compared with the standard library's own AS 241, far into both tails."""
    from bptt_solver.problem.drawing import _normal

    raw = np.concatenate([bits(3000, 5), np.array([0, 1, 1 << 13, 1 << 40, 2**64 - 1, 2**64 - (1 << 40)], np.uint64)])
    below = [((int(word) >> 12) + 0.5) * 2.0**-52 for word in raw]
    expected = [NormalDist().inv_cdf(p) for p in below]
    np.testing.assert_allclose(_normal(raw), expected, 2e-15)


def test_normal_numbers_look_normal() -> None:
    numbers = draw((40_000,), 3, scale=2.0, init="normal")
    assert abs(numbers.mean()) < 0.03
    assert abs(numbers.std() - 2) < 0.03
    assert abs((np.abs(numbers) > 4).mean() - 0.0455) < 0.005


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 5), (5, 2), (2, 3, 4)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    for matrix in draw(shape, 2, scale=0.5, init="orthogonal").reshape(-1, *shape[-2:]):
        product = matrix @ matrix.T if shape[-2] <= shape[-1] else matrix.T @ matrix
        np.testing.assert_allclose(product, 0.25 * np.eye(len(product)), 1e-15, 1e-15)


def test_kinds_in_a_document() -> None:
    found = given(
        {
            "Z": value(init="zeros"), "O": value(init="ones", scale=3), "I": value(init="identity", scale=0.5),
            "Q": value(init="orthogonal"), "N": value(init="normal", round=1), "U": value(),
        }
    )  # fmt: skip
    assert found["Z"].tolist() == [[0, 0], [0, 0]]
    assert found["O"].tolist() == [[3, 3], [3, 3]]
    assert found["I"].tolist() == [[0.5, 0], [0, 0.5]]
    assert abs(abs(np.linalg.det(found["Q"])) - 1) < 1e-15
    assert found["N"].tolist() == np.round(found["N"], 1).tolist()
    np.testing.assert_array_equal(found["U"], draw((2, 2), seed_of("U")))


def test_each_name_has_a_stream_of_its_own() -> None:
    """A parameter that is added, or another order, changes none of the others."""
    two = given({"W": value(seed=1), "U": value(seed=1)})
    three = given({"b": value(seed=1), "U": value(seed=1), "W": value(seed=1)})
    assert not np.array_equal(two["W"], two["U"])
    for name in ("W", "U"):
        np.testing.assert_array_equal(two[name], three[name])


def test_the_seed_of_the_document_is_for_those_without() -> None:
    first, second = given({"W": value(), "U": value(seed=7)}, 1), given({"W": value(), "U": value(seed=7)}, 2)
    assert not np.array_equal(first["W"], second["W"])
    np.testing.assert_array_equal(first["U"], second["U"])
    np.testing.assert_array_equal(first["W"], draw_value(RandomValue((2, 2), 1), "W", ()))


def test_the_seed_is_printed() -> None:
    document = {"equations": "E = sum(W*W) + sum(U*U)", "parameters": {"W": value(seed=3, init="normal"), "U": value()}}
    solution = bptt_solver.solve(bptt_solver.loads(json.dumps(document)))
    text = " ".join(str(solution).split())
    assert "Random, normal with standard deviation 1: W (PCG64, seed 3, a stream for each name)." in text
    assert "Random, spread evenly from −1 to 1: U (PCG64, seeded by the CRC-32 of each name)." in text
    assert solution.as_dict()["sources"][0] == {"kind": "drawn.normal", "names": ["W"], "scale": "1", "seed": "3"}


@pytest.mark.parametrize("shape", [(), (1,), (3, 3), (9,), (10,), (7, 14), (25, 40), (60, 60)])
def test_small_numbers(shape: tuple[int, ...]) -> None:
    """None is 0; no two are of the same size as long as there are enough; few decimals."""
    numbers = small(shape, 1, "W").reshape(-1)
    assert np.all(numbers != 0)
    assert np.all(np.abs(numbers) < 1)
    places = 1 if 1 < len(numbers) <= 9 else 2 if len(numbers) < 100 else 3
    np.testing.assert_array_equal(numbers, np.round(numbers, places))
    if len(numbers) < 100:
        assert len(set(np.abs(numbers).tolist())) == len(numbers)
    if len(numbers) > 4:
        assert (numbers > 0).any()
        assert (numbers < 0).any()
