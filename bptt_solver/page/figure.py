"""The figure beside the steps: one picture, and the others as data for the script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bptt_solver.catalogues import LANGUAGES
from bptt_solver.language.notation.mathml import escaped
from bptt_solver.page.drawings import FOLDED, NUMBERS, UNROLLED, Drawings
from bptt_solver.page.views import Views, compressed
from bptt_solver.pictures.svg import escaped as escaped_text

if TYPE_CHECKING:
    from bptt_solver.solution import Solution

WIDEST = 1000  # what is wider keeps its size and is scrolled
_WIDTH = re.compile(r' width="([0-9.]+)"')
_IDS = re.compile(r"((?:id=\"|labelledby=\"|url\(#|(?<=title) ))g-")
_TOLD = re.compile(r"(<title id=[^>]*>)[^<]*(</title>\n<desc [^>]*>)[^<]*(</desc>)")


class Figure:
    """``html`` and ``sheet`` of the figure, ``data``: a script element with its other looks. All are empty where there
    is no picture. ``texts`` are all pictures."""

    def __init__(self, solution: Solution, views: Views, labels: Mapping[str, str], alive: bool) -> None:
        self.html = self.sheet = self.data = ""
        drawings = Drawings(solution.computation, views.conventions(), alive)
        self.texts = list(drawings.svgs.values())
        told = drawings.told(LANGUAGES)
        own = {form: svg for (name, form), svg in drawings.svgs.items() if name == views.own}
        if UNROLLED not in own and FOLDED not in own:
            return
        shown = UNROLLED if UNROLLED in own else FOLDED
        bodies: dict[str, str] = {}
        for (name, form), svg in drawings.svgs.items():
            self.sheet, bodies[f"{name},{form}"] = _taken_apart(svg, form[0])
        title, description = map(escaped_text, told[solution.language][shown])
        first = _TOLD.sub(lambda m: f"{m[1]}{title}{m[2]}{description}{m[3]}", bodies[f"{views.own},{shown}"])
        name = escaped(labels["picture"])
        wide = " wide" if _width(first) > WIDEST else ""
        frame = f'<div class="frame{wide}" data-form="{shown}" tabindex="0" role="group" data-title="picture"'
        frame += f' aria-label="{name}">{first}</div>'
        self.html = f'<figure class="picture" id="picture">{frame}{_buttons(own, shown, labels)}</figure>'
        self.data = f'<script type="application/octet-stream" id="pictures">{_packed(bodies, told)}</script>\n'


def _buttons(own: Mapping[str, str], shown: str, labels: Mapping[str, str]) -> str:
    """What is chosen between: folded or unrolled, with numbers or without."""
    found = ""
    forms = [form for form in (UNROLLED, FOLDED) if form in own]
    for form in forms if len(forms) > 1 else ():
        pressed, word = "true" if form == shown else "false", escaped(labels["picture." + form])
        found += f'<button type="button" data-shows="{form}" data-label="picture.{form}" aria-pressed="{pressed}">'
        found += f"{word}</button>"
    if NUMBERS in own:
        word = escaped(labels["picture.numbers"])
        found += '<button type="button" id="numbered" data-label="picture.numbers" aria-pressed="false">'
        found += f"{word}</button>"
    return f"<figcaption>{found}</figcaption>" if found else ""


def _packed(bodies: Mapping[str, str], told: object) -> str:
    """The pictures as lines, each kept once; what stands at the same place in several is next to each other, so that
    it compresses well."""
    lines = {key: body.split("\n") for key, body in bodies.items()}
    order = sorted(lines, key=lambda key: key.rpartition(",")[2])
    numbers: dict[str, int] = {}
    for form in dict.fromkeys(key.rpartition(",")[2] for key in order):
        alike = [lines[key] for key in order if key.endswith(f",{form}")]
        for at in range(max(map(len, alike))):
            for own in alike:
                if at < len(own):
                    numbers.setdefault(own[at], len(numbers))
    found = {key: [numbers[line] for line in own] for key, own in lines.items()}
    return compressed({"lines": list(numbers), "order": found, "told": told})


def _width(svg: str) -> float:
    found = _WIDTH.search(svg)
    return float(found[1]) if found else 0.0


def _taken_apart(svg: str, prefix: str) -> tuple[str, str]:
    """The style sheet of a picture and the picture without it, its ids with a letter of its own."""
    before, _, rest = svg.partition("<style>")
    sheet, _, behind = rest.partition("</style>")
    return sheet, _IDS.sub(rf"\1{prefix}g-", before + behind)
