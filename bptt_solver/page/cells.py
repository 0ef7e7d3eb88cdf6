"""The numbers of a derivation as data that a page computes again: the trees of the templates, the instances of the
forward and the backward system in order with what stands in their slots, and what is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import is_array
from bptt_solver.instances import Ground
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Number, Reference, derivative_name, preorder
from bptt_solver.language.operations import Operation
from bptt_solver.language.templates import Slot, slot
from bptt_solver.made import One, Other, Source
from bptt_solver.page_operations import PAGE_OPERATIONS
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    from bptt_solver.computation import Computation

MOST_INSTANCES = 30_000  # of a system that is computed in a page
MOST_GIVEN = 20_000  # numbers that can be changed
_MADE = re.compile(r'data-k="-?[tp](\d+)')
Data = dict[str, Any]


class Trees:
    """Expressions in slots as nested lists, each once: a slot's number, ``[constant]``, ``[operation, operands...]``.
    Functions of plugins become formulas in core operations, which are kept by name."""

    def __init__(self, computation: Computation) -> None:
        self.operations = computation.problem.operations
        self.formulas: dict[str, Any] = {}
        self.found: list[Any] = []
        self._places: dict[int, int] = {}
        self._keep: list[Expression] = []  # ids stay valid as long as the trees live

    def place(self, expression: Expression) -> int:
        """The place of a tree in the list."""
        known = self._places.get(id(expression))
        if known is None:
            known = self._places[id(expression)] = len(self.found)
            self._keep.append(expression)
            self.found.append(self.tree(expression))
        return known

    def tree(self, expression: Expression) -> Any:
        """An expression as nested lists."""
        done: list[Any] = []
        stack: list[tuple[Expression, bool]] = [(expression, False)]
        while stack:
            node, ready = stack.pop()
            if isinstance(node, Slot):
                done.append(node.at)
            elif isinstance(node, Number):
                done.append([plain(node.value)])
            else:
                assert isinstance(node, Call), "leaves are slots in a template"
                if not ready:
                    stack.append((node, True))
                    stack.extend((child, False) for child in reversed(node.arguments))
                    continue
                count = len(node.arguments)
                operands = done[len(done) - count :]
                del done[len(done) - count :]
                done.append([*self._called(node.operation, count), *operands, *self._defaults(node.operation, count)])
        return done[0]

    def _called(self, name: str, count: int) -> list[str]:
        if name in PAGE_OPERATIONS:
            return [name]
        operation = self.operations[name]
        formula = operation.value()
        if formula is None:
            return [name]
        if operation.name not in self.formulas:
            self.formulas[operation.name] = 0  # no formula calls itself; this is its place
            names: list[Expression] = [Reference(n) for n in (*operation.arguments, *operation.parameters)]
            slots: dict[Expression, Expression] = {name: slot(at) for at, name in enumerate(names)}
            self.formulas[operation.name] = self.tree(build.replace(formula, slots))
        return [operation.name]

    def _defaults(self, name: str, count: int) -> list[list[float | int]]:
        """The parameters of a function that a call leaves out."""
        if name in PAGE_OPERATIONS:
            return []
        operation: Operation = self.operations[name]
        if operation.value() is None:
            return []
        return [[plain(v)] for v in list(operation.parameters.values())[count - len(operation.arguments) :]]


def plain(value: Any) -> float | int:
    """A number as JSON has it: what a double holds exactly as a whole number, else a float."""
    if isinstance(value, int) and abs(value) < 1 << 53:
        return int(value)
    return float(value)


def live(computation: Computation) -> bool:
    """Whether a page can compute a system again: it is not too large for that."""
    unfolded = computation.unfolded
    given = sum(
        value.size if is_array(value) else 1
        for number, value in enumerate(computation.values[: unfolded.first])
        if unfolded.grounds[number] is None
    )
    return len(unfolded.keys) <= MOST_INSTANCES and 0 < given <= MOST_GIVEN


def numbers(computation: Computation, shown: Iterable[str] | None = None) -> Data:
    """What `interpreter.js` runs. ``shown``: the HTML in which the numbers stand that are made of others; None: all
    of them are wanted."""
    unfolded = computation.unfolded
    trees = Trees(computation)
    shapes: dict[str, Sequence[int]] = {}
    steps: list[Any] = []  # in order: the forward ones, then the backward ones
    for number in (*computation.problem.unfolded.order, *unfolded.order):
        grounds = unfolded.grounds[number] or []
        shape = computation.shapes.get(number)
        if shape and not any(g.template.rank for g in grounds):
            shapes[str(number)] = shape
        if len(grounds) == 1:
            steps.append([number, *_ground(grounds[0], trees)])
        else:
            steps.append([number, [_ground(g, trees) for g in grounds]] if grounds else [number])
    made = _made(computation, trees, None if shown is None else _places(shown))
    return {
        "formulas": trees.formulas,
        "trees": trees.found,
        "constants": [plain(value) for _, value in unfolded.constants],
        "shapes": shapes,
        "steps": steps,
        "made": made,
        "given": given(computation),
        "ones": ones(computation),
        "names": [instance_text(key) for key in unfolded.keys[: unfolded.first]],
        "backward": [computation.base(number) for number in range(unfolded.first, len(unfolded.keys))],
        "target": derivative_name(computation.target_text, ""),
    }


def given(computation: Computation) -> list[Any]:
    """``[number, value]`` of everything that is given: a number, a list, or a list of rows. A fraction is a text."""
    unfolded = computation.unfolded
    found: list[Any] = []
    for number, grounds in enumerate(unfolded.grounds[: unfolded.first]):
        if grounds is None:
            value = computation.values[number]
            found.append([number, _nested(value.tolist() if is_array(value) else value)])
    return found


def _nested(value: Any) -> Any:
    if isinstance(value, list):
        return [_nested(v) for v in value]
    small = isinstance(value, Fraction) and max(abs(value.numerator), value.denominator) < 1 << 53
    return str(value) if small else plain(value)


def ones(computation: Computation) -> list[int]:
    """What is given and sums to exactly 1, where that was used: ``p·sum(d) − d`` is shown as ``p − d``."""
    unfolded = computation.unfolded
    found: dict[int, None] = {}
    for grounds in unfolded.grounds:
        for ground in grounds or ():
            for at in _sums(ground.template.expression):
                source = ground.slots[at]
                if isinstance(source, int) and source >= 0 and unfolded.grounds[source] is None:
                    value = computation.values[source]
                    if is_array(value) and value.ndim == 1 and value.sum() == 1:
                        found[source] = None
    return sorted(found)


def _sums(expression: Expression) -> list[int]:
    calls = [n for n in preorder(expression) if isinstance(n, Call) and n.operation == "sum"]
    return [n.arguments[0].at for n in calls if isinstance(n.arguments[0], Slot)]


def _ground(ground: Ground, trees: Trees) -> list[Any]:
    return [trees.place(ground.template.expression), *[_slot(s, trees) for s in ground.slots]]


def _slot(source: Source, trees: Trees) -> Any:
    if isinstance(source, int):
        return source
    if isinstance(source, Other):
        return f"m{source.at}"
    if isinstance(source, One):
        return "1"
    return [_ground(g, trees) for g in source]


def _places(shown: Iterable[str]) -> list[int]:
    return sorted({int(at) for text in shown for at in _MADE.findall(text)})


def _made(computation: Computation, trees: Trees, wanted: Sequence[int] | None) -> dict[str, Any]:
    """What the shown numbers are made of, and what that is made of."""
    found = computation.made.found
    places = dict.fromkeys(range(len(found)) if wanted is None else wanted)
    stack = list(places)
    while stack:
        for source in found[stack.pop()][1]:
            if isinstance(source, Other) and source.at not in places:
                places[source.at] = None
                stack.append(source.at)
    return {str(at): [trees.place(found[at][0]), *[_slot(s, trees) for s in found[at][1]]] for at in sorted(places)}
