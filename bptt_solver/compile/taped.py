"""Narrow parts of a graph: a few nodes a level, thousands of levels. Calls of NumPy would cost more than the numbers
there, so Python goes through them one by one, over a list; Numba, where it is installed, through all of a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bptt_solver.arithmetic import NotFinite
from bptt_solver.compile.graph import SUM, Graph
from bptt_solver.compile.kinds import MATH, Kind, lines_of
from bptt_solver.compile.load import load

INLINE = 12  # kinds for which there is no call of a function: the first ones


def single_source(kinds: Sequence[Kind], often: Sequence[int]) -> str:
    """A module with ``forward(z, tape)``, which appends the values of the tape's nodes to the list ``z``, and
    ``backward(z, r, at, tape)``, which adds what each node passes on to the list ``r``; the last node's place is before
    ``at``. The tape holds the number of a kind (`SUM` for sums) and the slots: places in the lists or constants.
    ``often`` are the kinds that come most often, these first."""
    forward = ["append = z.append", "for kind, slots in tape:"]
    forward += [f"    if kind == {SUM}:", "        value = 0.0", "        for i in slots:"]
    forward += ["            value += z[i]", "        append(value)"]
    backward = ["for kind, slots in reversed(tape):", "    at -= 1", "    g = r[at]", f"    if kind == {SUM}:"]
    backward += ["        for i in slots:", "            r[i] += g"]
    values, backs, texts = [], [], []
    for at in often[:INLINE]:
        kind = kinds[at]
        unpacked = [f"{_slots(kind)} = slots"] if kind.operands or kind.constants else []
        body, value = _value(kind)
        forward += [f"    elif kind == {at}:", *(f"        {line}" for line in [*unpacked, *body, f"append({value})"])]
        body = _back(kind)
        backward += [f"    elif kind == {at}:", *(f"        {line}" for line in [*unpacked, *body] or ["pass"])]
    for at in often[INLINE:]:
        kind = kinds[at]
        unpacked = [f"{_slots(kind)} = slots"] if kind.operands or kind.constants else []
        body, value = _value(kind)
        texts += [_function(f"value{at}(z, slots)", [*unpacked, *body, f"return {value}"])]
        texts += [_function(f"back{at}(z, r, at, g, slots)", [*unpacked, *_back(kind)])]
        values.append(f"{at}: value{at}")
        backs.append(f"{at}: back{at}")
    if values:
        texts += [f"VALUES = {{{', '.join(values)}}}\nBACKS = {{{', '.join(backs)}}}"]
        forward += ["    else:", "        append(VALUES[kind](z, slots))"]
        backward += ["    else:", "        BACKS[kind](z, r, at, g, slots)"]
    texts += [_function("forward(z, tape)", forward), _function("backward(z, r, at, tape)", backward)]
    return f"{MATH}\n\n\n" + "\n\n\n".join(texts) + "\n"


def _slots(kind: Kind) -> str:
    count = len(kind.operands) + len(kind.constants)
    words = [f"i{k}" if k in kind.operands else f"s{k}" for k in range(count)]
    return ", ".join(words) + ("," if count == 1 else "")


def _value(kind: Kind) -> tuple[list[str], str]:
    lines, (value,) = lines_of(kind.nodes, [kind.value], "v")
    return [*(f"s{k} = z[i{k}]" for k in kind.operands), *lines], value


def _back(kind: Kind) -> list[str]:
    lines, pulls = lines_of(kind.back, kind.pulls, "w")
    reads = [f"s{k} = z[i{k}]" for k in kind.operands if f"s{k}" in kind.read]
    reads += ["y = z[at]"] if "y" in kind.read else []
    adds = [f"r[i{k}] += {pull}" for k, pull in zip(kind.operands, pulls, strict=True) if pull not in ("0", "0.0")]
    return [*reads, *lines, *adds]


def _function(head: str, lines: Sequence[str]) -> str:
    return f"def {head}:\n" + "\n".join(f"    {line}" for line in lines or ["pass"])


Functions = tuple[Callable[..., None], Callable[..., None]]


def single_functions(source: str) -> Functions:
    """``forward`` and ``backward`` of `single_source`."""
    return load(source, "forward"), load(source, "backward")


class Taped:
    """The groups from ``low`` to before ``high`` as a tape of nodes in Python, between the arrays ``z`` and ``r``."""

    __slots__ = ("_back", "_first", "_forward", "_low", "_outer", "_r", "_tape", "_values", "_z")

    def __init__(self, graph: Graph, low: int, high: int, functions: Functions, arrays: tuple[Any, Any]) -> None:
        import numpy as np

        self._z, self._r = arrays
        self._forward, self._back = functions
        first = int(graph.first[low])
        operands = graph.operands[graph.edges[low] : graph.edges[high]]
        self._outer = np.unique(operands[operands < first])
        shift = len(self._outer) - first
        local = np.where(operands < first, np.searchsorted(self._outer, operands), operands + shift)
        self._tape = _tape(graph, low, high, local)
        self._first, self._low = first, len(self._outer)
        self._values: list[float] = []

    def forward(self) -> None:
        """The values of the stretch. Raises NotFinite where Python raises."""
        z = self._values = self._z.take(self._outer).tolist()
        try:
            self._forward(z, self._tape)
        except (ArithmeticError, ValueError) as error:
            raise NotFinite(*error.args) from error
        self._z[self._first : self._first + len(self._tape)] = z[self._low :]

    def backward(self) -> None:
        """What the stretch passes on."""
        z, low = self._values, self._low
        r = [0.0] * low + self._r[self._first : self._first + len(self._tape)].tolist()
        try:
            self._back(z, r, len(r), self._tape)
        except (ArithmeticError, ValueError) as error:
            raise NotFinite(*error.args) from error
        self._r[self._first : self._first + len(self._tape)] = r[low:]
        self._r[self._outer] += r[:low]


def _tape(graph: Graph, low: int, high: int, local: Any) -> list[tuple[int, Sequence[Any]]]:
    """The nodes of some groups in the order of their rows: kind, and slots. ``local`` are the places of their operands
    in the list of values."""
    import numpy as np

    first, after = int(graph.first[low]), int(graph.after[high - 1])
    constants = graph.constants[graph.fixed[low] : graph.fixed[high]]
    sizes, kinds = (graph.after - graph.first)[low:high], graph.kind[low:high]
    begin = graph.first[low:high] - first
    edges = graph.edges[low : high + 1] - graph.edges[low]
    fixed = graph.fixed[low : high + 1] - graph.fixed[low]
    tape: list[Any] = [None] * (after - first)
    for group in np.flatnonzero(kinds == SUM).tolist():
        head, many, start = int(graph.head[low + group]), int(sizes[group]), int(begin[group])
        own = local[edges[group] : edges[group + 1]].tolist()
        begins = [*graph.begins[head : head + many].tolist(), len(own)]
        for k in range(many):
            tape[start + k] = SUM, own[begins[k] : begins[k + 1]]
    for number in np.unique(kinds[kinds != SUM]).tolist():
        groups = np.flatnonzero(kinds == number)
        kind = graph.kinds[number]
        count = sizes[groups]
        node = np.repeat(np.arange(len(groups)), count)
        inside = np.arange(len(node)) - np.repeat(np.cumsum(count) - count, count)
        columns: list[Any] = [None] * (len(kind.operands) + len(kind.constants))
        for places, starts, held in ((kind.operands, edges, local), (kind.constants, fixed, constants)):
            for rank, slot in enumerate(places):
                columns[slot] = held[(starts[groups] + rank * count)[node] + inside].tolist()
        rows = (begin[groups][node] + inside).tolist()
        filled = zip(*columns, strict=True) if columns else [()] * len(rows)
        for place, slots in zip(rows, filled, strict=True):
            tape[place] = number, slots
    return tape


# -- Numba: all of a graph


def native_source(kinds: Sequence[Kind]) -> str:
    """A module for Numba with ``forward`` and ``backward``, which go through the groups of a `Graph`."""
    heads = ("first, after = firsts[q], afters[q]", "m = after - first", "e, c = edges[q], fixed[q]")
    forward, backward = _cases(kinds, False), _cases(kinds, True)
    arguments = "z, r, operands, constants, kinds, firsts, afters, edges, fixed"
    lines = [MATH, "", "from numba import njit", "", ""]
    for name, over, cases in (
        ("forward", "range(len(kinds))", forward),
        ("backward", "range(len(kinds) - 1, -1, -1)", backward),
    ):
        lines += ['@njit(cache=True, error_model="numpy")', f"def {name}({arguments}, heads, begins):"]
        lines += [f"    for q in {over}:", *(f"        {head}" for head in heads), *cases, "", ""]
    return "\n".join(lines)


def _cases(kinds: Sequence[Kind], back: bool) -> list[str]:
    lines = [f"        if kinds[q] == {SUM}:", "            for j in range(m):"]
    lines += ["                low = e + begins[heads[q] + j]"]
    lines += ["                high = e + begins[heads[q] + j + 1] if j + 1 < m else edges[q + 1]"]
    if back:
        lines += ["                for k in range(low, high):"]
        lines += ["                    r[operands[k]] += r[first + j]"]
    else:
        lines += ["                v = 0.0", "                for k in range(low, high):"]
        lines += ["                    v += z[operands[k]]", "                z[first + j] = v"]
    for at, kind in enumerate(kinds):
        ranks = {slot: rank for rank, slot in enumerate(kind.operands)}
        nodes, roots = (kind.back, kind.pulls) if back else (kind.nodes, [kind.value])
        code, words = lines_of(nodes, roots, "v")
        used = kind.read if back else {f"s{k}" for k in range(len(kind.operands) + len(kind.constants))}
        body = [f"s{k} = z[operands[e + {ranks[k]} * m + j]]" for k in kind.operands if f"s{k}" in used]
        body += [f"s{k} = constants[c + {rank} * m + j]" for rank, k in enumerate(kind.constants) if f"s{k}" in used]
        if back:
            body += ["y = z[first + j]"] * ("y" in used) + ["g = r[first + j]", *code]
            body += [f"r[operands[e + {ranks[k]} * m + j]] += {w}" for k, w in zip(kind.operands, words, strict=True)]
        else:
            body += [*code, f"z[first + j] = {words[0]}"]
        lines += [f"        elif kinds[q] == {at}:", "            for j in range(m):"]
        lines += [f"                {line}" for line in body]
    return lines


def native_functions(source: str) -> Functions:
    """``forward`` and ``backward`` of a module for Numba, compiled once and kept in the user's cache folder."""
    from bptt_solver.compile.backends import _from_file

    module = _from_file(source)
    return module.forward, module.backward
