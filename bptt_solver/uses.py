"""Where an equation uses what other equations define: every place that a small change can pass through."""

from __future__ import annotations

from collections.abc import Iterator

from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Expression, Index, Range, Reference, Sum, preorder, substitute_indices
from bptt_solver.language.templates import COTANGENT, RESULT, Part, Template, Templates, instantiate


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
        named = len(parts) == 1 and not outer  # one summand of several is not the named result
        pending: list[tuple[Part, tuple[Sum, ...], Expression | None]] = [(part, outer, None if named else COTANGENT)]
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
