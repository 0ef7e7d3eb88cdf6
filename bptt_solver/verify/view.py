"""The forward pass of a computation as the routes see it: run again with one entry changed, or in other numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import NotFinite, Value, is_array, is_exact, to_float
from bptt_solver.evaluate import Program, Values
from bptt_solver.language.expressions import Call, Expression, derivative_name, preorder
from bptt_solver.language.templates import Template
from bptt_solver.system import Instance
from bptt_solver.unfold import Ground, instance_text

if TYPE_CHECKING:
    from bptt_solver.computation import Computation

Spot = tuple[int, int]  # an instance and the place of one of its entries


def moved(computation: Computation, key: Instance, entry: tuple[int, ...], h: Any) -> Value:
    """The target when one entry of an instance is changed by ``h`` where it is computed."""
    view = View(computation)
    number = view.unfolded.number[key]
    value = view.values[number]
    at = _flat(entry, value)
    return view.rerun(computation.program, list(view.values), number, at, h)


def _flat(entry: tuple[int, ...], value: Value) -> int:
    if not entry:
        return 0
    at = 0
    for i, n in zip(entry, value.shape, strict=True):
        if not 1 <= i <= n:
            raise ValueError(f"there is no entry {entry} in an array of shape {value.shape}")
        at = at * n + i - 1
    return at


class View:
    """The forward pass of a computation, ready for other routes."""

    def __init__(self, computation: Computation) -> None:
        self.computation = computation
        self.problem = computation.problem
        self.unfolded = self.problem.unfolded
        self.count = len(self.unfolded.keys)
        self.order = self.unfolded.order
        self.target = self.unfolded.number[computation.target_key]
        self.values: Values = computation.program.start(self.problem.given)
        self.values[: self.count] = computation.values[: self.count]
        self.floats: Values = [float_or_same(v) for v in self.values]
        self.sizes = [v.size if is_array(v) else 1 for v in self.values[: self.count]]
        self.entries = sum(self.sizes)
        self.scalar = self.entries == self.count and not any(is_array(v) for v in self.values)
        self.costs: list[int] = []
        scalars: dict[int, bool] = {}
        self.stops = False
        for number in self.order:
            cost = 0
            for ground in _all_grounds(self.unfolded.grounds[number] or ()):
                cost += 1 + len(ground.slots)
                template = ground.template
                if id(template) not in scalars:
                    names = _operations(template.expression)
                    self.stops = self.stops or "stop_gradient" in names
                    scalars[id(template)] = _is_scalar(template, self)
                if self.scalar and not scalars[id(template)]:
                    self.scalar = False
                if not self.scalar:
                    cost += sum(self.sizes[s] if s >= 0 else 1 for s in ground.slots if isinstance(s, int)) // 16
            self.costs.append(cost)
        self.work = sum(self.costs)
        self._first: dict[int, int] | None = None

    @property
    def exact(self) -> bool:
        """Whether all values are exact."""
        return all(is_exact(v) for v in self.values)

    def name(self, number: int) -> str:
        """The ordered derivative with respect to an instance, as it is printed."""
        family, indices = self.unfolded.keys[number]
        return instance_text((derivative_name(self.computation.target_text, family), indices))

    def entry(self, number: int, at: int) -> tuple[int, ...]:
        """The 1-based index of an entry; () for a scalar."""
        value = self.values[number]
        if not is_array(value):
            return ()
        index = []
        for n in reversed(value.shape):
            index.append(at % n + 1)
            at //= n
        return tuple(reversed(index))

    def spots(self) -> list[Spot]:
        """All entries of all instances."""
        return [(n, at) for n in range(self.count) for at in range(self.sizes[n])]

    def first(self, number: int) -> int:
        """The first position in the order at which something changes when the instance does."""
        if self._first is None:
            self._first = {}
            for at, here in enumerate(self.order):
                for read in self.unfolded.reads(here):
                    self._first.setdefault(read, at)
        return self._first.get(number, len(self.order))

    def rerun(self, program: Program, values: Values, number: int, at: int, delta: Value) -> Value:
        """The target in a program's arithmetic when one entry is changed where it is computed. ``values`` is used
        up.
        """
        value = values[number]
        if is_array(value):
            value = value.copy()
            index = tuple(i - 1 for i in self.entry(number, at))
            value[index] = value[index] + delta
        else:
            value = value + delta
        values[number] = value
        last = program.position.get(self.target, -1) + 1
        if number != self.target:
            program.run(values, first=self.first(number), last=last, finite=False)
        return values[self.target]


def float_or_same(value: Value) -> Value:
    """A value as float64, if it is not too large for that."""
    try:
        return to_float(value)
    except NotFinite:
        return value


def _all_grounds(grounds: Sequence[Ground]) -> Iterator[Ground]:
    stack = list(reversed(grounds))
    while stack:
        ground = stack.pop()
        yield ground
        for entry in ground.slots:
            if not isinstance(entry, int):
                stack.extend(entry)


def _operations(expression: Expression) -> set[str]:
    return {node.operation for node in preorder(expression) if isinstance(node, Call)}


def _is_scalar(template: Template, view: View) -> bool:
    """Whether nothing in a template is an array, formulas of plugins included."""
    if any(template.ranks):
        return False
    seen: set[str] = set()
    pending = sorted(_operations(template.expression))
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in ("concat", "softmax", "log_softmax", "norm2", "logsumexp"):
            return False
        formula = view.problem.operations[name].value()
        if formula is not None:
            pending.extend(sorted(_operations(formula)))
    return True
