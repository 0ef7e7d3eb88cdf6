"""One arithmetic: a table of functions by operation name, and the compiler from templates to functions of their
slots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bptt_solver.arithmetic.floats import FLOAT_SCALARS, float_arrays, power
from bptt_solver.arithmetic.structure import STRUCTURAL
from bptt_solver.arithmetic.values import EXACT_BITS, Function, Value, elementwise, is_array
from bptt_solver.language import build
from bptt_solver.language.bottom_up import bottom_up
from bptt_solver.language.expressions import Expression, Number, Reference
from bptt_solver.language.operations import Operation, Operations
from bptt_solver.language.templates import Slot

_MAKE_ARRAYS = frozenset({"concat", "outer", "diag", "expand", "transpose", "zeros", "unit", "place", "matmul"})


class Arithmetic:
    """A table of functions by operation name, and the compiler from templates to functions of their slot values."""

    name = "float"
    exact_bits = EXACT_BITS

    def __init__(self, operations: Operations) -> None:
        self.operations = operations
        self._table: dict[str, Function] = {}

    # -- scalars of this arithmetic

    def scalar(self, value: Any) -> Value:
        """A Python number as a scalar of this arithmetic."""
        return value

    def real(self, value: Value) -> Value:
        """The part on which branches are decided."""
        return value

    def scalar_function(self, name: str) -> Function:
        """The function of scalars with that name."""
        if name == "power":
            return lambda base, exponent: power(base, exponent, self.exact_bits)
        return FLOAT_SCALARS[name]

    def array_function(self, name: str) -> Function:
        """The same function of arrays."""
        return float_arrays()[name]

    # -- compiling

    def function(self, name: str) -> Function:
        """The operation of that name on values of this arithmetic."""
        known = self._table.get(name)
        if known is None:
            known = self._table[name] = self._make(name)
        return known

    def makes_arrays(self) -> bool:
        """Whether an operation was compiled that can make an array of numbers."""
        return not _MAKE_ARRAYS.isdisjoint(self._table)

    def _make(self, name: str) -> Function:
        structural = STRUCTURAL.get(name)
        if structural is not None:
            return structural(self)
        operation = self.operations[name]
        formula = operation.value()
        if formula is not None:
            return self._from_formula(operation, formula)
        on_scalars = self.scalar_function(name)
        count = len(operation.arguments)

        def apply(*arguments: Value) -> Value:
            for argument in arguments:
                if type(argument) is not float and is_array(argument):
                    return self._on_arrays(name, on_scalars, arguments)
            return on_scalars(*arguments)

        def apply_one(argument: Value) -> Value:
            if type(argument) is not float and is_array(argument):
                return self._on_arrays(name, on_scalars, (argument,))
            return on_scalars(argument)

        return apply_one if count == 1 else apply

    def _on_arrays(self, name: str, on_scalars: Function, arguments: Sequence[Value]) -> Value:
        if any(is_array(a) and a.dtype == object for a in arguments):
            return elementwise(on_scalars, arguments)
        return self.array_function(name)(*arguments)

    def _from_formula(self, operation: Operation, formula: Expression) -> Function:
        names = [Reference(n) for n in (*operation.arguments, *operation.parameters)]
        slots: dict[Expression, Expression] = {reference: Slot(i) for i, reference in enumerate(names)}
        function = self.compile(build.replace(formula, slots))
        defaults = list(operation.parameters.values())
        required = len(operation.arguments)

        def apply(*arguments: Value) -> Value:
            return function([*arguments, *defaults[len(arguments) - required :]])

        return apply

    def compile(self, expression: Expression) -> Callable[[Sequence[Value]], Value]:
        """A template's expression as a function of the list of its slot values."""
        return bottom_up(
            expression,
            self._leaf,
            lambda node, arguments: _applied(self.function(node.operation), arguments, node.arguments),
        )

    def _leaf(self, node: Expression) -> Callable[[Sequence[Value]], Value]:
        if isinstance(node, Slot):
            return _item(node.at)
        assert isinstance(node, Number), "a template has slots and numbers"
        return _constant(self.scalar(node.value))


def _item(at: int) -> Callable[[Sequence[Value]], Value]:
    from operator import itemgetter

    return itemgetter(at)


def _constant(value: Value) -> Callable[[Sequence[Value]], Value]:
    return lambda values: value


def _applied(
    function: Function, arguments: list[Callable[[Sequence[Value]], Value]], nodes: Sequence[Expression]
) -> Callable[[Sequence[Value]], Value]:
    """The function of the arguments' values; slots are read where they are needed."""
    at = [node.at if isinstance(node, Slot) else -1 for node in nodes]
    if len(arguments) == 1:
        (a,) = arguments
        i = at[0]
        return (lambda values: function(values[i])) if i >= 0 else (lambda values: function(a(values)))
    if len(arguments) == 2:
        a, b = arguments
        i, j = at
        if i >= 0 and j >= 0:
            return lambda values: function(values[i], values[j])
        return lambda values: function(a(values), b(values))
    parts = tuple(arguments)
    return lambda values: function(*[part(values) for part in parts])
