"""From a document to a problem, one pass after the other; everything that is wrong is told at once where it can be."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bptt_solver.catalogues import message
from bptt_solver.errors import Problem as Wrong
from bptt_solver.errors import ProblemError, fail
from bptt_solver.evaluate import find_shapes
from bptt_solver.language.shapes import Shape
from bptt_solver.limits import Limits
from bptt_solver.problem.arrays import shape_of
from bptt_solver.problem.checks import check_names, check_unknown
from bptt_solver.problem.document import Document
from bptt_solver.problem.filling import Filling
from bptt_solver.problem.givens import check_givens, count_indices, given_parts
from bptt_solver.problem.making import Making
from bptt_solver.problem.model import Plugins, Problem
from bptt_solver.problem.names import span_of
from bptt_solver.problem.numbers import given_numbers
from bptt_solver.problem.outline import Irregular, outline_of
from bptt_solver.problem.sizes import find_sizes
from bptt_solver.problem.told import loose_text
from bptt_solver.problem.wanted import Wanted
from bptt_solver.problem.writing import read_equations, read_maps, survey
from bptt_solver.system import LooseShape, RankConflict, System, infer_shapes
from bptt_solver.unfold import Unfolded, unfold


def build(
    document: Document, limits: Limits, plugins: Plugins, target: str | None = None, wrt: Sequence[str] = ()
) -> Problem:
    """The problem that a document states; ``target`` and ``wrt`` come before its own. Raises ProblemError."""
    making = Making(document, limits, plugins)
    read_equations(making)
    making.filling = Filling(making)
    read_maps(making)
    survey(making)
    check_givens(making)
    count_indices(making)
    making.values = making.filling.values(making.arities)
    if making.network is not None:
        from bptt_solver.problem.classes import check_labels
        from bptt_solver.problem.declared import check_declared

        check_labels(making, making.network)
        check_declared(making)
    find_sizes(making)
    if making.network is not None:
        from bptt_solver.problem.zeros import fill_zeros

        fill_zeros(making)
    making.problems.raise_if_any()
    making.equations = [making.resolver.resolve(e, s, making.sizes) for e, s in making.surveyed]
    check_names(making)
    check_unknown(making)
    making.problems.raise_if_any()
    return _problem(making, target, wrt)


def _problem(making: Making, target: str | None, wrt: Sequence[str]) -> Problem:
    """The problem, after all its names are known."""
    roles = making.roles
    parts = given_parts(making, roles)
    system = System(making.equations, parts, making.operations, making.sizes, making.maps, roles=roles)
    shapes = _ranks(system, making.calls)
    if "transpose" in making.calls:
        from bptt_solver.problem.vectors import without_rows

        changed = without_rows(system)
        if changed is not system:
            system = changed
            _ranks(system)
    if any(o is not None and o.record is not None for o in map(making.operations.find, making.calls)):
        from bptt_solver.problem.classes import check_targets

        check_targets(making, system, shapes)
    given = given_numbers(making, system, shapes)
    asked = Wanted(making.document, making.network, making.limits)

    def instances() -> tuple[Unfolded, Mapping[int, Shape]]:
        unfolded = _unfold(making, system)
        own = {key: shape_of(value) for key, value in given.items()}
        return unfolded, find_shapes(unfolded, own, shapes, making.limits)

    outline = outline_of(system, shapes, making.limits)
    if outline is not None:
        try:
            chosen = asked.target(target, system, outline, outline.shapes)
            return Problem(
                making.document, system, None, None, given, chosen, asked.wrt(wrt, system, outline), making.limits,
                making.plugins, making.network, making.filling.remarks, outline, instances,
            )  # fmt: skip
        except (Irregular, ProblemError):
            pass  # it is told when the instances are known
    unfolded, sound = instances()
    chosen = asked.target(target, system, unfolded, sound)
    wanted = asked.wrt(wrt, system, unfolded)
    return Problem(
        making.document, system, unfolded, sound, given, chosen, wanted, making.limits, making.plugins, making.network,
        making.filling.remarks,
    )  # fmt: skip


def _unfold(making: Making, system: System) -> Unfolded:
    """The instances; what is wrong in the equations of a topology is told with what said how large its sizes are."""
    try:
        return unfold(system, making.limits)
    except ProblemError as error:
        written = [p.span is not None and p.span.source.written_by is not None for p in error.problems]
        raise ProblemError(
            *(
                Wrong(p.message, p.span, p.hint, (*p.notes, *making.said)) if generated else p
                for p, generated in zip(error.problems, written, strict=True)
            )
        ) from None


def _ranks(system: System, calls: Collection[str] | None = None) -> dict[str, LooseShape]:
    """Whether each family is of numbers, vectors or matrices."""
    try:
        return infer_shapes(system, calls)
    except RankConflict as conflict:
        equation, shape, known = conflict.args
        raise fail(
            message("shape.elsewhere", name=equation.name, shape=loose_text(shape), known=loose_text(known)),
            span_of(equation),
            message("shape.family"),
        ) from None  # fmt: skip
