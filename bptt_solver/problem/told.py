"""What is said about names that mean nothing, or not what is expected where they stand."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any

from bptt_solver.errors import ProblemError, Span, fail, suggest
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Expression, is_derivative
from bptt_solver.language.shapes import Shape
from bptt_solver.problem.names import lookalike
from bptt_solver.system import Instance, System
from bptt_solver.unfold import Unfolded, instance_text

Told = tuple[str, Span | None, str]  # what `Problems.add` takes
_CONSTANTS = {
    "e": "a power of e is written exp(x); or give e under 'values'",
    "pi": "give its value: `values: {pi: 3.141592653589793}`",
    "π": "give its value: `values: {π: 3.141592653589793}`",
    "Σ": "a sum is written sum(x[t] for t in 1..T)",
}


def loose_text(shape: Sequence[int | None]) -> str:
    """``a number``, ``a vector (3)``, ``a matrix (3×2)``; ``?`` where a length is not the same everywhere."""
    if not shape:
        return "a number"
    size = "×".join("?" if n is None else str(n) for n in shape)
    return f"a vector ({size})" if len(shape) == 1 else f"a matrix ({size})"


def some(names: Sequence[str]) -> str:
    """A few of many names."""
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:2])}, …, {names[-1]}"


def different(name: str, other: str) -> str:
    """Where two names that look alike differ: the first characters that do."""
    pairs = [(a, b) for a, b in zip(name, other, strict=False) if a != b]
    a, b = pairs[0] if pairs else (name[-1], other[-1])
    return f"'{a}' is U+{ord(a):04X}, '{b}' is U+{ord(b):04X}"


def unknown_name(name: str, known: Collection[str], span: Span | None) -> Told:
    """A name in an equation that nothing defines."""
    if is_derivative(name):
        return f"'{name}' is a result", span, "the equations of a document cannot use ordered derivatives"
    look = lookalike(name)
    alike = [other for other in known if not (name.isascii() and other.isascii()) and lookalike(other) == look]
    if alike:
        return f"unknown name '{name}'", span, f"it only looks like '{min(alike)}': {different(name, min(alike))}"
    hint = _CONSTANTS.get(name) or suggest(name, known) or f"give {name} under 'values', or define it by an equation"
    return f"unknown name '{name}'", span, hint


def no_size(name: str, is_defined: bool, given: Any, span: Span | None) -> Told:
    """A quantity that stands where an index or a size has to stand; ``given`` is its value, if it is a given number."""
    if type(given) is int:
        hint = f"conditions compare indices and sizes; if {name} is a size: `sizes: {{{name}: {given}}}`"
    elif is_defined:
        hint = f"a size is given, not computed: `sizes: {{{name}: 3}}`"
    elif type(given) is float or type(given) is Fraction:
        hint = f"a size is a whole number, and {name} is {given}"
    else:
        hint = f"a size is one whole number: `sizes: {{{name}: 3}}`"
    return f"'{name}' is a quantity, not an index or a size", span, hint


def size_hint(name: str, equation: Equation, node: Expression | None, sizes: Collection[str]) -> str:
    """What a name may have meant that is neither an index nor a size."""
    bound = [r.variable for r in equation.ranges]
    if not equation.ranges and any(name in index.variables() for index in equation.indices):
        return f"say for which {name} the equation holds: {equation.name}[{name}] = ... for {name} in 1..3"
    near = [*sizes] if node is None else [*sizes, *bound]
    found = suggest(name, [n for n in near if n.lower() != name.lower()])
    if found is None and node is not None and bound:
        return f"the equation has the index {' and '.join(bound)}; if {name} is a size: `sizes: {{{name}: 3}}`"
    return found or f"declare it: `sizes: {{{name}: 3}}`"


def not_there(key: Instance, span: Span, system: System, unfolded: Unfolded) -> ProblemError:
    """A target, or something to differentiate with respect to, that does not exist."""
    name = key[0]
    if name in system.defining or name in system.given:
        found = [instance_text(k) for k in unfolded.keys if k[0] == name]
        hint = f"there are {found[0]} … {found[-1]}" if len(found) > 2 else "there is " + " and ".join(found)
        return fail(f"there is no {instance_text(key)}", span, hint if found else f"the range of {name} is empty")
    if is_derivative(name):
        return fail(f"'{name}' is a result", span, "name a quantity of the equations")
    defined = f"there are {some(system.families)}"
    if name in system.sizes or name in system.maps:
        what = "a size" if name in system.sizes else "a map"
        return fail(f"'{name}' is {what}, not a quantity", span, defined)
    return fail(f"unknown name '{name}'", span, suggest(name, system.families) or defined)


def default_target_problem(
    ends: Sequence[int], unfolded: Unfolded, shapes: Mapping[int, Shape], place: Span
) -> ProblemError:
    """Why there is no target by itself. ``ends`` are the numbers that nothing uses."""
    numbers = ends or [n for n in unfolded.order if n not in shapes][-1:]
    if not numbers:
        last = unfolded.order[-1] if unfolded.order else None
        what = (
            f"{instance_text(unfolded.keys[last])} is {loose_text(shapes[last])}"
            if last is not None
            else "all ranges are empty"
        )
        return fail(f"no equation gives a number to differentiate: {what}", place, "add for example E = sum(...)")
    names = [instance_text(unfolded.keys[n]) for n in numbers]
    which = f": {some(names)} may be meant" if len(names) > 1 else ""
    return fail(f"the target is missing{which}", place, f"say whose derivatives are wanted: `target: {names[-1]}`")
