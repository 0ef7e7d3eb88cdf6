"""What is printed of another method: which entries are written out, and the two numbers for every entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bptt_solver.derivation import MOST_LINES, Derivation
from bptt_solver.steps.entries import chosen_entries
from bptt_solver.steps.forward import Forward, ForwardSteps
from bptt_solver.steps.gather import chosen_weight
from bptt_solver.steps.indexed import Indexed
from bptt_solver.steps.routes import chosen_entry
from bptt_solver.steps.times import Times

if TYPE_CHECKING:
    from bptt_solver.analyses.methods.rtrl import Rtrl
    from bptt_solver.computation import Computation
    from bptt_solver.system import Instance

METHODS = ("rtrl", "perturbation")  # whose sections stand in the place of those of the backward sweep
At = tuple[int, ...]  # 0-based; () of a number


def forward_steps(derivation: Derivation, rtrl: Rtrl, entries: Sequence[str], steps: str) -> list[ForwardSteps]:
    """The sensitivities that are written out: those by the entries that were asked for; of a small system of numbers
    all, else those by one entry of a weight that multiplies an earlier state.

    Raises ProblemError for an entry that is not there.
    """
    everything = steps == "all"
    whole = None if derivation.plain else Indexed(derivation, steps)
    times = Times(derivation.computation.problem.system) if whole is None else whole.times
    found: list[ForwardSteps] = []
    chosen = _chosen(derivation, rtrl, entries, whole, everything)
    long = whole is not None and whole.long
    for key, at in chosen:
        if key == derivation.computation.target_key:
            continue
        found.append(Forward(rtrl.along(key), at, times, derivation.digits, everything).steps(long))
    derivation.cut = derivation.cut or long
    return found


def _chosen(
    derivation: Derivation, rtrl: Rtrl, entries: Sequence[str], whole: Indexed | None, everything: bool
) -> list[tuple[Instance, At]]:
    keys = derivation.computation.unfolded.keys
    if whole is not None and entries:
        return [(k, tuple(i - 1 for i in at)) for k, ats in chosen_entries(whole, entries).items() for at in ats]
    if not derivation.computation.shapes:
        lines = sum(rtrl.lines.values())
        if lines <= MOST_LINES or everything:
            return [(key, ()) for key in rtrl.wanted]
    if whole is None:
        return [(key, ()) for key in rtrl.wanted[-1:]]
    weight = chosen_weight(whole)
    number, entry = (weight, ()) if weight is not None else chosen_entry(whole)
    if not rtrl.lines:
        return []
    longest = max(rtrl.lines, key=lambda key: rtrl.lines[key])
    if number is None or rtrl.lines.get(keys[number], 0) < rtrl.lines[longest]:  # another one shows more
        return [(longest, _first_entry(derivation.computation, longest))]
    return [(keys[number], tuple(i - 1 for i in entry))]


def _first_entry(computation: Computation, key: Instance) -> At:
    """An entry off the diagonal, or the one with the largest derivative if that of the first one is 0."""
    shape = computation.shapes.get(computation.unfolded.number[key], ())
    if not shape:
        return ()
    at = (0, 1) if len(shape) == 2 and shape[1] > 1 else (0,) * len(shape)
    derivative = computation.derivative(key)
    if not derivative[at]:
        flat = int(abs(derivative).argmax())
        at = (flat,) if len(shape) == 1 else divmod(flat, shape[1])
    return at
