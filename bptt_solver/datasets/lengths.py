"""The system of a problem for sequences of other lengths: which size counts the steps, and what is given then.

The document gives one sequence as a sample. That every member which is read is there for another length too is found
by unfolding the system once more, for at most one step more than the document has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.catalogues import message
from bptt_solver.compile.frame import Box, Frame
from bptt_solver.errors import ProblemError, fail
from bptt_solver.language.expressions import Expression, Index, Range, Reference, Sum, children
from bptt_solver.limits import TABLE, Limits
from bptt_solver.problem.problem import Problem
from bptt_solver.system import Given, System
from bptt_solver.unfold import unfold

Shape = tuple[int, ...]


class Lengths:
    """Knows the families ``names`` of a data set: the box of their indices, the shape of a member, the size that is
    their number of steps. Raises ProblemError for a name of which a sequence cannot be given."""

    def __init__(self, problem: Problem, names: Sequence[str]) -> None:
        self.problem = problem
        self.names = tuple(names)
        self.frame = Frame.of(problem)
        self.boxes = {name: self._box(name) for name in names}
        self.members = {name: self._member(name) for name in names}
        self.sizes = {name: self._size(name) for name in names}
        self._sound: dict[tuple[tuple[str, int], ...], None] = {}

    def _box(self, name: str) -> Box:
        parts = self.problem.system.given.get(name)
        if parts is None:
            known = [n for n, role in self.problem.system.roles.items() if role == "data"]
            known = known or list(self.problem.system.given)
            hint = (
                message("data_set.gives", names=message.listed(known, "list.comma"))
                if known
                else message("data_set.gives_nothing")
            )
            raise fail(message("data_set.not_given", name=name), hint=hint)
        boxes = self.frame.given[name]
        if len(boxes) != 1:
            raise fail(message("data_set.parts", name=name, count=len(boxes)))
        return boxes[0]

    def _member(self, name: str) -> Shape:
        shape = self.problem.system.given[name][0].shape
        fixed = tuple(n for n in shape if n is not None)
        if len(fixed) != len(shape):
            raise fail(message("data_set.members", name=name))
        return fixed

    def _size(self, name: str) -> str | None:
        """The size that grows by 1 where one more member along the time of a family is read; None: there is none."""
        system = self.problem.system
        at = system.time_position(name)
        if at is None:
            return None
        before = _last_read(system, name, at, system.sizes)
        found = [
            size
            for size in system.sizes
            if _last_read(system, name, at, {**system.sizes, size: system.sizes[size] + 1}) == before + 1
        ]
        return found[0] if len(found) == 1 else None

    def sample(self, name: str) -> Shape:
        """The shape of one sequence of a name, as the document has it."""
        return (*(high - low + 1 for low, high in self.boxes[name]), *self.members[name])

    def frame_of(self, shapes: Mapping[str, Shape]) -> tuple[Frame, dict[str, Box]]:
        """The frame of one sequence of these shapes, and the boxes of its names. Raises ProblemError for shapes that do
        not fit."""
        sizes: dict[str, int] = {}
        boxes: dict[str, Box] = {}
        for name in self.names:
            boxes[name] = self._fitted(name, shapes[name], sizes)
        system = self.problem.system
        changed = {name: value for name, value in sizes.items() if value != system.sizes[name]}
        if changed:
            if self.problem.target.indices:
                raise fail(
                    message("data_set.target_member", name=self.problem.target.name),
                    hint=message("data_set.target_plain"),
                )
            small = {name: min(value, system.sizes[name] + 1) for name, value in sizes.items()}
            self._check(small)
            system = _resized(system, boxes, {**system.sizes, **sizes})
        given = {**self.frame.given, **{name: [box] for name, box in boxes.items()}}
        return Frame(system, self.problem.target, self.frame.members, given), boxes

    def _fitted(self, name: str, shape: Shape, sizes: dict[str, int]) -> Box:
        """The box of a name for sequences of this shape; the number of steps goes into ``sizes``."""
        wanted, box, size = self.sample(name), list(self.boxes[name]), self.sizes[name]
        at = self.problem.system.time_position(name) if size is not None else None
        if len(shape) != len(wanted) or any(shape[k] != w and k != at for k, w in enumerate(wanted)):
            axes = ", ".join(str(size) if k == at else str(w) for k, w in enumerate(wanted))
            raise fail(
                message("data_set.sequence_shape", name=name, shape=_shape_text(shape), expected=_shape_text(wanted)),
                hint=message("data_set.needs_axes", axes=axes) if axes else message("data_set.needs_plain"),
            )
        if size is not None and at is not None:
            if not shape[at]:
                raise fail(message("data_set.no_steps", name=name))
            low, high = box[at]
            box[at] = (low, low + shape[at] - 1)
            value = self.problem.system.sizes[size] + box[at][1] - high
            if value < 1:
                raise fail(message("data_set.leaves_none", name=name, count=shape[at], size=size, value=value))
            known = sizes.setdefault(size, value)
            if known != value:
                text = message("data_set.steps_differ", count=value, name=name, other=known)
                raise fail(text, hint=message("data_set.both", size=size))
        return tuple(box)

    def _check(self, sizes: Mapping[str, int]) -> None:
        """That all that is read is given or defined with these sizes. Raises ProblemError."""
        key = tuple(sizes.items())
        if key in self._sound:
            return
        self._sound[key] = None
        system = self.problem.system
        boxes: dict[str, Box] = {}
        for name in self.names:
            box, size = list(self.boxes[name]), self.sizes[name]
            at = system.time_position(name)
            if size is not None and at is not None:
                low, high = box[at]
                box[at] = (low, high + sizes[size] - system.sizes[size])
            boxes[name] = tuple(box)
        try:
            unfold(_resized(system, boxes, {**system.sizes, **sizes}), Limits({"instances": TABLE["instances"].most}))
        except ProblemError as error:
            counted = ", ".join(f"{name} = {value}" for name, value in sizes.items())
            first = fail(message("data_set.no_fit", sizes=counted), hint=message("data_set.below"))
            raise ProblemError(*first.problems, *error.problems) from None


def _resized(system: System, boxes: Mapping[str, Box], sizes: Mapping[str, int]) -> System:
    """The same equations with other sizes; ``boxes``: what is given of the families that change."""
    given: dict[str, Sequence[Given]] = dict(system.given)
    for name, box in boxes.items():
        part = system.given[name][0]
        low, high = tuple(first for first, _ in box), tuple(last for _, last in box)
        given[name] = [Given(name, low, high, part.shape, part.role)]
    return System(system.equations, given, system.operations, sizes, system.maps, system.ranks, system.roles)


def _last_read(system: System, name: str, at: int, sizes: Mapping[str, int]) -> int:
    """The highest index of a family that is read along an axis, conditions aside; a very low one if none is known."""
    last = -(1 << 60)
    for equation in system.equations:
        scope = _spans(equation.ranges, {n: (v, v) for n, v in sizes.items()})
        pending: list[tuple[Expression, dict[str, tuple[int, int]]]] = [(equation.right, scope)]
        while pending:
            node, known = pending.pop()
            if isinstance(node, Reference) and node.name == name:
                ends = _ends(node.indices[at], known)
                last = last if ends is None else max(last, ends[1])
            inner = _spans(node.ranges, known) if isinstance(node, Sum) else known
            pending.extend((child, inner) for child in children(node))
    return last


def _spans(ranges: Sequence[Range], known: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """What is known of variables (lowest and highest value), with those of more ranges."""
    result = dict(known)
    for span in ranges:
        low, high = _ends(span.low, result), _ends(span.high, result)
        if low is None or high is None:
            result.pop(span.variable, None)
        else:
            result[span.variable] = (low[0], high[1])
    return result


def _ends(index: Index, known: Mapping[str, tuple[int, int]]) -> tuple[int, int] | None:
    """The lowest and the highest value of an index; None where it looks something up."""
    low = high = index.constant
    for atom, factor in index.terms:
        if not isinstance(atom, str) or atom not in known:
            return None
        ends = sorted(factor * end for end in known[atom])
        low, high = low + ends[0], high + ends[1]
    return low, high


def _shape_text(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
