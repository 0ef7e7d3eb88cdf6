"""Forward mode: tangents (dual numbers) through an unfolded system, in the order in which it is computed.

Nothing here knows the backward pass. A tangent belongs to a value; ``None`` is the structural zero. It is

* of a scalar system: a number, or `Sparse`, one number for each instance that is read (then the tangent of an
  instance *is* its row of simple partials);
* of a system with arrays: a NumPy array with a first axis more than the value, its *lanes*: many directions in a pass.

The derivative of one operation is found in one of four ways (``local``):

``rules``        by the operation's own rules, which the backward pass uses as well
``formulas``     a plugin's function by its value formula, the core's operations by their rules
``complex step`` by a complex step through the operation's value; no rule is used but those of sums and products
``directional``  as ``formulas``, but at a kink the one-sided derivative in its direction: relu'(0; d) = max(d, 0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bptt_solver.arithmetic import Arithmetic, ComplexArithmetic, Value, is_array
from bptt_solver.instances import Ground, Unfolded, ground_reads
from bptt_solver.language import build
from bptt_solver.language.bottom_up import bottom_up
from bptt_solver.language.expressions import Expression, Number
from bptt_solver.language.operations import Operation
from bptt_solver.language.templates import Slot, Template, slot
from bptt_solver.tangents import (
    DIRECTIONAL,
    LINEAR,
    Linear,
    Sparse,
    Tangent,
    added,
    contracted,
    entrywise,
    spread,
    summed,
)

Pair = tuple[Value, Tangent]
Node = Callable[[Sequence[Value], Sequence[Tangent]], Pair]
Rule = Callable[[list[Value], list[Tangent]], Pair]

_LONG = 64  # summands of an inner sum above which only those are computed that a few tangents reach
_FEW = 4
STEP = 1e-30  # of a complex step: nothing is subtracted, so it may be as small as one likes
_LARGER_STEP = 1e-7  # where the small one would underflow; its error is of order 1e-14
_UNDERFLOW = 1e-300
_TINY = 1e-20
_SHARE = 1e-10
_LEAST_STEP = 1e-300


class ForwardMode:
    """Tangents in one arithmetic. ``local`` says where the derivatives of single operations come from (see above).
    ``settled``: values are never changed between calls, so that long sums of them are computed once."""

    def __init__(self, arithmetic: Arithmetic, local: str = "rules", settled: bool = False) -> None:
        self.arithmetic = arithmetic
        self.local = local
        self.settled = settled
        self._sums: dict[int, tuple[object, Value, Mapping[int, Sequence[Ground]]]] = {}
        self._complex = ComplexArithmetic(arithmetic.operations) if local == "complex step" else None
        self._rules: dict[tuple[str, int], Rule] = {}

    # -- instances

    def instance(
        self, grounds: Sequence[Ground], values: Sequence[Value], tangents: Mapping[int, Tangent], value: Value
    ) -> Tangent:
        """The tangent of the instance that these grounds define and that has this value."""
        tangent = added([self._ground(ground, values, tangents)[1] for ground in grounds])
        if is_array(value) and tangent is not None and tangent.ndim <= value.ndim:
            return spread(tangent, value.shape)  # a number stands for the whole array
        return tangent

    def row(self, grounds: Sequence[Ground], values: Sequence[Value], reads: Sequence[int]) -> Sparse:
        """All simple partials of a scalar instance of a scalar system, by the number of what it reads."""
        if len(reads) == 1:  # plain numbers do
            tangent = added([self._ground(ground, values, {reads[0]: 1})[1] for ground in grounds])
            return Sparse() if tangent is None else Sparse({reads[0]: tangent})
        seeds = {n: Sparse({n: 1}) for n in reads}
        tangent = added([self._ground(ground, values, seeds)[1] for ground in grounds])
        return Sparse() if tangent is None else tangent

    def run(
        self,
        unfolded: Unfolded,
        values: Sequence[Value],
        seeds: Mapping[int, Tangent],
        target: int,
        first: int = 0,
        others: Mapping[int, ForwardMode] | None = None,
    ) -> Tangent:
        """The target's tangent when each seed is added to its instance, *where it is computed*, in one forward pass.

        ``values`` are those of all instances, with the constants behind them (`Program.start`). ``first``: the
        position in the order before which there is nothing to do. ``others``: instances that another mode computes.
        """
        others = others or {}
        tangents: dict[int, Tangent] = {n: t for n, t in seeds.items() if unfolded.grounds[n] is None}
        for number in unfolded.order[first:]:
            grounds = unfolded.grounds[number] or ()
            tangent = others.get(number, self).instance(grounds, values, tangents, values[number]) if tangents else None
            if number in seeds:
                tangent = added([tangent, seeds[number]])
            if tangent is not None:
                tangents[number] = tangent
            if number == target:
                break
        return tangents.get(target)

    def _ground(self, ground: Ground, values: Sequence[Value], tangents: Mapping[int, Tangent]) -> Pair:
        slots: list[Value] = []
        known: list[Tangent] = []
        for entry in ground.slots:
            if type(entry) is int:
                slots.append(values[entry])
                known.append(tangents.get(entry))
                continue
            if self.settled and len(tangents) <= _FEW and len(entry) > _LONG:  # type: ignore[arg-type]
                total, tangent = self._long(entry, values, tangents)  # type: ignore[arg-type]
                slots.append(total)
                known.append(tangent)
                continue
            parts = [self._ground(inner, values, tangents) for inner in entry]  # type: ignore[union-attr]
            total = parts[0][0]
            for value, _ in parts[1:]:
                total = total + value
            slots.append(total)
            known.append(added([t for _, t in parts]))
        return self.function(ground.template)(slots, known)

    def _long(self, entry: Sequence[Ground], values: Sequence[Value], tangents: Mapping[int, Tangent]) -> Pair:
        """A long sum with few tangents: its value is computed once, and of its summands those that a tangent reaches.
        All users of a sum over all of time would otherwise cost the square of its length."""
        found = self._sums.get(id(entry))
        if found is None or found[0] is not values:
            total: Value = None
            readers: dict[int, list[Ground]] = {}
            for inner in entry:
                value = self._ground(inner, values, {})[0]
                total = value if total is None else total + value
                for number in dict.fromkeys(ground_reads([inner])):
                    readers.setdefault(number, []).append(inner)
            found = self._sums[id(entry)] = values, total, readers
        reached = dict.fromkeys(ground for number in tangents for ground in found[2].get(number, ()))
        return found[1], added([self._ground(ground, values, tangents)[1] for ground in reached])

    # -- compiling

    def function(self, template: Template) -> Node:
        """A template as a function of its slots' values and tangents."""
        return template.compiled(self, self.compile)  # type: ignore[return-value]

    def compile(self, expression: Expression) -> Node:
        """An expression in slots as a function of values and tangents."""
        return bottom_up(
            expression, self._leaf, lambda node, parts: _applied(self.rule(node.operation, len(parts)), parts)
        )

    def _leaf(self, node: Expression) -> Node:
        if isinstance(node, Slot):
            return _item(node.at)
        assert isinstance(node, Number), "a template has slots and numbers"
        return _constant(self.arithmetic.scalar(node.value))

    def rule(self, name: str, count: int) -> Rule:
        """The rule of an operation that is called with so many arguments."""
        known = self._rules.get((name, count))
        if known is None:
            known = self._rules[name, count] = self._make(name, count)
        return known

    def _make(self, name: str, count: int) -> Rule:
        operation = self.arithmetic.operations[name]
        linear = LINEAR.get(name)
        if linear is not None:
            return self._with_value(operation, linear)
        if self._complex is not None:
            return self._with_value(operation, self._by_complex_step(operation))
        if self.local == "directional" and name in DIRECTIONAL:
            return self._with_value(operation, DIRECTIONAL[name])
        formula = operation.value()
        if formula is not None and self.local != "rules":
            return self._from_formula(operation, formula, count)
        curved = _CURVED.get(name)
        return self._with_value(operation, self._by_rules(operation, count) if curved is None else curved(self))

    def _with_value(self, operation: Operation, linear: Linear) -> Rule:
        function = self.arithmetic.function(operation.name)

        def apply(values: list[Value], tangents: list[Tangent]) -> Pair:
            result = function(*values)
            for tangent in tangents:
                if tangent is not None:
                    return result, linear(values, tangents, result)
            return result, None

        return apply

    def _from_formula(self, operation: Operation, formula: Expression, count: int) -> Rule:
        node = self.compile(build.replace(formula, operation.bind([slot(k) for k in range(count)])))
        return node

    def _by_rules(self, operation: Operation, count: int) -> Linear:
        binding = operation.bind([slot(k) for k in range(count)], slot(count))
        formulas = [operation.derivative(k) for k in range(count)]
        partials = [None if f is None else self.arithmetic.compile(build.replace(f, binding)) for f in formulas]
        fit = entrywise if operation.kind == "elementwise" else contracted

        def linear(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
            known = [*values, result]
            parts = []
            for k, tangent in enumerate(tangents):
                partial = partials[k]
                if tangent is not None and partial is not None:
                    parts.append(fit(tangent, partial(known), values[k], result))
            return added(parts)

        return linear

    def _by_complex_step(self, operation: Operation) -> Linear:
        assert self._complex is not None
        function = self._complex.function(operation.name)
        elementwise = operation.kind == "elementwise"

        def linear(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
            if not elementwise and any(is_array(v) for v in values):
                return _lane_by_lane(function, values, tangents, result)
            parts = []
            for k, tangent in enumerate(tangents):
                if tangent is not None:
                    parts.append(entrywise(tangent, _complex_partial(function, values, k), values[k], result))
            return added(parts)

        return linear


def _item(at: int) -> Node:
    return lambda values, tangents: (values[at], tangents[at])


def _constant(value: Value) -> Node:
    pair = (value, None)
    return lambda values, tangents: pair


def _applied(rule: Rule, arguments: Sequence[Node]) -> Node:
    if len(arguments) == 1:
        (only,) = arguments

        def apply_one(values: Sequence[Value], tangents: Sequence[Tangent]) -> Pair:
            value, tangent = only(values, tangents)
            return rule([value], [tangent])

        return apply_one
    if len(arguments) == 2:
        first, second = arguments

        def apply_two(values: Sequence[Value], tangents: Sequence[Tangent]) -> Pair:
            a, ta = first(values, tangents)
            b, tb = second(values, tangents)
            return rule([a, b], [ta, tb])

        return apply_two
    parts = tuple(arguments)

    def apply(values: Sequence[Value], tangents: Sequence[Tangent]) -> Pair:
        pairs = [part(values, tangents) for part in parts]
        return rule([p[0] for p in pairs], [p[1] for p in pairs])

    return apply


# ----------------------------------------------------------------------------- single operations


def step_at(value: Value) -> Value:
    """The complex step for a value: far smaller than the value itself, if that is not 0."""
    if is_array(value):
        import numpy

        size = numpy.abs(value)
        return numpy.where((size > _TINY) | (size == 0), STEP, numpy.maximum(size * _SHARE, _LEAST_STEP))
    size = abs(value)
    return STEP if size > _TINY or size == 0 else max(size * _SHARE, _LEAST_STEP)


def _complex_partial(function: Callable[..., Value], values: Sequence[Value], k: int) -> Value:
    """The partial of an elementwise function by a complex step."""

    def at(step: Value) -> Value:
        arguments = list(values)
        arguments[k] = arguments[k] + 1j * step
        result = function(*arguments)
        return result.imag / step if hasattr(result, "imag") else 0.0

    small = step_at(values[k])
    partial = at(small)
    if is_array(partial):
        tiny = abs(partial) * small < _UNDERFLOW
        if tiny.any():
            import numpy

            return numpy.where(tiny, at(numpy.maximum(small, _LARGER_STEP * numpy.abs(values[k]))), partial)
        return partial
    return at(max(small, _LARGER_STEP * abs(values[k]))) if abs(partial) * small < _UNDERFLOW else partial


def _lane_by_lane(
    function: Callable[..., Value], values: Sequence[Value], tangents: Sequence[Tangent], result: Value
) -> Tangent:
    """A complex step along each lane, for functions that mix entries."""
    import numpy

    used = [k for k, t in enumerate(tangents) if t is not None]
    lanes = tangents[used[0]].shape[0]
    found = []
    for lane in range(lanes):
        scale = max(float(numpy.max(numpy.abs(tangents[k][lane]))) for k in used)
        if scale == 0:
            found.append(numpy.zeros(getattr(result, "shape", ())))
            continue
        arguments = list(values)
        for k in used:
            arguments[k] = arguments[k] + complex(0, STEP) * (tangents[k][lane] / scale)
        found.append(numpy.imag(function(*arguments)) / STEP * scale)
    return numpy.array(found)


def _softmax(mode: ForwardMode) -> Linear:
    def linear(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
        (t,) = tangents
        return result * (t - summed(t * result)[:, None])

    return linear


def _log_softmax(mode: ForwardMode) -> Linear:
    exp = mode.arithmetic.function("exp")

    def linear(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
        (t,) = tangents
        return t - summed(t * exp(result))[:, None]

    return linear


_CURVED: dict[str, Callable[[ForwardMode], Linear]] = {"softmax": _softmax, "log_softmax": _log_softmax}
