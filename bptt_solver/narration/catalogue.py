"""The catalogue of sentences, and how fields are put into them: by position in the text, never by `str.format`.

A catalogue is a TOML file of ``key = "text with {fields}"``; the few lines of TOML that it uses are read here,
because the whole reader costs more than a derivation.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from bptt_solver.blocks import Formula, Value, Words
from bptt_solver.language.expressions import Reference

Field = str | Formula | Reference | Value | Words
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


class Catalogue:
    """The sentences of one language. ``variants``: endings of keys that have precedence, ``rows`` for a notation with
    row vectors.
    """

    def __init__(self, language: str = "en", variants: Sequence[str] = ()) -> None:
        self.variants = tuple(variants)
        if not language.replace("-", "").isalnum():
            raise ValueError(f"unknown language: {language}")
        path = os.path.join(os.path.dirname(os.path.dirname(__file__)), "locale", language + ".toml")
        try:
            with open(path, encoding="utf-8") as file:
                self._texts = read_catalogue(file.read())
        except FileNotFoundError:
            raise ValueError(f"unknown language: {language}") from None
        for variant in variants:
            ending = "." + variant
            found = [(k, t) for k, t in self._texts.items() if k.endswith(ending)]
            self._texts.update((key[: -len(ending)], text) for key, text in found)
        self._parts: dict[str, list[tuple[str, str]]] = {}

    def __call__(self, key: str, **fields: Field) -> Words:
        """The sentence of a key with its fields put in. Raises KeyError for a key or field that is not there."""
        parts = self._parts.get(key)
        if parts is None:
            parts = self._parts[key] = split(self._texts[key])
        words: list[str | Formula | Reference | Value] = []
        for text, field in parts:
            if text:
                words.append(text)
            if field:
                value = fields[field]
                if isinstance(value, tuple):
                    words += value
                else:
                    words.append(value)
        return tuple(words)

    def text(self, key: str) -> str:
        """A sentence without fields."""
        return self._texts[key]

    def has(self, key: str) -> bool:
        """Whether there is such a sentence."""
        return key in self._texts

    def count(self, number: int) -> str:
        """A small number as a word."""
        return self._texts.get(f"number.{number}", f"{number:,}")

    def listed(self, items: Sequence[Field], last: str = "list.and", most: int = 6) -> Words:
        """``a, b and c``; of many, the first few and the last."""
        if len(items) > most:
            items = [*items[: most - 2], "…", items[-1]]
        words: list[str | Formula | Reference | Value] = []
        for at, item in enumerate(items):
            if at:
                words.append(self._texts[last if at == len(items) - 1 else "list.comma"])
            if isinstance(item, tuple):
                words += item
            else:
                words.append(item)
        return tuple(words)


def split(text: str) -> list[tuple[str, str]]:
    """``"a {b} c"`` as pairs of text and the field behind it: ``[("a ", "b"), (" c", "")]``."""
    parts: list[tuple[str, str]] = []
    at = 0
    while True:
        start = text.find("{", at)
        end = text.find("}", start)
        if start < 0 or end < 0:
            return [*parts, (text[at:], "")]
        parts.append((text[at:start], text[start + 1 : end]))
        at = end + 1


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
