"""One solve: the forward values, the backward system, its values. Everything that is printed or checked is read off
here."""

from __future__ import annotations

from collections.abc import Mapping

from bptt_solver.arithmetic import Arithmetic, Value, is_array
from bptt_solver.chain_rule import differentiate
from bptt_solver.evaluate import Program, Values
from bptt_solver.language.expressions import Reference, derivative_name
from bptt_solver.language.shapes import Shape
from bptt_solver.made import Made
from bptt_solver.problem.problem import Problem
from bptt_solver.system import Instance, System
from bptt_solver.terms import AdjointEquation
from bptt_solver.unfold import Unfolded, instance_text, unfold


class Computation:
    """The forward and the backward pass of a problem, with all values.

    ``backward`` is the forward system with the backward equations behind it; ``unfolded`` has the instances of both:
    the numbers
    below ``problem.unfolded``'s length are the forward ones, ``unfolded.order`` holds the backward ones in the order
    of the sweep. ``values`` holds every value by instance number.
    """

    def __init__(self, problem: Problem, target: Reference | None = None) -> None:
        self.problem = problem
        self.target = target or problem.target
        self.arithmetic = Arithmetic(problem.operations)
        self.arithmetic.exact_bits = problem.limits.get("exact_bits")
        self.program = Program(problem.unfolded, self.arithmetic, problem.shapes)
        forward = self.program.run(self.program.start(problem.given))
        self.backward: System = differentiate(problem.system, self.target)
        self.unfolded: Unfolded = unfold(self.backward, problem.limits, problem.unfolded)
        self.shapes = self._shapes()
        program = Program(self.unfolded, self.arithmetic, self.shapes)
        self.values: Values = program.run(program.extend(forward))
        self.made = Made()

    def _shapes(self) -> Mapping[int, Shape]:
        """The shape of every instance; a derivative has the shape of what it belongs to."""
        shapes: dict[int, Shape] = dict(self.problem.shapes)
        for number in self.unfolded.order:
            shape = shapes.get(self.base(number))
            if shape:
                shapes[number] = shape
        return shapes

    # -- looking things up

    @property
    def target_key(self) -> Instance:
        """The target as an instance."""
        return (self.target.name, tuple(self.problem.system.index(i, {}) for i in self.target.indices))

    @property
    def target_text(self) -> str:
        """The target as the language prints it."""
        return instance_text(self.target_key)

    def base(self, number: int) -> int:
        """The forward instance to which a backward instance belongs."""
        equation = self.unfolded.equations[number]
        assert isinstance(equation, AdjointEquation)
        return self.unfolded.number[equation.of, self.unfolded.keys[number][1]]

    def value(self, key: Instance) -> Value:
        """The value of a forward instance."""
        return self.values[self.unfolded.number[key]]

    def derivative_number(self, key: Instance) -> int | None:
        """The number of the ordered derivative of the target with respect to an instance; None if no path reaches
        it."""
        return self.unfolded.number.get((derivative_name(self.target_text, key[0]), key[1]))

    def derivative(self, key: Instance) -> Value:
        """The ordered derivative of the target with respect to an instance, in the instance's shape; 0 where no path
        leads."""
        number = self.derivative_number(key)
        if number is not None:
            return self.values[number]
        value = self.value(key)
        return value * 0 if is_array(value) else 0

    def instances(self) -> list[Instance]:
        """All forward instances: given ones first, then in the order of computation."""
        problem = self.problem
        given = [k for n, k in enumerate(problem.unfolded.keys) if problem.unfolded.grounds[n] is None]
        return [*given, *(problem.unfolded.keys[n] for n in problem.unfolded.order)]

    @property
    def adjoint_equations(self) -> list[AdjointEquation]:
        """The folded backward equations in the order of the sweep."""
        return [e for e in self.backward.equations if isinstance(e, AdjointEquation)]
