"""The total of the losses over time and over sequences."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bptt_solver import options as read
from bptt_solver.catalogues import Message, message
from bptt_solver.options import choice

TYPE_CHECKING = False  # what `typing` offers, without its import; type checkers know the name
if TYPE_CHECKING:
    from bptt_solver.draft.writing import Draft


def total(net: Draft) -> str:
    """The sum or the mean of the losses, as the option ``reduction`` has it; it is noted."""
    if net.sequences is None:
        time = _reductions(net)[0]
        net.note(message("total.time", time=_told(time)))
        return _divided(_summed(net, "e"), _count(net) if time == "mean" else "")
    time, n = _reductions(net)
    if net.targets == "last":
        net.note(message("total.sequences", sequences=_told(n)))
        return _divided("sum(e[n] for n in 1..N)", "N" if n == "mean" else "")
    if time == n:
        net.note(message("total.all", how=_told(n)))
        return _divided(_summed(net, "e", "n in 1..N"), _count(net, "n in 1..N") if n == "mean" else "")
    net.note(message("total.both", time=_told(time), sequences=_told(n)))
    if time == "mean" and (net.lengths or net.targets == "mask"):
        return f"sum({_divided(_summed(net, 'e'), _count(net))} for n in 1..N)"
    return _divided(_summed(net, "e", "n in 1..N"), "N" if n == "mean" else _count(net))


def _told(reduction: str) -> Message:
    return message("total.mean" if reduction == "mean" else "total.sum")


def _reductions(net: Draft) -> tuple[str, str]:
    """How the losses are joined over time, and over sequences."""
    value = net.options["reduction"]
    if isinstance(value, Mapping):
        read.mapping(value, ("time", "sequences"), "reduction")
        words = {key: choice(word, ("sum", "mean"), "reduction", str(key)) for key, word in value.items()}
        return words.get("time", "sum"), words.get("sequences", "sum")
    word = choice(value, ("sum", "mean"), "reduction", also="{time: mean, sequences: sum}")
    return word, word


def _summed(net: Draft, family: str, each: str = "") -> str:
    """The sum of ``family`` over the times with a target, and over ``each`` as well."""
    index = "n," if net.sequences is not None else ""
    terms = []
    for times in net.target_times():
        ranges = [each] if each else []
        ranges += [f"t in {net.length(times)}"] if ".." in times else []
        term = f"{family}[{index}{'t' if '..' in times else times}]"
        terms.append(f"sum({term} for {', '.join(ranges)})" if ranges else term)
    return " + ".join(terms)


def _count(net: Draft, each: str = "") -> str:
    """How many losses there are in one sequence, or in ``each``."""
    if net.targets == "mask":
        return _summed(net, "m", each)
    times = "N*" if each else ""
    if isinstance(net.targets, tuple):
        return f"{times}{len(net.targets)}"
    if net.lengths:
        return f"sum({net.lengths}[n] for {each})" if each else f"{net.lengths}[n]"
    return f"{times}T"


def _divided(total: str, count: str) -> str:
    if count in ("", "1"):
        return total
    total = f"({total})" if " + " in re.sub(r"\([^()]*\)", "", total) else total
    return f"{total}/({count})" if "*" in count or " + " in count else f"{total}/{count}"
