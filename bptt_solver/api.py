"""The verbs: load a document, solve it, lower it to equations. The command line and notebooks call nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from bptt_solver.asked import Asked, check_settings
from bptt_solver.collection import PausedCollection
from bptt_solver.computation import Computation
from bptt_solver.errors import Excerpt, Source, fail, suggest
from bptt_solver.limits import Limits
from bptt_solver.problem.problem import Plugins, Problem, load_problem, with_eliminated
from bptt_solver.solution import FORMATS, Solution

if TYPE_CHECKING:
    from bptt_solver.compile.gradient import Gradient
    from bptt_solver.datasets.sums import Summed
    from bptt_solver.profiles.convention import Convention
    from bptt_solver.training.trainer import Progress

ALL_METHODS = ("bptt", "rtrl", "perturbation")


def load(
    source: str | os.PathLike[str] | TextIO,
    *,
    limits: Limits | None = None,
    plugins: Sequence[str | os.PathLike[str]] = (),
    target: str | None = None,
    wrt: Sequence[str] = (),
    eliminate: Sequence[str] = (),
) -> Problem:
    """Read a document from a path, ``-`` (standard input) or an open text file. Raises ProblemError for bad input."""
    where: str | os.PathLike[str] | Source
    if isinstance(source, (str, os.PathLike)):
        where = source
    else:
        where = Source(str(getattr(source, "name", "<text>")), source.read())
    return _loaded(where, limits, plugins, target, wrt, eliminate)


def loads(
    text: str,
    name: str = "<text>",
    *,
    limits: Limits | None = None,
    plugins: Sequence[str | os.PathLike[str]] = (),
    target: str | None = None,
    wrt: Sequence[str] = (),
    eliminate: Sequence[str] = (),
) -> Problem:
    """Read a document from a text. Raises ProblemError for bad input."""
    return _loaded(Source(name, text), limits, plugins, target, wrt, eliminate)


def _loaded(
    where: str | os.PathLike[str] | Source,
    limits: Limits | None,
    plugins: Sequence[str | os.PathLike[str]],
    target: str | None,
    wrt: Sequence[str],
    eliminate: Sequence[str],
) -> Problem:
    with PausedCollection():
        problem = load_problem(where, limits, [os.fspath(p) for p in plugins], target, wrt)
        for name in eliminate:
            problem = with_eliminated(problem, name)
    return problem


def solve(
    problem: Problem,
    *,
    check: str = "fast",
    detail: str = "matrix",
    entries: Sequence[str] = (),
    second: bool = False,
    closed_form: bool = False,
    simplify: bool = False,
    steps: str = "auto",
    by: str | None = None,
    truncate: str | Mapping[str, int] | None = None,
    flow: bool = False,
    resume: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    notation: str | None = None,
    method: str = "bptt",
    tell: Callable[[str], None] | None = None,
    backend: str | None = None,
    memory: str | None = None,
) -> Solution:
    """Compute all values and ordered derivatives of a problem, and check them (``none``, ``fast``, ``full``).

    ``resume`` is a file that `Solution.training_files` made: training goes on from there. ``progress`` is called at
    each step of training, with its number, that of the last one, and the loss. ``method`` is ``bptt``, or another one
    whose steps are printed in the place of the sweep's and whose numbers are compared with it: ``rtrl`` (forward
    sensitivities) or ``perturbation``; ``tell`` gets a line now and then while one of those takes long. ``notation`` is
    the name of a notation profile (docs/notation.md): it changes what is printed, never a number of the JSON output.
    ``backend`` is a library that computes the gradients once more, by the program that `emit` gives; ``memory``
    (``200MB``) lets it keep no more than that (docs/memory.md).
    """
    if method not in ALL_METHODS:
        hint = suggest(method, ALL_METHODS) or f"one of {', '.join(ALL_METHODS)}"
        raise fail(f"unknown method '{method}'", hint=hint)
    from bptt_solver.verify import verify

    check_settings(problem)
    start = None
    if resume is not None:
        from bptt_solver.training.saved import resumed

        problem, start = resumed(problem, os.fspath(resume))
    with PausedCollection():
        computation = Computation(problem)
        convention = _convention(computation, notation)
        checked = verify(computation, check)
    options = {
        "detail": "scalar" if entries and detail == "matrix" else detail,  # who names an entry wants to see it
        "entries": tuple(entries),
        "second": second,
        "closed_form": closed_form,
        "simplify": simplify,
        "steps": steps,
        "convention": convention,
    }
    asked = Asked(
        by=by,
        truncate=truncate,
        entries=entries,
        everything=steps == "all",
        flow=flow,
        start=start,
        progress=progress,
        method=method,
        tell=tell,
        backend=backend,
        memory=memory,
    )
    return Solution(computation, checked, options, asked)


def _convention(computation: Computation, notation: str | None) -> Convention | None:
    """The notation that is asked for, by name or in the document; None for the program's own."""
    settings = computation.problem.document.settings.get("notation")
    if notation is None and settings is None:
        return None
    from bptt_solver.profiles.convention import Convention
    from bptt_solver.profiles.profile import STANDARD, chosen

    profile = chosen(settings, notation)
    own = profile.name == STANDARD and profile.settings is None
    return None if own else Convention(profile, computation.problem, computation.target_text)


