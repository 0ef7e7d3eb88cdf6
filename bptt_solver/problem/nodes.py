"""YAML as a tree of texts that know their places. Nothing is guessed: every scalar is text, every key is text.

Events come from ruamel.yaml (YAML 1.2, pure Python); the tree is ours. Anchors, aliases, tags, merge keys, directives,
duplicate keys and second documents are errors that name the place. No recursion: the depth is bounded by a limit and
the tree is built with a stack.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from bptt_solver.catalogues import message
from bptt_solver.errors import Excerpt, Problem, ProblemError, Problems, Source, Span, fail
from bptt_solver.limits import Limits
from bptt_solver.problem.alignment import Segments, align
from bptt_solver.problem.text import FORBIDDEN, check_characters, forbidden

PLAIN = ""
PACKED = "["  # a long flow sequence of plain words, still one text


class Node:
    """A stretch of the source."""

    __slots__ = ("end", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end

    def span(self, source: Source) -> Span:
        """Where the node stands."""
        return Span(source, self.start, self.end)


class Scalar(Node):
    """A text. ``style`` is ``PLAIN`` or YAML's quote or block character."""

    __slots__ = ("_segments", "style", "text")

    def __init__(self, text: str, style: str, start: int, end: int, segments: Segments | None = None) -> None:
        super().__init__(start, end)
        self.text = text
        self.style = style
        self._segments = segments

    @property
    def absent(self) -> bool:
        """Nothing was written here."""
        return not self.text and self.style == PLAIN

    def excerpt(self, source: Source) -> Excerpt:
        """The text with the place of each of its characters."""
        segments = self._segments or align(self.text, self.style, source.text, self.start, self.end)
        return Excerpt(self.text, source, segments)


class Sequence(Node):
    """A list. ``flow``: written with brackets."""

    __slots__ = ("flow", "items")

    def __init__(self, start: int, flow: bool = False) -> None:
        super().__init__(start, start)
        self.items: list[Node] = []
        self.flow = flow


class Mapping(Node):
    """Keys and values in the order of the document."""

    __slots__ = ("flow", "keys", "places", "values")

    def __init__(self, start: int, flow: bool = False) -> None:
        super().__init__(start, start)
        self.keys: list[Scalar] = []
        self.values: list[Node] = []
        self.places: dict[str, int] = {}
        self.flow = flow

    def get(self, key: str) -> Node | None:
        """The value of a key."""
        place = self.places.get(key)
        return None if place is None else self.values[place]

    def key(self, key: str) -> Scalar:
        """The key as it was written. ``KeyError`` if there is none."""
        return self.keys[self.places[key]]

    def items(self) -> Iterator[tuple[Scalar, Node]]:
        """Pairs of key and value."""
        return zip(self.keys, self.values, strict=True)


class Packed(Node):
    """A long flow sequence of plain words and sequences that was not taken apart (see `scanning`)."""

    __slots__ = ("text",)

    def __init__(self, text: str, start: int, end: int) -> None:
        super().__init__(start, end)
        self.text = text

    def unpack(self) -> Sequence:
        """The same as a tree of nodes."""
        stack: list[Sequence] = []
        for piece in _PACKED_PIECE.finditer(self.text):
            start, word = self.start + piece.start(), piece.group()
            if word == "[":
                inner = Sequence(start, flow=True)
                if stack:
                    stack[-1].items.append(inner)
                stack.append(inner)
            elif word == "]":
                stack[-1].end = start + 1
                if len(stack) > 1:
                    stack.pop()
            else:
                stack[-1].items.append(Scalar(word, PLAIN, start, start + len(word)))
        return stack[0]


_PACKED_PIECE = re.compile(r"[\[\]]|[^\s\[\],]+")


def compose(source: Source, limits: Limits) -> Node:
    """The tree of a document. Raises `ProblemError` with everything that is wrong with it as YAML."""
    return _Composer(source, limits).compose()


class _Frame:
    """A collection that is not closed yet; in a mapping, the key that waits for its value."""

    __slots__ = ("key", "node")

    def __init__(self, node: Sequence | Mapping) -> None:
        self.node = node
        self.key: Scalar | None = None


