"""The folded adjoint of an LSTM: its cost must not depend on the number of time steps.

    python benchmarks/folded_lstm.py

Goal: the same at T = 10 and T = 10,000, at most 10 ms after warm-up.
"""

from __future__ import annotations

from functools import partial

import _common as common

STEPS = (10, 10_000)
CALLS = 20


def worker(steps: int) -> None:
    """The first call and the least and the median of the calls after it."""
    from bptt_solver import loads
    from bptt_solver.chain_rule import differentiate

    problem = loads(common.lstm(steps))
    times = []
    for _ in range(CALLS):
        clock = common.Clock()
        backward = differentiate(problem.system, problem.target)
        times.append(clock.read()["cpu"])
    low, median = common.least_and_median(times[1:])
    common.answer(
        first=times[0], least=low, median=median, equations=len(backward.equations) - len(problem.system.equations)
    )


def main() -> None:
    """Print one table."""
    rounds = common.ROUNDS
    results = common.interleaved({str(t): partial(common.ask, __file__, str(t)) for t in STEPS}, rounds)
    rows = []
    for name, found in results.items():
        first, least = (common.shown(min(f[part] for f in found)) for part in ("first", "least"))
        median = common.least_and_median([f["median"] for f in found])[1]
        rows.append([f"{int(name):,}", found[0]["equations"], first, least, common.shown(median)])
    head = ["T", "backward equations", "first call, least", "later calls, least", "later calls, median"]
    common.table(f"differentiate() of a scalar LSTM: CPU time, {rounds} processes of {CALLS} calls", head, rows)


if __name__ == "__main__":
    arguments = common.worker_arguments()
    if arguments is None:
        main()
    else:
        worker(int(arguments[0]))
