"""Imports what a solve needs and solves two small documents once: processes that are forked from here begin warm.

It is imported by the process that multiprocessing forks others from, before anything is asked of it.
"""

from __future__ import annotations

import gc
import signal

_FIRST = "equations: |\n  h[t] = tanh(w*x[t] + u*h[t-1]) for t in 1..T\n  E = sum(h[t]**2 for t in 1..T)\n"
_SECOND = "network: {topology: elman, sizes: {input: 2, hidden: 2, output: 2}, output: softmax, loss: cross_entropy}\n"
DOCUMENTS = (
    _FIRST + "values:\n  h[0]: 0.1\ndata: {x: [1, 2, 3]}\nparameters: {w: 0.5, u: 0.25}\n",
    _SECOND,
    "equations: E = 2*z + (z + 1\nvalues: {z: 1}\n",
)


def warm_up() -> None:
    """Do once what every solve does."""
    from bptt_solver.serve.job import answer

    for text in DOCUMENTS:
        answer({"name": "warm.yaml", "text": text})
    gc.collect()
    gc.freeze()  # what is there now is never collected, so forked processes share it


def ignore_interrupts() -> None:
    """Ctrl-C is for the server, which ends its processes itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ != "__main__":
    ignore_interrupts()
    warm_up()
