"""A document of many different scalar equations: from its text to checked numbers.

    python benchmarks/large_document.py [number of equations ...]

Goal: 100,000 equations within 15 s and 2 GB, growth linear from 1,000 on.
"""

from __future__ import annotations

import random
import sys
from functools import partial

import _common as common

SIZES = (1_000, 10_000, 100_000)


def document(n: int) -> str:
    """Equations of six forms, with constants and operands by chance."""
    chance = random.Random(1)
    lines = []
    for i in range(2, n + 1):
        a, b, c, d = (f"z{chance.randint(max(1, i - 50), i - 1)}" for _ in range(4))
        p, q = f"{chance.uniform(0.1, 0.9):.4f}", f"{chance.uniform(0.1, 0.9):.4f}"
        right = (
            f"{p}*{a} + sin({b})*{c}",
            f"tanh({a}) - {p}*{b} + {q}",
            f"{a}*{b}/2 + {p}",
            f"exp(-{a}**2) + {p}*{b}",
            f"sin({p}*{a} + {q}*{b})",
            f"({a} - {b})/(1 + {c}**2) + {p}*cos({d})",
        )[chance.randrange(6)]
        lines.append(f"  z{i} = {right}\n")
    return f"equations: |\n{''.join(lines)}values: {{z1: 0.9}}\ntarget: z{n}\n"


def worker(n: int, check: str) -> None:
    """One run."""
    from bptt_solver import loads
    from bptt_solver.api import solve

    text = document(n)
    before = common.peak_megabytes()
    clock = common.Clock()
    problem = loads(text)
    loaded = clock.read()["cpu"]
    solution = solve(problem, check=check)
    common.answer(
        **clock.read(), load=loaded, megabytes=common.peak_megabytes(), before=before, status=solution.check.status
    )


def main(sizes: list[int]) -> None:
    """Print one table."""
    rows = []
    for n in sizes:
        rounds = min(common.ROUNDS, 3)
        tasks = {check: partial(common.ask, __file__, str(n), check) for check in ("none", "fast")}
        results = common.interleaved(tasks, rounds)
        plain, checked = (common.least_and_median([r["cpu"] for r in results[c]]) for c in ("none", "fast"))
        load = min(r["load"] for r in results["fast"])
        memory = max(r["megabytes"] for r in results["fast"])
        times = [common.shown(t) for t in (load, plain[0], *checked)]
        status = results["fast"][0]["status"]
        rows.append([f"{n:,}", *times, f"{checked[0] / n * 1e6:.0f} µs", f"{memory:.0f} MB", status])
    head = ["equations", "parsed", "numbers", "checked, least", "checked, median", "an equation", "peak", "check"]
    common.table("A document of different scalar equations: CPU time of a fresh process", head, rows)


if __name__ == "__main__":
    arguments = common.worker_arguments()
    if arguments is None:
        main([int(a) for a in sys.argv[1:]] or list(SIZES))
    else:
        worker(int(arguments[0]), arguments[1])
