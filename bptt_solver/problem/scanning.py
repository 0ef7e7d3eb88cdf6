"""YAML's scanner with two short cuts for what is large in a document: blocks of text and lists of numbers.

ruamel.yaml looks at every character in Python. That is fine for the small parts of a document; a block of 100,000
equations and a matrix of 1,000,000 numbers are taken in one piece each, with the same result (a test compares them).
Because a block scalar is cut into lines here, the place of each of its lines in the source is known as well.
"""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml.reader import Reader
from ruamel.yaml.scanner import Scanner
from ruamel.yaml.tokens import ScalarToken

PACKED = "["  # the style of a scalar token that is a whole flow sequence of plain words

_WORD = r"[-+]?\.?\w[\w.+\-/]*+"
_SPACE = r"[ \t\r\n]*+"
_RUN = re.compile(r"\[[\s\[\],\w.+\-/]*+")
_LONG = 500  # characters; below this the ordinary way is fast enough
_PIECES = re.compile(rf"{_SPACE}(?:(\[)|(\])|(,)|({_WORD}(?:{_SPACE},{_SPACE}{_WORD})*+))")
_DOCUMENT_MARK = re.compile(r"^(?:---|\.\.\.)(?=\s|\0)", re.MULTILINE)
_NOT_BLANK = re.compile(r"(?:[ ]*\r?\n)*+( *)")


class DocumentReader(Reader):
    """ruamel's reader over a string whose only line ends are LF and CR LF; moves over a whole stretch at once."""

    def forward(self, length: int = 1) -> None:
        """Move on by ``length`` characters."""
        end = self.pointer + length
        stretch = self.buffer[self.pointer : end]
        if "\n" in stretch or "\r" in stretch or end >= len(self.buffer):
            super().forward(length)
        else:
            self.pointer = self.index = end
            self.column += length

    def jump(self, end: int) -> None:
        """Move on to an offset, over any number of lines."""
        last = self.buffer.rfind("\n", self.pointer, end)
        self.column = end - last - 1 if last >= 0 else self.column + end - self.pointer
        self.line += self.buffer.count("\n", self.pointer, end)
        self.pointer = self.index = end


class DocumentScanner(Scanner):
    """ruamel's scanner with the short cuts. ``segments`` maps where a block scalar starts to the places of its lines."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader=loader)
        self.segments: dict[int, list[tuple[int, int]]] = {}
        self._tried = 0

    def scan_block_scalar(self, style: Any, rt: bool | None = False) -> ScalarToken:
        """A literal (``|``) or folded (``>``) block in one piece."""
        reader = self.reader
        start_mark = reader.get_mark()
        reader.forward()
        chomping, increment = self.scan_block_scalar_indicators(start_mark)
        self.scan_block_scalar_ignored_line(start_mark)
        text, start = reader.buffer, reader.pointer
        least = self.indent + 1
        blank = start  # the lines before this offset are blank, however long
        if increment is not None:
            indent = max(least, 1) + increment - 1
        else:
            found = _NOT_BLANK.match(text, start)
            assert found is not None  # it matches the empty text
            indent = max(least, len(found.group(1)))
            blank = found.start(1)
        end = _block_end(text, start, indent)
        lines = text[start:end].split("\n")
        value, segments = _block_value(lines, start, blank, indent, style == ">", chomping)
        reader.jump(end)
        self.segments[start_mark.index] = segments
        return ScalarToken(value, False, start_mark, reader.get_mark(), style)

    def fetch_flow_sequence_start(self) -> None:
        """``[``: a long sequence of plain words and sequences becomes one token of the style `PACKED`."""
        reader = self.reader
        start = reader.pointer
        if start >= self._tried:
            run = _RUN.match(reader.buffer, start)
            if run and run.end() - start >= _LONG:
                self._tried = run.end()  # its inner brackets need not try again
                end = _packed_end(reader.buffer, start, run.end())
                if end is not None:
                    self._fetch_packed(end)
                    return
        super().fetch_flow_sequence_start()

    def _fetch_packed(self, end: int) -> None:
        reader = self.reader
        self.save_possible_simple_key()
        self.allow_simple_key = False
        start_mark, text = reader.get_mark(), reader.buffer[reader.pointer : end]
        reader.jump(end)
        self.tokens.append(ScalarToken(text, False, start_mark, reader.get_mark(), PACKED))


def _block_end(text: str, start: int, indent: int) -> int:
    """Where the lines that are blank or indented by ``indent`` end. ``text`` ends with a NUL."""
    last = len(text) - 1
    if indent == 0:
        found = _DOCUMENT_MARK.search(text, start)
    else:
        found = re.compile(rf"^(?! {{{indent}}}| *\r?$)", re.MULTILINE).search(text, start, last)
    return min(found.start(), last) if found else last


def _block_value(
    lines: list[str], at: int, blank: int, indent: int, folded: bool, chomping: bool | None
) -> tuple[str, list[tuple[int, int]]]:
    """The text of a block, and for each of its lines the pair (offset in the text, offset in the source)."""
    contents: list[tuple[str, int]] = []
    for line in lines:
        contents.append((line[indent:].rstrip("\r") if at >= blank else "", at + indent))
        at += len(line) + 1
    ended = lines[-1] == ""  # the last line has a line end
    while contents and not contents[-1][0]:
        contents.pop()
    trailing = len(lines) - len(contents) - 1 if ended else 0
    pieces: list[str] = []
    segments: list[tuple[int, int]] = []
    length = 0
    previous = ""
    blanks = 0
    for content, place in contents:
        if folded and not content:
            blanks += 1
            continue
        if pieces or blanks:
            if folded and previous and previous[0] not in " \t" and content[0] not in " \t":
                joint = "\n" * blanks or " "
            else:
                joint = "\n" * (blanks + bool(pieces))
            pieces.append(joint)
            length += len(joint)
        segments.append((length, place))
        pieces.append(content)
        length += len(content)
        previous, blanks = content, 0
    if chomping is not False and contents:
        pieces.append("\n" if ended else "")
    if chomping is True and ended:
        pieces.append("\n" * trailing)
    return "".join(pieces), segments or [(0, at)]


def _packed_end(text: str, start: int, stop: int) -> int | None:
    """The end of a well-formed flow sequence of words and sequences, or None if it is anything else."""
    depth = 0
    comma = True  # an item may come: after '[' or ','
    for piece in _PIECES.finditer(text, start, stop):
        if piece.start() != start:
            return None
        start = piece.end()
        kind = piece.lastindex
        if kind == 1:
            if not comma:
                return None
            depth += 1
        elif kind == 2:
            depth -= 1
            comma = False
            if depth == 0:
                return start
        elif kind == 3:
            if comma:
                return None
            comma = True
        else:
            if not comma:
                return None
            comma = False
    return None
