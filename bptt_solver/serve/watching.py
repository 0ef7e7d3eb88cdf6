"""Which files have changed since they were last looked at, by their times and sizes, fifty times a second."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable

PAUSE = 0.02  # seconds
Stamp = tuple[int, int, int]


def stamp(path: str) -> Stamp | None:
    """What changes when a file is written or replaced; None where there is no file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class Watch:
    """Files, and how they were when they were last looked at."""

    def __init__(self) -> None:
        self._known: dict[str, Stamp | None] = {}
        self._doubted: dict[str, None] = {}

    def changed(self, paths: Iterable[str]) -> list[str]:
        """Which of these files have changed since the last look; one that is seen for the first time has not.

        A file that is empty or gone now and was not before is left for the next look: an editor that writes in place
        empties it first, others move it away before they write a new one."""
        found: list[str] = []
        for path in paths:
            now = stamp(path)
            before = self._known.setdefault(path, now)
            if now == before:
                self._doubted.pop(path, None)
                continue
            if (now is None or now[1] == 0) and path not in self._doubted:
                self._doubted[path] = None
                continue
            self._doubted.pop(path, None)
            self._known[path] = now
            found.append(path)
        return found


async def changes(paths: Callable[[], Iterable[str]], pause: float = PAUSE) -> AsyncIterator[list[str]]:
    """The files that have changed, each time some have; ``paths`` is asked anew for every look."""
    watch = Watch()
    watch.changed(paths())
    while True:
        await asyncio.sleep(pause)
        found = watch.changed(paths())
        if found:
            yield found
