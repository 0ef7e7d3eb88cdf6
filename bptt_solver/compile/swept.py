"""A graph of numbers as a program: its values level by level, and backwards what all of them receive.

Where levels are wide, a level is one gather of everything that it reads, a few operations of NumPy for each form, and
backwards one addition to everything that it read, in a fixed order. Where they are narrow, Python goes through the
nodes one by one (`bptt_solver.compile.taped`). With Numba all of it is one compiled function.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.compile.graph import SUM, Graph
from bptt_solver.compile.kinds import Grouped
from bptt_solver.compile.load import load
from bptt_solver.compile.statements import NotCompiled
from bptt_solver.compile.taped import Taped, native_functions, native_source, single_functions, single_source
from bptt_solver.compile.task import Task
from bptt_solver.compile.words import joined
from bptt_solver.instances import Unfolded
from bptt_solver.system import Instance

# what is cheaper, in microseconds: NumPy's calls for a level and a group of it, or Python for a node and an edge of it
LEVEL, GROUP, NODE, EDGE, STRETCH = 3.0, 3.5, 0.25, 0.08, 12.0

Call = tuple[Callable[..., Any], tuple[Any, ...]]


class _Level:
    """The groups of one level. ``gathered`` are the values of all that they read, ``passed`` what they pass on."""

    __slots__ = ("_back", "_gathered", "_operands", "_passed", "_r", "_values", "_z")

    def __init__(self, arrays: tuple[Any, Any], operands: Any, gathered: Any, passed: Any) -> None:
        self._z, self._r = arrays
        self._operands, self._gathered, self._passed = operands, gathered, passed
        self._values: list[Call] = []
        self._back: list[Call] = []

    def add(self, forward: Call, backward: Call) -> None:
        """One more group."""
        self._values.append(forward)
        self._back.append(backward)

    def forward(self) -> None:
        """The values of the level."""
        self._z.take(self._operands, None, self._gathered, "clip")
        for function, arguments in self._values:
            function(*arguments)

    def backward(self) -> None:
        """What the level passes on, added in the order of its groups, slots and rows."""
        import numpy as np

        for function, arguments in self._back:
            function(*arguments)
        np.add.at(self._r, self._operands, self._passed)


class Swept:
    """The program of a graph in which every value is one number. ``library``: NumPy (with Python), or Numba."""

    def __init__(self, unfolded: Unfolded, order: Sequence[int], library: str = "numpy") -> None:
        import numpy as np

        if library == "numba" and find_spec("numba") is None:
            raise NotCompiled(message("compile.not_installed", name="numba"))
        self.unfolded = unfolded
        self.graph = Graph(unfolded, order, unfolded.system.operations)
        self.library = library
        self._keys = [unfolded.keys[n] for n in self.graph.inputs]
        self._z, self._r = np.zeros(self.graph.size), np.zeros(self.graph.size)
        self._parts: list[_Level | Taped] = []
        if library == "numba":
            self.source = native_source(self.graph.kinds)
            self._native = native_functions(self.source)
        else:
            self._in_parts()

    # -- the parts

    def _in_parts(self) -> None:
        import numpy as np

        graph = self.graph
        arrays = self._z, self._r
        stretches = _stretches(graph)
        often = self._often([s for s in stretches if s[2]])
        singles = single_source(graph.kinds, often) if often is not None else ""
        functions = single_functions(singles) if singles else None
        made, temporaries, text = self._grouped([s for s in stretches if not s[2]])
        self.source = joined([part for part in (text, singles) if part], "\n\n")
        wide = [(a, b) for low, high, narrow in stretches if not narrow for a, b in self._levels(low, high)]
        longest = max((int(graph.edges[b] - graph.edges[a]) for a, b in wide), default=0)
        gathered = np.empty(sum(int(graph.edges[b] - graph.edges[a]) for a, b in wide))
        passed = np.empty(longest)
        most = max((int((graph.after - graph.first)[a:b].max()) for a, b in wide), default=0)
        scratch = np.empty((temporaries, most))
        used = 0
        for low, high, narrow in stretches:
            if narrow and functions is not None:
                self._parts.append(Taped(graph, low, high, functions, arrays))
                continue
            for a, b in self._levels(low, high):
                count = int(graph.edges[b] - graph.edges[a])
                level = _Level(
                    arrays,
                    graph.operands[graph.edges[a] : graph.edges[b]],
                    gathered[used : used + count],
                    passed[:count],
                )
                for group in range(a, b):
                    begin = int(graph.edges[group] - graph.edges[a])
                    self._add(level, group, (gathered[used:], passed, begin, scratch), made)
                used += count
                self._parts.append(level)

    def _often(self, stretches: Sequence[tuple[int, int, bool]]) -> list[int] | None:
        """The kinds of nodes in narrow stretches, the most frequent ones first; None if there are no such stretches."""
        import numpy as np

        if not stretches:
            return None
        sizes, kinds = self.graph.after - self.graph.first, self.graph.kind
        counts = np.zeros(len(self.graph.kinds) + 1)
        for low, high, _ in stretches:
            np.add.at(counts, kinds[low:high], sizes[low:high])
        order: list[int] = np.argsort(-counts[:-1], kind="stable").tolist()
        return [k for k in order if counts[k]]

    def _levels(self, low: int, high: int) -> list[tuple[int, int]]:
        """The levels among groups that begin and end with a level."""
        bounds = self.graph.bounds.tolist()
        cuts = bounds[bisect_left(bounds, low) : bisect_left(bounds, high) + 1]
        return list(pairwise(cuts))

    def _grouped(self, stretches: Sequence[tuple[int, int, bool]]) -> tuple[dict[int, tuple[Any, Any]], int, str]:
        """The functions of the kinds that are computed in groups, how many temporary arrays they need, their text."""
        import numpy as np

        graph = self.graph
        grouped = Grouped(self.unfolded.system.operations)
        kinds = [graph.kind[low:high] for low, high, _ in stretches]
        numbers = [k for k in np.unique(np.concatenate(kinds)).tolist() if k != SUM] if kinds else []
        for number in numbers:
            grouped.forward(f"f{number}", graph.kinds[number])
            grouped.backward(f"p{number}", graph.kinds[number])
        if not numbers:
            return {}, 0, ""
        source = grouped.source()
        table = ", ".join(f"{k}: (f{k}, p{k})" for k in numbers)
        functions = load(f"{source}\n\ndef functions():\n    return {{{table}}}\n", "functions")
        return functions(), grouped.temporaries, source

    def _add(self, level: _Level, group: int, where: tuple[Any, Any, int, Any], made: dict[int, Any]) -> None:
        """A group's calls, with views of the arrays in which they work."""
        import numpy as np

        graph = self.graph
        gathered, passed, begin, scratch = where
        first, after = int(graph.first[group]), int(graph.after[group])
        count = after - first
        out, received = self._z[first:after], self._r[first:after]
        number = int(graph.kind[group])
        if number == SUM:
            low, high = int(graph.edges[group]), int(graph.edges[group + 1])
            begins = graph.begins[graph.head[group] : graph.head[group] + count]
            own, to = gathered[begin : begin + high - low], passed[begin : begin + high - low]
            forward: Call = np.add.reduceat, (own, begins, 0, None, out)
            if count == 1:
                level.add(forward, (np.copyto, (to, received)))
            else:
                level.add(forward, (received.take, (graph.owners[low:high], None, to, "clip")))
            return
        kind = graph.kinds[number]
        slots: list[Any] = [None] * (len(kind.operands) + len(kind.constants))
        places = []
        for rank, slot in enumerate(kind.operands):
            slots[slot] = gathered[begin + rank * count : begin + (rank + 1) * count]
            places.append(passed[begin + rank * count : begin + (rank + 1) * count])
        for rank, slot in enumerate(kind.constants):
            start = int(graph.fixed[group]) + rank * count
            held = graph.constants[start : start + count]
            slots[slot] = float(held[0]) if (held == held[0]).all() else held
        temporary = [row[:count] for row in scratch]
        function, pull = made[number]
        level.add((function, (out, temporary, *slots)), (pull, (received, out, temporary, *places, *slots)))

    # -- running

    def run(self, given: Mapping[Instance, Any]) -> Any:
        """All values, by row. The array is the program's own: the next run changes it."""
        import numpy as np

        self._z[: len(self._keys)] = np.array([given[key] for key in self._keys], float)
        if self.library == "numba":
            self._native[0](*self._arguments())
        else:
            with np.errstate(all="ignore"):
                for part in self._parts:
                    part.forward()
        return self._z

    def sweep(self, values: Any, target: int) -> Any:
        """The ordered derivatives of an instance by all values of the last run, by row, in the program's own array."""
        import numpy as np

        assert values is self._z
        self._r.fill(0.0)
        self._r[self.graph.rows[target]] = 1.0
        if self.library == "numba":
            self._native[1](*self._arguments())
        else:
            with np.errstate(all="ignore"):
                for part in reversed(self._parts):
                    part.backward()
        return self._r

    def _arguments(self) -> tuple[Any, ...]:
        g = self.graph
        return self._z, self._r, g.operands, g.constants, g.kind, g.first, g.after, g.edges, g.fixed, g.head, g.begins

    def rows(self, keys: Sequence[Instance]) -> Any:
        """Where instances lie in the arrays of `run` and `sweep`."""
        return self.graph.rows[[self.unfolded.number[key] for key in keys]]


