"""Numbers that are shown beside the values of instances: terms, simple partials, products - what each is made of."""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.instances import Ground
from bptt_solver.language.expressions import Expression


class Other:
    """Another number that was made, by its place."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        self.at = at


class One:
    """The number 1: what a result receives where its simple partial is wanted."""

    __slots__ = ()


ONE = One()
Source = int | list[Ground] | Other | One  # the number of an instance or constant, an inner sum, another one, or 1


class Made:
    """What was made so far, each once: an expression in slots, and what stands in them. A page computes it again."""

    __slots__ = ("_known", "found")

    def __init__(self) -> None:
        self.found: list[tuple[Expression, tuple[Source, ...]]] = []
        self._known: dict[object, int] = {}

    def place(self, expression: Expression, slots: Sequence[Source]) -> int:
        """The place of a number."""
        plain = all([type(s) is int for s in slots])
        key = (id(expression), tuple(slots if plain else map(_key, slots)))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = len(self.found)
            self.found.append((expression, tuple(slots)))
        return known


def _key(source: Source) -> object:
    if isinstance(source, Other):
        return "other", source.at
    return source if isinstance(source, int) else ("one" if isinstance(source, One) else ("inner", id(source)))
