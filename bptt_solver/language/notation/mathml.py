"""Formulas in MathML Core, as browsers lay it out: `<mfrac>`, `<msub>`, no entities, no stretchy accents."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

from bptt_solver.language.equations import Equation
from bptt_solver.language.expressions import (
    Call,
    Conditions,
    Expression,
    Index,
    IndexValue,
    Iverson,
    Number,
    Range,
    Reference,
    Sum,
)
from bptt_solver.language.notation.latex import _GREEK, _LETTERS
from bptt_solver.language.notation.typeset import Typeset
from bptt_solver.language.notation.writer import (
    ATOM,
    NEGATIVE,
    POWER,
    PRODUCT,
    IndexStyle,
    Notation,
    Piece,
    Shape,
    parts_of_derivative,
)

SIGN = '<mo form="prefix">−</mo>'
THIN = '<mspace width=".17em"></mspace>'
APPLY = "<mo>\u2061</mo>"
DERIVATIVE = "<mfrac><mrow><msup><mi>∂</mi><mo>+</mo></msup>"
NABLA = "<msub><mo>∇</mo>"
ROUND, SQUARE = ('<mo stretchy="false">(</mo>', '<mo stretchy="false">)</mo>'), ("<mo>[</mo>", "<mo>]</mo>")
HALF = "<mfrac><mn>1</mn><mn>2</mn></mfrac>"
_OPEN, _CLOSE = "\2", "\3"  # parentheses whose height is not known yet
_TALL = ("<mfrac", "<mtable", "<munder", "<msqrt")
_LETTER = (
    {name: letter for letter, name in _LETTERS.items()}
    | {
        name: unicodedata.lookup(f"GREEK {'CAPITAL' if name[0].isupper() else 'SMALL'} LETTER {spelled.upper()}")
        for name in _GREEK
        if not name.startswith("var")
        for spelled in ("lamda" if name.lower() == "lambda" else name,)
    }
    | {"phi": "ϕ", "epsilon": "ϵ"}
)  # as in LaTeX
_ACCENTS = {"\u0302": "ˆ", "\u0303": "˜", "\u0304": "¯", "\u0305": "¯", "\u0307": "˙", "\u0308": "¨"}
_ACCENTS |= {"\u20d7": "→", "\u030c": "ˇ", "\u0306": "˘", "\u0301": "´", "\u0300": "`"}
_SUPERSCRIPTS = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_SIGNS = {"==": "=", "!=": "≠", "<=": "≤", ">=": "≥", "<": "&lt;", ">": "&gt;"}


def escaped(text: str) -> str:
    """Text between tags or in a quoted attribute."""
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("'", "&#39;")
    )


def row(text: str) -> str:
    """One child out of perhaps many."""
    return f"<mrow>{text}</mrow>"


def mathml_name(name: str) -> str:
    """A name as one element: ``W_h`` and ``z1`` with subscripts, ``net`` upright, ``eta`` as η, ``ŷ`` with a hat, a
    word of another script as text."""
    body = name.rstrip("'")
    primes = len(name) - len(body)
    body, *rest = [part for part in body.split("_") if part] or [""]
    stem = body.rstrip("0123456789₀₁₂₃₄₅₆₇₈₉")
    if stem and len(stem) < len(body):
        rest.insert(0, unicodedata.normalize("NFKC", body[len(stem) :]))
        body = stem
    return _primed(_word(body), _one([_word(part) for part in rest]) if rest else "", primes)


def _primed(shown: str, below: str, primes: int) -> str:
    """A letter with what stands below it and primes above that."""
    if not primes:
        return f"<msub>{shown}{below}</msub>" if below else shown
    above = f"<mo>{'′' * primes}</mo>"
    return f"<msubsup>{shown}{below}{above}</msubsup>" if below else f"<msup>{shown}{above}</msup>"


def _raised_name(name: str) -> str:
    """A name that a style gives; those may have a superscript, ``δ^h``."""
    below, _, above = name.partition("^")
    return f"<msup>{mathml_name(below)}{mathml_name(above)}</msup>" if above else mathml_name(name)


def _one(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else row('<mo rspace=".1em">,</mo>'.join(parts))


def _word(word: str) -> str:
    """One part of a name."""
    if word.isdigit() and word.isascii():
        return f"<mn>{word}</mn>"
    word = _LETTER.get(word, word)
    if len(word) == 1 and unicodedata.name(word, "").startswith("GREEK CAPITAL"):
        return f'<mi mathvariant="normal">{word}</mi>'
    letter, *marks = list(unicodedata.normalize("NFD", word) or " ")
    if marks and all(mark in _ACCENTS for mark in marks):
        shown = f"<mi>{escaped(letter)}</mi>"
        for mark in marks:
            shown = f'<mover accent="true">{shown}<mo stretchy="false">{_ACCENTS[mark]}</mo></mover>'
        return shown
    kind = "mtext" if any(unicodedata.east_asian_width(c) in "WF" for c in word) else "mi"
    return f"<{kind}>{''.join([_visible(c) for c in word])}</{kind}>"


def _visible(character: str) -> str:
    return escaped(character) if unicodedata.category(character)[0] in "LMNSP" else "\ufffd"


def mathml_number(text: str) -> str:
    """A number's text as `format_number` gives it: ``−3·10⁻⁷``, ``1/2``, ``∞``."""
    sign = SIGN if text.startswith("−") else ""
    text = text.removeprefix("−")
    mantissa, times, power = text.partition("·10")
    if times:
        exponent = "".join(["-0123456789"[_SUPERSCRIPTS.index(c)] for c in power])
        above = f"<mn>{exponent.removeprefix('-')}</mn>"
        above = row(f'<mo form="prefix">−</mo>{above}') if exponent.startswith("-") else above
        return f"{sign}<mn>{mantissa}</mn><mo>·</mo><msup><mn>10</mn>{above}</msup>"
    top, slash, bottom = text.partition("/")
    if slash:
        return f"{sign}<mfrac><mn>{top}</mn><mn>{bottom}</mn></mfrac>"
    return f"{sign}<mi>{text}</mi>" if text == "∞" else f"{sign}<mn>{escaped(text)}</mn>"


