"""Shared by the benchmarks: fresh processes in turn, the systems that are measured, tables.

Every measurement is a process of its own. The parent starts them in turn, one round after the other, so that all of
them meet the same noise, and reports the least and the median of the rounds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
RESULTS = Path(os.environ.get("BENCH_OUT") or Path(__file__).parent / "results")
COEFFICIENTS = (1, -1, 2, -2)
KERNELS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NVPL_BLAS_DEBUG_CPU_TYPE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS")


def environment() -> dict[str, str]:
    """The processes' environment: this repository's code, compiled once as in an installation, into our own folder."""
    global _COMPILED  # noqa: PLW0603 - made when it is first needed
    if _COMPILED is None:
        _COMPILED = tempfile.TemporaryDirectory(prefix="compiled")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": paths, "PYTHONPYCACHEPREFIX": _COMPILED.name}


_COMPILED: tempfile.TemporaryDirectory[str] | None = None


def cores(threads: int) -> list[int]:
    """The cores to which a process of so many threads is bound: the last ones that there are."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))[-threads:]


def limited(threads: int) -> dict[str, str]:
    """The environment of a process that may use so many threads. Settings that hold a BLAS to older kernels are left
    out: it is measured as a user has it."""
    found = {key: value for key, value in environment().items() if key not in KERNELS}
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM")
    found.update({f"{name}_NUM_THREADS": str(threads) for name in names})
    found["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        found["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return found


def wall(command: Sequence[str]) -> float:
    """The wall time of a command, in seconds. Raises CalledProcessError if it fails."""
    start = time.perf_counter()
    subprocess.run(command, env=environment(), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def ask(script: str, *arguments: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a script of this folder as a fresh process that prints one line of JSON."""
    command = [sys.executable, str(Path(__file__).parent / script), "--worker", *arguments]
    done = subprocess.run(command, env=env or environment(), check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def interleaved(tasks: Mapping[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, list[Any]]:
    """Every task once a round, in turn; what the rounds gave, by the task's name. A first round is thrown away."""
    for task in tasks.values():
        task()
    results: dict[str, list[Any]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            results[name].append(task())
    return results


def worker_arguments() -> list[str] | None:
    """The arguments behind ``--worker`` if this process was started to measure something."""
    return sys.argv[2:] if sys.argv[1:2] == ["--worker"] else None


def answer(**numbers: Any) -> None:
    """Print a worker's result."""
    print(json.dumps(numbers))


class Clock:
    """CPU and wall time since it was made: ``clock.read()`` is both, in seconds."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def read(self) -> dict[str, float]:
        """``{"cpu": ..., "wall": ...}``."""
        return {"cpu": time.process_time() - self._cpu, "wall": time.perf_counter() - self._wall}


def peak_megabytes() -> float:
    """The most memory that this process held."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# ------------------------------------------------------------------ the systems


def coefficient(i: int, j: int) -> float:
    """The factor of ``z_j`` in the dense linear system's equation of ``z_i``, scaled so that nothing overflows."""
    return float(f"{COEFFICIENTS[(i * 7919 + j * 104729 + i * j) % 4] / i:.6f}")


def chain(n: int) -> str:
    """``z_i = sin(z_(i-1))*z_(i-2)``, every equation written out."""
    lines = [f"  z{i} = sin(z{i - 1})*z{i - 2}\n" for i in range(3, n + 1)]
    return f"equations: |\n{''.join(lines)}values: {{z1: 0.9, z2: 0.8}}\ntarget: z{n}\n"


def linear(n: int) -> str:
    """``z_i = sum of a_ij*z_j over all j < i``, every equation written out: n(n - 1)/2 edges."""
    lines = []
    for i in range(2, n + 1):
        terms: list[str] = []
        for j in range(1, i):
            factor = coefficient(i, j)
            sign = "-" if factor < 0 else "+" if terms else ""
            terms.append(f"{sign} {abs(factor)!r}*z{j}")
        lines.append(f"  z{i} = {' '.join(terms)}\n".replace("=  ", "= "))
    return f"equations: |\n{''.join(lines)}values: {{z1: 0.9}}\ntarget: z{n}\n"


def rnn_data(n: int) -> tuple[list[float], list[float]]:
    """Inputs and wanted outputs of the scalar RNN."""
    x = [((t * 37) % 11) / 11 - 0.4 for t in range(n)]
    d = [((t * 17) % 7) / 7 - 0.5 for t in range(n)]
    return x, d


def rnn(n: int) -> str:
    """The scalar RNN ``h_t = tanh(w*x_t + u*h_(t-1))`` with the squared error of every step."""
    x, d = rnn_data(n)
    return f"""equations: |
  h[t] = tanh(w*x[t] + u*h[t-1]) for t in 1..T
  E = sum((h[t] - d[t])**2 for t in 1..T)
sizes: {{T: {n}}}
parameters: {{w: 0.7, u: -0.4}}
values:
  h[0]: 0.0
data:
  x: {x}
  d: {d}
target: E
"""


def lstm(n: int, values: bool = True) -> str:
    """A scalar LSTM with a squared error at every step."""
    x, d = rnn_data(n)
    gates = "".join(f"  {g}[t] = {f}(w{g}*x[t] + u{g}*h[t-1] + b{g}) for t in 1..T\n" for g, f in GATES)
    numbers = ", ".join(
        f"{kind}{g}: {(k + 1) * factor:.2f}" for k, (g, _) in enumerate(GATES) for kind, factor in KINDS
    )
    return f"""equations: |
{gates}  c[t] = f[t]*c[t-1] + i[t]*g[t] for t in 1..T
  h[t] = o[t]*tanh(c[t]) for t in 1..T
  E = sum((h[t] - d[t])**2 for t in 1..T)
sizes: {{T: {n}}}
parameters: {{{numbers}}}
values:
  h[0]: 0.1
  c[0]: -0.2
data:
  x: {x}
  d: {d}
target: E
"""


GATES = (("f", "sigmoid"), ("i", "sigmoid"), ("o", "sigmoid"), ("g", "tanh"))
KINDS = (("w", 0.3), ("u", -0.2), ("b", 0.1))


# ------------------------------------------------------------------ tables


def shown(seconds: float) -> str:
    """A time with a unit."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def least_and_median(numbers: Sequence[float]) -> tuple[float, float]:
    """The least and the median."""
    return min(numbers), statistics.median(numbers)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    cells = [[str(c) for c in row] for row in (head, *rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    print(f"\n### {title}\n")
    for at, row in enumerate(cells):
        print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |")
        if at == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")
    sys.stdout.flush()


# ------------------------------------------------------------------ results


def goal(
    key: str, text: str, cases: Sequence[tuple[str, float | None, float]], sense: str = "at most"
) -> dict[str, Any]:
    """A goal for `save`: what is wanted in words, and its cases, each with a name, the figure that was measured (None
    where it could not be) and the limit that it must keep, ``at most`` or ``at least``. The page judges."""
    if sense not in ("at most", "at least"):
        raise ValueError(sense)
    named = [{"case": name, "figure": figure, "limit": limit} for name, figure, limit in cases]
    return {"key": key, "text": text, "sense": sense, "cases": named}


def table_of(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, Any]:
    """A table for `save`, of texts as they are shown."""
    return {"title": title, "head": list(head), "rows": [[str(cell) for cell in row] for row in rows]}


def save(
    name: str,
    data: Mapping[str, Any],
    goals: Sequence[dict[str, Any]] = (),
    tables: Sequence[dict[str, Any]] = (),
    quick: bool = False,
) -> Path:
    """Write a workload's results as ``name.json`` into the folder that ``BENCH_OUT`` names (``benchmarks/results``):
    the machine, the goals (see `goal`) and the tables (see `table_of`) that page.py shows, and ``data`` as they are."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    whole = {"name": name, "quick": quick, "machine": machine(), "goals": list(goals), "tables": list(tables)}
    path = RESULTS / f"{name}.json"
    text = json.dumps({**whole, "data": dict(data)}, ensure_ascii=False, indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def machine() -> dict[str, str]:
    """What was measured on, without names of hosts or folders."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"cores": str(os.cpu_count()), "processor": _processor(), "Python": platform.python_version()}
    for name in ("numpy", "scipy", "torch", "jax", "numba", "casadi", "distributed"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found["BLAS of numpy"] = _blas()
    return found


def _processor() -> str:
    """The processor's name and its widest vector instructions, as Linux tells them."""
    import platform

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    wide = next((f for f in ("avx512f", "avx2", "asimd") if f in fields.get("flags", "").split()), "")
    return " ".join(part for part in (platform.machine(), fields.get("model name", ""), wide) if part)


def _blas() -> str:
    """NumPy's BLAS, as a process without special settings has it."""
    script = (
        "import numpy, threadpoolctl\n"
        "print(*(f\"{p['internal_api']} {p['version']} {p.get('architecture', '')}\".strip()"
        " for p in threadpoolctl.threadpool_info() if p['user_api'] == 'blas'), sep=', ')"
    )
    done = subprocess.run([sys.executable, "-c", script], env=limited(1), capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
