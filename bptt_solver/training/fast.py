"""The gradients of a long training by the compiled program (`bptt_solver.compile.gradient`).

Which step goes by which way depends on the step's own number and on the system, never on how many steps are asked for:
a training that is cut in two and resumed computes the same bits as one that is not. The first steps are evaluated, as
many as take the time in which a program is compiled.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import Value, is_array
from bptt_solver.computation import Computation
from bptt_solver.language.expressions import derivative_name
from bptt_solver.system import Instance
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    from bptt_solver.compile.gradient import Gradient

WORTH = 8_000  # instances times steps that are evaluated while a program is compiled
MOST = 1e100  # beyond it what is inside may have been infinite where results are not: the evaluator looks at it
PAYS = ("straight", "arrays", "levels")


class Fast:
    """The target and its gradients by ``keys`` for any weights, by a program. ``after`` is the last step that is
    evaluated; ``route`` tells how the program goes ("" while there is none)."""

    def __init__(self, computation: Computation, keys: list[Instance]) -> None:
        problem = copy.copy(computation.problem)
        problem.target = computation.target
        problem.wrt = [instance_text(key) for key in keys]
        self.problem = problem
        self.keys = keys
        self.target = computation.target_key
        self.after = max(1, WORTH // max(1, len(problem.unfolded.order)))
        self.reason = ""  # why there is no program
        self.route = ""
        self._program: Gradient | None = None
        self._given: dict[Instance, Value] = {}
        self._names = [(derivative_name(computation.target_text, name), indices) for name, indices in keys]
        self._flags: list[str] = []

    def run(self, weights: list[Value]) -> tuple[float, list[Value]] | None:
        """The target and the gradients; None where the evaluator has to find them, or the place of a number that is
        not finite."""
        if not self.route and not self.reason:
            self._compile()
        if self._program is None or not all(map(_moderate, weights)):
            return None
        self._given.update(zip(self.keys, weights, strict=True))
        try:
            found = self._computed()
        except (ArithmeticError, ValueError):  # an overflow, or a function outside of where it is defined
            return None
        if found is None:
            return None
        loss, gradients = (
            float(found[self.target]),
            [_like(found[n], w) for n, w in zip(self._names, weights, strict=True)],
        )
        return (loss, gradients) if _moderate(loss) and all(map(_moderate, gradients)) else None

    def _compile(self) -> None:
        from bptt_solver.compile.gradient import gradient

        program = gradient(self.problem, dtype="float64")
        if program.route not in PAYS:
            self.reason = program.reason or program.route
            return
        self._program, self.route = program, program.route
        self._given = {
            key: value.astype(float) if is_array(value) else float(value) for key, value in self.problem.given.items()
        }

    def _computed(self) -> Any:
        """What the program finds; None where NumPy met an infinity on the way."""
        assert self._program is not None
        if self.route == "straight":
            return self._program(self._given)
        import numpy

        self._flags.clear()
        with numpy.errstate(
            over="call", divide="call", invalid="call", under="ignore", call=lambda kind, _: self._flags.append(kind)
        ):
            found = self._program(self._given)
        return None if self._flags else found


def _like(gradient: Any, weight: Value) -> Value:
    """A gradient as the evaluator gives it: an array of its own, or a float."""
    if is_array(weight):
        import numpy

        return numpy.array(gradient, dtype=float).reshape(weight.shape)
    return float(gradient)


def _moderate(value: Value) -> bool:
    """Whether all entries are finite and far from overflowing."""
    if is_array(value):
        return bool((abs(value) < MOST).all())
    return math.isfinite(value) and abs(value) < MOST
