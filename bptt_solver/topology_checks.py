"""The check of a topology, for plugin authors (`bptt_solver.testing` has it too): its networks are built and solved.

    from bptt_solver.testing import check_topology

    def test_mine():
        check_topology(TOPOLOGY)

What is wrong raises AssertionError, which names the topology, its options and the place.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping

from bptt_solver.computation import Computation
from bptt_solver.errors import Excerpt, ProblemError, Source
from bptt_solver.language.expressions import Reference, preorder
from bptt_solver.language.parser import parse_equations
from bptt_solver.limits import Limits
from bptt_solver.problem.builder import build
from bptt_solver.problem.document import read_document
from bptt_solver.problem.model import Plugins
from bptt_solver.records import Network, OptionError, Topology
from bptt_solver.registry import Registry
from bptt_solver.verify import verify

DRAWS = 2  # networks with random sizes
_LARGEST = 4
_STEPS = ("steps", "T", "S")  # what counts steps, as an option or as a size

Options = Mapping[str, object]


def check_topology(record: Topology, registry: Registry | None = None, options: Options | None = None) -> None:
    """Build networks from ``options`` (default: the topology's own example) and solve them with made-up numbers.

    The equations parse; every name that is declared is used in them, and they read no others; the same options give
    the same network. Then every ordered derivative is compared with complex steps and forward mode: as the options
    are, with one step, with one unit everywhere (all whole numbers are 1), and with random sizes. Other sizes that the
    topology refuses are left out. Raises AssertionError.
    """
    known = registry if registry is not None else Registry.load()
    if record.name not in {t.name for t in known.topologies}:
        known = Registry.of(record, base=known)
    chosen = dict(options if options is not None else record.example)
    try:
        network = known.network(record.name, chosen)
        assert known.network(record.name, chosen) == network, f"topology {record.name}: each network is another one"
    except OptionError as error:
        raise AssertionError(f"topology {record.name}: {error}") from None
    _check_names(record, network)
    for what, varied, sizes in _variants(record, network, chosen):
        _check_solution(record, known, what, varied, sizes, varied == chosen)


def _check_names(record: Topology, network: Network) -> None:
    """What is declared is used, and the target is defined."""
    try:
        equations = parse_equations(Excerpt.of(network.equations, f"<network {record.name}>"))
    except ProblemError as error:
        raise AssertionError(f"topology {record.name} writes equations that do not parse:\n{error}") from None
    used = {e.name for e in equations}
    used |= {node.name for e in equations for node in preorder(e.right) if isinstance(node, Reference)}
    for what in ("parameters", "data", "zeros", "trained", "roles", "lanes"):
        for name in getattr(network, what):
            if name.partition("[")[0] not in used:
                raise AssertionError(f"topology {record.name}: '{name}' in {what} is not in its equations")
    for label in network.trained:
        if label not in network.zeros:
            raise AssertionError(f"topology {record.name}: '{label}' in trained is not in zeros")
    if network.target.partition("[")[0] not in {e.name for e in equations}:
        raise AssertionError(f"topology {record.name}: no equation defines the target '{network.target}'")


def _variants(record: Topology, network: Network, options: Options) -> Iterator[tuple[str, Options, dict[str, int]]]:
    """(what it is, options, sizes that data would determine)."""
    free = [name for name, value in network.sizes.items() if value is None]
    yield "as it is", options, {}
    yield "with one step", _varied(options, lambda key, n: 1 if key in _STEPS else n), dict.fromkeys(free, 1)
    yield "with one unit", _varied(options, lambda key, n: n if key in _STEPS else 1), {}
    draw = random.Random(record.name)
    for _ in range(DRAWS):
        varied = _varied(options, lambda key, n: draw.randint(1, _LARGEST))
        yield "with random sizes", varied, {name: draw.randint(1, _LARGEST) for name in free}


def _varied(options: Options, change: Callable[[str, int], int]) -> dict[str, object]:
    """Options with other whole numbers; those in lists stay, since they may be places and not sizes."""
    result: dict[str, object] = {}
    for key, value in options.items():
        if isinstance(value, Mapping):
            result[key] = _varied(value, change)
        else:
            result[key] = change(key, value) if type(value) is int else value
    return result


def _check_solution(
    record: Topology, registry: Registry, what: str, options: Options, sizes: Mapping[str, int], required: bool
) -> None:
    """Solve one network with made-up numbers and compare every derivative."""
    where = f"topology {record.name} {what}, {json.dumps(options)}"
    try:
        registry.network(record.name, options)
    except OptionError:
        if required:
            raise
        return
    text = json.dumps({"network": {"topology": record.name, **options}, **({"sizes": sizes} if sizes else {})})
    limits = Limits()
    try:
        document = read_document(Source(f"<{record.name}>", text), limits)
        problem = build(document, limits, Plugins.of(registry))
        check = verify(Computation(problem), "full")
    except ProblemError as error:
        raise AssertionError(f"{where}: {error}") from None
    assert check.passed, f"{where}: the ordered derivatives are not what other ways of computing them give"
