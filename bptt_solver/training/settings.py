"""The settings ``update`` and ``clip`` of a document: read, and wrong options told where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from bptt_solver.catalogues import message
from bptt_solver.errors import ProblemError, Span, fail, suggest
from bptt_solver.formulas import RESERVED
from bptt_solver.problem.network import Settings
from bptt_solver.problem.problem import Problem
from bptt_solver.training.clipping import ALL, NORM, PARAMETER, VALUE, Clip
from bptt_solver.training.rules import Rule

MOST_STEPS = 10_000_000
DEFAULT_RULE = "sgd"
_CLIP_OPTIONS = (NORM, VALUE, "per")


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
        raise fail(
            message("training.rule_name"),
            span,
            message("training.for_example", text="update: {rule: sgd, learning_rate: 0.1}"),
        )
    formulas = registry.update_rule(named, span)
    asked = formulas.record.name
    given = [name for name in options if name not in RESERVED]
    meant = [formulas.record.instead[n] for n in given if n in formulas.record.instead]
    if meant and not any(n in formulas.record.options for n in given if n in formulas.record.instead):
        formulas = registry.update_rule(meant[0], span)
    record = formulas.record
    for name in given:
        if name not in record.options:
            hint = suggest(name, [*record.options, *RESERVED]) or message(
                "training.known", names=message.listed([*RESERVED, *record.options], "list.comma")
            )
            raise fail(
                message("training.no_option", rule=record.name, name=name), settings.span_of(name, key=True), hint
            )
    chosen = {name: _option(settings, name, options.get(name, default), record.domain.get(name))
              for name, default in record.options.items()}  # fmt: skip
    steps = options.get("steps", 1)
    if type(steps) is not int or not 1 <= steps <= MOST_STEPS:
        text = message("training.steps", most=f"{MOST_STEPS:,}", found=_shown(steps))
        raise fail(text, settings.span_of("steps"))
    return Plan(Rule(formulas, chosen, problem.operations), asked, steps, read_clip(problem), settings)


def read_clip(problem: Problem) -> Clip | None:
    """The setting ``clip``, of the document or of its ``update``. Raises ProblemError for both, or wrong options."""
    update = problem.document.settings.get("update")
    inner = update.options.get("clip") if update is not None else None
    outer = problem.document.settings.get("clip")
    if inner is not None and update is not None:
        if outer is not None:
            raise fail(message("training.clip_twice"), update.span_of("clip", key=True), message("training.keep_one"))
        return _clip(inner, update, ("clip",))
    return None if outer is None else _clip(outer.options, outer, ())


def _clip_hint() -> str:
    return message("training.for_example_two", one="clip: {norm: 1}", other="clip: {value: 0.5}")


def _clip(options: object, settings: Settings, path: tuple[str, ...]) -> Clip:
    if not isinstance(options, Mapping) or "" in options:
        raise fail(message("training.clip_what"), settings.span_of(*path), _clip_hint())
    for name in options:
        if name not in _CLIP_OPTIONS:
            hint = suggest(str(name), _CLIP_OPTIONS) or message(
                "training.known", names=message.listed(_CLIP_OPTIONS, "list.comma")
            )
            raise fail(message("training.clip_option", name=name), settings.span_of(*path, str(name), key=True), hint)
    kinds = [kind for kind in (NORM, VALUE) if kind in options]
    if len(kinds) != 1:
        text = message("training.clip_both") if kinds else message("training.clip_by")
        raise fail(text, settings.span_of(*path, *kinds[1:], key=True), _clip_hint())
    (kind,) = kinds
    limit = _number(options[kind])
    if limit is None or not limit > 0:
        text = message("training.clip_limit", kind=kind, found=_shown(options[kind]))
        raise fail(text, settings.span_of(*path, kind), _clip_hint())
    per = options.get("per", ALL)
    if per not in (ALL, PARAMETER) or (kind == VALUE and "per" in options):
        text = message("training.per", all=ALL, parameter=PARAMETER, found=_shown(per))
        text = message("training.per_value") if kind == VALUE else text
        raise fail(
            text,
            settings.span_of(*path, "per"),
            message("training.for_example", text="clip: {norm: 1, per: parameter}"),
        )
    return Clip(kind, limit, str(per))


def _option(settings: Settings, name: str, value: object, bounds: tuple[float, float] | None) -> float:
    """The number that an option is, within its bounds."""
    number = _number(value)
    if number is None:
        raise fail(message("training.number", name=name, found=_shown(value)), settings.span_of(name))
    if bounds is not None and not bounds[0] <= number < bounds[1]:
        least, below = (f"{bound:g}" for bound in bounds)
        text = message("training.bounds", name=name, least=least, below=below, found=_shown(value))
        raise fail(text, settings.span_of(name))
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
    return (
        str(value)[:40]
        if isinstance(value, int | float | Fraction)
        else message("training.a_kind", kind=type(value).__name__)
    )


def no_update(problem: Problem, what: str) -> ProblemError:
    """What to say where ``--save`` and the like are asked for, but the document declares no training."""
    hint = message("training.add", text="update: {rule: sgd, learning_rate: 0.1, steps: 100}")
    return fail(message("training.none", what=what), Span(problem.document.source, 0, 1), hint)
