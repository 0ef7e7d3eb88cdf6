"""The derivation of a system with indices, arrays or parameters: lines grouped by time, shared weights gathered at
the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bptt_solver.arithmetic import is_array, is_exact
from bptt_solver.blocks import Domain
from bptt_solver.derivation import (
    MOST_LINES,
    MOST_TIMES,
    Chain,
    Cut,
    Derivation,
    Group,
    Recurrence,
    SweepStep,
    User,
    shortened,
)
from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Comparison,
    Index,
    Reference,
)
from bptt_solver.steps.entries import chosen_entries, entry_chain, first_entries
from bptt_solver.steps.gather import gather_steps, loss_table
from bptt_solver.steps.given import fill_forward, fill_given, fill_order
from bptt_solver.steps.lines import Lines, Piece
from bptt_solver.steps.local import Locals
from bptt_solver.steps.members import Members, readable
from bptt_solver.steps.routes import evidence
from bptt_solver.steps.tables import backward_tables
from bptt_solver.steps.times import Times
from bptt_solver.terms import AdjointEquation, Term

if TYPE_CHECKING:
    from bptt_solver.system import Instance

Relation = tuple[str, int | None, tuple[int, ...] | None]
MOST_MEMBERS = 8  # members of a given family that are all shown


class Indexed:
    """What the sections share."""

    def __init__(self, derivation: Derivation, steps: str) -> None:
        self.derivation = derivation
        self.computation = computation = derivation.computation
        self.everything = steps == "all"
        self.members = Members(computation, derivation.digits, self.everything)
        self.lines = Lines(self.members)
        self.problem = computation.problem
        self.system = self.problem.system
        self.unfolded = computation.unfolded
        self.forward = self.problem.unfolded
        self.times = Times(self.system)
        self.wanted = self._wanted()
        self.gathered = self._gathered()
        self.needed = self._needed()
        self.swept = [
            n
            for n in self.unfolded.order
            if n in self.needed and self._base_name(n) not in self.gathered and self._terms(n)
        ]
        self.long = not self.everything and self._is_long()
        self.pieces: dict[int, list[Piece]] = {}
        self.entries: dict[Instance, list[tuple[int, ...]]] = {}
        self.others: dict[str, set[tuple[int, ...]]] = {}  # by family: the indices of its members without the time

    # -- what is printed

    def _wanted(self) -> list[int]:
        """The instances whose derivatives are wanted; without ``wrt`` and parameters all nodes of a graph without
        indices.
        """
        problem = self.problem
        keys = problem.wanted()
        parameters = any(role == "parameter" for role in self.system.roles.values())
        if problem.wrt is None and not parameters and not any(e.ranges for e in self.system.equations):
            target = self.computation.target_key
            nodes = [
                k
                for k in reversed(self.computation.instances())
                if k != target and self.system.roles.get(k[0]) != "data"
            ]
            keys = [k for k in nodes if self.computation.derivative_number(k) is not None]
        return [self.unfolded.number[k] for k in keys]

    def _gathered(self) -> set[str]:
        """Given families whose uses are added up: parameters, and what is used at several indices at once."""
        found: set[str] = set()
        for equation in self.computation.adjoint_equations:
            if equation.of in self.system.defining or equation.of in found or equation.of not in self.system.given:
                continue
            if self.system.roles.get(equation.of) == "parameter" or any(t.ranges for t in equation.terms):
                found.add(equation.of)
        return found

    def _needed(self) -> set[int]:
        needed: set[int] = set()
        keys = self.unfolded.keys
        stack = [n for w in self.wanted if (n := self.computation.derivative_number(keys[w])) is not None]
        while stack:
            at = stack.pop()
            if at not in needed and at >= self.unfolded.first:
                needed.add(at)
                stack.extend(self.unfolded.reads(at))
        return needed

    def _terms(self, number: int) -> bool:
        equation = self.unfolded.equations[number]
        return isinstance(equation, AdjointEquation) and bool(equation.terms)

    def _base_name(self, number: int) -> str:
        equation = self.unfolded.equations[number]
        assert isinstance(equation, AdjointEquation)
        return equation.of

    def _is_long(self) -> bool:
        times = {
            t for n in self.swept if (t := self.times.of(self.unfolded.keys[self.computation.base(n)])) is not None
        }
        return len(times) > MOST_TIMES or len(self.swept) > MOST_LINES

    def lacks(self, family: str, indices: tuple[int, ...]) -> bool:
        """Whether a family has a member with these indices at another time, but not at this one."""
        at = self.system.time_position(family)
        if at is None or (family, indices) in self.unfolded.number:
            return False
        if family not in self.others:
            keys = (key for key in self.forward.keys if key[0] == family)
            self.others[family] = {(*key[1][:at], *key[1][at + 1 :]) for key in keys}
        return (*indices[:at], *indices[at + 1 :]) in self.others[family]

    def lines_of(self, number: int) -> list[Piece]:
        """The contributions to a backward instance, found once."""
        known = self.pieces.get(number)
        if known is None:
            known = self.pieces[number] = self.lines.pieces(number)
        return known


def derive_indexed(derivation: Derivation, entries: Sequence[str], steps: str) -> None:
    """Fill in all sections."""
    whole = Indexed(derivation, steps)
    derivation.cut = whole.long
    derivation.arrays = bool(whole.computation.shapes)
    derivation.rounded = any(not is_exact(v) or readable(v) is not v for v in whole.computation.values if v is not None)
    derivation.variable = whole.times.variable
    derivation.recurrent = whole.times.recurrent
    fill_given(whole)
    fill_order(whole)
    fill_forward(whole)
    whole.entries = _entries(whole, entries)
    _sweep(whole)
    _expand(whole)
    derivation.local = Locals(whole).fill() if derivation.detail != "summary" else None
    derivation.gather = gather_steps(whole)
    for step in derivation.gather:
        if not isinstance(step, Cut):
            step.entries = _entry_lines(whole, (step.node.name, tuple(i.constant for i in step.node.indices)))
    derivation.losses = loss_table(whole) if derivation.detail != "summary" else None
    derivation.evidence = evidence(whole)


def _entries(whole: Indexed, entries: Sequence[str]) -> dict[Instance, list[tuple[int, ...]]]:
    """Which entries are written out: those asked for, or with ``scalar`` the first of each family."""
    if entries:
        return chosen_entries(whole, entries)
    if whole.derivation.detail != "scalar" or not whole.computation.shapes:
        return {}
    whole.derivation.first_entries = True
    gathered = [
        n for w in whole.wanted if (n := whole.computation.derivative_number(whole.unfolded.keys[w])) is not None
    ]
    return first_entries(whole, [*whole.swept, *gathered])


def _entry_lines(whole: Indexed, key: Instance) -> list[Chain]:
    number = whole.computation.derivative_number(key)
    chains = [entry_chain(whole, number, at) for at in whole.entries.get(key, ())] if number is not None else []
    return [c for c in chains if c is not None]


def _expand(whole: Indexed) -> None:
    """Put the lines of entries below their matrix lines."""
    derivation = whole.derivation
    for group in derivation.sweep:
        for step in group.lines:
            if isinstance(step, Cut):
                continue
            step.entries = _entry_lines(whole, (step.node.name, tuple(i.constant for i in step.node.indices)))


# ----------------------------------------------------------------------------- 5 Backward sweep


def _sweep(whole: Indexed) -> None:
    derivation = whole.derivation
    derivation.recurrences = _recurrences(whole) if any(e.ranges for e in whole.system.equations) else []
    if derivation.detail == "summary":
        wanted = [
            n
            for w in whole.wanted
            if (n := whole.computation.derivative_number(whole.unfolded.keys[w])) in whole.needed
        ]
        rest = [n for n in wanted if n is not None and whole._base_name(n) not in whole.gathered]
        members = whole.members
        derivation.results = [
            n if isinstance(n, Cut) else Chain((members.name(n), members.shown(n)))
            for n in shortened(rest, whole.everything)
        ]
        return
    if whole.long:
        derivation.backward_tables = backward_tables(whole)
        _long_steps(whole)
        return
    relations = _relations(whole)
    seen: set[object] = set()
    groups: list[Group] = []
    for number in whole.swept:
        key = whole.unfolded.keys[whole.computation.base(number)]
        time = whole.times.of(key)
        if not groups or (groups[-1].at if groups[-1].variable else None) != time:
            groups.append(Group([], whole.times.variable if time is not None else "", time or 0))
        groups[-1].lines.append(_step(whole, number, relations, seen))
    derivation.sweep = groups


def _long_steps(whole: Indexed) -> None:
    """The lines of a long sweep that stand in no table: those without a time, and those with entries to write out."""
    keys = {n: whole.unfolded.keys[whole.computation.base(n)] for n in whole.swept}
    untimed = [n for n in whole.swept if whole.times.of(keys[n]) is None]
    chosen = dict.fromkeys(n for n in shortened(untimed, False) if not isinstance(n, Cut))
    chosen |= dict.fromkeys(n for n in whole.swept if keys[n] in whole.entries)
    lines: list[SweepStep | Cut] = []
    relations: dict[str, list[Relation]] = {keys[n][0]: [] for n in chosen}
    left_out = 0
    for number in whole.swept:
        if number in chosen:
            if left_out:
                lines.append(Cut(left_out))
            left_out = 0
            lines.append(_step(whole, number, relations, set()))
        elif whole.times.of(keys[number]) is None:
            left_out += 1
    whole.derivation.sweep = [Group(lines)] if lines else []


def _relations(whole: Indexed) -> dict[str, list[Relation]]:
    """Family -> how its members are used, over all members."""
    found: dict[str, list[Relation]] = {}
    for number in whole.swept:
        base = whole.unfolded.keys[whole.computation.base(number)]
        known = found.setdefault(base[0], [])
        for piece in whole.lines_of(number):
            relation = _relation(whole, base, piece)
            if relation not in known:
                known.append(relation)
    return found


def _relation(whole: Indexed, node: Instance, piece: Piece) -> Relation:
    """The user's family, how many steps later it stands, and how its indices differ."""
    user = piece.user
    same_indices = len(node[1]) == len(user[1])
    differences = tuple(b - a for a, b in zip(node[1], user[1], strict=True)) if same_indices else None
    return (user[0], whole.times.apart(node, user, piece.term.via), differences)


