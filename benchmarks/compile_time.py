"""The time from a document to its compiled gradient, beyond imports, beside the first calls of JAX and torch.compile.

    python benchmarks/compile_time.py [--quick] [--seconds 200]

Every figure is of a fresh process that is bound to one core, and that has imported all modules which the same work has
in `sys.modules` in the end, so that no import is counted, and nothing is warm but that. JAX has started its backend.
Ours begins with the text of a document; the others' time is that until the first gradient is there, less a later call.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import _common as common
import _frameworks as frameworks
import _race as race
import _sequences as sequences

LIMIT = 0.05
OURS = {"ours, NumPy": "numpy", "ours, PyTorch": "torch", "ours, JAX": "jax", "ours, Numba": "numba"}
STRAIGHT = "ours, straight-line"
OTHERS: dict[str, Callable[[dict[str, Any]], race.Made]] = {
    "JAX scan, first call": frameworks.jax_scan(True),
    "torch.compile, first call": frameworks.torch_compiled,
}
SLOW = ("ours, Numba", "torch.compile, first call")  # are measured once
JUDGED = ("ours, NumPy", STRAIGHT)  # by the goal
CELLS = ("rnn", "lstm", "own")


def prepared(peer: str) -> Callable[[dict[str, Any]], dict[str, float]]:
    """What a peer's process does; the seconds of its parts."""

    def ours(task: dict[str, Any]) -> dict[str, float]:
        from bptt_solver.api import loads
        from bptt_solver.compile.frame import Frame
        from bptt_solver.compile.program import compile_frame

        numbers = sequences.Numbers(task)
        steps, count = numbers.sizes[3:]
        times = [time.perf_counter()]
        problem = loads(sequences.document(task["cell"], task["size"]))
        times.append(time.perf_counter())
        frame = Frame.of(problem).resized({"T": steps})
        frame = frame.batched(count) if count > 1 else frame
        program = compile_frame(frame, [], sequences.parameters(task["cell"]), OURS[peer])
        times.append(time.perf_counter())
        function = program.over_numpy(task["dtype"])
        given = sequences.arrays(program, numbers)
        function(given)
        times.append(time.perf_counter())
        function(given)
        again = time.perf_counter() - times[-1]
        read, compiled, first = (b - a for a, b in pairwise(times))
        return {"read": read, "compiled": compiled, "first": max(0.0, first - again)}

    def other(task: dict[str, Any]) -> dict[str, float]:
        make = sequences.straight("python") if peer == STRAIGHT else OTHERS[peer]
        start = time.perf_counter()
        made = make(task)
        made.call()
        ready = time.perf_counter() - start
        start = time.perf_counter()
        made.call()
        return {"first": max(0.0, ready - (time.perf_counter() - start))}

    return ours if peer in OURS else other


def worker(peer: str, cell: str, size: str, modules: str) -> None:
    """Measure, and print the parts; without modules, print those that there are in the end."""
    bound = common.cores(1)
    if bound:
        os.sched_setaffinity(0, bound)
    for name in json.loads(modules):
        with contextlib.suppress(Exception):  # what cannot be imported by its name was made by another module
            importlib.import_module(name)
    if "JAX" in peer:
        jax: Any = importlib.import_module("jax")
        jax.config.update("jax_enable_x64", True)
        jax.numpy.zeros(3).block_until_ready()
    task = {"cell": cell, "size": size, "dtype": "float64", "threads": 1}
    try:
        found: dict[str, Any] = dict(prepared(peer)(task))
    except race.Skipped as reason:
        found = {"skipped": str(reason)}
    if modules == "[]":
        found = {"modules": [n for n in sorted(sys.modules) if not n.startswith("__")], **found}
    common.answer(**found)


