"""What is known so far of a problem that is being built: each pass of the builder reads it and adds what it found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bptt_solver.errors import Problems, Span
from bptt_solver.language.operations import Operations
from bptt_solver.limits import Limits
from bptt_solver.problem.document import Document
from bptt_solver.problem.filling import Filling
from bptt_solver.problem.model import Plugins

if TYPE_CHECKING:
    from bptt_solver.language.equations import Equation
    from bptt_solver.problem.names import Resolver, Survey
    from bptt_solver.records import Network
    from bptt_solver.system import IntegerMap


class Making:
    """A problem in the making. What is wrong is collected in ``problems``, so that several things are told at once.

    ``values`` are the given numbers: name -> indices of a member -> nested lists (or an array from a file).
    ``arities`` say how many indices each name carries, ``spans`` where each name was given.
    """

    network: Network | None = None
    equations: list[Equation]
    surveys: list[Survey]
    maps: dict[str, IntegerMap]
    resolver: Resolver
    filling: Filling
    arities: dict[str, int]
    values: dict[str, dict[tuple[int, ...], Any]]

    def __init__(self, document: Document, limits: Limits, plugins: Plugins) -> None:
        self.document = document
        self.limits = limits
        self.plugins = plugins
        self.operations = Operations(plugins.functions)
        self.problems = Problems()
        self.spans: dict[str, Span] = {}
        self.sizes: dict[str, int] = {}
        self.said: list[tuple[str, Span]] = []  # which option, or which data, said how large a size is

    @property
    def surveyed(self) -> Iterator[tuple[Equation, Survey]]:
        """Each equation with what its right-hand side is made of."""
        return zip(self.equations, self.surveys, strict=True)

    @property
    def calls(self) -> set[str]:
        """The names of all functions and operations that the equations use."""
        return {name for survey in self.surveys for name, _ in survey.calls}

    @property
    def roles(self) -> dict[str, str]:
        """Name -> ``value``, ``data`` or ``parameter``: as the document gives it, else as the topology declares it."""
        roles: dict[str, str] = {}
        for item in self.filling.givens:
            roles.setdefault(item.name, item.role)
        if self.network is not None:
            untrained = set(self.network.zeros) - set(self.network.trained)
            for label in self.network.parameters:
                if label not in untrained:
                    roles.setdefault(label.partition("[")[0], "parameter")
            for label in self.network.data:
                roles.setdefault(label.partition("[")[0], "data")
        return roles
