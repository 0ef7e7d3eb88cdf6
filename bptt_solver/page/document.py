"""The frame of a page: head, bars, article, and data - with a policy under which nothing but its own style and script
is used and no request leaves it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bptt_solver.language.notation.mathml import escaped
from bptt_solver.page.labels import NAMES
from bptt_solver.profiles.profile import STANDARD
from bptt_solver.render.base import harmless

if TYPE_CHECKING:
    from bptt_solver.page.views import Views

ASSETS = Path(__file__).parent / "assets"
_FONT = (
    '@font-face{font-family:"Derivation Math";src:url(data:font/woff2;base64,%s) format("woff2");font-display:block}\n'
)


@cache
def asset(name: str) -> str:
    """A text of the folder ``assets``."""
    return (ASSETS / name).read_text(encoding="utf-8")


@cache
def _style() -> str:
    font = base64.b64encode((ASSETS / "derivation-math.woff2").read_bytes()).decode()
    return _FONT.replace("%s", font) + asset("page.css")


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def data(value: object) -> str:
    """Data for a script element: JSON in which nothing can end it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def document(
    *,
    title: str,
    language: str,
    article: str,
    labels: Mapping[str, Mapping[str, str]],
    views: Views | None = None,
    figure: str = "",
    sheet: str = "",
    scripts: Mapping[str, str] | None = None,
    more: str = "",
) -> str:
    """A whole page. ``figure`` and ``article`` are HTML, ``sheet`` is the figure's style; ``scripts`` are further ones
    that run behind the page's own, by name, ``more`` further HTML behind the article (data of theirs)."""
    say = labels[language]
    script = asset("page.js") + (asset("picture.js") if figure else "") + "".join((scripts or {}).values())
    style = _style() + sheet
    bar, packed = "", ""
    if views is not None:
        views.fill()
        bar = _choices(views, say)
        packed = f'<script type="application/octet-stream" id="views">{views.packed()}</script>\n'
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; font-src data:; img-src data:"
    policy += "; base-uri 'none'; form-action 'none'"
    return f"""<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="bptt-solver">
<title>{escaped(harmless(title))}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#steps" data-label="skip">{escaped(say["skip"])}</a>
<header class="bar" data-title="controls" aria-label="{escaped(say["controls"])}">{bar}{_buttons(say)}</header>
<main{' class="pictured"' if figure else ""}>
{figure}
<article id="steps" tabindex="-1">
{article}
</article>
</main>
{_stepper(say)}
<script type="application/json" id="labels">{data(labels)}</script>
{more}{packed}<script>{script}</script>
</body>
</html>
"""


def _choices(views: Views, say: Mapping[str, str]) -> str:
    """What can be chosen: language, notation, all time steps."""
    languages = "".join(
        [f'<option value="{x}" lang="{x}"{_chosen(x == views.language)}>{NAMES[x]}</option>' for x in NAMES]
    )
    notations = ""
    for name, title in views.notations:
        own = name == STANDARD
        shown = say["notation.own"] if own else title
        label = ' data-label="notation.own"' if own else ""
        notations += f'<option value="{escaped(name)}"{label}>{escaped(shown)}</option>'
    found = _select("language", languages, say) + _select("notation", notations, say)
    if views.unfolds:
        unfold = escaped(say["unfold"])
        found += f'<button type="button" id="unfold" aria-pressed="false" data-label="unfold">{unfold}</button>'
    return found


def _select(name: str, options: str, say: Mapping[str, str]) -> str:
    return (
        f'<label><span data-label="{name}">{escaped(say[name])}</span>'
        f'<select id="{name}" autocomplete="off">{options}</select></label>'
    )


def _chosen(is_it: bool) -> str:
    return " selected" if is_it else ""


def _buttons(say: Mapping[str, str]) -> str:
    return (
        f'<button type="button" id="print" class="push" data-label="print">{escaped(say["print"])}</button>'
        f'<button type="button" id="theme" aria-pressed="false" data-label="theme">{escaped(say["theme"])}</button>'
    )


def _stepper(say: Mapping[str, str]) -> str:
    """The buttons by which one steps, and what is said about the step."""
    buttons = [("first", "⇤", ' class="ends"'), ("back", "←", ""), ("next", "→", ""), ("last", "⇥", ' class="ends"')]
    shown = [
        f'<button type="button" id="{name}"{more} title="{escaped(say[name])}" aria-label="{escaped(say[name])}"'
        f' data-title="{name}">{sign}</button>'
        for name, sign, more in buttons
    ]
    shown.insert(2, '<output id="status" aria-live="polite"></output>')
    title = escaped(say["stepper"])
    return f'<nav class="bar stepper" data-title="stepper" aria-label="{title}">{"".join(shown)}</nav>'
