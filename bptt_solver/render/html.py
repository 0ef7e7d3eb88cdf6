"""HTML with native MathML: sections, lines whose terms may be lit, tables; every text escaped. The only place that
knows how a block looks in HTML; `bptt_solver.page` puts a page around it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import (
    FIXED,
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
    Step,
    Table,
    Value,
    Way,
    Words,
)
from bptt_solver.language.expressions import Call, Expression, Reference
from bptt_solver.language.notation.mathml import (
    NABLA,
    ROUND,
    SIGN,
    escaped,
    mathml_number,
    row,
)
from bptt_solver.language.notation.numbers import format_number
from bptt_solver.language.notation.writer import PLAIN_STYLE, Notation, Style
from bptt_solver.render.base import (
    NEGATIVE,
    NEGATIVE_PRODUCT,
    PLAIN,
    PRODUCT,
    RAISED,
    Renderer,
    harmless,
)
from bptt_solver.render.curve import curve_svg
from bptt_solver.render.elements import Names
from bptt_solver.render.shades import shades

LABELS = {
    "direct": "direct",
    "through": "through {name}",
    "entries": "entry by entry",
    "scroll": "table",
}  # as in page.en.toml
MOST = 6  # entries of an array along an axis
WIDE = 26  # characters of a sum that is not broken between its terms
STALE = '<mn class="s">'  # a number that a page does not compute again
_CLOSING = frozenset(",.:;)]!?’，。：；、）”")
_OPENING = "([±·（“"
_EQUALS, _PLUS, _MINUS, _DOT = (f'<mo form="infix" lspace="0">{s}</mo>' for s in "=+−·")  # a space stands before them
_TIMES = "<mo>·</mo>"
_TAG = re.compile(r"<[^>]*>")
_MANY = 50  # characters of a product that may be broken between its factors
_BOTH = re.compile(  # a name with an index, raised: one above the other
    r"<msup><mrow><msub>((?:(?!</?msub>).)*)</msub></mrow>(<mo>⊤</mo>|<mrow><mn>\d+</mn></mrow>)</msup>"
)


class HtmlRenderer(Renderer):
    """Blocks as HTML. ``labels`` are the words that are not in the blocks; ``open_entries``: single entries of a matrix
    line are shown without a click."""

    SIGN = SIGN
    FRACTION = "<mfrac"
    NABLA = NABLA

    def __init__(
        self, style: Style = PLAIN_STYLE, labels: Mapping[str, str] = LABELS, open_entries: bool = False
    ) -> None:
        super().__init__(style)
        self._names = Names(self)
        self.labels = labels
        self.open_entries = open_entries
        self._chains: dict[int, tuple[Sequence[Item], str, str]] = {}

    def render(self, blocks: Sequence[Block]) -> str:
        """The title as a heading, then a section for each heading of level 1."""
        return "\n".join(self.pieces(blocks)) + "\n"

    def pieces(self, blocks: Sequence[Block]) -> list[str]:
        """The document in pieces, which joined by line breaks are the whole: its blocks, and the tags of sections."""
        found: list[str] = []
        sections = 0
        for block in blocks:
            if isinstance(block, Heading) and block.level == 1:
                sections += 1
                found += ["</section>"] if sections > 1 else []
                heading = self.block(block).replace("<h2", f'<h2 id="s{sections}"', 1)
                found += [f'<section aria-labelledby="s{sections}">', heading]
            elif text := _BOTH.sub(r"<msubsup>\1\2</msubsup>", self.block(block)):
                found.append(text)
        return [*found, "</section>"] if sections else found

    def notation(self) -> Notation:
        return Names(self)

    def name(self, reference: Reference) -> str:
        return self._names.reference(reference)

    def plain(self, text: str) -> str:
        return escaped(harmless(text))

    def inline(self, formula: str) -> str:
        return f"<math>{formula}</math>"

    def words(self, words: Words) -> str:
        """A sentence; what opens and closes around a formula stays on its line."""
        out: list[str] = []
        opened = ""
        for at, word in enumerate(words):
            if not isinstance(word, str):
                formula = self.inline(self.item(word))
                out.append(f'<span class="kept">{self.plain(opened)}{formula}</span>' if opened else formula)
                opened = ""
                continue
            behind = at > 0 and not isinstance(words[at - 1], str)
            text = "’" + word[1:] if behind and word.startswith("'s ") else word  # an apostrophe, not a prime
            if behind and text[:1] in _CLOSING:
                out[-1] = f'<span class="kept">{out[-1]}{self.plain(text[:1])}</span>'
                text = text[1:]
            before = at + 1 < len(words) and not isinstance(words[at + 1], str)
            opened = text[len(text.rstrip(_OPENING)) :] if before else ""
            out.append(self.plain(text.removesuffix(opened)))
        return "".join(out)

    # -- numbers

    def number(self, value: Value) -> str:
        found = value.value
        if is_array(found):
            found = found.tolist()
        if isinstance(found, list):
            return self._array(found, value)
        text = mathml_number(format_number(found, value.digits))
        if value.of is None:
            return text.replace("<mn>", STALE)
        if value.of is FIXED:
            return text
        sign = SIGN if text.startswith(SIGN) else ""
        text = text.removeprefix(SIGN)
        tag = "mn" if text.startswith("<mn>") and text.count("<") == 2 else "mrow"
        text = text.removeprefix("<mn>").removesuffix("</mn>") if tag == "mn" else text
        negative = ' data-n=""' if sign else ""
        return f'{sign}<{tag} data-k="{escaped(value.of.key())}"{negative}>{text}</{tag}>'

    def _array(self, found: list[Any], value: Value) -> str:
        if found and isinstance(found[0], list):
            rows = [self._cells(line, value, (at,), "<mtd>", "</mtd>") for at, line in enumerate(found[:MOST])]
            if len(found) > MOST:
                rows.append("<mtd><mo>⋮</mo></mtd>")
            return f"<mrow><mo>[</mo><mtable>{''.join([f'<mtr>{r}</mtr>' for r in rows])}</mtable><mo>]</mo></mrow>"
        cells = self._cells(found, value, (), "", "<mo>,</mo>").removesuffix("<mo>,</mo>")
        return row(ROUND[0] + cells + ROUND[1])

    def _cells(self, numbers: list[Any], value: Value, at: tuple[int, ...], before: str, after: str) -> str:
        cells: list[str] = []
        for position, number in enumerate(numbers[:MOST]):
            text = format_number(number, value.digits)
            key = ' class="s"'
            if value.of is not None:
                key = f' data-k="{escaped(value.of.key((*at, position)))}"' if value.of is not FIXED else ""
            plain = "·" not in text and "/" not in text
            shown = f"<mn{key}>{text}</mn>" if plain else f"<mrow{key}>{mathml_number(text)}</mrow>"
            cells.append(before + shown + after)
        if len(numbers) > MOST:
            cells.append(f"{before}<mo>…</mo>{after}")
        return "".join(cells)

    def _kind(self, text: str) -> tuple[int, str]:
        negative = text.startswith(SIGN)
        text = text.removeprefix(SIGN)
        bare = text[text.index(">") + 1 :] if text.startswith("<mrow data-k") else text
        if bare.startswith(self.FRACTION) or "<mtable" in text:
            return (NEGATIVE if negative else RAISED), text
        if "<mo>·</mo>" in text and not text.startswith("<mrow><mo"):
            return (NEGATIVE_PRODUCT if negative else PRODUCT), text
        return (NEGATIVE if negative else PLAIN), text

    # -- blocks

    def heading(self, block: Heading) -> str:
        level = min(block.level + 1, 6)
        number = f'<span class="number">{self.plain(block.number)}</span> ' if block.number else ""
        text = f"<h{level}>{number}{self.words(block.words)}</h{level}>"
        return f'{text}\n<p class="remark">{self.words(block.remark)}</p>' if block.remark else text

    def paragraph(self, block: Paragraph) -> str:
        return f"<p{self._depth(block.depth)}>{self._lead(block.lead)}{self.words(block.words)}</p>"

    def formulas(self, block: Formulas) -> str:
        return self._lines(block.lines, block.lead, block.depth, "lines")

    def flow(self, block: Flow) -> str:
        return self._lines(block.items, block.lead, block.depth, "flow")

    def _lines(self, lines: Sequence[Line], lead: Words, depth: int, kind: str) -> str:
        rows: list[str] = []
        entries: list[str] = []
        for line in lines:
            text = self._line(line)
            if line.step is not None and line.step.part == "entry":
                entries.append(text)
                continue
            rows += self._entries(entries)
            rows.append(text)
        rows += self._entries(entries)
        if not rows:
            return ""
        kind = "lines" if any(line.step is not None for line in lines) else kind
        return (
            f'<div class="{kind}{" deep" if depth else ""}">{self._lead(lead, "div")}\n' + "\n".join(rows) + "\n</div>"
        )

    def _entries(self, entries: list[str]) -> list[str]:
        """The entries of the line before, behind a click."""
        if not entries:
            return []
        shown = "".join(entries)
        entries.clear()
        opened = " open" if self.open_entries else ""
        return [
            f'<details class="entries"{opened}><summary>{self.plain(self.labels["entries"])}</summary>'
            f'<div class="lines">{shown}</div></details>'
        ]

    def _lead(self, lead: Words, tag: str = "strong") -> str:
        space = " " if tag == "strong" else ""
        return f'<{tag} class="lead">{self.words(lead)}</{tag}>{space}' if lead else ""

    def _depth(self, depth: int) -> str:
        return ' class="deep"' if depth else ""

    def table(self, block: Table) -> str:
        width = max(map(len, (block.header, *block.rows)))
        head = "".join([self._cell(c, "col") for c in (*block.header, *[()] * (width - len(block.header)))])
        rows: list[str] = []
        for cells, found in zip(block.rows, shades(block), strict=True):
            texts = [self._cell(cells[0], "row")] if cells else []
            texts += [self._cell(c, "", _shade_class(s)) for c, s in zip(cells[1:], found[1:], strict=True)]
            texts += ["<td></td>"] * (width - len(cells))
            cut = ' class="cut"' if cells and cells[0] == ("…",) else ""
            rows.append(f"<tr{cut}>{''.join(texts)}</tr>")
        caption = f"<caption>{self.words(block.caption)}</caption>" if block.caption else ""
        shaded = f' class="shaded" data-shade="{block.shade}"' if block.shade else ""
        drawn = "" if block.curve is None else self._curve(block.curve, block)
        return drawn + (
            f'<div class="scroll" tabindex="0" role="group" aria-label="{self.plain(self.labels["scroll"])}">'
            f"<table{shaded}>{caption}<thead><tr>{head}</tr></thead>\n<tbody>{chr(10).join(rows)}</tbody></table></div>"
        )

    def _curve(self, curve: Curve, block: Table) -> str:
        title = _TAG.sub("", self.words(block.caption))
        return curve_svg(curve.first, curve.numbers, title)

    def _cell(self, cell: Words, scope: str, shade: str = "") -> str:
        text = self.words(cell)
        if not text:
            return "<td></td>"
        return f'<th scope="{scope}">{text}</th>' if scope else f"<td{shade}>{text}</td>"

    def note(self, block: Note) -> str:
        return f'<p class="note" role="note">{self.words(block.words)}</p>'

    def alert(self, block: Alert) -> str:
        return f'<p class="alert" role="alert">{self.words(block.words)}</p>'

    # -- lines

    def _line(self, line: Line) -> str:
        step = line.step
        about = f' data-step="{escaped(step.instance)}" data-part="{step.part}"' if step is not None else ""
        why = f'<div class="why">{self.words(line.lead)}</div>' if line.lead else ""
        remark = f'<span class="note">{self.words(line.remark)}</span>' if line.remark else ""
        if not line.chain:
            return f'<div class="line cut"{about}>{why}{remark}</div>'
        left, right = self._chain(line)
        return (
            f'<div class="line"{about}>{why}<div class="left">{left}</div>'
            f'<div class="right">{right}{" " if right and remark else ""}{remark}</div></div>'
        )

    def _chain(self, line: Line) -> tuple[str, str]:
        """The left side and what it is equal to. Made once for a chain without words in it: the same derivation is
        told in several languages."""
        known = self._chains.get(id(line.chain))
        if known is not None:
            return known[1], known[2]
        first, *rest = line.chain
        ways = self._ways(line.step, rest)
        right = " ".join([self._item(item, self._same(item, ways), at == 0) for at, item in enumerate(rest)])
        pieces = self.split(first) if not rest else [self.item(first)]
        left = " ".join([f"<math>{piece}</math>" for piece in pieces])
        if not ways:
            self._chains[id(line.chain)] = (line.chain, left, right)
        return left, right

    def _ways(self, step: Step | None, items: Sequence[Item]) -> Sequence[Way]:
        """The ways of the terms, where they are worth telling apart."""
        if step is None or len(step.ways) < 2 or not items or self._count(items[0]) != len(step.ways):
            return ()
        return step.ways

    def _same(self, item: Item, ways: Sequence[Way]) -> Sequence[Way]:
        return ways if self._count(item) == len(ways) else ()

    def _count(self, item: Item) -> int:
        tree = item.expression if isinstance(item, Formula) else None
        return len(tree.arguments) if isinstance(tree, Call) and tree.operation == "add" else 1

    def _item(self, item: Item, ways: Sequence[Way], labelled: bool = False) -> str:
        """``= a + b``, in pieces between which a line may be broken."""
        if not ways:
            pieces = self.split(item)
            pieces[0] = _EQUALS + pieces[0]
            return " ".join([f"<math>{p}</math>" for p in pieces])
        out: list[str] = []
        for at, (piece, way) in enumerate(self._joined(self.split(item, True), ways)):
            kind = "through" if way.instance else "direct"
            through = f' data-through="{escaped(way.instance)}"' if way.instance else ""
            sign, shown = (_EQUALS, piece) if at == 0 else _sign_of(piece)
            label = f"<small>{self._label(way)}</small>" if labelled else ""
            out.append(f'<span class="term {kind}"{through}><math>{sign}</math>')
            out[-1] += f"<span><span><math>{shown}</math></span>{label}</span></span>"
        return " ".join(out)

    def _joined(self, pieces: Sequence[str], ways: Sequence[Way]) -> list[tuple[str, Way]]:
        """The terms with their ways; direct ones that stand side by side are one."""
        found: list[tuple[str, Way]] = []
        for piece, way in zip(pieces, ways, strict=True):
            if found and not way.instance and not found[-1][1].instance:
                found[-1] = (found[-1][0] + piece.replace(' lspace="0"', "", 1), way)
            else:
                found.append((piece, way))
        return found

    def _label(self, way: Way) -> str:
        if not way.instance:
            return self.plain(self.labels["direct"])
        before, _, after = self.labels["through"].partition("{name}")
        return f"{self.plain(before)}{self.words(way.name)}{self.plain(after)}"

    def split(self, item: Item, always: bool = False) -> list[str]:
        """The texts of an item's summands, each but the first with its sign in front; of a short one the whole."""
        tree = item.expression if isinstance(item, Formula) else None
        if (
            not isinstance(tree, Call)
            or tree.operation != "add"
            or len(tree.arguments) < 2
            or not isinstance(item, Formula)
        ):
            return _factors(self.item(item)) if not always else [self.item(item)]
        if not always:
            whole = self.item(item)
            if len(_TAG.sub("", whole)) < WIDE and "<mtable" not in whole:
                return [whole]
        found: list[str] = []
        for at, argument in enumerate(tree.arguments if always else _summands(tree)):
            self._trees.append(argument)
            text = self.item(Formula(argument, item.leaves, item.ranks))
            if at and text.startswith(SIGN):
                text = _MINUS + text.removeprefix(SIGN)
            elif at:
                text = _PLUS + text
            found += [text] if always else _factors(text)
        return found


