"""Formulas as the equations of word processors (Office Math): made from our own MathML, element by element, so that
what is decided there is decided once.

The elements are those that `bptt_solver.language.notation.mathml` writes and no others: an unknown one is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bptt_solver.language.notation.mathml import escaped

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

APPLY = "\u2061"
_ENDS = frozenset("+−=,;")  # what the sign of a sum does not reach over
_UPRIGHT = '<m:rPr><m:sty m:val="p"/></m:rPr>'
_ACCENTS = {"ˆ": "\u0302", "˜": "\u0303", "¯": "\u0305", "˙": "\u0307", "¨": "\u0308", "→": "\u20d7", "ˇ": "\u030c"}
_ACCENTS |= {"˘": "\u0306", "´": "\u0301", "`": "\u0300"}
_CLOSING = {"(": ")", "[": "]"}


class Piece:
    """What an element has become: its text, roughly how many characters wide it is, and the element itself."""

    __slots__ = ("element", "text", "width")

    def __init__(self, element: Element, text: str, width: float) -> None:
        self.element = element
        self.text = text
        self.width = width


def omml(mathml: str) -> str:
    """The children of a ``<math>`` as the children of an ``<m:oMath>``. Raises ValueError for an element or an
    attribute's use that our MathML does not have."""
    return measured(mathml)[0]


def measured(mathml: str) -> tuple[str, float]:
    """The same, and roughly how many characters wide it is in print."""
    from xml.etree.ElementTree import fromstring

    root = fromstring(f"<mrow>{mathml}</mrow>")
    made: dict[Element, Piece] = {}
    stack: list[tuple[Element, bool]] = [(root, False)]
    while stack:  # formulas may be deep
        element, ready = stack.pop()
        if not ready and len(element):
            stack.append((element, True))
            stack.extend((child, False) for child in element)
        else:
            made[element] = _piece(element, [made.pop(child) for child in element])
    return made[root].text, made[root].width


def _piece(element: Element, parts: list[Piece]) -> Piece:
    kind = element.tag
    if kind in _LEAVES:
        return Piece(element, *_leaf(element))
    if kind in ("mrow", "math", "mtd"):
        text, width = _row(parts)
        return Piece(element, text, width)
    widths = [p.width for p in parts]
    texts = [p.text for p in parts]
    if kind == "mfrac":
        return Piece(element, f"<m:f>{_in('num', texts[0])}{_in('den', texts[1])}</m:f>", max(widths))
    if kind in _SCRIPTS:
        outer, *names = _SCRIPTS[kind]
        base = parts[0]
        if kind == "msup" and parts[1].element.text == "+":
            texts[1] = word("+")  # LibreOffice would look for what is added
        if kind == "msup" and (inner := _subscripted(base)) is not None:
            text = inner.removesuffix("</m:sSub>") + _in("sup", texts[1])
            return Piece(element, f"<m:sSubSup>{text.removeprefix('<m:sSub>')}</m:sSubSup>", sum(widths) * 0.85)
        inside = "".join([_in(name, text) for name, text in zip(names, texts, strict=True)])
        return Piece(element, f"<m:{outer}>{inside}</m:{outer}>", widths[0] + 0.7 * max(widths[1:]))
    if kind == "msqrt":
        text, width = _row(parts)
        hidden = '<m:radPr><m:degHide m:val="1"/></m:radPr><m:deg/>'
        return Piece(element, f"<m:rad>{hidden}{_in('e', text)}</m:rad>", width + 1)
    if kind == "mover":
        mark = _ACCENTS[parts[1].element.text or ""]
        return Piece(
            element, f'<m:acc><m:accPr><m:chr m:val="{mark}"/></m:accPr>{_in("e", texts[0])}</m:acc>', widths[0]
        )
    if kind == "munderover":
        if parts[0].element.text != "∑":
            raise ValueError("limits belong to a sum")
        sign = '<m:naryPr><m:chr m:val="∑"/><m:limLoc m:val="undOvr"/></m:naryPr>'
        return Piece(element, f"<m:nary>{sign}{_in('sub', texts[1])}{_in('sup', texts[2])}", max(*widths, 2))
    if kind == "mtr":
        return Piece(
            element, f"<m:mr>{''.join([_in('e', text) for text in texts])}</m:mr>", sum(widths) + 1.5 * len(parts)
        )
    if kind == "mtable":
        columns = max(len(p.element) for p in parts)
        count = f'<m:mcs><m:mc><m:mcPr><m:count m:val="{columns}"/><m:mcJc m:val="right"/></m:mcPr></m:mc></m:mcs>'
        rows = "".join(texts)
        return Piece(element, f"<m:m><m:mPr>{count}</m:mPr>{rows}</m:m>", max(widths, default=0.0))
    raise ValueError(f"no equation for the element {kind}")


