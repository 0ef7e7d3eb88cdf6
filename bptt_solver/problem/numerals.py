"""Numbers of a document, read by our own rules: ``3``, ``-0.5``, ``.5``, ``1e-3`` and ``2/3``; nothing is guessed.

Whole numbers and fractions stay exact. YAML's own ideas (octal ``010``, base-60 ``1:30``, ``yes``, dates, ``.nan``) are
errors that say what to write instead.
"""

from __future__ import annotations

import re
from fractions import Fraction

from bptt_solver.catalogues import message
from bptt_solver.language.expressions import Numeral
from bptt_solver.language.tokens import Malformed, literal
from bptt_solver.limits import Limits

_USUAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*+)(\.[0-9]*+)?+(?:([eE])[-+]?[0-9]{1,4}+)?+")
_DECIMAL = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*+)\.?[0-9]*+|\.[0-9]++)(?:[eE][-+]?[0-9]++)?")
_FRACTION = re.compile(r"([-+]?(?:0|[1-9][0-9]*+))/([0-9]++)")
_SHORT = 26  # characters; longer ones have their digits counted

_HINTS: tuple[tuple[str, str], ...] = (
    (r"[-+]?0[0-9]+(\.[0-9]*)?([eE].*)?", "number.zero"),
    (r"[-+]?[0-9]+(_[0-9]+)+(\.[0-9_]*)?", "number.plain"),
    (r"[-+]?0[xX][0-9a-fA-F]{1,12}", "number.based"),
    (r"[-+]?0[oO][0-7]{1,12}|[-+]?0[bB][01]{1,40}", "number.based"),
    (r"[-+]?[0-9]+(:[0-9]+)+(\.[0-9]*)?", "number.times"),
    (r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*", "number.dates"),
    (r"(?i)[-+]?\.?(inf|infinity|nan)", "number.finite"),
    (r"(?i)y|yes|on|true", "number.one"),
    (r"(?i)n|no|off|false", "number.nought"),
    (r"(?i)null|~", "number.leave"),
    (r"[-+]?[0-9]+,[0-9]+", "number.point"),
    (r"[-+]?[0-9]{1,3}( [0-9]{3})+", "number.joined"),
    (r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?( +[-+]?[0-9.]+([eE][-+]?[0-9]+)?)+", "number.list"),
    (r"[-+]?[0-9.]+ */ *[-+]?[0-9.]+", "number.fraction"),
    (r"[-+]?[0-9.]+%", "number.percent"),
    (r"[-+]?[0-9.]+[eEdD]", "number.exponent"),
    (r"[-+]?[0-9.]+[dD][-+]?[0-9]+", "number.e"),
    (r"[\u2212\u2013\u2014].*", "number.minus"),
)


def read_number(text: str, limits: Limits) -> Numeral:
    """The number that a text is: int, Fraction or float. Raises `Malformed`, or `ProblemError` for too many digits."""
    usual = _USUAL.fullmatch(text) if len(text) <= _SHORT <= limits.get("digits") else None
    if usual:
        if usual.lastindex is None:
            return int(text)
        value = float(text)
        if value and value - value == 0:
            return value
    return _read_any(text, limits)


def _read_any(text: str, limits: Limits) -> Numeral:
    if _DECIMAL.fullmatch(text):
        mantissa, e, exponent = text.lstrip("+-").lower().partition("e")
        value = literal(mantissa.removesuffix(".") + e + exponent, limits)
        if mantissa.endswith("."):
            value = float(value)
        return -value if text[0] == "-" else value
    fraction = _FRACTION.fullmatch(text)
    if fraction:
        above, below = fraction.groups()
        limits.check("digits", max(len(above.lstrip("+-")), len(below)), lambda: message("token.number"))
        if not below.strip("0"):
            raise Malformed(message("number.by_zero", text=shortened(text)))
        exact = Fraction(int(above), int(below))
        return exact.numerator if exact.denominator == 1 else exact
    raise Malformed(message("number.no_number", text=shortened(text)), hint_for(text))


def hint_for(text: str) -> str | None:
    """What to write instead of something that looks like a number to other programs or people."""
    for pattern, key in _HINTS:
        if len(text) <= 40 and re.fullmatch(pattern, text):
            point, joined = text.replace(",", "."), text.replace(" ", "")
            return message(key, plain=_plain(text), based=_based(text), point=point, joined=joined)
    if any(c.isdecimal() and not c.isascii() for c in text):
        return message("number.digits")
    if re.match(r"\s*[-+(]*[\w.]+\s*[-+*/^(]", text):
        return message("number.formula")
    return None


def _plain(text: str) -> str:
    sign = text[0] if text[0] == "-" else ""
    word = text.lstrip("+-").replace("_", "").lstrip("0")
    return sign + (word if word[:1].isdigit() else "0" + word)


def _based(text: str) -> str:
    try:
        return str(int(text, 0))
    except ValueError:
        return "0"


def shortened(text: str, most: int = 40) -> str:
    """A text for a message: one line, not too long."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else line[: most - 1] + "…"
