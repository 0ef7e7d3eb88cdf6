"""The folded backward system: which terms reach which members of a family, and the segments that a textbook would print.

A term's region is a box of indices with symbolic ends (``1..T-1``), ordered by their values at the given sizes. The boxes cut a
family into cells with the same terms; neighbouring cells are merged, time first, so that ``t = T`` and ``t in 1..T-1`` are left.
Where a region is not a box (triangular ranges, ragged lengths, maps, strides) its terms get Iverson guards instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from bptt_solver.chain_rule import AdjointEquation, Term, Use, is_unindexed, unindexed_terms, uses
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Comparison,
    Conditions,
    Expression,
    Index,
    Number,
    Range,
    Reference,
    derivative_name,
    substitute_indices,
)
from bptt_solver.language.templates import COTANGENT, RESULT, instantiate
from bptt_solver.matched import is_output, matched_term
from bptt_solver.ranges import tightened
from bptt_solver.system import OutsideMap, System
from bptt_solver.unfold import instance_text

MOST_CELLS = 400  # beyond that, guards
NEAR = 2  # constants up to so far from a family's first index are written symbolically beside sizes


class Bound:
    """One end of an interval: its value at the given sizes and how it is written."""

    __slots__ = ("index", "value")

    def __init__(self, value: int, index: Index) -> None:
        self.value = value
        self.index = index

    def next(self, step: int) -> Bound:
        """The neighbouring bound."""
        return Bound(self.value + step, self.index.plus(step))


Box = tuple[tuple[Bound, Bound], ...]


class Region:
    """A term and the members that it reaches: a box, and conditions that are no bounds."""

    __slots__ = ("box", "conditions", "term")

    def __init__(self, term: Term, box: Box, conditions: Conditions) -> None:
        self.term = term
        self.box = box
        self.conditions = conditions


class Cell:
    """A box of members with the same terms, all inside one definition of the family."""

    __slots__ = ("active", "box", "part")

    def __init__(self, box: Box, active: tuple[int, ...], part: int) -> None:
        self.box = box
        self.active = active
        self.part = part


class Backward:
    """Builds the backward system of a target."""

    def __init__(self, system: System, target: Reference, numbered: bool = True) -> None:
        self.forward = system
        self.numbered = numbered
        self.target = target
        self.text = instance_text((target.name, tuple(system.index(i, {}) for i in target.indices)))
        self.equations: dict[str, list[AdjointEquation]] = {}  # by family of the forward system
        self.live: dict[str, list[Box]] = {}
        self.names: dict[str, tuple[str, ...]] = {}
        self.position = {id(e): at for at, e in enumerate(system.equations)}

    def name(self, family: str) -> str:
        """The family of ordered derivatives with respect to ``family``."""
        return derivative_name(self.text, family)

    def system(self) -> System:
        """The backward equations as a system behind the forward one, in the order of the sweep."""
        if is_unindexed(self.forward):
            ordered = [
                AdjointEquation(self.name(family), family, (), terms) for family, terms in unindexed_terms(self.forward, self.target, self.numbered)
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
                    self.live[family] = [_box_of(e, self.forward) for e in self.equations[family]]
            ordered.extend(self._ordered(component))
        return ordered

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
        rank = {f: -max(self.position[id(e)] for e in self.forward.defining.get(f, [])) if f in self.forward.defining else 1 for f in component}
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
            different = tuple(
                Comparison(i, "!=", Index(value)) for i, value in zip(equation.indices, at, strict=True) if i.terms or i.constant != value
            )
            if not any(set(c.left.variables()) <= set(self.forward.sizes) for c in different):
                if len(different) > 1 or not different:
                    continue
                equation = AdjointEquation(equation.name, family, equation.indices, equation.terms, equation.ranges, (*equation.conditions, *different))
            kept.append(equation)
        return kept

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
            names.append(chosen or _fresh("i", {*names, *self.forward.sizes}))
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

    def _regions(self, family: str, use: Use, live: list[Box] | None) -> Iterable[Region]:
        """The terms of one use: one, or one for each live box of the user."""
        names = self.names[family]
        solved = _Solution(use, names, self.forward)
        via = use.equation
        text = self.text
        inlined = live is not None and self._is_one(via.name)
        user = Reference(via.name, tuple(i.substitute(solved.binding) for i in via.indices))
        direct = via.name == self.target.name
        cotangent: Expression = build.ONE if inlined or direct and not self.target.indices else Reference(derivative_name(text, via.name), user.indices)
        outputs = self.equations.get(via.name, []) if live is not None and self.numbered and is_output(via) else []
        boxes: Sequence[Box | None] = live if live is not None else [None]
        if live and not outputs and _cover(live, via, self.forward):
            boxes = [None]
        for at, box in enumerate(boxes):
            conditions = list(solved.conditions)
            if box is not None and not _cover([box], via, self.forward):
                for index, (low, high) in zip(user.indices, box, strict=True):
                    conditions += [Comparison(index, ">=", low.index), Comparison(index, "<=", high.index)]
            region = self._region(family, use, solved, conditions, user, cotangent, direct)
            if region is not None:
                term = matched_term(region.term, outputs[at] if at < len(outputs) else None, self.forward.operations)
                yield Region(term, region.box, region.conditions) if term is not None else region

    def _is_one(self, family: str) -> bool:
        return all(len(e.terms) > 0 and build.is_one(e.right) for e in self.equations.get(family, ())) and bool(self.equations.get(family))

    def _region(
        self, family: str, use: Use, solved: _Solution, conditions: list[Comparison], user: Reference, cotangent: Expression, direct: bool
    ) -> Region | None:
        inner = tuple(c for c in conditions if solved.summed & set((*c.left.variables(), *c.right.variables())))
        outer = [c for c in conditions if c not in inner]
        box, guards = self._bounds(family, outer)
        if box is None:
            return None
        expression: Expression | None = None
        if use.expression is not None or not self.numbered:
            raw = use.expression if use.expression is not None else instantiate(use.template.adjoint(use.slot), use.leaves)
            result: Expression = user if self.numbered else solved.place(use.equation.right)
            expression = build.replace(solved.place(raw), {COTANGENT: cotangent, RESULT: result})
        leaves = tuple(solved.place(leaf) for leaf in use.leaves)
        here = Reference(family, tuple(Index.variable(n) for n in self.names[family]))
        reduced = tightened(solved.ranges, inner, self.forward, self.names[family])
        if reduced is None:
            return None
        ranges, rest, single = reduced
        term = Term(use.equation, user, here, cotangent, direct, use.template, leaves, use.slot, ranges, rest, expression)
        return Region(term.renamed(single), box, guards)

    def _bounds(self, family: str, conditions: Sequence[Comparison]) -> tuple[Box | None, Conditions]:
        """Conditions on the members as a box and guards; None if there is no such member."""
        names = self.names[family]
        low: list[Bound | None] = [None] * len(names)
        high: list[Bound | None] = [None] * len(names)
        guards: list[Comparison] = []
        for condition in conditions:
            difference = condition.left.plus(condition.right, -1)  # difference (operator) 0
            own = [(a, c) for a, c in difference.terms if isinstance(a, str) and a in names]
            inside = any(v in names for look in difference.lookups() for i in look.indices for v in i.variables())
            if not own and not inside:
                if not self.forward.holds((condition,), {}):
                    return None, ()
                continue
            if inside or len(own) != 1 or abs(own[0][1]) != 1 or condition.operator == "!=":
                guards.append(condition)
                continue
            word, sign = own[0]
            at = names.index(str(word))
            rest = Index(difference.constant, tuple(t for t in difference.terms if t[0] != word)).times(-sign)  # word (op) rest
            for operator, shift in _AS_BOUNDS[condition.operator] if sign > 0 else [(_FLIP[o], -s) for o, s in _AS_BOUNDS[condition.operator]]:
                bound = Bound(self.forward.index(rest, {}) + shift, rest.plus(shift))
                ends = low if operator == ">=" else high
                known = ends[at]
                tighter = known is None or (bound.value > known.value if operator == ">=" else bound.value < known.value)
                if tighter or (known is not None and bound.value == known.value and _plain(bound) < _plain(known)):
                    ends[at] = bound
        hull = self._hull(family)
        box: list[tuple[Bound, Bound]] = []
        for at in range(len(names)):
            first, last = low[at] or hull[at][0], high[at] or hull[at][1]
            if first.value > last.value:
                return None, ()
            box.append((first, last))
        return tuple(box), tuple(guards)

    def _hull(self, family: str) -> Box:
        """The smallest box around all members."""
        boxes = [b for b in self._parts(family) if b is not None]
        if not boxes:
            return ()
        hull: list[tuple[Bound, Bound]] = []
        for at in range(len(boxes[0])):
            hull.append((min((b[at][0] for b in boxes), key=lambda x: x.value), max((b[at][1] for b in boxes), key=lambda x: x.value)))
        return tuple(hull)

    def _parts(self, family: str) -> list[Box]:
        """The boxes (or hulls) of the family's definitions and given parts, in declaration order."""
        result: list[Box] = []
        for equation in self.forward.defining.get(family, []):
            box = _definition_box(equation, self.forward)
            if box is not None:
                result.append(box)
        for part in self.forward.given.get(family, []):
            ends = zip(part.low, part.high, strict=True)
            result.append(tuple((Bound(a, Index(a)), Bound(b, Index(b))) for a, b in ends))
        return result

    # -- cells

    def _segments(self, family: str, regions: list[Region]) -> list[AdjointEquation]:
        if not regions:
            return []
        names = self.names[family]
        if not names:
            return [AdjointEquation(self.name(family), family, (), [r.term.guarded(r.conditions) for r in regions])]
        boxed = all(not r.conditions for r in regions) and all(_is_box(e, self.forward) for e in self.forward.defining.get(family, []))
        cells = self._cells(family, regions) if boxed else None
        if cells is None:
            return self._guarded_segments(family, regions)
        cells = self._generalised(family, _merged(cells, len(names)), regions)
        cells.sort(key=lambda c: tuple(-b[0].value for b in reversed(c.box)))
        return [self._equation(family, cell.box, [regions[i].term for i in cell.active]) for cell in cells]

    def _cells(self, family: str, regions: list[Region]) -> list[Cell] | None:
        parts = self._parts(family) if family in self.forward.defining else []
        intervals: list[list[tuple[Bound, Bound]]] = []
        for at in range(len(self.names[family])):
            boxes = [r.box[at] for r in regions] + [p[at] for p in parts]
            intervals.append(_intervals(boxes))
        count = 1
        for dimension in intervals:
            count *= len(dimension)
        if count > MOST_CELLS:
            return None
        cells = []
        for box in product(*intervals):
            active = tuple(i for i, r in enumerate(regions) if _inside(box, r.box))
            if not active:
                continue
            part = next((i for i, p in enumerate(parts) if _inside(box, p)), -1)
            cells.append(Cell(tuple(box), active, part))
        return cells

    def _generalised(self, family: str, cells: list[Cell], regions: list[Region]) -> list[Cell]:
        """A single-member cell joins its neighbour if its terms are the neighbour's at that point."""
        names = self.names[family]
        changed = True
        while changed:
            changed = False
            for point, general in product(cells, cells):
                if point is general or point.part != general.part:
                    continue
                at = _adjacent(point.box, general.box)
                if at is None or point.box[at][0].value != point.box[at][1].value:
                    continue
                binding = {names[at]: point.box[at][0].index}
                if _signature(point, regions, binding) != _signature(general, regions, binding):
                    continue
                joined = tuple(_joined(a, b) if k == at else b for k, (a, b) in enumerate(zip(point.box, general.box, strict=True)))
                cells = [c for c in cells if c is not point and c is not general] + [Cell(joined, general.active, general.part)]
                changed = True
                break
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
        return AdjointEquation(self.name(family), family, tuple(indices), [t.renamed(binding) for t in terms], tuple(ranges))

    def _guarded_segments(self, family: str, regions: list[Region]) -> list[AdjointEquation]:
        """One equation for each definition, its terms guarded by what does not always hold there."""
        names = self.names[family]
        result: list[AdjointEquation] = []
        definitions = self.forward.defining.get(family, [])
        domains: list[tuple[tuple[Index, ...], tuple[Range, ...], Conditions]] = []
        for equation in definitions:
            domains.append(_canonical_domain(equation, names))
        for part in self.forward.given.get(family, []):
            ends = zip(names, part.low, part.high, strict=True)
            ranges = tuple(Range(n, Index(a), Index(b)) for n, a, b in ends)
            domains.append((tuple(Index.variable(n) for n in names), ranges, ()))
        for indices, ranges, conditions in domains:
            binding = {n: i for n, i in zip(names, indices, strict=True) if i != Index.variable(n)}
            terms = []
            for region in regions:
                guards = [c for low_high, n in zip(region.box, names, strict=True) for c in _as_conditions(n, low_high)]
                wanted = tuple(c.substitute(binding) for c in (*guards, *region.conditions))
                needed = _not_implied(wanted, ranges, conditions, self.forward)
                if needed is not None:
                    terms.append(region.term.renamed(binding).guarded(needed))
            if terms:
                result.append(AdjointEquation(self.name(family), family, indices, terms, ranges, conditions))
        return result


