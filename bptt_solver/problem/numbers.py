"""The values of the given instances, as numbers and arrays that fit their families."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bptt_solver.arithmetic import Value, is_array
from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError, fail
from bptt_solver.language.shapes import Shape
from bptt_solver.problem.arrays import MOST_EXACT, all_exact, nested_shape, shape_of, size_of, to_value
from bptt_solver.problem.making import Making
from bptt_solver.problem.told import loose_text
from bptt_solver.system import Instance, LooseShape, System
from bptt_solver.unfold import instance_text


def given_numbers(making: Making, system: System, shapes: Mapping[str, LooseShape]) -> dict[Instance, Value]:
    """The values of the given instances; a number given for a member of an array family fills it."""
    values = making.values
    exact = all(all_exact(v) for members in values.values() for v in members.values())
    exact = exact and sum(size_of(v) for members in values.values() for v in members.values()) <= MOST_EXACT
    total, most, first = 0, making.limits.get("elements"), None
    result: dict[Instance, Value] = {}
    for name, members in values.items():
        if name not in system.given:
            continue
        for indices, raw in members.items():
            value = to_value(raw, exact)
            total += value.size if is_array(value) else 1
            if total > most and first is None:
                first = making.spans.get(name)
            shape = tuple([n for n in shapes[name] if n is not None])
            if not is_array(value) and system.ranks[name]:
                if len(shape) != system.ranks[name]:
                    raise _member_differs(making, (name, indices), (), shapes[name])
                import numpy

                value = numpy.full(shape, value, dtype=object if exact else float)
            elif (value.ndim if is_array(value) else 0) != system.ranks[name]:
                raise _member_differs(making, (name, indices), shape_of(value), shapes[name])
            result[name, indices] = value
    making.limits.check("elements", total, lambda: message("limit.data"), first)
    return result


def _member_differs(making: Making, key: Instance, shape: Shape, wanted: LooseShape) -> ProblemError:
    """A given member that is not like the rest of its family."""
    members: Mapping[tuple[int, ...], Any] = making.values[key[0]]
    text = instance_text(key)
    other = next((i for i, v in members.items() if len(nested_shape(v)) == len(wanted)), None)
    rest = key[0] if other is None else instance_text((key[0], other))
    what = loose_text(wanted if other is None else nested_shape(members[other]))
    span = making.spans.get(text, making.spans.get(key[0]))
    return fail(
        message("shape.member", name=text, shape=loose_text(shape), other=rest, known=what),
        span,
        message("shape.family"),
    )
