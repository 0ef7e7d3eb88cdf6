"""The words of the page around a derivation, in each language."""

from __future__ import annotations

import os

from bptt_solver.catalogues import FOLDER, LANGUAGES, read_catalogue

NAMES = {"en": "English", "zh-Hans": "简体中文", "zh-Hant": "繁體中文"}


def labels(language: str) -> dict[str, str]:
    """The words in a language."""
    with open(os.path.join(FOLDER, f"page.{language}.toml"), encoding="utf-8") as file:
        return read_catalogue(file.read())


def all_labels() -> dict[str, dict[str, str]]:
    """The words in every language."""
    return {language: labels(language) for language in LANGUAGES}
