"""Chunks computed by processes of this machine. They are started afresh (``spawn``), so that it is the same on every
system; the data lies once in memory that all of them see, and so do the parameters of a step and the results."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING

from bptt_solver.catalogues import message
from bptt_solver.datasets import shared
from bptt_solver.datasets.executors import ChunkLost
from bptt_solver.datasets.programs import Programs
from bptt_solver.datasets.shared import Place
from bptt_solver.datasets.worker import ONE_THREAD, Partial, Program, run
from bptt_solver.errors import fail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating]

MOST_WORKERS = 61 if os.name == "nt" else 1024  # Windows waits for at most so many
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Processes:
    """``workers`` processes. After one of them ended, the chunks without a result are computed by new ones at most
    ``retries`` times; then `ChunkLost` names those that were being computed."""

    def __init__(self, programs: Programs, workers: int, retries: int = 0) -> None:
        if not 1 <= workers <= MOST_WORKERS:
            raise fail(
                message("data_set.worker_count", count=workers), hint=message("data_set.from_to", most=MOST_WORKERS)
            )
        self.programs = programs
        self.workers = min(workers, max(1, len(programs.chunks)))
        self.retries = retries
        self.ahead = 2 * self.workers + 2
        self.told: str = message("data_set.processes" if self.workers > 1 else "data_set.process", count=self.workers)
        self._lost = 0
        self._pool: ProcessPoolExecutor | None = None
        self._pending: list[Future[Partial]] = []
        self._fill()

    def _fill(self) -> None:
        import numpy

        programs, dtype = self.programs, self.programs.data.dtype
        known: dict[Program, int] = {}
        plan = shared.Plan(len(programs.chunks), dtype)
        self._tasks: list[tuple[int, dict[str, Place]]] = []
        for chunk in programs.chunks:
            at = known.setdefault(programs.of(chunk).program, len(known))
            self._tasks.append((at, plan.place(programs.shapes(chunk))))
        self._programs = list(known)
        shapes = {name: array.shape for name, array in programs.parameters(programs.problem.given).items()}
        self._places = plan.place(shapes)
        # a result lies in a slot until it is added, and then a later chunk has the slot
        self._shapes = [numpy.shape(programs.problem.given[key]) for key in programs.wanted]
        slot = (sum(math.prod(shape) for shape in self._shapes),)
        self._slots = list(plan.place({str(n): slot for n in range(self.ahead)}).values())
        self._block = shared.make(plan.size)
        for chunk, (_, places) in zip(programs.chunks, self._tasks, strict=True):
            arrays = programs.arrays(chunk)
            for name, view in shared.views(self._block, places, dtype, writable=True).items():
                view[...] = arrays[name]

    def begin(self, parameters: Mapping[str, Array]) -> None:
        """Write the parameters where all workers read them."""
        wait(self._pending)  # chunks of a step that was given up may still read the old ones
        self._pending.clear()
        self._lost = 0
        dtype = self.programs.data.dtype
        for name, view in shared.views(self._block, self._places, dtype, writable=True).items():
            view[...] = parameters[name]

    def submit(self, number: int) -> Future[Partial]:
        """A task is no more than the number of its chunk."""
        if self._pool is None:
            arguments = (self._block.name, self._programs, self._tasks, self._places, self._slots)
            self._pool = ProcessPoolExecutor(self.workers, get_context("spawn"), _attach, arguments)
        shared.marks(self._block)[number] = shared.WAITING
        future = self._pool.submit(_chunk, number)
        self._pending = [f for f in self._pending if not f.done()]
        self._pending.append(future)
        return future

    def taken(self, number: int, result: Partial) -> Partial:
        """The gradients as they lie in the slot of the chunk."""
        slot = self._slots[number % len(self._slots)]
        (flat,) = shared.views(self._block, {"": slot}, self.programs.data.dtype).values()
        gradients, at = [], 0
        for shape, zero in zip(self._shapes, self.programs.of(self.programs.chunks[number]).zero, strict=True):
            if not zero:
                gradients.append(flat[at : at + math.prod(shape)].reshape(shape))
                at += math.prod(shape)
        return Partial(result.loss, tuple(gradients))

    def look(self) -> None:
        """A process that ends breaks the pool at once, so there is nothing to look for."""

    def again(self, error: BaseException, waiting: Sequence[int]) -> bool:
        """Whether a broken pool is made anew."""
        if not isinstance(error, (BrokenProcessPool, CancelledError)):
            return False
        self._stop(at_once=True)  # one of them has ended, and the others have been told to
        self._lost += 1
        if self._lost <= self.retries:
            return True
        lost = shared.begun(self._block, waiting)
        if not lost:
            raise ChunkLost(
                waiting,
                message("data_set.not_started"),
                message("data_set.main"),
            ) from error
        names: str = self.programs.told(lost[0])
        for n in lost[1:]:
            names = message("data_set.or", left=names, right=self.programs.told(n))
        again = "retries=1" if not self.retries else f"retries={self.retries + 1}"
        raise ChunkLost(
            lost,
            message("data_set.ended", chunks=names),
            message("data_set.again", again=again),
        ) from error

    def _stop(self, at_once: bool) -> None:
        """End the processes, without waiting for what they do if ``at_once``."""
        if self._pool is None:
            return
        if at_once:
            for process in list((self._pool._processes or {}).values()):
                process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None
        self._pending.clear()

    def close(self) -> None:
        """End the processes and give the memory back."""
        self._stop(at_once=not all(future.done() for future in self._pending))
        self._block.close()
        self._block.unlink()


# In a worker


class _Worker:
    """What a worker process knows of the data set."""

    def __init__(
        self,
        block: SharedMemory,
        programs: Sequence[Program],
        tasks: Sequence[tuple[int, Mapping[str, Place]]],
        parameters: Mapping[str, Place],
        slots: Sequence[Place],
    ) -> None:
        self.slots = slots
        self.block = block
        self.programs = programs
        self.tasks = tasks
        self.parameters = parameters

    def compute(self, number: int) -> Partial:
        """One chunk; its gradients go into a slot of the block. No view of the block outlives it."""
        at, places = self.tasks[number]
        program = self.programs[at]
        shared.marks(self.block)[number] = shared.BEGUN
        parameters = shared.views(self.block, self.parameters, program.dtype)
        result = run(program, parameters, shared.views(self.block, places, program.dtype))
        slot = self.slots[number % len(self.slots)]
        (flat,) = shared.views(self.block, {"": slot}, program.dtype, writable=True).values()
        at = 0
        for gradient in result.gradients:
            flat[at : at + gradient.size] = gradient.ravel()
            at += gradient.size
        shared.marks(self.block)[number] = shared.DONE
        return Partial(result.loss, ())


_here: list[_Worker] = []


def _attach(
    name: str,
    programs: Sequence[Program],
    tasks: Sequence[tuple[int, Mapping[str, Place]]],
    parameters: Mapping[str, Place],
    slots: Sequence[Place],
) -> None:
    """The first thing that a worker does; NumPy is not imported yet."""
    for variable in _THREADS:
        os.environ[variable] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes: the one that asked decides
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _here[:] = [_Worker(SharedMemory(name), programs, tasks, parameters, slots)]
    ONE_THREAD.__enter__()


def _leave_with_parent() -> None:
    """A worker whose parent was killed would wait for tasks for ever."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _chunk(number: int) -> Partial:
    return _here[0].compute(number)
