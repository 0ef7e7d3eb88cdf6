"""What a check found, as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from bptt_solver.system import Instance

STATUSES = ("exact", "verified", "verified_to_digits", "kink", "failed", "none")
Entry = tuple[int, ...]  # 1-based, as printed; () for a scalar


def entry_text(name: str, entry: Entry) -> str:
    """``∂⁺E/∂W_h, entry (1,2)``."""
    return f"{name}, entry ({','.join(map(str, entry))})" if entry else name


class Failure:
    """One derivative that does not agree: our number, theirs, and by which route theirs was found."""

    __slots__ = ("entry", "instance", "method", "name", "ours", "theirs")

    def __init__(self, name: str, instance: Instance, entry: Entry, ours: Any, theirs: Any, method: str) -> None:
        self.name = name
        self.instance = instance
        self.entry = entry
        self.ours = ours
        self.theirs = theirs
        self.method = method

    @property
    def text(self) -> str:
        """The derivative's name with its entry."""
        return entry_text(self.name, self.entry)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "entry": list(self.entry),
            "ours": plain(self.ours),
            "theirs": plain(self.theirs),
            "method": self.method,
        }


class Limited:
    """One derivative that agrees, but not to all digits: it is ill-conditioned."""

    __slots__ = ("digits", "entry", "instance", "name")

    def __init__(self, name: str, instance: Instance, entry: Entry, digits: int) -> None:
        self.name = name
        self.instance = instance
        self.entry = entry
        self.digits = digits

    @property
    def text(self) -> str:
        """The derivative's name with its entry."""
        return entry_text(self.name, self.entry)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name, "entry": list(self.entry), "digits": self.digits}


class Slopes:
    """The one-sided slopes of a derivative at a kink: to the left, to the right, and the number that was reported."""

    __slots__ = ("entry", "instance", "left", "name", "right", "value")

    def __init__(self, name: str, instance: Instance, entry: Entry, value: Any, left: Any, right: Any) -> None:
        self.name = name
        self.instance = instance
        self.entry = entry
        self.value = value
        self.left = left
        self.right = right

    @property
    def text(self) -> str:
        """The derivative's name with its entry."""
        return entry_text(self.name, self.entry)

    @property
    def smooth(self) -> bool:
        """Whether both slopes are the same: in this direction there is no kink."""
        return same(self.left, self.right)

    @property
    def agrees(self) -> bool:
        """Whether the reported number is the slope on both sides."""
        return self.smooth and same(self.value, self.left)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "entry": list(self.entry),
            "value": plain(self.value),
            "left": plain(self.left),
            "right": plain(self.right),
            "slopes_agree": self.smooth,
        }


class Kink:
    """A place where an operation has no derivative: the instance, the operation, and which partials the convention
    gives.

    ``entry`` is the first entry that lies on the kink, ``arguments`` are the operation's arguments there,
    ``partials`` holds (argument name, simple partial by convention).
    """

    __slots__ = ("arguments", "entries", "entry", "instance", "name", "operation", "partials")

    def __init__(
        self,
        name: str,
        instance: Instance,
        operation: str,
        entry: Entry,
        entries: int,
        arguments: Sequence[Any],
        partials: Sequence[tuple[str, Any]],
    ) -> None:
        self.name = name
        self.instance = instance
        self.operation = operation
        self.entry = entry
        self.entries = entries
        self.arguments = tuple(arguments)
        self.partials = tuple(partials)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "operation": self.operation,
            "entry": list(self.entry),
            "entries": self.entries,
            "arguments": [plain(a) for a in self.arguments],
            "convention": {name: plain(value) for name, value in self.partials},
        }


class Check:
    """What the check of one solve found.

    ``status``: ``exact`` (rational arithmetic), ``verified``, ``verified_to_digits`` (some derivatives are
    ill-conditioned: see ``limited``), ``kink`` (verified, but somewhere only one-sided slopes exist: see ``kinks``
    and ``slopes``), ``failed`` (see ``failures``), ``none`` (not checked: see ``notes``). ``digits`` of every
    derivative are verified, 17 when exact, except of those in ``limited``, which have their own number of digits.
    """

    __slots__ = (
        "checked", "digits", "failures", "kinks", "limited", "methods", "more_failures", "notes", "seed", "slopes",
        "status", "total", "worst_name", "worst_relative",
    )  # fmt: skip

    def __init__(
        self,
        status: str,
        methods: Sequence[str] = (),
        worst_relative: float = 0.0,
        worst_name: str = "",
        checked: int = 0,
        total: int = 0,
        seed: int | None = None,
        digits: int = 0,
        failures: Sequence[Failure] = (),
        more_failures: int = 0,
        limited: Sequence[Limited] = (),
        kinks: Sequence[Kink] = (),
        slopes: Sequence[Slopes] = (),
        notes: Sequence[str] = (),
    ) -> None:
        self.status = status
        self.methods = tuple(methods)
        self.worst_relative = worst_relative
        self.worst_name = worst_name
        self.checked = checked
        self.total = total
        self.seed = seed
        self.digits = digits
        self.failures = tuple(failures)
        self.more_failures = more_failures
        self.limited = tuple(limited)
        self.kinks = tuple(kinks)
        self.slopes = tuple(slopes)
        self.notes = tuple(notes)

    @property
    def least_digits(self) -> int:
        """The digits that are verified of every derivative."""
        return min([self.digits, *(x.digits for x in self.limited)])

    def digits_of(self, instance: Instance) -> int:
        """The digits that are verified of all entries of the derivative with respect to an instance."""
        return min([self.digits, *(x.digits for x in self.limited if x.instance == instance)])

    @property
    def passed(self) -> bool:
        """Whether nothing was found to be wrong."""
        return self.status != "failed"

    def as_json(self) -> dict[str, Any]:
        """Plain data in a fixed order."""
        return {
            "status": self.status,
            "passed": self.passed,
            "methods": list(self.methods),
            "worst_relative": self.worst_relative,
            "worst_name": self.worst_name,
            "checked": self.checked,
            "total": self.total,
            "seed": self.seed,
            "digits": self.digits,
            "least_digits": self.least_digits,
            "failures": [f.as_json() for f in self.failures],
            "more_failures": self.more_failures,
            "limited": [x.as_json() for x in self.limited],
            "kinks": [k.as_json() for k in self.kinks],
            "slopes": [s.as_json() for s in self.slopes],
            "notes": list(self.notes),
        }


def plain(value: Any) -> Any:
    """A number as JSON has it: an int, a float, or a text where it is neither (fractions, what is not finite)."""
    if type(value) is Fraction:
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    number = float(value)
    return number if math.isfinite(number) else str(number)


def same(a: Any, b: Any, tolerance: float = 1e-9) -> bool:
    """Equal up to a relative tolerance; there is no absolute one."""
    return bool(a == b or relative(a, b) <= tolerance)


def relative(a: Any, b: Any) -> float:
    """``|a - b|/max(|a|, |b|)``; 0 for two zeros, infinity for what is not finite."""
    if a == b:
        return 0.0
    try:
        a, b = _comparable(a, b), _comparable(b, a)
        size = max(abs(a), abs(b))
        result = float(abs(a - b) / size)
    except OverflowError:
        return math.inf
    return math.inf if math.isnan(result) else result


def _comparable(value: Any, other: Any) -> Any:
    """A fraction as the kind of number that it meets: 50-digit numbers and fractions do not compare."""
    if not isinstance(value, Fraction) or isinstance(other, (int, float, Fraction)):
        return value
    return type(other)(value.numerator) / value.denominator
