"""Ranks and shapes of the operations' results. Only scalars broadcast; anything else must match, and the error shows
both shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bptt_solver.catalogues import message

Shape = tuple[int, ...]


class ShapeError(Exception):
    """Shapes (or ranks) that do not go together; the message shows both."""


RANKS: Mapping[str, int | Callable[[Sequence[int]], int]] = {
    "matmul": lambda r: r[1],
    "dot": 0,
    "outer": 2,
    "transpose": 2,
    "unrow": 1,
    "sum": 0,
    "expand": lambda r: r[-1],
    "concat": 1,
    "block": lambda r: 1 if len(r) < 3 else r[2],
    "columns": 2,
    "place_columns": 2,
    "entry": 0,
    "unit": 1,
    "part": 1,
    "place": 1,
    "diag": 2,
    "diagonal": 1,
}


def in_words(shape: Shape) -> str:
    """A shape in words."""
    if not shape:
        return message("shape.scalar")
    if len(shape) == 1:
        return message("shape.vector", length=shape[0])
    return message("shape.matrix", lengths=", ".join(map(str, shape)))


def _expected(what: str, shape: Shape) -> ShapeError:
    """The error of an argument that is no ``vector`` or ``square`` matrix; whoever knows the operation names it."""
    return ShapeError(message(f"shape.expected_{what}", shape=in_words(shape)), None, f"shape.takes_{what}", shape)


def elementwise_shape(shapes: Sequence[Shape]) -> Shape:
    """The one shape of all arrays among the arguments; scalars broadcast."""
    result: Shape = ()
    for shape in shapes:
        if shape and result and shape != result:
            raise ShapeError(message("shape.broadcast", left=in_words(result), right=in_words(shape)))
        result = result or shape
    return result


def scalar_shape(shapes: Sequence[Shape]) -> Shape:
    """A number, whatever goes in, as long as it goes together."""
    elementwise_shape(shapes)
    return ()


def matmul_shape(shapes: Sequence[Shape]) -> Shape:
    """The shape of a matrix product; vectors are columns."""
    left, right = shapes
    if not left or not right:
        raise ShapeError(message("shape.scalar_product", left=in_words(left), right=in_words(right)))
    if len(left) == 1:  # a column: n x 1
        raise ShapeError(message("shape.column_product", left=in_words(left), right=in_words(right)))
    if left[1] != right[0]:
        raise ShapeError(
            message("shape.meet", left=in_words(left), right=in_words(right), columns=left[1], rows=right[0])
        )
    if len(right) == 1:
        return (left[0],)
    return (left[0], right[1])


def vectors(count: int) -> Callable[[Sequence[Shape]], None]:
    """A check that the first ``count`` arguments are vectors."""

    def check(shapes: Sequence[Shape]) -> None:
        for shape in shapes[:count]:
            if len(shape) != 1:
                raise _expected("vector", shape)

    return check


def dot_shape(shapes: Sequence[Shape]) -> Shape:
    """A number, of two arrays of one shape."""
    if len(shapes[0]) != len(shapes[1]) or shapes[0] != shapes[1]:
        raise ShapeError(message("shape.dot", left=in_words(shapes[0]), right=in_words(shapes[1])))
    return ()


def outer_shape(shapes: Sequence[Shape]) -> Shape:
    """The matrix of two vectors."""
    vectors(2)(shapes)
    return (shapes[0][0], shapes[1][0])


def transpose_shape(shapes: Sequence[Shape]) -> Shape:
    """A matrix turned; a vector becomes a row."""
    (shape,) = shapes
    if not shape:
        raise ShapeError(message("shape.no_transpose"))
    return (1, shape[0]) if len(shape) == 1 else tuple(reversed(shape))


def unrow_shape(shapes: Sequence[Shape]) -> Shape:
    """The vector that a row is."""
    return (shapes[0][1],)


def concat_shape(shapes: Sequence[Shape]) -> Shape:
    """The vector of all parts."""
    if any(len(s) > 1 for s in shapes):
        raise ShapeError(message("shape.concat", shapes=message.listed([in_words(s) for s in shapes], "list.comma")))
    return (sum(s[0] if s else 1 for s in shapes),)


def same_shape(shapes: Sequence[Shape]) -> Shape:
    """The shape of the first argument."""
    return shapes[0]


def vector_shape(shapes: Sequence[Shape]) -> Shape:
    """The shape of the first argument, which is a vector."""
    vectors(1)(shapes)
    return shapes[0]


def entry_shape(shapes: Sequence[Shape]) -> Shape:
    """A number out of a vector."""
    vectors(1)(shapes)
    return ()


def array_shape(shapes: Sequence[Shape]) -> Shape:
    """A number out of a vector or a matrix."""
    if not shapes[0]:
        raise _expected("vector", ())
    return ()


def expand_shape(shapes: Sequence[Shape]) -> Shape:
    """A number in the shape of the last argument."""
    if shapes[0]:
        raise ShapeError(message("shape.expand", shape=in_words(shapes[0])))
    return shapes[-1]


def diagonal_shape(shapes: Sequence[Shape]) -> Shape:
    """The diagonal of a square matrix."""
    (shape,) = shapes
    if len(shape) != 2 or shape[0] != shape[1]:
        raise _expected("square", shape)
    return (shape[0],)


def like_last(shapes: Sequence[Shape]) -> Shape:
    """The shape of the last argument."""
    return shapes[-1]


def diag_shape(shapes: Sequence[Shape]) -> Shape:
    """The square matrix of a vector."""
    vectors(1)(shapes)
    return (shapes[0][0], shapes[0][0])
