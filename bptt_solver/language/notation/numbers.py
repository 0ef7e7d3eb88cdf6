"""Numbers for people: six significant digits, a true minus sign, exact where they are exact; and texts in ASCII."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from fractions import Fraction
from math import isfinite, isnan

_SUPER = str.maketrans("0123456789-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")
_CHUNK = 4000  # digits; Python refuses to write integers of more than 4300 digits at once
_CLOSE = 14  # digits in which a float must be a short decimal to be written as one
_SMALL, _LARGE = 1e-4, 1e7  # outside of these a power of ten is written


def integer_text(value: int) -> str:
    """The digits of an integer of any size."""
    if value.bit_length() < 13_000:
        return str(value)
    parts: list[str] = []
    rest, step = abs(value), 10**_CHUNK
    while rest:
        rest, low = divmod(rest, step)
        parts.append(f"{low:0{_CHUNK}d}" if rest else str(low))
    return ("-" if value < 0 else "") + "".join(reversed(parts))


def exponent_text(value: int) -> str:
    """An exponent in superscript digits."""
    return str(value).translate(_SUPER)


def format_number(value: object, digits: int = 6, most: int = 12) -> str:
    """A number, vector ``(−0.1, 1.2)`` or matrix ``[0.5 −0.3; 0.8 0.2]`` as text.

    An int or Fraction is exact. A float that needs at most ``digits`` significant digits (up to the rounding errors of
    a few operations) is written with those that it needs (``0.5``, ``136``), any other with exactly ``digits``
    (``−0.241650``). Of an array with more than ``most`` entries along an axis, the first are shown, then ``…`` and the
    shape. Arrays have ``ndim``, ``shape``, ``tolist`` and indexing.
    """
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return integer_text(value).replace("-", "−")
    if isinstance(value, Fraction):
        top = integer_text(value.numerator).replace("-", "−")
        return top if value.denominator == 1 else f"{top}/{integer_text(value.denominator)}"
    if isinstance(value, float):
        return _float_text(float(value), digits)
    if isinstance(value, (list, tuple)):
        return _nested_text(value, _list_shape(value), digits, most)
    ndim = getattr(value, "ndim", None)
    if ndim is None:
        raise TypeError(f"not a number: {type(value).__name__}")
    shape = tuple(value.shape)  # type: ignore[attr-defined]
    for axis in range(ndim):  # cut before the entries become Python objects
        value = value[(slice(None),) * axis + (slice(0, most),)]  # type: ignore[index]
    return _nested_text(value.tolist(), shape, digits, most)  # type: ignore[attr-defined]


def _float_text(value: float, digits: int) -> str:
    if not isfinite(value):
        if isnan(value):
            return "nan"
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    sign = "−" if value < 0 else ""
    size = abs(value)
    mantissa, power = _scientific(size, digits)
    if size < _SMALL or size >= _LARGE or power >= 7:
        return f"{sign}{mantissa}·10{exponent_text(power)}"
    if size == int(size):
        return f"{sign}{int(size)}"
    figures = mantissa.replace(".", "")
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{figures}"
    if len(figures) <= power + 1:
        return f"{sign}{size:.0f}"
    return f"{sign}{figures[: power + 1]}.{figures[power + 1 :]}"


def _scientific(size: float, digits: int) -> tuple[str, int]:
    """Mantissa and exponent: shortest if that needs at most ``digits``, or if only zeros follow within `_CLOSE` digits
    (0.1 + 0.2 is 0.3); else with all ``digits``."""
    figures = repr(size).partition("e")[0].replace(".", "").strip("0")
    if len(figures) <= digits:
        mantissa, _, exponent = f"{size:.{max(len(figures), 1) - 1}e}".partition("e")
        return mantissa, int(exponent)
    if digits < _CLOSE - 3 and len(figures) > _CLOSE:
        mantissa, _, exponent = f"{size:.{_CLOSE - 1}e}".partition("e")
        short = mantissa.rstrip("0").rstrip(".")
        if len(short) <= digits + 1:
            return short, int(exponent)
    mantissa, _, exponent = f"{size:.{digits - 1}e}".partition("e")
    return mantissa, int(exponent)


def _list_shape(value: Sequence[object]) -> tuple[int, ...]:
    shape: list[int] = []
    item: object = value
    while isinstance(item, (list, tuple)):
        shape.append(len(item))
        item = item[0] if item else None
    return tuple(shape)


def _nested_text(value: object, shape: tuple[int, ...], digits: int, most: int) -> str:
    """Entries that are lists already, perhaps cut; ``shape`` is the whole one."""
    if not shape:
        return format_number(value, digits)
    cut = any(size > most for size in shape)
    note = f" {'×'.join(map(str, shape if len(shape) > 1 else (shape[0], 1)))}" if cut else ""
    assert isinstance(value, (list, tuple))
    if len(shape) == 1:
        return f"({_entries(value, shape[0], digits, most, ', ')}){note}"
    rows = [
        _entries(row, shape[1], digits, most, " ") if len(shape) == 2 else _nested_text(row, shape[1:], digits, most)
        for row in value[:most]
        if isinstance(row, (list, tuple))
    ]
    if shape[0] > most:
        rows.append("…")
    return f"[{'; '.join(rows)}]{note}"


def _entries(values: Sequence[object], size: int, digits: int, most: int, gap: str) -> str:
    texts = [format_number(v, digits) for v in values[:most]]
    return gap.join([*texts, "…"] if size > most else texts)


_FROM = "∂Σ·⋅⊙−–—ᵀ½∞…×≤≥≠→←∈≈±“”‘’′√∏│─├└┌┐┘┼┬┴┤•✓✗\u00a0\u2009"
_TO = (
    "d sum * * * - - - ^T 1/2* inf ... x <= >= != -> <- in ~ +- \" \" ' ' ' sqrt prod | - | ` , , ' + + + | * ok x _ _"
)
_ASCII = {
    character: " " if spelling == "_" else spelling for character, spelling in zip(_FROM, _TO.split(" "), strict=True)
}


def ascii_text(text: str, encoding: str = "") -> str:
    """A spelling of a text for terminals that know only ASCII: ``∂⁺E/∂h_{t−1}²`` becomes ``d+E/dh_{t-1}^2``.

    What has no spelling (Chinese prose) is written as ``U+6743`` in angle brackets, unless it belongs to an
    ``encoding`` (GBK, Big5) and fills two columns.
    """
    if text.isascii():
        return text
    out: list[str] = []
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        if character.isascii():
            out.append(character)
            continue
        if text[at - 1 : at + 1] == "∂⁺":
            at += 1
            out.append("d+")
        elif unicodedata.decomposition(character).startswith("<super>") and character not in _ASCII:
            end = at
            while (
                end < len(text)
                and unicodedata.decomposition(text[end]).startswith("<super>")
                and text[end] not in _ASCII
            ):
                end += 1
            raised = unicodedata.normalize("NFKC", text[at - 1 : end]).replace("−", "-")
            out.append("^" + "".join([c if c.isascii() else _spelling(c) for c in raised]))
            at = end
        elif encoding and _is_kept(character, encoding):
            out.append(character)
        else:
            out.append(_spelling(character))
    return "".join(out)


def _is_kept(character: str, encoding: str) -> bool:
    """Whether a wide character need not be spelled."""
    if unicodedata.east_asian_width(character) not in "WF":
        return False
    try:
        return bool(character.encode(encoding))
    except UnicodeEncodeError:
        return False


def _spelling(character: str) -> str:
    known = _ASCII.get(character)
    if known is not None:
        return known
    plain = unicodedata.normalize("NFKD", character)
    plain = "".join(c for c in plain if not unicodedata.combining(c)).replace("−", "-")
    if plain.isascii():
        return plain
    words = unicodedata.name(character, "").split()
    if words[:1] == ["GREEK"] and "LETTER" in words:
        name = words[words.index("LETTER") + 1]
        return name.capitalize() if "CAPITAL" in words else name.lower()
    return f"<U+{ord(character):04X}>"
