"""What is said about names that mean nothing, or not what is expected where they stand."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any

from bptt_solver.catalogues import Listing, message
from bptt_solver.errors import ProblemError, Span, fail, suggest
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Expression, is_derivative
from bptt_solver.language.shapes import Shape
from bptt_solver.problem.names import lookalike
from bptt_solver.system import Instance, System
from bptt_solver.unfold import Unfolded, instance_text

Told = tuple[str, Span | None, str]  # what `Problems.add` takes
_CONSTANTS = {"e": "name.constant_e", "pi": "name.constant_pi", "π": "name.constant_pi", "Σ": "name.sum"}  # keys


def loose_text(shape: Sequence[int | None]) -> str:
    """``a number``, ``a vector (3)``, ``a matrix (3×2)``; ``?`` where a length is not the same everywhere."""
    if not shape:
        return message("shape.a_number")
    size = "×".join("?" if n is None else str(n) for n in shape)
    return message("shape.one_vector" if len(shape) == 1 else "shape.one_matrix", size=size)


def some(names: Sequence[str]) -> Listing:
    """A few of many names."""
    return message.listed(names if len(names) <= 4 else [*names[:2], "…", names[-1]], "list.comma")


def different(name: str, other: str) -> str:
    """Where two names that look alike differ: the first characters that do."""
    pairs = [(a, b) for a, b in zip(name, other, strict=False) if a != b]
    a, b = pairs[0] if pairs else (name[-1], other[-1])
    return message("name.different", a=a, b=f"{ord(a):04X}", c=b, d=f"{ord(b):04X}")


def unknown_name(name: str, known: Collection[str], span: Span | None) -> Told:
    """A name in an equation that nothing defines."""
    if is_derivative(name):
        return message("name.result", name=name), span, message("name.no_derivatives")
    look = lookalike(name)
    alike = [other for other in known if not (name.isascii() and other.isascii()) and lookalike(other) == look]
    if alike:
        return (
            message("name.unknown", name=name),
            span,
            message("name.only_looks", name=min(alike), different=different(name, min(alike))),
        )
    constant = message(_CONSTANTS[name], name=name) if name in _CONSTANTS else None
    hint = constant or suggest(name, known) or message("name.give", name=name)
    return message("name.unknown", name=name), span, hint


def no_size(name: str, is_defined: bool, given: Any, span: Span | None) -> Told:
    """A quantity that stands where an index or a size has to stand; ``given`` is its value, if it is a given number."""
    if type(given) is int:
        hint = message("name.conditions", name=name, given=given)
    elif is_defined:
        hint = message("name.size_given", name=name)
    elif type(given) is float or type(given) is Fraction:
        hint = message("name.size_whole", name=name, given=given)
    else:
        hint = message("name.size_one", name=name)
    return message("name.no_size", name=name), span, hint


def size_hint(name: str, equation: Equation, node: Expression | None, sizes: Collection[str]) -> str:
    """What a name may have meant that is neither an index nor a size."""
    bound = [r.variable for r in equation.ranges]
    if not equation.ranges and any(name in index.variables() for index in equation.indices):
        return message("name.say_for", name=name, family=equation.name)
    near = [*sizes] if node is None else [*sizes, *bound]
    found = suggest(name, [n for n in near if n.lower() != name.lower()])
    if found is None and node is not None and bound:
        several = bound[0]
        for other in bound[1:]:
            several = message.listed([several, other])
        return message("name.has_index", index=several, name=name)
    return found or message("size.declare_3", name=name)


def not_there(key: Instance, span: Span, system: System, unfolded: Unfolded) -> ProblemError:
    """A target, or something to differentiate with respect to, that does not exist."""
    name = key[0]
    if name in system.defining or name in system.given:
        found = [instance_text(k) for k in unfolded.keys if k[0] == name]
        hint = (
            message("name.several", first=found[0], last=found[-1])
            if len(found) > 2
            else message("name.one", name=message.listed(found))
        )
        empty = message("name.empty_range", name=name)
        return fail(message("unfold.no_member", name=instance_text(key)), span, hint if found else empty)
    if is_derivative(name):
        return fail(message("name.result", name=name), span, message("name.a_quantity"))
    defined = message("name.there_are", names=some(system.families))
    if name in system.sizes or name in system.maps:
        key_of = "name.size_no_quantity" if name in system.sizes else "name.map_no_quantity"
        return fail(message(key_of, name=name), span, defined)
    return fail(message("name.unknown", name=name), span, suggest(name, system.families) or defined)


def default_target_problem(
    ends: Sequence[int], unfolded: Unfolded, shapes: Mapping[int, Shape], place: Span
) -> ProblemError:
    """Why there is no target by itself. ``ends`` are the numbers that nothing uses."""
    numbers = ends or [n for n in unfolded.order if n not in shapes][-1:]
    if not numbers:
        last = unfolded.order[-1] if unfolded.order else None
        what = (
            message("shape.is", name=instance_text(unfolded.keys[last]), shape=loose_text(shapes[last]))
            if last is not None
            else message("target.all_empty")
        )
        return fail(message("target.no_number", what=what), place, message("target.add"))
    names = [instance_text(unfolded.keys[n]) for n in numbers]
    told = message("target.missing_of" if len(names) > 1 else "target.missing", names=some(names))
    return fail(told, place, message("target.say", name=names[-1]))
