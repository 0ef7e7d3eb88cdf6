"""An update rule with its options, ready to change weights: its formulas compiled once, applied at every step."""

from __future__ import annotations

from collections.abc import Mapping

from bptt_solver.arithmetic import Arithmetic, Value, is_array
from bptt_solver.formulas import GRADIENT, STEP, WEIGHT, UpdateFormulas
from bptt_solver.language import build
from bptt_solver.language.expressions import Expression, Reference
from bptt_solver.language.operations import Operations
from bptt_solver.language.slots import slot


class Rule:
    """An update rule with its options. Its formulas see the names in the order of ``names``."""

    def __init__(self, formulas: UpdateFormulas, options: Mapping[str, float], operations: Operations) -> None:
        self.record = formulas.record
        self.formulas = formulas
        self.options = dict(options)
        states = list(formulas.state)
        new = (*(name + "'" for name in states), *formulas.between)
        self.names = (WEIGHT, GRADIENT, STEP, *self.options, *states, *new)
        self._slots: dict[Expression, Expression] = {Reference(n): slot(at) for at, n in enumerate(self.names)}
        arithmetic = Arithmetic(operations)
        computed = (*formulas.state.values(), *formulas.between.values())
        self._computed = [arithmetic.compile(self.in_slots(tree)) for tree in computed]
        self._new = slice(len(self.names) - len(new), len(self.names) - len(formulas.between))
        self._new_weight = arithmetic.compile(self.in_slots(formulas.weight))
        self._constants = [float(value) for value in self.options.values()]

    def in_slots(self, formula: Expression) -> Expression:
        """A formula of the rule with the slots of `names` for its names."""
        return build.replace(formula, self._slots)

    def start(self, weight: Value) -> dict[str, Value]:
        """What is remembered for a weight before the first step: zeros in its shape."""
        return {name: weight * 0.0 if is_array(weight) else 0.0 for name in self.formulas.state}

    def values(self, weight: Value, gradient: Value, state: Mapping[str, Value], step: int) -> list[Value]:
        """The values of `names` in step ``step`` (from 1)."""
        # the step as a float, so that its powers are those of floats
        values = [weight, gradient, float(step), *self._constants, *(state[name] for name in self.formulas.state)]
        for function in self._computed:
            values.append(function(values))
        return values

    def apply(
        self, weight: Value, gradient: Value, state: Mapping[str, Value], step: int
    ) -> tuple[Value, dict[str, Value]]:
        """The new weight and what is remembered then. Raises ArithmeticError or ValueError where a formula has no
        value; what is not finite is for the caller to find."""
        values = self.values(weight, gradient, state, step)
        return self._new_weight(values), dict(zip(self.formulas.state, values[self._new], strict=True))
