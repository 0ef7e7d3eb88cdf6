"""The few functions that the generated source may call beside NumPy's own."""

from __future__ import annotations

from collections.abc import Callable

from bptt_solver.language.expressions import Call, Expression, Number, Reference
from bptt_solver.language.operations import Operations

FIXED = {
    "rows": '''def rows(x):
    """All vectors of x as the rows of one matrix."""
    return x.reshape(-1, x.shape[-1])''',
    "rows_times": '''def rows_times(x, matrix):
    """x @ matrix as one product of two matrices."""
    return (x.reshape(-1, x.shape[-1]) @ matrix).reshape(*x.shape[:-1], matrix.shape[1])''',
    "softmax": '''def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)''',
    "logsumexp": '''def logsumexp(x):
    top = x.max(-1, keepdims=True)
    return top[..., 0] + np.log(np.exp(x - top).sum(-1))''',
    "log_softmax": '''def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))''',
    "step": '''def step(x, c):
    return np.where(x > 0, 1.0, np.where(x < 0, 0.0, c))''',
    "xlogy": '''def xlogy(d, p):
    d, p = np.broadcast_arrays(d, p)
    result, used = np.zeros_like(p), np.not_equal(d, 0)
    result[used] = d[used] * np.log(p[used])
    return result''',
    "column_sums": '''def column_sums(x):
    return np.ones(len(x), x.dtype) @ x''',
}
_SIGNS = {"add": " + ", "mul": " * ", "div": " / ", "power": "**"}


class Helpers:
    """The helpers that a program uses, in an order in which each stands behind what it calls."""

    def __init__(self, operations: Operations, functions: dict[str, str]) -> None:
        self.operations = operations
        self.functions = functions  # of NumPy
        self.texts: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """The name to call; its definition is kept. Raises KeyError for a function that has none."""
        if name not in self.texts:
            self.texts[name] = FIXED[name] if name in FIXED else self._formula(name)
        return name

    def _formula(self, name: str) -> str:
        operation = self.operations[name]
        value = operation.value()
        if value is None or operation.kind != "elementwise":
            raise KeyError(name)
        defaults = [f"{p}={v!r}" for p, v in operation.parameters.items()]
        head = f"def {name}({', '.join([*operation.arguments, *defaults])}):"
        return f"{head}\n    return {_text(value, self._function)}"

    def _function(self, name: str) -> str:
        return self.functions[name] if name in self.functions else self(name)


def _text(node: Expression, function: Callable[[str], str]) -> str:
    """An elementwise formula in Python. Formulas of plugins are short: recursion is as deep as they are."""
    if isinstance(node, Number):
        value = node.value
        return repr(value) if isinstance(value, int | float) else f"({value.numerator} / {value.denominator})"
    if isinstance(node, Reference):
        return node.name
    assert isinstance(node, Call)
    inner = [_text(a, function) for a in node.arguments]
    if node.operation in _SIGNS:
        return f"({_SIGNS[node.operation].join(inner)})"
    if node.operation == "neg":
        return f"(-{inner[0]})"
    return f"{function(node.operation)}({', '.join(inner)})"
