"""Numba: one compiled function of the given arrays; what its NumPy lacks is written as loops.

Numba gives a number in an expression a type of its own, so that ``1 - x`` would turn float32 into float64. Numbers
are therefore written as ``real(1)``, and one line of the module says what ``real`` is.
"""

from __future__ import annotations

from collections.abc import Sequence

from bptt_solver.compile.dialects.base import Dialect

_HELPERS = {
    "math": "import math",
    "rows": '''@njit(cache=True, error_model="numpy")
def rows(x):
    """{rows}"""
    return np.ascontiguousarray(x).reshape((-1, x.shape[-1]))''',
    "rows_times": '''@njit(cache=True, error_model="numpy")
def rows_times(x, matrix):
    """{rows_times}"""
    return (rows(x) @ matrix).reshape(x.shape[:-1] + (matrix.shape[1],))''',
    "softmax": '''@njit(cache=True, error_model="numpy")
def softmax(x):
    """{softmax}"""
    result = rows(x).copy()
    for row in result:
        top, total = row.max(), real(0)
        for j in range(row.size):
            row[j] = np.exp(row[j] - top)
            total += row[j]
        for j in range(row.size):
            row[j] /= total
    return result.reshape(x.shape)''',
    "xlogy_sums": '''@njit(cache=True, error_model="numpy")
def xlogy_sums(d, p):
    """{xlogy_sums_apart}"""
    every, others = rows(d), rows(p)
    result = np.zeros(len(every), p.dtype)
    for i in range(len(every)):
        for j in range(every.shape[1]):
            if every[i, j] != 0:
                result[i] += every[i, j] * np.log(others[i, j])
    return result.reshape(d.shape[:-1])''',
    "logsumexp": '''@njit(cache=True, error_model="numpy")
def logsumexp(x):
    """{logsumexp}"""
    result = np.empty(len(rows(x)), x.dtype)
    for i, row in enumerate(rows(x)):
        result[i] = row.max() + np.log(np.exp(row - row.max()).sum())
    return result.reshape(x.shape[:-1])''',
    "log_softmax": '''@njit(cache=True, error_model="numpy")
def log_softmax(x):
    """{log_softmax}"""
    result = np.empty_like(rows(x))
    for i, row in enumerate(rows(x)):
        result[i] = row - row.max()
        result[i] -= np.log(np.exp(result[i]).sum())
    return result.reshape(x.shape)''',
    "argmax_share": '''@njit(cache=True, error_model="numpy")
def argmax_share(x):
    """{argmax_share}"""
    result = np.zeros_like(rows(x))
    for i, row in enumerate(rows(x)):
        ties = row == row.max()
        result[i, ties] = real(1) / real(ties.sum())
    return result.reshape(x.shape)''',
    "column_sums": '''@njit(cache=True, error_model="numpy")
def column_sums(x):
    """{column_sums_as_product}"""
    return np.ones(len(x), x.dtype) @ x''',
    "sigmoid": '''@vectorize(cache=True)
def sigmoid(x):
    """1 / (1 + exp(-x))"""
    return real(1) / (real(1) + np.exp(-x))''',
    "step": '''@vectorize(cache=True)
def step(x, c):
    """{step}"""
    return real(1) if x > 0 else real(0) if x < 0 else real(c)''',
    "xlogy": '''@vectorize(cache=True)
def xlogy(d, p):
    """{xlogy}"""
    return real(0) if d == 0 else d * np.log(p)''',
    "clip": '''@vectorize(cache=True)
def clip(x, low, high):
    """{clip}"""
    return real(low) if x < low else real(high) if x > high else real(x)''',
    "erf": '''@vectorize(cache=True)
def erf(x):
    """{erf_of_number}"""
    return real(math.erf(x))''',
} | {
    f"last_{what}": f'''@njit(cache=True, error_model="numpy")
def last_{what}(x):
    """{{last_{what}}}"""
    result = np.empty(len(rows(x)), x.dtype)
    for i, row in enumerate(rows(x)):
        result[i] = row.{what}()
    return result.reshape(x.shape[:-1])'''
    for what in ("sum", "mean", "max", "min")
}  # fmt: skip
_OF_ROWS = [name for name, text in _HELPERS.items() if ("rows(x)" in text or "rows(d)" in text) and name != "rows"]
_NEEDS = {"erf": ("math",)} | {name: ("rows",) for name in _OF_ROWS}


class NumbaDialect(Dialect):
    """How Numba's NumPy writes it."""

    name = "numba"
    library = "Numba"
    prefix = "np"
    header = ("import numpy as np", "from numba import njit, vectorize", "", "real = np.float64  # {or_float32}")
    in_place = False
    hoists_entries = False
    usage = ("result = gradient(given)  # {type_of_line}",)
    defaults = False
    taken = ("np", "njit", "vectorize", "real", "program")
    helpers = _HELPERS
    needs = _NEEDS

    def _pairs(self) -> dict[str, str]:
        return {"max": "np.maximum", "min": "np.minimum"}

    def number(self, text: str) -> str:
        return f"real({text.strip('()') if '/' in text else text})"

    def array_of(self, text: str) -> str:
        return text

    def filled(self, text: str, shape: str) -> str:
        return f"np.ascontiguousarray(np.broadcast_to(np.asarray({text}, real), {shape}))"

    def function_head(self, name: str, arguments: Sequence[str]) -> str:
        return f"@vectorize(cache=True)\n{super().function_head(name, arguments)}"

    def square(self, operand: str) -> str:
        return f"np.square({operand})"

    def over_last(self, operand: str, what: str, rank: int) -> tuple[str, str]:
        text = f"last_{what}({operand})"
        return (text, f"last_{what}") if rank == 1 else (f"last_{what}({text})", f"last_{what}")

    def over_first(self, operand: str, places: Sequence[int]) -> str:
        return operand + "".join(f".sum({place})" for place in sorted(places, reverse=True))

    def entry_axis(self, operand: str, axes: bool) -> str:
        return f"{operand}[..., None]" if axes else f"np.array([{operand}])"

    def counted(self, low: str, after: str) -> str:
        return f"np.arange({low}, {after}).astype(real)"

    def inner(self, left: str, right: str) -> str:
        return f"np.sum({left} * {right})"

    def factor(self, text: str, scattered: bool) -> str:
        return f"np.ascontiguousarray({text})" if scattered else text

    def empty(self, shape: Sequence[int]) -> str:
        return f"np.empty({tuple(shape)!r}, real)"

    def assigned(self, array: str, where: str, value: str) -> str:
        return f"{array}[{where or ':'}] = {value}"
