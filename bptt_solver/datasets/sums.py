"""The loss and the gradient of a data set: those of its chunks, added in the order of the chunks.

The order does not depend on which chunk is ready first, so the sum is the same bit for bit whatever computes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, wait
from typing import TYPE_CHECKING, Any

from bptt_solver.catalogues import message
from bptt_solver.datasets.alone import Alone
from bptt_solver.datasets.data import DataSet
from bptt_solver.datasets.executors import ByExecutor, Serial, Way
from bptt_solver.datasets.programs import Programs
from bptt_solver.datasets.worker import Partial
from bptt_solver.errors import fail, suggest
from bptt_solver.problem.problem import Problem
from bptt_solver.system import Instance
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating]

CHUNK = 32  # sequences
_LOOK = 2.0  # seconds between two looks at whether a chunk can still come
Progress = Callable[[int, int], object]  # gets how many chunks were added, and how many there are


class Summed:
    """``loss``: the sum of the target over all sequences; ``gradients``: the sum of its ordered derivatives by each
    wanted parameter, by name (``W_h``, ``h[0]``), in the parameter's shape. ``chunks`` and ``told`` say how it was
    computed, ``note`` what slows it down."""

    __slots__ = ("chunk", "chunks", "gradients", "loss", "note", "sequences", "target", "told")

    def __init__(
        self,
        target: str,
        loss: float,
        gradients: dict[str, Array],
        *,
        sequences: int,
        chunk: int,
        chunks: int,
        told: str,
        note: str = "",
    ) -> None:
        self.target = target
        self.loss = loss
        self.gradients = gradients
        self.sequences = sequences
        self.chunk = chunk
        self.chunks = chunks
        self.told = told
        self.note = note

    def data(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "target": self.target,
            "sequences": self.sequences,
            "chunk": self.chunk,
            "chunks": self.chunks,
            **({"note": self.note} if self.note else {}),
            "loss": self.loss,
            "gradients": {name: array.tolist() for name, array in self.gradients.items()},
        }


class Sums:
    """Computes gradients of one data set, as often as wanted; a context manager, since processes and connections are
    kept between the steps.

    ``executor``: None computes in this process; a number starts so many processes; a text is the address of a Dask
    scheduler; a `concurrent.futures.Executor` is used and not closed. ``chunk``: sequences in a task. ``retries``: how
    often the chunks of lost processes are computed again in one step (Dask does that itself). Raises ProblemError.
    """

    def __init__(
        self,
        problem: Problem,
        data: DataSet | Mapping[str, Any],
        executor: Executor | int | str | None = None,
        chunk: int = CHUNK,
        retries: int = 0,
    ) -> None:
        self.problem = problem
        self.data = data if isinstance(data, DataSet) else DataSet(data)
        self.chunk = chunk
        self.programs = Programs(problem, self.data, chunk)
        self._parameters: Mapping[str, Array] = {}
        self._way: Way = self._chosen(executor, retries)

    def _chosen(self, executor: Executor | int | str | None, retries: int) -> Way:
        if executor is None or not self.programs.chunks:
            return ByExecutor(self.programs, Serial(), message("data_set.in_process"))
        if isinstance(executor, int):
            from bptt_solver.datasets.processes import Processes

            return Processes(self.programs, executor, retries)
        if isinstance(executor, str):
            from bptt_solver.datasets.cluster import Cluster

            return Cluster(self.programs, executor)
        return ByExecutor(self.programs, executor)

    def __enter__(self) -> Sums:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what was started. The object cannot be used after that."""
        self._way.close()

    def gradient(self, parameters: Mapping[str, Any] | None = None, progress: Progress | None = None) -> Summed:
        """The loss and the gradients, with the document's values or with others (``{'W_h': array}``) in their place.
        Raises ProblemError: for wrong parameters, numbers that are not finite, and what was lost on the way."""
        values = self._values(parameters or {})
        for chunk in self.programs.chunks:  # all programs, so that their parameters are known
            self.programs.of(chunk)
        total = _Total(self.programs)
        self._parameters = self.programs.parameters(values)
        self._way.begin(self._parameters)
        futures: dict[int, Future[Partial]] = {}
        last = len(self.programs.chunks)
        try:
            for number in range(last):
                for ahead in range(number + len(futures), min(last, number + self._way.ahead)):
                    futures[ahead] = self._submitted(ahead)
                total.add(number, self._result(number, futures))
                if progress is not None:
                    progress(number + 1, last)
        finally:
            for future in futures.values():
                future.cancel()
        return self._summed(total, values)

    def _result(self, number: int, futures: dict[int, Future[Partial]]) -> Partial:
        """The result of a chunk, which is taken from ``futures``; those that were lost with it are submitted again."""
        while True:
            while not wait([futures[number]], _LOOK).done:
                self._way.look()
            error = _failure(futures[number])
            if error is None:
                result = futures.pop(number).result()
                return result if self._local(number) is not None else self._way.taken(number, result)
            waiting = [n for n, future in futures.items() if not future.done() or _failure(future) is not None]
            if not self._way.again(error, waiting):
                error.add_note(f"in {self.programs.told(number)}")
                if isinstance(error, MemoryError):
                    raise fail(
                        message("data_set.not_enough", chunk=self.programs.told(number)),
                        hint=message("data_set.smaller"),
                    )
                alone = isinstance(self.programs.of(self.programs.chunks[number]), Alone)
                if alone and isinstance(error, (ArithmeticError, ValueError)):  # single numbers have no inf and nan
                    hint = message("data_set.alone")
                    raise fail(
                        message("data_set.not_computed", chunk=self.programs.told(number), reason=error), hint=hint
                    ) from error
                raise error
            for n in waiting:
                if _failure(futures[n]) is not None:
                    futures[n] = self._submitted(n)

    def _submitted(self, number: int) -> Future[Partial]:
        """The future of a chunk; it has failed if nothing can be submitted any more."""
        local = self._local(number)
        if local is not None:
            chunk = self.programs.chunks[number]
            return Serial().submit(local, self._parameters, self.programs.arrays(chunk))
        try:
            return self._way.submit(number)
        except (BrokenExecutor, CancelledError) as error:
            failed: Future[Partial] = Future()
            failed.set_exception(error)
            return failed

    def _local(self, number: int) -> Callable[..., Partial] | None:
        """What computes a chunk here, where no worker can."""
        return self.programs.of(self.programs.chunks[number]).local

    def _values(self, parameters: Mapping[str, Any]) -> Mapping[Instance, Any]:
        import numpy

        values = dict(self.problem.given)
        names = {instance_text(key): key for key in values}
        for name, value in parameters.items():
            key = names.get(name)
            if key is None:
                raise fail(message("data_set.not_given", name=name), hint=suggest(name, names))
            array = numpy.asarray(value, self.data.dtype)
            expected = numpy.shape(numpy.asarray(values[key], dtype=float))
            if array.shape != expected:
                raise fail(message("data_set.value_shape", name=name, shape=array.shape, expected=expected))
            values[key] = array
        return values

    def _summed(self, total: _Total, values: Mapping[Instance, Any]) -> Summed:
        import numpy

        dtype = numpy.dtype(self.data.dtype)
        gradients: dict[str, Array] = {}
        for key, found in zip(self.programs.wanted, total.gradients, strict=True):
            zero = numpy.zeros(numpy.shape(numpy.asarray(values[key], dtype=float)), dtype)
            gradients[instance_text(key)] = zero if found is None else found.astype(dtype)
        return Summed(
            instance_text((self.problem.target.name, tuple(i.constant for i in self.problem.target.indices))),
            total.loss,
            gradients,
            sequences=self.data.count,
            chunk=self.chunk,
            chunks=len(self.programs.chunks),
            told=self._way.told,
            note=self.programs.note(),
        )


