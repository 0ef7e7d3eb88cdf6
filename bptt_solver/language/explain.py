"""What to say when a line is not in the language: each function gets the parser where it stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError, fail
from bptt_solver.language.expressions import ORDERED
from bptt_solver.language.tokens import NAME, NUMBER, OPENED, OTHER, complaint

if TYPE_CHECKING:
    from bptt_solver.language.machine import Builder, Frame

_RANGE = "syntax.range_example"  # the key of a hint
_OPENER = {"call": "(", "(": "(", "index": "[", "guard": "["}


def _error(machine: Builder, told: str, start: int, end: int, hint: str | None = None) -> ProblemError:
    return fail(told, machine.span(start, end), hint)


def _last(machine: Builder) -> tuple[int, int]:
    """Where the text ended, for errors that are noticed at its end."""
    return max(machine.end - 1, 0), machine.end


def _quoted(word: str) -> str:
    return message("syntax.word", word=word if len(word) <= 24 else word[:21] + "...")


def no_operand(machine: Builder, kind: int, word: str, at: int) -> ProblemError:
    """A sign or the end stands where a name, a number or a parenthesis is expected."""
    top, end = machine.stack[-1], machine.after
    if kind == OTHER:
        told, hint = complaint(word)
        return _error(machine, told, at, end, hint)
    if not word:
        return _no_operand_at_end(machine, top)
    before = machine.excerpt.text[max(machine.end - 1, 0) : machine.end]
    if word in (")", "]", ",") and top.rank == 0 and before == _OPENER.get(top.kind):
        empty = {
            "call": message("syntax.needs_argument", name=_quoted(top.name)),
            "(": message("syntax.empty_parentheses"),
        }
        hint = message("syntax.condition_example") if top.kind == "guard" else message("syntax.write_between")
        return _error(machine, empty.get(top.kind, message("syntax.empty_brackets")), top.start, end, hint)
    known: dict[str, tuple[str, str | None]] = {
        "+": (message("syntax.plus_left"), message("syntax.remove_plus")),
        "*": (message("syntax.before_star"), message("syntax.power") if before == "*" else None),
        "//": (message("syntax.not_floor"), message("syntax.division")),
        "=": (message("syntax.before_equals"), message("syntax.one_equals") if before == "=" else None),
        "[": (message("syntax.bracket_start"), message("syntax.index_example")),
        "∂": (message("syntax.partial_alone"), message("syntax.ordered_example")),
        ORDERED: (message("syntax.ordered_index"), None),
        ":": (message("syntax.no_colon"), message("syntax.no_slices")),
        "%": (message("syntax.not_modulo"), None),
        ";": (message("syntax.no_semicolon"), message("syntax.one_line")),
        ".": (message("syntax.no_point"), message("syntax.range_transpose")),
    }
    usual = message(_RANGE) if top.kind == "range" else None
    told, hint = known.get(word, (message("syntax.before", word=_quoted(word)), usual))
    return _error(machine, told, at, end, hint)


def _no_operand_at_end(machine: Builder, top: Frame) -> ProblemError:
    start, end = _last(machine)
    if machine.end == machine.begin:
        return _error(
            machine, message("syntax.nothing"), machine.begin, machine.begin + 1, message("syntax.write_something")
        )
    before = machine.excerpt.text[max(machine.end - 2, 0) : machine.end]
    sign = before if before in ("**", "..", "==", "!=", "<=", ">=") else before[-1:]
    if top.kind == "top" and sign == "=":
        return _error(machine, message("syntax.no_right"), start, end, message("syntax.write_right"))
    if top.rank == 0 and top.kind in _OPENER and sign == _OPENER[top.kind]:
        return _error(machine, message("syntax.never_closed", sign=sign), start, end)
    hint = message("syntax.indent")
    return _error(machine, message("syntax.after", sign=sign), end - len(sign), end, hint)


def no_operator(machine: Builder, kind: int, word: str, at: int) -> ProblemError:
    """Something follows a complete operand and is no operator."""
    top, end = next(f for f in reversed(machine.stack) if f.rank == 0), machine.after
    previous = _previous(machine)
    if kind == OTHER:
        if word == "_" and previous[:1].isdigit():
            return _error(machine, message("syntax.underscore"), at, end, message("syntax.no_underscore"))
        told, hint = complaint(word)
        return _error(machine, told, at, end, hint)
    if previous in ("for", "where") and kind in (NAME, OPENED):
        start = machine.places[-1][0]
        return _error(machine, message("syntax.before_word", word=previous), start, machine.end)
    if kind in (NAME, OPENED, NUMBER) or word in ("(", ORDERED):
        return _no_sign(machine, kind, word, at, previous)
    known: dict[str, tuple[str, str | None]] = {
        "//": (message("syntax.not_floor"), message("syntax.division")),
        "%": (message("syntax.not_modulo"), None),
        ":": (message("syntax.no_colon"), message("syntax.no_slices") if top.kind == "index" else None),
        ";": (message("syntax.no_semicolon"), message("syntax.one_line")),
        ".": (message("syntax.point_operator"), message("syntax.transpose")),
        "...": (message("syntax.two_dots"), message("syntax.write_range")),
        "∂": (message("syntax.no_partial"), message("syntax.ordered_example")),
    }
    if word == ":" and top.kind == "range":
        known[":"] = (message("syntax.range_dots"), message("syntax.write_range"))
    if word == "." and previous[-1:].isdigit():
        known["."] = (message("syntax.digit_after_point"), message("syntax.write_decimal", number=previous))
    told, hint = known.get(word, (message("syntax.unexpected", word=_quoted(word)), None))
    return _error(machine, told, at, end, hint)


def _previous(machine: Builder) -> str:
    """The leaf that was just read, if it is the operand; else nothing."""
    if machine.value < 0 and ~machine.value == len(machine.words) - 1 and machine.places[-1][1] == machine.end:
        return machine.words[-1]
    return ""


def _no_sign(machine: Builder, kind: int, word: str, at: int, previous: str) -> ProblemError:
    words = {
        "or": message("syntax.only_and"),
        "not": message("syntax.not_equal"),
        "if": message("syntax.case"),
        "else": message("syntax.cases"),
    }
    if kind == NAME and word in words:
        return _error(machine, message("syntax.not_word", word=word), at, machine.after, words[word])
    if previous == "0" and at == machine.end and word[:1] in "xXbBoO":
        return _error(machine, message("syntax.decimal"), machine.places[-1][0], machine.after)
    then = "(...)" if word == "(" or kind == OPENED else ""
    then = (word if kind in (NAME, OPENED, NUMBER) else "") + then
    hint = (
        message("syntax.perhaps_product", left=previous, right=then)
        if previous and len(previous + then) <= 40 and then
        else message("syntax.product")
    )
    return _error(machine, message("syntax.operator_before", word=_quoted(word)), at, machine.after, hint)


def not_affine(machine: Builder, what: str, at: int) -> ProblemError:
    """An index that is not a sum of whole multiples of index variables."""
    return _error(machine, message("syntax.in_index", what=what), at, machine.after, message("syntax.affine"))


def no_index(machine: Builder, at: int) -> ProblemError:
    """A ``[`` after something that has no indices."""
    if machine.excerpt.text[machine.end - 1 : machine.end] == "]":
        return _error(machine, message("syntax.index_twice"), at, at + 1, message("syntax.several_indices"))
    if machine.value < 0 and _previous(machine)[:1].isdigit():
        return _error(machine, message("syntax.number_index"), at, at + 1, message("syntax.number_case"))
    return _error(machine, message("syntax.name_index"), at, at + 1, message("syntax.family_index"))


def no_condition(machine: Builder, top: Frame, word: str, at: int) -> ProblemError:
    """A condition that compares nothing, or goes on in a way that it cannot."""
    end = machine.after
    if word == "=":
        return _error(machine, message("syntax.compare_equals"), at, end, message("syntax.write_condition"))
    if word == "where" and top.kind == "where":
        return _error(machine, message("syntax.second_where"), at, end, message("syntax.comma_conditions"))
    if word == "for":
        return _error(machine, message("syntax.ranges_first"), at, end, message("syntax.for_where"))
    if word == "..":
        return _error(machine, message("syntax.range_condition"), at, end, message("syntax.write_between_ends"))
    if not word:
        at, end = _last(machine)
    return _error(machine, message("syntax.condition_two"), at, end, message("syntax.condition_examples"))


def no_range(machine: Builder, top: Frame, word: str, at: int) -> ProblemError:
    """A range that is not ``low..high``, or goes on in a way that it cannot."""
    end = machine.after
    if word == "for":
        return _error(machine, message("syntax.second_for"), at, end, message("syntax.two_ranges"))
    if word == "..":
        return _error(machine, message("syntax.two_ends"), at, end, message("syntax.no_step"))
    if word in ("]", "=") or (len(top.items) > 1 and word):
        hint = message("syntax.where_conditions") if word not in ("]", "=", "in", "and") else None
        return _error(machine, message("syntax.after_range", word=_quoted(word)), at, end, hint)
    if not word:
        at, end = _last(machine)
    return _error(machine, message("syntax.range_ends"), at, end, message(_RANGE))


def stray(machine: Builder, top: Frame, word: str, at: int) -> ProblemError:
    """Something closes or separates what is not open here."""
    end = machine.after
    opener = _OPENER.get(top.kind)
    if not word or (word == "=" and opener):
        if opener:
            start = top.start if top.kind in ("(", "guard") else machine.excerpt.text.index(opener, top.start)
            return _error(
                machine, message("syntax.never_closed", sign=opener), start, start + 1, message("syntax.closer_missing")
            )
        return _error(machine, message("syntax.no_equals"), machine.begin, machine.end, message("syntax.equation_form"))
    if word in (")", "]"):
        if opener:
            return _error(
                machine, message("syntax.not_closing", word=word, opener=opener), at, end, message("syntax.match")
            )
        return _error(machine, message("syntax.closes_nothing", word=word), at, end, message("syntax.remove_or_open"))
    if word == "==" and top.kind == "top" and machine.left is None:
        return _error(machine, message("syntax.double_equals"), at, end, message("syntax.write_one_equals"))
    if word in ("<", "<=", ">", ">=", "==", "!=", "≤", "≥", "≠"):
        return _error(machine, message("syntax.comparison_place"), at, end, message("syntax.write_case"))
    if word == "=":
        if machine.left == ():
            return _error(machine, message("syntax.expression_equals"), at, end)
        return _error(machine, message("syntax.second_equals"), at, end, message("syntax.one_line"))
    return _stray_word(machine, top, word, at, end)


def _stray_word(machine: Builder, top: Frame, word: str, at: int, end: int) -> ProblemError:
    if word == "..":
        return _error(machine, message("syntax.range_after_for"), at, end, message(_RANGE))
    if word == ",":
        hint = message("syntax.decimal_point") if machine.excerpt.text[at - 1 : at].isdigit() else None
        return _error(machine, message("syntax.comma"), at, end, hint)
    if word == "for":
        if top.kind == "call":
            return _error(
                machine, message("syntax.for_in", name=_quoted(top.name)), at, end, message("syntax.only_sum")
            )
        if machine.left == () and top.kind == "top":
            return _error(machine, message("syntax.no_ranges"), at, end, message("syntax.write_sum"))
        if machine.left is None:
            return _error(machine, message("syntax.equals_before_for"), at, end, message("syntax.equation_form"))
        return _error(machine, message("syntax.for_here"), at, end, message("syntax.close_before"))
    if word == "where":
        return _error(machine, message("syntax.where_range"), at, end, message("syntax.where_example"))
    if top.kind == "top" and machine.left == ():
        return _error(machine, message("syntax.not_here", word=word), at, end)
    return _error(machine, message("syntax.operator_before_word", word=word), at, end)
