"""Numbers from files beside the document (``.json``, ``.csv``, ``.npy``, ``.npz``, ``.safetensors``).

A file never leaves the document's folder, is a regular file, and never runs code: NumPy files are read by their plain
header only, no pickle exists here. Sizes are calculated and checked before anything is allocated.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError, Problems, Source, Span, fail, suggest
from bptt_solver.language.expressions import Numeral
from bptt_solver.language.tokens import Malformed
from bptt_solver.limits import Limits
from bptt_solver.problem.nodes import Mapping, Node, compose
from bptt_solver.problem.numerals import read_number, shortened
from bptt_solver.problem.tensors import Tensors
from bptt_solver.problem.text import check_characters, decode, read_bytes
from bptt_solver.problem.values import FileValue, Nested, ValueReader

if TYPE_CHECKING:
    from zipfile import ZipFile

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

ENDINGS = (".json", ".csv", ".npy", ".npz", ".safetensors")
_TENSORS = "file.save_tensors"  # keys of messages
_ARRAYS = "file.save_arrays"
_REFUSED = {  # endings of files that cannot be read, and why
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt"), ("file.pickle", _TENSORS)),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), ("file.pickle", _ARRAYS)),
    **dict.fromkeys((".h5", ".hdf5", ".keras"), ("file.keras", _ARRAYS)),
    ".onnx": ("file.onnx", _ARRAYS),
    ".mat": ("file.matlab", _ARRAYS),
}
_DRIVE = re.compile(r"[A-Za-z]:")
_HEADER = re.compile(
    rb"\{'descr': '([<>|=]?[a-zA-Z][0-9]{1,3})', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \}\s*"
)
_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000
_LONGEST_DIMENSION = 18  # digits


def name_fault(name: str) -> tuple[str, str | None] | None:
    """What is wrong with the name of a data file, as far as the name tells: (message, hint)."""
    if name.startswith(("/", "\\", "~")) or _DRIVE.match(name):
        return message("file.absolute", name=shortened(name)), message("file.inside")
    if "\\" in name:
        return message("file.backslash", name=shortened(name)), message("file.slash")
    if ".." in name.split("/"):
        return message("file.leaves", name=shortened(name)), message("file.inside")
    ending = os.path.splitext(name)[1].lower()
    if ending in _REFUSED:
        why, instead = _REFUSED[ending]
        return message(why, name=shortened(name)), message(instead)
    if os.path.splitext(name)[1] not in ENDINGS:
        return message("file.unreadable", name=shortened(name)), message(
            "file.endings", names=message.listed([*ENDINGS], "list.comma")
        )
    return None


def load(value: FileValue, folder: str | None, limits: Limits) -> Nested | Array:
    """The numbers of a file: nested lists from text (exact where they are written so), an array from NumPy files.

    Raises `ProblemError`: placed in the document if the file cannot be used, in the file if a number in it is wrong.
    """
    data = read_bytes(_resolve(value, folder), value.file, limits, value.file_span)
    ending = os.path.splitext(value.file)[1]
    if ending == ".npz":
        return _read_archive(data, value, limits)
    if ending == ".safetensors":
        tensors = Tensors(data, value.file, value.file_span)
        name = _needed_key(value, tensors.names)
        return finite(tensors.array(name, limits), f"{value.file}[{name}]", value.file_span)
    if ending == ".npy":
        if value.key is not None:
            raise fail(message("file.npy"), value.key_span, message("file.remove_key"))
        from io import BytesIO

        return _read_array(BytesIO(data), value.file, value.file_span, limits)
    source = decode(data, value.file)
    return _read_json(source, value, limits) if ending == ".json" else _read_csv(source, value, limits)


class Archive:
    """The named arrays of a file (``.npz``, ``.safetensors`` or ``.json``), each read when it is asked for."""

    def __init__(self, value: FileValue, folder: str | None, limits: Limits) -> None:
        """Raises ProblemError where the file cannot be read, or holds no named arrays."""
        self.value = value
        self.limits = limits
        ending = os.path.splitext(value.file)[1]
        if ending in (".npy", ".csv"):
            raise fail(message("file.one_array", name=value.file), value.file_span, message("file.named"))
        self._data = read_bytes(_resolve(value, folder), value.file, limits, value.file_span)
        self._tensors = Tensors(self._data, value.file, value.file_span) if ending == ".safetensors" else None
        self._source = decode(self._data, value.file) if ending == ".json" else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all arrays."""
        if self._tensors is not None:
            return self._tensors.names
        if self._source is not None:
            node = compose(self._source, self.limits)
            if not isinstance(node, Mapping):
                raise fail(message("file.unnamed", name=self.value.file), self.value.file_span)
            return tuple(key.text for key in node.keys)
        return _archive_names(self._data, self.value)

    def array(self, name: str) -> Array:
        """One of them, as a NumPy array. Raises ProblemError."""
        import numpy as np

        value = FileValue(self.value.file, name, self.value.file_span, self.value.file_span)
        if self._tensors is not None:
            return finite(self._tensors.array(name, self.limits), f"{value.file}[{name}]", value.file_span)
        if self._source is not None:
            return np.asarray(_read_json(self._source, value, self.limits), dtype=np.float64)
        return _read_archive(self._data, value, self.limits)


