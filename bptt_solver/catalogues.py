"""Catalogues of sentences, one file a language, and messages that can be told in each of them.

A catalogue is a TOML file of ``"key" = "text with {fields}"``. The few lines of TOML that it uses are read here,
because the whole reader costs more than a derivation; fields are put in by position, never by `str.format`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

LANGUAGES = ("en", "zh-Hans", "zh-Hant")
ENGLISH = "en"
WIDE = "\u2e80"  # from here on, characters that need no spaces around them
MARKS = frozenset("，。：；、（）“”「」《》")
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


def split(text: str) -> list[tuple[str, str]]:
    """``"a {b} c"`` as pairs of text and the field behind it: ``[("a ", "b"), (" c", "")]``. What stands in braces and
    is no name, is text."""
    parts: list[tuple[str, str]] = []
    at = looked = 0
    while True:
        start = text.find("{", looked)
        end = text.find("}", start)
        if start < 0 or end < 0:
            return [*parts, (text[at:], "")]
        if not text[start + 1 : end].isidentifier():
            looked = start + 1
            continue
        parts.append((text[at:start], text[start + 1 : end]))
        at = looked = end + 1


def read_catalogue(text: str) -> dict[str, str]:
    """The entries of a catalogue: comments, and lines ``key = "text"`` (basic strings of TOML)."""
    texts: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition(" = ")
        if not equals or len(value) < 2 or value[0] != '"' or value[-1] != '"':
            raise ValueError(f'line {number} of the catalogue is not key = "text"')
        key = key.strip('"')
        if key in texts:
            raise ValueError(f"line {number} of the catalogue: {key} stands twice")
        texts[key] = _unescaped(value[1:-1])
    return texts


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    out: list[str] = []
    characters = iter(text)
    for character in characters:
        out.append(_ESCAPES[next(characters)] if character == "\\" else character)
    return "".join(out)


def is_close(before: str, after: str) -> bool:
    """Whether no space stands between two texts of a Chinese sentence: between two wide characters, and beside a wide
    punctuation mark."""
    if not before or not after:
        return False
    left, right = before[-1], after[0]
    return (left >= WIDE and right >= WIDE) or left in MARKS or right in MARKS


def _fitted(pieces: Sequence[str]) -> str:
    """The pieces of a Chinese sentence, without the spaces in which a wide character takes the place of a Latin one."""
    text = ""
    for piece in pieces:
        if text[-1:] == " " and is_close(text[:-1], piece):
            text = text[:-1]
        text += piece[1:] if piece[:1] == " " and is_close(text, piece[1:]) else piece
    return text


class Message(str):
    """A sentence in English that knows how to say itself in another language: a string like any other until somebody
    asks `in_language` of it."""

    __slots__ = ("_fields", "_key", "_messages")

    _fields: dict[str, object]
    _key: str
    _messages: Messages

    def in_language(self, language: str) -> str:
        """The sentence in a language of `LANGUAGES`; in English where its catalogue has no such language."""
        return str.__str__(self) if language == ENGLISH else self._messages.text(self._key, self._fields, language)

    def field(self, name: str) -> object:
        """What was put into a field; None where the sentence has no such field."""
        return self._fields.get(name)

    def with_fields(self, **fields: object) -> Message:
        """The same sentence with something else in some of its fields."""
        return self._messages(self._key, **self._fields | fields)

    def changed(self, change: Callable[[str], str]) -> Message:
        """The same sentence with every text in it changed."""
        return self._messages(self._key, **{name: _changed(field, change) for name, field in self._fields.items()})


class Listing(str):
    """Names in a row, ``a, b and c``, with the words between them in the language that is asked for."""

    __slots__ = ("_items", "_last", "_messages")

    _items: tuple[object, ...]
    _last: str
    _messages: Messages

    def in_language(self, language: str) -> str:
        """The names in a row, in a language of `LANGUAGES`."""
        return str.__str__(self) if language == ENGLISH else self._messages.row(self._items, self._last, language)

    def changed(self, change: Callable[[str], str]) -> Listing:
        """The same names, each changed."""
        return self._messages.listed([_changed(item, change) for item in self._items], self._last)


def _changed(value: object, change: Callable[[str], str]) -> object:
    if isinstance(value, (Message, Listing)):
        return value.changed(change)
    return change(value) if isinstance(value, str) else value


def in_language(value: object, language: str) -> str:
    """A message in a language; anything else as the text that it is."""
    return value.in_language(language) if isinstance(value, (Message, Listing)) else str(value)


class Messages:
    """The messages of one folder of catalogues, ``<kind>.<language>.toml``; a plugin has a folder of its own.

    ``say = Messages(folder)``; ``say("options.unknown", name=name)`` is a `Message`. A file is read when its first
    message is told.
    """

    def __init__(self, folder: str, kind: str = "messages") -> None:
        self.folder = folder
        self.kind = kind
        self._texts: dict[str, dict[str, str]] = {}

    def __call__(self, key: str, /, **fields: object) -> Message:
        """The message of a key with its fields put in: texts, numbers, or other messages. Raises KeyError for a key or
        a field that is not there."""
        message = Message(self.text(key, fields, ENGLISH))
        message._key, message._fields, message._messages = key, fields, self
        return message

    def listed(self, items: Sequence[object], last: str = "list.and") -> Listing:
        """Names in a row; ``last`` is the key of what stands before the last one (``list.or``)."""
        listing = Listing(self.row(items, last, ENGLISH))
        listing._items, listing._last, listing._messages = tuple(items), last, self
        return listing

    def text(self, key: str, fields: dict[str, object], language: str) -> str:
        """A message as a text in a language."""
        sentence = self._read(language).get(key)
        if sentence is None:
            sentence, language = self._read(ENGLISH)[key], ENGLISH
        pieces: list[str] = []
        for text, field in split(sentence):
            pieces += (text, in_language(fields[field], language)) if field else (text,)
        return "".join(pieces) if language == ENGLISH else _fitted(pieces)

    def row(self, items: Sequence[object], last: str, language: str) -> str:
        """Names in a row as a text in a language."""
        words = [in_language(item, language) for item in items]
        if len(words) < 2:
            return "".join(words)
        comma = self.text("list.comma", {}, language)
        pieces = [part for word in words[:-1] for part in (word, comma)]
        pieces[-1:] = [self.text(last, {}, language), words[-1]]
        return "".join(pieces) if language == ENGLISH else _fitted(pieces)

    def _read(self, language: str) -> dict[str, str]:
        known = self._texts.get(language)
        if known is None:
            path = os.path.join(self.folder, f"{self.kind}.{language}.toml")
            known = self._texts[language] = {}
            if language in LANGUAGES and os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    known.update(read_catalogue(file.read()))
        return known


FOLDER = os.path.join(os.path.dirname(__file__), "locale")
message = Messages(FOLDER)


def language_of(asked: str | None, environment: dict[str, str] | os._Environ[str] = os.environ) -> str:
    """The language to speak: what is asked for, else that of the locale (``LC_ALL``, ``LC_MESSAGES``, ``LANG``), else
    English. Raises ValueError for one that is asked for and not known."""
    if asked:
        found = _known(asked)
        if found is None:
            raise ValueError(asked)
        return found
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return _known(environment[name]) or ENGLISH
    return ENGLISH


def _known(name: str) -> str | None:
    """``zh_TW.UTF-8`` is zh-Hant, ``zh``, ``zh-CN`` zh-Hans, ``en_GB`` en; None: not known."""
    parts = name.partition(".")[0].partition("@")[0].replace("_", "-").lower().split("-")
    if parts[0] == "zh":
        traditional = any(part in ("hant", "tw", "hk", "mo") for part in parts[1:])
        return "zh-Hant" if traditional else "zh-Hans"
    return ENGLISH if parts[0] == "en" else None
