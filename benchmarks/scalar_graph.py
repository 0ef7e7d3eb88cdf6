"""Graphs of single numbers without a loop structure: all values and all ordered derivatives, in nanoseconds an edge.

    python benchmarks/scalar_graph.py [--quick] [--kinds wide,deep] [--sizes 1e3,1e4,1e5,1e6] [--threads 1]

The graphs are those of `_graph_peers`; ours are read from documents in which every equation is written out. Goal: from
100,000 edges on at or below CasADi. Takes about ten minutes, most of them for CasADi's functions and for reading.
"""

from __future__ import annotations

import argparse
from typing import Any

import _common as common
import _graph_peers as peers
import _race as race

LIMITS = ("bytes=100000000",)
ROUTES = {"ours, levels": "numpy", "ours, levels with Numba": "numba", "ours, straight": "python"}
MOST = {"ours, straight": 3_000}
REFERENCE = "Python, one loop"
CASADI = "CasADi SX function"


def load(task: dict[str, Any]) -> None:
    """Import what a task needs, before the clock runs."""
    import numpy  # noqa: F401

    if task["peer"] in ROUTES:
        import bptt_solver.api
        import bptt_solver.compile.gradient  # noqa: F401
    if "Numba" in task["peer"]:
        import numba  # noqa: F401
    if task["peer"] == CASADI:
        import casadi  # noqa: F401


def make(task: dict[str, Any]) -> race.Made:
    """What a peer makes of a task."""
    g = peers.graph(task["edges"], task["kind"])
    if task["peer"] in ROUTES:
        return ours(g, ROUTES[task["peer"]])
    return peers.PEERS[task["peer"]][0](g)


def ours(g: peers.Graph, library: str, clock: dict[str, float] | None = None) -> race.Made:
    """Our program from the document's text. ``clock`` gets the seconds of reading it and of making the program."""
    from bptt_solver.api import loads
    from bptt_solver.compile.gradient import gradient, gradient_for
    from bptt_solver.compile.swept import NumbersByLevel
    from bptt_solver.limits import Limits

    text = peers.document(g)
    watch = common.Clock()
    problem = loads(text, limits=Limits.parse(LIMITS))
    read = watch.read()["cpu"]
    program = gradient(problem, "levels") if library == "numpy" else gradient_for(problem, library)
    if clock is not None:
        clock.update(read=read, made=watch.read()["cpu"] - read)
    inputs = [f"∂⁺E/∂z{k}" for k in range(len(g.x))]
    given, number = problem.given, problem.unfolded.number["E", ()]
    if not isinstance(program, NumbersByLevel):
        return race.Made(lambda: program(given), lambda found: peers.sizes(found[name, ()] for name in inputs))
    swept = program.program
    rows = swept.rows([(f"z{k}", ()) for k in range(len(g.x))])
    return race.Made(lambda: swept.sweep(swept.run(given), number), lambda found: peers.sizes(found[rows]))


def worker(peer: str, edges: int, kind: str) -> None:
    """One process: how long it takes until there is something to call, and how much memory that needs."""
    load({"peer": peer})
    g = peers.graph(edges, kind)
    before, clock, parts = common.peak_megabytes(), common.Clock(), dict[str, float]()
    made = ours(g, ROUTES[peer], parts) if peer in ROUTES else peers.PEERS[peer][0](g)
    made.call()
    common.answer(cpu=clock.read()["cpu"], megabytes=common.peak_megabytes() - before, **parts)


def names(edges: int) -> list[str]:
    """Who is measured at a size."""
    mine = [name for name in ROUTES if edges <= MOST.get(name, edges)]
    return [*mine, *(name for name, (_, most) in peers.PEERS.items() if edges <= most)]


def measured(kind: str, edges: int, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of one graph, with the memory and the phases of set-up."""
    runner = race.Race(__file__, asked.threads)
    try:
        tasks = {name: {"peer": name, "edges": edges, "kind": kind} for name in names(edges)}
        rows = runner.run(tasks, 20.0 if edges >= 10**6 else 8.0, 3 if asked.quick else 7)
    finally:
        runner.close()
    race.checked(rows, REFERENCE, 1e-9)
    count = peers.graph(edges, kind).edges
    for row in rows:
        row["edges"] = count
        if "min" in row and not asked.quick:
            row.update(common.ask(__file__, row["peer"], str(edges), kind))
    return rows


def shown(row: dict[str, Any]) -> list[str]:
    """A row of the table."""
    if "min" not in row:
        what = row.get("error") or row.get("skipped") or f"wrong by {row.get('wrong')}"
        return [row["peer"], what, "", "", ""]
    each = [f"{row[key] / row['edges'] * 1e9:.3g}" for key in ("min", "median")]
    ready = common.shown(row["ready"])
    if "read" in row:
        ready += f" (reading {common.shown(row['read'])}, program {common.shown(row['made'])})"
    memory = f"{row['megabytes']:.0f} MB" if "megabytes" in row else ""
    return [row["peer"], *each, ready, memory]


def goals(results: list[tuple[str, int, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """At or below CasADi from 100,000 edges on, by our best route, and without extras."""
    best: list[tuple[str, float | None, float]] = []
    plain: list[tuple[str, float | None, float]] = []
    for kind, edges, rows in results:
        least = {row["peer"]: row.get("min") for row in rows}
        known = least.get(CASADI)
        if edges < 10**5 or not known:
            continue
        mine = [value for name in ROUTES if (value := least.get(name)) is not None]
        best.append((f"{kind}, {edges:,} edges", min(mine) / known if mine else None, 1.0))
        own = least.get("ours, levels")
        plain.append((f"{kind}, {edges:,} edges", None if own is None else own / known, 1.0))
    return [
        common.goal("graph_best", "The faster of our programs takes at most the time of CasADi's function.", best),
        common.goal("graph_plain", "So does the one without Numba.", plain),
    ]


def main() -> None:
    """Measure, print, and write ``scalar_graph.json``."""
    parser = argparse.ArgumentParser(description="Large graphs of numbers.")
    parser.add_argument("--quick", action="store_true", help="up to 100,000 edges, fewer rounds, no memory")
    parser.add_argument("--kinds", default="wide,deep")
    parser.add_argument("--sizes", default="")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    sizes = [int(float(size)) for size in (asked.sizes or ("1e4,1e5" if asked.quick else "1e3,1e4,1e5,1e6")).split(",")]
    results = [(kind, edges, measured(kind, edges, asked)) for kind in asked.kinds.split(",") for edges in sizes]
    head = ["peer", "ns an edge, least", "median", "ready after", "memory"]
    tables = []
    for kind, edges, rows in results:
        title = f"{kind.capitalize()} graph of {edges:,} edges"
        tables.append(common.table_of(title, head, [shown(row) for row in rows]))
        common.table(title, head, [shown(row) for row in rows])
    data = {"results": [{"kind": kind, "edges": edges, "rows": rows} for kind, edges, rows in results]}
    common.save("scalar_graph", data, goals(results), tables, asked.quick)


if __name__ == "__main__":
    arguments = common.worker_arguments()
    if race.serving():
        race.serve(make, load)
    elif arguments is not None:
        worker(arguments[0], int(arguments[1]), arguments[2])
    else:
        main()
