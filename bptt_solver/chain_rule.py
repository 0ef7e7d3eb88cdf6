"""The heart: the chain rule for ordered derivatives (Werbos 1990), from a system of equations to a system of equations.

    ∂⁺E/∂z_i = ∂E/∂z_i + Σ_{j>i} ∂⁺E/∂z_j · ∂z_j/∂z_i

Every *use* of a family in an equation contributes one `Term` to the backward equation of that family. Nothing here
knows a time, a topology or a function: a use ``g[J(v)]`` in the equation of ``f[I(v)]`` contributes, to ``g[i]``, the
pullback of
``∂⁺E/∂f[I(v)]`` summed over all ``v`` with ``J(v) = i``. Where that is ``v = i + c``, the variable is replaced; a
variable that
``i`` does not determine (a shared weight's time, a map, a stride) stays as a sum. Bounds on ``i`` cut a family into
segments, each with its own tuple of terms (`bptt_solver.segments`); the cost does not depend on the sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
    Comparison,
    Conditions,
    Expression,
    Index,
    Iverson,
    Number,
    Range,
    Reference,
    Sum,
    derivative_name,
    preorder,
    substitute_indices,
)
from bptt_solver.language.templates import (
    COTANGENT,
    RESULT,
    TAKES_COTANGENT,
    TAKES_RESULT,
    Part,
    Template,
    Templates,
    instantiate,
)
from bptt_solver.matched import Match, is_output, matched_term
from bptt_solver.system import System


class Term:
    """What one use contributes to an ordered derivative: ``∂⁺E/∂via · ∂via/∂use``, summed over ``ranges`` where
    ``conditions``.

    ``via`` is the equation of the user, ``user`` its left-hand side as seen from here, ``use`` the reference that is
    used;
    ``direct`` terms come from the target's own equation. ``cotangent`` is ``∂⁺E/∂user`` (or the number 1).
    """

    __slots__ = (
        "_expression",
        "conditions",
        "cotangent",
        "direct",
        "leaves",
        "matched",
        "ranges",
        "result",
        "slot",
        "template",
        "use",
        "user",
        "via",
    )

    def __init__(
        self,
        via: Equation,
        user: Reference,
        use: Reference,
        cotangent: Expression,
        direct: bool,
        template: Template,
        leaves: Sequence[Expression],
        slot: int,
        ranges: tuple[Range, ...] = (),
        conditions: Conditions = (),
        expression: Expression | None = None,
        matched: Match | None = None,
        result: Expression | None = None,
    ) -> None:
        self.via = via
        self.result = user if result is None else result  # what the local slopes may call the result

        self.user = user
        self.use = use
        self.cotangent = cotangent
        self.direct = direct
        self.ranges = ranges
        self.conditions = conditions
        self.template = template
        self.leaves = leaves
        self.slot = slot
        self._expression = expression
        self.matched = matched

    @property
    def pullback(self) -> Expression:
        """The contribution, without the sum over ``ranges``."""
        if self._expression is None:
            extra: dict[Expression, Expression] = {COTANGENT: self.cotangent, RESULT: self.result}
            self._expression = instantiate(self.template.adjoint(self.slot), self.leaves, extra)
        return self._expression

    @property
    def expression(self) -> Expression:
        """The whole contribution."""
        if self.ranges:
            return Sum(self.pullback, self.ranges, self.conditions)
        return build.mul([Iverson(self.conditions), self.pullback]) if self.conditions else self.pullback

    @property
    def partial(self) -> Expression | None:
        """The simple partial ∂via/∂use, where it has at most two axes (see `Template.partial`)."""
        if self.matched is not None:
            return self.matched.partial  # None: the two steps and the argument together have no short form
        partial = self.template.partial(self.slot)
        return None if partial is None else instantiate(partial, self.leaves, {RESULT: self.result})

    def part(self, templates: Templates) -> Part:
        """The contribution, ready to be evaluated."""
        if self._expression is None:
            template, sources = self.template.pullback(self.slot, build.is_one(self.cotangent))
            if TAKES_RESULT not in sources or isinstance(self.result, Reference):
                special = {TAKES_COTANGENT: self.cotangent, TAKES_RESULT: self.result}
                return Part(
                    template,
                    tuple([self.leaves[s] if s >= 0 else special[s] for s in sources]),
                    self.ranges,
                    self.conditions,
                )
        template, leaves = templates.of(self.pullback)
        return Part(template, leaves, self.ranges, self.conditions)

    def renamed(self, binding: dict[str, Index]) -> Term:
        """The same term with index variables replaced."""
        if not binding:
            return self
        partial = [substitute_indices(leaf, binding) for leaf in self.leaves]
        user, use = substitute_indices(self.user, binding), substitute_indices(self.use, binding)
        assert isinstance(user, Reference) and isinstance(use, Reference)
        return Term(
            self.via,
            user,
            use,
            substitute_indices(self.cotangent, binding),
            self.direct,
            self.template,
            partial,
            self.slot,
            tuple(Range(r.variable, r.low.substitute(binding), r.high.substitute(binding)) for r in self.ranges),
            tuple(c.substitute(binding) for c in self.conditions),
            None if self._expression is None else substitute_indices(self._expression, binding),
            self._matched(binding),
            substitute_indices(self.result, binding),
        )

    def _matched(self, binding: dict[str, Index]) -> Match | None:
        if self.matched is None:
            return None
        user = substitute_indices(self.matched.user, binding)
        assert isinstance(user, Reference)
        partial = self.matched.partial
        placed = None if partial is None else substitute_indices(partial, binding)
        return Match(self.matched.loss, user, placed, self.matched.reason)

    def through(self, cotangent: Expression, expression: Expression, matched: Match) -> Term:
        """The same term, two steps in one (see `bptt_solver.matched`)."""
        return Term(self.via, self.user, self.use, cotangent, self.direct, self.template, self.leaves, self.slot,
                    self.ranges, self.conditions, expression, matched, self.result)  # fmt: skip

    def settled(self, one: Reference) -> Term:
        """The same term with 1 for the target's own derivative, where that turns out to be its cotangent."""
        if self.cotangent != one:
            return self
        expression = None if self._expression is None else build.replace(self._expression, {one: build.ONE})
        return Term(self.via, self.user, self.use, build.ONE, True, self.template, self.leaves, self.slot,
                    self.ranges, self.conditions, expression, self.matched, self.result)  # fmt: skip

    def guarded(self, conditions: Conditions) -> Term:
        """The same term times ``[conditions]``."""
        if not conditions:
            return self
        if self.ranges:
            return self._with(
                self.ranges, (*conditions, *self.conditions), self._expression
            )  # outer conditions protect inner ones
        return self._with((), (), build.mul([Iverson(conditions), self.pullback]))

    def _with(self, ranges: tuple[Range, ...], conditions: Conditions, expression: Expression | None) -> Term:
        return Term(self.via, self.user, self.use, self.cotangent, self.direct, self.template, self.leaves, self.slot,
                    ranges, conditions, expression, self.matched, self.result)  # fmt: skip


