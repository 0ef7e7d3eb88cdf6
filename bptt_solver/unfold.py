"""From folded equations to instances in order: every family member, what it reads, and a deterministic order to compute them.

Instances get dense numbers (givens first), so that evaluating is a loop over lists. Nothing recurses on the graph.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence

from bptt_solver.errors import ProblemError, fail, suggest
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Conditions,
    Expression,
    Index,
    IndexValue,
    Iverson,
    Number,
    Numeral,
    Range,
    Reference,
    Sum,
    is_derivative,
    preorder,
)
from bptt_solver.language.templates import Part, Slot, Template, slot
from bptt_solver.limits import Limits
from bptt_solver.system import Environment, Instance, OutsideMap, System

Priority = tuple[float, ...]


class Ground:
    """A part at one instance: a template and, per slot, the number of a value or the grounds of an inner sum.

    ``part`` says which summand of the equation it is (in a backward equation: which term), ``environment`` for which indices.
    """

    __slots__ = ("environment", "part", "slots", "template")

    def __init__(self, template: Template, slots: Sequence[int | list[Ground]], environment: Environment) -> None:
        self.template = template
        self.slots = slots
        self.part = 0
        self.environment = environment


class Unfolded:
    """The instances of a system. ``grounds[i]`` are the summands of instance ``i`` (None for a given one)."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.keys: list[Instance] = []
        self.number: dict[Instance, int] = {}
        self.grounds: list[list[Ground] | None] = []
        self.equations: list[Equation | None] = []
        self.environments: list[Environment] = []
        self.constants: dict[tuple[str, Numeral], int] = {}  # a value -> its number, counted from -1 downwards
        self.order: list[int] = []  # defined instances, each behind all that it reads
        self.first = 0  # the number of the first instance that is not the base's

    def behind(self, system: System) -> Unfolded:
        """The start of an unfolding of a system that has more equations; what is known already is shared, not computed again."""
        result = Unfolded(system)
        result.keys = list(self.keys)
        result.number = dict(self.number)
        result.grounds = list(self.grounds)
        result.equations = list(self.equations)
        result.environments = list(self.environments)
        result.constants = dict(self.constants)
        result.first = len(self.keys)
        return result

    def constant(self, value: Numeral) -> int:
        """The (negative) number under which a constant is read."""
        return self.constants.setdefault((type(value).__name__, value), -1 - len(self.constants))

    def reads(self, number: int) -> list[int]:
        """The instances that an instance reads, in the order of its equation, each once."""
        grounds = self.grounds[number] or ()
        found: dict[int, None] = {}
        for ground in grounds:
            if list in map(type, ground.slots):
                return list(dict.fromkeys(n for n in _ground_reads(grounds) if n >= 0))
            found.update(dict.fromkeys(ground.slots))  # type: ignore[arg-type]
        return [n for n in found if n >= 0]


def instance_text(instance: Instance) -> str:
    """``h[2]``; an unindexed family whole."""
    name, indices = instance
    return f"{name}[{','.join(map(str, indices))}]" if indices else name


def _ground_reads(grounds: Sequence[Ground]) -> Iterator[int]:
    stack = list(reversed(grounds))
    while stack:
        ground = stack.pop()
        for entry in ground.slots:
            if isinstance(entry, int):
                yield entry
            else:
                stack.extend(entry)


def _is_ordered(result: Unfolded, order: Sequence[int], low: int) -> bool:
    """Whether every instance stands behind all that it reads; those below ``low`` stand before all."""
    placed = bytearray(b"\1" * low + b"\0" * (len(result.keys) - low) + b"\1" * len(result.constants))  # constants count from the end
    for number in order:
        for ground in result.grounds[number] or ():
            if list in map(type, ground.slots):
                if not all(placed[n] for n in _ground_reads([ground])):
                    return False
            elif 0 in map(placed.__getitem__, ground.slots):  # type: ignore[arg-type]
                return False
        placed[number] = 1
    return True


