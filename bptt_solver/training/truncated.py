"""The gradients of a step of training, truncated: the forward pass and all truncated sweeps, compiled into one program.

Each group of losses that a truncation sweeps together has error signals of its own, so the backward instances that its
sweep reaches are there once for each group; what arrives at a weight is one sum over all of them. What is cut depends
on times only, so that the program is the same for any weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bptt_solver.analyses.losses import Sweeps
from bptt_solver.arithmetic import Value
from bptt_solver.contributions import instance_of
from bptt_solver.instances import Ground, Unfolded
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import derivative_name
from bptt_solver.language.shapes import Shape
from bptt_solver.system import Instance
from bptt_solver.terms import AdjointEquation
from bptt_solver.training.trainer import Sweep

if TYPE_CHECKING:
    from bptt_solver.analyses.truncation import Truncation


def truncated_sweep(truncation: Truncation, keys: list[Instance]) -> Sweep:
    """The target and the truncated gradients by some given instances, for any weights."""
    copies = _Copies(truncation, [truncation.computation.problem.unfolded.number[key] for key in keys])
    gradients = copies.gradients()
    return Sweep(truncation.computation, keys, copies.both, gradients, copies.order, copies.shapes, copies.unread)


class _Copies:
    """The instances of all sweeps, numbered behind the forward ones."""

    def __init__(self, truncation: Truncation, weights: list[int]) -> None:
        self.computation = truncation.computation
        self.sweeps = Sweeps(self.computation, truncation.losses)
        self.both: Unfolded = self.sweeps.unfolded.behind(self.sweeps.unfolded.system)
        self.shapes: dict[int, Shape] = dict(self.computation.problem.shapes)
        self.order: list[int] = []
        self._one = self.both.constant(1)
        self._sums: dict[int, list[Ground]] = {number: [] for number in weights}
        self._lines: dict[int, Equation | None] = {}
        # `Sweeps` is given its seeds; here they are computed, and nothing reads the given ones
        self.unread: dict[Instance, Value] = {
            self.both.keys[self.sweeps.seed_number(at)]: 0.0 for at in range(len(truncation.losses))
        }
        seeds = self._seeds()
        groups: dict[int | None, list[int]] = {}
        for bound, chosen in truncation.windows:  # what nothing is cut off from is one sweep
            groups.setdefault(bound if truncation.blocked(bound) else None, []).extend(chosen)
        for bound, chosen in groups.items():
            self._sweep(chosen, truncation.blocked(bound), seeds)

    def gradients(self) -> list[int | None]:
        """The number of each weight's gradient: the sum over all sweeps; None where no path leads."""
        return [
            self._enter(number, self._lines[number], grounds) if grounds else None
            for number, grounds in self._sums.items()
        ]

    # -- the target's own effect of each loss

    def _seeds(self) -> list[int]:
        """For each loss the number of the target's derivative by it, as far as the target's own sums go."""
        forward, losses = self.computation.problem.unfolded, self.sweeps.losses
        target = self.both.number[self.computation.target_key]
        if [loss.number for loss in losses] == [target]:
            return [self._one]
        outside = {loss.number for loss in losses}
        found: dict[int, None] = {}
        stack = [target]
        while stack:
            for read in forward.reads(stack.pop()):
                if read not in outside and read not in found and self._backward(read) is not None:
                    found[read] = None
                    stack.append(read)
        constants = self.computation.unfolded.constants
        known: dict[int | None, int] = {at: self.both.constant(value) for (_, value), at in constants.items()}
        known[self._backward(target)] = self._one
        for number in reversed(forward.order):
            if number in found:
                known[self._backward(number)] = self._signal(number, known)
        return [self._signal(loss.number, known) for loss in losses]

    def _backward(self, number: int) -> int | None:
        return self.computation.derivative_number(self.both.keys[number])

    def _signal(self, number: int, known: Mapping[int | None, int]) -> int:
        """A derivative of the target, as far as it comes through instances whose derivatives are known."""
        computation, unfolded = self.computation, self.computation.unfolded
        backward = self._backward(number)
        assert backward is not None
        line = unfolded.equations[backward]
        assert isinstance(line, AdjointEquation)
        users = [
            instance_of(line.terms[ground.part].user, ground.environment, computation)
            for ground in unfolded.grounds[backward] or ()
        ]
        grounds = [
            _moved(ground, lambda slot: known[slot] if slot < 0 or slot >= self.sweeps.first else slot)
            for ground, user in zip(unfolded.grounds[backward] or (), users, strict=True)
            if computation.derivative_number(user) in known
        ]
        return self._enter(number, line, grounds)

    # -- the sweeps

    def _sweep(self, chosen: list[int], blocked: Callable[[int], bool] | None, seeds: list[int]) -> None:
        """The instances of one sweep."""
        sweeps, unfolded = self.sweeps, self.sweeps.unfolded
        known = {sweeps.seed_number(at): seeds[at] for at in chosen}

        for number, reached in sweeps.route(chosen, blocked):
            grounds = unfolded.grounds[number] or []
            base, line = sweeps.base(number), unfolded.equations[number]
            parts = [_moved(grounds[at], lambda slot: known[slot] if slot >= sweeps.first else slot) for at in reached]
            if base in self._sums:
                self._sums[base] += parts
                self._lines[base] = line
            else:
                known[number] = self._enter(base, line, parts)

    # -- numbers

    def _enter(self, base: int, line: Equation | None, grounds: list[Ground]) -> int:
        """A derivative of the target by a forward instance."""
        both = self.both
        name, indices = both.keys[base]
        number = len(both.keys)
        both.keys.append((derivative_name(self.computation.target_text, name), indices))
        both.equations.append(line)
        both.grounds.append(grounds)
        both.environments.append({})
        self.order.append(number)
        shape = self.shapes.get(base)
        if shape:
            self.shapes[number] = shape
        return number


def _moved(ground: Ground, to: Callable[[int], int]) -> Ground:
    """A ground that reads other numbers. Inner sums are as deep as an equation, which is limited."""
    slots = [to(slot) if isinstance(slot, int) else [_moved(inner, to) for inner in slot] for slot in ground.slots]
    result = Ground(ground.template, slots, ground.environment)
    result.part = ground.part
    return result
