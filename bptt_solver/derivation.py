"""The steps of a derivation as data: what is given, the order, values, simple partials, the sweep, the gathered sums, the check.

`derive` reads everything off a computation; words come later (`bptt_solver.narrate`), formats later still (`bptt_solver.render`).
Every line is a chain of formulas with equals signs between them: name = symbols = numbers = result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.blocks import Formula, Item, Value
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Reference

if TYPE_CHECKING:
    from bptt_solver.computation import Computation

MOST_LINES = 60  # lines of the sweep that are all printed unless asked otherwise
MOST_TIMES = 8  # time steps that are all printed
FIRST_LINES, LAST_LINES = 5, 3  # of a longer section


class Chain:
    """``items[0] = items[1] = ...``: one line of mathematics. ``shape`` stands behind it (matrix lines), ``sums_to_zero`` as well."""

    __slots__ = ("items", "note", "shape")

    def __init__(self, items: Sequence[Item], shape: Sequence[tuple[int, ...]] = (), note: str = "") -> None:
        self.items = items
        self.shape = shape
        self.note = note


class Group:
    """Lines of one time step (``variable = at``); without a variable, lines that belong to no time."""

    __slots__ = ("at", "lines", "variable")

    def __init__(self, lines: list[Any], variable: str = "", at: int = 0) -> None:
        self.lines = lines
        self.variable = variable
        self.at = at


class User:
    """Who uses a node: the instance, and how much later it stands (None: no time)."""

    __slots__ = ("name", "shift")

    def __init__(self, name: Reference, shift: int | None = None) -> None:
        self.name = name
        self.shift = shift


class SweepStep:
    """One line of the backward sweep. ``users`` latest first, the target first of all if the effect on it is direct.

    ``missing`` are users that other members of the family have and this one has not; ``explained`` is False where the same
    reason stood before.
    """

    __slots__ = ("chain", "explained", "missing", "node", "only", "users")

    def __init__(
        self,
        node: Reference,
        chain: Chain,
        users: Sequence[User],
        only: bool = False,
        missing: Sequence[Reference] = (),
        explained: bool = True,
    ) -> None:
        self.node = node
        self.chain = chain
        self.users = users
        self.only = only
        self.missing = missing
        self.explained = explained


class Recurrence:
    """A folded backward equation for a range of indices, and who uses its family there."""

    __slots__ = ("chain", "domain", "equation", "matched", "users")

    def __init__(self, equation: Equation, chain: Chain, users: Sequence[Reference], matched: bool) -> None:
        self.equation = equation
        self.chain = chain
        self.users = users
        self.matched = matched


class Cut:
    """Lines that are left out, and how many."""

    __slots__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count


class Derivation:
    """Everything that is printed, section by section; see the attributes."""

    def __init__(self, computation: Computation, check: object, detail: str) -> None:
        self.computation = computation
        self.check = check
        self.detail = detail
        self.title: str = computation.problem.title or ""
        self.target = computation.target
        self.plain = False  # numbers only, no indices: the form of the z example
        self.rounded = False  # not everything that is shown is exact
        self.arrays = False
        self.digits = 6
        self.equations: list[Chain | Cut] = []
        self.values: list[Chain | Cut] = []
        self.wanted: list[Reference | Cut] = []
        self.order: list[Reference | Cut] = []
        self.forward: list[Group] = []
        self.partials: list[Any] = []
        self.sweep: list[Group] = []
        self.cut = False  # something is left out that ``steps="all"`` would show
        self.gather: Any = None
        self.evidence: list[Any] = []


def derive(
    computation: Computation, check: object = None, *, detail: str = "matrix", entries: Sequence[str] = (), steps: str = "auto"
) -> Derivation:
    """The derivation of a computation's ordered derivatives.

    ``check`` is what `bptt_solver.verify.verify` returns (None: not verified); ``detail`` is ``summary``, ``matrix`` or ``scalar``;
    ``entries`` (``h[2]:1``, ``W_h:1,2``) are expanded with ``scalar``; ``steps="all"`` leaves nothing out. Raises ProblemError for an
    entry that is not there.
    """
    from bptt_solver.steps.plain import derive_plain, is_plain

    derivation = Derivation(computation, check, detail)
    if is_plain(computation):
        derive_plain(derivation, steps)
    else:
        from bptt_solver.steps.indexed import derive_indexed

        derive_indexed(derivation, entries, steps)
    return derivation


def shortened(items: Sequence[Any], everything: bool, most: int = MOST_LINES) -> list[Any]:
    """The items, or the first and last few with a `Cut` between them."""
    if everything or len(items) <= most:
        return list(items)
    return [*items[:FIRST_LINES], Cut(len(items) - FIRST_LINES - LAST_LINES), *items[-LAST_LINES:]]


__all__ = ["Chain", "Cut", "Derivation", "Formula", "Group", "Recurrence", "SweepStep", "User", "Value", "derive", "shortened"]