# ----------------------------------------------------------------------------- solving for the variables


class _Solution:
    """For one use: the equation's variables in terms of the indices of the family that is used."""

    def __init__(self, use: Use, names: Sequence[str], system: System) -> None:
        own = list(use.equation.ranges)
        inner = [r for b in use.binders for r in b.ranges]
        self.renaming = {r.variable: Index.variable("·" + r.variable) for r in (*own, *inner)}
        fresh = {"·" + r.variable for r in (*own, *inner)}
        taken = {*names, *system.sizes, *system.maps}
        self.binding: dict[str, Index] = {}
        pending: list[tuple[int, Index]] = [(p, i.substitute(self.renaming)) for p, i in enumerate(use.leaf.indices)]
        equalities: list[tuple[int, Index]] = []
        while pending:
            pending = [(p, i.substitute(self.binding)) for p, i in pending]
            pending.sort(key=lambda item: (len(_open(item[1], fresh)), item[0]))
            position, index = pending.pop(0)
            candidates = [a for a, c in index.terms if isinstance(a, str) and a in fresh and a not in self.binding and abs(c) == 1]
            hidden = {v for look in index.lookups() for i in look.indices for v in i.variables()}
            candidates = [a for a in candidates if a not in hidden]
            if not candidates:
                equalities.append((position, index))
                continue
            variable = candidates[-1]
            coefficient = dict(index.terms)[variable]
            rest = Index(index.constant, tuple(t for t in index.terms if t[0] != variable))
            value = Index.variable(names[position]).plus(rest, -1).times(coefficient)
            self.binding = {v: e.substitute({variable: value}) for v, e in self.binding.items()}
            self.binding[variable] = value
        free = [v for v in ("·" + r.variable for r in (*own, *inner)) if v not in self.binding]
        words: dict[str, Index] = {}
        for variable in free:
            word = _fresh(variable[1:], taken | {str(i.terms[0][0]) for i in words.values()})
            words[variable] = Index.variable(word)
        self.binding = {v: e.substitute(words) for v, e in self.binding.items()} | words
        self.summed = {str(i.terms[0][0]) for i in words.values()}
        ranges: list[Range] = []
        conditions: list[Comparison] = []
        for item in (*own, *inner):
            low, high = (self._put(i) for i in (item.low, item.high))
            value = self.binding["·" + item.variable]
            if "·" + item.variable in words:
                ranges.append(Range(str(value.terms[0][0]), low, high))
            else:
                conditions += [Comparison(value, ">=", low), Comparison(value, "<=", high)]
        for condition in (*use.equation.conditions, *(c for b in use.binders for c in b.conditions)):
            conditions.append(Comparison(self._put(condition.left), condition.operator, self._put(condition.right)))
        for position, index in equalities:
            conditions.append(Comparison(index.substitute(self.binding), "==", Index.variable(names[position])))
        self.ranges = tuple(ranges)
        self.conditions = conditions
        # from the equation's own variables to the family's indices, in one step
        self.binding |= {variable[1:]: value for variable, value in self.binding.items()}

    def place(self, expression: Expression) -> Expression:
        """An expression of the equation in terms of the indices of the family that is used."""
        return substitute_indices(substitute_indices(expression, self.renaming), self.binding)

    def _put(self, index: Index) -> Index:
        return index.substitute(self.renaming).substitute(self.binding)