def _resolve(value: FileValue, folder: str | None) -> str:
    fault = name_fault(value.file)
    if fault:
        raise fail(fault[0], value.file_span, fault[1])
    if folder is None:
        raise fail(message("file.no_folder"), value.file_span)
    base = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(base, value.file))
    if os.path.commonpath([base, path]) != base:
        raise fail(message("file.link", name=value.file), value.file_span)
    return path


# Text


def _read_json(source: Source, value: FileValue, limits: Limits) -> Nested:
    """JSON is YAML, so its numbers are read (and its faults placed) as those of a document."""
    node: Node | None = compose(source, limits)
    if isinstance(node, Mapping):
        names = tuple(key.text for key in node.keys)
        node = node.get(_needed_key(value, names))
    elif value.key is not None:
        raise fail(message("file.unnamed", name=value.file), value.key_span, message("file.remove_key"))
    assert node is not None
    problems = Problems()
    result = ValueReader(source, limits, problems).array(node, "expect.data")
    problems.raise_if_any()
    assert result is not None
    return result


def _needed_key(value: FileValue, names: tuple[str, ...]) -> str:
    held = ", ".join(shortened(name) for name in names[:20])
    known = message("file.holds", names=held or message("expect.nothing"))
    if value.key is None:
        raise fail(message("file.which", name=value.file), value.file_span, message("file.add_key", holds=known))
    if value.key not in names:
        hint = suggest(value.key, names) or known
        raise fail(message("file.no_array", key=shortened(value.key), name=value.file), value.key_span, hint)
    return value.key


def _read_csv(source: Source, value: FileValue, limits: Limits) -> Nested:
    """Rows of numbers; the first row may name the columns. One column is a vector, several are a matrix."""
    check_characters(source)
    problems = Problems()
    rows: list[list[Numeral]] = []
    names: tuple[str, ...] = ()
    at = found = elements = 0
    first = source.text.partition("\n")[0]
    separator = next((mark for mark in ",;\t" if mark in first), ",")
    for number, line in enumerate(source.text.split("\n")):
        cells = line.rstrip("\r").split(separator)
        places, at = at, at + len(line) + 1
        if not line.strip():
            continue
        elements += len(cells)
        if elements > limits.get("elements"):
            raise limits.exceeded("elements", elements, value.file, value.file_span, or_more=True)
        if number == 0 and not all(_is_number(cell.strip(), limits) for cell in cells):
            names = tuple(cell.strip().strip('"') for cell in cells)
            continue
        row: list[Numeral] = []
        for cell in cells:
            try:
                row.append(read_number(cell.strip(), limits))
            except (Malformed, ProblemError) as error:
                told, hint = _told(error)
                start = places + len(cell) - len(cell.lstrip())
                problems.add(told, Span(source, start, start + len(cell.strip())), hint)
                found += 1
            places += len(cell) + 1
        width = len(names) or len(rows[0] if rows else row)
        if len(cells) != width and not found:
            start = at - len(line) - 1
            told = message("file.columns", count=f"{len(cells):,}", width=f"{width:,}")
            problems.add(told, Span(source, start, at - 1))
            found += 1
        if found >= Problems.MOST:
            break
        rows.append(row)
    problems.raise_if_any()
    if not rows:
        raise fail(message("file.no_numbers", name=value.file), value.file_span)
    return _columns(rows, names, value)


