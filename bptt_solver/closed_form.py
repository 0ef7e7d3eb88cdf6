"""Closed forms: every definition put into the next, so that an ordered derivative is a formula of what is given.

It is what the backward sweep avoids: the formulas double from step to step. So there is a limit on their size.
"""

from __future__ import annotations

from bptt_solver.catalogues import message
from bptt_solver.computation import Computation
from bptt_solver.errors import fail
from bptt_solver.language import build
from bptt_solver.language.expressions import Expression, Index, Reference, children, derivative_name
from bptt_solver.language.templates import instantiate
from bptt_solver.system import Instance
from bptt_solver.unfold import Ground, instance_text

MOST_NODES = 2_000  # in one formula
MOST_INSTANCES = 2_000


def closed_forms(computation: Computation, simplified: bool = False) -> list[tuple[Reference, Expression]]:
    """(name, formula in the given names) for the target and for the ordered derivatives that are wanted.

    ``simplified`` asks SymPy for shorter formulas. Raises ProblemError if a formula would be too large.
    """
    problem = computation.problem
    if len(computation.unfolded.keys) > MOST_INSTANCES:
        raise fail(message("closed.too_large"), hint=message("closed.sweep"))
    forms = _Forms(computation)
    result = [(forms.reference(computation.target_key), forms.of(computation.unfolded.number[computation.target_key]))]
    for key in problem.wanted():
        number = computation.derivative_number(key)
        name = Reference(derivative_name(computation.target_text, key[0]), tuple(Index(i) for i in key[1]))
        result.append((name, build.ZERO if number is None else forms.of(number)))
    if simplified:
        from bptt_solver.algebra import simplify

        needed = any(problem.operations[o].record is not None for _, f in result for o in _calls(f))
        registry = problem.registry.registry if needed else None
        result = [(name, simplify(formula, registry)) for name, formula in result]
    return result


class _Forms:
    def __init__(self, computation: Computation) -> None:
        self.computation = computation
        self.unfolded = computation.unfolded
        self.constants = {-1 - at: build.constant(value) for at, (_, value) in enumerate(self.unfolded.constants)}
        self.known: dict[int, Expression] = {}
        self.size: dict[int, int] = {}

    def reference(self, key: Instance) -> Reference:
        return Reference(key[0], tuple(Index(i) for i in key[1]))

    def of(self, number: int) -> Expression:
        """The formula of an instance. No recursion on the graph: what it needs is made first."""
        pending = [number]
        while pending:
            at = pending[-1]
            if at in self.known:
                pending.pop()
                continue
            missing = [n for n in self.unfolded.reads(at) if n not in self.known]
            if missing:
                pending.extend(missing)
                continue
            self.known[at] = self._made(at)
            pending.pop()
        return self.known[number]

    def _made(self, number: int) -> Expression:
        grounds = self.unfolded.grounds[number]
        if grounds is None:
            return self.reference(self.unfolded.keys[number])
        size = 1 + sum(self.size.get(n, 1) for n in self.unfolded.reads(number))
        if size > MOST_NODES:
            name = instance_text(self.unfolded.keys[number])
            raise fail(
                message("closed.parts", name=name, most=f"{MOST_NODES:,}"),
                hint=message("closed.double"),
            )
        formula = build.add(self._ground(g) for g in grounds) if grounds else build.ZERO
        self.size[number] = _size(formula)
        return formula

    def _ground(self, ground: Ground) -> Expression:
        slots = [self._slot(s) if isinstance(s, int) else build.add(self._ground(g) for g in s) for s in ground.slots]
        return instantiate(ground.template.expression, slots)

    def _slot(self, number: int) -> Expression:
        return self.constants[number] if number < 0 else self.known[number]


def _size(expression: Expression) -> int:
    count = 0
    stack = [expression]
    while stack:
        node = stack.pop()
        count += 1
        stack.extend(children(node))
        if count > MOST_NODES * 10:
            break
    return count


def _calls(expression: Expression) -> list[str]:
    from bptt_solver.language.expressions import Call, preorder

    return [node.operation for node in preorder(expression) if isinstance(node, Call)]
