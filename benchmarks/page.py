"""Write docs/measured.md from what the benchmarks saved.

    python benchmarks/page.py [--run [--quick]]

The page has one section a workload, with its goals, what became of them, and the tables. Whether a goal is reached is
computed here, from the figures. ``--run`` runs the benchmarks first, one after the other; ``--quick`` with fewer sizes
and rounds, which is enough to see that they work. Reasons for goals that are not reached stand in reasons.toml.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import _common as common

PAGE = common.ROOT / "docs" / "measured.md"
REASONS = Path(__file__).parent / "reasons.toml"


class Workload(NamedTuple):
    """A section of the page: the name of its script and of its results, its heading, what it is about, and the
    arguments of a quick run."""

    name: str
    heading: str
    about: str
    quick: tuple[str, ...]


WORKLOADS = (
    Workload(
        "rnn_gradient",
        "The gradient of an RNN and of an LSTM",
        "Forward and backward through all steps, by all weights, with softmax and cross-entropy at every step. Our "
        "programs are made from a document of two steps, resized and batched; the straight-line one is for textbook "
        "sizes. *NumPy by hand, best* does for all steps at once whatever no recurrence forbids, into arrays that are "
        "there, *in blocks* the same block by block of steps. The *limit* is its matrix products alone. *Ready after* "
        "is the time from the text, or the function, to the end of the first gradient, less that of a later one; "
        "Numba keeps what it compiled of ours on disk, and compiles code by hand once for each type of numbers.",
        ("--quick",),
    ),
    Workload(
        "own_cell",
        "A cell of one's own",
        "A long short-term memory with peepholes whose layer leaks, written as equations "
        "(`OWN_CELL` in `benchmarks/_sequences.py`). Columns as above.",
        ("--quick",),
    ),
    Workload(
        "compile_time",
        "From a document to its compiled gradient",
        "Each figure is of a fresh process that has imported all modules beforehand. Ours begins with the text of the "
        "document and ends with the first gradient, less the time of a later one; nothing comes from a cache. "
        "*own* is the cell above.",
        ("--quick",),
    ),
    Workload(
        "scalar_graph",
        "Large scalar graphs",
        "Equations of single numbers without any loop structure, in nanoseconds an edge.",
        ("--quick",),
    ),
    Workload(
        "long_sequences",
        "Long sequences in little memory",
        "One gradient of a recurrent network over many steps, with checkpoints chosen for a budget of memory "
        "([memory.md](memory.md)).",
        ("1000",),
    ),
    Workload(
        "data_sets",
        "Sums over many sequences",
        "The gradient summed over 400 sequences, in one process and in others ([data-sets.md](data-sets.md)).",
        (),
    ),
)

HEAD = """# Measured

What this project's programs reach beside their peers, on one machine, in one run. The text between the tables is
written by `benchmarks/page.py` from the figures, the verdicts included; to make it again:

    python -m pip install -e '.[dev,dask]' casadi
    python benchmarks/page.py --run

