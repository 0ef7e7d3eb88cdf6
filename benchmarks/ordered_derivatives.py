"""All ordered derivatives of n equations, with their text, beside CasADi's SX gradient.

    python benchmarks/ordered_derivatives.py [chain|rnn|linear ...]

Ours: forward values, the backward system, its values, and every line of the backward sweep as text; from the parsed
system on, and from the document's text on. The whole derivation (seven sections with numbers) is shown as well.
CasADi: gradient, Function, one evaluation, and no text; from its finished expressions on, and from the Python operators
that make them. It differentiates by every node through a number that is added where the node is computed (rnn: by the
two weights).
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import _common as common

SIZE = 1000
SYSTEMS = {"chain": common.chain, "rnn": common.rnn, "linear": common.linear}
ROWS = {
    "ours: sweep with text, from the parsed system": ("ours", "sweep"),
    "ours: the same, from the document's text": ("ours", "loaded"),
    "ours: the whole derivation, from the parsed system": ("ours", "derivation"),
    "CasADi: from Python operators on, no text": ("casadi", "made"),
    "CasADi: from finished expressions on, no text": ("casadi", "gradient"),
}


def ours(system: str, n: int, derivation: bool) -> None:
    """One measurement of ours."""
    from bptt_solver import loads
    from bptt_solver.api import solve
    from bptt_solver.unfolded_text import UnfoldedText

    small = solve(
        loads("equations: y = 2*x\nvalues: {x: 1}\n"), check="none"
    )  # imports are not counted, nor are CasADi's
    list(UnfoldedText(small.computation.unfolded).lines())
    small.render("text")
    text = SYSTEMS[system](n)
    clock = common.Clock()
    problem = loads(text)
    loaded = clock.read()
    clock = common.Clock()
    solution = solve(problem, check="none", steps="all")
    if derivation:
        solution.render("text")
        return common.answer(derivation=clock.read())
    lines = "\n".join(UnfoldedText(solution.computation.unfolded).lines())
    sweep = clock.read()
    common.answer(
        sweep=sweep,
        loaded={key: loaded[key] + sweep[key] for key in sweep},
        megabytes=common.peak_megabytes(),
        characters=len(lines),
        derivatives=[solution.ordered_derivatives[name] for name in wanted(system)],
    )
    return None


def wanted(system: str) -> list[str]:
    """The inputs whose derivatives are compared."""
    return {"rnn": ["w", "u"], "chain": ["z1", "z2"], "linear": ["z1"]}[system]


def casadi(system: str, n: int) -> None:
    """One measurement of CasADi's."""
    import casadi as ca

    start = common.Clock()
    made: list[Any] = []

    def symbol(name: str) -> Any:
        made.append(ca.SX.sym(name))
        return made[-1]

    values: list[float] = []
    if system == "rnn":
        by = [symbol("w"), symbol("u")]
        h, target = ca.SX(0), ca.SX(0)
        x, d = common.rnn_data(n)
        values = [0.7, -0.4]
        for t in range(n):
            inputs = symbol(f"x{t}"), symbol(f"d{t}")
            values += [x[t], d[t]]
            h = ca.tanh(by[0] * inputs[0] + by[1] * h)
            target = target + (h - inputs[1]) ** 2
    else:
        count = len(wanted(system))
        z = [symbol(f"z{i + 1}") for i in range(count)]
        values = [0.9, 0.8][:count] + [0.0] * (n - count)
        for i in range(count + 1, n + 1):
            if system == "chain":
                right = ca.sin(z[-1]) * z[-2]
            else:
                right = common.coefficient(i, 1) * z[0]
                for j in range(2, i):
                    right = right + common.coefficient(i, j) * z[j - 1]
            z.append(right + symbol(f"e{i}"))
        by, target = made, z[-1]
    clock = common.Clock()
    gradient = ca.gradient(target, ca.vertcat(*by))
    function = ca.Function("F", [ca.vertcat(*made)], [target, gradient])
    result = function(values)
    derivatives = [float(result[1][k]) for k in range(len(wanted(system)))]
    common.answer(gradient=clock.read(), made=start.read(), derivatives=derivatives, megabytes=common.peak_megabytes())


def agreement(system: str) -> bool:
    """Whether both have the same derivatives, at n = 10 too (the chain's derivatives vanish at n = 1000)."""
    for n in (10, SIZE if system == "rnn" else 100):
        first, second = (common.ask(__file__, who, system, str(n))["derivatives"] for who in ("ours", "casadi"))
        if not all(abs(a - b) <= 1e-9 * max(abs(a), abs(b)) for a, b in zip(first, second, strict=True)):
            return False
    return True


def main(systems: list[str]) -> None:
    """Print one table a system."""
    for system in systems or list(SYSTEMS):
        rounds = 3 if system == "linear" else max(common.ROUNDS, 9)
        tasks = {
            "ours": partial(common.ask, __file__, "ours", system, str(SIZE)),
            "derivation": partial(common.ask, __file__, "ours", system, str(SIZE), "derivation"),
            "casadi": partial(common.ask, __file__, "casadi", system, str(SIZE)),
        }
        if system == "linear":  # a million products would be written out
            del tasks["derivation"]
        results = common.interleaved(tasks, rounds)
        peer = common.least_and_median([r["made"]["cpu"] for r in results["casadi"]])
        rows = []
        for label, (who, part) in ROWS.items():
            found = [r for r in results.get("derivation" if part == "derivation" else who, ()) if part in r]
            if found:
                low, median = common.least_and_median([r[part]["cpu"] for r in found])
                memory = f"{found[0]['megabytes']:.0f} MB" if "megabytes" in found[0] else ""
                rows.append(
                    [
                        label,
                        common.shown(low),
                        common.shown(median),
                        f"{low / peer[0]:.2f}",
                        f"{median / peer[1]:.2f}",
                        memory,
                    ]
                )
        same = "yes" if agreement(system) else "NO"
        title = f"{system}, n = {SIZE}: CPU time of a fresh process, {rounds} rounds; same derivatives: {same}"
        common.table(title, ["", "least", "median", "least / CasADi", "median / CasADi", "peak"], rows)


if __name__ == "__main__":
    arguments = common.worker_arguments()
    if arguments is None:
        main(sys.argv[1:])
    elif arguments[0] == "ours":
        ours(arguments[1], int(arguments[2]), "derivation" in arguments)
    else:
        casadi(arguments[1], int(arguments[2]))
