"""What equations say for a picture: which index is the time, which given names are weights, what multiplies what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bptt_solver.language.expressions import Call, Expression, Reference, Sum, preorder
from bptt_solver.steps.times import Times
from bptt_solver.system import OutsideMap

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.language.equations import Equation
    from bptt_solver.system import Instance

_LINEAR = ("mul", "matmul", "div", "neg", "transpose", "add")


class Reading:
    """The roles of the indices and of the given names of a system, read off its equations.

    ``clock``: family -> the position of its time index and the variable's name. Empty where nothing is carried from one
    time to another. ``weights``: the instances that are drawn on edges and not as nodes.
    """

    def __init__(self, computation: Computation) -> None:
        self.problem = computation.problem
        self.system = computation.problem.system
        self.unfolded = computation.problem.unfolded
        self.times = Times(self.system)
        self.clock: dict[str, tuple[int, str]] = {}
        if self.times.variable:
            self._find_clocks()
            if not self._is_time():
                self.clock.clear()
        self.weights = self._find_weights()
        self._factors: dict[int, dict[Reference, list[Reference]]] = {}
        self._keep: list[Equation] = []

    def time(self, key: Instance) -> int | None:
        """The time of an instance."""
        found = self.clock.get(key[0])
        return key[1][found[0]] if found is not None and key[1] else None

    def place(self, key: Instance) -> Instance:
        """An instance without its time."""
        found = self.clock.get(key[0])
        if found is None or not key[1]:
            return key
        return key[0], tuple(i for at, i in enumerate(key[1]) if at != found[0])

    # -- time

    def _find_clocks(self) -> None:
        system = self.system
        for name, variable in self.times.variables.items():
            at = system.time_position(name)
            if at is not None:
                self.clock[name] = at, variable
        for equation in system.equations:
            own = self.clock.get(equation.name)
            ticking = {own[1]} if own is not None else set()
            for node in preorder(equation.right):
                if type(node) is Reference and node.name in self.clock and node.indices:
                    index = node.indices[self.clock[node.name][0]]
                    ticking |= set(index.variables()) & _summed(equation)
            for node in preorder(equation.right):
                if type(node) is not Reference or node.name in system.defining:
                    continue
                for at, index in enumerate(node.indices):
                    if ticking & set(index.variables()) and not any(True for _ in index.lookups()):
                        self.clock.setdefault(node.name, (at, next(v for v in index.variables() if v in ticking)))

    def _is_time(self) -> bool:
        """Whether the shifted index is a time: what each layer has of its own is a parameter, what each step has is
        data."""
        roles = self.system.roles
        own = [name for name in self.clock if name not in self.system.defining]
        return self.times.recurrent or not any(roles.get(name) == "parameter" for name in own)

    # -- weights

    def _find_weights(self) -> frozenset[int]:
        """Given instances that multiply something else wherever they are read: parameters, and what all steps share."""
        unfolded, roles = self.unfolded, self.system.roles
        readers: dict[int, list[int]] = {}
        for number in unfolded.order:
            for read in unfolded.reads(number):
                if unfolded.grounds[read] is None:
                    readers.setdefault(read, []).append(number)
        found: dict[int, None] = {}
        for number, users in readers.items():
            name = unfolded.keys[number][0]
            if name in self.clock or name in self.system.defining or roles.get(name) == "data":
                continue
            shared = bool(self.clock) and len({self.time(unfolded.keys[u]) for u in users}) > 1
            if roles.get(name) == "parameter" or shared:
                found[number] = None
        while True:  # whoever reads nothing but weights needs something to read
            bare = [
                read
                for number in unfolded.order
                if (reads := unfolded.reads(number)) and all(r in found for r in reads)
                for read in reads
            ]
            if not bare:
                return frozenset(found)
            for read in bare:
                found.pop(read, None)

    def factors(self, number: int, read: int) -> list[int]:
        """The weights that multiply what an instance reads, in the order of its equation."""
        equation = self.unfolded.equations[number]
        if equation is None:
            return []
        if id(equation) not in self._factors:
            self._factors[id(equation)] = _factors(equation.right)
            self._keep.append(equation)
        key = self.unfolded.keys[read]
        environment = self.unfolded.environments[number]
        found: dict[int, None] = {}
        for reference, others in self._factors[id(equation)].items():
            if reference.name != key[0]:
                continue
            for bound in self._bindings(reference, key, environment):
                for other in others:
                    at = self._instance(other, bound)
                    if at in self.weights:
                        found[at] = None
        return list(found)

    def _bindings(
        self, reference: Reference, key: Instance, environment: Mapping[str, int]
    ) -> Iterator[dict[str, int]]:
        """The environment, with the variables of an inner sum that make a reference this instance."""
        bound = dict(environment)
        for index, value in zip(reference.indices, key[1], strict=True):
            unknown = [v for v in index.variables() if v not in bound and v not in self.system.sizes]
            if not unknown:
                try:
                    if self.system.index(index, bound) != value:
                        return
                except (LookupError, OutsideMap):
                    return
            elif len(index.terms) == 1 and isinstance(index.terms[0][0], str):
                bound[unknown[0]] = (value - index.constant) // index.terms[0][1]
            else:
                return
        yield bound

    def _instance(self, reference: Reference, bound: dict[str, int]) -> int:
        try:
            indices = tuple(self.system.index(i, bound) for i in reference.indices)
        except (LookupError, OutsideMap):
            return -1
        return self.unfolded.number.get((reference.name, indices), -1)


def _summed(equation: Equation) -> set[str]:
    """The variables of the sums inside an equation."""
    return {r.variable for node in preorder(equation.right) if isinstance(node, Sum) for r in node.ranges}


def _factors(right: Expression) -> dict[Reference, list[Reference]]:
    """For every reference, what stands in the same products."""
    found: dict[Reference, list[Reference]] = {}
    stack: list[tuple[Expression, list[Reference]]] = [(right, [])]
    while stack:
        node, around = stack.pop()
        if type(node) is Reference:
            kept = found.setdefault(node, [])
            kept += [other for other in around if other != node and other not in kept]
        elif isinstance(node, Sum):
            stack.append((node.body, around))
        elif isinstance(node, Call):
            inside = around if node.operation in _LINEAR else []
            for child in node.arguments:
                others = [
                    n
                    for other in node.arguments
                    if other is not child and node.operation in ("mul", "matmul")
                    for n in preorder(other)
                    if type(n) is Reference
                ]
                stack.append((child, [*inside, *others]))
    return found
