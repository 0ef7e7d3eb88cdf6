"""Reading the options that the recurrent topologies share, with messages that name what does not go together."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver import options as read
from bptt_solver.errors import suggest
from bptt_solver.records import OptionError


def choice(value: object, words: Sequence[str], *path: str | int, also: str = "") -> str:
    """One of the given words."""
    if isinstance(value, str) and value in words:
        return value
    hint = suggest(value, words) if isinstance(value, str) else ""
    known = [*words, *([also] if also else [])]
    listed = ", ".join(known[:-1]) + " or " + known[-1] if len(known) > 1 else known[0]
    raise OptionError(f"{read.shown(path)} must be {listed}, not {value!r}" + (f" ({hint})" if hint else ""), *path)


def sizes_of(value: object, known: Sequence[str]) -> dict[str, int]:
    """Sizes by name."""
    given = read.mapping(value, known, "sizes")
    return {name: read.whole(size, "sizes", name) for name, size in given.items()}


def sequences_of(value: object) -> int | str | None:
    """None for one sequence, ``several`` for as many as the data have, or how many."""
    if isinstance(value, str):
        return None if choice(value, ("one", "several"), "sequences", also="a whole number") == "one" else "several"
    return read.whole(value, "sequences")


def lengths_of(value: object, several: bool, steps: int | None) -> str:
    """The name of the map with the lengths, after a look at the options that it does not go with."""
    if value == "":
        return ""
    if not isinstance(value, str) or not value.isidentifier():
        raise OptionError(
            f"lengths must be the name of a map, like len with maps: {{len: [3, 2]}}, not {value!r}", "lengths"
        )
    if not several:
        raise OptionError(f"lengths is {value}, but sequences is one", "lengths")
    if steps is not None:
        raise OptionError(f"lengths is {value}, but steps is {steps}: each sequence has its own length", "lengths")
    return value
