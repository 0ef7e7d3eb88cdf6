"""The body of a Word document (WordprocessingML): paragraphs, tables, and formulas as equations that can be edited."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence

from bptt_solver.blocks import Alert, Block, Curve, Flow, Formulas, Heading, Line, Note, Paragraph, Table, Words
from bptt_solver.language.notation.mathml import escaped
from bptt_solver.language.notation.omml import measured, omml, run, word
from bptt_solver.language.notation.writer import PLAIN_STYLE, Style
from bptt_solver.render.base import Renderer, harmless
from bptt_solver.render.columns import columns
from bptt_solver.render.curve import standing_alone
from bptt_solver.render.html import LABELS, HtmlRenderer
from bptt_solver.render.shades import mixed, shades

WIDE = 68.0  # characters that fit on a row
SHORT = 34.0  # characters of a formula that shares a row
INDENT = 454  # twentieths of a point that a group is set in
HANGING = 567  # and the rows below the first
TABLE = 9600  # twentieths of a point between the margins
LETTER, CELL = 6.2, 180  # of a letter to the half point of its size, and what a cell has besides
SMALL_TABLE = 7  # columns from which a table has smaller letters
PIXEL = 7200  # English metric units of a pixel in a picture: three quarters of its size on a screen
WIDEST = 6_120_000
SOFT = '<w:rPr><w:color w:val="5B6770"/><w:sz w:val="19"/></w:rPr>'
_INFIX = re.compile(r'<mo form="infix"[^>]*>([+−])</mo>')
_EQUALS = run("=")
_QUAD = word("\u2003\u2002")

Png = Callable[[str], "bytes | None"]


class WordRenderer(HtmlRenderer):
    """Blocks as the children of a ``<w:body>``. ``png`` makes a picture of an SVG, or nothing; those that are in the
    document stand in ``media``, in order."""

    def __init__(
        self,
        style: Style = PLAIN_STYLE,
        labels: Mapping[str, str] = LABELS,
        picture: str = "",
        png: Png = lambda _svg: None,
    ) -> None:
        super().__init__(style, labels)
        self.picture = picture
        self.png = png
        self.media: list[bytes] = []

    def render(self, blocks: Sequence[Block]) -> str:
        """The body; the picture stands behind the title."""
        body = [self.block(b) for b in blocks]
        for at, (block, following) in enumerate(itertools.pairwise(blocks)):
            if isinstance(block, Paragraph) and isinstance(following, (Formulas, Flow)):
                body[at] = self.paragraph(block, keep=True)  # not alone at the foot of a page
        if self.picture:
            titled = bool(blocks) and isinstance(blocks[0], Heading) and not blocks[0].level
            body.insert(1 if titled else 0, self._drawn(self.picture))
        return "\n".join([text for text in body if text]) + "\n"

    def plain(self, text: str) -> str:
        return f'<w:r><w:t xml:space="preserve">{escaped(harmless(text))}</w:t></w:r>' if text else ""

    def inline(self, formula: str) -> str:
        return f"<m:oMath>{omml(formula)}</m:oMath>"

    def words(self, words: Words) -> str:
        return Renderer.words(self, words)

    # -- blocks

    def heading(self, block: Heading) -> str:
        number = self.plain(f"{block.number}\u2002") if block.number else ""
        style = f"Heading{block.level}" if block.level else "Title"
        text = paragraph(number + self.words(block.words), style)
        return text + (paragraph(self.words(block.remark), "Remark") if block.remark else "")

    def paragraph(self, block: Paragraph, keep: bool = False) -> str:
        indent = INDENT if block.depth else 0
        return self._mark(block.lead) + paragraph(self.words(block.words), indent=indent, keep=keep)

    def formulas(self, block: Formulas) -> str:
        return self._mark(block.lead) + "".join([self._chain_of(line, block.depth) for line in block.lines])

    def flow(self, block: Flow) -> str:
        rows: list[str] = []
        room = 0.0
        for line in block.items:
            found = self.rows(line)
            text, width = found[0] if len(found) == 1 else ("", WIDE)
            if not line.chain or line.lead or len(found) != 1 or self._is_long(line.remark):
                rows.append(self._chain_of(line, block.depth))
                room = 0.0
            elif width <= SHORT and room >= width + 3:
                rows[-1] += _QUAD + text
                room -= width + 3
            else:
                rows.append(text)
                room = WIDE - width
        indent = INDENT if block.depth else 0
        return self._mark(block.lead) + "".join([r if r.startswith("<w:p>") else equation(r, indent) for r in rows])

    def table(self, block: Table) -> str:
        wide = max(map(len, (block.header, *block.rows)))
        size = 18 if wide < SMALL_TABLE else 15
        widths = self._widths((block.header, *block.rows), wide, size)
        rows = [self._row_of([self.words(c) for c in block.header], [], wide, size, head=True)]
        for cells, colours in zip(block.rows, shades(block), strict=True):
            rows.append(self._row_of([self.words(c) for c in cells], colours, wide, size))
        caption = paragraph(self.words(block.caption), "Caption") if block.caption else ""
        drawn = "" if block.curve is None else self._curve(block.curve, block)
        borders = "".join(
            [f'<w:{side} w:val="single" w:sz="8" w:space="0" w:color="444444"/>' for side in ("top", "bottom")]
        )
        margins = '<w:tblCellMar><w:left w:w="70" w:type="dxa"/><w:right w:w="70" w:type="dxa"/></w:tblCellMar>'
        grid = "".join([f'<w:gridCol w:w="{width}"/>' for width in widths])
        return (
            f'{caption}{drawn}<w:tbl><w:tblPr><w:tblW w:w="0" w:type="auto"/><w:tblBorders>{borders}</w:tblBorders>'
            f"{margins}</w:tblPr><w:tblGrid>{grid}</w:tblGrid>{''.join(rows)}</w:tbl>{paragraph('', 'Gap')}"
        )

    def _widths(self, rows: Sequence[Sequence[Words]], wide: int, size: int) -> list[int]:
        """The widths of columns in twentieths of a point: what stands in them, and no more than the page has."""
        found = [0.0] * wide
        for row in rows:
            for at, cell in enumerate(row):
                found[at] = max(found[at], self._width(cell))
        own = [round(width * size * LETTER) + CELL for width in found]
        scale = min(1.0, TABLE / sum(own))
        return [round(width * scale) for width in own]

    def _row_of(
        self, cells: Sequence[str], colours: Sequence[int | None], wide: int, size: int, head: bool = False
    ) -> str:
        border = (
            '<w:tcBorders><w:bottom w:val="single" w:sz="4" w:space="0" w:color="444444"/></w:tcBorders>'
            if head
            else ""
        )
        middle = '<w:vAlign w:val="center"/>'
        out: list[str] = []
        for at, cell in enumerate([*cells, *[""] * (wide - len(cells))]):
            shade = colours[at] if at < len(colours) else None
            fill = f'<w:shd w:val="clear" w:color="auto" w:fill="{mixed(shade)}"/>' if shade else ""
            text = cell.replace("<w:r>", f'<w:r><w:rPr><w:sz w:val="{size}"/></w:rPr>')
            side = "right" if at else "left"
            out.append(f"<w:tc><w:tcPr>{border}{fill}{middle}</w:tcPr>{paragraph(text, 'Cell', align=side)}</w:tc>")
        header = "<w:trPr><w:tblHeader/></w:trPr>" if head else ""
        return f"<w:tr>{header}{''.join(out)}</w:tr>"

    def _curve(self, curve: Curve, block: Table) -> str:
        svg = standing_alone(curve.first, curve.numbers)
        return self._drawn(svg) if svg else ""

    def note(self, block: Note) -> str:
        return paragraph(self.words(block.words), "Note")

    def alert(self, block: Alert) -> str:
        return paragraph(self.words(block.words), "Alert")

    # -- lines

    def _mark(self, lead: Words) -> str:
        """What a group is about, above it."""
        return paragraph(self.words(lead), "Group") if lead else ""

    def _chain_of(self, line: Line, depth: int) -> str:
        """One line: its reason as words, then its rows."""
        indent = INDENT if depth else 0
        why = paragraph(self.words(line.lead), "Why", indent=indent) if line.lead else ""
        if not line.chain:
            return why + (paragraph(self.words(line.remark), "Why", indent=indent) if line.remark else "")
        rows = self.rows(line)
        first = equation(rows[0][0], indent, keep=len(rows) > 1)
        more = [equation(text, indent + HANGING) for text, _ in rows[1:]]
        if self._is_long(line.remark):  # words in an equation are not broken
            more.append(paragraph(self.words(line.remark), "Why", indent=indent + HANGING))
        return why + first + "".join(more)

    def _is_long(self, words: Words) -> bool:
        return self._width(words) > WIDE - 8

    def _width(self, words: Words) -> float:
        """Roughly how many characters wide words with formulas are."""
        return sum([columns(w) if isinstance(w, str) else measured(self.item(w))[1] for w in words])

    def rows(self, line: Line) -> list[tuple[str, float]]:
        """A chain in rows that fit on the page, with how wide they are: broken before signs of equality, then before
        the summands of a long sum."""
        if not line.chain:
            return []
        first, *rest = line.chain
        rows = [measured(self.item(first))]
        ways = self._ways(line.step, rest)
        for at, item in enumerate(rest):
            joined = self._joined(self.split(item, True), ways) if ways and at == 0 else []
            terms = [self._term(text, self._label(way), n == 0) for n, (text, way) in enumerate(joined)]
            whole = terms or [measured(piece) for piece in self.split(item)]
            pieces = whole if sum(w for _, w in whole) > WIDE - 12 or terms else [measured(self.item(item))]
            _add(rows, _EQUALS + pieces[0][0], pieces[0][1] + 3, at > 0)
            for text, width in pieces[1:]:
                _add(rows, text, width, True)
        if line.remark and not self._is_long(line.remark):
            text = f"{_QUAD}{self._remark(line.remark)}"
            _add(rows, text, self._width(line.remark) + 2.0, True)
        return rows

    def _remark(self, words: Words) -> str:
        """Words inside an equation."""
        return "".join([word(harmless(w), SOFT) if isinstance(w, str) else omml(self.item(w)) for w in words])

    def _label(self, way: object) -> str:
        if not getattr(way, "instance", ""):
            return word(self.labels["direct"], SOFT)
        before, _, after = self.labels["through"].partition("{name}")
        return self._remark(tuple([w for w in (before, *getattr(way, "name", ()), after) if w]))

    def _term(self, text: str, label: str, first: bool) -> tuple[str, float]:
        """A term with a brace below it and what it is."""
        found = None if first else _INFIX.match(text)
        sign = run(found[1]) if found else ""
        inside, width = measured(text[found.end() :] if found else text)
        brace = '<m:groupChrPr><m:chr m:val="⏟"/><m:pos m:val="bot"/><m:vertJc m:val="top"/></m:groupChrPr>'
        braced = f"<m:groupChr>{brace}<m:e>{inside}</m:e></m:groupChr>"
        return f"{sign}<m:limLow><m:e>{braced}</m:e><m:lim>{label}</m:lim></m:limLow>", max(width, 8.0) + 2

    # -- pictures

    def _drawn(self, svg: str) -> str:
        data = self.png(svg)
        if data is None:
            return ""
        self.media.append(data)
        number = len(self.media)
        wide, high = (float(svg.partition(f' {name}="')[2].partition('"')[0]) * PIXEL for name in ("width", "height"))
        scale = min(1.0, WIDEST / wide)
        size = f'cx="{round(wide * scale)}" cy="{round(high * scale)}"'
        told = escaped(harmless(svg.partition("<desc")[2].partition(">")[2].partition("<")[0])).replace("&amp;", "&")
        named = f'id="{number}" name="picture {number}" descr="{told}"'
        picture = (
            f"<pic:pic><pic:nvPicPr><pic:cNvPr {named}/><pic:cNvPicPr/></pic:nvPicPr><pic:blipFill>"
            f'<a:blip r:embed="picture{number}"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill><pic:spPr><a:xfrm>'
            f'<a:off x="0" y="0"/><a:ext {size}/></a:xfrm>'
            '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr></pic:pic>'
        )
        inline = (
            f'<w:r><w:drawing><wp:inline distT="0" distB="0" distL="0" distR="0"><wp:extent {size}/><wp:docPr {named}/>'
            '<a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture">'
            f"{picture}</a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
        )
        return paragraph(inline, align="center")


def _add(rows: list[tuple[str, float]], text: str, width: float, may_break: bool) -> None:
    """Put a piece behind the last row, or begin a new one with it."""
    before, filled = rows[-1]
    room = WIDE if len(rows) == 1 else WIDE - 5
    if may_break and filled + width > room:
        rows.append((text, width))
    else:
        rows[-1] = (before + text, filled + width)
    for sign in ("=", "+", "−"):
        start = run(sign)
        if len(rows) > 1 and rows[-1][0].startswith(start):  # LibreOffice looks for what stands in front of a sign
            rows[-1] = (word(f"{sign}\u2005") + rows[-1][0].removeprefix(start), rows[-1][1])


def paragraph(inside: str, style: str = "", indent: int = 0, align: str = "", keep: bool = False) -> str:
    """A paragraph with runs in it; ``keep``: on the page of the next one."""
    properties = f'<w:pStyle w:val="{style}"/>' if style else ""
    properties += "<w:keepNext/>" if keep else ""
    properties += f'<w:ind w:left="{indent}"/>' if indent else ""
    properties += f'<w:jc w:val="{align}"/>' if align else ""
    return f"<w:p>{f'<w:pPr>{properties}</w:pPr>' if properties else ''}{inside}</w:p>"


def equation(inside: str, indent: int, keep: bool = False) -> str:
    """An equation on a line of its own."""
    left = '<m:oMathParaPr><m:jc m:val="left"/></m:oMathParaPr>'
    kept = "<w:keepNext/>" if keep else ""
    properties = f'<w:pPr><w:pStyle w:val="Formula"/>{kept}<w:ind w:left="{indent}"/></w:pPr>'
    return f"<w:p>{properties}<m:oMathPara>{left}<m:oMath>{inside}</m:oMath></m:oMathPara></w:p>"


__all__ = ["WordRenderer", "equation", "paragraph"]
