"""The verbs: load a document, solve it, lower it to equations. The command line and notebooks call nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from bptt_solver.asked import Asked, check_settings
from bptt_solver.catalogues import LANGUAGES, in_language, message
from bptt_solver.collection import PausedCollection
from bptt_solver.computation import Computation
from bptt_solver.errors import Excerpt, ProblemError, Source, fail, suggest
from bptt_solver.limits import Limits
from bptt_solver.problem.problem import Plugins, Problem, load_problem, with_eliminated
from bptt_solver.solution import FORMATS, Solution

if TYPE_CHECKING:
    from bptt_solver.compile.gradient import Gradient
    from bptt_solver.datasets.sums import Summed
    from bptt_solver.gradients import Gradients
    from bptt_solver.profiles.convention import Convention
    from bptt_solver.render.screen import Screen
    from bptt_solver.training.trainer import Progress

MOST_DERIVED = 300_000  # instances of a regular document that is derived without being asked to
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
    schedule: bool = False,
    dtype: str | None = None,
    language: str = "en",
) -> Solution:
    """Compute all values and ordered derivatives of a problem, and check them (``none``, ``fast``, ``full``).

    ``resume`` is a file that `Solution.training_files` made: training goes on from there. ``progress`` is called at
    each step of training, with its number, that of the last one, and the loss. ``method`` is ``bptt``, or another one
    whose steps are printed in the place of the sweep's and whose numbers are compared with it: ``rtrl`` (forward
    sensitivities) or ``perturbation``; ``tell`` gets a line now and then while one of those takes long. ``notation`` is
    the name of a notation profile (docs/notation.md): it changes what is printed, never a number of the JSON output.
    ``backend`` is a library that computes the gradients once more, by the program that `emit` gives; ``memory``
    (``200MB``) lets it keep no more than that (docs/memory.md) and ``schedule`` lists how, and ``dtype`` (``float32``,
    ``float64``) is the type of its numbers, by default that of the data. ``language`` is that of the sentences: ``en``,
    ``zh-Hans`` or ``zh-Hant``.
    """
    _check_language(language)
    if method not in ALL_METHODS:
        hint = suggest(method, ALL_METHODS) or message("api.one_of", names=message.listed(ALL_METHODS, "list.comma"))
        raise fail(message("api.method", name=method), hint=hint)
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
        "language": language,
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
        schedule=schedule,
        dtype=dtype,
    )
    return Solution(computation, checked, options, asked)


def _check_language(language: str) -> None:
    """Raises ProblemError for a language that is not known."""
    if language not in LANGUAGES:
        raise fail(
            message("api.language", name=language),
            hint=message("api.one_of", names=message.listed(LANGUAGES, "list.comma")),
        )


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


def lower(problem: Problem, *, adjoint: bool = False, unfold: bool = False, language: str = "en") -> str:
    """The equations of a problem in the language: folded, the backward system (``adjoint``), or one line an instance
    (``unfold``); what is said between them in a ``language``."""
    from bptt_solver.chain_rule import differentiate
    from bptt_solver.language.notation.source import equation_to_source
    from bptt_solver.presented import presented
    from bptt_solver.terms import AdjointEquation

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
        told = [message("lower.sum", name=name, family=name.partition("[")[0]).in_language(language) for name in facts]
        return "".join([*lines, *(line + "\n" for line in told)])
    from bptt_solver.unfolded_text import lines as unfolded_lines

    return "".join(line + "\n" for line in unfolded_lines(problem, adjoint))


def emit(problem: Problem, library: str = "numpy", dtype: str | None = None, language: str = "en") -> str:
    """The text of a module that computes the target and the wanted derivatives, for ``numpy``, ``numba``, ``jax`` or
    ``torch``, or without any library (``python``). It is what `gradient_program` runs, with comments and docstrings in
    ``language``. Raises ProblemError for a system that has no such program."""
    _check_language(language)
    from bptt_solver.compile.words import in_language as told

    return told(gradient_program(problem, library, dtype).source, language)


def gradient_program(problem: Problem, library: str | None = None, dtype: str | None = None) -> Gradient:
    """A function from the values of all given instances to the target's value and the wanted derivatives, for a library
    (see `emit`) or, by default, the one that is fastest here; where there is no program it evaluates, and its
    ``reason`` says why. ``dtype`` is the type of its numbers (``float32``, ``float64``), by default that of the data.
    Raises ProblemError where there is no program for the library that is asked for."""
    from bptt_solver.compile.gradient import LIBRARIES, TYPES, gradient, gradient_for
    from bptt_solver.compile.statements import NotCompiled

    if library is not None and library not in LIBRARIES:
        raise fail(
            message("api.library", name=library),
            hint=suggest(library, LIBRARIES) or message("api.one_of", names=message.listed(LIBRARIES, "list.comma")),
        )
    if dtype is not None and dtype not in TYPES:
        raise fail(
            message("api.dtype", name=dtype), hint=message("api.one_of", names=message.listed(TYPES, "list.comma"))
        )
    try:
        return gradient(problem, dtype=dtype) if library is None else gradient_for(problem, library, dtype)
    except NotCompiled as reason:
        hint = message("api.evaluated")
        raise fail(message("api.no_program", library=library, reason=reason.args[0]), hint=hint) from None


def gradients(
    problem: Problem,
    library: str = "numpy",
    *,
    memory: str | None = None,
    check: bool = True,
    dtype: str | None = None,
    schedule: bool = False,
) -> Gradients:
    """The target and the wanted derivatives by a program alone, checked along one direction: for systems that are too
    large for a derivation. ``memory`` (``200MB``): in no more than that; the rest as for `solve`."""
    from bptt_solver.gradients import Gradients

    return Gradients(problem, library, memory, check=check, dtype=dtype, schedule=schedule)


def gradients_if_large(problem: Problem, form: str = "text", **choices: Any) -> Gradients | None:
    """What the command prints instead of a derivation for a large regular document: the gradients by a program alone,
    where ``backend`` or ``memory`` is chosen, or where nobody wants that many instances derived: neither the document's
    settings nor the other choices (options of `solve`) ask for more. None where it has to be derived."""
    if problem.outline is None:
        return None
    told = {name: choices.get(name) for name in ("memory", "dtype", "schedule")}
    check = choices.get("check") != "none"
    if choices.get("backend") is not None or choices.get("memory") is not None:
        return gradients(problem, choices.get("backend") or "numpy", check=check, **told)  # type: ignore[arg-type]
    more = ("entries", "second", "closed_form", "simplify", "by", "truncate", "flow", "resume", "notation")
    plain = form != "json" and choices.get("steps") != "all" and choices.get("method") == "bptt"
    plain = plain and choices.get("check") != "full" and choices.get("detail") != "scalar"
    plain = plain and not {"update", "clip", "truncate", "notation"} & problem.document.settings.keys()
    if not plain or problem.outline.count <= MOST_DERIVED or any(choices.get(name) for name in more):
        return None
    try:
        return gradients(problem, check=check, dtype=choices.get("dtype"))
    except ProblemError:  # no program, or something is not finite: the evaluator finds the place
        return None


def render_gradients(
    found: Gradients, format: str = "text", language: str = "en", screen: Screen | None = None, fragment: bool = False
) -> str | bytes:
    """What `gradients` found in a format of `Solution.render` or `Solution.document`, but for the pictures."""
    if format == "json":
        import json

        return json.dumps(found.data(), ensure_ascii=False, allow_nan=False) + "\n"
    from bptt_solver.documents import blocks_document
    from bptt_solver.narration.gradients import gradients_blocks

    title = found.problem.title or str(found.problem.target.name)
    return blocks_document(gradients_blocks(found, language), format, title, language, screen, fragment)


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


def render_data_set(
    summed: Summed, format: str = "text", language: str = "en", screen: Screen | None = None, fragment: bool = False
) -> str | bytes:
    """The sums over a data set in a format of `Solution.render` or `Solution.document`, but for the pictures, told in a
    ``language``."""
    if format == "json":
        import json

        return json.dumps(summed.data(), ensure_ascii=False, allow_nan=False) + "\n"
    from bptt_solver.documents import blocks_document
    from bptt_solver.narration.data_set import data_set_blocks

    return blocks_document(data_set_blocks(summed, language), format, summed.target, language, screen, fragment)


def plugins_text(plugins: Sequence[str | os.PathLike[str]] = (), language: str = "en") -> str:
    """What the plugins bring, one line each, with the plugin that brings it, in a ``language``."""
    registry = Plugins([os.fspath(p) for p in plugins]).registry
    lines: list[str] = []
    kinds = (("functions", registry.functions), ("topologies", registry.topologies))
    for title, records in (*kinds, ("update_rules", registry.update_rules)):
        lines.append(message(f"plugins.{title}").in_language(language))
        for record in records:
            summary = in_language(record.summary, language).replace("`", "")  # which mark formulas
            lines.append(f"  {record.name:32s} {summary}  [{registry.origin(record)}]")
    from bptt_solver.output import say

    for warning in registry.warnings:
        say(warning)
    return "\n".join(lines) + "\n"


__all__ = [
    "FORMATS", "Excerpt", "Problem", "Solution", "emit", "gradient_program", "gradients", "gradients_if_large",
    "load", "loads", "lower", "plugins_text", "render_data_set", "render_gradients", "solve", "solve_data_set",
]  # fmt: skip
