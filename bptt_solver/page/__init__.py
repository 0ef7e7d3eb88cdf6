"""The page of a solution: one HTML file that needs nothing else, reads and prints without its script, and steps through
the derivation with it.

The font in ``assets`` is made from STIX Two Math 2.12 (SIL Open Font License, OFL.txt) under another name: pyftsubset
with the Latin, Greek and mathematical letters and signs that a derivation can have, features math, ssty, dtls, flac.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from bptt_solver.page.document import document
from bptt_solver.page.labels import all_labels, labels
from bptt_solver.page.views import Views

if TYPE_CHECKING:
    from bptt_solver.blocks import Block
    from bptt_solver.solution import Solution


class Embedding(NamedTuple):
    """What a page gets that is shown inside another one: a script and a style sheet. It has no other views then,
    because the page around it has what one chooses by."""

    script: str
    sheet: str


def page(solution: Solution, embedded: Embedding | None = None) -> str:
    """A solution as a page, in its language and notation first, with the others to choose from."""
    from bptt_solver.page.cells import live
    from bptt_solver.page.figure import Figure
    from bptt_solver.page.live import Live

    views = Views(solution)
    first = views.first()
    if not embedded:
        views.fill()
    figure = Figure(solution, views, labels(solution.language), live(solution.computation))
    numbers = Live(solution, [*views.html(), *figure.texts])
    return document(
        title=solution.computation.problem.title or solution.target,
        language=solution.language,
        article="\n".join(first),
        labels=all_labels(),
        views=None if embedded else views,
        figure=figure.html,
        sheet=figure.sheet + numbers.sheet + (embedded.sheet if embedded else ""),
        scripts=numbers.scripts | ({"embedded": embedded.script} if embedded else {}),
        more=figure.data + numbers.data,
    )


def page_of(blocks: Sequence[Block], title: str, language: str = "en", embedded: Embedding | None = None) -> str:
    """Blocks without a solution, such as the sums over a data set, as a page."""
    from bptt_solver.render.html import HtmlRenderer

    article = HtmlRenderer(labels=labels(language)).render(blocks)
    return document(
        title=title,
        language=language,
        article=article,
        labels=all_labels(),
        sheet=embedded.sheet if embedded else "",
        scripts={"embedded": embedded.script} if embedded else {},
    )
