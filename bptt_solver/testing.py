"""Checks for plugin authors: is each rule the derivative of its own value?

    from bptt_solver.testing import check_function

    def test_squash():
        check_function(squash)

A rule is compared with its value by three routes that share nothing with it: SymPy's ``diff``, the complex step and
central differences; and the formulas must stay finite at ±1000. What is wrong raises AssertionError, which names the
record, the argument, the point and both numbers. `check_topology` builds a topology's networks and
solves them, `check_update_rule` takes steps with an update rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bptt_solver.arithmetic import Arithmetic, ComplexArithmetic, Value
from bptt_solver.formulas import RESULT, Formulas
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Reference, preorder
from bptt_solver.language.operations import Operations
from bptt_solver.language.templates import slot
from bptt_solver.records import Function, Loss, Topology, UpdateRule
from bptt_solver.registry import Registry
from bptt_solver.topology_checks import check_topology
from bptt_solver.training.checks import check_update_rule

Point = Mapping[str, Any]  # per argument a float, or an array; per parameter a float

EXTREMES = (-1000.0, -800.0, 800.0, 1000.0)
POINTS = 9
AWAY = 0.01  # a kink's formula must be so far from 0 for the slopes to be compared there
STEP = 1e-40  # of the complex step: no error of truncation, none of cancellation
_IRRATIONAL = (0.6180339887498949, 0.7548776662466927, 0.5698402909980532, 0.8191725133961645, 0.4142135623730951)
_ONLY_VECTORS = frozenset({"softmax", "log_softmax", "concat", "entry", "part", "outer", "transpose", "matmul"})
WIDTH = 1e-5  # of the central differences
_ROUNDED = 8 * float(np.finfo(float).eps)  # how far a value may be off, relative to its size
_TOLERANCES = {"complex step": 1e-9, "central differences": 1e-5, "SymPy's diff": 1e-9}
ROUTES = tuple(_TOLERANCES)


class _Rule:
    """A function's formulas, ready to be evaluated at points."""

    def __init__(self, record: Function, registry: Registry) -> None:
        try:
            self.formulas = Formulas(record)
        except ValueError as error:
            raise AssertionError(f"{record.name!r}: {error}") from None
        self.record = record
        self.registry = registry
        self.names = (*record.arguments, *record.parameters)
        others = [f for f in registry.functions if f.name != record.name]
        self.operations = Operations(lambda: iter([record, *others]))
        for _, name, _ in self.formulas.calls():
            assert self.operations.find(name) is not None, f"{record.name}: unknown function '{name}'"
        self._compiled: dict[tuple[Expression, bool], Callable[[Sequence[Value]], Value]] = {}

    def vectors_only(self) -> bool:
        """Whether the formulas have no meaning for scalars."""
        waiting, seen = [self.formulas.value], set[str]()
        while waiting:
            for node in preorder(waiting.pop()):
                if isinstance(node, Call) and node.operation not in seen:
                    seen.add(node.operation)
                    operation = self.operations.find(node.operation)
                    waiting += [v for v in [operation.value() if operation else None] if v is not None]
        return bool(seen & _ONLY_VECTORS)

    def at(self, formula: Expression, point: Point, perturbed: bool = False) -> Value:
        """The value of a formula; ``perturbed`` points are complex. Overflow and the like raise ArithmeticError."""
        key = formula, perturbed
        if key not in self._compiled:
            slots: dict[Expression, Expression] = {Reference(n): slot(i) for i, n in enumerate((*self.names, RESULT))}
            arithmetic = (ComplexArithmetic if perturbed else Arithmetic)(self.operations)
            self._compiled[key] = arithmetic.compile(build.replace(formula, slots))
        known = {**self.record.parameters, **point}
        with np.errstate(all="raise", under="ignore"):
            result = self._compiled[key]([known.get(n, 0.0) for n in (*self.names, RESULT)])
        if not np.all(np.isfinite(np.asarray(result, dtype=complex))):
            raise ArithmeticError("not finite")
        return result

    def value(self, point: Point) -> Value:
        """The function's value."""
        return self.at(self.formulas.value, point)

    def derivative(self, name: str, point: Point) -> Value:
        """What the rule says; 0 for an argument that it leaves out."""
        formula = self.formulas.derivatives.get(name)
        return 0.0 if formula is None else self.at(formula, {**point, RESULT: self.value(point)})

    def fail(self, name: str, message: str) -> AssertionError:
        """The complaint about the derivative with respect to one argument."""
        text = self.record.derivatives.get(name, "0 (left out)")
        return AssertionError(f"{self.record.name}: derivative with respect to {name}, '{text}': {message}")


