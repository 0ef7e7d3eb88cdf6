"""The verbs: load a document, solve it, lower it to equations. The command line and notebooks call nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from bptt_solver.arithmetic import is_array
from bptt_solver.asked import Asked, check_settings
from bptt_solver.collection import PausedCollection
from bptt_solver.computation import Computation
from bptt_solver.errors import Excerpt, Source, fail, suggest
from bptt_solver.limits import Limits
from bptt_solver.problem.problem import Plugins, Problem, load_problem, with_eliminated
from bptt_solver.system import Instance
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    from bptt_solver.asked import Analysis
    from bptt_solver.blocks import Block
    from bptt_solver.compile.gradient import Gradient
    from bptt_solver.datasets.sums import Summed
    from bptt_solver.derivation import Derivation
    from bptt_solver.profiles.convention import Convention
    from bptt_solver.training.trainer import Progress, Training
    from bptt_solver.verify import Check

FORMATS = ("text", "markdown", "latex", "json")
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


class Solution(Mapping[str, Any]):
    """A solved problem. ``solution["h[1]"]`` is a value, ``solution["∂⁺E/∂h[1]"]`` an ordered derivative; ``render``
    writes it.

    Vectors and matrices are nested lists, as in the JSON output.
    """

    def __init__(self, computation: Computation, check: Check, options: Mapping[str, Any], asked: Asked) -> None:
        self.computation = computation
        self.check = check
        self._options = options
        self._asked = asked
        self._analyses: list[Analysis] | None = None
        self._values: dict[str, Any] | None = None
        self._derivatives: dict[str, Any] | None = None
        self._partials: tuple[dict[str, dict[str, Any]], list[str]] | None = None
        self._blocks: list[Block] | None = None

    # -- numbers

    @property
    def target(self) -> str:
        """The name of the target."""
        return self.computation.target_text

    @property
    def value(self) -> Any:
        """The target's value."""
        return self.values[self.target]

    @property
    def values(self) -> dict[str, Any]:  # type: ignore[override]
        """Every instance's value, by name."""
        if self._values is None:
            from bptt_solver.results import values

            self._values = values(self.computation)
        return self._values

    @property
    def ordered_derivatives(self) -> dict[str, Any]:
        """The ordered derivative with respect to every instance, by the instance's name."""
        if self._derivatives is None:
            from bptt_solver.results import ordered_derivatives

            self._derivatives = ordered_derivatives(self.computation)
        return self._derivatives

    @property
    def simple_partials(self) -> dict[str, dict[str, Any]]:
        """consumer -> what it reads -> simple partial."""
        return self._simple_partials()[0]

    def _simple_partials(self) -> tuple[dict[str, dict[str, Any]], list[str]]:
        if self._partials is None:
            from bptt_solver.results import simple_partials

            self._partials = simple_partials(self.computation)
        return self._partials

    def hessian(self, wrt: Sequence[str] | None = None) -> tuple[list[str], list[list[Any]]]:
        """Second derivatives by all entries of the wanted instances: (labels, rows)."""
        from bptt_solver.results import plain
        from bptt_solver.second import hessian

        keys = [self._instance(name) for name in wrt] if wrt else self.wanted
        labels, rows = hessian(self.computation, keys)
        names = [instance_text(k) + (":" + ",".join(str(i + 1) for i in e) if e else "") for k, e in labels]
        return names, [[plain(v) for v in row] for row in rows]

    def contributions(self, name: str) -> list[tuple[str, Any]]:
        """What each use of an instance contributes to its ordered derivative: (the user, the contribution), in the
        order of the derivation. They add up to the derivative."""
        from bptt_solver.contributions import contributions
        from bptt_solver.results import plain

        number = self.computation.derivative_number(self._instance(name))
        if number is None:
            return []
        return [(instance_text(c.user), plain(c.value)) for c in contributions(self.computation, number)]

    def contribution_table(self, name: str) -> dict[str, Any]:
        """The table of an instance whose derivative is wanted: ``cells[l][s]`` reaches the use ``s`` from the loss
        ``l`` (None: no path), with the sums ``by_loss`` and ``by_use``, and what ``losses`` and ``uses`` are."""
        from bptt_solver.analyses.contribution_table import ContributionTable

        table = ContributionTable(self.computation)
        return {"losses": table.loss_names(), **table.split_data(table.split(name))}

    def judge(self, claimed: Mapping[str, Any], level: str = "fast") -> Check:
        """Check someone else's ordered derivatives, given by instance name as numbers or nested lists, with the same
        routes as our own. Raises ProblemError for an unknown name or a wrong shape."""
        from bptt_solver.verify import verify

        answers = {}
        for name, answer in claimed.items():
            key = self._instance(name)
            answers[key] = _shaped(answer, self.computation.value(key), name)
        return verify(self.computation, level, answers)

    @property
    def wanted(self) -> list[Instance]:
        """The instances whose derivatives are wanted: ``wrt``, else the parameters, else all that is given."""
        return self.computation.problem.wanted()

    def _instance(self, name: str) -> Instance:
        for key in self.computation.instances():
            if instance_text(key) == name:
                return key
        raise fail(f"unknown name '{name}'", hint=suggest(name, self.values))

    # -- a mapping from names to numbers

    def __getitem__(self, name: str) -> Any:
        from bptt_solver.language.expressions import derivative_name

        if name in self.values:
            return self.values[name]
        prefix = derivative_name(self.target, "")
        if name.startswith(prefix) and name[len(prefix) :] in self.ordered_derivatives:
            return self.ordered_derivatives[name[len(prefix) :]]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        from bptt_solver.language.expressions import derivative_name

        yield from self.values
        for name in self.ordered_derivatives:
            yield derivative_name(self.target, name)

    def __len__(self) -> int:
        return 2 * len(self.values)

    # -- text

    @property
    def verified(self) -> bool:
        """False if the check ran and failed, or a table that was asked for does not add up."""
        return self.check.passed and all(getattr(analysis, "passed", True) for analysis in self.analyses)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong with plugins."""
        return self.computation.problem.warnings

    @property
    def analyses(self) -> list[Analysis]:
        """What was asked for beyond the derivation, computed when first looked at."""
        if self._analyses is None:
            from bptt_solver.asked import analyses

            self._analyses = analyses(self.computation, self._asked)
        return self._analyses

    @property
    def training(self) -> Training | None:
        """What training did, where the document declares ``update``: losses, parameters, the first step."""
        from bptt_solver.analyses.training import TrainingAnalysis

        return next((a.training for a in self.analyses if isinstance(a, TrainingAnalysis)), None)

    def training_files(self, save: str | None = None, losses: str | None = None) -> dict[str, bytes]:
        """What ``--save`` and ``--losses`` write, by path. Raises ProblemError where the document declares no
        training."""
        from bptt_solver.training.saved import encoded, losses_csv
        from bptt_solver.training.settings import no_update

        if self.training is None:
            raise no_update(self.computation.problem, "nothing to save")
        files = {} if save is None else {save: encoded(self.training, save)}
        return files if losses is None else {**files, losses: losses_csv(self.training)}

    @property
    def blocks(self) -> list[Block]:
        """The derivation as blocks of words and formulas."""
        if self._blocks is None:
            from bptt_solver.derivation import derive
            from bptt_solver.narrate import narrate

            options = self._options
            derivation = derive(
                self.computation,
                self.check,
                detail=options["detail"],
                entries=options["entries"],
                steps=options["steps"],
            )
            convention = options["convention"]
            own = self._method_blocks(derivation)
            if convention is None:
                self._blocks = [*(narrate(derivation) if own is None else own), *self._more()]
            else:
                from bptt_solver.narrate import narrate_convention

                told = narrate(derivation, variants=convention.variants) if own is None else own
                told = [*told, *self._more()]
                self._blocks = narrate_convention(told, convention)
        return self._blocks

    def _method_blocks(self, derivation: Derivation) -> list[Block] | None:
        """The document of another method than the backward sweep, if one was asked for."""
        if self._asked.method == "bptt":
            return None
        from bptt_solver.narrate import narrate_method
        from bptt_solver.steps.methods import METHODS, forward_steps

        method: Any = next((a for a in self.analyses if a.key in METHODS), None)
        if method is None:
            return None
        entries, steps = self._options["entries"], self._options["steps"]
        forward = forward_steps(derivation, method, entries, steps) if method.key == "rtrl" else []
        return narrate_method(derivation, method, forward, steps == "all")

    def _more(self) -> list[Block]:
        blocks: list[Block] = []
        if self.analyses:
            from bptt_solver.narrate import narrate_analyses

            blocks += narrate_analyses(self.analyses)
        if self._options["second"]:
            from bptt_solver.narrate import narrate_hessian

            blocks += narrate_hessian(self.target, *self.hessian())
        if self._options["closed_form"] or self._options["simplify"]:
            from bptt_solver.closed_form import closed_forms
            from bptt_solver.narrate import narrate_closed_forms

            blocks += narrate_closed_forms(closed_forms(self.computation, simplified=self._options["simplify"]))
        return blocks

    def render(self, format: str = "text") -> str:
        """The derivation as ``text``, ``markdown`` or ``latex``, or the numbers as ``json``."""
        if format == "json":
            return self._json()
        if format not in FORMATS:
            raise fail(f"unknown format '{format}'", hint=suggest(format, FORMATS) or f"one of {', '.join(FORMATS)}")
        from bptt_solver.render import render

        convention = self._options["convention"]
        return render(self.blocks, format) if convention is None else render(self.blocks, format, convention.style)

    def as_dict(self) -> dict[str, Any]:
        """The JSON output as Python data (see docs/json.md)."""
        from bptt_solver.results import VERSION, exact, network, sources, steps

        partials, left_out = self._simple_partials()
        data: dict[str, Any] = {
            "version": VERSION,
            "title": self.computation.problem.title,
            "target": self.target,
            "value": self.value,
            "values": self.values,
            "ordered_derivatives": self.ordered_derivatives,
            "simple_partials": partials,
            "exact": exact(self.computation),
            "steps": steps(self.computation, self._options["steps"] == "all"),
            "check": self.check.as_json(),
        }
        data.update((analysis.key, analysis.data()) for analysis in self.analyses)
        written = network(self.computation)
        if written is not None:
            data["network"] = written
        if self.computation.problem.remarks:
            data["sources"] = sources(self.computation)
        if left_out:
            data["left_out"] = {"simple_partials": left_out}
        if self._options["second"]:
            names, rows = self.hessian()
            data["hessian"] = {"names": names, "rows": rows}
        return data

    def _json(self) -> str:
        import json

        return json.dumps(self.as_dict(), ensure_ascii=False, allow_nan=False) + "\n"

    def __repr__(self) -> str:
        return f"<Solution: {self.target} = {self.value}>"

    def __str__(self) -> str:
        return self.render("text")

    def _repr_markdown_(self) -> str:
        return self.render("markdown")

    def _repr_latex_(self) -> str:
        return self.render("latex")


def _shaped(answer: Any, value: Any, name: str) -> Any:
    """An answer as a value of the shape of what it belongs to."""
    if not is_array(value):
        return answer
    import numpy

    array = numpy.asarray(answer, dtype=float)
    if array.shape != value.shape:
        raise fail(f"the answer for {name} has the shape {array.shape}, but {name} has {value.shape}")
    return array


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
    "Excerpt", "Problem", "Solution", "emit", "gradient_program", "load", "loads", "lower", "plugins_text",
    "render_data_set", "solve", "solve_data_set",
]  # fmt: skip
