"""From a document to a problem: a forward system that is known to be sound, its instances in order, the numbers that
are given."""

from __future__ import annotations

import os
from collections.abc import Sequence

from bptt_solver.catalogues import message
from bptt_solver.errors import Source, fail
from bptt_solver.evaluate import find_shapes
from bptt_solver.limits import Limits
from bptt_solver.problem.arrays import shape_of
from bptt_solver.problem.builder import build
from bptt_solver.problem.document import Document, read_document
from bptt_solver.problem.model import Plugins, Problem
from bptt_solver.system import LooseShape
from bptt_solver.unfold import unfold


def build_problem(
    document: Document,
    limits: Limits | None = None,
    plugins: Sequence[str] = (),
    target: str | None = None,
    wrt: Sequence[str] = (),
) -> Problem:
    """A problem from a document. Raises ProblemError with everything that is wrong, as far as it can be told at
    once."""
    return build(document, limits or Limits(), Plugins(plugins), target, wrt)


def load_problem(
    where: str | os.PathLike[str] | Source,
    limits: Limits | None = None,
    plugins: Sequence[str] = (),
    target: str | None = None,
    wrt: Sequence[str] = (),
) -> Problem:
    """Read a document and build its problem."""
    limits = limits or Limits()
    return build_problem(read_document(where, limits), limits, plugins, target, wrt)


def with_eliminated(problem: Problem, name: str) -> Problem:
    """The problem after a node's definition was put into its users. Raises ProblemError if that cannot be done."""
    from bptt_solver.eliminate import eliminate

    if name == problem.target.name:
        raise fail(message("eliminate.target", name=name))
    system = eliminate(problem.system, name)
    unfolded = unfold(system, problem.limits)
    loose: dict[str, LooseShape] = {n: (None,) * r for n, r in system.ranks.items()}
    shapes = find_shapes(unfolded, {key: shape_of(value) for key, value in problem.given.items()}, loose)
    wrt = (
        None
        if problem.wrt is None
        else [w for w in problem.wrt if w.split("[")[0] in {*system.defining, *system.given}]
    )
    return Problem(
        problem.document,
        system,
        unfolded,
        shapes,
        problem.given,
        problem.target,
        wrt,
        problem.limits,
        problem.registry,
        problem.network,
        problem.remarks,
    )


__all__ = ["Plugins", "Problem", "build_problem", "load_problem", "with_eliminated"]
