"""The heart: the chain rule for ordered derivatives (Werbos 1990), from a system of equations to a system of equations.

    ∂⁺E/∂z_i = ∂E/∂z_i + Σ_{j>i} ∂⁺E/∂z_j · ∂z_j/∂z_i

Every *use* of a family in an equation (`bptt_solver.uses`) contributes one `Term` to the backward equation of that
family. Nothing here knows a time, a topology or a function: a use ``g[J(v)]`` in the equation of ``f[I(v)]``
contributes, to ``g[i]``, the pullback of ``∂⁺E/∂f[I(v)]`` summed over all ``v`` with ``J(v) = i``. Where that is
``v = i + c``, the variable is replaced; a variable that ``i`` does not determine (a shared weight's time, a map, a
stride) stays as a sum. Bounds on ``i`` cut a family into segments, each with its own tuple of terms
(`bptt_solver.segments`); the cost does not depend on the sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Expression, Iverson, Reference, Sum, derivative_name
from bptt_solver.language.templates import instantiate
from bptt_solver.matched import is_output, matched_term
from bptt_solver.system import System
from bptt_solver.terms import AdjointEquation, Term


def differentiate(system: System, target: Reference, numbered: bool = True) -> System:
    """The backward system of a scalar instance: for every family that reaches it, the equations of its ordered
    derivatives.

    The equations stand in the order of the backward sweep. What no path reaches has no equation: absent means zero.
    ``numbered`` writes local slopes in terms of the node (``1 - h[t]**2``). To be differentiated again with respect to
    inner nodes they have to be written out (``1 - tanh(a[t])**2``): moving ``h[t]`` where it is computed does not move
    the slope at ``a[t]``.
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
