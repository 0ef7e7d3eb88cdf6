"""What a page needs to compute its numbers again when given ones are changed: data, scripts, a style sheet."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.language.expressions import Index, Reference
from bptt_solver.language.notation.writer import PLAIN_STYLE
from bptt_solver.page.cells import live, numbers
from bptt_solver.page.document import asset, data
from bptt_solver.render.html import HtmlRenderer

if TYPE_CHECKING:
    from bptt_solver.solution import Solution

SCRIPTS = ("interpreter.js", "printed.js", "shades.js", "place.js", "live.js")
MOST_DATA = 3_000_000  # characters; a page with more of them only shows its numbers
MOST_PLAIN = 20_000  # characters that are not compressed


class Live:
    """``shown`` is what has the numbers in it, ``data`` is HTML that goes into the page; all is empty where a system
    is too large."""

    def __init__(self, solution: Solution, shown: Sequence[str]) -> None:
        self.data = ""
        self.sheet = ""
        self.scripts: dict[str, str] = {}
        computation = solution.computation
        if not live(computation):
            return
        found = numbers(computation, shown)
        found["families"], found["result"] = families(solution)
        text = data(found)
        if len(text) > MOST_DATA:
            return
        kind = "application/json"
        if len(text) > MOST_PLAIN:
            kind = "application/octet-stream"
            text = base64.b64encode(zlib.compress(json.dumps(found, separators=(",", ":")).encode(), 9)).decode()
        self.data = f'<script type="{kind}" id="numbers">{text}</script>\n'
        self.sheet = asset("live.css")
        self.scripts = {name: asset(name) for name in SCRIPTS}


def families(solution: Solution) -> tuple[list[Any], list[Any]]:
    """``[name, [[number, name], ...]]``: what is given, by family, with the names as they are printed; and the target's
    ``[number, name]``."""
    computation = solution.computation
    convention = solution.convention
    renderer = HtmlRenderer(PLAIN_STYLE if convention is None else convention.style)
    found: dict[str, list[Any]] = {}
    unfolded = computation.unfolded
    for number, (name, indices) in enumerate(unfolded.keys[: unfolded.first]):
        if unfolded.grounds[number] is None:
            own = renderer.inline(renderer.name(Reference(name, tuple(map(Index, indices)))))
            found.setdefault(name, []).append([number, own])
    target = [unfolded.number[computation.target_key], renderer.inline(renderer.name(computation.target))]
    return [[renderer.inline(renderer.name(Reference(name))), members] for name, members in found.items()], target