class _Plan:
    """How a part's slots are filled: with what is the same everywhere, and what depends on the indices.

    ``varying`` holds (slot, name, functions, leaf): a member of a family; without a name an index value, or an inner sum.
    """

    __slots__ = ("guards", "slots", "varying")

    def __init__(self) -> None:
        self.slots: list[int | list[Ground]] = []
        self.varying: list[tuple[int, str | None, list[Callable[[Environment], int]], Expression]] = []
        self.guards: list[tuple[int, Conditions]] = []


class _Unfolder:
    def __init__(self, system: System, limits: Limits, base: Unfolded | None = None) -> None:
        self.system = system
        self.limits = limits
        self.most = limits.get("instances")
        self.count = 0
        self.result = base.behind(system) if base is not None else Unfolded(system)
        self.variants: dict[tuple[int, tuple[tuple[int, int], ...]], Part | None] = {}
        self.inner: dict[int, Part] = {}
        self.keep: list[Part] = []
        self.kept_indices: list[Index] = []
        self.indices: dict[int, Callable[[Environment], int]] = {}
        self.plans: dict[int, _Plan] = {}

    # -- enumerating

    def spend(self, amount: int, what: str) -> None:
        """Count instances before they are made."""
        self.count += amount
        if self.count > self.most:
            self.limits.check("instances", self.count, what)

    def environments(self, ranges: Sequence[Range], conditions: Conditions, outer: Environment, what: str) -> Iterator[Environment]:
        """All assignments of the range variables for which the conditions hold, the first variable slowest."""
        system = self.system
        if not ranges:
            if not conditions or system.holds(conditions, outer):
                yield outer
            return
        if conditions:
            names = {r.variable for r in ranges}
            outside = [c for c in conditions if not names & {*c.left.variables(), *c.right.variables()}]
            if outside:
                if not system.holds(outside, outer):
                    return
                conditions = tuple(c for c in conditions if c not in outside)
        known = self._from_inverse(ranges, conditions, outer)
        if known is not None:
            yield from known
            return
        first, rest = ranges[0], ranges[1:]
        low, high = system.index(first.low, outer), system.index(first.high, outer)
        if high < low:
            return
        self.spend(high - low + 1, what)
        for value in range(low, high + 1):
            inner = {**outer, first.variable: value}
            if rest:
                yield from self.environments(rest, conditions, inner, what)
            elif not conditions or system.holds(conditions, inner):
                yield inner

    def _from_inverse(self, ranges: Sequence[Range], conditions: Conditions, outer: Environment) -> Iterator[Environment] | None:
        """A condition ``left[j] == i`` on the only variable: read off the inverse map instead of trying all."""
        if len(ranges) != 1:
            return None
        variable = ranges[0].variable
        for condition in conditions:
            if condition.operator != "==":
                continue
            for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
                lookup = _plain_lookup(one, variable)
                if lookup is not None and variable not in set(other.variables()):
                    low, high = self.system.index(ranges[0].low, outer), self.system.index(ranges[0].high, outer)
                    hits = self.system.maps[lookup].inverse(self.system.index(other, outer))
                    inner = ({**outer, variable: at[0]} for at in hits if low <= at[0] <= high)
                    return (e for e in inner if self.system.holds(conditions, e))
        return None

    # -- resolving leaves

    def ground(self, part: Part, environment: Environment, equation: Equation) -> Ground | None:
        """A part at one instance, or None if it vanishes there.

        Guards are decided first: what a false one multiplies is not read at all.
        """
        if not environment:
            fixed = self._unindexed(part.leaves)
            if fixed is not None:
                return Ground(part.template, fixed, environment)
        plan = self.plans.get(id(part))
        if plan is None:
            plan = self._plan(part)
        if plan.guards:
            decided = {at: int(self.system.holds(conditions, environment)) for at, conditions in plan.guards}
            return self._variant(part, decided, environment, equation)
        if not plan.varying:
            return Ground(part.template, plan.slots, environment)
        slots, number = plan.slots.copy(), self.result.number
        zero: dict[int, int] = {}  # empty sums and absent derivatives
        for at, name, functions, leaf in plan.varying:
            if name is not None:
                key = (name, (functions[0](environment),) if len(functions) == 1 else tuple([f(environment) for f in functions]))
                found = number.get(key)
                if found is not None:
                    slots[at] = found
                    continue
                if not is_derivative(name):
                    raise self.missing(key, leaf, equation, environment)
                zero[at] = 0
            elif functions:
                slots[at] = self.result.constant(functions[0](environment))
            else:
                assert isinstance(leaf, Sum)
                grounds = self.summed(self._inner(leaf), environment, equation)
                if not grounds:
                    zero[at] = 0
                slots[at] = grounds or 0
        if not zero:
            return Ground(part.template, slots, environment)
        return self._variant(part, zero, environment, equation)

    def _unindexed(self, leaves: Sequence[Expression]) -> list[int | list[Ground]] | None:
        """The slots if all leaves are numbers and known names without an index, as most are."""
        slots: list[int | list[Ground]] = []
        number = self.result.number
        for leaf in leaves:
            kind = type(leaf)
            if kind is Reference and not leaf.indices:  # type: ignore[union-attr]
                found = number.get((leaf.name, ()))  # type: ignore[union-attr]
                if found is None:
                    return None
                slots.append(found)
            elif kind is Number:
                slots.append(self.result.constant(leaf.value))  # type: ignore[union-attr]
            else:
                return None
        return slots

    def _plan(self, part: Part) -> _Plan:
        """What is the same for all instances of a part."""
        plan = _Plan()
        number = self.result.number
        for at, leaf in enumerate(part.leaves):
            kind = type(leaf)
            filled = 0
            if kind is Reference:
                indices = leaf.indices  # type: ignore[union-attr]
                found = None if indices else number.get((leaf.name, ()))  # type: ignore[union-attr]
                if found is None:
                    plan.varying.append((at, leaf.name, [self.function(i) for i in indices], leaf))  # type: ignore[union-attr]
                else:
                    filled = found
            elif kind is Number:
                filled = self.result.constant(leaf.value)  # type: ignore[union-attr]
            elif kind is IndexValue:
                plan.varying.append((at, None, [self.function(leaf.index)], leaf))  # type: ignore[union-attr]
            elif kind is Iverson:
                plan.guards.append((at, leaf.conditions))  # type: ignore[union-attr]
            else:
                plan.varying.append((at, None, [], leaf))
            plan.slots.append(filled)
        self.plans[id(part)] = plan
        self.keep.append(part)
        return plan

    def _variant(self, part: Part, known: dict[int, int], environment: Environment, equation: Equation) -> Ground | None:
        """The part with some slots replaced by 0 or 1 and folded; None if nothing is left of it."""
        key = (id(part), tuple(known.items()))
        if key not in self.variants:
            self.keep.append(part)
            folded = build.replace(part.template.expression, {slot(at): Number(value) for at, value in known.items()})
            variant = None
            if not build.is_zero(folded):
                left = {node for node in preorder(folded) if isinstance(node, Slot)}
                variant = Part(*self.system.templates.of(build.replace(folded, {node: part.leaves[node.at] for node in left})))
            self.variants[key] = variant
        chosen = self.variants[key]
        return None if chosen is None else self.ground(chosen, environment, equation)

    def _inner(self, leaf: Sum) -> Part:
        """The part that an inner sum adds up, made once."""
        part = self.inner.get(id(leaf))
        if part is None:
            template, leaves = self.system.templates.of(leaf.body)
            part = self.inner[id(leaf)] = Part(template, leaves, leaf.ranges, leaf.conditions)
            self.keep.append(Part(template, (leaf,)))  # keeps the id alive
        return part

    def summed(self, part: Part, environment: Environment, equation: Equation) -> list[Ground]:
        """A part at every assignment of its ranges."""
        if not part.ranges and not part.conditions:
            ground = self.ground(part, environment, equation)
            return [] if ground is None else [ground]
        result = []
        for inner in self.environments(part.ranges, part.conditions, environment, f"the sum in the equation of {equation.name}"):
            ground = self.ground(part, inner, equation)
            if ground is not None:
                result.append(ground)
        return result

    def index(self, index: Index, environment: Environment) -> int:
        return self.function(index)(environment)

    def function(self, index: Index) -> Callable[[Environment], int]:
        """An index as a function of the environment, made once."""
        function = self.indices.get(id(index))
        if function is None:
            function = self.indices[id(index)] = _compiled(index, self.system)
            self.kept_indices.append(index)  # keeps the id alive
        return function

    # -- errors

    def missing(self, key: Instance, leaf: Expression, equation: Equation, environment: Environment) -> ProblemError:
        from bptt_solver.language.parser import locate

        span = locate(equation, leaf) if equation.origin else None
        user = instance_text((equation.name, tuple(self.index(i, environment) for i in equation.indices if _closed(i, environment, self.system))))
        name = key[0]
        if name not in self.system.given and name not in self.system.defining:
            hint = suggest(name, [*self.system.families, *self.system.sizes]) or f"give {name} under 'values', or define it by an equation"
            return fail(f"unknown name '{name}'", span, hint)
        shown = instance_text(key)
        return fail(f"{user} reads {shown}, which is neither given nor defined", span, f"give '{shown}: ...' under 'values' or restrict the range")


