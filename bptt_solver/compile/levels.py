"""Graphs without a loop structure, level by level: what has one form and the same depth is computed together.

Every instance gets a level, one more than the highest that it reads. The summands of a level that share a template make
a `Group`: its operands are gathered from arrays (one array for each shape), and its results are added to the rows of
their instances. `bptt_solver.compile.leveled` runs the groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.collection import PausedCollection
from bptt_solver.instances import Ground, Unfolded
from bptt_solver.language.expressions import Numeral
from bptt_solver.language.templates import Template

Shape = tuple[int, ...]


class Group:
    """Summands that are computed together: the rows of each operand, and of the instances to which they are added.
    ``partial``: some of these instances have other summands as well."""

    __slots__ = ("operands", "partial", "result", "shapes", "targets", "template")

    def __init__(self, template: Template, shapes: tuple[Shape, ...], result: Shape) -> None:
        self.template = template
        self.shapes = shapes
        self.result = result
        self.operands: list[list[int]] = [[] for _ in shapes]
        self.targets: list[int] = []
        self.partial = False


class Levels:
    """An unfolded system as groups, lowest level first. ``order`` are its defined instances, each behind all that it
    reads.

    ``shapes[place]`` and ``rows[place]`` say where a value lies: in which array, in which row. The first places are
    those of the instances, by number; behind them come the constants and the inner sums.
    """

    def __init__(self, unfolded: Unfolded, shapes: Mapping[int, Shape], order: Sequence[int]) -> None:
        self.unfolded = unfolded
        self.rows: list[int] = []
        self.shapes: list[Shape] = []
        self.counts: dict[Shape, int] = {}
        self.inputs = [n for n in range(len(unfolded.keys)) if unfolded.grounds[n] is None]
        self.groups: list[list[Group]] = []
        self._levels: list[int] = []
        self._known: list[dict[tuple[object, ...], Group]] = []
        with PausedCollection():
            for number in range(len(unfolded.keys)):
                self._add(tuple(shapes.get(number) or ()))
            self.constants: list[tuple[int, Numeral]] = [(self._add(()), value) for _, value in unfolded.constants]
            for number in order:
                self._place(number, unfolded.grounds[number] or ())

    def _add(self, shape: Shape) -> int:
        """A new place for a value of a shape."""
        row = self.counts.get(shape, 0)
        self.counts[shape] = row + 1
        self.rows.append(row)
        self.shapes.append(shape)
        self._levels.append(0)
        return len(self.rows) - 1

    def _at(self, number: int) -> int:
        """The place of an instance or of a constant (these have negative numbers)."""
        return number if number >= 0 else self.constants[-1 - number][0]

    def _place(self, target: int, grounds: Sequence[Ground]) -> None:
        """The summands of a value into groups. Inner sums become values of their own, by recursion, which is as deep as
        sums are nested."""
        level = 0
        found: list[tuple[Ground, list[int]]] = []
        for ground in grounds:
            slots = [self._at(e) if isinstance(e, int) else self._inner(e) for e in ground.slots]
            for slot in slots:
                level = max(level, self._levels[slot])
            found.append((ground, slots))
        self._levels[target] = level + 1
        while len(self.groups) <= level:
            self.groups.append([])
            self._known.append({})
        for ground, slots in found:
            shapes = tuple([self.shapes[s] for s in slots])
            key = (id(ground.template), shapes, self.shapes[target])
            group = self._known[level].get(key)
            if group is None:
                group = self._known[level][key] = Group(ground.template, shapes, self.shapes[target])
                self.groups[level].append(group)
            for operand, slot in zip(group.operands, slots, strict=True):
                operand.append(self.rows[slot])
            group.targets.append(self.rows[target])
            group.partial = group.partial or len(found) > 1

    def _inner(self, grounds: Sequence[Ground]) -> int:
        place = self._add(self._inner_shape(grounds))
        self._place(place, grounds)
        return place

    def _inner_shape(self, grounds: Sequence[Ground]) -> Shape:
        if not grounds:
            return ()
        ground = grounds[0]
        shapes = [self.shapes[self._at(e)] if isinstance(e, int) else self._inner_shape(e) for e in ground.slots]
        return tuple(ground.template.shape(tuple(shapes)))
