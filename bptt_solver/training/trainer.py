"""Steps of training: one sweep gives all gradients, then every weight is changed, and again.

The system is differentiated and unfolded once. A step evaluates it again with the weights that it has then, as far as
the target and the gradients depend on it; the steps of a long training go by a compiled program (`training.fast`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from typing import Any

from bptt_solver.arithmetic import Value, is_array, is_exact
from bptt_solver.catalogues import message
from bptt_solver.computation import Computation
from bptt_solver.errors import ProblemError, fail
from bptt_solver.evaluate import Program
from bptt_solver.language.shapes import Shape
from bptt_solver.problem.problem import Problem
from bptt_solver.system import Instance
from bptt_solver.training.clipping import Clipped, norm
from bptt_solver.training.fast import Fast
from bptt_solver.training.settings import Plan
from bptt_solver.unfold import Unfolded, instance_text

Progress = Callable[[int, int, float], object]  # gets the step, the last step, and the loss before the step
ROWS = 10  # of the table of losses, about


class Start:
    """From where training goes on: the step, and what the rule remembers, by parameter."""

    __slots__ = ("source", "state", "step")

    def __init__(self, step: int, state: Mapping[Instance, Mapping[str, Value]], source: str) -> None:
        self.step = step
        self.state = state
        self.source = source


class Change:
    """What one step does to one parameter. ``gradient`` is that of the sweep, ``used`` the clipped one, ``factor``
    what it was multiplied by for that (None: nothing, or cut by value)."""

    __slots__ = ("factor", "gradient", "key", "new_state", "new_weight", "state", "used", "weight")

    def __init__(
        self,
        key: Instance,
        weight: Value,
        gradient: Value,
        used: Value,
        factor: float | None,
        state: Mapping[str, Value],
        new_weight: Value,
        new_state: Mapping[str, Value],
    ) -> None:
        self.key = key
        self.weight = weight
        self.gradient = gradient
        self.used = used
        self.factor = factor
        self.state = state
        self.new_weight = new_weight
        self.new_state = new_state


class Training:
    """What training did. ``losses`` has the loss before each step and after the last one; ``norms`` the length of the
    gradient, clipped or not, where the table of losses has a row. ``route`` is that of the program which computed the
    gradients of the steps from ``compiled_from`` on ("": all were evaluated)."""

    __slots__ = (
        "compiled_from", "exact", "first", "losses", "norms", "not_trained", "parameters", "plan", "route", "start",
        "state",
    )  # fmt: skip

    def __init__(self, plan: Plan, start: Start, exact: bool, not_trained: list[str]) -> None:
        self.plan = plan
        self.start = start
        self.exact = exact  # whether the loss was an exact number, before training
        self.not_trained = not_trained
        self.route = ""
        self.compiled_from = 0
        self.losses: list[float] = []
        self.norms: dict[int, float] = {}
        self.first: list[Change] = []
        self.parameters: dict[Instance, Value] = {}
        self.state: dict[Instance, Mapping[str, Value]] = {}

    @property
    def last_step(self) -> int:
        """The number of the last step."""
        return self.start.step + self.plan.steps


class Sweep:
    """The forward and the backward pass, compiled once: values and gradients for any weights.

    ``both`` has the instances of both, ``gradients`` the number of each weight's gradient there (None: no path),
    ``backward`` the order of what follows the forward pass, ``unread`` what is given besides the problem's values;
    ``full``: they are the gradients of the target itself.
    """

    full = False

    def __init__(
        self,
        computation: Computation,
        keys: list[Instance],
        both: Unfolded,
        gradients: list[int | None],
        backward: Sequence[int],
        shapes: Mapping[int, Shape],
        unread: Mapping[Instance, Value],
    ) -> None:
        problem = computation.problem
        self.target = both.number[computation.target_key]
        self.weights = [both.number[key] for key in keys]
        self.gradients = gradients
        needed: set[int] = set()
        waiting = [self.target, *(n for n in self.gradients if n is not None)]
        while waiting:
            number = waiting.pop()
            if number not in needed:
                needed.add(number)
                waiting += both.reads(number)
        both.order = [number for number in (*problem.unfolded.order, *backward) if number in needed]
        self.program = Program(both, computation.arithmetic, shapes)
        given = {key: floating(value) for key, value in problem.given.items()}
        self.values = self.program.start({**unread, **given})

    def run(self, weights: list[Value]) -> tuple[float, list[Value]]:
        """The target and the gradients. Raises ProblemError for a value that is not a finite number."""
        values = self.values
        for number, weight in zip(self.weights, weights, strict=True):
            values[number] = weight
        self.program.run(values)
        found = [weight * 0.0 if number is None else _float(values[number])
                 for number, weight in zip(self.gradients, weights, strict=True)]  # fmt: skip
        return float(values[self.target]), found


def full_sweep(computation: Computation, keys: list[Instance]) -> Sweep:
    """The gradients of the target itself."""
    both: Unfolded = computation.unfolded.behind(computation.unfolded.system)
    gradients = [computation.derivative_number(key) for key in keys]
    sweep = Sweep(computation, keys, both, gradients, computation.unfolded.order, computation.shapes, {})
    sweep.full = True
    return sweep


def trained(problem: Problem) -> tuple[list[Instance], list[str]]:
    """The parameters that are trained: what is wanted and given; and the names of what is wanted, but computed."""
    unfolded = problem.unfolded
    given = {key for number, key in enumerate(unfolded.keys) if unfolded.grounds[number] is None}
    wanted = problem.wanted()
    return [k for k in wanted if k in given], [instance_text(k) for k in wanted if k not in given]


def train(
    computation: Computation,
    plan: Plan,
    start: Start | None = None,
    progress: Progress | None = None,
    sweep_of: Callable[[Computation, list[Instance]], Sweep] = full_sweep,
    compiled: bool = True,
) -> Training:
    """Take the steps of a plan, with the gradients that ``sweep_of`` gives. ``compiled``: those of later steps may come
    from a program (`training.fast`), which is told in the result. Raises ProblemError where the loss, a
    gradient or a weight is not finite any more, and where there is nothing to train."""
    problem = computation.problem
    keys, computed = trained(problem)
    if not keys:
        hint = message("training.name_parameters")
        raise fail(message("training.nothing"), plan.settings.span, hint)
    exact = is_exact(computation.value(computation.target_key))
    result = Training(plan, start or Start(0, {}, ""), exact, computed)
    weights = [floating(problem.given[key], weight=True) for key in keys]
    ways = _Ways(sweep_of(computation, keys), Fast(computation, keys) if compiled else None, result)
    states = [result.start.state.get(key) or plan.rule.start(w) for key, w in zip(keys, weights, strict=True)]
    steps = _Steps(plan, keys, result)
    rows = frozenset(table_steps(result.start.step, result.last_step))
    with _quiet(weights):
        for step in range(result.start.step + 1, result.last_step + 1):
            loss, gradients = ways.swept(weights, step)
            if progress is not None:
                progress(step, result.last_step, loss)
            result.losses.append(loss)
            if step - 1 in rows:
                result.norms[step - 1] = norm(gradients)
            weights, states = steps.take(weights, gradients, states, step)
        loss, gradients = ways.swept(weights, result.last_step + 1)
    result.losses.append(loss)
    result.norms[result.last_step] = norm(gradients)
    result.parameters = dict(zip(keys, weights, strict=True))
    result.state = dict(zip(keys, states, strict=True))
    return result


class _Ways:
    """The two ways to gradients: the evaluator's sweep, and for later steps a program, if there is one."""

    def __init__(self, sweep: Sweep, fast: Fast | None, result: Training) -> None:
        self.sweep = sweep
        self.fast = fast if sweep.full else None
        self.result = result

    def swept(self, weights: list[Value], step: int) -> tuple[float, list[Value]]:
        """The target and the gradients that a step needs. Raises ProblemError for a value that is not finite."""
        if self.fast is not None and step > self.fast.after:
            found = self.fast.run(weights)
            if found is not None:
                if not self.result.route:
                    self.result.route, self.result.compiled_from = self.fast.route, step
                return found
        try:
            return self.sweep.run(weights)
        except ProblemError as error:
            if step == self.result.start.step + 1:
                raise  # it is not the training's fault
            raise _diverged(error.problems[0].message, step - 1, self.result) from None


