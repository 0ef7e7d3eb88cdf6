"""What to say when a line is not in the language: each function gets the parser where it stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bptt_solver.errors import ProblemError, fail
from bptt_solver.language.expressions import ORDERED
from bptt_solver.language.tokens import NAME, NUMBER, OPENED, OTHER, complaint

if TYPE_CHECKING:
    from bptt_solver.language.machine import Builder, Frame

_RANGE = "write for example: for t in 1..T"
_OPENER = {"call": "(", "(": "(", "index": "[", "guard": "["}


def _error(machine: Builder, message: str, start: int, end: int, hint: str | None = None) -> ProblemError:
    return fail(message, machine.span(start, end), hint)


def _last(machine: Builder) -> tuple[int, int]:
    """Where the text ended, for errors that are noticed at its end."""
    return max(machine.end - 1, 0), machine.end


def _quoted(word: str) -> str:
    return f"'{word if len(word) <= 24 else word[:21] + '...'}'"


def no_operand(machine: Builder, kind: int, word: str, at: int) -> ProblemError:
    """A sign or the end stands where a name, a number or a parenthesis is expected."""
    top, end = machine.stack[-1], machine.after
    if kind == OTHER:
        message, hint = complaint(word)
        return _error(machine, message, at, end, hint)
    if not word:
        return _no_operand_at_end(machine, top)
    before = machine.excerpt.text[max(machine.end - 1, 0) : machine.end]
    if word in (")", "]", ",") and top.rank == 0 and before == _OPENER.get(top.kind):
        empty = {"call": f"{_quoted(top.name)} needs an argument", "(": "the parentheses are empty"}
        hint = "a condition is written [t == T]" if top.kind == "guard" else "write something between them"
        return _error(machine, empty.get(top.kind, "the brackets are empty"), top.start, end, hint)
    known: dict[str, tuple[str, str | None]] = {
        "+": ("a plus sign needs a left operand", "remove the '+'"),
        "*": ("an operand is missing before '*'", "a power is written ** or ^" if before == "*" else None),
        "//": ("'//' is not an operator", "division is written /"),
        "=": ("an operand is missing before '='", "only one '=' in an equation" if before == "=" else None),
        "[": ("a bracket cannot start here", "an index is written as in h[t-1] or left[i]"),
        "∂": ("∂ alone is not a value", "an ordered derivative is written ∂⁺E/∂h[t]"),
        ORDERED: ("an ordered derivative cannot stand in an index", None),
        ":": ("':' has no meaning here", "brackets are indices, never slices"),
        "%": ("'%' is not an operator", None),
        ";": ("';' has no meaning here", "write one equation on a line"),
        ".": ("'.' has no meaning here", "a range is written 1..T, the transpose .T"),
    }
    usual = _RANGE if top.kind == "range" else None
    message, hint = known.get(word, (f"an operand is missing before {_quoted(word)}", usual))
    return _error(machine, message, at, end, hint)


def _no_operand_at_end(machine: Builder, top: Frame) -> ProblemError:
    start, end = _last(machine)
    if machine.end == machine.begin:
        return _error(
            machine, "there is nothing to read", machine.begin, machine.begin + 1, "write something like 2*z1"
        )
    before = machine.excerpt.text[max(machine.end - 2, 0) : machine.end]
    sign = before if before in ("**", "..", "==", "!=", "<=", ">=") else before[-1:]
    if top.kind == "top" and sign == "=":
        return _error(machine, "the right side is missing", start, end, "write an expression after '='")
    if top.rank == 0 and top.kind in _OPENER and sign == _OPENER[top.kind]:
        return _error(machine, f"'{sign}' is never closed", start, end)
    hint = "to go on in the next line, indent that line"
    return _error(machine, f"an operand is missing after '{sign}'", end - len(sign), end, hint)


def no_operator(machine: Builder, kind: int, word: str, at: int) -> ProblemError:
    """Something follows a complete operand and is no operator."""
    top, end = next(f for f in reversed(machine.stack) if f.rank == 0), machine.after
    previous = _previous(machine)
    if kind == OTHER:
        if word == "_" and previous[:1].isdigit():
            return _error(machine, "'_' cannot stand in a number", at, end, "write the digits without '_'")
        message, hint = complaint(word)
        return _error(machine, message, at, end, hint)
    if previous in ("for", "where") and kind in (NAME, OPENED):
        start = machine.places[-1][0]
        return _error(machine, f"an operand is missing before '{previous}'", start, machine.end)
    if kind in (NAME, OPENED, NUMBER) or word in ("(", ORDERED):
        return _no_sign(machine, kind, word, at, previous)
    known: dict[str, tuple[str, str | None]] = {
        "//": ("'//' is not an operator", "division is written /"),
        "%": ("'%' is not an operator", None),
        ":": ("':' has no meaning here", "brackets are indices, never slices" if top.kind == "index" else None),
        ";": ("';' has no meaning here", "write one equation on a line"),
        ".": ("'.' is not an operator", "the transpose is written .T"),
        "...": ("a range has two dots", "write 1..T"),
        "∂": ("'∂' has no meaning here", "an ordered derivative is written ∂⁺E/∂h[t]"),
    }
    if word == ":" and top.kind == "range":
        known[":"] = ("a range is written with two dots", "write 1..T")
    if word == "." and previous[-1:].isdigit():
        known["."] = ("a number needs a digit after its point", f"write {previous}.0")
    message, hint = known.get(word, (f"unexpected {_quoted(word)}", None))
    return _error(machine, message, at, end, hint)


def _previous(machine: Builder) -> str:
    """The leaf that was just read, if it is the operand; else nothing."""
    if machine.value < 0 and ~machine.value == len(machine.words) - 1 and machine.places[-1][1] == machine.end:
        return machine.words[-1]
    return ""


def _no_sign(machine: Builder, kind: int, word: str, at: int, previous: str) -> ProblemError:
    words = {
        "or": "conditions are only joined by 'and'",
        "not": "write != for 'not equal'",
        "if": "a case is written [t == T] * value",
        "else": "cases are added: [t == T]*a + [t < T]*b",
    }
    if kind == NAME and word in words:
        return _error(machine, f"'{word}' is not a word of the language here", at, machine.after, words[word])
    if previous == "0" and at == machine.end and word[:1] in "xXbBoO":
        return _error(machine, "only decimal numbers can be read", machine.places[-1][0], machine.after)
    then = "(...)" if word == "(" or kind == OPENED else ""
    then = (word if kind in (NAME, OPENED, NUMBER) else "") + then
    hint = (
        f"did you mean {previous}*{then}?"
        if previous and len(previous + then) <= 40 and then
        else "a product is written a*b"
    )
    return _error(machine, f"an operator is missing before {_quoted(word)}", at, machine.after, hint)


def not_affine(machine: Builder, what: str, at: int) -> ProblemError:
    """An index that is not a sum of whole multiples of index variables."""
    return _error(machine, f"{what} cannot stand in an index", at, machine.after, "an index is affine, such as 2*t-1")


def no_index(machine: Builder, at: int) -> ProblemError:
    """A ``[`` after something that has no indices."""
    if machine.excerpt.text[machine.end - 1 : machine.end] == "]":
        return _error(machine, "an index follows an index", at, at + 1, "several indices are written h[k,t]")
    if machine.value < 0 and _previous(machine)[:1].isdigit():
        return _error(machine, "a number has no index", at, at + 1, "for a case write 2*[t == T]")
    return _error(machine, "only a name has indices", at, at + 1, "brackets are indices of a family, not elements")


def no_condition(machine: Builder, top: Frame, word: str, at: int) -> ProblemError:
    """A condition that compares nothing, or goes on in a way that it cannot."""
    end = machine.after
    if word == "=":
        return _error(machine, "a condition compares with '=='", at, end, "write [t == T]")
    if word == "where" and top.kind == "where":
        return _error(machine, "there is a second 'where'", at, end, "separate conditions with a comma")
    if word == "for":
        return _error(machine, "ranges come before the conditions", at, end, "write: for ... where ...")
    if word == "..":
        return _error(machine, "a range cannot stand in a condition", at, end, "write 1 <= t <= T")
    if not word:
        at, end = _last(machine)
    return _error(machine, "a condition compares two indices", at, end, "write for example t == T or 1 <= t")


def no_range(machine: Builder, top: Frame, word: str, at: int) -> ProblemError:
    """A range that is not ``low..high``, or goes on in a way that it cannot."""
    end = machine.after
    if word == "for":
        return _error(machine, "there is a second 'for'", at, end, "write: for t in 1..T, k in 1..K")
    if word == "..":
        return _error(machine, "a range has two ends", at, end, "write 1..T; a step is not possible")
    if word in ("]", "=") or (len(top.items) > 1 and word):
        hint = "conditions follow 'where'" if word not in ("]", "=", "in", "and") else None
        return _error(machine, f"unexpected {_quoted(word)} after a range", at, end, hint)
    if not word:
        at, end = _last(machine)
    return _error(machine, "a range needs two ends", at, end, _RANGE)


def stray(machine: Builder, top: Frame, word: str, at: int) -> ProblemError:
    """Something closes or separates what is not open here."""
    end = machine.after
    opener = _OPENER.get(top.kind)
    if not word or (word == "=" and opener):
        if opener:
            start = top.start if top.kind in ("(", "guard") else machine.excerpt.text.index(opener, top.start)
            return _error(machine, f"'{opener}' is never closed", start, start + 1, "a ')' or ']' is missing")
        return _error(
            machine, "there is no '='", machine.begin, machine.end, "an equation is written name = expression"
        )
    if word in (")", "]"):
        if opener:
            return _error(machine, f"'{word}' does not close '{opener}'", at, end, "brackets must match")
        return _error(machine, f"'{word}' closes nothing", at, end, "remove it, or open it before")
    if word == "==" and top.kind == "top" and machine.left is None:
        return _error(machine, "'==' compares; it does not define", at, end, "write one '='")
    if word in ("<", "<=", ">", ">=", "==", "!=", "≤", "≥", "≠"):
        return _error(
            machine, "a comparison stands only in brackets or after 'where'", at, end, "write [t == T] * value"
        )
    if word == "=":
        if machine.left == ():
            return _error(machine, "an expression has no '='", at, end)
        return _error(machine, "there is a second '='", at, end, "write one equation on a line")
    return _stray_word(machine, top, word, at, end)


def _stray_word(machine: Builder, top: Frame, word: str, at: int, end: int) -> ProblemError:
    if word == "..":
        return _error(machine, "a range stands only after 'for'", at, end, _RANGE)
    if word == ",":
        hint = "a decimal point is '.'" if machine.excerpt.text[at - 1 : at].isdigit() else None
        return _error(machine, "a comma stands only between arguments, indices or ranges", at, end, hint)
    if word == "for":
        if top.kind == "call":
            return _error(
                machine, f"'for' cannot stand in {_quoted(top.name)}", at, end, "only sum(a for t in 1..T) has ranges"
            )
        if machine.left == () and top.kind == "top":
            return _error(machine, "an expression has no ranges", at, end, "write sum(a for t in 1..T)")
        if machine.left is None:
            return _error(machine, "there is no '=' before 'for'", at, end, "an equation is written name = expression")
        return _error(machine, "'for' cannot stand here", at, end, "close the bracket before it")
    if word == "where":
        return _error(machine, "'where' needs a range before it", at, end, "write: for t in 1..T where t != 2")
    if top.kind == "top" and machine.left == ():
        return _error(machine, f"'{word}' cannot stand here", at, end)
    return _error(machine, f"an operator is missing before '{word}'", at, end)
