"""The steps of a derivation as data: what is given, the order, values, simple partials, the sweep, the gathered sums,
the check.

`derive` reads everything off a computation; words come later (`bptt_solver.narrate`), formats later still
(`bptt_solver.render`). Every line is a chain of formulas with equals signs between them: name = symbols = numbers =
result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.blocks import Argument, Domain, Formula, Item, Use, Value
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import Call, Reference, preorder

if TYPE_CHECKING:
    from bptt_solver.computation import Computation

MOST_LINES = 60  # lines of the sweep that are all printed unless asked otherwise
MOST_TIMES = 8  # time steps that are all printed
FIRST_LINES, LAST_LINES = 5, 3  # of a longer section


class Chain:
    """``items[0] = items[1] = ...``: one line of mathematics. ``shape`` stands behind it (matrix lines),
    ``sums_to_zero`` as well.
    """

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

    ``only``: nothing else uses the node, though other members of its family have more users; ``missing`` are those.
    ``branching``: the family has several users; ``new``: its members' users were not explained before.
    """

    __slots__ = ("branching", "chain", "entries", "missing", "new", "node", "only", "users")

    def __init__(
        self,
        node: Reference,
        chain: Chain,
        users: Sequence[User],
        only: bool = False,
        missing: Sequence[Reference] = (),
        branching: bool = True,
        new: bool = True,
    ) -> None:
        self.node = node
        self.chain = chain
        self.users = users
        self.only = only
        self.missing = missing
        self.branching = branching
        self.new = new
        self.entries: list[Chain] = []


class Recurrence:
    """A folded backward equation for a range of indices, and who uses its family there; the reason of a matched
    pair.
    """

    __slots__ = ("chain", "domain", "matched", "node", "users")

    def __init__(
        self, node: Reference, domain: Domain | None, chain: Chain, users: Sequence[Reference], matched: str
    ) -> None:
        self.node = node
        self.domain = domain
        self.chain = chain
        self.users = users
        self.matched = matched


class LocalStep:
    """A folded simple partial, its values by time (numbers), or its values one by one."""

    __slots__ = ("by_time", "chain", "transposed", "values")

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.by_time: dict[int, Value] = {}
        self.values: list[Chain] = []
        self.transposed = False


class Match:
    """A matched pair: the joint partial, the reason, whether the targets sum to 1; of a softmax the output, its
    argument, their size, and what the output receives. ``inner``: the use stands inside the output function's
    argument.
    """

    __slots__ = (
        "argument", "chain", "inner", "output", "reason", "received", "sent", "size", "sums_to_one", "user", "via",
    )  # fmt: skip

    def __init__(
        self,
        chain: Chain,
        reason: str,
        sums_to_one: bool,
        output: Reference | None,
        argument: Reference | None,
        size: int,
    ) -> None:
        self.chain = chain
        self.reason = reason
        self.sums_to_one = sums_to_one
        self.output = output
        self.argument = argument
        self.size = size
        self.received: Chain | None = None
        self.sent: Item = chain.items[-1]  # what the argument gets of what is received
        self.inner = False
        self.user: Reference | None = None
        self.via: Equation | None = None


class Local:
    """Section 4 of a system with indices: matched pairs, folded partials."""

    __slots__ = ("matched", "steps", "transposed")

    def __init__(self) -> None:
        self.matched: list[Match] = []
        self.steps: list[LocalStep] = []
        self.transposed = False


class GatherStep:
    """The sum over the uses of one shared quantity; the only index in which they differ, if there is just one; the
    uses that give 0, and because of which zero.
    """

    __slots__ = ("chain", "entries", "node", "uses", "variable", "zeros")

    def __init__(
        self,
        node: Reference,
        chain: Chain,
        uses: Sequence[Use],
        variable: str,
        zeros: Sequence[tuple[Use, Reference]] = (),
    ) -> None:
        self.node = node
        self.chain = chain
        self.uses = uses
        self.variable = variable
        self.zeros = zeros
        self.entries: list[Chain] = []


class LossTable:
    """A shared number's derivative by loss (rows) and by use (columns), with the sums."""

    __slots__ = ("columns", "name", "rows", "sums", "total")

    def __init__(
        self,
        name: Reference,
        columns: Sequence[Use],
        rows: Sequence[tuple[Reference, Sequence[Value | None], Value]],
        sums: Sequence[Value],
        total: Value,
    ) -> None:
        self.name = name
        self.columns = columns
        self.rows = rows
        self.sums = sums
        self.total = total


