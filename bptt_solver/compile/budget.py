"""From a budget of memory to a plan: how long the segments are, and how many states are kept between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, log2
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.compile.revolve import Action, Advance, advances, lines, picture, repeats, schedule
from bptt_solver.errors import ProblemError, fail

UNITS = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

# The cost of time, as measured (docs/memory.md): what a step costs forward beside one whose gradient is taken, what a
# call costs in steps, and how much slower a program is whose arrays are larger than the cache.
FORWARD = 0.4
CALL = 3.0
CACHE = 1.5e6
SLOWER = 0.12  # each time the arrays are twice as large
SLOWEST = 1.8
MOST_DRAWN = 24  # segments of a schedule that is drawn


class Sizes:
    """What things weigh, in bytes: a state, what is there in any case (``fixed``), and by the number of steps the
    programs for a segment forward, for the gradient of a segment (``middle``) and of the last one."""

    __slots__ = ("fixed", "forward", "last", "middle", "state")

    def __init__(
        self,
        state: int,
        fixed: int,
        forward: Callable[[int], float],
        middle: Callable[[int], float],
        last: Callable[[int], float],
    ) -> None:
        self.state = state
        self.fixed = fixed
        self.forward = forward
        self.middle = middle
        self.last = last


class Plan:
    """``segments`` segments of ``length`` steps, the last of ``end`` steps, and room for ``slots`` states between them.

    ``memory`` is what that takes, ``full`` what the program over all steps at once takes, ``budget`` what is allowed
    (None: not known), in bytes.
    """

    __slots__ = ("budget", "cost", "end", "full", "length", "memory", "segments", "slots", "steps")

    def __init__(self, steps: int, length: int, slots: int, sizes: Sizes, budget: int | None = None) -> None:
        self.steps = steps
        self.length = length
        self.segments = ceil(steps / length)
        self.end = steps - (self.segments - 1) * length
        self.slots = slots
        self.budget = budget
        self.full = ceil(_needed(steps, steps, 1, sizes))
        self.memory = ceil(_needed(steps, length, slots, sizes))
        share = steps - self.end
        cost = share * slower(sizes.middle(length)) + self.end * slower(sizes.last(self.end))
        again = self.advanced
        self.cost = cost + FORWARD * again * length * slower(sizes.forward(length)) + CALL * (self.segments + again)

    @property
    def advanced(self) -> int:
        """How many segments are run forward beside those whose gradient is taken: the least possible."""
        return advances(self.segments, self.slots)

    def schedule(self) -> Iterator[Action]:
        """What is done, one action after the other."""
        return schedule(self.segments, self.slots)

    def data(self, schedule: bool = False) -> dict[str, Any]:
        """The plan as plain data, for JSON; with its ``schedule`` line by line if that is wanted."""
        found: dict[str, Any] = {
            "steps": self.steps,
            "segments": self.segments,
            "length": self.length,
            "last_length": self.end,
            "states": self.slots,
            "forward_steps": self.advanced * self.length,
            "forward_most": repeats(self.segments, self.slots),
            "memory": self.memory,
            "full_memory": self.full,
            "budget": self.budget,
        }
        if schedule:
            found["schedule"] = [
                {"from": start, "forward": list(forward), "keeps": list(keeps), "gradient": list(gradient)}
                for start, forward, keeps, gradient in self.lines()
            ]
        return found

    def lines(self) -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...], tuple[int, int]]]:
        """The schedule in times, for each gradient: the kept state from which one starts, the first and the last time
        that is run forward (or nothing), the times whose states are kept on the way, and the first and the last time
        of the gradient. State t is that after time t."""
        for line in lines(self.segments, self.slots):
            start = line.start * self.length
            forward = (start + 1, line.step * self.length) if line.forward else ()
            first = line.step * self.length
            last = first + (self.end if line.step == self.segments - 1 else self.length)
            yield start, forward, tuple(at * self.length for at in line.keeps), (first + 1, last)

    def sentences(self) -> list[str]:
        """The plan in words."""
        steps, memory = f"{self.steps:,}", size_text(self.memory)
        if self.segments == 1:
            if not self.budget:
                return [message("plan.at_once", steps=steps, memory=memory)]
            return [message("plan.at_once_within", steps=steps, memory=memory, budget=size_text(self.budget))]
        count = repeats(self.segments, self.slots)
        again = self.advanced * self.length
        sizes = {
            "steps": steps,
            "segments": f"{self.segments:,}",
            "length": f"{self.length:,}",
            "last": message("plan.last", length=f"{self.end:,}") if self.end != self.length else "",
            "states": message("plan.state" if self.slots == 1 else "plan.states", count=f"{self.slots:,}"),
            "memory": memory,
            "share": f"{100 * self.memory / self.full:.2g}",
            "full": size_text(self.full),
        }
        most = message("plan.time" if count == 1 else "plan.times", count=count)
        average = f"{again / self.steps:.2f}"
        found: list[str] = [
            message("plan.segments", **sizes),
            message("plan.again", average=average, count=f"{again:,}", most=most),
        ]
        if self.budget is not None and self.full <= self.budget:
            found.append(message("plan.faster", budget=size_text(self.budget)))
        return found

    def picture(self) -> str:
        """The schedule as a picture, where that is small."""
        return picture(self.segments, self.slots) if 1 < self.segments <= MOST_DRAWN else ""

    def text(self) -> str:
        """The plan in words, with the schedule as a picture where that is small."""
        drawn = self.picture()
        return "\n".join([*self.sentences(), *(["", drawn] if drawn else [])])

    def longest_advance(self) -> int:
        """The most segments that are run forward at a stretch."""
        return max((a.after - a.first for a in self.schedule() if isinstance(a, Advance)), default=0)


def slower(size: float) -> float:
    """How much longer a step takes when the arrays of a program have that size in bytes."""
    return min(SLOWEST, 1 + SLOWER * max(0.0, log2(max(size, 1) / CACHE)))


def choose(steps: int, shortest: int, budget: int, sizes: Sizes) -> Plan:
    """The plan that takes the least time of all that fit. Raises ProblemError if none does."""
    best: Plan | None = None
    for length in _lengths(shortest, steps):
        slots = _slots(steps, length, budget, sizes)
        if slots is None:
            continue
        plan = Plan(steps, length, slots, sizes, budget)
        if plan.end >= shortest and (best is None or plan.cost < best.cost):
            best = plan
    if best is None:
        raise _too_little(steps, shortest, budget, sizes)
    return best


def _lengths(shortest: int, steps: int) -> list[int]:
    """Lengths to try: eight for each doubling, and such that the last segment is as long as the others, if that
    goes."""
    found = {steps: None}
    length = float(shortest)
    while length < steps:
        segments = ceil(steps / round(length))
        found[round(length)] = None
        found[ceil(steps / segments)] = None
        length = max(length * 2 ** (1 / 8), length + 1)
    return sorted(found)


def _needed(steps: int, length: int, slots: int, sizes: Sizes) -> float:
    segments = ceil(steps / length)
    if segments == 1:
        return sizes.last(steps) + sizes.fixed
    gradient = max(sizes.middle(length), sizes.last(steps - (segments - 1) * length))
    return sizes.forward(length) + gradient + (slots - 1) * sizes.state + sizes.fixed


def _slots(steps: int, length: int, budget: int, sizes: Sizes) -> int | None:
    """For how many states there is room; None: for none."""
    rest = budget - _needed(steps, length, 1, sizes)
    segments = ceil(steps / length)
    if segments == 1:
        return 1 if rest >= 0 else None
    return min(1 + int(rest // sizes.state), segments - 1) if rest >= 0 else None


def _too_little(steps: int, shortest: int, budget: int, sizes: Sizes) -> ProblemError:
    least = min(_needed(steps, n, 1, sizes) for n in _lengths(shortest, steps))
    return fail(
        message("plan.too_little", budget=size_text(budget), steps=f"{steps:,}", least=size_text(ceil(least))),
        hint=f"--memory {ceil(least / 1000)}kB",
    )


def parse_size(text: str) -> int:
    """``200MB``, ``1.5GB``, ``64MiB`` as a number of bytes. Raises ProblemError."""
    number, unit = text.strip(), ""
    for name in sorted(UNITS, key=len, reverse=True):
        if number.endswith(name):
            number, unit = number.removesuffix(name).rstrip(), name
            break
    whole, _, part = number.partition(".")
    if not unit or not number.isascii() or not whole.isdigit() or not (part.isdigit() or number == whole):
        raise fail(message("plan.size", text=repr(text)), hint=message("plan.size_form"))
    return int(float(number) * UNITS[unit])


def size_text(size: int) -> str:
    """A number of bytes as a person writes it: ``39.4 MB``."""
    for unit in ("GB", "MB", "kB"):
        if size >= 0.9995 * UNITS[unit]:  # what is written as 1000 kB is 1 MB
            return f"{size / UNITS[unit]:.3g} {unit}"
    return f"{size} B"
