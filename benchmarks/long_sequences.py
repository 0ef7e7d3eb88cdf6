"""Gradients of long sequences in little memory: ours all at once and under budgets, NumPy by hand, torch, JAX.

    python long_sequences.py [T ...]        default: 10000 100000

An Elman network with 64 units, 8 inputs and outputs and 8 sequences, float64, one thread. Every measurement is a
process of its own; they take turns. Memory is the growth of the resident memory over that of the process with its data
loaded, at its peak (Linux). The numbers are compared before any time is shown.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
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
from _long_peers import ByHand, Peer, by_jax, by_torch

HIDDEN, BATCH, INPUTS, OUTPUTS = 64, 8, 8, 8
SECONDS = 300  # for one measurement
NAMES = ("W_x", "W_h", "b_h", "W_y", "b_y")
FULL, TENTH, SMALL = "ours, all steps at once", "ours, a tenth of the memory", "ours, --memory 1MB"
ROOT, ROOT_TORCH, ROOT_JAX = "NumPy by hand, √T states kept", "torch nn.RNN, checkpoint √T", "JAX scan, checkpoint √T"
PEERS = {
    FULL: "ours",
    TENTH: "tenth",
    SMALL: "1MB",
    "NumPy by hand, all states kept": "hand",
    ROOT: "hand-root",
    "torch nn.RNN": "torch",
    ROOT_TORCH: "torch-root",
    "JAX scan": "jax",
    ROOT_JAX: "jax-root",
}
DOCUMENT = """
equations: |
  a[t] = W_x @ x[t] + W_h @ h[t-1] + b_h for t in 1..T
  h[t] = tanh(a[t]) for t in 1..T
  y[t] = W_y @ h[t] + b_y for t in 1..T
  E = sum(sum((y[t] - d[t])**2)/2 for t in 1..T)
"""


def data(steps: int) -> tuple[list[Any], Any, Any]:
    """Weights, inputs and wanted outputs."""
    random = np.random.default_rng(0)
    shapes = ((HIDDEN, INPUTS), (HIDDEN, HIDDEN), (HIDDEN,), (OUTPUTS, HIDDEN), (OUTPUTS,))
    weights = [random.standard_normal(s) * 0.6 / max(1, s[-1]) ** 0.5 for s in shapes]
    return weights, random.standard_normal((steps, BATCH, INPUTS)), random.standard_normal((steps, BATCH, OUTPUTS))


def root(steps: int) -> int:
    """The divisor of the steps next to their root from below."""
    found = round(steps**0.5)
    while steps % found:
        found -= 1
    return found


def ours(kind: str, weights: list[Any], x: Any, d: Any) -> tuple[Peer, dict[str, Any]]:
    """The document's gradient for these arrays, and what its plan promises."""
    from bptt_solver.api import loads
    from bptt_solver.compile.budget import parse_size
    from bptt_solver.compile.checkpoints import Checkpointed
    from bptt_solver.compile.frame import Frame

    given = {name: value.tolist() for name, value in zip(NAMES, weights, strict=True)}
    rest = {"data": {"x": x[:3, 0].tolist(), "d": d[:3, 0].tolist()}, "values": {"h[0]": [0] * HIDDEN}}
    problem = loads(DOCUMENT + "".join(f"{k}: {json.dumps(v)}\n" for k, v in {**rest, "parameters": given}.items()))
    frame = Frame.of(problem).resized({"T": len(x)}).batched(BATCH)
    arrays = {**dict(zip(NAMES, weights, strict=True)), "x": x, "d": d}
    told: dict[str, Any] = {}
    if kind == "ours":
        from bptt_solver.compile.program import compile_frame

        program = compile_frame(frame, [], NAMES)
        run: Callable[[dict[str, Any]], dict[str, Any]] = program.load()
        inputs = list(program.inputs)
    else:
        roomy = Checkpointed(frame, NAMES, 10**12)
        budget = roomy.plan.full // 10 if kind == "tenth" else parse_size(kind)
        run = cut = Checkpointed(frame, NAMES, budget)
        told = {"plan": cut.plan.data(), "budget": budget}
        inputs = list(cut.compiled("last", cut.plan.end, cut.plan.segments == 1).inputs)
    label = next((n for n in inputs if n.startswith("h") and n not in arrays), "h[0]")
    arrays[label] = np.zeros((BATCH, HIDDEN))
    if "h" not in arrays:
        arrays["h"] = np.zeros((1, BATCH, HIDDEN))

    def gradient() -> tuple[float, list[Any]]:
        found = run(arrays)
        target = "total" if "total" in found else "E"
        return float(found[target]), [found[f"∂⁺{target}/∂{name}"] for name in NAMES]

    return gradient, told


def made(kind: str, steps: int, weights: list[Any], x: Any, d: Any) -> tuple[Peer, dict[str, Any]]:
    """What is measured, and what is told of it."""
    segment = root(steps) if kind.endswith("-root") else 0
    if kind.startswith("hand"):
        return ByHand(weights, x, d, segment), {}
    if kind.startswith("torch"):
        return by_torch(weights, x, d, segment), {}
    if kind.startswith("jax"):
        return by_jax(weights, x, d, segment), {}
    return ours(kind, weights, x, d)