class NumberTable:
    """Values by time: ``columns`` are names with an open time; a row is (time, values), None where there is no such
    member.
    """

    __slots__ = ("columns", "norms", "rows", "variable")

    def __init__(
        self,
        variable: str,
        columns: Sequence[Reference],
        norms: Sequence[bool],
        rows: Sequence[tuple[int, Sequence[Value | None]] | Cut],
    ) -> None:
        self.variable = variable
        self.columns = columns
        self.norms = norms
        self.rows = rows


class Cut:
    """Lines that are left out, and how many."""

    __slots__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count


class Derivation:
    """Everything that is printed, section by section. What a form does not have stays empty."""

    def __init__(self, computation: Computation, check: Any, detail: str) -> None:
        self.computation = computation
        self.check = check
        self.detail = detail
        self.digits = _digits(check)
        self.title: str = computation.problem.title or ""
        self.target = computation.target
        self.plain = False  # numbers only, no indices: the form of the z example
        self.rounded = False  # not everything that is shown is exact
        self.arrays = False
        self.variable = ""  # the time
        self.recurrent = False  # the time is one, not the number of a layer
        self.first_entries = False  # entries are written out that nobody chose
        self.cut = False  # something is left out that ``steps="all"`` would show
        self.domains: list[tuple[Domain | None, list[Chain | Cut]]] = []  # the equations, by where they hold
        self.functions: list[tuple[Formula, str]] = []  # the functions of plugins that the equations call, in words
        self.values: list[Chain | Cut] = []
        self.wanted: list[Reference | Cut] = []
        self.order: list[Reference | Cut] = []
        self.forward: list[Group] = []
        self.forward_tables: list[NumberTable] = []
        self.partials: list[list[Chain | Cut] | Cut] = []  # by equation, of a plain graph
        self.local: Local | None = None
        self.recurrences: list[Recurrence] = []
        self.sweep: list[Group] = []
        self.backward_tables: list[NumberTable] = []
        self.results: list[Chain | Cut] = []  # of a summary: the wanted derivatives that are not gathered
        self.gather: list[GatherStep | Cut] = []
        self.losses: LossTable | None = None
        self.evidence: list[Any] = []


def _digits(check: Any) -> int:
    """How many digits are shown: six, or as many as are verified."""
    if check is None or check.status in ("none", "failed"):
        return 6
    return max(1, min(6, int(check.digits)))


def derive(
    computation: Computation,
    check: object = None,
    *,
    detail: str = "matrix",
    entries: Sequence[str] = (),
    steps: str = "auto",
) -> Derivation:
    """The derivation of a computation's ordered derivatives.

    ``check`` is what `bptt_solver.verify.verify` returns (None: not verified); ``detail`` is ``summary``, ``matrix``
    or ``scalar``; ``entries`` (``h[2]:1``, ``W_h:1,2``) are expanded with ``scalar``; ``steps="all"`` leaves nothing
    out. Raises ProblemError for an entry that is not there.
    """
    from bptt_solver.steps.plain import derive_plain, is_plain

    derivation = Derivation(computation, check, detail)
    if is_plain(computation):
        derive_plain(derivation, steps)
    else:
        from bptt_solver.steps.indexed import derive_indexed

        derive_indexed(derivation, entries, steps)
    return derivation


def functions_used(computation: Computation) -> list[tuple[Formula, str]]:
    """The functions of plugins in the equations, as calls of their arguments' names, with what they are in words."""
    operations = computation.problem.operations
    calls = {
        n.operation: len(n.arguments)
        for t in computation.problem.system.templates.known()
        for n in preorder(t.expression)
        if isinstance(n, Call)
    }
    found = []
    for name, count in calls.items():
        record = operations[name].record
        if record is not None and record.summary:
            arguments = tuple(Argument(a) for a in (*record.arguments, *record.parameters)[:count])
            found.append((Formula(Call(name, arguments)), record.summary))
    return found


def shortened(
    items: Sequence[Any], everything: bool, most: int = MOST_LINES, first: int = FIRST_LINES, last: int = LAST_LINES
) -> list[Any]:
    """The items, or the first and last few with a `Cut` between them."""
    if everything or len(items) <= most:
        return list(items)
    return [*items[:first], Cut(len(items) - first - last), *items[-last:]]
