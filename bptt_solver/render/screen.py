"""Where a text is read: how wide that place is, the colours it shows, the characters it lacks."""

from __future__ import annotations

import os
from collections.abc import Mapping

WIDTH = 120
# The codes of what is emphasised. The colours are fixed shades of middle brightness (at least 4 : 1 on white and on
# black), so that they read on dark and on light backgrounds whatever the terminal makes of the names of colours.
SHADES = {
    "title": "1",
    "heading": "1",
    "number": "1;38;5;97",
    "group": "38;5;97",
    "result": "1",
    "direct": "38;5;29",
    "through": "38;5;130",
    "note": "2",
    "alert": "1;38;5;160",
}
NAMED = {**SHADES, "number": "1;35", "group": "35", "direct": "36", "through": "33", "alert": "1;31"}  # of eight


class Screen:
    """``width`` in columns; ``palette``: the codes for emphasis, None for none; ``encoding``: the one that lacks
    characters, "" for none; ``strict``: rows are cut rather than too wide."""

    __slots__ = ("encoding", "palette", "strict", "width")

    def __init__(
        self, width: int = WIDTH, palette: Mapping[str, str] | None = None, encoding: str = "", strict: bool = False
    ) -> None:
        self.width = width
        self.palette = palette
        self.encoding = encoding
        self.strict = strict

    def spell(self, text: str) -> str:
        """A text in the characters that there are."""
        from bptt_solver.language.notation.numbers import ascii_text

        return ascii_text(text, self.encoding)


def palette(environment: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """The codes for the terminal that the environment names: shades where it knows 256 colours."""
    kind = environment.get("TERM", "")
    many = "256" in kind or "COLORTERM" in environment or "WT_SESSION" in environment
    many = many or kind.startswith(("xterm-", "alacritty", "foot", "wezterm", "tmux-direct"))
    return SHADES if many else NAMED
