"""Ways to have chunks computed: each gives a `concurrent.futures.Future` for a chunk, and says what to do when one is
lost.

A way is told when a step begins, with the parameters of that step, and is asked for chunks by their numbers. Here are
those that need nothing: in this process, and through any executor that someone else made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, Protocol

from bptt_solver.catalogues import message
from bptt_solver.datasets.data import Chunk
from bptt_solver.datasets.programs import Programs
from bptt_solver.datasets.worker import Partial, run
from bptt_solver.errors import Problem, ProblemError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating]


class ChunkLost(ProblemError):
    """A worker ended before its chunk was computed. ``chunks`` are the numbers (from 0) of those that it may have
    been: nothing of them was added."""

    def __init__(self, chunks: Sequence[int], text: str, hint: str | None = None) -> None:
        super().__init__(Problem(text, None, hint))
        self.chunks = tuple(chunks)


class Way(Protocol):
    """How chunks are computed. ``ahead``: how many are asked for before the first of them is waited for."""

    ahead: int
    told: str

    def begin(self, parameters: Mapping[str, Array]) -> None:
        """A step begins; all chunks of the one before are computed or given up."""

    def submit(self, number: int) -> Future[Partial]:
        """Have a chunk computed."""

    def taken(self, number: int, result: Partial) -> Partial:
        """What the future of a chunk gave, as it is added; it is not kept after that."""

    def look(self) -> None:
        """Called every now and then while a chunk is waited for. Raises ProblemError if that has no end."""

    def again(self, error: BaseException, waiting: Sequence[int]) -> bool:
        """After a chunk failed with ``error``, while those of ``waiting`` (it is the first) had no result: whether what
        was lost is to be submitted once more. False: the error is the chunk's own. Raises ChunkLost."""

    def close(self) -> None:
        """Give back what was taken."""


class Serial(Executor):
    """Computes what is submitted at once, in the thread that asks for it."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The future, which is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class ByExecutor:
    """Through an executor that someone else made and closes. Each task takes with it all that it needs: the program,
    the parameters, the slices."""

    def __init__(self, programs: Programs, executor: Executor, told: str = "") -> None:
        self.programs = programs
        self.executor = executor
        self.ahead = 1 if isinstance(executor, Serial) else 32
        self.told = told or message("data_set.through", executor=type(executor).__name__)
        self._parameters: Mapping[str, Array] = {}

    def begin(self, parameters: Mapping[str, Array]) -> None:
        """Keep them for the tasks of this step."""
        self._parameters = parameters

    def submit(self, number: int) -> Future[Partial]:
        """One task, on its own."""
        chunk: Chunk = self.programs.chunks[number]
        program = self.programs.of(chunk).program
        return self.executor.submit(run, program, self._parameters, self.programs.arrays(chunk))

    def taken(self, number: int, result: Partial) -> Partial:
        """It is all there."""
        return result

    def look(self) -> None:
        """Nothing is known of this executor."""

    def again(self, error: BaseException, waiting: Sequence[int]) -> bool:
        """Never: what lost a worker cannot be used again, and is not ours to be made anew."""
        from concurrent.futures import BrokenExecutor, CancelledError

        if isinstance(error, (BrokenExecutor, CancelledError)):
            first = self.programs.told(waiting[0])
            raise ChunkLost(
                waiting, message("data_set.lost", chunk=first, reason=str(error) or type(error).__name__)
            ) from error
        return False

    def close(self) -> None:
        """It is not ours."""
