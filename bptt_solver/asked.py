"""What is asked for beyond the derivation, and the analyses that answer it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.problem.problem import Problem
    from bptt_solver.training.trainer import Progress, Start


class Analysis(Protocol):
    """Something that is computed from a solved problem when it is asked for. `narration.analyses` puts it in words."""

    @property
    def key(self) -> str:
        """Its name in the JSON output."""

    def data(self) -> Any:
        """What it found, as plain data for the JSON output."""


class Asked:
    """What is asked for. The settings of the document that are analyses (``truncate``, ``update``) count as asked for.

    ``by``: the contribution table (``loss``, ``use`` or ``both``), ``entries``: of which entries. ``everything``: long
    tables are not shortened. ``truncate``: a rule instead of the document's. ``flow``: the gradient flow. ``start``:
    from where training goes on; ``progress`` is told its steps. ``method``: ``rtrl`` or ``perturbation`` beside the
    backward sweep; ``tell`` gets lines about how far it is. ``backend``: a library that computes the
    gradients too, ``memory``: in how much memory (``200MB``), ``schedule``: with all that is done
    for it line by line, ``dtype``: in numbers of which type.
    """

    __slots__ = (
        "backend",
        "by",
        "dtype",
        "entries",
        "everything",
        "flow",
        "memory",
        "method",
        "progress",
        "schedule",
        "start",
        "tell",
        "truncate",
    )

    def __init__(
        self,
        *,
        by: str | None = None,
        entries: Sequence[str] = (),
        everything: bool = False,
        flow: bool = False,
        start: Start | None = None,
        progress: Progress | None = None,
        truncate: object = None,
        method: str = "bptt",
        tell: Callable[[str], None] | None = None,
        backend: str | None = None,
        memory: str | None = None,
        dtype: str | None = None,
        schedule: bool = False,
    ) -> None:
        self.memory = memory
        self.schedule = schedule
        self.dtype = dtype
        self.backend = backend
        self.by = by
        self.entries = tuple(entries)
        self.everything = everything
        self.flow = flow
        self.start = start
        self.progress = progress
        self.truncate = truncate
        self.method = method
        self.tell = tell


def check_settings(problem: Problem) -> None:
    """Wrong settings of the document, told before the work begins. Raises ProblemError."""
    settings = problem.document.settings
    if "update" in settings or "clip" in settings:
        from bptt_solver.training.settings import read_clip, read_plan

        read_plan(problem)
        read_clip(problem)


def analyses(computation: Computation, asked: Asked) -> list[Analysis]:
    """What was asked for, computed, in the order in which it is printed. Raises ProblemError for settings that mean
    nothing."""
    found: list[Analysis] = []
    if asked.method == "rtrl":
        from bptt_solver.analyses.methods.rtrl import Rtrl

        found.append(Rtrl(computation, asked.tell))
    elif asked.method == "perturbation":
        from bptt_solver.analyses.methods.perturbation import PerturbationMethod

        found.append(PerturbationMethod(computation, asked.tell))
    settings = computation.problem.document.settings
    if asked.by is not None:
        from bptt_solver.analyses.contribution_table import ContributionTable

        found.append(ContributionTable(computation, asked.by, asked.entries, asked.everything))
    truncation = None
    if asked.truncate is not None or "truncate" in settings:
        from bptt_solver.analyses.truncation import Truncation, rule_from, rule_of

        rule = rule_of(settings["truncate"]) if asked.truncate is None else rule_from(asked.truncate)
        truncation = Truncation(computation, rule)
        found.append(truncation)
    if asked.backend is not None or asked.memory is not None:
        from bptt_solver.analyses.program import ProgramResult

        found.append(ProgramResult(computation, asked.backend or "numpy", asked.memory, asked.dtype, asked.schedule))
    if asked.flow:
        from bptt_solver.analyses.gradient_flow import Flow

        found.append(Flow(computation, asked.everything))
    if "update" in settings or "clip" in settings:
        from bptt_solver.analyses.training import training_analyses

        found += training_analyses(computation, asked, truncation)
    return found
