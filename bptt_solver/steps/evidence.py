"""Section 7: numbers that were found in another way. A perturbed target, forward mode on one weight, what a state remembers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import is_array, is_exact
from bptt_solver.blocks import Entry, Value
from bptt_solver.errors import ProblemError
from bptt_solver.language.expressions import Index, Reference, derivative_name, substitute_indices
from bptt_solver.steps.gather import chosen_weight, looks_back
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.steps.indexed import Indexed
    from bptt_solver.steps.members import Members

H = Fraction(1, 1000)  # of an exact perturbation
SMALL = 200  # instances of a system in which forward mode is shown
MOST_STATES = 8
ZERO_SUM = 1e-12
MOST_NAMES = 6


class Perturbation:
    """The target after one quantity was changed by ``h`` (and by ``-h``, if ``central``) where it is computed."""

    __slots__ = ("agrees", "central", "change", "changed", "entry", "h", "later", "name", "plus", "quotient", "step")

    def __init__(self, name: Reference, central: bool, h: Any, quotient: Value, agrees: bool, entry: tuple[int, ...] = ()) -> None:
        self.name = name
        self.central = central
        self.h = h
        self.quotient = quotient
        self.agrees = agrees
        self.entry = entry
        self.changed: Value | None = None  # the quantity after the change
        self.plus: Value | None = None  # the target after the change
        self.change: Value | None = None
        self.later: Sequence[Reference] = ()  # what was recomputed
        self.step = 0  # the number of the line that it confirms


class Effects:
    """How much of a node's effect is direct: the simple partial, and what goes through later quantities."""

    __slots__ = ("direct", "name", "nodes", "rest", "through")

    def __init__(self, name: Reference, direct: Value, rest: Value, through: Sequence[Reference], nodes: int) -> None:
        self.name = name
        self.direct = direct
        self.rest = rest
        self.through = through
        self.nodes = nodes


class ForwardMode:
    """The change of one weight carried along: the derivatives of the states and of the target."""

    __slots__ = ("name", "states", "total")

    def __init__(self, name: Reference, states: Sequence[tuple[Reference, Value]], total: tuple[Reference, Value]) -> None:
        self.name = name
        self.states = states
        self.total = total


class Memory:
    """What the last state keeps of the first: the product of the steps."""

    __slots__ = ("factors", "first", "name", "total")

    def __init__(self, name: Reference, first: Reference, factors: Sequence[Value], total: Value) -> None:
        self.name = name
        self.first = first
        self.factors = factors
        self.total = total


class ZeroColumns:
    """The columns of a weight's gradient sum to 0, as the error signals that it is made of."""

    __slots__ = ("name", "signal")

    def __init__(self, name: Reference, signal: Reference) -> None:
        self.name = name
        self.signal = signal


def perturbed(computation: Computation, members: Members, number: int, entry: tuple[int, ...] = ()) -> Perturbation | None:
    """Perturb one instance; None if the target cannot be computed there."""
    from bptt_solver.verify import finite_difference

    key = computation.unfolded.keys[number]
    name: Reference = members.name(number)
    ours = computation.derivative(key)
    if entry:
        ours = ours[tuple(i - 1 for i in entry)]
        name = Entry(name, entry)
    value = computation.value(key)
    try:
        if not entry and is_exact(value) and is_exact(computation.value(computation.target_key)):
            difference = finite_difference(computation, key, entry, H)
            if difference.forward == ours:
                found = Perturbation(name, False, members.value(_decimal(H)), members.value(difference.forward), True)
                found.changed = members.value(_decimal(value + H))
                found.plus = members.value(_decimal(difference.plus))
                found.change = members.value(_decimal(difference.plus - difference.value))
                found.later = _later(computation, members, number)
                return found
        difference = finite_difference(computation, key, entry, 1e-5)
        quotient = difference.central
    except (ProblemError, ArithmeticError, ValueError):
        return None
    quotient = float(quotient)
    agrees = abs(quotient - float(ours)) <= 1e-5 * abs(float(ours))
    return Perturbation(name, True, 1e-5, members.value(quotient), agrees, entry)


def _decimal(value: Any) -> Any:
    """A fraction that is a short decimal as one."""
    if not isinstance(value, Fraction):
        return value
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return float(value) if rest == 1 else value


def _later(computation: Computation, members: Members, number: int) -> list[Reference]:
    """What depends on an instance, in the order of computation."""
    unfolded = computation.problem.unfolded
    reached = {number}
    later: list[int] = []
    for at in unfolded.order:
        if at not in reached and any(read in reached for read in unfolded.reads(at)):
            reached.add(at)
            later.append(at)
            if len(later) > MOST_NAMES:
                break
    if len(later) > MOST_NAMES:
        target = computation.unfolded.number[computation.target_key]
        return [*(members.name(n) for n in later[: MOST_NAMES - 2]), Reference("…"), members.name(target)]
    return [members.name(n) for n in later]


# ----------------------------------------------------------------------------- systems with indices


def evidence(whole: Indexed) -> list[Any]:
    """What can be shown for a system with indices or arrays."""
    found: list[Any] = []
    weight = chosen_weight(whole)
    number, entry = (weight, ()) if weight is not None else _chosen_entry(whole)
    if number is not None:
        item = perturbed(whole.computation, whole.members, number, entry)
        if item is not None:
            found.append(item)
    if weight is not None and not whole.computation.shapes and len(whole.forward.keys) <= SMALL:
        found += _by_forward_mode(whole, weight)
    found += _zero_columns(whole)
    return found


