"""The order of computation: what is read stands before what reads it; earlier times first, then declaration order."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError, fail
from bptt_solver.instances import Unfolded, ground_reads, instance_text

Priority = tuple[float, ...]


def _is_ordered(result: Unfolded, order: Sequence[int], low: int) -> bool:
    """Whether every instance stands behind all that it reads; those below ``low`` stand before all."""
    placed = bytearray(
        b"\1" * low + b"\0" * (len(result.keys) - low) + b"\1" * len(result.constants)
    )  # constants count from the end
    for number in order:
        for ground in result.grounds[number] or ():
            if list in map(type, ground.slots):
                if not all(placed[n] for n in ground_reads([ground])):
                    return False
            elif 0 in map(placed.__getitem__, ground.slots):  # type: ignore[arg-type]
                return False
        placed[number] = 1
    return True


def sort(result: Unfolded, defined: list[int], backward: bool) -> None:
    """Among what is ready, the smallest time first, then declaration order: by priority, if that is an order (it
    mostly is), else
    by Kahn's algorithm with a heap, which gives the same then. Without indices it stays as it was written, if that
    is an order.
    """
    low = min(defined, default=0)  # what is defined here has the numbers behind all others
    if all(not e.ranges for e in result.system.equations) and _is_ordered(result, defined, low):
        result.order = list(defined)
        return
    priority = _priorities(result, defined, backward)
    chosen = sorted(defined, key=priority.__getitem__)
    if _is_ordered(result, chosen, low):
        result.order = chosen
        return
    reads = {number: [n for n in result.reads(number) if n >= low] for number in defined}
    users: dict[int, list[int]] = {}
    missing: dict[int, int] = {}
    for number in defined:
        missing[number] = len(reads[number])
        for read in reads[number]:
            users.setdefault(read, []).append(number)
    ready = [(priority[number], number) for number in defined if not missing[number]]
    heapq.heapify(ready)
    while ready:
        _, number = heapq.heappop(ready)
        result.order.append(number)
        for user in users.get(number, ()):
            missing[user] -= 1
            if not missing[user]:
                heapq.heappush(ready, (priority[user], user))
    if len(result.order) < len(defined):
        raise _cycle(result, reads, {n for n in defined if missing[n]})


def _priorities(result: Unfolded, defined: list[int], backward: bool) -> dict[int, Priority]:
    system = result.system
    position = {id(equation): at for at, equation in enumerate(system.equations)}
    times: dict[str, int | None] = {}
    last: set[str] = set()
    sign = -1 if backward else 1
    priorities: dict[int, Priority] = {}
    for number in defined:
        name, indices = result.keys[number]
        if name not in times:
            times[name] = system.time_position(name)
            of = getattr(result.equations[number], "of", None)
            if of is not None and of not in system.defining:
                last.add(name)  # what is given is gathered behind the sweep
        at = times[name]
        time = float("inf") if name in last else float("-inf") if at is None else sign * indices[at]
        priorities[number] = (time, position[id(result.equations[number])], *(sign * i for i in indices))
    return priorities


def _cycle(result: Unfolded, reads: dict[int, list[int]], stuck: set[int]) -> ProblemError:
    """Walk against the arrows among what could not be computed until something comes twice."""
    at = min(stuck)
    seen: dict[int, int] = {}
    path: list[int] = []
    while at not in seen:
        seen[at] = len(path)
        path.append(at)
        at = min(n for n in reads[at] if n in stuck)
    loop = [*path[seen[at] :], at]
    shown = [instance_text(result.keys[n]) for n in loop]
    if len(shown) > 12:
        shown = [*shown[:6], "…", *shown[-5:]]
    equation = result.equations[loop[0]]
    span = equation.origin.span() if equation is not None and equation.origin else None
    text = " ← ".join(shown)
    return fail(
        message("order.cycle", loop=text),
        span,
        message("order.hint"),
    )
