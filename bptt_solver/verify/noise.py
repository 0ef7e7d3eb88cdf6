"""Seeded random numbers, and an arithmetic that is wrong in its last digit."""

from __future__ import annotations

from bptt_solver.arithmetic import Arithmetic, Function, Value, is_array
from bptt_solver.language.operations import Operations

_MASK = (1 << 64) - 1


class Random:
    """A small generator of its own: the same numbers on every Python, and nothing to import."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def bits(self) -> int:
        """64 bits (SplitMix64)."""
        self.state = state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        return state ^ (state >> 31)

    def next(self) -> float:
        """A number in [0, 1)."""
        return (self.bits() >> 11) / (1 << 53)


class Noisy(Arithmetic):
    """Floats whose every result is wrong in its last digit. What changes by that cannot be known any better in
    float64.
    """

    name = "float"

    def __init__(self, operations: Operations, random: Random) -> None:
        super().__init__(operations)
        self.random = random

    def disturbed(self, value: Value) -> Value:
        """A value changed by about one unit in its last place."""
        if not is_array(value):
            return value * (1 + (self.random.next() - 0.5) * 4e-16) if type(value) is float else value
        if value.dtype != float:
            return value
        import numpy

        noise = numpy.array([self.random.next() - 0.5 for _ in range(value.size)]).reshape(value.shape)
        return value * (1 + noise * 4e-16)

    def _make(self, name: str) -> Function:
        function = super()._make(name)
        return lambda *arguments: self.disturbed(function(*arguments))