Every peer is a process of its own, bound to one core or to two, and told to use as many threads. Peers are timed in
turn, in short bursts, for some rounds, so that all of them meet the same noise; the least and the median of the rounds
are shown, and ratios are those of the least. What peers give is compared before their times are shown: a row that gives
other numbers says WRONG. Read the ratios: times differ from machine to machine.
"""


# ------------------------------------------------------------------ verdicts


def verdict(goal: Mapping[str, Any], reasons: Mapping[str, str]) -> list[str]:
    """The lines on a goal: whether it is reached in all of its cases, by how much not, and why not."""
    most = goal["sense"] == "at most"
    cases = goal["cases"]
    known = [case for case in cases if case["figure"] is not None]
    ranked = sorted(known, key=lambda case: _over(case, most), reverse=True)
    missed = [case for case in ranked if _over(case, most) > 0]
    lines = [f"**{goal['text']}**"]
    if not known:
        return [*lines, "", "*Not measured.*"]
    unknown = [case["case"] for case in cases if case["figure"] is None]
    end = f" Not measured: {'; '.join(unknown)}." if unknown else ""
    if not missed:
        name = "Reached" if not unknown else "Reached where it was measured"
        return [*lines, "", f"{name} ({_count(known)}): {_shown(ranked[0], goal['sense'])} at the worst.{end}"]
    many = f"in {len(missed)} of {_count(known)}" if len(known) > 1 else ""
    lines += ["", f"**Not reached**{' ' + many if many else ''}.{end}", ""]
    lines += [
        f"- {_shown(case, goal['sense'])}, {_percent(_over(case, most))} {'over' if most else 'short'}"
        for case in missed
    ]
    reason = reasons.get(goal["key"], "").strip()
    return [*lines, "", f"Reason: {' '.join(reason.split())}" if reason else "No reason is known."]


def _over(case: Mapping[str, Any], most: bool) -> float:
    """By how much of the limit a case misses it; zero and below: kept."""
    figure, limit = float(case["figure"]), float(case["limit"])
    share = figure / limit - 1 if most else 1 - figure / limit
    return share


def _shown(case: Mapping[str, Any], sense: str) -> str:
    return f"{_number(case['figure'])} of {sense} {_number(case['limit'])} ({case['case']})"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"


def _count(cases: Sequence[object]) -> str:
    return f"{len(cases)} cases" if len(cases) != 1 else "1 case"


# ------------------------------------------------------------------ the page


def page(folder: Path, reasons: Mapping[str, str]) -> str:
    """The text of the page, from the results in a folder and the reasons by the keys of goals."""
    results = {w.name: _read(folder / f"{w.name}.json") for w in WORKLOADS}
    machines = {json.dumps(r["machine"], sort_keys=True): r["machine"] for r in results.values() if r is not None}
    lines = [HEAD]
    if len(machines) == 1:
        lines += [_machine(next(iter(machines.values()))), ""]
    lines += _summary(results)
    for workload in WORKLOADS:
        lines += _section(workload, results[workload.name], reasons, len(machines) > 1)
    return "\n".join(lines).rstrip() + "\n"


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _machine(machine: Mapping[str, str]) -> str:
    return "Measured with " + ", ".join(f"{key}: {value}" for key, value in machine.items()) + "."


def _summary(results: Mapping[str, dict[str, Any] | None]) -> list[str]:
    """One row a goal."""
    rows = []
    for workload in WORKLOADS:
        for goal in (results[workload.name] or {}).get("goals", []):
            most = goal["sense"] == "at most"
            known = [case for case in goal["cases"] if case["figure"] is not None]
            kept = sum(_over(case, most) <= 0 for case in known)
            word = (
                "reached"
                if kept == len(goal["cases"]) and known
                else "**not reached**"
                if kept < len(known)
                else "open"
            )
            rows.append([goal["text"], f"{kept} of {len(goal['cases'])}", word])
    return ["## Goals", "", *_table(["goal", "cases that keep it", ""], rows), ""] if rows else []


def _section(
    workload: Workload, result: dict[str, Any] | None, reasons: Mapping[str, str], with_machine: bool
) -> list[str]:
    lines = [f"## {workload.heading}", "", workload.about, ""]
    if result is None:
        return [*lines, "*Not measured yet.*", ""]
    if result["quick"]:
        lines += ["*From a quick run, with fewer sizes and rounds.*", ""]
    if with_machine:
        lines += [_machine(result["machine"]), ""]
    for goal in result["goals"]:
        lines += [*verdict(goal, reasons), ""]
    for table in result["tables"]:
        lines += [f"### {table['title']}", "", *_table(table["head"], table["rows"]), ""]
    return lines


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in (head, *rows)]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return [lines[0], "|" + "---|" * len(head), *lines[1:]]


def reasons_in(path: Path) -> dict[str, str]:
    """The reasons of a file, by the keys of goals."""
    if not path.is_file():
        return {}
    return {key: str(text) for key, text in tomllib.loads(path.read_text(encoding="utf-8")).items()}


def run(quick: bool) -> list[str]:
    """Run all benchmarks, one after the other; the names of those that failed."""
    failed = []
    for workload in WORKLOADS:
        script = Path(__file__).parent / f"{workload.name}.py"
        print(f"\n## {workload.heading}\n", flush=True)
        done = subprocess.run([sys.executable, str(script), *(workload.quick if quick else ())], check=False)
        if done.returncode:
            failed.append(workload.name)
    return failed


def main() -> int:
    """Write the page; after a run where one was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", action="store_true", help="run all benchmarks first")
    parser.add_argument("--quick", action="store_true", help="with fewer sizes and rounds")
    asked = parser.parse_args()
    failed = run(asked.quick) if asked.run else []
    PAGE.write_text(page(common.RESULTS, reasons_in(REASONS)), encoding="utf-8")
    for name in failed:
        print(f"{name} failed; the page shows its last results", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