_LEAVES = ("mi", "mn", "mo", "mtext", "mspace")
_SCRIPTS = {"msub": ("sSub", "e", "sub"), "msup": ("sSup", "e", "sup"), "msubsup": ("sSubSup", "e", "sub", "sup")}


def _in(name: str, text: str) -> str:
    return f"<m:{name}>{text}</m:{name}>"


def _subscripted(base: Piece) -> str | None:
    """The text of a base that is a name with an index, alone: its superscript stands above the index."""
    element = base.element
    while element.tag == "mrow" and len(element) == 1:
        element = element[0]
    return base.text if element.tag == "msub" else None


def _leaf(element: Element) -> tuple[str, float]:
    kind, text = element.tag, element.text or ""
    if kind == "mspace":
        far = element.get("width") == "2em"
        return word("\u2003" if far else "\u2009"), 2.0 if far else 0.3
    if not text or text == APPLY:
        return "", 0.0
    if kind == "mtext":
        return word(text), 2.0 * len(text)
    if kind == "mi" and len(text) > 1:
        return word(text), float(len(text))
    if kind == "mi" and len(text) == 1 and element.get("mathvariant") is None and text != "∂":
        return f"<m:r><m:t>{escaped(text)}</m:t></m:r>", 1.0
    wide = 1.0 if kind == "mo" and element.get("lspace") != "0" and text in "+−=·⊙≤≥≠<>" else 0.0
    return run(text), len(text) + wide


def run(text: str) -> str:
    """Upright signs in an equation."""
    return f'<m:r>{_UPRIGHT}<m:t xml:space="preserve">{escaped(text)}</m:t></m:r>'


def word(text: str, properties: str = "") -> str:
    """Words in an equation, as in a sentence; ``properties`` are those of a run of text."""
    return f'<m:r><m:rPr><m:nor/></m:rPr>{properties}<m:t xml:space="preserve">{escaped(text)}</m:t></m:r>'


def _row(parts: Sequence[Piece]) -> tuple[str, float]:
    """Parts side by side; parentheses take in what stands between them, the sign of a sum what it adds up."""
    open_: list[tuple[str, list[str]]] = [("", [])]  # what is to be closed, and what is inside
    for part in parts:
        sign = (part.element.text or "") if part.element.tag == "mo" else ""
        grows = sign and part.element.get("stretchy") is None
        form = part.element.get("form")
        while open_[-1][0] == "sum" and sign in _ENDS and sign and form != "prefix":
            _close_sum(open_)
        if grows and (sign in _CLOSING or (sign == "|" and form == "prefix")):
            open_.append((_CLOSING.get(sign, "|"), []))
            continue
        if grows and sign in ")]|":
            while open_[-1][0] == "sum":
                _close_sum(open_)
            if open_[-1][0] == sign:
                _, inside = open_.pop()
                open_[-1][1].append(_fenced(sign, "".join(inside)))
                continue
        open_[-1][1].append(part.text)
        if part.element.tag == "munderover":
            open_.append(("sum", []))
    while len(open_) > 1:
        if open_[-1][0] == "sum":
            _close_sum(open_)
        else:
            closing, inside = open_.pop()
            begin = "|" if closing == "|" else next(k for k, v in _CLOSING.items() if v == closing)
            open_[-1][1].append(run(begin) + "".join(inside))
    return "".join(open_[0][1]), sum(p.width for p in parts)


def _close_sum(open_: list[tuple[str, list[str]]]) -> None:
    _, inside = open_.pop()
    open_[-1][1].append(f"{_in('e', ''.join(inside))}</m:nary>")


def _fenced(closing: str, inside: str) -> str:
    begin = "|" if closing == "|" else next(k for k, v in _CLOSING.items() if v == closing)
    return f'<m:d><m:dPr><m:begChr m:val="{begin}"/><m:endChr m:val="{closing}"/></m:dPr>{_in("e", inside)}</m:d>'


__all__ = ["measured", "omml", "run", "word"]
