"""Texts for the page in every language at once, because its reader may change the language."""

from __future__ import annotations

from bptt_solver.catalogues import LANGUAGES, Listing, Message, in_language

Told = str | dict[str, str]  # a text of somebody's own, or one of ours by language


def told(text: str) -> Told:
    """A message in every language; another text as it is, but for the backticks that mark formulas."""
    if not isinstance(text, (Message, Listing)):
        return text.replace("`", "")
    return {language: in_language(text, language).replace("`", "") for language in LANGUAGES}
