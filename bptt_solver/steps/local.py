"""Section 4 of a system with indices or arrays: the simple partials, folded, and their numbers where they are not
names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bptt_solver.blocks import Entry, Formula, Item, Partial, Use, Value
from bptt_solver.derivation import Chain, Local, LocalStep, Match
from bptt_solver.language.expressions import Call, Expression, Index, Number, Reference, preorder
from bptt_solver.steps.lines import Piece
from bptt_solver.terms import AdjointEquation, Term

if TYPE_CHECKING:
    from bptt_solver.steps.indexed import Indexed

MOST_COLUMNS = 6  # time steps beside each other
MOST_VALUES = 24  # values of factors that are listed
SMALL = 16  # entries of an array that is shown
_LETTERS = ("i", "j", "m", "n", "p", "q", "r", "s", "u", "v")  # for the entries of an array, where no index has them


class Locals:
    """Finds the simple partials that the backward lines multiply with."""

    def __init__(self, whole: Indexed) -> None:
        self.whole = whole
        self.members = whole.members
        self.numbers: list[int] = []
        self.listed: set[tuple[int, ...]] = set()

    def fill(self) -> Local:
        """One step for each use of each equation."""
        whole = self.whole
        chosen: dict[object, tuple[AdjointEquation, Term]] = {}
        swept = set(whole.swept)
        self.numbers = [*whole.swept, *(n for n in whole.unfolded.order if n in whole.needed and n not in swept)]
        equations = dict.fromkeys(
            e for n in self.numbers if isinstance(e := whole.unfolded.equations[n], AdjointEquation)
        )
        for equation in equations:
            for term in equation.terms:
                read = tuple(dict.fromkeys(n.name for n in preorder(term.pullback) if type(n) is Reference))
                key = (id(term.via), term.slot, id(term.template), equation.of, read)  # two sums may share a template
                known = chosen.get(key)
                if known is None or len(known[0].ranges) < len(equation.ranges):
                    chosen[key] = (equation, term)
        order = {id(e): at for at, e in enumerate(whole.system.equations)}
        terms = sorted(chosen.values(), key=lambda pair: -order.get(id(pair[1].via), 0))
        local = Local()
        several: dict[tuple[int, str], list[Term]] = {}
        for equation, term in terms:
            several.setdefault((id(term.via), equation.of), []).append(term)
        for equation, term in terms:
            together = [t for t in several[id(term.via), equation.of] if not _apart(t.user, term.user)]
            if len(together) == 1 or not any(map(self._inside_sum, together)):  # else a use is not the whole partial
                self._enter(local, equation, term)
        local.transposed = any(s.transposed for s in local.steps)
        return local

    def _enter(self, local: Local, equation: AdjointEquation, term: Term) -> None:
        if term.matched is not None:
            self._matched(local, equation, term)
            return
        if term.direct and isinstance(term.cotangent, Number) and self._is_trivial(term):
            return
        name = Partial(term.user, self._used(equation, term))
        partial = self._partial(term)
        if partial is None:
            entry = self._entry(equation, term)
            if entry is not None:
                local.steps.append(LocalStep(entry))
            return
        partial = self.members.presented(partial)
        step = LocalStep(Chain((name, self.members.tree(partial), *self._number(partial)), self._shape(partial, term)))
        step.transposed = len(self._shape(partial, term)) > 0 and self._has_matrix(partial)
        if (
            isinstance(partial, Call)
            and partial.operation != "columns"
            and any(type(n) is Reference for n in preorder(partial))
        ):
            self._numbers(step, term, partial)
        local.steps.append(step)

    def _is_trivial(self, term: Term) -> bool:
        partial = self._partial(term)
        return isinstance(partial, Number)

    def _partial(self, term: Term) -> Expression | None:
        """The simple partial as a formula; the matrix of ``Mᵀ g`` where there is no other."""
        partial = term.partial if not self._inside_sum(term) else None
        if partial is not None:
            return partial
        pullback = term.pullback
        if isinstance(pullback, Call) and pullback.operation == "matmul" and pullback.arguments[1] == term.cotangent:
            left = pullback.arguments[0]
            if isinstance(left, Call) and left.operation == "transpose":
                return left.arguments[0]
        if self._rank(term.user) == 0 == self._rank(term.use):
            from bptt_solver.language import build

            return (
                build.replace(pullback, {term.cotangent: build.ONE})
                if isinstance(term.cotangent, Reference)
                else pullback
            )
        return None

    def _inside_sum(self, term: Term) -> bool:
        """Whether the use stands inside a sum over an index, so that the template is only the sum's body."""
        return term.template is not self.whole.system.templates.of(term.via.right)[0]

    def _rank(self, reference: Reference) -> int:
        return self.whole.system.ranks[reference.name]

    def _used(self, equation: AdjointEquation, term: Term) -> Reference:
        if equation.of not in self.whole.gathered or (len(equation.terms) == 1 and not term.ranges):
            return term.use
        return Use(Reference(equation.of, equation.indices), use_label(equation, term))

    def _entry(self, equation: AdjointEquation, term: Term) -> Chain | None:
        """``∂a_t[i]/∂W[i,j] = x_t[j]``: what a matrix's partial with three indices says."""
        pullback = term.pullback
        if not isinstance(pullback, Call) or pullback.operation != "outer" or pullback.arguments[0] != term.cotangent:
            return None
        right = pullback.arguments[1]
        if not isinstance(right, Reference):
            return None
        of = Reference(equation.of, equation.indices)
        taken = {v for r in (term.user, of, right) for i in r.indices for v in i.variables()}
        row, column = [letter for letter in _LETTERS if letter not in taken][:2]
        return Chain((Partial(Entry(term.user, (row,)), Entry(of, (row, column))), Entry(right, (column,))))

    def _matched(self, local: Local, equation: AdjointEquation, term: Term) -> None:
        match = term.matched
        assert match is not None
        if any(m.via is term.via and m.inner for m in local.matched):
            return
        inner = match.partial is None  # the use stands inside the output function's argument
        written = term.pullback if match.partial is None else match.partial
        shown = self.members.presented(written)
        chain = Chain((term.use if inner else Partial(match.user, term.use), self.members.tree(shown)))
        right = term.via.right
        softmax = isinstance(right, Call) and right.operation == "softmax"
        output, argument = (term.user, term.use) if softmax and not inner else (None, None)
        found = Match(chain, match.reason, shown != written, output, argument, self._size(term))
        found.via, found.user, found.inner = term.via, term.user, inner
        segments = [e for e in self.whole.computation.adjoint_equations if e.of == term.user.name]
        own = [e for e in segments if e.indices == term.user.indices] or (segments if len(segments) == 1 else [])
        if own and softmax and not inner:
            found.received = Chain((Reference(own[0].name, own[0].indices), self.members.tree(own[0].right)))
            found.sent = self.members.tree(self.members.presented(term.pullback))
        local.matched.append(found)

    def _size(self, term: Term) -> int:
        numbers = [
            n
            for n, k in enumerate(self.whole.unfolded.keys)
            if k[0] == term.user.name and n in self.whole.computation.shapes
        ]
        return self.whole.computation.shapes[numbers[0]][0] if numbers else 0

    # -- numbers

    def _number(self, partial: Expression) -> list[Item]:
        """The value of a partial that is one number everywhere: ``∂y_t/∂h_t = v = 0.7``."""
        whole = self.whole
        if type(partial) is Reference and not partial.indices:
            number = whole.unfolded.number.get((partial.name, ()))
            if number is not None and number not in whole.computation.shapes:
                return [self.members.shown(number)]
        return []

    def _shape(self, partial: Expression, term: Term) -> list[tuple[int, ...]]:
        """The shape of a matrix that is a name."""
        if not isinstance(partial, Reference) or self.whole.system.ranks.get(partial.name, 0) < 2:
            return []
        name = partial.name
        shapes = {self.whole.computation.shapes[n] for n, k in enumerate(self.whole.forward.keys) if k[0] == name}
        return [shapes.pop()] if len(shapes) == 1 else []

    def _has_matrix(self, partial: Expression) -> bool:
        return any(type(n) is Reference and self.whole.system.ranks.get(n.name, 0) == 2 for n in preorder(partial))

    def _numbers(self, step: LocalStep, term: Term, partial: Expression) -> None:
        """The values of a partial (or of its diagonal) at every instance, by time if that is their only index."""
        whole = self.whole
        if whole.long:
            return
        pieces = [(n, p) for n in self.numbers for p in whole.lines_of(n) if _is_use(p.term, term)]
        rows: list[tuple[int | None, Piece, Value | None]] = []
        for _, piece in pieces:
            rows.append((whole.times.of(piece.user), piece, piece.partial))
        if all(value is not None for _, _, value in rows):
            times = [t for t, _, _ in rows]
            if None not in times and len(set(times)) == len(times) <= MOST_COLUMNS:
                step.by_time = {t: v for t, _, v in rows if t is not None and v is not None}
                return
        self._listed(step, [piece for _, piece, _ in rows])

    def _listed(self, step: LocalStep, pieces: list[Piece]) -> None:
        members = self.members
        for piece in sorted(pieces, key=lambda p: self.whole.unfolded.number[p.user]):
            partial = self._partial(piece.term)
            for factor in _diagonals(partial) or [partial] if partial is not None else []:
                found = members.instantiate(factor, piece.environment)
                if found is None or len(step.values) >= MOST_VALUES:
                    continue
                template, slots = found
                if (id(template), *slots) in self.listed:
                    continue
                self.listed.add((id(template), *slots))
                value = members.evaluate(template, [members.values[s] for s in slots])
                if getattr(value, "size", 1) > SMALL:
                    continue
                expression = members.folded(template.expression, slots)
                names = Formula(expression, [members.leaf(s, False) for s in slots], members.ranks(template))
                of = members.made_of("p", template.expression, slots)
                step.values.append(Chain((names, members.value(value, of))))


def _apart(one: Reference, other: Reference) -> bool:
    """Whether two members of a family never are the same instance: an index of theirs differs by a number."""
    between = [a.plus(b, -1) for a, b in zip(one.indices, other.indices, strict=True)]
    return any(not index.terms and index.constant for index in between)


def use_label(equation: AdjointEquation, term: Term) -> Reference:
    """What names a use: the indices over which it is summed, or the user."""
    uses = {(id(t.via), t.slot) for t in equation.terms}
    if term.ranges and len(uses) == 1:
        return Reference("", tuple(Index.variable(r.variable) for r in term.ranges))
    return term.user


def _is_use(one: Term, other: Term) -> bool:
    return one.via is other.via and one.slot == other.slot and one.template is other.template and one.matched is None


def _diagonals(partial: Expression) -> list[Expression]:
    """The arguments of ``diag`` in a Jacobian that are not names."""
    found = [n.arguments[0] for n in preorder(partial) if isinstance(n, Call) and n.operation == "diag"]
    return list(dict.fromkeys(f for f in found if isinstance(f, Call)))
