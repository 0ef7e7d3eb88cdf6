"""What the names of a network are, in words.

A role may be a head at a place, ``role_of(weights, gate)``. What stands at several places is told together: the names
with one head, ``W_i, W_f, W_g, W_o: weights from the input``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from bptt_solver.catalogues import Message, message

What = str | tuple[str, str]  # a role, or the words for one and for several


def role_of(head: str, place: str) -> Message:
    """``weights of the gate``."""
    return message("role.of", head=head, place=place)


def role_to(head: str, place: str) -> Message:
    """``weights from the input to the gate``."""
    return message("role.to", head=head, place=place)


OUTPUT = message("place.output")
INITIAL_STATE: tuple[str, str] = (message("role.initial_state"), message("role.initial_states"))

ROLES: Mapping[str, tuple[str, str, int]] = {  # what the usual names are: words, column of the picture, place in it
    "x": (message("role.input"), "input", 0),
    "W_x": (message("role.from_input"), "", 0),
    "W_h": (message("role.recurrent"), "", 0),
    "b_h": (role_of(message("role.biases"), message("place.hidden_layer")), "", 0),
    "h0": (message("role.every_sequence", role=INITIAL_STATE[0]), "", 0),
    "a": (message("role.pre_activation"), "hidden", 0),
    "h": (message("role.hidden_state"), "hidden", 1),
    "W_y": (role_of(message("role.weights"), OUTPUT), "", 0),
    "b_y": (role_of(message("role.biases"), OUTPUT), "", 0),
    "o": (role_of(message("role.pre_activation"), OUTPUT), "output", 0),
    "y": (message("role.output"), "output", 1),
    "d": (message("role.target"), "loss", 1),
    "m": (message("role.loss_weight"), "loss", 3),
    "e": (message("role.loss"), "loss", 0),
    "E": (message("role.total_loss"), "loss", 2),
}


def one_of(what: What) -> str:
    """The words for one of a kind."""
    return what if isinstance(what, str) else what[0]


def notes_of_starts(starts: Mapping[tuple[What, bool], Sequence[str]]) -> Iterator[str]:
    """One sentence for all initial states of a kind, given by what they are and whether they are trained."""
    for (what, trained), labels in starts.items():
        several = len(labels) > 1
        key = ("several" if several else "one") + ("_trained" if trained else "")
        words = _several(what) if several else one_of(what)
        yield message(f"start.{key}", what=words, names=message.listed([f"`{label}`" for label in labels]))


def _several(what: What) -> str:
    if not isinstance(what, str):
        return what[1]
    return re.sub(r"\b(state|input|output)\b", r"\1s", what, count=1)