class _Indices(IndexStyle):
    """Indices as elements; signs without space, as they stand in subscripts."""

    def pieces(self, index: Index) -> list[str | Index]:
        return [self._element(p) if isinstance(p, str) else p for p in super().pieces(index)]

    def _element(self, text: str) -> str:
        if text.isdigit():
            return f"<mn>{text}</mn>"
        if text in (",", "]"):
            return f'<mo stretchy="false">{text}</mo>'
        return text[:-1] + '<mo stretchy="false">[</mo>' if text.endswith("[") else text


_TIGHT = '<mo lspace="0" rspace="0">{}</mo>'
_STYLE = _Indices(
    plus=_TIGHT.replace("{}", "+"), minus=_TIGHT.replace("{}", "−"), times="", name=mathml_name, sign=SIGN
)
_FULL = _Indices(plus="<mo>+</mo>", minus="<mo>−</mo>", times="", name=mathml_name, sign=SIGN)


class MathML(Typeset):
    """The same decisions as in `Text`, with elements for marks."""

    PLUS = "<mo>+</mo>"
    MINUS = "<mo>−</mo>"
    SIGN = SIGN
    OPEN = _OPEN
    CLOSE = _CLOSE
    SUBSCRIPT = _STYLE

    def write(self, expression: Expression) -> str:
        return fenced(super().write(expression))

    def printed(self, text: str) -> str:
        return mathml_number(text)

    def fraction(self, top: str, bottom: str) -> str:
        return f"<mfrac><mn>{top}</mn><mn>{bottom}</mn></mfrac>"

    def in_round(self, text: str) -> str:
        return ROUND[0] + text + ROUND[1]

    def in_square(self, indices: Sequence[str]) -> str:
        return '<mo stretchy="false">[</mo>' + "<mo>,</mo>".join(indices) + '<mo stretchy="false">]</mo>'

    def derivative(self, above: str, below: str) -> str:
        if self.style.nabla:
            return f"{NABLA}{row(below)}</msub>{row(above)}"
        return f"{DERIVATIVE}{above}</mrow><mrow><mi>∂</mi>{below}</mrow></mfrac>"

    # --- names

    def member(self, name: str, indices: Sequence[str]) -> str:
        shown = _raised_name(name)
        if not indices:
            return shown
        joined = row("<mo>,</mo>".join(indices)) if len(indices) > 1 else _single(indices[0])
        if self.style.indices == "parentheses":
            return row(shown + ROUND[0] + joined + ROUND[1])
        if self.style.indices == "superscripts":
            return f"<msup>{shown}{row(ROUND[0] + joined + ROUND[1])}</msup>"
        if "<msub" in shown or self.style.indices == "brackets":
            return row(shown + self.in_square(indices))
        stem = name if "^" in name else name.rstrip("'")
        return _primed(mathml_name(stem) if stem != name else shown, joined, len(name) - len(stem))

    def members(self, text: str) -> str:
        """The name of a derivative or of its target, on one line."""
        signs = {"∂⁺": "<msup><mi>∂</mi><mo>+</mo></msup>", "∂": "<mi>∂</mi>"}
        signs |= {sign: f'<mo stretchy="false" lspace="0" rspace="0">{sign}</mo>' for sign in "()/"}
        return "".join(
            signs[part] if numbers is None else self.member(part, [mathml_number(i.replace("-", "−")) for i in numbers])
            for part, numbers in parts_of_derivative(text)
        )

    # --- indices

    def index(self, index: Index) -> str:
        return self.index_text(index, _FULL)

    def conditions(self, conditions: Conditions) -> str:
        return "<mo>,</mo>".join([self._comparison(c, _FULL) for c in conditions])

    def _comparison(self, item: object, style: IndexStyle, tight: bool = False) -> str:
        left, right = self.index_text(item.left, style), self.index_text(item.right, style)  # type: ignore[attr-defined]
        sign = _SIGNS[item.operator]  # type: ignore[attr-defined]
        return f"{left}{_TIGHT.replace('{}', sign) if tight else f'<mo>{sign}</mo>'}{right}"

    def iverson(self, node: Iverson) -> str:
        return row(f"{SQUARE[0]}{self.conditions(node.conditions)}{SQUARE[1]}")

    def range(self, item: Range) -> str:
        """``t = 1, …, T``."""
        low, high = self.index_text(item.low, _FULL), self.index_text(item.high, _FULL)
        return f"{mathml_name(item.variable)}<mo>=</mo>{low}<mo>,</mo><mi>…</mi><mo>,</mo>{high}"

    # --- ranks and signs

    def rank(self, node: Expression, text: str | None) -> int:
        if text is None:
            return PRODUCT if isinstance(node, Sum) else self.RANKS.get(self.operator(node), ATOM)
        if isinstance(node, IndexValue):
            return Notation.rank(self, node, text)
        if text.startswith(SIGN):
            return NEGATIVE
        if text.startswith("0/") or (isinstance(node, Number) and "·" in text):
            return PRODUCT
        return POWER if text.startswith(("<mfrac", NABLA)) else ATOM

    def starts_with_minus(self, node: Expression, text: str | None) -> bool:
        return self.operator(node) == "neg" if text is None else text.startswith(SIGN)

    # --- operations

    def add(self, terms: Sequence[Expression], leading: bool) -> Sequence[Piece]:
        pieces: list[Piece] = [(terms[0], PRODUCT, leading)]
        for term in terms[1:]:
            if self.operator(term) == "neg" and isinstance(term, Call):
                pieces += (self.MINUS, (term.arguments[0], PRODUCT, False))
                continue
            text = self.own_text(term)
            if text is not None and text.startswith(SIGN) and not isinstance(term, IndexValue):
                pieces += (self.MINUS, text.removeprefix(SIGN))
            else:
                pieces += (self.PLUS, (term, PRODUCT, False))
        return pieces

    def mul(self, factors: Sequence[Expression], leading: bool) -> Sequence[Piece]:
        signs = {"½": HALF, "·": "<mo>·</mo>", " ⊙ ": "<mo>⊙</mo>"}
        return [signs.get(p, p) if isinstance(p, str) else p for p in super().mul(factors, leading)]

    def div(self, top: Expression, bottom: Expression, leading: bool) -> Sequence[Piece]:
        return ("<mfrac><mrow>", (top, 0, True), "</mrow><mrow>", (bottom, 0, True), "</mrow></mfrac>")

    def matmul(self, left: Expression, right: Expression, leading: bool) -> Sequence[Piece]:
        first, _, second = super().matmul(left, right, leading)
        return (first, THIN, second)

    def power(self, base: Expression, exponent: Expression) -> Sequence[Piece]:
        return ("<msup><mrow>", (base, ATOM, False), "</mrow><mrow>", (exponent, 0, True), "</mrow></msup>")

    def transpose(self, base: Expression) -> Sequence[Piece]:
        least = ATOM + 1 if self.operator(base) == "transpose" else ATOM
        return ("<msup><mrow>", (base, least, False), "</mrow><mo>⊤</mo></msup>")

    def total(self, node: Sum) -> Sequence[Piece]:
        signs: list[Piece] = []
        for at, item in enumerate(node.ranges):
            low, high = self.index_text(item.low, _STYLE), self.index_text(item.high, _STYLE)
            under = mathml_name(item.variable) + _TIGHT.replace("{}", "=") + low
            if node.conditions and at == len(node.ranges) - 1:
                conditions = [self._comparison(c, _STYLE, True) for c in node.conditions]
                under += "<mo>,</mo>" + "<mo>,</mo>".join(conditions)
            signs.append(f"<munderover><mo>∑</mo>{row(under)}{row(high)}</munderover>")
        return (*signs, (node.body, PRODUCT, False))

    def call(self, name: str, arguments: Sequence[Expression]) -> Sequence[Piece]:
        if name == "outer" and len(arguments) == 2:
            return (self.first("outer", arguments[0], True), THIN, *self.transpose(arguments[1]))
        if len(arguments) == 1 and name == "sqrt":
            return ("<msqrt>", (arguments[0], 0, True), "</msqrt>")
        if len(arguments) == 1 and name == "abs":
            return ('<mrow><mo form="prefix">|</mo>', (arguments[0], 0, True), '<mo form="postfix">|</mo></mrow>')
        pieces: list[Piece] = [_function(name), APPLY, _OPEN]
        for at, argument in enumerate(arguments):
            pieces += ("<mo>,</mo>", (argument, 0, True)) if at else ((argument, 0, True),)
        return [*pieces, _CLOSE]


