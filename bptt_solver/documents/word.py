"""A Word document as a package of XML parts, with the same bytes on every run; nothing but Python is needed for it."""

from __future__ import annotations

import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bptt_solver.blocks import Block, Heading
from bptt_solver.catalogues import message
from bptt_solver.documents.common import Tell, drawn, labels_of
from bptt_solver.documents.typeset import WIDEST, png
from bptt_solver.language.notation.mathml import escaped
from bptt_solver.render.base import harmless

if TYPE_CHECKING:
    from bptt_solver.render.word import WordRenderer
    from bptt_solver.solution import Solution

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date of a ZIP file, for every part
PARTS = Path(__file__).parent / "ooxml"
_FONTS = {"en": ("SimSun", "zh-CN"), "zh-Hans": ("SimSun", "zh-CN"), "zh-Hant": ("PMingLiU", "zh-TW")}
_SPACES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    "wp": "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
    "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
    "pic": "http://schemas.openxmlformats.org/drawingml/2006/picture",
}
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PAGE = (
    '<w:sectPr><w:footerReference w:type="default" r:id="footer"/><w:pgSz w:w="11906" w:h="16838"/>'
    '<w:pgMar w:top="1134" w:right="1134" w:bottom="1134" w:left="1134" w:header="567" w:footer="567" w:gutter="0"/>'
    "</w:sectPr>"
)


def docx(solution: Solution, tell: Tell) -> bytes:
    """The derivation as a Word document. Its picture is drawn by Typst, if that is installed."""
    from bptt_solver.render.word import WordRenderer

    convention = solution.convention
    more: dict[str, Any] = {} if convention is None else {"style": convention.style}
    renderer = WordRenderer(labels=labels_of(solution), picture=drawn(solution, WIDEST), png=png, **more)
    data = packed(renderer, solution.blocks, solution.language)
    if renderer.picture and not renderer.media:
        tell(message("documents.no_picture", command="pip install 'bptt-solver[word]'"))
    return data


def packed(renderer: WordRenderer, blocks: list[Block], language: str = "en") -> bytes:
    """Blocks as a Word document."""
    body = renderer.render(blocks)
    title = next((b.words for b in blocks if isinstance(b, Heading) and not b.level), ())
    named = escaped("".join([harmless(w) if isinstance(w, str) else "…" for w in title]))
    spaces = " ".join([f'xmlns:{prefix}="{name}"' for prefix, name in _SPACES.items()])
    font, code = _FONTS[language]
    files = {
        "[Content_Types].xml": part("content_types.xml"),
        "_rels/.rels": part("rels.xml"),
        "docProps/core.xml": part("core.xml").replace("{language}", language).replace("{title}", named),
        "word/document.xml": f"{_XML}<w:document {spaces}><w:body>{body}{_PAGE}</w:body></w:document>",
        "word/styles.xml": part("styles.xml").replace("{font}", font).replace("{code}", code),
        "word/settings.xml": part("settings.xml"),
        "word/footer.xml": part("footer.xml"),
        "word/_rels/document.xml.rels": _relations(len(renderer.media)),
    }
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for name, text in files.items():
            _write(package, name, text.encode())
        for number, data in enumerate(renderer.media, 1):
            _write(package, f"word/media/picture{number}.png", data)
    return out.getvalue()


def _write(package: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3  # the same on every system
    info.external_attr = 0o644 << 16
    package.writestr(info, data)


def _relations(pictures: int) -> str:
    related = [
        ("styles", "styles", "styles.xml"),
        ("settings", "settings", "settings.xml"),
        ("footer", "footer", "footer.xml"),
    ]
    related += [(f"picture{n}", "image", f"media/picture{n}.png") for n in range(1, pictures + 1)]
    lines = [
        f'<Relationship Id="{name}" Type="{_RELATED}/{kind}" Target="{target}"/>' for name, kind, target in related
    ]
    space = "http://schemas.openxmlformats.org/package/2006/relationships"
    return f'{_XML}<Relationships xmlns="{space}">{"".join(lines)}</Relationships>\n'


@cache
def part(name: str) -> str:
    """A part of every document."""
    return (PARTS / name).read_text(encoding="utf-8")
