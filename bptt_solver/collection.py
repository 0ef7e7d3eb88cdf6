"""Cyclic garbage collection, paused while big structures are made."""

from __future__ import annotations

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class PausedCollection:
    """``with PausedCollection():`` no search for cyclic garbage, which among many nodes takes as long as making them.

    What is made there (trees, instances, values) stays, or has no cycles. It nests.
    """

    __slots__ = ("_collecting",)

    def __enter__(self) -> None:
        self._collecting = gc.isenabled()
        gc.disable()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._collecting:
            gc.enable()