def _closed(index: Index, environment: Environment, system: System) -> bool:
    return all(v in environment or v in system.sizes for v in index.variables())


def _plain_lookup(index: Index, variable: str) -> str | None:
    if index.constant == 0 and len(index.terms) == 1 and index.terms[0][1] == 1:
        atom = index.terms[0][0]
        if not isinstance(atom, str) and len(atom.indices) == 1 and atom.indices[0] == Index.variable(variable):
            return atom.name
    return None


def _compiled(index: Index, system: System) -> Callable[[Environment], int]:
    """An index as a function of the environment; sizes are put in."""
    reduced = index.substitute({name: Index(value) for name, value in system.sizes.items() if name in set(index.variables())})
    constant = reduced.constant
    if not reduced.terms:
        return lambda environment: constant
    if len(reduced.terms) == 1 and reduced.terms[0][1] == 1 and isinstance(reduced.terms[0][0], str):
        variable = reduced.terms[0][0]
        if constant == 0:
            return lambda environment: environment[variable]
        return lambda environment: environment[variable] + constant
    return lambda environment: system.index(reduced, environment)


def unfold(system: System, limits: Limits, base: Unfolded | None = None) -> Unfolded:
    """All instances of a system, ordered: the earliest time first, then declaration order.

    ``base`` is an unfolding of the system without its last equations, which are ordered backwards then: the backward pass behind
    the forward pass. Raises ProblemError for an instance that is read but not there, is defined twice, or depends on itself.
    """
    unfolder = _Unfolder(system, limits, base)
    result = unfolder.result
    for name, parts in system.given.items():
        for given in parts:
            for indices in given.indices():
                if (name, indices) not in result.number:
                    _enter(result, (name, indices), None, {})
    pending: list[tuple[int, Equation, Environment]] = []
    for equation in system.equations[len(base.system.equations) if base is not None else 0 :]:
        of = getattr(equation, "of", None)  # a backward equation: only where the forward pass has a member
        if not equation.ranges and not equation.indices and not equation.conditions:
            pending.append((_define(unfolder, equation, (), {}), equation, {}))
            continue
        functions = [unfolder.function(i) for i in equation.indices]
        try:
            for environment in unfolder.environments(equation.ranges, equation.conditions, {}, f"the family {equation.name}"):
                indices = tuple([f(environment) for f in functions])
                if of is None or (of, indices) in result.number:
                    pending.append((_define(unfolder, equation, indices, environment), equation, environment))
        except OutsideMap as error:
            raise _outside(error, equation) from None
    unfolder.spend(len(pending), "the system")
    for number, equation, environment in pending:
        try:
            grounds: list[Ground] = []
            for at, part in enumerate(equation.parts(system.templates)):
                for ground in unfolder.summed(part, environment, equation):
                    ground.part = at
                    grounds.append(ground)
        except OutsideMap as error:
            raise _outside(error, equation) from None
        result.grounds[number] = grounds
    _sort(result, [number for number, _, _ in pending], base is not None)
    return result


