"""A data set from a file: named arrays with all sequences, or a table with a row for each step of each sequence.

The readers, their limits and their messages are those of the numbers of a document; here the person who runs the
program names the file, so it may lie anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from bptt_solver.catalogues import message
from bptt_solver.datasets.data import DataSet
from bptt_solver.datasets.lengths import Lengths
from bptt_solver.errors import ProblemError, Source, Span, fail, suggest
from bptt_solver.limits import Limits
from bptt_solver.problem.files import load
from bptt_solver.problem.problem import Problem
from bptt_solver.problem.text import decode, read_bytes
from bptt_solver.problem.values import FileValue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

LENGTHS = "lengths"
SEQUENCE = "sequence"
OPTION = "--data-set"


def read_data_set(problem: Problem, path: str | os.PathLike[str], limits: Limits | None = None) -> DataSet:
    """Read the sequences of a problem's data from a file. Raises ProblemError.

    Named arrays (``.npz``, ``.safetensors``, ``.json``): for each family of the document's data one array with the
    sequences along its first axis; where they differ in their lengths, the array is as long as the longest, and
    ``lengths`` has the number of steps of each. A table (``.csv``): the column ``sequence`` has the number of the
    sequence, all rows of one stand together; the other columns are named as the families (``x``) or their entries
    (``x:1``, ``x:2``; ``x:1:2`` in a matrix). What the data set does not have is as in the document.
    """
    file = _File(os.fspath(path), limits or problem.limits)
    names = [name for name, role in problem.system.roles.items() if role == "data"]
    if not names:
        raise fail(message("data_set.no_data"), hint=message("data_set.give_one"))
    if file.ending == ".csv":
        return _table(problem, file, names)
    return _arrays(problem, file, names)


class _File:
    """A file that an option names."""

    def __init__(self, path: str, limits: Limits) -> None:
        self.folder, self.name = os.path.split(os.path.abspath(path))
        self.limits = limits
        self.span = Span(Source(OPTION, path), 0, len(path))
        self.ending = os.path.splitext(path)[1]

    def value(self, key: str | None) -> FileValue:
        """What a document would write for it."""
        return FileValue(self.name, key, self.span, Span(Source(OPTION, key or ""), 0, len(key or "")))

    def array(self, key: str) -> Array | None:
        """A named array, None if there is none of this name. Raises ProblemError for everything else."""
        import numpy

        value = self.value(key)
        try:
            return numpy.asarray(load(value, self.folder, self.limits), None if self.ending != ".json" else float)
        except ProblemError as error:
            if error.problems[0].span is value.key_span:  # that is where a missing name is told
                return None
            raise
        except ValueError:
            raise fail(message("data_set.file_ragged", name=key, file=self.name), self.span) from None


def _arrays(problem: Problem, file: _File, names: Sequence[str]) -> DataSet:
    import numpy

    read = {name: file.array(name) for name in names}
    found: dict[str, Any] = {name: array for name, array in read.items() if array is not None}
    if not found:
        raise fail(
            message("data_set.file_empty", file=file.name),
            file.span,
            message("data_set.arrays_named", names=message.listed(names, "list.comma")),
        )
    lengths = file.array(LENGTHS) if LENGTHS not in names else None
    if lengths is None:
        return DataSet(found)
    if lengths.ndim != 1 or not numpy.equal(lengths, numpy.floor(lengths)).all():
        raise fail(message("data_set.lengths_whole", lengths=LENGTHS, file=file.name), file.span)
    known = Lengths(problem, list(found))
    return DataSet({name: _cut(known, name, array, [int(n) for n in lengths], file) for name, array in found.items()})


def _cut(known: Lengths, name: str, array: Array, lengths: Sequence[int], file: _File) -> Any:
    """The sequences of an array without what is behind their ends."""
    size = known.sizes[name]
    if size is None:
        return array
    at = known.problem.system.time_position(name)
    assert at is not None
    if array.ndim <= at + 1 or len(array) != len(lengths):
        text = message(
            "data_set.lengths_count",
            name=name,
            file=file.name,
            shape=array.shape,
            lengths=LENGTHS,
            count=f"{len(lengths):,}",
        )
        raise fail(text, file.span, message("data_set.along_first"))
    low, high = known.boxes[name][at]
    before = high - low + 1 - known.problem.system.sizes[size]  # members beside those that the size counts (x[0])
    longest = array.shape[at + 1] - before
    for number, length in enumerate(lengths):
        if not 1 <= length <= longest:
            text = message(
                "data_set.length_steps", lengths=LENGTHS, file=file.name, number=f"{number + 1:,}", count=f"{length:,}"
            )
            raise fail(text, file.span, message("data_set.length_range", longest=f"{longest:,}", name=name))
    front = (slice(None),) * at
    return [item[(*front, slice(0, length + before))] for item, length in zip(array, lengths, strict=True)]


# Tables


def _table(problem: Problem, file: _File, names: Sequence[str]) -> DataSet:
    import numpy

    header = _header(file)
    if SEQUENCE not in header:
        hint = message("data_set.first_row", column=SEQUENCE)
        raise fail(message("data_set.no_column", file=file.name, column=SEQUENCE), file.span, hint)
    columns: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
    for at, title in enumerate(header):
        if title != SEQUENCE:
            name, entry = _entry(title, names, file)
            columns.setdefault(name, []).append((at, entry))
    rows = numpy.asarray(load(file.value(None), file.folder, file.limits), dtype=float)
    rows = rows.reshape(len(rows), -1)
    numbers = rows[:, header.index(SEQUENCE)]
    starts = [0, *(int(n) + 1 for n in numpy.flatnonzero(numbers[1:] != numbers[:-1]))]
    if len(starts) != len({float(numbers[n]) for n in starts}):
        raise fail(message("data_set.apart", file=file.name), file.span, message("data_set.sort"))
    known = Lengths(problem, list(columns))
    spans = [slice(start, end) for start, end in zip(starts, [*starts[1:], len(rows)], strict=True)]
    result: dict[str, Any] = {}
    for name, found in columns.items():
        own, shape = rows[:, _arranged(known, name, found, file)], known.members[name]
        blocks = [own[span].reshape(span.stop - span.start, *shape) for span in spans]
        if known.problem.system.arity(name):
            result[name] = blocks
            continue
        for number, block in enumerate(blocks):  # one member a sequence: it stands in all rows
            if (block != block[0]).any():
                text = message("data_set.changes", file=file.name, name=name, number=f"{number + 1:,}")
                raise fail(text, file.span, message("data_set.one_for_all", name=name))
        result[name] = numpy.stack([block[0] for block in blocks])
    return DataSet(result)


def _header(file: _File) -> list[str]:
    """The names of the columns, as the reader of tables finds them."""
    data = read_bytes(os.path.join(file.folder, file.name), file.name, file.limits, file.span)
    first = decode(data, file.name).text.partition("\n")[0].rstrip("\r")
    separator = next((mark for mark in ",;\t" if mark in first), ",")
    return [cell.strip().strip('"') for cell in first.split(separator)]


def _entry(title: str, names: Sequence[str], file: _File) -> tuple[str, tuple[int, ...]]:
    """A column's family and its entry, from 0: ``x:2`` is (x, (1,))."""
    name, *words = title.split(":")
    if name not in names or not all(w.isascii() and w.isdigit() and len(w) < 10 and int(w) for w in words):
        hint = suggest(name, names) or message(
            "data_set.columns", names=message.listed([SEQUENCE, *names], "list.comma"), entry=f"{names[0]}:1"
        )
        raise fail(message("data_set.strange_column", file=file.name, column=title), file.span, hint)
    return name, tuple(int(word) - 1 for word in words)


