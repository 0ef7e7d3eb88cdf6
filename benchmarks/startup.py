"""Start-up: the whole command on a small example, beside importing what others import.

    python benchmarks/startup.py

Goals: solving example 01, check included, takes at most half the wall time of ``import sympy``; ``--version`` at most
a fifth.
"""

from __future__ import annotations

import sys
from functools import partial

import _common as common

EXAMPLE = common.ROOT / "examples" / "01_ordered_variables" / "problem.yaml"
STARTED = "import sys; from bptt_solver.__main__ import main; sys.exit(main())"  # what the installed command does
COMMANDS = {
    'python -c "import sympy"': ["-c", "import sympy"],
    'python -c "import casadi"': ["-c", "import casadi"],
    'python -c "import numpy"': ["-c", "import numpy"],
    'python -c "import click"': ["-c", "import click"],
    "python -c pass": ["-c", "pass"],
    "bptt-solve examples/01_ordered_variables/problem.yaml": ["-c", STARTED, str(EXAMPLE)],
    "the same, --check none": ["-c", STARTED, "--check", "none", str(EXAMPLE)],
    "the same, -f json": ["-c", STARTED, "-f", "json", str(EXAMPLE)],
    "bptt-solve --help": ["-c", STARTED, "--help"],
    "bptt-solve --version": ["-c", STARTED, "--version"],
}


def main() -> None:
    """Print one table."""
    rounds = max(common.ROUNDS, 15)
    tasks = {name: partial(common.wall, [sys.executable, *command]) for name, command in COMMANDS.items()}
    results = common.interleaved(tasks, rounds)
    peer = common.least_and_median(results['python -c "import sympy"'])
    rows = []
    for name, times in results.items():
        low, median = common.least_and_median(times)
        rows.append(
            [f"`{name}`", common.shown(low), common.shown(median), f"{low / peer[0]:.2f}", f"{median / peer[1]:.2f}"]
        )
    common.table(
        f"Start-up: wall time of a fresh process, {rounds} rounds",
        ["command", "least", "median", "least / sympy", "median / sympy"],
        rows,
    )


if __name__ == "__main__":
    main()
