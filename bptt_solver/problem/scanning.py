"""YAML's scanner, with its innermost loops replaced: texts and lists of numbers are taken in one piece.

ruamel.yaml looks at every character in Python. That is fine for small files; a block of 100,000 equations and a matrix
of 1,000,000 numbers need more. What a token is, and what the tokens mean, stays with ruamel.yaml; a test compares both
on random documents. Two things are decided here: anchors, aliases and tags are noted (they are errors) and passed over,
and the places of the lines of a block scalar are kept.
"""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml.reader import Reader
from ruamel.yaml.scanner import Scanner, ScannerError
from ruamel.yaml.tokens import ScalarToken

PACKED = "["  # the style of a scalar token that is a whole flow sequence of plain words
ALIAS = "*"  # the style of a scalar token that stands for an alias

_GAP = re.compile(r"(?: *+(?:#[^\r\n\0]*+)?\r?\n)*+ *+(?:#[^\r\n\0]*+)?")
_FLOW_GAP = re.compile(r"(?:[ \t]*+(?:#[^\r\n\0]*+)?\r?\n)*+[ \t]*+(?:#[^\r\n\0]*+)?")
_PROPERTY = re.compile(r"([&*!][^\s,\[\]{}\0]*+)(?:[ \t]++[&!][^\s,\[\]{}\0]*+)*+[ \t]*+")
_MOST_PROPERTIES = 100
_MOST_OPEN = 64

_WORD_CHARACTER = r"(?:[^ \t\r\n\0:]|:(?![ \t\r\n\0]))"
_FLOW_CHARACTER = r"(?:[^ \t\r\n\0:,\[\]{}]|:(?![ \t\r\n\0]))"
_PLAIN = re.compile(rf"{_WORD_CHARACTER}++(?: ++(?!#){_WORD_CHARACTER}++)*+")
_FLOW_PLAIN = re.compile(rf"{_FLOW_CHARACTER}++(?: ++(?!#){_FLOW_CHARACTER}++)*+")
_BREAKS = re.compile(r" *+\r?\n((?: *+\r?\n)*+) *+")
_DOCUMENT_MARK = re.compile(r"^(?:---|\.\.\.)(?=\s|\0)", re.MULTILINE)
_FIRST_LINE = re.compile(r"(?:[ ]*\r?\n)*+( *)")

_SINGLE = re.compile(r"'([^']*+(?:''[^']*+)*+)'(?!')")
_DOUBLE = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_FOLD = r"[ \t]*+\r?\n[ \t]*+((?:\r?\n[ \t]*+)*+)"
_SINGLE_PARTS = re.compile(rf"''|{_FOLD}")
_DOUBLE_PARTS = re.compile(
    r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|\r?\n[ \t]*+((?:\r?\n[ \t]*+)*+)|([^\r\n]))|" + _FOLD
)

_RUN = re.compile(r"\[[\s\[\],\w.+\-/]{500}")  # shorter sequences are quick enough in the ordinary way
_SPACE = r"[ \t\r\n]*+"
_ITEM = r"[-+]?\.?\w[\w.+\-/]*+"
_PIECES = re.compile(rf"{_SPACE}(?:(\[)|(\])|(,)|({_ITEM}(?:{_SPACE},{_SPACE}{_ITEM})*+))")