def _open(index: Index, fresh: set[str]) -> set[str]:
    return {v for v in index.variables() if v in fresh}


def _fresh(word: str, taken: Iterable[str]) -> str:
    while word in set(taken):
        word += "'"
    return word


# ----------------------------------------------------------------------------- boxes

_AS_BOUNDS: Mapping[str, list[tuple[str, int]]] = {
    "==": [(">=", 0), ("<=", 0)],
    ">=": [(">=", 0)],
    "<=": [("<=", 0)],
    ">": [(">=", 1)],
    "<": [("<=", -1)],
}
_FLIP = {">=": "<=", "<=": ">="}


def _plain(bound: Bound) -> tuple[int, int]:
    return (len(bound.index.terms), abs(bound.index.constant))


def _inside(box: Sequence[tuple[Bound, Bound]], other: Sequence[tuple[Bound, Bound]]) -> bool:
    return all(a.value >= c.value and b.value <= d.value for (a, b), (c, d) in zip(box, other, strict=True))


def _intervals(boxes: Sequence[tuple[Bound, Bound]]) -> list[tuple[Bound, Bound]]:
    """The elementary intervals of one index, each end written as the bounds that made it are."""
    starts: dict[int, list[Index]] = {}
    ends: dict[int, list[Index]] = {}
    for low, high in boxes:
        starts.setdefault(low.value, []).append(low.index)
        ends.setdefault(low.value - 1, []).append(low.index.plus(-1))
        ends.setdefault(high.value, []).append(high.index)
        starts.setdefault(high.value + 1, []).append(high.index.plus(1))
    first, last = min(starts), max(ends)
    numbers = {i.constant for found in (*starts.values(), *ends.values()) for i in found if not i.terms}
    symbolic = not any(first + NEAR < n < last for n in numbers)
    cuts = sorted(starts)
    result: list[tuple[Bound, Bound]] = []
    for at, start in enumerate(cuts[:-1]):
        end = cuts[at + 1] - 1
        if not symbolic:
            result.append((Bound(start, Index(start)), Bound(end, Index(end))))
            continue
        before, behind = starts[start], ends[end]
        if start == end:
            both = [i for i in before if i in behind]
            if both:
                chosen = max(both, key=lambda i: (len(i.terms) > 0, -abs(i.constant)))
                result.append((Bound(start, chosen), Bound(end, chosen)))
                continue
        low = min(before, key=lambda i: (len(i.terms), abs(i.constant)))
        high = max(behind, key=lambda i: (len(i.terms) > 0, -abs(i.constant)))
        result.append((Bound(start, low), Bound(end, high)))
    return result


