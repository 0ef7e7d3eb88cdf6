"""The gradient of all weights of an RNN and an LSTM: our programs beside code by hand, PyTorch, Numba and JAX.

    python benchmarks/rnn_gradient.py [--quick] [--all] [--seconds 240] [--sizes textbook,middle] [--threads 1,2]

Every peer is a process of its own, bound to one core or two; they are timed in turn. What they give is compared before
times are shown. Goals: docs/measured.md, which page.py makes from what this writes. Takes four to five minutes on a
quiet machine: within ``--seconds`` every table has five rounds, after that three. ``--all`` has our Numba programs at
the large sizes as well, which Numba compiles for ten seconds and more each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import _by_hand as hand
import _by_numba as numba_hand
import _common as common
import _frameworks as frameworks
import _race as race
import _sequences as sequences

Row = dict[str, Any]

OURS = {
    "ours, NumPy": sequences.ours("numpy"),
    "ours, straight-line": sequences.straight("python"),
    "ours, straight-line, Numba": sequences.straight("numba"),
    "ours, Numba": sequences.ours("numba"),
    "ours, JAX": sequences.ours("jax"),
    "ours, PyTorch": sequences.ours("torch"),
}
NUMPY = {
    "NumPy by hand, naive": {"rnn": hand.rnn_naive, "lstm": hand.lstm_naive},
    "NumPy by hand, best": {"rnn": hand.rnn_best, "lstm": hand.lstm_best},
    "NumPy by hand, in blocks": {"rnn": hand.rnn_blocked},
}
TORCH = {"torch.nn layer": frameworks.torch_layers, "torch, loop of cells": frameworks.torch_eager}
OTHERS = {
    "Numba by hand, BLAS": numba_hand.by_numba(True),
    "Numba by hand, loops": numba_hand.by_numba(False),
    "JAX scan": frameworks.jax_scan(False),
    "JAX scan, inputs before it": frameworks.jax_scan(True),
}
LIMIT = "limit: matrix products alone"
WEIGHT = {"textbook": 1.0, "characters": 1.0, "middle": 2.0, "large": 8.0}  # of the time that there is


def make(task: dict[str, Any]) -> race.Made:
    """What a peer makes of a task."""
    name = task["peer"]
    if name == LIMIT:
        return hand.products(task)
    if name in NUMPY:
        if task["cell"] not in NUMPY[name]:
            raise race.Skipped("not written for this cell")
        return NUMPY[name][task["cell"]](task)
    functions: Mapping[str, Callable[[Mapping[str, Any]], race.Made]] = {**OURS, **TORCH, **OTHERS}
    return functions[name](task)


def load(task: dict[str, Any]) -> None:
    """Import what a peer needs, before its clock runs; ours has read another document before."""
    import importlib

    name = task["peer"]
    found = {"JAX": "jax", "PyTorch": "torch", "torch": "torch", "Numba": "numba"}
    importlib.import_module(next((module for word, module in found.items() if word in name), "numpy"))
    if name in OURS:
        sequences.compiled({"cell": "rnn", "size": "textbook"}, "numpy")


def configurations(asked: argparse.Namespace, cells: Sequence[str] = ("rnn", "lstm")) -> list[dict[str, Any]]:
    """What is measured."""
    sizes = asked.sizes.split(",") if asked.sizes else ["textbook", "middle"] if asked.quick else [*sequences.SIZES]
    dtypes = ("float64",) if asked.quick else ("float64", "float32")
    counts = [int(n) for n in asked.threads.split(",")] if asked.threads else [1] if asked.quick else [1, 2]
    return [
        {"cell": cell, "size": size, "dtype": dtype, "threads": threads}
        for threads in counts
        for cell in cells
        for size in sizes
        for dtype in dtypes
    ]


def measured(
    script: str,
    todo: Sequence[dict[str, Any]],
    peers: Callable[[dict[str, Any]], Sequence[str]],
    reference: str,
    seconds: float,
    quick: bool,
) -> list[tuple[dict[str, Any], list[Row]]]:
    """The rows of every configuration, each with its ratios to the best NumPy by hand and to the limit."""
    end, results = time.perf_counter() + seconds, []
    races: dict[int, race.Race] = {}
    for at, task in enumerate(todo):
        threads = task["threads"]
        if threads not in races:
            for other in races.values():
                other.close()
            races[threads] = race.Race(script, threads)
        rest = sum(WEIGHT[t["size"]] for t in todo[at:])
        share = max(0.0, end - time.perf_counter()) * WEIGHT[task["size"]] / rest
        tasks = {name: {"peer": name, **task} for name in peers(task)}
        rows = races[threads].run(tasks, share * 0.7, 3 if quick else 5, 0.01 if quick else 0.02)
        common_rows = [row for row in rows if "skipped" not in row]
        race.checked(common_rows, reference, sequences.TOLERANCE[task["dtype"]])
        results.append((task, common_rows))
        print_table(task, common_rows)
    for other in races.values():
        other.close()
    return results


def fastest(rows: Sequence[Row], names: Sequence[str]) -> float | None:
    """The least time of some peers, None where none of them has one."""
    times = [row["min"] for row in rows if row["peer"] in names and "min" in row]
    return min(times) if times else None


def ratio(one: float | None, other: float | None) -> float | None:
    """A time over another one; None where one of them is missing."""
    return None if one is None or other is None else one / other


HEAD = ["", "least", "median", "× best NumPy by hand", "× limit", "ready after"]


def shown_rows(rows: Sequence[Row]) -> list[list[str]]:
    """The cells of a table. What gave other numbers than the rest has no times."""
    best = fastest(rows, [row["peer"] for row in rows if row["peer"].startswith("NumPy by hand")])
    limit = fastest(rows, [LIMIT])
    found = []
    for row in rows:
        if "min" not in row:
            said = f"WRONG, off by {row['wrong']}" if "wrong" in row else f"failed: {row.get('error', 'unknown')}"
            found.append([row["peer"], said, "", "", "", ""])
            continue
        ratios = [ratio(row["min"], other) for other in (best, limit)]
        times = [common.shown(row[key]) for key in ("min", "median")]
        shown = ["" if r is None else f"{r:.2f}" for r in ratios]
        found.append([row["peer"], *times, *shown, common.shown(row["ready"])])
    return found


def print_table(task: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """One configuration on the screen."""
    common.table(sequences.title(task), HEAD, shown_rows(rows))


Results = Sequence[tuple[dict[str, Any], list[Row]]]


def cases(
    results: Results,
    one: Callable[[dict[str, Any]], Sequence[str]],
    other: Callable[[dict[str, Any]], Sequence[str]],
    limit: float,
) -> list[tuple[str, float | None, float]]:
    """A case for every configuration: the fastest of some peers over the fastest of others."""
    return [
        (sequences.title(task), ratio(fastest(rows, one(task)), fastest(rows, other(task))), limit)
        for task, rows in results
    ]  # fmt: skip


def torch_rivals(task: Mapping[str, Any]) -> list[str]:
    """PyTorch's rows, but for its fused LSTM in float32, which is no goal."""
    fused = task["cell"] == "lstm" and task["dtype"] == "float32"
    return [name for name in TORCH if not (fused and name == "torch.nn layer")]


