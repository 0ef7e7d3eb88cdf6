"""What a text in the equation language is made of: names, numbers, signs - and what must not stand in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from bptt_solver.catalogues import message
from bptt_solver.errors import Excerpt, fail
from bptt_solver.limits import Limits

NAME, OPENED, NUMBER, SYMBOL, POWER, OTHER, END = range(1, 8)  # OPENED: a name that a "(" follows
Token = tuple[int, str, int]  # kind, text, offset in the excerpt

SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_FROM_SUPERSCRIPT = str.maketrans(SUPERSCRIPTS, "0123456789")

# A name: word characters without superscripts and the transpose sign, with primes and combining marks between.
_WORD = r"[^\Wᵀ²³¹⁰⁴-⁹]*+"
_TAIL = rf"{_WORD}(?:['′\u0300-\u036f\u20d0-\u20ff]{_WORD})*+"
_TOKEN = re.compile(
    r"(?:[ \t\r\n]+|\#[^\n]*)*+"
    rf"(?:([^\W\d_ᵀ²³¹⁰⁴-⁹₀-₉]{_TAIL})(?=[ \t\r\n]*(\()?)"
    r"|([0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?)"
    r"|(\*\*|//|[=!<>]=|\.\.\.?|\.T(?![\w'])|∂⁺|[-+*/@^()\[\],=<>·⋅⊙−≤≥≠ᵀ∂.:;%])"
    r"|([⁰¹²³⁴-⁹]+)"
    r"|(.))?",
    re.DOTALL,
)
_MORE = re.compile(_TAIL)
_REFUSED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ue000-\uf8ff"
    "\U000f0000-\U0010ffff]"
)
_INSTEAD = {
    "×": "*",
    "∙": "*",
    "•": "*",
    "÷": "/",
    "–": "-",
    "—": "-",
    "∗": "*",
    "⊤": "ᵀ",
    "’": "'",
    "½": "1/2",
    "√": "sqrt(x)",
    "∑": "sum(x[t] for t in 1..T)",
}


class Malformed(Exception):
    """A name or number that is not one: what is wrong, and a hint. Who knows the place makes it a `ProblemError`."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def check_characters(excerpt: Excerpt) -> None:
    """Refuse control, direction-override and private-use characters anywhere, comments included."""
    found = _REFUSED.search(excerpt.text)
    if found:
        at = found.start()
        raise fail(
            message("token.not_allowed", character=code_point(found[0])),
            excerpt.span(at, at + 1),
            message("token.invisible"),
        )


def scan(text: str, start: int, end: int) -> Iterator[Token]:
    """The tokens of ``text[start:end]``, one at a time, then one of kind ``END``; no white space, no comments."""
    match = _TOKEN.match
    at = start
    plain = text.isascii()
    while True:
        found = match(text, at, end)
        assert found is not None  # every part of the pattern is optional
        kind = found.lastindex
        if kind is None:
            yield END, "", end
            return
        at = found.end()
        word = found[1] if kind == OPENED else found[kind]
        if kind <= OPENED and not plain and at < end and _is_mark(text[at]):
            begin = at - len(word)
            while at < end and _is_mark(text[at]):
                more = _MORE.match(text, at + 1, end)
                at = more.end() if more else at + 1
            word = text[begin:at]
            kind = OPENED if text[at:end].lstrip(" \t\r\n").startswith("(") else NAME
        yield kind, word, at - len(word)


def _is_mark(character: str) -> bool:
    return character > "\x7f" and unicodedata.category(character)[0] == "M"


def normal_name(word: str, limits: Limits) -> str:
    """The name that is meant by a word: NFC, ``′`` as ``'``. Raises `Malformed`, or `ProblemError` for a long one."""
    if not word.isascii():
        word = unicodedata.normalize("NFC", word.replace("′", "'"))
        for character in word:
            if character > "\x7f" and not (unicodedata.category(character)[0] in "LM" or character in "₀₁₂₃₄₅₆₇₈₉"):
                if unicodedata.category(character) == "Nd":
                    raise Malformed(
                        message("token.not_digit", character=code_point(character)), message("token.ascii_digits")
                    )
                raise Malformed(message("token.not_in_name", character=code_point(character)), _instead(character))
    if len(word) > limits.get("name_length"):
        limits.check("name_length", len(word), message("token.name", name=word[:20]))
    return word


def literal(word: str, limits: Limits) -> int | float:
    """The number that ASCII digits spell: int if it is whole, else the nearest float64. Raises `Malformed`."""
    most = limits.get("digits")
    if len(word) > most:  # most are short
        digits = sum(c.isdigit() for c in word.lower().partition("e")[0])
        if digits > most:
            limits.check("digits", digits, message("token.number"))
    if word[0] == "0" and word[1:2].isdigit():
        raise Malformed(
            message("token.leading_zero", word=_short(word)),
            message("token.write", text=_short(word.lstrip("0") or "0")),
        )
    if word.isdigit():
        return int(word)
    exponent = word.lower().partition("e")[2].lstrip("+-")
    if len(exponent) > limits.get("exponent_digits"):
        limits.check("exponent_digits", len(exponent), message("token.number"))
    value = float(word)
    if value - value != 0:
        raise Malformed(message("token.too_large", word=_short(word)))
    if value == 0 and any(c in "123456789" for c in word.lower().partition("e")[0]):
        raise Malformed(message("token.too_small", word=_short(word)), message("token.zero"))
    return value


def superscript(word: str, limits: Limits) -> int:
    """The whole number that superscript digits spell. Raises `Malformed`."""
    value = literal(word.translate(_FROM_SUPERSCRIPT), limits)
    assert isinstance(value, int)
    return value


def complaint(word: str) -> tuple[str, str | None]:
    """What to say about a character that nothing in the language starts with: a message and a hint."""
    character = word[0]
    if character in "\"'`“”‘’":
        return message("token.quotes"), message("token.no_quotes")
    if character.isascii():
        hints = {
            "{": message("token.group"),
            "\\": message("token.latex"),
            "!": message("token.not_equal"),
            "|": message("token.abs"),
        }
        hints |= {
            "_": message("token.letter"),
            "?": message("token.remove"),
            "$": message("token.remove"),
            "&": message("token.and"),
        }
        return message("token.unexpected", character=character), hints.get(character)
    if unicodedata.category(character) == "Nd":
        return message("token.not_digit", character=code_point(character)), message("token.ascii_digits")
    return message("token.unexpected_point", character=code_point(character)), _instead(character)


def _instead(character: str) -> str | None:
    plain = _INSTEAD.get(character) or unicodedata.normalize("NFKC", character)
    if plain.isspace():
        return message("token.space")
    return message("token.write", text=plain) if plain != character and plain.isprintable() else None


def code_point(character: str) -> str:
    """``U+00BD (VULGAR FRACTION ONE HALF)``, with the character itself in front when it can be shown."""
    name = unicodedata.name(character, "")
    code = f"U+{ord(character):04X}" + (f" ({name})" if name else "")
    shown = character.isprintable() and not character.isspace()
    return message("token.character", character=character, code=code) if shown else code


def _short(word: str) -> str:
    return word if len(word) <= 24 else word[:21] + "..."
