"""What the command line calls for a data set: a document and a file in, the loss and the gradients out."""

from __future__ import annotations

import os

from bptt_solver.catalogues import message
from bptt_solver.datasets.reading import read_data_set
from bptt_solver.datasets.sums import CHUNK, Progress, Summed, dataset_gradient
from bptt_solver.errors import fail
from bptt_solver.problem.problem import Problem

SCHEMES = ("tcp://", "tls://", "ucx://", "ws://", "wss://")


def solve_data_set(
    problem: Problem,
    path: str | os.PathLike[str],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    chunk: int | None = None,
    retries: int = 0,
    progress: Progress | None = None,
) -> Summed:
    """The loss and the gradients of all sequences in a file (`read_data_set` says how it is written).

    ``workers`` (``--workers N``) computes in N processes, ``scheduler`` (``--scheduler tcp://...``) on a Dask cluster,
    neither in this process; the result is the same. ``chunk`` (``--chunk N``): sequences in a task, of which the last
    bits do depend. ``retries`` (``--retries N``): how often the chunks of processes that ended are computed again.
    ``progress`` is called after each chunk with the number of chunks added and of all. Raises ProblemError.
    """
    if workers is not None and scheduler is not None:
        raise fail(message("data_set.together"), hint=message("data_set.own_workers"))
    if scheduler is not None and not scheduler.startswith(SCHEMES):
        raise fail(message("cluster.address", address=scheduler), hint=message("data_set.scheduler"))
    if retries < 0:
        raise fail(message("data_set.retries", count=retries), hint=message("data_set.zero"))
    data = read_data_set(problem, path)
    executor = scheduler if scheduler is not None else workers
    return dataset_gradient(problem, data, executor, CHUNK if chunk is None else chunk, retries, progress)
