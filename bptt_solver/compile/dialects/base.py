"""What differs between the libraries that a program is written for; here, how NumPy has it.

A dialect is a table of texts: names of functions, the few forms that are written in another way, helper functions, how
an array is made and filled, how a loop is written, and what stands around the program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ELEMENTWISE = ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "abs", "sign")

_HELPERS = {
    "math": "import math",
    "rows": '''def rows(x):
    """{rows}"""
    return x.reshape(-1, x.shape[-1])''',
    "rows_times": '''def rows_times(x, matrix):
    """{rows_times}"""
    return (x.reshape(-1, x.shape[-1]) @ matrix).reshape(*x.shape[:-1], matrix.shape[1])''',
    "softmax": '''def softmax(x):
    """{softmax}"""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)''',
    "logsumexp": '''def logsumexp(x):
    """{logsumexp}"""
    top = x.max(-1, keepdims=True)
    return top[..., 0] + np.log(np.exp(x - top).sum(-1))''',
    "log_softmax": '''def log_softmax(x):
    """{log_softmax}"""
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))''',
    "step": '''def step(x, c):
    """{step}"""
    return np.where(x > 0, 1.0, np.where(x < 0, 0.0, c))''',
    "xlogy": '''def xlogy(d, p):
    """{xlogy}"""
    logs = np.zeros(np.broadcast(d, p).shape, np.result_type(d, p, np.float32))
    return d * np.log(p, out=logs, where=np.not_equal(d, 0))''',
    "xlogy_sums": '''def xlogy_sums(d, p):
    """{xlogy_sums}"""
    places = np.flatnonzero(d != 0)
    if 4 * places.size > d.size:
        return xlogy(d, p).sum(-1)
    terms = d.reshape(-1)[places] * np.log(p.reshape(-1)[places])
    sums = np.bincount(places // d.shape[-1], terms, d.size // d.shape[-1])
    return sums.reshape(d.shape[:-1]).astype(terms.dtype)''',
    "erf": '''def erf(x):
    """{erf}"""
    return np.vectorize(math.erf, otypes=[float])(x)''',
    "argmax_share": '''def argmax_share(x):
    """{argmax_share}"""
    ties = x == x.max(-1, keepdims=True)
    return ties / ties.sum(-1, keepdims=True)''',
    "entry": '''def entry(x, place):
    """{entry}"""
    at = np.asarray(place).astype(int)[..., None] - 1
    return np.take_along_axis(x, np.broadcast_to(at, (*x.shape[:-1], 1)), -1)[..., 0]''',
    "unit": '''def unit(x, place):
    """{unit}"""
    return np.equal(np.arange(1, x.shape[-1] + 1), np.asarray(place)[..., None]) + np.zeros_like(x)''',
    "sigmoid": '''@np.errstate(over="ignore")  # {sigmoid_of_large}
def sigmoid(x, out=None):
    """1 / (1 + exp(-x))"""
    if out is None:
        x = np.asarray(x)
        return sigmoid(x, np.empty(x.shape, np.result_type(x, np.float32)))[()]
    np.negative(x, out=out)
    np.exp(out, out=out)
    np.add(out, 1, out=out)
    return np.reciprocal(out, out=out)''',
    "column_sums": '''def column_sums(x):
    """{column_sums_as_product}"""
    return np.ones(len(x), x.dtype) @ x''',
}


class Dialect:
    """How NumPy writes it. Other dialects change what is different there."""

    name = "numpy"
    library = "NumPy"
    prefix = "np"
    header: tuple[str, ...] = ("import numpy as np",)
    in_place = True  # computes into arrays that are there already (`bptt_solver.compile.inplace`)
    usage: tuple[str, ...] = ("gradient = make(np.float64)", "result = gradient(given)")
    decorators: tuple[str, ...] = ()  # of the function
    defaults = True  # whether helper functions may have default values
    gathers = False  # whether functions want arrays where a number stands
    taken: tuple[str, ...] = ("np",)  # names that the module uses
    helpers: Mapping[str, str] = _HELPERS
    needs: Mapping[str, tuple[str, ...]] = {"erf": ("math",), "xlogy_sums": ("xlogy",)}  # what a helper calls

    hoists_entries = True  # whether what is computed entry by entry leaves a loop as well
    placing: tuple[str, ...] = ("sigmoid",)  # helpers that compute into a second argument

    def __init__(self) -> None:
        self.functions: dict[str, str] = {name: f"{self.prefix}.{name}" for name in ELEMENTWISE} | self._pairs()

    def _pairs(self) -> dict[str, str]:
        """Functions of several arguments, and others whose names differ."""
        return {"max": "np.maximum", "min": "np.minimum", "clip": "np.clip"}

    # -- expressions

    def number(self, text: str) -> str:
        """A number that stands in an equation."""
        return text

    def array_of(self, text: str) -> str:
        """An array without axes that holds a number."""
        return text

    def filled(self, text: str, shape: str) -> str:
        """An array of a shape, all of whose entries along missing axes are the same."""
        return f"{self.prefix}.broadcast_to({text}, {shape})"

    def function_head(self, name: str, arguments: Sequence[str]) -> str:
        """The first line of a helper function that works entry by entry."""
        return f"def {name}({', '.join(arguments)}):"

    def square(self, operand: str) -> str:
        """The square of an operand."""
        return f"{operand}**2"

    def row_function(self, name: str) -> tuple[str, str]:
        """``softmax`` and the like over the last axis: a function of the library with what stands behind its
        argument, or ("", "") for a helper."""
        return "", ""

    def over_last(self, operand: str, what: str, rank: int) -> tuple[str, str]:
        """``sum``, ``mean``, ``max`` or ``min`` over the last ``rank`` axes of an atom: its text, and the helper that
        it calls or ""."""
        return f"{operand}.{what}({'-1' if rank == 1 else '(-2, -1)'})", ""

    def over_first(self, operand: str, places: Sequence[int]) -> str:
        """The sum over some axes, counted from the first."""
        return f"{operand}.sum({places[0] if len(places) == 1 else tuple(places)})"

    def counted(self, low: str, after: str) -> str:
        """The whole numbers from ``low`` up to ``after``."""
        return f"np.arange({low}, {after})"

    def stacked(self, texts: Sequence[str], inner: bool = False) -> str:
        """Arrays one behind the other, along the first axis or along the last."""
        joined = f"{texts[0]}," if len(texts) == 1 else ", ".join(texts)
        return f"{self.prefix}.concatenate(({joined}){', -1' if inner else ''})"

    def entry_axis(self, operand: str, axes: bool) -> str:
        """Numbers as vectors of one entry."""
        return f"{operand}[..., None]" if axes else f"{self.prefix}.stack(({operand},))"

    def inner(self, left: str, right: str) -> str:
        """The sum of all products of two arrays."""
        return f"np.vdot({left}, {right})"

    def outer_sum(self, left: str, right: str, axes: int) -> str:
        """The sum of all outer products of two arrays of vectors with several axes; "" for one product of matrices."""
        return ""

    def factor(self, text: str, scattered: bool) -> str:
        """An operand of a matrix product."""
        return text

    def turned(self, matrix: str) -> str:
        """A transposed matrix that lies in memory as it is read, for a loop that reads it every turn."""
        return f"np.ascontiguousarray({matrix}.T)"

    # -- statements

    def kinds(self, like: str | None) -> list[tuple[str, str]]:
        """Names for the type of the numbers and the like, with the lines that set them; ``like`` is an array that is
        given, if there is one."""
        return []

    def empty(self, shape: Sequence[int]) -> str:
        """A new array."""
        return f"np.empty({tuple(shape)!r}, dtype)"

    def assigned(self, array: str, where: str, value: str) -> str:
        """A statement that puts values into an array."""
        return f"{array}[{where or '...'}] = {value}"
