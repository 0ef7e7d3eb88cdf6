"""How a solution shows itself in a notebook: a text for each kind of viewer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bptt_solver.solution import Solution

HEIGHT = 640  # pixels of the frame


def plain(solution: Solution) -> str:
    """For a terminal."""
    return solution.render("text")


def markdown(solution: Solution) -> str:
    """For viewers that know Markdown and formulas in dollars."""
    from bptt_solver.documents.notebook import markdown as told

    return told(solution)


def latex(solution: Solution) -> str:
    """For a notebook that is printed by way of LaTeX."""
    return solution.render("latex", fragment=True)


def html(solution: Solution) -> str:
    """The page in a frame of its own: its script runs there and nowhere else, and reaches nothing outside."""
    from bptt_solver.language.notation.mathml import escaped

    frame = f'style="width:100%;height:{HEIGHT}px;border:1px solid #8888;border-radius:4px"'
    return f'<iframe srcdoc="{escaped(solution.render("html"))}" sandbox="allow-scripts" {frame}></iframe>'


REPRESENTATIONS: Mapping[str, Callable[[Solution], str]] = {
    "text/plain": plain,
    "text/markdown": markdown,
    "text/latex": latex,
    "text/html": html,
}