# ------------------------------------------------------------------ memory


def kilobytes(field: str) -> int:
    """A line of /proc/self/status."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(f"{field}:"))


def peak_from_here() -> int:
    """Set the mark of the peak back; the resident memory now, in kB. What is free is given back first: memory that is
    used again would not be seen."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    return kilobytes("VmRSS")


def measure(kind: str, steps: int) -> None:
    """In a process of its own: the peak of the first gradient, the times of two more."""
    weights, x, d = data(steps)
    small, _ = made("1MB" if kind == "tenth" else kind, 4, *data(4))  # imports, and what libraries make once
    small()
    del small
    run, told = made(kind, steps, weights, x, d)
    before = peak_from_here()  # arrays that were made and not written to are not resident yet
    loss, gradients = run()
    grown = (kilobytes("VmHWM") - before) / 1024
    check = [loss, *(float(np.asarray(g).ravel() @ np.cos(np.arange(g.size))) for g in gradients)]
    times = []
    for _ in range(2):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    answer(times=times, megabytes=grown, check=check, **told)


# ------------------------------------------------------------------ the parent


def agrees(check: list[float], known: list[float]) -> bool:
    """Whether the loss and the sums over the gradients are those of the first peer."""
    return all(abs(a - b) <= 1e-8 * max(1.0, abs(b)) for a, b in zip(check, known, strict=True))


def ask(kind: str, steps: int) -> dict[str, Any]:
    """One measurement; ``error`` where it fails."""
    command = [sys.executable, __file__, "--worker", kind, str(steps)]
    try:
        done = subprocess.run(command, env=limited(1), capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"over {SECONDS} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1][:120]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(steps: int) -> list[dict[str, Any]]:
    """All peers for one length, as rows."""

    def task(kind: str) -> Callable[[], dict[str, Any]]:
        return lambda: ask(kind, steps)

    found = interleaved({name: task(kind) for name, kind in PEERS.items()}, ROUNDS)
    known = found[FULL][0]["check"]
    rows: list[dict[str, Any]] = []
    for name, runs in found.items():
        error = next((r["error"] for r in runs if "error" in r), None)
        if error is not None:
            rows.append({"name": name, "error": error})
            continue
        if not all(agrees(r["check"], known) for r in runs):
            raise SystemExit(f"{name} computes something else: {runs[0]['check']} and not {known}")
        least, median = least_and_median([t for r in runs for t in r["times"]])
        megabytes = least_and_median([r["megabytes"] for r in runs])[1]
        rows.append({"name": name, "min": least, "median": median, "megabytes": megabytes, "plan": runs[0].get("plan")})
    return rows


HEAD = ("", "least", "median", "× ours at once", "memory", "% of ours at once", "steps forward again")


def cells(row: dict[str, Any], full: dict[str, Any], steps: int) -> list[str]:
    """A row as texts."""
    if "error" in row:
        return [row["name"], row["error"], *[""] * (len(HEAD) - 2)]
    return [
        row["name"],
        shown(row["min"]),
        shown(row["median"]),
        f"{row['min'] / full['min']:.2f}",
        f"{row['megabytes']:.3g} MB",
        f"{100 * row['megabytes'] / full['megabytes']:.3g}",
        f"{row['plan']['forward_steps'] / steps:.2f} T" if row["plan"] else "",
    ]


def main() -> None:
    """Measure, compare, print and save."""
    lengths = [int(float(word)) for word in sys.argv[1:]] or [10_000, 100_000]
    tables, times, memories, data_of = [], [], [], {}
    for steps in lengths:
        rows = compare(steps)
        by_name = {row["name"]: row for row in rows}
        full, tenth = by_name[FULL], by_name[TENTH]
        title = f"T = {steps:,}, H = {HIDDEN}, B = {BATCH}, float64, one thread"
        texts = [cells(row, full, steps) for row in rows]
        table(title, HEAD, texts)
        tables.append(table_of(title, HEAD, texts))
        data_of[str(steps)] = rows
        times.append((f"T = {steps:,}", tenth["min"] / full["min"], 1.5))
        memories.append((f"T = {steps:,}", tenth["megabytes"] / full["megabytes"], 0.1))
        print(f"\na tenth of the memory: {memories[-1][1]:.3f} of it, {times[-1][1]:.2f} times the time")
    goals = [
        goal("long-time", "Checkpoints in a tenth of the memory: times the time of all steps at once", times),
        goal("long-memory", "Checkpoints in a tenth of the memory: share of the memory that is used", memories),
    ]
    sizes = {"hidden": HIDDEN, "batch": BATCH, "inputs": INPUTS, "outputs": OUTPUTS, "rounds": ROUNDS}
    save("long_sequences", {**sizes, "steps": data_of}, goals, tables)


if __name__ == "__main__":
    arguments = worker_arguments()
    if arguments is None:
        main()
    else:
        measure(arguments[0], int(arguments[1]))
