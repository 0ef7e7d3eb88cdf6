"""What a problem is: a forward system with its numbers, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bptt_solver.arithmetic import Value
from bptt_solver.language.expressions import Reference
from bptt_solver.language.operations import Operations
from bptt_solver.language.shapes import Shape
from bptt_solver.limits import Limits
from bptt_solver.problem.document import Document
from bptt_solver.problem.outline import Outline
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
    """A system with its numbers, and what is wanted of it. ``given`` holds the value of every given instance.

    A large regular system has an ``outline`` instead of ``unfolded`` and ``shapes``: these are made by ``later`` when
    somebody asks for them.
    """

    def __init__(
        self,
        document: Document,
        system: System,
        unfolded: Unfolded | None,
        shapes: Mapping[int, Shape] | None,
        given: Mapping[Instance, Value],
        target: Reference,
        wrt: Sequence[str] | None,
        limits: Limits,
        registry: Plugins,
        network: Network | None = None,
        remarks: Sequence[Remark] = (),
        outline: Outline | None = None,
        later: Callable[[], tuple[Unfolded, Mapping[int, Shape]]] | None = None,
    ) -> None:
        self.document = document
        self.title = document.title
        self.system = system
        self._unfolded: tuple[Unfolded, Mapping[int, Shape]] | None = None
        self._later: Callable[[], tuple[Unfolded, Mapping[int, Shape]]] | None = None
        if outline is None:
            assert unfolded is not None and shapes is not None
            self._unfolded = unfolded, shapes
        else:
            self._later = later
        self.outline = outline  # of a large regular system
        self.given = given
        self.target = target
        self.wrt = wrt
        self.limits = limits
        self.registry = registry
        self.network = network  # what the topology declared, if there is one
        self.remarks = tuple(remarks)  # about given numbers

    @property
    def unfolded(self) -> Unfolded:
        """All instances, in order."""
        return self._instances()[0]

    @property
    def shapes(self) -> Mapping[int, Shape]:
        """The shape of every instance that is not a number, by its number."""
        return self._instances()[1]

    def _instances(self) -> tuple[Unfolded, Mapping[int, Shape]]:
        if self._unfolded is None:
            assert self._later is not None
            self._unfolded = self._later()
        return self._unfolded

    @property
    def is_unfolded(self) -> bool:
        """Whether the instances are there without more work."""
        return self._unfolded is not None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the topology says about its choices."""
        return self.network.notes if self.network is not None else ()

    def wanted(self) -> list[Instance]:
        """The instances whose derivatives are wanted: ``wrt`` if the document says, else the parameters, else what
        is given."""
        if self.outline is not None and not self.is_unfolded and self._given_only():
            roles = self.system.roles
            names = [w.partition("[")[0] for w in self.wrt or ()]
            names = names or [n for n in self.system.given if roles.get(n) == "parameter"]
            names = names or [n for n in self.system.given if roles.get(n) != "data"]
            return self._wanted(list(self.outline.given(names)))
        keys = self.unfolded.keys
        if self.wrt is not None:
            return [k for k in keys if instance_text(k) in self.wrt or k[0] in self.wrt]
        return self._wanted([k for n, k in enumerate(keys) if self.unfolded.grounds[n] is None])

    def _given_only(self) -> bool:
        """Whether all that is wanted is given."""
        return all(name.partition("[")[0] not in self.system.defining for name in self.wrt or ())

    def _wanted(self, given: Sequence[Instance]) -> list[Instance]:
        """What is wanted of all that is given."""
        if self.wrt is not None:
            return [k for k in given if k[0] in self.wrt or instance_text(k) in self.wrt]
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