def _summands(tree: Call) -> list[Expression]:
    """The arguments of a sum, those of sums among them one by one: they stand without parentheses."""
    found: list[Expression] = []
    waiting: list[Expression] = [tree]
    while waiting:
        argument = waiting.pop()
        if isinstance(argument, Call) and argument.operation == "add":
            waiting += reversed(argument.arguments)
        else:
            found.append(argument)
    return found


def _factors(product: str) -> list[str]:
    """A product, if it is long in pieces, each but the first with its sign in front."""
    if len(_TAG.sub("", product)) < _MANY:
        return [product]
    found, depth, start = [], 0, 0
    for tag in _TAG.finditer(product):
        if depth == 0 and product.startswith(_TIMES, tag.start()) and tag.start() > start:
            found.append(product[start : tag.start()])
            start = tag.start()
        depth += -1 if tag[0][1] == "/" else 0 if tag[0][-2] == "/" else 1
    found.append(product[start:])
    return [found[0], *[_DOT + piece.removeprefix(_TIMES) for piece in found[1:]]]


def _sign_of(piece: str) -> tuple[str, str]:
    """A summand's sign and the rest."""
    for sign in (_MINUS, _PLUS):
        if piece.startswith(sign):
            return sign, piece.removeprefix(sign)
    return "", piece


def _shade_class(shade: int | None) -> str:
    """The class of a cell's shade: ``p`` or ``n`` with the step, ``s0`` without colour."""
    if shade is None:
        return ""
    return f' class="{"n" if shade < 0 else "p"}{abs(shade)}"' if shade else ' class="s0"'


__all__ = ["LABELS", "HtmlRenderer"]
