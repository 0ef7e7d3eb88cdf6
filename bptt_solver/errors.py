"""Where something stands in a file, what is wrong there, and the only place that draws a caret."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from bptt_solver.catalogues import ENGLISH, in_language, message


class Source:
    """A text that was read, with the name it is shown under (a path, or ``<stdin>``).

    A text that the program wrote itself, such as the equations of a topology, has ``written_by``: the place that it
    was asked for at, which is where a person can do something about it.
    """

    __slots__ = ("_starts", "name", "text", "written_by")

    def __init__(self, name: str, text: str, written_by: Span | None = None) -> None:
        self.name = name
        self.text = text
        self.written_by = written_by
        self._starts: list[int] | None = None

    def position(self, offset: int) -> tuple[int, int]:
        """1-based line and column of an offset into ``text``."""
        if self._starts is None:
            starts = [0]
            find = self.text.find
            at = find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = find("\n", at + 1)
            self._starts = starts
        from bisect import bisect_right

        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a 1-based line, without its end."""
        self.position(0)
        assert self._starts is not None
        start = self._starts[number - 1]
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r")


class Span:
    """A stretch ``[start, end)`` of a source."""

    __slots__ = ("end", "source", "start")

    def __init__(self, source: Source, start: int, end: int) -> None:
        self.source = source
        self.start = start
        self.end = max(end, start + 1)

    def __repr__(self) -> str:
        line, column = self.source.position(self.start)
        return f"Span({self.source.name}:{line}:{column})"


class Excerpt:
    """A text to parse that was cut out of a source, perhaps line by line (a YAML block scalar loses its indentation).

    ``segments`` are pairs (offset in ``text``, offset in ``source``), ascending; between two of them both run in step.
    """

    __slots__ = ("segments", "source", "text")

    def __init__(self, text: str, source: Source, segments: Sequence[tuple[int, int]] = ((0, 0),)) -> None:
        self.text = text
        self.source = source
        self.segments = tuple(segments)

    @classmethod
    def of(cls, text: str, name: str = "<text>") -> Excerpt:
        """An excerpt that is a whole text of its own."""
        return cls(text, Source(name, text))

    def offset(self, at: int) -> int:
        """The offset in the source of an offset in the excerpt."""
        from bisect import bisect_right

        index = max(0, bisect_right(self.segments, (at, 1 << 62)) - 1)
        start, there = self.segments[index]
        return min(there + at - start, len(self.source.text))

    def span(self, start: int, end: int | None = None) -> Span:
        """The span in the source of a stretch of the excerpt."""
        first = self.offset(start)
        return Span(self.source, first, self.offset(end - 1) + 1 if end is not None and end > start else first + 1)


Notes = Sequence[tuple[str, Span]]  # what else belongs to a problem, each with its place


class Problem:
    """One thing that is wrong, said so that a person can act on it. ``notes`` tell of other places that belong to it,
    such as the second of two that disagree. Texts that are messages (`bptt_solver.catalogues`) can be told in each of
    its languages."""

    __slots__ = ("hint", "message", "notes", "span")

    def __init__(self, message: str, span: Span | None = None, hint: str | None = None, notes: Notes = ()) -> None:
        self.message = message
        self.span = span
        self.hint = hint
        self.notes = tuple(notes)

    def render(self, language: str = ENGLISH) -> str:
        """``file:line:column: message (hint)``, the source line, a caret; the same for each note. Safe to print on a
        terminal."""
        text = in_language(self.message, language)
        if self.hint:
            text = message("error.hint", text=text, hint=self.hint).in_language(language)
        if self.span is None:
            lines = [safe_text(message("error.plain", text=text).in_language(language))]
        elif self.span.source.written_by is None:
            lines = [_place(self.span, text)]
        else:  # the place in the document, and below it what was written for it
            lines = [_place(self.span.source.written_by, text)]
            source = safe_text(self.span.source.name)
            kind, _, name = source.partition(" ")  # topology 'elman'
            key = "error.written_topology" if kind == "topology" else "error.written"
            written = message(key, source=source, name=name.strip("'")).in_language(language)
            lines.append(f"  {written}\n{_line(self.span)}")
        lines += [_place(span, message("error.note", text=note).in_language(language)) for note, span in self.notes]
        return "\n".join(lines)


