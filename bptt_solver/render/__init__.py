"""Blocks become text, Markdown, LaTeX, HTML or Typst: one class a format, one method a block."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.blocks import Block
from bptt_solver.language.notation.writer import PLAIN_STYLE, Style

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bptt_solver.render.screen import Screen


def render(
    blocks: Sequence[Block],
    format: str = "text",
    style: Style = PLAIN_STYLE,
    language: str = "en",
    fragment: bool = False,
    screen: Screen | None = None,
) -> str:
    """A document in ``text``, ``markdown``, ``latex`` or ``typst``, or the ``html`` inside a page. ``style``: how its
    names are written; ``language``: that of its words, for fonts; ``fragment``: the body of a LaTeX document alone.
    ``screen``: where the text is read, a file if nothing is said. Raises ValueError for another format."""
    if format == "text" and screen is not None:
        return _on_screen(blocks, style, screen)
    if format == "text":
        from bptt_solver.render.text import TextRenderer

        return TextRenderer(style=style).render(blocks)
    if format == "markdown":
        from bptt_solver.render.markdown import MarkdownRenderer

        return MarkdownRenderer(style=style).render(blocks)
    if format == "latex":
        from bptt_solver.render.latex import LatexRenderer

        return LatexRenderer(style, language, fragment).render(blocks)
    if format == "html":
        from bptt_solver.render.html import HtmlRenderer

        return HtmlRenderer(style=style).render(blocks)
    if format == "typst":
        from bptt_solver.render.typst import TypstRenderer

        return TypstRenderer(style, language).render(blocks)
    raise ValueError(f"unknown format: {format}")


def _on_screen(blocks: Sequence[Block], style: Style, screen: Screen) -> str:
    spell = screen.spell if screen.encoding else None
    if screen.palette is None:
        from bptt_solver.render.text import TextRenderer

        return TextRenderer(screen.width, style, spell, screen.strict).render(blocks)
    from bptt_solver.render.terminal import TerminalRenderer

    return TerminalRenderer(screen.palette, screen.width, style, spell, screen.strict).render(blocks)
