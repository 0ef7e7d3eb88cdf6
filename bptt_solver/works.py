"""What ``bptt-solve solve`` makes of one problem: its derivation in a format, a program, or sums over a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bptt_solver.batch import BINARY, Batch, Result
from bptt_solver.output import say

if TYPE_CHECKING:
    from bptt_solver.api import Problem
    from bptt_solver.render.screen import Screen

Work = Callable[["Problem"], Result]
DRAWN = ("svg", "dot")  # formats that are a picture alone


class Shown(NamedTuple):
    """How a result is told: its format and language, and the screen that it is read on, if it is one."""

    form: str
    language: str
    screen: Screen | None = None
    fragment: bool = False

    @property
    def rendering(self) -> dict[str, Any]:
        """What a renderer is told beside format and language."""
        told: dict[str, Any] = {} if self.screen is None else {"screen": self.screen}
        return {**told, "fragment": True} if self.fragment else told

    @property
    def styled(self) -> bool:
        """Whether the text has codes of ours in it."""
        return self.screen is not None and self.screen.palette is not None


def program(library: str, dtype: str | None, language: str) -> Work:
    """The text of the program that computes the gradients (`api.emit`), with its comments in a language."""
    from bptt_solver import api

    return lambda problem: Result(api.emit(problem, library, dtype, language), warnings=problem.warnings)


def sums(batch: Batch, shown: Shown, path: str, **how: Any) -> Work:
    """The sums over the data set in ``path``; ``how`` they are computed is told to `api.solve_data_set`."""
    from bptt_solver import api

    def work(problem: Problem) -> Result:
        summed = api.solve_data_set(problem, path, progress=batch.counter(), **how)
        if not batch.quiet:
            say(summed.told)
        text = api.render_data_set(summed, shown.form, shown.language, **shown.rendering)
        return Result(text, warnings=problem.warnings, styled=shown.styled)

    return work


def derivation(
    batch: Batch, shown: Shown, drawing: Mapping[str, Any], save: str | None, losses: str | None, **choices: Any
) -> Work:
    """The derivation, or the picture of its graph; of a document that is too large for one, the gradients alone.
    ``drawing`` are choices of `Solution.drawn`, ``choices`` those of `api.solve`; ``save`` and ``losses`` are places of
    what training leaves."""
    from bptt_solver import api

    form = shown.form
    beside = save is not None or losses is not None

    def work(problem: Problem) -> Result:
        if beside:
            from bptt_solver.training.saved import check_asked

            check_asked(problem, save)
        found = None if beside or form in DRAWN else api.gradients_if_large(problem, form=form, **choices)
        if found is not None:
            text = api.render_gradients(found, form, shown.language, **shown.rendering)
            return Result(text, found.verified, problem.warnings, styled=shown.styled)
        tell = None if batch.quiet else say
        lines = None if batch.bar is not None else tell  # on a terminal there is one row that changes
        solution = api.solve(problem, progress=batch.reporter(), tell=lines, language=shown.language, **choices)
        made: str | bytes
        if form in DRAWN:
            made = solution.drawn(form, **drawing)
        elif form in BINARY:
            made = solution.document(form, tell)
        else:
            made = solution.render(form, **shown.rendering)
        files = solution.training_files(save, losses) if beside else {}
        return Result(made, solution.verified, solution.warnings, files, shown.styled)

    return work
