"""What the JSON output says of a network: its topology, the choices in it, what its names are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import bptt_solver
from bptt_solver.errors import Excerpt
from bptt_solver.language.parser import parse_equations
from bptt_solver.registry import Registry

ROOT = Path(__file__).parents[2]
REGISTRY = Registry.load()
SIZES = {"input": 2, "hidden": 2, "output": 2}


def told(topology: str, **options: object) -> dict[str, Any]:
    """The entry of a network."""
    document = json.dumps({"network": {"topology": topology, **options}})
    data: dict[str, Any] = json.loads(bptt_solver.solve(bptt_solver.loads(document)).render("json"))["network"]
    return data


def test_keys_are_documented() -> None:
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    section = page.partition("\n## network\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(told("elman", sizes=SIZES, steps=2))


@pytest.mark.parametrize("topology", [t.name for t in REGISTRY.topologies])
def test_what_the_topology_wrote(topology: str) -> None:
    """Equations that the language reads, in which every name has its role, as the record has it."""
    record = REGISTRY.topology(topology)
    network = told(topology, **record.example)
    written = REGISTRY.network(topology, record.example)
    assert network["topology"] == topology
    assert "\n".join(network["equations"]) == written.equations
    assert network["notes"] == list(written.notes)
    defined = {equation.name for equation in parse_equations(Excerpt.of(written.equations))}
    for name, said in network["names"].items():
        assert list(said) == ["role", "given"]
        assert said["role"] == written.roles[name]
        assert said["given"] in ("value", "data", "parameter") or (said["given"] is None and name in defined)


def test_sizes_that_data_determine() -> None:
    data = {"x": [[1, 2], [3, 4], [5, 6]], "d": [[1, 0], [0, 1], [1, 1]]}
    document = {"network": {"topology": "elman", "sizes": SIZES}, "data": data, "values": {"h[0]": [1, 1]}}
    solution = bptt_solver.solve(bptt_solver.loads(json.dumps(document)))
    network = solution.as_dict()["network"]
    assert network["sizes"] == {"T": 3}
    assert {name: said["given"] for name, said in network["names"].items()} == {
        "x": "data", "W_x": "parameter", "W_h": "parameter", "b_h": "parameter", "a": None, "h": "value",
        "W_y": "parameter", "b_y": "parameter", "y": None, "d": "data", "e": None, "E": None,
    }  # fmt: skip
    assert network["names"]["W_h"]["role"] == "recurrent weights"


def test_an_alias_is_told_by_its_name() -> None:
    assert told("seq2seq", sizes=SIZES, steps={"input": 2, "output": 1}, cell="lstm")["topology"] == "encoder_decoder"


def test_nothing_without_a_network() -> None:
    solution = bptt_solver.solve(bptt_solver.loads("equations: E = x**2\nvalues: {x: 3}"))
    assert "network" not in solution.as_dict()
