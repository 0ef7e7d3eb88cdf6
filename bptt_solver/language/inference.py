"""The shape of a template's result, from the shapes in its slots."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.language.expressions import Call, Expression, Number
from bptt_solver.language.operations import Operations
from bptt_solver.language.shapes import Shape, ShapeError
from bptt_solver.language.slots import Slot


def infer_shape(expression: Expression, shapes: Sequence[Shape], operations: Operations) -> Shape:
    """The shape of a template's result. Raises `ShapeError` whose second argument is the node at fault."""
    known: dict[int, Shape] = {}
    stack: list[tuple[Expression, bool]] = [(expression, False)]
    while stack:
        node, ready = stack.pop()
        if isinstance(node, Call):
            if not ready:
                stack.append((node, True))
                stack.extend((child, False) for child in node.arguments)
                continue
            operands = [known[id(a)] for a in node.arguments]
            try:
                known[id(node)] = call_shape(node, operands, operations)
            except ShapeError as error:
                raise ShapeError(str(error), node) from None
        else:
            known[id(node)] = shapes[node.at] if isinstance(node, Slot) else ()
    return known[id(expression)]


def call_shape(node: Call, operands: Sequence[Shape], operations: Operations) -> Shape:
    """The shape of a call's result; the operations whose result depends on a number in the call are decided here."""
    name = node.operation
    if name in ("part", "block", "columns", "place_columns"):
        which = [a.value if isinstance(a, Number) else None for a in node.arguments[1:3]]
        if name == "part":
            low, high = which
            if not isinstance(low, int) or not isinstance(high, int) or not 1 <= low <= high <= operands[0][0]:
                raise ShapeError(
                    f"part(v, i, j) needs whole numbers 1 <= i <= j <= {operands[0][0] if operands[0] else 1}"
                )
            return (high - low + 1,)
        assert isinstance(which[0], int)
        widths = [s[0] if s else 1 for s in operands[2:]]
        if name == "block":
            return operands[1 + which[0]]
        return (operands[0][0], widths[which[0] - 1] if name == "columns" else sum(widths))
    return operations[name].shape(operands)
