"""All ordered derivatives of n equations, with their text, beside CasADi's SX gradient.

    python benchmarks/ordered_derivatives.py [chain|rnn|linear ...]

Both start from the built system (our equations are parsed, CasADi's expressions are made). Ours: forward values, the backward
system, its values, and every line of the backward sweep as text. CasADi's: gradient, Function, one evaluation; no text.
Both differentiate by every node: in CasADi by a number added where the node is computed (rnn: by the two weights only).
"""

from __future__ import annotations

import sys
from typing import Any

import _common as common

SIZE = 1000


def ours(system: str, n: int) -> None:
    """One measurement of ours."""
    from bptt_solver import loads
    from bptt_solver.api import solve

    problem = loads({"chain": common.chain, "rnn": common.rnn, "linear": common.linear}[system](n))
    clock = common.Clock()
    solution = solve(problem, check="none", steps="all")
    solved = clock.read()
    text = sweep_text(solution)
    wanted = ["w", "u"] if system == "rnn" else ["z1", "z2"] if system == "chain" else ["z1"]
    common.answer(**clock.read(), solve=solved["cpu"], lines=text.count("\n"), characters=len(text), megabytes=common.peak_megabytes(),
                  derivatives=[solution.ordered_derivatives[name] for name in wanted])


def sweep_text(solution: Any) -> str:
    """Every line of the backward sweep."""
    from bptt_solver.unfolded_text import UnfoldedText

    return "\n".join(UnfoldedText(solution.computation.unfolded).lines())


def casadi(system: str, n: int) -> None:
    """One measurement of CasADi's."""
    import casadi as ca

    made: list[Any] = []

    def symbol(name: str) -> Any:
        made.append(ca.SX.sym(name))
        return made[-1]

    values: list[float] = []
    if system == "rnn":
        w, u = symbol("w"), symbol("u")
        wanted, h, target = [w, u], ca.SX(0), ca.SX(0)
        x, d = common.rnn_data(n)
        values = [0.7, -0.4]
        for t in range(n):
            inputs = symbol(f"x{t}"), symbol(f"d{t}")
            values += [x[t], d[t]]
            h = ca.tanh(w * inputs[0] + u * h)
            target = target + (h - inputs[1]) ** 2
    else:
        count = 2 if system == "chain" else 1
        z = [symbol(f"z{i + 1}") for i in range(count)]
        values = [0.9, 0.8][:count]
        for i in range(count + 1, n + 1):
            if system == "chain":
                right = ca.sin(z[-1]) * z[-2]
            else:
                right = common.coefficient(i, 1) * z[0]
                for j in range(2, i):
                    right = right + common.coefficient(i, j) * z[j - 1]
            z.append(right + symbol(f"e{i}"))
            values.append(0.0)
        wanted, target = made, z[-1]
    clock = common.Clock()
    gradient = ca.gradient(target, ca.vertcat(*wanted))
    function = ca.Function("F", [ca.vertcat(*made)], [target, gradient])
    result = function(values)
    time = clock.read()
    common.answer(**time, derivatives=[float(result[1][k]) for k in range(2 if system in ("rnn", "chain") else 1)], megabytes=common.peak_megabytes())


def main(systems: list[str]) -> None:
    """Print one table a system."""
    for system in systems or ["chain", "rnn", "linear"]:
        rounds = 3 if system == "linear" else max(common.ROUNDS, 7)
        results = common.interleaved({p: (lambda p=p: common.ask(__file__, p, system, str(SIZE))) for p in ("ours", "casadi")}, rounds)  # type: ignore[misc]
        first, second = (results[p][0]["derivatives"] for p in ("ours", "casadi"))
        agree = all(abs(a - b) <= 1e-9 * max(abs(a), abs(b)) for a, b in zip(first, second, strict=True))
        peer = common.least_and_median([r["cpu"] for r in results["casadi"]])
        rows = []
        for name, label in (("ours", "ours, with text"), ("casadi", "CasADi SX, no text")):
            low, median = common.least_and_median([r["cpu"] for r in results[name]])
            rows.append([label, common.shown(low), common.shown(median), f"{low / peer[0]:.2f}", f"{median / peer[1]:.2f}", f"{results[name][0]['megabytes']:.0f} MB"])
        table_title = f"{system}, n = {SIZE}: CPU time of a fresh process, {rounds} rounds; same derivatives: {'yes' if agree else 'NO'}"
        common.table(table_title, ["", "least", "median", "ratio of least", "ratio of medians", "peak"], rows)


if __name__ == "__main__":
    arguments = common.worker_arguments()
    if arguments is None:
        main(sys.argv[1:])
    else:
        {"ours": ours, "casadi": casadi}[arguments[0]](arguments[1], int(arguments[2]))
