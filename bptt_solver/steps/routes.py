"""The independent numbers of section 7 for a system with indices or arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import is_array
from bptt_solver.language.expressions import Index, Reference, derivative_name, substitute_indices
from bptt_solver.steps.evidence import ForwardMode, Memory, ZeroColumns, perturbed
from bptt_solver.steps.gather import chosen_weight, looks_back
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.steps.indexed import Indexed
    from bptt_solver.steps.lines import Piece
    from bptt_solver.system import Instance

SMALL = 200  # instances of a system in which forward mode is shown
MOST_STATES = 8
ZERO_SUM = 1e-12


def evidence(whole: Indexed) -> list[Any]:
    """What can be shown for a system with indices or arrays."""
    found: list[Any] = []
    weight = chosen_weight(whole)
    number, entry = (weight, ()) if weight is not None else chosen_entry(whole)
    if number is not None:
        item = perturbed(whole.computation, whole.members, number, entry)
        if item is not None:
            found.append(item)
    if weight is not None and not whole.computation.shapes and len(whole.forward.keys) <= SMALL:
        found += _by_forward_mode(whole, weight)
    found += _zero_columns(whole)
    return found


def chosen_entry(whole: Indexed) -> tuple[int | None, tuple[int, ...]]:
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
    shown = [
        (_ordered(keys[s], keys[weight]), members.value(tangents[s]))
        for s in states
        if whole.forward.grounds[s] is not None
    ]
    total = (_ordered(keys[target], keys[weight]), members.value(tangents[target]))
    found: list[Any] = [ForwardMode(members.name(weight), shown, total)]
    memory = _memory(whole, states)
    return [*found, memory] if memory is not None else found


def _states(whole: Indexed, piece: Piece) -> list[int]:
    """The computed quantities of an earlier time that stand beside a use."""
    found = []
    for source in piece.ground.slots:
        if not isinstance(source, int) or not 0 <= source < whole.unfolded.first:
            continue
        computed = whole.unfolded.grounds[source] is not None
        if computed and whole.times.shift(whole.unfolded.keys[source], piece.user):
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
    for one, following in pairwise(states):
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


def _ordered(target: Instance, key: Instance) -> Reference:
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
        if not signals or not all(s is not None and _is_matched(whole, s) for s in signals):
            continue
        value = whole.members.values[number]
        if is_array(value) and bool((abs(value.sum(axis=0)) <= ZERO_SUM * abs(value).sum()).all()):
            binding = {name: Index(at) for name, at in whole.unfolded.environments[number].items()}
            signal = substitute_indices(whole.lines_of(number)[0].term.cotangent, binding)
            return [ZeroColumns(whole.members.name(number), signal)] if isinstance(signal, Reference) else []
    return []


def _is_matched(whole: Indexed, number: int) -> bool:
    return any(p.term.matched is not None for p in whole.lines_of(number))