def lower(problem: Problem, *, adjoint: bool = False, unfold: bool = False) -> str:
    """The equations of a problem in the language: folded, the backward system (``adjoint``), or one line an instance
    (``unfold``)."""
    from bptt_solver.chain_rule import AdjointEquation, differentiate
    from bptt_solver.language.notation.source import equation_to_source
    from bptt_solver.presented import presented

    if not unfold:
        if not adjoint:
            return "".join(equation_to_source(e) + "\n" for e in problem.system.equations)
        backward = differentiate(problem.system, problem.target)
        lines, facts = [], {}
        for equation in backward.equations:
            if isinstance(equation, AdjointEquation):
                shown, used = presented(equation, problem)
                facts.update(dict.fromkeys(used))
                lines.append(equation_to_source(shown) + "\n")
        return "".join([*lines, *(f"# sum({name}) = 1 for every given {name.partition('[')[0]}\n" for name in facts)])
    from bptt_solver.unfolded_text import lines as unfolded_lines

    return "".join(line + "\n" for line in unfolded_lines(problem, adjoint))


def emit(problem: Problem, library: str = "numpy") -> str:
    """The text of a module that computes the target and the wanted derivatives, for ``numpy``, ``numba``, ``jax`` or
    ``torch``, or without any library (``python``). It is what `gradient_program` runs. Raises ProblemError for a system
    that has no such program."""
    return gradient_program(problem, library).source


def gradient_program(problem: Problem, library: str | None = None, dtype: str = "float64") -> Gradient:
    """A function from the values of all given instances to the target's value and the wanted derivatives, for a library
    (see `emit`) or, by default, the one that is fastest here. Raises ProblemError where there is none."""
    from bptt_solver.compile.gradient import LIBRARIES, gradient, gradient_for
    from bptt_solver.compile.statements import NotCompiled

    if library is not None and library not in LIBRARIES:
        raise fail(f"unknown library '{library}'", hint=suggest(library, LIBRARIES) or f"one of {', '.join(LIBRARIES)}")
    try:
        return gradient(problem, dtype=dtype) if library is None else gradient_for(problem, library, dtype)
    except NotCompiled as reason:
        hint = "without --emit and --backend it is evaluated, whatever it is"
        raise fail(f"there is no {library} program for this system: {reason}", hint=hint) from None


def solve_data_set(
    problem: Problem,
    path: str | os.PathLike[str],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    chunk: int | None = None,
    retries: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Summed:
    """The target and the wanted derivatives, summed over the sequences of a file (docs/data-sets.md): in this process,
    in ``workers`` others, or on the Dask cluster of a ``scheduler``, with the same bits everywhere."""
    from bptt_solver.datasets.command import solve_data_set as solved

    return solved(problem, path, workers=workers, scheduler=scheduler, chunk=chunk, retries=retries, progress=progress)


def render_data_set(summed: Summed, format: str = "text") -> str:
    """The sums over a data set as ``text``, ``markdown``, ``latex`` or ``json``."""
    if format == "json":
        import json

        return json.dumps(summed.data(), ensure_ascii=False, allow_nan=False) + "\n"
    from bptt_solver.narration.data_set import data_set_blocks
    from bptt_solver.render import render

    return render(data_set_blocks(summed), format)


def plugins_text(plugins: Sequence[str | os.PathLike[str]] = ()) -> str:
    """What the plugins bring, one line each, with the plugin that brings it."""
    registry = Plugins([os.fspath(p) for p in plugins]).registry
    lines: list[str] = []
    kinds = (("functions", registry.functions), ("topologies", registry.topologies))
    for title, records in (*kinds, ("update rules", registry.update_rules)):
        lines.append(f"{title}:")
        for record in records:
            lines.append(f"  {record.name:32s} {record.summary}  [{registry.origin(record)}]")
    from bptt_solver.output import say

    for warning in registry.warnings:
        say(warning)
    return "\n".join(lines) + "\n"


__all__ = [
    "FORMATS", "Excerpt", "Problem", "Solution", "emit", "gradient_program", "load", "loads", "lower", "plugins_text",
    "render_data_set", "solve", "solve_data_set",
]  # fmt: skip