def _place(span: Span, text: str) -> str:
    line, column = span.source.position(span.start)
    name = safe_text(span.source.name).replace("\n", "\ufffd")
    return f"{name}:{line}:{column}: {safe_text(text)}\n{_line(span)}"


def _line(span: Span) -> str:
    """The line of a place, and a caret below it."""
    line, column = span.source.position(span.start)
    content = span.source.line(line)
    first, last = column - 1, max(column, min(column - 1 + span.end - span.start, len(content)))
    if len(content) > 160:  # show a window around the place, so that a 100 kB line stays one line
        start = max(0, first - 60)
        content, first, last = content[start : start + 120], first - start, min(last - start, 120)
    shown = safe_text(content.replace("\t", " "))
    gap = " " * _width(safe_text(content[:first]))
    caret = "^" * max(1, _width(safe_text(content[first:last])))
    return f"  {shown}\n  {gap}{caret}"


class ProblemError(Exception):
    """Bad input: one or several problems. The command line prints them and exits with 2."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems: tuple[Problem, ...] = problems

    def __str__(self) -> str:
        return self.in_language(ENGLISH)

    def in_language(self, language: str) -> str:
        """All problems as a person reads them."""
        return "\n".join(problem.render(language) for problem in self.problems)


def fail(text: str, span: Span | None = None, hint: str | None = None, notes: Notes = ()) -> ProblemError:
    """A `ProblemError` with one problem, ready to be raised."""
    return ProblemError(Problem(text, span, hint, notes))


class Problems:
    """Collects problems so that several are told at once."""

    MOST = 20  # are told
    ENOUGH = 1_000  # are noted: looking for more takes its time

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def add(self, text: str, span: Span | None = None, hint: str | None = None, notes: Notes = ()) -> None:
        """Note a problem and go on."""
        self._problems.append(Problem(text, span, hint, notes))
        if len(self._problems) >= self.ENOUGH:
            self.raise_if_any()

    @property
    def enough(self) -> bool:
        """Whether more problems were noted than will be told."""
        return len(self._problems) > self.MOST

    def extend(self, error: ProblemError) -> None:
        """Note the problems of an error and go on."""
        self._problems.extend(error.problems)

    def raise_if_any(self) -> None:
        """Raise all that was noted, in source order, at most `MOST` of them."""
        if not self._problems:
            return
        ordered = sorted(self._problems, key=lambda p: (p.span is None, p.span.start if p.span else 0))
        if len(ordered) > self.MOST:
            more = len(ordered) - self.MOST
            ordered = [
                *ordered[: self.MOST],
                Problem(message("error.more" if more > 1 else "error.one_more", count=more)),
            ]
        raise ProblemError(*ordered)


def suggest(word: str, known: Iterable[str]) -> str | None:
    """``did you mean 'z4'?`` for the nearest known word, or nothing."""
    import difflib  # half of this module's import time

    names = sorted(set(known))
    near = [k for k in names if k.lower() == word.lower()]
    if not near and len(word) >= 3:
        longer = [k for k in names if k.lower().startswith(word.lower())]
        near = longer if len(longer) == 1 else []
    if not near:
        if len(names) > _ENOUGH_NAMES:  # comparing takes its time
            names = [k for k in names if k[:1] == word[:1] and abs(len(k) - len(word)) <= 1][:_ENOUGH_NAMES]
        near = [k for k in names if sorted(k) == sorted(word)] or difflib.get_close_matches(word, names, 1, 0.6)
    if not near and len(word) == 2:  # z9 where there is z1
        near = [k for k in names if len(k) == 2 and k[0] == word[0]]
    return message("error.suggestion", name=near[0]) if near else None


_ENOUGH_NAMES = 2_000


def safe_text(text: str) -> str:
    """Text that a terminal shows and does not obey: control and direction-override characters become U+FFFD."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c == "\n" or unicodedata.category(c) not in _UNSAFE else "\ufffd" for c in text)


_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