def _merged(cells: list[Cell], dimensions: int) -> list[Cell]:
    """Neighbours with the same terms and definition become one cell, the last index first."""
    for at in reversed(range(dimensions)):
        groups: dict[object, list[Cell]] = {}
        for cell in cells:
            rest = tuple((a.value, b.value) for k, (a, b) in enumerate(cell.box) if k != at)
            groups.setdefault((rest, cell.active, cell.part), []).append(cell)
        cells = []
        for group in groups.values():
            group.sort(key=lambda c: c.box[at][0].value)
            current = group[0]
            for cell in group[1:]:
                if current.box[at][1].value + 1 == cell.box[at][0].value:
                    box = tuple((b[0], cell.box[k][1]) if k == at else b for k, b in enumerate(current.box))
                    current = Cell(box, current.active, current.part)
                else:
                    cells.append(current)
                    current = cell
            cells.append(current)
    return cells


def _adjacent(one: Box, other: Box) -> int | None:
    """The only index in which two boxes differ, if they touch there."""
    different = [k for k, (a, b) in enumerate(zip(one, other, strict=True)) if (a[0].value, a[1].value) != (b[0].value, b[1].value)]
    if len(different) != 1:
        return None
    (k,) = different
    touch = one[k][1].value + 1 == other[k][0].value or other[k][1].value + 1 == one[k][0].value
    return k if touch else None


