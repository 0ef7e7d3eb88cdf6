"""The simple partials as numbers: how one equation's result moves with one thing that it reads, everything else held
fixed."""

from __future__ import annotations

from bptt_solver.arithmetic import Arithmetic, Value, is_array
from bptt_solver.evaluate import Values
from bptt_solver.language.templates import TAKES_COTANGENT, TAKES_RESULT, Template
from bptt_solver.unfold import Ground, Unfolded


def local_partials(unfolded: Unfolded, number: int, values: Values, arithmetic: Arithmetic) -> dict[int, Value]:
    """∂(instance)/∂(what it reads), for everything that it reads, in the order of its equation.

    A partial has the shape of the result followed by the shape of what is read; two numbers give a number.
    """
    result = values[number]
    found: dict[int, Value] = {}
    for entry, cotangent in _units(result):
        row: dict[int, Value] = {}
        grounds = unfolded.grounds[number] or ()
        for ground in grounds:
            own = result if len(grounds) == 1 else _sum([ground], values, arithmetic)  # a summand's own result
            _pull(ground, cotangent, own, values, arithmetic, row)
        for read, value in row.items():
            if entry is None:
                found[read] = value
            else:
                if read not in found:
                    found[read] = _empty(result, values[read])
                found[read][entry] = value
    return found


def partial_size(unfolded: Unfolded, number: int, values: Values) -> int:
    """How many numbers `local_partials` would give."""
    size = values[number].size if is_array(values[number]) else 1
    return int(size * sum(values[r].size if is_array(values[r]) else 1 for r in unfolded.reads(number)))


def _units(result: Value) -> list[tuple[tuple[int, ...] | None, Value]]:
    if not is_array(result):
        return [(None, 1)]
    import numpy

    units: list[tuple[tuple[int, ...] | None, Value]] = []
    for entry in numpy.ndindex(result.shape):
        unit = numpy.zeros_like(result)
        unit[entry] = 1
        units.append((entry, unit))
    return units


def _empty(result: Value, read: Value) -> Value:
    import numpy

    shape = (*result.shape, *(read.shape if is_array(read) else ()))
    return numpy.full(shape, 0, dtype=result.dtype)


def _pull(
    ground: Ground, cotangent: Value, result: Value, values: Values, arithmetic: Arithmetic, row: dict[int, Value]
) -> None:
    slots = [values[s] if isinstance(s, int) else _sum(s, values, arithmetic) for s in ground.slots]
    for at, source in enumerate(ground.slots):
        if isinstance(source, int) and source < 0:
            continue
        received = pull_value(ground.template, at, slots, cotangent, result, arithmetic)
        if isinstance(source, int):
            row[source] = row[source] + received if source in row else received
        else:
            for inner in source:
                inner_slots = [values[s] if isinstance(s, int) else _sum(s, values, arithmetic) for s in inner.slots]
                body = inner.template.compiled(arithmetic, arithmetic.compile)(inner_slots)
                _pull(inner, received, body, values, arithmetic, row)


def pull_value(
    template: Template, at: int, slots: list[Value], cotangent: Value, result: Value, arithmetic: Arithmetic
) -> Value:
    """What a slot receives, as a number or an array of the slot's shape."""
    pullback, sources = template.pullback(at)
    special = {TAKES_COTANGENT: cotangent, TAKES_RESULT: result}
    value = pullback.compiled(arithmetic, arithmetic.compile)([slots[s] if s >= 0 else special[s] for s in sources])
    if is_array(slots[at]) and not is_array(value):
        import numpy

        return numpy.full(slots[at].shape, value, dtype=slots[at].dtype)
    return value


def _sum(grounds: list[Ground], values: Values, arithmetic: Arithmetic) -> Value:
    total: Value = 0
    for at, ground in enumerate(grounds):
        slots = [values[s] if isinstance(s, int) else _sum(s, values, arithmetic) for s in ground.slots]
        value = ground.template.compiled(arithmetic, arithmetic.compile)(slots)
        total = value if at == 0 else total + value
    return total
