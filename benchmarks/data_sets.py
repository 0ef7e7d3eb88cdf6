"""Gradients of 400 sequences: in this process, by two processes, by a Dask cluster of two workers on this machine.

    python data_sets.py

An LSTM with a squared error at every step, float64, chunks of 25 sequences. A step is one gradient of the whole data
set; the three ways take turns, and the sums must be the same bit for bit. Start-up is the time of all up to the end of
the first step, less the second step: compiling, starting processes, sending the data.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from typing import Any

from _common import (
    ROUNDS,
    answer,
    goal,
    interleaved,
    least_and_median,
    limited,
    save,
    shown,
    table,
    table_of,
    worker_arguments,
)

SEQUENCES, CHUNK = 400, 25
CASES = ((128, 64, 64, 100), (32, 16, 8, 50))  # hidden units, inputs, outputs, steps
WAYS = ("this process", "2 processes", "Dask, 2 workers")
GATES = "ifgo"
HEAD = ("", "start-up", "step: least", "median", "speed-up", "steps until start-up is paid")


def document(hidden: int, inputs: int, outputs: int) -> str:
    """An LSTM with one short sequence as a sample."""
    names = [f"{kind}_{gate}" for gate in GATES for kind in "WUb"]
    parameters = ", ".join(f"{name}: random" for name in [*names, "W_y", "b_y"])
    sizes = f"{{input: {inputs}, hidden: {hidden}, output: {outputs}}}"
    sample = {"x": [[0.1] * inputs] * 2, "d": [[0.1] * outputs] * 2}
    network = f"network: {{topology: lstm, sizes: {sizes}, loss: squared_error}}"
    return f"{network}\ndata: {json.dumps(sample)}\nparameters: {{{parameters}}}\n"


def same_bits(one: Any, other: Any) -> bool:
    """Whether two sums do not differ in one bit."""
    pairs = ((g, other.gradients[name]) for name, g in one.gradients.items())
    return bool(one.loss == other.loss) and all(g.tobytes() == h.tobytes() for g, h in pairs)


def measure(case: int) -> None:
    """In a process of its own: all three ways for one size."""
    import numpy as np
    from distributed import LocalCluster

    from bptt_solver.api import loads
    from bptt_solver.datasets.sums import Sums

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    hidden, inputs, outputs, steps = CASES[case]
    problem = loads(document(hidden, inputs, outputs))
    random = np.random.default_rng(0)
    data = {"x": random.normal(size=(SEQUENCES, steps, inputs)), "d": random.normal(size=(SEQUENCES, steps, outputs))}
    started = time.perf_counter()
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        cluster.wait_for_workers(2)
        cluster_start = time.perf_counter() - started
        executors = dict(zip(WAYS, (None, 2, cluster.scheduler_address), strict=True))
        ways, first, second, results = {}, {}, {}, {}
        for name, executor in executors.items():
            started = time.perf_counter()
            ways[name] = Sums(problem, data, executor, CHUNK)
            results[name] = ways[name].gradient()
            first[name] = time.perf_counter() - started
            ways[name].gradient()
            second[name] = time.perf_counter() - started - first[name]
        for name, result in results.items():
            if not same_bits(result, results[WAYS[0]]):
                raise SystemExit(f"{name} adds up to something else")

        def step(name: str) -> float:
            started = time.perf_counter()
            found = ways[name].gradient()
            spent = time.perf_counter() - started
            if not same_bits(found, results[WAYS[0]]):
                raise SystemExit(f"{name} adds up to something else in a later step")
            return spent

        times = interleaved({name: lambda name=name: step(name) for name in WAYS}, 3 * ROUNDS)  # type: ignore[misc]
        for sums in ways.values():
            sums.close()
    size = sum(array.nbytes for array in data.values()) / 1e6
    gradients = sum(g.nbytes for g in results[WAYS[0]].gradients.values()) / 1e6
    answer(times=times, first=first, second=second, cluster=cluster_start, data=size, gradients=gradients)


def main() -> None:
    """Measure, print and save."""
    goals_cases, tables, saved = [], [], {}
    for case, (hidden, inputs, outputs, steps) in enumerate(CASES):
        command = [sys.executable, __file__, "--worker", str(case)]
        done = subprocess.run(command, env=limited(1), check=True, capture_output=True, text=True, timeout=500)
        found = json.loads(done.stdout.splitlines()[-1])
        rows, serial = [], least_and_median(found["times"][WAYS[0]])
        for name in WAYS:
            least, median = least_and_median(found["times"][name])
            startup = max(found["first"][name] - found["second"][name], 0.0)
            gained = serial[0] - least
            pays = "" if name == WAYS[0] else f"{startup / gained:.0f}" if gained > 0 else "never"
            rows.append((name, shown(startup), shown(least), shown(median), f"{serial[0] / least:.2f}", pays))
            if case == 0 and name != WAYS[0]:
                goals_cases.append((name, serial[0] / least, 1.0))
        title = (
            f"LSTM, {SEQUENCES} sequences of {steps} steps, {hidden} units, {inputs} inputs, {outputs} outputs: "
            f"{found['data']:.3g} MB of data, {found['gradients']:.2g} MB of gradients, chunks of {CHUNK}"
        )
        table(title, HEAD, rows)
        tables.append(table_of(title, HEAD, rows))
        print(f"\nThe sums are the same bits. Starting the local Dask cluster took {shown(found['cluster'])}.")
        saved[title] = found
    text = "400 sequences: speed-up over one process (two cores, which the adding process shares)"
    save("data_sets", {"cases": saved}, [goal("data-set-speed-up", text, goals_cases, "at least")], tables)


if __name__ == "__main__":
    arguments = worker_arguments()
    if arguments is None:
        main()
    else:
        measure(int(arguments[0]))
