"""The pictures beside the steps: the graph folded and unrolled, marked so that the script finds nodes and edges."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bptt_solver.errors import ProblemError
from bptt_solver.language.notation.mathml import escaped

FORMS = ("unrolled", "folded")
LARGEST = 200_000  # characters
WIDEST = 1000  # what is wider keeps its size and is scrolled
_WIDTH = re.compile(r' width="([0-9.]+)"')
_IDS = re.compile(r"((?:id=\"|labelledby=\"|url\(#|(?<=title) ))g-")

if TYPE_CHECKING:
    from bptt_solver.solution import Solution


def figure(solution: Solution, labels: Mapping[str, str]) -> tuple[str, str]:
    """The figure and its style sheet; nothing where there is no picture."""
    frames = pictures(solution)
    if not frames:
        return "", ""
    sheet = ""
    for form, svg in frames.items():
        sheet, frames[form] = _taken_apart(svg, form[0])
    shown = next(iter(frames))
    title = escaped(labels["picture"])
    body, buttons = "", ""
    for form, svg in frames.items():
        hidden = "" if form == shown else " hidden"
        wide = " wide" if _width(svg) > WIDEST else ""
        body += f'<div class="frame{wide}" data-form="{form}" tabindex="0" role="group" data-title="picture"'
        body += f' aria-label="{title}"{hidden}>{svg}</div>'
        pressed = "true" if form == shown else "false"
        buttons += f'<button type="button" data-shows="{form}" data-label="picture.{form}" aria-pressed="{pressed}">'
        buttons += f"{escaped(labels['picture.' + form])}</button>"
    caption = f"<figcaption>{buttons}</figcaption>" if len(frames) > 1 else ""
    return f'<figure class="picture" id="picture">{body}{caption}</figure>', sheet


def pictures(solution: Solution) -> dict[str, str]:
    """The pictures by form, the one that is shown first at the front."""
    from bptt_solver.pictures.picture import picture

    found: dict[str, str] = {}
    for form in FORMS:
        try:
            svg = picture(solution.computation, form, convention=solution.convention, language=solution.language)
        except ProblemError:
            continue
        if len(svg) <= LARGEST and svg not in found.values():
            found[form] = svg
    return found


def _width(svg: str) -> float:
    found = _WIDTH.search(svg)
    return float(found[1]) if found else 0.0


def _taken_apart(svg: str, prefix: str) -> tuple[str, str]:
    """The style sheet of a picture and the picture without it, its ids with a letter of its own."""
    before, _, rest = svg.partition("<style>")
    sheet, _, behind = rest.partition("</style>")
    return sheet, _IDS.sub(rf"\1{prefix}g-", before + behind)
