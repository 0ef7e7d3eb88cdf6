"""The factors of one step: the simple partials on the way from one time to another, with how much they stretch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bptt_solver.analyses.states import Column, Group, Link, State
from bptt_solver.analyses.transport import Matrix, is_diagonal, norm, singular_values
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Index, Reference, substitute_indices, transform
from bptt_solver.language.jacobians import IDENTITY
from bptt_solver.language.slots import RESULT, slot
from bptt_solver.steps.times import Times

if TYPE_CHECKING:
    from bptt_solver.computation import Computation

MOST_WAYS = 12  # of a step that are told apart


class Factor:
    """One simple partial at all times.

    ``largest`` and ``smallest`` are the largest and smallest singular value, by the user's time. ``mean`` is that of
    the sizes on the diagonal if there is nothing beside it (a slope, a gate); ``radius`` the spectral radius of a
    square matrix that is the same at all times and no diagonal. ``weight``: it is the same at all times. ``pairs``: the
    instances, user and what it reads, by the user's time.
    """

    __slots__ = (
        "above", "below", "formula", "largest", "mean", "pairs", "radius", "read", "shape", "shift", "smallest",
        "user", "weight",
    )  # fmt: skip

    def __init__(self, link: Link, above: Reference, below: Reference, formula: Expression | None) -> None:
        self.user, self.read, self.shift = link
        self.above = above
        self.below = below
        self.formula = formula
        self.largest: dict[int | None, float] = {}
        self.smallest: dict[int | None, float] = {}
        self.pairs: dict[int | None, tuple[int, int]] = {}
        self.mean: float | None = None
        self.radius: float | None = None
        self.shape = (1, 1)
        self.weight = True

    @property
    def name(self) -> str:
        """``∂a[t]/∂h[t-1]``."""
        from bptt_solver.language.notation.source import to_source

        return f"∂{to_source(self.above)}/∂{to_source(self.below)}"

    def data(self) -> dict[str, Any]:
        """As plain data."""
        from bptt_solver.language.notation.source import to_source

        return {
            "name": self.name,
            "formula": None if self.formula is None else to_source(self.formula),
            "shape": list(self.shape),
            "times": list(self.largest),
            "largest": list(self.largest.values()),
            "smallest": list(self.smallest.values()),
            "mean": self.mean,
            "spectral_radius": self.radius,
            "same_at_all_times": self.weight,
        }


class Way:
    """One way of a step: the links from a state at one time to a state at the next, and the norm of their product by
    time."""

    __slots__ = ("links", "norms")

    def __init__(self, links: list[Link]) -> None:
        self.links = links
        self.norms: dict[int, float] = {}

    @property
    def columns(self) -> list[Column]:
        """What the way leads through, the state of the time before first."""
        return [self.links[0][1], *(link[0] for link in self.links)]

    @property
    def mean(self) -> float:
        """The geometric mean of the norms."""
        if not self.norms or not all(self.norms.values()):
            return 0.0
        return math.exp(sum(map(math.log, self.norms.values())) / len(self.norms))

    def add(self, time: int, pieces: Mapping[Link, Matrix]) -> None:
        """One step, if it has all links of the way."""
        product: Matrix | None = None
        for link in self.links:
            matrix = pieces.get(link)
            if matrix is None:
                return
            product = matrix if product is None else matrix @ product
        self.norms[time] = norm(product)


class Factors:
    """Collects the factors of one group, one simple partial after the other."""

    def __init__(self, computation: Computation, times: Times, group: Group) -> None:
        self.computation = computation
        self.times = times
        self.group = group
        self.known: dict[Link, Factor] = {}
        self._first: dict[Link, Matrix] = {}
        self._sums: dict[Link, tuple[float, int] | None] = {}

    def add(self, user: int, read: int, matrix: Matrix) -> None:
        """One simple partial."""
        import numpy

        group = self.group
        time = group.time.get(user)
        link = group.link(user, read)
        factor = self.known.get(link)
        if factor is None:
            factor = self.known[link] = Factor(link, *self._symbols(user, read))
            factor.shape = matrix.shape
            self._first[link] = matrix
            self._sums[link] = (0.0, 0)
        factor.pairs[time] = user, read
        same = numpy.array_equal(matrix, self._first[link])
        if same and factor.largest:
            first = next(iter(factor.largest))
            factor.largest[time], factor.smallest[time] = factor.largest[first], factor.smallest[first]
        else:
            factor.weight = factor.weight and same
            sizes = singular_values(matrix)
            factor.largest[time], factor.smallest[time] = sizes[0], sizes[-1]
        sums = self._sums[link]
        if sums is not None and is_diagonal(matrix):
            diagonal = abs(matrix.diagonal())
            self._sums[link] = (sums[0] + float(diagonal.sum()), sums[1] + len(diagonal))
        else:
            self._sums[link] = None

    def found(self) -> list[Factor]:
        """All factors, in the order of the equations of one step."""
        import numpy

        for link, factor in self.known.items():
            sums = self._sums[link]
            square = factor.shape[0] == factor.shape[1]
            if sums is not None:
                factor.mean = sums[0] / sums[1]  # of one number that is always the same, not that number: rounding
                if factor.weight and square and factor.shape[0] == 1:
                    factor.mean = next(iter(factor.largest.values()))
            elif factor.weight and square:
                factor.radius = float(abs(numpy.linalg.eigvals(self._first[link])).max())
        position = {self.group.place[n]: at for at, n in enumerate(self.group.nodes)}  # where each was computed last
        return sorted(self.known.values(), key=lambda f: (position[f.user], -f.shift, position[f.read]))

    def path(self, state: State) -> list[Factor]:
        """The factors of one step in the order of computation, if a single path leads from a state to the next."""
        column = (state.name, state.rest)
        path: list[Factor] = []
        at = column
        while not path or at != column:
            onwards = [f for f in self.known.values() if f.read == at]
            if len(onwards) != 1 or len(path) > len(self.known):
                return []
            path.append(onwards[0])
            at = onwards[0].user
        return path if len(path) == len(self.known) else []

    def ways(self) -> list[Way]:
        """All ways from the states of one time to those of the next; none if there is only one, or if there are too
        many."""
        group = self.group
        states = [(s.name, s.rest) for s in group.states]
        users: dict[Column, list[Link]] = {}
        for link in self.known:
            users.setdefault(link[1], []).append(link)
        found: list[Way] = []
        for state in states:
            stack = [[link] for link in reversed(users.get(state, ())) if link[2] == group.direction]
            while stack:
                links = stack.pop()
                at = links[-1][0]
                if at in states:
                    found.append(Way(links))
                    if len(found) > MOST_WAYS:
                        return []
                stack += [[*links, link] for link in reversed(users.get(at, ())) if not link[2]]
        return found if len(found) > 1 else []

    # -- symbols

    def _symbols(self, user: int, read: int) -> tuple[Reference, Reference, Expression | None]:
        """The names of both, and the simple partial as a formula if there is a short one."""
        unfolded = self.computation.problem.unfolded
        system = unfolded.system
        equation, environment = unfolded.equations[user], unfolded.environments[user]
        assert equation is not None
        time = self.times.variables.get(equation.name, "")
        binding = {name: Index(value) for name, value in environment.items() if name != time}
        above = _renamed(Reference(equation.name, equation.indices), binding)
        key = unfolded.keys[read]
        template, leaves = system.templates.of(equation.right)
        found: list[Expression] = []
        below: Reference | None = None
        for at, leaf in enumerate(leaves):
            if type(leaf) is not Reference or leaf.name != key[0]:
                continue
            if tuple(system.index(i, environment) for i in leaf.indices) != key[1]:
                continue
            below = below or leaf
            partial = template.partial(at)
            if partial is None:
                return above, _renamed(leaf, binding), None
            names: dict[Expression, Expression] = {slot(k): one for k, one in enumerate(leaves)}
            names[RESULT] = Reference(equation.name, equation.indices)
            found.append(build.replace(transform(partial, _without_identity), names))
        if below is None:  # inside a sum
            return above, self._shifted(above, user, read), None
        return above, _renamed(below, binding), substitute_indices(build.add(found), binding)

    def _shifted(self, above: Reference, user: int, read: int) -> Reference:
        """What is read, at a time that is named after that of the user."""
        system, group = self.computation.problem.system, self.group
        name, rest = group.place[read]
        at, own = system.time_position(name), system.time_position(above.name)
        if at is None or own is None or read not in group.time:
            return Reference(name, tuple(Index(i) for i in rest))
        shift = group.time[read] - group.time.get(user, group.time[read])
        return State((name, rest), at, {}).reference(above.indices[own].plus(shift))


def _renamed(reference: Reference, binding: Mapping[str, Index]) -> Reference:
    return Reference(reference.name, tuple(i.substitute(binding) for i in reference.indices))


def _without_identity(node: Expression) -> Expression:
    """``diag(g) I`` is ``diag(g)``."""
    if isinstance(node, Call) and node.operation == "matmul" and node.arguments[1] == IDENTITY:
        return node.arguments[0]
    return node