def _joined(one: tuple[Bound, Bound], other: tuple[Bound, Bound]) -> tuple[Bound, Bound]:
    return (one[0], other[1]) if one[0].value < other[0].value else (other[0], one[1])


def _signature(cell: Cell, regions: Sequence[Region], binding: dict[str, Index]) -> list[object]:
    terms = [regions[i].term.renamed(binding) for i in cell.active]
    return [(t.pullback, t.ranges, t.conditions) for t in terms]


def _definition_box(equation: Equation, system: System) -> Box | None:
    """The smallest box around an equation's instances, with the equation's own ends where they are plain."""
    ranges = {r.variable: r for r in equation.ranges}
    box: list[tuple[Bound, Bound]] = []
    for index in equation.indices:
        low = high = Index(index.constant)
        for atom, coefficient in index.terms:
            ends: tuple[Index, Index]
            if isinstance(atom, str) and atom in ranges:
                ends = _outer_ends(ranges[atom], ranges, system)
                if coefficient < 0:
                    ends = (ends[1], ends[0])
            else:
                ends = (Index(0, ((atom, 1),)),) * 2
            low, high = low.plus(ends[0], coefficient), high.plus(ends[1], coefficient)
        try:
            box.append((Bound(system.index(low, {}), low), Bound(system.index(high, {}), high)))
        except (KeyError, OutsideMap):
            return None
    if any(a.value > b.value for a, b in box):
        return None
    return tuple(box)


