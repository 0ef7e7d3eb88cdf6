"""The frame of the preview: an editor beside the page, their words in each language, and what the page in it gets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bptt_solver.catalogues import FOLDER, LANGUAGES, read_catalogue
from bptt_solver.language.notation.mathml import escaped
from bptt_solver.page import Embedding
from bptt_solver.page.document import data
from bptt_solver.page.labels import NAMES
from bptt_solver.render.base import harmless

_ASSETS = Path(__file__).parent / "assets"
KINDS: Mapping[str, str] = {
    "shell.css": "text/css; charset=utf-8",
    "shell.js": "text/javascript; charset=utf-8",
    "editor.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
INSIDE = "sandbox allow-scripts allow-modals; frame-ancestors 'self'"  # the page has a policy of its own as well


@cache
def asset(name: str) -> str:
    """A text of the folder ``assets``; only those of `KINDS` are served."""
    return (_ASSETS / name).read_text(encoding="utf-8")


BRIDGE = Embedding(asset("embedded.js"), asset("embedded.css"))


@cache
def words() -> dict[str, dict[str, str]]:
    """The words of the frame in every language."""
    found = {}
    for language in LANGUAGES:
        with open(os.path.join(FOLDER, f"serve.{language}.toml"), encoding="utf-8") as file:
            found[language] = read_catalogue(file.read())
    return found


def frame(name: str, path: str, language: str, start: Mapping[str, object]) -> str:
    """The frame as HTML, in a language. ``start`` is what its script begins with."""
    fields = {
        "lang": language,
        "name": escaped(harmless(name)),
        "path": escaped(harmless(path)),
        "start": data({**start, "words": words(), "languages": NAMES}),
    }
    parts = asset("shell.html").split("{{")
    out = [parts[0]]
    for part in parts[1:]:
        field, _, rest = part.partition("}}")
        label = field.removeprefix("label:")
        out += [escaped(words()[language][label]) if field.startswith("label:") else fields[field], rest]
    return "".join(out)