def _arranged(known: Lengths, name: str, found: Sequence[tuple[int, tuple[int, ...]]], file: _File) -> list[int]:
    """The columns of a family in the order of its entries."""
    if known.problem.system.arity(name) > 1:
        raise fail(message("data_set.two_indices", name=name), file.span, message("data_set.named_arrays"))
    shape = known.members[name]
    places: dict[tuple[int, ...], int] = {}
    for at, entry in found:
        if entry in places:
            raise fail(message("data_set.two_columns", file=file.name, name=name), file.span)
        places[entry] = at
    wanted = dict.fromkeys(product(*[range(n) for n in shape]))
    if list(wanted) == [(0,)] and list(places) == [()]:
        return [places[()]]  # a vector of one entry may be named as a number
    missing = next((entry for entry in wanted if entry not in places), None)
    if missing is not None:
        hint = message("data_set.has_shape", name=name, shape=shape) if shape else None
        raise fail(message("data_set.no_column", file=file.name, column=name + _label(missing)), file.span, hint)
    extra = next((entry for entry in places if entry not in wanted), None)
    if extra is not None:
        raise fail(message("data_set.extra_column", file=file.name, column=name + _label(extra), name=name), file.span)
    return [places[entry] for entry in wanted]


def _label(entry: tuple[int, ...]) -> str:
    return "".join(f":{n + 1}" for n in entry)
