"""A graph of numbers without a loop structure, laid out for sweeping: level by level, and within a level form by form.

Every value gets a level, one more than the highest that it reads. Those of a level that have the same template (and
constants in the same slots) are a *group*: their rows follow each other, and so do their operands, slot by slot. A sum
of several summands is a node of its own behind them. Constants are no rows: each group has an array of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bptt_solver.collection import PausedCollection
from bptt_solver.compile.kinds import Kind
from bptt_solver.instances import Ground, Unfolded
from bptt_solver.language.operations import Operations
from bptt_solver.language.slots import Slot
from bptt_solver.language.templates import Template

SUM = -1  # the kind of a node that adds up others


class _Nodes:
    """The nodes as flat lists, as they are met: what each reads, its form and its level. An instance has its number as
    place; behind the instances and the constants come the summands and inner sums."""

    def __init__(self, unfolded: Unfolded, order: Sequence[int]) -> None:
        self.count = len(unfolded.keys) + len(unfolded.constants)
        self.levels = [0] * self.count  # constants have negative numbers: they are the last
        self.above: list[int] = []  # levels of the places behind
        self.places: list[int] = []
        self.kinds: list[int] = []
        self.starts: list[int] = []
        self.slots: list[int] = []
        self.summed: list[tuple[int, list[int]]] = []  # place and operands of each sum
        self.zeros: list[int] = []  # sums of nothing
        self.forms: dict[tuple[int, tuple[bool, ...]], int] = {}
        self.templates: list[tuple[Template, tuple[bool, ...]]] = []
        grounds = unfolded.grounds
        for number in order:
            own = grounds[number] or ()
            if len(own) == 1 and list not in map(type, own[0].slots):
                self.levels[number] = self._node(number, own[0].template, own[0].slots)  # type: ignore[arg-type]
            else:
                self.levels[number] = self._sum(number, own)

    def _node(self, place: int, template: Template, slots: Sequence[int]) -> int:
        """A node into the lists; its level."""
        low = min(slots, default=0)
        mask = tuple([slot < 0 for slot in slots]) if low < 0 else (False,) * len(slots)
        key = (id(template), mask)
        kind = self.forms.get(key)
        if kind is None:
            kind = self.forms[key] = len(self.templates)
            self.templates.append((template, mask))
        self.places.append(place)
        self.kinds.append(kind)
        self.starts.append(len(self.slots))
        self.slots.extend(slots)
        if self.above:
            count, above = self.count, self.above
            return 1 + max([self.levels[s] if s < count else above[s - count] for s in slots], default=0)
        return 1 + max(map(self.levels.__getitem__, slots), default=0)

    def _new(self) -> int:
        self.above.append(0)
        return self.count + len(self.above) - 1

    def _sum(self, place: int, grounds: Sequence[Ground]) -> int:
        """A sum of summands into the lists; its level. Inner sums by recursion, as deep as sums are nested."""
        operands: list[int] = []
        level = 0
        if not grounds:
            self.zeros.append(place)
            return 0
        for ground in grounds:
            slots = [slot if isinstance(slot, int) else self._inner(slot) for slot in ground.slots]
            if len(slots) == 1 and slots[0] >= 0 and self._is_copy(ground.template):
                operand = slots[0]
            elif len(grounds) == 1:
                return self._node(place, ground.template, slots)
            else:
                operand = self._new()
                self.above[operand - self.count] = self._node(operand, ground.template, slots)
            operands.append(operand)
            level = max(level, self.levels[operand] if operand < self.count else self.above[operand - self.count])
        self.summed.append((place, operands))
        return level + 1

    def _inner(self, grounds: Sequence[Ground]) -> int:
        place = self._new()
        self.above[place - self.count] = self._sum(place, grounds)
        return place

    def _is_copy(self, template: Template) -> bool:
        return type(template.expression) is Slot


class Graph:
    """The layout. ``rows`` gives the row of each instance, ``inputs`` the given instances, which have the first
    rows; the nodes begin at row ``start``, behind sums of nothing, which stay 0. ``size`` is the number of rows.

    Groups, in order of their rows: ``kind`` (a number of `kinds`, or `SUM`), ``first`` and ``after`` (their rows),
    ``edges`` (where their operands begin in ``operands``, which holds rows: all of the first slot, then the second),
    ``fixed`` (where their constants begin in ``constants``, in the same way); for sums the operands of one node
    follow each other, ``owners`` says for each edge which node of its group it belongs to (0 elsewhere), and ``begins``
    from ``head`` of the group on where the operands of each node begin. ``bounds`` are the groups at which the levels
    begin.
    """

    def __init__(self, unfolded: Unfolded, order: Sequence[int], operations: Operations) -> None:
        import numpy as np

        with PausedCollection():
            nodes = _Nodes(unfolded, order)
            self.kinds = [Kind(template, mask, operations) for template, mask in nodes.templates]
        self.templates = nodes.templates
        self.inputs = [n for n, own in enumerate(unfolded.grounds) if own is None]
        sums = len(nodes.summed)
        place = np.array([*nodes.places, *(p for p, _ in nodes.summed)], np.intp)
        kind = np.array([*nodes.kinds, *[SUM] * sums], np.intp)
        levels = np.array(nodes.levels + nodes.above, np.intp)[place]
        widest = len(self.kinds) + 1
        key = levels * widest + np.where(kind < 0, len(self.kinds), kind)
        sorting = np.argsort(key, kind="stable")
        self.start = start = len(self.inputs) + len(nodes.zeros)
        row = np.zeros(nodes.count + len(nodes.above), np.intp)
        row[[*self.inputs, *nodes.zeros]] = np.arange(start)
        row[place[sorting]] = np.arange(start, start + len(place))
        self.rows: Any = row[: len(unfolded.keys)]
        self.size = start + len(place)
        sorted_key = key[sorting]
        cuts = np.flatnonzero(np.diff(sorted_key, prepend=-1))
        self.first = cuts + start
        self.after = np.append(self.first[1:], self.size)[: len(cuts)]
        self.kind = kind[sorting[cuts]]
        level = levels[sorting[cuts]]
        self.bounds = np.append(np.flatnonzero(np.diff(level, prepend=-1)), len(cuts))
        self._fill(unfolded, nodes, sorting, row)

    def _fill(self, unfolded: Unfolded, nodes: _Nodes, sorting: Any, row: Any) -> None:
        """Operands and constants of all groups."""
        import numpy as np

        sizes = self.after - self.first
        arity = np.array([*(len(k.operands) for k in self.kinds), 0], np.intp)[self.kind]  # the last is that of SUM
        fixed = np.array([*(len(k.constants) for k in self.kinds), 0], np.intp)[self.kind]
        lengths = np.array([len(operands) for _, operands in nodes.summed] or [0], np.intp)
        group_of = np.repeat(np.arange(len(sizes)), sizes)  # of each node, in the order of the rows
        inside = np.arange(len(sorting)) - np.repeat(self.first - self.start, sizes)
        places = np.flatnonzero(self.kind[group_of] == SUM)
        chosen = sorting[places] - len(nodes.places)  # the sums, in the order of the rows
        each = lengths[chosen]
        edges = sizes * arity
        np.add.at(edges, group_of[places], each)
        self.edges = np.append(0, np.cumsum(edges))
        self.fixed = np.append(0, np.cumsum(sizes * fixed))
        self.operands = np.empty(int(self.edges[-1]), np.intp)
        self.constants = np.empty(int(self.fixed[-1]))
        before = np.append(0, np.cumsum(each))
        head = np.searchsorted(places, self.first - self.start)  # of each group: its first sum
        self.head = head
        self.begins = before[:-1] - before[head[group_of[places]]]
        self.owners = np.zeros(int(self.edges[-1]) if len(places) else 0, np.intp)
        flat = np.array([p for _, operands in nodes.summed for p in operands], np.intp)
        own = np.append(0, np.cumsum(lengths))
        counted = np.arange(int(before[-1])) - np.repeat(before[:-1], each)
        target = np.repeat(self.edges[group_of[places]] + self.begins, each) + counted
        self.operands[target] = row[flat[np.repeat(own[chosen], each) + counted]]
        if len(places):
            self.owners[target] = np.repeat(inside[places], each)
        self._slots(unfolded, nodes, sorting, row, (group_of, inside, sizes))

    def _slots(self, unfolded: Unfolded, nodes: _Nodes, sorting: Any, row: Any, where: tuple[Any, Any, Any]) -> None:
        """What the slots of templates read, kind by kind."""
        import numpy as np

        group_of, inside, sizes = where
        values = np.array([float(value) for _, value in unfolded.constants] or [0.0])
        slots, starts = np.array(nodes.slots, np.intp), np.array(nodes.starts, np.intp)
        kind_of = self.kind[group_of]
        by_kind = np.argsort(kind_of, kind="stable")
        ends = np.searchsorted(kind_of[by_kind], np.arange(len(self.kinds) + 1))
        for number, kind in enumerate(self.kinds):
            at = by_kind[ends[number] : ends[number + 1]]
            group, start = group_of[at], starts[sorting[at]]
            for rank, slot in enumerate(kind.operands):
                self.operands[self.edges[group] + rank * sizes[group] + inside[at]] = row[slots[start + slot]]
            for rank, slot in enumerate(kind.constants):
                self.constants[self.fixed[group] + rank * sizes[group] + inside[at]] = values[-1 - slots[start + slot]]
