"""The settings ``update`` and ``clip`` of a document: read, and wrong options told where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from bptt_solver.errors import ProblemError, Span, fail, suggest
from bptt_solver.formulas import RESERVED
from bptt_solver.problem.network import Settings
from bptt_solver.problem.problem import Problem
from bptt_solver.training.clipping import ALL, NORM, PARAMETER, VALUE, Clip
from bptt_solver.training.rules import Rule

MOST_STEPS = 10_000_000
DEFAULT_RULE = "sgd"
_CLIP_OPTIONS = (NORM, VALUE, "per")
_CLIP_HINT = "for example clip: {norm: 1} or clip: {value: 0.5}"


class Plan:
    """How a document wants to be trained. ``asked`` is the rule that it names, where an option means another one."""

    __slots__ = ("asked", "clip", "rule", "settings", "steps")

    def __init__(self, rule: Rule, asked: str, steps: int, clip: Clip | None, settings: Settings) -> None:
        self.rule = rule
        self.asked = asked
        self.steps = steps
        self.clip = clip
        self.settings = settings


def read_plan(problem: Problem) -> Plan | None:
    """The setting ``update``, or None if there is none. Raises ProblemError for options that cannot be used."""
    settings = problem.document.settings.get("update")
    if settings is None:
        return None
    options = {"rule": settings.options[""]} if set(settings.options) == {""} else settings.options
    named = options.get("rule", DEFAULT_RULE)
    span = settings.span_of("rule")
    registry = problem.registry.registry
    if not isinstance(named, str):
        raise fail("expected the name of an update rule", span, "for example update: {rule: sgd, learning_rate: 0.1}")
    formulas = registry.update_rule(named, span)
    asked = formulas.record.name
    given = [name for name in options if name not in RESERVED]
    meant = [formulas.record.instead[n] for n in given if n in formulas.record.instead]
    if meant and not any(n in formulas.record.options for n in given if n in formulas.record.instead):
        formulas = registry.update_rule(meant[0], span)
    record = formulas.record
    for name in given:
        if name not in record.options:
            hint = suggest(name, [*record.options, *RESERVED]) or f"known: {', '.join([*RESERVED, *record.options])}"
            raise fail(f"the update rule {record.name} has no option '{name}'", settings.span_of(name, key=True), hint)
    chosen = {name: _option(settings, name, options.get(name, default), record.domain.get(name))
              for name, default in record.options.items()}  # fmt: skip
    steps = options.get("steps", 1)
    if type(steps) is not int or not 1 <= steps <= MOST_STEPS:
        message = f"steps must be a whole number from 1 to {MOST_STEPS:,}, not {_shown(steps)}"
        raise fail(message, settings.span_of("steps"))
    return Plan(Rule(formulas, chosen, problem.operations), asked, steps, read_clip(problem), settings)


def read_clip(problem: Problem) -> Clip | None:
    """The setting ``clip``, of the document or of its ``update``. Raises ProblemError for both, or wrong options."""
    update = problem.document.settings.get("update")
    inner = update.options.get("clip") if update is not None else None
    outer = problem.document.settings.get("clip")
    if inner is not None and update is not None:
        if outer is not None:
            raise fail("clipping is declared twice", update.span_of("clip", key=True), "keep one of the two")
        return _clip(inner, update, ("clip",))
    return None if outer is None else _clip(outer.options, outer, ())


def _clip(options: object, settings: Settings, path: tuple[str, ...]) -> Clip:
    if not isinstance(options, Mapping) or "" in options:
        raise fail("clip says what to limit, and to what", settings.span_of(*path), _CLIP_HINT)
    for name in options:
        if name not in _CLIP_OPTIONS:
            hint = suggest(str(name), _CLIP_OPTIONS) or f"known: {', '.join(_CLIP_OPTIONS)}"
            raise fail(f"clip has no option '{name}'", settings.span_of(*path, str(name), key=True), hint)
    kinds = [kind for kind in (NORM, VALUE) if kind in options]
    if len(kinds) != 1:
        message = "clip by norm or by value, not both" if kinds else "clip by what?"
        raise fail(message, settings.span_of(*path, *kinds[1:], key=True), _CLIP_HINT)
    (kind,) = kinds
    limit = _number(options[kind])
    if limit is None or not limit > 0:
        message = f"the {kind} must be limited by a number above 0, not {_shown(options[kind])}"
        raise fail(message, settings.span_of(*path, kind), _CLIP_HINT)
    per = options.get("per", ALL)
    if per not in (ALL, PARAMETER) or (kind == VALUE and "per" in options):
        message = f"per must be {ALL} or {PARAMETER}, not {_shown(per)}"
        message = "clipping by value looks at every entry for itself" if kind == VALUE else message
        raise fail(message, settings.span_of(*path, "per"), "for example clip: {norm: 1, per: parameter}")
    return Clip(kind, limit, str(per))


def _option(settings: Settings, name: str, value: object, bounds: tuple[float, float] | None) -> float:
    """The number that an option is, within its bounds."""
    number = _number(value)
    if number is None:
        raise fail(f"{name} must be a number, not {_shown(value)}", settings.span_of(name))
    if bounds is not None and not bounds[0] <= number < bounds[1]:
        span = f"at least {bounds[0]:g} and less than {bounds[1]:g}"
        raise fail(f"{name} must be {span}, not {_shown(value)}", settings.span_of(name))
    return number


def _number(value: object) -> float | None:
    if isinstance(value, int | float | Fraction) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return None
    return None


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f"'{value[:40]}'"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:40] if isinstance(value, int | float | Fraction) else f"a {type(value).__name__}"


def no_update(problem: Problem, what: str) -> ProblemError:
    """What to say where ``--save`` and the like are asked for, but the document declares no training."""
    hint = "add for example update: {rule: sgd, learning_rate: 0.1, steps: 100}"
    return fail(f"{what}: this document declares no training", Span(problem.document.source, 0, 1), hint)
