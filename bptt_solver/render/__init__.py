"""Blocks become text, Markdown or LaTeX: one class a format, one method a block."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.blocks import Block


def render(blocks: Sequence[Block], format: str = "text") -> str:
    """A document in ``text``, ``markdown`` or ``latex``. Raises ValueError for another format."""
    if format == "text":
        from bptt_solver.render.text import TextRenderer

        return TextRenderer().render(blocks)
    if format == "markdown":
        from bptt_solver.render.markdown import MarkdownRenderer

        return MarkdownRenderer().render(blocks)
    if format == "latex":
        from bptt_solver.render.latex import LatexRenderer

        return LatexRenderer().render(blocks)
    raise ValueError(f"unknown format: {format}")
