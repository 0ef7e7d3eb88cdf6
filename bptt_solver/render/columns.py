"""How many columns of a terminal a text fills, and where it may be broken: Chinese characters fill two, and need no
spaces between them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_NOT_FIRST = frozenset("，。；：、！？）》」』”’…,.;:!?)")  # on a row
_NOT_LAST = frozenset("（《「『“‘(")


class _Widths(dict[str, int]):
    """The columns of each character, found out once."""

    def __missing__(self, character: str) -> int:
        kind = unicodedata.category(character)
        if kind in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff":  # marks, joiners, parts of a syllable
            width = 1 if character == "\xad" else 0
        else:
            width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        self[character] = width
        return width


_WIDTHS = _Widths()


def columns(text: str) -> int:
    """The columns that a text fills. Characters of ambiguous width (∂, Σ) count as one."""
    return len(text) if text.isascii() else sum(map(_WIDTHS.__getitem__, text))


def padded(text: str, width: int, left: bool = False) -> str:
    """A text with spaces behind it, or in front (``left``), so that it fills ``width`` columns."""
    spaces = " " * (width - columns(text))
    return spaces + text if left else text + spaces


def split_at(text: str, width: int) -> int:
    """How many characters of a text fill at most ``width`` columns; at least one, with the marks that stand on it."""
    filled = 0
    for at, character in enumerate(text):
        filled += _WIDTHS[character]
        if filled > width and at:
            return at
    return len(text)


def is_wide(character: str) -> bool:
    """Whether a character fills two columns."""
    return _WIDTHS[character] == 2


def in_parentheses(text: str, beside: str = "") -> str:
    """A text in parentheses, wide ones where it, or what it stands beside, is written in wide characters."""
    return f"（{text}）" if any(map(is_wide, text + beside)) else f"({text})"


def breakable(text: str) -> Iterator[tuple[str, str]]:
    """The pieces between which a text may be broken, each with the space that stands before it if it is not."""
    for word in text.split(" "):
        if word.isascii() or not any(map(is_wide, word)):
            yield " ", word
            continue
        gap, start = " ", 0
        for at in range(1, len(word)):
            before, after = word[at - 1], word[at]
            if (is_wide(before) or is_wide(after)) and after not in _NOT_FIRST and before not in _NOT_LAST:
                yield gap, word[start:at]
                gap, start = "", at
        yield gap, word[start:]