class _Total:
    """The sum so far, in float64."""

    def __init__(self, programs: Programs) -> None:
        self.programs = programs
        self.loss = 0.0
        self.gradients: list[Array | None] = [None] * len(programs.wanted)

    def add(self, number: int, part: Partial) -> None:
        """Add one chunk. Raises ProblemError for what is not finite."""
        import numpy

        chunk = self.programs.chunks[number]
        there = [at for at, zero in enumerate(self.programs.of(chunk).zero) if not zero]
        _check(part.loss, message("data_set.loss"), self.programs, number)
        self.loss += part.loss
        for at, gradient in zip(there, part.gradients, strict=True):
            _check(
                gradient,
                message("data_set.gradient_by", name=instance_text(self.programs.wanted[at])),
                self.programs,
                number,
            )
            before = self.gradients[at]
            if before is None:
                self.gradients[at] = numpy.array(gradient, numpy.float64)
            else:
                before += gradient


def _check(value: Any, what: str, programs: Programs, number: int) -> None:
    import numpy

    if not numpy.isfinite(value).all():
        wrong = numpy.asarray(value)[~numpy.isfinite(value)].ravel()[0]
        raise fail(
            message("data_set.not_finite", what=what, chunk=programs.told(number), value=wrong),
            hint=message("data_set.alone"),
        )


def _failure(future: Future[Partial]) -> BaseException | None:
    """What went wrong in a task that is done; None if nothing did, or if it is not done."""
    if future.cancelled():
        return CancelledError()
    return future.exception() if future.done() else None


def dataset_gradient(
    problem: Problem,
    data: DataSet | Mapping[str, Any],
    executor: Executor | int | str | None = None,
    chunk: int = CHUNK,
    retries: int = 0,
    progress: Progress | None = None,
) -> Summed:
    """The loss and the gradient of a data set, once; see `Sums` for the arguments and the errors.

    ``data`` are sequences by the names that the document gives for one: ``{"x": (n, T, D), "d": (n, T, K)}``, or lists
    of arrays where they differ in their lengths. ``progress`` is called after each chunk with the number of
    chunks added and of all.
    """
    with Sums(problem, data, executor, chunk, retries) as sums:
        return sums.gradient(progress=progress)
