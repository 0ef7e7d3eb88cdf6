"""The shape of a template's result, from the shapes in its slots."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from bptt_solver.catalogues import message
from bptt_solver.language import build
from bptt_solver.language.bottom_up import bottom_up
from bptt_solver.language.expressions import Call, Expression, Number, Numeral, Reference
from bptt_solver.language.operations import Operations
from bptt_solver.language.shapes import Shape, ShapeError, in_words
from bptt_solver.language.slots import Slot, slot


def infer_shape(expression: Expression, shapes: Sequence[Shape], operations: Operations) -> Shape:
    """The shape of a template's result. Raises `ShapeError` whose second argument is the node at fault."""

    def call(node: Call, operands: list[Shape]) -> Shape:
        try:
            return call_shape(node, operands, operations)
        except ShapeError as error:
            told: str = error.args[0]
            if len(error.args) > 2:  # what was expected: say by which operation
                told = message(error.args[2], name=node.operation, shape=in_words(error.args[3]))
            raise ShapeError(told, node) from None

    return bottom_up(expression, lambda node: shapes[node.at] if isinstance(node, Slot) else (), call)


def largest_size(expression: Expression, shapes: Sequence[Shape], operations: Operations) -> int:
    """How many entries the largest intermediate result has. The shapes are known to go together."""
    most = 1

    def call(node: Call, operands: list[Shape]) -> Shape:
        nonlocal most
        shape = call_shape(node, operands, operations)
        most = max(most, prod(shape))
        return shape

    bottom_up(expression, lambda node: shapes[node.at] if isinstance(node, Slot) else (), call)
    return most


def call_shape(node: Call, operands: Sequence[Shape], operations: Operations) -> Shape:
    """The shape of a call's result; the operations whose result depends on a number in the call are decided here."""
    name = node.operation
    if name in ("part", "block", "columns", "place_columns"):
        which = [a.value if isinstance(a, Number) else None for a in node.arguments[1:3]]
        if name == "part":
            low, high = which
            size = operands[0][0] if len(operands[0]) == 1 else 0
            if not isinstance(low, int) or not isinstance(high, int) or not 1 <= low <= high <= size:
                if not size:
                    raise ShapeError(message("shape.part", shape=in_words(operands[0])))
                raise ShapeError(message("shape.part_numbers", size=size))
            return (high - low + 1,)
        return _piece_shape(name, which[0], operands)
    operation = operations[name]
    shape = operation.shape(operands)
    formula = operation.value()
    if formula is not None:  # what it is made of has to take these shapes too
        names = (*operation.arguments, *operation.parameters)
        slots: dict[Expression, Expression] = {Reference(n): slot(at) for at, n in enumerate(names)}
        operands = [*operands, *((),) * (len(names) - len(operands))]
        infer_shape(build.replace(formula, slots), operands, operations)
    return shape


def _piece_shape(name: str, which: Numeral | None, operands: Sequence[Shape]) -> Shape:
    """The shape of ``block(v, k, a, b, ...)``, ``columns(W, k, a, b, ...)`` and ``place_columns(P, k, a, b, ...)``."""
    whole, pieces = operands[0], operands[2:]
    if not isinstance(which, int) or not 1 <= which <= len(pieces):
        raise ShapeError(message("shape.piece_number", name=name, count=len(pieces)))
    if any(len(s) > 1 for s in pieces):
        raise ShapeError(
            message("shape.pieces", name=name, shapes=message.listed([in_words(s) for s in pieces], "list.comma"))
        )
    widths = [s[0] if s else 1 for s in pieces]
    length = widths[which - 1] if name == "place_columns" else sum(widths)
    if len(whole) != (1 if name == "block" else 2) or whole[-1] != length:
        wanted = (
            message("shape.a_vector", length=length) if name == "block" else message("shape.a_matrix", length=length)
        )
        raise ShapeError(message("shape.first", name=name, wanted=wanted, shape=in_words(whole)))
    if name == "block":
        return pieces[which - 1]
    return (whole[0], widths[which - 1] if name == "columns" else sum(widths))
