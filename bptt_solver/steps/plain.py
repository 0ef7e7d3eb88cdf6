"""The derivation of a graph of numbers without indices: every node has a line with one product for each later node
that uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bptt_solver.blocks import FIXED, Cell, Formula, Item, Leaf, Partial, Value
from bptt_solver.chain_rule import is_unindexed
from bptt_solver.derivation import (
    FIRST_LINES,
    Chain,
    Cut,
    Derivation,
    Group,
    SweepStep,
    User,
    functions_used,
    shortened,
)
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Number, Reference
from bptt_solver.language.templates import slot
from bptt_solver.steps.evidence import Effects, perturbed
from bptt_solver.steps.members import DOTS, Members, readable, same
from bptt_solver.terms import AdjointEquation

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.instances import Ground

ZERO = Number(0)
MOST_IN_ROW = 12  # partials of one equation that are all shown


def is_plain(computation: Computation) -> bool:
    """Whether a problem has only numbers and no indices, and no parameters that want their uses gathered."""
    problem = computation.problem
    return is_unindexed(problem.system) and not computation.shapes and "parameter" not in problem.system.roles.values()


def derive_plain(derivation: Derivation, steps: str) -> None:
    """Fill in all sections."""
    _Plain(derivation, steps == "all").fill()


class _Plain:
    def __init__(self, derivation: Derivation, everything: bool) -> None:
        self.derivation = derivation
        self.computation = derivation.computation
        self.members = Members(self.computation, digits=derivation.digits, everything=everything)
        self.everything = everything
        self.unfolded = self.computation.unfolded
        self.forward = self.computation.problem.unfolded
        self.target = self.unfolded.number[self.computation.target_key]
        self.partials: dict[tuple[int, int], Value] = {}
        self._sums: dict[tuple[int, bool, bool], tuple[Expression, Expression]] = {}

    def fill(self) -> None:
        derivation, members = self.derivation, self.members
        derivation.plain = True
        nodes = self._nodes()
        derivation.wanted = self._cut([members.name(self.unfolded.number[(n.of, ())]) for n in nodes])
        self._given()
        order = [n for n in range(len(self.forward.keys)) if self.forward.grounds[n] is None] + list(self.forward.order)
        derivation.order = [c if isinstance(c, Cut) else members.name(c) for c in self._cut(order)]
        if derivation.detail == "summary":
            derivation.forward = [Group([Chain((members.name(self.target), members.shown(self.target)))])]
            derivation.results = [c if isinstance(c, Cut) else self._result(c) for c in self._cut(nodes)]
        else:
            derivation.forward = [Group([c if isinstance(c, Cut) else self._forward(c) for c in self._cut(order)])]
            derivation.partials = [
                c if isinstance(c, Cut) else self._row(c) for c in self._cut(list(self.forward.order))
            ]
            derivation.sweep = [Group([c if isinstance(c, Cut) else self._step(c) for c in self._cut(nodes)])]
        derivation.evidence = self._evidence(nodes)
        derivation.rounded = any(type(v) is float or readable(v) is not v for v in self.computation.values)

    def _cut(self, items: Sequence[Any]) -> list[Any]:
        result = shortened(items, self.everything)
        self.derivation.cut = self.derivation.cut or len(result) < len(items)
        return result

    def _nodes(self) -> list[AdjointEquation]:
        """The backward equations of the nodes whose derivatives are wanted or needed, in the order of the sweep."""
        wrt = self.computation.problem.wrt
        equations = [
            e for n in self.unfolded.order if isinstance(e := self.unfolded.equations[n], AdjointEquation) and e.terms
        ]
        if wrt is None:
            return equations
        number, unfolded = self.unfolded.number, self.unfolded
        needed: set[int] = set()
        stack = [number[e.name, ()] for e in equations if e.of in wrt]
        while stack:
            at = stack.pop()
            if at not in needed and at >= unfolded.first:
                needed.add(at)
                stack.extend(unfolded.reads(at))
        return [e for e in equations if number[e.name, ()] in needed]

    def _evidence(self, nodes: Sequence[AdjointEquation]) -> list[Any]:
        """The last line of the sweep, by perturbation; and how much of that effect is direct."""
        if not nodes:
            return []
        members, equation = self.members, nodes[-1]
        number = self.unfolded.number[equation.of, ()]
        found: list[Any] = []
        item = perturbed(self.computation, members, number)
        if item is not None:
            item.step = len(nodes)
            found.append(item)
        users = list(dict.fromkeys(self.unfolded.number[t.user.name, ()] for t in equation.terms))
        direct = self._partial(self.target, number) if self.target in users else members.value(0)
        total = members.values[self.unfolded.number[equation.name, ()]]
        through = [members.name(u) for u in users if u != self.target]
        name = Partial(members.name(self.target), members.name(number))
        found.append(Effects(name, direct, members.value(total - direct.value), through, len(nodes)))
        return found

    # -- sections

    def _given(self) -> None:
        system = self.computation.problem.system
        given = [n for n in range(len(self.forward.keys)) if self.forward.grounds[n] is None]
        equations = [
            c if isinstance(c, Cut) else Chain((Reference(c.name), Formula(c.right)))
            for c in self._cut(system.equations)
        ]
        self.derivation.domains = [(None, equations)]
        self.derivation.functions = functions_used(self.computation)
        self.derivation.values = [
            c if isinstance(c, Cut) else Chain((self.members.name(c), self.members.shown(c))) for c in self._cut(given)
        ]

    def _forward(self, number: int) -> Chain:
        members = self.members
        grounds = self.forward.grounds[number]
        if grounds is None:
            return Chain((members.name(number), members.shown(number)))
        numbers = members.formula(grounds, True)
        if same(numbers, members.shown(number)):
            return Chain((members.name(number), members.shown(number)))
        return Chain((members.name(number), numbers, members.shown(number)))

    def _row(self, number: int) -> list[Chain | Cut]:
        """The simple partials of one equation, the latest variable first; of the target, zeros too."""
        found: dict[int, list[tuple[Ground, int]]] = {}
        for ground in self.forward.grounds[number] or ():
            for at, source in enumerate(ground.slots):
                if isinstance(source, int) and source >= 0 and not build.is_zero(ground.template.adjoint(at)):
                    found.setdefault(source, []).append((ground, at))
        reads = sorted(found, key=self._position, reverse=True)
        if number == self.target and len(self.forward.keys) <= MOST_IN_ROW:
            order = [
                *(n for n in range(len(self.forward.keys)) if self.forward.grounds[n] is None),
                *self.forward.order,
            ]
            reads = [n for n in reversed(order[: order.index(number)]) if n in found or self._reaches(n)]
        shown = shortened(reads, self.everything, MOST_IN_ROW)
        return [c if isinstance(c, Cut) else self._partial_line(number, c, found.get(c, [])) for c in shown]

    def _position(self, number: int) -> int:
        return self.computation.program.position.get(number, number - len(self.forward.keys))

    def _reaches(self, number: int) -> bool:
        return self.computation.derivative_number(self.unfolded.keys[number]) is not None

    def _partial_line(self, user: int, used: int, uses: list[tuple[Ground, int]]) -> Chain:
        members = self.members
        name = Partial(members.name(user), members.name(used))
        if not uses:
            return Chain((name, members.value(0, FIXED)))
        value = self._partial(user, used, uses)
        if len(uses) > 1:
            return Chain((name, value))
        ground, at = uses[0]
        template, sources = ground.template.pullback(at, True)
        slots = [ground.slots[s] if s >= 0 else user for s in sources]
        items: list[Item] = [name]
        if any(isinstance(s, int) and s >= 0 for s in slots):
            expression = members.folded(template.expression, slots)  # type: ignore[arg-type]
            items.append(Formula(expression, [members.leaf(s, False) for s in slots]))  # type: ignore[arg-type]
            if type(expression) is Call:
                items.append(Formula(expression, [members.leaf(s, True) for s in slots]))  # type: ignore[arg-type]
        return Chain((*items, value))

    def _partial(self, user: int, used: int, uses: list[tuple[Ground, int]] | None = None) -> Value:
        """The value of ∂user/∂used."""
        known = self.partials.get((user, used))
        if known is not None:
            return known
        if uses is None:
            uses = [(g, at) for g in self.forward.grounds[user] or () for at, s in enumerate(g.slots) if s == used]
        values = self.computation.values
        total: Any = 0
        cells: list[Cell | None] = []
        for count, (ground, at) in enumerate(uses):
            template, sources = ground.template.pullback(at, True)
            reads: list[Any] = [ground.slots[s] if s >= 0 else user for s in sources]
            value = self.members.evaluate(template, [values[n] for n in reads])
            total = value if count == 0 else total + value
            cells.append(self.members.made_of("p", template.expression, reads))
        known = self.partials[user, used] = self.members.value(total, self.members.added("p", cells))
        return known

    def _step(self, equation: AdjointEquation) -> SweepStep:
        """∂⁺E/∂z = ∂E/∂z + Σ ∂⁺E/∂user · ∂user/∂z, with 0 for a direct effect that is not there."""
        members, number = self.members, self.unfolded.number
        used = number[equation.of, ()]
        me = number[equation.name, ()]
        node = members.name(used)
        users = list(dict.fromkeys([number[t.user.name, ()] for t in equation.terms]))
        direct = self.target in users
        later = [u for u in users if u != self.target]
        target = members.name(self.target)
        effect = self._partial(self.target, used) if direct else ZERO
        shown = [User(members.name(u)) for u in users]
        if not later:
            chain = Chain((members.name(me), Partial(target, node), effect))  # type: ignore[arg-type]
            return SweepStep(node, chain, shown, only=True)
        names: list[Leaf] = [Partial(target, node)]
        numbers: list[Leaf] = [effect]
        products: list[Leaf] = [effect]
        nonzero = int(direct and effect.value != 0)
        for user in shortened(later, self.everything, members.most):
            if isinstance(user, Cut):
                names += (DOTS,)
                numbers += (DOTS,)
                products.append(DOTS)
                continue
            cotangent = number[self._derivative(user), ()]
            partial = self._partial(user, used)
            names += (members.name(cotangent), Partial(members.name(user), node))
            numbers += (members.shown(cotangent), partial)
            product = members.values[cotangent] * partial.value
            nonzero += product != 0
            products.append(members.value(product, members.times(cotangent, partial.of)))
        cut = len(later) > members.most and not self.everything
        sum_of_products, total = self._trees(len(products) - 1, cut)
        items: list[Item] = [members.name(me), Formula(sum_of_products, names), Formula(sum_of_products, numbers)]
        if nonzero > 1:
            items.append(Formula(total, products))
        items.append(members.shown(me))
        return SweepStep(node, Chain(items), shown)

    def _result(self, equation: AdjointEquation) -> Chain:
        number = self.unfolded.number[equation.name, ()]
        return Chain((self.members.name(number), self.members.shown(number)))

    def _derivative(self, user: int) -> str:
        from bptt_solver.language.expressions import derivative_name

        return derivative_name(self.computation.target_text, self.unfolded.keys[user][0])

    def _trees(self, count: int, cut: bool) -> tuple[Expression, Expression]:
        """``s0 + s1·s2 + s3·s4 + ...`` and ``s0 + s1 + s2 + ...``, made once for each length."""
        key = (count, cut, True)
        known = self._sums.get(key)
        if known is None:
            products: list[Expression] = [slot(0)]
            at = 1
            for k in range(count):
                if cut and k == FIRST_LINES:  # the place of what is left out
                    products.append(slot(at))
                    at += 1
                else:
                    products.append(Call("mul", (slot(at), slot(at + 1))))
                    at += 2
            known = self._sums[key] = (
                Call("add", tuple(products)),
                Call("add", tuple(slot(k) for k in range(count + 1))),
            )
        return known