def _outer_ends(item: Range, ranges: Mapping[str, Range], system: System) -> tuple[Index, Index]:
    """The ends of a range without other variables; a triangular or ragged one is replaced by its extreme values."""
    free = [v for v in (*item.low.variables(), *item.high.variables()) if v in ranges]
    if not free:
        return item.low, item.high
    values: list[tuple[int, int]] = []
    outer = [ranges[v] for v in dict.fromkeys(free)]
    spans = [_outer_ends(r, {k: x for k, x in ranges.items() if k != item.variable}, system) for r in outer]
    limits = [(system.index(a, {}), system.index(b, {})) for a, b in spans]
    whole = 1
    for a, b in limits:
        whole *= max(0, b - a + 1)
    choices = product(*[range(a, b + 1) for a, b in limits]) if whole <= 100_000 else product(*limits)
    for point in choices:
        environment = {r.variable: p for r, p in zip(outer, point, strict=True)}
        values.append((system.index(item.low, environment), system.index(item.high, environment)))
    if not values:
        return Index(1), Index(0)
    return Index(min(v[0] for v in values)), Index(max(v[1] for v in values))


def _is_box(equation: Equation, system: System) -> bool:
    """Whether the instances of an equation fill a box: plain variables, independent ranges, no conditions."""
    if equation.conditions:
        return False
    variables = {r.variable for r in equation.ranges}
    for item in equation.ranges:
        if variables & set((*item.low.variables(), *item.high.variables())):
            return False
    seen: list[str] = []
    for index in equation.indices:
        own = [v for v in index.variables() if v in variables]
        if len(own) > 1:
            return False
        if own:
            if own[0] in seen or any(abs(c) != 1 for a, c in index.terms if a == own[0]) or any(True for _ in index.lookups()):
                return False
            seen.append(own[0])
    return len(seen) == len(variables)


