"""One block of memory that several processes see: the chunks' slices, the parameters, and how far each chunk is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING

from bptt_solver.catalogues import message
from bptt_solver.errors import fail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating]

Place = tuple[int, tuple[int, ...]]  # the first byte, the shape
WAITING, BEGUN, DONE = 0, 1, 2
_STEP = 64  # arrays begin at multiples of it, as those that NumPy makes itself may
_FOLDER = "/dev/shm"  # where Linux has shared memory; what does not fit there would end the process


class Plan:
    """What lies where in a block that is yet to be made: ``marks`` bytes, then arrays."""

    def __init__(self, marks: int, dtype: str) -> None:
        import numpy

        self.item = numpy.dtype(dtype).itemsize
        self.size = _whole(max(marks, 1))

    def place(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Place]:
        """The places of arrays of these shapes."""
        result: dict[str, Place] = {}
        for name, shape in shapes.items():
            result[name] = (self.size, shape)
            count = 1
            for length in shape:
                count *= length
            self.size = _whole(self.size + count * self.item)
        return result


def _whole(size: int) -> int:
    return -(-size // _STEP) * _STEP


def make(size: int) -> SharedMemory:
    """A new block. Raises ProblemError where there is not enough memory for it."""
    if os.path.isdir(_FOLDER):
        state = os.statvfs(_FOLDER)
        free = state.f_bavail * state.f_frsize
        if size > free:
            raise fail(
                message("data_set.shared_memory", size=f"{size / 1e6:,.0f}", folder=_FOLDER, free=f"{free / 1e6:,.0f}"),
                hint=message("data_set.make_larger"),
            )
    try:
        return SharedMemory(create=True, size=size)
    except OSError as error:
        raise fail(message("data_set.no_shared", size=f"{size / 1e6:,.0f}", reason=error.strerror)) from None


def views(block: SharedMemory, places: Mapping[str, Place], dtype: str, writable: bool = False) -> dict[str, Array]:
    """The arrays of a block. They must be gone before it is closed."""
    import numpy

    result: dict[str, Array] = {}
    for name, (start, shape) in places.items():
        array: Array = numpy.ndarray(shape, numpy.dtype(dtype), block.buf, start)
        array.flags.writeable = writable
        result[name] = array
    return result


def marks(block: SharedMemory) -> memoryview:
    """The bytes of a block; the first ones say for each chunk how far it is."""
    assert block.buf is not None  # it is open
    return block.buf


def begun(block: SharedMemory, numbers: Iterable[int]) -> list[int]:
    """Those chunks that a worker began and did not finish."""
    return [n for n in numbers if marks(block)[n] == BEGUN]
