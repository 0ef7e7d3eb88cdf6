"""How large an input may be: far above honest use, and lifted only by the person who runs the program.

A document can never lift a limit. `Limits.check` is called with a number that was *calculated*, before anything of that
size is read, built or allocated; its message names the flag that lifts the limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bptt_solver.errors import ProblemError, Span, fail, suggest


class Limit(NamedTuple):
    """What a limit is by default, the most that ``--limit`` may make of it, and what it counts (for the message)."""

    default: int
    most: int
    counts: str


TABLE: Mapping[str, Limit] = {
    "bytes": Limit(16_000_000, 1_000_000_000, "bytes"),
    "yaml_depth": Limit(20, 64, "levels of nesting"),
    "yaml_items": Limit(500_000, 10_000_000, "entries"),
    "equation_length": Limit(100_000, 10_000_000, "characters"),
    "equation_nodes": Limit(50_000, 5_000_000, "nodes"),
    "depth": Limit(100, 300, "levels of nesting"),
    "equations": Limit(1_000_000, 10_000_000, "equations"),
    "instances": Limit(1_000_000, 50_000_000, "instances"),
    "elements": Limit(10_000_000, 1_000_000_000, "elements"),
    "digits": Limit(100, 4_000, "digits"),
    "exponent_digits": Limit(4, 4, "digits in its exponent"),
    "exact_bits": Limit(20_000, 1_000_000, "bits"),
    "name_length": Limit(64, 256, "characters"),
    "title_length": Limit(500, 5_000, "characters"),
    "indices": Limit(8, 32, "indices"),
    "seconds": Limit(0, 1_000_000, "seconds"),  # 0: no limit
    "output_bytes": Limit(50_000_000, 10_000_000_000, "bytes"),
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
                raise fail(f"'{_short(setting)}' is not of the form name=value", hint="for example --limit depth=200")
            if name in TABLE and not (digits.isascii() and digits.isdigit() and len(digits) <= 30):
                raise fail(f"limit '{name}' needs a whole number, got '{_short(digits)}'")
            limits._put(name, int(digits) if name in TABLE else 0)
        return limits

    def _put(self, name: str, value: int) -> None:
        limit = TABLE.get(name)
        if limit is None:
            within = [known for known in TABLE if name and name in known]
            hint = f"did you mean '{within[0]}'?" if len(within) == 1 else suggest(name, TABLE)
            hint = hint or f"the limits are {', '.join(TABLE)}"
            raise fail(f"unknown limit '{_short(name)}'", hint=hint)
        if value > limit.most:
            raise fail(f"limit '{name}' cannot be {value:,}", hint=f"its hard cap is {limit.most:,}")
        self._set[name] = value

    def get(self, name: str) -> int:
        """The value in force. ``KeyError`` for a name that is not in `TABLE`."""
        value = self._set.get(name)
        return TABLE[name].default if value is None else value

    def check(self, name: str, amount: float, what: str, span: Span | None = None) -> None:
        """Raise `ProblemError` ("``what`` has 2,431 nodes, limit 2,000") if ``amount`` is above the limit ``name``."""
        value = self.get(name)
        if amount > value and (value or name != "seconds"):
            raise self.exceeded(name, amount, what, span)

    def exceeded(
        self, name: str, amount: float, what: str, span: Span | None = None, *, or_more: bool = False
    ) -> ProblemError:
        """The error for an amount above a limit; ``or_more``: counting stopped there, so the whole is not known."""
        limit = TABLE[name]
        verb = "took" if name == "seconds" else "has"
        if or_more:
            message = f"{what} {verb} more than {self.get(name):,} {limit.counts}"
        else:
            message = f"{what} {verb} {_number(amount)} {limit.counts}, limit {self.get(name):,}"
        if or_more and self.get(name) < limit.most:
            hint = f"--limit {name}=N lifts it, up to {limit.most:,}"
        elif not or_more and amount <= limit.most:
            hint = f"--limit {name}={_ceiling(amount)}"
        else:
            hint = f"no --limit lifts this above {limit.most:,}"
        return fail(message, span, hint)


def _number(amount: float) -> str:
    return f"{amount:,}" if isinstance(amount, int) else f"{amount:,.1f}"


def _ceiling(amount: float) -> int:
    return -int(-amount // 1)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
