"""Which operation of an equation made a value that is not a finite number: found by computing that one value again,
slowly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from bptt_solver.arithmetic import Arithmetic, NotFinite, Value, is_array
from bptt_solver.catalogues import message
from bptt_solver.errors import Span
from bptt_solver.language import build
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Expression, Number, Reference, Sum, preorder, transform
from bptt_solver.language.parser import locate
from bptt_solver.language.templates import Slot
from bptt_solver.terms import AdjointEquation
from bptt_solver.unfold import Ground, Unfolded, instance_text

_MOST_ENTRIES = 100_000  # of an array that are looked at one by one


class Fault(NamedTuple):
    """Where it stands, and what was put in: ``here x = 0``."""

    span: Span | None
    here: str | None
    reason: str | None  # what the operation says of the entry that fails


class _Bad(NamedTuple):
    node: Call
    arguments: tuple[Value, ...]
    ground: Ground  # of the instance
    inner: Ground  # the same, or one of an inner sum
    inside: tuple[int, ...]  # the slots through which inner sums lead to it


def blame(unfolded: Unfolded, arithmetic: Arithmetic, number: int, at: Callable[[int], Value]) -> Fault:
    """The first operation of an instance that fails or gives what is not finite. ``at`` gives the value of a number."""
    equation = unfolded.equations[number]
    assert equation is not None
    bad = _search(unfolded.grounds[number] or (), arithmetic, at)
    if bad is None:
        return Fault(_span(equation), None, None)
    entry, reason = _entry(bad, arithmetic)
    return Fault(_place(bad, equation, unfolded), _put_in(bad, entry, unfolded), reason)


def _span(equation: Equation) -> Span | None:
    return equation.origin.span() if equation.origin is not None else None


def _search(grounds: Sequence[Ground], arithmetic: Arithmetic, at: Callable[[int], Value]) -> _Bad | None:
    stack: list[tuple[Ground, tuple[int, ...]]] = [(ground, ()) for ground in reversed(grounds)]
    while stack:
        ground, inside = stack.pop()
        values: list[Value] = []
        for slot, entry in enumerate(ground.slots):
            if isinstance(entry, int):
                values.append(at(entry))
                continue
            found = _search(entry, arithmetic, at)  # an inner sum; the depth of an equation is limited
            if found is not None:
                return found._replace(ground=ground, inside=(slot, *found.inside))
            values.append(_total(entry, arithmetic, at))
        bad = _first_bad(ground.template.expression, values, arithmetic)
        if bad is not None:
            return _Bad(*bad, ground, ground, inside)
    return None


def _total(grounds: Sequence[Ground], arithmetic: Arithmetic, at: Callable[[int], Value]) -> Value:
    total: Value = 0
    for ground in grounds:
        slots = [at(s) if isinstance(s, int) else _total(s, arithmetic, at) for s in ground.slots]
        total = total + ground.template.compiled(arithmetic, arithmetic.compile)(slots)
    return total


def _first_bad(
    expression: Expression, slots: Sequence[Value], arithmetic: Arithmetic
) -> tuple[Call, tuple[Value, ...]] | None:
    done: list[Value] = []
    stack: list[tuple[Expression, bool]] = [(expression, False)]
    while stack:
        node, ready = stack.pop()
        if isinstance(node, Slot):
            done.append(slots[node.at])
        elif isinstance(node, Number):
            done.append(arithmetic.scalar(node.value))
        elif isinstance(node, Call):
            if not ready:
                stack.append((node, True))
                stack.extend((child, False) for child in reversed(node.arguments))
                continue
            count = len(node.arguments)
            arguments = tuple(done[len(done) - count :])
            del done[len(done) - count :]
            try:
                value = arithmetic.function(node.operation)(*arguments)
            except (ArithmeticError, ValueError):
                return node, arguments
            if not _is_finite(value):
                return node, arguments
            done.append(value)
    return None


def _is_finite(value: Value) -> bool:
    if is_array(value):
        return all(map(_is_finite, value.ravel().tolist()))
    if isinstance(value, complex):
        return math.isfinite(value.real) and math.isfinite(value.imag)
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


# ----------------------------------------------------------------------------- where


def _place(bad: _Bad, equation: Equation, unfolded: Unfolded) -> Span | None:
    """Where the operation was written; for an ordered derivative, the use whose simple partial does not exist."""
    if isinstance(equation, AdjointEquation):
        term = equation.terms[bad.ground.part] if bad.ground.part < len(equation.terms) else None
        return None if term is None else locate(term.via, term.use)
    templates = unfolded.system.templates
    parts = equation.parts(templates)
    if bad.ground.part >= len(parts):
        return _span(equation)
    leaves = parts[bad.ground.part].leaves
    for slot in bad.inside:
        leaf = leaves[slot] if slot < len(leaves) else None
        if not isinstance(leaf, Sum):
            return _span(equation)
        leaves = templates.of(leaf.body)[1]
    return locate(equation, _filled(bad.node, leaves))


def _filled(node: Expression, leaves: Sequence[Expression]) -> Expression:
    return transform(node, lambda n: leaves[n.at] if isinstance(n, Slot) and n.at < len(leaves) else n)


# ----------------------------------------------------------------------------- what was put in


def _put_in(bad: _Bad, entry: tuple[int, ...] | None, unfolded: Unfolded) -> str | None:
    from bptt_solver.language.notation.source import to_source

    constants = list(unfolded.constants)
    names = [_named(s, unfolded, constants) for s in bad.inner.slots]
    told = []
    for argument, value in zip(bad.node.arguments, bad.arguments, strict=True):
        written = _filled(argument, names)
        shown = _shown(value if entry is None or not is_array(value) else value[entry])
        if shown is None or not any(isinstance(node, Reference) for node in preorder(written)):
            continue
        text = to_source(written)
        if len(text) <= 60:
            told.append(_summed(f"{text} = {shown}"))
    told = list(dict.fromkeys(told))
    if not told or len(told) > 3:
        return None
    values: str = told[0]
    for more in told[1:]:
        values = message.listed([values, more])
    if entry is None:
        return message("value.here", values=values)
    return message("value.here_entry", values=values, entry=",".join(str(i + 1) for i in entry))


_SUM = "the sum"  # what an inner sum is called in a message


def _summed(text: str) -> str:
    before, found, after = text.partition(_SUM)
    return message("value.sum", before=before, after=_summed(after)) if found else text


def _named(slot: int | list[Ground], unfolded: Unfolded, constants: Sequence[tuple[str, Any]]) -> Expression:
    """What is in a slot: an instance under its name, a constant, or an inner sum."""
    if isinstance(slot, list):
        return Reference(_SUM)
    return Reference(instance_text(unfolded.keys[slot])) if slot >= 0 else build.constant(constants[-1 - slot][1])


def _entry(bad: _Bad, arithmetic: Arithmetic) -> tuple[tuple[int, ...] | None, str | None]:
    """Which entry of arrays fails and why, if the operation works entry by entry."""
    arrays = [a for a in bad.arguments if is_array(a)]
    if not arrays or any(a.shape != arrays[0].shape for a in arrays) or arrays[0].size > _MOST_ENTRIES:
        return None, None
    operation = arithmetic.operations.find(bad.node.operation)
    if operation is None or (operation.kind != "elementwise" and bad.node.operation not in ("add", "mul", "neg")):
        return None, None
    import numpy

    function = arithmetic.function(bad.node.operation)
    for at in numpy.ndindex(arrays[0].shape):
        entries = [a[at] if is_array(a) else a for a in bad.arguments]
        try:
            if _is_finite(function(*[e.item() if hasattr(e, "item") else e for e in entries])):
                continue
            reason = None
        except NotFinite as error:
            reason = error.args[0] if error.args else str(error)
        except (ArithmeticError, ValueError):
            reason = None
        return tuple(int(i) for i in at), reason
    return None, None


def _shown(value: Any) -> str | None:
    """A number for a message; nothing for arrays and for what is too large to show."""
    if is_array(value) and value.ndim:
        return None
    value = value.real if isinstance(value, complex) else value
    if (
        isinstance(value, (int, Fraction))
        and not isinstance(value, bool)
        and -(10**9) < value < 10**9
        and Fraction(value).denominator < 10**6
    ):
        return str(value)
    try:
        return f"{float(value):.6g}"
    except (OverflowError, TypeError, ValueError):
        return None
