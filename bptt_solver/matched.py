"""Matched pairs: an output function that only feeds its own loss (softmax with cross-entropy) passes its argument
``p - d``.

Which pairs match, and the joint derivative, is data of the loss (`bptt_solver.records.Loss.matched`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Index, Reference
from bptt_solver.language.operations import Operations, parse_formula
from bptt_solver.language.templates import COTANGENT, RESULT, instantiate
from bptt_solver.records import Loss
from bptt_solver.system import System, loose_shape, references
from bptt_solver.terms import AdjointEquation, Match, Term


def is_output(equation: Equation) -> bool:
    """Whether an equation is a function of one argument, ``p[t] = softmax(V @ h[t])``: a candidate for a pair."""
    right = equation.right
    return isinstance(right, Call) and len(right.arguments) == 1 and right.operation not in _OPERATORS


_OPERATORS = frozenset({"neg", "transpose", "sum", "mean", "exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "abs"})


def matched_term(term: Term, output: AdjointEquation | None, system: System) -> Term | None:
    """The term of an output function's argument, through the loss in one step; None where the pair does not match.

    ``output`` is the backward equation of the output itself, for the members that the term passes through. The loss
    is known by what it passes to the output (``-(d/p)``), so it may as well be written out: ``-sum(d*log(p))``.
    """
    function = term.via.right
    if output is None or not is_output(term.via) or not isinstance(function, Call):
        return None
    if len(output.terms) != 1 or output.terms[0].ranges or output.terms[0].matched is not None:
        return None
    names = {
        str(i.terms[0][0]): there
        for i, there in zip(output.indices, term.user.indices, strict=True)
        if _is_variable(i, output)
    }
    through: Term | None = None
    for operation in system.operations.losses():
        record = operation.record
        if not isinstance(record, Loss) or function.operation not in record.matched:
            continue
        through = through or output.terms[0].renamed(names)
        derivative = operation.derivative(0)
        if derivative is None:
            continue
        first, *others = (Reference(n) for n in operation.arguments)
        pattern = build.mul([through.cotangent, build.replace(derivative, {first: term.user})])
        binding = unify(pattern, through.pullback, others)
        if binding is None or len(binding) < len(others) or not _alike(term.user, binding.values(), system):
            continue
        joint, reason = record.matched[function.operation]
        partial = build.replace(parse_formula(joint, operation.name), {first: term.user, **binding})
        inner = _through_argument(term, function.arguments[0], system)
        whole = Match(through.via, through.user, partial if inner is None else None, reason)
        received = build.mul([through.cotangent, partial])
        return term.through(
            through.cotangent, received if inner is None else build.replace(inner, {COTANGENT: received}), whole
        )
    return None


def _alike(output: Reference, others: Iterable[Expression], system: System) -> bool:
    """Whether the targets have as many axes as the output: a number that stands for a whole vector of targets has
    another sum than they have."""
    targets = list(others)
    known = {r.name: (None,) * system.ranks.get(r.name, 0) for target in targets for r in references(target)}
    wanted = system.ranks.get(output.name, 0)
    shapes = [loose_shape(target, known, system.operations) for target in targets]
    return all(shape is not None and len(shape) == wanted for shape in shapes)


def joint_partial(
    operations: Operations, function: Expression, output: Reference, slope: Expression
) -> Expression | None:
    """What a loss and the output function before it are together, with respect to the function's argument: ``p - d``.

    ``slope`` is the loss's partial with respect to the output. None where the two are no matched pair.
    """
    if not isinstance(function, Call):
        return None
    for operation in operations.losses():
        record = operation.record
        derivative = operation.derivative(0)
        if not isinstance(record, Loss) or function.operation not in record.matched or derivative is None:
            continue
        first, *others = (Reference(n) for n in operation.arguments)
        binding = unify(build.replace(derivative, {first: output}), slope, others)
        if binding is not None and len(binding) == len(others):
            joint, _ = record.matched[function.operation]
            return build.replace(parse_formula(joint, operation.name), {first: output, **binding})
    return None


def _through_argument(term: Term, argument: Expression, system: System) -> Expression | None:
    """What the use receives from the output function's argument, in `COTANGENT`; None if it is the argument itself.

    The slots are those of the whole right-hand side, since the function adds none.
    """
    if isinstance(argument, Reference):
        return None
    template, _ = system.templates.of(argument)
    body = instantiate(template.expression, term.leaves)
    return instantiate(template.adjoint(term.slot), term.leaves, {RESULT: body})


def unify(pattern: Expression, tree: Expression, free: Sequence[Reference]) -> dict[Expression, Expression] | None:
    """What the free references of a pattern stand for in a tree of the same form; None if it has another form."""
    binding: dict[Expression, Expression] = {}
    stack = [(pattern, tree)]
    while stack:
        one, other = stack.pop()
        if isinstance(one, Reference) and one in free:
            if binding.setdefault(one, other) != other:
                return None
        elif isinstance(one, Call) and isinstance(other, Call):
            if one.operation != other.operation or len(one.arguments) != len(other.arguments):
                return None
            stack.extend(zip(one.arguments, other.arguments, strict=True))
        elif one != other:
            return None
    return binding


def _is_variable(index: Index, equation: AdjointEquation) -> bool:
    return len(index.terms) == 1 and index.constant == 0 and index.terms[0][0] in {r.variable for r in equation.ranges}
