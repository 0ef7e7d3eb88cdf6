"""Names and numbers in pictures: runs of text on the line, below and above it, and how wide they are drawn."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bptt_solver.language.notation.writer import Style

GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "omicron", "pi", "rho", "", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
)  # fmt: skip
_LETTERS = {name: chr(0x3B1 + at) for at, name in enumerate(GREEK) if name}
_LETTERS |= {name.capitalize(): letter.upper() for name, letter in _LETTERS.items()}
SMALLER = 0.72  # of what stands below or above the line
_NARROW, _WIDE = "iljtfr.,;:'|()[]{}!′ ", "mwMWΣ∂@"


class Run(NamedTuple):
    """A piece of a label: its text, whether it stands below (-1) or above (1) the line, and whether it slants."""

    text: str
    shift: int = 0
    slanted: bool = False


Label = tuple[Run, ...]


def name_label(name: str, indices: Sequence[str], style: Style) -> Label:
    """A name with its indices as the style writes them: ``h`` with t below it, ``h(t)``, ``h_fw[t]``."""
    body, _, above = name.partition("^")
    base, below = _split(body)
    joined = ",".join(indices)
    runs = [Run(base, 0, _slants(base))]
    if not joined:
        return (*runs, *_scripts(below, above))
    if style.indices == "parentheses":
        return (*runs, *_scripts(below, above), Run(f"({joined})"))
    if style.indices == "superscripts":
        return (*runs, *_scripts(below, f"{above}({joined})"))
    if style.indices == "brackets" or below or base.endswith("′"):
        return (*runs, *_scripts(below, above), Run(f"[{joined}]"))
    return (*runs, *_scripts(joined, above))


def formula_label(text: str) -> Label:
    """A formula as the notation `text` writes it: what stands behind ``_`` goes below the line."""
    return tuple(_runs(text))


def plain(label: Label) -> str:
    """A label as one line of text."""
    return "".join(f"_{{{r.text}}}" if r.shift < 0 else f"^{{{r.text}}}" if r.shift > 0 else r.text for r in label)


def width(label: Label, size: float) -> float:
    """How wide a label is drawn, rather too much than too little."""
    total = 0.0
    for run in label:
        total += sum(map(_advance, run.text)) * size * (SMALLER if run.shift else 1)
    return total


def _advance(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if unicodedata.combining(character):
        return 0.0
    if character in _NARROW:
        return 0.38
    if character in _WIDE:
        return 0.92
    return 0.72 if character.isupper() else 0.58


def _split(body: str) -> tuple[str, str]:
    """A name without what stands below it: ``W_h`` is W and h, ``z1`` is z and 1."""
    stem = body.rstrip("'′")
    primes = "′" * (len(body) - len(stem))
    first, *rest = [part for part in stem.split("_") if part] or [stem]
    letters = first.rstrip("0123456789₀₁₂₃₄₅₆₇₈₉")
    if letters and len(letters) < len(first):
        rest.insert(0, unicodedata.normalize("NFKC", first[len(letters) :]))
        first = letters
    return _LETTERS.get(first, first) + primes, ",".join(_LETTERS.get(part, part) for part in rest)


def _is_raised(character: str) -> bool:
    return unicodedata.decomposition(character).startswith("<super>")


def _slants(base: str) -> bool:
    return len(base.rstrip("′")) == 1


def _scripts(below: str, above: str) -> Iterator[Run]:
    if below:
        yield Run(below, -1)
    if above:
        yield Run(above, 1)


def _runs(text: str) -> Iterator[Run]:
    at = start = 0
    while at < len(text):
        if text[at] != "_" or at == start:
            at += 1
            continue
        if text[at + 1 : at + 2] == "{":
            end = text.find("}", at)
            inner, following = text[at + 2 : end], end + 1
        else:
            following = at + 1
            while following < len(text) and text[following].isalnum() and not _is_raised(text[following]):
                following += 1
            inner = text[at + 1 : following]
        if inner:
            yield Run(text[start:at])
            yield Run(inner, -1)
            at = start = following
        else:
            at += 1
    if start < len(text):
        yield Run(text[start:])
