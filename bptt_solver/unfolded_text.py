"""The instances of a system, one line each, in the order of computation (``bptt-solve lower --unfold``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bptt_solver.chain_rule import differentiate
from bptt_solver.language import build
from bptt_solver.language.expressions import ORDERED, Expression, Index, Number, Reference, is_derivative
from bptt_solver.language.notation.source import to_source
from bptt_solver.language.templates import Template, instantiate, slot
from bptt_solver.problem.problem import Problem
from bptt_solver.unfold import Ground, Unfolded, instance_text, unfold


def lines(problem: Problem, adjoint: bool = False) -> Iterator[str]:
    """``h[1] = tanh(a[1])`` for every instance; with ``adjoint`` those of the backward system."""
    unfolded = problem.unfolded
    if adjoint:
        unfolded = unfold(differentiate(problem.system, problem.target), problem.limits, problem.unfolded)
    return InstanceText(unfolded).lines()


class InstanceText:
    """Writes instances: the text of a template is made once, the names and numbers are put into it."""

    def __init__(self, unfolded: Unfolded) -> None:
        self.unfolded = unfolded
        self._leaves = [instance_text(key) for key in unfolded.keys]
        self._leaves += [to_source(build.constant(value)) for _, value in reversed(unfolded.constants)]
        self._ordered = [is_derivative(name) for name, _ in unfolded.keys] + [False] * len(unfolded.constants)
        self._atoms = [True] * len(unfolded.keys) + [isinstance(build.constant(v), Number) for _, v in reversed(unfolded.constants)]
        self._patterns: dict[tuple[int, tuple[bool, ...]], tuple[str, tuple[int, ...]]] = {}

    def lines(self) -> Iterator[str]:
        """One line for every defined instance."""
        for number in self.unfolded.order:
            yield f"{self._leaves[number]} = {self.right(self.unfolded.grounds[number] or ())}"

    def right(self, grounds: Sequence[Ground]) -> str:
        """A right-hand side: its summands with signs between them."""
        texts = [self._summand(ground) for ground in grounds]
        if len(texts) == 1:
            return texts[0]
        return " + ".join(texts).replace(" + -", " - ") if texts else "0"

    def _summand(self, ground: Ground) -> str:
        slots = ground.slots
        if list in map(type, slots) or not all(map(self._atoms.__getitem__, slots)):  # type: ignore[arg-type]
            return to_source(self._expression(ground))
        ordered = tuple(map(self._ordered.__getitem__, slots))  # type: ignore[arg-type]
        pattern = self._patterns.get((id(ground.template), ordered))
        if pattern is None:
            pattern = self._patterns[id(ground.template), ordered] = _pattern(ground.template, ordered)
        text, order = pattern
        return text % tuple([self._leaves[slots[at]] for at in order])  # type: ignore[index]

    def _expression(self, ground: Ground) -> Expression:
        """A summand as a tree, with its inner sums written out."""
        leaves: list[Expression] = []
        for entry in ground.slots:
            if not isinstance(entry, int):
                leaves.append(build.add([self._expression(inner) for inner in entry]))
            elif entry < 0:
                leaves.append(build.constant(list(self.unfolded.constants)[-1 - entry][1]))
            else:
                name, indices = self.unfolded.keys[entry]
                leaves.append(Reference(name, tuple(map(Index, indices))))
        return instantiate(ground.template.expression, leaves)


def _pattern(template: Template, ordered: Sequence[bool]) -> tuple[str, tuple[int, ...]]:
    """The text of a template for ``%`` and the slots in the order in which they stand in it.

    An ordered derivative is marked as one, since products with one are written with spaces.
    """
    marks = {slot(at): Reference(f"{ORDERED if is_ordered else ''}\0{at}\0") for at, is_ordered in enumerate(ordered)}
    marked = build.replace(template.expression, {key: mark for key, mark in marks.items()})
    pieces = to_source(marked).replace(ORDERED + "\0", "\0").replace("%", "%%").split("\0")
    return "%s".join(pieces[::2]), tuple(map(int, pieces[1::2]))
