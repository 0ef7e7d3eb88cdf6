"""Real-time recurrent learning (Williams and Zipser 1989) on any system: the forward sensitivities ∂⁺z/∂w of every
node, carried along with the forward pass, one for each entry of each wanted quantity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bptt_solver.analyses.methods.costs import Cost, Counter, Memory, backward_cost, perturbation_cost, size_of
from bptt_solver.analyses.methods.wanted import Compared, Entry, entries_of, entry_text, wanted_instances
from bptt_solver.arithmetic import Value
from bptt_solver.catalogues import Message, message
from bptt_solver.computation import Computation
from bptt_solver.errors import ProblemError
from bptt_solver.evaluate import Program, Values
from bptt_solver.language.shapes import Shape
from bptt_solver.progress import tell as told
from bptt_solver.results import plain
from bptt_solver.sensitivity import Paths, Sensitivities
from bptt_solver.system import Instance
from bptt_solver.unfold import instance_text

TOLERANCE = 1e-10  # relative, against the backward sweep
MOST_IN_JSON = 20_000  # numbers of all sensitivities that are all put into the JSON
_SEED, _SAMPLES, _MARGIN = 1989, 4, 16  # of the disturbed runs where two numbers differ
EACH = 100  # entries after which progress is told
Tell = Callable[[str], None]  # what progress is told to


def paths_of(computation: Computation) -> Paths:
    """What the sensitivities of a computation's target have in common."""
    problem = computation.problem
    return Paths(problem.system, problem.unfolded, computation.target_key, problem.limits)


class Carried:
    """The sensitivities with respect to one instance, ready to be run for each of its entries."""

    def __init__(self, computation: Computation, key: Instance, paths: Paths | None = None) -> None:
        problem = computation.problem
        self.computation = computation
        self.key = key
        self.weight = problem.unfolded.number[key]
        self.shape: Shape = problem.shapes.get(self.weight, ())
        self.system = Sensitivities(paths or paths_of(computation), key, self.shape)
        self.unfolded = self.system.unfolded
        own = {n: problem.shapes[b] for b, n in self.system.of.items() if b in problem.shapes}
        self.shapes: dict[int, Shape] = {**problem.shapes, **own}
        self._program = Program(self.unfolded, computation.arithmetic, self.shapes)
        self._start: Values = self._program.extend(computation.values)

    @property
    def size(self) -> int:
        """The numbers that are carried along for each entry."""
        return sum(size_of(self.shapes, n) for n in self.unfolded.order)

    def along(self, entry: Entry) -> Values:
        """All values, the sensitivities with respect to one entry (0-based; () of a number) among them.

        Raises ProblemError where one is not a finite number.
        """
        return self._program.run(self._seeded(list(self._start), entry))

    def _seeded(self, values: Values, entry: Entry) -> Values:
        """The values with a change of 1 in one entry."""
        seed: Value = 1
        if self.shape:
            import numpy

            like = self.computation.values[self.weight]
            seed = numpy.full(self.shape, 0, dtype=like.dtype)
            seed[entry] = 1
        values[self.system.seed] = seed
        return values

    def readable(self, text: str) -> str:
        """A message with the names of sensitivities as people write them."""
        if isinstance(text, Message):
            return text.changed(lambda part: self.readable(part + " ")[:-1])
        weight, keys = instance_text(self.key), self.computation.problem.unfolded.keys
        for base, own in self.system.of.items():
            text = text.replace(
                instance_text(self.unfolded.keys[own]) + " ", f"∂⁺{instance_text(keys[base])}/∂{weight} "
            )
        return text

    def noise(self, entry: Entry) -> float:
        """How far the derivative moves when every operation is wrong in its last digit."""
        from bptt_solver.verify.noise import Noisy, Random

        still = float(self.target(self.along(entry)))
        random, base = Random(_SEED), self.computation.problem
        most = 0.0
        for _ in range(_SAMPLES):
            noisy = Noisy(base.operations, random)
            forward = Program(base.unfolded, noisy, base.shapes)
            values = forward.run(forward.start(base.given))
            program = Program(self.unfolded, noisy, self.shapes)
            moved = self._seeded(program.extend(values), entry)
            most = max(most, abs(float(self.target(program.run(moved))) - still))
        return _MARGIN * most

    def target(self, values: Values) -> Value:
        """The target's sensitivity: the ordered derivative."""
        number = self.system.of.get(self.computation.problem.unfolded.number[self.computation.target_key])
        return 0 if number is None else values[number]


