"""Ranks and shapes of the operations' results. Only scalars broadcast; anything else must match, and the error shows
both shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

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
    return (
        "scalar"
        if not shape
        else f"vector ({shape[0]})"
        if len(shape) == 1
        else "matrix (" + ", ".join(map(str, shape)) + ")"
    )


def elementwise_shape(shapes: Sequence[Shape]) -> Shape:
    """The one shape of all arrays among the arguments; scalars broadcast."""
    result: Shape = ()
    for shape in shapes:
        if shape and result and shape != result:
            raise ShapeError(f"{in_words(result)} and {in_words(shape)} do not match: only scalars broadcast")
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
        raise ShapeError(
            f"{in_words(left)} @ {in_words(right)}: '@' multiplies matrices and vectors; use '*' with a scalar"
        )
    if len(left) == 1:  # a column: n x 1
        raise ShapeError(
            f"{in_words(left)} @ {in_words(right)}: vectors are columns; "
            "for a number write dot(a, b) or a.T @ b, for a matrix outer(a, b)"
        )
    if left[1] != right[0]:
        raise ShapeError(f"{in_words(left)} @ {in_words(right)}: {left[1]} columns meet {right[0]} rows")
    if len(right) == 1:
        return (left[0],)
    return (left[0], right[1])


def vectors(count: int) -> Callable[[Sequence[Shape]], None]:
    """A check that the first ``count`` arguments are vectors."""

    def check(shapes: Sequence[Shape]) -> None:
        for shape in shapes[:count]:
            if len(shape) != 1:
                raise ShapeError(f"expected a vector, got a {in_words(shape)}")

    return check


def dot_shape(shapes: Sequence[Shape]) -> Shape:
    """A number, of two arrays of one shape."""
    if len(shapes[0]) != len(shapes[1]) or shapes[0] != shapes[1]:
        raise ShapeError(f"dot of {in_words(shapes[0])} and {in_words(shapes[1])}: the shapes must be equal")
    return ()


def outer_shape(shapes: Sequence[Shape]) -> Shape:
    """The matrix of two vectors."""
    vectors(2)(shapes)
    return (shapes[0][0], shapes[1][0])


def transpose_shape(shapes: Sequence[Shape]) -> Shape:
    """A matrix turned; a vector becomes a row."""
    (shape,) = shapes
    if not shape:
        raise ShapeError("a number has no transpose: only vectors and matrices have one")
    return (1, shape[0]) if len(shape) == 1 else tuple(reversed(shape))


def unrow_shape(shapes: Sequence[Shape]) -> Shape:
    """The vector that a row is."""
    return (shapes[0][1],)


def concat_shape(shapes: Sequence[Shape]) -> Shape:
    """The vector of all parts."""
    if any(len(s) > 1 for s in shapes):
        raise ShapeError("concat joins vectors and numbers, got " + ", ".join(map(in_words, shapes)))
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
        raise ShapeError("expected a vector, got a scalar")
    return ()


def expand_shape(shapes: Sequence[Shape]) -> Shape:
    """A number in the shape of the last argument."""
    if shapes[0]:
        raise ShapeError(f"expand(a, x) takes a number first, got a {in_words(shapes[0])}")
    return shapes[-1]


def diagonal_shape(shapes: Sequence[Shape]) -> Shape:
    """The diagonal of a square matrix."""
    (shape,) = shapes
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ShapeError(f"expected a square matrix, got a {in_words(shape)}")
    return (shape[0],)


def like_last(shapes: Sequence[Shape]) -> Shape:
    """The shape of the last argument."""
    return shapes[-1]


def diag_shape(shapes: Sequence[Shape]) -> Shape:
    """The square matrix of a vector."""
    vectors(1)(shapes)
    return (shapes[0][0], shapes[0][0])
