"""How large an input may be: far above honest use, and lifted only by the person who runs the program.

A document can never lift a limit. `Limits.check` is called with a number that was *calculated*, before anything of that
size is read, built or allocated; its message names the flag that lifts the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError, Span, fail, suggest


class Limit(NamedTuple):
    """What a limit is by default, the most that ``--limit`` may make of it, and the key of what it counts."""

    default: int
    most: int
    counts: str


TABLE: Mapping[str, Limit] = {
    "bytes": Limit(16_000_000, 1_000_000_000, "limit.bytes"),
    "yaml_depth": Limit(20, 64, "limit.levels"),
    "yaml_items": Limit(500_000, 10_000_000, "limit.entries"),
    "equation_length": Limit(100_000, 10_000_000, "limit.characters"),
    "equation_nodes": Limit(50_000, 5_000_000, "limit.nodes"),
    "depth": Limit(100, 300, "limit.levels"),
    "equations": Limit(1_000_000, 10_000_000, "limit.equations"),
    "instances": Limit(1_000_000, 50_000_000, "limit.instances"),
    "elements": Limit(10_000_000, 1_000_000_000, "limit.elements"),
    "digits": Limit(100, 4_000, "limit.digits"),
    "exponent_digits": Limit(4, 4, "limit.exponent"),
    "exact_bits": Limit(20_000, 1_000_000, "limit.bits"),
    "name_length": Limit(64, 256, "limit.characters"),
    "title_length": Limit(500, 5_000, "limit.characters"),
    "indices": Limit(8, 32, "limit.indices"),
    "seconds": Limit(0, 1_000_000, "limit.seconds"),  # 0: no limit
    "output_bytes": Limit(50_000_000, 10_000_000_000, "limit.bytes"),
}


class Limits:
    """The limits of one run: the defaults of `TABLE`, except for those that were set."""

    __slots__ = ("_set",)

    def __init__(self, values: Mapping[str, int] | None = None) -> None:
        self._set: dict[str, int] = {}
        for name, value in (values or {}).items():
            self._put(name, value)

    @classmethod
    def parse(cls, settings: Iterable[str]) -> Limits:
        """Read what follows ``--limit``: ``name=value`` each; the last one of a name counts.

        Raises `ProblemError` for an unknown name, a value that is no whole number, or one above the hard cap.
        """
        limits = cls()
        for setting in settings:
            name, equals, digits = (part.strip() for part in setting.partition("="))
            if not equals:
                raise fail(message("limit.form", setting=_short(setting)), hint=message("limit.example"))
            if name in TABLE and not (digits.isascii() and digits.isdigit() and len(digits) <= 30):
                raise fail(message("limit.whole", name=name, value=_short(digits)))
            limits._put(name, int(digits) if name in TABLE else 0)
        return limits

    def _put(self, name: str, value: int) -> None:
        limit = TABLE.get(name)
        if limit is None:
            within = [known for known in TABLE if name and name in known]
            hint = message("error.suggestion", name=within[0]) if len(within) == 1 else suggest(name, TABLE)
            hint = hint or message("limit.known", names=message.listed([*TABLE], "list.comma"))
            raise fail(message("limit.unknown", name=_short(name)), hint=hint)
        if value > limit.most:
            raise fail(
                message("limit.cannot", name=name, value=f"{value:,}"),
                hint=message("limit.cap", most=f"{limit.most:,}"),
            )
        self._set[name] = value

    def get(self, name: str) -> int:
        """The value in force. ``KeyError`` for a name that is not in `TABLE`."""
        value = self._set.get(name)
        return TABLE[name].default if value is None else value

    def check(self, name: str, amount: float, what: str | Callable[[], str], span: Span | None = None) -> None:
        """Raise `ProblemError` ("``what`` has 2,431 nodes, limit 2,000") if ``amount`` is above the limit ``name``.

        What is made for a message only is a function."""
        value = self.get(name)
        if amount > value and (value or name != "seconds"):
            raise self.exceeded(name, amount, what if isinstance(what, str) else what(), span)

    def exceeded(
        self, name: str, amount: float, what: str, span: Span | None = None, *, or_more: bool = False
    ) -> ProblemError:
        """The error for an amount above a limit; ``or_more``: counting stopped there, so the whole is not known."""
        limit = TABLE[name]
        key = ("limit.took" if name == "seconds" else "limit.has") + ("_more" if or_more else "")
        counted, shown = message(limit.counts), "" if or_more else _number(amount)
        told = message(key, what=what, amount=shown, counted=counted, limit=f"{self.get(name):,}")
        if or_more and self.get(name) < limit.most:
            hint = message("limit.lifts", name=name, most=f"{limit.most:,}")
        elif not or_more and amount <= limit.most:
            hint = message("limit.lift", name=name, amount=_ceiling(amount))
        else:
            hint = message("limit.never", most=f"{limit.most:,}")
        return fail(told, span, hint)


def _number(amount: float) -> str:
    return f"{amount:,}" if isinstance(amount, int) else f"{amount:,.1f}"


def _ceiling(amount: float) -> int:
    return -int(-amount // 1)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
