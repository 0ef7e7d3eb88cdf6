"""Chunks computed by a Dask cluster that is already there. The slices of a chunk are sent once and stay with one of its
workers; the parameters are sent once for each step, and the workers pass them on to each other; a task is three names,
and comes back as a loss and gradients.

Slices and parameters are the results of tasks themselves, which do nothing but hold them. So the scheduler can have
made anew whatever a lost worker had, and nothing has to be done about it here. (What is *scattered* to a worker is lost
with it, and scattering may wait for ever on a worker that ends just then.) The price: the scheduler keeps the data set.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

from bptt_solver.catalogues import message
from bptt_solver.datasets.executors import ChunkLost
from bptt_solver.datasets.programs import Programs
from bptt_solver.datasets.worker import Partial, Program, hold, run, versions
from bptt_solver.errors import fail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating]

ANSWER = 10.0  # seconds within which a scheduler has to answer
MOST_PORT = 65_535
PATIENCE = 60.0  # seconds for which no worker may be there
_LARGE = {"distributed.admin.large-graph-warning-threshold": "1TB"}  # sending the data is what we want


class Cluster:
    """The cluster of the scheduler at ``address``, for example ``tcp://10.0.0.1:8786``."""

    def __init__(self, programs: Programs, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            hint = message("cluster.install")
            raise fail(message("cluster.distributed"), hint=hint) from None
        self.programs = programs
        self.address = address
        self._client: Any = _connected(Client, address)
        try:
            self._check()
        except BaseException:
            self._client.close()
            raise
        threads = sum(self._client.nthreads().values())
        self.ahead = 3 * threads + 2
        self.told: str = message(
            "data_set.threads" if threads > 1 else "data_set.thread", count=threads, address=address
        )
        self._executor: Any = self._client.get_executor(pure=False)
        self._programs: dict[Program, Any] = {}
        self._slices: dict[int, Any] = {}
        self._parameters: Any = None
        self._none_since: float | None = None

    def _check(self) -> None:
        """That there are workers, and that they have what we have."""
        try:
            self._client.wait_for_workers(1, timeout=ANSWER)
        except TimeoutError:
            hint = message("cluster.start", address=self.address)
            raise fail(message("cluster.no_workers", address=self.address), hint=hint) from None
        own = versions()
        for worker, theirs in sorted(self._client.run(versions, on_error="return").items()):
            if isinstance(theirs, BaseException):
                hint = message("cluster.install_there")
                raise fail(message("cluster.import", worker=worker, reason=theirs), hint=hint)
            if tuple(theirs) != own:
                there = {"own": theirs[0], "numpy": theirs[1], "own_here": own[0], "numpy_here": own[1]}
                raise fail(message("cluster.versions", worker=worker, **there), hint=message("cluster.same"))

    def _sent(self, value: Any) -> Any:
        """A name for a value that is sent to the cluster and stays there while the name lives."""
        import dask

        with dask.config.set(_LARGE):
            return self._client.submit(hold, value, pure=False)

    def begin(self, parameters: Mapping[str, Array]) -> None:
        """Send the parameters of a step."""
        self._parameters = self._sent(dict(parameters))

    def submit(self, number: int) -> Future[Partial]:
        """A task of names; the slices of its chunk are sent when it is first asked for."""
        chunk = self.programs.chunks[number]
        program = self.programs.of(chunk).program
        if program not in self._programs:
            self._programs[program] = self._sent(program)
        if number not in self._slices:
            self._slices[number] = self._sent(self.programs.arrays(chunk))
        future: Future[Partial] = self._executor.submit(
            run, self._programs[program], self._parameters, self._slices[number]
        )
        return future

    def taken(self, number: int, result: Partial) -> Partial:
        """It is all there."""
        return result

    def look(self) -> None:
        """A cluster without workers computes nothing, and would be waited for without an end."""
        if self._client.status != "running":
            raise ChunkLost((), message("cluster.gone", address=self.address))
        if self._client.nthreads():
            self._none_since = None
            return
        now = time.monotonic()
        self._none_since = self._none_since or now
        if now - self._none_since > PATIENCE:
            text = message("cluster.waited", address=self.address, seconds=f"{PATIENCE:.0f}")
            raise ChunkLost((), text)

    def again(self, error: BaseException, waiting: Sequence[int]) -> bool:
        """Never: Dask has computed again what was worth it."""
        from distributed import KilledWorker

        told = self.programs.told(waiting[0])
        if isinstance(error, KilledWorker):
            text = message("cluster.gave_up", chunk=told)
            raise ChunkLost(waiting[:1], text, message("data_set.memory_hint")) from error
        if isinstance(error, CancelledError) or _is_of_dask(error):
            text = message("cluster.dropped", address=self.address, chunk=told)
            raise ChunkLost(waiting[:1], text, message("cluster.restarted")) from error
        return False

    def close(self) -> None:
        """Leave the cluster; it goes on without us."""
        self._client.close()


def _is_of_dask(error: BaseException) -> bool:
    """Whether an error comes from where Dask takes a future's result, and not from a worker: a task that is dropped at
    that moment ends there with a ValueError instead of being cancelled (distributed 2026.8, cfexecutor.py)."""
    trace = error.__traceback__ if type(error) is ValueError else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__") == "distributed.cfexecutor"


def _connected(kind: Any, address: str) -> Any:
    """A client of the scheduler. Raises ProblemError."""
    _check_address(address)
    client = kind.__new__(kind)
    try:
        client.__init__(address, timeout=ANSWER, set_as_default=False)
    except Exception as error:  # what is no scheduler may answer with anything, also with lengths that no memory has
        client.status = "closed"  # or it would try to say good-bye, with tracebacks, when it is collected
        reason = str(error).partition("\n")[0][:120]
        if not isinstance(error, OSError):  # TimeoutError is one
            reason = message("cluster.answer", reason=reason)
        raise fail(message("cluster.no_answer", address=address), hint=reason or None) from None
    return client


def _check_address(address: str) -> None:
    """That an address has a host and a port. Raises ProblemError."""
    scheme, _, place = address.partition("://")
    host, _, port = place.rpartition(":")
    good = port.isascii() and port.isdigit() and 0 < int(port[:9]) <= MOST_PORT and len(port) <= len(str(MOST_PORT))
    if not (scheme and host and good and host.startswith("[") == host.endswith("]")):
        raise fail(
            message("cluster.address", address=address),
            hint=message("cluster.address_form"),
        )