class Rtrl:
    """The derivatives by all entries of the wanted quantities, by forward sensitivities, beside the backward sweep's.

    Raises ProblemError where the sensitivities are more numbers than the limit ``elements``.
    """

    key = "rtrl"

    def __init__(self, computation: Computation, tell: Tell | None = None) -> None:
        self.computation = computation
        self._paths = paths_of(computation)
        self.wanted = wanted_instances(computation)
        self.entries: list[tuple[Instance, Entry]] = [(k, e) for k in self.wanted for e in entries_of(computation, k)]
        self._check()
        self.lines: dict[Instance, int] = {}  # how many lines each instance's sensitivities have
        self._carried: dict[Instance, Carried] = {}
        self._kept: dict[tuple[Instance, Entry], Values] = {}
        self.compared = Compared(computation, TOLERANCE)
        cost = ForwardCost(computation)
        kept = done = 0
        for key in self.wanted:
            carried = Carried(computation, key, self._paths)
            entries = entries_of(computation, key)
            self.lines[key] = len(carried.unfolded.order)
            cost.add(carried, len(entries))
            kept += carried.size * len(entries)
            if kept <= MOST_IN_JSON:
                self._carried[key] = carried
            for entry in entries:
                values = self._run(carried, entry)
                self.compared.add(key, entry, carried.target(values))
                if kept <= MOST_IN_JSON:
                    self._kept[key, entry] = values
                done += 1
                told(_named, done, len(self.entries))
                if tell is not None and done % EACH == 0:
                    tell(message("progress.sensitivities", done=f"{done:,}", count=f"{len(self.entries):,}"))
        self.compared.settle(lambda key, entry: self.along(key).noise(entry))
        self.costs = [
            backward_cost(computation, self.wanted),
            cost.total(),
            perturbation_cost(computation, len(self.entries), 2),
        ]

    def along(self, key: Instance) -> Carried:
        """The sensitivities with respect to any instance, wanted or not."""
        return self._carried.get(key) or Carried(self.computation, key, self._paths)

    def _check(self) -> None:
        """P entries times the numbers of the forward pass, before anything of that size is made."""
        problem = self.computation.problem
        numbers = sum(size_of(problem.shapes, n) for n in problem.unfolded.order)

        def what() -> str:
            return message("limit.forward_mode", entries=f"{len(self.entries):,}", numbers=f"{numbers:,}")

        problem.limits.check("elements", len(self.entries) * numbers, what)

    def _run(self, carried: Carried, entry: Entry) -> Values:
        try:
            return carried.along(entry)
        except ProblemError as error:
            for problem in error.problems:
                said = carried.readable(problem.message)
                problem.message = message("check.sensitivities", entry=entry_text(carried.key, entry), reason=said)
                problem.hint = None if problem.hint is None else carried.readable(problem.hint)
            raise

    @property
    def passed(self) -> bool:
        """Whether every derivative is the backward sweep's."""
        return not self.compared.failures

    def data(self) -> dict[str, Any]:
        """The derivatives, how well they agree, what each method costs, and all sensitivities if they are few."""
        found: dict[str, Any] = {
            "derivatives": self.compared.derivatives(),
            "agrees": self.passed,
            "worst_relative": self.compared.worst,
            "worst_name": self.compared.worst_name,
            "costs": {cost.method: cost.data() for cost in self.costs},
        }
        if len(self._kept) == len(self.entries):
            found["sensitivities"] = self._sensitivities()
        return found

    def _sensitivities(self) -> dict[str, dict[str, Any]]:
        """entry -> instance -> ∂⁺instance/∂entry, in the instance's shape; what is structurally zero is left out."""
        keys = self.computation.problem.unfolded.keys
        result: dict[str, dict[str, Any]] = {}
        for (key, entry), values in self._kept.items():
            carried = self._carried[key].system
            computed = {n: own for n, own in carried.of.items() if own != carried.seed}
            result[entry_text(key, entry)] = {instance_text(keys[n]): plain(values[own]) for n, own in computed.items()}
        return result


class ForwardCost:
    """What forward sensitivities cost, added up instance by instance."""

    def __init__(self, computation: Computation) -> None:
        self._memory = Memory(computation.problem.unfolded)
        self._memory.add_forward(computation)
        self._operations = computation.problem.operations
        self._count = self._passes = 0

    def add(self, carried: Carried, entries: int) -> None:
        """The sensitivities with respect to so many entries of an instance."""
        counter = Counter(self._operations, carried.shapes)
        self._passes += entries
        self._count += entries * counter.instances(carried.unfolded, carried.unfolded.order, carried.system.seed)
        self._memory.add(carried.unfolded, carried.system.of, carried.shapes, entries)

    def total(self) -> Cost:
        """All of it, carried along together."""
        return Cost("rtrl", self._passes, self._count, self._memory.peak())


def _named() -> str:
    return message("progress.rtrl")


__all__ = ["Carried", "ForwardCost", "Rtrl", "Tell", "paths_of"]
