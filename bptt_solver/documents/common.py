"""What documents share: the picture at their top, the words under the terms of a sum, fonts that may be missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bptt_solver.catalogues import message

if TYPE_CHECKING:
    from bptt_solver.solution import Solution

Tell = Callable[[str], object]  # gets what a reader should know: a font or a picture that is missing


def labels_of(solution: Solution) -> dict[str, str]:
    """The words that stand under the terms of a sum, in the language of a solution."""
    from bptt_solver.page.labels import labels

    return labels(solution.language)


def drawn(solution: Solution, most: float = 0.0) -> str:
    """The graph as SVG, or nothing where it has none: a system that is too large or has no nodes to draw. ``most``: the
    folded one where that of all time steps is more than so many pixels wide."""
    from bptt_solver.errors import ProblemError

    try:
        picture = solution.picture()
        if most and _width(picture) > most:
            folded = solution.picture("folded")
            picture = folded if _width(folded) < _width(picture) else picture
    except (ProblemError, ValueError):
        return ""
    return picture


def _width(svg: str) -> float:
    text = svg.partition(' width="')[2].partition('"')[0]
    return float(text) if text.replace(".", "").isdigit() else 0.0


def missing_fonts(wanted: Sequence[str], there: Sequence[str]) -> str | None:
    """What to say where none of the wanted families is there."""
    known = {name.lower() for name in there}
    if any(name.lower() in known for name in wanted):
        return None
    return message("documents.no_font", wanted=message.listed(wanted, "list.or"))
