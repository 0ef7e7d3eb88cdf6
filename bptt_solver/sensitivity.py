"""Forward sensitivities: the chain rule read from the inputs to the target, as a transformation from a system of
equations to a system of equations.

    ∂⁺z_j/∂w = ∂z_j/∂w + Σ_{i<j} ∂z_j/∂z_i · ∂⁺z_i/∂w

The forward-mode sibling of `bptt_solver.chain_rule`. Every equation ``z[I(v)] = f(g[J(v)], ...)`` gets one for
``∂⁺z[I(v)]/∂w``, with the same ranges and conditions; each use of something that ``w`` reaches contributes one term. No
map of indices has to be inverted: information flows as it does in the forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.instances import ground_reads
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
    Expression,
    Index,
    Range,
    Reference,
    Sum,
    derivative_name,
    preorder,
    substitute_indices,
)
from bptt_solver.language.pushforwards import TANGENT, Pushforwards
from bptt_solver.language.shapes import Shape
from bptt_solver.language.templates import COTANGENT, RESULT, Part, Templates, instantiate
from bptt_solver.limits import Limits
from bptt_solver.matched import is_output, joint_partial
from bptt_solver.system import Given, Instance, System
from bptt_solver.unfold import Ground, Unfolded, instance_text, unfold

OPEN = "[·]"  # in a family's name: the indices belong to what is above


def sensitivity_name(family: str, weight: Instance) -> str:
    """The family of ordered derivatives of a family's members with respect to one instance: ``∂⁺h[·]/∂u``; its
    indices are those of ``h``."""
    return derivative_name(family + OPEN, instance_text(weight))


class Passing:
    """What one use contributes to a sensitivity: ``∂z/∂use · ∂⁺use/∂w``. ``direct``: the use is ``w`` itself.

    ``change`` is ``∂⁺use/∂w`` as it stands in ``expression`` (the number 1 for a number that is used directly).
    """

    __slots__ = ("change", "direct", "expression", "use")

    def __init__(self, use: Reference, direct: bool, change: Expression, expression: Expression) -> None:
        self.use = use
        self.direct = direct
        self.change = change
        self.expression = expression


class SensitivityEquation(Equation):
    """The equation of a sensitivity: its right-hand side is a tuple of terms, direct ones first. ``of`` is the family
    that it belongs to, ``via`` the forward equation."""

    __slots__ = ("of", "terms", "via")

    def __init__(self, via: Equation, name: str, terms: Sequence[Passing]) -> None:
        right = build.add(term.expression for term in terms)
        super().__init__(name, via.indices, right, via.ranges, via.conditions, via.origin)
        self.of = via.name
        self.via = via
        self.terms = tuple(terms)

    def _taken_apart(self, templates: Templates) -> list[Part]:
        """One part a term."""
        return [Part(*templates.of(term.expression)) for term in self.terms]


class Paths:
    """What the sensitivities of one target have in common, whatever they are with respect to."""

    def __init__(self, system: System, base: Unfolded, target: Instance, limits: Limits) -> None:
        self.system = system
        self.base = base
        self.target = base.number[target]
        self.limits = limits
        self.pushforwards = Pushforwards(system.operations)
        reads: dict[str, dict[str, None]] = {}
        self._users: dict[str, dict[str, None]] = {}
        for equation in system.equations:
            for node in preorder(equation.right):
                if type(node) is Reference:
                    reads.setdefault(equation.name, {})[node.name] = None
                    self._users.setdefault(node.name, {})[equation.name] = None
        self._earlier = {target[0], *_closure(target[0], reads)}
        self.reaches = reaching(base, self.target)

    def families(self, start: str) -> dict[str, None]:
        """The families that one reaches and that reach the target, in declaration order."""
        later = _closure(start, self._users)
        return dict.fromkeys(n for n in self.system.defining if n in later and n in self._earlier)


class Sensitivities:
    """The system of the sensitivities with respect to one instance, behind the forward system, and its instances.

    ``unfolded.order`` holds those that are not structurally zero, in the order of the forward pass; ``of`` maps forward
    numbers to theirs. ``seed`` is the number of ``∂⁺w/∂w``. Only what the target reads, directly or not, has an
    equation.
    """

    def __init__(self, paths: Paths, weight: Instance, shape: Shape) -> None:
        self.weight = weight
        self.base = base = paths.base
        self.forward = system = paths.system
        self._pushforwards = paths.pushforwards
        self.families = paths.families(weight[0])
        self.names = {family: sensitivity_name(family, weight) for family in (weight[0], *self.families)}
        self._whole = not weight[1] and not shape  # a number that is used under one name: its change is 1
        self._scope: list[Range] = []  # of the indices where a use stands
        defining = [e for family in self.families for e in system.defining[family]]
        self.equations = [e for e in map(self._equation, defining) if e is not None]
        seed = self.names[weight[0]]
        ranks = {self.names[f]: system.ranks[f] for f in self.families}
        given = {name: self._given(family, name) for family, name in self.names.items()}
        given[seed].append(Given(seed, weight[1], weight[1], shape))
        present = {name: parts for name, parts in given.items() if parts}
        self.system = system.extended(self.equations, {**ranks, seed: len(shape)}, present)
        self.unfolded = unfold(self.system, paths.limits, base)
        self.seed = self.unfolded.number[seed, weight[1]]
        self.of: dict[int, int] = {}
        self._prune(paths)

    def _given(self, family: str, name: str) -> list[Given]:
        """The given members of a family: read, but not changed by the weight, so that what reads them is left out."""
        parts = self.forward.given.get(family, ())
        return [Given(name, p.low, p.high, p.shape, members=p.members) for p in parts]

    def _equation(self, equation: Equation) -> SensitivityEquation | None:
        terms: list[Passing] = []
        self._scope = list(equation.ranges)
        parts = equation.parts(self.forward.templates)
        user = Reference(equation.name, equation.indices)
        for part in parts:
            body = user if len(parts) == 1 else instantiate(part.template.expression, part.leaves)
            terms += self._passing(part, body)
        if not terms:
            return None
        return SensitivityEquation(equation, self.names[equation.name], sorted(terms, key=lambda t: not t.direct))

    def _passing(self, part: Part, result: Expression) -> list[Passing]:
        """The terms of one summand; ``result`` is what its local slopes may call the result."""
        found: list[Passing] = []
        for at, leaf in enumerate(part.leaves):
            inner: list[Passing] = []
            if type(leaf) is Reference and leaf.name in self.names and not self._other(leaf):
                joint = self._joint(part, at, leaf)
                if joint is not None:
                    found += joint
                    continue
                inner = [self._use(leaf)]
            elif isinstance(leaf, Sum):
                opened = Part(*self.forward.templates.of(leaf.body))
                self._scope.extend(leaf.ranges)
                inner = self._passing(opened, leaf.body)
                del self._scope[len(self._scope) - len(leaf.ranges) :]
                for term in inner:
                    term.expression = Sum(term.expression, leaf.ranges, leaf.conditions)
            for term in inner:
                change = self._pushforwards.of(part.template, at)
                if not build.is_zero(change):
                    term.expression = instantiate(change, part.leaves, {TANGENT: term.expression, RESULT: result})
                    found.append(term)
        return found

    def _other(self, leaf: Reference) -> bool:
        """Whether a reference is another member of the weight's family, which the weight does not change."""
        if leaf.name != self.weight[0] or leaf.name in self.families:
            return False
        constant = all(not index.terms for index in leaf.indices)
        return constant and tuple(index.constant for index in leaf.indices) != self.weight[1]

    def _use(self, leaf: Reference) -> Passing:
        direct = leaf.name == self.weight[0] and leaf.indices == tuple(Index(i) for i in self.weight[1])
        change: Expression = Reference(self.names[leaf.name], leaf.indices)
        if self._whole and direct:
            change = build.ONE
        return Passing(leaf, direct, change, change)

    def _joint(self, part: Part, at: int, leaf: Reference) -> list[Passing] | None:
        """The terms of a matched pair: a loss reads an output function's result, whose change it gets from the
        function's argument in one step, ``(p - d) · ∂⁺o/∂w``; None where there is no such pair."""
        function = None if leaf.name == self.weight[0] else self._definition(leaf)
        if function is None:
            return None
        slope = instantiate(part.template.adjoint(at), part.leaves, {COTANGENT: build.ONE})
        partial = joint_partial(self.forward.operations, function, leaf, slope)
        if partial is None or not isinstance(function, Call):
            return None
        argument = Part(*self.forward.templates.of(function.arguments[0]))
        found = self._passing(argument, function.arguments[0])
        for term in found:
            number = self.forward.ranks[leaf.name] == 0
            product = build.mul([partial, term.expression]) if number else None
            term.expression = product or build.bilinear("dot", partial, term.expression)
        return found

    def _definition(self, leaf: Reference) -> Expression | None:
        """The output function that defines all members that a reference stands for; None if there is no such one."""
        definitions = self.forward.defining.get(leaf.name, ())
        alone = len(definitions) == 1 and leaf.name not in self.forward.given
        scope = {r.variable: (r.low, r.high) for r in self._scope}
        for definition in definitions:
            if not is_output(definition) or definition.conditions:
                continue
            ranges = {r.variable: (r.low, r.high) for r in definition.ranges}
            binding: dict[str, Index] = {}
            for index, there in zip(definition.indices, leaf.indices, strict=True):
                (variable, here) = (_variable(index), _variable(there))
                if variable in ranges and variable not in binding:
                    if not alone and (here is None or scope.get(here) != ranges[variable]):
                        break
                    binding[variable] = there
                elif index != there:
                    break
            else:
                if len(binding) == len(ranges):
                    return substitute_indices(definition.right, binding)
        return None

    # -- instances

    def _prune(self, paths: Paths) -> None:
        """Leave out what is structurally zero or does not reach the target, and put the rest into forward order."""
        unfolded, base = self.unfolded, self.base
        alive = {self.seed}
        for number in base.order:
            family, indices = base.keys[number]
            own = unfolded.number.get((self.names[family], indices)) if family in self.names else None
            if own is None or own == self.seed:
                continue
            equation = unfolded.equations[own]
            assert isinstance(equation, SensitivityEquation)
            grounds = []
            for ground in unfolded.grounds[own] or ():
                constant = self._whole and equation.terms[ground.part].direct  # a partial times 1
                living = ground if constant else self._living(ground, alive)
                if living is not None:
                    grounds.append(living)
            unfolded.grounds[own] = grounds
            if grounds and number in paths.reaches:
                alive.add(own)
                self.of[number] = own
        last = self.of.get(paths.target)
        needed = {self.seed} if last is None else reaching(unfolded, last)  # not the output of a matched pair
        self.of = {n: own for n, own in self.of.items() if own in needed}
        unfolded.order = [self.of[n] for n in base.order if n in self.of]
        self.of[base.number[self.weight]] = self.seed

    def _living(self, ground: Ground, alive: set[int]) -> Ground | None:
        """A summand without what is structurally zero; None if nothing is left. It is linear in the sensitivities: each
        product has exactly one."""
        first = self.unfolded.first
        slots: list[int | list[Ground]] = []
        carries = False
        for entry in ground.slots:
            if isinstance(entry, int):
                if entry >= first and entry not in alive:
                    return None
                carries = carries or entry >= first
                slots.append(entry)
                continue
            if not any(n >= first for n in ground_reads(entry)):  # a sum of the forward pass, in a slope
                slots.append(entry)
                continue
            inner = [g for g in (self._living(g, alive) for g in entry) if g is not None]
            if not inner:
                return None
            carries = True
            slots.append(inner)
        if not carries:
            return None
        living = Ground(ground.template, slots, ground.environment)
        living.part = ground.part
        return living


def _variable(index: Index) -> str | None:
    """The variable that an index is, if it is nothing else."""
    alone = len(index.terms) == 1 and not index.constant and index.terms[0][1] == 1
    atom = index.terms[0][0] if alone else None
    return atom if isinstance(atom, str) else None


def _closure(start: str, following: dict[str, dict[str, None]]) -> dict[str, None]:
    found: dict[str, None] = {}
    stack = [start]
    while stack:
        for name in following.get(stack.pop(), ()):
            if name not in found:
                found[name] = None
                stack.append(name)
    return found


def reaching(base: Unfolded, target: int) -> set[int]:
    """The instances that the target reads, directly or not, and itself."""
    found = {target}
    stack = [target]
    while stack:
        for read in base.reads(stack.pop()):
            if read not in found:
                found.add(read)
                stack.append(read)
    return found


__all__ = ["OPEN", "Passing", "Sensitivities", "SensitivityEquation", "sensitivity_name"]
