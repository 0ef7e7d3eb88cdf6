"""The folded backward system: which terms reach which members of a family, and the segments that a textbook would
print.

A term's region is a box of indices with symbolic ends (``1..T-1``), ordered by their values at the given sizes. The
boxes cut a family into cells with the same terms; neighbouring cells are merged, time first, so that ``t = T`` and
``t in 1..T-1`` are left. Where a region is not a box (triangular ranges, ragged lengths, maps, strides) its terms get
Iverson guards instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from bptt_solver.boxes import (
    Bound,
    Box,
    Boxes,
    Cell,
    covers,
    definition_box,
    inside,
    intervals,
    is_box,
    merged,
)
from bptt_solver.chain_rule import is_unindexed, unindexed_terms
from bptt_solver.components import components
from bptt_solver.guards import guarded_segments
from bptt_solver.language import build
from bptt_solver.language.expressions import (
    Comparison,
    Expression,
    Index,
    Range,
    Reference,
    derivative_name,
)
from bptt_solver.language.templates import COTANGENT, RESULT, instantiate
from bptt_solver.matched import is_output, matched_term
from bptt_solver.ranges import tightened
from bptt_solver.regions import Region, bounds, generalised, occurs, parts
from bptt_solver.solving import Solution, fresh_name
from bptt_solver.system import System
from bptt_solver.terms import AdjointEquation, Term
from bptt_solver.unfold import instance_text
from bptt_solver.uses import Use, uses

MOST_CELLS = 400  # beyond that, guards


class Backward:
    """Builds the backward system of a target."""

    def __init__(self, system: System, target: Reference, numbered: bool = True) -> None:
        self.forward = system
        self.numbered = numbered
        self.target = target
        self.text = instance_text((target.name, tuple(system.index(i, {}) for i in target.indices)))
        self.equations: dict[str, list[AdjointEquation]] = {}  # by family of the forward system
        self.live: dict[str, Boxes | None] = {}  # None: as good as everywhere
        self.names: dict[str, tuple[str, ...]] = {}
        self.position = {id(e): at for at, e in enumerate(system.equations)}

    def name(self, family: str) -> str:
        """The family of ordered derivatives with respect to ``family``."""
        return derivative_name(self.text, family)

    def system(self) -> System:
        """The backward equations as a system behind the forward one, in the order of the sweep."""
        if is_unindexed(self.forward):
            ordered = [
                AdjointEquation(self.name(family), family, (), terms)
                for family, terms in unindexed_terms(self.forward, self.target, self.numbered)
            ]
        else:
            ordered = self._indexed()
        ranks = {self.name(f): self.forward.ranks[f] for f in self.forward.families}
        return self.forward.extended(ordered, ranks)

    # -- families, from the target backwards

    def _indexed(self) -> list[AdjointEquation]:
        by_family: dict[str, list[Use]] = {}
        for equation in self.forward.equations:
            for use in uses(equation, self.forward.templates):
                by_family.setdefault(use.leaf.name, []).append(use)
        users = {family: list(dict.fromkeys(u.equation.name for u in found)) for family, found in by_family.items()}
        ordered: list[AdjointEquation] = []
        for component in components(self.target.name, self._reaching(users), users):
            recurrent = len(component) > 1 or component[0] in users.get(component[0], ())
            for _ in range(3 if recurrent else 1):
                for family in component:
                    self._family(family, by_family.get(family, []), component)
                for family in component:
                    self.live[family] = self._live(family)
            ordered.extend(self._ordered(component))
        defined = [e for e in ordered if e.of in self.forward.defining]
        return [
            *defined,
            *(e for e in ordered if e.of not in self.forward.defining),
        ]  # what is given is gathered at the end

    def _live(self, family: str) -> Boxes | None:
        """The members that have an ordered derivative, as boxes; None where they are none: then all count as such."""
        boxes = [definition_box(e, self.forward) for e in self.equations[family]]
        known = [b for b in boxes if b is not None]
        return Boxes(known) if len(known) == len(boxes) else None

    def _reaching(self, users: Mapping[str, Sequence[str]]) -> list[str]:
        """The families from which the target is reached, in declaration order."""
        reached = {self.target.name}
        found = True
        order = self.forward.families
        while found:
            found = False
            for family in reversed(order):
                if family not in reached and any(u in reached for u in users.get(family, ())):
                    reached.add(family)
                    found = True
        return [f for f in order if f in reached]

    def _ordered(self, component: Sequence[str]) -> list[AdjointEquation]:
        """The equations of mutually dependent families: same-time dependences first, as the sweep computes them."""
        names = {self.name(f): f for f in component}
        needs: dict[str, list[str]] = {f: [] for f in component}
        for family in component:
            for equation in self.equations[family]:
                for term in equation.terms:
                    other = term.cotangent.name if isinstance(term.cotangent, Reference) else ""
                    if other in names and names[other] != family and _shift(term, equation, self.forward) == 0:
                        needs[family].append(names[other])
        rank = {
            f: -max(self.position[id(e)] for e in self.forward.defining.get(f, [])) if f in self.forward.defining else 1
            for f in component
        }
        done: list[str] = []
        left = sorted(component, key=lambda f: rank[f])
        while left:
            ready = next((f for f in left if all(n in done for n in needs[f])), left[0])
            done.append(ready)
            left.remove(ready)
        return [e for family in done for e in self.equations[family]]

    # -- one family

    def _family(self, family: str, found: Sequence[Use], component: Sequence[str]) -> None:
        self.names[family] = self._index_names(family, found)
        regions: list[Region] = []
        for use in found:
            via = use.equation.name
            if via not in self.live and via not in component:
                continue
            regions.extend(self._regions(family, use, self.live.get(via)))
        regions.sort(key=self._term_order)
        if family == self.target.name and not self.target.indices:
            self.equations[family] = [AdjointEquation(self.name(family), family, (), ())]
            return
        equations = self._segments(family, regions)
        if family == self.target.name:
            equations = self._with_seed(family, equations)
        self.equations[family] = equations

    def _with_seed(self, family: str, equations: list[AdjointEquation]) -> list[AdjointEquation]:
        """The target's own derivative is 1; what is computed after it does not reach it."""
        at = tuple(self.forward.index(i, {}) for i in self.target.indices)
        seed = AdjointEquation(self.name(family), family, self.target.indices, ())
        kept: list[AdjointEquation] = [seed]
        for equation in equations:
            open_indices: list[tuple[Index, int]] = []
            for index, value in zip(equation.indices, at, strict=True):
                if any(v not in self.forward.sizes for v in index.variables()):
                    open_indices.append((index, value))
                elif self.forward.index(index, {}) != value:
                    kept.append(equation)  # it never meets the target
                    break
            else:
                kept.extend(self._apart(equation, open_indices))
        return kept

    def _apart(self, equation: AdjointEquation, indices: Sequence[tuple[Index, int]]) -> Iterable[AdjointEquation]:
        """The equation for all members but one: for the first index that differs, the second, and so on."""
        for at, (index, value) in enumerate(indices):
            equal = (Comparison(other, "==", Index(v)) for other, v in indices[:at])
            conditions = (*equation.conditions, *equal, Comparison(index, "!=", Index(value)))
            yield AdjointEquation(
                equation.name, equation.of, equation.indices, equation.terms, equation.ranges, conditions
            )

    def _index_names(self, family: str, found: Sequence[Use]) -> tuple[str, ...]:
        """What the indices of the family are called in its backward equations."""
        arity = self.forward.arity(family)
        names: list[str] = []
        sources = [e.indices for e in self.forward.defining.get(family, [])] + [u.leaf.indices for u in found]
        for position in range(arity):
            chosen = None
            for indices in sources:
                index = indices[position]
                if len(index.terms) == 1 and isinstance(index.terms[0][0], str):
                    word = index.terms[0][0]
                    if word not in self.forward.sizes and word not in names:
                        chosen = word
                        break
            names.append(chosen or fresh_name("i", {*names, *self.forward.sizes}))
        return tuple(names)

    def _term_order(self, region: Region) -> tuple[bool, int, int]:
        term = region.term
        shift = 0
        family = term.use.name
        at = self.forward.time_position(family)
        if at is not None:
            name = self.names[family][at]
            for index in term.user.indices:
                if name in set(index.variables()):
                    shift = abs(index.constant)
        return (not term.direct, shift, -self.position[id(term.via)])

    def _regions(self, family: str, use: Use, live: Boxes | None) -> Iterable[Region]:
        """The terms of one use: one, or one for each live box of the user."""
        names = self.names[family]
        solved = Solution(use, names, self.forward)
        via = use.equation
        text = self.text
        inlined = live is not None and self._is_one(via.name)
        user = Reference(via.name, tuple(i.substitute(solved.binding) for i in via.indices))
        direct = via.name == self.target.name
        cotangent: Expression = (
            build.ONE
            if inlined or (direct and not self.target.indices)
            else Reference(derivative_name(text, via.name), user.indices)
        )
        outputs = self.equations.get(via.name, []) if live is not None and self.numbered and is_output(via) else []
        boxes: list[tuple[int, Box | None]] = [(0, None)]
        if live is not None:
            near = [(i, live.boxes[i]) for i in live.meeting(definition_box(via, self.forward))]
            if outputs or not near or not covers([b for _, b in near if b is not None], via, self.forward):
                boxes = list(near)
        for at, box in boxes:
            conditions = list(solved.conditions)
            if box is not None and not covers([box], via, self.forward):
                for index, (low, high) in zip(user.indices, box, strict=True):
                    conditions += [Comparison(index, ">=", low.index), Comparison(index, "<=", high.index)]
            region = self._region(family, use, solved, conditions, user, cotangent, direct)
            if region is not None:
                ends = zip(self.names[family], region.box, strict=True)
                points = {name: low.index for name, (low, high) in ends if low.index == high.index}
                term = matched_term(
                    region.term.renamed(points), outputs[at] if at < len(outputs) else None, self.forward
                )
                yield Region(term, region.box, region.conditions) if term is not None else region

    def _is_one(self, family: str) -> bool:
        return all(len(e.terms) > 0 and build.is_one(e.right) for e in self.equations.get(family, ())) and bool(
            self.equations.get(family)
        )

    def _region(
        self,
        family: str,
        use: Use,
        solved: Solution,
        conditions: list[Comparison],
        user: Reference,
        cotangent: Expression,
        direct: bool,
    ) -> Region | None:
        names = self.names[family]
        inner = tuple(c for c in conditions if solved.summed & {*c.left.variables(), *c.right.variables()})
        reduced = tightened(solved.ranges, inner, self.forward, names)
        if reduced is None:
            return None
        ranges, rest, single = reduced
        summed = {r.variable for r in ranges}
        kept = tuple(c for c in rest if summed & {*c.left.variables(), *c.right.variables()})
        outer = [c.substitute(single) for c in conditions if c not in inner] + [c for c in rest if c not in kept]
        box, guards = bounds(family, names, outer, self.forward)
        if box is None:
            return None
        expression: Expression | None = None
        if use.expression is not None or not self.numbered:
            raw = (
                use.expression
                if use.expression is not None
                else instantiate(use.template.adjoint(use.slot), use.leaves)
            )
            result: Expression = user if self.numbered else solved.place(use.equation.right)
            expression = build.replace(solved.place(raw), {COTANGENT: cotangent, RESULT: result})
        own = None if use.result is None else solved.place(use.result)
        leaves = tuple(solved.place(leaf) for leaf in use.leaves)
        here = Reference(family, tuple(Index.variable(n) for n in self.names[family]))
        term = Term(use.equation, user, here, cotangent, direct, use.template, leaves, use.slot, ranges, kept,
                    expression, result=own)  # fmt: skip
        return Region(term.renamed(single), box, guards)

    # -- cells

    def _segments(self, family: str, regions: list[Region]) -> list[AdjointEquation]:
        if not regions:
            return []
        names = self.names[family]
        if not names:
            return [
                AdjointEquation(
                    self.name(family), family, (), [self._settled(r.term.guarded(r.conditions)) for r in regions]
                )
            ]
        boxed = all(not r.conditions for r in regions) and all(
            is_box(e, self.forward) for e in self.forward.defining.get(family, [])
        )
        cells = self._cells(family, regions) if boxed else None
        if cells is None:
            return guarded_segments(family, self.name(family), self.names[family], regions, self.forward)
        cells = generalised(merged(cells, len(names)), names, regions)
        cells.sort(key=lambda c: tuple(-b[0].value for b in reversed(c.box)))
        found = ((cell, self._occurring(family, cell, regions)) for cell in cells)
        return [self._equation(family, cell.box, terms) for cell, terms in found if terms]

    def _occurring(self, family: str, cell: Cell, regions: Sequence[Region]) -> list[Term]:
        """The terms of a cell, without sums that are empty for all of its members."""
        ends = dict(zip(self.names[family], cell.box, strict=True))
        return [regions[i].term for i in cell.active if occurs(regions[i].term, ends, self.forward)]

    def _cells(self, family: str, regions: list[Region]) -> list[Cell] | None:
        pieces = parts(family, self.forward) if family in self.forward.defining else []
        dimensions: list[list[tuple[Bound, Bound]]] = []
        for at in range(len(self.names[family])):
            boxes = [r.box[at] for r in regions] + [p[at] for p in pieces]
            dimensions.append(intervals(boxes))
        count = 1
        for dimension in dimensions:
            count *= len(dimension)
        if count > MOST_CELLS:
            return None
        cells = []
        reached, defined = Boxes([r.box for r in regions]), Boxes(pieces)
        for box in product(*dimensions):
            active = tuple(i for i in reached.meeting(box) if inside(box, regions[i].box))
            if not active:
                continue
            part = next((i for i in defined.meeting(box) if inside(box, pieces[i])), -1)
            cells.append(Cell(tuple(box), active, part))
        return cells

    def _equation(self, family: str, box: Box, terms: Sequence[Term]) -> AdjointEquation:
        names = self.names[family]
        indices: list[Index] = []
        ranges: list[Range] = []
        binding: dict[str, Index] = {}
        for name, (low, high) in zip(names, box, strict=True):
            if low.value == high.value and low.index == high.index:
                indices.append(low.index)
                binding[name] = low.index
            else:
                indices.append(Index.variable(name))
                ranges.append(Range(name, low.index, high.index))
        placed = [self._settled(t.renamed(binding)) for t in terms]
        return AdjointEquation(self.name(family), family, tuple(indices), placed, tuple(ranges))

    def _settled(self, term: Term) -> Term:
        """A term whose user is the target itself, known as such only now: ``c[T]`` is ``c[3]``."""
        if term.via.name != self.target.name or not isinstance(term.cotangent, Reference):
            return term
        at = term.cotangent.indices
        if any(v not in self.forward.sizes for i in at for v in i.variables()):
            return term
        here = tuple(self.forward.index(i, {}) for i in at)
        there = tuple(self.forward.index(i, {}) for i in self.target.indices)
        return term.settled(term.cotangent) if here == there else term


def _shift(term: Term, equation: AdjointEquation, system: System) -> int:
    """How far in time a term's cotangent lies from the member that receives it."""
    own = [i for i in equation.indices]
    theirs = list(term.user.indices)
    if not own or not theirs or len(own) != len(theirs):
        at, there = system.time_position(equation.of), system.time_position(term.via.name)
        if at is None or there is None:
            return 0
        own, theirs = [own[at]], [theirs[there]]
    return sum(abs(a.plus(b, -1).constant) if not a.plus(b, -1).terms else 1 for a, b in zip(own, theirs, strict=True))
