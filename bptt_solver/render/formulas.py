"""Formulas in LaTeX with the leaves of `bptt_solver.blocks`: what Markdown and LaTeX have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bptt_solver.arithmetic import is_array
from bptt_solver.blocks import Domain, Dots, Entry, Formula, Item, Leaf, Line, Partial, Use, Value
from bptt_solver.language.expressions import Call, Expression, Reference
from bptt_solver.language.notation.latex import Latex, latex_name, latex_number
from bptt_solver.language.notation.numbers import format_number
from bptt_solver.language.notation.writer import Notation, Piece
from bptt_solver.language.templates import Slot
from bptt_solver.render.base import Mark, Renderer

MOST = 6  # entries of an array along an axis


class LatexFormulas(Renderer):
    """Formulas as LaTeX; a subclass writes words and blocks."""

    SIGN = "-"
    FRACTION = "\\frac"
    WIDE = 110

    def __init__(self) -> None:
        super().__init__()
        self._names = _Names(self)

    def notation(self) -> Notation:
        return _Names(self)

    def name(self, reference: Reference) -> str:
        return self._names.reference(reference)

    def number(self, value: Value) -> str:
        found = value.value
        if is_array(found):
            found = found.tolist()
        if isinstance(found, list):
            return self._array(found, value.digits)
        return latex_number(format_number(found, value.digits))

    def _array(self, value: list[Any], digits: int) -> str:
        if value and isinstance(value[0], list):
            rows = [self._row(row, digits, " & ", r"\cdots") for row in value[:MOST]]
            if len(value) > MOST:
                rows.append(r"\vdots")
            return rf"\begin{{bmatrix}} {(' ' + chr(92) * 2 + ' ').join(rows)} \end{{bmatrix}}"
        return f"({self._row(value, digits, ', ', chr(92) + 'ldots')})"

    def _row(self, row: Sequence[Any], digits: int, gap: str, dots: str) -> str:
        texts = [latex_number(format_number(v, digits)) for v in row[:MOST]]
        return gap.join([*texts, dots] if len(row) > MOST else texts)

    # -- lines

    def rows(self, line: Line) -> list[str]:
        """A chain as rows of an aligned block: ``a &= b`` and, where it gets too long, ``&= c``."""
        if not line.chain:
            return []
        first, *rest = line.chain
        row = f"{self.item(first)} &"
        if not rest:
            return [row]
        rows: list[str] = []
        for at, item in enumerate(rest):
            pieces = self.pieces(item)
            text = "= " + pieces[0]
            if at and len(plain_length(row)) + len(plain_length(text)) > self.WIDE:
                rows.append(row)
                row = "&" + text
            else:
                row += (" " if at else "") + text
            for piece in pieces[1:]:
                if len(plain_length(row)) + len(plain_length(piece)) > self.WIDE:
                    rows.append(row)
                    row = "&\\quad " + piece
                else:
                    row += " " + piece
        if line.remark:
            row += rf" \qquad {self.remark(line)}"
        return [*rows, row]

    def remark(self, line: Line) -> str:
        """A remark inside a formula."""
        parts = [rf"\text{{{latex_words(w)}}}" if isinstance(w, str) else self.item(w) for w in line.remark]
        return "".join(parts)

    def pieces(self, item: Item) -> list[str]:
        """An item in pieces that may stand on different rows: the summands of a long sum."""
        text = self.item(item)
        if len(plain_length(text)) <= self.WIDE or not isinstance(item, Formula):
            return [text]
        tree = item.expression
        if not isinstance(tree, Call) or tree.operation != "add":
            return [text]
        found: list[str] = []
        for at, argument in enumerate(tree.arguments):
            negative = isinstance(argument, Call) and argument.operation == "neg" and at > 0
            inner = argument.arguments[0] if negative and isinstance(argument, Call) else argument
            part = self.item(self._part(item, inner))
            sign = "- " if negative else "+ " if at else ""
            if at and not negative and part.startswith("-"):
                sign, part = "- ", part[1:].lstrip()
            found.append(sign + part)
        return found

    def _part(self, whole: Formula, tree: Expression) -> Formula:
        formula = Formula(tree, whole.leaves, whole.ranks)
        self._trees.append(tree)
        if isinstance(tree, Slot) and whole.leaves:
            return Formula(tree, whole.leaves, whole.ranks)
        return formula


def plain_length(text: str) -> str:
    """Roughly what a formula's LaTeX shows: commands and braces left out."""
    out: list[str] = []
    skip = False
    for character in text:
        if skip and character.isalpha():
            continue
        skip = character == "\\"
        if character not in "\\{}^_& ":
            out.append(character)
    return "".join(out)


_WORDS = {"\\": r"\backslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "%": r"\%", "#": r"\#", "&": r"\&", "_": r"\_", "^": r"\^{}", "~": r"\~{}"}
_SYMBOLS = {"×": "}\\times\\text{", "·": "}\\cdot\\text{", "−": "}-\\text{", "⁺": "}^{+}\\text{", "∂": "}\\partial\\text{", "Σ": "}\\Sigma\\text{"}


def latex_words(text: str) -> str:
    """Words inside ``\\text{}``."""
    return "".join([_WORDS.get(c) or _SYMBOLS.get(c) or c for c in text])


class _Names(Latex):
    """The LaTeX notation with the leaves of `bptt_solver.blocks`."""

    def __init__(self, renderer: LatexFormulas) -> None:
        super().__init__()
        self._renderer = renderer

    def reference(self, node: Reference) -> str:
        if type(node) is Reference:
            return r"\ldots" if node.name == "…" else super().reference(node)
        if isinstance(node, Mark):
            return self._renderer.mark(node)
        if isinstance(node, Partial):
            below = self.reference(node.below)
            below = rf"\left({below}\right)" if isinstance(node.below, Use) else below
            return rf"\frac{{\partial {self.reference(node.above)}}}{{\partial {below}}}"
        if isinstance(node, Use):
            label = self.reference(node.label) if node.label.name else ",".join([self.index(i) for i in node.label.indices])
            return f"{self.reference(node.of)}@{label}"
        if isinstance(node, Entry):
            of = self.reference(node.of)
            of = rf"\left({of}\right)" if of.startswith(r"\frac") else of
            return f"{of}[{','.join(map(str, node.at))}]"
        if isinstance(node, Dots):
            return r"\ldots"
        if isinstance(node, Domain):
            parts = [self.range(r) for r in node.ranges]
            parts += [self.conditions(node.conditions)] if node.conditions else []
            return r",\ ".join(parts)
        return super().reference(node)

    def call(self, name: str, arguments: Sequence[Expression]) -> Sequence[Piece]:
        return super().call(name, arguments)


__all__ = ["Leaf", "LatexFormulas", "latex_name", "latex_words"]
