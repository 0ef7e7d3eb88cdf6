"""Forward mode: tangents (dual numbers) through an unfolded system, in the order in which it is computed.

Nothing here knows the backward pass. A tangent belongs to a value; ``None`` is the structural zero. It is

* of a scalar system: a number, or `Sparse`, one number for each instance that is read (then the tangent of an instance *is* its
  row of simple partials);
* of a system with arrays: a NumPy array with a first axis more than the value, its *lanes*: many directions in one pass.

The derivative of one operation is found in one of four ways (``local``):

``rules``        by the operation's own rules, which the backward pass uses as well
``formulas``     a plugin's function by its value formula, the core's operations by their rules
``complex step`` by a complex step through the operation's value; no rule is used but those of sums and products
``directional``  as ``formulas``, but at a kink the one-sided derivative in the tangent's direction: relu'(0; d) = max(d, 0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bptt_solver.arithmetic import Arithmetic, ComplexArithmetic, NotFinite, Value, is_array
from bptt_solver.language import build
from bptt_solver.language.expressions import Call, Expression, Number, Reference
from bptt_solver.language.operations import Operation
from bptt_solver.language.templates import Slot, Template, slot
from bptt_solver.unfold import Ground, Unfolded

Tangent = Any  # a number, a Sparse, an array with lanes, or None
Pair = tuple[Value, Tangent]
Node = Callable[[Sequence[Value], Sequence[Tangent]], Pair]
Rule = Callable[[list[Value], list[Tangent]], Pair]
Linear = Callable[[list[Value], list[Tangent], Value], Tangent]

STEP = 1e-30  # of a complex step: nothing is subtracted, so it may be as small as one likes
_LARGER_STEP = 1e-7  # where the small one would underflow; its error is of order 1e-14
_UNDERFLOW = 1e-300


class Sparse(dict[int, Any]):
    """A row of partials, by instance number. Enough of a vector to be a tangent."""

    def __mul__(self, factor: Any) -> Sparse:
        return Sparse({k: v * factor for k, v in self.items()})

    __rmul__ = __mul__

    def __neg__(self) -> Sparse:
        return Sparse({k: -v for k, v in self.items()})

    def __add__(self, other: Mapping[int, Any]) -> Sparse:
        return added([self, other])


def added(tangents: Sequence[Tangent]) -> Tangent:
    """The sum of tangents, structural zeros left out; None if there is nothing else."""
    known = [t for t in tangents if t is not None]
    if len(known) < 2:
        return known[0] if known else None
    first = known[0]
    if type(first) is Sparse:
        result = Sparse(first)
        for other in known[1:]:
            for k, v in other.items():
                result[k] = result[k] + v if k in result else v
        return result
    for other in known[1:]:
        first = first + other
    return first


class ForwardMode:
    """Tangents in one arithmetic. ``local`` says where the derivatives of single operations come from (see above)."""

    def __init__(self, arithmetic: Arithmetic, local: str = "rules") -> None:
        self.arithmetic = arithmetic
        self.local = local
        self._complex = ComplexArithmetic(arithmetic.operations) if local == "complex step" else None
        self._rules: dict[tuple[str, int], Rule] = {}

    # -- instances

    def instance(self, grounds: Sequence[Ground], values: Sequence[Value], tangents: Mapping[int, Tangent], value: Value) -> Tangent:
        """The tangent of the instance that these grounds define and that has this value."""
        tangent = added([self._ground(ground, values, tangents)[1] for ground in grounds])
        if is_array(value) and tangent is not None and tangent.ndim <= value.ndim:
            return _spread(tangent, value.shape)  # a number stands for the whole array
        return tangent

    def row(self, grounds: Sequence[Ground], values: Sequence[Value], reads: Sequence[int]) -> Sparse:
        """All simple partials of a scalar instance of a scalar system, by the number of what it reads."""
        tangent = added([self._ground(ground, values, {n: Sparse({n: 1}) for n in reads})[1] for ground in grounds])
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

        ``values`` are those of all instances, with the constants behind them (`Program.start`). ``first``: the position in the
        order before which there is nothing to do. ``others``: instances that another mode computes.
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
            parts = [self._ground(inner, values, tangents) for inner in entry]  # type: ignore[union-attr]
            total = parts[0][0]
            for value, _ in parts[1:]:
                total = total + value
            slots.append(total)
            known.append(added([t for _, t in parts]))
        return self.function(ground.template)(slots, known)

    # -- compiling

    def function(self, template: Template) -> Node:
        """A template as a function of its slots' values and tangents."""
        return template.compiled(self, self.compile)  # type: ignore[arg-type,return-value]

    def compile(self, expression: Expression) -> Node:
        """An expression in slots as a function of values and tangents."""
        done: list[Node] = []
        stack: list[tuple[Expression, bool]] = [(expression, False)]
        while stack:
            node, ready = stack.pop()
            if isinstance(node, Call):
                if not ready:
                    stack.append((node, True))
                    stack.extend((child, False) for child in reversed(node.arguments))
                    continue
                count = len(node.arguments)
                arguments = done[len(done) - count :]
                del done[len(done) - count :]
                done.append(_applied(self.rule(node.operation, count), arguments))
            elif isinstance(node, Slot):
                done.append(_item(node.at))
            else:
                assert isinstance(node, Number), "a template has slots and numbers"
                done.append(_constant(self.arithmetic.scalar(node.value)))
        return done[0]

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
        if self.local == "directional" and name in _DIRECTIONAL:
            return self._with_value(operation, _DIRECTIONAL[name])
        formula = operation.value()
        if formula is not None and self.local != "rules":
            return self._from_formula(operation, formula, count)
        curved = _CURVED.get(name)
        return self._with_value(operation, self._by_rules(operation, count) if curved is None else curved(self))

    def _with_value(self, operation: Operation, linear: Linear) -> Rule:
        function = self.arithmetic.function(operation.name)

        def apply(values: list[Value], tangents: list[Tangent]) -> Pair:
            result = function(*values)
            if all(t is None for t in tangents):
                return result, None
            return result, linear(values, tangents, result)

        return apply

    def _from_formula(self, operation: Operation, formula: Expression, count: int) -> Rule:
        node = self.compile(build.replace(formula, operation.bind([slot(k) for k in range(count)])))
        return lambda values, tangents: node(values, tangents)

    def _by_rules(self, operation: Operation, count: int) -> Linear:
        binding = operation.bind([slot(k) for k in range(count)], slot(count))
        formulas = [operation.derivative(k) for k in range(count)]
        partials = [None if f is None else self.arithmetic.compile(build.replace(f, binding)) for f in formulas]
        fit = _entrywise if operation.kind == "elementwise" else _contracted

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
                    parts.append(_entrywise(tangent, _complex_partial(function, values, k), values[k], result))
            return added(parts)

        return linear


