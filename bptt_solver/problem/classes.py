"""Class labels as vectors with a 1 in the place of the class (``one_hot``), and which names want them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import is_array
from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError, Problems, Span, fail
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Reference, preorder
from bptt_solver.language.operations import Operations
from bptt_solver.limits import Limits
from bptt_solver.problem.arrays import leaves, nested_shape
from bptt_solver.problem.values import Given, OneHot, locate
from bptt_solver.records import Loss, Network
from bptt_solver.system import LooseShape, System, loose_shape

if TYPE_CHECKING:
    from bptt_solver.problem.making import Making


def vectors(item: Given, labels: Any, classes: int | None, problems: Problems, limits: Limits) -> Any:
    """Nested lists of 0 and 1 for the labels of a ``one_hot``, or None; then noted.

    ``labels`` are nested lists or an array from a file; ``classes`` is what the network wants, if it says so.
    """
    asked = item.value
    assert isinstance(asked, OneHot)
    if is_array(labels):
        labels = labels.tolist()
    found = list(leaves(labels, ()))
    for indices, label in found:
        if label != int(label):
            problems.add(message("classes.whole", label=label), _span(item, asked, indices))
            return None
    last = max(int(label) for _, label in found)
    if asked.classes is not None and classes not in (None, asked.classes):
        told = message("classes.network", name=item.label, classes=asked.classes, wanted=classes)
        problems.add(told, item.value_span)
        return None
    count = asked.classes or classes
    if count is None:
        hint = message("classes.say", count=max(last - asked.first + 1, 2))
        problems.add(message("classes.unknown", name=item.label), item.value_span, hint)
        return None
    limits.check("elements", len(found) * count, lambda: message("syntax.word", word=item.label), item.value_span)
    for indices, label in found:
        if not asked.first <= label < asked.first + count:
            from_one = asked.first == 0 and last == count and min(int(n) for _, n in found) >= 1
            advice = message("classes.from_one") if from_one else None
            problems.add(
                message("classes.none", label=label, count=count, first=asked.first, last=asked.first + count - 1),
                _span(item, asked, indices),
                advice,
            )
            return None
    return _each(labels, lambda label: [int(k == int(label) - asked.first) for k in range(count)])


def _span(item: Given, asked: OneHot, indices: tuple[int, ...]) -> Span:
    """Where a label stands, by its indices from 1."""
    return locate(asked.node, tuple(k - 1 for k in indices)).span(item.value_span.source)


def _each(labels: Any, change: Callable[[Any], list[int]]) -> Any:
    """The nested lists with each entry changed, level by level."""
    if not isinstance(labels, list):
        return change(labels)
    result: list[Any] = []
    todo: list[tuple[list[Any], list[Any]]] = [(labels, result)]
    while todo:
        old, new = todo.pop()
        for entry in old:
            if isinstance(entry, list):
                inner: list[Any] = []
                new.append(inner)
                todo.append((entry, inner))
            else:
                new.append(change(entry))
    return result


def check_targets(making: Making, system: System, shapes: Mapping[str, LooseShape]) -> None:
    """Raise ProblemError for a target that is a number where the loss compares vectors over classes: a label."""
    if not any(_loss(name, making.operations) for name in making.calls):
        return
    for call, _ in _losses(system.equations, making.operations):
        loss, target = _loss(call.operation, making.operations), call.arguments[1]
        if loss is None or loss.targets not in ("classes", "shares") or not isinstance(target, Reference):
            continue
        item = next((item for item in making.filling.givens if item.name == target.name), None)
        output, given = (loose_shape(argument, shapes, system.operations) for argument in call.arguments[:2])
        if item is not None and output and len(output) == 1 and given == ():
            raise _labels(item, call.operation, output[0] or making.filling.classes(item) or "K")


def check_labels(making: Making, network: Network) -> None:
    """Raise ProblemError for a whole number where a network's loss compares vectors over classes: it is a label, not
    a number that fills the vector.
    """
    for call, _ in _losses([equation for equation, _ in making.surveyed], making.operations):
        loss, target = _loss(call.operation, making.operations), call.arguments[1]
        if loss is None or loss.targets != "classes" or not isinstance(target, Reference):
            continue
        if not any(label.partition("[")[0] == target.name and shape for label, shape in network.data.items()):
            continue
        for item in making.filling.givens:
            value = making.values.get(item.name, {}).get(item.members or (1,) * making.arities.get(item.name, 0))
            if item.name == target.name and value is not None and nested_shape(value) == () and value == int(value):
                raise _labels(item, call.operation, making.filling.classes(item) or "K")


def _labels(item: Given, loss: str, classes: int | str) -> ProblemError:
    told = message("classes.numbers", name=item.label, loss=loss)
    hint = message("classes.labels", name=item.label, count=classes)
    return fail(told, item.value_span, hint)


def targets(equations: Sequence[Equation], operations: Operations) -> dict[str, str]:
    """The names that a loss compares an output with, and what such targets are (`Loss.targets`); ``weights`` for what
    a loss is multiplied by."""
    result: dict[str, str] = {}
    for call, factors in _losses(equations, operations):
        loss, target = _loss(call.operation, operations), call.arguments[1]
        if loss is not None and isinstance(target, Reference):
            result.setdefault(target.name, loss.targets)
        for factor in factors:
            result.setdefault(factor, "weights")
    return result


def _losses(equations: Sequence[Equation], operations: Operations) -> Iterator[tuple[Call, list[str]]]:
    """The calls of losses, and the names that multiply them."""
    for equation in equations:
        for node in preorder(equation.right):
            if not isinstance(node, Call):
                continue
            if _loss(node.operation, operations) and len(node.arguments) > 1:
                yield node, []
            if node.operation == "mul":
                names = [a.name for a in node.arguments if isinstance(a, Reference)]
                calls = [a for a in node.arguments if isinstance(a, Call) and len(a.arguments) > 1]
                yield from ((call, names) for call in calls if _loss(call.operation, operations))


def _loss(name: str, operations: Operations) -> Loss | None:
    """The loss of that name, if it is one."""
    operation = operations.find(name)
    return operation.record if operation is not None and isinstance(operation.record, Loss) else None