class _Steps:
    """Changes all weights, after all gradients are known."""

    def __init__(self, plan: Plan, keys: list[Instance], result: Training) -> None:
        self.plan = plan
        self.keys = keys
        self.result = result

    def take(
        self, weights: list[Value], gradients: list[Value], states: list[Any], step: int
    ) -> tuple[list[Value], list[Any]]:
        """The weights and states after a step."""
        clipped = self.plan.clip.apply(gradients) if self.plan.clip is not None else None
        used = clipped.gradients if clipped is not None else gradients
        new_weights: list[Value] = []
        new_states: list[Any] = []
        for at, (weight, gradient, state) in enumerate(zip(weights, used, states, strict=True)):
            try:
                new_weight, new_state = self.plan.rule.apply(weight, gradient, state, step)
            except (ArithmeticError, ValueError) as error:
                raise _diverged(
                    message("training.failed", name=instance_text(self.keys[at]), reason=error), step, self.result
                ) from None
            if not _finite(new_weight):
                raise _diverged(message("training.not_finite", name=instance_text(self.keys[at])), step, self.result)
            new_weights.append(new_weight)
            new_states.append(new_state)
        if not self.result.first:
            self._keep(weights, gradients, clipped, states, new_weights, new_states)
        return new_weights, new_states

    def _keep(
        self,
        weights: list[Value],
        gradients: list[Value],
        clipped: Clipped | None,
        states: list[Any],
        new_weights: list[Value],
        new_states: list[Any],
    ) -> None:
        """Remember what this step did, for the reader."""
        for at, key in enumerate(self.keys):
            used = clipped.gradients[at] if clipped is not None else gradients[at]
            factor = clipped.factor(at) if clipped is not None else None
            self.result.first.append(
                Change(key, weights[at], gradients[at], used, factor, states[at], new_weights[at], new_states[at])
            )


