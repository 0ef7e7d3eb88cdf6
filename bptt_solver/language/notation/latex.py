"""Formulas in LaTeX, with commands that GitHub, KaTeX and MathJax know as well. No command of a user's gets through."""

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
from bptt_solver.language.notation.typeset import Typeset
from bptt_solver.language.notation.writer import ATOM, PLAIN_STYLE, POWER, IndexStyle, Piece, Shape, parts_of_derivative

_GREEK = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "pi",
    "rho",
    "sigma",
    "tau",
    "upsilon",
    "phi",
    "chi",
    "psi",
    "omega",
    "Gamma",
    "Delta",
    "Theta",
    "Lambda",
    "Xi",
    "Pi",
    "Sigma",
    "Upsilon",
    "Phi",
    "Psi",
    "Omega",
    "varphi",
    "vartheta",
    "varepsilon",
]
_LETTERS = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩϕϑϵ", _GREEK, strict=True))
_LETTERS |= {
    "φ": "varphi",
    "ϕ": "phi",
    "ε": "varepsilon",
    "ϵ": "epsilon",
}  # the shapes that these letters have in print
_ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0305": "bar", "\u0307": "dot", "\u0308": "ddot"}
_ACCENTS |= {"\u20d7": "vec", "\u030c": "check", "\u0306": "breve", "\u0301": "acute", "\u0300": "grave"}
_ACCENTED = tuple([f"\\{accent}{{" for accent in dict.fromkeys(_ACCENTS.values())])
_FUNCTIONS = frozenset(
    {"sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "ln", "max", "min", "arctan", "arcsin"}
)
_SIGNS = {"==": "=", "!=": r"\ne", "<=": r"\le", ">=": r"\ge"}
_SUPERSCRIPTS = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_SPECIAL = {
    "\\": r"\backslash ",
    "^": r"\wedge ",
    "~": r"\sim ",
    "{": r"\lbrace ",
    "}": r"\rbrace ",
    "<": "<",
    ">": ">",
}


def latex_name(name: str) -> str:
    """A name: ``W_h`` as ``W_{h}``, ``z1`` as ``z_{1}``, ``net`` as ``\\mathrm{net}``, ``eta`` as ``\\eta``.
    Letters that LaTeX's mathematics lacks are put into ``\\text{}``. Nothing in a name can act as a command.
    """
    body = name.rstrip("'")
    primes = name[len(body) :]
    body, *rest = [part for part in body.split("_") if part] or [""]
    stem = body.rstrip("0123456789₀₁₂₃₄₅₆₇₈₉")
    if stem and len(stem) < len(body):
        rest.insert(0, unicodedata.normalize("NFKC", body[len(stem) :]))
        body = stem
    below = r",\,".join([_word(part) for part in rest])
    return _word(body) + (f"_{{{below}}}" if below else "") + primes


def _raised_name(name: str) -> str:
    """A name that a style gives; those may have a superscript, ``δ^h``."""
    below, _, above = name.partition("^")
    return f"{latex_name(below)}^{{{latex_name(above)}}}" if above else latex_name(name)


def _word(word: str) -> str:
    """One part of a name."""
    if word in _GREEK:
        return f"\\{word}"
    if word.isascii() and word.isalnum():
        return word if len(word) == 1 or word.isdigit() else f"\\mathrm{{{word}}}"
    if word in _LETTERS:
        return f"\\{_LETTERS[word]}"
    letter, *marks = list(unicodedata.normalize("NFD", word) or " ")
    if marks and all(mark in _ACCENTS for mark in marks):
        shown = _letter(letter).strip()
        for mark in marks:
            shown = f"\\{_ACCENTS[mark]}{{{shown}}}"
        return shown
    # letters that join and marks that stand on them need their neighbours: one \text{} for all that follow each other
    return "".join([_letter(c) for c in word]).replace(r"}\text{", "") if word else r"\,"


def _letter(character: str) -> str:
    if character in _LETTERS:
        return f"\\{_LETTERS[character]} "
    if character.isascii():
        if character.isalnum():
            return character
        return _SPECIAL.get(character, f"\\{character}" if character in "#$%&_" else f"\\text{{{character}}}")
    kept = unicodedata.category(character)[0] in "LMNS"
    return f"\\text{{{character}}}" if kept else r"\text{?}"


def latex_number(text: str) -> str:
    """A number's text as `format_number` gives it, in LaTeX."""
    out: list[str] = []
    raised = False
    for character in text.replace("; ", ";"):
        above = character in _SUPERSCRIPTS
        if above != raised:
            out.append("^{" if above else "}")
            raised = above
        if above:
            out.append("-0123456789"[_SUPERSCRIPTS.index(character)])
        else:
            out.append(_NUMBER_SIGNS.get(character) or (character if character in _PLAIN else _letter(character)))
    return "".join(out) + ("}" if raised else "")


_NUMBER_SIGNS = {"−": "-", "·": r" \cdot ", "…": r"\ldots", "∞": r"\infty", "×": r"\times ", ";": r";\ "}
_PLAIN = frozenset("0123456789.,()[]/+-e ")


_STYLE = IndexStyle(times="", name=latex_name)


class Latex(Typeset):
    """The same decisions as in `Text`, with fractions, roots and sums that are two-dimensional."""

    MINUS = " - "
    SIGN = "-"
    OPEN = r"\left("
    CLOSE = r"\right)"
    SUBSCRIPT = _STYLE

    def printed(self, text: str) -> str:
        return latex_number(text)

    def fraction(self, top: str, bottom: str) -> str:
        return f"\\frac{{{top}}}{{{bottom}}}"

    def in_round(self, text: str) -> str:
        return f"\\left({text}\\right)"

    def derivative(self, above: str, below: str) -> str:
        if self.style.nabla:
            return f"\\nabla_{{{below}}} {above}"
        return f"\\frac{{\\partial^{{+}} {above}}}{{\\partial {below}}}"

    # --- names

    def member(self, name: str, indices: Sequence[str]) -> str:
        shown = latex_name(name) if self.style is PLAIN_STYLE else _raised_name(name)
        if not indices:
            return shown
        joined = ",".join(indices)
        if self.style.indices == "parentheses":
            return f"{shown}({joined})"
        if self.style.indices == "superscripts":
            # TeX drops braces around an accent alone, and would find two superscripts in {\hat{y}^{(t)}}^{\top}
            guard = "{}" if shown.startswith(_ACCENTED) else ""
            return f"{guard}{shown}^{{({joined})}}"
        if "_" in shown.replace(r"\_", "").partition("^")[0] or self.style.indices == "brackets":
            return f"{shown}[{joined}]"
        return f"{shown}_{{{joined}}}"

    def members(self, text: str) -> str:
        """The name of a derivative or of its target, on one line."""
        signs = {"∂⁺": r"\partial^{+} ", "(": r"\left(", ")": r"\right)", "/": "/", "∂": r"\partial "}
        return "".join(
            signs[part] if numbers is None else self.member(part, [latex_number(i) for i in numbers])
            for part, numbers in parts_of_derivative(text)
        )

    # --- indices

    def index(self, index: Index) -> str:
        return self.index_text(index, _STYLE)

    def conditions(self, conditions: Conditions) -> str:
        return r",\ ".join([self.comparison(c, _STYLE, _SIGNS) for c in conditions])

    def iverson(self, node: Iverson) -> str:
        return f"\\left[{self.conditions(node.conditions)}\\right]"

    def range(self, item: Range) -> str:
        """``t = 1, \\ldots, T``."""
        low, high = self.index_text(item.low, _STYLE), self.index_text(item.high, _STYLE)
        return f"{latex_name(item.variable)} = {low}, \\ldots, {high}"

    # --- operations

    def rank(self, node: Expression, text: str | None) -> int:
        if text is not None and text.startswith((r"\frac", r"\nabla")):
            return POWER
        return super().rank(node, text)

    def mul(self, factors: Sequence[Expression], leading: bool) -> Sequence[Piece]:
        signs = {"½": r"\frac{1}{2}", "·": r" \cdot ", " ⊙ ": r" \odot "}
        return [signs.get(p, p) if isinstance(p, str) else p for p in super().mul(factors, leading)]

    def div(self, top: Expression, bottom: Expression, leading: bool) -> Sequence[Piece]:
        return (r"\frac{", (top, 0, True), "}{", (bottom, 0, True), "}")

    def matmul(self, left: Expression, right: Expression, leading: bool) -> Sequence[Piece]:
        first, _, second = super().matmul(left, right, leading)
        return (first, r" \, ", second)

    def power(self, base: Expression, exponent: Expression) -> Sequence[Piece]:
        return (*self.raised(base), "^{", (exponent, 0, True), "}")

    def transpose(self, base: Expression) -> Sequence[Piece]:
        return (*self.raised(base), r"^{\top}")

    def raised(self, base: Expression) -> Sequence[Piece]:
        """Something that gets a superscript; what has one already, or primes, is enclosed in braces."""
        if isinstance(base, Reference) and ("'" in base.name or self.style.raised):
            return ("{", (base, ATOM, False), "}")
        if self.operator(base) == "transpose":
            return (self.OPEN, (base, 0, True), self.CLOSE)
        return ((base, ATOM, False),)

    def total(self, node: Sum) -> Sequence[Piece]:
        signs: list[Piece] = []
        for at, item in enumerate(node.ranges):
            low, high = self.index_text(item.low, _STYLE), self.index_text(item.high, _STYLE)
            conditions = node.conditions if at == len(node.ranges) - 1 else ()
            more = rf",\ {self.conditions(conditions)}" if conditions else ""
            signs.append(f"\\sum_{{{latex_name(item.variable)}={low}{more}}}^{{{high}}} ")
        return (*signs, (node.body, super().rank(node, None), False))

    def call(self, name: str, arguments: Sequence[Expression]) -> Sequence[Piece]:
        if name == "outer" and len(arguments) == 2:
            return (self.first("outer", arguments[0], True), r" \, ", *self.transpose(arguments[1]))
        if len(arguments) == 1 and name in _AROUND:
            before, after = _AROUND[name]
            return (before, (arguments[0], 0, True), after)
        shown = f"\\{name}" if name in _FUNCTIONS else _function(name)
        return (shown, *super().call(name, arguments)[1:])


_AROUND = {"sqrt": (r"\sqrt{", "}"), "abs": (r"\left|", r"\right|")}


def _function(name: str) -> str:
    if name.replace("_", "").isascii() and name.replace("_", "").isalnum():
        return f"\\text{{{name.replace('_', '-')}}}" if "_" in name else f"\\mathrm{{{name}}}"
    return latex_name(name)


def to_latex(
    expression: Expression,
    *,
    shape: Callable[[Expression], Shape | None] | None = None,
    leaf: Callable[[Expression], str | None] | None = None,
) -> str:
    """An expression in LaTeX, without dollar signs. ``shape`` and ``leaf`` are those of `to_text`.

    Texts of ``leaf`` are numbers as `format_number` writes them; they are converted.
    """
    return Latex(shape, leaf).write(expression)


def equation_to_latex(equation: Equation, *, shape: Callable[[Expression], Shape | None] | None = None) -> str:
    """An equation in LaTeX: ``h_{t} = \\tanh\\left(a_{t}\\right) \\qquad t = 1, \\ldots, T``."""
    notation = Latex(shape)
    text = f"{notation.reference(Reference(equation.name, equation.indices))} = {notation.write(equation.right)}"
    domain = [notation.range(r) for r in equation.ranges]
    domain += [notation.conditions(equation.conditions)] if equation.conditions else []
    return text + "".join([rf" \qquad {part}" if at == 0 else rf",\ {part}" for at, part in enumerate(domain)])
