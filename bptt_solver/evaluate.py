"""Values, one instance at a time, in any arithmetic. The forward and the backward system are evaluated by the same
loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from typing import Any

from bptt_solver.arithmetic import Arithmetic, NotFinite, TooLarge, Value, bits, is_array
from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError, Span, fail
from bptt_solver.language.expressions import Call, preorder
from bptt_solver.language.inference import largest_size
from bptt_solver.language.shapes import Shape, ShapeError
from bptt_solver.language.templates import Template
from bptt_solver.limits import TABLE, Limits
from bptt_solver.system import Instance, LooseShape, System
from bptt_solver.unfold import Ground, Unfolded, instance_text

Function = Callable[[Sequence[Value]], Value]
Summand = tuple[Function, Sequence[Any], bool]
_FLOAT_BITS = 1024
LARGER = "value.larger"  # keys of messages
UNDEFINED = "value.undefined"
Values = list[Value]  # by instance number; constants stand at the end, so that their negative numbers index them


class Program:
    """An unfolded system, compiled for one arithmetic: run it as often as needed."""

    def __init__(self, unfolded: Unfolded, arithmetic: Arithmetic, shapes: Mapping[int, Shape] | None = None) -> None:
        self.unfolded = unfolded
        self.arithmetic = arithmetic
        self.shapes = shapes or {}
        self._steps: list[tuple[int, Function | None, Sequence[Any]]] = []
        functions: dict[int, Function] = {}

        def function(template: Template) -> Function:
            known = functions.get(id(template))
            if known is None:
                known = functions[id(template)] = template.compiled(arithmetic, arithmetic.compile)
            return known

        for number in unfolded.order:
            parts = [self._nested(g, function) for g in unfolded.grounds[number] or ()]
            if len(parts) == 1 and parts[0][2]:
                self._steps.append((number, parts[0][0], parts[0][1]))
            else:
                self._steps.append((number, None, parts))
        self._constants = [arithmetic.scalar(value) for _, value in unfolded.constants]
        self.position = {number: at for at, number in enumerate(unfolded.order)}

    def _nested(self, ground: Ground, function: Callable[[Template], Function]) -> Summand:
        """(function, slots, True) where all slots are numbers, else (function, slots, False): some are lists, for
        inner sums."""
        if list in map(type, ground.slots):
            slots = [s if isinstance(s, int) else [self._nested(g, function) for g in s] for s in ground.slots]
            return function(ground.template), slots, False
        return function(ground.template), ground.slots, True

    def start(self, given: Mapping[Instance, Value]) -> Values:
        """The list of values with the given ones and the constants filled in."""
        unfolded = self.unfolded
        values: Values = [None] * (len(unfolded.keys) + len(self._constants))
        for number, key in enumerate(unfolded.keys):
            if unfolded.grounds[number] is None:
                values[number] = given[key]
        for at, constant in enumerate(self._constants):
            values[-1 - at] = constant
        return values

    def extend(self, base: Values) -> Values:
        """The list of values behind those of the base (see `Unfolded.behind`)."""
        unfolded = self.unfolded
        fresh: Values = [None] * (len(unfolded.keys) - unfolded.first + len(self._constants))
        values = [*base[: unfolded.first], *fresh]
        for at, constant in enumerate(self._constants):
            values[-1 - at] = constant
        return values

    def run(
        self,
        values: Values,
        first: int = 0,
        perturb: Mapping[int, Value] | None = None,
        finite: bool = True,
        last: int | None = None,
    ) -> Values:
        """Compute all instances from position ``first`` of the order, in place. ``perturb`` is added to instances
        *where they are
        computed*. With ``finite``, the first value that is not a finite number is an error that names its instance."""
        with self._quiet():
            return self._run(values, self._steps[first:last], perturb, finite)

    def _quiet(self) -> AbstractContextManager[object]:
        """NumPy says nothing about infinities: they are found, and told with their names."""
        if not self.shapes and not self.arithmetic.makes_arrays():
            return nullcontext()
        import numpy

        return numpy.errstate(all="ignore")

    def _run(
        self,
        values: Values,
        steps: Sequence[tuple[int, Function | None, Sequence[Any]]],
        perturb: Mapping[int, Value] | None,
        finite: bool,
    ) -> Values:
        limit = self.arithmetic.exact_bits
        at, isfinite = values.__getitem__, math.isfinite
        for number, function, slots in steps:
            try:
                value = function(list(map(at, slots))) if function is not None else _total(slots, at)
                kind = type(value)
                if kind is not float:
                    value = self._settled(value, number, limit)
                elif finite and not isfinite(value):
                    raise NotFinite(message(LARGER if math.isinf(value) else UNDEFINED))
                if perturb is not None and number in perturb:
                    value = value + perturb[number]
                values[number] = value
            except (ArithmeticError, ValueError) as error:
                raise self._failed(number, error, at) from None
        return values

    def _settled(self, value: Value, number: int, limit: int) -> Value:
        """Bring a value that is not a plain float into its final form and check it."""
        kind = type(value)
        if kind is int or kind is Fraction:
            _check_exact(value, limit)
            value = value.numerator if kind is Fraction and value.denominator == 1 else value
        elif kind is complex:
            if value.real != value.real or value.imag != value.imag:
                raise NotFinite(message("value.not_a_number"))
        elif is_array(value):
            if value.ndim == 0:
                return self._settled(value.item(), number, limit)
            if value.dtype == object:
                return self._settled_array(value, limit)
            import numpy

            if not numpy.isfinite(value).all():
                raise NotFinite(message(UNDEFINED if numpy.isnan(value).any() else LARGER))
            return value
        elif hasattr(value, "dtype"):
            return self._settled(value.item(), number, limit)
        shape = self.shapes.get(number)
        if shape:  # a number that stands for an array of it: h[0] = 0, a sum without terms
            import numpy

            exact = kind is int or kind is Fraction
            return numpy.full(shape, value, dtype=float if exact and self.arithmetic.name == "float" else None)
        return value

    def _settled_array(self, value: Value, limit: int) -> Value:
        entries = value.ravel().tolist()
        if self.arithmetic.name != "float":
            return value
        if all(type(v) is int or type(v) is Fraction for v in entries):
            for entry in entries:
                _check_exact(entry, limit)
            return value
        result = value.astype(float)
        if not all(math.isfinite(v) for v in result.ravel().tolist()):
            raise NotFinite(message(LARGER))
        return result

    def _failed(self, number: int, error: Exception, at: Callable[[int], Value]) -> ProblemError:
        unfolded = self.unfolded
        name = instance_text(unfolded.keys[number])
        equation = unfolded.equations[number]
        if isinstance(error, TooLarge):
            span = equation.origin.span() if equation is not None and equation.origin else None
            most = self.arithmetic.exact_bits
            highest = TABLE["exact_bits"].most
            hint = message("value.point_or_limit", most=f"{highest:,}") if most < highest else message("value.point")
            return fail(message("value.bits", name=name, most=f"{most:,}"), span, hint)
        from bptt_solver.blame import blame

        fault = blame(unfolded, self.arithmetic, number, at)
        reason = fault.reason or _reason(error)
        key = "value.failed" if reason.startswith("there is no") else "value.not_finite"
        return fail(message(key, name=name, reason=reason), fault.span, fault.here)


def _reason(error: Exception) -> str:
    """Why, in words; Python and NumPy have their own."""
    if isinstance(error, NotFinite):
        return error.args[0] if error.args else str(error)  # a message as it is
    return message(LARGER if isinstance(error, OverflowError) else "value.no_function")


def _check_exact(value: int | Fraction, limit: int) -> None:
    """An exact number has a bounded length, and is shown as a floating-point number too, so that it must have one."""
    size = bits(value)
    if size > limit:
        raise TooLarge
    if size > _FLOAT_BITS and not -(1 << _FLOAT_BITS) < value < 1 << _FLOAT_BITS:
        raise NotFinite(message(LARGER))


def _total(parts: Sequence[Summand], at: Callable[[int], Value]) -> Value:
    """The sum of the parts of an equation, in order; no part at all is 0. ``at`` gives the value of a number."""
    result: Value = 0
    first = True
    for function, slots, flat in parts:
        value = function(list(map(at, slots)) if flat else [at(s) if type(s) is int else _total(s, at) for s in slots])
        result = value if first else result + value
        first = False
    return result


def find_shapes(
    unfolded: Unfolded,
    given: Mapping[Instance, Shape],
    family: Mapping[str, LooseShape],
    limits: Limits | None = None,
) -> dict[int, Shape]:
    """The shape of every instance that is not a scalar. Raises ProblemError with both shapes where they do not go
    together, and for more elements than are allowed.

    A number (or an empty sum) that defines a member of an array family takes the shape of the family, if that is one.
    """
    system = unfolded.system
    shapes: dict[int, Shape] = {}
    limits = limits or Limits()
    most, elements, largest, first = limits.get("elements"), 0, 0, 0
    measured: dict[tuple[int, tuple[Shape, ...]], int] = {}
    for number, key in enumerate(unfolded.keys):
        if unfolded.grounds[number] is None and given[key]:
            shapes[number] = given[key]
            elements += math.prod(given[key])
    if not shapes and all(rank == 0 for rank in system.ranks.values()) and not _takes_arrays(system):
        return shapes
    for number in unfolded.order:
        shape: Shape = ()
        for ground in unfolded.grounds[number] or ():
            shape = _ground_shape(ground, shapes, unfolded, number) or shape
            operands = tuple([shapes.get(s, ()) for s in ground.slots if isinstance(s, int)])
            if len(operands) == len(ground.slots) and any(operands):
                size = measured.get((id(ground.template), operands))
                if size is None:
                    expression = ground.template.expression
                    size = measured[id(ground.template), operands] = largest_size(
                        expression, operands, system.operations
                    )
                if size > most:
                    largest, first = max(largest, size), first or number
        name = unfolded.keys[number][0]
        if not shape and system.ranks[name]:
            shape = tuple([n for n in family[name] if n is not None])
            if len(shape) != system.ranks[name]:
                raise fail(message("value.number_in_family", member=instance_text(unfolded.keys[number]), name=name))
        if shape:
            shapes[number] = shape
            elements += math.prod(shape)
            if elements > most:
                first = first or number
    if largest > elements:
        limits.check("elements", largest, lambda: message("limit.intermediate"), _span(unfolded, first))
    limits.check("elements", elements, lambda: message("limit.system"), _span(unfolded, first))
    return shapes


def _span(unfolded: Unfolded, number: int) -> Span | None:
    equation = unfolded.equations[number]
    return equation.origin.span() if equation is not None and equation.origin is not None else None


def _takes_arrays(system: System) -> bool:
    """Whether an equation uses an operation that is not for numbers; where there are only numbers, that is an error."""
    for template in system.templates.known():
        for node in preorder(template.expression):
            if isinstance(node, Call) and node.operation not in _FOR_NUMBERS:
                operation = system.operations[node.operation]
                if operation.kind != "elementwise":
                    return True
    return False


_FOR_NUMBERS = frozenset({"add", "neg", "mul", "sum", "stop_gradient"})


def _ground_shape(ground: Ground, shapes: Mapping[int, Shape], unfolded: Unfolded, number: int) -> Shape:
    operands = tuple(
        [
            shapes.get(s, ()) if isinstance(s, int) else _ground_shape(s[0], shapes, unfolded, number)
            for s in ground.slots
        ]
    )
    try:
        return ground.template.shape(operands)
    except ShapeError as error:
        raise _shape_problem(error, ground, unfolded, number) from None


def _shape_problem(error: ShapeError, ground: Ground, unfolded: Unfolded, number: int) -> ProblemError:
    equation = unfolded.equations[number]
    span = None
    if equation is not None and equation.origin is not None:
        from bptt_solver.language.parser import locate

        node = error.args[1] if len(error.args) > 1 else None
        nodes = [n for n in preorder(ground.template.expression) if isinstance(n, Call)]
        written = [n for n in preorder(equation.right) if isinstance(n, Call)]
        span = equation.origin.span()
        if len(nodes) == len(written) and node is not None:
            span = locate(equation, next(w for n, w in zip(nodes, written, strict=True) if n is node))
    return fail(message("value.shape", name=instance_text(unfolded.keys[number]), reason=error.args[0]), span)
