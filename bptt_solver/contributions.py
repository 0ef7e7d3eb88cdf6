"""What each term contributed to an ordered derivative, as numbers: the sums of the derivation, taken apart again."""

from __future__ import annotations

from bptt_solver.arithmetic import Value
from bptt_solver.computation import Computation
from bptt_solver.language.expressions import Reference
from bptt_solver.system import Environment, Instance
from bptt_solver.terms import AdjointEquation, Term
from bptt_solver.unfold import Ground


class Contribution:
    """One product of a backward line: through which instance it came, and its value."""

    __slots__ = ("environment", "ground", "term", "user", "value")

    def __init__(self, term: Term, user: Instance, value: Value, environment: Environment, ground: Ground) -> None:
        self.term = term
        self.user = user
        self.value = value
        self.environment = environment
        self.ground = ground


def contributions(computation: Computation, number: int) -> list[Contribution]:
    """The contributions to one backward instance, direct effect first, then users latest first. They add up to its
    value."""
    unfolded = computation.unfolded
    equation = unfolded.equations[number]
    assert isinstance(equation, AdjointEquation)
    result: list[Contribution] = []
    for ground in unfolded.grounds[number] or ():
        if not equation.terms:
            continue
        term = equation.terms[ground.part]
        slots = [computation.values[s] if isinstance(s, int) else _inner(s, computation) for s in ground.slots]
        value = ground.template.compiled(computation.arithmetic, computation.arithmetic.compile)(slots)
        result.append(
            Contribution(
                term, instance_of(term.user, ground.environment, computation), value, ground.environment, ground
            )
        )
    return result


def _inner(grounds: list[Ground], computation: Computation) -> Value:
    total: Value = 0
    for ground in grounds:
        slots = [computation.values[s] if isinstance(s, int) else _inner(s, computation) for s in ground.slots]
        total = total + ground.template.compiled(computation.arithmetic, computation.arithmetic.compile)(slots)
    return total


def instance_of(reference: Reference, environment: Environment, computation: Computation) -> Instance:
    """A reference in an environment as an instance."""
    system = computation.problem.system
    return reference.name, tuple(system.index(i, environment) for i in reference.indices)
