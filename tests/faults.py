"""Helpers for the tests of the check: problems from text, random graphs, planted faults."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bptt_solver.computation import Computation
from bptt_solver.errors import Source
from bptt_solver.problem.problem import load_problem
from bptt_solver.system import Instance
from bptt_solver.verify.routes import Forward
from bptt_solver.verify.view import View

Edit = Callable[[float], float]
FAULTS: Mapping[str, Edit] = {
    "lost path": lambda p: 0.0,
    "sign": lambda p: -p,
    "factor 2": lambda p: 2 * p,
    "factor 1.001": lambda p: 1.001 * p,
}


def solved(text: str, **options: Any) -> Computation:
    """A document's text, solved."""
    return Computation(load_problem(Source("<test>", text), **options))


def document(equations: list[str], **values: Any) -> str:
    """A document with these equations and values; the target is E."""
    lines = "".join(f"  {line}\n" for line in equations)
    return f"equations: |\n{lines}values:\n" + "".join(f"  {k}: {v}\n" for k, v in values.items()) + "target: E\n"


_FORMS = (
    "tanh({a}) + {c}*{b}", "{a}*{b} - {c}", "sin({a}) - {b}*{b}", "exp({c}*{a})/(1 + {b}**2)", "sigmoid({a})*{b}",
    "{c}*{a} + {b}", "{a}**2 + cos({b})", "softplus({a}) - {c}*{b}", "log(1 + {a}**2) + {b}", "{a}/(2 + sin({b}))",
    "sqrt(1 + {a}**2)*{c} + {b}",
)  # fmt: skip


def graph(seed: int, nodes: int = 12) -> str:
    """A random smooth graph of scalars; every node reads up to two earlier ones."""
    source = random.Random(seed)
    names = ["p", "q", "r"]
    lines = []
    for k in range(nodes):
        a, b = source.choice(names[-5:]), source.choice(names)
        lines.append(f"z{k} = " + source.choice(_FORMS).format(a=a, b=b, c=round(source.uniform(0.2, 1.2), 3)))
        names.append(f"z{k}")
    lines.append(f"E = {names[-1]} + {source.choice(names)}*{names[-2]}")
    return document(lines, **{n: round(source.uniform(-1, 1), 3) or 0.5 for n in "pqr"})


_KINKED = (
    "relu({a} - {b})", "abs({a})*{b}", "max({a}, {b})", "min({a}, 2*{b}) - {a}", "clip({a}, -1, {b})", "{a} - {b}",
)  # fmt: skip


def kinked(seed: int) -> str:
    """A random graph of small whole numbers, many of which lie on kinks."""
    source = random.Random(seed)
    names = ["p", "q"]
    lines = []
    for k in range(5):
        lines.append(f"z{k} = " + source.choice(_KINKED).format(a=source.choice(names), b=source.choice(names)))
        names.append(f"z{k}")
    lines.append(f"E = {names[-1]} + 3*{source.choice(names)}*{names[-2]}")
    return document(lines, p=source.randint(-1, 1), q=source.randint(-1, 1))


def backward(
    computation: Computation, at: tuple[int, int] | None = None, edit: Edit = lambda p: p
) -> dict[Instance, float]:
    """The ordered derivatives of a scalar system by a sweep of its own, with a fault in one simple partial."""
    view = View(computation)
    g: list[Any] = [0.0] * view.count
    g[view.target] = 1.0
    for number, row in reversed(Forward(view, "rules").rows()):
        for i, partial in row.items():
            g[i] += g[number] * (edit(partial) if (number, i) == at else partial)
    g[view.target] = 1.0
    return {key: g[n] for n, key in enumerate(view.unfolded.keys)}


def edges(computation: Computation) -> Iterator[tuple[int, int]]:
    """The edges over which something reaches the target."""
    view = View(computation)
    right = backward(computation)
    for number, row in Forward(view, "rules").rows():
        for i, partial in row.items():
            if partial != 0 and right[view.unfolded.keys[number]] != 0:
                yield number, i


def faulty(computation: Computation, edit: Edit, seed: int) -> dict[Instance, float]:
    """All derivatives, with a fault in a random simple partial that matters."""
    return backward(computation, random.Random(seed).choice(list(edges(computation))), edit)


def differs(computation: Computation, claimed: Mapping[Instance, float], tolerance: float = 1e-6) -> bool:
    """Whether some claimed number is wrong at all."""
    right = backward(computation)
    return any(abs(right[k] - v) > tolerance * max(abs(v), abs(right[k])) for k, v in claimed.items())


def scalar_rnn(steps: int, seed: int = 0) -> str:
    """A tanh RNN of scalars whose only loss is at the end."""
    source = random.Random(seed)
    return document(
        ["a[t] = w*x[t] + u*h[t-1] for t in 1..T", "h[t] = tanh(a[t]) for t in 1..T", "E = 1/2*(v*h[T] - d)**2"],
        **{"w": 0.9, "u": round(source.uniform(0.3, 0.7), 3), "v": 0.7, "d": 0.3, "h[0]": 0.2},
        x=[round(source.uniform(-1, 1), 3) for _ in range(steps)],
    )
