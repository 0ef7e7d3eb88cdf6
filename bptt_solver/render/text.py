"""Plain text, about 120 columns wide: long lines are broken at ``=``, then at ``+`` and ``−``, under the first equals
sign. The widths are those of what is printed, also where it is spelled in ASCII.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bptt_solver.blocks import (
    Alert,
    Belonging,
    Block,
    Domain,
    Dots,
    Entry,
    Flow,
    Formulas,
    Heading,
    Item,
    Line,
    Note,
    Ordered,
    Paragraph,
    Partial,
    Table,
    Use,
    Value,
)
from bptt_solver.language.expressions import Expression, Reference, is_derivative
from bptt_solver.language.notation.numbers import format_number
from bptt_solver.language.notation.text import Text
from bptt_solver.language.notation.writer import PLAIN_STYLE, Notation, Piece, Style
from bptt_solver.render.base import Mark, Renderer, block_of, harmless
from bptt_solver.render.breaking import beside, broken, forced
from bptt_solver.render.columns import breakable, columns, in_parentheses, padded
from bptt_solver.render.screen import WIDTH

INDENT = 2
GAP = 4  # between the columns of a table; half of it where the page is too narrow
LONGEST_LEAD = 40  # longer reasons do not push the formulas beside them to the right
SHORT_REMARK = 24  # a line is broken so that it has room behind it
MOST = 6  # entries of an array along an axis


class TextRenderer(Renderer):
    """Blocks as text, at most ``width`` columns wide wherever a row can be broken; ``strict``: everywhere, as on a
    terminal. ``spell`` spells a text for an encoding that lacks characters.
    """

    def __init__(
        self,
        width: int = WIDTH,
        style: Style = PLAIN_STYLE,
        spell: Callable[[str], str] | None = None,
        strict: bool = False,
    ) -> None:
        super().__init__(style)
        self.width = width
        self.spell = spell
        self.strict = strict
        self._names = _Names(self)

    def render(self, blocks: Sequence[Block]) -> str:
        return "\n".join([self.block(b) for b in blocks]) + "\n"

    def item(self, item: Item) -> str:
        text = super().item(item)
        return text if self.spell is None else self.spell(text)

    def notation(self) -> Notation:
        return _Names(self)

    def name(self, reference: Reference) -> str:
        kind = type(reference)
        if kind is Partial and type(below := reference.below) is Reference:  # type: ignore[attr-defined]
            return f"∂{self._plain_name(reference.above)}/∂{self._plain_name(below)}"  # type: ignore[attr-defined]
        return self._plain_name(reference) if kind is Reference else self._names.reference(reference)

    def _plain_name(self, reference: Reference) -> str:
        """A name; one without indices is its own text, also that of an ordinary derivative."""
        name = reference.name
        simple = name[0] != "∂" or (name.count("∂") == 2 and "[" not in name and not self.style.nabla)
        if simple and not reference.indices:
            return name
        return self._names.reference(reference)

    def number(self, value: Value) -> str:
        return format_number(value.value, value.digits, MOST)

    def plain(self, text: str) -> str:
        return harmless(text) if self.spell is None else self.spell(harmless(text))

    def inline(self, formula: str) -> str:
        return formula

    # -- blocks

    def heading(self, block: Heading) -> str:
        text = f"{block.number} {self.words(block.words)}" if block.number else self.words(block.words)
        if not block.remark:
            return self._wrapped(text, "", " " * INDENT)
        remark = in_parentheses(self.words(block.remark), text if block.level else "")
        if block.level:
            return self._wrapped(text + remark if remark[0] == "（" else f"{text} {remark}", "", " " * INDENT)
        if columns(text) + 4 + columns(remark) <= self.width:
            return f"{text}    {remark}"
        return f"{self._wrapped(text, '', '')}\n{self._wrapped(remark, ' ' * INDENT, ' ' * INDENT)}"

    def paragraph(self, block: Paragraph) -> str:
        head, indent = self._head(block.lead, block.depth)
        return self._wrapped(self.words(block.words), head, indent)

    def formulas(self, block: Formulas) -> str:
        return "\n".join([row for rows in self.rows(block) for row in rows])

    def rows(self, block: Formulas) -> list[list[str]]:
        """The rows of each line."""
        head, indent = self._head(block.lead, block.depth)
        leads = [self.words(line.lead) for line in block.lines]
        most = min(LONGEST_LEAD, self.width // 3)
        width = max([columns(t) for t in leads if columns(t) <= most], default=0)
        if self.width < 3 * LONGEST_LEAD and any(columns(t) > most for t in leads):
            width = 0
        rendered: list[list[str]] = []
        for line, lead in zip(block.lines, leads, strict=True):
            start = head if not rendered else indent
            above: list[str] = []
            if width:
                start = f"{start}{padded(lead, width)}    " if columns(lead) <= width else f"{start}{lead}    "
            elif lead:  # there is no room for any of them in front of its formula
                *above, start = [*self._wrapped(lead, start, indent + " " * INDENT).split("\n"), indent + " " * INDENT]
            rendered.append(above + (self._line(line, start, self._room(line)) if line.chain else [start.rstrip()]))
        self._remarks(block.lines, rendered)
        return [self._fitting(rows) for rows in rendered]

    def flow(self, block: Flow) -> str:
        head, indent = self._head(block.lead, block.depth)
        indent = " " * columns(head) if columns(head) <= self.width // 4 else indent
        rows: list[str] = []
        row = head
        empty = True
        for item in block.items:
            text = self._joined(item)
            if empty:
                row += text
            elif columns(row) + 4 + columns(text) <= self.width:
                row += "    " + text
            else:
                rows.append(row)
                row = indent + text
            if columns(row) > self.width:
                *full, row = self._long(item, row[: len(row) - len(text)])
                rows += full
            empty = False
        return "\n".join(self._fitting([*rows, row]))

    def table(self, block: Table) -> str:
        lines = [row for rows in self.table_rows(block) for row in rows]
        if block.caption:
            lines.insert(0, self._wrapped(self.words(block.caption), " " * INDENT, " " * (2 * INDENT)))
        return "\n".join(lines)

    def table_rows(self, block: Table) -> list[list[str]]:
        """The rows of a table in one piece, or in several that fit: each with the header and the first column; of a
        table that cannot be folded so a row for each cell."""
        cells = [[self.words(c) for c in row] for row in (block.header, *block.rows)]
        widths = [max(columns(row[k]) for row in cells if k < len(row)) for k in range(max(map(len, cells)))]
        room = self.width - 2 * INDENT
        gap = GAP if sum(widths) + GAP * (len(widths) - 1) <= room else GAP // 2
        groups = beside(widths, gap, room)
        if groups is None:
            return self._stacked(cells)
        pieces = []
        for group in groups:
            rows = []
            for row in cells:
                texts = [padded(row[k], widths[k], left=k > 0) for k in group if k < len(row)]
                rows.append((" " * (2 * INDENT) + (" " * gap).join(texts)).rstrip())
            pieces.append(self._fitting(rows))
        return pieces

    def _stacked(self, cells: Sequence[Sequence[str]]) -> list[list[str]]:
        """A table that is too wide for its first column and another: each row's first cell, and the others below it
        with their headers in front."""
        header, *rows = cells
        size = max(map(columns, header[1:]), default=0)
        one, two = " " * (2 * INDENT), " " * (3 * INDENT)
        stacked = []
        for row in rows:
            lines = [self._wrapped(row[0], one, one)] if row[0] else []
            for k, text in enumerate(row[1:], 1):
                if text:
                    name = header[k] if k < len(header) else ""
                    lines.append(self._wrapped(text, f"{two}{padded(name, size)}  ", two + " " * INDENT))
            stacked.append(lines)
        return stacked

    def note(self, block: Note) -> str:
        return self._wrapped(self.words(block.words), " " * INDENT, " " * INDENT)

    def alert(self, block: Alert) -> str:
        return self._wrapped(self.words(block.words), "! ", "  ")

    # -- lines

    def _head(self, lead: Sequence[object], depth: int) -> tuple[str, str]:
        """The start of the first row and of the others."""
        indent = " " * (INDENT + 5 * depth)
        if not lead:
            return indent, indent
        text = " " * INDENT + self.words(lead)  # type: ignore[arg-type]
        return padded(text, len(indent)) + ("" if columns(text) < len(indent) else "  "), indent

    def _joined(self, line: Line) -> str:
        text = self.words(line.lead) + " = ".join([self.item(i) for i in line.chain])
        return f"{text} {self.words(line.remark)}" if line.remark else text

    def _long(self, line: Line, start: str) -> list[str]:
        """The rows of a formula in a flow that needs several."""
        inset = " " * (2 * INDENT)
        if not line.chain:
            return self._wrapped(self._joined(line), start, inset).split("\n")
        rows = self._line(line, start + self.words(line.lead), self._room(line))
        if not line.remark:
            return rows
        remark = self.words(line.remark)
        if columns(rows[-1]) + 1 + columns(remark) > self.width and self._room(line):
            return [*rows, inset + remark]
        return [*rows[:-1], *self._wrapped(remark, rows[-1] + " ", inset).split("\n")]

    def _room(self, line: Line) -> int:
        """What a short remark behind a line takes up."""
        size = columns(self.words(line.remark)) if line.remark else 0
        return size + 4 if 0 < size <= SHORT_REMARK else 0

    def _line(self, line: Line, start: str, room: int = 0) -> list[str]:
        """The rows of one line; ``room`` is kept free behind it."""
        texts = [self.item(i) for i in line.chain]
        row = start + " = ".join(texts)
        if columns(row) + room <= self.width:
            return [row]
        row = start + texts[0]
        column = columns(row) + 1
        if column > self.width // 2:
            column = columns(start) + 5
        rows: list[str] = []
        full: list[str] = []
        if columns(row) > self.width:
            inner = columns(start) + 1
            *rows, row = broken(row, self.width, " " * (inner if inner <= self.width // 2 else 2 * INDENT))
        for at, text in enumerate(texts[1:]):
            piece = " = " + text
            first = at == 0 and (columns(texts[0]) <= LONGEST_LEAD or columns(row) + columns(piece) <= self.width)
            if first or ((at > 1 or len(texts) < 4) and not full and columns(row) + columns(piece) <= self.width):
                row += piece  # symbols on the first row, numbers on those below
            else:
                rows.append(row)
                row = " " * column + piece[1:]
            full = []
            if columns(row) > self.width:
                *full, row = broken(row, self.width, " " * (column + 2))
                rows += full
        return [*rows, row]

    def _remarks(self, lines: Sequence[Line], rendered: list[list[str]]) -> None:
        """Put remarks behind the lines, one below the other where there is room."""
        texts = [self.words(line.remark) for line in lines]
        if not any(texts):
            return
        fitting = [
            columns(r[-1])
            for r, t in zip(rendered, texts, strict=True)
            if t and columns(r[-1]) + 4 + columns(t) <= self.width
        ]
        column = max(fitting, default=0) + 4
        for rows, text in zip(rendered, texts, strict=True):
            if not text:
                continue
            last = rows[-1]
            if columns(last) + 4 <= column and column + columns(text) <= self.width:
                rows[-1] = padded(last, column) + text
            elif columns(last) + 4 + columns(text) <= self.width:
                rows[-1] = f"{last}    {text}"
            else:
                fits = column + columns(text) <= self.width
                inset = " " * (max(column, INDENT) if fits else 2 * INDENT)
                rows.extend(self._wrapped(text, inset, inset).split("\n"))

    def _wrapped(self, text: str, head: str, indent: str) -> str:
        """Words, broken at spaces, and between characters that fill two columns."""
        if columns(head) + columns(text) <= self.width:
            return head + text
        rows: list[str] = []
        row, filled = head, columns(head)
        fresh = True
        for gap, word in breakable(text):
            size = columns(word)
            if not fresh and filled + len(gap) + size > self.width:
                rows.append(row)
                row, filled, fresh = indent, len(indent), True
            row += word if fresh else gap + word
            filled += size + (0 if fresh else len(gap))
            fresh = False
        return "\n".join(self._fitting([*rows, row]))

    def _fitting(self, rows: list[str]) -> list[str]:
        """The rows; where they must not be wider than the page, cut."""
        return [short for row in rows for short in forced(row, self.width)] if self.strict else rows


class _Names(Text):
    """The text notation with the leaves of `bptt_solver.blocks`."""

    def __init__(self, renderer: TextRenderer) -> None:
        super().__init__()
        self._renderer = renderer
        self.style = renderer.style

    def reference(self, node: Reference) -> str:
        kind = type(node)
        if kind is Reference:
            if not node.indices and is_derivative(node.name):
                return self._plain_derivative(node.name)
            return super().reference(node)
        if kind is Mark:
            return self._renderer.mark(node)  # type: ignore[arg-type]
        if isinstance(node, Partial):
            below = self.reference(node.below)
            return f"∂{self.reference(node.above)}/∂{f'({below})' if isinstance(node.below, Use) else below}"
        if isinstance(node, Ordered):
            return f"∂⁺{self.reference(node.above)}/∂{self.reference(node.below)}"
        if isinstance(node, Use):
            return f"{self.reference(node.of)}@{self._label(node.label)}"
        if isinstance(node, Belonging):
            return self.reference(node.label or node.of) + node.primes
        if isinstance(node, Entry):
            return f"{self.reference(node.of)}[{','.join(map(str, node.at))}]"
        if isinstance(node, Dots):
            return "…"
        if isinstance(node, Domain):
            return self.domain(node.ranges, node.conditions, " = ") or ", ".join(self.conditions(node.conditions))
        return super().reference(node)

    def call(self, name: str, arguments: Sequence[Expression]) -> Sequence[Piece]:
        return block_of(name, arguments) or super().call(name, arguments)

    def _label(self, label: Reference) -> str:
        if label.name:
            return self.reference(label)
        text = ",".join([self.index(i).replace(" ", "") for i in label.indices])
        return text if len(label.indices) < 2 else f"({text})"

    def _plain_derivative(self, name: str) -> str:
        plain = "[" not in name and name.count("∂") == 2 and not self.style.nabla
        return name if plain else super().reference(Reference(name))
