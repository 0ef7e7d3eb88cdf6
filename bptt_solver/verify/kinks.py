"""Kinks: where an operation's argument lies exactly on a point without a derivative, and the slopes to both sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bptt_solver.arithmetic import Value, is_array
from bptt_solver.forward_mode import ForwardMode
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, preorder
from bptt_solver.language.templates import Template
from bptt_solver.unfold import Ground, instance_text
from bptt_solver.verify.report import Kink, Slopes
from bptt_solver.verify.routes import Forward
from bptt_solver.verify.view import Spot, View

_Function = Callable[[Sequence[Value]], Value]


class _Site:
    """One call with kinks in a template: what is zero there, the arguments, the partials by convention."""

    def __init__(self, node: Call, view: View) -> None:
        operation = view.problem.operations[node.operation]
        binding = operation.bind(node.arguments, node)
        compiled = view.computation.arithmetic.compile
        self.operation = operation.name
        self.zeros: list[_Function] = [compiled(build.replace(f, binding)) for f in operation.kinks()]
        self.arguments: list[_Function] = [compiled(a) for a in node.arguments]
        names = operation.names(len(node.arguments))
        formulas = [(n, operation.derivative(k)) for k, n in enumerate(names)]
        self.partials: list[tuple[str, _Function]] = [
            (n, compiled(build.replace(f, binding))) for n, f in formulas if f is not None
        ]


class Kinks:
    """The kinks of a computation. ``instances`` are those whose own equation has one, ``affected`` all that reach
    it.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.found: list[Kink] = []
        self._sites: dict[int, list[_Site]] = {}
        self._values: ForwardMode | None = None
        here: dict[int, None] = {}
        for number in view.order:
            for ground in view.unfolded.grounds[number] or ():
                if self._search(ground, number):
                    here[number] = None
        self.instances = frozenset(here)
        self.affected = self._upstream() if here else frozenset()

    def _search(self, ground: Ground, number: int) -> bool:
        sites = self._of(ground.template)
        hit = False
        for entry in ground.slots:
            if type(entry) is not int:
                hit = any([self._search(inner, number) for inner in entry]) or hit  # type: ignore[union-attr]
        if sites:
            slots = [self._slot(s) for s in ground.slots]
            for site in sites:
                hit = self._look(site, slots, number) or hit
        return hit

    def _of(self, template: Template) -> list[_Site]:
        known = self._sites.get(id(template))
        if known is None:
            operations = self.view.problem.operations
            known = self._sites[id(template)] = [
                _Site(node, self.view)
                for node in preorder(template.expression)
                if isinstance(node, Call) and operations[node.operation].kinks()
            ]
        return known

    def _slot(self, entry: int | list[Ground]) -> Value:
        if isinstance(entry, int):
            return self.view.values[entry]
        arithmetic = self.view.computation.arithmetic
        total: Value = 0
        for at, ground in enumerate(entry):
            value = ground.template.compiled(arithmetic, arithmetic.compile)([self._slot(s) for s in ground.slots])
            total = value if at == 0 else total + value
        return total

    def _look(self, site: _Site, slots: Sequence[Value], number: int) -> bool:
        for formula in site.zeros:
            where = formula(slots)
            if is_array(where):
                flat = where.ravel().tolist()
                hits = [at for at, v in enumerate(flat) if v == 0]
                if not hits:
                    continue
                entry = tuple(int(i) + 1 for i in _unravel(hits[0], where.shape))
            elif where == 0:
                hits, entry = [0], ()
            else:
                continue
            arguments = [_at(f(slots), entry) for f in site.arguments]
            partials = [(name, _at(f(slots), entry)) for name, f in site.partials]
            key = self.view.unfolded.keys[number]
            self.found.append(Kink(instance_text(key), key, site.operation, entry, len(hits), arguments, partials))
            return True
        return False

    def _upstream(self) -> frozenset[int]:
        found: set[int] = set()
        for number in reversed(self.view.order):
            if number in self.instances or number in found:
                found.update(self.view.unfolded.reads(number))
        return frozenset(found)

    def slopes(self, spots: Sequence[Spot], ours: Callable[[int, int], Any]) -> list[Slopes]:
        """The one-sided slopes for these entries. Raises ArithmeticError where there are none (a jump)."""
        view = self.view
        forward = Forward(view, "directional", exact=view.exact)
        both = [(n, at, sign) for n, at in spots for sign in (1, -1)]
        if view.scalar:
            found = [
                forward.mode.run(view.unfolded, forward.values, {n: sign}, view.target) or 0 for n, _, sign in both
            ]
        else:
            seeds: dict[int, Any] = {}
            for lane, (n, at, sign) in enumerate(both):
                if n not in seeds:
                    seeds[n] = forward.empty(n, len(both))
                seeds[n].reshape(len(both), -1)[lane, at] = sign
            found = forward.directions(seeds, len(both))
        result = []
        for k, (n, at) in enumerate(spots):
            key = view.unfolded.keys[n]
            result.append(
                Slopes(view.name(n), key, view.entry(n, at), ours(n, at), 0 - found[2 * k + 1], 0 + found[2 * k])
            )
        return result


def _unravel(at: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    index = []
    for n in reversed(shape):
        index.append(at % n)
        at //= n
    return tuple(reversed(index))


def _at(value: Value, entry: tuple[int, ...]) -> Value:
    """The entry of a value, or the value itself where it is a number."""
    if not is_array(value):
        return value
    if len(entry) != value.ndim:
        entry = (1,) * value.ndim
    found = value[tuple(i - 1 for i in entry)]
    return found.item() if hasattr(found, "item") else found


__all__ = ["Kinks"]
