"""Times as text: an index at one time, and runs of neighbouring times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_AFFINE = r"([+-]?)\s*(t|T|[0-9]+)\s*"


def at_time(index: str, time: str) -> str:
    """An index at one time: ``t-1`` is 0 at 1, and ``T-1`` at T. An index that is not of this kind stays as it is."""
    parts = _affine(index)
    factor = parts.pop("t", 0)
    if not factor:
        return index
    base = _affine(time)
    amount, constant = (parts.get(name, 0) + factor * base.get(name, 0) for name in ("T", ""))
    shown = ("T" if amount == 1 else f"{amount}*T") if amount else ""
    return f"{shown}{constant:+d}" if shown and constant else shown or str(constant)


def _affine(text: str) -> dict[str, int]:
    """``T-t+1`` as ``{"T": 1, "t": -1, "": 1}``; nothing for what is not of that form."""
    result: dict[str, int] = {}
    if re.sub(_AFFINE, "", text).strip():
        return {}
    for sign, word in re.findall(_AFFINE, text):
        name, amount = ("", int(word)) if word.isdigit() else (word, 1)
        result[name] = result.get(name, 0) + (-amount if sign == "-" else amount)
    return result


def run(low: int, high: int) -> str:
    """The times from low to high as text: ``2..3``, or ``2``."""
    return str(low) if low == high else f"{low}..{high}"


def runs(times: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Neighbouring times together: 1, 2, 3, 7 are (1, 3) and (7, 7)."""
    low: int | None = None
    high = 0
    for time in times:
        if low is not None and time != high + 1:
            yield low, high
            low = None
        low = time if low is None else low
        high = time
    if low is not None:
        yield low, high
