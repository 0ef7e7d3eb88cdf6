"""The sentences of a derivation in one language, with formulas in their fields."""

from __future__ import annotations

import os
from collections.abc import Sequence

from bptt_solver.blocks import Formula, Value, Words
from bptt_solver.catalogues import (
    ENGLISH,
    FOLDER,
    LANGUAGES,
    WIDE,
    Listing,
    Message,
    in_language,
    is_close,
    read_catalogue,
    split,
)
from bptt_solver.language.expressions import Reference

_TWO = 2
Field = str | Formula | Reference | Value | Words


class Catalogue:
    """The sentences of one language. ``variants``: endings of keys that have precedence, ``rows`` for a notation with
    row vectors.
    """

    def __init__(self, language: str = "en", variants: Sequence[str] = ()) -> None:
        if language not in LANGUAGES:
            raise ValueError(f"unknown language: {language}")
        self.language = language
        self.variants = tuple(variants)
        with open(os.path.join(FOLDER, language + ".toml"), encoding="utf-8") as file:
            self._texts = read_catalogue(file.read())
        self.wide = language != ENGLISH  # written in wide characters
        self.gap = self._texts["sentence.gap"]  # between two sentences
        self.colon = self._texts["colon"]
        self.lead = self.colon.rstrip()  # at the end of a line
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
            told = self.told(fields[field]) if field else ()
            between = text
            if self.wide:
                between = _fitted(_shown(words[-1]) if words else "", text, _shown(told[0]) if told else "")
            words += [between, *told] if between else told
        return tuple(words)

    def told(self, field: Field) -> Words:
        """A field as words: a message, of a plugin perhaps, in this language."""
        if isinstance(field, tuple):
            return field
        return (field.in_language(self.language),) if isinstance(field, (Message, Listing)) else (field,)

    def clause(self, text: str) -> str:
        """What a text says before its first semicolon, in this language."""
        return in_language(text, self.language).partition(";")[0].partition("；")[0]

    def text(self, key: str) -> str:
        """A sentence without fields."""
        return self._texts[key]

    def has(self, key: str) -> bool:
        """Whether there is such a sentence."""
        return key in self._texts

    def count(self, number: int) -> str:
        """A small number as a word."""
        return self._texts.get(f"number.{number}", f"{number:,}")

    def listed(
        self, items: Sequence[Field], last: str = "list.and", most: int = 6, between: str = "list.comma"
    ) -> Words:
        """``a, b and c``; of many, the first few and the last."""
        if len(items) > most:
            items = [*items[: most - 2], "…", items[-1]]
        if last == "list.and" and len(items) > _TWO:
            last = "list.and.several"
        words: list[str | Formula | Reference | Value] = []
        for at, item in enumerate(items):
            if at:
                gap = self._texts[last if at == len(items) - 1 else between]
                if _wide(words[-1], -1):
                    gap = gap.lstrip()
                words.append(gap.rstrip() if _wide(self.told(item)[0], 0) else gap)
            words += self.told(item)
        return tuple(words)


def _shown(part: str | Formula | Reference | Value) -> str:
    """A part as a text, as far as spaces go: a formula is a letter."""
    return part if isinstance(part, str) else "x"


def _fitted(before: str, text: str, after: str) -> str:
    """What stands between two parts, without the spaces that do not belong into a Chinese sentence."""
    if text[:1] == " " and is_close(before, text[1:] or after):
        text = text[1:]
    return text[:-1] if text[-1:] == " " and is_close(text[:-1], after) else text


def _wide(part: str | Formula | Reference | Value, at: int) -> bool:
    """Whether the first (0) or the last (-1) character of a part is a wide one."""
    return isinstance(part, str) and part != "" and part[at] >= WIDE
