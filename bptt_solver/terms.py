"""The terms of ordered derivatives, and the backward equations that add them up."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Conditions,
    Expression,
    Index,
    Iverson,
    Range,
    Reference,
    Sum,
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


class Match:
    """Why a term stands for two steps: the loss's equation and its left-hand side, the joint partial (None where the
    use stands inside the output function's argument), the reason in words."""

    __slots__ = ("loss", "partial", "reason", "user")

    def __init__(self, loss: Equation, user: Reference, partial: Expression | None, reason: str) -> None:
        self.loss = loss
        self.user = user
        self.partial = partial
        self.reason = reason


class Term:
    """What one use contributes to an ordered derivative: ``∂⁺E/∂via · ∂via/∂use``, summed over ``ranges`` where
    ``conditions``.

    ``via`` is the equation of the user, ``user`` its left-hand side as seen from here, ``use`` the reference that is
    used; ``direct`` terms come from the target's own equation. ``cotangent`` is ``∂⁺E/∂user`` (or the number 1).
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
        if self.ranges:  # outer conditions protect inner ones
            return self._with(self.ranges, (*conditions, *self.conditions), self._expression)
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
