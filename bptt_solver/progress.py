"""How far long work is: whoever works counts, whoever shows it listens; where nobody listens it costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")
Listener = Callable[[str, int, int], object]  # what is done, how much of it, of how much

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listened(listener: Listener | None) -> Iterator[None]:
    """In the body, a ``listener`` gets what `counted` tells."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def counted(items: Sequence[Item], what: Callable[[], str]) -> Iterator[Item] | Sequence[Item]:
    """The items, one after the other; the listener is told ``what`` is done with them and how many are done."""
    listener = _listener.get()
    return items if listener is None else _told(items, what(), listener)


def _told(items: Sequence[Item], what: str, listener: Listener) -> Iterator[Item]:
    last = len(items)
    for done, item in enumerate(items):
        listener(what, done, last)
        yield item
    listener(what, last, last)


def tell(what: Callable[[], str], done: int, last: int) -> None:
    """Tell the listener, if there is one, how far something is."""
    listener = _listener.get()
    if listener is not None:
        listener(what(), done, last)