class AdjointEquation(Equation):
    """A backward equation: its right-hand side is a tuple of terms, each of which knows where it comes from."""

    __slots__ = ("_right", "of", "terms")

    def __init__(
        self,
        name: str,
        of: str,
        indices: tuple[Index, ...],
        terms: Sequence[Term],
        ranges: tuple[Range, ...] = (),
        conditions: Conditions = (),
    ) -> None:
        self.name = name
        self.of = of
        self.indices = indices
        self.ranges = ranges
        self.conditions = conditions
        self.origin = None
        self.terms = tuple(terms)
        self._right: Expression | None = None
        self._parts = None
        self.box = None

    @property
    def right(self) -> Expression:  # type: ignore[override]
        """The terms added up."""
        if self._right is None:
            self._right = build.add(term.expression for term in self.terms) if self.terms else build.ONE
        return self._right

    def _taken_apart(self, templates: Templates) -> list[Part]:
        """One part a term; the target's own equation (no terms) is the number 1."""
        if not self.terms:
            return [Part(templates.of(build.ONE)[0], ())]
        return [term.part(templates) for term in self.terms]


class Use:
    """One reference in an equation with all that is needed to make a term of it."""

    __slots__ = ("binders", "equation", "expression", "leaf", "leaves", "result", "slot", "template")

    def __init__(
        self,
        equation: Equation,
        leaf: Reference,
        template: Template,
        leaves: tuple[Expression, ...],
        slot: int,
        binders: tuple[Sum, ...],
        expression: Expression | None,
        result: Expression | None,
    ) -> None:
        self.equation = equation
        self.leaf = leaf
        self.template = template
        self.leaves = leaves
        self.slot = slot
        self.binders = binders  # the sums around it, outermost first
        self.expression = expression  # the pullback in `COTANGENT` and `RESULT`, if the use stands inside a sum
        self.result = result  # what local slopes may call the result; None: the left-hand side


def uses(equation: Equation, templates: Templates) -> Iterator[Use]:
    """Every reference of an equation that a small change can pass through, each once, in the order in which it is
    written."""
    parts = equation.parts(templates)
    for part in parts:
        outer = tuple(Sum(build.ZERO, part.ranges, part.conditions) for _ in range(1 if part.ranges else 0))
        received_first = (
            None if len(parts) == 1 and not outer else COTANGENT
        )  # one summand of several is not the named result
        pending: list[tuple[Part, tuple[Sum, ...], Expression | None]] = [(part, outer, received_first)]
        while pending:
            inner, binders, received = pending.pop(0)
            for slot, leaf in enumerate(inner.leaves):
                if type(leaf) is Reference:
                    if build.is_zero(inner.template.adjoint(slot)):
                        continue
                    expression = body = None
                    if received is not None:
                        expression = _pulled(inner, slot, received)
                        if inner.template.takes_result(slot):
                            body = instantiate(inner.template.expression, inner.leaves)
                    yield Use(equation, leaf, inner.template, inner.leaves, slot, binders, expression, body)
                elif isinstance(leaf, Sum):
                    cotangent = _pulled(inner, slot, received)
                    opened = _opened(leaf, cotangent)
                    template, leaves = templates.of(opened.body)
                    pending.append((Part(template, leaves), (*binders, opened), cotangent))


