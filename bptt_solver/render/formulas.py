"""Formulas in LaTeX with the leaves of `bptt_solver.blocks`: what Markdown and LaTeX have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from bptt_solver.blocks import (
    Belonging,
    Domain,
    Dots,
    Entry,
    Formula,
    Formulas,
    Item,
    Leaf,
    Line,
    Ordered,
    Partial,
    Use,
    Value,
    Words,
)
from bptt_solver.language.expressions import Call, Expression, Reference
from bptt_solver.language.notation.latex import Latex, latex_name, latex_number
from bptt_solver.language.notation.numbers import format_number
from bptt_solver.language.notation.writer import ATOM, PLAIN_STYLE, Notation, Piece, Style
from bptt_solver.language.templates import Slot
from bptt_solver.render.arrays import ArrayRenderer
from bptt_solver.render.base import HIGH, PRIMED, Mark, block_of, harmless
from bptt_solver.render.columns import is_wide

TWO = 2


class LatexFormulas(ArrayRenderer):
    """Formulas as LaTeX; a subclass writes words and blocks."""

    SIGN = "-"
    FRACTION = "\\frac"
    NABLA = "\\nabla"
    SUPERSCRIPT = "^{"
    MATRIX = (r"\begin{bmatrix} ", r" \end{bmatrix}")
    COLUMN, ROW, ENTRY = " & ", r" \\ ", ", "
    DOTS, ACROSS, DOWN = r"\ldots", r"\cdots", r"\vdots"
    PRIME = "'"  # TeX finds two superscripts in h'_{2}^{2}
    WIDE = 90  # characters that fit on a row
    SHORT = 30  # characters of a formula that shares a row
    PAGE = False  # whether rows have an edge to keep to: those below the first begin behind the left side
    SPACE = 0.0  # characters that the space around a sign, or between the columns of a matrix, takes up

    def __init__(self, style: Style = PLAIN_STYLE) -> None:
        super().__init__(style)
        self._names = _Names(self)

    def notation(self) -> Notation:
        return _Names(self)

    def name(self, reference: Reference) -> str:
        return self._names.reference(reference)

    def number(self, value: Value) -> str:
        if isinstance(value.value, Fraction):
            return self._names.number(value.value)
        return super().number(value)

    def single(self, value: Any, digits: int) -> str:
        return latex_number(format_number(value, digits))

    # -- lines

    def led(self, block: Formulas) -> list[str]:
        """The rows of a block in which every line has a short label in front, ``\\text{here:}\\quad a &= b``; none of
        another block."""
        lines, rows = block.lines, []
        if len(lines) < TWO or not all(line.chain and line.lead and str(line.lead[-1]).endswith(":") for line in lines):
            return []
        for line in lines:
            label = self.remark(line.lead)
            if self.width(label) > self.SHORT:
                return []
            rows += self.rows(line, rf"{label}\quad ")
        return rows

    def width(self, text: str) -> float:
        """Roughly how many characters wide a formula is in this format."""
        return width(text, self.SPACE)

    def rows(self, line: Line, lead: str = "") -> list[str]:
        """A chain as rows of an aligned block: ``a &= b`` and, where it gets too long, ``&= c``."""
        if not line.chain:
            return []
        first, *rest = line.chain
        if not rest:
            return [f"{lead}&{self.item(first)}" if lead else f"{self.item(first)} &"]
        row = f"{lead}{self.item(first)} &"
        rows: list[str] = []
        wide: float = self.WIDE
        left = self.width(row) if self.PAGE else 0.0
        for at, item in enumerate(rest):
            pieces = self.pieces(item, left)
            text = "= " + pieces[0]
            if at and self.width(row) + self.width(text) > wide:
                rows.append(row)
                row, wide = "&" + text, self.WIDE - left
            else:
                row += (" " if at else "") + text
            for piece in pieces[1:]:
                if self.width(row) + self.width(piece) > wide:
                    rows.append(row)
                    row, wide = "&\\quad " + piece, self.WIDE - left
                else:
                    row += " " + piece
        if line.remark:
            remark = self.remark(line.remark)
            if self.width(row) + self.width(remark) + 5 > wide:
                rows.append(row)
                *before, row = [rf"&\qquad {part}" for part in self._remarks(line.remark, remark, self.WIDE - left - 8)]
                rows += before
            else:
                row += rf" \qquad {remark}"
        return [*rows, row]

    def _remarks(self, words: Words, whole: str, room: float) -> list[str]:
        """A remark in parts that fit on the page, broken between its words."""
        if not self.PAGE or self.width(whole) <= room:
            return [whole]
        parts: list[list[str | Item]] = [[]]
        for word in words:
            pieces: list[str | Item] = [*re.findall(r"\S*\s*", word)] if isinstance(word, str) else [word]
            for piece in pieces:
                if not piece:
                    continue
                if parts[-1] and self.width(self.remark((*parts[-1], piece))) > room:
                    parts.append([])
                parts[-1].append(piece)
        return [self.remark(tuple(part)) for part in parts]

    def packed(self, lines: Sequence[Line]) -> list[str]:
        """Short lines side by side, as rows of an aligned block; a longer one has a row for itself."""
        rows: list[str] = []
        room = 0.0
        for line in lines:
            own = self.rows(line)
            size = max((self.width(r) for r in own), default=0.0)
            if own and len(own) == 1 and size <= self.SHORT and room >= size + 5:
                rows[-1] += r" \qquad " + own[0].replace("&", "", 1)
                room -= size + 5
            else:
                rows += own
                room = self.WIDE - size if len(own) == 1 and size <= self.SHORT else 0.0
        return rows

    def words(self, words: Words) -> str:
        """A sentence; formulas with nothing but signs between them become one formula."""
        out: list[str] = []
        open_formula: list[str] = []
        for at, word in enumerate(words):
            if type(word) is not str:
                open_formula.append(self.item(word))  # type: ignore[arg-type]
                continue
            inside = open_formula and at + 1 < len(words) and type(words[at + 1]) is not str
            if inside and all(c in _GLUE for c in word):
                open_formula.append("".join([_GLUE[c] for c in word]))
                continue
            if open_formula:
                out.append(self.inline("".join(open_formula)))
                open_formula = []
            out.append(self.plain(word))
        if open_formula:
            out.append(self.inline("".join(open_formula)))
        return "".join(out)

    def remark(self, words: Words) -> str:
        """Words inside a formula."""
        return "".join([_text(w) if isinstance(w, str) else self.item(w) for w in words])

    def pieces(self, item: Item, left: float = 0.0) -> list[str]:
        """An item in pieces that may stand on different rows: the summands of a long sum."""
        text = self.item(item)
        if self.width(text) <= self.WIDE - max(left, 12.0) or not isinstance(item, Formula):
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
            elif negative and part.startswith("-"):
                part = rf"\left({part}\right)"
            found.append(sign + part)
        return found

    def _part(self, whole: Formula, tree: Expression) -> Formula:
        formula = Formula(tree, whole.leaves, whole.ranks)
        self._trees.append(tree)
        if isinstance(tree, Slot) and whole.leaves:
            return Formula(tree, whole.leaves, whole.ranks)
        return formula


def width(text: str, space: float = 0.0) -> float:
    """Roughly how many characters wide a formula is in print: a fraction counts as its longer half, a matrix as its
    widest row, a space in the text as ``space``.
    """
    return _measure(text, 0, "", space)[0]


def _measure(text: str, at: int, end: str, space: float) -> tuple[float, int]:
    """The width from ``at`` to the closing ``end``, and the position behind it."""
    total = row = 0.0
    while at < len(text):
        character = text[at]
        if character == end:
            return max(total, row), at + 1
        at += 1
        if character == "{":
            inner, at = _measure(text, at, "}", space)
            row += inner
        elif character == "\\":
            name = text[at : at + 1]
            if name == "\\":  # the next row of a matrix
                total, row, at = max(total, row), 0.0, at + 1
                continue
            word = ""
            while at < len(text) and text[at].isalpha():
                word += text[at]
                at += 1
            if not word:
                at += 1
                row += 1
            elif word == "frac":
                above, at = _measure(text, at + 1, "}", space)
                below, at = _measure(text, at + 1, "}", space)
                row += max(above, below)
            elif word == "begin":
                inner, at = _measure(text, text.index("}", at) + 1, "end", space)
                row += inner + 2
            elif word == "end":
                return max(total, row), text.index("}", at) + 1
            else:
                row += _WIDTHS.get(word, 1 if len(word) > 4 else len(word) if word in _SPELLED else 1)
        elif character == " ":
            row += space
        elif character == "&":
            row += 2 * space
        elif character not in "^_}":
            row += 1
    return max(total, row), at


_SPELLED = frozenset({"sin", "cos", "tan", "tanh", "sinh", "cosh", "exp", "log", "ln", "max", "min"})
_WIDTHS = {
    "cdot": 2,
    "odot": 3,
    "qquad": 5,
    "quad": 3,
    "left": 0,
    "right": 0,
    "text": 0,
    "mathrm": 0,
    "ldots": 2,
    "cdots": 2,
    "sum": 3,
}


_GLUE = {c: c for c in "()[]+/= 0123456789"} | {"−": "-", "·": r" \cdot ", "Δ": r"\Delta "}
_WORDS = {
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
}
_SYMBOLS = {
    "%": "}\\%\\text{",  # outside: MathJax would show the backslash
    "#": "}\\#\\text{",
    "&": "}\\&\\text{",
    "_": "}\\_\\text{",
    "×": "}\\times\\text{",
    "·": "}\\cdot\\text{",
    "−": "}-\\text{",
    "⁺": "}^{+}\\text{",
    "∂": "}\\partial\\text{",
    "Σ": "}\\Sigma\\text{",
    "\\": "}\\backslash\\text{",
    "^": "}\\wedge\\text{",
    "~": "}\\sim\\text{",
    "<": "}<\\text{",  # outside: a viewer that does not know the formula finds no tag
    ">": "}>\\text{",
}


def _text(words: str) -> str:
    """Words of a formula. A space behind a Chinese character would be lost in ``\\text{}``."""
    kept = words.rstrip(" ")
    if kept != words and kept and is_wide(kept[-1]):
        return rf"\text{{{latex_words(kept)}}}\ "
    return rf"\text{{{latex_words(words)}}}"


def latex_words(text: str) -> str:
    """Words inside ``\\text{}``."""
    return "".join([_WORDS.get(c) or _SYMBOLS.get(c) or c for c in harmless(text)])


class _Names(Latex):
    """The LaTeX notation with the leaves of `bptt_solver.blocks`."""

    def __init__(self, renderer: LatexFormulas) -> None:
        super().__init__()
        self._renderer = renderer
        self.style = renderer.style

    def reference(self, node: Reference) -> str:
        if type(node) is Reference:
            return r"\ldots" if node.name == "…" else super().reference(node)
        if isinstance(node, Mark):
            return self._renderer.mark(node)
        if isinstance(node, Partial):
            below = self.reference(node.below)
            below = rf"\left({below}\right)" if isinstance(node.below, Use) else below
            return rf"\frac{{\partial {self.reference(node.above)}}}{{\partial {below}}}"
        if isinstance(node, Ordered):
            return rf"\frac{{\partial^{{+}} {self.reference(node.above)}}}{{\partial {self.reference(node.below)}}}"
        if isinstance(node, Use):
            label = node.label
            text = self.reference(label) if label.name else ",".join([self.index(i) for i in label.indices])
            text = text if len(label.indices) < 2 or label.name else f"({text})"
            return f"{self.reference(node.of)}@{text}"
        if isinstance(node, Belonging):
            return self.reference(node.label or node.of) + node.primes
        if isinstance(node, Entry):
            of, at = self.reference(node.of), ",".join(map(str, node.at))
            return f"{of[:-1]}[{at}]}}" if of.startswith(r"\frac") else f"{of}[{at}]"
        if isinstance(node, Dots):
            return r"\ldots"
        if isinstance(node, Domain):
            parts = [self.range(r) for r in node.ranges]
            parts += [self.conditions(node.conditions)] if node.conditions else []
            return r",\ ".join(parts)
        return super().reference(node)

    def power(self, base: Expression, exponent: Expression) -> Sequence[Piece]:
        """``(h^{(t)})^{2}``: a power of a name that has a superscript."""
        if self._high(base):
            return (self.OPEN, (base, 0, True), self.CLOSE, "^{", (exponent, 0, True), "}")
        return super().power(base, exponent)

    def raised(self, base: Expression) -> Sequence[Piece]:
        """``{h'_{2}}^{2}``: a name with primes, where only its place is known."""
        if isinstance(base, Mark) and base.kind == PRIMED:
            return ("{", (base, ATOM, False), "}")
        return super().raised(base)

    def _high(self, base: Expression) -> bool:
        if isinstance(base, Mark):
            return base.kind == HIGH
        return self.style.raised and isinstance(base, Reference) and "^{" in self.reference(base)

    def call(self, name: str, arguments: Sequence[Expression]) -> Sequence[Piece]:
        return block_of(name, arguments) or super().call(name, arguments)


__all__ = ["LatexFormulas", "Leaf", "latex_name", "latex_words"]
