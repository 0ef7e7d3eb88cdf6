"""The instances of a system, one line each, in the order of computation (``bptt-solve lower --unfold``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bptt_solver.chain_rule import differentiate
from bptt_solver.language import build
from bptt_solver.language.expressions import (
    ORDERED,
    Call,
    Expression,
    Index,
    Number,
    Reference,
    is_derivative,
    transform,
)
from bptt_solver.language.notation.source import to_source
from bptt_solver.language.templates import Slot, Template, instantiate
from bptt_solver.problem.problem import Problem
from bptt_solver.terms import AdjointEquation
from bptt_solver.unfold import Ground, Unfolded, instance_text, unfold


def lines(problem: Problem, adjoint: bool = False) -> Iterator[str]:
    """``h[1] = tanh(a[1])`` for every instance; with ``adjoint`` those of the backward system."""
    unfolded = problem.unfolded
    if adjoint:
        unfolded = unfold(differentiate(problem.system, problem.target), problem.limits, problem.unfolded)
    return UnfoldedText(unfolded).lines()


class UnfoldedText:
    """Writes instances. The text of a template is made once; names and numbers are put into it."""

    def __init__(self, unfolded: Unfolded) -> None:
        self.unfolded = unfolded
        constants = [
            build.constant(value) for _, value in reversed(unfolded.constants)
        ]  # so that negative numbers index them
        self._leaves = [instance_text(key) for key in unfolded.keys] + [to_source(c) for c in constants]
        self._kinds: list[object] = ["∂" if is_derivative(name) else "" for name, _ in unfolded.keys]
        self._kinds += [c if _in_pattern(c) else "" for c in constants]
        self._constants = constants
        self._patterns: dict[object, tuple[str, tuple[int, ...]]] = {}

    def lines(self) -> Iterator[str]:
        """One line for every defined instance."""
        unfolded = self.unfolded
        for number in unfolded.order:
            folded = isinstance(unfolded.equations[number], AdjointEquation)
            texts = [self._summand(ground, folded, at > 0) for at, ground in enumerate(unfolded.grounds[number] or ())]
            yield f"{self._leaves[number]} = {''.join(texts) or '0'}"

    def _summand(self, ground: Ground, folded: bool, behind: bool) -> str:
        """One summand; ``behind`` another one, with a plus or a minus in front."""
        slots = ground.slots
        if list in map(type, slots):
            return _written(self._expression(ground, folded), behind)
        kinds = tuple([self._kinds[at] for at in slots])  # type: ignore[index]
        key = (id(ground.template), folded, behind, kinds)
        pattern = self._patterns.get(key)
        if pattern is None:
            pattern = self._patterns[key] = _pattern(ground.template, kinds, folded, behind)
        text, order = pattern
        return text % tuple([self._leaves[slots[at]] for at in order])  # type: ignore[index]

    def _expression(self, ground: Ground, folded: bool) -> Expression:
        """A summand as a tree, with its inner sums written out."""
        leaves: list[Expression] = []
        for entry in ground.slots:
            if not isinstance(entry, int):
                leaves.append(build.add([self._expression(inner, folded) for inner in entry]))
            elif entry < 0:
                leaves.append(self._constants[entry])
            else:
                name, indices = self.unfolded.keys[entry]
                leaves.append(Reference(name, tuple(map(Index, indices))))
        return _filled(ground.template, leaves, folded)


def _in_pattern(constant: Expression) -> bool:
    """Whether a constant belongs to the structure: it may fold, or is no single number (``-1``). Decimals stay."""
    return not (isinstance(constant, Number) and type(constant.value) is float)


def _filled(template: Template, leaves: Sequence[Expression], folded: bool) -> Expression:
    """A template with its leaves: a backward equation folded, a forward one as it was written."""
    if folded:
        return instantiate(template.expression, leaves)
    return transform(template.expression, lambda node: leaves[node.at] if type(node) is Slot else node)


def _written(expression: Expression, behind: bool) -> str:
    """A summand as text; ``behind`` another one: `` - b`` for ``-b``."""
    if not behind:
        return to_source(expression)
    inner = expression.arguments if isinstance(expression, Call) and expression.operation == "add" else (expression,)
    return to_source(Call("add", (Reference(""), *inner)))


def _pattern(template: Template, kinds: Sequence[object], folded: bool, behind: bool) -> tuple[str, tuple[int, ...]]:
    """The text of a template for ``%``, and the slots in the order in which they stand in it.

    An ordered derivative is marked as one, since products with one are written with spaces.
    """
    marks: list[Expression] = []
    for at, kind in enumerate(kinds):
        prefix = ORDERED if kind == "∂" else ""
        marks.append(Reference(f"{prefix}\0{at}\0") if isinstance(kind, str) else kind)  # type: ignore[arg-type]
    written = _written(_filled(template, marks, folded), behind)
    pieces = written.replace(ORDERED + "\0", "\0").replace("%", "%%").split("\0")
    return "%s".join(pieces[::2]), tuple(map(int, pieces[1::2]))
