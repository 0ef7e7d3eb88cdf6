"""What is asked for beyond the derivation, and the analyses that answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from bptt_solver.computation import Computation


class Analysis(Protocol):
    """Something that is computed from a solved problem when it is asked for. `narration.analyses` puts it in words."""

    @property
    def key(self) -> str:
        """Its name in the JSON output."""

    def data(self) -> Any:
        """What it found, as plain data for the JSON output."""


class Asked:
    """What is asked for. The settings of the document that are analyses (``truncate``) count as asked for."""

    __slots__ = ()


def analyses(computation: Computation, asked: Asked) -> list[Analysis]:
    """What was asked for, computed, in the order in which it is printed. Raises ProblemError for settings that mean
    nothing."""
    return []