def _chosen_entry(whole: Indexed) -> tuple[int | None, tuple[int, ...]]:
    """A wanted array that multiplies an earlier state (else the last that is wanted), and an entry off its diagonal."""
    reached = [w for w in whole.wanted if whole.computation.derivative_number(whole.unfolded.keys[w]) is not None]
    if not reached:
        return None, ()
    chosen = next((w for w in reversed(reached) if len(whole.computation.shapes.get(w, ())) == 2), reached[-1])
    for wanted in reached:
        number = whole.computation.derivative_number(whole.unfolded.keys[wanted])
        if number is not None and any(looks_back(whole, p) for p in whole.lines_of(number)):
            chosen = wanted
            break
    shape = whole.computation.shapes.get(chosen, ())
    if not shape:
        return chosen, ()
    entry = (1, 2) if len(shape) == 2 and shape[1] > 1 else (1,) * len(shape)
    derivative = whole.computation.derivative(whole.unfolded.keys[chosen])
    if not derivative[tuple(i - 1 for i in entry)]:
        flat = int(abs(derivative).argmax())
        entry = (flat + 1,) if len(shape) == 1 else (flat // shape[1] + 1, flat % shape[1] + 1)
    return chosen, entry


def _by_forward_mode(whole: Indexed, weight: int) -> list[Any]:
    """Forward mode on a shared weight, and the memory of the state that it multiplies."""
    number = whole.computation.derivative_number(whole.unfolded.keys[weight])
    assert number is not None
    state = next((s for p in whole.lines_of(number) for s in _states(whole, p)), None)
    if state is None:
        return []
    states = _chain_of(whole, state)
    if not 2 <= len(states) - 1 <= MOST_STATES:
        return []
    members, keys = whole.members, whole.unfolded.keys
    tangents = tangents_of(whole.computation, weight)
    target = whole.unfolded.number[whole.computation.target_key]
    shown = [(_ordered(keys[s], keys[weight]), members.value(tangents[s])) for s in states[1:]]
    total = (_ordered(keys[target], keys[weight]), members.value(tangents[target]))
    found: list[Any] = [ForwardMode(members.name(weight), shown, total)]
    memory = _memory(whole, states)
    return [*found, memory] if memory is not None else found


def _states(whole: Indexed, piece: Any) -> list[int]:
    """The computed quantities of an earlier time that stand beside a use."""
    found = []
    for source in piece.ground.slots:
        if isinstance(source, int) and 0 <= source < whole.unfolded.first and whole.unfolded.grounds[source] is not None:
            if whole.times.shift(whole.unfolded.keys[source], piece.user):
                found.append(source)
    return found


def _chain_of(whole: Indexed, state: int) -> list[int]:
    """All members of a state's family, the first time first; empty if it has another index than time."""
    name, indices = whole.unfolded.keys[state]
    if len(indices) != 1:
        return []
    members = sorted((k[1][0], n) for n, k in enumerate(whole.forward.keys) if k[0] == name)
    times = [t for t, _ in members]
    return [n for _, n in members] if times == list(range(times[0], times[0] + len(times))) else []


def _memory(whole: Indexed, states: Sequence[int]) -> Memory | None:
    """∂⁺h_T/∂h_0 as the product of the steps, if nothing else carries h_0 along."""
    factors: list[float] = []
    for one, following in zip(states, states[1:], strict=False):
        factors.append(tangents_of(whole.computation, one)[following])
    total = tangents_of(whole.computation, states[0])[states[-1]]
    product = 1.0
    for factor in factors:
        product *= factor
    if not total or abs(product - total) > 1e-9 * abs(total):
        return None
    members, keys = whole.members, whole.unfolded.keys
    name = _ordered(keys[states[-1]], keys[states[0]])
    return Memory(name, members.name(states[0]), [members.value(f) for f in factors], members.value(total))


def _ordered(target: Any, key: Any) -> Reference:
    return Reference(derivative_name(instance_text(target), key[0]), tuple(Index(i) for i in key[1]))


def tangents_of(computation: Computation, number: int) -> list[float]:
    """The derivative of every forward instance by one number, by a complex step where that number is computed."""
    from bptt_solver.arithmetic import ComplexArithmetic
    from bptt_solver.evaluate import Program

    problem = computation.problem
    program = Program(problem.unfolded, ComplexArithmetic(problem.operations), problem.shapes)
    h = 1e-30
    values = program.start(problem.given)
    perturb = {number: complex(0, h)}
    if problem.unfolded.grounds[number] is None:
        values[number] = values[number] + complex(0, h)
        perturb = {}
    program.run(values, perturb=perturb)
    return [complex(v).imag / h for v in values[: len(problem.unfolded.keys)]]


def _zero_columns(whole: Indexed) -> list[ZeroColumns]:
    """Weights of a matched pair's argument: their gradients' columns sum to 0."""
    for wanted in whole.wanted:
        number = whole.computation.derivative_number(whole.unfolded.keys[wanted])
        if number is None or len(whole.computation.shapes.get(number, ())) != 2:
            continue
        signals = [p.cotangent for p in whole.lines_of(number)]
        if not all(s is not None and _is_matched(whole, s) for s in signals):
            continue
        value = whole.members.values[number]
        if is_array(value) and bool((abs(value.sum(axis=0)) <= ZERO_SUM * abs(value).sum()).all()):
            binding = {name: Index(at) for name, at in whole.unfolded.environments[number].items()}
            signal = substitute_indices(whole.lines_of(number)[0].term.cotangent, binding)
            return [ZeroColumns(whole.members.name(number), signal)] if isinstance(signal, Reference) else []
    return []


def _is_matched(whole: Indexed, number: int) -> bool:
    return any(p.term.matched is not None for p in whole.lines_of(number))
