"""Graphs of numbers by chance, as documents and as arrays, and how others sweep them: CasADi, Numba, NumPy and Python.

Nodes: ``a*u + b*v`` and ``u*v`` (two edges), ``sin u`` and ``tanh u`` (one); the target is the sum of all nodes that
nothing reads. *wide*: operands anywhere before; *deep*: among the last 32 nodes, one level for every ten.
Each function here gives a call that computes all values and all ordered derivatives, and what these are by the inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import _race as race

LINEAR, PRODUCT, SIN, TANH = range(4)
Lists = tuple[list[Any], ...]


class Graph(NamedTuple):
    """``op[i]`` is the operation of node ``i`` (-1: an input, with a value in ``x``), ``u`` and ``v`` its operands,
    ``a`` and ``b`` its factors; ``ends`` are the nodes that nothing reads."""

    x: Any
    op: Any
    u: Any
    v: Any
    a: Any
    b: Any
    edges: int
    ends: Any

    def lists(self) -> Lists:
        """Everything but the edges as Python's lists."""
        return tuple(part.tolist() for part in (self.x, self.op, self.u, self.v, self.a, self.b, self.ends))


def graph(edges: int, kind: str) -> Graph:
    """A graph of about so many edges, always the same."""
    import numpy as np

    chance = np.random.default_rng(7)
    inputs = max(8, edges // 200)
    count = inputs + int(edges / 1.5)
    op = chance.integers(0, 4, count)
    op[:inputs] = -1
    at = np.arange(count)
    low = np.zeros(count, np.int64) if kind == "wide" else np.maximum(0, at - 32)
    span = np.maximum(1, at - low)
    u, v = (low + (chance.random(count) * span).astype(np.int64) for _ in range(2))
    a, b = chance.uniform(-0.5, 0.5, count), chance.uniform(-0.5, 0.5, count)
    x = chance.uniform(-1, 1, inputs)
    node, pair = op >= 0, (op >= 0) & (op <= PRODUCT)
    used = np.zeros(count, bool)
    used[u[node]] = True
    used[v[pair]] = True
    return Graph(x, op, u, v, a, b, int(node.sum() + pair.sum()), np.flatnonzero(~used))


def document(g: Graph) -> str:
    """The graph as equations, every one written out."""
    x, op, u, v, a, b, ends = g.lists()
    lines = []
    for i in range(len(x), len(op)):
        p, q = f"z{u[i]}", f"z{v[i]}"
        right = (f"{a[i]!r}*{p} + {b[i]!r}*{q}".replace("+ -", "- "), f"{p}*{q}", f"sin({p})", f"tanh({p})")[op[i]]
        lines.append(f"  z{i} = {right}")
    sums = [ends[k : k + 1000] for k in range(0, len(ends), 1000)]
    lines += [f"  E{k} = {' + '.join(f'z{end}' for end in part)}" for k, part in enumerate(sums)]
    lines.append(f"  E = {' + '.join(f'E{k}' for k in range(len(sums)))}")
    values = "\n".join(f"  z{i}: {value!r}" for i, value in enumerate(x))
    equations = "\n".join(lines)
    return f"equations: |\n{equations}\nvalues:\n{values}\ntarget: E\n"


def sizes(derivatives: Any) -> list[float]:
    """What is compared: the sum of all sizes, plain and weighted by place."""
    found = [abs(float(d)) for d in derivatives]
    return [math.fsum(found), math.fsum(d * (1 + k % 7) for k, d in enumerate(found))]


def casadi(g: Graph) -> race.Made:
    """A function of scalar expressions: the gradient by the inputs, evaluated by CasADi's virtual machine."""
    import casadi as ca
    import numpy as np

    x, op, u, v, a, b, ends = g.lists()
    given = ca.SX.sym("x", len(x))
    z = [given[i] for i in range(len(x))]
    for i in range(len(x), len(op)):
        k, p = op[i], z[u[i]]
        q = z[v[i]] if k <= PRODUCT else None
        z.append(
            a[i] * p + b[i] * q if k == LINEAR else p * q if k == PRODUCT else ca.sin(p) if k == SIN else ca.tanh(p)
        )
    target = ca.sum1(ca.vertcat(*[z[end] for end in ends]))
    function = ca.Function("F", [given], [target, ca.gradient(target, given)])
    buffer, evaluate = function.buffer()
    value, found = np.zeros(1), np.zeros(len(x))
    buffer.set_arg(0, memoryview(g.x))
    buffer.set_res(0, memoryview(value))
    buffer.set_res(1, memoryview(found))
    kept = function, buffer, value  # the buffer must outlive the call
    return race.Made(evaluate, lambda _: sizes(found if kept else ()))


def in_python(g: Graph) -> race.Made:
    """One loop over lists forward, one back."""
    x, op, u, v, a, b, ends = g.lists()
    count, inputs = len(op), len(x)
    rows = list(zip(range(inputs, count), op[inputs:], u[inputs:], v[inputs:], a[inputs:], b[inputs:], strict=True))
    back, sin, cos, tanh = rows[::-1], math.sin, math.cos, math.tanh

    def call() -> list[float]:
        z = x + [0.0] * (count - inputs)
        for i, k, p, q, c, d in rows:
            if k == LINEAR:
                z[i] = c * z[p] + d * z[q]
            elif k == PRODUCT:
                z[i] = z[p] * z[q]
            else:
                z[i] = sin(z[p]) if k == SIN else tanh(z[p])
        r = [0.0] * count
        for end in ends:
            r[end] = 1.0
        for i, k, p, q, c, d in back:
            received = r[i]
            if k == LINEAR:
                r[p] += c * received
                r[q] += d * received
            elif k == PRODUCT:
                r[p] += z[q] * received
                r[q] += z[p] * received
            elif k == SIN:
                r[p] += cos(z[p]) * received
            else:
                r[p] += (1 - z[i] * z[i]) * received
        return r

    return race.Made(call, lambda r: sizes(r[:inputs]))


def in_numba(g: Graph) -> race.Made:
    """One loop over arrays forward, one back, compiled."""
    import numba
    import numpy as np

    op, u, v = g.op.astype(np.int8), g.u.astype(np.int32), g.v.astype(np.int32)
    z, r, inputs = np.zeros(len(op)), np.zeros(len(op)), len(g.x)

    @numba.njit  # type: ignore[untyped-decorator]
    def run(x: Any, op: Any, u: Any, v: Any, a: Any, b: Any, ends: Any, z: Any, r: Any) -> None:
        z[: x.size] = x
        for i in range(x.size, z.size):
            k = op[i]
            if k == 0:
                z[i] = a[i] * z[u[i]] + b[i] * z[v[i]]
            elif k == 1:
                z[i] = z[u[i]] * z[v[i]]
            elif k == 2:
                z[i] = math.sin(z[u[i]])
            else:
                z[i] = math.tanh(z[u[i]])
        r[:] = 0
        for end in ends:
            r[end] = 1
        for i in range(z.size - 1, x.size - 1, -1):
            k = op[i]
            if k == 0:
                r[u[i]] += a[i] * r[i]
                r[v[i]] += b[i] * r[i]
            elif k == 1:
                r[u[i]] += z[v[i]] * r[i]
                r[v[i]] += z[u[i]] * r[i]
            elif k == 2:
                r[u[i]] += math.cos(z[u[i]]) * r[i]
            else:
                r[u[i]] += (1 - z[i] * z[i]) * r[i]

    return race.Made(lambda: run(g.x, op, u, v, g.a, g.b, g.ends, z, r), lambda _: sizes(r[:inputs]))


def _levels(g: Graph) -> Any:
    import numpy as np

    _, op, u, v, _, _, _ = g.lists()
    level = [0] * len(op)
    for i in range(len(g.x), len(op)):
        level[i] = 1 + (max(level[u[i]], level[v[i]]) if op[i] <= PRODUCT else level[u[i]])
    return np.array(level)


def in_numpy(g: Graph) -> race.Made:
    """By hand, level by level: nodes in the order of their levels and operations, so that a group is a slice; what a
    level passes back is added where it was read."""
    import numpy as np

    inputs, count, level = len(g.x), len(g.op), _levels(g)
    old = np.lexsort((g.op, level))
    new = np.empty(count, np.int64)
    new[old] = np.arange(count)
    op, u, v, a, b, level = g.op[old], new[g.u[old]], new[g.v[old]], g.a[old], g.b[old], level[old]
    cuts = np.flatnonzero((np.diff(level) != 0) | (np.diff(op) != 0)) + 1
    z, r, start = np.zeros(count), np.zeros(count), np.zeros(count)
    start[new[g.ends]] = 1
    groups = [
        (int(op[low]), z[low:high], r[low:high], u[low:high], v[low:high], a[low:high], b[low:high])
        for low, high in zip([0, *cuts.tolist()], [*cuts.tolist(), count], strict=True)
        if op[low] >= 0
    ]
    x, add, take = g.x[old[:inputs]], np.add.at, z.take

    def call() -> None:
        z[:inputs] = x
        for k, value, _, p, q, c, d in groups:
            if k == LINEAR:
                np.multiply(c, take(p), out=value)
                np.add(value, d * take(q), out=value)
            elif k == PRODUCT:
                np.multiply(take(p), take(q), out=value)
            else:
                (np.sin if k == SIN else np.tanh)(take(p), out=value)
        r[:] = start
        for k, value, received, p, q, c, d in reversed(groups):
            if k == LINEAR:
                add(r, p, c * received)
                add(r, q, d * received)
            elif k == PRODUCT:
                add(r, p, take(q) * received)
                add(r, q, take(p) * received)
            elif k == SIN:
                add(r, p, np.cos(take(p)) * received)
            else:
                add(r, p, (1 - value * value) * received)

    return race.Made(call, lambda _: sizes(r[new[:inputs]]))


PEERS: dict[str, tuple[Callable[[Graph], race.Made], int]] = {  # with the most edges for which it is measured
    "CasADi SX function": (casadi, 10**6),
    "Numba, one loop": (in_numba, 10**6),
    "NumPy by hand, level by level": (in_numpy, 10**6),
    "Python, one loop": (in_python, 10**6),
}