def check_function(record: Function, registry: Registry | None = None, routes: Sequence[str] = ROUTES) -> None:
    """Check a function, activation or loss: its formulas, each derivative by three routes, kinks, large arguments,
    matched pairs.

    ``registry`` is where the functions are looked up that its formulas call (default: all installed plugins);
    ``routes`` are those that are gone. Raises AssertionError.
    """
    rule = _Rule(record, registry if registry is not None else Registry.load())
    for size in _sizes(rule):
        points = list(_points(rule, size))
        if len(points) < 3:
            raise AssertionError(f"{record.name}: fewer than 3 points of its domain are away from kinks")
        for point in points:
            _check_slopes(rule, point, routes)
        for point in points[:2] if "SymPy's diff" in routes else ():
            _check_sympy(rule, point)
    _check_kinks(rule)
    _check_extremes(rule)
    if isinstance(record, Loss):
        for output in record.matched:
            _check_matched(rule, record, output)


# ----------------------------------------------------------------------------- points


def _sizes(rule: _Rule) -> tuple[int | None, ...]:
    """None is a scalar."""
    return (2, 3) if rule.vectors_only() else (None, 3)


def _points(rule: _Rule, size: int | None, record: Function | None = None) -> Iterator[Point]:
    """Points of the domain in general position and away from kinks, always the same ones."""
    record = record or rule.record
    for k in range(2 * POINTS):
        point: dict[str, Any] = {}
        for j, name in enumerate(record.arguments):
            entries = [_between(record.domain.get(name, (-3.0, 3.0)), k * 5 + i, j) for i in range(size or 1)]
            point[name] = np.array(entries) if size else entries[0]
        for j, (name, default) in enumerate(record.parameters.items()):
            low_high = record.domain.get(name, (0.5 * default, 1.5 * default) if default else (-1.0, 1.0))
            point[name] = float(default) if k % 2 else _between(low_high, k, j + len(record.arguments))
        if all(np.all(np.abs(rule.at(kink, point)) > AWAY) for kink in rule.formulas.kinks):
            yield point


def _between(bounds: tuple[float, float], k: int, j: int) -> float:
    low, high = sorted(bounds)
    return float(low + (high - low) * ((k + 1) * _IRRATIONAL[j % len(_IRRATIONAL)] % 1.0))


def _shown(point: Point) -> str:
    return ", ".join(
        f"{name} = {np.array2string(np.asarray(v), separator=', ', precision=6)}" for name, v in point.items()
    )


# ----------------------------------------------------------------------------- the three routes


def _check_slopes(rule: _Rule, point: Point, routes: Sequence[str]) -> None:
    for name in rule.names:
        if name in rule.record.parameters and (name not in rule.formulas.derivatives or _is_vector(point)):
            continue
        stated = _stated(rule, name, point)
        if "complex step" in routes:
            _compare(rule, name, point, stated, _complex_step(rule, name, point), "complex step")
        if "central differences" in routes:
            found, slack = _central(rule, name, point)
            _compare(rule, name, point, stated, found, "central differences", slack)


def _is_vector(point: Point) -> bool:
    return any(np.ndim(v) for v in point.values())


def _stated(rule: _Rule, name: str, point: Point) -> Value:
    """The rule's derivative, with the shape that it must have."""
    try:
        stated = rule.derivative(name, point)
    except ArithmeticError as error:
        raise rule.fail(name, f"{error} at {_shown(point)}") from None
    shape = np.shape(point[name])
    if (
        np.shape(stated) != shape
        and (rule.record.kind == "scalar" or np.ndim(stated))
        and name in rule.formulas.derivatives
    ):
        raise rule.fail(name, f"it has shape {np.shape(stated)}, the argument {shape}, at {_shown(point)}")
    return np.broadcast_to(np.asarray(stated, dtype=float), shape)


def _slope(rule: _Rule, name: str, point: Point, along: Callable[[Point, Point], Value]) -> Value:
    """The slope of the value, entry by entry of the argument; ``along`` gets the point and a unit direction."""
    argument = np.asarray(point[name], dtype=float)
    slopes = np.empty(argument.shape)
    for index in np.ndindex(argument.shape):
        unit = np.zeros(argument.shape)
        unit[index] = 1.0
        direction = {name: unit if argument.shape else 1.0}
        change = np.asarray(along(point, direction))
        slopes[index] = change[index] if change.shape and rule.record.kind == "elementwise" else change
    return slopes


