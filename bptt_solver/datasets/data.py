"""A data set: many sequences, those of the same lengths together in arrays, cut into chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from bptt_solver.catalogues import message
from bptt_solver.errors import fail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating]

Shape = tuple[int, ...]
_SHOWN = 3  # sequences of a chunk that a message names one by one


class Group(NamedTuple):
    """Sequences whose arrays have the same shapes. ``numbers`` are their places in the data set, from 0; each array
    has them along its first axis."""

    numbers: Sequence[int]
    arrays: Mapping[str, Array]

    def shapes(self) -> dict[str, Shape]:
        """The shape of one sequence of each name."""
        return {name: array.shape[1:] for name, array in self.arrays.items()}


class Chunk(NamedTuple):
    """The sequences ``start`` to ``stop`` (not included) of a group."""

    group: int
    start: int
    stop: int


class DataSet:
    """Sequences by name. ``arrays`` has for each name one array ``(n, ...)`` with the sequences along its first axis,
    or a list of ``n`` arrays that may differ in their lengths: ``x`` as ``(n, T, D)`` or as n arrays ``(T, D)``.

    ``dtype`` is that of the computation: float32 if all arrays are, else float64. ``groups`` come by growing shapes;
    sequences keep their order in them. Raises ProblemError for what are no sequences of finite numbers.
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        import numpy

        if not arrays:
            raise fail(
                message("data_set.no_names"), hint=message("data_set.names_form", arrays="{'x': array, 'd': array}")
            )
        parts = {name: _sequences(name, value) for name, value in arrays.items()}
        counts = {name: len(part) for name, part in parts.items()}
        first = next(iter(counts))
        for name, count in counts.items():
            if count != counts[first]:
                raise fail(
                    message("data_set.counts", left=f"{counts[first]:,}", first=first, right=f"{count:,}", second=name)
                )
        self.count = counts[first]
        kinds = [item.dtype for part in parts.values() for item in (part if isinstance(part, list) else [part])]
        single = bool(kinds) and all(kind == numpy.float32 for kind in kinds)
        self.dtype = "float32" if single else "float64"
        self.names = tuple(parts)
        self.groups = self._grouped(parts) if self.count else []

    def _grouped(self, parts: Mapping[str, Array | list[Array]]) -> list[Group]:
        import numpy

        dtype = numpy.dtype(self.dtype)
        if not any(isinstance(part, list) for part in parts.values()):
            whole = {name: numpy.asarray(part, dtype) for name, part in parts.items()}
            return [_finite(Group(range(self.count), whole))]
        members: dict[tuple[Shape, ...], list[int]] = {}
        for at in range(self.count):
            members.setdefault(tuple(part[at].shape for part in parts.values()), []).append(at)
        groups = []
        for _, numbers in sorted(members.items()):
            arrays = {
                name: numpy.stack([numpy.asarray(part[n], dtype) for n in numbers]) for name, part in parts.items()
            }
            groups.append(_finite(Group(numbers, arrays)))
        return groups

    def chunks(self, size: int) -> list[Chunk]:
        """All sequences in chunks of at most ``size``, in the order in which they are added. A chunk never holds
        sequences of two groups."""
        if size < 1:
            raise fail(message("data_set.chunk_size", size=size), hint=message("data_set.at_least_one"))
        return [
            Chunk(number, start, min(start + size, len(group.numbers)))
            for number, group in enumerate(self.groups)
            for start in range(0, len(group.numbers), size)
        ]

    def told(self, chunk: Chunk) -> str:
        """Which sequences a chunk has, counted from 1: ``sequences 26 to 50``."""
        numbers = [n + 1 for n in self.groups[chunk.group].numbers[chunk.start : chunk.stop]]
        if len(numbers) == 1:
            return message("data_set.sequence", number=f"{numbers[0]:,}")
        if numbers[-1] - numbers[0] == len(numbers) - 1:
            return message("data_set.sequences_to", first=f"{numbers[0]:,}", last=f"{numbers[-1]:,}")
        shown = ", ".join(f"{n:,}" for n in numbers[:_SHOWN])
        if len(numbers) <= _SHOWN:
            return message("data_set.sequences", numbers=shown)
        return message("data_set.sequences_more", numbers=shown, count=f"{len(numbers) - _SHOWN:,}")


def _sequences(name: str, value: Any) -> Array | list[Array]:
    """One array with all sequences, or a list of them."""
    import numpy

    if isinstance(value, (list, tuple)):
        items = [_numbers(name, item) for item in value]
        if items and all(item.shape == items[0].shape for item in items):
            return numpy.stack(items)
        return items if items else numpy.zeros((0,))
    array = _numbers(name, value)
    if not array.ndim:
        raise fail(message("data_set.number", name=name), hint=message("data_set.first_axis"))
    return array


def _numbers(name: str, value: Any) -> Array:
    import numpy

    try:
        array: Array = numpy.asarray(value)
    except ValueError:
        raise fail(message("data_set.no_array", name=name), hint=message("data_set.ragged_rows")) from None
    if array.dtype.kind not in "iuf":
        raise fail(message("data_set.not_real", name=name, kind=array.dtype))
    return array


def _finite(group: Group) -> Group:
    import numpy

    for name, array in group.arrays.items():
        if not numpy.isfinite(array).all():
            place = tuple(int(axis[0]) for axis in numpy.nonzero(~numpy.isfinite(array)))
            fields = {"name": name, "number": f"{group.numbers[place[0]] + 1:,}", "value": array[place]}
            entry = ", ".join(str(at + 1) for at in place[1:])
            wrong = (
                message("data_set.wrong_entry", entry=entry, **fields) if entry else message("data_set.wrong", **fields)
            )
            raise fail(wrong, hint=message("data_set.only_finite"))
    return group
