"""How names and numbers are written in a picture: in the notation that is asked for, with three significant digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bptt_solver.arithmetic import is_array
from bptt_solver.language.expressions import Expression, Index, Number, Reference, preorder
from bptt_solver.language.notation.numbers import format_number
from bptt_solver.language.notation.text import Text
from bptt_solver.language.notation.writer import PLAIN_STYLE
from bptt_solver.partials import local_partials
from bptt_solver.pictures.labels import Label, Run, formula_label, name_label

if TYPE_CHECKING:
    from bptt_solver.computation import Computation
    from bptt_solver.pictures.folding import Folding
    from bptt_solver.profiles.convention import Convention
    from bptt_solver.system import Instance

DIGITS = 3
MOST_ENTRIES = 3  # of a vector that is shown
LONGEST = 22  # characters of a formula on an edge


class Words:
    """Labels for the instances of a computation."""

    def __init__(self, computation: Computation, convention: Convention | None = None) -> None:
        self.computation = computation
        self.unfolded = computation.problem.unfolded
        self.convention = convention
        self.style = convention.style if convention is not None else PLAIN_STYLE
        self._partials: dict[int, dict[int, Any]] = {}

    def reference(self, name: str, indices: tuple[Index, ...]) -> Label:
        """A name with indices that may be symbols."""
        node = Reference(name, indices)
        if self.convention is not None:
            node = self.convention.reference(node)
        return name_label(node.name, [_index(i) for i in node.indices], self.style)

    def instance(self, key: Instance) -> Label:
        """An instance: ``h`` with 2 below it."""
        return self.reference(key[0], tuple(Index(i) for i in key[1]))

    def derivative(self, key: Instance) -> Label:
        """What its ordered derivative is called: ``∂⁺E/∂h_2``."""
        target = self.instance(self.computation.target_key)
        return (Run("∂⁺"), *target, Run("/∂"), *self.instance(key))

    def value(self, value: Any) -> Label:
        """A number, a short vector, or what shape it has."""
        return (Run(number_text(value)),)

    def partial(self, number: int, read: int, folding: Folding | None = None) -> Label:
        """The simple partial of an instance by one that it reads: a number, a short formula, or nothing. ``folding``:
        a formula with symbols for the indices that it folds."""
        values = self.computation.values
        if folding is None and not is_array(values[number]) and not is_array(values[read]):
            if number not in self._partials:
                arithmetic = self.computation.arithmetic
                self._partials[number] = local_partials(self.unfolded, number, values, arithmetic)
            return (Run(number_text(self._partials[number].get(read, 0))),)
        turned = self.convention is not None and (self.convention.rows or self.convention.transposed)
        tree = None if turned else self._formula(number, read, folding)
        if tree is None or isinstance(tree, Number):
            return () if tree is None else (Run(format_number(tree.value)),)
        notation = Text()
        notation.style = self.style
        text = notation.write(tree)
        return formula_label(text) if len(text) <= LONGEST else ()

    def _formula(self, number: int, read: int, folding: Folding | None) -> Expression | None:
        """The simple partial with the names of instances in it; None where there is no short one."""
        from bptt_solver.language import build
        from bptt_solver.language.templates import RESULT, Slot, instantiate

        grounds = self.unfolded.grounds[number] or []
        uses = [(g, at) for g in grounds for at, s in enumerate(g.slots) if s == read]
        if len(grounds) != 1 or len(uses) != 1 or any(isinstance(s, list) for s in grounds[0].slots):
            return None
        ground, at = uses[0]
        partial = ground.template.partial(at)
        if partial is None:
            return None
        leaves = tuple(self._leaf(s, folding) for s in ground.slots if isinstance(s, int))
        found = instantiate(partial, leaves, {RESULT: self._leaf(number, folding)})
        if any(isinstance(n, Slot) for n in preorder(found)):
            return None
        return build.replace(found, {})

    def _leaf(self, source: int, folding: Folding | None) -> Expression:
        if source < 0:
            return Number(list(self.unfolded.constants)[-1 - source][1])
        name, indices = self.unfolded.keys[source]
        shown = folding.indices((name, indices)) if folding is not None else tuple(Index(i) for i in indices)
        node = Reference(name, shown)
        return node if self.convention is None else self.convention.reference(node)


def number_text(value: Any) -> str:
    """A number with few digits; a short vector with its entries; else the shape."""
    from bptt_solver.steps.members import readable

    if is_array(value):
        if value.ndim == 1 and value.size <= MOST_ENTRIES:
            return f"({', '.join(number_text(v) for v in value.tolist())})"
        return "×".join(map(str, value.shape)) if value.ndim > 1 else f"∈ ℝ{_raised(value.size)}"
    shown = readable(value)
    if isinstance(shown, float):
        return format_number(_short(shown), DIGITS)
    text = format_number(shown)
    return text if len(text) <= 6 else format_number(_short(float(shown)), DIGITS)


def _short(value: float) -> float:
    """Three digits, and no zeros at the end."""
    return float(f"{value:.{DIGITS}g}")


def _raised(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _index(index: Index) -> str:
    notation = Text()
    return notation.index(index).replace(" ", "").replace("·", "")