def _canonical_domain(equation: Equation, names: Sequence[str]) -> tuple[tuple[Index, ...], tuple[Range, ...], Conditions]:
    """An equation's left-hand indices, ranges and conditions, with plain variables called by the family's names."""
    binding: dict[str, Index] = {}
    for name, index in zip(names, equation.indices, strict=True):
        if len(index.terms) == 1 and index.constant == 0 and index.terms[0][1] == 1 and isinstance(index.terms[0][0], str):
            if index.terms[0][0] in {r.variable for r in equation.ranges}:
                binding[index.terms[0][0]] = Index.variable(name)
    ranges = tuple(
        Range(str(binding.get(r.variable, Index.variable(r.variable)).terms[0][0]), r.low.substitute(binding), r.high.substitute(binding))
        for r in equation.ranges
    )
    conditions = tuple(c.substitute(binding) for c in equation.conditions)
    return tuple(i.substitute(binding) for i in equation.indices), ranges, conditions


def _as_conditions(name: str, ends: tuple[Bound, Bound]) -> list[Comparison]:
    low, high = ends
    return [Comparison(Index.variable(name), ">=", low.index), Comparison(Index.variable(name), "<=", high.index)]


def _not_implied(wanted: Conditions, ranges: Sequence[Range], conditions: Conditions, system: System) -> Conditions | None:
    """The conditions that do not hold for every member of a domain; None if they hold together for no member."""
    from bptt_solver.limits import Limits
    from bptt_solver.unfold import _Unfolder

    needed: list[Comparison] = []
    unfolder = _Unfolder(system, Limits({"instances": 200_000}))
    try:
        members = list(unfolder.environments(ranges, conditions, {}, "the domain"))
        if not any(_holds(wanted, m, system) for m in members):
            return None
        for condition in wanted:
            if not all(_holds((condition,), m, system) for m in members):
                needed.append(condition)
    except ValueError:
        return wanted
    except Exception as error:  # too many members to try them all: keep every condition
        from bptt_solver.errors import ProblemError

        if not isinstance(error, ProblemError):
            raise
        return wanted
    return tuple(needed)


def _holds(conditions: Conditions, environment: Mapping[str, int], system: System) -> bool:
    try:
        return system.holds(conditions, environment)
    except OutsideMap:
        return False


def _box_of(equation: AdjointEquation, system: System) -> Box:
    box = _definition_box(equation, system)
    return box if box is not None else tuple((Bound(1, Index(1)), Bound(0, Index(0))) for _ in equation.indices)


def _cover(boxes: Sequence[Box], via: Equation, system: System) -> bool:
    """Whether (disjoint) live boxes hold all instances of the user's equation."""
    whole = _definition_box(via, system)
    if whole is None:
        return False
    volume = 0
    for box in boxes:
        part = 1
        for (low, high), (first, last) in zip(box, whole, strict=True):
            part *= max(0, min(high.value, last.value) - max(low.value, first.value) + 1)
        volume += part
    full = 1
    for low, high in whole:
        full *= high.value - low.value + 1
    return volume >= full


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


def components(start: str, families: Sequence[str], users: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Strongly connected families, users before what they use (Tarjan's algorithm, without recursion)."""
    uses_of: dict[str, list[str]] = {}
    wanted = set(families)
    for family in families:
        for user in users.get(family, ()):
            if user in wanted:
                uses_of.setdefault(user, []).append(family)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    on: set[str] = set()
    stack: list[str] = []
    found: list[list[str]] = []
    for root in [start, *families]:
        if root in index:
            continue
        work: list[tuple[str, int]] = [(root, 0)]
        while work:
            node, at = work.pop()
            if at == 0:
                index[node] = low[node] = len(index)
                stack.append(node)
                on.add(node)
            following = uses_of.get(node, [])
            descended = False
            while at < len(following):
                other = following[at]
                at += 1
                if other not in index:
                    work += [(node, at), (other, 0)]
                    descended = True
                    break
                if other in on:
                    low[node] = min(low[node], index[other])
            if descended:
                continue
            for other in following:
                if other in on:
                    low[node] = min(low[node], low[other])
            if low[node] == index[node]:
                component = []
                while True:
                    member = stack.pop()
                    on.discard(member)
                    component.append(member)
                    if member == node:
                        break
                found.append(sorted(component, key=families.index))
    return list(reversed(found))


__all__ = ["Backward", "Number", "components"]