def _columns(rows: list[list[Numeral]], names: tuple[str, ...], value: FileValue) -> Nested:
    if value.key is not None:
        if not names:
            raise fail(message("file.no_names", name=value.file), value.key_span, message("file.remove_key"))
        column = names.index(_needed_key(value, names))
        return [row[column] for row in rows]
    if len(rows[0]) == 1:
        return [row[0] for row in rows]
    return [list(row) for row in rows]


def _is_number(text: str, limits: Limits) -> bool:
    try:
        read_number(text, limits)
    except (Malformed, ProblemError):
        return False
    return True


def _told(error: Malformed | ProblemError) -> tuple[str, str | None]:
    if isinstance(error, Malformed):
        return error.message, error.hint
    return error.problems[0].message, error.problems[0].hint


# NumPy files


def _archive_names(data: bytes, value: FileValue) -> tuple[str, ...]:
    with _opened(data, value) as archive:
        return tuple(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))


def _read_archive(data: bytes, value: FileValue, limits: Limits) -> Array:
    """One array of an ``.npz``: its header is read first, then exactly as many bytes as it announces."""
    key = _needed_key(value, _archive_names(data, value))
    with _opened(data, value) as archive, archive.open(f"{key}.npy") as member:
        return _read_array(member, f"{value.file}[{key}]", value.file_span, limits)


@contextmanager
def _opened(data: bytes, value: FileValue) -> Iterator[ZipFile]:
    """A NumPy archive; what goes wrong in it is told as one problem."""
    import zipfile
    from io import BytesIO

    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        told = message("file.archive", name=value.file)
        raise fail(told, value.file_span, str(error)[:80]) from None


def _read_array(file: IO[bytes], name: str, span: Span, limits: Limits) -> Array:
    import numpy as np

    start = file.read(12)
    wide = start[6:7] in (b"\x02", b"\x03")
    size = int.from_bytes(start[8:12] if wide else start[8:10], "little")
    if not start.startswith(_MAGIC) or size > _LONGEST_HEADER or len(start) < 12:
        raise fail(message("file.not_array", name=name), span)
    header = (b"" if wide else start[10:]) + file.read(size if wide else size - 2)
    found = _HEADER.fullmatch(header)
    if not found or found.group(1).lstrip(b"<>|=")[:1] not in b"fiu":
        hint = message("file.real")
        raise fail(message("file.not_plain", name=name), span, hint)
    digits = found.group(3).replace(b",", b" ").split()
    limits.check("indices", len(digits), lambda: message("syntax.word", word=name), span)
    shape = tuple(int(word[:_LONGEST_DIMENSION]) for word in digits)
    elements = 1
    for length in shape:
        elements *= length
    limits.check("elements", elements, lambda: message("syntax.word", word=name), span)
    if elements == 0:
        raise fail(message("file.empty", name=name), span)
    try:
        dtype = np.dtype(found.group(1).decode("ascii"))
    except TypeError:
        raise fail(message("file.not_plain", name=name), span) from None
    data = file.read(elements * dtype.itemsize + 1)
    if len(data) != elements * dtype.itemsize:
        raise fail(message("file.short", name=name), span)
    flat: Array = np.frombuffer(data, dtype=dtype).astype(dtype.newbyteorder("="))
    array = flat.reshape(shape[::-1]).transpose() if found.group(2) == b"True" else flat.reshape(shape)
    return finite(array, name, span)


def finite(array: Array, name: str, span: Span) -> Array:
    """The array, if all its numbers are finite. Raises ProblemError."""
    import numpy as np

    if not np.isfinite(array).all():
        place = tuple(int(at) for at in np.argwhere(~np.isfinite(array))[0])
        at = ", ".join(str(index + 1) for index in place)
        told = message("file.entry" if place else "file.number", at=at, name=name, number=array[place])
        raise fail(told, span, message("file.finite"))
    return array
