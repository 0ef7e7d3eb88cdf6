"""Given arrays: taken apart into members, measured, and made into values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import Value, is_array
from bptt_solver.catalogues import message
from bptt_solver.errors import Problems
from bptt_solver.language.shapes import Shape
from bptt_solver.problem.names import counted
from bptt_solver.problem.told import loose_text
from bptt_solver.problem.values import Given as GivenText
from bptt_solver.system import (
    LooseShape,
)

if TYPE_CHECKING:
    from bptt_solver.records import IndexMap


def covers_members(whole: GivenText, members: tuple[int, ...]) -> bool:
    """Whether an array that is given whole has an entry with these indices (of a file it is not known: yes)."""
    if not isinstance(whole.value, list):
        return not isinstance(whole.value, (int, float, Fraction))
    extents = nested_shape(whole.value)[: len(members)]
    starts = [*whole.starts, *([1] * len(extents))]
    return all(start <= at < start + extent for at, start, extent in zip(members, starts, extents, strict=False))


def leaves(value: Any, starts: Sequence[int]) -> Iterator[tuple[tuple[int, ...], Any]]:
    """All entries of nested lists with their indices (from 1 unless ``starts`` says otherwise)."""
    stack: list[tuple[tuple[int, ...], Any]] = [((), value)]
    while stack:
        indices, node = stack.pop()
        if isinstance(node, list):
            start = starts[len(indices)] if len(indices) < len(starts) else 1
            stack.extend(((*indices, start + k), node[k]) for k in range(len(node) - 1, -1, -1))
        else:
            yield indices, node


def index_table(entries: IndexMap) -> dict[tuple[int, ...], int]:
    """A topology's map by its indices: nested lists count from 1."""
    if isinstance(entries, Mapping):
        return {at if isinstance(at, tuple) else (at,): int(value) for at, value in entries.items()}
    return {at: int(value) for at, value in leaves(_listed(entries), ())}


def _listed(entries: Any) -> Any:
    """Nested sequences as nested lists (as deep as a map has indices)."""
    return entries if isinstance(entries, int) else [_listed(item) for item in entries]


def split(
    value: Any, starts: Sequence[int], arity: int, item: GivenText, problems: Problems
) -> Iterator[tuple[tuple[int, ...], Any]]:
    """The members of a given array that is read with ``arity`` indices."""
    if len(starts) > arity:
        problems.add(message("given.no_index", name=item.name, start=starts[0]), item.value_span)
        return
    level: list[tuple[tuple[int, ...], Any]] = [((), value)]
    for depth in range(arity):
        following: list[tuple[tuple[int, ...], Any]] = []
        start = starts[depth] if depth < len(starts) else 1
        for indices, node in level:
            if not isinstance(node, list) and not (is_array(node) and node.ndim):
                problems.add(
                    message(
                        "given.read_with",
                        name=item.label,
                        indices=counted(arity),
                        shape=loose_text(nested_shape(value)),
                    ),
                    item.value_span,
                )
                return
            following.extend(((*indices, start + k), node[k]) for k in range(len(node)))
        level = following
    yield from level


def nested_shape(value: Any) -> Shape:
    """The shape of nested lists or of an array."""
    if is_array(value):
        return tuple(value.shape)
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def shape_of(value: Value) -> Shape:
    """The shape of a value."""
    return tuple(value.shape) if is_array(value) else ()


def common_shape(shapes: set[Shape]) -> LooseShape:
    """What several shapes have in common."""
    ranks = {len(s) for s in shapes}
    top = max(ranks)
    arrays = [s for s in shapes if len(s) == top]
    return tuple(arrays[0][k] if len({s[k] for s in arrays}) == 1 else None for k in range(top))


MOST_EXACT = 100_000  # elements of arrays; more are float64, since fractions take a hundred times longer


def size_of(value: Any) -> int:
    """The number of entries."""
    return math.prod(nested_shape(value)) if isinstance(value, list) or is_array(value) else 0


def all_exact(value: Any) -> bool:
    """Whether all entries are ints or fractions."""
    if is_array(value):
        return bool(value.dtype == object)
    return all(type(v) is int or type(v) is Fraction for _, v in leaves(value, ()))


def double(array: Any, kinds: dict[str, None]) -> Any:
    """An array of a file as float64: numbers of fewer bits are exact in it, and whole ones do not overflow. ``kinds``
    notes the type of floating-point numbers."""
    import numpy

    if array.dtype.kind == "f":
        kinds[array.dtype.name] = None
    return array.astype(numpy.float64)


def to_value(value: Any, exact: bool) -> Value:
    """A number, or a NumPy array: of fractions where everything is exact, else of float64."""
    if is_array(value):
        return value
    if not isinstance(value, list):
        return value
    import numpy

    shape = nested_shape(value)
    entries = [v for _, v in leaves(value, ())]
    if exact:
        result = numpy.empty(len(entries), dtype=object)
        for at, entry in enumerate(entries):
            result[at] = Fraction(entry)
        return result.reshape(shape)
    return numpy.array([float(v) for v in entries], dtype=float).reshape(shape)
