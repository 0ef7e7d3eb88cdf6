"""From folded equations to instances in order: every family member, what it reads, and a deterministic order to
compute them.

Instances get dense numbers (givens first), so that evaluating is a loop over lists. Nothing recurses on the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bptt_solver.catalogues import message
from bptt_solver.enumeration import Enumeration
from bptt_solver.errors import ProblemError, fail, suggest
from bptt_solver.instances import Ground, Unfolded, instance_text
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Conditions,
    Expression,
    Index,
    IndexValue,
    Iverson,
    Number,
    Reference,
    Sum,
    is_derivative,
    preorder,
)
from bptt_solver.language.templates import Part, Slot, slot
from bptt_solver.limits import Limits
from bptt_solver.ordering import sort
from bptt_solver.system import Environment, Instance, OutsideMap, System


class _Plan:
    """How a part's slots are filled: with what is the same everywhere, and what depends on the indices.

    ``varying`` holds (slot, name, functions, leaf): a member of a family; without a name an index value, or an inner
    sum.
    """

    __slots__ = ("guards", "slots", "varying")

    def __init__(self) -> None:
        self.slots: list[int | list[Ground]] = []
        self.varying: list[tuple[int, str | None, list[Callable[[Environment], int]], Expression]] = []
        self.guards: list[tuple[int, Conditions]] = []


class _Unfolder:
    def __init__(self, system: System, limits: Limits, base: Unfolded | None = None) -> None:
        self.system = system
        # a limit that admits the equations has to admit their derivatives
        self.members = Enumeration(system, limits, 1 if base is None else 10)
        self.result = base.behind(system) if base is not None else Unfolded(system)
        self.variants: dict[tuple[int, tuple[tuple[int, int], ...]], Part | None] = {}
        self.inner: dict[int, Part] = {}
        self.keep: list[Part] = []
        self.kept_indices: list[Index] = []
        self.indices: dict[int, Callable[[Environment], int]] = {}
        self.plans: dict[int, _Plan] = {}

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
                key = (
                    name,
                    (functions[0](environment),) if len(functions) == 1 else tuple([f(environment) for f in functions]),
                )
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

    def _variant(
        self, part: Part, known: dict[int, int], environment: Environment, equation: Equation
    ) -> Ground | None:
        """The part with some slots replaced by 0 or 1 and folded; None if nothing is left of it."""
        key = (id(part), tuple(known.items()))
        if key not in self.variants:
            self.keep.append(part)
            folded = build.replace(part.template.expression, {slot(at): Number(value) for at, value in known.items()})
            variant = None
            if not build.is_zero(folded):
                left = dict.fromkeys(node for node in preorder(folded) if isinstance(node, Slot))
                variant = Part(
                    *self.system.templates.of(build.replace(folded, {node: part.leaves[node.at] for node in left}))
                )
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
        for inner in self.members.environments(part.ranges, part.conditions, environment, "limit.sum", equation):
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
        user = instance_text(
            (
                equation.name,
                tuple(self.index(i, environment) for i in equation.indices if _closed(i, environment, self.system)),
            )
        )
        name = key[0]
        if name not in self.system.given and name not in self.system.defining:
            hint = suggest(name, [*self.system.families, *self.system.sizes]) or message("name.give", name=name)
            return fail(message("name.unknown", name=name), span, hint)
        shown = instance_text(key)
        where = {"data": "data", "parameter": "parameters"}.get(self.system.roles.get(name, ""), "values")
        return fail(
            message("unfold.missing", user=user, name=shown),
            span,
            message("unfold.give", name=shown, where=where),
        )


def _closed(index: Index, environment: Environment, system: System) -> bool:
    return all(v in environment or v in system.sizes for v in index.variables())


def _compiled(index: Index, system: System) -> Callable[[Environment], int]:
    """An index as a function of the environment; sizes are put in."""
    reduced = index.substitute(
        {name: Index(value) for name, value in system.sizes.items() if name in set(index.variables())}
    )
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

    ``base`` is an unfolding of the system without its last equations, which are ordered backwards then: the backward
    pass behind
    the forward pass. Raises ProblemError for an instance that is read but not there, is defined twice, or depends on
    itself.
    """
    unfolder = _Unfolder(system, limits, base)
    result = unfolder.result
    for name, parts in system.given.items():
        for given in parts:
            for indices in given.indices():
                if (name, indices) not in result.number:
                    _enter(result, (name, indices), None, {})
    if base is None:
        unfolder.members.forecast(system.equations)
    pending: list[tuple[int, Equation, Environment]] = []
    for equation in system.equations[len(base.system.equations) if base is not None else 0 :]:
        of = getattr(equation, "of", None)  # a backward equation: only where the forward pass has a member
        if not equation.ranges and not equation.indices and not equation.conditions:
            pending.append((_define(unfolder, equation, (), {}), equation, {}))
            continue
        functions = [unfolder.function(i) for i in equation.indices]
        try:
            for environment in unfolder.members.environments(
                equation.ranges, equation.conditions, {}, "limit.family", equation
            ):
                indices = tuple([f(environment) for f in functions])
                # where two definitions' domains overlap as boxes, the backward equations of both say the same
                if of is None or ((of, indices) in result.number and (equation.name, indices) not in result.number):
                    pending.append((_define(unfolder, equation, indices, environment), equation, environment))
        except OutsideMap as error:
            raise _outside(error, equation) from None
    unfolder.members.spend(sum(not equation.ranges for _, equation, _ in pending), "limit.system")
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
    sort(result, [number for number, _, _ in pending], base is not None)
    return result


def _outside(error: OutsideMap, equation: Equation) -> ProblemError:
    text, name, hint = error.args
    return fail(
        message("unfold.no_member", name=text), equation.origin.span_of(name) if equation.origin else None, hint
    )


def _define(unfolder: _Unfolder, equation: Equation, indices: tuple[int, ...], environment: Environment) -> int:
    result = unfolder.result
    key = (equation.name, indices)
    if key in result.number:
        raise _twice(key, equation, environment, result)
    return _enter(result, key, equation, environment)


def _twice(key: Instance, equation: Equation, environment: Environment, result: Unfolded) -> ProblemError:
    first = result.equations[result.number[key]]
    span = equation.origin.span() if equation.origin else None
    name = instance_text(key)
    if first is None:
        return fail(message("unfold.value_and_equation", name=name), span, message("unfold.keep_one"))
    told = message("unfold.twice", name=name)
    if first is equation:
        before = result.environments[result.number[key]]
        told = message("unfold.twice_at", name=name, one=_assigned(before), other=_assigned(environment))
    elif first.origin:
        where = first.origin.span()
        written = where.source.written_by  # a topology's equations stand on no line of the document
        told = message("unfold.twice_topology", name=name)
        if not written:
            told = message("unfold.twice_line", name=name, line=where.source.position(where.start)[0])
    return fail(told, span, message("unfold.one_definition"))


def _assigned(environment: Environment) -> str:
    return ", ".join(f"{name} = {value}" for name, value in environment.items())


def _enter(result: Unfolded, key: Instance, equation: Equation | None, environment: Environment) -> int:
    number = len(result.keys)
    result.number[key] = number
    result.keys.append(key)
    result.grounds.append(None)
    result.equations.append(equation)
    result.environments.append(environment)
    return number


__all__ = ["Ground", "Unfolded", "instance_text", "unfold"]
