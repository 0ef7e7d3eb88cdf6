"""What a problem is: a forward system with its numbers, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bptt_solver.arithmetic import Value
from bptt_solver.language.expressions import Reference
from bptt_solver.language.operations import Operations
from bptt_solver.language.shapes import Shape
from bptt_solver.limits import Limits
from bptt_solver.problem.document import Document
from bptt_solver.records import Function, Network
from bptt_solver.registry import Registry
from bptt_solver.system import Instance, System
from bptt_solver.unfold import Unfolded, instance_text


class Remark(NamedTuple):
    """What a reader has to know about given numbers: ``kind`` is the sentence, ``names`` what it is about (each with
    its member), ``fields`` what stands in it."""

    kind: str
    names: tuple[tuple[str, tuple[int, ...]], ...]
    fields: Mapping[str, str]


class Problem:
    """A system with its numbers, and what is wanted of it. ``given`` holds the value of every given instance."""

    def __init__(
        self,
        document: Document,
        system: System,
        unfolded: Unfolded,
        shapes: Mapping[int, Shape],
        given: Mapping[Instance, Value],
        target: Reference,
        wrt: Sequence[str] | None,
        limits: Limits,
        registry: Plugins,
        network: Network | None = None,
        remarks: Sequence[Remark] = (),
    ) -> None:
        self.document = document
        self.title = document.title
        self.system = system
        self.unfolded = unfolded
        self.shapes = shapes
        self.given = given
        self.target = target
        self.wrt = wrt
        self.limits = limits
        self.registry = registry
        self.network = network  # what the topology declared, if there is one
        self.remarks = tuple(remarks)  # about given numbers

    @property
    def notes(self) -> tuple[str, ...]:
        """What the topology says about its choices."""
        return self.network.notes if self.network is not None else ()

    def wanted(self) -> list[Instance]:
        """The instances whose derivatives are wanted: ``wrt`` if the document says, else the parameters, else what
        is given."""
        keys = self.unfolded.keys
        if self.wrt is not None:
            return [k for k in keys if instance_text(k) in self.wrt or k[0] in self.wrt]
        given = [k for n, k in enumerate(keys) if self.unfolded.grounds[n] is None]
        parameters = [k for k in given if self.system.roles.get(k[0]) == "parameter"]
        return parameters or [k for k in given if self.system.roles.get(k[0]) != "data"]

    @property
    def operations(self) -> Operations:
        """The operations that its equations use."""
        return self.system.operations

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong with plugins."""
        return self.registry.warnings


class Plugins:
    """The registry, loaded when the first name is met that the core does not know."""

    def __init__(self, files: Sequence[str] = ()) -> None:
        self.files = tuple(files)
        self._registry: Registry | None = None

    @classmethod
    def of(cls, registry: Registry) -> Plugins:
        """A registry that is loaded already."""
        plugins = cls()
        plugins._registry = registry
        return plugins

    @property
    def registry(self) -> Registry:
        """The loaded registry."""
        if self._registry is None:
            self._registry = Registry.load(self.files)
        return self._registry

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of plugins that were loaded; none if none was needed."""
        return self.registry.warnings_so_far if self._registry is not None or self.files else ()

    def functions(self) -> Iterator[Function]:
        """All functions of all plugins."""
        yield from self.registry.functions
