"""The views of a page: a derivation in every language and notation, folded and with all time steps, as lists of pieces
of which each is kept once.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import TYPE_CHECKING

from bptt_solver.blocks import Block
from bptt_solver.catalogues import LANGUAGES, in_language
from bptt_solver.errors import ProblemError
from bptt_solver.language.notation.writer import PLAIN_STYLE
from bptt_solver.page.labels import labels
from bptt_solver.profiles.profile import STANDARD, profile, profile_names
from bptt_solver.render.html import HtmlRenderer

if TYPE_CHECKING:
    from bptt_solver.profiles.convention import Convention
    from bptt_solver.solution import Solution

MOST_ENTRIES = 120  # entries of arrays that can be looked at one by one
MOST_VIEWED = 400_000  # characters of one view; of a longer one there are no other notations
MOST_UNFOLDED = 3_000_000  # characters of all time steps
_NUMBER = re.compile(r'<mn data-k="([^"<>&]*)">([^<]*)</mn>')


class Views:
    """What can be chosen in a page. ``notations`` are (name, title), the one that is shown first at the front."""

    def __init__(self, solution: Solution) -> None:
        self.solution = solution
        self.language = solution.language
        self.entries = entries_of(solution)
        self._pieces: dict[tuple[str, str, str], list[str]] = {}
        self._conventions: dict[str, Convention | None] = {}
        self._renderers: dict[str, HtmlRenderer] = {}
        self._alive: list[list[Block]] = []
        own = solution.convention
        self.own = STANDARD if own is None else own.profile.name
        self._conventions[self.own] = own
        self.notations: list[tuple[str, str]] = [(self.own, _title(self.own, self.language))]
        self.unfolds = False

    def first(self) -> list[str]:
        """The pieces of what is shown first."""
        return self._view(self.language, self.own, "")

    def fill(self) -> None:
        """Make the other views."""
        languages = [self.language, *(x for x in LANGUAGES if x != self.language)]
        long = sum(map(len, self.first())) > MOST_VIEWED
        for name in profile_names() if not long else ():
            if name not in self._conventions and self._convention(name):
                self.notations.append((name, _title(name, self.language)))
        for name, _ in self.notations:
            for language in languages:
                self._view(language, name, "")
        if self.solution.shortened:
            pieces = self._view(self.language, self.own, "all")
            self.unfolds = sum(map(len, pieces)) <= MOST_UNFOLDED
            if not self.unfolds:
                del self._pieces[self.language, self.own, "all"]

    def conventions(self) -> list[tuple[str, Convention | None]]:
        """The notations that can be chosen, by name, the one that is shown first at the front."""
        return [(name, self._conventions[name]) for name, _ in self.notations]

    def packed(self) -> str:
        """All views as JSON, compressed, in base64: the pieces, and for each view which of them it consists of.
        Pieces that stand at the same place in several views are neighbours, so that they compress well. A number that
        has a key (``data-k``) stands in a table, once for all places."""
        numbers: dict[str, int] = {}
        for at in range(max(map(len, self._pieces.values()))):
            for pieces in self._pieces.values():
                if at < len(pieces):
                    numbers.setdefault(pieces[at], len(numbers))
        order = {
            ",".join(key).removesuffix(","): [numbers[piece] for piece in pieces]
            for key, pieces in self._pieces.items()
        }
        texts: dict[str, str] = {}
        pieces = [_without_numbers(piece, texts) for piece in numbers]
        whole = {"pieces": pieces, "order": order, "numbers": texts}
        return compressed(whole)

    def html(self) -> list[str]:
        """All pieces of all views that were made."""
        return [piece for pieces in self._pieces.values() for piece in pieces]

    def _view(self, language: str, notation: str, steps: str) -> list[str]:
        known = self._pieces.get((language, notation, steps))
        if known is None:
            convention = self._conventions[notation]
            blocks: list[Block] = self.solution.told(language, convention, steps or None, self.entries or None)
            renderer = self._renderers.get(notation)
            if renderer is None:
                style = PLAIN_STYLE if convention is None else convention.style
                renderer = HtmlRenderer(style, open_entries=self.solution.detail == "scalar")
                self._renderers[notation] = renderer
            renderer.labels = labels(language)
            self._alive.append(blocks)  # the renderer knows them by identity
            known = self._pieces[language, notation, steps] = renderer.pieces(blocks)
        return known

    def _convention(self, name: str) -> bool:
        """Whether a notation can be used here."""
        from bptt_solver.profiles.convention import Convention

        problem = self.solution.computation.problem
        try:
            made = None if name == STANDARD else Convention(profile(name), problem, self.solution.target)
        except ProblemError:
            return False
        self._conventions[name] = made
        return True


def compressed(whole: object) -> str:
    """Data as JSON, compressed, in base64."""
    data = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(data.encode(), 9)).decode()


def entries_of(solution: Solution) -> list[str]:
    """``h[2]:1``, ...: the entries that can be looked at in a matrix line. Those that were asked for come first; of
    large arrays only the first ones."""
    asked = list(solution.entries)
    if solution.detail == "summary":
        return asked
    from bptt_solver.unfold import instance_text

    computation = solution.computation
    arrays = [(key, computation.shapes.get(n, ())) for n, key in enumerate(computation.problem.unfolded.keys)]
    found = [(instance_text(key), shape) for key, shape in arrays if shape and computation.derivative_number(key)]
    each = MOST_ENTRIES // max(1, len(found))
    for name, shape in found if each else ():
        places = [f"{i},{j}" for i in range(1, shape[0] + 1) for j in range(1, shape[1] + 1)] if len(shape) == 2 else []
        places = places or [str(i) for i in range(1, shape[0] + 1)]
        asked += [text for place in places[:each] if (text := f"{name}:{place}") not in asked]
    return asked


def _without_numbers(piece: str, texts: dict[str, str]) -> str:
    """A piece with ``<mn k=v7>`` for the numbers whose text is in the table."""

    def short(found: re.Match[str]) -> str:
        key, text = found.groups()
        return f"<mn k={key}>" if texts.setdefault(key, text) == text else found[0]

    return _NUMBER.sub(short, piece)


def _title(name: str, language: str) -> str:
    return in_language(profile(name).title, language)
