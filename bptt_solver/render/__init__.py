"""Blocks become text, Markdown or LaTeX: one class a format, one method a block."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.blocks import Block
from bptt_solver.language.notation.writer import PLAIN_STYLE, Style


def render(blocks: Sequence[Block], format: str = "text", style: Style = PLAIN_STYLE) -> str:
    """A document in ``text``, ``markdown`` or ``latex``. ``style``: how its names are written. Raises
    ValueError for another format."""
    if format == "text":
        from bptt_solver.render.text import TextRenderer

        return TextRenderer(style=style).render(blocks)
    if format == "markdown":
        from bptt_solver.render.markdown import MarkdownRenderer

        return MarkdownRenderer(style=style).render(blocks)
    if format == "latex":
        from bptt_solver.render.latex import LatexRenderer

        return LatexRenderer(style=style).render(blocks)
    raise ValueError(f"unknown format: {format}")
