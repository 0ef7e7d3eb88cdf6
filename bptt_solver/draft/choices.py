"""Reading the options that networks over time share, with messages that name what does not go together."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver import options as read
from bptt_solver.catalogues import message
from bptt_solver.options import choice
from bptt_solver.records import OptionError


def sizes_of(value: object, known: Sequence[str]) -> dict[str, int]:
    """Sizes by name."""
    given = read.mapping(value, known, "sizes")
    return {name: read.whole(size, "sizes", name) for name, size in given.items()}


def biases_of(value: object) -> tuple[bool, bool]:
    """Whether all but the readout have biases, and whether the readout has."""
    if value in ("hidden", "output"):
        return value == "hidden", value == "output"
    if not isinstance(value, bool) and str(value).lower() not in ("true", "false"):
        raise OptionError(message("draft.bias", value=repr(value)), "bias")
    return (read.truth(value, "bias"),) * 2


def sequences_of(value: object) -> int | str | None:
    """None for one sequence, ``several`` for as many as the data have, or how many."""
    if isinstance(value, str):
        return (
            None
            if choice(value, ("one", "several"), "sequences", also=message("draft.whole_number")) == "one"
            else "several"
        )
    return read.whole(value, "sequences")


def lengths_of(value: object, sequences: int | str | None, steps: int | None) -> tuple[str, list[int]]:
    """The name of the map with the lengths, and the lengths if they are given right here; after a look at the options
    that they do not go with."""
    if value == "":
        return "", []
    given: list[int] = []
    if isinstance(value, Sequence) and not isinstance(value, str):
        given = [read.whole(item, "lengths", i) for i, item in enumerate(read.items(value, "lengths"))]
        if isinstance(sequences, int) and sequences != len(given):
            told = message("draft.lengths_count", count=len(given), sequences=sequences)
            raise OptionError(told, "lengths", also=("sequences",))
    elif not isinstance(value, str) or not value.isidentifier():
        raise OptionError(message("draft.lengths", value=repr(value)), "lengths")
    elif sequences is None:
        raise OptionError(message("draft.lengths_one", lengths=value), "lengths", also=("sequences",))
    if steps is not None and steps != max(given, default=None):
        told = message("draft.lengths_steps", lengths=value, steps=steps)
        raise OptionError(told, "lengths", also=("steps",))
    return ("len", given) if given else (str(value), [])