def _item(at: int) -> Node:
    return lambda values, tangents: (values[at], tangents[at])


def _constant(value: Value) -> Node:
    pair = (value, None)
    return lambda values, tangents: pair


def _applied(rule: Rule, arguments: Sequence[Node]) -> Node:
    parts = tuple(arguments)

    def apply(values: Sequence[Value], tangents: Sequence[Tangent]) -> Pair:
        pairs = [part(values, tangents) for part in parts]
        return rule([p[0] for p in pairs], [p[1] for p in pairs])

    return apply


# ----------------------------------------------------------------------------- lanes


def _spread(tangent: Tangent, shape: tuple[int, ...]) -> Tangent:
    """A scalar's tangent as that of an array of this shape, all of whose entries are the scalar."""
    import numpy

    return numpy.broadcast_to(tangent.reshape(tangent.shape[:1] + (1,) * len(shape)), (tangent.shape[0], *shape))


def _entrywise(tangent: Tangent, partial: Value, value: Value, result: Value) -> Tangent:
    """What an argument contributes to an elementwise result (or a scalar to a scalar)."""
    if is_array(result) and not is_array(value):
        tangent = _spread(tangent, result.shape)
    return tangent * partial


def _contracted(tangent: Tangent, partial: Value, value: Value, result: Value) -> Tangent:
    """What an argument contributes to a number."""
    if is_array(value):
        return _summed(tangent * partial)
    return tangent * (partial.sum() if is_array(partial) else partial)


def _summed(tangent: Tangent) -> Tangent:
    return tangent.reshape(tangent.shape[0], -1).sum(axis=1)


