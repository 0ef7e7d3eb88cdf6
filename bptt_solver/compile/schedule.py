"""Which statements run as one array operation, and which in a loop: Allen and Kennedy's loop distribution.

The dependence graph of the statements falls into strongly connected components. A component without a cycle is one
operation over all its indices. One with a cycle is a recurrence: a loop over the index along which it reaches back,
forwards or backwards; inside, the edges that the loop carries are gone and the same is done again. What a recurrence
computes from things outside of it is taken out first (`hoist`): the input products of all times become one product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.compile.pack import ROWS
from bptt_solver.compile.statements import Loop, NotCompiled, Statement
from bptt_solver.language.expressions import Call, Expression, Index, Number, Reference, Sum
from bptt_solver.system import System


class Whole:
    """One statement as one array operation over the loops that no surrounding loop runs through."""

    __slots__ = ("statement",)

    def __init__(self, statement: Statement) -> None:
        self.statement = statement


class Recurrence:
    """A loop over ``variable``, ``backward`` from last to first: stretches of values with the same statements."""

    __slots__ = ("backward", "stretches", "variable")

    def __init__(self, variable: str, backward: bool, stretches: Sequence[tuple[Loop, Sequence[Node]]]) -> None:
        self.variable = variable
        self.backward = backward
        self.stretches = stretches


Node = Whole | Recurrence
Part = tuple[int, int] | None


class Edge:
    """``reader`` reads what ``writer`` writes; per dimension variable the distance, None where it is not constant."""

    __slots__ = ("distances", "reader", "writer")

    def __init__(self, writer: int, reader: int, distances: Mapping[str, int | None]) -> None:
        self.writer = writer
        self.reader = reader
        self.distances = distances


class Scheduler:
    """Statements whose variables have one name for each dimension (see `canonical`)."""

    def __init__(self, system: System, statements: Sequence[Statement]) -> None:
        self.system = system
        self.statements = list(statements)
        self._reads: dict[int, tuple[Statement, list[tuple[Reference, dict[str, Loop], Part]]]] = {}

    # -- the graph

    def _read(self, statement: Statement) -> list[tuple[Reference, dict[str, Loop], Part]]:
        """What a statement reads, found once."""
        known = self._reads.get(id(statement))
        if known is None or known[0] is not statement:
            known = self._reads[id(statement)] = statement, reads(statement, self.system)
        return known[1]

    def edges(self, statements: Sequence[Statement], fixed: frozenset[str]) -> list[Edge]:
        """Who reads whom, among these statements, inside loops over the ``fixed`` variables."""
        writers: dict[str, list[int]] = {}
        for at, statement in enumerate(statements):
            writers.setdefault(statement.name, []).append(at)
        found: list[Edge] = []
        for at, statement in enumerate(statements):
            for reference, loops, part in self._read(statement):
                for writer in writers.get(reference.name, ()):
                    if apart(part, statements[writer].part):
                        continue
                    distances = self._distances(statements[writer], reference, loops)
                    if distances is None or any(distances.get(v) for v in fixed):
                        continue
                    found.append(Edge(writer, at, distances))
        return found

    def _distances(
        self, writer: Statement, reference: Reference, loops: Mapping[str, Loop]
    ) -> dict[str, int | None] | None:
        """How much later the reader runs than the writer along each of the writer's variables; None: never the same
        member."""
        own = {loop.variable: loop for loop in writer.loops}
        result: dict[str, int | None] = {}
        for written, read in zip(writer.indices, reference.indices, strict=True):
            low, high, variable, offset = self._extent(written, own)
            read_low, read_high, read_variable, read_offset = self._extent(read, loops)
            if low > read_high or read_low > high:
                return None
            if variable is not None and variable == read_variable:
                result[variable] = offset - read_offset
            elif variable is not None:
                result[variable] = None
        return result

    def box(self, indices: Sequence[Index], loops: Mapping[str, Loop]) -> tuple[tuple[int, int], ...]:
        """First and last value of each index, inside loops."""
        return tuple(self._extent(index, loops)[:2] for index in indices)

    def _extent(self, index: Index, loops: Mapping[str, Loop]) -> tuple[int, int, str | None, int]:
        """The values of an index (first, last), its variable and its offset if it is a variable plus a number."""
        names = [v for v in index.variables() if v in loops]
        if not names:
            value = self.system.index(index, {})
            return value, value, None, 0
        if len(names) > 1 or any(not isinstance(atom, str) for atom, _ in index.terms):
            raise NotCompiled(message("compile.several_variables"))
        loop = loops[names[0]]
        at_first = self.system.index(index, {names[0]: loop.first})
        at_last = self.system.index(index, {names[0]: loop.last})
        coefficient = dict(index.terms)[names[0]]
        variable = names[0] if coefficient == 1 else None
        return min(at_first, at_last), max(at_first, at_last), variable, at_first - loop.first

    # -- loop distribution

    def schedule(self) -> list[Node]:
        """The nodes in the order in which they run."""
        return self._schedule(self.statements, frozenset())

    def components(self, statements: Sequence[Statement], edges: Sequence[Edge]) -> list[list[int]]:
        """Strongly connected statements, what is read before what reads it; as written where that is left open.

        A statement for some members of a family (``h[T] = ...``) goes with the recurrence of the others if that draws
        nothing else into it.
        """
        import networkx

        graph = networkx.DiGraph()
        graph.add_nodes_from(range(len(statements)))
        graph.add_edges_from((e.writer, e.reader) for e in edges)
        whole = networkx.condensation(graph)
        for node in list(whole):
            members = whole.nodes[node]["members"]
            if len(members) > 1:
                self._drawn_in(graph, statements, members)
        whole = networkx.condensation(graph)
        first = {node: min(whole.nodes[node]["members"]) for node in whole}
        order = networkx.lexicographical_topological_sort(whole, key=first.__getitem__)
        return [sorted(whole.nodes[node]["members"]) for node in order]

    def _drawn_in(self, graph: Any, statements: Sequence[Statement], members: set[int]) -> None:
        import networkx

        names = {statements[m].name for m in members}
        inside = min(members)
        variables = {loop.variable for loop in statements[inside].loops}
        members = set(members)
        left = [
            at
            for at, s in enumerate(statements)
            if at not in members and s.name in names and variables <= {o.variable for o in s.loops}
        ]
        count = 0
        while count != len(left):  # one that was drawn in may be what stood between another and the recurrence
            count = len(left)
            for at in list(left):
                # a path through a third statement would draw that in as well
                there = networkx.descendants(graph, at) - members - {at}
                back = networkx.ancestors(graph, at) - members - {at}
                round_about = any(networkx.descendants(graph, n) & members for n in there)
                if not round_about and not any(networkx.ancestors(graph, n) & members for n in back):
                    graph.add_edge(at, inside)
                    graph.add_edge(inside, at)
                    members.add(at)
                    left.remove(at)

    def _schedule(self, statements: Sequence[Statement], fixed: frozenset[str]) -> list[Node]:
        edges = self.edges(statements, fixed)
        nodes: list[Node] = []
        for members in self.components(statements, edges):
            inner = [e for e in edges if e.writer in members and e.reader in members]
            if not inner:
                nodes.append(Whole(statements[members[0]]))
            else:
                nodes.append(self._recurrence([statements[m] for m in members], fixed))
        return nodes

    def _recurrence(self, statements: Sequence[Statement], fixed: frozenset[str]) -> Recurrence:
        variable = self._through(statements, fixed)
        backward = any((e.distances.get(variable) or 0) < 0 for e in self.edges(statements, fixed))
        stretches = self._stretches(statements, variable, backward)
        done = [(loop, self._schedule(inner, fixed | {variable})) for loop, inner in stretches]
        return Recurrence(variable, backward, done)

    def _through(self, statements: Sequence[Statement], fixed: frozenset[str]) -> str:
        """The variable along which a recurrence goes: all statements have it, and all edges along it one sign."""
        for loop in statements[0].loops:
            variable = loop.variable
            if variable in fixed or not all(any(o.variable == variable for o in s.loops) for s in statements):
                continue
            steps = [e.distances.get(variable) for e in self.edges(statements, fixed)]
            known = [s for s in steps if s is not None]
            if len(known) == len(steps) and any(known) and (min(known) >= 0 or max(known) <= 0):
                return variable
        raise NotCompiled(message("compile.recurrence"))

    def _stretches(
        self, statements: Sequence[Statement], variable: str, backward: bool
    ) -> list[tuple[Loop, list[Statement]]]:
        """The values of the variable cut where a statement begins or ends, in the order in which they run."""
        loops = [next(loop for loop in s.loops if loop.variable == variable) for s in statements]
        firsts = {loop.first: loop.low for loop in loops}
        firsts.update({loop.last + 1: loop.high.plus(1) for loop in loops if loop.last + 1 not in firsts})
        cuts = sorted(firsts)
        found: list[tuple[Loop, list[Statement]]] = []
        for low, after in pairwise(cuts):
            active = [s for s, loop in zip(statements, loops, strict=True) if loop.first <= low <= loop.last]
            if active:
                found.append((Loop(variable, firsts[low], firsts[after].plus(-1), low, after - 1), active))
        return list(reversed(found)) if backward else found


def apart(one: Part, other: Part) -> bool:
    """Whether two parts of packed members have no entry in common."""
    return one is not None and other is not None and (one[1] <= other[0] or other[1] <= one[0])


def reads(statement: Statement, system: System) -> list[tuple[Reference, dict[str, Loop], Part]]:
    """The references of a statement with the loops and sums around each, and the part of it that is read."""
    outer = {loop.variable: loop for loop in statement.loops}
    found: list[tuple[Reference, dict[str, Loop], Part]] = []
    pending: list[tuple[Expression, dict[str, Loop]]] = [(statement.right, outer)]
    while pending:
        expression, loops = pending.pop()
        if isinstance(expression, Reference):
            found.append((expression, loops, None))
        elif isinstance(expression, Call) and expression.operation == ROWS:
            whole, first, after = expression.arguments
            assert isinstance(whole, Reference) and isinstance(first, Number) and isinstance(after, Number)
            found.append((whole, loops, (int(first.value), int(after.value))))
        elif isinstance(expression, Call):
            pending += [(a, loops) for a in reversed(expression.arguments)]
        elif isinstance(expression, Sum):
            inner = dict(loops)
            for item in expression.ranges:
                ends = system.index(item.low, {}), system.index(item.high, {})
                inner[item.variable] = Loop(item.variable, item.low, item.high, *ends)
            pending.append((expression.body, inner))
    return found
