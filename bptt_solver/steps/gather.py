"""Section 6: the uses of a shared quantity added up, and one number's derivative by loss and by use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import Use, Value
from bptt_solver.derivation import Cut, GatherStep, LossTable, shortened
from bptt_solver.language.expressions import Expression, Index, Reference, Sum, substitute_indices, transform
from bptt_solver.made import ONE
from bptt_solver.steps.lines import Piece
from bptt_solver.steps.local import use_label
from bptt_solver.steps.members import or_zero
from bptt_solver.terms import AdjointEquation

if TYPE_CHECKING:
    from bptt_solver.steps.indexed import Indexed
    from bptt_solver.system import Instance

MOST_STEPS = 60
MOST_LOSSES = 8
MOST_INSTANCES = 300


def gather_steps(whole: Indexed) -> list[GatherStep | Cut]:
    """One line for each wanted instance of a gathered family, in the order in which they are wanted."""
    numbers = [n for w in whole.wanted if (n := _derivative(whole, w)) is not None]
    shown = shortened(numbers, whole.everything, MOST_STEPS)
    return [n if isinstance(n, Cut) else _step(whole, n) for n in shown]


def _derivative(whole: Indexed, number: int) -> int | None:
    key = whole.unfolded.keys[number]
    return whole.computation.derivative_number(key) if key[0] in whole.gathered else None


def _step(whole: Indexed, number: int) -> GatherStep:
    equation = whole.unfolded.equations[number]
    assert isinstance(equation, AdjointEquation)
    pieces = whole.lines_of(number)
    environment = whole.unfolded.environments[number]
    binding = {name: Index(value) for name, value in environment.items()}
    right = substitute_indices(whole.members.presented(equation.right), binding)
    symbols = whole.members.tree(transform(right, lambda part: _settled(whole, part)))
    node = whole.members.name(whole.computation.base(number))
    uses = [Use(node, _label(whole, equation, p)) for p in pieces]
    zeros = [(use, name) for use, p in zip(uses, pieces, strict=True) if (name := _zero(whole, p)) is not None]
    if len(zeros) == len(pieces) or len(pieces) == 1:
        zeros = []
    chain = whole.lines.chain(number, pieces, symbols)
    if zeros and len(pieces) == len(zeros) + 1:
        rest = next(p for p in pieces if _zero(whole, p) is None)
        parts = [p.symbols if p is rest else whole.members.items((or_zero(p.value),)) for p in pieces]
        chain.items = (chain.items[0], symbols, whole.members.sum_of(parts), chain.items[-1])
    if whole.derivation.detail == "summary":
        chain.items = (chain.items[0], symbols, chain.items[-1])
        zeros = []
    return GatherStep(node, chain, uses, _variable(uses, equation), zeros)


def _settled(whole: Indexed, part: Expression) -> Expression:
    """A sum without the conditions that speak of this member alone, and are true: ``2 >= I+1``."""
    if not isinstance(part, Sum):
        return part
    bound = {r.variable for r in part.ranges}
    left = [c for c in part.conditions if bound & {*c.left.variables(), *c.right.variables()}]
    settled = [c for c in part.conditions if c not in left]
    known = whole.system.sizes
    if any(v not in known for c in settled for i in (c.left, c.right) for v in i.variables()):
        return part
    return Sum(part.body, part.ranges, tuple(left)) if settled and whole.system.holds(settled, {}) else part


def _variable(uses: Sequence[Use], equation: AdjointEquation) -> str:
    names = {r.variable for t in equation.terms for r in t.ranges}
    return names.pop() if len(names) == 1 and all(not u.label.name for u in uses) else ""


def _label(whole: Indexed, equation: AdjointEquation, piece: Piece) -> Reference:
    label = use_label(equation, piece.term)
    if label.name:
        return whole.members.name(whole.unfolded.number[piece.user])
    return Reference("", tuple(Index(piece.environment[str(i.terms[0][0])]) for i in label.indices))


def _zero(whole: Indexed, piece: Piece) -> Reference | None:
    """The given array of zeros that makes a contribution vanish."""
    value = piece.value.value
    if not is_array(value) or value.any():
        return None
    for source in piece.ground.slots:
        if isinstance(source, int) and source >= 0 and whole.unfolded.grounds[source] is None:
            factor = whole.members.values[source]
            if is_array(factor) and not factor.any():
                return whole.members.name(source)
    return None


# ----------------------------------------------------------------------------- by loss and by use


def loss_table(whole: Indexed) -> LossTable | None:
    """The contribution of every loss through every use of one shared number, for small systems whose target is a sum
    of losses.
    """
    losses = _losses(whole)
    if not 1 < len(losses) <= MOST_LOSSES or len(whole.forward.order) > MOST_INSTANCES:
        return None
    shared = chosen_weight(whole)
    if shared is None:
        return None
    number = whole.computation.derivative_number(whole.unfolded.keys[shared])
    assert number is not None
    equation = whole.unfolded.equations[number]
    assert isinstance(equation, AdjointEquation)
    members = whole.members
    node = members.name(shared)
    uses: dict[Instance, Use] = {}  # by user
    for piece in whole.lines_of(number):
        uses.setdefault(piece.user, Use(node, _label(whole, equation, piece)))
    if not 1 < len(uses) <= MOST_LOSSES:
        return None
    from bptt_solver.analyses.contribution_table import split_of  # few derivations have this table
    from bptt_solver.analyses.losses import Loss, Sweeps
    from bptt_solver.analyses.made_sweeps import MadeSplit, MadeSweeps
    from bptt_solver.steps.made import cell_of

    key = whole.unfolded.keys[shared]
    sweeps = Sweeps(whole.computation, [Loss(k, whole.unfolded.number[k], 1, None) for k in losses])
    found = [sweeps.run([at], kept=[key]).pieces.get(shared, []) for at in range(len(losses))]
    split = split_of(whole.computation, key, sweeps.pieces(key), found)
    made = MadeSweeps(whole.computation, sweeps, [ONE] * len(losses))
    pieces = [made.run([at], kept=[key]).pieces.get(shared, []) for at in range(len(losses))]
    of = MadeSplit(made.making, [column.user for column in split.uses], pieces)
    rows: list[tuple[Reference, Sequence[Value | None], Value]] = []
    for at, loss in enumerate(losses):
        row = zip(split.cells[at], of.cells[at], strict=True)
        cells = [None if cell is None else members.value(cell, cell_of(part)) for cell, part in row]
        total = members.value(split.rows[at], cell_of(of.rows[at]))
        rows.append((members.name(whole.unfolded.number[loss]), cells, total))
    columns = [uses[column.user] for column in split.uses]
    sums = [members.value(s, cell_of(part)) for s, part in zip(split.columns, of.columns, strict=True)]
    return LossTable(node, columns, rows, sums, members.shown(number))


def _losses(whole: Indexed) -> list[Instance]:
    """The members that the target adds up, if it is a plain sum over an index."""
    target = whole.computation.target_key
    equation = whole.unfolded.equations[whole.unfolded.number[target]]
    if equation is None or not isinstance(equation.right, Sum) or type(equation.right.body) is not Reference:
        return []
    number = whole.unfolded.number[target]
    keys = [whole.unfolded.keys[n] for n in whole.forward.reads(number)]
    return sorted(keys, key=lambda k: k[1]) if not whole.computation.shapes else []


def chosen_weight(whole: Indexed) -> int | None:
    """A shared number with several uses: the one that multiplies something computed earlier, else the first."""
    candidates: list[int] = []
    for wanted in whole.wanted:
        number = _derivative(whole, wanted)
        if number is None or wanted in whole.computation.shapes or len(whole.lines_of(number)) < 2:
            continue
        if any(is_array(p.value.value) for p in whole.lines_of(number)):
            continue
        candidates.append(wanted)
        if any(looks_back(whole, p) for p in whole.lines_of(number)):
            return wanted
    return candidates[0] if candidates else None


def looks_back(whole: Indexed, piece: Piece) -> bool:
    """Whether the other factor at a use is a computed quantity of an earlier time."""
    for source in piece.ground.slots:
        if (
            isinstance(source, int)
            and source >= 0
            and whole.unfolded.grounds[source] is not None
            and source < whole.unfolded.first
        ):
            shift = whole.times.shift(whole.unfolded.keys[source], piece.user)
            if shift:
                return True
    return False


__all__ = ["chosen_weight", "gather_steps", "looks_back", "loss_table"]
