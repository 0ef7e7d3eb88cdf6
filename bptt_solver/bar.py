"""One row on the terminal that says how far long work is. It comes after a second and goes before anything else is
written.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from bptt_solver.catalogues import in_language, message
from bptt_solver.output import encoding_of, is_unicode, spoken, standing, visible
from bptt_solver.render.columns import columns, split_at
from bptt_solver.spelling import spelled
from bptt_solver.terminal import size

PATIENCE, PAUSE = 1.0, 0.1  # seconds before it comes, and between two of its states
_LENGTH = 20
_LEAST_LEFT = 2  # seconds that are worth telling


class Bar:
    """Gets how far the work is (`bptt_solver.progress`) and draws it on standard error."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock() + PATIENCE
        self._what = ""
        self._since = 0.0  # when the present work began
        self._first = 0  # and how much of it was done then
        self._drawn = False
        self.before = ""  # in front of everything: which file it is

    def __call__(self, what: str, done: int, last: int, more: str = "") -> None:
        """So much of something is done; ``more`` is shown behind it."""
        now = self._clock()
        if what != self._what:
            self._what, self._since, self._first = what, now, done
        if done >= last > 0:
            self.clear()
        elif now >= self._next:
            self._next = now + PAUSE
            self._draw(self._text(done, last, more, now))

    def restart(self, before: str = "") -> None:
        """Other work begins, that on the file which is named ``before`` everything else."""
        self.before = before
        self._what = ""
        if self._clock() >= self._next:
            self._draw(before)

    def training(self, step: int, last: int, loss: float) -> None:
        """One more step of training begins, with this loss before it."""
        if self._clock() >= self._next:
            more = message("progress.loss", loss=f"{loss:.6g}")
            self(message("progress.training"), step - 1, last, in_language(more, spoken("stderr")))
        elif not self._what:
            self(message("progress.training"), step - 1, last)

    def clear(self) -> None:
        """Remove the row."""
        if self._drawn:
            self._drawn = False
            self._write("\r\x1b[K")

    def _text(self, done: int, last: int, more: str, now: float) -> str:
        language = spoken("stderr")
        part = done / last if last else 0.0
        bar = "#" * int(_LENGTH * part)
        texts = [self.before, in_language(self._what, language), f"[{bar:-<{_LENGTH}}]"]
        texts.append(in_language(message("progress.of", done=f"{done:,}", last=f"{last:,}"), language))
        steps, passed = done - self._first, now - self._since
        left = passed / steps * (last - done) if steps else 0.0
        if left >= _LEAST_LEFT:
            texts.append(in_language(message("progress.left", time=_clock_text(left)), language))
        return " ".join([text for text in (*texts, more) if text])

    def _draw(self, text: str) -> None:
        text = visible(text).replace("\n", " ")
        encoding = encoding_of("stderr")
        if not text.isascii() and not is_unicode(encoding):
            text = spelled(text, encoding)
        width = size("stderr")[0] - 1  # the last column is left free: some terminals go to the next row there
        if columns(text) > width:
            text = text[: split_at(text, width)]
        if not self._drawn:
            standing(self.clear)
        self._drawn = True
        self._write(f"\r{text}\x1b[K")

    def _write(self, text: str) -> None:
        try:
            if sys.stderr is not None:
                sys.stderr.write(text)
                sys.stderr.flush()
        except (OSError, ValueError):  # nobody looks any more
            self._next = float("inf")


def _clock_text(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