def _complex_step(rule: _Rule, name: str, point: Point) -> Value:
    def along(start: Point, direction: Point) -> Value:
        moved = {
            n: np.asarray(v, dtype=complex) if np.ndim(v) else complex(v)
            for n, v in {**rule.record.parameters, **start}.items()
        }
        moved[name] = moved[name] + 1j * STEP * direction[name]
        return np.imag(rule.at(rule.formulas.value, moved, perturbed=True)) / STEP

    return _slope(rule, name, point, along)


def _central(rule: _Rule, name: str, point: Point) -> tuple[Value, Value]:
    """Central differences, and how far they may be off: the rounding of the values, which grows with them and not with
    their slope, and what the curve adds (the difference to a step twice as wide)."""

    def difference(width: float) -> Callable[[Point, Point], Value]:
        def along(start: Point, direction: Point) -> Value:
            up, down = (rule.value({**start, name: start[name] + s * width * direction[name]}) for s in (1, -1))
            return (np.asarray(up) - np.asarray(down)) / (2 * width)

        return along

    def rounding(start: Point, direction: Point) -> Value:
        return _ROUNDED * np.abs(np.asarray(rule.value(start))) / WIDTH

    found, wider = (_slope(rule, name, point, difference(width)) for width in (WIDTH, 2 * WIDTH))
    return found, _slope(rule, name, point, rounding) + np.abs(found - wider)


def _compare(rule: _Rule, name: str, point: Point, stated: Value, found: Value, route: str, slack: Value = 0.0) -> None:
    size = np.maximum(np.abs(stated), np.abs(found))
    if np.any(np.abs(stated - found) > _TOLERANCES[route] * np.maximum(size, 1e-3) + slack):
        numbers = [np.array2string(np.asarray(v), separator=", ", precision=10) for v in (stated, found)]
        raise rule.fail(name, f"it gives {numbers[0]}, but {route} of the value gives {numbers[1]} at {_shown(point)}")


def _check_sympy(rule: _Rule, point: Point) -> None:
    """SymPy's derivative of the value formula, where SymPy has all the functions in it."""
    from bptt_solver.algebra import slope_at
    from bptt_solver.symbolic import Names, NotConverted, to_sympy

    names = Names()
    registry = (
        Registry.of(rule.record, base=rule.registry) if rule.registry.find(rule.record.name) is None else rule.registry
    )
    symbols: dict[str, Any] = {}
    for name, v in {**rule.record.parameters, **point}.items():
        entries = tuple(names.symbol(Reference(f"{name}{i}")) for i in range(np.size(v)))
        symbols[name] = entries if np.ndim(v) else entries[0]
    numbers = {s: n for name, v in {**rule.record.parameters, **point}.items()
               for s, n in zip(np.atleast_1d(symbols[name]), np.atleast_1d(v).tolist(), strict=True)}  # fmt: skip
    try:
        value = to_sympy(rule.formulas.value, names, registry, {Reference(n): s for n, s in symbols.items()})
    except NotConverted:
        return
    for name in rule.names:
        if name in rule.record.parameters and (name not in rule.formulas.derivatives or _is_vector(point)):
            continue
        values = value if isinstance(value, tuple) else (value,) * np.size(symbols[name])
        found = [slope_at(v, s, numbers) for v, s in zip(values, np.atleast_1d(symbols[name]), strict=True)]
        stated = _stated(rule, name, point)
        _compare(rule, name, point, stated, np.reshape(found, np.shape(stated)), "SymPy's diff")


# ----------------------------------------------------------------------------- kinks, large arguments, pairs


def _check_kinks(rule: _Rule) -> None:
    """On a grid of the scalar functions of one argument: every kink is declared, and the convention is between both
    slopes."""
    record = rule.record
    if len(record.arguments) != 1 or rule.vectors_only():
        return
    (name,) = record.arguments
    low, high = record.domain.get(name, (-8.0, 8.0))
    for half in range(int(np.ceil(4 * low)) + 1, int(np.floor(4 * high))):
        x = half / 4
        left, right = (float(_complex_step(rule, name, {name: x + sign * 1e-7})) for sign in (-1, 1))
        kink = any(rule.at(formula, {name: x}) == 0 for formula in rule.formulas.kinks)
        jump = abs(right - left) > 1e-4 * max(abs(left), abs(right), 1e-2)
        if jump and not kink:
            raise AssertionError(
                f"{record.name}: a kink at {name} = {x:g} that 'kinks' does not name: slopes {left:g} and {right:g}"
            )
        if kink and not jump:
            raise AssertionError(f"{record.name}: 'kinks' names {name} = {x:g}, where both slopes are {left:g}")
        stated = float(rule.derivative(name, {name: x}))
        slack = 1e-4 * max(abs(left), abs(right), 1.0)
        if not min(left, right) - slack <= stated <= max(left, right) + slack:
            raise rule.fail(name, f"it gives {stated:g} at {name} = {x:g}, where the slopes are {left:g} and {right:g}")


