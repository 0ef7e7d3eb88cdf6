"""Second derivatives: the chain rule applied to its own result. The backward system is a system like any other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bptt_solver.arithmetic import Value, is_array
from bptt_solver.catalogues import message
from bptt_solver.chain_rule import differentiate
from bptt_solver.computation import Computation
from bptt_solver.errors import fail
from bptt_solver.evaluate import Program
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Index, Reference, derivative_name
from bptt_solver.system import Given, Instance, System
from bptt_solver.unfold import Unfolded, instance_text, unfold

MOST_ENTRIES = 400  # rows and columns of a Hessian that is computed whole
_DIRECTION, _SLOPE = "·direction", "·slope"


class SecondDerivatives:
    """Hessian-vector products of a target with respect to instances: one backward pass over the backward pass,
    reused for every
    direction. ``equations`` are the folded second-order equations (the direction's own slope stands for ``Σ
    v·∂⁺E/∂w``)."""

    def __init__(self, computation: Computation, instance: Instance) -> None:
        self.computation = computation
        self.instance = instance
        name = derivative_name(computation.target_text, instance[0])
        first = Reference(name, tuple(Index(i) for i in instance[1]))
        value = computation.value(instance)
        self.scalar = not is_array(value)
        self.reached = computation.derivative_number(instance) is not None
        if not self.reached:
            return
        problem = computation.problem
        system = differentiate(problem.system, computation.target, numbered=False)
        if self.scalar:
            closed, target = _closed(system), first
        else:
            shape = tuple(value.shape)
            given = {_DIRECTION: [Given(_DIRECTION, (), (), shape)]}
            slope = Equation(_SLOPE, (), Call("dot", (Reference(_DIRECTION), first)))
            closed = _closed(system).extended([slope], {_SLOPE: 0, _DIRECTION: len(shape)}, given)
            target = Reference(_SLOPE)
        self.text = instance_text((target.name, instance[1] if self.scalar else ()))
        self.system = differentiate(closed, target)
        limits = computation.problem.limits
        base = unfold(closed, limits)
        self.unfolded: Unfolded = unfold(self.system, limits, base)
        shapes = {}
        for number, key in enumerate(self.unfolded.keys):
            known = computation.unfolded.number.get(key)
            if known is not None and known in computation.shapes:
                shapes[number] = computation.shapes[known]
        for number in self.unfolded.order:
            equation = self.unfolded.equations[number]
            of = self.unfolded.number[equation.of, self.unfolded.keys[number][1]]  # type: ignore[union-attr]
            if of in shapes:
                shapes[number] = shapes[of]
        self.shapes = shapes
        self.forward = Program(base, computation.arithmetic, shapes)
        self.backward = Program(self.unfolded, computation.arithmetic, shapes)

    def along(self, direction: Value) -> dict[Instance, Value]:
        """``Σ_w v·∂²E/∂w∂z`` for every forward instance z, given v in the shape of ``w`` (a number for a scalar:
        any; it scales)."""
        computation = self.computation
        if not self.reached:
            return {key: _zero(computation.value(key)) for key in computation.instances()}
        given: dict[Instance, Value] = dict(computation.problem.given)
        if not self.scalar:
            given[_DIRECTION, ()] = direction
        values = self.forward.run(self.forward.start(given))
        values = self.backward.run(self.backward.extend(values))
        result: dict[Instance, Value] = {}
        for key in computation.instances():
            number = self.unfolded.number.get((derivative_name(self.text, key[0]), key[1]))
            value = _zero(computation.value(key)) if number is None else values[number]
            result[key] = value * direction if self.scalar else value
        return result


def _closed(system: System) -> System:
    return System(
        system.equations, system.given, system.operations, system.sizes, system.maps, system.ranks, system.roles
    )


def _zero(value: Value) -> Value:
    return value * 0 if is_array(value) else 0


def entries(value: Value) -> list[tuple[int, ...]]:
    """The (0-based) entries of a value, in order; one empty tuple for a scalar."""
    if not is_array(value):
        return [()]
    import numpy

    return list(numpy.ndindex(value.shape))


def hessian(
    computation: Computation, instances: Sequence[Instance]
) -> tuple[list[tuple[Instance, tuple[int, ...]]], list[list[Any]]]:
    """The matrix of second derivatives by all entries of the instances: (what the rows and columns are, the rows)."""
    labels = [(key, entry) for key in instances for entry in entries(computation.value(key))]
    if len(labels) > MOST_ENTRIES:
        raise fail(
            message("second.rows", count=f"{len(labels):,}"),
            hint=message("second.choose", most=MOST_ENTRIES),
        )
    rows: list[list[Any]] = []
    for key in instances:
        second = SecondDerivatives(computation, key)
        value = computation.value(key)
        for entry in entries(value):
            direction: Value = 1
            if is_array(value):
                direction = value * 0
                direction[entry] = 1
            along = second.along(direction)
            rows.append([along[other] if not at else along[other][at] for other, at in labels])
    return labels, rows
