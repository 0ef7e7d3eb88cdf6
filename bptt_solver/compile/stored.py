"""Arrays that stay in their file: a segment's rows are read when they are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.errors import fail

_LOCAL_HEADER = 30  # bytes of a zip member's header before its name
_READERS = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0"}


def stored(path: str | Path, key: str | None = None) -> Any:
    """The array of a ``.npy`` file, or the member ``key`` of an ``.npz`` file that was saved without compression, as a
    `numpy.memmap`. Raises ProblemError for anything else."""
    import numpy

    where = Path(path)
    if where.suffix == ".npy":
        return numpy.load(where, mmap_mode="r", allow_pickle=False)
    start = _start(where, key)
    with where.open("rb") as file:
        file.seek(start)
        version = numpy.lib.format.read_magic(file)
        if version not in _READERS:
            raise fail(message("stored.version", file=where, name=key))
        shape, fortran, dtype = getattr(numpy.lib.format, _READERS[version])(file)
        start = file.tell()
    if dtype.hasobject:
        raise fail(message("stored.objects", file=where, name=key))
    return numpy.memmap(where, dtype, "r", start, shape, "F" if fortran else "C")


def _start(path: Path, key: str | None) -> int:
    """Where the member begins in the file."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        names = [n.removesuffix(".npy") for n in archive.namelist()]
        if key not in names:
            raise fail(
                message("stored.no_array", file=path, name=key),
                hint=message("stored.has", names=message.listed(sorted(names), "list.comma")),
            )
        member = archive.getinfo(f"{key}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise fail(message("stored.compressed", file=path, name=key), hint=message("stored.savez"))
    with path.open("rb") as file:
        file.seek(member.header_offset)
        header = file.read(_LOCAL_HEADER)
    return (
        member.header_offset
        + _LOCAL_HEADER
        + int.from_bytes(header[26:28], "little")
        + int.from_bytes(header[28:30], "little")
    )
