"""The places in a template: slots for leaves, and the names of what its result receives and is."""

from __future__ import annotations

from bptt_solver.language.expressions import Reference


class Slot(Reference):
    """The place of a leaf in a template."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        super().__init__(f"#{at}")
        self.at = at


_SLOTS: list[Slot] = [Slot(i) for i in range(64)]
COTANGENT = Reference("#g")  # what the result receives
RESULT = Reference("#y")  # the result itself
TAKES_COTANGENT, TAKES_RESULT = -1, -2


def slot(at: int) -> Slot:
    """The slot with that number (shared objects)."""
    while at >= len(_SLOTS):
        _SLOTS.append(Slot(len(_SLOTS)))
    return _SLOTS[at]