def _opened(node: Sum, cotangent: Expression) -> Sum:
    """The sum with other names for its variables where what it receives binds the same ones
    (``exp(o[k])/sum(exp(o[m]) ...)``)."""
    bound = {r.variable for inner in preorder(cotangent) if isinstance(inner, Sum) for r in inner.ranges}
    renaming: dict[str, Index] = {}
    for item in node.ranges:
        if item.variable in bound:
            word = item.variable
            while word in bound:
                word += "'"
            renaming[item.variable] = Index.variable(word)
    if not renaming:
        return node
    ranges = tuple(
        Range(
            str(renaming.get(r.variable, Index.variable(r.variable)).terms[0][0]),
            r.low.substitute(renaming),
            r.high.substitute(renaming),
        )
        for r in node.ranges
    )
    return Sum(substitute_indices(node.body, renaming), ranges, tuple(c.substitute(renaming) for c in node.conditions))


def _pulled(part: Part, slot: int, received: Expression | None) -> Expression:
    """What a slot receives, in `COTANGENT` and `RESULT`; ``received`` is what the part's own result receives (None:
    the cotangent).

    Inside a sum the body has no name: `RESULT` there is the body itself.
    """
    if received is None:
        return instantiate(part.template.adjoint(slot), part.leaves)
    body = instantiate(part.template.expression, part.leaves)
    return instantiate(part.template.adjoint(slot), part.leaves, {COTANGENT: received, RESULT: body})


def differentiate(system: System, target: Reference, numbered: bool = True) -> System:
    """The backward system of a scalar instance: for every family that reaches it, the equations of its ordered
    derivatives.

    The equations stand in the order of the backward sweep. What no path reaches has no equation: absent means zero.
    ``numbered`` writes local slopes in terms of the node (``1 - h[t]**2``). To be differentiated again with respect
    to inner nodes
    they have to be written out (``1 - tanh(a[t])**2``): moving ``h[t]`` where it is computed does not move the slope
    at ``a[t]``.
    """
    from bptt_solver.segments import Backward

    return Backward(system, target, numbered).system()


def unindexed_terms(system: System, target: Reference, numbered: bool = True) -> Iterator[tuple[str, list[Term]]]:
    """The chain rule for a system without indices, from the last equation to the first: one pass, no segments."""
    text = target.name
    received: dict[str, list[Term]] = {text: []}
    order = _sequence(system)
    for equation in reversed(order):
        name = equation.name
        terms = received.pop(name, None)
        if terms is None:
            continue
        yield name, terms
        direct = name == text
        adjoint = derivative_name(text, name)
        output = AdjointEquation(adjoint, name, (), terms) if terms and numbered and is_output(equation) else None
        user = Reference(name)
        cotangent: Expression = build.ONE if direct else Reference(adjoint)
        parts = equation.parts(system.templates)
        for part in parts:
            template, leaves = part.template, part.leaves
            named = numbered and len(parts) == 1
            for slot, leaf in enumerate(leaves):
                if type(leaf) is Reference and not build.is_zero(template.adjoint(slot)):
                    term = Term(equation, user, leaf, cotangent, direct, template, leaves, slot)
                    if not named and template.takes_result(slot):
                        term.result = instantiate(template.expression, leaves)
                    if output is not None:
                        term = matched_term(term, output, system) or term
                    received.setdefault(leaf.name, []).append(term)
    for name in system.given:
        if name in received:
            yield name, received[name]


def _sequence(system: System) -> Sequence[Equation]:
    """The equations so that each stands behind all that it reads (they may be declared in any order)."""
    defined: set[str] = set(system.given)
    for equation in system.equations:
        if any(
            leaf.name not in defined
            for part in equation.parts(system.templates)
            for leaf in part.leaves
            if type(leaf) is Reference
        ):
            break
        defined.add(equation.name)
    else:
        return system.equations
    from bptt_solver.limits import Limits
    from bptt_solver.unfold import unfold

    unfolded = unfold(system, Limits({"instances": 50_000_000}))
    return [e for e in (unfolded.equations[n] for n in unfolded.order) if e is not None]


def is_unindexed(system: System) -> bool:
    """Whether no equation has an index or a sum over one."""
    if any(e.indices or e.ranges or e.conditions for e in system.equations):
        return False
    if any(part.low for parts in system.given.values() for part in parts):
        return False
    return not any(
        isinstance(leaf, (Sum, Iverson))
        for e in system.equations
        for part in e.parts(system.templates)
        for leaf in part.leaves
    )


__all__ = [
    "AdjointEquation",
    "Call",
    "Comparison",
    "Number",
    "Term",
    "Use",
    "differentiate",
    "is_unindexed",
    "unindexed_terms",
    "uses",
]
