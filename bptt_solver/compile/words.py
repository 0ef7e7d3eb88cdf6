"""The words of a program, which stand in its comments and docstrings: code that can be told again in each language."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.catalogues import FOLDER, Listing, Message, Messages, split

say = Messages(FOLDER, "program")


class Text(str):
    """Code with sentences in it, ``Text("x = y  # ", say("place", name="y"))``: a string like any other, in English,
    until somebody asks `in_language` of it. Code that is not a `Text` has no sentences, or English ones."""

    __slots__ = ("_pieces",)

    _pieces: tuple[str, ...]

    def __new__(cls, *pieces: str) -> Text:
        """Code, sentences and further texts, one behind the other."""
        text = super().__new__(cls, "".join(pieces))
        text._pieces = pieces
        return text

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """What is sent to another process, which runs it, is the code alone."""
        return str, (str(self),)

    def in_language(self, language: str) -> str:
        """The code with its sentences in a language of `LANGUAGES`."""
        return "".join([in_language(piece, language) for piece in self._pieces])

    def with_line(self, old: str, new: str) -> Text:
        """The same code with another line in the place of one."""
        return Text(*[_changed(piece, old, new) for piece in self._pieces])


def in_language(text: str, language: str) -> str:
    """A text or a sentence in a language; code without sentences as it is."""
    return text.in_language(language) if isinstance(text, (Text, Message, Listing)) else text


def _changed(piece: str, old: str, new: str) -> str:
    if piece == old:
        return new
    return piece.with_line(old, new) if isinstance(piece, Text) else piece


def joined(parts: Sequence[str], between: str = "\n") -> Text:
    """Lines, or other parts of a module, one behind the other."""
    pieces = [piece for part in parts for piece in (between, part)]
    return Text(*pieces[1:])


def worded(code: str) -> Text:
    """Code from the tables of a dialect, in which ``{rows}`` is the sentence ``dialect.rows``."""
    pieces: list[str] = []
    for text, field in split(code):
        pieces += (text, say(f"dialect.{field}")) if field else (text,)
    return Text(*pieces)
