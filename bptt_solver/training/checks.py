"""The check of an update rule, for plugin authors (`bptt_solver.testing` has it too)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bptt_solver.arithmetic import Value
from bptt_solver.formulas import UpdateFormulas
from bptt_solver.language.operations import Operations
from bptt_solver.records import UpdateRule
from bptt_solver.registry import Registry
from bptt_solver.training.rules import Rule

_WEIGHTS = ((0.5, -1.0, 2.0), (0.25, 0.75, -0.125))
_GRADIENTS = (((1.5, -0.25, 0.0), (2.0, 0.125, -3.0)), ((-0.5, 0.75, 1.0), (0.25, -1.5, 0.5)), ((1.0, 0.5, -2.0),) * 2)
_TOLERANCE = 1e-12


def check_update_rule(record: UpdateRule, registry: Registry | None = None) -> None:
    """Take steps with an update rule: as its trace says; the same for an array as for each of its entries; downhill;
    and a weight whose gradient is 0 from the start does not grow. Raises AssertionError."""
    known = registry if registry is not None else Registry.load()
    try:
        formulas = UpdateFormulas(record)
    except ValueError as error:
        raise AssertionError(f"{record.name!r}: {error}") from None
    steps = _Steps(formulas, Operations(lambda: iter(known.functions)))
    _check_trace(steps, record.trace)
    _check_entries(steps)
    _check_downhill(steps)


class _Steps:
    """An update rule with its default options, from the state 0."""

    def __init__(self, formulas: UpdateFormulas, operations: Operations) -> None:
        self.name = formulas.record.name
        self.rule = Rule(formulas, formulas.record.options, operations)
        self.start()

    def start(self) -> None:
        """Forget everything."""
        self.state: Mapping[str, Value] = {}
        self.step = 0

    def take(self, weight: Value, gradient: Value) -> Value:
        """The weight after one more step."""
        import numpy

        self.step += 1
        shape = numpy.shape(weight)
        before = self.state or self.rule.start(weight)
        try:
            with numpy.errstate(all="ignore"):  # what is not finite is found below
                weight, self.state = self.rule.apply(weight, gradient, before, self.step)
        except (ArithmeticError, ValueError) as error:
            raise AssertionError(f"{self.name}: {error} in step {self.step} with the gradient {gradient}") from None
        for what, value in (("weight", weight), *self.state.items()):
            if numpy.shape(value) != shape:
                raise AssertionError(f"{self.name}: the weight has shape {shape}, the new {what} {numpy.shape(value)}")
            if not numpy.all(numpy.isfinite(value)):
                raise AssertionError(f"{self.name}: the new {what} is {value} in step {self.step}")
        return weight


def _check_trace(steps: _Steps, trace: Sequence[tuple[float, float]]) -> None:
    """The steps that the author knows."""
    steps.start()
    weight: Value = 1.0
    for at, (gradient, expected) in enumerate(trace, 1):
        weight = steps.take(weight, float(gradient))
        if not _close(weight, expected):
            raise AssertionError(
                f"{steps.name}: after step {at} of its trace the weight is {weight!r}, not {expected!r}"
            )


def _check_entries(steps: _Steps) -> None:
    """An array moves as each of its entries does alone."""
    import numpy

    steps.start()
    together: Value = numpy.array(_WEIGHTS)
    for gradient in _GRADIENTS:
        together = steps.take(together, numpy.array(gradient))
    for i, row in enumerate(_WEIGHTS):
        for j, start in enumerate(row):
            steps.start()
            alone: Value = start
            for gradient in _GRADIENTS:
                alone = steps.take(alone, gradient[i][j])
            if not _close(alone, together[i, j]):
                raise AssertionError(f"{steps.name}: an entry is {together[i, j]} in an array, but {alone} alone")


def _check_downhill(steps: _Steps) -> None:
    """From 1 and from -1, steps down the slope of w**2/2 lead closer to 0; without a slope, no further away."""
    for start in (1.0, -1.0):
        steps.start()
        weight: Value = start
        for _ in range(20):
            weight = steps.take(weight, weight)
        if not abs(weight) < 1:
            raise AssertionError(f"{steps.name}: 20 steps down the slope of w**2/2 lead from {start:g} to {weight:g}")
        steps.start()
        still = steps.take(start, 0.0)
        if not abs(still) <= 1:
            raise AssertionError(f"{steps.name}: a weight without a gradient goes from {start:g} to {still:g}")


def _close(one: Value, other: Value) -> bool:
    return bool(abs(one - other) <= _TOLERANCE * max(abs(one), abs(other)))