def measure(peer: str, cell: str, size: str, modules: list[str]) -> dict[str, Any]:
    """One fresh process; what Numba, Inductor and Triton keep goes to an empty folder."""
    with tempfile.TemporaryDirectory(prefix="compile") as folder:
        env = {**common.limited(1), "XDG_CACHE_HOME": folder, "TORCHINDUCTOR_CACHE_DIR": folder}
        try:
            return common.ask("compile_time.py", peer, cell, size, json.dumps(modules), env=env)
        except subprocess.CalledProcessError as error:
            lines = [line for line in error.stderr.splitlines() if line.strip()]
            return {"error": lines[-1][:200] if lines else f"ended with {error.returncode}"}


def measured(size: str, peers: list[str], rounds: int, end: float) -> list[dict[str, Any]]:
    """One row a cell and peer. When the clock is past ``end``, only what the goal is about goes on. What is slow is
    measured once a cell, with the modules of the first cell."""
    rows: list[dict[str, Any]] = []
    modules: dict[tuple[str, str], list[str]] = {}
    for peer in peers:
        for cell in CELLS:
            rows.append({"peer": peer, "cell": cell, "runs": []})
            listed = (peer, CELLS[0] if peer in SLOW else cell)
            if listed not in modules:
                found = measure(peer, cell, size, [])
                modules[listed] = found.pop("modules", [])
                rows[-1].update({key: found[key] for key in ("error", "skipped") if key in found})
            rows[-1]["modules"] = [] if "skipped" in rows[-1] else modules[listed]
    for count in range(rounds):
        for row in rows:
            late = time.perf_counter() > end and row["peer"] not in JUDGED
            if (count and (row["peer"] in SLOW or late)) or not row["modules"]:
                continue
            found = measure(row["peer"], row["cell"], size, row["modules"])
            if "first" in found:
                row["runs"].append(found)
            else:
                row.update(found, modules=[])
    for row in rows:
        row.pop("modules", None)
        row["totals"] = [sum(run.values()) for run in row["runs"]]
    return [row for row in rows if "skipped" not in row]


HEAD = ["", "cell", "least", "median", "of it: reading", "compiling", "first call"]


def shown_rows(rows: list[dict[str, Any]]) -> list[list[str]]:
    """The cells of a table."""
    found = []
    for row in rows:
        if not row["totals"]:
            found.append([row["peer"], row["cell"], f"none: {row.get('error', 'unknown')}", "", "", "", ""])
            continue
        times = [common.shown(t) for t in common.least_and_median(row["totals"])]
        best = row["runs"][row["totals"].index(min(row["totals"]))]
        parts = [common.shown(best[part]) if part in best else "" for part in ("read", "compiled", "first")]
        found.append([row["peer"], row["cell"], *times, *(parts if "read" in best else ["", "", ""])])
    return found


def main() -> None:
    """Measure, print, and write ``compile_time.json``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one round, without Numba and torch.compile")
    parser.add_argument("--seconds", type=float, default=200.0)
    asked = parser.parse_args()
    end = time.perf_counter() + asked.seconds
    fast = [name for name in (*OURS, "JAX scan, first call") if name not in SLOW]
    todo = {"middle": fast, "textbook": [STRAIGHT, *(() if asked.quick else SLOW)]}
    tables, data, cases = [], {}, []
    for size, peers in todo.items():
        share = end - asked.seconds / 2 if size == "middle" else end
        rows = measured(size, peers, 1 if asked.quick else 5, share)
        title = f"(H, D, K, T, B) = {sequences.SIZES[size]}, float64, 1 thread"
        tables.append(common.table_of(title, HEAD, shown_rows(rows)))
        common.table(title, HEAD, shown_rows(rows))
        data[size] = rows
        for row in rows:
            if row["peer"] in JUDGED:
                least = min(row["totals"], default=None)
                cases.append((f"{row['peer']}, {row['cell']}, {title}", least, LIMIT))
    text = "Seconds from a document to its compiled gradient, beyond imports: at most 0.05."
    common.save("compile_time", data, [common.goal("compile_time", text, cases)], tables, asked.quick)


if __name__ == "__main__":
    given = common.worker_arguments()
    if given is None:
        main()
    else:
        worker(*given)