def _outside(error: OutsideMap, equation: Equation) -> ProblemError:
    return fail(f"{error} is outside the map", equation.origin.span() if equation.origin else None)


def _define(unfolder: _Unfolder, equation: Equation, indices: tuple[int, ...], environment: Environment) -> int:
    result = unfolder.result
    key = (equation.name, indices)
    if key in result.number:
        first = result.equations[result.number[key]]
        where = "given and defined" if first is None else "defined twice"
        span = equation.origin.span() if equation.origin else None
        line = f" (first in line {first.origin.span().source.position(first.origin.span().start)[0]})" if first is not None and first.origin else ""
        raise fail(f"{instance_text(key)} is {where}{line}", span, "each member of a family has one equation or one value")
    return _enter(result, key, equation, environment)


def _enter(result: Unfolded, key: Instance, equation: Equation | None, environment: Environment) -> int:
    number = len(result.keys)
    result.number[key] = number
    result.keys.append(key)
    result.grounds.append(None)
    result.equations.append(equation)
    result.environments.append(environment)
    return number


def _sort(result: Unfolded, defined: list[int], backward: bool) -> None:
    """Among what is ready, the smallest time first, then declaration order: by priority, if that is an order (it mostly is), else
    by Kahn's algorithm with a heap, which gives the same then. Without indices it stays as it was written, if that is an order.
    """
    low = min(defined, default=0)  # what is defined here has the numbers behind all others
    if all(not e.ranges for e in result.system.equations) and _is_ordered(result, defined, low):
        result.order = list(defined)
        return
    priority = _priorities(result, defined, backward)
    chosen = sorted(defined, key=priority.__getitem__)
    if _is_ordered(result, chosen, low):
        result.order = chosen
        return
    reads = {number: [n for n in result.reads(number) if n >= low] for number in defined}
    users: dict[int, list[int]] = {}
    missing: dict[int, int] = {}
    for number in defined:
        missing[number] = len(reads[number])
        for read in reads[number]:
            users.setdefault(read, []).append(number)
    ready = [(priority[number], number) for number in defined if not missing[number]]
    heapq.heapify(ready)
    while ready:
        _, number = heapq.heappop(ready)
        result.order.append(number)
        for user in users.get(number, ()):
            missing[user] -= 1
            if not missing[user]:
                heapq.heappush(ready, (priority[user], user))
    if len(result.order) < len(defined):
        raise _cycle(result, reads, {n for n in defined if missing[n]})


