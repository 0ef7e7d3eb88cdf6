"""What runs where a chunk is computed: the program of a chunk with its numbers in, its loss and gradients out.

This module is all that a worker imports of this package beside what turns a program into a function. Nothing here
knows of problems or executors.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bptt_solver.compile.load import load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating]

_MOST_FUNCTIONS = 256  # texts that were turned into functions, kept in a process
_MOST_READY = 8  # of them with their arrays, kept in a thread


class Program(NamedTuple):
    """The program of chunks of one size and length. Equal contents are the same program, wherever they come from.

    ``repeated``: inputs that all sequences share but the program wants one by one, with the axis of the sequences;
    ``wanted``: for each gradient its output, the member in it, and the axis of the sequences if it is not summed yet.
    """

    source: str
    dtype: str
    sequences: int
    loss: str
    repeated: tuple[tuple[str, int], ...]
    wanted: tuple[tuple[str, tuple[int | None, ...], int | None], ...]


class Partial(NamedTuple):
    """The loss of a chunk and its gradients, in the order of `Program.wanted`."""

    loss: float
    gradients: tuple[Array, ...]


def run(program: Program, parameters: Mapping[str, Array], arrays: Mapping[str, Array]) -> Partial:
    """Compute a chunk from what all chunks share and from its own slices, both by label."""
    import numpy

    given = {**parameters, **arrays}
    for label, axis in program.repeated:
        given[label] = numpy.repeat(numpy.expand_dims(given[label], axis), program.sequences, axis)
    with ONE_THREAD, numpy.errstate(all="ignore"):  # what is not finite is found where the chunks are added
        found = _ready(program)(given)
        gradients = []
        for label, at, each in program.wanted:
            part = numpy.asarray(found[label])[tuple(slice(None) if i is None else i for i in at)]
            gradients.append(numpy.array(part) if each is None else part.sum(each))
    return Partial(float(found[program.loss]), tuple(gradients))


_functions: OrderedDict[str, Callable[..., Any]] = OrderedDict()
_own = threading.local()  # programs compute into arrays of their own, so that no two threads may share one


def _ready(program: Program) -> Callable[[Mapping[str, Array]], Mapping[str, Any]]:
    """The function of a program, made at its first use."""
    import numpy

    ready: OrderedDict[Program, Callable[..., Any]] | None = getattr(_own, "ready", None)
    if ready is None:
        ready = _own.ready = OrderedDict()
    function = ready.get(program)
    if function is None:
        make = _functions.get(program.source)
        if make is None:
            make = _functions[program.source] = load(program.source, "make")
            _shorten(_functions, _MOST_FUNCTIONS)
        function = ready[program] = make(numpy.dtype(program.dtype))
        _shorten(ready, _MOST_READY)
    ready.move_to_end(program)
    return function


def _shorten(kept: OrderedDict[Any, Any], most: int) -> None:
    while len(kept) > most:
        try:
            kept.popitem(last=False)
        except KeyError:  # another thread was faster
            return


class _OneThread:
    """While anyone is inside, BLAS computes with one thread: fast for matrices of these sizes, and the same bits
    whatever computes beside it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limit: Any = None
        self._controller: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                if self._controller is None:
                    from threadpoolctl import ThreadpoolController

                    self._controller = ThreadpoolController()
                self._limit = self._controller.limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.restore_original_limits()


ONE_THREAD = _OneThread()


def hold(value: Any) -> Any:
    """What was sent, for tasks that come later."""
    return value


def versions() -> tuple[str, str]:
    """The versions of this package and of NumPy, as a worker has them."""
    import numpy

    from bptt_solver import __version__

    return __version__, numpy.__version__