def _stretches(graph: Graph) -> list[tuple[int, int, bool]]:
    """The groups in stretches of levels, wide or narrow: (first group, group behind the last, whether narrow)."""
    import numpy as np

    low, high = graph.bounds[:-1], graph.bounds[1:]
    if not len(low):
        return []
    nodes = graph.after[high - 1] - graph.first[low]
    single = nodes * NODE + (graph.edges[high] - graph.edges[low]) * EDGE
    together = LEVEL + GROUP * (high - low)
    narrow = single < together
    cuts = np.append(np.flatnonzero(np.diff(narrow, prepend=~narrow[:1])), len(low))
    saved = np.append(0, np.cumsum(together - single))
    found: list[tuple[int, int, bool]] = []
    for a, b in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        taped = bool(narrow[a]) and bool(saved[b] - saved[a] > STRETCH)
        start, end = int(low[a]), int(high[b - 1])
        if found and found[-1][2] == taped:
            found[-1] = found[-1][0], end, taped
        else:
            found.append((start, end, taped))
    return found


class NumbersByLevel:
    """A task in which every value is one number, between instances and the rows of `Swept`."""

    route, reason, dtype = "levels", "", "float64"

    def __init__(self, task: Task, dtype: str, library: str = "numpy") -> None:
        """Raises NotCompiled."""
        if dtype != "float64" or not has_numbers_only(task):
            raise NotCompiled(message("compile.swept_64"))
        self.library = library
        self.program = Swept(task.base, task.base.order, library)
        self.source = self.program.source
        self._target = task.base.number[task.target]
        self._keys, self._rows = list(task.values), self.program.rows(task.values)
        self._wanted = [key for key, _ in task.wanted]
        self._by = self.program.rows([of for _, of in task.wanted]) if task.wanted else None

    def __call__(self, given: Mapping[Instance, Any]) -> dict[Instance, Any]:
        values = self.program.run(given)
        result = dict(zip(self._keys, values[self._rows].tolist(), strict=True))
        if self._by is not None:
            received = self.program.sweep(values, self._target)
            result.update(zip(self._wanted, received[self._by].tolist(), strict=True))
        return result


def has_numbers_only(task: Task) -> bool:
    """Whether no value of a task is an array."""
    return not any(task.shapes.values())


def is_graph(task: Task) -> bool:
    """Whether a task has no loop structure: numbers only, and each equation stands for one of them."""
    if task.is_large or any(equation.ranges for equation in task.frame.system.equations):
        return False
    return has_numbers_only(task)


__all__ = ["NumbersByLevel", "Swept", "has_numbers_only", "is_graph"]