def _check_extremes(rule: _Rule) -> None:
    """Arguments without a declared domain may be any number: value and derivatives stay finite there."""
    for name in rule.record.arguments:
        if name in rule.record.domain:
            continue
        for size in _sizes(rule):
            for shift, extreme in enumerate(EXTREMES):
                start = next(_points(rule, size))
                large = np.roll(EXTREMES, shift)[:size] if size else extreme
                point = {**start, name: large}
                try:
                    rule.value(point)
                    for with_respect_to in rule.formulas.derivatives:
                        rule.derivative(with_respect_to, point)
                except ArithmeticError as error:
                    raise AssertionError(f"{rule.record.name}: {error} at {_shown(point)}; "
                                         f"rewrite it, or give the domain of {name}") from None  # fmt: skip


def _check_matched(rule: _Rule, record: Loss, output: str) -> None:
    """The derivative of loss(output(o), d) with respect to o is what ``matched`` says; ``fused`` is the same number."""
    first, *others = record.arguments
    operation = rule.operations.find(output)
    if operation is None:
        raise AssertionError(f"{record.name}: matched with the unknown function '{output}'")
    o = Reference("o'")
    through = Call(output, (o,))
    composed = build.replace(rule.formulas.value, {Reference(first): through})
    names = {"value": composed, "derivative": rule.formulas.matched[output], "output": through}
    arguments = ("o'", *record.arguments)
    probe = _Composed(rule, arguments, names)
    for k in range(3):
        point = {"o'": np.array([_between((-3, 3), 5 * k + i, 4) for i in range(3)])}
        point |= {
            n: np.array([_between(record.domain.get(n, (-3.0, 3.0)), 5 * k + i, j) for i in range(3)])
            for j, n in enumerate(others)
        }
        point[first] = np.asarray(probe.real("output", point))
        stated, found = np.asarray(probe.real("derivative", point)), probe.slopes("value", "o'", point)
        if np.any(np.abs(stated - found) > 1e-9 * np.maximum(np.abs(found), 1e-3)):
            raise AssertionError(
                f"{record.name} matched with {output}, '{record.matched[output][0]}': it gives {stated}, "
                f"but the complex step gives {found} at {_shown(point)}"
            )
        if output in record.fused:
            fused = rule.operations.find(record.fused[output])
            assert fused is not None, (
                f"{record.name}: fused with {output} into the unknown loss '{record.fused[output]}'"
            )
            both = probe.real("value", point), probe.value_of(Call(fused.name, (o, *map(Reference, others))), point)
            assert np.isclose(*both, rtol=1e-9, atol=0), (
                f"{record.name}({output}(o)) is {both[0]}, {fused.name}(o) is {both[1]}"
            )


class _Composed:
    """Formulas over names of their own, in real and in complex arithmetic."""

    def __init__(self, rule: _Rule, names: tuple[str, ...], formulas: Mapping[str, Expression]) -> None:
        self.rule = rule
        self.names = (*names, *rule.record.parameters)
        self.formulas = formulas

    def value_of(self, formula: Expression, point: Point, perturbed: bool = False) -> Value:
        slots: dict[Expression, Expression] = {Reference(n): slot(i) for i, n in enumerate(self.names)}
        arithmetic = (ComplexArithmetic if perturbed else Arithmetic)(self.rule.operations)
        known = {**self.rule.record.parameters, **point}
        return arithmetic.compile(build.replace(formula, slots))([known.get(n, 0.0) for n in self.names])

    def real(self, which: str, point: Point) -> Value:
        return self.value_of(self.formulas[which], point)

    def slopes(self, which: str, name: str, point: Point) -> Value:
        slopes = []
        for i in range(len(point[name])):
            moved = {n: np.asarray(v, dtype=complex) for n, v in point.items()}
            moved[name][i] += 1j * STEP
            slopes.append(np.imag(self.value_of(self.formulas[which], moved, perturbed=True)) / STEP)
        return np.array(slopes)


# ----------------------------------------------------------------------------- any record


def check_record(record: Function | Topology | UpdateRule, registry: Registry | None = None) -> None:
    """The check that belongs to a record of any kind. Raises AssertionError."""
    if isinstance(record, Topology):
        check_topology(record, registry)
    elif isinstance(record, UpdateRule):
        check_update_rule(record, registry)
    else:
        check_function(record, registry)


__all__ = ["ROUTES", "check_function", "check_record", "check_topology", "check_update_rule"]
