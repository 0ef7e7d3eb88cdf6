"""Formulas in the mathematics of Typst: ``frac(∂^(+)E, ∂ h_(2))``. Words are in quotes; no command of a user's gets
through."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Conditions,
    Expression,
    Index,
    Iverson,
    Range,
    Reference,
    Sum,
)
from bptt_solver.language.notation.latex import _GREEK, _LETTERS
from bptt_solver.language.notation.typeset import Typeset
from bptt_solver.language.notation.writer import ATOM, POWER, PRODUCT, IndexStyle, Piece, Shape, parts_of_derivative

COMMA = "\\,"  # a plain comma would separate the arguments of frac and mat
HALF = "frac(1, 2)"
NABLA = "∇_("
TIMES = "⋅"  # the middle dot · would belong to a name before it
_NAMED = frozenset(name for name in _GREEK if not name.startswith("var"))
_LETTER = {name: letter for letter, name in _LETTERS.items()}
_OWN = {"epsilon": "ϵ", "phi": "ϕ"}  # the shapes that LaTeX prints
_FUNCTIONS = frozenset({"sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "ln", "max", "min"})
_ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "macron", "\u0305": "macron", "\u0307": "dot"}
_ACCENTS |= {"\u0308": "dot.double", "\u20d7": "arrow", "\u030c": "caron", "\u0306": "breve", "\u0301": "acute"}
_ACCENTS |= {"\u0300": "grave"}
_SUPERSCRIPTS = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_SIGNS = {"==": "=", "!=": "≠", "<=": "≤", ">=": "≥", "<": "lt", ">": "gt"}


def quoted(text: str) -> str:
    """A string of Typst: nothing in it is a command, and characters that cannot be shown are marked."""
    shown = "".join([c if unicodedata.category(c)[0] != "C" else "\ufffd" for c in text])
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'


def typst_name(name: str) -> str:
    """A name: ``W_h`` as ``W_(h)``, ``z1`` as ``z_(1)``, ``net`` as ``"net"``, ``eta`` as ``η``, ``ŷ`` as
    ``hat(y)``."""
    body = name.rstrip("'")
    primes = name[len(body) :]
    body, *rest = [part for part in body.split("_") if part] or [""]
    stem = body.rstrip("0123456789₀₁₂₃₄₅₆₇₈₉")
    if stem and len(stem) < len(body):
        rest.insert(0, unicodedata.normalize("NFKC", body[len(stem) :]))
        body = stem
    below = f"_({(COMMA + 'thin ').join([_word(part) for part in rest])})" if rest else ""
    return _word(body) + primes + below


def _raised_name(name: str) -> str:
    """A name that a style gives; those may have a superscript, ``δ^h``."""
    below, _, above = name.partition("^")
    return f"{typst_name(below)}^({typst_name(above)})" if above else typst_name(name)


def _word(word: str) -> str:
    """One part of a name."""
    if word in _NAMED or word in _LETTER:
        word = _OWN.get(word) or _LETTER.get(word) or unicodedata.lookup(_greek(word))
    if word.isascii() and (word.isdigit() or (len(word) == 1 and word.isalpha())):
        return word
    if word in _LETTERS:
        return word
    letter, *marks = list(unicodedata.normalize("NFD", word) or " ")
    if marks and all(mark in _ACCENTS for mark in marks):
        shown = _word(letter)
        for mark in marks:
            shown = f"{_ACCENTS[mark]}({shown})"
        return shown
    return quoted(word)


def _greek(word: str) -> str:
    spelled = "lamda" if word.lower() == "lambda" else word
    return f"GREEK {'CAPITAL' if word[0].isupper() else 'SMALL'} LETTER {spelled.upper()}"


def typst_number(text: str) -> str:
    """A number's text as `format_number` gives it: ``−3⋅10^(−7)``, ``frac(1, 2)``."""
    sign = "−" if text.startswith("−") else ""
    text = text.removeprefix("−")
    top, slash, bottom = text.partition("/")
    if slash:
        return f"{sign}frac({top}, {bottom})"
    mantissa, times, power = text.partition("·10")
    if times:
        exponent = "".join(["−0123456789"[_SUPERSCRIPTS.index(c)] for c in power])
        return f"{sign}{mantissa}{TIMES}10^({exponent})"
    plain = all(c in "0123456789.e+-" for c in text)
    return sign + (text if plain or text == "∞" else quoted(text))


class _Indices(IndexStyle):
    """Indices; a comma inside a map's lookup is escaped."""

    def pieces(self, index: Index) -> list[str | Index]:
        return [COMMA if p == "," else p for p in super().pieces(index)]


_STYLE = _Indices(minus="−", times="", name=typst_name)


