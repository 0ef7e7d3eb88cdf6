"""A document for Typst that needs no package: ``typst compile`` makes a PDF of it, here or anywhere."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bptt_solver.blocks import (
    Alert,
    Block,
    Curve,
    Flow,
    Formula,
    Formulas,
    Heading,
    Item,
    Line,
    Note,
    Paragraph,
    Table,
    Words,
)
from bptt_solver.language.expressions import Call, Reference
from bptt_solver.language.notation.numbers import format_number
from bptt_solver.language.notation.typst import COMMA, NABLA, TIMES, quoted, typst_number
from bptt_solver.language.notation.writer import PLAIN_STYLE, Notation, Style
from bptt_solver.render.arrays import ArrayRenderer
from bptt_solver.render.base import NEGATIVE, NEGATIVE_PRODUCT, PRODUCT, harmless
from bptt_solver.render.curve import standing_alone
from bptt_solver.render.leaves import Names
from bptt_solver.render.shades import mixed, shades

SHORT = 26  # half the characters of a formula that is not broken
WHOLE = 60  # characters of what is not broken between two signs of equality
SHORT_LEAD = 7  # characters of a mark that stands in the margin of its group
SMALL_TABLE, SMALLER_TABLE = 8, 11  # columns from which a table has smaller letters
SMALL_ROWS = 12  # of a table that stands on one page
PAGE = 17.0  # centimetres between the margins
LABELS = {"direct": "direct", "through": "through {name}"}
FONTS = {
    "en": ("Noto Serif CJK SC", "Source Han Serif SC", "Noto Sans CJK SC"),
    "zh-Hans": ("Noto Serif CJK SC", "Source Han Serif SC", "Songti SC", "SimSun", "Noto Sans CJK SC"),
    "zh-Hant": ("Noto Serif CJK TC", "Source Han Serif TC", "Songti TC", "PMingLiU", "Noto Sans CJK TC"),
}
_LANGUAGES = {"en": '"en"', "zh-Hans": '"zh", region: "cn"', "zh-Hant": '"zh", region: "tw"'}
_ESCAPED = frozenset("\\#$*_`<>@~=-+/[]\"'{}|^&%")
_SIGNS = {
    "∂": "$∂$", "⁺": "#super[\\+];", "ᵀ": "$\"\"^⊤$", "⊙": "$⊙$", "ℝ": "$RR$", "∈": "$in$", "‖": "$||$", "→": "$→$",
    "−": "−", "∇": "$∇$", "½": "$1\\/2$", "≤": "$≤$", "≥": "$≥$", "≠": "$≠$", "≈": "$≈$", "∞": "$∞$", "Σ": "$Σ$",
    "·": "$·$", "×": "$×$",
}  # fmt: skip
_MATRIX = re.compile(r'mat\(delim: "\[", ((?:[^()]|\([^()]*\))*)\)')
_LABEL = re.compile(r", #text\(size: 0.9em\)\[.*?\]\)")  # below a brace
_COMMAND = re.compile(r"(frac|attach|mat|sum|op|delim|thin|med|quad|underbrace|hat|macron|dot|tilde|upright)|[()_^, ]")

_NEGATIVE = (NEGATIVE, NEGATIVE_PRODUCT)

_PREAMBLE = r"""#set page(paper: "a4", margin: (x: 2cm, y: 2.2cm), numbering: "1")
#set par(leading: 0.6em, spacing: 0.75em)
#show heading.where(level: 1): set text(size: 17pt)
#show heading.where(level: 2): it => block(above: 1.5em, below: 0.8em, text(size: 12.5pt, it.body))
#let soft = rgb("#5b6770")
#let remark(body) = text(size: 0.88em, fill: soft, body)
#let below(body) = block(above: 0.6em, sticky: true, remark(body))
#let part(body) = math.display(body)
#let tall(body) = {
  set par(leading: 0pt)
  par(leading: 0.7em, body)
}
#let deep(body) = pad(left: 1.15cm, body)
#let keep(body) = block(sticky: true, body)
#let margin(body) = context h(-1.15cm) + box(width: 1.15cm, strong(body))
#let group(body) = block(above: 1.1em, sticky: true, strong(body))
// One line of a derivation: its left side ends where those of its neighbours end.
#let lines(..given) = context {
  set par(leading: 0pt) // that of the formulas: their height counts in full
  let rows = given.pos()
  let lefts = rows.map(row => measure(row.left).width)
  let wide = calc.min(6cm, calc.max(0pt, ..lefts.filter(width => width < 6cm)))
  for (row, width) in rows.zip(lefts) {
    if row.why != none { block(below: 0.5em, above: 0.9em, sticky: true, remark(row.why)) }
    if row.left != none {
      par(hanging-indent: wide + 0.5cm, leading: 0.55em, spacing: 0.75em, {
        row.lead
        h(calc.max(wide - width, 0pt))
        row.left
        if row.right != [] { h(0.28em) }
        row.right
        if row.note != none { h(1.4em, weak: true); box(remark(row.note)) }
      })
    } else if row.note != none { par(remark(row.note)) }
  }
}
#let line(left, right, why: none, note: none, lead: none) = (left: left, right: right, why: why, note: note, lead: lead)
#let flow(..items) = {
  set par(leading: 0pt)
  par(leading: 0.6em, items.pos().join(h(1.8em, weak: true) + sym.zws))
}
#let note(body) = block(inset: (left: 0.8em, y: 0.2em), stroke: (left: 1.5pt + luma(200)), remark(body))
#let red = rgb("#c0392b")
#let alert(body) = block(width: 100%, inset: 0.7em, radius: 3pt, fill: red.lighten(90%), stroke: 0.8pt + red, body)
// A table as wide as the page allows: a wider one is drawn smaller.
#let fitting(body) = layout(size => {
  let own = measure(body).width
  if own > size.width { scale(size.width / own * 100%, origin: left, reflow: true, body) } else { body }
})
#let whole(body) = block(breakable: false, fitting(body))
"""


class TypstRenderer(ArrayRenderer):
    """Blocks as a Typst document. ``picture`` is an SVG that stands under the title; ``labels`` are the words under
    the terms of a sum; ``language`` that of the words, for hyphens and fonts."""

    FRACTION = "frac"
    NABLA = NABLA
    SUPERSCRIPT = "^("
    MATRIX = ('mat(delim: "[", ', ")")
    COLUMN, ROW, ENTRY = ", ", "; ", COMMA + " "

    def __init__(
        self,
        style: Style = PLAIN_STYLE,
        language: str = "en",
        labels: Mapping[str, str] = LABELS,
        picture: str = "",
    ) -> None:
        super().__init__(style)
        self._names = Names(self)
        self.language = language
        self.labels = labels
        self.picture = picture

    def render(self, blocks: Sequence[Block]) -> str:
        """The whole document; the picture stands behind the title."""
        title = next((b for b in blocks if isinstance(b, Heading) and not b.level), None)
        named = self._plain_words(title.words) if title is not None else ""
        fonts = ", ".join([quoted(f) for f in FONTS[self.language]])
        head = f"#set document(title: {quoted(named)}, date: none)\n{_PREAMBLE}"
        head += f'#set text(font: ("New Computer Modern", {fonts}), size: 10.5pt, lang: {_LANGUAGES[self.language]})\n'
        head += f'#show math.equation: set text(font: ("New Computer Modern Math", {fonts}))\n'
        body = [self.block(b) for b in blocks]
        for at, (block, following) in enumerate(itertools.pairwise(blocks)):
            if isinstance(block, Paragraph) and isinstance(following, (Formulas, Flow)):
                body[at] = f"#keep[{body[at]}]"  # not alone at the foot of a page
        if self.picture:
            body.insert(1 if title is not None and blocks[0] is title else 0, image(self.picture))
        return head + "\n" + "\n\n".join(body) + "\n"

    def _plain_words(self, words: Words) -> str:
        return "".join([harmless(w) if isinstance(w, str) else "…" for w in words])

    def notation(self) -> Notation:
        return Names(self)

    def name(self, reference: Reference) -> str:
        return self._names.reference(reference)

    def single(self, value: Any, digits: int) -> str:
        return typst_number(format_number(value, digits))

    def _kind(self, text: str) -> tuple[int, str]:
        kind, text = super()._kind(text)
        if text[:1].isdigit() and TIMES in text:
            return NEGATIVE_PRODUCT if kind in _NEGATIVE else PRODUCT, text
        return kind, text

    def plain(self, text: str) -> str:
        """Words: every sign that Typst could obey is escaped."""
        shown = "".join([f"\\{c}" if c in _ESCAPED else _SIGNS.get(c, c) for c in harmless(text)])
        return shown.replace(r"\-\-", r"#text(ligatures: false)[\-\-];")  # the font would join the hyphens

    def inline(self, formula: str) -> str:
        return f"${formula.strip()}$"

    def words(self, words: Words) -> str:
        """A sentence; no line of it begins as a list would."""
        text = super().words(words)
        number, dot, rest = text.partition(".")
        return f"{number}\\.{rest}" if dot and number.isdigit() else text

    # -- blocks

    def heading(self, block: Heading) -> str:
        number = f"{self.plain(block.number)} #h(0.5em) " if block.number else ""
        text = f"{'=' * (block.level + 1)} {number}{self.words(block.words)}"
        return f"{text}\n#below[{self.words(block.remark)}]" if block.remark else text

    def paragraph(self, block: Paragraph) -> str:
        if block.depth:
            return f"#deep[{self._roomy(self._margin(block.lead) + self.words(block.words))}]"
        lead = f"*{self.words(block.lead)}* " if block.lead else ""
        return self._roomy(f"{lead}{self.words(block.words)}")

    def _roomy(self, text: str) -> str:
        """A sentence with room above and below its fractions."""
        return f"#tall[{text}]" if "frac(" in text else text

    def formulas(self, block: Formulas) -> str:
        return self._lines(block.lines, block.lead, block.depth)

    def flow(self, block: Flow) -> str:
        if any(not item.chain for item in block.items):
            return self._lines(block.items, block.lead, block.depth)
        shown = ",\n  ".join([f"[{self._joined(item)}]" for item in block.items])
        return self._set_in(f"#flow(\n  {shown.replace('[', '[{lead}', 1)},\n)", block.lead, block.depth)

    def _lines(self, lines: Sequence[Line], lead: Words, depth: int) -> str:
        rows = ",\n  ".join([self._line(line, "" if at else ", lead: [{lead}]") for at, line in enumerate(lines)])
        return self._set_in(f"#lines(\n  {rows},\n)", lead, depth)

    def _set_in(self, text: str, lead: Words, depth: int) -> str:
        """A group under its mark: a short one in the margin of its first line, a longer one above."""
        if not depth:
            return (f"#group[{self.words(lead)}]\n" if lead else "") + text.replace("{lead}", "", 1)
        mark = self._margin(lead)
        if mark.startswith("*"):
            return f"#deep[{mark}\n{text.replace('{lead}', '', 1)}]"
        return f"#deep[{text.replace('{lead}', mark, 1)}]"

    def _margin(self, lead: Words) -> str:
        """The mark of a group; a long one does not fit into the margin."""
        if not lead:
            return ""
        text = self.words(lead)
        return f"#margin[{text}]" if _size(text) <= SHORT_LEAD else f"*{text}* "

    def table(self, block: Table) -> str:
        wide = max(map(len, (block.header, *block.rows)))
        head = ", ".join([f"[{self.words(c)}]" for c in (*block.header, *[()] * (wide - len(block.header)))])
        rows: list[str] = []
        for cells, colours in zip(block.rows, shades(block), strict=True):
            texts = [self._cell(c, colours[at]) for at, c in enumerate(cells)]
            rows.append(", ".join([*texts, *["[]"] * (wide - len(cells))]))
        size = 10 if wide < SMALL_TABLE else 9 if wide < SMALLER_TABLE else 8
        body = ",\n  ".join(["table.hline()", f"table.header({head})", "table.hline(stroke: 0.5pt)", *rows])
        high = 6 if "frac(" in body else 4
        align = ", ".join(["left", *["right"] * (wide - 1)])
        way = "whole" if len(rows) <= SMALL_ROWS else "fitting"
        table = (
            f"#{way}[#set text(size: {size}pt)\n#table(columns: {wide}, align: ({align}{',' if wide == 1 else ''}), "
            f"stroke: none, inset: (x: 5pt, y: {high}pt),\n  {body},\n  table.hline(),\n)]"
        )
        caption = f"#block(sticky: true)[{self.words(block.caption)}]\n" if block.caption else ""
        drawn = "" if block.curve is None else self._curve(block.curve, block) + "\n"
        return caption + drawn + table

    def _cell(self, cell: Words, shade: int | None) -> str:
        text = f"[{self.words(cell)}]"
        return f'table.cell(fill: rgb("#{mixed(shade)}"), {text})' if shade else text

    def _curve(self, curve: Curve, block: Table) -> str:
        svg = standing_alone(curve.first, curve.numbers)
        return image(svg) if svg else ""

    def note(self, block: Note) -> str:
        return f"#note[{self.words(block.words)}]"

    def alert(self, block: Alert) -> str:
        return f"#alert[{self.words(block.words)}]"

    # -- lines

    def _joined(self, line: Line) -> str:
        """A chain among others; a short one is not broken."""
        text = "=".join([self.item(i) for i in line.chain])
        remark = f" #box(remark[{self.words(line.remark)}])" if line.remark else ""
        lead = self.words(line.lead) if line.lead else ""
        if _size(text) <= 2 * SHORT:
            return f"#box[{lead}$part({text})${remark}]"
        first, *rest = line.chain
        shown = [self._right(item) for item in rest]
        left = self._whole(self.item(first))
        shown = [f"{left}~{shown[0]}", *shown[1:]] if shown else [left]
        if remark and shown[-1].endswith(")$]"):  # what a number is belongs to it
            shown[-1] = f"{shown[-1][:-1]}{remark}]"
            remark = ""
        return f"{lead}{' '.join(shown)}{remark}"

    def _right(self, item: Item) -> str:
        """What stands behind a sign of equality: a line may end before that sign and before those of a sum."""
        text = f"={self.item(item)}"
        return self._whole(text) if _size(text) <= WHOLE else self._summed(self.split(item))

    def _summed(self, pieces: Sequence[str]) -> str:
        """The summands of a right side."""
        shown = [self._whole(f"={pieces[0]}")]
        for piece in pieces[1:]:
            sign = piece[0] if piece[0] in "+−" else ""
            shown.append(f"#h(0.22em, weak: true){self._whole(f'{sign} med {piece.removeprefix(sign)}')}")
        return "".join(shown)

    def _whole(self, text: str) -> str:
        """A formula in which no line ends, unless it is too long."""
        return f"#box[$part({text})$]" if _size(text) <= WHOLE else f"$part({text})$"

    def _line(self, line: Line, mark: str) -> str:
        why = f", why: [{self.words(line.lead)}]" if line.lead else ""
        note = f", note: [{self.words(line.remark)}]" if line.remark else ""
        if not line.chain:
            return f"line(none, none{why}{note}{mark})"
        first, *rest = line.chain
        left = f"$part({self.item(first)})$"
        labelled = self._labelled(line, rest)
        right = [labelled] if labelled else []
        right += [self._right(item) for item in (rest[1:] if labelled else rest)]
        return f"line([{left}], [{' '.join(right)}]{why}{note}{mark})"

    def _labelled(self, line: Line, rest: Sequence[Item]) -> str:
        """A sum whose terms are marked by their way to the target, direct or through a later quantity."""
        step = line.step
        if step is None or len(step.ways) < 2 or not rest:
            return ""
        pieces = self.split(rest[0])
        if len(pieces) != len(step.ways):
            return ""
        joined: list[tuple[str, Words]] = []
        for piece, way in zip(pieces, step.ways, strict=True):
            before, _, after = self.labels["through"].partition("{name}")
            words = (before, *way.name, after) if way.instance else ()
            if joined and not words and not joined[-1][1]:  # direct terms side by side are one
                joined[-1] = (joined[-1][0] + piece, ())
            else:
                joined.append((piece, words))
        marked: list[str] = []
        for at, (piece, words) in enumerate(joined):
            sign = piece[0] if at and piece[0] in "+−" else ""
            shown = self.words(tuple(w for w in words if w) or (self.labels["direct"],))
            marked.append(f"{sign}underbrace({piece.removeprefix(sign)}, #text(size: 0.9em)[{shown}])")
        return self._summed(marked)

    def split(self, item: Item) -> list[str]:
        """The texts of an item's summands, each but the first with its sign in front."""
        tree = item.expression if isinstance(item, Formula) else None
        if not isinstance(item, Formula) or not isinstance(tree, Call) or tree.operation != "add":
            return [self.item(item)]
        found: list[str] = []
        for at, argument in enumerate(tree.arguments):
            self._trees.append(argument)
            text = self.item(Formula(argument, item.leaves, item.ranks))
            found.append(text if not at or text.startswith("−") else "+" + text)
        return found


def _size(text: str) -> int:
    """Roughly how many characters wide a formula is in print."""
    text = _LABEL.sub(")", text)
    text = _MATRIX.sub(lambda found: max(found[1].split(";"), key=len).replace(",", "  "), text)
    return len(_COMMAND.sub("", text.replace("$", "")))


def image(svg: str) -> str:
    """An SVG in a document, at most as wide as the page."""
    size = re.search(r'<svg[^>]*? width="([0-9.]+)"', svg)
    wide = f"{min(PAGE, float(size.group(1)) * 0.0225):.2f}cm" if size else "100%"  # a pixel is not quite 0.75 points
    return f'#align(center, image(bytes({quoted(svg.replace(chr(10), " "))}), format: "svg", width: {wide}))'