def _step(whole: Indexed, number: int, relations: dict[str, list[Relation]], seen: set[object]) -> SweepStep:
    members, times = whole.members, whole.times
    pieces = whole.lines_of(number)
    base = whole.computation.base(number)
    key = whole.unfolded.keys[base]
    chain = whole.lines.chain(number, pieces)
    users: list[User] = []
    vias: dict[Instance, Equation] = {}
    for piece in pieces:
        vias.setdefault(piece.user, piece.term.via)
    for user, via in vias.items():
        users.append(User(members.name(whole.unfolded.number[user]), times.apart(key, user, via)))
    mine = [_relation(whole, key, p) for p in pieces]
    missing: list[Reference] = []
    for family, shift, differences in relations[key[0]]:
        if shift and differences is not None and (family, shift, differences) not in mine:
            there = tuple(a + b for a, b in zip(key[1], differences, strict=True))
            if whole.lacks(family, there):
                missing.append(Reference(family, tuple(Index(i) for i in there)))
    reason = (key[0], tuple(mine))
    branching = len(relations[key[0]]) > 1
    step = SweepStep(
        members.name(base), chain, users, len(users) == 1 and bool(missing), missing, branching, reason not in seen
    )
    seen.add(reason)
    if any(p.term.matched is not None for p in pieces):
        chain.note = "matched"
        value = members.values[number]
        if is_array(value) and abs(value.sum()) <= 1e-12 * max(1.0, float(abs(value).sum())):
            chain.note = "sums_to_zero"
    return step


