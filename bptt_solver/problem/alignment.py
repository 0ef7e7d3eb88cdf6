"""Where each character of a YAML scalar's value stands in the source."""

from __future__ import annotations

import re
from collections.abc import Sequence

Segments = Sequence[tuple[int, int]]

_WORD = re.compile(r"\S+")
_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\r?\n[ \t]*|.)", re.DOTALL)
_QUOTE = re.compile("''")


def align(value: str, style: str, text: str, start: int, end: int) -> Segments:
    """Pairs (offset in ``value``, offset in ``text``) for the scalar that was written as ``text[start:end]``.

    Exact for plain and quoted scalars, over several lines and with escapes; an escape's place is its backslash.
    Block scalars get their segments while they are scanned. Where nothing fits, the scalar's start.
    """
    if style in ("'", '"'):
        start, end = start + 1, end - 1
    if end - start == len(value) and text.startswith(value, start):
        return ((0, start),)
    if style == '"' and "\\" in text[start:end]:
        return _with_escapes(_ESCAPE, text, start, end)
    if style == "'" and "''" in text[start:end]:
        return _with_escapes(_QUOTE, text, start, end)
    return _by_words(value, 0, text, start, end) or ((0, start),)


def _by_words(value: str, at: int, text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Folded lines: the words are the same, the white space between them is not."""
    segments: list[tuple[int, int]] = []
    shift: int | None = None
    for ours, theirs in zip(_WORD.finditer(value, at), _WORD.finditer(text, start, end), strict=False):
        if ours.group() != theirs.group():
            break
        if theirs.start() - ours.start() != shift:
            shift = theirs.start() - ours.start()
            segments.append((ours.start(), theirs.start()))
    return segments


def _with_escapes(pattern: re.Pattern[str], text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Walk over the source: literal stretches (perhaps with folded line ends) between escapes."""
    segments: list[tuple[int, int]] = []
    at = 0
    here = start
    for escape in pattern.finditer(text, start, end):
        if escape.start() > here:
            segments.append((at, here))
            at = _literal(segments, at, text, (here, escape.start()))
        here = escape.end()
        if "\n" not in escape.group():  # an escaped line end makes no character
            segments.append((at, escape.start()))
            at += 1
    segments.append((at, here))
    _literal(segments, at, text, (here, end))
    return segments


def _literal(segments: list[tuple[int, int]], at: int, text: str, part: tuple[int, int]) -> int:
    """Add segments for a stretch without escapes; the offset in the value after it."""
    here, stop = part
    while here < stop:
        line_end = text.find("\n", here, stop)
        if line_end < 0:
            return at + stop - here
        content = text[here:line_end].rstrip(" \t\r")
        at += len(content)
        here = line_end
        breaks = 0
        while here < stop and text[here] in " \t\r\n":
            breaks += text[here] == "\n"
            here += 1
        at += max(1, breaks - 1)
        segments.append((at, here))
    return at
