"""`bptt_solver.draft` and the check of topologies, as somebody uses them who writes a topology."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bptt_solver.draft import COMMON, Draft
from bptt_solver.records import Network, Topology
from bptt_solver.registry import Registry
from bptt_solver.testing import check_topology

REGISTRY = Registry.load()
EXAMPLE: Mapping[str, object] = {"sizes": {"input": 2, "hidden": 3, "output": 2}, "steps": 3}


def small(options: Mapping[str, object]) -> Network:
    """The example of the documentation."""
    net = Draft(options)
    net.parameter("W_x", "hidden", "input")
    net.parameter("W_h", "hidden", "hidden")
    net.parameter("b_h", "hidden")
    net.start("h", "hidden")
    net.sum("a[t]", "W_x @ x[t]", "W_h @ h[t-1]", "b_h")
    net.line(f"h[t] = {net.function('hidden', 'a[t]')}")
    net.finish("h", "hidden")
    return net.network()


def test_the_documented_topology_is_elman() -> None:
    topology = Topology("mine", small, COMMON, EXAMPLE)
    check_topology(topology, REGISTRY)
    mine = Registry.of(topology, base=REGISTRY).network("mine", EXAMPLE)
    theirs = REGISTRY.network("elman", EXAMPLE)
    different = [name for name in Network.fields() if getattr(mine, name) != getattr(theirs, name)]
    assert different == ["packings"]  # what elman can read from files of other libraries


@pytest.mark.parametrize("topology", [t.name for t in REGISTRY.topologies])
def test_every_first_party_topology_passes(topology: str) -> None:
    check_topology(REGISTRY.topology(topology), REGISTRY)


def test_a_trained_start_is_a_parameter() -> None:
    network = REGISTRY.network("elman", {**EXAMPLE, "initial": "trained"})
    assert network.trained == network.zeros == ("h[0]",)
    assert REGISTRY.network("elman", EXAMPLE).trained == ()
    assert network.notes[0] == "The initial state `h[0]` is trained; unless it is given, it starts at 0."


def test_starts_of_a_kind_are_told_in_one_sentence() -> None:
    network = REGISTRY.network("lags", {"sizes": {"input": 2, "hidden": 3, "output": 2}, "lags": [1, 2]})
    assert network.notes[0] == "The initial states `h[0]` and `h[-1]` are 0 unless they are given."


# ----------------------------------------------------------------------------- what is planted is found


def changed(change: Callable[[dict[str, Any]], None]) -> Topology:
    """The small topology with something wrong in its record."""

    def build(options: Mapping[str, object]) -> Network:
        network = small(options)
        fields = {name: getattr(network, name) for name in Network.fields()}
        fields = {name: dict(value) if isinstance(value, Mapping) else value for name, value in fields.items()}
        change(fields)
        return Network(**fields)

    return Topology("wrong", build, COMMON, EXAMPLE)


def undeclared(fields: dict[str, Any]) -> None:
    fields["parameters"].pop("W_h")


def another_shape(fields: dict[str, Any]) -> None:
    fields["parameters"]["W_h"] = (3, 3)


def unused(fields: dict[str, Any]) -> None:
    fields["parameters"]["W_q"] = (2, 2)


def no_target(fields: dict[str, Any]) -> None:
    fields["target"] = "F"


def trained_without_zero(fields: dict[str, Any]) -> None:
    fields["trained"] = ("W_x",)


def not_parsed(fields: dict[str, Any]) -> None:
    fields["equations"] += "\nq = (1"


def never_the_same(fields: dict[str, Any]) -> None:
    fields["notes"] = (str(random.random()),)


def outside(fields: dict[str, Any]) -> None:
    fields["equations"] = fields["equations"].replace("W_h @ h[t-1]", "W_h @ h[t-2]")


WRONG: dict[Callable[[dict[str, Any]], None], str] = {
    undeclared: "unknown name 'W_h'",
    another_shape: "with one unit.* 3 columns meet 1 rows",
    unused: "'W_q' in parameters is not in its equations",
    no_target: "no equation defines the target 'F'",
    trained_without_zero: "'W_x' in trained is not in zeros",
    not_parsed: "do not parse",
    never_the_same: "each network is another one",
    outside: r"reads h\[-1\], which is neither given nor defined",
}


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change.__name__)
def test_what_is_wrong_is_found(change: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(AssertionError) as caught:
        check_topology(changed(change), REGISTRY)
    assert re.search(WRONG[change], str(caught.value), re.DOTALL), str(caught.value)
