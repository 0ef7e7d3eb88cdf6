"""Pullbacks of the structural operations, in the language.

``pull_NAME(g, arguments, result, k, ranks)`` is what argument ``k`` receives when the result receives ``g``.
"""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Number


def summed_to(part: Expression, rank: int, target: int) -> Expression:
    """A scalar that was broadcast receives the sum over the entries."""
    return build.call("sum", (part,)) if rank and not target else part


def pull_add(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """Each summand receives what the sum receives, added up where the summand is a scalar that was broadcast."""
    return summed_to(g, max(ranks), ranks[k])


def pull_neg(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """The sign goes along."""
    return build.neg(g)


def pull_mul(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """Each factor receives the product of the others; a scalar the sum over the entries."""
    others = [a for i, a in enumerate(arguments) if i != k]
    if max(ranks) and not ranks[k]:
        arrays = [a for i, a in enumerate(arguments) if i != k and ranks[i]]
        scalars = [a for i, a in enumerate(arguments) if i != k and not ranks[i]]
        if build.is_one(g):
            return build.mul([*scalars, build.call("sum", (build.mul(arrays),))])
        return build.mul([*scalars, build.bilinear("dot", g, build.mul(arrays))])
    if any(ranks[i] for i in range(len(arguments)) if i != k):
        g = build.unexpanded(g)
    return build.mul([g, *others])


def pull_matmul(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """``a @ b``: ``a`` receives the outer product with ``b`` (or ``g @ b.T``), ``b`` receives ``a.T @ g``."""
    left, right = arguments
    if k == 1:
        return build.bilinear("matmul", build.transpose(left), g)
    return build.bilinear("outer", g, right) if ranks[1] == 1 else build.bilinear("matmul", g, build.transpose(right))


def pull_dot(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """Each of two vectors receives the other."""
    return build.mul([g, arguments[1 - k]])


def pull_outer(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """``outer(a, b)``: ``a`` receives ``g @ b``, ``b`` receives ``g.T @ a``."""
    if k == 0:
        return build.bilinear("matmul", g, arguments[1])
    return build.bilinear("matmul", build.transpose(g), arguments[0])


def pull_transpose(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """A transpose passes back a transpose; a vector receives a vector."""
    return build.call("unrow", (g,)) if ranks[0] == 1 else build.transpose(g)


def pull_unrow(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """A row of a matrix that was made a vector is a row again."""
    return build.transpose(g)


def pull_sum(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """Every entry receives the same."""
    return build.call("expand", (g, arguments[0])) if ranks[0] else g


def pull_expand(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """A number that was spread over an array receives the sum over the entries."""
    return build.call("sum", (g,)) if k == 0 else build.ZERO


def pull_concat(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """Each part receives its block."""
    return build.call("block", (g, Number(k + 1), *arguments))


def pull_block(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """A block goes back to its place among zeros."""
    if k:
        return build.ZERO
    which = int(arguments[1].value) if isinstance(arguments[1], Number) else 1
    parts = [g if i == which else build.call("zeros", (a,)) for i, a in enumerate(arguments[2:], 1)]
    return build.call("concat", tuple(parts))


def pull_columns(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """A block of columns goes back to its place among zeros."""
    return build.call("place_columns", (g, *arguments[1:])) if k == 0 else build.ZERO


def pull_place_columns(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """What was placed among zeros receives its block of columns."""
    return build.call("columns", (g, *arguments[1:])) if k == 0 else build.ZERO


def pull_entry(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """The vector receives ``g`` at that entry, zeros elsewhere."""
    return build.mul([g, build.call("unit", (arguments[0], arguments[1]))]) if k == 0 else build.ZERO


def pull_part(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """The vector receives the part at its place, zeros elsewhere."""
    return build.call("place", (g, arguments[1], arguments[2], arguments[0])) if k == 0 else build.ZERO


def pull_place(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """What was placed among zeros receives its part."""
    return build.call("part", (g, arguments[1], arguments[2])) if k == 0 else build.ZERO


def pull_softmax(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """``p*(g - dot(g, p))``: the full Jacobian ``diag(p) - outer(p, p)``, not only its diagonal."""
    return build.mul([result, build.subtract(g, build.bilinear("dot", g, result))])


def pull_log_softmax(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """``g - softmax(x)*sum(g)``."""
    if isinstance(g, Call) and g.operation == "neg":  # p*sum(d) - d reads better than -d + p*sum(d)
        (d,) = g.arguments
        return build.subtract(build.mul([Call("softmax", (arguments[0],)), build.call("sum", (d,))]), d)
    return build.subtract(g, build.mul([Call("softmax", (arguments[0],)), build.call("sum", (g,))]))


def pull_diag(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """The vector receives the diagonal."""
    return build.call("diagonal", (g,))


def pull_diagonal(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """The matrix receives a diagonal matrix."""
    return build.call("diag", (g,))


def pull_nothing(
    g: Expression, arguments: Sequence[Expression], result: Expression, k: int, ranks: Sequence[int]
) -> Expression:
    """No change passes through."""
    return build.ZERO