class _Composer:
    def __init__(self, source: Source, limits: Limits) -> None:
        self.source = source
        self.limits = limits
        self.problems = Problems()
        self.found = 0
        self.items = 0
        self.documents = 0
        self.stack: list[_Frame] = []
        self.root: Node | None = None

    def compose(self) -> Node:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError

        from bptt_solver.problem.scanning import DocumentReader, DocumentScanner, TooDeep
        from bptt_solver.problem.syntax import syntax_problem

        check_characters(self.source)
        yaml = YAML(typ="base", pure=True)
        yaml.Reader, yaml.Scanner = DocumentReader, DocumentScanner
        scanner: DocumentScanner | None = None
        try:
            for event in yaml.parse(self.source.text):
                if scanner is None:
                    scanner = yaml.scanner
                    scanner.most_open = self.limits.get("yaml_depth")
                self.take(event, scanner.segments)
                if self.found + len(scanner.properties) >= Problems.MOST or self.documents > 1:
                    break
        except TooDeep as error:
            raise self.too_deep(error.at) from None
        except MarkedYAMLError as error:
            self.note_properties(scanner.properties if scanner else [])
            if self.found < Problems.MOST:
                self.note_syntax(syntax_problem(error, self.source))
        except (ValueError, OverflowError):  # an escape of a code point that does not exist
            found = _TOO_LARGE.search(self.source.text)
            at = found.start() if found else 0
            self.note(message("yaml.escape"), at, at + 10, message("yaml.code_points"))
        else:
            self.note_properties(scanner.properties if scanner else [])
        self.problems.raise_if_any()
        if self.root is None or (isinstance(self.root, Scalar) and self.root.absent):
            raise fail(message("file.source_empty", name=self.source.name), hint=message("yaml.at_least"))
        return self.root

    def note(self, told: str, start: int, end: int | None = None, hint: str | None = None) -> None:
        self.found += 1
        self.problems.add(told, Span(self.source, start, start + 1 if end is None else end), hint)

    def note_syntax(self, problem: Problem) -> None:
        """A syntax error, unless something was already said about its line (then that is its cause)."""
        if problem.span is not None and self.found:
            line = self.source.position(problem.span.start)[0]
            try:
                self.problems.raise_if_any()
            except ProblemError as error:
                if any(p.span and self.source.position(p.span.start)[0] == line for p in error.problems):
                    return
        self.found += 1
        self.problems.extend(ProblemError(problem))

    def note_properties(self, places: list[tuple[int, int]]) -> None:
        """Anchors, aliases and tags: each would let a document mean more than it shows."""
        for start, end in places[: Problems.MOST + 1]:
            kind = _PROPERTIES[self.source.text[start]]
            word = shorten(self.source.text[start:end])
            if len(word) > 1:
                self.note(message(kind, word=word), start, end, message("yaml.meant_as_text"))
            else:
                self.note(message("yaml.begin", word=word), start, end, message("yaml.quote_all"))

    def take(self, event: Any, segments: dict[int, list[tuple[int, int]]]) -> None:
        kind = type(event).__name__
        start, end = event.start_mark.index, event.end_mark.index
        if kind in ("ScalarEvent", "SequenceStartEvent", "MappingStartEvent"):
            self.items += 1
            if self.items > self.limits.get("yaml_items"):
                place = Span(self.source, start, end)
                raise self.limits.exceeded("yaml_items", self.items, message("limit.document"), place, or_more=True)
        if kind == "ScalarEvent":
            self.done(self.scalar(event, start, end, segments))
        elif kind == "SequenceStartEvent":
            self.open(Sequence(start, bool(event.flow_style)))
        elif kind == "MappingStartEvent":
            self.open(Mapping(start, bool(event.flow_style)))
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            node = self.stack.pop().node
            node.end = max(end, node.start + 1)
            self.done(node)
        elif kind == "DocumentStartEvent":
            self.document(event, start, end)

    def document(self, event: Any, start: int, end: int) -> None:
        self.documents += 1
        if self.documents > 1:
            self.note(message("yaml.second"), start, end, message("yaml.one_document"))
        if event.tags:
            self.note(message("yaml.no_tags"), 0, 1, message("yaml.no_tag"))
        if event.version not in (None, (1, 2)):
            self.note(message("yaml.version"), 0, 1, message("yaml.no_version"))

    def scalar(self, event: Any, start: int, end: int, segments: dict[int, list[tuple[int, int]]]) -> Node:
        style = event.style or PLAIN
        if style == PACKED:
            return Packed(event.value, start, end)
        if style in ("|", ">"):
            end = min(end, start + len(style))
            return Scalar(event.value, style, start, end, segments.get(start))
        found = FORBIDDEN.search(event.value) if style == '"' else None
        if found:
            told, _ = forbidden(found.group())
            self.note(told, start, end, message("yaml.escape_makes"))
        return Scalar(event.value, style, start, end)

    def open(self, node: Sequence | Mapping) -> None:
        if len(self.stack) >= self.limits.get("yaml_depth"):
            raise self.too_deep(node.start)
        self.stack.append(_Frame(node))

    def too_deep(self, at: int) -> ProblemError:
        place = Span(self.source, at, at + 1)
        return self.limits.exceeded("yaml_depth", len(self.stack), message("limit.document"), place, or_more=True)

    def done(self, node: Node) -> None:
        """Put a finished node where it belongs."""
        if not self.stack:
            self.root = self.root or node
            return
        frame = self.stack[-1]
        if isinstance(frame.node, Sequence):
            frame.node.items.append(node)
        elif frame.key is None:
            frame.key = self.key(node)
        else:
            self.put(frame.node, frame.key, node)
            frame.key = None

    def key(self, node: Node) -> Scalar:
        if not isinstance(node, Scalar):
            key = "yaml.key_mapping" if isinstance(node, Mapping) else "yaml.key_list"
            self.note(message(key), node.start, node.end)
            return Scalar(f"\0{node.start}", '"', node.start, node.end)
        if node.absent:
            self.note(message("yaml.no_key"), node.start, node.end)
        elif node.text == "<<" and node.style == PLAIN:
            self.note(message("yaml.merge"), node.start, node.end, message("yaml.write_out"))
        return node

    def put(self, mapping: Mapping, key: Scalar, value: Node) -> None:
        name = unicodedata.normalize("NFC", key.text)
        if name in mapping.places and name not in ("", "<<"):
            line, _ = self.source.position(mapping.keys[mapping.places[name]].start)
            self.note(
                message("document.twice", name=shorten(name)), key.start, key.end, message("yaml.first", line=line)
            )
        mapping.places.setdefault(name, len(mapping.keys))
        mapping.keys.append(key)
        mapping.values.append(value)


_TOO_LARGE = re.compile(r"\\U(?!000|0010)[0-9A-Fa-f]{8}")
_PROPERTIES = {"&": "yaml.anchors", "*": "yaml.aliases", "!": "yaml.tags"}


def shorten(text: str, most: int = 40) -> str:
    """A text for a message: one line, not too long."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
