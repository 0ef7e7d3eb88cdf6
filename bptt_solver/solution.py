"""A solved problem: its numbers as a mapping, its derivation in every format, and what else is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import is_array
from bptt_solver.asked import Asked
from bptt_solver.catalogues import message
from bptt_solver.computation import Computation
from bptt_solver.errors import fail, suggest
from bptt_solver.system import Instance
from bptt_solver.unfold import instance_text

if TYPE_CHECKING:
    from bptt_solver.asked import Analysis
    from bptt_solver.blocks import Block
    from bptt_solver.derivation import Derivation
    from bptt_solver.language.expressions import Expression, Reference
    from bptt_solver.profiles.convention import Convention
    from bptt_solver.render.screen import Screen
    from bptt_solver.training.trainer import Training
    from bptt_solver.verify import Check

FORMATS = ("text", "markdown", "latex", "html", "json", "svg", "dot", "typst", "ipynb")  # as text
BINARY = ("pdf", "docx")


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
        self._derivations: dict[object, Derivation] = {}
        self._hessian: tuple[list[str], list[list[Any]]] | None = None
        self._forms: list[tuple[Reference, Expression]] | None = None

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

    def difference_quotient(self, name: str, entry: Sequence[int] = (), step: float = 1e-5) -> float:
        """What an ordered derivative means, in numbers: an instance (of an array the ``entry``, counted from 1) is
        changed by ``step`` up and down where it is computed, all that comes after it is computed again, and the change
        of the target is divided by that of the instance. Raises ProblemError for an unknown name or a wrong entry."""
        from bptt_solver.verify import finite_difference

        key = self._instance(name)
        shape = getattr(self.computation.value(key), "shape", ())
        if len(entry) != len(shape) or not all(1 <= at <= size for at, size in zip(entry, shape, strict=True)):
            raise fail(message("solution.entry", name=name, entry=str(tuple(entry)), shape=str(shape)))
        return float(finite_difference(self.computation, key, tuple(entry), step).central)

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
        raise fail(message("solution.name", name=name), hint=suggest(name, self.values))

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
            raise no_update(self.computation.problem, message("training.nothing_to_save"))
        files = {} if save is None else {save: encoded(self.training, save)}
        return files if losses is None else {**files, losses: losses_csv(self.training)}

    @property
    def language(self) -> str:
        """The language of its sentences."""
        return self._options["language"]  # type: ignore[no-any-return]

    @property
    def convention(self) -> Convention | None:
        """The notation that was asked for; None: the program's own."""
        return self._options["convention"]  # type: ignore[no-any-return]

    @property
    def entries(self) -> tuple[str, ...]:
        """The entries that were asked for: ``h[2]:1``."""
        return self._options["entries"]  # type: ignore[no-any-return]

    @property
    def detail(self) -> str:
        """How far a line is expanded: ``summary``, ``matrix`` or ``scalar``."""
        return self._options["detail"]  # type: ignore[no-any-return]

    def option(self, name: str) -> Any:
        """What was asked for under the name of an option of `api.solve`; None for one that leaves no trace."""
        return self._options.get(name, getattr(self._asked, name, None))

    @property
    def shortened(self) -> bool:
        """Whether the derivation leaves out lines that ``steps="all"`` would print."""
        return self._options["steps"] != "all" and self._derivation(self._options["steps"], None).cut

    @property
    def blocks(self) -> list[Block]:
        """The derivation as blocks of words and formulas."""
        if self._blocks is None:
            self._blocks = self.told(self._options["language"], self._options["convention"])
        return self._blocks

    def told(
        self,
        language: str,
        convention: Convention | None = None,
        steps: str | None = None,
        entries: Sequence[str] | None = None,
    ) -> list[Block]:
        """The derivation as blocks in a language and a notation (None: the program's own). ``steps`` and ``entries``
        stand for those that were asked for; ``entries`` are then expanded."""
        from bptt_solver.narrate import narrate, narrate_convention

        derivation = self._derivation(steps or self._options["steps"], entries)
        blocks = self._method_blocks(derivation, language)
        if blocks is None:
            blocks = narrate(derivation, language, () if convention is None else convention.variants)
        blocks = [*blocks, *self._more(language)]
        return blocks if convention is None else narrate_convention(blocks, convention, language)

    def _derivation(self, steps: str, entries: Sequence[str] | None) -> Derivation:
        options = self._options
        key = (steps, None if entries is None else tuple(entries))
        if key not in self._derivations:
            from bptt_solver.derivation import derive

            self._derivations[key] = derive(
                self.computation,
                self.check,
                detail=options["detail"] if not entries else "scalar",
                entries=options["entries"] if entries is None else entries,
                steps=steps,
            )
        return self._derivations[key]

    def _method_blocks(self, derivation: Derivation, language: str) -> list[Block] | None:
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
        return narrate_method(derivation, method, forward, steps == "all", language)

    def _more(self, language: str) -> list[Block]:
        blocks: list[Block] = []
        if self.analyses:
            from bptt_solver.narrate import narrate_analyses

            blocks += narrate_analyses(self.analyses, language)
        if self._options["second"]:
            from bptt_solver.narrate import narrate_hessian

            self._hessian = self._hessian or self.hessian()
            blocks += narrate_hessian(self.target, *self._hessian, language)
        if self._options["closed_form"] or self._options["simplify"]:
            from bptt_solver.closed_form import closed_forms
            from bptt_solver.narrate import narrate_closed_forms

            if self._forms is None:
                self._forms = closed_forms(self.computation, simplified=self._options["simplify"])
            blocks += narrate_closed_forms(self._forms, language)
        return blocks

    def render(self, format: str = "text", fragment: bool = False, screen: Screen | None = None) -> str:
        """The derivation as ``text``, ``markdown``, ``latex``, ``typst``, ``ipynb`` (a notebook) or ``html`` (a whole
        page), or the numbers as ``json``; ``fragment``: of LaTeX what stands between ``\\begin`` and
        ``\\end{document}``; ``screen``: where a ``text`` is read, which says how wide it is and whether it has colours.
        `document` gives what is not text."""
        if format == "json":
            return self._json()
        if format in ("svg", "dot"):
            return self.drawn(format)
        if format == "html":
            from bptt_solver.page import page

            return page(self)
        if format in BINARY:
            hint = message("documents.as_bytes", format=format)
            raise fail(message("documents.bytes", format=format), hint=hint)
        if format not in FORMATS:
            raise fail(
                message("solution.format", name=format),
                hint=suggest(format, FORMATS) or message("api.one_of", names=message.listed([*FORMATS], "list.comma")),
            )
        if format in ("typst", "ipynb"):
            from bptt_solver.documents import document

            return str(document(self, format))
        from bptt_solver.language.notation.writer import PLAIN_STYLE
        from bptt_solver.render import render

        style = PLAIN_STYLE if self.convention is None else self.convention.style
        return render(self.blocks, format, style, self.language, fragment, screen)

    def document(self, format: str, tell: Callable[[str], object] | None = None) -> str | bytes:
        """The derivation with its picture as ``pdf`` or ``docx`` (bytes), or in a format of `render`; ``tell`` gets
        what is missing in it, such as a font. Raises ProblemError where a package is missing."""
        if format not in BINARY:
            return self.render(format)
        from bptt_solver.documents import document

        return document(self, format, tell)

    def picture(
        self,
        form: str = "auto",
        show: Sequence[str] | None = None,
        step: str | int | None = None,
        animate: bool = False,
    ) -> str:
        """The graph as SVG (docs/pictures.md): ``unrolled`` in time, ``folded``, or ``auto``: unrolled if it is small.

        ``show`` names what stands in it, of ``weights``, ``partials``, ``values`` and ``derivatives``; ``step`` lights
        a step of the backward sweep, by its number or by whose derivative it is; ``animate`` all of them in turn.
        """
        from bptt_solver.pictures.picture import picture

        return picture(self.computation, form, show, self.convention, step, animate, self.language)

    def chart(self, kind: str = "loss") -> str:
        """A chart as SVG: the ``loss`` of each step of training, or with ``flow`` how much of a state is left after so
        many steps. Raises ProblemError where there is no such thing."""
        from bptt_solver.pictures.charts import chart

        return chart(self, kind)

    def drawn(
        self,
        format: str,
        picture: str | None = None,
        show: str | None = None,
        step: str | None = None,
        animate: bool = False,
    ) -> str:
        """The graph in a format, as the command line asks for it: words between commas in ``show``."""
        words = None if show is None else [word.strip() for word in show.split(",")]
        if format == "dot":
            from bptt_solver.pictures.picture import picture_dot

            return picture_dot(self.computation, picture or "auto", words, self.convention, self.language)
        return self.picture(picture or "auto", words, step, animate)

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

    def _repr_mimebundle_(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
    ) -> dict[str, str]:
        """What a notebook shows: the page in a frame of its own, else Markdown, LaTeX or text."""
        from bptt_solver.documents.shown import REPRESENTATIONS

        wanted = [kind for kind in REPRESENTATIONS if include is None or kind in include]
        return {kind: REPRESENTATIONS[kind](self) for kind in wanted if kind not in (exclude or ())}


def _shaped(answer: Any, value: Any, name: str) -> Any:
    """An answer as a value of the shape of what it belongs to."""
    if not is_array(value):
        return answer
    import numpy

    array = numpy.asarray(answer, dtype=float)
    if array.shape != value.shape:
        raise fail(message("solution.shape", name=name, found=array.shape, expected=value.shape))
    return array