class Typst(Typeset):
    """The same decisions as in `Text`, with fractions, roots and sums that are two-dimensional. Without spaces: those
    beside words would show."""

    PLUS = "+"
    MINUS = "−"
    COMMA = COMMA
    SUBSCRIPT = _STYLE

    def printed(self, text: str) -> str:
        return typst_number(text)

    def fraction(self, top: str, bottom: str) -> str:
        return f"frac({top}, {bottom})"

    def derivative(self, above: str, below: str) -> str:
        return f"{NABLA}{below}){above}" if self.style.nabla else f"frac(∂^(+){above}, ∂{below})"

    # --- names

    def member(self, name: str, indices: Sequence[str]) -> str:
        shown = _raised_name(name)
        if not indices:
            return shown
        joined = COMMA.join(indices)
        if self.style.indices == "parentheses":
            return f"{shown}({joined})"
        if self.style.indices == "superscripts":
            return f"{shown}^(({joined}))"
        if "_(" in shown.partition("^")[0] or self.style.indices == "brackets":
            return f"{shown}[{joined}]"
        return f"{shown}_({joined})"

    def members(self, text: str) -> str:
        """The name of a derivative or of its target, on one line."""
        signs = {"∂⁺": "∂^(+)", "/": "\\/"}
        return "".join(
            signs.get(part, part)
            if numbers is None
            else self.member(part, [typst_number(i.replace("-", "−")) for i in numbers])
            for part, numbers in parts_of_derivative(text)
        )

    # --- indices

    def index(self, index: Index) -> str:
        return self.index_text(index, _STYLE)

    def conditions(self, conditions: Conditions) -> str:
        return f"{COMMA} ".join([self._condition(c) for c in conditions])

    def _condition(self, item: object) -> str:
        left, right = self.index_text(item.left, _STYLE), self.index_text(item.right, _STYLE)  # type: ignore[attr-defined]
        return f"{left} {_SIGNS[item.operator]} {right}"  # type: ignore[attr-defined]

    def iverson(self, node: Iverson) -> str:
        return f"[{self.conditions(node.conditions)}]"

    def range(self, item: Range) -> str:
        """``t=1, …, T``."""
        low, high = self.index_text(item.low, _STYLE), self.index_text(item.high, _STYLE)
        return f"{typst_name(item.variable)}={low}{COMMA}…{COMMA}{high}"

    # --- operations

    def rank(self, node: Expression, text: str | None) -> int:
        if text is not None and text.startswith(("frac", NABLA)):
            return POWER
        if text is not None and text[:1] in "−0123456789" and TIMES in text:
            return PRODUCT
        return super().rank(node, text)

    def mul(self, factors: Sequence[Expression], leading: bool) -> Sequence[Piece]:
        signs = {"½": HALF, " ⊙ ": "⊙", "·": TIMES}
        return [signs.get(p, p) if isinstance(p, str) else p for p in super().mul(factors, leading)]

    def div(self, top: Expression, bottom: Expression, leading: bool) -> Sequence[Piece]:
        return ("frac(", (top, 0, True), ", ", (bottom, 0, True), ")")

    def matmul(self, left: Expression, right: Expression, leading: bool) -> Sequence[Piece]:
        first, _, second = super().matmul(left, right, leading)
        return (first, " thin ", second)

    def power(self, base: Expression, exponent: Expression) -> Sequence[Piece]:
        return (*self.raised(base), "^(", (exponent, 0, True), ")")

    def transpose(self, base: Expression) -> Sequence[Piece]:
        if isinstance(base, Reference) and self.style.raised:
            return ("attach(", (base, ATOM, False), ", t: ⊤)")  # it may have a superscript already
        return (*self.raised(base), "^(⊤)")

    def raised(self, base: Expression) -> Sequence[Piece]:
        """Something that gets a superscript."""
        if self.operator(base) == "transpose":
            return ("(", (base, 0, True), ")")
        return ((base, ATOM, False),)

    def total(self, node: Sum) -> Sequence[Piece]:
        signs: list[Piece] = []
        for at, item in enumerate(node.ranges):
            low, high = self.index_text(item.low, _STYLE), self.index_text(item.high, _STYLE)
            conditions = node.conditions if at == len(node.ranges) - 1 else ()
            more = f"{COMMA} {self.conditions(conditions)}" if conditions else ""
            signs.append(f"sum_({typst_name(item.variable)}={low}{more})^({high}) ")
        return (*signs, (node.body, super().rank(node, None), False))

    def call(self, name: str, arguments: Sequence[Expression]) -> Sequence[Piece]:
        if name == "outer" and len(arguments) == 2:
            return (self.first("outer", arguments[0], True), " thin ", *self.transpose(arguments[1]))
        if len(arguments) == 1 and name in ("sqrt", "abs"):
            return (f"{name}(", (arguments[0], 0, True), ")")
        pieces: list[Piece] = [f" {name}" if name in _FUNCTIONS else _function(name), "("]
        for at, argument in enumerate(arguments):
            pieces += (f"{COMMA} ", (argument, 0, True)) if at else ((argument, 0, True),)
        return [*pieces, ")"]


def _function(name: str) -> str:
    plain = name.replace("_", "")
    if plain.isascii() and plain.isalnum():
        return f"op({quoted(name.replace('_', '-'))})" if len(name) > 1 else f"upright({name})"
    return typst_name(name)


def to_typst(
    expression: Expression,
    *,
    shape: Callable[[Expression], Shape | None] | None = None,
    leaf: Callable[[Expression], str | None] | None = None,
) -> str:
    """An expression in Typst, without dollar signs. ``shape`` and ``leaf`` are those of `to_text`; texts of ``leaf``
    are numbers as `format_number` writes them."""
    return Typst(shape, leaf).write(expression)


def equation_to_typst(equation: Equation, *, shape: Callable[[Expression], Shape | None] | None = None) -> str:
    """An equation with its domain in Typst."""
    notation = Typst(shape)
    text = f"{notation.reference(Reference(equation.name, equation.indices))}={notation.write(equation.right)}"
    domain = [notation.range(r) for r in equation.ranges]
    domain += [notation.conditions(equation.conditions)] if equation.conditions else []
    return text + "".join([f" {'quad' if at == 0 else COMMA} {part}" for at, part in enumerate(domain)])
