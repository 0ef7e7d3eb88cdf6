"""Text with colours and emphasis: codes are put into the very rows of the plain text, so that without them it is that
text; what stands in a document never becomes a code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bptt_solver.blocks import Alert, Flow, Formulas, Heading, Item, Line, Note, Paragraph, Table, Value
from bptt_solver.language.expressions import Reference
from bptt_solver.language.notation.writer import PLAIN_STYLE, Style
from bptt_solver.render.screen import WIDTH
from bptt_solver.render.text import TextRenderer

_END = "\x1b[0m"
_CALCULATED = 3  # what stands behind two equals signs is a result

Span = tuple[int, int, str]  # the characters that are no spaces, from and to, and what they are


class TerminalRenderer(TextRenderer):
    """Blocks as text with the codes of a ``palette``: names of what is emphasised, and the numbers of a code."""

    def __init__(
        self,
        palette: Mapping[str, str],
        width: int = WIDTH,
        style: Style = PLAIN_STYLE,
        spell: Callable[[str], str] | None = None,
        strict: bool = False,
    ) -> None:
        super().__init__(width, style, spell, strict)
        self.palette = palette

    # -- blocks

    def heading(self, block: Heading) -> str:
        number, words = _size(block.number), _size(self.words(block.words))
        kind = "heading" if block.level else "title"
        spans = [(0, number, "number"), (number, number + words, kind), (number + words, _ALL, "note")]
        return self._painted(super().heading(block), spans)

    def paragraph(self, block: Paragraph) -> str:
        return self._painted(super().paragraph(block), [(0, _size(self.words(block.lead)), "group")])

    def formulas(self, block: Formulas) -> str:
        at = _size(self.words(block.lead))
        spans = [(0, at, "group")]
        painted: list[str] = []
        for line, rows in zip(block.lines, self.rows(block), strict=True):
            painted.append(self._painted("\n".join(rows), [*spans, *self._line_spans(line, at)]))
            spans, at = [], 0
        return "\n".join(painted)

    def flow(self, block: Flow) -> str:
        at = _size(self.words(block.lead))
        spans = [(0, at, "group")]
        for line in block.items:
            found = self._line_spans(line, at)
            spans += found[:-1]
            at = found[-1][0] + _size(self.words(line.remark))
            spans.append((found[-1][0], at, "note"))
        return self._painted(super().flow(block), spans)

    def table_rows(self, block: Table) -> list[list[str]]:
        pieces = super().table_rows(block)
        return [[self._painted(rows[0], [(0, _ALL, "heading")]), *rows[1:]] for rows in pieces if rows]

    def note(self, block: Note) -> str:
        return self._painted(super().note(block), [(0, _ALL, "note")])

    def alert(self, block: Alert) -> str:
        return self._painted(super().alert(block), [(0, _ALL, "alert")])

    # -- what is emphasised in a line

    def _line_spans(self, line: Line, at: int) -> list[Span]:
        """What stands where in a line whose characters begin ``at``; the last one is its remark."""
        at += _size(self.words(line.lead))
        spans: list[Span] = []
        ways = line.step.ways if line.step is not None and len(line.step.ways) > 1 else ()
        for place, item in enumerate(line.chain):
            text = self.item(item)
            at += place > 0  # the equals sign
            if place and ways:
                terms = _terms(text)
                if len(terms) == len(ways):
                    kinds = ["through" if way.instance else "direct" for way in ways]
                    spans += [(at + a, at + b, kind) for (a, b), kind in zip(terms, kinds, strict=True)]
            if place == len(line.chain) - 1 and _is_result(line.chain):
                spans.append((at, at + _size(text), "result"))
            at += _size(text)
        return [*spans, (at, _ALL, "note")]

    def _painted(self, text: str, spans: Sequence[Span]) -> str:
        """A text with the codes of the spans, which end and begin again with each row."""
        coded = [(start, end, self.palette[kind]) for start, end, kind in spans if end > start and kind in self.palette]
        if "\x1b" in text:  # of no one but a name that came past every check
            text = text.replace("\x1b", "\ufffd")
        rows = text.split("\n")
        seen = 0
        for number, row in enumerate(rows):
            size = _size(row)
            here = [(s - seen, e - seen, code) for s, e, code in coded if s < seen + size and e > seen]
            if here and size:
                rows[number] = _coded(row, here)
            seen += size
        return "\n".join(rows)


_ALL = 1 << 30


def _size(text: str) -> int:
    """The characters of a text that are no spaces: breaking rows moves spaces and nothing else."""
    return len(text) - text.count(" ")


def _is_result(chain: Sequence[Item]) -> bool:
    """Whether the last item is a number that was calculated: neither given nor the next symbol for the same."""
    if not isinstance(chain[-1], Value) or len(chain) < 2:
        return False
    first = chain[0]
    return len(chain) >= _CALCULATED or (type(first) is Reference and first.name.startswith("∂⁺"))


def _terms(text: str) -> list[tuple[int, int]]:
    """Where the terms of the outermost sum stand, without the signs between them, counted without spaces."""
    terms: list[tuple[int, int]] = []
    depth = seen = start = 0
    for at, character in enumerate(text):
        if character == " ":
            continue
        depth += (character in "([{") - (character in ")]}")
        if not depth and character in "+−-" and text[at - 1 : at + 2] == f" {character} ":
            terms.append((start, seen))
            start = seen + 1
        seen += 1
    return [*terms, (start, seen)]


def _coded(row: str, spans: Sequence[Span]) -> str:
    """A row with codes around the spans, none of which overlap."""
    out: list[str] = []
    places = [at for at, character in enumerate(row) if character != " "]
    done = 0
    for start, end, code in spans:
        first, last = places[max(start, 0)], places[min(end, len(places)) - 1] + 1
        out += [row[done:first], f"\x1b[{code}m", row[first:last], _END]
        done = last
    return "".join([*out, row[done:]])