def _recurrences(whole: Indexed) -> list[Recurrence]:
    """The folded equations of what the sweep computes."""
    wanted = {id(whole.unfolded.equations[n]) for n in whole.swept}
    found: list[Recurrence] = []
    first: dict[str, int] = {}  # by family: where the sweep meets it
    for at, number in enumerate(whole.swept):
        first.setdefault(whole.unfolded.keys[number][0], at)
    equations = [e for e in whole.computation.adjoint_equations if id(e) in wanted]
    for equation in sorted(equations, key=lambda e: first[e.name]):
        chain = Chain(
            (Reference(equation.name, equation.indices), whole.members.tree(whole.members.presented(equation.right)))
        )
        users = list(dict.fromkeys(t.user for t in equation.terms))
        node = Reference(equation.of, equation.indices)
        domain = _domain(whole, equation)
        found.append(Recurrence(node, domain, chain, users, _match(equation.terms)))
    return found


def _domain(whole: Indexed, equation: AdjointEquation) -> Domain | None:
    """Where a backward equation holds; one that holds at one time only says so: ``t = T``."""
    conditions = equation.conditions
    at = whole.system.time_position(equation.of) if equation.indices and whole.times.variable else None
    variables = {r.variable for r in equation.ranges}
    if at is not None and not variables & set(equation.indices[at].variables()):
        conditions = (Comparison(Index.variable(whole.times.variable), "==", equation.indices[at]), *conditions)
    return Domain(equation.ranges, conditions) if equation.ranges or conditions else None


def _match(terms: Sequence[Term]) -> str:
    """The reason of a matched pair, if that is the only term."""
    return terms[0].matched.reason if len(terms) == 1 and terms[0].matched is not None else ""