def goals(results: Results) -> list[dict[str, Any]]:
    """The goals of this workload with their cases."""
    ours = ["ours, NumPy", "ours, straight-line"]  # what runs without extras
    return [
        common.goal(
            "numpy_by_hand",
            "Our program without extras (NumPy; at textbook size straight-line Python) takes at most 1.15 times the "
            "best NumPy by hand.",
            cases(results, lambda _: ours, lambda _: list(NUMPY), 1.15),
        ),
        common.goal(
            "numpy_torch",
            "Our program without extras is ahead of PyTorch everywhere, but for its fused LSTM in float32.",
            cases(results, lambda _: ours, torch_rivals, 1.0),
        ),
        common.goal(
            "best_backend",
            "The fastest of our programs is at or below the fastest of torch.nn, a loop in PyTorch, Numba by hand and "
            "a scan in JAX.",
            cases(results, lambda _: list(OURS), lambda _: [*TORCH, *OTHERS], 1.0),
        ),
    ]


def peers_of(everything: bool) -> Callable[[dict[str, Any]], list[str]]:
    """The peers of a configuration, in the order in which they are shown."""

    def peers(task: dict[str, Any]) -> list[str]:
        large = task["size"] in ("middle", "large")
        left_out = ("ours, Numba", "NumPy by hand, naive") if large and not everything else ()
        return [n for n in (*OURS, *NUMPY, *TORCH, *OTHERS, LIMIT) if n not in left_out]

    return peers


def arguments(seconds: float) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="two sizes, float64, one thread")
    parser.add_argument("--all", action="store_true", help="our Numba programs at the large sizes as well")
    parser.add_argument("--seconds", type=float, default=seconds)
    parser.add_argument("--sizes", help="textbook, characters, middle, large")
    parser.add_argument("--threads", help="1, 2")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write ``rnn_gradient.json``."""
    asked = arguments(240.0)
    todo = configurations(asked)
    results = measured(__file__, todo, peers_of(asked.all), "NumPy by hand, best", asked.seconds, asked.quick)
    tables = [common.table_of(sequences.title(task), HEAD, shown_rows(rows)) for task, rows in results]
    data = {"results": [{"task": task, "rows": rows} for task, rows in results]}
    common.save("rnn_gradient", data, goals(results), tables, asked.quick)


if __name__ == "__main__":
    if race.serving():
        race.serve(make, load)
    else:
        main()
