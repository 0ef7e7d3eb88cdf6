"""The members of families, numbered, with what each of them reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Numeral
from bptt_solver.language.templates import Template
from bptt_solver.system import Environment, Instance, System


class Ground:
    """A part at one instance: a template and, per slot, the number of a value or the grounds of an inner sum.

    ``part`` says which summand of the equation it is (in a backward equation: which term), ``environment`` for which
    indices.
    """

    __slots__ = ("environment", "part", "slots", "template")

    def __init__(self, template: Template, slots: Sequence[int | list[Ground]], environment: Environment) -> None:
        self.template = template
        self.slots = slots
        self.part = 0
        self.environment = environment


class Unfolded:
    """The instances of a system. ``grounds[i]`` are the summands of instance ``i`` (None for a given one)."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.keys: list[Instance] = []
        self.number: dict[Instance, int] = {}
        self.grounds: list[list[Ground] | None] = []
        self.equations: list[Equation | None] = []
        self.environments: list[Environment] = []
        self.constants: dict[tuple[str, Numeral], int] = {}  # a value -> its number, counted from -1 downwards
        self.order: list[int] = []  # defined instances, each behind all that it reads
        self.first = 0  # the number of the first instance that is not the base's

    def behind(self, system: System) -> Unfolded:
        """The start of an unfolding of a system that has more equations; what is known already is shared, not
        computed again."""
        result = Unfolded(system)
        result.keys = list(self.keys)
        result.number = dict(self.number)
        result.grounds = list(self.grounds)
        result.equations = list(self.equations)
        result.environments = list(self.environments)
        result.constants = dict(self.constants)
        result.first = len(self.keys)
        return result

    def constant(self, value: Numeral) -> int:
        """The (negative) number under which a constant is read."""
        return self.constants.setdefault((type(value).__name__, value), -1 - len(self.constants))

    def reads(self, number: int) -> list[int]:
        """The instances that an instance reads, in the order of its equation, each once."""
        grounds = self.grounds[number] or ()
        found: dict[int, None] = {}
        for ground in grounds:
            if list in map(type, ground.slots):
                return list(dict.fromkeys(n for n in ground_reads(grounds) if n >= 0))
            found.update(dict.fromkeys(ground.slots))  # type: ignore[arg-type]
        return [n for n in found if n >= 0]


def instance_text(instance: Instance) -> str:
    """``h[2]``; an unindexed family whole."""
    name, indices = instance
    return f"{name}[{','.join(map(str, indices))}]" if indices else name


def ground_reads(grounds: Sequence[Ground]) -> Iterator[int]:
    """The numbers that grounds read, inner sums included, in order."""
    stack = list(reversed(grounds))
    while stack:
        ground = stack.pop()
        for entry in ground.slots:
            if isinstance(entry, int):
                yield entry
            else:
                stack.extend(entry)
