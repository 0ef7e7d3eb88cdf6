"""Products that a recurrence reads only inside of other products, written there: what their factors have in common that
does not depend on the recurrence is then one factor, which can be computed before the loop.

``∂i[t] = ∂c[t]*g[t]`` and ``∂z_i[t] = ∂i[t] * i[t]*(1 - i[t])`` become ``∂z_i[t] = ∂c[t] * g[t]*i[t]*(1 - i[t])``: one
multiplication in each turn instead of two.
"""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.compile.statements import Statement
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Index, Reference, preorder, substitute_indices, transform

Key = tuple[str, tuple[int, int] | None]  # a family and a part of it


def written_in(
    statements: Sequence[Statement], inside: Sequence[int], fixed: Sequence[str]
) -> tuple[dict[int, Statement], dict[Key, list[Equation]]]:
    """The statements of one recurrence (``inside``: their places), by place, without those that are written into
    others; and the equations of the latter, by where they are written. ``fixed`` are families that have to stay."""
    own = {at: statements[at] for at in inside}
    told: dict[Key, list[Equation]] = {}
    names = [s.name for s in own.values()]
    for at in inside:
        statement = own[at]
        if statement.name in fixed or names.count(statement.name) > 1 or statement.part is not None:
            continue
        readers = [k for k, s in enumerate(statements) if any(r.name == statement.name for r in _references(s))]
        if not readers or any(k not in own for k in readers):
            continue
        changed = _into(statement, [own[k] for k in readers], set(names))
        if changed is None:
            continue
        first = own[readers[0]]
        also = told.setdefault((first.name, first.part), [])
        also += [*told.pop((statement.name, None), []), *([statement.origin] if statement.origin is not None else [])]
        own.update(zip(readers, changed, strict=True))
        del own[at]
    return own, told


def _references(statement: Statement) -> list[Reference]:
    return [n for n in preorder(statement.right) if isinstance(n, Reference)]


def _into(product: Statement, readers: Sequence[Statement], moving: set[str]) -> list[Statement] | None:
    """The readers with the factors of a product in its place; None if that saves nothing."""
    factors = _factors(product.right)
    still = [f for f in factors if _still(f, moving)]
    if not still or len(factors) < 2 or len({(r.name, r.part) for r in readers}) > 1:
        return None
    pairs = list(zip(product.indices, product.loops, strict=False))
    shifts = [at.plus(Index.variable(loop.variable), -1) for at, loop in pairs]
    if len(product.indices) != len(product.loops) or any(shift.terms for shift in shifts):
        return None
    found: list[Statement] = []
    for reader in readers:
        count = sum(r.name == product.name for r in _references(reader))
        places = [
            n
            for n in preorder(reader.right)
            if isinstance(n, Call) and n.operation == "mul"
            for a in n.arguments
            if isinstance(a, Reference) and a.name == product.name
        ]
        if count != 1 or len(places) != 1:
            return None
        calm = [*still, *(a for a in places[0].arguments if _still(a, moving))]
        if len(calm) < 2 or all(isinstance(a, Reference) or _is_part(a) for a in calm):
            return None
        found.append(_replaced(product, reader, places[0]))
    return found


def _factors(expression: Expression) -> tuple[Expression, ...]:
    is_product = isinstance(expression, Call) and expression.operation == "mul"
    return expression.arguments if is_product and isinstance(expression, Call) else (expression,)


def _still(expression: Expression, moving: set[str]) -> bool:
    return not any(isinstance(n, Reference) and n.name in moving for n in preorder(expression))


def _is_part(expression: Expression) -> bool:
    return isinstance(expression, Call) and expression.operation == "rows_of"


def _replaced(product: Statement, reader: Statement, place: Call) -> Statement:
    def change(node: Expression) -> Expression:
        if node != place or not isinstance(node, Call):
            return node
        arguments: list[Expression] = []
        for argument in node.arguments:
            if isinstance(argument, Reference) and argument.name == product.name:
                values = {
                    loop.variable: _solved(written, loop.variable, read)
                    for loop, written, read in zip(product.loops, product.indices, argument.indices, strict=True)
                }
                arguments += _factors(substitute_indices(product.right, values))
            else:
                arguments.append(argument)
        return Call("mul", tuple(arguments))

    right = transform(reader.right, change)
    return Statement(reader.name, reader.indices, reader.loops, right, reader.origin, reader.part)


def _solved(written: Index, variable: str, read: Index) -> Index:
    """What a variable is where ``written`` (the variable plus a number) is ``read``."""
    return read.plus(written.plus(Index.variable(variable), -1), -1)
