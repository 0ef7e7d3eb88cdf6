"""Every instance of a scalar LSTM, evaluated, checked and written as JSON by the command.

    python benchmarks/lstm_json.py [T ...]

Goal: T = 1,000 within 3 s, the whole command.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from pathlib import Path

import _common as common
from startup import STARTED

STEPS = (100, 1_000)


def main(steps: list[int]) -> None:
    """Print one table."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for t in steps:
            document, output = Path(folder) / f"lstm{t}.yaml", Path(folder) / f"lstm{t}.json"
            document.write_text(common.lstm(t))
            command = [sys.executable, "-c", STARTED, str(document), "-f", "json", "-o", str(output), "--check"]
            tasks = {check: partial(common.wall, [*command, check]) for check in ("none", "fast")}
            results = common.interleaved(tasks)
            data = json.loads(output.read_text())
            plain, checked = (common.least_and_median(results[c]) for c in ("none", "fast"))
            times = [common.shown(seconds) for seconds in (plain[0], *checked)]
            size = f"{output.stat().st_size / 1e6:.1f} MB"
            rows.append([f"{t:,}", f"{len(data['values']):,}", *times, size, data["check"]["status"]])
    head = ["T", "instances", "--check none, least", "least", "median", "output", "check"]
    common.table(
        f"bptt-solve -f json on a scalar LSTM: wall time of a fresh process, {common.ROUNDS} rounds", head, rows
    )


if __name__ == "__main__":
    main([int(a) for a in sys.argv[1:]] or list(STEPS))