def _diverged(what: str, step: int, result: Training) -> ProblemError:
    plan = result.plan
    told = ", ".join(f"{loss:.6g}" for loss in result.losses[-3:])
    rate = "rate" if "learning_rate" in plan.rule.options else "steps"
    clip = "clip" if plan.clip else "no_clip"
    hint = message(f"training.try_{rate}_{clip}", losses=told, clip="clip: {norm: 1}")
    return fail(message("training.diverged", step=f"{step:,}", what=what), plan.settings.span, hint)


def table_steps(first: int, last: int) -> list[int]:
    """The steps that are shown of a training: all of a short one, else the first, every n-th and the last."""
    every = interval(last - first)
    inner = range(first - first % every + every, last, every)
    return [first, *inner, last] if last > first else [first]


def interval(count: int) -> int:
    """Which every n-th of so many steps is shown: 1, 2 or 5 times a power of ten."""
    every = 1
    while True:
        for factor in (1, 2, 5):
            if count <= ROWS * every * factor:
                return every * factor
        every *= 10


# -- numbers


def floating(value: Value, weight: bool = False) -> Value:
    """A given value for training: fractions become floating-point numbers, and whole numbers too where they are
    weights."""
    if is_array(value):
        return value.astype(float)
    return float(value) if weight or type(value) is Fraction else value


def _float(value: Value) -> Value:
    if is_array(value):
        return value if value.dtype == float else value.astype(float)
    return value if type(value) is float else float(value)


def _finite(value: Value) -> bool:
    if is_array(value):
        import numpy

        return bool(numpy.isfinite(value).all())
    return math.isfinite(value)


def _quiet(weights: list[Value]) -> AbstractContextManager[object]:
    """NumPy says nothing about infinities: they are found, and told with the step."""
    if not any(map(is_array, weights)):
        return nullcontext()
    import numpy

    return numpy.errstate(all="ignore")


__all__ = [
    "Change",
    "Progress",
    "Start",
    "Sweep",
    "Training",
    "floating",
    "full_sweep",
    "interval",
    "table_steps",
    "train",
    "trained",
]