def _priorities(result: Unfolded, defined: list[int], backward: bool) -> dict[int, Priority]:
    system = result.system
    position = {id(equation): at for at, equation in enumerate(system.equations)}
    times: dict[str, int | None] = {}
    last: set[str] = set()
    sign = -1 if backward else 1
    priorities: dict[int, Priority] = {}
    for number in defined:
        name, indices = result.keys[number]
        if name not in times:
            times[name] = system.time_position(name)
            of = getattr(result.equations[number], "of", None)
            if of is not None and of not in system.defining:
                last.add(name)  # what is given is gathered behind the sweep
        at = times[name]
        time = float("inf") if name in last else float("-inf") if at is None else sign * indices[at]
        priorities[number] = (time, position[id(result.equations[number])], *(sign * i for i in indices))
    return priorities


def _cycle(result: Unfolded, reads: dict[int, list[int]], stuck: set[int]) -> ProblemError:
    """Walk against the arrows among what could not be computed until something comes twice."""
    at = min(stuck)
    seen: dict[int, int] = {}
    path: list[int] = []
    while at not in seen:
        seen[at] = len(path)
        path.append(at)
        at = min(n for n in reads[at] if n in stuck)
    loop = [*path[seen[at] :], at]
    shown = [instance_text(result.keys[n]) for n in loop]
    if len(shown) > 12:
        shown = [*shown[:6], "…", *shown[-5:]]
    equation = result.equations[loop[0]]
    span = equation.origin.span() if equation is not None and equation.origin else None
    text = " ← ".join(shown)
    return fail(f"cycle: {text}", span, "an ordered system computes every quantity from earlier ones; add a time index or break the loop")
