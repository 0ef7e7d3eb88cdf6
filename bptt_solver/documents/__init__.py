"""Whole documents of a solution for other programs: Typst, PDF, Word, a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bptt_solver.documents.common import Tell

if TYPE_CHECKING:
    from bptt_solver.blocks import Block
    from bptt_solver.render.screen import Screen
    from bptt_solver.solution import Solution

FORMATS = ("typst", "pdf", "docx", "ipynb")
BINARY = ("pdf", "docx")


def document(solution: Solution, format: str, tell: Tell | None = None) -> str | bytes:
    """A solution as ``typst`` or ``ipynb`` (text), ``pdf`` or ``docx`` (bytes). Raises ProblemError where a package is
    missing, and ValueError for another format."""
    told = tell or _nobody
    if format == "typst":
        from bptt_solver.documents.typeset import typst_source

        return typst_source(solution)
    if format == "pdf":
        from bptt_solver.documents.typeset import pdf

        return pdf(solution, told)
    if format == "docx":
        from bptt_solver.documents.word import docx

        return docx(solution, told)
    if format == "ipynb":
        from bptt_solver.documents.notebook import notebook

        return notebook(solution)
    raise ValueError(f"unknown document: {format}")


def blocks_document(
    blocks: list[Block],
    format: str,
    title: str,
    language: str = "en",
    screen: Screen | None = None,
    fragment: bool = False,
) -> str | bytes:
    """Blocks without a solution, such as the sums over a data set, in every format that is made of blocks. ``screen``:
    how text is shown on a terminal. Raises ValueError for another format."""
    if format == "html":
        from bptt_solver.page import page_of

        return page_of(blocks, title, language)
    if format == "pdf":
        from bptt_solver.documents.typeset import blocks_pdf

        return blocks_pdf(blocks, _nobody, language)
    if format == "docx":
        from bptt_solver.documents.word import packed
        from bptt_solver.render.word import WordRenderer

        return packed(WordRenderer(), blocks, language)
    if format == "ipynb":
        from bptt_solver.documents.notebook import blocks_notebook

        return blocks_notebook(blocks, language)
    from bptt_solver.render import render

    return render(blocks, format, language=language, screen=screen, fragment=fragment)


def _nobody(_text: str) -> None:
    """Where nobody listens."""