def _single(text: str) -> str:
    """An index as one child."""
    return text if text.count("<m") == 1 else row(text)


def _function(name: str) -> str:
    if name.replace("_", "").isascii() and name.replace("_", "").isalnum():
        return f"<mi>{name.replace('_', '-')}</mi>" if len(name) > 1 else f'<mi mathvariant="normal">{name}</mi>'
    return mathml_name(name)


def fenced(text: str) -> str:
    """The text with its parentheses: they grow only around what is tall."""
    if _OPEN not in text:
        return text
    parts: list[list[str]] = [[]]
    start = 0
    for at, character in enumerate(text):
        if character not in "\2\3":
            continue
        parts[-1].append(text[start:at])
        start = at + 1
        if character == _OPEN:
            parts.append([])
            continue
        inside = "".join(parts.pop())
        kind = "" if any(tall in inside for tall in _TALL) else ' stretchy="false"'
        parts[-1].append(f"<mrow><mo{kind}>(</mo>{inside}<mo{kind}>)</mo></mrow>")
    parts[-1].append(text[start:])
    return "".join(parts[-1])


def to_mathml(
    expression: Expression,
    *,
    shape: Callable[[Expression], Shape | None] | None = None,
    leaf: Callable[[Expression], str | None] | None = None,
) -> str:
    """An expression as the children of a ``<math>``. ``shape`` and ``leaf`` are those of `to_text`; texts of ``leaf``
    are numbers as `format_number` writes them."""
    return MathML(shape, leaf).write(expression)


def equation_to_mathml(equation: Equation, *, shape: Callable[[Expression], Shape | None] | None = None) -> str:
    """An equation with its domain as the children of a ``<math>``."""
    notation = MathML(shape)
    text = f"{notation.reference(Reference(equation.name, equation.indices))}<mo>=</mo>{notation.write(equation.right)}"
    domain = [notation.range(r) for r in equation.ranges]
    domain += [notation.conditions(equation.conditions)] if equation.conditions else []
    return text + "".join(
        [f'<mspace width="{"2em" if at == 0 else ".5em"}"></mspace>{d}' for at, d in enumerate(domain)]
    )
