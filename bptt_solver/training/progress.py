"""Progress of long training: a line every now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from bptt_solver.catalogues import message

ON_TERMINAL, ELSEWHERE = 1.0, 10.0  # seconds between two lines


class Reporter:
    """Gets every step and says, after some seconds each time, how far training is."""

    def __init__(
        self,
        say: Callable[[str], object],
        terminal: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._pause = ON_TERMINAL if terminal else ELSEWHERE
        self._clock = clock
        self._at = clock()
        self._step = 0
        self._begun = False

    def __call__(self, step: int, last: int, loss: float) -> None:
        """One more step begins, with this loss before it."""
        now = self._clock()
        if not self._begun:
            self._begun, self._at, self._step = True, now, step
        elif now - self._at >= self._pause:
            rate = (step - self._step) / (now - self._at)
            self._say(
                message(
                    "training.progress", step=f"{step - 1:,}", last=f"{last:,}", loss=f"{loss:.6g}", rate=f"{rate:,.0f}"
                )
            )
            self._at, self._step = now, step