class TooDeep(Exception):
    """More open brackets than a document may have; ``at`` is the first one too many."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


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
        if last >= 0:
            self.line += self.buffer.count("\n", self.pointer, end)
            self.column = end - last - 1
        else:
            self.column += end - self.pointer
        self.pointer = self.index = end


class DocumentScanner(Scanner):
    """ruamel's scanner with the replaced loops.

    ``segments`` maps where a block scalar starts to the places of its lines; ``properties`` are the stretches that
    anchors, aliases and tags take.
    """

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader=loader)
        self.segments: dict[int, list[tuple[int, int]]] = {}
        self.properties: list[tuple[int, int]] = []
        self.most_open = _MOST_OPEN
        self._tried = 0  # sequences before this offset cannot be packed

    def need_more_tokens(self) -> bool:
        """Whether the next token is not known yet. Most of the time no key is possible; that is told first."""
        if self.tokens and not self.possible_simple_keys:
            return False
        return bool(super().need_more_tokens())

    def fetch_flow_collection_start(self, TokenClass: Any, to_push: str) -> None:
        """``[`` or ``{``. Looking ahead for a key must not go deeper than any document may."""
        if len(self.flow_context) >= self.most_open:
            raise TooDeep(self.reader.index)
        super().fetch_flow_collection_start(TokenClass, to_push)

    def scan_to_next_token(self) -> None:
        """Pass over white space and comments."""
        reader = self.reader
        start = reader.pointer
        gap = (_FLOW_GAP if self.flow_context else _GAP).match(reader.buffer, start)
        assert gap is not None  # it matches the empty text
        if gap.end() > start:
            line = reader.line
            reader.jump(gap.end())
            if reader.line > line and not self.flow_context:
                self.allow_simple_key = True

    def fetch_tag(self) -> None:
        """Note a tag and go on as if it were not there."""
        self._property()

    def fetch_anchor(self) -> None:
        """Note an anchor and go on as if it were not there."""
        self._property()

    def fetch_alias(self) -> None:
        """Note an alias; an empty text stands for it."""
        self.save_possible_simple_key()
        self.allow_simple_key = False
        mark = self.reader.get_mark()
        self._property()
        self.tokens.append(ScalarToken("", False, mark, self.reader.get_mark(), ALIAS))

    def _property(self) -> None:
        reader = self.reader
        found = _PROPERTY.match(reader.buffer, reader.pointer)
        assert found is not None  # the scanner stands at its first character
        self.properties.append(found.span(1))
        if len(self.properties) > _MOST_PROPERTIES:
            raise ScannerError(None, None, "too many anchors, aliases and tags", reader.get_mark())
        reader.jump(found.end())

    def scan_plain(self) -> ScalarToken:
        """A text without quotes, perhaps over several lines."""
        reader = self.reader
        text = reader.buffer
        pattern = _FLOW_PLAIN if self.flow_context else _PLAIN
        start_mark = end_mark = reader.get_mark()
        pieces: list[str] = []
        while found := pattern.match(text, reader.pointer):
            self.allow_simple_key = False
            pieces.append(found.group())
            reader.jump(found.end())
            end_mark = reader.get_mark()
            breaks = _BREAKS.match(text, found.end())
            if breaks is None:
                break
            self.allow_simple_key = True
            mark = _DOCUMENT_MARK.search(text, found.end(), breaks.end() + 4)
            if mark is not None:
                reader.jump(mark.start())
                break
            reader.jump(breaks.end())
            if text[breaks.end()] in "#\0\t" or (not self.flow_context and reader.column <= self.indent):
                break
            pieces.append("\n" * breaks.group(1).count("\n") or " ")
        while pieces and not pieces[-1].strip(" \n"):
            pieces.pop()
        return ScalarToken("".join(pieces), True, start_mark, end_mark)

    def scan_flow_scalar(self, style: Any) -> Any:
        """A text in quotes. What is wrong in one is left to ruamel, which says so."""
        reader = self.reader
        found = (_DOUBLE if style == '"' else _SINGLE).match(reader.buffer, reader.pointer)
        if found is None:
            return super().scan_flow_scalar(style)
        value = found.group(1)
        if "\n" in value and _DOCUMENT_MARK.search(reader.buffer, *found.span(1)):
            return super().scan_flow_scalar(style)
        try:
            if style == '"':
                value = _DOUBLE_PARTS.sub(self._double_part, value) if "\\" in value or "\n" in value else value
            else:
                value = _SINGLE_PARTS.sub(_single_part, value)
        except KeyError:  # an escape that does not exist
            return super().scan_flow_scalar(style)
        start_mark = reader.get_mark()
        reader.jump(found.end())
        return ScalarToken(value, False, start_mark, reader.get_mark(), style)

    def _double_part(self, found: re.Match[str]) -> str:
        kind = found.lastindex
        if kind in (1, 2, 3):
            return chr(int(found[kind], 16))
        if kind == 4:
            return "\n" * found[4].count("\n")
        if kind == 5:
            return str(self.ESCAPE_REPLACEMENTS[found[5]])
        return "\n" * found[6].count("\n") or " "

    def scan_block_scalar(self, style: Any, rt: bool | None = False) -> ScalarToken:
        """A literal (``|``) or folded (``>``) block."""
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
            found = _FIRST_LINE.match(text, start)
            assert found is not None  # it matches the empty text
            indent = max(least, len(found.group(1)))
            blank = found.start(1)
        end = _block_end(text, start, indent)
        contents: list[tuple[str, int]] = []
        at = start
        for line in text[start:end].split("\n"):
            contents.append((line[indent:].rstrip("\r") if at >= blank else "", at + indent))
            at += len(line) + 1
        value, segments = _block_value(contents, style == ">", chomping)
        reader.jump(end)
        self.segments[start_mark.index] = segments
        return ScalarToken(value, False, start_mark, reader.get_mark(), style)

    def fetch_flow_sequence_start(self) -> None:
        """``[``: a long sequence of plain words and sequences becomes one token of the style `PACKED`."""
        reader = self.reader
        start = reader.pointer
        if start >= self._tried and _RUN.match(reader.buffer, start):
            closed, self._tried = _packed_end(reader.buffer, start)
            if closed:
                self.save_possible_simple_key()
                self.allow_simple_key = False
                start_mark = reader.get_mark()
                reader.jump(self._tried)
                text = reader.buffer[start : self._tried]
                self.tokens.append(ScalarToken(text, False, start_mark, reader.get_mark(), PACKED))
                return
        super().fetch_flow_sequence_start()


def _single_part(found: re.Match[str]) -> str:
    if found.lastindex is None:
        return "'"
    return "\n" * found[1].count("\n") or " "


def _block_end(text: str, start: int, indent: int) -> int:
    """Where the lines that are blank or indented by ``indent`` end. ``text`` ends with a NUL."""
    last = len(text) - 1
    if indent == 0:
        found = _DOCUMENT_MARK.search(text, start)
    else:
        found = re.compile(rf"^(?! {{{indent}}}| *\r?$)", re.MULTILINE).search(text, start, last)
    return min(found.start(), last) if found else last


def _block_value(
    contents: list[tuple[str, int]], folded: bool, chomping: bool | None
) -> tuple[str, list[tuple[int, int]]]:
    """The text of a block, and for each of its lines the pair (offset in the text, offset in the source).

    ``contents`` are what stands before, between and after the line ends, without indentation, with its places.
    """
    first = contents[0][1]
    line_ends = len(contents) - 1
    while contents and not contents[-1][0]:
        contents.pop()
    pieces: list[str] = []
    segments: list[tuple[int, int]] = []
    length = blanks = 0
    previous = ""
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
    after = line_ends - len(contents) + bool(contents)
    if chomping is True:
        pieces.append("\n" * after)
    elif chomping is None and contents and after:
        pieces.append("\n")
    return "".join(pieces), segments or [(0, first)]


def _packed_end(text: str, start: int) -> tuple[bool, int]:
    """Whether a well-formed flow sequence of words and sequences starts here, and where it (or what fits) ends."""
    depth = 0
    ready = True  # an item may come: after '[' or ','
    for piece in _PIECES.finditer(text, start):
        kind = piece.lastindex
        if piece.start() != start or (kind != 2 and ready == (kind == 3)):
            break
        start = piece.end()
        depth += (kind == 1) - (kind == 2)
        ready = kind in (1, 3)
        if depth == 0:
            return True, start
        if depth > _MOST_OPEN:
            break
    return False, start