def _zeros(shape: tuple[int, ...], like: Tangent) -> Tangent:
    import numpy

    return numpy.full(shape, 0, dtype=like.dtype)


def _complex_partial(function: Callable[..., Value], values: Sequence[Value], k: int) -> Value:
    """The partial of an elementwise function by a complex step."""

    def at(step: float) -> Value:
        arguments = list(values)
        arguments[k] = arguments[k] + complex(0, step)
        result = function(*arguments)
        return result.imag / step if hasattr(result, "imag") else 0.0

    partial = at(STEP)
    if is_array(partial):
        tiny = abs(partial) < _UNDERFLOW / STEP
        if tiny.any():
            import numpy

            return numpy.where(tiny, at(_LARGER_STEP), partial)
        return partial
    return at(_LARGER_STEP) if abs(partial) < _UNDERFLOW / STEP else partial


def _lane_by_lane(function: Callable[..., Value], values: Sequence[Value], tangents: Sequence[Tangent], result: Value) -> Tangent:
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


# ----------------------------------------------------------------------------- sums, products and what moves entries


def _add(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    return added([_entrywise(t, 1, v, result) for v, t in zip(values, tangents, strict=True) if t is not None])


def _mul(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    parts = []
    for k, tangent in enumerate(tangents):
        if tangent is not None:
            others: Value = 1
            for i, value in enumerate(values):
                if i != k:
                    others = value if others is 1 else others * value  # noqa: F632 - the start, not a value
            parts.append(_entrywise(tangent, others, values[k], result))
    return added(parts)


def _matmul(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    (a, b), (ta, tb) = values, tangents
    right = None if tb is None else tb @ a.T if b.ndim == 1 else a @ tb
    return added([None if ta is None else ta @ b, right])


def _dot(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    (a, b), (ta, tb) = values, tangents
    return added([None if ta is None else _contracted(ta, b, a, result), None if tb is None else _contracted(tb, a, b, result)])


def _outer(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    (a, b), (ta, tb) = values, tangents
    return added([None if ta is None else ta[:, :, None] * b, None if tb is None else a[:, None] * tb[:, None, :]])


def _transpose(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    (t,) = tangents
    return t.swapaxes(1, 2) if values[0].ndim == 2 else t[:, None, :]


def _sum(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    return _summed(tangents[0]) if is_array(values[0]) else tangents[0]


def _mean(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    if not is_array(values[0]):
        return tangents[0]
    total = _summed(tangents[0])
    return total / values[0].size if total.dtype != object else total * _reciprocal(values[0].size)


def _reciprocal(n: int) -> Value:
    from fractions import Fraction

    return Fraction(1, n)


def _expand(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    return None if tangents[0] is None else _entrywise(tangents[0], 1, values[0], result)


def _widths(parts: Sequence[Value]) -> list[int]:
    ends = [0]
    for part in parts:
        ends.append(ends[-1] + (part.shape[0] if is_array(part) else 1))
    return ends


def _concat(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    ends = _widths(values)
    some = next(t for t in tangents if t is not None)
    whole = _zeros((some.shape[0], ends[-1]), some)
    for k, tangent in enumerate(tangents):
        if tangent is not None:
            whole[:, ends[k] : ends[k + 1]] = tangent if is_array(values[k]) else tangent[:, None]
    return whole


def _block(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    if tangents[0] is None:
        return None
    k, ends = int(values[1]), _widths(values[2:])
    piece = tangents[0][:, ends[k - 1] : ends[k]]
    return piece if is_array(result) else piece[:, 0]


def _columns(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    if tangents[0] is None:
        return None
    k, ends = int(values[1]), _widths(values[2:])
    return tangents[0][:, :, ends[k - 1] : ends[k]]


def _place_columns(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    if tangents[0] is None:
        return None
    k, ends = int(values[1]), _widths(values[2:])
    whole = _zeros((tangents[0].shape[0], *result.shape), tangents[0])
    whole[:, :, ends[k - 1] : ends[k]] = tangents[0]
    return whole


def _entry(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    return None if tangents[0] is None else tangents[0][:, int(values[1]) - 1]


def _part(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    return None if tangents[0] is None else tangents[0][:, int(values[1]) - 1 : int(values[2])]


def _place(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    if tangents[0] is None:
        return None
    whole = _zeros((tangents[0].shape[0], *result.shape), tangents[0])
    whole[:, int(values[1]) - 1 : int(values[2])] = tangents[0]
    return whole


def _diag(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    (t,) = tangents
    whole = _zeros((t.shape[0], *result.shape), t)
    for i in range(t.shape[1]):
        whole[:, i, i] = t[:, i]
    return whole


def _nothing(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    return None


LINEAR: dict[str, Linear] = {
    "add": _add,
    "neg": lambda values, tangents, result: -tangents[0],
    "mul": _mul,
    "matmul": _matmul,
    "dot": _dot,
    "outer": _outer,
    "transpose": _transpose,
    "unrow": lambda values, tangents, result: tangents[0][:, 0],
    "sum": _sum,
    "mean": _mean,
    "expand": _expand,
    "concat": _concat,
    "block": _block,
    "columns": _columns,
    "place_columns": _place_columns,
    "entry": _entry,
    "part": _part,
    "place": _place,
    "diag": _diag,
    "diagonal": lambda values, tangents, result: tangents[0].diagonal(axis1=1, axis2=2),
    **dict.fromkeys(("zeros", "unit", "count", "ties", "argmax_share", "stop_gradient"), _nothing),
}


def _softmax(mode: ForwardMode) -> Linear:
    def linear(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
        (t,) = tangents
        return result * (t - _summed(t * result)[:, None])

    return linear


def _log_softmax(mode: ForwardMode) -> Linear:
    exp = mode.arithmetic.function("exp")

    def linear(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
        (t,) = tangents
        return t - _summed(t * exp(result))[:, None]

    return linear


_CURVED: dict[str, Callable[[ForwardMode], Linear]] = {"softmax": _softmax, "log_softmax": _log_softmax}


# ----------------------------------------------------------------------------- one-sided derivatives


def _choice(first: Value, second: Value, t: Tangent, u: Tangent, result: Value, sign: int) -> Tangent:
    """The tangent of max (``sign`` 1) or min (-1) of two values with these tangents; at a tie that of the tangents."""
    t = 0 if t is None else t if not is_array(result) or is_array(first) else _spread(t, result.shape)
    u = 0 if u is None else u if not is_array(result) or is_array(second) else _spread(u, result.shape)
    if is_array(result) or is_array(t) or is_array(u):
        import numpy

        tie = numpy.maximum(t, u) if sign > 0 else numpy.minimum(t, u)
        above, below = (first > second, second > first) if sign > 0 else (first < second, second < first)
        return numpy.where(above, t, numpy.where(below, u, tie))
    if first == second:
        return max(t, u) if sign > 0 else min(t, u)
    return t if (first > second) == (sign > 0) else u


def _either(sign: int) -> Linear:
    return lambda values, tangents, result: _choice(*values, *tangents, result, sign)


def _directional_abs(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    (x,), (t,) = values, tangents
    return _choice(x, -x, t, -t, result, 1)


def _directional_clip(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    x, low, high = values
    t, t_low, t_high = tangents
    if is_array(result):
        import numpy

        raised = numpy.maximum(x, low)
        inner = _choice(x, low, t, t_low, raised, 1)
        return _choice(raised, high, inner, t_high, result, -1)
    return _choice(max(x, low), high, _choice(x, low, t, t_low, max(x, low), 1), t_high, result, -1)


def _directional_jump(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
    x = values[0]
    if (x == 0).any() if is_array(x) else x == 0:
        raise NotFinite("a jump has no slope")
    return None


def _extreme(sign: int) -> Linear:
    def linear(values: list[Value], tangents: list[Tangent], result: Value) -> Tangent:
        if not is_array(values[0]):
            return tangents[0]
        rows = tangents[0].reshape(tangents[0].shape[0], -1)[:, values[0].ravel() == result]
        return rows.max(axis=1) if sign > 0 else rows.min(axis=1)

    return linear


_DIRECTIONAL: dict[str, Linear] = {
    "abs": _directional_abs,
    "max": _either(1),
    "min": _either(-1),
    "clip": _directional_clip,
    "sign": _directional_jump,
    "step": _directional_jump,
    "largest": _extreme(1),
    "smallest": _extreme(-1),
}

__all__ = ["LINEAR", "STEP", "ForwardMode", "Reference", "Sparse", "Tangent", "added"]
