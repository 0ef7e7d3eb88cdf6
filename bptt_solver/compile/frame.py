"""What is compiled: a system and its target, and what is known of its members without unfolding them.

A frame is made from a problem, and may then have more sequences (`Frame.batched`) or more steps (`Frame.resized`) than
the problem's own numbers: the equations are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.catalogues import message
from bptt_solver.chain_rule import differentiate
from bptt_solver.compile.batch import batched
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Index, Range, Reference, Sum, derivative_name, preorder
from bptt_solver.problem.problem import Problem
from bptt_solver.system import Given, System
from bptt_solver.unfold import instance_text

Shape = tuple[int, ...]
Box = tuple[tuple[int, int], ...]  # first and last of each index


class Frame:
    """``members`` holds for each family some of its members with their shapes: one for each value of the indices along
    which shapes differ is enough. ``given`` holds for each given family the boxes of indices that are given."""

    __slots__ = ("given", "members", "system", "target")

    def __init__(
        self,
        system: System,
        target: Reference,
        members: Mapping[tuple[str, tuple[int, ...]], Shape],
        given: Mapping[str, Sequence[Box]],
    ) -> None:
        self.system = system
        self.target = target
        self.members = dict(members)
        self.given = dict(given)

    @classmethod
    def of(cls, problem: Problem) -> Frame:
        """The frame of a problem as it is."""
        if problem.outline is not None:
            members = problem.outline.members()
        else:
            members = {key: tuple(problem.shapes.get(n) or ()) for n, key in enumerate(problem.unfolded.keys)}
        given: dict[str, list[Box]] = {}
        for name, parts in problem.system.given.items():
            given[name] = [box for part in parts for box in _boxes(part)]
        return cls(problem.system, problem.target, members, given)

    def batched(self, count: int, data: Sequence[str] | None = None) -> Frame:
        """For so many sequences at once. ``data`` are the families that each sequence has for itself (default: what
        the document gives as data); what is computed from them follows, what is trained is shared."""
        names = [n for n, role in self.system.roles.items() if role == "data"] if data is None else data
        system, target = batched(self.system, self.target, names, count)
        moved = {name for name in self.system.families if system.arity(name) > self.system.arity(name)}
        members = {(n, (*i, 1) if n in moved else i): shape for (n, i), shape in self.members.items()}
        members[target.name, ()] = ()
        given = {
            name: [(*box, (1, count)) for box in boxes] if name in moved else boxes
            for name, boxes in self.given.items()
        }
        return Frame(system, target, members, given)

    def resized(self, sizes: Mapping[str, int]) -> Frame:
        """With other values of sizes (``T``). What is given up to the old value of a size along a time goes up to the
        new one."""
        for name in sizes:
            if name not in self.system.sizes:
                raise NotCompiled(message("compile.no_size", name=name))
        old = {self.system.sizes[n]: value for n, value in sizes.items()}
        running = self._running(sizes)
        given: dict[str, list[Box]] = {}
        parts: dict[str, list[Given]] = {}
        for name, boxes in self.given.items():
            given[name] = [
                tuple((low, old.get(high, high) if (name, k) in running else high) for k, (low, high) in enumerate(box))
                for box in boxes
            ]
            shape, role = self.system.given[name][0].shape, self.system.given[name][0].role
            parts[name] = [Given(name, *_ends(box), shape, role) for box in given[name]]
        system = self.system
        resized = System(
            system.equations,
            parts,
            system.operations,
            {**system.sizes, **sizes},
            system.maps,
            system.ranks,
            system.roles,
        )
        return Frame(resized, self.target, self.members, given)

    def _running(self, sizes: Mapping[str, int]) -> set[tuple[str, int]]:
        """The places of families at which a variable stands that runs up to one of the sizes."""
        found: dict[tuple[str, int], None] = {}
        for equation in self.system.equations:
            spans = [*equation.ranges, *(r for n in preorder(equation.right) if isinstance(n, Sum) for r in n.ranges)]
            runs = {r.variable for r in spans if not set(sizes).isdisjoint(r.high.variables())}
            for node in preorder(equation.right):
                if isinstance(node, Reference):
                    places = enumerate(node.indices)
                    found.update({(node.name, at): None for at, i in places if not runs.isdisjoint(i.variables())})
        return set(found)

    def along(self, names: Sequence[str]) -> Frame:
        """The slope of the target along a direction in the families ``names``: its derivatives are the products of the
        Hessian with that direction. The direction is given under the names that `direction_name` says."""
        text = instance_text((self.target.name, tuple(self.system.index(i, {}) for i in self.target.indices)))
        first = differentiate(self.system, self.target, numbered=False)
        terms: list[Expression] = []
        given = {name: list(boxes) for name, boxes in self.given.items()}
        parts = {name: list(found) for name, found in self.system.given.items()}
        members = dict(self.members)
        for name in names:
            if derivative_name(text, name) not in first.defining:
                continue
            direction = direction_name(name)
            given[direction] = list(self.given[name])
            parts[direction] = [Given(direction, p.low, p.high, p.shape, "value", p.members) for p in parts[name]]
            members.update({(direction, i): shape for (n, i), shape in self.members.items() if n == name})
            terms += [self._slope(direction, derivative_name(text, name), box) for box in given[direction]]
        slope = Equation(SLOPE, (), build.add(terms))
        ranks = {**first.ranks, SLOPE: 0, **{direction_name(n): first.ranks[n] for n in names}}
        system = System(
            [*first.equations, slope], parts, first.operations, first.sizes, first.maps, ranks, first.roles
        )  # fmt: skip
        for (name, indices), shape in self.members.items():
            members[derivative_name(text, name), indices] = shape
        members[SLOPE, ()] = ()
        return Frame(system, Reference(SLOPE), members, given)

    def _slope(self, direction: str, derivative: str, box: Box) -> Expression:
        """``Σ direction·derivative`` over a box of members."""
        names = [f"i{k}" for k in range(len(box))]
        names = [n + "'" if n in self.system.sizes else n for n in names]
        indices = tuple(Index.variable(n) for n in names)
        pair = (Reference(direction, indices), Reference(derivative, indices))
        product = (
            Call("mul", pair)
            if not self.system.ranks[direction[len(DIRECTION) :]]
            else Call("sum", (Call("mul", pair),))
        )
        if not box:
            return product
        return Sum(product, tuple(Range(n, Index(low), Index(high)) for n, (low, high) in zip(names, box, strict=True)))


DIRECTION, SLOPE = "direction ", "slope"  # names that no document can have


def direction_name(name: str) -> str:
    """The name under which a direction in a family is given."""
    return DIRECTION + name


def _ends(box: Box) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(low for low, _ in box), tuple(high for _, high in box)


def _boxes(part: Given) -> list[Box]:
    """What a part gives, as boxes: one, or one for each member that is listed."""
    if part.members is None:
        return [tuple(zip(part.low, part.high, strict=True))]
    lows = tuple(min(m[k] for m in part.members) for k in range(len(part.low)))
    highs = tuple(max(m[k] for m in part.members) for k in range(len(part.low)))
    count = 1
    for low, high in zip(lows, highs, strict=True):
        count *= high - low + 1
    if count == len(part.members):
        return [tuple(zip(lows, highs, strict=True))]
    return [tuple((i, i) for i in member) for member in part.members]
