"""A schedule as a module for a library: each has its way of writing statements and loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.compile.carried import Carried
from bptt_solver.compile.code import Told
from bptt_solver.compile.dialects import dialect_of
from bptt_solver.compile.inplace import InPlace
from bptt_solver.compile.plain import Jitted, Plain
from bptt_solver.compile.schedule import Node
from bptt_solver.compile.source import Box, Source
from bptt_solver.system import System

_KINDS: Mapping[str, type[Source]] = {"numpy": InPlace, "torch": Plain, "jax": Carried, "numba": Jitted}


def source_for(
    dialect: str,
    system: System,
    nodes: Sequence[Node],
    given: Mapping[str, Box],
    shapes: Mapping[str, tuple[int, ...]],
    outputs: Sequence[str],
    told: Told | None = None,
) -> Source:
    """What writes the module for one of `bptt_solver.compile.dialects.NAMES`. Raises KeyError for another."""
    return _KINDS[dialect](system, nodes, given, shapes, outputs, dialect_of(dialect), told)
