"""Typst documents and what the package ``typst`` makes of them: PDF pages, and pictures as PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bptt_solver.blocks import Block
from bptt_solver.catalogues import message
from bptt_solver.documents.common import Tell, drawn, labels_of, missing_fonts
from bptt_solver.errors import fail

if TYPE_CHECKING:
    from bptt_solver.language.notation.writer import Style
    from bptt_solver.solution import Solution

WIDEST = 1100.0  # pixels of a picture that can still be read on a page
_CHINESE = range(0x2E80, 0xFB00)


def typst_source(solution: Solution) -> str:
    """The derivation as a Typst document that needs nothing else."""
    from bptt_solver.render.typst import TypstRenderer

    convention = solution.convention
    more: dict[str, Any] = {} if convention is None else {"style": convention.style}
    renderer = TypstRenderer(
        language=solution.language, labels=labels_of(solution), picture=drawn(solution, WIDEST), **more
    )
    return renderer.render(solution.blocks)


def pdf(solution: Solution, tell: Tell) -> bytes:
    """The derivation as PDF, the same bytes on every run. Raises ProblemError where Typst is not installed."""
    typst = _typst("pdf")
    return _compiled(typst, typst_source(solution), tell, solution.language)


def blocks_pdf(blocks: list[Block], tell: Tell, language: str = "en", style: Style | None = None) -> bytes:
    """Blocks without a solution, such as the sums over a data set, as PDF."""
    from bptt_solver.render.typst import TypstRenderer

    typst = _typst("pdf")
    more: dict[str, Any] = {} if style is None else {"style": style}
    return _compiled(typst, TypstRenderer(language=language, **more).render(blocks), tell, language)


def png(svg: str, pixels_per_inch: float = 220.0) -> bytes | None:
    """An SVG as PNG; None where Typst is not installed."""
    from bptt_solver.render.typst import image

    try:
        import typst
    except ImportError:
        return None
    source = f"#set page(width: auto, height: auto, margin: 0pt)\n{image(svg)}\n"
    out = typst.compile(source.encode(), format="png", ppi=pixels_per_inch)
    return out if isinstance(out, bytes) else bytes(out[0])


def _compiled(typst: Any, source: str, tell: Tell, language: str) -> bytes:
    from bptt_solver.render.typst import FONTS

    if language != "en" or any(ord(c) in _CHINESE for c in source):
        found = missing_fonts(FONTS[language], typst.Fonts().families())
        if found is not None:
            tell(found)
    return bytes(typst.compile(source.encode()))


def _typst(format: str) -> Any:
    try:
        import typst
    except ImportError:
        raise fail(
            message("documents.no_typst", format=format),
            hint="pip install 'bptt-solver[pdf]'",
        ) from None
    return typst
