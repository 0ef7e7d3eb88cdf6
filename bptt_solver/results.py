"""A solution as plain data (``-f json``): stable, versioned, documented in docs/json.md. Every number is a plain
JSON number."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from bptt_solver.arithmetic import Value, is_array, is_exact
from bptt_solver.computation import Computation
from bptt_solver.contributions import contributions
from bptt_solver.language.expressions import derivative_name
from bptt_solver.language.notation.source import equation_to_source, to_source
from bptt_solver.partials import local_partials, partial_size
from bptt_solver.terms import AdjointEquation
from bptt_solver.unfold import instance_text

VERSION = 1
MOST_STEPS = 1_000  # backward lines listed one by one unless all are asked for
MOST_PARTIALS = 1_000_000  # numbers in simple_partials
ALL_DIRECT = 200  # up to so many nodes the target's simple partials are listed for every node, zeros included


def plain(value: Value) -> Any:
    """A value as JSON has it: ints stay ints, fractions become floats, arrays nested lists; no -0.0."""
    if is_array(value):
        return [plain(v) for v in value] if value.ndim else plain(value.item())
    if type(value) is Fraction:
        return float(value)
    if type(value) is int:
        return value
    return float(value) + 0.0


def exact_text(value: Value) -> Any:
    """An exact value as text ``p/q`` (or nested lists of such)."""
    if is_array(value):
        return [exact_text(v) for v in value]
    if type(value) is Fraction and value.denominator != 1:
        return f"{_digits(value.numerator)}/{_digits(value.denominator)}"
    return _digits(int(value))


def _digits(value: int) -> str:
    """The decimal digits of a whole number of any length; ``str`` stops at 4,300 of them."""
    if value.bit_length() < 10_000:
        return str(value)
    from decimal import Decimal

    return f"{Decimal(value):f}"


def values(computation: Computation) -> dict[str, Any]:
    """The value of every instance, given ones first, then in the order of computation."""
    return {instance_text(key): plain(computation.value(key)) for key in computation.instances()}


def sources(computation: Computation) -> list[dict[str, Any]]:
    """Where given numbers come from that the document does not hold itself."""
    return [
        {"kind": remark.kind, "names": [instance_text(name) for name in remark.names], **remark.fields}
        for remark in computation.problem.remarks
    ]


def network(computation: Computation) -> dict[str, Any] | None:
    """The topology that wrote the equations, the choices in it and what its names are; None without a network."""
    problem = computation.problem
    declared, block = problem.network, problem.document.network
    if declared is None or block is None:
        return None
    sizes = problem.system.sizes
    system_roles = problem.system.roles
    return {
        "topology": problem.registry.registry.topology(block.topology).name,
        "sizes": {name: sizes[name] for name in declared.sizes if name in sizes},
        "equations": declared.equations.splitlines(),
        "notes": list(declared.notes),
        "names": {
            name: {"role": role, "given": system_roles.get(name, "value") if name in problem.system.given else None}
            for name, role in declared.roles.items()
            if name in problem.system.given or name in problem.system.defining
        },
    }


def ordered_derivatives(computation: Computation) -> dict[str, Any]:
    """The ordered derivative of the target with respect to every instance; 0 where no path leads."""
    return {instance_text(key): plain(computation.derivative(key)) for key in computation.instances()}


def exact(computation: Computation) -> dict[str, Any]:
    """What is known exactly, values by name and derivatives by ``∂⁺E/∂name``."""
    result: dict[str, Any] = {}
    for key in computation.instances():
        name = instance_text(key)
        value, derivative = computation.value(key), computation.derivative(key)
        if is_exact(value) and is_exact(derivative):
            result[name] = exact_text(value)
            result[derivative_name(computation.target_text, name)] = exact_text(derivative)
    return result


def simple_partials(computation: Computation) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """consumer -> what it reads -> ∂consumer/∂it, in the consumer's shape followed by the other's; and the consumers
    left out.

    For the target of a small scalar graph the zeros are listed as well: they say that a node has no direct effect.
    """
    problem = computation.problem
    unfolded = problem.unfolded
    result: dict[str, dict[str, Any]] = {}
    left_out: list[str] = []
    spent = 0
    for number in reversed(unfolded.order):
        name = instance_text(unfolded.keys[number])
        size = partial_size(unfolded, number, computation.values)
        if spent + size > MOST_PARTIALS:
            left_out.append(name)
            continue
        spent += size
        found = local_partials(unfolded, number, computation.values, computation.arithmetic)
        row = {instance_text(unfolded.keys[read]): plain(value) for read, value in reversed(found.items())}
        if (
            unfolded.keys[number] == computation.target_key
            and len(unfolded.keys) <= ALL_DIRECT
            and not computation.shapes
        ):
            others = [instance_text(k) for k in reversed(computation.instances()) if k != computation.target_key]
            row = {other: row.get(other, 0) for other in others if other in row or _earlier(computation, other, name)}
        result[name] = row
    return result, left_out


def _earlier(computation: Computation, other: str, name: str) -> bool:
    order = [instance_text(k) for k in computation.instances()]
    return order.index(other) < order.index(name)


def steps(computation: Computation, everything: bool = False) -> list[dict[str, Any]]:
    """The backward pass: the folded equations, and every line of the sweep with its terms."""
    result: list[dict[str, Any]] = []
    for equation in computation.adjoint_equations:
        result.append(
            {
                "kind": "equation",
                "of": equation.of,
                "text": equation_to_source(equation),
                "terms": [_term(t) for t in equation.terms],
            }
        )
    unfolded = computation.unfolded
    if len(unfolded.order) > MOST_STEPS and not everything:
        return result
    for number in unfolded.order:
        line = unfolded.equations[number]
        assert isinstance(line, AdjointEquation)
        terms = [
            {"via": instance_text(c.user), "direct": c.term.direct, "value": plain(c.value)}
            for c in contributions(computation, number)
        ]
        of = instance_text((line.of, unfolded.keys[number][1]))
        result.append(
            {
                "kind": "line",
                "of": of,
                "name": instance_text(unfolded.keys[number]),
                "value": plain(computation.values[number]),
                "terms": terms,
            }
        )
    return result


def _term(term: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "via": to_source(term.user),
        "direct": term.direct,
        "contribution": to_source(term.expression),
    }
    if term.partial is not None:
        entry["simple_partial"] = to_source(term.partial)
    if term.matched is not None:
        entry["through"] = to_source(term.matched.user)
        entry["reason"] = term.matched.reason
    return entry
